//! With real routes, in a network namespace of their own.

use std::{
    collections::BTreeMap,
    sync::Arc,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use evidence::Claim;
use remit_proto::v1::{LossCause, TargetKind};

use super::*;
use crate::{
    observation::KnownRule,
    rules::nftables::testing::{in_namespace, nft, run},
    sources::nftables::testing::{Sent, context, hits, in_router, readings, states},
};

fn ip(arguments: &str) {
    run("ip", &arguments.split(' ').collect::<Vec<_>>());
}

/// As `remit-agent template routes` has it.
const RULE: &str = include_str!("../../../../deploy/templates/routes.nft");
const COUNTER: &str = "inet/remit_routes/no_way";
const GROUP: u16 = 43;

struct Running {
    sent: Sent,
    stop: Arc<std::sync::atomic::AtomicBool>,
    thread: thread::JoinHandle<Result<(), RoutesError>>,
}

impl Running {
    fn start(log_group: Option<u16>, counter: bool) -> Self {
        let (mut context, sent) = context(true);
        context.mapped = Arc::new(|selector| -> Vec<Claim> {
            let claim = match selector {
                "route:prefix/203.0.113.9" => "de/prefix",
                "route:realm/42" => "de/realm",
                "route:metric/77" => "de/metric",
                "route:proto/186" => "class:security",
                "route:table/100" => "list:x@1",
                _ => return Vec::new(),
            };
            vec![claim.parse().expect("a claim")]
        });
        let stop = Arc::clone(&context.stop);
        let config = Routes {
            log_group,
            counter: counter.then(|| COUNTER.to_owned()),
            counters_interval: Duration::from_millis(200),
        };
        let thread = thread::spawn(move || observe(&config, &context));
        let running = Self { sent, stop, thread };
        running.wait("rules", |reports| !states(reports).is_empty());
        running
    }

    fn wait(&self, what: &str, good: impl Fn(&[Report]) -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !good(&self.sent.lock().expect("not poisoned")) {
            assert!(Instant::now() < until, "no {what}: {:#?}", self.sent.lock());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the newest rules are these.
    fn wait_for_rules(&self, wanted: &[&str]) {
        let wanted: Vec<String> = wanted.iter().map(|&rule| rule.to_owned()).collect();
        self.wait(&format!("{wanted:?}"), |reports| {
            states(reports).pop().is_some_and(|state| shown(&state.rules) == wanted)
        });
    }

    fn stop(self) -> Vec<Report> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic").expect("no error");
        std::mem::take(&mut *self.sent.lock().expect("not poisoned"))
    }
}

/// "target claims", with "~" where it is narrowed.
fn shown(rules: &[Arc<KnownRule>]) -> Vec<String> {
    let mut shown: Vec<String> = rules.iter().map(|rule| show(rule)).collect();
    shown.sort();
    shown
}

fn show(rule: &KnownRule) -> String {
    let claims: Vec<String> = rule.claims.iter().map(ToString::to_string).collect();
    let narrowed = if rule.narrowed { "~" } else { "" };
    format!("{narrowed}{} {}", rule.target.value, claims.join(",")).trim_end().to_owned()
}

#[test]
fn every_null_route_is_a_rule_with_what_the_map_says_of_it() {
    in_namespace(|| {
        for route in [
            "route add blackhole 203.0.113.9 realm 42",
            "route add blackhole 203.0.113.10 realm 42",
            "route add unreachable 203.0.113.16/28 metric 77",
            "route add prohibit 203.0.113.32/28 proto bgp",
            "route add blackhole 203.0.113.64/28 table 100",
            "-6 route add blackhole 2001:db8:1::/48 metric 77",
            "-6 route add unreachable 2001:db8:2::/48",
            "-6 route add prohibit 2001:db8:3::1",
            // What sends on elsewhere, and what does not.
            "route add throw 203.0.113.128/28 table 100",
            "route add throw 203.0.113.144/28",
            // Other routes, and last resorts.
            "route add 203.0.113.160/28 dev lo",
            "route add unreachable default metric 4278198272",
            "-6 route add unreachable default metric 4294967295",
        ] {
            ip(route);
        }
        let running = Running::start(None, false);
        let reports = running.stop();
        let state = states(&reports).pop().expect("rules");
        assert_eq!(
            shown(&state.rules),
            [
                "2001:db8:1::/48 de/metric",
                "2001:db8:2::/48",
                "2001:db8:3::1",
                "203.0.113.10 de/realm",
                "203.0.113.144/28",
                "203.0.113.16/28 de/metric",
                "203.0.113.32/28 class:security",
                "203.0.113.9 de/prefix",
                "~203.0.113.64/28 list:x@1",
            ]
        );
        let own = &readings(&reports).pop().expect("a reading").self_protection;
        let own: Vec<_> = own.iter().map(|own| (own.chain.as_str(), own.uncounted_rules)).collect();
        assert_eq!(own, [("route/ipv4/last", 1), ("route/ipv6/last", 1)]);
    });
}

#[test]
fn a_default_route_to_nowhere_shuts_down_everything_and_is_a_rule() {
    in_namespace(|| {
        ip("route add blackhole default metric 1");
        let reports = Running::start(None, false).stop();
        assert_eq!(shown(&states(&reports)[0].rules), ["0.0.0.0/0"]);
    });
}

#[test]
fn changes_are_followed() {
    in_namespace(|| {
        let running = Running::start(None, false);
        running.wait_for_rules(&[]);
        ip("route add blackhole 203.0.113.9");
        running.wait_for_rules(&["203.0.113.9 de/prefix"]);
        ip("-6 route add prohibit 2001:db8:3::/48 metric 5");
        running.wait_for_rules(&["2001:db8:3::/48", "203.0.113.9 de/prefix"]);
        // In place of it a route that sends on, and back.
        ip("route replace 203.0.113.9 dev lo");
        ip("-6 route del prohibit 2001:db8:3::/48 metric 5");
        running.wait_for_rules(&[]);
        ip("route replace unreachable 203.0.113.9");
        running.wait_for_rules(&["203.0.113.9 de/prefix"]);
        // Many at once, as a daemon sets them.
        let batch: String = (0..2000)
            .map(|n| format!("route add blackhole 10.{}.{}.0/24\n", n / 256, n % 256))
            .collect();
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), batch).expect("written");
        run("ip", &["-batch", &file.path().to_string_lossy()]);
        running.wait("2001 rules", |reports| {
            states(reports).pop().is_some_and(|state| state.rules.len() == 2001)
        });
        running.stop();
    });
}

