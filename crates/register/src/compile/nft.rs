//! A table of nftables: sets of what must stay open and of what is blocked, and the rules over them.
//!
//! It replaces itself in one transaction, and touches no other table: `accept` ends its own chain alone
//! (nft(8), "Verdict statements"). Sets with intervals take no overlaps, so an entry that lies inside a
//! wider one of the same kind stands in it.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Input, carrier};
use crate::{list::ListEntry, target::Target};

pub(super) const RELOAD: &str = "\
reload at once, or not at all; `nft --check` first:
  nft --check --file LIST.nft && nft --file LIST.nft
for the agent: [sources.nftables] with groups = [ the group below ]";

pub(super) fn unfit(target: &Target) -> Option<&'static str> {
    match target {
        Target::Ip(_) | Target::Cidr(_) => None,
        Target::IpPort { .. } | Target::Port(_) => Some(
            "a set of this table holds addresses; one port of an address needs a rule of its own",
        ),
        Target::DomainExact(_)
        | Target::DomainSubtree { .. }
        | Target::Sni(_)
        | Target::HttpHost(_) => Some("a packet filter knows addresses, and the list names none"),
        Target::Url(_) | Target::UrlPrefix(_) => {
            Some("a packet filter would block everything at the page's address")
        }
        Target::ProtocolApp(_)
        | Target::Keyword(_)
        | Target::Category(_)
        | Target::AsnRoute(_)
        | Target::LineAccount(_)
        | Target::CellArea(_)
        | Target::WholeService
        | Target::CustomerToken(_) => Some("it is no address"),
    }
}

pub(super) fn body(input: &Input, entries: &[&ListEntry], group: u16) -> String {
    let table: String = input
        .list
        .as_str()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let claim = carrier(input, None);
    let mut sets = String::new();
    let mut rules = String::new();
    for (word, exception) in [("open", true), ("blocked", false)] {
        for (family, kind, v4) in [("ip", "ipv4_addr", true), ("ip6", "ipv6_addr", false)] {
            let elements = elements(input, entries, exception, v4);
            if elements.is_empty() {
                continue;
            }
            let set = format!("{word}_{}", if v4 { "v4" } else { "v6" });
            let comment = if exception { "must stay open".to_owned() } else { claim.clone() };
            sets.push_str(&format!(
                "\n\tset {set} {{\n\t\ttype {kind}\n\t\tflags interval\n\t\tcomment \"{comment}\"\n\t\t\
                 elements = {{\n{}\n\t\t}}\n\t}}\n",
                elements.join(",\n")
            ));
            rules.push_str(&if exception {
                format!("\t\t{family} daddr @{set} accept\n")
            } else {
                format!(
                    "\t\t{family} daddr @{set} counter name {set} log prefix \"{claim}\" group {group} drop \
                     comment \"{claim}\"\n"
                )
            });
            if !exception {
                sets.push_str(&format!("\n\tcounter {set} {{ }}\n"));
            }
        }
    }
    format!(
        "table inet remit_{table}\ndelete table inet remit_{table}\n\ntable inet remit_{table} {{{sets}\n\t\
         chain blocks {{\n\t\ttype filter hook forward priority filter; policy accept;\n{rules}\t}}\n}}\n"
    )
}

/// One line for each entry that lies in no other.
fn elements(input: &Input, entries: &[&ListEntry], exception: bool, v4: bool) -> Vec<String> {
    let mut nets: Vec<(IpNet, &ListEntry)> = entries
        .iter()
        .filter(|entry| entry.exception == exception)
        .filter_map(|entry| Some((net(&entry.target)?, *entry)))
        .filter(|(net, _)| matches!(net, IpNet::V4(_)) == v4)
        .collect();
    // The wider one of two that begin alike comes first; what lies in it follows at once.
    nets.sort_by_key(|(net, entry)| (net.network(), net.prefix_len(), *entry));
    let mut widest: Option<IpNet> = None;
    let mut lines = Vec::new();
    for (net, entry) in nets {
        if widest.is_some_and(|widest| widest.contains(&net)) {
            continue;
        }
        widest = Some(net);
        let own = entry.request.as_ref().filter(|_| !exception);
        let comment = own.map(|_| format!(" comment \"{}\"", carrier(input, Some(entry))));
        lines.push(format!("\t\t\t{}{}", shown(net), comment.unwrap_or_default()));
    }
    lines
}

fn net(target: &Target) -> Option<IpNet> {
    match target {
        Target::Ip(ip) => Some(IpNet::from(*ip)),
        Target::Cidr(net) => Some(*net),
        _ => None,
    }
}

fn shown(net: IpNet) -> String {
    let single = match net.addr() {
        IpAddr::V4(_) => net.prefix_len() == 32,
        IpAddr::V6(_) => net.prefix_len() == 128,
    };
    if single { net.addr().to_string() } else { net.to_string() }
}
