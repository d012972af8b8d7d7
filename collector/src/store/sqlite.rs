//! The embedded back end: one SQLite file, one writer, readers of their own.
//!
//! The writer is whoever owns the [`SqliteStore`]; it is the only connection that writes. Readers
//! each take a connection from a small pool and read inside one transaction, so that a page and the
//! completeness under it are of one state.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{
    Applied, Chunk, Index, Judge, Reading, Store, StoreError, dump,
    read::SqliteReading,
    schema::{SCHEMA, TABLES},
    write,
};

pub(crate) const FILE_NAME: &str = "index.db";

/// Idle reading connections that are kept; more are opened as needed and closed again.
const IDLE_READERS_MAX: usize = 8;
/// A reader waits so long for a writer that is just switching the log over.
const BUSY_TIMEOUT_MS: u64 = 5_000;
const STATEMENT_CACHE: usize = 64;
/// Pages that the writer holds. With SQLite's 2 MiB it reads them again for every other event.
const WRITER_CACHE_KIB: i64 = 32 * 1024;
/// Pages of the log beside the file before they are moved into it, 32 MiB: a page that many events
/// change is then moved once for many of them.
const WAL_PAGES: i64 = 4096;

pub struct SqliteStore {
    connection: Connection,
    readers: Arc<Readers>,
}

/// Opens readers of the same file.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl SqliteStore {
    /// Opens the index in this folder, or makes an empty one.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE_NAME);
        let mut connection = Connection::open(&path)?;
        connection.pragma_update(None, "page_size", 8192)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // The log is the source of the acknowledgement: a lost tail is projected again.
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "temp_store", "memory")?;
        // Negative: in KiB. An event touches a page of each of seven trees.
        connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        settle(&connection)?;
        let transaction = connection.transaction()?;
        let made: Option<i64> = transaction
            .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'projection'", [], |row| {
                row.get(0)
            })
            .optional()?;
        if made.is_none() {
            transaction.execute_batch(TABLES)?;
            transaction.execute("INSERT INTO projection (id, schema) VALUES (0, ?1)", [SCHEMA])?;
        }
        let found: i64 =
            transaction.query_row("SELECT schema FROM projection", [], |row| row.get(0))?;
        if found != SCHEMA {
            return Err(StoreError::Schema { found });
        }
        transaction.commit()?;
        let readers = Arc::new(Readers { path, idle: Mutex::new(Vec::new()) });
        Ok(Self { connection, readers })
    }

    /// Removes the index of a folder. Nobody may have it open.
    pub fn remove(folder: &Path) -> io::Result<()> {
        Self::remove_companions(folder)?;
        absent(fs::remove_file(folder.join(FILE_NAME)))
    }

    /// Removes what SQLite keeps beside the file while it is open, or left there in a crash.
    pub(crate) fn remove_companions(folder: &Path) -> io::Result<()> {
        absent(fs::remove_file(folder.join(format!("{FILE_NAME}-wal"))))?;
        absent(fs::remove_file(folder.join(format!("{FILE_NAME}-shm"))))
    }

    /// The reading side, to be shared.
    pub fn index(&self) -> Arc<dyn Index> {
        Arc::new(SqliteIndex { readers: Arc::clone(&self.readers) })
    }
}

impl Store for SqliteStore {
    fn watermark(&self) -> Result<Option<u64>, StoreError> {
        write::watermark(&self.connection)
    }

    fn apply(&mut self, chunk: &Chunk, judge: &Judge<'_>) -> Result<Applied, StoreError> {
        let transaction = self.connection.transaction()?;
        let applied = write::apply(&transaction, chunk, judge)?;
        // Commit point: everything of the chunk and the watermark, or nothing.
        transaction.commit()?;
        Ok(applied)
    }

    fn dump(&self) -> Result<Vec<String>, StoreError> {
        dump::dump(&self.connection)
    }
}

struct SqliteIndex {
    readers: Arc<Readers>,
}

impl Index for SqliteIndex {
    fn read(&self) -> Result<Box<dyn Reading>, StoreError> {
        let connection = self.readers.take()?;
        Ok(Box::new(SqliteReading::begin(connection, Arc::clone(&self.readers))?))
    }
}

impl Readers {
    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        settle(&connection)?;
        Ok(connection)
    }

    pub(super) fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_READERS_MAX {
            idle.push(connection);
        }
    }
}

/// What is not there need not be removed.
fn absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn settle(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    // Without it a statement is compiled anew each time a bound value might favour another plan:
    // half the work of writing a verdict.
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    Ok(())
}
