//! dnsmasq's own files: what in them blocks, and with which comment (`read_file` and `one_file` in
//! option.c, `read_hostsfile` in cache.c).
//!
//! A `#` begins a comment at the beginning of a line or behind white space. Nothing here fails: a file
//! that cannot be read is named, a line that means nothing to us is passed over, as most are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufRead, BufReader},
    net::IpAddr,
    path::{Path, PathBuf},
};

use super::{Dnsmasq, Identity, identity};
use crate::sources::names::is_private;

/// A file that includes itself must come to an end.
const FILES_MAX: usize = 4096;
/// The longest lists hold a few million names; a router's memory does not.
const BLOCKS_MAX: usize = 1024 * 1024;
/// `MAXDNAME` is dnsmasq's own limit; a longer line is not one of its.
const LINE_SIZE_MAX: u64 = 64 * 1024;

/// One name that is answered here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Lower case, no last dot; perhaps with a `*` in front, or `#` for all.
    pub name: String,
    pub answer: Answer,
    pub comment: String,
    pub file: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Nxdomain,
    Forged(String),
    /// From a hosts file: the name alone.
    Hosts(IpAddr),
}

#[derive(Debug, Default)]
pub struct Found {
    pub blocks: Vec<Block>,
    /// What was read, also folders and what is not there, and what it was before it was read.
    pub files: BTreeMap<PathBuf, Option<Identity>>,
    pub unreadable: Vec<(PathBuf, io::Error)>,
    /// Comment lines before a file's first rule.
    pub comments: BTreeMap<PathBuf, String>,
    /// Names at loopback addresses in hosts files.
    pub loopback: u64,
    pub logs_queries: bool,
    /// More than is kept.
    pub too_many: bool,
}

/// Reads everything, from the configuration file on.
pub fn read(config: &Dnsmasq) -> Found {
    let mut reader = Reader {
        loopback_blocks: config.loopback_blocks,
        found: Found::default(),
        hosts: BTreeSet::new(),
        no_hosts: false,
        upstream: BTreeSet::new(),
        own: BTreeSet::new(),
    };
    reader.conf(&config.conf);
    for folder in &config.conf_dirs {
        reader.folder(folder, Kind::Conf);
    }
    if !reader.no_hosts {
        reader.hosts.insert("/etc/hosts".into());
    }
    for file in std::mem::take(&mut reader.hosts) {
        reader.hosts_file(&file);
    }
    let Reader { mut found, upstream, own, .. } = reader;
    found.blocks.retain(|block| {
        let asked_elsewhere = block.answer == Answer::Nxdomain && upstream.contains(&block.name);
        !asked_elsewhere && !own.contains(&block.name)
    });
    found
}

pub struct Reader {
    loopback_blocks: bool,
    found: Found,
    hosts: BTreeSet<PathBuf>,
    no_hosts: bool,
    /// Names for which somebody is asked.
    upstream: BTreeSet<String>,
    /// `domain=`
    own: BTreeSet<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Conf,
    Hosts,
}

impl Reader {
    /// `None`: it was read before, or cannot be read now.
    fn open(&mut self, path: &Path) -> Option<BufReader<File>> {
        if self.found.files.contains_key(path) {
            return None;
        }
        if self.found.files.len() >= FILES_MAX {
            self.found.too_many = true;
            return None;
        }
        self.found.files.insert(path.to_owned(), identity(path));
        match File::open(path) {
            Ok(file) => Some(BufReader::new(file)),
            Err(error) => {
                self.found.unreadable.push((path.to_owned(), error));
                None
            }
        }
    }

