//! Framing: how one record lies in a segment file (layout in the front page, `spool/mod.rs`).

use std::io::{self, Read};

use prost::Message as _;

use super::state::StateChange;

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
    let message = message.encode_to_vec();
    let mut bytes = head(kind, &[&message])?;
    bytes.extend_from_slice(&message);
    Ok(bytes)
}

/// Frames a `BatchRecord` around the bytes of its batch, which stay where they are: what comes
/// before them, and what comes behind.
pub(super) fn frame_batch(
    batch: [&[u8]; 3],
    change: &StateChange,
) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut before, mut behind) = (vec![BATCH_FIELD], vec![CHANGE_FIELD]);
    // Writing to a Vec cannot fail.
    let _ =
        prost::encode_length_delimiter(batch.iter().map(|piece| piece.len()).sum(), &mut before);
    let _ = change.encode_length_delimited(&mut behind);
    let [first, second, third] = batch;
    let mut bytes = head(RecordType::Batch, &[&before, first, second, third, &behind])?;
    bytes.extend_from_slice(&before);
    Ok((bytes, behind))
}

/// Length, checksum and type of a record with this message.
fn head(kind: RecordType, message: &[&[u8]]) -> io::Result<Vec<u8>> {
    let size = message.iter().map(|piece| piece.len()).sum::<usize>() + 1;
    let length = u32::try_from(size).ok().filter(|_| size <= RECORD_SIZE_MAX);
    let length = length.ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let crc = checksum(length, &[kind.byte()]);
    let crc = message.iter().fold(crc, |crc, piece| crc32c::crc32c_append(crc, piece));
    let mut bytes = Vec::from(length.to_be_bytes());
    bytes.extend(crc.to_be_bytes());
    bytes.push(kind.byte());
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

/// Fields 1 and 2 of `BatchRecord`, both length-delimited.
const BATCH_FIELD: u8 = 1 << 3 | 2;
const CHANGE_FIELD: u8 = 2 << 3 | 2;
/// Length and checksum.
const HEAD_SIZE: usize = 8;
/// A batch message of at most 1 MiB and its state; a header with all open windows and counters.
pub(super) const RECORD_SIZE_MAX: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::state::{BatchRecord, SmallState};

    #[test]
    fn a_record_in_pieces_is_the_record() {
        let small = SmallState { at_s: 7, boot_id: vec![1; 16], ..SmallState::default() };
        let change = StateChange { small, ..StateChange::default() };
        for sizes in [[0, 0, 0], [1, 0, 0], [90, 30, 8], [7, 300, 20_000]] {
            let pieces = sizes.map(|size| vec![7_u8; size]);
            let batch = pieces.each_ref().map(Vec::as_slice);
            let (before, behind) = frame_batch(batch, &change).unwrap();
            let record = BatchRecord { batch: batch.concat(), change: change.clone() };
            let bytes = [before, batch.concat(), behind].concat();
            // A batch is never empty; if it were, prost would leave its field out.
            if sizes != [0; 3] {
                assert_eq!(bytes, frame(RecordType::Batch, &record).unwrap(), "{sizes:?}");
            }
            let mut message = Vec::new();
            let found = read(&mut bytes.as_slice(), bytes.len() as u64, &mut message).unwrap();
            assert_eq!(found, (Found::Record(RecordType::Batch), bytes.len() as u64));
            assert_eq!(BatchRecord::decode(message.as_slice()).unwrap(), record);
        }
    }
}