/// Hits by rule, with "->" before what was hit and "|" before the number of other candidates.
fn tally(reports: &[Report]) -> BTreeMap<String, u64> {
    let mut names = BTreeMap::new();
    for state in states(reports) {
        names.extend(state.rules.iter().map(|rule| (rule.number, rule.target.value.clone())));
    }
    let mut tally = BTreeMap::new();
    for hit in hits(reports) {
        let mut name = names.get(&hit.rule).cloned().expect("rules come before their hits");
        if let Some(target) = hit.hit_target {
            name = format!("{name} -> {}", target.wire().value);
        }
        if !hit.other_candidates.is_empty() {
            name = format!("{name} | {}", hit.other_candidates.len());
        }
        name = format!("{name} {:?}", hit.response);
        *tally.entry(name).or_default() += hit.count;
    }
    tally
}

fn sum(reports: &[Report]) -> u64 {
    hits(reports).iter().map(|hit| hit.count).sum()
}

fn newest(reports: &[Report]) -> Option<u64> {
    readings(reports).pop()?.counters.first().map(|(_, value)| *value)
}

#[test]
fn each_packet_is_given_to_the_route_that_it_met() {
    let reports = in_router(|client, _| {
        nft(RULE);
        for route in [
            "route add blackhole 203.0.113.64/27",
            "route add unreachable 203.0.113.65",
            "route add prohibit 203.0.113.65 metric 9",
            "route add blackhole 203.0.113.65 table 100",
            "-6 route add prohibit 2001:db8:f:1::/64",
        ] {
            ip(route);
        }
        let running = Running::start(Some(GROUP), true);
        running.wait("a reading", |reports| newest(reports).is_some());
        client.send("100.64.0.7", "203.0.113.70:9", 4);
        client.send("100.64.0.7", "203.0.113.65:9", 3);
        client.send("2001:db8:c::7", "[2001:db8:f:1::1]:9", 2);
        // These have a way.
        client.send("100.64.0.7", "203.0.113.9:9", 5);
        client.send("100.64.0.7", "100.64.0.1:9", 5);
        // This one is added while packets come: rule and packet in this order.
        ip("route add blackhole 203.0.113.128/25");
        client.send("100.64.0.7", "203.0.113.129:9", 6);
        running.wait("hits", |reports| sum(reports) == 15);
        running.wait("their counter", |reports| newest(reports) == Some(15));
        running.stop()
    });
    let expected: BTreeMap<String, u64> = [
        ("203.0.113.64/27 -> 203.0.113.70 Silent", 4),
        ("203.0.113.65 | 1 Reject(\"icmp/3/1\")", 3),
        ("2001:db8:f:1::/64 -> 2001:db8:f:1::1 Reject(\"icmpv6/1/1\")", 2),
        ("203.0.113.128/25 -> 203.0.113.129 Silent", 6),
    ]
    .map(|(name, count)| (name.to_owned(), count))
    .into();
    assert_eq!(tally(&reports), expected);
    assert!(!reports.iter().any(|report| matches!(report, Report::Lost { .. })), "{reports:#?}");
    let text = format!("{reports:?}");
    assert!(!text.contains("100.64.0.7") && !text.contains("2001:db8:c::7"), "{text}");
}

