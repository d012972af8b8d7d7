//! The recorder: from what sources say to leaves. The only giver of leaf indexes, the only writer of
//! the spool.
//!
//! In: [`Report`]s over one bounded channel, [`Receipts`] of the uplink (newest wins), the clock.
//! Out: closed batches in the spool.
//!
//! # What becomes of a report
//!
//! - **Rules**: at start, after wide changes (more than [`CHANGES_MAX`]), whenever changes could not
//!   be written, and when a state begins or ceases to be unstable, a `RuleSnapshot`; else a
//!   `RuleChange` for each rule that differs, also while the state is unstable. A state of which part could
//!   not be read removes nothing: what it does not list is kept until one is whole, and that part of the
//!   rules was not seen is a `Gap` without a count, at once, each minute, and when they are whole. Every
//!   `control_interval` in which changes were told so, a snapshot that stands for none: who reads both can
//!   hold them against each other.
//! - **Hits**: with windows of length 0 one `Activity` for each; else counted in open windows,
//!   aligned to UTC, that are durable with each batch and become an `Activity` when they end. Below
//!   k lines what was hit is dropped here, and windows are hourly at the finest.
//! - **Counters, losses**: the `ledger`; what it proves becomes `Gap`s.
//! - **Words of persons**: a `ServiceAction` each, durable at once and then answered (`deeds`).
//!
//! # When a batch closes
//!
//! `batch_interval` after its first leaf, at 1,024 leaves or 512 KiB, and every `seal_interval` in
//! any case. Its last leaf is a `Seal` with the accounts of all sources.
//! At once, whatever the interval: `Genesis` and `Start`; the first reading of a source's counters in
//! a generation, from which its account counts; the first position in a file. What happens after
//! these is accounted for, also if the agent is killed in its first second.
//!
//! # When the spool has no room
//!
//! The batch that found none stays here and is offered again every second. Meanwhile hits are
//! counted as lost(`SPOOL_FULL`), exactly, by rule; rules are followed. With room, gaps and a new
//! snapshot come first. Memory stays flat, the network is not touched.
//!
//! # When the state of the spool is unknown
//!
//! [`RecorderError`]: the process stops, loudly; recovery decides at the next start.

mod batch;
mod canaries;
mod deeds;
mod gaps;
mod hits;
mod leaves;
mod rules;
mod start;
mod windows;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::Duration,
};

use batch::OpenBatch;
use deeds::Deeds;
use gaps::Gaps;
use leaves::Maker;
use remit_proto::v1::{self, LossCause, SourceKind};
use rules::{Change, SourceRules};
use sha2::{Digest as _, Sha256};
pub use start::{Launch, StartFacts};
use tlog::{Hash, checkpoint::CheckpointError, note::SigningKey};
use tokio::sync::watch;
use windows::Windows;

use crate::{
    clock::{Clock, in_range},
    config::Config,
    keys::{Identity, NodeKey},
    ledger::{Finding, Ledger},
    metrics::Metric,
    observation::{Cursor, Report, RuleNumber, RuleState},
    sources::RecorderGone,
    spool::{AppendError, SafeBelow, Spool, SpoolTree, View},
};

/// What goes to the recorder's thread.
#[derive(Debug)]
pub enum Message {
    Report(Report),
    /// All sources have ended: write the last seal and end.
    Stop,
}

/// Where sources send their reports.
#[derive(Debug, Clone)]
pub struct ReportSender(SyncSender<Message>);

impl ReportSender {
    /// Blocks while the channel is full. What the kernel then drops is counted by the source's own
    /// sequence checks.
    pub fn send(&self, report: Report) -> Result<(), RecorderGone> {
        self.0.send(Message::Report(report)).map_err(|_| RecorderGone)
    }

    /// To the one who ends the line, after the sources.
    pub fn stop(&self) {
        // If it is gone, it has stopped.
        let _ = self.0.send(Message::Stop);
    }
}

/// Reports that may wait. A report holds up to some hundred hits; at the usual load the channel is
/// empty, and when it is full the sources wait, which is the honest answer.
pub const CHANNEL_SIZE: usize = 64;

pub fn channel() -> (ReportSender, Receiver<Message>) {
    let (sender, receiver) = sync_channel(CHANNEL_SIZE);
    (ReportSender(sender), receiver)
}

/// What the uplink has learnt; only the newest counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipts {
    /// By ordinal of the generation.
    pub generations: BTreeMap<u32, Receipt>,
    /// SHA-256 of the newest collector checkpoint that was verified.
    pub checkpoint: Option<Hash>,
    /// The collector holds more of this generation than our spool ever sent.
    pub rolled_back: Option<u32>,
    /// Ordinals of generations that will never be taken as they are here.
    pub given_up: BTreeSet<u32>,
}

