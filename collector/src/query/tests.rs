//! Answers to questions about small streams.

use remit_proto::v1::{self, TransitionKind, VerdictCode};

use crate::assess::testing::{NOON, Stream, World, block};

pub(super) fn network() -> Stream {
    let mut stream = Stream::new();
    stream.enrol("r1");
    stream.declare("r1", "DE", &["acl nftables observed", "dpi vendor-dpi unobserved"]);
    stream.snapshot("r1", &[]);
    stream.publish();
    stream
}

pub(super) fn events(world: &World, filter: v1::Filter) -> Vec<u64> {
    let request =
        v1::ListEventsRequest { filter: Some(filter), ..v1::ListEventsRequest::default() };
    world.query.list_events(request).unwrap().events.iter().map(|event| event.hits).collect()
}

#[test]
fn an_uncovered_rule_is_a_finding_before_anybody_hit_it() {
    let mut stream = network();
    stream.install("r1", &block(1, "ip:192.0.2.7"));
    stream.publish();
    let world = World::of(&stream);
    assert_eq!(world.rules(), ["r1 1 NO_BASIS 0"]);
    assert_eq!(world.findings(), ["r1 1 NO_BASIS - 0 standing"]);
}

#[test]
fn a_code_is_found_where_it_stands_besides() {
    let mut stream = network();
    stream.request_with("req-7", "ip:192.0.2.7", |request| {
        let scope = v1::Scope { territories: vec!["FR".into()], ..v1::Scope::default() };
        request.task.as_mut().unwrap().scope = Some(scope);
    });
    let wide = block(1, "cidr:192.0.2.0/23 for req-7");
    stream.install("r1", &wide);
    stream.hit("r1", &wide, 1);
    stream.publish();
    stream.wait(5);
    stream.declare("r1", "FR", &["acl nftables observed"]);
    stream.hit("r1", &wide, 2);
    stream.publish();
    let check = |world: &World, code: VerdictCode, hits: &[u64], findings: &[&str]| {
        let filter = || v1::Filter { verdicts: vec![code.into()], ..v1::Filter::default() };
        assert_eq!(events(world, filter()), hits, "{code:?}");
        assert_eq!(world.findings_of(filter()), findings, "{code:?}");
    };
    let world = World::of(&stream);
    check(&world, VerdictCode::Overbroad, &[2, 1], &["r1 1 OVERBROAD req-7 3 standing"]);
    // As the rule stands now, in France, it is too wide and nothing else.
    check(&world, VerdictCode::WrongPlace, &[1], &["r1 1 OVERBROAD req-7 1 standing"]);
    check(&world, VerdictCode::WrongMethod, &[], &[]);
}

#[test]
fn a_rule_and_its_hits_are_one_finding() {
    let mut stream = network();
    let rule = block(1, "ip:192.0.2.7");
    stream.install("r1", &rule);
    stream.hit("r1", &rule, 3);
    stream.publish();
    stream.wait(5);
    stream.hit("r1", &rule, 4);
    stream.publish();
    let world = World::of(&stream);
    assert_eq!(world.rules(), ["r1 1 NO_BASIS 7"]);
    assert_eq!(world.findings(), ["r1 1 NO_BASIS - 7 standing"]);
    // Gone, it stays a finding: it did what it did.
    stream.remove("r1", &rule);
    stream.publish();
    let world = World::of(&stream);
    assert!(world.rules().is_empty());
    assert_eq!(world.findings(), ["r1 1 NO_BASIS - 7 gone"]);
}

#[test]
fn a_rule_that_was_put_back_begins_to_count_anew() {
    let mut stream = network();
    let rule = block(1, "ip:192.0.2.7");
    stream.install("r1", &rule);
    stream.hit("r1", &rule, 3);
    stream.publish();
    stream.wait(5);
    stream.remove("r1", &rule);
    stream.publish();
    stream.wait(5);
    stream.install("r1", &rule);
    stream.publish();
    let since = |world: &World| {
        let rules = world.query.list_rules(v1::ListRulesRequest::default()).unwrap().rules;
        (rules[0].installed_at_s - NOON, rules[0].hits, rules[0].last_hit_s)
    };
    assert_eq!(since(&World::of(&stream)), (10, 0, 0), "its hits were before");
    stream.hit("r1", &rule, 2);
    stream.publish();
    let world = World::of(&stream);
    assert_eq!(since(&world), (10, 2, NOON + 10));
    assert_eq!(world.findings(), ["r1 1 NO_BASIS - 5 standing"], "a finding counts all");
}

