//! The copy on flash of a spool that lies in memory (`durability = "memory"`, for nodes whose flash wears).
//!
//! In: the spool's folder in memory (a tmpfs) and one on flash. Out: what is recorded lies on flash too, or
//! in the collector's log, at the latest `loss_bound_s` after it was recorded, and no oftener than that
//! needs; after a power cut the spool is what the copy holds, and says that more may be lost.
//!
//! ```text
//! <memory_dir>/spool/…     the spool, as `spool/mod.rs` specifies it
//! <dir>/spool/…            its copy; `lock` is held here too
//! <memory_dir>/restoring/  a copy on its way back; renamed to `spool` when it is whole
//! ```
//!
//! - Written to flash: after each start; at a clean stop; when leaves wait for the collector's log half as
//!   long as may be lost; and every [`COPY_INTERVAL_MS`], so that positions and accounts are not old.
//!   While the collector is reached that is one small write an hour.
//! - A copy is a beginning of the history in any case: files grow in the order of writing, and what
//!   was released goes last. What a power cut tears is cut off as usual.
//! - A copy that ends with a clean stop is the whole spool. Any other is behind: more was recorded, and
//!   perhaps sent. So it is not continued; a new generation begins, with a gap from the copy's time on.
//!   What the copy holds and the collector does not is still handed in.
//! - A copy that fails is said, and tried again each second; recording goes on.
//!
//! Not done here: deciding that; see `recorder/start.rs`.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg};

use super::{
    ASIDE_FOLDER, CHUNK_FOLDER, LOCK, NEW_MARK, OpenError, SEGMENT_EXTENSION, Segment, files,
};

#[derive(Debug)]
pub(super) struct Flash {
    memory: PathBuf,
    flash: PathBuf,
    loss_bound_ms: i64,
    /// Tree size of the newest generation, and since when its leaves up to there wait.
    waiting: Option<(u64, i64)>,
    /// What of the newest generation is on flash.
    copied: u64,
    /// Files that this process has written as a whole: from then on they only grow.
    whole: BTreeSet<PathBuf>,
    next_copy_ms: i64,
    failed: bool,
    /// Held as long as the copy is somebody's.
    _lock: Flock<File>,
}

/// What lay in memory at a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The spool, as the last agent of this boot left it.
    Spool,
    /// Nothing: it is what the copy held, if there is one.
    Copy,
}

