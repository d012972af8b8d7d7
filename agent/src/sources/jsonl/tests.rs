//! A box that tells of itself, in files and by a socket, well and ill.

use std::{os::unix::net::UnixDatagram, thread, time::Duration};

use super::*;
use crate::{
    config::Config,
    observation::Report,
    sources::{
        http::testing::{Running, append, check, count, lost, not_parsed},
        testing::context,
    },
};

const RULES: &str = r#"{"type":"rule","rule":"p1","at":"2026-11-24T04:00:00Z","target":"domain_exact:a.example","technique":"tls_sni_rst","trigger":"server_name","claims":["court/1"]}
{"type":"rule","rule":"p2","at":1795492800,"target":"domain_subtree:b.example","technique":"tls_sni_rst"}
{"type":"rule","rule":"p3","at":1795492800,"target":"ip:100.64.0.9","technique":"ip_acl_drop","text":"from 100.64.0.9"}
"#;

fn config(dir: &Path, more: &str) -> Arc<dyn Source> {
    let text = format!(
        "dir = \"/d\"\nlines_served = 1000\n[collector]\nurl = \"https://a\"\n[sources.jsonl]\n\
         by = \"dpi-1\"\nrules = \"{0}/rules\"\n{more}\n",
        dir.display()
    )
    .replace("DIR", &dir.display().to_string());
    let config = Config::parse(&text, &|_| Err("none".into())).expect(&text);
    // What is printed reads back to the same.
    let printed = config.to_string();
    let again = Config::parse(&printed, &|_| Err("none".into())).expect(&printed);
    assert_eq!(again.to_string(), printed);
    config.sources.into_iter().next().expect("a source")
}

fn hit(rule: &str, more: &str) -> String {
    format!(
        "{{\"type\":\"hit\",\"rule\":\"{rule}\",\"at\":1795492871,\"response\":\"http/451\"{more}}}\n"
    )
}

fn started(more: &str) -> (tempfile::TempDir, PathBuf, Running) {
    let dir = tempfile::tempdir().expect("a directory");
    append(&dir.path().join("rules"), RULES.as_bytes());
    let log = dir.path().join("log");
    append(&log, b"");
    let source = config(dir.path(), &format!("log = \"DIR/log\"\n{more}"));
    (dir, log, Running::start(source, context(true)))
}

#[test]
fn rules_hits_and_losses_of_another_box() {
    let (dir, log, running) = started("");
    append(&log, hit("p1", ",\"target\":\"domain_exact:a.example\"").as_bytes());
    append(&log, hit("p2", ",\"count\":3,\"target\":\"sni:www.b.example\"").as_bytes());
    append(&log, hit("p3", "").as_bytes());
    append(&log, hit("unknown", ",\"target\":\"ip:203.0.113.9\"").as_bytes());
    append(&log, b"{\"type\":\"lost\",\"at\":1795492871,\"count\":7}\n");
    running.wait("hits", |reports| count(reports) == 6 && lost(reports) == 7);
    // A rule that is no more, and a new one.
    let rules: String = RULES.lines().skip(1).map(|line| format!("{line}\n")).collect();
    std::fs::write(dir.path().join("rules"), rules.replace("p2", "p4")).expect("written");
    running.wait("other rules", |reports| {
        reports.iter().any(|report| {
            matches!(report, Report::Rules(state) if state.rules.len() == 3
                && !state.rules.iter().any(|rule| rule.target.value == "a.example"))
        })
    });
    let reports = running.stop();
    let token = context(true).0.privacy.token("100.64.0.9".parse().expect("an address")).value;
    check(
        &reports,
        &[
            ("a.example court/1 451", 1),
            ("b.example -> www.b.example - 451", 3),
            (&format!("{token} - 451"), 1),
            ("? -> 203.0.113.9 - 451", 1),
        ],
    );
    let text = format!("{reports:?}");
    assert!(text.contains("relayed by dpi-1: p1"), "{text}");
    assert!(!text.contains("100.64.0.9"), "{text}");
    assert_eq!(not_parsed(&reports), 0);
}

/// The newest state: names of targets, and whether part of it could not be read.
fn newest(reports: &[Report]) -> (Vec<String>, bool) {
    let states = reports.iter().rev();
    let state = states.filter_map(|report| match report {
        Report::Rules(state) => Some(state),
        _ => None,
    });
    state.map(shown).next().unwrap_or_default()
}