#[test]
fn what_a_rule_did_before_it_was_corrected_is_not_what_it_does() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    let wrong = block(1, "ip:192.0.2.7 for req-8");
    stream.install("r1", &wrong);
    stream.hit("r1", &wrong, 3);
    stream.publish();
    let d = v1::Filter::default;
    assert_eq!(World::of(&stream).rules(), ["r1 1 AUTHORISED_MISREFERENCED 3"]);
    stream.wait(5);
    let right = block(1, "ip:192.0.2.7 for req-7");
    stream.modify("r1", &right);
    stream.publish();
    let world = World::of(&stream);
    assert_eq!(world.rules(), ["r1 1 AUTHORISED 0"], "in this form it did nothing yet");
    let found = ["r1 1 AUTHORISED_MISREFERENCED req-7 3 now AUTHORISED"];
    assert_eq!(world.findings(), found);
    let verdicts = vec![v1::VerdictCode::AuthorisedMisreferenced.into()];
    assert_eq!(world.findings_of(v1::Filter { verdicts, ..d() }), found, "asked for by code");
    // Told late, because their window was open when the rule was corrected.
    stream.now_s -= 3;
    stream.hit("r1", &wrong, 4);
    stream.now_s += 3;
    stream.publish();
    let world = World::of(&stream);
    assert_eq!(world.rules(), ["r1 1 AUTHORISED 0"]);
    assert_eq!(world.findings(), ["r1 1 AUTHORISED_MISREFERENCED req-7 7 now AUTHORISED"]);
}

#[test]
fn every_code_that_is_shown_can_be_asked_for() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    stream.request_with("req-8", "ip:192.0.2.8", |request| {
        request.task.as_mut().unwrap().scope = None
    });
    let rule = block(1, "ip:192.0.2.8 for req-8");
    stream.install("r1", &rule);
    for hits in 1..=3 {
        stream.hit("r1", &rule, hits);
    }
    stream.hit("r1", &block(2, "ip:192.0.2.9"), 9);
    stream.publish();
    let world = World::of(&stream);
    let d = v1::Filter::default;
    let not_enforced = v1::Filter { duties: vec![v1::DutyCode::NotEnforced.into()], ..d() };
    assert_eq!(world.findings_of(not_enforced.clone()), ["req-7 NOT_ENFORCED r1/dpi"]);
    assert!(events(&world, not_enforced).is_empty(), "no event is a duty");
    let reason =
        |reason: v1::UndeterminedReason| v1::Filter { undetermined: vec![reason.into()], ..d() };
    let scope = reason(v1::UndeterminedReason::Scope);
    assert_eq!(events(&world, scope.clone()), [3, 2, 1]);
    assert_eq!(world.findings_of(scope), ["r1 1 UNDETERMINED req-8 6 standing"]);
    assert!(events(&world, reason(v1::UndeterminedReason::Gap)).is_empty());
    let third = vec![v1::AddedFinding::ThirdPartyAction.into()];
    assert!(events(&world, v1::Filter { added: third, ..d() }).is_empty());
}

