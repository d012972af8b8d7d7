//! Logs as hostile as they come, and the real Squid in a network namespace of its own.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    observation::Report,
    rules::nftables::testing::{in_namespace, run},
    sources::{
        Resume,
        http::{
            LINE_RULES_MAX,
            testing::{Running, append, check, count, lost, not_parsed},
        },
        testing::context,
    },
};

fn squid(log: &Path, config: Option<&Path>) -> Arc<Squid> {
    let config = config.map(Path::to_owned);
    Arc::new(Squid { log: log.to_owned(), config, numbered: true, poll_ms: 10 })
}

fn start(log: &Path, config: Option<&Path>, names: bool) -> Running {
    Running::start(squid(log, config), context(names))
}

#[test]
fn a_list_that_is_not_known_and_a_host_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("remit.log");
    append(&log, b"");
    let running = start(&log, None, true);
    append(
        &log,
        b"remit1 7 1795490911 TCP_DENIED 451 court court/1 GET WWW.a.example\n\
          remit1 8 1795490911 TCP_DENIED 403 - - GET b.example\n\
          remit1 9 1795490911 TCP_DENIED 403 - - CONNECT b.example\n\
          remit1 10 1795490911 TCP_DENIED 407 - - GET c.example\n\
          remit1 11 1795490911 TCP_MISS 403 - - GET d.example\n\
          remit1 12 1795490911 TCP_DENIED 403 own - GET e.example\n",
    );
    running.wait("hits", |reports| count(reports) == 3);
    let reports = running.stop();
    check(&reports, &[("? -> www.a.example court/1 451", 1), ("b.example - 403", 2)]);
    let state = reports.iter().rev().find_map(|report| match report {
        Report::Rules(state) => Some(state.clone()),
        _ => None,
    });
    assert!(state.expect("rules").unstable, "without squid.conf nobody knows the rules");
}

#[test]
fn few_lines_are_told_no_hosts() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("remit.log");
    append(&log, b"");
    let running = start(&log, None, false);
    append(
        &log,
        b"remit1 7 1795490911 TCP_DENIED 451 court court/1 GET a.example\n\
          remit1 8 1795490911 TCP_DENIED 403 - - GET b.example\n",
    );
    running.wait("hits", |reports| count(reports) == 2);
    let reports = running.stop();
    check(&reports, &[("? court/1 451", 1), ("? - 403", 1)]);
    assert!(!format!("{reports:?}").contains("b.example"));
}

#[test]
fn hostile_lines_are_counted_and_nothing_stops() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("remit.log");
    append(&log, b"");
    let running = start(&log, None, true);
    let good =
        |number: u64| format!("remit1 {number} 1795490911 TCP_DENIED 451 r c/1 GET a.example\n");
    append(&log, good(0).as_bytes());
    // Ten mebibytes, control bytes, no UTF-8, a client, another format, nothing.
    append(&log, &[b"remit1 ".to_vec(), vec![b'x'; 10 << 20], b"\n".to_vec()].concat());
    append(&log, b"remit1 2 1795490911 TCP_DENIED 451 r c/1 GET a\x1b[2Jb\n");
    append(&log, b"remit1 3 1795490911 TCP_DENIED 451 r c/1 GET \xff\xfe\n");
    append(&log, b"remit1 4 1795490911 TCP_DENIED 451 r c/1 GET a.example 100.64.0.7\n");
    append(&log, b"1795490911.1 2 100.64.0.7 TCP_DENIED/403 1 GET http://a/ - HIER_NONE/- -\n\n");
    append(&log, good(5).as_bytes());
    // A half line, and its other half.
    let line = good(6);
    let (one, two) = line.split_at(20);
    append(&log, one.as_bytes());
    running.wait("hits", |reports| count(reports) == 2);
    append(&log, two.as_bytes());
    running.wait("hits", |reports| count(reports) == 3);
    // Rotation by rename, as `squid -k rotate` does it; then a gap.
    std::fs::rename(&log, dir.path().join("remit.log.0")).expect("renamed");
    append(&log, good(7).as_bytes());
    append(&log, good(11).as_bytes());
    running.wait("hits", |reports| count(reports) == 5);
    // By truncation.
    std::fs::write(&log, good(12)).expect("written");
    running.wait("hits", |reports| count(reports) == 6);
    // Squid was started again.
    append(&log, good(0).as_bytes());
    append(&log, good(1).as_bytes());
    running.wait("hits", |reports| count(reports) == 8);
    let reports = running.stop();
    assert_eq!((not_parsed(&reports), lost(&reports)), (4, 3));
    assert!(!format!("{reports:?}").contains("100.64"), "a client's address: {reports:#?}");
}

