//! The account of one counter: the rules of the ledger's front page, without names.

use std::collections::BTreeMap;

use remit_proto::v1::{Loss, LossCause, SourceAccount, SourceKind};

use crate::spool::state::CounterState;

/// Counts by cause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Losses(BTreeMap<i32, u64>);

impl Losses {
    pub(super) fn add(&mut self, cause: LossCause, count: u64) {
        if count > 0 {
            let sum = self.0.entry(cause.into()).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// Takes up to `count`, in the order of the causes.
    fn take(&mut self, count: u64) -> Vec<(LossCause, u64)> {
        let mut left = count;
        let mut taken = Vec::new();
        for (cause, sum) in &mut self.0 {
            let part = left.min(*sum);
            if part > 0
                && let Ok(cause) = LossCause::try_from(*cause)
            {
                *sum -= part;
                left -= part;
                taken.push((cause, part));
            }
        }
        self.0.retain(|_, sum| *sum > 0);
        taken
    }

    fn sum(&self) -> u64 {
        self.0.values().sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn to_wire(&self) -> Vec<Loss> {
        self.0.iter().map(|(cause, count)| Loss { cause: *cause, count: *count }).collect()
    }

    pub(super) fn from_wire(wire: &[Loss]) -> Self {
        Self(wire.iter().filter(|l| l.count > 0).map(|l| (l.cause, l.count)).collect())
    }
}

/// Which reading this is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phase {
    /// The first of the generation: it only sets baselines.
    pub(super) baseline: bool,
    /// Readings of the source since this start.
    pub(super) readings_before: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Account {
    counted: bool,
    /// The newest reading, and the one before it; 0 where there was none.
    seen: u64,
    before: u64,
    /// What the readings add up to. May be below zero at the start of a generation, where hits were
    /// ahead of the counter.
    offered: i64,
    recorded: u64,
    lost: Losses,
    missing: u64,
    surplus: u64,
    /// What was explained when the reading before arrived.
    explained_before: i64,
    /// Readings for which a surplus is put down to a reset.
    reset_grace: u8,
    /// The reading is the first since a reboot.
    rebooted: bool,
}

impl Account {
    pub(super) fn restore(state: &CounterState, rebooted: bool) -> Self {
        let CounterState {
            source: _,
            key: _,
            counted,
            seen,
            offered,
            recorded,
            lost,
            missing,
            surplus,
        } = state;
        let mut account = Self {
            counted: *counted,
            seen: *seen,
            before: *seen,
            offered: *offered,
            recorded: *recorded,
            lost: Losses::from_wire(lost),
            missing: *missing,
            surplus: *surplus,
            rebooted,
            ..Self::default()
        };
        account.explained_before = account.explained();
        account
    }

    pub(super) fn state(&self, source: SourceKind, key: &str) -> CounterState {
        CounterState {
            source: source.into(),
            key: key.to_owned(),
            counted: self.counted,
            seen: self.seen,
            offered: self.offered,
            recorded: self.recorded,
            lost: self.lost.to_wire(),
            missing: self.missing,
            surplus: self.surplus,
        }
    }

    pub(super) fn begin_generation(&mut self) {
        let in_flight = self.offered.saturating_sub(self.explained());
        let before = self.explained_before.saturating_sub(self.explained());
        self.recorded = 0;
        self.lost = Losses::default();
        (self.missing, self.surplus) = (0, 0);
        self.offered = in_flight;
        self.explained_before = before;
    }

    /// Returns whether that is new. Accounting then begins at the reading before the newest: a rule
    /// and its counter are often made together, and the counter is read first.
    pub(super) fn mark_counted(&mut self) -> bool {
        if self.counted {
            return false;
        }
        self.counted = true;
        self.offered = signed(self.seen.saturating_sub(self.before));
        true
    }

    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    pub(super) fn is_counted(&self) -> bool {
        self.counted
    }

    pub(super) fn record(&mut self, hits: u64) {
        self.recorded = self.recorded.saturating_add(hits);
    }

    pub(super) fn lose(&mut self, cause: LossCause, count: u64) {
        self.lost.add(cause, count);
    }

    /// What is accounted for: recorded, lost, and the differences that are proven.
    fn explained(&self) -> i64 {
        signed(self.recorded)
            .saturating_add(signed(self.lost.sum()))
            .saturating_add(signed(self.missing))
            .saturating_sub(signed(self.surplus))
    }

    pub(super) fn reading(
        &mut self,
        value: u64,
        phase: Phase,
        unclaimed: &mut Losses,
    ) -> Vec<(LossCause, Option<u64>)> {
        let mut proven = Vec::new();
        // What reading k-1 showed has had its time to come.
        let had_time = self.offered;
        let reset = value < self.seen || std::mem::take(&mut self.rebooted);
        self.before = if reset { 0 } else { self.seen };
        let grown = if phase.baseline { 0 } else { value - self.before };
        self.seen = value;
        if phase.baseline {
            self.before = value;
        }
        if !self.counted {
            return proven;
        }
        if phase.baseline {
            // What was read on in a file before lies before this reading, and was offered with it.
            for (cause, count) in unclaimed.take(u64::MAX) {
                self.lost.add(cause, count);
            }
            self.offered = self.explained();
            self.explained_before = self.offered;
            return proven;
        }
        self.offered = self.offered.saturating_add(signed(grown));
        if reset && !phase.baseline {
            proven.push((LossCause::CounterReset, None));
            self.reset_grace = RESET_GRACE_READINGS;
        }

        let first = phase.readings_before == 0;
        let starting = phase.readings_before < STARTING_READINGS;
        let due = if first { self.offered } else { had_time };
        let deficit = due.saturating_sub(self.explained());
        if deficit > 0 {
            let down = self.explain_deficit(deficit.unsigned_abs(), starting, unclaimed);
            if down > 0 {
                proven.push((LossCause::AgentDown, Some(down)));
            }
        }
        self.explain_missing(unclaimed);
        let excess = self.explained_before.saturating_sub(self.offered);
        if self.reset_grace > 0 {
            self.reset_grace -= 1;
            // Recorded before the reset, and gone from the counter before it was read.
            self.offered = self.offered.saturating_add(excess.max(0));
        } else if excess > 0 {
            let excess = excess.unsigned_abs();
            let late = excess.min(self.missing);
            self.missing -= late;
            self.surplus += excess - late;
        }
        self.explained_before = self.explained();
        proven
    }

    /// Returns how much of it is put down to the agent's absence.
    fn explain_deficit(&mut self, deficit: u64, starting: bool, unclaimed: &mut Losses) -> u64 {
        let early = deficit.min(self.surplus);
        self.surplus -= early;
        let mut left = deficit - early;
        for (cause, count) in unclaimed.take(left) {
            self.lost.add(cause, count);
            left -= count;
        }
        if starting {
            self.lost.add(LossCause::AgentDown, left);
            return left;
        }
        self.missing += left;
        0
    }

    /// What the source reported late explains what is missing already.
    fn explain_missing(&mut self, unclaimed: &mut Losses) {
        for (cause, count) in unclaimed.take(self.missing) {
            self.lost.add(cause, count);
            self.missing -= count;
        }
    }
}

/// Sums of a source's counters.
#[derive(Debug, Default)]
pub(super) struct Sum {
    recorded: u64,
    lost: Losses,
    missing: u64,
    surplus: u64,
}

impl Sum {
    pub(super) fn add(&mut self, account: &Account) {
        self.recorded = self.recorded.saturating_add(account.recorded);
        for (cause, count) in &account.lost.0 {
            let sum = self.lost.0.entry(*cause).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.missing = self.missing.saturating_add(account.missing);
        self.surplus = self.surplus.saturating_add(account.surplus);
    }

    pub(super) fn account(self, source: SourceKind) -> SourceAccount {
        let explained = self.recorded.saturating_add(self.lost.sum()).saturating_add(self.missing);
        // Above it only where a surplus of the generation before is proven late.
        let surplus = self.surplus.min(explained);
        let offered = explained - surplus;
        SourceAccount {
            source: source.into(),
            offered_known: true,
            offered,
            recorded: self.recorded,
            lost: self.lost.to_wire(),
            unexplained_missing: self.missing,
            unexplained_surplus: surplus,
        }
    }
}

/// Counters stay far below 2^63; one that does not is cut off rather than wrapped.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A difference that shows within so many readings after a start began while the agent was down.
const STARTING_READINGS: u32 = 3;
/// The reading that shows the reset and two more: by then what was in flight has come, and been
/// held against a reading.
const RESET_GRACE_READINGS: u8 = 3;
