//! What of secret requests an answer shows to whom.
//!
//! The collector holds every part and judges with it; a viewer without clearance gets the verdict without
//! what it rests on, sees that a part is there, how secret, until when and why, and how many such requests
//! there are. Of a request whose very existence is closed, the viewer sees the verdict and that count.
//! Who has clearance is in the table of `access`.

use std::collections::{BTreeMap, BTreeSet};

use evidence::closed;
use register::{judge::part_of, request::Closed};
use remit_proto::v1::{self, DisclosureTier};
use tonic::Status;

use super::{QueryHandle, error::QueryError};
use crate::access::sees;

/// What is hidden from one viewer at one time.
#[derive(Debug, Default)]
pub(crate) struct Veil {
    /// Parts, by request.
    parts: BTreeMap<String, Vec<Closed>>,
    /// Requests that are not there for this viewer, with how secret that is.
    requests: BTreeMap<String, DisclosureTier>,
}

impl QueryHandle {
    /// `clearance`: the highest tier that the viewer sees.
    pub(crate) fn veil(&self, clearance: DisclosureTier) -> Result<Veil, Status> {
        Ok(self.hidden(clearance)?)
    }

    fn hidden(&self, clearance: DisclosureTier) -> Result<Veil, QueryError> {
        let mut veil = Veil::default();
        if clearance == DisclosureTier::Secret {
            return Ok(veil);
        }
        let scene = self.scene()?;
        for entry in scene.register().partly_closed() {
            let id = entry.id().to_string();
            let existence = entry.existence();
            if let Some(secrecy) = existence
                && !sees(clearance, secrecy.tier, secrecy.until_s, scene.now_s)
            {
                veil.requests.insert(id.clone(), secrecy.tier);
            }
            let parts: Vec<Closed> = entry
                .all_versions()
                .flat_map(|version| &version.request.closed)
                .filter(|part| !sees(clearance, part.tier, part.until_s, scene.now_s))
                .cloned()
                .collect();
            if !parts.is_empty() {
                veil.parts.insert(id, parts);
            }
        }
        Ok(veil)
    }
}

/// An answer from which something may have to be taken.
pub(crate) trait Veiled {
    fn veil(&mut self, veil: &Veil);
}

impl Veil {
    /// The request is not there.
    pub(crate) fn hides(&self, id: &str) -> bool {
        self.requests.contains_key(id)
    }

    /// A part of the request, or all of it.
    pub(crate) fn hides_part(&self, id: &str, part: v1::RequestPart) -> bool {
        let hidden = self.parts.get(id).into_iter().flatten();
        self.hides(id) || hidden.into_iter().any(|hidden| hidden.part == part)
    }

    fn request(&self, request: &mut v1::Request) {
        for part in self.parts.get(&request.id).into_iter().flatten() {
            closed::take(request, part.part);
        }
    }

    fn verdict(&self, verdict: &mut v1::Verdict) {
        let Some(clause) = &mut verdict.clause else { return };
        if let Some(tier) = self.requests.get(&clause.request_id) {
            clause.request_id.clear();
            clause.time_zone.clear();
            clause.request_says = format!("withheld: {}", register::words::tier(*tier));
            return;
        }
        let Some(part) = part_of(clause.dimension()) else { return };
        let hidden = self.parts.get(&clause.request_id).into_iter().flatten();
        if let Some(part) = hidden.into_iter().find(|hidden| hidden.part == part) {
            clause.request_says = part.says();
        }
    }

    /// A verdict, and the authority that stands beside it.
    fn judged(&self, verdict: Option<&mut v1::Verdict>, authority: &mut String) {
        let Some(verdict) = verdict else { return };
        let speaks = verdict.clause.as_ref().map_or("", |clause| clause.request_id.as_str());
        if self.hides_part(speaks, v1::RequestPart::Authority) {
            authority.clear();
        }
        self.verdict(verdict);
    }

    fn row(&self, row: &mut v1::RequestRow) {
        row.held_by.retain(|held| !self.hides(&held.request_id));
        let Some(request) = &mut row.request else { return };
        let targets = v1::RequestPart::Targets;
        if self.hides_part(&request.id, targets) {
            row.held_by.clear();
        }
        // Another one that holds the same target shows it.
        row.held_by.retain(|held| !self.hides_part(&held.request_id, targets));
        if self.hides_part(&request.id, v1::RequestPart::Remarks)
            && let Some(decision) = &mut row.decision
        {
            decision.text.clear();
            decision.escalation.clear();
        }
        self.request(request);
    }

