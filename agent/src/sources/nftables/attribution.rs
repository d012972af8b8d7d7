//! Which rule logged a packet.
//!
//! An NFLOG message names its group and prefix, no rule. All ways to a drop that log so are
//! candidates; those whose hook, IP version and conditions contradict the packet's headers are
//! not. What a message does not show (connection state, sets that are not read) contradicts nothing. Among the
//! elements of a set, the one that holds the packet's address is looked up in a sorted array.
//!
//! Nothing is allocated here for a packet, and nothing of it is kept.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

use super::{
    interfaces::{Device, Interfaces},
    response::response,
    target::{Aim, Naming, Reach},
};
use crate::{
    observation::{Response, RuleNumber},
    privacy::{Privacy, is_of_a_site},
    rules::nftables::{Action, AddrSet, DropPath, Family, Hook, Log, Match, PortSet, Side},
    sources::nflog::{Headers, Packet},
};

/// All ways that log to us, as of one generation.
#[derive(Debug, Default)]
pub(super) struct Attribution {
    logs: Vec<Logged>,
    by_name: HashMap<u16, HashMap<Vec<u8>, usize>>,
    /// As of which it says which way a packet took.
    interfaces: Interfaces,
}

/// The ways that log to one group with one prefix.
#[derive(Debug)]
struct Logged {
    group: u16,
    prefix: Vec<u8>,
    ways: Vec<Way>,
}

/// One way to a drop that logs.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) family: Family,
    pub(super) hook: Hook,
    /// Those that a packet's headers can contradict.
    pub(super) conditions: Vec<Match>,
    devices: Vec<Device>,
    asks_interfaces: bool,
    pub(super) action: Action,
    pub(super) duty: Duty,
    outcomes: Outcomes,
}

/// What a message of this way is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// A hit.
    Record,
    /// One of the hits that a counter counts, by name.
    Sample,
    /// Not one: the node's own protection, or a log of more or of fewer packets than are dropped.
    Ignore,
}

/// Targets of a way, by what finds them.
#[derive(Debug, Default)]
struct Outcomes {
    by_dst: Vec<Outcome>,
    by_src: Vec<Outcome>,
    /// Without an address.
    others: Vec<Outcome>,
    /// If none of the above.
    rest: Vec<Outcome>,
}

#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) rule: RuleNumber,
    pub(super) naming: Naming,
    reach: Reach,
    low: u128,
    high: u128,
    /// The highest `high` up to here in the sorted array.
    highest: u128,
}

/// What a message turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Candidates were handed out.
    Rules,
    Ignored,
    Nothing,
}

impl Way {
    pub(super) fn new(path: &DropPath, duty: Duty, interfaces: &Interfaces) -> Self {
        let DropPath { base, matches: conditions, action, .. } = path;
        let visible = conditions.iter().filter(|condition| is_visible(condition));
        Self {
            family: base.family,
            hook: base.hook,
            conditions: visible.cloned().collect(),
            devices: interfaces.devices(base.family, conditions),
            asks_interfaces: conditions.iter().any(|c| matches!(c, Match::Interface { .. })),
            action: *action,
            duty,
            outcomes: Outcomes::default(),
        }
    }

    /// `rest`: only for packets that no other outcome of this way is about.
    pub(super) fn add(&mut self, rule: RuleNumber, aim: &Aim, naming: Naming, rest: bool) {
        let (side, range) = match (aim.reach.dst, aim.reach.src) {
            (Some(dst), _) => (Some(Side::Destination), dst),
            (None, Some(src)) => (Some(Side::Source), src),
            (None, None) => (None, (IpAddr::from([0; 16]), IpAddr::from([0; 16]))),
        };
        let (low, high) = (number(range.0), number(range.1));
        let outcome = Outcome { rule, naming, reach: aim.reach, low, high, highest: high };
        match side {
            _ if rest => self.outcomes.rest.push(outcome),
            Some(Side::Destination) => self.outcomes.by_dst.push(outcome),
            Some(Side::Source) => self.outcomes.by_src.push(outcome),
            None => self.outcomes.others.push(outcome),
        }
    }

    /// What a client sees of it.
    pub(super) fn response(&self, headers: Option<&Headers>) -> Response {
        response(self.action, headers.map(|h| h.version).or(version_of(self.family)))
    }
}