#[test]
fn what_nobody_knows_is_refused_and_the_known_ones_are_named() {
    let mut stream = network();
    stream.install("r1", &block(1, "ip:192.0.2.7"));
    stream.publish();
    let world = World::of(&stream);
    let filter = || Some(v1::Filter { nodes: vec!["r2".into()], ..v1::Filter::default() });
    let (query, d) = (&world.query, || (0, String::new()));
    let (page_size, page_token) = d();
    let events =
        query.list_events(v1::ListEventsRequest { filter: filter(), page_size, page_token });
    let (page_size, page_token) = d();
    let rules = query.list_rules(v1::ListRulesRequest { filter: filter(), page_size, page_token });
    let (page_size, page_token) = d();
    let findings = query.list_findings(v1::ListFindingsRequest {
        filter: filter(),
        page_size,
        page_token,
        ..v1::ListFindingsRequest::default()
    });
    for refused in [events.unwrap_err(), rules.unwrap_err(), findings.unwrap_err()] {
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        assert!(
            refused.message().contains("no node \"r2\" is known; known: r1 ("),
            "{}",
            refused.message()
        );
    }
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    let query = &World::of(&stream).query;
    let authorities = vec!["cuort".into()];
    let filter = Some(v1::Filter { authorities, ..v1::Filter::default() });
    let (page_size, page_token) = d();
    let findings = query.list_findings(v1::ListFindingsRequest {
        filter,
        page_size,
        page_token,
        ..v1::ListFindingsRequest::default()
    });
    let request =
        v1::ListRequestsRequest { authority: "cuort".into(), ..v1::ListRequestsRequest::default() };
    let requests = query.list_requests(request);
    for refused in [findings.unwrap_err(), requests.unwrap_err()] {
        assert!(refused.message().contains("no authority \"cuort\" is known; known: court ("));
    }
}

#[test]
fn what_is_covered_or_an_own_measure_is_no_finding() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    stream.request_with("spam", "domain_exact:spam.example", |request| {
        let deed = request.authorisation.as_mut().unwrap();
        deed.instrument = v1::Instrument::TosMeasure.into();
    });
    stream.install("r1", &block(1, "ip:192.0.2.7 for req-7"));
    stream.install("r1", &block(2, "domain_exact:spam.example for spam"));
    stream.publish();
    let world = World::of(&stream);
    assert_eq!(world.rules(), ["r1 1 AUTHORISED 0", "r1 2 TOS_MEASURE 0"]);
    assert!(world.findings().is_empty(), "{:?}", world.findings());
}

#[test]
fn a_standing_rule_turns_when_its_request_ends() {
    let mut stream = network();
    stream.request_with("req-7", "ip:192.0.2.7", |r| {
        r.task.as_mut().unwrap().effective_until_s = NOON + 60;
    });
    stream.publish();
    stream.install("r1", &block(1, "ip:192.0.2.7 for req-7"));
    stream.publish();
    assert_eq!(World::of(&stream).rules(), ["r1 1 AUTHORISED 0"]);
    stream.wait(60);
    stream.send("r1");
    stream.publish();
    let world = World::of(&stream);
    assert_eq!(world.rules(), ["r1 1 EXPIRED 0"], "no leaf but a seal has said anything");
    assert_eq!(world.findings(), ["r1 1 EXPIRED req-7 0 standing"]);
}

#[test]
fn a_request_that_is_installed_nowhere_names_where_nobody_looks() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    let world = World::of(&stream);
    assert_eq!(world.findings(), ["req-7 NOT_ENFORCED r1/dpi"]);
    let request = v1::GetRequestRequest { id: "req-7".into() };
    let answer = world.query.get_request(request).unwrap();
    assert_eq!(answer.versions.len(), 1);
    assert_eq!(
        (answer.versions[0].state.as_str(), answer.versions[0].author.as_str()),
        ("active", "p1")
    );
    let duties = answer.findings.iter().filter(|row| row.kind() == v1::FindingKind::Duty);
    assert_eq!(duties.count(), 1);
    stream.install("r1", &block(1, "ip:192.0.2.7 for req-7"));
    stream.publish();
    assert!(World::of(&stream).findings().is_empty());
}

#[test]
fn a_snapshot_is_the_truth_about_its_source() {
    let mut stream = network();
    let (one, two) = (block(1, "ip:192.0.2.1"), block(2, "ip:192.0.2.2"));
    stream.install("r1", &one);
    stream.publish();
    stream.snapshot("r1", &[&two]);
    stream.publish();
    assert_eq!(World::of(&stream).rules(), ["r1 2 NO_BASIS 0"]);
    // A new generation numbers anew; until its first snapshot the old picture stands.
    stream.generation("r1", 2);
    stream.publish();
    assert_eq!(World::of(&stream).rules(), ["r1 2 NO_BASIS 0"]);
    stream.snapshot("r1", &[&one, &two]);
    stream.publish();
    assert_eq!(World::of(&stream).rules(), ["r1 1 NO_BASIS 0", "r1 2 NO_BASIS 0"]);
}

