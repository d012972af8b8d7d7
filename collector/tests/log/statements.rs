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

fn request(id: &str) -> v1::Request {
    v1::Request {
        id: id.to_owned(),
        version: 1,
        instrument: v1::Instrument::CourtOrderFinal.into(),
        form: v1::RequestForm::Letter.into(),
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
        status: v1::RequestStatus::Accepted.into(),
        basis_proof: v1::BasisProof::DocumentHeld.into(),
        basis_class: v1::BasisClass::Law.into(),
        ..Default::default()
    }
}

/// An import of one request, with its chunk.
fn import(id: &str) -> (v1::Statement, Vec<u8>) {
    let item = v1::RegisterItem { item: Some(v1::register_item::Item::Request(request(id))) };
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
    v1::SignedStatement { statement: bytes, signatures }.encode_to_vec()
}

fn append(rig: &Rig, bytes: Vec<u8>) -> Result<u64, Refusal> {
    let caller: PersonId = "person-1".parse().unwrap();
    rig.ask(|reply| Command::Statement { bytes, caller, reply })
}

fn put(rig: &Rig, bytes: Vec<u8>) {
    rig.ask(|reply| Command::Chunk { bytes, reply }).unwrap();
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
    assert_eq!(rig.ask(|reply| Command::Revoke { subject, reply }).unwrap(), 2);
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
    rig.ask(|reply| Command::Revoke { subject, reply }).unwrap();
    let (statement, chunk) = import("court/1");
    put(&rig, chunk);
    let refusal = append(&rig, signed(&statement, &key())).unwrap_err();
    assert_eq!(refusal.reason, "UNKNOWN_PERSON");
    rig.stop();
}
