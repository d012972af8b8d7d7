//! Streams of committed things, and what the index makes of them.

use remit_proto::v1::{self, TransitionKind};

use super::{
    AssessError, Assessor, rebuild,
    testing::{Block, NOON, Stream, World, block, operator},
};
use crate::store::{EventId, Limits, SqliteStore, StoreError};

/// A router in Germany with one observed point.
fn router() -> Stream {
    let mut stream = Stream::new();
    stream.enrol("r1");
    stream.declare("r1", "DE", &["acl nftables observed"]);
    stream
}

fn blocks() -> (Block, Block) {
    (block(1, "ip:192.0.2.7 for req-7"), block(2, "ip:198.51.100.1"))
}

#[test]
fn a_block_is_judged_by_the_register() {
    let mut stream = router();
    let (covered, bare) = blocks();
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    stream.hit("r1", &covered, 3);
    stream.hit("r1", &bare, 1);
    stream.publish();
    let world = World::of(&stream);
    assert_eq!(world.events(), ["3 AUTHORISED AUTHORISED req-7", "1 NO_BASIS NO_BASIS"]);
}

#[test]
fn a_bound_that_nobody_saw_is_a_gap_also_where_the_gap_is_told_of_late() {
    let mut stream = router();
    let (covered, _) = blocks();
    stream.request("req-7", "ip:192.0.2.7");
    stream.transition("req-7", TransitionKind::Revoke, NOON + 30);
    stream.wait(60);
    stream.hits_between("r1", &covered, NOON, NOON + 60);
    stream.publish();
    let mut world = World::of(&stream);
    let reasons = |world: &World| {
        let answer = world.query.list_events(v1::ListEventsRequest::default()).unwrap();
        let [event] = &answer.events[..] else { panic!("{answer:?}") };
        let of = |verdict: &Option<v1::Verdict>| verdict.as_ref().unwrap().undetermined();
        (of(&event.as_known_then), of(&event.as_known_now))
    };
    use v1::UndeterminedReason::{Boundary, Gap};
    assert_eq!(reasons(&world), (Boundary, Boundary));
    let applied = stream.committed.len();
    stream.wait(20);
    stream.gap("r1", 5, NOON + 20, NOON + 40);
    stream.publish();
    let done = world.assessor.apply(stream.committed[applied..].to_vec()).unwrap();
    assert_eq!((done.events, done.revised), (0, 1));
    assert_eq!(reasons(&world), (Boundary, Gap));
    world.check();
    // Who builds the index anew comes to the same.
    let anew = World::of(&stream);
    assert_eq!(reasons(&anew), (Boundary, Gap));
}

/// Nothing is stated meanwhile: the node's own seals say that the time is over.
#[test]
fn a_reference_may_come_late_for_as_long_as_the_register_says() {
    let mut stream = router();
    let (claiming, _) = blocks();
    stream.late_register(100);
    stream.publish();
    stream.install("r1", &claiming);
    stream.hit("r1", &claiming, 3);
    stream.publish();
    let late = "UNDETERMINED(late_register)";
    let told = |now: &str| [format!("3 {late} {now}")];
    let later = |stream: &mut Stream, seconds| {
        stream.wait(seconds);
        stream.send("r1");
        stream.publish();
        let world = World::of(stream);
        world.check();
        (world.events(), world.rules())
    };
    let (events, rules) = later(&mut stream, 60);
    assert_eq!(events, told(late));
    assert!(rules[0].contains(late), "{rules:?}");
    let (events, rules) = later(&mut stream, 60);
    assert_eq!(events, told("UNKNOWN_BASIS"));
    assert!(rules[0].contains("UNKNOWN_BASIS"), "{rules:?}");
    // Who reads on, step by step, comes to the same.
    let steps = World::in_parts(&stream, 1);
    assert_eq!(steps.events(), events);
    // It is entered after all.
    stream.request("req-7", "ip:192.0.2.7");
    let (events, _) = later(&mut stream, 1);
    assert_eq!(events, told("AUTHORISED req-7"));
}

