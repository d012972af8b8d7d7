//! Closing batches, in the order of the durable steps, and what happens without room.

use evidence::{
    ENTRY_SIZE_MAX, Leaf,
    batch::{LEAVES_MAX, LEAVES_SIZE_MAX},
    builder::{Builder, Closed},
    chunk::{CHUNKS_MAX, SetBuilder},
    leaf,
};
use remit_proto::v1::{self, SourceKind, leaf::Body};
use tlog::Hash;

use super::{
    Recorder, RecorderError,
    leaves::{self, Made, Opening},
};
use crate::{
    clock::in_range,
    metrics::Metric,
    observation::Cursor,
    sources::raw_log,
    spool::{
        AppendError, SpoolTree,
        state::{CursorState, SmallState, State, StateChange},
    },
};

/// Leaves that wait for their batch to close.
#[derive(Debug, Default)]
pub(super) struct OpenBatch {
    pub(super) builder: Builder,
    /// Which leaf names which chunks.
    named: Vec<(u64, Vec<Hash>)>,
    /// When its first leaf came; also set by what is written only at the close.
    pub(super) opened_ms: Option<i64>,
}

/// A closed batch that found no room.
#[derive(Debug)]
pub(super) struct Stuck {
    batch: Closed,
    change: StateChange,
    size: u64,
    named: Vec<(u64, Vec<Hash>)>,
}

impl Recorder {
    pub(super) fn open_batch(&mut self) {
        if self.batch.opened_ms.is_none() {
            self.batch.opened_ms = Some(self.clock.monotonic_ms());
        }
    }

    pub(super) fn open_batch_for_gaps(&mut self) {
        if !self.gaps.is_empty() {
            self.open_batch();
        }
    }

    /// Closes the batch unless what comes next fits into it as a whole: the leaves of one report, and
    /// the position up to which it was read, become durable together.
    pub(super) fn make_room(&mut self) -> Result<(), RecorderError> {
        let batch = &self.batch.builder;
        let tight = batch.count() > LEAVES_MAX - GAP_LEAVES - REPORT_LEAVES
            || batch.leaves_size() > LEAVES_SIZE_MAX / 2
            || batch.openings_size() > OPENINGS_SIZE_MAX / 2;
        if tight && self.stuck.is_none() { self.close_batch(false) } else { Ok(()) }
    }

    /// Makes what is known now durable at once.
    pub(super) fn close_now(&mut self) -> Result<(), RecorderError> {
        // A batch that waits for room carries the state of its own time; this comes after it.
        if self.stuck.is_none() { self.close_batch(false) } else { Ok(()) }
    }

    /// Closes the batch unless another leaf with its openings fits into it.
    fn make_room_for(&mut self, leaf_size: usize, openings: usize) -> Result<(), RecorderError> {
        let batch = &self.batch.builder;
        let full = batch.count() + 1 >= LEAVES_MAX - GAP_LEAVES
            || batch.leaves_size() + leaf_size > LEAVES_SIZE_MAX - CLOSING_SIZE
            || batch.openings_size() + openings > OPENINGS_SIZE_MAX;
        if full && self.stuck.is_none() { self.close_batch(false) } else { Ok(()) }
    }

    /// The same for an `Activity`, whose size is known only when it is made.
    pub(super) fn make_room_for_activity(&mut self) -> Result<(), RecorderError> {
        self.make_room_for(ENTRY_SIZE_MAX, 2 * (leaves::TARGET_SIZE_MAX + OPENING_SIZE))
    }

    /// Gives a leaf the next index. If the batch before finds no room the leaf waits for the next
    /// one; who has more to push looks at `stuck` in between, so that what waits is bounded.
    /// Returns false if the leaf is none: collectors would refuse it, and with it all that follows.
    pub(super) fn push(&mut self, made: Made) -> Result<bool, RecorderError> {
        let Made { leaf, openings } = made;
        if !is_well_formed(&leaf) {
            return Ok(false);
        }
        let openings_size = openings.iter().map(|o| o.value.len() + OPENING_SIZE).sum();
        self.make_room_for(leaf.len(), openings_size)?;
        self.open_batch();
        let index = self.next_index();
        for Opening { field, salt, value } in openings {
            self.batch.builder.open(index, field, &salt, &value);
        }
        self.batch.builder.push(&leaf);
        Ok(true)
    }

    pub(super) fn next_index(&self) -> u64 {
        self.tree.edge.size() + self.batch.builder.count() as u64
    }

