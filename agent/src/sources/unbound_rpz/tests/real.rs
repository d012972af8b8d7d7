//! Against the real Unbound: what it blocks, what it logs and what it counts are one number.
//! Needs `unbound` and `dig` (Debian packages unbound and bind9-dnsutils); without them it fails.

use std::{
    net::UdpSocket,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::*;

const ZONE: &str = "$ORIGIN rpz.test.\n$TTL 300\n@ IN SOA ns. root. ( 7 3600 600 86400 300 )\n\
    nx.example CNAME .\n\
    remit-canary.own.example CNAME .\n\
    UPPER.Example CNAME . ; remit=de/own\n\
    *.wild.example CNAME .\n\
    nodata.example CNAME *.\n\
    drop.example CNAME rpz-drop.\n\
    pass.example CNAME rpz-passthru.\n\
    tcp.example CNAME rpz-tcp-only.\n\
    local.example A 192.0.2.99\n\
    32.9.0.0.127.rpz-client-ip CNAME .\n\
    32.7.2.0.192.rpz-ip CNAME .\n";

/// A process that is ended, by its own number, whatever the test does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Resolver {
    folder: tempfile::TempDir,
    port: u16,
    _running: [Running; 2],
}

impl Resolver {
    /// A resolver with a policy zone, and a second one that stands for the rest of the world.
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (port, world_port) = (free_port(), free_port());
        fs::write(folder.path().join("zone"), ZONE).expect("written");
        fs::write(folder.path().join("log"), "").expect("written");
        let world = format!(
            "{}local-zone: \"auth.example.\" static\n\
             local-data: \"auth.example. NS ns.auth.example.\"\n\
             local-data: \"ns.auth.example. A 127.0.0.1\"\n\
             local-data: \"seen.auth.example. A 192.0.2.7\"\n\
             local-data: \"free.auth.example. A 192.0.2.8\"\n",
            common(folder.path(), world_port, "world.log"),
        );
        let resolver = format!(
            "{}extended-statistics: yes\nmodule-config: \"respip validator iterator\"\n\
             do-not-query-localhost: no\nlocal-zone: \"pass.example.\" static\n\
             stub-zone:\n name: \"auth.example.\"\n stub-addr: 127.0.0.1@{world_port}\n\
             remote-control:\n control-enable: yes\n control-interface: \"{}\"\n\
             control-use-cert: no\n\
             rpz:\n name: \"rpz.test.\"\n zonefile: \"{}\"\n rpz-log: yes\n\
             rpz-log-name: \"remit=de/2026-42\"\n",
            common(folder.path(), port, "log"),
            at("control"),
            at("zone"),
        );
        let running = [("world", world), ("unbound", resolver)].map(|(name, config)| {
            let file = folder.path().join(format!("{name}.conf"));
            fs::write(&file, config).expect("written");
            run_unbound(&file)
        });
        let resolver = Self { folder, port, _running: running };
        let control = resolver.folder.path().join("control");
        let ready = || control::ask(&control, "status").is_ok_and(|a| a.contains("is running"));
        wait_for("unbound to answer", ready);
        resolver
    }

    fn config(&self) -> UnboundRpz {
        UnboundRpz {
            log: self.folder.path().join("log"),
            control: Some(self.folder.path().join("control")),
            zones: vec![RpzZone {
                name: "rpz.test".into(),
                file: self.folder.path().join("zone"),
                log_name: Some("remit=de/2026-42".into()),
                action_override: None,
            }],
            local_zones: false,
            canaries: None,
            poll_ms: 20,
            counters_interval_s: 1,
            utc_offset_s: 0,
        }
    }

    /// The answer's status; `None`: there was none.
    fn dig(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("dig")
            .args(["@127.0.0.1", "-p", &self.port.to_string(), "+tries=1", "+time=1"])
            .args(arguments)
            .output()
            .expect("dig is not installed: apt-get install bind9-dnsutils");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (_, rest) = text.split_once("status: ")?;
        Some(rest.split(',').next()?.to_owned())
    }

    fn control(&self, command: &str) -> String {
        control::ask(&self.folder.path().join("control"), command).expect("unbound answers")
    }
}

