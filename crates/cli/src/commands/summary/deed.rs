//! Findings that a list of rules with their present verdicts does not show: what rules did that are
//! removed, or that are judged otherwise now; and what is added to a verdict.

use std::collections::BTreeMap;

use remit_proto::v1::{self, AddedFinding, FindingKind};

use super::{Places, cause::for_example, examples::Examples};
use crate::{
    commands::{
        findings::{INEFFECTIVE, UNSTATED, area_text, collateral_sentence},
        row::verdict_cell,
    },
    words,
};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DeedKey {
    /// "EXPIRED", "UNDETERMINED(ambiguous_rule)", "COLLATERAL".
    pub(super) code: String,
    pub(super) request: String,
    pub(super) authority: String,
    /// "removed", "stands", or the verdict that the rules have now.
    pub(super) rule_now: String,
}

#[derive(Debug)]
pub(super) struct Deed {
    pub(super) key: DeedKey,
    pub(super) rules: u64,
    /// Each with its place.
    pub(super) nodes: BTreeMap<String, String>,
    pub(super) hits: u64,
    pub(super) first_s: i64,
    pub(super) last_s: i64,
    pub(super) targets: Examples,
    pub(super) verdict: Option<v1::Verdict>,
    /// Where the finding is added to a verdict, and not the verdict itself.
    pub(super) added: Option<AddedFinding>,
    /// Of the rule that is known to have hit most others: names of several rules may be the same, and are not
    /// added up.
    collateral: Option<v1::CollateralRow>,
}

impl Deed {
    pub(super) fn sentences(&self) -> Vec<String> {
        let verdict = self.verdict.as_ref().map(register::explain);
        let others = self.collateral.as_ref().map(collateral_sentence);
        let told = verdict.into_iter().chain(others);
        told.flat_map(|sentence| for_example(sentence, self.rules)).collect()
    }

    fn add(&mut self, row: &v1::FindingRow, places: &Places) {
        self.rules += 1;
        self.nodes.insert(row.node.clone(), places.shown(&row.node));
        self.hits = self.hits.saturating_add(row.hits);
        let first_s = [self.first_s, row.first_seen_s].into_iter().filter(|at_s| *at_s != 0).min();
        self.first_s = first_s.unwrap_or(0);
        self.last_s = self.last_s.max(row.last_seen_s);
        self.targets.add(words::target(row.target.as_ref()));
        let names = |row: &Option<v1::CollateralRow>| row.as_ref().map(|row| row.names_seen);
        if names(&self.collateral) < names(&row.collateral) {
            self.collateral.clone_from(&row.collateral);
        }
        if self.verdict.is_none() {
            self.verdict.clone_from(&row.verdict);
        }
    }
}

pub(super) fn deeds(findings: &[v1::FindingRow], places: &Places) -> Vec<Deed> {
    let mut deeds: BTreeMap<DeedKey, Deed> = BTreeMap::new();
    for row in findings.iter().filter(|row| row.rule != 0 && row.kind() == FindingKind::Rule) {
        let added = AddedFinding::from_str_name(&format!("ADDED_FINDING_{}", row.code));
        // A rule that stands under this very verdict is among the rules already.
        if row.installed_now && row.verdict_now.is_none() && added.is_none() {
            continue;
        }
        let code = match (&row.verdict, added) {
            (Some(verdict), None) => words::verdict_code(verdict),
            _ => row.code.clone(),
        };
        let rule_now = match (row.installed_now, &row.verdict_now) {
            (false, _) => "removed".to_owned(),
            (true, None) => "stands".to_owned(),
            (true, now) => verdict_cell(now.as_ref()),
        };
        let key = DeedKey {
            code,
            request: row.request_id.clone(),
            authority: row.authority.clone(),
            rule_now,
        };
        let new = |key| Deed {
            key,
            rules: 0,
            nodes: BTreeMap::new(),
            hits: 0,
            first_s: 0,
            last_s: 0,
            targets: Examples::default(),
            verdict: None,
            added,
            collateral: None,
        };
        deeds.entry(key.clone()).or_insert_with(|| new(key)).add(row, places);
    }
    let mut deeds: Vec<Deed> = deeds.into_values().collect();
    deeds.sort_by_key(|deed| (std::cmp::Reverse(deed.rules), std::cmp::Reverse(deed.hits)));
    deeds
}

/// What a request in force demands, and no observed rule does.
pub(super) fn duties(findings: &[v1::FindingRow]) -> Vec<v1::FindingRow> {
    let duties = findings.iter().filter(|row| row.kind() == v1::FindingKind::Duty);
    duties.filter(|row| is_nowhere(row)).cloned().collect()
}

/// Requests that are carried out, or were, and not as they demand.
pub(super) fn not_done(findings: &[v1::FindingRow]) -> Vec<v1::FindingRow> {
    let duties = findings.iter().filter(|row| row.kind() == v1::FindingKind::Duty);
    duties.filter(|row| row.code != INEFFECTIVE && !is_nowhere(row)).cloned().collect()
}

