//! What can be seen of a target without looking at the network: that it stands for many parties.
//!
//! - *public_suffix*: a tree of names at or above a public suffix of the ICANN section ("co.uk").
//! - *shared_suffix*: a tree at a suffix of the private section ("github.io"): its owner gives the names
//!   below it to strangers. Both by the Public Suffix List (<https://publicsuffix.org/list/>), compiled in.
//! - *shared_host*: one name behind which files of many parties lie ([`SHARED_HOSTS`]).
//! - *shared_address*: an address or prefix from which a content delivery network serves its customers
//!   ([`SHARED_PREFIXES`]), by the list that the network publishes.
//!
//! A URL names a page, and is none of these. The tables are short on purpose and hold what its owner says of
//! it; what is not in them is not known to be shared, which is not the same as known not to be.

use std::sync::LazyLock;

use ipnet::IpNet;
use remit_proto::v1::EntryCode;

use super::{Case, Defect};
use crate::target::{Name, Target};

/// So many targets are wide together.
pub const MANY: usize = 1_000;
/// More addresses than a network of this size are no longer a target but a part of the internet.
const V4_LENGTH_MIN: u8 = 16;
const V6_LENGTH_MIN: u8 = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Face {
    PublicSuffix,
    SharedSuffix,
    SharedHost,
    SharedAddress,
}

impl Face {
    const ALL: [Self; 4] =
        [Self::PublicSuffix, Self::SharedSuffix, Self::SharedHost, Self::SharedAddress];

    pub fn word(self) -> &'static str {
        match self {
            Self::PublicSuffix => "public_suffix",
            Self::SharedSuffix => "shared_suffix",
            Self::SharedHost => "shared_host",
            Self::SharedAddress => "shared_address",
        }
    }
}

pub(super) fn check(case: &Case<'_>, found: &mut Vec<Defect>) {
    let mut of: [(Option<Target>, u64); 4] = Default::default();
    for held in case.targets() {
        let Some(face) = overbroad_by(&held.target) else { continue };
        for ((first, count), one) in of.iter_mut().zip(Face::ALL) {
            if one == face {
                first.get_or_insert_with(|| held.target.clone());
                *count = count.saturating_add(1);
            }
        }
    }
    let since_s = case.entry.entered_at_s();
    for ((target, target_count), face) in of.into_iter().zip(Face::ALL) {
        if target_count > 0 {
            let detail = face.word().to_owned();
            let code = EntryCode::TargetOverbroadOnFace;
            found.push(Defect { code, detail, since_s, target, target_count });
        }
    }
}

/// By what a target stands for many parties, if it does.
pub fn overbroad_by(target: &Target) -> Option<Face> {
    match target {
        Target::DomainSubtree { name, apex: _ } => suffix(name).or_else(|| host(name)),
        Target::DomainExact(name) | Target::Sni(name) | Target::HttpHost(name) => host(name),
        Target::Ip(ip) | Target::IpPort { ip, .. } => shared(&IpNet::from(*ip)),
        Target::Cidr(net) => shared(net),
        Target::Url(_)
        | Target::UrlPrefix(_)
        | Target::ProtocolApp(_)
        | Target::Port(_)
        | Target::Keyword(_)
        | Target::Category(_)
        | Target::AsnRoute(_)
        | Target::LineAccount(_)
        | Target::CustomerToken(_)
        | Target::CellArea(_)
        | Target::WholeService => None,
    }
}

/// It names no one thing: a service, an application, a network, everything below a public suffix.
pub fn is_wide(target: &Target) -> bool {
    match target {
        Target::WholeService
        | Target::ProtocolApp(_)
        | Target::Port(_)
        | Target::Keyword(_)
        | Target::Category(_)
        | Target::AsnRoute(_)
        | Target::CellArea(_) => true,
        Target::Cidr(IpNet::V4(net)) => net.prefix_len() < V4_LENGTH_MIN,
        Target::Cidr(IpNet::V6(net)) => net.prefix_len() < V6_LENGTH_MIN,
        Target::DomainSubtree { name, apex: _ } => suffix(name).is_some(),
        Target::Url(_)
        | Target::UrlPrefix(_)
        | Target::DomainExact(_)
        | Target::Sni(_)
        | Target::HttpHost(_)
        | Target::Ip(_)
        | Target::IpPort { .. }
        | Target::LineAccount(_)
        | Target::CustomerToken(_) => false,
    }
}