impl Attribution {
    pub(super) fn new(interfaces: Interfaces) -> Self {
        Self { interfaces, ..Self::default() }
    }

    /// Whether interfaces by name or number are among the conditions.
    fn asks_interfaces(&self) -> bool {
        self.logs.iter().flat_map(|logged| &logged.ways).any(|way| way.asks_interfaces)
    }

    /// There are other interfaces now, and rules that ask for them.
    pub(super) fn is_outdated(&self) -> bool {
        self.asks_interfaces() && self.interfaces != Interfaces::read()
    }

    pub(super) fn same_interfaces(&self, other: &Self) -> bool {
        self.interfaces == other.interfaces || !self.asks_interfaces()
    }

    pub(super) fn add(
        &mut self,
        path: &DropPath,
        log: &Log,
        duty: Duty,
        fill: impl FnOnce(&mut Way),
    ) {
        let mut way = Way::new(path, duty, &self.interfaces);
        fill(&mut way);
        way.outcomes.sort();
        let by_prefix = self.by_name.entry(log.group).or_default();
        let at = *by_prefix.entry(log.prefix.clone()).or_insert(self.logs.len());
        match self.logs.get_mut(at) {
            Some(logged) => logged.ways.push(way),
            None => {
                let prefix = log.prefix.clone();
                self.logs.push(Logged { group: log.group, prefix, ways: vec![way] });
            }
        }
    }

    /// Whether the messages of a group are samples and nothing else: one that is lost is no lost hit.
    pub(super) fn samples_only(&self, group: u16) -> bool {
        let ways = || self.logs.iter().filter(|log| log.group == group).flat_map(|log| &log.ways);
        ways().any(|way| way.duty == Duty::Sample) && ways().all(|way| way.duty != Duty::Record)
    }

    /// Hands out each way and outcome that may have logged the packet. `last` is where the one
    /// before was found, in whatever attribution: packets of one rule come in rows.
    pub(super) fn find<'a>(
        &'a self,
        group: u16,
        packet: &Packet<'_>,
        last: &mut usize,
        mut each: impl FnMut(&'a Way, &'a Outcome),
    ) -> Found {
        let again = self.logs.get(*last);
        let again = again.filter(|log| log.group == group && log.prefix == packet.prefix);
        let logged = again.or_else(|| {
            *last = *self.by_name.get(&group)?.get(packet.prefix)?;
            self.logs.get(*last)
        });
        let Some(Logged { ways, .. }) = logged else { return Found::Nothing };
        let mut found = Found::Nothing;
        for way in ways.iter().filter(|way| way.may_have_logged(packet)) {
            match way.duty {
                Duty::Ignore if found == Found::Nothing => found = Found::Ignored,
                Duty::Ignore => {}
                Duty::Record | Duty::Sample => {
                    if way.outcomes.find(packet.headers.as_ref(), |outcome| each(way, outcome)) {
                        found = Found::Rules;
                    }
                }
            }
        }
        found
    }
}

impl Way {
    fn may_have_logged(&self, packet: &Packet<'_>) -> bool {
        let hook = Hook::from_number(self.family, packet.hook.into());
        // The kernel numbers the ingress of inet chains as netdev does, or by its own number.
        let at_ingress = self.hook == Hook::Ingress && matches!(packet.hook, 0 | 5);
        if hook != self.hook && !at_ingress {
            return false;
        }
        if self.devices.iter().any(|device| device.contradicts(packet)) {
            return false;
        }
        let Some(headers) = &packet.headers else { return true };
        version_of(self.family).is_none_or(|version| version == headers.version)
            && !self.conditions.iter().any(|condition| contradicts(condition, packet, headers))
    }
}

impl Outcomes {
    fn sort(&mut self) {
        for list in [&mut self.by_dst, &mut self.by_src] {
            crate::order::sort_by_key(list, |outcome| outcome.low);
            let mut highest = 0;
            for outcome in list {
                highest = outcome.high.max(highest);
                outcome.highest = highest;
            }
        }
    }

