//! The statement in its forms, from two sides to text.

use register::reconcile::{Authority, Item, Materiality, Operator, Row, Totals, explanations};

use super::*;
use crate::commands::summary::html;

fn item(name: &str, reference: &str) -> Item {
    Item {
        target: format!("keyword:{name}").parse().unwrap(),
        exception: false,
        reference: reference.to_owned(),
        id: "reg/1".to_owned(),
        from_s: Some(1_700_000_000),
        until_s: None,
        in_force: true,
        state: "active".to_owned(),
        place: String::new(),
        recorded_s: None,
    }
}

/// A statement in which everything that a stranger could choose is `name`.
fn hostile(name: &str) -> Statement {
    let question = Question {
        authority: name.to_owned(),
        at_s: 1_790_000_000,
        timing_s: 0,
        materiality: Materiality::Permille(10),
    };
    let authority = vec![item(&format!("{name}1"), name), item(&format!("{name}2"), name)];
    let operator = vec![item(&format!("{name}2"), "7"), item(&format!("{name}3"), name)];
    let said = format!(
        "[[explanation]]\nclass = \"ONLY_OPERATOR\"\nside = \"operator\"\ntext = '''{name}'''\n\
         [[explanation]]\ntarget = \"nobody\"\nside = \"authority\"\ntext = '''{name}'''\n"
    );
    let said = explanations(&said).unwrap();
    let given = Given::of(Authority::from(authority), vec![format!("line 1: refused: {name}")]);
    let held = Held {
        operator: operator.into(),
        origin: "example.net/register".to_owned(),
        size: 7,
        root: "ab".repeat(32),
        source: name.to_owned(),
        gaps: vec![name.to_owned()],
        authorities: held::Authorities { holds_asked: true, ..held::Authorities::default() },
        code: Code::Ok,
    };
    make(question, given, held, said, 1_790_000_100)
}

const ATTACK: &str = "</td><script>alert(1)</script><b title=\"&";

#[test]
fn a_hostile_list_is_text_in_every_field() {
    let page = html::html(&page::page(&hostile(ATTACK)));
    assert!(page.matches("&lt;script&gt;").count() > 8, "the attack is shown, as text");
    for markup in ["<script", "</script", "<b title"] {
        assert!(!page.contains(markup), "{markup}");
    }
    for elsewhere in ["http:", "https:", "src=", "url(", "@import", "<link"] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    for link in page.split("href=\"#").skip(1) {
        let id = link.split('"').next().unwrap();
        assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
    }
    let csv = String::from_utf8(hostile("=1+1").csv().unwrap()).unwrap();
    assert!(csv.contains(",'=1+1,"), "{csv}");
}

#[test]
fn the_statement_says_from_what_and_how_it_was_made() {
    let statement = hostile("agency");
    let text = text::text(&page::page(&statement), 100);
    for said in [
        "Reconciliation of agency's list with the register",
        "This comparison is incomplete: 1 of 2 rows of the authority's list could not be read. 1 entry of the",
        "3 entries compared: 0 match, 2 differ, 2 of them unexplained by either side; of 1 it is not known.",
        "As far as it was read, that is material: the threshold is 1% of all entries.",
        "Only in the register (ONLY_OPERATOR): 1, 0 unexplained, 1 not known",
        "it is not among the rows of the authority's list that were read. 1 row was refused",
        "Differs in reference: agency in the list, 7 in the register.",
        "The operator says: agency",
        "Register example.net/register at size 7, root abab",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "Explanations that fit nothing",
        "1 row of the authority's list refused",
        "1 row of the authority's list was refused and is not compared; this statement names it.",
    ] {
        assert!(text.replace("\n    ", " ").replace('\n', " ").contains(said), "{said}\n{text}");
    }
}

