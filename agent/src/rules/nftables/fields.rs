//! Loads and comparisons, named: from "four bytes at network offset 16" to "ip daddr".
//!
//! Sources: header layouts of RFC 791, 8200, 9293, 768; `nft_meta_keys` and `nft_ct_keys` in
//! `linux/netfilter/nf_tables.h`; nft `src/payload.c` for how nft shortens, merges and masks
//! loads (a prefix on a byte boundary is a shorter load; neighbours are one longer load).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::elements::address;
use super::expr::{Context, Step, hex};
use super::model::{AddrSet, Field, Match, PortSet, SetRef, Side, Way};

/// What a register holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Load {
    Payload {
        base: u32,
        offset: u32,
        size: u32,
        mask: Option<Vec<u8>>,
    },
    Meta {
        key: u32,
        mask: Option<Vec<u8>>,
    },
    Ct {
        key: u32,
        mask: Option<Vec<u8>>,
    },
    /// What the destination is to this node: a number of `rtm_type` (`linux/rtnetlink.h`).
    AddressType,
    Constant(Vec<u8>),
    /// By name of what loaded it, and its size.
    Unknown(String, usize),
}

/// A field's place in a set's key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub(super) field: Field,
    pub(super) offset: usize,
    pub(super) size: usize,
}

impl Load {
    pub(super) fn size(&self) -> Option<usize> {
        Some(match self {
            Self::Payload { size, .. } => *size as usize,
            Self::Meta { key, .. } => match *key {
                IIFNAME | OIFNAME => 16,
                PROTOCOL | 8 | 9 => 2,
                NFPROTO | L4PROTO | 19 => 1,
                _ => 4,
            },
            Self::Ct { key, .. } => match *key {
                CT_STATE | 2 | CT_MARK => 4,
                _ => return None,
            },
            Self::AddressType => 4,
            Self::Constant(bytes) => bytes.len(),
            Self::Unknown(_, size) => *size,
        })
    }

    /// Under a mask; `None` if there is one already.
    pub(super) fn masked(&self, bytes: &[u8]) -> Option<Self> {
        let mut load = self.clone();
        match &mut load {
            Self::Payload { mask, .. } | Self::Meta { mask, .. } | Self::Ct { mask, .. }
                if mask.is_none() =>
            {
                *mask = Some(bytes.to_vec());
                Some(load)
            }
            _ => None,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Payload { base, offset, size, .. } => raw_name(*base, *offset, *size),
            Self::Meta { key, .. } => meta_name(*key),
            Self::Ct { key, .. } => format!("ct key {key}"),
            Self::AddressType => "fib daddr type".into(),
            Self::Constant(bytes) => hex(bytes),
            Self::Unknown(name, _) => name.clone(),
        }
    }

    fn mask(&self) -> Option<&[u8]> {
        match self {
            Self::Payload { mask, .. } | Self::Meta { mask, .. } | Self::Ct { mask, .. } => {
                mask.as_deref()
            }
            Self::AddressType | Self::Constant(_) | Self::Unknown(..) => None,
        }
    }
}

/// The one whole field that a load without a mask holds.
pub(super) fn single(load: &Load, context: &Context) -> Option<Field> {
    if load.mask().is_some() {
        return None;
    }
    match <[Piece; 1]>::try_from(pieces(load, context)?) {
        Ok([Piece { field, size, .. }]) if whole(&field).is_none_or(|w| w == size) => Some(field),
        _ => None,
    }
}

/// Size of a field where a shorter load is a prefix of it.
fn whole(field: &Field) -> Option<usize> {
    match field {
        Field::Address { version: 4, .. } => Some(4),
        Field::Address { .. } => Some(16),
        Field::Port { .. } => Some(2),
        _ => None,
    }
}

/// The fields that a load covers, in order. `None` if it cannot be named.
fn pieces(load: &Load, context: &Context) -> Option<Vec<Piece>> {
    let one = |field| Some(vec![Piece { field, offset: 0, size: load.size()? }]);
    match load {
        Load::AddressType | Load::Constant(_) | Load::Unknown(..) => None,
        Load::Meta { key, .. } => one(match *key {
            PROTOCOL => Field::Ethertype,
            NFPROTO => Field::Version,
            L4PROTO => Field::Protocol,
            MARK => Field::Mark,
            IIF => Field::InterfaceIndex(Way::In),
            OIF => Field::InterfaceIndex(Way::Out),
            IIFNAME => Field::Interface(Way::In),
            OIFNAME => Field::Interface(Way::Out),
            other => Field::Named(meta_name(other)),
        }),
        Load::Ct { key, .. } => one(match *key {
            CT_STATE => Field::ConnectionState,
            2 => Field::Named("ct status".into()),
            CT_MARK => Field::Named("ct mark".into()),
            _ => return None,
        }),
        Load::Payload { base, offset, size, .. } => {
            payload(*base, *offset as usize, *size as usize, context)
        }
    }
}

