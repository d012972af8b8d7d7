//! The index: everything that `query` answers from, derived and replaceable.
//!
//! In: [`Chunk`]s of [`Op`]s from `assess`, each tied to positions of the journal. Out: typed reads
//! ([`Reading`]) of one consistent state. Behind two traits, so that another back end can stand in.
//!
//! Promised:
//! - A chunk is applied whole, in one transaction, or not at all; and only if it begins where the
//!   index ends ([`StoreError::NotAtWatermark`] otherwise). Applying the same stream again, in
//!   whatever portions, gives the same rows: `dump` of both compares equal, and a test does.
//! - A verdict is never overwritten. `verdict` is a history by event: *as known then* once, *as known
//!   now* again each time it changed.
//! - Nothing lives only here. The file may be deleted; `assess::rebuild` makes it anew.
//!
//! On disk: `index.db`, SQLite, WAL. `synchronous=NORMAL`: agents are acknowledged by the journal, so
//! a power cut may cost the newest transactions of the index, and they are projected again
//! (`reference`: "lost tail is re-projected"). Its schema number is in `projection.schema`; a file of
//! another number is refused with the remedy, which is to rebuild.
//!
//! Not done here: verdicts (`assess` passes a judge), requests (the register lives in memory), day
//! partitions, ageing out.

mod columns;
mod conditions;
mod dictionary;
mod dump;
mod read;
mod rows;
mod schema;
mod sqlite;
mod write;
mod write_events;
mod write_rules;

use register::{
    assessment::Facts,
    silence::{Heard, Silence},
};
use remit_proto::v1;

pub use rows::{
    EventId, EventKey, EventKind, EventQuery, GenerationRow, Group, LossSum, NewEvent, NewGap,
    NewHeard, NewLoss, NewProbe, Position, RuleId, RuleQuery, ShownRule, StoredEvent, StoredGap,
    StoredProbe, StoredRule, TargetNumber,
};
pub use schema::SCHEMA;
pub use sqlite::SqliteStore;

use evidence::{AgentOrigin, NodeId};

/// What `assess` has to say about a run of the journal.
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    /// The position before the first that is in here: what the watermark must be.
    pub after: Option<u64>,
    /// The last position that is in here.
    pub to: u64,
    /// Time of the newest of them.
    pub at_s: i64,
    /// In the order of the journal.
    pub ops: Vec<Op>,
}

/// One change of the index.
#[derive(Debug, Clone)]
pub enum Op {
    /// A generation was enrolled by this log entry.
    Enrolled {
        origin: AgentOrigin,
        log_index: u64,
        at_s: i64,
    },
    /// An agent's tree is now this long here.
    Received {
        origin: AgentOrigin,
        size: u64,
        at_s: i64,
    },
    /// A logged head covers it up to this size.
    Covered {
        origin: AgentOrigin,
        size: u64,
    },
    Genesis {
        origin: AgentOrigin,
        window_s: u32,
        individual_actions: bool,
        /// 0: its records are on disk.
        loss_bound_s: u32,
    },
    Start {
        origin: AgentOrigin,
        start: Box<v1::Start>,
    },
    Seal {
        origin: AgentOrigin,
        seal: Box<v1::Seal>,
    },
    Loss(NewLoss),
    Gap(Box<NewGap>),
    /// A seal said when the next one is due; it may have ended a silence.
    Heard(Box<NewHeard>),
    Fork {
        node: String,
    },
    /// Somebody saw a target from outside.
    Probe(Box<NewProbe>),
    Event(Box<NewEvent>),
    /// The rule is installed, by a change or by a snapshot.
    RuleShown(Box<ShownRule>),
    RuleRemoved {
        rule: RuleId,
        at_s: i64,
    },
    /// All rules of one source. Those of the source that are not listed are gone, unless the
    /// snapshot says that the ruleset did not hold still.
    Snapshot {
        origin: AgentOrigin,
        source: v1::SourceKind,
        at_s: i64,
        rules: Vec<ShownRule>,
        unstable: bool,
    },
    LogSize(u64),
    RegisterSize(u64),
    /// Judge again, by what stands below this size of the log: all events, or those of one node.
    Rejudge {
        log_size: u64,
        node: Option<String>,
    },
}

