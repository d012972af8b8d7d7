//! Connections for reading, kept for the next question.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;

use super::{
    StoreError,
    archive::ArchiveFile,
    part::{self, search::In},
    settings,
    sqlite::PartRow,
};

/// Idle connections that are kept; more are opened as needed and closed again. An open partition file
/// is three descriptors and a few pages.
const IDLE_MAX: usize = 64;

pub(super) struct Readers {
    pub(super) folder: PathBuf,
    archive: PathBuf,
    idle: Mutex<HashMap<PathBuf, Vec<Connection>>>,
    /// The newest that were asked.
    archives: Mutex<Vec<(i64, Arc<ArchiveFile>)>>,
}

/// Archived days whose footers and places are kept.
const ARCHIVES_MAX: usize = 8;

impl Readers {
    pub(super) fn new(folder: PathBuf, archive: PathBuf) -> Self {
        Self { folder, archive, idle: Mutex::default(), archives: Mutex::default() }
    }

    /// A partition, to be read. One that was archived while a question was under way has gone from where
    /// the question knows it; what is read instead says the same.
    pub(super) fn open(self: &Arc<Self>, part: &PartRow) -> Result<Opened, StoreError> {
        let (number, is_sealed) = (part.number, part.is_sealed);
        let path = part::path(&self.folder, part.day, part.nth);
        if !part.is_archived && path.exists() {
            match self.lend(path) {
                Ok(lent) => return Ok(Opened { lent, number, is_sealed, archive: None }),
                Err(error) if part::path(&self.folder, part.day, part.nth).exists() => {
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        let lent = self.lend(part::sidecar(&self.folder, part.day, part.nth))?;
        let archive = Some(self.archived(part)?);
        Ok(Opened { lent, number, is_sealed, archive })
    }

    pub(super) fn archived(&self, part: &PartRow) -> Result<Arc<ArchiveFile>, StoreError> {
        let mut archives = self.archives.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = archives.iter().find(|(number, _)| *number == part.number) {
            return Ok(Arc::clone(known));
        }
        let path = super::archive::parquet(&self.archive, &part.name());
        let file = Arc::new(ArchiveFile::open(&path)?);
        if archives.len() >= ARCHIVES_MAX {
            archives.remove(0);
        }
        archives.push((part.number, Arc::clone(&file)));
        Ok(file)
    }

    /// Connections to a file that has gone.
    pub(super) fn forget(&self, path: &std::path::Path) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    /// A connection inside a transaction; the state is fixed here.
    pub(super) fn lend(self: &Arc<Self>, path: PathBuf) -> Result<Lent, StoreError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let known = idle.get_mut(&path).and_then(Vec::pop);
        drop(idle);
        let connection = match known {
            Some(connection) => connection,
            None => settings::for_reading(&path)?,
        };
        connection.execute_batch("BEGIN DEFERRED")?;
        // By the first read, not by BEGIN.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(Lent { connection: Some(connection), path, readers: Arc::clone(self) })
    }

    fn give_back(&self, path: PathBuf, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let count: usize = idle.values().map(Vec::len).sum();
        if count < IDLE_MAX {
            idle.entry(path).or_default().push(connection);
        } else if let Some(other) = idle.values_mut().find(|kept| !kept.is_empty()) {
            // The newest question says best what the next one is about.
            other.pop();
            idle.entry(path).or_default().push(connection);
        }
    }
}

/// A partition that is read.
pub(super) struct Opened {
    lent: Lent,
    number: i64,
    is_sealed: bool,
    archive: Option<Arc<ArchiveFile>>,
}

impl Opened {
    pub(super) fn get(&self) -> Result<&Connection, StoreError> {
        self.lent.get()
    }

    /// They are not in an archive.
    pub(super) fn has_events(&self) -> bool {
        self.archive.is_none()
    }

    pub(super) fn inside(&self) -> Result<In<'_>, StoreError> {
        let (part, is_sealed) = (self.number, self.is_sealed);
        let archive = self.archive.as_deref();
        Ok(In { connection: self.lent.get()?, part, is_sealed, archive })
    }
}

/// Given back when it is dropped.
pub(super) struct Lent {
    /// `None` only while it is being given back.
    connection: Option<Connection>,
    path: PathBuf,
    readers: Arc<Readers>,
}

impl Lent {
    pub(super) fn get(&self) -> Result<&Connection, StoreError> {
        self.connection.as_ref().ok_or(StoreError::Damaged { what: "reader" })
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && connection.execute_batch("ROLLBACK").is_ok()
        {
            self.readers.give_back(std::mem::take(&mut self.path), connection);
        }
    }
}
