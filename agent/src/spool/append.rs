//! The write path of the spool, in the order of its durable steps, and the release.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::{self, File},
    io::{self, IoSlice, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
};

use evidence::builder::Closed;
use nix::fcntl::{Flock, FlockArg};
use tlog::Hash;
use tokio::sync::watch;

use super::{
    ASIDE_FOLDER, CHUNK_FOLDER, LOCK, NEW_MARK, OpenError, Recovery, SEGMENT_FORMAT,
    SEGMENT_ROLL_BYTES, Segment, SpoolTree, View,
    chunks::Chunks,
    files,
    flash::{Flash, Found},
    record::{RecordType, frame, frame_batch},
    recover,
    state::{SegmentHeader, State, StateChange},
};

/// The one writer. Owned by the recorder's thread.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    bytes_max: u64,
    /// In the order of writing; the last one is `active`, if that is open.
    segments: VecDeque<Segment>,
    active: Option<File>,
    chunks: Chunks,
    released_early: u64,
    /// Newest receipts, by ordinal.
    limits: BTreeMap<u32, SafeBelow>,
    /// Generations that nobody will take any more.
    given_up: BTreeSet<u32>,
    /// Bytes of the segment being written at which the next one is due.
    roll_at: u64,
    view: watch::Sender<View>,
    /// Of a spool that lies in memory.
    flash: Option<Flash>,
    faults: Faults,
    /// Held as long as the spool is.
    _lock: Flock<File>,
}

/// What became of an append.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Nothing landed; the batch may be offered again.
    #[error("the spool has no room")]
    Full,
    /// We no longer know what is on disk. Stop; recovery decides at start-up.
    #[error("the state of the spool is unknown")]
    Fatal(#[source] io::Error),
}

impl Spool {
    /// Opens a spool that lies in memory, with its copy on flash.
    pub fn open_in_memory(
        dir: &Path,
        bytes_max: u64,
        flash: &Path,
        loss_bound_s: u32,
    ) -> Result<(Self, Recovery), OpenError> {
        let (flash, found) = Flash::open(dir, flash, loss_bound_s)?;
        let (mut spool, mut recovery) = Self::open(dir, bytes_max)?;
        let stopped = recovery.state.as_ref().is_some_and(|state| state.small.stopped);
        recovery.memory_lost = found == Found::Copy && !stopped && !recovery.is_new;
        if recovery.memory_lost {
            // It is behind: nothing is appended to what it holds.
            spool.active = None;
        }
        spool.flash = Some(flash);
        Ok((spool, recovery))
    }

    /// Copies a spool in memory to flash if it is time.
    pub fn keep(&mut self, now_ms: i64) {
        let Some(last) = self.segments.back() else { return };
        let logged = self.limits.get(&last.ordinal).map_or(0, |limits| limits.logged);
        let end = last.end;
        if self.flash.as_mut().is_some_and(|flash| flash.is_due(end, logged, now_ms)) {
            self.keep_now(now_ms);
        }
    }

    /// Copies it in any case.
    pub fn keep_now(&mut self, now_ms: i64) {
        if let Some(flash) = &mut self.flash {
            flash.copy(self.segments.make_contiguous(), now_ms);
        }
    }

