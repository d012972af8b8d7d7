//! The ledger against an obvious model: a world that knows what really happened to each packet.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use remit_proto::v1::{self, LossCause, SelfProtection, SourceAccount, SourceKind};

use super::{Finding, GONE_MAX, Ledger, Slot};
use crate::observation::{CounterKey, CounterReading};

const SOURCE: SourceKind = SourceKind::Nftables;

/// A router with counters, of which most cases use the first, and the agent that watches it.
struct World {
    ledger: Ledger,
    counters: Vec<Counter>,
    /// In the wild, which of them are the two that steps name.
    live: [usize; 2],
    rebooted: bool,
    findings: Vec<Finding>,
}

struct Counter {
    key: CounterKey,
    slot: Slot,
    /// In the ruleset, with the rule that blocks.
    present: bool,
    /// What the kernel counts.
    value: u64,
    /// Counted and on its way to the agent.
    queued: u64,
    /// Dropped by the queue and not yet reported.
    unreported: u64,
    /// Counted since the last reading.
    unread: u64,
}

impl World {
    fn new() -> Self {
        let mut world = Self::unread();
        world.read();
        world
    }

    /// Before the first reading of the generation.
    fn unread() -> Self {
        let mut world = Self {
            ledger: Ledger::default(),
            counters: Vec::new(),
            live: [0, 1],
            rebooted: false,
            findings: Vec::new(),
        };
        world.add("inet/t/c", 1000);
        world
    }

    fn add(&mut self, key: &str, value: u64) {
        let key = CounterKey::from(key);
        let slot = self.ledger.slot(SOURCE, &key);
        let counter =
            Counter { key, slot, present: true, value, queued: 0, unreported: 0, unread: 0 };
        self.counters.push(counter);
        self.refer();
    }

    /// What the rules say of the counters.
    fn refer(&mut self) {
        for counter in &mut self.counters {
            counter.slot = self.ledger.slot(SOURCE, &counter.key);
        }
        let slots = |present| {
            let counters = self.counters.iter().filter(move |c| c.present == present);
            counters.map(|c| c.slot).collect()
        };
        self.ledger.refer(SOURCE, &slots(true), &slots(false));
    }

    /// The rule and its counter are taken away.
    fn remove(&mut self, at: usize) {
        self.counters[at].present = false;
        self.refer();
    }

    fn packets(&mut self, count: u64) {
        self.packets_at(0, count);
    }

    fn packets_at(&mut self, at: usize, count: u64) {
        let counter = &mut self.counters[at];
        counter.value += count;
        counter.queued += count;
        counter.unread += count;
    }

    fn deliver(&mut self, count: u64) {
        for at in 0..self.counters.len() {
            self.deliver_at(at, count);
        }
    }

    fn deliver_at(&mut self, at: usize, count: u64) {
        let counter = &mut self.counters[at];
        let count = count.min(counter.queued);
        counter.queued -= count;
        self.ledger.record(SOURCE, Some(counter.slot), count);
    }

    fn drop_in_queue(&mut self, count: u64) {
        self.drop_in_queue_at(0, count);
    }

    fn drop_in_queue_at(&mut self, at: usize, count: u64) {
        let counter = &mut self.counters[at];
        let count = count.min(counter.queued);
        counter.queued -= count;
        counter.unreported += count;
    }

    fn report_drops(&mut self) {
        for counter in &mut self.counters {
            let count = std::mem::take(&mut counter.unreported);
            self.ledger.lose(SOURCE, None, LossCause::KernelQueue, count);
        }
    }

    /// Lost in a way that nobody reports. Returns how many.
    fn vanish(&mut self, count: u64) -> u64 {
        self.vanish_at(0, count)
    }

    fn vanish_at(&mut self, at: usize, count: u64) -> u64 {
        let queued = &mut self.counters[at].queued;
        let count = count.min(*queued);
        *queued -= count;
        count
    }

