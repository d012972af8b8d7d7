//! How the thing that an event blocks lies to the thing that a request names.
//!
//! Each kind stands for a set of traffic. Names hold their URLs, server names and Host headers;
//! addresses hold their ports and the URLs that spell them. A name and an address are disjoint:
//! that one resolves to the other is a fact of an instant, which needs evidence of its own.

use std::net::IpAddr;

use super::{
    Name, Target,
    address::{Port, Transport},
    web::{WebAddress, WebHost},
};

/// Seen from the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    Equal,
    /// The event's target lies strictly inside the request's.
    Inside,
    /// The event's target strictly contains the request's.
    Contains,
    /// They share traffic, and neither contains the other.
    Partial,
    Disjoint,
}

pub fn relation(event: &Target, request: &Target) -> Relation {
    if event == request {
        Relation::Equal
    } else if holds(request, event) {
        Relation::Inside
    } else if holds(event, request) {
        Relation::Contains
    } else if overlap(event, request) {
        Relation::Partial
    } else {
        Relation::Disjoint
    }
}

/// Everything that `inner` stands for is also in `outer`; called only for unequal targets.
fn holds(outer: &Target, inner: &Target) -> bool {
    match outer {
        Target::WholeService => true,
        Target::DomainSubtree { name, apex } => match inner {
            Target::DomainSubtree { name: below, apex: below_apex } => {
                below.is_below(name) || (below == name && (*apex || !*below_apex))
            }
            _ => name_of(inner).is_some_and(|n| n.is_below(name) || (*apex && n == name)),
        },
        Target::DomainExact(name) => {
            name_of(inner) == Some(name) && !matches!(inner, Target::DomainSubtree { .. })
        }
        // A Host header is sent inside TLS too; a server name only with TLS.
        Target::HttpHost(name) => url_of(inner).is_some_and(|u| named(u, name)),
        Target::Sni(name) => url_of(inner).is_some_and(|u| u.secure() && named(u, name)),
        Target::UrlPrefix(prefix) => url_of(inner).is_some_and(|u| prefix.is_prefix_of(u)),
        Target::Ip(ip) => match inner {
            Target::IpPort { ip: inner, .. } => inner == ip,
            _ => url_of(inner).is_some_and(|u| u.host() == &WebHost::Ip(*ip)),
        },
        Target::Cidr(net) => match inner {
            Target::Cidr(inner) => net.contains(inner),
            Target::Ip(ip) | Target::IpPort { ip, .. } => net.contains(ip),
            _ => url_ip(inner).is_some_and(|ip| net.contains(&ip)),
        },
        Target::IpPort { ip, port } => match inner {
            Target::IpPort { ip: inner_ip, port: inner_port } => {
                ip == inner_ip && port.covers(*inner_port)
            }
            _ => url_of(inner).is_some_and(|u| {
                let tcp = Port { number: u.port(), transport: Transport::Tcp };
                u.host() == &WebHost::Ip(*ip) && port.covers(tcp)
            }),
        },
        Target::Port(port) => match inner {
            Target::Port(inner) | Target::IpPort { port: inner, .. } => port.covers(*inner),
            _ => false,
        },
        Target::Url(_)
        | Target::ProtocolApp(_)
        | Target::Keyword(_)
        | Target::Category(_)
        | Target::AsnRoute(_)
        | Target::LineAccount(_)
        | Target::CellArea(_)
        | Target::CustomerToken(_) => false,
    }
}

/// One request over TLS has both a server name and a Host header; a port of one transport meets an
/// address with a port of any. Prefixes and trees only nest. A port everywhere and an address as a whole
/// share traffic too, and neither says anything of the other: they count as disjoint.
fn overlap(a: &Target, b: &Target) -> bool {
    match (a, b) {
        (Target::Sni(a), Target::HttpHost(b)) | (Target::HttpHost(a), Target::Sni(b)) => a == b,
        (Target::Port(a), Target::IpPort { port: b, .. })
        | (Target::IpPort { port: a, .. }, Target::Port(b)) => a.covers(*b) || b.covers(*a),
        _ => false,
    }
}

fn url_of(target: &Target) -> Option<&WebAddress> {
    match target {
        Target::Url(url) | Target::UrlPrefix(url) => Some(url),
        _ => None,
    }
}

