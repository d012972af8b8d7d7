//! What an answer says of why it is as it is: the status, extended errors (RFC 8914), and the explanation that
//! Knot Resolver's `policy.DENY_MSG` adds: a TXT record of `explanation.invalid.` in the additional section.
//!
//! In: a `Dnstap` message (dnstap.proto) of which only the time and the answer's bytes are read; it has no
//! field here for the client's address and port. Out: [`Answer`], for answers with a question.

use prost::Message as _;

use crate::sources::rpz::{action::Done, owner::Owner};

#[derive(Clone, PartialEq, prost::Message)]
struct PbDnstap {
    #[prost(message, optional, tag = "14")]
    message: Option<PbMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PbMessage {
    /// 6 is CLIENT_RESPONSE.
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint64, tag = "12")]
    response_time_s: u64,
    #[prost(bytes = "vec", tag = "14")]
    response: Vec<u8>,
}

const CLIENT_RESPONSE: i32 = 6;
const EXPLANATION: &str = "explanation.invalid";
const TXT: u16 = 16;
const OPT: u16 = 41;
/// RFC 8914
const OPTION_EXTENDED_ERROR: u16 = 15;
/// Blocked, Censored, Filtered: whoever sends these says that it was a block. Not Forged Answer (4), which Knot
/// also sends for its own special names, nor Prohibited (18), which says that the client may not ask.
const BLOCKED: [u16; 3] = [15, 16, 17];
/// An answer has few; a hostile one shall not make us work.
const RECORDS_MAX: usize = 4096;

/// An answer to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub at_s: i64,
    pub rcode: u16,
    /// As `Owner::QueryName` has it: lower case, without its last dot.
    pub asked: Box<str>,
    pub extended_errors: Vec<u16>,
    pub explanation: Option<String>,
    has_data: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Something else than an answer to a client.
    NotOurs,
    NotUnderstood,
    Answer(Answer),
}

impl Answer {
    pub fn is_block(&self) -> bool {
        self.extended_errors.iter().any(|code| BLOCKED.contains(code))
    }

    pub fn done(&self) -> Done {
        match (self.rcode, self.has_data) {
            (3, _) => Done::Nxdomain,
            (0, false) => Done::Nodata,
            _ => Done::LocalData,
        }
    }
}

pub fn read(frame: &[u8]) -> Read {
    let Ok(PbDnstap { message }) = PbDnstap::decode(frame) else { return Read::NotUnderstood };
    let Some(PbMessage { kind: CLIENT_RESPONSE, response_time_s, response }) = message else {
        return Read::NotOurs;
    };
    let at_s = i64::try_from(response_time_s).ok();
    at_s.and_then(|at_s| parse(&response, at_s)).map_or(Read::NotUnderstood, Read::Answer)
}

/// RFC 1035, section 4.
fn parse(bytes: &[u8], at_s: i64) -> Option<Answer> {
    let word = |at: usize| bytes.get(at..at + 2)?.first_chunk().map(|b| u16::from_be_bytes(*b));
    let (flags, questions, answers) = (word(2)?, word(4)?, word(6)?);
    let records = usize::from(answers) + usize::from(word(8)?) + usize::from(word(10)?);
    if questions != 1 || records > RECORDS_MAX {
        return None;
    }
    let (labels, mut at) = name(bytes, 12)?;
    let Owner::QueryName(asked) = Owner::of_name(&labels) else { return None };
    at += 4;
    let mut answer = Answer {
        at_s,
        rcode: flags & 15,
        asked,
        extended_errors: Vec::new(),
        explanation: None,
        has_data: answers > 0,
    };
    for _ in 0..records {
        let (owner, fixed) = name(bytes, at)?;
        let (kind, size) = (word(fixed)?, usize::from(word(fixed + 8)?));
        let data = bytes.get(fixed + 10..fixed + 10 + size)?;
        match kind {
            OPT => {
                // The upper bits of the status stand in the time to live.
                answer.rcode |= u16::from(*bytes.get(fixed + 4)?) << 4;
                answer.extended_errors = extended_errors(data)?;
            }
            TXT if Owner::of_name(&owner) == Owner::QueryName(EXPLANATION.into()) => {
                answer.explanation = Some(text(data)?);
            }
            _ => {}
        }
        at = fixed + 10 + size;
    }
    Some(answer)
}

/// The labels of the name at `at`, and where what follows it begins. A pointer leads backwards only, so it
/// comes to an end.
fn name(bytes: &[u8], at: usize) -> Option<(Vec<&[u8]>, usize)> {
    let mut labels = Vec::new();
    let (mut position, mut behind, mut limit) = (at, None, at);
    loop {
        match *bytes.get(position)? {
            0 => return Some((labels, behind.unwrap_or(position + 1))),
            size @ 1..=63 => {
                let size = usize::from(size);
                labels.push(bytes.get(position + 1..position + 1 + size)?);
                position += 1 + size;
                if labels.len() > 127 {
                    return None;
                }
            }
            size @ 192.. => {
                let low = *bytes.get(position + 1)?;
                let target = usize::from(size & 63) << 8 | usize::from(low);
                behind.get_or_insert(position + 2);
                if target >= limit {
                    return None;
                }
                (position, limit) = (target, target);
            }
            _ => return None,
        }
    }
}

