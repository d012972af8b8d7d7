//! Routes as rtnetlink tells of them: bytes to [`Change`]s, and the dumps that ask for them.
//!
//! Sources: `linux/rtnetlink.h` (rtmsg, RTA_*), kernel `net/ipv4/fib_semantics.c` (fib_dump_info),
//! `net/ipv6/route.c` (rt6_fill_node), `net/ipv4/fib_frontend.c` (ip_valid_fib_dump_req).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::kernel::{Attributes, Malformed, Message};

const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const REPLACE: u16 = 0x100;

/// What becomes of a packet that takes the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Blackhole,
    Unreachable,
    Prohibit,
    /// The search in this table ends; the next policy rule goes on.
    Throw,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Blackhole, Self::Unreachable, Self::Prohibit, Self::Throw];

    /// `rtm_type`.
    pub const fn number(self) -> u8 {
        match self {
            Self::Blackhole => 6,
            Self::Unreachable => 7,
            Self::Prohibit => 8,
            Self::Throw => 9,
        }
    }

    /// As iproute2 writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
            Self::Throw => "throw",
        }
    }
}

/// Where in the tables a route stands: what the kernel tells two routes apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub table: u32,
    pub net: IpNet,
    /// Lower wins.
    pub metric: u32,
    pub tos: u8,
    /// Only for packets from here (IPv6).
    pub source: Option<IpNet>,
}

/// A route on which nothing is sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub place: Place,
    pub kind: Kind,
    /// Who set it, by `rtm_protocol` (186 is BGP); whoever sets a route chooses the number.
    pub protocol: u8,
    /// 0: none.
    pub realm: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// `alone`: it takes the place of what was there.
    Set {
        route: Route,
        alone: bool,
    },
    Gone(Place, Kind),
    /// A route that sends on took the place of what was there.
    Taken(Place),
}

/// What a message says; `None` if it is about no route of ours.
pub fn change(message: &Message<'_>) -> Result<Option<Change>, Malformed> {
    if !matches!(message.kind, RTM_NEWROUTE | RTM_DELROUTE) {
        return Ok(None);
    }
    let Some((place, kind, protocol, realm)) = route(message.payload)? else { return Ok(None) };
    let (gone, alone) = (message.kind == RTM_DELROUTE, message.flags & REPLACE != 0);
    Ok(match kind {
        Some(kind) if gone => Some(Change::Gone(place, kind)),
        Some(kind) => Some(Change::Set { route: Route { place, kind, protocol, realm }, alone }),
        None if alone && !gone => Some(Change::Taken(place)),
        None => None,
    })
}

type Read = (Place, Option<Kind>, u8, u16);

fn route(payload: &[u8]) -> Result<Option<Read>, Malformed> {
    /// A copy for one destination (`ip route show cache`).
    const CLONED: u32 = 0x200;
    let (header, attributes) = payload.split_first_chunk::<12>().ok_or(Malformed)?;
    let [family, dst_len, src_len, tos, table, protocol, _scope, kind, flags @ ..] = *header;
    let v4 = match i32::from(family) {
        libc::AF_INET => true,
        libc::AF_INET6 => false,
        // MPLS and multicast routes block nothing that is asked for here.
        _ => return Ok(None),
    };
    if u32::from_ne_bytes(flags) & CLONED != 0 {
        return Ok(None);
    }
    let (mut dst, mut src, mut table, mut metric, mut realm) = (None, None, table.into(), 0, 0);
    for attribute in Attributes::new(attributes) {
        match attribute? {
            (1, value) => dst = Some(address(value, v4)?),
            (2, value) => src = Some(address(value, v4)?),
            (6, value) => metric = ne_u32(value)?,
            // From it in the upper half, to it in the lower one.
            (11, value) => realm = ne_u32(value)? as u16,
            (15, value) => table = ne_u32(value)?,
            _ => {}
        }
    }
    let unspecified = || match v4 {
        true => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        false => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let net = |address: Option<IpAddr>, size| {
        let net = IpNet::new(address.unwrap_or_else(unspecified), size).map_err(|_| Malformed)?;
        Ok(net.trunc())
    };
    let source = if src_len > 0 { Some(net(src, src_len)?) } else { None };
    let place = Place { table, net: net(dst, dst_len)?, metric, tos, source };
    let kind = Kind::ALL.into_iter().find(|known| known.number() == kind);
    Ok(Some((place, kind, protocol, realm)))
}

fn address(value: &[u8], v4: bool) -> Result<IpAddr, Malformed> {
    match (v4, value.len()) {
        (true, 4) => Ok(<[u8; 4]>::try_from(value).map_err(|_| Malformed)?.into()),
        (false, 16) => Ok(<[u8; 16]>::try_from(value).map_err(|_| Malformed)?.into()),
        _ => Err(Malformed),
    }
}

fn ne_u32(value: &[u8]) -> Result<u32, Malformed> {
    Ok(u32::from_ne_bytes(*value.first_chunk().ok_or(Malformed)?))
}

/// Asks for all routes of one kind and version, of all tables.
pub fn dump(family: libc::c_int, kind: Kind, sequence: u32) -> Vec<u8> {
    const REQUEST_DUMP: u16 = 1 | 0x300;
    const SIZE: u32 = 16 + 12;
    let mut bytes = Vec::with_capacity(SIZE as usize);
    bytes.extend(SIZE.to_ne_bytes());
    bytes.extend(RTM_GETROUTE.to_ne_bytes());
    bytes.extend(REQUEST_DUMP.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend([family as u8, 0, 0, 0, 0, 0, 0, kind.number(), 0, 0, 0, 0]);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::Messages;

    #[test]
    fn a_dump_asks_for_one_kind() {
        let bytes = dump(libc::AF_INET6, Kind::Prohibit, 7);
        let message = Messages::new(&bytes).next().unwrap().unwrap();
        assert_eq!((message.kind, message.sequence), (RTM_GETROUTE, 7));
        let (place, kind, ..) = route(message.payload).unwrap().unwrap();
        assert_eq!((place.net, kind), ("::/0".parse().unwrap(), Some(Kind::Prohibit)));
    }

    #[test]
    fn lengths_that_do_not_fit_are_malformed() {
        // A prefix of 33 bits, an address of 3 bytes.
        let mut header = vec![2, 33, 0, 0, 254, 3, 0, 6, 0, 0, 0, 0];
        assert_eq!(route(&header), Err(Malformed));
        header[1] = 24;
        header.extend([7, 0, 1, 0, 10, 0, 0, 0]);
        assert_eq!(route(&header), Err(Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(
            kind in 22..28_u16, flags: u16, payload in proptest::collection::vec(any::<u8>(), 0..120),
        ) {
            let _ = change(&Message { kind, flags, sequence: 0, payload: &payload });
        }
    }
}
