//! Yes, no, and what the evidence cannot say.

use crate::language::check;

#[test]
fn a_window_across_a_bound() {
    let register = "req-7 ip:192.0.2.7 from 2026-01-10 until 2026-01-20";
    let across = "UNDETERMINED(boundary) by req-7";
    check(
        "block 192.0.2.7 at 2026-01-19T23:50:00Z to 2026-01-20T00:05:00Z for req-7",
        register,
        across,
    );
    check(
        "block 192.0.2.7 at 2026-01-09T23:50:00Z to 2026-01-10T00:05:00Z for req-7",
        register,
        across,
    );
    check("block 192.0.2.7 at 2026-01-01 to 2026-01-31 for req-7", register, across);
    check(
        "block 192.0.2.7 at 2026-01-10 to 2026-01-19T23:59:59Z for req-7",
        register,
        "AUTHORISED",
    );
    check("block 192.0.2.7 at 2026-01-20 to 2026-01-21 for req-7", register, "EXPIRED");
}

#[test]
fn a_clock_that_may_be_wrong() {
    let register = "req-7 ip:192.0.2.7 until 2026-01-20";
    check(
        "block 192.0.2.7 at 2026-01-19T23:59:57Z give-or-take 2 for req-7",
        register,
        "AUTHORISED",
    );
    check(
        "block 192.0.2.7 at 2026-01-19T23:59:57Z give-or-take 3 for req-7",
        register,
        "UNDETERMINED(boundary)",
    );
    check("block 192.0.2.7 at 2026-01-20T00:00:02Z give-or-take 2 for req-7", register, "EXPIRED");
    check(
        "block 192.0.2.7 at 2026-01-20T00:00:02Z give-or-take 3 for req-7",
        register,
        "UNDETERMINED(boundary)",
    );
}

#[test]
fn a_window_across_a_stay_or_into_the_grace() {
    let stay = "req-7 ip:192.0.2.7; req-7 suspends effective 2026-01-15T12:05:00Z; req-7 resumes effective 2026-01-15T12:10:00Z";
    check(
        "block 192.0.2.7 at 2026-01-15T12:00:00Z to 2026-01-15T12:15:00Z for req-7",
        stay,
        "UNDETERMINED(boundary)",
    );
    let grace = "req-7 ip:192.0.2.7 until 2026-01-20 grace 24";
    check(
        "block 192.0.2.7 at 2026-01-19T23:50:00Z to 2026-01-20T00:05:00Z for req-7",
        grace,
        "UNDETERMINED(boundary)",
    );
}

#[test]
fn undetermined_only_if_no_request_surely_covers() {
    let register = "edge ip:192.0.2.7 until 2026-01-20; sure cidr:192.0.2.0/24";
    check(
        "block 192.0.2.7 at 2026-01-19 to 2026-01-21 for edge",
        register,
        "AUTHORISED_MISREFERENCED by sure",
    );
    let failing = "edge ip:192.0.2.7 until 2026-01-20; old ip:192.0.2.7 until 2026-01-02";
    check(
        "block 192.0.2.7 at 2026-01-19 to 2026-01-21 for old",
        failing,
        "UNDETERMINED(boundary) by edge",
    );
    let own = "spam ip:192.0.2.7 as tos_measure; open ip:192.0.2.7 in unstated";
    check("block 192.0.2.7 for spam", own, "TOS_MEASURE by spam");
}

#[test]
fn a_target_that_is_erased_or_was_not_understood() {
    check("block erased for req-7", "req-7 ip:192.0.2.7", "UNDETERMINED(erased) by req-7");
    check("block erased", "req-7 ip:192.0.2.7", "UNDETERMINED(erased) by nobody");
    check(
        "block gibberish for req-7",
        "req-7 ip:192.0.2.7",
        "UNDETERMINED(not_understood) by req-7",
    );
    // Where there is no request, none can name it.
    check("block erased", "", "NO_BASIS by nobody");
    check("block erased for req-7", "", "UNKNOWN_BASIS by nobody");
}

#[test]
fn one_of_several_rules_did_it() {
    let register = "req-7 ip:192.0.2.7";
    check("block 192.0.2.7 for req-7", register, "AUTHORISED by req-7");
    check("block 192.0.2.7 for req-7 others 2", register, "UNDETERMINED(ambiguous_rule) by nobody");
    check("block 192.0.2.7 others 1", register, "UNDETERMINED(ambiguous_rule) by nobody");
    // Neither that it is covered nor that it is not may be said of it.
    check("block 192.0.2.9 others 1", "", "UNDETERMINED(ambiguous_rule) by nobody");
}

#[test]
fn a_technique_that_was_not_understood() {
    check("block 192.0.2.7 by ? for req-7", "req-7 ip:192.0.2.7", "UNDETERMINED(not_understood)");
    check("block 192.0.2.7 by ? for req-7", "req-7 ip:192.0.2.7 by any", "AUTHORISED");
}

#[test]
fn withheld_statements_may_hold_what_is_claimed() {
    let register = "withheld; req-7 ip:192.0.2.7";
    check("block 192.0.2.9 for req-9", register, "UNDETERMINED(erased) by nobody");
    check("block 192.0.2.9 for list:hotline@5", register, "UNDETERMINED(erased) by nobody");
    check("block 192.0.2.7 for req-7", register, "AUTHORISED by req-7");
    // A block that claims nothing points at nothing that could be withheld.
    check("block 192.0.2.9", register, "NO_BASIS by nobody");
    check("block 192.0.2.9 for req-9", "unreadable", "UNDETERMINED(not_understood) by nobody");
    check("block 192.0.2.9 for req-9 size 0", "withheld", "UNKNOWN_BASIS by nobody");
}

#[test]
fn a_request_that_is_entered_late_has_the_grace_of_the_policy() {
    let event = "block 192.0.2.7 at 2026-01-15T12:00:00Z for req-9";
    check(event, "", "UNKNOWN_BASIS");
    check(&format!("{event} now 2026-01-15T12:00:30Z"), "", "UNKNOWN_BASIS");
    check(&format!("{event} grace 60 now 2026-01-15T12:00:30Z"), "", "UNDETERMINED(late_register)");
    check(&format!("{event} grace 60 now 2026-01-15T12:01:00Z"), "", "UNKNOWN_BASIS");
    check(&format!("{event} grace 60"), "", "UNKNOWN_BASIS");
}

#[test]
fn imported_history() {
    let register = "req-7 ip:192.0.2.7";
    check("block 192.0.2.7 for req-7 imported then", register, "UNDETERMINED(imported) by nobody");
    check("block 192.0.2.9 imported then", register, "UNDETERMINED(imported) by nobody");
    check("block 192.0.2.7 for req-7 imported", register, "AUTHORISED by req-7");
    check("block 192.0.2.7 at 2025-06-01 for req-7 imported", register, "TOO_EARLY by req-7");
}
