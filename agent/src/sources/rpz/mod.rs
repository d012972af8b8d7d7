//! Response policy zones, whichever resolver loads them (draft-vixie-dnsop-dns-rpz): owner names,
//! actions, zone files, and the rules that they make.
//!
//! In: zone files, what the resolver says that it has loaded, and what its log lines mean
//! ([`Applied`]). Out: rules, and for each line the rule that it means.
//!
//! Not done here: reading a line or asking a resolver; each technology has its own words.
//!
//! A client's address is in no type here: a line's is stepped over by whoever reads it, and a rule's
//! own (`rpz-client-ip`) becomes a token.

pub mod action;
pub mod canary;
mod name;
mod net;
pub mod owner;
pub mod rules;
pub mod zone;

use std::path::PathBuf;

pub use self::name::Name;
use self::{
    action::{Action, Done},
    owner::{Owner, name_target},
    rules::Cause,
};
use super::{SourceContext, stamp::Stamp};
use crate::observation::{Hit, HitTarget};

/// A policy zone as the settings name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RpzZone {
    pub name: String,
    pub file: PathBuf,
    /// What the zone's lines say in brackets, with Unbound (`rpz-log-name`).
    pub log_name: Option<String>,
    /// What the resolver does instead of what the zone says.
    pub action_override: Option<Action>,
}

/// What a log line says that a policy zone did.
#[derive(Debug, PartialEq, Eq)]
pub struct Applied<'a> {
    pub stamp: Stamp,
    /// By what the line names the zone.
    pub label: Option<&'a str>,
    pub owner: Owner,
    pub done: Done,
    /// The name asked for, in any case, without the last dot.
    pub asked: &'a str,
}

/// A line as a hit of its rule, without whoever asked.
pub fn hit(applied: &Applied<'_>, cause: Cause, at_s: i64, context: &SourceContext) -> Hit {
    let named = context.privacy.hit_targets() && cause.leaves_name_open;
    let asked = || name_target(&applied.asked.to_ascii_lowercase(), &context.privacy);
    Hit {
        rule: cause.rule,
        at_s,
        count: 1,
        hit_target: named.then(asked).map(HitTarget::Target),
        response: applied.done.response(),
        other_candidates: cause.other_candidates,
    }
}

/// Names of zones as the DNS compares them (RFC 4343).
pub fn is_same_name(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}