    /// True if there was one.
    fn find<'a>(&'a self, headers: Option<&Headers>, mut each: impl FnMut(&'a Outcome)) -> bool {
        let mut found = false;
        let mut one = |outcome| {
            found = true;
            each(outcome);
        };
        match headers {
            Some(headers) => {
                for (list, address) in [(&self.by_dst, headers.dst), (&self.by_src, headers.src)] {
                    holding(list, number(address)).filter(|o| o.fits(headers)).for_each(&mut one);
                }
                self.others.iter().filter(|o| o.fits(headers)).for_each(&mut one);
            }
            // Not even an address was copied: only a rule with one target is known by its prefix.
            None => {
                let all = [&self.by_dst, &self.by_src, &self.others, &self.rest];
                let mut all = all.into_iter().flatten();
                if let (Some(only), None) = (all.next(), all.next()) {
                    one(only);
                }
            }
        }
        if !found && headers.is_some_and(|h| self.rest.iter().any(|outcome| outcome.fits(h))) {
            found = true;
            let fits = |outcome: &&Outcome| headers.is_some_and(|h| outcome.fits(h));
            self.rest.iter().filter(fits).for_each(each);
        }
        found
    }
}

/// Those of a sorted list whose range holds the address.
fn holding(list: &[Outcome], address: u128) -> impl Iterator<Item = &Outcome> {
    let end = list.partition_point(|outcome| outcome.low <= address);
    let below = list.get(..end).unwrap_or_default().iter().rev();
    below.take_while(move |o| o.highest >= address).filter(move |o| o.high >= address)
}

impl Outcome {
    fn fits(&self, headers: &Headers) -> bool {
        let Reach { src, dst, sport, dport, protocol, .. } = &self.reach;
        let address = |range: &Option<(IpAddr, IpAddr)>, address| {
            range.is_none_or(|(low, high)| within(low, high, address))
        };
        // Later fragments have no port.
        let port = |range: &Option<(u16, u16)>, port: Option<u16>| match (range, port) {
            (Some((low, high)), Some(port)) => (*low..=*high).contains(&port),
            _ => true,
        };
        address(src, headers.src)
            && address(dst, headers.dst)
            && port(sport, headers.sport)
            && port(dport, headers.dport)
            && protocol.is_none_or(|protocol| protocol == headers.l4proto)
    }

    /// What was hit, if it may be named: the address on the target's side, where the rule does not
    /// name it singly, and never a customer's, nor one that may be.
    pub(super) fn named(&self, headers: &Headers, names: &Names<'_>) -> Option<IpAddr> {
        let of = |side| match side {
            Side::Source => headers.src,
            Side::Destination => headers.dst,
        };
        if !names.customers_known(headers.version) {
            return None;
        }
        let foreign =
            |address: &IpAddr| !is_of_a_site(*address) && !names.privacy.is_customer(*address);
        match self.naming {
            Naming::Never => None,
            Naming::Within(side) => Some(of(side)).filter(foreign),
            Naming::Either => [headers.dst, headers.src].into_iter().find(foreign),
        }
    }
}

/// What a node may say about what was hit.
pub(super) struct Names<'a> {
    privacy: &'a Privacy,
    v4_known: bool,
    v6_known: bool,
}

impl<'a> Names<'a> {
    /// `None` below k lines.
    pub(super) fn new(privacy: &'a Privacy) -> Option<Self> {
        let known =
            |all: IpAddr| IpNet::new(all, 0).is_ok_and(|net| privacy.touches_customers(net));
        let (v4, v6) = (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into());
        let names = Self { privacy, v4_known: known(v4), v6_known: known(v6) };
        privacy.hit_targets().then_some(names)
    }

    /// Without customer prefixes of a version, an address of it may always be a customer's.
    fn customers_known(&self, version: u8) -> bool {
        if version == 4 { self.v4_known } else { self.v6_known }
    }
}

/// Conditions that headers show.
fn is_visible(condition: &Match) -> bool {
    match condition {
        Match::Address { set: AddrSet::Prefix(..) | AddrSet::Range(..), .. }
        | Match::Port { set: PortSet::Range(..), .. }
        | Match::Protocol { .. }
        | Match::Version { .. }
        | Match::Mark { .. } => true,
        Match::Address { set: AddrSet::Named(_), .. }
        | Match::Port { set: PortSet::Named(_), .. }
        | Match::Interface { .. }
        | Match::ConnectionState { .. }
        | Match::Member { .. }
        | Match::ToThisNode { .. }
        | Match::Other(_) => false,
    }
}

