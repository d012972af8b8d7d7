//! Names that are nobody's to block.

/// Names that no one outside can own, which a resolver rightly keeps to itself: RFC 6761, 6762, 7686,
/// 8375, 9476; the reverse names of private addresses (RFC 6303); `lan`, the default of OpenWrt.
pub fn is_private(name: &str) -> bool {
    const NAMES: [&str; 22] = [
        "localhost",
        "invalid",
        "test",
        "local",
        "onion",
        "home.arpa",
        "alt",
        "internal",
        "lan",
        "localdomain",
        "ip6-localhost",
        "ip6-loopback",
        "10.in-addr.arpa",
        "168.192.in-addr.arpa",
        "254.169.in-addr.arpa",
        "127.in-addr.arpa",
        "0.in-addr.arpa",
        "d.f.ip6.arpa",
        "8.e.f.ip6.arpa",
        "9.e.f.ip6.arpa",
        "a.e.f.ip6.arpa",
        "b.e.f.ip6.arpa",
    ];
    let name = name.trim_start_matches("*.");
    let inside = |zone: &str| {
        name.strip_suffix(zone).is_some_and(|front| front.is_empty() || front.ends_with('.'))
    };
    // 172.16.0.0/12
    let sixteen = (16..32).any(|n| inside(&format!("{n}.172.in-addr.arpa")));
    sixteen || NAMES.into_iter().any(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_names_are_whole_labels() {
        for name in ["lan", "nas.lan", "*.lan", "1.16.172.in-addr.arpa", "2.0.10.in-addr.arpa"] {
            assert!(is_private(name), "{name}");
        }
        for name in ["milan", "example.org", "15.172.in-addr.arpa", "lan.example", "#"] {
            assert!(!is_private(name), "{name}");
        }
    }
}