/// The verdict as known at a size of the log; the last argument is the time of the node's last seal.
pub type Judge<'a> = dyn Fn(&Facts, u64, i64) -> v1::Verdict + 'a;

/// The writing side; one owner, one thread.
pub trait Store: Send {
    /// Last position of the journal that was applied.
    fn watermark(&self) -> Result<Option<u64>, StoreError>;
    fn apply(&mut self, chunk: &Chunk, judge: &Judge<'_>) -> Result<Applied, StoreError>;
    /// Every table in a stable order, a line per row.
    fn dump(&self) -> Result<Vec<String>, StoreError>;
}

/// The reading side; any number of threads.
pub trait Index: Send + Sync {
    /// One consistent state; later writes do not show in it.
    fn read(&self) -> Result<Box<dyn Reading>, StoreError>;
}

/// Typed reads of one consistent state.
pub trait Reading {
    fn position(&self) -> Result<Position, StoreError>;
    /// By node, oldest generation first.
    fn generations(&self) -> Result<Vec<GenerationRow>, StoreError>;
    /// Numbers of the targets that a question is about.
    fn targets(
        &self,
        wanted: &dyn Fn(&v1::Target) -> bool,
    ) -> Result<Vec<TargetNumber>, StoreError>;
    /// By node, generation, number.
    fn rules(&self, query: &RuleQuery) -> Result<Vec<StoredRule>, StoreError>;
    /// Newest hit first.
    fn events(
        &self,
        query: &EventQuery,
        after: Option<&EventKey>,
        count_max: usize,
    ) -> Result<Vec<StoredEvent>, StoreError>;
    /// Every event and rule change, in the order of the journal.
    fn for_each_event(&self, tell: &mut dyn FnMut(StoredEvent)) -> Result<(), StoreError>;
    /// Events gathered by rule and verdict as known now.
    fn groups(&self, query: &EventQuery) -> Result<Vec<Group>, StoreError>;
    /// All verdicts of one event in the order in which they were added; true: as known then.
    fn verdicts(&self, event: &EventId) -> Result<Vec<(bool, v1::Verdict)>, StoreError>;
    /// Of the gaps that overlap `[since_s, until_s)`, the longest; 0: unbounded. And how many there
    /// are. No nodes: all.
    fn gaps(
        &self,
        since_s: i64,
        until_s: i64,
        nodes: &[String],
    ) -> Result<(Vec<StoredGap>, u64), StoreError>;
    /// The same of silences that have ended.
    fn silences(
        &self,
        since_s: i64,
        until_s: i64,
        nodes: &[String],
    ) -> Result<(Vec<Silence>, u64), StoreError>;
    /// What was seen from outside of these targets, or of any, newest first.
    fn probes(
        &self,
        targets: Option<&[TargetNumber]>,
        count_max: usize,
    ) -> Result<Vec<StoredProbe>, StoreError>;
    /// What the newest seal of each node said of the next one.
    fn heard(&self) -> Result<Vec<(NodeId, Heard)>, StoreError>;
    /// Losses and unexplained hits by node that overlap `[since_s, until_s)`; 0: unbounded.
    fn losses(&self, since_s: i64, until_s: i64) -> Result<Vec<LossSum>, StoreError>;
}

/// What applying a chunk did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    pub events: u64,
    /// Verdicts as known now that changed.
    pub revised: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The caller's mistake: nothing was changed.
    #[error("the chunk continues position {after:?} and the index ends at {watermark:?}")]
    NotAtWatermark { after: Option<u64>, watermark: Option<u64> },
    /// The file is of another version. Remedy: delete it and rebuild.
    #[error("the index has schema {found} and this program wants {SCHEMA}: rebuild it")]
    Schema { found: i64 },
    /// Our own state is in doubt. Remedy: rebuild.
    #[error("a row of the index does not read back: {what}")]
    Damaged { what: &'static str },
    #[error("the index file")]
    Sqlite(#[from] rusqlite::Error),
}
