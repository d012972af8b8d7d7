//! What an operator does by hand: init, tokens, revocation, rebuild.

use std::{
    fs,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use remit_proto::v1::Role;

use crate::{
    access::RevokedKeys,
    assess,
    committed::Committed,
    config::Config,
    enrolled,
    files::{self, DirectoryLock, LockError},
    ingest::{Again, EnrolmentError, issue_series, issue_token},
    keys::{self, KeyError, Keys},
    log::{
        chunks::ChunkFiles,
        journal::{self, Record},
        publish::{self, Replay},
        state::State,
        writer::Fatal,
    },
    revoke::{self, Outcome},
    serve::{chain, now_s},
};

/// Several looks of the running collector.
const REVOKE_WAIT: Duration = Duration::from_secs(5);
/// Records that may wait for the index.
const RUN: usize = 1024;

#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Token(#[from] EnrolmentError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("the journal cannot be replayed")]
    Log(#[from] Fatal),
    #[error("the index cannot be made: {0}")]
    Index(String),
    #[error("dir cannot be used")]
    Io(#[from] std::io::Error),
    #[error("there is no series {name:?}; remit-collector tokens lists those with places left")]
    NoSeries { name: String },
    #[error("{id:?} is not a {kind} id: 1 to 63 of a-z, 0-9 and '-'")]
    Id { id: String, kind: &'static str },
}

/// Makes keys and directories; refuses where there are keys already.
pub fn init(config: &Config, names: &[String]) -> Result<Keys, AdminError> {
    fs::create_dir_all(&config.dir)?;
    keys::create(&config.dir, &config.operator, names, now_s())?;
    let folders = ["journal", "openings", "chunks", "revocations", "public"];
    for folder in folders.into_iter().chain(enrolled::FOLDERS) {
        fs::create_dir_all(config.dir.join(folder))?;
    }
    files::sync_folder(&config.dir)?;
    Ok(Keys::load(&config.dir, &config.operator)?)
}

pub fn token(
    config: &Config,
    id: &str,
    role: Role,
    ttl_s: i64,
    again: Again,
) -> Result<String, AdminError> {
    Ok(issue_token(&config.dir, id, role, now_s().saturating_add(ttl_s), again)?)
}

/// One token for many nodes, and the name of its series.
pub fn series(
    config: &Config,
    nodes: Vec<String>,
    ttl_s: i64,
    again: Again,
) -> Result<(String, String), AdminError> {
    Ok(issue_series(&config.dir, nodes, now_s().saturating_add(ttl_s), again)?)
}

/// `edge-001` to `edge-400`: so many digits as the last one has, so that they sort as they count.
pub fn numbered(prefix: &str, first: u32, count: u32) -> Vec<String> {
    let last = first.saturating_add(count.saturating_sub(1));
    let digits = last.to_string().len();
    (first..=last).take(count as usize).map(|n| format!("{prefix}{n:0digits$}")).collect()
}

/// Voids what is unused of a series; returns how many places that were.
pub fn void_series(config: &Config, name: &str) -> Result<usize, AdminError> {
    enrolled::void_series(&config.dir, name)?
        .ok_or_else(|| AdminError::NoSeries { name: name.to_owned() })
}

/// Tokens that were not used and are not expired: what they are for, and for how long.
pub fn open_tokens(config: &Config) -> Result<Vec<(enrolled::Token, i64)>, AdminError> {
    let now = now_s();
    let tokens = enrolled::tokens(&config.dir)?.into_iter();
    let open = tokens.filter(|token| token.expires_at_s > now);
    let mut open: Vec<_> = open.map(|token| (token.expires_at_s - now, token)).collect();
    open.sort_by(|(_, a), (_, b)| (&a.series, &a.subject).cmp(&(&b.series, &b.subject)));
    Ok(open.into_iter().map(|(left_s, token)| (token, left_s)).collect())
}

/// Asks the running collector to revoke, and waits a moment for what becomes of it.
pub fn revoke(config: &Config, kind: &'static str, id: &str) -> Result<Outcome, AdminError> {
    if id.parse::<evidence::NodeId>().is_err() {
        return Err(AdminError::Id { id: id.to_owned(), kind });
    }
    let name = format!("{kind}-{id}");
    revoke::ask_for(&config.dir, &name)?;
    let until = Instant::now() + REVOKE_WAIT;
    loop {
        let outcome = revoke::outcome(&config.dir, &name)?;
        if outcome != Outcome::Waiting || Instant::now() >= until {
            return Ok(outcome);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Derives the index and the tiles again from the journal.
pub fn rebuild(config: &Config) -> Result<String, AdminError> {
    let dir = &config.dir;
    let _lock = DirectoryLock::take(dir)?;
    let keys = Keys::load(dir, &config.operator)?;
    let chunks = ChunkFiles::new(dir.join("chunks"));
    let (sender, committed) = mpsc::sync_channel(RUN);
    // The journal is read here while the index is written there.
    let (replayed, indexed) = thread::scope(|scope| {
        let index = scope.spawn(|| {
            let held = Arc::new(chunks.clone());
            assess::rebuild(dir, &config.operator, held, committed.into_iter())
        });
        let replayed = replay(config, chunks.clone(), &sender);
        drop(sender);
        (replayed, index.join())
    });
    let (state, mut entries, records) = replayed?;
    match indexed {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(AdminError::Index(chain(&error))),
        Err(_) => return Err(AdminError::Index("its thread ended".to_owned())),
    }
    // Tiles of what was published; entries after that are the running collector's business.
    publish::check_not_rolled_back(dir, &state, &keys.log.verifier())?;
    let published = state.published.as_ref().map_or(0, |p| p.size);
    entries.truncate(usize::try_from(published).unwrap_or(usize::MAX));
    if !entries.is_empty() {
        publish::rewrite_tiles(dir, entries)?;
    }
    publish::expose(dir, &state)?;
    Ok(format!("{records} records replayed; index and tiles of log size {published} made anew"))
}

/// The state after the journal, the entries of the log, and the number of records.
fn replay(
    config: &Config,
    chunks: ChunkFiles,
    to_index: &mpsc::SyncSender<Committed>,
) -> Result<(State, Vec<Vec<u8>>, u64), AdminError> {
    let dir = &config.dir;
    let mut state = State::new(config.operator.clone(), RevokedKeys::default());
    let mut replay = Replay::new(dir, chunks);
    let mut entries = Vec::new();
    let mut records = 0_u64;
    journal::read::<AdminError>(&publish::journal_dir(dir), |position, record| {
        if let Record::LogEntry(entry) = &record {
            entries.push(entry.entry.clone());
        }
        records = position;
        let committed = replay.committed(&mut state, position, record)?;
        // If the index has failed, its own error says why.
        drop(to_index.send(committed));
        Ok(())
    })?;
    Ok((state, entries, records))
}

impl From<journal::JournalError> for AdminError {
    fn from(error: journal::JournalError) -> Self {
        Self::Log(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_nodes_sort_as_they_count() {
        assert_eq!(numbered("edge-", 9, 2), ["edge-09", "edge-10"]);
        assert_eq!(numbered("r", 1, 1), ["r1"]);
        assert_eq!(numbered("r", 1, 400).last().unwrap(), "r400");
        assert_eq!(numbered("r", 1, 0), Vec::<String>::new());
    }
}
