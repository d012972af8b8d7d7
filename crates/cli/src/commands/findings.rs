//! `remit findings list`: one per rule, or request, and cause.

use remit_proto::v1;
use serde_json::json;

use super::{
    list::Pages,
    row::{claims_or_none, filter, or_dash, sentences, verdict_cell, verdict_values},
};
use crate::{
    cli::{Filtered, Format},
    client,
    config::Config,
    exit::CliError,
    output::{Listing, Table},
    time, words,
};

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
        let rule = if row.rule == 0 { "-".to_owned() } else { words::rule(row.rule) };
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
            json!((row.rule != 0).then(|| words::rule(row.rule))),
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
