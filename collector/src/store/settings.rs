//! How every file of the index is opened.

use rusqlite::{Connection, OpenFlags};

use super::StoreError;

/// A reader waits so long for a writer that is just switching the log over.
const BUSY_TIMEOUT_MS: u64 = 5_000;
const STATEMENT_CACHE: usize = 128;
/// Pages that the writer of the catalog holds: events come to rules at random, and each rule's row is looked up.
const CATALOG_CACHE_KIB: i64 = 56 * 1024;
/// Pages that the writer of a partition holds, which appends, and judges again what it holds.
const PART_CACHE_KIB: i64 = 32 * 1024;
/// The same while the indexes of a partition are made.
pub(super) const SEALING_CACHE_KIB: i64 = 128 * 1024;
/// Pages of the log beside the file before they are moved into it, 32 MiB: a page that many events
/// change is then moved once for many of them.
const WAL_PAGES: i64 = 4096;

/// What a power cut may take of what was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Nothing.
    Full,
    /// The newest transactions; they are projected again.
    Normal,
}

pub(super) fn for_writing(
    connection: &Connection,
    durability: Durability,
) -> Result<(), StoreError> {
    connection.pragma_update(None, "page_size", 8192)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    let (synchronous, cache_kib) = match durability {
        Durability::Full => ("full", PART_CACHE_KIB),
        Durability::Normal => ("normal", CATALOG_CACHE_KIB),
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // Negative: in KiB.
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    settle(connection)
}

pub(super) fn for_reading(path: &std::path::Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    settle(&connection)?;
    Ok(connection)
}

/// Moves everything from the log into the file, synced. Readers of an older state may hold a part of
/// it back; it is then moved later.
pub(super) fn fold(connection: &Connection) -> Result<(), StoreError> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

fn settle(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    // Without it a statement is compiled anew each time a bound value might favour another plan:
    // half the work of writing a verdict.
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    Ok(())
}
