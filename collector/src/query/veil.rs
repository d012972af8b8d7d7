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
use remit_proto::v1::{self, DisclosureTier, EntryCode, RequestPart};

use crate::{
    access::sees,
    store::{StoredEvent, StoredRule},
};

/// What is hidden from one reader at one time.
#[derive(Debug, Default)]
pub(super) struct Veil {
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
    pub(super) fn new(register: View<'_>, clearance: DisclosureTier, now_s: i64) -> Self {
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
    pub(super) fn hides_targets(&self, id: &str) -> bool {
        self.targetless.contains_key(id)
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
                !self.hides_list(&list.list_id) && !self.targetless_lists.contains(&list.list_id)
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
        for text in texts(request) {
            self.names.withhold_from(text);
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
        for text in [&mut decision.text, &mut decision.escalation] {
            self.names.withhold_from(text);
            if self.hides_part(id, RequestPart::Remarks) {
                text.clear();
            }
        }
        // Parts of what is closed.
        if self.hides_targets(id) {
            decision.not_accepted.clear();
        }
        if self.hides_part(id, RequestPart::Scope) {
            decision.accepted_scope = None;
        }
    }

    /// What a person said of a finding.
    pub(super) fn said(&self, row: &mut v1::DecisionRow) {
        self.names.withhold_from(&mut row.note);
    }

    /// `false`: the finding is not there for this reader. Its id is what it was.
    pub(super) fn finding(&self, row: &mut v1::FindingRow) -> bool {
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

/// What of a request people wrote in their own words, and where they may name another.
fn texts(request: &mut v1::Request) -> Vec<&mut String> {
    let mut found = vec![&mut request.time_assumption];
    if let Some(deed) = &mut request.authorisation {
        found.extend([
            &mut deed.external_ref,
            &mut deed.court,
            &mut deed.docket,
            &mut deed.statement_of_reasons,
            &mut deed.category,
        ]);
        found.extend(&mut deed.keywords);
        found.extend(deed.competence_check.iter_mut().flat_map(|check| {
            let v1::CompetenceCheck { power_claimed, delegated_by, .. } = check;
            [power_claimed, delegated_by]
        }));
        found.extend(deed.confidentiality.iter_mut().map(|of| &mut of.legal_ground));
    }
    if let Some(notification) = &mut request.notification {
        found.extend(notification.redress.iter_mut().map(|redress| &mut redress.route));
    }
    if let Some(task) = &mut request.task {
        found.push(&mut task.until_event);
        found.extend(task.measure.iter_mut().map(|measure| &mut measure.notice));
        found.extend(task.targets.iter_mut().flat_map(|target| {
            let v1::RequestTarget { raw, repair, .. } = target;
            [raw, repair]
        }));
    }
    found.extend(request.documents.iter_mut().flat_map(|document| {
        let v1::Document { custody, signature_note, .. } = document;
        [custody, signature_note]
    }));
    if let Some(impact) = &mut request.impact {
        found.extend(&mut impact.rights_affected);
        found.push(&mut impact.collateral_estimate);
    }
    found.extend(request.time_notes.iter_mut().map(|note| &mut note.written));
    found.extend(request.closed.iter_mut().map(|part| &mut part.ground));
    found
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
}
