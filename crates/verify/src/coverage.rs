//! How much the evidence covers: not whether it is true, but what it may have missed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use evidence::NodeId;
use register::{
    area::{AreaSilence, silent_areas},
    canary::{self, Health, health},
    silence,
};
use remit_proto::v1::{self, leaf::Body, log_entry::Entry};
use serde::Serialize;

use crate::{agents::Agents, history::Known, openings::NotOpened};

#[derive(Debug, Clone, Default, Serialize)]
pub struct Coverage {
    pub log_size: u64,
    pub register_size: u64,
    pub witnesses: u32,
    /// Times that the log states; the operator's word.
    pub first_entry_at_s: i64,
    pub last_entry_at_s: i64,
    pub nodes_declared: u64,
    pub nodes_reporting: u64,
    /// They send, and nobody declared them.
    pub nodes_undeclared: Vec<String>,
    pub persons: u64,
    pub points_declared: u64,
    pub points_observed: u64,
    pub points_relayed: u64,
    /// Declared as observed, and no agent of the node says that it reads such a source.
    pub points_without_reports: Vec<String>,
    /// `<node>/<point>`
    pub points_unobserved: Vec<String>,
    pub leaves: u64,
    pub seals: u64,
    pub hits: u64,
    pub gaps: u64,
    /// Leaves in which a person says something of a deed.
    pub deeds: u64,
    /// Outside measurements.
    pub probes: u64,
    /// `register::silence`: the longest of them, and how many there are.
    pub silences: Vec<Silence>,
    pub silence_count: u64,
    /// `register::area`: many nodes of one area silent at once; the first thousand.
    pub silent_areas: Vec<SilentArea>,
    /// Paths of canaries by the last seal of each tree, and how many were alive then.
    pub canary_paths: u64,
    pub canary_paths_alive: u64,
    /// `<node> <path>: …`, of those that were not; at most 1,000.
    pub canaries_not_alive: Vec<String>,
    pub lost: u64,
    pub unexplained: u64,
    /// Sources that have no separate counter, so that nobody can say what they missed.
    pub sources_uncounted: u64,
    pub released_early: u64,
    /// Trees whose node kept its records in memory (`Genesis.durability`), and how much of them a power cut
    /// may have cost at a time: the largest bound of theirs.
    pub trees_in_memory: u64,
    pub loss_bound_s: u32,
    pub openings_erased: u64,
    pub openings_withheld: u64,
    pub openings_absent: u64,
    pub forks: u64,
    /// Rules of which a control snapshot contradicts what their node had told: shown and not told of, or told of
    /// and not there.
    pub rules_unreported: u64,
    pub rules_phantom: u64,
    /// Days of events of which the collector says that it wrote them to files of their own.
    pub archives: u64,
    /// Bundles that were taken away before this one.
    pub exports: u64,
    pub leaves_under_revoked_keys: u64,
    pub statements_shown_late: u64,
    /// Acts of people on findings.
    pub decisions: u64,
    /// `<node> <SHA-256>`: the node took claims from a basis map that nobody stated in the register.
    pub basis_maps_unstated: Vec<String>,
    /// For how long references may come into the register later than acts, by each statement of it; none: nothing is
    /// waited for.
    pub late_registers: Vec<LateRegister>,
    pub events_judged: u64,
    /// Entries of the log that say that old events were judged again, and how many came out the same here.
    pub reassessments: u64,
    pub reassessments_checked: u64,
    /// Screen word → events, as known now.
    pub verdicts: BTreeMap<String, u64>,
    /// Of the covered and the operator's own: "<screen word>, <proof of the request>, registered <before the act>" →
    /// events (DOMAIN.md section 3, "Two qualities").
    pub proofs: BTreeMap<String, u64>,
    /// What requests demand and was not done, code → requests; apart from verdicts on purpose (DOMAIN.md 3b).
    pub duties: BTreeMap<String, Vec<String>>,
    /// What is wrong with requests themselves, code → requests (DOMAIN.md 3c).
    pub defects: BTreeMap<String, Vec<String>>,
}

