//! No text of a request tells of what is hidden from its reader.

use remit_proto::v1;

use super::{
    Veil,
    names::{Names, WITHHELD},
};

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