#[test]
fn filters_take_what_they_say() {
    let mut stream = network();
    stream.declare("r9", "DE", &["acl nftables observed"]);
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    stream.hit("r1", &block(1, "ip:192.0.2.7 for req-7"), 1);
    stream.wait(10);
    stream.hit("r1", &block(2, "cidr:192.0.2.0/24"), 2);
    stream.wait(10);
    stream.hit("r1", &block(3, "domain_subtree:example.org for gone"), 4);
    stream.publish();
    let world = World::of(&stream);
    let d = v1::Filter::default;
    assert_eq!(events(&world, d()), [4, 2, 1], "newest first");
    assert_eq!(events(&world, v1::Filter { since_s: NOON + 10, ..d() }), [4, 2]);
    assert_eq!(
        events(&world, v1::Filter { since_s: NOON, until_s: NOON + 10, ..d() }),
        [1],
        "half-open"
    );
    assert_eq!(events(&world, v1::Filter { nodes: vec!["r1".into()], ..d() }), [4, 2, 1]);
    assert!(events(&world, v1::Filter { nodes: vec!["r9".into()], ..d() }).is_empty());
    assert_eq!(events(&world, v1::Filter { target: "192.0.2.7".into(), ..d() }), [2, 1]);
    assert_eq!(events(&world, v1::Filter { target: "www.example.org".into(), ..d() }), [4]);
    let dns = vec![v1::Technique::DnsNxdomain.into()];
    assert_eq!(events(&world, v1::Filter { techniques: dns, ..d() }), [4]);
    assert_eq!(events(&world, v1::Filter { requests: vec!["gone".into()], ..d() }), [4], "claimed");
    assert_eq!(
        events(&world, v1::Filter { requests: vec!["req-7".into()], ..d() }),
        [2, 1],
        "claimed, and speaking of a wider block"
    );
    assert_eq!(events(&world, v1::Filter { authorities: vec!["court".into()], ..d() }), [2, 1]);
    let overbroad = vec![v1::VerdictCode::Overbroad.into()];
    assert_eq!(events(&world, v1::Filter { verdicts: overbroad, ..d() }), [2]);
}

#[test]
fn pages_of_events_together_are_all_events() {
    let mut stream = network();
    for hits in 1..=25 {
        stream.wait(hits % 2);
        stream.hit("r1", &block(1, "ip:192.0.2.7"), hits.cast_unsigned());
    }
    stream.publish();
    let world = World::of(&stream);
    let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let request = v1::ListEventsRequest {
            filter: None,
            page_size: 10,
            page_token: std::mem::take(&mut token),
        };
        let answer = world.query.list_events(request).unwrap();
        seen.extend(answer.events.iter().map(|event| event.hits));
        pages += 1;
        if answer.next_page_token.is_empty() {
            break;
        }
        token = answer.next_page_token;
    }
    assert_eq!(pages, 3);
    assert_eq!(seen, (1..=25).rev().collect::<Vec<u64>>());
}

#[test]
fn a_token_of_another_question_is_refused_by_its_field() {
    use tonic_types::StatusExt;
    let mut stream = network();
    stream.hit("r1", &block(1, "ip:192.0.2.7"), 1);
    stream.hit("r1", &block(1, "ip:192.0.2.7"), 2);
    stream.publish();
    let world = World::of(&stream);
    let first = v1::ListEventsRequest { page_size: 1, ..v1::ListEventsRequest::default() };
    let token = world.query.list_events(first).unwrap().next_page_token;
    assert!(!token.is_empty());
    let other = v1::ListRulesRequest { page_token: token, ..v1::ListRulesRequest::default() };
    let status = world.query.list_rules(other).unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.reason, "PAGE_TOKEN_INVALID");
    assert_eq!(info.metadata.get("field").unwrap(), "page_token");
}

