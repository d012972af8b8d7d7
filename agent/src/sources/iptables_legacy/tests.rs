//! A captured dump; then the real iptables-legacy between two hosts (Debian package iptables).

use std::{sync::atomic::Ordering, thread};

use remit_proto::v1::TargetKind;

use super::*;
use crate::{
    rules::nftables::testing::run,
    sources::nftables::testing::{CLIENT, Host, context, hits, in_router, readings, states},
};

#[test]
fn a_captured_dump_becomes_rules_and_the_nodes_own() {
    let text = include_str!("../../../testdata/iptables/iptables-legacy-save.txt");
    let (context, _) = context(true);
    let known = known(&save::parse(text).unwrap(), Family::V4, &context);
    let shown: Vec<String> = known
        .rules
        .iter()
        .map(|rule| {
            let claims: Vec<String> = rule.claims.iter().map(ToString::to_string).collect();
            let narrowed = if rule.narrowed { "~" } else { "" };
            format!("{narrowed}{} {}", rule.target.value, claims.join(","))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "203.0.113.9 ",
            "192.0.2.1 court/1",
            "192.0.2.2:443/tcp ",
            "198.51.100.0/24 list:national@1"
        ]
    );
    assert_eq!(known.rules[1].counter.as_ref().and_then(|key| known.counters.get(key)), Some(&3));
    let own: Vec<_> = known.own.iter().map(|own| own.chain.as_str()).collect();
    assert_eq!(own, ["iptables/filter/INPUT"]);
}

#[test]
fn customers_are_tokens_and_what_is_not_read_is_said() {
    let text = "*filter\n:FORWARD DROP [7:420]\n[1:60] -A FORWARD -s 100.64.0.9/32 -j DROP\n\
                [2:60] -A FORWARD -m set --match-set x dst -j DROP\nCOMMIT\n";
    let (context, _) = context(true);
    let known = known(&save::parse(text).unwrap(), Family::V4, &context);
    let kinds: Vec<_> = known.rules.iter().map(|rule| rule.target.kind()).collect();
    let want = [TargetKind::CustomerToken, TargetKind::NotUnderstood, TargetKind::WholeService];
    assert_eq!(kinds, want);
    assert!(known.rules[1].narrowed);
    assert!(!format!("{:?}", known.rules).contains("100.64.0.9"));
}

fn dump(path: &Path) {
    let text = run("iptables-legacy-save", &["-c"]);
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, path).unwrap();
}

#[test]
fn hits_are_what_the_real_iptables_legacy_counts() {
    in_router(|client: &Host, _| {
        let iptables = |arguments: &str| {
            run("iptables-legacy", &arguments.split(' ').collect::<Vec<_>>());
        };
        iptables("-A FORWARD -d 192.0.2.1 -m comment --comment remit=court/1 -j DROP");
        iptables("-A INPUT -p udp --dport 9999 -j DROP");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        dump(&path);
        let (context, sent) = context(true);
        let stop = Arc::clone(&context.stop);
        let max_age = Duration::from_secs(60);
        let config = Arc::new(IptablesLegacy { dump: path.clone(), dump6: None, max_age });
        assert!(config.examine(&context)[0].says.contains("1 rules block"));
        let source = thread::spawn(move || config.run(context));
        let wait = |what: &str, good: &dyn Fn(&[Report]) -> bool| {
            let until = Instant::now() + Duration::from_secs(60);
            while !good(&sent.lock().unwrap()) {
                assert!(Instant::now() < until, "no {what}: {:#?}", sent.lock());
                thread::sleep(Duration::from_millis(20));
            }
        };
        let count = |reports: &[Report]| hits(reports).iter().map(|hit| hit.count).sum::<u64>();
        wait("rules", &|reports| states(reports).iter().any(|state| state.rules.len() == 1));
        client.send(CLIENT, "192.0.2.1:53", 5);
        client.send(CLIENT, "100.64.0.1:9999", 4);
        dump(&path);
        wait("five hits", &|reports| count(reports) == 5);
        // Counters begin anew, and a rule comes; what they show since then are hits.
        iptables("-Z");
        iptables("-A FORWARD -d 192.0.2.2 -j DROP");
        client.send(CLIENT, "192.0.2.1:53", 2);
        client.send(CLIENT, "192.0.2.2:53", 3);
        dump(&path);
        wait("ten hits", &|reports| count(reports) == 10);
        stop.store(true, Ordering::Relaxed);
        source.join().unwrap().unwrap();
        let reports = sent.lock().unwrap().clone();
        assert!(matches!(reports[0], Report::Counters(_)), "{reports:?}");
        let own = readings(&reports)[1].self_protection.clone();
        assert_eq!((own[0].chain.as_str(), own[0].packets), ("iptables/filter/INPUT", 4));
        assert!(!reports.iter().any(|report| matches!(report, Report::Unsure { .. })));
    });
}
