//! The source as a whole, on files; with the real BIND in `real`.

mod real;

use std::{
    fs::{self, OpenOptions},
    io::Write,
};

use remit_proto::v1;

use super::*;
use crate::{
    observation::{Report, Response},
    sources::testing::{
        Sent, context,
        real::{hits, not_parsed, rules, shown},
    },
};

const ZONE: &str = "$TTL 300\n@ SOA ns. root. 7 1 1 1 1\n\
    nx.example CNAME .\n\
    own.example CNAME . ; remit=de/own\n\
    *.wild.example CNAME *.\n\
    pass.example CNAME rpz-passthru.\n\
    tcp.example CNAME rpz-tcp-only.\n\
    local.example A 192.0.2.99\n\
    *.evil.example.rpz-nsdname CNAME .\n\
    32.7.2.0.192.rpz-ip A 192.0.2.99\n\
    32.5.0.64.100.rpz-client-ip CNAME .\n";
const CLIENT: &str = "100.64.0.5#36430";
const NAME: &str = "remit=de/42.rpz.test";

struct Rig {
    folder: tempfile::TempDir,
    source: Tail<Bind>,
    sent: Sent,
    /// Lines written: no two are of the same moment.
    written: std::cell::Cell<u32>,
}

impl Rig {
    fn new(names: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("zone"), ZONE).expect("written");
        fs::write(folder.path().join("mapped"), "@ SOA a b 3 1 1 1 1\nx CNAME .\n").expect("ok");
        fs::write(folder.path().join("log"), "").expect("written");
        let zone = |name: &str, file: &str| RpzZone {
            name: name.into(),
            file: folder.path().join(file),
            ..RpzZone::default()
        };
        let config = BindRpz {
            log: folder.path().join("log"),
            zones: vec![zone(NAME, "zone"), zone("mapped.test", "mapped")],
            poll_ms: 1,
            ..BindRpz::default()
        };
        let (context, sent) = context(names);
        Self { source: config.tail(context), folder, sent, written: 0.into() }
    }

    fn round(&mut self) -> Vec<Report> {
        if self.source.lines.refresh(&self.source.context, false) {
            self.source.send_rules().expect("sent");
        }
        self.source.read_log().expect("sent");
        std::mem::take(&mut *self.sent.lock().expect("not poisoned"))
    }

    fn log(&self, bytes: &[u8]) {
        let path = self.folder.path().join("log");
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut f| f.write_all(bytes)).expect("written");
    }

    fn rewrote(&self, text: &str) {
        let at = self.written.replace(self.written.get() + 1) % 1000;
        let head =
            format!("2026-11-24T03:28:44.{at:03}Z rpz: info: client @0x7f {CLIENT} (secret.a)");
        self.log(format!("{head}: rpz {text}\n").as_bytes());
    }
}

#[test]
fn every_record_that_blocks_is_a_rule_with_its_claim() {
    let known = rules(&Rig::new(true).round());
    assert_eq!(
        shown(&known),
        [
            "*.evil.example DnsNxdomain de/42",
            "*.wild.example DnsNodata de/42",
            "192.0.2.7 DnsForgedA de/42",
            "local.example DnsForgedA de/42",
            "nx.example DnsNxdomain de/42",
            "own.example DnsNxdomain de/own",
            "tcp.example DnsTcpOnly de/42",
            "token DnsNxdomain de/42",
            "x DnsNxdomain map/1",
        ]
    );
}

#[test]
fn a_line_means_the_record_or_the_wildcard_that_covers_it() {
    let mut rig = Rig::new(true);
    let known = rules(&rig.round());
    for text in [
        "QNAME NXDOMAIN rewrite NX.example/A/IN via NX.example.remit=de/42.rpz.test",
        "QNAME NODATA rewrite A.b.wild.example/A/IN via A.b.wild.example.remit=de/42.rpz.test",
        "QNAME NODATA rewrite local.example/TXT/IN via local.example.remit=de/42.rpz.test",
        "QNAME TCP-ONLY rewrite tcp.example/A/IN via tcp.example.remit=de/42.rpz.test",
        "QNAME PASSTHRU rewrite pass.example/A/IN via pass.example.remit=de/42.rpz.test",
        "NSDNAME NXDOMAIN rewrite y.example/A/IN via ns.evil.example.rpz-nsdname.remit=de/42.rpz.test",
        "IP Local-Data rewrite seen.example/A/IN via 32.7.2.0.192.rpz-ip.remit=de/42.rpz.test",
    ] {
        rig.rewrote(text);
    }
    let reports = rig.round();
    let named: Vec<(String, Option<String>)> = hits(&reports)
        .iter()
        .map(|hit| {
            let rule = known.iter().find(|rule| rule.number == hit.rule).expect("a known rule");
            let asked = hit.hit_target.as_ref().map(|target| target.wire().value);
            (rule.target.value.clone(), asked)
        })
        .collect();
    let want = |target: &str, asked: Option<&str>| (target.to_owned(), asked.map(str::to_owned));
    assert_eq!(
        named,
        [
            want("nx.example", None),
            want("*.wild.example", Some("a.b.wild.example")),
            want("local.example", None),
            want("tcp.example", None),
            want("*.evil.example", Some("y.example")),
            want("192.0.2.7", Some("seen.example")),
        ]
    );
    assert_eq!(hits(&reports)[0].response, Response::Dns { rcode: 3, extended_errors: vec![] });
    assert_eq!(not_parsed(&reports), 0);
}

