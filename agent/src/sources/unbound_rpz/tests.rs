//! The source as a whole, on files; with the real Unbound in `real`.

mod real;

use std::{
    fs::{self, OpenOptions},
    io::Write,
    sync::atomic::Ordering,
    thread,
    time::Instant,
};

use remit_proto::v1::{self, LossCause};

use super::*;
use crate::{
    observation::{Hit, KnownRule, Report, Response, RuleNumber},
    sources::{
        Resume,
        tail::BLIND_INTERVAL,
        testing::{Sent, context},
    },
};

const ZONE: &str = "$TTL 300\n@ SOA ns. root. 7 1 1 1 1\n\
    nx.example CNAME .\n\
    own.example CNAME . ; remit=de/own actor=vendor\n\
    *.wild.example CNAME *.\n\
    pass.example CNAME rpz-passthru.\n\
    tcp.example CNAME rpz-tcp-only.\n\
    32.7.2.0.192.rpz-ip A 192.0.2.99\n\
    32.5.0.64.100.rpz-client-ip CNAME .\n";
const CLIENT: &str = "100.64.0.5@36430";

struct Rig {
    folder: tempfile::TempDir,
    source: Tail<Unbound>,
    sent: Sent,
}

impl Rig {
    fn new(names: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("zone"), ZONE).expect("written");
        fs::write(folder.path().join("log"), "").expect("written");
        Self::on(folder, names, None)
    }

    fn on(folder: tempfile::TempDir, names: bool, resume: Option<Resume>) -> Self {
        let (mut context, sent) = context(names);
        context.resume = resume;
        let config = UnboundRpz {
            log: folder.path().join("log"),
            zones: vec![RpzZone {
                name: "rpz.test.".into(),
                file: folder.path().join("zone"),
                log_name: Some("remit=de/42".into()),
                action_override: None,
            }],
            poll_ms: 1,
            ..UnboundRpz::default()
        };
        Self { folder, source: config.tail(context), sent }
    }

    /// One round of the thread's loop.
    fn round(&mut self) -> Vec<Report> {
        if self.source.lines.refresh(&self.source.context, false) {
            self.source.send_rules().expect("sent");
        }
        self.source.read_log().expect("sent");
        std::mem::take(&mut *self.sent.lock().expect("not poisoned"))
    }

    fn log(&self, text: &str) {
        self.log_bytes(text.as_bytes());
    }

    fn log_bytes(&self, bytes: &[u8]) {
        let file = OpenOptions::new().append(true).create(true).open(&self.source.lines.config.log);
        file.and_then(|mut f| f.write_all(bytes)).expect("written");
    }

    fn applied(&self, text: &str) {
        self.log(&format!("[1795459103] unbound[2804:0] info: rpz: applied {text}\n"));
    }
}

fn rules(reports: &[Report]) -> Vec<Arc<KnownRule>> {
    reports
        .iter()
        .rev()
        .find_map(|r| match r {
            Report::Rules(state) => Some(state.rules.clone()),
            _ => None,
        })
        .unwrap_or_default()
}

fn hits(reports: &[Report]) -> Vec<Hit> {
    let of = |r: &Report| match r {
        Report::Hits { hits, .. } => hits.clone(),
        _ => Vec::new(),
    };
    reports.iter().flat_map(of).collect()
}

fn number(rules: &[Arc<KnownRule>], target: &str) -> RuleNumber {
    rules.iter().find(|r| r.target.value == target).expect("the rule").number
}

fn unstable(reports: &[Report]) -> Option<bool> {
    reports.iter().rev().find_map(|r| match r {
        Report::Rules(state) => Some(state.unstable),
        _ => None,
    })
}

