//! Looking into the tree: what holds a target, and what it holds.

use std::ops::Range;

use ipnet::IpNet;

use super::{
    Extent, TargetIndex, TargetNumber,
    place::{
        self, Class, NAMES, Network, PORTS_OF_ADDRESSES, Place, SITE, WHOLE, labels, number_label,
        query_label, scheme_label, segments,
    },
    tree::NodeId,
};
use crate::target::{Name, Target, WebAddress, WebHost};

/// Nodes that are looked at for each number that may be found: most have one posted, and the names
/// between a wide subtree and its deep members have none.
const VISITS_PER_NUMBER: usize = 4;

#[derive(Debug)]
pub(crate) struct Search<'i> {
    index: &'i TargetIndex,
    within: Range<TargetNumber>,
    nodes: NodeId,
    max: usize,
    visits: usize,
    found: Vec<TargetNumber>,
    is_cut: bool,
}

impl<'i> Search<'i> {
    pub(super) fn new(
        index: &'i TargetIndex,
        extent: Extent,
        within: Range<TargetNumber>,
        max: usize,
    ) -> Self {
        let within = within.start..within.end.min(extent.numbers);
        let visits = max.saturating_mul(VISITS_PER_NUMBER);
        let (found, is_cut) = (Vec::new(), false);
        Self { index, within, nodes: extent.nodes, max, visits, found, is_cut }
    }

    /// In ascending order; and whether there may be more.
    pub(crate) fn into_found(self) -> (Vec<TargetNumber>, bool) {
        let Self { mut found, is_cut, .. } = self;
        found.sort_unstable();
        found.dedup();
        (found, is_cut)
    }

    /// What is the target, holds it or overlaps it, the closest first.
    pub(crate) fn holding(&mut self, target: &Target) {
        let mut way = Way(Vec::with_capacity(8));
        way.wide(WHOLE);
        match target {
            Target::WholeService => {}
            Target::DomainExact(name)
            | Target::DomainSubtree { name, .. }
            | Target::Sni(name)
            | Target::HttpHost(name) => {
                self.name(name, &mut way);
            }
            Target::Ip(_) | Target::Cidr(_) => self.address(target, &mut way),
            Target::IpPort { port, .. } => {
                self.address(target, &mut way);
                way.here(place::way_to(target, |node, label| self.child(node, label)));
                let alone = Target::Port(*port);
                way.here(place::way_to(&alone, |node, label| self.child(node, label)));
            }
            Target::Url(url) | Target::UrlPrefix(url) => {
                self.url(target, url, &mut way);
            }
            Target::Port(_)
            | Target::ProtocolApp(_)
            | Target::Keyword(_)
            | Target::Category(_)
            | Target::AsnRoute(_)
            | Target::LineAccount(_)
            | Target::CellArea(_)
            | Target::CustomerToken(_) => {
                way.here(place::way_to(target, |node, label| self.child(node, label)));
            }
        }
        for (node, class) in way.0.into_iter().rev() {
            self.take(node, class);
        }
    }

    /// What lies in the target and is not the same.
    pub(crate) fn held_by(&mut self, target: &Target) {
        let end = || place::way_to(target, |node, label| self.child(node, label));
        match target {
            Target::WholeService => self.take_all(),
            Target::DomainSubtree { .. } | Target::Ip(_) => {
                if let Some(end) = end() {
                    self.below(end.node);
                }
            }
            Target::DomainExact(_) | Target::Sni(_) | Target::HttpHost(_) => {
                if let Some(site) = end().and_then(|end| self.child(end.node, SITE)) {
                    self.below(site);
                }
            }
            Target::Cidr(net) => self.inside(*net),
            Target::IpPort { ip, .. } => {
                let address = Target::Ip(*ip);
                let address = place::way_to(&address, |node, label| self.child(node, label));
                if let Some(site) = address.and_then(|address| self.child(address.node, SITE)) {
                    self.below(site);
                }
            }
            Target::UrlPrefix(url) => {
                if let Some(top) = self.top_of_prefix(url) {
                    self.below(top);
                }
            }
            Target::Port(port) => {
                if let Some(node) = self.child(PORTS_OF_ADDRESSES, &number_label(port.number)) {
                    self.take(node, Class::Here);
                }
            }
            Target::Url(_)
            | Target::ProtocolApp(_)
            | Target::Keyword(_)
            | Target::Category(_)
            | Target::AsnRoute(_)
            | Target::LineAccount(_)
            | Target::CellArea(_)
            | Target::CustomerToken(_) => {}
        }
    }

    fn child(&self, node: NodeId, label: &[u8]) -> Option<NodeId> {
        self.index.tree.child(node, label)
    }

    /// The names above it, and itself; the node of the name, if there is one.
    fn name(&self, name: &Name, way: &mut Way) -> Option<NodeId> {
        let mut node = NAMES;
        for label in labels(name) {
            node = self.child(node, label)?;
            way.wide(node);
        }
        way.0.push((node, Class::Here));
        Some(node)
    }

