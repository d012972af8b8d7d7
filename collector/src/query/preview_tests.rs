//! What a statement would change, before anybody signs it.

use remit_proto::v1::{self, statement::Body};
use tonic::Status;

use super::{QueryError, tests::network};
use crate::{
    assess::testing::{NOON, World, attribution, block, plain},
    registers::SecondPersonFor,
};

fn statement(body: Body) -> Vec<u8> {
    prost::Message::encode_to_vec(&v1::Statement {
        format: 1,
        origin: "example.net/register".into(),
        recorded_at_s: NOON,
        effective_at_s: NOON,
        author: Some(v1::PersonRef { person: "p2".into(), role: v1::Role::Operator.into() }),
        body: Some(body),
        ..v1::Statement::default()
    })
}

fn ask(
    world: &World,
    parts: Vec<v1::PreviewStatementRequest>,
) -> Result<v1::PreviewStatementResponse, Status> {
    world.query.preview_statement(parts.into_iter().map(Ok), &SecondPersonFor::default())
}

fn ask_of(world: &World, body: Body) -> Result<v1::PreviewStatementResponse, Status> {
    let statement = statement(body);
    ask(world, vec![v1::PreviewStatementRequest { statement, ..Default::default() }])
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
    let body = Body::Attribution(attribution("r1", &[1, 2], "req-7"));
    let rows: Vec<String> = ask_of(&world, body.clone())
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
    let answer = ask_of(&world, body.clone()).unwrap();
    let named: Vec<_> = answer.changed.iter().map(|rule| (rule.node.as_str(), rule.rule)).collect();
    assert_eq!((named, answer.changed_count), (vec![("r1", 1), ("r1", 2)], 2));
    let first = answer.changed[0].clone();
    assert_eq!(first.target.unwrap().value, "192.0.2.7");
    assert_eq!(first.before.unwrap().code(), v1::VerdictCode::AuthorisedMisreferenced);
    assert_eq!(first.after.unwrap().clause.unwrap().request_id, "req-7");
    assert_eq!(world.rules()[1], "r1 2 NO_BASIS 0", "nothing was entered");
    let unknown = Body::Attribution(attribution("r1", &[1], "req-9"));
    let refused = ask_of(&world, unknown).unwrap_err();
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
        let request = plain(id, targets.iter().map(target).collect());
        v1::RegisterItem { item: Some(v1::register_item::Item::Request(request)) }
    };
    let names: Vec<String> = (1..=250).map(|n| format!("ip:198.51.100.{n}")).collect();
    let items = [request("a", &names[..125]), request("b", &names[125..])];
    let import = v1::Import {
        items: Some(v1::ItemSet { count: 2, root: vec![0; 32], chunks: vec![vec![0; 32]] }),
        ..v1::Import::default()
    };
    let statement = statement(Body::Import(import));
    let part = |statement: &[u8], items: &[v1::RegisterItem]| v1::PreviewStatementRequest {
        statement: statement.to_vec(),
        items: items.to_vec(),
    };
    let whole =
        ask(&world, vec![part(&statement, &[]), part(&[], &items[..1]), part(&[], &items[1..])])
            .unwrap();
    assert_eq!((whole.changed.len(), whole.changed_count), (200, 250));
    let numbers: Vec<u64> = whole.changed.iter().map(|rule| rule.rule).collect();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());

    let cut = ask(&world, vec![part(&statement, &items[..1])]).unwrap_err();
    assert!(cut.message().contains("announces 2 items and 1 came"), "{}", cut.message());
    let twice = ask(&world, vec![part(&statement, &items[..1]), part(&statement, &items[1..])])
        .unwrap_err();
    assert!(twice.message().contains("only in the first message"), "{}", twice.message());
    let nothing = ask(&world, Vec::new()).unwrap_err();
    assert!(nothing.message().contains("statement"), "{}", nothing.message());
}

#[test]
fn an_approval_is_previewed_by_when_that_which_it_approves_takes_effect() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    stream.install("r1", &block(1, "ip:192.0.2.7"));
    let revoke = v1::Transition {
        request_id: "req-7".into(),
        kind: v1::TransitionKind::Revoke.into(),
        awaits_approval: true,
        ..v1::Transition::default()
    };
    stream.state(revoke, NOON + 86_400);
    stream.publish();
    let world = World::of(&stream);
    let question = v1::GetRequestRequest { id: "req-7".into() };
    let waiting = world.query.get_request(question).unwrap().waiting_transitions;
    let [step] = waiting.as_slice() else { panic!("{waiting:?}") };
    let approval = v1::Approval {
        statement: step.statement_index,
        digest: step.second_person.clone().unwrap().digest,
        means: v1::ApprovalMeans::SignedByPerson.into(),
    };
    let answer = ask_of(&world, Body::Approval(approval)).unwrap();
    assert!(!answer.waits);
    let [rule] = answer.changed.as_slice() else { panic!("{:?}", answer.changed) };
    assert_eq!(rule.after.as_ref().unwrap().code(), v1::VerdictCode::Revoked);
}

