//! The two checks of DESIGN.md section 3, "Canonical protobuf".
//!
//! *Byte check*: decode, re-encode, compare; unknown fields, wrong order, explicit defaults and
//! unpacked lists all fail it. *Value check*: each type's own, in `leaf`, `log_entry`, `statement`.

use prost::Message;

/// A message breaks a rule of its format. The text names the field, where there is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("{size} bytes exceed the limit of {size_max}")]
    TooLarge { size: usize, size_max: usize },
    #[error("not a protobuf message of this type")]
    NotProtobuf,
    #[error("not in canonical form: decoding and encoding again gives other bytes")]
    NotCanonical,
    #[error("{field} is missing")]
    Missing { field: &'static str },
    #[error("{field} is out of range: {rule}")]
    Range { field: &'static str, rule: &'static str },
}

/// Decodes bytes that must be the canonical encoding of `M`.
pub fn decode<M: Message + Default>(bytes: &[u8], size_max: usize) -> Result<M, Malformed> {
    if bytes.len() > size_max {
        return Err(Malformed::TooLarge { size: bytes.len(), size_max });
    }
    let message = M::decode(bytes).map_err(|_| Malformed::NotProtobuf)?;
    if message.encode_to_vec() != bytes {
        return Err(Malformed::NotCanonical);
    }
    Ok(message)
}

/// Encodes a message, once, by its author.
pub fn encode<M: Message>(message: &M) -> Vec<u8> {
    message.encode_to_vec()
}

pub(crate) fn require(ok: bool, field: &'static str, rule: &'static str) -> Result<(), Malformed> {
    if ok { Ok(()) } else { Err(Malformed::Range { field, rule }) }
}

/// An enum value must be known and not 0. Returns it as its type.
pub(crate) fn known<E: TryFrom<i32>>(value: i32, field: &'static str) -> Result<E, Malformed> {
    if value == 0 {
        return Err(Malformed::Missing { field });
    }
    E::try_from(value).map_err(|_| Malformed::Range { field, rule: "not a known value" })
}

/// A SHA-256 value or commitment: 32 bytes.
pub(crate) fn digest(bytes: &[u8], field: &'static str) -> Result<(), Malformed> {
    if bytes.is_empty() {
        return Err(Malformed::Missing { field });
    }
    require(bytes.len() == 32, field, "32 bytes")
}

/// As [`digest`], or empty.
pub(crate) fn digest_or_none(bytes: &[u8], field: &'static str) -> Result<(), Malformed> {
    require(bytes.is_empty() || bytes.len() == 32, field, "32 bytes or none")
}

/// Times lie between 1970 and the year 9999, so that every later calculation fits.
pub(crate) fn time(seconds: i64, field: &'static str) -> Result<(), Malformed> {
    require((1..=253_402_300_799).contains(&seconds), field, "a time between 1970 and 9999")
}

pub(crate) fn short_text(
    text: &str,
    size_max: usize,
    field: &'static str,
) -> Result<(), Malformed> {
    require(text.len() <= size_max, field, "too long")?;
    require(!text.chars().any(char::is_control), field, "no control characters")
}
