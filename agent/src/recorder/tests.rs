//! Each durable step of an append in its forms: it did not land, it failed and did not land, it
//! failed and did land. (What is read back in general is tested in `tests/recorder.rs`.)

use std::sync::Arc;

use prost::Message as _;
use remit_proto::v1::{self, SourceKind};
use tokio::sync::watch;

use super::{Launch, Receipts, Recorder, RecorderError, StartFacts, windows::Windows};
use crate::{
    clock::Clock,
    config::Config,
    keys::{Identity, NodeKey},
    observation::{Hit, KnownRule, NotParsed, Report, Response, RuleNumber, RuleState},
    spool::{Fault, Reader, Spool, prepare_new, state::WindowState},
};

const NOW_S: i64 = 1_700_000_000;

struct Node {
    dir: tempfile::TempDir,
    clock: Clock,
}

impl Node {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        prepare_new(dir.path()).unwrap();
        Self { dir, clock: Clock::manual(NOW_S) }
    }

    fn start(&self) -> Recorder {
        let text = "dir = \"/d\"\nlines_served = 1000\nwindow_s = 0\nindividual_actions = true\n\
                    [collector]\nurl = \"https://c\"\n";
        let (spool, recovery) = Spool::open(self.dir.path(), u64::MAX).unwrap();
        let log = NodeKey::from_secret([5; 32]).enrolling().unwrap().verifier().to_string();
        let (_, receipts) = watch::channel(Receipts::default());
        let mut recorder = Recorder::start(Launch {
            config: Config::parse(text, &|_| Err(String::new())).unwrap(),
            clock: self.clock.clone(),
            key: NodeKey::from_secret([9; 32]),
            identity: Identity::parse("example.net", "edge-1", &log, "").unwrap(),
            facts: StartFacts {
                boot_id: [1; 16],
                kernel_version: String::new(),
                sandbox: v1::Sandbox::default(),
                sources: vec![SourceKind::Nftables],
            },
            spool,
            recovery,
            receipts,
        })
        .unwrap();
        recorder.report(rules()).unwrap();
        recorder
    }

    fn hit(&self, recorder: &mut Recorder, count: u64) -> Result<(), RecorderError> {
        let hit = Hit {
            rule: RuleNumber(1),
            at_s: NOW_S,
            count,
            hit_target: None,
            response: Response::Silent,
            other_candidates: Vec::new(),
        };
        let source = SourceKind::Nftables;
        recorder.report(Report::Hits {
            source,
            hits: vec![hit],
            not_parsed: NotParsed::default(),
            cursor: None,
            canaries: None,
            import: None,
        })?;
        self.clock.advance_ms(1000);
        recorder.tick()
    }
}

fn rules() -> Report {
    let rule = KnownRule {
        number: RuleNumber(1),
        technique: v1::Technique::IpAclDrop,
        trigger: v1::Trigger::Destination,
        direction: v1::Direction::ToTarget,
        actor: v1::Actor::Unknown,
        claims: Vec::new(),
        claim_origin: v1::ClaimOrigin::None,
        narrowed: false,
        names_sampled: false,
        rate_bits_per_s: None,
        counter: None,
        target: v1::Target { kind: v1::TargetKind::Ip.into(), value: "203.0.113.1".into() },
        native: String::new(),
    };
    Report::Rules(RuleState {
        source: SourceKind::Nftables,
        at_s: NOW_S,
        generation: 1,
        changed_by: String::new(),
        rules: vec![Arc::new(rule)],
        unstable: false,
        partial: false,
    })
}

/// Recorded and lost, by the ledger that is durable.
fn account(recorder: &Recorder) -> (u64, u64) {
    let [account] = recorder.ledger.accounts().try_into().unwrap();
    (account.recorded, account.lost.iter().map(|loss| loss.count).sum())
}

#[test]
fn a_window_that_no_collector_would_take_becomes_a_gap() {
    let node = Node::new();
    let mut recorder = node.start();
    // As a build before this one could leave it: a window that begins in 1970 itself.
    let rule = v1::Rule { number: 1, source: SourceKind::Nftables.into(), ..Default::default() };
    recorder.windows = Windows::restore(vec![WindowState {
        rule: rule.encode_to_vec(),
        hits: 3,
        length_s: 900,
        first_s: 5,
        last_s: 5,
        ..WindowState::default()
    }]);
    recorder.tick().unwrap();
    let gap = recorder.gaps.take().unwrap();
    assert_eq!((gap.cause(), gap.rule, gap.count), (v1::LossCause::NotParsed, 1, 3));
    assert!(recorder.windows.all().is_empty());
}