fn payload(base: u32, offset: usize, size: usize, context: &Context) -> Option<Vec<Piece>> {
    let layout = layout(base, context);
    let end = offset.checked_add(size)?;
    let mut pieces = Vec::new();
    let mut at = offset;
    while at < end {
        let Some((from, full, field)) =
            layout.iter().find(|(from, full, _)| (*from..from + full).contains(&at))
        else {
            break;
        };
        let size = (from + full).min(end) - at;
        // A load may stop within an address (prefix), nothing may begin within a field.
        if *from != at || (size < *full && !matches!(field, Field::Address { .. })) {
            break;
        }
        pieces.push(Piece { field: field.clone(), offset: at - offset, size });
        at += size;
    }
    if at < end {
        // Of an unknown version, and behind where addresses begin: it may ask for one.
        let addresses = base == 1 && end > 8;
        if base > 2 || addresses {
            return None;
        }
        let field = Field::Named(raw_name(base, offset as u32, size as u32));
        return Some(vec![Piece { field, offset: 0, size }]);
    }
    Some(pieces)
}

/// As nft writes a load that has no name: in bits.
fn raw_name(base: u32, offset: u32, size: u32) -> String {
    let base = ["@ll", "@nh", "@th", "@ih"].get(base as usize).copied().unwrap_or("@?");
    format!("{base},{},{}", u64::from(offset) * 8, u64::from(size) * 8)
}

/// (offset, size, field) of a header.
fn layout(base: u32, context: &Context) -> Vec<(usize, usize, Field)> {
    let named = |name: &str| Field::Named(name.into());
    let address = |side, version| Field::Address { side, version };
    match (base, context.version, context.protocol) {
        (0, ..) => vec![
            (0, 6, named("ether daddr")),
            (6, 6, named("ether saddr")),
            (12, 2, Field::Ethertype),
            // Behind a tag of IEEE 802.1Q, which is what nft loads from here for.
            (14, 2, named("vlan tci")),
            (16, 2, Field::Ethertype),
        ],
        (1, Some(4), _) => vec![
            (1, 1, named("ip dscp")),
            (2, 2, named("ip length")),
            (4, 2, named("ip id")),
            (6, 2, named("ip frag-off")),
            (8, 1, named("ip ttl")),
            (9, 1, Field::Protocol),
            (10, 2, named("ip checksum")),
            (12, 4, address(Side::Source, 4)),
            (16, 4, address(Side::Destination, 4)),
        ],
        (1, Some(6), _) => vec![
            (4, 2, named("ip6 length")),
            (6, 1, named("ip6 nexthdr")),
            (7, 1, named("ip6 hoplimit")),
            (8, 16, address(Side::Source, 6)),
            (24, 16, address(Side::Destination, 6)),
        ],
        (2, _, Some(1)) => vec![(0, 1, named("icmp type")), (1, 1, named("icmp code"))],
        (2, _, Some(58)) => vec![(0, 1, named("icmpv6 type")), (1, 1, named("icmpv6 code"))],
        (2, _, protocol) if protocol.is_none_or(has_ports) => {
            let mut fields = vec![
                (0, 2, Field::Port { side: Side::Source, protocol }),
                (2, 2, Field::Port { side: Side::Destination, protocol }),
            ];
            if protocol == Some(6) {
                fields.push((13, 1, named("tcp flags")));
            }
            fields
        }
        _ => Vec::new(),
    }
}

/// `linux/rtnetlink.h`; in host order, as the kernel keeps it in the register.
const RTN_LOCAL: u32 = 2;

/// TCP, UDP, DCCP, SCTP, UDP-Lite.
fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 33 | 132 | 136)
}

/// `cmp`: one condition, or one for each field of a merged load.
pub(super) fn compare(load: &Load, op: u32, bytes: &[u8], context: &Context) -> Vec<Step> {
    let not_understood = || {
        let mask = load.mask().map(|mask| format!(" & {}", hex(mask))).unwrap_or_default();
        let what = format!("{}{mask}", load.name());
        vec![Step::NotUnderstood(format!("{what} {} {}", op_text(op), hex(bytes)))]
    };
    if let (Load::AddressType, EQ | NE, Some(RTN_LOCAL)) = (load, op, host(bytes)) {
        return vec![Step::Match(Match::ToThisNode { inverted: op == NE })];
    }
    let Some(pieces) = pieces(load, context) else { return not_understood() };
    let mask = load.mask();
    if pieces.len() > 1 && op != EQ {
        return not_understood();
    }
    let steps: Option<Vec<_>> = pieces
        .iter()
        .filter(|piece| piece.offset < bytes.len())
        .map(|piece| {
            let end = (piece.offset + piece.size).min(bytes.len());
            let mask = match mask {
                Some(mask) => Some(mask.get(piece.offset..end)?),
                None => None,
            };
            condition(&piece.field, op, bytes.get(piece.offset..end)?, mask).map(Step::Match)
        })
        .collect();
    match steps {
        Some(steps) if !steps.is_empty() => steps,
        _ => not_understood(),
    }
}

