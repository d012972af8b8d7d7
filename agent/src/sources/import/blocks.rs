//! A file that is read twice, and must be the same both times.
//!
//! The first reading notes the digest of each block; the second hands a block out only after it has
//! the digest that it had. So whatever is recorded from the second reading belongs to the file whose
//! digest the first one gave, even if somebody writes to it meanwhile.

use std::{
    fs::File,
    io::{self, BufRead, Read},
    os::unix::fs::{FileExt, MetadataExt},
};

use sha2::{Digest, Sha256};

/// Checked and handed out at once; a log of 1 GiB has a thousand digests.
const BLOCK_SIZE: usize = 1024 * 1024;

/// What the first reading found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Blocks {
    digests: Vec<[u8; 32]>,
    /// Of the whole file.
    pub(super) digest: [u8; 32],
    pub(super) size: u64,
}

/// One reading of a file, block by block.
pub(super) struct Reading<'a> {
    file: &'a File,
    /// `None` in the first reading.
    known: Option<&'a Blocks>,
    digests: Vec<[u8; 32]>,
    whole: Sha256,
    /// Of the next block.
    offset: u64,
    block: Vec<u8>,
    /// Handed out of the block.
    used: usize,
    pub(super) has_changed: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn first(file: &'a File) -> Self {
        Self::new(file, None)
    }

    pub(super) fn again(file: &'a File, known: &'a Blocks) -> Self {
        Self::new(file, Some(known))
    }

    fn new(file: &'a File, known: Option<&'a Blocks>) -> Self {
        Self {
            file,
            known,
            digests: Vec::new(),
            whole: Sha256::new(),
            offset: 0,
            block: Vec::new(),
            used: 0,
            has_changed: false,
        }
    }

    /// After the first reading.
    pub(super) fn finish(self) -> Blocks {
        Blocks { digests: self.digests, digest: self.whole.finalize().into(), size: self.offset }
    }

    fn next_block(&mut self) -> io::Result<()> {
        let wanted = match self.known {
            Some(known) => known.size.saturating_sub(self.offset).min(BLOCK_SIZE as u64) as usize,
            None => BLOCK_SIZE,
        };
        self.block.resize(wanted, 0);
        let mut filled = 0;
        while let Some(rest) = self.block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, self.offset + filled as u64) {
                Ok(0) => break,
                Ok(size) => filled += size,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.block.truncate(filled);
        self.used = 0;
        if filled == 0 && wanted == 0 {
            return Ok(());
        }
        let digest: [u8; 32] = Sha256::digest(&self.block).into();
        if let Some(known) = self.known {
            // All blocks but the last have the same size.
            let at = (self.offset / BLOCK_SIZE as u64) as usize;
            if known.digests.get(at) != Some(&digest) {
                self.has_changed = true;
                self.block.clear();
                return Err(io::ErrorKind::InvalidData.into());
            }
        } else if filled > 0 {
            self.digests.push(digest);
            self.whole.update(&self.block);
        }
        self.offset += filled as u64;
        Ok(())
    }
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.fill_buf()?.read(buffer)?;
        self.consume(size);
        Ok(size)
    }
}

impl BufRead for Reading<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used >= self.block.len() {
            self.next_block()?;
        }
        Ok(self.block.get(self.used..).unwrap_or_default())
    }

    fn consume(&mut self, size: usize) {
        self.used = (self.used + size).min(self.block.len());
    }
}

/// By what a change is seen without reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self { size: found.len(), modified: (found.mtime(), found.mtime_nsec()) })
    }
}