/// The name under which the target's traffic is asked for.
pub(crate) fn name_of(target: &Target) -> Option<&Name> {
    match target {
        Target::DomainExact(name)
        | Target::DomainSubtree { name, .. }
        | Target::Sni(name)
        | Target::HttpHost(name) => Some(name),
        Target::Url(url) | Target::UrlPrefix(url) => match url.host() {
            WebHost::Name(name) => Some(name),
            WebHost::Ip(_) => None,
        },
        Target::Ip(_)
        | Target::Cidr(_)
        | Target::IpPort { .. }
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

fn named(url: &WebAddress, name: &Name) -> bool {
    matches!(url.host(), WebHost::Name(host) if host == name)
}

pub(crate) fn url_ip(target: &Target) -> Option<IpAddr> {
    match url_of(target)?.host() {
        WebHost::Ip(ip) => Some(*ip),
        WebHost::Name(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks both directions.
    fn check(event: &str, request: &str, want: Relation) {
        let [event, request] = [event, request].map(|t| t.parse::<Target>().unwrap());
        let back = match want {
            Relation::Inside => Relation::Contains,
            Relation::Contains => Relation::Inside,
            Relation::Equal | Relation::Partial | Relation::Disjoint => want,
        };
        assert_eq!(relation(&event, &request), want, "{event} to {request}");
        assert_eq!(relation(&request, &event), back, "{request} to {event}");
    }

    #[test]
    fn names() {
        use Relation::*;
        check("domain_exact:example.org", "domain_exact:EXAMPLE.org.", Equal);
        check("domain_exact:www.example.org", "domain_exact:example.org", Disjoint);
        check("domain_exact:www.example.org", "domain_subtree:example.org", Inside);
        check("domain_exact:example.org", "domain_subtree:example.org", Inside);
        check("domain_exact:example.org", "domain_subtree:*.example.org", Disjoint);
        check("domain_exact:badexample.org", "domain_subtree:example.org", Disjoint);
        check("domain_subtree:*.example.org", "domain_subtree:example.org", Inside);
        check("domain_subtree:a.example.org", "domain_subtree:*.example.org", Inside);
        check("domain_subtree:example.org", "domain_subtree:*.example.org", Contains);
        check("sni:example.org", "domain_exact:example.org", Inside);
        check("http_host:example.org", "domain_subtree:example.org", Inside);
        check("sni:example.org", "http_host:example.org", Partial);
        check("sni:example.org", "sni:www.example.org", Disjoint);
    }

    #[test]
    fn urls() {
        use Relation::*;
        check("url:http://example.org/a", "domain_exact:example.org", Inside);
        check("url:http://example.org:8080/a", "domain_exact:example.org", Inside);
        check("url:https://example.org/a", "url:http://example.org/a", Disjoint);
        check("url:http://example.org/a/b", "url_prefix:http://example.org/a", Inside);
        check("url:http://example.org/ab", "url_prefix:http://example.org/a", Disjoint);
        check("url:http://example.org/a", "url_prefix:http://example.org/a", Inside);
        check("url_prefix:http://example.org/", "url_prefix:http://example.org/a", Contains);
        check("sni:example.org", "url:https://example.org/a", Contains);
        check("sni:example.org", "url:http://example.org/a", Disjoint);
        check("http_host:example.org", "url:http://example.org/a", Contains);
        check("url:http://192.0.2.7/a", "ip:192.0.2.7", Inside);
        check("url:http://192.0.2.7/a", "ip_port:192.0.2.7:80/tcp", Inside);
        check("url:http://192.0.2.7/a", "cidr:192.0.2.0/24", Inside);
    }

    #[test]
    fn addresses() {
        use Relation::*;
        check("ip:192.0.2.7", "cidr:192.0.2.0/24", Inside);
        check("cidr:192.0.2.0/24", "cidr:192.0.2.0/23", Inside);
        check("cidr:192.0.2.0/25", "cidr:192.0.2.128/25", Disjoint);
        check("ip:::ffff:192.0.2.7", "ip:192.0.2.7", Equal);
        check("ip_port:192.0.2.7:443/tcp", "ip:192.0.2.7", Inside);
        check("ip_port:192.0.2.7:443/tcp", "ip_port:192.0.2.7:443/any", Inside);
        check("ip_port:192.0.2.7:443/tcp", "ip_port:192.0.2.7:443/udp", Disjoint);
        check("ip_port:192.0.2.7:443/tcp", "port:443/tcp", Inside);
        check("port:443/tcp", "ip:192.0.2.7", Disjoint);
        check("ip_port:192.0.2.7:443/any", "port:443/tcp", Partial);
        check("ip_port:192.0.2.7:443/udp", "port:443/tcp", Disjoint);
        check("domain_exact:example.org", "ip:192.0.2.7", Disjoint);
        check("cidr:::/0", "ip:192.0.2.7", Disjoint);
    }

    #[test]
    fn the_whole_service_holds_everything() {
        use Relation::*;
        for text in ["ip:192.0.2.7", "keyword:x", "domain_exact:example.org", "asn_route:AS64500"] {
            check(text, "whole_service:*", Inside);
        }
        check("whole_service:*", "whole_service:*", Equal);
        check("keyword:x", "keyword:y", Disjoint);
    }
}
