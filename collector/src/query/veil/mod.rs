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

mod names;
mod shown;
#[cfg(test)]
mod texts_tests;

use std::collections::{BTreeMap, BTreeSet};

use evidence::closed;
use register::{
    View,
    judge::part_of,
    request::{Closed, Place, Text, scope_texts, texts},
};
use remit_proto::v1::{
    self, Dimension, DisclosureTier, EntryCode, FindingKind, RequestPart, VerdictCode,
};

use self::names::Names;
pub(super) use self::shown::Shown;
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
    /// Versions of others that are not: one that waits for a second person may be more secret than the one before,
    /// and one that was replaced may have been.
    versions: BTreeSet<(String, u32)>,
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

const DAY_S: i64 = 86_400;

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
            let hidden = entry.all_versions().filter(|version| {
                let secrecy = version.existence;
                secrecy.is_some_and(|one| !sees(clearance, one.tier, one.until_s, now_s))
            });
            veil.versions.extend(hidden.map(|version| (id.clone(), version.request.version)));
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

    /// How many of these are not there.
    pub(super) fn hidden_count(&self) -> u64 {
        self.requests.len() as u64
    }

    /// The request is not there.
    pub(super) fn hides(&self, id: &str) -> bool {
        self.requests.contains(id)
    }

    pub(super) fn hides_version(&self, id: &str, version: u32) -> bool {
        !self.versions.is_empty() && self.versions.contains(&(id.to_owned(), version))
    }

    /// A part of the request, or all of it.
    pub(crate) fn hides_part(&self, id: &str, part: RequestPart) -> bool {
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

    /// A text names a request that stands beside no target, or a list of it.
    pub(crate) fn is_named_in(&self, text: &str) -> bool {
        self.targetless_names.are_in(text)
    }

    /// How many requests stand beside no target.
    pub(crate) fn targetless_count(&self) -> u64 {
        self.targetless.len() as u64
    }

    fn hidden_part(&self, id: &str, part: RequestPart) -> Option<&Closed> {
        self.parts.get(id).into_iter().flatten().find(|hidden| hidden.part == part)
    }

    pub(super) fn hides_list(&self, id: &str) -> bool {
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
        let v1::Verdict { code, clause, besides, .. } = verdict;
        let besides = besides.iter_mut().map(|failure| (failure.code, &mut failure.clause));
        for (code, clause) in std::iter::once((*code, clause)).chain(besides) {
            clause.iter_mut().for_each(|clause| self.clause(code, clause));
        }
    }

    fn clause(&self, code: i32, clause: &mut v1::Clause) {
        for text in [&mut clause.request_says, &mut clause.event_shows] {
            self.targetless_names.withhold_from(text);
        }
        if let Some(tier) = self.targetless.get(&clause.request_id) {
            clause.request_id.clear();
            clause.time_zone.clear();
            clause.request_says = format!("withheld: {}", register::words::tier(*tier));
            return;
        }
        // How far the means reach is told beside the target that a block went beyond.
        let tells_measure =
            clause.dimension() == Dimension::Target && code == i32::from(VerdictCode::Overbroad);
        if tells_measure
            && let Some(part) = self.hidden_part(&clause.request_id, RequestPart::Measure)
        {
            clause.request_says = part.says();
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
        for Text { text, place, .. } in texts(request) {
            match place {
                Place::Words => self.names.withhold_from(text),
                // There, less is named.
                Place::Target => self.targetless_names.withhold_from(text),
                // Ids of what is hidden are gone.
                Place::Code => {}
            }
        }
        for part in self.parts.get(&request.id).into_iter().flatten() {
            closed::take(request, part.part);
        }
    }

    /// A text of a request, shown beside the target of a rule.
    pub(super) fn text_beside_target(&self, text: &mut String) {
        self.targetless_names.withhold_from(text);
    }

    /// A proceeding as the relation of the request names it.
    pub(super) fn proceeding(&self, proceeding: &mut String) {
        self.names.withhold_from(proceeding);
    }

    pub(super) fn transition(&self, id: &str, row: &mut v1::TransitionRow) {
        self.names.withhold_from(&mut row.reason);
        self.names.withhold_from(&mut row.proceeding);
        if self.hides_part(id, RequestPart::Remarks) {
            row.reason.clear();
        }
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
        for Text { text, .. } in accepted_scope.iter_mut().flat_map(scope_texts) {
            self.names.withhold_from(text);
        }
    }

    /// Of a duty, when what was not done was so. The duration is that between the days: from a longer one that is
    /// asked for at one time after another, the second could be told.
    fn days(&self, row: &mut v1::FindingRow) {
        let (id, goes_on) = (row.request_id.clone(), goes_on(row));
        row.due_s = self.done_at_s(&id, row.due_s);
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
            // Of an earlier register, or of an earlier text: a relation to what was entered since, and is hidden.
            Some(EntryCode::MissingElement) => {
                row.detail.split_once(':').is_some_and(|(_, to)| self.hides(to))
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
            let gone = EntryCode::StaleTarget.as_str_name().ends_with(&row.code);
            if row.kind() == FindingKind::Duty || gone {
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
