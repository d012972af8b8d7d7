//! What the rows of the page look like: members in machine formats, cells in a table.

use remit_proto::v1;

use super::{
    cause::{Cause, Part, Registered, for_example},
    deed::Deed,
    defect::{Defects, States},
    examples::some,
    unseen::Unseen,
};
use crate::{
    commands::row::{Judged, or_dash},
    output::{Cell, Layout, fields},
    time::{utc, utc_cell},
    words,
};

/// One screen word: how much of what is installed has it.
#[derive(Debug)]
pub(super) struct Total {
    pub(super) part: Part,
    pub(super) causes: u64,
    pub(super) rules: u64,
    pub(super) nodes: u64,
    pub(super) hits: u64,
    pub(super) shared_hits: u64,
}

pub(super) fn totals() -> Layout<Total> {
    let fields = fields![row: Total;
        "verdict_word" => row.part.word(),
        "causes" => row.causes,
        "rules" => row.rules,
        "nodes" => row.nodes,
        "hits" => row.hits,
        "shared_hits" => row.shared_hits,
    ];
    type Of = Cell<Total>;
    let cells = vec![
        Of::new("INSTALLED NOW", |row| row.part.word().to_owned()),
        Of::new("RULES", |row| row.rules.to_string()),
        Of::new("CAUSES", |row| row.causes.to_string()),
        Of::new("NODES", |row| row.nodes.to_string()),
        Of::new("HITS", |row| hits(row.hits, row.shared_hits)),
    ];
    Layout { noun: "totals", fields, cells, below: |_| Vec::new() }
}

/// Rules of one word whose requests are proved in one way.
#[derive(Debug)]
pub(super) struct Proved {
    pub(super) part: Part,
    pub(super) proof: &'static str,
    pub(super) registered: Registered,
}

pub(super) fn proved() -> Layout<Proved> {
    let fields = fields![row: Proved;
        "verdict_word" => row.part.word(),
        "basis_proof" => row.proof,
        "registered_before_act" => row.registered.before,
        "registered_after_act" => row.registered.after,
        "registered_unknown" => row.registered.unknown,
    ];
    type Of = Cell<Proved>;
    let cells = vec![
        Of::new("INSTALLED NOW", |row| row.part.word().to_owned()),
        Of::new("PROOF OF THE REQUEST", |row| row.proof.to_owned()),
        Of::new("BEFORE", |row| row.registered.before.to_string()),
        Of::new("AFTER", |row| row.registered.after.to_string()),
        Of::new("NOT KNOWN", |row| row.registered.unknown.to_string()).dispensable(1),
    ];
    Layout { noun: "proofs", fields, cells, below: |_| Vec::new() }
}

pub(super) fn causes() -> Layout<Cause> {
    let fields = fields![row: Cause;
        "verdict_word" => row.key.part.word(),
        "verdict" => row.key.code,
        "request" => row.key.request,
        "claims" => row.key.claims,
        "authority" => row.key.authority,
        "actor" => row.key.actor,
        "rules" => row.rules,
        "nodes" => row.nodes.len(),
        "where" => row.nodes.keys().collect::<Vec<_>>(),
        "hits" => row.hits,
        "shared_hits" => row.shared_hits,
        "before_agent" => row.before_agent,
        "since" => utc(row.since_s),
        "last_hit" => utc(row.last_hit_s),
        "targets" => row.targets.shown(),
        "reason" => row.verdict.as_ref().map(register::explain),
        "basis_proof" => row.proofs(),
        "registered_before_act" => row.all_registered().before,
        "registered_after_act" => row.all_registered().after,
        "registered_unknown" => row.all_registered().unknown,
        "attributed_later" => row.attributed,
        "baseline_until" => utc(row.verdict.as_ref().map(|v| v.baseline_until_s).unwrap_or_default()),
    ];
    type Of = Cell<Cause>;
    let cells = vec![
        Of::new("VERDICT", |row| or_dash(&row.key.code)),
        Of::new("REQUEST OR CLAIM", |row| match (&row.key.request, row.key.claims.as_slice()) {
            (request, _) if !request.is_empty() => request.clone(),
            (_, []) => "claims nothing".to_owned(),
            (_, claims) => format!("claims {}", claims.join(" ")),
        }),
        Of::new("AUTHORITY", |row| or_dash(&row.key.authority)).dispensable(7),
        Of::new("SET BY", |row| spoken(&row.key.actor)).dispensable(3),
        Of::new("RULES", |row| row.rules.to_string()),
        Of::new("HITS", |row| hits(row.hits, row.shared_hits)),
        Of::new("SINCE (UTC)", since).dispensable(6),
        Of::new("LAST HIT (UTC)", |row| utc_cell(row.last_hit_s)).dispensable(4),
        Of::new("WHERE", |row| some(row.nodes.values())).dispensable(2),
        Of::new("TARGETS", |row| row.targets.to_string()).dispensable(1),
    ];
    Layout { noun: "causes", fields, cells, below: Cause::sentences }
}

