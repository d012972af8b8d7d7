//! Cosignatures, <https://c2sp.org/tlog-cosignature>, type 0x04: a witness's dated Ed25519 signature.
//!
//! In: a checkpoint's note, a time, a witness's key. Out: a signature line to put under the note, or
//! the time at which the witness vouched for it. The line's payload is the time as big-endian u64
//! and 64 bytes of signature over `"cosignature/v1\ntime <unix>\n"` and the note text.
//!
//! Not done here: type 0x06 (ML-DSA-44). Its lines are carried and ignored, as by anyone without
//! the key.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::Signer as _;

use crate::SIZE_MAX;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::{InvalidKey, KeyName, Note, NoteError, PublicKey, Signature};

/// Signature type of a timestamped Ed25519 cosignature.
const COSIGNATURE_V1: u8 = 0x04;

/// The latest time that the page allows, 2^63 - 1.
pub const TIME_UNIX_S_MAX: u64 = SIZE_MAX;

/// Why nothing was cosigned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CosignError {
    #[error("time {0} is above 2^63 - 1")]
    Time(u64),
    #[error("text to cosign is not a checkpoint")]
    Checkpoint(#[from] CheckpointError),
}

/// A witness's secret key. Not the key of a log: the message names neither log nor witness, so the
/// page asks for a key of its own.
#[derive(Clone)]
pub struct SigningKey {
    secret: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl SigningKey {
    /// Takes 32 secret bytes, which the caller drew from a good source.
    pub fn new(name: KeyName, secret: [u8; 32]) -> Self {
        let secret = ed25519_dalek::SigningKey::from_bytes(&secret);
        let public = PublicKey::of_secret(name, COSIGNATURE_V1, &secret);
        Self { secret, public }
    }

    pub fn name(&self) -> &KeyName {
        self.public.name()
    }

    pub fn id(&self) -> u32 {
        self.public.id()
    }

    pub fn verifier(&self) -> VerifierKey {
        VerifierKey(self.public.clone())
    }

    /// Vouches for a checkpoint, given as its note text, as of `time_unix_s`.
    ///
    /// The caller has checked the log's signature and the proof from the size it last cosigned, and
    /// has stored the new size; a cosignature cannot be taken back.
    pub fn sign(&self, checkpoint_text: &str, time_unix_s: u64) -> Result<Signature, CosignError> {
        Checkpoint::parse_text(checkpoint_text)?;
        if time_unix_s > TIME_UNIX_S_MAX {
            return Err(CosignError::Time(time_unix_s));
        }
        let signature = self.secret.sign(&message(checkpoint_text, time_unix_s)).to_bytes();
        let bytes = [time_unix_s.to_be_bytes().as_slice(), &signature].concat();
        Ok(Signature { name: self.public.name().clone(), key_id: self.public.id(), bytes })
    }
}

/// Shows the public part alone.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// A witness's public key; printed and read as a verifier key of type 0x04.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey(PublicKey);

impl VerifierKey {
    pub fn new(name: KeyName, public: [u8; 32]) -> Result<Self, InvalidKey> {
        PublicKey::new(name, COSIGNATURE_V1, public).map(Self)
    }

    pub fn name(&self) -> &KeyName {
        self.0.name()
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn public_bytes(&self) -> [u8; 32] {
        self.0.public_bytes()
    }

    /// The time, in seconds since 1970, as of which this witness vouched for the note.
    ///
    /// Every line that names this key must be right; if there are several, the latest time counts.
    /// Whether that time is too old or in the future is for the caller, who knows what time it is.
    pub fn verify(&self, note: &Note) -> Result<u64, NoteError> {
        let times = note.verify_lines(&self.0, |bytes| self.check(&note.text, bytes))?;
        // Never empty: verify_lines reports a key without lines itself.
        Ok(times.into_iter().max().unwrap_or(0))
    }

    fn check(&self, text: &str, payload: &[u8]) -> Option<u64> {
        let (time, signature) = payload.split_first_chunk::<8>()?;
        let time = u64::from_be_bytes(*time);
        (time <= TIME_UNIX_S_MAX && self.0.verify(&message(text, time), signature)).then_some(time)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        PublicKey::parse(text, COSIGNATURE_V1).map(Self)
    }
}

/// What is signed. The first line keeps it apart from every other use of a key.
fn message(text: &str, time_unix_s: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_unix_s}\n{text}").into_bytes()
}
