//! Every input of the corpus, without libFuzzer; and that nothing of a target is missing.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its own data has failed")]

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use remit_fuzz::TARGETS;

/// All that a clone has to carry.
const CORPUS_BYTES_MAX: u64 = 3_000_000;

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut files: Vec<PathBuf> = read.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn names(dir: &str) -> BTreeSet<String> {
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files(&package().join(dir)).into_iter().map(stem).collect()
}

#[test]
fn every_input_of_the_corpus_is_dealt_with() {
    for target in TARGETS {
        let inputs = files(&package().join("corpus").join(target.name));
        assert!(!inputs.is_empty(), "{} has no input", target.name);
        for input in inputs {
            let bytes = fs::read(&input).unwrap();
            let run = catch_unwind(AssertUnwindSafe(|| (target.run)(&bytes)));
            assert!(run.is_ok(), "{} fails on {}", target.name, input.display());
        }
    }
}

#[test]
fn every_target_has_its_program_and_every_corpus_its_target() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len(), "a name is given twice");
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
    let manifest = fs::read_to_string(package().join("Cargo.toml")).unwrap();
    for name in &targets {
        let bin = format!(
            "[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n\
             required-features = [\"libfuzzer\"]\ntest = false\ndoc = false\nbench = false\n"
        );
        assert!(manifest.contains(&bin), "Cargo.toml lacks\n{bin}");
        let program =
            fs::read_to_string(package().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("::{name}(data)")), "{name} runs another target");
    }
}

#[test]
fn the_corpus_stays_small() {
    let inputs = TARGETS.iter().flat_map(|t| files(&package().join("corpus").join(t.name)));
    let size: u64 = inputs.map(|input| fs::metadata(input).unwrap().len()).sum();
    assert!(size <= CORPUS_BYTES_MAX, "{size} bytes: minimise it (cargo xtask fuzz --merge)");
}