/// "before the agent": it stood there when the agent first looked.
fn since(row: &Cause) -> String {
    if row.before_agent { "before the agent".to_owned() } else { utc_cell(row.since_s) }
}

/// One hit may be counted for each rule that could be its cause, so what is shared is a bound.
pub(super) fn hits(sure: u64, shared: u64) -> String {
    match shared {
        0 => sure.to_string(),
        _ => format!("{sure}, at most {shared} more"),
    }
}

fn spoken(word: &str) -> String {
    match word {
        "" | "unspecified" => "-".to_owned(),
        word => word.replace('_', " "),
    }
}

pub(super) fn deeds() -> Layout<Deed> {
    let fields = fields![row: Deed;
        "code" => row.key.code,
        "request" => row.key.request,
        "authority" => row.key.authority,
        "rule_now" => row.key.rule_now,
        "rules" => row.rules,
        "where" => row.nodes.keys().collect::<Vec<_>>(),
        "hits" => row.hits,
        "first_seen" => utc(row.first_s),
        "last_seen" => utc(row.last_s),
        "targets" => row.targets.shown(),
        "reason" => row.verdict.as_ref().map(register::explain),
    ];
    type Of = Cell<Deed>;
    let cells = vec![
        Of::new("FINDING", |row| row.key.code.clone()),
        Of::new("REQUEST", |row| or_dash(&row.key.request)),
        Of::new("AUTHORITY", |row| or_dash(&row.key.authority)).dispensable(7),
        Of::new("RULES NOW", |row| row.key.rule_now.clone()).dispensable(5),
        Of::new("RULES", |row| row.rules.to_string()),
        Of::new("HITS", |row| row.hits.to_string()),
        Of::new("FIRST (UTC)", |row| utc_cell(row.first_s)).dispensable(3),
        Of::new("LAST (UTC)", |row| utc_cell(row.last_s)).dispensable(4),
        Of::new("WHERE", |row| some(row.nodes.values())).dispensable(2),
        Of::new("TARGETS", |row| row.targets.to_string()).dispensable(1),
    ];
    Layout { noun: "also_recorded", fields, cells, below: Deed::sentences }
}

pub(super) fn duties() -> Layout<v1::FindingRow> {
    let fields = fields![row: v1::FindingRow;
        "code" => row.code,
        "request" => row.request_id,
        "authority" => row.authority,
        "target_kind" => words::target_kind(row.target.as_ref()),
        "target" => row.target.as_ref().map(|target| &target.value),
        "owed_since" => utc(row.due_s),
        "as_of" => utc(row.last_seen_s),
        "unobserved_points" => row.unobserved_points,
        "lacking_since" => utc(lacking_since_s(row)),
    ];
    type Of = Cell<v1::FindingRow>;
    let cells = vec![
        Of::new("REQUEST", |row| row.request_id.clone()),
        Of::new("AUTHORITY", |row| or_dash(&row.authority)),
        Of::new("FIRST TARGET", |row| words::typed_target(row.target.as_ref())),
        Of::new("OWED SINCE (UTC)", |row| utc_cell(row.due_s)).dispensable(2),
        Of::new("SEEN LACKING SINCE (UTC)", |row| match lacking_since_s(row) {
            0 => "-".to_owned(),
            at_s => utc_cell(at_s),
        })
        .dispensable(1),
    ];
    let below = |row: &v1::FindingRow| row.reason().into_iter().collect();
    Layout { noun: "not_enforced", fields, cells, below }
}

/// 0: whether it is carried out nobody knows.
fn lacking_since_s(row: &v1::FindingRow) -> i64 {
    if row.code == "UNDETERMINED" { 0 } else { row.first_seen_s }
}

