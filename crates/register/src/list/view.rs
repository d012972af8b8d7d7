//! Lists as a size of the register knows them.

use std::collections::{BTreeMap, HashSet};

use evidence::RequestId;

use super::{Acceptance, Accepted, Feed, Held, List, ListEntry, Lists, Member};
use crate::{
    entry::Entry, judge::Span, register::View, request::RequestTarget, target::Target, words,
};

/// One list, below a size of the register.
#[derive(Debug, Clone, Copy)]
pub struct ListView<'a> {
    list: &'a List,
    size: u64,
}

/// An entry of a list that touches a target.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    view: ListView<'a>,
    member: &'a Member,
}

/// Whether a claim of a list version speaks of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Naming {
    No,
    /// By the list, but by a version that does not hold the entry, or that was not in force then nor
    /// within the grace after it.
    ByAnotherVersion,
    Yes,
}

impl<'a> ListView<'a> {
    pub fn id(&self) -> &'a RequestId {
        &self.list.id
    }

    /// The approved one that counts.
    pub fn feed(&self) -> Option<&'a Feed> {
        self.list.feed(self.size)
    }

    /// A newer one that nobody has approved yet.
    pub fn proposed_feed(&self) -> Option<&'a Feed> {
        let newest = self.list.feeds.iter().rfind(|feed| feed.proposed.statement < self.size)?;
        let open = newest.approved.as_ref().is_none_or(|approved| self.size <= approved.statement);
        open.then_some(newest)
    }

    /// Oldest first; each is in force until the next one is.
    pub fn versions(&self) -> &'a [Accepted] {
        let known = self.list.accepted.partition_point(|v| v.known_by().0 < self.size);
        self.list.accepted.get(..known).unwrap_or_default()
    }

    pub fn newest(&self) -> Option<&'a Accepted> {
        self.versions().last()
    }

    /// Waiting for a second person; the newest last.
    pub fn held(&self) -> impl DoubleEndedIterator<Item = &'a Held> + use<'a> {
        let size = self.size;
        self.list.held.iter().filter(move |held| {
            held.proposed.statement < size && held.closed_by.is_none_or(|by| size <= by)
        })
    }

    pub fn in_force_at(&self, at_s: i64) -> Option<&'a Accepted> {
        self.versions().iter().rfind(|version| version.from_s <= at_s)
    }

    /// Whether an approval is known at this size.
    pub fn knows(&self, approved: Option<&super::Approved>) -> bool {
        approved.is_some_and(|approved| approved.statement < self.size)
    }

    /// The version that it follows.
    pub fn before(&self, version: &RequestId) -> Option<&'a Accepted> {
        self.versions().get(self.position(version)?.checked_sub(1)?)
    }

    /// Until when a version is in force; `None`: no newer one is known.
    pub fn until_s(&self, version: &Accepted) -> Option<i64> {
        let at = self.position(&version.version)?;
        self.versions().get(at.saturating_add(1)).map(|next| next.from_s)
    }

    /// What an accepted version holds, in the order in which entries came in.
    pub fn entries(&self, version: &RequestId) -> Option<Vec<Listed<'a>>> {
        let at = self.position(version)?;
        let view = *self;
        let held = self.list.members.iter().map(|member| Listed { view, member });
        Some(held.filter(|listed| listed.is_in(at)).collect())
    }

    /// What a version or one before it holds. What was taken out and is there again counts as it is now.
    pub(crate) fn entries_until(&self, version: &RequestId) -> Vec<Listed<'a>> {
        let Some(at) = self.position(version) else { return Vec::new() };
        let view = *self;
        let begun = self.list.members.iter().filter(|member| member.added <= at);
        let (stand, gone): (Vec<_>, Vec<_>) =
            begun.map(|member| Listed { view, member }).partition(|listed| listed.is_in(at));
        // In the order in which they came in: the last of each is what became of it.
        let key =
            |one: &Listed<'a>| (&one.member.open.target, one.member.open.exception, one.history());
        let mut seen: HashSet<_> = stand.iter().map(key).collect();
        let gone = gone.into_iter().rev().filter(|one| seen.insert(key(one)));
        gone.collect::<Vec<_>>().into_iter().rev().chain(stand).collect()
    }

    /// What a version holds that waits for a person; `None` where its changes are withheld.
    pub fn entries_of_held(&self, held: &Held) -> Option<Vec<ListEntry>> {
        let changes = held.changes.as_ref()?;
        let before = match &held.previous {
            Some(previous) => self.entries(previous)?.iter().map(Listed::entry).collect(),
            None => Vec::new(),
        };
        let gone: HashSet<_> = changes.removed.iter().map(super::Key::of).collect();
        let kept = before.into_iter().filter(|entry| !gone.contains(&super::Key::of(entry)));
        Some(kept.chain(changes.added.iter().cloned()).collect())
    }

    /// Whether parts of it are withheld or erased.
    pub fn is_partial(&self) -> bool {
        self.unknown_from().is_some()
    }

    /// The first of its versions whose changes are withheld or erased.
    fn unknown_from(&self) -> Option<&'a Accepted> {
        self.versions().get(self.list.unknown_from?)
    }

    /// Every target that ever stood in it, by what is known at any size; and whether the statements from a
    /// size on brought it in or took it away.
    pub(crate) fn targets(
        &self,
        from_size: u64,
    ) -> impl Iterator<Item = (&'a Target, bool)> + use<'a> {
        let list = self.list;
        let new =
            move |at: usize| list.accepted.get(at).is_some_and(|v| v.known_by().0 >= from_size);
        let members = list.members.iter();
        members.map(move |member| {
            let changed = new(member.added) || member.removed.is_some_and(new);
            (&member.open.target, changed)
        })
    }

    /// Targets that a version known at this size removed, and from when on.
    pub(crate) fn removed(&self) -> impl Iterator<Item = (&'a Target, i64)> + use<'a> {
        let (list, versions) = (self.list, self.versions());
        list.members.iter().filter_map(move |member| {
            let version = versions.get(member.removed?)?;
            Some((&member.open.target, version.from_s))
        })
    }

    /// The earliest time at which a version came into force that a statement from a size on let in.
    pub(crate) fn new_since_s(&self, from_size: u64) -> Option<i64> {
        let new = self.versions().iter().filter(|version| version.known_by().0 >= from_size);
        new.map(|version| version.from_s).min()
    }

    pub(crate) fn grace_s(&self) -> i64 {
        self.feed().map_or(0, Feed::grace_s)
    }

    pub(crate) fn position(&self, version: &RequestId) -> Option<usize> {
        self.versions().iter().position(|accepted| accepted.version == *version)
    }
}

impl<'a> Listed<'a> {
    pub fn list(&self) -> ListView<'a> {
        self.view
    }

    /// With the instants of the versions that added and removed it.
    pub fn target(&self) -> &'a RequestTarget {
        match (&self.member.closed, self.removed()) {
            (Some(closed), Some(_)) => closed,
            (Some(_) | None, _) => &self.member.open,
        }
    }

    pub fn entry(&self) -> ListEntry {
        let open = &self.member.open;
        let (target, raw) = (open.target.clone(), open.raw());
        ListEntry { target, request: self.member.request.clone(), exception: open.exception, raw }
    }

    /// The version that added it.
    pub fn added(&self) -> Option<&'a Accepted> {
        self.view.list.accepted.get(self.member.added)
    }

    /// The version that removed it, if that is known.
    pub fn removed(&self) -> Option<&'a Accepted> {
        self.view.versions().get(self.member.removed?)
    }

    /// The version in force at an instant, if it holds the entry.
    pub fn in_force_at(&self, at_s: i64) -> Option<&'a Accepted> {
        let in_force = self.view.in_force_at(at_s)?;
        self.view.position(&in_force.version).filter(|at| self.is_in(*at)).map(|_| in_force)
    }

    /// The version to go by at an instant, or the one that added it where none holds it then.
    pub(crate) fn version_at(&self, at_s: i64) -> Option<&'a Accepted> {
        self.in_force_at(at_s).or_else(|| self.added())
    }

    pub(crate) fn history(&self) -> usize {
        self.member.history
    }

    /// A version whose changes nobody can see may have taken it out by the end of a span. What a later one took out,
    /// or let in, stood in the list until then.
    pub(crate) fn may_be_gone(&self, span: Span) -> bool {
        let (_, last_s) = span.with_error();
        let since = self.view.unknown_from().zip(self.view.list.unknown_from);
        since.is_some_and(|(version, at)| {
            version.from_s <= last_s && self.member.added < at && self.removed().is_none()
        })
    }

    /// What a claim of a version, by its position, says of this entry in a span. A window cannot tell
    /// when in it the rule was still labelled by the version before.
    pub(crate) fn named_by(&self, at: usize, span: Span) -> Naming {
        let (first_s, last_s) = span.with_error();
        let timely = self.view.versions().get(at).is_some_and(|version| {
            let until_s = self.view.until_s(version).unwrap_or(i64::MAX);
            let until_s = until_s.saturating_add(self.view.grace_s());
            version.from_s <= last_s && first_s < until_s
        });
        if timely && self.is_in(at) { Naming::Yes } else { Naming::ByAnotherVersion }
    }

    /// Of the register since which it is as it is.
    pub(crate) fn known_by(&self) -> Option<(u64, i64)> {
        self.added().map(Accepted::known_by)
    }

    fn is_in(&self, at: usize) -> bool {
        self.member.added <= at && self.member.removed.is_none_or(|removed| at < removed)
    }
}

