//! What is wrong with requests themselves, by code; and where people stand with all findings, by kind.

use std::collections::{BTreeMap, BTreeSet};

use remit_proto::v1::{self, FindingKind, FindingState};

use super::examples::Examples;
use crate::commands::row::Judged;

/// Requests with one defect.
#[derive(Debug)]
pub(super) struct Defects {
    /// "MISSING_ELEMENT(redress)".
    pub(super) code: String,
    pub(super) requests: BTreeSet<String>,
    pub(super) examples: Examples,
    pub(super) first_s: i64,
    /// Of the first of them, with the remedy.
    pub(super) sentence: Option<String>,
}

/// Most requests first.
pub(super) fn defects(findings: &[v1::FindingRow]) -> Vec<Defects> {
    let mut found: BTreeMap<String, Defects> = BTreeMap::new();
    for row in findings.iter().filter(|row| row.kind() == FindingKind::Entry) {
        // What is missing is a cause of its own; the other request of a conflict is not.
        let code = match row.code.as_str() {
            code @ ("MISSING_ELEMENT" | "TARGET_OVERBROAD_ON_FACE") => {
                format!("{code}({})", row.detail)
            }
            code => code.to_owned(),
        };
        let new = || Defects {
            code: code.clone(),
            requests: BTreeSet::new(),
            examples: Examples::default(),
            first_s: row.first_seen_s,
            sentence: row.reason(),
        };
        let defects = found.entry(code.clone()).or_insert_with(new);
        defects.requests.insert(row.request_id.clone());
        defects.examples.add(row.request_id.clone());
        defects.first_s = defects.first_s.min(row.first_seen_s);
    }
    let mut found: Vec<Defects> = found.into_values().collect();
    found.sort_by_key(|defects| std::cmp::Reverse(defects.requests.len()));
    found
}

/// How many findings of one kind are in each state.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct States {
    pub(super) kind: &'static str,
    /// open, acknowledged, explained, remedied, disputed.
    pub(super) counts: [u64; 5],
    pub(super) seen_since: u64,
}

impl States {
    pub(super) fn all(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Kinds of which there is a finding.
pub(super) fn states(findings: &[v1::FindingRow]) -> Vec<States> {
    let mut by_kind: BTreeMap<i32, States> = BTreeMap::new();
    for row in findings {
        let states = by_kind.entry(row.kind).or_insert_with(|| States {
            kind: match row.kind() {
                FindingKind::Rule => "blocked, and by what right",
                FindingKind::Duty => "demanded, and not done",
                FindingKind::Entry => "wanting in itself",
                FindingKind::Integrity => "what a node can be believed",
                FindingKind::Unspecified => "of another kind",
            },
            counts: [0; 5],
            seen_since: 0,
        });
        let at = match row.state() {
            FindingState::Open | FindingState::Unspecified => 0,
            FindingState::Acknowledged => 1,
            FindingState::Explained => 2,
            FindingState::Remedied => 3,
            FindingState::Disputed => 4,
        };
        if let Some(count) = states.counts.get_mut(at) {
            *count += 1;
        }
        states.seen_since += u64::from(row.seen_since);
    }
    by_kind.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: FindingKind, code: &str, detail: &str, request: &str) -> v1::FindingRow {
        v1::FindingRow {
            code: code.into(),
            kind: kind.into(),
            detail: detail.into(),
            request_id: request.into(),
            ..v1::FindingRow::default()
        }
    }

    #[test]
    fn requests_with_one_defect_are_one_line() {
        use FindingKind::{Entry, Rule};
        let found = defects(&[
            row(Entry, "UNNUMBERED", "", "court/1"),
            row(Entry, "MISSING_ELEMENT", "redress", "court/1"),
            row(Entry, "MISSING_ELEMENT", "redress", "court/2"),
            row(Entry, "MISSING_ELEMENT", "reasons", "court/2"),
            row(Entry, "CONFLICT", "court/8", "court/2"),
            row(Entry, "CONFLICT", "court/9", "court/3"),
            row(Rule, "EXPIRED", "", "court/1"),
        ]);
        let found: Vec<(&str, usize)> =
            found.iter().map(|defects| (defects.code.as_str(), defects.requests.len())).collect();
        let want = [
            ("CONFLICT", 2),
            ("MISSING_ELEMENT(redress)", 2),
            ("MISSING_ELEMENT(reasons)", 1),
            ("UNNUMBERED", 1),
        ];
        assert_eq!(found, want);
    }

    #[test]
    fn findings_are_counted_by_kind_and_state() {
        let explained = v1::FindingRow {
            state: FindingState::Explained.into(),
            ..row(FindingKind::Rule, "EXPIRED", "", "")
        };
        let remedied = v1::FindingRow {
            state: FindingState::Remedied.into(),
            seen_since: true,
            ..row(FindingKind::Rule, "NO_BASIS", "", "")
        };
        let open = row(FindingKind::Entry, "UNNUMBERED", "", "court/1");
        let found = states(&[explained, remedied, open]);
        let counts: Vec<_> =
            found.iter().map(|states| (states.counts, states.seen_since)).collect();
        assert_eq!(counts, [([0, 0, 1, 1, 0], 1), ([1, 0, 0, 0, 0], 0)]);
    }
}