    fn taken(&self) -> CounterReading {
        let present = self.counters.iter().filter(|counter| counter.present);
        CounterReading {
            source: SOURCE,
            at_s: 1,
            counters: present.map(|counter| (counter.key.clone(), counter.value)).collect(),
            self_protection: Vec::<SelfProtection>::new(),
        }
    }

    fn read(&mut self) {
        self.arrive(&self.taken());
    }

    /// Readings are taken some time before they arrive.
    fn arrive(&mut self, reading: &CounterReading) {
        self.findings.extend(self.ledger.reading(reading));
        for counter in self.counters.iter_mut().filter(|counter| counter.present) {
            counter.unread = 0;
        }
    }

    /// What was durable, taken up again; what was queued is gone with the socket.
    fn restart(&mut self) {
        let (counters, sources) = self.ledger.state();
        for counter in &mut self.counters {
            (counter.queued, counter.unreported) = (0, 0);
        }
        let rebooted = std::mem::take(&mut self.rebooted);
        self.ledger = Ledger::restore(counters, sources, rebooted);
    }

    /// Everything has arrived and been held against two readings.
    fn settle(&mut self) {
        self.deliver(u64::MAX);
        self.report_drops();
        for _ in 0..4 {
            self.read();
        }
    }

    fn account(&self) -> SourceAccount {
        let accounts = self.ledger.accounts();
        let account = accounts.into_iter().find(|account| account.offered_known).unwrap();
        let lost: u64 = account.lost.iter().map(|loss| loss.count).sum();
        assert_eq!(
            account.offered + account.unexplained_surplus,
            account.recorded + lost + account.unexplained_missing,
        );
        account
    }

    /// What stands beside the counters.
    fn unclaimed(&self) -> u64 {
        let accounts = self.ledger.accounts();
        let beside = accounts.iter().filter(|account| !account.offered_known);
        beside.flat_map(|account| &account.lost).map(|loss| loss.count).sum()
    }

    fn lost(&self, cause: LossCause) -> u64 {
        let account = self.account();
        account.lost.iter().filter(|l| l.cause == i32::from(cause)).map(|l| l.count).sum()
    }

    /// Nothing is put down to the start any more.
    fn started(mut self) -> Self {
        self.started_again();
        self
    }

    fn started_again(&mut self) {
        for _ in 0..3 {
            self.read();
        }
    }
}

#[test]
fn what_was_counted_before_the_generation_is_not_ours() {
    let mut world = World::new();
    world.settle();
    assert_eq!(world.account().offered, 0);
}

#[test]
fn packets_in_flight_are_no_difference() {
    let mut world = World::new().started();
    world.packets(100);
    world.deliver(60);
    world.read();
    assert_eq!(world.account().unexplained_missing, 0);
    world.packets(30);
    world.deliver(65); // the hits are ahead of the next reading of what came last
    world.read();
    world.settle();
    let account = world.account();
    assert_eq!((account.offered, account.recorded), (130, 130));
    assert_eq!((account.unexplained_missing, account.unexplained_surplus), (0, 0));
}

#[test]
fn what_the_queue_dropped_explains_what_is_missing_early_or_late() {
    for late in [false, true] {
        let mut world = World::new().started();
        world.packets(50);
        world.drop_in_queue(20);
        if !late {
            world.report_drops();
        }
        world.read();
        world.deliver(u64::MAX);
        world.read();
        if late {
            assert_eq!(world.account().unexplained_missing, 20);
        }
        world.settle();
        assert_eq!(world.lost(LossCause::KernelQueue), 20);
        assert_eq!(world.account().unexplained_missing, 0);
        assert_eq!(world.ledger.accounts().len(), 1, "nothing is left unclaimed");
    }
}

#[test]
fn a_rule_that_blocks_without_recording_is_seen() {
    let mut world = World::new().started();
    world.packets(1000);
    world.vanish(7);
    world.settle();
    let account = world.account();
    assert_eq!((account.offered, account.recorded, account.unexplained_missing), (1000, 993, 7));
}

