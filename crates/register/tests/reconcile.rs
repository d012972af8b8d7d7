//! An authority's list against the register: each class of DOMAIN.md 3d, in a language of its own.
//!
//! `<target> [ref=<number>] [from=<date>] [until=<date>] [recorded=<date>] [<state>]`, one entry on a line. An entry
//! is in force on the day of the question, 2026-06-01, unless its bounds or its state say otherwise.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its own data has failed")]

use proptest::prelude::*;
use register::{
    Register, Target,
    import::{
        Action, Held, Imported, Mapping, Purpose, csv_for, from_csv, from_json, from_toml,
        json_for, to_items, toml_for,
    },
    list::from_lines,
    reconcile::{
        Authority, Class, Explanation, Field, Item, List, Materiality, Names, Operator, Question,
        Reconciliation, Recorded, Says, Side, Totals, Veiled, Withheld, explanations, listed,
        of_list, of_request, reconcile, registered,
    },
};
use remit_proto::v1::{self, statement::Body};

const AT: &str = "2026-06-01";

fn at(date: &str) -> i64 {
    format!("{date}T00:00:00Z").parse::<jiff::Timestamp>().unwrap().as_second()
}

fn item(line: &str) -> Item {
    let mut words = line.split_whitespace();
    let word = words.next().unwrap();
    let (exception, text) = match word.strip_prefix('!') {
        Some(text) => (true, text),
        None => (false, word),
    };
    let target: Target = match text.parse() {
        Ok(target) => target,
        Err(_) => Target::guess(text).unwrap().0,
    };
    let mut item = Item {
        target,
        exception,
        reference: String::new(),
        id: "r/1".to_owned(),
        from_s: None,
        until_s: None,
        in_force: true,
        state: "active".to_owned(),
        place: String::new(),
        recorded_s: None,
    };
    for word in words {
        match word.split_once('=') {
            Some(("ref", number)) => item.reference = number.to_owned(),
            Some(("from", date)) => item.from_s = Some(at(date)),
            Some(("until", date)) => item.until_s = Some(at(date)),
            Some(("recorded", date)) => item.recorded_s = Some(at(date)),
            Some(other) => panic!("{other:?}?"),
            None => (item.in_force, item.state) = (false, word.to_owned()),
        }
    }
    item.in_force &= item.from_s.is_none_or(|from| from <= at(AT))
        && item.until_s.is_none_or(|until| at(AT) < until);
    item
}

fn items(text: &str) -> Vec<Item> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(item).collect()
}

fn question() -> Question {
    Question {
        authority: "agency".to_owned(),
        at_s: at(AT),
        timing_s: 3 * 86_400,
        materiality: Materiality::Count(0),
    }
}

fn compared(authority: &str, operator: &str) -> Reconciliation {
    reconcile(question(), Authority::from(items(authority)), items(operator), Vec::new())
}

/// "CLASS target" of each row, sorted by class.
fn rows(found: &Reconciliation) -> Vec<String> {
    found.rows.iter().map(|row| format!("{} {}", row.class, row.target())).collect()
}

fn check(authority: &str, operator: &str, expected: &[&str]) {
    let found = compared(authority, operator);
    assert_eq!(rows(&found), expected, "\n{authority}\n{operator}");
    let figures = found.figures;
    assert_eq!(
        figures.entries,
        figures.matched
            + figures.differs
            + figures.only_authority
            + figures.only_operator
            + figures.timing
            + figures.count_only
    );
    let of = |side: Side, item: fn(&register::reconcile::Row) -> Option<&Item>| {
        let own = found.rows.iter().filter(|row| row.surplus.is_none_or(|surplus| surplus == side));
        own.filter_map(item).count() as u64
    };
    assert_eq!(
        of(Side::Authority, |row| row.authority.as_ref()) + figures.authority_left_out,
        distinct(authority),
        "each entry of the list is in one row of its own, or counted: {authority}"
    );
    assert_eq!(
        of(Side::Operator, |row| row.operator.as_ref()) + figures.operator_left_out,
        distinct(operator),
        "each entry of the register is in one row of its own, or counted: {operator}"
    );
}

/// Entries that count once.
fn distinct(text: &str) -> u64 {
    let key = |item: Item| (item.says(), item.reference, item.in_force);
    items(text).into_iter().map(key).collect::<std::collections::BTreeSet<_>>().len() as u64
}

#[test]
fn what_both_sides_name_alike_matches() {
    check("example.org", "example.org", &["MATCHED domain_exact:example.org"]);
    check("192.0.2.1 ref=7", "192.0.2.1 ref=7", &["MATCHED ip:192.0.2.1"]);
    check(
        "192.0.2.1 from=2026-01-01 until=2027-01-01",
        "192.0.2.1 from=2026-01-01 until=2027-01-01",
        &["MATCHED ip:192.0.2.1"],
    );
    // What one side does not give is not compared.
    check("192.0.2.1", "192.0.2.1 ref=7 from=2026-01-01", &["MATCHED ip:192.0.2.1"]);
    check("192.0.2.1 ref=7", "192.0.2.1", &["MATCHED ip:192.0.2.1"]);
    check("!www.example.org", "!www.example.org", &["MATCHED !domain_exact:www.example.org"]);
}

