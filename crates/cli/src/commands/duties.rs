//! What a request demands and was not done, in words (DOMAIN.md 3b). A question of compliance, and never one
//! score with what is blocked without cover.

use remit_proto::v1::{self, DutyCode};
use serde_json::{Value, json};

use crate::{time, words};

/// Nodes that a sentence names.
const NAMED: usize = 5;

/// `None`: the row is about something else. Of a code of the wire `Some(None)`: it is not known.
fn code(row: &v1::FindingRow) -> Option<Option<DutyCode>> {
    if row.kind() != v1::FindingKind::Duty {
        return None;
    }
    match row.code.as_str() {
        "UNDETERMINED" => Some(None),
        code => DutyCode::from_str_name(&format!("DUTY_CODE_{code}")).map(Some),
    }
}

/// "partly enforced (PARTLY_ENFORCED)".
pub(super) fn cell(row: &v1::FindingRow) -> Option<String> {
    let word = match code(row)? {
        None => "undetermined",
        Some(DutyCode::Unspecified) => return None,
        Some(DutyCode::NotEnforced) => "not enforced",
        Some(DutyCode::Ineffective) => "ineffective",
        Some(DutyCode::PartlyEnforced) => "partly enforced",
        Some(DutyCode::LateStart) => "late start",
        Some(DutyCode::PrematureRemoval) => "removed early",
        Some(DutyCode::LateRemoval) => "removed late",
        Some(DutyCode::Interrupted) => "interrupted",
        Some(DutyCode::Inconsistent) => "inconsistent",
    };
    Some(format!("{word} ({})", row.code))
}

pub(super) fn sentence(row: &v1::FindingRow) -> Option<String> {
    let id = &row.request_id;
    let due = time::utc(row.due_s);
    let (targets, at) = (targets(row), nodes(row));
    let text = match code(row)? {
        None if row.detail == "silent" => format!(
            "Request {id} is in force, and whether rules carry it out for {targets} is not known: all nodes \
             that look, or all that carried it out when they were heard last, are silent, or have told nothing yet."
        ),
        None if row.detail == "start" => format!(
            "Request {id} was to be carried out by {due}, and whether {targets} began in time is not known: \
             nothing was heard from {at}, or not all rules were read there since a restart, until a rule was there."
        ),
        None if row.detail == "removal" => format!(
            "Request {id} had rules for {targets} that were to be gone by {due}, and whether they were is not \
             known: until they were gone, or until now, nothing was heard from {at}, or not all rules were read \
             there since a restart."
        ),
        None if row.detail == "conditions" => format!(
            "Request {id} is in force, and whether {targets} is carried out is not known: rules at {at} have \
             further conditions, of which the evidence does not tell which."
        ),
        None => {
            format!("Request {id} is in force, and whether a rule carries it out is not known.")
        }
        Some(DutyCode::Unspecified) => return None,
        Some(DutyCode::NotEnforced) => {
            format!(
                "Request {id} is in force, and no observed rule carries it out: {}.",
                lacks(row)
            )
        }
        Some(DutyCode::Ineffective) => {
            let probe = row.probe.as_ref()?;
            return Some(format!(
                "Request {id} was in force and a rule for it stood in AS{}, and a probe there reached {} at \
                 {}, by its own judgement (measurement with SHA-256 {}).",
                probe.asn,
                words::target(probe.target.as_ref()),
                time::utc(probe.at_s),
                words::base16(&probe.measurement_digest)
            ));
        }
        Some(DutyCode::PartlyEnforced) if row.detail == "nodes" => format!(
            "Request {id} is carried out, and not at {at}, where nodes of the same kind elsewhere do."
        ),
        Some(DutyCode::PartlyEnforced) if row.detail == "narrower" => format!(
            "Request {id} is carried out, and for {targets} by rules that leave some of it open: {}.",
            lacks(row)
        ),
        Some(DutyCode::PartlyEnforced) => {
            format!(
                "Request {id} is carried out, and no observed rule carries out {targets} of it: {}.",
                lacks(row)
            )
        }
        Some(DutyCode::LateStart) => {
            format!("Request {id} was to be carried out by {due}; {targets} began later at {at}.")
        }
        Some(DutyCode::PrematureRemoval) => {
            format!("Request {id} was carried out for {targets}, and was taken away early at {at}.")
        }
        Some(DutyCode::LateRemoval) => format!(
            "Request {id} was to be removed by {due}; a rule for {targets} stood longer at {at}."
        ),
        Some(DutyCode::Interrupted) => {
            format!("Request {id} was carried out for {targets} with a pause at {at}.")
        }
        Some(DutyCode::Inconsistent) => {
            format!("Request {id} is carried out in part at {at}: nodes of one kind differ.")
        }
    };
    Some(format!("{text}{}", not_seen(row)))
}

/// Before somebody looked, nobody is held to have lacked anything.
fn lacks(row: &v1::FindingRow) -> String {
    let (due, seen) = (time::utc(row.due_s), time::utc(row.first_seen_s));
    match row.due_s < row.first_seen_s {
        true => format!("due since {due}, seen lacking since {seen}"),
        false => format!("due, and seen lacking, since {seen}"),
    }
}

