//! One line of the log, as the template's format writes it:
//!
//! ```text
//! remit1 1795492871.319 451 court/2026-001 GET www.example.org 1
//! remit1 $msec $status $remit_claim $request_method $host $remit_by
//! ```
//!
//! No client, no path, no header: the format does not have them, and a line that has more is not
//! understood.

use crate::sources::http::fields::{Host, plain, words};

pub const MARKER: &str = "remit1";

#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub at_s: i64,
    pub status: u16,
    pub says: String,
    pub host: Host,
    pub blocked_by: bool,
}

pub fn is_ours(line: &[u8]) -> bool {
    line.starts_with(MARKER.as_bytes())
}

pub fn parse(line: &[u8]) -> Option<Line> {
    let [at, status, says, _method, host, blocked_by] = words::<6>(line, MARKER)?;
    let (at_s, _ms) = at.split_once('.')?;
    Some(Line {
        at_s: at_s.parse().ok().filter(|at_s| *at_s > 0)?,
        status: status.parse().ok()?,
        says: plain(says).unwrap_or_default(),
        host: Host::parse(&plain(host)?)?,
        blocked_by: blocked_by == "1",
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, wanted: &str) {
        let shown = parse(line.as_bytes()).map_or("not understood".to_owned(), |line| {
            let Line { at_s, status, says, host, blocked_by } = line;
            format!("{at_s} {status} {says:?} {host:?} {blocked_by}")
        });
        assert_eq!(shown, wanted, "{line}");
    }

    #[test]
    fn lines_that_nginx_wrote() {
        check(
            "remit1 1795492871.319 451 court/2026-001 GET www.blocked.example 1",
            r#"1795492871 451 "court/2026-001" Name("www.blocked.example") true"#,
        );
        check(
            "remit1 1795492871.454 451 - GET other.example 0",
            r#"1795492871 451 "" Name("other.example") false"#,
        );
    }

    #[test]
    fn what_is_not_understood() {
        for line in [
            r"remit1 1795492871.590 451 court/1 GET a\x5Cx22b\x5Cx80.blocked.example 0",
            "remit1 1795492871.454 451 - GET other.example",
            "remit1 1795492871.454 451 - GET other.example 0 192.0.2.1",
            "remit1 1795492871 451 - GET other.example 0",
            "remit1 1795492871.454 451 - GET - 0",
        ] {
            check(line, "not understood");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(line: Vec<u8>, words: [String; 6]) {
            let _ = parse(&line);
            let _ = parse(format!("{MARKER} {}", words.join(" ")).as_bytes());
        }
    }
}
