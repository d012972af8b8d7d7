//! What the log has committed, turned into verdicts and rows.
//!
//! In: [`Committed`] values in the order of the journal, all of them from the first at every start.
//! Out: the index ([`store`](crate::store)) up to date with them, and the register in memory, which
//! `query` reads beside it.
//!
//! Promised:
//! - Whatever was applied before is skipped; a crash at any point costs nothing but the work.
//! - The rows depend on the stream alone, not on the portions in which it came: verdicts are judged
//!   by what stands below a size of the log (`register::assessment`), and all events are judged again
//!   exactly at the entries that can change an answer: register heads, node facts, revocations.
//! - The register in memory is never behind the index, so a reader never sees a verdict by a register
//!   that it cannot look into.
//!
//! Not done here: rules that stand are judged when somebody asks (`query`), because their verdict
//! changes with time and not with the stream.

mod accounts;
mod rebuild;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod translate;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use evidence::{AgentOrigin, Operator};
use register::{Cases, Parameters, assessment::Assessment, silence::Watch};
use remit_proto::v1;

pub use rebuild::rebuild;

use crate::{
    committed::{Chunks, Committed},
    query::{self, Clock, QueryHandle},
    store::{Applied, Chunk, Index, SqliteStore, Store, StoreError},
};

/// A transaction holds about this many changes; a longer run of the journal takes several.
const OPS_PER_CHUNK: usize = 4096;

/// What is in memory beside the index, shared with the readers; written by the one assessor.
pub(crate) struct Memory {
    pub(crate) assessment: Assessment,
    /// Author of each statement of the register.
    pub(crate) authors: Vec<String>,
    /// What people did about findings.
    pub(crate) cases: Cases,
    /// Last position that was fed.
    pub(crate) fed: Option<u64>,
}

pub(crate) type Shared = Arc<RwLock<Memory>>;

/// Reads the shared state. A writer that panicked left it usable: every change is one call.
pub(crate) fn read(shared: &Shared) -> RwLockReadGuard<'_, Memory> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

/// The one writer of the index. After an error it is spent: open again and replay.
pub struct Assessor {
    shared: Shared,
    store: Box<dyn Store>,
    chunks: Arc<dyn Chunks>,
    seals: Seals,
    watermark: Option<u64>,
}

/// What is followed of the covered seals, on a replay too.
#[derive(Default)]
struct Seals {
    /// The newest of each tree: what accounts grow from.
    newest: HashMap<AgentOrigin, v1::Seal>,
    /// The newest of each node: what silences begin with.
    watch: Watch,
}

#[derive(Debug, thiserror::Error)]
pub enum AssessError {
    #[error("the index could not be written")]
    Store(#[from] StoreError),
    #[error("position {position} comes after position {last}: the stream is not in order")]
    OutOfOrder { position: u64, last: u64 },
    #[error("the rebuilt index could not be put in place")]
    Replace(#[source] std::io::Error),
}

impl Assessor {
    /// Opens the index of a folder, for writing and for reading. Replay the whole journal: until it
    /// has come past the watermark, the handle answers that it is starting.
    pub fn open(
        folder: &Path,
        operator: Operator,
        chunks: Arc<dyn Chunks>,
    ) -> Result<(Self, QueryHandle), AssessError> {
        Self::open_with_clock(folder, operator, chunks, query::clock::system())
    }

    /// As [`open`](Self::open), with "now" as a value that is passed.
    pub fn open_with_clock(
        folder: &Path,
        operator: Operator,
        chunks: Arc<dyn Chunks>,
        clock: Clock,
    ) -> Result<(Self, QueryHandle), AssessError> {
        let store = SqliteStore::open(folder)?;
        let index: Arc<dyn Index> = store.index();
        let assessor = Self::new(&operator, Box::new(store), chunks)?;
        let handle = QueryHandle::new(index, Arc::clone(&assessor.shared), clock);
        Ok((assessor, handle))
    }

    /// Removes the index of a folder, so that the next [`open`](Self::open) begins an empty one.
    /// Nobody may have it open.
    pub fn drop_index(folder: &Path) -> Result<(), AssessError> {
        SqliteStore::remove(folder).map_err(AssessError::Replace)
    }

    pub(crate) fn new(
        operator: &Operator,
        store: Box<dyn Store>,
        chunks: Arc<dyn Chunks>,
    ) -> Result<Self, AssessError> {
        let watermark = store.watermark()?;
        let assessment = Assessment::new(operator.register_origin(), Parameters::default());
        let cases = Cases::new(operator.case_origin());
        let memory = Memory { assessment, authors: Vec::new(), cases, fed: None };
        let shared = Arc::new(RwLock::new(memory));
        Ok(Self { shared, store, chunks, seals: Seals::default(), watermark })
    }

    /// Last position that is in the index. What is given again up to here only fills the memory.
    pub fn watermark(&self) -> Option<u64> {
        self.watermark
    }

    /// Applies the next run of the journal. Durable in the index when it returns.
    pub fn apply(&mut self, run: Vec<Committed>) -> Result<Applied, AssessError> {
        let mut done = Applied::default();
        let mut chunk = Chunk { after: self.watermark, ..Chunk::default() };
        let mut pending = false;
        for committed in run {
            let position = committed.position;
            let replayed = self.watermark.is_some_and(|watermark| position <= watermark);
            let at_s = committed.at_s;
            // The lock is held for one step, so that readers get their turn in a long run.
            let ops = {
                let mut memory = self.shared.write().unwrap_or_else(PoisonError::into_inner);
                if let Some(last) = memory.fed.filter(|last| position <= *last) {
                    return Err(AssessError::OutOfOrder { position, last });
                }
                memory.fed = Some(position);
                let chunks = self.chunks.as_ref();
                translate::step(&mut memory, committed, chunks, &mut self.seals, !replayed)
            };
            if replayed {
                continue;
            }
            pending = true;
            chunk.to = position;
            chunk.at_s = chunk.at_s.max(at_s);
            chunk.ops.extend(ops);
            if chunk.ops.len() >= OPS_PER_CHUNK {
                add(&mut done, self.write(&chunk)?);
                chunk = Chunk { after: self.watermark, ..Chunk::default() };
                pending = false;
            }
        }
        if pending {
            add(&mut done, self.write(&chunk)?);
        }
        Ok(done)
    }

    /// Every row of the index, for comparison with a rebuilt one.
    pub fn dump(&self) -> Result<Vec<String>, AssessError> {
        Ok(self.store.dump()?)
    }

    fn write(&mut self, chunk: &Chunk) -> Result<Applied, AssessError> {
        let shared = Arc::clone(&self.shared);
        let applied = self.store.apply(chunk, &|facts, log_size, seal_s| {
            read(&shared).assessment.now(facts, log_size, seal_s).to_wire()
        })?;
        self.watermark = Some(chunk.to);
        if applied.revised > 0 {
            tracing::info!(
                revised = applied.revised,
                position = chunk.to,
                "verdicts changed with the register or the inventory"
            );
        }
        Ok(applied)
    }
}

fn add(sum: &mut Applied, more: Applied) {
    sum.events = sum.events.saturating_add(more.events);
    sum.revised = sum.revised.saturating_add(more.revised);
}
