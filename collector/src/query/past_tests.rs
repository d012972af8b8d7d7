//! What was known at a time: the answers of then, whatever came since.

use remit_proto::v1::{self, TransitionKind};
use tonic::Code;

use crate::assess::testing::{NOON, Stream, World, block, code};

fn known_at(at_s: i64) -> v1::Filter {
    v1::Filter { as_known_at_s: at_s, ..v1::Filter::default() }
}

/// "<hits> <now>" of each event, oldest first, and what the answer rests on.
fn events(world: &World, filter: v1::Filter) -> (Vec<String>, v1::Completeness) {
    let request = v1::ListEventsRequest { filter: Some(filter), ..Default::default() };
    let answer = world.query.list_events(request).unwrap();
    let line =
        |event: &v1::EventRow| format!("{} {}", event.hits, code(event.as_known_now.as_ref()));
    (answer.events.iter().rev().map(line).collect(), answer.completeness.unwrap())
}

/// "<rule> <installed> <verdict>" of each rule of a target.
fn target(world: &World, name: &str, at_s: i64) -> (Vec<String>, v1::GetTargetResponse) {
    let request = v1::GetTargetRequest { target: name.into(), as_known_at_s: at_s };
    let answer = world.query.get_target(request).unwrap();
    let line = |row: &v1::RuleRow| {
        let number = row.rule.as_ref().map_or(0, |rule| rule.number);
        let stands = if row.installed_now { "stands" } else { "gone" };
        format!("{number} {stands} {}", code(row.verdict.as_ref()))
    };
    (answer.rules.iter().map(line).collect(), answer)
}

/// A hit at noon, its request a minute later, its end an hour later.
fn one_request() -> Stream {
    let mut stream = Stream::new();
    stream.enrol("r1");
    stream.declare("r1", "DE", &["acl nftables observed"]);
    stream.wait(10);
    stream.install("r1", &block(1, "ip:192.0.2.7 for req-7"));
    stream.hit("r1", &block(1, "ip:192.0.2.7 for req-7"), 3);
    stream.publish();
    stream.wait(50);
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    stream.wait(3600);
    stream.transition("req-7", TransitionKind::Annul, NOON);
    stream.remove("r1", &block(1, "ip:192.0.2.7 for req-7"));
    stream.publish();
    stream
}

#[test]
fn a_verdict_is_the_one_of_the_register_that_was_known() {
    let world = World::of(&one_request());
    let (before, rests_on) = events(&world, known_at(NOON + 59));
    assert_eq!(before, ["3 UNKNOWN_BASIS"]);
    assert_eq!((rests_on.as_known_at_s, rests_on.log_size_at_s), (NOON + 59, NOON + 10));
    assert_eq!((rests_on.log_size, rests_on.register_size), (3, 0), "key, facts, head");
    let (then, rests_on) = events(&world, known_at(NOON + 60));
    assert_eq!(then, ["3 AUTHORISED"]);
    assert_eq!((rests_on.log_size_at_s, rests_on.register_size), (NOON + 60, 1));
    assert_eq!(events(&world, known_at(NOON + 3659)).0, then);
    let (now, rests_on) = events(&world, v1::Filter::default());
    assert_eq!(now, ["3 ANNULLED_RETROACTIVELY"]);
    assert_eq!((rests_on.as_known_at_s, rests_on.log_size_at_s), (0, 0));
}

#[test]
fn an_event_that_no_head_covered_yet_was_not_known() {
    let world = World::of(&one_request());
    assert!(events(&world, known_at(NOON + 9)).0.is_empty());
    let (_, answer) = target(&world, "192.0.2.7", NOON + 9);
    assert!(answer.events.is_empty() && answer.rules.is_empty() && answer.requests.is_empty());
    assert_eq!(answer.completeness.unwrap().points_declared, 1, "that was declared");
}

#[test]
fn a_filter_by_verdict_is_about_the_verdict_of_then() {
    let world = World::in_parts(&one_request(), 1);
    let of = |code: v1::VerdictCode, at_s| {
        let verdicts = vec![code.into()];
        events(&world, v1::Filter { verdicts, ..known_at(at_s) }).0.len()
    };
    assert_eq!(of(v1::VerdictCode::Authorised, NOON + 60), 1);
    assert_eq!(of(v1::VerdictCode::Authorised, NOON + 59), 0);
    assert_eq!(of(v1::VerdictCode::UnknownBasis, NOON + 59), 1);
    assert_eq!(of(v1::VerdictCode::Revoked, NOON + 60), 0);
}

