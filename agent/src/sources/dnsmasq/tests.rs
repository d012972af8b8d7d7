//! The source on files; with the real dnsmasq in `real`.

mod real;

use std::{fs, sync::atomic::Ordering};

use super::*;
use crate::{
    doctor::Grade,
    sources::testing::{context, real::shown},
};

struct Rig {
    folder: tempfile::TempDir,
    config: Dnsmasq,
}

impl Rig {
    fn new(conf: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Dnsmasq { conf: folder.path().join("dnsmasq.conf"), ..Dnsmasq::default() };
        let rig = Self { folder, config };
        rig.write("dnsmasq.conf", &format!("no-hosts\n{conf}"));
        rig
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text.replace("DIR", &self.dir()))
            .expect("written");
    }

    fn dir(&self) -> String {
        self.folder.path().display().to_string()
    }

    fn state(&self) -> (State, bool) {
        let mut state = State::new(self.config.clone());
        let told = state.look(&context(true).0);
        (state, told)
    }

    fn shown(&self) -> Vec<String> {
        let rules: Vec<_> = self.state().0.rules.into_values().collect();
        shown(&rules)
    }
}

#[test]
fn what_answers_without_asking_is_a_rule() {
    let rig = Rig::new(
        "server=127.0.0.1#5353\naddress=/Blocked.Example/\naddress=/zero.example/0.0.0.0\n\
         address=/hash.example/#\naddress=/*.wild.example/::\n address = /sp.example./ # c\n\
         address=/a.example/b.example/192.0.2.81\nlocal=/local.example/\nserver=/server.example/\n\
         address=/#/192.0.2.99\naddress=/*glob.example/0.0.0.0\naddress=/.dot.example/\n\
         # address=/commented.example/\naddress=//\nlocal=//\naddress=/bad.example/nonsense\n\
         server=/fwd.example/192.0.2.1\nserver=/except.blocked.example/#\n\
         address=/both.example/\nserver=/both.example/192.0.2.1\n\
         local=/lan/\nlocal=/168.192.in-addr.arpa/\ndomain=office.example,192.0.2.0/24\n\
         local=/office.example/\n",
    );
    assert_eq!(
        rig.shown(),
        [
            " DnsForgedA",
            "* DnsForgedA",
            "*.wild.example DnsForgedA",
            "a.example DnsForgedA",
            "b.example DnsForgedA",
            "blocked.example DnsNxdomain",
            "dot.example DnsNxdomain",
            "hash.example DnsForgedA",
            "local.example DnsNxdomain",
            "server.example DnsNxdomain",
            "sp.example DnsNxdomain",
            "zero.example DnsForgedA",
        ]
    );
    let (state, _) = rig.state();
    let kinds: Vec<_> = state
        .rules
        .values()
        .filter(|rule| ["blocked.example", "*.wild.example"].contains(&rule.target.value.as_str()))
        .map(|rule| rule.target.kind())
        .collect();
    assert_eq!(kinds, [v1::TargetKind::DomainSubtree; 2]);
}

#[test]
fn claims_come_from_line_then_file_then_map() {
    let rig = Rig::new("conf-dir=DIR/d,*.conf\naddress=/none.example/\n");
    fs::create_dir(rig.folder.path().join("d")).expect("made");
    rig.write(
        "d/list.conf",
        "# national list\n# remit=list:bpjm@2026-11 actor=government_box\naddress=/a.example/\n\
         # remit=de/late\naddress=/own.example/ # remit=de/42\naddress=/wrong.example/ # remit=,\n",
    );
    rig.write("d/list.bak", "address=/left-out.example/\n");
    rig.write("d/.hidden.conf", "address=/hidden.example/\n");
    assert_eq!(
        rig.shown(),
        [
            "a.example DnsNxdomain list:bpjm@2026-11",
            "none.example DnsNxdomain",
            "own.example DnsNxdomain de/42",
            "wrong.example DnsNxdomain",
        ]
    );
    let (mut context, _) = context(true);
    context.mapped = Arc::new(|selector| {
        let known = selector.starts_with("file:") && selector.ends_with("/dnsmasq.conf");
        known.then(|| "map/1".parse().expect("a claim")).into_iter().collect()
    });
    let found = conf::read(&rig.config);
    let rules: Vec<_> = rules(&found, &rig.config, &context).into_values().collect();
    assert!(shown(&rules).contains(&"none.example DnsNxdomain map/1".to_owned()));
    let actor = |target: &str| rules.iter().find(|r| r.target.value == target).expect("it").actor;
    assert_eq!(actor("a.example"), v1::Actor::GovernmentBox);
    assert_eq!(actor("none.example"), v1::Actor::Unknown);
}

