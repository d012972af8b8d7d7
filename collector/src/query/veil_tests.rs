//! What a reader without clearance learns of what is hidden: nothing, whatever is asked.

use std::fmt::Debug;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use prost::Message;
use remit_proto::v1::{self, DisclosureTier, FindingKind, RequestPart};
use tonic::Status;

use super::{QueryHandle, probes_tests::network_with_probes, tests::network};
use crate::assess::testing::{NOON, Stream, World, block, operator};

/// Words that stand in secret parts only.
const HIDDEN: [&str; 4] = ["unseen-9", "ministry", "agency", "hush"];

/// "req-7" is public, the targets and the authority of "req-8" are secret, and so is that "unseen-9" exists,
/// with its list "hush". Who wrote "req-7" named both.
fn secrets() -> Stream {
    let mut stream = network();
    stream.request_with("req-7", "ip:192.0.2.7", |request| {
        let deed = request.authorisation.as_mut().unwrap();
        deed.statement_of_reasons = "Goes back to unseen-9.".into();
        deed.keywords = vec!["(hush)".into()];
        request.task.as_mut().unwrap().lists =
            vec![v1::ListClaim { list_id: "hush".into(), version: "v1".into() }];
        request.decision = Some(v1::OperatorDecision {
            kind: v1::DecisionKind::Accept.into(),
            text: "like unseen-9/2".into(),
            escalation: "as list:hush@v1 was".into(),
            ..v1::OperatorDecision::default()
        });
    });
    let parts = [RequestPart::Targets, RequestPart::Authority];
    stream.request_closed("req-8", "agency", "ip:192.0.2.8", &parts);
    stream.secret_request("unseen-9", "ministry", "ip:192.0.2.9", "hush");
    stream.request("req-6", "ip:192.0.2.9");
    stream.request("req-5", "ip:192.0.2.5");
    stream.publish();
    let rules = [
        "ip:192.0.2.7 for unseen-9",
        "ip:192.0.2.9 for unseen-9",
        "ip:192.0.2.10 for unseen-9",
        "ip:192.0.2.6 for req-7",
        "cidr:192.0.2.0/29",
    ];
    for (number, rule) in (1..).zip(rules) {
        let rule = block(number, rule);
        stream.install("r1", &rule);
        stream.hit("r1", &rule, number);
    }
    stream.publish();
    stream
}

fn reader(world: &World) -> QueryHandle {
    world.query.seen_by(DisclosureTier::Restricted)
}

/// Everything that a list says in pages of one, and what its tokens are made of.
fn pages<A: Debug>(
    ask: impl Fn(String) -> Result<A, Status>,
    next: impl Fn(&A) -> String,
) -> String {
    let (mut told, mut token) = (String::new(), String::new());
    loop {
        let answer = ask(token).unwrap();
        token = next(&answer);
        told.push_str(&format!("{answer:?}\n"));
        if token.is_empty() {
            return told;
        }
        let inside = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
        told.push_str(&String::from_utf8_lossy(&inside));
    }
}

/// Every answer to a reader who asks by these filters, and for each of these targets.
fn everything(query: &QueryHandle, filter: &v1::Filter, targets: &[&str]) -> String {
    let page_size = 1;
    let filter = || Some(filter.clone());
    let mut told = pages(
        |page_token| {
            query.list_events(v1::ListEventsRequest { filter: filter(), page_size, page_token })
        },
        |answer| answer.next_page_token.clone(),
    );
    told += &pages(
        |page_token| {
            query.list_rules(v1::ListRulesRequest { filter: filter(), page_size, page_token })
        },
        |answer| answer.next_page_token.clone(),
    );
    told += &pages(
        |page_token| {
            let rest = v1::ListFindingsRequest::default();
            let filter = filter();
            query.list_findings(v1::ListFindingsRequest { filter, page_size, page_token, ..rest })
        },
        |answer| answer.next_page_token.clone(),
    );
    for target in std::iter::once(&"").chain(targets) {
        told += &pages(
            |page_token| {
                let rest = v1::ListRequestsRequest::default();
                let target = (*target).to_owned();
                query.list_requests(v1::ListRequestsRequest {
                    target,
                    page_size,
                    page_token,
                    ..rest
                })
            },
            |answer| answer.next_page_token.clone(),
        );
    }
    for target in targets {
        let question = v1::GetTargetRequest { target: (*target).into(), as_known_at_s: 0 };
        told += &format!("{:?}\n", query.get_target(question).unwrap());
    }
    for id in ["req-5", "req-6", "req-7", "req-8"] {
        let question = v1::GetRequestRequest { id: id.into() };
        told += &format!("{:?}\n", query.get_request(question).unwrap());
        told += &pages(
            |page_token| {
                let request_id = id.to_owned();
                let (version, page_size) = (1, 1);
                query.list_targets(v1::ListTargetsRequest {
                    request_id,
                    version,
                    page_size,
                    page_token,
                })
            },
            |answer| answer.next_page_token.clone(),
        );
    }
    told + &query.verdict_lines().unwrap().lines
}