#[test]
fn every_owner_that_blocks_is_a_rule() {
    let mut rig = Rig::new(true);
    let reports = rig.round();
    let mut shown: Vec<String> = rules(&reports)
        .iter()
        .map(|r| {
            let claims: Vec<_> = r.claims.iter().map(ToString::to_string).collect();
            let target = match r.target.kind() {
                v1::TargetKind::CustomerToken => "token",
                _ => r.target.value.as_str(),
            };
            format!("{target} {:?} {:?} {}", r.technique, r.trigger, claims.join(","))
        })
        .collect();
    shown.sort();
    assert_eq!(
        shown,
        [
            "*.wild.example DnsNodata Qname de/42",
            "192.0.2.7 DnsForgedA ResponseIp de/42",
            "nx.example DnsNxdomain Qname de/42",
            "own.example DnsNxdomain Qname de/own",
            "tcp.example DnsTcpOnly Qname de/42",
            "token DnsNxdomain ClientIp de/42",
        ]
    );
    assert_eq!(unstable(&reports), Some(false));
    assert!(rig.round().is_empty(), "nothing new, nothing said");
}

#[test]
fn who_made_a_rule_says_the_rule_the_zone_or_the_settings() {
    let mut rig = Rig::new(true);
    rig.source.context.default_actor = v1::Actor::OperatorStaff;
    let actor = |rules: &[Arc<KnownRule>], target: &str| {
        rules.iter().find(|r| r.target.value == target).expect("the rule").actor
    };
    let known = rules(&rig.round());
    assert_eq!(actor(&known, "own.example"), v1::Actor::Vendor);
    assert_eq!(actor(&known, "nx.example"), v1::Actor::OperatorStaff);
    rig.applied(&format!("[actor=customer] a.example. rpz-nxdomain {CLIENT} a.example. A IN"));
    rig.applied(&format!("[x] b.example. rpz-nxdomain {CLIENT} b.example. A IN"));
    let known = rules(&rig.round());
    assert_eq!(actor(&known, "a.example"), v1::Actor::Customer);
    assert_eq!(actor(&known, "b.example"), v1::Actor::OperatorStaff);
}

#[test]
fn lines_become_hits_of_their_rules() {
    let mut rig = Rig::new(true);
    let known = rules(&rig.round());
    rig.applied(&format!("[remit=de/42] nx.example. rpz-nxdomain {CLIENT} NX.example. A IN"));
    rig.applied(&format!("[remit=de/42] nx.example. rpz-nxdomain {CLIENT} nx.example. AAAA IN"));
    rig.applied(&format!("[remit=de/42] *.wild.example. rpz-nodata {CLIENT} A.Wild.example. A IN"));
    rig.applied(&format!("[remit=de/42] pass.example. rpz-passthru {CLIENT} pass.example. A IN"));
    rig.applied(&format!("[remit=de/42] tcp.example. rpz-tcp-only {CLIENT} tcp.example. A IN"));
    rig.applied(&format!("[remit=de/42] tcp.example. rpz-tcp-only {CLIENT} tcp.example. A IN"));
    rig.applied(&format!(
        "[remit=de/42] clientip 100.64.0.5/32 rpz-nxdomain {CLIENT} secret. A IN"
    ));
    let reports = rig.round();
    let got = hits(&reports);
    assert_eq!(got.len(), 3, "{got:?}");
    assert_eq!((got[0].rule, got[0].count), (number(&known, "nx.example"), 2));
    assert_eq!(got[0].hit_target, None);
    assert_eq!(got[0].response, Response::Dns { rcode: 3, extended_errors: vec![] });
    assert_eq!(got[1].rule, number(&known, "*.wild.example"));
    assert_eq!(
        got[1].hit_target.as_ref().map(|t| t.wire().value).as_deref(),
        Some("a.wild.example")
    );
    assert_eq!(got[2].hit_target, None, "what one customer asked for is not said");
}

