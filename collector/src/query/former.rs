//! Findings that stand no more: what they were about, and when they stood.
//!
//! An id is a hash, so it is told by trying: what people decided on says itself what it is about; else the
//! causes that each rule of the index may have had, and the defects that each request had when something was
//! stated of it. A finding is told of only if it was decided on or the evidence shows that it stood; a duty on
//! which nobody decided leaves no trace when it stands no more.

use std::collections::BTreeSet;

use register::{Defect, Gone, Known, Target, cases::finding_id, defects::of};
use remit_proto::v1::{self, AddedFinding, EntryCode, FindingKind, IntegrityCode, VerdictCode};

use super::{
    Scene, cases,
    error::QueryError,
    findings::short,
    rules::{self, JudgedRule},
};
use crate::store::{EventQuery, RuleQuery, StoredRule};

/// Of the node's newest events that touch the rule's target; what it did before them is not looked at.
const EVENTS_MAX: usize = 10_000;

pub(super) fn finding(scene: &Scene, id: &str) -> Result<Option<v1::FindingRow>, QueryError> {
    let decided = scene.cases().subject(id).cloned();
    let (subject, defect) = match decided {
        Some(subject) => (subject, None),
        None => match of_a_rule(scene, id)? {
            Some(subject) => (subject, None),
            None => match of_a_request(scene, id) {
                Some((subject, defect)) => (subject, Some(defect)),
                None => return Ok(None),
            },
        },
    };
    let v1::FindingSubject { code, node, generation, rule, request_id, detail } = subject;
    let mut row = v1::FindingRow {
        kind: kind_of(&code, rule, &request_id).into(),
        code,
        node,
        generation,
        rule,
        request_id,
        detail,
        stands_no_more: true,
        ..v1::FindingRow::default()
    };
    if let Some(Defect { since_s, target, target_count, .. }) = defect {
        row.first_seen_s = since_s;
        row.target = target.as_ref().map(register::Target::to_wire);
        row.target_count = target_count;
    }
    if row.rule != 0 && !when_it_stood(scene, &mut row)? && scene.cases().of(id).is_empty() {
        return Ok(None);
    }
    let mut row = cases::complete(scene, row)?;
    Ok(scene.veil.finding(&mut row).then_some(row))
}

fn kind_of(code: &str, rule: u64, request_id: &str) -> FindingKind {
    if IntegrityCode::from_str_name(&format!("INTEGRITY_CODE_{code}")).is_some() {
        return FindingKind::Integrity;
    }
    match (rule, request_id) {
        (0, "") => FindingKind::Integrity,
        (0, _) if EntryCode::from_str_name(&format!("ENTRY_CODE_{code}")).is_some() => {
            FindingKind::Entry
        }
        (0, _) => FindingKind::Duty,
        (_, _) => FindingKind::Rule,
    }
}

/// The rule and cause of which this is the id.
fn of_a_rule(scene: &Scene, id: &str) -> Result<Option<v1::FindingSubject>, QueryError> {
    let causes: Vec<String> = verdicts().chain(added()).collect();
    for StoredRule { id: rule, .. } in scene.reading.rules(&RuleQuery::default())? {
        for code in &causes {
            let subject = v1::FindingSubject {
                code: code.clone(),
                node: rule.node.clone(),
                generation: rule.generation.clone(),
                rule: rule.number,
                ..v1::FindingSubject::default()
            };
            if finding_id(&subject) == id {
                return Ok(Some(subject));
            }
        }
    }
    Ok(None)
}

fn verdicts() -> impl Iterator<Item = String> {
    let codes = (1..=64).filter_map(|number| VerdictCode::try_from(number).ok());
    codes.map(|code| short(code.as_str_name(), "VERDICT_CODE_"))
}

fn added() -> impl Iterator<Item = String> {
    let codes = (1..=64).filter_map(|number| AddedFinding::try_from(number).ok());
    codes.map(|code| short(code.as_str_name(), "ADDED_FINDING_"))
}

