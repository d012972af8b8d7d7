//! What canaries show, in words and for machines.

use remit_proto::v1::{self, CanaryState};
use serde_json::{Value, json};

use super::completeness::longest;
use crate::{time, words};

/// "edge-1 nflog/42: not back since 2026-11-23T22:55:49Z".
pub(crate) fn canary_text(row: &v1::CanaryRow) -> String {
    let v1::CanaryRow { node, source: _, path, state: _, at_s } = row;
    let since = |what: &str| match at_s {
        0 => format!("{what} ever"),
        at_s => format!("{what} since {}", time::utc(*at_s)),
    };
    let says = match row.state() {
        CanaryState::Alive => format!("alive as of {}", time::utc(*at_s)),
        CanaryState::Missing => since("none came back"),
        CanaryState::Stopped => since("none sent"),
        CanaryState::Waiting => "the first was just sent".to_owned(),
        CanaryState::None | CanaryState::Unspecified => "no canaries".to_owned(),
    };
    format!("{node} {path}: {says}")
}

/// The part of the completeness line; `None`: no source of these nodes could have canaries.
pub(crate) fn canaries_part(
    paths: u64,
    alive: u64,
    as_of_s: i64,
    others: &[v1::CanaryRow],
) -> Option<String> {
    if paths == 0 {
        return None;
    }
    let mut text = format!("canaries came back on {alive} of {paths} paths");
    if alive > 0 {
        text.push_str(&format!(", alive as of {}", time::utc(as_of_s)));
    }
    let told: Vec<String> = others.iter().map(canary_text).collect();
    if !told.is_empty() {
        text.push_str(&format!(" ({})", longest(&told, paths.saturating_sub(alive))));
    }
    Some(text)
}

/// "nflog/42 alive: 312 sent, 312 back, 312 counted".
pub(crate) fn account_text(account: &v1::CanaryAccount, sealed_s: i64) -> String {
    use register::canary::{Health, health};
    let v1::CanaryAccount {
        source: _,
        path,
        sent,
        seen,
        unanswered: _,
        counted_known,
        counted,
        sent_at_s: _,
        seen_at_s: _,
    } = account;
    let state = match health(account, sealed_s) {
        Health::None => return format!("{path} no canaries"),
        Health::Waiting => "waiting",
        Health::Alive { .. } => "alive",
        Health::Missing { .. } => "MISSING",
        Health::Stopped { .. } => "STOPPED",
    };
    let counted = if *counted_known { format!(", {counted} counted") } else { String::new() };
    format!("{path} {state}: {sent} sent, {seen} back{counted}")
}

pub(crate) fn canary_json(row: &v1::CanaryRow) -> Value {
    let v1::CanaryRow { node, source: _, path, state: _, at_s } = row;
    json!({
        "node": node,
        "source": words::word(row.source().as_str_name(), "SOURCE_KIND_"),
        "path": path,
        "state": words::word(row.state().as_str_name(), "CANARY_STATE_"),
        "at": time::utc(*at_s),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: CanaryState, at_s: i64) -> v1::CanaryRow {
        let (node, path) = ("edge-1".into(), "nflog/42".into());
        v1::CanaryRow { node, path, state: state.into(), at_s, ..v1::CanaryRow::default() }
    }

    #[test]
    fn each_state_has_its_words() {
        let text = |state, at_s| canary_text(&row(state, at_s));
        assert_eq!(
            text(CanaryState::Alive, 60),
            "edge-1 nflog/42: alive as of 1970-01-01T00:01:00Z"
        );
        assert_eq!(
            text(CanaryState::Missing, 60),
            "edge-1 nflog/42: none came back since 1970-01-01T00:01:00Z"
        );
        assert_eq!(text(CanaryState::Missing, 0), "edge-1 nflog/42: none came back ever");
        assert_eq!(text(CanaryState::None, 0), "edge-1 nflog/42: no canaries");
    }

    #[test]
    fn the_line_says_as_of_when_and_where_not() {
        let others = [row(CanaryState::Missing, 60), row(CanaryState::None, 0)];
        assert_eq!(
            canaries_part(3, 1, 90, &others).as_deref(),
            Some(
                "canaries came back on 1 of 3 paths, alive as of 1970-01-01T00:01:30Z (edge-1 \
                 nflog/42: none came back since 1970-01-01T00:01:00Z | edge-1 nflog/42: no canaries)"
            )
        );
        assert_eq!(canaries_part(0, 0, 0, &[]), None);
    }
}
