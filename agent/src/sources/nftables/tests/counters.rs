//! What counters show of rules that are not logged: hits are what they counted while we watched, of
//! the rules that were in force.

use super::*;
use remit_proto::v1::LossCause;

/// Longer than a test: the counters are read at commits and at the end.
const NEVER: Duration = Duration::from_secs(300);

fn chain(rules: &str) -> String {
    format!(
        "table inet t {{ }}
         flush table inet t
         table inet t {{ chain f {{ type filter hook forward priority 0; {rules}
         }} }}"
    )
}

/// Loads it and waits until the source has reported a state that is `good`.
fn load(running: &Running, ruleset: &str, good: impl Fn(&RuleState) -> bool) {
    let before = states(&running.sent.lock().unwrap()).len();
    nft(ruleset);
    running.wait("the new rules", |reports| states(reports).iter().skip(before).any(&good));
}

fn unsure(reports: &[Report]) -> usize {
    let is = |report: &&Report| {
        matches!(report, Report::Unsure { cause: LossCause::CounterReset, from_s, until_s, .. }
            if from_s <= until_s)
    };
    reports.iter().filter(is).count()
}

#[test]
fn a_value_that_a_counter_brings_is_no_hit_and_is_said() {
    in_router(|client, _| {
        nft(&chain(""));
        let running = Running::start(true);
        load(
            &running,
            "add rule inet t f ip daddr 192.0.2.1 counter packets 123 bytes 1 drop",
            |state| state.rules.len() == 1,
        );
        client.send(CLIENT, "192.0.2.1:53", 4);
        running.wait_for_hits(4);
        let reports = running.stop();
        assert_eq!(tally(&reports).get("192.0.2.1"), Some(&4));
        assert_eq!(unsure(&reports), 1, "{reports:#?}");
    });
}

#[test]
fn a_block_list_that_is_off_for_a_while_goes_on_where_it_was() {
    in_router(|client, _| {
        nft("table inet t {
            chain blocked { ip daddr 192.0.2.1 counter drop; }
            chain f { type filter hook forward priority 0; jump blocked; } }");
        let running = Running::start(true);
        client.send(CLIENT, "192.0.2.1:53", 5);
        running.wait_for_hits(5);
        load(&running, "flush chain inet t f", |state| state.rules.is_empty());
        let before = readings(&running.sent.lock().unwrap()).len();
        running.wait("two readings", |reports| readings(reports).len() >= before + 2);
        load(&running, "add rule inet t f jump blocked", |state| state.rules.len() == 1);
        client.send(CLIENT, "192.0.2.1:53", 2);
        running.wait_for_hits(7);
        assert_eq!(tally(&running.stop()).get("192.0.2.1"), Some(&7));
    });
}

#[test]
fn hits_up_to_a_commit_are_of_the_rules_before_it() {
    in_router(|client, _| {
        nft("table inet t {
            set s { type ipv4_addr; flags interval; elements = { 192.0.2.1, 192.0.2.5 } }
            chain f { type filter hook forward priority 0; ip daddr @s counter drop; } }");
        let running = Running::counting_each(NEVER, context(true));
        client.send(CLIENT, "192.0.2.1:53", 40);
        load(&running, "delete element inet t s { 192.0.2.1 }", |state| state.rules.len() == 1);
        client.send(CLIENT, "192.0.2.5:53", 3);
        let reports = running.stop();
        let [before, after] = &hits(&reports)[..] else { panic!("{:?}", hits(&reports)) };
        assert_eq!((before.count, before.other_candidates.len()), (40, 1), "either of the two");
        assert_eq!((after.count, after.other_candidates.len()), (3, 0), "the one that is left");
        assert_eq!(unsure(&reports), 0, "the counter stayed");
    });
}

#[test]
fn a_log_that_comes_or_goes_counts_no_hit_twice() {
    in_router(|client, _| {
        let rule = |log: &str| {
            format!(
                "{} ; add counter inet t c ; add rule inet t f ip daddr 192.0.2.1 {log} counter name c drop",
                chain("")
            )
        };
        let logged = r#"log prefix "x " group 5"#;
        nft(&rule(logged));
        let running = Running::counting_each(NEVER, context(true));
        client.send(CLIENT, "192.0.2.1:53", 10);
        running.wait_for_hits(10);
        load(&running, &rule(""), |_| true);
        client.send(CLIENT, "192.0.2.1:53", 5);
        load(&running, &rule(logged), |_| true);
        client.send(CLIENT, "192.0.2.1:53", 3);
        running.wait_for_hits(18);
        let reports = running.stop();
        assert_eq!(tally(&reports).get("192.0.2.1"), Some(&18));
        assert_eq!(counter(&reports, "inet/t/c"), Some(18));
    });
}

#[test]
fn a_ruleset_that_is_loaded_again_has_other_counters() {
    in_router(|client, _| {
        for (log, said) in [(r#"log prefix "x " group 5"#, 0), ("", 1)] {
            let rules = chain(&format!("ip daddr 192.0.2.1 {log} counter drop"));
            nft(&format!("flush ruleset; {rules}"));
            let running = Running::start(true);
            client.send(CLIENT, "192.0.2.1:53", 10);
            running.wait("a reading", |reports| {
                readings(reports).iter().any(|r| r.counters.iter().any(|(_, value)| *value == 10))
            });
            load(&running, &format!("flush ruleset; {rules}"), |_| true);
            client.send(CLIENT, "192.0.2.1:53", 50);
            running.wait_for_hits(60);
            let reports = running.stop();
            assert_eq!(tally(&reports).get("192.0.2.1"), Some(&60));
            let mut last = BTreeMap::new();
            for reading in readings(&reports) {
                last.extend(reading.counters);
            }
            assert_eq!(last.values().copied().collect::<Vec<_>>(), [10, 50], "{last:?}");
            assert_eq!(unsure(&reports), said, "what the first counted last is lost with it");
        }
    });
}
