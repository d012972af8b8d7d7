//! Files → requests: what is taken, what is repaired, what is refused and with which words.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its own data has failed")]

use prost::Message;
use register::{
    Register,
    import::{
        Action, ITEM_SIZE_MAX, ImportError, Imported, Mapping, from_csv, from_toml, to_items,
    },
};
use remit_proto::v1::{self, statement::Body};

const CSV: &[u8] = include_bytes!("../testdata/register-windows-1251.csv");
const MAPPING: &str = include_str!("../testdata/register-windows-1251.toml");
const REQUESTS: &str = include_str!("../testdata/requests.toml");

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

fn report(imported: &Imported) -> Vec<String> {
    imported.report.iter().map(ToString::to_string).collect()
}

/// Whatever an import accepts, the register takes.
fn enter(imported: Imported) -> Register {
    let items = to_items(imported.merge(&[]).requests);
    let set = v1::ItemSet { count: items.len() as u64, ..v1::ItemSet::default() };
    let body = Body::Import(v1::Import { items: Some(set), ..v1::Import::default() });
    let statement = v1::Statement {
        format: 1,
        origin: "example.net/register".into(),
        recorded_at_s: at("2026-01-01T00:00:00Z"),
        effective_at_s: at("2026-01-01T00:00:00Z"),
        body: Some(body),
        ..v1::Statement::default()
    };
    let mut register = Register::new("example.net/register");
    register.apply(&statement, Some(items)).unwrap();
    register
}

#[test]
fn a_published_csv_is_read_row_by_row() {
    let imported = from_csv(CSV, &Mapping::parse(MAPPING).unwrap()).unwrap();
    let rows = report(&imported);
    let expected = [
        "line 3, rsn/27-31/2026: accepted",
        "line 4, rsn/27-32/2026: accepted",
        "line 5, rsn/27-33/2026: repaired: targets: \"http://http://Пример.example\\\\страница#верх\": \
         backslashes read as slashes; targets: \
         \"http://http://Пример.example\\\\страница#верх\": doubled scheme removed",
        "line 6, rsn/27-34/2026: repaired: targets: \"192.0.2.7,\": comma or semicolon at the end removed",
        "line 7, rsn/27-35/2026: refused: from: \"30.02.2026\" is no date",
        "line 8, rsn/27-36/2026: refused: targets: \"198.51.100.7/24\": not an address or prefix: \
         bits are set behind the prefix length; say the network or the single address; correct \
         the value or its kind",
        "line 9, rsn/27-37/2026: accepted",
        "line 10, 27-38/2026: refused: status: \"отменено судом\" in column \"Статус\" has no \
         meaning; list it under values of the mapping",
        "line 11, rsn/27-31/2026: refused: id: \"rsn/27-31/2026\" stands already on line 3; give \
         each request its own id, or put all its targets into one row",
        "line 12, rsn/27-39/2026: refused: targets: \"a.example, b.example\": not a domain name: \
         it holds a character that no name has; correct the value or its kind",
        "line 13, 27-40/2026: refused: it has 7 fields, the header has 8; check quotation marks \
         and delimiters in the row",
        "line 14, rsn/27-41/2026: refused: targets: missing; name at least one target to block",
        "line 15, rsn/27-42/2026: accepted",
    ];
    assert_eq!(rows.len(), expected.len(), "{rows:#?}");
    for (row, expected) in rows.iter().zip(expected) {
        assert!(row.starts_with(expected), "\n{row}\n{expected}");
    }
    assert_eq!(
        (imported.accepted_count(), imported.repaired_count(), imported.refused_count()),
        (6, 2, 7)
    );
    let second = &imported.requests[1];
    assert_eq!(second.effective_from_s, at("2026-01-14T21:00:00Z"), "00:00 in Moscow");
    assert_eq!(second.effective_until_s, at("2026-01-31T21:00:00Z"), "the day of removal");
    assert_eq!(
        second.time_assumption,
        "times read in Europe/Moscow; an end date is the day of removal"
    );
    let values: Vec<_> =
        second.targets.iter().map(|t| t.target.as_ref().unwrap().value.as_str()).collect();
    assert_eq!(values, ["*.example.net", "example.net"]);
    let third = &imported.requests[2].targets[0];
    assert_eq!(
        third.target.as_ref().unwrap().value,
        "http://xn--e1afmkfd.example/%D1%81%D1%82%D1%80%D0%B0%D0%BD%D0%B8%D1%86%D0%B0"
    );
    assert_eq!(third.raw, "http://http://Пример.example\\страница#верх");
    assert_eq!(third.repair, "backslashes read as slashes; doubled scheme removed");
    let authority = imported.requests[5].authority.as_ref().unwrap();
    assert_eq!((authority.name.as_str(), authority.country.as_str()), ("Служба \"А\"", "RU"));
    assert_eq!(enter(imported).view().requests().count(), 6);
}

