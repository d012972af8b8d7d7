//! The uplink against a collector in the same process: resume, replay, refusals, receipts.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests: each file uses its part, and what fails should fail loudly"
)]

#[path = "common/collector.rs"]
mod collector;
mod common;

use collector::Collector;
use common::*;
use enrolment::Validity;
use remit_agent::{
    recorder::{Receipts, Recorder},
    spool::contact::Contact,
    uplink::{
        Uplink,
        certificate::Certificate,
        endpoint::{self, Endpoint, Pem},
    },
};
use remit_proto::v1::RefusalCode;
use tokio::task::JoinHandle;

/// Starts an uplink for the recorder's spool, as a new start of the process would.
async fn connect(
    node: &Node,
    recorder: &Recorder,
    collector: &Collector,
    found: u64,
) -> JoinHandle<()> {
    let (address, authority) = collector.serve().await;
    let tls = endpoint::tls(Pem { authority: &authority, own: None }).unwrap();
    let url = format!("https://{address}");
    let uplink = Uplink {
        endpoints: vec![Endpoint::new(&url, Some(collector::NAME), &tls).unwrap()],
        // Never due: the collector of this test gives out none.
        certificate: Certificate::new(
            node.spool_dir(),
            Vec::new(),
            Validity { from_s: 0, until_s: i64::MAX },
        ),
        identity: identity(),
        key: key(),
        spool: node.spool_dir(),
        view: recorder.watch(),
        receipts: node.receipts.clone(),
        contact: Contact::begin(&node.spool_dir(), &recorder.tree().origin, found),
    };
    tokio::spawn(uplink.run())
}

/// Records some hits, in batches of their own.
fn work(node: &Node, recorder: &mut Recorder, batches: u64) {
    for _ in 0..batches {
        recorder.report(hits(vec![hit(1, NOW_S, 1)])).unwrap();
        node.pass(recorder, 1000);
    }
}

fn started(node: &Node) -> Recorder {
    let mut recorder = node.start();
    recorder.report(state(vec![rule(1, "de/1")])).unwrap();
    recorder
}

#[tokio::test]
async fn everything_arrives_in_order_and_the_receipts_come_back() {
    let node = Node::individual();
    let mut recorder = started(&node);
    work(&node, &mut recorder, 30);
    let collector = Collector::default();
    let uplink = connect(&node, &recorder, &collector, 0).await;
    let end = recorder.tree().edge.size();
    collector.until("the backlog", |held| held.size() == end).await;
    work(&node, &mut recorder, 3);
    let end = recorder.tree().edge.size();
    collector.until("what came later", |held| held.size() == end).await;
    collector.with(|held| {
        assert_eq!(held.chunks, 1, "the snapshot's chunk went ahead");
        assert_eq!(held.trees[0].edge, recorder.tree().edge);
    });
    until(&node, |receipts| receipts.generations.get(&1).is_some_and(|r| r.safe == end)).await;
    assert!(node.spool_dir().join("checkpoint").exists());
    assert!(!node.spool_dir().join("unconfirmed").exists());
    uplink.abort();
}

#[tokio::test]
async fn a_broken_stream_is_resumed_without_doubling_anything() {
    let node = Node::individual();
    let mut recorder = started(&node);
    work(&node, &mut recorder, 20);
    let collector = Collector::default();
    collector.with(|held| held.hang_up_after = Some(7));
    let uplink = connect(&node, &recorder, &collector, 0).await;
    let end = recorder.tree().edge.size();
    collector.until("all of it", |held| held.size() == end).await;
    collector.with(|held| {
        assert!(held.hellos.len() >= 2);
        let mut next = 0;
        for batch in &held.batches {
            assert_eq!(batch.old_size, next);
            next += batch.leaves.len() as u64;
        }
    });
    uplink.abort();
}

#[tokio::test]
async fn what_is_logged_is_released_and_what_is_not_is_kept() {
    let node = Node::individual();
    let mut recorder = started(&node);
    // More than one segment.
    while recorder.watch().borrow().segments.len() < 3 {
        recorder.report(hits(vec![hit(1, NOW_S, 1); 1000])).unwrap();
        node.pass(&mut recorder, 1000);
    }
    let collector = Collector::default();
    collector.with(|held| held.second_copy = Some(0));
    let uplink = connect(&node, &recorder, &collector, 0).await;
    let end = recorder.tree().edge.size();
    collector.until("all of it", |held| held.size() == end).await;
    until(&node, |receipts| receipts.generations.get(&1).is_some_and(|r| r.logged == end)).await;
    node.pass(&mut recorder, 1000);
    assert!(
        recorder.watch().borrow().segments.len() >= 3,
        "no second copy yet: nothing is released"
    );
    collector.with(|held| held.second_copy = Some(u64::MAX));
    work(&node, &mut recorder, 1);
    let end = recorder.tree().edge.size();
    until(&node, |receipts| receipts.generations.get(&1).is_some_and(|r| r.safe == end)).await;
    node.pass(&mut recorder, 1000);
    assert_eq!(recorder.watch().borrow().segments.len(), 1);
    let chunks = std::fs::read_dir(node.spool_dir().join("chunks")).unwrap().count();
    assert_eq!(chunks, 0, "the snapshot's chunk went with its leaf");
    // And the next start continues.
    drop(recorder);
    assert!(node.start().tree().edge.size() > end);
    uplink.abort();
}

