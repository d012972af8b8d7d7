//! Chunks of rule snapshots: content-addressed files beside the segments, deleted when the leaf that
//! names them is released.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use evidence::chunk::chunk_id;
use tlog::Hash;

use super::files;

/// The chunk files of a spool. Owned by the spool, therefore by the recorder's thread.
#[derive(Debug)]
pub(super) struct Chunks {
    dir: PathBuf,
    /// Which leaf names which chunks, in the order of the leaves.
    named: Vec<Named>,
    pub(super) bytes: u64,
}

#[derive(Debug)]
struct Named {
    ordinal: u32,
    index: u64,
    ids: Vec<Hash>,
}

impl Chunks {
    pub(super) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self { dir, named: Vec::new(), bytes: 0 })
    }

    /// Makes a chunk durable. It is nobody's until [`Self::name`] says which leaf names it.
    pub(super) fn store(&mut self, bytes: &[u8]) -> io::Result<()> {
        let path = path(&self.dir, &chunk_id(bytes));
        files::replace(&path, bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn name(&mut self, ordinal: u32, index: u64, ids: Vec<Hash>) {
        if !ids.is_empty() {
            self.named.push(Named { ordinal, index, ids });
        }
    }

    /// Drops the chunks of a generation's leaves below a size.
    pub(super) fn release(&mut self, ordinal: u32, below: u64) {
        let named = std::mem::take(&mut self.named);
        let (gone, kept) =
            named.into_iter().partition(|named| named.ordinal == ordinal && named.index < below);
        self.named = kept;
        let gone: Vec<Named> = gone;
        gone.iter().for_each(|named| self.remove(&named.ids));
    }

    /// Moves the chunks of a generation's leaves below a size into another folder.
    pub(super) fn set_aside(&mut self, ordinal: u32, below: u64, to: &Path) {
        let named = std::mem::take(&mut self.named);
        let (gone, kept) =
            named.into_iter().partition(|named| named.ordinal == ordinal && named.index < below);
        self.named = kept;
        let gone: Vec<Named> = gone;
        for id in gone.iter().flat_map(|named| &named.ids) {
            let (from, to) = (path(&self.dir, id), path(to, id));
            let size = fs::metadata(&from).map_or(0, |m| m.len());
            match fs::rename(&from, &to) {
                Ok(()) => self.bytes = self.bytes.saturating_sub(size),
                Err(error) => tracing::warn!(%error, "a chunk could not be set aside"),
            }
        }
    }

    /// Takes back chunks whose leaf was never written. What cannot be removed now goes at the next
    /// start, by [`Self::sweep`].
    pub(super) fn remove(&mut self, ids: &[Hash]) {
        for id in ids {
            let path = path(&self.dir, id);
            let size = fs::metadata(&path).map_or(0, |m| m.len());
            if fs::remove_file(&path).is_ok() {
                self.bytes = self.bytes.saturating_sub(size);
            }
        }
    }

    /// At start: counts what is named and deletes what no leaf names (a crash between the two).
    pub(super) fn sweep(&mut self) -> io::Result<()> {
        let known: HashSet<PathBuf> =
            self.named.iter().flat_map(|n| &n.ids).map(|id| path(&self.dir, id)).collect();
        self.bytes = 0;
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if known.contains(&entry.path()) {
                self.bytes += entry.metadata()?.len();
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Where a chunk lies.
pub(super) fn path(dir: &Path, id: &Hash) -> PathBuf {
    dir.join(format!("{id:?}"))
}
