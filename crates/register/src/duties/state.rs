//! How things stand now: carried out, in part, or not.

use std::collections::{BTreeMap, BTreeSet};

use remit_proto::v1::DutyCode;

use super::{
    Duty, DutyFinding, DutyNode, NAMED_MAX, Reach,
    clocks::Removed,
    owed::{Carried, Owed},
};

/// `removed` is told as what it is, and not as missing once more.
pub(super) fn check(owed: &Owed<'_>, reach: &Reach, removed: &Removed<'_>, found: &mut Vec<Duty>) {
    if owed.is_closed() {
        return;
    }
    let at_s = owed.at_s();
    let due: Vec<&Carried<'_>> =
        owed.targets.iter().filter(|carried| owed.is_owed(carried.held, at_s)).collect();
    let (carried, missing): (Vec<&Carried<'_>>, Vec<&Carried<'_>>) =
        due.iter().copied().partition(|one| one.carrying(at_s).next().is_some());
    let never: Vec<&Carried<'_>> =
        missing.iter().filter(|one| !removed.names(one.target())).copied().collect();
    if !never.is_empty() {
        found.push(not_carried(owed, reach, &never, never.len() == due.len()));
    }
    // Where the operator chooses the means, nodes may differ.
    if !owed.request().measure.outcome_only {
        among_peers(owed, reach, removed, &carried, found);
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
    let since_s = missing.iter().map(|one| owed.owed_from_s(one.held)).min();
    Duty {
        detail,
        targets: missing.iter().take(NAMED_MAX).map(|one| one.target().clone()).collect(),
        target_count: missing.len() as u64,
        ..new(owed, reach, finding, since_s.unwrap_or_default())
    }
}

/// Nodes that carry nothing of it, or not what the others do.
fn among_peers(
    owed: &Owed<'_>,
    reach: &Reach,
    removed: &Removed<'_>,
    carried: &[&Carried<'_>],
    found: &mut Vec<Duty>,
) {
    let at_s = owed.at_s();
    let by_target: Vec<(&Carried<'_>, BTreeSet<&str>)> =
        carried.iter().map(|one| (*one, one.carrying(at_s).collect())).collect();
    let mut has: BTreeMap<&str, u64> = BTreeMap::new();
    for node in by_target.iter().flat_map(|(_, nodes)| nodes) {
        *has.entry(*node).or_default() += 1;
    }
    let (mut nothing, mut differs) = (Vec::new(), Vec::new());
    for node in reach.seen() {
        let peers: BTreeSet<&str> = has
            .keys()
            .copied()
            .filter(|other| *other != node && reach.are_peers(node, other))
            .collect();
        if peers.is_empty() {
            continue;
        }
        let lacks = by_target.iter().filter(|(one, nodes)| {
            !nodes.contains(node)
                && nodes.intersection(&peers).next().is_some()
                && !removed.names_at(one.target(), node)
        });
        let since_s = lacks.clone().map(|(one, _)| owed.owed_from_s(one.held)).min();
        let targets = lacks.count() as u64;
        let Some(from_s) = since_s else { continue };
        let part = DutyNode { node: node.to_owned(), from_s, until_s: None, targets };
        if has.contains_key(node) { differs.push(part) } else { nothing.push(part) }
    }
    for (code, detail, nodes) in
        [(DutyCode::PartlyEnforced, "nodes", nothing), (DutyCode::Inconsistent, "", differs)]
    {
        let Some(since_s) = nodes.iter().map(|node| node.from_s).min() else { continue };
        let lacking: BTreeSet<&str> = nodes.iter().map(|part| part.node.as_str()).collect();
        let about =
            by_target.iter().filter(|(_, has)| lacking.iter().any(|node| !has.contains(node)));
        let targets: Vec<_> = about.map(|(one, _)| one.target().clone()).collect();
        found.push(Duty {
            detail,
            target_count: targets.len() as u64,
            targets: targets.into_iter().take(NAMED_MAX).collect(),
            node_count: nodes.len() as u64,
            nodes: nodes.into_iter().take(NAMED_MAX).collect(),
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
