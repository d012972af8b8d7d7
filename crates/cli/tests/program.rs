//! The program as people run it: exit codes, streams, help.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../verify/tests/bundles/operator.rs"]
#[expect(dead_code, reason = "what verify's own tests use of it")]
mod operator;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use operator::{Lie, Operator};
use sha2::{Digest, Sha256};

struct Desk(PathBuf);

impl Desk {
    fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // Left over from a run before; a missing one is fine.
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    fn bundle(&self, name: &str, files: &verify::Files) {
        self.put(name, &tar(files));
    }

    fn remit(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_remit"))
            .current_dir(&self.0)
            .env_clear()
            .env("REMIT_DIR", self.0.join("home"))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Verifies `bundle` with the right keys.
    fn verify(&self, bundle: &str, more: &[&str]) -> Output {
        let trust = operator::trust(&[]);
        self.put("log.key", format!("{}\n", trust.log).as_bytes());
        let register = trust.register.to_string();
        let fixed = ["verify", bundle, "--log-key", "log.key", "--register-key", &register];
        self.remit(&[&fixed, more].concat())
    }
}

/// A tar archive, as plain as POSIX has it.
fn tar(files: &verify::Files) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, bytes) in files {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[148..156].copy_from_slice(b"        ");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn proven_is_0_and_without_witnesses_3() {
    let desk = Desk::new("proven");
    desk.bundle("b.tar", &Operator::honest().bundle());
    let output = desk.verify("b.tar", &["--quorum", "none"]);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).ends_with("result: proven\n"));
    assert_eq!(code(&desk.verify("b.tar", &[])), 3);
}

#[test]
fn the_dishonest_operator_is_contradicted_by_a_saved_checkpoint_and_only_by_it() {
    let desk = Desk::new("forged");
    desk.put("saved", &Operator::honest().checkpoints[2]);
    desk.bundle("b.tar", &Operator::tells(Lie::BackDated).bundle());
    let output = desk.verify("b.tar", &["--quorum", "none", "--old-checkpoint", "saved"]);
    assert_eq!(code(&output), 1);
    let size = "history below size 5 differs from the checkpoint you saved";
    assert!(stdout(&output).contains(size), "{}", stdout(&output));
    assert_eq!(code(&desk.verify("b.tar", &["--quorum", "none"])), 0);
}

#[test]
fn a_bundle_with_a_missing_file_is_3_and_names_it() {
    let desk = Desk::new("missing");
    let mut files = Operator::honest().bundle();
    files.retain(|name, _| !name.starts_with("register/tile"));
    desk.bundle("b.tar", &files);
    let output = desk.verify("b.tar", &["--quorum", "none"]);
    assert_eq!(code(&output), 3);
    assert!(stdout(&output).contains("register/tile/entries/000.p/1 is missing"));
}

