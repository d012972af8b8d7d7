//! From one way to a drop to what it matches: one [`Piece`] for the rule, or one for each element
//! of the set that names its targets.
//!
//! `ct state` conditions that include new or established connections do not count as narrowing:
//! they are how a firewall says "traffic", and a target of which no connection can be made, or
//! none can go on, is blocked. Every other condition beyond addresses, ports and protocol narrows.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    sets::{KnownSet, Membership, Sets, membership},
    target::{PORTS_MAX, Reach, is_customers},
};
use crate::{
    privacy::Privacy,
    rules::nftables::{AddrSet, DropPath, Element, Family, Field, KeyField, Match, PortSet, Side},
};

/// `NF_CT_STATE_BIT` of established and new.
const ESTABLISHED: u32 = 2;
const NEW: u32 = 8;

/// Part of a rule with targets of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) reach: Reach,
    pub(super) of: Of<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Of<'a> {
    /// The rule as it is written.
    Rule,
    Element(&'a KnownSet, &'a Element),
    /// What no kept element matches: a set that is too long, or the elements that have come since
    /// it was read, or its catch-all.
    Rest(&'a KnownSet),
}

/// The set by whose elements a rule names its targets.
#[derive(Debug, Clone)]
pub(super) struct Primary<'a> {
    pub(super) membership: Membership<'a>,
    pub(super) known: &'a KnownSet,
    /// Nothing is asked behind it, so that an element's own counter counts what is dropped.
    pub(super) last: bool,
}

pub(super) fn pieces<'a>(
    path: &'a DropPath,
    sets: &'a Sets,
    privacy: &Privacy,
) -> (Option<Primary<'a>>, Vec<Piece<'a>>) {
    let (mut reach, memberships) = written(path);
    let primary = primary(path, &memberships, sets, privacy);
    let mut ports = vec![];
    for membership in &memberships {
        let is_primary = primary.as_ref().is_some_and(|p| p.membership.set == membership.set);
        let known = sets.get(path, membership.set);
        match (is_primary, port_set(membership), known.and_then(few_ports)) {
            (true, ..) => {}
            (false, Some((side, protocol)), Some(few)) if ports.is_empty() => {
                reach.protocol = reach.protocol.or(protocol);
                ports = few.into_iter().map(|port| (side, port)).collect();
            }
            (false, ..) => reach.narrowed = true,
        }
    }
    let Some(primary) = primary else {
        let pieces = with_ports(reach, &ports).into_iter();
        return (None, pieces.map(|reach| Piece { reach, of: Of::Rule }).collect());
    };
    let known = primary.known;
    let wanted = verdict_text(path, &primary.membership);
    if wanted.is_some() && known.is_complete() {
        // The condition "the element says drop" is answered by the choice of elements.
        reach.narrowed = narrowed_without_verdict(path, &memberships, reach.narrowed);
    }
    let mut pieces = Vec::new();
    for element in &known.elements {
        let says = element.verdict.as_ref().map(ToString::to_string);
        if wanted.is_some_and(|wanted| says.as_deref() != Some(wanted)) {
            continue;
        }
        if element.catch_all {
            pieces.push(rest(reach, known));
            continue;
        }
        let reach = of_element(reach, &primary.membership.fields, element);
        let reaches = with_ports(reach, &ports).into_iter();
        pieces.extend(reaches.map(|reach| Piece { reach, of: Of::Element(known, element) }));
    }
    if !known.is_complete() || known.is_dynamic() {
        pieces.push(rest(reach, known));
    }
    (Some(primary), pieces)
}

fn rest<'a>(reach: Reach, known: &'a KnownSet) -> Piece<'a> {
    Piece { reach: Reach { narrowed: true, ..reach }, of: Of::Rest(known) }
}

/// What is written in the rule itself, and the sets that it asks for.
fn written(path: &DropPath) -> (Reach, Vec<Membership<'_>>) {
    let mut reach = Reach {
        narrowed: path.limit || !path.not_understood.is_empty(),
        not_understood: !path.not_understood.is_empty(),
        one_version: matches!(path.base.family, Family::Ip | Family::Ip6),
        ..Reach::default()
    };
    let mut memberships = Vec::new();
    for condition in &path.matches {
        if let Some(membership) = membership(condition) {
            memberships.push(membership);
            continue;
        }
        match condition {
            Match::Address { side, set: AddrSet::Prefix(address, size), inverted: false } => {
                match IpNet::new(*address, *size) {
                    Ok(net) => reach.set_address(*side, (net.network(), net.broadcast())),
                    Err(_) => reach.narrowed = true,
                }
            }
            Match::Address { side, set: AddrSet::Range(low, high), inverted: false } => {
                reach.set_address(*side, (*low, *high));
            }
            Match::Port { side, protocol, set: PortSet::Range(low, high), inverted: false } => {
                reach.set_port(*side, (*low, *high));
                reach.protocol = protocol.or(reach.protocol);
            }
            Match::Protocol { protocol, inverted: false } => reach.protocol = Some(*protocol),
            Match::Version { inverted: false, .. } => reach.one_version = true,
            Match::ConnectionState { any_of, inverted: false }
                if any_of & (ESTABLISHED | NEW) != 0 => {}
            Match::Address { .. }
            | Match::Port { .. }
            | Match::Protocol { .. }
            | Match::Version { .. }
            | Match::ConnectionState { .. }
            | Match::Interface { .. }
            | Match::Mark { .. }
            | Match::Member { .. }
            | Match::Other(_) => reach.narrowed = true,
            // The node's own addresses, which no rule says.
            Match::ToThisNode { .. } => (reach.narrowed, reach.not_understood) = (true, true),
        }
    }
    (reach, memberships)
}

