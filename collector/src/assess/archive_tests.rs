//! Days that go into the archive: the answers stay, whatever happens on the way.

use std::sync::Arc;

use remit_proto::v1::{self, TransitionKind};

use super::{
    Assessor, rebuild,
    testing::{NOON, Stream, World, block, operator},
};
use crate::store::{Archive, Exported, Hold, Limits, SqliteStore, StoreError, archive::export};

/// Two days, with verdicts that changed before they were archived.
fn two_days() -> Stream {
    let mut stream = Stream::new();
    for node in ["r1", "r2"] {
        stream.enrol(node);
    }
    stream.declare("r1", "DE", &["acl nftables observed"]);
    for day in 0..2 {
        for host in 1..=6_u64 {
            let of = block(host, &format!("ip:192.0.2.{host} for req-7"));
            stream.hit("r1", &of, host);
            stream.wait(40);
            stream.hit("r2", &block(host + 10, &format!("ip:198.51.100.{host}")), 1);
        }
        stream.install("r2", &block(90, "domain_subtree:example.org"));
        stream.hit("r2", &block(90, "domain_subtree:example.org"), 3);
        stream.publish();
        stream.hit("r1", &block(91, "ip:192.0.2.5"), 2);
        stream.withhold("r1");
        stream.publish();
        if day == 0 {
            stream.request("req-7", "cidr:192.0.2.0/30");
            stream.publish();
            stream.wait(86_400);
        }
    }
    stream
}

fn after(stream: &mut Stream) {
    stream.wait(86_400);
    stream.hit("r1", &block(1, "ip:192.0.2.1 for req-7"), 1);
    stream.publish();
}

fn no_step(_: &'static str) -> Result<(), StoreError> {
    Ok(())
}

const LATE: i64 = 1_000_000;

/// Archives whatever may be, as the log would: the entry comes by in the stream.
fn archive_all(world: &mut World, stream: &mut Stream, archive: &Archive) -> Vec<String> {
    let mut applied = stream.committed.len();
    while let Some(exported) = export(world.folder.path(), archive, LATE, &no_step).unwrap() {
        stream.archived(&exported);
        world.assessor.apply(stream.committed[applied..].to_vec()).unwrap();
        applied = stream.committed.len();
    }
    world.assessor.finish_work().unwrap();
    let mut gone = Vec::new();
    while let Some(name) = world.assessor.retire(archive).unwrap() {
        gone.push(name);
    }
    gone
}

