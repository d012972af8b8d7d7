//! What a reader without clearance learns of what is hidden: nothing, whatever is asked.

use std::fmt::Debug;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use remit_proto::v1::{self, DisclosureTier, FindingKind, RequestPart};
use tonic::Status;

use super::{QueryHandle, tests::network};
use crate::assess::testing::{Stream, World, block};

/// Words that stand in secret parts only.
const HIDDEN: [&str; 3] = ["unseen-9", "ministry", "agency"];

/// "req-7" is public, the targets and the authority of "req-8" are secret, and so is that "unseen-9" exists.
fn secrets() -> Stream {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    let parts = [RequestPart::Targets, RequestPart::Authority];
    stream.request_closed("req-8", "agency", "ip:192.0.2.8", &parts);
    stream.secret_request("unseen-9", "ministry", "ip:192.0.2.9");
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
    assert!(seen.contains("veiled_requests: 2"), "that there are such requests is told");
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
