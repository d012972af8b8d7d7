//! Needs `pdns_recursor`, `unbound` and `dig` (Debian packages pdns-recursor, unbound and
//! bind9-dnsutils); without them it fails.

use super::*;
use crate::{
    rules::nftables::testing::in_namespace,
    sources::testing::real::{
        Running, canaries_seen, counted, dig, number, source_of, status, template,
    },
};

/// In the namespace of the test nobody else is.
const PORT: u16 = 53;
const RECORDS: &str = "nx.example CNAME .\nremit-canary.own.example CNAME .\nown.example CNAME . ; remit=de/own\n\
    *.wild.example CNAME .\nnodata.example CNAME *.\ndrop.example CNAME rpz-drop.\n\
    pp.auth.example CNAME rpz-passthru.\ntcp.auth.example CNAME rpz-tcp-only.\nlocal.example A 192.0.2.99\n\
    32.7.2.0.192.rpz-ip CNAME .\n32.9.0.0.127.rpz-client-ip CNAME .\n";
const HEAD: &str = "$TTL 300\n@ SOA localhost. root.localhost. 7 3600 600 86400 300\n";

struct Resolver {
    folder: tempfile::TempDir,
    running: Vec<Running>,
}

impl Resolver {
    /// The rest of the world, and a configuration of which the Lua part is given.
    fn prepare(lua: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().display();
        let write = |name: &str, text: String| {
            fs::write(folder.path().join(name), text).expect("written");
        };
        write("national.zone", format!("{HEAD}{RECORDS}"));
        write("rec.lua", lua.replace("DIR", &own.to_string()));
        write(
            "recursor.conf",
            format!(
                "local-address=127.0.0.1\nlocal-port={PORT}\nsocket-dir={own}\nlua-config-file={own}/rec.lua\n\
                 setuid=\nsetgid=\ndaemon=no\nwebserver=yes\nwebserver-address=127.0.0.1\nwebserver-port=8082\n\
                 forward-zones=auth.example=127.0.0.1:5353\ndnssec=off\nthreads=2\netc-hosts-file=\n\
                 security-poll-suffix=\n"
            ),
        );
        write(
            "world.conf",
            format!(
                "server:\ninterface: 127.0.0.1\nport: 5353\nchroot: \"\"\nusername: \"\"\ndo-daemonize: no\n\
                 use-syslog: no\ndo-ip6: no\npidfile: \"\"\ndirectory: \"{own}\"\nlogfile: \"{own}/world.log\"\n\
                 local-zone: \"auth.example.\" static\nlocal-data: \"seen.auth.example. A 192.0.2.7\"\n\
                 local-data: \"free.auth.example. A 192.0.2.8\"\nlocal-data: \"pp.auth.example. A 192.0.2.8\"\n\
                 local-data: \"tcp.auth.example. A 192.0.2.8\"\n"
            ),
        );
        let world = folder.path().join("world.conf").display().to_string();
        let world = Running::start("/usr/sbin/unbound", "unbound", &["-d", "-c", &world]);
        Self { folder, running: vec![world] }
    }

    /// After the agent listens: PowerDNS tries again each second only.
    fn start(&mut self) {
        let folder = format!("--config-dir={}", self.folder.path().display());
        self.running.push(Running::start("/usr/sbin/pdns_recursor", "pdns-recursor", &[&folder]));
        wait_for("powerdns to answer", || status(PORT, &["free.auth.example"]).is_some());
    }
}

