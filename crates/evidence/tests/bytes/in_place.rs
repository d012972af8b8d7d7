//! `Activity` and `RuleChange` are checked where they lie; the rule is to decode, to encode again and
//! to compare. Here the one is held against the other: on every form that an author can write, and on
//! what becomes of it when it is damaged at any depth.
//!
//! The messages are written out with all their fields: one that is added to `leaf.proto` stops here.

use evidence::{Leaf, Malformed};
use proptest::prelude::*;
use prost::{
    Message,
    encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint},
};
use remit_proto::v1::{self, claim::Claim, leaf::Body, response::Response};

/// The key of `Leaf.genesis`.
const GENESIS: u8 = 0x0a;

/// Decode, encode again, compare.
fn canonical(bytes: &[u8]) -> bool {
    v1::Leaf::decode(bytes).is_ok_and(|leaf| leaf.encode_to_vec() == bytes)
}

fn compare(bytes: &[u8]) -> Result<(), TestCaseError> {
    let found = Leaf::decode(bytes);
    let refused = matches!(found, Err(Malformed::NotCanonical | Malformed::NotProtobuf));
    if canonical(bytes) {
        prop_assert!(!refused, "{:?} of canonical {bytes:02x?}", found);
    } else {
        // A damaged key may make it a `Genesis`, of a format that is newer: kept, and not understood.
        let is_newer =
            bytes.first() == Some(&GENESIS) && matches!(found, Ok(Leaf::NotUnderstood { .. }));
        prop_assert!(found.is_err() || is_newer, "taken: {bytes:02x?}");
    }
    if let Ok(Leaf::Known(body)) = found {
        prop_assert_eq!(v1::Leaf { body: Some(body) }.encode_to_vec(), bytes);
    }
    Ok(())
}

fn claims() -> BoxedStrategy<Vec<v1::Claim>> {
    let list = |(list_id, version)| Claim::List(v1::ListClaim { list_id, version });
    let claim = prop_oneof![
        "[A-Za-z0-9._/-]{0,49}".prop_map(Claim::RequestId),
        ("[A-Za-z0-9.]{0,3}", "[a-z0-9é]{0,3}").prop_map(list),
        (-1_i32..9).prop_map(Claim::BasisClass),
    ];
    prop::collection::vec(prop::option::weighted(0.95, claim), 0..18)
        .prop_map(|claims| claims.into_iter().map(|claim| v1::Claim { claim }).collect())
        .boxed()
}

fn responses() -> BoxedStrategy<v1::Response> {
    let dns = |(rcode, extended_errors)| Response::Dns(v1::DnsResponse { rcode, extended_errors });
    let http = |(status, blocked_by)| Response::Http(v1::HttpResponse { status, blocked_by });
    let response = prop_oneof![
        (edges_u32(), prop::collection::vec(edges_u32(), 0..18)).prop_map(dns),
        (edges_u32(), any::<bool>()).prop_map(http),
        "[a-z/0-9é\n]{0,34}".prop_map(Response::Reject),
        any::<bool>().prop_map(Response::Silent),
    ];
    prop::option::weighted(0.95, response).prop_map(|response| v1::Response { response }).boxed()
}

fn edges_u32() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), Just(451), Just(65_535), Just(65_536), Just(u32::MAX)]
}

fn edges_u64() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(127), Just(128), Just(u64::MAX), any::<u64>()]
}

fn times() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 1_790_000_000_i64..1_790_000_003, 1 => any::<i64>(), 1 => Just(0)]
}

fn digests() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(vec![7; 32]), Just(Vec::new()), Just(vec![7; 31])]
}

prop_compose! {
    fn rules()(
        number in edges_u64(),
        numbers in prop::array::uniform5(prop_oneof![8 => 1_i32..4, 1 => Just(0), 1 => any::<i32>()]),
        claims in claims(),
        claim_origin in -1_i32..5,
        flags: [bool; 3],
        rate_bits_per_s in prop_oneof![4 => Just(0), 1 => edges_u64()],
    ) -> v1::Rule {
        let [source, technique, trigger, direction, actor] = numbers;
        let [narrowed, counted, names_sampled] = flags;
        v1::Rule {
            number, source, technique, trigger, direction, actor, claims, claim_origin, narrowed,
            counted, names_sampled, rate_bits_per_s,
        }
    }
}