#[test]
fn who_else_a_block_hit_is_counted_by_name() {
    let mut stream = router();
    let (covered, _) = blocks();
    stream.request_with("req-7", "ip:192.0.2.7", |request| {
        request.impact = Some(v1::ImpactAssessment {
            collateral_estimate: "some forty shops".into(),
            ..v1::ImpactAssessment::default()
        });
        let named: register::Target = "domain_exact:stream.example".parse().unwrap();
        request.task.as_mut().unwrap().targets.push(v1::RequestTarget {
            target: Some(named.to_wire()),
            ..v1::RequestTarget::default()
        });
    });
    for name in ["shop.example", "stream.example", "other.example", "shop.example"] {
        stream.hit_by_name("r1", &covered, name);
    }
    stream.publish();
    let world = World::of(&stream);
    let answer = world.query.list_findings(v1::ListFindingsRequest::default()).unwrap();
    let found: Vec<_> = answer.findings.iter().filter(|row| row.code == "COLLATERAL").collect();
    let [finding] = &found[..] else { panic!("{answer:?}") };
    let want = v1::CollateralRow {
        // What the request names itself is no other.
        names_seen: 2,
        names_cut: false,
        estimate: "some forty shops".into(),
        estimate_made_at_s: 0,
        request_from_s: NOON - 1_000_000,
    };
    assert_eq!(finding.collateral, Some(want.clone()));
    let request = v1::GetFindingRequest { id: finding.id.clone() };
    let one = world.query.get_finding(request).unwrap().finding.unwrap();
    assert_eq!(one.collateral, Some(want));
}

/// The rule's newest event need not show it; and who did it is added to each.
#[test]
fn whom_a_block_hit_once_stays_a_finding_after_a_hit_that_tells_no_name() {
    let mut stream = router();
    let covered = block(7, "ip:192.0.2.7 for req-7").by(v1::Actor::Unknown);
    stream.request("req-7", "ip:192.0.2.7");
    stream.hit("r1", &covered, 3);
    stream.wait(60);
    stream.hit_by_name("r1", &covered, "shop.example");
    stream.wait(60);
    stream.hit("r1", &covered, 5);
    stream.publish();
    let world = World::of(&stream);
    world.check();
    let mut found = world.findings();
    found.retain(|finding| finding.starts_with("r1 "));
    assert_eq!(found, ["r1 7 COLLATERAL req-7 1 gone"]);
}

#[test]
fn a_hit_on_what_must_stay_open_is_seen_whatever_the_rule_is() {
    let mut stream = router();
    let wide = block(7, "domain_subtree:blog.example for req-7");
    stream.request_with("req-7", "domain_subtree:blog.example", |request| {
        let open: register::Target = "domain_exact:www.blog.example".parse().unwrap();
        request.task.as_mut().unwrap().targets.push(v1::RequestTarget {
            target: Some(open.to_wire()),
            exception: true,
            ..v1::RequestTarget::default()
        });
    });
    stream.hit_by_name("r1", &wide, "a.blog.example");
    stream.hit_by_name("r1", &wide, "www.blog.example");
    stream.publish();
    let covered = "1 AUTHORISED AUTHORISED req-7";
    let open = "1 OUT_OF_SCOPE_TARGET OUT_OF_SCOPE_TARGET req-7";
    assert_eq!(World::of(&stream).events(), [covered, open]);
}

#[test]
fn leaves_that_no_head_covers_are_counted_and_not_judged() {
    let mut stream = router();
    let (covered, _) = blocks();
    stream.publish();
    stream.hit("r1", &covered, 1);
    stream.send("r1");
    let world = World::of(&stream);
    assert!(world.events().is_empty());
    assert_eq!(world.completeness(v1::Filter::default()).not_yet_assessed, 2, "hit and seal");
    stream.publish_only();
    let world = World::of(&stream);
    assert_eq!(world.events().len(), 1);
    assert_eq!(world.completeness(v1::Filter::default()).not_yet_assessed, 0);
}

