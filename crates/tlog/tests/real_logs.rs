//! Logs that other programs wrote: their tiles, bundles, checkpoints and cosignatures.

mod common;

use common::testdata;
use tlog::checkpoint::Checkpoint;
use tlog::note::{Note, NoteError, VerifierKey};
use tlog::tile::{TileKind, TileNodes, TilePath, decode_entries, decode_hashes, new_tiles};
use tlog::{
    Edge, Hash, MemoryTree, consistency_proof, cosignature, leaf_hash, root_at, root_of,
    verify_consistency,
};

/// The public key of Tessera's test log.
const TESSERA: &str =
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

/// The largest size of Tessera's test log; it has a checkpoint for each size up to it.
const TESSERA_SIZE: u64 = 15;

fn tessera(size: u64) -> Checkpoint {
    let key: VerifierKey = TESSERA.parse().expect("published key");
    let note = testdata(&format!("tessera/checkpoint.{size}"));
    let checkpoint = Checkpoint::open(&note, &key).expect("published checkpoint");
    assert_eq!(checkpoint.size, size);
    // What was read prints as the bytes that were read.
    assert_eq!(Note::parse(&note).expect("read before").encode(), note);
    assert_eq!(Note::parse(&note).expect("read before").text, checkpoint.to_string());
    checkpoint
}

fn tessera_leaves(size: u64) -> Vec<Hash> {
    let path = TilePath::in_tree(TileKind::Entries, 0, size).expect("not empty");
    let bundle = testdata(&format!("tessera/{path}"));
    decode_entries(&bundle).expect("published bundle").into_iter().map(leaf_hash).collect()
}

#[test]
fn tessera_roots_come_from_its_entries() {
    assert_eq!(tessera(0).root, Edge::new().root());
    for size in 1..=TESSERA_SIZE {
        let leaves = tessera_leaves(size);
        assert_eq!(leaves.len() as u64, size);
        assert_eq!(root_of(&leaves), tessera(size).root, "size {size}");
        let latest = testdata("tessera/checkpoint");
        assert_eq!(latest, testdata(&format!("tessera/checkpoint.{TESSERA_SIZE}")));
    }
}

#[test]
fn tessera_tiles_are_those_we_expect() {
    for size in 1..=TESSERA_SIZE {
        let tiles: Vec<_> = new_tiles(0, size).map(|tile| tile.to_string()).collect();
        assert_eq!(tiles, [format!("tile/entries/000.p/{size}"), format!("tile/0/000.p/{size}")]);
        let hashes = decode_hashes(&testdata(&format!("tessera/{}", tiles[1])));
        assert_eq!(hashes, Some(tessera_leaves(size)));
    }
}

#[test]
fn tessera_checkpoints_continue_each_other() {
    let leaves = tessera_leaves(TESSERA_SIZE);
    let tree: MemoryTree = leaves.iter().copied().collect();
    for new in 0..=TESSERA_SIZE {
        for old in 0..=new {
            let (old_root, new_root) = (tessera(old).root, tessera(new).root);
            let proof = consistency_proof(&tree, old, new).unwrap();
            verify_consistency(old, new, &proof, &old_root, &new_root).unwrap();
            let mut edge = Edge::at(&tree, old).unwrap();
            let added = &leaves[old as usize..new as usize];
            assert_eq!(edge.append_and_prove(added), proof);
        }
    }
}

#[test]
fn an_altered_checkpoint_of_tessera_is_refused() {
    let key: VerifierKey = TESSERA.parse().unwrap();
    let note = testdata("tessera/checkpoint");
    for bit in 0..note.len() * 8 {
        let mut altered = note.clone();
        common::flip_bit(&mut altered, bit);
        assert!(Checkpoint::open(&altered, &key).is_err(), "bit {bit}");
    }
}

/// The witness's own key as it publishes it.
fn witness_key(file: &str) -> cosignature::VerifierKey {
    let json: serde_json::Value =
        serde_json::from_slice(&testdata(file)).expect("published description");
    json["verifier_keys"][0].as_str().expect("a string").parse().expect("published key")
}

#[test]
fn cosignatures_of_sunlight() {
    let check = |note: &str, keys: &str| {
        let note = Note::parse(testdata(note)).unwrap();
        let checkpoint = Checkpoint::parse_text(&note.text).unwrap();
        assert_eq!(checkpoint.size, 300);
        let key = witness_key(keys);
        // 2025-12-31, when the files were made.
        assert_eq!(key.verify(&note), Ok(1_767_139_200), "{key}");

        // Flipping the time or the signature makes it wrong; flipping the text, too.
        let position = note.signatures.iter().position(|line| line.key_id == key.id()).unwrap();
        for bit in 0..note.signatures[position].bytes.len() * 8 {
            let mut altered = note.clone();
            common::flip_bit(&mut altered.signatures[position].bytes, bit);
            assert!(matches!(key.verify(&altered), Err(NoteError::WrongSignature { .. })));
        }
        let mut altered = note.clone();
        altered.text = altered.text.replacen("300", "301", 1);
        assert!(matches!(key.verify(&altered), Err(NoteError::WrongSignature { .. })));
        note
    };
    check("skylight/witness/checkpoint", "skylight/witness/witness.v0.json");
    check("skylight/witness2/checkpoint", "skylight/witness2/witness.v0.json");
    let note = check("skylight/mirror/checkpoint", "skylight/mirror/mirror.v0.json");

    // A witness that did not sign is told apart from one that signed wrongly.
    let other = witness_key("skylight/witness/witness.v0.json");
    assert!(matches!(other.verify(&note), Err(NoteError::NotSignedBy { .. })));
    // A key of a log is not a key of a witness.
    let vkey = other.to_string();
    assert!(vkey.parse::<VerifierKey>().is_err());
    assert!(TESSERA.parse::<cosignature::VerifierKey>().is_err());
}

#[test]
fn tiles_of_sunlight_lead_to_its_root() {
    let note = Note::parse(testdata("skylight/mirror/checkpoint")).unwrap();
    let checkpoint = Checkpoint::parse_text(&note.text).unwrap();
    let nodes = TileNodes::new(checkpoint.size, |path: &TilePath| {
        Ok::<_, ()>(testdata(&format!("skylight/mirror/{path}")))
    });
    assert_eq!(root_at(&nodes, checkpoint.size), Ok(checkpoint.root));
    // The level-1 tile is what level 0 hashes to.
    let below = decode_hashes(&testdata("skylight/mirror/tile/0/000")).unwrap();
    let above = decode_hashes(&testdata("skylight/mirror/tile/1/000.p/1")).unwrap();
    assert_eq!(above, [root_of(&below)]);
}
