//! Needs `named` and `dig` (Debian packages bind9 and bind9-dnsutils); without them it fails.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use super::*;
pub(super) use crate::sources::testing::real::unstable;
use crate::{
    rules::nftables::testing::in_namespace,
    sources::{
        Resume,
        testing::real::{
            Running, counted, cursor, dig, hit_count, hits_of, number, source_of, spawn, status,
            template, wait_for,
        },
    },
};

const HEAD: &str =
    "$TTL 300\n@ SOA localhost. root.localhost. 7 3600 600 86400 300\n@ NS localhost.\n";
const RECORDS: &str = "nx.example CNAME .\n\
    remit-canary.own.example CNAME .\n\
    own.example CNAME . ; remit=de/own\n\
    *.wild.example CNAME .\n\
    nodata.example CNAME *.\n\
    drop.example CNAME rpz-drop.\n\
    pass.example CNAME rpz-passthru.\n\
    tcp.example CNAME rpz-tcp-only.\n\
    local.example A 192.0.2.99\n\
    redir.example CNAME wall.example.\n\
    24.0.2.0.192.rpz-ip CNAME .\n\
    32.9.0.0.127.rpz-client-ip CNAME .\n";
/// In the namespace of the test nobody else is.
const PORT: u16 = 53;

struct Resolver {
    folder: tempfile::TempDir,
    named: Running,
}