#[test]
fn the_end_of_a_proceeding_that_waits_is_shown_at_what_depends_on_it_and_previewed() {
    let mut stream = network();
    stream.request_with("req-7", "ip:192.0.2.7", |request| {
        request.relations.push(v1::Relation {
            kind: v1::RelationKind::DependsOnProceeding.into(),
            to: "12 O 345/26".into(),
            outlives: false,
        });
    });
    stream.install("r1", &block(1, "ip:192.0.2.7"));
    stream.proposed_end("12 O 345/26", NOON);
    stream.publish();
    let world = World::of(&stream);
    let question = v1::GetRequestRequest { id: "req-7".into() };
    let answer = world.query.get_request(question).unwrap();
    let kinds: Vec<_> = answer.versions[0].waiting_transitions().collect();
    assert_eq!(kinds, [v1::TransitionKind::Moot]);
    let [step] = answer.waiting_transitions.as_slice() else { panic!("{answer:?}") };
    assert_eq!((step.kind(), step.author.as_str()), (v1::TransitionKind::Moot, "p1"));
    assert_eq!(step.proceeding, "12 O 345/26");
    let approval = v1::Approval {
        statement: step.statement_index,
        digest: step.second_person.clone().unwrap().digest,
        means: v1::ApprovalMeans::SignedByPerson.into(),
    };
    let answer = ask_of(&world, Body::Approval(approval)).unwrap();
    let [rule] = answer.changed.as_slice() else { panic!("{:?}", answer.changed) };
    assert_eq!(rule.after.as_ref().unwrap().code(), v1::VerdictCode::Lapsed);
}

#[test]
fn the_end_of_a_proceeding_names_what_depends_on_it_and_becomes_a_step_of_it() {
    let mut stream = network();
    let names = |to: &str, outlives| v1::Relation {
        kind: v1::RelationKind::DependsOnProceeding.into(),
        to: to.into(),
        outlives,
    };
    for n in 10..22 {
        stream.request_with(&format!("req-{n}"), "ip:192.0.2.7", |request| {
            request.relations.push(names("12 O 345/26", false));
        });
    }
    stream.request_with("req-30", "ip:192.0.2.7", |request| {
        request.relations.push(names("12 O 345/26", true));
    });
    stream.ended("12 O 345/26", "appealed", NOON);
    stream.ended("12 O 345/26", "dismissed", NOON - 60);
    stream.publish();
    let world = World::of(&stream);
    let named = |id: &str| {
        let ended = v1::Proceeding { id: id.into(), ..v1::Proceeding::default() };
        ask_of(&world, Body::Proceeding(ended)).unwrap().proceeding.unwrap()
    };
    let known = named("12 O 345/26");
    assert_eq!((known.request_count, known.outliving_count), (12, 1));
    assert_eq!(known.request_ids.len(), 10);
    assert_eq!((known.request_ids[0].as_str(), known.alike.len()), ("req-10", 0));
    let mistyped = named("12 O 354/26");
    assert_eq!((mistyped.request_count, mistyped.outliving_count), (0, 0));
    assert_eq!(mistyped.alike, ["12 O 345/26"]);

    let steps = |id: &str| {
        let question = v1::GetRequestRequest { id: id.into() };
        world.query.get_request(question).unwrap().transitions
    };
    let told: Vec<_> = steps("req-10")
        .into_iter()
        .map(|row| (row.kind(), row.effective_at_s, row.proceeding, row.reason, row.corrected))
        .collect();
    let end = |at_s, outcome: &str, corrected| {
        let (moot, of) = (v1::TransitionKind::Moot, "12 O 345/26".to_owned());
        (moot, at_s, of, outcome.to_owned(), corrected)
    };
    assert_eq!(told, [end(NOON - 60, "dismissed", false), end(NOON, "appealed", true)]);
    assert!(steps("req-30").is_empty(), "it outlives it");
}

#[test]
fn what_waits_for_a_second_person_is_judged_as_if_approved_and_says_so() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    stream.install("r1", &block(1, "ip:192.0.2.7"));
    stream.publish();
    let world = World::of(&stream);
    let revoke = |awaits_approval| {
        Body::Transition(v1::Transition {
            request_id: "req-7".into(),
            kind: v1::TransitionKind::Revoke.into(),
            awaits_approval,
            ..v1::Transition::default()
        })
    };
    let becomes = |answer: v1::PreviewStatementResponse| {
        let [rule] = answer.changed.as_slice() else { panic!("{:?}", answer.changed) };
        (rule.after.as_ref().unwrap().code(), answer.waits)
    };
    let revoked = v1::VerdictCode::Revoked;
    assert_eq!(becomes(ask_of(&world, revoke(false)).unwrap()), (revoked, false));
    assert_eq!(becomes(ask_of(&world, revoke(true)).unwrap()), (revoked, true));
    let policy = SecondPersonFor {
        transitions: vec![v1::TransitionKind::Revoke],
        ..SecondPersonFor::default()
    };
    let part =
        v1::PreviewStatementRequest { statement: statement(revoke(false)), ..Default::default() };
    let parts = std::iter::once(Ok(part));
    let by_policy = world.query.preview_statement(parts, &policy).unwrap();
    assert_eq!(becomes(by_policy), (revoked, true));
}

#[test]
fn a_preview_that_broke_off_is_not_answered() {
    let mut stream = network();
    stream.publish();
    let world = World::of(&stream);
    let first = v1::PreviewStatementRequest {
        statement: statement(Body::Attribution(attribution("r1", &[1], "req-7"))),
        ..Default::default()
    };
    let parts = [Ok(first), Err(QueryError::BrokenOff)].into_iter();
    let error = world.query.preview_statement(parts, &SecondPersonFor::default()).unwrap_err();
    assert_eq!(error.code(), tonic::Code::Cancelled);
}