    /// Closes the batch: gaps, seal, signature, one append.
    pub(super) fn close_batch(&mut self, stopping: bool) -> Result<(), RecorderError> {
        // What is released for it is counted in its own seal and state. If that is not enough, the
        // append says so.
        let batch = &self.batch.builder;
        let size = batch.leaves_size() + batch.openings_size() + RECORD_SLACK;
        self.spool.make_room(size as u64);
        for _ in 0..GAP_LEAVES {
            let Some(gap) = self.gaps.take() else { break };
            let gap = leaf::encode(Body::Gap(gap));
            if is_well_formed(&gap) {
                self.batch.builder.push(&gap);
            }
        }
        let seal = self.seal(stopping);
        self.batch.builder.push(&leaf::encode(Body::Seal(seal)));
        let change = self.state_change(stopping);
        let OpenBatch { builder, named, opened_ms } = &mut self.batch;
        let count = builder.count();
        let SpoolTree { origin, ordinal: _, edge } = &mut self.tree;
        let batch = builder.close(edge, &self.signer, origin).map_err(RecorderError::Sign)?;
        let named = std::mem::take(named);
        *opened_ms = None;
        self.last_seal_ms = self.clock.monotonic_ms();
        // Further gaps wait for the next batch.
        self.open_batch_for_gaps();
        self.land(Stuck { batch, change, size: self.tree.edge.size(), named })?;
        tracing::debug!(leaves = count, size = self.tree.edge.size(), "batch closed");
        Ok(())
    }

    /// Offers a closed batch to the spool.
    fn land(&mut self, stuck: Stuck) -> Result<(), RecorderError> {
        match self.spool.append(&stuck.batch, &stuck.change, stuck.size, &stuck.named) {
            Ok(()) => {
                self.landed(stuck);
                self.next_segment()
            }
            Err(AppendError::Full) => {
                tracing::error!("the spool has no room: what comes now is counted as lost");
                Metric::SpoolFull.add(1);
                self.stuck = Some(stuck);
                Ok(())
            }
            Err(AppendError::Fatal(source)) => Err(RecorderError::Spool(source)),
        }
    }

    fn landed(&mut self, stuck: Stuck) {
        Metric::Batches.add(1);
        self.batch.builder.recycle(stuck.batch);
    }

    /// Begins a new segment where one is due. The batch before it is durable, and nothing has
    /// changed since, so the header's whole state is that of this very point.
    fn next_segment(&mut self) -> Result<(), RecorderError> {
        if !self.spool.wants_segment() {
            return Ok(());
        }
        let state = self.state();
        match self.spool.begin_segment(&self.tree, state) {
            // The old segment grows a little beyond its size instead.
            Ok(()) | Err(AppendError::Full) => Ok(()),
            Err(AppendError::Fatal(source)) => Err(RecorderError::Spool(source)),
        }
    }

    /// Offers the batch that found no room again. When it lands, gaps and snapshots come first.
    pub(super) fn retry(&mut self) -> Result<(), RecorderError> {
        let Some(stuck) = self.stuck.take() else { return Ok(()) };
        match self.spool.append(&stuck.batch, &stuck.change, stuck.size, &stuck.named) {
            Ok(()) => self.landed(stuck),
            Err(AppendError::Full) => {
                self.stuck = Some(stuck);
                return Ok(());
            }
            Err(AppendError::Fatal(source)) => return Err(RecorderError::Spool(source)),
        }
        tracing::warn!("the spool has room again");
        self.close_batch(false)
    }

    /// Lists the rules of sources whose changes were told one by one for long enough.
    pub(super) fn controls_due(&mut self, now_ms: i64) -> Result<(), RecorderError> {
        let interval_ms = i64::from(self.config.control_interval_s) * 1000;
        if interval_ms == 0 {
            return Ok(());
        }
        let due = self.rules.values().filter(|known| known.control_due(now_ms, interval_ms));
        let due: Vec<SourceKind> = due.map(|known| known.newest.source).collect();
        for source in due {
            if self.stuck.is_none() {
                self.snapshot_as(source, true)?;
            }
        }
        Ok(())
    }

    /// Writes the snapshots that were due and found no room.
    pub(super) fn snapshots_due(&mut self, now_ms: i64) -> Result<(), RecorderError> {
        let known = self.rules.values().filter(|known| known.snapshot_due(now_ms));
        let sources: Vec<SourceKind> = known.map(|known| known.newest.source).collect();
        for source in sources {
            if self.stuck.is_none() {
                self.snapshot(source)?;
            }
        }
        Ok(())
    }

