//! Revocation without a restart: `remit-collector revoke` drops a file, the running collector acts.
//!
//! `revocations/node-<id>` or `revocations/person-<id>`, empty. The file is removed once the
//! revocation is in the log. One that cannot be done becomes `revocations/refused-…` with the reason
//! inside, so that whoever asked for it can see that nothing was revoked.

use std::{
    io,
    path::{Path, PathBuf},
    sync::mpsc::SyncSender,
    time::Duration,
};

use crate::{
    files,
    ingest::ask,
    log::command::{Command, Subject},
};

/// Well within the 60 s that an operator may be promised.
const POLL: Duration = Duration::from_secs(1);

pub fn folder(dir: &Path) -> PathBuf {
    dir.join("revocations")
}

/// What became of a request for a revocation.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Revoked,
    /// Nobody has looked yet: the collector is not running, or busy.
    Waiting,
    Refused {
        reason: String,
    },
}

/// Asks for a revocation: `name` is `node-<id>` or `person-<id>`.
pub fn ask_for(dir: &Path, name: &str) -> io::Result<()> {
    match std::fs::remove_file(refused_file(dir, name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    files::replace(&folder(dir).join(name), b"")
}

/// Looks what became of it.
pub fn outcome(dir: &Path, name: &str) -> io::Result<Outcome> {
    // Asked before the answer is read: an answer is there before its question goes.
    let waiting = folder(dir).join(name).try_exists()?;
    match std::fs::read_to_string(refused_file(dir, name)) {
        Ok(reason) => Ok(Outcome::Refused { reason: reason.trim_end().to_owned() }),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) if waiting => Ok(Outcome::Waiting),
        Err(_) => Ok(Outcome::Revoked),
    }
}

fn refused_file(dir: &Path, name: &str) -> PathBuf {
    folder(dir).join(format!("refused-{name}"))
}

/// Runs until it is aborted.
pub async fn watch(dir: PathBuf, writer: SyncSender<Command>) {
    loop {
        tokio::time::sleep(POLL).await;
        let Ok(entries) = std::fs::read_dir(folder(&dir)) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let Some(subject) = subject(name) else { continue };
            let done =
                match ask(&writer, |reply| Command::Revoke { subject, keep: None, reply }).await {
                    Ok(Ok(keys)) => {
                        tracing::info!(subject = name, keys, "revoked");
                        Ok(())
                    }
                    Ok(Err(refusal)) => {
                        tracing::error!(subject = name, %refusal, "not revoked");
                        let reason = format!("{refusal}\n");
                        files::replace(&refused_file(&dir, name), reason.as_bytes())
                    }
                    Err(_) => return,
                };
            if let Err(error) = done.and_then(|()| std::fs::remove_file(entry.path())) {
                tracing::error!(%error, "a revocation cannot be removed and will be repeated");
            }
        }
    }
}

fn subject(name: &str) -> Option<Subject> {
    if let Some(node) = name.strip_prefix("node-") {
        return node.parse().ok().map(Subject::Node);
    }
    name.strip_prefix("person-")?.parse().ok().map(Subject::Person)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::command::Refusal;

    /// A writer that knows one node.
    fn writer() -> SyncSender<Command> {
        let (commands, queue) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            for command in queue {
                let Command::Revoke { subject, reply, .. } = command else { continue };
                let known = matches!(subject, Subject::Node(node) if node.as_str() == "edge-1");
                let refusal = Refusal::because("UNKNOWN_SUBJECT", "no such node or person");
                drop(reply.send(if known { Ok(1) } else { Err(refusal) }));
            }
        });
        commands
    }

    #[tokio::test]
    async fn whoever_asks_learns_what_became_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let outcome = |name| outcome(dir.path(), name).unwrap();
        for name in ["node-edge-1", "node-edge-2"] {
            ask_for(dir.path(), name).unwrap();
            assert_eq!(outcome(name), Outcome::Waiting);
        }
        let watcher = tokio::spawn(watch(dir.path().to_owned(), writer()));
        while outcome("node-edge-1") == Outcome::Waiting
            || outcome("node-edge-2") == Outcome::Waiting
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        watcher.abort();
        assert_eq!(outcome("node-edge-1"), Outcome::Revoked);
        let reason = "no such node or person".to_owned();
        assert_eq!(outcome("node-edge-2"), Outcome::Refused { reason });
        // Asking again forgets the old answer.
        ask_for(dir.path(), "node-edge-2").unwrap();
        assert_eq!(outcome("node-edge-2"), Outcome::Waiting);
    }
}
