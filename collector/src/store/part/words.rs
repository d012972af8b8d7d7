//! Verdicts without the words that only their event has.
//!
//! A clause says what the event shows, which is mostly the rule's target or the time of the hit. Written
//! out, nearly every event would have a verdict of its own. Here such words become one character that
//! no clause begins with, and are put back when a verdict is read; whatever else a clause says stays as
//! it is. Nothing is lost: a test takes every word out and puts it back.

use register::{Span, target::kind_word, words::time};
use remit_proto::v1::{self, TargetKind};

/// "ip 192.0.2.7" of the event's own target.
const TARGET: &str = "\u{1}";
/// The time of the event.
const TIME: &str = "\u{2}";
/// A text that begins with one of the three begins with this as well.
const ITSELF: &str = "\u{3}";

/// What an event puts in the place of those characters.
pub(in crate::store) struct Words<'e> {
    target: Option<&'e v1::Target>,
    span: Span,
}

impl<'e> Words<'e> {
    pub(in crate::store) fn of(target: Option<&'e v1::Target>, span: Span) -> Self {
        Self { target, span }
    }

    fn is_target(&self, text: &str) -> bool {
        let Some(v1::Target { kind, value }) = self.target else { return false };
        let kind = kind_word(TargetKind::try_from(*kind).unwrap_or_default());
        text.strip_prefix(kind).and_then(|rest| rest.strip_prefix(' ')) == Some(value.as_str())
    }

    fn target(&self) -> String {
        self.target.map_or_else(String::new, |v1::Target { kind, value }| {
            format!("{} {value}", kind_word(TargetKind::try_from(*kind).unwrap_or_default()))
        })
    }

    fn time(&self) -> String {
        let Span { first_s, last_s, clock_error_s } = self.span;
        let mut text = time(first_s);
        if last_s != first_s {
            text = format!("{text} to {}", time(last_s));
        }
        if clock_error_s > 0 {
            text = format!("{text}, give or take {clock_error_s} s");
        }
        text
    }

    /// What is written in the place of a text: a character before it, and the text or nothing.
    fn short<'t>(&self, text: &'t str) -> (&'static str, &'t str) {
        if self.is_target(text) {
            (TARGET, "")
        } else if text.starts_with(|c: char| c.is_ascii_digit()) && text == self.time() {
            (TIME, "")
        } else if text.starts_with(['\u{1}', '\u{2}', '\u{3}']) {
            (ITSELF, text)
        } else {
            ("", text)
        }
    }

    fn long(&self, text: &mut String) {
        match text.as_str() {
            TARGET => *text = self.target(),
            TIME => *text = self.time(),
            other if other.starts_with(ITSELF) => drop(text.remove(0)),
            _ => {}
        }
    }

    /// The part of a verdict that other events may share. At what size it was asked is no part of it.
    pub(super) fn take_out(&self, verdict: &v1::Verdict) -> v1::Verdict {
        let mut shared = v1::Verdict { register_size: 0, ..verdict.clone() };
        for clause in clauses_mut(&mut shared) {
            for text in [&mut clause.request_says, &mut clause.event_shows] {
                let (before, rest) = self.short(text);
                *text = format!("{before}{rest}");
            }
        }
        shared
    }

    /// The same as bytes to look it up by, without making it.
    pub(super) fn key(&self, verdict: &v1::Verdict, key: &mut Vec<u8>) {
        write_key(verdict, key, |text| self.short(text));
    }

    pub(in crate::store) fn put_back(
        &self,
        mut shared: v1::Verdict,
        register_size: u64,
    ) -> v1::Verdict {
        shared.register_size = register_size;
        for clause in clauses_mut(&mut shared) {
            self.long(&mut clause.request_says);
            self.long(&mut clause.event_shows);
        }
        shared
    }
}

/// That of the verdict, and those of what else fails.
fn clauses_mut(verdict: &mut v1::Verdict) -> impl Iterator<Item = &mut v1::Clause> {
    let v1::Verdict { clause, besides, .. } = verdict;
    clause.iter_mut().chain(besides.iter_mut().filter_map(|failure| failure.clause.as_mut()))
}

/// The key of a verdict whose words were taken out.
pub(super) fn key_of_shared(shared: &v1::Verdict, key: &mut Vec<u8>) {
    write_key(shared, key, |text| ("", text));
}

