//! What is blocked, or asked to be blocked: one canonical value per thing.
//!
//! In: raw text of a register or a person, or a canonical [`v1::Target`]. Out: a [`Target`], and
//! the list of repairs that reading it took; or a refusal. Nothing is repaired silently and nothing
//! is guessed: a register row that could mean two things is refused with the reason.
//!
//! Canonical forms are those of `common.proto` and DOMAIN.md 3f (rows "URL form", "IDN", "CIDR",
//! "Domain vs subdomain"). Two texts that mean the same thing become equal values.

mod address;
mod key;
mod name;
mod relation;
mod repair;
mod web;

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use remit_proto::v1::{self, TargetKind};

pub use address::{Port, Transport};
pub use key::{KeyRange, Near, name_in_key, near, sort_key};
pub use name::Name;
pub use relation::{Relation, relation};
pub use repair::Repair;
pub use web::{WebAddress, WebHost};

pub(crate) use name::parent;
pub(crate) use relation::{name_of, url_ip};

/// Longest text that is looked at; more is a mistake in the file, not a target.
pub const TARGET_TEXT_MAX: usize = 8 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Url(Box<WebAddress>),
    /// The URL and everything below its path.
    UrlPrefix(Box<WebAddress>),
    DomainExact(Name),
    /// `apex` is false for "*.example.org": only what is below the name.
    DomainSubtree {
        name: Name,
        apex: bool,
    },
    Ip(IpAddr),
    /// Host bits are zero, and it is never a single address.
    Cidr(IpNet),
    IpPort {
        ip: IpAddr,
        port: Port,
    },
    Sni(Name),
    HttpHost(Name),
    ProtocolApp(String),
    Port(Port),
    Keyword(String),
    Category(String),
    AsnRoute(u32),
    /// As [`CustomerToken`](Self::CustomerToken): a line is its subscriber.
    LineAccount(String),
    CellArea(String),
    WholeService,
    /// 32 hex digits of a hash whose key stays with the operator.
    CustomerToken(String),
}

/// Three different things: the target is known, its opening was erased or withheld, or the rule's
/// match was not understood when it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known<T> {
    Known(T),
    Erased,
    NotUnderstood,
}

