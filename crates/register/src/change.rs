//! What a change of the register can reach: which events must be judged again, and which need not.
//!
//! In: the register and two of its sizes. Out: [`Selector`]s. An event that no selector takes has the
//! same verdict at both sizes; a property test judges everything at both and compares. Too many
//! selectors cost time and change nothing, too few would leave a wrong verdict standing: what is not
//! known to be narrow takes everything.
//!
//! - A request that was entered, amended or moved on reaches what touches any target of any of its
//!   versions, near misses included, and what claims it or a list that names it.
//! - If all that happened to it are ends and pauses, events before the earliest of them are not
//!   reached: where it stood then does not depend on what came later.
//! - An attribution reaches the rules that it names, a baseline the rules of its nodes.
//! - Once the register has lists with versions, each change takes everything.
//! - The end of a proceeding takes everything.
//! - A statement that cannot be read may hold whatever is claimed and not known.

use evidence::{Claim, NodeId, RequestId};
use remit_proto::v1::TransitionKind;

use crate::{
    entry::Entry,
    index::TargetIndex,
    register::{Register, View},
    target::{Relation, Target, relation},
};

/// A change that names more is taken to reach everything: to look for so many costs as much.
const SELECTORS_MAX: usize = 100_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    pub selected: Selected,
    /// Events whose last hit is earlier, clock error included, are not reached.
    pub since_s: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    Everything,
    /// Rules whose target is not disjoint from it.
    Target(Target),
    /// Rules that carry this claim.
    Claim(Claim),
    Rule {
        node: NodeId,
        number: u64,
    },
    RulesClaiming {
        node: NodeId,
        claim: Claim,
    },
    Node(NodeId),
}

impl Selector {
    pub fn always(selected: Selected) -> Self {
        Self { selected, since_s: i64::MIN }
    }
}

impl Register {
    /// Requests that the statements `from_size ..` below `to_size` say something of; `None`: it cannot be
    /// told of one by one.
    pub(crate) fn changed(&self, from_size: u64, to_size: u64) -> Option<Vec<RequestId>> {
        let has_lists = self.first_of_list.is_some_and(|statement| statement < to_size);
        let ended = self.proceedings_ended.iter().any(|at| (from_size..to_size).contains(at));
        if has_lists || ended {
            return None;
        }
        let after = self.at(to_size);
        let changed = after.requests().filter(|e| changed_since(e, from_size).is_some());
        Some(changed.map(|entry| entry.id().clone()).collect())
    }

    /// What the statements `from_size ..` below `to_size` can reach.
    pub fn reach(&self, from_size: u64, to_size: u64) -> Vec<Selector> {
        let (before, after) = (self.at(from_size), self.at(to_size));
        let unreadable = |view: &View<'_>| view.withheld_count() + view.not_understood_count();
        // An erased target might be any request's: the first request changes what that means.
        let first = before.requests().next().is_none() && after.requests().next().is_some();
        // Entries of lists stand under their requests from approval to approval; which of them a statement
        // moves is not followed here.
        let has_lists = self.first_of_list.is_some_and(|statement| statement < to_size);
        // Requests lapse with a proceeding by what their texts say of it.
        let ended = self.proceedings_ended.iter().any(|at| (from_size..to_size).contains(at));
        if first || has_lists || ended || unreadable(&before) != unreadable(&after) {
            return vec![Selector::always(Selected::Everything)];
        }
        let mut reach = Vec::new();
        for entry in after.requests() {
            if let Some(since_s) = changed_since(&entry, from_size) {
                of_request(&after, &entry, since_s, &mut reach);
            }
            if reach.len() > SELECTORS_MAX {
                return vec![Selector::always(Selected::Everything)];
            }
        }
        let adopted = after.adopted_since(from_size);
        reach.extend(adopted.into_iter().map(Selector::always));
        reach
    }
}

/// `None`: nothing was said of the request at or above this size.
fn changed_since(entry: &Entry<'_>, from_size: u64) -> Option<i64> {
    if entry.versions().any(|version| version.statement >= from_size) {
        return Some(i64::MIN);
    }
    let transitions = entry.transitions();
    let new = transitions.iter().filter(|transition| transition.statement >= from_size);
    new.map(|transition| match transition.kind {
        TransitionKind::Revoke
        | TransitionKind::Withdraw
        | TransitionKind::Supersede
        | TransitionKind::Suspend
        | TransitionKind::Resume => transition.effective_at_s,
        // They say something of the time before, or may.
        TransitionKind::Annul
        | TransitionKind::Accept
        | TransitionKind::Confirm
        | TransitionKind::Refuse
        | TransitionKind::Challenge
        | TransitionKind::Review
        | TransitionKind::Clarify
        | TransitionKind::Moot
        | TransitionKind::Close
        | TransitionKind::Unspecified => i64::MIN,
    })
    .min()
}

fn of_request(view: &View<'_>, entry: &Entry<'_>, since_s: i64, reach: &mut Vec<Selector>) {
    let mut claims = vec![Claim::Request(entry.id().clone())];
    for version in entry.versions() {
        for held in &version.request.targets {
            let selected = Selected::Target(held.target.clone());
            reach.push(Selector { selected, since_s });
        }
        for list in &version.request.lists {
            let claim = Claim::List { id: list.id.clone(), version: list.version.clone() };
            if !claims.contains(&claim) {
                claims.push(claim);
            }
        }
    }
    for claim in claims {
        let attributed = view.adopted_by(&claim);
        reach.extend(attributed.into_iter().map(|selected| Selector { selected, since_s }));
        reach.push(Selector { selected: Selected::Claim(claim), since_s });
    }
}

/// Many targets, to be asked about one by one.
#[derive(Debug, Default)]
pub struct TargetSet {
    index: TargetIndex,
    targets: Vec<(Target, i64)>,
}

impl TargetSet {
    pub fn insert(&mut self, target: &Target, since_s: i64) {
        self.index.insert(target);
        self.targets.push((target.clone(), since_s));
    }

    pub fn count(&self) -> usize {
        self.targets.len()
    }

    /// The earliest time of those that are not disjoint from it; `None`: all are.
    pub fn since(&self, target: &Target) -> Option<i64> {
        let near = self.index.near(target).into_iter();
        let near = near.filter_map(|number| self.targets.get(usize::try_from(number).ok()?));
        near.filter(|(held, _)| relation(target, held) != Relation::Disjoint)
            .map(|(_, since_s)| *since_s)
            .min()
    }
}
