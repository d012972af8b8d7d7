//! What the log has made durable, in the order in which it did: the one input of `assess`.
//!
//! The same values come from the writer while it runs and from the journal on a rebuild; nothing
//! else may reach the index, so that the index can always be dropped.

use evidence::{AgentOrigin, Leaf};
use prost::bytes::Bytes;
use remit_proto::v1;
use tlog::Hash;

#[derive(Debug, Clone)]
pub struct Committed {
    /// Position in the journal, strictly growing: the watermark of the index.
    pub position: u64,
    pub at_s: i64,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    /// Leaves `old_size ..` of an agent's tree were accepted.
    Batch {
        origin: AgentOrigin,
        old_size: u64,
        leaves: Vec<Leaf>,
        /// A `Batch` of openings alone, as it came, checked against the leaves. Absent ones are
        /// withheld or erased.
        openings: Bytes,
    },
    /// An entry of the collector's log.
    Entry { index: u64, entry: v1::log_entry::Entry },
    /// A statement of the register log, with the items of its set; `None`: a chunk is erased.
    Statement { index: u64, statement: Box<v1::Statement>, items: Option<Vec<v1::RegisterItem>> },
    /// A checkpoint was published.
    Published {
        log_size: u64,
        register_size: u64,
        /// SHA-256 of the signed note's bytes, as seals name it.
        checkpoint: Hash,
    },
}

/// Reads the items of a snapshot that a leaf names.
pub trait Chunks: Send + Sync {
    /// `None`: not held (withheld or erased).
    fn chunk(&self, id: &Hash) -> Option<Vec<u8>>;
}
