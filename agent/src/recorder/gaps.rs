//! Gaps that wait for the next batch: one leaf for each source, cause and rule, however many reports
//! it took. What a batch has no place for is durable with it, because its accounts are.

use std::collections::BTreeMap;

use remit_proto::v1::{self, LossCause, SourceKind};

#[derive(Debug, Default)]
pub(super) struct Gaps(BTreeMap<Key, Sum>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    source: i32,
    cause: i32,
    /// What is known to a count and what is not are two gaps.
    count_known: bool,
    /// 0: not one rule.
    rule: u64,
}

impl Key {
    pub(super) fn of(source: SourceKind, cause: LossCause) -> Self {
        Self::of_rule(source, cause, 0)
    }

    pub(super) fn of_rule(source: SourceKind, cause: LossCause, rule: u64) -> Self {
        Self { source: source.into(), cause: cause.into(), count_known: true, rule }
    }
}

#[derive(Debug)]
struct Sum {
    claims: Vec<v1::Claim>,
    count: u64,
    from_s: i64,
    until_s: i64,
}

impl Gaps {
    pub(super) fn add(
        &mut self,
        key: Key,
        claims: Vec<v1::Claim>,
        count: Option<u64>,
        (from_s, until_s): (i64, i64),
    ) {
        let mut key = Key { count_known: count.is_some(), ..key };
        let mut claims = claims;
        if self.0.len() >= GAPS_MAX && !self.0.contains_key(&key) {
            key.rule = 0;
            claims = Vec::new();
        }
        let sum = self.0.entry(key).or_insert(Sum { claims, count: 0, from_s, until_s });
        sum.count = sum.count.saturating_add(count.unwrap_or(0));
        sum.from_s = sum.from_s.min(from_s);
        sum.until_s = sum.until_s.max(until_s);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self) -> Option<v1::Gap> {
        self.0.pop_first().map(|(key, sum)| key.gap(&sum))
    }

    /// Those that wait, as they are durable.
    pub(super) fn waiting(&self) -> Vec<v1::Gap> {
        self.0.iter().map(|(key, sum)| key.gap(sum)).collect()
    }

    pub(super) fn restore(waiting: Vec<v1::Gap>) -> Self {
        let one = |gap| {
            let v1::Gap { source, cause, rule, claims, count_known, count, from_s, until_s } = gap;
            let key = Key { source, cause, count_known, rule };
            (key, Sum { claims, count, from_s, until_s })
        };
        Self(crate::order::map(waiting.into_iter().map(one)))
    }
}

impl Key {
    fn gap(self, sum: &Sum) -> v1::Gap {
        let Self { source, cause, count_known, rule } = self;
        let Sum { claims, count, from_s, until_s } = sum;
        let (claims, count, from_s, until_s) = (claims.clone(), *count, *from_s, *until_s);
        v1::Gap { source, cause, rule, claims, count_known, count, from_s, until_s }
    }
}

/// Above it, gaps are no longer told apart by rule; the ledger still has them by counter.
const GAPS_MAX: usize = 512;
