//! The spool: every leaf of this agent's tree, durable, until it is known to be safe elsewhere.
//! This page is the specification of its files.
//!
//! In: closed batches with what changed beside them, and receipts. Out: batches by tree size
//! ([`Reader`]), for the uplink; after a restart, everything that was durable ([`Recovery`]).
//!
//! # Files
//!
//! ```text
//! spool/lock                                    held (flock) by the one agent that may write here
//! spool/new                                     made by `enrol`: an empty spool is a new one
//! spool/<ordinal:8>-<generation:16>-<size:20>.seg    segments
//! spool/<name>.seg.<n>.damaged                  quarantined, as found; nothing reads or deletes it
//! spool/chunks/<SHA-256 in hex>                 chunks of rule snapshots (canonical `Chunk`)
//! spool/aside/                                  segments and chunks that nobody takes any more; see below
//! spool/unconfirmed                             see `contact`
//! spool/checkpoint                              newest collector checkpoint verified, a signed note
//! ```
//!
//! `ordinal` counts the generations of this spool in decimal, `generation` is its 16 hex digits,
//! `size` the tree size before the segment's first batch, in decimal: names sort in the order of
//! writing. A segment ends with the record that takes it 3 MiB beyond its header, so that it stays
//! within 4 MiB in practice (the header holds the whole state: some 50 bytes for each counter), and
//! consists of records without gaps:
//!
//! ```text
//! u32 big-endian   length of type and message, 1 to 64 MiB
//! u32 big-endian   CRC-32C (Castagnoli) over the length, the type and the message
//! u8               type: 1 SegmentHeader, 2 BatchRecord
//! message          protobuf; `state.rs` has the definitions
//! ```
//!
//! The first record of a segment is its header, with the tree's edge and the whole state; each
//! further one is a batch with the absolute values of what changed. So the last segment alone
//! gives the state, and a batch and its state cannot part.
//!
//! # Promises
//!
//! - A batch is one write and one fdatasync. Before the sync has returned, nobody hears of it; its
//!   head leaves the node only afterwards.
//! - A new segment is synced with its folder before a batch goes into it.
//! - A failed sync is never repeated as if nothing had happened: [`AppendError::Fatal`], and the
//!   process stops. After an unclean stop the last segment is written anew from what can be read,
//!   so that nothing is trusted that was only in the page cache.
//! - No room (disk, quota, read-only, own byte limit) is no failure: [`AppendError::Full`], nothing
//!   landed, and the batch may be offered again.
//! - A torn tail is what is incomplete or has a wrong checksum at the end of the last segment, with
//!   no whole record after it: the crash of an append of which nobody had heard. It is cut off and
//!   said. Everything else that is wrong is damage: the segment is quarantined, its healthy
//!   beginning kept, and the recorder begins a new generation.
//! - Segments are released by what is known of their own generation; one that nobody can take any more
//!   keeps its own segments, and no others.
//! - At the byte limit the oldest *logged* segments are released early and counted; unlogged ones
//!   never.
//! - If that is not enough, segments of generations that were given up (the collector holds another
//!   history of theirs, or a later generation) are moved aside. Nothing reads, counts or deletes them
//!   there; they are evidence, and people decide.
//! - A new segment asks for room as a batch does. Without it, or with a state that no header can hold,
//!   the segment before it goes on for another 3 MiB.
//! - Memory does not grow with the backlog: 48 bytes for each segment.
//!
//! With `durability = "memory"` the folder lies in memory, and durable means: over a crash of the agent, and
//! over a power cut as `flash.rs` says.
//!
//! Not done here: making leaves, deciding what is safe elsewhere, sending.

mod append;
mod chunks;
pub mod contact;
pub mod files;
mod flash;
pub mod look;
mod reader;
mod record;
mod recover;
pub mod state;

use std::{
    io,
    path::{Path, PathBuf},
};

#[cfg(test)]
pub(crate) use append::Fault;
pub use append::{AppendError, SafeBelow, Spool};
use evidence::{AgentOrigin, Generation};
pub use reader::{ReadError, Reader, SpooledBatch};
pub use recover::{Recovery, prepare_new};
use tlog::Edge;

/// One segment file, by its name and what is durable in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    pub ordinal: u32,
    pub generation: Generation,
    /// Tree sizes before its first and after its last batch.
    pub first: u64,
    pub end: u64,
    /// Durable bytes.
    pub bytes: u64,
    /// Of which its header takes so many.
    pub header_bytes: u64,
}

impl Segment {
    fn path(&self, dir: &Path) -> PathBuf {
        let Self { ordinal, generation, first, .. } = self;
        dir.join(format!("{ordinal:08}-{generation}-{first:020}.{SEGMENT_EXTENSION}"))
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(SEGMENT_EXTENSION)?.strip_suffix('.')?.split('-');
        let segment = Self {
            ordinal: parts.next()?.parse().ok()?,
            generation: parts.next()?.parse().ok()?,
            first: parts.next()?.parse().ok()?,
            end: 0,
            bytes: 0,
            header_bytes: 0,
        };
        parts.next().is_none().then_some(segment)
    }
}

/// What is durable, as the uplink sees it: segments in the order of writing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    pub segments: Vec<Segment>,
}

/// The tree that the spool holds the leaves of.
#[derive(Debug, Clone, PartialEq)]
pub struct SpoolTree {
    pub origin: AgentOrigin,
    pub ordinal: u32,
    pub edge: Edge,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another agent runs on {}", dir.display())]
    Locked { dir: PathBuf },
    #[error("opening the spool at {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// With a usual batch behind it a segment stays within 4 MiB, small enough for small flash.
const SEGMENT_ROLL_BYTES: u64 = 3 * 1024 * 1024;
const SEGMENT_EXTENSION: &str = "seg";
/// Format number of the segment header.
const SEGMENT_FORMAT: u32 = 1;
const CHUNK_FOLDER: &str = "chunks";
pub const ASIDE_FOLDER: &str = "aside";
/// Of a file that takes the place of another one when it is whole.
const REPLACEMENT_EXTENSION: &str = "new";
const NEW_MARK: &str = "new";
pub(crate) const LOCK: &str = "lock";