#[tokio::test]
async fn a_collector_that_holds_more_than_the_spool_ever_sent_is_believed_and_never_forked() {
    let node = Node::individual();
    let mut recorder = started(&node);
    work(&node, &mut recorder, 2);
    let found = recorder.tree().edge.size();
    work(&node, &mut recorder, 9);
    let collector = Collector::default();
    // Below our end now, above where this start found it: we cannot have sent that.
    collector.with(|held| held.resume = Some(found + 2));
    let uplink = connect(&node, &recorder, &collector, found).await;
    until(&node, |receipts| receipts.rolled_back == Some(1)).await;
    collector.with(|held| {
        assert_eq!(held.batches.len(), 0);
        held.resume = None;
    });
    node.pass(&mut recorder, 1000);
    let end = recorder.tree().edge.size();
    assert_eq!(recorder.tree().ordinal, 2);
    collector.until("the new generation", |held| held.size() == end).await;
    assert!(node.spool_dir().join("unconfirmed").exists() || recorder.tree().ordinal == 2);
    uplink.abort();
}

#[tokio::test]
async fn what_the_recorder_left_behind_is_handed_in() {
    let node = Node::individual();
    let mut recorder = started(&node);
    work(&node, &mut recorder, 3);
    let collector = Collector::default();
    let uplink = connect(&node, &recorder, &collector, 0).await;
    collector.until("contact", |held| held.size() > 0).await;
    let (sender, messages) = remit_agent::recorder::channel();
    sender.stop();
    let end = recorder.tree().edge.size() + 1;
    recorder.run(&messages).unwrap();
    collector.until("the last seal", |held| held.size() == end).await;
    collector.with(|held| assert_eq!(held.hellos.len(), 1));
    uplink.abort();
}

#[tokio::test]
async fn a_refusal_is_no_reason_to_lose_anything() {
    for (code, retry_after_s) in [
        (RefusalCode::Fork, 0),
        (RefusalCode::StorageFull, 0),
        (RefusalCode::RevokedKey, 0),
        (RefusalCode::Limit, 1),
    ] {
        let node = Node::individual();
        let mut recorder = started(&node);
        work(&node, &mut recorder, 3);
        let collector = Collector::default();
        collector.with(|held| (held.refuse, held.retry_after_s) = (Some(code), retry_after_s));
        let uplink = connect(&node, &recorder, &collector, 0).await;
        collector.until("a second attempt", |held| held.hellos.len() >= 2).await;
        collector.with(|held| held.refuse = None);
        let end = recorder.tree().edge.size();
        collector.until("all of it", |held| held.size() == end).await;
        uplink.abort();
    }
}

#[tokio::test]
async fn a_checkpoint_by_another_key_releases_nothing() {
    let node = Node::individual();
    let mut recorder = started(&node);
    work(&node, &mut recorder, 3);
    let collector = Collector::default();
    collector.with(|held| held.wrong_key = true);
    let uplink = connect(&node, &recorder, &collector, 0).await;
    collector.until("a second attempt", |held| held.hellos.len() >= 2).await;
    assert_eq!(*node.receipts.borrow(), Receipts::default());
    assert!(!node.spool_dir().join("checkpoint").exists());
    uplink.abort();
}

#[tokio::test]
async fn a_log_that_was_rewritten_is_noticed_across_a_restart() {
    let node = Node::individual();
    let mut recorder = started(&node);
    work(&node, &mut recorder, 3);
    let collector = Collector::default();
    let uplink = connect(&node, &recorder, &collector, 0).await;
    let end = recorder.tree().edge.size();
    until(&node, |receipts| receipts.generations.get(&1).is_some_and(|r| r.logged == end)).await;
    uplink.abort();
    let before = node.receipts.borrow().clone();
    // Another history of at least the same length.
    collector.with(|held| {
        held.log = tlog::MemoryTree::new();
        for leaf in 0..40_u8 {
            held.log.append(tlog::leaf_hash(&[leaf]));
        }
    });
    work(&node, &mut recorder, 3);
    let uplink = connect(&node, &recorder, &collector, end).await;
    collector.until("attempts", |held| held.hellos.len() >= 3).await;
    assert_eq!(node.receipts.borrow().generations, before.generations);
    uplink.abort();
}

async fn until(node: &Node, is_so: impl Fn(&Receipts) -> bool) {
    for _ in 0..1500 {
        if is_so(&node.receipts.borrow()) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("never came: {:?}", node.receipts.borrow());
}

#[tokio::test]
async fn nobody_but_whom_the_authority_vouches_for_is_a_collector() {
    let (address, authority) = Collector::default().serve().await;
    let (_, of_another) = Collector::default().serve().await;
    let reached = async |authority: &str, name| {
        let tls = endpoint::tls(Pem { authority, own: None }).unwrap();
        Endpoint::new(&format!("https://{address}"), name, &tls).unwrap().connect().await.is_ok()
    };
    assert!(reached(&authority, Some(collector::NAME)).await);
    assert!(!reached(&authority, Some("another.example")).await);
    assert!(!reached(&authority, None).await, "the address is not in the certificate");
    assert!(!reached(&of_another, Some(collector::NAME)).await);
}