pub(super) fn first_and_count<'a>(
    targets: impl Iterator<Item = &'a Target>,
) -> (Option<Target>, u64) {
    targets.fold((None, 0), |(first, count), target| {
        (first.or_else(|| Some(target.clone())), count.saturating_add(1))
    })
}

fn suffix(name: &Name) -> Option<Face> {
    name.suffix_is_private().map(
        |private| {
            if private { Face::SharedSuffix } else { Face::PublicSuffix }
        },
    )
}

fn host(name: &Name) -> Option<Face> {
    SHARED_HOSTS
        .binary_search_by_key(&name.as_str(), |(host, _)| host)
        .ok()
        .map(|_| Face::SharedHost)
}

/// Inside one of the prefixes, or around one.
fn shared(net: &IpNet) -> Option<Face> {
    static NETS: LazyLock<Vec<IpNet>> =
        LazyLock::new(|| SHARED_PREFIXES.iter().filter_map(|net| net.parse().ok()).collect());
    let meets = |shared: &&IpNet| shared.contains(net) || net.contains(*shared);
    NETS.iter().find(meets).map(|_| Face::SharedAddress)
}

/// Names behind which files of many parties lie, each with the page on which its owner says so; in order.
const SHARED_HOSTS: [(&str, &str); 13] = [
    ("ajax.googleapis.com", "https://developers.google.com/speed/libraries"),
    ("cdn.jsdelivr.net", "https://www.jsdelivr.com/"),
    ("cdnjs.cloudflare.com", "https://cdnjs.com/about"),
    ("docs.google.com", "https://support.google.com/drive/answer/2589954"),
    ("drive.google.com", "https://support.google.com/drive/answer/2589954"),
    ("drive.usercontent.google.com", "https://support.google.com/drive/answer/2589954"),
    ("fonts.googleapis.com", "https://developers.google.com/fonts/docs/getting_started"),
    ("fonts.gstatic.com", "https://developers.google.com/fonts/docs/getting_started"),
    ("raw.githubusercontent.com", "https://docs.github.com/en/repositories"),
    (
        "s3.amazonaws.com",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html",
    ),
    ("storage.googleapis.com", "https://cloud.google.com/storage/docs/request-endpoints"),
    ("unpkg.com", "https://unpkg.com/"),
    ("web.archive.org", "https://archive.org/about/"),
];

/// From <https://www.cloudflare.com/ips/> and <https://api.fastly.com/public-ip-list>, September 2026.
const SHARED_PREFIXES: [&str; 43] = [
    "103.21.244.0/22",
    "103.22.200.0/22",
    "103.31.4.0/22",
    "104.16.0.0/13",
    "104.24.0.0/14",
    "108.162.192.0/18",
    "131.0.72.0/22",
    "141.101.64.0/18",
    "162.158.0.0/15",
    "172.64.0.0/13",
    "173.245.48.0/20",
    "188.114.96.0/20",
    "190.93.240.0/20",
    "197.234.240.0/22",
    "198.41.128.0/17",
    "2400:cb00::/32",
    "2405:8100::/32",
    "2405:b500::/32",
    "2606:4700::/32",
    "2803:f800::/32",
    "2a06:98c0::/29",
    "2c0f:f248::/32",
    "23.235.32.0/20",
    "43.249.72.0/22",
    "103.244.50.0/24",
    "103.245.222.0/23",
    "103.245.224.0/24",
    "104.156.80.0/20",
    "140.248.64.0/18",
    "140.248.128.0/17",
    "146.75.0.0/17",
    "151.101.0.0/16",
    "157.52.64.0/18",
    "167.82.0.0/17",
    "167.82.128.0/20",
    "167.82.160.0/20",
    "167.82.224.0/20",
    "172.111.64.0/18",
    "185.31.16.0/22",
    "199.27.72.0/21",
    "199.232.0.0/16",
    "2a04:4e40::/32",
    "2a04:4e42::/32",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_order_and_every_line_is_one() {
        assert!(SHARED_HOSTS.is_sorted_by_key(|(host, _)| *host));
        for (host, source) in SHARED_HOSTS {
            assert!(format!("domain_exact:{host}").parse::<Target>().is_ok(), "{host}");
            assert!(source.starts_with("https://"), "{source}");
        }
        for net in SHARED_PREFIXES {
            let parsed: IpNet = net.parse().unwrap();
            assert_eq!(parsed.trunc().to_string(), net);
        }
    }
}
