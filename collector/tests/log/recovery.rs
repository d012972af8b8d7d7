//! A restart comes to the state that was answered from, or does not start.

use std::fs;

use evidence::{
    commitment::{self, Salt},
    leaf,
};
use prost::Message;
use remit_collector::{
    committed::{Chunks as _, What},
    config::Config,
    files::{DirectoryLock, LockError},
    log::{chunks::ChunkFiles, writer::Fatal},
};
use remit_proto::v1::{self, leaf::Body};

use crate::rig::{Agent, NOW_S, Rig};

fn journal_file(rig_dir: &std::path::Path) -> std::path::PathBuf {
    fs::read_dir(rig_dir.join("journal")).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn after_a_restart_the_tree_goes_on_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Agent::new("edge-1", 1, 1);
    let rig = Rig::new(dir.path());
    rig.submit(&agent.clone(), agent.first()).unwrap();
    rig.wait_until_logged(&agent);
    let before = rig.stop();
    let rig = Rig::open(dir.path()).unwrap();
    assert_eq!(rig.submit(&agent.clone(), agent.batch(vec![])).unwrap(), 3);
    rig.wait_until_logged(&agent);
    let after = rig.stop();
    assert_eq!(
        format!("{:?}", &after[..before.len()]),
        format!("{before:?}"),
        "recovery hands to assess what the normal path did"
    );
}

#[test]
fn a_torn_tail_is_cut_and_a_damaged_middle_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Agent::new("edge-1", 1, 1);
    let rig = Rig::new(dir.path());
    rig.submit(&agent.clone(), agent.first()).unwrap();
    rig.wait_until_logged(&agent);
    rig.stop();
    let path = journal_file(dir.path());
    let sound = fs::read(&path).unwrap();

    let mut torn = sound.clone();
    torn.extend_from_slice(&[0, 0, 0, 99, 1, 2, 3]);
    fs::write(&path, &torn).unwrap();
    Rig::open(dir.path()).unwrap().stop();
    assert_eq!(fs::read(&path).unwrap(), sound, "the interrupted write is gone");

    let mut damaged = sound.clone();
    damaged[20] ^= 1;
    fs::write(&path, &damaged).unwrap();
    assert!(matches!(Rig::open(dir.path()), Err(Fatal::Journal(_))));
}

/// A batch of one probe with the opening of its target.
fn probe(agent: &mut Agent) -> v1::Batch {
    let target = v1::Target { kind: v1::TargetKind::Ip.into(), value: "192.0.2.7".to_owned() };
    let field = leaf::PROBE_TARGET;
    let (target, opening) = commitment::make(field, Salt([4; 16]), target.encode_to_vec());
    let probe = v1::Probe {
        at_s: NOW_S,
        result: v1::ProbeResult::Blocked.into(),
        technique: v1::Technique::IpAclDrop.into(),
        measurement_digest: vec![1; 32],
        target,
    };
    let index = agent.edge.size();
    let mut batch = agent.batch(vec![Body::Probe(probe)]);
    batch.openings = vec![v1::LeafOpening { index, opening: Some(opening) }];
    batch
}

fn openings_of(committed: &[What]) -> Vec<usize> {
    let count = |what: &What| match what {
        What::Batch { openings, .. } => Some(openings.len()),
        _ => None,
    };
    committed.iter().filter_map(count).collect()
}

#[test]
fn openings_that_came_after_an_interrupted_write_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Agent::new("edge-1", 1, 1);
    let rig = Rig::new(dir.path());
    rig.submit(&agent.clone(), agent.first()).unwrap();
    rig.submit(&agent.clone(), probe(&mut agent)).unwrap();
    rig.stop();
    let day = fs::read_dir(dir.path().join("openings")).unwrap().next().unwrap().unwrap().path();
    let sound = fs::read(&day).unwrap();
    // A power cut or a full disk leaves part of a record.
    fs::write(&day, [sound.as_slice(), &[0, 0, 1, 0, 7, 7, 7]].concat()).unwrap();
    let rig = Rig::open(dir.path()).unwrap();
    rig.submit(&agent.clone(), probe(&mut agent)).unwrap();
    rig.stop();
    let recovered = Rig::open(dir.path()).unwrap().stop();
    assert_eq!(openings_of(&recovered), [0, 1, 1]);

    // Damage is no interrupted write: what stood behind it is kept for whoever can restore it.
    let mut damaged = fs::read(&day).unwrap();
    damaged[20] ^= 1;
    fs::write(&day, &damaged).unwrap();
    let rig = Rig::open(dir.path()).unwrap();
    rig.submit(&agent.clone(), probe(&mut agent)).unwrap();
    rig.stop();
    let recovered = Rig::open(dir.path()).unwrap().stop();
    assert_eq!(openings_of(&recovered), [0, 0, 0, 1]);
    assert_eq!(fs::read(day.with_extension("damaged")).unwrap(), damaged);
}

