//! The recorder: reports in, leaves out, read back from the spool as a collector would check them.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests: each file uses its part, and what fails should fail loudly"
)]

mod common;

use common::*;
use evidence::{chunk, commitment};
use prost::Message as _;
use remit_agent::{
    clock::Clock,
    observation::{
        CounterReading, Cursor, Hit, HitTarget, KnownRule, NotParsed, Report, RuleState,
    },
    recorder::Recorder,
};
use remit_proto::v1::{self, GenerationReason, LossCause, RuleChangeKind, leaf::Body};

/// Everything that is durable of the newest generation.
fn recorded(node: &Node, recorder: &Recorder) -> Vec<Body> {
    let view = recorder.watch().borrow().clone();
    leaves(&node.spool_dir(), &view, recorder.tree().ordinal)
}

fn reading(value: u64) -> Report {
    reading_at(value, NOW_S)
}

fn reading_at(value: u64, at_s: i64) -> Report {
    Report::Counters(CounterReading {
        source: SOURCE,
        at_s,
        counters: vec![("inet/t/c".into(), value)],
        self_protection: vec![v1::SelfProtection {
            chain: "inet/t/input".into(),
            packets: 17,
            uncounted_rules: 1,
        }],
    })
}

#[test]
fn a_new_spool_opens_with_genesis_start_and_seal() {
    let node = Node::individual();
    let recorder = node.start();
    let bodies = recorded(&node, &recorder);
    assert_eq!(kinds(&bodies), "genesis start seal");
    let Some(Body::Genesis(genesis)) = bodies.first() else { panic!() };
    assert_eq!(genesis.reason(), GenerationReason::Enrolled);
    assert!(genesis.individual_actions && genesis.previous.is_none());
}

#[test]
fn a_spool_that_was_lost_is_not_taken_for_a_new_one() {
    let node = Node::individual();
    std::fs::remove_dir_all(node.spool_dir()).unwrap();
    let recorder = node.start();
    let bodies = recorded(&node, &recorder);
    let Some(Body::Genesis(genesis)) = bodies.first() else { panic!() };
    assert_eq!(genesis.reason(), GenerationReason::SpoolDamaged);
    assert_eq!(gaps(&bodies)[0].cause(), LossCause::SpoolDamaged);
}

#[test]
fn rules_come_as_a_snapshot_and_then_as_changes() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1"), rule(2, "")])).unwrap();
    recorder.report(state(vec![rule(1, "de/2"), rule(3, "")])).unwrap();
    node.pass(&mut recorder, 1000);
    let view = recorder.watch().borrow().clone();
    let (batches, _) = batches(&node.spool_dir(), &view, 1);
    let bodies = recorded(&node, &recorder);
    assert_eq!(kinds(&bodies), "genesis start seal snapshot change change change seal");

    let Body::RuleSnapshot(snapshot) = &bodies[3] else { panic!() };
    assert_eq!((snapshot.without_claim, snapshot.source_generation), (1, 7));
    let set = snapshot.rules.as_ref().unwrap();
    let file = std::fs::read_dir(node.spool_dir().join("chunks")).unwrap().next().unwrap().unwrap();
    let items = chunk::open_set(set, &[std::fs::read(file.path()).unwrap()]).unwrap();
    let item = v1::SnapshotRule::decode(items[0].as_slice()).unwrap();
    assert_eq!(item.target.unwrap().value, "203.0.113.1");

    let mut changes: Vec<_> = bodies
        .iter()
        .filter_map(|b| if let Body::RuleChange(c) = b { Some(c) } else { None })
        .map(|c| (c.rule.as_ref().unwrap().number, c.kind()))
        .collect();
    changes.sort();
    assert_eq!(
        changes,
        [
            (1, RuleChangeKind::Modified),
            (2, RuleChangeKind::Removed),
            (3, RuleChangeKind::Installed)
        ]
    );
    // Each change opens to its target and its native text.
    assert_eq!(batches[1].openings.len(), 6);
}

