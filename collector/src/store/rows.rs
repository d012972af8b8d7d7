//! The rows of the index as values: what is written, what is asked for, what is read back.

use evidence::AgentOrigin;
use register::{
    Selector, Target,
    assessment::Facts,
    duties::{Begun, SpanId},
    integrity::Contradiction,
    silence::{Heard, Silence},
};
use remit_proto::v1;
use tlog::Hash;

/// `<node>/<generation>/<leaf index>`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    pub node: String,
    /// 16 hex digits.
    pub generation: String,
    pub index: u64,
}

impl EventId {
    pub fn new(origin: &AgentOrigin, index: u64) -> Self {
        let (node, generation) = (origin.node.to_string(), origin.generation.to_string());
        Self { node, generation, index }
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.node, self.generation, self.index)
    }
}

/// A rule number has a meaning only within its generation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    pub node: String,
    pub generation: String,
    pub number: u64,
}

impl RuleId {
    pub fn new(origin: &AgentOrigin, number: u64) -> Self {
        let (node, generation) = (origin.node.to_string(), origin.generation.to_string());
        Self { node, generation, number }
    }
}

/// What an event is about; the number is the column `shape.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// What a rule did in a window.
    Activity = 1,
    /// It was installed or modified.
    Installed = 2,
    /// It was removed: judged like every rule change, and no finding.
    Removed = 3,
    /// A person recorded a deed, or its end.
    Deed = 4,
}

impl EventKind {
    pub(super) fn from_number(number: i64) -> Option<Self> {
        let all = [Self::Activity, Self::Installed, Self::Removed, Self::Deed];
        all.into_iter().find(|kind| *kind as i64 == number)
    }
}

#[derive(Debug, Clone)]
pub struct NewEvent {
    pub kind: EventKind,
    pub facts: Facts,
    /// 0 for a change of a rule.
    pub hits: u64,
    pub detail_reduced: bool,
    /// Of a deed, without its commitment.
    pub deed: Option<v1::ServiceAction>,
    pub then: v1::Verdict,
    pub now: v1::Verdict,
}

/// A rule as a change or a snapshot shows it.
#[derive(Debug, Clone)]
pub struct ShownRule {
    pub facts: Facts,
    pub native: String,
    /// When it was installed, if it was seen to be; a snapshot alone only shows that it stands.
    pub installed_at_s: Option<i64>,
    pub shown_at_s: i64,
}

#[derive(Debug, Clone)]
pub struct NewGap {
    pub origin: AgentOrigin,
    pub index: u64,
    pub gap: v1::Gap,
}

/// What somebody saw from outside.
#[derive(Debug, Clone)]
pub struct NewProbe {
    pub origin: AgentOrigin,
    pub index: u64,
    /// `None`: the opening is withheld or erased.
    pub target: Option<v1::Target>,
    pub probe: v1::Probe,
    /// Log index of the head that covers the leaf.
    pub covered_by: u64,
}

#[derive(Debug, Clone)]
pub struct NewHeard {
    pub origin: AgentOrigin,
    pub index: u64,
    pub heard: Heard,
    /// The silence that this seal ended.
    pub silence: Option<Silence>,
}

/// Growth of an account between two seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLoss {
    pub origin: AgentOrigin,
    pub index: u64,
    pub source: i32,
    pub from_s: i64,
    pub until_s: i64,
    pub lost: u64,
    /// By so many more, or fewer.
    pub unexplained: i64,
}

/// Where the index stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    pub watermark: Option<u64>,
    /// Time of the newest position.
    pub at_s: i64,
    pub log_size: u64,
    pub register_size: u64,
    /// Re-assessments that have not come to their end: some verdicts as known now are by a register
    /// before that size.
    pub unfinished: u64,
    /// That size: all events are judged by the register up to here.
    pub settled_register_size: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct GenerationRow {
    pub node: String,
    pub generation: String,
    /// Log index of its first `NodeKey`; the newest is the active one.
    pub enrolled_by: Option<u64>,
    pub enrolled_at_s: i64,
    pub received_size: u64,
    pub covered_size: u64,
    pub last_received_s: i64,
    pub window_s: u32,
    pub individual_actions: bool,
    /// What a power cut on the node may cost; 0: its records are on disk.
    pub loss_bound_s: u32,
    /// The newest that are covered.
    pub start: Option<v1::Start>,
    pub seal: Option<v1::Seal>,
    /// Of all generations of the node.
    pub forks: u64,
}

/// Heads of one generation that its history does not hold, as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFork {
    pub node: String,
    pub generation: String,
    /// [`v1::ForkKind`].
    pub kind: i32,
    pub count: u64,
    pub first_s: i64,
    pub last_s: i64,
}

/// Where the log stood at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownAt {
    /// When its newest entry was made.
    pub at_s: i64,
    pub log_size: u64,
}

/// A control snapshot and what the node had told of a rule before it do not agree.
#[derive(Debug, Clone, PartialEq)]
pub struct Contradicted {
    pub rule: RuleId,
    pub found: Contradiction,
    /// Of the snapshot, by the node.
    pub at_s: i64,
    /// In the form that the snapshot shows, or that the node had told of.
    pub form: v1::Rule,
    /// `None`: withheld or erased.
    pub target: Option<v1::Target>,
    /// It stands still.
    pub stands: bool,
}

