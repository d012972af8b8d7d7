//! Who may write the register, and what is refused.

use evidence::{PersonId, chunk::SetBuilder, commitment::Salt, statement::signed_text};
use prost::Message;
use remit_collector::log::command::{Command, Refusal};
use remit_proto::v1::{self, statement::Body};
use tlog::note::{KeyName, SigningKey};

use crate::rig::{NOW_S, Rig};

const ORIGIN: &str = "example.net/register";

fn person(role: v1::Role) -> v1::PersonRef {
    v1::PersonRef { person: "person-1".to_owned(), role: role.into() }
}

fn key() -> SigningKey {
    SigningKey::new(KeyName::new("person-1").unwrap(), [9; 32])
}

fn enrol(rig: &Rig, role: v1::Role) {
    let key = v1::PersonKey {
        person: Some(person(role)),
        public_key: key().verifier().public_bytes().to_vec(),
        ..Default::default()
    };
    rig.ask(|reply| Command::PersonKey { key, reply }).unwrap();
}

pub(crate) fn request(id: &str) -> v1::Request {
    v1::Request {
        id: id.to_owned(),
        version: 1,
        authorisation: Some(v1::Authorisation {
            instrument: v1::Instrument::CourtOrderFinal.into(),
            basis_class: v1::BasisClass::Law.into(),
            ..Default::default()
        }),
        notification: Some(v1::Notification {
            form: v1::RequestForm::Letter.into(),
            ..Default::default()
        }),
        task: Some(v1::Task {
            targets: vec![v1::RequestTarget {
                target: Some(v1::Target {
                    kind: v1::TargetKind::Ip.into(),
                    value: "192.0.2.7".to_owned(),
                }),
                ..Default::default()
            }],
            measure: Some(v1::Measure {
                techniques: vec![v1::Technique::IpAclDrop.into()],
                ..Default::default()
            }),
            scope: Some(v1::Scope { territories: vec!["*".to_owned()], ..Default::default() }),
            effective_from_s: NOW_S - 1000,
            ..Default::default()
        }),
        status: v1::RequestStatus::Accepted.into(),
        basis_proof: v1::BasisProof::DocumentHeld.into(),
        ..Default::default()
    }
}

/// An import of one request, with its chunk.
fn import(id: &str) -> (v1::Statement, Vec<u8>) {
    import_of(request(id))
}

fn import_of(request: v1::Request) -> (v1::Statement, Vec<u8>) {
    let item = v1::RegisterItem { item: Some(v1::register_item::Item::Request(request)) };
    let mut set = SetBuilder::new();
    assert!(set.push(Salt([3; 16]), item.encode_to_vec()).is_none());
    let (items, chunk) = set.finish();
    let statement = v1::Statement {
        format: 1,
        origin: ORIGIN.to_owned(),
        recorded_at_s: NOW_S,
        effective_at_s: NOW_S,
        author: Some(person(v1::Role::Operator)),
        approver: None,
        body: Some(Body::Import(v1::Import {
            items: Some(items),
            rows_read: 1,
            ..Default::default()
        })),
    };
    (statement, chunk.unwrap())
}

fn signed(statement: &v1::Statement, key: &SigningKey) -> Vec<u8> {
    let bytes = statement.encode_to_vec();
    let signature = key.sign_raw(signed_text(ORIGIN, &bytes).as_bytes()).to_vec();
    let signatures = vec![v1::PersonSignature { person: statement.author.clone(), signature }];
    v1::SignedStatement { statement: bytes, signatures, attestation: Vec::new() }.encode_to_vec()
}

fn append(rig: &Rig, bytes: Vec<u8>) -> Result<u64, Refusal> {
    let caller: PersonId = "person-1".parse().unwrap();
    rig.ask(|reply| Command::Statement { bytes, caller, reply })
}

fn put(rig: &Rig, bytes: Vec<u8>) {
    rig.ask(|reply| Command::Chunk { node: None, bytes: bytes.into(), reply }).unwrap();
}

#[test]
fn a_signed_import_becomes_an_entry_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    enrol(&rig, v1::Role::Operator);
    let (statement, chunk) = import("court/1");
    put(&rig, chunk);
    assert_eq!(append(&rig, signed(&statement, &key())).unwrap(), 1);
    rig.stop();
    let rig = Rig::open(dir.path()).unwrap();
    let repeated = append(&rig, signed(&statement, &key())).unwrap_err();
    assert_eq!(repeated.reason, "REFUSED_BY_REGISTER", "the same version again: {repeated}");
    rig.stop();
}

