//! A restart comes to the state that was answered from, or does not start.

use std::fs;

use evidence::{
    commitment::{self, Salt},
    leaf,
};
use prost::Message;
use remit_collector::{
    committed::{Chunks as _, What},
    config::{Config, Limits},
    files::{DirectoryLock, LockError},
    log::{
        chunks::ChunkFiles,
        command::Command,
        journal::{self, Journal, JournalError, Replayed},
        writer::Fatal,
    },
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

/// A journal of several commits, the last of which was never answered: the file without it, and with
/// it. That one holds many records, and more than a page.
fn journal_with_a_last_commit(dir: &std::path::Path) -> (Agent, Vec<u8>, Vec<u8>) {
    let mut agent = Agent::new("edge-1", 1, 1);
    let rig = Rig::new(dir);
    rig.submit(&agent.clone(), agent.first()).unwrap();
    rig.wait_until_logged(&agent);
    rig.stop();
    let path = journal_file(dir);
    let answered = fs::read(&path).unwrap();
    let replayed = Journal::replay::<JournalError>(&dir.join("journal"), |_, _| Ok(()));
    let mut journal = replayed.and_then(Replayed::open).unwrap();
    let mut ahead = agent.clone();
    for _ in 0..40 {
        let batch = ahead.batch(vec![]).encode_to_vec();
        journal.push_batch(&agent.origin.to_string(), NOW_S, &batch);
    }
    journal.commit().unwrap();
    (agent, answered, fs::read(&path).unwrap())
}

/// Bytes of a disk's page; the last commit does not begin at one.
const PAGE: usize = 4096;

#[test]
fn whatever_pages_of_the_last_commit_are_missing_it_is_cut_off_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (agent, answered, whole) = journal_with_a_last_commit(dir.path());
    let path = journal_file(dir.path());
    let pages = answered.len() / PAGE..=whole.len() / PAGE;
    assert!(pages.clone().count() >= 3, "{pages:?}");
    let mut cases = vec![answered[..].to_vec(), whole[..answered.len() + 1].to_vec()];
    for page in pages {
        // What was on disk before this commit is not written again with other bytes.
        let from = (page * PAGE).max(answered.len());
        let until = ((page + 1) * PAGE).min(whole.len());
        if from < whole.len() {
            cases.push(whole[..from].to_vec());
            for scramble in [|_: u8| 0, |byte: u8| byte ^ 0x5a, |_: u8| 0xff] {
                let mut torn = whole.clone();
                torn[from..until].iter_mut().for_each(|byte| *byte = scramble(*byte));
                cases.push(torn);
            }
            // Only this page came.
            let mut torn = whole.clone();
            torn[answered.len()..from].fill(0);
            torn[until..].fill(0);
            cases.push(torn);
        }
    }
    for torn in cases {
        fs::write(&path, &torn).unwrap();
        let rig = Rig::open(dir.path()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), answered, "the interrupted write is gone");
        let hello = rig.ask(|reply| {
            let key = agent.key.verifier().public_bytes();
            let origin = agent.origin.clone();
            Command::Hello { origin, public_key: key, bound_key: key, reply }
        });
        assert_eq!(hello.unwrap(), 2, "what was answered is there");
        rig.stop();
    }
}

#[test]
fn any_byte_of_an_earlier_commit_that_is_not_as_it_was_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (_, answered, whole) = journal_with_a_last_commit(dir.path());
    let path = journal_file(dir.path());
    for at in 0..answered.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let error = journal::read::<JournalError>(&dir.path().join("journal"), |_, _| Ok(()));
        let said = error.unwrap_err().to_string();
        let begin = format!("{} is damaged at byte ", path.display());
        let offset = said.strip_prefix(&begin).and_then(|rest| rest.split_once(':'));
        let (offset, rest) = offset.expect(&said);
        assert!(offset.parse::<usize>().unwrap() <= at, "byte {at}: {said}");
        assert!(rest.ends_with("restore the file from a copy"), "{said}");
        if at % 97 == 0 {
            let refused = Rig::open(dir.path()).err();
            assert!(matches!(refused, Some(Fatal::Journal(JournalError::Damaged { .. }))));
            assert_eq!(fs::read(&path).unwrap(), damaged, "nothing is cut off");
        }
    }
}

#[test]
fn a_journal_that_cannot_be_read_at_all_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Agent::new("edge-1", 1, 1);
    let rig = Rig::new(dir.path());
    rig.submit(&agent.clone(), agent.first()).unwrap();
    rig.wait_until_logged(&agent);
    rig.stop();
    let path = journal_file(dir.path());
    // Of another format, or of another program: no frame in it, as in an interrupted first write.
    let foreign: Vec<u8> = fs::read(&path).unwrap().iter().map(|byte| byte ^ 0x5a).collect();
    fs::write(&path, &foreign).unwrap();
    let error = Rig::open(dir.path()).err().unwrap().to_string();
    assert!(error.contains("rolled back or damaged"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), foreign);
}

/// A batch of one probe with the opening of its target.
fn probe(agent: &mut Agent) -> v1::Batch {
    let target = v1::Target { kind: v1::TargetKind::Ip.into(), value: "192.0.2.7".to_owned() };
    let field = leaf::PROBE_TARGET;
    let (target, opening) = commitment::make(field, Salt([4; 16]), target.encode_to_vec());
    let probe = v1::Probe {
        asn: 0,
        country: String::new(),
        at_s: NOW_S,
        result: v1::ProbeResult::Blocked.into(),
        technique: v1::Technique::IpAclDrop.into(),
        measurement_digest: vec![1; 32],
        target,
        page: 0,
    };
    let index = agent.edge.size();
    let mut batch = agent.batch(vec![Body::Probe(probe)]);
    batch.openings = vec![v1::LeafOpening { index, opening: Some(opening) }];
    batch
}

fn openings_of(committed: &[What]) -> Vec<usize> {
    let count = |what: &What| match what {
        What::Batch { batch, .. } => Some(batch.read().unwrap().2.len()),
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
        second_person_for: Default::default(),
        limits: Limits::default(),
        archive: None,
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
