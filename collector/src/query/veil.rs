//! What of secret requests an answer shows to whom.
//!
//! The collector holds every part and judges with it; a reader without clearance gets the verdict without
//! what it rests on, sees that a part is there, how secret, until when and why, and how many such requests
//! there are. Of a request whose very existence is closed, the reader sees the verdict and that count: it
//! answers to no name, and no name of it stands anywhere else. A request whose targets are hidden stands
//! beside no target: what is blocked is seen, and what is asked of a request is answered, and nothing ties
//! the two, neither a name nor an instant. Who has clearance is in the table of `access`.
//!
//! The veil is of the [`Scene`](super::Scene), and so of every question: filters, pages and refusals see what the reader
//! sees. [`Shown`] is the register through it; judging looks past it (`Scene::whole`), and what was judged
//! is veiled before anything is asked of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use evidence::{RequestId, closed};
use register::{Entry, Target, Touch, View, judge::part_of, list::ListView, request::Closed};
use remit_proto::v1::{self, DisclosureTier, EntryCode, FindingKind, RequestPart};

use crate::{
    access::sees,
    store::{StoredEvent, StoredRule},
};

/// What is hidden from one reader at one time.
#[derive(Debug, Default)]
pub(crate) struct Veil {
    /// Parts, by request.
    parts: BTreeMap<String, Vec<Closed>>,
    /// Requests that are not there for this reader.
    requests: BTreeSet<String>,
    /// Lists that stand under such a request.
    lists: BTreeSet<String>,
    /// Requests that stand beside no target, with how secret that is: theirs are hidden, or they are not there.
    targetless: BTreeMap<String, DisclosureTier>,
    /// Lists that stand under such a request, or that it covers.
    targetless_lists: BTreeSet<String>,
    /// What is not there.
    names: Names,
    /// What stands beside no target.
    targetless_names: Names,
}

/// Names that a text must not have in it, in capitals or not.
#[derive(Debug, Default)]
struct Names {
    held: HashSet<Vec<u8>>,
    sizes: BTreeSet<usize>,
}

impl Names {
    fn of<'n>(names: impl Iterator<Item = &'n String>) -> Self {
        let mut found = Self::default();
        for name in names.filter(|name| !name.is_empty()) {
            found.sizes.insert(name.len());
            found.held.insert(name.to_ascii_lowercase().into_bytes());
        }
        found
    }

    /// Wherever it stands, also within another word: a text that is withheld for nothing costs less than one
    /// in which a full stop or a bracket made another word of the name.
    fn are_in(&self, text: &str) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let text = text.to_ascii_lowercase();
        let mut windows = self.sizes.iter().flat_map(|size| text.as_bytes().windows(*size));
        windows.any(|part| self.held.contains(part))
    }

    /// Takes away a text that has one of them.
    fn withhold_from(&self, text: &mut String) {
        if self.are_in(text) {
            WITHHELD.clone_into(text);
        }
    }
}

const WITHHELD: &str = "withheld";
const DAY_S: i64 = 86_400;

/// The register as far as the reader sees it.
#[derive(Clone, Copy)]
pub(super) struct Shown<'s> {
    whole: View<'s>,
    veil: &'s Veil,
}

impl<'s> Shown<'s> {
    pub(super) fn new(whole: View<'s>, veil: &'s Veil) -> Self {
        Self { whole, veil }
    }

