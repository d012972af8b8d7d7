//! What requests demand and was not done, as answers tell it; and when rules stood, as the index keeps it.

use register::{
    Parameters, Target,
    assessment::{Assessment, Item, open_snapshot},
    duties::{Begun, Timeline},
};
use remit_proto::v1::{self, DutyCode, FindingKind, SeverityGrade, leaf::Body};

use super::tests::network;
use crate::{
    assess::testing::{Block, NOON, Stream, World, block, operator},
    committed::{Chunks as _, What},
};

fn duties(world: &World) -> Vec<v1::FindingRow> {
    let kinds = vec![FindingKind::Duty.into()];
    let request = v1::ListFindingsRequest { kinds, ..v1::ListFindingsRequest::default() };
    world.query.list_findings(request).unwrap().findings
}

fn codes(world: &World) -> Vec<String> {
    let shown = |row: &v1::FindingRow| {
        let nodes: Vec<&str> = row.duty_nodes.iter().map(|part| part.node.as_str()).collect();
        format!("{} {} {}", row.request_id, row.code, nodes.join(",")).trim_end().to_owned()
    };
    duties(world).iter().map(shown).collect()
}

/// So that the evidence is of this time.
fn heard(stream: &mut Stream, seconds: i64) {
    stream.wait(seconds);
    stream.send("r1");
    stream.publish();
}

#[test]
fn what_is_taken_away_early_is_told_as_that() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    assert_eq!(codes(&World::of(&stream)), ["req-7 NOT_ENFORCED"]);
    let rule = block(1, "ip:192.0.2.7 for req-7");
    stream.install("r1", &rule);
    heard(&mut stream, 30);
    assert!(codes(&World::of(&stream)).is_empty());
    stream.remove("r1", &rule);
    heard(&mut stream, 30);
    assert!(codes(&World::of(&stream)).is_empty(), "it may be a reload");
    heard(&mut stream, 60);
    assert_eq!(codes(&World::of(&stream)), ["req-7 PREMATURE_REMOVAL r1"]);
    let again = block(2, "ip:192.0.2.7 for req-7");
    stream.install("r1", &again);
    heard(&mut stream, 30);
    let world = World::of(&stream);
    assert_eq!(codes(&world), ["req-7 INTERRUPTED r1"]);
    let [row] = &duties(&world)[..] else { panic!() };
    assert_eq!((row.first_seen_s - NOON, row.last_seen_s - NOON), (30, 120));
    assert_eq!(row.severity, None, "nothing is taken away");
}

#[test]
fn what_stands_too_long_is_told_with_its_bound_and_graded() {
    let mut stream = network();
    stream.request_with("req-7", "ip:192.0.2.7", |request| {
        let task = request.task.as_mut().unwrap();
        task.effective_until_s = NOON + 100;
        task.remove_within_s = 200;
    });
    stream.install("r1", &block(1, "ip:192.0.2.7 for req-7"));
    heard(&mut stream, 250);
    assert!(codes(&World::of(&stream)).is_empty(), "there is time to remove it");
    heard(&mut stream, 250);
    let world = World::of(&stream);
    assert_eq!(codes(&world), ["req-7 LATE_REMOVAL r1"]);
    let [row] = &duties(&world)[..] else { panic!() };
    assert_eq!((row.due_s - NOON, row.duty_nodes[0].until_s), (300, 0));
    assert_eq!(row.severity.unwrap().scale(), SeverityGrade::Medium);
    let duties = vec![DutyCode::LateRemoval.into()];
    assert_eq!(world.findings_of(v1::Filter { duties, ..v1::Filter::default() }).len(), 1);
    let duties = vec![DutyCode::NotEnforced.into()];
    assert!(world.findings_of(v1::Filter { duties, ..v1::Filter::default() }).is_empty());
}

