//! An order, read once: what of it is wrong is said, and nothing is guessed.

use evidence::{Claim, claim::CLAIMS_MAX};
use remit_proto::v1::{self, ServiceActionKind, TargetKind};

use super::wire::{End, Order, Record, Word};
use crate::{
    observation::{NewDeed, PersonWord},
    privacy::Privacy,
    sources::jsonl::target,
};

/// What is to be done.
#[derive(Debug)]
pub(super) enum Wanted {
    /// The recorder does it.
    Recorder(PersonWord),
    /// The token of a line.
    Token(v1::Target),
}

/// `Err`: what is wanted instead.
pub(super) fn read(order: Order, now_s: i64, privacy: &Privacy) -> Result<Wanted, String> {
    let now_if_0 = |at_s: i64| if at_s == 0 { now_s } else { at_s };
    let Order { word } = order;
    let word = match word.ok_or("an order of another version: use the agent's own remit-agent")? {
        Word::Record(record) => {
            let deed = new_deed(record, privacy)?;
            PersonWord::Recorded(NewDeed { from_s: now_if_0(deed.from_s), ..deed })
        }
        Word::Confirm(number) => PersonWord::Confirmed { number },
        Word::End(End { number, until_s }) => {
            PersonWord::Ended { number, until_s: now_if_0(until_s) }
        }
        Word::List(_) => PersonWord::List,
        Word::Token(line) => return Ok(Wanted::Token(line_token(&line, privacy)?)),
    };
    Ok(Wanted::Recorder(word))
}

fn new_deed(record: Record, privacy: &Privacy) -> Result<NewDeed, String> {
    let kind = record.kind();
    let Record { kind: _, target, line, from_s, until_s, rate_bits_per_s, claims } = record;
    let target = match kind {
        ServiceActionKind::Unspecified => {
            return Err("want shutdown, throttle or line-suspension".into());
        }
        ServiceActionKind::LineSuspension => line_token(&line, privacy)?,
        ServiceActionKind::Shutdown | ServiceActionKind::Throttle => named(&target, privacy)?,
    };
    if kind != ServiceActionKind::Throttle && rate_bits_per_s > 0 {
        return Err("a rate is what a throttle leaves".into());
    }
    if claims.len() > CLAIMS_MAX {
        return Err(format!("at most {CLAIMS_MAX} claims"));
    }
    let claims = claims
        .iter()
        .map(|text| text.parse::<Claim>().map_err(|error| format!("{text:?}: {error}")))
        .collect::<Result<_, _>>()?;
    Ok(NewDeed { kind, target, from_s, until_s, rate_bits_per_s, claims })
}

/// In the canonical text of its kind; a customer's address becomes a token.
fn named(text: &str, privacy: &Privacy) -> Result<v1::Target, String> {
    let target = target::parse(text).map_err(|wanted| format!("target {text:?} {wanted}"))?;
    let good = match target.kind() {
        TargetKind::NotUnderstood => false,
        TargetKind::AsnRoute => target
            .value
            .strip_prefix("AS")
            .is_some_and(|digits| digits.parse::<u32>().is_ok_and(|asn| asn.to_string() == digits)),
        _ => target.value.trim() == target.value && target.value.len() <= TEXT_MAX,
    };
    if !good {
        return Err(format!(
            "target {text:?} must be <kind>:<value> in its canonical text, such as \
             cell_area:berlin-mitte, asn_route:AS64500, protocol_app:quic or whole_service:*"
        ));
    }
    let (target, _) = target::without_customers(&target, privacy);
    Ok(target)
}

fn line_token(line: &str, privacy: &Privacy) -> Result<v1::Target, String> {
    match line.trim() {
        "" => Err("say on standard input which line".into()),
        line if line.len() > TEXT_MAX || line.contains(char::is_control) => {
            Err("a line's identifier is one line of text".into())
        }
        line => Ok(privacy.token_line(line)),
    }
}

/// Longer texts are a mistake.
const TEXT_MAX: usize = 1024;
