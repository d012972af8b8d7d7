//! Nodes, rules, events, findings: the rows of the query service as answers.

use remit_proto::v1;
use serde_json::{Value, json};

use super::list::Pages;
use crate::{
    cli::{Filtered, Format, Page},
    client,
    config::Config,
    exit::CliError,
    output::{Listing, Table},
    time, words,
};

pub(crate) async fn events(config: &Config, args: &Filtered, out: Format) -> Result<(), CliError> {
    let filter = filter(args)?;
    let mut client = client::query(config).await?;
    let mut pages = Pages::new(args.page.limit);
    loop {
        let (page_size, page_token) = pages.next();
        let request = v1::ListEventsRequest { filter: Some(filter.clone()), page_size, page_token };
        let page = client.list_events(request).await?.into_inner();
        if !pages.take(page.events, page.next_page_token, page.completeness)? {
            break;
        }
    }
    event_listing(&pages.rows, pages.completeness).print(out)
}

const EVENT_COLUMNS: &[&str] = &[
    "event",
    "node",
    "rule",
    "source",
    "technique",
    "target_kind",
    "target",
    "hit_target",
    "hits",
    "first",
    "last",
    "claims",
    "claim_origin",
    "verdict",
    "verdict_word",
    "reason",
    "request",
    "authority",
    "basis_proof",
    "registered_before_act",
    "verdict_then",
    "request_then",
    "register_size",
    "imported",
    "detail_reduced",
];

pub(crate) fn event_listing(
    rows: &[v1::EventRow],
    completeness: Option<v1::Completeness>,
) -> Listing {
    let header =
        ["LAST", "NODE", "RULE", "TECHNIQUE", "TARGET", "HITS", "CLAIMS", "AUTHORITY", "VERDICT"];
    let mut table = Table::new(&header, "no events");
    for row in rows {
        let rule = row.rule.clone().unwrap_or_default();
        table.row_with(
            vec![
                time::local(row.last_s),
                row.node.clone(),
                rule.number.to_string(),
                technique(&rule),
                words::target(row.target.as_ref()),
                row.hits.to_string(),
                claims_or_none(&rule.claims),
                or_dash(&row.authority),
                verdict_cell(row.as_known_now.as_ref()),
            ],
            sentences(row.as_known_now.as_ref(), row.as_known_then.as_ref()),
        );
    }
    Listing {
        noun: "events",
        columns: EVENT_COLUMNS,
        rows: rows.iter().map(event_values).collect(),
        table,
        completeness,
    }
}

fn event_values(row: &v1::EventRow) -> Vec<Value> {
    let rule = row.rule.clone().unwrap_or_default();
    let then = row.as_known_then.as_ref();
    let mut values = vec![
        json!(row.id),
        json!(row.node),
        json!(rule.number),
        json!(words::word(rule.source().as_str_name(), "SOURCE_KIND_")),
        json!(technique(&rule)),
        json!(words::target_kind(row.target.as_ref())),
        json!(row.target.as_ref().map(|t| &t.value)),
        json!(row.hit_target.as_ref().map(|t| &t.value)),
        json!(row.hits),
        json!(time::utc(row.first_s)),
        json!(time::utc(row.last_s)),
        json!(words::claims(&rule.claims)),
        json!(words::word(rule.claim_origin().as_str_name(), "CLAIM_ORIGIN_")),
    ];
    values.extend(verdict_values(row.as_known_now.as_ref(), &row.authority));
    values.extend([
        json!(then.map(words::verdict_code)),
        json!(then.and_then(|v| v.clause.as_ref()).map(|c| &c.request_id)),
        json!(row.as_known_now.as_ref().map(|v| v.register_size)),
        json!(row.imported),
        json!(row.detail_reduced),
    ]);
    values
}

/// verdict, verdict_word, reason, request, authority, basis_proof, registered_before_act
fn verdict_values(verdict: Option<&v1::Verdict>, authority: &str) -> [Value; 7] {
    [
        json!(verdict.map(words::verdict_code)),
        json!(verdict.map(words::verdict_word)),
        json!(verdict.map(register::explain)),
        json!(verdict.and_then(|v| v.clause.as_ref()).map(|c| &c.request_id)),
        json!(authority),
        json!(verdict.map(|v| words::word(v.basis_proof().as_str_name(), "BASIS_PROOF_"))),
        json!(verdict.map(|v| words::word(v.registered_before_act().as_str_name(), "TERNARY_"))),
    ]
}

