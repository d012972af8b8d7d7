//! Entry bundles, <https://c2sp.org/tlog-tiles> ("Log entries"): entries after each other, each with
//! its length as big-endian u16 before it.
//!
//! In: entries, or the bytes of a bundle. Out: the other. How many entries there have to be is in
//! the path of the bundle, so the caller compares.

use super::TILE_WIDTH;

/// Why entries cannot be, or were not, a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBundle {
    #[error("entry of {0} bytes does not fit a bundle, the limit is 65535")]
    EntryTooLarge(usize),
    #[error("bundle holds more than {TILE_WIDTH} entries")]
    TooManyEntries,
    #[error("bundle ends inside entry {0}")]
    Truncated(usize),
}

/// Writes up to 256 entries of up to 65,535 bytes.
pub fn encode_entries<I>(entries: I) -> Result<Vec<u8>, InvalidBundle>
where
    I: IntoIterator,
    I::Item: AsRef<[u8]>,
{
    let mut bundle = Vec::new();
    for (position, entry) in entries.into_iter().enumerate() {
        if position == usize::from(TILE_WIDTH) {
            return Err(InvalidBundle::TooManyEntries);
        }
        let entry = entry.as_ref();
        let size =
            u16::try_from(entry.len()).map_err(|_| InvalidBundle::EntryTooLarge(entry.len()))?;
        bundle.extend_from_slice(&size.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Ok(bundle)
}

/// Reads a bundle, without copying its entries.
pub fn decode_entries(mut bundle: &[u8]) -> Result<Vec<&[u8]>, InvalidBundle> {
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        if entries.len() == usize::from(TILE_WIDTH) {
            return Err(InvalidBundle::TooManyEntries);
        }
        let (entry, rest) = bundle
            .split_first_chunk::<2>()
            .and_then(|(size, rest)| rest.split_at_checked(u16::from_be_bytes(*size).into()))
            .ok_or(InvalidBundle::Truncated(entries.len()))?;
        entries.push(entry);
        bundle = rest;
    }
    Ok(entries)
}