#[test]
fn what_no_file_may_say_no_other_program_enters() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    enrol(&rig, v1::Role::Operator);
    let refused = |change: &dyn Fn(&mut v1::Request)| {
        let mut request = request("court/1");
        change(&mut request);
        let (statement, chunk) = import_of(request);
        put(&rig, chunk);
        let refusal = append(&rig, signed(&statement, &key())).unwrap_err();
        assert_eq!(refusal.reason, "REFUSED_BY_REGISTER", "{refusal}");
        refusal.to_string()
    };
    let times = refused(&|request| {
        request.authorisation.as_mut().unwrap().issued_at_s = NOW_S - 1001;
        request.notification.as_mut().unwrap().received_at_s = NOW_S - 900_001;
    });
    assert!(
        times.contains("request court/1: received: ") && times.contains("is before issued"),
        "{times}"
    );
    let text = refused(&|request| {
        request.authorisation.as_mut().unwrap().keywords = vec!["a\u{202e}b".to_owned()];
    });
    assert!(
        text.contains("keywords: holds a character that turns the direction of text"),
        "{text}"
    );
    let (statement, chunk) = import("court/1");
    put(&rig, chunk);
    assert_eq!(append(&rig, signed(&statement, &key())).unwrap(), 1, "nothing was entered before");
    rig.stop();
}

#[test]
fn each_refusal_has_its_own_reason_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let (statement, chunk) = import("court/1");
    let check = |statement: &v1::Statement, key: &SigningKey, reason: &str| {
        let refusal = append(&rig, signed(statement, key)).unwrap_err();
        assert_eq!(refusal.reason, reason, "{refusal}");
    };
    check(&statement, &key(), "UNKNOWN_PERSON");
    enrol(&rig, v1::Role::Officer);
    check(&statement, &key(), "NOT_AUTHORISED");
    enrol(&rig, v1::Role::Operator);
    check(&statement, &key(), "MISSING_CHUNK");
    put(&rig, chunk);
    let stranger = SigningKey::new(KeyName::new("person-1").unwrap(), [8; 32]);
    check(&statement, &stranger, "BAD_SIGNATURE");
    let change = |change: &dyn Fn(&mut v1::Statement)| {
        let mut changed = statement.clone();
        change(&mut changed);
        changed
    };
    check(&change(&|s| s.recorded_at_s -= 86_400), &key(), "BACKDATED");
    check(&change(&|s| s.origin = "other.net/register".into()), &key(), "WRONG_ORIGIN");
    let other = v1::PersonRef { person: "person-2".into(), role: v1::Role::Operator.into() };
    check(&change(&|s| s.author = Some(other.clone())), &key(), "NOT_THE_AUTHOR");
    let malformed = append(&rig, vec![0xff, 0xff]).unwrap_err();
    assert_eq!(malformed.reason, "MALFORMED_STATEMENT");
    assert_eq!(append(&rig, signed(&statement, &key())).unwrap(), 1);
    rig.stop();
}

#[test]
fn whoever_is_said_to_have_signed_or_approved_has() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    enrol(&rig, v1::Role::Operator);
    let approver = v1::PersonRef { person: "person-2".into(), role: v1::Role::Operator.into() };
    let second = SigningKey::new(KeyName::new("person-2").unwrap(), [8; 32]);
    let enrolment = v1::PersonKey {
        person: Some(approver.clone()),
        public_key: second.verifier().public_bytes().to_vec(),
        ..Default::default()
    };
    let (mut statement, chunk) = import("court/1");
    put(&rig, chunk);
    statement.approver = Some(approver.clone());
    let with = |signature: Vec<u8>| {
        let mut wire = v1::SignedStatement::decode(&*signed(&statement, &key())).unwrap();
        let person = Some(approver.clone());
        wire.signatures.push(v1::PersonSignature { person, signature });
        append(&rig, wire.encode_to_vec())
    };
    let reason = |result: Result<u64, Refusal>| result.unwrap_err().reason;
    assert_eq!(reason(append(&rig, signed(&statement, &key()))), "BAD_SIGNATURE", "not approved");
    assert_eq!(reason(with(vec![7; 64])), "UNKNOWN_PERSON");
    rig.ask(|reply| Command::PersonKey { key: enrolment, reply }).unwrap();
    assert_eq!(reason(with(vec![7; 64])), "BAD_SIGNATURE", "approved by nobody");
    let mut as_officer = statement.clone();
    as_officer.approver = None;
    as_officer.author = Some(person(v1::Role::Officer));
    assert_eq!(reason(append(&rig, signed(&as_officer, &key()))), "NOT_AUTHORISED");
    let text = signed_text(ORIGIN, &statement.encode_to_vec());
    assert_eq!(with(second.sign_raw(text.as_bytes()).to_vec()).unwrap(), 1);
    rig.stop();
}

