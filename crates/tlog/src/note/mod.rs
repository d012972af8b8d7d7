//! Signed notes, <https://c2sp.org/signed-note>: a text, a blank line, and lines of signatures.
//!
//! In: bytes from outside, or a text and a key. Out: a [`Note`] whose bytes are exactly those that
//! were read, and the answer to whether one given key signed it. `key.rs` beside this holds names,
//! secret and public Ed25519 keys, and their text form.
//!
//! Lines of unknown keys are kept and ignored, as the page asks: a witness's line means nothing to
//! someone who does not know the witness. A text means nothing at all before [`Note::verify`] or
//! [`Checkpoint::open`](crate::checkpoint::Checkpoint::open) has said yes.

mod key;

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};

pub(crate) use key::PublicKey;
pub use key::{InvalidKey, KeyName, SigningKey, VerifierKey, key_id};

/// The largest note that is parsed or signed, in bytes. The same as Go's `note` and `signed_note`.
pub const NOTE_BYTES_MAX: usize = 1_000_000;

/// The most signatures on a note. The page demands at least 16; Go's `note` takes 100.
pub const SIGNATURE_COUNT_MAX: usize = 100;

/// A text with the signatures that somebody put under it, none of them checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is signed: ends with a newline, which is signed too.
    pub text: String,
    /// In the order of their lines.
    pub signatures: Vec<Signature>,
}

/// One signature line: who claims to have signed, by which key, and the bytes in that key's format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub name: KeyName,
    pub key_id: u32,
    /// What follows the key id. 64 bytes for Ed25519; other types have other lengths.
    pub bytes: Vec<u8>,
}

/// Why a note was not taken, or not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("note of {0} bytes is above the limit of {NOTE_BYTES_MAX}")]
    TooLarge(usize),
    #[error("note is not valid UTF-8")]
    NotUtf8,
    #[error("note holds a control character")]
    ControlCharacter,
    #[error("note text does not end with a newline")]
    UnfinishedText,
    #[error("note has no signatures after a blank line")]
    NoSignatures,
    #[error("note has more than {SIGNATURE_COUNT_MAX} signatures")]
    TooManySignatures,
    #[error("signature line {line} is malformed")]
    MalformedSignature { line: usize },
    /// Nothing wrong with the note; it is just not by this key.
    #[error("note has no signature by {name}+{key_id:08x}")]
    NotSignedBy { name: KeyName, key_id: u32 },
    /// A line claims to be by this key and is not. The whole note is refused.
    #[error("signature of {name}+{key_id:08x} is wrong")]
    WrongSignature { name: KeyName, key_id: u32 },
}

impl Note {
    /// Puts signatures under a text, if together they make a note that [`Note::parse`] would take.
    pub fn new(text: impl Into<String>, signatures: Vec<Signature>) -> Result<Self, NoteError> {
        let note = Self { text: text.into(), signatures };
        check_text(&note.text)?;
        if note.signatures.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        if note.signatures.len() > SIGNATURE_COUNT_MAX {
            return Err(NoteError::TooManySignatures);
        }
        if let Some(at) = note.signatures.iter().position(|signature| signature.bytes.is_empty()) {
            return Err(NoteError::MalformedSignature { line: at + 1 });
        }
        let size = note.to_string().len();
        if size > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge(size));
        }
        Ok(note)
    }

    /// Reads a note. Whatever is taken here is printed again as the same bytes.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, NoteError> {
        let bytes = bytes.as_ref();
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge(bytes.len()));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::NotUtf8)?;
        check_characters(note)?;
        // The text may hold blank lines itself; the last one separates it from the signatures.
        let separator = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, rest) = note.split_at(separator + 1);
        let lines = rest[1..].strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURE_COUNT_MAX {
                return Err(NoteError::TooManySignatures);
            }
            let number = signatures.len() + 1;
            signatures.push(
                Signature::parse_line(line)
                    .ok_or(NoteError::MalformedSignature { line: number })?,
            );
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The bytes of the note. The same as its `Display`.
    pub fn encode(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// Checks that `key` signed the text.
    ///
    /// Every line that names this key must be right, so that nobody can hide a wrong signature
    /// behind a good one.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        self.verify_lines(key.public(), |bytes| {
            key.verify_raw(self.text.as_bytes(), bytes).then_some(())
        })
        .map(|_| ())
    }

    /// Adds a signature at the end, in the place of any earlier one by the same key.
    pub fn add_signature(&mut self, signature: Signature) -> Result<(), NoteError> {
        let mut signatures = self.signatures.clone();
        signatures.retain(|old| (&old.name, old.key_id) != (&signature.name, signature.key_id));
        signatures.push(signature);
        *self = Self::new(self.text.clone(), signatures)?;
        Ok(())
    }

    /// Runs `check` over every line of one key and returns what it made of each, or the refusal.
    pub(crate) fn verify_lines<T>(
        &self,
        key: &PublicKey,
        check: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, NoteError> {
        let (name, key_id) = (key.name(), key.id());
        let results = self
            .signatures
            .iter()
            .filter(|signature| signature.name == *name && signature.key_id == key_id)
            .map(|signature| check(&signature.bytes))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| NoteError::WrongSignature { name: name.clone(), key_id })?;
        if results.is_empty() {
            return Err(NoteError::NotSignedBy { name: name.clone(), key_id });
        }
        Ok(results)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl Signature {
    /// Reads one line without its newline: em dash, space, key name, space, base64.
    ///
    /// Witnesses answer with bare lines of this form.
    pub fn parse_line(line: &str) -> Option<Self> {
        let (name, base64) = line.strip_prefix("— ")?.split_once(' ')?;
        let name = KeyName::new(name).ok()?;
        let decoded = BASE64_STANDARD.decode(base64).ok()?;
        let (key_id, bytes) = decoded.split_first_chunk::<4>()?;
        // A signature of no bytes is no signature; Go's `note` refuses it too.
        if bytes.is_empty() {
            return None;
        }
        Some(Self { name, key_id: u32::from_be_bytes(*key_id), bytes: bytes.to_vec() })
    }
}

/// The line without its newline.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = [self.key_id.to_be_bytes().as_slice(), &self.bytes].concat();
        write!(f, "— {} {}", self.name, BASE64_STANDARD.encode(payload))
    }
}

/// The rules for a text alone.
pub(crate) fn check_text(text: &str) -> Result<(), NoteError> {
    if text.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLarge(text.len()));
    }
    check_characters(text)?;
    if !text.ends_with('\n') {
        return Err(NoteError::UnfinishedText);
    }
    Ok(())
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    if text.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::ControlCharacter);
    }
    Ok(())
}
