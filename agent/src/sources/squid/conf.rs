//! squid.conf, as far as it says which hosts are refused: `acl`, `http_access`, `deny_info` and
//! `include`. What it says otherwise is passed over; what cannot be read makes the state partial.
//!
//! A `deny` line is a rule if one of its ACLs is about where a request goes. Its other ACLs narrow it.
//! A line whose ACLs are all about who asks, from where, when or how is the proxy's own access control
//! (DESIGN.md idea 9) and no rule, unless it is a plain `deny all` before any `allow`: that refuses
//! everything to everybody. `deny !list` refuses everything but a list.
//!
//! Sources: squid.conf.documented of 5.7; src/ConfigParser.cc (tokens, quoted file names);
//! src/acl/DomainData.cc (".example.org" is the name and what is below it).

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
};

use ipnet::IpNet;

use crate::sources::http::{Listed, Pattern, Read, fields::Host};

/// What the files say.
#[derive(Debug, Default)]
pub struct Conf {
    pub listed: HashSet<Listed>,
    pub read: Read,
    /// Files that were read: names of lists among them.
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Default)]
struct Acl {
    kind: String,
    values: Vec<String>,
}

#[derive(Debug)]
struct Rule {
    deny: bool,
    /// Name, and whether it is negated.
    acls: Vec<(String, bool)>,
    native: String,
}

#[derive(Debug, Default)]
struct Reader {
    acls: HashMap<String, Acl>,
    rules: Vec<Rule>,
    status: HashMap<String, u16>,
    read: Read,
    files: Vec<PathBuf>,
}

/// Reads the file and what it includes.
pub fn read(path: &Path) -> Conf {
    let mut reader = Reader::default();
    reader.file(path, 0);
    let mut listed = HashSet::new();
    let mut allowed = false;
    for at in 0..reader.rules.len() {
        let Some(rule) = reader.rules.get(at) else { break };
        match rule.deny {
            true => reader.entries(rule, allowed, &mut listed),
            false => allowed = true,
        }
    }
    Conf { listed, read: reader.read, files: reader.files }
}

impl Reader {
    fn file(&mut self, path: &Path, depth: usize) {
        if depth > INCLUDES_MAX {
            self.read = Read::Partial;
            return;
        }
        let Some(text) = self.text(path) else { return };
        let joined = text.replace("\\\r\n", "\n").replace("\\\n", "");
        for line in joined.lines() {
            self.line(line.trim(), depth);
        }
    }