#[test]
fn without_room_the_batch_waits_and_lands_once() {
    let node = Node::new();
    let mut recorder = node.start();
    recorder.spool.fail(Fault::NoSpace);
    node.hit(&mut recorder, 1).unwrap();
    assert!(recorder.stuck.is_some());
    let before = recorder.watch().borrow().segments[0].end;
    node.hit(&mut recorder, 2).unwrap(); // counted, and the waiting batch lands in this tick
    assert!(recorder.stuck.is_none());
    assert!(recorder.watch().borrow().segments[0].end > before);
    node.hit(&mut recorder, 4).unwrap();
    assert_eq!(account(&recorder), (5, 2));
    drop(recorder);
    assert_eq!(account(&node.start()), (5, 2));
}

#[test]
fn a_write_that_failed_and_did_not_land_stops_and_is_as_if_it_had_not_been() {
    let node = Node::new();
    let mut recorder = node.start();
    node.hit(&mut recorder, 1).unwrap();
    recorder.spool.fail(Fault::WriteFails);
    let error = node.hit(&mut recorder, 2).unwrap_err();
    assert!(matches!(error, RecorderError::Spool(_)));
    drop(recorder);
    assert_eq!(account(&node.start()), (1, 0));
}

#[test]
fn a_sync_that_failed_and_did_land_stops_and_is_found_at_the_next_start() {
    let node = Node::new();
    let mut recorder = node.start();
    node.hit(&mut recorder, 1).unwrap();
    let published = recorder.watch().borrow().segments[0].end;
    recorder.spool.fail(Fault::SyncFailsButLands);
    let error = node.hit(&mut recorder, 2).unwrap_err();
    assert!(matches!(error, RecorderError::Spool(_)));
    // Nobody has heard of it: its head did not leave the node.
    assert_eq!(recorder.watch().borrow().segments[0].end, published);
    drop(recorder);
    let recorder = node.start();
    assert_eq!(account(&recorder), (3, 0));
    assert_eq!(recorder.tree().ordinal, 1);
}

#[test]
fn a_snapshot_that_found_no_room_is_written_in_a_tick() {
    let node = Node::new();
    let mut recorder = node.start();
    let snapshots = |recorder: &Recorder| {
        let mut reader = Reader::new(node.dir.path().to_owned());
        let view = recorder.watch().borrow().clone();
        let (mut size, mut found) = (0, 0);
        while let Some(batch) = reader.batch(&view, 1, size).unwrap() {
            size = batch.size;
            found += batch.chunks.len();
        }
        found
    };
    node.hit(&mut recorder, 1).unwrap();
    assert_eq!(snapshots(&recorder), 1);
    recorder.spool.fail(Fault::NoSpace);
    // Unstable now: a snapshot is due, and its chunk finds no room.
    let Report::Rules(state) = rules() else { panic!() };
    recorder.report(Report::Rules(RuleState { unstable: true, ..state })).unwrap();
    assert!(recorder.stuck.is_none());
    node.clock.advance_ms(1000);
    recorder.tick().unwrap();
    node.clock.advance_ms(1000);
    recorder.tick().unwrap();
    assert_eq!(snapshots(&recorder), 2);
}

/// The snapshots that were written: how many rules each lists, and whether it stands for no changes.
fn snapshots(node: &Node, recorder: &Recorder) -> Vec<(u64, bool)> {
    let mut reader = Reader::new(node.dir.path().to_owned());
    let view = recorder.watch().borrow().clone();
    let (mut size, mut found) = (0, Vec::new());
    while let Some(batch) = reader.batch(&view, 1, size).unwrap() {
        size = batch.size;
        let leaves = batch.batch.leaves.iter().map(|leaf| evidence::Leaf::decode(leaf).unwrap());
        found.extend(leaves.filter_map(|leaf| match leaf.body()? {
            v1::leaf::Body::RuleSnapshot(snapshot) => {
                Some((snapshot.rules.as_ref()?.count, snapshot.control))
            }
            _ => None,
        }));
    }
    found
}

#[test]
fn rules_are_listed_whole_once_an_interval_and_the_list_stands_for_no_changes() {
    let node = Node::new();
    let mut recorder = node.start();
    recorder.config.control_interval_s = 3_600;
    node.hit(&mut recorder, 1).unwrap();
    assert_eq!(snapshots(&node, &recorder), [(1, false)]);
    node.clock.advance_ms(3_599_000);
    node.hit(&mut recorder, 1).unwrap();
    node.hit(&mut recorder, 1).unwrap();
    assert_eq!(snapshots(&node, &recorder), [(1, false), (1, true)]);
    // One that stands for changes takes the place of the next.
    let Report::Rules(state) = rules() else { panic!() };
    recorder.report(Report::Rules(RuleState { unstable: true, ..state })).unwrap();
    node.clock.advance_ms(3_600_000);
    node.hit(&mut recorder, 1).unwrap();
    node.hit(&mut recorder, 1).unwrap();
    assert_eq!(snapshots(&node, &recorder), [(1, false), (1, true), (1, false)]);
    recorder.config.control_interval_s = 0;
    recorder.report(rules()).unwrap();
    node.clock.advance_ms(7_200_000);
    node.hit(&mut recorder, 1).unwrap();
    assert_eq!(snapshots(&node, &recorder).len(), 4, "never");
}

