//! What amendments took away, where, and when its time to be removed was over (DOMAIN.md 3f, "Amendment narrows").
//!
//! Taken away is a target at a node at which a former text surely asked for it, as far as the operator had agreed,
//! and no later text does or may: because none names the target, itself or by a list that it covers, or because the
//! texts that do so hold elsewhere. A text that another one replaced before it applied took nothing away. What the
//! operator did not accept of a later text is no matter of the amendment. Addresses that a name resolved to come and
//! go with the answers.

use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

use evidence::RequestId;
use smallvec::SmallVec;

use super::{
    Reach,
    owed::{Owed, ended_s},
};
use crate::{
    entry::Version,
    list::Listed,
    request::RequestTarget,
    state::{self, Standing},
    target::Target,
};

/// One text that applied, and where.
pub(super) struct Text<'a> {
    pub(super) version: &'a Version,
    /// As far as the operator agreed.
    pub(super) held: Rc<Reach>,
    pub(super) asked: Rc<Reach>,
}

/// A target, and the nodes at which it is asked for no more by the text that followed on this one.
pub(super) struct Away<'a, 't> {
    pub(super) target: &'a Target,
    pub(super) due_s: i64,
    pub(super) nodes: Rc<BTreeSet<&'t str>>,
    pub(super) before: &'a Version,
}

/// The positions of later texts that name a target; of those that hold at the same nodes, one.
type Later = SmallVec<[usize; 1]>;

/// `texts`: those up to the one that is judged, oldest first.
pub(super) fn away<'a, 't>(owed: &Owed<'a>, texts: &'t [Text<'a>]) -> Vec<Away<'a, 't>> {
    let mut later: HashMap<&Target, Later> = HashMap::new();
    let mut away = Vec::new();
    let Some(last) = texts.len().checked_sub(1) else { return away };
    for (held, _) in owed.named().filter(|(held, _)| !held.exception) {
        later.insert(&held.target, Later::from_slice(&[last]));
    }
    for (at, pair) in texts.windows(2).enumerate().rev() {
        let [before, after] = pair else { continue };
        let amended_s = after.version.applies_from_s;
        let is_owed =
            !before.version.request.is_own_measure() && !before.version.request.to_publisher;
        let mut left: HashMap<Later, Rc<BTreeSet<&str>>> = HashMap::new();
        for (held, list_grace_s) in named(owed, texts, at, amended_s) {
            let by = later.entry(&held.target).or_default();
            let nodes =
                left.entry(by.clone()).or_insert_with(|| Rc::new(nodes_left(texts, at, by)));
            let nodes = Rc::clone(nodes);
            if !by.iter().any(|other| asks_as(texts, *other, before)) {
                by.push(at);
            }
            if !is_owed || nodes.is_empty() {
                continue;
            }
            let Some(due_s) = due_s(owed, before.version, after.version, (held, list_grace_s))
            else {
                continue;
            };
            away.push(Away { target: &held.target, due_s, nodes, before: before.version });
        }
    }
    away
}

fn asks_as(texts: &[Text<'_>], at: usize, text: &Text<'_>) -> bool {
    texts.get(at).is_some_and(|other| Rc::ptr_eq(&other.asked, &text.asked))
}

/// Where the text at a position surely held, and those at others surely do not.
fn nodes_left<'t>(texts: &'t [Text<'_>], at: usize, later: &[usize]) -> BTreeSet<&'t str> {
    let held = texts.get(at).into_iter().flat_map(|text| &text.held.observed);
    let asks = |node: &str| {
        later.iter().filter_map(|at| texts.get(*at)).any(|text| text.asked.may_include(node))
    };
    held.map(String::as_str).filter(|node| !asks(node)).collect()
}

/// What the text at a position wanted blocked when it was amended, and the grace of the list that named it.
fn named<'a>(
    owed: &Owed<'a>,
    texts: &[Text<'a>],
    at: usize,
    amended_s: i64,
) -> Vec<(&'a RequestTarget, i64)> {
    let (Some(text), Some(last)) = (texts.get(at), texts.last()) else { return Vec::new() };
    let own = text.version.request.targets.iter().filter(|held| held.derived().is_none());
    let own = own.map(|held| (held, 0));
    // What a list holds that is covered still is named still, and mostly at the same nodes.
    let is_within = text.held.observed.iter().all(|node| last.asked.may_include(node));
    let is_kept = |list: &&RequestId| is_within && last.version.request.covers_lists.contains(list);
    let lists = text.version.request.covers_lists.iter().filter(|list| !is_kept(list));
    let listed = lists.flat_map(|list| owed.listed_before(list, amended_s));
    let listed = listed.map(|listed| (listed.target(), listed.list().grace_s()));
    own.chain(listed).filter(|(held, _)| !held.exception).collect()
}

/// By the time to remove of the text that named it: from the receipt of the one that does not, or from when that
/// was entered; or from an end that had come before.
fn due_s(
    owed: &Owed<'_>,
    before: &Version,
    after: &Version,
    (held, list_grace_s): (&RequestTarget, i64),
) -> Option<i64> {
    let request = &before.request;
    let amended_s = after.applies_from_s;
    let known = owed.known();
    let decision = state::decision(before, known, amended_s);
    if decision.is_some_and(|decision| decision.leaves_out(&held.target)) {
        return None;
    }
    let ended_s = match owed.standing_before(before, held, amended_s) {
        Standing::Active | Standing::Provisional { .. } => {
            let is_received = after.request.received_at_s == Some(amended_s);
            let entered_s = after.known_by().map_or(after.recorded_at_s, |(_, at_s)| at_s);
            let known_s = if is_received { amended_s } else { amended_s.max(entered_s) };
            return Some(request.removal_until_s(known_s));
        }
        Standing::RemovalGrace { ended_at_s, .. } => ended_at_s,
        other => ended_s(other)?,
    };
    let stay_since_s = state::stay_since_s(request, known, amended_s);
    let known_s = owed.known_since_s(ended_s, stay_since_s);
    // What the list itself had taken out has the list's own time, as it has without the amendment.
    let by_list = held.removed_at_s() == Some(ended_s);
    let list_grace_s = if by_list { list_grace_s } else { 0 };
    Some(request.removal_until_s(known_s).max(known_s.saturating_add(list_grace_s)))
}

impl<'a> Owed<'a> {
    /// What a list held under this request just before an instant, and what it had taken out by then.
    fn listed_before(&self, list: &RequestId, at_s: i64) -> Vec<Listed<'a>> {
        let Some(list) = self.view().list_of(list) else { return Vec::new() };
        let Some(version) = list.in_force_at(at_s.saturating_sub(1)) else { return Vec::new() };
        let is_own = |listed: &Listed<'a>| {
            self.view().request_of(listed).is_some_and(|entry| entry.id() == self.id())
        };
        list.entries_until(&version.version).into_iter().filter(is_own).collect()
    }
}
