//! The other direction: accepted requests in force that are carried out nowhere (DOMAIN.md 3b).
//!
//! Kept apart from verdicts on purpose: one score over both would reward blocking too much.

use remit_proto::v1::{NodeFacts, Observation, Technique};

use evidence::{Claim, NodeId, RequestId};

use crate::{
    index::TargetIndex,
    judge::{Answer, place},
    register::View,
    request::Request,
    target::{Relation, Target, relation},
};

/// A blocking rule that stands at a node now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub node: NodeId,
    pub target: Target,
    pub technique: Technique,
    pub claims: Vec<Claim>,
}

/// One request that is not carried out, with all of its targets for which that is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    pub request: RequestId,
    pub finding: DutyFinding,
    pub targets: Vec<Target>,
    /// Nodes in scope with at least one point that is looked at.
    pub observed_nodes: Vec<String>,
    /// Points in scope at which the block may be and nobody looks.
    pub unobserved: Vec<UnobservedPoint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DutyFinding {
    /// Points in scope are observed, and none has it.
    NotEnforced,
    /// No point in scope is observed: whether it is carried out is not known.
    Undetermined,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnobservedPoint {
    pub node: String,
    pub point: String,
}

/// Every duty of the requests in force at `at_s`. Exempt: what is not in force (refused, challenged,
/// suspended, ended), what is not due yet by `implement_by`, exceptions, and the operator's and
/// users' own measures, which nobody is owed. A request whose territory is not stated binds no
/// particular point; nothing is said about it.
pub fn not_enforced(
    view: &View<'_>,
    at_s: i64,
    installed: &[Installed],
    nodes: &[NodeFacts],
) -> Vec<Duty> {
    let mut index = TargetIndex::default();
    for rule in installed {
        index.insert(&rule.target);
    }
    let mut duties = Vec::new();
    for entry in view.in_force_at(at_s) {
        let Some(version) = entry.version_at(at_s) else { continue };
        let request = &version.request;
        if request.is_own_measure() || request.implement_by_s.is_some_and(|by| at_s < by) {
            continue;
        }
        let reach = Reach::of(request, nodes);
        if reach.observed_nodes.is_empty() && reach.unobserved.is_empty() {
            continue;
        }
        let claimed = |rule: &Installed| rule.claims.contains(&Claim::Request(request.id.clone()));
        let targets: Vec<Target> = request
            .targets
            .iter()
            .filter(|held| !held.exception)
            .filter(|held| {
                let bounds = held.bounds(request);
                bounds.from_s <= at_s && bounds.until_s.is_none_or(|until| at_s < until)
            })
            .filter(|held| {
                let near = index.near(&held.target);
                let mut rules = near
                    .iter()
                    .filter_map(|number| installed.get(usize::try_from(*number).ok()?))
                    .filter(|rule| relation(&rule.target, &held.target) != Relation::Disjoint);
                !rules.any(|rule| reach.may_include(&rule.node))
            })
            .map(|held| held.target.clone())
            .collect();
        // Where the operator chooses the means, a rule that names the request carries it out by
        // addresses that the register does not list.
        let by_other_means = request.measure.outcome_only
            && installed.iter().any(|rule| claimed(rule) && reach.may_include(&rule.node));
        if targets.is_empty() || by_other_means {
            continue;
        }
        let finding = if reach.observed_nodes.is_empty() {
            DutyFinding::Undetermined
        } else {
            DutyFinding::NotEnforced
        };
        let Reach { observed_nodes, unobserved, .. } = reach;
        duties.push(Duty {
            request: request.id.clone(),
            finding,
            targets,
            observed_nodes,
            unobserved,
        });
    }
    duties
}

/// The points at which a request must or may be carried out.
struct Reach {
    observed_nodes: Vec<String>,
    unobserved: Vec<UnobservedPoint>,
    /// Surely or perhaps in scope.
    nodes: std::collections::HashSet<String>,
}

impl Reach {
    fn of(request: &Request, nodes: &[NodeFacts]) -> Self {
        let mut reach = Self {
            observed_nodes: Vec::new(),
            unobserved: Vec::new(),
            nodes: std::collections::HashSet::new(),
        };
        for facts in nodes {
            match place(&request.scope, Some(facts)) {
                Answer::Yes => {}
                // What is installed there is not held against the operator as missing.
                Answer::Unknown(_) => {
                    reach.nodes.insert(facts.node.clone());
                    continue;
                }
                Answer::No(_) => continue,
            }
            reach.nodes.insert(facts.node.clone());
            let mut observed = false;
            for point in &facts.points {
                match Observation::try_from(point.observation).unwrap_or_default() {
                    Observation::Observed | Observation::Relayed => observed = true,
                    Observation::Unobserved | Observation::Unspecified => {
                        let (node, point) = (facts.node.clone(), point.id.clone());
                        reach.unobserved.push(UnobservedPoint { node, point });
                    }
                }
            }
            if observed {
                reach.observed_nodes.push(facts.node.clone());
            }
        }
        reach.observed_nodes.sort();
        reach.unobserved.sort();
        reach
    }

    fn may_include(&self, node: &NodeId) -> bool {
        self.nodes.contains(node.as_str())
    }
}
