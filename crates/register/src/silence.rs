//! When a node said nothing: one rule for the collector's answers and for the verifier's report.
//!
//! In: the seals of each node, as logged heads cover them, over all its generations. Out: the spans in
//! which nobody can say that the node looked.
//!
//! - Every seal says within how many seconds the next one follows ([`Heard::seal_interval_s`]). A
//!   *silence* lasts from a seal to the next one of the node, if that is more than three times as
//!   long. A change of the interval counts from the seal that states it.
//! - A seal that says that the agent stops begins a silence at once, however short: *announced*.
//! - What has not ended is *open*: it lasts until the time of the question. That time is of another
//!   clock than the node's, so a node that calls its clock unsynchronised is allowed the error that
//!   verdicts allow it.
//! - A clock that starts anew with the machine, and says that it is not set, does not move the time
//!   at which the node was last heard back.
//!
//! Promised: what is listed depends on the seals and their order alone, and nothing is left out
//! silently: of too many silences the longest are listed, and all are counted.

use std::collections::BTreeMap;

use evidence::NodeId;
use remit_proto::v1;

use crate::assessment::CLOCK_ERROR_UNSYNCED_S;

/// A report or an answer lists at most this many.
pub const LISTED_MAX: usize = 1000;
/// Seal intervals without a seal that are not yet a silence (DESIGN.md section 7, promise 5).
const INTERVALS: i64 = 3;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Silence {
    pub from_s: i64,
    /// Time of the next seal; of an open silence, the time of the question.
    pub until_s: i64,
    pub node: NodeId,
    /// The node had said that it stops.
    pub announced: bool,
    pub open: bool,
}

/// What the newest seal of a node says about the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    pub at_s: i64,
    pub seal_interval_s: u32,
    pub stopping: bool,
    pub clock_synced: bool,
}

impl Heard {
    fn of(seal: &v1::Seal) -> Self {
        Self {
            at_s: seal.at_s,
            seal_interval_s: seal.seal_interval_s,
            stopping: seal.stopping,
            clock_synced: seal.clock() == v1::ClockState::Synced,
        }
    }

    /// From when on no seal means silence.
    pub fn silent_after_s(&self) -> i64 {
        i64::from(self.seal_interval_s).saturating_mul(INTERVALS)
    }

    /// The silence that has not ended at this time of the reader's clock.
    pub fn open(&self, node: &NodeId, now_s: i64) -> Option<Silence> {
        let error_s = if self.clock_synced { 0 } else { i64::from(CLOCK_ERROR_UNSYNCED_S) };
        self.silence(node, now_s, error_s).map(|silence| Silence { open: true, ..silence })
    }

    fn silence(&self, node: &NodeId, until_s: i64, error_s: i64) -> Option<Silence> {
        let longest_s = if self.stopping { 0 } else { self.silent_after_s() };
        (until_s.saturating_sub(self.at_s) > longest_s.saturating_add(error_s)).then(|| Silence {
            from_s: self.at_s,
            until_s,
            node: node.clone(),
            announced: self.stopping,
            open: false,
        })
    }
}

/// Follows the seals of all nodes.
#[derive(Debug, Clone, Default)]
pub struct Watch(BTreeMap<NodeId, Heard>);

impl Watch {
    /// The next seal of a node. Returns the silence that it ended.
    pub fn seal(&mut self, node: &NodeId, seal: &v1::Seal) -> Option<Silence> {
        let heard = Heard::of(seal);
        let before = self.0.insert(node.clone(), heard)?;
        if heard.at_s < before.at_s && !heard.clock_synced {
            // The clock is not set yet: the node is here again, and its time is not.
            let kept = Heard { at_s: before.at_s, stopping: before.stopping, ..heard };
            self.0.insert(node.clone(), kept);
            return None;
        }
        before.silence(node, heard.at_s, 0)
    }

    pub fn heard(&self, node: &NodeId) -> Option<&Heard> {
        self.0.get(node)
    }

    /// The silences that have not ended at this time.
    pub fn open(&self, now_s: i64) -> impl Iterator<Item = Silence> {
        self.0.iter().filter_map(move |(node, heard)| heard.open(node, now_s))
    }
}

