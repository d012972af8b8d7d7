//! Matches and targets of iptables that iptables-nft wraps unchanged into `match` and `target`.
//!
//! Their content is a C structure in the byte order and alignment of the host. Read are the comment,
//! REJECT and NFLOG; of all other matches name and bytes are kept and the rule is marked. Other
//! targets either let the packet go on (listed by name), or are taken for a diversion.
//!
//! Sources: `linux/netfilter/xt_comment.h`, `xt_NFLOG.h`, `linux/netfilter_ipv4/ipt_REJECT.h`,
//! `linux/netfilter_ipv6/ip6t_REJECT.h`.

use super::expr::{Step, hex};
use super::model::{Action, Family, Log, RejectWith};
use super::wire::{ne_u32, text};
use crate::kernel::Malformed;

pub(super) fn condition(name: &str, revision: Option<u32>, info: &[u8]) -> Step {
    match name {
        "comment" => Step::Comment(text(info)),
        _ => {
            let revision = revision.unwrap_or(0);
            Step::NotUnderstood(format!("xt match {name} {revision} {}", hex(info)))
        }
    }
}

/// `limited`: a rate limit stands before it in the rule.
pub(super) fn target(
    name: &str,
    info: &[u8],
    family: Family,
    handle: u64,
    limited: bool,
) -> Result<Step, Malformed> {
    Ok(match name {
        "REJECT" => {
            let (with, code) = reject(family, ne_u32(info).ok_or(Malformed)?);
            let text = match with {
                RejectWith::TcpReset => "reject with tcp reset".into(),
                RejectWith::Icmp | RejectWith::Icmpx => format!("reject with icmp {code}"),
                RejectWith::Xt(with) => format!("REJECT {with}"),
            };
            Step::Reject { action: Action::Reject { with, code }, text }
        }
        "NFLOG" => Step::Log(nflog(info, handle, limited).ok_or(Malformed)?),
        // Known to let the packet go on, or to send it on its way unhindered.
        "LOG" | "MARK" | "CONNMARK" | "SECMARK" | "CONNSECMARK" | "TCPMSS" | "TCPOPTSTRIP"
        | "CT" | "NOTRACK" | "CLASSIFY" | "DSCP" | "TOS" | "TTL" | "HL" | "ECN" | "SNAT"
        | "MASQUERADE" | "NETMAP" | "SET" | "AUDIT" | "TRACE" | "CHECKSUM" | "TEE" | "LED"
        | "RATEEST" | "IDLETIMER" | "HMARK" | "ULOG" => Step::Statement(format!("target {name}")),
        _ => Step::Divert(format!("target {name}")),
    })
}

/// `ipt_reject_with` and `ip6t_reject_with` to ICMP and ICMPv6 unreachable codes.
fn reject(family: Family, with: u32) -> (RejectWith, u8) {
    let v6 = family == Family::Ip6;
    match (v6, with) {
        (false, 0..=3) => (RejectWith::Icmp, with as u8),
        (false, 5) => (RejectWith::Icmp, 9),
        (false, 6) => (RejectWith::Icmp, 10),
        (false, 7) | (true, 6) => (RejectWith::TcpReset, 0),
        (false, 8) => (RejectWith::Icmp, 13),
        (true, 0..=4) => (RejectWith::Icmp, with as u8),
        (true, 7) => (RejectWith::Icmp, 5),
        (true, 8) => (RejectWith::Icmp, 6),
        _ => (RejectWith::Xt(with), 0),
    }
}

/// `struct xt_nflog_info`, host order.
fn nflog(info: &[u8], handle: u64, limited: bool) -> Option<Log> {
    let u16_at = |at: usize| Some(u16::from_ne_bytes(*info.get(at..)?.first_chunk()?));
    let prefix = info.get(12..76)?;
    let end = prefix.iter().position(|&b| b == 0).unwrap_or(prefix.len());
    let copies = u16_at(8)? & 1 != 0;
    Some(Log {
        group: u16_at(4)?,
        prefix: prefix[..end].to_vec(),
        handle,
        exact: true,
        limited,
        sample: false,
        threshold: u16_at(6)?,
        snaplen: if copies { ne_u32(info)? } else { 0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nflog_as_older_iptables_sends_it() {
        let mut info = Vec::new();
        info.extend(64u32.to_ne_bytes());
        for half in [7u16, 1, 1, 0] {
            info.extend(half.to_ne_bytes());
        }
        info.extend(b"remit=REQ-1\0");
        info.resize(76, 0);
        let log = nflog(&info, 9, true).unwrap();
        assert_eq!((log.group, log.threshold, log.snaplen), (7, 1, 64));
        assert_eq!(
            (log.prefix.as_slice(), log.handle, log.limited),
            (&b"remit=REQ-1"[..], 9, true)
        );
        info[8] = 0; // no XT_NFLOG_F_COPY_LEN
        assert_eq!(nflog(&info, 9, true).unwrap().snaplen, 0);
        assert_eq!(nflog(&info[..75], 9, true), None);
    }

    #[test]
    fn ways_of_rejecting() {
        assert_eq!(reject(Family::Ip, 3), (RejectWith::Icmp, 3));
        assert_eq!(reject(Family::Ip, 7), (RejectWith::TcpReset, 0));
        assert_eq!(reject(Family::Ip, 8), (RejectWith::Icmp, 13));
        assert_eq!(reject(Family::Ip, 4), (RejectWith::Xt(4), 0));
        assert_eq!(reject(Family::Ip6, 6), (RejectWith::TcpReset, 0));
        assert_eq!(reject(Family::Ip6, 7), (RejectWith::Icmp, 5));
    }

    #[test]
    fn an_unknown_target_may_take_the_packet() {
        let target = |name| target(name, &[], Family::Ip, 1, false);
        assert_eq!(target("TARPIT"), Ok(Step::Divert("target TARPIT".into())));
        assert_eq!(target("MARK"), Ok(Step::Statement("target MARK".into())));
        assert_eq!(target("REJECT"), Err(Malformed));
    }
}
