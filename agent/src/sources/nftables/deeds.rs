//! What the messages of an NFLOG group turned out to be, before it is reported.
//!
//! In: packets, borrowed. Out: hits without their time, in the order in which they came. Equal ones
//! are counted together within a datagram, which the kernel fills in a tenth of a second at most.

use std::net::IpAddr;

use super::{
    account::CANDIDATES_MAX,
    attribution::{Attribution, Duty, Found, Names},
};
use crate::{
    observation::{Hit, HitTarget, Response, RuleNumber},
    sources::{nflog::Packet, tail::add_hit},
};

/// Hits that were not reported yet.
#[derive(Debug)]
pub(super) struct Deeds {
    /// Without their time.
    list: Vec<Hit>,
    /// Of this datagram, in rows by a few bits of what was hit: the newest of each, and for each
    /// in `list` the one before it in its row.
    rows: [Option<usize>; ROWS],
    older: Vec<Option<usize>>,
    /// Hits that a counter counts, by name.
    samples: Vec<Hit>,
    /// See [`Attribution::find`].
    last_log: usize,
}

impl Default for Deeds {
    fn default() -> Self {
        let (list, older, samples) = (Vec::new(), Vec::new(), Vec::new());
        Self { list, rows: [None; ROWS], older, samples, last_log: 0 }
    }
}

impl Deeds {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn begin_datagram(&mut self) {
        self.rows = [None; ROWS];
    }

    /// What there is, as of this time.
    pub(super) fn take(&mut self, at_s: i64) -> Vec<Hit> {
        self.begin_datagram();
        self.older.clear();
        // The next report is often as long.
        let next = Vec::with_capacity(self.list.len());
        let mut hits = std::mem::replace(&mut self.list, next);
        hits.iter_mut().for_each(|hit| hit.at_s = at_s);
        hits
    }

    /// The samples that there are.
    pub(super) fn take_samples(&mut self) -> Vec<Hit> {
        std::mem::take(&mut self.samples)
    }

    /// False if no rule logs so.
    pub(super) fn attribute(
        &mut self,
        attribution: &Attribution,
        group: u16,
        names: Option<&Names<'_>>,
        packet: &Packet<'_>,
    ) -> bool {
        let mut first: Option<(RuleNumber, Option<IpAddr>, Response, Duty)> = None;
        let mut others = Vec::new();
        let found =
            attribution.find(group, packet, &mut self.last_log, |way, outcome| match &first {
                None => {
                    let headers = packet.headers.as_ref();
                    let address = headers.zip(names).and_then(|(h, names)| outcome.named(h, names));
                    first = Some((outcome.rule, address, way.response(headers), way.duty));
                }
                Some((rule, ..)) => {
                    let new = *rule != outcome.rule && !others.contains(&outcome.rule);
                    if new && others.len() < CANDIDATES_MAX {
                        others.push(outcome.rule);
                    }
                }
            });
        if let Some((rule, address, response, duty)) = first {
            let hit = Hit {
                rule,
                at_s: 0,
                count: 1,
                hit_target: address.map(HitTarget::Address),
                response,
                other_candidates: others,
            };
            match duty {
                Duty::Sample if self.samples.len() < SAMPLES_MAX => self.samples.push(hit),
                // More than anybody needs to see what is hit.
                Duty::Sample => {}
                Duty::Record | Duty::Ignore => self.add(hit),
            }
        }
        match found {
            Found::Rules | Found::Ignored => true,
            Found::Nothing => false,
        }
    }

    fn add(&mut self, hit: Hit) {
        let Some(row) = self.rows.get_mut(row(&hit)) else { return };
        let mut at = *row;
        while let Some(known) = at.and_then(|at| self.list.get_mut(at)) {
            if known.rule == hit.rule
                && known.hit_target == hit.hit_target
                && known.response == hit.response
                && known.other_candidates == hit.other_candidates
            {
                known.count += 1;
                return;
            }
            at = at.and_then(|at| self.older.get(at).copied().flatten());
        }
        self.older.push(row.replace(self.list.len()));
        self.list.push(hit);
    }
}