#[test]
fn hosts_files_name_hosts_alone() {
    let mut rig = Rig::new("addn-hosts=DIR/hosts\n");
    rig.write(
        "hosts",
        "# remit=class:voluntary_list\n0.0.0.0 ads.example Ads2.example # x\n:: six.example\n\
         127.0.0.1 localhost lo.example\n192.0.2.5 printer.example\nnonsense x\n0.0.0.0\n",
    );
    assert_eq!(
        rig.shown(),
        [
            "ads.example DnsForgedA class:voluntary_list",
            "ads2.example DnsForgedA class:voluntary_list",
            "six.example DnsForgedA class:voluntary_list",
        ]
    );
    let exact = |rule: &Arc<KnownRule>| rule.target.kind() == v1::TargetKind::DomainExact;
    assert!(rig.state().0.rules.values().all(exact));
    rig.config.loopback_blocks = true;
    assert_eq!(rig.shown().len(), 4, "{:?}", rig.shown());
}

#[test]
fn a_change_is_told_and_what_cannot_be_read_is_not_taken_away() {
    let rig = Rig::new("conf-file=DIR/list\n");
    rig.write("list", "address=/a.example/\n");
    let (context, _) = context(true);
    let mut state = State::new(rig.config.clone());
    assert!(state.look(&context));
    assert!(!state.look(&context), "nothing new, nothing said");
    rig.write("list", "address=/a.example/\naddress=/b.example/\n");
    assert!(state.look(&context));
    assert_eq!((state.rules.len(), state.unstable), (2, false));
    fs::remove_file(rig.folder.path().join("list")).expect("removed");
    assert!(state.look(&context));
    assert_eq!((state.rules.len(), state.unstable, state.partial), (2, true, true));
    rig.write("list", "address=/b.example/\n");
    assert!(state.look(&context));
    assert_eq!((state.rules.len(), state.unstable, state.partial), (1, false, false));
}

#[test]
fn hostile_files_stop_nothing() {
    let rig = Rig::new("conf-file=DIR/dnsmasq.conf\nconf-file=DIR/list\nconf-dir=DIR/nowhere\n");
    let mut bytes =
        b"address=/\xff\xfe/\naddress=/a\0b.example/\n\x1b[0m\naddress=/c d.example/\n".to_vec();
    bytes.extend("x".repeat(10 * 1024 * 1024).into_bytes());
    bytes.extend(b"\naddress=/good.example/\naddress=/half.example/");
    fs::write(rig.folder.path().join("list"), bytes).expect("written");
    let (state, _) = rig.state();
    let rules: Vec<_> = state.rules.into_values().collect();
    assert_eq!(
        shown(&rules),
        [" DnsNxdomain", " DnsNxdomain", "good.example DnsNxdomain", "half.example DnsNxdomain"]
    );
    assert!(state.unstable, "a folder that is not there");
}

#[test]
fn no_address_of_a_customer_is_in_any_report() {
    for names in [true, false] {
        let rig = Rig::new(
            "address=/5.0.64.100.in-addr.arpa/\naddress=/cust.example/100.64.0.5\n\
             dhcp-host=11:22:33:44:55:66,100.64.0.5,secret\n",
        );
        let (context, sent) = context(names);
        let mut state = State::new(rig.config.clone());
        assert!(state.look(&context));
        send(&state, &context).expect("sent");
        let shown = format!("{:?}", sent.lock().expect("not poisoned"));
        assert!(shown.contains("CustomerToken") || shown.contains("kind: 18"), "{shown}");
        for trace in ["100.64.0.5", "5.0.64.100", "secret", "11:22"] {
            assert!(!shown.contains(trace), "{trace} in {shown}");
        }
    }
}

#[test]
fn the_doctor_says_what_is_not_seen() {
    let rig =
        Rig::new("log-queries\naddress=/a.example/\naddn-hosts=DIR/hosts\nconf-file=DIR/no\n");
    rig.write("hosts", "127.0.0.1 lo.example\n");
    let findings = rig.config.examine(&context(true).0);
    let said: String = findings.iter().map(|f| format!("{} {}\n", f.grade, f.says)).collect();
    for words in ["of which 1 claim nothing", "log-queries is on", "1 names at loopback"] {
        assert!(said.contains(words), "{said}");
    }
    let wrong = findings.iter().find(|f| f.grade == Grade::Wrong).expect("the file that is absent");
    assert!(wrong.says.contains("/no: No such file"), "{said}");
}
