//! Rules that stood before anybody asked: attributed later, or baseline until a deadline.

use register::{InvalidStatement, Register};
use remit_proto::v1::{self, register_item::Item, statement::Body};

use crate::language::{ORIGIN, at, check, check_attributed, register_of, statement, statement_of};

#[test]
fn a_rule_is_attributed_later_to_a_request() {
    let register =
        "req-7 ip:192.0.2.7; attribute 5,6 to req-7 by p-3 recorded 2026-01-20T09:30:00Z";
    check("block 192.0.2.7 rule 5", register, "AUTHORISED by req-7");
    check_attributed("block 192.0.2.7 rule 5", register, "req-7 by p-3 at 2026-01-20T09:30:00Z");
    // As known then: the register did not hold the attribution.
    check("block 192.0.2.7 rule 5 size 1", register, "AUTHORISED_MISREFERENCED by req-7");
    check_attributed("block 192.0.2.7 rule 5 size 1", register, "nobody");
    // Another rule, another node.
    check_attributed("block 192.0.2.7 rule 4", register, "nobody");
    check_attributed("block 192.0.2.7 rule 5 on router-2", register, "nobody");
}

#[test]
fn an_attribution_is_judged_like_a_claim() {
    let old = "req-7 ip:192.0.2.7 until 2026-01-10; attribute 5 to req-7";
    check("block 192.0.2.7 rule 5", old, "EXPIRED by req-7");
    let elsewhere = "req-7 ip:192.0.2.7; attribute 5 to req-7";
    check("block 192.0.2.9 rule 5", elsewhere, "OUT_OF_SCOPE_TARGET by req-7");
    check("block 192.0.2.9 rule 5 size 1", elsewhere, "NO_BASIS by nobody");
    let own = "spam domain_exact:example.org as tos_measure; attribute 5 to class:contract_tos";
    check("block example.org rule 5", own, "TOS_MEASURE by spam");
    check("block example.net rule 5", own, "NO_BASIS by nobody");
    check_attributed(
        "block example.net rule 5",
        own,
        "class:contract_tos by p-1 at 2026-01-20T00:00:00Z",
    );
}

#[test]
fn the_newest_attribution_speaks_and_may_take_back() {
    let register = "a ip:192.0.2.7 until 2026-01-10; b ip:192.0.2.7 in FR
        attribute 5 to a
        attribute 5 to b recorded 2026-01-21
        attribute 5 to nothing recorded 2026-01-22";
    check("block 192.0.2.7 rule 5 size 3", register, "EXPIRED by a");
    check("block 192.0.2.7 rule 5 size 4", register, "WRONG_PLACE by b");
    check_attributed("block 192.0.2.7 rule 5 size 5", register, "nobody");
}

#[test]
fn what_rules_claim_in_old_words_is_explained_for_all_of_them() {
    let register = "req-7 ip:192.0.2.7 until 2026-01-10; attribute claiming:ticket-4711 to req-7";
    // Any rule of the node that says so, also one that is installed tomorrow.
    check("block 192.0.2.7 rule 9 for ticket-4711", register, "EXPIRED by req-7");
    check("block 192.0.2.7 rule 9 for ticket-4711 size 1", register, "UNKNOWN_BASIS by nobody");
    check("block 192.0.2.7 rule 9 for ticket-4712", register, "UNKNOWN_BASIS by nobody");
    // What else a rule claims is not explained by it.
    check("block 192.0.2.7 rule 9 for ticket-4711,req-8", register, "UNKNOWN_BASIS by nobody");
    let holds = "req-7 ip:192.0.2.7; attribute claiming:ticket-4711 to req-7";
    check("block 192.0.2.7 for ticket-4711", holds, "AUTHORISED by req-7");
}

#[test]
fn a_baseline_holds_before_its_deadline() {
    let register = "baseline router-1,router-2 until 2026-03-01";
    let at = |time: &str| format!("block 192.0.2.7 old at {time}");
    check(&at("2026-02-28T23:59:59Z"), register, "BASELINE_UNATTRIBUTED by nobody");
    check(&at("2026-03-01T00:00:00Z"), register, "NO_BASIS by nobody");
    // A window across the deadline is not before it.
    check(&format!("{} to 2026-03-01T00:00:00Z", at("2026-02-28")), register, "NO_BASIS by nobody");
    check("block 192.0.2.7", register, "NO_BASIS by nobody");
    check("block 192.0.2.7 old on router-3", register, "NO_BASIS by nobody");
    check("block 192.0.2.7 old size 0", register, "NO_BASIS by nobody");
}

