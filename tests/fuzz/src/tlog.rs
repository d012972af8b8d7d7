//! What logs publish: notes, checkpoints, keys, tiles, proofs.

use ::tlog::{
    Hash,
    checkpoint::Checkpoint,
    consistency_roots, cosignature,
    note::{Note, VerifierKey},
    tile::{TilePath, decode_entries, decode_hashes, encode_entries},
    verify_consistency, verify_inclusion,
};

use crate::text;

/// A note, the checkpoint in it, and every line of the input as a verifier key.
pub fn note(data: &[u8]) {
    if let Ok(note) = Note::parse(data) {
        assert_eq!(note.encode(), data);
        if let Ok(checkpoint) = Checkpoint::parse_text(&note.text) {
            assert_eq!(checkpoint.to_string(), note.text);
        }
    }
    for line in text(data).into_iter().flat_map(str::lines) {
        if let Ok(key) = line.parse::<VerifierKey>() {
            assert_eq!(key.to_string(), line);
        }
        if let Ok(key) = line.parse::<cosignature::VerifierKey>() {
            assert_eq!(key.to_string(), line);
        }
    }
}

/// The name of a tile, a bundle of entries, a tile of hashes.
pub fn tile(data: &[u8]) {
    if let Some(path) = text(data)
        && let Ok(tile) = path.parse::<TilePath>()
    {
        assert_eq!(tile.to_string(), path);
    }
    if let Ok(entries) = decode_entries(data) {
        assert_eq!(encode_entries(entries).as_deref(), Ok(data));
    }
    if let Some(hashes) = decode_hashes(data) {
        assert_eq!(hashes.len() * 32, data.len());
    }
}

/// Sizes and hashes as somebody else gives them. What is proven of one old root is proven of no other.
pub fn proof(data: &[u8]) {
    let Some((sizes, hashes)) = data.split_first_chunk::<16>() else { return };
    let (old, new) = sizes.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    let (old, new) = (number(old), number(new));
    let hashes: Vec<Hash> = hashes.chunks_exact(32).filter_map(Hash::from_slice).collect();
    let [old_root, new_root, proof @ ..] = hashes.as_slice() else { return };
    let _ = verify_inclusion(old, new, old_root, proof, new_root);
    let _ = consistency_roots(old, new, proof, old_root);
    if verify_consistency(old, new, proof, old_root, new_root).is_ok() && old > 0 {
        let other = Hash(old_root.0.map(|byte| !byte));
        assert!(verify_consistency(old, new, proof, &other, new_root).is_err());
    }
}
