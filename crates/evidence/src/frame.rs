//! How group commits lie in an append-only file: one frame for each, and its records inside.
//!
//! ```text
//! frame:   u32 size of the payload ‖ u64 offset of this frame in its file
//!          ‖ u32 CRC-32C of the payload ‖ u32 CRC-32C of the 16 bytes before ‖ payload
//! payload: records, each: u32 size ‖ u8 kind ‖ bytes
//! ```
//!
//! All numbers are big-endian. The collector's journal and its openings files are such frames one
//! after the other. A checksum finds damage; it proves nothing, which is the tree's business.
//!
//! A frame is written by one append, and the next one only when it is known to be on disk. So an
//! interrupted append is always the last frame of its file, whichever of its pages reached the disk:
//! that is [`Next::Torn`]. Whatever is not sound and has a frame behind it is [`Next::Damaged`]. The
//! header has a checksum and says where it lies, so that bytes inside a payload are not taken for the
//! frame behind it.

/// Bytes before the payload.
pub const HEADER_SIZE: usize = 20;

/// Bytes before the bytes of a record.
pub const RECORD_HEADER_SIZE: usize = 5;

/// Records on their way into one frame.
#[derive(Debug, Clone)]
pub struct Frame {
    bytes: Vec<u8>,
}

impl Default for Frame {
    fn default() -> Self {
        Self { bytes: vec![0; HEADER_SIZE] }
    }
}

impl Frame {
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER_SIZE
    }

    /// Adds a record that is made of these parts, one after the other.
    pub fn push(&mut self, kind: u8, parts: &[&[u8]]) {
        let size: usize = parts.iter().map(|part| part.len()).sum();
        self.bytes.reserve(RECORD_HEADER_SIZE + size);
        self.bytes.extend_from_slice(&length(size).to_be_bytes());
        self.bytes.push(kind);
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
    }

    /// The whole frame, to be appended at this offset of its file.
    pub fn finish(&mut self, offset: u64) -> &[u8] {
        let (header, payload) = self.bytes.split_at_mut(HEADER_SIZE);
        header[0..4].copy_from_slice(&length(payload.len()).to_be_bytes());
        header[4..12].copy_from_slice(&offset.to_be_bytes());
        header[12..16].copy_from_slice(&crc32c::crc32c(payload).to_be_bytes());
        let checksum = crc32c::crc32c(&header[..16]);
        header[16..20].copy_from_slice(&checksum.to_be_bytes());
        &self.bytes
    }

    /// Begins the next frame in the same memory.
    pub fn clear(&mut self) {
        self.bytes.truncate(HEADER_SIZE);
        // One large commit should not hold its memory for good.
        self.bytes.shrink_to(MEMORY_KEPT);
    }
}

const MEMORY_KEPT: usize = 4 * 1024 * 1024;

/// A group is a few messages of 1 MiB; what would not fit does not read back.
fn length(size: usize) -> u32 {
    debug_assert!(u32::try_from(size).is_ok(), "a frame that would not read back");
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// What stands at an offset of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<'a> {
    Frame {
        /// See [`records`].
        payload: &'a [u8],
        /// Where the next frame begins.
        end: usize,
    },
    /// The file ends here.
    End,
    /// What follows is the last frame, and not all of it is there: what a power cut leaves.
    Torn,
    /// What follows is not sound, and something was appended behind it: the file was damaged.
    Damaged,
}

/// Reads the frame at `at`, where the file begins or another frame ends.
pub fn next(file: &[u8], at: usize) -> Next<'_> {
    if at >= file.len() {
        return Next::End;
    }
    let Some((size, checksum)) = header(file, at) else {
        let behind = (at + 1..file.len()).any(|later| header(file, later).is_some());
        return if behind { Next::Damaged } else { Next::Torn };
    };
    let start = at + HEADER_SIZE;
    let end = start.saturating_add(size);
    match file.get(start..end) {
        Some(payload) if crc32c::crc32c(payload) == checksum => Next::Frame { payload, end },
        Some(_) if end < file.len() => Next::Damaged,
        Some(_) | None => Next::Torn,
    }
}

