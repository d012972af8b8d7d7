//! What a receipt proves, and the newest checkpoint of the collector's log that we believe.
//!
//! In: `Logged`, none of it trusted. Out: tree sizes of ours that are logged, and safe. Checked, in
//! this order: the checkpoint is signed by the pinned key; it continues the one verified before; the
//! entry is in it; and the entry is a head of this very tree, signed by our own key.
//!
//! On disk, beside the segments: `checkpoint`, the newest verified one, byte for byte, replaced by
//! write, sync, rename, sync of the folder. If it is gone, the next checkpoint is taken as it comes,
//! and only the proofs within it count.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
};

use evidence::{AgentOrigin, batch::open_head, log_entry::LogEntry};
use remit_proto::v1::{self, log_entry::Entry};
use sha2::{Digest as _, Sha256};
use tlog::{
    Hash, InvalidProof,
    checkpoint::{Checkpoint, CheckpointError},
    leaf_hash,
    note::VerifierKey,
    verify_consistency, verify_inclusion,
};

use crate::spool::files;

/// Why a receipt proves nothing. Each is a reason to look at the collector at once.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    #[error("the checkpoint is not signed by the pinned log key")]
    Signature(#[source] CheckpointError),
    #[error(
        "the checkpoint of size {new} does not continue the one of size {old} that we verified"
    )]
    Inconsistent {
        old: u64,
        new: u64,
        #[source]
        source: InvalidProof,
    },
    #[error("the entry is not in the checkpoint")]
    NotIncluded(#[source] InvalidProof),
    #[error("the entry is not this node's head of size {size}")]
    OtherHead { size: u64 },
    #[error("a hash of a proof does not have 32 bytes")]
    Malformed,
}

/// What is proven of the generation in hand. Owned by the uplink.
#[derive(Debug)]
pub struct Proven {
    path: PathBuf,
    log_key: VerifierKey,
    newest: Option<(Checkpoint, Hash)>,
    logged: u64,
    safe: u64,
    /// Our sizes with their index in the log, until a second copy covers them.
    waiting: VecDeque<(u64, u64)>,
}

impl Proven {
    /// Takes up the newest verified checkpoint, if it is there and still what the key signed.
    pub fn load(spool: &Path, log_key: VerifierKey) -> Self {
        let (path, newest) = (spool.join(CHECKPOINT), verified(spool, &log_key));
        Self { path, log_key, newest, logged: 0, safe: 0, waiting: VecDeque::new() }
    }

    pub fn begin_generation(&mut self) {
        (self.logged, self.safe) = (0, 0);
        self.waiting.clear();
    }

    pub fn checkpoint_size(&self) -> u64 {
        self.newest.as_ref().map_or(0, |(checkpoint, _)| checkpoint.size)
    }

    /// SHA-256 of the newest verified checkpoint's note.
    pub fn checkpoint_digest(&self) -> Option<Hash> {
        self.newest.as_ref().map(|(_, digest)| *digest)
    }

    /// Below this size our leaves are in the collector's log.
    pub fn logged(&self) -> u64 {
        self.logged
    }

    /// Below this size our leaves are not needed here any more.
    pub fn safe(&self) -> u64 {
        self.safe
    }

    /// Takes in what a receipt proves.
    pub fn take(
        &mut self,
        receipt: &v1::Logged,
        origin: &AgentOrigin,
        own_key: &VerifierKey,
    ) -> Result<(), ReceiptError> {
        let known = self.newest.as_ref().map(|(checkpoint, _)| checkpoint);
        let Shown { checkpoint, head: _ } = check(receipt, known, &self.log_key, origin, own_key)?;
        let v1::Logged {
            size,
            log_index,
            inclusion: _,
            entry: _,
            checkpoint: note,
            consistency: _,
            safe_below,
            second_copy,
        } = receipt;
        self.keep(checkpoint, note);
        self.logged = self.logged.max(*size);
        if *second_copy {
            self.waiting.push_back((*size, *log_index));
            while let Some((size, index)) = self.waiting.front().copied()
                && index < *safe_below
            {
                self.safe = self.safe.max(size);
                self.waiting.pop_front();
            }
            if self.waiting.len() > WAITING_MAX {
                // The one before the newest says nothing that the newest does not say later.
                self.waiting.remove(WAITING_MAX - 1);
            }
        } else {
            self.waiting.clear();
            self.safe = self.logged;
        }
        Ok(())
    }

