//! An authority's list against the register: each class of DOMAIN.md 3d, in a language of its own.
//!
//! `<target> [ref=<number>] [from=<date>] [until=<date>] [recorded=<date>] [<state>]`, one entry on a line. An entry
//! is in force on the day of the question, 2026-06-01, unless its bounds or its state say otherwise.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its own data has failed")]

use proptest::prelude::*;
use register::{
    Target,
    reconcile::{
        Authority, Class, Explanation, Field, Item, List, Materiality, Question, Reconciliation,
        Says, Side, Totals, explanations, reconcile,
    },
};

mod sides;

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
