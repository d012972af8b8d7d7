//! Statements about lists into the register: everything is checked before anything is changed.

use std::collections::HashSet;

use evidence::RequestId;
use remit_proto::v1::{self, ApprovalMeans};

use super::{
    Acceptance, Accepted, Approved, Changes, Counts, Feed, Held, Key, List, ListEntry, Lists,
    Member, Posted, Proposed,
};
use crate::{
    adoption::Said,
    request::{Details, InvalidRequest, RequestTarget},
};

/// The statement is refused as a whole; the register is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidList {
    #[error("{field}: not 1 to 48 of A-Za-z0-9._/-")]
    Id { field: &'static str },
    #[error(
        "{field}: the register holds no request {request} that covers list {list}; enter it first, with \
         covers_lists"
    )]
    NotCovering { field: &'static str, request: RequestId, list: RequestId },
    #[error(
        "list_version.list_id: list {list} has no approved feed; state one with `remit lists feed`, and \
         have a second person approve it"
    )]
    NoFeed { list: RequestId },
    #[error("list_version.version: list {list} has a version {version} already")]
    VersionTaken { list: RequestId, version: RequestId },
    #[error(
        "list_version.previous: {found:?} is not the newest accepted version of list {list}, which is \
         {wanted:?}; make the difference again"
    )]
    Previous { list: RequestId, found: String, wanted: String },
    #[error(
        "list_version: in force before version {version} of list {list}, which it follows; give a later \
         effective_at"
    )]
    OutOfOrder { list: RequestId, version: RequestId },
    #[error(transparent)]
    Entry(#[from] InvalidRequest),
    #[error("list_version.changes: an entry is {problem}")]
    Change { problem: &'static str },
    #[error("list_version.{field}: {stated} is stated, and the changes make it {found}")]
    Count { field: &'static str, stated: u64, found: u64 },
    #[error("approval.statement: statement {statement} awaits no second person's approval")]
    NothingToApprove { statement: u64 },
    #[error("approval.digest: statement {statement} is another one; look at it again")]
    OtherStatement { statement: u64 },
    #[error("approval: {person} proposed it; somebody else must approve")]
    OwnProposal { person: String },
}

/// A statement of a list before it is known whether it takes effect.
pub(crate) struct Proposal<'s> {
    pub said: &'s Said,
    pub effective_at_s: i64,
    pub digest: [u8; 32],
    /// Both have signed it.
    pub approver: Option<&'s v1::PersonRef>,
}

impl Proposal<'_> {
    fn proposed(&self) -> Proposed {
        Proposed::of(self.said, self.effective_at_s, self.digest)
    }

    fn approved(&self) -> Option<Approved> {
        self.approver.map(|by| Approved {
            by: by.clone(),
            means: ApprovalMeans::SignedByPerson,
            statement: self.said.statement,
            recorded_at_s: self.said.recorded_at_s,
        })
    }
}

/// Requests whose newest text says that they cover the list, by their positions in the register.
pub(crate) trait Covering {
    fn position(&self, request: &RequestId, list: &RequestId) -> Option<usize>;
}

impl Lists {
    pub(crate) fn feed(
        &mut self,
        wire: &v1::ListFeed,
        proposal: &Proposal<'_>,
        requests: &dyn Covering,
    ) -> Result<(), InvalidList> {
        let v1::ListFeed {
            list_id,
            request_id,
            publication_interval_s,
            fetch_time_s,
            change_entries_max,
            change_permille_max,
        } = wire;
        let id = id(list_id, "list_feed.list_id")?;
        let request = self::id(request_id, "list_feed.request_id")?;
        if requests.position(&request, &id).is_none() {
            let field = "list_feed.request_id";
            return Err(InvalidList::NotCovering { field, request, list: id });
        }
        let span = |s: u64| i64::try_from(s).unwrap_or(i64::MAX);
        let feed = Feed {
            request,
            publication_interval_s: span(*publication_interval_s),
            fetch_time_s: span(*fetch_time_s),
            change_entries_max: *change_entries_max,
            change_permille_max: *change_permille_max,
            proposed: proposal.proposed(),
            approved: proposal.approved(),
        };
        let number = self.number(&id);
        self.propose(number, proposal);
        if let Some(list) = self.lists.get_mut(number) {
            list.feeds.push(feed);
        }
        Ok(())
    }