/// What a report shows of these: at most [`LISTED_MAX`], the longest, in the order of time.
pub fn listed(mut silences: Vec<Silence>) -> Vec<Silence> {
    if silences.len() > LISTED_MAX {
        silences.sort_by(|a, b| {
            (b.until_s.saturating_sub(b.from_s))
                .cmp(&a.until_s.saturating_sub(a.from_s))
                .then_with(|| a.cmp(b))
        });
        silences.truncate(LISTED_MAX);
    }
    silences.sort();
    silences
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "<from> <until> <announced|->" of the silences that these seals show; a seal is
    /// "<at> <interval>", "stop" after it, "unset" for a clock that is not set.
    fn check(seals: &[&str], asked_at_s: i64, expected: &[&str]) {
        let node: NodeId = "edge-1".parse().unwrap();
        let mut watch = Watch::default();
        let mut found: Vec<Silence> = Vec::new();
        for text in seals {
            let mut words = text.split(' ');
            let at_s = words.next().unwrap().parse().unwrap();
            let seal_interval_s = words.next().unwrap().parse().unwrap();
            let rest: Vec<&str> = words.collect();
            let clock = match rest.contains(&"unset") {
                true => v1::ClockState::Unsynced,
                false => v1::ClockState::Synced,
            };
            found.extend(watch.seal(
                &node,
                &v1::Seal {
                    at_s,
                    seal_interval_s,
                    clock: clock.into(),
                    stopping: rest.contains(&"stop"),
                    ..v1::Seal::default()
                },
            ));
        }
        found.extend(watch.open(asked_at_s));
        let found: Vec<String> = found
            .iter()
            .map(|s| {
                let until = if s.open { "open".to_owned() } else { s.until_s.to_string() };
                let announced = if s.announced { " announced" } else { "" };
                format!("{} {until}{announced}", s.from_s)
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn three_intervals_are_no_silence_and_a_second_more_is() {
        check(&["1000 30", "1090 30"], 1180, &[]);
        check(&["1000 30", "1091 30"], 1181, &["1000 1091"]);
        check(&["1000 30"], 1091, &["1000 open"]);
    }

    #[test]
    fn the_node_says_itself_how_often_it_seals() {
        check(&["1000 5", "1016 5"], 1016, &["1000 1016"]);
        check(&["1000 600", "2800 600"], 2800, &[]);
    }

    #[test]
    fn a_changed_interval_counts_from_the_seal_that_states_it() {
        check(&["1000 5", "1010 60", "1190 60", "1200 5", "1216 5"], 1216, &["1200 1216"]);
    }

    #[test]
    fn a_node_that_stopped_does_not_observe_from_that_moment() {
        check(&["1000 30 stop", "1002 30"], 1002, &["1000 1002 announced"]);
        check(&["1000 30 stop"], 1001, &["1000 open announced"]);
    }

    #[test]
    fn a_clock_that_is_not_set_hides_no_outage_and_invents_none() {
        check(&["1000 30", "5 30 unset", "35 30 unset", "1600 30"], 1600, &["1000 1600"]);
        check(&["1000 30", "5 30 unset", "1020 30"], 1020, &[]);
    }

    #[test]
    fn a_clock_that_was_set_back_starts_anew() {
        check(&["1000 30", "400 30", "430 30", "530 30"], 530, &["430 530"]);
    }

    #[test]
    fn the_clock_error_of_a_node_is_not_its_silence() {
        check(&["1000 30 unset"], 1390, &[]);
        check(&["1000 30 unset"], 1391, &["1000 open"]);
    }

    #[test]
    fn of_too_many_the_longest_are_listed() {
        let node: NodeId = "edge-1".parse().unwrap();
        let many = (0..LISTED_MAX as i64 + 5).map(|n| Silence {
            from_s: n * 10_000,
            until_s: n * 10_000 + 100 + n,
            node: node.clone(),
            announced: false,
            open: false,
        });
        let listed = listed(many.collect());
        assert_eq!((listed.len(), listed[0].from_s), (LISTED_MAX, 50_000));
    }
}
