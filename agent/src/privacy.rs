//! What must not be written down about customers (DESIGN.md idea 8).
//!
//! In: addresses and native texts as a source reads them. Out: targets and texts in which an
//! address of a customer is a keyed token. The key is derived from the node's and stays with it;
//! the same address gives the same token on this node.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use ipnet::IpNet;
use remit_proto::v1;
use sha2::Sha256;

use crate::keys::NodeKey;

#[derive(Clone)]
pub struct Privacy {
    customer_prefixes: Vec<IpNet>,
    token_key: [u8; 32],
    hit_targets: bool,
}

impl Privacy {
    /// `hit_targets`: whether the node serves enough lines to say what was hit.
    pub fn new(customer_prefixes: Vec<IpNet>, key: &NodeKey, hit_targets: bool) -> Self {
        Self { customer_prefixes, token_key: key.derive("remit/customer-token/v1"), hit_targets }
    }

    /// Whether a hit may carry the target that was hit (at least k lines are served). The recorder
    /// drops it in any case below k; a source that asks spares itself the work.
    pub fn hit_targets(&self) -> bool {
        self.hit_targets
    }

    pub fn is_customer(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.customer_prefixes.iter().any(|prefix| prefix.contains(&address))
    }

    /// Whether four or sixteen of these bytes in a row are a customer's address.
    pub fn in_bytes(&self, bytes: &[u8]) -> bool {
        bytes.array_windows::<4>().any(|four| self.is_customer((*four).into()))
            || bytes.array_windows::<16>().any(|sixteen| self.is_customer((*sixteen).into()))
    }

    /// Whether an address that was hit may be named: never a customer's, nor one that may be, as any
    /// may where no customer prefixes of its version are known.
    pub fn may_name(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let known = self.customer_prefixes.iter().any(|p| p.addr().is_ipv4() == address.is_ipv4());
        self.hit_targets && known && !is_of_a_site(address) && !self.is_customer(address)
    }

    /// Whether any address of the prefix may be a customer's.
    pub fn touches_customers(&self, net: IpNet) -> bool {
        self.customer_prefixes.iter().any(|prefix| prefix.contains(&net) || net.contains(prefix))
    }

    /// Stands for a customer's address wherever one would be named.
    pub fn token(&self, address: IpAddr) -> v1::Target {
        self.token_of(address.to_canonical().to_string().as_bytes())
    }

    /// Stands for a prefix inside the customer prefixes.
    pub fn token_net(&self, net: IpNet) -> v1::Target {
        if net.prefix_len() == net.max_prefix_len() {
            return self.token(net.addr());
        }
        self.token_of(net.trunc().to_string().as_bytes())
    }

    /// Stands for a subscriber's line, by whatever the operator calls it.
    pub fn token_line(&self, line: &str) -> v1::Target {
        let value = self.token_of(format!("line\n{line}").as_bytes()).value;
        v1::Target { kind: v1::TargetKind::LineAccount.into(), value }
    }

    /// A native text with every customer's address or prefix replaced by `customer:<token>`, also where
    /// it stands against other words ("line:198.51.100.7"). When in doubt it is replaced.
    pub fn redact(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut after_digit = false;
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !is_address_char(c)).unwrap_or(rest.len());
            let (word, _) = rest.split_at(word);
            let taken = match self.address_in(word, after_digit) {
                Some((token, length)) => {
                    match token {
                        Some(token) => out.extend(["customer:", &token]),
                        None => out.push_str(word.get(..length).unwrap_or_default()),
                    }
                    length
                }
                None => {
                    out.push(first);
                    first.len_utf8()
                }
            };
            let (passed, next) = rest.split_at(taken);
            after_digit = passed.ends_with(|c: char| c.is_ascii_digit());
            rest = next;
        }
        out
    }

    /// The longest address or prefix at the beginning of a word, and its token if it is a customer's. One that
    /// is not is passed over only where no other can begin in it: not in IPv6, where words before a colon can
    /// look like its beginning, and not where further numbers follow (192.0.2.1/198.51.100.7).
    fn address_in(&self, word: &str, after_digit: bool) -> Option<(Option<String>, usize)> {
        if !word.contains(['.', ':']) {
            return None;
        }
        let longest = word.len().min(ADDRESS_CHARS_MAX);
        for length in (ADDRESS_CHARS_MIN..=longest).rev() {
            let candidate = word.get(..length).unwrap_or_default();
            let (is_v4, token) = if let Ok(address) = candidate.parse::<IpAddr>() {
                let token = self.is_customer(address).then(|| self.token(address).value);
                (address.is_ipv4(), token)
            } else if let Ok(net) = candidate.parse::<IpNet>() {
                let inside = self.customer_prefixes.iter().any(|prefix| prefix.contains(&net));
                // 198.51.100.7/8 says how large the network around an address is.
                let address = net.addr();
                let of_host = address != net.network() && self.is_customer(address);
                let token = inside.then(|| self.token_net(net));
                let token = token.or_else(|| of_host.then(|| self.token(address)));
                (address.is_ipv4(), token.map(|token| token.value))
            } else {
                continue;
            };
            // Not the end of a longer number: 3.0.113.9 is not in 203.0.113.9.
            let whole = is_v4 && !after_digit;
            let rest = word.get(length..).unwrap_or_default();
            let taken = match token {
                Some(_) => whole || !is_v4,
                None => whole && !number_follows(rest),
            };
            if taken {
                return Some((token, length));
            }
        }
        None
    }

    fn token_of(&self, bytes: &[u8]) -> v1::Target {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.token_key)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(bytes);
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        let value = tag.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        v1::Target { kind: v1::TargetKind::CustomerToken.into(), value }
    }
}

