//! Whatever a bundle holds, verification ends, says something, and proves nothing that is not true.

use std::sync::LazyLock;

use proptest::prelude::*;
use verify::{Files, Outcome, read_tar};

use crate::operator::{Operator, check};

static BUNDLE: LazyLock<Files> = LazyLock::new(|| Operator::honest().bundle());

/// Files that only serve convenience: nothing is believed because of them.
fn is_convenience(name: &str) -> bool {
    name == "manifest.json" || name == "LIMITS.txt"
}

fn counted() -> impl Iterator<Item = (&'static String, &'static Vec<u8>)> {
    BUNDLE.iter().filter(|(name, _)| !is_convenience(name))
}

/// One bit of each byte here, every bit of random bytes below.
#[test]
fn no_byte_of_any_file_can_be_changed_unnoticed() {
    for (name, bytes) in counted() {
        for at in 0..bytes.len() {
            let mut files = BUNDLE.clone();
            files.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
            let report = check(&files, &[]);
            assert_ne!(report.result, Outcome::Proven, "{name}, byte {at}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn flipped_bits_are_never_proven(file in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()) {
        let all: Vec<_> = counted().collect();
        let (name, bytes) = all[file.index(all.len())];
        let bit = bit.index(bytes.len() * 8);
        let mut files = BUNDLE.clone();
        files.get_mut(name).unwrap()[bit / 8] ^= 1 << (bit % 8);
        prop_assert_ne!(check(&files, &[]).result, Outcome::Proven, "{}, bit {}", name, bit);
    }

    #[test]
    fn cut_files_are_never_proven(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let all: Vec<_> = counted().collect();
        let (name, bytes) = all[file.index(all.len())];
        let mut files = BUNDLE.clone();
        files.get_mut(name).unwrap().truncate(at.index(bytes.len()));
        prop_assert_ne!(check(&files, &[]).result, Outcome::Proven, "{}", name);
    }

    #[test]
    fn random_files_are_never_proven_and_never_a_panic(file in any::<prop::sample::Index>(), bytes: Vec<u8>) {
        let all: Vec<_> = counted().collect();
        let (name, _) = all[file.index(all.len())];
        let mut files = BUNDLE.clone();
        files.insert(name.clone(), bytes);
        prop_assert_ne!(check(&files, &[]).result, Outcome::Proven, "{}", name);
    }

    #[test]
    fn convenience_files_change_nothing_but_completeness(bytes: Vec<u8>) {
        for name in ["manifest.json", "LIMITS.txt"] {
            let mut files = BUNDLE.clone();
            files.insert(name.to_owned(), bytes.clone());
            prop_assert_ne!(check(&files, &[]).result, Outcome::Contradicted);
        }
    }

    #[test]
    fn random_archives_are_no_bundle_or_no_proof(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        if let Ok(files) = read_tar(&bytes[..], 1 << 20) {
            prop_assert_ne!(check(&files, &[]).result, Outcome::Proven);
        }
    }
}

/// A head may claim any size; the work is bounded by the files that are there.
#[test]
fn a_head_of_enormous_size_ends_at_the_first_missing_file() {
    use tlog::{Hash, checkpoint::Checkpoint};
    let key = crate::operator::key("example.net/log/1", 1);
    let head = Checkpoint::new("example.net/log/1", tlog::SIZE_MAX, Hash([0; 32]));
    let mut files = BUNDLE.clone();
    files.insert("log/checkpoint".into(), head.sign(&key).unwrap().encode());
    assert_eq!(check(&files, &[]).result, Outcome::Incomplete);
}
