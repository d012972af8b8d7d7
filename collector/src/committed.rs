//! What the log has made durable, in the order in which it did: the one input of `assess`.
//!
//! The same values come from the writer while it runs and from the journal on a rebuild; nothing
//! else may reach the index, so that the index can always be dropped.

use evidence::{AgentOrigin, Leaf, Malformed, batch::Received};
use prost::{Message as _, bytes::Bytes};
use register::{Items, cases::Note};
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
    /// Leaves of an agent's tree were accepted.
    Batch { origin: AgentOrigin, batch: Accepted },
    /// An entry of the collector's log.
    Entry { index: u64, entry: v1::log_entry::Entry },
    /// A statement of the register log, with the items of its set as the writer's register shares them;
    /// `None`: a chunk is erased.
    Statement { index: u64, statement: Box<v1::Statement>, items: Option<Items> },
    /// A statement of the case log, with what its note says.
    Decision { index: u64, statement: Box<v1::Statement>, note: Note },
    /// A checkpoint was published.
    Published {
        log_size: u64,
        register_size: u64,
        /// SHA-256 of the signed note's bytes, as seals name it.
        checkpoint: Hash,
    },
}

/// A `Batch` that was checked, as it came: it waits for `assess` as bytes and not as values.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Openings that it does not hold are withheld or erased.
    pub bytes: Bytes,
    /// Its leaves are of a newer format.
    pub not_understood: bool,
}

impl Accepted {
    /// Size of the tree before it, leaves, and their openings.
    pub fn read(&self) -> Result<(u64, Vec<Leaf>, Vec<v1::LeafOpening>), Malformed> {
        let batch = Received::read(&self.bytes)?;
        let leaf = |bytes: &&[u8]| {
            if self.not_understood {
                return Ok(Leaf::NotUnderstood { format: evidence::FORMAT + 1 });
            }
            Leaf::decode(bytes)
        };
        let leaves = batch.leaves.iter().map(leaf).collect::<Result<_, _>>()?;
        let openings = self.bytes.slice(batch.evidence_size()..);
        let v1::Batch { openings, .. } =
            v1::Batch::decode(openings).map_err(|_| Malformed::NotProtobuf)?;
        Ok((batch.old_size, leaves, openings))
    }
}

/// Reads the items of a snapshot that a leaf names.
pub trait Chunks: Send + Sync {
    /// `None`: not held (withheld or erased).
    fn chunk(&self, id: &Hash) -> Option<Vec<u8>>;
}