    pub(super) fn requests(self) -> impl Iterator<Item = Entry<'s>> {
        self.whole.requests().filter(move |entry| !self.veil.hides(entry.id().as_str()))
    }

    pub(super) fn request(self, id: &RequestId) -> Option<Entry<'s>> {
        self.whole.request(id).filter(|_| !self.veil.hides(id.as_str()))
    }

    /// Its id; empty where there is none, or where it is hidden.
    pub(super) fn authority(self, entry: &Entry<'s>) -> &'s str {
        if self.veil.hides_part(entry.id().as_str(), RequestPart::Authority) {
            return "";
        }
        entry.request().authority.as_ref().map_or("", |authority| authority.id.as_str())
    }

    /// Without requests whose targets are hidden: else whoever asks for enough targets reads a closed list.
    pub(super) fn touching(self, target: &Target) -> Vec<Touch<'s>> {
        let mut touching = self.whole.touching(target);
        touching.retain(|touch| !self.veil.hides_targets(touch.entry.id().as_str()));
        touching
    }

    pub(super) fn held_by(
        self,
        entry: &Entry<'_>,
        at_s: i64,
        max: usize,
    ) -> Vec<(Target, RequestId)> {
        if self.veil.hides_targets(entry.id().as_str()) {
            return Vec::new();
        }
        let mut held = self.whole.held_by(entry, at_s, max);
        // Another one that holds the same target shows it.
        held.retain(|(_, other)| !self.veil.hides_targets(other.as_str()));
        held
    }

    pub(super) fn lists(self) -> Vec<ListView<'s>> {
        let mut lists = self.whole.lists();
        lists.retain(|list| !self.veil.hides_list(list.id().as_str()));
        lists
    }

    pub(super) fn list_of(self, id: &RequestId) -> Option<ListView<'s>> {
        self.whole.list_of(id).filter(|_| !self.veil.hides_list(id.as_str()))
    }
}

impl Veil {
    /// `clearance`: the highest tier that the reader sees.
    pub(crate) fn new(register: View<'_>, clearance: DisclosureTier, now_s: i64) -> Self {
        let mut veil = Self::default();
        if clearance == DisclosureTier::Secret {
            return veil;
        }
        for entry in register.partly_closed() {
            let id = entry.id().to_string();
            if let Some(secrecy) = entry.existence()
                && !sees(clearance, secrecy.tier, secrecy.until_s, now_s)
            {
                veil.requests.insert(id.clone());
                veil.targetless.insert(id.clone(), secrecy.tier);
            }
            let parts: Vec<Closed> = entry
                .all_versions()
                .flat_map(|version| &version.request.closed)
                .filter(|part| !sees(clearance, part.tier, part.until_s, now_s))
                .cloned()
                .collect();
            if let Some(part) = parts.iter().find(|part| part.part == RequestPart::Targets) {
                veil.targetless.entry(id.clone()).or_insert(part.tier);
            }
            if veil.targetless.contains_key(&id) {
                let covered = entry.all_versions().flat_map(|v| &v.request.covers_lists);
                veil.targetless_lists.extend(covered.map(ToString::to_string));
            }
            if !parts.is_empty() {
                veil.parts.insert(id, parts);
            }
        }
        if !veil.targetless.is_empty() {
            for list in register.lists() {
                let feed = list.feed().or(list.proposed_feed());
                let Some(under) = feed.map(|feed| feed.request.as_str()) else { continue };
                if veil.hides(under) {
                    veil.lists.insert(list.id().to_string());
                }
                if veil.hides_targets(under) {
                    veil.targetless_lists.insert(list.id().to_string());
                }
            }
        }
        veil.names = Names::of(veil.requests.iter().chain(&veil.lists));
        let targetless = veil.targetless.keys().chain(&veil.targetless_lists);
        veil.targetless_names = Names::of(targetless.chain(&veil.lists));
        veil
    }

    /// How many requests are not wholly shown.
    pub(super) fn count(&self) -> u64 {
        let veiled: BTreeSet<_> = self.parts.keys().chain(&self.requests).collect();
        veiled.len() as u64
    }

    /// The request is not there.
    pub(super) fn hides(&self, id: &str) -> bool {
        self.requests.contains(id)
    }

    /// A part of the request, or all of it.
    pub(super) fn hides_part(&self, id: &str, part: RequestPart) -> bool {
        self.hides(id) || self.hidden_part(id, part).is_some()
    }

    /// It stands beside no target.
    pub(crate) fn hides_targets(&self, id: &str) -> bool {
        self.targetless.contains_key(id)
    }

    /// The same of entries of a list that it covers, or that stand under it.
    pub(crate) fn hides_targets_of_list(&self, id: &str) -> bool {
        self.targetless_lists.contains(id)
    }

