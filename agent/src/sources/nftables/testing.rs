//! A context without recorder, key or clock, and a router between two hosts, for tests.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use evidence::Claim;
use remit_proto::v1::Actor;
use sha2::{Digest as _, Sha256};

use super::{Nftables, NftablesError, observe};
use crate::{
    keys::NodeKey,
    observation::{CounterReading, Hit, Report, RuleNumber, RuleState},
    privacy::Privacy,
    rules::nftables::testing::{in_namespace, run},
    sources::SourceContext,
};

/// What the source sent.
pub(in crate::sources) type Sent = Arc<Mutex<Vec<Report>>>;

/// Customers are in 100.64.0.0/10 and 2001:db8:c::/48.
pub(in crate::sources) fn privacy(names: bool) -> Privacy {
    let prefixes = ["100.64.0.0/10", "2001:db8:c::/48"];
    let prefixes = prefixes.iter().map(|prefix| prefix.parse().expect("a prefix")).collect();
    Privacy::new(prefixes, &NodeKey::from_secret([7; 32]), names)
}

/// The basis map: what it says about "mark:0x2a", "comment:mapped", "set:inet/t/mapped" and
/// "chain:inet/t/mapped" is request "map/1".
pub(in crate::sources) fn context(names: bool) -> (SourceContext, Sent) {
    let sent = Sent::default();
    let to = Arc::clone(&sent);
    let context = SourceContext {
        send: Arc::new(move |report| {
            to.lock().expect("not poisoned").push(report);
            Ok(())
        }),
        now_s: || {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.expect("after 1970").as_secs() as i64
        },
        rule_number: Arc::new(|key| {
            let digest: [u8; 32] = Sha256::digest(key).into();
            RuleNumber(digest.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b)))
        }),
        mapped: Arc::new(|selector| -> Vec<Claim> {
            let known = ["mark:0x2a", "comment:mapped", "set:inet/t/mapped", "chain:inet/t/mapped"];
            let claim = known.contains(&selector).then(|| "map/1".parse().expect("a claim"));
            claim.into_iter().collect()
        }),
        privacy: Arc::new(privacy(names)),
        default_actor: Actor::Unknown,
        stop: Arc::new(AtomicBool::new(false)),
        resume: None,
    };
    (context, sent)
}

/// A host in a network namespace of its own; what it is told runs there.
pub(in crate::sources) struct Host {
    tell: mpsc::Sender<Box<dyn FnOnce() + Send>>,
    thread_id: nix::unistd::Pid,
}

impl Host {
    fn start() -> Self {
        let (tell, told) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let (answer, answered) = mpsc::channel();
        thread::spawn(move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a namespace");
            answer.send(nix::unistd::gettid()).expect("the test waits");
            told.into_iter().for_each(|work| work());
        });
        Self { tell, thread_id: answered.recv().expect("a thread id") }
    }

    pub(in crate::sources) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let (answer, answered) = mpsc::channel();
        let work = move || answer.send(work()).expect("the test waits");
        self.tell.send(Box::new(work)).expect("the host lives");
        answered.recv().expect("it did not panic")
    }

    /// Sends `count` datagrams from one of its addresses.
    pub(in crate::sources) fn send(&self, from: &str, to: &str, count: usize) {
        let (from, to): (IpAddr, SocketAddr) =
            (from.parse().expect("an address"), to.parse().expect("an address and a port"));
        self.run(move || {
            let socket = UdpSocket::bind((from, 0)).expect("an address of this host");
            for _ in 0..count {
                // An earlier datagram may have been rejected; this one is sent all the same.
                let _ = socket.send_to(b"x", to).or_else(|_| socket.send_to(b"x", to));
            }
        });
    }

    /// Tries to connect.
    pub(in crate::sources) fn connect(&self, to: &str) -> std::io::Result<()> {
        let to: SocketAddr = to.parse().expect("an address and a port");
        self.run(move || TcpStream::connect_timeout(&to, Duration::from_millis(300)).map(drop))
    }
}

pub(in crate::sources) const CLIENT: &str = "100.64.0.7";
pub(in crate::sources) const CLIENT6: &str = "2001:db8:c::7";
/// Further addresses of the server.
pub(in crate::sources) const SERVER: &str = "203.0.113.9";
pub(in crate::sources) const SERVER6: &str = "2001:db8:f::9";

