//! Framing: how one record lies in a segment file (layout in the front page, `spool/mod.rs`).

use std::io::{self, Read};

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordType {
    /// `SegmentHeader`; the first record of a file and no other.
    Header,
    /// `BatchRecord`
    Batch,
}

impl RecordType {
    fn byte(self) -> u8 {
        match self {
            Self::Header => 1,
            Self::Batch => 2,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Header),
            2 => Some(Self::Batch),
            _ => None,
        }
    }
}

/// Frames a message, in one buffer for one write.
pub(super) fn frame<M: prost::Message>(kind: RecordType, message: &M) -> io::Result<Vec<u8>> {
    let size = message.encoded_len() + 1;
    let length = u32::try_from(size).ok().filter(|_| size <= RECORD_SIZE_MAX);
    let length = length.ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let mut bytes = Vec::with_capacity(HEAD_SIZE + size);
    bytes.extend(length.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.push(kind.byte());
    // The capacity is there.
    message.encode(&mut bytes).map_err(io::Error::other)?;
    let crc = checksum(length, bytes.get(HEAD_SIZE..).unwrap_or_default());
    bytes.splice(4..8, crc.to_be_bytes());
    Ok(bytes)
}

/// What stands at a place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole record; its message is in the buffer.
    Record(RecordType),
    /// Exactly the end.
    End,
    /// Neither: incomplete, or its checksum is wrong.
    Bad,
}

/// Reads one record into `buffer`, which is reused. `left` is how much of the file is to be
/// believed from here; returns with it how many bytes the record took.
pub(super) fn read(
    file: &mut impl Read,
    left: u64,
    buffer: &mut Vec<u8>,
) -> io::Result<(Found, u64)> {
    buffer.clear();
    if left == 0 {
        return Ok((Found::End, 0));
    }
    let mut head = [0; HEAD_SIZE];
    if left < HEAD_SIZE as u64 {
        return Ok((Found::Bad, 0));
    }
    file.read_exact(&mut head)?;
    let (length, crc) = split(&head);
    let taken = HEAD_SIZE as u64 + u64::from(length);
    if length == 0 || length as usize > RECORD_SIZE_MAX || taken > left {
        return Ok((Found::Bad, 0));
    }
    buffer.resize(length as usize, 0);
    file.read_exact(buffer)?;
    let kind = buffer.first().copied().and_then(RecordType::from_byte);
    match kind {
        Some(kind) if checksum(length, buffer) == crc => {
            buffer.remove(0);
            Ok((Found::Record(kind), taken))
        }
        _ => Ok((Found::Bad, 0)),
    }
}

/// Whether a whole record begins anywhere in these bytes. That is what tells damage from a torn
/// tail: after the last write nothing can follow.
pub(super) fn any_within(bytes: &[u8]) -> bool {
    (0..bytes.len()).any(|at| {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some((head, rest)) = rest.split_first_chunk::<HEAD_SIZE>() else { return false };
        let (length, crc) = split(head);
        let Some(body) = rest.get(..length as usize) else { return false };
        let known = body.first().copied().and_then(RecordType::from_byte).is_some();
        known && checksum(length, body) == crc
    })
}

fn split(head: &[u8; HEAD_SIZE]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = *head;
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

/// Over length, type and message, so that neither zeroes nor a shifted length pass.
fn checksum(length: u32, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length.to_be_bytes()), body)
}

/// Length and checksum.
const HEAD_SIZE: usize = 8;
/// A batch message of at most 1 MiB and its state; a header with all open windows.
pub(super) const RECORD_SIZE_MAX: usize = 8 * 1024 * 1024;
