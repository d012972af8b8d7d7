//! When the verdict on a rule that stands may have become another one.

use evidence::Claim;

use super::CONSIDERED_MAX;
use crate::{register::View, target::Target};

/// Of more, the latest are told: a rule that stands for long under many orders has seen many of their bounds.
pub(crate) const TURNS_MAX: usize = 64;

impl View<'_> {
    /// The instants after `from_s` and up to `to_s` at which a bound of a request lies that touches the target or is
    /// claimed, the latest first.
    pub(crate) fn turns(
        &self,
        target: &Target,
        claims: &[Claim],
        from_s: i64,
        to_s: i64,
    ) -> Vec<i64> {
        let claimed: Vec<_> = claims
            .iter()
            .filter_map(|claim| match claim {
                Claim::Request(id) => Some(id),
                Claim::List { .. } | Claim::Class(_) => None,
            })
            .collect();
        let mut turns = Vec::new();
        let mut tell = |turn_s: i64| {
            if from_s < turn_s && turn_s <= to_s {
                turns.push(turn_s);
            }
        };
        let (touches, _) = self.touching_some(target, &claimed, CONSIDERED_MAX);
        for touch in touches {
            let transitions = touch.entry.transitions();
            touch.entry.turning_points(touch.version, touch.bounds(), &transitions, &mut tell);
        }
        for entry in claimed.iter().filter_map(|id| self.request(id)) {
            let transitions = entry.transitions();
            for version in entry.versions() {
                let bounds = entry.bounds(version, None);
                entry.turning_points(version, bounds, &transitions, &mut tell);
            }
        }
        turns.sort_unstable_by(|a, b| b.cmp(a));
        turns.dedup();
        turns.truncate(TURNS_MAX);
        turns
    }
}
