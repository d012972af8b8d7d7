//! Packets become hits of their rules, exactly as many as the counters show.

use super::*;

const RULES: &str = r#"table inet t {
    counter one { }
    counter net { }
    counter listed { }
    counter back { }
    counter no { }
    set s { type ipv4_addr; flags interval; elements = {
        203.0.113.50 comment "remit=de/50", 203.0.113.64/28 comment "remit=de/64" } }
    chain f { type filter hook forward priority 0;
        ip daddr 192.0.2.1 log prefix "remit=de/1 " group 5 counter name one drop
        ip6 daddr 2001:db8:1::1 log prefix "remit=de/6 " group 5 counter drop
        ip daddr 192.0.2.128/25 log prefix "remit=de/24 " group 5 counter name net drop
        ip daddr @s log prefix "remit=list " group 5 counter name listed drop
        ip saddr 203.0.113.9 udp dport 5000-5003 log prefix "remit=back " group 5 counter name back drop
        ip daddr 198.51.100.3 log prefix "remit=no " group 5 counter name no reject
    }
    chain i { type filter hook input priority 0;
        udp dport 9999 log prefix "own " group 5 counter drop
    }
}"#;

#[test]
fn hits_are_exactly_what_the_counters_show() {
    in_router(|client, server| {
        nft(RULES);
        let running = Running::start(true);
        client.send(CLIENT, "192.0.2.1:53", 25);
        client.send(CLIENT6, "[2001:db8:1::1]:53", 7);
        client.send(CLIENT, "192.0.2.200:53", 11);
        client.send(CLIENT, "203.0.113.50:53", 3);
        client.send(CLIENT, "203.0.113.70:443", 5);
        server.send(SERVER, "100.64.0.7:5001", 9);
        client.send(CLIENT, "198.51.100.3:53", 1);
        let refused = client.connect("198.51.100.3:80").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "{refused}");
        client.send(CLIENT, "100.64.0.1:9999", 13);
        running.wait_for_hits(62);
        running.wait("a settled reading", |reports| counter(reports, "inet/t/one") == Some(25));
        let reports = running.stop();

        let tally = tally(&reports);
        let of = |name: &str| tally.get(name).copied().unwrap_or_default();
        let refused = of("198.51.100.3");
        assert_eq!(of("192.0.2.1"), 25);
        assert_eq!(of("2001:db8:1::1"), 7);
        assert_eq!(of("192.0.2.128/25 -> 192.0.2.200"), 11);
        assert_eq!(of("203.0.113.50"), 3);
        assert_eq!(of("203.0.113.64/28 -> 203.0.113.70"), 5);
        assert_eq!(of("203.0.113.9"), 9);
        assert_eq!(tally.values().sum::<u64>(), 60 + refused, "nothing else: {tally:?}");

        for (key, expected) in
            [("one", 25), ("net", 11), ("listed", 8), ("back", 9), ("no", refused)]
        {
            assert_eq!(counter(&reports, &format!("inet/t/{key}")), Some(expected), "{key}");
        }
        assert!(refused >= 2, "a datagram and a connection: {refused}");
        let last = readings(&reports).pop().unwrap();
        let own: Vec<_> =
            last.self_protection.iter().map(|c| (c.chain.as_str(), c.packets)).collect();
        assert_eq!(own, [("inet/t/i", 13)]);
        let lost = reports.iter().any(|r| matches!(r, Report::Lost { .. } | Report::Unsure { .. }));
        assert!(!lost, "{reports:#?}");

        let rejected = hits(&reports).into_iter().filter(|h| h.response != Response::Silent);
        let responses: Vec<_> = rejected.map(|hit| hit.response).collect();
        assert!(responses.iter().all(|r| *r == Response::Reject("icmp/3/3")), "{responses:?}");

        let text = format!("{reports:?}");
        for address in ["100.64.0", "2001:db8:c:"] {
            assert!(!text.contains(address), "a customer's address in a report");
        }
    });
}

