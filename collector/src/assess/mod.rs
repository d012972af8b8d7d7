//! What the log has committed, turned into verdicts and rows.
//!
//! In: [`Committed`] values in the order of the journal, all of them from the first at every start.
//! Out: the index ([`store`](crate::store)) up to date with them, and the register in memory, which
//! `query` reads beside it; and, back to the log, what became of each re-assessment (ADR 19).
//!
//! Promised:
//! - Whatever was applied before is skipped; a crash at any point costs nothing but the work.
//! - The content depends on the stream alone, not on the portions in which it came: verdicts are judged
//!   by what stands below a size of the log (`register::assessment`).
//! - At the entries that can change an answer (register heads, the first facts of a node, revocations)
//!   old events are judged again, as far as the entry can reach them (`register::change`), by what
//!   stands below that entry. The work is cut into steps between which the stream goes on; jobs are done
//!   in the order of their entries, so that when it is done changes nothing in what comes out.
//! - The register in memory is never behind the index, so a reader never sees a verdict by a register
//!   that it cannot look into. A question holds no lock while it reads ([`memory`]).
//!
//! Not done here: rules that stand are judged when somebody asks (`query`), because their verdict
//! changes with time and not with the stream.

mod accounts;
#[cfg(test)]
mod archive_tests;
pub(crate) mod memory;
#[cfg(test)]
mod random;
mod rebuild;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod translate;
mod work;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    path::Path,
    sync::Arc,
};

use evidence::{AgentOrigin, Operator};
use register::{Cases, Parameters, assessment::Assessment, silence::Watch};
use remit_proto::v1::{self, log_entry::Entry};

pub use rebuild::rebuild;
#[cfg(test)]
pub(crate) use work::AT_ONCE;
pub use work::EVENTS_PER_STEP;

use self::{
    memory::{Memory, Shared},
    work::Pending,
};
use crate::{
    committed::{Chunks, Committed, What},
    query::{self, Clock, QueryHandle},
    store::{Archive, Chunk, Index, SqliteStore, Step, Store, StoreError},
};

/// A transaction holds about this many changes; a longer run of the journal takes several.
const OPS_PER_CHUNK: usize = 4096;

/// The one writer of the index. After an error it is spent: open again and replay.
pub struct Assessor {
    shared: Shared,
    state: State,
    store: Box<dyn Store>,
    chunks: Arc<dyn Chunks>,
    watermark: Option<u64>,
    /// Jobs in their order; the first is at work.
    jobs: VecDeque<Pending>,
    /// Sizes of the log whose jobs an index from before has not come to the end of.
    resumed: BTreeSet<u64>,
    /// Ends that were handed out to be logged.
    told: BTreeSet<u64>,
}

/// What follows from the stream, in memory; filled again at every start.
pub(crate) struct State {
    pub(crate) assessment: Assessment,
    authors: Arc<Vec<String>>,
    /// What people did about findings.
    cases: Arc<Cases>,
    seals: Seals,
    /// Last position that was fed.
    fed: Option<u64>,
}

impl State {
    fn memory(&self) -> Memory {
        Memory {
            grounds: self.assessment.grounds().clone(),
            authors: Arc::clone(&self.authors),
            cases: Arc::clone(&self.cases),
            fed: self.fed,
        }
    }
}

