//! Findings: one per rule and cause, one per request that is not carried out, one per node that takes
//! claims from a basis map which nobody stated, and one per path on which canaries do not come back,
//! and one per time that an area was silent.
//!
//! A rule's findings come from two truths kept apart (DESIGN.md idea 6): that it stands now with this
//! verdict, and what it did, or how it was installed, with that verdict as known now. The cause is the
//! verdict's code; what is covered or the operator's own measure is no finding, except a covering
//! request that the rule does not name, and what is added to it: others hit, a response that misleads,
//! a doubtful label, a deed that no second person confirmed. What a rule did under a verdict that it no longer has stays a finding, beside the
//! verdict that it has now.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Claim, NodeId};
use register::{
    DutyFinding, Installed, Known, ScreenWord, Target,
    area::{AreaSilence, silent_areas},
    not_enforced, screen_word,
};
use remit_proto::v1::{self, AddedFinding, VerdictCode};
use tonic::Status;

use super::{
    QueryHandle, Scene, canaries, cases,
    completeness::{completeness, silences},
    error::QueryError,
    filter::{Filter, touches},
    page::Page,
    probes,
    rules::{self, JudgedRule},
};
use crate::store::{Group, RuleId, RuleQuery, StoredRule};

impl QueryHandle {
    pub fn list_findings(
        &self,
        request: v1::ListFindingsRequest,
    ) -> Result<v1::ListFindingsResponse, Status> {
        Ok(self.findings(request)?)
    }

    fn findings(
        &self,
        request: v1::ListFindingsRequest,
    ) -> Result<v1::ListFindingsResponse, QueryError> {
        let v1::ListFindingsRequest { filter, page_size, page_token, states } = request;
        let question = v1::ListFindingsRequest {
            filter: filter.clone(),
            states: states.clone(),
            ..Default::default()
        };
        let page = Page::open("findings", &question, page_size, &page_token)?;
        let (filter, scene) = self.scene_for(filter)?;
        let mut found = keyed(&scene, &filter)?;
        found.retain(|(_, finding)| states.is_empty() || states.contains(&finding.state));
        let (findings, next_page_token) = page.cut(found, |(key, _)| key.clone());
        Ok(v1::ListFindingsResponse {
            findings: findings.into_iter().map(|(_, finding)| finding).collect(),
            next_page_token,
            completeness: Some(completeness(&scene, &filter)?),
        })
    }
}

