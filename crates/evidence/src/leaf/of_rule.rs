//! The leaves that speak of one rule, `Activity` and `RuleChange`: they come in numbers, so both checks
//! are made where the bytes lie.
//!
//! Making them into values costs a collector more than hashing them, and to take a batch it needs
//! nothing of them but that they are well formed and what they commit to. A field that is new in
//! `leaf.proto` is refused here until it is read here; the cases of `tests/bytes` name each of them.

use remit_proto::v1;

use super::{
    ACTIVITY_HIT_TARGET, ACTIVITY_RULE_TARGET, RULE_CHANGE_NATIVE, RULE_CHANGE_TARGET, span,
};
use crate::{
    ENTRY_SIZE_MAX,
    canonical::{Malformed, digest, digest_or_none, known, require, short_text, time},
    claim,
    wire::{Fields, Value, only_field},
};

/// The commitments of such a leaf, by field number.
#[derive(Debug)]
pub(crate) struct OfRule<'a>([(u32, &'a [u8]); 2]);

impl<'a> OfRule<'a> {
    /// `None`: a leaf of another kind.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Result<Self, Malformed>> {
        // Leaf.activity is field 4, Leaf.rule_change field 5; both length-delimited.
        let read = match bytes.first()? {
            0x22 => read_activity,
            0x2a => read_rule_change,
            _ => return None,
        };
        let size = bytes.len();
        if size > ENTRY_SIZE_MAX {
            return Some(Err(Malformed::TooLarge { size, size_max: ENTRY_SIZE_MAX }));
        }
        Some(only_field(bytes).and_then(|(_, body)| read(body.message()?)))
    }

    pub(crate) fn commits_to(&self, field: u32, commitment: &tlog::Hash) -> bool {
        self.0.iter().any(|(f, c)| *f == field && *c == commitment.0.as_slice())
    }
}

fn read_activity(bytes: &[u8]) -> Result<OfRule<'_>, Malformed> {
    let (mut rule, mut response, mut imported) = (None, None, None);
    let (mut rule_target, mut hit_target): (&[u8], &[u8]) = (&[], &[]);
    let (mut hits, mut window_s, mut other_candidates) = (0, 0, 0);
    let (mut window_start_s, mut first_s, mut last_s) = (0, 0, 0);
    let mut fields = Fields::of(bytes, &[]);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => rule = Some(value.message()?),
            2 => response = Some(value.message()?),
            3 => rule_target = value.bytes()?,
            4 => hit_target = value.bytes()?,
            5 => hits = value.uint64()?,
            6 => window_start_s = value.int64()?,
            7 => window_s = value.uint32()?,
            8 => first_s = value.int64()?,
            9 => last_s = value.int64()?,
            10 => value.set_flag()?, // detail_reduced
            11 => other_candidates = value.packed(u64::MAX)?,
            12 => imported = Some(value.message()?),
            _ => return Err(Malformed::NotCanonical),
        }
    }
    check_rule(rule.ok_or(Malformed::Missing { field: "rule" })?)?;
    check_response(response.ok_or(Malformed::Missing { field: "response" })?)?;
    digest(rule_target, "rule_target")?;
    digest_or_none(hit_target, "hit_target")?;
    require(hits > 0, "hits", "above 0")?;
    require(window_s <= 86_400, "window_s", "at most 86400")?;
    span(first_s, last_s)?;
    time(window_start_s, "window_start_s")?;
    let length = i64::from(window_s.max(1));
    require(window_start_s % length == 0, "window_start_s", "aligned to its length in UTC")?;
    require(
        window_start_s <= first_s && last_s < window_start_s + length,
        "first_s",
        "first and last inside the window",
    )?;
    require(other_candidates <= 256, "other_candidates", "at most 256")?;
    imported.map_or(Ok(()), check_imported)?;
    Ok(OfRule([(ACTIVITY_RULE_TARGET, rule_target), (ACTIVITY_HIT_TARGET, hit_target)]))
}

fn read_rule_change(bytes: &[u8]) -> Result<OfRule<'_>, Malformed> {
    let (mut kind, mut at_s, mut rule, mut changed_by) = (0, 0, None, "");
    let (mut rule_target, mut native): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields::of(bytes, &[]);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => kind = value.enumeration()?,
            2 => at_s = value.int64()?,
            3 => rule = Some(value.message()?),
            4 => rule_target = value.bytes()?,
            5 => native = value.bytes()?,
            6 => changed_by = value.text()?,
            7 => drop(value.uint64()?), // source_generation
            _ => return Err(Malformed::NotCanonical),
        }
    }
    known::<v1::RuleChangeKind>(kind, "kind")?;
    time(at_s, "at_s")?;
    check_rule(rule.ok_or(Malformed::Missing { field: "rule" })?)?;
    digest(rule_target, "rule_target")?;
    digest_or_none(native, "native")?;
    short_text(changed_by, 64, "changed_by")?;
    Ok(OfRule([(RULE_CHANGE_TARGET, rule_target), (RULE_CHANGE_NATIVE, native)]))
}