fn condition(field: &Field, op: u32, bytes: &[u8], mask: Option<&[u8]>) -> Option<Match> {
    let inverted = op == NE;
    let equality = op == EQ || op == NE;
    match field {
        Field::Address { side, version } => {
            let full = if *version == 4 { 4 } else { 16 };
            if equality {
                let mut octets = bytes.to_vec();
                octets.resize(full, 0);
                let size = match mask {
                    Some(mask) => prefix_size(mask)?,
                    None => bytes.len() as u8 * 8,
                };
                let set = AddrSet::Prefix(address(&octets)?, size);
                return Some(Match::Address { side: *side, set, inverted });
            }
            let set = one_sided(address(bytes)?, op, mask)?;
            Some(Match::Address { side: *side, set, inverted: false })
        }
        Field::Port { side, protocol } => {
            if mask.is_some() {
                return None;
            }
            let port = u16::from_be_bytes(bytes.try_into().ok()?);
            let (low, high) = match op {
                EQ | NE => (port, port),
                LT => (0, port.checked_sub(1)?),
                LE => (0, port),
                GT => (port.checked_add(1)?, u16::MAX),
                GE => (port, u16::MAX),
                _ => return None,
            };
            let set = PortSet::Range(low, high);
            Some(Match::Port { side: *side, protocol: *protocol, set, inverted })
        }
        Field::Protocol if equality && mask.is_none() => {
            Some(Match::Protocol { protocol: *bytes.first()?, inverted })
        }
        Field::Version if equality && mask.is_none() => match bytes.first()? {
            2 => Some(Match::Version { version: 4, inverted }),
            10 => Some(Match::Version { version: 6, inverted }),
            other => Some(other_match(&format!("nfproto {other}"), op, bytes, mask)),
        },
        Field::Ethertype if equality && mask.is_none() => match bytes {
            [0x08, 0x00] => Some(Match::Version { version: 4, inverted }),
            [0x86, 0xdd] => Some(Match::Version { version: 6, inverted }),
            _ => Some(other_match("meta protocol", op, bytes, mask)),
        },
        Field::Interface(way) if equality && mask.is_none() => {
            Some(Match::Interface { way: *way, name: interface(bytes), inverted })
        }
        Field::InterfaceIndex(way) if equality && mask.is_none() => {
            let name = format!("#{}", host(bytes)?);
            Some(Match::Interface { way: *way, name, inverted })
        }
        Field::Mark if equality => {
            let mask = mask.map_or(Some(u32::MAX), host)?;
            Some(Match::Mark { value: host(bytes)?, mask, inverted })
        }
        Field::ConnectionState => match (op, host(bytes)?, mask) {
            (EQ | NE, state, None) => Some(Match::ConnectionState { any_of: state, inverted }),
            (NE, 0, Some(mask)) => {
                Some(Match::ConnectionState { any_of: host(mask)?, inverted: false })
            }
            (EQ, 0, Some(mask)) => {
                Some(Match::ConnectionState { any_of: host(mask)?, inverted: true })
            }
            _ => Some(other_match("ct state", op, bytes, mask)),
        },
        Field::Named(name) => Some(other_match(name, op, bytes, mask)),
        Field::Protocol => Some(other_match("meta l4proto", op, bytes, mask)),
        Field::Version => Some(other_match("meta nfproto", op, bytes, mask)),
        Field::Ethertype => Some(other_match("meta protocol", op, bytes, mask)),
        Field::Mark => Some(other_match("meta mark", op, bytes, mask)),
        Field::Interface(_) | Field::InterfaceIndex(_) => None,
    }
}

fn other_match(name: &str, op: u32, bytes: &[u8], mask: Option<&[u8]>) -> Match {
    let mask = mask.map(|mask| format!(" & {}", hex(mask))).unwrap_or_default();
    Match::Other(format!("{name}{mask} {} {}", op_text(op), hex(bytes)))
}

