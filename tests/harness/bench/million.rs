//! A register of two million targets under fifty thousand requests, as an operator of a large country
//! may have it, with everything in it that can make looking into it slow.
//!
//! The same in every run. Of ten targets five are names, two subtrees, one and a half URLs, the rest
//! addresses and prefixes. Every request names one name that all others name too; one host has a hundred
//! thousand URLs, one name a subtree at each of its 126 labels, one URL a prefix at each of its slashes.

use anyhow::Result;
use register::{ItemReader, Register};
use remit_proto::v1;

pub const TARGETS: usize = 2_000_000;
pub const REQUESTS: usize = 50_000;
/// In one statement at the most, so that no import is larger than its set can be.
const REQUESTS_PER_IMPORT: usize = 10_000;
/// All requests name it.
pub const CROWDED: &str = "crowded.example";
/// With a twentieth of the targets as its URLs.
pub const POPULAR: &str = "videos.example";
pub const FROM_S: i64 = 1_700_000_000;

const TOP: [&str; 8] = ["com", "net", "org", "ru", "info", "top", "xyz", "co.uk"];

/// The number as letters, so that names differ from their beginning as real ones do.
fn word(number: usize) -> String {
    let mut mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let length = 7 + number % 7;
    let mut word = String::new();
    for _ in 0..length {
        word.push(char::from(b'a' + u8::try_from(mixed % 26).unwrap_or(0)));
        mixed = mixed / 26 + number as u64;
    }
    word
}

pub fn name(number: usize) -> String {
    let top = TOP[number % TOP.len()];
    match number % 5 {
        0 | 1 => format!("{}.{}{number}.{top}", word(number / 3), word(number)),
        _ => format!("{}{number}.{top}", word(number)),
    }
}

/// As `<kind>`, `<value>`, canonical.
pub fn target(number: usize) -> (v1::TargetKind, String) {
    use v1::TargetKind as Kind;
    let part = number / 20;
    match number % 20 {
        0..10 => (Kind::DomainExact, name(number)),
        10..14 => (Kind::DomainSubtree, name(number)),
        14 | 15 => (Kind::Url, format!("https://{}/{}/{number}?id={part}", name(part), word(part))),
        16 => (Kind::Url, format!("https://{POPULAR}/watch?v={number}")),
        17 | 18 => {
            let [_, a, b, c] = u32::try_from(number * 7).unwrap_or(0).to_be_bytes();
            (Kind::Ip, format!("{}.{a}.{b}.{c}", 60 + number % 120))
        }
        _ => match part % 4 {
            0 => {
                // No run of zeros but the one that is left out.
                let [a, b, c] = [part % 65_521 + 1, part % 251 + 1, part / 65_521 + 1];
                (Kind::Ip, format!("2001:db8:{a:x}:{b:x}::{c:x}"))
            }
            1 => (Kind::Cidr, format!("2001:db8:{:x}::/48", part % 65_521 + 1)),
            _ => {
                let [_, _, b, c] = u32::try_from(part).unwrap_or(0).to_be_bytes();
                (Kind::Cidr, format!("{}.{b}.{c}.0/24", 20 + part % 30))
            }
        },
    }
}

/// A name of 126 labels and 253 characters: longer is none.
pub fn deep_name() -> String {
    "a.".repeat(125) + "org"
}

/// A URL of 8,000 slashes.
pub fn deep_url() -> String {
    format!("https://deep.example/{}", "/".repeat(8_000))
}

/// The targets that are in it beside those of [`target`], each once.
fn odd() -> Vec<(v1::TargetKind, String)> {
    use v1::TargetKind as Kind;
    let mut odd = vec![
        (Kind::Cidr, "0.0.0.0/1".to_owned()),
        (Kind::Cidr, "10.0.0.0/8".to_owned()),
        (Kind::Cidr, "2000::/3".to_owned()),
        (Kind::DomainSubtree, "onion".to_owned()),
        (Kind::Port, "853/any".to_owned()),
        (Kind::Url, deep_url()),
    ];
    let deep = deep_name();
    odd.extend(
        deep.match_indices('.').map(|(at, _)| (Kind::DomainSubtree, deep[at + 1..].to_owned())),
    );
    let url = deep_url();
    let slashes = url.match_indices('/').skip(2).take(1_000);
    odd.extend(slashes.map(|(at, _)| (Kind::UrlPrefix, url[..=at].to_owned())));
    odd
}

pub fn id(request: usize) -> String {
    format!("order-{request}")
}

/// Most requests have 36 targets; each thousandth has 4,000.
fn targets_of(request: usize) -> std::ops::Range<usize> {
    let large = request / 1_000 + usize::from(!request.is_multiple_of(1_000));
    let first = large * 4_000 + (request - large) * 36;
    first..first + if request.is_multiple_of(1_000) { 4_000 } else { 36 }
}

