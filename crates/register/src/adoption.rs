//! What people said of rules that stood already: whose they are, until when that may stay open, and
//! which basis maps nodes may use.
//!
//! Promised: of several statements about one rule, or one node, the newest that a view knows speaks;
//! the others stay in the register, and a view of their time shows them.

use std::collections::{HashMap, HashSet};

use evidence::{Claim, NodeId, RequestId, canonical::Malformed, statement::check_attribution};
use remit_proto::v1;

use crate::{change::Selected, register::View};

/// A deadline may be moved, and not for ever: so long after the first baseline of a node was recorded.
pub const BASELINE_MAX_S: i64 = 366 * 86_400;

/// What a person said, after the fact, that rules rest on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributed {
    /// Empty: what was said before is taken back.
    pub claims: Vec<Claim>,
    /// The rules' own claim by which they were selected.
    pub claiming: Option<Claim>,
    pub by: v1::PersonRef,
    /// Index of the statement in the register.
    pub statement: u64,
    pub recorded_at_s: i64,
}

/// Who says it, where in the register, and when.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub by: v1::PersonRef,
    pub statement: u64,
    pub recorded_at_s: i64,
}

/// A statement of what blocks may rest on beside requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Adopted {
    pub statement: u64,
    pub recorded_at_s: i64,
    /// When it takes effect. A time to wait for late registers: of acts from then on.
    pub since_s: i64,
    pub by: v1::PersonRef,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    LateRegister(v1::LateRegister),
    Baseline(v1::Baseline),
    BasisMap(v1::BasisMap),
}

#[derive(Debug, Clone, Copy)]
struct Baseline {
    statement: u64,
    recorded_at_s: i64,
    until_s: i64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Adoption {
    /// In the order of the register.
    said: Vec<Attributed>,
    nodes: HashMap<NodeId, OfNode>,
    /// In the order of the register.
    adopted: Vec<Adopted>,
}

/// What was said of one node, oldest first.
#[derive(Debug, Clone, Default)]
struct OfNode {
    /// Positions in `said`.
    by_rule: HashMap<u64, Vec<usize>>,
    by_claim: HashMap<Claim, Vec<usize>>,
    baselines: Vec<Baseline>,
    /// Statement and digest.
    basis_maps: Vec<(u64, Vec<u8>)>,
}

/// An attribution whose every field is valid.
#[derive(Debug, Clone)]
pub(crate) struct Attribution {
    node: NodeId,
    rules: Vec<u64>,
    claims: Vec<Claim>,
    claiming: Option<Claim>,
}

impl Attribution {
    pub(crate) fn read(wire: &v1::Attribution) -> Result<Self, Malformed> {
        check_attribution(wire)?;
        let v1::Attribution { node, rules, claims, claiming, group: _, withdrawn: _ } = wire;
        let node = node.parse().map_err(|_| Malformed::Missing { field: "attribution.node" })?;
        let claims = claims.iter().map(Claim::try_from).collect::<Result<_, _>>()?;
        let claiming = claiming.as_ref().map(Claim::try_from).transpose()?;
        Ok(Self { node, rules: rules.clone(), claims, claiming })
    }

    pub(crate) fn claims(&self) -> &[Claim] {
        &self.claims
    }
}

impl Adoption {
    pub(crate) fn adopt(&mut self, what: What, effective_at_s: i64, said: &Said) {
        let Said { by, statement, recorded_at_s } = said.clone();
        // Nobody grants anything to what was done before it was said.
        let since_s = recorded_at_s.max(effective_at_s);
        self.adopted.push(Adopted { statement, recorded_at_s, since_s, by, what });
    }

    pub(crate) fn attribute(&mut self, attribution: Attribution, said: &Said) {
        let Attribution { node, rules, claims, claiming } = attribution;
        let at = self.said.len();
        let of_node = self.nodes.entry(node).or_default();
        if let Some(claim) = &claiming {
            of_node.by_claim.entry(claim.clone()).or_default().push(at);
        }
        for rule in rules {
            of_node.by_rule.entry(rule).or_default().push(at);
        }
        let Said { by, statement, recorded_at_s } = said.clone();
        self.said.push(Attributed { claims, claiming, by, statement, recorded_at_s });
    }

    /// `Err`: the node whose deadline would lie too late.
    pub(crate) fn baseline(
        &mut self,
        nodes: &[NodeId],
        until_s: i64,
        said: &Said,
    ) -> Result<(), NodeId> {
        let Said { by: _, statement, recorded_at_s } = *said;
        let too_late = nodes.iter().find(|node| {
            let first = self.nodes.get(*node).and_then(|of_node| of_node.baselines.first());
            let from_s = first.map_or(recorded_at_s, |first| first.recorded_at_s);
            until_s > from_s.saturating_add(BASELINE_MAX_S)
        });
        if let Some(node) = too_late {
            return Err(node.clone());
        }
        for node in nodes {
            let baseline = Baseline { statement, recorded_at_s, until_s };
            self.nodes.entry(node.clone()).or_default().baselines.push(baseline);
        }
        Ok(())
    }

    pub(crate) fn basis_map(&mut self, nodes: &[NodeId], digest: &[u8], said: &Said) {
        for node in nodes {
            let of_node = self.nodes.entry(node.clone()).or_default();
            of_node.basis_maps.push((said.statement, digest.to_vec()));
        }
    }

    fn newest(&self, positions: Option<&Vec<usize>>, size: u64) -> Option<(usize, &Attributed)> {
        let known = positions.into_iter().flatten().rev();
        let mut known = known.filter_map(|at| Some((*at, self.said.get(*at)?)));
        known.find(|(_, said)| said.statement < size)
    }
}

impl<'a> View<'a> {
    /// What blocks may rest on beside requests, in the order of the register.
    pub fn adopted(&self) -> impl DoubleEndedIterator<Item = &'a Adopted> {
        let size = self.size();
        self.adoption().adopted.iter().filter(move |one| one.statement < size)
    }