/// Signed facts of a node with this many points, and `pad` bytes more.
fn facts(
    signatures: impl FnOnce(&mut Vec<v1::PersonSignature>),
    points: u32,
    pad: usize,
) -> Vec<u8> {
    let facts = v1::NodeFacts {
        format: 1,
        operator: "example.net".to_owned(),
        node: "edge-1".to_owned(),
        role: v1::NodeRole::Router.into(),
        groups: (0..pad / 50).map(|_| "x".repeat(48)).chain(["x".repeat(pad % 50)]).collect(),
        country: "DE".to_owned(),
        network_type: v1::NetworkType::Fixed.into(),
        points: (0..points)
            .map(|number| v1::EnforcementPoint {
                id: format!("point-{number:057}"),
                technology: "x".repeat(64),
                observation: v1::Observation::Unobserved.into(),
            })
            .collect(),
        recorded_at_s: NOW_S,
        author: Some(person(v1::Role::Operator)),
        ..Default::default()
    };
    let facts = facts.encode_to_vec();
    let text = signed_text("example.net/log/1", &facts);
    let signature = key().sign_raw(text.as_bytes()).to_vec();
    let mut all = vec![v1::PersonSignature { person: Some(person(v1::Role::Operator)), signature }];
    signatures(&mut all);
    v1::SignedNodeFacts { facts, signatures: all }.encode_to_vec()
}

#[test]
fn facts_that_are_no_entry_of_the_log_are_refused_and_stop_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    enrol(&rig, v1::Role::Operator);
    let declare = |bytes: Vec<u8>| {
        let caller: PersonId = "person-1".parse().unwrap();
        rig.ask(|reply| Command::NodeFacts { bytes, caller, reply })
    };
    let again = |all: &mut Vec<v1::PersonSignature>| *all = vec![all[0].clone(); 9];
    assert_eq!(declare(facts(again, 1, 0)).unwrap_err().reason, "MALFORMED_FACTS");
    // As long as facts may be, they leave no room for the entry around them.
    let size_max = evidence::ENTRY_SIZE_MAX;
    let points = (1..256).rev().find(|n| facts(|_| {}, *n, 0).len() < size_max - 8).unwrap();
    let longest = |pad: &usize| facts(|_| {}, points, *pad).len() <= size_max;
    let pad = (0..1000).rev().find(longest).unwrap();
    assert_eq!(declare(facts(|_| {}, points, pad)).unwrap_err().reason, "MALFORMED_FACTS");
    assert!(declare(facts(|_| {}, 1, 0)).is_ok());
    rig.stop();
}

#[test]
fn a_clock_that_was_ahead_once_closes_the_register_to_nobody() {
    let dir = tempfile::tempdir().unwrap();
    Rig::new(dir.path()).stop();
    let rig = Rig::open_at(dir.path(), || NOW_S + 31_536_000).unwrap();
    enrol(&rig, v1::Role::Operator);
    rig.stop();
    let rig = Rig::open(dir.path()).unwrap();
    let (statement, chunk) = import("court/1");
    put(&rig, chunk);
    assert_eq!(append(&rig, signed(&statement, &key())).unwrap(), 1);
    rig.stop();
}

#[test]
fn a_revoked_person_acts_in_no_former_role() {
    use remit_collector::log::command::Subject;
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let keys =
        [7, 9].map(|secret| SigningKey::new(KeyName::new("person-1").unwrap(), [secret; 32]));
    for (key, role) in keys.iter().zip([v1::Role::Operator, v1::Role::Officer]) {
        let public_key = key.verifier().public_bytes().to_vec();
        let key = v1::PersonKey { person: Some(person(role)), public_key, ..Default::default() };
        rig.ask(|reply| Command::PersonKey { key, reply }).unwrap();
    }
    let subject = Subject::Person("person-1".parse().unwrap());
    assert_eq!(rig.ask(|reply| Command::Revoke { subject, keep: None, reply }).unwrap(), 2);
    for key in &keys {
        let bytes = key.verifier().public_bytes();
        assert!(rig.revoked_keys.contains(&bytes), "the certificate of this key acts no more");
    }
    rig.stop();
}

#[test]
fn a_revoked_person_writes_no_more() {
    use remit_collector::log::command::Subject;
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    enrol(&rig, v1::Role::Operator);
    let subject = Subject::Person("person-1".parse().unwrap());
    rig.ask(|reply| Command::Revoke { subject, keep: None, reply }).unwrap();
    let (statement, chunk) = import("court/1");
    put(&rig, chunk);
    let refusal = append(&rig, signed(&statement, &key())).unwrap_err();
    assert_eq!(refusal.reason, "UNKNOWN_PERSON");
    rig.stop();
}