#[test]
fn what_a_rule_with_further_conditions_carries_out_is_not_known() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    stream.install("r1", &block(1, "ip:192.0.2.7 for req-7").narrowed());
    heard(&mut stream, 30);
    let mut world = World::of(&stream);
    assert_eq!(codes(&world), ["req-7 UNDETERMINED r1"]);
    let [row] = &duties(&world)[..] else { panic!() };
    assert_eq!((row.detail.as_str(), row.severity), ("conditions", None));
    // The conditions are taken out of it.
    let told = stream.committed.len();
    stream.modify("r1", &block(1, "ip:192.0.2.7 for req-7"));
    heard(&mut stream, 30);
    world.assessor.apply(stream.committed[told..].to_vec()).unwrap();
    assert!(codes(&world).is_empty());
}

#[test]
fn an_answer_after_another_looks_at_what_is_new() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    let mut world = World::of(&stream);
    assert_eq!(codes(&world), ["req-7 NOT_ENFORCED"]);
    let told = stream.committed.len();
    stream.install("r1", &block(1, "ip:192.0.2.7 for req-7"));
    stream.request("req-8", "ip:192.0.2.8");
    heard(&mut stream, 30);
    world.assessor.apply(stream.committed[told..].to_vec()).unwrap();
    assert_eq!(codes(&world), ["req-8 NOT_ENFORCED"]);
    // The rule is told to be another's, which no leaf says.
    let told = stream.committed.len();
    stream.attribute("r1", &[1], "req-8");
    stream.publish();
    world.assessor.apply(stream.committed[told..].to_vec()).unwrap();
    assert_eq!(codes(&world), ["req-8 NOT_ENFORCED"]);
}

/// When rules stood, told by the index and by the leaves.
type Span = (String, String, i64, Begun, Option<i64>);

fn by_the_index(stream: &Stream) -> Vec<Span> {
    let world = World::of(stream);
    let stood = world.query.index().read().unwrap().stood(0, None).unwrap();
    let spans = stood.into_iter().map(|stood| {
        let target = stood.target.unwrap().value;
        (stood.node, target, stood.from_s, stood.begun, stood.until_s)
    });
    let mut spans: Vec<Span> = spans.collect();
    spans.sort_by(|a, b| (&a.0, &a.1, a.2).cmp(&(&b.0, &b.1, b.2)));
    spans
}

fn by_the_leaves(stream: &Stream) -> Vec<Span> {
    let mut assessment = Assessment::new(operator().register_origin(), Parameters::default());
    let mut timeline = Timeline::default();
    for committed in stream.committed.iter().cloned() {
        match committed.what {
            What::Batch { origin, batch } => {
                let (old_size, leaves, openings) = batch.read().unwrap();
                assessment.leaves(&origin, old_size, leaves, &openings);
            }
            What::Entry { index, entry } => assessment.entry(index, &entry).unwrap(),
            What::Statement { .. } | What::Decision { .. } | What::Published { .. } => {}
        }
        for assessed in assessment.take_assessed() {
            let origin = &assessed.origin;
            match assessed.item {
                Item::Other(body) => {
                    if let Body::Start(start) = *body {
                        timeline.start(origin, start.at_s);
                    }
                }
                Item::RuleChange { facts, leaf, .. } => {
                    let stands = leaf.kind() != v1::RuleChangeKind::Removed;
                    timeline.change(origin, &facts.rule, facts.target.as_ref(), leaf.at_s, stands);
                }
                Item::Deed { facts, leaf } => {
                    timeline.deed(origin, &facts.rule, facts.target.as_ref(), &leaf);
                }
                Item::Snapshot { leaf, .. } => {
                    let set = leaf.rules.clone().unwrap();
                    let rules = open_snapshot(&set, |id| stream.chunks.chunk(id)).unwrap();
                    timeline.snapshot(origin, &leaf, &rules);
                }
                _ => {}
            }
        }
    }
    let register = assessment.register().view();
    let rules = timeline.rules(&register);
    let spans = rules.spans().map(|stood| {
        let target = Target::to_wire(&stood.rule.target).value;
        (stood.rule.node.to_string(), target, stood.from_s, stood.begun, stood.until_s)
    });
    let mut spans: Vec<Span> = spans.collect();
    spans.sort_by(|a, b| (&a.0, &a.1, a.2).cmp(&(&b.0, &b.1, b.2)));
    spans
}

