//! Words into leaves: how each kind of leaf is made, with its commitments and their openings.
//!
//! A leaf that breaks the value check would be refused by every collector for ever. So what a
//! source might get wrong is put right here, by the honest value ("unknown", "other"), and never
//! by leaving a leaf out.

use evidence::{
    claim::CLAIMS_MAX,
    commitment::{self, Salt},
    leaf::{
        self, ACTIVITY_HIT_TARGET, ACTIVITY_RULE_TARGET, RULE_CHANGE_NATIVE, RULE_CHANGE_TARGET,
    },
};
use prost::Message as _;
use remit_proto::v1::{self, SourceKind, leaf::Body};

use super::{RecorderError, rules::Change, windows::Window};
use crate::{
    clock::in_range,
    observation::{Hit, Import, KnownRule, Response, RuleNumber, RuleState},
};

/// Leaf bytes, and the openings that travel beside them.
pub(super) type Made = (Vec<u8>, Vec<v1::Opening>);

/// What every hit of a rule repeats, encoded once.
#[derive(Debug)]
pub(super) struct EncodedRule {
    pub(super) rule: Vec<u8>,
    pub(super) wire_target: v1::Target,
    target: Vec<u8>,
}

impl EncodedRule {
    pub(super) fn new(rule: &KnownRule, source: SourceKind) -> Self {
        let wire_target = target(&rule.target);
        let target = wire_target.encode_to_vec();
        Self { rule: wire_rule(rule, source).encode_to_vec(), wire_target, target }
    }
}

/// Random salts, drawn from the system some hundred at a time.
#[derive(Debug, Default)]
pub(super) struct Salts {
    drawn: Vec<u8>,
}

impl Salts {
    pub(super) fn next(&mut self) -> Result<Salt, RecorderError> {
        if self.drawn.len() < SALT_SIZE {
            self.drawn.resize(SALTS_AT_ONCE * SALT_SIZE, 0);
            getrandom::fill(&mut self.drawn).map_err(|_| RecorderError::Random)?;
        }
        let mut salt = [0; SALT_SIZE];
        let from = self.drawn.len() - SALT_SIZE;
        salt.copy_from_slice(self.drawn.get(from..).ok_or(RecorderError::Random)?);
        self.drawn.truncate(from);
        Ok(Salt(salt))
    }
}

/// One leaf for one hit.
pub(super) fn individual(
    rule: &EncodedRule,
    hit: &Hit,
    import: Option<&Import>,
    salts: &mut Salts,
) -> Result<Made, RecorderError> {
    let at_s = in_range(hit.at_s);
    let (rule_target, opening) =
        commitment::make(ACTIVITY_RULE_TARGET, salts.next()?, rule.target.clone());
    let mut openings = vec![opening];
    let hit_target = match &hit.hit_target {
        Some(hit_target) => {
            let value = target(hit_target).encode_to_vec();
            let (hash, opening) = commitment::make(ACTIVITY_HIT_TARGET, salts.next()?, value);
            openings.push(opening);
            hash
        }
        None => Vec::new(),
    };
    let rest = v1::Activity {
        rule: None,
        response: Some(response(&hit.response)),
        rule_target,
        hit_target,
        hits: hit.count,
        window_start_s: at_s,
        window_s: 0,
        first_s: at_s,
        last_s: at_s,
        detail_reduced: false,
        other_candidates: candidates(&hit.other_candidates),
        imported: provenance(import),
    };
    Ok((activity(&rule.rule, &rest), openings))
}

/// The leaf of a window that has ended.
pub(super) fn window(window: &Window, salts: &mut Salts) -> Result<Made, RecorderError> {
    let state = &window.state;
    let mut openings = Vec::with_capacity(2);
    let mut commit = |field, of: &Option<v1::Target>| match of {
        Some(target) => {
            let (hash, opening) = commitment::make(field, salts.next()?, target.encode_to_vec());
            openings.push(opening);
            Ok(hash)
        }
        None => Ok(Vec::new()),
    };
    let rule_target = commit(ACTIVITY_RULE_TARGET, &state.rule_target)?;
    let hit_target = commit(ACTIVITY_HIT_TARGET, &state.hit_target)?;
    let rest = v1::Activity {
        rule: None,
        response: state.response.clone(),
        rule_target,
        hit_target,
        hits: state.hits,
        window_start_s: state.start_s,
        window_s: state.length_s,
        first_s: state.first_s,
        last_s: state.last_s,
        detail_reduced: state.detail_reduced,
        other_candidates: state.other_candidates.clone(),
        imported: state.imported.clone(),
    };
    Ok((activity(&state.rule, &rest), openings))
}

/// Puts the encoded rule, which is field 1, before the other fields: the same bytes as encoding the
/// whole, without building the rule again.
fn activity(rule: &[u8], rest: &v1::Activity) -> Vec<u8> {
    let body = 1 + prost::length_delimiter_len(rule.len()) + rule.len() + rest.encoded_len();
    let mut bytes = Vec::with_capacity(1 + prost::length_delimiter_len(body) + body);
    // Writing to a Vec cannot fail.
    bytes.push(LEAF_ACTIVITY);
    let _ = prost::encode_length_delimiter(body, &mut bytes);
    bytes.push(ACTIVITY_RULE);
    let _ = prost::encode_length_delimiter(rule.len(), &mut bytes);
    bytes.extend_from_slice(rule);
    let _ = rest.encode(&mut bytes);
    debug_assert_eq!(evidence::Leaf::decode(&bytes).err(), None, "a malformed leaf was made");
    bytes
}

