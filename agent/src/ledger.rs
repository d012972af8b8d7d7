//! The ledger: what was offered, recorded, lost and never explained, to the unit.
//!
//! In: hits recorded, losses, and readings of separate counters. Out: the accounts of a `Seal`, the
//! gaps that a reading proves, and what of it must become durable with the next batch.
//!
//! # The identity
//!
//! For each counter that a blocking rule refers to, and therefore for each source,
//!
//! ```text
//! offered = recorded + Σ lost(cause) + missing − surplus
//! ```
//!
//! The counter is in the kernel (or the daemon), the hits come through a queue: between the two up
//! to some hundred milliseconds of packets are in flight. So readings and hits never agree at any
//! one instant, and a difference counts only when it is *proven*:
//!
//! - **Missing.** What reading k showed and what is still not covered when reading k+1 arrives had a
//!   whole interval to come. It is explained in this order: by a surplus found lately (the hit came
//!   before the count), by losses that the source reported lately and that no counter has claimed
//!   yet, as `AGENT_DOWN` as far as a start accounts for it (below), and else it is `missing`.
//! - **Surplus.** What was explained before reading k *arrived* must have happened before reading
//!   k+1 was *taken*. If that shows less, more was recorded than offered: it takes back what was
//!   found `missing` lately (the hit came late), and else is `surplus`.
//! - A loss that the source reports late explains what was found missing lately.
//!
//! *Lately* is: before three quiet readings have passed. A reading is quiet when all that it shows is
//! explained; while traffic is in flight a difference can be hidden for longer, and what explains it
//! waits as long. Then it is settled, and explains nothing: no loss of yesterday pays for what is
//! missing today. The price: hits that arrive between the taking and the arrival of three readings in
//! a row can hide a loss until it is settled; then it stands as lost without a counter and as missing.
//!
//! Stated as `offered` is what is accounted for so far; it follows the counter by at most one
//! interval, and when nothing is in flight the two are equal.
//!
//! # Starts, resets, new counters
//!
//! The first reading after a start is taken before the source opens its queue, the second when it is
//! open. What the first shows above the durable account happened while nobody looked: `AGENT_DOWN`, a
//! gap for each counter, from the last thing that was durable to that reading. Of what a counter grew
//! by between the two, part came before the queue was there, and nobody can say which: so much of what
//! is missing is `AGENT_DOWN` too, however late traffic that goes on lets it be proven, until it is
//! settled. A counter that shows less than before, or any counter at its first reading after a reboot,
//! was reset: what came between is unknown (a gap without a count), its reading counts from zero, and
//! what was recorded before the reset but not yet read is added to `offered` instead of being called
//! surplus, until three readings have shown nothing new.
//! The first reading of a generation only sets the baselines: what was recorded before it, and what a
//! file source read on after damage to the spool, lies before it and counts as offered. A counter that
//! appears later was made while we watched and counts from zero.
//!
//! A counter that is gone from its source's readings, or that no blocking rule refers to any more,
//! shows nothing new: what it shows then is not offered to a blocking rule. It keeps its account;
//! hits that were recorded and not yet read, and those that still come, are added to `offered`, and
//! what was due and does not come is missing as always. If it comes back, it goes on from where it
//! was seen. Counters that no blocking rule refers to are followed, so that they have a baseline when
//! one does, and accounted for from then on.
//!
//! # What is forgotten
//!
//! Of counters that are gone and that no rule refers to, [`GONE_MAX`] are remembered; those that are
//! gone for longest are forgotten first, and their sums go on in one account, [`FORGOTTEN_KEY`]. So
//! neither memory nor the header of a segment grows with the number of counters that ever were.
//!
//! Canaries that a counter counts beside hits are held against it as hits are, and stand in no figure.
//!
//! Hits of rules without a counter, and losses that no counter has claimed, stand in a second
//! account of the source, with `offered_known = false`.

use std::collections::{BTreeMap, HashMap, HashSet};

use remit_proto::v1::{LossCause, SourceAccount, SourceKind};

use crate::{
    observation::{CounterKey, CounterReading},
    spool::state::{CounterState, FindingState, SourceState},
};

mod account;
mod losses;

use account::Account;
use losses::RecentLosses;

/// Place of a counter in the ledger, so that a hit finds it without looking for its name. It stays
/// its place as long as a rule refers to the counter; see [`Ledger::refer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(usize);

