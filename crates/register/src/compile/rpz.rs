//! A response policy zone (draft-vixie-dnsop-dns-rpz), relative to whatever the resolver calls it.
//!
//! Blocked is NXDOMAIN (`CNAME .`), open is `CNAME rpz-passthru.`, for the name asked for (QNAME). A zone
//! that answers by address, or by the name of a server, blocks every name that leads there; so addresses
//! are left out. The claim stands as a comment on each record's own line, which goes before any name of
//! the zone, so that a new version needs a reload and no change of the resolver's configuration.

use super::{
    Input, carrier,
    names::{Policy, Record, records},
};
use crate::{list::ListEntry, target::Target};

pub(super) const RELOAD: &str = "\
reload at once, or not at all: write it beside the old one, rename, then tell the resolver:
  mv LIST.zone.new LIST.zone && unbound-control auth_zone_reload ZONE
  named-checkzone ZONE LIST.zone.new && mv LIST.zone.new LIST.zone && rndc reload ZONE";

/// The longest name that still has room for a zone's own name behind it (RFC 1035 section 2.3.4).
const NAME_SIZE_MAX: usize = 180;

pub(super) fn unfit(target: &Target) -> Option<&'static str> {
    match target {
        Target::DomainExact(name) | Target::DomainSubtree { name, apex: _ } => {
            let long = name.as_str().len() > NAME_SIZE_MAX;
            long.then_some("the name is too long to stand in front of a zone's name")
        }
        Target::Url(_) | Target::UrlPrefix(_) => {
            Some("a zone knows names; it would block the whole host for one page")
        }
        Target::Ip(_) | Target::Cidr(_) | Target::IpPort { .. } => {
            Some("a zone would block every name that leads to the address")
        }
        Target::Sni(_) | Target::HttpHost(_) => {
            Some("a zone would block the name for every protocol, and not for this one alone")
        }
        Target::ProtocolApp(_)
        | Target::Port(_)
        | Target::Keyword(_)
        | Target::Category(_)
        | Target::AsnRoute(_)
        | Target::LineAccount(_)
        | Target::CellArea(_)
        | Target::WholeService
        | Target::CustomerToken(_) => Some("it is no name"),
    }
}

pub(super) fn body(input: &Input, entries: &[&ListEntry]) -> String {
    // Later versions have higher serials (RFC 1982), and the same version has the same one.
    let serial = u32::try_from(input.from_s).unwrap_or(u32::MAX);
    let mut text = format!(
        "$TTL 300\n@ SOA localhost. hostmaster.localhost. {serial} 3600 600 86400 300\n@ NS localhost.\n"
    );
    for Record { name, itself, below } in records(entries) {
        for (owner, policy) in [("", itself), ("*.", below)] {
            let line = match policy {
                None => continue,
                Some(Policy::Open) => format!("{owner}{name} CNAME rpz-passthru.\n"),
                Some(Policy::Block(entry)) => {
                    format!("{owner}{name} CNAME . ; {}\n", carrier(input, Some(entry)))
                }
            };
            text.push_str(&line);
        }
    }
    text
}