    /// Whether a statement speaks of what is done at an instant: none that is newer speaks instead (of a baseline: at
    /// any of its nodes), and its time is not over.
    pub fn is_in_force(&self, one: &Adopted, at_s: i64) -> bool {
        let mut newer = self.adopted().filter(|other| other.statement > one.statement);
        match &one.what {
            What::LateRegister(_) => {
                let is_late = |other: &&Adopted| matches!(other.what, What::LateRegister(_));
                one.since_s <= at_s && !newer.any(|other| is_late(&other) && other.since_s <= at_s)
            }
            What::Baseline(v1::Baseline { nodes, until_s }) => {
                let replaced: HashSet<&String> = newer
                    .filter_map(|other| match &other.what {
                        What::Baseline(baseline) => Some(&baseline.nodes),
                        What::LateRegister(_) | What::BasisMap(_) => None,
                    })
                    .flatten()
                    .collect();
                at_s < *until_s && nodes.iter().any(|node| !replaced.contains(node))
            }
            What::BasisMap(_) => one.since_s <= at_s,
        }
    }

    /// What was said last of a rule's basis, if that was not taken back. `own` are the claims that the
    /// rule itself was recorded with.
    pub fn attributed(&self, node: &NodeId, rule: u64, own: &[Claim]) -> Option<&'a Attributed> {
        let adoption = self.adoption();
        let of_node = adoption.nodes.get(node)?;
        let newest = |positions| adoption.newest(positions, self.size());
        let by_rule = newest(of_node.by_rule.get(&rule));
        let by_claim = own.iter().filter_map(|claim| newest(of_node.by_claim.get(claim)));
        let (_, newest) = by_rule.into_iter().chain(by_claim).max_by_key(|(at, _)| *at)?;
        (!newest.claims.is_empty()).then_some(newest)
    }

    /// What a rule claims: its own claims and the attributed ones. An own claim by which it was
    /// selected was explained, and is no longer a word that the register does not know.
    pub fn claims_of(&self, node: &NodeId, rule: u64, own: Vec<Claim>) -> Claimed<'a> {
        let Some(attributed) = self.attributed(node, rule, &own) else {
            return Claimed { claims: own, attributed: None };
        };
        let mut claims = own;
        claims.retain(|claim| attributed.claiming.as_ref() != Some(claim));
        for claim in &attributed.claims {
            if !claims.contains(claim) {
                claims.push(claim.clone());
            }
        }
        Claimed { claims, attributed: Some(attributed) }
    }

    /// Until when rules that stood before the node was enrolled may stay without a basis.
    pub fn baseline_until_s(&self, node: &NodeId) -> Option<i64> {
        let all = &self.adoption().nodes.get(node)?.baselines;
        all.iter().rfind(|baseline| baseline.statement < self.size()).map(|b| b.until_s)
    }

    /// Rules of which something was said at or above a size of the register.
    pub(crate) fn adopted_since(&self, from_size: u64) -> Vec<Selected> {
        let known = from_size..self.size();
        let mut found = self.attributed_where(|said| known.contains(&said.statement));
        for (node, of_node) in &self.adoption().nodes {
            if of_node.baselines.iter().any(|baseline| known.contains(&baseline.statement)) {
                found.push(Selected::Node(node.clone()));
            }
        }
        found
    }

    /// Whether anything was said of rules that stood already, at or above a size of the register.
    pub fn attributes_since(&self, from_size: u64) -> bool {
        from_size < self.size() && !self.adopted_since(from_size).is_empty()
    }

    /// Rules that were at some time attributed to what a claim names.
    pub(crate) fn adopted_by(&self, claim: &Claim) -> Vec<Selected> {
        self.attributed_where(|said| said.statement < self.size() && said.claims.contains(claim))
    }

    /// The same of any version of a list.
    pub(crate) fn adopted_by_list(&self, list: &RequestId) -> Vec<Selected> {
        let names = |claim: &Claim| matches!(claim, Claim::List { id, version: _ } if id == list);
        self.attributed_where(|said| said.statement < self.size() && said.claims.iter().any(names))
    }

    fn attributed_where(&self, takes: impl Fn(&Attributed) -> bool) -> Vec<Selected> {
        let adoption = self.adoption();
        let taken: Vec<bool> = adoption.said.iter().map(takes).collect();
        if !taken.contains(&true) {
            return Vec::new();
        }
        let any = |at: &[usize]| at.iter().any(|at| taken.get(*at).copied().unwrap_or(false));
        let mut found = Vec::new();
        for (node, OfNode { by_rule, by_claim, baselines: _, basis_maps: _ }) in &adoption.nodes {
            let rules = by_rule.iter().filter(|(_, at)| any(at));
            found.extend(
                rules.map(|(number, _)| Selected::Rule { node: node.clone(), number: *number }),
            );
            let claims = by_claim.iter().filter(|(_, at)| any(at));
            found.extend(claims.map(|(claim, _)| Selected::RulesClaiming {
                node: node.clone(),
                claim: claim.clone(),
            }));
        }
        found
    }

    /// Whether somebody has stated this digest of a basis map for the node.
    pub fn states_basis_map(&self, node: &NodeId, digest: &[u8]) -> bool {
        let of_node = self.adoption().nodes.get(node);
        let mut stated = of_node.into_iter().flat_map(|of_node| &of_node.basis_maps);
        stated.any(|(statement, map)| *statement < self.size() && map == digest)
    }
}

/// The claims of a rule, and who added to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed<'a> {
    pub claims: Vec<Claim>,
    pub attributed: Option<&'a Attributed>,
}