    /// The prefixes that hold the addresses of a target, and its own.
    fn address(&self, target: &Target, way: &mut Way) {
        let TargetIndex { v4, v6, .. } = self.index;
        match place::network(target) {
            Some(Network::V4 { bits, length }) => {
                for wider in v4.in_use.iter().take_while(|wider| **wider <= length) {
                    let mask = u32::MAX.checked_shl(32 - u32::from(*wider)).unwrap_or(0);
                    let node = self.child(place::v4(*wider), &(bits & mask).to_be_bytes());
                    way.0.extend(node.map(|node| (node, Class::Wide)));
                }
            }
            Some(Network::V6 { bits, length }) => {
                for wider in v6.in_use.iter().take_while(|wider| **wider <= length) {
                    let mask = u128::MAX.checked_shl(128 - u32::from(*wider)).unwrap_or(0);
                    let node = self.child(place::v6(*wider), &(bits & mask).to_be_bytes());
                    way.0.extend(node.map(|node| (node, Class::Wide)));
                }
            }
            None => {}
        }
    }

    /// What holds its host, the prefixes of its path, and itself. `None`: the way ended before.
    fn url(&self, target: &Target, url: &WebAddress, way: &mut Way) -> Option<()> {
        let host = match url.host() {
            WebHost::Name(name) => self.name(name, way)?,
            WebHost::Ip(ip) => {
                self.address(target, way);
                let address =
                    place::way_to(&Target::Ip(*ip), |node, label| self.child(node, label))?.node;
                let port = self.child(address, &number_label(url.port()));
                way.0.extend(port.map(|port| (port, Class::Here)));
                address
            }
        };
        let mut at = self.child(self.child(host, SITE)?, &scheme_label(url))?;
        for segment in segments(url) {
            if !segment.is_empty() {
                // "/a/" holds "/a/b" too.
                let slash = self.child(at, b"");
                way.0.extend(slash.map(|slash| (slash, Class::Wide)));
            }
            at = self.child(at, segment)?;
            way.wide(at);
        }
        way.0.push((at, Class::Here));
        let query = self.child(at, query_label(url.query()?).as_bytes())?;
        way.0.push((query, Class::Here));
        Some(())
    }

    /// Below which what a URL prefix holds lies: "/a/" holds the siblings of its empty last segment.
    fn top_of_prefix(&self, url: &WebAddress) -> Option<NodeId> {
        let host = match url.host() {
            WebHost::Name(name) => {
                labels(name).try_fold(NAMES, |node, label| self.child(node, label))?
            }
            WebHost::Ip(ip) => {
                place::way_to(&Target::Ip(*ip), |node, label| self.child(node, label))?.node
            }
        };
        let mut at = self.child(self.child(host, SITE)?, &scheme_label(url))?;
        let mut segments = segments(url).peekable();
        while let Some(segment) = segments.next() {
            if segment.is_empty() && segments.peek().is_none() {
                break;
            }
            at = self.child(at, segment)?;
        }
        Some(at)
    }

    /// Prefixes and addresses of a prefix, and what stands on the addresses.
    fn inside(&mut self, net: IpNet) {
        match net {
            IpNet::V4(net) => {
                let first = (net.network().to_bits(), net.prefix_len());
                let last = (net.broadcast().to_bits(), u8::MAX);
                self.each_inside(self.index.v4.by_net.range(first..=last).map(|(_, node)| *node));
            }
            IpNet::V6(net) => {
                let first = (net.network().to_bits(), net.prefix_len());
                let last = (net.broadcast().to_bits(), u8::MAX);
                self.each_inside(self.index.v6.by_net.range(first..=last).map(|(_, node)| *node));
            }
        }
    }

    fn each_inside(&mut self, nodes: impl Iterator<Item = NodeId>) {
        // Later ones are passed over and not counted: else what came later would decide where it is cut.
        let limit = self.nodes;
        for node in nodes.filter(|node| *node < limit) {
            if !self.visit(node) {
                return;
            }
            self.below(node);
        }
    }

    fn below(&mut self, top: NodeId) {
        let mut at = top;
        while let Some(node) = self.index.tree.next_below(top, at, self.nodes) {
            if !self.visit(node) {
                return;
            }
            at = node;
        }
    }

    /// False: cut off.
    fn visit(&mut self, node: NodeId) -> bool {
        self.is_cut |= self.visits == 0;
        if self.is_cut {
            return false;
        }
        self.visits = self.visits.saturating_sub(1);
        self.take(node, Class::Wide);
        self.take(node, Class::Here);
        true
    }

    fn take(&mut self, node: NodeId, class: Class) {
        let posted = self.index.tree.posted(node, class);
        let from = posted.partition_point(|number| *number < self.within.start);
        let to = posted.partition_point(|number| *number < self.within.end);
        let inside = posted.get(from..to).unwrap_or_default();
        let room = self.max.saturating_sub(self.found.len());
        self.is_cut |= inside.len() > room;
        self.found.extend(inside.iter().take(room));
    }

    fn take_all(&mut self) {
        let room = self.max.saturating_sub(self.found.len());
        self.is_cut |= self.within.len() > room;
        self.found.extend(self.within.clone().take(room));
    }
}

/// Where to look, from the widest to the closest.
struct Way(Vec<(NodeId, Class)>);

impl Way {
    fn wide(&mut self, node: NodeId) {
        self.0.push((node, Class::Wide));
    }

    fn here(&mut self, place: Option<Place>) {
        self.0.extend(place.map(|Place { node, class }| (node, class)));
    }
}
