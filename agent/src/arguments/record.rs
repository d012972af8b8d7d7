//! The words after `record`.

use remit_agent::{
    record::RecordOrder,
    sources::{
        person::{
            SOCKET,
            wire::{End, Record, Word},
        },
        stamp::{self, Stamp},
    },
};
use remit_proto::v1::ServiceActionKind;

use super::{Instead, missing, mistake, text, words::Words};

pub(super) fn take(words: &mut Words) -> Result<RecordOrder, Instead> {
    let socket = words.value("--socket")?.map_or_else(|| SOCKET.into(), Into::into);
    let what = words.command()?.ok_or_else(|| missing("what to record"))?;
    let (word, reads_line) = match what.as_str() {
        "shutdown" => (new(words, ServiceActionKind::Shutdown)?, false),
        "throttle" => (new(words, ServiceActionKind::Throttle)?, false),
        "line-suspension" => (new(words, ServiceActionKind::LineSuspension)?, true),
        "confirm" => (Word::Confirm(number(words)?), false),
        "end" => {
            let until_s = time(words, "--at")?;
            (Word::End(End { number: number(words)?, until_s }), false)
        }
        "list" => (Word::List(true), false),
        "token" => (Word::Token(String::new()), true),
        other => {
            return Err(mistake(format!(
                "record: no `{other}`: there are shutdown, throttle, line-suspension, confirm, end, list, \
                 token"
            )));
        }
    };
    Ok(RecordOrder { socket, word, reads_line })
}

fn new(words: &mut Words, kind: ServiceActionKind) -> Result<Word, Instead> {
    let line = kind == ServiceActionKind::LineSuspension;
    let target = if line { String::new() } else { words.text("--target")? };
    let rate = match kind {
        ServiceActionKind::Throttle => words.number("--rate")?.unwrap_or(0),
        _ => 0,
    };
    // That nothing is claimed is said, and not left out.
    let claims = words.text("--claim")?;
    let claims = match claims.as_str() {
        "none" => Vec::new(),
        claims => claims.split(',').map(str::to_owned).collect(),
    };
    Ok(Word::Record(Record {
        kind: kind.into(),
        target,
        line: String::new(),
        from_s: time(words, "--from")?,
        until_s: time(words, "--until")?,
        rate_bits_per_s: rate,
        claims,
    }))
}

/// 0: not said.
fn time(words: &mut Words, option: &str) -> Result<i64, Instead> {
    let Some(word) = words.value(option)? else { return Ok(0) };
    match stamp::parse(&text(option, word)?) {
        Some(Stamp::Absolute(at_s)) if at_s > 0 => Ok(at_s),
        _ => Err(mistake(format!("{option} wants a time such as 2026-11-29T05:00:00Z"))),
    }
}

fn number(words: &mut Words) -> Result<u64, Instead> {
    let word = text("record", words.free("the number of a deed")?)?;
    let digits = word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = digits.then(|| u64::from_str_radix(&word, 16).ok()).flatten();
    number.ok_or_else(|| mistake("a deed has 16 hex digits; `remit-agent record list` shows them"))
}
