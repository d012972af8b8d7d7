//! What the collector logged when it judged old events again, against what the evidence gives.
//!
//! A [`v1::Reassessment`] states how many verdicts changed at an entry of the log, and the root over them.
//! Whoever has all that they rest on comes to the same root: each event is judged by what stands below the
//! entry and by what stood below the one before, and what differs is a [`v1::Revision`].
//!
//! Each entry states by which version of the matcher it was made. Where that is another one than this program's,
//! or none, the same changes are proof all the same, and other ones are nothing that could be held against
//! anybody: it is said that they could not be checked. The manifest is not asked; it says what the collector
//! judges by today. The version that a log states never goes down: else whoever states an old one, or none, would
//! be asked for nothing.
//!
//! Not checked here: that there is an entry for every change. A collector that has not come to its end may
//! still owe one, and an answer of its says so.

use std::collections::BTreeMap;

use evidence::{AgentOrigin, NodeId};
use prost::Message as _;
use register::{
    MATCHER_NUMBER,
    assessment::{Assessed, Assessment, Facts, Item},
};
use remit_proto::v1::{self, leaf::Body, log_entry::Entry};
use tlog::{Edge, leaf_hash};

use crate::{
    coverage::Coverage,
    history::Known,
    report::{Findings, Step},
};

/// Verdicts that are computed for it, two for each event and entry; beyond, it takes hours.
const JUDGED_MAX: u64 = 20_000_000;

/// An event in the order of the log.
pub(crate) struct Judged {
    pub(crate) facts: Facts,
    pub(crate) event: String,
}

/// Times of the seals of each tree, in its order, with the log entry that covers them. Generations of a node
/// overlap, and each has a newest seal of its own.
#[derive(Default)]
pub(crate) struct Seals(BTreeMap<NodeId, BTreeMap<AgentOrigin, Vec<(u64, i64)>>>);

impl Seals {
    pub(crate) fn of(assessed: &[Assessed]) -> Self {
        let mut seals = Self::default();
        for Assessed { origin, covered_by, item, .. } in assessed {
            if let Item::Other(body) = item
                && let Body::Seal(seal) = body.as_ref()
            {
                let of_node = seals.0.entry(origin.node.clone()).or_default();
                of_node.entry(origin.clone()).or_default().push((*covered_by, seal.at_s));
            }
        }
        seals
    }

    /// The latest among the newest seals of a node's trees, below a size of the log. What a tree sealed before
    /// its newest one, by a clock that was set back since, does not count.
    pub(crate) fn newest_s(&self, node: &NodeId, log_size: u64) -> Option<i64> {
        let trees = self.0.get(node)?.values();
        let newest = |seals: &Vec<(u64, i64)>| {
            seals.iter().rfind(|(covered_by, _)| *covered_by < log_size).map(|(_, at_s)| *at_s)
        };
        trees.filter_map(newest).max()
    }
}

/// What it takes.
pub(crate) struct Given<'g> {
    pub(crate) entries: &'g [Known],
    pub(crate) assessment: &'g Assessment,
    pub(crate) events: &'g [Judged],
    pub(crate) seals: Seals,
}

