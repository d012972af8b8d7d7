//! The disk is full while the collector runs: it says so, loses nothing, and goes on.

use std::{fs, path::Path};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use remit_collector::{
    committed::What,
    files,
    log::{command::Refusal, writer::RESERVE_BYTES},
};
use remit_proto::v1::{self, RefusalCode, leaf::Body};

use crate::rig::{Agent, NOW_S, Rig};

/// Mounts a file system of this size, seen by this thread and those that it starts, until they end.
/// Needs root: elsewhere the test fails, since one that passes without running proves nothing.
fn small_disk(at: &Path, size_mib: u64) {
    unshare(CloneFlags::CLONE_NEWNS).expect("root, for a file system of its own");
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    let size = format!("size={size_mib}m");
    mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), Some(size.as_str())).unwrap();
}

/// Leaves about this much room above what the collector keeps for itself.
fn fill(dir: &Path, room: u64) {
    let file = fs::File::create(dir.join("filler")).unwrap();
    let free = files::free_bytes(dir).unwrap();
    nix::fcntl::posix_fallocate(&file, 0, i64::try_from(free - RESERVE_BYTES - room).unwrap())
        .unwrap();
}

/// A batch of about 450 KiB.
fn large(agent: &mut Agent) -> v1::Batch {
    let activity = v1::Activity {
        rule: Some(v1::Rule {
            number: 1,
            source: v1::SourceKind::Nftables.into(),
            technique: v1::Technique::IpAclDrop.into(),
            trigger: v1::Trigger::Destination.into(),
            direction: v1::Direction::Both.into(),
            actor: v1::Actor::Unknown.into(),
            claim_origin: v1::ClaimOrigin::None.into(),
            ..Default::default()
        }),
        response: Some(v1::Response { response: Some(v1::response::Response::Silent(true)) }),
        rule_target: vec![1; 32],
        hits: 1,
        window_start_s: NOW_S,
        first_s: NOW_S,
        last_s: NOW_S,
        other_candidates: vec![u64::MAX; 256],
        ..Default::default()
    };
    agent.batch(vec![Body::Activity(activity); 170])
}

fn accepted_sizes(committed: &[What]) -> Vec<u64> {
    let size = |what: &What| match what {
        What::Batch { batch, .. } => {
            let (old_size, leaves, _) = batch.read().unwrap();
            Some(old_size + leaves.len() as u64)
        }
        _ => None,
    };
    committed.iter().filter_map(size).collect()
}

#[test]
fn a_full_disk_is_said_nothing_is_lost_and_it_goes_on_when_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    small_disk(dir.path(), RESERVE_BYTES / (1024 * 1024) + 60);
    let rig = Rig::new(dir.path());
    let mut agent = Agent::new("edge-1", 1, 1);
    rig.submit(&agent.clone(), agent.first()).unwrap();
    rig.wait_until_logged(&agent);
    let before = agent.clone();
    let batches: Vec<_> = (0..40).map(|_| large(&mut agent)).collect();

    // All at once, so that a group of commits meets a disk that has room for one of them.
    fill(dir.path(), 1_100_000);
    let answers: Vec<_> = batches.iter().map(|batch| rig.hand_in(&before, batch.clone())).collect();
    let answers: Vec<Result<u64, Refusal>> =
        answers.into_iter().map(|answer| answer.blocking_recv().unwrap()).collect();
    let taken = answers.iter().take_while(|answer| answer.is_ok()).count();
    assert_eq!(taken, 1, "{answers:?}");
    for refusal in answers.into_iter().skip(taken).map(Result::unwrap_err) {
        assert_eq!((refusal.code, refusal.size), (RefusalCode::StorageFull, 2 + 171));
    }
    assert!(files::free_bytes(dir.path()).unwrap() > RESERVE_BYTES / 2, "it keeps its reserve");
    // What it must do itself it still does.
    let subject = remit_collector::log::command::Subject::Node("edge-9".parse().unwrap());
    let command =
        |reply| remit_collector::log::command::Command::Revoke { subject, keep: None, reply };
    assert_eq!(rig.ask(command).unwrap_err().reason, "UNKNOWN_SUBJECT");

    fs::remove_file(dir.path().join("filler")).unwrap();
    for batch in batches.iter().skip(taken) {
        rig.submit(&before, batch.clone()).unwrap();
    }
    rig.wait_until_logged(&agent);
    let committed = accepted_sizes(&rig.stop());
    assert_eq!(committed.last(), Some(&agent.edge.size()));
    let recovered = Rig::open(dir.path()).unwrap().stop();
    assert_eq!(accepted_sizes(&recovered), committed);
}
