//! The real kernel and the real tools: rules are loaded by `nft` and `iptables-nft` into a network
//! namespace and must read back as what they mean.

mod iptables;
mod sets;
mod shapes;
mod stability;

use super::testing::{in_namespace, nft, run};
use super::*;

fn read() -> Ruleset {
    Reader::open().expect("a socket").read_ruleset().expect("a stable ruleset")
}

/// Conditions, action, and what was not understood (by its first word) of one way to a drop.
fn describe(path: &DropPath) -> String {
    let mut parts: Vec<_> = path.matches.iter().map(Match::to_string).collect();
    for what in &path.not_understood {
        let name: Vec<_> = what.split(' ').take_while(|word| !word.starts_with("0x")).collect();
        parts.push(format!("? {}", name.join(" ")));
    }
    if path.limit {
        parts.push("limited".into());
    }
    let action = match path.action {
        Action::Drop => "drop".into(),
        Action::Divert => "divert".into(),
        Action::Reject { with, code } => format!("{with:?} {code}"),
    };
    format!("{} -> {action}", parts.join(", "))
}

/// Like [`describe`], for the whole ruleset.
fn described() -> Vec<String> {
    read().drops.iter().map(describe).collect()
}