#[test]
fn a_baseline_excuses_only_what_nobody_knows_anything_of() {
    let register = "baseline router-1 until 2026-03-01; req-7 ip:192.0.2.7
        old ip:192.0.2.8 until 2026-01-10; attribute 5 to req-7";
    check("block 192.0.2.7 old", register, "AUTHORISED_MISREFERENCED by req-7");
    check("block 192.0.2.8 old", register, "EXPIRED by old");
    check("block 192.0.2.9 old for req-9", register, "UNKNOWN_BASIS by nobody");
    check("block 192.0.2.9 old for class:contract_tos", register, "NO_BASIS by nobody");
    check("block 192.0.2.9 old for class:none_stated", register, "BASELINE_UNATTRIBUTED by nobody");
    check("block 192.0.2.9 old rule 5", register, "OUT_OF_SCOPE_TARGET by req-7");
}

#[test]
fn the_newest_baseline_speaks_and_none_goes_on_for_ever() {
    let register = "baseline router-1 until 2026-03-01; baseline router-1 until 2026-02-01";
    check("block 192.0.2.7 old at 2026-02-15", register, "NO_BASIS by nobody");
    let longer = "baseline router-1 until 2027-01-03 recorded 2026-06-01";
    register_of(&format!("{register}; {longer}"));
    refused(register, "baseline router-1 until 2027-01-04 recorded 2026-06-01", "baseline.until_s");
    refused("", "baseline router-1 until 2027-01-04", "baseline.until_s");
}

#[test]
fn an_attribution_names_what_the_register_holds() {
    refused("", "attribute 5 to req-7", "attribution.claims: the register holds nothing of req-7");
    refused("req-7 ip:192.0.2.7", "attribute 5 to list:l@1", "nothing of list:l@1");
    refused("req-7 ip:192.0.2.7", "attribute 5,5 to req-7", "attribution.rules");
    refused("req-7 ip:192.0.2.7", "attribute 5", "attribution.claims");
    refused("req-7 ip:192.0.2.7", "attribute 5 to req-7 on Router", "attribution.node");
}

fn refused(lines: &str, last: &str, want: &str) {
    let mut register = register_of(lines);
    let before = register.size();
    let (statement, items) = statement_of(last);
    let error = register.apply(&statement, items).expect_err(last).to_string();
    assert!(error.contains(want), "{last}: {error}");
    assert_eq!(register.size(), before);
}

#[test]
fn a_plan_is_one_import_and_taken_whole_or_not_at_all() {
    let (mut import, items) = statement_of("req-7 ip:192.0.2.7");
    let mut items = items.unwrap();
    let Body::Attribution(mut said) = statement_of_attribution("attribute 5 to req-7") else {
        panic!("an attribution")
    };
    items.push(v1::RegisterItem { item: Some(Item::Attribution(said.clone())) });
    count(&mut import, 2);
    let mut register = Register::new(ORIGIN);
    register.apply(&import, Some(items.clone())).unwrap();
    let node = "router-1".parse().unwrap();
    assert_eq!(register.view().attributed(&node, 5, &[]).unwrap().statement, 0);
    assert_eq!(register.view().attributed(&node, 6, &[]), None);

    said.claims = vec![v1::Claim::from(&"req-8".parse::<register::Claim>().unwrap())];
    items.push(v1::RegisterItem { item: Some(Item::Attribution(said)) });
    count(&mut import, 3);
    let mut register = Register::new(ORIGIN);
    let refused = register.apply(&import, Some(items)).unwrap_err();
    assert!(matches!(refused, InvalidStatement::UnknownClaim { .. }), "{refused}");
    assert_eq!(register.size(), 0);
    assert_eq!(register.view().attributed(&node, 5, &[]), None);
}

fn count(import: &mut v1::Statement, count: u64) {
    if let Some(Body::Import(import)) = &mut import.body {
        import.items.as_mut().unwrap().count = count;
    }
}

fn statement_of_attribution(line: &str) -> Body {
    statement_of(line).0.body.unwrap()
}

#[test]
fn a_basis_map_is_stated_for_a_node_and_from_its_statement_on() {
    let said = v1::BasisMap { digest: vec![7; 32], nodes: vec!["router-1".into()] };
    let mut register = Register::new(ORIGIN);
    register.apply(&statement(Body::BasisMap(said), at("2026-01-02"), None), None).unwrap();
    let (here, there) = ("router-1".parse().unwrap(), "router-2".parse().unwrap());
    assert!(register.view().states_basis_map(&here, &[7; 32]));
    assert!(!register.view().states_basis_map(&here, &[8; 32]));
    assert!(!register.view().states_basis_map(&there, &[7; 32]));
    assert!(!register.at(0).states_basis_map(&here, &[7; 32]));
}