#[test]
fn a_requests_file() {
    let imported = from_toml(REQUESTS).unwrap();
    assert_eq!(
        report(&imported),
        [
            "line 5, vg-berlin/2026-17: accepted",
            "line 27, night-call-1: accepted",
            "line 40, spam: accepted",
        ]
    );
    let court = &imported.requests[0];
    assert_eq!(court.effective_from_s, at("2026-01-31T23:00:00Z"));
    assert_eq!(court.effective_until_s, at("2026-07-31T22:00:00Z"), "the last day is included");
    assert_eq!(court.implement_by_s, at("2026-01-16T08:30:00Z"), "48 h after receipt");
    assert_eq!(court.remove_within_s, 3 * 86_400);
    assert_eq!(court.basis_proof(), v1::BasisProof::DocumentHeld);
    assert_eq!(court.targets[1].removed_at_s, at("2026-02-28T23:00:00Z"));
    assert!(court.targets[2].exception);
    let call = &imported.requests[1];
    assert_eq!(call.confirm_by_s, at("2026-03-03T02:10:00Z"));
    assert_eq!(call.basis_proof(), v1::BasisProof::Oral);
    assert_eq!(call.time_assumption, "");
    assert_eq!(enter(imported).size(), 1);
}

/// One request with these lines beside what it needs at least.
fn one(lines: &str) -> String {
    let mut text = String::from("[[request]]\n");
    for (key, usual) in [
        ("id", "\"req-7\""),
        ("instrument", "\"court_order_final\""),
        ("form", "\"letter\""),
        ("from", "\"2026-01-01T00:00:00Z\""),
        ("territories", "[\"DE\"]"),
        ("techniques", "[\"ip_acl_drop\"]"),
        ("targets", "[\"ip:192.0.2.7\"]"),
    ] {
        if !lines.lines().any(|l| l.starts_with(key)) {
            text.push_str(&format!("{key} = {usual}\n"));
        }
    }
    text + lines
}

fn refused(lines: &str, field: &str, words: &str) {
    let imported = from_toml(&one(lines)).unwrap();
    let row = &imported.report[0];
    let Action::Refused(reason) = &row.action else { panic!("{lines} was {:?}", row.action) };
    assert_eq!((row.field.as_str(), row.line), (field, 1), "{lines}: {reason}");
    assert!(reason.contains(words), "{lines}: {reason}");
    assert!(!row.remedy.is_empty(), "{lines}");
    assert!(imported.requests.is_empty());
}

