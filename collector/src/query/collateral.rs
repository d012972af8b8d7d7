//! How many others a block hit beside what its request names (DOMAIN.md 3f, "Shared hosting").
//!
//! What is known of it: names that hit the rule, where the source told them; and what was expected before, in the
//! request's impact assessment. The first is a number of at least so many: names are recorded above `k` lines alone, a
//! sample of them where the log has a rate limit, and those of archived days are not counted. What probes measured holds
//! no address, so that it tells of a name and not of who shares its address.

use register::Target;
use remit_proto::v1::{self, AddedFinding, RequestPart};

use super::{Scene, error::QueryError, findings::short};
use crate::store::RuleId;

/// Of one rule; more are said to be more.
const NAMES_MAX: usize = 1_000;

/// Completes findings that are shown already.
pub(super) fn complete(scene: &Scene, rows: &mut [v1::FindingRow]) -> Result<(), QueryError> {
    let code = short(AddedFinding::Collateral.as_str_name(), "ADDED_FINDING_");
    let mut found: Vec<&mut v1::FindingRow> =
        rows.iter_mut().filter(|row| row.code == code).collect();
    if found.is_empty() {
        return Ok(());
    }
    let rules: Vec<RuleId> = found.iter().map(|row| rule_of(row)).collect();
    // Of what was known once, names are not kept: nothing is said of how many there were.
    if scene.past.is_some() {
        return Ok(());
    }
    let mut names = scene.reading.hit_names(&rules, NAMES_MAX.saturating_add(1))?;
    let view = scene.whole();
    for (row, rule) in found.iter_mut().zip(&rules) {
        let Ok(request) = row.request_id.parse() else { continue };
        let hit: Vec<Target> = names
            .remove(rule)
            .unwrap_or_default()
            .iter()
            .filter_map(|target| Target::from_wire(target).ok())
            .collect();
        let others = view.names_beside(&request, &hit);
        let is_hidden = scene.veil.hides_part(&row.request_id, RequestPart::Remarks);
        let entry = view.request(&request).filter(|_| !is_hidden);
        let text = entry.as_ref().map(|entry| entry.request());
        let impact = text.and_then(|text| text.particulars.impact.as_ref());
        let mut estimate =
            impact.map(|impact| impact.collateral_estimate.clone()).unwrap_or_default();
        scene.veil.text_beside_target(&mut estimate);
        let told = !estimate.is_empty();
        let made_at_s = impact.map(|impact| impact.made_at_s).filter(|_| told);
        let from_s = text.map(|text| text.effective_from_s).filter(|_| told);
        row.collateral = Some(v1::CollateralRow {
            names_seen: others.min(NAMES_MAX) as u64,
            names_cut: hit.len() > NAMES_MAX,
            estimate,
            estimate_made_at_s: made_at_s.unwrap_or_default(),
            request_from_s: from_s.unwrap_or_default(),
        });
    }
    Ok(())
}

fn rule_of(row: &v1::FindingRow) -> RuleId {
    RuleId { node: row.node.clone(), generation: row.generation.clone(), number: row.rule }
}