#[test]
fn rules_hits_and_counter_agree_with_the_real_powerdns() {
    in_namespace(|| {
        let mut resolver = Resolver::prepare(
            "rpzFile(\"DIR/national.zone\", {policyName=\"remit=de/42\", extendedErrorCode=15})\n\
             protobufServer(\"127.0.0.1:4242\", {taggedOnly=true, logQueries=false, logResponses=true})\n",
        );
        let config = Pdns {
            listen: ([127, 0, 0, 1], 4242).into(),
            webserver: Some(([127, 0, 0, 1], 8082).into()),
            policies: vec![Policy {
                name: "remit=de/42".into(),
                file: resolver.folder.path().join("national.zone"),
                origin: None,
            }],
            canaries: Some(([127, 0, 0, 1], PORT).into()),
            counters_interval_s: 1,
        };
        let (context, sent) = context(true);
        let stop = Arc::clone(&context.stop);
        let thread = spawn(Arc::new(config.clone()), context);
        let reports = || sent.lock().expect("not poisoned").clone();
        wait_for("the rules", || rules(&reports()).len() == 9);
        resolver.start();
        wait_for("the first counter", || counted(&reports()) == Some(0));
        wait_for("the canary", || canaries_seen(&reports(), "rpz/remit=de/42") >= 1);
        // Whoever asks for it is not blocked.
        assert_eq!(status(PORT, &["remit-canary.own.example"]).as_deref(), Some("NXDOMAIN"));

        let nxdomain = Some("NXDOMAIN".to_owned());
        let noerror = Some("NOERROR".to_owned());
        // The second and third are from the packet cache, and told all the same.
        for _ in 0..3 {
            assert_eq!(status(PORT, &["nx.example"]), nxdomain);
        }
        assert_eq!(status(PORT, &["own.example"]), nxdomain);
        assert_eq!(status(PORT, &["Sub.wild.example"]), nxdomain);
        assert_eq!(status(PORT, &["nodata.example"]), noerror);
        let local = dig(PORT, &["local.example"]).expect("an answer");
        assert_eq!(local.data, ["192.0.2.99"]);
        assert!(local.text.contains("EDE: 15"), "{}", local.text);
        assert_eq!(status(PORT, &["seen.auth.example"]), nxdomain);
        assert_eq!(status(PORT, &["-b", "127.0.0.9", "whatever.auth.example"]), nxdomain);
        // Truncated, and let through over TCP: one block.
        assert_eq!(dig(PORT, &["tcp.auth.example"]).expect("an answer").data, ["192.0.2.8"]);
        // Not blocks, although the first is marked as one.
        let passed = dig(PORT, &["pp.auth.example"]).expect("an answer");
        assert!(passed.data == ["192.0.2.8"] && passed.text.contains("EDE: 15"), "{}", passed.text);
        assert_eq!(status(PORT, &["free.auth.example"]), noerror);
        // A block of which nothing is sent.
        assert_eq!(status(PORT, &["drop.example"]), None);
        wait_for("ten blocks", || hit_count(&reports()) >= 10);
        wait_for("their counter", || counted(&reports()) == Some(hit_count(&reports())));
        let now = reports();
        assert_eq!((hit_count(&now), not_parsed(&now)), (10, 0), "{:?}", hits(&now));
        let of = |target| hits_of(&now, target);
        assert_eq!((of("nx.example"), of("*.wild.example"), of("tcp.auth.example")), (3, 1, 1));
        let by_address = number(&rules(&now), "192.0.2.7");
        let seen = hits(&now).into_iter().find(|h| h.rule == by_address).and_then(|h| h.hit_target);
        assert_eq!(seen.map(|t| t.wire().value).as_deref(), Some("seen.auth.example"));
        assert!(!now.iter().any(|r| matches!(r, Report::Lost { .. })));
        let shown = format!("{now:?}").replace("127.0.0.1:4242", "");
        assert!(!shown.contains("127.0.0") && !shown.contains("whatever"), "{shown}");

        let findings = config.examine(&crate::sources::testing::context(true).0);
        let said: String = findings.iter().map(|f| format!("{} {}\n", f.grade, f.says)).collect();
        for words in ["and lost none", "policy hits", "1 queries were dropped", "can be read"] {
            assert!(said.contains(words), "{words}: {said}");
        }
        let elsewhere = Pdns { listen: ([127, 0, 0, 1], 9).into(), ..config };
        let findings = elsewhere.examine(&crate::sources::testing::context(true).0);
        assert!(findings.iter().any(|f| f.says.contains("sends nothing to 127.0.0.1:9")));
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("no panic");
    });
}

#[test]
fn the_template_blocks_what_it_says_and_is_seen_doing_so() {
    in_namespace(|| {
        let text = template("pdns");
        let mut resolver = Resolver::prepare(&text.replace("/etc/powerdns", "DIR"));
        let file = resolver.folder.path().join("national.zone");
        fs::write(&file, template("rpz-zone")).expect("written");
        let text = text.replace("/etc/powerdns", &resolver.folder.path().display().to_string());
        let (context, sent) = context(true);
        let stop = Arc::clone(&context.stop);
        let thread = spawn(source_of(&text, "pdns"), context);
        let reports = || sent.lock().expect("not poisoned").clone();
        wait_for("the rules", || rules(&reports()).len() == 5);
        resolver.start();
        let path = "rpz/remit=list:national@2026-11";
        wait_for("the canary", || canaries_seen(&reports(), path) >= 1);
        assert_eq!(status(PORT, &["blocked.example"]).as_deref(), Some("NXDOMAIN"));
        assert_eq!(status(PORT, &["www.blocked.example"]).as_deref(), Some("NXDOMAIN"));
        assert_eq!(dig(PORT, &["notice.example"]).expect("an answer").data, ["192.0.2.80"]);
        assert_eq!(status(PORT, &["empty.example"]).as_deref(), Some("NOERROR"));
        wait_for("four hits", || hit_count(&reports()) == 4);
        let now = reports();
        assert!(rules(&now).iter().all(|rule| {
            rule.claims.len() == 1 && rule.claim_origin == v1::ClaimOrigin::Carried
        }));
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("no panic");
    });
}