/// Everything that people may ask: all lists, and a target by each of its ways.
fn answers(world: &World) -> Vec<String> {
    let mut told = Vec::new();
    let filters = [
        v1::Filter::default(),
        v1::Filter { target: "192.0.2.1".into(), ..Default::default() },
        v1::Filter { target: "192.0.2.0/24".into(), ..Default::default() },
        v1::Filter { target: "www.example.org".into(), ..Default::default() },
        v1::Filter { target: "203.0.113.1".into(), ..Default::default() },
        v1::Filter { nodes: vec!["r2".into()], ..Default::default() },
        v1::Filter { requests: vec!["req-7".into()], ..Default::default() },
        v1::Filter { since_s: NOON + 60, until_s: NOON + 200, ..Default::default() },
        v1::Filter { verdicts: vec![v1::VerdictCode::NoBasis.into()], ..Default::default() },
        v1::Filter { as_known_at_s: NOON + 500, ..Default::default() },
    ];
    for filter in filters {
        let mut page_token = String::new();
        loop {
            let request =
                v1::ListEventsRequest { filter: Some(filter.clone()), page_size: 3, page_token };
            let page = world.query.list_events(request).unwrap();
            told.extend(page.events.iter().map(|event| format!("{event:?}")));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        told.extend(world.findings_of(filter));
    }
    let index = world.query.index().read().unwrap();
    told.extend(index.days(0, 1_000_000).unwrap().iter().map(|sum| format!("{sum:?}")));
    told
}

fn of(stream: &Stream) -> World {
    World::in_parts(stream, 8)
}

#[test]
fn an_archived_day_answers_as_before() {
    let mut stream = two_days();
    after(&mut stream);
    let mut world = of(&stream);
    let archive = Archive::new(world.folder.path(), Vec::new());
    let (before, rows) = (answers(&world), world.assessor.dump().unwrap());
    let gone = archive_all(&mut world, &mut stream, &archive);
    assert_eq!(gone.first().map(String::as_str), Some("2026-01-15"));
    assert!(gone.len() >= 2, "{gone:?}");
    for name in &gone {
        let parts = world.folder.path().join("index/parts");
        assert!(!parts.join(format!("{name}.db")).exists(), "{name} is gone");
        assert!(parts.join(format!("{name}.side.db")).exists());
        assert!(world.folder.path().join(format!("archive/{name}.parquet")).exists());
    }
    assert_eq!(answers(&world), before);
    world.check();
    // Rows of the index are the same, but for what the log says of the archive.
    let is_event = |row: &&String| {
        ["event|", "revision|", "rule_sum|", "hour_sum|"].iter().any(|k| row.starts_with(k))
    };
    let now = world.assessor.dump().unwrap();
    assert_eq!(
        now.iter().filter(is_event).collect::<Vec<_>>(),
        rows.iter().filter(is_event).collect::<Vec<_>>()
    );
}

#[test]
fn what_changes_later_stands_beside_the_archive_and_is_put_over_it() {
    let mut stream = two_days();
    after(&mut stream);
    let mut hot = of(&stream);
    let mut cold = of(&stream);
    let archive = Archive::new(cold.folder.path(), Vec::new());
    let from = stream.committed.len();
    assert!(!archive_all(&mut cold, &mut stream, &archive).is_empty());
    let archived = stream.committed.len();
    hot.assessor.apply(stream.committed[from..].to_vec()).unwrap();
    stream.wait(60);
    stream.request("req-8", "ip:198.51.100.3");
    stream.transition("req-7", TransitionKind::Annul, NOON - 10);
    stream.publish();
    for world in [&mut hot, &mut cold] {
        world.assessor.apply(stream.committed[archived..].to_vec()).unwrap();
        world.assessor.finish_work().unwrap();
    }
    assert_eq!(answers(&cold), answers(&hot));
    assert_eq!(cold.assessor.dump().unwrap(), hot.assessor.dump().unwrap());
    cold.check();
    // Reassessments are logged with the same roots.
    let ends = |world: &mut World| format!("{:?}", world.assessor.take_finished().unwrap());
    assert_eq!(ends(&mut cold), ends(&mut hot));
}

/// Opened again after a crash; everything up to here was in the journal.
fn reopened(world: World, stream: &Stream) -> World {
    let World { folder, assessor, query } = world;
    drop((assessor, query));
    let store =
        SqliteStore::open_with(folder.path(), Limits { events_max: 8, ..Limits::default() })
            .unwrap();
    let chunks = Arc::clone(&stream.chunks) as _;
    let now_s = stream.now_s;
    let (mut assessor, query) =
        Assessor::open_store(store, operator(), chunks, Arc::new(move || now_s)).unwrap();
    assessor.apply(stream.committed.clone()).unwrap();
    assessor.finish_work().unwrap();
    World { folder, assessor, query }
}

fn crash_at(wanted: &'static str) -> impl Fn(&'static str) -> Result<(), StoreError> {
    move |step| match step == wanted {
        true => Err(StoreError::Damaged { what: "crash" }),
        false => Ok(()),
    }
}

#[test]
fn a_crash_at_any_step_leaves_all_to_answer_from_and_is_gone_over_again() {
    let written =
        ["file written", "file named", "file read back", "manifest written", "manifest named"];
    let retired = ["sidecar made", "catalog says so", "partition unlinked"];
    for crash in written.into_iter().chain(retired) {
        let mut stream = two_days();
        after(&mut stream);
        let mut world = of(&stream);
        let before = answers(&world);
        let archive = Archive::new(world.folder.path(), Vec::new());
        let exported = export(world.folder.path(), &archive, LATE, &crash_at(crash));
        assert_eq!(exported.is_err(), written.contains(&crash), "{crash}");
        if let Ok(Some(exported)) = exported {
            let from = stream.committed.len();
            stream.archived(&exported);
            world.assessor.apply(stream.committed[from..].to_vec()).unwrap();
            assert!(world.assessor.retire_until(&archive, &crash_at(crash)).is_err(), "{crash}");
        }
        let mut world = reopened(world, &stream);
        assert_eq!(answers(&world), before, "{crash}");
        assert!(!archive_all(&mut world, &mut stream, &archive).is_empty(), "{crash}");
        assert_eq!(answers(&world), before, "{crash}, gone over again");
        let world = reopened(world, &stream);
        assert_eq!(answers(&world), before, "{crash}, opened once more");
    }
}

#[test]
fn a_catalog_that_a_power_cut_set_back_finds_the_archive() {
    let mut stream = two_days();
    after(&mut stream);
    let mut world = of(&stream);
    let before = answers(&world);
    let archive = Archive::new(world.folder.path(), Vec::new());
    assert!(!archive_all(&mut world, &mut stream, &archive).is_empty());
    let catalog = world.folder.path().join("index/catalog.db");
    let connection = rusqlite::Connection::open(catalog).unwrap();
    connection.execute("UPDATE part SET archived = 0", []).unwrap();
    drop(connection);
    let mut world = reopened(world, &stream);
    assert_eq!(answers(&world), before);
    assert_eq!(world.assessor.retire(&archive).unwrap(), None, "there is nothing to let go of");
}

#[test]
fn nothing_is_dropped_that_the_archive_does_not_hold_as_it_was_written() {
    let mut stream = two_days();
    after(&mut stream);
    let mut world = of(&stream);
    let archive = Archive::new(world.folder.path(), Vec::new());
    let exported = export(world.folder.path(), &archive, LATE, &no_step).unwrap().unwrap();
    let mut apply = |world: &mut World, exported: &Exported| {
        let from = stream.committed.len();
        stream.archived(exported);
        world.assessor.apply(stream.committed[from..].to_vec()).unwrap();
    };
    // Another manifest than the one that lies there.
    apply(&mut world, &Exported { manifest: tlog::Hash([9; 32]), ..exported.clone() });
    assert_eq!(world.assessor.retire(&archive).unwrap(), None);
    apply(&mut world, &exported);
    // One byte of the file.
    let path = world.folder.path().join(format!("archive/{}.parquet", exported.partition));
    let whole = std::fs::read(&path).unwrap();
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    std::fs::write(&path, &altered).unwrap();
    assert_eq!(world.assessor.retire(&archive).unwrap(), None);
    std::fs::remove_file(&path).unwrap();
    let restarted = |world: &World| Archive::new(world.folder.path(), Vec::new());
    let archive = restarted(&world);
    assert_eq!(world.assessor.retire(&archive).unwrap(), None, "no file");
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(world.assessor.retire(&archive).unwrap(), None, "nobody looks again so soon");
    let archive = restarted(&world);
    assert_eq!(world.assessor.retire(&archive).unwrap(), Some(exported.partition));
}

#[test]
fn what_cannot_be_read_at_a_moment_is_no_verdict_on_an_archive() {
    let mut stream = two_days();
    after(&mut stream);
    let mut world = of(&stream);
    let archive = Archive::new(world.folder.path(), Vec::new());
    let exported = export(world.folder.path(), &archive, LATE, &no_step).unwrap().unwrap();
    let from = stream.committed.len();
    stream.archived(&exported);
    world.assessor.apply(stream.committed[from..].to_vec()).unwrap();
    for kind in ["json", "parquet"] {
        let name = format!("archive/{}.{kind}", exported.partition);
        let path = world.folder.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        // The system reads no bytes of a folder.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let error = world.assessor.retire(&archive).unwrap_err();
        assert!(format!("{error:?}").contains("IsADirectory"), "{kind}: {error:?}");
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, whole).unwrap();
    }
    assert_eq!(world.assessor.retire(&archive).unwrap(), Some(exported.partition));
}

