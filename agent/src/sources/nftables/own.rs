//! What a node drops for its own sake (DESIGN.md idea 9): counted, and no rule.
//!
//! On the input and output hook, all of it; but of the bridge family, where what a router routes for
//! others enters and leaves its own ports by these hooks, nothing. Elsewhere what asks for `ct state invalid`, and what
//! comes from sources that no packet can rightly have (0.0.0.0/8, 127.0.0.0/8, 240.0.0.0/4, ::,
//! ::1); and what diverts nothing but packets for this node (`fib daddr type local`): a port that it
//! forwards is a service of its own (ADR 17). Private addresses are not among them: a block must not hide there. Nor is a check of the
//! return path (`fib saddr`): what it drops depends on routes that we do not see.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    privacy,
    rules::nftables::{Action, AddrSet, BaseChain, DropPath, Family, Hook, Match, Side},
};

/// The node protects itself.
pub(super) fn is_own(path: &DropPath) -> bool {
    const INVALID: u32 = 1;
    let (mut invalid, mut impossible, mut other_address) = (false, false, false);
    let mut service = false;
    for condition in &path.matches {
        match condition {
            Match::ConnectionState { any_of: INVALID, inverted: false } => invalid = true,
            Match::Address { side: Side::Source, set, inverted: false } if is_impossible(set) => {
                impossible = true;
            }
            Match::Address { .. } => other_address = true,
            Match::ToThisNode { inverted: false } => service = path.action == Action::Divert,
            _ => {}
        }
    }
    is_own_hook(&path.base) || invalid || service || (impossible && !other_address)
}

pub(super) fn is_own_hook(base: &BaseChain) -> bool {
    let hook = match base.hook {
        Hook::Ingress => privacy::Hook::Ingress,
        Hook::Prerouting => privacy::Hook::Prerouting,
        Hook::Input => privacy::Hook::Input,
        Hook::Forward => privacy::Hook::Forward,
        Hook::Output => privacy::Hook::Output,
        Hook::Postrouting => privacy::Hook::Postrouting,
        Hook::Egress => privacy::Hook::Egress,
        // One that did not exist when this was written: a block must not hide behind it.
        Hook::Other(_) => return false,
    };
    !hook.is_judged() && base.family != Family::Bridge
}

/// Sources that no packet on a network has: RFC 6890, "Source: False" and no use beyond the host.
fn is_impossible(set: &AddrSet) -> bool {
    let AddrSet::Prefix(address, size) = set else { return false };
    match address {
        IpAddr::V4(address) => [
            (Ipv4Addr::new(0, 0, 0, 0), 8),
            (Ipv4Addr::new(127, 0, 0, 0), 8),
            (Ipv4Addr::new(240, 0, 0, 0), 4),
        ]
        .iter()
        .any(|(network, width)| {
            let differ = network.to_bits() ^ address.to_bits();
            size >= width && differ.leading_zeros() >= u32::from(*width)
        }),
        IpAddr::V6(address) => {
            *size == 128 && [Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST].contains(address)
        }
    }
}
