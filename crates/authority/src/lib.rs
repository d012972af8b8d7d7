//! Signatures of authorities under documents: detached CMS (RFC 5652) and signatures inside PDF files
//! (ISO 32000-1, 12.8; ETSI EN 319 142-1), checked against trust anchors that somebody gave.
//!
//! In: a document and its signature, or what was [`Kept`] of them. Out: a [`Status`], which is a value:
//! valid under an anchor, invalid and why, unchecked, or unsupported and what. The same bytes, anchors and
//! instant give the same status anywhere.
//!
//! What is kept ([`Kept`]) is the CMS structure and the digest of what it covers, so that everybody with
//! the anchors can check it and the document need not leave whoever holds it. That the digest is of that
//! document can be seen from the document's own digest for a detached signature over SHA-256; for others it
//! is the word of whoever kept it, to everybody who does not hold the document.
//!
//! Promised: no bytes make this panic, and nothing here fetches anything. Only the digests SHA-256, SHA-384
//! and SHA-512 count; RSA keys have at least 2,048 bits (ETSI TS 119 312); a certificate must be valid at
//! the instant that was given, which should be that of the receipt.
//!
//! Not done here: revocation (no list and no responder is asked), time stamps, signatures in another
//! encoding than DER, curves other than P-256, P-384 and Ed25519. Each is *unsupported*, or said in
//! `docs/formats/register.md`. Signature arithmetic is of `ring`, reading ASN.1 of `cms`, `x509-cert` and
//! `der` (`docs/adr/0034`).

mod algorithm;
mod chain;
mod cms;
mod pdf;

use std::fmt;

use sha2::{Digest, Sha256};

/// A document, a signature and all that is read is at most so long.
pub const DOCUMENT_SIZE_MAX: usize = 64 * 1024 * 1024;
/// What is kept of a signature must fit a chunk beside the register.
pub const CMS_SIZE_MAX: usize = 128 * 1024;

/// Where the signature was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In a file of its own, over the document.
    Detached,
    /// In a PDF file, over all of it but the place of the signature itself.
    Pdf,
}

/// A signature, and what must be known of the document to check it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub form: Form,
    /// DER of a `ContentInfo` that holds `SignedData`.
    pub cms: Vec<u8>,
    /// Digest of the covered bytes, by the algorithm of the signature; empty: of none that counts.
    pub content_digest: Vec<u8>,
    /// The signature covers the whole document, as whoever kept it saw.
    pub whole: bool,
}

/// Nothing that could be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("larger than {max} bytes")]
    TooLarge { max: usize },
    #[error("not a CMS structure in DER (RFC 5652): {0}")]
    Cms(String),
    #[error("the PDF file holds no signature")]
    NoSignature,
    #[error("the signature in the PDF file is malformed: {0}")]
    Pdf(&'static str),
}

/// What became of checking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It holds, under this anchor.
    Valid {
        /// Subject of the signer's certificate.
        signer: String,
        /// SHA-256 of the anchor's DER.
        anchor: [u8; 32],
    },
    Invalid(Invalid),
    /// No anchor was given, or none leads to the signer.
    Unchecked,
    /// It uses what is not looked at here.
    Unsupported(String),
}

/// Why a signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("the document is another one than was signed")]
    OtherDocument,
    #[error("the signature is not of the signer's key")]
    BadSignature,
    #[error("it rests on {0}, which is broken")]
    WeakDigest(&'static str),
    #[error("the RSA key has {bits} bits; 2048 is the least that counts")]
    WeakKey { bits: usize },
    #[error("the certificate of {subject} was not valid then: from {} until {}", time(*from_s), time(*until_s))]
    NotValidThen { subject: String, from_s: u64, until_s: u64 },
    #[error("the certificate of {subject} does not permit it")]
    NotPermitted { subject: String },
    #[error("it does not cover the whole file: something was added after it was signed")]
    NotWhole,
    #[error("the structure is not what it must be: {0}")]
    Structure(&'static str),
}

/// RFC 3339, UTC.
fn time(at_s: u64) -> String {
    let at = der::DateTime::from_unix_duration(std::time::Duration::from_secs(at_s));
    at.map_or_else(|_| format!("{at_s} s"), |at| at.to_string())
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid { signer, .. } => write!(f, "valid, signed by {signer}"),
            Self::Invalid(why) => write!(f, "invalid: {why}"),
            Self::Unchecked => f.write_str("unchecked: no anchor leads to its signer"),
            Self::Unsupported(what) => write!(f, "unsupported: {what}"),
        }
    }
}

/// Reads a detached signature over a document.
pub fn detached(document: &[u8], cms: &[u8]) -> Result<Kept, Unreadable> {
    within(document, DOCUMENT_SIZE_MAX)?;
    keep(Form::Detached, cms, &[document], true)
}

/// Reads the last signature in a PDF file.
pub fn in_pdf(document: &[u8]) -> Result<Kept, Unreadable> {
    within(document, DOCUMENT_SIZE_MAX)?;
    let found = pdf::last_signature(document)?;
    keep(Form::Pdf, &found.cms, &[found.before, found.after], found.covers(document))
}

/// Checks what is kept, for an instant.
pub fn check(kept: &Kept, anchors: &[Vec<u8>], at_s: i64) -> Status {
    match cms::check(kept, anchors, at_s) {
        Ok(status) | Err(status) => status,
    }
}

/// What a document or an anchor is called by.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The certificates of an anchor file: PEM, or one in DER.
pub fn anchors(file: &[u8]) -> Result<Vec<Vec<u8>>, Unreadable> {
    chain::anchors(file)
}

fn keep(form: Form, cms: &[u8], covered: &[&[u8]], whole: bool) -> Result<Kept, Unreadable> {
    within(cms, CMS_SIZE_MAX)?;
    let algorithm = cms::digest_algorithm(cms)?;
    let content_digest = algorithm.map(|algorithm| algorithm.of(covered)).unwrap_or_default();
    Ok(Kept { form, cms: cms.to_vec(), content_digest, whole })
}

fn within(bytes: &[u8], max: usize) -> Result<(), Unreadable> {
    if bytes.len() > max { Err(Unreadable::TooLarge { max }) } else { Ok(()) }
}
