//! The index: everything that `query` answers from, derived and replaceable.
//!
//! In: [`Chunk`]s of [`Op`]s from `assess`, each tied to a position of the journal; and [`Job`]s, which
//! judge old events again. Out: typed reads ([`Reading`]) of one consistent state. Behind two traits, so
//! that another back end can stand in.
//!
//! Promised:
//! - A step (all that one position says) is applied whole, once, or not at all; and only if it follows
//!   where the index ends ([`StoreError::NotAtWatermark`] otherwise). Applying the same stream again,
//!   in whatever portions, gives the same content: `dump` of both compares equal, and a test does.
//! - A verdict is never overwritten. *As known then* is written once, *as known now* when the event
//!   comes; each change of it stays, with the size of the log that brought it.
//! - Nothing lives only here. The folder may be deleted; `assess::rebuild` makes it anew.
//! - Questions go on while anything is written, and hold nobody up.
//!
//! On disk, in `index/`:
//!
//! | file | holds | `synchronous` |
//! |---|---|---|
//! | `catalog.db` | watermark, partitions, jobs, and what is state and not history | NORMAL |
//! | `parts/<day>[-<n>].db` | the events that came in on a day ([`part`]) with dictionaries, sums, changes | FULL |
//! | `parts/<day>[-<n>].side.db` | the same without the events, which are in an [`archive`] | FULL |
//!
//! SQLite, WAL. The order of a commit is: the open partition, then the catalog, and nobody begins to
//! read between the two. Crash between them: the partition is ahead, the same steps are told again, and
//! each file skips what it has (a partition is never behind, because it is synced first). The journal
//! answers agents, so what a power cut takes of the catalog is projected again. The schema number is in
//! every file; one of another number is refused with the remedy, which is to rebuild.
//!
//! A partition ends when the day does or at [`part::EVENTS_MAX`] events, is sealed and gets its indexes.
//!
//! Not done here: verdicts (`assess` passes a judge), requests (the register lives in memory).

pub mod archive;
mod columns;
mod conditions;
mod counts;
mod dictionary;
mod dump;
mod hits;
mod jobs;
mod part;
mod read;
mod readers;
mod rows;
mod schema;
mod settings;
mod sqlite;
mod write;
mod write_rules;

use std::collections::HashMap;

use parquet::errors::ParquetError;
use register::{
    Target,
    assessment::Facts,
    silence::{Heard, Silence},
};
use remit_proto::v1;

pub use archive::{Archive, Exported, Hold};
pub use rows::{
    Added, Contradicted, DaySum, EventId, EventKey, EventKind, EventQuery, Finished, GenerationRow,
    Group, Job, KnownAt, Look, LossSum, NewEvent, NewGap, NewHeard, NewLoss, NewProbe, Position,
    RuleId, RuleQuery, ShownRule, StoredEvent, StoredFork, StoredGap, StoredProbe, StoredRule,
    StoredStood, Unread,
};
pub use schema::SCHEMA;
pub(crate) use sqlite::FOLDER;
pub use sqlite::{Limits, SqliteStore};

use evidence::{AgentOrigin, NodeId};

/// Folder of the partitions, within that of the index.
const PARTS: &str = "parts";

/// What `assess` has to say about a run of the journal.
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    /// The position before the first that is in here: what the watermark must be.
    pub after: Option<u64>,
    /// In the order of the journal.
    pub steps: Vec<Step>,
}