#[test]
fn nothing_of_the_client_is_in_any_report() {
    for names in [true, false] {
        let mut rig = Rig::new(names);
        let mut reports = rig.round();
        for text in [
            "QNAME NXDOMAIN rewrite nx.example/A/IN via nx.example.remit=de/42.rpz.test",
            "QNAME NODATA rewrite 5.0.64.100.in-addr.arpa/PTR/IN via \
             5.0.64.100.in-addr.arpa.remit=de/42.rpz.test",
            "CLIENT-IP NXDOMAIN rewrite hidden/A/IN via 32.5.0.64.100.rpz-client-ip.remit=de/42.rpz.test",
            "CLIENT-IP NXDOMAIN rewrite hidden/A/IN via 32.5.0.64.100.rpz-client-ip.other.test",
            "IP NXDOMAIN rewrite hidden.a/A/IN via 32.5.0.64.100.rpz-ip.other.test",
            "QNAME WHIM rewrite nx.example/A/IN via nx.example.remit=de/42.rpz.test",
        ] {
            rig.rewrote(text);
        }
        rig.log(format!("{CLIENT} rpz {}\n", "x".repeat(100_000)).as_bytes());
        reports.extend(rig.round());
        assert_eq!((hits(&reports).len(), not_parsed(&reports)), (5, 2));
        let shown = format!("{reports:?}");
        for trace in ["100.64.0.5", "5.0.64.100", "36430", "secret", "0x7f"] {
            assert!(!shown.contains(trace), "{trace} in {shown}");
        }
        // The name is said of the address rule alone, and only where names may be said.
        assert_eq!(shown.matches("hidden").count(), usize::from(names), "{shown}");
    }
}

#[test]
fn hostile_input_stops_nothing_and_every_whole_line_counts_once() {
    let mut rig = Rig::new(true);
    rig.round();
    let good = "QNAME NXDOMAIN rewrite nx.example/A/IN via nx.example.remit=de/42.rpz.test";
    let count = |reports: &[Report]| -> u64 { hits(reports).iter().map(|hit| hit.count).sum() };
    rig.rewrote(good);
    rig.log(b"\0\x1b[0m\xff\xfe\n\n\r\n");
    rig.log(b"x rpz \xff\xfe\n");
    rig.log(format!("x rpz {}\n", "y".repeat(10 * 1024 * 1024)).as_bytes());
    rig.rewrote(&format!("{good}\x07"));
    rig.rewrote(good);
    let reports = rig.round();
    assert_eq!((count(&reports), not_parsed(&reports)), (2, 3));
    // Half a line waits for its other half; cut off by a rotation, it is counted as not understood.
    rig.log(b"2026-11-24T03:28:44.271Z client @0x7f 1.2.3.4#5 (a): rpz QNAME NXDOMAIN rew");
    assert!(rig.round().is_empty());
    rig.log(b"rite nx.example/A/IN via nx.example.remit=de/42.rpz.test\nx rpz ha");
    assert_eq!(count(&rig.round()), 1);
    let log = rig.folder.path().join("log");
    fs::rename(&log, rig.folder.path().join("log.0")).expect("renamed");
    rig.rewrote(good);
    let reports = rig.round();
    assert_eq!((count(&reports), not_parsed(&reports)), (1, 1));
    // Truncated in place: what is written afterwards counts, and that lines may be missing is said.
    OpenOptions::new().write(true).open(&log).and_then(|f| f.set_len(0)).expect("truncated");
    rig.rewrote("QNAME DROP rewrite own.example/A/IN via own.example.remit=de/42.rpz.test");
    let reports = rig.round();
    assert_eq!(count(&reports), 1);
    assert!(reports.iter().any(|report| matches!(report, Report::Unsure { .. })));
}

#[test]
fn a_raw_file_is_not_read_and_that_is_said() {
    let mut rig = Rig::new(true);
    fs::write(rig.folder.path().join("mapped"), b"\0\0\0\x02\0\0\0\x01abc").expect("written");
    let reports = rig.round();
    assert_eq!(real::unstable(&reports), Some(true));
    assert!(rules(&reports).iter().all(|rule| rule.target.value != "x"));
    let findings = rig.source.lines.config.examine(&rig.source.context);
    assert!(findings.iter().any(|f| f.remedy.contains("masterfile-format text")), "{findings:?}");
}

#[test]
fn a_line_of_an_unknown_zone_makes_a_rule_that_claims_what_the_zone_name_carries() {
    let mut rig = Rig::new(true);
    rig.round();
    rig.rewrote("QNAME DROP rewrite a.example/A/IN via a.example.remit=fr/1.rpz.test");
    let reports = rig.round();
    let made = rules(&reports).into_iter().find(|r| r.target.value == "a.example").expect("made");
    let claims: Vec<_> = made.claims.iter().map(ToString::to_string).collect();
    assert_eq!((claims, made.claim_origin), (vec!["fr/1".to_owned()], v1::ClaimOrigin::Carried));
}

#[test]
fn below_k_lines_a_name_that_somebody_asked_for_makes_no_rule() {
    for names in [true, false] {
        let mut rig = Rig::new(names);
        let mut reports = rig.round();
        for name in ["one.asked.example", "two.asked.example"] {
            for zone in [NAME, "remit=fr/1.other.test"] {
                rig.rewrote(&format!("QNAME NXDOMAIN rewrite {name}/A/IN via {name}.{zone}"));
            }
        }
        reports.extend(rig.round());
        assert_eq!(hits(&reports).iter().map(|hit| hit.count).sum::<u64>(), 4);
        assert_eq!(format!("{reports:?}").contains("asked"), names);
        let made: Vec<_> = shown(&rules(&reports))
            .into_iter()
            .filter(|rule| rule.starts_with(' ') || rule.contains("asked"))
            .collect();
        let unnamed = [" DnsNxdomain de/42", " DnsNxdomain fr/1"];
        assert_eq!(made.len(), if names { 4 } else { 2 }, "{made:?}");
        assert_eq!(made == unnamed, !names, "{made:?}");
    }
}