#[test]
fn what_both_sides_name_and_say_otherwise_differs_in_its_fields() {
    check("*.example.org", "example.org", &["DIFFERS(kind) domain_subtree:*.example.org"]);
    check(
        "url:http://example.org/a",
        "url_prefix:http://example.org/a",
        &["DIFFERS(kind) url:http://example.org/a"],
    );
    check(
        "example.org ref=7",
        "example.org ref=8",
        &["DIFFERS(reference) domain_exact:example.org"],
    );
    check("example.org", "!example.org", &["DIFFERS(exception) domain_exact:example.org"]);
    check("example.org", "example.org suspended", &["DIFFERS(state) domain_exact:example.org"]);
    check(
        "example.org from=2026-01-01",
        "example.org from=2026-02-01",
        &["DIFFERS(from) domain_exact:example.org"],
    );
    check(
        "example.org from=2026-01-01 until=2026-08-01",
        "example.org from=2026-01-01 until=2027-01-01",
        &["DIFFERS(until) domain_exact:example.org"],
    );
    check(
        "*.example.org ref=7 from=2026-01-01",
        "example.org ref=8 from=2026-02-01 withdrawn",
        &["DIFFERS(kind, reference, from, state) domain_subtree:*.example.org"],
    );
}

#[test]
fn a_page_is_not_its_host_and_an_address_not_its_prefix() {
    check(
        "https://example.org/page",
        "example.org",
        &["ONLY_OPERATOR domain_exact:example.org", "ONLY_AUTHORITY url:https://example.org/page"],
    );
    check(
        "192.0.2.0/24",
        "192.0.2.1",
        &["ONLY_OPERATOR ip:192.0.2.1", "ONLY_AUTHORITY cidr:192.0.2.0/24"],
    );
    check(
        "http://example.org/",
        "https://example.org/",
        &["ONLY_OPERATOR url:https://example.org/", "ONLY_AUTHORITY url:http://example.org/"],
    );
}

#[test]
fn what_one_side_names_alone() {
    check("example.org", "", &["ONLY_AUTHORITY domain_exact:example.org"]);
    check("", "example.org", &["ONLY_OPERATOR domain_exact:example.org"]);
    // What neither has in force is history.
    check("", "example.org withdrawn", &[]);
    check("example.org until=2026-01-01", "example.org until=2026-01-01", &[]);
    check("example.org until=2026-01-01", "", &[]);
}

#[test]
fn a_matter_of_time() {
    check(
        "example.org from=2026-01-01",
        "example.org from=2026-01-03",
        &["TIMING domain_exact:example.org"],
    );
    // The register took it in within three days before the list was made, from whenever it is in force.
    check(
        "",
        "example.org from=2026-05-01 recorded=2026-05-30",
        &["TIMING domain_exact:example.org"],
    );
    check(
        "",
        "example.org from=2026-05-31 recorded=2026-05-01",
        &["ONLY_OPERATOR domain_exact:example.org"],
    );
    check(
        "",
        "example.org from=2026-05-01 recorded=2026-06-02",
        &["ONLY_OPERATOR domain_exact:example.org"],
    );
    check("", "example.org from=2026-05-31", &["ONLY_OPERATOR domain_exact:example.org"]);
    let found = compared("", "example.org from=2026-05-31");
    let said = "When the register took in 1 entry that only it has is not known here";
    assert!(found.limits.iter().any(|limit| limit.starts_with(said)), "{:?}", found.limits);
    // Ended, or not yet begun, within three days.
    check(
        "example.org",
        "example.org from=2026-01-01 until=2026-05-31",
        &["TIMING domain_exact:example.org"],
    );
    check("example.org", "example.org from=2026-06-02", &["TIMING domain_exact:example.org"]);
    check(
        "example.org",
        "example.org from=2026-01-01 until=2026-05-01",
        &["DIFFERS(state) domain_exact:example.org"],
    );
    // Something else differs as well: then it is no matter of time.
    check(
        "example.org ref=7 from=2026-01-01",
        "example.org ref=8 from=2026-01-02",
        &["DIFFERS(reference) domain_exact:example.org"],
    );
}

#[test]
fn each_entry_stands_in_one_row_with_the_one_that_fits_it_best() {
    check(
        "example.org ref=1\nexample.org ref=2",
        "example.org ref=2\nexample.org ref=1",
        &["MATCHED domain_exact:example.org", "MATCHED domain_exact:example.org"],
    );
    check(
        "*.example.org\nexample.org",
        "example.org\n*.example.org",
        &["MATCHED domain_exact:example.org", "MATCHED domain_subtree:*.example.org"],
    );
    // An old version of the same that is over is not taken for it, on either side.
    check(
        "example.org ref=1",
        "example.org ref=1 withdrawn\nexample.org ref=1",
        &["MATCHED domain_exact:example.org"],
    );
    check(
        "example.org ref=1 until=2026-01-01\nexample.org ref=1 until=2027-01-01",
        "example.org ref=1 until=2027-01-01",
        &["MATCHED domain_exact:example.org"],
    );
    check(
        "example.org ref=1 lifted\nexample.org ref=2",
        "example.org ref=1\nexample.org ref=2",
        &["DIFFERS(state) domain_exact:example.org", "MATCHED domain_exact:example.org"],
    );
    let found = compared("example.org\nexample.org\nexample.org", "example.org");
    assert_eq!(rows(&found), ["MATCHED domain_exact:example.org"]);
    assert!(found.limits.iter().any(|l| l.starts_with("2 entries stand more than once")));
    let found = compared("example.org\nexample.org", "example.org");
    assert!(found.limits.iter().any(|l| l.starts_with("1 entry stands more than once")));
}