#[test]
fn the_index_and_the_leaves_tell_the_same_of_when_rules_stood() {
    let mut stream = network();
    stream.enrol_person("p1");
    stream.enrol_person("p2");
    let [one, two, three] =
        ["ip:192.0.2.1", "ip:192.0.2.2", "ip:192.0.2.3"].map(|target| target.to_owned());
    let (one, two, three) = (block(1, &one), block(2, &two), block(3, &three));
    stream.install("r1", &one);
    heard(&mut stream, 10);
    stream.modify("r1", &block(1, "ip:192.0.2.1 for req-7"));
    stream.install("r1", &two);
    heard(&mut stream, 10);
    stream.remove("r1", &two);
    heard(&mut stream, 10);
    // One is gone without a word, another one came.
    stream.snapshot("r1", &[&three]);
    heard(&mut stream, 10);
    let shutdown = block(9, "cell_area:mitte");
    stream.deed("r1", &shutdown, v1::ServiceAct::Recorded, stream.now_s - 5, 0);
    heard(&mut stream, 10);
    stream.generation("r1", 2);
    stream.snapshot("r1", &[&one, &three]);
    heard(&mut stream, 10);
    stream.deed("r1", &shutdown, v1::ServiceAct::Ended, stream.now_s - 20, stream.now_s - 2);
    heard(&mut stream, 10);
    let found = by_the_index(&stream);
    assert_eq!(found, by_the_leaves(&stream));
    let of = |target: &str| found.iter().filter(|span| span.1 == target).count();
    assert_eq!((of("192.0.2.1"), of("192.0.2.2"), of("192.0.2.3")), (3, 1, 2), "{found:?}");
    stream.control("r1", &[&one, &two]);
    heard(&mut stream, 10);
    let found = by_the_index(&stream);
    assert_eq!(found, by_the_leaves(&stream));
    let untold = found.iter().filter(|span| span.3 == Begun::Untold);
    assert_eq!(untold.map(|span| span.1.as_str()).collect::<Vec<_>>(), ["192.0.2.2"]);
}

#[test]
fn what_an_agent_could_not_read_after_a_restart_is_not_taken_away() {
    let known = block(2, "ip:192.0.2.8");
    let after = |read: Option<&[&Block]>| {
        let mut stream = network();
        stream.request("req-7", "ip:192.0.2.7");
        stream.install("r1", &block(1, "ip:192.0.2.7 for req-7"));
        heard(&mut stream, 30);
        stream.generation("r1", 2);
        stream.unstable("r1", &[]);
        heard(&mut stream, 100);
        stream.unstable("r1", &[&known]);
        heard(&mut stream, 100);
        if let Some(blocks) = read {
            stream.snapshot("r1", blocks);
            heard(&mut stream, 100);
        }
        let found = by_the_index(&stream);
        assert_eq!(found, by_the_leaves(&stream));
        let begun = found.iter().find(|span| span.1 == "192.0.2.8").unwrap().3;
        assert_eq!(begun, Begun::Before, "it may have stood when the first was read");
        let world = World::of(&stream);
        let since = duties(&world).first().map(|row| row.duty_nodes[0].from_s - NOON);
        (codes(&world), since)
    };
    assert_eq!(after(None), (vec![], None), "nobody read all rules");
    let again = block(3, "ip:192.0.2.7 for req-7");
    assert_eq!(after(Some(&[&known, &again])), (vec![], None), "it stood all the time");
    let removed = vec!["req-7 PREMATURE_REMOVAL r1".to_owned()];
    assert_eq!(after(Some(&[&known])), (removed, Some(230)));
}

