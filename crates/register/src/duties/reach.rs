//! The points at which a request must or may be carried out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use remit_proto::v1::{NodeFacts, Observation};

use super::{Rules, UnobservedPoint};
use crate::{
    judge::{Answer, audience_of_some, place, place_of_some},
    request::Scope,
};

/// Where a request holds, and what the operator agreed to of it: both are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Where {
    pub(super) asked: Arc<Scope>,
    pub(super) accepted: Option<Scope>,
}

impl Where {
    /// Surely or perhaps.
    pub(super) fn may_hold(&self, facts: &NodeFacts) -> bool {
        !matches!(self.is_at(facts), Answer::No(_))
    }

    fn is_at(&self, facts: &NodeFacts) -> Answer {
        let scopes = std::iter::once(&*self.asked).chain(&self.accepted);
        scopes.map(|scope| within(scope, facts)).fold(Answer::Yes, Answer::and)
    }
}

/// A node that serves lines which are not meant cannot be held to block for all of them; what is blocked there
/// may be for those that are.
fn within(scope: &Scope, facts: &NodeFacts) -> Answer {
    place_of_some(scope, Some(facts)).and(audience_of_some(scope, Some(facts)))
}

pub(super) struct Reach {
    /// Surely in scope, and looked at.
    pub(super) observed: Vec<String>,
    pub(super) unobserved: Vec<UnobservedPoint>,
    /// Of the observed, those that are silent now, or have told nothing yet.
    pub(super) silent: BTreeSet<String>,
    /// Of the observed, when each of their sources was looked at first, in order.
    looks: BTreeMap<String, Vec<i64>>,
    /// Surely or perhaps in scope.
    nodes: BTreeSet<String>,
    /// Role and technologies that are looked at.
    kinds: BTreeMap<String, Kind>,
}

#[derive(PartialEq, Eq)]
struct Kind {
    role: i32,
    technologies: BTreeSet<String>,
}

impl Reach {
    pub(super) fn of(
        at: &Where,
        nodes: &[NodeFacts],
        rules: &Rules,
        is_silent: &dyn Fn(&str) -> bool,
    ) -> Self {
        let mut reach = Self {
            observed: Vec::new(),
            unobserved: Vec::new(),
            silent: BTreeSet::new(),
            looks: BTreeMap::new(),
            nodes: BTreeSet::new(),
            kinds: BTreeMap::new(),
        };
        for facts in nodes {
            match at.is_at(facts) {
                Answer::Yes => {}
                // What is installed there is not held against the operator as missing.
                Answer::Unknown(_) => {
                    reach.nodes.insert(facts.node.clone());
                    continue;
                }
                Answer::No(_) => continue,
            }
            reach.nodes.insert(facts.node.clone());
            let mut technologies = BTreeSet::new();
            for point in &facts.points {
                match Observation::try_from(point.observation).unwrap_or_default() {
                    Observation::Observed | Observation::Relayed => {
                        technologies.insert(point.technology.clone());
                    }
                    Observation::Unobserved | Observation::Unspecified => {
                        let (node, point) = (facts.node.clone(), point.id.clone());
                        reach.unobserved.push(UnobservedPoint { node, point });
                    }
                }
            }
            if !technologies.is_empty() {
                reach.observed.push(facts.node.clone());
                let mut looks: Vec<i64> = rules.looks(&facts.node).collect();
                looks.sort_unstable();
                if looks.is_empty() || is_silent(&facts.node) {
                    reach.silent.insert(facts.node.clone());
                }
                reach.looks.insert(facts.node.clone(), looks);
                let kind = Kind { role: facts.role, technologies };
                reach.kinds.insert(facts.node.clone(), kind);
            }
        }
        reach.observed.sort();
        reach.unobserved.sort();
        reach
    }

    pub(super) fn is_empty(&self) -> bool {
        self.observed.is_empty() && self.unobserved.is_empty()
    }

    pub(super) fn may_include(&self, node: &str) -> bool {
        self.nodes.contains(node)
    }

    /// In scope, looked at, and not silent now.
    pub(super) fn seen(&self) -> impl Iterator<Item = &str> {
        self.observed.iter().map(String::as_str).filter(|node| !self.silent.contains(*node))
    }

    /// Since when a node is looked at.
    pub(super) fn looked_since_s(&self, node: &str) -> Option<i64> {
        self.looks.get(node)?.first().copied()
    }

    /// The last time before an instant at which one of its sources was looked at first: from then to the
    /// instant all that is known of is what was seen.
    pub(super) fn looked_before_s(&self, node: &str, at_s: i64) -> Option<i64> {
        self.looks.get(node)?.iter().copied().take_while(|look_s| *look_s < at_s).last()
    }

    /// All sources of a node had been looked at before an instant: what is listed then, and was not, came since.
    pub(super) fn looked_first_before(&self, node: &str, at_s: i64) -> bool {
        self.looks.get(node).is_some_and(|looks| looks.iter().all(|look_s| *look_s < at_s))
    }

    /// Of the same role, with a technology in common.
    pub(super) fn are_peers(&self, one: &str, other: &str) -> bool {
        match (self.kinds.get(one), self.kinds.get(other)) {
            (Some(one), Some(other)) => {
                one.role == other.role
                    && one.technologies.intersection(&other.technologies).next().is_some()
            }
            (_, _) => false,
        }
    }
}

/// Lines that nodes serve at which a request holds, as far as they are declared.
pub fn lines_in_scope(scope: &Scope, nodes: &[NodeFacts]) -> u64 {
    let held = nodes.iter().filter(|facts| place(scope, Some(facts)) == Answer::Yes);
    held.fold(0, |lines, facts| lines.saturating_add(facts.lines_served))
}