    fn text(&mut self, path: &Path) -> Option<String> {
        self.files.push(path.to_owned());
        let good = fs::metadata(path).is_ok_and(|m| m.len() <= FILE_SIZE_MAX);
        let text = good.then(|| fs::read(path).ok()).flatten();
        if text.is_none() {
            self.read = Read::Partial;
        }
        text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn line(&mut self, line: &str, depth: usize) {
        let mut words = line.split_ascii_whitespace().take_while(|word| !word.starts_with('#'));
        match words.next() {
            Some("acl") => self.acl(words),
            Some("http_access") => self.http_access(line, words),
            Some("deny_info") => self.deny_info(words),
            Some("include") => words.for_each(|word| self.include(word, depth)),
            // What is in it holds for some processes only.
            Some("if") => self.read = self.read.and(Read::Incomplete),
            _ => {}
        }
    }

    fn include(&mut self, pattern: &str, depth: usize) {
        let path = Path::new(pattern.trim_matches('"'));
        let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
        else {
            self.read = Read::Partial;
            return;
        };
        let Some((start, end)) = name.split_once('*') else { return self.file(path, depth + 1) };
        // A file that is put there later changes the folder.
        self.files.push(folder.to_owned());
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => return self.read = Read::Partial,
        };
        let fits = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        };
        let mut found: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(fits).collect();
        crate::order::sort(&mut found);
        for path in found {
            self.file(&path, depth + 1);
        }
    }

    fn acl<'a>(&mut self, mut words: impl Iterator<Item = &'a str>) {
        let (Some(name), Some(kind)) = (words.next(), words.next()) else { return };
        let mut values = Vec::new();
        for word in words {
            let file = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
            match file {
                Some(file) => {
                    let text = self.text(Path::new(file)).unwrap_or_default();
                    let lines = text.lines().map(str::trim);
                    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
                    values.extend(lines.map(str::to_owned));
                }
                // Flags such as -i and -n.
                None if word.starts_with('-') => {}
                None => values.push(word.to_owned()),
            }
        }
        let acl = self.acls.entry(name.to_owned()).or_default();
        acl.kind = kind.to_owned();
        acl.values.extend(values);
    }

    fn http_access<'a>(&mut self, line: &str, mut words: impl Iterator<Item = &'a str>) {
        let deny = match words.next() {
            Some("deny") => true,
            Some("allow") => false,
            _ => return self.read = Read::Partial,
        };
        let acls = words.map(|word| match word.strip_prefix('!') {
            Some(name) => (name.to_owned(), true),
            None => (word.to_owned(), false),
        });
        self.rules.push(Rule { deny, acls: acls.collect(), native: line.to_owned() });
    }

    /// `deny_info 451:ERR_PAGE acl`, `deny_info https://notice.example/ acl`, `deny_info TCP_RESET acl`.
    fn deny_info<'a>(&mut self, mut words: impl Iterator<Item = &'a str>) {
        let Some(page) = words.next() else { return };
        let status = page.split_once(':').and_then(|(status, _)| status.parse().ok());
        let status = match status {
            Some(status) => status,
            None if page.contains("://") => 302,
            None if page == "TCP_RESET" => 0,
            None => DENIED,
        };
        self.status.extend(words.map(|acl| (acl.to_owned(), status)));
    }

    fn entries(&self, rule: &Rule, allowed: bool, listed: &mut HashSet<Listed>) {
        let acl = |name: &str| self.acls.get(name);
        let kind = |name: &str| acl(name).map_or("", |acl| acl.kind.as_str());
        let (mut label, mut says) = (String::new(), String::new());
        let notes = rule.acls.iter().filter(|(name, _)| is_note(kind(name)));
        for note in notes.filter_map(|(name, _)| acl(name)).flat_map(|acl| &acl.values) {
            match note.split_once('=') {
                Some(("remit_rule", value)) => value.clone_into(&mut label),
                Some(("remit", value)) => value.clone_into(&mut says),
                _ => {}
            }
        }
        let last = rule.acls.last().and_then(|(name, _)| self.status.get(name));
        let conditions =
            || rule.acls.iter().filter(|(name, _)| !is_note(kind(name)) && name != "all");
        let native = |value: &str| match value.is_empty() {
            true => rule.native.clone(),
            false => format!("{} ({value})", rule.native),
        };
        let entry = |pattern, narrowed, native| Listed {
            label: label.clone(),
            says: says.clone(),
            pattern,
            status: last.copied().unwrap_or(DENIED),
            narrowed,
            native,
        };
        let aim = conditions().find(|(name, negated)| !negated && is_aim(kind(name)));
        let except = conditions().any(|(name, negated)| *negated && is_aim(kind(name)));
        let narrowed = conditions().count() > 1;
        match aim.and_then(|(name, _)| acl(name)) {
            Some(acl) => listed.extend(
                acl.values
                    .iter()
                    .map(|value| entry(pattern(&acl.kind, value), narrowed, native(value))),
            ),
            None if except => listed.extend([entry(Pattern::Everything, true, native(""))]),
            None if conditions().next().is_none() && !allowed => {
                listed.extend([entry(Pattern::Everything, false, native(""))]);
            }
            None => {}
        }
    }
}

fn is_note(kind: &str) -> bool {
    matches!(kind, "annotate_transaction" | "annotate_client")
}

/// ACLs about where a request goes.
fn is_aim(kind: &str) -> bool {
    matches!(
        kind,
        "dstdomain"
            | "dstdom_regex"
            | "dst"
            | "dst_as"
            | "url_regex"
            | "urlpath_regex"
            | "ssl::server_name"
            | "ssl::server_name_regex"
            | "server_cert_fingerprint"
            | "rep_header"
            | "rep_mime_type"
            | "any-of"
            | "all-of"
            | "external"
    )
}