/// A person's signed statement: UNDETERMINED(late_register) for so long after acts from a time on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LateRegister {
    pub statement: u64,
    pub grace_s: u32,
    /// Of acts from then on, until the next one speaks.
    pub since_s: i64,
    pub person: String,
}

/// No seal for more than three seal intervals, or none since the one that announced a stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Silence {
    pub node: String,
    pub from_s: i64,
    /// Of an open one: the time of the newest entry of the log.
    pub until_s: i64,
    /// The node had said that it stops.
    pub announced: bool,
    pub open: bool,
}

/// At least three nodes of an area, and half of those that ever reported, silent at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SilentArea {
    /// "region DE-BE", "country DE", "group core", as the operator declares them.
    pub area: String,
    pub from_s: i64,
    /// Of an open one: the time of the newest entry of the log.
    pub until_s: i64,
    pub open: bool,
    /// Silent at any time of the span.
    pub nodes: Vec<String>,
    /// Nodes of the area that have ever reported.
    pub of: u64,
}

pub(crate) fn measure(
    entries: &[Known],
    agents: &Agents<'_>,
    facts: &[v1::NodeFacts],
    not_opened: NotOpened,
) -> Coverage {
    let NotOpened { erased, withheld, absent } = not_opened;
    let mut coverage = Coverage {
        first_entry_at_s: entries.first().map_or(0, |k| k.logged_at_s),
        last_entry_at_s: entries.last().map_or(0, |k| k.logged_at_s),
        openings_erased: erased,
        openings_withheld: withheld,
        openings_absent: absent,
        forks: entries.iter().filter(|k| matches!(k.entry, Entry::Fork(_))).count() as u64,
        archives: entries.iter().filter(|k| matches!(k.entry, Entry::Archive(_))).count() as u64,
        exports: entries.iter().filter(|k| matches!(k.entry, Entry::Export(_))).count() as u64,
        ..Coverage::default()
    };
    points(&mut coverage, facts, &sources(agents));
    let reporting: BTreeSet<&str> =
        agents.by_origin.values().map(|agent| agent.origin.node.as_str()).collect();
    coverage.nodes_declared = facts.len() as u64;
    coverage.nodes_reporting = reporting.len() as u64;
    coverage.nodes_undeclared = reporting
        .iter()
        .filter(|node| facts.iter().all(|f| f.node != **node))
        .map(|node| (*node).to_owned())
        .collect();
    for agent in agents.by_origin.values() {
        leaves(&mut coverage, agent);
    }
    coverage
}

/// By node, what its agent says it reads: by the newest start and seal of its newest generation.
fn sources<'a>(agents: &'a Agents<'_>) -> BTreeMap<&'a str, BTreeSet<i32>> {
    let of = |agent: &crate::agents::Agent<'_>| {
        let bodies = || agent.leaves.iter().rev().map(|leaf| leaf.body());
        let start = bodies().find_map(|body| match body {
            Some(Body::Start(start)) => Some(start),
            _ => None,
        });
        let seal = bodies().find_map(|body| match body {
            Some(Body::Seal(seal)) => Some(seal),
            _ => None,
        });
        let started = start.into_iter().flat_map(|start| start.sources.iter().copied());
        let sealed = seal.into_iter().flat_map(|seal| &seal.sources).map(|account| account.source);
        started.chain(sealed).collect()
    };
    // Generations of a node stand in their order: the newest one speaks.
    agents.by_origin.values().map(|agent| (agent.origin.node.as_str(), of(agent))).collect()
}

fn points(
    coverage: &mut Coverage,
    facts: &[v1::NodeFacts],
    sources: &BTreeMap<&str, BTreeSet<i32>>,
) {
    let nobody = BTreeSet::new();
    for node in facts {
        let sources = sources.get(node.node.as_str()).unwrap_or(&nobody);
        for point in &node.points {
            coverage.points_declared += 1;
            let name = format!("{}/{}", node.node, point.id);
            match (point.observation(), register::points::observed(point, sources)) {
                (_, Some(v1::Observation::Observed)) => coverage.points_observed += 1,
                (_, Some(v1::Observation::Relayed)) => coverage.points_relayed += 1,
                (v1::Observation::Observed | v1::Observation::Relayed, _) => {
                    coverage.points_without_reports.push(name);
                }
                (v1::Observation::Unobserved | v1::Observation::Unspecified, _) => {
                    coverage.points_unobserved.push(name);
                }
            }
        }
    }
}

