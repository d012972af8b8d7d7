//! Reading batches back by tree size, for the uplink. Nothing is kept in memory but a place in a
//! file; only what the spool has published as durable is read.

use std::{
    fs::File,
    io::{self, BufReader},
    path::PathBuf,
};

use prost::Message as _;
use remit_proto::v1;
use tlog::Hash;

use super::{
    CHUNK_FOLDER, Segment, View, chunks,
    record::{self, Found, RecordType},
    recover::chunks_named_by,
    state::BatchRecord,
};

#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    place: Option<Place>,
    buffer: Vec<u8>,
}

/// Between two records of a segment.
#[derive(Debug)]
struct Place {
    ordinal: u32,
    first: u64,
    file: BufReader<File>,
    offset: u64,
    /// Tree size of the next batch here.
    size: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No segment holds this size: released, or quarantined.
    #[error("the spool does not hold the leaves from {size} on")]
    NotHeld { size: u64 },
    /// A batch holds leaves on both sides of it.
    #[error("no batch begins at size {size}")]
    NoBoundary { size: u64 },
    /// What was durable cannot be read back. Recovery decides at start-up.
    #[error("a record of the spool is damaged")]
    Damaged,
    #[error("reading the spool")]
    Io(#[source] io::Error),
}

/// A batch to be sent, and the chunks that go ahead of it.
#[derive(Debug)]
pub struct SpooledBatch {
    pub batch: v1::Batch,
    /// The same, as it was recorded and is sent.
    pub encoded: Vec<u8>,
    /// Tree size after it.
    pub size: u64,
    pub chunks: Vec<Hash>,
}

impl Reader {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, place: None, buffer: Vec::new() }
    }

    /// The batch that begins at `size`, or `None` if that is the end of the generation.
    pub fn batch(
        &mut self,
        view: &View,
        ordinal: u32,
        size: u64,
    ) -> Result<Option<SpooledBatch>, ReadError> {
        let generation = || view.segments.iter().filter(|segment| segment.ordinal == ordinal);
        let Some(segment) = generation().find(|s| s.first <= size && size < s.end) else {
            let at_end = generation().any(|segment| segment.end == size);
            let later = generation().any(|segment| segment.first >= size && segment.end > size);
            return if at_end && !later { Ok(None) } else { Err(ReadError::NotHeld { size }) };
        };
        let result = self.read_from(segment, size);
        if result.is_err() {
            self.place = None;
        }
        result.map(Some)
    }

    /// A chunk's bytes, or `None` if it is not here any more.
    pub fn chunk(&self, id: &Hash) -> Result<Option<Vec<u8>>, ReadError> {
        match std::fs::read(chunks::path(&self.dir.join(CHUNK_FOLDER), id)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ReadError::Io(error)),
        }
    }

    fn read_from(&mut self, segment: &Segment, size: u64) -> Result<SpooledBatch, ReadError> {
        let here = self.place.take().filter(|place| {
            place.ordinal == segment.ordinal && place.first == segment.first && place.size <= size
        });
        let mut place = match here {
            Some(place) => place,
            None => self.open(segment)?,
        };
        loop {
            let left = segment.bytes.saturating_sub(place.offset);
            let (found, taken) =
                record::read(&mut place.file, left, &mut self.buffer).map_err(ReadError::Io)?;
            if found != Found::Record(RecordType::Batch) {
                return Err(ReadError::Damaged);
            }
            place.offset += taken;
            let record = BatchRecord::decode(self.buffer.as_slice());
            let encoded = record.map_err(|_| ReadError::Damaged)?.batch;
            let batch = v1::Batch::decode(encoded.as_slice()).map_err(|_| ReadError::Damaged)?;
            if batch.old_size > size {
                return Err(ReadError::NoBoundary { size });
            }
            place.size = batch.old_size + batch.leaves.len() as u64;
            if batch.old_size == size {
                let chunks = batch.leaves.iter().flat_map(|leaf| chunks_named_by(leaf)).collect();
                let size = place.size;
                self.place = Some(place);
                // The next batch may be small; a large one should not stay around.
                self.buffer.shrink_to(BUFFER_KEPT);
                return Ok(SpooledBatch { batch, encoded, size, chunks });
            }
        }
    }

    fn open(&mut self, segment: &Segment) -> Result<Place, ReadError> {
        let mut file = BufReader::new(File::open(segment.path(&self.dir)).map_err(ReadError::Io)?);
        let (found, offset) =
            record::read(&mut file, segment.bytes, &mut self.buffer).map_err(ReadError::Io)?;
        if found != Found::Record(RecordType::Header) {
            return Err(ReadError::Damaged);
        }
        let Segment { ordinal, first, .. } = *segment;
        Ok(Place { ordinal, first, file, offset, size: first })
    }
}

const BUFFER_KEPT: usize = 64 * 1024;