fn pattern(kind: &str, value: &str) -> Pattern {
    match kind {
        "dstdomain" | "ssl::server_name" => {
            let (name, subtree) = match value.strip_prefix('.') {
                Some(name) => (name, true),
                None => (value, false),
            };
            match Host::parse(name) {
                Some(Host::Name(name)) if subtree => Pattern::Subtree(name),
                Some(Host::Name(name)) => Pattern::Exact(name),
                Some(Host::Address(address)) => Pattern::Net(address.into()),
                None => Pattern::Other,
            }
        }
        "dst" if value == "all" => Pattern::Everything,
        "dst" => value
            .parse::<IpNet>()
            .map(|net| net.trunc())
            .or_else(|_| value.parse().map(IpNet::V4))
            .or_else(|_| value.parse::<std::net::IpAddr>().map(IpNet::from))
            .map_or(Pattern::Other, Pattern::Net),
        _ => Pattern::Other,
    }
}

/// What Squid answers unless `deny_info` says otherwise.
const DENIED: u16 = 403;
const INCLUDES_MAX: usize = 16;
/// A list of a million names is some 25 MB; nobody's squid.conf is longer.
const FILE_SIZE_MAX: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, wanted: &[&str]) {
        let dir = tempfile::tempdir().expect("a directory");
        let own = dir.path().display().to_string();
        fs::write(dir.path().join("list"), "# a list\n.a.example\nb.example\n\n").expect("written");
        fs::create_dir(dir.path().join("d")).expect("made");
        fs::write(dir.path().join("d/1.conf"), "http_access deny one").expect("written");
        let path = dir.path().join("squid.conf");
        fs::write(&path, text.replace("DIR", &own)).expect("written");
        let conf = read(&path);
        let mut shown: Vec<String> = conf
            .listed
            .iter()
            .map(|entry| {
                let Listed { label, says, pattern, status, narrowed, native: _ } = entry;
                let narrowed = if *narrowed { " ~" } else { "" };
                format!("{label}|{says} {pattern:?} {status}{narrowed}")
            })
            .collect();
        shown.sort();
        if conf.read == Read::Partial {
            shown.push("partial".into());
        }
        assert_eq!(shown, wanted, "{text}");
    }

    #[test]
    fn lists_and_what_they_claim() {
        check(
            "acl court dstdomain \"DIR/list\" c.example # more\n\
             acl court_says annotate_transaction remit_rule=court remit=court/1,list:x@2\n\
             deny_info 451:ERR_X court_says\n\
             http_access allow all\n\
             http_access deny court court_says\n\
             http_access deny !court_safe CONNECT\n",
            &[
                "court|court/1,list:x@2 Exact(\"b.example\") 451",
                "court|court/1,list:x@2 Exact(\"c.example\") 451",
                "court|court/1,list:x@2 Subtree(\"a.example\") 451",
            ],
        );
    }

    #[test]
    fn other_conditions_narrow() {
        check(
            "acl one dstdomain one.example\nacl night time 22:00-24:00\nacl net dst 192.0.2.7/24\n\
             acl re url_regex -i ^http://x/\nhttp_access deny \\\n one night\n\
             http_access deny net\nhttp_access deny re\n",
            &["| Exact(\"one.example\") 403 ~", "| Net(192.0.2.0/24) 403", "| Other 403"],
        );
    }

    #[test]
    fn own_access_control_is_no_rule_and_a_shutdown_is() {
        check(
            "acl ok port 80\nhttp_access deny !ok\nhttp_access deny to_localhost\n\
             http_access allow lan\nhttp_access deny all\n",
            &[],
        );
        check("http_access deny all\nhttp_access allow lan\n", &["| Everything 403"]);
        check("acl good dstdomain g.example\nhttp_access deny !good\n", &["| Everything 403 ~"]);
    }

    #[test]
    fn includes_are_read_and_what_is_missing_is_said() {
        check(
            "acl one dstdomain 1.example\ninclude DIR/d/*.conf\n",
            &["| Exact(\"1.example\") 403"],
        );
        check("include DIR/none.conf\n", &["partial"]);
        check("acl x dstdomain \"DIR/none\"\n", &["partial"]);
        check("include DIR/squid.conf\n", &["partial"]);
    }
}
