//! What people did about findings, beside the findings: state, acts, severity.

use evidence::statement::{SignedStatement, decode_signed};
use register::{
    Known, Target,
    cases::{Decided, Note, finding_id, subject_of},
    severity,
};
use remit_proto::v1::{self, FindingState, SeverityGrade, statement::Body};
use tonic::Status;

use super::{
    QueryHandle, Scene,
    completeness::completeness,
    error::{QueryError, invalid},
    filter::Filter,
    findings, former,
};

impl QueryHandle {
    pub fn get_finding(
        &self,
        request: v1::GetFindingRequest,
    ) -> Result<v1::GetFindingResponse, Status> {
        Ok(self.finding(&request.id)?)
    }

    fn finding(&self, id: &str) -> Result<v1::GetFindingResponse, QueryError> {
        let (filter, scene) = self.scene_for(None)?;
        let finding = match find(&scene, &filter, id)? {
            Some(finding) => finding,
            None => former::finding(&scene, id)?.ok_or(QueryError::NoSuchFinding)?,
        };
        Ok(v1::GetFindingResponse {
            decisions: decided(&scene, id)
                .map(|said| {
                    let mut row = row(said);
                    scene.veil.said(&finding, &mut row);
                    row
                })
                .collect(),
            finding: Some(finding),
            completeness: Some(completeness(&scene, &filter)?),
        })
    }

    /// A decision about what nobody found would be a record of nothing. What was decided on once, or stood
    /// once, stays known, also when the evidence shows it no more; what the caller does not see is not there,
    /// whatever others decided on it.
    pub(crate) fn knows_finding(&self, signed_statement: Vec<u8>) -> Result<(), Status> {
        Ok(self.check_finding(&signed_statement)?)
    }

    fn check_finding(&self, signed_statement: &[u8]) -> Result<(), QueryError> {
        let unreadable =
            |error: evidence::Malformed| invalid("signed_statement", error.to_string());
        let decoded = decode_signed(signed_statement).map_err(unreadable)?;
        let SignedStatement::Known { statement, .. } = decoded else {
            return Err(invalid("signed_statement", "of a newer format; update the collector"));
        };
        let Some(Body::Decision(v1::Decision { subject: Some(subject), .. })) = statement.body
        else {
            return Err(invalid("signed_statement", "not a decision"));
        };
        let id = finding_id(&subject);
        let (filter, scene) = self.scene_for(None)?;
        let known =
            find(&scene, &filter, &id)?.is_some() || former::finding(&scene, &id)?.is_some();
        if known { Ok(()) } else { Err(QueryError::NoSuchFinding) }
    }
}

/// What people had said by the time that was asked for, in the order in which it was recorded.
fn decided<'s>(
    scene: &'s Scene,
    id: &str,
) -> impl DoubleEndedIterator<Item = &'s Decided> + use<'s> {
    // The time is by the clock of whoever signed, so that a later act may bear an earlier one.
    let until_s = scene.past.map_or(i64::MAX, |past| past.as_known_at_s);
    scene.cases().of(id).iter().filter(move |said| said.recorded_at_s <= until_s)
}

fn find(scene: &Scene, filter: &Filter, id: &str) -> Result<Option<v1::FindingRow>, QueryError> {
    let mut found = None;
    findings::each(scene, filter, &findings::Kinds::all(), &mut |_, row| {
        if found.is_none() && finding_id(&subject_of(&row)) == id {
            found = findings::shown(scene, row);
        }
    })?;
    Ok(found)
}

/// Adds what is not about the evidence of one finding: its id, what people said, how severe it is. Before the
/// veil, which takes away what all of that is told by.
pub(super) fn complete(scene: &Scene, mut row: v1::FindingRow) -> v1::FindingRow {
    row.id = finding_id(&subject_of(&row));
    let decided = decided(scene, &row.id).next_back();
    row.state = decided.map_or(FindingState::Open, |decided| decided.after).into();
    row.seen_since = decided.is_some_and(|decided| {
        decided.after == FindingState::Remedied && row.last_seen_s > decided.recorded_at_s
    });
    row.decided = decided.map(self::row);
    row.duration_s = u64::try_from(row.last_seen_s.saturating_sub(row.first_seen_s)).unwrap_or(0);
    // Of what is no rule, whoever found it says whether anything is blocked by it.
    if row.rule != 0 {
        row.severity = Some(of_rule(scene, &row));
    }
    row
}

/// Whether one of its three grades is at least this one.
pub(super) fn is_as_grave(row: &v1::FindingRow, least: SeverityGrade) -> bool {
    least == SeverityGrade::Unspecified
        || row.severity.is_some_and(|severity| {
            let v1::Severity { scale, scope, irremediability } = severity;
            [scale, scope, irremediability].into_iter().any(|grade| grade >= least.into())
        })
}

fn of_rule(scene: &Scene, row: &v1::FindingRow) -> v1::Severity {
    let target = match Known::<Target>::from_wire(row.target.as_ref()) {
        Known::Known(target) => Some(target),
        Known::Erased | Known::NotUnderstood => None,
    };
    let facts = scene.inventory.iter().find(|facts| facts.node == row.node);
    let lines_served = facts.map_or(0, |facts| facts.lines_served);
    severity(target.as_ref(), lines_served, row.duration_s)
}

/// Not veiled.
fn row(decided: &Decided) -> v1::DecisionRow {
    let Decided { index, act, reason, by, role, recorded_at_s, note, after } = decided;
    let person = v1::PersonRef { person: by.to_string(), role: (*role).into() };
    v1::DecisionRow {
        index: *index,
        act: (*act).into(),
        reason: (*reason).into(),
        by: Some(person),
        recorded_at_s: *recorded_at_s,
        note: if let Note::Text(text) = note { text.clone() } else { String::new() },
        note_erased: *note == Note::Erased,
        state_after: (*after).into(),
    }
}