#[test]
fn a_journal_behind_what_was_signed_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Agent::new("edge-1", 1, 1);
    let rig = Rig::new(dir.path());
    rig.submit(&agent.clone(), agent.first()).unwrap();
    rig.wait_until_logged(&agent);
    rig.stop();
    let old_copy = fs::read(journal_file(dir.path())).unwrap();
    let rig = Rig::open(dir.path()).unwrap();
    rig.submit(&agent.clone(), agent.batch(vec![])).unwrap();
    rig.wait_until_logged(&agent);
    rig.stop();
    fs::write(journal_file(dir.path()), old_copy).unwrap();
    let error = Rig::open(dir.path()).err().unwrap().to_string();
    assert!(error.contains("rolled back"), "{error}");
}

#[test]
fn neither_another_key_nor_an_old_journal_is_taken_for_this_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Agent::new("edge-1", 1, 1);
    let rig = Rig::new(dir.path());
    rig.submit(&agent.clone(), agent.first()).unwrap();
    rig.wait_until_logged(&agent);
    rig.stop();
    let key = dir.path().join("keys/log");
    let own = fs::read(&key).unwrap();
    fs::write(&key, "11".repeat(32)).unwrap();
    let error = Rig::open(dir.path()).err().unwrap().to_string();
    assert!(error.contains("by the key in keys/log"), "{error}");
    fs::write(&key, own).unwrap();

    let old_copy = fs::read(journal_file(dir.path())).unwrap();
    let rig = Rig::open(dir.path()).unwrap();
    rig.submit(&agent.clone(), agent.batch(vec![])).unwrap();
    rig.wait_until_logged(&agent);
    rig.stop();
    let checkpoint = || fs::read(dir.path().join("public/checkpoint")).unwrap();
    let newest = checkpoint();
    fs::write(journal_file(dir.path()), old_copy).unwrap();
    let config = Config {
        operator: crate::rig::operator(),
        dir: dir.path().to_owned(),
        listen: "127.0.0.1:1".parse().unwrap(),
        tiles_listen: None,
        metrics_listen: None,
        publish_interval: std::time::Duration::from_secs(1),
    };
    assert!(remit_collector::admin::rebuild(&config).is_err(), "a rebuild from an old journal");
    assert_eq!(checkpoint(), newest, "nobody is shown an older checkpoint again");
}

#[test]
fn a_damaged_chunk_is_made_good_when_it_comes_again() {
    let dir = tempfile::tempdir().unwrap();
    let chunks = ChunkFiles::new(dir.path().join("chunks"));
    let items = vec![v1::SaltedItem { salt: vec![1; 16], item: vec![2] }];
    let bytes = v1::Chunk { items }.encode_to_vec();
    let id = chunks.put(&bytes).unwrap();
    let hex: String = id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(dir.path().join("chunks").join(&hex[..2]).join(&hex), b"rot").unwrap();
    assert_eq!(chunks.chunk(&id), None);
    chunks.put(&bytes).unwrap();
    assert_eq!(chunks.chunk(&id), Some(bytes));
}

#[test]
fn tiles_hold_the_log_that_was_signed() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(dir.path());
    let mut agents: Vec<Agent> = (1..=5).map(|n| Agent::new(&format!("n-{n}"), n, 1)).collect();
    for agent in &mut agents {
        rig.submit(&agent.clone(), agent.first()).unwrap();
    }
    for round in 0..60 {
        for agent in &mut agents {
            rig.submit(&agent.clone(), agent.batch(vec![])).unwrap();
        }
        if round % 2 == 0 {
            rig.wait_until_logged(&agents[0]);
        }
    }
    rig.wait_until_logged(&agents[4]);
    rig.stop();
    let public = dir.path().join("public");
    let note = tlog::note::Note::parse(fs::read(public.join("checkpoint")).unwrap()).unwrap();
    let head = tlog::checkpoint::Checkpoint::parse_text(&note.text).unwrap();
    let mut leaves = Vec::new();
    for path in tlog::tile::new_tiles(0, head.size) {
        let bytes = fs::read(public.join(path.to_string())).unwrap();
        if path.kind == tlog::tile::TileKind::Entries {
            let entries = tlog::tile::decode_entries(&bytes).unwrap();
            leaves.extend(entries.into_iter().map(tlog::leaf_hash));
        }
    }
    assert_eq!(tlog::root_of(&leaves), head.root);
}

#[test]
fn a_second_collector_on_the_same_directory_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let _first = DirectoryLock::take(dir.path()).unwrap();
    let error = DirectoryLock::take(dir.path()).unwrap_err();
    assert!(matches!(error, LockError::Taken { .. }));
    assert!(error.to_string().contains("another collector is running"));
}
