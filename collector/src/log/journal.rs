//! The journal: what was committed, in order. The commit point of everything.
//!
//! Segments of at most 64 MiB, named by the position of their first record. A position is the
//! ordinal number of a record, from 1.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use evidence::frame;
use prost::Message;
use remit_proto::v1;

use crate::files;

const SEGMENT_SIZE_MAX: u64 = 64 * 1024 * 1024;

/// An accepted batch without its openings.
#[derive(Clone, PartialEq, Message)]
pub struct BatchRecord {
    #[prost(string, tag = "1")]
    pub origin: String,
    #[prost(int64, tag = "2")]
    pub received_at_s: i64,
    #[prost(message, optional, tag = "3")]
    pub batch: Option<v1::Batch>,
}

/// An entry of one of the two logs, byte for byte.
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
}

#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Batch(BatchRecord),
    LogEntry(EntryRecord),
    Statement(EntryRecord),
    Published(PublishedRecord),
}

impl Record {
    fn encode(&self, out: &mut Vec<u8>) {
        let (kind, payload) = match self {
            Self::Batch(record) => (1, record.encode_to_vec()),
            Self::LogEntry(record) => (2, record.encode_to_vec()),
            Self::Statement(record) => (3, record.encode_to_vec()),
            Self::Published(record) => (4, record.encode_to_vec()),
        };
        frame::append(out, kind, &payload);
    }

    fn decode(kind: u8, payload: &[u8]) -> Option<Self> {
        match kind {
            1 => BatchRecord::decode(payload).ok().map(Self::Batch),
            2 => EntryRecord::decode(payload).ok().map(Self::LogEntry),
            3 => EntryRecord::decode(payload).ok().map(Self::Statement),
            4 => PublishedRecord::decode(payload).ok().map(Self::Published),
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
        "{path} is damaged at byte {at}: records follow that are sound, so this is not the end of \
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
    pending: Vec<u8>,
}

impl Journal {
    /// Reads all records in order, then opens the journal for appending. The torn tail of the last
    /// segment, if there is one, was never acknowledged and is cut off.
    pub fn open<E: From<JournalError>>(
        dir: &Path,
        mut each: impl FnMut(u64, Record) -> Result<(), E>,
    ) -> Result<Self, E> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| JournalError::Io { path, source }
        };
        fs::create_dir_all(dir).map_err(at(dir))?;
        let (position, last) = read_all(dir, &mut each)?;
        let (path, sound_size) = last.unwrap_or_else(|| (dir.join(segment_name(position + 1)), 0));
        let file = OpenOptions::new().append(true).create(true).open(&path).map_err(at(&path))?;
        let found = file.metadata().map_err(at(&path))?.len();
        if found > sound_size {
            tracing::warn!(bytes = found - sound_size, "cut an interrupted write off the journal");
            file.set_len(sound_size).map_err(at(&path))?;
        }
        file.sync_all().map_err(at(&path))?;
        files::sync_folder(dir).map_err(at(dir))?;
        Ok(Self {
            dir: dir.to_owned(),
            path,
            file,
            size: sound_size,
            position,
            pending: Vec::new(),
        })
    }

    /// Adds a record to the next commit and returns its position.
    pub fn push(&mut self, record: &Record) -> u64 {
        record.encode(&mut self.pending);
        self.position += 1;
        self.position
    }

    /// Makes everything pushed durable. After an error nobody knows what is on disk: stop.
    pub fn commit(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.file.write_all(&self.pending)?;
        self.file.sync_data()?;
        self.size += self.pending.len() as u64;
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
                frame::Next::Record { kind, payload, end } => {
                    position += 1;
                    let record = Record::decode(kind, payload).ok_or_else(|| {
                        JournalError::UnknownRecord { path: path.clone(), position }
                    })?;
                    each(position, record)?;
                    at = end;
                }
                frame::Next::End => break,
                // Only the end of the newest segment can be an interrupted write.
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
