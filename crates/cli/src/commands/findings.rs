//! `remit findings list`: one per rule, request or node, and cause.

use remit_proto::v1;

use super::{
    cases, defects, duties, list,
    row::{
        Judged, attribution_fields, filter_of_findings, node_cell, or_dash, rule_cells, sentences,
        target_cell, target_fields, verdict_cell, verdict_fields,
    },
};
use crate::{
    cli::{Format, ListFindings},
    client,
    config::Config,
    exit::CliError,
    output::{Cell, Layout, canary_json, canary_text, fields},
    time, words,
};

pub(crate) async fn findings(
    config: &Config,
    args: &ListFindings,
    out: Format,
) -> Result<(), CliError> {
    let filter = filter_of_findings(&args.filtered)?;
    let states = cases::states(&args.state)?;
    let kinds = cases::kinds(&args.kind)?;
    let severity_min = cases::severity_min(args.severity.as_deref())?.into();
    let asks_of_nodes = kinds.is_empty() || kinds.contains(&v1::FindingKind::Integrity.into());
    if filter.as_known_at_s != 0 && asks_of_nodes {
        eprintln!(
            "findings about nodes (--kind integrity) are not kept of the past: none is listed"
        );
    }
    let mut client = client::query(config).await?;
    let (rows, completeness) =
        list::all(args.filtered.page.limit, async |page_size, page_token| {
            let request = v1::ListFindingsRequest {
                filter: Some(filter.clone()),
                page_size,
                page_token,
                states: states.clone(),
                kinds: kinds.clone(),
                severity_min,
            };
            let v1::ListFindingsResponse { findings, next_page_token, completeness } =
                client.list_findings(request).await?.into_inner();
            Ok((findings, next_page_token, completeness))
        })
        .await?;
    layout().listing(&rows, completeness).print(out)
}

impl Judged for v1::FindingRow {
    fn node(&self) -> &str {
        &self.node
    }

    fn rule(&self) -> Option<u64> {
        (self.rule != 0).then_some(self.rule)
    }

    fn technique(&self) -> v1::Technique {
        v1::FindingRow::technique(self)
    }

    fn target(&self) -> Option<&v1::Target> {
        self.target.as_ref()
    }

    fn claims(&self) -> &[v1::Claim] {
        &self.claims
    }

