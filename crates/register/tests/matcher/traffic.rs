//! What targets mean, as sets: a small world of traffic, and of each target which of it it stands for.
//!
//! Nothing of the crate is used. How two targets lie to each other is how their sets do. The world holds
//! for each name, address and path of the cases one more of its kind below or beside it, so that a set
//! is not exhausted by others that are smaller than it.

use std::net::IpAddr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    Exact(&'static str),
    Subtree(&'static str),
    /// "*.name"
    Below(&'static str),
    Sni(&'static str),
    HttpHost(&'static str),
    Url {
        secure: bool,
        host: &'static str,
        path: &'static str,
        query: &'static str,
    },
    Prefix {
        secure: bool,
        host: &'static str,
        path: &'static str,
    },
    Ip(&'static str),
    Net(&'static str, u8),
    IpPort(&'static str, u16, &'static str),
    Port(u16, &'static str),
    Keyword(&'static str),
    Whole,
}

use Thing::*;

const NAMES: [&str; 6] = [
    "org",
    "example.org",
    "www.example.org",
    "a.www.example.org",
    "example.net",
    "xn--fa-hia.example",
];
const ADDRESSES: [&str; 5] =
    ["192.0.2.7", "192.0.2.200", "198.51.100.1", "2001:db8::7", "2001:db8:1::7"];
const NETS: [(&str, u8); 9] = [
    ("0.0.0.0", 0),
    ("192.0.0.0", 16),
    ("192.0.2.0", 24),
    ("192.0.2.0", 25),
    ("192.0.2.128", 25),
    ("192.0.2.0", 28),
    ("::", 0),
    ("2001:db8::", 32),
    ("2001:db8::", 48),
];
/// Of each net, one that no smaller net of the cases holds.
const OTHER_ADDRESSES: [&str; 8] = [
    "10.0.0.1",
    "192.0.9.9",
    "192.0.2.100",
    "192.0.2.130",
    "192.0.2.3",
    "fe80::1",
    "2001:db8:9::1",
    "2001:db8::9",
];
const PATHS: [&str; 5] = ["/", "/a", "/a/", "/a/b", "/ab"];

/// Every target of the cases.
pub(crate) fn things() -> Vec<Thing> {
    let mut all = vec![Whole, Keyword("x"), Keyword("y")];
    for name in NAMES {
        all.extend([Exact(name), Subtree(name), Below(name), Sni(name), HttpHost(name)]);
    }
    for host in NAMES.into_iter().chain(["192.0.2.7", "2001:db8::7"]) {
        for secure in [false, true] {
            for path in PATHS {
                all.push(Prefix { secure, host, path });
                all.push(Url { secure, host, path, query: "" });
            }
            all.push(Url { secure, host, path: "/a", query: "q" });
            all.push(Url { secure, host, path: "/a/", query: "q" });
        }
    }
    all.extend(NETS.map(|(net, length)| Net(net, length)));
    for ip in ADDRESSES {
        all.push(Ip(ip));
        all.extend([IpPort(ip, 443, "tcp"), IpPort(ip, 443, "any"), IpPort(ip, 80, "tcp")]);
    }
    all.extend([Port(443, "tcp"), Port(443, "any"), Port(443, "udp"), Port(80, "tcp")]);
    all
}

/// One thing that can be blocked.
#[derive(Debug, Clone)]
enum Traffic {
    /// A name is asked for.
    Query(String),
    /// A server name is sent, and nobody knows what for.
    ServerName(String),
    /// A Host header in the clear, for no URL of the cases.
    Host(String),
    /// A page: over TLS with the server name too.
    Page {
        secure: bool,
        host: String,
        path: String,
        query: String,
    },
    Packet {
        ip: IpAddr,
        port: u16,
        transport: &'static str,
    },
    Word(&'static str),
    AnythingElse,
}

fn world() -> Vec<Traffic> {
    let names: Vec<String> =
        NAMES.iter().flat_map(|name| [(*name).to_owned(), format!("other.{name}")]).collect();
    let addresses: Vec<&str> = ADDRESSES.into_iter().chain(OTHER_ADDRESSES).collect();
    let mut world = vec![Traffic::AnythingElse, Traffic::Word("x"), Traffic::Word("y")];
    for name in &names {
        world.push(Traffic::Query(name.clone()));
        world.push(Traffic::ServerName(name.clone()));
        world.push(Traffic::Host(name.clone()));
    }
    for host in names.iter().map(String::as_str).chain(addresses.iter().copied()) {
        for secure in [false, true] {
            for path in PATHS.into_iter().chain(["/a/other", "/other"]) {
                for query in ["", "q", "other"] {
                    let (host, path, query) = (host.to_owned(), path.to_owned(), query.to_owned());
                    world.push(Traffic::Page { secure, host, path, query });
                }
            }
        }
    }
    for ip in addresses {
        let ip: IpAddr = ip.parse().unwrap();
        for port in [80, 443, 9] {
            for transport in ["tcp", "udp"] {
                world.push(Traffic::Packet { ip, port, transport });
            }
        }
    }
    world
}

/// Whether a target stands for it.
fn stands_for(thing: &Thing, traffic: &Traffic) -> bool {
    let name = match traffic {
        Traffic::Query(name) | Traffic::ServerName(name) | Traffic::Host(name) => Some(name),
        Traffic::Page { host, .. } if host.parse::<IpAddr>().is_err() => Some(host),
        _ => None,
    };
    let below = |of: &str| name.is_some_and(|name| name.ends_with(&format!(".{of}")));
    // Over TCP, of a page on an address.
    let endpoint = match traffic {
        Traffic::Packet { ip, port, transport } => Some((*ip, *port, *transport)),
        Traffic::Page { secure, host, .. } => {
            host.parse().ok().map(|ip| (ip, if *secure { 443 } else { 80 }, "tcp"))
        }
        _ => None,
    };
    match thing {
        Whole => true,
        Keyword(word) => matches!(traffic, Traffic::Word(other) if word == other),
        Exact(of) => name.is_some_and(|name| name == of),
        Subtree(of) => name.is_some_and(|name| name == of) || below(of),
        Below(of) => below(of),
        Sni(of) => match traffic {
            Traffic::ServerName(name) => name == of,
            Traffic::Page { secure, host, .. } => *secure && host == of,
            _ => false,
        },
        // It is sent inside TLS too.
        HttpHost(of) => match traffic {
            Traffic::Host(name) => name == of,
            Traffic::Page { host, .. } => host == of,
            _ => false,
        },
        Url { secure, host, path, query } => matches!(traffic, Traffic::Page {
            secure: s, host: h, path: p, query: q,
        } if s == secure && h == host && p == path && q == query),
        Prefix { secure, host, path } => match traffic {
            Traffic::Page { secure: s, host: h, path: p, query: _ } => {
                let folder =
                    if path.ends_with('/') { (*path).to_owned() } else { format!("{path}/") };
                s == secure && h == host && (p == path || p.starts_with(&folder))
            }
            _ => false,
        },
        Ip(of) => endpoint.is_some_and(|(ip, _, _)| ip == of.parse::<IpAddr>().unwrap()),
        Net(first, length) => {
            endpoint.is_some_and(|(ip, _, _)| in_net(ip, first.parse().unwrap(), *length))
        }
        IpPort(of, number, kind) => endpoint.is_some_and(|(ip, port, transport)| {
            ip == of.parse::<IpAddr>().unwrap() && port == *number && covers(kind, transport)
        }),
        Port(number, kind) => {
            endpoint.is_some_and(|(_, port, transport)| port == *number && covers(kind, transport))
        }
    }
}

fn covers(kind: &str, transport: &str) -> bool {
    kind == "any" || kind == transport
}

fn in_net(ip: IpAddr, first: IpAddr, length: u8) -> bool {
    let bits = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:08b}")).collect() };
    let (ip, first) = match (ip, first) {
        (IpAddr::V4(ip), IpAddr::V4(first)) => (bits(&ip.octets()), bits(&first.octets())),
        (IpAddr::V6(ip), IpAddr::V6(first)) => (bits(&ip.octets()), bits(&first.octets())),
        (_, _) => return false,
    };
    ip[..usize::from(length)] == first[..usize::from(length)]
}

/// As `<kind>:<value>`.
pub(crate) fn text(thing: &Thing) -> String {
    let bracketed =
        |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let url = |secure: bool, host: &str, path: &str| {
        format!("http{}://{}{path}", if secure { "s" } else { "" }, bracketed(host))
    };
    match thing {
        Exact(name) => format!("domain_exact:{name}"),
        Subtree(name) => format!("domain_subtree:{name}"),
        Below(name) => format!("domain_subtree:*.{name}"),
        Sni(name) => format!("sni:{name}"),
        HttpHost(name) => format!("http_host:{name}"),
        Url { secure, host, path, query: "" } => format!("url:{}", url(*secure, host, path)),
        Url { secure, host, path, query } => format!("url:{}?{query}", url(*secure, host, path)),
        Prefix { secure, host, path } => format!("url_prefix:{}", url(*secure, host, path)),
        Ip(ip) => format!("ip:{ip}"),
        Net(first, length) => format!("cidr:{first}/{length}"),
        IpPort(ip, port, transport) => format!("ip_port:{}:{port}/{transport}", bracketed(ip)),
        Port(port, transport) => format!("port:{port}/{transport}"),
        Keyword(word) => format!("keyword:{word}"),
        Whole => "whole_service:*".to_owned(),
    }
}

/// A set of traffic, one bit for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set(Vec<u64>);

impl Set {
    fn of(thing: &Thing, world: &[Traffic]) -> Self {
        let words = world.chunks(64).map(|part| {
            part.iter().rev().fold(0, |word, one| word << 1 | u64::from(stands_for(thing, one)))
        });
        Self(words.collect())
    }

    fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    fn is_within(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a & !b == 0)
    }

    pub(crate) fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    pub(crate) fn empty(like: &Self) -> Self {
        Self(vec![0; like.0.len()])
    }
}

/// The sets of all targets, and how each lies to each.
pub(crate) struct Sets {
    pub(crate) things: Vec<Thing>,
    pub(crate) sets: Vec<Set>,
    relations: Vec<Lies>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lies {
    Equal,
    Inside,
    Contains,
    Partial,
    Apart,
}

impl Sets {
    pub(crate) fn new() -> Self {
        let (things, world) = (things(), world());
        let sets: Vec<Set> = things.iter().map(|thing| Set::of(thing, &world)).collect();
        let mut relations = Vec::with_capacity(things.len() * things.len());
        for (a, set) in things.iter().zip(&sets) {
            for (b, other) in things.iter().zip(&sets) {
                relations.push(lies(a, set, b, other));
            }
        }
        Self { things, sets, relations }
    }

    /// How the one lies, seen from it, to the other.
    pub(crate) fn lies(&self, one: usize, other: usize) -> Lies {
        self.relations[one * self.things.len() + other]
    }
}

fn lies(a: &Thing, set: &Set, b: &Thing, other: &Set) -> Lies {
    // "Port 443 everywhere" and "this address" share traffic; that says nothing of either, and the
    // register holds a port only against ports.
    let is_port = |thing: &Thing| matches!(thing, Port(..));
    let is_place = |thing: &Thing| matches!(thing, Ip(_) | Net(..) | Url { .. } | Prefix { .. });
    if (is_port(a) && is_place(b)) || (is_place(a) && is_port(b)) {
        return Lies::Apart;
    }
    match (set.is_within(other), other.is_within(set)) {
        (true, true) => Lies::Equal,
        (true, false) => Lies::Inside,
        (false, true) => Lies::Contains,
        (false, false) if set.meets(other) => Lies::Partial,
        (false, false) => Lies::Apart,
    }
}
