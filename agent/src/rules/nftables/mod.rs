//! nftables: which rules exist that drop, reject or divert packets, as the kernel holds them.
//!
//! In: the nf_tables state of the network namespace that the calling thread is in, over raw
//! netlink. `nft` is not run: listing a set of a hundred thousand elements with it takes 140 MB,
//! and no router has that. Rules of iptables-nft are nf_tables rules and are read alike.
//!
//! Out, in plain values ([`Ruleset`], [`Element`], [`Generation`]): every dropping, rejecting or
//! diverting rule once for each way from a base chain to it, with the conditions on that way, what logs and
//! counts it and the comment it carries; chains whose policy drops; counters; set elements, one by
//! one; and word of each commit.
//!
//! Promised:
//! - A ruleset is one generation, whole, or [`ReadError::NotStable`]. Never a part.
//! - A rule that drops is listed, even if a condition of it could not be read; that condition is
//!   then in `not_understood`, with its raw bytes.
//! - Nothing is written to the kernel. Messages that reset counters cannot be built.
//! - Nothing that the kernel or another program's ruleset contains makes this panic or loop.
//!
//! | file | idea |
//! |---|---|
//! | `model` | what is known, no netlink |
//! | `read`, `exchange` | the consistent read |
//! | `watch` | commits, as they happen |
//! | `follow` | from base chains over jumps to drops |
//! | `expr`, `fields`, `xt` | one rule's expressions as named conditions |
//! | `elements` | intervals and keys of sets |
//! | `snapshot`, `wire` | bytes to objects |
//! | `render` | a rule as text |
//!
//! Not done here: what a rule *claims* (comments and prefixes are handed on as they are), which
//! packet met which rule, what changed between two generations. Not read: flowtables, ipset
//! contents behind `xt match set`, rules of iptables-legacy (they are not in nf_tables).
//!
//! Sources: `linux/netfilter/nf_tables.h`, `linux/netfilter/nf_tables_compat.h`,
//! `linux/netfilter/nfnetlink.h`, kernel `net/netfilter/nf_tables_api.c`.

mod elements;
mod exchange;
mod expr;
mod fields;
mod follow;
mod model;
mod read;
mod render;
mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod watch;
mod wire;
mod xt;

pub use elements::{Endpoint, cidrs, intervals};
pub use exchange::ReadError;
pub use model::{
    Action, AddrSet, BaseChain, Count, CounterUse, DropPath, Element, Family, Field, Generation,
    Hook, KeyField, Log, Match, NamedCounter, PolicyDrop, PortSet, RejectWith, RuleId, Ruleset,
    SetInfo, SetRef, Side, Throttle, Verdict, Way,
};
pub use read::{ElementsRead, Reader, ruleset_of};
pub use watch::{Watch, WatchError, generation};
