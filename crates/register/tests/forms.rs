//! Files of authorities in the forms that they publish → requests: what is taken, what is repaired, what is
//! refused and with which words.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its own data has failed")]

use register::{
    import::{
        Held, ImportError, Imported, ROW_SIZE_MAX, ROWS_MAX, Settings, from_json, from_rkn_csv,
        from_rkn_xml, from_rpz, from_toml, list_from_rpz, to_items,
    },
    list::ListFile,
};
use remit_proto::v1;

const JSON: &str = include_str!("../testdata/requests.json");
const RKN_XML: &[u8] = include_bytes!("../testdata/rkn-register.xml");
const RKN_CSV: &[u8] = include_bytes!("../testdata/rkn-dump.csv");
const ZONE: &[u8] = include_bytes!("../testdata/list.rpz");

fn rkn() -> Settings {
    Settings::parse(include_str!("../testdata/rkn.toml")).unwrap()
}

fn task(request: &v1::Request) -> &v1::Task {
    request.task.as_ref().unwrap()
}

fn values(request: &v1::Request) -> Vec<String> {
    let target = |t: &v1::RequestTarget| {
        let wire = t.target.clone().unwrap();
        let kind =
            wire.kind().as_str_name().trim_start_matches("TARGET_KIND_").to_ascii_lowercase();
        let open = if t.exception { "!" } else { "" };
        format!("{open}{kind}:{}", wire.value)
    };
    task(request).targets.iter().map(target).collect()
}

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

/// Each row begins with these words.
fn rows(imported: &Imported, expected: &[&str]) {
    let rows: Vec<String> = imported.report.iter().map(ToString::to_string).collect();
    assert_eq!(rows.len(), expected.len(), "{rows:#?}");
    for (row, expected) in rows.iter().zip(expected) {
        assert!(row.starts_with(expected), "\n{row}\n{expected}");
    }
}

/// The same file again, against what the register holds after the first time.
fn again(first: &Imported, second: Imported) -> (usize, usize, usize) {
    let held: Vec<Held> = first
        .clone()
        .merge(&[])
        .requests
        .into_iter()
        .map(|request| {
            let digest = register::version_digest(&request).to_vec();
            Held {
                request,
                digest,
                state: "active".to_owned(),
                erased: Vec::new(),
                existence: v1::DisclosureTier::Unspecified,
                existence_until_s: 0,
            }
        })
        .collect();
    let merged = second.merge(&held);
    (merged.new_count, merged.changed_count, merged.unchanged_count)
}

#[test]
fn a_requests_file_as_json() {
    let imported = from_json(JSON).unwrap();
    rows(
        &imported,
        &[
            "line 5, vg-berlin/2026-17: accepted",
            "line 16: refused: the key \"form\" stands twice; correct the value",
            "line 17: refused: invalid type: null",
            "line 18: refused: invalid type: floating point `1.5`",
            "line 19, unknown: refused: technique: unknown field `technique`",
            "line 20: refused: it is no object; write { \"id\": ... }",
            "line 21, no-end-meant: accepted",
        ],
    );
    let first = &imported.requests[0];
    assert_eq!(
        values(first),
        [
            "domain_exact:example.org",
            "domain_subtree:example.net",
            "domain_exact:xn--bcher-kva.example"
        ]
    );
    assert_eq!(task(first).effective_until_s, at("2026-07-31T22:00:00Z"), "the last day is whole");
    assert_eq!(
        first.time_assumption,
        "times read in Europe/Berlin; an end date is the last day in force"
    );
    assert_eq!(again(&imported, from_json(JSON).unwrap()), (0, 0, 2));
}

