//! What was done, signed.
//!
//! In: the bytes of a leaf, a log entry, a statement, a batch, a chunk. Out: the same thing as a
//! value that is known to be well formed, or [`Malformed`] with the rule that was broken. And the
//! other way round for the agent, the only author of leaves.
//!
//! Promised here: what decodes re-encodes to the same bytes (`canonical`); every field of every
//! message has been looked at (the messages are taken apart by field, so that a new field is a
//! compile error); nothing panics, whatever arrives.
//!
//! Not done here: no file, no socket, no clock, no random number. Salts and times are arguments.
//!
//! Formats: DESIGN.md section 3 and the comments in `proto/remit/v1`.

pub mod batch;
pub mod builder;
pub mod bundle;
pub mod canonical;
pub mod chunk;
pub mod claim;
pub mod closed;
pub mod commitment;
pub mod frame;
pub mod id;
pub mod leaf;
pub mod limits;
pub mod log_entry;
pub mod statement;
mod wire;

pub use canonical::Malformed;
pub use claim::Claim;
pub use id::{AgentOrigin, Generation, NodeId, Operator, PersonId, RequestId};
pub use leaf::Leaf;

/// A leaf, a log entry or a statement is never longer (DESIGN.md section 3).
pub const ENTRY_SIZE_MAX: usize = 32 * 1024;
/// A chunk is never longer.
pub const CHUNK_SIZE_MAX: usize = 256 * 1024;
/// A signed note in an entry is never longer; a head needs less than a tenth of it.
pub const NOTE_SIZE_MAX: usize = 8 * 1024;
/// Format number that this version writes; a newer one is kept and reported as not understood.
pub const FORMAT: u32 = 1;
