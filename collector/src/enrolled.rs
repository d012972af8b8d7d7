//! Who holds a key: tokens that may become one, keys that were enrolled, keys that never count again.
//!
//! The log knows a node's key from its first batch on, and no sooner, since a `NodeKey` entry names a
//! tree. What may be revoked before that is here, below the collector's directory:
//!
//! | path | what |
//! |---|---|
//! | `tokens/<SHA-256 of the token>` | [`Token`], TOML; removed when it is used, which two at once cannot both do |
//! | `enrolled/<node\|person>-<id>/<key, 64 hex digits>` | empty: a certificate may be bound to this key |
//! | `revoked/<key, 64 hex digits>` | empty: moved here from `enrolled/` |
//!
//! A key lies in `enrolled/` before its token is gone, and whoever revokes removes tokens before he
//! looks into `enrolled/`. So an enrolment and a revocation at the same time end with the key revoked or
//! the token void, in whatever order their steps come.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use remit_proto::v1::Role;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{access::role_word, files, log::command::Subject};

pub type Key = [u8; 32];

const TOKENS: &str = "tokens";
const ENROLLED: &str = "enrolled";
const REVOKED: &str = "revoked";

/// The folders that `init` makes.
pub const FOLDERS: [&str; 3] = [TOKENS, ENROLLED, REVOKED];

/// A token as it lies on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    pub subject: String,
    pub role: String,
    pub expires_at_s: i64,
    /// The keys that the subject has are revoked when this one is enrolled.
    #[serde(default)]
    pub replace: bool,
}

impl Token {
    fn is_for(&self, subject: &Subject) -> bool {
        let is_agent = self.role == role_word(Role::Agent);
        match subject {
            Subject::Node(node) => is_agent && self.subject == node.as_str(),
            Subject::Person(person) => !is_agent && self.subject == person.as_str(),
        }
    }
}

pub fn write_token(dir: &Path, text: &str, token: &Token) -> io::Result<()> {
    let file = toml::to_string(token).map_err(io::Error::other)?;
    files::replace_secret(&token_path(dir, text), file.as_bytes())
}

/// `None`: unknown, used or void.
pub fn read_token(dir: &Path, text: &str) -> Option<Token> {
    toml::from_str(&fs::read_to_string(token_path(dir, text)).ok()?).ok()
}

/// Only one of two who use it at once succeeds; and a power cut does not bring it back.
pub fn use_up_token(dir: &Path, text: &str) -> io::Result<()> {
    fs::remove_file(token_path(dir, text))?;
    files::sync_folder(&dir.join(TOKENS))
}

/// Removes all tokens of a subject; returns how many there were.
pub fn void_tokens(dir: &Path, subject: &Subject) -> io::Result<usize> {
    let mut count = 0;
    for path in paths_in(&dir.join(TOKENS))? {
        // What cannot be read is being replaced, or is no token.
        let token = fs::read_to_string(&path).ok().and_then(|text| toml::from_str(&text).ok());
        if token.is_some_and(|token: Token| token.is_for(subject)) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => count += 1,
            }
        }
    }
    if count > 0 {
        files::sync_folder(&dir.join(TOKENS))?;
    }
    Ok(count)
}

/// From here on a certificate may be bound to this key.
pub fn add(dir: &Path, subject: &Subject, key: &Key) -> io::Result<()> {
    files::replace(&folder(dir, subject).join(hex(key)), b"")
}

/// The keys that were enrolled for a subject and not revoked.
pub fn keys(dir: &Path, subject: &Subject) -> io::Result<Vec<Key>> {
    keys_in(&folder(dir, subject))
}

/// Revokes the keys of a subject, all but one if one is to be kept, and returns them. Durable.
pub fn revoke(dir: &Path, subject: &Subject, keep: Option<&Key>) -> io::Result<Vec<Key>> {
    let mut keys = keys(dir, subject)?;
    keys.retain(|key| Some(key) != keep);
    if keys.is_empty() {
        return Ok(keys);
    }
    let (from, to) = (folder(dir, subject), dir.join(REVOKED));
    files::make_folder(&to)?;
    for key in &keys {
        fs::rename(from.join(hex(key)), to.join(hex(key)))?;
    }
    files::sync_folder(&to)?;
    files::sync_folder(&from)?;
    Ok(keys)
}

/// All keys that were ever revoked here; those that the log has revoked may be missing.
pub fn revoked(dir: &Path) -> io::Result<Vec<Key>> {
    keys_in(&dir.join(REVOKED))
}

fn token_path(dir: &Path, text: &str) -> PathBuf {
    dir.join(TOKENS).join(hex(&Sha256::digest(text.as_bytes()).into()))
}

fn folder(dir: &Path, subject: &Subject) -> PathBuf {
    dir.join(ENROLLED).join(subject.to_string())
}

fn keys_in(folder: &Path) -> io::Result<Vec<Key>> {
    let names = paths_in(folder)?;
    Ok(names.iter().filter_map(|path| key_of(path.file_name()?.to_str()?)).collect())
}

/// Nothing, where there is no such folder.
fn paths_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn hex(key: &Key) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key_of(hex: &str) -> Option<Key> {
    crate::access::key_of(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str) -> Subject {
        Subject::Node(id.parse().unwrap())
    }

    #[test]
    fn a_key_is_enrolled_or_revoked_and_survives() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, edge) = (dir.path(), node("edge-1"));
        assert_eq!(keys(dir, &edge).unwrap(), Vec::<Key>::new());
        for key in [[1; 32], [2; 32], [2; 32]] {
            add(dir, &edge, &key).unwrap();
        }
        add(dir, &node("edge-2"), &[3; 32]).unwrap();
        assert_eq!(revoke(dir, &edge, Some(&[2; 32])).unwrap(), [[1; 32]]);
        assert_eq!(keys(dir, &edge).unwrap(), [[2; 32]]);
        assert_eq!(revoke(dir, &edge, None).unwrap(), [[2; 32]]);
        assert_eq!(revoke(dir, &edge, None).unwrap(), Vec::<Key>::new(), "once");
        let mut all = revoked(dir).unwrap();
        all.sort_unstable();
        assert_eq!(all, [[1; 32], [2; 32]]);
    }

    #[test]
    fn tokens_of_a_subject_are_void_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        // A person may be called like a node.
        for (text, subject, role) in [
            ("a", "x-1", "agent"),
            ("b", "x-1", "agent"),
            ("c", "x-1", "officer"),
            ("d", "x-2", "agent"),
        ] {
            let (subject, role) = (subject.to_owned(), role.to_owned());
            let token = Token { subject, role, expires_at_s: 1, replace: false };
            write_token(dir, text, &token).unwrap();
            assert_eq!(read_token(dir, text), Some(token));
        }
        assert_eq!(void_tokens(dir, &node("x-1")).unwrap(), 2);
        assert_eq!(
            ["a", "b", "c", "d"].map(|text| read_token(dir, text).is_some()),
            [false, false, true, true]
        );
        assert_eq!(void_tokens(dir, &Subject::Person("x-1".parse().unwrap())).unwrap(), 1);
        use_up_token(dir, "d").unwrap();
        assert!(use_up_token(dir, "d").is_err());
    }
}
