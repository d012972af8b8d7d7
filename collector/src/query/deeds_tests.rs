//! Deeds that persons recorded, in answers.

use remit_proto::v1;

use super::tests::{events, network};
use crate::assess::testing::{NOON, Stream, World, block};

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

/// The spool was put back, and the deed was told of in the part that is lost with the former generation.
#[test]
fn a_shutdown_whose_end_a_new_generation_tells_does_not_stand() {
    let (mut stream, shutdown) = network_with_persons();
    stream.deed("r1", &shutdown, v1::ServiceAct::Recorded, NOON + 1, 0);
    stream.deed("r1", &shutdown, v1::ServiceAct::Confirmed, NOON + 1, 0);
    stream.publish();
    stream.wait(2000);
    stream.generation("r1", 2);
    stream.deed("r1", &shutdown, v1::ServiceAct::Ended, NOON + 1, NOON + 900);
    stream.publish();
    let world = World::of(&stream);
    assert!(world.rules().is_empty(), "{:?}", world.rules());
    let findings = world.findings();
    assert!(!findings.iter().any(|row| row.contains("LATE_REMOVAL")), "{findings:?}");
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
