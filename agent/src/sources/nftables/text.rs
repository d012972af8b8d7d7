//! Rules as text: for people, without customers, and as keys.

use crate::{
    privacy::Privacy,
    rules::nftables::{Action, AddrSet, DropPath, Element, Family, KeyField, Match, PortSet},
};

/// Longer texts are cut: no rule that a person reads is longer.
const NATIVE_MAX: usize = 2048;

/// "inet", as nft writes it.
pub(super) fn family_word(family: Family) -> String {
    match family {
        Family::Inet => "inet".into(),
        Family::Ip => "ip".into(),
        Family::Arp => "arp".into(),
        Family::Netdev => "netdev".into(),
        Family::Bridge => "bridge".into(),
        Family::Ip6 => "ip6".into(),
        Family::Other(number) => format!("family{number}"),
    }
}

/// A native text as it may be written down: without customers' addresses, also where they stand
/// as raw bytes of a condition that was not understood, and not too long.
pub(super) fn native(text: &str, privacy: &Privacy) -> String {
    let mut text = without_customers(text, privacy);
    if text.len() > NATIVE_MAX {
        let cut = (0..=NATIVE_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// Whether an address of a customer stands in a text.
pub(super) fn says_customer(text: &str, privacy: &Privacy) -> bool {
    without_customers(text, privacy) != text
}

fn without_customers(text: &str, privacy: &Privacy) -> String {
    privacy.redact(&without_raw_customers(text, privacy))
}

/// Hexadecimal words in which four or sixteen bytes are a customer's address.
fn without_raw_customers(text: &str, privacy: &Privacy) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("0x") {
        let (before, hex) = rest.split_at(at);
        out.push_str(before);
        let digits = hex.bytes().skip(2).take_while(u8::is_ascii_hexdigit).count();
        let (word, after) = hex.split_at(2 + digits);
        out.push_str(if holds_customer(word, privacy) { "0x(customer)" } else { word });
        rest = after;
    }
    out.push_str(rest);
    out
}

fn holds_customer(word: &str, privacy: &Privacy) -> bool {
    let digits = word.bytes().skip(2).filter_map(|b| (b as char).to_digit(16)).map(|d| d as u8);
    // Of a number, as a mark, the first digit may be left out.
    let left_out = (word.len() % 2 == 1).then_some(0);
    let digits: Vec<u8> = left_out.into_iter().chain(digits).collect();
    let bytes: Vec<u8> =
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |n, d| n << 4 | d)).collect();
    privacy.in_bytes(&bytes)
}

pub(super) fn action_word(action: Action) -> &'static str {
    match action {
        Action::Drop => "drop",
        Action::Reject { .. } => "reject",
        Action::Divert => "divert",
    }
}

/// The conditions as a key: anonymous sets have numbers that say nothing.
pub(super) fn conditions_text(path: &DropPath) -> String {
    let mut text = String::new();
    for condition in &path.matches {
        let set = match condition {
            Match::Address { set: AddrSet::Named(set), .. } | Match::Member { set, .. } => {
                Some(set)
            }
            Match::Port { set: PortSet::Named(set), .. } => Some(set),
            _ => None,
        };
        let mut said = condition.to_string();
        if let Some(set) = set.filter(|set| set.anonymous) {
            said = said.replace(&set.name, "");
        }
        text.push_str(&said);
        text.push(',');
    }
    for what in &path.not_understood {
        text.push_str(what);
        text.push(',');
    }
    text
}

pub(super) fn element_text(element: &Element) -> String {
    let fields = |fields: &[KeyField]| {
        let fields: Vec<_> = fields.iter().map(key_text).collect();
        fields.join(" . ")
    };
    let low = fields(&element.low);
    if element.low == element.high { low } else { format!("{low}-{}", fields(&element.high)) }
}

fn key_text(field: &KeyField) -> String {
    match field {
        KeyField::Address(address) => address.to_string(),
        KeyField::Protocol(protocol) => format!("protocol {protocol}"),
        KeyField::Port(port) => port.to_string(),
        KeyField::Mark(mark) => format!("{mark:#x}"),
        KeyField::Interface(name) => format!("{name:?}"),
        KeyField::Other(bytes) => {
            bytes.iter().fold(String::from("0x"), |text, byte| format!("{text}{byte:02x}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keys::NodeKey, sources::nftables::testing::privacy};

    #[test]
    fn customers_are_in_no_text_not_even_as_bytes() {
        for text in [
            "ip saddr 100.64.0.7 drop",
            "ip saddr 100.64.0.7-100.64.0.9 drop",
            "[not understood: ct == 0x64400007] drop",
            "[not understood: ct == 0x000064400007ffff] drop",
        ] {
            let shown = native(text, &privacy(true));
            assert!(shown.contains("customer"), "{shown}");
            assert!(!shown.contains("100.64") && !shown.contains("644000"), "{shown}");
            assert!(says_customer(text, &privacy(true)), "{text}");
        }
        let customers = vec!["10.0.0.0/24".parse().expect("a prefix")];
        let customers = Privacy::new(customers, &NodeKey::from_secret([7; 32]), true);
        assert_eq!(native("meta mark 0xa000007", &customers), "meta mark 0x(customer)");
        assert!(!says_customer("meta mark 0x2a drop", &privacy(true)));
        assert_eq!(native("meta mark 0x2a drop", &privacy(true)), "meta mark 0x2a drop");
        assert!(native(&"é".repeat(3000), &privacy(true)).len() < 2060);
    }
}
