//! Answers to questions about small streams.

use remit_proto::v1::{self, TransitionKind};

use crate::assess::testing::{NOON, Stream, World, block};

pub(super) fn network() -> Stream {
    let mut stream = Stream::new();
    stream.enrol("r1");
    stream.declare("r1", "DE", &["acl nftables observed", "dpi vendor-dpi unobserved"]);
    stream.snapshot("r1", &[]);
    stream.publish();
    stream
}

fn events(world: &World, filter: v1::Filter) -> Vec<u64> {
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
    assert_eq!(stands, [("PHANTOM_RULE".to_owned(), false), ("UNREPORTED_RULE".to_owned(), false)]);
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

#[test]
fn a_preview_counts_what_would_change_and_changes_nothing() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    let rules =
        [block(1, "ip:192.0.2.7"), block(2, "ip:198.51.100.1"), block(3, "ip:198.51.100.2")];
    for rule in &rules {
        stream.install("r1", rule);
    }
    stream.publish();
    let world = World::of(&stream);
    let body = crate::assess::testing::attribution("r1", &[1, 2], "req-7");
    let statement = |body| v1::Statement {
        format: 1,
        origin: "example.net/register".into(),
        recorded_at_s: NOON,
        effective_at_s: NOON,
        author: Some(v1::PersonRef { person: "p1".into(), role: v1::Role::Operator.into() }),
        body: Some(v1::statement::Body::Attribution(body)),
        ..v1::Statement::default()
    };
    let ask = |body| {
        let statement = prost::Message::encode_to_vec(&statement(body));
        let request = v1::PreviewStatementRequest { statement, ..Default::default() };
        world.query.preview_statement(std::iter::once(request))
    };
    let rows: Vec<String> = ask(body.clone())
        .unwrap()
        .rows
        .iter()
        .map(|row| {
            let word = |code: v1::VerdictCode| code.as_str_name().replace("VERDICT_CODE_", "");
            format!("{} {} {} {}", word(row.before()), word(row.after()), row.rules, row.named)
        })
        .collect();
    let want = [
        "AUTHORISED_MISREFERENCED AUTHORISED 1 1",
        "NO_BASIS NO_BASIS 1 0",
        "NO_BASIS OUT_OF_SCOPE_TARGET 1 1",
    ];
    assert_eq!(rows, want);
    let answer = ask(body.clone()).unwrap();
    let named: Vec<_> = answer.changed.iter().map(|rule| (rule.node.as_str(), rule.rule)).collect();
    assert_eq!((named, answer.changed_count), (vec![("r1", 1), ("r1", 2)], 2));
    let first = answer.changed[0].clone();
    assert_eq!(first.target.unwrap().value, "192.0.2.7");
    assert_eq!(first.before.unwrap().code(), v1::VerdictCode::AuthorisedMisreferenced);
    assert_eq!(first.after.unwrap().clause.unwrap().request_id, "req-7");
    assert_eq!(world.rules()[1], "r1 2 NO_BASIS 0", "nothing was entered");
    let unknown = crate::assess::testing::attribution("r1", &[1], "req-9");
    let refused = ask(unknown).unwrap_err();
    assert!(refused.message().contains("attribution.claims"), "{}", refused.message());
}

#[test]
fn a_preview_comes_in_parts_and_names_the_first_rules_of_many() {
    let mut stream = network();
    let rules: Vec<_> = (1..=250).map(|n| block(n, &format!("ip:198.51.100.{n}"))).collect();
    for rule in &rules {
        stream.install("r1", rule);
    }
    stream.publish();
    let world = World::of(&stream);
    let request = |id: &str, targets: &[String]| {
        let target = |text: &String| v1::RequestTarget {
            target: Some(text.parse::<register::Target>().unwrap().to_wire()),
            ..v1::RequestTarget::default()
        };
        let request = crate::assess::testing::plain(id, targets.iter().map(target).collect());
        v1::RegisterItem { item: Some(v1::register_item::Item::Request(request)) }
    };
    let names: Vec<String> = (1..=250).map(|n| format!("ip:198.51.100.{n}")).collect();
    let items = [request("a", &names[..125]), request("b", &names[125..])];
    let import = v1::Import {
        items: Some(v1::ItemSet { count: 2, root: vec![0; 32], chunks: vec![vec![0; 32]] }),
        ..v1::Import::default()
    };
    let statement = v1::Statement {
        format: 1,
        origin: "example.net/register".into(),
        recorded_at_s: NOON,
        effective_at_s: NOON,
        author: Some(v1::PersonRef { person: "p1".into(), role: v1::Role::Operator.into() }),
        body: Some(v1::statement::Body::Import(import)),
        ..v1::Statement::default()
    };
    let statement = prost::Message::encode_to_vec(&statement);
    let part = |statement: &[u8], items: &[v1::RegisterItem]| v1::PreviewStatementRequest {
        statement: statement.to_vec(),
        items: items.to_vec(),
    };
    let ask =
        |parts: Vec<v1::PreviewStatementRequest>| world.query.preview_statement(parts.into_iter());
    let whole =
        ask(vec![part(&statement, &[]), part(&[], &items[..1]), part(&[], &items[1..])]).unwrap();
    assert_eq!((whole.changed.len(), whole.changed_count), (200, 250));
    let numbers: Vec<u64> = whole.changed.iter().map(|rule| rule.rule).collect();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());

    let cut = ask(vec![part(&statement, &items[..1])]).unwrap_err();
    assert!(cut.message().contains("announces 2 items and 1 came"), "{}", cut.message());
    let twice =
        ask(vec![part(&statement, &items[..1]), part(&statement, &items[1..])]).unwrap_err();
    assert!(twice.message().contains("only in the first message"), "{}", twice.message());
    let nothing = ask(Vec::new()).unwrap_err();
    assert!(nothing.message().contains("statement"), "{}", nothing.message());
}

