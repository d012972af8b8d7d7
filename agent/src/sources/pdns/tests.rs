//! The source with messages of our own making; with the real PowerDNS in `real`.

mod real;

use std::{fs, io::Write, net::TcpStream, sync::atomic::Ordering};

use remit_proto::v1;

use super::{message::tests::told, *};
use crate::sources::{
    Resume,
    testing::{
        context,
        real::{
            cursor, hit_count, hits, hits_of, not_parsed, rules, shown, spawn, unstable, wait_for,
        },
    },
};

const ZONE: &str = "$TTL 300\n@ SOA ns. root. 7 1 1 1 1\nnx.example CNAME .\n\
    own.example CNAME . ; remit=de/own\n*.wild.example CNAME *.\ndrop.example CNAME rpz-drop.\n\
    32.5.0.64.100.rpz-client-ip CNAME .\n";

struct Rig {
    _folder: tempfile::TempDir,
    config: Pdns,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("zone");
        fs::write(&file, ZONE).expect("written");
        let listen = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
        let policies = vec![Policy { name: "remit=de/42".into(), file, origin: None }];
        let config =
            Pdns { listen, webserver: None, policies, canaries: None, counters_interval_s: 1 };
        Self { _folder: folder, config }
    }

    fn connect(&self) -> TcpStream {
        let mut stream = None;
        wait_for("the source to listen", || {
            stream = TcpStream::connect(self.config.listen).ok();
            stream.is_some()
        });
        stream.expect("connected")
    }
}

fn send(stream: &mut TcpStream, message: &[u8]) {
    let size = u16::try_from(message.len()).expect("short").to_be_bytes();
    stream.write_all(&[&size, message].concat()).expect("sent");
}

#[test]
fn messages_become_hits_of_their_rules() {
    let rig = Rig::new();
    let (context, sent) = context(true);
    let stop = Arc::clone(&context.stop);
    let thread = spawn(Arc::new(rig.config.clone()), context);
    let reports = || sent.lock().expect("not poisoned").clone();
    let mut stream = rig.connect();
    let policy = "remit=de/42";
    send(&mut stream, &told(policy, 3, ("nx.example", "nx.example"), 1));
    send(&mut stream, &told(policy, 3, ("nx.example", "nx.example"), 2));
    send(&mut stream, &told(policy, 4, ("*.wild.example", "a.Wild.example"), 1));
    send(&mut stream, &told(policy, 1, ("pass.example", "pass.example"), 1));
    send(&mut stream, &told(policy, 5, ("tcp.example", "tcp.example"), 2));
    send(&mut stream, &told("remit=fr/1", 6, ("new.example", "new.example"), 1));
    send(&mut stream, b"\xff\xff\xff");
    // Half a message, and the end.
    stream.write_all(&[0, 9, 1]).expect("sent");
    drop(stream);
    let mut second = rig.connect();
    send(&mut second, &told(policy, 3, ("own.example", "own.example"), 1));
    wait_for("five hits", || hit_count(&reports()) == 5 && not_parsed(&reports()) == 2);
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("no panic");
    let now = reports();
    assert_eq!(hits_of(&now, "nx.example"), 2);
    assert_eq!(
        shown(&rules(&now)),
        [
            "*.wild.example DnsNodata de/42",
            "drop.example DnsDrop de/42",
            "new.example Other fr/1",
            "nx.example DnsNxdomain de/42",
            "own.example DnsNxdomain de/own",
            "token DnsNxdomain de/42",
        ]
    );
    let wild = hits(&now).into_iter().find_map(|hit| hit.hit_target).expect("a name");
    assert_eq!(wild.wire().value, "a.wild.example");
    assert!(cursor(&now).is_some(), "so that the next start knows of this one");
    assert_eq!(unstable(&now), Some(false));
}

#[test]
fn nothing_of_the_client_is_in_any_report() {
    for names in [true, false] {
        let rig = Rig::new();
        let (context, sent) = context(names);
        let stop = Arc::clone(&context.stop);
        let thread = spawn(Arc::new(rig.config.clone()), context);
        let reports = || sent.lock().expect("not poisoned").clone();
        let mut stream = rig.connect();
        let policy = "remit=de/42";
        for (trigger, asked) in [
            ("nx.example", "nx.example"),
            ("32.5.0.64.100.rpz-client-ip", "hidden.example"),
            ("5.0.64.100.in-addr.arpa", "5.0.64.100.in-addr.arpa"),
            ("32.5.0.64.100.rpz-ip", "5.0.64.100.in-addr.arpa"),
        ] {
            send(&mut stream, &told(policy, 3, (trigger, asked), 1));
        }
        wait_for("four hits", || hit_count(&reports()) == 4);
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("no panic");
        let shown = format!("{:?}", reports());
        for trace in ["100.64.0.5", "5.0.64.100", "secret", "hidden"] {
            assert!(!shown.contains(trace), "{trace} in {shown}");
        }
    }
}

#[test]
fn while_nobody_is_connected_something_may_be_missing_and_that_is_said() {
    let rig = Rig::new();
    let (mut context, sent) = context(true);
    context.resume = Some(Resume { cursor: mark(), at_s: 1_795_459_103 });
    let stop = Arc::clone(&context.stop);
    let thread = spawn(Arc::new(rig.config.clone()), context);
    let unsure = || -> Vec<i64> {
        let reports = sent.lock().expect("not poisoned").clone();
        let from = |report: &Report| match report {
            Report::Unsure { cause: LossCause::FileLost, from_s, .. } => Some(*from_s),
            _ => None,
        };
        reports.iter().filter_map(from).collect()
    };
    wait_for("the first words", || unsure().len() == 2);
    assert_eq!(unsure()[0], 1_795_459_103, "since the last record");
    let _stream = rig.connect();
    wait_for("the connection to be seen", || unsure().len() == 3);
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("no panic");
}

#[test]
fn a_port_that_is_taken_ends_the_source_with_an_error_that_names_it() {
    let rig = Rig::new();
    let _taken = TcpListener::bind(rig.config.listen).expect("bound");
    let error = Arc::new(rig.config.clone()).run(context(true).0).expect_err("taken");
    let said = crate::logging::chain(&error);
    assert!(said.contains(&format!("{} cannot be listened on", rig.config.listen)), "{said}");
}

#[test]
fn what_does_not_arrive_within_an_interval_is_missing() {
    let handed = |queued, thrown_away| Handed { queued, thrown_away };
    let mut delivery = Delivery::default();
    assert_eq!(delivery.reading(handed(100, 1)), Some(0), "what was before is not ours");
    delivery.received += 5;
    assert_eq!(delivery.reading(handed(110, 1)), Some(0));
    assert_eq!(delivery.all_missing(), 0, "five are on their way");
    delivery.received += 3;
    assert_eq!(delivery.reading(handed(110, 4)), Some(3));
    assert_eq!(delivery.all_missing(), 2, "two had an interval to come");
    delivery.received += 2;
    assert_eq!(delivery.reading(handed(110, 4)), Some(0));
    assert_eq!(delivery.all_missing(), 2, "and are not unsaid: nothing is counted down");
    assert_eq!(delivery.reading(handed(3, 0)), None, "begun anew");
    assert_eq!(delivery.reading(handed(4, 0)), Some(0));
    assert_eq!(delivery.reading(handed(4, 0)), Some(0));
    assert_eq!(delivery.all_missing(), 3);
}
