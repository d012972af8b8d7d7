//! Targets that are no longer there, as far as probes show.
//!
//! A probe says *gone* if its control, in another network, did not reach the target either. A target is
//! stale if all measurements of it that came to a conclusion, over at least [`GONE_FOR_S`] up to the newest,
//! say so. What blocks a target in the probe's network says nothing of whether it is there.

use std::collections::BTreeMap;

use remit_proto::v1::{EntryCode, ProbeResult};

use super::{Case, Defect};
use crate::{
    outside::Seen,
    target::{Target, WebHost},
};

/// A server that is down for a week may come back; nobody has missed it for longer.
pub const GONE_FOR_S: i64 = 7 * 86_400;

/// Stale targets, and when they were first found to be gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone(BTreeMap<Target, i64>);

impl Gone {
    fn since_s(&self, target: &Target) -> Option<i64> {
        self.0.get(target).copied()
    }
}

/// In any order.
pub fn gone(seen: &[Seen]) -> Gone {
    let mut by_target: BTreeMap<Target, Vec<(i64, ProbeResult)>> = BTreeMap::new();
    for Seen { at_s, result, asn: _, target } in seen {
        match result {
            ProbeResult::Reached | ProbeResult::Gone => {
                by_target.entry(what_it_is_of(target)).or_default().push((*at_s, *result));
            }
            ProbeResult::Blocked | ProbeResult::Inconclusive | ProbeResult::Unspecified => {}
        }
    }
    let stale = by_target.into_iter().filter_map(|(target, mut results)| {
        results.sort_unstable_by_key(|(at_s, result)| (*at_s, *result == ProbeResult::Reached));
        let newest = results.iter().rev();
        let run: Vec<i64> =
            newest.take_while(|(_, r)| *r == ProbeResult::Gone).map(|(at_s, _)| *at_s).collect();
        let (last_s, first_s) = (*run.first()?, *run.last()?);
        (last_s.saturating_sub(first_s) >= GONE_FOR_S).then_some((target, first_s))
    });
    Gone(stale.collect())
}

/// Probes ask for the root page of a host to learn about the host.
fn what_it_is_of(target: &Target) -> Target {
    match target {
        Target::Url(web) if web.is_root() => match web.host() {
            WebHost::Name(name) => Target::DomainExact(name.clone()),
            WebHost::Ip(ip) => Target::Ip(*ip),
        },
        other => other.clone(),
    }
}

pub(super) fn check(case: &Case<'_>, gone: &Gone, found: &mut Vec<Defect>) {
    if gone.0.is_empty() {
        return;
    }
    let mut defect = Defect::of(EntryCode::StaleTarget, i64::MAX);
    for held in case.targets() {
        let of_host = match &held.target {
            Target::DomainSubtree { name, .. } | Target::Sni(name) | Target::HttpHost(name) => {
                Some(Target::DomainExact(name.clone()))
            }
            other => Some(what_it_is_of(other)),
        };
        let since_s = of_host.and_then(|target| gone.since_s(&target));
        if let Some(since_s) = since_s {
            defect.since_s = defect.since_s.min(since_s);
            defect.target.get_or_insert_with(|| held.target.clone());
            defect.target_count = defect.target_count.saturating_add(1);
        }
    }
    if defect.target_count > 0 {
        found.push(defect);
    }
}
