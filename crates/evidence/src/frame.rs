//! How records lie in an append-only file: length, checksum, kind, payload.
//!
//! `u32 big-endian payload length ‖ u32 big-endian CRC-32C of kind and payload ‖ u8 kind ‖ payload`.
//! The collector's journal and its openings files are such records one after the other. A checksum
//! finds damage; it proves nothing, which is the tree's business.

/// Bytes before the payload.
pub const HEADER_SIZE: usize = 9;

/// No payload is longer: a batch comes in one message of 1 MiB. Without this bound, looking for sound
/// records behind a torn end of many MiB would take hours.
pub const PAYLOAD_SIZE_MAX: usize = 4 * 1024 * 1024;

/// Appends one record. Its author keeps to [`PAYLOAD_SIZE_MAX`]; what is longer does not read back.
pub fn append(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    debug_assert!(payload.len() <= PAYLOAD_SIZE_MAX, "a record that would not read back");
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&checksum(kind, payload).to_be_bytes());
    out.push(kind);
    out.extend_from_slice(payload);
}

fn checksum(kind: u8, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload)
}

/// What stands at a position of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<'a> {
    Record {
        kind: u8,
        payload: &'a [u8],
        /// Where the next record begins.
        end: usize,
    },
    /// The file ends here.
    End,
    /// What follows is not a whole, sound record, and no sound record comes after it: what a power
    /// cut leaves of the last append.
    Torn,
    /// What follows is not sound, but sound records come after it: the file was damaged.
    Damaged,
}

/// Reads the record at `at`.
pub fn next(file: &[u8], at: usize) -> Next<'_> {
    if at >= file.len() {
        return Next::End;
    }
    match record(file, at) {
        Some((kind, payload, end)) => Next::Record { kind, payload, end },
        // Zeroes have a valid length of 0 but not a valid checksum, so they are never a record.
        None if (at + 1..file.len()).any(|later| record(file, later).is_some()) => Next::Damaged,
        None => Next::Torn,
    }
}

fn record(file: &[u8], at: usize) -> Option<(u8, &[u8], usize)> {
    let header = file.get(at..at.checked_add(HEADER_SIZE)?)?;
    let (length, rest) = header.split_first_chunk::<4>()?;
    let (stated, kind) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if length > PAYLOAD_SIZE_MAX {
        return None;
    }
    let start = at + HEADER_SIZE;
    let end = start.checked_add(length)?;
    let payload = file.get(start..end)?;
    let kind = *kind.first()?;
    (checksum(kind, payload) == u32::from_be_bytes(*stated)).then_some((kind, payload, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let mut file = Vec::new();
        append(&mut file, 1, b"first");
        append(&mut file, 2, b"");
        append(&mut file, 3, b"third");
        file
    }

    fn read(file: &[u8]) -> (Vec<u8>, Next<'_>) {
        let (mut kinds, mut at) = (Vec::new(), 0);
        loop {
            match next(file, at) {
                Next::Record { kind, end, .. } => {
                    kinds.push(kind);
                    at = end;
                }
                other => return (kinds, other),
            }
        }
    }

    #[test]
    fn records_read_back() {
        assert_eq!(read(&file()), (vec![1, 2, 3], Next::End));
    }

    #[test]
    fn cut_at_any_byte_the_tail_is_torn_and_never_misread() {
        let whole = file();
        for cut in 0..whole.len() {
            let (kinds, end) = read(&whole[..cut]);
            assert!([1, 2, 3].starts_with(&kinds));
            assert!(matches!(end, Next::End | Next::Torn), "cut at {cut}: {end:?}");
        }
    }

    #[test]
    fn the_longest_record_reads_back_and_a_longer_one_is_none() {
        let mut file = Vec::new();
        append(&mut file, 1, &vec![7; PAYLOAD_SIZE_MAX]);
        assert_eq!(read(&file), (vec![1], Next::End));
        let payload = vec![7; PAYLOAD_SIZE_MAX + 1];
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let checksum = checksum(1, &payload).to_be_bytes();
        let longer = [&length, &checksum, [1].as_slice(), &payload].concat();
        assert_eq!(read(&longer), (vec![], Next::Torn));
    }

    #[test]
    fn any_flipped_bit_before_the_last_record_is_damage() {
        let whole = file();
        let last = whole.len() - HEADER_SIZE - 5;
        for bit in 0..whole.len() * 8 {
            let mut bad = whole.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let (_, end) = read(&bad);
            let want = if bit / 8 < last { Next::Damaged } else { Next::Torn };
            assert_eq!(end, want, "bit {bit}");
        }
    }
}