#[test]
fn a_late_statement_changes_now_and_not_then() {
    let mut stream = router();
    let (covered, _) = blocks();
    stream.hit("r1", &covered, 1);
    stream.publish();
    let id = EventId { node: "r1".into(), generation: format!("{:016x}", 1), index: 2 };
    let mut world = World::of(&stream);
    assert_eq!(world.events(), ["1 UNKNOWN_BASIS UNKNOWN_BASIS"]);
    let applied = stream.committed.len();
    stream.wait(60);
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    let done = world.assessor.apply(stream.committed[applied..].to_vec()).unwrap();
    assert_eq!((done.events, done.revised), (0, 1));
    assert_eq!(world.events(), ["1 UNKNOWN_BASIS AUTHORISED req-7"]);
    // Both verdicts stand in the history, and the late one says that it is late.
    let store = crate::store::SqliteStore::open(world.folder.path()).unwrap();
    let history = store.index().read().unwrap().verdicts(&id).unwrap();
    let codes: Vec<(bool, v1::VerdictCode)> = history.iter().map(|(t, v)| (*t, v.code())).collect();
    assert_eq!(
        codes,
        [
            (true, v1::VerdictCode::UnknownBasis),
            (false, v1::VerdictCode::UnknownBasis),
            (false, v1::VerdictCode::Authorised),
        ]
    );
    assert_eq!(history[2].1.registered_before_act(), v1::Ternary::No);
}

#[test]
fn a_statement_counts_when_its_head_is_logged() {
    let mut stream = router();
    let (covered, _) = blocks();
    stream.hit("r1", &covered, 1);
    stream.publish();
    stream.request("req-7", "ip:192.0.2.7");
    assert_eq!(World::of(&stream).events(), ["1 UNKNOWN_BASIS UNKNOWN_BASIS"]);
}

#[test]
fn registered_before_the_act_needs_a_seal_before_it() {
    let mut stream = router();
    let (covered, _) = blocks();
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    // No seal has named a checkpoint yet.
    stream.hit("r1", &covered, 1);
    stream.publish();
    // That seal named one; in its own second it is not before the hit.
    stream.hit("r1", &covered, 2);
    stream.wait(1);
    stream.hit("r1", &covered, 3);
    stream.publish();
    let world = World::of(&stream);
    let answer = world.query.list_events(v1::ListEventsRequest::default()).unwrap();
    let mut told: Vec<_> = answer
        .events
        .iter()
        .map(|e| (e.hits, e.as_known_now.as_ref().unwrap().registered_before_act()))
        .collect();
    told.sort_by_key(|(hits, _)| *hits);
    use v1::Ternary::{Unknown, Yes};
    assert_eq!(told, [(1, Unknown), (2, Unknown), (3, Yes)]);
}

#[test]
fn a_node_declared_late_has_a_place_now_and_had_none_then() {
    let mut stream = Stream::new();
    stream.enrol("r1");
    let (covered, _) = blocks();
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    stream.hit("r1", &covered, 1);
    stream.publish();
    stream.declare("r1", "DE", &[]);
    assert_eq!(
        World::of(&stream).events(),
        ["1 UNDETERMINED(scope) AUTHORISED req-7"],
        "not declared is not outside"
    );
    // Where it is declared to be later does not move what it did.
    stream.declare("r1", "FR", &[]);
    assert_eq!(World::of(&stream).events(), ["1 UNDETERMINED(scope) AUTHORISED req-7"]);
    stream.wait(1);
    stream.hit("r1", &covered, 2);
    stream.publish();
    assert_eq!(World::of(&stream).events()[1], "2 WRONG_PLACE WRONG_PLACE req-7");
}

#[test]
fn a_revoked_key_makes_its_leaves_unverifiable_from_a_size_on() {
    let mut stream = router();
    let (_, bare) = blocks();
    stream.hit("r1", &bare, 1);
    stream.publish();
    stream.hit("r1", &bare, 2);
    stream.publish();
    stream.revoke("r1", 4);
    let world = World::of(&stream);
    assert_eq!(world.events(), ["1 NO_BASIS NO_BASIS", "2 NO_BASIS UNVERIFIABLE"]);
}

/// The later one reaches further, and counts only from its own entry on.
#[test]
fn a_second_revocation_does_not_reach_back() {
    let mut stream = router();
    let (_, bare) = blocks();
    stream.hit("r1", &bare, 1);
    stream.publish();
    stream.revoke("r1", 9);
    stream.revoke("r1", 0);
    let world = World::of(&stream);
    assert_eq!(world.events(), ["1 NO_BASIS UNVERIFIABLE"]);
    let cut = World::at(&stream, stream.now_s, 1);
    assert_eq!(world.assessor.dump().unwrap(), cut.assessor.dump().unwrap());
}

