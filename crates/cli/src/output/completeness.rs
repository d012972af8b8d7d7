//! What an answer rests on, and what it may have missed: the last line of every answer.

use remit_proto::v1;
use serde_json::{Value, json};

use super::canaries::{canaries_part, canary_json};
use crate::{
    time,
    words::{self, count},
};

/// The line lists this many names; machine formats list all.
const NAMES_MAX: usize = 8;
const SPANS_MAX: usize = 3;

pub(crate) fn line(completeness: &v1::Completeness) -> String {
    let v1::Completeness {
        points_declared,
        points_observed,
        points_relayed,
        unobserved_points,
        log_size,
        register_size,
        witnesses,
        gaps,
        silent_nodes,
        lost,
        unexplained,
        not_yet_assessed,
        undeclared_nodes,
        silences,
        silence_count,
        gap_count,
        canary_paths,
        canary_paths_alive,
        canaries_alive_as_of_s,
        canaries_not_alive,
        memory_nodes,
        loss_bound_s,
        unfinished_reassessments,
        as_known_at_s,
        log_size_at_s,
        veiled_requests,
        hidden_requests,
    } = completeness;
    let mut parts =
        vec![format!("observes {points_observed} of {points_declared} declared points")];
    if *as_known_at_s != 0 {
        let known = format!(
            "as known at {}: of the log up to size {log_size} (its newest entry is of {}) and the register \
             up to size {register_size}",
            time::utc(*as_known_at_s),
            time::utc(*log_size_at_s)
        );
        parts.insert(0, known);
    }
    if *points_relayed > 0 {
        parts.push(format!("{points_relayed} more told of by other equipment"));
    }
    let mut named = |what: &str, names: &[String]| {
        if !names.is_empty() {
            parts.push(format!("{what}: {}", some(names, NAMES_MAX, ", ")));
        }
    };
    named("nobody looks at", unobserved_points);
    named("silent now", silent_nodes);
    named("reporting, but declared by nobody", undeclared_nodes);
    named(
        &format!("in memory, so that a power cut may cost {loss_bound_s} s of records"),
        memory_nodes,
    );
    let told: Vec<String> = gaps.iter().map(gap_text).collect();
    if told.is_empty() {
        parts.push("no gaps in the records".to_owned());
    } else {
        let counted = count(*gap_count, "gap in the records", "gaps in the records");
        parts.push(format!("{counted} ({})", longest(&told, *gap_count)));
    }
    if *silence_count > 0 {
        let told: Vec<String> = silences.iter().map(silence_text).collect();
        let counted = count(*silence_count, "silence", "silences");
        parts.push(format!("{counted} ({})", longest(&told, *silence_count)));
    }
    parts.extend(canaries_part(
        *canary_paths,
        *canary_paths_alive,
        *canaries_alive_as_of_s,
        canaries_not_alive,
    ));
    if *lost > 0 {
        parts.push(format!("{} lost, and counted as such", count(*lost, "hit", "hits")));
    }
    if *unexplained > 0 {
        parts.push(format!(
            "{} counted by the device and recorded by nobody, or the other way round",
            count(*unexplained, "hit", "hits")
        ));
    }
    if *not_yet_assessed > 0 {
        parts.push(format!("{} not yet judged", count(*not_yet_assessed, "record", "records")));
    }
    if *unfinished_reassessments > 0 {
        parts.push(format!(
            "old events are still being judged again after {} of register, nodes or keys",
            count(*unfinished_reassessments, "change", "changes")
        ));
    }
    if *veiled_requests > 0 {
        let not_there = match hidden_requests {
            0 => String::new(),
            number => format!(" (of {number} nothing at all)"),
        };
        parts.push(format!(
            "{} with parts that are restricted or secret and not shown to you{not_there}",
            count(*veiled_requests, "request", "requests")
        ));
    }
    parts.push(format!("register of {}", count(*register_size, "statement", "statements")));
    parts.push(format!("log of {}", count(*log_size, "entry", "entries")));
    parts.push(match witnesses {
        0 => "confirmed by no independent witness".to_owned(),
        _ => format!("confirmed by {}", count(u64::from(*witnesses), "witness", "witnesses")),
    });
    format!("How complete: {}.", parts.join("; "))
}

/// "edge-1 from 2026-11-23T22:55:49Z to 2026-11-23T23:10:00Z", "edge-1 since …, stop announced".
pub(crate) fn silence_text(silence: &v1::SilenceRow) -> String {
    let v1::SilenceRow { node, from_s, until_s, announced, open } = silence;
    let (from, until) = (time::utc(*from_s), time::utc(*until_s));
    let span = if *open { format!("since {from}") } else { format!("from {from} to {until}") };
    let why = if *announced { ", stop announced" } else { "" };
    format!("{node} {span}{why}")
}

