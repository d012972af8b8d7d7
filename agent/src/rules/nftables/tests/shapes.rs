//! One rule at a time, in every shape that nft gives to conditions.

use super::*;

/// A rule in `table inet`, input hook, and the conditions that it must read as.
fn check(rule: &str, expected: &str) {
    nft(&format!(
        "flush ruleset
         table inet t {{ chain c {{ type filter hook input priority 0; {rule}; }} }}"
    ));
    assert_eq!(described(), [expected], "{rule}");
}

#[test]
fn addresses() {
    in_namespace(|| {
        let v4 = "meta nfproto ipv4";
        let is = |rule: &str, says: &str| check(rule, &format!("{v4}, {says} -> drop"));
        is("ip daddr 192.0.2.1 drop", "ip daddr 192.0.2.1");
        is("ip daddr 192.0.2.0/24 drop", "ip daddr 192.0.2.0/24");
        is("ip daddr 192.0.2.0/23 drop", "ip daddr 192.0.2.0/23");
        is("ip daddr 128.0.0.0/1 drop", "ip daddr 128.0.0.0/1");
        is("ip daddr != 192.0.2.0/23 drop", "ip daddr != 192.0.2.0/23");
        is("ip saddr 192.0.2.7 drop", "ip saddr 192.0.2.7");
        is("ip saddr 192.0.2.0-192.0.3.5 drop", "ip saddr 192.0.2.0-192.0.3.5");
        is("ip daddr != 192.0.2.0-192.0.3.5 drop", "ip daddr != 192.0.2.0-192.0.3.5");
        is("ip daddr >= 192.0.2.9 drop", "ip daddr 192.0.2.9-255.255.255.255");
        is("ip daddr < 10.0.0.0 drop", "ip daddr 0.0.0.0-9.255.255.255");
        // neighbours that nft loads as one
        is("ip saddr 192.0.2.7 ip daddr 192.0.2.8 drop", "ip saddr 192.0.2.7, ip daddr 192.0.2.8");
        is(
            "ip saddr 192.0.2.7 ip daddr 10.0.0.0/8 drop",
            "ip saddr 192.0.2.7, ip daddr 10.0.0.0/8",
        );
        let v6 = "meta nfproto ipv6";
        let is = |rule: &str, says: &str| check(rule, &format!("{v6}, {says} -> drop"));
        is("ip6 daddr 2001:db8::1 drop", "ip6 daddr 2001:db8::1");
        is("ip6 daddr 2001:db8::/32 drop", "ip6 daddr 2001:db8::/32");
        is("ip6 saddr 2001:db8::/45 drop", "ip6 saddr 2001:db8::/45");
        is("ip6 daddr 2001:db8::5-2001:db8::9 drop", "ip6 daddr 2001:db8::5-2001:db8::9");
        is("ip6 saddr ::1 ip6 daddr ::2 drop", "ip6 saddr ::1, ip6 daddr ::2");
    });
}

#[test]
fn protocols_and_ports() {
    in_namespace(|| {
        let is = |rule: &str, says: &str| check(rule, &format!("{says} -> drop"));
        is("tcp dport 80 drop", "meta l4proto tcp, tcp dport 80");
        is("udp sport 1000-2000 drop", "meta l4proto udp, udp sport 1000-2000");
        is("tcp dport != 80 drop", "meta l4proto tcp, tcp dport != 80");
        is("tcp dport > 1023 drop", "meta l4proto tcp, tcp dport 1024-65535");
        is("tcp sport 5 tcp dport 80 drop", "meta l4proto tcp, tcp sport 5, tcp dport 80");
        is("meta l4proto { tcp, udp } th dport 53 drop", "meta l4proto @__set0, th dport 53");
        is("ip protocol icmp drop", "meta nfproto ipv4, meta l4proto icmp");
        is(
            "icmp type echo-request drop",
            "meta nfproto ipv4, meta l4proto icmp, icmp type == 0x08",
        );
        is("tcp flags syn drop", "meta l4proto tcp, tcp flags & 0x02 != 0x00");
    });
}