#[test]
fn rules_come_before_hits_and_the_first_reading_before_both() {
    in_router(|client, _| {
        nft(RULES);
        client.send(CLIENT, "192.0.2.1:53", 4);
        let running = Running::start(true);
        client.send(CLIENT, "192.0.2.1:53", 2);
        running.wait_for_hits(2);
        let reports = running.stop();
        let [Report::Counters(first), Report::Rules(_), ..] = &reports[..] else {
            panic!("{reports:#?}");
        };
        assert_eq!(counter(&reports[..1], "inet/t/one"), Some(4), "{first:?}");
        assert_eq!(hits(&reports).iter().map(|hit| hit.count).sum::<u64>(), 2);
    });
}

#[test]
fn what_happened_while_the_agent_was_down_is_in_the_first_reading() {
    in_router(|client, _| {
        nft(RULES);
        let running = Running::start(true);
        client.send(CLIENT, "192.0.2.1:53", 5);
        running.wait_for_hits(5);
        let before = counter(&running.stop(), "inet/t/one");
        client.send(CLIENT, "192.0.2.1:53", 8);
        let reports = Running::start(true).stop();
        assert_eq!(before, Some(5), "the last reading settles the account");
        assert!(matches!(reports[0], Report::Counters(_)), "{reports:?}");
        assert_eq!(counter(&reports[..1], "inet/t/one"), Some(13), "{reports:?}");
        assert!(hits(&reports).is_empty());
    });
}

