//! What the event's claims name in the register.

use evidence::{Claim, RequestId};
use remit_proto::v1::BasisClass;

use crate::{
    entry::Entry,
    register::View,
    request::{ListVersion, Request},
};

pub(super) struct Claims<'c> {
    pub all: &'c [Claim],
    /// Requests by id that the register holds.
    pub requests: Vec<&'c RequestId>,
    /// Lists of which the register holds at least one member.
    pub lists: Vec<ListVersion>,
    pub classes: Vec<BasisClass>,
    /// Requests and lists that this view of the register does not know.
    pub unknown: Vec<&'c Claim>,
}

impl<'c> Claims<'c> {
    pub(super) fn read(all: &'c [Claim], view: &View<'_>) -> Self {
        let mut claims = Self {
            all,
            requests: Vec::new(),
            lists: Vec::new(),
            classes: Vec::new(),
            unknown: Vec::new(),
        };
        for claim in all {
            match claim {
                Claim::Request(id) if view.request(id).is_some() => claims.requests.push(id),
                Claim::Request(_) => claims.unknown.push(claim),
                Claim::List { id, version } => {
                    let list = ListVersion { id: id.clone(), version: version.clone() };
                    if view.list(&list).next().is_some() {
                        claims.lists.push(list);
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
            && self.classes.is_empty()
            && self.unknown.is_empty()
    }

    /// By id, as a member of a list, or as an own measure of a claimed class.
    pub(super) fn names(&self, entry: &Entry<'_>, request: &Request) -> bool {
        self.requests.contains(&entry.id())
            || self.lists.iter().any(|list| request.lists.contains(list))
            || (request.is_own_measure() && self.classes.contains(&request.basis_class))
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
