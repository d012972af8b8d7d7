//! `remit nodes list`: who reports, how recently, and what was lost.

use remit_proto::v1;

use super::{list, row::or_dash};
use crate::{
    cli::{Format, Page},
    client,
    config::Config,
    exit::CliError,
    output::{Cell, Layout, account_text, fields},
    time, words,
};

pub(crate) async fn nodes(config: &Config, page: &Page, out: Format) -> Result<(), CliError> {
    let mut client = client::query(config).await?;
    let (rows, completeness) = list::all(page.limit, async |page_size, page_token| {
        let request = v1::ListNodesRequest { page_size, page_token };
        let v1::ListNodesResponse { nodes, next_page_token, completeness } =
            client.list_nodes(request).await?.into_inner();
        Ok((nodes, next_page_token, completeness))
    })
    .await?;
    layout().listing(&rows, completeness).print(out)
}

fn layout() -> Layout<v1::NodeRow> {
    let fields = fields![row: v1::NodeRow;
        "node" => row.node,
        "declared" => row.facts.is_some(),
        "role" => role_of(&facts(row)),
        "country" => facts(row).country,
        "region" => facts(row).region,
        "asn" => facts(row).asn,
        "network_type" => words::word(facts(row).network_type().as_str_name(), "NETWORK_TYPE_"),
        "lines_served" => facts(row).lines_served,
        "generation" => row.generation,
        "tree_size" => row.tree_size,
        "logged_size" => row.logged_size,
        "last_seal" => time::utc(row.last_seal_s),
        "last_received" => time::utc(row.last_received_s),
        "silent" => row.silent,
        "stopped_cleanly" => row.stopped_cleanly,
        "clock" => clock(row),
        "window_s" => row.window_s,
        "individual_actions" => row.individual_actions,
        "loss_bound_s" => row.loss_bound_s,
        "offered" => totals(row).offered,
        "recorded" => totals(row).recorded,
        "lost" => totals(row).lost,
        "unexplained" => totals(row).unexplained,
        "self_protection" =>
            row.self_protection.iter().map(|s| format!("{}={}", s.chain, s.packets)).collect::<Vec<_>>(),
        "forks" => row.forks,
        "canaries" => row.canaries.iter().map(|c| account_text(c, row.last_seal_s)).collect::<Vec<_>>(),
        "raw_logs" => row.raw_logs.iter().map(raw_log).collect::<Vec<_>>(),
    ];
    type NodeCell = Cell<v1::NodeRow>;
    let cells = vec![
        NodeCell::new("NODE", |row| row.node.clone()),
        NodeCell::new("ROLE", |row| match &row.facts {
            Some(facts) => role_of(facts),
            None => "not declared".to_owned(),
        }),
        NodeCell::new("PLACE", |row| {
            let facts = facts(row);
            or_dash(if facts.region.is_empty() { &facts.country } else { &facts.region })
        }),
        NodeCell::new("STATE", state),
        NodeCell::new("LAST SEAL", |row| time::age(row.last_seal_s, time::now_s())),
        NodeCell::new("LEAVES", |row| row.tree_size.to_string()).dispensable(2),
        NodeCell::new("LOGGED", |row| row.logged_size.to_string()).dispensable(1),
        NodeCell::new("RECORDED", |row| totals(row).recorded.to_string()),
        NodeCell::new("LOST", |row| totals(row).lost.to_string()),
        NodeCell::new("UNEXPLAINED", |row| totals(row).unexplained.to_string()),
        // Nobody has said it of a node without an agent.
        NodeCell::new("CLOCK", |row| match row.clock() {
            v1::ClockState::Unspecified => "-".to_owned(),
            _ => clock(row),
        })
        .dispensable(4),
        NodeCell::new("RECORDS", records).dispensable(5),
        NodeCell::new("SELF-PROTECTION", self_protection).dispensable(3),
        NodeCell::new("CANARIES", canaries).dispensable(5),
    ];
    Layout { noun: "nodes", fields, cells, below: of_clients }
}

/// Whoever asked for a name is never recorded; that another program wrote it down is said.
fn of_clients(row: &v1::NodeRow) -> Vec<String> {
    let naming = row.raw_logs.iter().filter(|log| log.names_clients);
    naming.map(|log| format!("raw lines that name clients: {}", raw_log(log))).collect()
}

/// "unbound_rpz, on disk, up to 7 d, 12345 bytes".
pub(super) fn raw_log(log: &v1::RawLog) -> String {
    let v1::RawLog { source: _, medium: _, names_clients, bytes, oldest_age_s } = log;
    let source = words::word(log.source().as_str_name(), "SOURCE_KIND_");
    let clients = if *names_clients { "" } else { ", without clients" };
    match log.medium() {
        v1::RawLogMedium::Stream => format!("{source}, handed over and not kept{clients}"),
        medium => {
            let place = match medium {
                v1::RawLogMedium::Memory => "in memory",
                _ => "on disk",
            };
            let age = time::span(*oldest_age_s);
            format!("{source}, {place}, up to {age}, {bytes} bytes{clients}")
        }
    }
}

fn facts(row: &v1::NodeRow) -> v1::NodeFacts {
    row.facts.clone().unwrap_or_default()
}

fn state(row: &v1::NodeRow) -> String {
    match (row.generation.is_empty(), row.silent, row.stopped_cleanly) {
        (true, _, _) => "no agent",
        (false, _, true) => "stopped",
        (false, true, false) => "SILENT",
        (false, false, false) => "reporting",
    }
    .to_owned()
}

fn clock(row: &v1::NodeRow) -> String {
    words::word(row.clock().as_str_name(), "CLOCK_STATE_")
}

/// What a power cut may cost.
fn records(row: &v1::NodeRow) -> String {
    match (row.generation.is_empty(), row.loss_bound_s) {
        (true, _) => "-".to_owned(),
        (false, 0) => "on disk".to_owned(),
        (false, bound_s) => format!("in memory, {bound_s} s"),
    }
}

fn self_protection(row: &v1::NodeRow) -> String {
    if row.self_protection.is_empty() {
        return "-".to_owned();
    }
    let own: u64 = row.self_protection.iter().fold(0, |sum, s| sum.saturating_add(s.packets));
    format!("{own} in {}", words::count(row.self_protection.len() as u64, "chain", "chains"))
}

/// "nflog/42 alive"; the numbers are in the fields.
fn canaries(row: &v1::NodeRow) -> String {
    let told = row.canaries.iter().map(|canary| account_text(canary, row.last_seal_s));
    let told: Vec<_> =
        told.map(|text| text.split(':').next().unwrap_or_default().to_owned()).collect();
    or_dash(&told.join(", "))
}

struct Totals {
    /// `None`: some source has no separate counter.
    offered: Option<u64>,
    recorded: u64,
    lost: u64,
    unexplained: u64,
}

fn totals(row: &v1::NodeRow) -> Totals {
    let mut totals = Totals { offered: Some(0), recorded: 0, lost: 0, unexplained: 0 };
    for account in &row.accounts {
        totals.offered = totals
            .offered
            .filter(|_| account.offered_known)
            .map(|sum| sum.saturating_add(account.offered));
        totals.recorded = totals.recorded.saturating_add(account.recorded);
        totals.unexplained = totals
            .unexplained
            .saturating_add(account.unexplained_missing)
            .saturating_add(account.unexplained_surplus);
        for loss in &account.lost {
            totals.lost = totals.lost.saturating_add(loss.count);
        }
    }
    totals
}

fn role_of(facts: &v1::NodeFacts) -> String {
    words::word(facts.role().as_str_name(), "NODE_ROLE_")
}