#[test]
fn a_commit_is_reported_with_who_made_it() {
    in_router(|client, _| {
        nft(RULES);
        let running = Running::start(true);
        let since = Instant::now();
        nft(
            r#"add rule inet t f ip daddr 192.0.2.77 log prefix "new " group 5 drop comment "remit=de/77""#,
        );
        running.wait("the new rule", |reports| {
            states(reports)
                .last()
                .is_some_and(|s| s.rules.iter().any(|r| r.target.value == "192.0.2.77"))
        });
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
        client.send(CLIENT, "192.0.2.77:53", 3);
        running.wait_for_hits(3);
        // The comment of a rule changes; the rule is the same.
        let rules = RULES.replace("remit=de/1 ", "remit=de/2 ");
        nft(&format!("flush ruleset; {rules}"));
        running.wait("the changed claim", |reports| {
            states(reports)
                .last()
                .is_some_and(|s| !s.rules.iter().any(|r| r.target.value == "192.0.2.77"))
        });
        client.send(CLIENT, "192.0.2.1:53", 2);
        running.wait_for_hits(5);
        let states = states(&running.stop());
        let claims = |state: &RuleState| {
            let rule = state.rules.iter().find(|r| r.target.value == "192.0.2.1").unwrap();
            (rule.number, rule.claims.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let (first, last) = (claims(&states[0]), claims(states.last().unwrap()));
        assert_eq!(first.0, last.0);
        assert_eq!((first.1, last.1), (vec!["de/1".to_owned()], vec!["de/2".to_owned()]));
        assert_eq!(states[0].changed_by, "");
        assert!(states[1..].iter().all(|state| state.changed_by == "nft"), "{states:?}");
        assert!(states.iter().all(|state| !state.unstable));
    });
}

#[test]
fn a_hit_right_after_a_commit_finds_its_rule() {
    in_router(|client, _| {
        nft(RULES);
        let running = Running::start(true);
        nft(r#"add rule inet t f ip daddr 192.0.2.78 log prefix "quick " group 5 drop"#);
        client.send(CLIENT, "192.0.2.78:53", 3);
        running.wait_for_hits(3);
        let reports = running.stop();
        assert_eq!(tally(&reports).get("192.0.2.78"), Some(&3));
    });
}

#[test]
fn a_message_that_fits_no_rule_is_a_loss() {
    in_router(|client, _| {
        nft(&format!(
            r#"{RULES}
            add rule inet t f ip daddr 10.255.0.2 log prefix "accepted " group 5 accept"#
        ));
        let running = Running::start(true);
        client.send(CLIENT, "10.255.0.2:53", 6);
        let lost = |reports: &[Report]| -> u64 {
            let counts = reports.iter().map(|report| match report {
                Report::Lost { count, .. } => *count,
                _ => 0,
            });
            counts.sum()
        };
        running.wait("the loss", |reports| lost(reports) == 6);
        let reports = running.stop();
        assert!(hits(&reports).is_empty());
    });
}

#[test]
fn rules_without_a_log_are_counted_by_their_counters() {
    in_router(|client, _| {
        nft(r#"table inet t { chain f { type filter hook forward priority 0;
            ip daddr 192.0.2.1 counter drop
            ip daddr 192.0.2.2 limit rate 1/minute burst 2 packets log prefix "some " group 5
            ip daddr 192.0.2.2 counter drop
        } }"#);
        client.send(CLIENT, "192.0.2.1:53", 50);
        let running = Running::start(true);
        client.send(CLIENT, "192.0.2.1:53", 7);
        client.send(CLIENT, "192.0.2.2:53", 9);
        running.wait_for_hits(16);
        let reports = running.stop();
        let tally = tally(&reports);
        assert_eq!(tally.get("192.0.2.1"), Some(&7), "{tally:?}");
        assert_eq!(tally.get("192.0.2.2"), Some(&9), "{tally:?}");
        let sampled = |rule: &Arc<KnownRule>| (rule.target.value.clone(), rule.names_sampled);
        let sampled: Vec<_> = states(&reports)[0].rules.iter().map(sampled).collect();
        assert_eq!(sampled, [("192.0.2.1".into(), false), ("192.0.2.2".into(), true)]);
        assert!(!reports.iter().any(|r| matches!(r, Report::Lost { .. })), "{reports:#?}");
    });
}

#[test]
fn a_rate_limited_log_names_some_hits_and_the_counter_says_how_many_there_were() {
    in_router(|client, _| {
        nft(r#"table inet t { chain f { type filter hook forward priority 0;
            ip daddr 192.0.2.0/24 limit rate 1/hour burst 3 packets log prefix "remit=de/1 " group 5
            ip daddr 192.0.2.0/24 counter drop comment "remit=de/1"
        } }"#);
        let running = Running::start(true);
        client.send(CLIENT, "192.0.2.7:53", 2);
        client.send(CLIENT, "192.0.2.8:53", 40);
        running.wait_for_hits(42);
        let reports = running.stop();
        let tally = tally(&reports);
        let of = |name: &str| tally.get(name).copied().unwrap_or_default();
        assert_eq!(of("192.0.2.0/24 -> 192.0.2.7"), 2, "{tally:?}");
        assert_eq!(of("192.0.2.0/24 -> 192.0.2.8"), 1, "{tally:?}");
        assert_eq!(of("192.0.2.0/24"), 39, "{tally:?}");
        assert!(!reports.iter().any(|r| matches!(r, Report::Lost { .. } | Report::Unsure { .. })));
    });
}

#[test]
fn rules_that_log_alike_are_told_apart_by_their_interfaces() {
    in_router(|client, server| {
        nft(r#"table inet t { chain f { type filter hook forward priority 0;
            iifname "c*" udp dport 53 log prefix "x " group 5 counter drop
            iifname "s0" udp dport 53 log prefix "x " group 5 counter drop
            oifname != "s0" udp dport 53 log prefix "x " group 5 counter drop
        } }"#);
        let running = Running::start(true);
        client.send(CLIENT, "203.0.113.9:53", 2);
        server.send(SERVER, "100.64.0.7:53", 3);
        running.wait_for_hits(5);
        let reports = running.stop();
        let rules = &states(&reports)[0].rules;
        let mut counts = BTreeMap::new();
        for hit in hits(&reports) {
            let at = rules.iter().position(|rule| rule.number == hit.rule);
            *counts.entry((at, hit.other_candidates.len())).or_insert(0) += hit.count;
        }
        assert_eq!(counts, BTreeMap::from([((Some(0), 0), 2), ((Some(1), 1), 3)]));
    });
}