    /// `changes` is `None` where they are withheld or erased.
    pub(crate) fn version(
        &mut self,
        wire: &v1::ListVersion,
        changes: Option<&[v1::ListChanges]>,
        proposal: &Proposal<'_>,
        requests: &dyn Covering,
    ) -> Result<Vec<Posted>, InvalidList> {
        let v1::ListVersion {
            list_id,
            version,
            previous,
            changes: _,
            file_digest,
            mapping_digest: _,
            rows_read: _,
            rows_repaired: _,
            rows_refused,
            entries,
            added,
            removed,
            refused: _,
        } = wire;
        let id = id(list_id, "list_version.list_id")?;
        let version = self::id(version, "list_version.version")?;
        let number = self.by_id.get(&id).copied();
        let list = number.and_then(|number| self.lists.get(number));
        let approved = |list: &&List| list.feed(u64::MAX).is_some();
        let list = list.filter(approved).ok_or(InvalidList::NoFeed { list: id.clone() })?;
        list.check_follows(&version, previous, proposal.effective_at_s)?;
        let changes = changes.map(read).transpose()?;
        let counts = Counts {
            entries: *entries,
            added: *added,
            removed: *removed,
            rows_refused: *rows_refused,
        };
        if let Some(changes) = &changes {
            list.check_changes(changes, counts, requests)?;
        }
        let held = Held {
            previous: list.accepted.last().map(|newest| newest.version.clone()),
            version,
            proposed: proposal.proposed(),
            counts,
            file_digest: file_digest.clone(),
            changes,
            closed_by: None,
        };
        let acceptance = list.acceptance(&held, proposal.approved());
        let number = number.unwrap_or_default();
        let Some(list) = self.lists.get_mut(number) else { return Ok(Vec::new()) };
        let Some(acceptance) = acceptance else {
            list.held.push(held);
            self.propose(number, proposal);
            return Ok(Vec::new());
        };
        Ok(list.accept(held, acceptance, proposal.effective_at_s, number, requests))
    }

    /// The list that a statement is about, once it was taken in.
    pub(crate) fn said_of(&self, body: &v1::statement::Body) -> Option<usize> {
        use v1::statement::Body;
        let by_id = |id: &str| self.by_id.get(&id.parse::<RequestId>().ok()?).copied();
        match body {
            Body::ListFeed(feed) => by_id(&feed.list_id),
            Body::ListVersion(version) => by_id(&version.list_id),
            Body::Approval(approval) => self.proposals.get(&approval.statement).copied(),
            _ => None,
        }
    }

    /// A feed or a version that nobody has approved.
    pub(crate) fn waits(&self, statement: u64) -> bool {
        let list = self.proposals.get(&statement).and_then(|number| self.lists.get(*number));
        let of = |proposed: &Proposed| proposed.statement == statement;
        list.is_some_and(|list| {
            list.feeds.iter().any(|feed| of(&feed.proposed) && feed.approved.is_none())
                || list.held.iter().any(|held| of(&held.proposed) && held.closed_by.is_none())
        })
    }

    /// From when on a version that waits for an approval would hold.
    pub(crate) fn held_from_s(&self, statement: u64) -> Option<i64> {
        let list = self.lists.get(*self.proposals.get(&statement)?)?;
        let held = list.held.iter().find(|held| held.proposed.statement == statement)?;
        Some(held.proposed.effective_at_s)
    }