#[test]
fn many_changes_at_once_are_one_snapshot() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![])).unwrap();
    recorder.report(state((1..=257).map(|n| rule(n, "")).collect())).unwrap();
    node.pass(&mut recorder, 1000);
    assert_eq!(kinds(&recorded(&node, &recorder)), "genesis start seal snapshot snapshot seal");
}

#[test]
fn with_window_0_each_hit_is_a_leaf_that_opens_to_its_targets() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    let mut second = hit(1, NOW_S + 1, 1);
    second.hit_target = Some(HitTarget::Address("203.0.113.77".parse().unwrap()));
    recorder.report(hits(vec![hit(1, NOW_S, 2), second])).unwrap();
    node.pass(&mut recorder, 1000);
    let bodies = recorded(&node, &recorder);
    let activities = activities(&bodies);
    assert_eq!(activities.iter().map(|a| a.hits).collect::<Vec<_>>(), [2, 1]);
    let claim = activities[0].rule.as_ref().unwrap().claims[0].claim.clone();
    assert_eq!(claim, Some(v1::claim::Claim::RequestId("de/1".into())));

    let view = recorder.watch().borrow().clone();
    let (batches, _) = batches(&node.spool_dir(), &view, 1);
    let opened: Vec<String> = batches[1]
        .openings
        .iter()
        .map(|o| o.opening.as_ref().unwrap())
        .map(|o| {
            commitment::opened(o).unwrap();
            v1::Target::decode(o.value.as_slice()).unwrap().value
        })
        .collect();
    assert_eq!(opened, ["203.0.113.1", "203.0.113.1", "203.0.113.77"]);
}

#[test]
fn a_batch_closes_at_its_limits_and_not_only_in_time() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    recorder.report(hits(vec![hit(1, NOW_S, 1); 5000])).unwrap();
    let durable = recorded(&node, &recorder);
    assert!(activities(&durable).len() >= 4000);
    node.pass(&mut recorder, 1000);
    let bodies = recorded(&node, &recorder);
    assert_eq!(activities(&bodies).len(), 5000);
}

#[test]
fn windows_count_exactly_survive_a_restart_and_close_when_they_end() {
    let node = Node::new("lines_served = 1000");
    let start_s = NOW_S - NOW_S % 900;
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    recorder.report(hits(vec![hit(1, start_s + 5, 3), hit(1, start_s + 2, 4)])).unwrap();
    node.pass(&mut recorder, 1000);
    assert_eq!(activities(&recorded(&node, &recorder)).len(), 0);
    drop(recorder); // kill -9
    node.clock.advance_ms(900_000);
    let mut recorder = node.start();
    node.pass(&mut recorder, 1000);
    node.pass(&mut recorder, 1000);
    let bodies = recorded(&node, &recorder);
    let [activity] = activities(&bodies).try_into().unwrap();
    assert_eq!((activity.hits, activity.first_s, activity.last_s), (7, start_s + 2, start_s + 5));
    assert_eq!((activity.window_start_s, activity.window_s), (start_s, 900));
    // Not once more after another restart.
    drop(recorder);
    let mut recorder = node.start();
    node.pass(&mut recorder, 900_000);
    assert_eq!(activities(&recorded(&node, &recorder)).len(), 1);
}

#[test]
fn below_k_lines_what_was_hit_is_dropped_and_windows_are_hourly() {
    let node = Node::new("lines_served = 9");
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "")])).unwrap();
    for value in ["198.51.100.1", "198.51.100.2"] {
        let mut hit = hit(1, NOW_S, 1);
        hit.hit_target = Some(HitTarget::Address(value.parse().unwrap()));
        recorder.report(hits(vec![hit])).unwrap();
    }
    node.pass(&mut recorder, 7_200_000);
    node.pass(&mut recorder, 1000);
    let bodies = recorded(&node, &recorder);
    let [activity] = activities(&bodies).try_into().unwrap();
    assert_eq!((activity.hits, activity.window_s), (2, 3600));
    assert!(activity.hit_target.is_empty());
}

