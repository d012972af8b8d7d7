//! Names inside a bundle: what an assessor takes home (DESIGN.md section 3, "Bundle").
//!
//! A plain tar archive, entries sorted by name, times zero. `docs/formats/bundle.md` describes each
//! file for readers who write their own verifier.
//!
//! | name | content |
//! |---|---|
//! | `manifest.json` | what was asked for, counts, vkeys (convenience: a verifier brings its own), parameters |
//! | `LIMITS.txt` | what this evidence cannot show, in plain words |
//! | `log/checkpoint` | signed note of the log, cosignatures included |
//! | `log/checkpoints` | earlier signed notes that seals name, each preceded by its size as u32 big-endian |
//! | `log/tile/entries/…` | entry bundles of the whole log, as in C2SP tlog-tiles |
//! | `register/checkpoint`, `register/tile/entries/…` | the register log, whole |
//! | `cases/checkpoint`, `cases/tile/entries/…` | the case log, whole |
//! | `agents/<node>/<generation>/checkpoint` | the newest logged head of the tree |
//! | `agents/<node>/<generation>/tile/entries/…` | its leaves, whole |
//! | `agents/<node>/<generation>/openings` | `LeafOpening` messages, each preceded by its length as a protobuf varint |
//! | `chunks/<64 hex digits>` | content-addressed parts of snapshots and imports, notes of decisions |
//! | `verdicts.jsonl` | what the collector says; the verifier computes its own and compares |

use tlog::Hash;

use crate::id::AgentOrigin;

pub const MANIFEST: &str = "manifest.json";
pub const LIMITS: &str = "LIMITS.txt";
pub const VERDICTS: &str = "verdicts.jsonl";
pub const LOG: &str = "log";
pub const REGISTER: &str = "register";
pub const CASES: &str = "cases";
pub const CHECKPOINT: &str = "checkpoint";
pub const CHECKPOINTS: &str = "checkpoints";
pub const OPENINGS: &str = "openings";

/// Folder of an agent's tree.
pub fn agent_folder(origin: &AgentOrigin) -> String {
    format!("agents/{}/{}", origin.node, origin.generation)
}

pub fn chunk_name(id: &Hash) -> String {
    let hex: String = id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("chunks/{hex}")
}