fn write_key<'t>(
    verdict: &'t v1::Verdict,
    key: &mut Vec<u8>,
    short: impl Fn(&'t str) -> (&'static str, &'t str),
) {
    let v1::Verdict {
        code,
        undetermined,
        clause,
        added,
        basis_proof,
        registered_before_act,
        register_size: _,
        attributed,
        baseline_until_s,
        confirmed,
        considered,
        besides,
    } = verdict;
    for number in [code, undetermined, basis_proof, registered_before_act] {
        key.extend(number.to_be_bytes());
    }
    key.extend(baseline_until_s.to_be_bytes());
    key.extend(considered.to_be_bytes());
    for several in [added.len(), besides.len()] {
        key.extend((several as u64).to_be_bytes());
    }
    added.iter().for_each(|added| key.extend(added.to_be_bytes()));
    besides.iter().for_each(|failure| key.extend(failure.code.to_be_bytes()));
    for clause in clause.iter().chain(besides.iter().filter_map(|failure| failure.clause.as_ref()))
    {
        write_clause(clause, key, &short);
    }
    for part in [
        attributed.as_ref().map(prost::Message::encode_to_vec),
        confirmed.as_ref().map(prost::Message::encode_to_vec),
    ] {
        let part = part.unwrap_or_default();
        key.extend((part.len() as u64).to_be_bytes());
        key.extend(part);
    }
}

fn write_clause<'t>(
    clause: &'t v1::Clause,
    key: &mut Vec<u8>,
    short: impl Fn(&'t str) -> (&'static str, &'t str),
) {
    let v1::Clause { dimension, request_id, request_says, event_shows, time_zone } = clause;
    let texts =
        [("", request_id.as_str()), short(request_says), short(event_shows), ("", time_zone)];
    for (before, rest) in texts {
        key.extend((before.len().saturating_add(rest.len()) as u64).to_be_bytes());
        key.extend(before.as_bytes());
        key.extend(rest.as_bytes());
    }
    key.extend(dimension.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(says: &str, shows: &str) -> v1::Verdict {
        let clause = v1::Clause {
            request_id: "req-7".into(),
            request_says: says.into(),
            event_shows: shows.into(),
            ..v1::Clause::default()
        };
        let besides = vec![v1::Failure { code: 9, clause: Some(clause.clone()) }];
        v1::Verdict { clause: Some(clause), besides, register_size: 9, ..v1::Verdict::default() }
    }

    fn address(value: &str) -> v1::Target {
        v1::Target { kind: TargetKind::Ip.into(), value: value.into() }
    }

    fn words(target: &v1::Target, last_s: i64) -> Words<'_> {
        Words::of(Some(target), Span { first_s: 0, last_s, clock_error_s: 300 })
    }

    #[test]
    fn events_that_come_out_alike_share_a_verdict() {
        let (seven, eight) = (address("192.0.2.7"), address("192.0.2.8"));
        let one = words(&seven, 5).take_out(&verdict("ip 192.0.2.7", "ip 192.0.2.7"));
        let other = words(&eight, 5).take_out(&verdict("ip 192.0.2.8", "ip 192.0.2.8"));
        assert_eq!(one, other);
        let time = "1970-01-01T00:00:00Z to 1970-01-01T00:00:05Z, give or take 300 s";
        let late = words(&seven, 5).take_out(&verdict("until then", time));
        assert_eq!(late.clause.unwrap().event_shows, TIME);
    }

    #[test]
    fn every_word_comes_back() {
        for (says, shows) in [
            ("ip 192.0.2.7", "ip 192.0.2.7"),
            ("cidr 192.0.2.0/24", "ip 192.0.2.7"),
            ("from 1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z, give or take 300 s"),
            ("", "no claim"),
            ("\u{1}", "\u{3}\u{2}"),
        ] {
            let seven = address("192.0.2.7");
            let words = words(&seven, 0);
            let whole = verdict(says, shows);
            let shared = words.take_out(&whole);
            let (mut asked, mut stored) = (Vec::new(), Vec::new());
            words.key(&whole, &mut asked);
            key_of_shared(&shared, &mut stored);
            assert_eq!(asked, stored, "it is found again");
            assert_eq!(words.put_back(shared, 9), whole);
        }
    }

    #[test]
    fn without_a_target_none_is_put_in() {
        let words = Words::of(None, Span { first_s: 0, last_s: 0, clock_error_s: 0 });
        let whole = verdict("", "erased");
        assert_eq!(words.put_back(words.take_out(&whole), 9), whole);
    }
}
