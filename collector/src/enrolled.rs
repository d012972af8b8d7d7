//! Who holds a key: tokens that may become one, keys that were enrolled, keys that never count again.
//!
//! The log knows a node's key from its first batch on, and no sooner, since a `NodeKey` entry names a
//! tree. What may be revoked before that is here, below the collector's directory:
//!
//! | path | what |
//! |---|---|
//! | `tokens/<SHA-256 of the token>` | [`Token`], TOML; removed when it is used, which two at once cannot both do |
//! | `series/<SHA-256 of the token>` | [`Series`], TOML: of one token for many nodes, which |
//! | `enrolled/<node\|person>-<id>/<key, 64 hex digits>` | empty: a certificate may be bound to this key |
//! | `revoked/<key, 64 hex digits>` | empty: moved here from `enrolled/` |
//!
//! One token for many nodes is a place for each of them: the token `<text>/<node>`, which lies in `tokens/`
//! and is used up like any other. The series says only which places there were.
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
const SERIES: &str = "series";
const ENROLLED: &str = "enrolled";
const REVOKED: &str = "revoked";

/// The folders that `init` makes.
pub const FOLDERS: [&str; 4] = [TOKENS, SERIES, ENROLLED, REVOKED];

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
    /// Name of the series that this is a place of; empty: of none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub series: String,
}

/// What one token for many nodes may become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    pub expires_at_s: i64,
    pub nodes: Vec<String>,
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
    token_at(&token_path(dir, text))
}

/// Only one of two who use it at once succeeds; and a power cut does not bring it back.
pub fn use_up_token(dir: &Path, text: &str) -> io::Result<()> {
    fs::remove_file(token_path(dir, text))?;
    files::sync_folder(&dir.join(TOKENS))
}

/// Makes one token for many nodes. The series is written last: before, nobody was given the token.
pub fn write_series(dir: &Path, text: &str, series: &Series, replace: bool) -> io::Result<()> {
    let Series { expires_at_s, nodes } = series;
    for node in nodes {
        let place = Token {
            subject: node.clone(),
            role: role_word(Role::Agent).to_owned(),
            expires_at_s: *expires_at_s,
            replace,
            series: series_name(text),
        };
        write_token(dir, &place_text(text, node), &place)?;
    }
    let file = toml::to_string(series).map_err(io::Error::other)?;
    files::replace_secret(&series_path(dir, text), file.as_bytes())
}

/// `None`: unknown or void.
pub fn read_series(dir: &Path, text: &str) -> Option<Series> {
    toml::from_str(&fs::read_to_string(series_path(dir, text)).ok()?).ok()
}

/// By what a series is called where its token must not be shown: the first digits of its SHA-256.
pub fn series_name(text: &str) -> String {
    hash(text).chars().take(12).collect()
}

/// The token of one place of a series.
pub fn place_text(series: &str, node: &str) -> String {
    format!("{series}/{node}")
}

/// Voids what is unused of a series; returns how many places that were. `None`: there is no such series.
pub fn void_series(dir: &Path, name: &str) -> io::Result<Option<usize>> {
    let places = void(dir, |token| token.series == name)?;
    let mut known = places > 0;
    for path in paths_in(&dir.join(SERIES))? {
        let named = |path: &Path| path.file_name()?.to_str()?.strip_prefix(name).map(|_| ());
        if name.len() == series_name("").len() && named(&path).is_some() {
            fs::remove_file(&path)?;
            files::sync_folder(&dir.join(SERIES))?;
            known = true;
        }
    }
    Ok(known.then_some(places))
}

/// Removes all tokens of a subject; returns how many there were.
pub fn void_tokens(dir: &Path, subject: &Subject) -> io::Result<usize> {
    void(dir, |token| token.is_for(subject))
}

/// The tokens that were not used, expired ones too.
pub fn tokens(dir: &Path) -> io::Result<Vec<Token>> {
    Ok(paths_in(&dir.join(TOKENS))?.iter().filter_map(|path| token_at(path)).collect())
}

fn void(dir: &Path, which: impl Fn(&Token) -> bool) -> io::Result<usize> {
    let mut count = 0;
    for path in paths_in(&dir.join(TOKENS))? {
        if token_at(&path).is_some_and(|token| which(&token)) {
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

/// What cannot be read is being replaced, or is no token.
fn token_at(path: &Path) -> Option<Token> {
    toml::from_str(&fs::read_to_string(path).ok()?).ok()
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
    dir.join(TOKENS).join(hash(text))
}

fn series_path(dir: &Path, text: &str) -> PathBuf {
    dir.join(SERIES).join(hash(text))
}

fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()).into())
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
            let series = String::new();
            let token = Token { subject, role, expires_at_s: 1, replace: false, series };
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

    #[test]
    fn a_series_is_a_place_for_each_node_and_is_void_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let nodes: Vec<String> = ["edge-1", "edge-2", "edge-3"].map(str::to_owned).into();
        let series = Series { expires_at_s: 1, nodes };
        write_series(dir, "T", &series, false).unwrap();
        write_series(dir, "U", &series, false).unwrap();
        assert_eq!(read_series(dir, "T"), Some(series));
        assert_eq!(read_token(dir, "T"), None, "the token alone is nobody's place");
        use_up_token(dir, &place_text("T", "edge-2")).unwrap();
        assert!(use_up_token(dir, &place_text("T", "edge-2")).is_err(), "once");
        // A place goes with its node's other tokens, and a series with all that is left of it.
        assert_eq!(void_tokens(dir, &node("edge-1")).unwrap(), 2);
        let name = series_name("T");
        assert_eq!(void_series(dir, &name[..4]).unwrap(), None, "a part of a name is no name");
        assert_eq!(void_series(dir, &name).unwrap(), Some(1));
        assert_eq!(void_series(dir, &name).unwrap(), None);
        assert_eq!((read_series(dir, "T"), tokens(dir).unwrap().len()), (None, 2));
        assert!(read_token(dir, &place_text("U", "edge-3")).is_some());
    }
}