/// `range`, or one field of an element: both ends inclusive.
pub(super) fn between(field: &Field, low: &[u8], high: &[u8], inverted: bool) -> Option<Match> {
    match field {
        Field::Address { side, version } => {
            let (low, high) = (address(low)?, address(high)?);
            let set = if low == high {
                AddrSet::Prefix(low, if *version == 4 { 32 } else { 128 })
            } else {
                AddrSet::Range(low, high)
            };
            Some(Match::Address { side: *side, set, inverted })
        }
        Field::Port { side, protocol } => {
            let port = |bytes: &[u8]| Some(u16::from_be_bytes(bytes.try_into().ok()?));
            let set = PortSet::Range(port(low)?, port(high)?);
            Some(Match::Port { side: *side, protocol: *protocol, set, inverted })
        }
        _ if low == high => condition(field, if inverted { NE } else { EQ }, low, None),
        Field::Named(name) => {
            let not = if inverted { "!= " } else { "" };
            Some(Match::Other(format!("{name} {not}{}-{}", hex(low), hex(high))))
        }
        _ => None,
    }
}

pub(super) fn member(mut fields: Vec<Field>, set: SetRef, inverted: bool) -> Match {
    if fields.len() == 1 {
        match fields.remove(0) {
            Field::Address { side, .. } => {
                return Match::Address { side, set: AddrSet::Named(set), inverted };
            }
            Field::Port { side, protocol } => {
                return Match::Port { side, protocol, set: PortSet::Named(set), inverted };
            }
            other => fields.push(other),
        }
    }
    Match::Member { fields, set, inverted }
}

/// Joins `>= a` with a following `<= b` on the same field. True if `last` now says both.
pub(super) fn narrow(last: &mut Match, next: &Match) -> bool {
    match (last, next) {
        (
            Match::Address { side, set: AddrSet::Range(_, high), inverted: false },
            Match::Address {
                side: next_side,
                set: AddrSet::Range(low, next_high),
                inverted: false,
            },
        ) if side == next_side && *high == extremes(low).1 && *low == extremes(low).0 => {
            *high = *next_high;
            true
        }
        (
            Match::Port { side, set: PortSet::Range(_, high @ u16::MAX), inverted: false, .. },
            Match::Port {
                side: next_side, set: PortSet::Range(0, next_high), inverted: false, ..
            },
        ) if side == next_side => {
            *high = *next_high;
            true
        }
        _ => false,
    }
}

fn one_sided(address: IpAddr, op: u32, mask: Option<&[u8]>) -> Option<AddrSet> {
    if mask.is_some() {
        return None;
    }
    let (min, max) = extremes(&address);
    let step = |by: i8| match address {
        IpAddr::V4(v4) => {
            v4.to_bits().checked_add_signed(by.into()).map(|b| Ipv4Addr::from_bits(b).into())
        }
        IpAddr::V6(v6) => {
            v6.to_bits().checked_add_signed(by.into()).map(|b| Ipv6Addr::from_bits(b).into())
        }
    };
    Some(match op {
        LT => AddrSet::Range(min, step(-1)?),
        LE => AddrSet::Range(min, address),
        GT => AddrSet::Range(step(1)?, max),
        GE => AddrSet::Range(address, max),
        _ => return None,
    })
}

fn extremes(of: &IpAddr) -> (IpAddr, IpAddr) {
    match of {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into()),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::from_bits(u128::MAX).into()),
    }
}

/// Ones, then zeroes; else `None`.
fn prefix_size(mask: &[u8]) -> Option<u8> {
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let leading = mask
        .iter()
        .position(|&byte| byte != 0xff)
        .map_or(mask.len() as u32 * 8, |at| at as u32 * 8 + mask[at].leading_ones());
    if ones == leading { u8::try_from(ones).ok() } else { None }
}

/// Padded with NUL it is a name, without it is the beginning of one.
fn interface(bytes: &[u8]) -> String {
    match bytes.iter().position(|&b| b == 0) {
        Some(end) => String::from_utf8_lossy(&bytes[..end]).into_owned(),
        None => format!("{}*", String::from_utf8_lossy(bytes)),
    }
}

fn host(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

pub(super) fn meta_name(key: u32) -> String {
    match key {
        0 => "meta length".into(),
        2 => "meta priority".into(),
        MARK => "meta mark".into(),
        8 => "meta iiftype".into(),
        9 => "meta oiftype".into(),
        10 => "meta skuid".into(),
        11 => "meta skgid".into(),
        12 => "meta nftrace".into(),
        19 => "meta pkttype".into(),
        other => format!("meta key {other}"),
    }
}

fn op_text(op: u32) -> &'static str {
    ["==", "!=", "<", "<=", ">", ">="].get(op as usize).copied().unwrap_or("?")
}

const EQ: u32 = 0;
const NE: u32 = 1;
const LT: u32 = 2;
const LE: u32 = 3;
const GT: u32 = 4;
const GE: u32 = 5;

const PROTOCOL: u32 = 1;
const MARK: u32 = 3;
const IIF: u32 = 4;
const OIF: u32 = 5;
const IIFNAME: u32 = 6;
const OIFNAME: u32 = 7;
const NFPROTO: u32 = 15;
const L4PROTO: u32 = 16;
const CT_STATE: u32 = 0;
const CT_MARK: u32 = 3;
