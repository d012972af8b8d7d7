//! One line of the category `rpz`: `rpz_log_rewrite` in lib/ns/query.c, with the channel's own time
//! before it.
//!
//! ```text
//! 2026-11-24T03:28:45.683Z rpz: info: client @0x7f6bfae9b098 127.0.0.1#36941 (seen.example): rpz IP
//!     NXDOMAIN rewrite seen.example/A/IN via 32.7.2.0.192.rpz-ip.rpz.example.net        (one line)
//! ```
//!
//! After `via` stands what was looked up in the policy zone: with the triggers of names that is the
//! *name that was found* before the zone's name, also where a wildcard covers it. Names are escaped as
//! in a master file, so that no word holds a space. The lines of `rpz-passthru`, and those of a zone
//! with `policy disabled`, are known and blocked nothing.
//!
//! The client's address and port are stepped over; [`Applied`] has no place for them.

use crate::sources::{
    follow::LINE_SIZE_MAX,
    rpz::{Applied, Name, action::Done, owner::Owner},
    stamp,
};

/// A line without this is not ours. Other lines of the category begin "rpz: ".
const MARKER: &[u8] = b" rpz ";

#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    NotOurs,
    NotUnderstood,
    Applied(Applied<'a>),
}

/// A policy zone by its name, as it was typed and as names are compared.
#[derive(Debug, Clone)]
pub struct Apex {
    pub typed: String,
    name: Name,
}

impl Apex {
    pub fn new(typed: &str) -> Option<Self> {
        Some(Self { typed: typed.to_owned(), name: Name::absolute(typed)? })
    }
}

pub fn is_ours(line: &[u8]) -> bool {
    line.windows(MARKER.len()).any(|w| w == MARKER)
}

/// Reads one line without its end. `zones` are the policy zones that are known here.
pub fn parse<'a>(line: &'a [u8], zones: &'a [Apex]) -> Line<'a> {
    if !is_ours(line) {
        return Line::NotOurs;
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = match std::str::from_utf8(line) {
        Ok(text) if line.len() <= LINE_SIZE_MAX && !text.contains(char::is_control) => text,
        Ok(_) | Err(_) => return Line::NotUnderstood,
    };
    let Some((head, rest)) =
        text.split_once(": rpz ").or_else(|| text.split_once(": disabled rpz "))
    else {
        // "try rpz …" and "rpz … failed" of the debug levels: nothing was rewritten.
        return Line::NotOurs;
    };
    let disabled = text.as_bytes().get(head.len()..).is_some_and(|t| t.starts_with(b": disabled"));
    let words: Vec<&str> = rest.split(' ').collect();
    let (trigger, done, rewritten, via) = match words.as_slice() {
        [trigger, done, "rewrite", rewritten, "via", via]
        | [trigger, done, "rewrite", rewritten, "via", via, "(CNAME", "to:", _] => {
            (*trigger, *done, *rewritten, *via)
        }
        [_, "rewrite", ..] => return Line::NotOurs,
        _ => return Line::NotUnderstood,
    };
    applied(head, trigger, (done, disabled), rewritten, via, zones)
        .map_or(Line::NotUnderstood, Line::Applied)
}

fn applied<'a>(
    head: &str,
    trigger: &str,
    (done, disabled): (&str, bool),
    rewritten: &'a str,
    via: &'a str,
    zones: &'a [Apex],
) -> Option<Applied<'a>> {
    let stamp = stamp::parse(head)?;
    // BIND writes every name without its last dot.
    let via_name = Name::absolute(via)?;
    // The longest name: one policy zone may lie in another.
    let known = zones
        .iter()
        .filter_map(|zone| Some((zone, via_name.below(&zone.name)?)))
        .min_by_key(|(_, labels)| labels.len());
    let (_class, rest) = split_last(rewritten, '/')?;
    let (_type, asked) = split_last(rest, '/')?;
    let (label, owner) = match known {
        Some((zone, labels)) => (zone.typed.as_str(), Owner::from_labels(&labels)?),
        None => of_unknown_zone(trigger, asked, via)?,
    };
    let fits = match &owner {
        Owner::QueryName(_) => trigger == "QNAME",
        Owner::ServerName(_) => trigger == "NSDNAME",
        Owner::ResponseIp(_) => trigger == "IP",
        Owner::ServerIp(_) => trigger == "NSIP",
        Owner::ClientIp(_) => trigger == "CLIENT-IP",
    };
    let done = if disabled { Done::Disabled } else { parse_done(done)? };
    fits.then_some(Applied { stamp, label: Some(label), owner, done, asked })
}