/// Owned by the recorder's thread.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By slot; a slot without a counter is free.
    counters: Vec<Option<Counter>>,
    free: Vec<Slot>,
    by_key: HashMap<(i32, CounterKey), Slot>,
    sources: BTreeMap<i32, Source>,
    /// Since the last batch.
    forgotten: Vec<CounterState>,
}

#[derive(Debug)]
struct Counter {
    source: SourceKind,
    key: CounterKey,
    account: Account,
    /// Value in the reading that is being taken in.
    read: Option<u64>,
    /// Readings in which it was not.
    absent: u32,
    /// A rule refers to it, or did a moment ago.
    held: bool,
    /// Changed since the last batch.
    dirty: bool,
}

/// What a source has beside its counters.
#[derive(Debug)]
struct Source {
    kind: SourceKind,
    recorded: u64,
    unclaimed: RecentLosses,
    /// Readings since this start; the first has its own meaning.
    readings: u32,
    /// No reading was ever taken in this generation.
    without_baseline: bool,
    dirty: bool,
}

/// What a reading proved, to be written as a `Gap`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub source: SourceKind,
    pub counter: CounterKey,
    pub cause: LossCause,
    /// `None`: nobody can know.
    pub count: Option<u64>,
}

impl Finding {
    /// As it is durable while it waits, with the span in which it happened.
    pub fn state(&self, (from_s, until_s): (i64, i64)) -> FindingState {
        let Self { source, counter, cause, count } = self;
        let (source, counter, cause) = ((*source).into(), counter.to_string(), (*cause).into());
        FindingState { source, counter, cause, count: *count, from_s, until_s }
    }

    pub fn restore(state: &FindingState) -> (Self, (i64, i64)) {
        let (source, cause) = (state.source(), state.cause());
        let FindingState { source: _, counter, cause: _, count, from_s, until_s } = state;
        let counter = CounterKey::from(counter.as_str());
        (Self { source, counter, cause, count: *count }, (*from_s, *until_s))
    }
}

impl Ledger {
    /// Takes up the durable accounts after a start. `rebooted`: kernel counters began anew.
    pub fn restore(counters: Vec<CounterState>, sources: Vec<SourceState>, rebooted: bool) -> Self {
        let mut ledger = Self::default();
        for state in sources {
            let Ok(kind) = SourceKind::try_from(state.source) else { continue };
            let source = ledger.source(kind);
            source.recorded = state.recorded;
            source.unclaimed = RecentLosses::from_wire(&state.lost, &state.lost_lately);
            source.without_baseline = !state.has_baseline;
        }
        for state in counters {
            let Ok(source) = SourceKind::try_from(state.source) else { continue };
            let slot = ledger.slot(source, &CounterKey::from(state.key.as_str()));
            if let Some(counter) = ledger.counter(slot) {
                counter.account = Account::restore(&state, rebooted);
                // Else a kill before the next reading would make the reboot unheard of.
                counter.dirty = rebooted;
            }
        }
        ledger
    }

    /// Begins the accounts of a new generation, in the middle of a run: sums start from zero, and
    /// what is in flight stays in flight.
    pub fn begin_generation(&mut self) {
        for counter in self.counters.iter_mut().flatten() {
            counter.account.begin_generation();
            counter.dirty = true;
        }
        for source in self.sources.values_mut() {
            source.recorded = 0;
            source.unclaimed = RecentLosses::default();
            source.dirty = true;
        }
    }

    /// The place of a counter, which is made if need be.
    pub fn slot(&mut self, source: SourceKind, key: &CounterKey) -> Slot {
        let name = (source.into(), key.clone());
        if let Some(slot) = self.by_key.get(&name) {
            return *slot;
        }
        let counter = Counter {
            source,
            key: key.clone(),
            account: Account::default(),
            read: None,
            absent: 0,
            held: false,
            dirty: true,
        };
        let slot = self.free.pop().unwrap_or(Slot(self.counters.len()));
        match self.counters.get_mut(slot.0) {
            Some(free) => *free = Some(counter),
            None => self.counters.push(Some(counter)),
        }
        self.by_key.insert(name, slot);
        self.source(source);
        slot
    }

    fn counter(&mut self, slot: Slot) -> Option<&mut Counter> {
        self.counters.get_mut(slot.0)?.as_mut()
    }

