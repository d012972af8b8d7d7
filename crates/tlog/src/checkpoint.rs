//! Checkpoints, <https://c2sp.org/tlog-checkpoint>: the signed head of a log.
//!
//! In: the bytes of a note and the key it must be signed by, or the head that is to be signed.
//! Out: a [`Checkpoint`], or the note. The text is origin, size, root hash, one a line, and any
//! extension lines. A checkpoint of another log by the same key is refused by its origin.

use std::fmt;

use crate::note::{KeyName, Note, NoteError, SigningKey, VerifierKey, check_text};
use crate::{Hash, SIZE_MAX};

/// What a log says of itself at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's identity. Not empty; by custom the name of the key that signs.
    pub origin: String,
    pub size: u64,
    /// The Merkle Tree Hash over the first `size` leaves.
    pub root: Hash,
    /// Opaque lines, not empty. The page advises against them: no monitor can audit them.
    pub extensions: Vec<String>,
}

/// Why a checkpoint was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error("checkpoint has fewer than three lines or does not end with a newline")]
    TooFewLines,
    #[error("checkpoint origin or extension is empty or holds a control character")]
    Line,
    #[error("checkpoint size is not a canonical decimal of at most 2^63 - 1")]
    Size,
    #[error("checkpoint root is not a base64 SHA-256 hash")]
    Root,
    #[error("checkpoint is of {found:?}, not of {expected:?}")]
    WrongOrigin { expected: String, found: String },
    #[error("checkpoint is not a valid signed note")]
    Note(#[from] NoteError),
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    pub fn new(origin: impl Into<String>, size: u64, root: Hash) -> Self {
        Self { origin: origin.into(), size, root, extensions: Vec::new() }
    }

    /// Reads the text of a note. Whatever is taken here is printed again as the same bytes.
    pub fn parse_text(text: &str) -> Result<Self, CheckpointError> {
        check_text(text).map_err(|error| match error {
            NoteError::UnfinishedText => CheckpointError::TooFewLines,
            other => CheckpointError::Note(other),
        })?;
        let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::TooFewLines);
        };
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: parse_size(size).ok_or(CheckpointError::Size)?,
            root: Hash::from_base64(root).ok_or(CheckpointError::Root)?,
            extensions: lines.map(str::to_owned).collect(),
        };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// Opens a checkpoint whose origin is the name of the key: signature first, then its meaning.
    pub fn open(note: impl AsRef<[u8]>, key: &VerifierKey) -> Result<Self, CheckpointError> {
        Self::from_note(&Note::parse(note)?, key, key.name().as_str())
    }

    /// Believes a parsed note if `key` signed it and it is a checkpoint of the log `origin`.
    ///
    /// For logs whose origin is not the name of their key, and when the note is needed as well, for
    /// its cosignatures.
    pub fn from_note(
        note: &Note,
        key: &VerifierKey,
        origin: &str,
    ) -> Result<Self, CheckpointError> {
        note.verify(key)?;
        let checkpoint = Self::parse_text(&note.text)?;
        if checkpoint.origin != origin {
            return Err(CheckpointError::WrongOrigin {
                expected: origin.to_owned(),
                found: checkpoint.origin,
            });
        }
        Ok(checkpoint)
    }

    /// Signs this head. What does not read back as this checkpoint is not signed.
    ///
    /// Whether the log may sign it, because it continues everything signed before, is the caller's
    /// to know.
    pub fn sign(&self, key: &SigningKey) -> Result<Note, CheckpointError> {
        self.check()?;
        Ok(key.sign(self.to_string())?)
    }

    /// The origin as a key name, if it can be one.
    pub fn origin_name(&self) -> Option<KeyName> {
        KeyName::new(self.origin.as_str()).ok()
    }

    fn check(&self) -> Result<(), CheckpointError> {
        let good_line = |line: &String| !line.is_empty() && line.bytes().all(|byte| byte >= 0x20);
        if !good_line(&self.origin) || !self.extensions.iter().all(good_line) {
            return Err(CheckpointError::Line);
        }
        if self.size > SIZE_MAX {
            return Err(CheckpointError::Size);
        }
        Ok(())
    }
}

/// The note text, with its final newline.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root, extensions } = self;
        write!(f, "{origin}\n{size}\n{root}\n")?;
        extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A decimal without sign or leading zeros, at most [`SIZE_MAX`].
fn parse_size(text: &str) -> Option<u64> {
    let size = text.parse::<u64>().ok()?;
    (size <= SIZE_MAX && size.to_string() == text).then_some(size)
}
