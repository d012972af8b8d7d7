//! The journal: what was committed, in order. The commit point of everything.
//!
//! Segments of at most 64 MiB and one commit, named by the position of their first record. A position
//! is the ordinal number of a record, from 1. Each group commit is one frame (`evidence::frame`), so
//! that a commit is there as a whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use evidence::frame::{self, Frame};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};

use crate::files;

const SEGMENT_SIZE_MAX: u64 = 64 * 1024 * 1024;

/// An accepted batch.
#[derive(Clone, PartialEq, Message)]
pub struct BatchRecord {
    #[prost(string, tag = "1")]
    pub origin: String,
    #[prost(int64, tag = "2")]
    pub received_at_s: i64,
    /// A `Batch` as it came, up to its openings.
    #[prost(bytes = "vec", tag = "3")]
    pub batch: Vec<u8>,
}

/// An entry of one of the three logs, byte for byte.
#[derive(Clone, PartialEq, Message)]
pub struct EntryRecord {
    #[prost(int64, tag = "1")]
    pub at_s: i64,
    #[prost(bytes = "vec", tag = "2")]
    pub entry: Vec<u8>,
}

/// What was signed.
#[derive(Clone, PartialEq, Message)]
pub struct PublishedRecord {
    #[prost(int64, tag = "1")]
    pub at_s: i64,
    #[prost(bytes = "vec", tag = "2")]
    pub checkpoint: Vec<u8>,
    #[prost(uint64, tag = "3")]
    pub register_size: u64,
    #[prost(uint64, tag = "4")]
    pub case_size: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Batch(BatchRecord),
    LogEntry(EntryRecord),
    Statement(EntryRecord),
    Published(PublishedRecord),
    Decision(EntryRecord),
}

const BATCH: u8 = 1;
const LOG_ENTRY: u8 = 2;
const STATEMENT: u8 = 3;
const PUBLISHED: u8 = 4;
const DECISION: u8 = 5;

impl Record {
    fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Batch(record) => (BATCH, record.encode_to_vec()),
            Self::LogEntry(record) => (LOG_ENTRY, record.encode_to_vec()),
            Self::Statement(record) => (STATEMENT, record.encode_to_vec()),
            Self::Published(record) => (PUBLISHED, record.encode_to_vec()),
            Self::Decision(record) => (DECISION, record.encode_to_vec()),
        }
    }

    fn decode(kind: u8, payload: &[u8]) -> Option<Self> {
        match kind {
            BATCH => BatchRecord::decode(payload).ok().map(Self::Batch),
            LOG_ENTRY => EntryRecord::decode(payload).ok().map(Self::LogEntry),
            STATEMENT => EntryRecord::decode(payload).ok().map(Self::Statement),
            PUBLISHED => PublishedRecord::decode(payload).ok().map(Self::Published),
            DECISION => EntryRecord::decode(payload).ok().map(Self::Decision),
            _ => None,
        }
    }
}

/// The journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("{path}: read or write failed")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{path} is damaged at byte {at}: something was written behind it, so this is not the end of \
         an interrupted write; restore the file from a copy"
    )]
    Damaged { path: PathBuf, at: usize },
    #[error("{path}: record {position} is sound but of no kind that this version knows")]
    UnknownRecord { path: PathBuf, position: u64 },
    #[error("{path} does not continue the segment before it: want position {want}")]
    MissingSegment { path: PathBuf, want: u64 },
}

/// Appends; owned by the writer.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    path: PathBuf,
    file: File,
    size: u64,
    /// Of the newest record.
    position: u64,
    pending: Frame,
}

/// A journal that was read to its end, and not touched yet.
#[derive(Debug)]
pub struct Replayed {
    dir: PathBuf,
    position: u64,
    /// The last segment, and the size of its sound part.
    last: Option<(PathBuf, u64)>,
}

