//! What an account lost between two seals.
//!
//! Accounts are cumulative within a generation. Kept is only how they change, with the span in which it
//! happened, so that a question about last week is not answered with the losses of last year. What was lost stays
//! lost; what was not explained may be later, and is taken back then.

use std::collections::HashMap;

use evidence::AgentOrigin;
use remit_proto::v1;

use crate::store::NewLoss;

pub(super) fn losses(
    origin: &AgentOrigin,
    index: u64,
    before: Option<&v1::Seal>,
    seal: &v1::Seal,
) -> Vec<NewLoss> {
    let from_s = before.map_or(seal.at_s, |seal| seal.at_s).min(seal.at_s);
    // An agent may list a source twice; its accounts are then added up.
    let (old, new) = (before.map(totals).unwrap_or_default(), totals(seal));
    let mut grown: Vec<NewLoss> = new
        .into_iter()
        .filter_map(|(source, (lost, unexplained))| {
            let (lost_before, unexplained_before) = old.get(&source).copied().unwrap_or_default();
            let lost = lost.saturating_sub(lost_before);
            let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            let unexplained = signed(unexplained).saturating_sub(signed(unexplained_before));
            (lost > 0 || unexplained != 0).then(|| NewLoss {
                origin: origin.clone(),
                index,
                source,
                from_s,
                until_s: seal.at_s,
                lost,
                unexplained,
            })
        })
        .collect();
    grown.sort_by_key(|loss| loss.source);
    grown
}

/// By source: lost for any cause, and unexplained in either direction.
fn totals(seal: &v1::Seal) -> HashMap<i32, (u64, u64)> {
    let mut totals: HashMap<i32, (u64, u64)> = HashMap::new();
    for account in &seal.sources {
        let (lost, unexplained) = totals.entry(account.source).or_default();
        for loss in &account.lost {
            *lost = lost.saturating_add(loss.count);
        }
        *unexplained = unexplained
            .saturating_add(account.unexplained_missing)
            .saturating_add(account.unexplained_surplus);
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The queue dropped twenty, and the agent knew of it only after its next seal.
    #[test]
    fn what_is_explained_later_is_taken_back() {
        let seal = |missing: u64, lost: u64| v1::Seal {
            sources: vec![v1::SourceAccount {
                unexplained_missing: missing,
                lost: vec![v1::Loss { count: lost, ..v1::Loss::default() }],
                ..v1::SourceAccount::default()
            }],
            ..v1::Seal::default()
        };
        let origin: AgentOrigin = "example.net/agent/r1/0000000000000001".parse().unwrap();
        let seals = [seal(20, 0), seal(0, 20), seal(0, 20)];
        let mut before = None;
        let mut told = Vec::new();
        for seal in &seals {
            let losses = losses(&origin, 1, before, seal);
            told.extend(losses.into_iter().map(|loss| (loss.lost, loss.unexplained)));
            before = Some(seal);
        }
        assert_eq!(told, [(0, 20), (20, -20)]);
    }
}
