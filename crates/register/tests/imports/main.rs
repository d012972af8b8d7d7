//! Files → requests: what is taken, what is repaired, what is refused and with which words.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its own data has failed")]

mod again;
mod cut;
mod intake;
mod mistakes;
mod persons;

use std::convert::Infallible;

use evidence::{closed, commitment::Salt};
use prost::Message;
use register::{
    Register,
    import::{
        Action, Held, ITEM_SIZE_MAX, ImportError, Imported, Mapping, RowReport, from_csv,
        from_toml, to_items,
    },
};
use remit_proto::v1::{self, register_item::Item, statement::Body};

const CSV: &[u8] = include_bytes!("../../testdata/register-windows-1251.csv");
const MAPPING: &str = include_str!("../../testdata/register-windows-1251.toml");
const REQUESTS: &str = include_str!("../../testdata/requests.toml");

fn task(request: &v1::Request) -> &v1::Task {
    request.task.as_ref().unwrap()
}

/// What the register holds, as a second import is compared with it.
fn held(register: &Register, at_s: i64) -> Vec<Held> {
    register.view().requests().map(|entry| Held::of(&entry, at_s)).collect()
}

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

fn report(imported: &Imported) -> Vec<String> {
    imported.report.iter().map(ToString::to_string).collect()
}

/// Closes the parts that the file wants closed, as whoever enters it does; and what opens them.
fn close(request: &mut v1::Request) -> Vec<v1::RegisterItem> {
    let mut opened = Vec::new();
    for part in std::mem::take(&mut request.closed) {
        let fields = closed::take(&mut request.clone(), part.part());
        closed::close(request, part.clone(), || Ok::<_, Infallible>(Salt([7; 16]))).unwrap();
        let (request_id, part) = (request.id.clone(), part.part);
        let item = Item::Opened(v1::OpenedPart { request_id, part, fields });
        opened.push(v1::RegisterItem { item: Some(item) });
    }
    opened
}

