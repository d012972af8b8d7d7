//! What is wrong with requests themselves, as answers tell it.

use std::collections::BTreeSet;

use remit_proto::v1::{self, EntryCode, FindingKind, SeverityGrade};

use super::tests::network;
use crate::assess::testing::{Stream, World, block};

/// A request that is open-ended and unnumbered, carried out at r1.
fn carried_out() -> Stream {
    let mut stream = network();
    stream.request("req-7", "ip:104.16.0.7");
    stream.install("r1", &block(1, "ip:104.16.0.7 for req-7"));
    stream.publish();
    stream
}

fn ask(world: &World, request: v1::ListFindingsRequest) -> Vec<v1::FindingRow> {
    world.query.list_findings(request).unwrap().findings
}

fn of_kind(world: &World, kind: FindingKind) -> Vec<v1::FindingRow> {
    let kinds = vec![kind.into()];
    ask(world, v1::ListFindingsRequest { kinds, ..v1::ListFindingsRequest::default() })
}

#[test]
fn a_defective_request_is_a_finding_apart_from_what_rules_do() {
    let world = World::of(&carried_out());
    assert!(world.findings().is_empty(), "what the rule does is covered");
    let rows = of_kind(&world, FindingKind::Entry);
    let codes: BTreeSet<&str> = rows.iter().map(|row| row.code.as_str()).collect();
    for code in ["MISSING_ELEMENT", "UNNUMBERED", "OPEN_ENDED", "TARGET_OVERBROAD_ON_FACE"] {
        assert!(codes.contains(code), "{code}: {codes:?}");
    }
    assert!(rows.iter().all(|row| row.request_id == "req-7" && row.node.is_empty()));
    let ids: BTreeSet<&String> = rows.iter().map(|row| &row.id).collect();
    assert_eq!(ids.len(), rows.len(), "each element that is missing is one of its own");
    let shared = rows.iter().find(|row| row.code == "TARGET_OVERBROAD_ON_FACE").unwrap();
    assert_eq!((shared.detail.as_str(), shared.target_count), ("shared_address", 1));
    let all: BTreeSet<String> =
        ask(&world, v1::ListFindingsRequest::default()).into_iter().map(|row| row.id).collect();
    assert!(rows.iter().all(|row| all.contains(&row.id)));
    assert!(of_kind(&world, FindingKind::Rule).is_empty());
}

#[test]
fn one_code_can_be_asked_for_and_no_event_has_it() {
    let world = World::of(&carried_out());
    let entries = vec![EntryCode::OpenEnded.into()];
    let filter = Some(v1::Filter { entries, ..v1::Filter::default() });
    let request = v1::ListFindingsRequest { filter: filter.clone(), ..Default::default() };
    let codes: Vec<String> = ask(&world, request).into_iter().map(|row| row.code).collect();
    assert_eq!(codes, ["OPEN_ENDED"]);
    let request = v1::ListEventsRequest { filter, ..v1::ListEventsRequest::default() };
    assert!(world.query.list_events(request).unwrap().events.is_empty());
}

