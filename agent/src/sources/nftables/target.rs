//! From the traffic that a rule stops to the target that it blocks.
//!
//! In: a [`Reach`], which is what a rule, or one element of its set, matches. Out: [`Aim`]s, each
//! with one canonical target.
//!
//! - The target is the destination (direction *to target*) or the source (*from target*). If both
//!   are given, it is the one that is no customer's; if neither is, the destination. The other one
//!   then narrows.
//! - A range becomes the fewest prefixes, each a target of its own.
//! - Up to [`PORTS_MAX`] ports of one address are targets of their own (`ip_port`); more of them, a
//!   port of a prefix, or a port of the other side narrow the address.
//! - Without an address the port is the target, without a port the protocol, and without anything
//!   the whole service. If all that is left was not understood, the target is *not understood*.
//! - An address or prefix inside the customer prefixes is a token, and the trigger a client's
//!   address. What such a rule hit is never named.

use std::net::IpAddr;

use ipnet::IpNet;
use remit_proto::v1::{Direction, Target, TargetKind, Trigger};

use crate::{
    observation::HitTarget,
    privacy::Privacy,
    rules::nftables::{Side, cidrs},
};

/// Ports of one rule that are told apart. More of them are a rule about an address.
pub(super) const PORTS_MAX: u16 = 16;

/// What is matched. Each present field must hold; ranges are inclusive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) src: Option<(IpAddr, IpAddr)>,
    pub(super) dst: Option<(IpAddr, IpAddr)>,
    pub(super) sport: Option<(u16, u16)>,
    pub(super) dport: Option<(u16, u16)>,
    pub(super) protocol: Option<u8>,
    /// Only IP version 4, or only 6, whatever the address.
    pub(super) one_version: bool,
    /// Further conditions hold.
    pub(super) narrowed: bool,
    /// Some of those could not be read.
    pub(super) not_understood: bool,
}

/// One target of a rule, and which packets it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Aim {
    pub(super) target: Target,
    pub(super) trigger: Trigger,
    pub(super) direction: Direction,
    pub(super) narrowed: bool,
    pub(super) reach: Reach,
    pub(super) naming: Naming,
}

/// Whether a hit says which address was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// The rule names it singly, or it is a customer's.
    Never,
    /// The rule names a prefix of this side, or any address. Customers may be among them: only a
    /// node that knows its customers can tell.
    Within(Side),
    /// Nor a side: the destination, or the source where that is a customer's.
    Either,
}

impl Reach {
    pub(super) fn address(&self, side: Side) -> Option<(IpAddr, IpAddr)> {
        match side {
            Side::Source => self.src,
            Side::Destination => self.dst,
        }
    }

    pub(super) fn port(&self, side: Side) -> Option<(u16, u16)> {
        match side {
            Side::Source => self.sport,
            Side::Destination => self.dport,
        }
    }

    pub(super) fn set_address(&mut self, side: Side, range: (IpAddr, IpAddr)) {
        let place = match side {
            Side::Source => &mut self.src,
            Side::Destination => &mut self.dst,
        };
        self.narrowed |= both(place, range);
    }

    pub(super) fn set_port(&mut self, side: Side, range: (u16, u16)) {
        let place = match side {
            Side::Source => &mut self.sport,
            Side::Destination => &mut self.dport,
        };
        self.narrowed |= both(place, range);
    }
}

/// What is in both ranges. If nothing is, the rule stops nothing, which is told as narrowed.
fn both<T: Ord + Copy>(place: &mut Option<(T, T)>, (low, high): (T, T)) -> bool {
    let (from, to) = place.unwrap_or((low, high));
    let (from, to) = (from.max(low), to.min(high));
    let empty = from > to;
    *place = Some(if empty { (low, high) } else { (from, to) });
    empty
}

pub(super) fn aims(reach: &Reach, privacy: &Privacy) -> Vec<Aim> {
    let customers = |range: (IpAddr, IpAddr)| is_customers(range, privacy);
    let (side, range) = match (reach.dst, reach.src) {
        (Some(dst), Some(src)) if customers(dst) && !customers(src) => (Side::Source, src),
        (Some(dst), _) => (Side::Destination, dst),
        (None, Some(src)) => (Side::Source, src),
        (None, None) => return port_by_port(reach).iter().map(without_address).collect(),
    };
    let port = reach.port(side);
    let narrowed = reach.narrowed
        || reach.port(opposite(side)).is_some()
        || reach.address(opposite(side)).is_some();
    let mut aims = Vec::new();
    for (address, size) in cidrs(range.0, range.1) {
        let Ok(net) = IpNet::new(address, size) else { continue };
        let mut reach = *reach;
        match side {
            Side::Source => reach.src = Some((net.network(), net.broadcast())),
            Side::Destination => reach.dst = Some((net.network(), net.broadcast())),
        }
        let aim = Aim {
            target: net_target(net),
            trigger: trigger(side),
            direction: direction(side),
            narrowed: narrowed || port.is_some() || reach.protocol.is_some(),
            reach,
            naming: if is_single(net) { Naming::Never } else { Naming::Within(side) },
        };
        if customers((net.network(), net.broadcast())) {
            aims.push(Aim {
                target: privacy.token_net(net),
                trigger: Trigger::ClientIp,
                naming: Naming::Never,
                ..aim
            });
        } else if let (true, Some((from, to)), Some(protocol)) =
            (is_single(net), port.filter(few), transport(reach.protocol))
        {
            aims.extend((from..=to).map(|port| {
                let mut reach = reach;
                match side {
                    Side::Source => reach.sport = Some((port, port)),
                    Side::Destination => reach.dport = Some((port, port)),
                }
                let target = ip_port(net.addr(), port, protocol);
                Aim { target, narrowed, reach, ..aim.clone() }
            }));
        } else {
            aims.push(aim);
        }
    }
    aims
}