/// Whatever an import accepts, the register takes.
fn enter(imported: Imported) -> Register {
    let mut requests = imported.merge(&[]).requests;
    let opened: Vec<_> = requests.iter_mut().flat_map(close).collect();
    let mut items = to_items(requests);
    let set = v1::ItemSet { count: items.len() as u64, ..v1::ItemSet::default() };
    items.extend(opened);
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

/// "<id> <version>" of what is entered, and the sentence about each row that is not plain.
fn merged(text: &str, held: &[Held]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let merged = from_toml(text).unwrap().merge(held);
    let entered = merged.requests.iter().map(|r| format!("{} {}", r.id, r.version)).collect();
    (entered, merged.report.iter().map(ToString::to_string).collect(), merged.absent)
}

/// As a file names one: without a role.
fn person(id: &str) -> Option<v1::PersonRef> {
    Some(v1::PersonRef { person: id.into(), role: v1::Role::Unspecified.into() })
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
        "line 10, rsn/27-38/2026: refused: status: \"отменено судом\" in column \"Статус\" has no \
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
    assert_eq!(task(second).effective_from_s, at("2026-01-14T21:00:00Z"), "00:00 in Moscow");
    assert_eq!(task(second).effective_until_s, at("2026-01-31T21:00:00Z"), "the day of removal");
    assert_eq!(
        second.time_assumption,
        "times read in Europe/Moscow; an end date is the day of removal"
    );
    let values: Vec<_> =
        task(second).targets.iter().map(|t| t.target.as_ref().unwrap().value.as_str()).collect();
    assert_eq!(values, ["*.example.net", "example.net"]);
    let third = &task(&imported.requests[2]).targets[0];
    assert_eq!(
        third.target.as_ref().unwrap().value,
        "http://xn--e1afmkfd.example/%D1%81%D1%82%D1%80%D0%B0%D0%BD%D0%B8%D1%86%D0%B0"
    );
    assert_eq!(third.raw, "http://http://Пример.example\\страница#верх");
    assert_eq!(third.repair, "backslashes read as slashes; doubled scheme removed");
    let authority = imported.requests[5].authorisation.as_ref().unwrap();
    let authority = authority.authority.as_ref().unwrap();
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
    assert_eq!(task(court).effective_from_s, at("2026-01-31T23:00:00Z"));
    assert_eq!(
        task(court).effective_until_s,
        at("2026-07-31T22:00:00Z"),
        "the last day is included"
    );
    assert_eq!(task(court).implement_by_s, at("2026-01-16T08:30:00Z"), "48 h after receipt");
    assert_eq!(task(court).remove_within_s, 3 * 86_400);
    assert_eq!(court.basis_proof(), v1::BasisProof::DocumentHeld);
    assert_eq!(task(court).targets[1].removed_at_s, at("2026-02-28T23:00:00Z"));
    assert!(task(court).targets[2].exception);
    let call = &imported.requests[1];
    assert_eq!(task(call).confirm_by_s, at("2026-03-03T02:10:00Z"));
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
    text + lines + "\n"
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
    refused(
        "until = \"2025-12-01T00:00:00Z\"",
        "until",
        "2025-12-01T00:00:00Z is not after from, 2026-01-01T00:00:00Z",
    );
    refused("confirm_by = \"soon\"", "confirm_by", "\"soon\" is neither a time nor a duration");
    refused("confirm_by = \"2026-13-01\"", "confirm_by", "is no date");
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
    refused("outcome_only = \"yes\"", "outcome_only", "true or false, without quotes");
    refused("asns = [-1]", "asns", "invalid value");
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
    assert_eq!(task(&request).effective_from_s, at("2026-10-25T00:30:00Z"));
    assert!(
        request.time_assumption.contains("earlier instant taken"),
        "{}",
        request.time_assumption
    );
    let text = one("until = 2026-10-25T02:30:00\ntime_zone = \"Europe/Berlin\"");
    let request = from_toml(&text).unwrap().requests.remove(0);
    assert_eq!(task(&request).effective_until_s, at("2026-10-25T01:30:00Z"));
    assert!(request.time_assumption.contains("later instant taken"), "{}", request.time_assumption);
}

#[test]
fn last_day_and_removal_day_are_a_day_apart() {
    let until = |meaning: &str| {
        let lines = format!("until = 2026-02-28\ntime_zone = \"UTC\"\nend_date = \"{meaning}\"");
        task(&from_toml(&one(&lines)).unwrap().requests[0]).effective_until_s
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
    for wrong in ["%d.%m", "%H:%M", "%d.%m.%Q", "%", "TT.MM.JJJJ", "dd.mm.yyyy", "31.01.2026"] {
        let text = MAPPING.replace("\"%d.%m.%Y\"", &format!("{wrong:?}"));
        assert_ne!(text, MAPPING);
        let error = Mapping::parse(&text).unwrap_err().to_string();
        assert!(error.starts_with("date_format: no date can be read as"), "{wrong}: {error}");
        assert!(error.contains("such as \"%d.%m.%Y\" for 31.01.2026"), "{wrong}: {error}");
    }
    for right in [
        "%d/%m/%y",
        "%-d.%-m.%Y",
        "%d %B %Y",
        "%e %b %Y",
        "%Y-%m-%d %H:%M",
        "%F",
        "%FT%T%z",
        "%D %I:%M %p",
    ] {
        let text = MAPPING.replace("\"%d.%m.%Y\"", &format!("{right:?}"));
        assert!(Mapping::parse(&text).is_ok(), "{right}: {:?}", Mapping::parse(&text).err());
    }
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
    assert_eq!(
        written.requests[0].authorisation.as_ref().unwrap().external_ref,
        "\u{2116} 12 A",
        "as the authority writes it"
    );
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

const EVERYTHING: &str = include_str!("../../testdata/everything.toml");

#[test]
fn a_file_may_say_everything_and_nothing_of_it_is_lost() {
    let imported = from_toml(EVERYTHING).unwrap();
    assert_eq!(report(&imported), ["line 5, lg-hamburg/2026-310: accepted"]);
    let request = imported.merge(&[]).requests.remove(0);
    let deed = request.authorisation.as_ref().unwrap();
    assert_eq!(deed.legal_provisions[1].article, "8(3)");
    assert_eq!(deed.authority.as_ref().unwrap().level, "state");
    let checked = deed.competence_check.as_ref().unwrap();
    assert_eq!(checked.verified_by, person("person-7"));
    let items: Vec<_> =
        request.validity.iter().map(|i| (i.element(), i.by.clone(), i.at_s)).collect();
    let found = (v1::ValidityElement::Redress, person("person-8"), at("2026-03-04T09:00:00Z"));
    assert_eq!(items, [(v1::ValidityElement::Language, None, 0), found]);
    let came = request.notification.as_ref().unwrap();
    assert_eq!(came.received_at_s, at("2026-03-02T09:15:30Z"));
    assert_eq!(task(&request).windows.len(), 13, "Saturdays from 7 March to 30 May");
    assert_eq!(task(&request).windows[0].from_s, at("2026-03-07T14:00:00Z"));
    assert_eq!(task(&request).windows[4].from_s, at("2026-04-04T13:00:00Z"), "summer time");
    assert_eq!(task(&request).implement_by_s, came.received_at_s + 30 * 60);
    let written: Vec<String> = request
        .time_notes
        .iter()
        .map(|n| format!("{} {} {:?} {}", n.field, n.written, n.precision(), n.zone_assumed))
        .collect();
    for note in [
        "decided 2026-02-27 Date true",
        "served 2026-03-02T10:00 Minute true",
        "acknowledged 2026-03-02T12:00:00Z Second false",
        "validity.redress.at 2026-03-04T10:00:00 Second true",
    ] {
        assert!(written.iter().any(|w| w == note), "{note}: {written:#?}");
    }
    let register = enter(from_toml(EVERYTHING).unwrap());
    let entry = register.view().requests().next().unwrap();
    let mut held = v1::Request::from(entry.request());
    // The file says what is to be closed; the register, what opens it.
    assert!(held.closed.iter().all(|part| part.opening.is_some()), "{:?}", held.closed);
    held.closed.clone_from(&request.closed);
    assert_eq!(held, request);
    let unmet: Vec<_> = register::checklist(entry.request())
        .into_iter()
        .filter(|item| item.state() != v1::ValidityState::Present)
        .map(|item| register::words::validity_element(item.element()))
        .collect();
    assert_eq!(unmet, ["redress", "language"], "what a person stated speaks");
}

#[test]
fn elements_that_nobody_supplied_stay_visible() {
    let register = enter(from_toml(&one("")).unwrap());
    let entry = register.view().requests().next().unwrap();
    let absent: Vec<_> = register::checklist(entry.request())
        .into_iter()
        .filter(|item| item.state() == v1::ValidityState::Absent)
        .map(|item| register::words::validity_element(item.element()))
        .collect();
    assert_eq!(
        absent,
        ["legal_basis", "reasons", "issuer", "redress", "effect_report", "language"]
    );
}

#[test]
fn how_precisely_a_time_was_written_is_kept() {
    let precision = |from: &str| {
        let text = one(&format!("from = {from}\ntime_zone = \"Europe/Berlin\""));
        let request = from_toml(&text).unwrap().requests.remove(0);
        let note = request.time_notes[0].clone();
        (note.precision(), note.zone_assumed)
    };
    use v1::TimePrecision::{Date, Minute, Second};
    assert_eq!(precision("\"2026-01-01\""), (Date, true));
    assert_eq!(precision("\"2026-01-01T12:00\""), (Minute, true));
    assert_eq!(precision("\"2026-01-01T12:00:00+01:00\""), (Second, false));
    assert_eq!(precision("\"2026-01-01T12:00+01:00\""), (Minute, false));
}

#[test]
fn a_recurrence_is_resolved_to_instants() {
    let windows = |recurrence: &str, from: &str, until: &str| {
        let text = one(&format!(
            "from = \"{from}\"\nuntil = \"{until}\"\ntime_zone = \"Europe/Berlin\"\nrecurrence = {recurrence}"
        ));
        let imported = from_toml(&text).unwrap();
        assert_eq!(imported.refused_count(), 0, "{:?}", imported.report);
        let windows = &task(&imported.requests[0]).windows;
        windows
            .iter()
            .map(|w| (w.from_s - at("2026-10-24T00:00:00Z"), w.until_s - w.from_s))
            .collect::<Vec<_>>()
    };
    // The night in which 02:30 comes twice: it opens at the first and closes at the second.
    let night = "{ from = \"02:30\", until = \"02:45\" }";
    let hour = 3_600;
    assert_eq!(
        windows(night, "2026-10-24T00:00:00Z", "2026-10-26T12:00:00Z"),
        [
            (hour / 2, hour / 4),
            (24 * hour + hour / 2, hour + hour / 4),
            (49 * hour + hour / 2, hour / 4)
        ]
    );
    // Which one was taken is kept with the request.
    let text = one(&format!(
        "from = \"2026-10-24T00:00:00Z\"\nuntil = \"2026-10-26T12:00:00Z\"\ntime_zone = \"Europe/Berlin\"\n\
         recurrence = {night}"
    ));
    let assumed = from_toml(&text).unwrap().requests.remove(0).time_assumption;
    for taken in [
        "T02:30:00 is doubled or skipped by a clock change in Europe/Berlin, earlier",
        "T02:45:00 is doubled",
    ] {
        assert!(assumed.contains(&format!("recurrence: 2026-10-25{taken}")), "{assumed}");
    }
    // Over midnight, cut to the span.
    let late = "{ days = [\"sat\"], from = \"23:00\", until = \"01:00\" }";
    assert_eq!(
        windows(late, "2026-10-24T21:30:00Z", "2026-10-26T00:00:00Z"),
        [(21 * hour + hour / 2, hour + hour / 2)]
    );
}

#[test]
fn a_recurrence_that_means_nothing_is_refused() {
    let until = "until = \"2026-02-01T00:00:00Z\"";
    let zone = "time_zone = \"UTC\"";
    let daily = "recurrence = { from = \"10:00\", until = \"11:00\" }";
    refused(&format!("{zone}\n{daily}"), "recurrence", "no end");
    refused(&format!("{until}\n{daily}"), "recurrence", "no time zone");
    refused(
        &format!(
            "{until}\n{zone}\nrecurrence = {{ days = [\"someday\"], from = \"10:00\", until = \"11:00\" }}"
        ),
        "recurrence",
        "is no day",
    );
    refused(
        &format!("{until}\n{zone}\nrecurrence = {{ from = \"25:00\", until = \"11:00\" }}"),
        "recurrence",
        "no time of day",
    );
    refused(
        &format!("until = \"2036-01-01T00:00:00Z\"\n{zone}\n{daily}"),
        "recurrence",
        "1,000 windows",
    );
}

#[test]
fn what_contradicts_itself_is_refused_with_its_field() {
    refused("authority = { name = \"x\", branch = \"royal\" }", "authority.branch", "judicial");
    refused("legal_provisions = [{ article = \"8\" }]", "legal_provisions.instrument", "missing");
    refused("remove_within = \"1h\"\nremove_by = \"2026-02-01T00:00:00Z\"", "remove_by", "beside");
    refused("relations = [\"confirms:req-7\"]", "relations.to", "itself");
    refused("relations = [\"loves:req-8\"]", "relations.kind", "not one of its words");
    refused("relations = [\"req-8\"]", "relations", "names no kind");
    refused("decision = { kind = \"refuse\" }", "decision.reason", "missing");
    refused(
        "decision = { kind = \"accept\", not_accepted = [\"ip:192.0.2.7\"] }",
        "decision.not_accepted",
        "partial",
    );
    refused("validity = { colour = \"present\" }", "validity", "not one of its words");
    refused(
        "received = \"2026-01-02T00:00:00Z\"\nacknowledged = \"2026-01-01T00:00:00Z\"",
        "acknowledged",
        "before received",
    );
    refused("court = \"a\\u0007b\"", "court", "control character");
    refused("targets = [\"domain_exact:exa\\u0007mple.org\"]", "targets", "control character");
    refused("targets = [\"domain_exact:exa\\u202Emple.org\"]", "targets", "control character");
    refused(
        "documents = [{ digest = \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\", signature_status = \"valid\" }]",
        "documents.signature_status",
        "trust anchor",
    );
}

#[test]
fn letters_of_two_scripts_in_one_label_are_noted() {
    let notes = |target: &str| {
        let imported = from_toml(&one(&format!("targets = [\"{target}\"]"))).unwrap();
        imported.report[0].notes.join(" ")
    };
    // A Cyrillic letter that looks like a Latin one: perhaps just what is to be blocked.
    assert!(
        notes("domain_exact:p\u{0430}ypal.example").contains("Cyrillic and Latin in one label")
    );
    for written in ["domain_exact:xn--pypal-4ve.example", "url:https://www.xn--pypal-4ve.example/a"]
    {
        assert!(notes(written).contains("Cyrillic and Latin in one label"), "{written}");
    }
    assert_eq!(
        notes("url:https://news.example/новости-news"),
        "",
        "only names are taken for others"
    );
    assert_eq!(notes("domain_exact:xn--bcher-kva.example"), "");
    assert_eq!(notes("domain_exact:пример.example"), "");
    assert_eq!(notes("domain_exact:bücher.example"), "");
}

#[test]
fn a_row_that_changes_what_was_ended_is_refused() {
    let mut register = enter(from_toml(&one("")).unwrap());
    let withdraw = v1::Statement {
        format: 1,
        origin: "example.net/register".into(),
        recorded_at_s: at("2026-01-02T00:00:00Z"),
        effective_at_s: at("2026-01-02T00:00:00Z"),
        body: Some(Body::Transition(v1::Transition {
            request_id: "req-7".into(),
            kind: v1::TransitionKind::Withdraw.into(),
            ..v1::Transition::default()
        })),
        ..v1::Statement::default()
    };
    register.apply(&withdraw, None).unwrap();
    let held = held(&register, at("2026-01-03T00:00:00Z"));
    let (entered, rows, _) = merged(&one("category = \"x\""), &held);
    assert!(entered.is_empty());
    assert!(
        rows[0].contains("the request is withdrawn") && rows[0].contains("id of its own"),
        "{rows:?}"
    );
    let (_, rows, _) = merged(&one(""), &held);
    assert!(rows[0].ends_with("accepted"), "what has not changed is no new demand: {rows:?}");
}

#[test]
fn a_row_is_told_in_one_line_whatever_the_file_holds() {
    let row = RowReport {
        line: 3,
        id: "court/1".into(),
        field: "targets.\r\nline 4: accepted".into(),
        action: Action::Refused("\u{1b}[2J".into()),
        remedy: "correct it".into(),
        fault: v1::RowFault::Value,
        further: vec!["until: \u{7}; correct it".into()],
        notes: vec!["a\nb".into()],
        text_of: None,
    };
    assert_eq!(
        row.to_string(),
        "line 3, court/1: refused: targets.\\r\\nline 4: accepted: \\u{1b}[2J; correct it; also until: \\u{7}; correct it; note: a\\nb"
    );
}