#[test]
fn a_withheld_target_is_undetermined() {
    let mut stream = router();
    let (covered, _) = blocks();
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    stream.hit("r1", &covered, 1);
    stream.withhold("r1");
    stream.publish();
    let world = World::of(&stream);
    assert_eq!(world.events(), ["1 UNDETERMINED(erased) UNDETERMINED(erased) req-7"]);
}

/// Everything that the index can hold, in one stream.
fn eventful() -> Stream {
    let mut stream = router();
    let (covered, bare) = blocks();
    let domain = block(3, "domain_subtree:example.org for req-9");
    let area = block(4, "cell_area:mitte for req-7");
    stream.enrol("r2");
    stream.enrol_person("p1");
    stream.enrol_person("p2");
    stream.snapshot("r1", &[&covered]);
    stream.deed("r1", &area, v1::ServiceAct::Recorded, NOON, 0);
    stream.publish();
    for round in 0..5 {
        // Into the next day, which is another partition.
        stream.wait(if round == 3 { 86_400 } else { 7 });
        stream.hit("r1", &covered, round + 1);
        stream.hit("r2", &bare, 1);
        stream.install("r2", &domain);
        if round == 1 {
            stream.request("req-7", "ip:192.0.2.7");
        }
        if round == 2 {
            stream.request("req-9", "domain_exact:example.org");
            stream.gap("r1", 4, NOON, NOON + 10);
            stream.probe("r1", "https://example.org/", v1::ProbeResult::Reached, 64_500);
            stream.send("r1");
            stream.declare("r2", "DE-BE", &["acl nftables observed", "dpi vendor-dpi unobserved"]);
        }
        if round == 3 {
            let at_s = stream.now_s;
            stream.transition("req-7", TransitionKind::Revoke, at_s - 10);
            stream.remove("r2", &domain);
            stream.deed("r1", &area, v1::ServiceAct::Confirmed, NOON, 0);
            stream.snapshot("r1", &[&bare]);
        }
        if round == 4 {
            stream.generation("r1", 2);
            stream.deed("r1", &area, v1::ServiceAct::Recorded, NOON, 0);
            stream.snapshot("r1", &[&covered, &bare]);
            stream.revoke("r2", 3);
        }
        stream.publish();
    }
    stream
}

#[test]
fn the_rows_depend_on_the_stream_and_not_on_its_portions() {
    let stream = eventful();
    let whole = World::of(&stream).assessor.dump().unwrap();
    assert!(whole.iter().filter(|row| row.starts_with("event|")).count() > 10);
    assert_eq!(whole.iter().filter(|row| row.starts_with("part|")).count(), 4, "two, told twice");
    assert!(whole.iter().any(|row| row.starts_with("gap|")));
    assert!(whole.iter().any(|row| row.starts_with("loss|")));
    assert!(whole.iter().any(|row| row.starts_with("silence|")));
    assert!(whole.iter().any(|row| row.starts_with("probe|")));
    for run in [1, 2, 3, 7, 16] {
        let cut = World::at(&stream, stream.now_s, run).assessor.dump().unwrap();
        assert_eq!(cut, whole, "runs of {run}");
    }
}

#[test]
fn a_restart_at_any_point_comes_to_the_same() {
    let stream = eventful();
    let whole = World::of(&stream).assessor.dump().unwrap();
    let small = Limits { events_max: 2, told_max: 1 };
    let in_parts = World::cut(&stream, stream.now_s, usize::MAX, small).assessor.dump().unwrap();
    let all = (0..stream.committed.len()).step_by(3);
    let all = all.flat_map(|stop| [(stop, Limits::default(), &whole), (stop, small, &in_parts)]);
    for (stop, limits, whole) in all {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let store = SqliteStore::open_with(folder.path(), limits).unwrap();
            let chunks = std::sync::Arc::clone(&stream.chunks) as _;
            Assessor::open_store(store, operator(), chunks, std::sync::Arc::new(|| 0)).unwrap().0
        };
        let mut first = open();
        first.apply(stream.committed[..stop].to_vec()).unwrap();
        assert_eq!(first.watermark(), stop.checked_sub(1).map(|p| p as u64));
        drop(first);
        // The whole journal again.
        let mut second = open();
        second.apply(stream.committed.clone()).unwrap();
        assert_eq!(second.dump().unwrap(), *whole, "stopped after {stop}");
    }
}

