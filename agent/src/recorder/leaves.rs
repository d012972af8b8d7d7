//! Words into leaves: how each kind of leaf is made, with its commitments and their openings.
//!
//! A leaf that breaks the value check would be refused by every collector for ever. So what a
//! source might get wrong is put right here, by the honest value ("unknown", "other"), and never
//! by leaving a leaf out.

use std::net::IpAddr;

use evidence::{
    builder::{Activity, Builder},
    claim::CLAIMS_MAX,
    commitment::{self, Salt},
    leaf::{
        self, ACTIVITY_HIT_TARGET, ACTIVITY_RULE_TARGET, RULE_CHANGE_NATIVE, RULE_CHANGE_TARGET,
    },
};
use prost::Message as _;
use remit_proto::v1::{self, SourceKind, leaf::Body};
use tlog::Hash;

use super::{RecorderError, rules::Change, windows::Window};
use crate::{
    clock::in_range,
    observation::{Hit, HitTarget, Import, KnownRule, Response, RuleNumber, RuleState},
};

/// A leaf, and the openings that travel beside it.
pub(super) struct Made {
    pub(super) leaf: Vec<u8>,
    pub(super) openings: Vec<Opening>,
}

/// Of a field that the leaf commits to.
pub(super) struct Opening {
    pub(super) field: u32,
    pub(super) salt: Salt,
    pub(super) value: Vec<u8>,
}

impl Made {
    /// A leaf without commitments.
    pub(super) fn of(leaf: Vec<u8>) -> Self {
        Self { leaf, openings: Vec::new() }
    }
}

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

/// Makes leaves. Those of hits are written where they stay, in the batch; what one of them needs on
/// the way is in buffers that the next one uses again.
#[derive(Debug, Default)]
pub(super) struct Maker {
    pub(super) salts: Salts,
    target: v1::Target,
    value: Vec<u8>,
    response: Vec<u8>,
}

impl Maker {
    /// One leaf for one hit.
    pub(super) fn individual(
        &mut self,
        rule: &EncodedRule,
        hit: &Hit,
        import: Option<&Import>,
        index: u64,
        batch: &mut Builder,
    ) -> Result<(), RecorderError> {
        let at_s = in_range(hit.at_s);
        let rule_target = self.commit(index, ACTIVITY_RULE_TARGET, &rule.target, batch)?;
        let hit_target = match &hit.hit_target {
            Some(target) => Some(self.commit_to_hit(index, target, batch)?),
            None => None,
        };
        self.response.clear();
        // Writing to a Vec cannot fail.
        let _ = response(&hit.response).encode(&mut self.response);
        let imported = provenance(import).map(|imported| imported.encode_to_vec());
        batch.push_activity(&Activity {
            rule: &rule.rule,
            response: &self.response,
            rule_target,
            hit_target,
            hits: hit.count,
            window_start_s: at_s,
            window_s: 0,
            first_s: at_s,
            last_s: at_s,
            detail_reduced: false,
            other_candidates: &candidates(&hit.other_candidates),
            imported: imported.as_deref(),
        });
        Ok(())
    }

    /// The leaf of a window that has ended.
    pub(super) fn window(
        &mut self,
        window: &Window,
        index: u64,
        batch: &mut Builder,
    ) -> Result<(), RecorderError> {
        let state = &window.state;
        let rule_target = target(&state.rule_target.clone().unwrap_or_default()).encode_to_vec();
        let rule_target = self.commit(index, ACTIVITY_RULE_TARGET, &rule_target, batch)?;
        let hit_target = match &state.hit_target {
            Some(hit) => {
                Some(self.commit(index, ACTIVITY_HIT_TARGET, &hit.encode_to_vec(), batch)?)
            }
            None => None,
        };
        let imported = state.imported.as_ref().map(|imported| imported.encode_to_vec());
        batch.push_activity(&Activity {
            rule: &state.rule,
            response: &state.response.clone().unwrap_or_default().encode_to_vec(),
            rule_target,
            hit_target,
            hits: state.hits,
            window_start_s: state.start_s,
            window_s: state.length_s,
            first_s: state.first_s,
            last_s: state.last_s,
            detail_reduced: state.detail_reduced,
            other_candidates: &state.other_candidates,
            imported: imported.as_deref(),
        });
        Ok(())
    }

    pub(super) fn rule_change(
        &mut self,
        change: &Change,
        state: &RuleState,
    ) -> Result<Made, RecorderError> {
        let rule = &change.rule;
        let mut openings = Vec::with_capacity(2);
        let mut commit = |field, value: Vec<u8>| {
            let salt = self.salts.next()?;
            let hash = commitment::commit(field, &salt, &value);
            openings.push(Opening { field, salt, value });
            Ok(hash.0.to_vec())
        };
        let rule_target = commit(RULE_CHANGE_TARGET, target(&rule.target).encode_to_vec())?;
        let native = match shortened(&rule.native, NATIVE_SIZE_MAX) {
            "" => Vec::new(),
            native => commit(RULE_CHANGE_NATIVE, native.as_bytes().to_vec())?,
        };
        let leaf = leaf::encode(Body::RuleChange(v1::RuleChange {
            kind: change.kind.into(),
            at_s: in_range(state.at_s),
            rule: Some(wire_rule(rule, state.source)),
            rule_target,
            native,
            changed_by: clean(&state.changed_by, 64),
            source_generation: state.generation,
        }));
        Ok(Made { leaf, openings })
    }

    /// A commitment of the leaf with this index, and its opening.
    fn commit(
        &mut self,
        index: u64,
        field: u32,
        value: &[u8],
        batch: &mut Builder,
    ) -> Result<Hash, RecorderError> {
        let salt = self.salts.next()?;
        batch.open(index, field, &salt, value);
        Ok(commitment::commit(field, &salt, value))
    }

    fn commit_to_hit(
        &mut self,
        index: u64,
        hit: &HitTarget,
        batch: &mut Builder,
    ) -> Result<Hash, RecorderError> {
        match hit {
            HitTarget::Address(address) => {
                self.target.kind = v1::TargetKind::Ip.into();
                self.target.value.clear();
                write_address(*address, &mut self.target.value);
            }
            HitTarget::Target(named) => self.target = target(named),
        }
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        // Writing to a Vec cannot fail.
        let _ = self.target.encode(&mut value);
        let hash = self.commit(index, ACTIVITY_HIT_TARGET, &value, batch);
        self.value = value;
        hash
    }
}

/// The text of an address, as `Display` has it. That of IPv4 is written without the machinery for
/// padding, which took longer than all its digits.
fn write_address(address: IpAddr, out: &mut String) {
    use std::fmt::Write as _;
    match address.to_canonical() {
        IpAddr::V4(address) => {
            for (at, octet) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push('.');
                }
                if octet >= 100 {
                    out.push(char::from(b'0' + octet / 100));
                }
                if octet >= 10 {
                    out.push(char::from(b'0' + octet / 10 % 10));
                }
                out.push(char::from(b'0' + octet % 10));
            }
        }
        // Writing to a String cannot fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
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
/// A rule's text is seldom longer than a line; what is cut off is not needed to know the rule.
const NATIVE_SIZE_MAX: usize = 4096;
/// A URL may be long; nothing that blocks matches on more.
pub(super) const TARGET_SIZE_MAX: usize = 8192;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_address_is_written_as_its_canonical_text(address: IpAddr, octets in any::<[u8; 4]>()) {
            for address in [address, octets.into()] {
                let mut text = String::new();
                write_address(address, &mut text);
                prop_assert_eq!(text, HitTarget::Address(address).wire().value);
            }
        }
    }
}
