//! The files of a bundle, read from a tar archive that may be hostile.
//!
//! In: the bytes of an archive. Out: name → bytes, each name once, all of it below a size that the
//! caller allows. Nothing is ever unpacked to disk, so a name can do no harm.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
};

/// Name → bytes.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The bytes of all files together; larger bundles need `--max-size`.
pub const BUNDLE_SIZE_MAX: u64 = 4 << 30;
/// A file costs at least a name in memory.
const FILE_COUNT_MAX: usize = 4_000_000;
const NAME_SIZE_MAX: usize = 256;

/// Why bytes are not a bundle.
#[derive(Debug, thiserror::Error)]
pub enum NotABundle {
    #[error("it is no tar archive, or it is cut off, or compressed: unpack or fetch it again")]
    Tar(#[source] io::Error),
    #[error("the archive holds something that is not a plain file: {0:?}")]
    NotAFile(String),
    #[error("the archive holds {0:?} twice")]
    Twice(String),
    #[error("a name in the archive is too long or not UTF-8")]
    Name,
    #[error("the files are larger than {0} bytes together")]
    TooLarge(u64),
    #[error("the archive holds no file")]
    Empty,
}

/// Reads a tar archive; `size_max` bounds the files together ([`BUNDLE_SIZE_MAX`] is usual).
pub fn read_tar(archive: impl Read, size_max: u64) -> Result<Files, NotABundle> {
    let mut archive = tar::Archive::new(archive);
    let mut files = Files::new();
    let mut size = 0_u64;
    for entry in archive.entries().map_err(NotABundle::Tar)? {
        let mut entry = entry.map_err(NotABundle::Tar)?;
        let name = std::str::from_utf8(&entry.path_bytes())
            .ok()
            .filter(|name| name.len() <= NAME_SIZE_MAX)
            .ok_or(NotABundle::Name)?
            .to_owned();
        match entry.header().entry_type() {
            tar::EntryType::Directory => continue,
            kind if kind.is_file() => {}
            _ => return Err(NotABundle::NotAFile(name)),
        }
        // The stated size is not believed: reading stops at what is left of the limit.
        let left = size_max.saturating_sub(size);
        let mut bytes = Vec::new();
        (&mut entry)
            .take(left.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(NotABundle::Tar)?;
        let read = bytes.len() as u64;
        if read != entry.size() && read <= left {
            return Err(NotABundle::Tar(io::ErrorKind::UnexpectedEof.into()));
        }
        size = size.saturating_add(read);
        if size > size_max || files.len() >= FILE_COUNT_MAX {
            return Err(NotABundle::TooLarge(size_max));
        }
        if files.insert(name.clone(), bytes).is_some() {
            return Err(NotABundle::Twice(name));
        }
    }
    if files.is_empty() { Err(NotABundle::Empty) } else { Ok(files) }
}

/// The files, and which of them some step has looked at.
pub(crate) struct Bundle<'a> {
    files: &'a Files,
    used: BTreeSet<&'a str>,
}

impl<'a> Bundle<'a> {
    pub(crate) fn new(files: &'a Files) -> Self {
        Self { files, used: BTreeSet::new() }
    }

    pub(crate) fn get(&mut self, name: &str) -> Option<&'a [u8]> {
        let (name, bytes) = self.files.get_key_value(name)?;
        self.used.insert(name);
        Some(bytes)
    }

    pub(crate) fn below(&self, folder: &str) -> impl Iterator<Item = &'a str> {
        let folder = format!("{folder}/");
        self.files
            .range(folder.clone()..)
            .map(|(name, _)| name.as_str())
            .take_while(move |name| name.starts_with(&folder))
    }

    pub(crate) fn unused(&self) -> Vec<&'a str> {
        self.files.keys().map(String::as_str).filter(|name| !self.used.contains(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn plain_files_are_read() {
        let files = read_tar(&archive(&[("a", b"1"), ("b/c", b"22")])[..], 100).unwrap();
        assert_eq!(files.get("b/c").unwrap(), b"22");
    }

    #[test]
    fn a_bundle_above_the_limit_is_refused() {
        let bytes = archive(&[("a", &[0; 60]), ("b", &[0; 60])]);
        assert!(matches!(read_tar(&bytes[..], 100), Err(NotABundle::TooLarge(100))));
    }

    #[test]
    fn the_same_name_twice_is_refused() {
        let bytes = archive(&[("a", b"1"), ("a", b"2")]);
        assert!(matches!(read_tar(&bytes[..], 100), Err(NotABundle::Twice(_))));
    }

    #[test]
    fn links_are_refused() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "a", "/etc/passwd").unwrap();
        let bytes = builder.into_inner().unwrap();
        assert!(matches!(read_tar(&bytes[..], 100), Err(NotABundle::NotAFile(_))));
    }

    #[test]
    fn cut_anywhere_it_is_refused_or_has_fewer_files() {
        let bytes = archive(&[("a", &[7; 700]), ("b", &[8; 10])]);
        let whole = read_tar(&bytes[..], 10_000).unwrap();
        for cut in 0..2048 {
            if let Ok(files) = read_tar(&bytes[..cut], 10_000) {
                assert!(files.iter().all(|(name, b)| whole.get(name) == Some(b)), "cut at {cut}");
            }
        }
    }
}
