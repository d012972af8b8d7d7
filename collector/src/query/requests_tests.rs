//! Requests, those that are larger than an answer too.

use prost::Message;
use remit_proto::v1::{self, RequestPart, TransitionKind};

use super::{
    page::Page,
    requests::{ANSWER_SIZE_MAX, TARGETS_SIZE_MAX},
    tests::network,
};
use crate::assess::testing::{NOON, Stream, World};

/// As most programs take it.
const MESSAGE_SIZE_MAX: usize = 4 * 1024 * 1024;

fn targets(count: usize) -> Vec<v1::RequestTarget> {
    let long = "a".repeat(60);
    let target = |n| v1::Target {
        kind: v1::TargetKind::DomainExact.into(),
        value: format!("n{n}.{long}.{long}.{long}.example"),
    };
    let held = |n| v1::RequestTarget { target: Some(target(n)), ..v1::RequestTarget::default() };
    (0..count).map(held).collect()
}

fn large(stream: &mut Stream, id: &str, count: usize) {
    stream.request_with(id, "domain_exact:example.org", |request| {
        request.task.as_mut().unwrap().targets = targets(count);
    });
}

fn all_targets(world: &World, id: &str, page_size: u32) -> (Vec<v1::RequestTarget>, u64) {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let question =
            v1::ListTargetsRequest { request_id: id.into(), version: 1, page_size, page_token };
        let answer = world.query.list_targets(question).unwrap();
        assert!(page_size == 0 || answer.targets.len() <= 1_000);
        assert!(answer.encoded_len() <= MESSAGE_SIZE_MAX);
        all.extend(answer.targets);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return (all, answer.target_count);
        }
    }
}

fn shown(row: &v1::RequestRow) -> &[v1::RequestTarget] {
    row.request.as_ref().and_then(|request| request.task.as_ref()).map_or(&[], |task| &task.targets)
}

#[test]
fn an_answer_holds_the_first_targets_and_pages_hold_all() {
    let mut stream = network();
    large(&mut stream, "req-7", 20_500);
    stream.publish();
    let world = World::of(&stream);
    let answer = world.query.get_request(v1::GetRequestRequest { id: "req-7".into() }).unwrap();
    assert!(answer.encoded_len() <= MESSAGE_SIZE_MAX, "{}", answer.encoded_len());
    let [row] = answer.versions.as_slice() else { panic!("one version") };
    let wanted = targets(20_500);
    assert_eq!(row.target_count, 20_500);
    assert!((100..2_000).contains(&shown(row).len()), "{}", shown(row).len());
    assert_eq!(shown(row), &wanted[..shown(row).len()]);
    for page_size in [0, 1_000] {
        assert_eq!(all_targets(&world, "req-7", page_size), (wanted.clone(), 20_500));
    }
    for (id, version) in [("req-9", 1), ("req-7", 2), ("?", 1)] {
        let request_id = id.into();
        let question = v1::ListTargetsRequest { request_id, version, ..Default::default() };
        assert!(world.query.list_targets(question).is_err(), "{id} {version}");
    }
}

/// Amended each day, with rules that say much of themselves.
#[test]
fn all_that_is_told_of_one_request_has_room() {
    let mut stream = network();
    let mut prev_hash = Vec::new();
    for version in 1..=40 {
        stream.request_with("req-7", "domain_exact:example.org", |request| {
            request.version = version;
            request.prev_hash.clone_from(&prev_hash);
            request.task.as_mut().unwrap().targets = targets(1_500 + version as usize);
            prev_hash = register::version_digest(request).to_vec();
        });
    }
    stream.publish();
    let world = World::of(&stream);
    let answer = world.query.get_request(v1::GetRequestRequest { id: "req-7".into() }).unwrap();
    assert!(answer.encoded_len() <= MESSAGE_SIZE_MAX, "{}", answer.encoded_len());
    assert_eq!(answer.version_count, 40);
    let newest = answer.versions.last().unwrap();
    assert_eq!(newest.request.as_ref().unwrap().version, 40);
    assert_eq!(newest.target_count, 1_540);
    assert!(shown(newest).len() > 300, "{}", shown(newest).len());
}

