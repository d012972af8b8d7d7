//! What the event's claims name in the register.

use evidence::{Claim, RequestId};
use remit_proto::v1::BasisClass;
use smallvec::SmallVec;

use super::Span;
use crate::{
    entry::Entry,
    list::{Listed, Naming},
    register::View,
    request::{ListVersion, Request},
};

pub(super) struct Claims<'c> {
    pub all: &'c [Claim],
    /// Requests by id that the register holds.
    pub requests: SmallVec<[&'c RequestId; 2]>,
    /// Lists of which the register holds at least one member.
    pub lists: Vec<ListVersion>,
    /// Accepted versions of lists, by their positions.
    pub versions: Vec<(&'c RequestId, usize)>,
    /// Versions that wait for a second person.
    pub held: Vec<&'c Claim>,
    pub classes: Vec<BasisClass>,
    /// Requests and lists that this view of the register does not know.
    pub unknown: Vec<&'c Claim>,
}

impl<'c> Claims<'c> {
    pub(super) fn read(all: &'c [Claim], view: &View<'_>) -> Self {
        let mut claims = Self {
            all,
            requests: SmallVec::new(),
            lists: Vec::new(),
            versions: Vec::new(),
            held: Vec::new(),
            classes: Vec::new(),
            unknown: Vec::new(),
        };
        for claim in all {
            match claim {
                Claim::Request(id) if view.request(id).is_some() => claims.requests.push(id),
                Claim::Request(_) => claims.unknown.push(claim),
                Claim::List { id, version } => {
                    let list = ListVersion { id: id.clone(), version: version.clone() };
                    let versioned = view.list_of(id);
                    let position = versioned.and_then(|list| list.position(version));
                    let is_held = versioned
                        .is_some_and(|list| list.held().any(|held| held.version == *version));
                    if let Some(at) = position {
                        claims.versions.push((id, at));
                    } else if view.list(&list).next().is_some() {
                        claims.lists.push(list);
                    } else if is_held {
                        claims.held.push(claim);
                    } else {
                        claims.unknown.push(claim);
                    }
                }
                // "None stated" is said, and says that nothing is claimed.
                Claim::Class(BasisClass::NoneStated | BasisClass::Unspecified) => {}
                Claim::Class(class) => claims.classes.push(*class),
            }
        }
        claims
    }

    pub(super) fn nothing_claimed(&self) -> bool {
        self.requests.is_empty()
            && self.lists.is_empty()
            && self.versions.is_empty()
            && self.held.is_empty()
            && self.classes.is_empty()
            && self.unknown.is_empty()
    }

    /// By id, as a member of a list, or as an own measure of a claimed class.
    pub(super) fn names(&self, entry: &Entry<'_>, request: &Request) -> bool {
        self.requests.contains(&entry.id())
            || self.lists.iter().any(|list| request.lists.contains(list))
            || (request.is_own_measure() && self.classes.contains(&request.basis_class))
    }

    /// What the claimed versions of a list say of one of its entries.
    pub(super) fn naming(&self, listed: &Listed<'_>, span: Span) -> Naming {
        let of_list = self.versions.iter().filter(|(id, _)| *id == listed.list().id());
        of_list.map(|(_, at)| listed.named_by(*at, span)).max().unwrap_or(Naming::No)
    }

    pub(super) fn names_list(&self, listed: &Listed<'_>) -> bool {
        self.versions.iter().any(|(id, _)| *id == listed.list().id())
    }

    pub(super) fn first_known(&self) -> Option<RequestId> {
        self.requests.first().map(|id| (*id).clone())
    }

    pub(super) fn shown(&self) -> String {
        if self.all.is_empty() {
            return "no claim".to_owned();
        }
        let words: Vec<_> = self.all.iter().map(ToString::to_string).collect();
        words.join(", ")
    }
}