    /// Writes all rules of a source in place of changes.
    pub(super) fn snapshot(&mut self, source: SourceKind) -> Result<(), RecorderError> {
        self.snapshot_as(source, false)
    }

    /// Chunks first, then the leaf that names them. One that finds no room stands for changes later.
    fn snapshot_as(&mut self, source: SourceKind, control: bool) -> Result<(), RecorderError> {
        let known = self.rules.get_mut(&source.into()).filter(|known| !known.deeds_alone);
        let Some(known) = known else { return Ok(()) };
        known.needs_snapshot = true;
        let (state, without_claim) = (known.newest.clone(), known.without_claim());
        let now_s = self.clock.now_s();
        let mut set = SetBuilder::new();
        let mut stored = Vec::new();
        let mut unstable = state.unstable;
        for rule in known.sorted() {
            let item = leaves::snapshot_item(&rule, source);
            if let Some(chunk) = set.push(self.maker.salts.next()?, item) {
                if !self.store_chunk(&chunk, &mut stored)? {
                    self.put_off_snapshot(source);
                    return Ok(());
                }
                if stored.len() + 1 >= CHUNKS_MAX {
                    tracing::error!("more rules than one snapshot can hold: it is incomplete");
                    unstable = true;
                    break;
                }
            }
        }
        let (rules, last) = set.finish();
        if let Some(chunk) = last
            && !self.store_chunk(&chunk, &mut stored)?
        {
            self.put_off_snapshot(source);
            return Ok(());
        }
        let without_claim = without_claim.min(rules.count);
        let leaf = leaf::encode(Body::RuleSnapshot(v1::RuleSnapshot {
            source: source.into(),
            // One for control says how things stand now, as far as the source has told.
            at_s: in_range(if control { now_s.max(state.at_s) } else { state.at_s }),
            source_generation: state.generation,
            rules: Some(rules),
            without_claim,
            unstable,
            // More than it holds: what is left out contradicts nothing.
            control: control && !unstable,
        }));
        if !self.push(Made::of(leaf))? {
            self.spool.discard_chunks(&stored);
            self.put_off_snapshot(source);
            return Ok(());
        }
        let index = self.next_index() - 1;
        self.batch.named.push((index, stored));
        let listed_ms = self.clock.monotonic_ms();
        if let Some(known) = self.rules.get_mut(&source.into()) {
            known.listed_ms = listed_ms;
            known.needs_snapshot = false;
            known.put_off = None;
        }
        Ok(())
    }

    fn put_off_snapshot(&mut self, source: SourceKind) {
        let now_ms = self.clock.monotonic_ms();
        if let Some(known) = self.rules.get_mut(&source.into()) {
            known.put_off(now_ms);
        }
    }

    /// Returns whether there was room; if not, what was stored for this snapshot is taken back, and
    /// a later tick tries again.
    fn store_chunk(&mut self, chunk: &[u8], stored: &mut Vec<Hash>) -> Result<bool, RecorderError> {
        match self.spool.store_chunk(chunk) {
            Ok(()) => {
                stored.push(evidence::chunk::chunk_id(chunk));
                Ok(true)
            }
            Err(AppendError::Full) => {
                self.spool.discard_chunks(stored);
                Ok(false)
            }
            Err(AppendError::Fatal(source)) => Err(RecorderError::Spool(source)),
        }
    }

    fn seal(&mut self, stopping: bool) -> v1::Seal {
        let checkpoint = self.receipts.borrow().checkpoint;
        v1::Seal {
            at_s: self.clock.now_s(),
            clock: self.clock.state().into(),
            sources: self.ledger.accounts(),
            self_protection: self_protection(self.self_protection.values().flatten()),
            released_early: self.spool.released_early(),
            collector_checkpoint: checkpoint.map(|hash| hash.0.to_vec()).unwrap_or_default(),
            stopping,
            seal_interval_s: self.config.seal_interval_s,
            canaries: self.canaries.stated(),
            raw_logs: self.raw_logs.clone(),
        }
    }

    /// Looks where raw lines lie.
    pub(super) fn look_at_raw_logs(&mut self) {
        let now = std::time::SystemTime::now();
        let sources = self.config.sources.iter();
        let mut found: Vec<v1::RawLog> =
            sources.filter_map(|source| raw_log::measured(source.as_ref(), now)).collect();
        crate::order::sort_by_key(&mut found, |log| log.source);
        self.raw_logs = found;
    }

