//! `remit events list`: what rules did, each with its verdict, as known now and then.

use remit_proto::v1;
use serde_json::{Value, json};

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
                words::rule(rule.number),
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
        json!(words::rule(rule.number)),
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
