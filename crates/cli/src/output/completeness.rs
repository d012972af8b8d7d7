//! What an answer rests on, and what it may have missed: the last line of every answer.

use remit_proto::v1;
use serde_json::{Value, json};

use crate::{time, words};

/// The line lists this many names; machine formats list all.
const NAMES_MAX: usize = 8;

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
    } = completeness;
    let mut parts =
        vec![format!("observes {points_observed} of {points_declared} declared points")];
    if *points_relayed > 0 {
        parts.push(format!("{points_relayed} relayed"));
    }
    let mut named = |what: &str, names: &[String]| {
        if !names.is_empty() {
            parts.push(format!("{what}: {}", some(names)));
        }
    };
    named("unobserved", unobserved_points);
    named("silent", silent_nodes);
    named("reporting but not declared", undeclared_nodes);
    let gap_nodes: Vec<String> = gaps
        .iter()
        .map(|gap| {
            format!("{} from {} to {}", gap.node, time::utc(gap.from_s), time::utc(gap.until_s))
        })
        .collect();
    if gaps.is_empty() {
        parts.push("no gaps".to_owned());
    } else {
        parts.push(format!("{} gaps ({})", gaps.len(), some(&gap_nodes)));
    }
    if *lost > 0 {
        parts.push(format!("{lost} hits lost"));
    }
    if *unexplained > 0 {
        parts.push(format!("{unexplained} hits unexplained"));
    }
    if *not_yet_assessed > 0 {
        parts.push(format!("{not_yet_assessed} leaves not yet assessed"));
    }
    parts.push(format!("register size {register_size}"));
    parts.push(format!("log size {log_size}"));
    parts.push(format!("{witnesses} witnesses"));
    parts.join("; ")
}

fn some(names: &[String]) -> String {
    match names.get(NAMES_MAX..) {
        Some(rest) if !rest.is_empty() => {
            let shown = names.get(..NAMES_MAX).unwrap_or_default();
            format!("{} and {} more", shown.join(", "), rest.len())
        }
        _ => names.join(", "),
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
    } = completeness;
    json!({
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
    })
}

fn gap(row: &v1::GapRow) -> Value {
    json!({
        "node": row.node,
        "source": words::word(row.source().as_str_name(), "SOURCE_KIND_"),
        "cause": words::word(row.cause().as_str_name(), "LOSS_CAUSE_"),
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
            "observes 3 of 4 declared points; unobserved: dpi-1/box; no gaps; register size 2; log \
             size 9; 0 witnesses"
        );
    }
}