    /// How many requests stand beside no target.
    pub(crate) fn targetless_count(&self) -> u64 {
        self.targetless.len() as u64
    }

    fn hidden_part(&self, id: &str, part: RequestPart) -> Option<&Closed> {
        self.parts.get(id).into_iter().flatten().find(|hidden| hidden.part == part)
    }

    fn hides_list(&self, id: &str) -> bool {
        self.lists.contains(id)
    }

    /// When something was done for a request. Of one whose targets are hidden the day is told: the second is
    /// that of a rule or a probe, which say of what.
    pub(super) fn done_at_s(&self, id: &str, at_s: i64) -> i64 {
        if !self.hides_targets(id) {
            return at_s;
        }
        at_s.saturating_sub(at_s.rem_euclid(DAY_S))
    }

    /// What rules claim, or what is lost of them.
    pub(super) fn claims(&self, claims: &mut Vec<v1::Claim>) {
        use v1::claim::Claim;
        claims.retain(|claim| match &claim.claim {
            Some(Claim::RequestId(id)) => !self.hides_targets(id),
            Some(Claim::List(list)) => {
                !self.hides_list(&list.list_id) && !self.hides_targets_of_list(&list.list_id)
            }
            Some(Claim::BasisClass(_)) | None => true,
        });
    }

    /// A verdict on a rule or on what it did, whose target is beside it.
    pub(super) fn verdict(&self, verdict: &mut v1::Verdict) {
        if let Some(attributed) = &mut verdict.attributed {
            self.claims(&mut attributed.claims);
        }
        let Some(clause) = &mut verdict.clause else { return };
        for text in [&mut clause.request_says, &mut clause.event_shows] {
            self.targetless_names.withhold_from(text);
        }
        if let Some(tier) = self.targetless.get(&clause.request_id) {
            clause.request_id.clear();
            clause.time_zone.clear();
            clause.request_says = format!("withheld: {}", register::words::tier(*tier));
            return;
        }
        let Some(part) = part_of(clause.dimension()) else { return };
        if let Some(part) = self.hidden_part(&clause.request_id, part) {
            clause.request_says = part.says();
        }
    }

    pub(super) fn event(&self, event: &mut StoredEvent) {
        self.claims(&mut event.facts.rule.claims);
        if let Some(deed) = &mut event.deed {
            self.claims(&mut deed.claims);
        }
        self.verdict(&mut event.then);
        self.verdict(&mut event.now);
    }

    /// A rule that was judged already.
    pub(super) fn rule(&self, rule: &mut StoredRule) {
        self.claims(&mut rule.facts.rule.claims);
        if self.targetless_names.are_in(&rule.native) {
            rule.native.clear();
        }
    }

    pub(super) fn request(&self, row: &mut v1::RequestRow) {
        self.names.withhold_from(&mut row.reason);
        let Some(request) = &mut row.request else { return };
        self.decision(&request.id, row.decision.as_mut());
        self.decision(&request.id, request.decision.as_mut());
        let hidden = |name: &str| self.hides(name) || self.hides_list(name);
        request.relations.retain(|relation| !hidden(&relation.to));
        if let Some(task) = &mut request.task {
            task.covers_lists.retain(|list| !self.hides_list(list));
            task.lists.retain(|list| !self.hides_list(&list.list_id));
        }
        let Texts { all, beside_targets } = texts(request);
        for text in all {
            self.names.withhold_from(text);
        }
        for text in beside_targets {
            self.targetless_names.withhold_from(text);
        }
        for part in self.parts.get(&request.id).into_iter().flatten() {
            closed::take(request, part.part);
        }
    }

    pub(super) fn transition(&self, id: &str, row: &mut v1::TransitionRow) {
        self.names.withhold_from(&mut row.reason);
        if self.hides(&row.by_request_id) {
            row.by_request_id.clear();
        }
        self.decision(id, row.decision.as_mut());
    }

