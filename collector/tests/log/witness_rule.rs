//! From the size last accepted, with a proof, in one step.

use std::time::Duration;

use evidence::batch;
use remit_collector::{committed::What, config::NodeLimits};
use remit_proto::v1::{self, RefusalCode, log_entry::Entry};
use tlog::{Hash, checkpoint::Checkpoint, leaf_hash, note::Note, verify_inclusion};

use crate::rig::{Agent, NOW_S, Rig, clock};

fn refused(result: Result<u64, remit_collector::log::command::Refusal>) -> (RefusalCode, u64) {
    let refusal = result.expect_err("refused");
    (refusal.code, refusal.size)
}

fn kinds(committed: &[What]) -> Vec<&'static str> {
    committed
        .iter()
        .map(|what| match what {
            What::Batch { .. } => "batch",
            What::Entry { entry: Entry::NodeKey(_), .. } => "node_key",
            What::Entry { entry: Entry::AgentHead(_), .. } => "agent_head",
            What::Entry { entry: Entry::Fork(_), .. } => "fork",
            What::Entry { .. } => "entry",
            What::Statement { .. } => "statement",
            What::Decision { .. } => "decision",
            What::Published { .. } => "published",
        })
        .collect()
}

/// A leaf that says little.
fn change(at_s: i64) -> v1::leaf::Body {
    let config_digest = vec![7; 32];
    v1::leaf::Body::ConfigChange(v1::ConfigChange { at_s, config_digest, ..Default::default() })
}

#[test]
fn a_batch_is_taken_once_and_its_head_is_logged_with_a_proof() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    let first = agent.first();
    assert_eq!(rig.submit(&agent, first.clone()).unwrap(), 2);
    assert_eq!(refused(rig.submit(&agent, first)), (RefusalCode::WrongSize, 2), "sent twice");
    let receipt = rig.wait_until_logged(&agent);
    let head = Checkpoint::parse_text(&Note::parse(&receipt.checkpoint).unwrap().text).unwrap();
    let proof: Vec<Hash> = receipt.inclusion.iter().map(|h| Hash::from_slice(h).unwrap()).collect();
    let leaf = leaf_hash(&receipt.entry);
    verify_inclusion(receipt.log_index, head.size, &leaf, &proof, &head.root).unwrap();
    let committed = rig.stop();
    assert_eq!(kinds(&committed)[..4], ["node_key", "batch", "agent_head", "published"]);
}

#[test]
fn the_head_of_a_flood_is_logged_before_the_next_publish() {
    let dir = tempfile::tempdir().unwrap();
    Rig::new(dir.path()).stop();
    let limits = NodeLimits::default();
    let an_hour = Duration::from_secs(3600);
    let rig = Rig::open_publishing(dir.path(), clock, limits, an_hour).unwrap();
    let mut agent = Agent::new("edge-1", 1, 1);
    rig.submit(&agent.clone(), agent.first()).unwrap();
    for _ in 0..32 {
        let batch = agent.batch(vec![change(NOW_S); batch::LEAVES_MAX - 1]);
        rig.submit(&agent.clone(), batch).unwrap();
    }
    rig.submit(&agent.clone(), agent.batch(vec![])).unwrap();
    let kinds = kinds(&rig.stop());
    let flood = kinds.iter().filter(|kind| **kind == "batch").count() - 1;
    let (head, last) = (
        kinds.iter().position(|kind| *kind == "agent_head").unwrap(),
        kinds.iter().rposition(|kind| *kind == "batch").unwrap(),
    );
    assert_eq!(flood, 33);
    assert!(head < last, "{kinds:?}");
}

#[test]
fn a_batch_with_a_gap_is_refused_and_told_where_to_resume() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    rig.submit(&agent.clone(), agent.first()).unwrap();
    let _missing = agent.batch(vec![]);
    let later = agent.batch(vec![]);
    assert_eq!(refused(rig.submit(&agent, later)), (RefusalCode::WrongSize, 2));
    rig.stop();
}

