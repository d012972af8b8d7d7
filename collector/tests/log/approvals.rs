//! Approvals by login: the collector's word, which nobody else can give.

use evidence::{
    PersonId,
    statement::{attested_text, signed_text},
};
use prost::Message;
use remit_collector::log::command::{Command, Refusal};
use remit_proto::v1::{self, ApprovalMeans, statement::Body};
use sha2::{Digest, Sha256};
use tlog::note::{KeyName, SigningKey};

use crate::rig::{NOW_S, Rig};

const ORIGIN: &str = "example.net/register";

fn operator(person: &str) -> v1::PersonRef {
    v1::PersonRef { person: person.to_owned(), role: v1::Role::Operator.into() }
}

fn key(person: &str) -> SigningKey {
    let secret = [person.bytes().last().unwrap(); 32];
    SigningKey::new(KeyName::new(person).unwrap(), secret)
}

fn enrol(rig: &Rig, person: &str) {
    let public_key = key(person).verifier().public_bytes().to_vec();
    let key = v1::PersonKey { person: Some(operator(person)), public_key, ..Default::default() };
    rig.ask(|reply| Command::PersonKey { key, reply }).unwrap();
}

fn statement(person: &str, body: Body) -> v1::Statement {
    v1::Statement {
        format: 1,
        origin: ORIGIN.to_owned(),
        recorded_at_s: NOW_S,
        effective_at_s: NOW_S,
        author: Some(operator(person)),
        approver: None,
        body: Some(body),
    }
}

fn append(rig: &Rig, person: &str, signed: &v1::SignedStatement) -> Result<u64, Refusal> {
    let caller: PersonId = person.parse().unwrap();
    let bytes = signed.encode_to_vec();
    rig.ask(|reply| Command::Statement { bytes, caller, reply })
}

fn signed(person: &str, body: Body) -> v1::SignedStatement {
    let statement = statement(person, body).encode_to_vec();
    let signature = key(person).sign_raw(signed_text(ORIGIN, &statement).as_bytes()).to_vec();
    let signatures = vec![v1::PersonSignature { person: Some(operator(person)), signature }];
    v1::SignedStatement { statement, signatures, attestation: Vec::new() }
}

fn approve(rig: &Rig, person: &str, digest: Vec<u8>) -> Result<u64, Refusal> {
    let caller: PersonId = person.parse().unwrap();
    rig.ask(|reply| Command::Approve { statement: 1, digest, caller, reply })
}

/// A register with a request that covers a list, and a feed that waits; its digest.
fn waiting(rig: &Rig) -> Vec<u8> {
    use evidence::{chunk::SetBuilder, commitment::Salt};
    let mut request = crate::statements::request("reg/1");
    let task = request.task.as_mut().unwrap();
    task.covers_lists = vec!["rkn".to_owned()];
    task.targets = Vec::new();
    let item = v1::RegisterItem { item: Some(v1::register_item::Item::Request(request)) };
    let mut set = SetBuilder::new();
    assert!(set.push(Salt([3; 16]), item.encode_to_vec()).is_none());
    let (items, chunk) = set.finish();
    let bytes = chunk.unwrap();
    rig.ask(|reply| Command::Chunk { node: None, bytes: bytes.into(), reply }).unwrap();
    let import = v1::Import { items: Some(items), rows_read: 1, ..Default::default() };
    append(rig, "person-1", &signed("person-1", Body::Import(import))).unwrap();
    let feed = signed(
        "person-1",
        Body::ListFeed(v1::ListFeed {
            list_id: "rkn".to_owned(),
            request_id: "reg/1".to_owned(),
            publication_interval_s: 3600,
            fetch_time_s: 600,
            change_entries_max: 10,
            change_permille_max: 100,
        }),
    );
    append(rig, "person-1", &feed).unwrap();
    Sha256::digest(&feed.statement).to_vec()
}

#[test]
fn a_second_person_who_is_logged_in_approves_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    enrol(&rig, "person-1");
    enrol(&rig, "person-2");
    let digest = waiting(&rig);
    let reason = |result: Result<u64, Refusal>| result.unwrap_err().reason;
    assert_eq!(reason(approve(&rig, "person-1", digest.clone())), "REFUSED_BY_REGISTER", "his own");
    assert_eq!(reason(approve(&rig, "person-9", digest.clone())), "UNKNOWN_PERSON");
    assert_eq!(
        reason(approve(&rig, "person-2", vec![7; 32])),
        "REFUSED_BY_REGISTER",
        "another one"
    );
    assert_eq!(reason(approve(&rig, "person-2", vec![7; 31])), "MALFORMED_STATEMENT");
    assert_eq!(approve(&rig, "person-2", digest.clone()).unwrap(), 3);
    assert_eq!(reason(approve(&rig, "person-2", digest.clone())), "REFUSED_BY_REGISTER", "again");
    rig.stop();
    let rig = Rig::open(dir.path()).unwrap();
    assert_eq!(reason(approve(&rig, "person-2", digest)), "REFUSED_BY_REGISTER", "it is there");
    rig.stop();
}

#[test]
fn nobody_else_attests() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    enrol(&rig, "person-1");
    enrol(&rig, "person-2");
    let digest = waiting(&rig);
    let approval = |means: ApprovalMeans| {
        let digest = digest.clone();
        Body::Approval(v1::Approval { statement: 1, digest, means: means.into() })
    };
    let refused =
        |signed: &v1::SignedStatement| append(&rig, "person-2", signed).unwrap_err().reason;
    // Signed, and said to be attested; attested by a key of somebody's own; and attested where it is signed.
    let attested = signed("person-2", approval(ApprovalMeans::AttestedByCollector));
    assert_eq!(refused(&attested), "MALFORMED_STATEMENT");
    let text = attested_text(ORIGIN, &attested.statement);
    let attestation = key("person-2").sign_raw(text.as_bytes()).to_vec();
    let own = v1::SignedStatement { signatures: Vec::new(), attestation, ..attested };
    assert_eq!(refused(&own), "BAD_SIGNATURE");
    let mut both = signed("person-2", approval(ApprovalMeans::SignedByPerson));
    both.attestation = vec![7; 64];
    assert_eq!(refused(&both), "MALFORMED_STATEMENT");
    both.attestation.clear();
    assert_eq!(append(&rig, "person-2", &both).unwrap(), 3);
    rig.stop();
}