    /// Opens the folder and recovers what is in it.
    pub fn open(dir: &Path, bytes_max: u64) -> Result<(Self, Recovery), OpenError> {
        let failed = |source| OpenError::Io { path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(failed)?;
        let lock = File::create(dir.join(LOCK)).map_err(failed)?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
            .map_err(|_| OpenError::Locked { dir: dir.to_owned() })?;
        let mut chunks = Chunks::open(dir.join(CHUNK_FOLDER)).map_err(failed)?;
        let (segments, recovery) = recover::recover(dir, &mut chunks).map_err(failed)?;
        chunks.sweep().map_err(failed)?;
        let active = match (&recovery.tree, segments.back()) {
            // After damage nothing is appended to the old generation.
            (Some(_), Some(last)) if recovery.damage.is_none() => {
                let mut file = File::options().write(true).open(last.path(dir)).map_err(failed)?;
                file.seek(SeekFrom::Start(last.bytes)).map_err(failed)?;
                Some(file)
            }
            _ => None,
        };
        let header_bytes = segments.back().map_or(0, |last| last.header_bytes);
        let spool = Self {
            dir: dir.to_owned(),
            bytes_max,
            roll_at: header_bytes + SEGMENT_ROLL_BYTES,
            segments,
            active,
            chunks,
            released_early: recovery.state.as_ref().map_or(0, |s| s.small.released_early),
            limits: BTreeMap::new(),
            given_up: BTreeSet::new(),
            view: watch::Sender::default(),
            flash: None,
            faults: Faults::default(),
            _lock: lock,
        };
        spool.publish();
        Ok((spool, recovery))
    }

    /// What is durable, as it changes.
    pub fn watch(&self) -> watch::Receiver<View> {
        self.view.subscribe()
    }

    /// Bytes that segments and chunks take.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum::<u64>() + self.chunks.bytes
    }

    /// Leaves released at the byte limit before they were safe, in this generation.
    pub fn released_early(&self) -> u64 {
        self.released_early
    }