/// Tree sizes below which leaves are safe elsewhere, and in the collector's log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Receipt {
    pub safe: u64,
    pub logged: u64,
}

/// Our own state is in doubt: stop.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    #[error("the spool failed")]
    Spool(#[source] std::io::Error),
    #[error("the spool has no room")]
    NoRoom,
    #[error("the head of the tree could not be signed")]
    Sign(#[source] CheckpointError),
    #[error("the node's key cannot sign for this tree")]
    Key(#[source] tlog::note::InvalidKey),
    #[error("the system gave no random bytes")]
    Random,
}

/// The number of a rule, from the words by which its source knows it.
pub fn rule_number(secret: &[u8; 16], source: SourceKind, key: &str) -> RuleNumber {
    let mut hash = Sha256::new();
    hash.update(b"remit/rule/v1\n");
    hash.update(secret);
    // Two sources may use the same words.
    hash.update(i32::from(source).to_be_bytes());
    hash.update(key);
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash.finalize());
    // 0 stands for "no rule" in leaves.
    RuleNumber(u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1))
}

/// More changes at once than this are one snapshot.
pub const CHANGES_MAX: usize = 256;
/// How often receipts are looked at, and a full spool tried again.
const TICK_MS: i64 = 1000;
/// How long raw lines live is a matter of hours.
const RAW_LOGS_MS: i64 = 60_000;

/// Owned by its thread; nothing here is shared.
pub struct Recorder {
    config: Config,
    clock: Clock,
    key: NodeKey,
    identity: Identity,
    facts: StartFacts,
    spool: Spool,
    tree: SpoolTree,
    signer: SigningKey,
    secret: [u8; 16],
    ledger: Ledger,
    rules: BTreeMap<i32, SourceRules>,
    windows: Windows,
    deeds: Deeds,
    gaps: Gaps,
    /// Proven, and not yet gaps, with the span in which it happened.
    findings: Vec<(Finding, (i64, i64))>,
    /// When the last thing before this start became durable; the start itself if nothing did.
    down_since_s: i64,
    /// Newest reading of each source.
    read_at_s: BTreeMap<i32, i64>,
    /// The reading by which each source had its queue open.
    opened_at_s: BTreeMap<i32, i64>,
    cursors: BTreeMap<PathBuf, (Cursor, bool)>,
    self_protection: BTreeMap<i32, Vec<v1::SelfProtection>>,
    canaries: canaries::Accounts,
    batch: OpenBatch,
    /// Found no room; see the front page.
    stuck: Option<batch::Stuck>,
    maker: Maker,
    receipts: watch::Receiver<Receipts>,
    /// As of the last look, [`RAW_LOGS_MS`] ago at most.
    raw_logs: Vec<v1::RawLog>,
    raw_logs_ms: i64,
    last_seal_ms: i64,
    last_tick_ms: i64,
}

impl Recorder {
    /// Runs until it is told to stop, or all senders are gone.
    pub fn run(mut self, messages: &Receiver<Message>) -> Result<(), RecorderError> {
        loop {
            let wait = Duration::from_millis(self.wait_ms().unsigned_abs());
            match messages.recv_timeout(wait) {
                Ok(Message::Report(report)) => self.report(report)?,
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return self.stop(),
            }
            self.tick()?;
        }
    }

    /// Where file sources continue.
    pub fn cursors(&self) -> Vec<Cursor> {
        self.cursors.values().map(|(cursor, _)| cursor.clone()).collect()
    }

    /// From which the numbers of rules derive.
    pub fn secret(&self) -> [u8; 16] {
        self.secret
    }

    pub fn tree(&self) -> &SpoolTree {
        &self.tree
    }

    /// What is durable, for the uplink.
    pub fn watch(&self) -> watch::Receiver<View> {
        self.spool.watch()
    }