#[test]
fn a_json_file_that_is_cut_or_unclear_imports_nothing() {
    for size in (0..JSON.len() - 3).filter(|size| JSON.is_char_boundary(*size)) {
        let cut = from_json(&JSON[..size]);
        assert!(matches!(cut, Err(ImportError::Syntax { .. })), "{size}: {cut:?}");
    }
    let error = from_json(&JSON[..JSON.len() - 3]).unwrap_err().to_string();
    assert!(error.ends_with("the file is cut off; fetch it again"), "{error}");
    for (text, said) in [
        ("[]", "a list where an object is to stand"),
        ("{\"request\": []}", "unknown field `request`"),
        ("{\"end_date\": \"whenever\", \"requests\": []}", "unknown variant `whenever`"),
        ("{\"time_zone\": \"Mars/Olympus\", \"requests\": []}", "is not in the IANA database"),
        ("{\"requests\": []} {}", "trailing characters"),
    ] {
        let error = from_json(text).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
    let deep = format!("{{\"requests\": [{}{}]}}", "[".repeat(10_000), "]".repeat(10_000));
    rows(&from_json(&deep).unwrap(), &["line 1: refused: recursion limit exceeded"]);
    let end = r#"{"time_zone": "UTC", "requests": [{"id": "a", "instrument": "police_request",
        "form": "email", "from": "2026-01-01", "until": "2026-02-01", "outcome_only": true,
        "targets": ["ip:192.0.2.1"], "territories": ["*"]}]}"#;
    rows(
        &from_json(end).unwrap(),
        &[
            "line 1, a: refused: until: 2026-02-01 does not say whether the day is still included; set \
           end_date",
        ],
    );
}

#[test]
fn the_register_of_roskomnadzor_as_xml() {
    let imported = from_rkn_xml(RKN_XML, &rkn()).unwrap();
    rows(
        &imported,
        &[
            "line 4, rkn/111: repaired: targets: \"http://http://пример.example\\\\страница\": backslashes",
            "line 12, rkn/112: accepted",
            "line 17, rkn/113: accepted",
            "line 24, rkn/114: accepted",
            "line 29, rkn/115: refused: blockType: \"sni\" is not one of its words",
            "line 33, rkn/116: refused: content: the element <keyword> is not known in format 2.4",
            "line 38, rkn/117: refused: from: \"yesterday\" is no date",
            "line 42, rkn/118: refused: targets: missing",
        ],
    );
    let [page, mask, address, https] = imported.requests.as_slice() else { panic!() };
    assert_eq!(
        values(page),
        [
            "url:https://www.example.org/page?a=1&b=2",
            "url:http://xn--e1afmkfd.example/%D1%81%D1%82%D1%80%D0%B0%D0%BD%D0%B8%D1%86%D0%B0"
        ]
    );
    assert_eq!(values(mask), ["domain_subtree:*.example.net", "domain_exact:example.net"]);
    assert_eq!(
        values(address),
        ["ip:198.51.100.7", "cidr:203.0.113.0/24", "cidr:2001:db8:1::/48"],
        "and not the name beside them"
    );
    assert_eq!(values(https), ["url:https://example.com/"]);
    assert_eq!(task(page).effective_from_s, at("2018-04-20T07:00:00Z"), "10:00 in Moscow");
    assert_eq!(page.time_assumption, "times read in Europe/Moscow");
    assert_eq!(task(mask).targets[0].added_at_s, at("2018-04-22T06:30:00Z"), "with its own offset");
    let said = |request: &v1::Request| {
        let a = request.authorisation.clone().unwrap();
        let authority = a.authority.clone().unwrap();
        (a.external_ref.clone(), authority.name, authority.country, a.instrument())
    };
    let org = |text: &str| text.to_owned();
    assert_eq!(
        said(page),
        (org("2-1234/2018"), org("Мосгорсуд"), org("RU"), v1::Instrument::CourtOrderInterim)
    );
    assert_eq!(
        said(https),
        (org("Tom & Co № 7"), org("ФСКН"), org("RU"), v1::Instrument::AdministrativeOrder)
    );
    assert_eq!(
        mask.authorisation.as_ref().unwrap().keywords,
        ["entryType=3", "urgencyType=1"],
        "what they mean is not in the form"
    );
    let coarsest: Vec<_> = imported
        .requests
        .iter()
        .map(|r| task(r).measure.as_ref().unwrap().coarsest().as_str_name())
        .collect();
    assert_eq!(
        coarsest,
        [
            "TARGET_KIND_URL",
            "TARGET_KIND_DOMAIN_SUBTREE",
            "TARGET_KIND_CIDR",
            "TARGET_KIND_DOMAIN_EXACT"
        ]
    );
    assert_eq!(again(&imported, from_rkn_xml(RKN_XML, &rkn()).unwrap()), (0, 0, 4));
    assert_eq!(to_items(imported.requests).len(), 4);
}

