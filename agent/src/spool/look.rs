//! A look at the spool of a running agent, by another process: what becomes durable from now on.
//!
//! In: the folder, which somebody else writes to. Out: each further batch, with the root of the tree behind it.
//! Nothing is locked, written or repaired.
//!
//! A record that is not whole yet is one that the agent still writes; one that is whole may not be synced yet. So
//! what is seen here is what the agent has recorded, and whether it is durable is for the agent to say, to the
//! collector: no head leaves the node before.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use evidence::AgentOrigin;
use prost::Message as _;
use remit_proto::v1;
use tlog::{Edge, Hash, leaf_hash};

use super::{
    Segment,
    record::{self, Found, RecordType},
    recover::segment_names,
    state::{BatchRecord, SegmentHeader},
};

/// Behind all that was there.
#[derive(Debug)]
pub struct Look {
    dir: PathBuf,
    /// `None`: nobody has written to this spool yet.
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    segment: Segment,
    offset: u64,
    origin: AgentOrigin,
    edge: Edge,
}

/// A batch that was recorded, and the tree behind it.
#[derive(Debug)]
pub struct Recorded {
    pub origin: AgentOrigin,
    /// Index of its first leaf.
    pub first: u64,
    pub leaves: Vec<Vec<u8>>,
    /// Tree size and root behind it, made up from the leaves.
    pub size: u64,
    pub root: Hash,
}

impl Look {
    pub fn at_end(dir: &Path) -> io::Result<Self> {
        let mut look = Self { dir: dir.to_owned(), place: None };
        look.place =
            segment_names(dir)?.last().map(|newest| look.enter(*newest)).transpose()?.flatten();
        while look.next_batch()?.is_some() {}
        Ok(look)
    }

    /// The next batch; `None`: there is none yet.
    pub fn next_batch(&mut self) -> io::Result<Option<Recorded>> {
        loop {
            if let Some(recorded) = self.here()? {
                return Ok(Some(recorded));
            }
            let key = |segment: &Segment| (segment.ordinal, segment.first);
            let here = self.place.as_ref().map(|place| key(&place.segment));
            let names = segment_names(&self.dir)?;
            let Some(next) =
                names.into_iter().find(|next| here.is_none_or(|here| key(next) > here))
            else {
                return Ok(None);
            };
            // A segment is whole before the next one is begun, but it may have been so only after we looked.
            if let Some(recorded) = self.here()? {
                return Ok(Some(recorded));
            }
            match self.enter(next)? {
                Some(place) => self.place = Some(place),
                None => return Ok(None),
            }
        }
    }

    /// The next batch of this segment.
    fn here(&mut self) -> io::Result<Option<Recorded>> {
        let Some(place) = &mut self.place else { return Ok(None) };
        let mut bytes = Vec::new();
        let Some((RecordType::Batch, taken)) =
            whole(&place.segment.path(&self.dir), place.offset, &mut bytes)?
        else {
            return Ok(None);
        };
        let record = BatchRecord::decode(bytes.as_slice()).map_err(io::Error::other)?;
        let batch = v1::Batch::decode(record.batch.as_slice()).map_err(io::Error::other)?;
        let v1::Batch { note: _, old_size, consistency: _, leaves, openings: _ } = batch;
        leaves.iter().for_each(|leaf| place.edge.append(leaf_hash(leaf)));
        place.offset += taken;
        let (size, root) = (place.edge.size(), place.edge.root());
        Ok(Some(Recorded { origin: place.origin.clone(), first: old_size, leaves, size, root }))
    }

    /// `None`: its beginning is still being written, or is not ours to read.
    fn enter(&self, segment: Segment) -> io::Result<Option<Place>> {
        let mut bytes = Vec::new();
        let Some((RecordType::Header, offset)) = whole(&segment.path(&self.dir), 0, &mut bytes)?
        else {
            return Ok(None);
        };
        let SegmentHeader { format: _, origin, ordinal: _, first_size, peaks, state: _ } =
            SegmentHeader::decode(bytes.as_slice()).map_err(io::Error::other)?;
        let peaks: Option<Vec<Hash>> = peaks.iter().map(|peak| Hash::from_slice(peak)).collect();
        let edge = peaks.and_then(|peaks| Edge::from_parts(first_size, peaks).ok());
        let (Some(edge), Ok(origin)) = (edge, origin.parse()) else { return Ok(None) };
        Ok(Some(Place { segment, offset, origin, edge }))
    }
}

/// The record at this place, if all of it is there, and how long it is.
fn whole(path: &Path, offset: u64, bytes: &mut Vec<u8>) -> io::Result<Option<(RecordType, u64)>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        // Released meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let left = file.metadata()?.len().saturating_sub(offset);
    file.seek(SeekFrom::Start(offset))?;
    match record::read(&mut file.by_ref().take(left), left, bytes)? {
        (Found::Record(kind), taken) => Ok(Some((kind, taken))),
        (Found::End | Found::Bad, _) => Ok(None),
    }
}
