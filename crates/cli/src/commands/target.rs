//! `remit target NAME`: installed where, hit where, since when, under what, is it covered.

use remit_proto::v1::{
    GetTargetRequest, GetTargetResponse, ProbePage, ProbeResult, ProbeRow, RuleRow, TargetKind,
    Technique, TouchingRow,
};
use serde_json::json;

use super::{events, lists, row::or_dash, rules as rule_rows};
use crate::{
    cli::{Format, TargetArgs},
    client,
    config::Config,
    exit::CliError,
    output::{self, Cell, Layout, fields},
    time, words,
};

pub(crate) async fn target(
    config: &Config,
    args: &TargetArgs,
    out: Format,
) -> Result<(), CliError> {
    let mut client = client::query(config).await?;
    let as_known_at_s = match &args.as_known_at {
        None => 0,
        Some(text) => time::parse(text, "--as-known-at", time::now_s())?,
    };
    let request = GetTargetRequest { target: args.name.clone(), as_known_at_s };
    let response = client.get_target(request).await?.into_inner();
    let GetTargetResponse {
        targets,
        rules,
        events,
        requests,
        completeness,
        listed,
        probes,
        touching,
        touching_count,
    } = response;
    let understood: Vec<String> =
        targets.iter().map(|t| format!("{}:{}", words::target_kind(Some(t)), t.value)).collect();
    match out {
        Format::Json => {
            let rules = rule_rows::layout(as_known_at_s != 0).listing(&rules, None);
            let events = events::layout().listing(&events, None);
            let answer = json!({
                "targets": understood,
                "requests": requests,
                "touching": touching_layout().listing(&touching, None).objects(),
                "touching_count": touching_count,
                "lists": lists::listed_layout().listing(&listed, None).objects(),
                "rules": rules.objects(),
                "events": events.objects(),
                "probes": probe_layout().listing(&probes, None).objects(),
                "completeness": output::completeness_json(completeness.as_ref()),
            });
            output::write(format!("{answer:#}\n").as_bytes())
        }
        // One kind of row only: what is, or was, installed.
        Format::Jsonl | Format::Csv => {
            rule_rows::layout(as_known_at_s != 0).listing(&rules, completeness).print(out)
        }
        Format::Table => {
            let now = rules.iter().filter(|r| r.installed_now).count();
            let mut text = format!("understood as {}\n", understood.join(", "));
            if touching.is_empty() {
                let veiled = completeness.as_ref().map_or(0, |answer| answer.veiled_requests);
                text.push_str("requests that cover or touch it: none");
                if veiled > 0 {
                    let of = words::count(veiled, "request", "requests");
                    text.push_str(&format!(" that is shown to you; not all is, of {of}"));
                }
                text.push('\n');
            }
            text.push_str(&format!(
                "installed {} by {}; newest events: {}\n",
                if as_known_at_s == 0 { "now" } else { "then" },
                words::count(now as u64, "rule", "rules"),
                events.len()
            ));
            if as_known_at_s != 0 {
                text.push_str("how often rules had hit by then is not kept; the events below say it one by one\n");
            }
            for name in targets.iter().filter(|t| t.kind() == TargetKind::DomainExact) {
                text.push_str(&format!("for names below it: remit target '*.{}'\n", name.value));
            }
            text.push('\n');
            output::write(output::escape_lines(&text).as_bytes())?;
            if !touching.is_empty() {
                output::write(b"requests that cover or touch it:\n")?;
                touching_layout().listing(&touching, None).print(out)?;
                let more = touching_count.saturating_sub(touching.len() as u64);
                if more > 0 {
                    output::write(format!("and {more} more\n").as_bytes())?;
                }
                output::write(b"\n")?;
            }
            if !listed.is_empty() {
                lists::listed_layout().listing(&listed, None).print(out)?;
                output::write(b"\n")?;
            }
            rule_rows::layout(as_known_at_s != 0).listing(&rules, None).print(out)?;
            output::write(b"\n")?;
            if !probes.is_empty() {
                output::write(b"seen from outside, by each probe's own judgement:\n")?;
                probe_layout().listing(&probes, None).print(out)?;
                if let Some(text) = unexplained(&probes, &rules) {
                    output::write(output::escape_lines(&format!("{text}\n")).as_bytes())?;
                }
                output::write(b"\n")?;
            }
            events::layout().listing(&events, completeness).print(out)
        }
    }
}

fn touching_layout() -> Layout<TouchingRow> {
    let target = |row: &TouchingRow| {
        let target = row.target.as_ref();
        format!("{}:{}", words::target_kind(target), words::target(target))
    };
    let fields = fields![row: TouchingRow;
        "request" => row.request_id,
        "version" => row.version,
        "state" => row.state,
        "relation" => relation(row),
        "exception" => row.exception,
        "amended_away" => row.amended_away,
        "target" => words::target(row.target.as_ref()),
        "target_kind" => words::target_kind(row.target.as_ref()),
        "list" => row.list_id,
        "from" => time::utc(row.from_s),
        "until" => time::utc(row.until_s),
        "authority" => row.authority,
    ];
    type Of = Cell<TouchingRow>;
    let cells = vec![
        Of::new("REQUEST", |row| row.request_id.clone()),
        Of::new("STATE", |row| row.state.clone()),
        Of::new("THERE IT", |row| relation(row).to_owned()),
        Of::new("AS", target),
        Of::new("BY LIST", |row| or_dash(&row.list_id)).dispensable(2),
        Of::new("FROM (UTC)", |row| time::utc_cell(row.from_s)),
        Of::new("UNTIL (UTC)", |row| match row.until_s {
            0 => "open-ended".to_owned(),
            until_s => time::utc_cell(until_s),
        }),
        Of::new("AUTHORITY", |row| or_dash(&row.authority)).dispensable(1),
    ];
    Layout { noun: "targets of requests", fields, cells, below: |_| Vec::new() }
}

