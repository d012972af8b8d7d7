//! An enrolled agent that wants to stop the collector, or to leave something in a public log.

use prost::Message;
use remit_collector::{
    config::NodeLimits,
    log::command::{Command, Refusal},
};
use remit_proto::v1::{self, RefusalCode, leaf::Body};
use tlog::{
    checkpoint::Checkpoint,
    note::{KeyName, Note, VerifierKey},
};

use crate::rig::{Agent, NOW_S, Rig, clock};

/// What `change` makes of a batch is refused by this code, and everybody else is served as before.
fn check(code: RefusalCode, change: impl FnOnce(&mut Agent) -> v1::Batch) {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    rig.submit(&agent.clone(), agent.first()).unwrap();
    let before = agent.clone();
    let hostile = change(&mut agent);
    assert_eq!(rig.submit(&before, hostile).unwrap_err().code, code);
    let mut other = Agent::new("edge-2", 2, 2);
    rig.submit(&other.clone(), other.first()).unwrap();
    rig.wait_until_logged(&other);
    rig.stop();
}

/// The same head, signed by the same key, in another note.
fn resigned(agent: &Agent, batch: v1::Batch, extensions: Vec<String>) -> v1::Batch {
    let mut head = Checkpoint::open(&batch.note, &agent.key.verifier()).unwrap();
    head.extensions = extensions;
    v1::Batch { note: head.sign(&agent.key).unwrap().encode(), ..batch }
}

#[test]
fn a_head_that_no_entry_of_the_log_could_hold() {
    check(RefusalCode::TooLarge, |agent| {
        let batch = agent.batch(vec![]);
        resigned(agent, batch, vec!["x".repeat(20_000)])
    });
}

#[test]
fn words_beside_a_head_that_would_become_public() {
    check(RefusalCode::BadSignature, |agent| {
        let batch = agent.batch(vec![]);
        resigned(agent, batch, vec!["subscriber 192.0.2.1 asked for it".to_owned()])
    });
    check(RefusalCode::BadSignature, |agent| {
        let mut batch = agent.batch(vec![]);
        let mut note = Note::parse(&batch.note).unwrap();
        let mut beside = note.signatures.first().unwrap().clone();
        beside.name = KeyName::new("subscriber-192.0.2.1").unwrap();
        note.signatures.push(beside);
        batch.note = note.encode();
        batch
    });
}

#[test]
fn a_change_to_a_key_that_is_none() {
    let name = || KeyName::new("key").unwrap();
    let no_key = (2..).map(|byte| [byte; 32]).find(|key| VerifierKey::new(name(), *key).is_err());
    let change = v1::KeyChange { at_s: NOW_S, new_public_key: no_key.unwrap().to_vec() };
    check(RefusalCode::MalformedLeaf, |agent| {
        let leaves = [Body::KeyChange(change), Agent::seal(NOW_S)];
        agent.close(leaves.map(|body| v1::Leaf { body: Some(body) }.encode_to_vec()).to_vec())
    });
}

/// A `Genesis` of format 2 and nothing else that this version could read.
const NEWER_GENESIS: [u8; 4] = [0x0a, 0x02, 0x08, 0x02];

#[test]
fn a_genesis_of_a_newer_format_in_the_middle_of_a_tree() {
    check(RefusalCode::MalformedLeaf, |agent| {
        let seal = v1::Leaf { body: Some(Agent::seal(NOW_S)) }.encode_to_vec();
        agent.close(vec![NEWER_GENESIS.to_vec(), seal])
    });
}

#[test]
fn a_tree_of_a_newer_format_is_kept_and_its_leaves_have_the_limits_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    assert_eq!(rig.submit(&agent.clone(), agent.close(vec![NEWER_GENESIS.to_vec()])).unwrap(), 1);
    // No bundle has room for more than 65535 bytes of one leaf.
    let mut fork = agent.clone();
    let long = rig.submit(&agent, fork.close(vec![vec![0xff; 70_000]])).unwrap_err();
    assert_eq!(long.code, RefusalCode::MalformedLeaf, "{long}");
    let mut fork = agent.clone();
    let empty = rig.submit(&agent, fork.close(vec![])).unwrap_err();
    assert_eq!(empty.code, RefusalCode::MalformedLeaf, "{empty}");
    assert_eq!(rig.submit(&agent.clone(), agent.close(vec![vec![0xff; 100]])).unwrap(), 2);
    rig.wait_until_logged(&agent);
    rig.stop();
}

/// A collector with these limits, and what a node is answered that goes beyond one of them.
fn limited(limits: NodeLimits, beyond: impl FnOnce(&Rig, &mut Agent) -> Refusal) {
    let dir = tempfile::tempdir().unwrap();
    Rig::new(dir.path()).stop();
    let rig = Rig::open_with(dir.path(), clock, limits).unwrap();
    let mut agent = Agent::new("edge-1", 1, 1);
    rig.submit(&agent.clone(), agent.first()).unwrap();
    let accepted = agent.edge.size();
    let refusal = beyond(&rig, &mut agent);
    assert_eq!(refusal.code, RefusalCode::Limit, "{refusal}");
    assert!(refusal.retry_after_s > 0 && refusal.size <= accepted, "{refusal}");
    let mut other = Agent::new("edge-2", 2, 2);
    rig.submit(&other.clone(), other.first()).unwrap();
    rig.wait_until_logged(&other);
    rig.stop();
}

#[test]
fn a_node_that_would_fill_the_disk_with_batches() {
    let limits = NodeLimits { bytes_per_day: 2_000, ..NodeLimits::default() };
    limited(limits, |rig, agent| {
        for _ in 0..20 {
            let before = agent.clone();
            let batch = agent.batch(vec![]);
            if let Err(refusal) = rig.submit(&before, batch) {
                assert_eq!(refusal.size, before.edge.size(), "where it may go on");
                return Refusal { size: 0, ..refusal };
            }
        }
        panic!("more than its limit");
    });
}

#[test]
fn a_node_that_begins_ever_new_generations() {
    let limits = NodeLimits { generations_per_hour: 2, ..NodeLimits::default() };
    limited(limits, |rig, _| {
        let mut second = Agent::new("edge-1", 2, 1);
        rig.submit(&second.clone(), second.first()).unwrap();
        let mut third = Agent::new("edge-1", 3, 1);
        let refusal = rig.submit(&third.clone(), third.first()).unwrap_err();
        let batch = second.clone().batch(vec![]);
        rig.submit(&second, batch).unwrap();
        refusal
    });
}

#[test]
fn a_node_that_sends_chunks_which_nothing_names() {
    let limits = NodeLimits { unnamed_chunks: 3, ..NodeLimits::default() };
    limited(limits, |rig, agent| {
        let put = |number: u8| {
            let item = v1::SaltedItem { salt: vec![number; 16], item: vec![number] };
            let bytes = v1::Chunk { items: vec![item] }.encode_to_vec();
            let node = Some(agent.origin.node.clone());
            rig.ask(|reply| Command::Chunk { node, bytes: bytes.into(), reply })
        };
        for number in [1, 2, 3, 3, 1] {
            put(number).unwrap();
        }
        put(4).unwrap_err()
    });
}
