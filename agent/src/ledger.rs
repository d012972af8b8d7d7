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
//!   whole interval to come. It is explained in this order: by a surplus found earlier (the hit came
//!   before the count), by losses that the source reported and that no counter has claimed yet, as
//!   `AGENT_DOWN` within the first three readings after a start, and else it is `missing`.
//! - **Surplus.** What was explained before reading k *arrived* must have happened before reading
//!   k+1 was *taken*. If that shows less, more was recorded than offered: it takes back `missing`
//!   (the hit came late), and else is `surplus`.
//! - A loss that the source reports late explains what is missing already.
//!
//! Stated as `offered` is what is accounted for so far; it follows the counter by at most one
//! interval, and when nothing is in flight the two are equal.
//!
//! # Starts, resets, new counters
//!
//! The first reading after a start is taken before the source opens its queue. What it shows above
//! the durable account happened while nobody looked: `AGENT_DOWN`, a gap for each counter, from the
//! last thing that was durable to the reading that shows it. A counter
//! that shows less than before, or any counter after a reboot, was reset: what came between is
//! unknown (a gap without a count), its reading counts from zero, and what was recorded before the
//! reset but not yet read is added to `offered` for three readings instead of being called surplus.
//! A counter that is gone keeps its account; what it showed last has its time to come as always.
//! The first reading of a generation only sets the baselines: what a file source read on before it,
//! after damage to the spool, lies before it and counts as offered. A counter that appears later was made
//! while we watched and counts from zero. Counters that no blocking rule refers to are followed, so
//! that they have a baseline when one does, and accounted for from then on.
//!
//! Hits of rules without a counter, and losses that no counter has claimed, stand in a second
//! account of the source, with `offered_known = false`.

use std::collections::{BTreeMap, HashMap};

use remit_proto::v1::{LossCause, SourceAccount, SourceKind};

use crate::{
    observation::{CounterKey, CounterReading},
    spool::state::{CounterState, SourceState},
};

mod account;

use account::{Account, Losses};

/// Place of a counter in the ledger, so that a hit finds it without looking for its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(usize);

/// Owned by the recorder's thread.
#[derive(Debug, Default)]
pub struct Ledger {
    counters: Vec<Counter>,
    by_key: HashMap<(i32, CounterKey), Slot>,
    sources: BTreeMap<i32, Source>,
}

#[derive(Debug)]
struct Counter {
    source: SourceKind,
    key: CounterKey,
    account: Account,
    /// Value in the reading that is being taken in.
    read: Option<u64>,
    /// Changed since the last batch.
    dirty: bool,
}

/// What a source has beside its counters.
#[derive(Debug)]
struct Source {
    kind: SourceKind,
    recorded: u64,
    unclaimed: Losses,
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

impl Ledger {
    /// Takes up the durable accounts after a start. `rebooted`: kernel counters began anew.
    pub fn restore(counters: Vec<CounterState>, sources: Vec<SourceState>, rebooted: bool) -> Self {
        let mut ledger = Self::default();
        for state in sources {
            let Ok(kind) = SourceKind::try_from(state.source) else { continue };
            let source = ledger.source(kind);
            source.recorded = state.recorded;
            source.unclaimed = Losses::from_wire(&state.lost);
            source.without_baseline = !state.has_baseline;
        }
        for state in counters {
            let Ok(source) = SourceKind::try_from(state.source) else { continue };
            let slot = ledger.slot(source, &CounterKey::from(state.key.as_str()));
            if let Some(counter) = ledger.counters.get_mut(slot.0) {
                counter.account = Account::restore(&state, rebooted);
            }
        }
        ledger
    }

    /// Begins the accounts of a new generation, in the middle of a run: sums start from zero, and
    /// what is in flight stays in flight.
    pub fn begin_generation(&mut self) {
        for counter in &mut self.counters {
            counter.account.begin_generation();
            counter.dirty = true;
        }
        for source in self.sources.values_mut() {
            source.recorded = 0;
            source.unclaimed = Losses::default();
            source.dirty = true;
        }
    }

