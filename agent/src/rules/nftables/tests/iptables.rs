//! What iptables-nft makes of its rules.

use super::*;

fn iptables(rule: &str) {
    run("iptables-nft", &words(rule));
}

fn words(rule: &str) -> Vec<&str> {
    rule.split(' ').collect()
}

#[test]
fn nflog_before_drop_is_one_block() {
    in_namespace(|| {
        let block = "-A FORWARD -d 192.0.2.1 -p tcp --dport 80 -m comment --comment remit=REQ-1";
        iptables(&format!("{block} -j NFLOG --nflog-group 7 --nflog-prefix remit=REQ-1"));
        iptables(&format!("{block} -j DROP"));
        let ruleset = read();
        let [path] = &ruleset.drops[..] else { panic!("{:#?}", ruleset.drops) };
        assert_eq!(describe(path), "meta l4proto tcp, ip daddr 192.0.2.1, tcp dport 80 -> drop");
        assert_eq!(path.comment.as_deref(), Some("remit=REQ-1"));
        assert_eq!(path.logs.len(), 1);
        let log = &path.logs[0];
        assert_eq!((log.group, log.prefix.as_slice(), log.exact), (7, &b"remit=REQ-1"[..], true));
        assert!(log.handle < path.rule.handle);
        assert_eq!(
            (&path.counter, path.counter_exact),
            (&Some(CounterUse::Inline(Count::default())), true)
        );
        assert_eq!(path.base.hook, Hook::Forward);
    });
}

#[test]
fn rejects() {
    in_namespace(|| {
        for with in ["icmp-net-unreachable", "icmp-host-prohibited", "icmp-admin-prohibited"] {
            iptables(&format!("-A FORWARD -s 192.0.2.0/24 -j REJECT --reject-with {with}"));
        }
        iptables("-A FORWARD -p tcp -j REJECT --reject-with tcp-reset");
        run("ip6tables-nft", &words("-A FORWARD -d 2001:db8::/32 -j REJECT"));
        run("ip6tables-nft", &words("-A FORWARD -p tcp -j REJECT --reject-with tcp-reset"));
        assert_eq!(
            described(),
            [
                "ip saddr 192.0.2.0/24 -> Icmp 0",
                "ip saddr 192.0.2.0/24 -> Icmp 10",
                "ip saddr 192.0.2.0/24 -> Icmp 13",
                "meta l4proto tcp -> TcpReset 0",
                "ip6 daddr 2001:db8::/32 -> Icmp 4",
                "meta l4proto tcp -> TcpReset 0",
            ]
        );
    });
}

#[test]
fn opaque_matches_are_named_and_interfaces_read() {
    in_namespace(|| {
        iptables("-A FORWARD -d 192.0.2.1 -m multiport -p tcp --dports 5,6 -j DROP");
        iptables("-A FORWARD -i eth+ -p tcp --dport 5:9 -j DROP");
        iptables("-A FORWARD -m mark --mark 0x2a ! -s 10.0.0.0/9 -j DROP");
        let found = described();
        assert_eq!(
            found[0],
            "meta l4proto tcp, ip daddr 192.0.2.1, ? xt match multiport 1 -> drop"
        );
        assert_eq!(found[1], "iifname \"eth*\", meta l4proto tcp, tcp dport 5-9 -> drop");
        assert!(found[2].starts_with("ip saddr != 10.0.0.0/9, "), "{}", found[2]);
        assert!(found[2].ends_with(" -> drop"), "{}", found[2]);
    });
}

/// Same prefix, same log, but the opaque part differs: not the same packets.
#[test]
fn logs_with_other_opaque_conditions_are_not_joined() {
    in_namespace(|| {
        let rule =
            |ports, target| format!("-A FORWARD -p tcp -m multiport --dports {ports} -j {target}");
        iptables(&rule("5,6", "NFLOG --nflog-group 7 --nflog-prefix a"));
        iptables(&rule("5,6", "DROP"));
        iptables(&rule("7,8", "NFLOG --nflog-group 7 --nflog-prefix b"));
        iptables(&rule("7,9", "DROP"));
        let ruleset = read();
        assert_eq!(ruleset.drops[0].logs.len(), 1, "{:#?}", ruleset.drops[0]);
        assert!(ruleset.drops[1].logs.is_empty(), "{:#?}", ruleset.drops[1]);
    });
}

#[test]
fn user_chains_policies_and_their_counters() {
    in_namespace(|| {
        iptables("-N BLOCK");
        iptables("-A BLOCK -j NFLOG --nflog-group 7 --nflog-prefix blocked");
        iptables("-A BLOCK -j DROP");
        iptables("-A FORWARD -d 192.0.2.1 -j BLOCK");
        iptables("-A FORWARD -d 192.0.2.2 -j BLOCK");
        iptables("-P FORWARD DROP");
        let ruleset = read();
        assert_eq!(ruleset.drops.len(), 2);
        assert!(ruleset.drops.iter().all(|path| path.logs.len() == 1 && path.logs[0].exact));
        assert_eq!(ruleset.policies.len(), 1);
        assert_eq!(ruleset.policies[0].counter, Some(Count::default()));
    });
}
