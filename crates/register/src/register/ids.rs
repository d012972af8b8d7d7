//! Where each request stands, by its id.

use std::collections::BTreeMap;

use evidence::RequestId;

use super::place;
use crate::{
    entry::History,
    index::{Table, hash},
};

/// In order, and found without going through it: on a walk down a tree of fifty thousand texts most are in no
/// cache, and each verdict asks for the requests that are claimed.
#[derive(Debug, Clone, Default)]
pub(super) struct Ids {
    sorted: BTreeMap<RequestId, usize>,
    /// Positions, found by the id that stands there.
    table: Table,
}

impl Ids {
    pub(super) fn get(&self, histories: &[History], id: &RequestId) -> Option<usize> {
        let is_it = |at: u32| histories.get(place(at)).is_some_and(|history| history.id == *id);
        self.table.find(hash_of(id), is_it).map(place)
    }

    /// The newest history, under an id that is new.
    pub(super) fn push(&mut self, histories: &[History]) {
        let Some(newest) = histories.last() else { return };
        let at = histories.len().saturating_sub(1);
        self.sorted.insert(newest.id.clone(), at);
        if self.table.is_crowded() {
            self.table = self.table.larger();
            // The newest is one of these. A history takes more than a hundred bytes: there are not 2^32.
            for (history, at) in histories.iter().zip(0..) {
                self.table.add(hash_of(&history.id), at);
            }
        } else if let Ok(at) = u32::try_from(at) {
            self.table.add(hash_of(&newest.id), at);
        }
    }

    /// What look-ups of these are likely to find. All that they begin with is asked for at once, so that it is waited
    /// for together.
    pub(super) fn likely<'i>(&self, ids: impl Iterator<Item = &'i RequestId>) -> Vec<usize> {
        let hashes: Vec<u64> = ids.map(hash_of).collect();
        self.table.load(hashes.iter().copied());
        hashes.into_iter().flat_map(|hash| self.table.likely(hash)).map(place).collect()
    }

    /// In the order of ids.
    pub(super) fn positions(&self) -> impl Iterator<Item = usize> + use<'_> {
        self.sorted.values().copied()
    }
}

fn hash_of(id: &RequestId) -> u64 {
    hash(id.as_str().as_bytes())
}