impl Flash {
    /// Takes the copy, and puts the spool back into memory if it is not there.
    pub(super) fn open(
        memory: &Path,
        flash: &Path,
        loss_bound_s: u32,
    ) -> Result<(Self, Found), OpenError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        fs::create_dir_all(flash).map_err(failed(flash))?;
        let lock = File::create(flash.join(LOCK)).map_err(failed(flash))?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
            .map_err(|_| OpenError::Locked { dir: flash.to_owned() })?;
        let found = if holds_a_spool(memory).map_err(failed(memory))? {
            Found::Spool
        } else {
            restore(memory, flash).map_err(failed(memory))?;
            Found::Copy
        };
        let flash = Self {
            memory: memory.to_owned(),
            flash: flash.to_owned(),
            loss_bound_ms: i64::from(loss_bound_s) * 1000,
            waiting: None,
            copied: 0,
            whole: BTreeSet::new(),
            next_copy_ms: i64::MIN,
            failed: false,
            _lock: lock,
        };
        Ok((flash, found))
    }

    /// A generation begins: sizes count anew, and its beginning is to be on flash.
    pub(super) fn begin_generation(&mut self) {
        (self.waiting, self.copied, self.next_copy_ms) = (None, 0, i64::MIN);
    }

    /// Whether it is time: `end` is where the newest generation ends, `logged` what of it is in the
    /// collector's log.
    pub(super) fn is_due(&mut self, end: u64, logged: u64, now_ms: i64) -> bool {
        let safe = logged.max(self.copied);
        if self.waiting.is_some_and(|(size, _)| size <= safe) {
            // What came behind it waits from now on, at the latest since the mark was set: half of the
            // bound, twice.
            self.waiting = None;
        }
        if end > safe && self.waiting.is_none() {
            self.waiting = Some((end, now_ms));
        }
        let waits = self.waiting.is_some_and(|(_, since)| now_ms - since >= self.loss_bound_ms / 2);
        waits || now_ms >= self.next_copy_ms || self.failed
    }

    /// Brings the copy up to what is durable in memory.
    pub(super) fn copy(&mut self, segments: &[Segment], now_ms: i64) {
        match self.try_copy(segments) {
            Ok(()) => {
                if std::mem::take(&mut self.failed) {
                    tracing::info!("the spool is copied to flash again");
                }
                self.copied = segments.last().map_or(0, |last| last.end);
                self.waiting = None;
                self.next_copy_ms = now_ms + COPY_INTERVAL_MS;
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failed, true) {
                    tracing::error!(%error, "the spool is not copied to flash: a power cut would \
                                             lose more than is declared");
                }
            }
        }
    }

    fn try_copy(&mut self, segments: &[Segment]) -> io::Result<()> {
        let chunks = self.flash.join(CHUNK_FOLDER);
        fs::create_dir_all(&chunks)?;
        // A leaf on flash finds its chunks there.
        for name in names(&self.memory.join(CHUNK_FOLDER))? {
            if !chunks.join(&name).exists() {
                let bytes = fs::read(self.memory.join(CHUNK_FOLDER).join(&name))?;
                files::replace(&chunks.join(name), &bytes)?;
            }
        }
        for segment in segments {
            self.copy_segment(segment)?;
        }
        for name in [CHECKPOINT, UNCONFIRMED, NEW_MARK] {
            let (from, to) = (self.memory.join(name), self.flash.join(name));
            match fs::read(&from) {
                Ok(bytes) if fs::read(&to).is_ok_and(|there| there == bytes) => {}
                Ok(bytes) => files::replace(&to, &bytes)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => remove(&to)?,
                Err(error) => return Err(error),
            }
        }
        // Last: until here the copy held too much, and not too little.
        let kept: BTreeSet<PathBuf> =
            crate::order::set(segments.iter().map(|segment| segment.path(&self.flash)));
        for name in names(&self.flash)? {
            let path = self.flash.join(name);
            let is_segment = path.extension().is_some_and(|e| e == SEGMENT_EXTENSION);
            if is_segment && !kept.contains(&path) {
                remove(&path)?;
                self.whole.remove(&path);
            }
        }
        for name in names(&chunks)? {
            if !self.memory.join(CHUNK_FOLDER).join(&name).exists() {
                remove(&chunks.join(name))?;
            }
        }
        files::sync_folder(&chunks.join(LOCK))?;
        files::sync_folder(&self.flash.join(LOCK))
    }

    fn copy_segment(&mut self, segment: &Segment) -> io::Result<()> {
        let (from, to) = (segment.path(&self.memory), segment.path(&self.flash));
        let there = fs::metadata(&to).map_or(0, |there| there.len());
        if self.whole.contains(&to) && there <= segment.bytes {
            if there == segment.bytes {
                return Ok(());
            }
            let mut bytes = Vec::new();
            let mut file = File::open(&from)?;
            file.seek(SeekFrom::Start(there))?;
            file.take(segment.bytes - there).read_to_end(&mut bytes)?;
            let mut out = File::options().append(true).open(&to)?;
            out.write_all(&bytes)?;
            return out.sync_data();
        }
        let mut bytes = Vec::new();
        File::open(&from)?.take(segment.bytes).read_to_end(&mut bytes)?;
        files::replace(&to, &bytes)?;
        self.whole.insert(to);
        Ok(())
    }
}

