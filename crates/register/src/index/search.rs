//! Looking into the tree: what holds a target, and what it holds.

use std::ops::Range;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::{
    Extent, TargetIndex, TargetNumber,
    nodes::NodeId,
    place::{
        self, Class, NAMES, Network, PORTS_OF_ADDRESSES, SITE, WHOLE, labels, number_label,
        query_label, scheme_label, segments,
    },
    posted::Numbers,
    tree::At,
};
use crate::target::{Name, Target, WebAddress, WebHost};

/// Nodes that are looked at for each number that may be found: most have one posted, and the names
/// between a wide subtree and its deep members have none.
const VISITS_PER_NUMBER: usize = 4;

/// Mostly one or two.
pub(crate) type Found = SmallVec<[TargetNumber; 8]>;

#[derive(Debug)]
pub(crate) struct Search<'i> {
    index: &'i TargetIndex,
    within: Range<TargetNumber>,
    nodes: NodeId,
    max: usize,
    visits: usize,
    found: Found,
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
        let (found, is_cut) = (Found::new(), false);
        Self { index, within, nodes: extent.nodes, max, visits, found, is_cut }
    }

    /// In ascending order; and whether there may be more.
    pub(crate) fn into_found(self) -> (Found, bool) {
        let Self { mut found, is_cut, .. } = self;
        found.sort_unstable();
        found.dedup();
        (found, is_cut)
    }

    /// What is the target, holds it, overlaps it or lies in it; the closest that hold it first.
    pub(crate) fn touching(&mut self, target: &Target) {
        let end = self.take_way(target);
        self.held_by(target, end);
    }

    /// What is the target, holds it or overlaps it, the closest first.
    pub(crate) fn holding(&mut self, target: &Target) {
        self.take_way(target);
    }

    /// Takes what holds the target, and tells where the target stands, if there is such a place; of one with an
    /// address and a port, where the address does.
    fn take_way(&mut self, target: &Target) -> Option<At> {
        let mut way = Way(SmallVec::new());
        way.wide(WHOLE);
        let end = match target {
            Target::WholeService => Some(WHOLE),
            Target::DomainExact(name)
            | Target::DomainSubtree { name, .. }
            | Target::Sni(name)
            | Target::HttpHost(name) => self.name(name, &mut way),
            Target::Ip(_) | Target::Cidr(_) => self.address(target, &mut way),
            Target::IpPort { ip, port } => {
                let address = self.address(&Target::Ip(*ip), &mut way);
                let own = address.and_then(|at| self.child(at, &number_label(port.number)));
                way.here(own);
                let alone = Target::Port(*port);
                way.here(self.end_of(&alone));
                address
            }
            Target::Url(url) | Target::UrlPrefix(url) => self.url(target, url, &mut way),
            Target::Port(_)
            | Target::ProtocolApp(_)
            | Target::Keyword(_)
            | Target::Category(_)
            | Target::AsnRoute(_)
            | Target::LineAccount(_)
            | Target::CellArea(_)
            | Target::CustomerToken(_) => {
                let end = self.end_of(target);
                way.here(end);
                end
            }
        };
        for (node, class) in way.0.into_iter().rev() {
            self.take(node, class);
        }
        end
    }

    /// What lies in the target and is not the same; `end` by [`Self::take_way`].
    fn held_by(&mut self, target: &Target, end: Option<At>) {
        match target {
            Target::WholeService => self.take_all(),
            Target::DomainSubtree { .. } | Target::Ip(_) => {
                if let Some(end) = end {
                    self.below(end.node);
                }
            }
            Target::DomainExact(_)
            | Target::Sni(_)
            | Target::HttpHost(_)
            | Target::IpPort { .. } => {
                if let Some(site) = end.and_then(|end| self.child(end, SITE)) {
                    self.below(site.node);
                }
            }
            Target::Cidr(net) => self.inside(*net),
            Target::UrlPrefix(url) => {
                if let Some(top) = self.top_of_prefix(url) {
                    self.below(top.node);
                }
            }
            Target::Port(port) => {
                if let Some(at) = self.child(PORTS_OF_ADDRESSES, &number_label(port.number)) {
                    self.take(at.node, Class::Here);
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

    fn child(&self, at: At, label: &[u8]) -> Option<At> {
        self.index.tree.child(at, label)
    }

    /// Where a target stands.
    fn end_of(&self, target: &Target) -> Option<At> {
        place::way_to(target, |at, label| self.child(at, label)).map(|end| end.at)
    }

    /// The names above it, and itself; the place of the name, if there is one.
    fn name(&self, name: &Name, way: &mut Way) -> Option<At> {
        let mut at = NAMES;
        for label in labels(name) {
            at = self.child(at, label)?;
            way.wide(at);
        }
        way.here(at);
        Some(at)
    }

    /// The prefixes that hold the addresses of a target, and its own; the place of its own.
    fn address(&self, target: &Target, way: &mut Way) -> Option<At> {
        let TargetIndex { v4, v6, .. } = self.index;
        let mut own = None;
        match place::network(target)? {
            Network::V4 { bits, length } => {
                for wider in v4.in_use.iter().take_while(|wider| **wider <= length) {
                    let mask = u32::MAX.checked_shl(32 - u32::from(*wider)).unwrap_or(0);
                    let at = self.child(place::v4(*wider), &(bits & mask).to_be_bytes());
                    way.wide(at);
                    own = at.filter(|_| *wider == length);
                }
            }
            Network::V6 { bits, length } => {
                for wider in v6.in_use.iter().take_while(|wider| **wider <= length) {
                    let mask = u128::MAX.checked_shl(128 - u32::from(*wider)).unwrap_or(0);
                    let at = self.child(place::v6(*wider), &(bits & mask).to_be_bytes());
                    way.wide(at);
                    own = at.filter(|_| *wider == length);
                }
            }
        }
        own
    }

    /// What holds its host, the prefixes of its path, and itself. `None`: the way ended before.
    fn url(&self, target: &Target, url: &WebAddress, way: &mut Way) -> Option<At> {
        let host = match url.host() {
            WebHost::Name(name) => self.name(name, way)?,
            WebHost::Ip(_) => {
                let address = self.address(target, way)?;
                way.here(self.child(address, &number_label(url.port())));
                address
            }
        };
        let mut at = self.child(self.child(host, SITE)?, &scheme_label(url))?;
        for segment in segments(url) {
            if !segment.is_empty() {
                // "/a/" holds "/a/b" too.
                let slash = self.child(at, b"");
                way.wide(slash);
            }
            at = self.child(at, segment)?;
            way.wide(at);
        }
        way.here(at);
        let Some(query) = url.query() else { return Some(at) };
        let query = self.child(at, query_label(query).as_bytes())?;
        way.here(query);
        Some(query)
    }

    /// Below which what a URL prefix holds lies: "/a/" holds the siblings of its empty last segment.
    fn top_of_prefix(&self, url: &WebAddress) -> Option<At> {
        let host = match url.host() {
            WebHost::Name(name) => {
                labels(name).try_fold(NAMES, |at, label| self.child(at, label))?
            }
            WebHost::Ip(ip) => self.end_of(&Target::Ip(*ip))?,
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
        let posted = match self.index.tree.posted(node, class) {
            Numbers::One(number) => {
                let number = number.filter(|number| self.within.contains(number));
                if let Some(number) = number {
                    if self.found.len() < self.max {
                        self.found.push(number);
                    } else {
                        self.is_cut = true;
                    }
                }
                return;
            }
            Numbers::Many(numbers) => numbers,
        };
        let from = posted.partition_point(|number| *number < self.within.start);
        let to = posted.partition_point(|number| *number < self.within.end);
        let inside = posted.get(from..to).unwrap_or_default();
        let room = self.max.saturating_sub(self.found.len());
        self.is_cut |= inside.len() > room;
        self.found.extend(inside.iter().copied().take(room));
    }

    fn take_all(&mut self) {
        let room = self.max.saturating_sub(self.found.len());
        self.is_cut |= self.within.len() > room;
        self.found.extend(self.within.clone().take(room));
    }
}

/// Where to look, from the widest to the closest. Most ways are short.
struct Way(SmallVec<[(NodeId, Class); 12]>);

impl Way {
    fn wide(&mut self, at: impl Into<Option<At>>) {
        self.add(at.into(), Class::Wide);
    }

    fn here(&mut self, at: impl Into<Option<At>>) {
        self.add(at.into(), Class::Here);
    }

    fn add(&mut self, at: Option<At>, class: Class) {
        if let Some(at) = at {
            self.0.push((at.node, class));
        }
    }
}