#[test]
fn a_fork_is_refused_and_both_heads_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    let mut clone = agent.clone();
    rig.submit(&agent.clone(), agent.first()).unwrap();
    let _ = clone.first();
    // To size 5: a proof from a power of two cannot show another history.
    let two = |at_s| vec![change(at_s); 2];
    rig.submit(&agent.clone(), agent.batch(two(NOW_S - 1))).unwrap();

    // The clone goes another way from the same size, and signs it.
    let other = clone.batch(two(NOW_S - 2));
    assert_eq!(refused(rig.submit(&clone, other)).0, RefusalCode::Fork, "a head of an old size");
    let further = clone.batch(vec![]);
    assert_eq!(refused(rig.submit(&clone, further)).0, RefusalCode::Fork, "a head beyond ours");
    let committed = rig.stop();
    let forks = kinds(&committed).into_iter().filter(|kind| *kind == "fork").count();
    assert_eq!(forks, 2);
}

#[test]
fn a_proof_that_leads_nowhere_is_refused_and_nothing_is_kept_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    rig.submit(&agent.clone(), agent.first()).unwrap();
    let mut old = agent.clone();
    rig.submit(&agent.clone(), agent.batch(vec![])).unwrap();
    // The right head, and a bit of leaf and proof is not.
    let mut bad = agent.clone().batch(vec![change(NOW_S - 1)]);
    bad.leaves.pop();
    bad.consistency[0][0] ^= 1;
    assert_eq!(refused(rig.submit(&agent, bad)), (RefusalCode::BadProof, 3));
    // An accepted head that is called a continuation of a later one contradicts nothing.
    let again = v1::Batch { old_size: 3, ..old.batch(vec![]) };
    assert_eq!(refused(rig.submit(&agent, again)).0, RefusalCode::RootMismatch);
    assert!(!kinds(&rig.stop()).contains(&"fork"));
}

#[test]
fn a_fork_at_a_power_of_two_shows_when_the_tree_has_gone_on() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    let mut clone = agent.clone();
    rig.submit(&agent.clone(), agent.first()).unwrap();
    let _ = clone.first();
    // Two histories of four leaves each.
    rig.submit(&agent.clone(), agent.batch(vec![change(NOW_S - 1)])).unwrap();
    let _ = clone.batch(vec![change(NOW_S - 2)]);
    let other = clone.clone().batch(vec![]);
    assert_eq!(refused(rig.submit(&clone, other)), (RefusalCode::BadProof, 4));
    // Five, and the clone is as far.
    rig.submit(&agent.clone(), agent.batch(vec![])).unwrap();
    let _ = clone.batch(vec![]);
    let other = clone.clone().batch(vec![]);
    assert_eq!(refused(rig.submit(&clone, other)), (RefusalCode::Fork, 5));
    assert!(kinds(&rig.stop()).contains(&"fork"));
}

#[test]
fn a_repeated_old_head_that_agrees_is_no_fork() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    let first = agent.first();
    rig.submit(&agent, first.clone()).unwrap();
    rig.submit(&agent.clone(), agent.batch(vec![])).unwrap();
    assert_eq!(refused(rig.submit(&agent, first)), (RefusalCode::WrongSize, 3));
    rig.stop();
}

#[test]
fn signatures_leaves_and_openings_are_each_refused_by_their_own_code() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    let first = agent.first();
    let check = |change: &dyn Fn(&mut remit_proto::v1::Batch), code| {
        let mut bad = first.clone();
        change(&mut bad);
        assert_eq!(refused(rig.submit(&agent, bad)).0, code);
    };
    check(&|b| *b.note.last_mut().unwrap() ^= 1, RefusalCode::BadSignature);
    check(
        &|b| {
            b.leaves.pop();
        },
        RefusalCode::RootMismatch,
    );
    check(&|b| b.leaves[0][5] ^= 1, RefusalCode::RootMismatch);
    check(&|b| b.openings.push(remit_proto::v1::LeafOpening::default()), RefusalCode::WrongOpening);
    let mut stranger = Agent::new("edge-1", 1, 2);
    let forged = stranger.first();
    assert_eq!(refused(rig.submit(&agent, forged)).0, RefusalCode::BadSignature, "a foreign key");
    assert_eq!(rig.submit(&agent, first).unwrap(), 2, "and nothing has changed");
    rig.stop();
}

#[test]
fn a_later_generation_supersedes_the_former_one() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let (mut old, mut new) = (Agent::new("edge-1", 1, 1), Agent::new("edge-1", 2, 1));
    rig.submit(&old.clone(), old.first()).unwrap();
    rig.submit(&new.clone(), new.first()).unwrap();
    let late = old.batch(vec![]);
    assert_eq!(refused(rig.submit(&old, late)).0, RefusalCode::SupersededGeneration);
    assert!(kinds(&rig.stop()).contains(&"fork"), "what came late is kept as evidence");
}

