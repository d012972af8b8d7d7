//! Names of operators, nodes, persons, requests and agent trees; each its own type.

use std::{fmt, str::FromStr};

use compact_str::CompactString;

/// A text is not a name of the kind wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct InvalidId {
    text: String,
    wanted: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident($text:ty), $check:expr, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($text);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    let text = text.chars().take(80).collect();
                    Err(InvalidId { text, wanted: $wanted })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// DNS name of the operator, lower case: the first part of every origin.
    Operator(String),
    |t| t.len() <= 253 && t.contains('.') && t.split('.').all(is_label),
    "a lower-case DNS name with at least two labels, such as example.net"
);
name!(
    /// `[a-z0-9-]{1,63}`
    NodeId(String),
    is_label,
    "a node id: 1 to 63 of a-z, 0-9 and '-'"
);
name!(
    /// Opaque id of a person, `[a-z0-9-]{1,63}`; never a name.
    PersonId(String),
    is_label,
    "a person id: 1 to 63 of a-z, 0-9 and '-'"
);
name!(
    /// 1 to 48 of `A-Za-z0-9._/-` (DESIGN.md section 3, "Claim"). Up to 24 of them stand in it: a verdict
    /// compares and repeats the ids of requests, and would wait for each.
    RequestId(CompactString),
    is_request_id,
    "a request id: 1 to 48 of A-Z, a-z, 0-9, '.', '_', '/' and '-'"
);

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

pub(crate) fn is_request_id(text: &str) -> bool {
    (1..=48).contains(&text.len()) && text.bytes().all(is_request_id_byte)
}

pub(crate) fn is_request_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-')
}

/// One life of a node's spool: 64 random bits, written as 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Generation {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let hex = text.len() == 16
            && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match u64::from_str_radix(text, 16) {
            Ok(value) if hex => Ok(Self(value)),
            _ => Err(InvalidId {
                text: text.chars().take(80).collect(),
                wanted: "a generation: 16 lower-case hex digits",
            }),
        }
    }
}

/// Origin of an agent's tree: `<operator>/agent/<node>/<generation>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentOrigin {
    pub operator: Operator,
    pub node: NodeId,
    pub generation: Generation,
}

impl fmt::Display for AgentOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/agent/{}/{}", self.operator, self.node, self.generation)
    }
}

impl FromStr for AgentOrigin {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let mut parts = text.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(operator), Some("agent"), Some(node), Some(generation), None) => Ok(Self {
                operator: operator.parse()?,
                node: node.parse()?,
                generation: generation.parse()?,
            }),
            _ => Err(InvalidId {
                text: text.chars().take(80).collect(),
                wanted: "an agent origin: <operator>/agent/<node>/<generation>",
            }),
        }
    }
}

impl Operator {
    /// Origin of a shard of the collector's log.
    pub fn log_origin(&self, shard: &str) -> String {
        format!("{self}/log/{shard}")
    }

    pub fn register_origin(&self) -> String {
        format!("{self}/register")
    }

    pub fn case_origin(&self) -> String {
        format!("{self}/cases")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_read_back_as_written() {
        let text = "example.net/agent/edge-01/00000000000000ff";
        let origin: AgentOrigin = text.parse().unwrap();
        assert_eq!(origin.generation, Generation(255));
        assert_eq!(origin.to_string(), text);
    }

    #[test]
    fn what_is_not_an_origin_is_refused() {
        for text in [
            "",
            "example.net/agent/edge-01",
            "example.net/agent/edge-01/FF000000000000ff",
            "example.net/agent/Edge/00000000000000ff",
            "localhost/agent/edge/00000000000000ff",
            "example.net/log/edge/00000000000000ff",
            "example.net/agent/edge/00000000000000ff/",
            "example.net/agent/edge/+0000000000000ff",
        ] {
            assert!(text.parse::<AgentOrigin>().is_err(), "{text}");
        }
    }
}
