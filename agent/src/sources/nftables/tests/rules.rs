//! What rules become: one case each, without a packet.

use remit_proto::v1::{Actor, ClaimOrigin, Direction, TargetKind, Technique, Trigger};
use sha2::{Digest as _, Sha256};

use super::{digest::Digests, *};

/// What is known of the rules that are loaded now.
fn state() -> State {
    let (context, _) = context(true);
    let settings = Settings { groups: &[GROUP], canaries: true, context: &context };
    State::read(&mut Reader::open().unwrap(), &settings, &mut Digests::default()).unwrap()
}

/// "kind value", "from" or "both" if it is not to the target, "~" if narrowed, "#" if counted, and
/// the claims, "?" before them if they are mapped.
fn show(rule: &KnownRule) -> String {
    let kind = match rule.target.kind() {
        TargetKind::CustomerToken => return format!("token{}", claims(rule)),
        kind => kind.as_str_name().strip_prefix("TARGET_KIND_").unwrap().to_lowercase(),
    };
    let direction = match rule.direction {
        Direction::ToTarget => "",
        Direction::FromTarget => "from ",
        Direction::Both | Direction::Unspecified => "both ",
    };
    let narrowed = if rule.narrowed { "~" } else { "" };
    let counted = if rule.counter.is_some() { "#" } else { "" };
    let value = &rule.target.value;
    format!("{narrowed}{counted}{direction}{kind} {value}{}", claims(rule)).trim_end().into()
}

fn claims(rule: &KnownRule) -> String {
    let mark = match rule.claim_origin {
        ClaimOrigin::Mapped => "?",
        ClaimOrigin::Carried | ClaimOrigin::None | ClaimOrigin::Unspecified => "",
    };
    rule.claims.iter().map(|claim| format!(" {mark}{claim}")).collect()
}

/// Loads sets and rules of a forward chain in `table inet t`, and shows what they become.
fn shown(sets: &str, rules: &str) -> Vec<String> {
    nft(&format!(
        "table inet t {{ }}
         flush ruleset
         table inet t {{ {sets}
            chain f {{ type filter hook forward priority 0; {rules}; }} }}"
    ));
    state().rules.iter().map(|rule| show(rule)).collect()
}

fn check(rule: &str, expected: &[&str]) {
    assert_eq!(shown("", rule), expected, "{rule}");
}

#[test]
fn targets() {
    in_namespace(|| {
        check("ip daddr 192.0.2.1 drop", &["ip 192.0.2.1"]);
        check("ip6 daddr 2001:db8::1 drop", &["ip 2001:db8::1"]);
        check("ip daddr 192.0.2.0/24 drop", &["cidr 192.0.2.0/24"]);
        check("ip6 daddr 2001:db8::/32 drop", &["cidr 2001:db8::/32"]);
        check("ip saddr 192.0.2.1 drop", &["from ip 192.0.2.1"]);
        check("ip daddr 192.0.2.0/25 ip daddr 192.0.2.0/24 drop", &["cidr 192.0.2.0/25"]);
        check("ip daddr 192.0.2.0/24 ip daddr 192.0.2.9 drop", &["ip 192.0.2.9"]);
        check("ip daddr 192.0.2.9 ip daddr 198.51.100.0/24 drop", &["~cidr 198.51.100.0/24"]);
        check("ip daddr 192.0.2.1-192.0.2.2 drop", &["ip 192.0.2.1", "ip 192.0.2.2"]);
        check("ip daddr 192.0.2.1 tcp dport 443 drop", &["ip_port 192.0.2.1:443/tcp"]);
        check(
            "ip daddr 192.0.2.1 tcp dport { 80, 443 } drop",
            &["ip_port 192.0.2.1:80/tcp", "ip_port 192.0.2.1:443/tcp"],
        );
        check("ip daddr 192.0.2.1 tcp dport 1-1024 drop", &["~ip 192.0.2.1"]);
        check("ip daddr 192.0.2.0/24 tcp dport 443 drop", &["~cidr 192.0.2.0/24"]);
        check("udp dport 443 drop", &["port 443/udp"]);
        check("meta l4proto gre drop", &["both protocol_app gre"]);
        check("drop", &["both whole_service *"]);
        check("meta nfproto ipv6 drop", &["~both whole_service *"]);
        check("ip daddr 192.0.2.1 iifname \"c0\" drop", &["~ip 192.0.2.1"]);
        check("ip daddr 192.0.2.1 limit rate 5/second drop", &["~ip 192.0.2.1"]);
        check("ip daddr 192.0.2.1 ct state new drop", &["ip 192.0.2.1"]);
        check("ip daddr != 192.0.2.1 drop", &["~both whole_service *"]);
        check("fib daddr type local drop", &["~both not_understood"]);
        check("ip daddr 192.0.2.1 fib saddr type local drop", &["~ip 192.0.2.1"]);
    });
}

