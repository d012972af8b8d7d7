//! One NFLOG message: what the kernel says about a packet, and the packet's own headers.
//!
//! Sources: `linux/netfilter/nfnetlink_log.h` (NFULA_*), kernel
//! `net/netfilter/nfnetlink_log.c` (__build_packet_message); RFC 791, RFC 8200 for the headers.

use std::net::IpAddr;

use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::ipv6::Ipv6Packet;
use pnet_packet::udp::UdpPacket;

use crate::kernel::{Attributes, Malformed};

/// A logged packet, borrowed from the receive buffer. It holds a client's address: take from it
/// what an observation may hold, and let it go before the next read.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// As the rule has it, trailing spaces included, without the NUL.
    pub prefix: &'a [u8],
    /// The kernel's number; see `rules::nftables::Hook::from_number`.
    pub hook: u8,
    /// Ethertype. The kernel leaves it 0 for some packets of this node's own.
    pub protocol: u16,
    /// Interface indexes.
    pub in_dev: Option<u32>,
    pub out_dev: Option<u32>,
    /// The packet's mark. The kernel says nothing if it is 0.
    pub mark: u32,
    /// `None` if the packet is not IP, or too little of it was copied.
    pub headers: Option<Headers>,
    /// Counts messages of this group since it was bound, from 0.
    pub seq: Option<u32>,
    /// Counts messages of all groups of the network namespace.
    pub seq_global: Option<u32>,
    /// Messages that the kernel numbered between the one before and this one, and that did not come.
    pub lost_before: u64,
    /// What was copied of the packet. For [`Self::behind_udp`] alone.
    pub(super) ip: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers {
    pub version: u8,
    pub src: IpAddr,
    pub dst: IpAddr,
    /// Of the last header reached: if extension headers were cut off, one of those.
    pub l4proto: u8,
    /// Of TCP, UDP, DCCP, SCTP and UDP-Lite. Later fragments have none.
    pub sport: Option<u16>,
    pub dport: Option<u16>,
}

impl<'a> Packet<'a> {
    pub(super) const EMPTY: Self = Self {
        prefix: &[],
        hook: 0,
        protocol: 0,
        in_dev: None,
        out_dev: None,
        mark: 0,
        headers: None,
        seq: None,
        seq_global: None,
        lost_before: 0,
        ip: &[],
    };

    /// What is left of a UDP datagram behind its header. Of somebody else's packet that is none of our
    /// business: ask only for one that is known to be the agent's own.
    pub(super) fn behind_udp(&self) -> Option<&'a [u8]> {
        let ip = self.ip;
        let header = match ip.first()? >> 4 {
            4 => usize::from(Ipv4Packet::new(ip)?.get_header_length()) * 4,
            // The agent sets no extension headers.
            _ => Ipv6Packet::minimum_packet_size(),
        };
        ip.get(header + UdpPacket::minimum_packet_size()..)
    }
}

/// `payload` is what follows the netlink header: nfgenmsg and attributes.
pub fn parse(payload: &[u8]) -> Result<Packet<'_>, Malformed> {
    const NFGENMSG: usize = 4;
    let mut packet = Packet::EMPTY;
    for attribute in Attributes::new(payload.get(NFGENMSG..).ok_or(Malformed)?) {
        match attribute? {
            (1, &[high, low, hook, ..]) => {
                packet.protocol = u16::from_be_bytes([high, low]);
                packet.hook = hook;
            }
            (2, value) => packet.mark = be_u32(value)?,
            (4, value) => packet.in_dev = Some(be_u32(value)?),
            (5, value) => packet.out_dev = Some(be_u32(value)?),
            (9, value) => (packet.headers, packet.ip) = (headers(value), value),
            (10, value) => packet.prefix = value.strip_suffix(&[0]).unwrap_or(value),
            (12, value) => packet.seq = Some(be_u32(value)?),
            (13, value) => packet.seq_global = Some(be_u32(value)?),
            (1, _) => return Err(Malformed),
            // Hardware addresses (8, 16), user and group (11, 14), time (3): not looked at.
            _ => {}
        }
    }
    Ok(packet)
}

fn be_u32(value: &[u8]) -> Result<u32, Malformed> {
    Ok(u32::from_be_bytes(*value.first_chunk().ok_or(Malformed)?))
}

/// Headers of an IP packet of which at least the fixed IP header is there.
pub fn headers(packet: &[u8]) -> Option<Headers> {
    match packet.first()? >> 4 {
        4 => v4(packet),
        6 => v6(packet),
        _ => None,
    }
}