#[test]
fn what_the_other_side_has_under_another_number_is_not_absent() {
    check(
        "example.org ref=1\nexample.org ref=77",
        "example.org ref=1",
        &["DIFFERS(reference) domain_exact:example.org", "MATCHED domain_exact:example.org"],
    );
    check(
        "example.org ref=1",
        "example.org ref=1\nexample.org ref=4",
        &["DIFFERS(reference) domain_exact:example.org", "MATCHED domain_exact:example.org"],
    );
    let found = compared("a.example ref=1\na.example ref=77", "a.example ref=1");
    let row = &found.rows[0];
    assert_eq!((row.reference(), row.surplus), ("77", Some(Side::Authority)));
    let other = row.operator.as_ref().unwrap();
    assert_eq!(other.reference, "1", "under which number the other side has it");
    // It is about the entry that is there once more: who explains it does not explain the other.
    let found = compared("a.example ref=1", "a.example ref=2\na.example ref=3");
    assert_eq!(found.figures.differs, 2);
    assert_ne!(found.rows[0].id, found.rows[1].id);
    let numbers: Vec<&str> = found.rows.iter().map(register::reconcile::Row::reference).collect();
    assert_eq!(numbers, ["1", "3"]);
    assert_eq!(found.rows[1].surplus, Some(Side::Operator));
    // A list without numbers names it for each of them.
    check(
        "example.org",
        "example.org ref=1\nexample.org ref=4",
        &["MATCHED domain_exact:example.org", "MATCHED domain_exact:example.org"],
    );
    check(
        "example.org from=2026-01-01",
        "example.org ref=1 from=2025-01-01\nexample.org ref=4 from=2026-01-01",
        &["MATCHED domain_exact:example.org", "MATCHED domain_exact:example.org"],
    );
    // The other side had it, and has it no more.
    check(
        "example.org ref=1\nexample.org ref=77",
        "example.org ref=1 withdrawn",
        &[
            "DIFFERS(state) domain_exact:example.org",
            "DIFFERS(reference, state) domain_exact:example.org",
        ],
    );
    // A subtree is not there because its name is.
    check(
        "*.example.org ref=1\nexample.org ref=1",
        "example.org ref=1\nexample.org ref=4",
        &[
            "ONLY_AUTHORITY domain_subtree:*.example.org",
            "DIFFERS(reference) domain_exact:example.org",
            "MATCHED domain_exact:example.org",
        ],
    );
    // The list may be older.
    check(
        "example.org ref=1",
        "example.org ref=1\nexample.org ref=4 recorded=2026-05-31",
        &["TIMING domain_exact:example.org", "MATCHED domain_exact:example.org"],
    );
}

#[test]
fn a_list_is_compared_in_what_it_states() {
    // None of its entries has an end: it says nothing of ends.
    check(
        "a.example from=2026-01-01\nb.example from=2026-01-01",
        "a.example from=2026-01-01 until=2027-01-01\nb.example from=2026-01-01",
        &["MATCHED domain_exact:a.example", "MATCHED domain_exact:b.example"],
    );
    let found = compared("a.example ref=7 from=2026-01-01", "a.example ref=7 from=2026-01-01");
    let said = "The authority's list has no ends; they are not compared.";
    assert!(found.limits.iter().any(|limit| limit == said), "{:?}", found.limits);
    // One has: the other does not end.
    check(
        "a.example from=2026-01-01\nb.example from=2026-01-01 until=2027-01-01",
        "a.example from=2026-01-01 until=2027-01-01\nb.example from=2026-01-01 until=2027-01-01",
        &["DIFFERS(until) domain_exact:a.example", "MATCHED domain_exact:b.example"],
    );
    // The file has a column for them, in which nothing stands; its beginnings are none of its own.
    let list = List {
        says: Says { from: false, until: true },
        ..List::of(items("a.example from=2026-01-01"))
    };
    let operator = items("a.example from=2026-03-01 until=2027-01-01");
    let found = reconcile(question(), Authority::List(list), operator, Vec::new());
    assert_eq!(rows(&found), ["DIFFERS(until) domain_exact:a.example"]);
    let said = "no reference numbers and no beginnings";
    assert!(found.limits.iter().any(|limit| limit.contains(said)), "{:?}", found.limits);
    let found = compared("a.example from=2026-01-01", "a.example from=2026-01-03");
    assert_eq!(found.rows[0].class, Class::Timing(vec![Field::From]), "in what");
}

#[test]
fn what_a_row_that_was_not_read_may_name_is_not_said_to_be_missing() {
    let compared = |refused, operator: &str, materiality| {
        let list = List { refused, ..List::of(items("a.example ref=1\nd.example ref=1")) };
        let question = Question { materiality, ..question() };
        let operator = items(&format!("a.example ref=1\n{operator}"));
        reconcile(question, Authority::List(list), operator, Vec::new())
    };
    let found = compared(3, "b.example ref=1\na.example ref=9", Materiality::Count(1));
    assert_eq!(
        rows(&found),
        [
            "ONLY_OPERATOR domain_exact:b.example",
            "ONLY_AUTHORITY domain_exact:d.example",
            "DIFFERS(reference) domain_exact:a.example",
            "MATCHED domain_exact:a.example",
        ]
    );
    let unread: Vec<u64> = found.rows.iter().map(|row| row.unread).collect();
    assert_eq!(unread, [3, 0, 3, 0], "what the list names, it names");
    let figures = found.figures;
    assert_eq!((figures.unread, figures.unexplained, figures.material), (2, 1, false));
    // Nor is it in what a share is of: one of two.
    assert!(compared(3, "b.example", Materiality::Permille(499)).figures.material);
    assert!(!compared(3, "b.example", Materiality::Permille(500)).figures.material);
    let whole = compared(0, "b.example\na.example ref=9", Materiality::Count(1)).figures;
    assert_eq!((whole.unread, whole.unexplained, whole.material), (0, 3, true));
}

