//! Targets that are no longer what was to be blocked, as far as probes show (DOMAIN.md 3c, "seized, parked, gone").
//!
//! A probe says *gone* if its control, in another network, did not reach the target either; *parked* or *seized* is
//! what a page that it reached says of itself ([`ooni`](crate::ooni)). A target is stale if all measurements of it
//! that came to a conclusion, over at least [`GONE_FOR_S`] up to the newest, say one of the three; the newest says
//! which. What blocks a target in the probe's network says nothing of whether it is there.

use std::collections::BTreeMap;

use remit_proto::v1::{EntryCode, ProbePage, ProbeResult};

use super::{Case, Defect};
use crate::{
    outside::Seen,
    target::{Target, WebHost},
};

/// A server that is down for a week may come back; nobody has missed it for longer.
pub const GONE_FOR_S: i64 = 7 * 86_400;

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Gone,
    Parked,
    Seized,
}

impl Fate {
    const ALL: [Self; 3] = [Self::Gone, Self::Parked, Self::Seized];

    /// As a finding's detail has it.
    fn word(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Parked => "parked",
            Self::Seized => "seized",
        }
    }
}

/// Stale targets: what became of each, and when that was first found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone(BTreeMap<Target, (Fate, i64)>);

/// In any order.
pub fn gone(seen: &[Seen]) -> Gone {
    let mut by_target: BTreeMap<Target, Vec<(i64, Option<Fate>)>> = BTreeMap::new();
    for Seen { at_s, result, page, asn: _, target } in seen {
        let fate = match (result, page) {
            (ProbeResult::Gone, _) => Some(Fate::Gone),
            (ProbeResult::Reached, ProbePage::Parked) => Some(Fate::Parked),
            (ProbeResult::Reached, ProbePage::Seized) => Some(Fate::Seized),
            (ProbeResult::Reached, ProbePage::Unspecified) => None,
            (
                ProbeResult::Blocked | ProbeResult::Inconclusive | ProbeResult::Unspecified,
                ProbePage::Unspecified | ProbePage::Parked | ProbePage::Seized,
            ) => continue,
        };
        by_target.entry(what_it_is_of(target)).or_default().push((*at_s, fate));
    }
    let stale = by_target.into_iter().filter_map(|(target, mut found)| {
        // Of two at one time, the one that finds it as it was.
        found.sort_unstable_by_key(|(at_s, fate)| (*at_s, fate.is_none(), *fate));
        let newest = found.iter().rev();
        let run: Vec<(i64, Fate)> =
            newest.map_while(|(at_s, fate)| Some((*at_s, (*fate)?))).collect();
        let ((last_s, fate), (first_s, _)) = (*run.first()?, *run.last()?);
        (last_s.saturating_sub(first_s) >= GONE_FOR_S).then_some((target, (fate, first_s)))
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
    let stale = |held: &Target| -> Option<(Fate, i64)> {
        let host = match held {
            Target::DomainSubtree { name, .. } | Target::Sni(name) | Target::HttpHost(name) => {
                Target::DomainExact(name.clone())
            }
            other => what_it_is_of(other),
        };
        gone.0.get(&host).copied()
    };
    for fate in Fate::ALL {
        let mut defect = Defect {
            detail: fate.word().to_owned(),
            ..Defect::of(EntryCode::StaleTarget, i64::MAX)
        };
        for held in case.targets() {
            let Some((_, since_s)) = stale(&held.target).filter(|(of, _)| *of == fate) else {
                continue;
            };
            defect.since_s = defect.since_s.min(since_s);
            defect.target.get_or_insert_with(|| held.target.clone());
            defect.target_count = defect.target_count.saturating_add(1);
        }
        if defect.target_count > 0 {
            found.push(defect);
        }
    }
}