    /// What the operator decided on a request.
    fn decision(&self, id: &str, decision: Option<&mut v1::OperatorDecision>) {
        let Some(decision) = decision else { return };
        let v1::OperatorDecision {
            kind: _,
            reason: _,
            text,
            escalation,
            not_accepted,
            accepted_scope,
        } = decision;
        for text in [text, escalation] {
            self.names.withhold_from(text);
            if self.hides_part(id, RequestPart::Remarks) {
                text.clear();
            }
        }
        // Parts of what is closed.
        if self.hides_targets(id) {
            not_accepted.clear();
        }
        if self.hides_part(id, RequestPart::Scope) {
            *accepted_scope = None;
        }
        for text in accepted_scope.iter_mut().flat_map(scope_texts) {
            self.names.withhold_from(text);
        }
    }

    /// Of a duty, when what was not done was so. The duration is that between the days: from a longer one that is
    /// asked for at one time after another, the second could be told.
    fn days(&self, row: &mut v1::FindingRow) {
        let (id, goes_on) = (row.request_id.clone(), goes_on(row));
        row.first_seen_s = self.done_at_s(&id, row.first_seen_s);
        if !goes_on {
            row.last_seen_s = self.done_at_s(&id, row.last_seen_s);
        }
        let duration_s = row.last_seen_s.saturating_sub(row.first_seen_s);
        row.duration_s = u64::try_from(duration_s).unwrap_or(0);
        for v1::DutyNodeRow { node: _, from_s, until_s, targets: _ } in &mut row.duty_nodes {
            *from_s = self.done_at_s(&id, *from_s);
            *until_s = self.done_at_s(&id, *until_s);
        }
    }

    /// An entry of a list, which shows a target.
    pub(super) fn list_entry(&self, entry: &mut v1::ListEntry) {
        let v1::ListEntry { target: _, request_id, exception: _, raw } = entry;
        self.targetless_names.withhold_from(raw);
        if self.hides_targets(request_id) {
            request_id.clear();
        }
    }

    /// What a person said of a finding, of which this is what the reader is shown.
    pub(super) fn said(&self, finding: &v1::FindingRow, row: &mut v1::DecisionRow) {
        // A rule's target is in its other rows, if it is not in this one.
        let beside_target = finding.rule != 0 || finding.target.is_some();
        let names = if beside_target { &self.targetless_names } else { &self.names };
        names.withhold_from(&mut row.note);
    }

    /// `false`: the finding is not there for this reader. Its id is what it was.
    pub(super) fn finding(&self, row: &mut v1::FindingRow) -> bool {
        if !self.shown_of(row) {
            return false;
        }
        if let Some(mut said) = row.decided.take() {
            self.said(row, &mut said);
            row.decided = Some(said);
        }
        true
    }

    fn shown_of(&self, row: &mut v1::FindingRow) -> bool {
        for verdict in row.verdict.iter_mut().chain(&mut row.verdict_now) {
            self.verdict(verdict);
        }
        self.claims(&mut row.claims);
        let (rule, id) = (row.rule != 0, row.request_id.clone());
        if self.hides_part(&id, RequestPart::Authority) {
            row.authority.clear();
        }
        if rule || id.is_empty() {
            if self.hides_targets(&id) {
                row.request_id.clear();
                row.authority.clear();
            }
            return true;
        }
        let targets = self.hides_targets(&id);
        // Its detail is what is hidden, and its id is made of it.
        let by_detail = match EntryCode::from_str_name(&format!("ENTRY_CODE_{}", row.code)) {
            Some(EntryCode::Conflict | EntryCode::Duplicate) => {
                targets || self.hides_targets(&row.detail)
            }
            Some(EntryCode::TargetOverbroadOnFace) => targets,
            Some(EntryCode::Unnumbered) => self.hides_part(&id, RequestPart::Reference),
            Some(_) | None => false,
        };
        if self.hides(&id) || by_detail {
            return false;
        }
        let scope = self.hides_part(&id, RequestPart::Scope);
        if targets {
            if row.kind() == FindingKind::Duty {
                self.days(row);
            }
            row.target = None;
            row.target_count = 0;
            row.probe = None;
            row.duty_nodes.iter_mut().for_each(|node| node.targets = 0);
        }
        if scope {
            row.duty_nodes.clear();
            row.node_count = 0;
            row.silent_nodes.clear();
            row.unobserved_points.clear();
        }
        // What is graded is how much is taken away, and from how many.
        if targets || scope {
            row.severity = None;
        }
        true
    }
}