    /// Begins a segment; also that of a new generation, which need not ask for room: without it
    /// nothing could be said at all.
    pub fn begin_segment(&mut self, tree: &SpoolTree, state: State) -> Result<(), AppendError> {
        let SpoolTree { origin, ordinal, edge } = tree;
        let new_generation = self.segments.back().is_none_or(|last| last.ordinal != *ordinal);
        // If it is not begun now, then not at each batch anew.
        self.roll_at = self.segments.back().map_or(0, |last| last.bytes) + SEGMENT_ROLL_BYTES;
        let header = SegmentHeader {
            format: SEGMENT_FORMAT,
            origin: origin.to_string(),
            ordinal: *ordinal,
            first_size: edge.size(),
            peaks: edge.peaks().iter().map(|hash| hash.0.to_vec()).collect(),
            state,
        };
        let bytes = match frame(RecordType::Header, &header) {
            Ok(bytes) => bytes,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "the state is too large for the header of a segment");
                return Err(AppendError::Full);
            }
        };
        if !new_generation && !self.make_room(bytes.len() as u64) {
            return Err(AppendError::Full);
        }
        let segment = Segment {
            ordinal: *ordinal,
            generation: origin.generation,
            first: edge.size(),
            end: edge.size(),
            bytes: bytes.len() as u64,
            header_bytes: bytes.len() as u64,
        };
        let path = segment.path(&self.dir);
        // Crash anywhere before the folder is synced: recovery finds the file absent, or without a
        // whole header and removes it; the segment before it is complete.
        let created = File::create(&path).and_then(|mut file| {
            self.faults.write()?;
            file.write_all(&bytes)?;
            Ok(file)
        });
        let file = match created {
            Ok(file) => file,
            Err(error) if files::is_full(&error) => {
                // If it stays, it is overwritten next time.
                let _ = fs::remove_file(&path);
                return Err(AppendError::Full);
            }
            Err(error) => return Err(AppendError::Fatal(error)),
        };
        file.sync_all().and_then(|()| files::sync_folder(&path)).map_err(AppendError::Fatal)?;
        if new_generation {
            self.released_early = 0;
            if let Some(flash) = &mut self.flash {
                flash.begin_generation();
            }
        }
        self.roll_at = segment.bytes + SEGMENT_ROLL_BYTES;
        self.segments.push_back(segment);
        self.active = Some(file);
        self.publish();
        Ok(())
    }

    /// Whether the next segment is due.
    pub fn wants_segment(&self) -> bool {
        self.segments.back().is_none_or(|last| last.bytes >= self.roll_at)
    }

    /// Makes one batch durable, with all that changed beside it: one write, one fdatasync.
    /// `named` says which of its leaves names which chunks.
    pub fn append(
        &mut self,
        batch: &Closed,
        change: &StateChange,
        size: u64,
        named: &[(u64, Vec<Hash>)],
    ) -> Result<(), AppendError> {
        let [head, leaves, openings] = batch.pieces();
        let (before, behind) = frame_batch(batch.pieces(), change).map_err(AppendError::Fatal)?;
        let pieces = [before.as_slice(), head, leaves, openings, behind.as_slice()];
        let bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
        if !self.make_room(bytes) {
            return Err(AppendError::Full);
        }
        let (Some(file), Some(last)) = (&mut self.active, self.segments.back_mut()) else {
            return Err(AppendError::Fatal(io::Error::other("no segment was begun")));
        };
        // Crash during the write: a torn tail, of which nobody has heard.
        if let Err(error) = self.faults.write().and_then(|()| write_pieces(file, pieces)) {
            if !files::is_full(&error) {
                return Err(AppendError::Fatal(error));
            }
            // Part of it may lie behind the last record; without it the file is as it was.
            file.set_len(last.bytes)
                .and_then(|()| file.seek(SeekFrom::Start(last.bytes)))
                .map_err(AppendError::Fatal)?;
            return Err(AppendError::Full);
        }
        // Commit point. A failed sync may still have landed, so failure is fatal.
        file.sync_data().and_then(|()| self.faults.sync()).map_err(AppendError::Fatal)?;
        if last.end == 0 {
            // With a `Genesis` this spool is not new any more. A mark that survives a crash is ignored,
            // because there is a batch.
            let _ = fs::remove_file(self.dir.join(NEW_MARK));
        }
        last.end = size;
        last.bytes += bytes;
        let ordinal = last.ordinal;
        for (index, ids) in named {
            self.chunks.name(ordinal, *index, ids.clone());
        }
        self.publish();
        Ok(())
    }

    /// Makes a chunk durable, ahead of the batch whose leaf names it.
    pub fn store_chunk(&mut self, bytes: &[u8]) -> Result<(), AppendError> {
        if !self.make_room(bytes.len() as u64) {
            return Err(AppendError::Full);
        }
        self.faults.write().and_then(|()| self.chunks.store(bytes)).map_err(|error| {
            if files::is_full(&error) { AppendError::Full } else { AppendError::Fatal(error) }
        })
    }

    /// Takes back chunks whose leaf will not be written.
    pub fn discard_chunks(&mut self, ids: &[Hash]) {
        self.chunks.remove(ids);
    }

    /// Makes room at the byte limit, and says whether there is. Unlogged leaves are never released for
    /// it; those of generations that were given up are set aside.
    pub fn make_room(&mut self, bytes: u64) -> bool {
        while self.bytes() + bytes > self.bytes_max {
            let limits = self.limits.clone();
            let logged = |segment: &Segment| {
                limits.get(&segment.ordinal).is_some_and(|limits| segment.end <= limits.logged)
            };
            let Some(at) = self.releasable(logged) else {
                if self.set_aside() {
                    continue;
                }
                return false;
            };
            let Some(gone) = self.remove(at) else { return false };
            // What was safe anyway is no early release, nor is it one of this generation.
            if self.segments.back().is_some_and(|last| last.ordinal == gone.ordinal) {
                let safe = limits.get(&gone.ordinal).map_or(0, |limits| limits.safe);
                self.released_early += gone.end.saturating_sub(gone.first.max(safe));
            }
        }
        true
    }

    /// Takes the newest receipts: what is safe is released now, what is only logged may go early,
    /// when room is needed. Whole segments only.
    pub fn set_limits(&mut self, limits: SafeBelow) {
        let SafeBelow { ordinal, safe, logged: _ } = limits;
        self.limits.insert(ordinal, limits);
        while let Some(at) = self.releasable(|s| s.ordinal == ordinal && s.end <= safe) {
            self.remove(at);
        }
    }

    /// Of these generations nothing more is taken by anybody.
    pub fn give_up(&mut self, ordinals: BTreeSet<u32>) {
        self.given_up = ordinals;
    }

    /// Moves the oldest segment of a generation that was given up out of the way, with its chunks.
    fn set_aside(&mut self) -> bool {
        let given_up = |segment: &Segment| self.given_up.contains(&segment.ordinal);
        let Some(at) = self.releasable(given_up) else { return false };
        let Some(segment) = self.segments.get(at).copied() else { return false };
        let (from, aside) = (segment.path(&self.dir), self.dir.join(ASIDE_FOLDER));
        // A segment that is still in its place finds its chunks, or is of no use to anybody there.
        let moved = fs::create_dir_all(&aside).and_then(|()| {
            self.chunks.set_aside(segment.ordinal, segment.end, &aside);
            fs::rename(&from, segment.path(&aside))?;
            files::sync_folder(&segment.path(&aside))?;
            files::sync_folder(&from)
        });
        if let Err(error) = moved {
            tracing::error!(%error, "leaves that nobody takes any more could not be set aside");
            return false;
        }
        let generation = segment.generation;
        tracing::error!(%generation, "the spool has no room: leaves that nobody takes any more are set aside");
        self.segments.remove(at);
        self.publish();
        true
    }

    /// The oldest of these segments. The one being written stays: it holds the state.
    fn releasable(&self, which: impl Fn(&Segment) -> bool) -> Option<usize> {
        let written = self.segments.len().saturating_sub(1);
        self.segments.iter().take(written).position(which)
    }

    fn remove(&mut self, at: usize) -> Option<Segment> {
        let segment = self.segments.remove(at)?;
        // The segment before its chunks: a leaf whose chunk is gone could not be sent.
        let path = segment.path(&self.dir);
        let removed = fs::remove_file(&path).and_then(|()| files::sync_folder(&path));
        if let Err(error) = removed {
            // The file comes back at the next start and is released again then.
            tracing::warn!(%error, "a released segment could not be deleted");
        }
        self.chunks.release(segment.ordinal, segment.end);
        self.publish();
        Some(segment)
    }

    fn publish(&self) {
        let segments = self.segments.iter().copied().collect();
        self.view.send_replace(View { segments });
    }

    /// Arms a fault for the next write or sync.
    #[cfg(test)]
    pub(crate) fn fail(&mut self, fault: Fault) {
        self.faults.next = Some(fault);
    }
}