#[test]
fn what_is_in_no_row_is_counted() {
    let found = compared(
        "a.example\nb.example pending\nc.example until=2026-01-01",
        "a.example\nc.example withdrawn\nd.example expired\ne.example from=2027-01-01",
    );
    assert_eq!(rows(&found), ["MATCHED domain_exact:a.example"]);
    let figures = found.figures;
    assert_eq!((figures.authority, figures.authority_left_out), (1, 2));
    assert_eq!((figures.operator, figures.operator_left_out), (1, 3));
}

#[test]
fn totals_are_compared_with_totals() {
    let operator = items("192.0.2.1\n192.0.2.2\n192.0.2.3 withdrawn\n!192.0.2.4");
    let totals = Totals { requests: Some(1), targets: Some(3725) };
    let found = reconcile(question(), Authority::Totals(totals), operator, Vec::new());
    assert_eq!(rows(&found), ["COUNT_ONLY requests", "COUNT_ONLY targets"]);
    let counts = found.rows[1].counts.clone().unwrap();
    assert_eq!((counts.authority, counts.operator), (3725, 2));
    assert!(!found.rows[0].is_difference(), "the numbers are equal");
    let figures = found.figures;
    assert_eq!((figures.unexplained, figures.count_only, figures.counts_equal), (1, 2, 1));
    assert!(found.limits.iter().any(|limit| limit.contains("totals alone")));
}

#[test]
fn totals_are_material_by_how_far_they_are_apart() {
    let material = |targets, materiality| {
        let totals = Totals { requests: Some(1), targets: Some(targets) };
        let question = Question { materiality, ..question() };
        let operator = items("192.0.2.1\n192.0.2.2\n192.0.2.3\n192.0.2.4");
        reconcile(question, Authority::Totals(totals), operator, Vec::new()).figures.material
    };
    assert!(!material(4, Materiality::Count(0)));
    assert!(material(5, Materiality::Count(0)));
    assert!(!material(5, Materiality::Count(1)));
    assert!(material(5, Materiality::Permille(199)));
    assert!(!material(5, Materiality::Permille(200)), "one in five, and not one row in two");
    assert!(material(0, Materiality::Permille(1000)), "of none, anything is more");
}

const SAID: &str = r#"
[[explanation]]
class = "ONLY_OPERATOR"
side = "operator"
text = "asked by telephone; the letter is awaited"
by = "person-1"
[[explanation]]
target = "domain_exact:b.example"
reference = "7"
side = "authority"
text = "lifted on appeal"
[[explanation]]
target = "domain_exact:nobody.example"
side = "operator"
text = "fits nothing"
"#;

fn explained(said: Vec<Explanation>) -> Reconciliation {
    let authority = items("b.example ref=7\nc.example ref=8\nd.example");
    let operator = items("a.example\na2.example\nd.example");
    reconcile(question(), Authority::from(authority), operator, said)
}

#[test]
fn differences_are_explained_by_side() {
    let found = explained(explanations(SAID).unwrap());
    assert_eq!(
        rows(&found),
        [
            "ONLY_OPERATOR domain_exact:a.example",
            "ONLY_OPERATOR domain_exact:a2.example",
            "ONLY_AUTHORITY domain_exact:b.example",
            "ONLY_AUTHORITY domain_exact:c.example",
            "MATCHED domain_exact:d.example",
        ]
    );
    let figures = found.figures;
    assert_eq!(
        (figures.explained_by_operator, figures.explained_by_authority, figures.unexplained),
        (2, 1, 1)
    );
    assert!(found.rows[0].explained_by(Side::Operator));
    assert!(!found.rows[0].explained_by(Side::Authority));
    assert_eq!(found.unused.len(), 1, "what fits nothing is not lost");
    assert_eq!(found.unused[0].text, "fits nothing");
}

#[test]
fn a_row_keeps_its_id_and_so_its_explanation() {
    let id = explained(Vec::new()).rows[2].id.clone();
    let said =
        format!("[[explanation]]\ndifference = \"{id}\"\nside = \"operator\"\ntext = \"x\"\n");
    let said = explanations(&[said.as_str(), said.as_str()].concat()).unwrap();
    let found = explained(said);
    assert_eq!(found.rows[2].explanations.len(), 1, "said twice, kept once");
    // Another class is another difference: what was said of the old one does not explain it.
    let moved = reconcile(
        question(),
        Authority::from(items("b.example ref=7")),
        items("b.example ref=9"),
        found.rows[2].explanations.clone(),
    );
    assert_eq!(moved.figures.unexplained, 1);
    assert_eq!(moved.unused.len(), 1);
}

#[test]
fn what_is_over_and_what_stands_under_one_number_are_two_rows_of_two_ids() {
    let authority =
        "b.example ref=7 from=2026-01-01\nb.example ref=7 from=2025-01-01 until=2026-01-01";
    let operator = "b.example ref=7 from=2026-02-01\nb.example ref=8 from=2025-01-01";
    check(
        authority,
        operator,
        &["DIFFERS(from) domain_exact:b.example", "DIFFERS(reference) domain_exact:b.example"],
    );
    let found = compared(authority, operator);
    assert_ne!(found.rows[0].id, found.rows[1].id);
    let id = &found.rows[0].id;
    let said =
        format!("[[explanation]]\ndifference = \"{id}\"\nside = \"operator\"\ntext = \"x\"\n");
    let said = explanations(&said).unwrap();
    let (authority, operator) = (Authority::from(items(authority)), items(operator));
    let found = reconcile(question(), authority, operator, said);
    assert_eq!((found.figures.unexplained, found.figures.explained_by_operator), (1, 1));
    assert_eq!(found.unused, []);
}

