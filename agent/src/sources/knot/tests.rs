//! The source with streams of our own making; with the real Knot Resolver in `real`.

mod real;

use std::{io::Write, sync::atomic::Ordering};

use super::{
    answer::tests::told,
    frames::tests::{data, ready},
    *,
};
use crate::sources::testing::{
    context,
    real::{cursor, hit_count, hits, hits_of, not_parsed, rules, shown, spawn, wait_for},
};

const ZONE: &str = "$TTL 300\n@ SOA ns. root. 7 1 1 1 1\nnx.example CNAME .\n\
    own.example CNAME . ; remit=de/own\n*.wild.example CNAME .\n";

struct Rig {
    _folder: tempfile::TempDir,
    config: Knot,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("zone");
        fs::write(&file, ZONE).expect("written");
        let policies = vec![Policy { message: "remit=de/42".into(), file, origin: None }];
        let config = Knot { socket: folder.path().join("tap"), policies, canaries: None };
        Self { _folder: folder, config }
    }

    fn connect(&self) -> UnixStream {
        let mut stream = None;
        wait_for("the source to listen", || {
            stream = UnixStream::connect(&self.config.socket).ok();
            stream.is_some()
        });
        stream.expect("connected")
    }
}

#[test]
fn answers_that_say_so_are_hits_of_their_rules() {
    let rig = Rig::new();
    let (context, sent) = context(true);
    let stop = Arc::clone(&context.stop);
    let thread = spawn(Arc::new(rig.config.clone()), context);
    let reports = || sent.lock().expect("not poisoned").clone();
    let mut stream = rig.connect();
    stream.write_all(&ready()).expect("sent");
    let claim = Some("remit=de/42");
    for answer in [
        told("NX.example", 3, claim, Some(15)),
        told("nx.example", 3, claim, Some(15)),
        told("own.example", 3, claim, Some(16)),
        told("a.b.wild.example", 3, claim, Some(17)),
        told("other.example", 3, Some("remit=fr/1"), Some(15)),
        told("bare.example", 0, None, Some(15)),
        told("free.example", 3, None, None),
        told("forged.example", 0, None, Some(4)),
        told("refused.example", 5, None, Some(18)),
        vec![0xff; 9],
    ] {
        stream.write_all(&data(&answer)).expect("sent");
    }
    // Half a frame, and the end; then one that is no such stream at all.
    stream.write_all(&[0, 0, 1]).expect("sent");
    drop(stream);
    rig.connect().write_all(b"GET / HTTP/1.0\r\n\r\n").expect("sent");
    wait_for("six hits", || hit_count(&reports()) == 6 && not_parsed(&reports()) == 3);
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("no panic");
    let now = reports();
    assert_eq!(hits_of(&now, "nx.example"), 2);
    assert_eq!(
        shown(&rules(&now)),
        [
            "*.wild.example DnsNxdomain de/42",
            "bare.example DnsNodata",
            "nx.example DnsNxdomain de/42",
            "other.example DnsNxdomain fr/1",
            "own.example DnsNxdomain de/own",
        ]
    );
    let first = &hits(&now)[0];
    assert_eq!(first.response, Response::Dns { rcode: 3, extended_errors: vec![15] });
    let named: Vec<_> = hits(&now).into_iter().filter_map(|hit| hit.hit_target).collect();
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].wire().value, "a.b.wild.example");
    assert!(cursor(&now).is_some(), "so that the next start knows of this one");
    assert!(!rig.config.socket.exists(), "nobody listens any more");
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
        for (asked, code) in [
            ("nx.example", Some(15)),
            ("5.0.64.100.in-addr.arpa", Some(15)),
            ("private.example", None),
            ("asked.example", Some(15)),
        ] {
            stream.write_all(&data(&told(asked, 3, Some("remit=de/42"), code))).expect("sent");
        }
        wait_for("three hits", || hit_count(&reports()) == 3);
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("no panic");
        let shown = format!("{:?}", reports());
        for trace in ["100.64.0.5", "5.0.64.100", "private", "36428"] {
            assert!(!shown.contains(trace), "{trace} in {shown}");
        }
        assert_eq!(shown.contains("asked.example"), names, "{shown}");
    }
}

#[test]
fn a_socket_that_was_left_is_taken_and_one_in_use_is_not() {
    let rig = Rig::new();
    drop(UnixListener::bind(&rig.config.socket).expect("bound"));
    let _listener = listen(&rig.config.socket).expect("taken over");
    let error = Arc::new(rig.config.clone()).run(context(true).0).expect_err("in use");
    assert!(crate::logging::chain(&error).contains("cannot be listened on"));
    let mode = fs::metadata(&rig.config.socket).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}