#[test]
fn a_gap_shows_where_it_overlaps_the_question() {
    let mut stream = network();
    stream.declare("r2", "DE", &["acl nftables observed"]);
    stream.wait(100);
    stream.gap("r1", 4, NOON, NOON + 50);
    stream.publish();
    let world = World::of(&stream);
    let all = world.completeness(v1::Filter::default());
    assert_eq!((all.gaps.len(), all.lost, all.gaps[0].count), (1, 4, 4));
    let later = world.completeness(v1::Filter { since_s: NOON + 200, ..v1::Filter::default() });
    assert_eq!((later.gaps.len(), later.lost), (0, 0));
    let elsewhere =
        world.completeness(v1::Filter { nodes: vec!["r2".into()], ..v1::Filter::default() });
    assert_eq!((elsewhere.gaps.len(), elsewhere.lost), (0, 0));
}

#[test]
fn a_quiet_node_and_a_dead_one_look_different() {
    let stream = network();
    let quiet = World::at(&stream, stream.now_s + 90, usize::MAX);
    assert!(quiet.completeness(v1::Filter::default()).silent_nodes.is_empty());
    let dead = World::at(&stream, stream.now_s + 91, usize::MAX);
    assert_eq!(dead.completeness(v1::Filter::default()).silent_nodes, ["r1"]);
    let before = v1::Filter { until_s: stream.now_s, ..v1::Filter::default() };
    assert!(dead.completeness(before).silent_nodes.is_empty(), "the silence began after");
    let nodes = dead.query.list_nodes(v1::ListNodesRequest::default()).unwrap().nodes;
    assert!(nodes[0].silent && !nodes[0].stopped_cleanly);
}

#[test]
fn a_past_outage_shows_in_the_period_that_it_touches() {
    let mut stream = network();
    stream.enrol("r2");
    stream.wait(600);
    stream.send("r1");
    stream.publish();
    stream.wait(60);
    stream.send("r1");
    stream.publish();
    let world = World::of(&stream);
    let asked = |since_s, until_s| {
        let filter = v1::Filter { since_s, until_s, ..v1::Filter::default() };
        let answer = world.completeness(filter);
        let told = |s: &v1::SilenceRow| (s.from_s - NOON, s.until_s - NOON, s.announced, s.open);
        let silences: Vec<_> = answer.silences.iter().map(told).collect();
        assert_eq!(answer.silence_count, silences.len() as u64);
        (silences, answer.points_observed)
    };
    let outage = vec![(0, 600, false, false)];
    assert_eq!(asked(0, 0), (outage.clone(), 1));
    assert_eq!(asked(NOON + 599, 0), (outage.clone(), 1));
    assert_eq!(asked(NOON + 601, 0), (vec![], 1));
    // Of a span that lies in it wholly nobody has seen anything.
    assert_eq!(asked(NOON + 100, NOON + 200), (outage, 0));
    let elsewhere = v1::Filter { nodes: vec!["r2".into()], ..v1::Filter::default() };
    assert_eq!(world.completeness(elsewhere).silence_count, 0);
}

#[test]
fn a_node_that_stopped_does_not_observe_from_then_on() {
    let mut stream = network();
    stream.wait(10);
    stream.stopping = true;
    stream.send("r1");
    stream.publish();
    let world = World::at(&stream, stream.now_s + 20, usize::MAX);
    let answer = world.completeness(v1::Filter::default());
    let told = |s: &v1::SilenceRow| (s.from_s - NOON, s.announced, s.open);
    assert_eq!(answer.silences.iter().map(told).collect::<Vec<_>>(), [(10, true, true)]);
    assert_eq!(answer.points_observed, 1);
    let since = v1::Filter { since_s: NOON + 15, ..v1::Filter::default() };
    assert_eq!(world.completeness(since).points_observed, 0);
}

#[test]
fn a_node_says_itself_how_often_it_seals() {
    let mut stream = Stream::new();
    stream.seal_interval_s = 600;
    stream.enrol("r1");
    stream.publish();
    let quiet = World::at(&stream, stream.now_s + 1800, usize::MAX);
    let answer = quiet.completeness(v1::Filter::default());
    assert_eq!((answer.silent_nodes.len(), answer.silence_count), (0, 0));
    let dead = World::at(&stream, stream.now_s + 1801, usize::MAX);
    let answer = dead.completeness(v1::Filter::default());
    assert_eq!((answer.silent_nodes.len(), answer.silence_count), (1, 1));
}