#[test]
fn each_mistake_names_its_field() {
    refused("colour = \"red\"", "colour", "unknown field");
    refused("from = \"2026-02-30T00:00:00Z\"", "from", "is no date");
    refused("from = 2026-01-01", "from", "has no time zone");
    refused("from = 2026-01-01T12:00:00", "from", "has no time zone");
    refused("from = 2026-01-01\ntime_zone = \"Mars/Olympus\"", "time_zone", "IANA");
    refused("until = 2026-02-01\ntime_zone = \"Europe/Berlin\"", "until", "still included");
    refused("until = \"2025-12-01T00:00:00Z\"", "until", "not after");
    refused("from = \"1969-12-31T00:00:00Z\"", "from", "out of range");
    refused("remove_within = \"soon\"", "remove_within", "no duration");
    refused("instrument = \"order\"", "instrument", "not one of its words");
    refused("techniques = [\"nxdomain\"]", "techniques", "not one of its words");
    refused("techniques = []", "techniques", "permits nothing");
    refused("territories = [\"Germany\"]", "territories", "ISO 3166");
    refused("status = \"provisional\"", "confirm_by", "lapses");
    refused("id = \"two words\"", "id", "request id");
    refused("targets = [\"192.0.2.7\"]", "targets", "no kind of target");
    refused("targets = [\"https://example.org/\"]", "targets", "no kind of target");
    refused("targets = [\"url:example.org\"]", "targets", "neither http");
    refused("targets = [{ kind = \"ip\", value = \"192.0.2.7\", color = 1 }]", "targets", "color");
    refused("documents = [{ digest = \"12\" }]", "documents.digest", "SHA-256");
    refused("lists = [\"hotline\"]", "lists", "no version");
    refused("outcome_only = \"yes\"", "", "invalid type");
    refused("asns = [-1]", "", "invalid value");
    refused(
        "statement_of_reasons = \"AAAA\"".replace("AAAA", &"a".repeat(20_000)).as_str(),
        "statement_of_reasons",
        "longer",
    );
}

#[test]
fn a_clock_change_takes_the_earlier_start_and_the_later_end() {
    // In Berlin 02:30 exists twice on 25 October 2026.
    let text = one("from = 2026-10-25T02:30:00\ntime_zone = \"Europe/Berlin\"");
    let request = from_toml(&text).unwrap().requests.remove(0);
    assert_eq!(request.effective_from_s, at("2026-10-25T00:30:00Z"));
    assert!(
        request.time_assumption.contains("earlier instant taken"),
        "{}",
        request.time_assumption
    );
    let text = one("until = 2026-10-25T02:30:00\ntime_zone = \"Europe/Berlin\"");
    let request = from_toml(&text).unwrap().requests.remove(0);
    assert_eq!(request.effective_until_s, at("2026-10-25T01:30:00Z"));
    assert!(request.time_assumption.contains("later instant taken"), "{}", request.time_assumption);
}

#[test]
fn last_day_and_removal_day_are_a_day_apart() {
    let until = |meaning: &str| {
        let lines = format!("until = 2026-02-28\ntime_zone = \"UTC\"\nend_date = \"{meaning}\"");
        from_toml(&one(&lines)).unwrap().requests.remove(0).effective_until_s
    };
    assert_eq!(until("last_day"), at("2026-03-01T00:00:00Z"));
    assert_eq!(until("removal_day"), at("2026-02-28T00:00:00Z"));
}

#[test]
fn what_a_person_should_know_is_noted() {
    let imported =
        from_toml(&one("targets = [\"domain_subtree:co.uk\"]\nterritories = []")).unwrap();
    let notes = imported.report[0].notes.join(" ");
    assert!(notes.contains("TARGET_OVERBROAD_ON_FACE") && notes.contains("territories"), "{notes}");
}

#[test]
fn a_file_that_is_wrong_as_a_whole_imports_nothing() {
    let line = |text: &str| match from_toml(text).unwrap_err() {
        ImportError::Syntax { line, .. } => line,
        other => panic!("{other}"),
    };
    assert_eq!(line("a = 1\n"), 1);
    assert_eq!(line("time_zone = \"UTC\"\n[[request]\n"), 2);
    let zone = from_toml("time_zone = \"Mars/Olympus\"").unwrap_err();
    assert!(zone.to_string().contains("time_zone: \"Mars/Olympus\" is not in the IANA database"));
}