impl Resolver {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().display();
        let write = |name: &str, text: String| {
            fs::write(folder.path().join(name), text).expect("written");
        };
        write("national.zone", format!("{HEAD}{RECORDS}"));
        write("disabled.zone", format!("{HEAD}dis.example CNAME .\n"));
        write(
            "auth.zone",
            format!("{HEAD}seen A 192.0.2.7\nfree A 198.51.100.8\nchain CNAME nx.example.\n"),
        );
        write("log", String::new());
        write(
            "named.conf",
            format!(
                "options {{ directory \"{own}\"; listen-on {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
                  pid-file none; session-keyfile none; recursion yes; dnssec-validation no;
                  forward only; forwarders {{ 127.0.0.1 port 9; }};
                  response-policy {{ zone \"{NAME}\"; zone \"dis.test\" policy disabled; }}
                  qname-wait-recurse no min-update-interval 1; }};
                 statistics-channels {{ inet 127.0.0.1 port 8053 allow {{ 127.0.0.1; }}; }};
                 controls {{ }};
                 logging {{
                  channel remit {{ file \"{own}/log\"; print-time iso8601-utc; print-category yes; }};
                  category rpz {{ remit; }}; category rpz-passthru {{ remit; }}; }};
                 zone \"{NAME}\" {{ type primary; file \"national.zone\"; check-names ignore; }};
                 zone \"dis.test\" {{ type primary; file \"disabled.zone\"; }};
                 zone \"auth.example\" {{ type primary; file \"auth.zone\"; }};\n"
            ),
        );
        let config = folder.path().join("named.conf").display().to_string();
        let named =
            Running::start("/usr/sbin/named", "bind9", &["-f", "-u", "root", "-c", &config]);
        wait_for("named to answer", || status(PORT, &["free.auth.example"]).is_some());
        Self { folder, named }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> BindRpz {
        let zone = |name: &str, file: &str, action_override| RpzZone {
            name: name.into(),
            file: self.path(file),
            log_name: None,
            action_override,
        };
        BindRpz {
            log: self.path("log"),
            statistics: Some(([127, 0, 0, 1], 8053).into()),
            zones: vec![
                zone(NAME, "national.zone", None),
                zone("dis.test", "disabled.zone", Some(rpz::action::Action::Disabled)),
            ],
            canaries: None,
            poll_ms: 20,
            counters_interval_s: 1,
            utc_offset_s: 0,
        }
    }

    /// Loads files anew and opens the log anew.
    fn reload(&self) {
        let id = i32::try_from(self.named.id()).expect("a process");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGHUP)
            .expect("named is there");
    }
}

#[test]
fn a_zones_canary_comes_back_and_is_in_no_figure() {
    in_namespace(|| {
        let resolver = Resolver::start();
        let (context, sent) = context(true);
        let stop = Arc::clone(&context.stop);
        let config = BindRpz { canaries: Some(([127, 0, 0, 1], PORT).into()), ..resolver.config() };
        let thread = spawn(Arc::new(config), context);
        let reports = || sent.lock().expect("not poisoned").clone();
        let seen = |reports: &[Report]| -> u64 {
            let news = reports.iter().filter_map(|report| match report {
                Report::Canaries(news) => Some(news),
                _ => None,
            });
            news.filter(|n| n.path.as_ref() == format!("rpz/{NAME}")).map(|n| n.seen).sum()
        };
        wait_for("the canary", || seen(&reports()) >= 1);
        assert_eq!(status(PORT, &["nx.example"]), Some("NXDOMAIN".to_owned()));
        // A name under a wildcard is a block, whatever it is called.
        let under = status(PORT, &["remit-canary.wild.example"]);
        assert_eq!(under, Some("NXDOMAIN".to_owned()));
        wait_for("the blocks", || hit_count(&reports()) == 2);
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("no panic");
        let now = reports();
        assert_eq!(hits_of(&now, "*.wild.example"), 1);
        assert_eq!(rules(&now).len(), 10, "a canary is no rule");
        let lines = |report: &Report| match report {
            Report::Hits { canaries, .. } => canaries.as_ref().map_or(0, |(_, lines)| *lines),
            _ => 0,
        };
        let lines: u64 = now.iter().map(lines).sum();
        assert!(lines >= seen(&now) && hit_count(&now) == 2, "{now:?}");
    });
}

#[test]
fn rules_hits_and_counter_agree_with_the_real_bind() {
    in_namespace(|| {
        let resolver = Resolver::start();
        let (context, sent) = context(true);
        let stop = Arc::clone(&context.stop);
        let thread = spawn(Arc::new(resolver.config()), context);
        let reports = || sent.lock().expect("not poisoned").clone();
        wait_for("the first counter", || counted(&reports()) == Some(0));
        assert_eq!(unstable(&reports()), Some(false), "file and BIND have the same serial");
        assert_eq!(rules(&reports()).len(), 10, "all but passthru and the disabled zone");

        let nxdomain = Some("NXDOMAIN".to_owned());
        let noerror = Some("NOERROR".to_owned());
        for _ in 0..3 {
            assert_eq!(status(PORT, &["nx.example"]), nxdomain);
        }
        assert_eq!(status(PORT, &["own.example"]), nxdomain);
        assert_eq!(status(PORT, &["Sub.wild.example"]), nxdomain);
        assert_eq!(status(PORT, &["NoData.example"]), noerror);
        assert_eq!(status(PORT, &["drop.example"]), None);
        let local = dig(PORT, &["local.example"]).expect("an answer");
        assert_eq!((local.status.as_str(), local.data), ("NOERROR", vec!["192.0.2.99".to_owned()]));
        assert_eq!(status(PORT, &["local.example", "TXT"]), noerror);
        // Truncated over UDP; the retry over TCP is let through and finds nothing out there.
        assert_eq!(status(PORT, &["+ignore", "tcp.example"]), noerror);
        assert_eq!(status(PORT, &["-b", "127.0.0.9", "whatever.example"]), nxdomain);
        assert_eq!(status(PORT, &["seen.auth.example"]), nxdomain);
        assert_eq!(status(PORT, &["chain.auth.example"]), nxdomain);
        // Not blocks.
        assert_eq!(status(PORT, &["free.auth.example"]), noerror);
        status(PORT, &["pass.example"]);
        wait_for("thirteen blocks", || counted(&reports()) == Some(13));
        let now = reports();
        assert_eq!(hit_count(&now), 13, "{:?}", hits(&now));
        assert_eq!(not_parsed(&now), 0);
        let of = |target| hits_of(&now, target);
        assert_eq!((of("nx.example"), of("own.example"), of("local.example")), (4, 1, 2));
        assert_eq!((of("tcp.example"), of("*.wild.example"), of("drop.example")), (1, 1, 1));
        let of_net = number(&rules(&now), "192.0.2.0/24");
        let seen = hits(&now).into_iter().find(|h| h.rule == of_net).and_then(|h| h.hit_target);
        assert_eq!(seen.map(|t| t.wire().value).as_deref(), Some("seen.auth.example"));
        let shown = format!("{now:?}");
        assert!(!shown.contains("127.0.0") && !shown.contains("whatever"), "{shown}");

        // A changed file is in force only when BIND has loaded it.
        let newer = format!("{}{RECORDS}new.example CNAME .\n", HEAD.replace(" 7 ", " 8 "));
        fs::write(resolver.path("national.zone"), newer).expect("written");
        wait_for("instability", || unstable(&reports()) == Some(true));
        assert_eq!(rules(&reports()).len(), 10);
        let before = Instant::now();
        resolver.reload();
        wait_for("the new rule", || {
            let now = reports();
            rules(&now).len() == 11 && unstable(&now) == Some(false)
        });
        assert!(before.elapsed() < std::time::Duration::from_secs(10), "{:?}", before.elapsed());

        // Rotation by rename, as logrotate does it, and again while the agent is down.
        wait_for("the new zone", || status(PORT, &["new.example"]) == nxdomain);
        let log = resolver.path("log");
        fs::rename(&log, resolver.path("log.1")).expect("renamed");
        resolver.reload();
        wait_for("a new log", || log.exists());
        assert_eq!(status(PORT, &["nx.example"]), nxdomain);
        wait_for("the account to be even", || {
            let now = reports();
            counted(&now).is_some_and(|count| count >= 15 && count == hit_count(&now))
        });
        let count = counted(&reports()).expect("counted");
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("no panic");
        let from = cursor(&reports()).expect("a position");
        assert_eq!(status(PORT, &["nx.example"]), nxdomain);
        fs::rename(&log, resolver.path("log.0")).expect("renamed");
        resolver.reload();
        wait_for("a new log", || log.exists());
        assert_eq!(status(PORT, &["nx.example"]), nxdomain);
        let (mut context, _) = crate::sources::testing::context(true);
        let to = Arc::clone(&sent);
        context.send = Arc::new(move |report| {
            to.lock().expect("not poisoned").push(report);
            Ok(())
        });
        context.resume = Some(Resume { cursor: from, at_s: (context.now_s)() });
        let stop = Arc::clone(&context.stop);
        let thread = spawn(Arc::new(resolver.config()), context);
        wait_for("two more blocks", || counted(&reports()) == Some(count + 2));
        assert_eq!(hit_count(&reports()), count + 2);
        assert!(
            !reports().iter().any(|r| matches!(r, Report::Unsure { .. } | Report::Lost { .. }))
        );
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("no panic");
    });
}

#[test]
fn the_doctor_asks_the_real_bind() {
    in_namespace(|| {
        let resolver = Resolver::start();
        let (context, _) = context(true);
        let mut config = resolver.config();
        let says = |config: &BindRpz| {
            let findings = config.examine(&context);
            findings.iter().map(|f| format!("{} {}\n", f.grade, f.says)).collect::<String>()
        };
        let said = says(&config);
        assert!(said.contains("fine BIND has counted 0 rewrites"), "{said}");
        assert!(said.contains(&format!("fine zone {NAME} is loaded, serial 7")), "{said}");
        assert!(said.contains("incomplete the name of zone dis.test carries no claim"), "{said}");
        config.zones[0].name = "other.test".into();
        config.log = "/nowhere/log".into();
        config.statistics = Some(([127, 0, 0, 1], 9).into());
        let said = says(&config);
        assert!(said.contains("WRONG the log /nowhere/log: No such file"), "{said}");
        assert!(
            said.contains("WRONG the statistics channel 127.0.0.1:9 does not answer"),
            "{said}"
        );
        config.statistics = Some(([127, 0, 0, 1], 8053).into());
        assert!(says(&config).contains("WRONG zone other.test is not loaded"), "{said}");
    });
}

#[test]
fn the_template_blocks_what_it_says_and_is_seen_doing_so() {
    in_namespace(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let own = |name: &str| folder.path().join(name).display().to_string();
        let text = template("bind")
            .replace("/run/named-log/rpz.log", &own("rpz.log"))
            .replace("/etc/bind/national.zone", &own("national.zone"));
        fs::write(own("national.zone"), template("rpz-zone")).expect("written");
        fs::write(own("remit.conf"), &text).expect("written");
        // The rest of a resolver, with the option that the fragment asks for in its own words.
        let option =
            text.lines().find(|line| line.contains("    response-policy {")).expect("there");
        let option =
            option.trim_start_matches('/').replace("\"; };", "\"; } qname-wait-recurse no;");
        let main = format!(
            "options {{ directory \"{}\"; listen-on {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
              pid-file none; session-keyfile none; dnssec-validation no; forward only;
              forwarders {{ 127.0.0.1 port 9; }}; {option} }};
             controls {{ }};\ninclude \"{}\";\n",
            folder.path().display(),
            own("remit.conf"),
        );
        fs::write(own("named.conf"), main).expect("written");
        crate::rules::nftables::testing::run(
            "/usr/bin/named-checkconf",
            &["-z", &own("named.conf")],
        );
        let arguments = ["-f", "-u", "root", "-c", &own("named.conf")];
        let _named = Running::start("/usr/sbin/named", "bind9", &arguments);
        let nxdomain = Some("NXDOMAIN".to_owned());
        wait_for("named", || status(PORT, &["blocked.example"]) == nxdomain);