#[test]
fn nothing_of_the_client_is_in_any_report() {
    for names in [true, false] {
        let mut rig = Rig::new(names);
        let mut reports = rig.round();
        for text in [
            format!("[remit=de/42] nx.example. rpz-nxdomain {CLIENT} nx.example. A IN"),
            format!(
                "[remit=de/42] *.wild.example. rpz-nodata {CLIENT} 5.0.64.100.in-addr.arpa. PTR IN"
            ),
            format!("[remit=de/42] clientip 100.64.0.5/32 rpz-nxdomain {CLIENT} secret. A IN"),
            format!("[other] clientip 100.64.0.5/32 rpz-nxdomain {CLIENT} secret. A IN"),
            format!("[other] 100.64.0.5/32 rpz-nxdomain {CLIENT} x.example. A IN"),
            format!("[other] nx.example. rpz-whim {CLIENT} nx.example. A IN"),
            format!("{CLIENT} {CLIENT}"),
        ] {
            rig.applied(&text);
        }
        rig.log(&format!("rpz: applied {CLIENT} {}\n", "x".repeat(100_000)));
        reports.extend(rig.round());
        let shown = format!("{reports:?}");
        for trace in ["100.64.0.5", "5.0.64.100", "36430", "secret"] {
            assert!(!shown.contains(trace), "{trace} in {shown}");
        }
        let named = shown.contains("in-addr")
            || hits(&reports).iter().any(|h| {
                h.hit_target
                    .as_ref()
                    .is_some_and(|t| t.wire().kind() == v1::TargetKind::DomainExact)
            });
        assert_eq!(named, names, "x.example is named only where names may be");
        assert!(shown.contains("NotParsed"));
    }
}

#[test]
fn what_is_not_parsed_is_counted_and_stops_nothing() {
    let mut rig = Rig::new(true);
    rig.round();
    rig.applied("nonsense");
    rig.log("[1795459103] unbound[1:0] info: generate keytag query _ta-4f66. NULL IN\n");
    rig.log("\0\0\0\x1b[0m\n");
    rig.applied(&format!("[remit=de/42] nx.example. rpz-nxdomain {CLIENT} nx.example. A IN"));
    let reports = rig.round();
    let lost: Vec<u64> = reports
        .iter()
        .filter_map(|r| match r {
            // With the hits and the cursor, in one report.
            Report::Hits { not_parsed, .. } if not_parsed.count > 0 => Some(not_parsed.count),
            _ => None,
        })
        .collect();
    assert_eq!(lost, [1]);
    assert_eq!(hits(&reports).len(), 1);
}

#[test]
fn hostile_input_stops_nothing_and_every_whole_line_counts_once() {
    let mut rig = Rig::new(true);
    rig.round();
    let good = format!("[remit=de/42] nx.example. rpz-nxdomain {CLIENT} nx.example. A IN");
    let counted = |reports: &[Report]| {
        let not_parsed = |report: &Report| match report {
            Report::Hits { not_parsed, .. } => not_parsed.count,
            _ => 0,
        };
        let hits: u64 = hits(reports).iter().map(|hit| hit.count).sum();
        (hits, reports.iter().map(not_parsed).sum::<u64>())
    };
    // What the log gets, and hits and lines not understood of the round that reads it.
    let head = "[1795459103] unbound[1:0] info: rpz: applied";
    let cases: [(&str, Vec<u8>, (u64, u64)); 8] = [
        ("not ours", b"\0\x1b[0m\xff\xfe\n\n\r\n".to_vec(), (0, 0)),
        ("control bytes", format!("{head} {good}\x07\n").into_bytes(), (0, 1)),
        ("not UTF-8", [head.as_bytes(), b" \xff\xfe\n"].concat(), (0, 1)),
        ("10 MiB of ours", format!("{head} {}\n", "y".repeat(10 << 20)).into_bytes(), (0, 1)),
        ("10 MiB of others", format!("{}\n", "y".repeat(10 << 20)).into_bytes(), (0, 0)),
        ("a carriage return", format!("{head} {good}\r\n").into_bytes(), (1, 0)),
        ("half a line", format!("{head} {good}\n{head} [remit=de").into_bytes(), (1, 0)),
        ("its other half", format!("/42]{}\n", &good[13..]).into_bytes(), (1, 0)),
    ];
    for (what, bytes, want) in cases {
        rig.log_bytes(&bytes);
        assert_eq!(counted(&rig.round()), want, "{what}");
    }
    // Cut off by a rotation, half a line will never be whole.
    rig.log(&format!("{head} [remit=de"));
    let log = rig.folder.path().join("log");
    fs::rename(&log, rig.folder.path().join("log.1")).expect("renamed");
    rig.applied(&good);
    assert_eq!(counted(&rig.round()), (1, 1));
    // Truncated in place: what is written afterwards counts, and that lines may be missing is said.
    OpenOptions::new().write(true).open(&log).and_then(|f| f.set_len(0)).expect("truncated");
    rig.applied(&format!("own.example. rpz-nxdomain {CLIENT} own.example. A IN"));
    let reports = rig.round();
    assert_eq!(counted(&reports), (1, 0));
    assert_eq!(unsure(&reports), 1);
}

