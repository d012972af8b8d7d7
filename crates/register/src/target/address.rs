//! Addresses, prefixes and ports. An IPv4-mapped IPv6 address is the IPv4 address.

use std::{fmt, net::IpAddr};

use ipnet::{IpNet, Ipv4Net};

use super::{Repair, TargetError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    Tcp,
    Udp,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    pub number: u16,
    pub transport: Transport,
}

impl Port {
    pub(super) fn parse(text: &str, repairs: &mut Vec<Repair>) -> Result<Self, TargetError> {
        let (number, transport) = match text.split_once('/') {
            Some((number, "tcp")) => (number, Transport::Tcp),
            Some((number, "udp")) => (number, Transport::Udp),
            Some((number, "any")) => (number, Transport::Any),
            Some(_) => return Err(TargetError::Address("the transport is tcp, udp or any")),
            None => {
                repairs.push(Repair::AnyTransport);
                (text, Transport::Any)
            }
        };
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        match number.parse() {
            Ok(number) if digits && number > 0 => Ok(Self { number, transport }),
            Ok(_) | Err(_) => Err(TargetError::Address("the port is a number from 1 to 65535")),
        }
    }

    /// The port, transport by transport: of any, those two that have ports everywhere (RFC 9293, RFC 768).
    pub(crate) fn each_transport(self) -> Vec<Self> {
        let Self { number, transport } = self;
        match transport {
            Transport::Tcp | Transport::Udp => vec![self],
            Transport::Any => [Transport::Tcp, Transport::Udp]
                .map(|transport| Self { number, transport })
                .to_vec(),
        }
    }

    /// `other` lies in this port and transport, or is the same.
    pub(super) fn covers(self, other: Self) -> bool {
        self.number == other.number
            && (self.transport == Transport::Any || self.transport == other.transport)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::Any => "any",
        };
        write!(f, "{}/{transport}", self.number)
    }
}

pub(super) enum Prefix {
    One(IpAddr),
    Many(IpNet),
}

pub(super) fn ip(text: &str, repairs: &mut Vec<Repair>) -> Result<IpAddr, TargetError> {
    if text.contains('/') {
        return match prefix(text, repairs)? {
            Prefix::One(ip) => Ok(ip),
            Prefix::Many(_) => Err(TargetError::Address("it is a prefix; use kind cidr")),
        };
    }
    let bare = match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        Some(bare) => {
            repairs.push(Repair::Brackets);
            bare
        }
        None => text,
    };
    // The standard parser refuses leading zeros, which some programs read as octal.
    let ip: IpAddr = bare.parse().map_err(|_| TargetError::Address("it does not parse"))?;
    Ok(ip.to_canonical())
}

pub(super) fn prefix(text: &str, repairs: &mut Vec<Repair>) -> Result<Prefix, TargetError> {
    if !text.contains('/') {
        let ip = ip(text, repairs)?;
        repairs.push(Repair::SingleAddress);
        return Ok(Prefix::One(ip));
    }
    let net: IpNet = text.parse().map_err(|_| TargetError::Address("it does not parse"))?;
    if net.trunc() != net {
        return Err(TargetError::Address(
            "bits are set behind the prefix length; say the network or the single address",
        ));
    }
    let net = unmapped(net);
    if net.prefix_len() == net.max_prefix_len() {
        repairs.push(Repair::SingleAddress);
        return Ok(Prefix::One(net.addr()));
    }
    Ok(Prefix::Many(net))
}

pub(super) fn ip_port(
    text: &str,
    repairs: &mut Vec<Repair>,
) -> Result<(IpAddr, Port), TargetError> {
    let wanted = TargetError::Address("want 192.0.2.1:443/tcp or [2001:db8::1]:443/tcp");
    let (host, port) = text.rsplit_once(':').ok_or(wanted.clone())?;
    let host = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(inner) if inner.contains(':') => inner,
        Some(_) => return Err(wanted),
        // Without brackets, which colon separates the port would be a guess.
        None if host.contains(':') => return Err(wanted),
        None => host,
    };
    let ip: IpAddr = host.parse().map_err(|_| wanted)?;
    Ok((ip.to_canonical(), Port::parse(port, repairs)?))
}

pub(super) fn looks_like_ip_port(text: &str) -> bool {
    ip_port(text, &mut Vec::new()).is_ok()
}

pub(super) fn asn(text: &str) -> Result<u32, TargetError> {
    let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as"));
    digits
        .filter(|d| d.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|d| d.parse().ok())
        .ok_or(TargetError::Other { kind: "network", reason: "want AS64500" })
}

fn unmapped(net: IpNet) -> IpNet {
    let IpNet::V6(six) = net else { return net };
    match (six.addr().to_ipv4_mapped(), six.prefix_len().checked_sub(96)) {
        (Some(ip), Some(length)) => Ipv4Net::new(ip, length).map_or(net, IpNet::V4),
        (Some(_) | None, _) => net,
    }
}