/// A job of an entry that changes no register stands behind a long one, and both are under way when it stops.
#[test]
fn a_confirmation_that_a_stop_interrupts_is_judged_again() {
    let mut stream = router();
    let (covered, _) = blocks();
    let area = block(4, "cell_area:mitte for req-7");
    stream.enrol_person("p1");
    stream.enrol_person("p2");
    stream.deed("r1", &area, v1::ServiceAct::Recorded, NOON, 0);
    (0..super::AT_ONCE).for_each(|_| stream.hit("r1", &covered, 1));
    stream.publish();
    let before = stream.committed.len();
    stream.request("req-7", "ip:192.0.2.7");
    stream.publish();
    stream.deed("r1", &area, v1::ServiceAct::Confirmed, NOON, 0);
    stream.publish();
    let whole = World::of(&stream).assessor.dump().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let chunks = std::sync::Arc::clone(&stream.chunks) as _;
        Assessor::open(folder.path(), operator(), chunks).unwrap().0
    };
    let mut first = open();
    first.apply(stream.committed[..before].to_vec()).unwrap();
    first.apply(stream.committed[before..].to_vec()).unwrap();
    assert!(first.has_work());
    drop(first);
    let mut second = open();
    second.apply(stream.committed.clone()).unwrap();
    second.finish_work().unwrap();
    assert_eq!(second.dump().unwrap(), whole);
}

#[test]
fn a_rebuilt_index_is_the_same_and_takes_its_place() {
    let stream = eventful();
    let world = World::at(&stream, stream.now_s, 5);
    let live = world.assessor.dump().unwrap();
    let World { folder, assessor, query } = world;
    drop((assessor, query));
    let chunks = || std::sync::Arc::clone(&stream.chunks) as _;
    let last = rebuild(folder.path(), &operator(), chunks(), stream.committed.clone().into_iter())
        .unwrap();
    assert_eq!(last, Some(stream.committed.len() as u64 - 1));
    let (assessor, _) = Assessor::open(folder.path(), operator(), chunks()).unwrap();
    assert_eq!(assessor.dump().unwrap(), live);
    // Dropping and replaying is the other way.
    drop(assessor);
    Assessor::drop_index(folder.path()).unwrap();
    let (mut assessor, _) = Assessor::open(folder.path(), operator(), chunks()).unwrap();
    assert_eq!(assessor.watermark(), None);
    assessor.apply(stream.committed.clone()).unwrap();
    assert_eq!(assessor.dump().unwrap(), live);
}

#[test]
fn a_stream_out_of_order_is_refused() {
    let stream = eventful();
    let mut world = World::at(&stream, stream.now_s, 5);
    let again = world.assessor.apply(vec![stream.committed[3].clone()]);
    assert!(matches!(again, Err(AssessError::OutOfOrder { position: 3, .. })));
}

#[test]
fn an_index_of_another_schema_is_refused() {
    let stream = eventful();
    let world = World::of(&stream);
    let World { folder, assessor, query } = world;
    drop((assessor, query));
    let connection = rusqlite::Connection::open(folder.path().join("index/catalog.db")).unwrap();
    connection.execute("UPDATE projection SET schema = 99", []).unwrap();
    drop(connection);
    let opened =
        Assessor::open(folder.path(), operator(), std::sync::Arc::clone(&stream.chunks) as _);
    assert!(matches!(opened, Err(AssessError::Store(StoreError::Schema { found: 99 }))));
}

#[test]
fn the_index_of_a_build_before_is_refused_and_a_rebuild_takes_it_away() {
    let stream = eventful();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.db"), b"").unwrap();
    let chunks = || std::sync::Arc::clone(&stream.chunks) as _;
    let opened = Assessor::open(folder.path(), operator(), chunks());
    assert!(matches!(opened, Err(AssessError::Store(StoreError::Schema { found: 4 }))));
    rebuild(folder.path(), &operator(), chunks(), stream.committed.clone().into_iter()).unwrap();
    assert!(!folder.path().join("index.db").exists());
    assert!(Assessor::open(folder.path(), operator(), chunks()).is_ok());
}

