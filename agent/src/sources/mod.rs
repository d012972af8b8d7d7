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
pub mod bind_rpz;
pub mod dnsmasq;
pub mod follow;
pub mod http;
pub mod import;
pub mod iptables_legacy;
pub mod jsonl;
pub mod knot;
pub mod names;
pub mod nflog;
pub mod nftables;
pub mod nginx;
pub mod pdns;
pub mod person;
pub mod raw_log;
pub mod registry;
pub mod routes;
pub mod rpz;
pub mod squid;
pub mod stamp;
pub mod stream;
pub mod tail;
#[cfg(test)]
pub mod testing;
pub mod unbound_rpz;
pub mod web;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use evidence::Claim;
use remit_proto::v1::{Actor, SourceKind};

use crate::{
    config::Check,
    doctor::Finding,
    observation::{Cursor, Report, RuleNumber},
    privacy::Privacy,
    sources::raw_log::RawLog,
};

/// A filter technology: how its section of the configuration becomes a source.
pub struct Technology {
    pub kind: SourceKind,
    /// `None`, with mistakes: the section is wrong.
    pub read: fn(toml::Table, &mut Check<'_>) -> Option<Arc<dyn Source>>,
}

/// One source of this node, as the configuration has it; nothing runs yet.
pub trait Source: fmt::Debug + Send + Sync {
    fn kind(&self) -> SourceKind;
    /// Its section of the configuration, defaults included, which reads back to it.
    fn section(&self) -> toml::Table;
    /// The file that it reads on after a restart.
    fn file(&self) -> Option<&Path> {
        None
    }
    /// Every file that it opens while it runs: to others the agent has no access (`confinement`).
    fn files(&self) -> Vec<FileUse>;
    /// What another program writes down for it, with more in it than is recorded (`raw_log`).
    fn raw_log(&self) -> RawLog;
    /// The NFLOG groups that it reads: by these a self-test reaches it.
    fn nflog_groups(&self) -> &[u16] {
        &[]
    }
    /// The paths of its policy zones' canaries, as a `Seal` names them: by these a self-test sees it at work.
    fn canary_paths(&self) -> Vec<Arc<str>> {
        Vec::new()
    }
    /// At work, on a thread of its own, until the stop flag is set or the recorder is gone.
    fn run(self: Arc<Self>, context: SourceContext) -> Result<(), SourceError>;
    /// Looks at everything that it needs, as the agent would, and changes nothing.
    fn examine(&self, context: &SourceContext) -> Vec<Finding>;
}

/// A file that a source opens while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileUse {
    Read(PathBuf),
    /// A socket that it makes and removes.
    Listen(PathBuf),
}

/// Why a source ended that was not told to. An agent that goes on without it would look healthy
/// and see nothing, so the process stops.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The technology's own error says what an operator does about it.
    #[error("{0} cannot be observed")]
    Failed(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the source {0} ended by a defect")]
    Defect(String),
}

/// What the configuration calls a technology: "nftables", "unbound_rpz".
pub fn word(kind: SourceKind) -> String {
    let name = kind.as_str_name();
    name.strip_prefix("SOURCE_KIND_").unwrap_or(name).to_ascii_lowercase()
}

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
