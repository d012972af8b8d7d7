//! Addresses as RPZ owner names and log lines write them, and as targets do.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use remit_proto::v1;

/// A prefix with its host bits zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Net {
    address: IpAddr,
    length: u8,
}

impl Net {
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(a) => {
                let mask = mask(u128::from(u32::MAX), 32, length)?;
                IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & mask as u32))
            }
            IpAddr::V6(a) => {
                IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & mask(u128::MAX, 128, length)?))
            }
        };
        Some(Self { address, length })
    }

    /// "192.0.2.0/24", as Unbound's log writes it (`log_rpz_apply` in services/rpz.c).
    pub fn from_log(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        Self::new(address.parse().ok()?, length.parse().ok()?)
    }

    /// The labels before `rpz-ip`: prefix length, then the address backwards; for IPv6 hextets,
    /// `zz` standing for `::` (draft-vixie-dnsop-dns-rpz, section 4.1.1). Unbound takes five labels
    /// without `zz` for IPv4 (`ipdnametoaddr` in util/net_help.c), and so does this.
    pub fn from_labels(labels: &[&[u8]]) -> Option<Self> {
        let (length, groups) = labels.split_first()?;
        let length: u8 = digits(length, 10)?.try_into().ok()?;
        if groups.len() == 4 && !groups.iter().any(|g| g.eq_ignore_ascii_case(b"zz")) {
            let mut bytes = [0u8; 4];
            for (byte, group) in bytes.iter_mut().rev().zip(groups) {
                *byte = digits(group, 10)?.try_into().ok()?;
            }
            return Self::new(IpAddr::from(bytes), length);
        }
        let mut hextets = Vec::with_capacity(8);
        let mut gap = false;
        for group in groups {
            if group.eq_ignore_ascii_case(b"zz") {
                // A second "::", or one that stands for nothing.
                let missing = 9usize.checked_sub(groups.len()).filter(|m| *m > 0 && !gap)?;
                gap = true;
                hextets.resize(hextets.len() + missing, 0);
            } else {
                hextets.push(digits(group, 16)?);
            }
        }
        hextets.reverse();
        let hextets: [u16; 8] = hextets.try_into().ok()?;
        Self::new(IpAddr::from(hextets), length)
    }

    pub fn length(self) -> u8 {
        self.length
    }

    /// For comparison with the customer prefixes: canonical.
    pub fn ipnet(self) -> IpNet {
        let Self { address, length } = self.canonical();
        // The length fits: `new` has checked it. A whole address is the careful reading otherwise.
        IpNet::new(address, length).unwrap_or_else(|_| address.into())
    }

    /// `ip` or `cidr`; an IPv4-mapped IPv6 prefix is the IPv4 prefix.
    pub fn target(self) -> v1::Target {
        let Self { address, length } = self.canonical();
        let single = length == if address.is_ipv4() { 32 } else { 128 };
        let (kind, value) = if single {
            (v1::TargetKind::Ip, address.to_string())
        } else {
            (v1::TargetKind::Cidr, format!("{address}/{length}"))
        };
        v1::Target { kind: kind.into(), value }
    }

    /// The same prefix, as IPv4 where it is an IPv4-mapped one.
    fn canonical(self) -> Self {
        match (self.address, self.length) {
            (IpAddr::V6(v6), 96..) => match v6.to_ipv4_mapped() {
                Some(v4) => Self { address: IpAddr::V4(v4), length: self.length - 96 },
                None => self,
            },
            _ => self,
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

fn mask(all: u128, bits: u8, length: u8) -> Option<u128> {
    let host = bits.checked_sub(length)?;
    Some(all & all.checked_shl(u32::from(host)).unwrap_or(0))
}

/// One to four digits and nothing else: no sign, no space.
fn digits(label: &[u8], radix: u32) -> Option<u16> {
    if label.is_empty() || label.len() > 4 || !label.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(label).ok()?, radix).ok()
}

/// The address that a name below in-addr.arpa or ip6.arpa stands for, as far as it says one: a
/// reverse name names a customer as surely as his address does.
pub(super) fn reverse_name(name: &str) -> Option<Net> {
    if let Some(rest) = name.strip_suffix(".in-addr.arpa") {
        let mut bytes = [0u8; 4];
        let mut count = 0usize;
        for (byte, label) in bytes.iter_mut().zip(rest.rsplit('.')) {
            let Ok(value) = label.parse() else { break };
            *byte = value;
            count += 1;
        }
        return Net::new(IpAddr::from(bytes), u8::try_from(count * 8).ok()?);
    }
    let rest = name.strip_suffix(".ip6.arpa")?;
    let mut bits = 0u128;
    let mut count = 0u8;
    for label in rest.rsplit('.').take(32) {
        let mut chars = label.chars();
        let (Some(digit), None) = (chars.next().and_then(|c| c.to_digit(16)), chars.next()) else {
            break;
        };
        bits |= u128::from(digit) << (124 - 4 * u32::from(count));
        count += 1;
    }
    Net::new(IpAddr::V6(Ipv6Addr::from_bits(bits)), count * 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(owner: &str, want: &str) {
        let labels: Vec<&[u8]> = owner.split('.').map(str::as_bytes).collect();
        let shown = Net::from_labels(&labels).map_or("none".to_owned(), |n| n.to_string());
        assert_eq!(shown, want, "{owner}");
    }

    #[test]
    fn owners_of_unbounds_own_tests() {
        check("8.0.0.0.10", "10.0.0.0/8");
        check("24.0.10.10.10", "10.10.10.0/24");
        check("32.1.1.1.10", "10.1.1.1/32");
        check("32.zz.db8.2001", "2001:db8::/32");
        check("48.zz.aa.db8.2001", "2001:db8:aa::/48");
        check("128.1.zz.cc.bb.aa.db8.2001", "2001:db8:aa:bb:cc::1/128");
        check(
            "128.124.0.0.cc.bb.aa.db8.2001",
            "2001:db8:aa:bb:cc:0:0:124/128".replace(":0:0:", "::").as_str(),
        );
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for owner in ["", "33.1.2.0.192", "24.0.0.192", "129.zz.1", "32.1.2.3.256", "8.zz.zz.1"] {
            check(owner, "none");
        }
        check("32.+1.2.0.192", "none");
        check("24.1.2.3.4.5.6.7.8.9", "none");
    }

    #[test]
    fn host_bits_are_zero_and_mapped_addresses_are_ipv4() {
        check("24.7.2.0.192", "192.0.2.0/24");
        let mapped = Net::from_log("::ffff:192.0.2.7/128").expect("a prefix");
        assert_eq!(mapped.target().value, "192.0.2.7");
        let all = Net::from_log("0.0.0.0/0").expect("a prefix");
        assert_eq!(all.target().value, "0.0.0.0/0");
    }

    #[test]
    fn reverse_names_are_addresses() {
        let shown = |name| reverse_name(name).map(|n| n.to_string());
        assert_eq!(shown("9.2.0.192.in-addr.arpa").as_deref(), Some("192.0.2.9/32"));
        assert_eq!(shown("2.0.192.in-addr.arpa").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(shown("8.b.d.0.1.0.0.2.ip6.arpa").as_deref(), Some("2001:db8::/32"));
        assert_eq!(shown("example.org"), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(labels in proptest::collection::vec(any::<Vec<u8>>(), 0..12), text: String) {
            let labels: Vec<&[u8]> = labels.iter().map(Vec::as_slice).collect();
            let _ = Net::from_labels(&labels);
            let _ = Net::from_log(&text);
            let _ = reverse_name(&text);
            let _ = reverse_name(&format!("{text}.ip6.arpa"));
        }

        #[test]
        fn log_form_round_trips(bits: u128, length in 0u8..=128) {
            let net = Net::new(IpAddr::V6(Ipv6Addr::from_bits(bits)), length).expect("a prefix");
            prop_assert_eq!(Net::from_log(&net.to_string()), Some(net));
        }
    }
}
