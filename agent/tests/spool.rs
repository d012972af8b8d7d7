//! The spool against an obvious model: a list of what was made durable.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests: each file uses its part, and what fails should fail loudly"
)]

mod common;

use std::{fs, path::PathBuf};

use common::*;
use proptest::prelude::*;
use remit_agent::{
    observation::{CounterReading, Report},
    recorder::{Receipt, Recorder, RecorderError},
    spool::{Spool, View, look::Look},
};
use remit_proto::v1::{GenerationReason, LossCause, leaf::Body};

fn segments(node: &Node) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(node.spool_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "seg"))
        .collect();
    paths.sort();
    paths
}

fn damaged(node: &Node) -> usize {
    fs::read_dir(node.spool_dir())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "damaged"))
        .count()
}

/// Total of hits that the leaves of a generation tell of.
fn total(node: &Node, view: &View, ordinal: u32) -> u64 {
    activities(&leaves(&node.spool_dir(), view, ordinal)).iter().map(|a| a.hits).sum()
}

fn work(node: &Node, recorder: &mut Recorder, count: u64) {
    recorder.report(hits(vec![hit(1, NOW_S, count)])).unwrap();
    node.pass(recorder, 1000);
}

fn view(recorder: &Recorder) -> View {
    recorder.watch().borrow().clone()
}

/// A node with three batches of hits (1, 2 and 4), stopped by a kill.
fn killed() -> (Node, u64) {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    work(&node, &mut recorder, 1);
    work(&node, &mut recorder, 2);
    let before_last = fs::metadata(&segments(&node)[0]).unwrap().len();
    work(&node, &mut recorder, 4);
    (node, before_last)
}

#[test]
fn wherever_the_last_append_is_torn_everything_before_it_is_there() {
    let (node, before_last) = killed();
    let path = segments(&node).remove(0);
    let whole = fs::read(&path).unwrap();
    for size in before_last as usize..whole.len() {
        fs::write(&path, &whole[..size]).unwrap();
        let (spool, recovery) = node.open().unwrap();
        assert_eq!(recovery.torn_bytes, size as u64 - before_last, "at {size}");
        assert_eq!(recovery.damage, None, "at {size}");
        assert_eq!(total(&node, &spool.watch().borrow(), 1), 3, "at {size}");
        drop(spool);
        assert_eq!(fs::metadata(&path).unwrap().len(), before_last);
    }
    // And it goes on from there, in the same tree.
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    work(&node, &mut recorder, 8);
    assert_eq!(recorder.tree().ordinal, 1);
    assert_eq!(total(&node, &view(&recorder), 1), 11);
    assert_eq!(last_seal(&leaves(&node.spool_dir(), &view(&recorder), 1)).sources[0].recorded, 11);
}

#[test]
fn wherever_the_first_batch_is_torn_the_tree_begins_with_its_genesis() {
    let node = Node::individual();
    drop(node.start());
    let path = segments(&node).remove(0);
    let whole = fs::read(&path).unwrap();
    for size in (0..whole.len()).step_by(29) {
        // As a kill leaves it: the spool counts as new until its first batch is durable.
        fs::write(&path, &whole[..size]).unwrap();
        fs::write(node.spool_dir().join("new"), "").unwrap();
        let recorder = node.start();
        assert_eq!(recorder.tree().ordinal, 1, "at {size}");
        let bodies = leaves(&node.spool_dir(), &view(&recorder), 1);
        let Some(Body::Genesis(genesis)) = bodies.first() else { panic!("at {size}: {bodies:?}") };
        assert_eq!(genesis.reason(), GenerationReason::Enrolled, "at {size}");
        assert!(!node.spool_dir().join("new").exists());
        drop(recorder);
        for segment in segments(&node) {
            fs::remove_file(segment).unwrap();
        }
    }
}

#[test]
fn a_tail_of_zeroes_or_of_noise_is_torn_as_well() {
    let (node, before_last) = killed();
    let path = segments(&node).remove(0);
    let whole = fs::read(&path).unwrap();
    for fill in [0_u8, 0x5a] {
        let mut bytes = whole[..before_last as usize].to_vec();
        bytes.extend(vec![fill; whole.len() - before_last as usize]);
        fs::write(&path, &bytes).unwrap();
        let (spool, recovery) = node.open().unwrap();
        assert_eq!((recovery.damage, recovery.torn_bytes > 0), (None, true));
        assert_eq!(total(&node, &spool.watch().borrow(), 1), 3);
    }
}