/// Writes all of them, in one call unless the system takes less.
fn write_pieces<const N: usize>(file: &mut impl Write, pieces: [&[u8]; N]) -> io::Result<()> {
    let mut slices = pieces.map(IoSlice::new);
    let mut left = slices.as_mut_slice();
    // Passes over empty ones, so that nothing left means nothing to write.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What the receipts allow, of one generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SafeBelow {
    pub ordinal: u32,
    /// Leaves below are safe elsewhere and not needed here.
    pub safe: u64,
    /// Leaves below are in the collector's log, as verified.
    pub logged: u64,
}

/// In tests, the faults of disks.
#[derive(Debug, Default)]
struct Faults {
    #[cfg(test)]
    next: Option<Fault>,
}

/// A failing disk, in both forms: done and not done.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    NoSpace,
    WriteFails,
    SyncFailsButLands,
}

impl Faults {
    #[cfg(test)]
    fn write(&mut self) -> io::Result<()> {
        match self.next {
            Some(Fault::NoSpace) => {
                self.next = None;
                Err(io::ErrorKind::StorageFull.into())
            }
            Some(Fault::WriteFails) => Err(io::Error::other("injected")),
            Some(Fault::SyncFailsButLands) | None => Ok(()),
        }
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "faults exist in tests")]
    fn write(&mut self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn sync(&mut self) -> io::Result<()> {
        match self.next {
            Some(Fault::SyncFailsButLands) => Err(io::Error::other("injected")),
            _ => Ok(()),
        }
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "faults exist in tests")]
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Ids of the chunks that a set names.
pub(crate) fn chunk_ids(chunks: &[Vec<u8>]) -> Vec<Hash> {
    chunks.iter().filter_map(|id| Hash::from_slice(id)).collect()
}
