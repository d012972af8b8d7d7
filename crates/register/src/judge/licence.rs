//! How far a choice of means reaches (ADR 38).
//!
//! A request may leave the means to the operator (`outcome_only`), or permit a coarser kind than it names
//! (`coarsest`). Neither says how wide: every prefix is a prefix, and "org" is a subtree too. The licence
//! goes as far as a technique can need it, and no further:
//!
//! | Named | The widest block | Because |
//! |---|---|---|
//! | a name, a host or a page under one | the subtree of its registrable domain | a public suffix and what lies above it hold the names of strangers (DOMAIN.md 3f, "never expand silently") |
//! | an address, or what lies at one | /24, or /48 of IPv6 | longer prefixes are generally neither announced nor accepted between networks (RFC 7454, section 6.1.3): who blocks by a route may need one, and nobody a wider one |
//! | anything else | what is named | no technique needs more |
//!
//! The whole service, a port, a protocol, a keyword, a category and the routes of an AS are never licensed
//! so. A request that permits them says so, by its targets or by `coarsest`.

use ipnet::IpNet;

use crate::target::{Target, kind_word, name_of, url_ip};

/// Prefix lengths that networks take from one another.
const IPV4_PREFIX_LEN_MIN: u8 = 24;
const IPV6_PREFIX_LEN_MIN: u8 = 48;

/// `event` contains what is named, and is no wider than the means can need.
pub(super) fn reaches(event: &Target, named: &Target) -> bool {
    match event {
        // Of one host.
        Target::Url(_)
        | Target::UrlPrefix(_)
        | Target::DomainExact(_)
        | Target::Sni(_)
        | Target::HttpHost(_) => true,
        // It is the name of what is named, or above it; and so is the registrable domain.
        Target::DomainSubtree { name, .. } => name_of(named)
            .and_then(|named| named.registrable())
            .is_some_and(|registrable| registrable.len() <= name.as_str().len()),
        Target::Ip(_) | Target::IpPort { .. } => true,
        Target::Cidr(net) => net.prefix_len() >= shortest(net),
        Target::ProtocolApp(_)
        | Target::Port(_)
        | Target::Keyword(_)
        | Target::Category(_)
        | Target::AsnRoute(_)
        | Target::LineAccount(_)
        | Target::CellArea(_)
        | Target::WholeService
        | Target::CustomerToken(_) => false,
    }
}

fn shortest(net: &IpNet) -> u8 {
    match net {
        IpNet::V4(_) => IPV4_PREFIX_LEN_MIN,
        IpNet::V6(_) => IPV6_PREFIX_LEN_MIN,
    }
}

/// The widest block that the means can need for it: "domain_subtree example.org", "a /24".
pub(super) fn limit(named: &Target) -> String {
    let address = match named {
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
        | Target::CustomerToken(_) => url_ip(named).map(IpNet::from),
    };
    if let Some(net) = address.filter(|net| net.prefix_len() > shortest(net)) {
        return format!("a /{}", shortest(&net));
    }
    match name_of(named) {
        Some(name) => match name.registrable() {
            Some(registrable) => {
                format!("{} {registrable}", kind_word(remit_proto::v1::TargetKind::DomainSubtree))
            }
            None => "the name itself, which is a public suffix".to_owned(),
        },
        None => "what it names".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_told_of_each_kind() {
        let check = |named: &str, want: &str| {
            assert_eq!(limit(&named.parse().unwrap()), want, "{named}");
        };
        check("ip:192.0.2.7", "a /24");
        check("ip_port:192.0.2.7:443/tcp", "a /24");
        check("url:http://192.0.2.7/page", "a /24");
        check("cidr:192.0.2.0/25", "a /24");
        check("cidr:192.0.2.0/24", "what it names");
        check("cidr:2001:db8::/64", "a /48");
        check("ip:2001:db8::7", "a /48");
        check("domain_exact:a.b.example.co.uk", "domain_subtree example.co.uk");
        check("url:https://www.example.org/page", "domain_subtree example.org");
        check("sni:someone.github.io", "domain_subtree someone.github.io");
        check("domain_exact:github.io", "the name itself, which is a public suffix");
        check("port:443/tcp", "what it names");
    }
}