fn requests(ids: &[&str]) -> v1::Filter {
    v1::Filter { requests: ids.iter().map(ToString::to_string).collect(), ..v1::Filter::default() }
}

#[test]
fn no_answer_and_no_token_has_a_word_of_it() {
    let world = World::of(&secrets());
    let targets = ["192.0.2.7", "192.0.2.8", "192.0.2.9", "192.0.2.0/24"];
    let all = everything(&world.query, &v1::Filter::default(), &targets);
    let seen = everything(&reader(&world), &v1::Filter::default(), &targets);
    for word in HIDDEN {
        assert!(all.contains(word), "{word}: the operator sees it");
        let at = seen.find(word).map(|at| &seen[at.saturating_sub(300)..at + 40]);
        assert_eq!(at, None, "{word}");
    }
    let told = seen.contains("veiled_requests: 2") && seen.contains("hidden_requests: 1");
    assert!(told, "that there are such requests is told");
    // A handle whose reader is not known sees what is public.
    let nobody = world.query.seen_by(DisclosureTier::Unspecified);
    assert_eq!(everything(&nobody, &v1::Filter::default(), &targets), seen);
}

#[test]
fn a_filter_by_a_hidden_request_finds_what_a_filter_by_none_finds() {
    let world = World::of(&secrets());
    let reader = reader(&world);
    let by_it = everything(&reader, &requests(&["unseen-9"]), &[]);
    assert_eq!(
        by_it,
        everything(&reader, &requests(&["unknown-9"]), &[]).replace("unknown", "unseen")
    );
    let all = everything(&world.query, &requests(&["unseen-9"]), &[]);
    assert!(all.contains("EventRow") && all.contains("FindingRow"), "the operator finds it");
    let rows = |filter: v1::Filter| {
        let question = v1::ListEventsRequest { filter: Some(filter), ..Default::default() };
        reader.list_events(question).unwrap().events.len()
    };
    assert_eq!(rows(requests(&["unseen-9"])), 0);
    assert_eq!(rows(requests(&["unseen-9", "req-7"])), rows(requests(&["req-7"])));
    assert_ne!(rows(requests(&["req-7"])), 0);
}

#[test]
fn a_refusal_is_the_one_for_what_is_not_there() {
    let world = World::of(&secrets());
    let reader = reader(&world);
    let request = |query: &QueryHandle, id: &str| {
        query.get_request(v1::GetRequestRequest { id: id.into() }).map(drop).unwrap_err()
    };
    let told = |status: Status| (status.code(), status.message().to_owned());
    assert_eq!(told(request(&reader, "unseen-9")), told(request(&reader, "unknown-9")));
    let by_authority = |id: &str| {
        let filter = Some(v1::Filter { authorities: vec![id.into()], ..v1::Filter::default() });
        let (_, text) = told(
            reader.list_events(v1::ListEventsRequest { filter, ..Default::default() }).unwrap_err(),
        );
        text.replace(id, "<id>")
    };
    assert_eq!(by_authority("ministry"), by_authority("none"));
    assert_eq!(by_authority("agency"), by_authority("none"));
    assert!(by_authority("none").contains("known: court ("), "{}", by_authority("none"));
}