/// Means something only at one site, where it is most often a subscriber's or a host of the
/// operator's own: RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291 (link-local).
pub(crate) fn is_of_a_site(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let shared = matches!(address.octets(), [100, 64..=127, ..]);
            address.is_private() || address.is_link_local() || shared
        }
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// Where in the packet's way a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    Ingress,
    Prerouting,
    Forward,
    Postrouting,
    Egress,
    Input,
    Output,
}

impl Hook {
    /// Traffic of others needs a basis and is judged; what a node drops for its own sake is counted
    /// (DESIGN.md idea 9). Hooks that see both are judged: a block must not hide behind them.
    pub fn is_judged(self) -> bool {
        match self {
            Self::Ingress | Self::Prerouting | Self::Forward | Self::Postrouting | Self::Egress => {
                true
            }
            Self::Input | Self::Output => false,
        }
    }
}

fn number_follows(rest: &str) -> bool {
    rest.strip_prefix('.').unwrap_or(rest).starts_with(|c: char| c.is_ascii_digit())
}

fn is_address_char(c: char) -> bool {
    c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '/')
}

/// "::"
const ADDRESS_CHARS_MIN: usize = 2;
/// An IPv6 address with an IPv4 tail and a prefix length.
const ADDRESS_CHARS_MAX: usize = 49;

#[cfg(test)]
mod tests {
    use super::*;

    fn privacy() -> Privacy {
        let prefixes = vec!["198.51.100.0/24".parse().unwrap(), "2001:db8:c::/48".parse().unwrap()];
        Privacy::new(prefixes, &NodeKey::from_secret([7; 32]), true)
    }

    #[test]
    fn a_customer_address_never_survives_redaction() {
        for text in [
            "ip saddr 198.51.100.7 drop",
            "198.51.100.7",
            "{198.51.100.7,198.51.100.9}",
            "198.51.100.7:443",
            "from 198.51.100.7.",
            "ip saddr 198.51.100.0/28 drop",
            "ip6 saddr 2001:db8:c::7 drop",
            "2001:db8:c:1::/64",
            "line:198.51.100.7",
            "line::198.51.100.7",
            "a198.51.100.7",
            "line2001:db8:c::7",
            "id:2001:db8:c::7",
            ":198.51.100.0/24",
            "198.51.100.0/24.",
            "198.51.100.7/32,",
            "[2001:db8:c::7]:443",
            "203.0.113.9/198.51.100.7",
            "198.51.100.7/255.255.255.0",
            "198.51.100.7/8",
            "20.198.51.100.7",
            "203.0.113.9-198.51.100.7",
            "::ffff:198.51.100.7",
            "::ffff:198.51.100.0/120",
            "2001:db8:c::7/16",
            "2001:db8::-2001:DB8:C::7",
        ] {
            let redacted = privacy().redact(text);
            assert!(redacted.contains("customer:"), "{redacted}");
            let lower = redacted.to_lowercase();
            assert!(!lower.contains("198.51.100") && !lower.contains("db8:c"), "{redacted}");
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in [
            "ip daddr 203.0.113.9 tcp dport 443 drop # déjà",
            "a:b/c.d",
            "::",
            "",
            "198.51.0.0/16 2001:db8::/32",
            "1198.51.100.7",
            "203.0.113.9/24 203.0.113.9/192.0.2.1 198.0.0.0/8",
            "192.0.2.1.100.7",
        ] {
            assert_eq!(privacy().redact(text), text);
        }
    }

    #[test]
    fn addresses_are_seen_among_bytes() {
        let six = "2001:db8:c::7".parse::<std::net::Ipv6Addr>().unwrap().octets();
        assert!(privacy().in_bytes(&[0, 198, 51, 100, 7]) && privacy().in_bytes(&six));
        assert!(!privacy().in_bytes(&[198, 51, 100]) && !privacy().in_bytes(&six[..15]));
    }

    #[test]
    fn a_token_is_stable_and_says_nothing() {
        let address: IpAddr = "198.51.100.7".parse().unwrap();
        let mapped: IpAddr = "::ffff:198.51.100.7".parse().unwrap();
        let token = privacy().token(address);
        assert_eq!(token, privacy().token(mapped));
        assert_eq!(token.value.len(), 32);
        assert!(privacy().is_customer(mapped));
        assert_ne!(token, privacy().token("198.51.100.8".parse().unwrap()));
    }
}
