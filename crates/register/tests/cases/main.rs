//! The verdict function as a table of cases. `language.rs` says how a case is written; the cases
//! know only the domain.
#![allow(clippy::unwrap_used, reason = "a case that does not parse is a mistake in the test")]

mod adoption;
mod deeds;
mod duties;
mod language;
mod lifecycle;
mod lists;
mod places;
mod register_rules;
mod targets;
mod undetermined;

use language::{check, check_clause, check_qualities};

#[test]
fn one_request_covers_everything_together() {
    let register = "req-7 ip:192.0.2.7 from 2026-01-01 until 2026-02-01 in DE by ip_acl_drop";
    check(
        "block 192.0.2.7 at 2026-01-31T23:59:59Z on router-1 (DE) by ip_acl_drop for req-7",
        register,
        "AUTHORISED by req-7",
    );
    check_clause("block 192.0.2.7 for req-7", register, "target: ip 192.0.2.7 / ip 192.0.2.7");
}

#[test]
fn two_halves_by_two_requests_are_no_whole() {
    // One covers the place, the other the technique.
    let register = "here ip:192.0.2.7 in DE by dns_nxdomain; there ip:192.0.2.7 in FR";
    check("block 192.0.2.7 for here,there", register, "WRONG_PLACE by there");
    check("block 192.0.2.7 for here", register, "WRONG_METHOD by here");
    // Which half speaks, if neither is claimed: fewest dimensions, then the order of the table.
    check("block 192.0.2.7", register, "WRONG_PLACE by there");
}

#[test]
fn the_claim_names_the_request_or_something_else() {
    let register = "req-7 ip:192.0.2.7; req-8 ip:198.51.100.1 list hotline@5";
    check("block 192.0.2.7 for req-7", register, "AUTHORISED by req-7");
    check("block 192.0.2.7", register, "AUTHORISED_MISREFERENCED by req-7");
    check("block 192.0.2.7 for req-8", register, "AUTHORISED_MISREFERENCED by req-7");
    check("block 192.0.2.7 for req-9", register, "AUTHORISED_MISREFERENCED by req-7");
    check("block 192.0.2.7 for req-9,req-7", register, "AUTHORISED by req-7");
    check("block 192.0.2.7 for class:law", register, "AUTHORISED_MISREFERENCED by req-7");
    check("block 198.51.100.1 for list:hotline@5", register, "AUTHORISED by req-8");
    check("block 198.51.100.1 for list:hotline@4", register, "AUTHORISED_MISREFERENCED by req-8");
}

#[test]
fn nothing_claimed_and_nothing_there() {
    check("block 192.0.2.7", "", "NO_BASIS by nobody");
    check("block 192.0.2.7", "req-7 ip:198.51.100.1", "NO_BASIS by nobody");
    check("block 192.0.2.7 for class:none_stated", "", "NO_BASIS by nobody");
    check_clause("block 192.0.2.7", "", "reference: no entry for the target / no claim");
}

#[test]
fn a_reference_that_the_register_does_not_know() {
    let register = "req-7 ip:198.51.100.1 list hotline@5; gone ip:192.0.2.7 until 2026-01-10";
    check("block 192.0.2.9 for req-9", register, "UNKNOWN_BASIS by nobody");
    check("block 192.0.2.9 for list:hotline@6", register, "UNKNOWN_BASIS by nobody");
    // A near miss that nobody claims does not speak for an unknown reference.
    check("block 192.0.2.7 for req-9", register, "UNKNOWN_BASIS by nobody");
    check("block 192.0.2.7 for req-9,gone", register, "UNKNOWN_BASIS by nobody");
}

#[test]
fn the_claimed_request_speaks_among_those_that_fail() {
    let register = "old ip:192.0.2.7 until 2026-01-10 in FR; new ip:192.0.2.7 from 2026-03-01";
    check("block 192.0.2.7 for old", register, "EXPIRED by old");
    check("block 192.0.2.7 for new", register, "TOO_EARLY by new");
    // Unclaimed: `new` fails one dimension, `old` two.
    check("block 192.0.2.7", register, "TOO_EARLY by new");
    let elsewhere = "req-7 ip:198.51.100.1; old ip:192.0.2.7 until 2026-01-10";
    check("block 192.0.2.7 for req-7", elsewhere, "OUT_OF_SCOPE_TARGET by req-7");
    check("block 192.0.2.7 for old", elsewhere, "EXPIRED by old");
}

#[test]
fn the_list_that_was_claimed_does_not_hold_the_target() {
    let register = "a ip:192.0.2.1 list hotline@5; b ip:192.0.2.2 list hotline@5";
    check("block 192.0.2.2 for list:hotline@5", register, "AUTHORISED by b");
    check("block 192.0.2.9 for list:hotline@5", register, "OUT_OF_SCOPE_TARGET by a");
}

#[test]
fn only_the_technique_that_was_asked_for() {
    let register = "req-7 domain_exact:example.org by dns_nxdomain,dns_nodata";
    check("block example.org by dns_nodata for req-7", register, "AUTHORISED by req-7");
    check("block example.org by dns_forged_a for req-7", register, "WRONG_METHOD by req-7");
    check("block sni:example.org for req-7", register, "WRONG_METHOD by req-7");
    check_clause(
        "block example.org by dns_forged_a for req-7",
        register,
        "method: dns_nxdomain, dns_nodata / dns_forged_a",
    );
    check(
        "block example.org by other for req-7",
        "req-7 domain_exact:example.org by any",
        "AUTHORISED by req-7",
    );
}