/// Why a text is not a target. The sender was wrong; the remedy is in the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("target is empty")]
    Empty,
    #[error("target is longer than {TARGET_TEXT_MAX} bytes")]
    TooLong,
    #[error("target holds a control character")]
    ControlCharacter,
    #[error("target holds {what} (U+{code:04X})")]
    Hidden { what: &'static str, code: u32 },
    #[error("target kind is missing or unknown")]
    UnknownKind,
    #[error("not a domain name: {0}")]
    Name(&'static str),
    #[error("not a URL: {0}")]
    Url(&'static str),
    #[error("not an address or prefix: {0}")]
    Address(&'static str),
    #[error("not a {kind}: {reason}")]
    Other { kind: &'static str, reason: &'static str },
    #[error("not in canonical form, which is {canonical:?}")]
    NotCanonical { canonical: String },
}

impl Target {
    /// Reads raw text as a target of the given kind. A prefix that holds a single address becomes
    /// that address, as `common.proto` says, and the repair says so.
    pub fn parse(kind: TargetKind, text: &str) -> Result<(Self, Vec<Repair>), TargetError> {
        let (text, mut repairs) = repair::tidy(text)?;
        let target = Self::read(kind, text, &mut repairs)?;
        Ok((target, repairs))
    }

    /// What stands around the value is dealt with.
    fn read(kind: TargetKind, text: &str, repairs: &mut Vec<Repair>) -> Result<Self, TargetError> {
        Ok(match kind {
            TargetKind::Unspecified | TargetKind::NotUnderstood => {
                return Err(TargetError::UnknownKind);
            }
            TargetKind::Url => Self::Url(Box::new(WebAddress::parse(text, repairs)?)),
            TargetKind::UrlPrefix => {
                let url = WebAddress::parse(text, repairs)?;
                if url.query().is_some() {
                    return Err(TargetError::Url("a URL prefix cannot hold a query"));
                }
                Self::UrlPrefix(Box::new(url))
            }
            TargetKind::DomainExact => Self::DomainExact(Name::parse(text, repairs)?),
            TargetKind::DomainSubtree => subtree(text, repairs)?,
            TargetKind::Ip => Self::Ip(address::ip(text, repairs)?),
            TargetKind::Cidr => match address::prefix(text, repairs)? {
                address::Prefix::One(ip) => Self::Ip(ip),
                address::Prefix::Many(net) => Self::Cidr(net),
            },
            TargetKind::IpPort => {
                let (ip, port) = address::ip_port(text, repairs)?;
                Self::IpPort { ip, port }
            }
            TargetKind::Sni => Self::Sni(Name::parse(text, repairs)?),
            TargetKind::HttpHost => Self::HttpHost(Name::parse(text, repairs)?),
            TargetKind::ProtocolApp => Self::ProtocolApp(text.to_owned()),
            TargetKind::Port => Self::Port(Port::parse(text, repairs)?),
            TargetKind::Keyword => Self::Keyword(text.to_owned()),
            TargetKind::Category => Self::Category(text.to_owned()),
            TargetKind::AsnRoute => Self::AsnRoute(address::asn(text)?),
            TargetKind::LineAccount => Self::LineAccount(token("line token", text)?),
            TargetKind::CellArea => Self::CellArea(text.to_owned()),
            TargetKind::WholeService if text == "*" => Self::WholeService,
            TargetKind::WholeService => {
                return Err(TargetError::Other {
                    kind: "whole service",
                    reason: "its value is \"*\"",
                });
            }
            TargetKind::CustomerToken => Self::CustomerToken(token("customer token", text)?),
        })
    }

    /// What a person means who types a target: a URL, an address with port, a prefix, an address,
    /// "*.name" for what is below a name, and otherwise exactly that name.
    pub fn guess(text: &str) -> Result<(Self, Vec<Repair>), TargetError> {
        let trimmed = text.trim();
        let kind = if trimmed == "*" {
            TargetKind::WholeService
        } else if trimmed.contains("://") {
            TargetKind::Url
        } else if trimmed.parse::<IpAddr>().is_ok() {
            TargetKind::Ip
        } else if trimmed.starts_with("*.") || trimmed.starts_with('.') {
            TargetKind::DomainSubtree
        } else if trimmed.contains('/')
            && trimmed.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':')
            && trimmed.split('/').next().is_some_and(|a| a.parse::<IpAddr>().is_ok())
        {
            TargetKind::Cidr
        } else if address::looks_like_ip_port(trimmed) {
            TargetKind::IpPort
        } else {
            TargetKind::DomainExact
        };
        Self::parse(kind, text)
    }

    /// A target as agents and statements carry it. Its value must be the canonical one: otherwise
    /// two leaves could name one thing in two ways.
    pub fn from_wire(wire: &v1::Target) -> Result<Self, TargetError> {
        let v1::Target { kind, value } = wire;
        let kind = TargetKind::try_from(*kind).map_err(|_| TargetError::UnknownKind)?;
        // Not tidied first: a canonical URL may end in a comma.
        repair::check(value)?;
        let target = Self::read(kind, value, &mut Vec::new())?;
        // The kind too: a /32 under kind CIDR is not canonical.
        let canonical = target.to_string();
        if canonical != *value || value.trim() != value || target.kind() != kind {
            return Err(TargetError::NotCanonical { canonical });
        }
        Ok(target)
    }

    /// Something of where its text lies, so that it is read.
    pub(crate) fn load(&self) -> Option<u8> {
        let text = match self {
            Self::DomainExact(name)
            | Self::DomainSubtree { name, .. }
            | Self::Sni(name)
            | Self::HttpHost(name) => name.as_str(),
            Self::Url(url) | Self::UrlPrefix(url) => url.path(),
            Self::ProtocolApp(text)
            | Self::Keyword(text)
            | Self::Category(text)
            | Self::LineAccount(text)
            | Self::CellArea(text)
            | Self::CustomerToken(text) => text,
            Self::Ip(_)
            | Self::Cidr(_)
            | Self::IpPort { .. }
            | Self::Port(_)
            | Self::AsnRoute(_)
            | Self::WholeService => return None,
        };
        text.as_bytes().first().copied()
    }

    pub fn to_wire(&self) -> v1::Target {
        v1::Target { kind: self.kind().into(), value: self.to_string() }
    }

    pub fn kind(&self) -> TargetKind {
        match self {
            Self::Url(_) => TargetKind::Url,
            Self::UrlPrefix(_) => TargetKind::UrlPrefix,
            Self::DomainExact(_) => TargetKind::DomainExact,
            Self::DomainSubtree { .. } => TargetKind::DomainSubtree,
            Self::Ip(_) => TargetKind::Ip,
            Self::Cidr(_) => TargetKind::Cidr,
            Self::IpPort { .. } => TargetKind::IpPort,
            Self::Sni(_) => TargetKind::Sni,
            Self::HttpHost(_) => TargetKind::HttpHost,
            Self::ProtocolApp(_) => TargetKind::ProtocolApp,
            Self::Port(_) => TargetKind::Port,
            Self::Keyword(_) => TargetKind::Keyword,
            Self::Category(_) => TargetKind::Category,
            Self::AsnRoute(_) => TargetKind::AsnRoute,
            Self::LineAccount(_) => TargetKind::LineAccount,
            Self::CellArea(_) => TargetKind::CellArea,
            Self::WholeService => TargetKind::WholeService,
            Self::CustomerToken(_) => TargetKind::CustomerToken,
        }
    }

    /// With its kind: "domain_exact example.org". Every verdict says it: names are written without the
    /// machinery of formats.
    pub(crate) fn named(&self) -> String {
        let kind = kind_word(self.kind());
        match self {
            Self::DomainExact(name)
            | Self::DomainSubtree { name, apex: true }
            | Self::Sni(name)
            | Self::HttpHost(name) => {
                let name = name.as_str();
                let mut text = String::with_capacity(kind.len() + 1 + name.len());
                text.push_str(kind);
                text.push(' ');
                text.push_str(name);
                text
            }
            _ => format!("{kind} {self}"),
        }
    }

    /// The name is a public suffix ("co.uk"): blocking it or what is below it hits strangers. Never
    /// expanded and never refused, only said (DOMAIN.md 3c `TARGET_OVERBROAD_ON_FACE`).
    pub fn is_public_suffix(&self) -> bool {
        match self {
            Self::DomainExact(name)
            | Self::DomainSubtree { name, .. }
            | Self::Sni(name)
            | Self::HttpHost(name) => name.is_public_suffix(),
            Self::Url(_)
            | Self::UrlPrefix(_)
            | Self::Ip(_)
            | Self::Cidr(_)
            | Self::IpPort { .. }
            | Self::ProtocolApp(_)
            | Self::Port(_)
            | Self::Keyword(_)
            | Self::Category(_)
            | Self::AsnRoute(_)
            | Self::LineAccount(_)
            | Self::CellArea(_)
            | Self::WholeService
            | Self::CustomerToken(_) => false,
        }
    }
}

/// The canonical value, as it stands in [`v1::Target::value`].
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) | Self::UrlPrefix(url) => url.fmt(f),
            Self::DomainExact(name) | Self::Sni(name) | Self::HttpHost(name) => name.fmt(f),
            Self::DomainSubtree { name, apex: true } => name.fmt(f),
            Self::DomainSubtree { name, apex: false } => write!(f, "*.{name}"),
            Self::Ip(ip) => ip.fmt(f),
            Self::Cidr(net) => net.fmt(f),
            Self::IpPort { ip: IpAddr::V4(ip), port } => write!(f, "{ip}:{port}"),
            Self::IpPort { ip: IpAddr::V6(ip), port } => write!(f, "[{ip}]:{port}"),
            Self::Port(port) => port.fmt(f),
            Self::AsnRoute(asn) => write!(f, "AS{asn}"),
            Self::WholeService => f.write_str("*"),
            Self::ProtocolApp(text)
            | Self::Keyword(text)
            | Self::Category(text)
            | Self::LineAccount(text)
            | Self::CellArea(text)
            | Self::CustomerToken(text) => f.write_str(text),
        }
    }
}

