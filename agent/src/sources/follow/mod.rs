//! Follows a log file line by line through rotation, truncation and restarts.
//!
//! In: the path, where a former run stood, and by what a line is known to be meant for the source.
//! Out: every complete line exactly once, and whether something may have been missed.
//!
//! - Renamed and made anew: the old file is read until the new one holds something, which is when
//!   the writer has let go of the old one; then once more to its end; then files that were rotated in
//!   between, oldest first; then the new one.
//! - Truncated in place (`copytruncate`): known by its size or its first bytes. The rest is read from
//!   the copy, if it is there; lines written between copy and truncation are nowhere (logrotate(8)
//!   says so itself), so this always counts as unsure.
//! - Restarted: the file is known by inode and the digest of its first bytes, under its own name or
//!   as `<name>.<digits>` or `<name>-<digits>` beside it.
//! - Gone, or compressed before it was read: unsure. So is a file that was deleted while it was read.
//!
//! A half line at the end waits. The position moves past complete lines only.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::observation::Cursor;

/// No filter writes a longer line; what is longer is counted as broken and not kept.
pub const LINE_SIZE_MAX: usize = 64 * 1024;
/// Whether a line, or what there is of a broken one, is one that the source would have read.
pub type IsOurs = fn(&[u8]) -> bool;

/// Read at once; some 600 lines.
const READ_SIZE: usize = 64 * 1024;
/// First bytes by which a file is known again.
const HEAD_SIZE: usize = 256;
/// A rotation keeps a few files; the number of one that is long gone may be given again.
const LEFT_MAX: usize = 8;
/// No file has this inode number.
const NO_FILE: u64 = 0;

#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Without its end.
    Line(&'a [u8]),
    /// A line that is too long, or was cut off where its file ended; whether it would have been ours.
    Broken { ours: bool },
}

/// What one step of reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// There may be more right now.
    pub more: bool,
    /// Lines may have been missed.
    pub lost: bool,
    /// Another file is being read now.
    pub switched: bool,
}

pub struct Follow {
    path: PathBuf,
    is_ours: IsOurs,
    open: Option<Open>,
    /// Files that were read to their end and left in this run: none of them is the copy of a file that
    /// was truncated later, even if it begins in the same way.
    left: VecDeque<u64>,
}

struct Open {
    file: File,
    inode: u64,
    /// Past complete lines.
    offset: u64,
    /// Read, but not yet a line.
    pending: Vec<u8>,
    /// Bytes of a line that is too long, not kept; and whether it is ours.
    skipped: u64,
    skipped_ours: bool,
    /// First bytes, as far as they were passed.
    head: Vec<u8>,
    /// The new file was seen to hold something: what is read now is the rest.
    closing: bool,
}

impl Follow {
    /// Continues at the cursor, or with the next line that is written. The flag: lines may have
    /// been missed since the cursor.
    pub fn start(
        path: &Path,
        is_ours: IsOurs,
        cursor: Option<&Cursor>,
    ) -> io::Result<(Self, bool)> {
        let mut follow = Self { path: path.to_owned(), is_ours, open: None, left: VecDeque::new() };
        let Some(cursor) = cursor else {
            follow.open =
                open(path)?.map(|mut new| new.skip_to_last_line().map(|()| new)).transpose()?;
            return Ok((follow, false));
        };
        let mark = Mark {
            inode: cursor.inode,
            offset: cursor.offset,
            head_size: cursor.head_size as usize,
            head_digest: cursor.head_digest,
        };
        if let Some(mut same) = open(path)?
            && same.inode == mark.inode
            && mark.fits(&same.file)?
        {
            same.seek(mark.offset)?;
            follow.open = Some(same);
            return Ok((follow, false));
        }
        if mark.inode == NO_FILE {
            follow.open = open(path)?;
            return Ok((follow, false));
        }
        let truncated = open(path)?.is_some_and(|same| same.inode == mark.inode);
        follow.open = follow.find_moved(&mark)?;
        let lost = truncated || follow.open.is_none();
        if follow.open.is_none() {
            follow.open = open(path)?;
        }
        Ok((follow, lost))
    }

