//! The null routes that stand, which of them are rules, and which of them a packet met.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use evidence::Claim;
use ipnet::IpNet;
use remit_proto::v1::{ClaimOrigin, Direction, Target, TargetKind, Technique, Trigger};

use super::wire::{Change, Kind, Place, Route};
use crate::{
    observation::{CounterKey, HitTarget, KnownRule, Response, RuleNumber},
    sources::SourceContext,
};

/// linux/rtnetlink.h. By the rules that every host has, the default table is asked after the main
/// one (IPv4), and nothing after it.
const TABLE_DEFAULT: u32 = 253;
const TABLE_MAIN: u32 = 254;
const TABLE_LOCAL: u32 = 255;
/// Behind every other way: what the kernel's documentation gives the default of a VRF
/// (Documentation/networking/vrf.rst). The kernel's own IPv6 entry has the highest of all.
const METRIC_LAST: u32 = 4_278_198_272;

/// All null routes, as dumps and notifications tell of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known(BTreeMap<(Place, Kind), Route>);

impl Known {
    pub(super) fn apply(&mut self, change: Change) {
        let place = match change {
            Change::Set { route, alone } => {
                if alone {
                    self.clear(&route.place);
                }
                self.0.insert((route.place, route.kind), route);
                return;
            }
            Change::Gone(place, kind) => {
                self.0.remove(&(place, kind));
                return;
            }
            Change::Taken(place) => place,
        };
        self.clear(&place);
    }

    fn clear(&mut self, place: &Place) {
        for kind in Kind::ALL {
            self.0.remove(&(*place, kind));
        }
    }

    /// Those that block.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Route> {
        self.0.values().filter(|route| route.blocks() && !route.is_own())
    }

    /// How many the node has for its own sake: IPv4, IPv6.
    pub(super) fn own(&self) -> (u64, u64) {
        let own = || self.0.values().filter(|route| route.blocks() && route.is_own());
        let v4 = own().filter(|route| route.place.net.addr().is_ipv4()).count();
        (v4 as u64, (own().count() - v4) as u64)
    }
}

impl Route {
    /// Behind `throw` the next policy rule goes on. By the rules that every host has, nothing comes
    /// after the main table but the default one: there it blocks (measured on 6.18: ICMP "no way").
    fn blocks(&self) -> bool {
        self.kind != Kind::Throw || matches!(self.place.table, TABLE_MAIN | TABLE_DEFAULT)
    }

    /// Says of packets for which there is no other way that there is none, as the kernel would
    /// without it: it stops nothing.
    fn is_own(&self) -> bool {
        self.place.net.prefix_len() == 0 && self.place.metric >= METRIC_LAST
    }

    /// The words by which it is known: what two routes may not have in common.
    fn key(&self) -> String {
        let Self { place: Place { table, net, metric, tos, source }, kind, .. } = self;
        let source = source.map(|source| format!(" from {source}")).unwrap_or_default();
        format!("{} {net}{source} table {table} metric {metric} tos {tos}", kind.word())
    }

    pub(super) fn number(&self, context: &SourceContext) -> RuleNumber {
        (context.rule_number)(&self.key())
    }

    pub(super) fn rule(&self, context: &SourceContext, counter: Option<&CounterKey>) -> KnownRule {
        let Self { place: Place { table, net, metric: _, tos, source }, kind: _, protocol, realm } =
            self;
        let claims = self.mapped(context);
        let is_customers = self.is_customers(context);
        let target = match is_customers {
            true => context.privacy.token_net(*net),
            false if is_single(*net) => HitTarget::Address(net.addr()).wire(),
            false => Target { kind: TargetKind::Cidr.into(), value: net.to_string() },
        };
        let of_every_host = matches!(*table, TABLE_MAIN | TABLE_DEFAULT | TABLE_LOCAL);
        let realm = if *realm > 0 { format!(" realm {realm}") } else { String::new() };
        KnownRule {
            number: self.number(context),
            technique: Technique::IpNullRoute,
            trigger: if is_customers { Trigger::ClientIp } else { Trigger::Destination },
            direction: Direction::ToTarget,
            actor: context.default_actor,
            claim_origin: if claims.is_empty() { ClaimOrigin::None } else { ClaimOrigin::Mapped },
            claims,
            // Another table is asked only where a policy rule says so.
            narrowed: *tos != 0 || source.is_some() || !of_every_host,
            names_sampled: false,
            rate_bits_per_s: None,
            counter: counter.cloned(),
            target,
            native: context.privacy.redact(&format!("{} proto {protocol}{realm}", self.key())),
        }
    }

    /// A route carries numbers and no text: the basis map says what they stand for. The most
    /// particular selector that is in it speaks.
    fn mapped(&self, context: &SourceContext) -> Vec<Claim> {
        let Self { place: Place { table, net, metric, .. }, protocol, realm, .. } = self;
        let prefix = match is_single(*net) {
            true => net.addr().to_string(),
            false => net.to_string(),
        };
        let selectors = [
            Some(format!("route:prefix/{prefix}")),
            (*realm > 0).then(|| format!("route:realm/{realm}")),
            (*metric > 0).then(|| format!("route:metric/{metric}")),
            Some(format!("route:proto/{protocol}")),
            Some(format!("route:table/{table}")),
        ];
        let mut found = selectors.into_iter().flatten().map(|selector| (context.mapped)(&selector));
        found.find(|claims| !claims.is_empty()).unwrap_or_default()
    }