fn common(folder: &Path, port: u16, log: &str) -> String {
    let folder = folder.display();
    format!(
        "server:\ninterface: 127.0.0.1\nport: {port}\nchroot: \"\"\nusername: \"\"\n\
         do-daemonize: no\nuse-syslog: no\ndo-ip6: no\npidfile: \"\"\n\
         directory: \"{folder}\"\nlogfile: \"{folder}/{log}\"\n"
    )
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port()
}

fn run_unbound(config: &Path) -> Running {
    let path = ["/usr/sbin/unbound", "/usr/local/sbin/unbound"]
        .into_iter()
        .find(|p| Path::new(p).exists())
        .expect("unbound is not installed: apt-get install unbound");
    let child = Command::new(path)
        .arg("-c")
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("unbound starts");
    Running(child)
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn counted(reports: &[Report]) -> Option<u64> {
    reports.iter().rev().find_map(|r| match r {
        Report::Counters(reading) => reading.counters.first().map(|(_, count)| *count),
        _ => None,
    })
}

fn hit_count(reports: &[Report]) -> u64 {
    hits(reports).iter().map(|h| h.count).sum()
}

#[test]
fn a_zones_canary_comes_back_and_is_in_no_figure() {
    let resolver = Resolver::start();
    let (context, sent) = context(true);
    let stop = Arc::clone(&context.stop);
    let config =
        UnboundRpz { canaries: Some(([127, 0, 0, 1], resolver.port).into()), ..resolver.config() };
    let thread = spawn(&config, context);
    let reports = || sent.lock().expect("not poisoned").clone();
    wait_for("the canary", || canaries(&reports(), "rpz/rpz.test").1 == 1);
    // Somebody else asks for it too.
    assert_eq!(resolver.dig(&["remit-canary.own.example"]), Some("NXDOMAIN".to_owned()));
    assert_eq!(resolver.dig(&["nx.example"]), Some("NXDOMAIN".to_owned()));
    wait_for("three counted", || counted(&reports()) >= Some(3));
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("no panic");
    let now = reports();
    let (sent, seen, lines) = canaries(&now, "rpz/rpz.test");
    assert!(seen >= 1 && sent - seen <= 1 && lines > seen, "{sent} {seen} {lines}");
    assert!(counted(&now) <= Some(lines + 1), "what is not a canary is a hit");
    assert_eq!(hit_count(&now), 1, "{:?}", hits(&now));
    assert_eq!(rules(&now).len(), 9, "a canary is no rule");
    assert!(!now.iter().any(|r| matches!(r, Report::Unsure { .. } | Report::Lost { .. })));
}

/// Sent, seen, and lines that the counter counts too.
fn canaries(reports: &[Report], path: &str) -> (u64, u64, u64) {
    let mut sums = (0, 0, 0);
    for report in reports {
        match report {
            Report::Canaries(news) => {
                assert_eq!(news.path.as_ref(), path);
                (sums.0, sums.1) = (sums.0 + news.sent, sums.1 + news.seen);
            }
            Report::Hits { canaries, .. } => sums.2 += canaries.as_ref().map_or(0, |(_, n)| *n),
            _ => {}
        }
    }
    sums
}

#[test]
fn rules_hits_and_counters_agree_with_the_real_unbound() {
    let resolver = Resolver::start();
    let (context, sent) = context(true);
    let stop = Arc::clone(&context.stop);
    let thread = spawn(&resolver.config(), context);
    let reports = || sent.lock().expect("not poisoned").clone();
    wait_for("the first counters", || counted(&reports()) == Some(0));
    let first = reports();
    assert_eq!(unstable(&first), Some(false), "file and Unbound have the same serial");
    let known = rules(&first);
    assert_eq!(known.len(), 9, "all but passthru");

    let nxdomain = Some("NXDOMAIN".to_owned());
    let noerror = Some("NOERROR".to_owned());
    for _ in 0..3 {
        assert_eq!(resolver.dig(&["nx.example"]), nxdomain);
    }
    assert_eq!(resolver.dig(&["upper.example"]), nxdomain);
    assert_eq!(resolver.dig(&["Sub.wild.example"]), nxdomain);
    assert_eq!(resolver.dig(&["NoData.example"]), noerror);
    assert_eq!(resolver.dig(&["drop.example"]), None);
    assert_eq!(resolver.dig(&["local.example"]), noerror);
    assert_eq!(resolver.dig(&["local.example", "TXT"]), noerror);
    assert_eq!(resolver.dig(&["-b", "127.0.0.9", "whatever.example"]), nxdomain);
    // Not blocks: the exemption, and tcp-only with its retry over TCP.
    resolver.dig(&["pass.example"]);
    resolver.dig(&["tcp.example"]);
    assert_eq!(resolver.dig(&["seen.auth.example"]), nxdomain);
    assert_eq!(resolver.dig(&["free.auth.example"]), noerror);
    wait_for("eleven blocks", || counted(&reports()) == Some(11));
    let now = reports();
    assert_eq!(hit_count(&now), 11, "{:?}", hits(&now));

    let of = |target: &str| -> u64 {
        let rule = number(&known, target);
        hits(&now).iter().filter(|h| h.rule == rule).map(|h| h.count).sum()
    };
    assert_eq!((of("nx.example"), of("upper.example"), of("local.example")), (3, 1, 2));
    let wild: Vec<Hit> =
        hits(&now).into_iter().filter(|h| h.rule == number(&known, "*.wild.example")).collect();
    assert_eq!(
        wild[0].hit_target.as_ref().map(|t| t.wire().value).as_deref(),
        Some("sub.wild.example")
    );
    let by_address = number(&known, "192.0.2.7");
    let seen = hits(&now).into_iter().find(|h| h.rule == by_address).and_then(|h| h.hit_target);
    assert_eq!(seen.map(|t| t.wire().value).as_deref(), Some("seen.auth.example"));
    let dropped = number(&known, "drop.example");
    assert!(hits(&now).iter().any(|h| h.rule == dropped && h.response == Response::Silent));
    let shown = format!("{now:?}");
    assert!(!shown.contains("127.0.0") && !shown.contains("whatever"), "{shown}");

    // A changed file is in force only when Unbound has loaded it.
    let newer = format!("{}new.example CNAME .\n", ZONE.replace("( 7 ", "( 8 "));
    fs::write(resolver.folder.path().join("zone"), newer).expect("written");
    wait_for("instability", || unstable(&reports()) == Some(true));
    assert_eq!(rules(&reports()).len(), 9);
    let before = Instant::now();
    assert!(resolver.control("auth_zone_reload rpz.test").contains("ok"));
    wait_for("the new rule", || {
        let now = reports();
        rules(&now).len() == 10 && unstable(&now) == Some(false)
    });
    assert!(before.elapsed() < Duration::from_secs(3), "{:?}", before.elapsed());

    // Rotation by rename, as logrotate does it.
    assert_eq!(resolver.dig(&["new.example"]), nxdomain);
    let log = resolver.folder.path().join("log");
    fs::rename(&log, resolver.folder.path().join("log.1")).expect("renamed");
    assert_eq!(resolver.dig(&["new.example"]), nxdomain);
    assert!(resolver.control("log_reopen").contains("ok"));
    assert_eq!(resolver.dig(&["nx.example"]), nxdomain);
    wait_for("fourteen blocks", || counted(&reports()) == Some(14));
    assert_eq!(hit_count(&reports()), 14);

    // What is blocked while the agent is down, over another rotation, is in the log.
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("no panic");
    let cursor = reports().iter().rev().find_map(|r| match r {
        Report::Hits { cursor, .. } => cursor.clone(),
        _ => None,
    });
    assert_eq!(resolver.dig(&["nx.example"]), nxdomain);
    fs::rename(resolver.folder.path().join("log.1"), resolver.folder.path().join("log.2"))
        .expect("renamed");
    fs::rename(&log, resolver.folder.path().join("log.1")).expect("renamed");
    assert!(resolver.control("log_reopen").contains("ok"));
    assert_eq!(resolver.dig(&["nx.example"]), nxdomain);
    let (mut context, _) = crate::sources::testing::context(true);
    let to = Arc::clone(&sent);
    context.send = Arc::new(move |report| {
        to.lock().expect("not poisoned").push(report);
        Ok(())
    });
    context.resume = cursor.map(|cursor| Resume { cursor, at_s: (context.now_s)() });
    let stop = Arc::clone(&context.stop);
    let thread = spawn(&resolver.config(), context);
    wait_for("sixteen blocks", || counted(&reports()) == Some(16));
    assert_eq!(hit_count(&reports()), 16);
    assert!(!reports().iter().any(|r| matches!(r, Report::Unsure { .. } | Report::Lost { .. })));
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("no panic");
}

#[test]
fn local_zones_agree_with_what_the_real_unbound_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let own = |name: &str| folder.path().join(name);
    fs::write(own("log"), "").expect("written");
    let config = format!(
        "{}extended-statistics: yes\nlog-local-actions: yes\nmodule-config: \"iterator\"\n\
         local-zone: \"nx.example.\" always_nxdomain\nlocal-zone: \"nodata.example.\" always_nodata\n\
         local-zone: \"refuse.example.\" refuse\nlocal-data: \"ok.refuse.example. A 192.0.2.3\"\n\
         local-zone: \"deny.example.\" deny\nlocal-zone: \"null.example.\" always_null\n\
         local-zone: \"redir.example.\" redirect\nlocal-data: \"redir.example. A 192.0.2.80\"\n\
         local-zone: \"keep.example.\" static\nlocal-zone: \"pass.example.\" transparent\n\
         local-data: \"host.pass.example. A 192.0.2.6\"\nlocal-zone: \"mapped.test.\" always_nxdomain\n\
         remote-control:\n control-enable: yes\n control-interface: \"{}\"\n control-use-cert: no\n",
        common(folder.path(), port, "log"),
        own("control").display(),
    );
    fs::write(own("unbound.conf"), config).expect("written");
    let _running = run_unbound(&own("unbound.conf"));
    let ready = || control::ask(&own("control"), "status").is_ok_and(|a| a.contains("is running"));
    wait_for("unbound to answer", ready);
    let config = UnboundRpz {
        log: own("log"),
        control: Some(own("control")),
        local_zones: true,
        poll_ms: 20,
        counters_interval_s: 1,
        ..UnboundRpz::default()
    };
    let (context, sent) = context(true);
    let stop = Arc::clone(&context.stop);
    let findings = config.examine(&context);
    let said: String = findings.iter().map(|f| format!("{} {}\n", f.grade, f.says)).collect();
    assert!(said.contains("incomplete 1 static local zones of public names"), "{said}");
    let thread = spawn(&config, context);
    let reports = || sent.lock().expect("not poisoned").clone();
    wait_for("the rules", || rules(&reports()).len() == 6);
    let status = |arguments: &[&str]| crate::sources::testing::real::status(port, arguments);
    // What is asked, what dig sees, and whether it is a block.
    for (arguments, want) in [
        (&["www.nx.example"][..], Some("NXDOMAIN")),
        (&["nodata.example"], Some("NOERROR")),
        (&["refuse.example"], Some("REFUSED")),
        (&["ok.refuse.example", "TXT"], Some("REFUSED")),
        (&["deny.example"], None),
        (&["null.example"], Some("NOERROR")),
        (&["a.redir.example"], Some("NOERROR")),
    ] {
        assert_eq!(status(arguments).as_deref(), want, "{arguments:?}");
    }
    for (arguments, want) in [
        (&["ok.refuse.example"][..], "NOERROR"),
        (&["keep.example"], "NXDOMAIN"),
        (&["host.pass.example"], "NOERROR"),
        (&["localhost"], "NOERROR"),
        (&["1.168.192.in-addr.arpa", "PTR"], "NXDOMAIN"),
        (&["mapped.test"], "NXDOMAIN"),
    ] {
        assert_eq!(status(arguments).as_deref(), Some(want), "{arguments:?}");
    }
    wait_for("seven blocks", || hit_count(&reports()) >= 7);
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("no panic");
    let now = reports();
    assert_eq!(hit_count(&now), 7, "{:?}", hits(&now));
    let shown = format!("{now:?}");
    assert!(!shown.contains("127.0.0") && shown.contains("www.nx.example"), "{shown}");
}