#[test]
fn a_changed_rule_closes_its_window_under_the_old_claim() {
    let node = Node::new("lines_served = 1000");
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    recorder.report(hits(vec![hit(1, NOW_S, 3)])).unwrap();
    recorder.report(state(vec![rule(1, "de/2")])).unwrap();
    recorder.report(hits(vec![hit(1, NOW_S, 4)])).unwrap();
    node.pass(&mut recorder, 1000);
    let bodies = recorded(&node, &recorder);
    assert_eq!(kinds(&bodies), "genesis start seal snapshot activity change seal");
    assert_eq!(activities(&bodies)[0].hits, 3);
}

#[test]
fn an_idle_agent_seals_and_the_seal_accounts() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    recorder.report(reading(100)).unwrap();
    recorder.report(hits(vec![hit(1, NOW_S, 5)])).unwrap();
    for _ in 0..4 {
        recorder.report(reading(105)).unwrap();
    }
    node.pass(&mut recorder, 1000);
    let before = recorded(&node, &recorder).len();
    node.pass(&mut recorder, 29_000);
    assert_eq!(recorded(&node, &recorder).len(), before);
    node.pass(&mut recorder, 1_000);
    let bodies = recorded(&node, &recorder);
    assert_eq!(bodies.len(), before + 1);
    let seal = last_seal(&bodies);
    let [account] = seal.sources.as_slice() else { panic!() };
    assert_eq!((account.offered, account.recorded, account.lost.len()), (5, 5, 0));
    assert_eq!(seal.self_protection[0].packets, 17);
    assert!(!seal.stopping);
}

#[test]
fn downtime_is_told_to_the_unit_with_a_gap_that_names_the_claim() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    recorder.report(reading(0)).unwrap();
    recorder.report(hits(vec![hit(1, NOW_S, 5)])).unwrap();
    node.pass(&mut recorder, 1000);
    recorder.report(hits(vec![hit(1, NOW_S, 2)])).unwrap(); // never durable
    drop(recorder); // kill -9
    node.clock.advance_ms(600_000);
    let mut recorder = node.start();
    // The reading is taken before the rules are read.
    recorder.report(reading_at(17, NOW_S + 601)).unwrap();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    node.pass(&mut recorder, 1000);
    let bodies = recorded(&node, &recorder);
    let [gap] = gaps(&bodies).try_into().unwrap();
    assert_eq!((gap.cause(), gap.rule, gap.count), (LossCause::AgentDown, 1, 12));
    // From the last batch that was durable to the reading that shows it.
    assert_eq!((gap.from_s, gap.until_s), (NOW_S + 1, NOW_S + 601));
    assert_eq!(gap.claims.len(), 1);
    let account = &last_seal(&bodies).sources[0];
    assert_eq!((account.offered, account.recorded, account.lost[0].count), (17, 5, 12));
}

#[test]
fn a_reboot_is_not_forgotten_by_a_start_that_reads_nothing() {
    let mut node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    recorder.report(reading(5)).unwrap();
    node.pass(&mut recorder, 1000);
    drop(recorder); // kill -9
    node.boot_id = [2; 16];
    drop(node.start()); // killed again before its first reading
    let mut recorder = node.start();
    recorder.report(reading(17)).unwrap();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    node.pass(&mut recorder, 1000);
    let told = |bodies: &[Body]| {
        let one = |gap: &&v1::Gap| (gap.cause(), gap.count_known, gap.count);
        gaps(bodies).iter().map(one).collect::<Vec<_>>()
    };
    // All 17 were counted since the reboot, and what came before it nobody knows.
    let both = [(LossCause::AgentDown, true, 17), (LossCause::CounterReset, false, 0)];
    let mut found = told(&recorded(&node, &recorder));
    found.sort_unstable();
    assert_eq!(found, both);
}

/// Rules with a counter each.
fn many_rules(count: u64) -> Report {
    let one = |number: u64| KnownRule {
        counter: Some(format!("inet/t/c{number}").as_str().into()),
        ..rule(number, "de/1")
    };
    state((1..=count).map(one).collect())
}

