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
    QueryHandle, Scene, collateral,
    completeness::completeness,
    error::{QueryError, invalid},
    filter::Filter,
    findings, former,
};
use crate::store::{RuleId, Spell};

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
            Some(mut finding) => {
                collateral::complete(&scene, std::slice::from_mut(&mut finding))?;
                finding
            }
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
            found = Some(findings::shown(scene, row));
        }
    })?;
    Ok(found.transpose()?.flatten())
}

/// Adds what is not about the evidence of one finding: its id, what people said, how severe it is. Before the
/// veil, which takes away what all of that is told by.
pub(super) fn complete(
    scene: &Scene,
    mut row: v1::FindingRow,
) -> Result<v1::FindingRow, QueryError> {
    row.id = finding_id(&subject_of(&row));
    let decided = decided(scene, &row.id).next_back();
    row.state = decided.map_or(FindingState::Open, |decided| decided.after).into();
    row.seen_since = decided.is_some_and(|decided| {
        decided.after == FindingState::Remedied && row.last_seen_s > decided.recorded_at_s
    });
    row.decided = decided.map(self::row);
    let seen = (row.first_seen_s, row.last_seen_s);
    row.duration_s = within(seen, &[]);
    // Of what is no rule, whoever found it says whether anything is blocked by it.
    if row.rule != 0 {
        let (node, generation) = (row.node.clone(), row.generation.clone());
        let rule = RuleId { node, generation, number: row.rule };
        row.duration_s = within(seen, &scene.reading.stood_of(&rule, scene.known_at())?);
        row.severity = Some(of_rule(scene, &row));
    }
    Ok(row)
}

/// Seconds from first to last seen, without those in which it is known not to have stood. Where nobody saw it
/// begin, it may have stood since it ended before; where nobody has shown it as standing (an old log), always.
fn within((first_s, last_s): (i64, i64), stood: &[Spell]) -> u64 {
    let (mut sum, mut counted_to_s) = (0_i64, first_s);
    let always = [Spell { from_s: None, until_s: None }];
    let stood = if stood.is_empty() { &always } else { stood };
    for Spell { from_s, until_s } in stood {
        let from_s = from_s.map_or(counted_to_s, |from_s| from_s.max(counted_to_s));
        let until_s = until_s.unwrap_or(last_s).min(last_s);
        sum = sum.saturating_add(until_s.saturating_sub(from_s).max(0));
        counted_to_s = counted_to_s.max(until_s);
    }
    u64::try_from(sum).unwrap_or(0)
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
    let mut severity = severity(target.as_ref(), lines_served, row.duration_s);
    if target.is_some_and(|target| must_stay_open(scene, row, &target)) {
        severity.set_scale(SeverityGrade::High);
    }
    severity
}

/// By the request that the verdict speaks of (DOMAIN.md 3f, "Whitelisted target blocked").
fn must_stay_open(scene: &Scene, row: &v1::FindingRow, target: &Target) -> bool {
    let Some(verdict) = row.verdict.as_ref() else { return false };
    let speaks = verdict.clause.as_ref().and_then(|clause| clause.request_id.parse().ok());
    verdict.code() == v1::VerdictCode::OutOfScopeTarget
        && speaks.is_some_and(|id| scene.whole().must_stay_open(&id, target, row.last_seen_s))
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

#[cfg(test)]
mod tests {
    use remit_proto::v1;

    use super::within;
    use crate::{
        assess::testing::{World, block},
        store::Spell,
    };

    #[test]
    fn what_did_not_stand_is_not_counted() {
        let spells = |stood: &[(i64, Option<i64>)]| -> Vec<Spell> {
            stood
                .iter()
                .map(|(from_s, until_s)| Spell { from_s: Some(*from_s), until_s: *until_s })
                .collect()
        };
        let check = |stood: &[(i64, Option<i64>)], seconds: u64| {
            assert_eq!(within((100, 200), &spells(stood)), seconds, "{stood:?}");
        };
        check(&[], 100);
        check(&[(0, None)], 100);
        check(&[(150, None)], 50);
        check(&[(0, Some(110)), (190, None)], 20);
        check(&[(0, Some(110)), (105, Some(120)), (120, Some(300))], 100);
        check(&[(0, Some(50)), (250, None)], 0);
        assert_eq!(within((100, 100), &spells(&[(0, None)])), 0);
        let found = |until_s| Spell { from_s: None, until_s };
        assert_eq!(within((100, 200), &[found(None)]), 100);
        let ended = Spell { from_s: Some(0), until_s: Some(110) };
        assert_eq!(within((100, 200), &[ended, found(Some(150))]), 50);
    }

    fn rule_finding(world: &World) -> v1::FindingRow {
        let kinds = vec![v1::FindingKind::Rule.into()];
        let question = v1::ListFindingsRequest { kinds, ..Default::default() };
        let mut found = world.query.list_findings(question).unwrap().findings;
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    #[test]
    fn to_block_what_must_stay_open_is_as_grave_as_can_be() {
        for (exception, grade) in
            [(true, v1::SeverityGrade::High), (false, v1::SeverityGrade::Medium)]
        {
            let mut stream = super::super::tests::network();
            stream.request_with("req-7", "ip:192.0.2.8", |request| {
                let targets = &mut request.task.as_mut().unwrap().targets;
                let open =
                    v1::Target { value: "192.0.2.7".into(), ..targets[0].target.clone().unwrap() };
                let open =
                    v1::RequestTarget { target: Some(open), exception, ..targets[0].clone() };
                targets.extend(exception.then_some(open));
            });
            stream.install("r1", &block(7, "ip:192.0.2.7 for req-7"));
            stream.publish();
            let row = rule_finding(&World::of(&stream));
            assert_eq!(row.code, "OUT_OF_SCOPE_TARGET");
            assert_eq!(row.severity.unwrap().scale(), grade);
        }
    }

    /// An hour in January and one in December are no year.
    #[test]
    fn a_rule_that_came_back_has_the_hours_in_which_it_stood() {
        let mut stream = super::super::tests::network();
        let rule = block(7, "ip:192.0.2.7");
        for _ in 0..2 {
            stream.install("r1", &rule);
            stream.wait(3_600);
            stream.hit("r1", &rule, 1);
            stream.wait(60);
            stream.remove("r1", &rule);
            stream.publish();
            stream.wait(300 * 86_400);
        }
        let world = World::of(&stream);
        let row = rule_finding(&world);
        assert_eq!(row.code, "NO_BASIS");
        assert!(row.last_seen_s - row.first_seen_s > 299 * 86_400, "{row:?}");
        assert!((7_200..=7_320).contains(&row.duration_s), "{}", row.duration_s);
    }
}