fn contradicts(condition: &Match, packet: &Packet<'_>, headers: &Headers) -> bool {
    let (holds, inverted) = match condition {
        Match::Address { side, set, inverted } => {
            let address = match side {
                Side::Source => headers.src,
                Side::Destination => headers.dst,
            };
            let holds = match set {
                AddrSet::Prefix(network, size) => in_prefix(*network, *size, address),
                AddrSet::Range(low, high) => within(*low, *high, address),
                AddrSet::Named(_) => return false,
            };
            (holds, inverted)
        }
        Match::Port { side, protocol, set, inverted } => {
            if protocol.is_some_and(|protocol| protocol != headers.l4proto) {
                return true;
            }
            let port = match side {
                Side::Source => headers.sport,
                Side::Destination => headers.dport,
            };
            match (set, port) {
                (PortSet::Range(low, high), Some(port)) => {
                    ((*low..=*high).contains(&port), inverted)
                }
                _ => return false,
            }
        }
        Match::Protocol { protocol, inverted } => (*protocol == headers.l4proto, inverted),
        Match::Version { version, inverted } => (*version == headers.version, inverted),
        Match::Mark { value, mask, inverted } => (packet.mark & mask == *value, inverted),
        Match::Interface { .. }
        | Match::ConnectionState { .. }
        | Match::Member { .. }
        | Match::ToThisNode { .. }
        | Match::Other(_) => return false,
    };
    holds == *inverted
}

fn within(low: IpAddr, high: IpAddr, address: IpAddr) -> bool {
    low.is_ipv4() == address.is_ipv4() && low <= address && address <= high
}

fn in_prefix(network: IpAddr, size: u8, address: IpAddr) -> bool {
    let width: u32 = if network.is_ipv4() { 32 } else { 128 };
    let free = width.saturating_sub(size.into());
    let differ = number(network) ^ number(address);
    network.is_ipv4() == address.is_ipv4() && differ.checked_shr(free).unwrap_or(0) == 0
}

/// One order for both versions.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn version_of(family: Family) -> Option<u8> {
    match family {
        Family::Ip => Some(4),
        Family::Ip6 => Some(6),
        Family::Inet | Family::Arp | Family::Netdev | Family::Bridge | Family::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sources::nftables::testing::privacy;

    #[test]
    fn addresses_of_a_site_are_never_named() {
        let privacy = privacy(true);
        let names = Names::new(&privacy).expect("enough lines");
        let named = |address: &str| {
            let (src, version) =
                (address.parse().expect("an address"), if address.contains(':') { 6 } else { 4 });
            let dst = src;
            let headers = Headers { version, src, dst, l4proto: 17, sport: None, dport: None };
            let outcome = Outcome {
                rule: RuleNumber(1),
                naming: Naming::Within(Side::Source),
                reach: Reach::default(),
                low: 0,
                high: 0,
                highest: 0,
            };
            outcome.named(&headers, &names).is_some()
        };
        for address in [
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.0.1",
            "100.64.0.1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(!named(address), "{address}");
        }
        for address in ["9.255.255.255", "172.32.0.1", "100.128.0.1", "2001:db8::1", "fec0::1"] {
            assert!(named(address), "{address}");
        }
    }

    proptest! {
        /// The sorted array finds what looking at all of them finds.
        #[test]
        fn overlapping_ranges_are_all_found(
            ranges in proptest::collection::vec((0u128..40, 0u128..12), 0..20), address in 0u128..60,
        ) {
            let mut outcomes = Outcomes::default();
            for (at, (low, size)) in ranges.iter().enumerate() {
                outcomes.by_dst.push(Outcome {
                    rule: RuleNumber(at as u64),
                    naming: Naming::Never,
                    reach: Reach::default(),
                    low: *low,
                    high: low + size,
                    highest: 0,
                });
            }
            outcomes.sort();
            let mut found: Vec<_> = holding(&outcomes.by_dst, address).map(|o| o.rule.0).collect();
            found.sort_unstable();
            let holds = |(_, (low, size)): &(usize, &(u128, u128))| (*low..=low + size).contains(&address);
            let expected: Vec<_> =
                ranges.iter().enumerate().filter(holds).map(|(at, _)| at as u64).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn prefixes_hold_what_they_should(bits in any::<u32>(), other in any::<u32>(), size in 0u8..=32) {
            let net = IpNet::new(Ipv4Addr::from_bits(bits).into(), size).expect("a size of IPv4");
            let address = Ipv4Addr::from_bits(other).into();
            prop_assert_eq!(in_prefix(net.addr(), size, address), net.contains(&address));
        }
    }
}