/// A reading in which each of them shows this.
fn many_counters(count: u64, value: u64) -> Report {
    let one = |number: u64| (format!("inet/t/c{number}").as_str().into(), value);
    Report::Counters(CounterReading {
        source: SOURCE,
        at_s: NOW_S,
        counters: (1..=count).map(one).collect(),
        self_protection: Vec::new(),
    })
}

#[test]
fn gaps_that_one_batch_has_no_room_for_outlast_a_kill() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(many_counters(150, 0)).unwrap();
    recorder.report(many_rules(150)).unwrap();
    node.pass(&mut recorder, 1000);
    drop(recorder); // kill -9
    let mut recorder = node.start();
    recorder.report(many_counters(150, 3)).unwrap();
    recorder.report(many_rules(150)).unwrap();
    node.pass(&mut recorder, 1000);
    let first = gaps(&recorded(&node, &recorder)).len();
    assert!((1..150).contains(&first), "{first}: one batch holds some of them");
    drop(recorder); // kill -9
    let mut recorder = node.start();
    for _ in 0..3 {
        node.pass(&mut recorder, 1000);
    }
    let bodies = recorded(&node, &recorder);
    let mut told: Vec<_> = gaps(&bodies).iter().map(|gap| (gap.rule, gap.count)).collect();
    told.sort_unstable();
    assert_eq!(told, (1..=150).map(|number| (number, 3)).collect::<Vec<_>>());
    assert!(gaps(&bodies).iter().all(|gap| gap.cause() == LossCause::AgentDown));
}

#[test]
fn what_a_reading_proved_outlasts_a_kill_before_its_rules_are_known() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(reading(0)).unwrap();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    node.pass(&mut recorder, 1000);
    drop(recorder); // kill -9
    let mut recorder = node.start();
    recorder.report(reading(9)).unwrap();
    // The batch that holds the account closes, and no rule is known yet.
    node.pass(&mut recorder, 3_600_000);
    assert_eq!(last_seal(&recorded(&node, &recorder)).sources[0].lost[0].count, 9);
    drop(recorder); // kill -9
    let mut recorder = node.start();
    recorder.report(reading(9)).unwrap();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    node.pass(&mut recorder, 1000);
    let bodies = recorded(&node, &recorder);
    let [gap] = gaps(&bodies).try_into().unwrap();
    assert_eq!((gap.cause(), gap.rule, gap.count), (LossCause::AgentDown, 1, 9));
}

#[test]
fn a_clean_stop_says_so_and_an_unclean_one_too() {
    let node = Node::individual();
    let recorder = node.start();
    let (sender, messages) = remit_agent::recorder::channel();
    sender.stop();
    recorder.run(&messages).unwrap();
    let recorder = node.start();
    drop(recorder);
    let recorder = node.start();
    let starts: Vec<bool> = recorded(&node, &recorder)
        .iter()
        .filter_map(|b| if let Body::Start(s) = b { Some(s.previous_stop_clean) } else { None })
        .collect();
    assert_eq!(starts, [false, true, false]);
}

/// Where a file was read up to.
fn at(offset: u64) -> Cursor {
    Cursor {
        path: "/var/log/rpz.log".into(),
        inode: 5,
        offset,
        head_size: 256,
        head_digest: [3; 32],
    }
}

fn hits_at(list: Vec<Hit>, offset: u64) -> Report {
    Report::Hits {
        source: SOURCE,
        hits: list,
        not_parsed: NotParsed::default(),
        cursor: Some(at(offset)),
        canaries: None,
        import: None,
    }
}

#[test]
fn cursors_are_durable_with_the_hits() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "")])).unwrap();
    // The first position of a file is durable at once, so that no later start begins anew.
    recorder.report(hits_at(vec![], 4711)).unwrap();
    recorder.report(hits_at(vec![hit(1, NOW_S, 1)], 4800)).unwrap();
    drop(recorder);
    let mut recorder = node.start();
    assert_eq!(recorder.cursors(), [at(4711)]);
    recorder.report(state(vec![rule(1, "")])).unwrap();
    recorder.report(hits_at(vec![hit(1, NOW_S, 1)], 4800)).unwrap();
    node.pass(&mut recorder, 1000);
    drop(recorder);
    assert_eq!(node.start().cursors(), [at(4800)]);
}

