//! Durable files: the few ways in which this program touches a disk.
//!
//! A file is replaced by write, sync, rename, sync of the folder. Nobody here retries a failed
//! sync: the kernel may have dropped the pages, so the second call would lie.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Replaces (or makes) a file as a whole.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with_mode(path, bytes, 0o644)
}

/// As [`replace`], readable by the owner alone.
pub fn replace_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with_mode(path, bytes, 0o600)
}

fn replace_with_mode(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    make_folder(folder)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_folder(folder)
}

/// Makes a folder and those above it that are missing, each synced into the one above it.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = match folder.parent() {
        // A relative path of one part lies in the current folder.
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(io::ErrorKind::InvalidInput.into()),
    };
    make_folder(parent)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_folder(parent)
}

pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Bytes that may still be written to the file system of `path`.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// Keeps a second collector away from the same directory, for as long as it lives.
#[derive(Debug)]
pub struct DirectoryLock(
    #[expect(dead_code, reason = "the lock lives as long as the file")] nix::fcntl::Flock<File>,
);

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another collector is running on {path}; stop it, or use another dir")]
    Taken { path: PathBuf },
    #[error("cannot lock {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl DirectoryLock {
    pub fn take(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join("lock");
        let file =
            File::create(&path).map_err(|source| LockError::Io { path: path.clone(), source })?;
        nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock)
            .map(Self)
            .map_err(|(_, errno)| match errno {
                nix::errno::Errno::EWOULDBLOCK => LockError::Taken { path: dir.to_owned() },
                other => LockError::Io { path, source: other.into() },
            })
    }
}
