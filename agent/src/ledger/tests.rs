//! The ledger against an obvious model: a world that knows what really happened to each packet.

use proptest::prelude::*;
use remit_proto::v1::{LossCause, SelfProtection, SourceAccount, SourceKind};

use super::{Finding, Ledger, Slot};
use crate::observation::{CounterKey, CounterReading};

const SOURCE: SourceKind = SourceKind::Nftables;

/// A router with one counter, and the agent that watches it.
struct World {
    ledger: Ledger,
    key: CounterKey,
    slot: Slot,
    /// What the kernel counts.
    counter: u64,
    /// Counted and on its way to the agent.
    queued: u64,
    /// Dropped by the queue and not yet reported.
    unreported: u64,
    rebooted: bool,
    findings: Vec<Finding>,
}

impl World {
    fn new() -> Self {
        let mut ledger = Ledger::default();
        let key = CounterKey::from("inet/t/c");
        let slot = ledger.slot(SOURCE, &key);
        ledger.mark_counted(slot);
        let mut world = Self {
            ledger,
            key,
            slot,
            counter: 1000,
            queued: 0,
            unreported: 0,
            rebooted: false,
            findings: Vec::new(),
        };
        world.read();
        world
    }

    fn packets(&mut self, count: u64) {
        self.counter += count;
        self.queued += count;
    }

    fn deliver(&mut self, count: u64) {
        let count = count.min(self.queued);
        self.queued -= count;
        self.ledger.record(SOURCE, Some(self.slot), count);
    }

    fn drop_in_queue(&mut self, count: u64) {
        let count = count.min(self.queued);
        self.queued -= count;
        self.unreported += count;
    }

    fn report_drops(&mut self) {
        let count = std::mem::take(&mut self.unreported);
        if count > 0 {
            self.ledger.lose(SOURCE, None, LossCause::KernelQueue, count);
        }
    }

    /// Lost in a way that nobody reports.
    fn vanish(&mut self, count: u64) {
        self.queued -= count.min(self.queued);
    }

    fn read(&mut self) {
        let reading = CounterReading {
            source: SOURCE,
            at_s: 1,
            counters: vec![(self.key.clone(), self.counter)],
            self_protection: Vec::<SelfProtection>::new(),
        };
        self.findings.extend(self.ledger.reading(&reading));
    }

    /// What was durable, taken up again; what was queued is gone with the socket.
    fn restart(&mut self) {
        let (counters, sources) = self.ledger.state();
        self.queued = 0;
        self.unreported = 0;
        let rebooted = std::mem::take(&mut self.rebooted);
        self.ledger = Ledger::restore(counters, sources, rebooted);
        self.slot = self.ledger.slot(SOURCE, &self.key);
        self.ledger.mark_counted(self.slot);
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

    fn lost(&self, cause: LossCause) -> u64 {
        let account = self.account();
        account.lost.iter().filter(|l| l.cause == i32::from(cause)).map(|l| l.count).sum()
    }

    /// After three readings a difference is no longer put down to the start.
    fn started(mut self) -> Self {
        self.read();
        self.read();
        self.read();
        self
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
    world.queued = 0; // nobody listens
    world.read(); // taken before the queue is opened
    world.settle();
    assert_eq!(world.lost(LossCause::AgentDown), 33);
    assert_eq!(
        world.findings,
        [Finding {
            source: SOURCE,
            counter: world.key.clone(),
            cause: LossCause::AgentDown,
            count: Some(33),
        }]
    );
    assert_eq!(world.account().offered, 43);
}

#[test]
fn a_counter_that_shows_less_was_reset() {
    let mut world = World::new().started();
    world.packets(10);
    world.settle();
    world.packets(5);
    world.deliver(5); // recorded, and never read
    world.counter = 0;
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
    world.counter = 0;
    world.restart();
    world.packets(2000);
    world.queued = 0;
    world.read();
    world.settle();
    assert_eq!(world.lost(LossCause::AgentDown), 2000);
    assert_eq!(world.account().offered, 2010);
}

#[test]
fn more_recorded_than_offered_is_a_surplus() {
    let mut world = World::new().started();
    world.ledger.record(SOURCE, Some(world.slot), 4);
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
    world.ledger.mark_counted(slot);
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

#[derive(Debug, Clone)]
enum Step {
    Packets(u64),
    Deliver(u64),
    DropInQueue(u64),
    ReportDrops,
    Vanish(u64),
    Read,
    /// The agent dies; so many packets come while nobody listens.
    Down(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..200_u64).prop_map(Step::Packets),
        4 => (0..300_u64).prop_map(Step::Deliver),
        1 => (0..50_u64).prop_map(Step::DropInQueue),
        1 => Just(Step::ReportDrops),
        1 => (1..9_u64).prop_map(Step::Vanish),
        3 => Just(Step::Read),
        1 => (0..99_u64).prop_map(Step::Down),
    ]
}

proptest! {
    /// Whatever the order: when nothing is in flight, offered is what the counter shows, to the
    /// unit, and at no time does the identity fail (`account` asserts it).
    #[test]
    fn at_rest_the_account_is_exact(steps in proptest::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        let (mut vanished, mut down) = (0, 0);
        let mut unexplained_possible = false;
        for step in steps {
            match step {
                Step::Packets(count) => world.packets(count),
                Step::Deliver(count) => {
                    world.deliver(count);
                }
                Step::DropInQueue(count) => world.drop_in_queue(count),
                Step::ReportDrops => world.report_drops(),
                Step::Vanish(count) => {
                    vanished += count.min(world.queued);
                    world.vanish(count);
                }
                Step::Read => {
                    // The queue is emptied at least once in each interval.
                    world.deliver(u64::MAX);
                    world.report_drops();
                    world.read();
                }
                Step::Down(count) => {
                    down += world.queued + world.unreported + count;
                    world.restart();
                    world.counter += count;
                    world.read();
                    unexplained_possible |= vanished > 0;
                }
            }
            world.account();
        }
        world.settle();
        let account = world.account();
        let lost: u64 = account.lost.iter().map(|loss| loss.count).sum();
        prop_assert_eq!(account.offered, world.counter - 1000);
        prop_assert_eq!(account.unexplained_surplus, 0);
        prop_assert_eq!(account.recorded + lost + account.unexplained_missing, account.offered);
        // What vanished near a start cannot be told from what the start missed.
        prop_assert!(account.unexplained_missing <= vanished);
        prop_assert!(world.lost(LossCause::AgentDown) + account.unexplained_missing
            == down + vanished, "{:?} down {} vanished {}", account, down, vanished);
        let _ = unexplained_possible;
    }
}

#[test]
fn what_was_read_on_before_the_first_reading_is_no_surplus() {
    let mut ledger = Ledger::default();
    let key = CounterKey::from("rpz log");
    let slot = ledger.slot(SOURCE, &key);
    ledger.mark_counted(slot);
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