/// What was written of rules: removals, and for how many rules in snapshots that do not hold still.
fn removed(node: &Node, recorder: &Recorder) -> (usize, Vec<(u64, bool)>) {
    let mut reader = Reader::new(node.dir.path().to_owned());
    let view = recorder.watch().borrow().clone();
    let (mut size, mut removals, mut snapshots) = (0, 0, Vec::new());
    while let Some(batch) = reader.batch(&view, 1, size).unwrap() {
        size = batch.size;
        for leaf in &batch.batch.leaves {
            match evidence::Leaf::decode(leaf).unwrap().body().cloned() {
                Some(v1::leaf::Body::RuleChange(change)) => {
                    removals += usize::from(change.kind() == v1::RuleChangeKind::Removed);
                }
                Some(v1::leaf::Body::RuleSnapshot(snapshot)) => {
                    snapshots.push((snapshot.rules.unwrap().count, snapshot.unstable));
                }
                _ => {}
            }
        }
    }
    (removals, snapshots)
}

#[test]
fn a_state_that_was_not_read_whole_removes_nothing_and_is_a_gap_until_one_is() {
    let node = Node::new();
    let mut recorder = node.start();
    node.hit(&mut recorder, 1).unwrap();
    let Report::Rules(state) = rules() else { panic!() };
    let none = RuleState { rules: Vec::new(), ..state };
    let gap = |recorder: &mut Recorder| {
        let gap = recorder.gaps.take()?;
        assert_eq!((gap.cause(), gap.count_known), (v1::LossCause::NotParsed, false));
        Some(gap.until_s - gap.from_s)
    };
    recorder.report(Report::Rules(RuleState { partial: true, ..none.clone() })).unwrap();
    assert_eq!(gap(&mut recorder), Some(0), "at once");
    node.clock.advance_ms(61_000);
    recorder.tick().unwrap();
    let written = recorder.watch().borrow().clone();
    assert!(written.segments[0].end > 0);
    node.hit(&mut recorder, 1).unwrap();
    assert_eq!(removed(&node, &recorder), (0, vec![(1, false), (1, true)]));
    node.clock.advance_ms(5_000);
    recorder.report(Report::Rules(none)).unwrap();
    assert_eq!(gap(&mut recorder), Some(6), "when it is whole again");
    node.clock.advance_ms(61_000);
    recorder.tick().unwrap();
    assert_eq!(gap(&mut recorder), None, "no more");
    assert_eq!(removed(&node, &recorder), (0, vec![(1, false), (1, true), (0, false)]));
}

#[test]
fn hits_after_a_change_without_room_are_not_under_the_old_claim() {
    let node = Node::new();
    let mut recorder = node.start();
    recorder.config.window_s = 900;
    node.hit(&mut recorder, 1).unwrap();
    recorder.spool.fail(Fault::NoSpace);
    node.hit(&mut recorder, 2).unwrap();
    assert!(recorder.stuck.is_some());
    let Report::Rules(mut state) = rules() else { panic!() };
    let changed = KnownRule { narrowed: true, ..(*state.rules[0]).clone() };
    state.rules = vec![Arc::new(changed)];
    recorder.report(Report::Rules(state)).unwrap();
    node.clock.advance_ms(1000);
    recorder.tick().unwrap();
    assert!(recorder.stuck.is_none());
    node.hit(&mut recorder, 4).unwrap();
    let counts = recorder.windows.state().into_iter().map(|window| window.hits);
    assert_eq!(counts.collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn what_stood_at_the_first_look_was_not_seen_to_be_installed() {
    let node = Node::new();
    let mut recorder = node.start();
    let Report::Rules(state) = rules() else { panic!() };
    // A source of which a part cannot be read, from its first state on.
    let source = SourceKind::Jsonl;
    let unstable = RuleState { source, unstable: true, partial: true, ..state };
    recorder.report(Report::Rules(unstable)).unwrap();
    node.hit(&mut recorder, 1).unwrap();
    let mut reader = Reader::new(node.dir.path().to_owned());
    let view = recorder.watch().borrow().clone();
    let (mut size, mut listed, mut changes) = (0, 0, 0);
    while let Some(batch) = reader.batch(&view, 1, size).unwrap() {
        size = batch.size;
        for leaf in &batch.batch.leaves {
            match evidence::Leaf::decode(leaf).unwrap().body() {
                Some(v1::leaf::Body::RuleChange(_)) => changes += 1,
                Some(v1::leaf::Body::RuleSnapshot(_)) => listed += 1,
                _ => {}
            }
        }
    }
    assert_eq!((listed, changes), (2, 0));
}