#[test]
fn an_xml_register_that_is_cut_imports_nothing() {
    let end = RKN_XML.len() - "</reg:register>\n".len();
    for size in 0..=end {
        assert!(from_rkn_xml(&RKN_XML[..size], &rkn()).is_err(), "{size}");
    }
    let error = from_rkn_xml(&RKN_XML[..end], &rkn()).unwrap_err();
    assert_eq!(error.to_string(), "line 46: the file is cut off inside <register>; fetch it again");
}

#[test]
fn nothing_in_an_xml_register_is_expanded() {
    let check = |text: &str, said: &str| {
        let error = from_rkn_xml(text.as_bytes(), &rkn()).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    };
    check(
        "<!DOCTYPE r [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><register/>",
        "a document type: it could define entities",
    );
    check(
        "<register><content id=\"1\"><url>&b;</url></content></register>",
        "an entity that XML does not define",
    );
    check("<register><content id=\"&b;\"></content></register>", "b");
    check("<register><content id=\"1\" id=\"2\"></content></register>", "duplicate");
    check("<html></html>", "its root is no <register>");
    check("<register><content id=\"1\"></register>", "content");
    check("<register><other/></register>", "an element that is no <content>");
    check("<?xml version=\"1.0\" encoding=\"klingon\"?><register></register>", "encoding");
    let nested = format!("<register><content id=\"1\">{}", "<url>".repeat(100_000));
    check(&nested, "an element where a value is to stand");
}

#[test]
fn the_register_of_roskomnadzor_as_csv() {
    let imported = from_rkn_csv(RKN_CSV, &rkn()).unwrap();
    let ids: Vec<&str> = imported.requests.iter().map(|r| r.id.as_str()).collect();
    let [court, prosecutor, tax] = ids.as_slice() else { panic!("{ids:?}") };
    rows(
        &imported,
        &[
            &format!("line 2, {court}: repaired: targets: \"http:\\\\\\\\www.example.org"),
            &format!("line 3, {prosecutor}: accepted"),
            &format!("line 4, {prosecutor}: accepted"),
            &format!(
                "line 5, {court}: repaired: targets: \"example,com\": comma inside a name read as a dot"
            ),
            &format!(
                "line 6, {tax}: repaired: targets: \"a.example.com, b.example.com\": several values in \
                 one field"
            ),
            &format!(
                "line 7, {tax}: repaired: targets: \"http//example.org/x\": scheme written with other"
            ),
            "line 8: refused: targets: \"ftp://example.org/x\": not a URL",
            "line 9: refused: targets: missing",
            "line 10: refused: date: \"03.04.2018\" is no date",
            "line 11: refused: it has 5 fields, the form has 6; fetch the file again",
        ],
    );
    assert_eq!(
        values(&imported.requests[0]),
        [
            "url:https://www.example.org/page",
            "url:http://www.example.org/other",
            "domain_exact:example.com"
        ]
    );
    assert_eq!(
        values(&imported.requests[1]),
        ["domain_subtree:*.example.net", "cidr:203.0.113.0/24", "ip:203.0.113.7"]
    );
    assert_eq!(
        values(&imported.requests[2]),
        ["domain_exact:a.example.com", "domain_exact:b.example.com", "url:http://example.org/x"]
    );
    let raw: Vec<&str> =
        task(&imported.requests[2]).targets.iter().map(|t| t.raw.as_str()).collect();
    assert_eq!(
        raw,
        ["a.example.com, b.example.com", "a.example.com, b.example.com", "http//example.org/x"],
        "what stood in the file is kept"
    );
    assert_eq!(task(&imported.requests[1]).effective_from_s, at("2018-04-01T21:00:00Z"));
    assert_eq!(
        imported.requests[1].time_assumption,
        "in force from the date of its decision: the file has no time of inclusion; times read in \
         Europe/Moscow"
    );
    assert_eq!(imported.repaired_count(), 4);
    assert_eq!(again(&imported, from_rkn_csv(RKN_CSV, &rkn()).unwrap()), (0, 0, 3));
}

