//! One line of the log: `log_rpz_apply` in services/rpz.c, `respip_inform_print` in
//! respip/respip.c, with `rpz-log: yes`.
//!
//! ```text
//! [1795459103] unbound[2804:0] info: rpz: applied [remit=de/2026-42] blocked.example.
//!     rpz-nxdomain 127.0.0.1@36430 blocked.example. A IN                        (one line)
//! ```
//!
//! The brackets are there only with `rpz-log-name`. What stands before the action is the rule's own
//! owner: a name, `nsdname NAME`, `192.0.2.0/24` (response address), `nsip NET`, `clientip NET`.
//! Then the client, which may be absent, the name asked for, type and class.
//!
//! The client's address is stepped over; [`Applied`] has no place for it, and what is not understood
//! is only counted.

use crate::sources::{
    follow::LINE_SIZE_MAX,
    rpz::{Applied, action::Done, owner::Owner},
    stamp,
};

/// A line without this is not ours.
pub const MARKER: &[u8] = b"rpz: applied";

#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    NotOurs,
    NotUnderstood,
    Applied(Applied<'a>),
}

/// Reads one line without its end. `labels` are the known log names: one of them may hold "] ".
pub fn parse<'a>(line: &'a [u8], labels: &[String]) -> Line<'a> {
    if !is_ours(line) {
        return Line::NotOurs;
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = match std::str::from_utf8(line) {
        Ok(text) if line.len() <= LINE_SIZE_MAX && !text.contains(char::is_control) => text,
        Ok(_) | Err(_) => return Line::NotUnderstood,
    };
    applied(text, labels).map_or(Line::NotUnderstood, Line::Applied)
}

/// Whether such a line is a block that is recorded as a hit.
pub fn is_hit(done: Done) -> bool {
    match done {
        Done::Nxdomain | Done::Nodata | Done::Drop | Done::LocalData | Done::CnameOverride => true,
        Done::TcpOnly | Done::Passthru | Done::Disabled => false,
    }
}

pub fn is_ours(line: &[u8]) -> bool {
    line.windows(MARKER.len()).any(|w| w == MARKER)
}

