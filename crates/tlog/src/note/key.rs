//! Names and Ed25519 keys of notes, <https://c2sp.org/signed-note> ("Signatures", "Verifier keys").
//!
//! In: a name and 32 secret or public bytes, or a verifier key's text form
//! `<name>+<key id in hex>+<base64(signature type ‖ public key)>`. Out: keys that sign and check.
//! Public keys are held to the canonical encoding of RFC 8032 section 5.1.3 and must not be of small
//! order, so that no key exists under which a signature fits more than one message.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha256};

use super::{Note, NoteError, Signature, check_text};

/// Signature type of an Ed25519 signature over the note text.
const ED25519: u8 = 0x01;

/// The name that a key signs under: not empty, no Unicode spaces, no plus, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// Why a name or key was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    #[error("key name is empty or holds a space, a plus or a control character")]
    Name,
    #[error("verifier key is not of the form name+id+base64")]
    Format,
    #[error("verifier key is of signature type {found:#04x}, not {expected:#04x}")]
    SignatureType { expected: u8, found: u8 },
    #[error("verifier key id does not belong to its name and key")]
    Id,
    #[error("bytes are not a usable Ed25519 public key")]
    PublicKey,
}

impl KeyName {
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidKey> {
        let name = name.into();
        // Control characters are forbidden by the note around the name, not by the rule for names.
        if name.is_empty()
            || name.chars().any(|c| c.is_whitespace() || c == '+' || u32::from(c) < 0x20)
        {
            return Err(InvalidKey::Name);
        }
        Ok(Self(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = InvalidKey;

    fn from_str(name: &str) -> Result<Self, InvalidKey> {
        Self::new(name)
    }
}

impl AsRef<str> for KeyName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A secret Ed25519 key with its name. Its memory is cleared when it is dropped.
#[derive(Clone)]
pub struct SigningKey {
    secret: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl SigningKey {
    /// Takes 32 secret bytes, which the caller drew from a good source.
    pub fn new(name: KeyName, secret: [u8; 32]) -> Self {
        let secret = ed25519_dalek::SigningKey::from_bytes(&secret);
        let public = PublicKey::of_secret(name, ED25519, &secret);
        Self { secret, public }
    }

    pub fn name(&self) -> &KeyName {
        &self.public.name
    }

    pub fn id(&self) -> u32 {
        self.public.id
    }

    pub fn verifier(&self) -> VerifierKey {
        VerifierKey(self.public.clone())
    }

    /// Signs a text and returns it as a note with this one signature.
    pub fn sign(&self, text: impl Into<String>) -> Result<Note, NoteError> {
        let text = text.into();
        let signature = self.sign_text(&text)?;
        Note::new(text, vec![signature])
    }

    /// Signs a text that already is, or will be, part of a note.
    pub fn sign_text(&self, text: &str) -> Result<Signature, NoteError> {
        check_text(text)?;
        let bytes = self.sign_raw(text.as_bytes()).to_vec();
        Ok(Signature { name: self.public.name.clone(), key_id: self.public.id, bytes })
    }

    /// Signs bytes that are not a note.
    ///
    /// The caller separates them from every note text, best by a first byte below 0x20, which no
    /// note holds: the same key's signature over one must never pass for the other.
    pub fn sign_raw(&self, message: &[u8]) -> [u8; 64] {
        self.secret.sign(message).to_bytes()
    }
}

/// Shows the public part alone.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// A public Ed25519 key with its name; printed and read as a verifier key of type 0x01.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey(PublicKey);

impl VerifierKey {
    pub fn new(name: KeyName, public: [u8; 32]) -> Result<Self, InvalidKey> {
        PublicKey::new(name, ED25519, public).map(Self)
    }

    pub fn name(&self) -> &KeyName {
        &self.0.name
    }

    pub fn id(&self) -> u32 {
        self.0.id
    }

    pub fn public_bytes(&self) -> [u8; 32] {
        self.0.key.to_bytes()
    }

    /// Whether `signature` is this key's over `message`, by `verify_strict`.
    pub fn verify_raw(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(message, signature)
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.0
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
        PublicKey::parse(text, ED25519).map(Self)
    }
}

/// What verifier keys of all Ed25519-based signature types have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PublicKey {
    name: KeyName,
    signature_type: u8,
    /// Follows from the other fields.
    id: u32,
    key: ed25519_dalek::VerifyingKey,
}

impl PublicKey {
    pub(crate) fn new(
        name: KeyName,
        signature_type: u8,
        public: [u8; 32],
    ) -> Result<Self, InvalidKey> {
        // The library would take y >= p and reduce it; RFC 8032 section 5.1.3 refuses it.
        let [first, middle @ .., last] = &public;
        let not_reduced =
            *first >= 0xed && middle.iter().all(|byte| *byte == 0xff) && *last & 0x7f == 0x7f;
        let key =
            ed25519_dalek::VerifyingKey::from_bytes(&public).map_err(|_| InvalidKey::PublicKey)?;
        if not_reduced || key.is_weak() {
            return Err(InvalidKey::PublicKey);
        }
        Ok(Self::assemble(name, signature_type, key))
    }

    pub(crate) fn of_secret(
        name: KeyName,
        signature_type: u8,
        secret: &ed25519_dalek::SigningKey,
    ) -> Self {
        Self::assemble(name, signature_type, secret.verifying_key())
    }

    fn assemble(name: KeyName, signature_type: u8, key: ed25519_dalek::VerifyingKey) -> Self {
        let id = key_id(&name, signature_type, key.as_bytes());
        Self { name, signature_type, id, key }
    }

    pub(crate) fn parse(text: &str, expected: u8) -> Result<Self, InvalidKey> {
        // Names and hex hold no plus; base64 may.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(base64)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidKey::Format);
        };
        let name = KeyName::new(name)?;
        let encoded = BASE64_STANDARD.decode(base64).map_err(|_| InvalidKey::Format)?;
        let (&found, public) = encoded.split_first().ok_or(InvalidKey::Format)?;
        if found != expected {
            return Err(InvalidKey::SignatureType { expected, found });
        }
        let public = public.try_into().map_err(|_| InvalidKey::PublicKey)?;
        let key = Self::new(name, found, public)?;
        if id != format!("{:08x}", key.id) {
            return Err(InvalidKey::Id);
        }
        Ok(key)
    }

    pub(crate) fn name(&self) -> &KeyName {
        &self.name
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn public_bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = [&[self.signature_type], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id, BASE64_STANDARD.encode(encoded))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The recommended key id: SHA-256(name ‖ 0x0A ‖ signature type ‖ public key), its first 4 bytes.
///
/// An identifier, not a commitment: anybody can make a key with a given id. That only gives them a
/// wrong signature.
pub fn key_id(name: &KeyName, signature_type: u8, public_key: &[u8]) -> u32 {
    let mut sha256 = Sha256::new();
    sha256.update(name.as_str());
    sha256.update([b'\n', signature_type]);
    sha256.update(public_key);
    let [a, b, c, d, ..] = <[u8; 32]>::from(sha256.finalize());
    u32::from_be_bytes([a, b, c, d])
}
