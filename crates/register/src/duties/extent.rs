//! Whether rules carry a target out in whole, or leave some of it open.
//!
//! | target | in whole by |
//! |---|---|
//! | any | a rule that equals or contains it |
//! | a name | a rule on it as name, server name or Host header: by which of them is the technique's matter, which verdicts judge |
//! | a name and all below it | a rule on the name, and one on all below it, as response policy zones need both (ADR 5) |
//! | a prefix | rules that together leave no address open |
//! | a port of any transport | rules for TCP and UDP |
//!
//! What a request spares, and what was agreed not to be carried out, is not left open.

use ipnet::IpNet;

use crate::target::{Relation, Target, name_of, relation};

/// The more of it, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Extent {
    Part,
    Whole,
}

/// How much of a target the rules of one node carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extents {
    /// By those without further conditions; `None`: nothing.
    pub(super) at_least: Option<Extent>,
    /// By all of them.
    pub(super) at_most: Extent,
}

impl Extents {
    pub(super) fn is_sure(self) -> bool {
        self.at_least == Some(self.at_most)
    }
}

/// `rules`: the targets of rules that stand together, none of them disjoint from `target`, and of what is spared.
pub(super) fn extent(target: &Target, rules: &[&Target]) -> Extent {
    let alone = |rule: &&Target| match relation(rule, target) {
        Relation::Equal | Relation::Contains => true,
        Relation::Inside | Relation::Partial => is_name(target) && is_same_name(rule, target),
        Relation::Disjoint => false,
    };
    let is_whole = rules.iter().any(alone)
        || match target {
            Target::DomainSubtree { name, apex: true } => {
                let below = Target::DomainSubtree { name: name.clone(), apex: false };
                let holds_below = |rule: &&Target| {
                    matches!(relation(rule, &below), Relation::Equal | Relation::Contains)
                };
                rules.iter().any(|rule| is_same_name(rule, target)) && rules.iter().any(holds_below)
            }
            Target::Cidr(net) => {
                let parts: Vec<IpNet> = rules.iter().filter_map(|rule| prefix_of(rule)).collect();
                IpNet::aggregate(&parts).iter().any(|whole| whole.contains(net))
            }
            Target::IpPort { ip, port } => port.each_transport().into_iter().all(|port| {
                let part = Target::IpPort { ip: *ip, port };
                let holds = |rule: &&Target| {
                    matches!(relation(rule, &part), Relation::Equal | Relation::Contains)
                };
                rules.iter().any(holds)
            }),
            Target::Url(_)
            | Target::UrlPrefix(_)
            | Target::DomainExact(_)
            | Target::DomainSubtree { name: _, apex: false }
            | Target::Ip(_)
            | Target::Sni(_)
            | Target::HttpHost(_)
            | Target::ProtocolApp(_)
            | Target::Port(_)
            | Target::Keyword(_)
            | Target::Category(_)
            | Target::AsnRoute(_)
            | Target::LineAccount(_)
            | Target::CellArea(_)
            | Target::WholeService
            | Target::CustomerToken(_) => false,
        };
    if is_whole { Extent::Whole } else { Extent::Part }
}

/// One name as such, and no page of it, and nothing below it.
fn is_name(target: &Target) -> bool {
    matches!(target, Target::DomainExact(_) | Target::Sni(_) | Target::HttpHost(_))
}

fn is_same_name(rule: &Target, target: &Target) -> bool {
    is_name(rule) && name_of(rule) == name_of(target)
}

fn prefix_of(rule: &Target) -> Option<IpNet> {
    match rule {
        Target::Cidr(net) => Some(*net),
        Target::Ip(ip) => Some((*ip).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, rules: &[&str], want: Extent) {
        let parse = |text: &&str| text.parse::<Target>().unwrap();
        let (of, rules): (Target, Vec<Target>) =
            (parse(&target), rules.iter().map(parse).collect());
        let rules: Vec<&Target> = rules.iter().collect();
        assert_eq!(extent(&of, &rules), want, "{target} by {rules:?}");
    }

    #[test]
    fn names() {
        use Extent::*;
        check("domain_exact:x.org", &["domain_exact:x.org"], Whole);
        check("domain_exact:x.org", &["domain_subtree:x.org"], Whole);
        check("domain_exact:x.org", &["sni:x.org"], Whole);
        check("sni:x.org", &["http_host:x.org"], Whole);
        check("domain_exact:x.org", &["url:http://x.org/a"], Part);
        check("url_prefix:http://x.org/a", &["url:http://x.org/a"], Part);
        check("domain_subtree:x.org", &["domain_exact:x.org"], Part);
        check("domain_subtree:x.org", &["domain_subtree:*.x.org"], Part);
        check("domain_subtree:x.org", &["domain_exact:x.org", "domain_subtree:*.x.org"], Whole);
        check("domain_subtree:x.org", &["sni:x.org", "domain_subtree:*.x.org"], Whole);
        check("domain_subtree:x.org", &["domain_exact:x.org", "domain_subtree:a.x.org"], Part);
        check("domain_subtree:*.x.org", &["domain_subtree:a.x.org"], Part);
        check("domain_subtree:*.x.org", &["domain_subtree:x.org"], Whole);
    }

    #[test]
    fn addresses() {
        use Extent::*;
        check("ip:192.0.2.7", &["cidr:192.0.2.0/24"], Whole);
        check("ip:192.0.2.7", &["ip_port:192.0.2.7:443/tcp"], Part);
        check("cidr:192.0.2.0/24", &["cidr:192.0.2.0/25"], Part);
        check("cidr:192.0.2.0/24", &["cidr:192.0.2.0/25", "cidr:192.0.2.128/25"], Whole);
        check("cidr:192.0.2.0/31", &["ip:192.0.2.0", "ip:192.0.2.1"], Whole);
        check("cidr:192.0.2.0/30", &["ip:192.0.2.0", "ip:192.0.2.1"], Part);
        check("cidr:2001:db8::/127", &["ip:2001:db8::", "ip:2001:db8::1"], Whole);
        check(
            "ip_port:192.0.2.7:443/any",
            &["ip_port:192.0.2.7:443/tcp", "ip_port:192.0.2.7:443/udp"],
            Whole,
        );
        check("ip_port:192.0.2.7:443/any", &["ip_port:192.0.2.7:443/tcp"], Part);
        check("ip_port:192.0.2.7:443/tcp", &["port:443/tcp"], Whole);
        check("whole_service:*", &["ip:192.0.2.7"], Part);
    }
}