pub(crate) async fn rules(config: &Config, args: &Filtered, out: Format) -> Result<(), CliError> {
    let filter = filter(args)?;
    let mut client = client::query(config).await?;
    let mut pages = Pages::new(args.page.limit);
    loop {
        let (page_size, page_token) = pages.next();
        let request = v1::ListRulesRequest { filter: Some(filter.clone()), page_size, page_token };
        let page = client.list_rules(request).await?.into_inner();
        if !pages.take(page.rules, page.next_page_token, page.completeness)? {
            break;
        }
    }
    rule_listing(&pages.rows, pages.completeness).print(out)
}

const RULE_COLUMNS: &[&str] = &[
    "event",
    "node",
    "rule",
    "source",
    "technique",
    "target_kind",
    "target",
    "native",
    "claims",
    "claim_origin",
    "installed_at",
    "installed_now",
    "hits",
    "last_hit",
    "verdict",
    "verdict_word",
    "reason",
    "request",
    "authority",
    "basis_proof",
    "registered_before_act",
];

pub(crate) fn rule_listing(
    rows: &[v1::RuleRow],
    completeness: Option<v1::Completeness>,
) -> Listing {
    let header =
        ["NODE", "RULE", "TECHNIQUE", "TARGET", "SINCE", "HITS", "CLAIMS", "AUTHORITY", "VERDICT"];
    let mut table = Table::new(&header, "no rules");
    for row in rows {
        let rule = row.rule.clone().unwrap_or_default();
        let since = match (row.installed_now, row.installed_at_s) {
            (false, _) => "(removed)".to_owned(),
            (true, 0) => "before the agent".to_owned(),
            (true, at_s) => time::local(at_s),
        };
        table.row_with(
            vec![
                row.node.clone(),
                rule.number.to_string(),
                technique(&rule),
                words::target(row.target.as_ref()),
                since,
                row.hits.to_string(),
                claims_or_none(&rule.claims),
                or_dash(&row.authority),
                verdict_cell(row.verdict.as_ref()),
            ],
            sentences(row.verdict.as_ref(), None),
        );
    }
    let values = |row: &v1::RuleRow| {
        let rule = row.rule.clone().unwrap_or_default();
        let mut values = vec![
            json!(row.event_id),
            json!(row.node),
            json!(rule.number),
            json!(words::word(rule.source().as_str_name(), "SOURCE_KIND_")),
            json!(technique(&rule)),
            json!(words::target_kind(row.target.as_ref())),
            json!(row.target.as_ref().map(|t| &t.value)),
            json!(row.native),
            json!(words::claims(&rule.claims)),
            json!(words::word(rule.claim_origin().as_str_name(), "CLAIM_ORIGIN_")),
            json!(time::utc(row.installed_at_s)),
            json!(row.installed_now),
            json!(row.hits),
            json!(time::utc(row.last_hit_s)),
        ];
        values.extend(verdict_values(row.verdict.as_ref(), &row.authority));
        values
    };
    Listing {
        noun: "rules",
        columns: RULE_COLUMNS,
        rows: rows.iter().map(values).collect(),
        table,
        completeness,
    }
}

pub(crate) async fn findings(
    config: &Config,
    args: &Filtered,
    out: Format,
) -> Result<(), CliError> {
    let filter = filter(args)?;
    let mut client = client::query(config).await?;
    let mut pages = Pages::new(args.page.limit);
    loop {
        let (page_size, page_token) = pages.next();
        let request =
            v1::ListFindingsRequest { filter: Some(filter.clone()), page_size, page_token };
        let page = client.list_findings(request).await?.into_inner();
        if !pages.take(page.findings, page.next_page_token, page.completeness)? {
            break;
        }
    }
    finding_listing(&pages.rows, pages.completeness).print(out)
}

const FINDING_COLUMNS: &[&str] = &[
    "finding",
    "code",
    "node",
    "rule",
    "technique",
    "target_kind",
    "target",
    "claims",
    "verdict",
    "verdict_word",
    "reason",
    "request",
    "authority",
    "basis_proof",
    "registered_before_act",
    "first_seen",
    "last_seen",
    "hits",
    "installed_now",
    "unobserved_points",
];