#[test]
fn own_measures_are_never_authorised() {
    let register = "spam domain_exact:example.org as tos_measure
        worm ip:192.0.2.7 as security_measure
        kids domain_exact:example.net as user_choice";
    check("block example.org for spam", register, "TOS_MEASURE by spam");
    check("block 192.0.2.7 for worm", register, "SECURITY_MEASURE by worm");
    check("block example.net for kids", register, "USER_CHOICE by kids");
    check("block example.org", register, "TOS_MEASURE by spam");
    check("block example.org for class:contract_tos", register, "TOS_MEASURE by spam");
    check("block 192.0.2.7 for class:security", register, "SECURITY_MEASURE by worm");
}

#[test]
fn a_class_alone_documents_nothing() {
    check("block example.org for class:contract_tos", "", "NO_BASIS by nobody");
    let other_class = "worm domain_exact:example.org as security_measure";
    check("block example.org for class:contract_tos", other_class, "NO_BASIS by nobody");
    // Nobody grants the operator time to remove what is his own.
    let expired = "spam domain_exact:example.org as tos_measure until 2026-01-10 grace 480";
    check("block example.org for class:contract_tos", expired, "EXPIRED by spam");
}

#[test]
fn an_own_measure_does_not_excuse_a_block_that_claims_an_order() {
    let register = "spam domain_subtree:example.org as tos_measure
        order domain_exact:example.org until 2026-01-10";
    check("block example.org for order", register, "EXPIRED by order");
    check("block example.org for spam", register, "TOS_MEASURE by spam");
    check("block example.org for req-9", register, "UNKNOWN_BASIS by nobody");
}

#[test]
fn an_order_outranks_an_own_measure() {
    let register = "spam domain_exact:example.org as tos_measure; order domain_exact:example.org";
    check("block example.org for spam", register, "AUTHORISED_MISREFERENCED by order");
}

#[test]
fn an_own_measure_that_a_government_stands_behind() {
    let refused = "spam domain_exact:example.org as tos_measure
        asked domain_exact:example.org as police_request status refused";
    check("block example.org for spam", refused, "TOS_MEASURE by spam + TOS_LABEL_DOUBTFUL");
    let linked = "spam domain_exact:example.org as tos_measure branch executive";
    check("block example.org for spam", linked, "TOS_MEASURE by spam + TOS_LABEL_DOUBTFUL");
    let private = "spam domain_exact:example.org as tos_measure branch private";
    check("block example.org for spam", private, "TOS_MEASURE by spam");
    let elsewhere = "spam domain_exact:example.org as tos_measure
        asked domain_exact:example.net as police_request status refused";
    check("block example.org for spam", elsewhere, "TOS_MEASURE by spam");
}

#[test]
fn the_answer_says_on_whose_will() {
    let order = "req-7 domain_exact:example.org";
    check("block example.org for req-7 answering 16", order, "AUTHORISED");
    check("block example.org for req-7 answering 15", order, "AUTHORISED + MISLEADING_RESPONSE");
    check("block example.org for req-7 answering 17", order, "AUTHORISED + MISLEADING_RESPONSE");
    check("block example.org for req-7 answering 4,16", order, "AUTHORISED");
    let tos = "spam domain_exact:example.org as tos_measure";
    check("block example.org for spam answering 15", tos, "TOS_MEASURE");
    check("block example.org for spam answering 16", tos, "TOS_MEASURE + MISLEADING_RESPONSE");
    let user = "kids domain_exact:example.org as user_choice";
    check("block example.org for kids answering 17", user, "USER_CHOICE");
    let list = "hot domain_exact:example.org as private_list";
    check("block example.org for hot answering 15", list, "AUTHORISED");
}

#[test]
fn who_did_it_is_added_to_any_verdict() {
    let register = "req-7 ip:192.0.2.7";
    check("block 192.0.2.7 for req-7 actor staff", register, "AUTHORISED");
    check("block 192.0.2.7 for req-7 actor vendor", register, "AUTHORISED + THIRD_PARTY_ACTION");
    check("block 192.0.2.8 actor government_box", register, "NO_BASIS + THIRD_PARTY_ACTION");
    check("block 192.0.2.8 actor unknown", register, "NO_BASIS + UNATTRIBUTED");
}

#[test]
fn how_well_the_basis_is_proved_and_when_it_was_registered() {
    let register = "other ip:198.51.100.1; req-7 ip:192.0.2.7 proof authority_signed";
    let qualities = |event: &str, want: &str| check_qualities(event, register, want);
    qualities("block 192.0.2.7 for req-7 before 2", "yes, authority_signed");
    qualities("block 192.0.2.7 for req-7 before 1", "unknown, authority_signed");
    qualities("block 192.0.2.7 for req-7 before 1 logged 1", "no, authority_signed");
    qualities("block 192.0.2.7 for req-7", "unknown, authority_signed");
    qualities("block 192.0.2.9", "unspecified, unspecified");
    let late = "req-7 ip:192.0.2.7 recorded 2026-02-01 proof oral";
    check_qualities("block 192.0.2.7 for req-7", late, "no, oral");
    // The acceptance, not the receipt, made it a basis.
    let accepted_later = "req-7 ip:192.0.2.7 status received
        req-7 accepts effective 2026-01-02 recorded 2026-02-01";
    check_qualities("block 192.0.2.7 for req-7", accepted_later, "no, document_held");
}

#[test]
fn the_better_proved_of_two_speaks() {
    let register = "a ip:192.0.2.7 proof operators_word; b ip:192.0.2.7 proof authority_signed";
    check("block 192.0.2.7", register, "AUTHORISED_MISREFERENCED by b");
    check("block 192.0.2.7 for a", register, "AUTHORISED by a");
}

#[test]
fn overlapping_orders_hold_on_their_own() {
    let register = "a ip:192.0.2.7 until 2026-01-10; b cidr:192.0.2.0/24";
    check("block 192.0.2.7 for a", register, "AUTHORISED_MISREFERENCED by b");
}
