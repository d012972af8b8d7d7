//! What probes saw from outside, held against requests in force (DOMAIN.md 3b, `INEFFECTIVE`).
//!
//! A request is ineffective if it was in force when a probe, in a network of the operator in which the
//! request holds, reached what the request wants blocked, although a rule for it stood at a node of that
//! network. Of one target in one network the newest measurement speaks. What the request keeps open, in its text
//! or in a list, what was not accepted of it, nodes for which it was not accepted, and orders against the publisher
//! are none that a probe finds anything of.
//!
//! Not said: that an operator did anything wrong. A probe is one line at one instant, by a judgement of its
//! own; and what was reached may have been reached over another resolver than the operator's.

use std::collections::{BTreeMap, BTreeSet};

use evidence::RequestId;
use remit_proto::v1::{NodeFacts, ProbePage, ProbeResult};

use crate::{
    duties::Installed,
    judge::{Answer, place},
    register::View,
    target::{Relation, Target, relation},
};

/// One outside measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub at_s: i64,
    pub result: ProbeResult,
    /// What the page that was reached says of itself.
    pub page: ProbePage,
    /// 0: not said; it then says nothing of this operator.
    pub asn: u32,
    pub target: Target,
}

/// A blocking rule and since when it stands; 0: since before anybody looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stands {
    pub rule: Installed,
    pub since_s: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ineffective {
    pub request: RequestId,
    /// Position of the measurement.
    pub seen: usize,
}

/// Each request with the newest measurement that shows it, in order.
pub fn ineffective(
    view: &View<'_>,
    stands: &[Stands],
    nodes: &[NodeFacts],
    seen: &[Seen],
) -> Vec<Ineffective> {
    let mut found: BTreeMap<RequestId, usize> = BTreeMap::new();
    for at in newest(seen) {
        let Some(one) = seen.get(at).filter(|one| one.result == ProbeResult::Reached) else {
            continue;
        };
        for request in reached(view, stands, nodes, one) {
            let known = found.entry(request).or_insert(at);
            if seen.get(*known).is_some_and(|known| known.at_s < one.at_s) {
                *known = at;
            }
        }
    }
    found.into_iter().map(|(request, seen)| Ineffective { request, seen }).collect()
}

/// Of each target and network, the newest that came to a conclusion.
fn newest(seen: &[Seen]) -> Vec<usize> {
    let mut newest: BTreeMap<(&Target, u32), (i64, usize)> = BTreeMap::new();
    for (at, one) in seen.iter().enumerate() {
        let concludes = matches!(one.result, ProbeResult::Reached | ProbeResult::Blocked);
        if concludes && one.asn != 0 {
            let known = newest.entry((&one.target, one.asn)).or_insert((one.at_s, at));
            *known = (*known).max((one.at_s, at));
        }
    }
    newest.into_values().map(|(_, at)| at).collect()
}

/// Requests that want this target blocked, in force then and there, and installed.
fn reached(
    view: &View<'_>,
    stands: &[Stands],
    nodes: &[NodeFacts],
    seen: &Seen,
) -> BTreeSet<RequestId> {
    let mut requests = BTreeSet::new();
    for touch in view.touching(&seen.target) {
        let request = &touch.version.request;
        let wanted = matches!(touch.relation, Relation::Equal | Relation::Inside)
            && !touch.target.exception
            && !request.is_own_measure()
            && !request.to_publisher;
        let current = touch
            .entry
            .version_at(seen.at_s)
            .is_some_and(|now| now.request.version == request.version);
        let in_force = touch.entry.standing_at(seen.at_s).is_some_and(|s| s.is_in_force());
        let (from_s, until_s) = touch.target.bounds(request);
        let listed = from_s <= seen.at_s && until_s.is_none_or(|until_s| seen.at_s < until_s);
        if !(wanted && current && in_force && listed) {
            continue;
        }
        let decision = touch.entry.decision_at(seen.at_s);
        let not_accepted = decision.is_some_and(|decision| decision.leaves_out(&seen.target));
        if not_accepted || view.must_stay_open(&request.id, &seen.target, seen.at_s) {
            continue;
        }
        let accepted = decision.and_then(|decision| decision.accepted_scope.as_ref());
        let holds_at = |facts: &NodeFacts| {
            let mut scopes = std::iter::once(&*request.scope).chain(accepted);
            scopes.all(|scope| place(scope, Some(facts)) == Answer::Yes)
        };
        let holds: BTreeSet<&str> = nodes
            .iter()
            .filter(|facts| facts.asn == seen.asn && holds_at(facts))
            .map(|facts| facts.node.as_str())
            .collect();
        let installed = stands.iter().any(|Stands { rule, since_s }| {
            // What was reached may lie outside of its further conditions.
            !rule.narrowed
                && holds.contains(rule.node.as_str())
                && *since_s <= seen.at_s
                && relation(&rule.target, &touch.target.target) != Relation::Disjoint
        });
        if installed {
            requests.insert(request.id.clone());
        }
    }
    requests
}
