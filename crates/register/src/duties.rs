//! The other direction: accepted requests in force that are carried out nowhere (DOMAIN.md 3b).
//!
//! Kept apart from verdicts on purpose: one score over both would reward blocking too much.

use std::collections::{HashMap, HashSet};

use evidence::{Claim, NodeId, RequestId};
use remit_proto::v1::{NodeFacts, Observation, Technique};

use crate::{
    index::TargetIndex,
    judge::{Answer, place},
    list::Listed,
    register::View,
    request::Scope,
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
    let rules = Rules::new(installed);
    // Many requests share few scopes.
    let mut reaches: HashMap<&Scope, Reach> = HashMap::new();
    let listed = view.listed_at(at_s);
    let mut duties = Vec::new();
    for entry in view.in_force_at(at_s) {
        let Some(version) = entry.version_at(at_s) else { continue };
        let request = &version.request;
        if request.is_own_measure() || request.implement_by_s.is_some_and(|by| at_s < by) {
            continue;
        }
        // Agreed narrowing is no failure to carry out.
        let not_taken_on = entry.decision_at(at_s);
        if request.to_publisher {
            continue;
        }
        let scope = not_taken_on.and_then(|d| d.accepted_scope.as_ref()).unwrap_or(&request.scope);
        let reach = reaches.entry(scope).or_insert_with(|| Reach::of(scope, nodes));
        if reach.observed_nodes.is_empty() && reach.unobserved.is_empty() {
            continue;
        }
        // Where the operator chooses the means, a rule that names the request carries it out by
        // addresses that the register does not list.
        if request.measure.outcome_only && rules.name(&request.id, reach) {
            continue;
        }
        let by_list = listed.get(&request.id).into_iter().flatten().map(Listed::target);
        let targets: Vec<Target> = request
            .targets
            .iter()
            .chain(by_list)
            .filter(|held| !held.exception)
            // What it resolves to is blocked instead of a name, not beside it.
            .filter(|held| held.derived.is_none())
            .filter(|held| {
                let (from_s, until_s) = held.bounds(request);
                from_s <= at_s && until_s.is_none_or(|until| at_s < until)
            })
            .filter(|held| !not_taken_on.is_some_and(|d| d.not_accepted.contains(&held.target)))
            .filter(|held| !rules.touch(&held.target, reach))
            .map(|held| held.target.clone())
            .collect();
        if targets.is_empty() {
            continue;
        }
        let finding = if reach.observed_nodes.is_empty() {
            DutyFinding::Undetermined
        } else {
            DutyFinding::NotEnforced
        };
        duties.push(Duty {
            request: request.id.clone(),
            finding,
            targets,
            observed_nodes: reach.observed_nodes.clone(),
            unobserved: reach.unobserved.clone(),
        });
    }
    duties
}

/// What stands installed, by target and by claim.
struct Rules<'i> {
    all: &'i [Installed],
    index: TargetIndex,
    by_claim: HashMap<&'i RequestId, Vec<&'i NodeId>>,
}

impl<'i> Rules<'i> {
    fn new(all: &'i [Installed]) -> Self {
        let mut rules = Self { all, index: TargetIndex::default(), by_claim: HashMap::new() };
        for rule in all {
            rules.index.insert(&rule.target);
            for claim in &rule.claims {
                if let Claim::Request(id) = claim {
                    rules.by_claim.entry(id).or_default().push(&rule.node);
                }
            }
        }
        rules
    }

    fn name(&self, request: &RequestId, reach: &Reach) -> bool {
        self.by_claim.get(request).into_iter().flatten().any(|node| reach.may_include(node))
    }

    fn touch(&self, target: &Target, reach: &Reach) -> bool {
        let near = self.index.near(target);
        let mut rules = near.iter().filter_map(|n| self.all.get(usize::try_from(*n).ok()?));
        rules.any(|rule| {
            relation(&rule.target, target) != Relation::Disjoint && reach.may_include(&rule.node)
        })
    }
}

/// The points at which a request must or may be carried out.
struct Reach {
    observed_nodes: Vec<String>,
    unobserved: Vec<UnobservedPoint>,
    /// Surely or perhaps in scope.
    nodes: HashSet<String>,
}

impl Reach {
    fn of(scope: &Scope, nodes: &[NodeFacts]) -> Self {
        let mut reach =
            Self { observed_nodes: Vec::new(), unobserved: Vec::new(), nodes: HashSet::new() };
        for facts in nodes {
            match place(scope, Some(facts)) {
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