    pub(crate) fn approve(
        &mut self,
        wire: &v1::Approval,
        said: &Said,
        effective_at_s: i64,
        requests: &dyn Covering,
    ) -> Result<Vec<Posted>, InvalidList> {
        let v1::Approval { statement, digest, means } = wire;
        let nothing = InvalidList::NothingToApprove { statement: *statement };
        let number = *self.proposals.get(statement).ok_or(nothing.clone())?;
        let list = self.lists.get_mut(number).ok_or(nothing.clone())?;
        let check = |proposed: &Proposed| {
            if proposed.digest.as_slice() != digest.as_slice() {
                return Err(InvalidList::OtherStatement { statement: *statement });
            }
            if proposed.by.person == said.by.person {
                return Err(InvalidList::OwnProposal { person: said.by.person.clone() });
            }
            Ok(())
        };
        let approved = Approved {
            by: said.by.clone(),
            means: ApprovalMeans::try_from(*means).unwrap_or_default(),
            statement: said.statement,
            recorded_at_s: said.recorded_at_s,
        };
        let of = |proposed: &Proposed| proposed.statement == *statement;
        if let Some(feed) = list.feeds.iter_mut().find(|feed| of(&feed.proposed)) {
            if feed.approved.is_some() {
                return Err(nothing);
            }
            check(&feed.proposed)?;
            feed.approved = Some(approved);
            return Ok(Vec::new());
        }
        let held = list.held.iter().find(|held| of(&held.proposed) && held.closed_by.is_none());
        let held = held.ok_or(nothing)?.clone();
        check(&held.proposed)?;
        let previous = held.previous.as_ref().map(ToString::to_string).unwrap_or_default();
        let from_s = held.proposed.effective_at_s.max(effective_at_s);
        list.check_follows(&held.version, &previous, from_s)?;
        if let Some(changes) = &held.changes {
            list.check_changes(changes, held.counts, requests)?;
        }
        Ok(list.accept(held, Acceptance::Person(approved), from_s, number, requests))
    }

    fn number(&mut self, id: &RequestId) -> usize {
        if let Some(number) = self.by_id.get(id) {
            return *number;
        }
        let number = self.lists.len();
        self.by_id.insert(id.clone(), number);
        self.lists.push(List {
            id: id.clone(),
            feeds: Vec::new(),
            accepted: Vec::new(),
            held: Vec::new(),
            members: Vec::new(),
            present: Default::default(),
            unknown_from: None,
        });
        number
    }

    fn propose(&mut self, number: usize, proposal: &Proposal<'_>) {
        self.proposals.insert(proposal.said.statement, number);
    }
}