    fn keep(&mut self, checkpoint: Checkpoint, note: &[u8]) {
        let is_newer = self.newest.as_ref().is_none_or(|(old, _)| checkpoint.size > old.size);
        if !is_newer {
            return;
        }
        if let Err(error) = files::replace(&self.path, note) {
            // It still holds for this run; an older one on disk is still true.
            tracing::warn!(%error, "the newest checkpoint could not be stored");
        }
        self.newest = Some((checkpoint, Hash(Sha256::digest(note).into())));
    }
}

/// The newest checkpoint that was verified, with SHA-256 of its note, as it lies in the spool.
pub fn verified(spool: &Path, log_key: &VerifierKey) -> Option<(Checkpoint, Hash)> {
    let note = fs::read(spool.join(CHECKPOINT)).ok()?;
    let checkpoint = Checkpoint::open(&note, log_key).ok()?;
    Some((checkpoint, Hash(Sha256::digest(&note).into())))
}

/// What a receipt that holds shows.
#[derive(Debug)]
pub struct Shown {
    pub checkpoint: Checkpoint,
    /// Of this node's tree: the entry that is in the collector's log.
    pub head: Checkpoint,
}

/// Checks a receipt. `known`: a checkpoint of the same log that was verified before.
pub fn check(
    receipt: &v1::Logged,
    known: Option<&Checkpoint>,
    log_key: &VerifierKey,
    origin: &AgentOrigin,
    own_key: &VerifierKey,
) -> Result<Shown, ReceiptError> {
    let v1::Logged {
        size,
        log_index,
        inclusion,
        entry,
        checkpoint: note,
        consistency,
        safe_below: _,
        second_copy: _,
    } = receipt;
    let checkpoint = Checkpoint::open(note, log_key).map_err(ReceiptError::Signature)?;
    if let Some(old) = known {
        let proof = hashes(consistency)?;
        let continues =
            verify_consistency(old.size, checkpoint.size, &proof, &old.root, &checkpoint.root);
        continues.map_err(|source| ReceiptError::Inconsistent {
            old: old.size,
            new: checkpoint.size,
            source,
        })?;
    }
    verify_inclusion(
        *log_index,
        checkpoint.size,
        &leaf_hash(entry),
        &hashes(inclusion)?,
        &checkpoint.root,
    )
    .map_err(ReceiptError::NotIncluded)?;
    let head = head_of(entry, origin, own_key).filter(|head| head.size == *size);
    let head = head.ok_or(ReceiptError::OtherHead { size: *size })?;
    Ok(Shown { checkpoint, head })
}

/// The head in the entry, if it is one of ours.
fn head_of(entry: &[u8], origin: &AgentOrigin, own_key: &VerifierKey) -> Option<Checkpoint> {
    match LogEntry::decode(entry).ok()? {
        LogEntry::Known { logged_at_s: _, entry: Entry::AgentHead(v1::AgentHead { note }) } => {
            open_head(&note, origin, own_key).ok()
        }
        LogEntry::Known { .. } | LogEntry::NotUnderstood { .. } => None,
    }
}

fn hashes(wire: &[Vec<u8>]) -> Result<Vec<Hash>, ReceiptError> {
    wire.iter().map(|hash| Hash::from_slice(hash).ok_or(ReceiptError::Malformed)).collect()
}

const CHECKPOINT: &str = "checkpoint";
/// An hour of publishes; the second copy is seldom that late.
const WAITING_MAX: usize = 4096;
