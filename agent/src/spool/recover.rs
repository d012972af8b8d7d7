//! Start-up: what is in the segments, and whether it may be believed.
//!
//! Each segment is read once, record by record, by the function that the reader uses. The last one
//! gives the state and the edge, and its leaves must lead to the root that was signed.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use evidence::AgentOrigin;
use prost::Message as _;
use remit_proto::v1;
use tlog::{Edge, Hash, checkpoint::Checkpoint, leaf_hash, note::Note};

use super::{
    NEW_MARK, REPLACEMENT_EXTENSION, SEGMENT_EXTENSION, Segment, SpoolTree,
    append::chunk_ids,
    chunks::Chunks,
    files,
    record::{self, Found, RecordType, any_within},
    state::{BatchRecord, Folded, SegmentHeader, State},
};

/// What was durable.
#[derive(Debug, Default)]
pub struct Recovery {
    /// The newest generation, as far as it can be read; `None` in an empty spool.
    pub tree: Option<SpoolTree>,
    /// As of the last batch that can be read.
    pub state: Option<State>,
    /// Bytes of an append that a crash tore, of which nobody had heard.
    pub torn_bytes: u64,
    /// Something that was durable cannot be read any more; the text says what.
    pub damage: Option<String>,
    /// The spool lay in memory, which is empty: this is its copy on flash, which is behind.
    pub memory_lost: bool,
    /// `enrol` has made this spool and nothing was in it since.
    pub is_new: bool,
}

/// Marks a spool as new, so that a spool that was lost is never taken for one. By `enrol` alone.
pub fn prepare_new(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let mark = dir.join(NEW_MARK);
    File::create(&mark)?.sync_all()?;
    files::sync_folder(&mark)?;
    files::sync_folder(dir)
}

pub(super) fn recover(
    dir: &Path,
    chunks: &mut Chunks,
) -> io::Result<(VecDeque<Segment>, Recovery)> {
    let mut recovery = Recovery { is_new: dir.join(NEW_MARK).exists(), ..Recovery::default() };
    let mut segments: VecDeque<Segment> = VecDeque::new();
    sweep_replacements(dir)?;
    let names = segment_names(dir)?;
    let last_at = names.len().saturating_sub(1);
    for (at, name) in names.into_iter().enumerate() {
        let path = name.path(dir);
        let is_last = at == last_at;
        let mut scan = Scan::of(&path, name, is_last)?;
        if is_last && (scan.is_torn_beginning() || scan.is_without_genesis()) {
            // A crash while the segment or its generation was begun: it held nothing yet.
            fs::remove_file(&path)?;
            files::sync_folder(&path)?;
            recovery.torn_bytes += scan.file_size;
            break;
        }
        if let Some(before) = segments.back() {
            let follows = before.ordinal != name.ordinal || before.end == name.first;
            if !follows {
                damage(&mut recovery, &path, "leaves between it and the segment before are gone");
            }
        }
        match std::mem::replace(&mut scan.tail, Tail::Clean) {
            Tail::Clean => {}
            Tail::Torn => {
                recovery.torn_bytes += scan.file_size - scan.valid_size;
                files::rewrite_prefix(&path, scan.valid_size)?;
            }
            Tail::Damaged(what) => {
                damage(&mut recovery, &path, what);
                quarantine(&path, scan.valid_size, scan.header.is_some())?;
            }
        }
        for (index, ids) in scan.named {
            chunks.name(name.ordinal, index, ids);
        }
        let Some(tree) = scan.header else { continue };
        segments.push_back(Segment {
            end: tree.edge.size(),
            bytes: scan.valid_size,
            header_bytes: scan.header_size,
            ..name
        });
        let unclean = is_last && scan.state.as_ref().is_some_and(|s| !s.small.stopped);
        if unclean && recovery.damage.is_none() && recovery.torn_bytes == 0 {
            // What we just read may be in the page cache alone.
            files::rewrite_prefix(&path, scan.valid_size)?;
        }
        recovery.tree = Some(tree);
        recovery.state = scan.state;
    }
    if recovery.tree.is_some() {
        recovery.is_new = false;
    }
    // The last file was a torn beginning: the state is that of the one before, whose scan did not
    // keep it.
    if recovery.state.is_none()
        && recovery.damage.is_none()
        && let Some(last) = segments.back()
    {
        let scan = Scan::of(&last.path(dir), *last, true)?;
        recovery.tree = scan.header;
        recovery.state = scan.state;
    }
    Ok((segments, recovery))
}

/// Deletes what a crash left of files that were being replaced.
fn sweep_replacements(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == REPLACEMENT_EXTENSION) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn damage(recovery: &mut Recovery, path: &Path, what: &str) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    recovery.damage.get_or_insert_with(|| format!("{name}: {what}"));
}

/// In the order of writing.
pub(super) fn segment_names(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == SEGMENT_EXTENSION) {
            names.extend(path.file_name().and_then(|n| n.to_str()).and_then(Segment::parse));
        }
    }
    crate::order::sort_by_key(&mut names, |segment| (segment.ordinal, segment.first));
    Ok(names)
}

/// Sets the file aside as it was found and puts its healthy beginning in its place.
fn quarantine(path: &Path, valid_size: u64, has_header: bool) -> io::Result<()> {
    let aside = (1_u32..)
        .map(|n| PathBuf::from(format!("{}.{n}.damaged", path.display())))
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| path.with_extension("damaged"));
    fs::rename(path, &aside)?;
    if has_header {
        let mut bytes = Vec::new();
        File::open(&aside)?.take(valid_size).read_to_end(&mut bytes)?;
        files::replace(path, &bytes)?;
    }
    files::sync_folder(path)
}

