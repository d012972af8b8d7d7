//! Words of a zone master file (RFC 1035 section 5.1): one record at a time, whatever the file
//! holds, in memory bounded by one record.

use std::io::{self, BufRead, Read};

/// A longer line or record is not understood; the longest record that DNS can carry is 64 KiB.
const RECORD_SIZE_MAX: usize = 128 * 1024;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The line began with a blank: the owner is the one of the record before.
    pub owner_omitted: bool,
    /// Escapes are kept; quotes are not.
    pub words: Vec<Vec<u8>>,
    /// Text of all comments of the record.
    pub comment: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lexed {
    Record(Record),
    /// A quote or a parenthesis that is not closed, or more than fits into memory.
    NotUnderstood,
    End,
}

pub(super) struct Lexer<R> {
    input: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lexer<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: Vec::new() }
    }

    pub(super) fn next_record(&mut self) -> io::Result<Lexed> {
        let mut record = Record::default();
        let mut depth = 0u32;
        let mut size = 0;
        let mut broken = false;
        loop {
            let whole = self.read_line()?;
            if self.line.is_empty() {
                return Ok(if depth > 0 || broken { Lexed::NotUnderstood } else { Lexed::End });
            }
            size += self.line.len();
            if record.words.is_empty() && depth == 0 {
                record.owner_omitted = matches!(self.line.first(), Some(b' ' | b'\t'));
            }
            broken |= !whole || size > RECORD_SIZE_MAX || !lex(&self.line, &mut record, &mut depth);
            if broken {
                return Ok(Lexed::NotUnderstood);
            }
            if depth == 0 {
                if !record.words.is_empty() {
                    return Ok(Lexed::Record(record));
                }
                record.comment.clear();
                size = 0;
            }
        }
    }

    /// The next line with its end; false if it was longer than we keep.
    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        let limit = RECORD_SIZE_MAX as u64;
        (&mut self.input).take(limit).read_until(b'\n', &mut self.line)?;
        if self.line.len() < RECORD_SIZE_MAX || self.line.ends_with(b"\n") {
            return Ok(true);
        }
        let mut rest = Vec::new();
        loop {
            rest.clear();
            (&mut self.input).take(limit).read_until(b'\n', &mut rest)?;
            if rest.is_empty() || rest.ends_with(b"\n") {
                return Ok(false);
            }
        }
    }
}

/// Adds the words of one line; false if the line cannot be understood.
fn lex(line: &[u8], record: &mut Record, depth: &mut u32) -> bool {
    let mut bytes = line.iter().copied();
    let mut word: Option<Vec<u8>> = None;
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => record.words.extend(word.take()),
            b';' => {
                record.words.extend(word.take());
                record.comment.push(b' ');
                record.comment.extend(bytes.by_ref());
            }
            b'(' => {
                record.words.extend(word.take());
                *depth += 1;
            }
            b')' => {
                record.words.extend(word.take());
                let Some(less) = depth.checked_sub(1) else { return false };
                *depth = less;
            }
            b'"' => {
                let quoted = word.get_or_insert_default();
                loop {
                    match bytes.next() {
                        Some(b'"') => break,
                        Some(b'\\') => {
                            quoted.push(b'\\');
                            quoted.extend(bytes.next());
                        }
                        Some(other) => quoted.push(other),
                        None => return false,
                    }
                }
            }
            b'\\' => {
                let escaped = word.get_or_insert_default();
                escaped.push(b'\\');
                escaped.extend(bytes.next());
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    record.words.extend(word);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        let mut lexer = Lexer::new(text.as_bytes());
        let mut shown = Vec::new();
        loop {
            match lexer.next_record().expect("memory does not fail") {
                Lexed::Record(r) => {
                    let words: Vec<_> =
                        r.words.iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect();
                    let blank = if r.owner_omitted { "_ " } else { "" };
                    shown.push(format!("{blank}{}", words.join(" ")));
                }
                Lexed::NotUnderstood => shown.push("?".to_owned()),
                Lexed::End => break,
            }
        }
        assert_eq!(shown.join(" | "), want, "{text:?}");
    }

    #[test]
    fn comments_quotes_and_parentheses() {
        check(
            "a CNAME . ; remit=x\n; whole line\n\n\tTXT \"a;b (c\"\n",
            "a CNAME . | _ TXT a;b (c",
        );
        check("@ SOA a b ( 1 ; serial\n 2\n3 )\nb A 192.0.2.1", "@ SOA a b 1 2 3 | b A 192.0.2.1");
        check("a\\;b CNAME .", "a\\;b CNAME .");
    }

    #[test]
    fn what_is_not_closed_is_not_understood() {
        check("a TXT \"open\nb CNAME .\n", "? | b CNAME .");
        check("a ( b\nc", "?");
        check("a ) b\nc CNAME .", "? | c CNAME .");
        check(&format!("a TXT {}\nb CNAME .", "x".repeat(3 * RECORD_SIZE_MAX)), "? | b CNAME .");
    }
}