#[test]
fn a_line_without_a_known_rule_makes_one() {
    let mut rig = Rig::new(true);
    rig.round();
    rig.applied(&format!("[remit=fr/1] new.example. rpz-drop {CLIENT} new.example. A IN"));
    rig.applied(&format!("[remit=fr/1] new.example. rpz-drop {CLIENT} new.example. A IN"));
    let reports = rig.round();
    assert!(matches!(reports.first(), Some(Report::Rules(_))), "rules come before hits");
    let known = rules(&reports);
    let made = known.iter().find(|r| r.target.value == "new.example").expect("the rule");
    assert_eq!(made.claims.iter().map(ToString::to_string).collect::<Vec<_>>(), ["fr/1"]);
    assert_eq!(
        hits(&reports).iter().map(|h| (h.rule, h.count)).collect::<Vec<_>>(),
        [(made.number, 2)]
    );
    // A zone file that is newer than the last look is looked at first.
    fs::write(rig.folder.path().join("zone"), format!("{ZONE}late.example CNAME .\n")).expect("ok");
    rig.applied(&format!("[remit=de/42] late.example. rpz-nxdomain {CLIENT} late.example. A IN"));
    rig.source.read_log().expect("sent");
    let reports = rig.round();
    let known = rules(&reports);
    assert_eq!(known.iter().filter(|r| r.target.value == "late.example").count(), 1);
    assert_eq!(hits(&reports).first().map(|h| h.rule), Some(number(&known, "late.example")));
}

#[test]
fn zones_of_one_log_name_are_told_apart_by_action_or_named_as_candidates() {
    let mut rig = Rig::new(true);
    let second = rig.folder.path().join("second");
    fs::write(&second, "nx.example CNAME .\nown.example CNAME rpz-drop.\n").expect("written");
    let mut config = rig.source.lines.config.clone();
    config.zones.push(RpzZone {
        name: "second.test".into(),
        file: second,
        log_name: Some("remit=de/42".into()),
        action_override: None,
    });
    rig.source = config.tail(rig.source.context.clone());
    rig.round();
    rig.applied(&format!("[remit=de/42] nx.example. rpz-nxdomain {CLIENT} nx.example. A IN"));
    rig.applied(&format!("[remit=de/42] own.example. rpz-drop {CLIENT} own.example. A IN"));
    let got = hits(&rig.round());
    let candidates: Vec<_> = got.iter().map(|h| h.other_candidates.len()).collect();
    assert_eq!(candidates, [1, 0]);
}