/// Equal ones stand in the same row. Who chooses the addresses may fill one row, which a datagram
/// bounds.
fn row(hit: &Hit) -> usize {
    let bits = match hit.hit_target {
        Some(HitTarget::Address(IpAddr::V4(address))) => u64::from(address.to_bits()),
        Some(HitTarget::Address(IpAddr::V6(address))) => {
            let bits = address.to_bits();
            (bits >> 64) as u64 ^ bits as u64
        }
        Some(HitTarget::Target(_)) | None => 0,
    };
    // The golden ratio's bits spread what differs anywhere into the uppermost ones.
    let spread = (bits ^ hit.rule.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread >> 56) as usize
}

/// Gives hits that a counter has counted the names that a sample of them has: as many as were counted
/// remain, and those that nobody named stand last. Samples of what was not counted are left out.
pub(super) fn named(counted: Vec<Hit>, mut samples: Vec<Hit>) -> Vec<Hit> {
    let mut hits = Vec::with_capacity(counted.len());
    for mut rest in counted {
        let is_of = |sample: &mut Hit| {
            sample.rule == rest.rule || rest.other_candidates.contains(&sample.rule)
        };
        let mut left = rest.count;
        for sample in
            samples.extract_if(.., is_of).take(usize::try_from(left).unwrap_or(usize::MAX))
        {
            left -= 1;
            add_hit(&mut hits, Hit { at_s: rest.at_s, ..sample });
        }
        rest.count = left;
        hits.extend((left > 0).then_some(rest));
    }
    hits
}

/// Between two readings of the counters.
pub(super) const SAMPLES_MAX: usize = 1024;
/// As many as [`row`] has values.
const ROWS: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hit(rule: u64, address: Option<u32>) -> Hit {
        Hit {
            rule: RuleNumber(rule),
            at_s: 0,
            count: 1,
            hit_target: address.map(|bits| HitTarget::Address(IpAddr::V4(bits.into()))),
            response: Response::Silent,
            other_candidates: Vec::new(),
        }
    }

    #[test]
    fn a_sample_gives_names_and_no_hits() {
        let counted = |rule, count| Hit { count, at_s: 9, ..hit(rule, None) };
        let shown = |hits: Vec<Hit>| -> Vec<(u64, u64, bool)> {
            hits.iter().map(|h| (h.rule.0, h.count, h.hit_target.is_some())).collect()
        };
        // Five counted, three of them seen; one of a rule that was not counted.
        let samples = vec![hit(1, Some(7)), hit(1, Some(7)), hit(3, Some(1)), hit(1, Some(8))];
        let hits = named(vec![counted(1, 5)], samples.clone());
        assert!(hits.iter().all(|hit| hit.at_s == 9));
        assert_eq!(shown(hits), [(1, 2, true), (1, 1, true), (1, 2, false)]);
        // More seen than counted: no more than counted.
        assert_eq!(shown(named(vec![counted(1, 2)], samples)), [(1, 2, true)]);
        // An element of a list under one counter: a sample says which it was.
        let list = Hit { other_candidates: vec![RuleNumber(2)], ..counted(1, 3) };
        let hits = named(vec![list], vec![hit(2, Some(5))]);
        assert_eq!(shown(hits), [(2, 1, true), (1, 2, false)]);
        assert_eq!(shown(named(vec![counted(1, 4)], Vec::new())), [(1, 4, false)]);
    }

    proptest! {
        /// As looking at all of the datagram's finds them; and never across datagrams.
        #[test]
        fn equal_hits_of_a_datagram_are_counted_together(
            datagrams in proptest::collection::vec(
                proptest::collection::vec((0..3_u64, proptest::option::of(0..2000_u32)), 0..300), 0..5,
            ),
        ) {
            let mut deeds = Deeds::default();
            let mut expected: Vec<Hit> = Vec::new();
            for datagram in datagrams {
                deeds.begin_datagram();
                let before = expected.len();
                for (rule, address) in datagram {
                    deeds.add(hit(rule, address));
                    let new = Hit { at_s: 7, ..hit(rule, address) };
                    let of_this = &mut expected[before..];
                    let same = |known: &&mut Hit| {
                        known.rule == new.rule && known.hit_target == new.hit_target
                    };
                    match of_this.iter_mut().find(same) {
                        Some(known) => known.count += 1,
                        None => expected.push(new),
                    }
                }
            }
            prop_assert_eq!(deeds.take(7), expected);
            prop_assert_eq!(deeds.take(8), Vec::new());
        }
    }
}