#[test]
fn a_batch_of_a_superseded_generation_that_is_sent_once_more_is_no_fork() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let (mut old, mut new) = (Agent::new("edge-1", 1, 1), Agent::new("edge-1", 2, 1));
    let first = old.first();
    rig.submit(&old, first.clone()).unwrap();
    rig.submit(&old.clone(), old.batch(vec![])).unwrap();
    rig.submit(&new.clone(), new.first()).unwrap();
    assert_eq!(refused(rig.submit(&old, first)).0, RefusalCode::SupersededGeneration);
    assert!(!kinds(&rig.stop()).contains(&"fork"), "it was accepted in its time");
}

#[test]
fn a_node_with_many_forks_does_not_hide_those_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let fork = |node: &str, count: u8| {
        let mut agent = Agent::new(node, 1, 1);
        let mut clone = agent.clone();
        rig.submit(&agent.clone(), agent.first()).unwrap();
        rig.submit(&agent.clone(), agent.batch(vec![])).unwrap();
        let _ = clone.batch(vec![change(NOW_S - 1), change(NOW_S - 1)]);
        for at in 0..count {
            let other = clone.clone().batch(vec![change(NOW_S - 2 - i64::from(at))]);
            assert_eq!(refused(rig.submit(&clone, other)).0, RefusalCode::Fork, "{node} {at}");
        }
    };
    fork("edge-1", 100);
    fork("edge-2", 1);
    let forks = kinds(&rig.stop()).into_iter().filter(|kind| *kind == "fork").count();
    assert_eq!(forks, 64 + 1, "64 of the first, and the one of the second");
}

#[test]
fn a_node_is_not_looked_into_for_each_old_head_that_it_sends() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    let mut clone = agent.clone();
    rig.submit(&agent.clone(), agent.first()).unwrap();
    let _ = clone.first();
    rig.submit(&agent.clone(), agent.batch(vec![change(NOW_S - 1)])).unwrap();
    for (at, code) in [(2, RefusalCode::Fork), (3, RefusalCode::WrongSize)] {
        let other = clone.clone().batch(vec![change(NOW_S - at)]);
        let other = v1::Batch { old_size: 1, ..other };
        assert_eq!(refused(rig.submit(&clone, other)).0, code);
    }
    rig.stop();
}

#[test]
fn a_revoked_key_opens_no_new_generation() {
    use remit_collector::log::command::{Command, Subject};
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    rig.submit(&agent.clone(), agent.first()).unwrap();
    let subject = Subject::Node("edge-1".parse().unwrap());
    rig.ask(|reply| Command::Revoke { subject, keep: None, reply }).unwrap();
    // The edge let it through a moment before the revocation was logged.
    let mut again = Agent::new("edge-1", 2, 1);
    assert_eq!(refused(rig.submit(&again.clone(), again.first())).0, RefusalCode::RevokedKey);
    let mut enrolled_again = Agent::new("edge-1", 3, 2);
    assert_eq!(rig.submit(&enrolled_again.clone(), enrolled_again.first()).unwrap(), 2);
    rig.stop();
}

#[test]
fn a_revoked_node_comes_back_with_none_of_its_former_keys() {
    use remit_collector::log::command::{Command, Subject};
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    // Enrolled twice, so that a certificate for each of the two keys may be about.
    for (generation, secret) in [(1, 1), (2, 1), (3, 2)] {
        let mut agent = Agent::new("edge-1", generation, secret);
        rig.submit(&agent.clone(), agent.first()).unwrap();
    }
    let revoke = || {
        let subject = Subject::Node("edge-1".parse().unwrap());
        rig.ask(|reply| Command::Revoke { subject, keep: None, reply }).unwrap()
    };
    assert_eq!(revoke(), 2, "one entry for each key");
    assert_eq!(revoke(), 0, "and none for what is revoked already");
    for secret in [1, 2] {
        let mut again = Agent::new("edge-1", 4, secret);
        assert_eq!(refused(rig.submit(&again.clone(), again.first())).0, RefusalCode::RevokedKey);
    }
    let unknown = Subject::Node("edge-9".parse().unwrap());
    let refusal =
        rig.ask(|reply| Command::Revoke { subject: unknown, keep: None, reply }).unwrap_err();
    assert_eq!(refusal.reason, "UNKNOWN_SUBJECT");
    rig.stop();
}