fn extended_errors(mut options: &[u8]) -> Option<Vec<u16>> {
    let mut codes = Vec::new();
    while let Some((head, rest)) = options.split_first_chunk::<4>() {
        let [a, b, c, d] = *head;
        let (data, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([c, d])))?;
        if u16::from_be_bytes([a, b]) == OPTION_EXTENDED_ERROR {
            let code = u16::from_be_bytes(*data.first_chunk()?);
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        options = rest;
    }
    options.is_empty().then_some(codes)
}

/// The strings of a TXT record, one behind the other.
fn text(mut data: &[u8]) -> Option<String> {
    let mut text = Vec::new();
    while let Some((size, rest)) = data.split_first() {
        let (part, rest) = rest.split_at_checked(usize::from(*size))?;
        text.extend(part);
        data = rest;
    }
    let text = String::from_utf8(text).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire_name(name: &str) -> Vec<u8> {
        let mut wire = Vec::new();
        for label in name.split('.') {
            wire.push(u8::try_from(label.len()).expect("short"));
            wire.extend(label.as_bytes());
        }
        wire.push(0);
        wire
    }

    /// An answer as Knot sends it, with what names the client.
    pub(in super::super) fn told(
        asked: &str,
        rcode: u8,
        explanation: Option<&str>,
        code: Option<u16>,
    ) -> Vec<u8> {
        let additional = u8::from(explanation.is_some()) + 1;
        let mut response = vec![0xb8, 0x4d, 0x85, 0x80 | rcode, 0, 1, 0, 0, 0, 1, 0, additional];
        response.extend(wire_name(asked));
        response.extend([0, 1, 0, 1]);
        // SOA of the name itself, by a pointer.
        response.extend([0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12]);
        if let Some(explanation) = explanation {
            response.extend(wire_name("explanation.invalid"));
            let size = u8::try_from(explanation.len()).expect("short");
            response.extend([0, 16, 0, 1, 0, 0, 0, 9, 0, size + 1, size]);
            response.extend(explanation.as_bytes());
        }
        response.extend([0, 0, 41, 4, 208, 0, 0, 0, 0]);
        match code {
            Some(code) => {
                response.extend([0, 10, 0, 15, 0, 6]);
                response.extend(code.to_be_bytes());
                response.extend(b"CR36");
            }
            None => response.extend([0, 0]),
        }
        let message = PbMessage { kind: 6, response_time_s: 1_795_493_878, response };
        let mut message = message.encode_to_vec();
        // query_address and query_port
        message.extend([4 << 3 | 2, 4, 100, 64, 0, 5, 6 << 3, 0xcc, 0x9c, 2]);
        let mut all = vec![1 << 3 | 2, 2, b'k', b'r', 14 << 3 | 2];
        let size = message.len();
        all.extend([
            u8::try_from(size & 127).expect("7 bits") | 128,
            u8::try_from(size >> 7).expect("short"),
        ]);
        all.extend(message);
        all.extend([15 << 3, 1]);
        all
    }

    #[test]
    fn an_answer_is_read_and_the_client_is_not() {
        let Read::Answer(answer) = read(&told("NX.example", 3, Some("remit=de/42"), Some(15)))
        else {
            panic!("not read")
        };
        assert!(answer.is_block());
        assert_eq!(
            (&*answer.asked, answer.rcode, answer.done()),
            ("nx.example", 3, Done::Nxdomain)
        );
        assert_eq!(answer.explanation.as_deref(), Some("remit=de/42"));
        assert_eq!((answer.extended_errors.as_slice(), answer.at_s), (&[15][..], 1_795_493_878));
        let shown = format!("{answer:?}");
        assert!(!shown.contains("100") && !shown.contains("64"), "{shown}");
    }

    #[test]
    fn what_does_not_say_that_it_is_a_block_is_none() {
        for code in [None, Some(4), Some(18)] {
            let Read::Answer(answer) = read(&told("a", 3, None, code)) else { panic!("not read") };
            assert!(!answer.is_block(), "{code:?}");
        }
        for code in BLOCKED {
            let Read::Answer(answer) = read(&told("a", 0, None, Some(code))) else {
                panic!("not read")
            };
            assert!(answer.is_block() && answer.done() == Done::Nodata);
        }
        assert_eq!(read(&[0xff; 9]), Read::NotUnderstood);
        assert_eq!(read(&[]), Read::NotOurs);
        assert_eq!(read(&[14 << 3 | 2, 2, 8, 6]), Read::NotUnderstood, "an answer without bytes");
    }

    #[test]
    fn pointers_come_to_an_end() {
        let head = [0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for question in [&[0xc0, 12][..], &[0xc0, 14, 0xc0, 12], &[1, b'a', 0xc0, 12]] {
            let bytes = [&head, question, &[0, 1, 0, 1]].concat();
            assert_eq!(parse(&bytes, 0), None);
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            let _ = read(&bytes);
            let _ = parse(&bytes, 0);
            let _ = text(&bytes);
            let _ = extended_errors(&bytes);
        }

        #[test]
        fn every_changed_byte_is_read_or_refused(at in 0usize..140, to: u8) {
            let mut bytes = told("a.example", 3, Some("remit=de/42"), Some(15));
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
            let _ = read(&bytes);
        }
    }
}
