//! What was removed of requests, with an `Erasure` entry in the collector's log.

use std::{collections::BTreeSet, sync::Arc};

use evidence::closed;
use remit_proto::v1;

use super::Register;
use crate::{
    entry::History,
    request::{Closed, Request, moves_verdicts},
};

impl Register {
    /// What opened parts of requests was removed: their fields are gone, at every size, and no verdict
    /// rested on them.
    pub fn erase(&mut self, chunks: &[Vec<u8>]) {
        self.erased.extend(chunks.iter().cloned());
        let Self { histories, closed, erased, erasures, .. } = self;
        for position in closed.iter() {
            let Some(history) = histories.get_mut(*position) else { continue };
            let mut is_told = false;
            for version in &mut history.versions {
                is_told |= forget(&mut version.request, erased);
            }
            let History { transitions, proposed, .. } = history;
            for stated in transitions.iter_mut().chain(proposed) {
                is_told |= stated.forget(erased);
            }
            erasures.extend(is_told.then(|| history.id.clone()));
        }
    }

    /// Chunks that were removed.
    pub fn erased(&self) -> impl Iterator<Item = &[u8]> {
        self.erased.iter().map(Vec::as_slice)
    }
}

/// Takes out of a request what is erased of it, and says whether that was anything.
pub(super) fn forget(request: &mut Arc<Request>, erased: &BTreeSet<Vec<u8>>) -> bool {
    let is_erased = |part: &Closed| {
        let chunks = part.opening.iter().flat_map(|set| &set.chunks);
        let is_new = !part.is_erased && !moves_verdicts(part.part);
        is_new && chunks.into_iter().any(|id| erased.contains(id))
    };
    let gone: Vec<_> = request.closed.iter().filter(|p| is_erased(p)).map(|p| p.part).collect();
    if gone.is_empty() {
        return false;
    }
    let mut wire = v1::Request::from(&**request);
    for part in &gone {
        closed::take(&mut wire, *part);
    }
    // What no verdict rests on, no check asks for.
    let Ok(mut rest) = Request::try_from(wire) else { return false };
    for (new, old) in rest.closed.iter_mut().zip(&request.closed) {
        new.is_erased = old.is_erased || gone.contains(&old.part);
        new.is_open = old.is_open && !new.is_erased;
    }
    *request = Arc::new(rest);
    true
}
