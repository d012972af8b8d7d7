//! One target: what is known of it, and what each request says of it.

use remit_proto::v1;

use super::tests::network;
use crate::assess::testing::{NOON, World, block, code};

#[test]
fn a_target_is_shown_with_its_rules_events_and_requests() {
    let mut stream = network();
    stream.request("req-7", "domain_exact:www.example.org");
    stream.publish();
    let rule = block(1, "domain_subtree:example.org for req-7");
    stream.install("r1", &rule);
    stream.hit("r1", &rule, 2);
    stream.install("r1", &block(2, "ip:192.0.2.7"));
    stream.publish();
    stream.remove("r1", &rule);
    stream.publish();
    let world = World::of(&stream);
    let ask = |target: &str| {
        world.query.get_target(v1::GetTargetRequest { target: target.into(), as_known_at_s: 0 })
    };
    let answer = ask("WWW.example.org").unwrap();
    assert_eq!(answer.targets[0].value, "www.example.org");
    assert_eq!(answer.rules.len(), 1);
    assert!(!answer.rules[0].installed_now, "formerly");
    assert_eq!(code(answer.rules[0].verdict.as_ref()), "OVERBROAD");
    assert_eq!(answer.events.len(), 1);
    assert_eq!(answer.requests, ["req-7"]);
    assert!(ask("no such thing").is_err());
}

#[test]
fn a_target_is_shown_with_what_each_request_says_of_it() {
    let mut stream = network();
    stream.request("req-6", "domain_subtree:example.org");
    stream.request_with("req-7", "domain_exact:www.example.org", |request| {
        let task = request.task.as_mut().unwrap();
        task.effective_until_s = NOON - 60;
        let open =
            v1::Target { value: "a.example.org".into(), ..task.targets[0].target.clone().unwrap() };
        let open =
            v1::RequestTarget { target: Some(open), exception: true, ..task.targets[0].clone() };
        task.targets.push(open);
    });
    stream.request("req-8", "domain_exact:example.net");
    stream.publish();
    let world = World::of(&stream);
    let told = |target: &str| -> Vec<String> {
        let question = v1::GetTargetRequest { target: target.into(), as_known_at_s: 0 };
        let answer = world.query.get_target(question).unwrap();
        assert_eq!(answer.touching_count, answer.touching.len() as u64);
        let row = |row: &v1::TouchingRow| {
            let target = &row.target.as_ref().unwrap().value;
            let how = if row.covers { "covers" } else { "touches" };
            let open = if row.exception { "!" } else { "" };
            format!("{} {} {how} {open}{target} {}", row.request_id, row.state, row.until_s)
        };
        answer.touching.iter().map(row).collect()
    };
    let ended = NOON - 60;
    assert_eq!(
        told("www.example.org"),
        [
            "req-6 active covers example.org 0".to_owned(),
            format!("req-7 expired covers www.example.org {ended}"),
        ]
    );
    assert_eq!(
        told("a.example.org"),
        [
            "req-6 active covers example.org 0".to_owned(),
            format!("req-7 expired covers !a.example.org {ended}"),
        ]
    );
    assert_eq!(told("*.example.net"), Vec::<String>::new());
    assert_eq!(told(".example.net"), ["req-8 active touches example.net 0"]);
}

#[test]
fn what_an_amendment_took_away_ends_with_it() {
    let mut stream = network();
    let mut first = Vec::new();
    stream.request_with("req-7", "domain_exact:example.org", |request| {
        first = register::version_digest(request).to_vec();
    });
    stream.wait(3_600);
    stream.request_with("req-7", "domain_exact:example.net", |request| {
        request.version = 2;
        request.prev_hash.clone_from(&first);
    });
    stream.publish();
    let world = World::of(&stream);
    let told = |target: &str| {
        let question = v1::GetTargetRequest { target: target.into(), as_known_at_s: 0 };
        let rows = world.query.get_target(question).unwrap().touching;
        rows.iter().map(|row| (row.version, row.amended_away, row.until_s)).collect::<Vec<_>>()
    };
    assert_eq!(told("example.org"), [(1, true, NOON + 3_600)]);
    assert_eq!(told("example.net"), [(2, false, 0)]);
}
