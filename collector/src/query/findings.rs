//! Findings: one per rule and cause, one per request and what is owed of it, one per request and what is
//! wrong with it, and one per node (path, area) of which something cannot be believed.
//!
//! A rule's findings come from two truths kept apart (DESIGN.md idea 6): that it stands now with this
//! verdict, and what it did, or how it was installed, with that verdict as known now. The cause is the
//! verdict's code; what is covered or the operator's own measure is no finding, except a covering
//! request that the rule does not name, and what is added to it: others hit, a response that misleads,
//! a doubtful label, a deed that no second person confirmed. What a rule did under a verdict that it no longer has stays a finding, beside the
//! verdict that it has now.

use std::collections::{BTreeMap, btree_map::Entry};

use register::{ScreenWord, screen_word};
use remit_proto::v1::{self, AddedFinding, FindingKind, VerdictCode};
use tonic::Status;

use super::{
    QueryHandle, Scene, cases, collateral,
    completeness::completeness,
    defects, duties,
    error::{QueryError, invalid},
    filter::Filter,
    integrity,
    page::Page,
    rules::{self, JudgedRule},
};
use crate::store::{Added, Group, RuleId};

impl QueryHandle {
    pub fn list_findings(
        &self,
        request: v1::ListFindingsRequest,
    ) -> Result<v1::ListFindingsResponse, Status> {
        Ok(self.findings(request)?)
    }

    fn findings(
        &self,
        request: v1::ListFindingsRequest,
    ) -> Result<v1::ListFindingsResponse, QueryError> {
        let v1::ListFindingsRequest { filter, page_size, page_token, states, kinds, severity_min } =
            request;
        let question = v1::ListFindingsRequest {
            filter: filter.clone(),
            states: states.clone(),
            kinds: kinds.clone(),
            severity_min,
            ..Default::default()
        };
        let page = Page::open("findings", &question, page_size, &page_token)?;
        let kinds = Kinds::read(&kinds)?;
        let severity_min = v1::SeverityGrade::try_from(severity_min)
            .map_err(|_| invalid("severity_min", "not a grade of this version"))?;
        let (filter, scene) = self.scene_for(filter)?;
        // Of fifty thousand requests there may be several each: none of these is kept but those of the page.
        let mut found = BTreeMap::new();
        let mut unreadable = None;
        each(&scene, &filter, &kinds, &mut |key, finding| {
            if !page.has_room(&found, &key) {
                return;
            }
            let is_asked = |finding: &v1::FindingRow| {
                (states.is_empty() || states.contains(&finding.state))
                    && cases::is_as_grave(finding, severity_min)
                    && filter.takes_detail(finding)
            };
            match shown(&scene, finding) {
                Ok(Some(finding)) if is_asked(&finding) => page.keep(&mut found, key, finding),
                Ok(_) => {}
                Err(error) => unreadable = Some(error),
            }
        })?;
        unreadable.map_or(Ok(()), Err)?;
        let (findings, next_page_token) =
            page.cut(found.into_iter().collect(), |(key, _)| key.clone());
        let mut findings: Vec<v1::FindingRow> =
            findings.into_iter().map(|(_, finding)| finding).collect();
        collateral::complete(&scene, &mut findings)?;
        Ok(v1::ListFindingsResponse {
            findings,
            next_page_token,
            completeness: Some(completeness(&scene, &filter)?),
        })
    }
}

/// Kinds of findings that are asked for.
pub(super) struct Kinds(Vec<FindingKind>);

impl Kinds {
    pub(super) fn all() -> Self {
        Self(Vec::new())
    }

    fn read(wire: &[i32]) -> Result<Self, QueryError> {
        let kinds = wire.iter().map(|kind| {
            FindingKind::try_from(*kind)
                .ok()
                .filter(|kind| *kind != FindingKind::Unspecified)
                .ok_or_else(|| invalid("kinds", format!("{kind} is not a kind of this version")))
        });
        Ok(Self(kinds.collect::<Result<_, _>>()?))
    }

    fn take(&self, kind: FindingKind) -> bool {
        self.0.is_empty() || self.0.contains(&kind)
    }
}

/// What is told of each finding: a key, unique, and a row.
pub(super) type Tell<'t> = dyn FnMut(String, v1::FindingRow) + 't;

