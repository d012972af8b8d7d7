//! How things stand now: carried out, in part, or not.

use std::collections::{BTreeMap, BTreeSet};

use remit_proto::v1::DutyCode;

use crate::target::Target;

use super::{
    Duty, DutyFinding, DutyNode, NAMED_MAX, Reach,
    clocks::Removed,
    extent::{Extent, Extents},
    owed::{Carried, Owed},
};

/// `removed` is told as what it is, and not as missing once more.
pub(super) fn check(owed: &Owed<'_>, reach: &Reach, removed: &Removed<'_>, found: &mut Vec<Duty>) {
    if owed.is_closed() {
        return;
    }
    let at_s = owed.at_s();
    let due: Vec<&Carried<'_>> =
        owed.targets.iter().filter(|carried| owed.is_owed(carried, at_s)).collect();
    let is_seen = |node: &str| !reach.silent.contains(node);
    let (carried, missing): (Vec<&Carried<'_>>, Vec<&Carried<'_>>) =
        due.iter().copied().partition(|one| one.carrying(at_s).any(is_seen));
    // Nodes carried it that have said nothing since.
    let (mut silent, missing): (Vec<&Carried<'_>>, Vec<&Carried<'_>>) =
        missing.into_iter().partition(|one| one.carrying(at_s).next().is_some());
    let missing = missing.into_iter().filter(|one| !removed.names(one.target()));
    let (perhaps, never): (Vec<&Carried<'_>>, Vec<&Carried<'_>>) =
        missing.partition(|one| one.may_carry(at_s).next().is_some());
    let mut unsure = Unsure::default();
    perhaps.into_iter().for_each(|one| unsure.add_target(one));
    let open = carried.iter().copied().filter(|one| {
        let seen = one.extent.iter().filter(|(node, _)| is_seen(node));
        seen.filter_map(|(_, extents)| extents.at_least).max() == Some(Extent::Part)
    });
    let (whole_where_silent, open): (Vec<&Carried<'_>>, Vec<&Carried<'_>>) =
        open.partition(|one| {
            let mut unseen = one.extent.iter().filter(|(node, _)| !is_seen(node));
            unseen.any(|(_, extents)| extents.at_least == Some(Extent::Whole))
        });
    silent.extend(whole_where_silent);
    let is_all = never.len() == due.len();
    match reach.seen().next() {
        Some(_) => {
            if !never.is_empty() {
                found.push(not_carried(owed, reach, &never, is_all));
            }
            if !silent.is_empty() {
                found.push(of_silent(owed, reach, &silent));
            }
        }
        // One cause, told once.
        None => {
            silent.extend(never);
            if !silent.is_empty() {
                found.push(not_carried(owed, reach, &silent, is_all));
            }
        }
    }
    let (in_part, perhaps): (Vec<&Carried<'_>>, Vec<&Carried<'_>>) = open
        .into_iter()
        .partition(|one| one.extent.values().all(|extents| extents.at_most == Extent::Part));
    perhaps.into_iter().for_each(|one| unsure.add_target(one));
    if !in_part.is_empty() {
        found.push(Duty {
            detail: "narrower",
            ..about(owed, reach, DutyFinding::Is(DutyCode::PartlyEnforced), &in_part)
        });
    }
    // Where the operator chooses the means, nodes may differ.
    if !owed.request().measure.outcome_only {
        among_peers(owed, reach, removed, &carried, &mut unsure, found);
    }
    unsure.tell(owed, reach, found);
}

/// What rules with further conditions may carry, and others do not: nobody knows whether it is carried.
#[derive(Default)]
struct Unsure<'a> {
    targets: BTreeSet<&'a Target>,
    nodes: BTreeMap<&'a str, DutyNode>,
}

impl<'a> Unsure<'a> {
    /// At no node surely, or not in whole.
    fn add_target(&mut self, one: &'a Carried<'_>) {
        let nodes = one.extent.iter().filter(|(_, extents)| !extents.is_sure());
        nodes.for_each(|(node, _)| self.add(one, node));
    }

    fn add(&mut self, one: &'a Carried<'_>, node: &'a str) {
        self.targets.insert(one.target());
        let part = self.nodes.entry(node).or_insert_with(|| DutyNode {
            node: node.to_owned(),
            from_s: one.due_s,
            until_s: None,
            targets: 0,
        });
        part.from_s = part.from_s.min(one.due_s);
        part.targets = part.targets.saturating_add(1);
    }

    fn tell(self, owed: &Owed<'_>, reach: &Reach, found: &mut Vec<Duty>) {
        let Some(since_s) = self.nodes.values().map(|part| part.from_s).min() else { return };
        found.push(Duty {
            detail: "conditions",
            target_count: self.targets.len() as u64,
            targets: self.targets.into_iter().take(NAMED_MAX).cloned().collect(),
            node_count: self.nodes.len() as u64,
            nodes: self.nodes.into_values().take(NAMED_MAX).collect(),
            ..new(owed, reach, DutyFinding::Undetermined, since_s)
        });
    }
}