/// As iptables writes it: a line that logs, and one that drops what is left.
#[test]
fn what_a_rule_between_log_and_drop_lets_pass_is_no_hit() {
    in_router(|client, _| {
        nft(r#"table inet t { chain f { type filter hook forward priority 0;
            ip daddr 203.0.113.9 log prefix "x " group 5
            udp dport 53 accept
            ip daddr 203.0.113.9 counter drop
        } }"#);
        let running = Running::start(true);
        client.send(CLIENT, "203.0.113.9:53", 4);
        client.send(CLIENT, "203.0.113.9:54", 3);
        running.wait_for_hits(3);
        let reports = running.stop();
        assert_eq!(tally(&reports).get("203.0.113.9"), Some(&3));
        assert!(!reports.iter().any(|r| matches!(r, Report::Lost { .. })), "{reports:#?}");
    });
}

#[test]
fn rules_that_log_alike_are_candidates() {
    in_router(|client, _| {
        nft(r#"table inet t { chain f { type filter hook forward priority 0;
            iifname "nowhere" udp dport 53 log prefix "x " group 5 counter drop
            ip daddr 192.0.2.1 log prefix "x " group 5 counter drop
        } }"#);
        let running = Running::start(true);
        client.send(CLIENT, "192.0.2.1:53", 2);
        client.send(CLIENT, "192.0.2.1:54", 3);
        running.wait_for_hits(5);
        let reports = running.stop();
        let hits = hits(&reports);
        let ambiguous: u64 =
            hits.iter().filter(|h| !h.other_candidates.is_empty()).map(|h| h.count).sum();
        assert_eq!(ambiguous, 2, "{hits:?}");
        assert_eq!(tally(&reports).get("192.0.2.1"), Some(&3));
    });
}

#[test]
fn below_k_lines_nothing_that_was_hit_is_named() {
    in_router(|client, _| {
        nft(RULES);
        let running = Running::start(false);
        client.send(CLIENT, "192.0.2.200:53", 4);
        running.wait_for_hits(4);
        assert!(hits(&running.stop()).iter().all(|hit| hit.hit_target.is_none()));
    });
}

#[test]
fn a_node_that_does_not_know_its_customers_names_none_of_them() {
    in_router(|client, _| {
        nft(r#"table inet t { chain f { type filter hook forward priority 0;
            ip saddr 100.64.0.0/10 udp dport 25 log prefix "x " group 5 counter drop
            ip6 saddr 2001:db8::/32 udp dport 25 log prefix "x " group 5 counter drop
        } }"#);
        let (mut context, sent) = context(true);
        let key = crate::keys::NodeKey::from_secret([7; 32]);
        context.privacy = Arc::new(crate::privacy::Privacy::new(Vec::new(), &key, true));
        let running = Running::with((context, sent));
        client.send(CLIENT, "192.0.2.1:25", 3);
        client.send(CLIENT6, "[2001:db8:1::1]:25", 4);
        running.wait_for_hits(7);
        let text = format!("{:?}", running.stop());
        assert!(!text.contains(CLIENT) && !text.contains(CLIENT6), "{text}");
    });
}

#[test]
fn a_group_that_is_taken_ends_the_source() {
    in_namespace(|| {
        let _other = NflogReader::bind(GROUP, &nflog::Settings::default()).unwrap();
        let (context, _) = context(true);
        let config = Nftables { groups: vec![GROUP], ..Nftables::default() };
        let error = observe(&config, &context).unwrap_err();
        assert!(matches!(error, NftablesError::GroupTaken { group: GROUP, .. }), "{error:?}");
        assert!(
            error.to_string().contains("let the blocking rules log to another group"),
            "{error}"
        );
    });
}

