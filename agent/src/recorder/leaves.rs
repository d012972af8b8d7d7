//! Words into leaves: how each kind of leaf is made, with its commitments and their openings.
//!
//! A leaf that breaks the value check would be refused by every collector for ever. So what a
//! source might get wrong is put right here, by the honest value ("unknown", "other"), and never
//! by leaving a leaf out. That this holds for whatever a source says is tested below for the leaf of
//! a single hit, which nothing checks again in release; all others are checked by `Recorder::push`.

use std::net::IpAddr;

use evidence::{
    builder::{Activity, Builder},
    claim::CLAIMS_MAX,
    commitment::{self, Salt},
    leaf::{
        self, ACTIVITY_HIT_TARGET, ACTIVITY_RULE_TARGET, RULE_CHANGE_NATIVE, RULE_CHANGE_TARGET,
        SERVICE_ACTION_TARGET,
    },
};
use prost::Message as _;
use remit_proto::v1::{self, SourceKind, leaf::Body};
use tlog::Hash;

use super::{RecorderError, rules::Change, windows::Window};
use crate::{
    clock::in_range,
    observation::{Deed, Hit, HitTarget, Import, KnownRule, Response, RuleNumber, RuleState},
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
    pub(super) fn window(&mut self, window: &Window) -> Result<Made, RecorderError> {
        let state = &window.state;
        let mut openings = Vec::with_capacity(2);
        let mut commit = |field, value| opened(&mut self.salts, field, value, &mut openings);
        let rule_target = target(&state.rule_target.clone().unwrap_or_default()).encode_to_vec();
        let rule_target = commit(ACTIVITY_RULE_TARGET, rule_target)?;
        let hit_target = match &state.hit_target {
            Some(hit) => Some(commit(ACTIVITY_HIT_TARGET, hit.encode_to_vec())?),
            None => None,
        };
        let imported = state.imported.as_ref().map(|imported| imported.encode_to_vec());
        let activity = Activity {
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
        };
        Ok(Made { leaf: activity.to_leaf(), openings })
    }

    pub(super) fn rule_change(
        &mut self,
        change: &Change,
        state: &RuleState,
    ) -> Result<Made, RecorderError> {
        let rule = &change.rule;
        let mut openings = Vec::with_capacity(2);
        let mut commit = |field, value| {
            let hash = opened(&mut self.salts, field, value, &mut openings)?;
            Ok::<_, RecorderError>(hash.0.to_vec())
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

    /// What a person said of a deed.
    pub(super) fn deed(&mut self, deed: &Deed) -> Result<Made, RecorderError> {
        let mut openings = Vec::with_capacity(1);
        let value = target(&deed.target).encode_to_vec();
        let target = opened(&mut self.salts, SERVICE_ACTION_TARGET, value, &mut openings)?;
        let action = v1::ServiceAction { target: target.0.to_vec(), ..deed.said.clone() };
        Ok(Made { leaf: leaf::encode(Body::ServiceAction(action)), openings })
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

/// A commitment to a value, and its opening beside it.
fn opened(
    salts: &mut Salts,
    field: u32,
    value: Vec<u8>,
    openings: &mut Vec<Opening>,
) -> Result<Hash, RecorderError> {
    let salt = salts.next()?;
    let hash = commitment::commit(field, &salt, &value);
    openings.push(Opening { field, salt, value });
    Ok(hash)
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
        names_sampled,
        rate_bits_per_s,
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
        names_sampled: *names_sampled,
        rate_bits_per_s: rate_bits_per_s
            .filter(|_| *technique == v1::Technique::Throttle)
            .unwrap_or(0),
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
        Response::Http { status, blocked_by } => Wire::Http(v1::HttpResponse {
            status: u32::from(*status).clamp(100, 599),
            blocked_by: *blocked_by,
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
    use std::sync::Arc;

    use evidence::{AgentOrigin, Claim, Leaf, id::RequestId};
    use proptest::prelude::*;
    use tlog::{
        Edge,
        note::{KeyName, SigningKey},
    };

    use super::*;
    use crate::{
        ledger::Ledger,
        recorder::{rules::SourceRules, windows::Windows},
    };

    fn claim() -> impl Strategy<Value = Claim> {
        let id = || "[A-Za-z0-9._/-]{1,48}".prop_map(|id| id.parse::<RequestId>().unwrap());
        prop_oneof![
            id().prop_map(Claim::Request),
            (id(), id()).prop_map(|(id, version)| Claim::List { id, version }),
            (1..=7_i32).prop_map(|class| Claim::Class(class.try_into().unwrap())),
        ]
    }

    /// An enum by its number: each of its values, and what it does not know.
    fn number<E: TryFrom<i32> + Default>(number: i32) -> E {
        E::try_from(number).unwrap_or_default()
    }

    prop_compose! {
        /// Whatever a source may say of a rule.
        fn any_rule()(
            n in prop_oneof![Just(0), Just(1), any::<u64>()],
            enums in any::<[u8; 5]>(),
            claims in proptest::collection::vec(claim(), 0..20),
            narrowed in any::<bool>(),
            counted in any::<bool>(),
            (kind, value) in (-2..30_i32, any::<String>()),
            long in 0..3_usize,
            native in any::<String>(),
        ) -> KnownRule {
            let [technique, trigger, direction, actor, origin] = enums.map(|n| i32::from(n % 12));
            KnownRule {
                number: RuleNumber(n),
                technique: number(technique),
                trigger: number(trigger),
                direction: number(direction),
                actor: number(actor),
                claims,
                claim_origin: number(origin),
                narrowed,
                names_sampled: false,
                rate_bits_per_s: None,
                counter: counted.then(|| "c".into()),
                target: v1::Target { kind, value: value.repeat(1 + long * 1000) },
                native: native.repeat(1 + long * 1000),
            }
        }
    }

    prop_compose! {
        /// Whatever a source may say of a hit.
        fn any_hit()(
            at_s in prop_oneof![any::<i64>(), -2..100_000_i64, Just(253_402_300_799)],
            count in 1..=u64::MAX,
            address in proptest::option::of(any::<IpAddr>()),
            named in proptest::option::of((-2..30_i32, any::<String>())),
            response in prop_oneof![
                Just(Response::Silent),
                Just(Response::Reject("tcp-reset")),
                Just(Response::Reject("a word that\nis longer than a reply of any filter may be")),
                (any::<u16>(), proptest::collection::vec(any::<u16>(), 0..40))
                    .prop_map(|(rcode, extended_errors)| Response::Dns { rcode, extended_errors }),
                any::<(u16, bool)>()
                    .prop_map(|(status, blocked_by)| Response::Http { status, blocked_by }),
            ],
            others in proptest::collection::vec(any::<u64>(), 0..400),
        ) -> Hit {
            let named = named.map(|(kind, value)| HitTarget::Target(v1::Target { kind, value }));
            Hit {
                rule: RuleNumber(7),
                at_s,
                count,
                hit_target: address.map(HitTarget::Address).or(named),
                response,
                other_candidates: others.into_iter().map(RuleNumber).collect(),
            }
        }
    }

    /// The leaves of a batch, as whoever receives it sees them.
    fn leaves(mut batch: Builder) -> Vec<Vec<u8>> {
        let origin = "example.net/agent/edge-1/1122334455667788";
        let key = SigningKey::new(KeyName::new(origin.to_owned()).unwrap(), [5; 32]);
        let origin: AgentOrigin = origin.parse().unwrap();
        let closed = batch.close(&mut Edge::new(), &key, &origin).unwrap();
        v1::Batch::decode(closed.to_vec().as_slice()).unwrap().leaves
    }

    proptest! {
        #[test]
        fn whatever_a_source_says_its_leaves_are_well_formed(
            rule in any_rule(),
            list in proptest::collection::vec(any_hit(), 1..4),
            window_s in prop_oneof![Just(60_u32), Just(900), Just(3600), Just(86_400)],
            import in proptest::option::of((any::<[u8; 32]>(), any::<u32>())),
            (at_s, changed_by) in (any::<i64>(), any::<String>()),
        ) {
            let import = import
                .map(|(file_digest, year_assumed)| Import { file_digest, year_assumed });
            let rule = Arc::new(KnownRule { number: RuleNumber(7), ..rule });
            let mut rules = SourceRules::new(SourceKind::Nftables);
            rules.learn(std::slice::from_ref(&rule), &mut Ledger::default());
            let entry = rules.of_hit(RuleNumber(7)).unwrap();
            let (mut maker, mut batch) = (Maker::default(), Builder::default());
            let mut windows = Windows::default();
            for hit in &list {
                maker.individual(entry.encoded(), hit, import.as_ref(), 1, &mut batch).unwrap();
                windows.count(entry, hit, import.as_ref(), window_s, false);
            }
            for id in windows.all() {
                let made = maker.window(&windows.remove(id).unwrap()).unwrap();
                batch.push(&made.leaf);
            }
            let state = RuleState {
                source: SourceKind::Nftables,
                at_s,
                generation: 1,
                changed_by,
                rules: Vec::new(),
                unstable: false,
                partial: false,
            };
            let change = Change { kind: v1::RuleChangeKind::Installed, rule };
            batch.push(&maker.rule_change(&change, &state).unwrap().leaf);
            for leaf in leaves(batch) {
                prop_assert_eq!(Leaf::decode(&leaf).err(), None);
            }
        }

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
