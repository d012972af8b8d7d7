//! The last signature of a PDF file (ISO 32000-1, 12.8.1): `/ByteRange [a b c d]` says which bytes are
//! covered, the gap between them holds the CMS structure as `<hexadecimal>`.
//!
//! Only this is read of the file: no objects, no cross references, no streams. A signature inside a
//! compressed object stream, which the standard forbids, is not found.

use crate::Unreadable;

pub(crate) struct Found<'a> {
    pub(crate) before: &'a [u8],
    pub(crate) cms: Vec<u8>,
    pub(crate) after: &'a [u8],
}

impl Found<'_> {
    /// Nothing stands behind what is covered.
    pub(crate) fn covers(&self, document: &[u8]) -> bool {
        self.after.as_ptr_range().end == document.as_ptr_range().end
    }
}

pub(crate) fn last_signature(document: &[u8]) -> Result<Found<'_>, Unreadable> {
    let malformed = |what| Unreadable::Pdf(what);
    if !document.starts_with(b"%PDF-") {
        return Err(malformed("it does not begin as a PDF file"));
    }
    let at = rfind(document, b"/ByteRange").ok_or(Unreadable::NoSignature)?;
    let rest = document.get(at + b"/ByteRange".len()..).unwrap_or_default();
    let [start, before, from, after] =
        numbers(rest).ok_or(malformed("ByteRange is not four numbers"))?;
    let end = from.checked_add(after).ok_or(malformed("ByteRange leads out of the file"))?;
    if start != 0 {
        return Err(malformed("ByteRange does not begin with the file"));
    }
    let gap = document.get(before..from).ok_or(malformed("ByteRange leads out of the file"))?;
    let covered = (document.get(..before), document.get(from..end));
    let (Some(before), Some(after)) = covered else {
        return Err(malformed("ByteRange leads out of the file"));
    };
    let hex = gap.strip_prefix(b"<").and_then(|gap| gap.strip_suffix(b">"));
    let hex = hex.ok_or(malformed("the gap of ByteRange is more than the signature"))?;
    let cms = der(hex).ok_or(malformed("Contents is not hexadecimal DER"))?;
    Ok(Found { before, cms, after })
}

fn rfind(document: &[u8], word: &[u8]) -> Option<usize> {
    document.windows(word.len()).rposition(|window| window == word)
}

fn numbers(text: &[u8]) -> Option<[usize; 4]> {
    let text = text.trim_ascii_start().strip_prefix(b"[")?;
    // Longer than four numbers of a file that fits memory can be.
    let end = text.iter().take(200).position(|byte| *byte == b']')?;
    let text = std::str::from_utf8(text.get(..end)?).ok()?;
    let mut found = text.split_ascii_whitespace().map(|word| word.parse().ok());
    let numbers = [found.next()??, found.next()??, found.next()??, found.next()??];
    found.next().is_none().then_some(numbers)
}

/// The structure, without the zeros by which its place was filled.
fn der(hex: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect();
    let value = |digit: &u8| char::from(*digit).to_digit(16).and_then(|v| u8::try_from(v).ok());
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(value(high)? << 4 | value(low)?),
            _ => None,
        })
        .collect();
    let bytes = bytes?;
    let size = der_size(&bytes)?;
    let (structure, filling) = bytes.split_at_checked(size)?;
    filling.iter().all(|byte| *byte == 0).then(|| structure.to_vec())
}

/// Bytes of the first element, header and value.
fn der_size(bytes: &[u8]) -> Option<usize> {
    let first = usize::from(*bytes.get(1)?);
    if first < 0x80 {
        return Some(2 + first);
    }
    let count = first & 0x7f;
    if !(1..=4).contains(&count) {
        return None;
    }
    let length = bytes.get(2..2 + count)?;
    let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    length.checked_add(2 + count)
}