pub(super) fn not_done() -> Layout<v1::FindingRow> {
    let fields = fields![row: v1::FindingRow;
        "code" => row.code,
        "detail" => row.detail,
        "request" => row.request_id,
        "authority" => row.authority,
        "target" => row.target.as_ref().map(|target| &target.value),
        "targets" => row.target_count,
        "nodes" => row.node_count,
        "due" => utc(row.due_s),
        "first_seen" => utc(row.first_seen_s),
        "last_seen" => utc(row.last_seen_s),
    ];
    type Of = Cell<v1::FindingRow>;
    let cells = vec![
        Of::new("FINDING", |row| row.code.clone()),
        Of::new("REQUEST", |row| row.request_id.clone()),
        Of::new("AUTHORITY", |row| or_dash(&row.authority)).dispensable(3),
        Of::new("FIRST TARGET", |row| words::typed_target(row.target.as_ref())).dispensable(2),
        Of::new("NODES", |row| row.node_count.to_string()),
        Of::new("SINCE (UTC)", |row| utc_cell(row.first_seen_s)).dispensable(1),
    ];
    let below = |row: &v1::FindingRow| row.reason().into_iter().collect();
    Layout { noun: "not_done", fields, cells, below }
}

pub(super) fn defects() -> Layout<Defects> {
    let fields = fields![row: Defects;
        "code" => row.code,
        "requests" => row.requests,
        "since" => utc(row.first_s),
    ];
    type Of = Cell<Defects>;
    let cells = vec![
        Of::new("DEFECT", |row| row.code.clone()),
        Of::new("REQUESTS", |row| row.requests.len().to_string()),
        Of::new("WHICH", |row| row.examples.to_string()).dispensable(1),
        Of::new("SINCE (UTC)", |row| utc_cell(row.first_s)).dispensable(2),
    ];
    let below = |row: &Defects| {
        let sentence = row.sentence.clone();
        sentence.map(|said| for_example(said, row.requests.len() as u64)).unwrap_or_default()
    };
    Layout { noun: "defects", fields, cells, below }
}

pub(super) fn states() -> Layout<States> {
    let fields = fields![row: States;
        "kind" => row.kind,
        "open" => row.counts[0],
        "acknowledged" => row.counts[1],
        "explained" => row.counts[2],
        "remedied" => row.counts[3],
        "disputed" => row.counts[4],
        "seen_since" => row.seen_since,
    ];
    type Of = Cell<States>;
    let cells = vec![
        Of::new("ABOUT WHAT IS", |row| row.kind.to_owned()),
        Of::new("OPEN", |row| row.counts[0].to_string()),
        Of::new("ACKNOWLEDGED", |row| row.counts[1].to_string()).dispensable(5),
        Of::new("EXPLAINED", |row| row.counts[2].to_string()).dispensable(4),
        Of::new("REMEDIED", |row| row.counts[3].to_string()).dispensable(3),
        Of::new("DISPUTED", |row| row.counts[4].to_string()).dispensable(2),
        Of::new("SEEN AGAIN", |row| row.seen_since.to_string()).dispensable(1),
    ];
    Layout { noun: "findings", fields, cells, below: |_| Vec::new() }
}

pub(super) fn reached() -> Layout<v1::FindingRow> {
    let fields = fields![row: v1::FindingRow;
        "code" => row.code,
        "request" => row.request_id,
        "authority" => row.authority,
        "target" => row.target.as_ref().map(|target| &target.value),
        "seen_at" => utc(row.last_seen_s),
    ];
    type Of = Cell<v1::FindingRow>;
    let cells = vec![
        Of::new("REQUEST", |row| row.request_id.clone()),
        Of::new("AUTHORITY", |row| or_dash(&row.authority)),
        Of::new("REACHED", |row| words::typed_target(row.target.as_ref())),
        Of::new("AT (UTC)", |row| utc_cell(row.last_seen_s)).dispensable(1),
    ];
    let below = |row: &v1::FindingRow| row.reason().into_iter().collect();
    Layout { noun: "reached", fields, cells, below }
}

pub(super) fn limits() -> Layout<Unseen> {
    let fields = fields![row: Unseen;
        "what" => row.what,
        "count" => row.count,
        "of" => row.of,
        "which" => row.which,
    ];
    type Of = Cell<Unseen>;
    let cells = vec![
        Of::new("WHAT", |row| row.what.to_owned()),
        Of::new("HOW MANY", Unseen::how_many),
        Of::new("WHICH", Unseen::named).dispensable(1),
    ];
    Layout { noun: "not_seen", fields, cells, below: |_| Vec::new() }
}