/// Whether what a duty's row tells of is so still: then it was last seen when the evidence was, which is no instant
/// of a rule.
fn goes_on(row: &v1::FindingRow) -> bool {
    let is_open = row.duty_nodes.iter().any(|node| node.until_s == 0);
    row.probe.is_none() && (row.duty_nodes.is_empty() || is_open)
}

/// What of a request people wrote in their own words, and where they may name another.
struct Texts<'r> {
    all: Vec<&'r mut String>,
    /// What stands beside a target: there, less is named.
    beside_targets: Vec<&'r mut String>,
}

/// Ids, codes and what has a form of its own are none. Each message is taken apart whole, so that a new text has to
/// be put here or there.
fn texts(request: &mut v1::Request) -> Texts<'_> {
    let v1::Request {
        id: _,
        version: _,
        prev_hash: _,
        authorisation,
        notification,
        task,
        documents,
        status: _,
        basis_proof: _,
        // Taken by `Veil::decision`.
        decision: _,
        validity,
        impact,
        relations,
        time_assumption,
        time_zone: _,
        time_notes,
        closed,
    } = request;
    let mut found = Texts { all: vec![time_assumption], beside_targets: Vec::new() };
    let all = &mut found.all;
    all.extend(authorisation.iter_mut().flat_map(deed_texts));
    if let Some(notification) = notification {
        let v1::Notification {
            addressee,
            addressee_role: _,
            shared_by,
            form: _,
            signature_status: _,
            language: _,
            served_at_s: _,
            received_at_s: _,
            acknowledged_at_s: _,
            redress,
            report_effect_to,
        } = notification;
        all.extend([addressee, shared_by]);
        for v1::Redress { for_whom, route, deadline_s: _ } in redress {
            all.extend([for_whom, route]);
        }
        if let Some(report) = report_effect_to {
            let v1::EffectReport { authority, due_s: _, sent_at_s: _ } = report;
            all.push(authority);
        }
    }
    for document in documents {
        let v1::Document {
            digest: _,
            media_type,
            kind,
            language: _,
            translation_of: _,
            signature_status: _,
            signature_digest: _,
            anchor_digest: _,
            custody,
            signature: _,
            signature_note,
        } = document;
        all.extend([media_type, kind, custody, signature_note]);
    }
    for v1::ValidityItem { element: _, state: _, by: _, at_s: _ } in validity {}
    if let Some(impact) = impact {
        let v1::ImpactAssessment {
            rights_affected,
            scale: _,
            scope: _,
            irremediability: _,
            collateral_estimate,
            made_at_s: _,
            unconventional: _,
        } = impact;
        all.extend(rights_affected);
        all.push(collateral_estimate);
    }
    for v1::Relation { kind, to, outlives: _ } in relations {
        // Requests and lists go by their ids, and those that are hidden are gone.
        if *kind == i32::from(v1::RelationKind::DependsOnProceeding) {
            all.push(to);
        }
    }
    for v1::TimeNote { field: _, written, precision: _, zone_assumed: _ } in time_notes {
        all.push(written);
    }
    for v1::ClosedPart { part: _, tier: _, until_s: _, ground, opening: _ } in closed {
        all.push(ground);
    }
    if let Some(task) = task {
        task_texts(task, &mut found);
    }
    found
}

