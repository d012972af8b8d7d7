//! A target as another box writes it, "<kind>:<value>", in the canonical text of `common.proto`. What is
//! not canonical is refused: two boxes that mean the same thing must say the same thing.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use remit_proto::v1::{Target, TargetKind, Trigger};

use crate::{
    observation::HitTarget,
    privacy::Privacy,
    sources::{http::fields::Host, rpz::owner::name_target},
};

/// `Err`: what is wanted.
pub(in crate::sources) fn parse(text: &str) -> Result<Target, String> {
    let wanted = "must be <kind>:<value>, such as domain_exact:example.org";
    let (word, value) = text.split_once(':').ok_or(wanted)?;
    let kind = TargetKind::from_str_name(&format!("TARGET_KIND_{}", word.to_ascii_uppercase()))
        .filter(|_| !word.bytes().any(|byte| byte.is_ascii_uppercase()))
        .ok_or(wanted)?;
    check(kind, value)?;
    Ok(Target { kind: kind.into(), value: value.to_owned() })
}

fn check(kind: TargetKind, value: &str) -> Result<(), String> {
    let is_name = |name: &str| matches!(Host::parse(name), Some(Host::Name(same)) if same == name);
    let good = match kind {
        TargetKind::DomainExact | TargetKind::Sni | TargetKind::HttpHost => is_name(value),
        TargetKind::DomainSubtree => is_name(value.strip_prefix("*.").unwrap_or(value)),
        TargetKind::Ip => {
            let address = value.parse::<IpAddr>();
            address.is_ok_and(|address| address.to_canonical().to_string() == value)
        }
        TargetKind::Cidr => value.parse::<IpNet>().is_ok_and(|net| {
            net.trunc().to_string() == value && net.prefix_len() < net.max_prefix_len()
        }),
        TargetKind::IpPort => value.split_once('/').is_some_and(|(address, transport)| {
            let address = address.parse::<SocketAddr>();
            matches!(transport, "tcp" | "udp" | "any")
                && address.is_ok_and(|same| value.starts_with(&format!("{same}/")))
        }),
        TargetKind::Port => value.split_once('/').is_some_and(|(port, transport)| {
            matches!(transport, "tcp" | "udp" | "any")
                && port.parse::<u16>().is_ok_and(|same| same.to_string() == port)
        }),
        TargetKind::WholeService => value == "*",
        TargetKind::NotUnderstood => value.is_empty(),
        TargetKind::Url
        | TargetKind::UrlPrefix
        | TargetKind::ProtocolApp
        | TargetKind::Keyword
        | TargetKind::Category
        | TargetKind::AsnRoute
        | TargetKind::CellArea => !value.is_empty() && !value.contains(char::is_control),
        // A line stands for a subscriber; a token is made here and nowhere else.
        TargetKind::LineAccount | TargetKind::CustomerToken | TargetKind::Unspecified => {
            return Err("must not name a subscriber's line".to_owned());
        }
    };
    match good {
        true => Ok(()),
        false => Err("is not the canonical text of its kind (common.proto, TargetKind)".to_owned()),
    }
}

/// The same without a customer's address, and whether there was one.
pub(in crate::sources) fn without_customers(target: &Target, privacy: &Privacy) -> (Target, bool) {
    let token = match target.kind() {
        TargetKind::Ip => of_address(&target.value, privacy),
        TargetKind::IpPort => {
            let address =
                target.value.split_once('/').and_then(|(a, _)| a.parse::<SocketAddr>().ok());
            address.and_then(|address| of_address(&address.ip().to_string(), privacy))
        }
        TargetKind::Cidr => target.value.parse::<IpNet>().ok().and_then(|net| {
            let ends = [net.network(), net.broadcast()];
            ends.iter().all(|a| privacy.is_customer(*a)).then(|| privacy.token_net(net))
        }),
        TargetKind::DomainExact
        | TargetKind::DomainSubtree
        | TargetKind::Sni
        | TargetKind::HttpHost => {
            let named = name_target(&target.value, privacy);
            (named.kind() == TargetKind::CustomerToken).then_some(named)
        }
        _ => None,
    };
    let of_a_customer = token.is_some();
    let text = || Target { kind: target.kind, value: privacy.redact(&target.value) };
    (token.unwrap_or_else(text), of_a_customer)
}

fn of_address(text: &str, privacy: &Privacy) -> Option<Target> {
    let address: IpAddr = text.parse().ok()?;
    privacy.is_customer(address).then(|| privacy.token(address))
}

/// What was hit, if it may be named.
pub(super) fn hit(target: &Target, privacy: &Privacy) -> Option<HitTarget> {
    if !privacy.hit_targets() {
        return None;
    }
    let (target, of_a_customer) = without_customers(target, privacy);
    let address = || target.value.parse::<IpAddr>().ok();
    let may = match target.kind() {
        _ if of_a_customer => true,
        TargetKind::Ip => address().is_some_and(|address| privacy.may_name(address)),
        _ => true,
    };
    may.then_some(HitTarget::Target(target))
}

/// Whether the target is all that a hit of its rule can be about.
pub(super) fn is_single(target: &Target) -> bool {
    matches!(
        target.kind(),
        TargetKind::Url
            | TargetKind::DomainExact
            | TargetKind::Ip
            | TargetKind::IpPort
            | TargetKind::Sni
            | TargetKind::HttpHost
            | TargetKind::CustomerToken
    )
}

pub(super) fn trigger(told: Trigger, of_a_customer: bool) -> Trigger {
    if of_a_customer { Trigger::ClientIp } else { told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_texts_alone() {
        for good in [
            "domain_exact:a.example",
            "domain_subtree:a.example",
            "domain_subtree:*.a.example",
            "ip:192.0.2.1",
            "ip:2001:db8::1",
            "cidr:192.0.2.0/24",
            "ip_port:192.0.2.1:443/tcp",
            "ip_port:[2001:db8::1]:443/udp",
            "port:443/udp",
            "sni:a.example",
            "http_host:a.example",
            "whole_service:*",
            "protocol_app:wireguard",
            "url:https://a.example/x",
            "not_understood:",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for wrong in [
            "",
            "a.example",
            "domain:a.example",
            "Ip:192.0.2.1",
            "domain_exact:A.example",
            "domain_exact:a.example.",
            "ip:192.0.2.01",
            "ip:::ffff:192.0.2.1",
            "cidr:192.0.2.1/24",
            "cidr:192.0.2.1/32",
            "port:0443/tcp",
            "ip_port:192.0.2.1:443",
            "whole_service:",
            "line_account:4711",
            "customer_token:00",
            "unspecified:x",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