#[test]
fn a_hold_keeps_a_partition() {
    let mut stream = two_days();
    after(&mut stream);
    let mut world = of(&stream);
    let free = Archive::new(world.folder.path(), Vec::new());
    let exported = export(world.folder.path(), &free, LATE, &no_step).unwrap().unwrap();
    let hold = |from_leaf| Hold {
        origin: format!("example.net/agent/r1/{:016x}", 1).parse().unwrap(),
        from_leaf,
        until_leaf: u64::MAX,
    };
    let held = Archive::new(world.folder.path(), vec![hold(0)]);
    let from = stream.committed.len();
    stream.archived(&exported);
    world.assessor.apply(stream.committed[from..].to_vec()).unwrap();
    assert_eq!(world.assessor.retire(&held).unwrap(), None, "after it was logged, too");
    let beyond = Archive::new(world.folder.path(), vec![hold(100_000)]);
    assert_eq!(world.assessor.retire(&beyond).unwrap(), Some(exported.partition));
}

#[test]
fn a_day_that_is_not_old_enough_or_not_sealed_stays() {
    let stream = two_days();
    let world = of(&stream);
    let archive = Archive::new(world.folder.path(), Vec::new());
    let today = NOON.div_euclid(86_400);
    assert_eq!(export(world.folder.path(), &archive, today, &no_step).unwrap(), None);
    let first = export(world.folder.path(), &archive, today + 1, &no_step).unwrap().unwrap();
    assert_eq!(first.partition, "2026-01-15");
    assert_eq!(
        export(world.folder.path(), &archive, today + 1, &no_step).unwrap(),
        Some(first),
        "told again until the log has it"
    );
}