fn leaves(coverage: &mut Coverage, agent: &crate::agents::Agent<'_>) {
    let mut last_seal: Option<&v1::Seal> = None;
    for (index, leaf) in (0_u64..).zip(&agent.leaves) {
        coverage.leaves += 1;
        if agent.revoked_from_size.is_some_and(|size| index >= size) {
            coverage.leaves_under_revoked_keys += 1;
        }
        match leaf.body() {
            Some(Body::Activity(activity)) => {
                coverage.hits = coverage.hits.saturating_add(activity.hits);
            }
            Some(Body::Gap(_)) => coverage.gaps += 1,
            Some(Body::ServiceAction(_)) => coverage.deeds += 1,
            Some(Body::Probe(_)) => coverage.probes += 1,
            Some(Body::Genesis(genesis)) if genesis.loss_bound_s > 0 => {
                coverage.trees_in_memory += 1;
                coverage.loss_bound_s = coverage.loss_bound_s.max(genesis.loss_bound_s);
            }
            Some(Body::Seal(seal)) => {
                coverage.seals += 1;
                last_seal = Some(seal);
            }
            _ => {}
        }
    }
    let Some(seal) = last_seal else { return };
    canaries(coverage, agent.origin.node.as_str(), seal);
    coverage.released_early = coverage.released_early.saturating_add(seal.released_early);
    for account in &seal.sources {
        let lost = account.lost.iter().fold(0_u64, |sum, loss| sum.saturating_add(loss.count));
        coverage.lost = coverage.lost.saturating_add(lost);
        coverage.unexplained = coverage
            .unexplained
            .saturating_add(account.unexplained_missing)
            .saturating_add(account.unexplained_surplus);
        coverage.sources_uncounted += u64::from(!account.offered_known);
    }
}

fn canaries(coverage: &mut Coverage, node: &str, seal: &v1::Seal) {
    for account in canary::paths(seal) {
        coverage.canary_paths += 1;
        let since = |what: &str, at_s| match at_s {
            0 => format!("{what} ever"),
            at_s => format!("{what} since {}", utc(at_s)),
        };
        let says = match health(account, seal.at_s) {
            Health::Alive { as_of_s: _ } => {
                coverage.canary_paths_alive += 1;
                continue;
            }
            Health::None => "no canaries".to_owned(),
            Health::Waiting => "the first was just sent".to_owned(),
            Health::Missing { since_s } => since("none came back", since_s),
            Health::Stopped { since_s } => since("none sent", since_s),
        };
        if coverage.canaries_not_alive.len() < canary::LISTED_MAX {
            coverage.canaries_not_alive.push(format!("{node} {}: {says}", account.path));
        }
    }
}

