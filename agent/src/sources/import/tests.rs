use std::{io::Write, os::unix::fs::FileExt};

use super::*;
use crate::sources::{follow::LINE_SIZE_MAX, testing};

const NXDOMAIN: &str = "info: rpz: applied [remit=de/7] a.example. rpz-nxdomain 100.64.0.5@36430";

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn options(year: Option<u32>) -> ImportOptions {
    ImportOptions { source: SourceKind::UnboundRpz, year, utc_offset_s: 0 }
}

fn import(text: &str, year: Option<u32>) -> (Result<ImportSummary, ImportError>, Vec<Report>) {
    let (context, _) = testing::context(true);
    let (file, options) = (file(text), options(year));
    let mut reports = Vec::new();
    let result = survey(file.as_file(), &options).and_then(|survey| {
        read(file.as_file(), &options, &survey, 0, &context, &mut |group| {
            reports.extend(group);
            Ok(())
        })?;
        Ok(survey.summary)
    });
    (result, reports)
}

/// Times of the hits, in order.
fn check(text: &str, year: Option<u32>, want: &[i64]) -> ImportSummary {
    let (result, reports) = import(text, year);
    let summary = result.expect("imported");
    let times: Vec<i64> = reports
        .iter()
        .flat_map(|r| match r {
            Report::Hits { hits, cursor: Some(_), import: Some(import), .. } => {
                assert_eq!(import.file_digest, summary.file_digest);
                assert_eq!(import.year_assumed, summary.year_assumed);
                hits.iter().flat_map(|h| vec![h.at_s; h.count as usize]).collect()
            }
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(times, want, "{text}");
    assert!(matches!(reports.first(), Some(Report::RulesOfLines { .. })), "rules come first");
    summary
}

#[test]
fn times_are_the_files_own() {
    let text = format!(
        "[1795459103] unbound[1:0] {NXDOMAIN} a.example. A IN\n\
         2026-11-23T18:39:59+01:00 unbound[1:0] {NXDOMAIN} a.example. A IN\n"
    );
    let summary = check(&text, None, &[1_795_459_103, 1_795_455_599]);
    assert_eq!((summary.year_assumed, summary.rules, summary.parsed), (0, 1, 2));
}

#[test]
fn a_year_is_asked_for_and_moves_on_after_december() {
    let at = |date: &str| format!("{date} ns1 unbound[7]: [7:0] {NXDOMAIN} a.example. A IN\n");
    let text = [
        at("Dec 31 23:59:59"),
        at("Jan  1 00:00:00"),
        at("Dec 31 23:59:58"),
        at("Jan  1 00:00:01"),
    ]
    .concat();
    let (result, _) = import(&text, None);
    let error = result.expect_err("no year");
    assert!(matches!(error, ImportError::YearMissing { line: 1 }), "{error}");
    assert!(error.to_string().contains("--year"), "{error}");
    let new_year = 1_798_761_600;
    let summary = check(&text, Some(2026), &[new_year - 1, new_year, new_year - 2, new_year + 1]);
    assert_eq!(summary.year_assumed, 2026);
}

#[test]
fn every_line_is_accounted_for() {
    let text = format!(
        "[1] unbound[1:0] info: start of service (unbound 1.17.1).\n\
         [2] unbound[1:0] {NXDOMAIN} a.example. A IN\n\
         [3] unbound[1:0] info: rpz: applied [x] p. rpz-passthru 100.64.0.5@1 p. A IN\n\
         [4] unbound[1:0] info: rpz: applied [x] t. rpz-tcp-only 100.64.0.5@1 t. A IN\n\
         [5] unbound[1:0] info: rpz: applied [x] t. rpz-whim 100.64.0.5@1 t. A IN\n\
         [6] unbound[1:0] info: rpz: applied [x] {}. rpz-drop 100.64.0.5@1 t. A IN\n\
         [7] unbound[1:0] info: rpz: applied [x] cut",
        "x".repeat(3 * LINE_SIZE_MAX)
    );
    let (result, reports) = import(&text, None);
    let summary = result.expect("imported");
    assert_eq!(
        (summary.parsed, summary.not_understood, summary.no_block, summary.skipped),
        (1, 3, 2, 1)
    );
    assert!(
        reports
            .iter()
            .any(|r| matches!(r, Report::Hits { not_parsed: NotParsed { count: 3, .. }, .. }))
    );
    assert!(!format!("{reports:?}").contains("100.64.0.5"), "{reports:?}");
}

#[test]
fn refusals_name_the_option() {
    let (result, _) = import("", Some(99));
    assert!(result.expect_err("no year").to_string().contains("--year 99"));
    let nothing = file("");
    let refused = |options| survey(nothing.as_file(), &options).expect_err("refused").to_string();
    let other = ImportOptions { source: SourceKind::Nftables, ..options(None) };
    assert!(refused(other).contains("--source"));
    let far = ImportOptions { utc_offset_s: 90_000, ..options(None) };
    assert!(refused(far).contains("--utc-offset 90000"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = open(Path::new("/nonexistent")).expect_err("no such file");
    assert!(error.to_string().contains("/nonexistent"), "{error}");
    let folder = tempfile::tempdir().expect("a folder");
    assert!(matches!(open(folder.path()), Err(ImportError::NotAFile { .. })));
}

fn lines(from: u64, count: u64) -> String {
    (from..from + count)
        .map(|at| format!("[{at}] unbound[1:0] {NXDOMAIN} a.example. A IN\n"))
        .collect()
}

fn read_from(
    file: &tempfile::NamedTempFile,
    survey: &Survey,
    offset: u64,
    take: TakeReports<'_>,
) -> Result<(), ImportError> {
    let (context, _) = testing::context(true);
    read(file.as_file(), &options(None), survey, offset, &context, take)
}

#[test]
fn an_interrupted_import_continues_at_the_next_line() {
    let file = file(&(lines(1, 600) + "[601] unbound[1:0] info: rpz: applied [x] cut\n"));
    let survey = survey(file.as_file(), &options(None)).expect("surveyed");
    let mut seen = Vec::new();
    let mut cursors: Vec<Cursor> = Vec::new();
    for _ in 0..9 {
        let position = survey.position(&options(None), &cursors).expect("the same options");
        let Position::Offset(offset) = position else { break };
        // One group is taken in each run.
        let mut taken = false;
        let result = read_from(&file, &survey, offset, &mut |group| {
            if std::mem::replace(&mut taken, true) {
                return Err(NoMore);
            }
            for report in group {
                if let Report::Hits { hits, not_parsed, cursor, .. } = report {
                    seen.extend(vec![0; not_parsed.count as usize]);
                    seen.extend(hits.iter().map(|h| h.at_s));
                    cursors = cursor.into_iter().collect();
                }
            }
            Ok(())
        });
        assert!(matches!(result, Ok(()) | Err(ImportError::Interrupted)), "{result:?}");
    }
    assert_eq!(survey.position(&options(None), &cursors).expect("known"), Position::Done);
    seen.sort_unstable();
    assert_eq!(seen, (0..=600).collect::<Vec<i64>>(), "each line once, the last as a loss");
    // The same file under another year would stand there twice.
    let other = survey.position(&options(Some(2020)), &cursors);
    assert!(matches!(other, Err(ImportError::OtherOptions)), "{other:?}");
    let (another, _) = import(&lines(7, 1), None);
    assert_ne!(another.expect("imported").file_digest, survey.summary.file_digest);
}

/// Where the last block of the file below begins.
const LAST_BLOCK: u64 = 3 * 1024 * 1024;

#[test]
fn only_what_was_surveyed_is_recorded() {
    // Three blocks and a bit; the change is in the last one.
    let text = lines(1, 30_000);
    let size = text.len() as u64;
    assert!(size > LAST_BLOCK);
    let file = file(&text);
    let survey = survey(file.as_file(), &options(None)).expect("surveyed");
    let passed = || {
        let (mut hits, mut end) = (0, 0);
        let result = read_from(&file, &survey, 0, &mut |group| {
            for report in group {
                if let Report::Hits { hits: some, cursor: Some(cursor), .. } = report {
                    hits += some.len();
                    end = cursor.offset;
                }
            }
            Ok(())
        });
        (result, hits, end)
    };
    // What is appended after the survey is not part of the file.
    file.as_file().write_all(b"[1] unbound[1:0] more\n").expect("written");
    let (result, hits, end) = passed();
    result.expect("the same file");
    assert_eq!((hits, end), (30_000, size));
    file.as_file().write_all_at(b"[9]", size - 3).expect("written");
    let (result, hits, end) = passed();
    assert!(matches!(result, Err(ImportError::Changed)), "{result:?}");
    assert!(hits > 20_000 && hits < 30_000 && end <= LAST_BLOCK, "{hits} {end}");
}

#[test]
fn rules_come_from_the_lines() {
    let text = format!(
        "[1] unbound[1:0] {NXDOMAIN} a.example. A IN\n\
         [2] unbound[1:0] info: rpz: applied [mapped.test] *.w. rpz-drop 100.64.0.5@1 X.w. A IN\n\
         [3] unbound[1:0] info: rpz: applied clientip 100.64.0.5/32 rpz-nodata 100.64.0.5@1 q. A IN\n"
    );
    let (result, reports) = import(&text, None);
    assert_eq!(result.expect("imported").rules, 3);
    let Some(Report::RulesOfLines { rules, .. }) = reports.first() else {
        panic!("rules come first")
    };
    let mut shown: Vec<String> = rules
        .iter()
        .map(|r| {
            let claims: Vec<_> = r.claims.iter().map(ToString::to_string).collect();
            format!(
                "{:?} {:?} {} {:?}",
                r.technique,
                r.target.kind(),
                claims.join(","),
                r.claim_origin
            )
        })
        .collect();
    shown.sort();
    assert_eq!(
        shown,
        [
            "DnsDrop DomainSubtree map/1 Mapped",
            "DnsNodata CustomerToken  None",
            "DnsNxdomain DomainExact de/7 Carried",
        ]
    );
    let hits = format!("{reports:?}");
    // The wildcard's hit is named, the customer's is not.
    assert!(hits.contains("x.w") && !hits.contains("\"q\""));
}
