//! Openings of commitments: day files outside the trees, so that they can be withheld or erased
//! without breaking a proof.
//!
//! One file per UTC day of receipt, records as in `evidence::frame`, kind 1: [`OpeningsRecord`].
//! A record may stand twice (a crash between here and the journal, then a repetition); both are
//! equal, and a reader takes the first.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use evidence::{AgentOrigin, frame};
use prost::Message;
use remit_proto::v1;

use crate::files;

/// The openings that came with one batch.
#[derive(Clone, PartialEq, Message)]
pub struct OpeningsRecord {
    #[prost(string, tag = "1")]
    pub origin: String,
    #[prost(message, repeated, tag = "2")]
    pub openings: Vec<v1::LeafOpening>,
}

/// Appends; owned by the writer.
#[derive(Debug)]
pub struct Openings {
    dir: PathBuf,
    open: Option<(String, File)>,
    /// By day of receipt, as the journal states it: that is where a reader will look.
    pending: BTreeMap<String, Vec<u8>>,
}

impl Openings {
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self { dir, open: None, pending: BTreeMap::new() })
    }

    pub fn push(
        &mut self,
        origin: &AgentOrigin,
        openings: Vec<v1::LeafOpening>,
        received_at_s: i64,
    ) {
        if !openings.is_empty() {
            let record = OpeningsRecord { origin: origin.to_string(), openings };
            let pending = self.pending.entry(day(received_at_s)).or_default();
            frame::append(pending, 1, &record.encode_to_vec());
        }
    }

    /// Makes everything pushed durable.
    pub fn commit(&mut self) -> io::Result<()> {
        for (day, bytes) in std::mem::take(&mut self.pending) {
            let mut file = match self.open.take() {
                Some((open_day, file)) if open_day == day => file,
                _ => {
                    let path = self.dir.join(&day);
                    let file = OpenOptions::new().append(true).create(true).open(&path)?;
                    cut_to_sound(&path, &file)?;
                    file.sync_all()?;
                    files::sync_folder(&self.dir)?;
                    file
                }
            };
            file.write_all(&bytes)?;
            file.sync_data()?;
            self.open = Some((day, file));
        }
        Ok(())
    }
}

/// A reader stops at the first thing that is no record, so nothing may be appended behind one.
fn cut_to_sound(path: &Path, file: &File) -> io::Result<()> {
    let bytes = fs::read(path)?;
    let mut sound_size = 0;
    while let frame::Next::Record { end, .. } = frame::next(&bytes, sound_size) {
        sound_size = end;
    }
    match frame::next(&bytes, sound_size) {
        frame::Next::Record { .. } | frame::Next::End => return Ok(()),
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
    file.set_len(sound_size as u64)
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
    while let frame::Next::Record { payload, end, .. } = frame::next(&bytes, at) {
        at = end;
        let Ok(OpeningsRecord { origin, openings }) = OpeningsRecord::decode(payload) else {
            continue;
        };
        for opening in openings {
            let of_leaf = held.entry((origin.clone(), opening.index)).or_default();
            if !of_leaf.contains(&opening) {
                of_leaf.push(opening);
            }
        }
    }
    Ok(held)
}
