//! Needs `dnsmasq` and `dig` (Debian packages dnsmasq-base and bind9-dnsutils); without them it fails.

use super::*;
use crate::{
    rules::nftables::testing::{in_namespace, run},
    sources::testing::real::{Running, dig, rules, source_of, spawn, status, template, wait_for},
};

const PORT: u16 = 53;

fn dnsmasq(rig: &Rig) -> Running {
    let conf = rig.config.conf.display().to_string();
    run("/usr/sbin/dnsmasq", &["--test", "-C", &conf]);
    let arguments = ["-k", "-C", &conf, "--user=root", "--pid-file", "--no-resolv"];
    let arguments = [&arguments[..], &["--listen-address=127.0.0.1", "--bind-interfaces"]].concat();
    let running = Running::start("/usr/sbin/dnsmasq", "dnsmasq-base", &arguments);
    wait_for("dnsmasq", || status(PORT, &["localhost"]).is_some());
    running
}

#[test]
fn the_real_dnsmasq_answers_as_the_rules_say() {
    in_namespace(|| {
        let rig = Rig::new(
            "address=/blocked.example/\nlocal=/local.example/\naddress=/zero.example/0.0.0.0\n\
             address=/*.wild.example/0.0.0.0\naddress=/both.example/\n\
             server=/both.example/127.0.0.1#9\naddn-hosts=DIR/hosts\n",
        );
        rig.write("hosts", "0.0.0.0 ads.example\n192.0.2.5 printer.example\n");
        let _running = dnsmasq(&rig);
        let rules: Vec<_> = rig.state().0.rules.into_values().collect();
        // Name, and whether a rule covers it: then the answer is made here, else nobody is asked
        // (REFUSED, or no answer of the port where nobody listens).
        for (name, target) in [
            ("blocked.example", Some("blocked.example")),
            ("www.blocked.example", Some("blocked.example")),
            ("a.local.example", Some("local.example")),
            ("zero.example", Some("zero.example")),
            ("www.zero.example", Some("zero.example")),
            ("www.wild.example", Some("*.wild.example")),
            ("wild.example", None),
            ("xblocked.example", None),
            ("both.example", None),
            ("ads.example", Some("ads.example")),
            ("www.ads.example", None),
        ] {
            let answer = dig(PORT, &[name]);
            let rule = target.map(|target| {
                let found = rules.iter().find(|rule| rule.target.value == target);
                found.unwrap_or_else(|| panic!("no rule on {target}"))
            });
            match rule.map(|rule| rule.technique) {
                Some(Technique::DnsNxdomain) => {
                    assert_eq!(answer.expect("an answer").status, "NXDOMAIN", "{name}");
                }
                Some(_) => assert_eq!(answer.expect("an answer").data, ["0.0.0.0"], "{name}"),
                None => {
                    let made_here = answer.is_some_and(|a| {
                        a.status == "NXDOMAIN" || (a.status == "NOERROR" && !a.data.is_empty())
                    });
                    assert!(!made_here, "{name}");
                }
            }
        }
    });
}

#[test]
fn the_template_blocks_what_it_says_and_is_seen_doing_so() {
    in_namespace(|| {
        let rig = Rig::new("conf-dir=DIR/d,*.conf\n");
        fs::create_dir(rig.folder.path().join("d")).expect("made");
        let text = template("dnsmasq");
        rig.write("d/remit.conf", text);
        let _running = dnsmasq(&rig);
        let nxdomain = Some("NXDOMAIN".to_owned());
        assert_eq!(status(PORT, &["www.blocked.example"]), nxdomain);
        assert_eq!(status(PORT, &["www.below.example"]), nxdomain);
        assert_eq!(status(PORT, &["below.example"]).as_deref(), Some("REFUSED"));
        assert_eq!(dig(PORT, &["notice.example"]).expect("an answer").data, ["192.0.2.80"]);

        let text = text
            .replace("/etc/dnsmasq.conf", &rig.config.conf.display().to_string())
            .replace("/etc/dnsmasq.d,", &format!("{}/d,", rig.dir()));
        let (context, sent) = context(true);
        let stop = Arc::clone(&context.stop);
        let thread = spawn(source_of(&text, "dnsmasq"), context);
        let reports = || sent.lock().expect("not poisoned").clone();
        wait_for("the rules", || !reports().is_empty());
        assert_eq!(
            shown(&rules(&reports())),
            [
                "*.below.example DnsNxdomain de/2026-43",
                "blocked.example DnsNxdomain de/2026-42",
                "notice.example DnsForgedA court/2026-001",
            ]
        );
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("no panic");
    });
}