/// Under which request a target stands.
pub fn request_of(target: usize) -> usize {
    let thousand = target / (4_000 + 999 * 36);
    let rest = target % (4_000 + 999 * 36);
    thousand * 1_000 + rest.checked_sub(4_000).map_or(0, |rest| 1 + rest / 36)
}

pub fn target_count() -> usize {
    targets_of(REQUESTS).start
}

/// Those of a request that every register may have.
pub fn targets(request: usize) -> Vec<(v1::TargetKind, String)> {
    let crowded = (v1::TargetKind::DomainExact, CROWDED.to_owned());
    targets_of(request).map(target).chain([crowded]).collect()
}

pub fn request(number: usize) -> v1::Request {
    let mut targets = targets(number);
    if number == 0 {
        targets.extend(odd());
    }
    let targets = targets.into_iter().map(|(kind, value)| v1::RequestTarget {
        target: Some(v1::Target { kind: kind.into(), value: value.clone() }),
        raw: value,
        added_at_s: FROM_S + i64::try_from(number).unwrap_or(0),
        ..v1::RequestTarget::default()
    });
    v1::Request {
        id: id(number),
        version: 1,
        authorisation: Some(v1::Authorisation {
            instrument: v1::Instrument::AdministrativeOrder.into(),
            basis_class: v1::BasisClass::Law.into(),
            authority: Some(v1::Authority {
                id: format!("authority-{}", number % 40),
                name: "Media authority".to_owned(),
                branch: "executive".to_owned(),
                country: "DE".to_owned(),
                ..v1::Authority::default()
            }),
            external_ref: format!("{number}/2023"),
            ..v1::Authorisation::default()
        }),
        notification: Some(v1::Notification {
            form: v1::RequestForm::PortalList.into(),
            received_at_s: FROM_S,
            ..v1::Notification::default()
        }),
        task: Some(v1::Task {
            targets: targets.collect(),
            measure: Some(v1::Measure {
                techniques: vec![
                    v1::Technique::DnsNxdomain.into(),
                    v1::Technique::IpAclDrop.into(),
                    v1::Technique::Http451.into(),
                ],
                ..v1::Measure::default()
            }),
            scope: Some(v1::Scope { territories: vec!["DE".into()], ..v1::Scope::default() }),
            effective_from_s: FROM_S,
            remove_within_s: 86_400,
            ..v1::Task::default()
        }),
        status: v1::RequestStatus::Accepted.into(),
        basis_proof: v1::BasisProof::DocumentHeld.into(),
        ..v1::Request::default()
    }
}

/// The register, statement by statement, read as the collector reads it: the wire form of one request at a
/// time is held.
pub fn register() -> Result<Register> {
    let origin = format!("{}/register", crate::collector::OPERATOR);
    let mut register = Register::new(&origin);
    for first in (0..REQUESTS).step_by(REQUESTS_PER_IMPORT) {
        let requests = first..(first + REQUESTS_PER_IMPORT).min(REQUESTS);
        let count = requests.len() as u64;
        let mut items = ItemReader::default();
        for number in requests {
            let item = Some(v1::register_item::Item::Request(request(number)));
            items.push(v1::RegisterItem { item }, Vec::new())?;
        }
        let set = v1::ItemSet { count, ..v1::ItemSet::default() };
        let import = v1::Import { items: Some(set), ..v1::Import::default() };
        let statement = v1::Statement {
            format: 1,
            origin: origin.clone(),
            recorded_at_s: FROM_S,
            effective_at_s: FROM_S,
            author: Some(v1::PersonRef { person: "p1".into(), role: v1::Role::Operator.into() }),
            approver: None,
            body: Some(v1::statement::Body::Import(import)),
        };
        register.take_in(&statement, Some(&items.finish()?))?;
    }
    Ok(register)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_stands_under_one_request() {
        for request in [0, 1, 999, 1_000, 1_001, 49_999] {
            let targets = targets_of(request);
            assert_eq!(targets.end, targets_of(request + 1).start);
            assert_eq!(request_of(targets.start), request);
            assert_eq!(request_of(targets.end - 1), request);
        }
        assert!(target_count().abs_diff(TARGETS) < 10_000, "{}", target_count());
    }

    #[test]
    fn its_targets_are_canonical() {
        for number in (0..TARGETS).step_by(997) {
            let (kind, value) = target(number);
            let wire = v1::Target { kind: kind.into(), value };
            register::Target::from_wire(&wire).unwrap();
        }
        for (kind, value) in odd() {
            register::Target::from_wire(&v1::Target { kind: kind.into(), value }).unwrap();
        }
    }
}