#[test]
fn explanations_that_say_nothing_are_refused() {
    let refused = |text: &str, said: &str| {
        let error = explanations(text).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    };
    refused("[[explanation]]\nside = \"operator\"\ntext = \"x\"", "1: difference: missing");
    refused(
        "[[explanation]]\nclass = \"WRONG\"\nside = \"operator\"\ntext = \"x\"",
        "class: \"WRONG\" is no class",
    );
    refused(
        "[[explanation]]\ntarget = \"x\"\nside = \"court\"\ntext = \"x\"",
        "unknown variant `court`",
    );
    refused("[[explanation]]\ntarget = \"x\"\nside = \"operator\"\ntext = \" \"", "text: missing");
    refused(
        "[[explanation]]\ntarget = \"x\"\nside = \"operator\"\ntext = \"a\\u001bb\"",
        "holds a control character",
    );
    refused(
        "[[explanation]]\ntarget = \"x\"\nside = \"operator\"\ntext = \"a\\u202eb\"",
        "turns the direction of text",
    );
    refused("[[explanation]]\ntarget = \"x\"\nwhy = \"x\"", "unknown field `why`");
    for name in ["Herr Maier", "Maier", "person_1"] {
        let text = format!(
            "[[explanation]]\ntarget = \"x\"\nside = \"operator\"\ntext = \"x\"\nby = {name:?}"
        );
        let want = "1: by: it is no id of a person; write the person's opaque id, 1 to 63 of a-z, 0-9 and '-'";
        refused(&text, want);
        let said = explanations(&text).unwrap_err().to_string();
        assert!(!said.contains(name), "a name is not repeated: {said}");
    }
    let long = "x".repeat(2_001);
    refused(
        &format!("[[explanation]]\ntarget = \"x\"\nside = \"operator\"\ntext = \"{long}\""),
        "longer than 2000 bytes",
    );
}

#[test]
fn materiality_is_a_number_or_a_share() {
    let unexplained = |materiality| {
        let question = Question { materiality, ..question() };
        let authority = Authority::from(items("a.example\nb.example\nc.example\nd.example"));
        reconcile(question, authority, items("a.example\nb.example\nc.example"), Vec::new())
            .figures
            .material
    };
    assert!(unexplained(Materiality::Count(0)));
    assert!(!unexplained(Materiality::Count(1)));
    assert!(unexplained(Materiality::Permille(249)));
    assert!(!unexplained(Materiality::Permille(250)), "one in four");
    assert_eq!(Materiality::Permille(5).to_string(), "0.5% of all entries");
    let totals = Authority::Totals(Totals { requests: None, targets: Some(4) });
    let threshold = |materiality| {
        let question = Question { materiality, ..question() };
        reconcile(question, totals.clone(), Vec::new(), Vec::new()).threshold()
    };
    assert_eq!(threshold(Materiality::Permille(10)), "1% of the authority's number");
    assert_eq!(threshold(Materiality::Count(1)), "a difference of 1");
    let nothing = reconcile(question(), Authority::from(Vec::new()), Vec::new(), Vec::new());
    assert!(!nothing.figures.material, "nothing was compared");
}

const REQUESTS: &str = r#"
time_zone = "UTC"
end_date = "removal_day"
[[request]]
id = "agency/1"
external_ref = "27-31"
instrument = "regulator_order"
form = "portal_list"
authority = { id = "agency", name = "The Agency" }
from = 2026-01-01
territories = ["*"]
outcome_only = true
targets = [{ kind = "domain_exact", value = "a.example" },
           { kind = "domain_exact", value = "gone.example", removed = "2026-02-01" }]
exceptions = ["domain_exact:open.example"]
[[request]]
id = "court/1"
instrument = "court_order_final"
form = "letter"
authority = { id = "court", name = "Court" }
shared_by = "agency"
from = 2026-01-01
until = 2026-03-01
territories = ["*"]
outcome_only = true
targets = ["ip:192.0.2.1"]
[[request]]
id = "other/1"
instrument = "court_order_final"
form = "letter"
authority = { id = "agency-2", name = "agency of another kind" }
from = 2026-01-01
territories = ["*"]
outcome_only = true
targets = ["ip:192.0.2.2"]
"#;

/// One request of the agency, in Germany, since the beginning of 2026.
fn of_agency(targets: &str, more: &str) -> Imported {
    from_toml(&format!(
        "[[request]]\nid = \"r/1\"\ninstrument = \"court_order_final\"\nform = \"letter\"\n\
         from = \"2026-01-01T00:00:00Z\"\nterritories = [\"DE\"]\noutcome_only = true\n\
         authority = {{ id = \"agency\" }}\ntargets = {targets}\n{more}\n"
    ))
    .unwrap()
}

fn register(imported: Imported) -> Register {
    let mut register = Register::new("example.net/register");
    enter(&mut register, imported.merge(&[]).requests, at("2026-01-01"));
    register
}

fn enter(register: &mut Register, requests: Vec<v1::Request>, effective_at_s: i64) {
    let items = to_items(requests);
    let set = v1::ItemSet { count: items.len() as u64, ..v1::ItemSet::default() };
    let statement = v1::Statement {
        format: 1,
        origin: "example.net/register".into(),
        recorded_at_s: at("2026-01-01"),
        effective_at_s,
        body: Some(Body::Import(v1::Import { items: Some(set), ..v1::Import::default() })),
        ..v1::Statement::default()
    };
    register.apply(&statement, Some(items)).unwrap();
}