#[test]
fn damage_before_the_end_is_no_torn_tail() {
    let (node, before_last) = killed();
    let path = segments(&node).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let at = before_last as usize - 20;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let mut recorder = node.start();
    assert_eq!(damaged(&node), 1);
    assert_eq!(recorder.tree().ordinal, 2);
    let bodies = leaves(&node.spool_dir(), &view(&recorder), 2);
    assert_eq!(kinds(&bodies), "genesis start gap seal");
    let Some(Body::Genesis(genesis)) = bodies.first() else { panic!() };
    assert_eq!(genesis.reason(), GenerationReason::SpoolDamaged);
    // The last head that can be read, and its leaves, which can still be sent.
    assert_eq!(total(&node, &view(&recorder), 1), 1);
    let (_, old) = batches(&node.spool_dir(), &view(&recorder), 1);
    assert_eq!(genesis.previous.as_ref().unwrap().size, old.edge.size());
    assert_eq!(gaps(&bodies)[0].cause(), LossCause::SpoolDamaged);
    assert!(!gaps(&bodies)[0].count_known);
    // No human is needed, now or at the next start.
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    work(&node, &mut recorder, 5);
    drop(recorder);
    assert_eq!(node.start().tree().ordinal, 2);
}

#[test]
fn what_a_window_held_before_damage_is_not_told_a_second_time() {
    let node = Node::new("lines_served = 1000");
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    work(&node, &mut recorder, 7);
    // The batch in which the window becomes a leaf is damaged, and the collector may have it.
    let path = segments(&node).remove(0);
    let at = fs::metadata(&path).unwrap().len() as usize + 20;
    node.pass(&mut recorder, 900_000);
    work(&node, &mut recorder, 2);
    drop(recorder);
    let mut bytes = fs::read(&path).unwrap();
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let mut recorder = node.start();
    node.pass(&mut recorder, 1_800_000);
    assert_eq!((recorder.tree().ordinal, total(&node, &view(&recorder), 1)), (2, 0));
    let bodies = leaves(&node.spool_dir(), &view(&recorder), 2);
    assert_eq!(activities(&bodies).len(), 0);
    let known: Vec<_> = gaps(&bodies).into_iter().filter(|gap| gap.count_known).collect();
    assert_eq!(
        known.iter().map(|gap| (gap.cause(), gap.count)).collect::<Vec<_>>(),
        [(LossCause::SpoolDamaged, 7)]
    );
    let account = last_seal(&bodies).sources[0].clone();
    assert_eq!((account.recorded, account.lost[0].count), (0, 7));
}

#[test]
fn a_segment_that_is_gone_or_another_ones_is_damage() {
    for swap in [false, true] {
        let node = Node::individual();
        let mut recorder = node.start();
        recorder.report(state(vec![rule(1, "de/1")])).unwrap();
        while view(&recorder).segments.len() < 4 {
            recorder.report(hits(vec![hit(1, NOW_S, 1); 1000])).unwrap();
            node.pass(&mut recorder, 1000);
        }
        drop(recorder);
        let paths = segments(&node);
        if swap {
            fs::copy(&paths[2], &paths[1]).unwrap();
        } else {
            fs::remove_file(&paths[1]).unwrap();
        }
        let recorder = node.start();
        assert_eq!(recorder.tree().ordinal, 2);
    }
}

#[test]
fn a_whole_backlog_of_segments_reads_back_and_goes_on() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    let mut sum = 0;
    while view(&recorder).segments.len() < 3 {
        recorder.report(hits(vec![hit(1, NOW_S, 3); 900])).unwrap();
        node.pass(&mut recorder, 1000);
        sum += 2700;
    }
    drop(recorder);
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    work(&node, &mut recorder, 1);
    assert_eq!(total(&node, &view(&recorder), 1), sum + 1);
    assert_eq!(
        last_seal(&leaves(&node.spool_dir(), &view(&recorder), 1)).sources[0].recorded,
        sum + 1
    );
    let longest = view(&recorder).segments.iter().map(|segment| segment.bytes).max().unwrap();
    assert!(longest <= 4 * 1024 * 1024, "{longest}");
}