#[test]
fn what_happened_while_the_agent_was_down_is_told_to_the_unit() {
    let mut world = World::new().started();
    world.packets(10);
    world.settle();
    world.findings.clear();
    world.restart();
    world.packets(33);
    world.vanish(33); // nobody listens
    world.read(); // taken before the queue is opened
    world.refer();
    world.settle();
    assert_eq!(world.lost(LossCause::AgentDown), 33);
    assert_eq!(
        world.findings,
        [Finding {
            source: SOURCE,
            counter: world.counters[0].key.clone(),
            cause: LossCause::AgentDown,
            count: Some(33),
        }]
    );
    assert_eq!(world.account().offered, 43);
}

#[test]
fn what_came_before_the_queue_was_open_is_no_riddle_however_long_traffic_hides_it() {
    let mut world = World::new();
    world.settle();
    world.restart();
    world.read();
    world.packets(30);
    world.vanish(10);
    world.read(); // the queue is open, and 20 are in it
    for _ in 0..9 {
        world.packets(500);
        world.deliver(u64::MAX);
        world.read();
    }
    assert_eq!((world.lost(LossCause::AgentDown), world.account().unexplained_missing), (0, 0));
    world.settle();
    assert_eq!((world.lost(LossCause::AgentDown), world.account().unexplained_missing), (10, 0));

    // The rest of what came then is no licence for what is lost later.
    world.packets(15);
    world.vanish(15);
    world.settle();
    assert_eq!((world.lost(LossCause::AgentDown), world.account().unexplained_missing), (10, 15));
}

#[test]
fn a_start_explains_no_more_than_was_counted_in_it() {
    let mut world = World::new();
    world.settle();
    world.restart();
    world.read();
    world.packets(5);
    world.vanish(5);
    world.read();
    world.packets(8);
    world.vanish(8);
    world.settle();
    assert_eq!((world.lost(LossCause::AgentDown), world.account().unexplained_missing), (5, 8));
}

#[test]
fn what_a_counter_shows_before_the_rules_are_known_came_while_the_agent_was_down() {
    // The agent was killed before it knew which rules refer to the counter.
    let mut world = World::unread();
    world.ledger = Ledger::default();
    world.read();
    let (counters, sources) = world.ledger.state();
    world.ledger = Ledger::restore(counters, sources, false);
    world.packets(40);
    world.vanish(40);
    world.read();
    world.refer();
    world.packets(9);
    world.vanish(9);
    world.read();
    world.settle();
    assert_eq!((world.lost(LossCause::AgentDown), world.account().unexplained_missing), (49, 0));

    // So it is of one that was made meanwhile, in the place of another.
    world.counters[0].present = false;
    world.add("inet/t/d", 0);
    let (counters, sources) = world.ledger.state();
    world.ledger = Ledger::restore(counters, sources, false);
    world.packets_at(1, 7);
    world.vanish_at(1, 7);
    world.read();
    let (old, new) = (world.counters[0].slot, world.counters[1].slot);
    world.ledger.succeed(old, new);
    world.refer();
    world.settle();
    assert_eq!((world.lost(LossCause::AgentDown), world.account().unexplained_missing), (56, 0));
}

#[test]
fn what_a_counter_of_other_rules_showed_at_the_start_explains_nothing() {
    let mut world = World::unread();
    world.ledger = Ledger::default();
    world.read();
    let (counters, sources) = world.ledger.state();
    world.ledger = Ledger::restore(counters, sources, false);
    world.packets(40);
    world.vanish(40);
    world.read();
    world.read();
    world.refer();
    world.packets(9);
    world.vanish(9);
    world.settle();
    assert_eq!((world.lost(LossCause::AgentDown), world.account().unexplained_missing), (0, 9));
}