#[test]
fn a_finding_about_it_is_none_and_nobody_decides_on_it() {
    let world = World::of(&secrets());
    let reader = reader(&world);
    let of = |query: &QueryHandle| {
        let question = v1::ListFindingsRequest::default();
        query.list_findings(question).unwrap().findings
    };
    let (all, seen) = (of(&world.query), of(&reader));
    let hidden: Vec<_> =
        all.iter().filter(|row| row.request_id == "unseen-9" && row.rule == 0).collect();
    assert!(!hidden.is_empty());
    for row in &hidden {
        assert!(seen.iter().all(|other| other.id != row.id), "{row:?}");
        let get = |id: &str| {
            let refused = reader.get_finding(v1::GetFindingRequest { id: id.into() });
            let status = refused.map(drop).unwrap_err();
            (status.code(), status.message().to_owned())
        };
        assert_eq!(get(&row.id), get("0000000000000000"));
    }
    // What a rule did is seen by all, and not by whose word.
    let rules = |rows: &[v1::FindingRow]| {
        let rules = rows.iter().filter(|row| row.kind() == FindingKind::Rule);
        rules.map(|row| (row.id.clone(), row.code.clone())).collect::<Vec<_>>()
    };
    assert_eq!(rules(&seen), rules(&all));
    // Of a request whose targets are hidden nothing says which, or of what kind.
    let of_8 = |rows: &[v1::FindingRow]| {
        rows.iter()
            .filter(|row| row.request_id == "req-8" && row.rule == 0)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert!(!of_8(&seen).is_empty());
    for row in of_8(&seen) {
        let told = (row.target, row.target_count, row.severity, row.authority.as_str());
        assert_eq!(told, (None, 0, None, ""), "{}", row.code);
    }
    assert!(of_8(&all).iter().any(|row| row.target.is_some()));
    let by_target = |query: &QueryHandle| {
        let filter = Some(v1::Filter { target: "192.0.2.8".into(), ..v1::Filter::default() });
        let found = query.list_findings(v1::ListFindingsRequest { filter, ..Default::default() });
        of_8(&found.unwrap().findings).len()
    };
    assert_ne!(by_target(&world.query), 0);
    assert_eq!(by_target(&reader), 0);
}

/// Events, rules and findings about rules, all of which show a target.
fn beside_targets(query: &QueryHandle, filter: &v1::Filter) -> Vec<String> {
    let filter = || Some(filter.clone());
    let events =
        query.list_events(v1::ListEventsRequest { filter: filter(), ..Default::default() });
    let rules = query.list_rules(v1::ListRulesRequest { filter: filter(), ..Default::default() });
    let findings = query.list_findings(v1::ListFindingsRequest {
        filter: filter(),
        kinds: vec![FindingKind::Rule.into()],
        ..Default::default()
    });
    let events = events.unwrap().events.into_iter().map(|row| format!("{row:?}"));
    let rules = rules.unwrap().rules.into_iter().map(|row| format!("{row:?}"));
    let findings = findings.unwrap().findings.into_iter().map(|row| format!("{row:?}"));
    events.chain(rules).chain(findings).collect()
}

#[test]
fn a_request_whose_targets_are_hidden_stands_beside_none() {
    let id = "req-4";
    let mut stream = secrets();
    stream.request_closed(id, "court", "ip:192.0.2.4", &[RequestPart::Targets]);
    stream.publish();
    let rule = block(6, "ip:192.0.2.4 for req-4");
    stream.install("r1", &rule);
    stream.hit("r1", &rule, 6);
    stream.publish();
    let world = World::of(&stream);
    let reader = reader(&world);
    let target = |query: &QueryHandle| {
        let question = v1::GetTargetRequest { target: "192.0.2.4".into(), as_known_at_s: 0 };
        format!("{:?}", query.get_target(question).unwrap())
    };
    let of_it = |query: &QueryHandle| {
        let answer = query.get_request(v1::GetRequestRequest { id: id.into() }).unwrap();
        let about_rules = answer.findings.iter().filter(|row| row.rule != 0).count();
        (answer.versions.len(), answer.rules.len() + about_rules)
    };
    let everything = |query: &QueryHandle| {
        beside_targets(query, &v1::Filter::default()).join("\n")
            + &target(query)
            + &query.verdict_lines().unwrap().lines
    };
    let (all, seen) = (everything(&world.query), everything(&reader));
    assert!(all.contains(id), "the operator sees what it rests on");
    assert!(!seen.contains(id), "{seen}");
    assert!(seen.contains("192.0.2.4"), "that it is blocked is seen");
    assert_ne!(of_it(&world.query).1, 0);
    assert_eq!(of_it(&reader), (1, 0));
    // Nor does a question by it find any.
    let court = v1::Filter { authorities: vec!["court".into()], ..v1::Filter::default() };
    for filter in [requests(&[id]), court] {
        let of = |query: &QueryHandle| {
            let rows = beside_targets(query, &filter);
            rows.iter().filter(|row| row.contains("192.0.2.4")).count()
        };
        assert_ne!(of(&world.query), 0, "{filter:?}");
        assert_eq!(of(&reader), 0, "{filter:?}");
    }
    let about = v1::ListFindingsRequest { filter: Some(requests(&[id])), ..Default::default() };
    let found = reader.list_findings(about).unwrap().findings;
    assert!(!found.is_empty(), "what is wrong with it is told");
    assert!(found.iter().all(|row| row.target.is_none() && row.rule == 0));
}

#[test]
fn what_was_done_for_a_request_whose_targets_are_hidden_has_a_day_and_no_second() {
    let id = "req-4";
    let mut stream = network();
    stream.request_closed(id, "court", "ip:192.0.2.4", &[RequestPart::Targets]);
    let rule = block(6, "ip:192.0.2.4 for req-4");
    stream.install("r1", &rule);
    stream.publish();
    let mut heard = |after_s: i64, change: &dyn Fn(&mut Stream)| {
        stream.wait(after_s);
        change(&mut stream);
        stream.send("r1");
        stream.publish();
        World::of(&stream)
    };
    let found = |query: &QueryHandle, code: &str, since_s: i64| {
        let filter = Some(v1::Filter { since_s, ..requests(&[id]) });
        let found = query.list_findings(v1::ListFindingsRequest { filter, ..Default::default() });
        let rows = found.unwrap().findings.into_iter().filter(|row| row.code == code);
        rows.map(|row| {
            let node = &row.duty_nodes[0];
            (row.first_seen_s, row.last_seen_s, node.from_s, node.until_s)
        })
        .collect::<Vec<_>>()
    };
    let midnight = NOON - 43_200;
    heard(30, &|stream| stream.remove("r1", &rule));
    let world = heard(90, &|_| {});
    let open = found(&world.query, "PREMATURE_REMOVAL", 0);
    assert_eq!(open, [(NOON + 30, NOON + 120, NOON + 30, 0)]);
    let open = found(&reader(&world), "PREMATURE_REMOVAL", 0);
    assert_eq!(open, [(midnight, NOON + 120, midnight, 0)], "and that it is so still");
    let world = heard(0, &|stream| stream.install("r1", &block(7, "ip:192.0.2.4 for req-4")));
    let ended = found(&world.query, "INTERRUPTED", NOON);
    assert_eq!(ended, [(NOON + 30, NOON + 120, NOON + 30, NOON + 120)]);
    let ended = found(&reader(&world), "INTERRUPTED", midnight);
    assert_eq!(ended, [(midnight, midnight, midnight, midnight)]);
    let ended = found(&reader(&world), "INTERRUPTED", midnight + 1);
    assert!(ended.is_empty(), "else the second is found by asking");
}

#[test]
fn a_probe_that_reached_a_hidden_target_is_told_by_its_day() {
    let closed = [RequestPart::Targets];
    let mut stream = network_with_probes("req-4", |stream| {
        stream.request_closed("req-4", "court", "domain_exact:a.example", &closed);
    });
    stream.probe("probe-1", "https://a.example/", v1::ProbeResult::Reached, 64_500);
    stream.publish();
    let world = World::of(&stream);
    let ineffective = |query: &QueryHandle, since_s: i64| {
        let duties = vec![v1::DutyCode::Ineffective.into()];
        let filter = Some(v1::Filter { duties, since_s, ..v1::Filter::default() });
        let found = query.list_findings(v1::ListFindingsRequest { filter, ..Default::default() });
        let found = found.unwrap().findings.into_iter();
        found
            .map(|row| (row.first_seen_s, row.last_seen_s, row.probe.is_some()))
            .collect::<Vec<_>>()
    };
    let reader = reader(&world);
    let midnight = NOON - 43_200;
    assert_eq!(ineffective(&world.query, NOON + 60), [(NOON + 60, NOON + 60, true)]);
    assert_eq!(ineffective(&reader, midnight), [(midnight, midnight, false)]);
    assert!(ineffective(&reader, midnight + 1).is_empty());
}

/// As a person would send it; who may sign is not asked here.
fn signed(subject: v1::FindingSubject) -> Vec<u8> {
    let person = v1::PersonRef { person: "p1".into(), role: v1::Role::Officer.into() };
    let decision = v1::Decision {
        subject: Some(subject),
        act: v1::DecisionAct::Acknowledge.into(),
        reason: v1::DecisionReason::UnderInvestigation.into(),
        log_size: 1,
        note: None,
    };
    let statement = v1::Statement {
        format: 1,
        origin: operator().case_origin(),
        recorded_at_s: NOON,
        effective_at_s: NOON,
        author: Some(person.clone()),
        approver: None,
        body: Some(v1::statement::Body::Decision(decision)),
    };
    let signature = vec![7; 64];
    let signatures = vec![v1::PersonSignature { person: Some(person), signature }];
    let statement = statement.encode_to_vec();
    v1::SignedStatement { statement, signatures, attestation: Vec::new() }.encode_to_vec()
}

#[test]
fn nobody_decides_on_a_finding_that_is_hidden_from_them_whoever_did_before() {
    let mut stream = secrets();
    let world = World::of(&stream);
    let all = world.query.list_findings(v1::ListFindingsRequest::default()).unwrap().findings;
    let hidden = all.iter().find(|row| row.request_id == "unseen-9" && row.rule == 0).unwrap();
    let shown = all.iter().find(|row| row.rule != 0).unwrap();
    let [hidden, shown] = [hidden, shown].map(register::cases::subject_of);
    for subject in [&hidden, &shown] {
        let (act, reason) = (v1::DecisionAct::Acknowledge, v1::DecisionReason::UnderInvestigation);
        stream.decide(subject.clone(), act, reason);
    }
    stream.publish();
    let world = World::of(&stream);
    let unknown = v1::FindingSubject { request_id: "unknown-9".into(), ..hidden.clone() };
    let ask = |query: &QueryHandle, subject: &v1::FindingSubject| {
        let refused = query.knows_finding(signed(subject.clone()));
        refused.map_err(|status| (status.code(), status.message().to_owned()))
    };
    let reader = reader(&world);
    assert!(ask(&world.query, &hidden).is_ok() && ask(&world.query, &unknown).is_err());
    assert_eq!(ask(&reader, &hidden), ask(&reader, &unknown));
    assert!(ask(&reader, &hidden).is_err());
    assert!(ask(&reader, &shown).is_ok());
}

#[test]
fn a_note_that_names_what_is_hidden_is_withheld() {
    let mut stream = secrets();
    stream.request_closed("req-4", "court", "ip:192.0.2.4", &[RequestPart::Targets]);
    stream.publish();
    let of_rules = |query: &QueryHandle| {
        let kinds = vec![FindingKind::Rule.into()];
        let question = v1::ListFindingsRequest { kinds, ..v1::ListFindingsRequest::default() };
        query.list_findings(question).unwrap().findings
    };
    let subjects: Vec<_> =
        of_rules(&World::of(&stream).query).iter().map(register::cases::subject_of).collect();
    // What is wrong with a request whose targets are hidden shows none.
    let of_4 = |query: &QueryHandle| {
        let kinds = vec![FindingKind::Entry.into()];
        let rest = v1::ListFindingsRequest { kinds, ..v1::ListFindingsRequest::default() };
        let filter = Some(requests(&["req-4"]));
        let found = query.list_findings(v1::ListFindingsRequest { filter, ..rest }).unwrap();
        found.findings.into_iter().next().unwrap()
    };
    let subjects = subjects.into_iter().take(3);
    let subjects = subjects.chain([register::cases::subject_of(&of_4(&World::of(&stream).query))]);
    let written = ["see unseen-9.", "see req-7.", "see req-4.", "as req-4 has it"];
    for (subject, note) in subjects.zip(written) {
        let note = register::cases::Note::Text(note.into());
        let (act, reason) = (v1::DecisionAct::Acknowledge, v1::DecisionReason::UnderInvestigation);
        stream.decide_noting(subject, act, reason, note);
    }
    stream.publish();
    let world = World::of(&stream);
    let own = |query: &QueryHandle| of_4(query).decided.unwrap().note;
    assert_eq!([own(&world.query), own(&reader(&world))], ["as req-4 has it"; 2]);
    let notes = |query: &QueryHandle| {
        let mut notes = Vec::new();
        for row in of_rules(query).into_iter().filter(|row| row.decided.is_some()) {
            let got = query.get_finding(v1::GetFindingRequest { id: row.id }).unwrap();
            notes.push((row.decided.unwrap().note, got.decisions[0].note.clone()));
        }
        notes
    };
    let both = |text: &str| (text.to_owned(), text.to_owned());
    let [unseen, shown, targetless] = ["see unseen-9.", "see req-7.", "see req-4."].map(both);
    assert_eq!(notes(&world.query), [unseen, shown.clone(), targetless]);
    assert_eq!(notes(&reader(&world)), [both("withheld"), shown, both("withheld")]);
}

#[test]
fn an_entry_of_a_list_names_no_request_whose_targets_are_hidden() {
    let mut stream = secrets();
    stream.request_with("feed-1", "ip:192.0.2.30", |request| {
        request.task.as_mut().unwrap().covers_lists = vec!["open".into()];
    });
    stream.feed("open", "feed-1");
    let entries = ["ip:192.0.2.31 as see req-8", "ip:192.0.2.32 as see req-7"];
    stream.version("open", ("v1", ""), &entries, &[], 2);
    stream.publish();
    let world = World::of(&stream);
    let raw = |query: &QueryHandle| {
        let question = v1::ListEntriesRequest {
            list_id: "open".into(),
            version: "v1".into(),
            ..v1::ListEntriesRequest::default()
        };
        let rows = query.list_entries(question).unwrap().entries.into_iter();
        rows.map(|row| row.entry.unwrap().raw).collect::<Vec<_>>()
    };
    assert_eq!(raw(&world.query), ["see req-8", "see req-7"]);
    assert_eq!(raw(&reader(&world)), ["withheld", "see req-7"]);
}

#[test]
fn what_recurs_on_the_day_on_which_it_was_remedied_is_told_as_seen_since() {
    let mut stream = network();
    stream.request_closed("req-4", "court", "ip:192.0.2.4", &[RequestPart::Targets]);
    let rule = |number| block(number, "ip:192.0.2.4 for req-4");
    stream.install("r1", &rule(6));
    stream.publish();
    let interrupt = |stream: &mut Stream, number: u64| {
        stream.wait(30);
        stream.remove("r1", &rule(number));
        stream.wait(90);
        stream.install("r1", &rule(number + 1));
        stream.send("r1");
        stream.publish();
    };
    let found = |stream: &Stream| {
        let world = World::of(stream);
        [world.query.clone(), reader(&world)].map(|query| {
            let found = query.list_findings(v1::ListFindingsRequest::default()).unwrap().findings;
            found.into_iter().find(|row| row.code == "INTERRUPTED").unwrap()
        })
    };
    interrupt(&mut stream, 6);
    let [subject, _] = found(&stream).map(|row| register::cases::subject_of(&row));
    stream.wait(10);
    let (act, reason) = (v1::DecisionAct::Remedy, v1::DecisionReason::RuleInstalled);
    stream.decide(subject, act, reason);
    stream.publish();
    assert_eq!(found(&stream).map(|row| row.seen_since), [false, false]);
    interrupt(&mut stream, 7);
    let found = found(&stream);
    assert_eq!(found.each_ref().map(|row| row.seen_since), [true, true]);
    let midnight = NOON - 43_200;
    let told = |row: &v1::FindingRow| (row.first_seen_s, row.last_seen_s, row.duration_s);
    assert_eq!(told(&found[0]), (NOON + 30, NOON + 250, 220));
    assert_eq!(told(&found[1]), (midnight, midnight, 0), "and no second");
}

#[test]
fn a_page_is_of_what_is_shown() {
    let world = World::of(&secrets());
    let ids = |query: &QueryHandle| {
        let (mut ids, mut page_token) = (Vec::new(), String::new());
        loop {
            let rest = v1::ListRequestsRequest { page_size: 2, ..Default::default() };
            let answer =
                query.list_requests(v1::ListRequestsRequest { page_token, ..rest }).unwrap();
            page_token = answer.next_page_token;
            let rows = answer.requests.into_iter().map(|row| row.request.unwrap().id);
            ids.push(rows.collect::<Vec<_>>().join(" "));
            if page_token.is_empty() {
                return ids;
            }
        }
    };
    assert_eq!(ids(&world.query), ["req-5 req-6", "req-7 req-8", "unseen-9"]);
    assert_eq!(ids(&reader(&world)), ["req-5 req-6", "req-7 req-8"], "and no empty third");
}

#[test]
fn how_far_the_means_reach_is_not_told_of_then_where_the_measure_is_closed_since() {
    let mut stream = network();
    let by_any_means = |request: &mut v1::Request| {
        let measure = v1::Measure { outcome_only: true, ..v1::Measure::default() };
        let task = request.task.as_mut().unwrap();
        task.measure = Some(measure);
        task.scope = Some(v1::Scope { territories: vec!["FR".into()], ..v1::Scope::default() });
    };
    stream.request_with("req-7", "ip:192.0.2.7", by_any_means);
    stream.hit("r1", &block(1, "cidr:192.0.2.0/23 for req-7"), 1);
    stream.publish();
    let says = |stream: &Stream, clearance| {
        let world = World::of(stream);
        let reader = world.query.seen_by(clearance);
        let event = reader.list_events(v1::ListEventsRequest::default()).unwrap().events.remove(0);
        let verdict = event.as_known_then.unwrap();
        assert_eq!(verdict.code(), v1::VerdictCode::Overbroad);
        let [besides] = verdict.besides.as_slice() else { panic!("{verdict:?}") };
        assert_eq!(besides.code(), v1::VerdictCode::WrongPlace);
        let place = besides.clause.clone().unwrap().request_says;
        format!("{}; {place}", verdict.clause.unwrap().request_says)
    };
    let limit = "no wider than a /24";
    let open = says(&stream, v1::DisclosureTier::Public);
    assert!(open.contains(limit) && open.contains("FR"), "{open}");
    let question = v1::GetRequestRequest { id: "req-7".into() };
    let world = World::of(&stream);
    let held = world.query.get_request(question).unwrap().versions.remove(0);
    stream.wait(5);
    let closed = [RequestPart::Measure, RequestPart::Scope];
    stream.amended_closed(&held.request.unwrap(), "ip:192.0.2.7", &closed, by_any_means);
    stream.publish();
    assert!(says(&stream, v1::DisclosureTier::Secret).contains(limit), "by the text of then");
    let shown = says(&stream, v1::DisclosureTier::Public);
    assert!(!shown.contains(limit) && shown.contains("withheld"), "{shown}");
    assert!(!shown.contains("FR"), "nor where it holds, in what else it fails: {shown}");
}

#[test]
fn a_version_that_is_more_secret_than_the_one_that_counts_is_not_there_for_others() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    let question = || v1::GetRequestRequest { id: "req-7".into() };
    let world = World::of(&stream);
    let held = world.query.get_request(question()).unwrap().versions.remove(0).request.unwrap();
    stream.wait(5);
    let secret = v1::Import {
        awaits_approval: true,
        existence: DisclosureTier::Secret.into(),
        ..v1::Import::default()
    };
    stream.amended_in(secret, &held, "ip:192.0.2.8", &[], |_| {});
    stream.publish();
    let world = World::of(&stream);
    let shown = |clearance| {
        let reader = world.query.seen_by(clearance);
        let one = reader.get_request(question()).unwrap();
        let all = reader.list_requests(v1::ListRequestsRequest::default()).unwrap().requests;
        let targets = v1::ListTargetsRequest {
            request_id: "req-7".into(),
            version: 2,
            ..v1::ListTargetsRequest::default()
        };
        let waits = all.iter().any(|row| row.newer_waits);
        (one.versions.len(), one.version_count, waits, reader.list_targets(targets).is_ok())
    };
    assert_eq!(shown(DisclosureTier::Secret), (2, 2, true, true));
    assert_eq!(shown(DisclosureTier::Public), (1, 1, false, false));
}