pub(super) fn longest(told: &[String], all: u64) -> String {
    let shown = told.get(..SPANS_MAX).unwrap_or(told);
    let text = shown.join(" | ");
    match all.saturating_sub(shown.len() as u64) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// "edge-1 at 2026-11-23T22:55:49Z, agent down".
pub(crate) fn gap_text(gap: &v1::GapRow) -> String {
    let (from, until) = (time::utc(gap.from_s), time::utc(gap.until_s));
    let span = if from == until { format!("at {from}") } else { format!("from {from} to {until}") };
    format!("{} {span}, {}", gap.node, cause(gap).replace('_', " "))
}

fn cause(gap: &v1::GapRow) -> String {
    words::word(gap.cause().as_str_name(), "LOSS_CAUSE_")
}

/// The first `max`, and how many more there are.
pub(crate) fn some(names: &[String], max: usize, between: &str) -> String {
    match names.get(max..) {
        Some(rest) if !rest.is_empty() => {
            let shown = names.get(..max).unwrap_or_default();
            format!("{} and {} more", shown.join(between), rest.len())
        }
        _ => names.join(between),
    }
}

pub(crate) fn json(completeness: &v1::Completeness) -> Value {
    let v1::Completeness {
        points_declared,
        points_observed,
        points_relayed,
        unobserved_points,
        log_size,
        register_size,
        witnesses,
        gaps,
        silent_nodes,
        lost,
        unexplained,
        not_yet_assessed,
        undeclared_nodes,
        silences,
        silence_count,
        gap_count,
        canary_paths,
        canary_paths_alive,
        canaries_alive_as_of_s,
        canaries_not_alive,
        memory_nodes,
        loss_bound_s,
        unfinished_reassessments,
        as_known_at_s,
        log_size_at_s,
        veiled_requests,
        hidden_requests,
    } = completeness;
    json!({
        "as_known_at": time::utc(*as_known_at_s),
        "log_size_at": time::utc(*log_size_at_s),
        "points_declared": points_declared,
        "points_observed": points_observed,
        "points_relayed": points_relayed,
        "unobserved_points": unobserved_points,
        "log_size": log_size,
        "register_size": register_size,
        "witnesses": witnesses,
        "gaps": gaps.iter().map(gap).collect::<Vec<_>>(),
        "silent_nodes": silent_nodes,
        "lost": lost,
        "unexplained": unexplained,
        "not_yet_assessed": not_yet_assessed,
        "undeclared_nodes": undeclared_nodes,
        "silences": silences.iter().map(silence).collect::<Vec<_>>(),
        "silence_count": silence_count,
        "gap_count": gap_count,
        "canary_paths": canary_paths,
        "canary_paths_alive": canary_paths_alive,
        "canaries_alive_as_of": time::utc(*canaries_alive_as_of_s),
        "canaries_not_alive": canaries_not_alive.iter().map(canary_json).collect::<Vec<_>>(),
        "memory_nodes": memory_nodes,
        "loss_bound_s": loss_bound_s,
        "unfinished_reassessments": unfinished_reassessments,
        "veiled_requests": veiled_requests,
        "hidden_requests": hidden_requests,
    })
}

fn silence(row: &v1::SilenceRow) -> Value {
    let v1::SilenceRow { node, from_s, until_s, announced, open } = row;
    json!({
        "node": node,
        "from": time::utc(*from_s),
        "until": (!open).then(|| time::utc(*until_s)),
        "stop_announced": announced,
    })
}

fn gap(row: &v1::GapRow) -> Value {
    json!({
        "node": row.node,
        "source": words::word(row.source().as_str_name(), "SOURCE_KIND_"),
        "cause": cause(row),
        "rule": (row.rule != 0).then(|| words::rule(row.rule)),
        "claims": words::claims(&row.claims),
        "count": row.count_known.then_some(row.count),
        "from": time::utc(row.from_s),
        "until": time::utc(row.until_s),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_told_with_its_cause_and_counts_in_the_right_number() {
        let gap = |from_s, until_s| v1::GapRow {
            node: "edge-1".into(),
            cause: v1::LossCause::AgentDown.into(),
            from_s,
            until_s,
            ..v1::GapRow::default()
        };
        let completeness = v1::Completeness {
            gaps: vec![gap(60, 60)],
            gap_count: 1,
            lost: 1,
            witnesses: 1,
            ..v1::Completeness::default()
        };
        let text = line(&completeness);
        assert!(text.contains("1 gap in the records (edge-1 at 1970-01-01T00:01:00Z, agent down)"));
        assert!(text.contains("; 1 hit lost, and counted as such;"), "{text}");
        assert!(text.ends_with("; confirmed by 1 witness."), "{text}");
        let many = v1::Completeness {
            gaps: vec![gap(60, 90); 5],
            gap_count: 2000,
            ..v1::Completeness::default()
        };
        assert!(
            line(&many).contains("2000 gaps in the records (edge-1 from 1970-01-01T00:01:00Z to ")
        );
        assert!(line(&many).contains(" and 1997 more)"), "{}", line(&many));
    }

    #[test]
    fn a_silence_is_told_with_its_span_and_whether_the_stop_was_announced() {
        let silence = |from_s, until_s, announced, open| v1::SilenceRow {
            node: "edge-1".into(),
            from_s,
            until_s,
            announced,
            open,
        };
        let completeness = v1::Completeness {
            silences: vec![silence(60, 120, false, false), silence(180, 240, true, true)],
            silence_count: 2,
            ..v1::Completeness::default()
        };
        assert!(line(&completeness).contains(
            "; 2 silences (edge-1 from 1970-01-01T00:01:00Z to 1970-01-01T00:02:00Z | edge-1 since \
             1970-01-01T00:03:00Z, stop announced); "
        ));
    }

    #[test]
    fn the_line_names_what_is_not_observed() {
        let completeness = v1::Completeness {
            points_declared: 4,
            points_observed: 3,
            unobserved_points: vec!["dpi-1/box".into()],
            log_size: 9,
            register_size: 2,
            ..v1::Completeness::default()
        };
        assert_eq!(
            line(&completeness),
            "How complete: observes 3 of 4 declared points; nobody looks at: dpi-1/box; no gaps in the \
             records; register of 2 statements; log of 9 entries; confirmed by no independent witness."
        );
    }

    #[test]
    fn the_line_says_who_keeps_records_in_memory_alone() {
        let completeness = v1::Completeness {
            memory_nodes: vec!["edge-1".into(), "edge-2".into()],
            loss_bound_s: 60,
            ..v1::Completeness::default()
        };
        let said = "; in memory, so that a power cut may cost 60 s of records: edge-1, edge-2; ";
        assert!(line(&completeness).contains(said), "{}", line(&completeness));
    }
}
