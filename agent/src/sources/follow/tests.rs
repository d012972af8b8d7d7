use std::{
    fs::OpenOptions,
    io::Write,
    time::{Duration, SystemTime},
};

use super::*;

fn is_ours(line: &[u8]) -> bool {
    line.starts_with(b"rpz: applied")
}

struct Log {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("unbound.log");
        Self { folder, path }
    }

    fn write(&self, text: &str) {
        let file = OpenOptions::new().append(true).create(true).open(&self.path);
        file.and_then(|mut f| f.write_all(text.as_bytes())).expect("written");
    }

    fn rotated(&self, number: u32) -> PathBuf {
        self.folder.path().join(format!("unbound.log.{number}"))
    }

    /// Renames the log to `.1`; its time is one of several seconds, as in life.
    fn rotate(&self, age_s: u64) {
        let older = self.rotated(2);
        if self.rotated(1).exists() {
            fs::rename(self.rotated(1), older).expect("renamed");
        }
        let file = File::options().append(true).open(&self.path).expect("opened");
        file.set_modified(SystemTime::now() - Duration::from_secs(age_s)).expect("dated");
        fs::rename(&self.path, self.rotated(1)).expect("renamed");
    }
}

/// Everything that can be read now; "?" for broken lines, "!" for possible losses.
fn drain(follow: &mut Follow) -> String {
    let mut lines = Vec::new();
    loop {
        let step = follow
            .step(&mut |piece| {
                lines.push(match piece {
                    Piece::Line(line) => String::from_utf8_lossy(line).into_owned(),
                    Piece::Broken { ours } => if ours { "?" } else { "-" }.to_owned(),
                });
            })
            .expect("readable");
        if step.lost {
            lines.push("!".to_owned());
        }
        if !step.more {
            return lines.join(" ");
        }
    }
}

fn start(log: &Log, cursor: Option<&Cursor>) -> (Follow, bool) {
    Follow::start(&log.path, is_ours, cursor).expect("readable")
}

#[test]
fn begins_with_the_next_line_and_waits_for_whole_ones() {
    let log = Log::new();
    log.write("old\nha");
    let (mut follow, lost) = start(&log, None);
    assert!(!lost);
    assert_eq!(drain(&mut follow), "");
    log.write("lf\nb\nc");
    assert_eq!(drain(&mut follow), "half b");
    log.write("\n");
    assert_eq!(drain(&mut follow), "c");
}

#[test]
fn a_file_that_comes_later_is_read_from_its_beginning() {
    let log = Log::new();
    let (mut follow, _) = start(&log, None);
    assert_eq!(drain(&mut follow), "");
    let cursor = follow.cursor();
    log.write("a\n");
    assert_eq!(drain(&mut follow), "a");
    // Also if it came while the agent was down.
    let (mut follow, lost) = start(&log, Some(&cursor));
    assert!(!lost);
    assert_eq!(drain(&mut follow), "a");
}

#[test]
fn renamed_file_is_finished_before_the_new_one() {
    let log = Log::new();
    log.write("");
    let (mut follow, _) = start(&log, None);
    log.write("a\n");
    let mut writer = OpenOptions::new().append(true).open(&log.path).expect("opened");
    assert_eq!(drain(&mut follow), "a");
    fs::rename(&log.path, log.rotated(1)).expect("renamed");
    // The resolver has not been told yet, and logrotate has made an empty file.
    log.write("");
    writer.write_all(b"b\n").expect("written");
    assert_eq!(drain(&mut follow), "b");
    writer.write_all(b"c\nrpz: applied ha").expect("written");
    log.write("d\n");
    assert_eq!(drain(&mut follow), "c ? d");
}

#[test]
fn several_rotations_between_two_looks_lose_nothing() {
    let log = Log::new();
    log.write("a\n");
    let (mut follow, _) = start(&log, None);
    log.write("b\n");
    log.rotate(20);
    log.write("c\n");
    log.rotate(10);
    log.write("d\n");
    assert_eq!(drain(&mut follow), "b c d");
}

#[test]
fn a_compressed_file_in_between_is_unsure() {
    let log = Log::new();
    log.write("a\n");
    let (mut follow, _) = start(&log, None);
    log.rotate(20);
    fs::write(log.folder.path().join("unbound.log.1.gz"), "zip").expect("written");
    log.write("d\n");
    assert_eq!(drain(&mut follow), "! d");
}

#[test]
fn truncated_in_place_is_unsure_and_goes_on_from_the_copy() {
    let log = Log::new();
    log.write("a\n");
    let (mut follow, _) = start(&log, None);
    log.write("b\n");
    assert_eq!(drain(&mut follow), "b");
    log.write("c\n");
    fs::copy(&log.path, log.rotated(1)).expect("copied");
    File::options().write(true).open(&log.path).and_then(|f| f.set_len(0)).expect("truncated");
    log.write("d\n");
    assert_eq!(drain(&mut follow), "! c d");
    // And without a copy, refilled beyond where it was.
    fs::remove_file(log.rotated(1)).expect("removed");
    fs::write(&log.path, "e\nf\ng\nh\n").expect("written");
    assert_eq!(drain(&mut follow), "! e f g h");
}

