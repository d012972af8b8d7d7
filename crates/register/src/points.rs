//! Whether anybody looks at an enforcement point that was declared (DOMAIN.md section 4, *coverage*): one rule for the
//! collector's answers and for the verifier's report.
//!
//! In: a point as its operator declared it, and the sources that the node's agent says it reads, by its newest start and
//! seal. Declared as observed is not enough: an agent must read this very technology. What another box tells the agent
//! (*relayed*) may have a technology of any name; then some source must be there by which it could be told.

use std::collections::BTreeSet;

use remit_proto::v1::{EnforcementPoint, Observation, SourceKind};

/// An agent that reads these sources reports on the point.
pub fn reports(point: &EnforcementPoint, sources: &BTreeSet<i32>) -> bool {
    let tells = |source: &i32| match SourceKind::try_from(*source).unwrap_or_default() {
        SourceKind::Unspecified | SourceKind::Person | SourceKind::Probe => false,
        SourceKind::Nftables
        | SourceKind::UnboundRpz
        | SourceKind::NftCounters
        | SourceKind::BindRpz
        | SourceKind::Pdns
        | SourceKind::Knot
        | SourceKind::Dnsmasq
        | SourceKind::Squid
        | SourceKind::Nginx
        | SourceKind::Routes
        | SourceKind::Jsonl
        | SourceKind::IptablesLegacy => true,
    };
    match source_of(&point.technology) {
        Some(wanted) => sources.contains(&wanted.into()),
        None => point.observation() == Observation::Relayed && sources.iter().any(tells),
    }
}

/// How it is looked at in fact; `None`: not.
pub fn observed(point: &EnforcementPoint, sources: &BTreeSet<i32>) -> Option<Observation> {
    let declared = point.observation();
    match declared {
        Observation::Observed | Observation::Relayed => reports(point, sources).then_some(declared),
        Observation::Unobserved | Observation::Unspecified => None,
    }
}

/// "unbound_rpz", "unbound-rpz" → the source of that name.
fn source_of(technology: &str) -> Option<SourceKind> {
    let name = technology.to_ascii_uppercase().replace('-', "_");
    SourceKind::from_str_name(&format!("SOURCE_KIND_{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reads_is_not_observed_whatever_was_declared() {
        let check = |technology: &str, observation: Observation, want: bool| {
            let point = EnforcementPoint {
                technology: technology.to_owned(),
                observation: observation.into(),
                ..EnforcementPoint::default()
            };
            let sources = [SourceKind::UnboundRpz.into(), SourceKind::Person.into()].into();
            let found = observed(&point, &sources);
            assert_eq!(found, want.then_some(observation), "{technology} {observation:?}");
        };
        check("unbound_rpz", Observation::Observed, true);
        check("unbound-rpz", Observation::Observed, true);
        check("unbound_rpz", Observation::Unobserved, false);
        check("nftables", Observation::Observed, false);
        // Mistyped, or of a maker whose boxes no agent reads.
        check("unbound", Observation::Observed, false);
        check("vendor-dpi", Observation::Observed, false);
        check("vendor-dpi", Observation::Relayed, true);
        check("nftables", Observation::Relayed, false);
        let point = EnforcementPoint {
            technology: "vendor-dpi".to_owned(),
            observation: Observation::Relayed.into(),
            ..EnforcementPoint::default()
        };
        assert_eq!(observed(&point, &[SourceKind::Person.into()].into()), None, "nobody relays it");
    }
}