#[test]
fn what_the_forms_do_not_say_a_person_says() {
    let nothing = Settings::default();
    let imported = from_rkn_xml(RKN_XML, &nothing).unwrap();
    assert_eq!(imported.accepted_count(), 0);
    let row = imported.report[0].to_string();
    assert!(
        row.contains("instrument: the form does not say what kind of act the decision is"),
        "{row}"
    );
    let imported = from_rkn_csv(RKN_CSV, &nothing).unwrap();
    assert_eq!(imported.accepted_count(), 0);
    assert_eq!(imported.refused_count(), 10, "each row says why");
    let error = from_rpz(ZONE, &nothing).unwrap_err().to_string();
    assert!(error.starts_with("constants.id: missing"), "{error}");
    let other = from_rkn_csv(b"ip;domain;url\n192.0.2.1;;\n", &rkn()).unwrap_err().to_string();
    assert!(other.contains("it does not begin with \"Updated:\""), "{other}");
    for text in ["[constants]\ninstruments = 1\n", "[constant]\n", "time_zone = \"Mars\"\n"] {
        assert!(Settings::parse(text).is_err(), "{text}");
    }
}

/// Each record, and what became of it.
const ZONE_ROWS: [&str; 19] = [
    "line 7, news.example: accepted",
    "line 8, *.news.example: accepted",
    "line 9, www.open.example: accepted",
    "line 10, drop.example: accepted",
    "line 11, local.example: accepted",
    "line 12, local.example: repaired: stands already on line 11 and counts once",
    "line 13, 192.0.2.0/24: accepted",
    "line 14, 198.51.100.7: accepted",
    "line 15, 2001:db8:aa::/48: accepted",
    "line 16, 2001:db8::1: accepted",
    "line 17: refused: owner: it blocks by who asks, and no subscriber's address enters the register",
    "line 18: refused: owner: it names a server of names",
    "line 19: refused: owner: it names a server of names",
    "line 20: refused: CNAME: the action is unknown",
    "line 21: refused: owner: it lies outside the zone",
    "line 22, news.example: repaired: stands already on line 7 and counts once",
    "line 23: refused: owner: not a domain name",
    "line 24: refused: owner: not an address or prefix",
    "",
];

#[test]
fn a_name_that_a_zone_lets_through_and_blocks_is_taken_neither_way() {
    let zone =
        b"$ORIGIN rpz.\na.example CNAME .\nb.example CNAME rpz-passthru.\nb.example CNAME *.\n";
    let ListFile { entries, report } = list_from_rpz(zone).unwrap();
    let taken: Vec<String> = entries.iter().map(|entry| entry.target.to_string()).collect();
    assert_eq!(taken, ["a.example"]);
    let rows: Vec<String> = report.iter().map(ToString::to_string).collect();
    let words = "b.example: refused: must stay open and is to be blocked, by this line and by line";
    assert!(rows[1].contains(&format!("{words} 4")), "{rows:#?}");
    assert!(rows[2].contains(&format!("{words} 3")), "{rows:#?}");
}