#[test]
fn a_counter_alone_tells_how_often_and_of_several_routes_not_which() {
    let reports = in_router(|client, _| {
        nft(RULE);
        ip("route add blackhole 203.0.113.65");
        let running = Running::start(None, true);
        running.wait("a reading", |reports| newest(reports).is_some());
        client.send("100.64.0.7", "203.0.113.65:9", 3);
        running.wait("hits", |reports| sum(reports) == 3);
        ip("route add blackhole 203.0.113.66");
        running.wait_for_rules(&["203.0.113.65", "203.0.113.66"]);
        client.send("100.64.0.7", "203.0.113.66:9", 4);
        running.wait("hits", |reports| sum(reports) == 7);
        running.stop()
    });
    let tally = tally(&reports);
    assert_eq!(tally.get("203.0.113.65 Silent"), Some(&3), "{tally:?}");
    let shared: Vec<_> = tally.iter().filter(|(name, _)| name.contains("| 1")).collect();
    assert_eq!(shared.iter().map(|(_, count)| **count).sum::<u64>(), 4, "{tally:?}");
}

#[test]
fn packets_without_any_way_are_told_from_blocked_ones() {
    for counter in [true, false] {
        let reports = in_router(|client, _| {
            nft(RULE);
            ip("route del default");
            ip("route add blackhole 203.0.113.65");
            let running = Running::start(Some(GROUP), counter);
            client.send("100.64.0.7", "192.0.2.1:9", 3);
            client.send("100.64.0.7", "203.0.113.65:9", 2);
            running.wait("hits", |reports| sum(reports) == 2);
            running.stop()
        });
        let lost = reports.iter().filter_map(|report| match report {
            Report::Lost { cause: LossCause::NotParsed, count, .. } => Some(*count),
            _ => None,
        });
        assert_eq!(lost.sum::<u64>(), if counter { 3 } else { 0 });
        let own = &readings(&reports).pop().expect("a reading").self_protection;
        let own: Vec<_> = own.iter().map(|own| (own.chain.as_str(), own.packets)).collect();
        assert_eq!(own, if counter { vec![] } else { vec![("route/none", 3)] });
    }
}

#[test]
fn a_route_to_a_customer_names_nobody() {
    let reports = in_router(|client, server| {
        nft(RULE);
        ip("route add blackhole 100.64.0.9");
        ip("-6 route add blackhole 2001:db8:c:9::/64");
        let running = Running::start(Some(GROUP), true);
        server.send("203.0.113.9", "100.64.0.9:9", 2);
        client.send("2001:db8:c::7", "[2001:db8:c:9::5]:9", 2);
        running.wait("hits", |reports| sum(reports) == 4);
        running.stop()
    });
    let state = states(&reports).pop().expect("rules");
    let kind = i32::from(TargetKind::CustomerToken);
    assert!(state.rules.iter().all(|rule| rule.target.kind == kind), "{state:?}");
    assert!(state.rules.iter().all(|rule| rule.native.contains("customer:")), "{state:?}");
    let text = format!("{reports:?}");
    assert!(!text.contains("100.64.0.9") && !text.contains("db8:c:9"), "{text}");
}

#[test]
fn a_taken_group_is_named() {
    in_namespace(|| {
        let _other = NflogReader::bind(GROUP, &nflog::Settings::default()).expect("bound");
        let (context, _) = context(true);
        let config = Routes { log_group: Some(GROUP), ..Routes::default() };
        let ended = observe(&config, &context);
        let error = crate::logging::chain(&ended.expect_err("the group is taken"));
        assert!(error.contains("NFLOG group 43 is bound by another program"), "{error}");
    });
}
