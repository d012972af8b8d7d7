//! A target as a text that sorts, so that what may have to do with a target lies in a few ranges.
//!
//! A store keeps the key of each target in one ordered index. [`near`] says where to look for all that
//! is not disjoint from a target: a superset, which [`relation`](super::relation) then decides. Names
//! are written from the root down, so that a subtree is one range; addresses and prefixes by their
//! first address in hex; of everything else only the kind. A property test compares with looking at
//! all of them.

use std::net::IpAddr;

use ipnet::IpNet;
use remit_proto::v1::TargetKind;

use super::{Target, name_of, parent, url_ip};

/// Where targets lie in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Near {
    Everywhere,
    In(Vec<KeyRange>),
}

/// Both ends are inside, compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyRange {
    pub from: String,
    pub to: String,
}

impl KeyRange {
    fn one(key: String) -> Self {
        Self { from: key.clone(), to: key }
    }
}

pub fn sort_key(target: &Target) -> String {
    if let Some(name) = name_of(target) {
        name_key(name.as_str())
    } else if let Some(net) = net_of(target) {
        address_key(net.network())
    } else if target == &Target::WholeService {
        WHOLE_SERVICE.to_owned()
    } else {
        kind_key(target.kind())
    }
}

/// Where every target lies that is not disjoint from this one.
pub fn near(target: &Target) -> Near {
    let mut ranges = vec![KeyRange::one(WHOLE_SERVICE.to_owned())];
    if target == &Target::WholeService || matches!(target, Target::Port(_)) {
        // A port lies in every address with that port.
        return Near::Everywhere;
    }
    if let Some(name) = name_of(target) {
        let name = name.as_str();
        ranges.extend(
            std::iter::successors(Some(name), |name| parent(name))
                .map(|name| KeyRange::one(name_key(name))),
        );
        if matches!(target, Target::DomainSubtree { .. }) {
            // Every key that begins so; no name holds a '/', which follows the dot.
            let from = name_key(name);
            let to = format!("{}/", from.strip_suffix('.').unwrap_or(&from));
            ranges.push(KeyRange { from, to });
        }
    } else if let Some(net) = net_of(target) {
        let shorter = (0..net.prefix_len()).filter_map(|length| {
            let wider = IpNet::new(net.addr(), length).ok()?;
            Some(KeyRange::one(address_key(wider.network())))
        });
        ranges.extend(shorter);
        let (from, to) = (address_key(net.network()), address_key(net.broadcast()));
        ranges.push(KeyRange { from, to });
        if matches!(target, Target::IpPort { .. }) {
            ranges.push(KeyRange::one(kind_key(TargetKind::Port)));
        }
    } else {
        ranges.push(KeyRange::one(kind_key(target.kind())));
    }
    ranges.sort_unstable();
    ranges.dedup();
    Near::In(ranges)
}

/// The name in a key that [`sort_key`] made of a target with a name.
pub fn name_in_key(key: &str) -> Option<String> {
    let labels: Vec<&str> = key.strip_prefix('n')?.strip_suffix('.')?.rsplit('.').collect();
    Some(labels.join("."))
}

const WHOLE_SERVICE: &str = "w";

fn name_key(name: &str) -> String {
    let mut key = String::with_capacity(name.len().saturating_add(2));
    key.push('n');
    for label in name.rsplit('.') {
        key.push_str(label);
        key.push('.');
    }
    key
}

fn address_key(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("4{:08x}", address.to_bits()),
        IpAddr::V6(address) => format!("6{:032x}", address.to_bits()),
    }
}

fn kind_key(kind: TargetKind) -> String {
    format!("o{}", i32::from(kind))
}

/// The addresses that a target is about, if it is about addresses.
fn net_of(target: &Target) -> Option<IpNet> {
    match target {
        Target::Ip(ip) | Target::IpPort { ip, .. } => Some(IpNet::from(*ip)),
        Target::Cidr(net) => Some(*net),
        Target::Url(_)
        | Target::UrlPrefix(_)
        | Target::DomainExact(_)
        | Target::DomainSubtree { .. }
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
        | Target::CustomerToken(_) => url_ip(target).map(IpNet::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Relation, relation};

    const ALL: [&str; 25] = [
        "domain_exact:example.org",
        "domain_exact:www.example.org",
        "domain_exact:example-a.org",
        "domain_subtree:example.org",
        "domain_subtree:*.example.org",
        "domain_subtree:org",
        "sni:www.example.org",
        "http_host:example.org",
        "url:https://www.example.org/a",
        "url_prefix:https://example.org/a",
        "url:http://192.0.2.7/a",
        "ip:192.0.2.7",
        "ip:192.0.2.0",
        "ip:2001:db8::7",
        "cidr:192.0.2.0/24",
        "cidr:192.0.0.0/16",
        "cidr:0.0.0.0/0",
        "cidr:2001:db8::/32",
        "ip_port:192.0.2.7:443/tcp",
        "port:443/tcp",
        "keyword:x",
        "keyword:y",
        "category:x",
        "asn_route:AS64500",
        "whole_service:*",
    ];

    #[test]
    fn whatever_touches_a_target_lies_near_it() {
        let targets: Vec<Target> = ALL.iter().map(|text| text.parse().unwrap()).collect();
        for wanted in &targets {
            for held in &targets {
                let key = sort_key(held);
                let found = match near(wanted) {
                    Near::Everywhere => true,
                    Near::In(ranges) => ranges.iter().any(|r| r.from <= key && key <= r.to),
                };
                let touches = relation(wanted, held) != Relation::Disjoint;
                assert!(found || !touches, "{wanted} and {held}, whose key is {key}");
            }
        }
    }

    #[test]
    fn a_neighbour_is_not_near() {
        let near = |text: &str| match near(&text.parse().unwrap()) {
            Near::In(ranges) => ranges,
            Near::Everywhere => panic!("{text} is near everything"),
        };
        let holds = |ranges: &[KeyRange], text: &str| {
            let key = sort_key(&text.parse().unwrap());
            ranges.iter().any(|r| r.from <= key && key <= r.to)
        };
        assert!(!holds(&near("domain_subtree:example.org"), "domain_exact:example-a.org"));
        assert!(!holds(&near("domain_exact:example.org"), "domain_exact:www.example.org"));
        assert!(!holds(&near("cidr:192.0.2.0/25"), "ip:192.0.2.128"));
        assert!(!holds(&near("ip:192.0.2.7"), "ip:192.0.2.8"));
    }

    #[test]
    fn a_name_is_read_back_from_its_key() {
        for text in ["domain_exact:www.example.org", "domain_subtree:*.org"] {
            let target: Target = text.parse().unwrap();
            let name = name_of(&target).unwrap().as_str();
            assert_eq!(name_in_key(&sort_key(&target)).as_deref(), Some(name));
        }
        assert_eq!(name_in_key("4c0000207"), None);
    }
}
