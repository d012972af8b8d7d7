//! What a register, or a list, says of an authority's requests.

use register::{
    Register,
    import::{
        Action, Held, Imported, Mapping, Purpose, csv_for, from_csv, from_json, from_toml,
        json_for, to_items, toml_for,
    },
    list::from_lines,
    reconcile::{
        Authority, Item, List, Names, Operator, Recorded, Veiled, Withheld, listed, of_list,
        of_request, reconcile, registered,
    },
};
use remit_proto::v1::{self, statement::Body};

use super::{AT, at, items, question, rows};

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