/// Whether an agent of this boot has left something.
fn holds_a_spool(memory: &Path) -> io::Result<bool> {
    Ok(names(memory)?.iter().any(|name| {
        let path = Path::new(name);
        name == NEW_MARK || path.extension().is_some_and(|e| e == SEGMENT_EXTENSION)
    }))
}

/// Puts the copy into memory; all of it, or nothing.
fn restore(memory: &Path, flash: &Path) -> io::Result<()> {
    let above = memory.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let restoring = above.join(RESTORING);
    match fs::remove_dir_all(&restoring) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(restoring.join(CHUNK_FOLDER))?;
    for folder in ["", CHUNK_FOLDER] {
        for name in names(&flash.join(folder))? {
            let from = flash.join(folder).join(&name);
            if name != LOCK && name != ASIDE_FOLDER && from.is_file() {
                fs::copy(&from, restoring.join(folder).join(name))?;
            }
        }
    }
    match fs::remove_dir_all(memory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(&restoring, memory)
}

/// Of the files in a folder; none, if there is no such folder.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(folder) {
        Ok(entries) => {
            let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
            names.filter_map(Result::transpose).collect()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// How old positions and accounts on flash may be: 24 writes a day.
const COPY_INTERVAL_MS: i64 = 3_600_000;
const RESTORING: &str = "restoring";
const CHECKPOINT: &str = "checkpoint";
const UNCONFIRMED: &str = "unconfirmed";

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(dir: &Path) -> (Flash, Found) {
        Flash::open(&dir.join("memory/spool"), &dir.join("flash"), 60).unwrap()
    }

    #[test]
    fn what_waits_is_copied_within_the_bound_and_what_is_logged_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (mut flash, _) = opened(dir.path());
        flash.copy(&[], 0);
        // Logged at once: nothing for an hour.
        assert!(!(1..3600).any(|s| flash.is_due(s, s, s as i64 * 1000)));
        assert!(flash.is_due(3600, 3600, COPY_INTERVAL_MS));
        flash.copy(&[], COPY_INTERVAL_MS);
        // The log stands still: a leaf of any second is on flash within a minute of it.
        let mut oldest = None;
        for s in 1..300 {
            let now_ms = COPY_INTERVAL_MS + s * 1000;
            let end = 3600 + s.unsigned_abs();
            let oldest_s = *oldest.get_or_insert(s);
            if flash.is_due(end, 3600, now_ms) {
                assert!(s - oldest_s <= 60, "{s}");
                (flash.copied, flash.waiting, oldest) = (end, None, None);
            }
        }
        assert!(oldest.is_none_or(|oldest| 300 - oldest <= 60));
    }

    #[test]
    fn an_empty_memory_is_filled_from_the_copy_and_a_full_one_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("flash/chunks")).unwrap();
        let segment = "00000001-00000000000000aa-00000000000000000000.seg";
        fs::write(dir.path().join("flash").join(segment), "one").unwrap();
        fs::write(dir.path().join("flash/chunks/c"), "chunk").unwrap();
        let memory = dir.path().join("memory/spool");
        // A restoring that a crash cut off is no spool.
        fs::create_dir_all(dir.path().join("memory/restoring")).unwrap();
        fs::write(dir.path().join("memory/restoring").join(segment), "o").unwrap();
        let (flash, found) = opened(dir.path());
        assert_eq!(found, Found::Copy);
        assert_eq!(fs::read(memory.join(segment)).unwrap(), b"one");
        assert_eq!(fs::read(memory.join("chunks/c")).unwrap(), b"chunk");
        assert!(!memory.join(LOCK).exists());
        let second = Flash::open(&memory, &dir.path().join("flash"), 60);
        assert!(matches!(second, Err(OpenError::Locked { .. })));
        drop(flash);
        fs::write(memory.join(segment), "one and more").unwrap();
        let (_flash, found) = opened(dir.path());
        assert_eq!(found, Found::Spool);
        assert_eq!(fs::read(memory.join(segment)).unwrap(), b"one and more");
    }
}