#[test]
fn without_the_capability_the_source_says_which() {
    in_namespace(|| {
        caps::drop(None, caps::CapSet::Effective, caps::Capability::CAP_NET_ADMIN).unwrap();
        let (context, _) = context(true);
        let error = observe(&Nftables::default(), &context).unwrap_err();
        assert!(matches!(error, NftablesError::NotPermitted(_)), "{error:?}");
        assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
    });
}

#[test]
fn commits_in_the_middle_of_traffic_lose_nothing() {
    in_router(|client, _| {
        nft(RULES);
        let running = Running::start(true);
        thread::scope(|scope| {
            // A thread begins in the network namespace of the one that starts it.
            let churn = scope.spawn(|| {
                for i in 0..40 {
                    nft(&format!("add element inet t s {{ 198.18.{i}.1 }}"));
                    nft(&format!("add rule inet t f ip daddr 198.18.{i}.2 drop"));
                }
            });
            for _ in 0..30 {
                client.send(CLIENT, "203.0.113.50:53", 10);
                thread::sleep(Duration::from_millis(10));
            }
            churn.join().unwrap();
        });
        running.wait_for_hits(300);
        let reports = running.stop();
        assert_eq!(tally(&reports).get("203.0.113.50"), Some(&300));
        assert_eq!(counter(&reports, "inet/t/listed"), Some(300));
        let lost: Vec<_> = reports.iter().filter(|r| matches!(r, Report::Lost { .. })).collect();
        assert!(lost.is_empty(), "{lost:?}");
        let last = states(&reports).pop().unwrap();
        assert!(!last.unstable && last.rules.len() > 80, "{}", last.rules.len());
    });
}

/// Hits of a set that is too long to be kept name the address.
#[test]
fn a_long_set_names_what_was_hit() {
    in_router(|client, _| {
        let list: Vec<_> = (0..20_001).map(|i| format!("198.18.{}.{}", i / 256, i % 256)).collect();
        nft(&format!(
            r#"table inet t {{ set s {{ type ipv4_addr; elements = {{ {} }} }}
            chain f {{ type filter hook forward priority 0;
                ip daddr @s log prefix "remit=list:l@1 " group 5 counter drop
            }} }}"#,
            list.join(",")
        ));
        let running = Running::start(true);
        client.send(CLIENT, "198.18.7.7:53", 3);
        running.wait_for_hits(3);
        assert_eq!(tally(&running.stop()).get(" -> 198.18.7.7"), Some(&3));
    });
}

#[test]
fn a_ruleset_that_cannot_be_read_is_said_each_minute() {
    in_namespace(|| {
        let (context, sent) = context(true);
        let (config, shared) = (Nftables::default(), Arc::new(Shared::default()));
        let mut source = Source::start(&config, &context, &shared).ok().unwrap();
        let unsure = || {
            let sent = sent.lock().unwrap();
            sent.iter().filter(|report| matches!(report, Report::Unsure { .. })).count()
        };
        source.is_blind().unwrap();
        assert_eq!(unsure(), 0, "it may hold still in a moment");
        source.unstable_since = Instant::now().checked_sub(2 * UNSTABLE_AFTER);
        source.is_blind().unwrap();
        source.is_blind().unwrap();
        assert_eq!(unsure(), 1);
        source.blind = Instant::now().checked_sub(BLIND_INTERVAL);
        source.is_blind().unwrap();
        assert_eq!(unsure(), 2);
        assert!(source.read().ok().flatten().is_some());
        assert_eq!(unsure(), 3, "until now");
        source.is_blind().unwrap();
        assert_eq!(unsure(), 3, "that was another time");
    });
}