fn deed_texts(deed: &mut v1::Authorisation) -> Vec<&mut String> {
    let v1::Authorisation {
        external_ref,
        court,
        docket,
        ecli,
        decided_at_s: _,
        issued_at_s: _,
        instrument: _,
        basis_class: _,
        legal_provisions,
        statement_of_reasons,
        category,
        keywords,
        authority,
        parties,
        competence_check,
        confidentiality,
    } = deed;
    let mut all = vec![external_ref, court, docket, ecli, statement_of_reasons, category];
    all.extend(keywords);
    for provision in legal_provisions {
        let v1::LegalProvision { jurisdiction: _, instrument, article, url } = provision;
        all.extend([instrument, article, url]);
    }
    if let Some(authority) = authority {
        let v1::Authority { id: _, name, branch, country: _, level, officer } = authority;
        all.extend([name, branch, level]);
        if let Some(v1::Officer { name, role, contact }) = officer {
            all.extend([name, role, contact]);
        }
    }
    for v1::Party { role: _, name } in parties {
        all.push(name);
    }
    if let Some(check) = competence_check {
        let v1::CompetenceCheck { power_claimed, delegated_by, verified_by: _, result: _ } = check;
        all.extend([power_claimed, delegated_by]);
    }
    if let Some(confidentiality) = confidentiality {
        let v1::Confidentiality {
            tier: _,
            scopes: _,
            legal_ground,
            expires_at_s: _,
            reviewed_at_s: _,
        } = confidentiality;
        all.push(legal_ground);
    }
    all
}

fn task_texts<'r>(task: &'r mut v1::Task, found: &mut Texts<'r>) {
    let v1::Task {
        targets,
        measure,
        scope,
        effective_from_s: _,
        effective_until_s: _,
        until_event,
        windows: _,
        max_duration_s: _,
        confirm_by_s: _,
        implement_by_s: _,
        remove_within_s: _,
        remove_by_s: _,
        review_due_s: _,
        // Lists that are hidden are taken out of both.
        lists: _,
        covers_lists: _,
    } = task;
    found.all.push(until_event);
    if let Some(measure) = measure {
        let v1::Measure {
            techniques: _,
            outcome_only: _,
            coarsest: _,
            derived_targets: _,
            notice_required: _,
            notice,
        } = measure;
        found.all.push(notice);
    }
    found.all.extend(scope.iter_mut().flat_map(scope_texts));
    for target in targets {
        let v1::RequestTarget {
            target: _,
            raw,
            repair,
            added_at_s: _,
            removed_at_s: _,
            exception: _,
            derived: _,
        } = target;
        found.beside_targets.extend([raw, repair]);
    }
}

