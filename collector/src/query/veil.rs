//! What of secret requests an answer shows to whom.
//!
//! The collector holds every part and judges with it; a viewer without clearance gets the verdict without
//! what it rests on, sees that a part is there, how secret, until when and why, and how many such requests
//! there are. Who has clearance is in the table of `access`.

use std::collections::HashMap;

use evidence::closed;
use register::{judge::part_of, request::Closed};
use remit_proto::v1::{self, DisclosureTier};
use tonic::Status;

use super::{QueryHandle, error::QueryError};

/// Parts that are hidden from one viewer at one time, by request.
#[derive(Debug, Default)]
pub(crate) struct Veil(HashMap<String, Vec<Closed>>);

impl QueryHandle {
    /// `clearance`: the highest tier that the viewer sees.
    pub(crate) fn veil(&self, clearance: DisclosureTier) -> Result<Veil, Status> {
        Ok(self.hidden(clearance)?)
    }

    fn hidden(&self, clearance: DisclosureTier) -> Result<Veil, QueryError> {
        if clearance == DisclosureTier::Secret {
            return Ok(Veil::default());
        }
        let scene = self.scene()?;
        let hides = |part: &Closed| {
            let open = part.until_s.is_some_and(|until_s| until_s <= scene.now_s);
            !open && part.tier as i32 > clearance as i32
        };
        let mut hidden = HashMap::new();
        for entry in scene.register().partly_closed() {
            let parts: Vec<Closed> = entry
                .versions()
                .flat_map(|v| v.request.closed.iter())
                .filter(|p| hides(p))
                .cloned()
                .collect();
            if !parts.is_empty() {
                hidden.insert(entry.id().to_string(), parts);
            }
        }
        Ok(Veil(hidden))
    }
}

/// An answer from which something may have to be taken.
pub(crate) trait Veiled {
    fn veil(&mut self, veil: &Veil);
}

impl Veil {
    fn request(&self, request: &mut v1::Request) {
        for part in self.0.get(&request.id).into_iter().flatten() {
            closed::take(request, part.part);
        }
    }

    fn verdict(&self, verdict: &mut v1::Verdict) {
        let Some(clause) = &mut verdict.clause else { return };
        let Some(part) = part_of(clause.dimension()) else { return };
        let hidden = self.0.get(&clause.request_id).into_iter().flatten();
        if let Some(part) = hidden.into_iter().find(|hidden| hidden.part == part) {
            clause.request_says = part.says();
        }
    }

    fn verdicts<'v>(&self, verdicts: impl IntoIterator<Item = &'v mut v1::Verdict>) {
        verdicts.into_iter().for_each(|verdict| self.verdict(verdict));
    }

    fn row(&self, row: &mut v1::RequestRow) {
        if let Some(request) = &mut row.request {
            let hides = self.0.contains_key(&request.id);
            self.request(request);
            if hides {
                row.held_by.clear();
            }
        }
    }

    fn count(&self, completeness: &mut Option<v1::Completeness>) {
        if let Some(completeness) = completeness {
            completeness.veiled_requests = self.0.len() as u64;
        }
    }

    fn event(&self, row: &mut v1::EventRow) {
        self.verdicts(row.as_known_then.iter_mut().chain(&mut row.as_known_now));
    }

    fn finding(&self, row: &mut v1::FindingRow) {
        self.verdicts(row.verdict.iter_mut().chain(&mut row.verdict_now));
        // A duty names the first target of its request.
        let duty = row.node.is_empty();
        let hidden = self.0.get(&row.request_id).into_iter().flatten();
        if duty && hidden.into_iter().any(|part| part.part == v1::RequestPart::Targets) {
            row.target = None;
        }
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
        self.rules.iter_mut().for_each(|row| veil.verdicts(&mut row.verdict));
        veil.count(&mut self.completeness);
    }
}

impl Veiled for v1::ListFindingsResponse {
    fn veil(&mut self, veil: &Veil) {
        self.findings.iter_mut().for_each(|row| veil.finding(row));
        veil.count(&mut self.completeness);
    }
}

impl Veiled for v1::GetFindingResponse {
    fn veil(&mut self, veil: &Veil) {
        self.finding.iter_mut().for_each(|row| veil.finding(row));
        veil.count(&mut self.completeness);
    }
}

impl Veiled for v1::GetTargetResponse {
    fn veil(&mut self, veil: &Veil) {
        self.rules.iter_mut().for_each(|row| veil.verdicts(&mut row.verdict));
        self.events.iter_mut().for_each(|row| veil.event(row));
        veil.count(&mut self.completeness);
    }
}

impl Veiled for v1::ListRequestsResponse {
    fn veil(&mut self, veil: &Veil) {
        self.requests.iter_mut().for_each(|row| veil.row(row));
        veil.count(&mut self.completeness);
    }
}

impl Veiled for v1::GetRequestResponse {
    fn veil(&mut self, veil: &Veil) {
        self.versions.iter_mut().for_each(|row| veil.row(row));
        self.rules.iter_mut().for_each(|row| veil.verdicts(&mut row.verdict));
        self.findings.iter_mut().for_each(|row| veil.finding(row));
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