    /// Takes in one report.
    pub fn report(&mut self, report: Report) -> Result<(), RecorderError> {
        match report {
            Report::Rules(state) => self.rules(state),
            Report::RulesOfLines { source, rules } => {
                self.ledger.know_source(source);
                let known =
                    self.rules.entry(source.into()).or_insert_with(|| SourceRules::new(source));
                known.learn(&rules, &mut self.ledger);
                Ok(())
            }
            Report::Hits { source, hits, not_parsed, canaries, cursor, import } => {
                if cursor.is_some() {
                    self.make_room()?;
                }
                self.lose(source, LossCause::NotParsed, not_parsed.count, not_parsed.at_s);
                self.hits(source, &hits, import.as_ref())?;
                // For canaries alone no batch is made: they are durable with the next one, and the
                // position behind them too.
                let quiet = canaries.is_some() && hits.is_empty() && not_parsed.count == 0;
                if let Some((counter, lines)) = canaries {
                    let slot = self.ledger.slot(source, &counter);
                    self.ledger.canaries(slot, lines);
                }
                if let Some(cursor) = cursor {
                    let known = self.cursors.insert(cursor.path.clone(), (cursor, true));
                    if !quiet {
                        self.open_batch();
                    }
                    if known.is_none() {
                        self.close_now()?;
                    }
                }
                if self.windows.is_full() && self.stuck.is_none() {
                    self.close_windows(true)?;
                }
                Ok(())
            }
            Report::Counters(reading) => {
                let begins = !self.ledger.has_baseline(reading.source);
                let findings = self.ledger.reading(&reading);
                self.self_protection.insert(reading.source.into(), reading.self_protection);
                let at_s = in_range(reading.at_s);
                let before_s = self.read_at_s.insert(reading.source.into(), at_s);
                let opened_s = self.opened_at_s.entry(reading.source.into()).or_insert(at_s);
                if self.ledger.is_opening(reading.source) {
                    *opened_s = at_s;
                }
                for finding in findings {
                    let (from_s, until_s) = match finding.cause {
                        // However many readings it took to prove it.
                        LossCause::AgentDown => (self.down_since_s, *opened_s),
                        _ => (before_s.unwrap_or(self.down_since_s), at_s),
                    };
                    self.findings.push((finding, (from_s.min(until_s), until_s)));
                }
                if self.rules.contains_key(&reading.source.into()) {
                    self.write_findings();
                }
                if begins { self.close_now() } else { Ok(()) }
            }
            Report::Said(said) => self.said(said),
            // The next seal has them; for their sake alone none is made, unless a person waits for it.
            Report::Canaries(news) => {
                if self.canaries.take(news) {
                    self.open_batch();
                }
                Ok(())
            }
            Report::Lost { source, cause, count, at_s } => {
                if count > 0 {
                    // With the hits of the same lines, which may come next.
                    self.make_room()?;
                    self.lose(source, cause, count, at_s);
                }
                Ok(())
            }
            Report::Unsure { source, cause, from_s, until_s } => {
                let span = (in_range(from_s), in_range(until_s.max(from_s)));
                self.gaps.add(gaps::Key::of(source, cause), Vec::new(), None, span);
                self.open_batch_for_gaps();
                Ok(())
            }
        }
    }

    fn lose(&mut self, source: SourceKind, cause: LossCause, count: u64, at_s: i64) {
        if count == 0 {
            return;
        }
        Metric::Lost.add(count);
        self.ledger.lose(source, None, cause, count);
        let at_s = in_range(at_s);
        self.gaps.add(gaps::Key::of(source, cause), Vec::new(), Some(count), (at_s, at_s));
        self.open_batch_for_gaps();
    }

    /// Does what is due: closes batches and windows, takes in receipts.
    pub fn tick(&mut self) -> Result<(), RecorderError> {
        let now = self.clock.monotonic_ms();
        if now - self.last_tick_ms >= TICK_MS {
            self.last_tick_ms = now;
            self.take_receipts()?;
            self.retry()?;
            self.snapshots_due(now)?;
            self.controls_due(now)?;
            self.say_unread();
            self.spool.keep(now);
            if now - self.raw_logs_ms >= RAW_LOGS_MS {
                self.raw_logs_ms = now;
                self.look_at_raw_logs();
            }
            Metric::SpoolBytes.set(self.spool.bytes());
        }
        if self.stuck.is_some() {
            return Ok(());
        }
        self.close_windows(false)?;
        let due = self.batch.opened_ms.is_some_and(|opened| now - opened >= self.batch_ms());
        if due || now - self.last_seal_ms >= self.seal_ms() {
            self.close_batch(false)?;
        }
        Ok(())
    }

    /// Whether a batch waits for room: what is reported now is counted as lost. Who can wait, as an
    /// import can, makes sure of it before each report.
    pub fn has_room(&mut self) -> Result<bool, RecorderError> {
        self.make_room()?;
        Ok(self.stuck.is_none())
    }

    /// Ends an import: there is nothing that a later start could add to the open windows.
    pub fn finish(mut self) -> Result<(), RecorderError> {
        self.write_windows(self.windows.all())?;
        self.stop()?;
        if self.stuck.is_some() { Err(RecorderError::NoRoom) } else { Ok(()) }
    }

    /// Writes the last seal. Windows stay open: the next start continues them.
    fn stop(&mut self) -> Result<(), RecorderError> {
        self.retry()?;
        self.write_findings();
        if self.stuck.is_none() {
            self.close_batch(true)?;
        }
        self.spool.keep_now(self.clock.monotonic_ms());
        if self.stuck.is_some() {
            tracing::error!("stopping with a full spool: what waited is lost");
        }
        Ok(())
    }

