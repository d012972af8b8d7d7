//! Counts by cause, and counts that explain something only for a while.

use std::collections::BTreeMap;

use remit_proto::v1::{Loss, LossCause};

/// Counts by cause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Losses(BTreeMap<i32, u64>);

impl Losses {
    pub(super) fn add(&mut self, cause: LossCause, count: u64) {
        self.add_number(cause.into(), count);
    }

    fn add_number(&mut self, cause: i32, count: u64) {
        if count > 0 {
            let sum = self.0.entry(cause).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    pub(super) fn append(&mut self, other: &Self) {
        for (cause, count) in &other.0 {
            self.add_number(*cause, *count);
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

    pub(super) fn sum(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn to_wire(&self) -> Vec<Loss> {
        self.0.iter().map(|(cause, count)| Loss { cause: *cause, count: *count }).collect()
    }

    pub(super) fn from_wire(wire: &[Loss]) -> Self {
        Self(crate::order::map(wire.iter().filter(|l| l.count > 0).map(|l| (l.cause, l.count))))
    }
}

/// Losses without a counter: the recent ones may be what a counter misses, the settled ones are not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RecentLosses {
    settled: Losses,
    /// The newest first.
    recent: [Losses; SETTLED_AFTER],
}

impl RecentLosses {
    pub(super) fn from_wire(settled: &[Loss], recent: &[Loss]) -> Self {
        let mut losses = Self { settled: Losses::from_wire(settled), ..Self::default() };
        if let Some(newest) = losses.recent.first_mut() {
            *newest = Losses::from_wire(recent);
        }
        losses
    }

    pub(super) fn add(&mut self, cause: LossCause, count: u64) {
        if let Some(newest) = self.recent.first_mut() {
            newest.add(cause, count);
        }
    }

    /// Takes up to `count` of the recent ones, the oldest first.
    pub(super) fn take(&mut self, count: u64) -> Vec<(LossCause, u64)> {
        let mut left = count;
        let mut taken = Vec::new();
        for losses in self.recent.iter_mut().rev() {
            let part = losses.take(left);
            left -= part.iter().map(|(_, count)| count).sum::<u64>();
            taken.extend(part);
        }
        taken
    }

    /// One quiet reading more: what is old enough is settled.
    pub(super) fn age(&mut self) {
        self.recent.rotate_right(1);
        if let Some(oldest) = self.recent.first_mut() {
            self.settled.append(&std::mem::take(oldest));
        }
    }

    pub(super) fn settled(&self) -> &Losses {
        &self.settled
    }

    pub(super) fn recent(&self) -> Losses {
        let mut sum = Losses::default();
        self.recent.iter().for_each(|losses| sum.append(losses));
        sum
    }

    pub(super) fn all(&self) -> Losses {
        let mut sum = self.recent();
        sum.append(&self.settled);
        sum
    }
}

/// A count of which only the recent part may be taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Recent {
    settled: u64,
    /// The newest first.
    recent: [u64; SETTLED_AFTER],
}

impl Recent {
    pub(super) fn settled(count: u64) -> Self {
        Self { settled: count, ..Self::default() }
    }

    pub(super) fn settle_more(&mut self, count: u64) {
        self.settled = self.settled.saturating_add(count);
    }

    pub(super) fn add(&mut self, count: u64) {
        let [newest, ..] = &mut self.recent;
        *newest = newest.saturating_add(count);
    }

    /// Takes up to `count` back and returns how much it was.
    pub(super) fn take(&mut self, count: u64) -> u64 {
        let mut left = count;
        for recent in self.recent.iter_mut().rev() {
            let part = left.min(*recent);
            *recent -= part;
            left -= part;
        }
        count - left
    }

    pub(super) fn recent(&self) -> u64 {
        self.recent.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub(super) fn sum(&self) -> u64 {
        self.settled.saturating_add(self.recent())
    }

    /// One quiet reading more: what is old enough is settled.
    pub(super) fn age(&mut self) {
        self.recent.rotate_right(1);
        let [oldest, ..] = &mut self.recent;
        self.settled = self.settled.saturating_add(std::mem::take(oldest));
    }
}

/// Quiet readings after which a count is settled.
const SETTLED_AFTER: usize = 3;
