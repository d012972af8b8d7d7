//! One thing is wrong with the evidence; the report says which, and with what.

use evidence::bundle;
use prost::Message as _;
use remit_proto::v1::{self, log_entry::Entry};
use verify::{Files, Outcome};

use crate::operator::{AGENT, Operator, check, key, says};

fn contradicted(files: &Files, words: &str) {
    let report = check(files, &[]);
    assert_eq!(report.result, Outcome::Contradicted, "{report}");
    assert!(says(&report, Outcome::Contradicted, words), "no line says {words:?}:\n{report}");
}

fn folder() -> String {
    bundle::agent_folder(&AGENT.parse().unwrap())
}

#[test]
fn a_leaf_left_out_of_the_bundle() {
    let mut operator = Operator::honest();
    let leaf = operator.leaves.remove(5);
    // The same number of leaves, so that only their content differs.
    operator.leaves.push(leaf);
    contradicted(&operator.bundle(), "do not make up the signed root");
}

#[test]
fn a_verdict_that_the_evidence_does_not_give() {
    let mut files = Operator::honest().bundle();
    let lines = String::from_utf8(files.get(bundle::VERDICTS).unwrap().clone()).unwrap();
    let lie = lines.replace("NO_BASIS\",\"request\":\"\"", "AUTHORISED\",\"request\":\"r-1\"");
    files.insert(bundle::VERDICTS.into(), lie.into_bytes());
    contradicted(
        &files,
        "edge-1/00000000000000aa/5: as known then, the collector says AUTHORISED (r-1)",
    );
}

#[test]
fn a_verdict_left_out() {
    let mut files = Operator::honest().bundle();
    let lines = String::from_utf8(files.get(bundle::VERDICTS).unwrap().clone()).unwrap();
    let fewer: String = lines.lines().skip(1).map(|line| format!("{line}\n")).collect();
    files.insert(bundle::VERDICTS.into(), fewer.into_bytes());
    assert_eq!(check(&files, &[]).result, Outcome::Incomplete);
}

#[test]
fn an_opening_of_another_target() {
    let mut operator = Operator::honest();
    let opening = operator.openings[2].opening.as_mut().unwrap();
    opening.value =
        v1::Target { kind: v1::TargetKind::Ip.into(), value: "192.0.2.8".into() }.encode_to_vec();
    contradicted(&operator.bundle(), "is not what was committed there");
}

/// What the log says of the key of the only tree, before its last head.
fn before_the_last_head(entries: impl IntoIterator<Item = v1::NodeKey>) -> Files {
    let mut operator = Operator::honest();
    let head = operator.entries.pop().unwrap();
    for entry in entries {
        operator.logs(Entry::NodeKey(entry));
    }
    operator.entries.push(head);
    operator.bundle()
}

fn node_key(revoked_from_size: Option<u64>) -> v1::NodeKey {
    v1::NodeKey {
        origin: AGENT.into(),
        public_key: key(AGENT, 3).verifier().public_bytes().to_vec(),
        revoked: revoked_from_size.is_some(),
        revoked_from_size: revoked_from_size.unwrap_or(0),
        approver: None,
    }
}

#[test]
fn a_head_by_a_key_that_was_revoked() {
    let files = before_the_last_head([node_key(Some(7))]);
    contradicted(&files, "its key had been revoked below this size");
}

#[test]
fn a_revocation_that_a_later_entry_would_undo() {
    let again = before_the_last_head([node_key(Some(7)), node_key(None)]);
    contradicted(&again, "its key had been revoked below this size");
    let larger = before_the_last_head([node_key(Some(7)), node_key(Some(1000))]);
    contradicted(&larger, "its key had been revoked below this size");
}

#[test]
fn a_head_of_a_superseded_generation() {
    let mut operator = Operator::honest();
    let head = operator.entries.pop().unwrap();
    let newer = "example.net/agent/edge-1/00000000000000bb";
    let key = v1::NodeKey {
        origin: newer.into(),
        public_key: key(newer, 5).verifier().public_bytes().to_vec(),
        revoked: false,
        revoked_from_size: 0,
        approver: None,
    };
    operator.logs(Entry::NodeKey(key));
    operator.entries.push(head);
    contradicted(&operator.bundle(), "this generation had been superseded");
}

#[test]
fn a_head_of_a_node_that_was_never_enrolled() {
    let mut operator = Operator::honest();
    operator.entries.remove(1);
    contradicted(&operator.bundle(), "the log had enrolled no key for this tree");
}

#[test]
fn a_statement_by_nobody_that_the_log_knows() {
    let mut operator = Operator::honest();
    operator.entries.remove(0);
    contradicted(&operator.bundle(), "signatures.person: p-1 had no valid key");
}

#[test]
fn an_agent_checkpoint_that_the_log_does_not_show() {
    let operator = Operator::honest();
    let mut files = operator.bundle();
    files.insert(format!("{}/checkpoint", folder()), operator.checkpoints[0].clone());
    contradicted(&files, "is not the newest head of this tree in the log");
}

#[test]
fn a_bundle_checked_with_the_wrong_key() {
    let mut trust = crate::operator::trust(&[]);
    trust.log = key("example.net/log/1", 9).verifier();
    let files = Operator::honest().bundle();
    let report = verify::verify(&files, &trust, &verify::Options::default());
    assert_eq!(report.result, Outcome::CouldNotCheck, "it says nothing about the evidence");
    assert!(says(&report, Outcome::CouldNotCheck, "is not signed by the key that you gave"));
    assert!(report.coverage.is_none() && !report.to_string().contains("0 leaves"), "{report}");

    let mut trust = crate::operator::trust(&[]);
    trust.register = key("example.net/register", 9).verifier();
    let report = verify::verify(&files, &trust, &verify::Options::default());
    assert_eq!(report.result, Outcome::CouldNotCheck);
    assert!(says(&report, Outcome::CouldNotCheck, "register/checkpoint is not signed by the key"));
}

#[test]
fn a_signature_of_the_right_key_that_is_wrong_contradicts() {
    let mut files = Operator::honest().bundle();
    let note = files.get_mut("log/checkpoint").unwrap();
    // The size in the second line; the signature stays.
    let at = note.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    note[at] = if note[at] == b'1' { b'2' } else { b'1' };
    contradicted(&files, "is wrong");
}

#[test]
fn an_entry_of_a_newer_format_is_not_understood_and_not_forged() {
    let mut operator = Operator::honest();
    operator.entries.push(vec![0x08, 0x02, 0x10, 0x01]);
    let report = check(&operator.bundle(), &[]);
    assert_eq!(report.result, Outcome::Incomplete, "{report}");
    assert!(says(&report, Outcome::Incomplete, "not understood"));
}

#[test]
fn a_tree_that_was_enrolled_under_a_revoked_key() {
    let mut operator = Operator::honest();
    let node = |origin: &str, revoked| {
        Entry::NodeKey(v1::NodeKey {
            origin: origin.to_owned(),
            public_key: key(AGENT, 3).verifier().public_bytes().to_vec(),
            revoked,
            revoked_from_size: 0,
            approver: None,
        })
    };
    operator.logs(node(AGENT, true));
    operator.logs(node("example.net/agent/edge-2/00000000000000bb", false));
    contradicted(&operator.bundle(), "edge-2/00000000000000bb under a key that was revoked");
}