impl Known<Target> {
    /// From what the collector holds: no opening is *erased*; a target whose kind says so, or whose
    /// value is not canonical, is *not understood*. Nothing is repaired here: an agent's words are
    /// evidence.
    pub fn from_wire(wire: Option<&v1::Target>) -> Self {
        match wire {
            None => Self::Erased,
            Some(target) => Target::from_wire(target).map_or(Self::NotUnderstood, Self::Known),
        }
    }
}

/// The word that files, filters and screens use for a kind: the proto name, lower case.
pub fn kind_word(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Unspecified => "unspecified",
        TargetKind::Url => "url",
        TargetKind::UrlPrefix => "url_prefix",
        TargetKind::DomainExact => "domain_exact",
        TargetKind::DomainSubtree => "domain_subtree",
        TargetKind::Ip => "ip",
        TargetKind::Cidr => "cidr",
        TargetKind::IpPort => "ip_port",
        TargetKind::Sni => "sni",
        TargetKind::HttpHost => "http_host",
        TargetKind::ProtocolApp => "protocol_app",
        TargetKind::Port => "port",
        TargetKind::Keyword => "keyword",
        TargetKind::Category => "category",
        TargetKind::AsnRoute => "asn_route",
        TargetKind::LineAccount => "line_account",
        TargetKind::CellArea => "cell_area",
        TargetKind::WholeService => "whole_service",
        TargetKind::CustomerToken => "customer_token",
        TargetKind::NotUnderstood => "not_understood",
    }
}

