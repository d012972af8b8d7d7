//! Needs `kresd`, `unbound` and `dig` (Debian packages knot-resolver, unbound and bind9-dnsutils); without them
//! it fails.

use super::*;
use crate::{
    rules::nftables::testing::in_namespace,
    sources::testing::real::{Running, canaries_seen, dig, source_of, status, template},
};

/// In the namespace of the test nobody else is.
const PORT: u16 = 53;

/// A resolver with this configuration, and one that stands for the rest of the world.
fn start(folder: &Path, config: &str) -> [Running; 2] {
    let own = folder.display();
    let config = format!(
        "net.listen('127.0.0.1', {PORT}, {{ kind = 'dns' }})\ncache.size = 10 * MB\n\
         trust_anchors.remove('.')\n{config}\npolicy.add(policy.all(policy.STUB('127.0.0.1@5353')))\n"
    );
    fs::write(folder.join("kresd.conf"), config).expect("written");
    let world = format!(
        "server:\ninterface: 127.0.0.1\nport: 5353\nchroot: \"\"\nusername: \"\"\ndo-daemonize: no\n\
         use-syslog: no\ndo-ip6: no\npidfile: \"\"\ndirectory: \"{own}\"\nlogfile: \"{own}/world.log\"\n\
         local-zone: \"auth.example.\" static\nlocal-data: \"free.auth.example. A 192.0.2.8\"\n"
    );
    fs::write(folder.join("world.conf"), world).expect("written");
    let path = |name: &str| folder.join(name).display().to_string();
    let world = Running::start("/usr/sbin/unbound", "unbound", &["-d", "-c", &path("world.conf")]);
    let arguments = ["-n", "-c", &path("kresd.conf"), &own.to_string()];
    let knot = Running::start("/usr/sbin/kresd", "knot-resolver", &arguments);
    wait_for("knot to answer", || {
        status(PORT, &["free.auth.example"]).as_deref() == Some("NOERROR")
    });
    [world, knot]
}

#[test]
fn hits_agree_with_what_the_real_knot_answers() {
    in_namespace(|| {
        let rig = Rig::new();
        let (context, sent) = context(true);
        let stop = Arc::clone(&context.stop);
        let thread = spawn(Arc::new(rig.config.clone()), context);
        let reports = || sent.lock().expect("not poisoned").clone();
        wait_for("the socket", || rig.config.socket.exists());
        let folder = tempfile::tempdir().expect("a folder");
        let _running = start(
            folder.path(),
            &format!(
                "modules.load('dnstap')\ndnstap.config({{ socket_path = '{}', client = {{ log_queries = \
                 false, log_responses = true }} }})\npolicy.add(policy.rpz(policy.DENY_MSG('remit=de/42'), \
                 '{}'))\npolicy.add(policy.suffix(policy.DENY_MSG('remit=fr/1'), \
                 policy.todnames({{'suffix.example.'}})))\npolicy.add(policy.suffix(policy.DENY, \
                 policy.todnames({{'bare.example.'}})))\npolicy.add(policy.suffix(policy.REFUSE, \
                 policy.todnames({{'refuse.example.'}})))\n",
                rig.config.socket.display(),
                rig.config.policies[0].file.display()
            ),
        );
        // Status, whether the answer says that it is a block, and whose claim it shows.
        for (arguments, status, blocked, claim) in [
            (&["nx.example"][..], "NXDOMAIN", true, Some("remit=de/42")),
            (&["NX.example", "TXT"], "NXDOMAIN", true, Some("remit=de/42")),
            (&["+tcp", "own.example"], "NXDOMAIN", true, Some("remit=de/42")),
            (&["a.wild.example"], "NXDOMAIN", true, Some("remit=de/42")),
            (&["x.suffix.example"], "NXDOMAIN", true, Some("remit=fr/1")),
            (&["bare.example"], "NXDOMAIN", true, None),
            (&["refuse.example"], "REFUSED", false, None),
            (&["free.auth.example"], "NOERROR", false, None),
            // Denied all the same, and nothing says so.
            (&["+noedns", "nx.example"], "NXDOMAIN", false, Some("remit=de/42")),
        ] {
            let answer = dig(PORT, arguments).expect("an answer");
            let shown = answer.text.contains("EDE: 15");
            assert_eq!((answer.status.as_str(), shown), (status, blocked), "{arguments:?}");
            if let Some(claim) = claim {
                assert!(answer.text.contains(claim), "{}", answer.text);
            }
        }
        wait_for("six blocks", || hit_count(&reports()) >= 6);
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("no panic");
        let now = reports();
        assert_eq!((hit_count(&now), not_parsed(&now)), (6, 0), "{:?}", hits(&now));
        assert_eq!((hits_of(&now, "nx.example"), hits_of(&now, "*.wild.example")), (2, 1));
        assert_eq!(
            shown(&rules(&now)),
            [
                "*.wild.example DnsNxdomain de/42",
                "bare.example DnsNxdomain",
                "nx.example DnsNxdomain de/42",
                "own.example DnsNxdomain de/own",
                "x.suffix.example DnsNxdomain fr/1",
            ]
        );
        let shown = format!("{now:?}");
        assert!(!shown.contains("127.0.0") && !shown.contains("free.auth"), "{shown}");
    });
}

#[test]
fn the_template_blocks_what_it_says_and_is_seen_doing_so() {
    in_namespace(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let place = |text: &str| {
            text.replace("/run/remit-knot", &folder.path().display().to_string())
                .replace("/etc/knot-resolver", &folder.path().display().to_string())
        };
        let text = place(template("knot"));
        // Knot reads names alone: no address, no data of its own.
        fs::write(folder.path().join("national.zone"), template("rpz-zone")).expect("written");
        let source = source_of(&text, "knot");
        let (context, sent) = context(true);
        let stop = Arc::clone(&context.stop);
        let examined = source.clone();
        let look = context.clone();
        let thread = spawn(source, context);
        let reports = || sent.lock().expect("not poisoned").clone();
        wait_for("the rules", || rules(&reports()).len() == 5);
        let _running = start(folder.path(), &text);
        let path = "rpz/remit=list:national@2026-11";
        wait_for("the canary", || canaries_seen(&reports(), path) >= 1);
        assert_eq!(status(PORT, &["blocked.example"]).as_deref(), Some("NXDOMAIN"));
        assert_eq!(status(PORT, &["www.blocked.example"]).as_deref(), Some("NXDOMAIN"));
        wait_for("two hits", || hit_count(&reports()) == 2);
        let said: String =
            examined.examine(&look).iter().map(|f| format!("{} {}\n", f.grade, f.says)).collect();
        assert!(said.contains("fine an agent listens") && !said.contains("WRONG"), "{said}");
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("no panic");
        let claimed = rules(&reports()).iter().filter(|rule| rule.claims.len() == 1).count();
        assert_eq!(claimed, 5);
    });
}
