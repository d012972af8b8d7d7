//! `cargo xtask fuzz`: builds the targets of `tests/fuzz` with libFuzzer on the pinned stable compiler
//! and runs them (docs/adr/0026-fuzzing.md). What fails is kept as a file, and the command says which.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
};

use anyhow::{Context, Result, bail, ensure};

/// What `cargo fuzz … --sanitizer none` gives to the compiler: coverage of edges, and what values were
/// compared. Both flags are stable ones; a sanitizer needs a nightly compiler and finds what safe code
/// cannot do.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// An input that takes longer is a finding: 10 MiB of log are read in less.
const TIMEOUT_S: u32 = 10;
const MEMORY_MB: u32 = 1024;
/// Programs beside each other; a run is one thread.
const BESIDE: usize = 2;
/// Inputs that one merge adds to the corpus of a target.
const ADDED_MAX: usize = 24;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The targets; none: all.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// For each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Instead of running: add to the committed corpus what earlier runs found to reach something new.
    #[arg(long)]
    merge: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { targets, seconds, merge } = arguments;
    let known = known()?;
    if let Some(unknown) = targets.iter().find(|name| !known.contains(*name)) {
        bail!("there is no target {unknown}; there are {}", known.join(", "));
    }
    let chosen = if targets.is_empty() { &known } else { targets };
    let programs = build(chosen)?;
    if *merge {
        return chosen.iter().try_for_each(|name| self::merge(&programs, name));
    }
    all(&programs, chosen, *seconds, None)
}

/// Every target, as CI runs them: from the same beginning each time, so that what fails there fails
/// elsewhere too, and what somebody changed is not blamed for what chance found. Chance has
/// `cargo xtask fuzz`.
pub(crate) fn smoke() -> Result<()> {
    const SECONDS: u32 = 10;
    const SEED: u32 = 1;
    let known = known()?;
    all(&build(&known)?, &known, SECONDS, Some(SEED))
}