#[test]
fn a_large_state_does_not_make_a_segment_of_each_batch() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    let counters = (0..90_000_u64).map(|n| (format!("inet/t/set/list/{n:040}").into(), n));
    let reading = CounterReading {
        source: SOURCE,
        at_s: NOW_S,
        counters: counters.collect(),
        self_protection: Vec::new(),
    };
    recorder.report(Report::Counters(reading)).unwrap();
    for _ in 0..20 {
        work(&node, &mut recorder, 1);
    }
    let sizes = |recorder: &Recorder| -> Vec<u64> {
        view(recorder).segments.iter().map(|segment| segment.bytes).collect()
    };
    let [_, large] = sizes(&recorder).try_into().unwrap();
    assert!(large > 4 * 1024 * 1024, "{large}");
    // Nor does a start.
    drop(recorder);
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    work(&node, &mut recorder, 1);
    assert_eq!(sizes(&recorder).len(), 2);
    assert_eq!(total(&node, &view(&recorder), 1), 21);
}

#[test]
fn an_old_generation_in_front_does_not_keep_what_is_safe_of_the_new_one() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    node.receipts.send_modify(|receipts| receipts.rolled_back = Some(1));
    node.pass(&mut recorder, 1000);
    while view(&recorder).segments.len() < 4 {
        recorder.report(hits(vec![hit(1, NOW_S, 1); 900])).unwrap();
        node.pass(&mut recorder, 1000);
    }
    let before = view(&recorder).segments;
    assert_eq!(before.iter().map(|s| s.ordinal).collect::<Vec<_>>(), [1, 2, 2, 2]);
    let chunks = || fs::read_dir(node.spool_dir().join("chunks")).unwrap().count();
    assert_eq!(chunks(), 2);
    let receipt = Receipt { safe: before[1].end, logged: before[2].end };
    node.receipts.send_modify(|receipts| {
        receipts.generations.insert(2, receipt);
    });
    node.pass(&mut recorder, 1000);
    assert_eq!(view(&recorder).segments, [before[0], before[2], before[3]]);
    assert_eq!(segments(&node).len(), 3);
    assert_eq!(chunks(), 1, "the snapshot of the old generation is still there");
}

#[test]
fn what_a_crash_left_of_a_file_being_replaced_goes_at_the_next_start() {
    let (node, _) = killed();
    let rest = segments(&node)[0].with_extension("new");
    fs::write(&rest, b"half of it").unwrap();
    drop(node.start());
    assert!(!rest.exists());
}

#[test]
fn another_process_sees_what_is_recorded_from_now_on_and_the_root_that_was_signed() {
    let node = Node::individual();
    let mut early = Look::at_end(&node.spool_dir()).unwrap();
    assert!(early.next_batch().unwrap().is_none());
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    work(&node, &mut recorder, 1);
    let mut late = Look::at_end(&node.spool_dir()).unwrap();
    assert!(late.next_batch().unwrap().is_none(), "all of that was there before");
    let mut sizes = Vec::new();
    // Enough for several segments, which are released meanwhile by nobody.
    for count in 0..1200 {
        recorder.report(hits(vec![hit(1, NOW_S, 1); 40])).unwrap();
        node.pass(&mut recorder, 1000);
        sizes.push((recorder.tree().edge.size(), recorder.tree().edge.root()));
        if count % 300 == 299 {
            let seen: Vec<_> = std::iter::from_fn(|| late.next_batch().unwrap()).collect();
            let ends: Vec<_> = seen.iter().map(|batch| (batch.size, batch.root)).collect();
            assert_eq!(ends, sizes);
            assert!(seen.iter().all(|batch| batch.first + batch.leaves.len() as u64 == batch.size));
            sizes.clear();
        }
    }
    assert!(segments(&node).len() > 2, "{}", segments(&node).len());
    let last = std::iter::from_fn(|| early.next_batch().unwrap()).last().unwrap();
    assert_eq!((last.size, last.root), (recorder.tree().edge.size(), recorder.tree().edge.root()));
    assert_eq!(last.origin, recorder.tree().origin);
}

#[test]
fn what_is_half_written_is_not_seen_before_it_is_whole() {
    let (node, before_last) = killed();
    let path = segments(&node)[0].clone();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..usize::try_from(before_last).unwrap() + 20]).unwrap();
    let mut look = Look::at_end(&node.spool_dir()).unwrap();
    assert!(look.next_batch().unwrap().is_none());
    fs::write(&path, &whole).unwrap();
    assert!(look.next_batch().unwrap().is_some());
    assert!(look.next_batch().unwrap().is_none());
}

#[test]
fn two_agents_cannot_have_one_spool() {
    let node = Node::individual();
    let _first = node.start();
    let second = Spool::open(&node.spool_dir(), u64::MAX).map(|_| ()).unwrap_err();
    assert!(second.to_string().contains("another agent"), "{second}");
}

