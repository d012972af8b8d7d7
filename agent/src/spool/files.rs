//! The few file operations whose order matters.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::Path,
};

use super::REPLACEMENT_EXTENSION;

/// Replaces a file: write, sync, rename, sync the folder.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension(REPLACEMENT_EXTENSION);
    let result = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        // A rest of it is overwritten next time.
        let _ = fs::remove_file(&temporary);
    }
    result?;
    sync_folder(path)
}

/// Writes the first bytes of a file anew, in place of it. What was only in the page cache, perhaps
/// after a failed sync, is then truly written again, and what follows is gone.
pub(super) fn rewrite_prefix(path: &Path, size: u64) -> io::Result<()> {
    let mut bytes = Vec::new();
    File::open(path)?.take(size).read_to_end(&mut bytes)?;
    match replace(path, &bytes) {
        Err(error) if is_full(&error) => {
            // No room for a copy: the best that is left.
            let file = File::options().write(true).open(path)?;
            file.set_len(size)?;
            file.sync_all()
        }
        other => other,
    }
}

pub fn sync_folder(of: &Path) -> io::Result<()> {
    of.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// There is no room, or nothing may be written at present: the weather, not damage.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::ReadOnlyFilesystem
    )
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