fn applied<'a>(text: &'a str, labels: &[String]) -> Option<Applied<'a>> {
    let (head, rest) = text.split_once("info: rpz: applied ")?;
    let stamp = stamp::parse(head)?;
    let (label, rest) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (label, rest) = labels
                .iter()
                .filter_map(|known| {
                    let after = rest.strip_prefix(known.as_str())?.strip_prefix("] ")?;
                    Some((rest.get(..known.len())?, after))
                })
                .max_by_key(|(label, _)| label.len())
                .or_else(|| rest.split_once("] "))?;
            (Some(label), rest)
        }
        None => (None, rest),
    };
    // The action is the first word that is one: an owner always ends in a dot or a prefix length.
    let mut start = 0;
    let (owner, done, rest) = rest.split(' ').find_map(|word| {
        let end = start + word.len();
        let done = Done::parse(word);
        let owner = rest.get(..start)?;
        start = end + 1;
        Some((owner.trim_end_matches(' '), done?, rest.get(end..)?))
    })?;
    let words: Vec<&str> = rest.split(' ').filter(|w| !w.is_empty()).collect();
    let asked = match words.as_slice() {
        [client, asked, _type, _class] if client.contains('@') => asked,
        [asked, _type, _class] => asked,
        _ => return None,
    };
    let asked = asked.strip_suffix('.')?;
    Some(Applied { stamp, label, owner: Owner::from_log(owner)?, done, asked })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, want: &str) {
        let shown = match parse(line.as_bytes(), &["a] b".to_owned(), "a".to_owned()]) {
            Line::NotOurs => "not ours".to_owned(),
            Line::NotUnderstood => "not understood".to_owned(),
            Line::Applied(Applied { stamp: _, label, owner, done, asked }) => {
                format!("{label:?} {owner:?} {} {asked}", done.word())
            }
        };
        assert_eq!(shown, want, "{line}");
    }

    const HEAD: &str = "[1795459103] unbound[2804:0] info: rpz: applied";

    #[test]
    fn lines_that_unbound_wrote() {
        check(
            &format!(
                "{HEAD} [remit=de/2026-42] blocked.example. rpz-nxdomain 127.0.0.1@36430 Blocked.example. A IN"
            ),
            r#"Some("remit=de/2026-42") QueryName("blocked.example") rpz-nxdomain Blocked.example"#,
        );
        check(
            &format!("{HEAD} *.wild.example. rpz-nodata ::1@48410 sub.wild.example. AAAA IN"),
            r#"None QueryName("*.wild.example") rpz-nodata sub.wild.example"#,
        );
        check(
            &format!("{HEAD} [x] nsip 127.0.0.1/32 rpz-drop 127.0.0.1@1 a.example. A IN"),
            r#"Some("x") ServerIp(Net { address: 127.0.0.1, length: 32 }) rpz-drop a.example"#,
        );
        check(
            &format!("{HEAD} 203.0.113.0/24 rpz-local-data 127.0.0.1@1 a.example. A IN"),
            r#"None ResponseIp(Net { address: 203.0.113.0, length: 24 }) rpz-local-data a.example"#,
        );
        check(
            &format!("{HEAD} nsdname ns.example. rpz-cname-override  a.example. TYPE65 IN"),
            r#"None ServerName("ns.example") rpz-cname-override a.example"#,
        );
    }

    #[test]
    fn traps() {
        check("[1] unbound[1:0] info: start of service (unbound 1.17.1).", "not ours");
        check(
            &format!("{HEAD} [a] b] x. rpz-drop 1.2.3.4@5 x. A IN"),
            r#"Some("a] b") QueryName("x") rpz-drop x"#,
        );
        check(
            &format!("{HEAD} rpz-drop. rpz-drop 1.2.3.4@5 rpz-drop. A IN"),
            r#"None QueryName("rpz-drop") rpz-drop rpz-drop"#,
        );
        check(&format!("{HEAD} x. rpz-whim 1.2.3.4@5 x. A IN"), "not understood");
        check(&format!("{HEAD} x. rpz-drop 1.2.3.4@5 x. A"), "not understood");
        check(&format!("{HEAD} x. rpz-drop 1.2.3.4@5 x. A IN more"), "not understood");
        check(&format!("{HEAD}  rpz-drop 1.2.3.4@5 x. A IN"), "not understood");
        check(&format!("{HEAD} x\0. rpz-drop 1.2.3.4@5 x. A IN"), "not understood");
        check(
            &format!("{HEAD} {}. rpz-drop 1.2.3.4@5 x. A IN", "x".repeat(LINE_SIZE_MAX)),
            "not understood",
        );
        check("someday info: rpz: applied x. rpz-drop 1.2.3.4@5 x. A IN", "not understood");
        assert_eq!(
            parse(b"[1] u info: rpz: applied \xff. rpz-drop a@1 x. A IN", &[]),
            Line::NotUnderstood
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(line: Vec<u8>, text: String) {
            let _ = parse(&line, &[]);
            let _ = parse(format!("{HEAD} {text}").as_bytes(), &["a".to_owned(), String::new()]);
            let mut marked = HEAD.as_bytes().to_vec();
            marked.extend(&line);
            let _ = parse(&marked, &[]);
        }

        #[test]
        fn the_client_is_not_kept(a: [u8; 4], port: u16) {
            let client = std::net::Ipv4Addr::from(a).to_string();
            prop_assume!(client != "9.9.9.9");
            let line = format!("{HEAD} [x] b.example. rpz-nxdomain {client}@{port} b.example. A IN");
            let shown = format!("{:?}", parse(line.as_bytes(), &[]));
            prop_assert!(!shown.contains(&client));
        }
    }
}