/// Groups of nodes and classes of line have names that people gave them.
fn scope_texts(scope: &mut v1::Scope) -> Vec<&mut String> {
    let v1::Scope {
        territories: _,
        nodes,
        network_types: _,
        asns: _,
        audiences,
        except_nodes,
        except_audiences,
    } = scope;
    [nodes, audiences, except_nodes, except_audiences].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_wherever_it_stands() {
        let names = ["court/17".to_owned(), "Order-9".to_owned(), String::new()];
        let names = Names::of(names.iter());
        for text in [
            "court/17",
            "Replaced by court/17.",
            "see court/17/2",
            "(COURT/17)",
            "order-9_a",
            "päder-order-9",
        ] {
            assert!(names.are_in(text), "{text}");
        }
        for text in ["", "court/1", "replaced", "order 9", "court/18."] {
            assert!(!names.are_in(text), "{text}");
        }
        assert!(!Names::default().are_in("court/17"), "nothing is hidden");
    }

    /// "unseen-9" is not there, and "req-4" stands beside no target.
    fn veil() -> Veil {
        let (unseen, targetless) = (["unseen-9".to_owned()], ["req-4".to_owned()]);
        let names = Names::of(unseen.iter());
        let targetless_names = Names::of(unseen.iter().chain(&targetless));
        Veil { names, targetless_names, ..Veil::default() }
    }

    #[test]
    fn no_text_of_a_request_names_what_is_hidden() {
        let text = || "goes back to unseen-9".to_owned();
        let deed = v1::Authorisation {
            external_ref: text(),
            court: text(),
            docket: text(),
            ecli: text(),
            legal_provisions: vec![v1::LegalProvision {
                jurisdiction: "DE".into(),
                instrument: text(),
                article: text(),
                url: text(),
            }],
            statement_of_reasons: text(),
            category: text(),
            keywords: vec![text()],
            authority: Some(v1::Authority {
                name: text(),
                branch: text(),
                level: text(),
                officer: Some(v1::Officer { name: text(), role: text(), contact: text() }),
                ..v1::Authority::default()
            }),
            parties: vec![v1::Party { name: text(), ..v1::Party::default() }],
            competence_check: Some(v1::CompetenceCheck {
                power_claimed: text(),
                delegated_by: text(),
                ..v1::CompetenceCheck::default()
            }),
            confidentiality: Some(v1::Confidentiality {
                legal_ground: text(),
                ..v1::Confidentiality::default()
            }),
            ..v1::Authorisation::default()
        };
        let scope = v1::Scope {
            nodes: vec![text()],
            audiences: vec![text()],
            except_nodes: vec![text()],
            except_audiences: vec![text()],
            ..v1::Scope::default()
        };
        let decision = v1::OperatorDecision {
            text: text(),
            escalation: text(),
            accepted_scope: Some(scope.clone()),
            ..v1::OperatorDecision::default()
        };
        let request = v1::Request {
            authorisation: Some(deed),
            notification: Some(v1::Notification {
                addressee: text(),
                shared_by: text(),
                redress: vec![v1::Redress { for_whom: text(), route: text(), deadline_s: 0 }],
                report_effect_to: Some(v1::EffectReport {
                    authority: text(),
                    ..v1::EffectReport::default()
                }),
                ..v1::Notification::default()
            }),
            task: Some(v1::Task {
                targets: vec![v1::RequestTarget {
                    raw: text(),
                    repair: text(),
                    ..v1::RequestTarget::default()
                }],
                measure: Some(v1::Measure { notice: text(), ..v1::Measure::default() }),
                scope: Some(scope),
                until_event: text(),
                ..v1::Task::default()
            }),
            documents: vec![v1::Document {
                media_type: text(),
                kind: text(),
                custody: text(),
                signature_note: text(),
                ..v1::Document::default()
            }],
            decision: Some(decision.clone()),
            impact: Some(v1::ImpactAssessment {
                rights_affected: vec![text()],
                collateral_estimate: text(),
                ..v1::ImpactAssessment::default()
            }),
            relations: vec![v1::Relation {
                kind: v1::RelationKind::DependsOnProceeding.into(),
                to: text(),
                outlives: false,
            }],
            time_assumption: text(),
            time_notes: vec![v1::TimeNote { written: text(), ..v1::TimeNote::default() }],
            closed: vec![v1::ClosedPart { ground: text(), ..v1::ClosedPart::default() }],
            ..v1::Request::default()
        };
        let mut row = v1::RequestRow {
            request: Some(request),
            decision: Some(decision),
            reason: text(),
            ..v1::RequestRow::default()
        };
        let before = format!("{row:?}").matches("unseen-9").count();
        veil().request(&mut row);
        let after = format!("{row:?}");
        assert!(!after.contains("unseen-9"), "{after}");
        assert_eq!(after.matches(WITHHELD).count(), before);
    }

    #[test]
    fn beside_a_target_less_is_named() {
        let text = || "as in req-4".to_owned();
        let target = v1::RequestTarget { raw: text(), repair: text(), ..Default::default() };
        let task = v1::Task { targets: vec![target], until_event: text(), ..Default::default() };
        let request = v1::Request { task: Some(task), ..v1::Request::default() };
        let mut row = v1::RequestRow { request: Some(request), ..v1::RequestRow::default() };
        veil().request(&mut row);
        let task = row.request.unwrap().task.unwrap();
        let v1::RequestTarget { raw, repair, .. } = &task.targets[0];
        assert_eq!((raw.as_str(), repair.as_str()), (WITHHELD, WITHHELD));
        assert_eq!(task.until_event, text());
        let mut entry = v1::ListEntry { raw: text(), ..v1::ListEntry::default() };
        veil().list_entry(&mut entry);
        assert_eq!(entry.raw, WITHHELD);
    }
}
