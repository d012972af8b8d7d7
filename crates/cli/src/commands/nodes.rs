//! `remit nodes list`: who reports, how recently, and what was lost.

use remit_proto::v1;
use serde_json::{Value, json};

use super::{list::Pages, row::or_dash};
use crate::{
    cli::{Format, Page},
    client,
    config::Config,
    exit::CliError,
    output::{Listing, Table},
    time, words,
};

pub(crate) async fn nodes(config: &Config, page: &Page, out: Format) -> Result<(), CliError> {
    let mut client = client::query(config).await?;
    let mut pages = Pages::new(page.limit);
    loop {
        let (page_size, page_token) = pages.next();
        let request = v1::ListNodesRequest { page_size, page_token };
        let page = client.list_nodes(request).await?.into_inner();
        if !pages.take(page.nodes, page.next_page_token, page.completeness)? {
            break;
        }
    }
    node_listing(&pages.rows, pages.completeness, time::now_s()).print(out)
}

const NODE_COLUMNS: &[&str] = &[
    "node",
    "declared",
    "role",
    "country",
    "region",
    "asn",
    "network_type",
    "lines_served",
    "generation",
    "tree_size",
    "logged_size",
    "last_seal",
    "last_received",
    "silent",
    "stopped_cleanly",
    "clock",
    "window_s",
    "individual_actions",
    "offered",
    "recorded",
    "lost",
    "unexplained",
    "self_protection",
    "forks",
];

fn node_listing(
    rows: &[v1::NodeRow],
    completeness: Option<v1::Completeness>,
    now_s: i64,
) -> Listing {
    let header = [
        "NODE",
        "ROLE",
        "PLACE",
        "STATE",
        "LAST SEAL",
        "LEAVES",
        "LOGGED",
        "RECORDED",
        "LOST",
        "UNEXPLAINED",
        "CLOCK",
        "SELF-PROTECTION",
    ];
    let mut table = Table::new(&header, "no nodes");
    for row in rows {
        let facts = row.facts.clone().unwrap_or_default();
        let role = if row.facts.is_some() { role_of(&facts) } else { "not declared".to_owned() };
        let place = if facts.region.is_empty() { &facts.country } else { &facts.region };
        let state = match (row.generation.is_empty(), row.silent, row.stopped_cleanly) {
            (true, _, _) => "no agent",
            (false, _, true) => "stopped",
            (false, true, false) => "SILENT",
            (false, false, false) => "reporting",
        };
        let totals = totals(&row.accounts);
        let own: u64 = row.self_protection.iter().fold(0, |sum, s| sum.saturating_add(s.packets));
        table.row(vec![
            row.node.clone(),
            role,
            or_dash(place),
            state.to_owned(),
            time::age(row.last_seal_s, now_s),
            row.tree_size.to_string(),
            row.logged_size.to_string(),
            totals.recorded.to_string(),
            totals.lost.to_string(),
            totals.unexplained.to_string(),
            words::word(row.clock().as_str_name(), "CLOCK_STATE_"),
            if row.self_protection.is_empty() {
                "-".to_owned()
            } else {
                format!(
                    "{own} in {}",
                    words::count(row.self_protection.len() as u64, "chain", "chains")
                )
            },
        ]);
    }
    let values = |row: &v1::NodeRow| {
        let facts = row.facts.clone().unwrap_or_default();
        let totals = totals(&row.accounts);
        let own: Vec<Value> = row
            .self_protection
            .iter()
            .map(|s| json!(format!("{}={}", s.chain, s.packets)))
            .collect();
        vec![
            json!(row.node),
            json!(row.facts.is_some()),
            json!(role_of(&facts)),
            json!(facts.country),
            json!(facts.region),
            json!(facts.asn),
            json!(words::word(facts.network_type().as_str_name(), "NETWORK_TYPE_")),
            json!(facts.lines_served),
            json!(row.generation),
            json!(row.tree_size),
            json!(row.logged_size),
            json!(time::utc(row.last_seal_s)),
            json!(time::utc(row.last_received_s)),
            json!(row.silent),
            json!(row.stopped_cleanly),
            json!(words::word(row.clock().as_str_name(), "CLOCK_STATE_")),
            json!(row.window_s),
            json!(row.individual_actions),
            json!(totals.offered),
            json!(totals.recorded),
            json!(totals.lost),
            json!(totals.unexplained),
            json!(own),
            json!(row.forks),
        ]
    };
    Listing {
        noun: "nodes",
        columns: NODE_COLUMNS,
        rows: rows.iter().map(values).collect(),
        table,
        completeness,
    }
}

struct Totals {
    /// `None`: some source has no separate counter.
    offered: Option<u64>,
    recorded: u64,
    lost: u64,
    unexplained: u64,
}

fn totals(accounts: &[v1::SourceAccount]) -> Totals {
    let mut totals = Totals { offered: Some(0), recorded: 0, lost: 0, unexplained: 0 };
    for account in accounts {
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