#[test]
fn what_the_operator_did_not_accept_is_not_in_force_and_windows_count_on_both_sides() {
    let text = |more: &str| of_agency("[\"ip:192.0.2.1\", \"ip:192.0.2.2\"]", more);
    let names = |items: Vec<Item>| -> Vec<String> {
        items
            .iter()
            .map(|item| format!("{} {} {}", item.says(), item.in_force, item.state))
            .collect()
    };
    let decided = "decision = { kind = \"partial\", reason = \"service_not_covered\", not_accepted = [\"ip:192.0.2.2\"] }";
    let register = register(text(decided));
    let items = registered(&register.view(), Names::new("agency"), at(AT));
    assert_eq!(names(items), ["ip:192.0.2.1 true active", "ip:192.0.2.2 false not accepted"]);
    let daily = "time_zone = \"Europe/Berlin\"\nuntil = \"2026-12-01T00:00:00Z\"\n\
                 windows = [{ from = \"2026-01-10T00:00:00Z\", until = \"2026-01-11T00:00:00Z\" }]";
    let requests = text(daily).merge(&[]).requests;
    let none = "false outside its windows";
    let want = [format!("ip:192.0.2.1 {none}"), format!("ip:192.0.2.2 {none}")];
    assert_eq!(names(listed(&requests, at(AT))), want);
    let open = names(listed(&requests, at("2026-01-10")));
    assert!(open.iter().all(|item| item.ends_with("true listed")), "{open:?}");
}

#[test]
fn the_text_of_then_is_compared_and_not_one_that_applies_later() {
    let text = |target: &str| of_agency(&format!("[\"{target}\"]"), "");
    let mut register = register(text("ip:192.0.2.1"));
    let held: Vec<Held> =
        register.view().requests().map(|entry| Held::of(&entry, at(AT))).collect();
    enter(&mut register, text("ip:192.0.2.2").merge(&held).requests, at("2026-07-01"));
    let names = |at_s| -> Vec<String> {
        let items = registered(&register.view(), Names::new("agency"), at_s);
        items.iter().map(|item| format!("{} {}", item.says(), item.in_force)).collect()
    };
    assert_eq!(names(at(AT)), ["ip:192.0.2.1 true"]);
    assert_eq!(names(at("2026-07-02")), ["ip:192.0.2.2 true"]);
}

#[test]
fn the_register_gives_what_it_holds_of_the_authority() {
    let register = register(from_toml(REQUESTS).unwrap());
    let said = |authority: &str| -> Vec<String> {
        registered(&register.view(), Names::new(authority), at(AT))
            .iter()
            .map(|i| format!("{} {} {} {}", i.says(), i.reference, i.in_force, i.state))
            .collect()
    };
    assert_eq!(
        said("agency"),
        [
            "domain_exact:a.example 27-31 true active",
            "domain_exact:gone.example 27-31 false active",
            "!domain_exact:open.example 27-31 true active",
            "ip:192.0.2.1  false expired",
        ],
        "its own and what it passed on; not what only sounds like it"
    );
    assert_eq!(said("The Agency").len(), 3);
    assert!(said("nobody").is_empty());
}

#[test]
fn a_list_that_was_imported_matches_itself() {
    let imported = from_toml(REQUESTS).unwrap();
    let of_agency: Vec<v1::Request> =
        imported.requests.iter().filter(|r| r.id != "other/1").cloned().collect();
    let authority = listed(&of_agency, at(AT));
    let register = register(imported);
    let operator = registered(&register.view(), Names::new("agency"), at(AT));
    let found = reconcile(question(), Authority::from(authority), operator, Vec::new());
    assert_eq!(
        rows(&found),
        ["MATCHED !domain_exact:open.example", "MATCHED domain_exact:a.example"]
    );
    let lines = from_lines(b"a.example\nb.example\n!open.example\n").unwrap();
    let operator = registered(&register.view(), Names::new("agency"), at(AT));
    let found = reconcile(question(), Authority::from(of_list(&lines)), operator, Vec::new());
    assert_eq!(
        rows(&found),
        [
            "ONLY_AUTHORITY domain_exact:b.example",
            "MATCHED !domain_exact:open.example",
            "MATCHED domain_exact:a.example"
        ]
    );
    assert!(found.limits.iter().any(|l| l.contains("no dates")), "{:?}", found.limits);
}

#[test]
fn the_same_two_sides_give_the_same_statement_in_any_order() {
    let authority = items("a.example ref=1\n*.b.example\nc.example\nd.example from=2026-01-01");
    let operator = items("a.example ref=2\nb.example\ne.example\nd.example from=2026-01-02");
    let forward =
        reconcile(question(), Authority::from(authority.clone()), operator.clone(), Vec::new());
    let backward = reconcile(
        question(),
        Authority::from(authority.into_iter().rev().collect::<Vec<_>>()),
        operator.into_iter().rev().collect::<Vec<_>>(),
        Vec::new(),
    );
    assert_eq!(forward, backward);
}

/// A request with these parts closed and not shown.
fn closed(id: &str, authority: &str, parts: &[v1::RequestPart]) -> v1::Request {
    let text = format!(
        "[[request]]\nid = \"{id}\"\ninstrument = \"court_order_final\"\nform = \"letter\"\n\
         from = \"2026-01-01T00:00:00Z\"\nterritories = [\"DE\"]\ntechniques = [\"ip_acl_drop\"]\n\
         targets = [\"ip:192.0.2.7\"]\nexternal_ref = \"7\"\nauthority = {{ id = \"{authority}\" }}\n"
    );
    let mut wire = from_toml(&text).unwrap().merge(&[]).requests.remove(0);
    for part in parts {
        let closed = v1::ClosedPart {
            part: (*part).into(),
            tier: v1::DisclosureTier::Secret.into(),
            ..v1::ClosedPart::default()
        };
        let salt = || Ok::<_, std::convert::Infallible>(evidence::commitment::Salt([7; 16]));
        evidence::closed::close(&mut wire, closed, salt).unwrap().unwrap();
    }
    wire
}

