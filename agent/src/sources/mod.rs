//! Filter technologies, one folder each: what it does becomes [`Report`]s.
//!
//! In: a kernel socket, a log file, a control socket, and the [`SourceContext`] that the agent gives
//! every source. Out: reports, in order, over one bounded channel to the recorder; rules before the
//! hits that name them.
//!
//! Promised here: a source drops client addresses before a report exists; it never stops because of
//! what it reads; it ends when the stop flag is set or the recorder is gone.
//!
//! Not done here: no leaf, no index, no salt, no file written.

pub mod actor;
pub mod import;
pub mod nflog;
pub mod nftables;
pub mod registry;
pub mod unbound_rpz;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use evidence::Claim;
use remit_proto::v1::Actor;

use crate::{
    observation::{Cursor, Report, RuleNumber},
    privacy::Privacy,
};

/// What the agent gives to a source. Everything that a source cannot know by itself is in here, so
/// that a source is tested without a recorder, a clock or a key.
#[derive(Clone)]
pub struct SourceContext {
    /// To the recorder; waits while the channel is full, which is the natural brake for files.
    pub send: SendReport,
    /// Seconds since 1970.
    pub now_s: fn() -> i64,
    /// The opaque number of the rule with this key text (see [`RuleNumber`]).
    pub rule_number: Arc<dyn Fn(&str) -> RuleNumber + Send + Sync>,
    /// The basis map of the node: what it says about a selector ("zone:rpz.example.org"); empty if
    /// it says nothing.
    pub mapped: LookUpClaims,
    pub privacy: Arc<Privacy>,
    /// Of rules that do not say who made them.
    pub default_actor: Actor,
    pub stop: Arc<AtomicBool>,
    /// Where the last durable record of this source stands; `None` on the first start.
    pub resume: Option<Resume>,
}

/// Finds what the basis map says about a selector.
pub type LookUpClaims = Arc<dyn Fn(&str) -> Vec<Claim> + Send + Sync>;

/// Hands one report to the recorder.
pub type SendReport = Arc<dyn Fn(Report) -> Result<(), RecorderGone> + Send + Sync>;

/// Where a source stood when the agent last recorded something of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    pub cursor: Cursor,
    /// Time of that record: what is lost since then, is lost from here on.
    pub at_s: i64,
}

impl SourceContext {
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The other end of the channel is closed: the agent is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the recorder has stopped")]
pub struct RecorderGone;
