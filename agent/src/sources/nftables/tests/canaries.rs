//! Canaries: what they show, that nothing else shows them, and that nobody else can be one.

use remit_proto::v1::LossCause;

use super::*;
use crate::{observation::Canaries, rules::nftables::testing::run, sources::nflog};

/// A block, and a rule for canaries behind the node's own protection.
const RULES: &str = r#"table inet t {
    counter one { }
    counter canary { }
    chain f { type filter hook forward priority 0;
        ip daddr 192.0.2.1 log prefix "remit=de/1 " group 5 counter name one drop
    }
    chain i { type filter hook input priority 0;
        ip daddr 127.0.0.1 udp dport 4242 counter name canary log prefix "remit=canary" group 5 drop
        udp dport 9999 log prefix "own " group 5 counter drop
    }
}"#;

fn lost(reports: &[Report]) -> u64 {
    let lost = reports.iter().filter_map(|report| match report {
        Report::Lost { count, .. } => Some(*count),
        _ => None,
    });
    lost.sum()
}

fn recorded(reports: &[Report]) -> u64 {
    hits(reports).iter().map(|hit| hit.count).sum()
}

/// Sent, seen, counted; and the last word on how many are unanswered.
fn canaries(reports: &[Report]) -> (u64, u64, u64, Option<u64>) {
    let mut sums = (0, 0, 0, None);
    for report in reports {
        let Report::Canaries(Canaries {
            source: _,
            path,
            sent,
            seen,
            unanswered,
            counted,
            at_s: _,
        }) = report
        else {
            continue;
        };
        assert_eq!(path.as_ref(), "nflog/5");
        sums.0 += sent;
        sums.1 += seen;
        sums.2 += counted.unwrap_or(0);
        sums.3 = unanswered.or(sums.3);
    }
    sums
}

#[test]
fn canaries_come_back_and_are_in_no_figure() {
    in_router(|client, _| {
        run("ip", &["link", "set", "lo", "up"]);
        nft(RULES);
        let running = Running::start(true);
        running.wait("canaries", |reports| canaries(reports).1 >= 2);
        client.send(CLIENT, "192.0.2.1:53", 3);
        running.wait_for_hits(3);
        let reports = running.stop();
        let (sent, seen, counted, unanswered) = canaries(&reports);
        assert_eq!((sent, seen, unanswered), (seen, sent, Some(0)), "{reports:#?}");
        assert_eq!(counted, sent);
        assert_eq!(tally(&reports), [("192.0.2.1".to_owned(), 3)].into());
        assert_eq!(lost(&reports), 0);
        let last = readings(&reports).pop().unwrap();
        let own: Vec<_> =
            last.self_protection.iter().map(|c| (c.chain.as_str(), c.packets)).collect();
        assert_eq!(own, [("inet/t/i", 0)]);
        assert!(!reports.iter().any(|report| matches!(report, Report::Unsure { .. })));
        assert_eq!(states(&reports).last().unwrap().rules.len(), 1);
    });
}

#[test]
fn a_loss_at_the_end_of_a_burst_is_known_though_nothing_comes_after_it() {
    in_router(|client, _| {
        run("ip", &["link", "set", "lo", "up"]);
        nft(RULES);
        // What of a burst is lost is lost at its end: the buffer holds the first few messages.
        let nflog = nflog::Settings { receive_buffer_bytes: 2048, ..nflog::Settings::default() };
        let counters_interval = Duration::from_millis(300);
        let config = Nftables { counters_interval, nflog, ..Nftables::default() };
        let running = Running::configured(config, context(true));
        const BURST: usize = 20_000;
        client.send(CLIENT, "192.0.2.1:53", BURST);
        running
            .wait("all of the burst", |reports| recorded(reports) + lost(reports) >= BURST as u64);
        let reports = running.stop();
        let sums = (recorded(&reports), lost(&reports));
        println!("{} recorded, {} lost, canaries {:?}", sums.0, sums.1, canaries(&reports));
        assert!(sums.1 > 0, "the buffer was large enough: {sums:?}");
        assert_eq!(sums.0 + sums.1, BURST as u64, "lost canaries are no lost hits: {sums:?}");
        assert_eq!(counter(&reports, "inet/t/one"), Some(BURST as u64));
    });
}

#[test]
fn canaries_that_do_not_come_back_are_a_gap_in_the_evidence() {
    in_router(|_, _| {
        run("ip", &["link", "set", "lo", "up"]);
        // A rule before it takes them: the rule is there, and does nothing any more.
        let rules = RULES.replace(
            "ip daddr 127.0.0.1",
            "ip daddr 127.0.0.1 udp dport 4242 drop\n ip daddr 127.0.0.1",
        );
        nft(&rules);
        let running = Running::start(true);
        let until = Instant::now() + Duration::from_secs(60);
        let is_said = |reports: &[Report]| {
            let said = |report: &Report| {
                matches!(report, Report::Unsure { cause: LossCause::CanaryLost, .. })
            };
            reports.iter().any(said)
        };
        while !is_said(&running.sent.lock().unwrap()) {
            assert!(Instant::now() < until, "{:#?}", running.sent.lock());
            std::thread::sleep(Duration::from_millis(50));
        }
        let (sent, seen, counted, unanswered) = canaries(&running.stop());
        assert!(sent >= 6 && seen == 0 && counted == 0, "{sent} {seen} {counted}");
        assert!(unanswered >= Some(6));
    });
}

