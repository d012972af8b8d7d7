//! What a rule claims, who made it as far as it says, and its text without customers.
//!
//! The nearest carrier speaks: an element's comment, the rule's comment, the prefix of its log;
//! then what the basis map says about its mark, its comment, its set, its chain. A carrier that
//! says `remit=` and then something that is no claim claims nothing, and nobody further away
//! speaks for it.
//!
//! The kernel does not say who made a rule. A carrier may (`actor=vendor`); else it is the actor
//! that the node's settings give, by default the operator's staff: whoever may write rules on an
//! operator's router acts for the operator until the rule says otherwise.

use evidence::{Claim, claim::carried};
use remit_proto::v1::{Actor, ClaimOrigin};

use crate::{
    privacy::Privacy,
    rules::nftables::{DropPath, Family},
    sources::SourceContext,
};

/// Longer texts are cut: no rule that a person reads is longer.
const NATIVE_MAX: usize = 2048;

/// Where a rule of nftables says what it rests on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carriers<'a> {
    pub(super) path: &'a DropPath,
    /// Name of the set that names the target, unless it is written in the rule.
    pub(super) set: Option<&'a str>,
    /// Comment of the element.
    pub(super) element: Option<&'a str>,
}

impl Carriers<'_> {
    pub(super) fn claims(&self, context: &SourceContext) -> (Vec<Claim>, ClaimOrigin) {
        let spoken = self.texts().map(carried).find(|f| f.not_understood || !f.claims.is_empty());
        let (claims, origin) = match spoken {
            Some(found) => (found.claims, ClaimOrigin::Carried),
            None => (self.mapped(context), ClaimOrigin::Mapped),
        };
        if claims.is_empty() { (claims, ClaimOrigin::None) } else { (claims, origin) }
    }

    pub(super) fn actor(&self, default: Actor) -> Actor {
        self.texts().find_map(actor).unwrap_or(default)
    }

    /// From the nearest to the furthest. A log that is not about these packets alone says nothing
    /// about them.
    fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let rule = self.path.rule.handle;
        let logs = self.path.logs.iter();
        let own = logs.filter(move |log| log.exact || log.limited || log.handle == rule);
        let comments = [self.element, self.path.comment.as_deref()].into_iter().flatten();
        comments.map(str::as_bytes).chain(own.map(|log| log.prefix.as_slice()))
    }

    fn mapped(&self, context: &SourceContext) -> Vec<Claim> {
        let rule = &self.path.rule;
        let place = format!("{}/{}", family_word(rule.family), rule.table);
        let selectors = [
            self.path.mark_required.map(|mark| format!("mark:{mark:#x}")),
            self.element.map(|comment| format!("comment:{comment}")),
            self.path.comment.as_ref().map(|comment| format!("comment:{comment}")),
            self.set.map(|set| format!("set:{place}/{set}")),
            Some(format!("chain:{place}/{}", rule.chain)),
        ];
        let mut found = selectors.into_iter().flatten().map(|selector| (context.mapped)(&selector));
        found.find(|claims| !claims.is_empty()).unwrap_or_default()
    }
}

/// The word behind `actor=`, if it is one that we know.
fn actor(text: &[u8]) -> Option<Actor> {
    let text = String::from_utf8_lossy(text);
    let mut words = text.split([' ', ';', ',', ']', '"']);
    let word = words.find_map(|word| word.strip_prefix("actor="))?;
    match word {
        "staff" => Some(Actor::OperatorStaff),
        "automation" => Some(Actor::OperatorAutomation),
        "vendor" => Some(Actor::Vendor),
        "upstream" => Some(Actor::UpstreamProvider),
        "government_box" => Some(Actor::GovernmentBox),
        "customer" => Some(Actor::Customer),
        _ => Some(Actor::Unknown),
    }
}

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
    let mut text = privacy.redact(&without_raw_customers(text, privacy));
    if text.len() > NATIVE_MAX {
        let cut = (0..=NATIVE_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
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
    let digits: Vec<u8> = word.bytes().skip(2).filter_map(|b| (b as char).to_digit(16)).map(|d| d as u8).collect();
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |n, d| n << 4 | d)).collect();
    let v4 = bytes.array_windows::<4>().any(|w| privacy.is_customer((*w).into()));
    v4 || bytes.array_windows::<16>().any(|w| privacy.is_customer((*w).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::nftables::testing::privacy;

    #[test]
    fn actors_are_named_or_unknown() {
        assert_eq!(actor(b"remit=a actor=vendor"), Some(Actor::Vendor));
        assert_eq!(actor(b"actor=government_box;x"), Some(Actor::GovernmentBox));
        assert_eq!(actor(b"actor=somebody"), Some(Actor::Unknown));
        assert_eq!(actor(b"factor=vendor"), None);
    }

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
        }
        assert_eq!(native("meta mark 0x2a drop", &privacy(true)), "meta mark 0x2a drop");
        assert!(native(&"é".repeat(3000), &privacy(true)).len() < 2060);
    }
}
