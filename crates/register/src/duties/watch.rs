//! Duties kept up to date: looked at again is what a change of the register, of the rules or of a clock can
//! reach.
//!
//! Reached are the requests that statements and erasures since the last look are about, or whose proceeding ended, and those that touch
//! their targets, or that a rule names which does; those that a rule touches or names which began, ended or changed its claims; and those whose own
//! times have passed a bound. What cannot be told so takes everything: another version of a list,
//! other facts of nodes, a node that fell silent or is back, whose agent began anew or has listed all rules, an older register, an earlier time. A
//! test compares each step with looking at all.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Claim, NodeId, RequestId};
use remit_proto::v1::NodeFacts;

use super::{Asked, Duty, Ground, Rules, SpanId, Stood};
use crate::{
    change::Told,
    register::{Register, View},
    silence::Silence,
    target::Target,
};

/// What was found at the last look.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    rules: Rules,
    /// What rules have told of since.
    told_targets: Vec<Target>,
    told_requests: BTreeSet<RequestId>,
    /// Nodes or sources have told of themselves first, or anew.
    new_looks: bool,
    looked: Option<Looked>,
    found: BTreeMap<RequestId, Vec<Duty>>,
    /// When each may change, those of which nothing is found too.
    next: BTreeMap<RequestId, i64>,
}

#[derive(Debug, Clone, PartialEq)]
struct Looked {
    told: Told,
    at_s: i64,
    nodes: Vec<NodeFacts>,
    /// Node, beginning, and the end if it has one.
    silences: Vec<(NodeId, i64, Option<i64>)>,
}

impl Watch {
    /// A span of a rule, or what is known of it since.
    pub fn tell(&mut self, id: SpanId, stood: Stood) {
        self.told_targets.push(stood.rule.target.clone());
        let before = self.rules.get(&id).map(|known| known.rule.claims.clone());
        for claim in before.iter().flatten().chain(&stood.rule.claims) {
            if let Claim::Request(request) = claim {
                self.told_requests.insert(request.clone());
            }
        }
        self.rules.tell(id, stood);
    }

    /// When a source of a node listed all its rules first ([`Rules::look`]).
    pub fn tell_look(&mut self, node: &str, source: i32, at_s: i64) {
        self.new_looks |= self.rules.look(node, source, at_s);
    }

    /// When an agent of a node that began anew had not listed all rules of a source ([`Rules::unread`]).
    pub fn tell_unread(&mut self, node: &str, source: i32, from_s: i64, until_s: Option<i64>) {
        self.new_looks |= self.rules.unread(node, source, from_s, until_s);
    }

    /// Forgets all rules, to be told anew.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// What stands at a size of the register and an instant. Returns how many requests were looked at.
    pub fn look(
        &mut self,
        register: &Register,
        size: u64,
        at_s: i64,
        nodes: &[NodeFacts],
        silences: &[Silence],
    ) -> usize {
        let view = register.at(size);
        let silences_now: Vec<_> = silences
            .iter()
            .map(|s| (s.node.clone(), s.from_s, (!s.open).then_some(s.until_s)))
            .collect();
        let reached = match &self.looked {
            Some(before)
                if !self.new_looks
                    && before.told.size <= view.size()
                    && before.at_s <= at_s
                    && before.nodes == nodes
                    && before.silences == silences_now =>
            {
                self.reached(register, &view, before, at_s)
            }
            Some(_) | None => None,
        };
        let ids = reached.unwrap_or_else(|| {
            self.found.clear();
            self.next.clear();
            view.requests().map(|entry| entry.id().clone()).collect()
        });
        let by_list = if ids.is_empty() { BTreeMap::new() } else { view.listed_until(at_s) };
        let ground = Ground { view: &view, at_s, nodes, silences };
        let mut asked = Asked::new(&ground);
        for id in &ids {
            let (duties, next_s) = asked.of(id, &self.rules, &by_list);
            match next_s {
                Some(next_s) => drop(self.next.insert(id.clone(), next_s)),
                None => drop(self.next.remove(id)),
            }
            if duties.is_empty() {
                self.found.remove(id);
            } else {
                self.found.insert(id.clone(), duties);
            }
        }
        self.told_targets.clear();
        self.told_requests.clear();
        self.new_looks = false;
        let (told, nodes) = (register.told(view.size()), nodes.to_vec());
        self.looked = Some(Looked { told, at_s, nodes, silences: silences_now });
        ids.len()
    }

    /// In the order of requests.
    pub fn found(&self) -> impl Iterator<Item = &Duty> {
        self.found.values().flatten()
    }

    /// `None`: everything.
    fn reached(
        &self,
        register: &Register,
        view: &View<'_>,
        before: &Looked,
        at_s: i64,
    ) -> Option<BTreeSet<RequestId>> {
        if view.lists_turn(before.at_s, at_s) {
            return None;
        }
        let mut reached = self.told_requests.clone();
        let due = self.next.iter().filter(|(_, next_s)| **next_s <= at_s);
        reached.extend(due.map(|(id, _)| id.clone()));
        for target in &self.told_targets {
            let near = view.touching(target);
            reached.extend(near.into_iter().map(|touch| touch.entry.id().clone()));
        }
        // A rule for one request may be excused by another that lies on it, and touches no target of the first.
        let mut named = BTreeSet::new();
        let by_rules = &mut |target: &Target| {
            let claims = self.rules.touching(target).flat_map(|stood| &stood.rule.claims);
            named.extend(claims.filter_map(|claim| {
                let Claim::Request(request) = claim else { return None };
                Some(request.clone())
            }));
        };
        let told = register.told(view.size());
        reached.extend(register.told_of_with(before.told, told, by_rules)?);
        reached.extend(named);
        Some(reached)
    }
}
