//! The directory with a person's keys: reading and writing its files, nothing else.
//!
//! | file | content | mode |
//! |---|---|---|
//! | `config.toml` | what enrolment said: collector, operator, person, role, vkeys | 0644 |
//! | `ca.pem`, `tls.pem` | the collector's authority; the person's certificate chain | 0644 |
//! | `tls.key` | TLS key, PKCS#8 PEM | 0600 |
//! | `statement.key` | 32 secret bytes, base64, of the Ed25519 key that signs statements | 0600 |
//!
//! Keys are made only by `remit enrol`, never because a file is missing, and never overwritten; the
//! certificate is, when it is renewed.

use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::exit::CliError;

pub(crate) const CONFIG: &str = "config.toml";
pub(crate) const CA: &str = "ca.pem";
pub(crate) const TLS_CERTIFICATE: &str = "tls.pem";
pub(crate) const TLS_KEY: &str = "tls.key";
pub(crate) const STATEMENT_KEY: &str = "statement.key";

const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;

#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// `--dir`, `$REMIT_DIR` (clap reads both), `$XDG_CONFIG_HOME/remit`, `~/.config/remit`.
    pub(crate) fn find(dir: Option<&Path>) -> Result<Self, CliError> {
        if let Some(dir) = dir {
            return Ok(Self(dir.to_owned()));
        }
        let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        set("XDG_CONFIG_HOME")
            .or_else(|| set("HOME").map(|home| home.join(".config")))
            .map(|config| Self(config.join("remit")))
            .ok_or_else(|| {
                CliError::Usage("neither --dir nor HOME says where your keys are".into())
            })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn create(&self) -> Result<(), CliError> {
        fs::create_dir_all(&self.0).map_err(|source| CliError::File {
            path: self.0.clone(),
            doing: "make this directory",
            source,
        })
    }

    pub(crate) fn write_secret(&self, name: &str, bytes: &[u8]) -> Result<(), CliError> {
        write_new(&self.path(name), bytes, SECRET)
    }

    pub(crate) fn write_public(&self, name: &str, bytes: &[u8]) -> Result<(), CliError> {
        write_new(&self.path(name), bytes, PUBLIC)
    }
}

impl Home {
    /// In place of what is there, at once: write, sync, rename, sync the directory.
    pub(crate) fn replace_public(&self, name: &str, bytes: &[u8]) -> Result<(), CliError> {
        let (path, new) = (self.path(name), self.path(&format!("{name}.new")));
        let failed = |source| CliError::File { path: path.clone(), doing: "replace it", source };
        match fs::remove_file(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
        write_new(&new, bytes, PUBLIC)?;
        fs::rename(&new, &path).map_err(failed)?;
        fs::File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

/// Writes a file that must not exist yet, and syncs it.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CliError> {
    let file = |doing, source| CliError::File { path: path.to_owned(), doing, source };
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|error| file("create it (an existing file is never overwritten)", error))?;
    out.write_all(bytes).and_then(|()| out.sync_all()).map_err(|error| file("write", error))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    fs::read(path).map_err(|source| CliError::File { path: path.to_owned(), doing: "read", source })
}

/// The largest register that is published whole has some 400 MB.
pub(crate) const LIST_SIZE_MAX: u64 = 1 << 30;

/// Refuses a larger file before it is in memory.
pub(crate) fn read_at_most(path: &Path, size_max: u64) -> Result<Vec<u8>, CliError> {
    let file = |source| CliError::File { path: path.to_owned(), doing: "read", source };
    let mut bytes = Vec::new();
    let input = fs::File::open(path).map_err(file)?;
    input.take(size_max + 1).read_to_end(&mut bytes).map_err(file)?;
    if bytes.len() as u64 > size_max {
        return Err(CliError::Malformed(format!(
            "{}: larger than {} MiB; split it",
            path.display(),
            size_max >> 20
        )));
    }
    Ok(bytes)
}

pub(crate) fn read_text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(read(path)?)
        .map_err(|_| CliError::Malformed(format!("{}: not UTF-8 text", path.display())))
}
