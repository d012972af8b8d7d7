//! What requests say of each other leads forward: an order that confirms one that confirms it is a
//! mistake in the file.

use std::collections::{HashMap, HashSet};

use evidence::RequestId;
use remit_proto::v1::{self, RelationKind};

/// Relations in which one request comes after the other.
fn is_directed(kind: RelationKind) -> bool {
    match kind {
        RelationKind::Confirms
        | RelationKind::Amends
        | RelationKind::Extends
        | RelationKind::Supersedes
        | RelationKind::Suspends
        | RelationKind::Revokes
        | RelationKind::Annuls
        | RelationKind::Appeals => true,
        RelationKind::Unspecified
        | RelationKind::ImplementsListOf
        | RelationKind::SameMeasureAs
        | RelationKind::DependsOnProceeding => false,
    }
}

/// `new` are requests that would be entered; `held` finds the relations of one that is there. `Err`:
/// the request that would come back to itself, and the one that leads back.
pub(crate) fn check<'r>(
    new: impl Iterator<Item = (&'r RequestId, &'r Vec<v1::Relation>)> + Clone,
    held: impl Fn(&str) -> Option<&'r Vec<v1::Relation>>,
) -> Result<(), (RequestId, String)> {
    let entered: HashMap<&str, &Vec<v1::Relation>> =
        new.clone().map(|(id, relations)| (id.as_str(), relations)).collect();
    let mut followed: HashSet<&str> = HashSet::new();
    for (id, relations) in new {
        if relations.is_empty() {
            continue;
        }
        followed.clear();
        let mut open: Vec<&str> = vec![id.as_str()];
        while let Some(at) = open.pop() {
            let relations = entered.get(at).copied().or_else(|| held(at));
            for v1::Relation { kind, to, outlives: _ } in relations.into_iter().flatten() {
                if !RelationKind::try_from(*kind).is_ok_and(is_directed) {
                    continue;
                }
                if to == id.as_str() {
                    return Err((id.clone(), at.to_owned()));
                }
                if followed.insert(to) {
                    open.push(to);
                }
            }
        }
    }
    Ok(())
}