/// Runs `test` on a router between a client and a server, each in a network namespace of its own.
pub(in crate::sources) fn in_router<T: Send>(test: impl FnOnce(&Host, &Host) -> T + Send) -> T {
    in_namespace(|| {
        for path in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            std::fs::write(format!("/proc/sys/net/{path}"), "1").expect("forwarding");
        }
        let ip = |arguments: &str| {
            run("ip", &arguments.split(' ').collect::<Vec<_>>());
        };
        let (client, server) = (Host::start(), Host::start());
        let sides = [
            (
                &client,
                "c",
                "100.64.0.1/24",
                "2001:db8:c::1/64",
                "100.64.0.7/24",
                "2001:db8:c::7/64",
            ),
            (
                &server,
                "s",
                "10.255.0.1/30",
                "2001:db8:e::1/64",
                "10.255.0.2/30",
                "2001:db8:e::2/64",
            ),
        ];
        for (host, name, here, here6, there, there6) in sides {
            let (near, far) = (format!("{name}0"), format!("{name}1"));
            ip(&format!("link add {near} type veth peer name {far}"));
            ip(&format!("link set {far} netns {}", host.thread_id));
            ip(&format!("addr add {here} dev {near}"));
            ip(&format!("-6 addr add {here6} dev {near} nodad"));
            ip(&format!("link set {near} up"));
            let gateway = here.split('/').next().expect("an address").to_owned();
            let gateway6 = here6.split('/').next().expect("an address").to_owned();
            host.run(move || {
                let ip = |arguments: String| {
                    run("ip", &arguments.split(' ').collect::<Vec<_>>());
                };
                ip("link set lo up".into());
                ip(format!("addr add {there} dev {far}"));
                ip(format!("-6 addr add {there6} dev {far} nodad"));
                ip(format!("link set {far} up"));
                ip(format!("route add default via {gateway}"));
                ip(format!("-6 route add default via {gateway6}"));
            });
        }
        server.run(|| {
            run("ip", &["addr", "add", "203.0.113.9/32", "dev", "lo"]);
            run("ip", &["-6", "addr", "add", "2001:db8:f::9/128", "dev", "lo", "nodad"]);
        });
        ip("route add default via 10.255.0.2");
        ip("-6 route add default via 2001:db8:e::2");
        // Neighbours are known before anything is counted.
        for (host, from, to) in [
            (&client, CLIENT, "10.255.0.2:7"),
            (&client, CLIENT6, "[2001:db8:e::2]:7"),
            (&server, SERVER, "100.64.0.7:7"),
            (&server, SERVER6, "[2001:db8:c::7]:7"),
        ] {
            host.send(from, to, 1);
        }
        thread::sleep(Duration::from_millis(200));
        test(&client, &server)
    })
}

/// The source at work.
pub(in crate::sources) struct Running {
    pub(in crate::sources) sent: Sent,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Result<(), NftablesError>>,
}

pub(in crate::sources) const GROUP: u16 = 5;

impl Running {
    /// Starts it and waits for its first report of rules.
    pub(in crate::sources) fn start(names: bool) -> Self {
        Self::with(context(names))
    }

    /// The same with a context that is not as usual.
    pub(in crate::sources) fn with(context: (SourceContext, Sent)) -> Self {
        Self::counting_each(Duration::from_millis(300), context)
    }

    /// The same with other times between two readings of the counters.
    pub(in crate::sources) fn counting_each(
        counters_interval: Duration,
        context: (SourceContext, Sent),
    ) -> Self {
        Self::configured(Nftables { counters_interval, ..Nftables::default() }, context)
    }

    /// The same, told otherwise; the group is always [`GROUP`].
    pub(in crate::sources) fn configured(
        config: Nftables,
        (context, sent): (SourceContext, Sent),
    ) -> Self {
        let stop = Arc::clone(&context.stop);
        let config = Nftables { groups: vec![GROUP], ..config };
        let thread = thread::spawn(move || observe(&config, &context));
        let running = Self { sent, stop, thread };
        running.wait("rules", |reports| reports.iter().any(|r| matches!(r, Report::Rules(_))));
        running
    }

    /// Waits until the reports so far are as they should be.
    pub(in crate::sources) fn wait(&self, what: &str, good: impl Fn(&[Report]) -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !good(&self.sent.lock().expect("not poisoned")) {
            assert!(Instant::now() < until, "no {what}: {:#?}", self.sent.lock());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until so many hits have come.
    pub(in crate::sources) fn wait_for_hits(&self, count: u64) {
        self.wait("hits", |reports| {
            hits(reports).iter().map(|hit| hit.count).sum::<u64>() >= count
        });
    }

    /// Stops it and hands over what it sent.
    pub(in crate::sources) fn stop(self) -> Vec<Report> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic").expect("no error");
        std::mem::take(&mut *self.sent.lock().expect("not poisoned"))
    }
}

pub(in crate::sources) fn hits(reports: &[Report]) -> Vec<Hit> {
    let hits = reports.iter().filter_map(|report| match report {
        Report::Hits { hits, .. } => Some(hits.clone()),
        _ => None,
    });
    hits.flatten().collect()
}

pub(in crate::sources) fn states(reports: &[Report]) -> Vec<RuleState> {
    let states = reports.iter().filter_map(|report| match report {
        Report::Rules(state) => Some(state.clone()),
        _ => None,
    });
    states.collect()
}

pub(in crate::sources) fn readings(reports: &[Report]) -> Vec<CounterReading> {
    let readings = reports.iter().filter_map(|report| match report {
        Report::Counters(reading) => Some(reading.clone()),
        _ => None,
    });
    readings.collect()
}

/// The value of a counter in the newest reading.
pub(in crate::sources) fn counter(reports: &[Report], key: &str) -> Option<u64> {
    let last = readings(reports).pop()?;
    last.counters.iter().find(|(known, _)| without_handle(known) == key).map(|(_, value)| *value)
}

/// "inet/t/c" of "inet/t@5/c".
pub(in crate::sources) fn without_handle(key: &str) -> String {
    let (table, name) = key.split_once('@').expect("a table's handle");
    format!("{table}{}", name.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// Hits by the target of their rule, with "->" before what was hit.
pub(in crate::sources) fn tally(reports: &[Report]) -> BTreeMap<String, u64> {
    let mut names = BTreeMap::new();
    for state in states(reports) {
        names.extend(state.rules.iter().map(|rule| (rule.number, rule.target.value.clone())));
    }
    let mut tally = BTreeMap::new();
    for hit in hits(reports) {
        let mut name = names.get(&hit.rule).cloned().expect("rules come before their hits");
        if let Some(target) = hit.hit_target {
            name = format!("{name} -> {}", target.wire().value);
        }
        *tally.entry(name).or_default() += hit.count;
    }
    tally
}
