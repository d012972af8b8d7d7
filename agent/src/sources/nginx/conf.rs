//! The file that the template's `map $host $remit { hostnames; include …; }` includes: one host and the
//! claim that it is refused under, per line.
//!
//! Source: ngx_http_map_module, and "Server names" for what `hostnames` makes of a name; 1.22.1.

use std::{collections::HashSet, fs, path::Path};

use crate::sources::http::{Listed, Pattern, Read, fields::Host};

/// What the file says, and how much of it was read. nginx goes on with the map that it has where it cannot read
/// the new one either.
pub fn read(path: &Path, status: u16) -> (HashSet<Listed>, Read) {
    let good = fs::metadata(path).is_ok_and(|metadata| metadata.len() <= FILE_SIZE_MAX);
    let Some(bytes) = good.then(|| fs::read(path).ok()).flatten() else {
        return (HashSet::new(), Read::Partial);
    };
    let (mut listed, mut how) = (HashSet::new(), Read::Whole);
    for entry in entries(&String::from_utf8_lossy(&bytes)) {
        match entry.as_slice() {
            [word] if matches!(word.as_str(), "hostnames" | "volatile") => {}
            [word, _] if matches!(word.as_str(), "default" | "include") => {
                // A default that is not empty refuses whatever is not named; an include is not read.
                if entry.get(1).is_some_and(|value| !value.is_empty()) {
                    how = how.and(Read::Incomplete);
                }
            }
            // Named in order not to be refused.
            [_, says] if says.is_empty() => {}
            [host, says] => drop(listed.insert(Listed {
                label: String::new(),
                says: says.clone(),
                pattern: pattern(host),
                status,
                narrowed: false,
                native: format!("{host} {says};"),
            })),
            _ => how = Read::Partial,
        }
    }
    (listed, how)
}

fn pattern(host: &str) -> Pattern {
    let name = |name| match Host::parse(name) {
        Some(Host::Name(name)) => Some(name),
        Some(Host::Address(_)) | None => None,
    };
    if let Some(Host::Address(address)) = Host::parse(host) {
        return Pattern::Net(address.into());
    }
    let found = match (host.strip_prefix("*."), host.strip_prefix('.')) {
        (Some(below), _) => name(below).map(Pattern::Below),
        (_, Some(subtree)) => name(subtree).map(Pattern::Subtree),
        (None, None) => name(host).map(Pattern::Exact),
    };
    found.unwrap_or(Pattern::Other)
}

/// Entries end with `;`. Words stand between spaces or in quotes; `#` begins a comment.
fn entries(text: &str) -> Vec<Vec<String>> {
    let (mut entries, mut words) = (Vec::new(), Vec::new());
    let mut chars = text.chars().peekable();
    while let Some(first) = chars.next() {
        match first {
            ';' => entries.push(std::mem::take(&mut words)),
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            '"' | '\'' => {
                let mut word = String::new();
                while let Some(c) = chars.next().filter(|c| *c != first) {
                    match c {
                        '\\' => word.extend(chars.next()),
                        c => word.push(c),
                    }
                }
                words.push(word);
            }
            c if c.is_whitespace() => {}
            c => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| !c.is_whitespace() && *c != ';') {
                    word.push(c);
                }
                words.push(word);
            }
        }
    }
    if !words.is_empty() {
        // The last entry is not whole.
        entries.push(Vec::new());
    }
    entries
}

/// A list of a million names is some 40 MB.
const FILE_SIZE_MAX: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, wanted: &[&str]) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), text).expect("written");
        let (listed, how) = read(file.path(), 451);
        let mut shown: Vec<_> =
            listed.iter().map(|entry| format!("{:?} {}", entry.pattern, entry.says)).collect();
        shown.sort();
        match how {
            Read::Whole => {}
            Read::Incomplete => shown.push("incomplete".into()),
            Read::Partial => shown.push("partial".into()),
        }
        assert_eq!(shown, wanted, "{text}");
    }

    #[test]
    fn hosts_and_what_they_are_refused_under() {
        check(
            "# a list\n.a.example court/1;\nB.example \"list:x@1,court/2\"; # more\n*.c.example\n 'class:security';\n\
             open.example \"\";\n\"~^x\\.example$\" court/3; www.* court/4; 192.0.2.1 court/5;\n",
            &[
                "Below(\"c.example\") class:security",
                "Exact(\"b.example\") list:x@1,court/2",
                "Net(192.0.2.1/32) court/5",
                "Other court/3",
                "Other court/4",
                "Subtree(\"a.example\") court/1",
            ],
        );
    }

    #[test]
    fn what_is_not_understood_is_said() {
        check("default court/1;\n", &["incomplete"]);
        check("a.example court/1;\nb.example", &["Exact(\"a.example\") court/1", "partial"]);
        check("a b c;", &["partial"]);
        assert_eq!(read(Path::new("/nowhere/remit.map"), 451).1, Read::Partial);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text: String) {
            let _ = entries(&text);
            for entry in entries(&text).iter().flatten() {
                let _ = pattern(entry);
            }
        }
    }
}