/// A few ports are targets of their own, also without an address.
fn port_by_port(reach: &Reach) -> Vec<Reach> {
    match (reach.dport.filter(few), reach.sport.filter(few)) {
        (Some((from, to)), _) => {
            (from..=to).map(|port| Reach { dport: Some((port, port)), ..*reach }).collect()
        }
        (None, Some((from, to))) if reach.dport.is_none() => {
            (from..=to).map(|port| Reach { sport: Some((port, port)), ..*reach }).collect()
        }
        _ => vec![*reach],
    }
}

fn without_address(reach: &Reach) -> Aim {
    let narrowed = reach.narrowed || reach.one_version || reach.not_understood;
    let (side, port) = match (reach.dport, reach.sport) {
        (Some(port), _) => (Some(Side::Destination), Some(port)),
        (None, Some(port)) => (Some(Side::Source), Some(port)),
        (None, None) => (None, None),
    };
    let both = reach.dport.is_some() && reach.sport.is_some();
    let single = port.filter(|port| port.0 == port.1 && few(port));
    let (kind, value, narrowed) = match (single, transport(reach.protocol), reach.protocol) {
        (Some((port, _)), Some(transport), _) => {
            (TargetKind::Port, format!("{port}/{transport}"), narrowed || both)
        }
        (_, _, Some(protocol)) => {
            (TargetKind::ProtocolApp, protocol_name(protocol), narrowed || port.is_some())
        }
        (_, _, None) if reach.not_understood && port.is_none() => {
            (TargetKind::NotUnderstood, String::new(), true)
        }
        (_, _, None) => (TargetKind::WholeService, "*".into(), narrowed || port.is_some()),
    };
    Aim {
        target: Target { kind: kind.into(), value },
        trigger: side.map_or(Trigger::Other, trigger),
        direction: side.map_or(Direction::Both, direction),
        narrowed,
        reach: *reach,
        naming: side.map_or(Naming::Either, Naming::Within),
    }
}

/// Every address of the range is in a customer prefix (or its ends are, which is near enough and
/// errs on the side of saying nothing).
pub(super) fn is_customers(range: (IpAddr, IpAddr), privacy: &Privacy) -> bool {
    privacy.is_customer(range.0) && privacy.is_customer(range.1)
}

fn net_target(net: IpNet) -> Target {
    if is_single(net) {
        return HitTarget::Address(net.addr()).wire();
    }
    Target { kind: TargetKind::Cidr.into(), value: net.trunc().to_string() }
}

fn ip_port(address: IpAddr, port: u16, transport: &str) -> Target {
    let value = match address.to_canonical() {
        IpAddr::V4(address) => format!("{address}:{port}/{transport}"),
        IpAddr::V6(address) => format!("[{address}]:{port}/{transport}"),
    };
    Target { kind: TargetKind::IpPort.into(), value }
}

fn is_single(net: IpNet) -> bool {
    net.prefix_len() == net.max_prefix_len()
}

/// Port 0 is no target.
pub(super) fn few((from, to): &(u16, u16)) -> bool {
    *from > 0 && to.checked_sub(*from).is_some_and(|more| more < PORTS_MAX)
}

/// How a canonical target writes it; `None` if it cannot.
fn transport(protocol: Option<u8>) -> Option<&'static str> {
    match protocol {
        None => Some("any"),
        Some(6) => Some("tcp"),
        Some(17) => Some("udp"),
        Some(_) => None,
    }
}

fn protocol_name(protocol: u8) -> String {
    let name = match protocol {
        1 => "icmp",
        2 => "igmp",
        4 => "ipip",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        41 => "ipv6",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmpv6",
        89 => "ospf",
        132 => "sctp",
        136 => "udplite",
        other => return format!("ip-protocol-{other}"),
    };
    name.to_owned()
}