#[test]
fn at_the_byte_limit_logged_leaves_go_early_and_unlogged_ones_never() {
    let mut node = Node::individual();
    node.config.spool_bytes_max = 16 * 1024 * 1024;
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    let fill = |recorder: &mut Recorder, batches: u64| {
        for _ in 0..batches {
            recorder.report(hits(vec![hit(1, NOW_S, 1); 900])).unwrap();
            node.pass(recorder, 1000);
        }
    };
    fill(&mut recorder, 200);
    let recorded_then =
        last_seal(&leaves(&node.spool_dir(), &view(&recorder), 1)).sources[0].clone();
    assert!(recorded_then.recorded < 180_000, "the limit was reached");
    let first = view(&recorder).segments[0];
    assert_eq!(first.first, 0, "nothing unlogged was released");

    // Logged, and not yet safe: it goes early, is counted, and nothing is lost any more.
    let end = view(&recorder).segments.last().unwrap().first;
    node.receipts.send_modify(|receipts| {
        receipts.generations.insert(1, Receipt { safe: 0, logged: end });
    });
    node.pass(&mut recorder, 1000);
    node.pass(&mut recorder, 1000);
    fill(&mut recorder, 5);
    let mut reader = remit_agent::spool::Reader::new(node.spool_dir());
    let view = view(&recorder);
    assert!(view.segments[0].first > 0);
    let mut size = view.segments[0].first;
    let mut seal = None;
    let mut lost = 0;
    while let Some(spooled) = reader.batch(&view, 1, size).unwrap() {
        size = spooled.size;
        for leaf in &spooled.batch.leaves {
            match evidence::Leaf::decode(leaf).unwrap().body() {
                Some(Body::Seal(s)) => seal = Some(s.clone()),
                Some(Body::Gap(gap)) if gap.cause() == LossCause::SpoolFull => lost += gap.count,
                _ => {}
            }
        }
    }
    let seal = seal.unwrap();
    assert_eq!(seal.released_early, view.segments[0].first);
    let account = &seal.sources[0];
    assert_eq!(account.recorded + lost, 205 * 900, "each hit is recorded or lost(SPOOL_FULL)");
    let in_account: u64 = account.lost.iter().map(|loss| loss.count).sum();
    assert_eq!(in_account, lost);
}

#[test]
fn at_the_byte_limit_what_nobody_takes_any_more_is_set_aside() {
    let mut node = Node::individual();
    node.config.spool_bytes_max = 16 * 1024 * 1024;
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    for _ in 0..200 {
        recorder.report(hits(vec![hit(1, NOW_S, 1); 900])).unwrap();
        node.pass(&mut recorder, 1000);
    }
    let old = view(&recorder).segments;
    assert_eq!(old[0].first, 0, "nothing unlogged was released");
    // The collector holds another history of this generation.
    node.receipts.send_modify(|receipts| {
        receipts.rolled_back = Some(1);
        receipts.given_up = [1].into();
    });
    node.pass(&mut recorder, 1000);
    node.pass(&mut recorder, 1000);
    assert_eq!(recorder.tree().ordinal, 2, "there was room to begin anew");
    work(&node, &mut recorder, 7);
    assert_eq!(total(&node, &view(&recorder), 2), 7);

    let aside = node.spool_dir().join("aside");
    let names = |extension: &str| {
        let entries = fs::read_dir(&aside).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|e| e == extension)).count()
    };
    let kept = view(&recorder).segments.iter().filter(|s| s.ordinal == 1).count();
    assert!(names("seg") > 0 && kept > 0, "no more than was needed");
    assert_eq!(segments(&node).len(), kept + 1);
    // The snapshot of the old generation went with the leaf that names it.
    assert_eq!(fs::read_dir(&aside).unwrap().count(), names("seg") + 1);
    assert_eq!(fs::read_dir(node.spool_dir().join("chunks")).unwrap().count(), 1);
    // And a restart finds nothing wrong.
    drop(recorder);
    assert_eq!(node.start().tree().ordinal, 2);
    assert_eq!(damaged(&node), 0);
}

