//! DOMAIN.md 3b `NOT_ENFORCED`.

use register::{DutyFinding, Installed, Target, not_enforced};
use remit_proto::v1::{self, EnforcementPoint, NodeFacts, Observation};

use crate::language::{at, register_of};

/// `installed` is "<node> <kind>:<value> [<claim>]; …"; `nodes` is "<node> <country>
/// <observed|unobserved>…; …". `want` is "<id> <targets> (<observed nodes>) unobserved <points>".
fn check(register: &str, installed: &str, nodes: &str, want: &[&str]) {
    let lines = |text: &str| -> Vec<Vec<String>> {
        text.split(';')
            .map(|l| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .filter(|l| !l.is_empty())
            .collect()
    };
    let installed: Vec<Installed> = lines(installed)
        .into_iter()
        .map(|words| Installed {
            node: words[0].parse().unwrap(),
            target: words[1].parse::<Target>().unwrap(),
            technique: v1::Technique::IpAclDrop,
            claims: words.get(2).map(|c| c.parse().unwrap()).into_iter().collect(),
        })
        .collect();
    let nodes: Vec<NodeFacts> = lines(nodes)
        .into_iter()
        .map(|words| NodeFacts {
            node: words[0].clone(),
            country: words[1].clone(),
            points: words[2..]
                .iter()
                .zip(1..)
                .map(|(how, number)| EnforcementPoint {
                    id: format!("p{number}"),
                    technology: "nftables".into(),
                    observation: match how.as_str() {
                        "observed" => Observation::Observed,
                        "relayed" => Observation::Relayed,
                        _ => Observation::Unobserved,
                    }
                    .into(),
                })
                .collect(),
            ..NodeFacts::default()
        })
        .collect();
    let register = register_of(register);
    let duties = not_enforced(&register.view(), at("2026-01-15"), &installed, &nodes);
    let shown: Vec<String> = duties
        .iter()
        .map(|duty| {
            let targets: Vec<_> = duty.targets.iter().map(ToString::to_string).collect();
            let unobserved: Vec<_> =
                duty.unobserved.iter().map(|p| format!("{}/{}", p.node, p.point)).collect();
            let finding = match duty.finding {
                DutyFinding::NotEnforced => "",
                DutyFinding::Undetermined => "? ",
            };
            format!(
                "{finding}{} {} ({}) {}",
                duty.request,
                targets.join(","),
                duty.observed_nodes.join(","),
                unobserved.join(",")
            )
        })
        .collect();
    assert_eq!(shown.iter().map(|s| s.trim_end()).collect::<Vec<_>>(), want);
}

const NET: &str = "r1 DE observed; r2 FR observed; dpi DE unobserved";

#[test]
fn in_force_and_installed_nowhere() {
    check("req-7 ip:192.0.2.7 in DE", "", NET, &["req-7 192.0.2.7 (r1) dpi/p1"]);
    check("req-7 ip:192.0.2.7 in *", "", NET, &["req-7 192.0.2.7 (r1,r2) dpi/p1"]);
    check(
        "req-7 ip:192.0.2.7 ip:192.0.2.8 in DE",
        "r1 ip:192.0.2.7",
        NET,
        &["req-7 192.0.2.8 (r1) dpi/p1"],
    );
}

#[test]
fn installed_in_scope_or_not() {
    check("req-7 ip:192.0.2.7 in DE", "r1 ip:192.0.2.7", NET, &[]);
    check("req-7 ip:192.0.2.7 in DE", "r1 cidr:192.0.2.0/24", NET, &[]);
    check("req-7 ip:192.0.2.7 in DE", "r2 ip:192.0.2.7", NET, &["req-7 192.0.2.7 (r1) dpi/p1"]);
    check("req-7 ip:192.0.2.7 in DE", "r1 ip:192.0.2.8", NET, &["req-7 192.0.2.7 (r1) dpi/p1"]);
}

#[test]
fn by_other_means_if_the_operator_may_choose() {
    let rule = "r1 ip:192.0.2.7 req-7";
    check("req-7 domain_exact:example.org in DE by any", rule, NET, &[]);
    check("req-7 domain_exact:example.org in DE", rule, NET, &["req-7 example.org (r1) dpi/p1"]);
}

#[test]
fn exempt() {
    for register in [
        "req-7 ip:192.0.2.7 status refused",
        "req-7 ip:192.0.2.7 status challenged",
        "req-7 ip:192.0.2.7; req-7 suspends effective 2026-01-10",
        "req-7 ip:192.0.2.7 until 2026-01-10",
        "req-7 ip:192.0.2.7 from 2026-02-01",
        "req-7 ip:192.0.2.7 implement-by 2026-01-16",
        "req-7 ip:192.0.2.7 as tos_measure",
        "req-7 ip:192.0.2.7 in AT",
        "req-7 ip:192.0.2.7 in unstated",
    ] {
        check(register, "", NET, &[]);
    }
    let removed = "req-7 ip:192.0.2.8 ip:192.0.2.7 removed 2026-01-10 except ip:192.0.2.9";
    check(removed, "r1 ip:192.0.2.8", NET, &[]);
}

#[test]
fn where_nobody_looks_nothing_is_known() {
    check("req-7 ip:192.0.2.7", "", "dpi DE unobserved", &["? req-7 192.0.2.7 () dpi/p1"]);
    check("req-7 ip:192.0.2.7", "", "far DE relayed unobserved", &["req-7 192.0.2.7 (far) far/p2"]);
}