#[test]
fn claims_come_from_line_then_log_name_then_zone_then_map() {
    let check = |name: &str, log_name: Option<&str>, record: &str, want: &str| {
        let mut rig = Rig::new(true);
        fs::write(rig.folder.path().join("zone"), format!("@ SOA a b 1 1 1 1 1\n{record}\n"))
            .expect("ok");
        let mut config = rig.source.lines.config.clone();
        config.zones[0].name = name.into();
        config.zones[0].log_name = log_name.map(str::to_owned);
        rig.source = config.tail(rig.source.context.clone());
        let known = rules(&rig.round());
        let claims: Vec<_> = known[0].claims.iter().map(ToString::to_string).collect();
        assert_eq!(format!("{} {:?}", claims.join(","), known[0].claim_origin), want, "{name}");
    };
    check("rpz.test", Some("remit=a"), "x CNAME . ; remit=b", "b Carried");
    check("rpz.test", Some("remit=a"), "x CNAME .", "a Carried");
    check("mapped.test", Some("blocklist"), "x CNAME .", "map/1 Mapped");
    check("mapped.test.", None, "x CNAME .", "map/1 Mapped");
    check("rpz.test", None, "x CNAME .", " None");
    // What was meant as a claim and is none, is none; nobody else speaks for it.
    check("mapped.test", Some("remit=,"), "x CNAME .", " None");
    check("rpz.test", Some("remit=a"), "x CNAME . ; remit=,", " None");
}

#[test]
fn a_zone_file_that_cannot_be_read_keeps_what_was_known() {
    let mut rig = Rig::new(true);
    let before = rules(&rig.round());
    fs::remove_file(rig.folder.path().join("zone")).expect("removed");
    let reports = rig.round();
    assert_eq!((rules(&reports).len(), unstable(&reports)), (before.len(), Some(true)));
    fs::write(rig.folder.path().join("zone"), "x CNAME .\n$INCLUDE y\n").expect("written");
    let reports = rig.round();
    assert_eq!((rules(&reports).len(), unstable(&reports)), (1, Some(true)));
    fs::write(rig.folder.path().join("zone"), "x CNAME .\n").expect("written");
    assert_eq!(unstable(&rig.round()), Some(false));
}

#[test]
fn a_restart_goes_on_where_the_last_report_stood() {
    let mut rig = Rig::new(true);
    rig.round();
    let line = format!("[remit=de/42] nx.example. rpz-nxdomain {CLIENT} nx.example. A IN");
    rig.applied(&line);
    let cursor = rig.round().iter().find_map(|r| match r {
        Report::Hits { cursor, .. } => cursor.clone(),
        _ => None,
    });
    rig.applied(&line);
    let resume = cursor.map(|cursor| Resume { cursor, at_s: 1_795_459_103 });
    let folder = rig.folder;
    let mut again = Rig::on(folder, true, resume.clone());
    assert_eq!(hits(&again.round()).iter().map(|h| h.count).sum::<u64>(), 1);
    // And if the file is gone, that is said, from the last record on.
    fs::write(again.folder.path().join("log"), "another file, and longer than before".repeat(20))
        .expect("ok");
    let mut third = Rig::on(again.folder, true, resume);
    assert!(third.round().iter().any(|r| matches!(
        r,
        Report::Unsure { cause: LossCause::FileLost, from_s: 1_795_459_103, .. }
    )));
}

#[test]
fn the_first_look_already_fixes_the_position() {
    let mut rig = Rig::new(true);
    let reports = rig.round();
    let empty =
        |r: &Report| matches!(r, Report::Hits { hits, cursor: Some(_), .. } if hits.is_empty());
    assert!(reports.iter().any(empty), "else a stop before the first hit would skip what follows");
}

fn spawn(config: &UnboundRpz, context: SourceContext) -> thread::JoinHandle<()> {
    let source: Arc<dyn Source> = Arc::new(config.clone());
    thread::spawn(move || source.run(context).expect("no error"))
}

/// How often it was said that the log may have been missed.
fn unsure(reports: &[Report]) -> usize {
    let is = |r: &&Report| matches!(r, Report::Unsure { cause: LossCause::FileLost, .. });
    reports.iter().filter(is).count()
}

