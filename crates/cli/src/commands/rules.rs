//! `remit rules list`: blocking rules that are installed now.

use remit_proto::v1;
use serde_json::json;

use super::{
    list::Pages,
    row::{claims_or_none, filter, or_dash, sentences, technique, verdict_cell, verdict_values},
};
use crate::{
    cli::{Filtered, Format},
    client,
    config::Config,
    exit::CliError,
    output::{Listing, Table},
    time, words,
};

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
                words::rule(rule.number),
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
            json!(words::rule(rule.number)),
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