/// Whether an event of the rule ever had such a verdict; and when, with what it was about.
fn when_it_stood(scene: &Scene, row: &mut v1::FindingRow) -> Result<bool, QueryError> {
    let nodes = vec![row.node.clone()];
    let of_node = RuleQuery { nodes: nodes.clone(), ..RuleQuery::default() };
    let rules = scene.reading.rules(&of_node)?;
    let is_it =
        |rule: &&StoredRule| rule.id.number == row.rule && rule.id.generation == row.generation;
    let stored = rules.iter().find(is_it);
    if let Some(rule) = stored.filter(|rule| rule.installed_now) {
        // The rule stands, and not for this.
        let seals = scene.seal_times();
        let at_s = seals.get(row.node.as_str()).copied().unwrap_or(rule.shown_at_s);
        let JudgedRule { rule, verdict, .. } = rules::judge(scene, rule.clone(), at_s);
        row.installed_now = true;
        row.verdict_now = Some(verdict);
        row.target = rule.facts.target;
        row.technique = rule.facts.rule.technique;
        row.claims = rule.facts.rule.claims;
    }
    // By its target, else what others of the node did would push it out. One that is withheld is not in the
    // index of targets.
    let target = match stored.map(|rule| rule.facts.target.as_ref()) {
        Some(target) => match Known::<Target>::from_wire(target) {
            Known::Known(target) => Some(target),
            Known::Erased | Known::NotUnderstood => None,
        },
        None => None,
    };
    let query = EventQuery { nodes, target, with_changes: true, ..EventQuery::default() };
    let mut seen = false;
    for event in scene.events(&query, None, EVENTS_MAX)? {
        let of_rule = event.facts.rule.number == row.rule
            && event.facts.origin.generation.to_string() == row.generation;
        if !of_rule {
            continue;
        }
        let history = scene.reading.verdicts(&event.id())?;
        let Some((_, verdict)) = history.iter().find(|(_, verdict)| has(verdict, &row.code)) else {
            continue;
        };
        let span = event.facts.span;
        if !seen {
            row.target.clone_from(&event.facts.target);
            row.technique = event.facts.rule.technique;
            row.claims.clone_from(&event.facts.rule.claims);
            let mut verdict = verdict.clone();
            scene.veil.verdict(&mut verdict);
            row.authority = scene.authority(&verdict);
            row.verdict = Some(verdict);
            row.first_seen_s = span.first_s;
            seen = true;
        }
        row.first_seen_s = row.first_seen_s.min(span.first_s);
        row.last_seen_s = row.last_seen_s.max(span.last_s);
        row.hits = row.hits.saturating_add(event.hits);
    }
    Ok(seen)
}

fn has(verdict: &v1::Verdict, code: &str) -> bool {
    short(verdict.code().as_str_name(), "VERDICT_CODE_") == code
        || verdict.added().any(|added| short(added.as_str_name(), "ADDED_FINDING_") == code)
}

/// A defect that a request had when something was stated of it, or just before.
fn of_a_request(scene: &Scene, id: &str) -> Option<(v1::FindingSubject, Defect)> {
    let register = scene.register();
    for entry in register.requests() {
        let versions = entry.versions().map(|version| (version.statement, version.recorded_at_s));
        let steps =
            entry.transitions().into_iter().map(|step| (step.statement, step.recorded_at_s));
        let stated: BTreeSet<(u64, i64)> = versions.chain(steps).collect();
        for (statement, at_s) in stated {
            let sizes = [(statement, at_s), (statement.saturating_add(1), at_s)];
            for (size, at_s) in sizes {
                let view = scene.grounds().register().at(size);
                let found = of(&view, entry.id(), at_s, &Gone::default());
                for defect in found.into_iter().flat_map(|found| found.defects) {
                    let subject = v1::FindingSubject {
                        code: short(defect.code.as_str_name(), "ENTRY_CODE_"),
                        request_id: entry.id().to_string(),
                        detail: defect.detail.clone(),
                        ..v1::FindingSubject::default()
                    };
                    if finding_id(&subject) == id {
                        return Some((subject, defect));
                    }
                }
            }
        }
    }
    None
}