#[test]
fn points_count_as_observed_when_an_agent_says_that_it_looks() {
    let mut stream = Stream::new();
    stream.declare("r1", "DE", &["acl nftables observed", "dpi vendor-dpi unobserved"]);
    stream.declare("r9", "DE", &["acl nftables observed"]);
    let counts = |stream: &Stream| {
        let answer = World::of(stream).completeness(v1::Filter::default());
        (answer.points_declared, answer.points_observed, answer.unobserved_points)
    };
    let all = vec!["r1/acl".to_owned(), "r1/dpi".to_owned(), "r9/acl".to_owned()];
    assert_eq!(counts(&stream), (3, 0, all));
    stream.enrol("r1");
    stream.enrol("r5");
    stream.publish();
    assert_eq!(counts(&stream), (3, 1, vec!["r1/dpi".to_owned(), "r9/acl".to_owned()]));
    let answer = World::of(&stream).completeness(v1::Filter::default());
    assert_eq!(answer.undeclared_nodes, ["r5"]);
    assert_eq!((answer.log_size, answer.witnesses), (6, 0));
    let points =
        World::of(&stream).query.list_points(v1::ListPointsRequest::default()).unwrap().points;
    let reporting: Vec<bool> = points.iter().map(|point| point.reporting).collect();
    assert_eq!(reporting, [true, false, false]);
}

#[test]
fn requests_are_listed_with_where_they_stand() {
    let mut stream = network();
    stream.request("req-7", "domain_subtree:example.org");
    stream.request_with("req-8", "ip:192.0.2.7", |r| {
        r.task.as_mut().unwrap().effective_from_s = NOON + 1000;
    });
    stream.transition("req-7", TransitionKind::Suspend, NOON);
    stream.publish();
    let world = World::of(&stream);
    let ask = |request: v1::ListRequestsRequest| -> Vec<(String, String)> {
        let answer = world.query.list_requests(request).unwrap();
        let row = |row: v1::RequestRow| (row.request.unwrap().id, row.state);
        answer.requests.into_iter().map(row).collect()
    };
    let d = v1::ListRequestsRequest::default;
    let pair = |id: &str, state: &str| (id.to_owned(), state.to_owned());
    assert_eq!(ask(d()), [pair("req-7", "suspended"), pair("req-8", "scheduled")]);
    let in_force = v1::ListRequestsRequest { in_force_at_s: NOON - 1, ..d() };
    assert_eq!(ask(in_force), [pair("req-7", "suspended")]);
    let covering = v1::ListRequestsRequest { target: "www.example.org".into(), ..d() };
    assert_eq!(ask(covering), [pair("req-7", "suspended")]);
    let missing = world.query.get_request(v1::GetRequestRequest { id: "req-0".into() });
    assert_eq!(missing.unwrap_err().code(), tonic::Code::NotFound);
}

#[test]
fn a_reader_waits_for_the_replay() {
    let stream = network();
    let world = World::of(&stream);
    let World { folder, assessor, query } = world;
    drop((assessor, query));
    let (mut assessor, query) = crate::assess::Assessor::open(
        folder.path(),
        crate::assess::testing::operator(),
        std::sync::Arc::clone(&stream.chunks) as _,
    )
    .unwrap();
    let starting = query.list_rules(v1::ListRulesRequest::default()).unwrap_err();
    assert_eq!(starting.code(), tonic::Code::Unavailable);
    assessor.apply(stream.committed.clone()).unwrap();
    assert!(query.list_rules(v1::ListRulesRequest::default()).is_ok());
}

/// An export waits for it: a verifier would find verdicts of before.
#[test]
fn lines_for_the_export_say_whether_events_are_still_judged_again() {
    let mut stream = network();
    let rule = block(1, "ip:192.0.2.7");
    stream.install("r1", &rule);
    // More than are judged again at once.
    (0..crate::assess::AT_ONCE).for_each(|_| stream.hit("r1", &rule, 1));
    stream.publish();
    let mut world = World::of(&stream);
    let known = stream.committed.len();
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    world.assessor.apply(stream.committed[known..].to_vec()).unwrap();
    assert_eq!(world.query.verdict_lines().unwrap().unfinished, 1);
    world.assessor.finish_work().unwrap();
    assert_eq!(world.query.verdict_lines().unwrap().unfinished, 0);
}