prop_compose! {
    fn activities()(
        rule in prop::option::weighted(0.95, rules().boxed()),
        response in prop::option::weighted(0.95, responses()),
        targets in (digests(), digests()),
        numbers in (edges_u64(), prop_oneof![Just(0), Just(1), Just(900), Just(u32::MAX)]),
        times in (times(), times(), times()),
        detail_reduced: bool,
        other_candidates in prop::collection::vec(edges_u64(), 0..4),
        imported in prop::option::of((digests(), edges_u32())),
    ) -> v1::Activity {
        let ((rule_target, hit_target), (hits, window_s)) = (targets, numbers);
        let (window_start_s, first_s, last_s) = times;
        let imported = imported.map(|(file_digest, year_assumed)| {
            v1::ImportProvenance { file_digest, year_assumed }
        });
        v1::Activity {
            rule, response, rule_target, hit_target, hits, window_start_s, window_s, first_s, last_s,
            detail_reduced, other_candidates, imported,
        }
    }
}

prop_compose! {
    fn changes()(
        kind in -1_i32..5,
        at_s in times(),
        rule in prop::option::weighted(0.95, rules().boxed()),
        targets in (digests(), digests()),
        changed_by in "[a-z é\u{1}]{0,66}",
        source_generation in edges_u64(),
    ) -> v1::RuleChange {
        let (rule_target, native) = targets;
        v1::RuleChange { kind, at_s, rule, rule_target, native, changed_by, source_generation }
    }
}

/// Boxed, as its parts: together they are too large for a thread's stack.
fn bodies() -> BoxedStrategy<Body> {
    let activities = activities().prop_map(Body::Activity).boxed();
    prop_oneof![activities, changes().prop_map(Body::RuleChange).boxed()].boxed()
}

/// One thing that can happen to bytes. Places are taken modulo their length.
#[derive(Debug, Clone)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    /// A part stands once more, somewhere else.
    Repeat(usize, usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<usize>(), 0_u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        any::<usize>().prop_map(Damage::Cut),
        (any::<usize>(), prop::collection::vec(any::<u8>(), 1..4))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<usize>(), 1_usize..40, any::<usize>())
            .prop_map(|(from, length, to)| Damage::Repeat(from, length, to)),
    ]
}

impl Damage {
    fn to(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let size = bytes.len();
        match self {
            Self::Flip(at, bit) if size > 0 => bytes[at % size] ^= 1 << bit,
            Self::Cut(at) if size > 0 => drop(bytes.remove(at % size)),
            Self::Flip(..) | Self::Cut(_) => {}
            Self::Insert(at, new) => {
                drop(bytes.splice(at % (size + 1)..at % (size + 1), new.clone()))
            }
            Self::Repeat(from, length, to) => {
                let from = from % (size + 1);
                let part = bytes[from..(from + length).min(size)].to_vec();
                drop(bytes.splice(to % (size + 1)..to % (size + 1), part));
            }
        }
        bytes
    }
}

type Fields = Vec<(u32, WireType, Vec<u8>)>;

/// The fields of a message, each value as it stands there; `None`: this is none.
fn taken_apart(mut bytes: &[u8]) -> Option<Fields> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let (tag, wire_type) = decode_key(&mut bytes).ok()?;
        let number = decode_varint(&mut bytes).ok()?;
        let mut value = Vec::new();
        match wire_type {
            WireType::Varint => encode_varint(number, &mut value),
            WireType::LengthDelimited => {
                let (inside, rest) = bytes.split_at_checked(number.try_into().ok()?)?;
                value.extend(inside);
                bytes = rest;
            }
            _ => return None,
        }
        fields.push((tag, wire_type, value));
    }
    Some(fields)
}

fn put_together(fields: Fields) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (tag, wire_type, value) in fields {
        encode_key(tag, wire_type, &mut bytes);
        if wire_type == WireType::LengthDelimited {
            encode_varint(value.len() as u64, &mut bytes);
        }
        bytes.extend(value);
    }
    bytes
}

/// Damages a message, or what it holds, to any depth; the lengths around it are right again.
fn damaged(bytes: &[u8], path: &[usize], damage: &Damage) -> Vec<u8> {
    let (Some((which, deeper)), Some(mut fields)) = (path.split_first(), taken_apart(bytes)) else {
        return damage.to(bytes.to_vec());
    };
    let held =
        fields.iter_mut().filter(|(_, wire_type, _)| *wire_type == WireType::LengthDelimited);
    let mut held: Vec<_> = held.map(|(_, _, value)| value).collect();
    if held.is_empty() {
        return damage.to(bytes.to_vec());
    }
    let which = which % held.len();
    *held[which] = damaged(held[which], deeper, damage);
    put_together(fields)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn what_an_author_writes_is_canonical_whatever_its_values(body in bodies()) {
        compare(&v1::Leaf { body: Some(body) }.encode_to_vec())?;
    }

    #[test]
    fn damaged_at_any_depth_it_is_judged_as_if_it_were_encoded_again(
        body in bodies(),
        path in prop::collection::vec(any::<usize>(), 0..4),
        damage in damage(),
    ) {
        let leaf = v1::Leaf { body: Some(body) }.encode_to_vec();
        compare(&damaged(&leaf, &path, &damage))?;
    }
}