pub(super) fn rule_change(
    change: &Change,
    state: &RuleState,
    salts: &mut Salts,
) -> Result<Made, RecorderError> {
    let rule = &change.rule;
    let value = target(&rule.target).encode_to_vec();
    let (rule_target, opening) = commitment::make(RULE_CHANGE_TARGET, salts.next()?, value);
    let mut openings = vec![opening];
    let mut native = Vec::new();
    if !rule.native.is_empty() {
        let text = shortened(&rule.native, NATIVE_SIZE_MAX).as_bytes().to_vec();
        let (hash, opening) = commitment::make(RULE_CHANGE_NATIVE, salts.next()?, text);
        openings.push(opening);
        native = hash;
    }
    let leaf = leaf::encode(Body::RuleChange(v1::RuleChange {
        kind: change.kind.into(),
        at_s: in_range(state.at_s),
        rule: Some(wire_rule(rule, state.source)),
        rule_target,
        native,
        changed_by: clean(&state.changed_by, 64),
        source_generation: state.generation,
    }));
    Ok((leaf, openings))
}

/// An item of a snapshot's set.
pub(super) fn snapshot_item(rule: &KnownRule, source: SourceKind) -> Vec<u8> {
    let item = v1::SnapshotRule {
        rule: Some(wire_rule(rule, source)),
        target: Some(target(&rule.target)),
        native: shortened(&rule.native, NATIVE_SIZE_MAX).to_owned(),
    };
    item.encode_to_vec()
}

fn wire_rule(rule: &KnownRule, source: SourceKind) -> v1::Rule {
    let KnownRule {
        number,
        technique,
        trigger,
        direction,
        actor,
        claims,
        claim_origin,
        narrowed,
        counter,
        target: _,
        native: _,
    } = rule;
    let claim_origin = match (claims.is_empty(), claim_origin) {
        (true, _) => v1::ClaimOrigin::None,
        (false, v1::ClaimOrigin::Mapped) => v1::ClaimOrigin::Mapped,
        (
            false,
            v1::ClaimOrigin::Carried | v1::ClaimOrigin::None | v1::ClaimOrigin::Unspecified,
        ) => v1::ClaimOrigin::Carried,
    };
    v1::Rule {
        number: number.0.max(1),
        source: source.into(),
        technique: or(*technique, v1::Technique::Unspecified, v1::Technique::Other).into(),
        trigger: or(*trigger, v1::Trigger::Unspecified, v1::Trigger::Other).into(),
        direction: or(*direction, v1::Direction::Unspecified, v1::Direction::Both).into(),
        actor: or(*actor, v1::Actor::Unspecified, v1::Actor::Unknown).into(),
        claims: claims.iter().take(CLAIMS_MAX).map(Into::into).collect(),
        claim_origin: claim_origin.into(),
        narrowed: *narrowed,
        counted: counter.is_some(),
    }
}

pub(super) fn is_without_claim(rule: &KnownRule) -> bool {
    rule.claims.is_empty()
}

fn or<T: PartialEq>(value: T, unspecified: T, honest: T) -> T {
    if value == unspecified { honest } else { value }
}

/// A target that says nothing says so.
fn target(target: &v1::Target) -> v1::Target {
    if target.kind == i32::from(v1::TargetKind::Unspecified) {
        let kind = v1::TargetKind::NotUnderstood.into();
        return v1::Target { kind, value: String::new() };
    }
    v1::Target { kind: target.kind, value: shortened(&target.value, TARGET_SIZE_MAX).to_owned() }
}

pub(super) fn response(response: &Response) -> v1::Response {
    use v1::response::Response as Wire;
    let response = match response {
        Response::Silent => Wire::Silent(true),
        Response::Reject(how) => Wire::Reject(clean(how, 32)),
        Response::Dns { rcode, extended_errors } => Wire::Dns(v1::DnsResponse {
            rcode: u32::from(*rcode),
            extended_errors: extended_errors.iter().take(16).map(|code| u32::from(*code)).collect(),
        }),
    };
    v1::Response { response: Some(response) }
}

pub(super) fn candidates(numbers: &[RuleNumber]) -> Vec<u64> {
    numbers.iter().take(256).map(|number| number.0).collect()
}

pub(super) fn provenance(import: Option<&Import>) -> Option<v1::ImportProvenance> {
    import.map(|Import { file_digest, year_assumed }| v1::ImportProvenance {
        file_digest: file_digest.to_vec(),
        year_assumed: (*year_assumed).min(9999),
    })
}

/// A text for a leaf's field: without control characters, cut to its size.
pub(super) fn clean(text: &str, size_max: usize) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    shortened(&text, size_max).to_owned()
}

fn shortened(text: &str, size_max: usize) -> &str {
    let mut size = text.len().min(size_max);
    while !text.is_char_boundary(size) {
        size -= 1;
    }
    text.get(..size).unwrap_or_default()
}

const SALT_SIZE: usize = 16;
const SALTS_AT_ONCE: usize = 256;
/// Field 4 of `Leaf` and field 1 of `Activity`, both length-delimited.
const LEAF_ACTIVITY: u8 = 4 << 3 | 2;
const ACTIVITY_RULE: u8 = 1 << 3 | 2;
/// A rule's text is seldom longer than a line; what is cut off is not needed to know the rule.
const NATIVE_SIZE_MAX: usize = 4096;
/// A URL may be long; nothing that blocks matches on more.
const TARGET_SIZE_MAX: usize = 8192;
