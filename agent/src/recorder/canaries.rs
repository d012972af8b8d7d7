//! What became of canaries, by path, for each `Seal`.
//!
//! Sums are of the generation, and durable with each batch. A path is stated once a source of this run
//! has said that it has it: one that was taken out of the configuration is no path any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use evidence::leaf::{CANARIES_MAX, CANARY_PATH_SIZE_MAX};
use remit_proto::v1::CanaryAccount;

use super::leaves::clean;
use crate::{clock::in_range, observation::Canaries};

type Path = (i32, Arc<str>);

#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_path: BTreeMap<Path, CanaryAccount>,
    /// Paths of this run.
    told: BTreeSet<Path>,
}

impl Accounts {
    pub(super) fn restore(accounts: Vec<CanaryAccount>) -> Self {
        // Whoever sent what was not seen is gone, and nobody waits for it.
        let awaited = |account: CanaryAccount| CanaryAccount { unanswered: 0, ..account };
        let accounts = accounts.into_iter().map(awaited);
        let by_path = accounts.map(|a| ((a.source, a.path.as_str().into()), a));
        Self { by_path: crate::order::map(by_path), told: BTreeSet::new() }
    }

    pub(super) fn take(&mut self, news: Canaries) {
        let Canaries { source, path, sent, seen, unanswered, counted, at_s } = news;
        let path: Path = (source.into(), path);
        self.told.insert(path.clone());
        let account = self.by_path.entry(path).or_insert_with_key(|(source, path)| CanaryAccount {
            source: *source,
            path: path.to_string(),
            ..CanaryAccount::default()
        });
        let at_s = in_range(at_s);
        if sent > 0 {
            account.sent = account.sent.saturating_add(sent);
            account.sent_at_s = at_s;
        }
        // One that was on its way when this generation began is of the one before.
        let seen = seen.min(account.sent - account.seen);
        if seen > 0 {
            account.seen += seen;
            account.seen_at_s = at_s;
        }
        account.unanswered =
            unanswered.unwrap_or(account.unanswered).min(account.sent - account.seen);
        if let Some(counted) = counted {
            account.counted_known = true;
            account.counted = account.counted.saturating_add(counted);
        }
    }

    /// Sums start anew; the paths are as they were.
    pub(super) fn begin_generation(&mut self) {
        for account in self.by_path.values_mut() {
            let CanaryAccount { source, ref mut path, counted_known, .. } = *account;
            let path = std::mem::take(path);
            *account = CanaryAccount { source, path, counted_known, ..CanaryAccount::default() };
        }
    }

    /// As a `Seal` states them. Of more than it holds the first.
    pub(super) fn stated(&self) -> Vec<CanaryAccount> {
        let told = self.by_path.iter().filter(|(path, _)| self.told.contains(*path));
        let stated = told.map(|(_, account)| CanaryAccount {
            path: clean(&account.path, CANARY_PATH_SIZE_MAX),
            ..account.clone()
        });
        stated.take(CANARIES_MAX).collect()
    }

    /// All of them, as they are durable.
    pub(super) fn state(&self) -> Vec<CanaryAccount> {
        self.by_path.values().take(KEPT_MAX).cloned().collect()
    }
}

/// Paths that are gone are remembered in case that they come back.
const KEPT_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use remit_proto::v1::SourceKind;

    use super::*;

    fn news(sent: u64, seen: u64, unanswered: u64, at_s: i64) -> Canaries {
        let unanswered = Some(unanswered);
        let path = Canaries::on(SourceKind::Nftables, "nflog/42".into(), at_s);
        Canaries { sent, seen, unanswered, ..path }
    }

    fn told(accounts: &Accounts) -> Vec<(u64, u64, u64, u64, i64, i64)> {
        let told = accounts.stated().into_iter();
        told.map(|a| (a.sent, a.seen, a.unanswered, a.counted, a.sent_at_s, a.seen_at_s)).collect()
    }

    #[test]
    fn sums_outlast_a_restart_and_a_path_is_stated_when_it_is_told_of() {
        let mut accounts = Accounts::default();
        assert_eq!(told(&accounts), []);
        accounts.take(Canaries::on(SourceKind::Nftables, "nflog/42".into(), 5));
        assert_eq!(told(&accounts), [(0, 0, 0, 0, 0, 0)]);
        accounts.take(news(1, 0, 1, 10));
        accounts.take(news(1, 1, 1, 11));
        let counted = Canaries::on(SourceKind::Nftables, "nflog/42".into(), 11);
        accounts.take(Canaries { counted: Some(2), ..counted });
        assert_eq!(told(&accounts), [(2, 1, 1, 2, 11, 11)]);
        let mut accounts = Accounts::restore(accounts.state());
        assert_eq!(told(&accounts), []);
        accounts.take(news(1, 1, 0, 20));
        assert_eq!(told(&accounts), [(3, 2, 0, 2, 20, 20)]);
    }

    #[test]
    fn no_more_are_seen_in_a_generation_than_were_sent_in_it() {
        let mut accounts = Accounts::default();
        accounts.take(news(1, 0, 1, 10));
        accounts.begin_generation();
        accounts.take(news(0, 1, 0, 11));
        assert_eq!(told(&accounts), [(0, 0, 0, 0, 0, 0)]);
    }
}