/// What the replay found, in the order of the log; where nodes stand by the inventory as it is now.
pub(crate) fn silences(
    coverage: &mut Coverage,
    found: Vec<silence::Silence>,
    facts: &[v1::NodeFacts],
    reported: &BTreeSet<NodeId>,
) {
    coverage.silent_areas = silent_areas(facts, reported, &found)
        .into_iter()
        .take(AREAS_MAX)
        .map(|AreaSilence { area, from_s, until_s, open, nodes, of }| SilentArea {
            area,
            from_s,
            until_s,
            open,
            nodes: nodes.iter().map(ToString::to_string).collect(),
            of,
        })
        .collect();
    coverage.silence_count = found.len() as u64;
    coverage.silences = silence::listed(found)
        .into_iter()
        .map(|silence::Silence { from_s, until_s, node, announced, open }| Silence {
            node: node.to_string(),
            from_s,
            until_s,
            announced,
            open,
        })
        .collect();
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, text: String| writeln!(f, "  {name:<13} {text}");
        row(
            "sizes",
            format!(
                "log {}, register {}, {} witnesses; entries from {} to {}, by the operator's clock",
                self.log_size,
                self.register_size,
                self.witnesses,
                utc(self.first_entry_at_s),
                utc(self.last_entry_at_s)
            ),
        )?;
        row(
            "points",
            format!(
                "observes {} of {} declared points ({} relayed); unobserved: {}; declared as observed or relayed, and no agent reports: {}",
                self.points_observed,
                self.points_declared,
                self.points_relayed,
                list(&self.points_unobserved),
                list(&self.points_without_reports)
            ),
        )?;
        row(
            "nodes",
            format!(
                "{} declared, {} reporting, reporting and not declared: {}",
                self.nodes_declared,
                self.nodes_reporting,
                list(&self.nodes_undeclared)
            ),
        )?;
        row(
            "records",
            format!(
                "{} leaves, {} seals, {} hits, {} gaps, {} words of persons, {} probes, {} lost, {} unexplained, {} sources without a counter, {} released early",
                self.leaves,
                self.seals,
                self.hits,
                self.gaps,
                self.deeds,
                self.probes,
                self.lost,
                self.unexplained,
                self.sources_uncounted,
                self.released_early
            ),
        )?;
        if self.trees_in_memory > 0 {
            row(
                "in memory",
                format!(
                    "{} trees of nodes that keep records in memory: each power cut may have cost {} s of them",
                    self.trees_in_memory, self.loss_bound_s
                ),
            )?;
        }
        row(
            "silences",
            format!(
                "{} of more than three seal intervals, as each node states them, or after a stop",
                self.silence_count
            ),
        )?;
        for silence in self.silences.iter().take(SHOWN) {
            let why = if silence.announced { " (stop announced)" } else { "" };
            let end = if silence.open { " and not heard since" } else { "" };
            row(
                "",
                format!(
                    "{} from {} to {}{end}{why}",
                    silence.node,
                    utc(silence.from_s),
                    utc(silence.until_s)
                ),
            )?;
        }
        let more = self.silence_count.saturating_sub(SHOWN.min(self.silences.len()) as u64);
        if more > 0 {
            row("", format!("and {more} more"))?;
        }
        for SilentArea { area, from_s, until_s, open, nodes, of } in
            self.silent_areas.iter().take(SHOWN)
        {
            let end = if *open { ", and still" } else { "" };
            row(
                "silent area",
                format!(
                    "{area}: {} of {of} nodes at once, from {} to {}{end}: {}",
                    nodes.len(),
                    utc(*from_s),
                    utc(*until_s),
                    list(nodes)
                ),
            )?;
        }
        let more = self.silent_areas.len().saturating_sub(SHOWN);
        if more > 0 {
            row("", format!("and {more} more"))?;
        }
        row(
            "canaries",
            format!(
                "{} of {} paths alive at the last seal; not: {}",
                self.canary_paths_alive,
                self.canary_paths,
                list(&self.canaries_not_alive)
            ),
        )?;
        row(
            "not opened",
            format!(
                "{} erased, {} withheld, {} absent",
                self.openings_erased, self.openings_withheld, self.openings_absent
            ),
        )?;
        row("exports", format!("{} before this one", self.exports))?;
        if self.archives > 0 {
            row(
                "archives",
                format!("{} days or parts of days, by their manifests", self.archives),
            )?;
        }
        row(
            "irregular",
            format!(
                "{} forks kept, {} leaves under keys revoked later, {} statements shown to the log more than 5 minutes after the time they state",
                self.forks, self.leaves_under_revoked_keys, self.statements_shown_late
            ),
        )?;
        row(
            "rules listed again",
            format!(
                "{} shown by control snapshots and not told of before, {} told of and not there",
                self.rules_unreported, self.rules_phantom
            ),
        )?;
        row(
            "basis maps",
            format!("used and stated by nobody: {}", list(&self.basis_maps_unstated)),
        )?;
        if self.late_registers.is_empty() {
            row(
                "late register",
                "nobody stated a time to wait for it: none is waited for".to_owned(),
            )?;
        }
        let earlier = self.late_registers.len().saturating_sub(SHOWN);
        if earlier > 0 {
            row("late register", format!("{earlier} statements before these"))?;
        }
        for LateRegister { statement, grace_s, since_s, person } in
            self.late_registers.iter().skip(earlier)
        {
            row(
                "late register",
                format!(
                    "waited for {grace_s} s after acts from {} on, by statement {statement}, signed by {person}",
                    utc(*since_s)
                ),
            )?;
        }
        row("cases", format!("{} acts of people on findings", self.decisions))?;
        let verdicts: Vec<String> =
            self.verdicts.iter().map(|(word, count)| format!("{count} {word}")).collect();
        row("events", format!("{} judged: {}", self.events_judged, list(&verdicts)))?;
        for (at, (quality, count)) in self.proofs.iter().enumerate() {
            row(if at == 0 { "by proof" } else { "" }, format!("{count} {quality}"))?;
        }
        row(
            "judged again",
            format!(
                "{} of {} re-assessments of old events computed again, with the same changes",
                self.reassessments_checked, self.reassessments
            ),
        )?;
        // Never one score with what was blocked without cover.
        for (name, found) in [("duties", &self.duties), ("entries", &self.defects)] {
            if found.is_empty() {
                row(name, "none found wanting".to_owned())?;
            }
            for (at, (code, requests)) in found.iter().enumerate() {
                let name = if at == 0 { name } else { "" };
                row(name, format!("{} {code}: {}", requests.len(), list(requests)))?;
            }
        }
        Ok(())
    }
}

