//! Logs as hostile as they come, and the real nginx in a network namespace of its own.

use std::{
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    observation::{Report, Response},
    rules::nftables::testing::{in_namespace, run},
    sources::{
        http::testing::{Running, append, check, count, hits, lost, not_parsed},
        testing::context,
    },
};

fn start(log: &Path, map: Option<&Path>, names: bool) -> Running {
    let (log, map) = (log.to_owned(), map.map(Path::to_owned));
    Running::start(Arc::new(Nginx { log, map, status: 451, poll_ms: 10 }), context(names))
}

#[test]
fn a_map_that_cannot_be_read_takes_nothing_away() {
    let dir = tempfile::tempdir().expect("a directory");
    let map = dir.path().join("map");
    let (context, _) = context(true);
    let (book, read) = (Book::default(), None);
    let mut refusals = Refusals { map: Some(map.clone()), status: 451, book, read };
    let mut look = |text: Option<&str>, wanted: (usize, bool)| {
        match text {
            Some(text) => std::fs::write(&map, text).expect("written"),
            None => std::fs::remove_file(&map).expect("removed"),
        }
        refusals.refresh(&context, false);
        let state = refusals.rules(1);
        assert_eq!((state.rules.len(), state.partial), wanted, "{text:?}");
    };
    look(Some("a.example court/1;\nb.example court/1;\n"), (2, false));
    look(Some("a.example court/1;\nb.example court"), (2, true));
    look(None, (2, true));
    look(Some("b.example court/1;\n"), (1, false));
}

#[test]
fn hostile_lines_are_counted_and_nothing_stops() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("remit.log");
    append(&log, b"");
    let running = start(&log, None, true);
    let good = b"remit1 1795492871.319 451 court/1 GET a.example 1\n";
    append(&log, good);
    append(&log, &[b"remit1 ".to_vec(), vec![b'x'; 10 << 20], b"\n".to_vec()].concat());
    append(&log, b"remit1 1795492871.319 451 court/1 GET \xff.example 1\n");
    append(&log, b"remit1 1795492871.319 451 court/1 GET a\x07.example 1\n");
    append(&log, b"remit1 1795492871.319 451 court/1 GET a.example 1 100.64.0.7\n");
    append(&log, b"100.64.0.7 - - [24/Nov/2026:04:01:11 +0000] \"GET / HTTP/1.1\" 451 0\n");
    // Not refused; a host that is a customer; a half line and its other half.
    append(&log, b"remit1 1795492871.319 200 court/1 GET a.example 0\n");
    append(&log, b"remit1 1795492871.319 451 - GET 100.64.0.7 0\n");
    append(&log, &good[..30]);
    running.wait("hits", |reports| count(reports) == 2);
    append(&log, &good[30..]);
    running.wait("hits", |reports| count(reports) == 3);
    std::fs::rename(&log, dir.path().join("remit.log.1")).expect("renamed");
    append(&log, b"remit1 1795492901.002 451 court/1 GET a.example 1\n");
    running.wait("hits", |reports| count(reports) == 4);
    std::fs::write(&log, b"").expect("truncated");
    append(&log, b"remit1 1795492999.5 451 c/1 GET a.example 1\n");
    running.wait("hits", |reports| count(reports) == 5);
    let reports = running.stop();
    assert_eq!((not_parsed(&reports), lost(&reports)), (4, 0));
    assert!(!format!("{reports:?}").contains("100.64"), "a client's address: {reports:#?}");
}

struct Server {
    dir: tempfile::TempDir,
    child: Child,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let own = dir.path().display().to_string();
        let template = include_str!("../../../../deploy/templates/nginx.conf");
        // The map is the template's own example.
        let map: String = template
            .lines()
            .filter_map(|line| line.strip_prefix("#   "))
            .filter(|line| line.ends_with(';') && line.contains("example"))
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(dir.path().join("remit.map"), map).expect("written");
        let template = template.replace("/run/nginx-log", &own).replace("/etc/nginx", &own);
        let text = format!(
            "daemon off; master_process off; pid {own}/pid; error_log {own}/error.log;\n\
             events {{}}\nhttp {{\n access_log off;\n{template}\n\
             server {{ listen 127.0.0.1:8452; access_log {own}/remit.log remit if=$remit_refused;\n\
             return 451; }}\n}}\n"
        );
        std::fs::write(dir.path().join("nginx.conf"), text).expect("written");
        let child = Command::new("/usr/sbin/nginx")
            .args(["-c", &format!("{own}/nginx.conf")])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx (apt-get install nginx-light)");
        let server = Self { dir, child };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect("127.0.0.1:8451").is_err() {
            let log = std::fs::read_to_string(server.path("error.log")).unwrap_or_default();
            assert!(Instant::now() < until, "nginx does not listen: {log}");
            thread::sleep(Duration::from_millis(50));
        }
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What curl saw: the status, and whether it was told by whom.
    fn get(&self, port: u16, host: &str) -> String {
        let url = format!("http://127.0.0.1:{port}/secret?path");
        let output = Command::new("curl")
            .args(["-si", "-m", "5", "-H"])
            .arg(format!("Host: {host}"))
            .arg(url)
            .output()
            .expect("curl");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let status = text.split(' ').nth(1).unwrap_or_default().to_owned();
        let told = text.contains("rel=\"blocked-by\"");
        format!("{status}{}", if told { " by" } else { "" })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_nginx_refuses_is_seen_as_curl_saw_it() {
    in_namespace(|| {
        let server = Server::start();
        let log = server.path("remit.log");
        let running = start(&log, Some(&server.path("remit.map")), true);
        let seen = [
            "www.blocked.example",
            "BLOCKED.example.",
            "bad.example",
            "open.blocked.example",
            "other.example",
            "sub.bad.example",
        ]
        .map(|host| server.get(8451, host));
        assert_eq!(seen, ["451 by", "451 by", "451 by", "204", "204", "204"]);
        // A 451 of which the map says nothing.
        assert_eq!(server.get(8452, "third.example"), "451");
        running.wait("hits", |reports| count(reports) == 4);
        // Rotated as the template says.
        std::fs::rename(&log, server.path("remit.log.1")).expect("renamed");
        run("kill", &["-USR1", &server.child.id().to_string()]);
        assert_eq!(server.get(8451, "bad.example"), "451 by");
        running.wait("hits", |reports| count(reports) == 5);
        append(&server.path("remit.map"), b"new.example court/2;\n");
        running.wait("a rule", |reports| {
            reports.iter().any(|report| {
                matches!(report, Report::Rules(state)
                    if state.rules.iter().any(|rule| rule.target.value == "new.example"))
            })
        });
        let raw = std::fs::read_to_string(server.path("remit.log.1")).expect("rotated");
        assert!(!raw.contains("127.0.0.1") && !raw.contains("secret"), "{raw}");
        let reports = running.stop();
        check(
            &reports,
            &[
                ("blocked.example -> blocked.example court/2026-001 451", 1),
                ("blocked.example -> www.blocked.example court/2026-001 451", 1),
                ("bad.example class:security 451", 2),
                ("third.example - 451", 1),
            ],
        );
        let told = hits(&reports)
            .iter()
            .filter(|hit| matches!(hit.response, Response::Http { blocked_by: true, .. }))
            .map(|hit| hit.count)
            .sum::<u64>();
        assert_eq!((told, not_parsed(&reports)), (4, 0));
    });
}