#[test]
fn lines_that_were_not_understood_are_counted_with_their_cursor_and_once() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "")])).unwrap();
    recorder.report(hits_at(vec![], 4711)).unwrap();
    let lines = || Report::Hits {
        source: SOURCE,
        hits: vec![hit(1, NOW_S, 1)],
        not_parsed: NotParsed { count: 2, at_s: NOW_S },
        cursor: Some(at(4800)),
        canaries: None,
        import: None,
    };
    recorder.report(lines()).unwrap();
    drop(recorder); // kill -9: neither the loss nor the position is durable, so it is read again
    let mut recorder = node.start();
    assert_eq!(recorder.cursors(), [at(4711)]);
    recorder.report(state(vec![rule(1, "")])).unwrap();
    recorder.report(lines()).unwrap();
    node.pass(&mut recorder, 1000);
    let bodies = recorded(&node, &recorder);
    assert_eq!((gaps(&bodies).len(), gaps(&bodies)[0].count), (1, 2));
    let account = last_seal(&bodies).sources.iter().find(|a| !a.lost.is_empty()).unwrap();
    assert_eq!((account.lost[0].cause(), account.lost[0].count), (LossCause::NotParsed, 2));
    drop(recorder);
    assert_eq!(node.start().cursors(), [at(4800)]);
}

#[test]
fn no_batch_ends_between_the_hits_of_a_file_and_its_cursor() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "")])).unwrap();
    for step in 1..=20 {
        recorder.report(hits_at(vec![hit(1, NOW_S, 1); 600], step)).unwrap();
        // Whenever it is killed: 600 leaves for each step that is durable.
        let durable = activities(&recorded(&node, &recorder)).len() as u64;
        assert_eq!(durable % 600, 0, "step {step}");
        assert!(durable / 600 + 1 >= step, "step {step}");
    }
    let durable = activities(&recorded(&node, &recorder)).len() as u64;
    drop(recorder);
    assert_eq!(node.start().cursors(), [at(durable / 600)]);
}

#[test]
fn the_account_begins_with_the_first_reading_whatever_happens_next() {
    let node = Node::new("lines_served = 1000\nbatch_interval_s = 60");
    let mut recorder = node.start();
    // As the nftables source does it: the counters before the queue is open and the rules are told.
    recorder.report(reading(100)).unwrap();
    drop(recorder); // kill -9, in the same millisecond
    let mut recorder = node.start();
    recorder.report(reading(107)).unwrap();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    recorder.report(reading(107)).unwrap();
    node.pass(&mut recorder, 60_000);
    let bodies = recorded(&node, &recorder);
    let account = &last_seal(&bodies).sources[0];
    assert_eq!((account.offered, account.recorded, account.lost[0].count), (7, 0, 7));
    assert_eq!(account.lost[0].cause(), LossCause::AgentDown);
    assert_eq!(gaps(&bodies)[0].count, 7);
}

#[test]
fn only_the_first_reading_of_a_generation_closes_its_batch() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(reading(1)).unwrap();
    recorder.report(state(vec![rule(1, "")])).unwrap();
    recorder.report(reading(1)).unwrap();
    assert_eq!(kinds(&recorded(&node, &recorder)), "genesis start seal seal");
    node.pass(&mut recorder, 1000);
    drop(recorder);
    let mut recorder = node.start();
    recorder.report(reading(1)).unwrap();
    let durable = kinds(&recorded(&node, &recorder));
    assert_eq!(durable, "genesis start seal seal snapshot seal start seal");
}