    /// To which counters of a source blocking rules refer now (`used`), and to which those did that
    /// were removed a moment ago (`late`). The slots of all others may be given to other counters.
    pub fn refer(&mut self, source: SourceKind, used: &HashSet<Slot>, late: &HashSet<Slot>) {
        for (at, counter) in self.counters.iter_mut().enumerate() {
            let Some(counter) = counter.as_mut().filter(|c| c.source == source) else { continue };
            let is_used = used.contains(&Slot(at));
            counter.held = is_used || late.contains(&Slot(at));
            counter.dirty |= counter.account.set_used(is_used);
        }
    }

    /// All rules of `old` refer to `new` from now on, which nothing was held against before.
    pub fn succeed(&mut self, old: Slot, new: Slot) {
        let account = |slot: Slot| self.counters.get(slot.0)?.as_ref().map(|c| c.account.clone());
        let (Some(mut before), Some(mut after)) = (account(old), account(new)) else { return };
        if !before.hand_over(&mut after) {
            return;
        }
        for (slot, account) in [(old, before), (new, after)] {
            if let Some(counter) = self.counter(slot) {
                (counter.account, counter.dirty) = (account, true);
            }
        }
    }

    /// A blocking rule refers to this counter, from now on.
    pub fn mark_used(&mut self, slot: Slot) {
        if let Some(counter) = self.counter(slot) {
            counter.held = true;
            counter.dirty |= counter.account.set_used(true);
        }
    }

    /// Hits that become durable with the next batch.
    pub fn record(&mut self, source: SourceKind, slot: Option<Slot>, hits: u64) {
        if let Some(counter) = slot.and_then(|slot| self.counter(slot)) {
            counter.account.record(hits);
            counter.dirty = true;
        } else {
            let source = self.source(source);
            source.recorded += hits;
            source.dirty = true;
        }
    }

    /// The counter counted so many canaries.
    pub fn canaries(&mut self, slot: Slot, count: u64) {
        if let Some(counter) = self.counter(slot) {
            counter.account.canaries(count);
            counter.dirty = true;
        }
    }

    /// A loss. Without a counter it waits for one that misses something.
    pub fn lose(&mut self, source: SourceKind, slot: Option<Slot>, cause: LossCause, count: u64) {
        if let Some(counter) = slot.and_then(|slot| self.counter(slot)) {
            counter.account.lose(cause, count);
            counter.dirty = true;
        } else {
            let source = self.source(source);
            source.unclaimed.add(cause, count);
            source.dirty = true;
        }
    }

    /// Takes a reading in and says what it proves.
    pub fn reading(&mut self, reading: &CounterReading) -> Vec<Finding> {
        let CounterReading { source: kind, at_s: _, counters, self_protection: _ } = reading;
        let source = self.source(*kind);
        let phase =
            account::Phase { baseline: source.without_baseline, readings_before: source.readings };
        source.without_baseline = false;
        source.readings = source.readings.saturating_add(1);
        source.dirty = true;
        let mut unclaimed = std::mem::take(&mut source.unclaimed);
        let mut findings = Vec::new();
        for (key, value) in counters {
            let slot = self.slot(*kind, key);
            if let Some(counter) = self.counter(slot) {
                counter.read = Some(*value);
            }
        }
        let mut quiet = true;
        for counter in self.counters.iter_mut().flatten().filter(|c| c.source == *kind) {
            let before = counter.account.clone();
            let value = counter.read.take();
            counter.absent = if value.is_some() { 0 } else { counter.absent.saturating_add(1) };
            for (cause, count) in counter.account.reading(value, phase, &mut unclaimed) {
                let counter = counter.key.clone();
                findings.push(Finding { source: *kind, counter, cause, count });
            }
            counter.dirty |= counter.account != before;
            quiet &= counter.account.is_covered();
        }
        if quiet {
            unclaimed.age();
        }
        self.source(*kind).unclaimed = unclaimed;
        self.forget(*kind);
        findings
    }

    /// Forgets the counters that are gone for longest, if there are too many.
    fn forget(&mut self, kind: SourceKind) {
        let counters = self.counters.iter().enumerate();
        let gone = counters.filter_map(|(at, counter)| {
            let counter = counter.as_ref().filter(|c| c.source == kind)?;
            counter.is_gone().then_some((std::cmp::Reverse(counter.absent), at))
        });
        let mut gone: Vec<_> = gone.collect();
        if gone.len() <= GONE_MAX {
            return;
        }
        // Half of them at once, so that it is seldom done.
        crate::order::sort(&mut gone);
        gone.truncate(gone.len() - GONE_MAX / 2);
        let sums = self.slot(kind, &CounterKey::from(FORGOTTEN_KEY));
        for (_, at) in gone {
            let Some(counter) = self.counters.get_mut(at).and_then(Option::take) else { continue };
            self.by_key.remove(&(kind.into(), counter.key.clone()));
            self.free.push(Slot(at));
            self.forgotten.push(CounterState { forgotten: true, ..counter.state() });
            if counter.account.is_counted()
                && let Some(sums) = self.counter(sums)
            {
                sums.account.absorb(&counter.account);
                sums.dirty = true;
            }
        }
    }