#[test]
fn a_counter_that_shows_less_was_reset() {
    let mut world = World::new().started();
    world.packets(10);
    world.settle();
    world.packets(5);
    world.deliver(5); // recorded, and never read
    world.counters[0].value = 0;
    world.packets(3);
    world.read();
    world.settle();
    let account = world.account();
    assert_eq!((account.offered, account.recorded), (18, 18));
    assert_eq!((account.unexplained_missing, account.unexplained_surplus), (0, 0));
    let resets = world.findings.iter().filter(|f| f.cause == LossCause::CounterReset);
    assert_eq!(resets.map(|f| f.count).collect::<Vec<_>>(), [None]);
}

#[test]
fn after_a_reboot_a_counter_is_new_even_if_it_shows_more() {
    let mut world = World::new().started();
    world.packets(10);
    world.settle();
    world.rebooted = true;
    world.counters[0].value = 0;
    world.restart();
    world.packets(2000);
    world.vanish(2000);
    world.read();
    world.refer();
    world.settle();
    assert_eq!(world.lost(LossCause::AgentDown), 2000);
    assert_eq!(world.account().offered, 2010);
}

#[test]
fn more_recorded_than_offered_is_a_surplus() {
    let mut world = World::new().started();
    world.ledger.record(SOURCE, Some(world.counters[0].slot), 4);
    world.settle();
    let account = world.account();
    assert_eq!((account.offered, account.recorded, account.unexplained_surplus), (0, 4, 4));
}

#[test]
fn a_counter_made_while_we_watch_counts_from_zero() {
    let mut world = World::new().started();
    let new = CounterKey::from("inet/t/new");
    let reading = |value| CounterReading {
        source: SOURCE,
        at_s: 1,
        counters: vec![(new.clone(), value)],
        self_protection: Vec::new(),
    };
    // Read before its rule is known: the rule and its counter were made together.
    world.ledger.reading(&reading(3));
    let slot = world.ledger.slot(SOURCE, &new);
    world.ledger.mark_used(slot);
    world.ledger.record(SOURCE, Some(slot), 5);
    for _ in 0..3 {
        world.ledger.reading(&reading(5));
    }
    let account = world.account();
    assert_eq!((account.offered, account.recorded, account.unexplained_surplus), (5, 5, 0));
}

#[test]
fn a_counter_of_other_rules_is_followed_and_not_accounted() {
    let mut world = World::new().started();
    let other = CounterKey::from("inet/t/accepted");
    for value in [100, 5000, 9000] {
        let reading = CounterReading {
            source: SOURCE,
            at_s: 1,
            counters: vec![(other.clone(), value)],
            self_protection: Vec::new(),
        };
        assert_eq!(world.ledger.reading(&reading), []);
    }
    assert_eq!(world.account().offered, 0);
}

#[test]
fn a_source_without_a_counter_does_not_claim_to_know_what_was_offered() {
    let mut ledger = Ledger::default();
    ledger.record(SourceKind::UnboundRpz, None, 9);
    ledger.lose(SourceKind::UnboundRpz, None, LossCause::NotParsed, 2);
    let [account] = ledger.accounts().try_into().unwrap();
    assert!(!account.offered_known);
    assert_eq!((account.offered, account.recorded), (0, 9));
}

#[test]
fn sums_begin_anew_with_a_generation_and_what_is_in_flight_stays() {
    let mut world = World::new().started();
    world.packets(100);
    world.deliver(90);
    world.read();
    world.ledger.begin_generation();
    assert_eq!(world.account().recorded, 0);
    world.settle();
    let account = world.account();
    assert_eq!((account.offered, account.recorded, account.unexplained_missing), (10, 10, 0));
}

