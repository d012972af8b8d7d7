//! What of a node's or a log's word cannot be believed as it stands (DOMAIN.md 3e), and where each code is
//! found.
//!
//! | code | where |
//! |---|---|
//! | `SILENT_AGENT` | [`silent_agents`]: a node that is not heard from ([`silence`](crate::silence)), unless its area is silent as such ([`area`](crate::area)), which is one cause and told once |
//! | `CLOCK_SUSPECT` | [`clock_suspect`]: a node says that its clock is not set, or its seals are of a time that had not come when they arrived |
//! | `FORKED` | two heads signed by one node that exclude each other, kept as a `Fork` entry: what DOMAIN.md calls a sequence gap or a replay would have to show itself so |
//! | `SEQUENCE_GAP`, `REPLAY` | cannot arise otherwise: the index of a leaf follows from the tree, a batch is taken only from the size last accepted, with a consistency proof, in one step; nothing can be left out, sent twice or moved |
//! | `BACKDATED` | a statement whose stated time is not that of its recording is refused (`RECORDED_AT`, 600 s); what a bundle shows later than it states is counted by the verifier as statements shown late, and every verdict says whether its request was registered before the act |
//! | `UNREPORTED_RULE`, `PHANTOM_RULE` | [`Contradiction`]: a control snapshot, which stands for no changes, shows a rule or a form of it that the node had not told of, or lacks one that it had. Other snapshots are reports: nodes write one in place of more than 256 changes, after a start, and when changes found no room. What these show first is kept as such ([`Begun::Found`](crate::duties::Begun)) and is not timed against a bound where a silence lies before it |
//! | `REGISTER_ROLLBACK` | cannot arise unseen: register heads in the collector's log only grow, each proven to extend the one before; a verifier contradicts one that does not, against an old checkpoint that it brings itself |
//! | `KEY_EXPIRED` | cannot arise: the keys that sign do not expire, they are revoked by size. TLS certificates do, and prove nothing here; nodes renew them, `remit-agent doctor` says until when they hold |

use std::collections::BTreeSet;

use evidence::NodeId;
use remit_proto::v1::{ClockState, Seal};

use crate::{area::AreaSilence, silence::Silence};

/// What a control snapshot (`RuleSnapshot.control`) and the changes before it cannot both have right. Of the
/// snapshot a generation begins with there is nothing before, and of a ruleset that did not hold still none is
/// written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contradiction {
    /// It shows a rule, or one in a form, of which no change had told.
    Unreported,
    /// It lacks a rule of which a change had told, and none of its end.
    Phantom,
}

/// A clock that is set by NTP and runs on is not further off than this.
pub const AHEAD_MAX_S: i64 = 300;

/// Silences that have not ended, but for those that are their area's.
pub fn silent_agents<'s>(silences: &'s [Silence], areas: &[AreaSilence]) -> Vec<&'s Silence> {
    let told: BTreeSet<&NodeId> =
        areas.iter().filter(|area| area.open).flat_map(|area| &area.nodes).collect();
    silences.iter().filter(|silence| silence.open && !told.contains(&silence.node)).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockSuspect {
    /// As the node says itself.
    NotSynced,
    /// By how much the newest seal was ahead of the clock of who received it, at the least.
    Ahead { by_s: i64 },
}

impl ClockSuspect {
    /// What tells it from another cause at the same node.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotSynced => "not_synced",
            Self::Ahead { .. } => "ahead",
        }
    }
}

/// `arrived_s`: when anything of the node last arrived. A seal that comes late is no wrong clock.
pub fn clock_suspect(seal: &Seal, arrived_s: i64) -> Option<ClockSuspect> {
    let by_s = seal.at_s.saturating_sub(arrived_s);
    if arrived_s != 0 && by_s > AHEAD_MAX_S {
        return Some(ClockSuspect::Ahead { by_s });
    }
    match seal.clock() {
        ClockState::Synced => None,
        ClockState::Unsynced | ClockState::Unspecified => Some(ClockSuspect::NotSynced),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(at_s: i64, clock: ClockState) -> Seal {
        Seal { at_s, clock: clock.into(), ..Seal::default() }
    }

    #[test]
    fn a_clock_is_suspect_by_its_own_word_or_if_it_was_there_before_us() {
        let check = |at_s, clock, want: Option<&str>| {
            let found = clock_suspect(&seal(at_s, clock), 10_000).map(ClockSuspect::word);
            assert_eq!(found, want, "{at_s} {clock:?}");
        };
        check(10_000, ClockState::Synced, None);
        check(10_300, ClockState::Synced, None);
        check(10_301, ClockState::Synced, Some("ahead"));
        check(10_000, ClockState::Unsynced, Some("not_synced"));
        // A spool of yesterday.
        check(1_000, ClockState::Synced, None);
    }

    #[test]
    fn a_silent_area_is_told_once_and_not_once_more_for_each_of_its_nodes() {
        let silence = |node: &str, open| Silence {
            from_s: 10,
            until_s: 90,
            node: node.parse().unwrap(),
            announced: false,
            open,
        };
        let all = [silence("r1", true), silence("r2", true), silence("r3", false)];
        let area = |open| AreaSilence {
            area: "country DE".into(),
            from_s: 10,
            until_s: 90,
            open,
            nodes: [all[0].node.clone()].into(),
            of: 4,
        };
        let nodes = |areas: &[AreaSilence]| -> Vec<String> {
            silent_agents(&all, areas).iter().map(|silence| silence.node.to_string()).collect()
        };
        assert_eq!(nodes(&[]), ["r1", "r2"]);
        assert_eq!(nodes(&[area(true)]), ["r2"]);
        assert_eq!(nodes(&[area(false)]), ["r1", "r2"], "that one has ended");
    }
}