/// All findings that a filter takes, with unique sorted keys.
pub(super) fn keyed(
    scene: &Scene,
    filter: &Filter,
) -> Result<Vec<(String, v1::FindingRow)>, QueryError> {
    let mut found: BTreeMap<String, v1::FindingRow> = BTreeMap::new();
    let mut query = filter.event_query(scene);
    query.with_changes = true;
    for group in scene.reading.groups(&query)? {
        if !filter.takes_code(&group.newest.now) {
            continue;
        }
        for cause in causes(&group.newest.now) {
            found.insert(rule_key(&group.rule, &cause), of_group(scene, &group, &cause));
        }
    }
    // Whether a rule stands, and how it is judged now, is asked of all: a rule that was corrected
    // has no longer the verdict that was asked for.
    for judged in rules::installed(scene, &filter.whatever_the_verdict())? {
        let standing = causes(&judged.verdict);
        // What it did under another verdict stays a finding of a rule that stands.
        let prefix = rule_prefix(&judged.rule.id);
        let of_this_rule =
            found.range_mut(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        for (_, known) in of_this_rule {
            known.installed_now = true;
            if !standing.contains(&known.code) {
                known.verdict_now = Some(at_this_size(scene, &judged.verdict));
            }
        }
        let claims = &judged.rule.facts.rule.claims;
        if !filter.takes_verdict(&judged.verdict, claims, &judged.authority) {
            continue;
        }
        for cause in &standing {
            let key = rule_key(&judged.rule.id, cause);
            let new = of_rule(scene, &judged, cause);
            match found.get_mut(&key) {
                Some(known) => join(known, new),
                None if filter.takes_time(new.last_seen_s) => drop(found.insert(key, new)),
                None => {}
            }
        }
    }
    found.extend(duties(scene, filter)?);
    // They come from the newest seals and starts, of which no past is kept.
    if scene.past.is_none() {
        found.extend(unstated_basis_maps(scene, filter));
        found.extend(missing_canaries(scene, filter));
        found.extend(areas(scene, filter)?);
    }
    Ok(found.into_iter().map(|(key, row)| (key, cases::complete(scene, row))).collect())
}

/// The causes for which a verdict is a finding.
fn causes(verdict: &v1::Verdict) -> Vec<String> {
    let code = verdict.code();
    let covered = match screen_word(code) {
        ScreenWord::Covered => code != VerdictCode::AuthorisedMisreferenced,
        ScreenWord::OwnMeasure => true,
        ScreenWord::BeyondItsRequest
        | ScreenWord::OutOfTime
        | ScreenWord::NoCoveringRequest
        | ScreenWord::Undetermined => false,
    };
    if !covered {
        return vec![short(code.as_str_name(), "VERDICT_CODE_")];
    }
    verdict
        .added()
        .filter(|added| match added {
            AddedFinding::Collateral
            | AddedFinding::Unconfirmed
            | AddedFinding::MisleadingResponse
            | AddedFinding::TosLabelDoubtful => true,
            // Who did it is a quality of a verdict, not a reproach.
            AddedFinding::ThirdPartyAction
            | AddedFinding::Unattributed
            | AddedFinding::Unspecified => false,
        })
        .map(|added| short(added.as_str_name(), "ADDED_FINDING_"))
        .collect()
}

/// A rule that stands is judged at the newest register head.
fn at_this_size(scene: &Scene, verdict: &v1::Verdict) -> v1::Verdict {
    v1::Verdict { register_size: scene.position.register_size, ..verdict.clone() }
}

fn of_group(scene: &Scene, group: &Group, cause: &str) -> v1::FindingRow {
    let facts = &group.newest.facts;
    let verdict = v1::Verdict {
        register_size: scene.position.settled_register_size,
        ..group.newest.now.clone()
    };
    v1::FindingRow {
        code: cause.to_owned(),
        node: group.rule.node.clone(),
        rule: group.rule.number,
        request_id: speaking(&verdict),
        target: facts.target.clone(),
        technique: facts.rule.technique,
        claims: facts.rule.claims.clone(),
        authority: scene.authority(&verdict),
        verdict: Some(verdict),
        first_seen_s: group.first_s,
        last_seen_s: group.last_s,
        hits: group.hits,
        generation: group.rule.generation.clone(),
        ..v1::FindingRow::default()
    }
}

fn of_rule(scene: &Scene, judged: &JudgedRule, cause: &str) -> v1::FindingRow {
    let JudgedRule { rule, verdict, authority, at_s } = judged;
    let verdict = at_this_size(scene, verdict);
    let since_s = if rule.installed_at_s != 0 { rule.installed_at_s } else { rule.first_shown_s };
    v1::FindingRow {
        code: cause.to_owned(),
        node: rule.id.node.clone(),
        rule: rule.id.number,
        request_id: speaking(&verdict),
        target: rule.facts.target.clone(),
        technique: rule.facts.rule.technique,
        claims: rule.facts.rule.claims.clone(),
        authority: authority.clone(),
        verdict: Some(verdict),
        first_seen_s: since_s.min(*at_s),
        last_seen_s: *at_s,
        installed_now: true,
        generation: rule.id.generation.clone(),
        ..v1::FindingRow::default()
    }
}

/// A rule that stands speaks for itself; its hits add when and how often.
fn join(known: &mut v1::FindingRow, standing: v1::FindingRow) {
    let hits = known.hits;
    let first_seen_s = known.first_seen_s;
    let last_seen_s = known.last_seen_s.max(standing.last_seen_s);
    *known = standing;
    known.hits = hits;
    // When hits under this verdict were seen first is known; since when it merely stood, is not.
    known.first_seen_s = first_seen_s;
    known.last_seen_s = last_seen_s;
}

/// Requests in force that are installed nowhere, or that a probe shows to be without effect.
fn duties(scene: &Scene, filter: &Filter) -> Result<Vec<(String, v1::FindingRow)>, QueryError> {
    let known_at = scene.known_at();
    let query = RuleQuery { known_at, installed_only: true, ..RuleQuery::default() };
    let with_rules: Vec<(StoredRule, Installed)> = scene
        .reading
        .rules(&query)?
        .into_iter()
        .filter_map(|rule| {
            let Known::Known(target) = Known::<Target>::from_wire(rule.facts.target.as_ref())
            else {
                return None;
            };
            let own = rule.facts.rule.claims.iter();
            let own = own.filter_map(|claim| Claim::try_from(claim).ok()).collect();
            let node = rule.id.node.parse::<NodeId>().ok()?;
            let claims = scene.register().claims_of(&node, rule.id.number, own).claims;
            let technique = rule.facts.rule.technique();
            Some((rule, Installed { node, target, technique, claims }))
        })
        .collect();
    let installed: Vec<Installed> = with_rules.iter().map(|(_, rule)| rule.clone()).collect();
    let at_s = scene.evidence_now_s();
    let register = scene.register();
    let mut found = Vec::new();
    for duty in not_enforced(&register, at_s, &installed, &scene.inventory) {
        let Some(entry) = register.request(&duty.request) else { continue };
        let request = entry.request();
        let code = match duty.finding {
            DutyFinding::NotEnforced => "NOT_ENFORCED",
            // Nobody looks where it would be; whether it is carried out is not known.
            DutyFinding::Undetermined => "UNDETERMINED",
        };
        let authority = request.authority.as_ref().map_or("", |a| a.id.as_str());
        let id = duty.request.to_string();
        let in_scope = |node: &str| filter.takes_node(node);
        let about_nodes = filter.nodes.is_empty()
            || duty.observed_nodes.iter().any(|node| in_scope(node))
            || duty.unobserved.iter().any(|point| in_scope(&point.node));
        let takes = about_nodes
            && filter.takes_time(at_s)
            && filter.techniques.is_empty()
            && filter.takes_duty(duty.finding)
            && (filter.requests.is_empty() || filter.requests.contains(&id))
            && (filter.authorities.is_empty()
                || filter.authorities.iter().any(|wanted| wanted == authority))
            && filter.target.as_ref().is_none_or(|wanted| {
                duty.targets.iter().any(|target| touches(wanted, &target.to_wire()))
            });
        if !takes {
            continue;
        }
        let points = duty.unobserved.iter().map(|p| format!("{}/{}", p.node, p.point)).collect();
        let row = v1::FindingRow {
            code: code.to_owned(),
            request_id: id.clone(),
            // The first of them; GetRequest has the request with all.
            target: duty.targets.first().map(Target::to_wire),
            authority: authority.to_owned(),
            first_seen_s: request.effective_from_s,
            last_seen_s: at_s,
            unobserved_points: points,
            ..v1::FindingRow::default()
        };
        // '~' sorts after every node.
        found.push((format!("~{id}/{code}"), row));
    }
    found.extend(probes::findings(scene, filter, &with_rules)?);
    Ok(found)
}

/// Nodes that, by their newest start, take claims from a basis map whose digest nobody has stated.
fn unstated_basis_maps(scene: &Scene, filter: &Filter) -> Vec<(String, v1::FindingRow)> {
    const CODE: v1::IntegrityCode = v1::IntegrityCode::UnstatedBasisMap;
    let register = scene.register();
    let newest: BTreeMap<&str, &v1::Start> = scene
        .generations
        .iter()
        .filter_map(|generation| Some((generation.node.as_str(), generation.start.as_ref()?)))
        .collect();
    let seals = scene.seal_times();
    let rows = newest.into_iter().filter_map(|(node, start)| {
        let digest = &start.basis_map_digest;
        let id: NodeId = node.parse().ok()?;
        let last_seen_s = seals.get(node).copied().unwrap_or(start.at_s);
        let stated = digest.is_empty() || register.states_basis_map(&id, digest);
        if stated || !filter.takes_integrity(node, CODE, last_seen_s) {
            return None;
        }
        let code = short(CODE.as_str_name(), "INTEGRITY_CODE_");
        let row = v1::FindingRow {
            code: code.clone(),
            node: node.to_owned(),
            first_seen_s: start.at_s,
            last_seen_s,
            basis_map_digest: digest.clone(),
            ..v1::FindingRow::default()
        };
        // Before the node's rules, whose prefix goes on with a generation.
        Some((format!("{node}/ {code}"), row))
    });
    rows.collect()
}

/// Paths on which canaries do not come back, or are sent no more.
fn missing_canaries(scene: &Scene, filter: &Filter) -> Vec<(String, v1::FindingRow)> {
    const CODE: v1::IntegrityCode = v1::IntegrityCode::CanaryMissing;
    let seals = scene.seal_times();
    let rows = canaries::rows(scene, filter).filter(canaries::is_finding).filter_map(|canary| {
        let node = canary.node.clone();
        let last_seen_s = seals.get(node.as_str()).copied().unwrap_or(canary.at_s);
        if !filter.takes_integrity(&node, CODE, last_seen_s) {
            return None;
        }
        let code = short(CODE.as_str_name(), "INTEGRITY_CODE_");
        let source = canary.source().as_str_name();
        let key = format!("{node}/ {code} {source} {}", canary.path);
        let row = v1::FindingRow {
            code,
            node,
            first_seen_s: canary.at_s,
            last_seen_s,
            canary: Some(canary),
            ..v1::FindingRow::default()
        };
        // Before the node's rules, as above.
        Some((key, row))
    });
    rows.collect()
}

/// Spans in which many nodes of one area were silent at once.
fn areas(scene: &Scene, filter: &Filter) -> Result<Vec<(String, v1::FindingRow)>, QueryError> {
    const CODE: v1::IntegrityCode = v1::IntegrityCode::SilentArea;
    let reported: BTreeSet<NodeId> = scene.heard.keys().cloned().collect();
    // Of all nodes, and whenever: what is asked for is taken from the spans that come of them.
    let everything = Filter::default();
    let (silences, _) = silences(scene, &everything)?;
    let rows =
        silent_areas(&scene.inventory, &reported, &silences).into_iter().filter_map(|span| {
            let AreaSilence { area, from_s, until_s, open, nodes, of } = span;
            let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
            let of_asked = nodes.iter().find(|node| filter.takes_node(node))?;
            if !filter.takes_integrity(of_asked, CODE, until_s) {
                return None;
            }
            let code = short(CODE.as_str_name(), "INTEGRITY_CODE_");
            let row = v1::FindingRow {
                code: code.clone(),
                first_seen_s: from_s,
                last_seen_s: until_s,
                area: Some(v1::AreaRow {
                    area: area.clone(),
                    silent_nodes: nodes,
                    nodes: of,
                    open,
                }),
                ..v1::FindingRow::default()
            };
            // Before all nodes.
            Some((format!(" {code} {area} {from_s:020}"), row))
        });
    Ok(rows.collect())
}

fn rule_prefix(rule: &RuleId) -> String {
    format!("{}/{}/{}/", rule.node, rule.generation, number(rule))
}

fn rule_key(rule: &RuleId, cause: &str) -> String {
    format!("{}{cause}", rule_prefix(rule))
}

fn number(rule: &RuleId) -> String {
    format!("{:020}", rule.number)
}

fn speaking(verdict: &v1::Verdict) -> String {
    verdict.clause.as_ref().map(|clause| clause.request_id.clone()).unwrap_or_default()
}

fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}
