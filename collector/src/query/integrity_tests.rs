//! What of a node cannot be believed as it stands, as findings.

use remit_proto::v1;

use super::tests::network;
use crate::assess::testing::{NOON, Stream, World, block};

#[test]
fn a_basis_map_that_nobody_stated_is_a_finding_about_its_node() {
    let mut stream = network();
    stream.start_with_map("r1", 7);
    stream.publish();
    let d = v1::Filter::default;
    let codes = |stream: &Stream, filter: v1::Filter| -> Vec<(String, String)> {
        let request =
            v1::ListFindingsRequest { filter: Some(filter), ..v1::ListFindingsRequest::default() };
        let findings = World::of(stream).query.list_findings(request).unwrap().findings;
        findings.into_iter().map(|row| (row.node, row.code)).collect()
    };
    let found = [("r1".to_owned(), "UNSTATED_BASIS_MAP".to_owned())];
    assert_eq!(codes(&stream, d()), found);
    let integrity = vec![v1::IntegrityCode::UnstatedBasisMap.into()];
    assert_eq!(codes(&stream, v1::Filter { integrity, ..d() }), found);
    let expired = vec![v1::VerdictCode::Expired.into()];
    assert!(codes(&stream, v1::Filter { verdicts: expired, ..d() }).is_empty());
    stream.basis_map("r1", 8);
    stream.publish();
    assert_eq!(codes(&stream, d()), found, "another one");
    stream.basis_map("r1", 7);
    stream.publish();
    assert!(codes(&stream, d()).is_empty());
}

#[test]
fn a_rule_that_only_a_control_snapshot_shows_or_lacks_is_a_finding_about_its_node() {
    let mut stream = network();
    let (one, two) = (block(1, "ip:192.0.2.1"), block(2, "ip:192.0.2.2"));
    stream.install("r1", &one);
    stream.control("r1", &[&one]);
    stream.publish();
    let found = |stream: &Stream| -> Vec<(String, u64, String, bool)> {
        let kinds = vec![v1::FindingKind::Integrity.into()];
        let request = v1::ListFindingsRequest { kinds, ..v1::ListFindingsRequest::default() };
        let findings = World::of(stream).query.list_findings(request).unwrap().findings;
        let shown = |row: v1::FindingRow| {
            (row.code, row.rule, row.target.unwrap_or_default().value, row.installed_now)
        };
        findings.into_iter().map(shown).collect()
    };
    assert_eq!(found(&stream), [], "they agree");
    stream.wait(10);
    stream.control("r1", &[&two]);
    stream.publish();
    let want = [
        ("PHANTOM_RULE".to_owned(), 1, "192.0.2.1".to_owned(), false),
        ("UNREPORTED_RULE".to_owned(), 2, "192.0.2.2".to_owned(), true),
    ];
    assert_eq!(found(&stream), want);
    // What was shown is not undone by what comes after it.
    stream.remove("r1", &two);
    stream.install("r1", &one);
    stream.publish();
    let stands: Vec<(String, bool)> =
        found(&stream).into_iter().map(|(code, _, _, stands)| (code, stands)).collect();
    assert_eq!(stands, [("PHANTOM_RULE".to_owned(), true), ("UNREPORTED_RULE".to_owned(), false)]);
}