/// The index of a world made anew in its place from the journal, and opened.
fn rebuilt(world: World, stream: &Stream) -> World {
    let World { folder, assessor, query } = world;
    drop((assessor, query));
    let chunks = || Arc::clone(&stream.chunks) as _;
    rebuild(folder.path(), &operator(), chunks(), stream.committed.iter().cloned()).unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let now_s = stream.now_s;
    let (mut assessor, query) =
        Assessor::open_store(store, operator(), chunks(), Arc::new(move || now_s)).unwrap();
    assessor.apply(stream.committed.clone()).unwrap();
    let query = query.seen_by(v1::DisclosureTier::Secret);
    World { folder, assessor, query }
}

#[test]
fn a_rebuild_from_the_journal_comes_to_the_same() {
    let mut stream = two_days();
    after(&mut stream);
    let mut world = World::of(&stream);
    let archive = Archive::new(world.folder.path(), Vec::new());
    assert!(!archive_all(&mut world, &mut stream, &archive).is_empty());
    let (before, rows) = (answers(&world), world.assessor.dump().unwrap());
    let mut world = rebuilt(world, &stream);
    assert_eq!(world.assessor.dump().unwrap(), rows);
    assert_eq!(answers(&world), before);
    // Its partitions go again, to the archive that is there.
    assert!(world.assessor.retire(&archive).unwrap().is_some());
    assert_eq!(answers(&world), before);
}

/// A day in which verdicts changed, and others came after that.
fn corrected_day() -> Stream {
    let mut stream = Stream::new();
    stream.enrol("r1");
    stream.enrol("r2");
    stream.declare("r1", "DE", &["acl nftables observed"]);
    for host in 1..=2 {
        stream.hit("r1", &block(host, &format!("ip:192.0.2.{host} for req-7")), host);
        stream.publish();
        stream.wait(60);
    }
    stream.request("req-7", "cidr:192.0.2.0/30");
    stream.publish();
    stream.wait(60);
    stream.hit("r1", &block(3, "ip:198.51.100.3"), 3);
    stream.publish();
    after(&mut stream);
    stream
}