fn shown(state: &crate::observation::RuleState) -> (Vec<String>, bool) {
    let rules = state.rules.iter().map(|rule| rule.target.value.clone());
    let mut rules: Vec<String> = rules.filter(|value| value.contains('.')).collect();
    rules.sort();
    (rules, state.partial)
}

#[test]
fn what_cannot_be_read_in_the_file_of_rules_was_not_taken_away() {
    let (dir, log, running) = started("");
    let file = dir.path().join("rules");
    let replace = |text: String| {
        std::fs::write(dir.path().join("new"), text).expect("written");
        std::fs::rename(dir.path().join("new"), &file).expect("renamed");
    };
    let is = |what: &str, rules: &[&str], partial: bool| {
        running.wait(what, |reports| {
            newest(reports) == (rules.iter().map(|r| (*r).into()).collect(), partial)
        });
    };
    is("all", &["a.example", "b.example"], false);
    // The line of p1 is spoilt; p2 is on another name; p9 is new.
    let p9 = RULES.lines().nth(1).unwrap_or_default().replace("p2", "p9").replace("b.e", "z.e");
    let spoilt = RULES.replacen("server_name", "no_word", 1).replace("b.example", "c.example");
    replace(format!("{spoilt}{p9}\n"));
    is("p1 stays", &["a.example", "c.example", "z.example"], true);
    running.wait("a lost line", |reports| lost(reports) == 1);
    append(&log, hit("p1", "").as_bytes());
    running.wait("a hit of p1", |reports| count(reports) == 1);
    replace(format!("{p9}\n"));
    is("whole again", &["z.example"], false);
    std::fs::remove_file(&file).expect("removed");
    is("no file is no empty file", &["z.example"], true);
    replace(String::new());
    is("an empty one is", &[], false);
    let reports = running.stop();
    assert_eq!(lost(&reports), 1, "one line, once");
    check(&reports, &[("a.example court/1 451", 1)]);
}

#[test]
fn hostile_lines_are_counted_and_nothing_stops() {
    let (_dir, log, running) = started("");
    append(&log, hit("p1", "").as_bytes());
    // Ten mebibytes, control bytes, no UTF-8, a client, no JSON.
    append(&log, &[vec![b'{'; 10 << 20], b"\n".to_vec()].concat());
    append(&log, hit("p\u{1b}[2J", "").as_bytes());
    append(&log, b"{\"type\":\"hit\",\"rule\":\"\xff\",\"at\":1}\n");
    append(&log, hit("p1", ",\"client\":\"100.64.0.7\"").as_bytes());
    append(&log, b"100.64.0.7 p1\n\n");
    let line = hit("p1", "");
    let (one, two) = line.split_at(20);
    append(&log, one.as_bytes());
    running.wait("what is wrong", |reports| not_parsed(reports) == 5);
    append(&log, two.as_bytes());
    running.wait("hits", |reports| count(reports) == 2);
    std::fs::rename(&log, log.with_extension("1")).expect("renamed");
    append(&log, hit("p1", ",\"count\":2").as_bytes());
    running.wait("hits", |reports| count(reports) == 4);
    std::fs::write(&log, hit("p1", "")).expect("written");
    running.wait("hits", |reports| count(reports) == 5);
    let reports = running.stop();
    assert_eq!((not_parsed(&reports), lost(&reports)), (5, 0));
    assert!(!format!("{reports:?}").contains("100.64.0.7"), "{reports:#?}");
}

#[test]
fn counters_alone_are_hits_and_what_was_before_is_not() {
    let (_dir, log, running) = started("hits_from = \"counters\"\ncounters_interval_s = 1");
    let counter = |value: u64| {
        format!("{{\"type\":\"counter\",\"rule\":\"p1\",\"at\":1795492871,\"value\":{value}}}\n")
    };
    for value in [1000, 1004, 1004, 3] {
        append(&log, counter(value).as_bytes());
    }
    append(&log, hit("p1", "").as_bytes());
    running.wait("hits", |reports| count(reports) == 7);
    let reports = running.stop();
    assert_eq!((count(&reports), not_parsed(&reports)), (7, 0));
}