/// Size and checksum of the payload, if there is a sound header here. Zeroes are none, and neither is
/// a header that was written for another place.
fn header(file: &[u8], at: usize) -> Option<(usize, u32)> {
    let header = file.get(at..at.checked_add(HEADER_SIZE)?)?;
    let (size, rest) = header.split_first_chunk::<4>()?;
    let (offset, rest) = rest.split_first_chunk::<8>()?;
    let (payload, stated) = rest.split_first_chunk::<4>()?;
    let sound = u64::from_be_bytes(*offset) == u64::try_from(at).ok()?
        && crc32c::crc32c(header.get(..16)?) == u32::from_be_bytes(stated.try_into().ok()?);
    let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
    sound.then_some((size, u32::from_be_bytes(*payload)))
}

/// Kind and bytes of each record of a payload; `None` in place of one that does not fit, which no
/// author of a frame with a good checksum has written.
pub fn records(payload: &[u8]) -> impl Iterator<Item = Option<(u8, &[u8])>> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let record = record(rest);
        rest = record.map_or(&[], |(_, _, rest)| rest);
        Some(record.map(|(kind, bytes, _)| (kind, bytes)))
    })
}

fn record(rest: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (size, rest) = rest.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first()?;
    let (bytes, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*size)).ok()?)?;
    Some((*kind, bytes, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three commits, and where each ends. The first holds what looks like a frame.
    fn file() -> (Vec<u8>, [usize; 3]) {
        let mut frame = Frame::default();
        let mut file = Vec::new();
        let mut decoy = Frame::default();
        decoy.push(1, &[b"a frame inside a frame"]);
        let decoy = decoy.finish(7).to_vec();
        let ends =
            [vec![decoy.as_slice(), b"first"], vec![b""], vec![b"the", b"third"]].map(|records| {
                for (kind, bytes) in (1..).zip(records) {
                    frame.push(kind, &[bytes, b"!"]);
                }
                file.extend_from_slice(frame.finish(file.len() as u64));
                frame.clear();
                file.len()
            });
        (file, ends)
    }

    /// How many frames are sound, and what comes after them.
    fn read(file: &[u8]) -> (usize, Next<'_>) {
        let (mut count, mut at) = (0, 0);
        loop {
            match next(file, at) {
                Next::Frame { end, .. } => (count, at) = (count + 1, end),
                other => return (count, other),
            }
        }
    }

    #[test]
    fn records_read_back() {
        let (file, ends) = file();
        assert_eq!(read(&file), (3, Next::End));
        let Next::Frame { payload, end } = next(&file, ends[1]) else { panic!("the third") };
        assert_eq!(end, ends[2]);
        let found: Vec<_> = records(payload).collect();
        assert_eq!(found, [Some((1, b"the!".as_slice())), Some((2, b"third!"))]);
        let cut: Vec<_> = records(&payload[..payload.len() - 1]).collect();
        assert_eq!(cut, [Some((1, b"the!".as_slice())), None]);
    }

    #[test]
    fn cut_at_any_byte_the_tail_is_torn_and_never_misread() {
        let (whole, ends) = file();
        for cut in 0..whole.len() {
            let (count, end) = read(&whole[..cut]);
            assert_eq!(count, ends.iter().filter(|end| **end <= cut).count());
            let want = if cut == 0 || ends.contains(&cut) { Next::End } else { Next::Torn };
            assert_eq!(end, want, "cut at {cut}");
        }
    }

    #[test]
    fn the_last_frame_is_torn_whatever_part_of_it_is_missing() {
        let (whole, ends) = file();
        for from in ends[1]..whole.len() {
            for until in from + 1..=whole.len() {
                for fill in [0, 0xa5] {
                    let mut torn = whole.clone();
                    torn[from..until].fill(fill);
                    if torn == whole {
                        continue;
                    }
                    assert_eq!(read(&torn), (2, Next::Torn), "{from} to {until}: {fill}");
                }
            }
        }
    }

    #[test]
    fn any_flipped_bit_before_the_last_frame_is_damage() {
        let (whole, ends) = file();
        for bit in 0..whole.len() * 8 {
            let mut bad = whole.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let (count, end) = read(&bad);
            assert_eq!(count, ends.iter().filter(|end| **end <= bit / 8).count());
            let want = if bit / 8 < ends[1] { Next::Damaged } else { Next::Torn };
            assert_eq!(end, want, "bit {bit}");
        }
    }
}