#[test]
fn canaries_say_which_paths_are_alive_and_those_that_do_not_come_back_are_findings() {
    let mut stream = network();
    let account = |path: &str, [sent, seen, unanswered]: [u64; 3]| v1::CanaryAccount {
        source: v1::SourceKind::Nftables.into(),
        path: path.into(),
        sent,
        seen,
        unanswered,
        sent_at_s: if sent > 0 { NOON + 30 } else { 0 },
        seen_at_s: if seen > 0 { NOON + 20 } else { 0 },
        ..v1::CanaryAccount::default()
    };
    stream.wait(30);
    stream.send("r1");
    stream.publish();
    assert_eq!(World::of(&stream).completeness(v1::Filter::default()).canary_paths, 0);
    stream.canaries = vec![
        account("nflog/1", [30, 30, 0]),
        account("nflog/2", [30, 20, 10]),
        account("nflog/3", [0, 0, 0]),
    ];
    stream.send("r1");
    stream.publish();
    let world = World::of(&stream);
    let answer = world.completeness(v1::Filter::default());
    assert_eq!((answer.canary_paths, answer.canary_paths_alive), (3, 1));
    assert_eq!(answer.canaries_alive_as_of_s, NOON + 20);
    let others: Vec<_> =
        answer.canaries_not_alive.iter().map(|row| (row.path.as_str(), row.state())).collect();
    let want = [("nflog/2", v1::CanaryState::Missing), ("nflog/3", v1::CanaryState::None)];
    assert_eq!(others, want);

    let ask = |integrity: Vec<i32>| {
        let filter = Some(v1::Filter { integrity, ..v1::Filter::default() });
        let request = v1::ListFindingsRequest { filter, ..Default::default() };
        world.query.list_findings(request).unwrap().findings
    };
    let findings = ask(vec![v1::IntegrityCode::CanaryMissing.into()]);
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!((finding.node.as_str(), finding.first_seen_s), ("r1", NOON + 20));
    assert_eq!(finding.canary.as_ref().unwrap().path, "nflog/2");
    assert!(ask(vec![v1::IntegrityCode::UnstatedBasisMap.into()]).is_empty());
}

#[test]
fn many_nodes_of_one_area_silent_at_once_are_one_finding() {
    let mut stream = Stream::new();
    for node in ["r1", "r2", "r3", "r4"] {
        stream.declare(node, "DE", &["acl nftables observed"]);
        stream.enrol(node);
    }
    stream.publish();
    let ask = |stream: &Stream, filter: v1::Filter| {
        let world = World::at(stream, stream.now_s + 10, usize::MAX);
        let request = v1::ListFindingsRequest { filter: Some(filter), ..Default::default() };
        world.query.list_findings(request).unwrap().findings
    };
    assert!(ask(&stream, v1::Filter::default()).is_empty());
    for _ in 0..10 {
        stream.wait(60);
        stream.send("r4");
        stream.publish_only();
    }
    let findings = ask(&stream, v1::Filter::default());
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    let area = finding.area.as_ref().unwrap();
    assert_eq!((finding.code.as_str(), area.area.as_str()), ("SILENT_AREA", "country DE"));
    assert_eq!(
        (area.silent_nodes.join(" ").as_str(), area.nodes, area.open),
        ("r1 r2 r3", 4, true)
    );
    assert_eq!((finding.first_seen_s, finding.last_seen_s), (NOON, NOON + 610));
    let of = |node: &str| v1::Filter { nodes: vec![node.into()], ..v1::Filter::default() };
    assert_eq!(ask(&stream, of("r2")).len(), 1);
    assert!(ask(&stream, of("r4")).is_empty(), "that node was there");

    // They are back: what was, stays.
    for node in ["r1", "r2", "r3"] {
        stream.send(node);
    }
    stream.publish_only();
    let findings = ask(&stream, v1::Filter::default());
    assert!(!findings[0].area.as_ref().unwrap().open);
    assert_eq!(findings[0].last_seen_s, NOON + 600);
}

/// Of silences those are listed that lasted longest; a node that fell silent just now is a finding all the same.
#[test]
fn many_long_silences_hide_no_node_that_is_not_heard_now() {
    let mut stream = network();
    stream.enrol("r9");
    stream.publish();
    for _ in 0..=register::silence::LISTED_MAX {
        stream.wait(4_000);
        stream.send("r1");
        stream.send("r9");
        stream.publish_only();
    }
    let silent = |stream: &Stream, after_s: i64| -> Vec<String> {
        let integrity = vec![v1::IntegrityCode::SilentAgent.into()];
        let filter = Some(v1::Filter { integrity, ..v1::Filter::default() });
        let request = v1::ListFindingsRequest { filter, ..Default::default() };
        let world = World::at(stream, stream.now_s + after_s, usize::MAX);
        let findings = world.query.list_findings(request).unwrap().findings;
        findings.into_iter().map(|row| row.node).collect()
    };
    assert!(silent(&stream, 10).is_empty());
    stream.wait(100);
    stream.send("r1");
    stream.publish_only();
    assert_eq!(silent(&stream, 5), ["r9"]);
}