#[test]
fn requests_whose_authority_or_reference_is_hidden_are_counted() {
    let request = |id: &str, authority: &str, parts: &[v1::RequestPart]| {
        register::Request::try_from(closed(id, authority, parts)).unwrap()
    };
    let (authority, reference) = (v1::RequestPart::Authority, v1::RequestPart::Reference);
    let requests = [
        request("seen", "agency", &[]),
        request("numberless", "agency", &[reference]),
        request("nobodys", "agency", &[authority]),
        request("neither", "agency", &[authority, reference]),
        // It is another authority's, whatever its number.
        request("others", "court", &[reference]),
    ];
    let veiled = Veiled::among(&requests, Names::new("agency"));
    assert_eq!(veiled, Veiled { authority: 2, reference: 1 });
    let said = veiled.says().join(" ");
    assert!(said.contains("of 2 requests of the register"), "{said}");
    assert!(said.contains("of 1 request of this authority"), "{said}");
    assert!(Veiled::among(&requests[..1], Names::new("agency")).says().is_empty());
}

#[test]
fn what_a_withheld_request_may_stand_for_is_not_missing() {
    let (targets, authority) = (v1::RequestPart::Targets, v1::RequestPart::Authority);
    let list = "192.0.2.7\n192.0.2.8";
    let unknown = |requests: &[(v1::Request, bool)], none_of: u64| {
        let mut withheld = Withheld::default();
        withheld.saw_none_of(none_of);
        for (request, in_force) in requests {
            let request = register::Request::try_from(request.clone()).unwrap();
            withheld.saw(&request, *in_force, Names::new("agency"));
        }
        let operator = Operator { items: Vec::new(), withheld };
        let found = reconcile(question(), Authority::from(items(list)), operator, Vec::new());
        let unknown = found.rows.iter().map(|row| row.withheld).collect::<Vec<_>>();
        assert_eq!(found.figures.only_authority, 2);
        assert_eq!(found.figures.unexplained + found.figures.unread, 2);
        assert_eq!(found.figures.material, found.figures.unexplained > 0);
        unknown
    };
    let ours = closed("r/1", "agency", &[targets]);
    let perhaps = closed("r/2", "agency", &[authority]);
    let mut seen = ours.clone();
    seen.task = closed("r/1", "agency", &[]).task;
    assert_eq!(unknown(&[(seen, true)], 0), [0, 0], "they are closed, and shown to this reader");
    assert_eq!(unknown(&[], 0), [0, 0]);
    assert_eq!(unknown(&[(ours.clone(), true)], 0), [1, 1], "it may name either");
    assert_eq!(unknown(&[(ours.clone(), false)], 0), [0, 0], "it is not in force");
    assert_eq!(unknown(&[(perhaps.clone(), true)], 0), [1, 0], "what it names is shown");
    assert_eq!(unknown(&[(closed("r/3", "agency", &[authority, targets]), true)], 0), [1, 1]);
    assert_eq!(unknown(&[(closed("r/4", "court", &[targets]), true)], 0), [0, 0], "another's");
    assert_eq!(unknown(&[(ours, true), (perhaps, true)], 2), [4, 3]);
}

#[test]
fn what_a_better_entry_may_be_missing_for_is_not_said_to_differ() {
    let rows_of = |list: &str, register: &str, refused: u64, none_of: u64| {
        let list = List { refused, ..List::of(items(list)) };
        let mut operator = Operator::from(items(register));
        operator.withheld.saw_none_of(none_of);
        let found = reconcile(question(), Authority::List(list), operator, Vec::new());
        let figures = (found.figures.unread, found.figures.unexplained);
        (rows(&found), figures)
    };
    let (kind, number) = (("*.a.example", "a.example"), ("a.example ref=1", "a.example ref=2"));
    let unread =
        |sides: (&str, &str), refused, none_of| rows_of(sides.0, sides.1, refused, none_of).1;
    assert_eq!(rows_of(kind.0, kind.1, 1, 0).0, ["DIFFERS(kind) domain_subtree:*.a.example"]);
    assert_eq!(unread(kind, 0, 0), (0, 1));
    assert_eq!(unread(kind, 1, 0), (1, 0));
    assert_eq!(unread(kind, 0, 1), (1, 0));
    assert_eq!(unread(("!a.example", "a.example"), 1, 0), (1, 0));
    // Whatever was refused, the list has the one number and the register the other.
    assert_eq!(unread(number, 1, 0), (0, 1));
}

#[test]
fn a_constant_number_of_a_mapping_is_no_rows_own() {
    let mapping = |more: &str| {
        let text = format!(
            "[columns]\nid = \"No\"\n{more}[[targets]]\ncolumn = \"Address\"\nkind = \"ip\"\n[constants]\n\
             instrument = \"court_order_final\"\nform = \"letter\"\nfrom = \"2026-01-01T00:00:00Z\"\n\
             territories = [\"DE\"]\noutcome_only = true\nexternal_ref = \"27-31\"\n"
        );
        Mapping::parse(&text).unwrap()
    };
    let of = |mapping: &Mapping, purpose| {
        let table = b"No,Address,Ref\nr/1,192.0.2.7,\nr/2,192.0.2.8,9\n";
        let read = csv_for(table, mapping, purpose).unwrap().requests;
        listed(&read, at(AT)).into_iter().map(|item| item.reference).collect::<Vec<_>>()
    };
    let (constant, column) = (mapping(""), mapping("external_ref = \"Ref\"\n"));
    assert_eq!(of(&constant, Purpose::Compare), ["", ""]);
    assert_eq!(of(&column, Purpose::Compare), ["", "9"]);
    assert_eq!(of(&constant, Purpose::Enter), ["27-31", "27-31"]);
    assert_eq!(of(&column, Purpose::Enter), ["27-31", "9"]);
}