        let source = source_of(&text, "bind_rpz");
        let (context, sent) = context(true);
        let stop = Arc::clone(&context.stop);
        let findings = source.examine(&context);
        // A test has no tmpfs for the log.
        let unwell: Vec<_> = findings.iter().filter(|f| !f.remedy.is_empty()).collect();
        assert!(
            unwell.len() == 1 && unwell[0].says.contains("names clients on a disk"),
            "{unwell:#?}"
        );
        let thread = spawn(source, context);
        let reports = || sent.lock().expect("not poisoned").clone();
        wait_for("the first counter", || counted(&reports()).is_some());
        let before = counted(&reports()).expect("counted");
        assert_eq!(status(PORT, &["blocked.example"]), nxdomain);
        assert_eq!(status(PORT, &["www.blocked.example"]), nxdomain);
        let notice = dig(PORT, &["notice.example"]).expect("an answer");
        assert_eq!(notice.data, ["192.0.2.80"]);
        assert_eq!(status(PORT, &["empty.example"]).as_deref(), Some("NOERROR"));
        wait_for("four more", || counted(&reports()) == Some(before + 4));
        let now = reports();
        assert_eq!(hit_count(&now), 4);
        let claimed = rules(&now).iter().filter(|rule| rule.claims.len() == 1).count();
        assert_eq!((rules(&now).len(), claimed), (5, 5));
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("no panic");
    });
}
