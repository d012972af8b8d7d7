//! What of nodes cannot be believed as it stands (`register::integrity`), as findings.

use std::collections::{BTreeMap, BTreeSet};

use evidence::NodeId;
use register::{
    area::{AreaSilence, silent_areas},
    integrity::{ClockSuspect, Contradiction, clock_suspect, silent_agents},
    silence::Silence,
};
use remit_proto::v1;

use super::{
    Scene, canaries, completeness::newest_by_node, error::QueryError, filter::Filter,
    findings::short,
};
use crate::store::{Contradicted, StoredFork};

pub(super) fn findings(
    scene: &Scene,
    filter: &Filter,
) -> Result<Vec<(String, v1::FindingRow)>, QueryError> {
    let mut rows = unstated_basis_maps(scene, filter);
    rows.extend(missing_canaries(scene, filter));
    let reported: BTreeSet<NodeId> = scene.heard.keys().cloned().collect();
    // Of all nodes, and whenever: what is asked for is taken from the spans that come of them. All, and not those that
    // would be listed: among a thousand long ones a node that fell silent just now would be lost.
    let mut silences = Vec::new();
    for row in &scene.generations {
        silences.extend(scene.reading.silences_from(&row.node, &row.generation, 0)?);
    }
    silences.extend(scene.heard.iter().filter_map(|(node, heard)| heard.open(node, scene.now_s)));
    silences.sort();
    let spans = silent_areas(&scene.inventory, &reported, &silences);
    rows.extend(areas(filter, &spans));
    rows.extend(silent_agents(&silences, &spans).into_iter().filter_map(|s| silent(filter, s)));
    rows.extend(clocks(scene, filter));
    rows.extend(forks(scene, filter)?);
    rows.extend(contradictions(scene, filter)?);
    Ok(rows)
}

/// One for each rule and way of contradiction. It stays: what a control snapshot showed is not undone.
fn contradictions(
    scene: &Scene,
    filter: &Filter,
) -> Result<Vec<(String, v1::FindingRow)>, QueryError> {
    let mut found: BTreeMap<String, v1::FindingRow> = BTreeMap::new();
    for contradicted in scene.reading.contradicted()? {
        let Contradicted { rule, found: how, at_s, form, target, stands } = contradicted;
        let code = match how {
            Contradiction::Unreported => v1::IntegrityCode::UnreportedRule,
            Contradiction::Phantom => v1::IntegrityCode::PhantomRule,
        };
        if !filter.takes_integrity(&rule.node, code, at_s) {
            continue;
        }
        let v1::Rule { technique, claims, .. } = form;
        let row = v1::FindingRow {
            generation: rule.generation.clone(),
            rule: rule.number,
            target,
            technique,
            claims,
            installed_now: stands,
            first_seen_s: at_s,
            last_seen_s: at_s,
            ..about(&rule.node, code)
        };
        // Before the node's rules, as below.
        let key = format!("{}/ {} {} {:020}", row.node, row.code, row.generation, row.rule);
        let first_seen_s = found.get(&key).map_or(at_s, |known| known.first_seen_s.min(at_s));
        found.insert(key, v1::FindingRow { first_seen_s, ..row });
    }
    Ok(found.into_iter().collect())
}

fn silent(filter: &Filter, silence: &Silence) -> Option<(String, v1::FindingRow)> {
    const CODE: v1::IntegrityCode = v1::IntegrityCode::SilentAgent;
    let Silence { from_s, until_s, node, announced, open: _ } = silence;
    filter.takes_integrity(node.as_str(), CODE, *until_s).then(|| {
        let row = v1::FindingRow {
            first_seen_s: *from_s,
            last_seen_s: *until_s,
            stop_announced: *announced,
            ..about(node.as_str(), CODE)
        };
        keyed(row)
    })
}

/// Of the active generation of each node.
fn clocks(scene: &Scene, filter: &Filter) -> Vec<(String, v1::FindingRow)> {
    const CODE: v1::IntegrityCode = v1::IntegrityCode::ClockSuspect;
    let rows = newest_by_node(scene).filter_map(|generation| {
        let seal = generation.seal.as_ref()?;
        let suspect = clock_suspect(seal, generation.last_received_s)?;
        let ahead_s = match suspect {
            ClockSuspect::Ahead { by_s } => u64::try_from(by_s).unwrap_or(0),
            ClockSuspect::NotSynced => 0,
        };
        let at_s = generation.last_received_s;
        filter.takes_integrity(&generation.node, CODE, at_s).then(|| {
            keyed(v1::FindingRow {
                detail: suspect.word().to_owned(),
                ahead_s,
                // Since when is not followed: the newest seal speaks.
                first_seen_s: at_s,
                last_seen_s: at_s,
                ..about(&generation.node, CODE)
            })
        })
    });
    rows.collect()
}

/// One for each generation and kind, as they came: a new key does not go on with what was done with the one before.
fn forks(scene: &Scene, filter: &Filter) -> Result<Vec<(String, v1::FindingRow)>, QueryError> {
    const CODE: v1::IntegrityCode = v1::IntegrityCode::Forked;
    let forks = scene.reading.forks()?.into_iter();
    let asked = forks.filter(|fork| filter.takes_integrity(&fork.node, CODE, fork.last_s));
    let rows = asked.map(|fork| {
        let StoredFork { node, generation, kind, count, first_s, last_s } = fork;
        let superseded = kind == i32::from(v1::ForkKind::SupersededGeneration);
        let row = v1::FindingRow {
            detail: if superseded { "superseded".to_owned() } else { String::new() },
            generation,
            forks: count,
            first_seen_s: first_s,
            last_seen_s: last_s,
            ..about(&node, CODE)
        };
        (format!("{}/ {} {} {}", row.node, row.code, row.generation, row.detail), row)
    });
    Ok(rows.collect())
}

fn about(node: &str, code: v1::IntegrityCode) -> v1::FindingRow {
    v1::FindingRow {
        code: short(code.as_str_name(), "INTEGRITY_CODE_"),
        node: node.to_owned(),
        ..v1::FindingRow::default()
    }
}

/// Before the node's rules, whose prefix goes on with a generation.
fn keyed(row: v1::FindingRow) -> (String, v1::FindingRow) {
    (format!("{}/ {} {}", row.node, row.code, row.detail), row)
}

/// Nodes that, by their newest start, take claims from a basis map whose digest nobody has stated.
fn unstated_basis_maps(scene: &Scene, filter: &Filter) -> Vec<(String, v1::FindingRow)> {
    const CODE: v1::IntegrityCode = v1::IntegrityCode::UnstatedBasisMap;
    let register = scene.whole();
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
fn areas(filter: &Filter, spans: &[AreaSilence]) -> Vec<(String, v1::FindingRow)> {
    const CODE: v1::IntegrityCode = v1::IntegrityCode::SilentArea;
    let rows = spans.iter().cloned().filter_map(|span| {
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
            area: Some(v1::AreaRow { area: area.clone(), silent_nodes: nodes, nodes: of, open }),
            ..v1::FindingRow::default()
        };
        // Before all nodes.
        Some((format!(" {code} {area} {from_s:020}"), row))
    });
    rows.collect()
}