#[test]
fn nothing_else_can_call_itself_a_canary() {
    in_router(|client, _| {
        run("ip", &["link", "set", "lo", "up"]);
        nft(r#"table inet t {
            chain f { type filter hook forward priority 0;
                ip daddr 192.0.2.1 udp dport 4242 counter log prefix "remit=canary" group 5 drop
            }
            chain i { type filter hook input priority 0;
                ip daddr 100.64.0.1 udp dport 4242 counter log prefix "remit=canary" group 5 drop
                ip daddr 127.0.0.1 udp dport 1-9 counter log prefix "remit=canary" group 5 drop
                ip daddr 127.0.0.1 udp dport 4242 counter log prefix "remit=canary,de/1" group 5 drop
            }
        }"#);
        let running = Running::start(true);
        client.send(CLIENT, "192.0.2.1:4242", 4);
        client.send(CLIENT, "100.64.0.1:4242", 5);
        running.wait_for_hits(4);
        running.wait("the node's own", |reports| {
            let last = readings(reports).pop();
            last.is_some_and(|last| last.self_protection.iter().any(|own| own.packets == 5))
        });
        let reports = running.stop();
        assert_eq!(canaries(&reports), (0, 0, 0, None), "{reports:#?}");
        let state = states(&reports).pop().unwrap();
        let claims: Vec<_> = state.rules.iter().flat_map(|rule| &rule.claims).collect();
        assert_eq!(claims.len(), 1);
        assert_eq!(claims[0].to_string(), "canary", "a request that nobody has made");
    });
}

#[test]
fn canaries_are_switched_off_by_the_settings_and_by_taking_the_rule_away() {
    in_router(|_, _| {
        run("ip", &["link", "set", "lo", "up"]);
        nft(RULES);
        let off = Nftables {
            counters_interval: Duration::from_millis(300),
            canaries: false,
            ..Nftables::default()
        };
        let running = Running::configured(off, context(true));
        running.wait("readings", |reports| readings(reports).len() > 3);
        assert_eq!(canaries(&running.stop()), (0, 0, 0, None));

        let running = Running::start(true);
        running.wait("a canary", |reports| canaries(reports).1 > 0);
        nft(&format!("flush ruleset; {}", RULES.replace("remit=canary", "none")));
        running.wait("the rules without", |reports| states(reports).len() > 1);
        let reports = running.stop();
        let (sent, seen, _, unanswered) = canaries(&reports);
        assert!(sent - seen <= 1 && unanswered <= Some(1), "{:?}", canaries(&reports));
        let gap = reports
            .iter()
            .any(|report| matches!(report, Report::Unsure { cause: LossCause::CanaryLost, .. }));
        assert!(!gap);
    });
}

/// The rule of a self-test, as the command loads it, without its own port.
const TEST: &str = r#"table inet remit_selftest {
    counter group_5 { }
    chain selftest { type filter hook input priority -450; policy accept;
        iif lo ip daddr 127.0.0.1 udp dport 4711 counter name group_5 log prefix "remit=canary selftest=00000000000000ff" group 5 drop
    }
}"#;

#[test]
fn the_block_of_a_self_test_is_told_by_its_mark_and_is_in_no_figure() {
    in_router(|_, _| {
        run("ip", &["link", "set", "lo", "up"]);
        let off = Nftables {
            counters_interval: Duration::from_millis(300),
            canaries: false,
            ..Nftables::default()
        };
        let running = Running::configured(off, context(true));
        nft(TEST);
        // At once: whoever tests does not wait for the ruleset to be read.
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..2 {
            socket.send_to(b"x", "127.0.0.1:4711").unwrap();
        }
        let told = |reports: &[Report]| -> u64 {
            let of_test = reports.iter().filter_map(|report| match report {
                Report::Canaries(canaries) if canaries.path.starts_with("selftest/") => {
                    assert_eq!(canaries.path.as_ref(), "selftest/00000000000000ff/nflog/5");
                    assert_eq!((canaries.sent, canaries.unanswered), (canaries.seen, Some(0)));
                    Some(canaries.seen)
                }
                _ => None,
            });
            of_test.sum()
        };
        running.wait("the block", |reports| told(reports) == 2);
        let before = readings(&running.sent.lock().unwrap()).len();
        running.wait("readings", |reports| readings(reports).len() > before + 2);
        nft("delete table inet remit_selftest");
        let before = readings(&running.sent.lock().unwrap()).len();
        running.wait("readings", |reports| readings(reports).len() > before + 2);
        let reports = running.stop();
        assert_eq!((lost(&reports), recorded(&reports)), (0, 0), "{reports:#?}");
        assert!(states(&reports).iter().all(|state| state.rules.is_empty()), "{reports:#?}");
        let own = readings(&reports);
        assert!(own.iter().all(|reading| reading.self_protection.is_empty()), "{own:#?}");
    });
}