#[test]
fn a_zone_as_the_targets_of_a_request() {
    let settings = "end_date = \"removal_day\"\ntime_zone = \"UTC\"\n[constants]\nid = \"hotline/1\"\n\
                    instrument = \"private_list\"\nform = \"portal_list\"\nfrom = \"2026-01-01\"\n\
                    until = \"2026-07-01\"\nterritories = [\"DE\"]\n";
    let imported = from_rpz(ZONE, &Settings::parse(settings).unwrap()).unwrap();
    rows(&imported, &ZONE_ROWS[..18]);
    let [request] = imported.requests.as_slice() else { panic!() };
    assert_eq!(
        values(request),
        [
            "domain_exact:news.example",
            "domain_subtree:*.news.example",
            "!domain_exact:www.open.example",
            "domain_exact:drop.example",
            "domain_exact:local.example",
            "cidr:192.0.2.0/24",
            "ip:198.51.100.7",
            "cidr:2001:db8:aa::/48",
            "ip:2001:db8::1"
        ]
    );
    let techniques: Vec<&str> = task(request)
        .measure
        .as_ref()
        .unwrap()
        .techniques()
        .map(|technique| technique.as_str_name())
        .collect();
    assert_eq!(
        techniques,
        [
            "TECHNIQUE_DNS_DROP",
            "TECHNIQUE_DNS_FORGED_A",
            "TECHNIQUE_DNS_NODATA",
            "TECHNIQUE_DNS_NXDOMAIN"
        ]
    );
    assert_eq!(task(request).effective_until_s, at("2026-07-01T00:00:00Z"), "the day of removal");
}

#[test]
fn a_zone_as_a_version_of_a_list() {
    let ListFile { entries, report } = list_from_rpz(ZONE).unwrap();
    assert_eq!((entries.len(), report.len()), (9, 18));
    let open: Vec<String> =
        entries.iter().filter(|e| e.exception).map(|e| e.target.to_string()).collect();
    assert_eq!(open, ["www.open.example"]);
    for (text, said) in [
        ("$INCLUDE other.zone\n", "line 1: $INCLUDE: what it stands for is not in this file"),
        ("@ SOA a b ( 1 2\n3 4\n", "line 1: a parenthesis is not closed: the file is cut off"),
        ("a TXT \"open\n", "line 1: a quotation is not closed"),
        ("a CNAME .\nb\n", "line 2: a record without owner or type; it may be cut off"),
        (") a\n", "line 1: a parenthesis is closed that was not open"),
    ] {
        let error = list_from_rpz(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(said), "{text:?}: {error}");
    }
}

#[test]
fn a_row_that_is_too_long_is_refused_by_itself() {
    let long = "a".repeat(ROW_SIZE_MAX);
    let good = r#"{"id": "good", "instrument": "police_request", "form": "email",
        "from": "2026-01-01T00:00:00Z", "outcome_only": true, "targets": ["ip:192.0.2.1"],
        "territories": ["*"]}"#;
    let json = format!("{{\"requests\": [{{\"id\": \"{long}\"}},\n{good}]}}");
    rows(
        &from_json(&json).unwrap(),
        &["line 1: refused: the row is longer than 16 MiB", "line 2, good: accepted"],
    );
    let toml = format!("[[request]]\nid = \"a\"\ndocket = \"{long}\"\n[[request]]\nid = \"b\"\n");
    rows(
        &from_toml(&toml).unwrap(),
        &["line 1, a: refused: the row is longer than 16 MiB", "line 4, b: refused"],
    );
    let xml = format!(
        "<register><content id=\"1\" includeTime=\"2018-04-21T00:00:00\"><url>{long}</url></content>\n\
         <content id=\"2\" includeTime=\"2018-04-21T00:00:00\"><domain>a.example</domain></content>\
         </register>"
    );
    rows(
        &from_rkn_xml(xml.as_bytes(), &rkn()).unwrap(),
        &["line 1, rkn/1: refused: the row is longer than 16 MiB", "line 2, rkn/2: accepted"],
    );
    let csv = format!("Updated: x\n;{long};;;;2018-04-01\n;a.example;;o;1;2018-04-01\n");
    rows(
        &from_rkn_csv(csv.as_bytes(), &rkn()).unwrap(),
        &["line 2: refused: the row is longer than 16 MiB", "line 3, rkn-csv/"],
    );
}