fn v4(bytes: &[u8]) -> Option<Headers> {
    let ip = Ipv4Packet::new(bytes)?;
    let header = usize::from(ip.get_header_length()) * 4;
    if header < Ipv4Packet::minimum_packet_size() {
        return None;
    }
    let l4proto = ip.get_next_level_protocol().0;
    // What stands behind the packet's own end is padding. With segmentation offload the length
    // may be 0, and then all of it is the packet.
    let end = match usize::from(ip.get_total_length()) {
        0 => bytes.len(),
        length => length.min(bytes.len()),
    };
    let later_fragment = ip.get_fragment_offset() != 0;
    let rest = bytes.get(header..end).filter(|_| !later_fragment).unwrap_or_default();
    let (sport, dport) = ports(l4proto, rest);
    let (src, dst) = (ip.get_source().into(), ip.get_destination().into());
    Some(Headers { version: 4, src, dst, l4proto, sport, dport })
}

fn v6(bytes: &[u8]) -> Option<Headers> {
    let ip = Ipv6Packet::new(bytes)?;
    let header = Ipv6Packet::minimum_packet_size();
    let end = match usize::from(ip.get_payload_length()) {
        0 => bytes.len(), // jumbogram
        length => (header + length).min(bytes.len()),
    };
    let (l4proto, rest) = behind_extensions(ip.get_next_header().0, bytes.get(header..end)?);
    let (sport, dport) = ports(l4proto, rest);
    let (src, dst) = (ip.get_source().into(), ip.get_destination().into());
    Some(Headers { version: 6, src, dst, l4proto, sport, dport })
}

/// Walks IPv6 extension headers. What cannot be followed has no ports.
fn behind_extensions(mut protocol: u8, mut rest: &[u8]) -> (u8, &[u8]) {
    /// RFC 8200 names six, each once (destination options twice).
    const EXTENSIONS_MAX: usize = 8;
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    for _ in 0..EXTENSIONS_MAX {
        let &[next, length, ..] = rest else { return (protocol, &[]) };
        let size = match protocol {
            // Hop-by-hop, routing, destination options, mobility, HIP, shim6.
            0 | 43 | 60 | 135 | 139 | 140 => (usize::from(length) + 1) * 8,
            AUTHENTICATION => (usize::from(length) + 2) * 4,
            FRAGMENT => {
                let later =
                    rest.get(2..4).is_none_or(|o| u16::from_be_bytes([o[0], o[1]]) >> 3 != 0);
                if later {
                    return (next, &[]);
                }
                8
            }
            _ => return (protocol, rest),
        };
        let Some(behind) = rest.get(size..) else { return (protocol, &[]) };
        (protocol, rest) = (next, behind);
    }
    (protocol, &[])
}

