//! Content-addressed parts of sets, one file each.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use evidence::{Malformed, chunk};
use tlog::Hash;

use crate::{committed::Chunks, files};

#[derive(Debug, Clone)]
pub struct ChunkFiles {
    dir: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error("the chunk is malformed")]
    Malformed(#[source] Malformed),
    #[error("the chunk cannot be written")]
    Io(#[source] io::Error),
}

impl ChunkFiles {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Stores a chunk durably, once, and returns its id.
    pub fn put(&self, bytes: &[u8]) -> Result<Hash, PutError> {
        chunk::decode_chunk(bytes).map_err(PutError::Malformed)?;
        let id = chunk::chunk_id(bytes);
        let path = self.path(&id);
        if self.chunk(&id).is_none() {
            // Not there, or damaged: then this is the copy to restore it from.
            files::replace(&path, bytes).map_err(PutError::Io)?;
        } else if let Some(folder) = path.parent() {
            // A crash may have come between the rename of this file and the sync of its name.
            files::sync_folder(folder).map_err(PutError::Io)?;
        }
        Ok(id)
    }

    /// Removes a chunk durably; one that is not there is removed.
    pub fn remove(&self, id: &Hash) -> io::Result<()> {
        let path = self.path(id);
        match fs::remove_file(&path) {
            Ok(()) => path.parent().map_or(Ok(()), files::sync_folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All chunks of a set, or the id of the first that is not held.
    pub fn all_of(&self, ids: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Hash> {
        ids.iter()
            .map(|id| {
                let id = Hash::from_slice(id).unwrap_or(Hash([0; 32]));
                self.chunk(&id).ok_or(id)
            })
            .collect()
    }

    fn path(&self, id: &Hash) -> PathBuf {
        let hex: String = id.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let folder: String = hex.chars().take(2).collect();
        self.dir.join(folder).join(hex)
    }
}

impl Chunks for ChunkFiles {
    fn chunk(&self, id: &Hash) -> Option<Vec<u8>> {
        // The name promises the content; a damaged file is as good as none.
        fs::read(self.path(id)).ok().filter(|bytes| chunk::chunk_id(bytes) == *id)
    }
}
