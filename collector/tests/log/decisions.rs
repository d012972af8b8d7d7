//! Who may say what of a finding, what is refused, and what a restart finds.

use evidence::{PersonId, chunk::SetBuilder, commitment::Salt, statement::signed_text};
use prost::Message;
use register::cases::Note;
use remit_collector::{
    committed::What,
    log::command::{Command, Refusal},
};
use remit_proto::v1::{self, DecisionAct as Act, DecisionReason as Reason, Role, statement::Body};
use tlog::note::{KeyName, SigningKey};

use crate::rig::{NOW_S, Rig};

const ORIGIN: &str = "example.net/cases";

fn key(id: &str) -> SigningKey {
    let secret = [id.len() as u8; 32];
    SigningKey::new(KeyName::new(id).unwrap(), secret)
}

fn enrol(rig: &Rig, id: &str, role: Role) {
    let key = v1::PersonKey {
        person: Some(v1::PersonRef { person: id.to_owned(), role: role.into() }),
        public_key: key(id).verifier().public_bytes().to_vec(),
        ..Default::default()
    };
    rig.ask(|reply| Command::PersonKey { key, reply }).unwrap();
}

fn statement(id: &str, role: Role, act: Act, reason: Reason) -> v1::Statement {
    let subject = v1::FindingSubject {
        code: "NO_BASIS".to_owned(),
        node: "edge-1".to_owned(),
        generation: "00000000000000aa".to_owned(),
        rule: 7,
        ..Default::default()
    };
    let decision = v1::Decision {
        subject: Some(subject),
        act: act.into(),
        reason: reason.into(),
        log_size: 1,
        note: None,
    };
    v1::Statement {
        format: 1,
        origin: ORIGIN.to_owned(),
        recorded_at_s: NOW_S,
        effective_at_s: NOW_S,
        author: Some(v1::PersonRef { person: id.to_owned(), role: role.into() }),
        approver: None,
        body: Some(Body::Decision(decision)),
    }
}

fn decide(rig: &Rig, statement: &v1::Statement, note_chunk: Vec<u8>) -> Result<u64, Refusal> {
    let person = statement.author.clone().unwrap();
    let caller: PersonId = person.person.parse().unwrap();
    let bytes = statement.encode_to_vec();
    let text = signed_text(&statement.origin, &bytes);
    let signature = key(&person.person).sign_raw(text.as_bytes()).to_vec();
    let signatures = vec![v1::PersonSignature { person: Some(person), signature }];
    let bytes = v1::SignedStatement { statement: bytes, signatures, attestation: Vec::new() }
        .encode_to_vec();
    rig.ask(|reply| Command::Decision { bytes, note_chunk, caller, reply })
}

fn note(text: &str) -> (v1::ItemSet, Vec<u8>) {
    let mut set = SetBuilder::new();
    let item = v1::CaseNote { text: text.to_owned() }.encode_to_vec();
    assert!(set.push(Salt([3; 16]), item).is_none());
    let (set, chunk) = set.finish();
    (set, chunk.unwrap())
}

fn with_note(mut statement: v1::Statement, set: v1::ItemSet) -> v1::Statement {
    if let Some(Body::Decision(decision)) = &mut statement.body {
        decision.note = Some(set);
    }
    statement
}

fn notes(committed: &[What]) -> Vec<&Note> {
    committed
        .iter()
        .filter_map(|what| match what {
            What::Decision { note, .. } => Some(note),
            What::Batch { .. }
            | What::Entry { .. }
            | What::Statement { .. }
            | What::Published { .. } => None,
        })
        .collect()
}

#[test]
fn acts_are_kept_in_order_and_found_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    enrol(&rig, "op", Role::Operator);
    enrol(&rig, "assessor", Role::Assessor);
    let explained = statement("op", Role::Operator, Act::Explain, Reason::ThirdParty);
    let (set, chunk) = note("the vendor's list");
    assert_eq!(decide(&rig, &with_note(explained, set), chunk).unwrap(), 1);
    let reopened = statement("assessor", Role::Assessor, Act::Reopen, Reason::NewEvidence);
    assert_eq!(decide(&rig, &reopened, Vec::new()).unwrap(), 2);
    let before = rig.stop();
    assert_eq!(notes(&before), [&Note::Text("the vendor's list".to_owned()), &Note::None]);
    let heads = before.iter().filter(|what| {
        matches!(what, What::Entry { entry: v1::log_entry::Entry::CaseHead(_), .. })
    });
    assert!(heads.count() >= 1, "a head of the case log stands in the log");

    let rig = Rig::open(dir.path()).unwrap();
    let again = statement("assessor", Role::Assessor, Act::Reopen, Reason::NewEvidence);
    let refused = decide(&rig, &again, Vec::new()).unwrap_err();
    assert_eq!(refused.reason, "REFUSED_BY_CASES");
    assert!(refused.detail.contains("is open cannot be made open"), "{}", refused.detail);
    assert_eq!(notes(&rig.stop()), notes(&before));
}

#[test]
fn a_note_whose_chunk_is_gone_is_erased_and_the_act_stands() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    enrol(&rig, "op", Role::Operator);
    let explained = statement("op", Role::Operator, Act::Explain, Reason::Other);
    let (set, chunk) = note("a name that should not be here");
    decide(&rig, &with_note(explained, set), chunk).unwrap();
    rig.stop();
    std::fs::remove_dir_all(dir.path().join("chunks")).unwrap();
    let rig = Rig::open(dir.path()).unwrap();
    assert_eq!(notes(&rig.stop()), [&Note::Erased]);
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    enrol(&rig, "op", Role::Operator);
    enrol(&rig, "public", Role::Public);
    let check = |statement: &v1::Statement, chunk: Vec<u8>, reason: &str, word: &str| {
        let refused = decide(&rig, statement, chunk).unwrap_err();
        assert_eq!(refused.reason, reason, "{}", refused.detail);
        assert!(refused.detail.contains(word), "{}", refused.detail);
    };
    let good = statement("op", Role::Operator, Act::Explain, Reason::ThirdParty);
    let elsewhere = v1::Statement { origin: "example.net/register".to_owned(), ..good.clone() };
    check(&elsewhere, Vec::new(), "WRONG_ORIGIN", "example.net/cases");
    let early = v1::Statement { recorded_at_s: NOW_S - 86_400, ..good.clone() };
    check(&early, Vec::new(), "BACKDATED", "recorded_at_s");
    let public = statement("public", Role::Public, Act::Dispute, Reason::NewEvidence);
    check(&public, Vec::new(), "NOT_AUTHORISED", "operator or officer or assessor");
    let as_assessor = statement("op", Role::Assessor, Act::Dispute, Reason::NewEvidence);
    check(&as_assessor, Vec::new(), "NOT_AUTHORISED", "enrolled as operator");
    let (set, chunk) = note("words");
    check(&good, chunk.clone(), "MALFORMED_NOTE", "leave the chunk out");
    check(&with_note(good.clone(), set.clone()), Vec::new(), "MALFORMED_NOTE", "note_chunk");
    let (_, other) = note("other words");
    check(&with_note(good.clone(), set), other, "MALFORMED_NOTE", "note_chunk");
    let silent = statement("op", Role::Operator, Act::Explain, Reason::Other);
    check(&silent, Vec::new(), "REFUSED_BY_CASES", "needs a note");
    assert_eq!(notes(&rig.stop()), Vec::<&Note>::new());
}
