//! The one type that every source produces: what a source tells the recorder.
//!
//! In: nothing; this file is vocabulary. A source (one folder under `sources/`, one thread) sends
//! [`Report`]s over one bounded channel; the recorder, the only giver of leaf indexes, receives
//! them in order. Rules arrive before the hits that name them.
//!
//! Privacy by construction: no field here can hold a client's address. A hit names the rule and, at
//! most, the target that was hit.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, mpsc::SyncSender},
};

use evidence::{Claim, PersonId};
use remit_proto::v1;

/// Node-local, opaque number of a rule. Derived, so that it survives restarts without being stored:
/// the first 64 bits of SHA-256("remit/rule/v1\n" ‖ generation secret ‖ the source's own key text).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleNumber(pub u64);

/// One thing that blocks: a rule, one element of a rule's set, one owner name of an RPZ zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRule {
    pub number: RuleNumber,
    pub technique: v1::Technique,
    pub trigger: v1::Trigger,
    pub direction: v1::Direction,
    pub actor: v1::Actor,
    pub claims: Vec<Claim>,
    /// `None` exactly where there is no claim.
    pub claim_origin: v1::ClaimOrigin,
    /// Conditions beyond the target narrow the match.
    pub narrowed: bool,
    /// What it hit is known of a sample of its hits alone.
    pub names_sampled: bool,
    /// Of a rule that slows down: what it leaves; `None`: not known.
    pub rate_bits_per_s: Option<u64>,
    /// The separate counter that counts this rule's hits; several rules may share one (all elements
    /// of a set under the rule's counter).
    pub counter: Option<CounterKey>,
    /// The rule's own target.
    pub target: v1::Target,
    /// Native text, redacted of customers' addresses.
    pub native: String,
}

/// Name of a separate counter, by the source's own words ("inet/audit/c_req42", "rpz/<zone>").
pub type CounterKey = Arc<str>;

/// All blocking rules of a source as they stand now. The recorder compares with what it knew and
/// writes changes or, at start and after wide changes, a snapshot.
#[derive(Debug, Clone)]
pub struct RuleState {
    pub source: v1::SourceKind,
    pub at_s: i64,
    /// The source's own count of its states (nftables generation id, SOA serial).
    pub generation: u64,
    /// By whom as the kernel or daemon says; empty if it does not.
    pub changed_by: String,
    pub rules: Vec<Arc<KnownRule>>,
    /// The state did not hold still while it was read.
    pub unstable: bool,
    /// Part of it could not be read: what it does not list may stand all the same, and is told to be gone
    /// only when it is read whole again.
    pub partial: bool,
}

/// One or more equal hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub rule: RuleNumber,
    pub at_s: i64,
    pub count: u64,
    /// What was hit, where the rule does not name it singly and the node may say it (k lines).
    pub hit_target: Option<HitTarget>,
    pub response: Response,
    /// Other rules that could have been the cause.
    pub other_candidates: Vec<RuleNumber>,
}

/// What was hit. Of an address the text is not made before its leaf is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HitTarget {
    Address(IpAddr),
    Target(v1::Target),
}

impl HitTarget {
    /// The canonical target.
    pub fn wire(&self) -> v1::Target {
        match self {
            Self::Address(address) => v1::Target {
                kind: v1::TargetKind::Ip.into(),
                value: address.to_canonical().to_string(),
            },
            Self::Target(target) => target.clone(),
        }
    }
}

/// What the client saw.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Response {
    Silent,
    Reject(&'static str),
    Dns {
        rcode: u16,
        extended_errors: Vec<u16>,
    },
    /// `blocked_by`: a `Link` with this relation was sent (RFC 7725).
    Http {
        status: u16,
        blocked_by: bool,
    },
}

/// One reading of all separate counters of a source, cumulative since the counter was made.
#[derive(Debug, Clone)]
pub struct CounterReading {
    pub source: v1::SourceKind,
    pub at_s: i64,
    pub counters: Vec<(CounterKey, u64)>,
    /// Drops for the node's own sake, per chain (DESIGN.md idea 9).
    pub self_protection: Vec<v1::SelfProtection>,
}

/// Where to continue reading a file after a restart; made durable in the same record as the hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub path: PathBuf,
    pub inode: u64,
    pub offset: u64,
    /// SHA-256 of the first bytes of the file (at most 256), so that a truncated and rewritten file
    /// is recognised.
    pub head_size: u32,
    pub head_digest: [u8; 32],
}