/// An operator who declares more areas than these, all silent at once, has other worries.
const AREAS_MAX: usize = 1000;
/// Silences that the text shows; the JSON of the report lists more.
const SHOWN: usize = 20;

fn utc(at_s: i64) -> String {
    if at_s == 0 { "-".to_owned() } else { register::words::time(at_s) }
}

fn list(words: &[String]) -> String {
    const SHOWN: usize = 10;
    match words.len() {
        0 => "none".to_owned(),
        count if count <= SHOWN => words.join(", "),
        count => {
            format!(
                "{} and {} more",
                words.get(..SHOWN).unwrap_or_default().join(", "),
                count - SHOWN
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_that_was_silent_at_once_is_told_with_its_nodes() {
        let node = |name: &str| -> NodeId { name.parse().unwrap() };
        let facts: Vec<v1::NodeFacts> = ["r1", "r2", "r3", "r4"]
            .into_iter()
            .map(|node| v1::NodeFacts {
                node: node.to_owned(),
                country: "DE".to_owned(),
                ..v1::NodeFacts::default()
            })
            .collect();
        let silence = |name: &str, from_s: i64, until_s: i64| silence::Silence {
            node: node(name),
            from_s,
            until_s,
            announced: false,
            open: false,
        };
        let told = |found: Vec<silence::Silence>, reported: &[&str]| {
            let mut coverage = Coverage::default();
            let reported = reported.iter().map(|name| node(name)).collect();
            silences(&mut coverage, found, &facts, &reported);
            coverage
        };
        let found =
            || vec![silence("r1", 60, 300), silence("r2", 100, 400), silence("r3", 120, 200)];
        let coverage = told(found(), &["r1", "r2", "r3", "r4"]);
        let [area] = &coverage.silent_areas[..] else { panic!("{coverage:?}") };
        assert_eq!((area.area.as_str(), area.from_s, area.until_s), ("country DE", 120, 200));
        assert_eq!(
            (area.nodes.as_slice(), area.of),
            (&["r1", "r2", "r3"].map(String::from)[..], 4)
        );
        let shown = coverage.to_string();
        let line = "silent area   country DE: 3 of 4 nodes at once, from 1970-01-01T00:02:00Z to \
                    1970-01-01T00:03:20Z: r1, r2, r3";
        assert!(shown.contains(line), "{shown}");
        // Two that are silent together are two nodes; and nobody missed one that never reported.
        assert!(told(found()[..2].to_vec(), &["r1", "r2", "r3", "r4"]).silent_areas.is_empty());
        assert!(told(found(), &["r1", "r2", "r4"]).silent_areas.is_empty());
        assert!(!Coverage::default().to_string().contains("silent area"));
    }
}