/// What one position of the journal says.
#[derive(Debug, Clone)]
pub struct Step {
    pub position: u64,
    pub at_s: i64,
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
    /// A head that the history of a generation does not hold was kept as evidence.
    Fork {
        origin: AgentOrigin,
        kind: i32,
        at_s: i64,
    },
    /// Somebody saw a target from outside.
    Probe(Box<NewProbe>),
    Event(Box<NewEvent>),
    /// The rule is installed, by a change or by a snapshot.
    RuleShown(Box<ShownRule>),
    /// A person told its end, in whatever generation the deed was told of.
    DeedEnded {
        rule: RuleId,
        at_s: i64,
        covered_by: u64,
    },
    RuleRemoved {
        rule: RuleId,
        at_s: i64,
        /// Log index of the head that covers the leaf.
        covered_by: u64,
    },
    /// All rules of one source. Those of the source that are not listed are gone, unless the
    /// snapshot says that the ruleset did not hold still.
    Snapshot {
        origin: AgentOrigin,
        source: v1::SourceKind,
        at_s: i64,
        rules: Vec<ShownRule>,
        unstable: bool,
        /// It stands for no changes: what it does not agree with is a contradiction.
        control: bool,
        /// As above.
        covered_by: u64,
    },
    /// Its rules are not held. It may have stood for any changes: the next one contradicts nothing.
    SnapshotMissed {
        origin: AgentOrigin,
        source: v1::SourceKind,
    },
    LogSize(u64),
    RegisterSize(u64),
    /// Events before this may have to be judged again ([`Store::reassess`]).
    Reassess(Job),
    /// The log says that a partition is archived.
    ArchiveLogged {
        partition: String,
        /// SHA-256 of the manifest.
        manifest: Vec<u8>,
    },
    /// The log holds the end of the job of this size.
    ReassessmentLogged {
        log_size: u64,
    },
}

/// The verdict as known now.
pub type JudgeNow<'a> = dyn Fn(&Facts) -> v1::Verdict + 'a;

/// The writing side; one owner, one thread. After an error it is spent: open again and replay.
pub trait Store: Send {
    /// Last position of the journal that was applied.
    fn watermark(&self) -> Result<Option<u64>, StoreError>;
    /// How many events were added.
    fn apply(&mut self, chunk: &Chunk) -> Result<u64, StoreError>;
    /// Sizes of the log whose jobs have not come to their end, in order: that in which they are done.
    fn to_do(&self) -> Result<Vec<u64>, StoreError>;
    /// Goes on with the first of them and judges about `events_max` events. `Some`: it has come to
    /// its end.
    fn reassess(
        &mut self,
        job: &Job,
        judge: &JudgeNow<'_>,
        events_max: u64,
    ) -> Result<Option<Finished>, StoreError>;
    /// Jobs that changed something, and whose end the log does not hold.
    fn to_log(&self) -> Result<Vec<Finished>, StoreError>;
    /// Lets go of one partition whose archive is logged and holds it whole; its name.
    fn retire(
        &mut self,
        archive: &Archive,
        step: archive::Step<'_>,
    ) -> Result<Option<String>, StoreError>;
    /// All content in a stable order, a line for each row.
    fn dump(&self) -> Result<Vec<String>, StoreError>;
}

/// The reading side; any number of threads.
pub trait Index: Send + Sync {
    /// One consistent state; later steps of the stream do not show in it. Of a job that is under way,
    /// what it has done may show ([`Position::unfinished`]).
    fn read(&self) -> Result<Box<dyn Reading>, StoreError>;
}

/// A time in which a rule stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spell {
    /// `None`: nobody saw it begin; it was found later.
    pub from_s: Option<i64>,
    /// `None`: to this day.
    pub until_s: Option<i64>,
}