#[test]
fn what_cannot_be_checked_is_2_and_one_sentence_on_stderr() {
    let desk = Desk::new("could-not");
    desk.put("empty.tar", b"");
    desk.put("text.tar", b"this is no archive, however long one looks at it");
    desk.bundle("b.tar", &Operator::honest().bundle());
    for (arguments, words) in [
        (vec!["verify", "b.tar"], "--log-key: give the key that you trust"),
        (vec!["verify", "b.tar", "--log-key", "x+y"], "--log-key: verifier key is not of the form"),
        (vec!["nodes", "list"], "no collector is known"),
        (vec!["nodes", "list", "--collector", "http://x"], "is not https"),
        (vec!["requests", "import", "none.toml"], "none.toml: cannot read"),
    ] {
        let output = desk.remit(&arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
    for bundle in ["empty.tar", "text.tar", "absent.tar"] {
        let output = desk.verify(bundle, &[]);
        assert_eq!(code(&output), 2, "{bundle}");
        assert!(stderr(&output).contains(bundle), "{}", stderr(&output));
    }
    assert_eq!(code(&desk.remit(&["no-such-command"])), 2);
}

#[test]
fn a_key_of_another_log_is_2_and_the_remedy_is_said() {
    let desk = Desk::new("other-key");
    desk.bundle("b.tar", &Operator::honest().bundle());
    let trust = operator::trust(&[]);
    let (log, register) = (trust.log.to_string(), trust.register.to_string());
    for (log_key, register_key) in [(&register, &register), (&log, &log)] {
        let keys = ["verify", "b.tar", "--log-key", log_key, "--register-key", register_key];
        let output = desk.remit(&[&keys[..], &["--quorum", "none"]].concat());
        let text = stdout(&output);
        assert_eq!(code(&output), 2, "{text}");
        assert!(text.contains("is not signed by the key that you gave"), "{text}");
        assert!(text.contains("config.toml"), "{text}");
        assert!(!text.contains("CONTRADICTED"), "{text}");
    }
}

#[test]
fn machine_formats_hold_data_alone() {
    let desk = Desk::new("formats");
    desk.bundle("b.tar", &Operator::honest().bundle());
    let more = |format| vec!["--quorum", "none", "--output", format];
    let json = desk.verify("b.tar", &more("json"));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["result"], "proven");
    assert_eq!(report["coverage"]["points_declared"], 2);
    let lines = stdout(&desk.verify("b.tar", &more("jsonl")));
    for line in lines.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    let csv = stdout(&desk.verify("b.tar", &more("csv")));
    assert!(csv.starts_with("step,outcome,text\n"));
}

#[test]
fn a_signature_is_told_in_a_sentence_and_to_programs_as_a_row() {
    let desk = Desk::new("signature");
    let held = Path::new(env!("CARGO_MANIFEST_DIR")).join("../authority/testdata");
    for name in ["order.txt", "court.p7s", "root.pem"] {
        desk.put(name, &fs::read(held.join(name)).unwrap());
    }
    let check = |more: &[&str]| {
        let asked = ["requests", "document", "check", "order.txt", "--signature", "court.p7s"];
        desk.remit(&[&asked, &["--at", "2026-12-15T00:00:00Z"][..], more].concat())
    };
    let anchored = ["--anchor", "root.pem"];
    let sentence = check(&anchored);
    assert!(stdout(&sentence).starts_with("valid, signed by "), "{}", stdout(&sentence));
    let json = check(&[&anchored[..], &["--output", "json"]].concat());
    assert_eq!(code(&json), 0);
    let row = &serde_json::from_slice::<serde_json::Value>(&json.stdout).unwrap()["signatures"][0];
    assert_eq!((&row["file"], &row["status"]), (&"order.txt".into(), &"valid".into()), "{row}");
    assert_eq!(row["at"], "2026-12-15T00:00:00Z");
    let digest = Sha256::digest(fs::read(held.join("order.txt")).unwrap());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(row["sha256"], digest.as_str());
    assert!(stdout(&sentence).contains(row["signer"].as_str().unwrap()), "{row}");
    let unchecked = check(&["--output", "jsonl"]);
    assert_eq!(code(&unchecked), 3, "no anchor leads to it");
    let row: serde_json::Value = serde_json::from_slice(&unchecked.stdout).unwrap();
    assert_eq!((&row["status"], &row["signer"]), (&"not_checked".into(), &serde_json::Value::Null));
    let csv = stdout(&check(&["--output", "csv"]));
    assert!(csv.starts_with("file,sha256,at,status,signer,anchor,told\n"), "{csv}");
}

#[test]
fn a_dry_run_reports_rows_with_their_lines_and_enters_nothing() {
    let desk = Desk::new("dry-run");
    desk.put(
        "requests.toml",
        br#"
[[request]]
id = "good/1"
instrument = "court_order_final"
form = "letter"
from = 2026-02-01T00:00:00Z
territories = ["*"]
techniques = ["dns_nxdomain"]
targets = ["domain_exact:example.org"]

[[request]]
id = "bad/1"
instrument = "court_order_final"
form = "letter"
from = 2026-02-01
territories = ["*"]
techniques = ["dns_nxdomain"]
targets = ["domain_exact:example.org"]

[[request]]
id = "early/1"
instrument = "court_order_final"
form = "letter"
from = 2026-02-01T00:00:00Z
received = 2999-02-01T00:00:00Z
territories = ["*"]
techniques = ["dns_nxdomain"]
targets = ["domain_exact:example.org"]
"#,
    );
    let output = desk.remit(&["requests", "import", "requests.toml", "--dry-run"]);
    let text = stderr(&output);
    assert_eq!(code(&output), 3, "a part is missing: {text}");
    assert!(text.contains("requests.toml: line 11, bad/1: refused"), "{text}");
    let early = "line 20, early/1: refused: received: 2999-02-01T00:00:00Z is still to come";
    assert!(text.contains(early), "{text}");
    let last = "3 rows: 1 accepted (1 new, 0 changed, 0 unchanged and not entered again), 0 repaired, 2 \
                refused";
    assert_eq!(text.lines().last(), Some(last), "{text}");
}

#[test]
fn a_file_that_is_not_the_one_that_was_sent_is_refused_whole() {
    let desk = Desk::new("sent");
    let head = "[[request]]\nid = \"a\"\ninstrument = \"court_order_final\"\nform = \"letter\"\n\
                from = 2026-02-01T00:00:00Z\nterritories = [\"*\"]\ntechniques = [\"dns_nxdomain\"]\n\
                targets = [\"domain_exact:example.org\"]\n";
    // A cut between two lines: a request that never ends.
    let whole = format!("{head}until = 2026-03-01T00:00:00Z\n");
    desk.put("whole.toml", whole.as_bytes());
    desk.put("cut.toml", head.as_bytes());
    desk.put("inside.toml", format!("{head}until = 2026-03-01").as_bytes());
    let digest: String = Sha256::digest(&whole).iter().map(|b| format!("{b:02x}")).collect();
    let import = |file: &str, more: &[&str]| {
        let output = desk.remit(&[&["requests", "import", file, "--dry-run"], more].concat());
        (code(&output), stderr(&output))
    };
    let stated = ["--sha256", digest.as_str(), "--rows", "1"];
    assert_eq!(import("whole.toml", &stated).0, 0);
    assert_eq!(import("cut.toml", &[]).0, 0, "nothing in it shows what is missing");
    for (file, more, said) in [
        ("cut.toml", &stated[..2], "and not the one that --sha256 states"),
        ("whole.toml", &["--rows", "2"], "it has 1 row, and --rows states 2"),
        ("inside.toml", &[], "line 9: the file ends inside a line"),
    ] {
        let (code, text) = import(file, more);
        assert!(code == 2 && text.contains(said) && text.contains("fetch it again"), "{text}");
    }
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let output = Desk::new("help").remit(&["--help"]);
    assert_eq!(code(&output), 0);
    let text = stdout(&output);
    let commands: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let wanted = "enrol renew requests lists adopt points nodes rules events target probe findings summary \
                  reconcile checkpoint export verify help";
    assert_eq!(commands.join(" "), wanted);
    assert!(text.contains("Exit codes: 0 done, proven; 1 contradicted;"), "{text}");
}
