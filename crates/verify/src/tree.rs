//! One log in a bundle: its checkpoint, and all its entries in tlog-tiles bundles.

use std::fmt;

use evidence::bundle::CHECKPOINT;
use tlog::{
    Hash, MemoryTree,
    checkpoint::{Checkpoint, CheckpointError},
    leaf_hash,
    note::{Note, NoteError, VerifierKey},
    tile::{TileKind, TilePath, decode_entries},
};

use crate::{
    files::Bundle,
    report::{Findings, Outcome, Step, chain},
};

/// The entries of a tree, and the hashes to recompute its root at any size.
pub(crate) struct Tree<'a> {
    pub(crate) entries: Vec<&'a [u8]>,
    pub(crate) hashes: MemoryTree,
}

/// Why a tree in the bundle is not what its head says.
#[derive(Debug)]
pub(crate) enum TreeError {
    Missing(String),
    Malformed(String),
    /// All there, and something else than was signed.
    RootMismatch,
}

impl TreeError {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Missing(_) => Outcome::Incomplete,
            Self::Malformed(_) => Outcome::CouldNotCheck,
            Self::RootMismatch => Outcome::Contradicted,
        }
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "{name} is missing from the bundle; export it again"),
            Self::Malformed(text) => write!(f, "{text}"),
            Self::RootMismatch => write!(f, "the entries do not make up the signed root"),
        }
    }
}

/// Reads all entries of the tree with this head. Work and memory are bounded by the files that are
/// there, whatever size the head claims.
pub(crate) fn read<'a>(
    bundle: &mut Bundle<'a>,
    folder: &str,
    head: &Checkpoint,
) -> Result<Tree<'a>, TreeError> {
    let mut tree = Tree { entries: Vec::new(), hashes: MemoryTree::new() };
    for index in 0_u64.. {
        let Some(tile) = TilePath::in_tree(TileKind::Entries, index, head.size) else { break };
        let name = format!("{folder}/{tile}");
        let bytes = bundle.get(&name).ok_or_else(|| TreeError::Missing(name.clone()))?;
        let entries = decode_entries(bytes)
            .map_err(|error| TreeError::Malformed(format!("{name}: {}", chain(&error))))?;
        if entries.len() != usize::from(tile.width) {
            return Err(TreeError::Malformed(format!(
                "{name} holds {} entries instead of {}",
                entries.len(),
                tile.width
            )));
        }
        tree.hashes.extend(entries.iter().map(|entry| leaf_hash(entry)));
        tree.entries.extend(entries);
    }
    if tree.hashes.size() == head.size && tree.hashes.root() == head.root {
        Ok(tree)
    } else {
        Err(TreeError::RootMismatch)
    }
}

impl Tree<'_> {
    pub(crate) fn size(&self) -> u64 {
        self.hashes.size()
    }

    /// The root that the tree had at `size`; `None` if it is shorter.
    pub(crate) fn root_at(&self, size: u64) -> Option<Hash> {
        self.hashes.root_at(size).ok()
    }

    /// Whether the tree once had this head.
    pub(crate) fn continues(&self, head: &Checkpoint) -> bool {
        self.root_at(head.size) == Some(head.root)
    }
}

/// Reads `<folder>/checkpoint` and checks it under the pinned key.
pub(crate) fn signed_head<'a>(
    bundle: &mut Bundle<'a>,
    folder: &str,
    key: &VerifierKey,
    step: Step,
    findings: &mut Findings,
) -> Option<(Note, Checkpoint)> {
    let name = format!("{folder}/{CHECKPOINT}");
    let Some(bytes) = bundle.get(&name) else {
        findings.incomplete(step, format!("{name} is missing from the bundle; export it again"));
        return None;
    };
    match open(bytes, key) {
        Ok((note, head)) => {
            findings.proven(
                step,
                format!(
                    "{} at size {}, root {}, key {:08x}",
                    head.origin,
                    head.size,
                    head.root,
                    key.id()
                ),
            );
            Some((note, head))
        }
        // Somebody else signed it, or the key given is another log's: which of the two, nobody can
        // tell from here. Nothing was checked, so nothing is contradicted.
        Err(CheckpointError::Note(NoteError::NotSignedBy { .. })) => {
            findings.could_not_check(step, another_key(&name, bytes, key));
            None
        }
        Err(error) => {
            findings.add(step, outcome_of(&error), format!("{name}: {}", chain(&error)));
            None
        }
    }
}

fn another_key(name: &str, bytes: &[u8], key: &VerifierKey) -> String {
    let signers: Vec<String> = Note::parse(bytes)
        .map(|note| {
            note.signatures.iter().map(|s| format!("{}+{:08x}", s.name, s.key_id)).collect()
        })
        .unwrap_or_default();
    format!(
        "{name} is not signed by the key that you gave, {}+{:08x}; it is signed by {}. Either this \
         is not the key of this log, or this is not the log that you trust. Compare the key with \
         log_vkey and register_vkey in config.toml of a person who was enrolled, or ask whoever \
         gave it to you; do not take it from the bundle",
        key.name(),
        key.id(),
        signers.join(", ")
    )
}

pub(crate) fn open(bytes: &[u8], key: &VerifierKey) -> Result<(Note, Checkpoint), CheckpointError> {
    let note = Note::parse(bytes)?;
    let head = Checkpoint::from_note(&note, key, key.name().as_str())?;
    Ok((note, head))
}

/// A note that says something else than was signed contradicts; one that cannot be read is no note.
pub(crate) fn outcome_of(error: &CheckpointError) -> Outcome {
    match error {
        CheckpointError::Note(NoteError::NotSignedBy { .. } | NoteError::WrongSignature { .. })
        | CheckpointError::WrongOrigin { .. } => Outcome::Contradicted,
        CheckpointError::Note(_)
        | CheckpointError::TooFewLines
        | CheckpointError::Line
        | CheckpointError::Size
        | CheckpointError::Root => Outcome::CouldNotCheck,
    }
}
