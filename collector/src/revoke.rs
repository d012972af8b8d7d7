//! Revocation without a restart: `remit-collector revoke` drops a file, the running collector acts.
//!
//! `revocations/node-<id>` or `revocations/person-<id>`, empty. The file is removed once the
//! revocation is in the log.

use std::{path::PathBuf, sync::mpsc::SyncSender, time::Duration};

use crate::{
    ingest::ask,
    log::command::{Command, Subject},
};

/// Well within the 60 s that an operator may be promised.
const POLL: Duration = Duration::from_secs(1);

pub fn folder(dir: &std::path::Path) -> PathBuf {
    dir.join("revocations")
}

/// Runs until it is aborted.
pub async fn watch(dir: PathBuf, writer: SyncSender<Command>) {
    loop {
        tokio::time::sleep(POLL).await;
        let Ok(entries) = std::fs::read_dir(folder(&dir)) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(subject) = name.to_str().and_then(subject) else { continue };
            let shown = format!("{subject:?}");
            match ask(&writer, |reply| Command::Revoke { subject, reply }).await {
                Ok(Ok(_)) => tracing::info!(subject = shown, "revoked"),
                Ok(Err(refusal)) => tracing::error!(subject = shown, %refusal, "not revoked"),
                Err(_) => return,
            }
            if let Err(error) = std::fs::remove_file(entry.path()) {
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
