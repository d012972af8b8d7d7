//! Versions of lists as zones and rulesets: what stands in them, and what is left out and why.
#![allow(clippy::unwrap_used, reason = "a case that does not parse is a mistake in the test")]

use std::collections::BTreeMap;

use register::{
    compile::{Compiled, Format, Head, Input, compile},
    import::{Action, ImportError, ROW_SIZE_MAX, ROWS_MAX},
    list::{Delta, ListFile, from_lines, to_changes},
};
use sha2::{Digest, Sha256};

const NFT: Format = Format::Nft { group: 7 };

fn input(lines: &str) -> Input {
    let ListFile { entries, report } = from_lines(format!("{lines}\n").as_bytes()).unwrap();
    assert!(report.iter().all(|row| !matches!(row.action, Action::Refused(_))), "{report:?}");
    Input {
        list: "rkn".parse().unwrap(),
        version: "3".parse().unwrap(),
        from_s: 1_790_000_000,
        file_digest: vec![0xab; 32],
        entries,
        register: Head { origin: "example.net/register".to_owned(), size: 42, root: None },
    }
}

fn made(lines: &str, format: Format) -> Compiled {
    compile(&input(lines), format)
}

/// The file's own lines, without its header and frame.
fn records(lines: &str) -> Vec<String> {
    let compiled = made(lines, Format::Rpz);
    let records = compiled.text.lines().filter(|line| line.contains(" CNAME "));
    records.map(str::to_owned).collect()
}

/// What a server that obeys RFC 4592 finds for a name: its own record, else the wildcard below the
/// closest name that is there.
fn answer(records: &[String], name: &str) -> Option<String> {
    let all: BTreeMap<&str, &str> = records
        .iter()
        .map(|line| line.split_once(" CNAME ").unwrap())
        .map(|(owner, rest)| (owner, rest.split(' ').next().unwrap()))
        .collect();
    let exists = |name: &str| {
        let below = format!(".{name}");
        all.keys().any(|owner| *owner == name || owner.ends_with(&below))
    };
    if let Some(action) = all.get(name) {
        return Some((*action).to_owned());
    }
    if exists(name) {
        return None;
    }
    let mut closest = name;
    while let Some((_, above)) = closest.split_once('.') {
        closest = above;
        if exists(closest) {
            return all.get(format!("*.{closest}").as_str()).map(|action| (*action).to_owned());
        }
    }
    None
}

#[test]
fn names_and_subtrees_become_records() {
    assert_eq!(
        records("b.example\n*.below.example\ndomain_subtree:a.example"),
        [
            "a.example CNAME . ; remit=list:rkn@3",
            "*.a.example CNAME . ; remit=list:rkn@3",
            "b.example CNAME . ; remit=list:rkn@3",
            "*.below.example CNAME . ; remit=list:rkn@3",
        ]
    );
    assert_eq!(records("b.example court/7"), ["b.example CNAME . ; remit=list:rkn@3,court/7"]);
}

#[test]
fn a_name_inside_a_blocked_subtree_does_not_open_what_is_below_it() {
    let zone = records(
        "domain_subtree:example\na.b.example\n!open.c.example\n!domain_subtree:all.example",
    );
    for (name, want) in [
        ("example", Some(".")),
        ("x.example", Some(".")),
        ("a.b.example", Some(".")),
        ("b.example", Some(".")),
        ("x.b.example", Some(".")),
        ("x.a.b.example", Some(".")),
        ("open.c.example", Some("rpz-passthru.")),
        ("below.open.c.example", Some(".")),
        ("c.example", Some(".")),
        ("x.c.example", Some(".")),
        ("all.example", Some("rpz-passthru.")),
        ("deep.in.all.example", Some("rpz-passthru.")),
        ("example.net", None),
    ] {
        assert_eq!(answer(&zone, name).as_deref(), want, "{name}: {zone:#?}");
    }
}

#[test]
fn what_must_stay_open_goes_before_whatever_is_blocked() {
    let zone = records("!domain_subtree:org\nexample.org\ndomain_subtree:a.org");
    for name in ["example.org", "a.org", "x.a.org", "org"] {
        assert_eq!(answer(&zone, name).as_deref(), Some("rpz-passthru."), "{name}");
    }
}

