//! Where each request stands, by its id.

use std::collections::BTreeMap;

use evidence::RequestId;
use hashbrown::HashTable;

use crate::{entry::History, index::hash};

/// In order, and found without going through it: on a walk down a tree of fifty thousand texts most are in no
/// cache, and each verdict asks for the requests that are claimed.
#[derive(Debug, Clone, Default)]
pub(super) struct Ids {
    sorted: BTreeMap<RequestId, usize>,
    /// Positions, found by the id that stands there.
    table: HashTable<usize>,
}

impl Ids {
    pub(super) fn get(&self, histories: &[History], id: &RequestId) -> Option<usize> {
        let is_it = |at: &usize| histories.get(*at).is_some_and(|history| history.id == *id);
        self.table.find(hash(id.as_str().as_bytes()), is_it).copied()
    }

    /// The newest history, under an id that is new.
    pub(super) fn push(&mut self, histories: &[History]) {
        let Some(newest) = histories.last() else { return };
        let at = histories.len().saturating_sub(1);
        self.sorted.insert(newest.id.clone(), at);
        let hash_at = |at: &usize| {
            histories.get(*at).map_or(0, |history| hash(history.id.as_str().as_bytes()))
        };
        self.table.insert_unique(hash_at(&at), at, hash_at);
    }

    /// In the order of ids.
    pub(super) fn positions(&self) -> impl Iterator<Item = usize> + use<'_> {
        self.sorted.values().copied()
    }
}
