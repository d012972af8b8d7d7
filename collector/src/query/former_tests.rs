//! Findings that stand no more.

use remit_proto::v1::{self, FindingKind, VerdictCode};

use super::tests::network;
use crate::assess::testing::{Stream, World, block};

fn ids(world: &World, kind: FindingKind, code: &str) -> Vec<String> {
    let kinds = vec![kind.into()];
    let request = v1::ListFindingsRequest { kinds, ..v1::ListFindingsRequest::default() };
    let found = world.query.list_findings(request).unwrap().findings;
    found.into_iter().filter(|row| row.code == code).map(|row| row.id).collect()
}

fn get(stream: &Stream, id: &str) -> Result<v1::FindingRow, tonic::Status> {
    let request = v1::GetFindingRequest { id: id.to_owned() };
    Ok(World::of(stream).query.get_finding(request)?.finding.unwrap())
}

#[test]
fn a_rule_that_is_covered_since_still_shows_what_it_was_found_for() {
    let mut stream = network();
    let rule = block(1, "ip:192.0.2.7");
    stream.install("r1", &rule);
    stream.hit("r1", &rule, 3);
    stream.publish();
    let [id] = &ids(&World::of(&stream), FindingKind::Rule, "NO_BASIS")[..] else { panic!() };
    assert!(!get(&stream, id).unwrap().stands_no_more);
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    assert!(ids(&World::of(&stream), FindingKind::Rule, "NO_BASIS").is_empty());
    let past = get(&stream, id).unwrap();
    assert!(past.stands_no_more);
    assert_eq!((&past.id, past.code.as_str(), past.rule, past.hits), (id, "NO_BASIS", 1, 3));
    assert_eq!(past.verdict.unwrap().code(), VerdictCode::NoBasis);
    assert_eq!(past.target.unwrap().value, "192.0.2.7");
    assert!(past.installed_now, "it stands, and not for this");
    assert_eq!(past.verdict_now.unwrap().code(), VerdictCode::AuthorisedMisreferenced);
}

#[test]
fn an_entry_that_was_amended_still_shows_what_was_wrong_with_it() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    let [id] = &ids(&World::of(&stream), FindingKind::Entry, "UNNUMBERED")[..] else { panic!() };
    stream.transition("req-7", v1::TransitionKind::Withdraw, stream.now_s);
    stream.publish();
    stream.wait(60);
    assert!(ids(&World::of(&stream), FindingKind::Entry, "UNNUMBERED").is_empty());
    let past = get(&stream, id).unwrap();
    assert!(past.stands_no_more && past.kind() == FindingKind::Entry);
    assert_eq!((past.code.as_str(), past.request_id.as_str()), ("UNNUMBERED", "req-7"));
}

#[test]
fn what_never_stood_is_not_made_up() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    stream.install("r1", &block(1, "ip:192.0.2.7 for req-7"));
    stream.publish();
    let never = v1::FindingSubject {
        code: "NO_BASIS".into(),
        node: "r1".into(),
        generation: "0000000000000001".into(),
        rule: 1,
        ..v1::FindingSubject::default()
    };
    for id in [register::finding_id(&never), "0000000000000000".to_owned()] {
        let refused = get(&stream, &id).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::NotFound, "{}", refused.message());
    }
}

#[test]
fn what_others_did_since_does_not_hide_what_a_rule_did() {
    let mut stream = network();
    let (rule, busy) = (block(1, "ip:192.0.2.7"), block(2, "ip:192.0.2.8"));
    stream.install("r1", &rule);
    stream.hit("r1", &rule, 3);
    stream.publish();
    let [id] = &ids(&World::of(&stream), FindingKind::Rule, "NO_BASIS")[..] else { panic!() };
    stream.request("req-7", "ip:192.0.2.7");
    stream.request("req-8", "ip:192.0.2.8");
    stream.publish();
    stream.wait(60);
    for _ in 0..10_001 {
        stream.hit("r1", &busy, 1);
    }
    stream.publish();
    let past = get(&stream, id).unwrap();
    assert_eq!((past.stands_no_more, past.rule, past.hits), (true, 1, 3));
}
