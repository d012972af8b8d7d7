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
    let header = [
        "FINDING",
        "NODE",
        "RULE",
        "RULE NOW",
        "TARGET",
        "REQUEST",
        "CLAIMS",
        "AUTHORITY",
        "HITS",
        "LAST",
    ];
    let mut table = Table::new(&header, "no findings");
    for row in rows {
        let (rule, rule_now, claims) = match (row.rule, row.installed_now) {
            (0, _) => ("-".to_owned(), "-", "-".to_owned()),
            (rule, true) => (words::rule(rule), "installed", claims_or_none(&row.claims)),
            (rule, false) => (words::rule(rule), "removed", claims_or_none(&row.claims)),
        };
        let (code, below) = match row.verdict.as_ref() {
            Some(verdict) => (verdict_cell(Some(verdict)), sentences(Some(verdict), None)),
            None => (duty_cell(&row.code), duty_sentence(row).into_iter().collect()),
        };
        table.row_with(
            vec![
                code,
                or_dash(&row.node),
                rule,
                rule_now.to_owned(),
                words::target(row.target.as_ref()),
                or_dash(&row.request_id),
                claims,
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
            row.verdict.as_ref().map_or_else(|| json!(duty_sentence(row)), |_| reason),
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

/// What a request demands and is not done, or not seen to be done, has a code and no verdict.
fn duty_cell(code: &str) -> String {
    match code {
        "NOT_ENFORCED" => format!("not enforced ({code})"),
        "UNDETERMINED" => format!("undetermined ({code})"),
        _ => code.to_owned(),
    }
}

fn duty_sentence(row: &v1::FindingRow) -> Option<String> {
    let seen = match row.code.as_str() {
        "NOT_ENFORCED" => "no observed rule carries it out",
        "UNDETERMINED" => "whether a rule carries it out is not known",
        _ => return None,
    };
    let mut text = format!("Request {} is in force, and {seen}.", row.request_id);
    if !row.unobserved_points.is_empty() {
        text.push_str(&format!(
            " Not observed in its scope: {}.",
            row.unobserved_points.join(", ")
        ));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_enforced_is_said_in_words() {
        let row = v1::FindingRow {
            code: "NOT_ENFORCED".into(),
            request_id: "court/1".into(),
            unobserved_points: vec!["dpi-1/box".into()],
            ..v1::FindingRow::default()
        };
        let text = finding_listing(&[row], None).table.render();
        assert!(text.contains("not enforced (NOT_ENFORCED)"), "{text}");
        assert!(text.contains("court/1 is in force, and no observed rule"), "{text}");
        assert!(text.contains("Not observed in its scope: dpi-1/box."), "{text}");
    }

    #[test]
    fn a_finding_says_whether_its_rule_still_stands() {
        let row = |rule, installed_now| v1::FindingRow {
            code: "NO_BASIS".into(),
            rule,
            installed_now,
            ..v1::FindingRow::default()
        };
        let text = finding_listing(&[row(1, true), row(2, false)], None).table.render();
        assert!(text.contains("0000000000000001  installed"), "{text}");
        assert!(text.contains("0000000000000002  removed"), "{text}");
    }
}