/// Tells of all findings that a filter takes, in no order, neither complete nor veiled ([`shown`]). A key says no
/// more than its row: it goes into page tokens.
pub(super) fn each(
    scene: &Scene,
    filter: &Filter,
    kinds: &Kinds,
    tell: &mut Tell<'_>,
) -> Result<(), QueryError> {
    let mut of = |kind: FindingKind, key: String, row: v1::FindingRow| {
        tell(key, v1::FindingRow { kind: kind.into(), ..row });
    };
    if kinds.take(FindingKind::Rule) {
        let rows = about_rules(scene, filter)?;
        rows.into_iter().for_each(|(key, row)| of(FindingKind::Rule, key, row));
    }
    if kinds.take(FindingKind::Duty) {
        duties::findings(scene, filter, &mut |key, row| of(FindingKind::Duty, key, row))?;
    }
    if kinds.take(FindingKind::Entry) {
        defects::findings(scene, filter, &mut |key, row| of(FindingKind::Entry, key, row))?;
    }
    // They come from the newest seals and starts, of which no past is kept.
    if kinds.take(FindingKind::Integrity) && scene.past.is_none() {
        let rows = integrity::findings(scene, filter)?;
        rows.into_iter().for_each(|(key, row)| of(FindingKind::Integrity, key, row));
    }
    Ok(())
}

/// As the reader sees it; `None`: it is not there for this reader.
pub(super) fn shown(
    scene: &Scene,
    row: v1::FindingRow,
) -> Result<Option<v1::FindingRow>, QueryError> {
    let mut row = cases::complete(scene, row)?;
    Ok(scene.veil.finding(&mut row).then_some(row))
}