#[test]
fn what_was_lost_long_ago_does_not_pay_for_what_is_missing_today() {
    let mut world = World::new().started();
    world.ledger.lose(SOURCE, None, LossCause::NotParsed, 1000);
    world.started_again();
    world.packets(400);
    world.vanish(400);
    world.settle();
    assert_eq!(world.account().unexplained_missing, 400);
    assert_eq!((world.account().lost.len(), world.unclaimed()), (0, 1000));
    // Nor does what is lost today take back what was missing then.
    world.started_again();
    world.ledger.lose(SOURCE, None, LossCause::NotParsed, 30);
    world.settle();
    assert_eq!((world.account().unexplained_missing, world.unclaimed()), (400, 1030));
}

#[test]
fn a_loss_that_traffic_hides_is_waited_for() {
    let mut world = World::new().started();
    world.packets(100);
    world.drop_in_queue(20);
    world.report_drops();
    // More comes in each interval than was dropped, and some of it is still queued at each reading.
    for _ in 0..30 {
        world.packets(100);
        world.deliver_at(0, 90);
        world.read();
    }
    world.settle();
    assert_eq!(world.lost(LossCause::KernelQueue), 20);
    assert_eq!((world.account().unexplained_missing, world.unclaimed()), (0, 0));
}

#[test]
fn what_a_counter_shows_when_its_block_is_lifted_was_not_offered() {
    let mut world = World::new().started();
    world.packets(10);
    world.deliver(7);
    // The rule accepts now; three hits of before are on their way, and the counter stays.
    let slot = world.counters[0].slot;
    world.ledger.refer(SOURCE, &HashSet::new(), &HashSet::from([slot]));
    for _ in 0..5 {
        world.counters[0].value += 3000;
        world.read();
        world.deliver(3);
    }
    let account = world.account();
    assert_eq!((account.offered, account.recorded), (10, 10));
    assert_eq!((account.unexplained_missing, account.unexplained_surplus), (0, 0));
    // Also after a restart, and when it blocks again.
    world.restart();
    world.counters[0].value += 500;
    world.read();
    world.refer();
    world.packets(5);
    world.settle();
    let account = world.account();
    assert_eq!((account.offered, account.recorded, account.lost.len()), (15, 15, 0));
}

#[test]
fn a_logged_rule_that_is_removed_leaves_no_surplus() {
    let mut world = World::new().started();
    world.packets(7);
    world.deliver(4);
    world.remove(0);
    world.read();
    world.settle(); // the last three come late
    let account = world.account();
    assert_eq!((account.offered, account.recorded, account.unexplained_surplus), (7, 7, 0));
}

#[test]
fn what_was_due_before_a_rule_was_removed_is_missing_all_the_same() {
    let mut world = World::new().started();
    world.packets(9);
    world.vanish(9);
    world.read();
    world.remove(0);
    world.settle();
    assert_eq!(world.account().unexplained_missing, 9);
}

/// The rule of the first counter is loaded again with another one, which shows `value`.
fn load_again(world: &mut World, key: &str, value: u64) {
    let (old, new) = (world.counters[0].slot, world.ledger.slot(SOURCE, &CounterKey::from(key)));
    world.ledger.succeed(old, new);
    world.counters[0].present = false;
    world.add(key, value);
}

#[test]
fn rules_that_are_loaded_again_keep_their_account() {
    let mut world = World::new().started();
    world.packets(7);
    world.settle();
    // Three that the old counter counts and nobody reads any more; five that the new one counts and
    // whose hits come before it is known that the rule has another counter.
    world.packets(3);
    world.deliver(3);
    world.ledger.record(SOURCE, Some(world.counters[0].slot), 5);
    load_again(&mut world, "inet/t@2/c", 5);
    world.packets_at(1, 2);
    world.settle();
    let account = world.account();
    let unexplained = (account.unexplained_missing, account.unexplained_surplus);
    assert_eq!((account.offered, account.recorded, unexplained), (17, 17, (0, 0)));
    // From then on as ever.
    world.packets_at(1, 6);
    world.vanish_at(1, 6);
    world.settle();
    assert_eq!(world.account().unexplained_missing, 6);
}