    /// Reads a little and hands over the lines that are complete.
    pub fn step(&mut self, take: &mut dyn FnMut(Piece<'_>)) -> io::Result<Step> {
        let Some(current) = &mut self.open else {
            self.open = open(&self.path)?;
            let opened = self.open.is_some();
            return Ok(Step { more: opened, switched: opened, lost: false });
        };
        if current.was_truncated()? {
            let mark = current.mark();
            self.open = self.find_moved(&mark)?;
            if self.open.is_none() {
                self.open = open(&self.path)?;
            }
            return Ok(Step { more: true, lost: true, switched: true });
        }
        if current.read(self.is_ours, take)? {
            return Ok(Step { more: true, ..Step::default() });
        }
        let Some(successor) = self.successor()? else { return Ok(Step::default()) };
        let Some(current) = &mut self.open else { return Ok(Step::default()) };
        if !current.closing {
            // What was written before the writer let go is complete only now: read once more.
            current.closing = true;
            return Ok(Step { more: true, ..Step::default() });
        }
        let (next, lost) = match successor {
            // It may have been renamed since: then it is looked for again.
            Successor::File(next) => match open(&next)? {
                Some(next) => (Some(next), false),
                None => return Ok(Step { more: true, ..Step::default() }),
            },
            Successor::Unreadable | Successor::Released => (open(&self.path)?, true),
        };
        current.cut(self.is_ours, take);
        self.left.push_back(current.inode);
        if self.left.len() > LEFT_MAX {
            self.left.pop_front();
        }
        self.open = next;
        Ok(Step { more: true, lost, switched: true })
    }

    /// There is a file to read.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Past complete lines of the file that is read now.
    pub fn offset(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.offset)
    }

    /// Where to continue after a restart.
    pub fn cursor(&self) -> Cursor {
        let mark = self.open.as_ref().map_or_else(Mark::no_file, Open::mark);
        Cursor {
            path: self.path.clone(),
            inode: mark.inode,
            offset: mark.offset,
            head_size: mark.head_size as u32,
            head_digest: mark.head_digest,
        }
    }

    /// What to read when the current file has ended; `None`: it has not.
    fn successor(&self) -> io::Result<Option<Successor>> {
        let Some(current) = &self.open else { return Ok(None) };
        let Some(at_path) = not_found_is_none(fs::metadata(&self.path))? else { return Ok(None) };
        if at_path.ino() == current.inode {
            return Ok(None);
        }
        let read_until = modified(&current.file.metadata()?);
        let between = siblings(&self.path)?
            .into_iter()
            .filter(|s| s.inode != current.inode && s.inode != at_path.ino() && s.size > 0)
            .filter(|s| s.modified > read_until)
            .min_by_key(|s| s.modified);
        Ok(match between {
            Some(next) if next.compressed => Some(Successor::Unreadable),
            Some(next) => Some(Successor::File(next.path)),
            None if at_path.len() > 0 => Some(Successor::File(self.path.clone())),
            None if current.file.metadata()?.nlink() == 0 => Some(Successor::Released),
            None => None,
        })
    }

    /// The file that a mark speaks of, under another name.
    fn find_moved(&self, mark: &Mark) -> io::Result<Option<Open>> {
        let mut found = None;
        let unread = |s: &Sibling| !s.compressed && !self.left.contains(&s.inode);
        for sibling in siblings(&self.path)?.into_iter().filter(unread) {
            let Some(mut moved) = open(&sibling.path)? else { continue };
            let same_file = moved.inode == mark.inode;
            if mark.fits(&moved.file)? && (same_file || mark.head_size > 0) {
                moved.seek(mark.offset)?;
                found = Some(moved);
                if same_file {
                    break;
                }
            }
        }
        Ok(found)
    }
}

enum Successor {
    File(PathBuf),
    /// It has been compressed already.
    Unreadable,
    /// The current file was deleted. Who keeps it open keeps its bytes, and in a memory of limited size
    /// the new one would never find room.
    Released,
}

