//! What a change of the register can reach: which events must be judged again, and which need not.
//!
//! In: the register and two of its sizes. Out: [`Selector`]s. An event that no selector takes has the
//! same verdict at both sizes; a property test judges everything at both and compares. Too many
//! selectors cost time and change nothing, too few would leave a wrong verdict standing: what is not
//! known to be narrow takes everything.
//!
//! - A request that was entered, amended or moved on reaches what touches any target of any of its
//!   versions, near misses included, and what claims it or a list that names it.
//! - A version that waits for a second person reaches what its approval would.
//! - If all that happened to it are ends and pauses, events before the earliest of them are not
//!   reached: where it stood then does not depend on what came later.
//! - A request under which entries of lists stand reaches what claims any version of these lists, and what
//!   touches any entry of them, as it reaches its own targets.
//! - A statement about a list reaches what claims any version of it. A version that is accepted reaches what
//!   touches an entry that it adds or removes, and of the entries that stay, from when it is in force on.
//!   By what requests that cover it name themselves it reaches, from then on, what hit a name beside them.
//!   A feed that grants another grace than the one before reaches what touches an entry that was removed, from
//!   its removal on.
//! - What goes with an own measure, by the words of either, reaches what the own measure reaches: its label may be
//!   doubtful. So does a feed that lets a list stand under another request, where an own measure implements the list.
//! - An attribution reaches the rules that it names, a baseline the rules of its nodes.
//! - The end of a proceeding reaches what requests reach that depend on it in any of their versions, from the earliest
//!   time on that was ever said of its end.
//! - How long a reference may come late reaches everything.
//! - A statement that cannot be read may hold whatever is claimed and not known.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use evidence::{Claim, NodeId, RequestId};
use remit_proto::v1::TransitionKind;

use crate::{
    entry::{Entry, Version},
    index::TargetIndex,
    list::ListView,
    register::{Register, View},
    target::{Relation, Target, relation},
};

/// Where more requests are to be looked at again, it is as well to look at all.
const TOLD_MAX: usize = 10_000;

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
    /// Rules that claim any version of this list.
    List(RequestId),
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

/// How much of a register somebody has looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) size: u64,
    /// What was erased has no size: it is gone at all of them.
    erasures: usize,
}

impl Register {
    pub(crate) fn told(&self, size: u64) -> Told {
        Told { size: size.min(self.size()), erasures: self.erasures.len() }
    }

    /// Requests of which statements since a look, and erasures, told something, those that touch their
    /// targets, and those that name them in relations: what duties and defects look at again. `None`: it
    /// cannot be told of one by one, or the register is an older one than was looked at.
    pub(crate) fn told_of(&self, before: Told, now: Told) -> Option<BTreeSet<RequestId>> {
        self.told_of_with(before, now, &mut |_| ())
    }

