//! What a probe from outside shows of requests in force (DOMAIN.md 3b, `INEFFECTIVE`).

use register::{Installed, Seen, Stands, Target, ineffective};
use remit_proto::v1::{NodeFacts, ProbePage, ProbeResult, Technique};

use crate::language::{at, register_of};

/// A probe in AS64500 reached `target` on 15 January, while rules stood that are "<node> <kind>:<value>; …", at r1 in
/// DE and r2 in AT. `want`: the requests that are ineffective, or "nothing".
#[track_caller]
fn check(register: &str, rules: &str, target: &str, want: &str) {
    let register = register_of(register);
    let stands: Vec<Stands> = rules
        .split("; ")
        .map(|rule| {
            let (node, target) = rule.split_once(' ').unwrap();
            let rule = Installed {
                node: node.parse().unwrap(),
                source: 1,
                target: target.parse::<Target>().unwrap(),
                technique: Technique::IpAclDrop,
                narrowed: false,
                claims: Vec::new(),
                by_person: false,
            };
            Stands { rule, since_s: at("2026-01-02") }
        })
        .collect();
    let nodes = [("r1", "DE"), ("r2", "AT")].map(|(node, country)| NodeFacts {
        node: node.to_owned(),
        country: country.to_owned(),
        asn: 64_500,
        ..NodeFacts::default()
    });
    let seen = Seen {
        at_s: at("2026-01-15"),
        result: ProbeResult::Reached,
        page: ProbePage::Unspecified,
        asn: 64_500,
        target: target.parse().unwrap(),
    };
    let found = ineffective(&register.view(), &stands, &nodes, &[seen]);
    let found: Vec<&str> = found.iter().map(|one| one.request.as_str()).collect();
    let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
    assert_eq!(found, want);
}

const PREFIX: &str = "r1 cidr:192.0.2.0/24";

#[test]
fn what_was_reached_although_a_rule_stood() {
    let register = "req-7 cidr:192.0.2.0/24";
    check(register, PREFIX, "ip:192.0.2.7", "req-7");
    check(register, PREFIX, "ip:192.0.3.7", "nothing");
    check(register, "r1 ip:192.0.3.7", "ip:192.0.2.7", "nothing");
    check("req-7 cidr:192.0.2.0/24 until 2026-01-10", PREFIX, "ip:192.0.2.7", "nothing");
}

#[test]
fn what_is_kept_open_is_meant_to_be_reached() {
    let register = "req-7 cidr:192.0.2.0/24 except ip:192.0.2.7";
    check(register, PREFIX, "ip:192.0.2.7", "nothing");
    check(register, PREFIX, "ip:192.0.2.8", "req-7");
    let over = "req-7 cidr:192.0.2.0/24 except ip:192.0.2.7 removed 2026-01-10";
    check(over, PREFIX, "ip:192.0.2.7", "req-7");
    // By the list that it covers.
    let listed = "req-7 covers bad
        feed bad under req-7
        list bad@v1 +cidr:192.0.2.0/24 +!ip:192.0.2.7 with p-2 recorded 2026-01-01";
    check(listed, PREFIX, "ip:192.0.2.7", "nothing");
    check(listed, PREFIX, "ip:192.0.2.8", "req-7");
    // What one request keeps open another may want blocked.
    let two = "req-7 cidr:192.0.2.0/24 except ip:192.0.2.7; other ip:192.0.2.7";
    check(two, PREFIX, "ip:192.0.2.7", "other");
}

#[test]
fn what_was_not_accepted_is_not_to_be_blocked() {
    let register = "req-7 ip:192.0.2.7 ip:192.0.2.8 status received
        req-7 accepts partly-not ip:192.0.2.7 effective 2026-01-02";
    check(register, PREFIX, "ip:192.0.2.7", "nothing");
    check(register, PREFIX, "ip:192.0.2.8", "req-7");
}

#[test]
fn where_it_was_not_accepted_a_rule_is_none_of_its_own() {
    let register = "req-7 ip:192.0.2.7 status received
        req-7 accepts only-in AT effective 2026-01-02";
    check(register, PREFIX, "ip:192.0.2.7", "nothing");
    check(register, "r2 ip:192.0.2.7", "ip:192.0.2.7", "req-7");
}

#[test]
fn an_order_against_the_publisher_asks_no_network_to_block() {
    check("req-7 ip:192.0.2.7 publisher yes", PREFIX, "ip:192.0.2.7", "nothing");
}
