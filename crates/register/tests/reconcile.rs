//! An authority's list against the register: each class of DOMAIN.md 3d, in a language of its own.
//!
//! `<target> [ref=<number>] [from=<date>] [until=<date>] [<state>]`, one entry on a line. An entry is in force
//! on the day of the question, 2026-06-01, unless its bounds or its state say otherwise.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its own data has failed")]

use register::{
    Register, Target,
    import::{Imported, from_toml, to_items},
    list::from_lines,
    reconcile::{
        Authority, Explanation, Item, Materiality, Names, Question, Reconciliation, Side, Totals,
        Veiled, explanations, listed, of_list, reconcile, registered,
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
    };
    for word in words {
        match word.split_once('=') {
            Some(("ref", number)) => item.reference = number.to_owned(),
            Some(("from", date)) => item.from_s = Some(at(date)),
            Some(("until", date)) => item.until_s = Some(at(date)),
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
    reconcile(question(), Authority::Items(items(authority)), items(operator), Vec::new())
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
        "example.org from=2026-01-01",
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
    // Entered within three days before the list was made.
    check("", "example.org from=2026-05-30", &["TIMING domain_exact:example.org"]);
    check("", "example.org from=2026-05-20", &["ONLY_OPERATOR domain_exact:example.org"]);
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
    check(
        "example.org ref=1\nexample.org ref=2",
        "example.org ref=2",
        &["ONLY_AUTHORITY domain_exact:example.org", "MATCHED domain_exact:example.org"],
    );
    // An old version of the same that is over is not taken for it.
    check(
        "example.org ref=1",
        "example.org ref=1 withdrawn\nexample.org ref=1",
        &["MATCHED domain_exact:example.org"],
    );
    let found = compared("example.org\nexample.org\nexample.org", "example.org");
    assert_eq!(rows(&found), ["MATCHED domain_exact:example.org"]);
    assert!(found.limits.iter().any(|l| l.starts_with("2 entries stand more than once")));
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
    assert_eq!(found.figures.unexplained, 1);
    assert!(found.limits.iter().any(|limit| limit.contains("totals alone")));
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
    reconcile(question(), Authority::Items(authority), operator, said)
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
        Authority::Items(items("b.example ref=7")),
        items("b.example ref=9"),
        found.rows[2].explanations.clone(),
    );
    assert_eq!(moved.figures.unexplained, 1);
    assert_eq!(moved.unused.len(), 1);
}

#[test]
fn an_explanation_by_id_is_for_every_row_of_that_id() {
    let compared = |said| {
        let authority = items(
            "b.example ref=7 from=2026-01-01\nb.example ref=7 from=2025-01-01 until=2026-01-01",
        );
        let operator = items("b.example ref=7 from=2026-02-01\nb.example ref=8 from=2025-01-01");
        reconcile(question(), Authority::Items(authority), operator, said)
    };
    let found = compared(Vec::new());
    assert_eq!(found.rows.len(), 2);
    assert_eq!(found.rows[0].id, found.rows[1].id, "one target under one reference");
    assert_eq!(found.figures.unexplained, 2);
    let id = &found.rows[0].id;
    let said =
        format!("[[explanation]]\ndifference = \"{id}\"\nside = \"operator\"\ntext = \"x\"\n");
    let found = compared(explanations(&said).unwrap());
    assert_eq!((found.figures.unexplained, found.figures.explained_by_operator), (0, 2));
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
        let authority = Authority::Items(items("a.example\nb.example\nc.example\nd.example"));
        reconcile(question, authority, items("a.example\nb.example\nc.example"), Vec::new())
            .figures
            .material
    };
    assert!(unexplained(Materiality::Count(0)));
    assert!(!unexplained(Materiality::Count(1)));
    assert!(unexplained(Materiality::Permille(249)));
    assert!(!unexplained(Materiality::Permille(250)), "one in four");
    assert_eq!(Materiality::Permille(5).to_string(), "0.5% of all entries");
    let nothing = reconcile(question(), Authority::Items(Vec::new()), Vec::new(), Vec::new());
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

fn register(imported: Imported) -> Register {
    let items = to_items(imported.merge(&[]).requests);
    let set = v1::ItemSet { count: items.len() as u64, ..v1::ItemSet::default() };
    let statement = v1::Statement {
        format: 1,
        origin: "example.net/register".into(),
        recorded_at_s: at("2026-01-01"),
        effective_at_s: at("2026-01-01"),
        body: Some(Body::Import(v1::Import { items: Some(set), ..v1::Import::default() })),
        ..v1::Statement::default()
    };
    let mut register = Register::new("example.net/register");
    register.apply(&statement, Some(items)).unwrap();
    register
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
    let found = reconcile(question(), Authority::Items(authority), operator, Vec::new());
    assert_eq!(
        rows(&found),
        ["MATCHED !domain_exact:open.example", "MATCHED domain_exact:a.example"]
    );
    let lines = from_lines(b"a.example\nb.example\n!open.example\n").unwrap();
    let operator = registered(&register.view(), Names::new("agency"), at(AT));
    let found = reconcile(question(), Authority::Items(of_list(&lines)), operator, Vec::new());
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
        reconcile(question(), Authority::Items(authority.clone()), operator.clone(), Vec::new());
    let backward = reconcile(
        question(),
        Authority::Items(authority.into_iter().rev().collect()),
        operator.into_iter().rev().collect(),
        Vec::new(),
    );
    assert_eq!(forward, backward);
}

#[test]
fn requests_whose_authority_or_reference_is_hidden_are_counted() {
    let request = |id: &str, authority: &str, parts: &[v1::RequestPart]| {
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
        register::Request::try_from(wire).unwrap()
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
    assert!(said.contains("of 1 requests of this authority"), "{said}");
    assert!(Veiled::among(&requests[..1], Names::new("agency")).says().is_empty());
}
