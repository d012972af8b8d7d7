//! What a rule of a response policy zone looks at: the owner name without the zone's own name
//! (draft-vixie-dnsop-dns-rpz, section 4; `rpz_dname_to_trigger` in Unbound's services/rpz.c).
//!
//! In: labels of a zone file, or the words of a log line. Out: one [`Owner`], the same for both.
//! Names are kept as Unbound's log shows them (`dname_str` in util/data/dname.c): every byte other
//! than a letter, a digit, `-`, `_` and `*` is a `?`. Such a name is not a target that we can name.

use remit_proto::v1::{self, Trigger};

use super::net::{Net, reverse_name};
use crate::privacy::Privacy;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// Lower case, no trailing dot; "" is the root.
    QueryName(Box<str>),
    ServerName(Box<str>),
    ResponseIp(Net),
    ServerIp(Net),
    /// A customer's address: never leaves this module in clear.
    ClientIp(Net),
}

/// Words before the subject in a log line, and what they say.
const SERVER_NAME: &str = "nsdname";
const SERVER_IP: &str = "nsip";
const CLIENT_IP: &str = "clientip";

impl Owner {
    /// Labels in front of the zone's name, in any case.
    pub fn from_labels(labels: &[&[u8]]) -> Option<Self> {
        let split = labels.split_last();
        let is = |label: &[u8], word: &str| label.eq_ignore_ascii_case(word.as_bytes());
        match split {
            Some((last, rest)) if is(last, "rpz-client-ip") => {
                Net::from_labels(rest).map(Self::ClientIp)
            }
            Some((last, rest)) if is(last, "rpz-ip") => {
                Net::from_labels(rest).map(Self::ResponseIp)
            }
            Some((last, rest)) if is(last, "rpz-nsip") => {
                Net::from_labels(rest).map(Self::ServerIp)
            }
            Some((last, rest)) if is(last, "rpz-nsdname") => {
                Some(Self::ServerName(logged_name(rest).into()))
            }
            Some(_) | None => Some(Self::of_name(labels)),
        }
    }

    /// A name that was asked for, in any case.
    pub fn of_name(labels: &[&[u8]]) -> Self {
        Self::QueryName(logged_name(labels).into())
    }

    /// The words between the zone's log name and the action: "nsip 192.0.2.0/24", "name.", ...
    pub fn from_log(text: &str) -> Option<Self> {
        let name = |text: &str| -> Option<Box<str>> {
            let name = text.strip_suffix('.')?;
            (!name.contains(' ')).then(|| name.to_ascii_lowercase().into())
        };
        match text.split_once(' ') {
            Some((SERVER_NAME, subject)) => name(subject).map(Self::ServerName),
            Some((SERVER_IP, subject)) => Net::from_log(subject).map(Self::ServerIp),
            Some((CLIENT_IP, subject)) => Net::from_log(subject).map(Self::ClientIp),
            Some(_) => None,
            None => match Net::from_log(text) {
                Some(net) => Some(Self::ResponseIp(net)),
                None => name(text).map(Self::QueryName),
            },
        }
    }

    pub fn trigger(&self) -> Trigger {
        match self {
            Self::QueryName(_) => Trigger::Qname,
            Self::ServerName(_) => Trigger::Nsdname,
            Self::ResponseIp(_) => Trigger::ResponseIp,
            Self::ServerIp(_) => Trigger::Nsip,
            Self::ClientIp(_) => Trigger::ClientIp,
        }
    }

    pub fn target(&self, privacy: &Privacy) -> v1::Target {
        match self {
            Self::QueryName(name) | Self::ServerName(name) => name_target(name, privacy),
            Self::ResponseIp(net) | Self::ServerIp(net) => {
                if is_customer(*net, privacy) {
                    privacy.token_net(net.ipnet())
                } else {
                    net.target()
                }
            }
            Self::ClientIp(net) => privacy.token_net(net.ipnet()),
        }
    }

    /// Whether the rule leaves open which name was asked for, and that name may be said at all.
    /// What one customer asked for is never said, so a client-address rule names nothing.
    pub fn hit_is_worth_naming(&self) -> bool {
        match self {
            Self::QueryName(name) => &**name == "*" || name.starts_with("*."),
            Self::ServerName(_) | Self::ResponseIp(_) | Self::ServerIp(_) => true,
            Self::ClientIp(_) => false,
        }
    }

