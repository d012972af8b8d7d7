//! Where in the tree a target stands.

use ipnet::IpNet;

use super::{nodes::root, tree::At};
use crate::target::{Name, Target, WebAddress, WebHost};

/// Targets of a node are posted apart: what is below the node asks only for the wide ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Holds what is below the node too.
    Wide,
    Here,
}

impl Class {
    /// The one of this class.
    pub(super) fn of<T>(self, wide: T, here: T) -> T {
        match self {
            Self::Wide => wide,
            Self::Here => here,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Place<N> {
    pub at: N,
    pub class: Class,
}

pub(super) const WHOLE: At = At::root(root(0));
pub(super) const NAMES: At = At::root(root(1));
pub(super) const PORTS_OF_ADDRESSES: At = At::root(root(2));
/// Roots: one for each number of a kind.
const KINDS: u32 = 3;
const KINDS_COUNT: u32 = 32;
const V4: u32 = KINDS + KINDS_COUNT;
const V6: u32 = V4 + 33;
/// Nodes that are there from the beginning.
pub(super) const ROOTS: u16 = 3 + 32 + 33 + 129;

/// Between a host and its URLs; no label of a name holds a colon.
pub(super) const SITE: &[u8] = b":";

/// Path segments that the tree tells apart. What is deeper stands at the last of them: a URL of 8 KiB
/// may have as many segments, and a walk has one step for each.
const SEGMENTS_MAX: usize = 127;

pub(super) enum Network {
    V4 { bits: u32, length: u8 },
    V6 { bits: u128, length: u8 },
}

pub(super) fn v4(length: u8) -> At {
    At::root(root(V4 + u32::from(length.min(32))))
}

pub(super) fn v6(length: u8) -> At {
    At::root(root(V6 + u32::from(length.min(128))))
}

/// `step` goes from a node to the child with a label; `None` of it ends the way.
pub(super) fn way_to<N: From<At> + Copy>(
    target: &Target,
    mut step: impl FnMut(N, &[u8]) -> Option<N>,
) -> Option<Place<N>> {
    let here = |at| Place { at, class: Class::Here };
    let wide = |at| Place { at, class: Class::Wide };
    match target {
        Target::WholeService => Some(wide(WHOLE.into())),
        Target::DomainSubtree { name, apex: _ } => name_node(name, &mut step).map(wide),
        Target::DomainExact(name) | Target::Sni(name) | Target::HttpHost(name) => {
            name_node(name, &mut step).map(here)
        }
        Target::Ip(_) | Target::Cidr(_) => net_node(target, &mut step).map(wide),
        Target::IpPort { port, .. } => {
            let address = net_node(target, &mut step)?;
            step(address, &number_label(port.number)).map(here)
        }
        Target::Url(url) => {
            let (path, is_whole) = path_node(target, url, &mut step)?;
            match url.query().filter(|_| is_whole) {
                Some(query) => step(path, query_label(query).as_bytes()).map(here),
                None => Some(here(path)),
            }
        }
        Target::UrlPrefix(url) => path_node(target, url, &mut step).map(|(path, _)| wide(path)),
        Target::Port(port) => step(kind(target).into(), &number_label(port.number)).map(here),
        Target::AsnRoute(number) => step(kind(target).into(), &number.to_be_bytes()).map(here),
        Target::ProtocolApp(text)
        | Target::Keyword(text)
        | Target::Category(text)
        | Target::LineAccount(text)
        | Target::CellArea(text)
        | Target::CustomerToken(text) => step(kind(target).into(), text.as_bytes()).map(here),
    }
}

/// The root of a target's kind, for kinds that stand in no order with others.
fn kind(target: &Target) -> At {
    let number = u32::try_from(i32::from(target.kind())).unwrap_or(0);
    At::root(root(KINDS + number.min(KINDS_COUNT - 1)))
}

/// Labels of a name from the root down.
pub(super) fn labels(name: &Name) -> impl Iterator<Item = &[u8]> {
    // They are short: looking for each byte beats what finds a character in long texts.
    name.as_str().as_bytes().rsplit(|byte| *byte == b'.')
}

/// "a", "b" of "/a/b", "a", "" of "/a/".
pub(super) fn segments(url: &WebAddress) -> impl Iterator<Item = &[u8]> {
    let path = url.path();
    let path = path.strip_prefix('/').unwrap_or(path);
    path.splitn(SEGMENTS_MAX + 1, '/').take(SEGMENTS_MAX).map(str::as_bytes)
}

/// Whether the segments are all of the path.
pub(super) fn is_whole(url: &WebAddress) -> bool {
    url.path().strip_prefix('/').unwrap_or(url.path()).split('/').nth(SEGMENTS_MAX).is_none()
}

pub(super) fn scheme_label(url: &WebAddress) -> [u8; 3] {
    let [high, low] = url.port().to_be_bytes();
    [u8::from(url.secure()), high, low]
}

pub(super) fn query_label(query: &str) -> String {
    format!("?{query}")
}

pub(super) fn number_label(number: u16) -> [u8; 2] {
    number.to_be_bytes()
}

/// The addresses that a target is about, if it is about addresses.
pub(super) fn network(target: &Target) -> Option<Network> {
    let net = match target {
        Target::Ip(ip) | Target::IpPort { ip, .. } => IpNet::from(*ip),
        Target::Cidr(net) => *net,
        Target::Url(url) | Target::UrlPrefix(url) => match url.host() {
            WebHost::Ip(ip) => IpNet::from(*ip),
            WebHost::Name(_) => return None,
        },
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
        | Target::CustomerToken(_) => return None,
    };
    Some(match net {
        IpNet::V4(net) => Network::V4 { bits: net.network().to_bits(), length: net.prefix_len() },
        IpNet::V6(net) => Network::V6 { bits: net.network().to_bits(), length: net.prefix_len() },
    })
}

fn name_node<N: From<At> + Copy>(
    name: &Name,
    step: &mut impl FnMut(N, &[u8]) -> Option<N>,
) -> Option<N> {
    labels(name).try_fold(NAMES.into(), step)
}

fn net_node<N: From<At> + Copy>(
    target: &Target,
    step: &mut impl FnMut(N, &[u8]) -> Option<N>,
) -> Option<N> {
    match network(target)? {
        Network::V4 { bits, length } => step(v4(length).into(), &bits.to_be_bytes()),
        Network::V6 { bits, length } => step(v6(length).into(), &bits.to_be_bytes()),
    }
}

fn path_node<N: From<At> + Copy>(
    target: &Target,
    url: &WebAddress,
    step: &mut impl FnMut(N, &[u8]) -> Option<N>,
) -> Option<(N, bool)> {
    let host = match url.host() {
        WebHost::Name(name) => name_node(name, step)?,
        WebHost::Ip(_) => net_node(target, step)?,
    };
    let site = step(host, SITE)?;
    let site = step(site, &scheme_label(url))?;
    Some((segments(url).try_fold(site, step)?, is_whole(url)))
}