#[test]
fn other_conditions() {
    in_namespace(|| {
        let is = |rule: &str, says: &str| check(rule, &format!("{says} -> drop"));
        is("ct state invalid drop", "ct state invalid");
        is("ct state invalid,new drop", "ct state invalid,new");
        is("ct state { new, untracked } drop", "ct state @__set0");
        is("iifname \"wan*\" drop", "iifname \"wan*\"");
        is("iifname \"eth0\" oifname != \"lo\" drop", "iifname \"eth0\", oifname != \"lo\"");
        is("iif lo drop", "iif 1");
        is("meta mark 0x2a drop", "meta mark 0x2a");
        is("meta mark and 0xff == 0x2a drop", "meta mark & 0xff == 0x2a");
        is("ct mark 7 drop", &format!("ct mark == 0x{}", hex_ne(7)));
        is("limit rate 5/second drop", "limited");
        is("meta nfproto ipv4 drop", "meta nfproto ipv4");
        is("drop", "");
    });
}

fn hex_ne(value: u32) -> String {
    value.to_ne_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

/// What cannot be read narrows the rule in a way that we do not know; the rule is still listed.
#[test]
fn conditions_that_cannot_be_read_are_named() {
    in_namespace(|| {
        check("fib daddr type local drop", "fib daddr type local -> drop");
        check("fib daddr type != local drop", "fib daddr type != local -> drop");
        check("fib daddr type blackhole drop", "? fib daddr type == -> drop");
        check("fib saddr type local drop", "? fib, ? fib == -> drop");
        check(
            "ip daddr 192.0.2.1 numgen inc mod 2 == 0 drop",
            "meta nfproto ipv4, ip daddr 192.0.2.1, ? numgen, ? numgen == -> drop",
        );
        check("tcp option maxseg size 1-500 drop", "? exthdr, ? exthdr >=, ? exthdr <= -> drop");
        check(
            "ip daddr and 255.0.255.0 == 10.0.5.0 drop",
            "meta nfproto ipv4, ? @nh,128,32 & -> drop",
        );
        check("meta mark or 0x5 == 0x7 drop", "? bitwise == -> drop");
        let ruleset = read();
        assert!(ruleset.drops[0].not_understood[0].contains("0x"), "raw bytes are kept");
        assert!(ruleset.drops[0].native.ends_with("drop"), "{}", ruleset.drops[0].native);
    });
}

#[test]
fn ways_of_rejecting() {
    in_namespace(|| {
        check("reject", " -> Icmpx 1");
        check("reject with icmpx admin-prohibited", " -> Icmpx 3");
        check("tcp dport 80 reject with tcp reset", "meta l4proto tcp, tcp dport 80 -> TcpReset 0");
        check(
            "ip daddr 192.0.2.1 reject with icmp host-prohibited",
            "meta nfproto ipv4, ip daddr 192.0.2.1 -> Icmp 10",
        );
        check("ip6 daddr ::1 reject", "meta nfproto ipv6, ip6 daddr ::1 -> Icmp 4");
    });
}

#[test]
fn everything_beside_the_conditions() {
    in_namespace(|| {
        nft(r#"table inet t {
            counter c1 { }
            chain c { type filter hook forward priority -5; policy drop;
                ip daddr 192.0.2.1 meta mark 0x2a log prefix "remit=a " group 5 snaplen 64 queue-threshold 1 counter name c1 drop comment "remit=REQ-1 x"
                counter ip daddr 192.0.2.2 log prefix "b" group 5 drop
                ip daddr 192.0.2.3 limit rate 1/second log prefix "c" group 5 counter drop
                ip daddr 192.0.2.4 log prefix "syslog" drop
            } }"#);
        let ruleset = read();
        let [a, b, c, d] = &ruleset.drops[..] else { panic!("{:#?}", ruleset.drops) };
        assert_eq!((a.comment.as_deref(), a.mark_required), (Some("remit=REQ-1 x"), Some(0x2a)));
        let log = Log {
            group: 5,
            prefix: b"remit=a ".to_vec(),
            handle: a.rule.handle,
            exact: true,
            limited: false,
            sample: false,
            threshold: 1,
            snaplen: 64,
        };
        assert_eq!(a.logs, [log]);
        assert_eq!((&a.counter, a.counter_exact), (&Some(CounterUse::Named("c1".into())), true));
        assert_eq!(
            a.native,
            "ip daddr 192.0.2.1 meta mark 0x2a log prefix \"remit=a \" group 5 \
            counter name \"c1\" drop comment \"remit=REQ-1 x\""
        );
        let base = BaseChain {
            family: Family::Inet,
            table: "t".into(),
            chain: "c".into(),
            hook: Hook::Forward,
            priority: -5,
            devices: vec![],
        };
        assert_eq!(*a.base, base);
        // A counter before the conditions counts more than the rule drops.
        assert_eq!(
            (&b.counter, b.counter_exact),
            (&Some(CounterUse::Inline(Count::default())), false)
        );
        assert!(b.logs[0].exact);
        // Behind a limit, messages are missing by design.
        assert_eq!((c.logs[0].exact, c.logs[0].limited, c.limit), (false, true, true));
        assert!(d.logs.is_empty(), "the system log is not NFLOG");
        assert_eq!(ruleset.policies.len(), 1);
        assert_eq!(
            (ruleset.policies[0].base.chain.as_str(), ruleset.policies[0].counter),
            ("c", None)
        );
    });
}

#[test]
fn jumps_give_one_path_for_each_caller() {
    in_namespace(|| {
        nft(r#"table inet t {
            chain sink { log prefix "sunk" group 5; counter drop; }
            chain maybe { tcp dport 25 return; udp dport 25 goto sink; }
            chain c { type filter hook input priority 0;
                tcp dport 22 accept
                ip daddr 192.0.2.1 jump sink
                ip daddr 192.0.2.2 jump sink
                ip daddr 192.0.2.3 jump maybe
                ip daddr 192.0.2.4 accept
                ip daddr 192.0.2.5 drop
                accept
                ip daddr 192.0.2.6 drop
            }
            chain unused { ip daddr 192.0.2.7 drop; } }"#);
        let ruleset = read();
        let paths: Vec<_> = ruleset.drops.iter().map(describe).collect();
        assert_eq!(
            paths,
            [
                "meta nfproto ipv4, ip daddr 192.0.2.1 -> drop",
                "meta nfproto ipv4, ip daddr 192.0.2.2 -> drop",
                "meta nfproto ipv4, ip daddr 192.0.2.3, meta l4proto udp, udp dport 25 -> drop",
                "meta nfproto ipv4, ip daddr 192.0.2.5 -> drop",
            ]
        );
        let [a, b, c, d] = &ruleset.drops[..] else { unreachable!() };
        assert_eq!((&a.rule, a.rule.chain.as_str()), (&b.rule, "sink"));
        for path in [a, b, c] {
            assert_eq!(path.logs.len(), 1, "{path:?}");
            assert_eq!((path.logs[0].prefix.as_slice(), path.logs[0].exact), (&b"sunk"[..], true));
        }
        assert!(d.logs.is_empty());
    });
}

#[test]
fn a_log_before_is_joined_only_to_its_own_drop() {
    in_namespace(|| {
        nft(r#"table ip t { chain c { type filter hook input priority 0;
            ip daddr 192.0.2.1 log prefix "one" group 5
            ip daddr 192.0.2.1 drop
            ip daddr 192.0.2.2 log prefix "two" group 5
            ip daddr 192.0.2.2 accept
            ip daddr 192.0.2.2 drop
            ip daddr 192.0.2.3 log prefix "three" group 5
            ip daddr 192.0.2.4 drop
            log prefix "all" group 5
            ip daddr 192.0.2.5 drop
            drop
        } }"#);
        let ruleset = read();
        let logs: Vec<Vec<_>> = ruleset
            .drops
            .iter()
            .map(|path| {
                path.logs
                    .iter()
                    .map(|log| (String::from_utf8_lossy(&log.prefix).into_owned(), log.exact))
                    .collect()
            })
            .collect();
        let is = |prefix: &str, exact| (prefix.to_owned(), exact);
        assert_eq!(
            logs,
            [
                vec![is("one", true)],
                vec![],
                vec![],
                vec![],
                vec![is("three", false), is("all", false)],
            ]
        );
    });
}