#[test]
fn a_counter_that_was_there_before_goes_on_from_where_it_stands() {
    let mut world = World::new().started();
    world.add("inet/t/other", 400);
    world.counters[1].present = true;
    world.ledger.refer(SOURCE, &HashSet::from([world.counters[0].slot]), &HashSet::new());
    world.settle();
    world.packets(7);
    world.settle();
    let (old, new) = (world.counters[0].slot, world.counters[1].slot);
    world.ledger.succeed(old, new);
    world.counters[0].present = false;
    world.refer();
    world.packets_at(1, 4);
    world.settle();
    let account = world.account();
    assert_eq!((account.offered, account.recorded, account.unexplained_missing), (11, 11, 0));
}

#[test]
fn a_counter_that_others_are_held_against_takes_nothing_over() {
    let mut world = World::new().started();
    world.add("inet/t/other", 0);
    world.settle();
    world.packets(7);
    world.packets_at(1, 2);
    world.settle();
    let (old, new) = (world.counters[0].slot, world.counters[1].slot);
    world.ledger.succeed(old, new);
    world.settle();
    let account = world.account();
    assert_eq!((account.offered, account.recorded, account.unexplained_missing), (9, 9, 0));
}

#[test]
fn a_counter_that_was_out_of_sight_goes_on() {
    let mut world = World::new().started();
    world.packets(5);
    world.settle();
    // The chain is not jumped to for a while.
    world.counters[0].present = false;
    world.refer();
    world.settle();
    world.counters[0].present = true;
    world.refer();
    world.packets(6);
    world.settle();
    let account = world.account();
    assert_eq!((account.offered, account.recorded, account.unexplained_missing), (11, 11, 0));
}

#[test]
fn hits_before_the_first_reading_are_before_the_baseline() {
    let mut world = World::unread();
    world.packets(50);
    world.deliver(45);
    world.read();
    world.settle();
    let account = world.account();
    assert_eq!((account.offered, account.recorded), (50, 50));
    assert_eq!((account.unexplained_missing, account.unexplained_surplus), (0, 0));
}

#[test]
fn counters_that_come_and_go_are_forgotten_and_their_sums_are_not() {
    let mut world = World::new().started();
    let mut durable = BTreeMap::new();
    for round in 0..3 * GONE_MAX as u64 {
        let key = format!("inet/t/f/handle/{round}");
        world.counters.truncate(1);
        world.add(&key, 0);
        world.packets_at(1, 2);
        world.deliver_at(1, 1);
        world.read();
        for counter in world.ledger.take_changes().0 {
            if counter.forgotten {
                durable.remove(&counter.key);
            } else {
                durable.insert(counter.key.clone(), counter);
            }
        }
    }
    let (counters, _) = world.ledger.state();
    assert!(counters.len() < GONE_MAX + 10, "{}", counters.len());
    let same = counters.iter().all(|counter| durable.get(&counter.key) == Some(counter));
    assert!(same && counters.len() == durable.len(), "a restart finds the same");
    world.counters.truncate(1);
    world.settle();
    let account = world.account();
    let rounds = 3 * GONE_MAX as u64;
    assert_eq!((account.recorded, account.unexplained_missing), (rounds, rounds));
    assert_eq!(account.offered, 2 * rounds);
}