#[derive(Debug, Clone, Default)]
pub struct RuleQuery {
    /// What was known below this size of the log, without hits: of each rule that was shown, how it stood
    /// last. `None`: all that is known.
    pub known_at: Option<u64>,
    pub installed_only: bool,
    pub nodes: Vec<String>,
    /// What a rule's own target, or of an event the one that was hit, must not be disjoint from.
    pub target: Option<Target>,
}

#[derive(Debug, Clone)]
pub struct StoredRule {
    pub id: RuleId,
    /// As last shown; its span is the instant of that.
    pub facts: Facts,
    pub native: String,
    /// 0: stood before the first snapshot.
    pub installed_at_s: i64,
    pub first_shown_s: i64,
    pub shown_at_s: i64,
    pub installed_now: bool,
    /// A change or a snapshot has shown it; else only its hits did.
    pub shown: bool,
    /// Surely its own.
    pub hits: u64,
    /// Its own or another rule's.
    pub shared_hits: u64,
    /// Of both.
    pub first_hit_s: i64,
    pub last_hit_s: i64,
}

/// A span of time in which a rule stood in one form.
#[derive(Debug, Clone)]
pub struct StoredStood {
    pub id: SpanId,
    pub node: String,
    pub number: u64,
    /// With its number.
    pub rule: v1::Rule,
    pub target: Option<v1::Target>,
    pub from_s: i64,
    pub begun: Begun,
    pub until_s: Option<i64>,
}

/// A source of a node listed all its rules, for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub node: String,
    pub source: i32,
    pub at_s: i64,
}

/// An agent of a node began anew, and had not listed all rules of a source until another instant; `None`: still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    pub node: String,
    pub source: i32,
    pub from_s: i64,
    pub until_s: Option<i64>,
}

/// A filter in the words of the index.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Events that were covered below this size of the log, and verdicts "as known now" by what was known
    /// there. `None`: all that is known.
    pub known_at: Option<u64>,
    /// Half-open, by last hit; 0: unbounded.
    pub since_s: i64,
    pub until_s: i64,
    pub nodes: Vec<String>,
    /// What a rule's own target, or of an event the one that was hit, must not be disjoint from.
    pub target: Option<Target>,
    pub techniques: Vec<i32>,
    /// Claimed, or speaking in the verdict as known now.
    pub requests: Vec<String>,
    /// Speaking in the verdict as known now; `None`: any.
    pub speaking: Option<Vec<String>>,
    /// Of the verdict as known now, or of what else fails in it; empty: any.
    pub codes: Vec<i32>,
    /// Also rules that were installed or modified.
    pub with_changes: bool,
}

/// Where a page of events ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventKey {
    pub last_s: i64,
    pub number: i64,
}

#[derive(Debug, Clone)]
pub struct StoredEvent {
    pub key: EventKey,
    pub facts: Facts,
    pub hits: u64,
    pub detail_reduced: bool,
    pub deed: Option<v1::ServiceAction>,
    pub then: v1::Verdict,
    pub now: v1::Verdict,
}

impl StoredEvent {
    pub fn id(&self) -> EventId {
        EventId::new(&self.facts.origin, self.facts.index)
    }
}

/// What is added to a verdict: of each [`v1::AddedFinding`] the bit of its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Added(pub i64);

impl Added {
    pub(crate) fn of(added: &[i32]) -> Self {
        let bit = |finding: &i32| u32::try_from(*finding).ok().and_then(|at| 1_i64.checked_shl(at));
        Self(added.iter().filter_map(bit).fold(0, |all, bit| all | bit))
    }

    pub(crate) fn holds(self, finding: v1::AddedFinding) -> bool {
        self.0 & Self::of(&[finding.into()]).0 != 0
    }
}

/// Events of one rule (activities, installations, deeds) with one verdict as known now, and the same added to it.
#[derive(Debug, Clone)]
pub struct Group {
    pub rule: RuleId,
    pub code: i32,
    pub added: Added,
    pub hits: u64,
    pub first_s: i64,
    pub last_s: i64,
    /// The newest of them.
    pub newest: StoredEvent,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StoredGap {
    pub node: String,
    pub gap: v1::Gap,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StoredProbe {
    pub id: EventId,
    pub target: Option<v1::Target>,
    /// Without the commitment.
    pub probe: v1::Probe,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LossSum {
    pub node: String,
    pub lost: u64,
    pub unexplained: u64,
}

/// Activities of one UTC day with one answer, by the time of their last hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaySum {
    /// Days since 1970-01-01.
    pub day: i64,
    pub technique: i32,
    pub code: i32,
    pub reason: i32,
    pub events: u64,
    pub hits: u64,
}

/// Judges events again, as far as a change can reach them.
#[derive(Debug, Clone)]
pub struct Job {
    /// Judge by what stands below this size of the log.
    pub log_size: u64,
    pub from_register: u64,
    pub to_register: u64,
    pub selectors: Vec<Selector>,
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub log_size: u64,
    pub from_register: u64,
    pub to_register: u64,
    pub examined: u64,
    pub revised: u64,
    /// Over `v1::Revision`s, in the order of the events.
    pub root: Hash,
}