/// The verdicts of a partition, in the order of their numbers.
fn verdicts(world: &World, file: &str) -> Vec<Vec<u8>> {
    let path = world.folder.path().join("index/parts").join(file);
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT verdict FROM verdict ORDER BY id").unwrap();
    let found = statement.query_map([], |row| row.get(0)).unwrap();
    found.map(Result::unwrap).collect()
}

#[test]
fn after_a_rebuild_a_day_goes_again_whatever_the_order_of_its_verdicts_was() {
    let mut stream = corrected_day();
    // As it came: what an entry reaches is judged again before the next one.
    let mut world = World::at(&stream, stream.now_s, 1);
    let as_it_came = verdicts(&world, "2026-01-15.db");
    let archive = Archive::new(world.folder.path(), Vec::new());
    assert_eq!(archive_all(&mut world, &mut stream, &archive), ["2026-01-15"]);
    let (before, rows) = (answers(&world), world.assessor.dump().unwrap());
    let mut world = rebuilt(world, &stream);
    let anew = verdicts(&world, "2026-01-15.db");
    assert_ne!(anew, as_it_came, "else this shows nothing");
    let archive = Archive::new(world.folder.path(), Vec::new());
    assert_eq!(world.assessor.retire(&archive).unwrap().as_deref(), Some("2026-01-15"));
    assert_eq!(verdicts(&world, "2026-01-15.side.db"), as_it_came, "the file's numbers");
    assert_eq!(answers(&world), before);
    assert_eq!(world.assessor.dump().unwrap(), rows);
    // And later changes come to what they come to elsewhere.
    let applied = stream.committed.len();
    stream.transition("req-7", TransitionKind::Annul, NOON - 10);
    stream.publish();
    world.assessor.apply(stream.committed[applied..].to_vec()).unwrap();
    world.assessor.finish_work().unwrap();
    let hot = World::of(&stream);
    assert_eq!(answers(&world), answers(&hot));
    world.check();
}

/// A partition that was changed after its archive was logged, and whether it goes.
fn goes_after(change: &str) -> bool {
    let mut stream = corrected_day();
    let mut world = World::of(&stream);
    let archive = Archive::new(world.folder.path(), Vec::new());
    let exported = export(world.folder.path(), &archive, LATE, &no_step).unwrap().unwrap();
    let from = stream.committed.len();
    stream.archived(&exported);
    world.assessor.apply(stream.committed[from..].to_vec()).unwrap();
    let path = world.folder.path().join(format!("index/parts/{}.db", exported.partition));
    rusqlite::Connection::open(&path).unwrap().execute_batch(change).unwrap();
    let goes = world.assessor.retire(&archive).unwrap().is_some();
    assert_eq!(path.exists(), !goes, "its own file answers until it goes");
    goes
}

#[test]
fn an_archive_that_says_something_else_of_an_event_is_not_read() {
    assert!(goes_after(""));
    let swapped = |table: &str, column: &str| {
        format!(
            "UPDATE {table} SET {column} = -{column} WHERE {column} IN (1, 2);
             UPDATE {table} SET {column} = 3 + {column} WHERE {column} < 0;"
        )
    };
    // By rules: the first two events are of rules 1 and 2.
    assert!(!goes_after(&swapped("ev", "rule")));
    assert!(!goes_after(&swapped("ev", "then_verdict")));
    assert!(!goes_after("UPDATE ev SET hit = 1 WHERE id = 1"));
    assert!(!goes_after("UPDATE run SET first_leaf = first_leaf + 1 WHERE first_id = 3"));
    // The same leaves in all, and each in the other's place.
    assert!(!goes_after(
        "CREATE TEMP TABLE two AS SELECT first_id, first_leaf FROM run WHERE first_id IN (1, 2);
         UPDATE run SET first_leaf =
             (SELECT first_leaf FROM two WHERE two.first_id <> run.first_id)
         WHERE first_id IN (1, 2)"
    ));
}