    fn state_change(&mut self, stopping: bool) -> StateChange {
        let (counters, sources) = self.ledger.take_changes();
        let changed = self.cursors.values_mut().filter(|(_, dirty)| *dirty);
        let cursors = changed
            .map(|(cursor, dirty)| {
                *dirty = false;
                cursor_state(cursor)
            })
            .collect();
        let small = self.small_state(stopping);
        let (windows, deeds) = (self.windows.take_changes(), self.deeds.take_changes());
        StateChange { small, counters, sources, cursors, windows, deeds }
    }

    pub(super) fn state(&self) -> State {
        let (counters, sources) = self.ledger.state();
        State {
            secret: self.secret.to_vec(),
            small: self.small_state(false),
            counters,
            sources,
            cursors: self.cursors.values().map(|(cursor, _)| cursor_state(cursor)).collect(),
            windows: self.windows.state(),
            deeds: self.deeds.state(),
        }
    }

    fn small_state(&self, stopping: bool) -> SmallState {
        SmallState {
            at_s: self.clock.now_s(),
            stopped: stopping,
            released_early: self.spool.released_early(),
            boot_id: self.facts.boot_id.to_vec(),
            config_digest: self.config.digest.to_vec(),
            gaps: self.gaps.waiting(),
            findings: self.findings.iter().map(|(finding, span)| finding.state(*span)).collect(),
            canaries: self.canaries.state(),
        }
    }
}

/// As who receives it will see it.
fn is_well_formed(leaf: &[u8]) -> bool {
    let malformed = Leaf::decode(leaf).err();
    if let Some(error) = &malformed {
        let error: &dyn std::error::Error = error;
        tracing::error!(error, "a leaf that would be refused is left out");
    }
    malformed.is_none()
}

/// As many chains as fit; the rest in one sum, so that the sum over all is exact in any case.
fn self_protection<'a>(
    chains: impl Iterator<Item = &'a v1::SelfProtection>,
) -> Vec<v1::SelfProtection> {
    let mut listed: Vec<v1::SelfProtection> = Vec::new();
    let mut size = 0;
    let mut rest = v1::SelfProtection { chain: "(others)".to_owned(), ..Default::default() };
    for v1::SelfProtection { chain, packets, uncounted_rules } in chains {
        let chain = leaves::clean(chain, 600);
        size += chain.len() + 32;
        if listed.len() < SELF_PROTECTION_MAX
            && size < SELF_PROTECTION_SIZE_MAX
            && !chain.is_empty()
        {
            let (packets, uncounted_rules) = (*packets, *uncounted_rules);
            listed.push(v1::SelfProtection { chain, packets, uncounted_rules });
        } else {
            rest.packets = rest.packets.saturating_add(*packets);
            rest.uncounted_rules = rest.uncounted_rules.saturating_add(*uncounted_rules);
        }
    }
    if rest.packets > 0 || rest.uncounted_rules > 0 {
        listed.push(rest);
    }
    listed
}

fn cursor_state(cursor: &Cursor) -> CursorState {
    use std::os::unix::ffi::OsStrExt as _;
    let Cursor { path, inode, offset, head_size, head_digest } = cursor;
    CursorState {
        path: path.as_os_str().as_bytes().to_vec(),
        inode: *inode,
        offset: *offset,
        head_size: *head_size,
        head_digest: head_digest.to_vec(),
    }
}

/// Hits of one report of a file source: 64 KiB of lines, the shortest of which has 80 bytes.
const REPORT_LEAVES: usize = 840;
/// Kept free in each batch for its gaps and its seal.
const GAP_LEAVES: usize = 64;
const CLOSING_SIZE: usize = 64 * 1024;
/// What a record holds beside the leaves and openings: the closing, windows, counters.
const RECORD_SLACK: usize = 512 * 1024;
/// Leaves, openings and proof stay within the 1 MiB of a message.
const OPENINGS_SIZE_MAX: usize = 400 * 1024;
/// Index, field, salt and framing of an opening.
const OPENING_SIZE: usize = 48;
/// A seal must fit into a leaf.
const SELF_PROTECTION_MAX: usize = 255;
const SELF_PROTECTION_SIZE_MAX: usize = 16 * 1024;