    /// The owner for people to read, without a customer's address.
    pub fn redacted(&self, privacy: &Privacy) -> String {
        let target = self.target(privacy);
        let hidden = || match target.kind() {
            v1::TargetKind::CustomerToken => Some(format!("customer:{}", target.value)),
            _ => None,
        };
        let (shown, suffix) = match self {
            Self::QueryName(name) => (name.to_string(), ""),
            Self::ServerName(name) => (name.to_string(), " rpz-nsdname"),
            Self::ResponseIp(net) => (net.to_string(), " rpz-ip"),
            Self::ServerIp(net) => (net.to_string(), " rpz-nsip"),
            Self::ClientIp(net) => (net.to_string(), " rpz-client-ip"),
        };
        format!("{}{suffix}", hidden().unwrap_or(shown))
    }
}

/// A name as a target: exact, a wildcard's subtree, everything, or a customer's token.
pub fn name_target(name: &str, privacy: &Privacy) -> v1::Target {
    use v1::TargetKind as Kind;
    if let Some(net) = customer_name(name, privacy) {
        return privacy.token_net(net.ipnet());
    }
    let below = name.strip_prefix("*.").unwrap_or(name);
    let nameable = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    let (kind, value) = if name == "*" {
        (Kind::WholeService, "*")
    } else if below.is_empty() || !below.bytes().all(nameable) {
        (Kind::NotUnderstood, "")
    } else if below.len() < name.len() {
        (Kind::DomainSubtree, name)
    } else {
        (Kind::DomainExact, name)
    };
    v1::Target { kind: kind.into(), value: value.to_owned() }
}

/// The address behind a reverse name, if it is a customer's.
fn customer_name(name: &str, privacy: &Privacy) -> Option<Net> {
    let name = name.strip_prefix("*.").unwrap_or(name);
    reverse_name(name).filter(|net| net.length() > 0 && is_customer(*net, privacy))
}

fn is_customer(net: Net, privacy: &Privacy) -> bool {
    privacy.touches_customers(net.ipnet())
}

/// As `dname_str` writes it, lower case, without the last dot.
fn logged_name(labels: &[&[u8]]) -> String {
    let mut name = String::with_capacity(labels.iter().map(|l| l.len() + 1).sum());
    for (index, label) in labels.iter().enumerate() {
        if index > 0 {
            name.push('.');
        }
        name.extend(label.iter().map(|b| match b {
            b'-' | b'_' | b'*' => char::from(*b),
            b if b.is_ascii_alphanumeric() => char::from(b.to_ascii_lowercase()),
            _ => '?',
        }));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::testing::privacy;

    fn check(zone: &str, log: &str, kind: v1::TargetKind, value: &str) {
        let labels: Vec<&[u8]> = zone.split('.').map(str::as_bytes).collect();
        let from_zone = Owner::from_labels(&labels).expect("an owner");
        assert_eq!(Owner::from_log(log).as_ref(), Some(&from_zone), "{log}");
        let target = from_zone.target(&privacy(true));
        assert_eq!(target.kind(), kind, "{zone}");
        match kind {
            v1::TargetKind::CustomerToken => assert_eq!(target.value.len(), 32, "{zone}"),
            _ => assert_eq!(target.value, value, "{zone}"),
        }
    }

    #[test]
    fn zone_file_and_log_name_the_same_rule() {
        use v1::TargetKind::*;
        check("Blocked.example", "blocked.Example.", DomainExact, "blocked.example");
        check("*.wild.example", "*.wild.example.", DomainSubtree, "*.wild.example");
        check("*", "*.", WholeService, "*");
        check("a/b.example", "a?b.example.", NotUnderstood, "");
        check("32.7.2.0.192.rpz-ip", "192.0.2.7/32", Ip, "192.0.2.7");
        check("24.0.113.0.203.rpz-nsip", "nsip 203.0.113.0/24", Cidr, "203.0.113.0/24");
        check(
            "ns.evil.example.rpz-nsdname",
            "nsdname ns.evil.example.",
            DomainExact,
            "ns.evil.example",
        );
    }

    #[test]
    fn customers_become_tokens() {
        use v1::TargetKind::CustomerToken;
        check("32.9.0.0.127.rpz-client-ip", "clientip 127.0.0.9/32", CustomerToken, "-");
        check("32.5.0.64.100.rpz-ip", "100.64.0.5/32", CustomerToken, "-");
        check("5.0.64.100.in-addr.arpa", "5.0.64.100.in-addr.arpa.", CustomerToken, "-");
    }

    #[test]
    fn redacted_text_holds_no_customer() {
        for owner in ["clientip 127.0.0.9/32", "100.64.0.5/32", "5.0.64.100.in-addr.arpa."] {
            let shown = Owner::from_log(owner).expect("an owner").redacted(&privacy(true));
            assert!(shown.starts_with("customer:"), "{shown}");
            assert!(!shown.contains("127.0.0") && !shown.contains("64.100"), "{shown}");
            assert!(!shown.contains("100.64"), "{shown}");
        }
    }
}