impl Lists {
    pub(crate) fn list(&self, id: &RequestId, size: u64) -> Option<ListView<'_>> {
        self.view(*self.by_id.get(id)?, size)
    }

    pub(crate) fn listed(&self, list: usize, member: usize, size: u64) -> Option<Listed<'_>> {
        let view = self.view(list, size)?;
        let member = view.list.members.get(member)?;
        let listed = Listed { view, member };
        listed.known_by().is_some_and(|(statement, _)| statement < size).then_some(listed)
    }

    /// `None`: the register did not know of it at this size.
    fn view(&self, number: usize, size: u64) -> Option<ListView<'_>> {
        let list = self.lists.get(number)?;
        let first = list.feeds.first()?;
        (first.proposed.statement < size).then_some(ListView { list, size })
    }
}

impl<'a> View<'a> {
    /// All lists that have a feed, by id.
    pub fn lists(&self) -> Vec<ListView<'a>> {
        let (lists, size) = (self.register_lists(), self.size());
        lists.by_id.values().filter_map(|number| lists.view(*number, size)).collect()
    }

    /// The lists at these positions, as far as they are known.
    pub(crate) fn lists_at(&self, numbers: impl Iterator<Item = usize>) -> Vec<ListView<'a>> {
        let (lists, size) = (self.register_lists(), self.size());
        numbers.filter_map(|number| lists.view(number, size)).collect()
    }

    pub fn list_of(&self, id: &RequestId) -> Option<ListView<'a>> {
        self.register_lists().list(id, self.size())
    }

    /// The request under which an entry of a list stands.
    pub fn request_of(&self, listed: &Listed<'a>) -> Option<Entry<'a>> {
        self.entry(listed.history())
    }

    /// Whether a version of a list comes into force after one instant and up to another.
    pub(crate) fn lists_turn(&self, after_s: i64, until_s: i64) -> bool {
        let turns = |from_s: i64| after_s < from_s && from_s <= until_s;
        self.lists().iter().any(|list| list.versions().iter().any(|v| turns(v.from_s)))
    }

    /// What stands under each request by the versions in force at an instant.
    pub fn listed_at(&self, at_s: i64) -> BTreeMap<&'a RequestId, Vec<Listed<'a>>> {
        self.listed_with(at_s, |view, version| view.entries(version).unwrap_or_default())
    }

    /// The same, and what stood there before and was taken out.
    pub(crate) fn listed_until(&self, at_s: i64) -> BTreeMap<&'a RequestId, Vec<Listed<'a>>> {
        self.listed_with(at_s, |view, version| view.entries_until(version))
    }

    fn listed_with(
        &self,
        at_s: i64,
        entries: impl Fn(ListView<'a>, &RequestId) -> Vec<Listed<'a>>,
    ) -> BTreeMap<&'a RequestId, Vec<Listed<'a>>> {
        let mut found: BTreeMap<&RequestId, Vec<Listed<'a>>> = BTreeMap::new();
        for view in self.lists() {
            let Some(in_force) = view.in_force_at(at_s) else { continue };
            for listed in entries(view, &in_force.version) {
                let entry = self.entry(listed.history());
                let covers = |entry: &Entry<'_>| {
                    entry
                        .version_at(at_s)
                        .is_some_and(|v| v.request.covers_lists.contains(view.id()))
                };
                if let Some(entry) = entry.filter(covers) {
                    found.entry(entry.id()).or_default().push(listed);
                }
            }
        }
        found
    }
}

impl Acceptance {
    /// "standing approval of statement 3", "signed by operator person-2 (statement 5)".
    pub fn says(&self) -> String {
        match self {
            Self::Standing { feed } => format!("standing approval of statement {feed}"),
            Self::Person(approved) => approved.says(),
        }
    }
}

impl super::Approved {
    pub fn says(&self) -> String {
        use remit_proto::v1::ApprovalMeans;
        let Self { by, means, statement, recorded_at_s: _ } = self;
        let how = match means {
            ApprovalMeans::SignedByPerson => "signed by",
            ApprovalMeans::AttestedByCollector => "attested by the collector for",
            ApprovalMeans::Unspecified => "approved by",
        };
        format!("{how} {} {} (statement {statement})", words::role(by.role()), by.person)
    }
}
