//! Many nodes of one area silent at once: the trace of an outage, or of somebody who had it switched off.
//!
//! In: the silences of all nodes ([`silence`](crate::silence)), and where nodes stand (`NodeFacts`). Out:
//! the spans in which an area was silent as such.
//!
//! An *area* is a region, a country where no region is declared, or a group of nodes. It is silent while
//! at least [`NODES_MIN`] of its nodes that have ever reported are, and at least half of these
//! ([`SHARE_PERCENT`]). Stops that were announced count: who switches a region off may do it in good
//! order. A node that was never heard of is no part of it; it is an unobserved point.

use std::collections::{BTreeMap, BTreeSet};

use evidence::NodeId;
use remit_proto::v1;

use crate::silence::Silence;

/// Two nodes that are silent together are two nodes.
pub const NODES_MIN: usize = 3;
/// Of the area's nodes that have ever reported.
pub const SHARE_PERCENT: usize = 50;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AreaSilence {
    /// "region DE-BE", "country DE", "group core".
    pub area: String,
    pub from_s: i64,
    /// Of an open one: the time of the question.
    pub until_s: i64,
    pub open: bool,
    /// Silent at any time of the span.
    pub nodes: BTreeSet<NodeId>,
    /// Nodes of the area that have ever reported.
    pub of: u64,
}

/// In the order of areas and times.
pub fn silent_areas(
    inventory: &[v1::NodeFacts],
    reported: &BTreeSet<NodeId>,
    silences: &[Silence],
) -> Vec<AreaSilence> {
    let mut areas: BTreeMap<String, BTreeSet<&NodeId>> = BTreeMap::new();
    for facts in inventory {
        let Some(node) = facts.node.parse().ok().and_then(|node: NodeId| reported.get(&node))
        else {
            continue;
        };
        for area in areas_of(facts) {
            areas.entry(area).or_default().insert(node);
        }
    }
    let mut found = Vec::new();
    for (area, nodes) in areas {
        let needed = NODES_MIN.max((nodes.len() * SHARE_PERCENT).div_ceil(100));
        let here: Vec<&Silence> = silences.iter().filter(|s| nodes.contains(&s.node)).collect();
        found.extend(spans(&here, needed).into_iter().map(|span| AreaSilence {
            area: area.clone(),
            of: nodes.len() as u64,
            ..span
        }));
    }
    found
}

fn areas_of(facts: &v1::NodeFacts) -> impl Iterator<Item = String> {
    let place = match (facts.region.as_str(), facts.country.as_str()) {
        ("", "") => None,
        ("", country) => Some(format!("country {country}")),
        (region, _) => Some(format!("region {region}")),
    };
    place.into_iter().chain(facts.groups.iter().map(|group| format!("group {group}")))
}

/// The spans in which at least so many nodes were silent.
fn spans(silences: &[&Silence], needed: usize) -> Vec<AreaSilence> {
    // A node whose silence ends as its next one begins is silent all the time: begins come first.
    let begins = silences.iter().map(|silence| (silence.from_s, false, *silence));
    let ends = silences.iter().map(|silence| (silence.until_s, true, *silence));
    let mut turns: Vec<(i64, bool, &Silence)> = begins.chain(ends).collect();
    turns.sort();
    let mut now: BTreeMap<&NodeId, usize> = BTreeMap::new();
    let mut found: Vec<AreaSilence> = Vec::new();
    let mut at_work: Option<AreaSilence> = None;
    for (at_s, ends, silence) in turns {
        if !ends {
            *now.entry(&silence.node).or_default() += 1;
        } else if let Some(count) = now.get_mut(&silence.node) {
            *count -= 1;
            if *count == 0 {
                now.remove(&silence.node);
            }
        }
        match &mut at_work {
            None if now.len() >= needed => {
                at_work = Some(AreaSilence {
                    area: String::new(),
                    from_s: at_s,
                    until_s: at_s,
                    open: false,
                    nodes: now.keys().map(|node| (*node).clone()).collect(),
                    of: 0,
                });
            }
            None => {}
            Some(span) if now.len() >= needed => drop(span.nodes.insert(silence.node.clone())),
            Some(_) => found.extend(at_work.take().map(|span| AreaSilence {
                until_s: at_s,
                // What ends at the time of the question has not ended.
                open: silence.open,
                ..span
            })),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(node: &str, region: &str, groups: &[&str]) -> v1::NodeFacts {
        v1::NodeFacts {
            node: node.to_owned(),
            country: "DE".to_owned(),
            region: region.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..v1::NodeFacts::default()
        }
    }

    /// Six nodes: r1 to r4 in Berlin, r5 and r6 somewhere, all but r6 in the core. A silence is "<node>
    /// <from> <until>", "open" behind it if it is.
    fn check(silences: &[&str], expected: &[&str]) {
        let mut inventory: Vec<_> = ["r1", "r2", "r3", "r4"]
            .into_iter()
            .map(|node| facts(node, "DE-BE", &["core"]))
            .collect();
        inventory.push(facts("r5", "", &["core"]));
        inventory.push(facts("r6", "", &[]));
        // Declared, and never heard of.
        inventory.push(facts("r7", "DE-BE", &[]));
        let reported = ["r1", "r2", "r3", "r4", "r5", "r6"].map(|node| node.parse().unwrap());
        let silences: Vec<Silence> = silences
            .iter()
            .map(|text| {
                let words: Vec<&str> = text.split(' ').collect();
                Silence {
                    from_s: words[1].parse().unwrap(),
                    until_s: words[2].parse().unwrap(),
                    node: words[0].parse().unwrap(),
                    announced: false,
                    open: words.contains(&"open"),
                }
            })
            .collect();
        let found: Vec<String> = silent_areas(&inventory, &reported.into(), &silences)
            .into_iter()
            .map(|AreaSilence { area, from_s, until_s, open, nodes, of }| {
                let until = if open { "open".to_owned() } else { until_s.to_string() };
                format!("{area} {from_s} {until}: {} of {of}", nodes.len())
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn three_of_four_together_are_an_area_and_two_are_not() {
        check(&["r1 10 90", "r2 20 90"], &[]);
        check(
            &["r1 10 90", "r2 20 80", "r3 30 90"],
            &["group core 30 80: 3 of 5", "region DE-BE 30 80: 3 of 4"],
        );
    }

    #[test]
    fn one_after_the_other_is_not_at_once() {
        check(&["r1 10 20", "r2 20 30", "r3 30 40", "r4 40 50"], &[]);
    }

    #[test]
    fn it_lasts_while_enough_are_silent_whoever_they_are() {
        check(
            &["r1 10 40", "r2 10 90", "r3 10 90", "r4 30 90", "r1 40 50"],
            &["group core 10 90: 4 of 5", "region DE-BE 10 90: 4 of 4"],
        );
    }

    #[test]
    fn what_has_not_ended_is_open() {
        check(
            &["r1 10 99 open", "r2 10 99 open", "r5 20 99 open"],
            &["group core 20 open: 3 of 5"],
        );
    }

    #[test]
    fn a_country_is_an_area_where_no_region_is_known_and_small_areas_are_none() {
        check(&["r5 10 99", "r6 10 99"], &[]);
    }
}