#[test]
fn a_file_that_was_left_is_no_copy_although_it_begins_alike() {
    let log = Log::new();
    log.write("");
    let (mut follow, _) = start(&log, None);
    log.write("a\na\na\n");
    assert_eq!(drain(&mut follow), "a a a");
    log.rotate(10);
    log.write("a\n");
    assert_eq!(drain(&mut follow), "a");
    File::options().write(true).open(&log.path).and_then(|f| f.set_len(0)).expect("truncated");
    log.write("b\nc\n");
    assert_eq!(drain(&mut follow), "! b c", "and not the rest of the older file again");
}

#[test]
fn every_offset_resumes_with_each_line_exactly_once() {
    let text = "one\n\nrpz: applied two\nthree\n";
    let lines = ["one", "", "rpz: applied two", "three"];
    // How: 0 in place; 1 finished and renamed while the agent was down.
    for size in 0..=text.len() {
        for how in 0..2 {
            let (before, after) = text.split_at(size);
            let log = Log::new();
            log.write("");
            let (mut first, _) = start(&log, None);
            log.write(before);
            let mut got = drain(&mut first);
            let cursor = first.cursor();
            drop(first);
            log.write(after);
            if how == 1 {
                log.rotate(5);
                log.write("new\n");
            }
            let (mut second, lost) = start(&log, Some(&cursor));
            assert!(!lost, "{size} {how}");
            let rest = drain(&mut second);
            let complete = before.matches('\n').count();
            if complete > 0 && complete < 4 {
                got.push(' ');
            }
            got.push_str(&rest);
            let mut want = lines.join(" ");
            if how == 1 {
                want.push_str(if complete == 4 { "new" } else { " new" });
            }
            assert_eq!(got, want, "{size} {how}");
        }
    }
}

#[test]
fn a_lost_or_another_file_is_unsure() {
    let log = Log::new();
    log.write("");
    let (mut first, _) = start(&log, None);
    log.write("a\n");
    assert_eq!(drain(&mut first), "a");
    let cursor = first.cursor();
    drop(first);
    // Rewritten in place: the same inode, another beginning, longer than before.
    fs::write(&log.path, "b\nc\n").expect("written");
    let (mut second, lost) = start(&log, Some(&cursor));
    assert!(lost);
    assert_eq!(drain(&mut second), "b c");
    // Made anew, and the old one is gone.
    fs::remove_file(&log.path).expect("removed");
    let keep_inode_busy = File::create(log.folder.path().join("other")).expect("made");
    log.write("d\n");
    let (mut third, lost) = start(&log, Some(&cursor));
    assert!(lost);
    assert_eq!(drain(&mut third), "d");
    drop(keep_inode_busy);
}

#[test]
fn a_line_that_is_too_long_is_passed_over() {
    let log = Log::new();
    log.write("");
    let (mut follow, _) = start(&log, None);
    log.write(&format!("rpz: applied {}", "x".repeat(3 * LINE_SIZE_MAX)));
    assert_eq!(drain(&mut follow), "");
    assert_eq!(follow.cursor().offset, 0);
    log.write(&format!("\n{}\nb\n", "y".repeat(3 * LINE_SIZE_MAX)));
    assert_eq!(drain(&mut follow), "? - b");
}

#[test]
fn random_writes_and_rotations_against_a_list() {
    use proptest::prelude::*;
    // 0 to 5: write so many bytes of the next lines; 6: rotate; 7: restart.
    proptest!(ProptestConfig::with_cases(48), |(steps in proptest::collection::vec(0u8..8, 1..40))| {
        let log = Log::new();
        log.write("");
        let (mut follow, _) = start(&log, None);
        let (mut next, mut ready) = (0u32, String::new());
        let mut got = String::new();
        let mut age_s = 100_000;
        for step in steps {
            match step {
                6 if ready.is_empty() => {
                    // Whole lines only, as Unbound writes them before it lets go.
                    age_s -= 10;
                    log.rotate(age_s);
                    log.write(&format!("first{next}\n"));
                }
                7 => {
                    got.push_str(&drain(&mut follow));
                    got.push(' ');
                    let cursor = follow.cursor();
                    follow = start(&log, Some(&cursor)).0;
                }
                size => {
                    if ready.is_empty() {
                        ready = format!("line{next}\n");
                        next += 1;
                    }
                    let (now, later) = ready.split_at(ready.len().min(usize::from(size) + 1));
                    log.write(now);
                    ready = later.to_owned();
                }
            }
            got.push_str(&drain(&mut follow));
            got.push(' ');
        }
        let seen: Vec<u32> = got
            .split_whitespace()
            .filter_map(|l| l.strip_prefix("line"))
            .map(|n| n.parse().expect("a number"))
            .collect();
        let whole = next - u32::from(!ready.is_empty());
        prop_assert_eq!(seen, (0..whole).collect::<Vec<_>>());
        prop_assert!(!got.contains('!') && !got.contains('?') && !got.contains('-'));
    });
}

#[test]
fn a_deleted_file_is_let_go_although_nothing_follows_it_yet() {
    let log = Log::new();
    log.write("");
    let (mut follow, _) = start(&log, None);
    log.write("a\n");
    assert_eq!(drain(&mut follow), "a");
    fs::remove_file(&log.path).expect("removed");
    assert_eq!(drain(&mut follow), "", "it may be made anew");
    log.write("");
    assert_eq!(drain(&mut follow), "!");
    log.write("b\n");
    assert_eq!(drain(&mut follow), "b");
}
