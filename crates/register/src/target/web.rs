//! URLs as they are compared (DOMAIN.md 3f "URL form"): scheme and host folded, fragment and
//! default port dropped, path case and query kept, only unreserved characters percent-decoded.
//! http and https stay distinct.

use std::{fmt, net::IpAddr};

use url::{Host, Url};

use super::{Name, Repair, TargetError};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebHost {
    Name(Name),
    Ip(IpAddr),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebAddress {
    host: WebHost,
    secure: bool,
    /// Effective; not written if it is the scheme's default.
    port: u16,
    /// Begins with a slash.
    path: String,
    query: Option<String>,
}

impl WebAddress {
    pub(super) fn parse(text: &str, repairs: &mut Vec<Repair>) -> Result<Self, TargetError> {
        let mut text = text.to_owned();
        if text.contains('\\') {
            repairs.push(Repair::Backslash);
            text = text.replace('\\', "/");
        }
        text = single_scheme(text, repairs)?;
        if text.contains(char::is_whitespace) {
            // A space in the host is refused below by the URL parser.
            repairs.push(Repair::InnerSpace);
        }
        let url = Url::parse(&text).map_err(|_| TargetError::Url("it does not parse"))?;
        Self::from_url(&url, &text)
    }

    fn from_url(url: &Url, text: &str) -> Result<Self, TargetError> {
        let secure = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(TargetError::Url("only http and https are compared")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Url("it holds a user name; which host is meant is not clear"));
        }
        let host = match url.host().ok_or(TargetError::Url("it has no host"))? {
            Host::Domain(name) => WebHost::Name(Name::canonical(name)?),
            // "http://2130706433/" is an address to a browser and a typing mistake to a clerk.
            Host::Ipv4(ip) if !text.contains(&ip.to_string()) => {
                return Err(TargetError::Url("its host is a number that only looks like a name"));
            }
            Host::Ipv4(ip) => WebHost::Ip(ip.into()),
            Host::Ipv6(ip) => WebHost::Ip(IpAddr::V6(ip).to_canonical()),
        };
        let port = url.port_or_known_default().ok_or(TargetError::Url("it has no port"))?;
        let path = decode_unreserved(url.path());
        let query = url.query().map(decode_unreserved);
        Ok(Self { host, secure, port, path, query })
    }

    pub fn host(&self) -> &WebHost {
        &self.host
    }

    pub fn secure(&self) -> bool {
        self.secure
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The front page of its host.
    pub fn is_root(&self) -> bool {
        self.path == "/" && self.query.is_none()
    }

    /// Begins with a slash.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// `other` is this URL or lies below its path.
    pub(super) fn is_prefix_of(&self, other: &Self) -> bool {
        let same_place =
            self.host == other.host && self.secure == other.secure && self.port == other.port;
        let below = match other.path.strip_prefix(&self.path) {
            Some(rest) => rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/'),
            None => false,
        };
        same_place && below
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "https://" } else { "http://" })?;
        self.host.fmt(f)?;
        if self.port != if self.secure { 443 } else { 80 } {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for WebHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// "http://http://x" says the same thing twice; "http://https://x" says two different things.
/// Without "//" the parser would guess.
fn single_scheme(text: String, repairs: &mut Vec<Repair>) -> Result<String, TargetError> {
    let Some((scheme, mut rest)) = text.split_once("://") else {
        return Err(TargetError::Url("it begins with neither http:// nor https://"));
    };
    let mut doubled = false;
    while let Some((next, after)) = rest.split_once("://") {
        if !next.bytes().all(|b| b.is_ascii_alphanumeric()) {
            break; // a URL inside the path or query
        }
        if !next.eq_ignore_ascii_case(scheme) {
            return Err(TargetError::Url("it holds two different schemes"));
        }
        doubled = true;
        rest = after;
    }
    if rest.starts_with('/') {
        return Err(TargetError::Url("it has no host"));
    }
    if !doubled {
        return Ok(text);
    }
    repairs.push(Repair::DoubledScheme);
    Ok(format!("{scheme}://{rest}"))
}

/// RFC 3986 section 6.2.2: %41 is A; %2f stays, as %2F. Behind a bare percent sign nothing is decoded
/// that could make an escape of it: %4%41 is not %4A, which is J.
fn decode_unreserved(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let code = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (code, after.get(..2)) {
            (Some(byte), Some(hex)) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                if unreserved && !ends_in_half_an_escape(&out) {
                    out.push(char::from(byte));
                } else {
                    out.push('%');
                    out.push_str(&hex.to_ascii_uppercase());
                }
                rest = after.get(2..).unwrap_or_default();
            }
            // A bare percent sign is what servers see; it is kept.
            (Some(_) | None, _) => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn ends_in_half_an_escape(text: &str) -> bool {
    match text.as_bytes() {
        [.., b'%'] => true,
        [.., b'%', digit] => digit.is_ascii_hexdigit(),
        _ => false,
    }
}