fn trigger(side: Side) -> Trigger {
    match side {
        Side::Source => Trigger::Source,
        Side::Destination => Trigger::Destination,
    }
}

fn direction(side: Side) -> Direction {
    match side {
        Side::Source => Direction::FromTarget,
        Side::Destination => Direction::ToTarget,
    }
}

pub(super) fn opposite(side: Side) -> Side {
    match side {
        Side::Source => Side::Destination,
        Side::Destination => Side::Source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::nftables::testing::privacy;

    fn range(text: &str) -> Option<(IpAddr, IpAddr)> {
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        Some((low.parse().unwrap(), high.parse().unwrap()))
    }

    /// "kind value", with `from` for the direction and `~` where it is narrowed.
    fn check(reach: Reach, expected: &[&str]) {
        let shown: Vec<_> = aims(&reach, &privacy(true))
            .into_iter()
            .map(|aim| {
                let value = match aim.target.kind() {
                    TargetKind::CustomerToken => "token",
                    _ => aim.target.value.as_str(),
                };
                let direction = match aim.direction {
                    Direction::FromTarget => "from ",
                    Direction::Both => "both ",
                    _ => "",
                };
                format!("{}{direction}{value}", if aim.narrowed { "~" } else { "" })
            })
            .collect();
        assert_eq!(shown, expected, "{reach:?}");
    }

    #[test]
    fn addresses_and_ports() {
        let to = |dst| Reach { dst: range(dst), ..Reach::default() };
        check(to("192.0.2.1"), &["192.0.2.1"]);
        check(to("192.0.2.0-192.0.2.255"), &["192.0.2.0/24"]);
        check(to("192.0.2.5-192.0.2.8"), &["192.0.2.5", "192.0.2.6/31", "192.0.2.8"]);
        check(to("::ffff:192.0.2.1"), &["192.0.2.1"]);
        let port = |dst, dport, protocol| Reach { dport, protocol, ..to(dst) };
        check(port("192.0.2.1", Some((443, 443)), Some(6)), &["192.0.2.1:443/tcp"]);
        check(port("2001:db8::1", Some((53, 53)), None), &["[2001:db8::1]:53/any"]);
        check(
            port("192.0.2.1", Some((80, 81)), Some(17)),
            &["192.0.2.1:80/udp", "192.0.2.1:81/udp"],
        );
        check(port("192.0.2.1", Some((80, 96)), Some(6)), &["~192.0.2.1"]);
        check(port("192.0.2.1", Some((80, 80)), Some(132)), &["~192.0.2.1"]);
        check(port("192.0.2.1", None, Some(17)), &["~192.0.2.1"]);
        check(port("192.0.2.0-192.0.2.3", Some((80, 80)), Some(6)), &["~192.0.2.0/30"]);
        let other_side = Reach { sport: Some((80, 80)), protocol: Some(6), ..to("192.0.2.1") };
        check(other_side, &["~192.0.2.1"]);
        let from = Reach { src: range("192.0.2.1"), sport: Some((80, 80)), ..Reach::default() };
        check(from, &["from 192.0.2.1:80/any"]);
    }

    #[test]
    fn without_an_address() {
        let port = |dport, protocol| Reach { dport, protocol, ..Reach::default() };
        check(port(Some((443, 443)), Some(6)), &["443/tcp"]);
        check(port(Some((400, 443)), Some(6)), &["~tcp"]);
        check(port(Some((400, 443)), None), &["~*"]);
        check(port(Some((80, 81)), Some(6)), &["80/tcp", "81/tcp"]);
        check(port(None, Some(47)), &["both gre"]);
        check(Reach::default(), &["both *"]);
        check(Reach { not_understood: true, ..Reach::default() }, &["~both "]);
        check(Reach { one_version: true, ..Reach::default() }, &["~both *"]);
        check(Reach { sport: Some((53, 53)), ..Reach::default() }, &["from 53/any"]);
    }

    #[test]
    fn the_side_that_is_no_customer_is_the_target() {
        let both = |src, dst| Reach { src: range(src), dst: range(dst), ..Reach::default() };
        check(both("100.64.0.1", "192.0.2.1"), &["~192.0.2.1"]);
        check(both("192.0.2.1", "100.64.0.1"), &["~from 192.0.2.1"]);
        check(both("192.0.2.1", "192.0.2.2"), &["~192.0.2.2"]);
        check(both("100.64.0.1", "100.64.0.2"), &["~token"]);
        let alone = Reach { src: range("100.64.0.1"), ..Reach::default() };
        check(alone, &["from token"]);
        let [aim] = &aims(&alone, &privacy(true))[..] else { panic!("one") };
        assert_eq!((aim.trigger, aim.naming), (Trigger::ClientIp, Naming::Never));
        // Half of the range is customers'.
        check(
            Reach { dst: range("100.63.255.254-100.64.0.1"), ..Reach::default() },
            &["100.63.255.254/31", "token"],
        );
    }
}
