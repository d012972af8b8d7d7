//! What the collector logged when it judged old events again, against what the evidence gives.
//!
//! A [`v1::Reassessment`] states how many verdicts changed at an entry of the log, and the root over them.
//! Whoever has all that they rest on comes to the same root: each event is judged by what stands below the
//! entry and by what stood below the one before, and what differs is a [`v1::Revision`].
//!
//! Not checked here: that there is an entry for every change. A collector that has not come to its end may
//! still owe one, and an answer of its says so.

use std::collections::BTreeMap;

use evidence::NodeId;
use prost::Message as _;
use register::assessment::{Assessed, Assessment, Facts, Item};
use remit_proto::v1::{self, leaf::Body, log_entry::Entry};
use tlog::{Edge, leaf_hash};

use crate::{
    coverage::Coverage,
    history::Known,
    manifest::Manifest,
    report::{Findings, Step},
};

/// Verdicts that are computed for it, two for each event and entry; beyond, it takes hours.
const JUDGED_MAX: u64 = 20_000_000;

/// An event in the order of the log.
pub(crate) struct Judged {
    pub(crate) facts: Facts,
    pub(crate) event: String,
}

/// Times of the seals of each node, by the log entry that covers them.
pub(crate) fn seal_times(assessed: &[Assessed]) -> BTreeMap<NodeId, Vec<(u64, i64)>> {
    let mut times: BTreeMap<NodeId, Vec<(u64, i64)>> = BTreeMap::new();
    for Assessed { origin, covered_by, item, .. } in assessed {
        if let Item::Other(body) = item
            && let Body::Seal(seal) = body.as_ref()
        {
            times.entry(origin.node.clone()).or_default().push((*covered_by, seal.at_s));
        }
    }
    times
}

/// What it takes.
pub(crate) struct Given<'g> {
    pub(crate) entries: &'g [Known],
    pub(crate) assessment: &'g Assessment,
    pub(crate) events: &'g [Judged],
    /// Of [`seal_times`].
    pub(crate) seals: BTreeMap<NodeId, Vec<(u64, i64)>>,
}

/// `why_not`: what the verdicts rest on and is not in this bundle, in words.
pub(crate) fn check(
    given: &Given<'_>,
    why_not: Option<String>,
    manifest: &Manifest,
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
        match &manifest.matcher_version {
            Some(version) if version != register::MATCHER_VERSION => findings.incomplete(
                Step::Reassessments,
                format!(
                    "{text}; the collector judged by matcher version {version}, this program by {}",
                    register::MATCHER_VERSION
                ),
            ),
            _ => findings.contradicted(Step::Reassessments, text),
        }
    }
    if findings.sound(Step::Reassessments) {
        let count = coverage.reassessments_checked;
        findings.proven(
            Step::Reassessments,
            format!("{count} re-assessments computed again, with the same changes"),
        );
    }
}

fn revisions(given: &Given<'_>, stated: &v1::Reassessment) -> (u64, tlog::Hash) {
    let Given { entries: _, assessment, events, seals } = given;
    let v1::Reassessment { log_size, from_register_size, to_register_size, .. } = stated;
    let mut tree = Edge::new();
    for Judged { facts, event } in events.iter().filter(|e| e.facts.covered_by < *log_size) {
        let at_s = seals.get(&facts.origin.node).into_iter().flatten();
        let at_s =
            at_s.filter(|(covered_by, _)| covered_by < log_size).map(|(_, at_s)| *at_s).max();
        let judge = |size: u64, register_size: u64| {
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