/// A network whose operator has two persons, and a court that wants an area cut off until noon + 1000 s.
fn network_with_persons() -> (Stream, crate::assess::testing::Block) {
    let mut stream = network();
    stream.enrol_person("p1");
    stream.enrol_person("p2");
    stream.request_with("req-7", "cell_area:mitte", |request| {
        let task = request.task.as_mut().unwrap();
        task.measure.as_mut().unwrap().techniques = vec![v1::Technique::Disconnection.into()];
        task.effective_until_s = NOON + 1000;
    });
    stream.publish();
    (stream, block(4, "cell_area:mitte for req-7"))
}

#[test]
fn a_recorded_shutdown_stands_is_judged_and_waits_for_a_second_person() {
    let (mut stream, shutdown) = network_with_persons();
    assert_eq!(World::of(&stream).findings(), ["req-7 NOT_ENFORCED r1/dpi"]);
    stream.wait(10);
    stream.deed("r1", &shutdown, v1::ServiceAct::Recorded, NOON + 1, 0);
    stream.publish();
    let world = World::of(&stream);
    assert_eq!(world.events(), ["0 AUTHORISED AUTHORISED req-7"]);
    assert_eq!(world.rules(), ["r1 4 AUTHORISED 0"], "it stands, and the request is carried out");
    assert_eq!(world.findings(), ["r1 4 UNCONFIRMED req-7 0 standing"]);
    let added = vec![v1::AddedFinding::Unconfirmed.into()];
    let unconfirmed = || v1::Filter { added: added.clone(), ..v1::Filter::default() };
    assert_eq!(events(&world, unconfirmed()).len(), 1, "asked for by what is added");

    stream.deed("r1", &shutdown, v1::ServiceAct::Confirmed, NOON + 1, 0);
    stream.publish();
    let world = World::of(&stream);
    assert!(world.findings().is_empty(), "{:?}", world.findings());
    assert!(events(&world, unconfirmed()).is_empty());
    let rows = world.query.list_events(v1::ListEventsRequest::default()).unwrap().events;
    let [row] = &rows[..] else { panic!("a confirmation is no event: {rows:?}") };
    let second = row.as_known_now.as_ref().unwrap().confirmed.clone().unwrap();
    assert_eq!(second.by.unwrap().person, "p2");
    assert_eq!(row.as_known_then.as_ref().unwrap().confirmed, None, "not then");
    assert_eq!(row.deed.as_ref().unwrap().attestation(), v1::Attestation::ByNode);
}

#[test]
fn a_shutdown_that_outlasts_its_request_is_found_while_it_stands_and_when_it_ended() {
    let (mut stream, shutdown) = network_with_persons();
    stream.deed("r1", &shutdown, v1::ServiceAct::Recorded, NOON + 1, 0);
    stream.deed("r1", &shutdown, v1::ServiceAct::Confirmed, NOON + 1, 0);
    stream.publish();
    stream.wait(2000);
    stream.send("r1");
    stream.publish();
    let world = World::of(&stream);
    assert_eq!(world.events(), ["0 AUTHORISED AUTHORISED req-7"], "it was covered when it began");
    assert_eq!(world.rules(), ["r1 4 EXPIRED 0"]);
    // As a rule and as a duty, which are never added up.
    let late = "req-7 LATE_REMOVAL";
    assert_eq!(world.findings(), ["r1 4 EXPIRED req-7 0 standing", late]);

    stream.deed("r1", &shutdown, v1::ServiceAct::Ended, NOON + 1, NOON + 1500);
    stream.publish();
    let world = World::of(&stream);
    assert!(world.rules().is_empty());
    let told = ["0 AUTHORISED AUTHORISED req-7", "0 EXPIRED EXPIRED req-7"];
    assert_eq!(world.events(), told, "its last 500 seconds were not");
    assert_eq!(world.findings(), ["r1 4 EXPIRED req-7 0 gone", late]);
}