#[test]
fn a_hit_of_an_unknown_rule_is_lost_and_counted_not_guessed() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "")])).unwrap();
    recorder.report(state(vec![])).unwrap();
    // Removed a moment ago: its hits may still come.
    recorder.report(hits(vec![hit(1, NOW_S, 1), hit(2, NOW_S, 3)])).unwrap();
    node.pass(&mut recorder, 1000);
    let bodies = recorded(&node, &recorder);
    assert_eq!(activities(&bodies).len(), 1);
    assert_eq!((gaps(&bodies)[0].cause(), gaps(&bodies)[0].count), (LossCause::NotParsed, 3));
}

#[test]
fn what_the_collector_knows_more_of_begins_a_new_generation() {
    let node = Node::individual();
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    recorder.report(hits(vec![hit(1, NOW_S, 1)])).unwrap();
    node.receipts.send_modify(|receipts| receipts.rolled_back = Some(1));
    node.pass(&mut recorder, 1000);
    assert_eq!(recorder.tree().ordinal, 2);
    recorder.report(hits(vec![hit(1, NOW_S, 2)])).unwrap();
    node.pass(&mut recorder, 1000);
    let bodies = recorded(&node, &recorder);
    assert_eq!(kinds(&bodies), "genesis start snapshot seal activity seal");
    let Some(Body::Genesis(genesis)) = bodies.first() else { panic!() };
    assert_eq!(genesis.reason(), GenerationReason::SpoolRolledBack);
    let view = recorder.watch().borrow().clone();
    let (_, old) = batches(&node.spool_dir(), &view, 1);
    let previous = genesis.previous.as_ref().unwrap();
    assert_eq!((previous.size, &previous.root), (old.edge.size(), &old.edge.root().0.to_vec()));
    assert_eq!(last_seal(&bodies).sources[0].recorded, 2);
    // And it is continued after a restart.
    drop(recorder);
    assert_eq!(node.start().tree().ordinal, 2);
}

#[test]
fn a_hit_of_a_clock_that_was_never_set_is_a_leaf_that_collectors_take() {
    let mut node = Node::new("lines_served = 1000");
    node.clock = Clock::manual(5);
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    recorder.report(hits(vec![hit(1, 5, 3)])).unwrap();
    // The clock is set.
    node.pass(&mut recorder, NOW_S * 1000);
    node.pass(&mut recorder, 1000);
    let bodies = recorded(&node, &recorder);
    let [activity] = activities(&bodies).try_into().unwrap();
    assert_eq!((activity.hits, activity.window_start_s), (3, 900));
}

/// A state of rules 1 and 2, with what says whether it held still.
fn unstable(numbers: &[u64], unstable: bool) -> Report {
    match state(numbers.iter().map(|number| rule(*number, "")).collect()) {
        Report::Rules(state) => Report::Rules(RuleState { unstable, ..state }),
        other => other,
    }
}

#[test]
fn a_state_that_does_not_hold_still_is_said_at_each_turn_and_hides_no_removal() {
    let node = Node::individual();
    let mut recorder = node.start();
    let mut told = 4; // genesis start seal snapshot
    let mut next = |recorder: &mut Recorder, numbers: &[u64], is_unstable| {
        recorder.report(unstable(numbers, is_unstable)).unwrap();
        node.pass(recorder, 1000);
        let bodies = recorded(&node, recorder);
        let new = bodies[told..].to_vec();
        told = bodies.len();
        let stable = new.iter().rev().find_map(|body| match body {
            Body::RuleSnapshot(s) => Some((s.rules.as_ref().unwrap().count, !s.unstable)),
            _ => None,
        });
        (kinds(&new), stable)
    };
    next(&mut recorder, &[1, 2], false);
    assert_eq!(next(&mut recorder, &[1, 2], true), ("snapshot seal".into(), Some((2, false))));
    assert_eq!(next(&mut recorder, &[1, 2], true), (String::new(), None));
    assert_eq!(next(&mut recorder, &[1], true), ("change seal".into(), None));
    assert_eq!(next(&mut recorder, &[1], false), ("snapshot seal".into(), Some((1, true))));
    assert_eq!(next(&mut recorder, &[], true), ("change snapshot seal".into(), Some((0, false))));
}