impl Replayed {
    /// Opens the journal for appending. The torn tail of the last segment, if there is one, was never
    /// acknowledged and is cut off.
    pub fn open(self) -> Result<Journal, JournalError> {
        let Self { dir, position, last } = self;
        let (path, size) = last.unwrap_or_else(|| (dir.join(segment_name(position + 1)), 0));
        let opened = || {
            let file = OpenOptions::new().append(true).create(true).open(&path)?;
            let found = file.metadata()?.len();
            if found > size {
                tracing::warn!(bytes = found - size, "cut an interrupted write off the journal");
                file.set_len(size)?;
            }
            file.sync_all()?;
            files::sync_folder(&dir)?;
            Ok(file)
        };
        let file = opened().map_err(|source| JournalError::Io { path: path.clone(), source })?;
        Ok(Journal { dir, path, file, size, position, pending: Frame::default() })
    }
}

impl Journal {
    /// Reads all records in order, and changes nothing: what they add up to can be checked before
    /// anything is cut off.
    pub fn replay<E: From<JournalError>>(
        dir: &Path,
        mut each: impl FnMut(u64, Record) -> Result<(), E>,
    ) -> Result<Replayed, E> {
        fs::create_dir_all(dir)
            .map_err(|source| JournalError::Io { path: dir.to_owned(), source })?;
        let (position, last) = read_all(dir, &mut each)?;
        Ok(Replayed { dir: dir.to_owned(), position, last })
    }

    /// Adds a record to the next commit and returns its position.
    pub fn push(&mut self, record: &Record) -> u64 {
        let (kind, bytes) = record.encode();
        self.pending.push(kind, &[&bytes]);
        self.position += 1;
        self.position
    }

    /// As [`push`](Self::push), for a batch whose bytes are copied here and nowhere else.
    pub fn push_batch(&mut self, origin: &str, received_at_s: i64, batch: &[u8]) -> u64 {
        let before = BatchRecord { origin: origin.to_owned(), received_at_s, batch: Vec::new() };
        let mut before = before.encode_to_vec();
        begin_bytes_field(&mut before, 3, batch.len());
        self.pending.push(BATCH, &[&before, batch]);
        self.position += 1;
        self.position
    }

    /// Makes everything pushed durable. After an error nobody knows what is on disk: stop.
    pub fn commit(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let frame = self.pending.finish(self.size);
        self.file.write_all(frame)?;
        self.file.sync_data()?;
        self.size += frame.len() as u64;
        self.pending.clear();
        if self.size >= SEGMENT_SIZE_MAX {
            self.roll()?;
        }
        Ok(())
    }

    fn roll(&mut self) -> io::Result<()> {
        self.path = self.dir.join(segment_name(self.position + 1));
        self.file = OpenOptions::new().append(true).create_new(true).open(&self.path)?;
        self.file.sync_all()?;
        files::sync_folder(&self.dir)?;
        self.size = 0;
        Ok(())
    }
}

/// The last field of a message, without its bytes.
pub(super) fn begin_bytes_field(message: &mut Vec<u8>, tag: u32, size: usize) {
    encode_key(tag, WireType::LengthDelimited, message);
    encode_varint(size as u64, message);
}

fn segment_name(first_position: u64) -> String {
    format!("{first_position:020}")
}

/// Reads every record of a journal that may be in use: a torn tail is where it ends for now.
pub fn read<E: From<JournalError>>(
    dir: &Path,
    mut each: impl FnMut(u64, Record) -> Result<(), E>,
) -> Result<(), E> {
    read_all(dir, &mut each).map(drop)
}

