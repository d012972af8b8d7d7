//! What of secret requests an answer shows to whom.
//!
//! The collector holds every part and judges with it; a reader without clearance gets the verdict without
//! what it rests on, sees that a part is there, how secret, until when and why, and how many such requests
//! there are. Of a request whose very existence is closed, the reader sees the verdict and that count: it
//! answers to no name, and no name of it stands anywhere else. Who has clearance is in the table of `access`.
//!
//! The veil is of the [`Scene`](super::Scene), and so of every question: filters, pages and refusals see what the reader
//! sees. [`Shown`] is the register through it; judging looks past it (`Scene::whole`), and what was judged
//! is veiled before anything is asked of it.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Requests that are not there for this reader, with how secret that is.
    requests: BTreeMap<String, DisclosureTier>,
    /// Lists that stand under such a request.
    lists: BTreeSet<String>,
}

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
                veil.requests.insert(id.clone(), secrecy.tier);
            }
            let parts: Vec<Closed> = entry
                .all_versions()
                .flat_map(|version| &version.request.closed)
                .filter(|part| !sees(clearance, part.tier, part.until_s, now_s))
                .cloned()
                .collect();
            if !parts.is_empty() {
                veil.parts.insert(id, parts);
            }
        }
        if !veil.requests.is_empty() {
            let under_hidden = |list: &ListView<'_>| {
                let feed = list.feed().or(list.proposed_feed());
                feed.is_some_and(|feed| veil.hides(feed.request.as_str()))
            };
            let lists = register.lists().into_iter().filter(under_hidden);
            veil.lists = lists.map(|list| list.id().to_string()).collect();
        }
        veil
    }

    /// How many requests are not wholly shown.
    pub(super) fn count(&self) -> u64 {
        let veiled: BTreeSet<_> = self.parts.keys().chain(self.requests.keys()).collect();
        veiled.len() as u64
    }

    /// The request is not there.
    pub(super) fn hides(&self, id: &str) -> bool {
        self.requests.contains_key(id)
    }

    /// A part of the request, or all of it.
    pub(super) fn hides_part(&self, id: &str, part: RequestPart) -> bool {
        self.hides(id) || self.hidden_part(id, part).is_some()
    }

    pub(super) fn hides_targets(&self, id: &str) -> bool {
        self.hides_part(id, RequestPart::Targets)
    }

    fn hidden_part(&self, id: &str, part: RequestPart) -> Option<&Closed> {
        self.parts.get(id).into_iter().flatten().find(|hidden| hidden.part == part)
    }

    fn hides_list(&self, id: &str) -> bool {
        self.lists.contains(id)
    }

    /// Whether a text has the name of something that is not there.
    fn is_named_in(&self, text: &str) -> bool {
        if self.requests.is_empty() {
            return false;
        }
        let of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
        text.split(|c| !of_a_name(c)).any(|word| self.hides(word) || self.hides_list(word))
    }

    pub(super) fn claims(&self, claims: &mut Vec<v1::Claim>) {
        use v1::claim::Claim;
        claims.retain(|claim| match &claim.claim {
            Some(Claim::RequestId(id)) => !self.hides(id),
            Some(Claim::List(list)) => !self.hides_list(&list.list_id),
            Some(Claim::BasisClass(_)) | None => true,
        });
    }

    pub(super) fn verdict(&self, verdict: &mut v1::Verdict) {
        if let Some(attributed) = &mut verdict.attributed {
            self.claims(&mut attributed.claims);
        }
        let Some(clause) = &mut verdict.clause else { return };
        for text in [&mut clause.request_says, &mut clause.event_shows] {
            if self.is_named_in(text) {
                "withheld".clone_into(text);
            }
        }
        if let Some(tier) = self.requests.get(&clause.request_id) {
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
        if self.is_named_in(&rule.native) {
            rule.native.clear();
        }
    }

    pub(super) fn request(&self, row: &mut v1::RequestRow) {
        self.reason(&mut row.reason);
        let Some(request) = &mut row.request else { return };
        if self.hides_part(&request.id, RequestPart::Remarks) {
            without_remarks(row.decision.as_mut());
        }
        let hidden = |name: &str| self.hides(name) || self.hides_list(name);
        request.relations.retain(|relation| !hidden(&relation.to));
        if let Some(task) = &mut request.task {
            task.covers_lists.retain(|list| !self.hides_list(list));
        }
        for part in self.parts.get(&request.id).into_iter().flatten() {
            closed::take(request, part.part);
        }
    }

    pub(super) fn transition(&self, id: &str, row: &mut v1::TransitionRow) {
        self.reason(&mut row.reason);
        if self.hides(&row.by_request_id) {
            row.by_request_id.clear();
        }
        if self.hides_part(id, RequestPart::Remarks) {
            without_remarks(row.decision.as_mut());
        }
    }

    fn reason(&self, reason: &mut String) {
        if self.is_named_in(reason) {
            "withheld".clone_into(reason);
        }
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
            if self.hides(&id) {
                row.request_id.clear();
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

fn without_remarks(decision: Option<&mut v1::OperatorDecision>) {
    if let Some(decision) = decision {
        decision.text.clear();
        decision.escalation.clear();
    }
}