    /// The same, and tells each target of what was told of, of any of its texts, for whoever knows what else lies
    /// there.
    pub(crate) fn told_of_with(
        &self,
        before: Told,
        now: Told,
        tell: &mut impl FnMut(&Target),
    ) -> Option<BTreeSet<RequestId>> {
        let erased = self.erasures.get(before.erasures..now.erasures)?;
        if now.size < before.size {
            return None;
        }
        if now.size == before.size && erased.is_empty() {
            return Some(BTreeSet::new());
        }
        let new = before.size..now.size;
        let of_lists = self.said_of_lists.iter().any(|(said, _)| new.contains(said));
        if of_lists {
            return None;
        }
        let ended = self.proceedings.ended_by(new.clone());
        let view = self.at(now.size);
        // What cannot be read may be whatever is missing elsewhere.
        let unreadable = |view: &View<'_>| view.withheld_count() + view.not_understood_count();
        if unreadable(&self.at(before.size)) != unreadable(&view) {
            return None;
        }
        let is_told = |entry: &Entry<'_>| {
            changed_since(entry, before.size).is_some()
                || ended_since(entry, &ended).is_some()
                || erased.contains(entry.id())
        };
        let mut told = BTreeSet::new();
        for entry in view.requests().filter(is_told) {
            // What waited before and was overtaken speaks no more, to those that touch it either.
            for version in entry.all_versions() {
                // What touches the entries of its lists is not looked for here.
                if !version.request.covers_lists.is_empty() {
                    return None;
                }
                for held in &version.request.targets {
                    tell(&held.target);
                    let near = view.touching(&held.target);
                    told.extend(near.into_iter().map(|touch| touch.entry.id().clone()));
                }
            }
            told.insert(entry.id().clone());
            told.extend(view.naming(entry.id()).map(|naming| naming.id().clone()));
            if told.len() > TOLD_MAX {
                return None;
            }
        }
        Some(told)
    }

    /// What the statements `from_size ..` below `to_size` can reach.
    pub fn reach(&self, from_size: u64, to_size: u64) -> Vec<Selector> {
        let (before, after) = (self.at(from_size), self.at(to_size));
        let unreadable = |view: &View<'_>| view.withheld_count() + view.not_understood_count();
        // An erased target might be any request's: the first request changes what that means.
        let first = before.requests().next().is_none() && after.requests().next().is_some();
        let late =
            self.late_register.iter().any(|late| (from_size..to_size).contains(&late.statement));
        if first || late || unreadable(&before) != unreadable(&after) {
            return vec![Selector::always(Selected::Everything)];
        }
        // Requests lapse with a proceeding by what their texts say of it.
        let ended = self.proceedings.ended_by(from_size..to_size);
        let mut reach = Vec::new();
        let mut labelled: BTreeMap<&RequestId, Entry<'_>> = BTreeMap::new();
        for entry in after.requests() {
            let changed = changed_since(&entry, from_size);
            let since_s = changed.into_iter().chain(ended_since(&entry, &ended)).min();
            if let Some(since_s) = since_s {
                of_request(&after, &entry, since_s, &mut reach);
                let own = after.own_measures_of(&entry).into_iter();
                labelled.extend(own.map(|own| (own.id(), own)));
            }
            if reach.len() > SELECTORS_MAX {
                return vec![Selector::always(Selected::Everything)];
            }
        }
        let said =
            self.said_of_lists.iter().filter(|(said, _)| (from_size..to_size).contains(said));
        let lists: BTreeSet<usize> = said.map(|(_, list)| *list).collect();
        for list in after.lists_at(lists.into_iter()) {
            let known = before.list_of(list.id());
            let grace_before_s = known.map_or(0, |list| list.grace_s());
            of_list(&after, &list, from_size, grace_before_s, &mut reach);
            let under = |list: &ListView<'_>| list.feed().map(|feed| feed.request.clone());
            if known.as_ref().and_then(under) != under(&list) {
                let own = after.own_measures_by(list.id()).into_iter();
                labelled.extend(own.map(|own| (own.id(), own)));
            }
            if reach.len() > SELECTORS_MAX {
                return vec![Selector::always(Selected::Everything)];
            }
        }
        for own in labelled.into_values() {
            of_request(&after, &own, i64::MIN, &mut reach);
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
    let since = |version: &Version| {
        version.known_by().map_or(version.statement, |(statement, _)| statement)
    };
    if entry.all_versions().any(|version| since(version) >= from_size) {
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

/// When the first of these proceedings ended that the request depends on, in any of its versions.
fn ended_since(entry: &Entry<'_>, ended: &HashMap<&str, i64>) -> Option<i64> {
    if ended.is_empty() {
        return None;
    }
    let versions = entry.all_versions();
    versions
        .flat_map(|version| version.request.proceedings())
        .filter_map(|id| ended.get(id))
        .min()
        .copied()
}

fn of_request(view: &View<'_>, entry: &Entry<'_>, since_s: i64, reach: &mut Vec<Selector>) {
    let mut claims = vec![Claim::Request(entry.id().clone())];
    let mut lists = BTreeSet::new();
    // What waited before and was overtaken speaks no more.
    for version in entry.all_versions() {
        for held in &version.request.targets {
            let selected = Selected::Target(held.target.clone());
            reach.push(Selector { selected, since_s });
        }
        for id in &version.request.covers_lists {
            let list = view.list_of(id).filter(|_| lists.insert(id.clone()));
            let Some(list) = list else { continue };
            claims_of_list(view, id, since_s, reach);
            let targets =
                list.targets(u64::MAX).map(|(target, _)| Selected::Target(target.clone()));
            reach.extend(targets.map(|selected| Selector { selected, since_s }));
        }
        for list in &version.request.lists {
            let claim = Claim::List { id: list.id.clone(), version: list.version.clone() };
            if !claims.contains(&claim) {
                claims.push(claim);
            }
        }
    }
    for claim in claims {
        of_claim(view, claim, since_s, reach);
    }
}

/// What statements about a list, from a size on, can reach.
fn of_list(
    view: &View<'_>,
    list: &ListView<'_>,
    from_size: u64,
    grace_before_s: i64,
    reach: &mut Vec<Selector>,
) {
    claims_of_list(view, list.id(), i64::MIN, reach);
    if list.grace_s() != grace_before_s {
        // How long what was removed may stand, whether the rule claims the list or not.
        reach.extend(list.removed().map(|(target, since_s)| Selector {
            selected: Selected::Target(target.clone()),
            since_s,
        }));
    }
    let Some(in_force_s) = list.new_since_s(from_size) else { return };
    of_covering(view, list.id(), in_force_s, reach);
    for (target, changed) in list.targets(from_size) {
        // What stays on the list stands there by another version from then on, and the verdict says by which.
        let since_s = if changed { i64::MIN } else { in_force_s };
        reach.push(Selector { selected: Selected::Target(target.clone()), since_s });
    }
}

/// Of requests that cover the list, what rests on their texts: a name that a block hit beside them may stand in the list.
fn of_covering(view: &View<'_>, list: &RequestId, since_s: i64, reach: &mut Vec<Selector>) {
    let covers = |version: &&Version| version.request.covers_lists.contains(list);
    for entry in view.requests() {
        let mut covering = entry.all_versions().filter(covers).peekable();
        if covering.peek().is_none() {
            continue;
        }
        of_claim(view, Claim::Request(entry.id().clone()), since_s, reach);
        for held in covering.flat_map(|version| &version.request.targets) {
            reach.push(Selector { selected: Selected::Target(held.target.clone()), since_s });
        }
    }
}

fn of_claim(view: &View<'_>, claim: Claim, since_s: i64, reach: &mut Vec<Selector>) {
    let attributed = view.adopted_by(&claim);
    reach.extend(attributed.into_iter().map(|selected| Selector { selected, since_s }));
    reach.push(Selector { selected: Selected::Claim(claim), since_s });
}

fn claims_of_list(view: &View<'_>, id: &RequestId, since_s: i64, reach: &mut Vec<Selector>) {
    let attributed = view.adopted_by_list(id);
    reach.extend(attributed.into_iter().map(|selected| Selector { selected, since_s }));
    reach.push(Selector { selected: Selected::List(id.clone()), since_s });
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
