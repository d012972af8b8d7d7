//! What another program writes down for a source, and what is left of it: where the raw lines lie, how many
//! bytes of them, how old the oldest is.
//!
//! The agent drops whoever asked before anything is recorded, and the program that wrote the line has
//! written it all the same. So each `Seal` says it, without a name of a file; `doctor` says the remedy.
//!
//! Rotated files count: all in the log's folder whose name begins with that of the log. A file is as old as
//! its making or, where the file system does not keep that, its last change, which is later: then it is older than said.

use std::{
    fmt, fs, io,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use remit_proto::v1::{self, RawLogMedium};

use super::Source;

/// Of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawLog {
    /// No program writes anything for it.
    None,
    File {
        path: PathBuf,
        /// The format that is asked for names whoever asked.
        names_clients: bool,
    },
    /// Handed over by a socket; nothing stays.
    Stream { names_clients: bool },
}

/// What is left of it now. `None`: there is none.
pub fn measured(source: &dyn Source, now: SystemTime) -> Option<v1::RawLog> {
    let found = match source.raw_log() {
        RawLog::None => return None,
        RawLog::Stream { names_clients } => stream(names_clients),
        RawLog::File { path, names_clients } => file(&path, names_clients, now),
    };
    Some(v1::RawLog { source: source.kind().into(), ..found })
}

fn stream(names_clients: bool) -> v1::RawLog {
    v1::RawLog { medium: RawLogMedium::Stream.into(), names_clients, ..v1::RawLog::default() }
}

/// A log that cannot be looked at now is on a medium that nobody knows: said as a disk.
pub fn file(path: &Path, names_clients: bool, now: SystemTime) -> v1::RawLog {
    if fs::metadata(path).is_ok_and(|log| log.file_type().is_fifo()) {
        return stream(names_clients);
    }
    let folder = path.parent().unwrap_or(path);
    let in_memory = statfs(folder).is_ok_and(|fs| fs.filesystem_type() == TMPFS_MAGIC);
    let medium = if in_memory { RawLogMedium::Memory } else { RawLogMedium::Disk };
    let mut found = v1::RawLog { medium: medium.into(), names_clients, ..v1::RawLog::default() };
    for file in with_rotated(path).unwrap_or_default() {
        found.bytes = found.bytes.saturating_add(file.len());
        let begun = file.created().or_else(|_| file.modified());
        let age = begun.ok().and_then(|begun| now.duration_since(begun).ok());
        found.oldest_age_s = found.oldest_age_s.max(age.map_or(0, |age| age.as_secs()));
    }
    found
}

fn with_rotated(path: &Path) -> io::Result<Vec<fs::Metadata>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let begins = entry.file_name().as_encoded_bytes().starts_with(name.as_encoded_bytes());
        // It may be rotated away while we look.
        found.extend(entry.metadata().ok().filter(|file| begins && file.is_file()));
    }
    Ok(found)
}

/// "on a disk, 12345 bytes, the oldest begun 3 h ago".
pub struct Shown<'a>(pub &'a v1::RawLog);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v1::RawLog { source: _, medium, names_clients: _, bytes, oldest_age_s } = self.0;
        let place = match RawLogMedium::try_from(*medium) {
            Ok(RawLogMedium::Stream) => return f.write_str("by a stream that keeps nothing"),
            Ok(RawLogMedium::Memory) => "in memory",
            Ok(RawLogMedium::Disk | RawLogMedium::Unspecified) | Err(_) => "on a disk",
        };
        let age = match oldest_age_s {
            0..=7199 => format!("{} min", oldest_age_s / 60),
            7200..=172_799 => format!("{} h", oldest_age_s / 3600),
            _ => format!("{} days", oldest_age_s / 86_400),
        };
        write!(f, "{place}, {bytes} bytes, the oldest begun {age} ago")
    }
}

/// What is kept for longer than this is kept for something else than the agent.
pub const OLD_AFTER_S: u64 = 86_400;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rotated_files_count_and_others_do_not() {
        let dir = tempfile::tempdir().unwrap();
        for (name, size) in
            [("rpz.log", 10), ("rpz.log.1", 20), ("rpz.log.2.gz", 30), ("other", 99)]
        {
            fs::write(dir.path().join(name), vec![b'x'; size]).unwrap();
        }
        let log = dir.path().join("rpz.log");
        let later = SystemTime::now() + Duration::from_secs(3 * 86_400 + 60);
        let found = file(&log, true, later);
        assert_eq!((found.bytes, found.names_clients), (60, true));
        assert!((3 * 86_400..3 * 86_400 + 120).contains(&found.oldest_age_s), "{found:?}");
        assert!(Shown(&found).to_string().ends_with("60 bytes, the oldest begun 3 days ago"));
        // What is not there has no bytes, and is not said to be in memory without a look.
        let missing = file(Path::new("/nowhere/at/all.log"), true, later);
        assert_eq!((missing.medium(), missing.bytes), (RawLogMedium::Disk, 0));
    }

    #[test]
    fn a_pipe_keeps_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("rpz.log");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let found = file(&pipe, true, SystemTime::now());
        assert_eq!((found.medium(), found.bytes), (RawLogMedium::Stream, 0));
        assert_eq!(Shown(&found).to_string(), "by a stream that keeps nothing");
    }

    #[test]
    fn memory_is_told_from_a_disk() {
        let Ok(memory) = tempfile::tempdir_in("/dev/shm") else { return };
        let log = memory.path().join("a.log");
        fs::write(&log, "x").unwrap();
        assert_eq!(file(&log, false, SystemTime::now()).medium(), RawLogMedium::Memory);
    }
}