    fn is_customers(&self, context: &SourceContext) -> bool {
        let net = self.place.net;
        [net.network(), net.broadcast()].iter().all(|address| context.privacy.is_customer(*address))
    }

    /// What the sender is told: kernel net/ipv4/route.c (ip_error), net/ipv6/route.c (ip6_pkt_drop);
    /// measured on 6.18.
    fn response(&self) -> Response {
        let v4 = self.place.net.addr().is_ipv4();
        Response::Reject(match (self.kind, v4) {
            (Kind::Blackhole, _) => return Response::Silent,
            (Kind::Unreachable, true) => "icmp/3/1",
            (Kind::Prohibit, true) => "icmp/3/13",
            (Kind::Throw, true) => "icmp/3/0",
            (Kind::Unreachable | Kind::Throw, false) => "icmpv6/1/0",
            (Kind::Prohibit, false) => "icmpv6/1/1",
        })
    }
}

fn is_single(net: IpNet) -> bool {
    net.prefix_len() == net.max_prefix_len()
}

/// Which rule a packet without a way met: the longest prefix of each table, and of equal ones the
/// lowest metric. Which table was asked depends on policy rules that are not read, so others than the
/// main one are candidates beside it.
#[derive(Debug, Default)]
pub(super) struct Ways {
    tables: Vec<Table>,
}

#[derive(Debug, Default)]
struct Table {
    number: u32,
    /// Prefix lengths that there are, longest first.
    v4: Vec<u8>,
    v6: Vec<u8>,
    by_net: HashMap<IpNet, Vec<Way>>,
}

#[derive(Debug)]
struct Way {
    rule: RuleNumber,
    metric: u32,
    source: Option<IpNet>,
    response: Response,
    /// What was hit may be worth naming.
    many: bool,
}

/// What a packet met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) rule: RuleNumber,
    pub(super) others: Vec<RuleNumber>,
    pub(super) response: Response,
    pub(super) many: bool,
}

impl Ways {
    pub(super) fn new(routes: &Known, context: &SourceContext) -> Self {
        let mut tables: BTreeMap<(bool, u32), Table> = BTreeMap::new();
        for route in routes.rules() {
            let Place { table, net, metric, source, tos: _ } = route.place;
            let place = tables.entry((table != TABLE_MAIN, table)).or_default();
            place.number = table;
            let lengths = if net.addr().is_ipv4() { &mut place.v4 } else { &mut place.v6 };
            if !lengths.contains(&net.prefix_len()) {
                lengths.push(net.prefix_len());
            }
            place.by_net.entry(net).or_default().push(Way {
                rule: route.number(context),
                metric,
                source,
                response: route.response(),
                many: !is_single(net) && !route.is_customers(context),
            });
        }
        let mut tables: Vec<Table> = tables.into_values().collect();
        for table in &mut tables {
            crate::order::sort_by(&mut table.v4, |a, b| b.cmp(a));
            crate::order::sort_by(&mut table.v6, |a, b| b.cmp(a));
        }
        Self { tables }
    }

    /// `None`: no null route is about this packet.
    pub(super) fn met(&self, src: IpAddr, dst: IpAddr) -> Option<Met> {
        let mut all = self.tables.iter().flat_map(|table| table.longest(src, dst));
        let first = all.next()?;
        let mut others: Vec<RuleNumber> = Vec::new();
        for way in all.filter(|way| way.rule != first.rule).take(CANDIDATES_MAX) {
            others.push(way.rule);
        }
        let (response, many) = (first.response.clone(), first.many);
        Some(Met { rule: first.rule, others, response, many })
    }

    /// Of a counter that counts them all: the first, and the others.
    pub(super) fn any(&self) -> Option<Met> {
        let mut all = self.tables.iter().flat_map(|table| table.by_net.values().flatten());
        let first = all.next()?;
        let others = all.map(|way| way.rule).take(CANDIDATES_MAX).collect();
        Some(Met { rule: first.rule, others, response: first.response.clone(), many: false })
    }
}

impl Table {
    fn longest(&self, src: IpAddr, dst: IpAddr) -> impl Iterator<Item = &Way> {
        let fits = move |way: &&Way| way.source.is_none_or(|source| source.contains(&src));
        let lengths = if dst.is_ipv4() { &self.v4 } else { &self.v6 };
        let ways = lengths
            .iter()
            .filter_map(|length| self.by_net.get(&IpNet::new(dst, *length).ok()?.trunc()))
            .find(|ways| ways.iter().any(|way| fits(&way)));
        let lowest = ways.into_iter().flatten().filter(fits).map(|way| way.metric).min();
        ways.into_iter().flatten().filter(fits).filter(move |way| Some(way.metric) == lowest)
    }
}

/// As many as a leaf holds.
const CANDIDATES_MAX: usize = 256;
