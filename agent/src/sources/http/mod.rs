//! What Squid and nginx have in common: lists of hosts that are refused, and lines of a log that say
//! which list refused which host.
//!
//! In: the lists as the program's own configuration has them, and the fields of a line. Out: rules, and
//! the rule of each line.
//!
//! Promised here:
//! - An entry of a list is a rule with its own target. A line belongs to the entry by which the
//!   program refused the host: the exact name, else the longest suffix.
//! - A line that names a list which is not known, or claims what no list claims, makes a rule of its
//!   own from what it says; its target is not known, the host that was hit is beside it.
//! - A line that names no list leaves the host alone as target, and no claim. Below k lines even the
//!   host is left out.
//! - Lines make no more than [`LINE_RULES_MAX`] rules: whoever asks a proxy for ever new names does
//!   not fill the node's memory. What comes after them is one rule without a target.

pub mod book;
pub mod fields;
#[cfg(test)]
pub mod testing;

pub use self::book::{Book, Deed, LINE_RULES_MAX, Listed, Pattern, Read};