#[test]
fn a_code_can_be_asked_for_with_what_stands_beside_it() {
    let world = World::of(&carried_out());
    let asked = |entries: &[EntryCode], in_full: &[&str]| {
        let entries = entries.iter().map(|code| (*code).into()).collect();
        let in_full = in_full.iter().map(|text| (*text).to_owned()).collect();
        let filter = Some(v1::Filter { entries, in_full, ..v1::Filter::default() });
        world.query.list_findings(v1::ListFindingsRequest { filter, ..Default::default() })
    };
    let told = |entries: &[EntryCode], in_full: &[&str]| {
        let rows = asked(entries, in_full).unwrap().findings;
        rows.into_iter().map(|row| format!("{}({})", row.code, row.detail)).collect::<BTreeSet<_>>()
    };
    let missing = [EntryCode::MissingElement];
    let all = told(&missing, &[]);
    assert!(all.len() > 1 && all.contains("MISSING_ELEMENT(redress)"), "{all:?}");
    let redress = BTreeSet::from(["MISSING_ELEMENT(redress)".to_owned()]);
    assert_eq!(told(&missing, &["MISSING_ELEMENT(redress)"]), redress);
    assert_eq!(told(&missing, &["MISSING_ELEMENT(Redress)"]), redress);
    assert_eq!(told(&missing, &["MISSING_ELEMENT(no_such)"]), BTreeSet::new());
    // Of other codes nothing is said by it.
    let both = [EntryCode::MissingElement, EntryCode::OpenEnded];
    let with_another = told(&both, &["MISSING_ELEMENT(redress)"]);
    assert_eq!(with_another.len(), 2, "{with_another:?}");
    assert!(with_another.contains("OPEN_ENDED()"));
    for wrong in ["MISSING_ELEMENT", "(redress)", "MISSING_ELEMENT(redress"] {
        let refused = asked(&missing, &[wrong]).unwrap_err();
        assert!(refused.message().contains("filter.in_full"), "{wrong}: {refused:?}");
    }
}

#[test]
fn only_where_something_is_blocked_by_it_a_defect_has_grades() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    stream.request_with("req-8", "ip:192.0.2.8", |request| {
        request.status = v1::RequestStatus::Received.into();
    });
    stream.publish();
    let world = World::of(&stream);
    let graded = |id: &str| {
        let rows = of_kind(&world, FindingKind::Entry);
        rows.iter().filter(|row| row.request_id == id).all(|row| row.severity.is_some())
    };
    assert!(graded("req-7") && !graded("req-8"));
    let at_least = |severity_min: SeverityGrade| {
        let severity_min = severity_min.into();
        let request = v1::ListFindingsRequest { severity_min, ..Default::default() };
        ask(&world, request).into_iter().filter(|row| row.kind() == FindingKind::Entry).count()
    };
    // One address is of medium scale, and nothing of it is high yet.
    assert!(at_least(SeverityGrade::Medium) > 0);
    assert_eq!(at_least(SeverityGrade::High), 0);
    assert!(at_least(SeverityGrade::Unspecified) > at_least(SeverityGrade::Medium));
}

#[test]
fn a_request_tells_what_is_wrong_with_it_and_with_whom_it_conflicts() {
    let mut stream = network();
    stream.request("req-7", "domain_exact:www.example.org");
    stream.request_with("open", "ip:192.0.2.9", |request| {
        let target: register::Target = "domain_subtree:example.org".parse().unwrap();
        request.task.as_mut().unwrap().targets.push(v1::RequestTarget {
            target: Some(target.to_wire()),
            exception: true,
            ..v1::RequestTarget::default()
        });
    });
    stream.publish();
    let world = World::of(&stream);
    for id in ["req-7", "open"] {
        let request = v1::GetRequestRequest { id: id.into() };
        let findings = world.query.get_request(request).unwrap().findings;
        let conflict = findings.iter().find(|row| row.code == "CONFLICT").unwrap();
        assert_eq!((conflict.request_id.as_str(), conflict.detail.as_str()), ("req-7", "open"));
    }
}

#[test]
fn a_defect_is_decided_on_like_any_other_finding() {
    let world = World::of(&carried_out());
    let row = of_kind(&world, FindingKind::Entry).remove(0);
    let found = world.query.get_finding(v1::GetFindingRequest { id: row.id.clone() }).unwrap();
    assert_eq!(found.finding.unwrap(), row);
}

#[test]
fn a_kind_that_there_is_not_is_refused() {
    let world = World::of(&carried_out());
    let request = v1::ListFindingsRequest { kinds: vec![9], ..Default::default() };
    let refused = world.query.list_findings(request).unwrap_err();
    assert!(refused.message().contains("kinds: 9"), "{}", refused.message());
}