#[test]
fn what_exceeds_a_rate_is_dropped_and_the_rest_goes_through() {
    in_namespace(|| {
        let check = |limit: &str, expected: (Technique, Option<u64>)| {
            shown("", &format!("ip daddr 192.0.2.1 {limit} drop"));
            let rule = state().rules.first().cloned().unwrap();
            assert_eq!((rule.technique, rule.rate_bits_per_s), expected, "{limit}");
        };
        let kbyte = 1024 * 8;
        check("limit rate over 8 kbytes/second", (Technique::Throttle, Some(8 * kbyte)));
        check("limit rate over 60 kbytes/minute", (Technique::Throttle, Some(kbyte)));
        // Packets have no size of their own; of two rates both must be exceeded.
        check("limit rate over 10/second", (Technique::Throttle, None));
        let two = "limit rate over 1 kbytes/second limit rate over 2 kbytes/second";
        check(two, (Technique::Throttle, None));
        // These are dropped, and what exceeds them goes through.
        check("limit rate 8 kbytes/second", (Technique::IpAclDrop, None));
        check("", (Technique::IpAclDrop, None));
    });
}

#[test]
fn customers_are_tokens_and_never_the_target_of_a_pair() {
    in_namespace(|| {
        check("ip saddr 100.64.0.7 ip daddr 192.0.2.1 drop", &["~ip 192.0.2.1"]);
        check("ip saddr 192.0.2.1 ip daddr 100.64.0.7 drop", &["~from ip 192.0.2.1"]);
        check("ip saddr 100.64.0.7 drop", &["token"]);
        check("ip daddr 100.64.0.0/16 drop", &["token"]);
        let sets = "set s { type ipv4_addr; elements = { 100.64.0.7, 192.0.2.9 } }";
        assert_eq!(shown(sets, "ip saddr @s drop").len(), 2);
        let state = state();
        let token = state.rules.iter().find(|r| r.target.kind() == TargetKind::CustomerToken);
        assert_eq!(token.unwrap().trigger, Trigger::ClientIp);
        assert!(!format!("{:?}", state.rules).contains("100.64"), "{:?}", state.rules);
    });
}

#[test]
fn each_element_of_a_set_is_a_rule_with_its_own_claim() {
    in_namespace(|| {
        let sets = r#"set s { type ipv4_addr; flags interval; elements = {
            192.0.2.1 comment "remit=de/1", 192.0.2.8/30 comment "remit=de/2", 198.51.100.1 } }"#;
        let mut found = shown(sets, r#"ip daddr @s counter drop comment "remit=de/3""#);
        found.sort();
        assert_eq!(
            found,
            ["#cidr 192.0.2.8/30 de/2", "#ip 192.0.2.1 de/1", "#ip 198.51.100.1 de/3"]
        );
        let state = state();
        let keys: Vec<_> = state.rules.iter().map(|rule| rule.counter.clone()).collect();
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "one counter for all: {keys:?}");
        let sets = r#"set s { type ipv4_addr . inet_proto . inet_service; flags interval;
            elements = { 192.0.2.1 . tcp . 443 comment "remit=a", 192.0.2.1 . udp . 53,
                         192.0.2.0/24 . tcp . 80 } }"#;
        let mut found = shown(sets, "ip daddr . meta l4proto . th dport @s drop");
        found.sort();
        assert_eq!(
            found,
            ["ip_port 192.0.2.1:443/tcp a", "ip_port 192.0.2.1:53/udp", "~cidr 192.0.2.0/24"]
        );
        // Elements that count for themselves.
        let sets = "set s { type ipv4_addr; counter; elements = { 192.0.2.1, 192.0.2.2 } }";
        assert_eq!(shown(sets, "ip daddr @s drop").len(), 2);
        let counters: Vec<_> =
            super::rules::state().rules.iter().map(|r| r.counter.clone()).collect();
        assert!(counters[0].is_some() && counters[0] != counters[1], "{counters:?}");
    });
}