/// A zone that the settings do not name: the trigger says where the owner ends.
fn of_unknown_zone<'a>(trigger: &str, asked: &str, via: &'a str) -> Option<(&'a str, Owner)> {
    let (owner, zone) = match trigger {
        "QNAME" => {
            let size = asked.len();
            let same = via.get(..size).is_some_and(|front| front.eq_ignore_ascii_case(asked));
            if !same {
                return None;
            }
            (via.get(..size)?, via.get(size..)?)
        }
        _ => {
            let word = match trigger {
                "NSDNAME" => ".rpz-nsdname",
                "IP" => ".rpz-ip",
                "NSIP" => ".rpz-nsip",
                "CLIENT-IP" => ".rpz-client-ip",
                _ => return None,
            };
            via.split_at_checked(via.find(word)? + word.len())?
        }
    };
    let owner = Name::absolute(owner)?;
    Some((zone.strip_prefix('.')?, Owner::from_labels(&owner.labels())?))
}

fn split_last(text: &str, at: char) -> Option<(&str, &str)> {
    text.rsplit_once(at).map(|(front, back)| (back, front))
}

/// `dns_rpz_policy2str` in lib/dns/rpz.c.
fn parse_done(word: &str) -> Option<Done> {
    match word {
        "NXDOMAIN" => Some(Done::Nxdomain),
        "NODATA" => Some(Done::Nodata),
        "DROP" => Some(Done::Drop),
        "TCP-ONLY" => Some(Done::TcpOnly),
        "Local-Data" => Some(Done::LocalData),
        "CNAME" => Some(Done::CnameOverride),
        "PASSTHRU" => Some(Done::Passthru),
        _ => None,
    }
}