#[test]
fn a_mapping_is_checked_before_any_row() {
    let refused = |from: &str, to: &str, words: &str| {
        let text = MAPPING.replace(from, to);
        assert_ne!(text, MAPPING, "{from}");
        let error = Mapping::parse(&text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused("delimiter = \";\"", "delimiter = \";;\"", "delimiter");
    refused("windows-1251", "windows-1", "encoding");
    refused("Europe/Moscow", "Europe/Moskau", "time_zone");
    refused("removal_day", "end_of_day", "line 8");
    refused("form = \"portal_list\"", "from_where = \"portal\"", "constants.from_where");
    refused("external_ref = ", "reference = ", "columns.reference");
    refused("kind_column = \"Тип\"\n", "", "kind or kind_column");
    refused("skip_lines", "skip_rows", "skip_rows");
    let missing = Mapping::parse(&MAPPING.replace("\"Дата включения\"", "\"Начало\"")).unwrap();
    let error = from_csv(CSV, &missing).unwrap_err().to_string();
    assert!(error.contains("no column \"Начало\"") && error.contains("\"Номер\""), "{error}");
}

#[test]
fn a_wrong_encoding_is_not_read_as_something_else() {
    let mapping = Mapping::parse(&MAPPING.replace("windows-1251", "utf-8")).unwrap();
    assert!(matches!(from_csv(CSV, &mapping), Err(ImportError::MissingColumn { .. })));
    let mapping = "columns = { id = \"id\" }\nconstants = { instrument = \"police_request\", form = \
                   \"email\", from = \"2026-01-01T00:00:00Z\", outcome_only = true }\n[[targets]]\n\
                   column = \"name\"\nkind = \"domain_exact\"\n";
    let mapping = Mapping::parse(mapping).unwrap();
    let imported = from_csv(b"id,name\na,ex\xe4mple.org\nb,example.org\n", &mapping).unwrap();
    assert!(report(&imported)[0].contains("no utf-8"), "{:?}", report(&imported));
    assert_eq!(imported.requests.len(), 1);
}

#[test]
fn many_targets_travel_in_blocks_and_arrive_complete() {
    let targets: Vec<_> =
        (0..20_000).map(|n| format!("\"domain_exact:host-{n}.example.org\"")).collect();
    let imported = from_toml(&one(&format!("targets = [{}]", targets.join(",")))).unwrap();
    let items = to_items(imported.requests.clone());
    assert!(items.len() > 2);
    assert!(items.iter().all(|item| item.encoded_len() <= ITEM_SIZE_MAX));
    let register = enter(imported.clone());
    let entry = register.view().requests().next().unwrap();
    assert_eq!(v1::Request::from(entry.request()), imported.merge(&[]).requests[0]);
}

/// "<id> <version>" of what is entered, and the sentence about each row that is not plain.
fn merged(text: &str, held: &[v1::Request]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let merged = from_toml(text).unwrap().merge(held);
    let entered = merged.requests.iter().map(|r| format!("{} {}", r.id, r.version)).collect();
    (entered, merged.report.iter().map(ToString::to_string).collect(), merged.absent)
}

#[test]
fn a_list_that_is_imported_again_enters_what_changed_and_withdraws_nothing() {
    let first = format!("{}\n{}\n{}", one("id = \"a\""), one("id = \"b\""), one("id = \"c\""));
    let held = from_toml(&first).unwrap().merge(&[]);
    assert_eq!((held.new_count, held.changed_count, held.unchanged_count), (3, 0, 0));
    let held: Vec<v1::Request> = enter(from_toml(&first).unwrap())
        .view()
        .requests()
        .map(|entry| entry.request().into())
        .collect();

    let same = from_toml(&first).unwrap().merge(&held);
    assert!(same.requests.is_empty() && same.absent.is_empty(), "{same:?}");
    assert_eq!((same.unchanged_count, same.accepted_count()), (3, 3));

    let second = format!(
        "{}\n{}\n{}",
        one("id = \"a\""),
        one("id = \"b\"\nuntil = \"2026-06-01T00:00:00Z\"\ntechniques = [\"dns_nxdomain\"]"),
        one("id = \"d\""),
    );
    let (entered, rows, absent) = merged(&second, &held);
    assert_eq!(entered, ["b 2", "d 1"]);
    assert!(rows[1].ends_with("accepted; note: version 2: techniques, until differ"), "{rows:?}");
    assert_eq!(absent, ["c"]);

    let elsewhere = one("id = \"z\"\nauthority = { id = \"other\" }");
    assert!(
        merged(&elsewhere, &held).2.is_empty(),
        "another authority's file is silent about them"
    );
    let refused = one("id = \"c\"\nfrom = \"soon\"\n") + &one("id = \"d\"");
    assert_eq!(merged(&refused, &held).2, ["a", "b"], "c is named, though refused");
}

#[test]
fn a_stated_version_must_be_the_next_one() {
    let held = enter(from_toml(&one("")).unwrap());
    let held: Vec<v1::Request> = held.view().requests().map(|e| e.request().into()).collect();
    let version =
        |number: u32, lines: &str| merged(&one(&format!("version = {number}\n{lines}")), &held);
    assert!(version(1, "").0.is_empty(), "it is there already");
    assert_eq!(version(2, "category = \"x\"").0, ["req-7 2"]);
    for number in [1, 3] {
        let (entered, rows, _) = version(number, "category = \"x\"");
        assert!(entered.is_empty());
        assert!(rows[0].contains("refused: version: "), "{rows:?}");
        assert!(
            rows[0].ends_with("the register holds version 1 of it; leave the key out, or write 2")
        );
    }
    refused("version = 0", "version", "begins at 1");
}

#[test]
fn an_id_is_rewritten_as_the_mapping_says_and_only_so() {
    let import = |replace: &str| {
        let mapping = format!(
            "columns = {{ id = {{ column = \"No\", prefix = \"a/\"{replace} }} }}\n\
             constants = {{ instrument = \"police_request\", form = \"email\", from = \
             \"2026-01-01T00:00:00Z\", outcome_only = true }}\n\
             [[targets]]\ncolumn = \"name\"\nkind = \"domain_exact\"\n"
        );
        let csv = "No,name\n\u{2116} 12 A,x.example\n12-A,y.example\n";
        from_csv(csv.as_bytes(), &Mapping::parse(&mapping).unwrap())
    };
    let plain = import("").unwrap();
    let row = plain.report[0].to_string();
    assert!(row.contains("refused: id: ") && row.contains("replace = {"), "{row}");
    let written = import(", replace = { \"\u{2116} \" = \"\", \" \" = \"_\" }").unwrap();
    assert_eq!(written.requests[0].id, "a/12_A");
    assert_eq!(written.requests[0].external_ref, "\u{2116} 12 A", "as the authority writes it");
    assert_eq!(written.requests[1].id, "a/12-A");
    assert!(
        written.report[0]
            .to_string()
            .contains("repaired: id: \"\u{2116} 12 A\" written as \"12_A\"")
    );
    let one_for_two = import(", replace = { \"\u{2116} \" = \"\", \" \" = \"-\" }").unwrap();
    assert_eq!(one_for_two.requests.len(), 1, "two numbers do not become one unnoticed");
    assert!(one_for_two.report[1].to_string().contains("stands already on line 2"));
    let nothing = Mapping::parse(
        "columns = { id = { column = \"No\", replace = { \"\" = \"-\" } } }\n[[targets]]\ncolumn = \
         \"name\"\nkind = \"ip\"\n",
    );
    assert!(nothing.unwrap_err().to_string().contains("columns.id.replace"));
}

#[test]
fn a_mistyped_word_gets_the_list_of_known_ones() {
    let imported = from_toml(&one("instrument = \"order\"")).unwrap();
    let remedy = &imported.report[0].remedy;
    assert!(
        remedy.starts_with("write one of: court_order_final, court_order_interim, "),
        "{remedy}"
    );
    assert!(remedy.ends_with("user_choice"), "{remedy}");
}

#[test]
fn the_zone_of_the_authority_is_kept() {
    let request = |lines: &str| from_toml(&one(lines)).unwrap().requests.remove(0);
    assert_eq!(
        request("from = 2026-01-01\ntime_zone = \"Europe/Berlin\"").time_zone,
        "Europe/Berlin"
    );
    assert_eq!(request("").time_zone, "", "not guessed");
    refused("time_zone = \"Mars/Olympus\"", "time_zone", "IANA");
}