/// Typed reads of one consistent state.
pub trait Reading {
    fn position(&self) -> Result<Position, StoreError>;
    /// Where the log stood at a time; `None`: there was no entry yet.
    fn known_at(&self, at_s: i64) -> Result<Option<KnownAt>, StoreError>;
    /// Time of the first entry; `None`: there is none.
    fn first_known_s(&self) -> Result<Option<i64>, StoreError>;
    /// Of what stands below a size of the log: re-assessments that have not come to their end, and the
    /// size of the register before them.
    fn unfinished_at(&self, log_size: u64) -> Result<(u64, Option<u64>), StoreError>;
    /// By node, oldest generation first.
    fn generations(&self) -> Result<Vec<GenerationRow>, StoreError>;
    /// By node, generation and kind.
    fn forks(&self) -> Result<Vec<StoredFork>, StoreError>;
    /// By node, generation, number.
    fn rules(&self, query: &RuleQuery) -> Result<Vec<StoredRule>, StoreError>;
    /// When rules stood, by what entries `since ..` of the log told of them; a span of which a later entry
    /// tells that it ended is one that has not. In the order in which they were told of.
    fn stood(&self, since: u64, known_at: Option<u64>) -> Result<Vec<StoredStood>, StoreError>;
    /// When each source of each node listed all its rules first.
    fn looks(&self) -> Result<Vec<Look>, StoreError>;
    /// When agents that began anew had not listed all rules of a source that the node had told of.
    fn unread(&self) -> Result<Vec<Unread>, StoreError>;
    /// Rules of which a control snapshot contradicts what the node had told, in their order and that of time.
    fn contradicted(&self) -> Result<Vec<Contradicted>, StoreError>;
    /// When one rule stood, as far as the log tells. Oldest first.
    fn stood_of(&self, rule: &RuleId, known_at: Option<u64>) -> Result<Vec<Spell>, StoreError>;
    /// Newest hit first.
    fn events(
        &self,
        query: &EventQuery,
        after: Option<&EventKey>,
        count_max: usize,
    ) -> Result<Vec<StoredEvent>, StoreError>;
    /// Every event and rule change, in the order of the journal.
    fn for_each_event(&self, tell: &mut dyn FnMut(StoredEvent)) -> Result<(), StoreError>;
    /// Events that may be findings (not plainly authorised, or something is added), activities,
    /// installations and deeds, gathered by rule and verdict as known now.
    fn groups(&self, query: &EventQuery) -> Result<Vec<Group>, StoreError>;
    /// What hit each of these rules, where it was recorded: of each at most so many targets, once each. Without
    /// the days that are in archives.
    fn hit_names(
        &self,
        rules: &[RuleId],
        count_max: usize,
    ) -> Result<HashMap<RuleId, Vec<v1::Target>>, StoreError>;
    /// Activities by day and answer, of the days `since .. until`; read from sums alone.
    fn days(&self, since: i64, until: i64) -> Result<Vec<DaySum>, StoreError>;
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
    /// Those that leaves of a tree ended from this one on, for whoever reckons with all and does not list them.
    fn silences_from(
        &self,
        node: &str,
        generation: &str,
        leaf: u64,
    ) -> Result<Vec<Silence>, StoreError>;
    /// Those that had begun at a time and had not ended, in no order; none is left out.
    fn silences_at(&self, at_s: i64) -> Result<Vec<Silence>, StoreError>;
    /// What was seen from outside of what touches a target, or of any, newest first; `known_at`: below a
    /// size of the log.
    fn probes(
        &self,
        target: Option<&Target>,
        known_at: Option<u64>,
        count_max: usize,
    ) -> Result<Vec<StoredProbe>, StoreError>;
    /// What the newest seal of each node said of the next one.
    fn heard(&self) -> Result<Vec<(NodeId, Heard)>, StoreError>;
    /// Losses and unexplained hits by node that overlap `[since_s, until_s)`; 0: unbounded.
    fn losses(&self, since_s: i64, until_s: i64) -> Result<Vec<LossSum>, StoreError>;
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The caller's mistake: nothing was changed.
    #[error("the chunk continues position {after:?} and the index ends at {watermark:?}")]
    NotAtWatermark { after: Option<u64>, watermark: Option<u64> },
    /// The files are of another version. Remedy: rebuild.
    #[error("the index has schema {found} and this program wants {SCHEMA}: rebuild it")]
    Schema { found: i64 },
    /// Our own state is in doubt. Remedy: rebuild.
    #[error("a row of the index does not read back: {what}")]
    Damaged { what: &'static str },
    #[error("partition {part} holds as many events as can be numbered")]
    Full { part: i64 },
    #[error("an archived day")]
    Archive(#[from] ParquetError),
    #[error("a file of the index")]
    Sqlite(#[from] rusqlite::Error),
    #[error("a folder of the index")]
    Io(#[from] std::io::Error),
}

impl StoreError {
    /// The operating system could not read or write at this moment; what the files hold is not in doubt by it.
    fn is_input_output(&self) -> bool {
        match self {
            Self::Io(_) => true,
            // What a decoder calls an I/O error has no number of the system.
            Self::Archive(ParquetError::External(source)) => source
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.raw_os_error().is_some()),
            Self::Archive(_)
            | Self::NotAtWatermark { .. }
            | Self::Schema { .. }
            | Self::Damaged { .. }
            | Self::Full { .. }
            | Self::Sqlite(_) => false,
        }
    }
}