#[test]
fn no_counter_is_so_large_that_the_seal_would_be_refused() {
    let mut world = World::new().started();
    world.add("inet/t/other", 0);
    for value in [u64::MAX, 3, u64::MAX - 1] {
        for counter in &mut world.counters {
            counter.value = value;
        }
        world.ledger.record(SOURCE, Some(world.counters[1].slot), u64::MAX / 2);
        world.read();
        world.read();
        let seal = v1::Seal {
            at_s: 1,
            clock: v1::ClockState::Synced.into(),
            seal_interval_s: 30,
            sources: world.ledger.accounts(),
            ..v1::Seal::default()
        };
        let leaf = evidence::leaf::encode(v1::leaf::Body::Seal(seal));
        assert_eq!(evidence::Leaf::decode(&leaf).err(), None);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Packets(usize, u64),
    Deliver(usize, u64),
    DropInQueue(usize, u64),
    ReportDrops,
    Vanish(usize, u64),
    Read,
    /// So many packets come between the taking of a reading and its arrival, and are delivered.
    ReadLate(u64),
    /// The agent dies; so many packets come while nobody listens.
    Down(u64),
    /// A rule is removed, or put back with a new counter.
    Toggle(usize),
    /// Losses of what was no hit.
    Foreign(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..200_u64).prop_map(|count| Step::Packets(0, count)),
        4 => (0..300_u64).prop_map(|count| Step::Deliver(0, count)),
        1 => (0..50_u64).prop_map(|count| Step::DropInQueue(0, count)),
        1 => Just(Step::ReportDrops),
        1 => (1..9_u64).prop_map(|count| Step::Vanish(0, count)),
        3 => Just(Step::Read),
        1 => (0..99_u64).prop_map(Step::ReadLate),
        1 => (0..99_u64).prop_map(Step::Down),
    ]
}

/// With two counters, which come and go, and losses that are none of theirs.
fn wild_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..2_usize, 0..200_u64).prop_map(|(at, count)| Step::Packets(at, count)),
        4 => (0..2_usize, 0..300_u64).prop_map(|(at, count)| Step::Deliver(at, count)),
        1 => (0..2_usize, 0..50_u64).prop_map(|(at, count)| Step::DropInQueue(at, count)),
        1 => Just(Step::ReportDrops),
        1 => (0..2_usize, 1..9_u64).prop_map(|(at, count)| Step::Vanish(at, count)),
        5 => Just(Step::Read),
        1 => (0..99_u64).prop_map(Step::ReadLate),
        1 => (0..99_u64).prop_map(Step::Down),
        2 => (0..2_usize).prop_map(Step::Toggle),
        1 => (1..50_u64).prop_map(Step::Foreign),
    ]
}

/// What really happened.
#[derive(Debug, Default)]
struct Truth {
    packets: u64,
    vanished: u64,
    foreign: u64,
    /// Came while nobody listened, or was on its way when the agent died.
    down: u64,
    /// The same of rules whose counter was gone by then.
    down_unseen: u64,
    /// Counted, and gone before it was read: so many of the losses may be taken for what another
    /// counter misses.
    unread: u64,
}

impl World {
    fn take(&mut self, step: &Step, truth: &mut Truth) {
        match *step {
            Step::Packets(at, count) => {
                let at = self.live[at];
                let count = if self.counters[at].present { count } else { 0 };
                truth.packets += count;
                self.packets_at(at, count);
            }
            Step::Deliver(at, count) => self.deliver_at(self.live[at], count),
            Step::DropInQueue(at, count) => self.drop_in_queue_at(self.live[at], count),
            Step::ReportDrops => self.report_drops(),
            Step::Vanish(at, count) => truth.vanished += self.vanish_at(self.live[at], count),
            Step::Read => {
                // The queue is emptied at least once in each interval.
                self.deliver(u64::MAX);
                self.report_drops();
                self.read();
            }
            Step::ReadLate(count) => {
                self.deliver(u64::MAX);
                self.report_drops();
                let reading = self.taken();
                self.take(&Step::Packets(0, count), truth);
                self.deliver(u64::MAX);
                self.arrive(&reading);
                // Not at every reading; see the front page.
                self.read();
                self.read();
            }
            Step::Down(count) => {
                for counter in &self.counters {
                    let waiting = counter.queued + counter.unreported;
                    truth.down += waiting;
                    truth.down_unseen += if counter.present { 0 } else { waiting };
                }
                self.restart();
                let first = &mut self.counters[self.live[0]];
                let count = if first.present { count } else { 0 };
                first.value += count;
                truth.down += count;
                truth.packets += count;
                self.read();
                self.refer();
            }
            Step::Toggle(at) if self.counters[self.live[at]].present => {
                self.remove(self.live[at]);
                truth.unread += self.counters[self.live[at]].unread;
            }
            Step::Toggle(at) => {
                self.live[at] = self.counters.len();
                self.add(&format!("inet/t/c/handle/{}", self.live[at]), 0);
            }
            Step::Foreign(count) => {
                truth.foreign += count;
                self.ledger.lose(SOURCE, None, LossCause::NotParsed, count);
            }
        }
        self.account();
    }
}