fn targets(row: &v1::FindingRow) -> String {
    let first = words::target(row.target.as_ref());
    match row.target_count {
        0 | 1 => first,
        count => format!("{count} targets (the first: {first})"),
    }
}

/// "edge-1 (2026-01-10T00:00:00Z to 2026-01-12T00:00:00Z), edge-2 (since …) and 3 more".
fn nodes(row: &v1::FindingRow) -> String {
    let node = |part: &v1::DutyNodeRow| match part.until_s {
        0 => format!("{} (since {})", part.node, time::utc(part.from_s)),
        until_s => format!("{} ({} to {})", part.node, time::utc(part.from_s), time::utc(until_s)),
    };
    let named: Vec<String> = row.duty_nodes.iter().take(NAMED).map(node).collect();
    match row.node_count.saturating_sub(named.len() as u64) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn not_seen(row: &v1::FindingRow) -> String {
    let mut text = String::new();
    if !row.unobserved_points.is_empty() {
        text.push_str(&format!(
            " Not observed in its scope: {}.",
            row.unobserved_points.join(", ")
        ));
    }
    if !row.silent_nodes.is_empty() {
        let named = row.silent_nodes.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = row.silent_nodes.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        text.push_str(&format!(" Silent, so that nobody knows what they carry: {named}{more}."));
    }
    text
}

pub(super) fn node_json(part: &v1::DutyNodeRow) -> Value {
    let v1::DutyNodeRow { node, from_s, until_s, targets } = part;
    json!({
        "node": node, "from": time::utc(*from_s), "until": time::utc(*until_s), "targets": targets,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(code: DutyCode) -> v1::FindingRow {
        let name = code.as_str_name().strip_prefix("DUTY_CODE_").unwrap();
        let node = |node: &str, until_s| v1::DutyNodeRow {
            node: node.into(),
            from_s: 60,
            until_s,
            targets: 1,
        };
        v1::FindingRow {
            code: name.into(),
            kind: v1::FindingKind::Duty.into(),
            request_id: "court/1".into(),
            target: Some(v1::Target { value: "a.example".into(), ..v1::Target::default() }),
            target_count: 2,
            due_s: 60,
            duty_nodes: vec![node("edge-1", 120), node("edge-2", 0)],
            node_count: 3,
            probe: Some(v1::ProbeRow::default()),
            ..v1::FindingRow::default()
        }
    }

    #[test]
    fn every_code_has_a_word_and_a_sentence() {
        for code in (1..=64).filter_map(|number| DutyCode::try_from(number).ok()) {
            let row = row(code);
            assert!(cell(&row).unwrap().ends_with(&format!("({})", row.code)));
            let sentence = sentence(&row).unwrap();
            assert!(
                sentence.starts_with("Request court/1 ") && sentence.ends_with('.'),
                "{sentence}"
            );
        }
    }

    #[test]
    fn what_depends_on_conditions_that_are_not_told_says_where() {
        let (code, detail) = ("UNDETERMINED".into(), "conditions".into());
        let said =
            sentence(&v1::FindingRow { code, detail, ..row(DutyCode::NotEnforced) }).unwrap();
        assert!(
            said.contains("not known: rules at edge-1 (") && said.contains("a.example"),
            "{said}"
        );
    }

    #[test]
    fn what_may_have_begun_in_time_names_the_bound_and_who_was_silent() {
        let (code, detail) = ("UNDETERMINED".into(), "start".into());
        let said = sentence(&v1::FindingRow { code, detail, ..row(DutyCode::LateStart) }).unwrap();
        let want = "was to be carried out by 1970-01-01T00:01:00Z, and whether 2 targets (the first: a.example) \
                    began in time is not known: nothing was heard from edge-1 (";
        assert!(said.contains(want), "{said}");
    }

    #[test]
    fn a_late_removal_names_the_bound_and_the_tail_of_each_node() {
        let said = sentence(&row(DutyCode::LateRemoval)).unwrap();
        let want = "was to be removed by 1970-01-01T00:01:00Z; a rule for 2 targets (the first: a.example) \
                    stood longer at edge-1 (1970-01-01T00:01:00Z to 1970-01-01T00:02:00Z), edge-2 (since \
                    1970-01-01T00:01:00Z) and 1 more.";
        assert!(said.contains(want), "{said}");
    }

    #[test]
    fn what_is_not_carried_out_says_since_when_it_is_due_and_since_when_that_is_seen() {
        let said = |first_seen_s| {
            let row = v1::FindingRow { first_seen_s, ..row(DutyCode::NotEnforced) };
            sentence(&row).unwrap()
        };
        let due = "due since 1970-01-01T00:01:00Z, seen lacking since 1970-01-01T00:02:00Z.";
        assert!(said(120).contains(due), "{}", said(120));
        assert!(said(60).contains("due, and seen lacking, since 1970-01-01T00:01:00Z."));
    }

    #[test]
    fn what_nobody_could_see_is_said() {
        let row = v1::FindingRow {
            unobserved_points: vec!["edge-1/dpi".into()],
            silent_nodes: vec!["edge-9".into()],
            ..row(DutyCode::NotEnforced)
        };
        let said = sentence(&row).unwrap();
        assert!(said.contains("Not observed in its scope: edge-1/dpi.") && said.contains("edge-9"));
    }
}