#[test]
fn a_customer_that_is_refused_is_a_token() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("remit.log");
    append(&log, b"");
    let running = start(&log, None, true);
    append(
        &log,
        b"remit1 0 1795490911 TCP_DENIED 403 - - GET 100.64.0.7\n\
          remit1 1 1795490911 TCP_DENIED 403 r c/1 GET 7.0.64.100.in-addr.arpa\n\
          remit1 2 1795490911 TCP_DENIED 403 100.64.0.7 c/1 GET a.example\n",
    );
    running.wait("hits", |reports| count(reports) == 3);
    let text = format!("{:?}", running.stop());
    assert!(!text.contains("100.64.0.7") && !text.contains("7.0.64.100"), "{text}");
}

#[test]
fn no_flood_of_names_fills_the_memory() {
    let (context, _) = context(true);
    let mut denials = Denials::new(None, true);
    let mut gathered = Gathered::default();
    for number in 0..LINE_RULES_MAX + 500 {
        let line = format!("remit1 {number} 1795490911 TCP_DENIED 403 - - GET n{number}.example");
        denials.line(line.as_bytes(), &context, &mut gathered);
    }
    assert_eq!(gathered.hits.iter().map(|hit| hit.count).sum::<u64>(), LINE_RULES_MAX as u64 + 500);
    assert_eq!(denials.rules(0).rules.len(), LINE_RULES_MAX + 1);
}

#[test]
fn a_restart_continues_where_it_was() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("remit.log");
    let line = |n: u64| format!("remit1 {n} 1795490911 TCP_DENIED 451 r c/1 GET a.example\n");
    append(&log, line(0).as_bytes());
    let running = start(&log, None, true);
    append(&log, line(1).as_bytes());
    running.wait("hits", |reports| count(reports) == 1);
    let before = running.stop();
    append(&log, line(2).as_bytes());
    let cursor = before.iter().rev().find_map(|report| match report {
        Report::Hits { cursor, .. } => cursor.clone(),
        _ => None,
    });
    let (mut context, sent) = context(true);
    context.resume = cursor.map(|cursor| Resume { cursor, at_s: 1_795_490_911 });
    let running = Running::start(squid(&log, None), (context, sent));
    append(&log, line(3).as_bytes());
    running.wait("hits", |reports| count(reports) == 2);
    let after = running.stop();
    assert_eq!((count(&before), count(&after), lost(&after)), (1, 2, 0));
}

/// The template, in a directory of its own.
struct Proxy {
    dir: tempfile::TempDir,
    child: Child,
}

