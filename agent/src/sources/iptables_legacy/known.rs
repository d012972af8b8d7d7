//! What a dump means: which rules there are, which counter is whose, and what is the node's own.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use evidence::claim::carried;
use ipnet::IpNet;
use remit_proto::v1::{
    ClaimOrigin, Direction, SelfProtection, Target, TargetKind, Technique, Trigger,
};

use super::save::{Action, Chain, Rule, Value};
use crate::{
    observation::{CounterKey, HitTarget, KnownRule, Response, RuleNumber},
    sources::{SourceContext, actor},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    fn word(self) -> &'static str {
        match self {
            Self::V4 => "iptables",
            Self::V6 => "ip6tables",
        }
    }
}

/// All that a dump says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub rules: Vec<Arc<KnownRule>>,
    pub counters: BTreeMap<CounterKey, u64>,
    pub by_counter: HashMap<CounterKey, (RuleNumber, Response)>,
    pub own: Vec<SelfProtection>,
}

impl Known {
    pub(super) fn append(&mut self, other: Self) {
        let Self { rules, counters, by_counter, own } = other;
        self.rules.extend(rules);
        self.counters.extend(counters);
        self.by_counter.extend(by_counter);
        self.own.extend(own);
    }
}

/// How packets come to a chain.
#[derive(Debug, Clone, Copy, Default)]
struct Reached {
    /// From where others' traffic passes.
    judged: bool,
    /// From INPUT or OUTPUT.
    own: bool,
    /// Not all of what comes there comes here.
    narrowed: bool,
}

pub(super) fn known(chains: &[Chain], family: Family, context: &SourceContext) -> Known {
    let mut known = Known::default();
    let reached = reached(chains);
    let mut copies: HashMap<String, u32> = HashMap::new();
    for chain in chains.iter().filter(|chain| chain.table != "nat") {
        let place = format!("{}/{}/{}", family.word(), chain.table, chain.name);
        let way = reached.get(&(chain.table.as_str(), chain.name.as_str())).copied();
        let way = way.unwrap_or_default();
        let mut own_packets = None;
        for rule in &chain.rules {
            let blocks = match rule.action {
                Action::Drop | Action::Reject(_) | Action::Diverts(_) => true,
                Action::GoOn | Action::Ends | Action::Chain(_) => false,
            };
            if !blocks || !(way.judged || way.own) {
                continue;
            }
            if !way.judged {
                if !matches!(rule.action, Action::Diverts(_)) {
                    *own_packets.get_or_insert(0) += rule.packets;
                }
                continue;
            }
            let key = format!("{place} {}", rule.text);
            let copy = copies.entry(key.clone()).or_default();
            *copy += 1;
            let key = if *copy > 1 { format!("{key}#{copy}") } else { key };
            // What the node protects itself with as well is not told apart by the counter.
            let counted = !matches!(rule.action, Action::Diverts(_)) && !way.own;
            known.add(
                block(rule, &place, &key, way, context),
                counted.then_some(rule.packets),
                family,
                rule,
            );
        }
        let is_own = matches!(chain.name.as_str(), "INPUT" | "OUTPUT");
        if chain.policy == "DROP" && is_own {
            *own_packets.get_or_insert(0) += chain.policy_packets;
        }
        if let Some(packets) = own_packets {
            known.own.push(SelfProtection { chain: place.clone(), packets, uncounted_rules: 0 });
        }
        if chain.policy == "DROP" && !is_own {
            let policy = Rule { text: "policy DROP".into(), others: true, ..Rule::default() };
            let mut rule = block(&policy, &place, &format!("{place} policy"), way, context);
            rule.target = Target { kind: TargetKind::WholeService.into(), value: "*".into() };
            rule.direction = Direction::Both;
            let policy = Rule { action: Action::Drop, ..policy };
            known.add(rule, Some(chain.policy_packets), family, &policy);
        }
    }
    known
}

impl Known {
    fn add(&mut self, mut rule: KnownRule, packets: Option<u64>, family: Family, of: &Rule) {
        if let Some(packets) = packets {
            let key = CounterKey::from(format!("{}/{:016x}", family.word(), rule.number.0));
            self.counters.insert(key.clone(), packets);
            self.by_counter.insert(key.clone(), (rule.number, response(&of.action, family)));
            rule.counter = Some(key);
        }
        self.rules.push(Arc::new(rule));
    }
}

/// Which chains packets come to, and from where: built-in chains first, then what they lead to.
fn reached(chains: &[Chain]) -> HashMap<(&str, &str), Reached> {
    let mut found: HashMap<(&str, &str), Reached> = HashMap::new();
    let mut next: VecDeque<(&Chain, Reached)> = VecDeque::new();
    for chain in chains.iter().filter(|chain| chain.policy != "-") {
        let own = matches!(chain.name.as_str(), "INPUT" | "OUTPUT");
        next.push_back((chain, Reached { judged: !own, own, narrowed: false }));
    }
    let mut seen = HashSet::new();
    while let Some((chain, way)) = next.pop_front() {
        let name = (chain.table.as_str(), chain.name.as_str());
        let all = found.entry(name).or_insert(Reached { narrowed: true, ..Reached::default() });
        all.judged |= way.judged;
        all.own |= way.own;
        // One way on which all packets come is enough.
        all.narrowed &= way.narrowed;
        if !seen.insert((name, way.judged, way.narrowed)) {
            continue;
        }
        for rule in &chain.rules {
            let Action::Chain(to) = &rule.action else { continue };
            let to = chains.iter().find(|c| c.table == chain.table && c.name == *to);
            let narrowed = way.narrowed || is_conditional(rule);
            next.extend(to.map(|to| (to, Reached { narrowed, ..way })));
        }
    }
    found
}

