//! What was seen from outside: of one target, and what of it shows that a request is ineffective.

use std::collections::BTreeSet;

use evidence::{Claim, NodeId};
use register::{Installed, Known, Seen, Stands, Target, ineffective};
use remit_proto::v1;

use super::{
    Scene,
    error::QueryError,
    filter::{Filter, touches},
};
use crate::store::{RuleQuery, StoredProbe};

/// Of one target; more of them say nothing new.
const PROBES_MAX: usize = 100;
/// Looked at for findings, the newest: a file of a country's measurements of some months.
pub(super) const SEEN_MAX: usize = 100_000;
const CODE: &str = "INEFFECTIVE";

/// Newest first.
pub(super) fn of_target(scene: &Scene, target: &Target) -> Result<Vec<v1::ProbeRow>, QueryError> {
    let probes = scene.reading.probes(Some(target), scene.known_at(), PROBES_MAX)?;
    let own = own_networks(scene);
    Ok(probes.into_iter().map(|probe| row(probe, &own)).collect())
}

/// AS numbers in which nodes are declared.
fn own_networks(scene: &Scene) -> BTreeSet<u32> {
    scene.inventory.iter().map(|facts| facts.asn).filter(|asn| *asn != 0).collect()
}

fn row(stored: StoredProbe, own: &BTreeSet<u32>) -> v1::ProbeRow {
    let StoredProbe { id, target, probe } = stored;
    let v1::Probe { at_s, result, technique, measurement_digest, asn, country, target: _, page } =
        probe;
    v1::ProbeRow {
        id: id.to_string(),
        at_s,
        result,
        technique,
        target,
        asn,
        country,
        own_network: own.contains(&asn),
        measurement_digest,
        page,
    }
}

/// Requests whose target a probe reached although a rule for it stood in its network.
pub(super) fn findings(
    scene: &Scene,
    filter: &Filter,
) -> Result<Vec<(String, v1::FindingRow)>, QueryError> {
    let own = own_networks(scene);
    let (mut rows, mut seen) = (Vec::new(), Vec::new());
    for probe in scene.reading.probes(None, scene.known_at(), SEEN_MAX)? {
        let Known::Known(target) = Known::<Target>::from_wire(probe.target.as_ref()) else {
            continue;
        };
        let v1::Probe { at_s, asn, .. } = probe.probe;
        seen.push(Seen {
            at_s,
            result: probe.probe.result(),
            page: probe.probe.page(),
            asn,
            target,
        });
        rows.push(row(probe, &own));
    }
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    let (register, whole) = (scene.register(), scene.whole());
    let known_at = scene.known_at();
    let query = RuleQuery { known_at, installed_only: true, ..RuleQuery::default() };
    let stands: Vec<Stands> = scene
        .reading
        .rules(&query)?
        .into_iter()
        .filter_map(|stored| {
            let Known::Known(target) = Known::<Target>::from_wire(stored.facts.target.as_ref())
            else {
                return None;
            };
            let own = stored.facts.rule.claims.iter();
            let own = own.filter_map(|claim| Claim::try_from(claim).ok()).collect();
            let node = stored.id.node.parse::<NodeId>().ok()?;
            let claims = whole.claims_of(&node, stored.id.number, own).claims;
            let v1::Rule { narrowed, source, .. } = stored.facts.rule;
            let technique = stored.facts.rule.technique();
            let by_person = register::is_deed(&stored.facts.rule);
            let rule = Installed { node, source, target, technique, narrowed, claims, by_person };
            Some(Stands { rule, since_s: stored.installed_at_s })
        })
        .collect();
    let mut found = Vec::new();
    for shown in ineffective(&whole, &stands, &scene.inventory, &seen) {
        let (Some(entry), Some(probe)) = (register.request(&shown.request), rows.get(shown.seen))
        else {
            continue;
        };
        let authority = register.authority(&entry);
        let id = shown.request.to_string();
        let about = probe.target.as_ref().filter(|_| !scene.veil.hides_targets(&id));
        let at_s = scene.veil.done_at_s(&id, probe.at_s);
        let takes = filter.nodes.is_empty()
            && filter.techniques.is_empty()
            && filter.takes_time(at_s)
            && filter.takes_duty_code(v1::DutyCode::Ineffective)
            && filter.takes_request(&id, authority)
            && filter
                .target
                .as_ref()
                .is_none_or(|wanted| about.is_some_and(|target| touches(wanted, target)));
        if !takes {
            continue;
        }
        let row = v1::FindingRow {
            code: CODE.to_owned(),
            request_id: id.clone(),
            target: probe.target.clone(),
            authority: authority.to_owned(),
            first_seen_s: probe.at_s,
            last_seen_s: probe.at_s,
            probe: Some(probe.clone()),
            ..v1::FindingRow::default()
        };
        found.push((format!("~{id}/{CODE}"), row));
    }
    Ok(found)
}