    fn verdict(&self) -> Option<&v1::Verdict> {
        self.verdict.as_ref()
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    fn reason(&self) -> Option<String> {
        self.verdict.as_ref().map_or_else(|| sentence_of(self), |v| Some(register::explain(v)))
    }

    fn request(&self) -> Option<&str> {
        Some(&self.request_id)
    }
}

pub(super) fn layout() -> Layout<v1::FindingRow> {
    let mut fields = fields![row: v1::FindingRow;
        "finding" => row.id,
        "code" => row.code,
        "node" => row.node,
        "rule" => row.rule().map(words::rule),
        "technique" => words::technique(row.technique()),
    ];
    fields.extend(target_fields());
    fields.extend(fields![row: v1::FindingRow; "claims" => words::claims(&row.claims),]);
    fields.extend(verdict_fields());
    fields.extend(fields![row: v1::FindingRow;
        "first_seen" => time::utc(row.first_seen_s),
        "last_seen" => time::utc(row.last_seen_s),
        "hits" => row.hits,
        "installed_now" => row.installed_now,
        "unobserved_points" => row.unobserved_points,
        "verdict_now" => row.verdict_now.as_ref().map(words::verdict_code),
        "basis_map" => words::base16(&row.basis_map_digest),
        "state" => register::words::finding_state(row.state()),
        "decided" => row.decided.as_ref().map(cases::json),
        "seen_since" => row.seen_since,
        "scale" => cases::grade(row, |s| s.scale()),
        "scope" => cases::grade(row, |s| s.scope()),
        "irremediability" => cases::grade(row, |s| s.irremediability()),
        "rule_hours" => cases::rule_hours(row),
        "generation" => row.generation,
        "canary" => row.canary.as_ref().map(canary_json),
        "area" => row.area.as_ref().map(area_json),
        "kind" => register::words::finding_kind(row.kind()),
        "detail" => row.detail,
        "targets" => (row.target_count > 0).then_some(row.target_count),
        "due" => time::utc(row.due_s),
        "duty_nodes" => row.duty_nodes.iter().map(duties::node_json).collect::<Vec<_>>(),
        "silent_nodes" => row.silent_nodes,
        "collateral" => row.collateral.as_ref().map(collateral_json),
        "stands" => !row.stands_no_more,
    ]);
    fields.extend(attribution_fields());
    let finding = |row: &v1::FindingRow| match &row.verdict {
        Some(verdict) => verdict_cell(Some(verdict)),
        None => code_cell(row),
    };
    let [rule, technique, claims, authority] = rule_cells();
    let cells = vec![
        Cell::new("FINDING", finding),
        // By it `remit findings show` and the acts name the finding.
        Cell::new("ID", |row: &v1::FindingRow| row.id.clone()).dispensable(0),
        Cell::new("STATE", cases::state_cell).dispensable(8),
        node_cell(),
        rule,
        Cell::new("RULE NOW", rule_now).dispensable(7),
        technique,
        target_cell(),
        Cell::new("REQUEST", |row: &v1::FindingRow| or_dash(&row.request_id)).dispensable(5),
        claims,
        authority,
        Cell::new("HITS", |row: &v1::FindingRow| row.hits.to_string()),
        Cell::new("LAST (UTC)", |row: &v1::FindingRow| time::utc_cell(row.last_seen_s))
            .dispensable(6),
    ];
    Layout { noun: "findings", fields, cells, below }
}

/// Whether the rule stands, and if so whether for what is found.
fn rule_now(row: &v1::FindingRow) -> String {
    match (row.rule, row.installed_now, &row.verdict_now) {
        (0, _, _) => "-",
        (_, false, _) => "removed",
        (_, true, None) => "installed",
        (_, true, Some(_)) => "changed",
    }
    .to_owned()
}

fn below(row: &v1::FindingRow) -> Vec<String> {
    if row.stands_no_more {
        let mut below =
            vec!["It does not stand in the evidence now; this is what it was.".to_owned()];
        below.extend(row.verdict.as_ref().map(register::explain));
        below.extend(cases::sentences(row));
        return below;
    }
    let mut below = match &row.verdict {
        Some(verdict) => sentences(Some(verdict), None),
        None => sentence_of(row).into_iter().collect(),
    };
    below.extend(row.collateral.as_ref().map(collateral_sentence));
    below.extend(cases::sentences(row));
    if let Some(now) = row.verdict_now.as_ref().filter(|_| row.installed_now) {
        below.push(format!(
            "That is what it did. As the rule and the register are now: {}. {}",
            verdict_cell(Some(now)),
            register::explain(now)
        ));
    }
    below
}

fn collateral_json(row: &v1::CollateralRow) -> serde_json::Value {
    let v1::CollateralRow { names_seen, names_cut, estimate, estimate_made_at_s, request_from_s } =
        row;
    serde_json::json!({
        "names_seen": names_seen,
        "names_cut": names_cut,
        "estimate": estimate,
        "estimate_made_at_s": estimate_made_at_s,
        "request_from_s": request_from_s,
    })
}

/// Where the number is from, and that it may be wrong, stands beside it.
pub(super) fn collateral_sentence(row: &v1::CollateralRow) -> String {
    let v1::CollateralRow { names_seen, names_cut, estimate, estimate_made_at_s, request_from_s } =
        row;
    let seen = match (names_seen, names_cut) {
        (0, _) => "No other name was recorded that hit the rule, which does not say that there is \
                   none"
            .to_owned(),
        (1, _) => "At least 1 other name hit the rule".to_owned(),
        (count, false) => format!("At least {count} other names hit the rule"),
        (count, true) => {
            format!("At least {count} other names hit the rule, and more than were counted")
        }
    };
    let from = "by names that the node recorded with hits; few lines, sampled logs and archived days hide some";
    match estimate.is_empty() {
        true => format!("{seen} ({from}). The request holds no estimate that could be shown."),
        false => {
            let made = match *estimate_made_at_s {
                0 => "when it was made is not stated".to_owned(),
                made_at_s if made_at_s < *request_from_s => {
                    format!("made before the request took effect, at {}", time::utc(made_at_s))
                }
                made_at_s => format!(
                    "made only at {}, when the request was in effect since {}",
                    time::utc(made_at_s),
                    time::utc(*request_from_s)
                ),
            };
            format!(
                "{seen} ({from}). The impact assessment of the request expected: {estimate} ({made}; the \
                 operator's word, and nobody has checked it)."
            )
        }
    }
}

/// What is no verdict on a rule has a code alone.
fn code_cell(row: &v1::FindingRow) -> String {
    let code = row.code.as_str();
    if let Some(cell) = defects::cell(row).or_else(|| duties::cell(row)) {
        return cell;
    }
    match code {
        UNSTATED => format!("basis map that nobody stated ({code})"),
        AREA => format!("an area silent at once ({code})"),
        CANARY => format!("canaries do not come back ({code})"),
        "SILENT_AGENT" => format!("a node that is not heard ({code})"),
        "CLOCK_SUSPECT" => format!("clock in doubt ({code})"),
        "FORKED" => format!("two histories signed ({code})"),
        "UNREPORTED_RULE" => format!("rule nobody told of ({code})"),
        "PHANTOM_RULE" => format!("rule gone untold ({code})"),
        _ => code.to_owned(),
    }
}

/// A probe reached what a request wants blocked.
pub(super) const INEFFECTIVE: &str = "INEFFECTIVE";

/// A finding about a node, and no request.
pub(super) const UNSTATED: &str = "UNSTATED_BASIS_MAP";
pub(super) const AREA: &str = "SILENT_AREA";
pub(super) const CANARY: &str = "CANARY_MISSING";

fn sentence_of(row: &v1::FindingRow) -> Option<String> {
    if let Some(sentence) = defects::sentence(row).or_else(|| duties::sentence(row)) {
        return Some(sentence);
    }
    if row.code == UNSTATED {
        return Some(format!(
            "Node {} reads what its rules claim from a basis map (SHA-256 {}) that nobody has stated in \
             the register: state it with `remit adopt basis-map`.",
            row.node,
            words::base16(&row.basis_map_digest)
        ));
    }
    if let Some(canary) = &row.canary {
        return Some(format!(
            "{}: nobody can say that hits on this path are seen. Look at its rule, and at `remit-agent \
             doctor` on the node.",
            canary_text(canary)
        ));
    }
    if let Some(area) = &row.area {
        return Some(area_sentence(area, row));
    }
    let (node, since) = (&row.node, time::utc(row.first_seen_s));
    match row.code.as_str() {
        "SILENT_AGENT" => {
            let said = if row.stop_announced { " It had said that it stops." } else { "" };
            Some(format!(
                "Node {node} is not heard since {since}: nobody can say what it did.{said} Look at its agent."
            ))
        }
        "CLOCK_SUSPECT" if row.ahead_s > 0 => Some(format!(
            "The newest seal of node {node} was {} s ahead of the collector's clock when it arrived: what \
             it says of times is in doubt. Set its clock.",
            row.ahead_s
        )),
        "CLOCK_SUSPECT" => Some(format!(
            "Node {node} says that its clock is not set: its times are taken with a wide error. Let it \
             follow a time server."
        )),
        "FORKED" if row.detail == "superseded" => Some(format!(
            "Node {node} went on under generation {} after a newer one had been enrolled; {} kept as evidence, and \
             what came with them was not taken. If an old disk is still in use, stop it; else the old key is in \
             another hand.",
            row.generation,
            words::count(row.forks, "head is", "heads are")
        )),
        "FORKED" => Some(format!(
            "Node {node} signed {} that exclude each other, kept as evidence: its key is in two hands, or \
             its disk was put back. Revoke the key, and enrol it anew.",
            words::count(row.forks, "pair of heads", "pairs of heads")
        )),
        "UNREPORTED_RULE" => Some(format!(
            "A control snapshot of node {node} shows {} at {since}, and no change before it told of that: how \
             long it stood is not known. Ask what the agent did not see.",
            rule_text(row)
        )),
        "PHANTOM_RULE" => Some(format!(
            "A control snapshot of node {node} at {since} lacks {}, which a change had told of and none had \
             ended: until when it stood is not known. Ask what the agent did not see.",
            rule_text(row)
        )),
        _ => None,
    }
}

/// "rule 0000000000000007 on example.org".
fn rule_text(row: &v1::FindingRow) -> String {
    format!("rule {} on {}", words::rule(row.rule), words::target(row.target.as_ref()))
}

/// "region DE-BE: 3 of its 4 nodes were silent at once from … to …: r1, r2, r3."
fn area_sentence(area: &v1::AreaRow, row: &v1::FindingRow) -> String {
    format!("{}: {}. Ask what happened there.", area_text(area, row), area.silent_nodes.join(", "))
}

pub(super) fn area_text(area: &v1::AreaRow, row: &v1::FindingRow) -> String {
    let v1::AreaRow { area, silent_nodes, nodes, open } = area;
    let (from, until) = (time::utc(row.first_seen_s), time::utc(row.last_seen_s));
    let silent = silent_nodes.len();
    if *open {
        format!("{area}: {silent} of its {nodes} nodes are silent at once, since {from}")
    } else {
        format!("{area}: {silent} of its {nodes} nodes were silent at once, from {from} to {until}")
    }
}

fn area_json(area: &v1::AreaRow) -> serde_json::Value {
    let v1::AreaRow { area, silent_nodes, nodes, open } = area;
    serde_json::json!({
        "area": area, "silent_nodes": silent_nodes, "nodes": nodes, "open": open,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[v1::FindingRow]) -> String {
        layout().listing(rows, None).text(200)
    }

    #[test]
    fn what_is_not_enforced_is_said_in_words() {
        let row = v1::FindingRow {
            code: "NOT_ENFORCED".into(),
            kind: v1::FindingKind::Duty.into(),
            request_id: "court/1".into(),
            unobserved_points: vec!["dpi-1/box".into()],
            ..v1::FindingRow::default()
        };
        let text = table(&[row]);
        assert!(text.contains("not enforced (NOT_ENFORCED)"), "{text}");
        assert!(text.contains("court/1 is in force, and no observed rule"), "{text}");
        assert!(text.contains("Not observed in its scope: dpi-1/box."), "{text}");
    }

    #[test]
    fn a_silent_area_is_said_with_its_nodes_and_how_long() {
        let area = v1::AreaRow {
            area: "region DE-BE".into(),
            silent_nodes: vec!["r1".into(), "r2".into(), "r3".into()],
            nodes: 4,
            open: true,
        };
        let row = v1::FindingRow {
            code: AREA.into(),
            first_seen_s: 60,
            last_seen_s: 90,
            area: Some(area),
            ..v1::FindingRow::default()
        };
        let text = table(&[row]);
        assert!(text.contains("an area silent at once (SILENT_AREA)"), "{text}");
        let said =
            "region DE-BE: 3 of its 4 nodes are silent at once, since 1970-01-01T00:01:00Z: r1, r2";
        assert!(text.contains(said), "{text}");
    }

    #[test]
    fn canaries_that_do_not_come_back_are_said_with_their_path() {
        let canary = v1::CanaryRow {
            node: "edge-1".into(),
            path: "nflog/42".into(),
            state: v1::CanaryState::Missing.into(),
            at_s: 60,
            ..v1::CanaryRow::default()
        };
        let row = v1::FindingRow {
            code: CANARY.into(),
            node: "edge-1".into(),
            canary: Some(canary),
            ..v1::FindingRow::default()
        };
        let text = table(&[row]);
        assert!(text.contains("canaries do not come back (CANARY_MISSING)"), "{text}");
        assert!(
            text.contains("nflog/42: none came back since 1970-01-01T00:01:00Z: nobody"),
            "{text}"
        );
    }

    #[test]
    fn a_table_of_any_width_has_the_id_by_which_a_person_acts_on_a_finding() {
        let row = v1::FindingRow { id: "00112233445566aa".into(), ..v1::FindingRow::default() };
        for width in [60, 100, 200] {
            let text = layout().listing(std::slice::from_ref(&row), None).text(width);
            assert!(text.contains("00112233445566aa"), "{width}: {text}");
        }
    }

    #[test]
    fn a_finding_says_whether_its_rule_still_stands_and_for_what() {
        let verdict =
            |code: v1::VerdictCode| v1::Verdict { code: code.into(), ..Default::default() };
        let row = |rule, installed_now, now: Option<v1::VerdictCode>| v1::FindingRow {
            code: "NO_BASIS".into(),
            verdict: Some(verdict(v1::VerdictCode::NoBasis)),
            rule,
            installed_now,
            verdict_now: now.map(verdict),
            ..v1::FindingRow::default()
        };
        let changed = row(3, true, Some(v1::VerdictCode::Authorised));
        let text = table(&[row(1, true, None), row(2, false, None), changed]);
        assert!(text.contains("0000000000000001  installed"), "{text}");
        assert!(text.contains("0000000000000002  removed"), "{text}");
        assert!(text.contains("0000000000000003  changed"), "{text}");
        assert!(
            text.contains("As the rule and the register are now: covered (AUTHORISED)."),
            "{text}"
        );
    }
}
