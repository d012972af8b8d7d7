//! One line of the log, as the template's format writes it:
//!
//! ```text
//! remit1 4711 1795490911 TCP_DENIED 451 court court/2026-001 GET www.example.org
//! remit1 %sn  %ts        %Ss        %>Hs %{remit_rule}note %{remit}note %>rm %>rd
//! ```
//!
//! No client, no path, no user: the format does not have them, and a line that has more is not
//! understood.

use crate::sources::http::fields::{Host, plain, words};

pub const MARKER: &str = "remit1";

#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub number: u64,
    pub at_s: i64,
    /// Squid itself refused the request, and not for want of a password.
    pub denied: bool,
    pub status: u16,
    pub label: String,
    pub says: String,
    pub host: Option<Host>,
}

pub fn is_ours(line: &[u8]) -> bool {
    line.starts_with(MARKER.as_bytes())
}

pub fn parse(line: &[u8]) -> Option<Line> {
    let [number, at_s, result, status, label, says, _method, host] = words::<8>(line, MARKER)?;
    let status: u16 = status.parse().ok()?;
    Some(Line {
        number: number.parse().ok()?,
        at_s: at_s.parse().ok().filter(|at_s| *at_s > 0)?,
        denied: result.starts_with("TCP_DENIED") && !matches!(status, 401 | 407),
        status,
        label: plain(label).unwrap_or_default(),
        says: plain(says).unwrap_or_default(),
        host: plain(host).as_deref().and_then(Host::parse),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, wanted: &str) {
        let shown = parse(line.as_bytes()).map_or("not understood".to_owned(), |line| {
            let Line { number, at_s: _, denied, status, label, says, host } = line;
            format!("{number} {denied} {status} {label:?} {says:?} {host:?}")
        });
        assert_eq!(shown, wanted, "{line}");
    }

    /// Written by Squid 5.7.
    #[test]
    fn lines_that_squid_wrote() {
        check(
            "remit1 4 1795490946 TCP_DENIED 451 court court/2026-001,list:x@2026-11 CONNECT www.blocked.example",
            r#"4 true 451 "court" "court/2026-001,list:x@2026-11" Some(Name("www.blocked.example"))"#,
        );
        check(
            "remit1 3 1795490946 TCP_DENIED 403 - - GET other.example",
            r#"3 true 403 "" "" Some(Name("other.example"))"#,
        );
        check(
            "remit1 9 1795490946 TCP_DENIED 407 - - GET a.example",
            r#"9 false 407 "" "" Some(Name("a.example"))"#,
        );
        check("remit1 0 1795490946 TCP_MISS 200 - - GET -", r#"0 false 200 "" "" None"#);
    }

    #[test]
    fn what_is_not_understood() {
        for line in [
            "remit1 3 1795490946 TCP_DENIED 403 - - GET",
            "remit1 3 1795490946 TCP_DENIED 403 - - GET a.example 192.0.2.1",
            "remit1 x 1795490946 TCP_DENIED 403 - - GET a.example",
            "remit1 3 soon TCP_DENIED 403 - - GET a.example",
            "1795490946.123 12 192.0.2.1 TCP_DENIED/403 3900 GET http://a.example/ - HIER_NONE/- text/html",
        ] {
            check(line, "not understood");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(line: Vec<u8>, words: [String; 8]) {
            let _ = parse(&line);
            let _ = parse(format!("{MARKER} {}", words.join(" ")).as_bytes());
        }
    }
}