/// Returns the newest position, and the last segment with the size of its sound part.
fn read_all<E: From<JournalError>>(
    dir: &Path,
    each: &mut impl FnMut(u64, Record) -> Result<(), E>,
) -> Result<(u64, Option<(PathBuf, u64)>), E> {
    let io = |source| JournalError::Io { path: dir.to_owned(), source };
    let mut names: Vec<_> = fs::read_dir(dir)
        .map_err(io)?
        .map(|entry| entry.map(|e| e.file_name()))
        .collect::<io::Result<_>>()
        .map_err(io)?;
    names.sort();
    let mut position = 0;
    let mut last = None;
    let count = names.len();
    for (number, name) in names.into_iter().enumerate() {
        let path = dir.join(&name);
        let want = position + 1;
        if name.to_str() != Some(segment_name(want).as_str()) {
            return Err(JournalError::MissingSegment { path, want }.into());
        }
        let bytes =
            fs::read(&path).map_err(|source| JournalError::Io { path: path.clone(), source })?;
        let mut at = 0;
        loop {
            match frame::next(&bytes, at) {
                frame::Next::Frame { payload, end } => {
                    for record in frame::records(payload) {
                        position += 1;
                        let record = record
                            .and_then(|(kind, bytes)| Record::decode(kind, bytes))
                            .ok_or_else(|| {
                            let path = path.clone();
                            JournalError::UnknownRecord { path, position }
                        })?;
                        each(position, record)?;
                    }
                    at = end;
                }
                frame::Next::End => break,
                // Only the last commit of the newest segment can be an interrupted write.
                frame::Next::Torn if number + 1 == count => break,
                frame::Next::Torn | frame::Next::Damaged => {
                    return Err(JournalError::Damaged { path, at }.into());
                }
            }
        }
        last = Some((path, at as u64));
    }
    Ok((position, last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read of one segment with these bytes.
    fn records_of(bytes: &[u8]) -> Result<Vec<Record>, JournalError> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(segment_name(1)), bytes).unwrap();
        let mut found = Vec::new();
        read::<JournalError>(dir.path(), |_, record| {
            found.push(record);
            Ok(())
        })?;
        Ok(found)
    }

    /// Three commits of a record each.
    fn segment() -> (Vec<u8>, Vec<Record>) {
        let mut segment = Vec::new();
        let records: Vec<Record> = (1..4)
            .map(|number| {
                let origin = "example.net/agent/edge-1/0000000000000001".to_owned();
                let batch = vec![number; 20 * usize::from(number)];
                Record::Batch(BatchRecord { origin, received_at_s: 1_800_000_000, batch })
            })
            .collect();
        for record in &records {
            let mut frame = Frame::default();
            let (kind, bytes) = record.encode();
            frame.push(kind, &[&bytes]);
            let at = segment.len() as u64;
            segment.extend_from_slice(frame.finish(at));
        }
        (segment, records)
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_segment_is_read_or_refused(bytes: Vec<u8>, at: usize, bit in 0..8_u8) {
            let _ = records_of(&bytes);
            let (mut segment, records) = segment();
            let at = at % segment.len();
            if let Some(byte) = segment.get_mut(at) {
                *byte ^= 1 << bit;
            }
            // Never another record, and never one behind the damage.
            if let Ok(found) = records_of(&segment) {
                prop_assert!(found.len() < records.len());
                prop_assert!(records.starts_with(&found));
            }
            segment.truncate(at);
            let found = records_of(&segment).expect("the end of an interrupted write");
            prop_assert!(records.starts_with(&found));
        }
    }

    #[test]
    fn a_batch_that_is_not_copied_twice_reads_back_as_the_same_record() {
        let dir = tempfile::tempdir().unwrap();
        let records = [b"a batch".to_vec(), vec![7; 300], Vec::new()].map(|batch| {
            let origin = "example.net/agent/edge-1/0000000000000001".to_owned();
            BatchRecord { origin, received_at_s: 1_800_000_000, batch }
        });
        let replayed = Journal::replay::<JournalError>(dir.path(), |_, _| Ok(()));
        let mut journal = replayed.and_then(Replayed::open).unwrap();
        for (position, BatchRecord { origin, received_at_s, batch }) in (1..).zip(&records) {
            assert_eq!(journal.push_batch(origin, *received_at_s, batch), position);
        }
        journal.commit().unwrap();
        let mut found = Vec::new();
        read::<JournalError>(dir.path(), |_, record| {
            found.push(record);
            Ok(())
        })
        .unwrap();
        assert_eq!(found, records.map(Record::Batch));
    }
}