#[test]
fn whether_a_rule_went_that_an_agent_has_not_read_anew_is_not_known() {
    let after = |read: &dyn Fn(&mut Stream)| {
        let mut stream = network();
        stream.request_with("req-7", "ip:192.0.2.7", |request| {
            request.task.as_mut().unwrap().effective_until_s = NOON + 200;
        });
        stream.install("r1", &block(1, "ip:192.0.2.7 for req-7"));
        heard(&mut stream, 50);
        heard(&mut stream, 50);
        stream.generation("r1", 2);
        read(&mut stream);
        (0..6).for_each(|_| heard(&mut stream, 50));
        assert_eq!(by_the_index(&stream), by_the_leaves(&stream));
        let world = World::of(&stream);
        let rules = v1::ListRulesRequest::default();
        (codes(&world), world.query.list_rules(rules).unwrap().rules.len())
    };
    let again = block(3, "ip:192.0.2.7 for req-7");
    let perhaps = vec!["req-7 UNDETERMINED r1".to_owned()];
    let late = vec!["req-7 LATE_REMOVAL r1".to_owned()];
    assert_eq!(after(&|_| ()), (perhaps.clone(), 1), "it has not looked yet");
    assert_eq!(after(&|stream| stream.unstable("r1", &[])), (perhaps, 1), "it has not read all");
    let part = after(&|stream| stream.unstable("r1", &[&again]));
    assert_eq!(part, (late.clone(), 1), "it is there, once");
    let twice = |stream: &mut Stream| {
        stream.unstable("r1", &[&again]);
        stream.unstable("r1", &[&again]);
    };
    assert_eq!(after(&twice), (late.clone(), 1));
    assert_eq!(after(&|stream| stream.snapshot("r1", &[&again])), (late, 1));
}

#[test]
fn a_node_whose_rules_could_not_be_read_yet_is_not_held_to_lack_any() {
    let mut stream = Stream::new();
    stream.enrol("r1");
    stream.declare("r1", "DE", &["acl nftables observed"]);
    stream.request("req-7", "ip:192.0.2.7");
    stream.unstable("r1", &[]);
    heard(&mut stream, 30);
    assert_eq!(codes(&World::of(&stream)), ["req-7 UNDETERMINED"]);
    stream.snapshot("r1", &[]);
    heard(&mut stream, 30);
    assert_eq!(codes(&World::of(&stream)), ["req-7 NOT_ENFORCED"]);
}

#[test]
fn every_silence_is_reckoned_with_and_the_longest_are_listed() {
    let mut stream = network();
    for _ in 0..1_001 {
        stream.wait(100);
        stream.send("r1");
    }
    stream.publish();
    let world = World::of(&stream);
    let index = world.query.index().read().unwrap();
    let (listed, count) = index.silences(0, 0, &[]).unwrap();
    assert_eq!((listed.len(), count), (1_000, 1_001));
    let from = |leaf| index.silences_from("r1", "0000000000000001", leaf).unwrap().len();
    // Of each a leaf, after genesis, start, snapshot and a first seal.
    assert_eq!((from(0), from(5), from(1_004)), (1_001, 1_000, 1));
}

#[test]
fn a_silence_that_ended_since_the_last_answer_counts_too() {
    for (beat_s, wanted) in [(50, ["req-7 LATE_START r1"]), (1_000, ["req-7 UNDETERMINED r1"])] {
        let mut stream = network();
        stream.request_with("req-7", "ip:192.0.2.7", |request| {
            request.task.as_mut().unwrap().implement_by_s = NOON + 100;
        });
        stream.publish();
        let mut world = World::of(&stream);
        assert!(codes(&world).is_empty(), "there is time");
        let told = stream.committed.len();
        while stream.now_s < NOON + 1_000 {
            stream.wait(beat_s);
            if stream.now_s == NOON + 1_000 {
                stream.install("r1", &block(1, "ip:192.0.2.7 for req-7"));
            }
            stream.send("r1");
        }
        stream.publish();
        world.assessor.apply(stream.committed[told..].to_vec()).unwrap();
        assert_eq!(codes(&world), wanted, "a seal every {beat_s} s");
        assert_eq!(codes(&World::of(&stream)), wanted);
    }
}