#[test]
fn a_page_of_large_requests_ends_early_and_none_is_left_out() {
    let mut stream = network();
    let count = ANSWER_SIZE_MAX / TARGETS_SIZE_MAX + 5;
    let ids: Vec<String> = (0..count).map(|n| format!("req-{n:03}")).collect();
    ids.iter().for_each(|id| large(&mut stream, id, 800));
    stream.publish();
    let world = World::of(&stream);
    let (mut found, mut page_token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let question =
            v1::ListRequestsRequest { page_size: 1_000, page_token, ..Default::default() };
        let answer = world.query.list_requests(question).unwrap();
        assert!(answer.encoded_len() <= MESSAGE_SIZE_MAX, "{}", answer.encoded_len());
        for row in &answer.requests {
            assert_eq!(row.target_count, 800);
            found.push(row.request.as_ref().unwrap().id.clone());
        }
        page_token = answer.next_page_token;
        pages += 1;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(found, ids);
    assert!(pages > 1);
}

#[test]
fn targets_that_are_withheld_are_neither_told_nor_counted() {
    let mut stream = network();
    stream.request_closed("req-8", "agency", "ip:192.0.2.8", &[RequestPart::Targets]);
    stream.publish();
    let world = World::of(&stream);
    assert_eq!(all_targets(&world, "req-8", 0).1, 1);
    let reader = world.query.seen_by(v1::DisclosureTier::Restricted);
    let request_id = "req-8".to_owned();
    let question = v1::ListTargetsRequest { request_id, version: 1, ..Default::default() };
    let answer = reader.list_targets(question.clone()).unwrap();
    assert_eq!((answer.targets.len(), answer.target_count), (0, 0));
    // Nor are they counted by tokens that somebody makes.
    let page = Page::open("targets", &question, 0, "").unwrap();
    for position in ["000000000000", "000000000007", "x"] {
        let page_token = page.token(position.as_bytes());
        let made = v1::ListTargetsRequest { page_token, ..question.clone() };
        let answer = reader.list_targets(made).unwrap();
        assert_eq!(answer, v1::ListTargetsResponse::default(), "{position}");
    }
    let answer = reader.get_request(v1::GetRequestRequest { id: "req-8".into() }).unwrap();
    assert_eq!((shown(&answer.versions[0]).len(), answer.versions[0].target_count), (0, 0));
}

#[test]
fn a_late_confirmation_says_whether_it_covers_the_time_before() {
    let mut stream = network();
    for (id, target) in [("call/1", "ip:192.0.2.7"), ("call/2", "ip:192.0.2.8")] {
        stream.request_with(id, target, |request| {
            request.status = v1::RequestStatus::Provisional.into();
            request.task.as_mut().unwrap().confirm_by_s = NOON + 60;
        });
    }
    stream.wait(600);
    for (id, back_covers) in [("call/1", true), ("call/2", false)] {
        let confirm = v1::Transition {
            request_id: id.into(),
            kind: TransitionKind::Confirm.into(),
            back_covers,
            ..v1::Transition::default()
        };
        stream.state(confirm, NOON + 600);
    }
    stream.publish();
    let world = World::of(&stream);
    let steps = |id: &str| -> Vec<_> {
        let request = v1::GetRequestRequest { id: id.into() };
        let answer = world.query.get_request(request).unwrap();
        answer.transitions.iter().map(|row| (row.kind(), row.back_covers)).collect()
    };
    assert_eq!(steps("call/1"), [(TransitionKind::Confirm, true)]);
    assert_eq!(steps("call/2"), [(TransitionKind::Confirm, false)]);
}
