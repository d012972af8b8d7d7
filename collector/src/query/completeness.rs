//! What an answer rests on, and what it may have missed (DESIGN.md idea 7).

use std::collections::BTreeSet;

use evidence::NodeId;
use register::{
    points,
    silence::{self, Silence},
};
use remit_proto::v1::{self, Observation};

use super::{Scene, canaries, error::QueryError, filter::Filter};
use crate::store::GenerationRow;

/// For a question about these nodes and this span of time.
pub(super) fn completeness(scene: &Scene, filter: &Filter) -> Result<v1::Completeness, QueryError> {
    let mut answer = v1::Completeness {
        log_size: scene.position.log_size,
        register_size: scene.position.register_size,
        unfinished_reassessments: scene.position.unfinished,
        // Until a cosignature is verified here, none is claimed.
        witnesses: 0,
        as_known_at_s: scene.past.map_or(0, |past| past.as_known_at_s),
        log_size_at_s: scene.past.map_or(0, |_| scene.position.at_s),
        veiled_requests: scene.veil.count(),
        hidden_requests: scene.veil.hidden_count(),
        ..v1::Completeness::default()
    };
    let (silences, count) = silences(scene, filter)?;
    answer.silence_count = count;
    for facts in scene.inventory.iter().filter(|facts| filter.takes_node(&facts.node)) {
        for point in &facts.points {
            answer.points_declared += 1;
            let looked = observed(scene, &facts.node, point)
                .filter(|_| !silences.iter().any(|s| spans_question(scene, filter, s, facts)));
            match looked {
                Some(Observation::Observed) => answer.points_observed += 1,
                Some(Observation::Relayed) => answer.points_relayed += 1,
                Some(Observation::Unobserved | Observation::Unspecified) | None => {
                    answer.unobserved_points.push(format!("{}/{}", facts.node, point.id));
                }
            }
        }
    }
    answer.silences = silences.into_iter().map(silence_row).collect();
    let (since_s, until_s) = span(scene, filter);
    let (gaps, count) = scene.reading.gaps(since_s, until_s, &filter.nodes)?;
    answer.gaps = gaps.into_iter().map(|gap| gap_row(scene, gap.node, gap.gap)).collect();
    answer.gap_count = count;
    for loss in scene.reading.losses(since_s, until_s)? {
        if filter.takes_node(&loss.node) {
            answer.lost = answer.lost.saturating_add(loss.lost);
            answer.unexplained = answer.unexplained.saturating_add(loss.unexplained);
        }
    }
    if scene.past.is_some() {
        return Ok(answer);
    }
    for newest in newest_by_node(scene).filter(|newest| filter.takes_node(&newest.node)) {
        // A silence that began after the time in question does not touch it.
        let since_s = last_heard_s(scene, &newest.node);
        if is_silent(scene, &newest.node) && (filter.until_s == 0 || since_s < filter.until_s) {
            answer.silent_nodes.push(newest.node.clone());
        }
        if newest.loss_bound_s > 0 {
            answer.memory_nodes.push(newest.node.clone());
            answer.loss_bound_s = answer.loss_bound_s.max(newest.loss_bound_s);
        }
        let declared = scene.inventory.iter().any(|facts| facts.node == newest.node);
        let sends = scene.generations.iter().any(|g| g.node == newest.node && g.received_size > 0);
        if sends && !declared {
            answer.undeclared_nodes.push(newest.node.clone());
        }
    }
    for generation in scene.generations.iter().filter(|g| filter.takes_node(&g.node)) {
        let waiting = generation.received_size.saturating_sub(generation.covered_size);
        answer.not_yet_assessed = answer.not_yet_assessed.saturating_add(waiting);
    }
    canaries::complete(&mut answer, scene, filter);
    Ok(answer)
}

/// What is asked about; 0: without a bound. Of a time that has passed nothing is told that began later.
fn span(scene: &Scene, filter: &Filter) -> (i64, i64) {
    let Filter { since_s, until_s, .. } = *filter;
    let Some(past) = scene.past else { return (since_s, until_s) };
    let bound_s = past.as_known_at_s.saturating_add(1);
    (since_s, if until_s == 0 { bound_s } else { until_s.min(bound_s) })
}