#[test]
fn a_rule_stood_by_what_was_known() {
    let world = World::of(&one_request());
    let at = |at_s| target(&world, "192.0.2.7", at_s).0;
    assert_eq!(at(NOON + 10), ["1 stands UNKNOWN_BASIS"]);
    assert_eq!(at(NOON + 60), ["1 stands AUTHORISED"]);
    assert_eq!(at(0), ["1 gone ANNULLED_RETROACTIVELY"]);
    let (_, answer) = target(&world, "192.0.2.7", NOON + 60);
    assert_eq!(answer.requests, ["req-7"]);
    assert_eq!(answer.rules[0].hits, 0, "of then they are not kept");
}

#[test]
fn a_rule_in_another_form_stood_in_its_form_of_then() {
    let mut stream = Stream::new();
    stream.enrol("r1");
    stream.install("r1", &block(1, "ip:192.0.2.7 for req-7"));
    stream.publish();
    stream.wait(100);
    stream.install("r1", &block(1, "ip:192.0.2.7 for req-8"));
    stream.publish();
    stream.wait(100);
    stream.remove("r1", &block(1, "ip:192.0.2.7 for req-8"));
    stream.publish();
    stream.wait(100);
    stream.snapshot("r1", &[&block(1, "ip:192.0.2.7 for req-8")]);
    stream.publish();
    let world = World::of(&stream);
    let at = |at_s| {
        let (_, answer) = target(&world, "192.0.2.7", at_s);
        let row = answer.rules[0].clone();
        let claim: evidence::Claim = (&row.rule.unwrap().claims[0]).try_into().unwrap();
        (claim.to_string(), row.installed_now)
    };
    assert_eq!(at(NOON), ("req-7".to_owned(), true));
    assert_eq!(at(NOON + 99), ("req-7".to_owned(), true));
    assert_eq!(at(NOON + 100), ("req-8".to_owned(), true));
    assert_eq!(at(NOON + 200), ("req-8".to_owned(), false));
    assert_eq!(at(NOON + 300), ("req-8".to_owned(), true));
}

#[test]
fn findings_were_fewer() {
    let world = World::of(&one_request());
    assert_eq!(world.findings_of(known_at(NOON + 10)), ["r1 1 UNKNOWN_BASIS - 3 standing"]);
    // No list of its node's rules has come.
    assert_eq!(world.findings_of(known_at(NOON + 60)), ["req-7 UNDETERMINED"]);
    assert_eq!(world.findings(), ["r1 1 ANNULLED_RETROACTIVELY req-7 3 gone"]);
}

#[test]
fn a_time_before_the_first_entry_is_refused_and_so_is_one_to_come() {
    let stream = one_request();
    let world = World::of(&stream);
    let ask = |at_s| {
        let request = v1::GetTargetRequest { target: "192.0.2.7".into(), as_known_at_s: at_s };
        world.query.get_target(request).unwrap_err()
    };
    let refused = ask(NOON - 1);
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("first entry of the log is of 2026-01-15T12:00:00Z"));
    assert!(ask(stream.now_s + 1).message().contains("a time to come"));
    let filter = Some(known_at(-1));
    let request = v1::ListEventsRequest { filter, ..Default::default() };
    assert!(world.query.list_events(request).unwrap_err().message().contains("as_known_at_s"));
    let empty = World::of(&Stream::new());
    let request = v1::GetTargetRequest { target: "192.0.2.7".into(), as_known_at_s: NOON };
    assert!(empty.query.get_target(request).unwrap_err().message().contains("no entry"));
}

/// Whatever came since does not change what was known.
#[test]
fn the_clock_set_back_moves_nothing_that_was_known_before() {
    let mut stream = one_request();
    let before = World::of(&stream);
    stream.wait(-3000);
    stream.hit("r1", &block(2, "ip:192.0.2.7"), 5);
    stream.publish();
    let after = World::at(&stream, stream.now_s + 5000, 1);
    for at_s in [NOON + 59, NOON + 700, NOON + 3659] {
        assert_eq!(events(&after, known_at(at_s)).0, events(&before, known_at(at_s)).0, "{at_s}");
    }
    assert_eq!(events(&after, known_at(NOON + 3660)).0.len(), 2);
}

#[test]
fn a_finding_stands_with_people_where_it_stood_then() {
    use v1::{DecisionAct, DecisionReason, FindingState};
    let mut stream = Stream::new();
    stream.enrol("r1");
    stream.install("r1", &block(1, "ip:192.0.2.7"));
    stream.publish();
    stream.wait(100);
    let subject = |world: &World| {
        let kinds = vec![v1::FindingKind::Rule.into()];
        let question = v1::ListFindingsRequest { kinds, ..v1::ListFindingsRequest::default() };
        let all = world.query.list_findings(question).unwrap().findings;
        register::cases::subject_of(&all[0])
    };
    let subject = subject(&World::of(&stream));
    stream.decide(subject, DecisionAct::Acknowledge, DecisionReason::UnderInvestigation);
    stream.publish();
    let world = World::of(&stream);
    let found = |at_s: i64, state: FindingState| {
        let question = v1::ListFindingsRequest {
            filter: Some(known_at(at_s)),
            states: vec![state.into()],
            kinds: vec![v1::FindingKind::Rule.into()],
            ..v1::ListFindingsRequest::default()
        };
        world.query.list_findings(question).unwrap().findings.len()
    };
    assert_eq!(found(NOON + 99, FindingState::Open), 1);
    assert_eq!(found(NOON + 99, FindingState::Acknowledged), 0);
    assert_eq!(found(NOON + 100, FindingState::Open), 0);
    assert_eq!(found(NOON + 100, FindingState::Acknowledged), 1);
    assert_eq!(found(0, FindingState::Acknowledged), 1);
}

