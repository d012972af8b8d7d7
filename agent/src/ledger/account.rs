//! The account of one counter: the rules of the ledger's front page, without names.

use remit_proto::v1::{LossCause, SourceAccount, SourceKind};

use super::losses::{Losses, Recent, RecentLosses};
use crate::spool::state::CounterState;

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
    /// A blocking rule refers to the counter, or did: there are sums to state.
    counted: bool,
    /// A blocking rule refers to it now: what it shows was offered.
    used: bool,
    /// How often it was read: never, once, more often.
    read: Read,
    /// The newest reading, and the one before it; 0 where there was none.
    seen: u64,
    before: u64,
    /// What the readings add up to. May be below zero at the start of a generation, where hits were
    /// ahead of the counter.
    offered: i64,
    recorded: u64,
    /// Counted here, and no hits.
    canaries: u64,
    lost: Losses,
    missing: Recent,
    surplus: Recent,
    /// What it counted up to the second reading of this start, by which the source has its queue open,
    /// and what is not accounted for by the first: so much may have come to nobody.
    opening: Recent,
    /// What was explained when the reading before arrived.
    explained_before: i64,
    /// Readings that show nothing new, for which a surplus is put down to a reset.
    reset_grace: u8,
    /// The reading is the first since a reboot.
    rebooted: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Read {
    #[default]
    Never,
    Once,
    Often,
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
            unused,
            forgotten: _,
            rebooted: unread,
            canaries,
        } = state;
        let mut account = Self {
            counted: *counted,
            used: *counted && !unused,
            // What was not accounted for yet begins at its first reading, as if it were new.
            read: if *counted { Read::Often } else { Read::Never },
            seen: *seen,
            before: *seen,
            offered: *offered,
            recorded: *recorded,
            canaries: *canaries,
            lost: Losses::from_wire(lost),
            missing: Recent::settled(*missing),
            surplus: Recent::settled(*surplus),
            rebooted: rebooted || *unread,
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
            missing: self.missing.sum(),
            surplus: self.surplus.sum(),
            unused: !self.used,
            forgotten: false,
            rebooted: self.rebooted,
            canaries: self.canaries,
        }
    }

    pub(super) fn begin_generation(&mut self) {
        let in_flight = self.offered.saturating_sub(self.explained());
        let before = self.explained_before.saturating_sub(self.explained());
        (self.recorded, self.canaries) = (0, 0);
        self.lost = Losses::default();
        (self.missing, self.surplus) = (Recent::default(), Recent::default());
        self.offered = in_flight;
        self.explained_before = before;
    }

    /// Lets another counter go on with this account, from where that one stands: as with
    /// [`Self::set_used`], from zero if it was made a moment ago. What this one counted after its last
    /// reading was recorded, or is known to be lost, or nobody knows it. False if something is held
    /// against the other one already.
    pub(super) fn hand_over(&mut self, successor: &mut Self) -> bool {
        if successor.counted || !self.used {
            return false;
        }
        let Self { read, seen, before, rebooted, .. } = *self;
        let left_behind = Self { read, seen, before, rebooted, ..Self::default() };
        let mut account = std::mem::replace(self, left_behind);
        let shown = match successor.read {
            Read::Never | Read::Often => 0,
            Read::Once => successor.seen.saturating_sub(successor.before),
        };
        account.offered = account.offered.saturating_add(signed(shown));
        account.opening.add(successor.opening.recent());
        account.reset_grace = RESET_GRACE_READINGS;
        let Self { read, seen, before, rebooted, .. } = *successor;
        *successor = Self { read, seen, before, rebooted, ..account };
        true
    }

    /// Whether a blocking rule refers to the counter from now on. Returns whether that is new.
    pub(super) fn set_used(&mut self, used: bool) -> bool {
        if self.used == used {
            return false;
        }
        self.used = used;
        if used {
            // A rule and its counter are often made together, and the counter is read first: a
            // counter that was read once counts from zero, one that was there before from now on.
            match self.read {
                Read::Never => {}
                Read::Once => {
                    let shown = signed(self.seen.saturating_sub(self.before));
                    self.offered = self.offered.saturating_add(shown);
                }
                Read::Often => {
                    self.reset_grace = RESET_GRACE_READINGS;
                    if !self.counted {
                        // What it showed before was offered to no rule, and explains nothing.
                        self.opening = Recent::default();
                    }
                }
            }
            self.counted = true;
        }
        true
    }

    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    pub(super) fn is_counted(&self) -> bool {
        self.counted
    }

    pub(super) fn record(&mut self, hits: u64) {
        self.recorded = self.recorded.saturating_add(hits);
    }

    pub(super) fn canaries(&mut self, count: u64) {
        self.canaries = self.canaries.saturating_add(count);
    }

    pub(super) fn lose(&mut self, cause: LossCause, count: u64) {
        self.lost.add(cause, count);
    }

    /// Takes over the sums of a counter that is forgotten.
    pub(super) fn absorb(&mut self, gone: &Self) {
        self.counted = true;
        self.recorded = self.recorded.saturating_add(gone.recorded);
        self.canaries = self.canaries.saturating_add(gone.canaries);
        self.lost.append(&gone.lost);
        self.missing.settle_more(gone.missing.sum());
        self.surplus.settle_more(gone.surplus.sum());
        self.offered = self.offered.saturating_add(gone.offered);
        self.explained_before = self.explained();
    }

    /// What is accounted for: recorded, lost, and the differences that are proven.
    fn explained(&self) -> i64 {
        signed(self.recorded)
            .saturating_add(signed(self.canaries))
            .saturating_add(signed(self.lost.sum()))
            .saturating_add(signed(self.missing.sum()))
            .saturating_sub(signed(self.surplus.sum()))
    }

    /// Nothing that was shown up to now still has to be explained.
    pub(super) fn is_covered(&self) -> bool {
        !self.counted || self.explained() >= self.offered
    }

    /// Takes a reading in; `None` if the counter is not in it.
    pub(super) fn reading(
        &mut self,
        value: Option<u64>,
        phase: Phase,
        unclaimed: &mut RecentLosses,
    ) -> Vec<(LossCause, Option<u64>)> {
        let mut proven = Vec::new();
        // What reading k-1 showed has had its time to come.
        let had_time = self.offered;
        let follows = self.used && value.is_some();
        let mut has_grown = false;
        if let Some(value) = value {
            let (grown, reset) = self.take_value(value, phase.baseline);
            if follows {
                self.offered = self.offered.saturating_add(signed(grown));
                has_grown = grown > 0;
            }
            let at_first = phase.readings_before == 0 && !self.counted;
            if at_first || phase.readings_before == 1 {
                self.opening.add(grown);
            }
            if follows && reset {
                proven.push((LossCause::CounterReset, None));
                self.reset_grace = RESET_GRACE_READINGS;
            }
        }
        if !self.counted {
            self.opening.age();
            return proven;
        }
        if phase.baseline {
            // What was recorded or lost up to now lies before the baseline, and was offered with it.
            for (cause, count) in unclaimed.take(u64::MAX) {
                self.lost.add(cause, count);
            }
            self.offered = self.explained();
        }
        if phase.baseline || !follows {
            self.reset_grace = RESET_GRACE_READINGS;
        }

        let first = phase.readings_before == 0;
        let due = if first { self.offered } else { had_time.min(self.offered) };
        let deficit = due.saturating_sub(self.explained());
        if deficit > 0 {
            let down = self.explain_deficit(deficit.unsigned_abs(), first, unclaimed);
            if down > 0 {
                proven.push((LossCause::AgentDown, Some(down)));
            }
        }
        self.explain_missing(unclaimed);
        self.settle_excess(has_grown);
        self.explained_before = self.explained();
        if self.is_covered() {
            self.missing.age();
            self.surplus.age();
            self.opening.age();
        }
        proven
    }

    /// Returns by how much the counter has grown, and whether it began anew.
    fn take_value(&mut self, value: u64, baseline: bool) -> (u64, bool) {
        let reset = value < self.seen || std::mem::take(&mut self.rebooted);
        self.before = match (baseline, reset) {
            (true, _) => value,
            (false, true) => 0,
            (false, false) => self.seen,
        };
        self.seen = value;
        self.read = match self.read {
            Read::Never => Read::Once,
            Read::Once | Read::Often => Read::Often,
        };
        (value - self.before, reset && !baseline)
    }

    /// Returns how much of it is put down to the agent's absence.
    fn explain_deficit(&mut self, deficit: u64, first: bool, unclaimed: &mut RecentLosses) -> u64 {
        let mut left = deficit - self.surplus.take(deficit);
        for (cause, count) in unclaimed.take(left) {
            self.lost.add(cause, count);
            left -= count;
        }
        let down = if first { left } else { self.opening.take(left) };
        self.lost.add(LossCause::AgentDown, down);
        self.missing.add(left - down);
        down
    }

    /// What the source reported late explains what is missing already.
    fn explain_missing(&mut self, unclaimed: &mut RecentLosses) {
        for (cause, count) in unclaimed.take(self.missing.recent()) {
            self.lost.add(cause, count);
            self.missing.take(count);
        }
    }

    /// What was explained before the reading before arrived, and is not in this one.
    fn settle_excess(&mut self, has_grown: bool) {
        let excess = self.explained_before.saturating_sub(self.offered).max(0).unsigned_abs();
        let left = excess - self.missing.take(excess);
        if self.reset_grace == 0 {
            self.surplus.add(left);
            return;
        }
        // Recorded before the reset, and gone from the counter before it was read.
        self.offered = self.offered.saturating_add(signed(left));
        // What comes after it may hide it for as long as it comes.
        self.reset_grace -= u8::from(!has_grown);
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
        self.lost.append(&account.lost);
        self.missing = self.missing.saturating_add(account.missing.sum());
        self.surplus = self.surplus.saturating_add(account.surplus.sum());
    }

    /// Sums that no counter of packets reaches would break the identity, and with it the leaf: then
    /// what was offered counts as not known.
    pub(super) fn account(self, source: SourceKind) -> SourceAccount {
        let Self { recorded, lost, missing, surplus } = self;
        let explained = recorded.checked_add(lost.sum()).and_then(|sum| sum.checked_add(missing));
        let (source, lost) = (source.into(), lost.to_wire());
        let Some(explained) = explained else {
            return SourceAccount { source, recorded, lost, ..SourceAccount::default() };
        };
        // Above it only where a surplus of the generation before is proven late.
        let surplus = surplus.min(explained);
        SourceAccount {
            source,
            offered_known: true,
            offered: explained - surplus,
            recorded,
            lost,
            unexplained_missing: missing,
            unexplained_surplus: surplus,
        }
    }
}

/// Counters stay far below 2^63; one that does not is cut off rather than wrapped.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// By then what was in flight at the reset has come, and been held against a reading.
const RESET_GRACE_READINGS: u8 = 3;