/// What applying a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    pub events: u64,
    /// Verdicts as known now that changed, as far as jobs came to their end.
    pub revised: u64,
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
        Self::open_store(SqliteStore::open(folder)?, operator, chunks, clock)
    }

    pub(crate) fn open_store(
        store: SqliteStore,
        operator: Operator,
        chunks: Arc<dyn Chunks>,
        clock: Clock,
    ) -> Result<(Self, QueryHandle), AssessError> {
        let index: Arc<dyn Index> = store.index();
        let assessor = Self::new(&operator, Box::new(store), chunks)?;
        let handle = QueryHandle::new(index, assessor.shared.clone(), clock);
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
        let resumed = store.to_do()?.into_iter().collect();
        let assessment = Assessment::new(operator.register_origin(), Parameters::default());
        let state = State {
            assessment,
            authors: Arc::default(),
            cases: Arc::new(Cases::new(operator.case_origin())),
            seals: Seals::default(),
            fed: None,
        };
        let shared = Shared::new(state.memory());
        Ok(Self {
            shared,
            state,
            store,
            chunks,
            watermark,
            jobs: VecDeque::new(),
            resumed,
            told: BTreeSet::new(),
        })
    }

    /// Last position that is in the index. What is given again up to here only fills the memory.
    pub fn watermark(&self) -> Option<u64> {
        self.watermark
    }

    /// Applies the next run of the journal. In the index when it returns; what old events it reaches
    /// may still have to be judged again ([`has_work`](Self::has_work)).
    pub fn apply(&mut self, run: Vec<Committed>) -> Result<Applied, AssessError> {
        let mut done = Applied::default();
        let mut chunk = Chunk { after: self.watermark, ..Chunk::default() };
        let mut op_count: usize = 0;
        for committed in run {
            let (position, at_s) = (committed.position, committed.at_s);
            if let Some(last) = self.state.fed.filter(|last| position <= *last) {
                return Err(AssessError::OutOfOrder { position, last });
            }
            let replayed = self.watermark.is_some_and(|watermark| position <= watermark);
            let ops = self.feed(committed, !replayed);
            self.take_jobs(&ops, replayed);
            if replayed {
                continue;
            }
            op_count = op_count.saturating_add(ops.len());
            chunk.steps.push(Step { position, at_s, ops });
            if op_count >= OPS_PER_CHUNK {
                done.events = done.events.saturating_add(self.write(&chunk)?);
                chunk = Chunk { after: self.watermark, ..Chunk::default() };
                op_count = 0;
            }
        }
        if chunk.steps.is_empty() {
            self.shared.show(self.state.memory());
        } else {
            done.events = done.events.saturating_add(self.write(&chunk)?);
        }
        done.revised = self.work(work::AT_ONCE)?;
        Ok(done)
    }

    fn feed(&mut self, committed: Committed, wanted: bool) -> Vec<crate::store::Op> {
        let Self { shared, state, chunks, .. } = self;
        let alone = changes_grounds(&committed.what).then(|| shared.withdraw());
        state.fed = Some(committed.position);
        let ops = translate::step(state, committed, chunks.as_ref(), wanted);
        if let Some(withdrawn) = alone {
            withdrawn.show(state.memory());
        }
        ops
    }

    /// Every row of the index, for comparison with a rebuilt one.
    pub fn dump(&self) -> Result<Vec<String>, AssessError> {
        Ok(self.store.dump()?)
    }

    /// Lets go of one partition whose archive is in the log and holds it whole; its name. Not while old events
    /// are judged again, which may be in it.
    pub fn retire(&mut self, archive: &Archive) -> Result<Option<String>, AssessError> {
        if self.has_work() {
            return Ok(None);
        }
        Ok(self.store.retire(archive, &|_| Ok(()))?)
    }

    #[cfg(test)]
    pub(crate) fn retire_until(
        &mut self,
        archive: &Archive,
        step: crate::store::archive::Step<'_>,
    ) -> Result<Option<String>, AssessError> {
        Ok(self.store.retire(archive, step)?)
    }

    fn write(&mut self, chunk: &Chunk) -> Result<u64, AssessError> {
        // Before the index: memory is never behind it.
        self.shared.show(self.state.memory());
        let added = self.store.apply(chunk)?;
        self.watermark = chunk.steps.last().map(|step| step.position).or(self.watermark);
        Ok(added)
    }
}

/// What agents send changes nothing that verdicts are judged by, but for the first snapshots of a node.
fn changes_grounds(what: &What) -> bool {
    match what {
        What::Batch { .. } | What::Published { .. } => false,
        What::Entry { index: _, entry } => !matches!(entry, Entry::AgentHead(_)),
        What::Statement { .. } | What::Decision { .. } => true,
    }
}
