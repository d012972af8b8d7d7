//! A rule as text, much as `nft list` writes it, for people and for digests of native text.
//!
//! It is made from what was understood, so a difference to nft's own text is a hint that we read
//! a rule otherwise than nft does. Conditions that only name the protocol of the next condition
//! are left out, as nft does.

use std::fmt;

use super::expr::Step;
use super::model::{AddrSet, CounterUse, Family, Field, Log, Match, PortSet, Side, Verdict, Way};

pub(super) fn rule(family: Family, steps: &[Step], comment: Option<&str>) -> String {
    let mut version = match family {
        Family::Ip6 => 6,
        _ => 4,
    };
    let mut parts = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        if let Step::Match(Match::Version { version: known, inverted: false }) = step {
            version = *known;
        }
        if !implied(step, &steps[i + 1..]) {
            parts.push(self::step(step, version));
        }
    }
    if let Some(comment) = comment {
        parts.push(format!("comment {comment:?}"));
    }
    parts.join(" ")
}

fn implied(step: &Step, rest: &[Step]) -> bool {
    let next = rest.iter().find_map(|step| match step {
        Step::Match(condition) => Some(condition),
        _ => None,
    });
    match (step, next) {
        (Step::Match(Match::Version { inverted: false, .. }), Some(Match::Address { .. })) => true,
        (
            Step::Match(Match::Protocol { protocol, inverted: false }),
            Some(Match::Port { protocol: Some(next), .. }),
        ) => protocol == next,
        _ => false,
    }
}