impl Proxy {
    fn start(more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for (path, mode) in [("", 0o755), ("log", 0o777)] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(&path).expect("made");
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("a mode");
        }
        let own = dir.path().display().to_string();
        let write = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).expect("written");
        };
        write("court-2026-001.txt", "# a list\n.blocked.example\nexact.example\n");
        write("malware.txt", "bad.example\n");
        let template = include_str!("../../../../deploy/templates/squid.conf")
            .replace("/run/squid-log", &format!("{own}/log"))
            .replace("/etc/squid", &own);
        write("remit.conf", &template);
        write(
            "squid.conf",
            &format!(
                "http_port 127.0.0.1:3128\npid_filename {own}/log/pid\ncache_log {own}/log/cache.log\n\
                 coredump_dir {own}/log\ncache deny all\nvisible_hostname proxy.example\n\
                 shutdown_lifetime 0 seconds\ninclude {own}/remit.conf\n{more}\n\
                 http_access allow all\n"
            ),
        );
        let child = Command::new("/usr/sbin/squid")
            .args(["-N", "-f", &format!("{own}/squid.conf")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("squid (apt-get install squid)");
        let proxy = Self { dir, child };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect("127.0.0.1:3128").is_err() {
            let log = std::fs::read_to_string(proxy.path("log/cache.log")).unwrap_or_default();
            assert!(Instant::now() < until, "squid does not listen: {log}");
            thread::sleep(Duration::from_millis(50));
        }
        proxy
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What curl saw.
    fn get(&self, url: &str) -> String {
        let arguments = ["-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}%{http_connect}"];
        let mut command = Command::new("curl");
        command.args(arguments).args(["-x", "http://127.0.0.1:3128", url]);
        let output = command.output().expect("curl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn rotate(&self) {
        let pid = self.child.id().to_string();
        run("kill", &["-USR1", &pid]);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers 403 to whatever comes: a server of its own mind.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream
                .write_all(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    port
}

#[test]
fn what_squid_refuses_is_seen_as_curl_saw_it() {
    in_namespace(|| {
        let proxy = Proxy::start("acl other dstdomain other.example\nhttp_access deny other");
        let port = server();
        let log = proxy.path("log/remit.log");
        let running = start(&log, Some(&proxy.path("squid.conf")), true);
        let seen: Vec<String> = [
            "http://www.blocked.example/a",
            "http://BLOCKED.example:8080/b?c=d",
            "https://www.blocked.example/",
            "http://exact.example/",
            "http://bad.example/",
            "http://other.example/",
            "http://other.example/again",
        ]
        .map(|url| proxy.get(url))
        .into();
        assert_eq!(seen, ["451000", "451000", "000451", "451000", "403000", "403000", "403000"]);
        // The server's own no is not the proxy's.
        assert_eq!(proxy.get(&format!("http://127.0.0.1:{port}/")), "403000");
        proxy.rotate();
        assert_eq!(proxy.get("http://exact.example/"), "451000");
        running.wait("hits", |reports| count(reports) == 8);
        // A list that grows is seen without Squid's doing.
        append(&proxy.path("malware.txt"), b".new.example\n");
        running.wait("a rule", |reports| {
            reports.iter().any(|report| {
                matches!(report, Report::Rules(state)
                    if state.rules.iter().any(|rule| rule.target.value == "new.example"))
            })
        });
        let raw = std::fs::read_to_string(proxy.path("log/remit.log.0")).expect("rotated");
        assert!(!raw.contains("127.0.0.1"), "the format has no client: {raw}");
        let reports = running.stop();
        check(
            &reports,
            &[
                ("blocked.example -> blocked.example court/2026-001 451", 1),
                ("blocked.example -> www.blocked.example court/2026-001 451", 2),
                ("exact.example court/2026-001 451", 2),
                ("bad.example class:security 403", 1),
                ("other.example -> other.example - 403", 0),
                ("other.example - 403", 2),
            ]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect::<Vec<_>>(),
        );
        assert_eq!((not_parsed(&reports), lost(&reports)), (0, 0));
    });
}

#[test]
fn lines_that_found_no_room_are_counted_and_squid_goes_on() {
    in_namespace(|| {
        let proxy = Proxy::start("");
        drop(proxy);
        // The same with a log in a memory of 16 KiB.
        let dir = tempfile::tempdir().expect("a directory");
        let small = dir.path().join("small");
        std::fs::create_dir_all(&small).expect("made");
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("a mode");
        let path = small.display().to_string();
        run("mount", &["-t", "tmpfs", "-o", "size=16k,mode=0777", "tmpfs", &path]);
        let log = small.join("remit.log");
        let proxy = Proxy::start(&format!(
            "access_log stdio:{} logformat=remit rotate=1 on-error=drop remit_unasked remit_refused",
            log.display()
        ));
        let running = start(&log, Some(&proxy.path("squid.conf")), true);
        const REQUESTS: u64 = 400;
        for at in 0..REQUESTS {
            assert_eq!(proxy.get(&format!("http://exact.example/{at}")), "451000");
        }
        // Room is made: the next line shows what is missing.
        proxy.rotate();
        thread::sleep(Duration::from_millis(300));
        std::fs::remove_file(small.join("remit.log.0")).expect("rotated");
        // There is room once the agent has let the old file go too: lines before that are missing as well.
        let mut asked = REQUESTS;
        let all = |reports: &[Report]| count(reports) + lost(reports) + not_parsed(reports);
        for _ in 0..50 {
            assert_eq!(proxy.get("http://exact.example/last"), "451000");
            asked += 1;
            let until = Instant::now() + Duration::from_millis(500);
            while Instant::now() < until && all(&running.sent.lock().expect("not poisoned")) < asked
            {
                thread::sleep(Duration::from_millis(20));
            }
            if all(&running.sent.lock().expect("not poisoned")) == asked {
                break;
            }
        }
        let reports = running.stop();
        run("umount", &["-l", &path]);
        assert!(lost(&reports) > 0);
        // The line that was cut off where the room ended is counted once, as not understood or lost.
        assert_eq!(all(&reports), asked);
    });
}