/// What is said of the target that was asked for; in the past where an amendment took it away.
fn relation(row: &TouchingRow) -> &'static str {
    match (row.exception, row.covers, row.amended_away) {
        (true, true, false) => "must stay open",
        (true, true, true) => "had to stay open",
        (true, false, false) => "must stay open in part",
        (true, false, true) => "had to stay open in part",
        (false, true, false) => "is covered",
        (false, true, true) => "was covered",
        (false, false, false) => "is covered in part",
        (false, false, true) => "was covered in part",
    }
}

fn probe_layout() -> Layout<ProbeRow> {
    let fields = fields![row: ProbeRow;
        "probe" => row.id,
        "at" => time::utc(row.at_s),
        "result" => words::word(row.result().as_str_name(), "PROBE_RESULT_"),
        "technique" => technique(row),
        "page" => page(row),
        "target_kind" => words::target_kind(row.target.as_ref()),
        "target" => row.target.as_ref().map(|target| &target.value),
        "asn" => row.asn,
        "country" => row.country,
        "own_network" => row.own_network,
        "measurement" => words::base16(&row.measurement_digest),
    ];
    type Of = Cell<ProbeRow>;
    let cells = vec![
        Of::new("AT (UTC)", |row| time::utc_cell(row.at_s)),
        Of::new("RESULT", |row| words::word(row.result().as_str_name(), "PROBE_RESULT_")),
        Of::new("LOOKS LIKE", |row| {
            technique(row).or_else(|| page(row)).unwrap_or_else(|| "-".to_owned())
        }),
        Of::new("NETWORK", network),
        Of::new("TARGET", |row| words::target(row.target.as_ref())),
        Of::new("NODE", |row| row.id.split('/').next().unwrap_or_default().to_owned())
            .dispensable(1),
    ];
    Layout { noun: "probes", fields, cells, below: |_| Vec::new() }
}

fn technique(row: &ProbeRow) -> Option<String> {
    match row.technique() {
        Technique::Unspecified => None,
        technique => Some(words::technique(technique)),
    }
}

/// What a page that was reached says of itself.
fn page(row: &ProbeRow) -> Option<String> {
    match row.page() {
        ProbePage::Unspecified => None,
        page @ (ProbePage::Parked | ProbePage::Seized) => {
            Some(words::word(page.as_str_name(), "PROBE_PAGE_"))
        }
    }
}

/// "AS64500 DE (own)".
fn network(row: &ProbeRow) -> String {
    let asn = if row.asn == 0 { "not said".to_owned() } else { format!("AS{}", row.asn) };
    let own = if row.own_network { " (own)" } else { "" };
    format!("{asn} {}{own}", row.country).trim_end().to_owned()
}

/// The newest word of a probe in a network of the operator is that it is blocked, and nothing here is
/// known to block it.
fn unexplained(probes: &[ProbeRow], rules: &[RuleRow]) -> Option<String> {
    let newest = probes
        .iter()
        .filter(|probe| probe.own_network)
        .find(|probe| matches!(probe.result(), ProbeResult::Reached | ProbeResult::Blocked))?;
    let blocked = newest.result() == ProbeResult::Blocked && rules.is_empty();
    blocked.then(|| {
        format!(
            "Blocked in AS{}, by what a probe saw at {}; no rule that any node has told of stands or stood \
             for it. It may be blocked by another network, by a point that nobody observes, or by none.",
            newest.asn,
            time::utc(newest.at_s)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(result: ProbeResult, own_network: bool) -> ProbeRow {
        ProbeRow { result: result.into(), asn: 64_500, own_network, at_s: 1, ..ProbeRow::default() }
    }

    #[test]
    fn a_block_that_nothing_here_explains_is_said() {
        use ProbeResult::{Blocked, Inconclusive, Reached};
        let said = |probes: &[ProbeRow]| unexplained(probes, &[]).is_some();
        assert!(said(&[probe(Blocked, true)]));
        assert!(said(&[probe(Inconclusive, true), probe(Blocked, true), probe(Reached, true)]));
        assert!(!said(&[probe(Reached, true), probe(Blocked, true)]), "the newest speaks");
        assert!(!said(&[probe(Blocked, false)]), "another network");
        assert_eq!(unexplained(&[probe(Blocked, true)], &[RuleRow::default()]), None);
    }

    #[test]
    fn a_network_is_shown_by_number_and_country() {
        let named = ProbeRow { country: "DE".into(), ..probe(ProbeResult::Reached, true) };
        assert_eq!(network(&named), "AS64500 DE (own)");
        assert_eq!(network(&ProbeRow::default()), "not said");
    }
}
