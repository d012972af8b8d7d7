//! Records of a zone's master file (RFC 1035 section 5.1), each with the line on which it begins and its
//! owner relative to the zone.

use super::{ImportError, ended};

/// One resource record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub line: u64,
    /// Lower case, without the zone's name and without a dot at the end; escapes as written. `None`: it lies
    /// outside the zone.
    pub owner: Option<String>,
    /// The owner as the file writes it, where its letters are not all small.
    pub written: Option<String>,
    /// "CNAME", "A", ...
    pub kind: String,
    /// The first word of its data, as written; `None`: it has no data.
    pub data: Option<String>,
    /// Of all its words together, in bytes.
    pub size: usize,
}

/// Words of one record, and where it begins.
#[derive(Default)]
struct Words {
    line: u64,
    owner_omitted: bool,
    words: Vec<String>,
    size: usize,
}

/// All records, in the order of the file. The zone's name is the owner of its SOA, else the origin.
pub(super) fn records(bytes: &[u8]) -> Result<Vec<Record>, ImportError> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut found: Vec<Record> = Vec::new();
    let (mut origin, mut owner) = (String::new(), None::<String>);
    let (mut apex, mut first_origin) = (None::<String>, None::<String>);
    for entry in entries(text)? {
        let Words { line, owner_omitted, words, size } = entry;
        let mut words = words.into_iter().peekable();
        if !owner_omitted {
            let Some(word) = words.next() else { continue };
            match word.to_ascii_uppercase().as_str() {
                "$ORIGIN" => {
                    origin = absolute(&words.next().unwrap_or_default(), &origin);
                    continue;
                }
                "$TTL" => continue,
                directive if directive.starts_with('$') => {
                    let message = format!("{word}: what it stands for is not in this file");
                    return Err(ImportError::Syntax { line, message });
                }
                _ => owner = Some(absolute(&word, &origin)),
            }
        }
        while words.peek().is_some_and(|word| is_ttl(word) || is_class(word)) {
            words.next();
        }
        let (Some(owner), Some(kind)) = (&owner, words.next()) else {
            let message = "a record without owner or type; it may be cut off".to_owned();
            return Err(ImportError::Syntax { line, message });
        };
        let kind = kind.to_ascii_uppercase();
        let small = owner.to_ascii_lowercase();
        if kind == "SOA" {
            apex.get_or_insert_with(|| small.clone());
        }
        first_origin.get_or_insert_with(|| origin.to_ascii_lowercase());
        let data = words.next();
        let written = (small != *owner).then(|| owner.clone());
        found.push(Record { line, owner: Some(small), written, kind, data, size });
    }
    ended(bytes)?;
    let apex = apex.or(first_origin).unwrap_or_default();
    for record in &mut found {
        record.owner = record.owner.take().and_then(|owner| relative(&owner, &apex));
        if let (Some(owner), Some(written)) = (&record.owner, &mut record.written) {
            written.truncate(owner.len());
        }
    }
    Ok(found)
}

/// "a" at "example.org." is "a.example.org."; without an origin it stays as it is.
fn absolute(name: &str, origin: &str) -> String {
    if name == "@" {
        origin.to_owned()
    } else if name.ends_with('.') || origin.is_empty() {
        name.to_owned()
    } else if origin == "." {
        format!("{name}.")
    } else {
        format!("{name}.{origin}")
    }
}

fn relative(name: &str, apex: &str) -> Option<String> {
    let below = match apex {
        "" | "." => name,
        _ if name == apex => "",
        _ => name.strip_suffix(apex).and_then(|rest| rest.strip_suffix('.'))?,
    };
    Some(below.strip_suffix('.').unwrap_or(below).to_owned())
}

/// Entries of the file: lines, and what parentheses join.
fn entries(text: &str) -> Result<Vec<Words>, ImportError> {
    let mut found = Vec::new();
    let mut open = Words::default();
    let mut depth = 0_u32;
    for (line, number) in text.split('\n').zip(1_u64..) {
        if depth == 0 {
            open = Words { line: number, ..Words::default() };
            open.owner_omitted = line.starts_with([' ', '\t']);
        }
        open.size += line.len();
        lex(line, &mut open.words, &mut depth)
            .map_err(|message| ImportError::Syntax { line: number, message: message.to_owned() })?;
        if depth == 0 && !open.words.is_empty() {
            found.push(std::mem::take(&mut open));
        }
    }
    if depth > 0 {
        let message = "a parenthesis is not closed: the file is cut off; fetch it again".to_owned();
        return Err(ImportError::Syntax { line: open.line, message });
    }
    Ok(found)
}

fn lex(line: &str, words: &mut Vec<String>, depth: &mut u32) -> Result<(), &'static str> {
    let mut letters = line.chars();
    let mut word: Option<String> = None;
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\r' => words.extend(word.take()),
            ';' => break,
            '(' => {
                words.extend(word.take());
                *depth = depth.saturating_add(1);
            }
            ')' => {
                words.extend(word.take());
                *depth = depth.checked_sub(1).ok_or("a parenthesis is closed that was not open")?;
            }
            '"' => {
                let quoted = word.get_or_insert_default();
                loop {
                    match letters.next() {
                        Some('"') => break,
                        Some('\\') => {
                            quoted.push('\\');
                            quoted.extend(letters.next());
                        }
                        Some(other) => quoted.push(other),
                        None => return Err("a quotation is not closed"),
                    }
                }
            }
            '\\' => {
                let escaped = word.get_or_insert_default();
                escaped.push('\\');
                escaped.extend(letters.next());
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(())
}

/// "3600" or "1h30m".
fn is_ttl(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.bytes().all(|b| b.is_ascii_digit() || b"smhdwSMHDW".contains(&b))
}

fn is_class(word: &str) -> bool {
    ["IN", "CH", "HS"].iter().any(|class| word.eq_ignore_ascii_case(class))
}