#[test]
fn a_counter_is_held_against_hits_when_it_has_been_read_for_a_while() {
    let (_dir, log, running) = started("counters_interval_s = 1");
    append(&log, b"{\"type\":\"counter\",\"rule\":\"p1\",\"at\":1795492871,\"value\":1000}\n");
    running.wait("a rule with a counter", |reports| {
        reports.iter().any(|report| {
            matches!(report, Report::Rules(state)
                if state.rules.iter().any(|rule| rule.counter.as_deref() == Some("dpi-1/p1")))
        })
    });
    let reports = running.stop();
    let told = reports.iter().position(|report| {
        matches!(report, Report::Rules(state) if state.rules.iter().any(|rule| rule.counter.is_some()))
    });
    let readings = reports
        .iter()
        .take(told.expect("a rule"))
        .filter(|report| matches!(report, Report::Counters(_)))
        .count();
    assert!(readings >= 2, "the ledger must know from where it counts: {readings}");
}

#[test]
fn datagrams_of_a_socket() {
    let dir = tempfile::tempdir().expect("a directory");
    append(&dir.path().join("rules"), RULES.as_bytes());
    let path = dir.path().join("socket");
    // One that was left behind.
    drop(UnixDatagram::bind(&path).expect("bound"));
    let source = config(dir.path(), "socket = \"DIR/socket\"");
    let (context, sent) = context(true);
    let stop = Arc::clone(&context.stop);
    let thread = thread::spawn(move || source.run(context));
    let running = Running { sent, stop, thread };
    running.wait("rules", |reports| !reports.is_empty());
    let sender = UnixDatagram::unbound().expect("a socket");
    sender.set_write_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    let send = |bytes: &[u8]| sender.send_to(bytes, &path).expect("sent");
    for _ in 0..500 {
        send(hit("p1", "").as_bytes());
    }
    send(format!("{}{}", hit("p1", ""), hit("p2", "").trim_end()).as_bytes());
    send(&vec![b'x'; 100_000]);
    send(b"\xff\n");
    running.wait("hits", |reports| count(reports) == 502 && not_parsed(reports) == 2);
    running.stop();
    assert!(!path.exists());
}

#[test]
fn lines_of_syslog_through_a_field_map() {
    let (_dir, log, running) = started(
        "[sources.jsonl.syslog]\napp = \"dpid\"\nmsgid = \"BLOCK\"\nrule = \"sd:fw@32473/policy\"\n\
         target = \"msg:dst\"\ntarget_kind = \"ip\"\nresponse = \"http/451\"",
    );
    let line = |app: &str, policy: &str, dst: &str| {
        format!(
            "<134>1 2026-11-24T04:01:11Z box {app} - BLOCK [fw@32473 policy=\"{policy}\" src=\"100.64.0.7\"] \
             src=100.64.0.7 dst={dst}\n"
        )
    };
    append(&log, line("dpid", "p1", "203.0.113.9").as_bytes());
    append(&log, line("dpid", "p9", "203.0.113.9").as_bytes());
    append(&log, line("sshd", "p1", "203.0.113.9").as_bytes());
    append(&log, line("dpid", "p1", "100.64.0.7:1").as_bytes());
    append(&log, b"Nov 24 04:01:11 box dpid: old style\n");
    running.wait("hits", |reports| count(reports) == 2 && not_parsed(reports) == 2);
    let reports = running.stop();
    check(&reports, &[("a.example court/1 451", 1), ("? -> 203.0.113.9 - 451", 1)]);
    assert!(!format!("{reports:?}").contains("100.64.0.7"), "{reports:#?}");
}

#[test]
fn mistakes_in_the_settings_are_named() {
    let text = "dir = \"/d\"\nlines_served = 1\n[collector]\nurl = \"https://a\"\n[sources.jsonl]\n\
                by = \"DPI 1\"\nlog = \"/l\"\nsocket = \"/s\"\nhits_from = \"air\"\n\
                [sources.jsonl.syslog]\napp = \"a\"\nrule = \"policy\"\ntarget = \"msg:d\"\n";
    let mistakes = Config::parse(text, &|_| Err("none".into())).expect_err("mistakes").0;
    let keys: Vec<&str> = mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
    for key in ["by", "socket", "hits_from", "syslog.rule", "syslog.target_kind"] {
        let key = format!("sources.jsonl.{key}");
        assert!(keys.contains(&key.as_str()), "{key}: {keys:?}");
    }
}