/// The partition is committed before the catalog: what a crash between the two leaves is told again.
#[test]
fn a_catalog_that_is_behind_its_partition_catches_up() {
    let stream = eventful();
    let whole = World::of(&stream).assessor.dump().unwrap();
    for stop in [8, 20, stream.committed.len()] {
        let folder = tempfile::tempdir().unwrap();
        let chunks = || std::sync::Arc::clone(&stream.chunks) as _;
        let open = || Assessor::open(folder.path(), operator(), chunks()).unwrap().0;
        let catalog = folder.path().join("index/catalog.db");
        let mut first = open();
        first.apply(stream.committed[..stop / 2].to_vec()).unwrap();
        drop(first);
        let before = std::fs::read(&catalog).unwrap();
        let mut second = open();
        second.apply(stream.committed[..stop].to_vec()).unwrap();
        drop(second);
        std::fs::write(&catalog, before).unwrap();
        let mut third = open();
        third.apply(stream.committed.clone()).unwrap();
        third.finish_work().unwrap();
        assert_eq!(third.dump().unwrap(), whole, "behind from {stop}");
    }
}

#[test]
fn pages_run_through_all_partitions_newest_hit_first() {
    let stream = eventful();
    let world = World::in_parts(&stream, 2);
    let all = world.query.list_events(v1::ListEventsRequest::default()).unwrap().events;
    assert!(all.is_sorted_by(|newer, older| newer.last_s >= older.last_s));
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListEventsRequest { page_size: 2, page_token, ..Default::default() };
        let page = world.query.list_events(request).unwrap();
        seen.extend(page.events);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, all);
    // The same events, whatever way leads to them.
    let of = |filter: v1::Filter| {
        let request = v1::ListEventsRequest { filter: Some(filter), ..Default::default() };
        world.query.list_events(request).unwrap().events
    };
    let by_target = of(v1::Filter { target: "192.0.2.7".into(), ..Default::default() });
    let value = |event: &v1::EventRow| event.target.clone().unwrap_or_default().value;
    let wanted: Vec<_> = all.iter().filter(|e| value(e) == "192.0.2.7").cloned().collect();
    assert_eq!(by_target, wanted);
    assert!(by_target.len() > 2 && by_target.len() < all.len());
    let unverifiable = v1::VerdictCode::Unverifiable;
    let by_code = of(v1::Filter { verdicts: vec![unverifiable.into()], ..Default::default() });
    let code = |event: &v1::EventRow| event.as_known_now.clone().unwrap_or_default().code();
    let wanted: Vec<_> = all.iter().filter(|e| code(e) == unverifiable).cloned().collect();
    assert_eq!(by_code, wanted);
    assert!(!by_code.is_empty());
}

#[test]
fn a_question_under_way_keeps_its_state_and_holds_nobody_up() {
    let stream = eventful();
    let mut world = World::at(&stream, stream.now_s, 5);
    let index = std::sync::Arc::clone(world.query.index());
    let slow = index.read().unwrap();
    let before = slow.position().unwrap();
    let mut more = stream;
    let (covered, _) = blocks();
    let applied = more.committed.len();
    more.hit("r1", &covered, 77);
    more.request("req-12", "ip:192.0.2.7");
    more.publish();
    // Memory and index go on although somebody reads.
    world.assessor.apply(more.committed[applied..].to_vec()).unwrap();
    world.assessor.finish_work().unwrap();
    assert!(world.events().iter().any(|line| line.starts_with("77 ")));
    assert_eq!(slow.position().unwrap(), before);
    let mut hits = Vec::new();
    slow.for_each_event(&mut |event| hits.push(event.hits)).unwrap();
    assert!(!hits.contains(&77));
}

