//! What nobody saw: the answer's limits, each with its number, also where that is 0.

use remit_proto::v1;

use super::Places;
use crate::commands::nodes::raw_log;
use crate::output::{canary_text, gap_text, silence_text};

/// A long list is named in part; machine formats have all.
const NAMED: usize = 8;

#[derive(Debug)]
pub(super) struct Unseen {
    pub(super) what: &'static str,
    pub(super) count: u64,
    /// Of how many, where that is known.
    pub(super) of: Option<u64>,
    pub(super) which: Vec<String>,
}

impl Unseen {
    pub(super) fn how_many(&self) -> String {
        match self.of {
            Some(of) => format!("{} of {of}", self.count),
            None => self.count.to_string(),
        }
    }

    pub(super) fn named(&self) -> String {
        if self.which.is_empty() {
            return "-".to_owned();
        }
        let shown = self.which.get(..NAMED).unwrap_or(&self.which);
        let text = shown.join(" | ");
        match self.count.saturating_sub(shown.len() as u64) {
            0 => text,
            more => format!("{text} and {more} more"),
        }
    }
}

pub(super) fn unseen(
    completeness: &v1::Completeness,
    points: &[v1::PointRow],
    nodes: &[v1::NodeRow],
    unstated: Vec<String>,
    silent_areas: Vec<String>,
    places: &Places,
) -> Vec<Unseen> {
    // What the page says elsewhere is left out.
    let v1::Completeness {
        points_declared,
        silent_nodes,
        lost,
        unexplained,
        not_yet_assessed,
        undeclared_nodes,
        gaps,
        gap_count,
        silences,
        silence_count,
        canary_paths,
        canary_paths_alive,
        canaries_not_alive,
        memory_nodes,
        unfinished_reassessments,
        ..
    } = completeness;
    let named =
        |what, which: Vec<String>| Unseen { what, count: which.len() as u64, of: None, which };
    let number = |what, count: u64| Unseen { what, count, of: None, which: Vec::new() };
    let at = |nodes: &[String]| nodes.iter().map(|node| places.shown(node)).collect();
    let unobserved = points.iter().filter(|row| is(row, v1::Observation::Unobserved)).map(point);
    let mute =
        points.iter().filter(|row| !row.reporting && is(row, v1::Observation::Observed)).map(point);
    let mut points_unobserved = named("points that nobody observes", unobserved.collect());
    points_unobserved.of = Some(*points_declared);
    // The answer lists the longest, and counts all.
    let counted = |what, count: u64, which| Unseen { what, count, of: None, which };
    vec![
        points_unobserved,
        named("points declared as observed, and no agent has reported", mute.collect()),
        named("nodes silent now", at(silent_nodes)),
        named("nodes that report, and nobody declared", undeclared_nodes.clone()),
        named("nodes with a basis map that nobody stated", unstated),
        Unseen {
            what: "paths on which no canary shows that blocks are seen",
            count: canary_paths.saturating_sub(*canary_paths_alive),
            of: Some(*canary_paths),
            which: canaries_not_alive.iter().map(canary_text).collect(),
        },
        named("nodes that keep records in memory, which a power cut may cost", at(memory_nodes)),
        named("logs on disk that name clients, written for the agents", raw_logs(nodes, places)),
        counted("gaps in the records", *gap_count, gaps.iter().map(gap_text).collect()),
        named("times that many nodes of one area were silent at once", silent_areas),
        counted("silences of nodes", *silence_count, silences.iter().map(silence_text).collect()),
        number("hits lost, and counted as such", *lost),
        number("hits counted and not recorded, or recorded and not counted", *unexplained),
        number("records not yet judged", *not_yet_assessed),
        number("changes after which old events are still judged again", *unfinished_reassessments),
    ]
}

/// "edge-1 (DE-BE): unbound_rpz, on disk, up to 7 d, 12345 bytes".
fn raw_logs(nodes: &[v1::NodeRow], places: &Places) -> Vec<String> {
    let of = |node: &v1::NodeRow| {
        let on_disk =
            |log: &&v1::RawLog| log.names_clients && matches!(log.medium(), v1::RawLogMedium::Disk);
        let logs = node.raw_logs.iter().filter(on_disk).map(raw_log);
        logs.map(|log| format!("{}: {log}", places.shown(&node.node))).collect::<Vec<_>>()
    };
    nodes.iter().flat_map(of).collect()
}

fn is(row: &v1::PointRow, observation: v1::Observation) -> bool {
    row.point.as_ref().is_some_and(|point| point.observation() == observation)
}

/// "dpi-1/box (vendor-dpi, DE-BE)".
fn point(row: &v1::PointRow) -> String {
    let point = row.point.clone().unwrap_or_default();
    let place = if row.region.is_empty() { &row.country } else { &row.region };
    format!("{}/{} ({}, {place})", row.node, point.id, point.technology)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_its_number_and_names() {
        let point = |node: &str, observation: v1::Observation, reporting| v1::PointRow {
            node: node.into(),
            point: Some(v1::EnforcementPoint {
                id: "box".into(),
                technology: "vendor-dpi".into(),
                observation: observation.into(),
            }),
            country: "DE".into(),
            reporting,
            ..v1::PointRow::default()
        };
        let points = [
            point("dpi-1", v1::Observation::Unobserved, false),
            point("edge-1", v1::Observation::Observed, true),
            point("edge-2", v1::Observation::Observed, false),
        ];
        let completeness = v1::Completeness {
            points_declared: 3,
            silent_nodes: vec!["edge-2".into()],
            lost: 7,
            ..v1::Completeness::default()
        };
        let rows = unseen(&completeness, &points, &[], Vec::new(), Vec::new(), &Places::default());
        let told: Vec<(String, String)> = rows.iter().map(|r| (r.how_many(), r.named())).collect();
        let want = |how_many: &str, which: &str| (how_many.to_owned(), which.to_owned());
        assert_eq!(told.first(), Some(&want("1 of 3", "dpi-1/box (vendor-dpi, DE)")));
        assert_eq!(told.get(1), Some(&want("1", "edge-2/box (vendor-dpi, DE)")));
        assert_eq!(told.get(2), Some(&want("1", "edge-2")));
        assert_eq!(told.get(11), Some(&want("7", "-")));
    }

    #[test]
    fn a_long_list_is_named_in_part() {
        let which: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        let row = Unseen { what: "", count: 10, of: None, which };
        assert!(row.named().ends_with("7 and 2 more"), "{}", row.named());
    }
}