#[test]
fn a_key_that_a_tree_changed_to_takes_the_enrolled_one_with_it() {
    use remit_collector::log::command::{Command, Subject};
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    rig.submit(&agent.clone(), agent.first()).unwrap();
    let new_public_key = Agent::new("edge-1", 1, 2).key.verifier().public_bytes().to_vec();
    let change = v1::leaf::Body::KeyChange(v1::KeyChange { at_s: NOW_S, new_public_key });
    rig.submit(&agent.clone(), agent.batch(vec![change])).unwrap();
    let subject = Subject::Node("edge-1".parse().unwrap());
    rig.ask(|reply| Command::Revoke { subject, keep: None, reply }).unwrap();
    let mut again = Agent::new("edge-1", 2, 1);
    assert_eq!(refused(rig.submit(&again.clone(), again.first())).0, RefusalCode::RevokedKey);
    rig.stop();
}

#[test]
fn a_batch_changes_the_key_once_and_ends_with_its_only_seal() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    rig.submit(&agent.clone(), agent.first()).unwrap();
    let new_key = |secret| {
        let new_public_key = Agent::new("edge-1", 1, secret).key.verifier().public_bytes();
        let new_public_key = new_public_key.to_vec();
        v1::leaf::Body::KeyChange(v1::KeyChange { at_s: NOW_S, new_public_key })
    };
    let two = agent.clone().batch(vec![new_key(2), new_key(3)]);
    assert_eq!(refused(rig.submit(&agent, two)).0, RefusalCode::MalformedLeaf);
    let inner = agent.clone().batch(vec![new_key(2), Agent::seal(NOW_S)]);
    assert_eq!(refused(rig.submit(&agent, inner)).0, RefusalCode::MalformedLeaf);
    rig.submit(&agent.clone(), agent.batch(vec![new_key(2)])).unwrap();
    // The next head is the new key's.
    let old = agent.clone().batch(vec![]);
    assert_eq!(refused(rig.submit(&agent, old)).0, RefusalCode::BadSignature);
    agent.key = Agent::new("edge-1", 1, 2).key;
    let new = agent.batch(vec![]);
    assert_eq!(rig.submit(&Agent::new("edge-1", 1, 1), new).unwrap(), 5);
    rig.stop();
}

#[test]
fn a_revoked_key_is_refused_at_once() {
    use remit_collector::log::command::{Command, Subject};
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    rig.submit(&agent.clone(), agent.first()).unwrap();
    let subject = Subject::Node("edge-1".parse().unwrap());
    rig.ask(|reply| Command::Revoke { subject, keep: None, reply }).unwrap();
    let late = agent.batch(vec![]);
    assert_eq!(refused(rig.submit(&agent, late)).0, RefusalCode::RevokedKey);
    rig.stop();
}

#[test]
fn a_snapshot_without_its_chunks_is_refused_until_they_came() {
    use evidence::{chunk::SetBuilder, commitment::Salt};
    use remit_collector::log::command::Command;
    use remit_proto::v1::{RuleSnapshot, SourceKind, leaf::Body};
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    rig.submit(&agent.clone(), agent.first()).unwrap();
    let mut set = SetBuilder::new();
    assert!(set.push(Salt([1; 16]), b"an item".to_vec()).is_none());
    let (rules, chunk) = set.finish();
    let snapshot = RuleSnapshot {
        source: SourceKind::Nftables.into(),
        at_s: NOW_S,
        rules: Some(rules),
        ..Default::default()
    };
    let batch = agent.batch(vec![Body::RuleSnapshot(snapshot)]);
    let first_try = rig.submit(&agent, batch.clone());
    assert_eq!(refused(first_try), (RefusalCode::MissingChunk, 2));
    let bytes = chunk.unwrap();
    rig.ask(|reply| Command::Chunk { node: None, bytes: bytes.into(), reply }).unwrap();
    assert_eq!(rig.submit(&agent, batch).unwrap(), 4);
    let malformed = rig
        .ask(|reply| Command::Chunk { node: None, bytes: vec![0xff].into(), reply })
        .unwrap_err();
    assert_eq!(malformed.code, RefusalCode::MalformedChunk);
    rig.stop();
}
