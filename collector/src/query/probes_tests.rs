//! What was seen from outside, in answers.

use remit_proto::v1;

use crate::assess::testing::{Stream, World, block};

fn covered(stream: &mut Stream) {
    stream.request("req-7", "domain_exact:a.example");
}

/// A resolver in AS64500 with a rule for a name that a request asks for, and a node that imports probes.
pub(super) fn network_with_probes(id: &str, enter: impl FnOnce(&mut Stream)) -> Stream {
    let mut stream = Stream::new();
    stream.asn = 64_500;
    stream.enrol("r1");
    stream.declare("r1", "DE", &["rpz unbound_rpz observed"]);
    stream.snapshot("r1", &[]);
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
    // What the probe sent may lie outside of the rule's further conditions.
    let mut stream = network_with_probes("req-7", covered);
    stream.modify("r1", &block(1, "domain_exact:a.example for req-7").narrowed());
    stream.wait(1);
    stream.probe("probe-1", page, Reached, 64_500);
    stream.publish();
    assert!(World::of(&stream).findings().is_empty());
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