/// Canonical texts of targets read as `<kind>:<value>`; the short form of request files.
impl FromStr for Target {
    type Err = TargetError;
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (kind, value) = text.split_once(':').ok_or(TargetError::UnknownKind)?;
        Self::parse(kind_from_word(kind).ok_or(TargetError::UnknownKind)?, value).map(|(t, _)| t)
    }
}

/// The kind that a word of [`kind_word`] names.
pub fn kind_from_word(word: &str) -> Option<TargetKind> {
    kinds().find(|kind| kind_word(*kind) == word)
}

pub(crate) fn kind_words() -> impl Iterator<Item = &'static str> {
    kinds().map(kind_word)
}

fn kinds() -> impl Iterator<Item = TargetKind> {
    (1..=19).filter_map(|number| TargetKind::try_from(number).ok())
}

fn subtree(text: &str, repairs: &mut Vec<Repair>) -> Result<Target, TargetError> {
    if let Some(below) = text.strip_prefix("*.") {
        return Ok(Target::DomainSubtree { name: Name::parse(below, repairs)?, apex: false });
    }
    // Squid, dnsmasq and many lists write ".example.org" for the name and everything below it.
    if let Some(rest) = text.strip_prefix('.') {
        repairs.push(Repair::LeadingDot);
        return Ok(Target::DomainSubtree { name: Name::parse(rest, repairs)?, apex: true });
    }
    Ok(Target::DomainSubtree { name: Name::parse(text, repairs)?, apex: true })
}

