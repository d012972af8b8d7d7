use std::io::Write;

use super::*;
use crate::sources::unbound_rpz::testing;

const NXDOMAIN: &str = "info: rpz: applied [remit=de/7] a.example. rpz-nxdomain 100.64.0.5@36430";

fn import(text: &str, year: Option<u32>) -> (Result<ImportSummary, ImportError>, Vec<Report>) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    let (context, _) = testing::context(true);
    let options = ImportOptions { source: SourceKind::UnboundRpz, year, utc_offset_s: 0 };
    let mut reports = Vec::new();
    let result = read(file.path(), &options, &context, &mut |r| reports.push(r));
    (result, reports)
}

/// Times of the hits, in order.
fn check(text: &str, year: Option<u32>, want: &[i64]) -> ImportSummary {
    let (result, reports) = import(text, year);
    let summary = result.expect("imported");
    let times: Vec<i64> = reports
        .iter()
        .flat_map(|r| match r {
            Report::Hits { hits, cursor: None, import: Some(import), .. } => {
                assert_eq!(import.file_digest, summary.file_digest);
                assert_eq!(import.year_assumed, summary.year_assumed);
                hits.iter().flat_map(|h| vec![h.at_s; h.count as usize]).collect()
            }
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(times, want, "{text}");
    assert!(matches!(reports.first(), Some(Report::Rules(_))), "rules come first");
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
    assert!(reports.iter().any(|r| matches!(r, Report::Lost { count: 3, .. })));
    assert!(!format!("{reports:?}").contains("100.64.0.5"), "{reports:?}");
}

#[test]
fn refusals_name_the_option() {
    let (result, _) = import("", Some(99));
    assert!(result.expect_err("no year").to_string().contains("--year 99"));
    let (context, _) = testing::context(true);
    let options = ImportOptions { source: SourceKind::Nftables, year: None, utc_offset_s: 0 };
    let error = read(Path::new("/nonexistent"), &options, &context, &mut |_| {});
    assert!(error.expect_err("no such source").to_string().contains("--source"));
    let options = ImportOptions { source: SourceKind::UnboundRpz, ..options };
    let error = read(Path::new("/nonexistent"), &options, &context, &mut |_| {});
    assert!(matches!(error, Err(ImportError::Read(_))));
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
    let Some(Report::Rules(state)) = reports.first() else { panic!("rules come first") };
    let mut shown: Vec<String> = state
        .rules
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