#[test]
fn a_statement_carries_the_explanations_of_the_one_before() {
    let first = hostile("agency");
    let bytes = first.json().to_string().into_bytes();
    let carried = statement::explained(&bytes, "agency").unwrap();
    assert_eq!(carried.len(), 2, "the one that fits nothing is carried too");
    let question = first.found.question.clone();
    let rows = &first.found.rows;
    let authority: Vec<Item> = rows.iter().filter_map(|row| row.authority.clone()).collect();
    let operator: Vec<Item> = rows.iter().filter_map(|row| row.operator.clone()).collect();
    let again = compared(question, Authority::from(authority), operator, carried);
    assert_eq!((again.figures.unread, again.figures.unexplained), (0, 2), "now it was read whole");
    let text = |row: &Row| row.explanations.iter().map(|e| e.text.clone()).collect::<Vec<_>>();
    assert_eq!(
        again.rows.iter().map(text).collect::<Vec<_>>(),
        first.found.rows.iter().map(text).collect::<Vec<_>>()
    );
    let named = first.json().to_string().replace(r#""by":"""#, r#""by":"Herr Maier""#);
    for (bytes, authority, said) in [
        (bytes.as_slice(), "court", "it is about \"agency\""),
        (b"{}".as_slice(), "agency", "no statement"),
        (named.as_bytes(), "agency", "explanation 1: by: it is no id of a person"),
        (
            b"{\"format\":\"x\",\"authority\":\"\",\"differences\":[],\"explanations_unused\":[]}",
            "agency",
            "its format is \"x\"",
        ),
    ] {
        let error = statement::explained(bytes, authority).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn every_member_stands_in_the_schema() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../../../docs/reconciliation.schema.json"))
            .unwrap();
    let statement = hostile("agency").json();
    let known = |schema: &serde_json::Value, value: &serde_json::Value, place: &str| {
        let said: std::collections::BTreeSet<&String> =
            schema["properties"].as_object().unwrap().keys().collect();
        let found: std::collections::BTreeSet<&String> =
            value.as_object().unwrap().keys().collect();
        assert_eq!(found, said, "{place}");
    };
    known(&schema, &statement, "the statement");
    for part in ["authority_list", "register", "figures"] {
        known(&schema["properties"][part], &statement[part], part);
    }
    known(&schema["$defs"]["row"], &statement["differences"][0], "a row");
    known(
        &schema["$defs"]["unused"],
        &statement["explanations_unused"][0],
        "an explanation that fits nothing",
    );
}

#[test]
fn a_list_that_is_compared_with_nothing_says_so() {
    let question = hostile("agency").found.question;
    let given = Given::of(Authority::from(vec![item("a.example", "7")]), Vec::new());
    let held = Held {
        operator: Vec::new().into(),
        origin: "example.net/register".to_owned(),
        size: 7,
        root: "ab".repeat(32),
        source: "the collector".to_owned(),
        gaps: Vec::new(),
        authorities: held::Authorities::default(),
        code: Code::Ok,
    };
    let statement = make(question, given, held, Vec::new(), 1_790_000_100);
    let text = text::text(&page::page(&statement), 200);
    assert!(text.contains("(ONLY_AUTHORITY): 1"), "{text}");
    assert!(text.contains("The register holds no request of \"agency\" that is known"), "{text}");
}

#[test]
fn thresholds_are_shares_or_numbers() {
    assert_eq!(materiality("1%").unwrap(), Materiality::Permille(10));
    assert_eq!(materiality("0.5%").unwrap(), Materiality::Permille(5));
    assert_eq!(materiality("12").unwrap(), Materiality::Count(12));
    for wrong in ["", "1.5", "-1", "101%", "much"] {
        assert!(materiality(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_brought_to_check_a_bundle_is_seen() {
    use clap::Parser as _;
    let typed = |flags: &[&str]| {
        let words = ["remit", "reconcile", "--authority", "court", "--list", "list.csv"];
        let cli = crate::cli::Cli::try_parse_from(words.iter().chain(flags)).unwrap();
        match cli.command {
            crate::cli::Command::Reconcile(args) => args.trust.typed(),
            _ => panic!("another command"),
        }
    };
    assert_eq!(typed(&[]), None);
    assert_eq!(typed(&["--timing", "1h", "--html", "out.html"]), None);
    for (flag, value) in [
        ("--log-key", "key"),
        ("--register-key", "key"),
        ("--old-checkpoint", "file"),
        ("--witness-key", "key"),
        ("--anchor", "state.pem"),
        ("--quorum", "none"),
        ("--max-size", "1"),
    ] {
        assert_eq!(typed(&[flag, value]), Some(flag));
    }
}

/// A statement of these two sides.
fn stated(authority: Authority, operator: Vec<Item>, refused: &[&str], said: &str) -> Statement {
    let question = Question {
        authority: "agency".to_owned(),
        at_s: 1_790_000_000,
        timing_s: 86_400,
        materiality: Materiality::Permille(5),
    };
    let given = Given::of(authority, refused.iter().map(ToString::to_string).collect());
    let held = Held {
        operator: operator.into(),
        origin: "example.net/register".to_owned(),
        size: 7,
        root: "ab".repeat(32),
        source: "the collector".to_owned(),
        gaps: Vec::new(),
        authorities: held::Authorities { holds_asked: true, ..held::Authorities::default() },
        code: Code::Ok,
    };
    make(question, given, held, explanations(said).unwrap(), 1_790_000_100)
}

/// Of a width at which cells are cut, with its lines joined.
fn shown(statement: &Statement) -> String {
    let text = text::text(&page::page(statement), 80);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The cells of a row in the CSV, by their columns.
fn cells(statement: &Statement, row: usize) -> std::collections::BTreeMap<String, String> {
    let bytes = statement.csv().unwrap();
    let mut lines = ::csv::Reader::from_reader(bytes.as_slice());
    let columns = lines.headers().unwrap().clone();
    let row = lines.records().nth(row).unwrap().unwrap();
    columns.iter().map(str::to_owned).zip(row.iter().map(str::to_owned)).collect()
}

#[test]
fn rows_that_were_not_read_make_nothing_missing_in_any_form() {
    let operator = vec![item("a", "1"), item("b", "1")];
    let list = || Authority::from(vec![item("a", "1")]);
    let statement = stated(list(), operator.clone(), &["line 2: refused: x"], "");
    let (text, page) = (shown(&statement), html::html(&page::page(&statement)));
    for form in [&text, &page] {
        assert!(!form.contains("list does not name it"), "{form}");
        assert!(form.contains("This comparison is incomplete"), "{form}");
        assert!(
            form.contains("not among the rows of the list that were read; 1 row was refused."),
            "{form}"
        );
    }
    assert!(text.contains("1 matches, 0 differ, 0 of them unexplained"), "{text}");
    assert!(text.contains("As far as it was read, that is not material"), "{text}");
    let json = statement.json();
    assert_eq!(json["figures"]["unread"], 1);
    assert_eq!(json["figures"]["unexplained"], 0);
    assert_eq!(json["figures"]["material"], false);
    assert_eq!(json["differences"][0]["unread"], true);
    assert_eq!(json["matched"][0]["unread"], false);
    assert_eq!(cells(&statement, 0)["unread"], "true");
    assert!(cells(&statement, 0)["remark"].contains("1 row was refused"));
    // Of a list that was read whole it is said.
    let statement = stated(list(), operator, &[], "");
    assert!(shown(&statement).contains("list does not name it"));
    assert_eq!(statement.json()["figures"]["material"], true);
}

#[test]
fn what_is_withheld_is_not_held_against_the_operator_in_any_form() {
    let stated = |requests: u64| {
        let question = hostile("agency").found.question;
        let given = Given::of(Authority::from(vec![item("a", "1"), item("b", "1")]), Vec::new());
        let mut operator = Operator::from(vec![item("a", "1")]);
        operator.withheld.saw_none_of(requests);
        let held = Held { operator, ..hostile("agency").held };
        make(question, given, held, Vec::new(), 1_790_000_100)
    };
    let statement = stated(2);
    let (text, page) = (shown(&statement), html::html(&page::page(&statement)));
    for form in [&text, &page] {
        assert!(!form.contains("the register has nothing"), "{form}");
        for said in [
            "Of 1 entry of the authority&#39;s list it is not known whether the register has it",
            "The register shows nothing of this authority for it; 2 requests are withheld, for which it may stand.",
        ] {
            assert!(form.replace('\'', "&#39;").contains(said), "{said}: {form}");
        }
    }
    assert!(text.contains("1 matches, 0 differ, 0 of them unexplained"), "{text}");
    let json = statement.json();
    assert_eq!(
        (&json["figures"]["unread"], &json["figures"]["unexplained"]),
        (&1.into(), &0.into())
    );
    assert_eq!(json["figures"]["material"], false);
    assert_eq!(json["differences"][0]["unread"], true);
    let statement = stated(0);
    assert!(shown(&statement).contains("the register has nothing"));
    assert_eq!(statement.json()["figures"]["material"], true);
}

#[test]
fn what_differs_is_shown_as_each_side_has_it() {
    let of = |target: &str, reference: &str, from_s: i64, until_s: i64| Item {
        target: target.parse().unwrap(),
        from_s: Some(from_s),
        until_s: Some(until_s),
        ..item("x", reference)
    };
    let (begun, late, end) = (1_700_000_000, 1_710_000_000, 1_800_000_000);
    let authority = vec![
        of("domain_subtree:*.a.example", "R-1", begun, end),
        of("domain_exact:b.example", "R-1", begun, end),
        of("domain_exact:c.example", "R-1", begun, end),
        of("domain_exact:c.example", "R-77", begun, end),
        of("domain_exact:d.example", "R-1", begun, end),
    ];
    let operator = vec![
        of("domain_exact:a.example", "R-1", begun, end),
        of("domain_exact:b.example", "R-2", late, end + 100_000),
        of("domain_exact:c.example", "R-1", begun, end),
        of("domain_exact:d.example", "R-1", begun + 60, end),
        Item { recorded_s: Some(1_789_990_000), ..of("domain_exact:e.example", "R-1", begun, end) },
    ];
    let statement = stated(Authority::from(authority), operator, &[], "");
    let (text, page) = (shown(&statement), html::html(&page::page(&statement)));
    let page = page.replace("&#39;", "'");
    for said in [
        "Differs in kind: domain_subtree:*.a.example in the list, domain_exact:a.example in the register.",
        "Differs in reference: R-1 in the list, R-2 in the register.",
        "Differs in from: 2023-11-14T22:13:20Z in the list, 2024-03-09T16:00:00Z in the register.",
        "Differs in until: 2027-01-15T08:00:00Z in the list, 2027-01-16T11:46:40Z in the register.",
        "Differs in from: 2023-11-14T22:13:20Z in the list, 2023-11-14T22:14:20Z in the register.",
        "Differs in reference: R-77 in the list, R-1 in the register.",
        "R-77 is the list's alone; what the register has under R-1 is compared in another row, too.",
        "The register took it in at 2026-09-21T11:26:40Z, shortly before the time of the list.",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
        assert!(page.contains(said), "{said}\n{page}");
    }
    let json = statement.json();
    let surplus = json["differences"].as_array().unwrap().iter();
    let surplus = surplus.filter(|row| row["surplus"] == "authority").collect::<Vec<_>>();
    assert_eq!(surplus.len(), 1);
    assert_eq!(surplus[0]["reference"], "R-77");
    assert_eq!(surplus[0]["authority_reference"], "R-77");
    assert_eq!(surplus[0]["operator_reference"], "R-1");
}

#[test]
fn the_csv_keeps_the_words_of_the_sides_apart_from_the_programs() {
    let said = "[[explanation]]\nreference = \"1\"\nside = \"operator\"\ntext = \"a slip\"\n\
                by = \"person-1\"\n";
    let authority = vec![item("a", "1"), item("b", "2")];
    let operator = vec![item("a", "7"), item("b", "7")];
    let statement = stated(Authority::from(authority), operator, &[], said);
    let (explained, open) = (cells(&statement, 0), cells(&statement, 1));
    assert_eq!(explained["explanations"], "The operator says (person-1): a slip");
    assert_eq!(explained["remark"], "Differs in reference: 1 in the list, 7 in the register.");
    assert_eq!((open["explained_by"].as_str(), open["explanations"].as_str()), ("", ""));
    assert_eq!(open["remark"], "Differs in reference: 2 in the list, 7 in the register.");
}

#[test]
fn figures_of_totals_add_up() {
    let operator = (0..3700).map(|at| item(&at.to_string(), "1")).collect();
    let totals = Authority::Totals(Totals { requests: Some(1), targets: Some(3725) });
    let text = shown(&stated(totals, operator, &[], ""));
    for said in [
        "2 numbers compared: 1 matches, 1 differs, 1 of them unexplained by either side.",
        "That is material: the threshold is 0.5% of the authority's number.",
        "COUNT_ONLY 2 of these, equal on both sides 1 explained",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    for wrong in ["MATCHED 0", "in the authority's list, in force", "of all entries"] {
        assert!(!text.contains(wrong), "{wrong}\n{text}");
    }
}

#[test]
fn what_is_over_on_both_sides_is_counted() {
    let over = |name: &str| Item { in_force: false, ..item(name, "1") };
    let authority = vec![item("a", "1"), over("b"), over("c")];
    let operator = vec![item("a", "1"), over("b")];
    let statement = stated(Authority::from(authority), operator, &[], "");
    let text = shown(&statement);
    let want = "in the authority's list, in force 1 of the list, not in force and in no row 2 in the register for \
                it, in force 1 of the register, not in force and in no row 1 MATCHED 1";
    assert!(text.contains(want), "{text}");
    assert_eq!(statement.json()["figures"]["authority_left_out"], 2);
    assert_eq!(statement.json()["figures"]["operator_left_out"], 1);
}