impl List {
    fn check_follows(
        &self,
        version: &RequestId,
        previous: &str,
        from_s: i64,
    ) -> Result<(), InvalidList> {
        let list = self.id.clone();
        if self.accepted.iter().any(|accepted| accepted.version == *version) {
            return Err(InvalidList::VersionTaken { list, version: version.clone() });
        }
        let newest = self.accepted.last();
        let wanted = newest.map(|newest| newest.version.to_string()).unwrap_or_default();
        if previous != wanted {
            return Err(InvalidList::Previous { list, found: previous.to_owned(), wanted });
        }
        match newest {
            Some(newest) if from_s < newest.from_s => {
                Err(InvalidList::OutOfOrder { list, version: newest.version.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_changes(
        &self,
        changes: &Changes,
        counts: Counts,
        requests: &dyn Covering,
    ) -> Result<(), InvalidList> {
        let Changes { added, removed } = changes;
        let change = |problem| Err(InvalidList::Change { problem });
        let mut seen = HashSet::new();
        for entry in added.iter().chain(removed) {
            if !seen.insert(Key::of(entry)) {
                return change("changed twice");
            }
        }
        let of_feed = self.feed(u64::MAX).map(|feed| &feed.request);
        for request in added.iter().filter_map(|entry| entry.request.as_ref().or(of_feed)) {
            if requests.position(request, &self.id).is_none() {
                let field = "list_version.changes.request_id";
                let (request, list) = (request.clone(), self.id.clone());
                return Err(InvalidList::NotCovering { field, request, list });
            }
        }
        // What a version held whose changes are withheld is not known.
        if self.unknown_from.is_none() {
            if added.iter().any(|entry| self.present.contains_key(&Key::of(entry))) {
                return change("added that the version before holds");
            }
            if removed.iter().any(|entry| !self.present.contains_key(&Key::of(entry))) {
                return change("removed that the version before does not hold");
            }
        }
        let before = self.accepted.last().map_or(0, |newest| newest.counts.entries);
        let found = before.saturating_sub(removed.len() as u64).saturating_add(added.len() as u64);
        for (field, stated, found) in [
            ("added", counts.added, added.len() as u64),
            ("removed", counts.removed, removed.len() as u64),
            ("entries", counts.entries, found),
        ] {
            if stated != found {
                return Err(InvalidList::Count { field, stated, found });
            }
        }
        Ok(())
    }

    /// `None`: a person must look at it.
    fn acceptance(&self, held: &Held, approved: Option<Approved>) -> Option<Acceptance> {
        if let Some(approved) = approved {
            return Some(Acceptance::Person(approved));
        }
        let feed = self.feed(u64::MAX)?;
        let before = self.accepted.last()?.counts.entries;
        let changed = held.counts.added.saturating_add(held.counts.removed);
        feed.covers(changed, before)
            .then_some(Acceptance::Standing { feed: feed.proposed.statement })
    }

    fn accept(
        &mut self,
        held: Held,
        acceptance: Acceptance,
        from_s: i64,
        number: usize,
        requests: &dyn Covering,
    ) -> Vec<Posted> {
        let Held { version, previous: _, proposed, counts, file_digest, changes, closed_by: _ } =
            held;
        let of_feed = self.feed(u64::MAX).map(|feed| feed.request.clone());
        let at = self.accepted.len();
        let accepted = Accepted { version, proposed, acceptance, from_s, counts, file_digest };
        // Whatever else was held is against a version that is no longer the newest.
        let (by, _) = accepted.known_by();
        for held in self.held.iter_mut().filter(|held| held.closed_by.is_none()) {
            held.closed_by = Some(by);
        }
        self.accepted.push(accepted);
        let Some(Changes { added, removed }) = changes else {
            self.unknown_from.get_or_insert(at);
            return Vec::new();
        };
        for entry in &removed {
            let member = self.present.remove(&Key::of(entry));
            if let Some(member) = member.and_then(|member| self.members.get_mut(member)) {
                member.removed = Some(at);
                let RequestTarget { target, exception, .. } = &member.open;
                let details = Details { removed_at_s: Some(from_s), ..member.open.details() };
                member.closed = Some(RequestTarget::new(target.clone(), *exception, details));
            }
        }
        let mut posted = Vec::new();
        for entry in added {
            let key = Key::of(&entry);
            let ListEntry { target, request, exception, raw } = entry;
            let under = request.as_ref().or(of_feed.as_ref());
            let history = under.and_then(|under| requests.position(under, &self.id));
            let Some(history) = history else { continue };
            let member = self.members.len();
            posted.push(Posted { list: number, member, target: target.clone() });
            let details = Details { raw, added_at_s: Some(from_s), ..Details::default() };
            let open = RequestTarget::new(target, exception, details);
            let closed = None;
            self.members.push(Member { open, closed, request, history, added: at, removed: None });
            self.present.insert(key, member);
        }
        posted
    }

    /// The newest feed that was approved below a size of the register.
    pub(super) fn feed(&self, size: u64) -> Option<&Feed> {
        let known = |feed: &&Feed| feed.approved.as_ref().is_some_and(|a| a.statement < size);
        self.feeds
            .iter()
            .filter(known)
            .max_by_key(|feed| feed.approved.as_ref().map(|a| a.statement))
    }
}

impl Key {
    pub(super) fn of(entry: &ListEntry) -> Self {
        let ListEntry { target, request, exception, raw: _ } = entry.clone();
        Self { target, request, exception }
    }
}

fn read(parts: &[v1::ListChanges]) -> Result<Changes, InvalidRequest> {
    let mut changes = Changes::default();
    for v1::ListChanges { added, removed } in parts {
        for entry in added {
            changes.added.push(entry.clone().try_into()?);
        }
        for entry in removed {
            changes.removed.push(entry.clone().try_into()?);
        }
    }
    Ok(changes)
}

fn id(text: &str, field: &'static str) -> Result<RequestId, InvalidList> {
    text.parse().map_err(|_| InvalidList::Id { field })
}