    fn conf(&mut self, path: &Path) {
        let Some(mut file) = self.open(path) else { return };
        let mut line = Vec::new();
        let mut begun = false;
        loop {
            match next_line(&mut file, &mut line) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.found.unreadable.push((path.to_owned(), error)),
            }
            let Ok(text) = std::str::from_utf8(&line) else { continue };
            let (text, comment) = split_comment(text);
            let text = text.replace('"', "");
            let (key, value) = text.split_once('=').unwrap_or((&text, ""));
            let (key, value) = (key.trim(), value.trim());
            let before = self.found.blocks.len();
            match key {
                "address" => self.names(value, comment, path, true),
                "local" | "server" => self.names(value, comment, path, false),
                "conf-file" | "servers-file" => self.conf(Path::new(value)),
                "conf-dir" => self.folder(value, Kind::Conf),
                "addn-hosts" if Path::new(value).is_dir() => self.folder(value, Kind::Hosts),
                "addn-hosts" => self.hosts.extend([PathBuf::from(value)]),
                "hostsdir" => self.folder(value, Kind::Hosts),
                "no-hosts" => self.no_hosts = true,
                "domain" => self.own.extend(value.split(',').next().map(lower)),
                "log-queries" => self.found.logs_queries = true,
                "" if !begun && !comment.is_empty() => self.file_comment(path, comment),
                _ => {}
            }
            begun |= self.found.blocks.len() > before;
        }
    }

    fn file_comment(&mut self, path: &Path, comment: &str) {
        let known = self.found.comments.entry(path.to_owned()).or_default();
        if (known.len() + comment.len()) as u64 <= LINE_SIZE_MAX {
            known.push_str(comment);
            known.push('\n');
        }
    }

    /// "/one.example/two.example/192.0.2.1"
    fn names(&mut self, value: &str, comment: &str, file: &Path, is_address: bool) {
        let Some(value) = value.strip_prefix('/') else { return };
        let Some((names, to)) = value.rsplit_once('/') else { return };
        let to = to.trim();
        for name in names.split('/').map(lower) {
            let answer = match (is_address, to) {
                (_, "") => Answer::Nxdomain,
                (true, "#") => Answer::Forged("#".to_owned()),
                (true, address) => match address.parse::<IpAddr>() {
                    Ok(address) => Answer::Forged(address.to_string()),
                    Err(_) => continue,
                },
                // `#`: the servers of all other names.
                (false, _) => {
                    self.upstream.insert(name);
                    continue;
                }
            };
            self.block(name, answer, comment, file);
        }
    }

    fn block(&mut self, name: String, answer: Answer, comment: &str, file: &Path) {
        if name.is_empty() || is_private(&name) {
            return;
        }
        if self.found.blocks.len() >= BLOCKS_MAX {
            self.found.too_many = true;
            return;
        }
        let (comment, file) = (comment.to_owned(), file.to_owned());
        self.found.blocks.push(Block { name, answer, comment, file });
    }

    /// "/etc/dnsmasq.d,.bak" leaves out what ends so; "/etc/dnsmasq.d,*.conf" takes only that.
    fn folder(&mut self, value: &str, kind: Kind) {
        let mut parts = value.split(',').map(str::trim);
        let folder = PathBuf::from(parts.next().unwrap_or_default());
        let patterns: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        if self.found.files.contains_key(&folder) {
            return;
        }
        self.found.files.insert(folder.clone(), identity(&folder));
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => return self.found.unreadable.push((folder, error)),
        };
        let only: Vec<_> = patterns.iter().filter_map(|part| part.strip_prefix('*')).collect();
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let hidden = name.starts_with('.') || name.ends_with('~') || name.starts_with('#');
                let taken = only.is_empty() || only.iter().any(|suffix| name.ends_with(suffix));
                let left_out = patterns.iter().any(|p| !p.starts_with('*') && name.ends_with(p));
                !hidden && taken && !left_out
            })
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
            .collect();
        crate::order::sort(&mut files);
        for file in files {
            match kind {
                Kind::Conf => self.conf(&file),
                Kind::Hosts => self.hosts.extend([file]),
            }
        }
    }

    fn hosts_file(&mut self, path: &Path) {
        let Some(mut file) = self.open(path) else { return };
        let mut line = Vec::new();
        let mut begun = false;
        loop {
            match next_line(&mut file, &mut line) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.found.unreadable.push((path.to_owned(), error)),
            }
            let Ok(text) = std::str::from_utf8(&line) else { continue };
            let (text, comment) = split_comment(text);
            let mut words = text.split_whitespace();
            let Some(address) = words.next() else {
                if !begun && !comment.is_empty() {
                    self.file_comment(path, comment);
                }
                continue;
            };
            begun = true;
            let Ok(address) = address.parse::<IpAddr>() else { continue };
            for name in words.map(lower) {
                if address.is_loopback() && !is_private(&name) {
                    self.found.loopback += 1;
                }
                if address.is_unspecified() || (address.is_loopback() && self.loopback_blocks) {
                    self.block(name, Answer::Hosts(address), comment, path);
                }
            }
        }
    }
}

/// False at the end. A line that is too long is passed over.
fn next_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = io::Read::take(&mut *file, LINE_SIZE_MAX).read_until(b'\n', line)?;
    if read as u64 == LINE_SIZE_MAX && !line.ends_with(b"\n") {
        line.clear();
        loop {
            let buffer = file.fill_buf()?;
            let end = buffer.iter().position(|b| *b == b'\n');
            let size = end.map_or(buffer.len(), |at| at + 1);
            if size == 0 {
                break;
            }
            file.consume(size);
            if end.is_some() {
                break;
            }
        }
    }
    Ok(read > 0)
}

fn split_comment(line: &str) -> (&str, &str) {
    let mut white = true;
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        quoted ^= c == '"';
        if c == '#' && white && !quoted {
            return line
                .split_at_checked(at)
                .map_or((line, ""), |(text, rest)| (text, rest.trim_start_matches('#').trim()));
        }
        white = c.is_whitespace();
    }
    (line, "")
}

fn lower(name: &str) -> String {
    let name = name.trim();
    // A leading dot means nothing to dnsmasq.
    let name = name.strip_prefix('.').unwrap_or(name);
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comments_begin_behind_white_space() {
        assert_eq!(split_comment("address=/a/#"), ("address=/a/#", ""));
        assert_eq!(split_comment("address=/a/ # remit=x"), ("address=/a/ ", "remit=x"));
        assert_eq!(split_comment("## remit=x"), ("", "remit=x"));
        assert_eq!(split_comment("a=\"b # c\""), ("a=\"b # c\"", ""));
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>, text: String) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("conf");
            let mut all = format!("address={text}\nserver=/{text}/\nconf-file={text}\n").into_bytes();
            all.extend(bytes);
            fs::write(&path, &all).expect("written");
            let mut reader = Reader {
                loopback_blocks: true, found: Found::default(), hosts: BTreeSet::new(),
                no_hosts: true, upstream: BTreeSet::new(), own: BTreeSet::new(),
            };
            reader.hosts_file(&path);
            reader.found.files.clear();
            reader.conf(&path);
        }
    }
}