/// Those that lie in the question, in the order of time, and how many there are.
fn silences(scene: &Scene, filter: &Filter) -> Result<(Vec<Silence>, u64), QueryError> {
    let (since_s, until_s) = span(scene, filter);
    let (mut found, mut count) = scene.reading.silences(since_s, until_s, &filter.nodes)?;
    let open = scene
        .heard
        .iter()
        .filter(|(node, _)| filter.takes_node(node.as_str()))
        .filter_map(|(node, heard)| heard.open(node, scene.now_s))
        .filter(|open| open.until_s >= since_s && (until_s == 0 || open.from_s < until_s));
    for open in open {
        found.push(open);
        count = count.saturating_add(1);
    }
    Ok((silence::listed(found), count))
}

/// A node that was silent for all of the time in question observed nothing in it.
fn spans_question(
    scene: &Scene,
    filter: &Filter,
    silence: &Silence,
    facts: &v1::NodeFacts,
) -> bool {
    let until_s = if filter.until_s == 0 { scene.now_s } else { filter.until_s.min(scene.now_s) };
    facts.node == silence.node.as_str()
        && silence.from_s <= filter.since_s
        && (silence.open || until_s <= silence.until_s)
}

/// How a point is looked at in fact.
fn observed(scene: &Scene, node: &str, point: &v1::EnforcementPoint) -> Option<Observation> {
    points::observed(point, &sources(scene, node))
}

/// Whether an agent for the point's technology has reported.
pub(super) fn reports(scene: &Scene, node: &str, point: &v1::EnforcementPoint) -> bool {
    points::reports(point, &sources(scene, node))
}

/// What the agent of a node says it reads, by its active generation.
fn sources(scene: &Scene, node: &str) -> BTreeSet<i32> {
    let mut newest = newest_by_node(scene).filter(|generation| generation.node == node);
    let Some(generation) = newest.next() else { return BTreeSet::new() };
    let started = generation.start.iter().flat_map(|start| start.sources.iter().copied());
    let sealed = generation.seal.iter().flat_map(|seal| &seal.sources).map(|a| a.source);
    started.chain(sealed).collect()
}

/// The active generation of each node, in the order of nodes.
pub(super) fn newest_by_node<'s>(
    scene: &'s Scene,
) -> impl Iterator<Item = &'s GenerationRow> + use<'s> {
    let all = &scene.generations;
    all.iter().enumerate().filter_map(move |(at, row)| {
        let last = all.get(at.saturating_add(1)).is_none_or(|next| next.node != row.node);
        last.then_some(row)
    })
}

/// When anything of a node last arrived, or when it was enrolled if nothing did.
pub(super) fn last_heard_s(scene: &Scene, node: &str) -> i64 {
    let of = scene.generations.iter().filter(|generation| generation.node == node);
    of.map(|generation| generation.last_received_s.max(generation.enrolled_at_s)).max().unwrap_or(0)
}

/// Nothing arrived within three seal intervals; a clean stop is silence too, and is said beside it.
/// Of a node that has not said how often it seals, the longest that it may say is expected.
pub(super) fn is_silent(scene: &Scene, node: &str) -> bool {
    let heard = node.parse().ok().and_then(|node: NodeId| scene.heard.get(&node));
    let after_s = heard.map_or(SILENT_AFTER_S_MAX, silence::Heard::silent_after_s);
    scene.now_s.saturating_sub(last_heard_s(scene, node)) > after_s
}

const SILENT_AFTER_S_MAX: i64 = 3 * evidence::leaf::SEAL_INTERVAL_S_MAX as i64;

fn silence_row(silence: Silence) -> v1::SilenceRow {
    let Silence { from_s, until_s, node, announced, open } = silence;
    v1::SilenceRow { node: node.to_string(), from_s, until_s, announced, open }
}

fn gap_row(scene: &Scene, node: String, gap: v1::Gap) -> v1::GapRow {
    let v1::Gap { source, cause, rule, mut claims, count_known, count, from_s, until_s } = gap;
    scene.veil.claims(&mut claims);
    v1::GapRow { node, source, cause, rule, claims, count_known, count, from_s, until_s }
}