#[test]
fn other_hooks_and_tables_that_sleep() {
    in_namespace(|| {
        run("ip", &["link", "add", "v0", "type", "veth", "peer", "name", "v1"]);
        nft(r#"
        table inet asleep { flags dormant; chain c { type filter hook input priority 0; drop; } }
        table netdev n { chain in { type filter hook ingress device v0 priority -500;
            ip daddr 192.0.2.1 drop; meta protocol ip6 ip6 daddr ::1 drop; } }
        table bridge b { chain f { type filter hook forward priority 0; ip daddr 192.0.2.2 drop; } }
        table arp a { chain i { type filter hook input priority 0; drop; } }
        table ip p { chain r { type filter hook prerouting priority -300; ip daddr 192.0.2.3 drop; } }
        table ip6 o { chain o { type filter hook output priority 0; ip6 daddr ::2 drop; } }"#);
        let ruleset = read();
        let found: Vec<_> = ruleset
            .drops
            .iter()
            .map(|p| (p.base.family, p.base.hook, p.base.priority, describe(p)))
            .collect();
        let is = |f, h, p, d: &str| (f, h, p, format!("{d} -> drop"));
        assert_eq!(
            found,
            [
                is(Family::Netdev, Hook::Ingress, -500, "meta nfproto ipv4, ip daddr 192.0.2.1"),
                is(Family::Netdev, Hook::Ingress, -500, "meta nfproto ipv6, ip6 daddr ::1"),
                is(Family::Ip, Hook::Prerouting, -300, "ip daddr 192.0.2.3"),
                is(Family::Arp, Hook::Input, 0, ""),
                is(Family::Bridge, Hook::Forward, 0, "meta nfproto ipv4, ip daddr 192.0.2.2"),
                is(Family::Ip6, Hook::Output, 0, "ip6 daddr ::2"),
            ]
        );
        assert_eq!(ruleset.drops[0].base.devices, ["v0"]);
    });
}

#[test]
fn diversions_are_listed() {
    in_namespace(|| {
        nft(r#"table ip t { chain c { type nat hook prerouting priority 0;
            tcp dport 80 redirect to 8080; ip daddr 192.0.2.1 drop; } }"#);
        let ruleset = read();
        let actions: Vec<_> = ruleset.drops.iter().map(|path| path.action).collect();
        assert_eq!(actions, [Action::Divert, Action::Drop]);
        assert_eq!(ruleset.drops[0].native, "tcp dport 80 redir");
    });
}