fn token(kind: &'static str, text: &str) -> Result<String, TargetError> {
    let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if text.len() == 32 && hex {
        Ok(text.to_owned())
    } else {
        Err(TargetError::Other { kind, reason: "want 32 lower-case hex digits" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: TargetKind, raw: &str, canonical: &str, repairs: &[Repair]) {
        let (target, done) = Target::parse(kind, raw).unwrap_or_else(|e| panic!("{raw}: {e}"));
        assert_eq!(target.to_string(), canonical, "{raw}");
        assert_eq!(done, repairs, "{raw}");
        assert_eq!(target.named(), format!("{} {target}", kind_word(target.kind())), "{raw}");
        let wire = target.to_wire();
        assert_eq!(Target::from_wire(&wire), Ok(target), "{raw}: canonical text reads back");
    }

    fn refused(kind: TargetKind, raw: &str) {
        assert!(Target::parse(kind, raw).is_err(), "{raw} must be refused");
    }

    #[test]
    fn what_nobody_sees_is_refused_where_it_is_typed_and_read_where_it_was_taken() {
        use TargetKind::{DomainExact as Exact, Keyword, Url};
        for hidden in ['\u{ad}', '\u{200b}', '\u{2060}', '\u{feff}', '\u{2066}'] {
            let typed = format!("exam{hidden}ple.org");
            for kind in [Exact, Url, Keyword] {
                let raw = if kind == Url { format!("http://{typed}/") } else { typed.clone() };
                let error = Target::parse(kind, &raw).unwrap_err().to_string();
                let code = format!("(U+{:04X})", u32::from(hidden));
                assert!(error.starts_with("target holds ") && error.ends_with(&code), "{error}");
            }
            let wire = v1::Target { kind: Keyword.into(), value: typed.clone() };
            assert_eq!(Target::from_wire(&wire), Ok(Target::Keyword(typed)));
        }
        check(Keyword, "نمی\u{200c}خواهم", "نمی\u{200c}خواهم", &[]);
    }

    #[test]
    fn names() {
        use TargetKind::{DomainExact as Exact, DomainSubtree as Subtree};
        check(Exact, "Example.ORG", "example.org", &[]);
        check(Exact, "example.org.", "example.org", &[]);
        check(Exact, "bücher.example", "xn--bcher-kva.example", &[]);
        check(Exact, "faß.example", "xn--fa-hia.example", &[]);
        check(Exact, "_dmarc.example.org", "_dmarc.example.org", &[]);
        check(Exact, "r3---sn-4g5.example", "r3---sn-4g5.example", &[]);
        check(Exact, " example.org ", "example.org", &[Repair::OuterSpace]);
        check(Exact, "example.org,", "example.org", &[Repair::TrailingPunctuation]);
        check(Exact, "http://example.org/", "example.org", &[Repair::SchemeRemoved]);
        check(Exact, "\u{feff}example.org", "example.org", &[Repair::OuterSpace]);
        check(Subtree, "example.org", "example.org", &[]);
        check(Subtree, "*.example.org", "*.example.org", &[]);
        check(Subtree, ".example.org", "example.org", &[Repair::LeadingDot]);
        for raw in [
            "",
            ".",
            "..",
            "a..b",
            "*.example.org",
            "exa mple.org",
            "a.org, b.org",
            "192.0.2.1",
            "example.org/path",
            "http://example.org/path",
            "exam\u{0}ple.org",
            "xn--\u{ff}.org",
            "a*b.example",
            "xn--a.example",
            &"a".repeat(64),
            &"a.".repeat(200),
        ] {
            refused(Exact, raw);
        }
        refused(Subtree, "*.*.example.org");
    }

    #[test]
    fn urls() {
        use TargetKind::Url;
        check(Url, "HTTP://Example.ORG:80/A/../B?q=1#frag", "http://example.org/B?q=1", &[]);
        check(Url, "https://example.org", "https://example.org/", &[]);
        check(Url, "https://example.org./x", "https://example.org/x", &[]);
        check(Url, "http://example.org/%41%7e%2f%c3", "http://example.org/A~%2F%C3", &[]);
        // Found by fuzzing: decoded, it would be %4A, which decodes to J when it is read again.
        check(Url, "http://example.org/%4%41%%41", "http://example.org/%4%41%%41", &[]);
        check(Url, "http://bücher.example/ü", "http://xn--bcher-kva.example/%C3%BC", &[]);
        check(Url, "http://[::ffff:192.0.2.7]/", "http://192.0.2.7/", &[]);
        check(Url, "http://http://example.org/", "http://example.org/", &[Repair::DoubledScheme]);
        check(Url, "http:\\\\example.org\\a", "http://example.org/a", &[Repair::Backslash]);
        check(Url, "http://example.org/a b", "http://example.org/a%20b", &[Repair::InnerSpace]);
        for raw in [
            "example.org/path",
            "http://https://example.org/",
            "ftp://example.org/",
            "http://user:secret@example.org/",
            "http:///",
            "javascript:alert(1)",
            "http://exa mple.org/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http:example.org",
        ] {
            refused(Url, raw);
        }
        refused(TargetKind::UrlPrefix, "http://example.org/a?b");
    }

    #[test]
    fn addresses() {
        use TargetKind::{Cidr, Ip, IpPort, Port};
        check(Ip, "192.0.2.7", "192.0.2.7", &[]);
        check(Ip, "2001:DB8:0:0::1", "2001:db8::1", &[]);
        check(Ip, "::ffff:192.0.2.7", "192.0.2.7", &[]);
        check(Ip, "[2001:db8::1]", "2001:db8::1", &[Repair::Brackets]);
        check(Ip, "192.0.2.7/32", "192.0.2.7", &[Repair::SingleAddress]);
        check(Cidr, "192.0.2.0/24", "192.0.2.0/24", &[]);
        check(Cidr, "::ffff:192.0.2.0/120", "192.0.2.0/24", &[]);
        check(Cidr, "192.0.2.7/32", "192.0.2.7", &[Repair::SingleAddress]);
        check(Cidr, "192.0.2.7", "192.0.2.7", &[Repair::SingleAddress]);
        check(IpPort, "192.0.2.1:443/tcp", "192.0.2.1:443/tcp", &[]);
        check(IpPort, "[2001:db8::1]:443/udp", "[2001:db8::1]:443/udp", &[]);
        check(IpPort, "192.0.2.1:443", "192.0.2.1:443/any", &[Repair::AnyTransport]);
        check(Port, "443/tcp", "443/tcp", &[]);
        for raw in ["192.0.2.7/24", "192.0.2.0/33", "192.0.2.1-192.0.2.9", "192.0.2", ""] {
            refused(Cidr, raw);
        }
        for raw in ["192.000.002.007", "192.0.2.0/24", "fe80::1%eth0", "example.org"] {
            refused(Ip, raw);
        }
        for raw in ["192.0.2.1", "192.0.2.1:0/tcp", "192.0.2.1:70000/tcp", "2001:db8::1:443/tcp"] {
            refused(IpPort, raw);
        }
    }

    #[test]
    fn what_a_person_types() {
        for (text, kind) in [
            ("example.org", TargetKind::DomainExact),
            ("*.example.org", TargetKind::DomainSubtree),
            ("192.0.2.7", TargetKind::Ip),
            ("2001:db8::1", TargetKind::Ip),
            ("192.0.2.0/24", TargetKind::Cidr),
            ("2001:db8::/32", TargetKind::Cidr),
            ("192.0.2.7:443/tcp", TargetKind::IpPort),
            ("[2001:db8::1]:443", TargetKind::IpPort),
            ("https://example.org/a", TargetKind::Url),
            ("*", TargetKind::WholeService),
        ] {
            assert_eq!(Target::guess(text).unwrap().0.kind(), kind, "{text}");
        }
    }

    #[test]
    fn a_canonical_url_may_look_as_if_it_needed_repair() {
        let wire = v1::Target { kind: TargetKind::Url.into(), value: "http://a.example/,".into() };
        assert_eq!(Target::from_wire(&wire).unwrap().to_wire(), wire);
    }

    #[test]
    fn an_agents_words_are_not_repaired() {
        let wire =
            |kind: TargetKind, value: &str| v1::Target { kind: kind.into(), value: value.into() };
        for bad in [
            wire(TargetKind::DomainExact, "Example.org"),
            wire(TargetKind::DomainExact, "example.org."),
            wire(TargetKind::Cidr, "192.0.2.7/32"),
            wire(TargetKind::Ip, "::ffff:192.0.2.7"),
            wire(TargetKind::NotUnderstood, ""),
            v1::Target { kind: 999, value: "x".into() },
        ] {
            assert_eq!(Known::from_wire(Some(&bad)), Known::NotUnderstood, "{bad:?}");
        }
        assert_eq!(Known::from_wire(None), Known::Erased);
    }

    #[test]
    fn a_line_is_named_by_a_token_alone() {
        let token = "0123456789abcdef0123456789abcdef";
        check(TargetKind::LineAccount, token, token, &[]);
        for identity in ["4711", "+49 30 1234567", "0123456789ABCDEF0123456789ABCDEF", "alice"] {
            refused(TargetKind::LineAccount, identity);
        }
    }

    #[test]
    fn public_suffixes_are_said() {
        let is = |text: &str| Target::guess(text).unwrap().0.is_public_suffix();
        assert!(is("co.uk") && is("*.github.io") && is("com"));
        assert!(!is("example.co.uk") && !is("192.0.2.1"));
    }
}