#[test]
fn a_shutdown_touches_whatever_it_may_hold() {
    let mut stream = network();
    stream.request("req-7", "domain_exact:a.example");
    let all = block(4, "whole_service:*");
    stream.deed("r1", &all, v1::ServiceAct::Recorded, NOON, 0);
    stream.publish();
    let world = World::of(&stream);
    let request = v1::GetTargetRequest { target: "a.example".into(), as_known_at_s: 0 };
    let answer = world.query.get_target(request).unwrap();
    assert_eq!((answer.rules.len(), answer.events.len()), (1, 1));
    assert_eq!(world.rules(), ["r1 4 OVERBROAD 0"]);
}

fn covered(stream: &mut Stream) {
    stream.request("req-7", "domain_exact:a.example");
}

/// A resolver in AS64500 with a rule for a name that a request asks for, and a node that imports probes.
pub(super) fn network_with_probes(id: &str, enter: impl FnOnce(&mut Stream)) -> Stream {
    let mut stream = Stream::new();
    stream.asn = 64_500;
    stream.enrol("r1");
    stream.declare("r1", "DE", &["rpz unbound_rpz observed"]);
    stream.asn = 0;
    stream.enrol("probe-1");
    enter(&mut stream);
    stream.install("r1", &block(1, &format!("domain_exact:a.example for {id}")));
    stream.publish();
    stream.wait(60);
    stream
}

#[test]
fn a_probe_that_reaches_what_is_installed_shows_the_request_to_be_ineffective() {
    use v1::ProbeResult::{Blocked, Inconclusive, Reached};
    let found = |seen: &[(v1::ProbeResult, u32, &str)]| {
        let mut stream = network_with_probes("req-7", covered);
        for (result, asn, url) in seen {
            stream.probe("probe-1", url, *result, *asn);
            stream.wait(1);
        }
        stream.publish();
        World::of(&stream).findings()
    };
    let page = "https://a.example/page";
    let ineffective = ["req-7 INEFFECTIVE"];
    assert_eq!(found(&[(Reached, 64_500, page)]), ineffective);
    assert_eq!(found(&[(Reached, 64_500, page), (Inconclusive, 64_500, page)]), ineffective);
    assert_eq!(found(&[(Blocked, 64_500, page), (Reached, 64_500, page)]), ineffective);
    for nothing in [
        (Reached, 64_501, page),
        (Reached, 0, page),
        (Blocked, 64_500, page),
        (Inconclusive, 64_500, page),
        (Reached, 64_500, "https://other.example/"),
    ] {
        assert!(found(&[nothing]).is_empty(), "{nothing:?}");
    }
    // The newest word of a network about a page speaks.
    assert!(found(&[(Reached, 64_500, page), (Blocked, 64_500, page)]).is_empty());
}

#[test]
fn what_was_seen_from_outside_stands_in_the_answer_about_its_target() {
    let mut stream = network_with_probes("req-7", covered);
    stream.probe("probe-1", "https://a.example/page", v1::ProbeResult::Blocked, 64_500);
    stream.wait(1);
    stream.probe("probe-1", "https://a.example/", v1::ProbeResult::Reached, 64_999);
    stream.probe("probe-1", "https://b.example/", v1::ProbeResult::Reached, 64_500);
    stream.publish();
    let world = World::of(&stream);
    let request = v1::GetTargetRequest { target: "a.example".into(), as_known_at_s: 0 };
    let probes = world.query.get_target(request).unwrap().probes;
    let told: Vec<_> = probes.iter().map(|p| (p.result(), p.asn, p.own_network)).collect();
    let (reached, blocked) = (v1::ProbeResult::Reached, v1::ProbeResult::Blocked);
    assert_eq!(told, [(reached, 64_999, false), (blocked, 64_500, true)]);
    assert!(world.events().is_empty(), "a probe is no event");
    let duties = vec![v1::DutyCode::Ineffective.into()];
    assert!(world.findings_of(v1::Filter { duties, ..v1::Filter::default() }).is_empty());
}