#[test]
fn shared_chains_cannot_make_us_list_for_ever() {
    in_namespace(|| {
        // Four calls in each of twelve chains: 16 million ways.
        let mut table = String::from("table ip t {\nchain c12 { drop; }\n");
        for i in (0..12).rev() {
            let calls = format!("ip daddr 192.0.2.{i} jump c{};", i + 1).repeat(4);
            table += &format!("chain c{i} {{ {calls} }}\n");
        }
        table += "chain in { type filter hook input priority 0; jump c0; } }";
        nft(&table);
        let ruleset = read();
        assert!(ruleset.paths_omitted);
        assert!(!ruleset.drops.is_empty());
    });
}

#[test]
fn link_headers_say_the_version() {
    in_namespace(|| {
        let check = |rule: &str, expected: &str| {
            nft(&format!(
                "flush ruleset
                 table bridge t {{ chain c {{ type filter hook forward priority 0; {rule}; }} }}"
            ));
            assert_eq!(described(), [expected], "{rule}");
        };
        check(
            "ether type ip ip daddr 192.0.2.1 drop",
            "meta nfproto ipv4, ip daddr 192.0.2.1 -> drop",
        );
        check(
            "vlan id 5 ip daddr 192.0.2.1 drop",
            "meta protocol == 0x8100, vlan tci & 0x0fff == 0x0005, meta nfproto ipv4, \
            ip daddr 192.0.2.1 -> drop",
        );
        check("@nh,128,32 0xc0000201 drop", "? @nh,128,32 == -> drop");
    });
}

#[test]
fn a_share_that_is_drawn_twice_is_not_the_same_share() {
    in_namespace(|| {
        nft(r#"table ip t { chain c { type filter hook input priority 0;
            ip daddr 192.0.2.1 numgen random mod 2 == 0 log prefix "drawn" group 5
            ip daddr 192.0.2.1 numgen random mod 2 == 0 drop; } }"#);
        assert!(read().drops[0].logs.iter().all(|log| !log.exact));
    });
}