#[test]
fn every_event_has_a_line_for_the_export() {
    let mut stream = network();
    let rule = block(1, "ip:192.0.2.7");
    stream.install("r1", &rule);
    stream.hit("r1", &rule, 1);
    stream.remove("r1", &rule);
    stream.publish();
    let told = World::of(&stream).query.verdict_lines().unwrap();
    let lines = told.lines;
    assert_eq!(lines.lines().count(), 3);
    let wanted = "{\"event\":\"r1/0000000000000001/4\",\"now\":{\"code\":\"NO_BASIS\",\"request\":\"\"},\
                  \"then\":{\"code\":\"NO_BASIS\",\"request\":\"\"}}";
    assert_eq!(lines.lines().next(), Some(wanted));
}

#[test]
fn a_finding_is_as_old_as_what_is_wrong_and_not_as_its_rule() {
    let seen = |stream: &Stream| {
        let kinds = vec![v1::FindingKind::Rule.into()];
        let request = v1::ListFindingsRequest { kinds, ..v1::ListFindingsRequest::default() };
        let found = World::of(stream).query.list_findings(request).unwrap().findings;
        let [row] = &found[..] else { panic!("{found:?}") };
        (row.code.clone(), row.first_seen_s - NOON, row.last_seen_s - NOON)
    };
    let mut stream = network();
    stream.request_with("req-7", "ip:192.0.2.7", |request| {
        request.task.as_mut().unwrap().effective_until_s = NOON + 5_000;
    });
    stream.install("r1", &block(1, "ip:192.0.2.7 for req-7"));
    stream.publish();
    stream.wait(6_000);
    stream.send("r1");
    stream.publish();
    assert_eq!(seen(&stream), ("EXPIRED".to_owned(), 5_000, 6_000), "it stood covered before");

    // Nobody saw it installed, and it is hit much later.
    let mut stream = network();
    let bare = block(2, "ip:192.0.2.9");
    stream.wait(10);
    stream.snapshot("r1", &[&bare]);
    stream.publish();
    stream.wait(6_000);
    stream.hit("r1", &bare, 1);
    stream.publish();
    assert_eq!(seen(&stream), ("NO_BASIS".to_owned(), 10, 6_010), "as long as it stands");
}

/// One rule was left open for two reasons, and the newer one is another than is asked for.
#[test]
fn findings_are_found_by_each_reason_that_left_them_open() {
    use v1::UndeterminedReason::{Boundary, Gap};
    let mut stream = network();
    let rule = block(1, "ip:192.0.2.7 for req-7");
    stream.request("req-7", "ip:192.0.2.7");
    stream.transition("req-7", v1::TransitionKind::Suspend, NOON + 30);
    stream.transition("req-7", v1::TransitionKind::Resume, NOON + 930);
    stream.wait(60);
    stream.hits_between("r1", &rule, NOON, NOON + 60);
    stream.gap("r1", 5, NOON + 20, NOON + 40);
    stream.publish();
    // It is heard all the time.
    for _ in 0..15 {
        stream.wait(60);
        stream.send("r1");
    }
    stream.hits_between("r1", &rule, NOON + 900, NOON + 960);
    stream.publish();
    let world = World::of(&stream);
    let found = |reason: v1::UndeterminedReason| {
        let filter = v1::Filter { undetermined: vec![reason.into()], ..v1::Filter::default() };
        let kinds = vec![v1::FindingKind::Rule.into()];
        let request = v1::ListFindingsRequest { filter: Some(filter), kinds, ..Default::default() };
        let found = world.query.list_findings(request).unwrap().findings;
        found.iter().map(|row| row.last_seen_s - NOON).collect::<Vec<_>>()
    };
    assert_eq!((found(Gap), found(Boundary)), (vec![60], vec![960]));
}
