//! Connections for reading, kept for the next question.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;

use super::{StoreError, settings};

/// Idle connections that are kept; more are opened as needed and closed again. An open partition file
/// is three descriptors and a few pages.
const IDLE_MAX: usize = 64;

pub(super) struct Readers {
    pub(super) folder: PathBuf,
    idle: Mutex<HashMap<PathBuf, Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, idle: Mutex::new(HashMap::new()) }
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
