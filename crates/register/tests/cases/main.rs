//! The verdict function as cases. `verdicts.txt` is the table that a lawyer reads: each section names
//! the rule that it pins. `language.rs` says how a case is written; what a table cannot show (clauses,
//! qualities, refusals, duties) is beside it.
#![allow(clippy::unwrap_used, reason = "a case that does not parse is a mistake in the test")]

mod adoption;
mod deeds;
mod defects;
mod duties;
mod language;
mod lifecycle;
mod lists;
mod outside;
mod places;
mod register_rules;
mod steps;
mod table;
mod targets;

use language::{check_clause, check_qualities};

#[test]
fn one_request_covers_everything_together() {
    let register = "req-7 ip:192.0.2.7 from 2026-01-01 until 2026-02-01 in DE by ip_acl_drop";
    check_clause("block 192.0.2.7 for req-7", register, "target: ip 192.0.2.7 / ip 192.0.2.7");
}

#[test]
fn nothing_claimed_and_nothing_there() {
    check_clause("block 192.0.2.7", "", "reference: no entry for the target / no claim");
}

#[test]
fn only_the_technique_that_was_asked_for() {
    let register = "req-7 domain_exact:example.org by dns_nxdomain,dns_nodata";
    check_clause(
        "block example.org by dns_forged_a for req-7",
        register,
        "method: dns_nxdomain, dns_nodata / dns_forged_a",
    );
}

#[test]
fn what_must_stay_open_and_was_not_seen_to_be_hit_is_said() {
    let register = "req-7 cidr:192.0.2.0/24 except ip:192.0.2.7";
    let open = "but not ip 192.0.2.7, and whether the block hits that was not seen";
    check_clause(
        "block 192.0.2.0/24 for req-7",
        register,
        &format!("target: cidr 192.0.2.0/24; {open} / cidr 192.0.2.0/24"),
    );
    check_clause("block 192.0.2.0/24", register, &format!("reference: req-7; {open} / no claim"));
    check_clause("block 192.0.2.9 for req-7", register, "target: cidr 192.0.2.0/24 / ip 192.0.2.9");
    // In another clause it is not told to those who may not see the targets.
    check_clause(
        "block 192.0.2.0/24",
        "req-7 cidr:192.0.2.0/24 except ip:192.0.2.7 opening targets=restricted",
        "reference: req-7 / no claim",
    );
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
