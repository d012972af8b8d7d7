//! Which requests say that they go with one another: what an own measure may carry out for somebody else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use evidence::RequestId;
use remit_proto::v1::{self, RelationKind, TransitionKind};

use super::{Register, View};
use crate::{
    entry::{Entry, Version},
    request::Request,
    state::Transition,
};

/// Positions of the requests that name another one, or a list, in any of their versions or steps: whatever they say of
/// it.
#[derive(Debug, Clone, Default)]
pub(super) struct Naming(HashMap<String, BTreeSet<usize>>);

impl Naming {
    pub(super) fn entered(&mut self, position: usize, request: &Request) {
        let is_proceeding =
            |relation: &&v1::Relation| relation.kind() == RelationKind::DependsOnProceeding;
        for relation in request.relations.iter().filter(|relation| !is_proceeding(relation)) {
            self.0.entry(relation.to.clone()).or_default().insert(position);
        }
    }

    pub(super) fn stated(&mut self, position: usize, stated: &Transition) {
        if let Some(by) = &stated.by {
            self.0.entry(by.to_string()).or_default().insert(position);
        }
    }

    fn of(&self, id: &RequestId) -> impl Iterator<Item = usize> {
        self.0.get(id.as_str()).into_iter().flatten().copied()
    }
}

/// One of the two asks what the other asks, or asked it before. What suspends, revokes, annuls or appeals another
/// one speaks against it.
fn goes_with(kind: RelationKind) -> bool {
    match kind {
        RelationKind::Confirms
        | RelationKind::Amends
        | RelationKind::Extends
        | RelationKind::Supersedes
        | RelationKind::ImplementsListOf
        | RelationKind::SameMeasureAs => true,
        RelationKind::Unspecified
        | RelationKind::Suspends
        | RelationKind::Revokes
        | RelationKind::Annuls
        | RelationKind::Appeals
        | RelationKind::DependsOnProceeding => false,
    }
}

impl<'a> View<'a> {
    /// What goes with a request: by its own text in one version, or by their texts; and what it took the place of.
    pub(crate) fn linked(
        &self,
        entry: Entry<'a>,
        version: &Version,
    ) -> impl Iterator<Item = Entry<'a>> {
        let own = version.request.relations.iter().filter_map(|relation| self.named_in(relation));
        let naming = self.register.naming.of(entry.id());
        let naming = naming.filter_map(|position| self.entry(position));
        own.chain(naming.filter(move |other| names(other, entry.id())))
    }

    /// Those that name a request in relations or steps: what is said of them may rest on whether it is there, and where
    /// it stands.
    pub(crate) fn naming(&self, id: &RequestId) -> impl Iterator<Item = Entry<'a>> {
        self.register.naming.of(id).filter_map(|position| self.entry(position))
    }

    /// The request that a relation names; of a list, the one under which it stands.
    fn named_in(&self, relation: &v1::Relation) -> Option<Entry<'a>> {
        let kind = relation.kind();
        if !goes_with(kind) {
            return None;
        }
        let to: RequestId = relation.to.parse().ok()?;
        match kind {
            RelationKind::ImplementsListOf => self.request(&self.list_of(&to)?.feed()?.request),
            _ => self.request(&to),
        }
    }

    /// Own measures that may go with a request, in any version of either: a change of it may make their label
    /// doubtful.
    pub(crate) fn own_measures_of(&self, entry: &Entry<'a>) -> Vec<Entry<'a>> {
        let Register { naming, .. } = self.register;
        let mut found: BTreeMap<&RequestId, Entry<'a>> = BTreeMap::new();
        let mut named: Vec<Entry<'a>> = entry
            .all_versions()
            .flat_map(|version| &version.request.relations)
            .filter_map(|relation| self.named_in(relation))
            .collect();
        let by = entry.transitions().into_iter().filter_map(|stated| stated.by.as_ref());
        named.extend(by.filter_map(|id| self.request(id)));
        let lists = entry.all_versions().flat_map(|version| &version.request.covers_lists);
        let naming = naming.of(entry.id()).chain(lists.flat_map(|list| naming.of(list)));
        named.extend(naming.filter_map(|position| self.entry(position)));
        for one in named {
            if one.all_versions().any(|version| version.request.is_own_measure()) {
                found.insert(one.id(), one);
            }
        }
        found.into_values().collect()
    }

    /// Own measures that implement a list, by what they say.
    pub(crate) fn own_measures_by(&self, list: &RequestId) -> Vec<Entry<'a>> {
        let naming = self.register.naming.of(list).filter_map(|position| self.entry(position));
        naming
            .filter(|one| one.all_versions().any(|version| version.request.is_own_measure()))
            .collect()
    }
}

fn names(other: &Entry<'_>, id: &RequestId) -> bool {
    let is_it = |relation: &v1::Relation| {
        let kind = relation.kind();
        goes_with(kind) && kind != RelationKind::ImplementsListOf && relation.to == id.as_str()
    };
    other.versions().any(|version| version.request.relations.iter().any(is_it))
        || other.transitions().into_iter().any(|stated| {
            stated.kind == TransitionKind::Supersede && stated.by.as_ref() == Some(id)
        })
}