#[test]
fn a_file_with_too_many_rows_is_refused_before_any_is_read() {
    let lines = "\n".repeat(ROWS_MAX + 1);
    let many = |part: &str| part.repeat(ROWS_MAX + 1);
    for refused in [
        from_rkn_csv(format!("Updated: x{lines}").as_bytes(), &rkn()).unwrap_err(),
        list_from_rpz(lines.as_bytes()).unwrap_err(),
        from_rkn_xml(many("<content").as_bytes(), &rkn()).unwrap_err(),
        from_toml(&many("[[request]]\n")).unwrap_err(),
        from_toml(&format!("request = [{}]\n", many("{},"))).unwrap_err(),
        from_json(&format!("{{\"requests\": [{}0]}}", many("0,"))).unwrap_err(),
    ] {
        assert_eq!(refused.to_string(), "the file has more than 2000000 rows; split it");
    }
}

#[test]
fn what_is_wrong_in_a_row_refuses_it_and_no_other() {
    let row = |id: &str, more: &str| {
        format!(
            r#"{{"id": "{id}", "instrument": "police_request", "form": "email", "outcome_only": true,
            "territories": ["*"], {more}}}"#
        )
        .replace('\n', " ")
    };
    let from = r#""from": "2026-01-01T00:00:00Z""#;
    let target = r#""targets": ["domain_exact:a.example"]"#;
    let requests = [
        row("twice", &format!("{from}, {target}")),
        row("twice", &format!("{from}, {target}")),
        row("contradictory", &format!("{from}, {target}, \"until\": \"2025-01-01T00:00:00Z\"")),
        row(
            "zone",
            &format!("\"from\": \"2026-01-01\", \"time_zone\": \"Mars/Olympus\", {target}"),
        ),
        row("control", &format!("{from}, \"targets\": [\"domain_exact:a\\u0007.example\"]")),
        row("bidi", &format!("{from}, \"targets\": [\"domain_exact:a\\u202e.example\"]")),
        row("mixed", &format!("{from}, \"targets\": [\"domain_exact:ex\u{430}mple.example\"]")),
        row("self", &format!("{from}, {target}, \"relations\": [\"supersedes:self\"]")),
        row("dot", &format!("{from}, \"targets\": [\"domain_exact:a.example.\"]")),
        row("scheme", &format!("{from}, \"targets\": [\"url:http://http://a.example/\"]")),
        row("i\u{0}d", &format!("{from}, {target}")),
    ];
    let imported =
        from_json(&format!("{{\"requests\": [\n{}\n]}}", requests[..10].join(",\n"))).unwrap();
    rows(
        &imported,
        &[
            "line 2, twice: accepted",
            "line 3, twice: refused: id: \"twice\" stands already on line 2",
            "line 4, contradictory: refused: until: 2025-01-01T00:00:00Z is not after from, 2026-01-01T00:00:00Z",
            "line 5, zone: refused: time_zone: \"Mars/Olympus\" is not in the IANA database",
            "line 6, control: refused: targets: \"a\\u{7}.example\": target holds a control character",
            "line 7, bidi: refused: targets: \"a\\u{202e}.example\": target holds a control character",
            "line 8, mixed: accepted; note: xn--exmple-4nf.example mixes Cyrillic and Latin in one label",
            "line 9, self: refused: relations.to: a request does not relate to itself",
            "line 10, dot: accepted",
            "line 11, scheme: repaired: targets: \"http://http://a.example/\": doubled scheme removed",
        ],
    );
    let file = format!("{{\"requests\": [{}]}}", requests[10]);
    assert!(from_json(&file).is_err(), "a control character is none of JSON's");
}
