//! The statement in its forms, from two sides to text.

use register::reconcile::{Authority, Item, Materiality, explanations};

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
    let given = Given::of(Authority::Items(authority), vec![format!("line 1: refused: {name}")]);
    let held = Held {
        items: operator,
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
        "3 entries compared: 0 match, 3 differ, 2 of them unexplained by either side.",
        "That is material: the threshold is 1% of all entries.",
        "Only in the register (ONLY_OPERATOR): 1, 0 unexplained",
        "Differs in reference.",
        "The operator says: agency",
        "Register example.net/register at size 7, root abab",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "Explanations that fit nothing",
        "1 row of the authority's list refused",
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
    let authority = rows.iter().filter_map(|row| row.authority.clone()).collect();
    let operator = rows.iter().filter_map(|row| row.operator.clone()).collect();
    let again = compared(question, Authority::Items(authority), operator, carried);
    assert_eq!(again.figures, first.found.figures);
    let text = |row: &register::reconcile::Row| {
        row.explanations.iter().map(|e| e.text.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        again.rows.iter().map(text).collect::<Vec<_>>(),
        first.found.rows.iter().map(text).collect::<Vec<_>>()
    );
    for (bytes, authority, said) in [
        (bytes.as_slice(), "court", "it is about \"agency\""),
        (b"{}".as_slice(), "agency", "no statement"),
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
    let given = Given::of(Authority::Items(vec![item("a.example", "7")]), Vec::new());
    let held = Held {
        items: Vec::new(),
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
