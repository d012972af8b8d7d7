//! Openings of commitments: day files outside the trees, so that they can be withheld or erased
//! without breaking a proof.
//!
//! One file per UTC day of receipt, a frame for each commit (`evidence::frame`) with records of kind 1:
//! [`OpeningsRecord`]. A record may stand twice (a crash between here and the journal, then a repetition); both are
//! equal, and a reader takes the first.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use evidence::frame::{self, Frame};
use prost::Message;
use remit_proto::v1;

use super::journal::begin_bytes_field;
use crate::files;

/// The openings that came with one batch.
#[derive(Clone, PartialEq, Message)]
pub struct OpeningsRecord {
    #[prost(string, tag = "1")]
    pub origin: String,
    /// A `Batch` of openings alone: the end of the one that came.
    #[prost(bytes = "vec", tag = "2")]
    pub batch: Vec<u8>,
}

/// Appends; owned by the writer.
#[derive(Debug)]
pub struct Openings {
    dir: PathBuf,
    open: Option<Day>,
    /// By day of receipt, as the journal states it: that is where a reader will look.
    pending: BTreeMap<String, Frame>,
}

#[derive(Debug)]
struct Day {
    name: String,
    file: File,
    size: u64,
}

impl Openings {
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self { dir, open: None, pending: BTreeMap::new() })
    }

    /// Adds the openings of a batch, an encoded `Batch` of nothing else, to the next commit.
    pub fn push(&mut self, origin: &str, openings: &[u8], received_at_s: i64) {
        if !openings.is_empty() {
            let before = OpeningsRecord { origin: origin.to_owned(), batch: Vec::new() };
            let mut before = before.encode_to_vec();
            begin_bytes_field(&mut before, 2, openings.len());
            let frame = self.pending.entry(day(received_at_s)).or_default();
            frame.push(1, &[&before, openings]);
        }
    }

    /// Makes everything pushed durable.
    pub fn commit(&mut self) -> io::Result<()> {
        let Self { dir, open, pending } = self;
        for (name, frame) in pending.iter_mut().filter(|(_, frame)| !frame.is_empty()) {
            let mut day = match open.take() {
                Some(day) if day.name == *name => day,
                _ => Day::open(dir, name.clone())?,
            };
            let bytes = frame.finish(day.size);
            day.file.write_all(bytes)?;
            day.file.sync_data()?;
            day.size += bytes.len() as u64;
            frame.clear();
            *open = Some(day);
        }
        // The memory of the day's frame is used again; that of other days is not needed.
        pending.retain(|name, _| open.as_ref().is_some_and(|day| day.name == *name));
        Ok(())
    }
}

impl Day {
    fn open(dir: &Path, name: String) -> io::Result<Self> {
        let path = dir.join(&name);
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let size = cut_to_sound(&path, &file)?;
        file.sync_all()?;
        files::sync_folder(dir)?;
        Ok(Self { name, file, size })
    }
}

/// A reader stops at the first thing that is no frame, so nothing may be appended behind one. Returns
/// the size of the file as it is then.
fn cut_to_sound(path: &Path, file: &File) -> io::Result<u64> {
    let bytes = fs::read(path)?;
    let mut sound_size = 0;
    while let frame::Next::Frame { end, .. } = frame::next(&bytes, sound_size) {
        sound_size = end;
    }
    match frame::next(&bytes, sound_size) {
        frame::Next::Frame { .. } | frame::Next::End => return Ok(sound_size as u64),
        // Openings are synced before the journal, so the batch of this one was never answered.
        frame::Next::Torn => {
            let bytes = bytes.len() - sound_size;
            tracing::warn!(bytes, "cut an interrupted write off the openings");
        }
        frame::Next::Damaged => {
            let mut kept = path.as_os_str().to_owned();
            kept.push(".damaged");
            files::replace(Path::new(&kept), &bytes)?;
            tracing::error!(
                path = %path.display(),
                at = sound_size,
                "openings are damaged; the file is kept beside as .damaged, and what follows the \
                 damage counts as absent: stop the collector and restore the file from a copy"
            );
        }
    }
    file.set_len(sound_size as u64)?;
    Ok(sound_size as u64)
}

/// Name of the file of a day, `YYYY-MM-DD` in UTC.
pub fn day(at_s: i64) -> String {
    jiff::Timestamp::from_second(at_s)
        .map_or_else(|_| "unknown".to_owned(), |t| t.strftime("%Y-%m-%d").to_string())
}

/// Reads openings back, one day in memory at a time. A day that was erased has none.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    day: String,
    held: HashMap<(String, u64), Vec<v1::LeafOpening>>,
}

impl Reader {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, day: String::new(), held: HashMap::new() }
    }

    /// The openings of leaves `from ..` of a batch that was received at this time.
    pub fn of(
        &mut self,
        origin: &str,
        from: u64,
        count: u64,
        received_at_s: i64,
    ) -> io::Result<Vec<v1::LeafOpening>> {
        let day = day(received_at_s);
        if day != self.day {
            self.held = load(&self.dir.join(&day))?;
            self.day = day;
        }
        let mut found = Vec::new();
        for index in from..from.saturating_add(count) {
            if let Some(openings) = self.held.get(&(origin.to_owned(), index)) {
                found.extend(openings.iter().cloned());
            }
        }
        Ok(found)
    }
}

fn load(path: &Path) -> io::Result<HashMap<(String, u64), Vec<v1::LeafOpening>>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut held: HashMap<(String, u64), Vec<v1::LeafOpening>> = HashMap::new();
    let mut at = 0;
    // A torn or damaged part opens nothing; what it held counts as absent, and is reported so.
    while let frame::Next::Frame { payload, end } = frame::next(&bytes, at) {
        at = end;
        for (_, record) in frame::records(payload).flatten() {
            let Ok(OpeningsRecord { origin, batch }) = OpeningsRecord::decode(record) else {
                continue;
            };
            let Ok(v1::Batch { openings, .. }) = v1::Batch::decode(batch.as_slice()) else {
                continue;
            };
            for opening in openings {
                let of_leaf = held.entry((origin.clone(), opening.index)).or_default();
                if !of_leaf.contains(&opening) {
                    of_leaf.push(opening);
                }
            }
        }
    }
    Ok(held)
}