fn not_carried(owed: &Owed<'_>, reach: &Reach, missing: &[&Carried<'_>], is_all: bool) -> Duty {
    let nobody_looks = reach.observed.is_empty();
    let all_silent = !nobody_looks && reach.seen().next().is_none();
    let finding = match (nobody_looks || all_silent, is_all) {
        (true, _) => DutyFinding::Undetermined,
        (false, true) => DutyFinding::Is(DutyCode::NotEnforced),
        (false, false) => DutyFinding::Is(DutyCode::PartlyEnforced),
    };
    let detail = match finding {
        DutyFinding::Undetermined if all_silent => "silent",
        DutyFinding::Is(DutyCode::PartlyEnforced) => "targets",
        DutyFinding::Undetermined | DutyFinding::Is(_) => "",
    };
    Duty { detail, ..about(owed, reach, finding, missing) }
}

fn of_silent(owed: &Owed<'_>, reach: &Reach, targets: &[&Carried<'_>]) -> Duty {
    Duty { detail: "silent", ..about(owed, reach, DutyFinding::Undetermined, targets) }
}

/// Since when it is seen that a target is not carried as it is owed: nobody is held to lack anything before
/// somebody looked, or while it was carried.
fn seen_since_s(owed: &Owed<'_>, reach: &Reach, one: &Carried<'_>) -> i64 {
    let looked_s = reach.seen().filter_map(|node| reach.looked_since_s(node)).min();
    let spans = one.at.values().flat_map(|course| &course.at_most);
    let ended_s = spans.filter_map(|span| span.until_s).max();
    looked_s.into_iter().chain(ended_s).fold(one.due_s, i64::max).min(owed.at_s())
}

fn about(owed: &Owed<'_>, reach: &Reach, finding: DutyFinding, targets: &[&Carried<'_>]) -> Duty {
    let due_s = targets.iter().map(|one| one.due_s).min();
    let since_s = match finding {
        DutyFinding::Is(_) => targets.iter().map(|one| seen_since_s(owed, reach, one)).min(),
        DutyFinding::Undetermined => due_s,
    };
    Duty {
        due_s,
        targets: targets.iter().take(NAMED_MAX).map(|one| one.target().clone()).collect(),
        target_count: targets.len() as u64,
        ..new(owed, reach, finding, since_s.unwrap_or_default())
    }
}

/// Nodes that carry nothing of it, or less than the others do.
fn among_peers<'a>(
    owed: &Owed<'_>,
    reach: &'a Reach,
    removed: &Removed<'_>,
    carried: &[&'a Carried<'_>],
    unsure: &mut Unsure<'a>,
    found: &mut Vec<Duty>,
) {
    // A node that is not there carries nothing of it; of one that is silent nobody knows what it carries.
    let by_target: Vec<(&Carried<'_>, &BTreeMap<&str, Extents>)> =
        carried.iter().map(|one| (*one, &one.extent)).collect();
    let has: BTreeSet<&str> = by_target
        .iter()
        .flat_map(|(_, extent)| extent.keys().copied())
        .filter(|node| !reach.silent.contains(*node))
        .collect();
    let (mut nothing, mut differs) = (Vec::new(), Vec::new());
    for node in reach.seen() {
        let peers: BTreeSet<&str> = has
            .iter()
            .copied()
            .filter(|other| *other != node && reach.are_peers(node, other))
            .collect();
        let mut lacks: Vec<&Carried<'_>> = Vec::new();
        for (one, extent) in &by_target {
            let at_least = |node: &str| extent.get(node).and_then(|extents| extents.at_least);
            let of_peers = peers.iter().filter_map(|peer| at_least(peer)).max();
            if removed.names_at(one.target(), node) {
                continue;
            }
            if extent.get(node).map(|extents| extents.at_most) < of_peers {
                lacks.push(one);
            } else if at_least(node) < of_peers {
                unsure.add(one, node);
            }
        }
        let Some(due_s) = lacks.iter().map(|one| one.due_s).min() else { continue };
        let from_s = reach.looked_since_s(node).map_or(due_s, |looked_s| looked_s.max(due_s));
        let part =
            DutyNode { node: node.to_owned(), from_s, until_s: None, targets: lacks.len() as u64 };
        let less = if has.contains(node) { &mut differs } else { &mut nothing };
        less.push((part, lacks));
    }
    for (code, detail, nodes) in
        [(DutyCode::PartlyEnforced, "nodes", nothing), (DutyCode::Inconsistent, "", differs)]
    {
        let Some(since_s) = nodes.iter().map(|(part, _)| part.from_s).min() else { continue };
        let targets: BTreeSet<&Target> =
            nodes.iter().flat_map(|(_, lacks)| lacks).map(|one| one.target()).collect();
        let lacks = nodes.iter().flat_map(|(_, lacks)| lacks);
        found.push(Duty {
            detail,
            due_s: lacks.map(|one| one.due_s).min(),
            target_count: targets.len() as u64,
            targets: targets.into_iter().take(NAMED_MAX).cloned().collect(),
            node_count: nodes.len() as u64,
            nodes: nodes.into_iter().map(|(part, _)| part).take(NAMED_MAX).collect(),
            ..new(owed, reach, DutyFinding::Is(code), since_s)
        });
    }
}

pub(super) fn new(owed: &Owed<'_>, reach: &Reach, finding: DutyFinding, since_s: i64) -> Duty {
    Duty {
        request: owed.id().clone(),
        finding,
        detail: "",
        since_s,
        until_s: None,
        due_s: None,
        targets: Vec::new(),
        target_count: 0,
        nodes: Vec::new(),
        node_count: 0,
        observed_nodes: reach.observed.clone(),
        silent_nodes: reach.silent.iter().cloned().collect(),
        unobserved: reach.unobserved.clone(),
    }
}