    fn count(&self, completeness: &mut Option<v1::Completeness>) {
        if let Some(completeness) = completeness {
            let veiled: BTreeSet<_> = self.parts.keys().chain(self.requests.keys()).collect();
            completeness.veiled_requests = veiled.len() as u64;
        }
    }

    fn rule(&self, row: &mut v1::RuleRow) {
        self.judged(row.verdict.as_mut(), &mut row.authority);
    }

    fn event(&self, row: &mut v1::EventRow) {
        if let Some(then) = &mut row.as_known_then {
            self.verdict(then);
        }
        self.judged(row.as_known_now.as_mut(), &mut row.authority);
    }

    /// `false`: the finding is about a request that is not there for this viewer.
    fn finding(&self, row: &mut v1::FindingRow) -> bool {
        let of_request = row.node.is_empty();
        let hidden = self.hides(&row.request_id);
        if of_request && hidden {
            return false;
        }
        if self.hides_part(&row.request_id, v1::RequestPart::Authority) {
            row.authority.clear();
        }
        // A duty names the first target of its request.
        if of_request && self.hides_part(&row.request_id, v1::RequestPart::Targets) {
            row.target = None;
        }
        if hidden {
            row.request_id.clear();
        }
        for verdict in row.verdict.iter_mut().chain(&mut row.verdict_now) {
            self.verdict(verdict);
        }
        true
    }

    fn findings(&self, rows: &mut Vec<v1::FindingRow>) {
        rows.retain_mut(|row| self.finding(row));
    }
}

impl Veiled for v1::ListEventsResponse {
    fn veil(&mut self, veil: &Veil) {
        self.events.iter_mut().for_each(|row| veil.event(row));
        veil.count(&mut self.completeness);
    }
}

impl Veiled for v1::ListRulesResponse {
    fn veil(&mut self, veil: &Veil) {
        self.rules.iter_mut().for_each(|row| veil.rule(row));
        veil.count(&mut self.completeness);
    }
}

impl Veiled for v1::ListFindingsResponse {
    fn veil(&mut self, veil: &Veil) {
        veil.findings(&mut self.findings);
        veil.count(&mut self.completeness);
    }
}

impl Veiled for v1::GetFindingResponse {
    fn veil(&mut self, veil: &Veil) {
        let shown = self.finding.as_mut().is_some_and(|row| veil.finding(row));
        if !shown {
            self.finding = None;
            self.decisions.clear();
        }
        veil.count(&mut self.completeness);
    }
}

impl Veiled for v1::GetTargetResponse {
    fn veil(&mut self, veil: &Veil) {
        self.rules.iter_mut().for_each(|row| veil.rule(row));
        self.events.iter_mut().for_each(|row| veil.event(row));
        // Else whoever asks for enough targets reads a closed list.
        self.requests.retain(|id| !veil.hides_part(id, v1::RequestPart::Targets));
        veil.count(&mut self.completeness);
    }
}

impl Veiled for v1::ListRequestsResponse {
    fn veil(&mut self, veil: &Veil) {
        let shown = |row: &v1::RequestRow| {
            row.request.as_ref().is_none_or(|request| !veil.hides(&request.id))
        };
        self.requests.retain(shown);
        self.requests.iter_mut().for_each(|row| veil.row(row));
        veil.count(&mut self.completeness);
    }
}

impl Veiled for v1::GetRequestResponse {
    fn veil(&mut self, veil: &Veil) {
        self.versions.iter_mut().for_each(|row| veil.row(row));
        self.rules.iter_mut().for_each(|row| veil.rule(row));
        veil.findings(&mut self.findings);
        veil.count(&mut self.completeness);
    }
}

/// Names no request's part.
impl Veiled for v1::ListNodesResponse {
    fn veil(&mut self, veil: &Veil) {
        veil.count(&mut self.completeness);
    }
}

impl Veiled for v1::ListPointsResponse {
    fn veil(&mut self, veil: &Veil) {
        veil.count(&mut self.completeness);
    }
}