fn check_rule(rule: &[u8]) -> Result<(), Malformed> {
    let (mut own_number, mut source, mut technique, mut trigger) = (0, 0, 0, 0);
    let (mut direction, mut actor, mut claim_origin) = (0, 0, 0);
    let (mut claims, mut rate_bits_per_s) = (0, 0);
    let mut fields = Fields::of(rule, &[7]);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => own_number = value.uint64()?,
            2 => source = value.enumeration()?,
            3 => technique = value.enumeration()?,
            4 => trigger = value.enumeration()?,
            5 => direction = value.enumeration()?,
            6 => actor = value.enumeration()?,
            7 => {
                check_claim(value.message()?)?;
                claims += 1;
            }
            8 => claim_origin = value.enumeration()?,
            9..=11 => value.set_flag()?, // narrowed, counted, names_sampled
            12 => rate_bits_per_s = value.uint64()?,
            _ => return Err(Malformed::NotCanonical),
        }
    }
    require(own_number > 0, "rule.number", "above 0")?;
    known::<v1::SourceKind>(source, "rule.source")?;
    let technique = known::<v1::Technique>(technique, "rule.technique")?;
    let throttle = technique == v1::Technique::Throttle;
    require(throttle || rate_bits_per_s == 0, "rule.rate_bits_per_s", "0 unless it is a throttle")?;
    known::<v1::Trigger>(trigger, "rule.trigger")?;
    known::<v1::Direction>(direction, "rule.direction")?;
    known::<v1::Actor>(actor, "rule.actor")?;
    let origin = known::<v1::ClaimOrigin>(claim_origin, "rule.claim_origin")?;
    require(
        (claims == 0) == (origin == v1::ClaimOrigin::None),
        "rule.claim_origin",
        "none exactly if there is no claim",
    )?;
    claim::check_count(claims)
}

fn check_claim(bytes: &[u8]) -> Result<(), Malformed> {
    let (number, value) = only_field(bytes)?;
    match number {
        0 => Err(Malformed::Missing { field: "claim" }),
        1 => claim::check_id(value.text_in_oneof()?, "claim.request_id"),
        2 => {
            let (mut list_id, mut version) = ("", "");
            let mut fields = Fields::of(value.message()?, &[]);
            while let Some((number, value)) = fields.next()? {
                match number {
                    1 => list_id = value.text()?,
                    2 => version = value.text()?,
                    _ => return Err(Malformed::NotCanonical),
                }
            }
            claim::check_id(list_id, "claim.list.list_id")?;
            claim::check_id(version, "claim.list.version")
        }
        3 => known::<v1::BasisClass>(value.enumeration_in_oneof()?, "basis_class").map(drop),
        _ => Err(Malformed::NotCanonical),
    }
}

fn check_response(bytes: &[u8]) -> Result<(), Malformed> {
    let (number, value) = only_field(bytes)?;
    match number {
        0 => Err(Malformed::Missing { field: "response" }),
        1 => {
            let (mut rcode, mut extended_errors) = (0, 0);
            let mut fields = Fields::of(value.message()?, &[]);
            while let Some((number, value)) = fields.next()? {
                match number {
                    1 => rcode = value.uint32()?,
                    2 => extended_errors = value.packed(u32::MAX.into())?,
                    _ => return Err(Malformed::NotCanonical),
                }
            }
            require(rcode <= 0xffff, "response.dns.rcode", "at most 65535")?;
            require(extended_errors <= 16, "response.dns.extended_errors", "at most 16")
        }
        2 => {
            let mut status = 0;
            let mut fields = Fields::of(value.message()?, &[]);
            while let Some((number, value)) = fields.next()? {
                match number {
                    1 => status = value.uint32()?,
                    2 => value.set_flag()?, // blocked_by
                    _ => return Err(Malformed::NotCanonical),
                }
            }
            require((100..=599).contains(&status), "response.http.status", "100 to 599")
        }
        3 => short_text(value.text_in_oneof()?, 32, "response.reject"),
        4 => match value {
            Value::Number(0) => require(false, "response.silent", "true"),
            _ => value.set_flag(),
        },
        _ => Err(Malformed::NotCanonical),
    }
}

fn check_imported(bytes: &[u8]) -> Result<(), Malformed> {
    let (mut file_digest, mut year_assumed): (&[u8], _) = (&[], 0);
    let mut fields = Fields::of(bytes, &[]);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => file_digest = value.bytes()?,
            2 => year_assumed = value.uint32()?,
            _ => return Err(Malformed::NotCanonical),
        }
    }
    digest(file_digest, "imported.file_digest")?;
    require(year_assumed <= 9999, "imported.year_assumed", "a year, or 0")
}