impl Open {
    /// Hands over what is complete; false at the end of the file.
    fn read(&mut self, is_ours: IsOurs, take: &mut dyn FnMut(Piece<'_>)) -> io::Result<bool> {
        let position = self.position();
        if self.file.metadata()?.len() <= position {
            return Ok(false);
        }
        let mut chunk = vec![0; READ_SIZE];
        let size = self.file.read_at(&mut chunk, position)?;
        chunk.truncate(size);
        if size == 0 {
            return Ok(false);
        }
        self.pending.extend_from_slice(&chunk);
        let mut lines = std::mem::take(&mut self.pending);
        let mut start = 0;
        // What was pending before held no end of line, but it is cheap to look again.
        while let Some(size) = lines.get(start..).and_then(|l| l.iter().position(|b| *b == b'\n')) {
            let line = lines.get(start..start + size).unwrap_or_default();
            let skipped = std::mem::take(&mut self.skipped);
            if skipped > 0 {
                take(Piece::Broken { ours: self.skipped_ours });
            } else {
                take(Piece::Line(line));
            }
            self.offset += skipped + size as u64 + 1;
            start += size + 1;
        }
        lines.drain(..start);
        if lines.len() > LINE_SIZE_MAX {
            if self.skipped == 0 {
                self.skipped_ours = is_ours(&lines);
            }
            self.skipped += lines.len() as u64;
            lines.clear();
        }
        self.pending = lines;
        self.grow_head()?;
        Ok(true)
    }

    /// The file ends here for good: a half line will never be whole.
    fn cut(&mut self, is_ours: IsOurs, take: &mut dyn FnMut(Piece<'_>)) {
        let rest = std::mem::take(&mut self.pending);
        if self.skipped > 0 {
            take(Piece::Broken { ours: self.skipped_ours });
        } else if !rest.is_empty() {
            take(Piece::Broken { ours: is_ours(&rest) });
        }
    }

    fn was_truncated(&self) -> io::Result<bool> {
        let (size, position) = (self.file.metadata()?.len(), self.position());
        // Only where something is new can the beginning have changed unnoticed.
        Ok(size < position || (size > position && !self.mark().fits(&self.file)?))
    }

    /// Of the next byte to read.
    fn position(&self) -> u64 {
        self.offset + self.skipped + self.pending.len() as u64
    }

    fn mark(&self) -> Mark {
        Mark {
            inode: self.inode,
            offset: self.offset,
            head_size: self.head.len(),
            head_digest: Sha256::digest(&self.head).into(),
        }
    }

    fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.offset = offset;
        self.grow_head()
    }

    fn grow_head(&mut self) -> io::Result<()> {
        let wanted = usize::try_from(self.offset).map_or(HEAD_SIZE, |o| o.min(HEAD_SIZE));
        if self.head.len() < wanted {
            self.head = read_head(&self.file, wanted)?;
        }
        Ok(())
    }

    /// Behind the last end of line: what stands before was written before the agent was there.
    fn skip_to_last_line(&mut self) -> io::Result<()> {
        let size = self.file.metadata()?.len();
        let start = size.saturating_sub(LINE_SIZE_MAX as u64);
        let mut tail = vec![0; LINE_SIZE_MAX];
        let read = self.file.read_at(&mut tail, start)?;
        tail.truncate(read);
        let behind = tail.iter().rposition(|b| *b == b'\n').map_or(0, |at| at as u64 + 1);
        self.seek(start + behind)
    }
}

/// By what a file is known again, and how far it was read.
struct Mark {
    inode: u64,
    offset: u64,
    head_size: usize,
    head_digest: [u8; 32],
}

impl Mark {
    /// There has not been a file yet: whatever comes is read from its beginning.
    fn no_file() -> Self {
        Self { inode: NO_FILE, offset: 0, head_size: 0, head_digest: Sha256::digest([]).into() }
    }

    /// The file begins as it did, and reaches as far.
    fn fits(&self, file: &File) -> io::Result<bool> {
        if self.head_size > HEAD_SIZE || file.metadata()?.len() < self.offset {
            return Ok(false);
        }
        let digest: [u8; 32] = Sha256::digest(read_head(file, self.head_size)?).into();
        Ok(digest == self.head_digest)
    }
}

fn open(path: &Path) -> io::Result<Option<Open>> {
    let Some(file) = not_found_is_none(File::open(path))? else { return Ok(None) };
    let inode = file.metadata()?.ino();
    Ok(Some(Open {
        file,
        inode,
        offset: 0,
        pending: Vec::new(),
        skipped: 0,
        skipped_ours: false,
        head: Vec::new(),
        closing: false,
    }))
}

fn read_head(file: &File, size: usize) -> io::Result<Vec<u8>> {
    let mut head = vec![0; size];
    let mut filled = 0;
    while let Some(rest) = head.get_mut(filled..).filter(|r| !r.is_empty()) {
        match file.read_at(rest, filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    head.truncate(filled);
    Ok(head)
}

struct Sibling {
    path: PathBuf,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    compressed: bool,
}

/// Rotated files beside the log: its name, then `.` or `-` and digits, perhaps compressed.
fn siblings(path: &Path) -> io::Result<Vec<Sibling>> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let other = entry.file_name();
        let Some(suffix) = other.to_str().and_then(|o| o.strip_prefix(name)) else { continue };
        let Some(stem) = suffix.strip_prefix(['.', '-']) else { continue };
        let plain = [".gz", ".xz", ".bz2", ".zst"].iter().find_map(|c| stem.strip_suffix(c));
        let stamp = plain.unwrap_or(stem);
        let rotated = stamp.starts_with(|c: char| c.is_ascii_digit())
            && stamp.chars().all(|c| c.is_ascii_digit() || c == '-' || c == '.');
        // It may be renamed again while we look.
        let Some(metadata) = not_found_is_none(entry.metadata())? else { continue };
        if rotated && metadata.is_file() {
            found.push(Sibling {
                path: entry.path(),
                inode: metadata.ino(),
                size: metadata.len(),
                modified: modified(&metadata),
                compressed: plain.is_some(),
            });
        }
    }
    Ok(found)
}

fn modified(metadata: &fs::Metadata) -> (i64, i64) {
    (metadata.mtime(), metadata.mtime_nsec())
}

fn not_found_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