    fn wait_ms(&self) -> i64 {
        let now = self.clock.monotonic_ms();
        let batch = self.batch.opened_ms.map(|opened| opened + self.batch_ms());
        let seal = self.last_seal_ms + self.seal_ms();
        let tick = self.last_tick_ms + TICK_MS;
        let next = match self.stuck {
            Some(_) => tick,
            None => tick.min(seal).min(batch.unwrap_or(seal)),
        };
        (next - now).clamp(0, TICK_MS)
    }

    fn batch_ms(&self) -> i64 {
        i64::from(self.config.batch_interval_s) * 1000
    }

    fn seal_ms(&self) -> i64 {
        i64::from(self.config.seal_interval_s) * 1000
    }

    fn rules(&mut self, state: RuleState) -> Result<(), RecorderError> {
        let source = state.source;
        self.ledger.know_source(source);
        let now_ms = self.clock.monotonic_ms();
        let known = self.rules.entry(source.into()).or_insert_with(|| SourceRules::new(source));
        let first = known.newest.at_s == 0;
        let changes = known.update(&state, &mut self.ledger, now_ms);
        self.say_unread();
        self.write_findings();
        // What a window has counted belongs to the rule as it was.
        let changed: Vec<RuleNumber> = changes.list.iter().map(|change| change.number()).collect();
        let ended = self.windows.end(&changed);
        let Some(known) = self.rules.get_mut(&source.into()) else { return Ok(()) };
        if self.stuck.is_some() {
            known.needs_snapshot |= !changes.list.is_empty() || changes.turned;
            return Ok(());
        }
        known.needs_snapshot |= changes.turned || changes.list.len() > CHANGES_MAX;
        let whole = known.needs_snapshot;
        self.write_windows(ended)?;
        // A snapshot of a state that did not hold still removes nothing: removals are told singly.
        // Of what stood when somebody looked first none was seen to be installed.
        if !whole || (state.unstable && !first && changes.list.len() <= CHANGES_MAX) {
            self.write_changes(&changes.list, &state)?;
        }
        if whole { self.snapshot(source) } else { Ok(()) }
    }

    /// Rules that nobody could read: that must be seen in the evidence too.
    fn say_unread(&mut self) {
        let (now_s, now_ms) = (self.clock.now_s(), self.clock.monotonic_ms());
        for known in self.rules.values_mut() {
            let Some(span) = known.unread_span(now_s, now_ms) else { continue };
            let key = gaps::Key::of(known.newest.source, LossCause::NotParsed);
            self.gaps.add(key, Vec::new(), None, span);
        }
        self.open_batch_for_gaps();
    }

    fn write_changes(&mut self, list: &[Change], state: &RuleState) -> Result<(), RecorderError> {
        for change in list {
            let written = self.stuck.is_none() && {
                let made = self.maker.rule_change(change, state)?;
                self.push(made)?
            };
            if !written && let Some(rules) = self.rules.get_mut(&state.source.into()) {
                rules.needs_snapshot = true;
            }
        }
        Ok(())
    }

    /// Makes gaps of what readings proved, with the rules that the counters belong to. The first
    /// reading comes before the rules are known; what it proves waits for them.
    fn write_findings(&mut self) {
        for (finding, span) in std::mem::take(&mut self.findings) {
            let (rule, claims) = self.rule_of_counter(finding.source, &finding.counter);
            let key = gaps::Key::of_rule(finding.source, finding.cause, rule);
            self.gaps.add(key, claims, finding.count, span);
        }
        self.open_batch_for_gaps();
    }

    fn rule_of_counter(&self, source: SourceKind, counter: &str) -> (u64, Vec<v1::Claim>) {
        self.rules.get(&source.into()).map_or((0, Vec::new()), |rules| rules.of_counter(counter))
    }

    fn take_receipts(&mut self) -> Result<(), RecorderError> {
        if self.receipts.has_changed().unwrap_or(false) {
            let receipts = self.receipts.borrow_and_update().clone();
            for (ordinal, Receipt { safe, logged }) in receipts.generations {
                self.spool.set_limits(SafeBelow { ordinal, safe, logged });
            }
            self.spool.give_up(receipts.given_up);
        }
        let rolled_back = self.receipts.borrow().rolled_back;
        if rolled_back == Some(self.tree.ordinal) && self.stuck.is_none() {
            tracing::error!("the collector holds more than this spool: a new generation begins");
            self.next_generation()?;
        }
        Ok(())
    }

    fn fatal(error: AppendError) -> RecorderError {
        match error {
            AppendError::Full => RecorderError::NoRoom,
            AppendError::Fatal(source) => RecorderError::Spool(source),
        }
    }
}