proptest! {
    /// Whatever the order: when nothing is in flight, offered is what the counter shows, to the
    /// unit, and at no time does the identity fail (`account` asserts it).
    #[test]
    fn at_rest_the_account_is_exact(steps in proptest::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        let mut truth = Truth::default();
        for step in steps {
            world.take(&step, &mut truth);
        }
        world.settle();
        let account = world.account();
        prop_assert_eq!(account.offered, world.counters[0].value - 1000);
        prop_assert_eq!(account.unexplained_surplus, 0);
        // What vanished near a start cannot be told from what the start missed.
        prop_assert!(account.unexplained_missing <= truth.vanished);
        prop_assert!(world.lost(LossCause::AgentDown) + account.unexplained_missing
            == truth.down + truth.vanished, "{:?} {:?}", account, truth);
    }

    /// Also where counters come and go, hits come before the first reading and losses are none of
    /// theirs: each packet is recorded, lost or missing once, nothing is a surplus, and what nobody
    /// accounts for vanished, or its counter did.
    #[test]
    fn at_rest_nothing_is_counted_twice(
        before in 0..99_u64,
        steps in proptest::collection::vec(wild_step(), 0..80),
    ) {
        let mut world = World::unread();
        let mut truth = Truth { packets: before, ..Truth::default() };
        world.add("inet/t/other", 0);
        world.packets(before);
        world.deliver(u64::MAX);
        world.read();
        for step in steps {
            world.take(&step, &mut truth);
        }
        world.settle();
        let account = world.account();
        let lost: u64 = account.lost.iter().map(|loss| loss.count).sum();
        let told = account.recorded + account.unexplained_missing + lost + world.unclaimed();
        prop_assert_eq!(account.unexplained_surplus, 0);
        prop_assert!(account.unexplained_missing <= truth.vanished, "{:?} {:?}", account, truth);
        prop_assert!(told <= truth.packets + truth.foreign, "{} {:?} {:?}", told, account, truth);
        let unseen = truth.vanished + truth.down_unseen + truth.unread;
        prop_assert!(told + unseen >= truth.packets, "{} {:?} {:?}", told, account, truth);
    }
}

#[test]
fn what_was_read_on_before_the_first_reading_is_no_surplus() {
    let mut ledger = Ledger::default();
    let key = CounterKey::from("rpz log");
    let slot = ledger.slot(SOURCE, &key);
    ledger.mark_used(slot);
    // A new generation after damage: the log is read on before the resolver is asked.
    ledger.record(SOURCE, Some(slot), 40);
    ledger.lose(SOURCE, None, LossCause::NotParsed, 2);
    for (counter, recorded) in [(1042, 0), (1045, 3), (1045, 0), (1050, 5), (1050, 0)] {
        ledger.record(SOURCE, Some(slot), recorded);
        let counters = vec![(key.clone(), counter)];
        let reading = CounterReading { source: SOURCE, at_s: 1, counters, self_protection: vec![] };
        assert_eq!(ledger.reading(&reading), []);
    }
    let [account] = ledger.accounts().try_into().unwrap();
    assert_eq!((account.offered, account.recorded, account.lost[0].count), (50, 48, 2));
    assert_eq!((account.unexplained_missing, account.unexplained_surplus), (0, 0));
}