/// One for each rule and cause.
fn about_rules(
    scene: &Scene,
    filter: &Filter,
) -> Result<Vec<(String, v1::FindingRow)>, QueryError> {
    let mut found: BTreeMap<String, v1::FindingRow> = BTreeMap::new();
    let mut query = filter.event_query(scene);
    query.with_changes = true;
    for group in scene.groups(&query)? {
        if !filter.takes_code(&group.newest.now) {
            continue;
        }
        for cause in causes(group.newest.now.code(), group.added) {
            let more = of_group(scene, &group, &cause);
            match found.entry(rule_key(&group.rule, &cause)) {
                Entry::Vacant(new) => drop(new.insert(more)),
                Entry::Occupied(known) => add(known.into_mut(), more),
            }
        }
    }
    // Whether a rule stands, and how it is judged now, is asked of all: a rule that was corrected
    // has no longer the verdict that was asked for.
    for judged in rules::installed(scene, &filter.whatever_the_verdict())? {
        let standing = causes(judged.verdict.code(), Added::of(&judged.verdict.added));
        // What it did under another verdict stays a finding of a rule that stands.
        let prefix = rule_prefix(&judged.rule.id);
        let of_this_rule =
            found.range_mut(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        for (_, known) in of_this_rule {
            known.installed_now = true;
            if !standing.contains(&known.code) {
                known.verdict_now = Some(at_this_size(scene, &judged.verdict));
            }
        }
        let claims = &judged.rule.facts.rule.claims;
        if !filter.takes_verdict(&judged.verdict, claims, &judged.authority) {
            continue;
        }
        for cause in &standing {
            let key = rule_key(&judged.rule.id, cause);
            let new = of_rule(scene, &judged, cause);
            match found.get_mut(&key) {
                Some(known) => join(known, new),
                None if filter.takes_time(new.last_seen_s) => drop(found.insert(key, new)),
                None => {}
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// The causes for which a verdict with this code, and this added to it, is a finding.
fn causes(code: VerdictCode, added: Added) -> Vec<String> {
    let covered = match screen_word(code) {
        ScreenWord::Covered => code != VerdictCode::AuthorisedMisreferenced,
        ScreenWord::OwnMeasure => true,
        ScreenWord::BeyondItsRequest
        | ScreenWord::OutOfTime
        | ScreenWord::NoCoveringRequest
        | ScreenWord::Undetermined => false,
    };
    if !covered {
        return vec![short(code.as_str_name(), "VERDICT_CODE_")];
    }
    // Who did it (THIRD_PARTY_ACTION, UNATTRIBUTED) is a quality of a verdict, not a reproach.
    let reproaches = [
        AddedFinding::Collateral,
        AddedFinding::Unconfirmed,
        AddedFinding::MisleadingResponse,
        AddedFinding::TosLabelDoubtful,
    ];
    let told = reproaches.into_iter().filter(|finding| added.holds(*finding));
    told.map(|finding| short(finding.as_str_name(), "ADDED_FINDING_")).collect()
}

/// A rule that stands is judged at the newest register head.
fn at_this_size(scene: &Scene, verdict: &v1::Verdict) -> v1::Verdict {
    v1::Verdict { register_size: scene.position.register_size, ..verdict.clone() }
}

fn of_group(scene: &Scene, group: &Group, cause: &str) -> v1::FindingRow {
    let facts = &group.newest.facts;
    let verdict = v1::Verdict {
        register_size: scene.position.settled_register_size,
        ..group.newest.now.clone()
    };
    v1::FindingRow {
        code: cause.to_owned(),
        node: group.rule.node.clone(),
        rule: group.rule.number,
        request_id: speaking(&verdict),
        target: facts.target.clone(),
        technique: facts.rule.technique,
        claims: facts.rule.claims.clone(),
        authority: scene.authority(&verdict),
        verdict: Some(verdict),
        first_seen_s: group.first_s,
        last_seen_s: group.last_s,
        hits: group.hits,
        generation: group.rule.generation.clone(),
        ..v1::FindingRow::default()
    }
}

fn of_rule(scene: &Scene, judged: &JudgedRule, cause: &str) -> v1::FindingRow {
    let JudgedRule { rule, verdict, authority, at_s } = judged;
    let verdict = at_this_size(scene, verdict);
    let stands_s = if rule.installed_at_s != 0 { rule.installed_at_s } else { rule.first_shown_s };
    // It may have stood for long before it was anything to find.
    let first_seen_s = scene.grounds().held_since_s(
        &rule.facts,
        rules::since_s(rule),
        (stands_s.min(*at_s), *at_s),
        scene.position.log_size,
        |verdict| {
            let added: Vec<i32> = verdict.added.iter().map(|finding| (*finding).into()).collect();
            causes(verdict.code, Added::of(&added)).iter().any(|held| held == cause)
        },
    );
    v1::FindingRow {
        code: cause.to_owned(),
        node: rule.id.node.clone(),
        rule: rule.id.number,
        request_id: speaking(&verdict),
        target: rule.facts.target.clone(),
        technique: rule.facts.rule.technique,
        claims: rule.facts.rule.claims.clone(),
        authority: authority.clone(),
        verdict: Some(verdict),
        first_seen_s,
        last_seen_s: *at_s,
        installed_now: true,
        generation: rule.id.generation.clone(),
        ..v1::FindingRow::default()
    }
}

/// Of one rule and cause, where other findings are added too or not: the newest speaks for all.
fn add(known: &mut v1::FindingRow, more: v1::FindingRow) {
    let hits = known.hits.saturating_add(more.hits);
    let first_seen_s = known.first_seen_s.min(more.first_seen_s);
    if known.last_seen_s < more.last_seen_s {
        *known = more;
    }
    (known.hits, known.first_seen_s) = (hits, first_seen_s);
}

/// A rule that stands speaks for itself; its hits add when and how often.
fn join(known: &mut v1::FindingRow, standing: v1::FindingRow) {
    let hits = known.hits;
    let first_seen_s = known.first_seen_s.min(standing.first_seen_s);
    let last_seen_s = known.last_seen_s.max(standing.last_seen_s);
    *known = v1::FindingRow { hits, first_seen_s, last_seen_s, ..standing };
}

fn rule_prefix(rule: &RuleId) -> String {
    format!("{}/{}/{}/", rule.node, rule.generation, number(rule))
}

fn rule_key(rule: &RuleId, cause: &str) -> String {
    format!("{}{cause}", rule_prefix(rule))
}

fn number(rule: &RuleId) -> String {
    format!("{:020}", rule.number)
}

fn speaking(verdict: &v1::Verdict) -> String {
    verdict.clause.as_ref().map(|clause| clause.request_id.clone()).unwrap_or_default()
}

pub(super) fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}