#[test]
fn what_an_agent_that_began_anew_lists_first_is_late_or_may_be() {
    let after = |stop_s: i64| {
        let mut stream = network();
        stream.request_with("req-7", "ip:192.0.2.7", |request| {
            request.task.as_mut().unwrap().implement_by_s = NOON + 100;
        });
        while stream.now_s < NOON + stop_s {
            heard(&mut stream, 50);
        }
        stream.wait(1_000);
        stream.generation("r1", 2);
        stream.snapshot("r1", &[&block(3, "ip:192.0.2.7 for req-7")]);
        heard(&mut stream, 50);
        codes(&World::of(&stream))
    };
    assert_eq!(after(50), ["req-7 UNDETERMINED r1"], "it may have begun in time");
    assert_eq!(after(200), ["req-7 LATE_START r1"], "it was seen lacking");
}

#[test]
fn nothing_is_told_of_a_time_before_a_node_listed_its_rules() {
    let mut stream = Stream::new();
    stream.enrol("r1");
    stream.declare("r1", "DE", &["acl nftables observed"]);
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    let mut world = World::of(&stream);
    assert_eq!(codes(&world), ["req-7 UNDETERMINED"]);
    let [row] = &duties(&world)[..] else { panic!() };
    assert_eq!((row.detail.as_str(), &row.silent_nodes), ("silent", &vec!["r1".to_owned()]));
    let told = stream.committed.len();
    stream.wait(600);
    stream.snapshot("r1", &[]);
    heard(&mut stream, 30);
    world.assessor.apply(stream.committed[told..].to_vec()).unwrap();
    assert_eq!(codes(&world), ["req-7 NOT_ENFORCED"]);
    let [row] = &duties(&world)[..] else { panic!() };
    assert_eq!(row.first_seen_s, NOON + 600, "seen lacking");
    assert!(row.due_s < row.first_seen_s, "due since {}", row.due_s);
}

/// Its clock is not so far ahead that it would be suspect.
#[test]
fn one_clock_that_is_ahead_makes_no_other_node_silent() {
    let mut stream = network();
    stream.request("req-7", "ip:192.0.2.7");
    stream.enrol("r2");
    stream.publish();
    heard(&mut stream, 30);
    stream.ahead_s = 120;
    stream.send("r2");
    stream.publish();
    assert_eq!(codes(&World::of(&stream)), ["req-7 NOT_ENFORCED"]);
}

#[test]
fn what_stood_too_long_is_as_grave_as_the_widest_of_it() {
    let mut stream = network();
    stream.request_with("req-7", "ip:192.0.2.7", |request| {
        let task = request.task.as_mut().unwrap();
        let wide =
            v1::Target { kind: v1::TargetKind::Cidr.into(), value: "198.51.100.0/24".into() };
        task.targets.push(v1::RequestTarget { target: Some(wide), ..Default::default() });
        task.effective_until_s = NOON + 100;
    });
    stream.install("r1", &block(1, "ip:192.0.2.7 for req-7"));
    stream.install("r1", &block(2, "cidr:198.51.100.0/24 for req-7"));
    stream.publish();
    heard(&mut stream, 200);
    let world = World::of(&stream);
    assert_eq!(codes(&world), ["req-7 LATE_REMOVAL r1"]);
    let severity = duties(&world)[0].severity.unwrap();
    assert_eq!(severity.scale(), SeverityGrade::High);
}