    /// For a `Seal`: per source what has a counter, and what has none.
    pub fn accounts(&self) -> Vec<SourceAccount> {
        let mut accounts = Vec::new();
        for source in self.sources.values() {
            let mut sum = account::Sum::default();
            let counters = self.counters.iter().flatten().filter(|c| c.source == source.kind);
            let counted =
                counters.filter(|c| c.account.is_counted()).map(|c| sum.add(&c.account)).count();
            if counted > 0 {
                accounts.push(sum.account(source.kind));
            }
            let lost = source.unclaimed.all();
            if counted == 0 || source.recorded > 0 || !lost.is_empty() {
                accounts.push(SourceAccount {
                    source: source.kind.into(),
                    offered_known: false,
                    recorded: source.recorded,
                    lost: lost.to_wire(),
                    ..SourceAccount::default()
                });
            }
        }
        accounts
    }

    /// Everything, for the header of a segment.
    pub fn state(&self) -> (Vec<CounterState>, Vec<SourceState>) {
        (
            self.counters.iter().flatten().map(Counter::state).collect(),
            self.sources.values().map(Source::state).collect(),
        )
    }

    /// What changed since this was last asked, for a batch.
    pub fn take_changes(&mut self) -> (Vec<CounterState>, Vec<SourceState>) {
        let counters = self.counters.iter_mut().flatten().filter(|counter| counter.dirty);
        let counters = counters.map(|counter| {
            counter.dirty = false;
            counter.state()
        });
        // A counter that came back after it was forgotten stands behind.
        let mut changed = std::mem::take(&mut self.forgotten);
        changed.extend(counters);
        let sources = self.sources.values_mut().filter(|source| source.dirty);
        let sources = sources.map(|source| {
            source.dirty = false;
            source.state()
        });
        (changed, sources.collect())
    }

    fn source(&mut self, kind: SourceKind) -> &mut Source {
        self.sources.entry(kind.into()).or_insert_with(|| Source {
            kind,
            recorded: 0,
            unclaimed: RecentLosses::default(),
            readings: 0,
            without_baseline: true,
            dirty: true,
        })
    }

    /// Whether its accounts of this generation have begun.
    pub fn has_baseline(&self, kind: SourceKind) -> bool {
        self.sources.get(&kind.into()).is_some_and(|source| !source.without_baseline)
    }

    /// Whether its newest reading is one of the two between which it opens its queue.
    pub fn is_opening(&self, kind: SourceKind) -> bool {
        self.sources.get(&kind.into()).is_some_and(|source| source.readings <= 2)
    }

    /// Makes sure that the source has an account, also while it has nothing to say.
    pub fn know_source(&mut self, kind: SourceKind) {
        self.source(kind);
    }
}

impl Counter {
    fn state(&self) -> CounterState {
        self.account.state(self.source, &self.key)
    }

    /// Nothing more can come of it, and its account is at rest.
    fn is_gone(&self) -> bool {
        let settled = self.absent >= GONE_READINGS && !self.account.is_used();
        settled && !self.held && self.key.as_ref() != FORGOTTEN_KEY
    }
}

impl Source {
    fn state(&self) -> SourceState {
        SourceState {
            source: self.kind.into(),
            recorded: self.recorded,
            lost: self.unclaimed.settled().to_wire(),
            lost_lately: self.unclaimed.recent().to_wire(),
            has_baseline: !self.without_baseline,
        }
    }
}

/// Counters of a source that are gone and remembered: rules that are switched off and on again find
/// their counter as it was. Some 50 bytes each in the header of a segment.
pub const GONE_MAX: usize = if cfg!(test) { 64 } else { 4096 };
/// By then all that was due has come or is missing.
const GONE_READINGS: u32 = 4;
/// No source names a counter so.
pub const FORGOTTEN_KEY: &str = "(forgotten)";

#[cfg(test)]
mod tests;
