//! Who is said to have made a rule: what its carrier says (`actor=vendor`), else what the node's
//! settings say of all rules that do not (`default_actor`). Neither kernel nor resolver knows it.

use remit_proto::v1::Actor;

/// The actor of a word, as in DOMAIN.md: `operator_staff`, `operator_automation`, `vendor`,
/// `upstream_provider`, `government_box`, `customer`, `unknown`.
pub fn parse(word: &str) -> Option<Actor> {
    if word.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let actor = Actor::from_str_name(&format!("{PREFIX}{}", word.to_ascii_uppercase()))?;
    (actor != Actor::Unspecified).then_some(actor)
}

pub fn word(actor: Actor) -> String {
    actor.as_str_name().trim_start_matches(PREFIX).to_ascii_lowercase()
}

/// The word behind `actor=` in a text that a rule carries. One that we do not know is somebody whom
/// we do not know: the default must not speak for it.
pub fn carried(text: &[u8]) -> Option<Actor> {
    let text = String::from_utf8_lossy(text);
    let ends = |c: char| c.is_whitespace() || c.is_control() || ";,]\"".contains(c);
    let mut words = text.split(ends);
    let word = words.find_map(|word| word.strip_prefix("actor="))?;
    Some(parse(word).unwrap_or(Actor::Unknown))
}

const PREFIX: &str = "ACTOR_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actors_are_named_or_unknown() {
        assert_eq!(carried(b"remit=a actor=vendor"), Some(Actor::Vendor));
        assert_eq!(carried(b"actor=government_box;x"), Some(Actor::GovernmentBox));
        assert_eq!(carried(b" remit=a actor=vendor\n"), Some(Actor::Vendor));
        assert_eq!(carried(b"actor=somebody"), Some(Actor::Unknown));
        assert_eq!(carried(b"factor=vendor"), None);
    }

    #[test]
    fn every_actor_has_one_word() {
        for number in 1..=7 {
            let actor = Actor::try_from(number).expect("an actor");
            assert_eq!(parse(&word(actor)), Some(actor));
        }
        assert_eq!(Actor::try_from(8).ok(), None, "a new actor needs its word in the settings");
        for wrong in ["", "unspecified", "Vendor", "staff"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
