//! Which of many targets may have to do with one target, without looking at all of them.
//!
//! Names lie in a tree of labels held in one hash map: walking up finds the subtrees that hold a
//! name, walking down the names that a subtree holds. Prefixes lie in one ordered map per family:
//! one look-up per prefix length in use finds all that hold an address (the longest match alone
//! would be wrong: a wider prefix may be authorised too), one range finds all that a prefix holds.
//! What comes out is a superset; [`relation`](crate::target::relation) decides. A property test
//! compares it with looking at all of them.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use ipnet::IpNet;

use crate::target::{Target, name_of, parent, url_ip};

/// Number of a target, in order of insertion.
pub(crate) type TargetNumber = u32;

#[derive(Debug, Default, Clone)]
pub(crate) struct TargetIndex {
    count: TargetNumber,
    names: HashMap<Box<str>, NameNode>,
    v4: Prefixes,
    v6: Prefixes,
    ports: HashMap<u16, Vec<TargetNumber>>,
    /// Ports with an address; also in `v4` or `v6`.
    ip_ports: HashMap<u16, Vec<TargetNumber>>,
    whole: Vec<TargetNumber>,
    /// Single URLs, and kinds that are only ever equal.
    same: HashMap<Target, Vec<TargetNumber>>,
}

#[derive(Debug, Default, Clone)]
struct NameNode {
    /// Names, subtrees, URL prefixes.
    wide: Vec<TargetNumber>,
    urls: Vec<TargetNumber>,
    children: Vec<Box<str>>,
}

#[derive(Debug, Default, Clone)]
struct Prefixes {
    /// By first address and length.
    by_net: BTreeMap<(u128, u8), Vec<TargetNumber>>,
    lengths: std::collections::BTreeSet<u8>,
}

impl TargetIndex {
    pub(crate) fn insert(&mut self, target: &Target) -> TargetNumber {
        let number = self.count;
        self.count = self.count.saturating_add(1);
        if let Some(name) = name_of(target) {
            let single_url = matches!(target, Target::Url(_));
            let node = self.node(name.as_str());
            if single_url {
                node.urls.push(number);
                self.same.entry(target.clone()).or_default().push(number);
            } else {
                node.wide.push(number);
            }
        } else if let Some(net) = net_of(target) {
            let key = key_of(net);
            let prefixes = self.family(net);
            prefixes.lengths.insert(key.1);
            prefixes.by_net.entry(key).or_default().push(number);
            if let Target::IpPort { port, .. } = target {
                self.ip_ports.entry(port.number).or_default().push(number);
            }
        } else if let Target::Port(port) = target {
            self.ports.entry(port.number).or_default().push(number);
        } else if target == &Target::WholeService {
            self.whole.push(number);
        } else {
            self.same.entry(target.clone()).or_default().push(number);
        }
        number
    }

    /// Every target that is not disjoint from this one, and perhaps some that are; each once.
    pub(crate) fn near(&self, target: &Target) -> Vec<TargetNumber> {
        if target == &Target::WholeService {
            return (0..self.count).collect();
        }
        let mut found = self.whole.clone();
        if let Some(name) = name_of(target) {
            self.near_name(target, name.as_str(), &mut found);
        } else if let Some(net) = net_of(target) {
            let prefixes = match net {
                IpNet::V4(_) => &self.v4,
                IpNet::V6(_) => &self.v6,
            };
            prefixes.near(net, &mut found);
            if let Target::IpPort { port, .. } = target {
                found.extend(self.ports.get(&port.number).into_iter().flatten());
            }
        } else if let Target::Port(port) = target {
            found.extend(self.ports.get(&port.number).into_iter().flatten());
            found.extend(self.ip_ports.get(&port.number).into_iter().flatten());
        } else {
            found.extend(self.same.get(target).into_iter().flatten());
        }
        found
    }

    fn near_name(&self, target: &Target, name: &str, found: &mut Vec<TargetNumber>) {
        let here = self.names.get(name);
        found.extend(here.into_iter().flat_map(|n| &n.wide));
        match target {
            Target::Url(_) => found.extend(self.same.get(target).into_iter().flatten()),
            _ => found.extend(here.into_iter().flat_map(|n| &n.urls)),
        }
        for above in std::iter::successors(parent(name), |n| parent(n)) {
            found.extend(self.names.get(above).into_iter().flat_map(|n| &n.wide));
        }
        if !matches!(target, Target::DomainSubtree { .. }) {
            return;
        }
        let mut below: Vec<&str> = children(here);
        while let Some(name) = below.pop() {
            let node = self.names.get(name);
            found.extend(node.into_iter().flat_map(|n| n.wide.iter().chain(&n.urls)));
            below.extend(children(node));
        }
    }

    /// The node of a name; makes it, and links it to the names above it as far as they are new.
    fn node(&mut self, name: &str) -> &mut NameNode {
        let mut child = name;
        let mut is_new = !self.names.contains_key(child);
        while is_new {
            let Some(above) = parent(child) else { break };
            is_new = !self.names.contains_key(above);
            self.names.entry(above.into()).or_default().children.push(child.into());
            child = above;
        }
        self.names.entry(name.into()).or_default()
    }

    fn family(&mut self, net: IpNet) -> &mut Prefixes {
        match net {
            IpNet::V4(_) => &mut self.v4,
            IpNet::V6(_) => &mut self.v6,
        }
    }
}

impl Prefixes {
    fn near(&self, net: IpNet, found: &mut Vec<TargetNumber>) {
        let (first, length) = key_of(net);
        for shorter in self.lengths.range(..length) {
            let Ok(wide) = IpNet::new(net.addr(), *shorter) else { continue };
            found.extend(self.by_net.get(&key_of(wide.trunc())).into_iter().flatten());
        }
        let last = bits(net.broadcast());
        for (_, inside) in self.by_net.range((first, length)..=(last, u8::MAX)) {
            found.extend(inside);
        }
    }
}

fn children(node: Option<&NameNode>) -> Vec<&str> {
    node.into_iter().flat_map(|n| n.children.iter().map(|c| &**c)).collect()
}

/// The addresses that a target is about, if it is about addresses.
fn net_of(target: &Target) -> Option<IpNet> {
    match target {
        Target::Ip(ip) | Target::IpPort { ip, .. } => Some(IpNet::from(*ip)),
        Target::Cidr(net) => Some(*net),
        Target::Url(_) | Target::UrlPrefix(_) => url_ip(target).map(IpNet::from),
        Target::DomainExact(_)
        | Target::DomainSubtree { .. }
        | Target::Sni(_)
        | Target::HttpHost(_)
        | Target::ProtocolApp(_)
        | Target::Port(_)
        | Target::Keyword(_)
        | Target::Category(_)
        | Target::AsnRoute(_)
        | Target::LineAccount(_)
        | Target::CellArea(_)
        | Target::WholeService
        | Target::CustomerToken(_) => None,
    }
}

fn key_of(net: IpNet) -> (u128, u8) {
    (bits(net.network()), net.prefix_len())
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}
