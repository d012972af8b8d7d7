//! What is durable beside the leaves: the messages inside the spool's records.
//!
//! A segment begins with a whole [`State`]; each batch record carries a [`StateChange`] with the
//! *absolute* new values of what changed, so that applying one twice changes nothing.

use std::collections::BTreeMap;

use remit_proto::v1;

use crate::observation::Deed;

/// First record of a segment: whose tree, from which leaf on, and everything known at that point.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SegmentHeader {
    /// 1 in this version.
    #[prost(uint32, tag = "1")]
    pub format: u32,
    #[prost(string, tag = "2")]
    pub origin: String,
    /// The how-manieth generation of this spool, from 1.
    #[prost(uint32, tag = "3")]
    pub ordinal: u32,
    /// Tree size before the segment's first batch.
    #[prost(uint64, tag = "4")]
    pub first_size: u64,
    /// The tree's edge at that size, largest subtree first; 32 bytes each.
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub peaks: Vec<Vec<u8>>,
    #[prost(message, required, tag = "6")]
    pub state: State,
}

/// A batch as the collector gets it, and what changed with it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BatchRecord {
    /// `remit.v1.Batch`
    #[prost(bytes = "vec", tag = "1")]
    pub batch: Vec<u8>,
    #[prost(message, required, tag = "2")]
    pub change: StateChange,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct State {
    /// 16 bytes: rule numbers of this generation derive from it.
    #[prost(bytes = "vec", tag = "1")]
    pub secret: Vec<u8>,
    #[prost(message, required, tag = "2")]
    pub small: SmallState,
    #[prost(message, repeated, tag = "3")]
    pub counters: Vec<CounterState>,
    #[prost(message, repeated, tag = "4")]
    pub sources: Vec<SourceState>,
    #[prost(message, repeated, tag = "5")]
    pub cursors: Vec<CursorState>,
    #[prost(message, repeated, tag = "6")]
    pub windows: Vec<WindowState>,
    #[prost(message, repeated, tag = "7")]
    pub deeds: Vec<DeedState>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct StateChange {
    #[prost(message, required, tag = "1")]
    pub small: SmallState,
    #[prost(message, repeated, tag = "2")]
    pub counters: Vec<CounterState>,
    #[prost(message, repeated, tag = "3")]
    pub sources: Vec<SourceState>,
    #[prost(message, repeated, tag = "4")]
    pub cursors: Vec<CursorState>,
    /// A window with 0 hits is closed.
    #[prost(message, repeated, tag = "5")]
    pub windows: Vec<WindowState>,
    /// One that is closed is forgotten.
    #[prost(message, repeated, tag = "6")]
    pub deeds: Vec<DeedState>,
}

/// Single values; stated whole each time.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SmallState {
    #[prost(int64, tag = "1")]
    pub at_s: i64,
    /// The last seal said that the agent stops.
    #[prost(bool, tag = "2")]
    pub stopped: bool,
    #[prost(uint64, tag = "3")]
    pub released_early: u64,
    #[prost(bytes = "vec", tag = "4")]
    pub boot_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    pub config_digest: Vec<u8>,
    /// Proven, and in no leaf yet: more than one batch has room for.
    #[prost(message, repeated, tag = "6")]
    pub gaps: Vec<v1::Gap>,
    /// Proven by readings that came before their rules.
    #[prost(message, repeated, tag = "7")]
    pub findings: Vec<FindingState>,
    /// Of all paths that ever were, in this generation.
    #[prost(message, repeated, tag = "8")]
    pub canaries: Vec<v1::CanaryAccount>,
}

/// What a reading proved; see `ledger::Finding`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FindingState {
    #[prost(enumeration = "v1::SourceKind", tag = "1")]
    pub source: i32,
    #[prost(string, tag = "2")]
    pub counter: String,
    #[prost(enumeration = "v1::LossCause", tag = "3")]
    pub cause: i32,
    #[prost(uint64, optional, tag = "4")]
    pub count: Option<u64>,
    #[prost(int64, tag = "5")]
    pub from_s: i64,
    #[prost(int64, tag = "6")]
    pub until_s: i64,
}

/// One separate counter; see `ledger`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CounterState {
    #[prost(int32, tag = "1")]
    pub source: i32,
    #[prost(string, tag = "2")]
    pub key: String,
    /// A blocking rule refers to it.
    #[prost(bool, tag = "3")]
    pub counted: bool,
    /// The newest reading.
    #[prost(uint64, tag = "4")]
    pub seen: u64,
    /// What the readings add up to in this generation.
    #[prost(sint64, tag = "5")]
    pub offered: i64,
    #[prost(uint64, tag = "6")]
    pub recorded: u64,
    #[prost(message, repeated, tag = "7")]
    pub lost: Vec<v1::Loss>,
    #[prost(uint64, tag = "8")]
    pub missing: u64,
    #[prost(uint64, tag = "9")]
    pub surplus: u64,
    /// No blocking rule refers to it at present: what it shows is not offered.
    #[prost(bool, tag = "10")]
    pub unused: bool,
    /// Not a counter any more; only in changes.
    #[prost(bool, tag = "11")]
    pub forgotten: bool,
    /// The machine began anew since it was read.
    #[prost(bool, tag = "12")]
    pub rebooted: bool,
    /// Counted by it, and no hits.
    #[prost(uint64, tag = "13")]
    pub canaries: u64,
}