/// How a segment ends.
#[derive(Debug)]
enum Tail {
    Clean,
    Torn,
    Damaged(&'static str),
}

/// One segment, read through.
struct Scan {
    /// The tree after its last healthy batch.
    header: Option<SpoolTree>,
    /// Of the last segment only.
    state: Option<State>,
    named: Vec<(u64, Vec<Hash>)>,
    tail: Tail,
    header_size: u64,
    valid_size: u64,
    file_size: u64,
}

impl Scan {
    fn of(path: &Path, name: Segment, is_last: bool) -> io::Result<Self> {
        let mut file = BufReader::new(File::open(path)?);
        let file_size = file.get_ref().metadata()?.len();
        let mut scan = Self {
            header: None,
            state: None,
            named: Vec::new(),
            tail: Tail::Clean,
            header_size: 0,
            valid_size: 0,
            file_size,
        };
        let mut folded: Option<Folded> = None;
        let mut buffer = Vec::new();
        let wrong = loop {
            let left = file_size - scan.valid_size;
            let (found, taken) = record::read(&mut file, left, &mut buffer)?;
            let taken_in = match found {
                Found::End => break None,
                Found::Bad => break Some(scan.bad_tail(path, is_last)?),
                Found::Record(RecordType::Header) if scan.header.is_none() => {
                    scan.header_size = taken;
                    scan.take_header(&buffer, name).map(|state| folded = Some(Folded::new(state)))
                }
                Found::Record(RecordType::Header) => None,
                Found::Record(RecordType::Batch) => scan.take_batch(&buffer, is_last, &mut folded),
            };
            if taken_in.is_none() {
                break Some(Tail::Damaged("a record does not fit those before it"));
            }
            scan.valid_size += taken;
        };
        scan.tail = match wrong {
            Some(tail) => tail,
            None if scan.header.is_none() && !is_last => Tail::Damaged("the segment is empty"),
            None => Tail::Clean,
        };
        if is_last {
            scan.state = folded.map(Folded::finish);
        }
        Ok(scan)
    }

    fn is_torn_beginning(&self) -> bool {
        self.header.is_none() && matches!(self.tail, Tail::Clean | Tail::Torn)
    }

    /// A generation of which not even the first batch became durable: nobody has heard of it, and
    /// continued it would be a tree without a `Genesis`.
    fn is_without_genesis(&self) -> bool {
        let empty = self.header.as_ref().is_some_and(|tree| tree.edge.size() == 0);
        empty && matches!(self.tail, Tail::Clean | Tail::Torn)
    }

    /// Torn or damaged: only behind the very last write can nothing follow.
    fn bad_tail(&self, path: &Path, is_last: bool) -> io::Result<Tail> {
        if !is_last {
            return Ok(Tail::Damaged("a checksum in it is wrong"));
        }
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(self.valid_size + 1))?;
        let mut rest = Vec::new();
        file.read_to_end(&mut rest)?;
        Ok(if any_within(&rest) {
            Tail::Damaged("a checksum in it is wrong, and whole records follow")
        } else {
            Tail::Torn
        })
    }

    fn take_header(&mut self, bytes: &[u8], name: Segment) -> Option<State> {
        let header = SegmentHeader::decode(bytes).ok()?;
        let SegmentHeader { format, origin, ordinal, first_size, peaks, state } = header;
        let origin: AgentOrigin = origin.parse().ok()?;
        let named = format == super::SEGMENT_FORMAT
            && ordinal == name.ordinal
            && origin.generation == name.generation
            && first_size == name.first;
        let peaks: Option<Vec<Hash>> = peaks.iter().map(|peak| Hash::from_slice(peak)).collect();
        let edge = Edge::from_parts(first_size, peaks?).ok()?;
        self.header = named.then_some(SpoolTree { origin, ordinal, edge });
        named.then_some(state)
    }

    fn take_batch(
        &mut self,
        bytes: &[u8],
        is_last: bool,
        folded: &mut Option<Folded>,
    ) -> Option<()> {
        let tree = self.header.as_mut()?;
        let BatchRecord { batch, change } = BatchRecord::decode(bytes).ok()?;
        let v1::Batch { note, old_size, leaves, consistency: _, openings: _ } =
            v1::Batch::decode(batch.as_slice()).ok()?;
        // Our own note; whether it is the right one is seen by its root.
        let head = Checkpoint::parse_text(&Note::parse(note).ok()?.text).ok()?;
        if old_size != tree.edge.size() || head.origin != tree.origin.to_string() {
            return None;
        }
        let mut edge = tree.edge.clone();
        for (index, leaf) in (old_size..).zip(&leaves) {
            edge.append(leaf_hash(leaf));
            let ids = chunks_named_by(leaf);
            if !ids.is_empty() {
                self.named.push((index, ids));
            }
        }
        if head.size != edge.size() || head.root != edge.root() {
            return None;
        }
        tree.edge = edge;
        if is_last {
            folded.as_mut()?.apply(change);
        }
        Some(())
    }
}

/// The chunks that a leaf names, if it is a snapshot.
pub(super) fn chunks_named_by(leaf: &[u8]) -> Vec<Hash> {
    // Leaf.rule_snapshot is field 6, length-delimited; all other leaves are told by one byte.
    if leaf.first() != Some(&0x32) {
        return Vec::new();
    }
    match v1::Leaf::decode(leaf).ok().and_then(|leaf| leaf.body) {
        Some(v1::leaf::Body::RuleSnapshot(snapshot)) => {
            chunk_ids(&snapshot.rules.unwrap_or_default().chunks)
        }
        _ => Vec::new(),
    }
}