#[test]
fn an_act_of_a_clock_that_is_behind_is_not_lost_behind_one_that_is_ahead() {
    use v1::{DecisionAct, DecisionReason, FindingState};
    let mut stream = Stream::new();
    stream.enrol("r1");
    stream.install("r1", &block(1, "ip:192.0.2.7"));
    stream.publish();
    let kinds = vec![v1::FindingKind::Rule.into()];
    let question = v1::ListFindingsRequest { kinds, ..v1::ListFindingsRequest::default() };
    let found = |world: &World, filter: v1::Filter| {
        let question = v1::ListFindingsRequest { filter: Some(filter), ..question.clone() };
        world.query.list_findings(question).unwrap().findings.remove(0)
    };
    let subject = register::cases::subject_of(&found(&World::of(&stream), v1::Filter::default()));
    stream.wait(500);
    stream.decide(subject.clone(), DecisionAct::Acknowledge, DecisionReason::UnderInvestigation);
    stream.wait(-400);
    stream.decide(subject, DecisionAct::Explain, DecisionReason::ThirdParty);
    stream.publish();
    let world = World::at(&stream, NOON + 1_000, usize::MAX);
    assert_eq!(found(&world, known_at(NOON + 99)).state(), FindingState::Open);
    assert_eq!(found(&world, known_at(NOON + 100)).state(), FindingState::Explained);
    assert_eq!(found(&world, known_at(NOON + 500)).state(), FindingState::Explained);
}

#[test]
fn what_was_missed_after_the_time_is_not_told_of_it() {
    let mut stream = one_request();
    let (from_s, until_s) = (NOON + 5000, NOON + 5010);
    stream.gap("r1", 4, from_s, until_s);
    stream.publish();
    let world = World::of(&stream);
    let told = |at_s| {
        let (_, answer) = target(&world, "192.0.2.7", at_s);
        let answer = answer.completeness.unwrap();
        (answer.gap_count, answer.gaps.len())
    };
    assert_eq!(told(0), (1, 1), "now");
    assert_eq!(told(NOON + 60), (0, 0));
}

/// Since a request ended nobody had heard the node: whether the rule still stood was not known, whoever came back since.
#[test]
fn a_rule_of_a_node_that_was_silent_then_is_judged_when_it_was_last_heard() {
    let mut stream = Stream::new();
    stream.enrol("r1");
    stream.declare("r1", "DE", &["acl nftables observed"]);
    stream.snapshot("r1", &[]);
    stream.request_with("req-7", "ip:192.0.2.7", |request| {
        request.task.as_mut().unwrap().effective_until_s = NOON + 1000;
    });
    stream.wait(10);
    stream.install("r1", &block(1, "ip:192.0.2.7 for req-7"));
    stream.publish();
    let at_s = NOON + 2000;
    let check = |world: &World, what: &str| {
        let (rules, answer) = target(world, "192.0.2.7", at_s);
        assert_eq!(rules, ["1 stands AUTHORISED"], "{what}");
        let answer = answer.completeness.unwrap();
        assert_eq!(answer.silences.len(), 1, "{what}: {:?}", answer.silences);
        let findings = world.findings_of(known_at(at_s));
        assert_eq!(findings, ["req-7 UNDETERMINED"], "{what}");
    };
    check(&World::at(&stream, NOON + 9_000, 1), "silent until today");
    stream.wait(5_000);
    stream.send("r1");
    stream.publish();
    check(&World::of(&stream), "heard again");
    assert_eq!(target(&World::of(&stream), "192.0.2.7", 0).0, ["1 stands EXPIRED"]);
}

#[test]
fn a_node_that_was_enrolled_later_observed_nothing_then() {
    let mut stream = Stream::new();
    stream.declare("r1", "DE", &["acl nftables observed"]);
    stream.publish_only();
    stream.wait(100);
    stream.enrol("r1");
    stream.publish();
    let world = World::of(&stream);
    let observed = |at_s| {
        let rests_on = events(&world, known_at(at_s)).1;
        (rests_on.points_observed, rests_on.points_declared)
    };
    assert_eq!(observed(NOON + 50), (0, 1));
    assert_eq!(observed(0), (1, 1));
}