#[test]
fn a_log_that_is_not_there_is_no_silence() {
    let mut rig = Rig::new(true);
    fs::remove_file(&rig.source.lines.config.log).expect("removed");
    assert_eq!(unsure(&rig.round()), 1, "said at once");
    assert_eq!(unsure(&rig.round()), 0, "and not at every look");
    rig.source.blind = Instant::now().checked_sub(BLIND_INTERVAL);
    assert_eq!(unsure(&rig.round()), 1, "but again each minute");
    rig.applied(&format!("[remit=de/42] nx.example. rpz-nxdomain {CLIENT} nx.example. A IN"));
    let reports = rig.round();
    assert_eq!((unsure(&reports), hits(&reports).len()), (1, 1), "until it is back");
    assert!(rig.round().is_empty());
}

#[test]
fn a_log_that_cannot_be_read_is_no_silence() {
    let mut rig = Rig::new(true);
    let log = rig.source.lines.config.log.clone();
    fs::remove_file(&log).expect("removed");
    // Opened like a file, and no byte of it can be read, by root neither.
    fs::create_dir(&log).expect("made");
    assert_eq!(unsure(&rig.round()), 1);
    fs::remove_dir(&log).expect("removed");
    rig.applied(&format!("[remit=de/42] nx.example. rpz-nxdomain {CLIENT} nx.example. A IN"));
    // What was written before the first look is not ours; that it was missed is said.
    let reports = rig.round();
    assert_eq!((unsure(&reports), hits(&reports).len()), (1, 0));
    rig.applied(&format!("[remit=de/42] nx.example. rpz-nxdomain {CLIENT} nx.example. A IN"));
    let reports = rig.round();
    assert_eq!((unsure(&reports), hits(&reports).len()), (0, 1));
}

#[test]
fn a_log_that_vanished_between_two_runs_is_no_silence() {
    let mut rig = Rig::new(true);
    rig.applied(&format!("[remit=de/42] nx.example. rpz-nxdomain {CLIENT} nx.example. A IN"));
    let cursor = rig.round().iter().rev().find_map(|r| match r {
        Report::Hits { cursor, .. } => cursor.clone(),
        _ => None,
    });
    fs::remove_file(&rig.source.lines.config.log).expect("removed");
    let resume = Resume { cursor: cursor.expect("a position"), at_s: 1_795_459_103 };
    let mut rig = Rig::on(rig.folder, true, Some(resume));
    let reports = rig.round();
    assert!(unsure(&reports) >= 1);
    let from = |r: &Report| matches!(r, Report::Unsure { from_s: 1_795_459_103, .. });
    assert!(reports.iter().any(from), "since the last record: {reports:?}");
    assert_eq!(unsure(&rig.round()), 0);
}

#[test]
fn rules_known_from_lines_alone_are_bounded_and_still_exact() {
    let mut rig = Rig::new(true);
    rig.round();
    let count = 16 * 1024 + 50;
    for n in 0..count {
        rig.applied(&format!("[other] n{n}.example. rpz-drop {CLIENT} n{n}.example. A IN"));
    }
    let reports = rig.round();
    let known = rules(&reports);
    let further = number(&known, "");
    let got = hits(&reports);
    assert_eq!(got.iter().map(|h| h.count).sum::<u64>(), count);
    assert_eq!(got.iter().filter(|h| h.rule == further).map(|h| h.count).sum::<u64>(), 50);
}

#[test]
fn the_thread_ends_when_it_is_told_to() {
    let rig = Rig::new(true);
    let (context, sent) = context(true);
    let stop = Arc::clone(&context.stop);
    let thread = spawn(&rig.source.lines.config, context);
    while sent.lock().expect("not poisoned").is_empty() {
        thread::yield_now();
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("no panic");
}
