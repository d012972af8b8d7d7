//! What the gRPC edge asks the writer for, and how it is told no.

use std::fmt;

use evidence::{AgentOrigin, NodeId, PersonId};
use prost::{Message, bytes::Bytes};
use remit_proto::v1::{self, RefusalCode};
use tlog::Hash;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::receipts::Receipt;

/// Each is answered once its effect is durable.
#[derive(Debug)]
pub enum Command {
    Hello {
        origin: AgentOrigin,
        public_key: [u8; 32],
        bound_key: [u8; 32],
        reply: Reply<u64>,
    },
    Batch {
        origin: AgentOrigin,
        public_key: [u8; 32],
        /// A `Batch`, as it came.
        batch: Bytes,
        reply: Reply<u64>,
        /// Given back with the answer (`ingest::turns`).
        turn: Option<OwnedSemaphorePermit>,
    },
    Chunk {
        /// Whose budget it is; people have none.
        node: Option<NodeId>,
        bytes: Bytes,
        reply: Reply<Hash>,
    },
    Receipt {
        origin: AgentOrigin,
        checkpoint_size: u64,
        reply: Reply<Option<Receipt>>,
    },
    Statement {
        bytes: Vec<u8>,
        caller: PersonId,
        reply: Reply<u64>,
    },
    Decision {
        bytes: Vec<u8>,
        /// Of its note; empty if it has none.
        note_chunk: Vec<u8>,
        caller: PersonId,
        reply: Reply<u64>,
    },
    /// The caller approves by being logged in.
    Approve {
        statement: u64,
        digest: Vec<u8>,
        caller: PersonId,
        reply: Reply<u64>,
    },
    NodeFacts {
        bytes: Vec<u8>,
        caller: PersonId,
        reply: Reply<u64>,
    },
    PersonKey {
        key: v1::PersonKey,
        reply: Reply<u64>,
    },
    /// A bundle was made; it leaves the house once the entry that says so is durable.
    Export {
        manifest: Hash,
        by: v1::PersonRef,
        reply: Reply<u64>,
    },
    Revoke {
        subject: Subject,
        /// This key stays: it replaces the others.
        keep: Option<[u8; 32]>,
        reply: Reply<u64>,
    },
    /// The end of a re-assessment is to be logged, once; nobody waits for it.
    Reassessed(v1::Reassessment),
    /// A day was archived; to be logged once, and nobody waits for it.
    Archived(v1::Archive),
    /// Publish once more and end. Who asks after that is told that the collector stops.
    Stop,
}

impl Command {
    /// Bytes that it wants to add to what is on disk; 0 for what is done on a full disk too.
    pub(super) fn size(&self) -> u64 {
        let size = match self {
            Self::Batch { batch: bytes, .. } | Self::Chunk { bytes, .. } => bytes.len(),
            Self::Statement { bytes, .. } | Self::NodeFacts { bytes, .. } => bytes.len(),
            Self::Decision { bytes, note_chunk, .. } => bytes.len() + note_chunk.len(),
            Self::PersonKey { key, .. } => key.encoded_len(),
            Self::Approve { digest, .. } => digest.len(),
            // Evidence can be taken away from a full disk too, and that is written down.
            Self::Export { .. }
            | Self::Hello { .. }
            | Self::Receipt { .. }
            | Self::Revoke { .. }
            | Self::Reassessed(_)
            | Self::Archived(_)
            | Self::Stop => 0,
        };
        size as u64
    }
}

pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

#[derive(Debug, Clone)]
pub enum Subject {
    Node(NodeId),
    Person(PersonId),
}

/// `node-<id>` or `person-<id>`, as files are called after it.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "node-{node}"),
            Self::Person(person) => write!(f, "person-{person}"),
        }
    }
}

/// The sender was wrong, or the disk is full; counted, and nothing changed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    pub code: RefusalCode,
    /// UPPER_SNAKE, for `ErrorInfo.reason` where there is no batch to refuse.
    pub reason: &'static str,
    pub size: u64,
    pub detail: String,
    /// Before that the same is refused again; 0: not known.
    pub retry_after_s: u32,
}

impl Refusal {
    /// The code alone says which rule.
    pub(super) fn coded(code: RefusalCode, size: u64, detail: impl Into<String>) -> Self {
        let reason = code.as_str_name().trim_start_matches("REFUSAL_CODE_");
        Self { code, reason, size, detail: detail.into(), retry_after_s: 0 }
    }

    /// Of something that is no batch: `reason` says which rule.
    pub(crate) fn because(reason: &'static str, detail: impl Into<String>) -> Self {
        let code = RefusalCode::Unspecified;
        Self { code, reason, size: 0, detail: detail.into(), retry_after_s: 0 }
    }

    /// With the size at which the collector stands.
    pub(super) fn at(self, size: u64) -> Self {
        Self { size, ..self }
    }

    pub(super) fn disk_full(size: u64) -> Self {
        let detail = "the collector's disk is full; free space in its dir";
        Self::coded(RefusalCode::StorageFull, size, detail)
    }
}