#[test]
fn a_list_that_does_not_say_how_is_read_to_be_compared_and_not_to_be_entered() {
    let row = "instrument = \"court_order_final\"\nform = \"letter\"\nfrom = \"2026-01-01T00:00:00Z\"\n\
               territories = [\"DE\"]\n";
    let toml = format!("[[request]]\nid = \"r/1\"\n{row}targets = [\"ip:192.0.2.7\"]\n");
    let json = r#"{ "requests": [ { "id": "r/1", "instrument": "court_order_final", "form": "letter",
        "from": "2026-01-01T00:00:00Z", "territories": ["DE"], "targets": ["ip:192.0.2.7"] } ] }"#;
    let mapping = format!(
        "[columns]\nid = \"No\"\n[[targets]]\ncolumn = \"Address\"\nkind = \"ip\"\n[constants]\n{row}"
    );
    let mapping = Mapping::parse(&mapping).unwrap();
    let table = b"No,Address\nr/1,192.0.2.7\n";
    let entered = [from_toml(&toml), from_json(json), from_csv(table, &mapping)];
    for imported in entered {
        let report = imported.unwrap().report;
        let Action::Refused(problem) = &report[0].action else { panic!("{report:?}") };
        assert!(problem.contains("permits nothing"), "{problem}");
    }
    let compare = Purpose::Compare;
    let lists =
        [toml_for(&toml, compare), json_for(json, compare), csv_for(table, &mapping, compare)];
    for imported in lists {
        let imported = imported.unwrap();
        assert_eq!(imported.report[0].action, Action::Accepted);
        let found = reconcile(
            question(),
            Authority::from(listed(&imported.requests, at(AT))),
            items("192.0.2.7"),
            Vec::new(),
        );
        assert_eq!(rows(&found), ["MATCHED ip:192.0.2.7"]);
    }
}

#[test]
fn the_register_says_when_it_took_in_what_a_request_names() {
    let text = |targets: &str| of_agency(targets, "").merge(&[]).requests.remove(0);
    let texts = [
        text("[\"ip:192.0.2.1\", \"ip:192.0.2.2\"]"),
        text("[\"ip:192.0.2.1\"]"),
        text("[\"ip:192.0.2.1\", \"ip:192.0.2.2\", \"ip:192.0.2.3\"]"),
    ]
    .map(|wire| register::Request::try_from(wire).unwrap());
    let recorded = Recorded::at(300).after(&texts[1], 200).after(&texts[0], 100);
    let of: Vec<Option<i64>> = of_request(&texts[2], "active", true, None, at(AT), &recorded)
        .map(|item| item.recorded_s)
        .collect();
    assert_eq!(of, [Some(100), Some(300), Some(300)], "what was taken out came in again");
    let recorded = recorded.after_others();
    let first = of_request(&texts[2], "active", true, None, at(AT), &recorded).next();
    assert_eq!(first.unwrap().recorded_s, None, "it may have come in earlier");
    let register = register(from_toml(REQUESTS).unwrap());
    let items = registered(&register.view(), Names::new("agency"), at(AT));
    assert!(items.iter().all(|item| item.recorded_s == Some(at("2026-01-01"))), "{items:?}");
}

/// Lines about two names and their subtrees, by few numbers, in force or over.
fn entries() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("a.example"), Just("*.a.example"), Just("!a.example")];
    let number = prop_oneof![Just(""), Just(" ref=1"), Just(" ref=2"), Just(" ref=3")];
    let rest = prop_oneof![3 => Just(""), 1 => Just(" over"), 1 => Just(" until=2026-01-01")];
    let line = (name, number, rest).prop_map(|(name, number, rest)| [name, number, rest].concat());
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"))
}

proptest! {
    /// Whatever the two sides name: nothing is lost, nothing is called missing that the other side has, and in whatever
    /// order they say it, the statement is the same.
    #[test]
    fn what_is_missing_on_a_side_is_named_nowhere_on_it(authority in entries(), operator in entries()) {
        let found = compared(&authority, &operator);
        check(&authority, &operator, &rows(&found).iter().map(String::as_str).collect::<Vec<_>>());
        let names = |text: &str| -> Vec<String> { items(text).iter().map(Item::says).collect() };
        for row in &found.rows {
            match row.class {
                Class::OnlyAuthority => prop_assert!(!names(&operator).contains(&row.target())),
                Class::OnlyOperator => prop_assert!(!names(&authority).contains(&row.target())),
                Class::Matched | Class::Differs(_) | Class::Timing(_) | Class::CountOnly => {}
            }
        }
        let reversed = |text: &str| text.lines().rev().collect::<Vec<_>>().join("\n");
        prop_assert_eq!(&compared(&reversed(&authority), &reversed(&operator)).rows, &found.rows);
        let mut ids: Vec<&str> = found.rows.iter().map(|row| row.id.as_str()).collect();
        ids.sort_unstable();
        let all = ids.len();
        ids.dedup();
        prop_assert_eq!(ids.len(), all, "each difference has its own id");
    }
}