/// What a source recorded and lost beside its counters.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SourceState {
    #[prost(int32, tag = "1")]
    pub source: i32,
    #[prost(uint64, tag = "2")]
    pub recorded: u64,
    /// Not assigned to a counter, and never will be.
    #[prost(message, repeated, tag = "3")]
    pub lost: Vec<v1::Loss>,
    /// A first reading was taken in this generation.
    #[prost(bool, tag = "4")]
    pub has_baseline: bool,
    /// Not yet assigned to a counter.
    #[prost(message, repeated, tag = "5")]
    pub lost_lately: Vec<v1::Loss>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CursorState {
    /// Bytes, because paths are.
    #[prost(bytes = "vec", tag = "1")]
    pub path: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub inode: u64,
    #[prost(uint64, tag = "3")]
    pub offset: u64,
    #[prost(uint32, tag = "4")]
    pub head_size: u32,
    #[prost(bytes = "vec", tag = "5")]
    pub head_digest: Vec<u8>,
}

/// A window that is not closed yet, with all that its leaf needs: the rule may be gone by then.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WindowState {
    /// Not reused while the agent runs.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Encoded `Rule`.
    #[prost(bytes = "vec", tag = "2")]
    pub rule: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pub response: Option<v1::Response>,
    #[prost(message, optional, tag = "4")]
    pub rule_target: Option<v1::Target>,
    #[prost(message, optional, tag = "5")]
    pub hit_target: Option<v1::Target>,
    #[prost(uint64, tag = "6")]
    pub hits: u64,
    #[prost(int64, tag = "7")]
    pub start_s: i64,
    #[prost(uint32, tag = "8")]
    pub length_s: u32,
    #[prost(int64, tag = "9")]
    pub first_s: i64,
    #[prost(int64, tag = "10")]
    pub last_s: i64,
    #[prost(bool, tag = "11")]
    pub detail_reduced: bool,
    #[prost(uint64, repeated, tag = "12")]
    pub other_candidates: Vec<u64>,
    #[prost(message, optional, tag = "13")]
    pub imported: Option<v1::ImportProvenance>,
}

/// A deed that a person recorded, as it was said last; see `recorder::deeds`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeedState {
    /// Without the commitment.
    #[prost(message, required, tag = "1")]
    pub said: v1::ServiceAction,
    #[prost(message, required, tag = "2")]
    pub target: v1::Target,
}

impl DeedState {
    pub fn of(deed: &Deed) -> Self {
        let Deed { said, target } = deed.clone();
        Self { said, target }
    }

    pub fn deed(self) -> Deed {
        let Self { said, target } = self;
        Deed { said, target }
    }

    /// Ended, and confirmed since: nothing more will be said of it.
    pub fn is_closed(&self) -> bool {
        self.said.until_s != 0 && self.said.confirmed_by.is_some()
    }
}

/// State while it is being recovered: the header's, changed by each record.
#[derive(Debug, Default)]
pub(super) struct Folded {
    secret: Vec<u8>,
    small: SmallState,
    counters: BTreeMap<(i32, String), CounterState>,
    sources: BTreeMap<i32, SourceState>,
    cursors: BTreeMap<Vec<u8>, CursorState>,
    windows: BTreeMap<u64, WindowState>,
    deeds: BTreeMap<u64, DeedState>,
}

impl Folded {
    pub(super) fn new(state: State) -> Self {
        let State { secret, small, counters, sources, cursors, windows, deeds } = state;
        let mut folded = Self { secret, ..Self::default() };
        folded.apply(StateChange { small, counters, sources, cursors, windows, deeds });
        folded
    }

    pub(super) fn apply(&mut self, change: StateChange) {
        let StateChange { small, counters, sources, cursors, windows, deeds } = change;
        self.small = small;
        for counter in counters {
            let name = (counter.source, counter.key.clone());
            if counter.forgotten {
                self.counters.remove(&name);
            } else {
                self.counters.insert(name, counter);
            }
        }
        self.sources.extend(sources.into_iter().map(|source| (source.source, source)));
        self.cursors.extend(cursors.into_iter().map(|cursor| (cursor.path.clone(), cursor)));
        for window in windows {
            if window.hits == 0 {
                self.windows.remove(&window.id);
            } else {
                self.windows.insert(window.id, window);
            }
        }
        for deed in deeds {
            if deed.is_closed() {
                self.deeds.remove(&deed.said.number);
            } else {
                self.deeds.insert(deed.said.number, deed);
            }
        }
    }

    pub(super) fn finish(self) -> State {
        State {
            secret: self.secret,
            small: self.small,
            counters: self.counters.into_values().collect(),
            sources: self.sources.into_values().collect(),
            cursors: self.cursors.into_values().collect(),
            windows: self.windows.into_values().collect(),
            deeds: self.deeds.into_values().collect(),
        }
    }
}