/// `why_not`: what the verdicts rest on and is not in this bundle, in words.
pub(crate) fn check(
    given: &Given<'_>,
    why_not: Option<String>,
    coverage: &mut Coverage,
    findings: &mut Findings,
) {
    let Given { entries, events, .. } = given;
    let logged: Vec<(u64, &v1::Reassessment)> = entries
        .iter()
        .filter_map(|known| match &known.entry {
            Entry::Reassessment(reassessment) => Some((known.index, reassessment)),
            _ => None,
        })
        .collect();
    coverage.reassessments = logged.len() as u64;
    if logged.is_empty() {
        return;
    }
    versions(&logged, findings);
    let needed = (events.len() as u64).saturating_mul(logged.len() as u64).saturating_mul(2);
    let why_not = why_not.or_else(|| {
        (needed > JUDGED_MAX).then(|| format!("it would take {needed} verdicts to be computed"))
    });
    if let Some(why_not) = why_not {
        let count = logged.len();
        let text = format!("{count} re-assessments of old events were not checked: {why_not}");
        return findings.incomplete(Step::Reassessments, text);
    }
    for (index, stated) in &logged {
        let (changed, root) = revisions(given, stated);
        if (stated.changed, stated.root.as_slice()) == (changed, root.0.as_slice()) {
            coverage.reassessments_checked += 1;
            continue;
        }
        let text = if stated.changed == changed {
            format!("log entry {index} states another root over its {changed} changed verdicts")
        } else {
            format!(
                "log entry {index} states that {} verdicts changed, and by the evidence {changed} did",
                stated.changed
            )
        };
        let by = match stated.matcher_version {
            MATCHER_NUMBER => {
                findings.contradicted(Step::Reassessments, text);
                continue;
            }
            0 => "by a matcher version that it does not state".to_owned(),
            other => format!("by matcher version {other}"),
        };
        findings.incomplete(
            Step::Reassessments,
            format!(
                "{text}; it could not be checked (other matcher version): the collector judged {by}, this \
                 program by {MATCHER_NUMBER}"
            ),
        );
    }
    if findings.sound(Step::Reassessments) {
        let count = coverage.reassessments_checked;
        findings.proven(
            Step::Reassessments,
            format!("{count} re-assessments computed again, with the same changes"),
        );
    }
}

/// A smaller version than one stated before, or none, is contradicted.
fn versions(logged: &[(u64, &v1::Reassessment)], findings: &mut Findings) {
    let mut highest: Option<(u64, u32)> = None;
    for (index, stated) in logged {
        let version = stated.matcher_version;
        match highest {
            Some((before, most)) if version < most => {
                let what = match version {
                    0 => "no matcher version".to_owned(),
                    version => format!("matcher version {version}"),
                };
                findings.contradicted(
                    Step::Reassessments,
                    format!("log entry {index} states {what}, after entry {before} stated {most}"),
                );
            }
            _ => highest = Some((*index, version)),
        }
    }
}

fn revisions(given: &Given<'_>, stated: &v1::Reassessment) -> (u64, tlog::Hash) {
    let Given { entries: _, assessment, events, seals } = given;
    let v1::Reassessment { log_size, from_register_size, to_register_size, .. } = stated;
    let mut tree = Edge::new();
    for Judged { facts, event } in events.iter().filter(|e| e.facts.covered_by < *log_size) {
        let judge = |size: u64, register_size: u64| {
            let at_s = seals.newest_s(&facts.origin.node, size);
            let verdict = assessment.now(facts, size, at_s.unwrap_or_default()).to_wire();
            v1::Verdict { register_size, ..verdict }
        };
        // An event was judged first by all that stands at the entry which covers it.
        let first = facts.covered_by.saturating_add(1);
        let before = judge(log_size.saturating_sub(1).max(first), *from_register_size);
        let after = judge(*log_size, *to_register_size);
        let same = v1::Verdict { register_size: before.register_size, ..after.clone() } == before;
        if !same {
            let revision =
                v1::Revision { event: event.clone(), before: Some(before), after: Some(after) };
            tree.append(leaf_hash(&revision.encode_to_vec()));
        }
    }
    (tree.size(), tree.root())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seals_are_those_of_each_generation() {
        let seal = |generation: &str, covered_by, at_s| {
            let origin = format!("example.net/agent/r1/{generation}").parse().unwrap();
            let body = Body::Seal(v1::Seal { at_s, ..v1::Seal::default() });
            Assessed { origin, index: 0, covered_by, item: Item::Other(Box::new(body)) }
        };
        let (one, two) = ("00000000000000aa", "00000000000000bb");
        // The clock of the first is set back while the second begins.
        let seals =
            Seals::of(&[seal(one, 3, 100), seal(two, 4, 80), seal(one, 5, 90), seal(two, 6, 85)]);
        let newest = |log_size| seals.newest_s(&"r1".parse().unwrap(), log_size);
        assert_eq!(newest(3), None);
        assert_eq!(newest(4), Some(100));
        assert_eq!(newest(5), Some(100));
        assert_eq!(newest(6), Some(90), "not what it sealed before");
        assert_eq!(newest(7), Some(90));
        assert_eq!(seals.newest_s(&"r2".parse().unwrap(), 7), None);
    }
}