pub(crate) fn finding_listing(
    rows: &[v1::FindingRow],
    completeness: Option<v1::Completeness>,
) -> Listing {
    let header =
        ["FINDING", "NODE", "RULE", "TARGET", "REQUEST", "CLAIMS", "AUTHORITY", "HITS", "LAST"];
    let mut table = Table::new(&header, "no findings");
    for row in rows {
        let rule = if row.rule == 0 { "-".to_owned() } else { row.rule.to_string() };
        let mut below = sentences(row.verdict.as_ref(), None);
        if !row.unobserved_points.is_empty() {
            below.push(format!(
                "Points in scope that nobody observes: {}.",
                row.unobserved_points.join(", ")
            ));
        }
        let code = match row.verdict.as_ref() {
            Some(verdict) => verdict_cell(Some(verdict)),
            None => row.code.clone(),
        };
        table.row_with(
            vec![
                code,
                or_dash(&row.node),
                rule,
                words::target(row.target.as_ref()),
                or_dash(&row.request_id),
                claims_or_none(&row.claims),
                or_dash(&row.authority),
                row.hits.to_string(),
                time::local(row.last_seen_s),
            ],
            below,
        );
    }
    let values = |row: &v1::FindingRow| {
        let [verdict, word, reason, _, authority, proof, before] =
            verdict_values(row.verdict.as_ref(), &row.authority);
        vec![
            json!(row.id),
            json!(row.code),
            json!(row.node),
            json!(row.rule),
            json!(words::word(row.technique().as_str_name(), "TECHNIQUE_")),
            json!(words::target_kind(row.target.as_ref())),
            json!(row.target.as_ref().map(|t| &t.value)),
            json!(words::claims(&row.claims)),
            verdict,
            word,
            reason,
            json!(row.request_id),
            authority,
            proof,
            before,
            json!(time::utc(row.first_seen_s)),
            json!(time::utc(row.last_seen_s)),
            json!(row.hits),
            json!(row.installed_now),
            json!(row.unobserved_points),
        ]
    };
    Listing {
        noun: "findings",
        columns: FINDING_COLUMNS,
        rows: rows.iter().map(values).collect(),
        table,
        completeness,
    }
}

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
            format!("{own} in {} chains", row.self_protection.len()),
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

fn filter(args: &Filtered) -> Result<v1::Filter, CliError> {
    let now_s = time::now_s();
    let at = |text: &Option<String>, flag| {
        text.as_deref().map_or(Ok(0), |text| time::parse(text, flag, now_s))
    };
    let techniques = args.technique.iter().map(|word| {
        register::words::technique_from(word).map(i32::from).ok_or_else(|| {
            CliError::Usage(format!(
                "--technique: {word:?} is unknown; want a word such as dns_nxdomain"
            ))
        })
    });
    let mut verdicts = Vec::new();
    for text in &args.verdict {
        verdicts.extend(words::verdicts_from(text)?.into_iter().map(i32::from));
    }
    Ok(v1::Filter {
        since_s: at(&args.since, "--since")?,
        until_s: at(&args.until, "--until")?,
        nodes: args.node.clone(),
        target: args.target.clone().unwrap_or_default(),
        techniques: techniques.collect::<Result<_, _>>()?,
        requests: args.request.clone(),
        authorities: args.authority.clone(),
        verdicts,
    })
}

/// "out of time (EXPIRED)".
fn verdict_cell(verdict: Option<&v1::Verdict>) -> String {
    verdict.map_or_else(
        || "not yet assessed".to_owned(),
        |v| format!("{} ({})", words::verdict_word(v), words::verdict_code(v)),
    )
}

/// The reason, and what was known then if that was something else.
fn sentences(now: Option<&v1::Verdict>, then: Option<&v1::Verdict>) -> Vec<String> {
    let mut sentences: Vec<String> = now.map(register::explain).into_iter().collect();
    if let (Some(now), Some(then)) = (now, then)
        && words::verdict_code(now) != words::verdict_code(then)
    {
        sentences.push(format!(
            "As known then: {}. {}",
            verdict_cell(Some(then)),
            register::explain(then)
        ));
    }
    sentences
}

fn technique(rule: &v1::Rule) -> String {
    words::word(rule.technique().as_str_name(), "TECHNIQUE_")
}

fn role_of(facts: &v1::NodeFacts) -> String {
    words::word(facts.role().as_str_name(), "NODE_ROLE_")
}

fn claims_or_none(claims: &[v1::Claim]) -> String {
    if claims.is_empty() { "none".to_owned() } else { words::claims(claims).join(" ") }
}

pub(crate) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}