    /// The place of a counter, which is made if need be.
    pub fn slot(&mut self, source: SourceKind, key: &CounterKey) -> Slot {
        let name = (source.into(), key.clone());
        if let Some(slot) = self.by_key.get(&name) {
            return *slot;
        }
        let slot = Slot(self.counters.len());
        let account = Account::default();
        self.counters.push(Counter { source, key: key.clone(), account, read: None, dirty: true });
        self.by_key.insert(name, slot);
        self.source(source);
        slot
    }

    /// A blocking rule refers to this counter.
    pub fn mark_counted(&mut self, slot: Slot) {
        if let Some(counter) = self.counters.get_mut(slot.0)
            && counter.account.mark_counted()
        {
            counter.dirty = true;
        }
    }

    /// Hits that become durable with the next batch.
    pub fn record(&mut self, source: SourceKind, slot: Option<Slot>, hits: u64) {
        if let Some(counter) = slot.and_then(|slot| self.counters.get_mut(slot.0)) {
            counter.account.record(hits);
            counter.dirty = true;
        } else {
            let source = self.source(source);
            source.recorded += hits;
            source.dirty = true;
        }
    }

    /// A loss. Without a counter it waits for one that misses something.
    pub fn lose(&mut self, source: SourceKind, slot: Option<Slot>, cause: LossCause, count: u64) {
        if let Some(counter) = slot.and_then(|slot| self.counters.get_mut(slot.0)) {
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
            if let Some(counter) = self.counters.get_mut(slot.0) {
                counter.read = Some(*value);
            }
        }
        for counter in self.counters.iter_mut().filter(|counter| counter.source == *kind) {
            let before = counter.account.clone();
            // A counter that is gone shows nothing new.
            let value = counter.read.take().unwrap_or(before.seen());
            for (cause, count) in counter.account.reading(value, phase, &mut unclaimed) {
                let counter = counter.key.clone();
                findings.push(Finding { source: *kind, counter, cause, count });
            }
            counter.dirty |= counter.account != before;
        }
        self.source(*kind).unclaimed = unclaimed;
        findings
    }

    /// For a `Seal`: per source what has a counter, and what has none.
    pub fn accounts(&self) -> Vec<SourceAccount> {
        let mut accounts = Vec::new();
        for source in self.sources.values() {
            let mut sum = account::Sum::default();
            let counters = self.counters.iter().filter(|counter| counter.source == source.kind);
            let counted =
                counters.filter(|c| c.account.is_counted()).map(|c| sum.add(&c.account)).count();
            if counted > 0 {
                accounts.push(sum.account(source.kind));
            }
            if counted == 0 || source.recorded > 0 || !source.unclaimed.is_empty() {
                accounts.push(SourceAccount {
                    source: source.kind.into(),
                    offered_known: false,
                    recorded: source.recorded,
                    lost: source.unclaimed.to_wire(),
                    ..SourceAccount::default()
                });
            }
        }
        accounts
    }

    /// Everything, for the header of a segment.
    pub fn state(&self) -> (Vec<CounterState>, Vec<SourceState>) {
        (
            self.counters.iter().map(Counter::state).collect(),
            self.sources.values().map(Source::state).collect(),
        )
    }

    /// What changed since this was last asked, for a batch.
    pub fn take_changes(&mut self) -> (Vec<CounterState>, Vec<SourceState>) {
        let counters = self.counters.iter_mut().filter(|counter| counter.dirty);
        let counters = counters.map(|counter| {
            counter.dirty = false;
            counter.state()
        });
        let sources = self.sources.values_mut().filter(|source| source.dirty);
        let sources = sources.map(|source| {
            source.dirty = false;
            source.state()
        });
        (counters.collect(), sources.collect())
    }

    fn source(&mut self, kind: SourceKind) -> &mut Source {
        self.sources.entry(kind.into()).or_insert_with(|| Source {
            kind,
            recorded: 0,
            unclaimed: Losses::default(),
            readings: 0,
            without_baseline: true,
            dirty: true,
        })
    }

    /// Whether its accounts of this generation have begun.
    pub fn has_baseline(&self, kind: SourceKind) -> bool {
        self.sources.get(&kind.into()).is_some_and(|source| !source.without_baseline)
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
}

impl Source {
    fn state(&self) -> SourceState {
        SourceState {
            source: self.kind.into(),
            recorded: self.recorded,
            lost: self.unclaimed.to_wire(),
            has_baseline: !self.without_baseline,
        }
    }
}

#[cfg(test)]
mod tests;
