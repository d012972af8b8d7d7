//! `spool/unconfirmed`: whether this spool may have been rolled back without our knowing.
//!
//! A restored backup, or a damaged last record taken for a torn one, leaves a spool that looks
//! sound and ends too early. Signing on from there and sending it would be a fork. So each start
//! notes down where it found the tree to end, unless such a note stands from an earlier start; and
//! until the collector has said that it holds no more than that, nothing is sent. Then the file is
//! deleted, *before* the first batch goes out. Deleting needs no room on a full disk.
//!
//! The file: `<origin>\n<size>\n`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use evidence::AgentOrigin;

use super::files;

/// The note of one start. Owned by the uplink.
#[derive(Debug)]
pub struct Contact {
    path: PathBuf,
    /// Of the newest generation; `None` once the collector has confirmed.
    unconfirmed: Option<(AgentOrigin, u64)>,
}

impl Contact {
    /// At start, after recovery. `size` is where the tree ends, before this start's first leaf.
    pub fn begin(spool: &Path, origin: &AgentOrigin, size: u64) -> Self {
        let path = spool.join("unconfirmed");
        let earlier = fs::read_to_string(&path).ok().and_then(|text| {
            let mut lines = text.lines();
            let earlier: AgentOrigin = lines.next()?.parse().ok()?;
            let size = lines.next()?.parse().ok()?;
            (earlier == *origin).then_some(size)
        });
        let size = earlier.map_or(size, |earlier: u64| earlier.min(size));
        if let Err(error) = files::replace(&path, format!("{origin}\n{size}\n").as_bytes()) {
            // It holds for this run all the same.
            tracing::warn!(%error, "could not note down where the spool ends");
        }
        Self { path, unconfirmed: Some((origin.clone(), size)) }
    }

    /// The collector holds this much of the tree. `Err` with the size at which our start found it
    /// to end: the collector knows more than we can have sent.
    pub fn confirm(&mut self, origin: &AgentOrigin, held: u64) -> Result<io::Result<()>, u64> {
        match &self.unconfirmed {
            Some((ours, size)) if ours == origin => {
                if held > *size {
                    return Err(*size);
                }
                let removed = match fs::remove_file(&self.path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    other => other,
                };
                let removed = removed.and_then(|()| files::sync_folder(&self.path));
                if removed.is_ok() {
                    self.unconfirmed = None;
                }
                Ok(removed)
            }
            _ => Ok(Ok(())),
        }
    }
}