#[test]
fn verdict_maps_short_and_long() {
    in_namespace(|| {
        let sets = r#"map m { type ipv4_addr : verdict; elements = {
            192.0.2.1 comment "remit=a" : drop, 192.0.2.2 : accept } }"#;
        assert_eq!(shown(sets, "ip daddr vmap @m"), ["ip 192.0.2.1 a"]);
        let mut list: Vec<_> =
            (0..1500).map(|i| format!("10.0.{}.{} : drop", i / 256, i % 256)).collect();
        list.push("10.1.0.0 : accept".into());
        let sets =
            format!("map m {{ type ipv4_addr : verdict; elements = {{ {} }} }}", list.join(","));
        let found = shown(&sets, "ip daddr vmap @m");
        assert_eq!(found.len(), 1500);
        assert!(found.contains(&"ip 10.0.5.219".to_owned()), "{:?}", found.first());
    });
}

#[test]
fn a_set_that_is_too_long_is_one_rule() {
    in_namespace(|| {
        let list: Vec<_> = (0..20_001).map(|i| format!("10.{}.{}.1", i / 256, i % 256)).collect();
        let sets = format!("set s {{ type ipv4_addr; elements = {{ {} }} }}", list.join(","));
        let rules = r#"ip daddr @s counter drop comment "remit=list:l@1""#;
        assert_eq!(shown(&sets, rules), ["~#not_understood  list:l@1"]);
        let native = || state().rules[0].native.clone();
        let digest = |elements: &[&str]| {
            let mut all: Vec<[u8; 32]> =
                elements.iter().map(|element| Sha256::digest(element).into()).collect();
            all.sort();
            Sha256::digest(all.concat()).iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let said = |digest: String| {
            format!(
                "set s has 20001 elements, more than are kept one by one, SHA-256 of them {digest}"
            )
        };
        let mut elements: Vec<&str> = list.iter().map(String::as_str).collect();
        assert!(native().contains(&said(digest(&elements))), "{}", native());
        // As many as before, and not the same.
        nft("delete element inet t s { 10.0.0.1 }; add element inet t s { 10.200.0.1 }");
        elements[0] = "10.200.0.1";
        assert!(native().contains(&said(digest(&elements))), "{}", native());
    });
}

#[test]
fn the_elements_of_a_long_set_are_read_once_for_each_commit() {
    in_namespace(|| {
        let list: Vec<_> = (0..20_001).map(|i| format!("10.{}.{}.1", i / 256, i % 256)).collect();
        let sets = format!("set s {{ type ipv4_addr; elements = {{ {} }} }}", list.join(","));
        shown(&sets, "ip daddr @s drop");
        let (context, _) = context(true);
        let settings = Settings { groups: &[GROUP], canaries: true, context: &context };
        let mut reader = Reader::open().unwrap();
        let mut digests = Digests::default();
        let mut read =
            |digests: &mut Digests| State::read(&mut reader, &settings, digests).unwrap();
        let first = read(&mut digests);
        digests.rest();
        let second = read(&mut digests);
        assert_eq!(first.rules[0].native, second.rules[0].native);
        assert!(!second.moving);
        // A commit, too soon after the last reading: its elements are read later.
        nft("add table inet other");
        let third = read(&mut digests);
        assert!(third.rules[0].native.ends_with("not read yet"), "{}", third.rules[0].native);
        assert!(third.moving);
    });
}

#[test]
fn all_long_sets_of_a_ruleset_are_read_in_one_reading() {
    in_namespace(|| {
        let list: Vec<_> = (0..20_001).map(|i| format!("10.{}.{}.1", i / 256, i % 256)).collect();
        let elements = list.join(",");
        let set = |name| format!("set {name} {{ type ipv4_addr; elements = {{ {elements} }} }}");
        shown(&[set("s"), set("u")].join("\n"), "ip daddr @s drop; ip daddr @u drop");
        let state = state();
        let natives: Vec<_> = state.rules.iter().map(|rule| &rule.native).collect();
        let read = natives.iter().filter(|native| native.contains("SHA-256 of them"));
        assert_eq!(read.count(), 2, "{natives:?}");
        assert!(!state.moving);
    });
}

#[test]
fn claims_of_the_nearest_carrier() {
    in_namespace(|| {
        let rule = |text: &str, claims: &str| {
            check(
                &format!("ip daddr 192.0.2.1 {text}"),
                &[format!("ip 192.0.2.1{claims}").as_str()],
            );
        };
        rule(r#"log prefix "remit=p " group 5 drop"#, " p");
        rule(r#"log prefix "remit=p " group 5 drop comment "remit=c""#, " c");
        rule(r#"log prefix "remit=p " group 5 drop comment "order 17""#, " p");
        rule(r#"drop comment "mapped""#, " ?map/1");
        rule(r#"drop comment "remit=class:whim""#, "");
        check("ip daddr 192.0.2.1 meta mark 0x2a drop", &["~ip 192.0.2.1 ?map/1"]);
        check(
            r#"ip daddr 192.0.2.1 drop comment "remit=a,list:b@2;x""#,
            &["ip 192.0.2.1 a list:b@2"],
        );
        let sets = "set mapped { type ipv4_addr; elements = { 192.0.2.1 } }";
        assert_eq!(shown(sets, "ip daddr @mapped drop"), ["ip 192.0.2.1 ?map/1"]);
        nft("flush ruleset; table inet t { chain mapped {
            type filter hook forward priority 0; policy drop; } }");
        let state = state();
        assert_eq!(
            state.rules.iter().map(|r| show(r)).collect::<Vec<_>>(),
            ["~both whole_service * ?map/1"]
        );
    });
}

#[test]
fn actors_and_techniques() {
    in_namespace(|| {
        shown("", r#"ip daddr 192.0.2.1 drop comment "actor=vendor"; udp dport 9 reject"#);
        let state = state();
        let [a, b] = &state.rules[..] else { panic!("{:?}", state.rules) };
        assert_eq!((a.actor, a.technique), (Actor::Vendor, Technique::IpAclDrop));
        assert_eq!((b.actor, b.technique), (Actor::Unknown, Technique::IpAclReject));
    });
}

#[test]
fn self_protection_is_counted_and_no_rule() {
    in_namespace(|| {
        nft("table inet t {
            counter shared { }
            chain i { type filter hook input priority 0; policy drop; tcp dport 22 counter drop;
                udp dport 1 drop; }
            chain f { type filter hook forward priority 0; ct state invalid counter drop;
                ip saddr 127.0.0.0/8 counter drop; ip saddr 240.0.0.0/4 ip daddr 192.0.2.7 drop;
                ip saddr 10.0.0.0/8 counter name shared drop; ip saddr 0.0.0.0/8 counter name shared drop; } }");
        let state = state();
        let rules: Vec<_> = state.rules.iter().map(|rule| show(rule)).collect();
        assert_eq!(rules, ["~ip 192.0.2.7", "from cidr 10.0.0.0/8"]);
        let not_counted = &state.rules[1].native;
        assert!(not_counted.contains("not counted"), "{not_counted}");
        let chains: Vec<_> = state
            .counters
            .self_protection()
            .into_iter()
            .map(|chain| (chain.chain, chain.packets, chain.uncounted_rules))
            .collect();
        assert_eq!(chains, [("inet/t/f".into(), 0, 1), ("inet/t/i".into(), 0, 2)]);
    });
}

#[test]
fn a_shared_chain_is_one_rule_for_each_target() {
    in_namespace(|| {
        nft("table inet t {
            chain sink { counter drop; }
            chain f { type filter hook forward priority 0;
                ip daddr 192.0.2.1 jump sink; ip daddr 192.0.2.2 jump sink;
                ip daddr 192.0.2.1 tcp dport 1-999 jump sink; } }");
        let state = state();
        let rules: Vec<_> = state.rules.iter().map(|rule| show(rule)).collect();
        assert_eq!(rules, ["#ip 192.0.2.1", "#ip 192.0.2.2"]);
        assert_eq!(state.rules[0].counter, state.rules[1].counter);
    });
}

#[test]
fn loading_a_ruleset_again_makes_no_new_rules() {
    in_namespace(|| {
        let rules = "ip daddr { 192.0.2.1, 192.0.2.2 } drop; ip daddr 192.0.2.3 drop; ip daddr 192.0.2.3 drop";
        let numbers = || {
            let mut numbers: Vec<_> = state().rules.iter().map(|rule| rule.number).collect();
            numbers.sort();
            numbers
        };
        shown("", rules);
        let before = numbers();
        assert_eq!(before.len(), 4);
        assert!(before.windows(2).all(|pair| pair[0] != pair[1]), "{before:?}");
        shown("", &format!("tcp dport {{ 1, 2 }} accept; {rules}"));
        assert_eq!(numbers(), before);
    });
}

#[test]
fn sets_that_packets_fill_have_a_rule_for_what_is_not_yet_known() {
    in_namespace(|| {
        let sets = "set s { type ipv4_addr; flags dynamic,timeout; timeout 1m;
            elements = { 192.0.2.1 } }";
        assert_eq!(shown(sets, "ip saddr @s drop"), ["from ip 192.0.2.1", "~from not_understood"]);
        assert!(state().moving);
        let sets = "set s { type ipv4_addr; flags interval; elements = { 192.0.2.1, * } }";
        assert_eq!(shown(sets, "ip daddr @s drop"), ["ip 192.0.2.1", "~whole_service *"]);
    });
}

#[test]
fn what_diverts_is_a_rule_that_is_not_counted() {
    in_namespace(|| {
        nft("table ip t { chain n { type nat hook prerouting priority 0;
            udp dport 443 counter redirect to 8443; } }");
        let rule = state().rules.remove(0);
        assert_eq!((show(&rule).as_str(), rule.technique), ("~port 443/udp", Technique::Other));
        assert!(rule.native.contains("redir"), "{}", rule.native);
        nft("flush ruleset
            table ip t { chain n { type nat hook prerouting priority 0;
                ip daddr 192.0.2.1 tcp dport 80 dnat to 198.51.100.1 comment \"remit=de/1\"; }
            chain o { type nat hook output priority 0; ip daddr 192.0.2.2 dnat to 198.51.100.1; } }");
        let rules: Vec<_> = state().rules.iter().map(|rule| show(rule)).collect();
        assert_eq!(rules, ["ip_port 192.0.2.1:80/tcp de/1"]);
        // A counter that counts diverted packets too is held against nothing.
        nft("flush ruleset
            table ip t { counter c { }
            chain n { type nat hook prerouting priority 0;
                udp dport 9 counter name c redirect; udp dport 10 counter name c drop; } }");
        let rules: Vec<_> = state().rules.iter().map(|rule| show(rule)).collect();
        assert_eq!(rules, ["~port 9/udp", "~port 10/udp"]);
    });
}

#[test]
fn a_port_that_the_node_forwards_is_its_own_only_if_the_rule_says_so() {
    in_namespace(|| {
        let rules = || state().rules.iter().map(|rule| show(rule)).collect::<Vec<_>>();
        // As Docker has it: only what is for the node goes to the chain.
        nft(
            "table ip t {
            chain forwards { tcp dport 8080 dnat to 192.168.1.2:80; }
            chain n { type nat hook prerouting priority 0; fib daddr type local jump forwards; } }",
        );
        assert!(rules().is_empty());
        // Everybody else's packets, and those of whom nobody knows.
        nft("flush ruleset
            table ip t { chain n { type nat hook prerouting priority 0;
                fib daddr type != local tcp dport 8080 dnat to 192.168.1.2:80;
                fib saddr type local tcp dport 8081 dnat to 192.168.1.2:80;
                iifname \"wan\" tcp dport 8082 dnat to 192.168.1.2:80; } }");
        assert_eq!(rules(), ["~port 8080/tcp", "~port 8081/tcp", "~port 8082/tcp"]);
        // What drops them is a rule: behind one address of the node there may be many subscribers.
        nft("flush ruleset
            table ip t { chain n { type filter hook prerouting priority 0;
                fib daddr type local tcp dport 8080 drop; } }");
        assert_eq!(rules(), ["~port 8080/tcp"]);
        // One line of the basis map speaks for all of a chain.
        nft("flush ruleset
            table inet t {
                chain mapped { tcp dport 8080 dnat ip to 192.168.1.2:80; udp dport 53 redirect; }
                chain n { type nat hook prerouting priority 0; iifname \"wan\" jump mapped; } }");
        assert_eq!(rules(), ["~port 8080/tcp ?map/1", "~port 53/udp ?map/1"]);
    });
}

#[test]
fn a_ruleset_with_too_many_ways_is_said_to_be_unstable() {
    in_namespace(|| {
        let mut table = String::from("table inet t {\nchain c12 { drop; }\n");
        for i in (0..12).rev() {
            let calls = format!("ip daddr 192.0.2.{i} jump c{};", i + 1).repeat(4);
            table += &format!("chain c{i} {{ {calls} }}\n");
        }
        table += "chain f { type filter hook forward priority 0; jump c0; } }";
        nft(&table);
        let states = states(&Running::start(true).stop());
        assert!(states[0].unstable && !states[0].rules.is_empty(), "{states:?}");
    });
}

#[test]
fn routed_packets_pass_the_hooks_of_a_bridge() {
    in_namespace(|| {
        nft("table bridge t {
            chain i { type filter hook input priority 0; ip daddr 192.0.2.1 drop; }
            chain o { type filter hook output priority 0; policy drop; } }");
        let rules: Vec<_> = state().rules.iter().map(|rule| show(rule)).collect();
        assert_eq!(rules, ["ip 192.0.2.1", "~both whole_service *"]);
        assert!(state().counters.self_protection().is_empty());
    });
}

#[test]
fn addresses_behind_link_headers_are_targets() {
    in_namespace(|| {
        for rule in ["ether type ip ip daddr 192.0.2.1 drop", "vlan id 5 ip daddr 192.0.2.1 drop"] {
            nft(&format!(
                "flush ruleset
                table bridge t {{ chain f {{ type filter hook forward priority 0; {rule}; }} }}"
            ));
            let rules: Vec<_> = state().rules.iter().map(|rule| show(rule)).collect();
            let narrowed = if rule.starts_with("vlan") { "~" } else { "" };
            assert_eq!(rules, [format!("{narrowed}ip 192.0.2.1")], "{rule}");
        }
    });
}

#[test]
fn jumps_speak_for_rules_that_say_nothing() {
    in_namespace(|| {
        let jumps = |rules: &str, sink: &str| {
            nft(&format!(
                r#"flush ruleset
                table inet t {{ chain sink {{ {sink}; }}
                chain f {{ type filter hook forward priority 0; {rules} }} }}"#
            ));
            state().rules.iter().map(|rule| show(rule)).collect::<Vec<_>>()
        };
        let said = r#"ip daddr 192.0.2.1 jump sink comment "remit=de/1";"#;
        assert_eq!(jumps(said, "drop"), ["ip 192.0.2.1 de/1"]);
        assert_eq!(jumps(said, r#"drop comment "remit=de/2""#), ["ip 192.0.2.1 de/2"]);
        // One rule, one target, two bases.
        let twice = r#"ip daddr 192.0.2.1 tcp dport 1-99 jump sink comment "remit=de/1";
            ip daddr 192.0.2.1 tcp dport 200-299 jump sink comment "remit=de/2";"#;
        assert_eq!(jumps(twice, "drop"), ["~ip 192.0.2.1 de/1", "~ip 192.0.2.1 de/2"]);
        let marks = "meta mark 0x2a jump sink; meta mark 0x2b jump sink;";
        assert_eq!(
            jumps(marks, "ip daddr 192.0.2.1 drop"),
            ["~ip 192.0.2.1 ?map/1", "~ip 192.0.2.1"]
        );
    });
}