/// The set with the destination, or the one with the source if the destination is customers'.
fn primary<'a>(
    path: &DropPath,
    memberships: &[Membership<'a>],
    sets: &'a Sets,
    privacy: &Privacy,
) -> Option<Primary<'a>> {
    let with = |side| {
        let at = memberships.iter().position(|m| m.has_address(side))?;
        let membership = memberships.get(at)?.clone();
        let last =
            path.matches.last().and_then(membership_set) == Some(membership.set.name.as_str());
        Some(Primary { known: sets.get(path, membership.set)?, membership, last })
    };
    let (dst, src) = (with(Side::Destination), with(Side::Source));
    match (dst, src) {
        (Some(dst), Some(src)) => {
            let first = dst.known.elements.first().and_then(|e| first_address(e, &dst.membership));
            let customers = first.is_some_and(|address| is_customers((address, address), privacy));
            Some(if customers { src } else { dst })
        }
        (dst, src) => dst.or(src),
    }
}

fn membership_set(condition: &Match) -> Option<&str> {
    membership(condition).map(|membership| membership.set.name.as_str())
}

fn first_address(element: &Element, membership: &Membership<'_>) -> Option<IpAddr> {
    let mut keys = membership.fields.iter().zip(&element.low);
    keys.find_map(|(field, key)| match (field, key) {
        (Field::Address { side: Side::Destination, .. }, KeyField::Address(address)) => {
            Some(*address)
        }
        _ => None,
    })
}

fn of_element(mut reach: Reach, fields: &[Field], element: &Element) -> Reach {
    if fields.len() != element.low.len() || fields.len() != element.high.len() {
        return Reach { narrowed: true, not_understood: true, ..reach };
    }
    for (field, (low, high)) in fields.iter().zip(element.low.iter().zip(&element.high)) {
        match (field, low, high) {
            (Field::Address { side, .. }, KeyField::Address(low), KeyField::Address(high)) => {
                reach.set_address(*side, (*low, *high));
            }
            (Field::Port { side, protocol }, KeyField::Port(low), KeyField::Port(high)) => {
                reach.set_port(*side, (*low, *high));
                reach.protocol = protocol.or(reach.protocol);
            }
            (Field::Protocol, KeyField::Protocol(low), KeyField::Protocol(high)) if low == high => {
                reach.protocol = Some(*low);
            }
            _ => reach.narrowed = true,
        }
    }
    reach
}

fn port_set(membership: &Membership<'_>) -> Option<(Side, Option<u8>)> {
    match membership.fields.as_slice() {
        [Field::Port { side, protocol }] => Some((*side, *protocol)),
        _ => None,
    }
}

/// The ranges of a set of ports, if there are few enough ports in it to be told apart.
fn few_ports(set: &KnownSet) -> Option<Vec<(u16, u16)>> {
    if !set.is_complete() || set.is_dynamic() {
        return None;
    }
    let mut total = 0u32;
    let mut ranges = Vec::new();
    for element in &set.elements {
        let (&[KeyField::Port(low)], &[KeyField::Port(high)]) =
            (element.low.as_slice(), element.high.as_slice())
        else {
            return None;
        };
        total += u32::from(high.checked_sub(low)?) + 1;
        if total > u32::from(PORTS_MAX) {
            return None;
        }
        ranges.push((low, high));
    }
    Some(ranges)
}

fn with_ports(reach: Reach, ports: &[(Side, (u16, u16))]) -> Vec<Reach> {
    if ports.is_empty() {
        return vec![reach];
    }
    let with = ports.iter().map(|(side, range)| {
        let mut reach = reach;
        reach.set_port(*side, *range);
        reach
    });
    with.collect()
}

/// A verdict map that is too long to be followed branch by branch stands in the path as "element
/// of @map says drop". Which elements those are, we read ourselves.
fn verdict_text<'a>(path: &'a DropPath, membership: &Membership<'_>) -> Option<&'a str> {
    path.matches.iter().find_map(|condition| says(condition, membership))
}

fn says<'a>(condition: &'a Match, membership: &Membership<'_>) -> Option<&'a str> {
    let Match::Other(text) = condition else { return None };
    let rest = text.strip_prefix("element of @")?.strip_prefix(membership.set.name.as_str())?;
    rest.strip_prefix(" says ")
}

fn narrowed_without_verdict(
    path: &DropPath,
    memberships: &[Membership<'_>],
    narrowed: bool,
) -> bool {
    if !narrowed || path.limit || !path.not_understood.is_empty() || memberships.len() > 1 {
        return narrowed;
    }
    let mut rest = path.clone();
    let is_verdict = |m: &Match| memberships.iter().any(|membership| says(m, membership).is_some());
    rest.matches.retain(|condition| !is_verdict(condition));
    written(&rest).0.narrowed
}
