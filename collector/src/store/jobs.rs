//! Re-assessments in the catalog: which are to be done, which are done, which the log knows of.
//!
//! A job is made by the entry that brought the change and belongs to its size of the log. Jobs are done
//! in that order, each through all partitions, so that the verdicts of an event change in the order in
//! which the register did, whenever the work is done. How far one has come stands in the partitions.

use rusqlite::{Connection, OptionalExtension, Row, params};
use tlog::Hash;

use super::{Finished, StoreError, columns::unsigned, dictionary::number, part::revise::Step};

/// The column `job.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobState {
    ToDo = 1,
    /// Its end is not in the log yet.
    Done = 2,
    /// In the log; or nothing changed, and there is nothing to log.
    Settled = 3,
}

pub(super) fn add(
    connection: &Connection,
    log_size: u64,
    from_register: u64,
    to_register: u64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO job VALUES (?1, ?2, ?3, ?4, 0, 0, 0, NULL)")?
        .execute(params![
            number(log_size),
            number(from_register),
            number(to_register),
            JobState::ToDo as i64
        ])?;
    Ok(())
}

/// The log holds the entry. A job that is still to be done, after a rebuild, keeps to its order.
pub(super) fn logged(connection: &Connection, log_size: u64) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE job SET state = ?2 WHERE log_size = ?1 AND state = ?3")?
        .execute(params![number(log_size), JobState::Settled as i64, JobState::Done as i64])?;
    Ok(())
}

/// Those that are to be done, in order.
pub(super) fn to_do(connection: &Connection) -> Result<Vec<u64>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT log_size FROM job WHERE state = ?1 ORDER BY log_size")?;
    let found = statement.query_map([JobState::ToDo as i64], |row| row.get(0).map(unsigned))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// How many of those up to a size of the log are to be done, and by which size of the register events
/// were judged before them.
pub(super) fn unfinished(
    connection: &Connection,
    up_to: u64,
) -> Result<(u64, Option<u64>), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*), min(from_register) FROM job WHERE state = ?1 AND log_size <= ?2",
    )?;
    Ok(statement.query_row([JobState::ToDo as i64, number(up_to)], |row| {
        Ok((unsigned(row.get(0)?), row.get::<_, Option<i64>>(1)?.map(unsigned)))
    })?)
}

/// The last partition that the job is done with.
pub(super) fn part_done(connection: &Connection, log_size: u64) -> Result<i64, StoreError> {
    let found = connection
        .prepare_cached("SELECT part FROM job WHERE log_size = ?1")?
        .query_row([number(log_size)], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

/// Once, whatever the partition was told before a crash: it keeps its own counts.
pub(super) fn part_is_done(
    connection: &Connection,
    log_size: u64,
    part: i64,
    step: &Step,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE job SET part = ?2, examined = examined + ?3, revised = revised + ?4
             WHERE log_size = ?1 AND part < ?2",
        )?
        .execute(params![number(log_size), part, number(step.examined), number(step.revised)])?;
    Ok(())
}

pub(super) fn counts(connection: &Connection, log_size: u64) -> Result<(u64, u64), StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT examined, revised FROM job WHERE log_size = ?1")?;
    Ok(statement
        .query_row([number(log_size)], |row| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?))))?)
}

pub(super) fn finish(connection: &Connection, finished: &Finished) -> Result<(), StoreError> {
    let Finished { log_size, revised, root, .. } = finished;
    let state = if *revised == 0 { JobState::Settled } else { JobState::Done };
    connection
        .prepare_cached("UPDATE job SET state = ?2, root = ?3 WHERE log_size = ?1")?
        .execute(params![number(*log_size), state as i64, root.0])?;
    Ok(())
}

/// Those that changed something and that the log does not know of.
pub(super) fn to_log(connection: &Connection) -> Result<Vec<Finished>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT log_size, from_register, to_register, examined, revised, root FROM job
         WHERE state = ?1 ORDER BY log_size",
    )?;
    let mut rows = statement.query([JobState::Done as i64])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(finished(row)?);
    }
    Ok(found)
}

fn finished(row: &Row<'_>) -> Result<Finished, StoreError> {
    let root: Vec<u8> = row.get(5)?;
    Ok(Finished {
        log_size: unsigned(row.get(0)?),
        from_register: unsigned(row.get(1)?),
        to_register: unsigned(row.get(2)?),
        examined: unsigned(row.get(3)?),
        revised: unsigned(row.get(4)?),
        root: Hash::from_slice(&root).ok_or(StoreError::Damaged { what: "job.root" })?,
    })
}
