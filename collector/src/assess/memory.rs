//! What is in memory beside the index, as readers see it: a state that is replaced and never changed.
//!
//! The assessor owns what changes and shows a copy of it; the copy is a few counters. A reader takes the
//! newest and keeps it for as long as its question lasts, so a slow question holds up nobody. While a
//! statement is taken in, which needs the memory for itself, nothing is shown and whoever comes waits
//! that moment; if a slow question still holds the state before, the register is copied instead.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use register::{Cases, assessment::Grounds};

#[derive(Clone)]
pub(crate) struct Memory {
    pub(crate) grounds: Grounds,
    /// Author of each statement of the register.
    pub(crate) authors: Arc<Vec<String>>,
    /// What people did about findings.
    pub(crate) cases: Arc<Cases>,
    /// Last position that was fed.
    pub(crate) fed: Option<u64>,
}

#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Option<Arc<Memory>>>>);

impl Shared {
    pub(super) fn new(memory: Memory) -> Self {
        Self(Arc::new(Mutex::new(Some(Arc::new(memory)))))
    }

    /// The newest state; `None` only after the assessor has panicked.
    pub(crate) fn newest(&self) -> Option<Arc<Memory>> {
        self.lock().clone()
    }

    pub(super) fn show(&self, memory: Memory) {
        *self.lock() = Some(Arc::new(memory));
    }

    /// Takes back what is shown; whoever wants it waits until it is shown again.
    pub(super) fn withdraw(&self) -> Withdrawn<'_> {
        let mut shown = self.lock();
        *shown = None;
        Withdrawn(shown)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Memory>>> {
        // Every change is one assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Withdrawn<'s>(MutexGuard<'s, Option<Arc<Memory>>>);

impl Withdrawn<'_> {
    pub(super) fn show(mut self, memory: Memory) {
        *self.0 = Some(Arc::new(memory));
    }
}