fn ports(protocol: u8, l4: &[u8]) -> (Option<u16>, Option<u16>) {
    match (protocol, l4) {
        (6 | 17 | 33 | 132 | 136, &[a, b, c, d, ..]) => {
            (Some(u16::from_be_bytes([a, b])), Some(u16::from_be_bytes([c, d])))
        }
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// (l4proto, sport, dport), or why there is nothing.
    fn check(packet: &[u8], expected: Option<(u8, Option<u16>, Option<u16>)>) {
        let found = headers(packet).map(|h| (h.l4proto, h.sport, h.dport));
        assert_eq!(found, expected, "{packet:02x?}");
    }

    fn ipv4(protocol: u8, fragment: u16, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 20 + rest.len() as u8, 0, 0];
        bytes.extend(fragment.to_be_bytes());
        bytes.extend([64, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7]);
        bytes.extend(rest);
        bytes
    }

    fn ipv6(next: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0, 0, rest.len() as u8, next, 64];
        bytes.extend([0x20; 16]);
        bytes.extend([0x21; 16]);
        bytes.extend(rest);
        bytes
    }

    const UDP: &[u8] = &[0x12, 0x34, 0, 53, 0, 8, 0, 0];
    const PORTS: (Option<u16>, Option<u16>) = (Some(0x1234), Some(53));

    #[test]
    fn v4_headers() {
        check(&ipv4(17, 0, UDP), Some((17, PORTS.0, PORTS.1)));
        check(&ipv4(1, 0, UDP), Some((1, None, None)));
        // first fragment, later fragment
        check(&ipv4(17, 0x2000, UDP), Some((17, PORTS.0, PORTS.1)));
        check(&ipv4(17, 0x2010, UDP), Some((17, None, None)));
        // copied up to the middle of the ports, of the address
        check(&ipv4(17, 0, UDP)[..23], Some((17, None, None)));
        check(&ipv4(17, 0, UDP)[..19], None);
        // options beyond the end, header length too small
        let mut options = ipv4(17, 0, UDP);
        options[0] = 0x4f;
        check(&options, Some((17, None, None)));
        options[0] = 0x44;
        check(&options, None);
        // what stands behind the packet is not the packet
        let mut padded = ipv4(17, 0, &[]);
        padded.extend(UDP);
        check(&padded, Some((17, None, None)));
        let found = headers(&ipv4(17, 0, UDP)).unwrap();
        assert_eq!(
            (found.src.to_string(), found.dst.to_string(), found.version),
            ("192.0.2.1".into(), "198.51.100.7".into(), 4)
        );
    }

    #[test]
    fn v6_headers() {
        let behind = |head: &[u8]| [head, UDP].concat();
        check(&ipv6(17, UDP), Some((17, PORTS.0, PORTS.1)));
        check(&ipv6(0, &behind(&[17, 0, 1, 4, 0, 0, 0, 0])), Some((17, PORTS.0, PORTS.1)));
        check(
            &ipv6(60, &behind(&[17, 1].iter().copied().chain([0; 14]).collect::<Vec<_>>())),
            Some((17, PORTS.0, PORTS.1)),
        );
        check(
            &ipv6(51, &behind(&[17, 1].iter().copied().chain([0; 10]).collect::<Vec<_>>())),
            Some((17, PORTS.0, PORTS.1)),
        );
        // first fragment, later fragment
        check(&ipv6(44, &behind(&[17, 0, 0, 1, 0, 0, 0, 9])), Some((17, PORTS.0, PORTS.1)));
        check(&ipv6(44, &behind(&[17, 0, 0, 8, 0, 0, 0, 9])), Some((17, None, None)));
        // extension beyond the end, encrypted, more than anybody sends
        check(&ipv6(43, &[17, 9, 0, 0]), Some((43, None, None)));
        check(&ipv6(50, UDP), Some((50, None, None)));
        check(&ipv6(60, &[60, 0, 0, 0, 0, 0, 0, 0].repeat(12)), Some((60, None, None)));
        check(&ipv6(17, UDP)[..39], None);
    }

    #[test]
    fn not_ip() {
        check(&[], None);
        check(&[0; 40], None);
    }

    /// Captured by others: see testdata/nft/README.md.
    #[test]
    fn recorded_messages() {
        let mut seen = Vec::new();
        for record in records(include_bytes!("../../../testdata/nft/nflog-http.pcap")) {
            let packet = parse(record).unwrap();
            let Headers { l4proto, sport, dport, .. } = packet.headers.unwrap();
            assert_eq!((packet.prefix, l4proto), (&b""[..], 6));
            seen.push((packet.hook, packet.in_dev, packet.out_dev, sport, dport));
        }
        assert_eq!(seen.len(), 13);
        let (client, server) = (Some(0xc262), Some(80));
        assert_eq!(seen[0], (3, None, Some(2), client, server));
        assert_eq!(seen[2], (4, None, Some(2), client, server));
        assert_eq!(seen[3], (1, Some(2), None, server, client));
    }

    #[test]
    fn recorded_bad_length() {
        let records = records(include_bytes!("../../../testdata/nft/nflog-bad-tlv-len.pcap"));
        assert_eq!(records.len(), 1);
        assert_eq!(parse(records[0]).unwrap_err(), Malformed);
    }

    /// Records of a little-endian pcap file.
    fn records(pcap: &[u8]) -> Vec<&[u8]> {
        let mut rest = &pcap[24..];
        let mut records = Vec::new();
        while rest.len() >= 16 {
            let size = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
            records.push(&rest[16..16 + size]);
            rest = &rest[16 + size..];
        }
        records
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..150)) {
            let _ = parse(&bytes);
            let _ = headers(&bytes);
        }

        #[test]
        fn any_cut_and_change_of_a_record_is_safe(
            which in 0usize..13, cut in any::<prop::sample::Index>(),
            at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let pcap = include_bytes!("../../../testdata/nft/nflog-http.pcap");
            let mut record = records(pcap)[which].to_vec();
            let place = at.index(record.len());
            record[place] = byte;
            let size = cut.index(record.len());
            let _ = parse(&record[..size]);
        }

        #[test]
        fn any_extension_chain_is_safe(next in any::<u8>(), rest in any::<Vec<u8>>()) {
            let _ = headers(&ipv6(next, &rest[..rest.len().min(200)]));
        }
    }
}