fn is_conditional(rule: &Rule) -> bool {
    let Rule {
        packets: _,
        text: _,
        source,
        destination,
        protocol,
        port,
        comment: _,
        others,
        action: _,
    } = rule;
    *others || [source, destination, protocol, port].iter().any(|value| value.is_some())
}

fn block(rule: &Rule, place: &str, key: &str, way: Reached, context: &SourceContext) -> KnownRule {
    let (target, trigger, direction, exact) = target(rule, context);
    let text = rule.comment.as_deref().unwrap_or_default();
    let said = carried(text.as_bytes());
    let (claims, claim_origin) = if said.not_understood || !said.claims.is_empty() {
        (said.claims, ClaimOrigin::Carried)
    } else {
        let selectors = [format!("comment:{text}"), format!("chain:{place}")];
        let mut mapped = selectors.iter().map(|selector| (context.mapped)(selector));
        let found = mapped.find(|claims| !claims.is_empty());
        (found.unwrap_or_default(), ClaimOrigin::Mapped)
    };
    let claim_origin = if claims.is_empty() { ClaimOrigin::None } else { claim_origin };
    KnownRule {
        number: (context.rule_number)(key),
        technique: match rule.action {
            Action::Reject(_) => Technique::IpAclReject,
            Action::Diverts(_) => Technique::Other,
            Action::Drop | Action::GoOn | Action::Ends | Action::Chain(_) => Technique::IpAclDrop,
        },
        trigger,
        direction,
        actor: actor::carried(text.as_bytes()).unwrap_or(context.default_actor),
        claims,
        claim_origin,
        narrowed: !exact || way.narrowed,
        names_sampled: false,
        rate_bits_per_s: None,
        counter: None,
        target,
        native: context.privacy.redact(&format!("{place}: {}", rule.text)),
    }
}

/// The rule's own target, on which side it is asked for, and whether that is all that it asks for.
fn target(rule: &Rule, context: &SourceContext) -> (Target, Trigger, Direction, bool) {
    let net = |value: &Option<Value>| {
        let value = value.as_ref().filter(|value| !value.inverted)?;
        value.value.parse::<IpNet>().ok().map(|net| net.trunc())
    };
    let not_understood = Target { kind: TargetKind::NotUnderstood.into(), value: String::new() };
    let (side, direction, net, other) = match (net(&rule.destination), net(&rule.source)) {
        (Some(net), _) => (Trigger::Destination, Direction::ToTarget, net, &rule.source),
        (None, Some(net)) => (Trigger::Source, Direction::FromTarget, net, &rule.destination),
        (None, None) => return (not_understood, Trigger::Other, Direction::Both, false),
    };
    let single = net.prefix_len() == net.max_prefix_len();
    let privacy = &context.privacy;
    let customers =
        [net.network(), net.broadcast()].iter().all(|address| privacy.is_customer(*address));
    let port = port(rule).filter(|_| single && side == Trigger::Destination);
    let exact = !rule.others
        && other.is_none()
        && (port.is_some() || (rule.protocol.is_none() && rule.port.is_none()));
    let target = match port {
        _ if customers => return (privacy.token_net(net), Trigger::ClientIp, direction, exact),
        Some((port, protocol)) => {
            let address = match net.addr().is_ipv4() {
                true => net.addr().to_string(),
                false => format!("[{}]", net.addr()),
            };
            let kind = TargetKind::IpPort.into();
            Target { kind, value: format!("{address}:{port}/{protocol}") }
        }
        None if single => HitTarget::Address(net.addr()).wire(),
        None => Target { kind: TargetKind::Cidr.into(), value: net.to_string() },
    };
    (target, side, direction, exact)
}

/// One port of tcp or udp.
fn port(rule: &Rule) -> Option<(u16, &str)> {
    let plain = |value: &Option<Value>| value.clone().filter(|value| !value.inverted);
    let port = plain(&rule.port)?.value.parse().ok()?;
    let protocol = plain(&rule.protocol)?.value;
    let protocol = ["tcp", "udp"].into_iter().find(|known| *known == protocol)?;
    Some((port, protocol))
}

/// What the sender is told: iptables-extensions(8), REJECT; RFC 792, RFC 4443.
fn response(action: &Action, family: Family) -> Response {
    let Action::Reject(with) = action else { return Response::Silent };
    Response::Reject(match (with.as_str(), family) {
        ("tcp-reset", _) => "tcp-reset",
        ("icmp-net-unreachable", _) => "icmp/3/0",
        ("icmp-host-unreachable", _) => "icmp/3/1",
        ("icmp-proto-unreachable", _) => "icmp/3/2",
        ("icmp-net-prohibited", _) => "icmp/3/9",
        ("icmp-host-prohibited", _) => "icmp/3/10",
        ("icmp-admin-prohibited", _) => "icmp/3/13",
        ("icmp6-no-route", _) => "icmpv6/1/0",
        ("icmp6-adm-prohibited", _) => "icmpv6/1/1",
        ("icmp6-addr-unreachable", _) => "icmpv6/1/3",
        // What REJECT says by itself.
        (_, Family::V4) => "icmp/3/3",
        (_, Family::V6) => "icmpv6/1/4",
    })
}