/// An old log file was read instead of a live source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub file_digest: [u8; 32],
    pub year_assumed: u32,
}

/// Lines that were not understood, and when the newest of them was written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NotParsed {
    pub count: u64,
    pub at_s: i64,
}

/// A deed that no packet shows, as a person last said it.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    /// Without the commitment.
    pub said: v1::ServiceAction,
    pub target: v1::Target,
}

/// A deed that a person records. A line is named by its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeed {
    pub kind: v1::ServiceActionKind,
    pub target: v1::Target,
    pub from_s: i64,
    /// 0: not ended.
    pub until_s: i64,
    /// 0: not known, or no throttle.
    pub rate_bits_per_s: u64,
    pub claims: Vec<Claim>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonWord {
    Recorded(NewDeed),
    Ended {
        number: u64,
        until_s: i64,
    },
    Confirmed {
        number: u64,
    },
    /// Says nothing, and asks for all that stand or wait for a second person.
    List,
}

/// What a person said, by whom the source knows it to be.
#[derive(Debug, Clone)]
pub struct PersonSaid {
    pub by: PersonId,
    pub word: PersonWord,
    /// Answered once it is durable.
    pub answer: SyncSender<Result<Vec<Deed>, SaidRefused>>,
}

/// Why nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaidRefused {
    #[error("no deed {0:016x} stands or waits here; `remit-agent record list` shows those that do")]
    Unknown(u64),
    #[error("whoever recorded it cannot confirm it: another person has to")]
    SamePerson,
    #[error("it is confirmed already")]
    Confirmed,
    #[error("it has ended already")]
    Ended,
    #[error("a time that has not come: record what was done, and its end when it has ended")]
    NotYet,
    #[error("its end is not after its beginning")]
    Backwards,
    #[error("too many deeds stand or wait for a second person: end and confirm some first")]
    TooMany,
    #[error("the spool is full: nothing is recorded until it has room")]
    NoRoom,
    #[error("the spool is full: it is recorded, and durable as soon as there is room")]
    Waits,
    #[error("no collector would take it")]
    Malformed,
}

/// What became of canaries on one path since the last report of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canaries {
    pub source: v1::SourceKind,
    /// As in `CanaryAccount`.
    pub path: Arc<str>,
    pub sent: u64,
    pub seen: u64,
    /// The newest so many were not seen; `None`: that is not said here.
    pub unanswered: Option<u64>,
    /// `None`: likewise, or nobody counts them.
    pub counted: Option<u64>,
    pub at_s: i64,
}

impl Canaries {
    /// There is such a path; of canaries nothing is said.
    pub fn on(source: v1::SourceKind, path: Arc<str>, at_s: i64) -> Self {
        Self { source, path, sent: 0, seen: 0, unanswered: None, counted: None, at_s }
    }
}

#[derive(Debug, Clone)]
pub enum Report {
    Rules(RuleState),
    /// Rules that are known from the lines of an old log alone: hits may name them, and nothing is
    /// said of when they were installed. They add to those that were told before.
    RulesOfLines {
        source: v1::SourceKind,
        rules: Vec<Arc<KnownRule>>,
    },
    Hits {
        source: v1::SourceKind,
        hits: Vec<Hit>,
        /// Lines of the same stretch of a file that were not understood: counted with its cursor, or
        /// a kill between the two would count them twice.
        not_parsed: NotParsed,
        /// Lines of the same stretch that were about canaries: in no figure, and counted by this counter.
        canaries: Option<(CounterKey, u64)>,
        /// Where the source stands after these hits; absent for sources without a file.
        cursor: Option<Cursor>,
        import: Option<Import>,
    },
    Counters(CounterReading),
    /// A person recorded, ended or confirmed a deed, or asks.
    Said(PersonSaid),
    Canaries(Canaries),
    /// The source knows that it lost this many events.
    Lost {
        source: v1::SourceKind,
        cause: v1::LossCause,
        count: u64,
        at_s: i64,
    },
    /// Something was there and its amount is not known (ENOBUFS, a file that vanished).
    Unsure {
        source: v1::SourceKind,
        cause: v1::LossCause,
        from_s: i64,
        until_s: i64,
    },
}
