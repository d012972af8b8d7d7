//! Lists that requests cover: their feeds, their versions, and what each version held.
//!
//! In: statements that propose a feed or a version, and the approvals of second persons. Out: for any
//! size of the register, the versions that were accepted by then and since when each is in force; for
//! any target, under which request it stands by a list, added and removed by which versions.
//!
//! - A *feed* says under which request a list's entries stand, how late a version may be known at the
//!   nodes (the grace), and how much a version may change without a person looking: the standing
//!   approval. It counts from the statement by which a second person approved it.
//! - A *version* is stated as its changes against the newest accepted one. Below both thresholds of the
//!   feed it is accepted by the standing approval, at once. Above one of them it is *held*: it is in the
//!   register and no basis for anything, until a second person approves it, or a newer version takes its
//!   place.
//! - An *entry* stands under the request that it names, else under the one that the feed named when the
//!   entry was added, within that request's own bounds, scope and measure, for as long as versions that
//!   hold it are in force. A claim `list:<id>@<version>` is resolved here and never by an agent.
//!
//! Promised: nothing that was accepted is changed, so a view of an old size answers as it did.
//!
//! Files of lists are read by [`from_lines`], and [`Delta`] compares two versions.
//!
//! Not done here: signatures (the collector and the verifier check them), writing zones and rulesets ([`compile`](crate::compile)).

mod apply;
mod delta;
mod file;
mod view;

use std::collections::{BTreeMap, HashMap};

use evidence::RequestId;
use remit_proto::v1::{self, ApprovalMeans};

pub use self::{
    apply::InvalidList,
    delta::{Delta, ListEntry, to_changes},
    file::{ListFile, from_lines},
    view::{ListView, Listed},
};
pub(crate) use self::{
    apply::{Covering, Proposal},
    view::Naming,
};
use crate::{adoption::Said, request::RequestTarget, target::Target};

/// All lists of a register.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists {
    lists: Vec<List>,
    by_id: BTreeMap<RequestId, usize>,
    /// The list of each statement that a second person may approve, by its index.
    proposals: HashMap<u64, usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct List {
    id: RequestId,
    /// In the order of the register; the newest approved one speaks.
    feeds: Vec<Feed>,
    /// In the order of acceptance, which is that of force.
    accepted: Vec<Accepted>,
    held: Vec<Held>,
    members: Vec<Member>,
    /// The member that stands for an entry of the newest accepted version.
    present: HashMap<Key, usize>,
    /// The first accepted version whose changes are withheld or erased: from then on nobody knows what else it holds.
    unknown_from: Option<usize>,
}

/// What makes two entries the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    target: Target,
    request: Option<RequestId>,
    exception: bool,
}

/// How versions of a list come in.
#[derive(Debug, Clone)]
pub struct Feed {
    pub request: RequestId,
    pub publication_interval_s: i64,
    pub fetch_time_s: i64,
    pub change_entries_max: u64,
    pub change_permille_max: u32,
    pub proposed: Proposed,
    pub approved: Option<Approved>,
}

/// Who proposed something, and where in the register.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    pub by: v1::PersonRef,
    pub statement: u64,
    pub recorded_at_s: i64,
    pub effective_at_s: i64,
    /// SHA-256 of the statement's bytes; what an approval must name.
    pub digest: [u8; 32],
}

/// A second person's approval.
#[derive(Debug, Clone, PartialEq)]
pub struct Approved {
    pub by: v1::PersonRef,
    pub means: ApprovalMeans,
    /// The statement that says so; that of the proposal itself, if it was signed by both.
    pub statement: u64,
    pub recorded_at_s: i64,
}

/// By what a version was let in.
#[derive(Debug, Clone, PartialEq)]
pub enum Acceptance {
    /// By the standing approval of the feed that this statement proposed.
    Standing {
        feed: u64,
    },
    Person(Approved),
}

/// A version that is or was in force.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub version: RequestId,
    pub proposed: Proposed,
    pub acceptance: Acceptance,
    /// In force from then on, until the next one is.
    pub from_s: i64,
    pub counts: Counts,
    pub file_digest: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub entries: u64,
    pub added: u64,
    pub removed: u64,
    pub rows_refused: u64,
}

/// A version above the thresholds, for a person to look at.
#[derive(Debug, Clone)]
pub struct Held {
    pub version: RequestId,
    pub previous: Option<RequestId>,
    pub proposed: Proposed,
    pub counts: Counts,
    pub file_digest: Vec<u8>,
    /// `None`: withheld or erased.
    pub changes: Option<Changes>,
    /// The statement by which it was approved, or by which a newer version was accepted instead.
    pub(crate) closed_by: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub added: Vec<ListEntry>,
    pub removed: Vec<ListEntry>,
}

/// An entry, from the version that added it to the one that removed it.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// With the instant of its removal once that is known.
    open: RequestTarget,
    closed: Option<RequestTarget>,
    request: Option<RequestId>,
    history: usize,
    /// Positions in `accepted`.
    added: usize,
    removed: Option<usize>,
}

/// Where a target of a list stands, for the index of the register.
pub(crate) struct Posted {
    pub list: usize,
    pub member: usize,
    pub target: Target,
}

impl Accepted {
    /// The statement since which it is known to be accepted, and when that was recorded.
    pub(crate) fn known_by(&self) -> (u64, i64) {
        match &self.acceptance {
            Acceptance::Standing { feed: _ } => {
                (self.proposed.statement, self.proposed.recorded_at_s)
            }
            Acceptance::Person(approved) => (approved.statement, approved.recorded_at_s),
        }
    }
}

impl Feed {
    pub fn grace_s(&self) -> i64 {
        self.publication_interval_s.saturating_add(self.fetch_time_s)
    }

    /// Whether the standing approval covers so many changes of a version with so many entries.
    pub fn covers(&self, changed: u64, entries_before: u64) -> bool {
        let permille = u128::from(self.change_permille_max) * u128::from(entries_before);
        changed <= self.change_entries_max && u128::from(changed) * 1000 <= permille
    }
}

impl Proposed {
    fn of(said: &Said, effective_at_s: i64, digest: [u8; 32]) -> Self {
        let Said { by, statement, recorded_at_s } = said.clone();
        Self { by, statement, recorded_at_s, effective_at_s, digest }
    }
}
