//! What became of canaries, by path, for each `Seal`.
//!
//! Sums are of the generation, and durable with each batch. A path is stated once a source of this run
//! has said that it has it: one that was taken out of the configuration is no path any more.
//!
//! What a self-test sent is stated in one seal, and forgotten.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use evidence::leaf::{CANARIES_MAX, CANARY_PATH_SIZE_MAX, SELF_TEST_PATH};
use remit_proto::v1::CanaryAccount;

use super::leaves::clean;
use crate::{clock::in_range, observation::Canaries};

type Path = (i32, Arc<str>);

#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_path: BTreeMap<Path, CanaryAccount>,
    /// Paths of this run.
    told: BTreeSet<Path>,
    /// Of self-tests, since the last seal.
    tests: BTreeMap<Path, CanaryAccount>,
}

impl Accounts {
    pub(super) fn restore(accounts: Vec<CanaryAccount>) -> Self {
        // Whoever sent what was not seen is gone, and nobody waits for it.
        let awaited = |account: CanaryAccount| CanaryAccount { unanswered: 0, ..account };
        let accounts = accounts.into_iter().map(awaited);
        let by_path = accounts.map(|a| ((a.source, a.path.as_str().into()), a));
        Self { by_path: crate::order::map(by_path), ..Self::default() }
    }

    /// Whether somebody waits to see it stated: a person, who tests.
    pub(super) fn take(&mut self, news: Canaries) -> bool {
        let Canaries { source, path, sent, seen, unanswered, counted, at_s } = news;
        let is_test = path.starts_with(SELF_TEST_PATH);
        let path: Path = (source.into(), path);
        if is_test && self.tests.len() >= TESTS_MAX && !self.tests.contains_key(&path) {
            return false;
        }
        let accounts = if is_test { &mut self.tests } else { &mut self.by_path };
        let account = accounts.entry(path.clone()).or_insert_with_key(|(source, path)| {
            CanaryAccount { source: *source, path: path.to_string(), ..CanaryAccount::default() }
        });
        if !is_test {
            self.told.insert(path);
        }
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
        is_test
    }

    /// Sums start anew; the paths are as they were.
    pub(super) fn begin_generation(&mut self) {
        for account in self.by_path.values_mut() {
            let CanaryAccount { source, ref mut path, counted_known, .. } = *account;
            let path = std::mem::take(path);
            *account = CanaryAccount { source, path, counted_known, ..CanaryAccount::default() };
        }
    }

    /// As the next `Seal` states them. Of more than it holds the first.
    pub(super) fn stated(&mut self) -> Vec<CanaryAccount> {
        let tests = std::mem::take(&mut self.tests);
        let told = self.by_path.iter().filter(|(path, _)| self.told.contains(*path));
        let told = told.take(CANARIES_MAX - tests.len()).map(|(_, account)| CanaryAccount {
            path: clean(&account.path, CANARY_PATH_SIZE_MAX),
            ..account.clone()
        });
        let mut stated: Vec<_> = told.chain(tests.into_values()).collect();
        crate::order::sort_by(&mut stated, |one, other| {
            (one.source, &one.path).cmp(&(other.source, &other.path))
        });
        stated
    }

    /// All of them, as they are durable.
    pub(super) fn state(&self) -> Vec<CanaryAccount> {
        self.by_path.values().take(KEPT_MAX).cloned().collect()
    }
}

/// Paths that are gone are remembered in case that they come back.
const KEPT_MAX: usize = 256;
/// Paths of self-tests between two seals: a node has few groups, and few people who test it at once.
const TESTS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use remit_proto::v1::SourceKind;

    use super::*;

    fn news(sent: u64, seen: u64, unanswered: u64, at_s: i64) -> Canaries {
        let unanswered = Some(unanswered);
        let path = Canaries::on(SourceKind::Nftables, "nflog/42".into(), at_s);
        Canaries { sent, seen, unanswered, ..path }
    }

    fn told(accounts: &mut Accounts) -> Vec<(u64, u64, u64, u64, i64, i64)> {
        let told = accounts.stated().into_iter();
        told.map(|a| (a.sent, a.seen, a.unanswered, a.counted, a.sent_at_s, a.seen_at_s)).collect()
    }

    #[test]
    fn sums_outlast_a_restart_and_a_path_is_stated_when_it_is_told_of() {
        let mut accounts = Accounts::default();
        assert_eq!(told(&mut accounts), []);
        accounts.take(Canaries::on(SourceKind::Nftables, "nflog/42".into(), 5));
        assert_eq!(told(&mut accounts), [(0, 0, 0, 0, 0, 0)]);
        accounts.take(news(1, 0, 1, 10));
        accounts.take(news(1, 1, 1, 11));
        let counted = Canaries::on(SourceKind::Nftables, "nflog/42".into(), 11);
        accounts.take(Canaries { counted: Some(2), ..counted });
        assert_eq!(told(&mut accounts), [(2, 1, 1, 2, 11, 11)]);
        let mut accounts = Accounts::restore(accounts.state());
        assert_eq!(told(&mut accounts), []);
        accounts.take(news(1, 1, 0, 20));
        assert_eq!(told(&mut accounts), [(3, 2, 0, 2, 20, 20)]);
    }

    #[test]
    fn no_more_are_seen_in_a_generation_than_were_sent_in_it() {
        let mut accounts = Accounts::default();
        accounts.take(news(1, 0, 1, 10));
        accounts.begin_generation();
        accounts.take(news(0, 1, 0, 11));
        assert_eq!(told(&mut accounts), [(0, 0, 0, 0, 0, 0)]);
    }

    #[test]
    fn a_self_test_is_stated_once_beside_the_paths_and_is_none() {
        let mut accounts = Accounts::default();
        let test = |at_s| {
            let path = Canaries::on(SourceKind::Nftables, "selftest/0f/nflog/42".into(), at_s);
            Canaries { sent: 1, seen: 1, unanswered: Some(0), ..path }
        };
        assert!(!accounts.take(news(1, 1, 0, 10)) && accounts.take(test(11)));
        assert!(accounts.take(test(12)));
        let paths = |accounts: &mut Accounts| -> Vec<(String, u64)> {
            accounts.stated().into_iter().map(|account| (account.path, account.seen)).collect()
        };
        let both = [("nflog/42".to_owned(), 1), ("selftest/0f/nflog/42".to_owned(), 2)];
        assert_eq!(paths(&mut accounts), both);
        assert_eq!(paths(&mut accounts), both[..1]);
        accounts.take(test(13));
        assert_eq!(accounts.state().len(), 1, "nothing of it outlasts a restart");
    }

    #[test]
    fn so_many_self_tests_at_once_leave_room_for_the_paths() {
        let mut accounts = Accounts::default();
        let on = |path: String| Canaries {
            sent: 1,
            seen: 1,
            ..Canaries::on(SourceKind::Nftables, path.into(), 5)
        };
        for n in 0..100 {
            accounts.take(on(format!("selftest/{n:016x}/nflog/1")));
            accounts.take(on(format!("nflog/{n}")));
        }
        let stated = accounts.stated();
        let tests =
            stated.iter().filter(|account| account.path.starts_with(SELF_TEST_PATH)).count();
        assert_eq!((stated.len(), tests), (CANARIES_MAX, TESTS_MAX));
    }
}