/// Whether such a line is a block. BIND logs a `tcp-only` answer when it truncates it, and not the TCP
/// retry that it lets through.
pub fn is_hit(done: Done) -> bool {
    match done {
        Done::Nxdomain
        | Done::Nodata
        | Done::Drop
        | Done::LocalData
        | Done::CnameOverride
        | Done::TcpOnly => true,
        Done::Passthru | Done::Disabled => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zones() -> Vec<Apex> {
        let names = ["rpz.test", "remit=de/2026-42.rpz.test", "list:x\\@1.test."];
        names.iter().map(|name| Apex::new(name).expect("a name")).collect()
    }

    fn check(line: &str, want: &str) {
        let zones = zones();
        let shown = match parse(line.as_bytes(), &zones) {
            Line::NotOurs => "not ours".to_owned(),
            Line::NotUnderstood => "not understood".to_owned(),
            Line::Applied(Applied { stamp: _, label, owner, done, asked }) => {
                format!("{} {owner:?} {} {asked}", label.unwrap_or("none"), done.word())
            }
        };
        assert_eq!(shown, want, "{line}");
    }

    const HEAD: &str =
        "2026-11-24T03:28:44.271Z rpz: info: client @0x7f6bf7305098 127.0.0.1#58506 (x.example)";

    #[test]
    fn lines_that_bind_wrote() {
        check(
            &format!(
                "{HEAD}: rpz QNAME NXDOMAIN rewrite NX.Example/AAAA/IN via \
                 NX.Example.remit=de/2026-42.rpz.test"
            ),
            r#"remit=de/2026-42.rpz.test QueryName("nx.example") rpz-nxdomain NX.Example"#,
        );
        check(
            &format!("{HEAD}: rpz QNAME CNAME rewrite x.a/A/IN via x.a.rpz.test (CNAME to: x.a.w)"),
            r#"rpz.test QueryName("x.a") rpz-cname-override x.a"#,
        );
        check(
            &format!("{HEAD}: rpz IP NXDOMAIN rewrite x.a/A/IN via 24.0.2.0.192.rpz-ip.rpz.test"),
            "rpz.test ResponseIp(Net { address: 192.0.2.0, length: 24 }) rpz-nxdomain x.a",
        );
        check(
            &format!(
                "{HEAD}: view inside: rpz NSDNAME NODATA rewrite x.a/TYPE65/IN via \
                 ns.evil.rpz-nsdname.list:x\\@1.test"
            ),
            r#"list:x\@1.test. ServerName("ns.evil") rpz-nodata x.a"#,
        );
        check(
            &format!("{HEAD}: disabled rpz QNAME NXDOMAIN rewrite x.a/A/IN via x.a.rpz.test"),
            r#"rpz.test QueryName("x.a") rpz-disabled x.a"#,
        );
        check(
            &format!(
                "{HEAD}: rpz QNAME NXDOMAIN rewrite we\\032rd.a/A/IN via we\\032rd.a.rpz.test"
            ),
            r#"rpz.test QueryName("we?rd.a") rpz-nxdomain we\032rd.a"#,
        );
    }

    #[test]
    fn zones_that_are_not_configured_are_told_from_the_owner() {
        check(
            &format!("{HEAD}: rpz QNAME DROP rewrite a.b/A/IN via a.b.other.net"),
            r#"other.net QueryName("a.b") rpz-drop a.b"#,
        );
        check(
            &format!(
                "{HEAD}: rpz CLIENT-IP DROP rewrite a.b/A/IN via 32.9.0.0.127.rpz-client-ip.o.net"
            ),
            "o.net ClientIp(Net { address: 127.0.0.9, length: 32 }) rpz-drop a.b",
        );
        check(
            &format!("{HEAD}: rpz QNAME DROP rewrite a.b/A/IN via c.d.other.net"),
            "not understood",
        );
    }

    #[test]
    fn traps() {
        check("2026-11-24T03:28:44.271Z rpz: info: rpz: rpz.test: reload start", "not ours");
        check(&format!("{HEAD}: try rpz QNAME rewrite a via b"), "not ours");
        check(&format!("{HEAD}: rpz QNAME rewrite a via b failed: SERVFAIL"), "not ours");
        check(&format!("{HEAD}: rpz QNAME WHIM rewrite a/A/IN via a.rpz.test"), "not understood");
        check(&format!("{HEAD}: rpz IP DROP rewrite a/A/IN via a.rpz.test"), "not understood");
        check(&format!("{HEAD}: rpz QNAME DROP rewrite a/A via a.rpz.test"), "not understood");
        check(
            &format!("{HEAD}: rpz QNAME DROP rewrite a\x07/A/IN via a.rpz.test"),
            "not understood",
        );
        check("someday: rpz QNAME DROP rewrite a/A/IN via a.rpz.test", "not understood");
        let long = "x".repeat(LINE_SIZE_MAX);
        check(&format!("{HEAD}: rpz QNAME DROP rewrite {long}/A/IN via a"), "not understood");
        assert_eq!(parse(b"a: rpz QNAME \xff rewrite a/A/IN via a.b", &[]), Line::NotUnderstood);
    }

    proptest! {
        #[test]
        fn nothing_panics(line: Vec<u8>, text: String, words in "[A-Za-z0-9./ \\\\]{0,80}") {
            let zones = zones();
            let _ = parse(&line, &zones);
            for rest in [&text, &words] {
                let _ = parse(format!("{HEAD}: rpz {rest}").as_bytes(), &zones);
                let _ = parse(format!("{HEAD}: rpz QNAME DROP rewrite {rest}").as_bytes(), &zones);
                let _ = parse(format!("{HEAD}: rpz IP DROP rewrite a/A/IN via {rest}").as_bytes(), &zones);
            }
        }

        #[test]
        fn the_client_is_not_kept(a: [u8; 4], port: u16) {
            let client = std::net::Ipv4Addr::from(a).to_string();
            let line = format!(
                "2026-11-24T03:28:44.271Z client @0x7 {client}#{port} (b.example): rpz QNAME NXDOMAIN \
                 rewrite b.example/A/IN via b.example.rpz.test"
            );
            let zones = zones();
            let shown = format!("{:?}", parse(line.as_bytes(), &zones));
            prop_assert!(shown.starts_with("Applied") && !shown.contains(&client), "{}", shown);
        }
    }
}
