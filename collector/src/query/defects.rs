//! What is wrong with requests themselves (`register::defects`), as findings.

use std::{collections::BTreeSet, sync::PoisonError};

use evidence::RequestId;
use register::{
    Defect, Known, Seen, Target,
    defects::{Found, Watch},
    duties::lines_in_scope,
    gone, severity,
};
use remit_proto::v1;

use super::{Scene, error::QueryError, filter::Filter, findings::Tell, probes::SEEN_MAX};

/// By the collector's clock: what a request's papers owe is owed whether nodes report or not.
pub(super) fn findings(
    scene: &Scene,
    filter: &Filter,
    tell: &mut Tell<'_>,
) -> Result<(), QueryError> {
    let at_s = scene.now_s;
    let about_requests = filter.nodes.is_empty() && filter.techniques.is_empty();
    if !about_requests || !filter.takes_time(at_s) {
        return Ok(());
    }
    let gone = gone(&seen(scene)?);
    let register = scene.register();
    let touching: Option<BTreeSet<&RequestId>> = filter.target.as_ref().map(|wanted| {
        register.touching(wanted).into_iter().map(|touch| touch.entry.id()).collect()
    });
    // Every change of it is whole before it can panic; what it holds is looked at again in any case.
    let mut kept = scene.defects.lock().unwrap_or_else(PoisonError::into_inner);
    // A question about the past has its own, so that the next one about now need not begin anew.
    let mut once = Watch::default();
    let watch = if scene.past.is_some() { &mut once } else { &mut *kept };
    watch.look(scene.grounds().register(), scene.position.register_size, at_s, &gone);
    for (id, found) in watch.found() {
        let Some(entry) = register.request(id) else { continue };
        let authority = register.authority(&entry);
        let asked = touching.as_ref().is_none_or(|ids| ids.contains(id));
        if !asked || !filter.takes_request(id.as_str(), authority) {
            continue;
        }
        let lines_served = lines_in_scope(&entry.request().scope, &scene.inventory);
        for defect in &found.defects {
            if filter.takes_entry_code(defect.code) {
                let (key, row) = row(id, authority, found, defect, lines_served, at_s);
                tell(key, row);
            }
        }
    }
    Ok(())
}

fn row(
    id: &RequestId,
    authority: &str,
    found: &Found,
    defect: &Defect,
    lines_served: u64,
    at_s: i64,
) -> (String, v1::FindingRow) {
    let Defect { code, detail, since_s, target, target_count } = defect;
    let name = code.as_str_name();
    let name = name.strip_prefix("ENTRY_CODE_").unwrap_or(name);
    let duration_s = u64::try_from(at_s.saturating_sub(*since_s)).unwrap_or(0);
    // Where nothing is blocked by it, nothing is taken away.
    let severity =
        found.in_force.then(|| severity(found.widest.as_ref(), lines_served, duration_s));
    let row = v1::FindingRow {
        code: name.to_owned(),
        request_id: id.to_string(),
        detail: detail.clone(),
        target: target.as_ref().map(Target::to_wire),
        target_count: *target_count,
        authority: authority.to_owned(),
        first_seen_s: *since_s,
        last_seen_s: at_s,
        severity,
        ..v1::FindingRow::default()
    };
    // After what is owed of requests.
    (format!("~~{id}/{name}/{detail}"), row)
}

fn seen(scene: &Scene) -> Result<Vec<Seen>, QueryError> {
    let probes = scene.reading.probes(None, scene.known_at(), SEEN_MAX)?.into_iter();
    let seen = probes.filter_map(|stored| {
        let Known::Known(target) = Known::<Target>::from_wire(stored.target.as_ref()) else {
            return None;
        };
        let v1::Probe { at_s, asn, .. } = stored.probe;
        let (result, page) = (stored.probe.result(), stored.probe.page());
        Some(Seen { at_s, result, page, asn, target })
    });
    Ok(seen.collect())
}