/// A disk that is really full. Needs to be root for its own small file system.
#[test]
fn a_full_disk_is_counted_to_the_unit_and_survived() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m", "remit-test"])
        .arg(dir.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("not root: a small file system cannot be mounted, nothing was tested");
        return;
    }
    let path = dir.path().to_owned();
    let _unmount = Unmount(path.clone());
    let settings = "lines_served = 1000\nwindow_s = 0\nindividual_actions = true";
    let node = Node::at(dir, settings);
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1"), rule(2, "de/2")])).unwrap();
    let mut offered = 0;
    let mut give = |recorder: &mut Recorder, rounds: u64| {
        for _ in 0..rounds {
            recorder.report(hits(vec![hit(1, NOW_S, 3), hit(2, NOW_S, 4)])).unwrap();
            node.pass(recorder, 1000);
            offered += 7;
        }
        offered
    };
    give(&mut recorder, 20);
    // Somebody else fills the disk.
    let filler = path.join("filler");
    let chunk = vec![1_u8; 4096];
    let mut file = fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
    give(&mut recorder, 500);
    recorder.report(state(vec![rule(1, "de/1"), rule(3, "de/3")])).unwrap();
    drop(file);
    fs::remove_file(&filler).unwrap();
    node.pass(&mut recorder, 1000);
    let offered = give(&mut recorder, 1);
    let bodies = leaves(&node.spool_dir(), &view(&recorder), 1);
    let told: u64 = activities(&bodies).iter().map(|a| a.hits).sum();
    let full: Vec<_> =
        gaps(&bodies).into_iter().filter(|g| g.cause() == LossCause::SpoolFull).cloned().collect();
    assert_eq!(told + full.iter().map(|gap| gap.count).sum::<u64>(), offered);
    assert!(full.iter().all(|gap| gap.rule != 0 && gap.claims.len() == 1));
    // The rules changed meanwhile: a snapshot says how they stand.
    assert!(kinds(&bodies).contains("gap"));
    assert_eq!(bodies.iter().filter(|b| matches!(b, Body::RuleSnapshot(_))).count(), 2);
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_start_without_room_says_so() {
    let mut node = Node::individual();
    node.config.spool_bytes_max = 10;
    // The header fits no limit, the first batch does not: it waits, and nothing is signed away.
    let recorder = node.try_start();
    assert!(matches!(recorder, Ok(_) | Err(RecorderError::NoRoom)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// One flipped bit anywhere: never misread. What is told is a beginning of what was recorded,
    /// and if any of it is missing, that is said or the last append is what is missing.
    #[test]
    fn a_flipped_bit_is_never_misread(place in 0.0..1.0_f64, bit in 0..8_u8) {
        let (node, before_last) = killed();
        let path = segments(&node).remove(0);
        let mut bytes = fs::read(&path).unwrap();
        let at = (place * bytes.len() as f64) as usize;
        bytes[at] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        let (spool, recovery) = node.open().unwrap();
        let view = spool.watch().borrow().clone();
        if view.segments.is_empty() {
            prop_assert!(recovery.damage.is_some());
        } else {
            let told = total(&node, &view, 1);
            prop_assert!([0, 1, 3].contains(&told), "{}", told);
            if (at as u64) < before_last {
                prop_assert!(recovery.damage.is_some());
                prop_assert_eq!(damaged(&node), 1);
            } else {
                prop_assert!(recovery.torn_bytes > 0);
                prop_assert_eq!(told, 3);
            }
        }
    }

    /// Random work, kills and torn tails: every hit that was durable is told once, in order, and
    /// the ledger agrees with the leaves.
    #[test]
    fn what_was_durable_is_told_exactly_once(
        steps in proptest::collection::vec((0..5_u8, 1..50_u64), 1..40),
    ) {
        let node = Node::individual();
        let mut recorder = node.start();
        recorder.report(state(vec![rule(1, "de/1")])).unwrap();
        let mut model: Vec<u64> = Vec::new();
        let mut waiting: Vec<u64> = Vec::new();
        for (step, count) in steps {
            match step {
                0..=2 => {
                    recorder.report(hits(vec![hit(1, NOW_S, count)])).unwrap();
                    waiting.push(count);
                }
                3 => {
                    node.pass(&mut recorder, 1000);
                    model.append(&mut waiting);
                }
                _ => {
                    drop(recorder);
                    waiting.clear();
                    if count % 2 == 0 {
                        // The crash tore an append.
                        let path = segments(&node).pop().unwrap();
                        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
                        std::io::Write::write_all(&mut file, &vec![7; count as usize]).unwrap();
                    }
                    recorder = node.start();
                    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
                }
            }
        }
        node.pass(&mut recorder, 1000);
        model.append(&mut waiting);
        let bodies = leaves(&node.spool_dir(), &view(&recorder), 1);
        let told: Vec<u64> = activities(&bodies).iter().map(|a| a.hits).collect();
        prop_assert_eq!(&told, &model);
        prop_assert_eq!(last_seal(&bodies).sources[0].recorded, model.iter().sum::<u64>());
    }
}