/// Not carried out, or perhaps not. Whether it was in time is another question.
fn is_nowhere(row: &v1::FindingRow) -> bool {
    match row.code.as_str() {
        "NOT_ENFORCED" => true,
        "UNDETERMINED" => !matches!(row.detail.as_str(), "start" | "removal"),
        _ => false,
    }
}

/// What a request in force wants blocked, and a probe reached.
pub(super) fn reached(findings: &[v1::FindingRow]) -> Vec<v1::FindingRow> {
    findings.iter().filter(|row| row.code == INEFFECTIVE).cloned().collect()
}

/// Nodes whose rules claim what a basis map says that nobody has stated.
pub(super) fn unstated(findings: &[v1::FindingRow], places: &Places) -> Vec<String> {
    let rows = findings.iter().filter(|row| row.code == UNSTATED);
    rows.map(|row| places.shown(&row.node)).collect()
}

/// Areas that were silent as such.
pub(super) fn silent_areas(findings: &[v1::FindingRow]) -> Vec<String> {
    findings.iter().filter_map(|row| Some(area_text(row.area.as_ref()?, row))).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use v1::VerdictCode::{Authorised, Expired};

    use super::*;

    pub(crate) fn finding(rule: u64, code: &str, verdict: v1::VerdictCode) -> v1::FindingRow {
        v1::FindingRow {
            code: code.into(),
            kind: v1::FindingKind::Rule.into(),
            rule,
            node: "edge-1".into(),
            hits: 2,
            first_seen_s: 100,
            last_seen_s: 200,
            verdict: Some(v1::Verdict { code: verdict.into(), ..Default::default() }),
            ..v1::FindingRow::default()
        }
    }

    fn check(row: v1::FindingRow, want: Option<(&str, &str)>) {
        let found = deeds(&[row], &Places::default());
        let found = found.first().map(|deed| (deed.key.code.as_str(), deed.key.rule_now.as_str()));
        assert_eq!(found, want);
    }

    #[test]
    fn only_what_the_rules_do_not_show_is_told_again() {
        let stands = v1::FindingRow { installed_now: true, ..finding(1, "EXPIRED", Expired) };
        check(stands.clone(), None);
        check(finding(1, "EXPIRED", Expired), Some(("EXPIRED", "removed")));
        let now = v1::Verdict { code: Authorised.into(), ..Default::default() };
        let changed = v1::FindingRow { verdict_now: Some(now), ..stands };
        check(changed, Some(("EXPIRED", "covered (AUTHORISED)")));
        let harm = finding(1, "COLLATERAL", Authorised);
        let harm = v1::FindingRow { installed_now: true, ..harm };
        check(harm, Some(("COLLATERAL", "stands")));
    }

    #[test]
    fn a_request_that_is_not_carried_out_is_no_deed() {
        let row = |code: &str, request_id: &str| v1::FindingRow {
            code: code.into(),
            node: "edge-1".into(),
            request_id: request_id.into(),
            ..v1::FindingRow::default()
        };
        let kind = v1::FindingKind::Duty.into();
        let duty = v1::FindingRow { kind, ..row("NOT_ENFORCED", "court/1") };
        check(duty.clone(), None);
        let rows = [finding(1, "EXPIRED", Expired), duty, row(UNSTATED, "")];
        assert_eq!(duties(&rows).len(), 1);
        assert_eq!(unstated(&rows, &Places::default()), ["edge-1"]);
    }

    #[test]
    fn of_others_that_were_hit_the_rule_that_hit_most_speaks() {
        let harm = |rule, names_seen| v1::FindingRow {
            collateral: Some(v1::CollateralRow {
                names_seen,
                names_cut: false,
                estimate: "some forty shops".into(),
                estimate_made_at_s: 1_000,
                request_from_s: 2_000,
            }),
            ..finding(rule, "COLLATERAL", Authorised)
        };
        let found = deeds(&[harm(1, 2), harm(2, 7), harm(3, 0)], &Places::default());
        let [deed] = found.as_slice() else { panic!("{found:?}") };
        let told = deed.sentences().pop().unwrap();
        assert!(told.starts_with("For example: At least 7 other names hit the rule ("), "{told}");
        assert!(told.contains("expected: some forty shops (made before the request took effect, at 1970-01-01T00:16:40Z;"), "{told}");
        let none = deeds(&[harm(3, 0)], &Places::default()).remove(0).sentences().pop().unwrap();
        assert!(none.starts_with("No other name was recorded that hit the rule, which"), "{none}");
        let other = deeds(&[finding(1, "EXPIRED", Expired)], &Places::default()).remove(0);
        assert_eq!(other.sentences().len(), 1, "of other findings nothing is told of it");
    }

    #[test]
    fn hits_and_times_add_up() {
        let early = v1::FindingRow { first_seen_s: 50, ..finding(1, "EXPIRED", Expired) };
        let late = v1::FindingRow { last_seen_s: 900, ..finding(2, "EXPIRED", Expired) };
        let found = deeds(&[late, early], &Places::default());
        let [deed] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((deed.rules, deed.hits, deed.first_s, deed.last_s), (2, 4, 50, 900));
    }
}