/// A register with a list, and what a change of it looks at.
#[test]
fn a_change_looks_at_what_it_can_reach_and_not_at_everything() {
    let mut stream = router();
    stream.request_with("req-7", "ip:192.0.2.7", |request| {
        request.task.as_mut().unwrap().covers_lists = vec!["black".into()];
    });
    stream.feed("black", "req-7");
    stream.version("black", ("1", ""), &["ip:192.0.2.8", "ip:192.0.2.9"], &[], 2);
    stream.publish();
    for host in 1..=50 {
        stream.hit("r1", &block(100 + host, &format!("ip:198.51.100.{host}")), 1);
    }
    stream.hit("r1", &block(1, "ip:192.0.2.8 for list:black@1"), 2);
    stream.hit("r1", &block(2, "ip:192.0.2.9"), 3);
    stream.hit("r1", &block(3, "ip:203.0.113.5"), 4);
    stream.hit("r1", &block(4, "ip:203.0.113.77 for req-9"), 5);
    stream.publish();
    let mut applied = 0;
    let mut world = World::of(&Stream::new());
    let mut change = |stream: &Stream| {
        let more = stream.committed[applied..].to_vec();
        applied = stream.committed.len();
        world.assessor.apply(more).unwrap();
        world.assessor.finish_work().unwrap();
        let ends = world.assessor.take_finished().unwrap();
        ends.iter().map(|end| (end.examined, end.revised)).collect::<Vec<_>>()
    };
    assert!(change(&stream).is_empty());
    // It adds what was hit before: that hit, and what claims the list.
    stream.wait(3600);
    stream.version("black", ("2", "1"), &["ip:203.0.113.5"], &[], 3);
    stream.publish();
    assert_eq!(change(&stream), [(2, 1)]);
    // A request that no list stands under: what touches it, and what claims it.
    stream.request("req-9", "ip:203.0.113.77");
    stream.publish();
    assert_eq!(change(&stream), [(1, 1)]);
    // The request of the list is annulled: its own target, the entries, and what claims either.
    stream.transition("req-7", TransitionKind::Annul, NOON - 10);
    stream.publish();
    // The hit from before its entry was too early with it, and still is.
    assert_eq!(change(&stream), [(3, 2)]);
    assert_eq!(world.check(), 54, "and nothing else would have changed");
}

#[test]
fn an_attribution_changes_now_and_not_then() {
    let mut stream = router();
    let (_, bare) = blocks();
    stream.hit("r1", &bare, 1);
    stream.publish();
    stream.wait(60);
    stream.request("req-8", "ip:198.51.100.9");
    stream.attribute("r1", &[2], "req-8");
    stream.publish();
    let world = World::of(&stream);
    assert_eq!(world.events(), ["1 NO_BASIS OUT_OF_SCOPE_TARGET req-8"]);
    assert_eq!(World::at(&stream, NOON, 1).events(), world.events(), "in whatever portions");
    // Who said so, and when, is told with it.
    let answer = world.query.list_events(v1::ListEventsRequest::default()).unwrap();
    let now = answer.events[0].as_known_now.clone().unwrap();
    assert_eq!(now.attributed.map(|said| said.recorded_at_s), Some(NOON + 60));
    assert_eq!(answer.events[0].as_known_then.clone().unwrap().attributed, None);
}

#[test]
fn a_baseline_holds_for_what_the_first_snapshot_lists_and_after_a_restart() {
    let mut stream = router();
    let (old, new) = (block(1, "ip:192.0.2.7"), block(2, "ip:198.51.100.1"));
    stream.snapshot("r1", &[&old]);
    stream.install("r1", &new);
    stream.hit("r1", &old, 3);
    stream.hit("r1", &new, 4);
    stream.publish();
    stream.baseline("r1", NOON + 1000);
    stream.publish();
    let mut world = World::of(&stream);
    let want = ["3 NO_BASIS BASELINE_UNATTRIBUTED", "4 NO_BASIS NO_BASIS"];
    assert_eq!(world.events(), want);
    assert_eq!(world.rules(), ["r1 1 BASELINE_UNATTRIBUTED 3", "r1 2 NO_BASIS 4"]);
    // Opened again, the memory is filled from the journal alone.
    let folder = std::mem::replace(&mut world.folder, tempfile::tempdir().unwrap());
    drop(world);
    let chunks = std::sync::Arc::<super::testing::MemoryChunks>::clone(&stream.chunks);
    let clock: crate::query::Clock = std::sync::Arc::new(|| NOON);
    let (mut assessor, query) =
        super::Assessor::open_with_clock(folder.path(), operator(), chunks, clock).unwrap();
    stream.wait(2000);
    stream.hit("r1", &old, 5);
    stream.publish();
    assessor.apply(stream.committed.clone()).unwrap();
    let world = World { folder, assessor, query };
    assert_eq!(world.events().last().unwrap(), "5 NO_BASIS NO_BASIS", "after the deadline");
    assert_eq!(world.rules()[0], "r1 1 NO_BASIS 8");
    assert_eq!(world.events()[..2], want, "and what was before stays");
}