/// By their programs; a test of theirs compares these with the targets that there are.
fn known() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("tests/fuzz/fuzz_targets"))? {
        let path = entry?.path();
        names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder with the programs. A folder of their own, because nothing that is built for them is of
/// use to anybody else.
fn build(targets: &[String]) -> Result<PathBuf> {
    let host = Command::new("rustc").args(["--print", "host-tuple"]).output()?;
    let host = String::from_utf8(host.stdout)?.trim().to_owned();
    ensure!(!host.is_empty(), "rustc does not say for which system it builds");
    let folder = root().join("target/fuzz");
    eprintln!("$ cargo build of {} fuzz targets …", targets.len());
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--locked", "--package", "remit-fuzz", "--profile", "fuzz"])
        // With a target the flags are not given to build scripts, which lack libFuzzer.
        .args(["--features", "libfuzzer", "--target", &host, "--target-dir"])
        .arg(&folder)
        .env("RUSTFLAGS", FLAGS);
    for target in targets {
        cargo.args(["--bin", target]);
    }
    let status = cargo.status()?;
    ensure!(status.success(), "the fuzz targets cannot be built (libFuzzer needs g++): {status}");
    Ok(folder.join(host).join("fuzz"))
}

/// Runs the targets, some at a time. Each goes on where its earlier runs stood.
fn all(programs: &Path, targets: &[String], seconds: u32, seed: Option<u32>) -> Result<()> {
    let queue = Mutex::new(targets.iter());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..BESIDE {
            scope.spawn(|| {
                loop {
                    let Some(name) = queue.lock().ok().and_then(|mut queue| queue.next()) else {
                        return;
                    };
                    match one(programs, name, seconds, seed) {
                        Ok(said) => eprintln!("fuzz {name}: {said}"),
                        Err(error) => {
                            eprintln!("fuzz {name}: {error:#}");
                            failed
                                .lock()
                                .into_iter()
                                .for_each(|mut failed| failed.push(name.as_str()));
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_default();
    ensure!(failed.is_empty(), "fuzz targets failed: {}", failed.join(", "));
    Ok(())
}

fn one(programs: &Path, name: &str, seconds: u32, seed: Option<u32>) -> Result<String> {
    let (found, committed) = corpora(name)?;
    let artifacts = root().join("target/fuzz/artifacts").join(name);
    let log = root().join("target/fuzz/logs").join(name);
    fs::create_dir_all(&artifacts)?;
    fs::create_dir_all(root().join("target/fuzz/logs"))?;
    let status = Command::new(programs.join(name))
        .arg(format!("-max_total_time={seconds}"))
        .args([format!("-timeout={TIMEOUT_S}"), format!("-rss_limit_mb={MEMORY_MB}")])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg("-print_final_stats=1")
        .args(seed.map(|seed| format!("-seed={seed}")))
        .args([&found, &committed])
        .stdout(Stdio::null())
        .stderr(File::create(&log)?)
        .status()
        .with_context(|| format!("running {}", programs.join(name).display()))?;
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if !status.success() {
        let words =
            said.lines().find(|line| line.contains("panicked at") || line.contains("ERROR"));
        let at = said.lines().rev().find_map(|line| line.split("Test unit written to ").nth(1));
        bail!(
            "{}; the input is {}, all of it is in {}. Mend it, add a test with its own name, and put the \
             input into tests/fuzz/corpus/{name}",
            words.unwrap_or("it failed"),
            at.unwrap_or("not kept"),
            log.display()
        );
    }
    let runs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    Ok(format!("{} inputs in {seconds} s, nothing found", runs.unwrap_or("?").trim()))
}

/// What earlier runs found, which is nobody's but this machine's, and what is committed.
fn corpora(name: &str) -> Result<(PathBuf, PathBuf)> {
    let found = root().join("target/fuzz/corpus").join(name);
    fs::create_dir_all(&found)?;
    Ok((found, root().join("tests/fuzz/corpus").join(name)))
}

/// Adds the inputs that reach most places in the code that no shorter one does. libFuzzer's own choice is
/// hundreds, because it counts how often a place is reached; what it writes down while it chooses says
/// which places are new.
fn merge(programs: &Path, name: &str) -> Result<()> {
    let (found, committed) = corpora(name)?;
    let folder = tempfile::tempdir()?;
    let (chosen, control) = (folder.path().join("chosen"), folder.path().join("control"));
    fs::create_dir(&chosen)?;
    let status = Command::new(programs.join(name))
        .args(["-merge=1".to_owned(), format!("-merge_control_file={}", control.display())])
        .args([&chosen, &committed, &found])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    ensure!(status.success(), "the merge of {name} failed: {status}");
    let mut added = 0;
    let reaching = reaching_something_new(&fs::read_to_string(&control)?);
    let new = reaching.iter().filter(|input| input.starts_with(&found));
    for input in new.take(ADDED_MAX) {
        if let Some(file) = input.file_name() {
            fs::copy(input, committed.join(file))?;
            added += 1;
        }
    }
    eprintln!("fuzz {name}: {added} inputs added");
    Ok(())
}

/// The control file of a merge: how many inputs, how many of them first, their paths, and then for each
/// `STARTED`, `FT` (features) and `COV` (places that none before it reached), with its number. Those with
/// most places come first.
fn reaching_something_new(control: &str) -> Vec<PathBuf> {
    let mut lines = control.lines();
    let count = lines.next().and_then(|line| line.parse::<usize>().ok()).unwrap_or_default();
    let paths: Vec<&str> = lines.by_ref().skip(1).take(count).collect();
    let mut reaching: Vec<(usize, PathBuf)> = lines
        .filter_map(|line| {
            let mut words = line.strip_prefix("COV ")?.split(' ').filter(|word| !word.is_empty());
            let path = paths.get(words.next()?.parse::<usize>().ok()?)?;
            Some((words.count(), PathBuf::from(path))).filter(|(places, _)| *places > 0)
        })
        .collect();
    reaching.sort_by_key(|(places, _)| std::cmp::Reverse(*places));
    reaching.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_taken_for_a_place_and_not_for_a_count() {
        let control = "3\n0\na/1\nb/2\nb/3\nSTARTED 0 4\nFT 0 8 9\nCOV 0 17 18\n\
                       STARTED 1 5\nFT 1 8 10\nCOV 1\nSTARTED 2 6\nFT 2 11\nCOV 2 19\n";
        assert_eq!(reaching_something_new(control), [Path::new("a/1"), Path::new("b/3")]);
        assert!(reaching_something_new("").is_empty());
    }
}