#[test]
fn what_a_format_cannot_say_is_left_out_with_the_reason() {
    let mixed = "example.org\n192.0.2.1\n192.0.2.0/24\nhttp://example.org/page\n192.0.2.9:443/tcp\nsni:x.example";
    let told = |format| {
        let Compiled { blocked, open, left_out, text } = made(mixed, format);
        let counted =
            format!("blocked here: {blocked}; kept open: {open}; left out: {}", left_out.len());
        assert!(text.contains(&counted), "{text}");
        (blocked, left_out.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    };
    let (blocked, left_out) = told(Format::Rpz);
    assert_eq!(blocked, 1);
    for words in [
        "url:http://example.org/page: a zone knows names",
        "ip:192.0.2.1: a zone would block every name that leads to the address",
        "cidr:192.0.2.0/24: ",
        "ip_port:192.0.2.9:443/tcp: ",
        "sni:x.example: a zone would block the name for every protocol",
    ] {
        assert!(left_out.contains(words), "{words}:\n{left_out}");
    }
    let (blocked, left_out) = told(NFT);
    assert_eq!(blocked, 2);
    assert!(
        left_out.contains("domain_exact:example.org: a packet filter knows addresses"),
        "{left_out}"
    );
    let (blocked, left_out) = told(Format::UnboundLocal);
    assert_eq!(blocked, 0);
    assert!(left_out.contains("would block everything below the name too"), "{left_out}");
}

#[test]
fn what_cannot_be_kept_open_is_not_blocked() {
    let Compiled { text, left_out, .. } = made(
        "domain_subtree:example.org\n!www.example.org\ndomain_subtree:b.example\n\
         domain_subtree:c.example court/7",
        Format::UnboundLocal,
    );
    assert!(!text.contains("example.org.\""), "{text}");
    assert!(text.contains(
        "local-zone: \"b.example.\" always_nxdomain\n  #\"zone:b.example\" = \"list:rkn@3\""
    ));
    assert!(text.contains("#\"zone:c.example\" = [\"list:rkn@3\", \"court/7\"]"), "{text}");
    let left_out: Vec<String> = left_out.iter().map(ToString::to_string).collect();
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    assert!(left_out[1].contains("something in it must stay open"), "{left_out:?}");
    let page = made("example.org\n!http://example.org/right", Format::Rpz);
    assert_eq!((page.blocked, page.left_out.len()), (0, 2), "{}", page.text);
}

#[test]
fn sets_hold_each_address_once() {
    let Compiled { text, blocked, open, .. } = made(
        "192.0.2.7 court/7\n198.51.100.0/24\n198.51.100.9 court/7\n!198.51.100.1\n2001:db8::1\n198.51.0.0/16",
        NFT,
    );
    assert_eq!((blocked, open), (5, 1));
    let elements: Vec<&str> =
        text.lines().filter(|line| line.starts_with("\t\t\t")).map(str::trim).collect();
    assert_eq!(
        elements,
        [
            "198.51.100.1",
            "192.0.2.7 comment \"remit=list:rkn@3,court/7\",",
            "198.51.0.0/16",
            "2001:db8::1",
        ]
    );
    let accepts = text.find("@open_v4 accept").unwrap();
    assert!(accepts < text.find("@blocked_v4 counter").unwrap(), "{text}");
    assert!(text.contains("log prefix \"remit=list:rkn@3\" group 7 drop"), "{text}");
}

#[test]
fn the_same_entries_in_any_order_give_the_same_bytes_under_their_digest() {
    for format in [Format::Rpz, NFT, Format::UnboundLocal] {
        let one = made("a.example\n192.0.2.1\ndomain_subtree:b.example", format).text;
        let other = made("domain_subtree:b.example\na.example\n192.0.2.1", format).text;
        assert_eq!(one, other);
        let marker = "below this line: sha256 ";
        let at = one.find(marker).unwrap() + marker.len();
        let (digest, body) = one[at..].split_once('\n').unwrap();
        let found: String =
            Sha256::digest(body.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(digest, found);
        assert!(one.contains("register: example.net/register at size 42"), "{one}");
    }
}

#[test]
fn lines_of_a_list_are_taken_or_refused_each() {
    let ListFile { entries, report } = from_lines(
        b"\xef\xbb\xbf# list\n\nexample.org   # a comment\n.example.net\nEXAMPLE.org.\n!192.0.2.1 court/7\n\
          not a name\n\xff\xfe\n192.0.2.0/33\ndomain_exact:ok.example more than one\n",
    )
    .unwrap();
    let shown: Vec<String> = entries
        .iter()
        .map(|e| {
            let open = if e.exception { "!" } else { "" };
            format!("{open}{} {}", e.target, e.request.as_ref().map_or("", |id| id.as_str()))
        })
        .collect();
    assert_eq!(shown[0], "example.org ");
    assert!(shown.contains(&"!192.0.2.1 court/7".to_owned()), "{shown:?}");
    let refused: Vec<u64> = report
        .iter()
        .filter(|row| matches!(row.action, Action::Refused(_)))
        .map(|row| row.line)
        .collect();
    assert_eq!(refused, [7, 8, 9, 10], "{report:#?}");
    let twice = report.iter().find(|row| row.line == 5).unwrap().to_string();
    assert!(twice.contains("stands already on line 3 and counts once"), "{twice}");
}

/// Which of them is meant, only whoever made the list can say.
#[test]
fn what_is_to_be_blocked_and_must_stay_open_is_taken_neither_way() {
    let taken = |lines: &str| {
        let ListFile { entries, report } = from_lines(lines.as_bytes()).unwrap();
        let rows = report.iter().map(ToString::to_string).collect::<Vec<_>>();
        (entries.iter().map(|e| e.target.to_string()).collect::<Vec<_>>(), rows)
    };
    let (entries, rows) =
        taken("a.example\nb.example\nEXAMPLE.org\n!example.org\nexample.org # again\n");
    assert_eq!(entries, ["a.example", "b.example"]);
    let refused = |line, other| {
        format!(
            "line {line}, example.org: refused: must stay open and is to be blocked, by this line and by \
             line {other}; take one of them out; neither is entered"
        )
    };
    assert_eq!(rows[2..], [refused(3, 4), refused(4, 3), refused(5, 4)], "{rows:#?}");
    assert_eq!(rows[1], "line 2, b.example: accepted");
    // Of two requests, and what lies within a wider one.
    let (entries, _) = taken("a.example court/1\n!a.example court/2\n*.b.example\n!x.b.example\n");
    assert_eq!(entries.len(), 4, "{entries:?}");
}

#[test]
fn what_a_line_says_is_kept_where_it_is_not_what_was_read() {
    for (line, raw) in [
        ("http://http://example.org/", "http://http://example.org/"),
        (".example.org", ".example.org"),
        ("domain_exact:http://example.org", "domain_exact:http://example.org"),
        ("EXAMPLE.org", "EXAMPLE.org"),
        ("example.org", ""),
        ("!domain_subtree:example.org court/7 # why", ""),
        ("*.example.org", ""),
    ] {
        let file = from_lines(format!("{line}\n").as_bytes()).unwrap();
        assert_eq!(file.entries[0].raw, raw, "{line}");
    }
}

#[test]
fn a_line_is_bounded_and_so_is_their_number() {
    let long = format!("a.example # {}", "x".repeat(ROW_SIZE_MAX));
    let ListFile { entries, report } =
        from_lines(format!("{long}\nb.example\n").as_bytes()).unwrap();
    assert_eq!(entries.len(), 1, "the other line is taken");
    assert_eq!(
        report[0].to_string(),
        "line 1: refused: the line is longer than 16 MiB; write one entry on a line"
    );
    let fits = from_lines(format!("{}\n", &long[..ROW_SIZE_MAX]).as_bytes()).unwrap();
    assert_eq!((fits.entries.len(), fits.refused_count()), (1, 0));
    let many = "\n".repeat(ROWS_MAX);
    assert_eq!(from_lines(many.as_bytes()).unwrap().report, []);
    let error = from_lines((many + "\n").as_bytes()).unwrap_err();
    assert_eq!(error, ImportError::TooManyRows);
    assert_eq!(error.to_string(), "the file has more than 2000000 rows; split it");
}

#[test]
fn a_difference_is_in_canonical_order_and_names_each_entry_once() {
    let read = |lines: &str| from_lines(format!("{lines}\n").as_bytes()).unwrap();
    let (old, new) = (read("a.example\nb.example"), read("c.example\nb.example\nc.example"));
    let delta = Delta::between(&old.entries, &new.entries);
    assert_eq!((delta.added.len(), delta.removed.len(), delta.entries), (1, 1, 2));
    assert_eq!(Delta::between(&new.entries, &new.entries).added, []);
    // A long one in items that chunks can hold.
    let many: String = (0..20_000).map(|n| format!("host-{n}.example\n")).collect();
    let items = to_changes(&Delta::between(&[], &read(&many).entries));
    assert!(items.len() > 1);
    use prost::Message;
    assert!(items.iter().all(|item| item.encoded_len() <= 200 * 1024));
}