fn step(step: &Step, version: u8) -> String {
    match step {
        Step::Match(Match::Address { side, set: AddrSet::Named(set), inverted }) => {
            let ip = if version == 6 { "ip6" } else { "ip" };
            format!("{ip} {}{} @{}", addr(*side), not(*inverted), set.name)
        }
        Step::Match(condition) => condition.to_string(),
        Step::NotUnderstood(what) => format!("[not understood: {what}]"),
        Step::Limit { text, over: _ } | Step::Statement(text) | Step::Divert(text) => text.clone(),
        Step::Reject { text, .. } => text.clone(),
        Step::Log(Log { group, prefix, .. }) => {
            format!("log prefix {:?} group {group}", String::from_utf8_lossy(prefix))
        }
        // An element's counter is no step of a rule.
        Step::Counter(CounterUse::Inline(_) | CounterUse::Element { .. }) => "counter".into(),
        Step::Counter(CounterUse::Named(name)) => format!("counter name {name:?}"),
        Step::Counter(CounterUse::ByMap(map)) => format!("counter name by map @{map}"),
        Step::Comment(text) => format!("/* {text} */"),
        Step::Verdict(verdict) => verdict.to_string(),
        Step::VerdictMap { pieces, set } => {
            let fields: Vec<_> = pieces.iter().map(|piece| piece.field.to_string()).collect();
            format!("{} vmap @{}", fields.join(" . "), set.name)
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { side, set, inverted } => {
                let (side, not) = (addr(*side), not(*inverted));
                match set {
                    AddrSet::Prefix(address, size) => {
                        let (ip, full) = if address.is_ipv4() { ("ip", 32) } else { ("ip6", 128) };
                        write!(f, "{ip} {side}{not} {address}")?;
                        if *size == full { Ok(()) } else { write!(f, "/{size}") }
                    }
                    AddrSet::Range(low, high) => {
                        let ip = if low.is_ipv4() { "ip" } else { "ip6" };
                        write!(f, "{ip} {side}{not} {low}-{high}")
                    }
                    AddrSet::Named(set) => write!(f, "{side}{not} @{}", set.name),
                }
            }
            Self::Port { side, protocol, set, inverted } => {
                write!(
                    f,
                    "{}{} ",
                    Field::Port { side: *side, protocol: *protocol },
                    not(*inverted)
                )?;
                match set {
                    PortSet::Range(low, high) if low == high => write!(f, "{low}"),
                    PortSet::Range(low, high) => write!(f, "{low}-{high}"),
                    PortSet::Named(set) => write!(f, "@{}", set.name),
                }
            }
            Self::Protocol { protocol, inverted } => {
                write!(f, "meta l4proto{} {}", not(*inverted), protocol_name(*protocol))
            }
            Self::Version { version, inverted } => {
                write!(f, "meta nfproto{} ipv{version}", not(*inverted))
            }
            Self::Interface { way, name, inverted } if name.starts_with('#') => {
                write!(f, "{}{} {}", Field::InterfaceIndex(*way), not(*inverted), &name[1..])
            }
            Self::Interface { way, name, inverted } => {
                write!(f, "{}{} {name:?}", Field::Interface(*way), not(*inverted))
            }
            Self::ConnectionState { any_of, inverted } => {
                let names = [
                    (1, "invalid"),
                    (2, "established"),
                    (4, "related"),
                    (8, "new"),
                    (64, "untracked"),
                ];
                let named = names.iter().filter(|(bit, _)| any_of & bit != 0);
                let named: Vec<_> = named.map(|(_, name)| *name).collect();
                write!(f, "ct state{} {}", not(*inverted), named.join(","))
            }
            Self::Mark { value, mask: u32::MAX, inverted } => {
                write!(f, "meta mark{} {value:#x}", not(*inverted))
            }
            Self::Mark { value, mask, inverted } => {
                let op = if *inverted { "!=" } else { "==" };
                write!(f, "meta mark & {mask:#x} {op} {value:#x}")
            }
            Self::Member { fields, set, inverted } => {
                let fields: Vec<_> = fields.iter().map(Field::to_string).collect();
                write!(f, "{}{} @{}", fields.join(" . "), not(*inverted), set.name)
            }
            Self::ToThisNode { inverted } => write!(f, "fib daddr type{} local", not(*inverted)),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { side, version: 4 } => write!(f, "ip {}", addr(*side)),
            Self::Address { side, .. } => write!(f, "ip6 {}", addr(*side)),
            Self::Port { side, protocol } => {
                let name = protocol.map_or("th".into(), protocol_name);
                write!(f, "{name} {}", if *side == Side::Source { "sport" } else { "dport" })
            }
            Self::Protocol => f.write_str("meta l4proto"),
            Self::Version => f.write_str("meta nfproto"),
            Self::Ethertype => f.write_str("meta protocol"),
            Self::Interface(Way::In) => f.write_str("iifname"),
            Self::Interface(Way::Out) => f.write_str("oifname"),
            Self::InterfaceIndex(Way::In) => f.write_str("iif"),
            Self::InterfaceIndex(Way::Out) => f.write_str("oif"),
            Self::Mark => f.write_str("meta mark"),
            Self::ConnectionState => f.write_str("ct state"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drop => f.write_str("drop"),
            Self::Accept => f.write_str("accept"),
            Self::Queue(number) => write!(f, "queue num {number}"),
            Self::Continue => f.write_str("continue"),
            Self::Break => f.write_str("break"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
            Self::Return => f.write_str("return"),
            Self::Other(code) => write!(f, "verdict {code}"),
        }
    }
}

fn addr(side: Side) -> &'static str {
    match side {
        Side::Source => "saddr",
        Side::Destination => "daddr",
    }
}

fn not(inverted: bool) -> &'static str {
    if inverted { " !=" } else { "" }
}

fn protocol_name(protocol: u8) -> String {
    match protocol {
        1 => "icmp".into(),
        6 => "tcp".into(),
        17 => "udp".into(),
        33 => "dccp".into(),
        47 => "gre".into(),
        50 => "esp".into(),
        58 => "icmpv6".into(),
        132 => "sctp".into(),
        136 => "udplite".into(),
        other => other.to_string(),
    }
}
