//! When a request holds: bounds, transitions, amendments, as known at each size of the register.

use crate::language::{check, check_clause};

#[test]
fn request_ends_before_its_until_instant() {
    let register = "req-7 ip:192.0.2.7 from 2026-01-01T00:00Z until 2026-02-01T00:00Z";
    check("block 192.0.2.7 at 2025-12-31T23:59:59Z for req-7", register, "TOO_EARLY by req-7");
    check("block 192.0.2.7 at 2026-01-01T00:00:00Z for req-7", register, "AUTHORISED by req-7");
    check("block 192.0.2.7 at 2026-01-31T23:59:59Z for req-7", register, "AUTHORISED by req-7");
    check("block 192.0.2.7 at 2026-02-01T00:00:00Z for req-7", register, "EXPIRED by req-7");
    check_clause(
        "block 192.0.2.7 at 2026-02-01T00:00:00Z for req-7",
        register,
        "time: until 2026-02-01T00:00:00Z / 2026-02-01T00:00:00Z",
    );
}

#[test]
fn what_has_ended_may_be_removed_within_the_grace() {
    let register = "req-7 ip:192.0.2.7 until 2026-02-01 grace 48";
    check(
        "block 192.0.2.7 at 2026-02-02T23:59:59Z for req-7",
        register,
        "IN_REMOVAL_GRACE by req-7",
    );
    check("block 192.0.2.7 at 2026-02-03T00:00:00Z for req-7", register, "EXPIRED by req-7");
    // The grace excuses only what was covered otherwise.
    check("block 192.0.2.0/24 at 2026-02-02 for req-7", register, "OVERBROAD by req-7");
    let revoked = "req-7 ip:192.0.2.7 grace 1; req-7 revokes effective 2026-02-01";
    check("block 192.0.2.7 at 2026-02-01T00:30:00Z for req-7", revoked, "IN_REMOVAL_GRACE");
}

#[test]
fn revoked_withdrawn_superseded() {
    let at = "block 192.0.2.7 at 2026-01-15T00:00:00Z for req-7";
    for (how, said) in [("revokes", "revoked"), ("withdraws", "withdrawn")] {
        let register = format!("req-7 ip:192.0.2.7; req-7 {how} effective 2026-01-15");
        check(at, &register, "REVOKED by req-7");
        check("block 192.0.2.7 at 2026-01-14T23:59:59Z for req-7", &register, "AUTHORISED");
        check_clause(
            at,
            &register,
            &format!("time: {said} at 2026-01-15T00:00:00Z / 2026-01-15T00:00:00Z"),
        );
    }
    let superseded =
        "req-7 ip:192.0.2.7; req-8 ip:192.0.2.8; req-7 supersedes by req-8 effective 2026-01-15";
    check(at, superseded, "REVOKED by req-7");
    // What ended first speaks.
    let both = "req-7 ip:192.0.2.7 until 2026-01-10; req-7 revokes effective 2026-01-15";
    check("block 192.0.2.7 at 2026-01-20 for req-7", both, "EXPIRED by req-7");
}

#[test]
fn a_stay_suspends_and_ends() {
    let register = "req-7 ip:192.0.2.7; req-7 suspends effective 2026-01-10; req-7 resumes effective 2026-01-20";
    check("block 192.0.2.7 at 2026-01-09T23:59:59Z for req-7", register, "AUTHORISED");
    check("block 192.0.2.7 at 2026-01-10T00:00:00Z for req-7", register, "SUSPENDED by req-7");
    check("block 192.0.2.7 at 2026-01-20T00:00:00Z for req-7", register, "AUTHORISED");
}

#[test]
fn enforced_before_it_was_accepted() {
    for status in ["received", "under_review", "clarification_sought", "challenged", "refused"] {
        let register = format!("req-7 ip:192.0.2.7 status {status}");
        check("block 192.0.2.7 for req-7", &register, "BASIS_NOT_ACCEPTED by req-7");
        check("block 192.0.2.7", &register, "BASIS_NOT_ACCEPTED by req-7");
    }
    let accepted = "req-7 ip:192.0.2.7 status received; req-7 accepts effective 2026-01-10";
    check("block 192.0.2.7 at 2026-01-09T23:59:59Z for req-7", accepted, "BASIS_NOT_ACCEPTED");
    check("block 192.0.2.7 at 2026-01-10T00:00:00Z for req-7", accepted, "AUTHORISED");
    // Withdrawn before it was accepted: it never was a basis, so nothing ends and no grace begins.
    let dropped =
        "req-7 ip:192.0.2.7 status received grace 48; req-7 withdraws effective 2026-01-10";
    check("block 192.0.2.7 at 2026-01-10T01:00:00Z for req-7", dropped, "BASIS_NOT_ACCEPTED");
    let challenged = "req-7 ip:192.0.2.7 status received; req-7 challenges effective 2026-01-02";
    check("block 192.0.2.7 for req-7", challenged, "BASIS_NOT_ACCEPTED by req-7");
    let refused = "req-7 ip:192.0.2.7 status received; req-7 refuses effective 2026-01-02";
    check_clause("block 192.0.2.7 for req-7", refused, "status: refused / 2026-01-15T12:00:00Z");
}

#[test]
fn an_oral_request_lapses_unless_confirmed() {
    let oral = "req-7 ip:192.0.2.7 status provisional received 2026-01-01 confirm-by 2026-01-03 proof oral";
    check("block 192.0.2.7 at 2026-01-02 for req-7", oral, "AUTHORISED_PROVISIONAL by req-7");
    check("block 192.0.2.7 at 2026-01-03 for req-7", oral, "LAPSED by req-7");
    let confirmed = format!("{oral}; req-7 confirms effective 2026-01-02T12:00:00Z");
    check("block 192.0.2.7 at 2026-01-02T00:00:00Z for req-7", &confirmed, "AUTHORISED by req-7");
    check("block 192.0.2.7 at 2026-01-05 for req-7", &confirmed, "AUTHORISED by req-7");
    // Too late a confirmation counts from its own time.
    let late = format!("{oral}; req-7 confirms effective 2026-01-05");
    check("block 192.0.2.7 at 2026-01-02 for req-7", &late, "AUTHORISED_PROVISIONAL by req-7");
    check("block 192.0.2.7 at 2026-01-04 for req-7", &late, "LAPSED by req-7");
    check("block 192.0.2.7 at 2026-01-05 for req-7", &late, "AUTHORISED by req-7");
}

#[test]
fn an_oral_request_covers_only_from_the_recorded_call() {
    let oral = "req-7 ip:192.0.2.7 from 2026-01-01 status provisional confirm-by 2026-01-10 \
        received 2026-01-05 recorded 2026-01-06; req-7 confirms effective 2026-01-07";
    check("block 192.0.2.7 at 2026-01-04 for req-7", oral, "TOO_EARLY by req-7");
    check("block 192.0.2.7 at 2026-01-05 for req-7", oral, "AUTHORISED by req-7");
}

#[test]
fn a_confirmed_request_speaks_before_a_provisional_one() {
    let register = "oral ip:192.0.2.7 status provisional received 2026-01-01 confirm-by 2026-02-01
        order ip:192.0.2.7";
    check("block 192.0.2.7 for oral", register, "AUTHORISED_MISREFERENCED by order");
    check("block 192.0.2.7 for order", register, "AUTHORISED by order");
}

#[test]
fn annulled_from_the_start() {
    let register = "req-7 ip:192.0.2.7; req-7 annuls effective 2026-02-01 recorded 2026-02-01";
    let event = "block 192.0.2.7 at 2026-01-15 for req-7";
    // As known then, and as known now.
    check(&format!("{event} size 1"), register, "AUTHORISED by req-7");
    check(event, register, "ANNULLED_RETROACTIVELY by req-7");
    // What went on after the annulment is no longer excused by it.
    check("block 192.0.2.7 at 2026-02-02 for req-7", register, "REVOKED by req-7");
    // It excuses only what was covered otherwise.
    check("block 192.0.2.0/24 at 2026-01-15 for req-7", register, "OVERBROAD by req-7");
    let refused = "req-7 ip:192.0.2.7 until 2026-01-10; req-7 annuls effective 2026-02-01";
    check(event, refused, "EXPIRED by req-7");
}

#[test]
fn each_size_of_the_register_answers_as_it_did() {
    let register = "other ip:198.51.100.1; req-7 ip:192.0.2.7; req-7 revokes effective 2026-01-10";
    let event = "block 192.0.2.7 for req-7";
    check(&format!("{event} size 0"), register, "UNKNOWN_BASIS by nobody");
    check(&format!("{event} size 1"), register, "UNKNOWN_BASIS by nobody");
    check(&format!("{event} size 2"), register, "AUTHORISED by req-7");
    check(&format!("{event} size 3"), register, "REVOKED by req-7");
}

#[test]
fn registered_after_the_act() {
    let register = "req-7 ip:192.0.2.7 recorded 2026-03-01";
    check("block 192.0.2.7 for req-7 size 0 then", register, "UNKNOWN_BASIS by nobody");
    check("block 192.0.2.7 for req-7", register, "AUTHORISED by req-7");
}

#[test]
fn an_amendment_is_judged_from_its_receipt() {
    let register = "req-7 cidr:192.0.2.0/24 grace 24
        req-7 version 2 ip:192.0.2.7 grace 24 effective 2026-01-20 recorded 2026-01-20";
    check("block 192.0.2.0/24 at 2026-01-19 for req-7", register, "AUTHORISED by req-7");
    check("block 192.0.2.7 at 2026-01-19 for req-7", register, "AUTHORISED by req-7");
    check("block 192.0.2.7 at 2026-01-25 for req-7", register, "AUTHORISED by req-7");
    check(
        "block 192.0.2.8 at 2026-01-20T12:00:00Z for req-7",
        register,
        "IN_REMOVAL_GRACE by req-7",
    );
    check("block 192.0.2.8 at 2026-01-21 for req-7", register, "OUT_OF_SCOPE_TARGET by req-7");
    check("block 192.0.2.0/24 at 2026-01-21 for req-7", register, "OVERBROAD by req-7");
    // A window across the amendment, covered by the old text and then by the new one.
    check(
        "block 192.0.2.7 at 2026-01-19T23:50:00Z to 2026-01-20T00:05:00Z for req-7",
        register,
        "AUTHORISED by req-7",
    );
    check(
        "block 192.0.2.8 at 2026-01-19T23:50:00Z to 2026-01-20T00:05:00Z for req-7",
        register,
        "UNDETERMINED(boundary) by req-7",
    );
}

#[test]
fn an_amendment_that_arrives_before_its_statement_is_written() {
    let register = "req-7 ip:192.0.2.7 received 2026-01-01
        req-7 version 2 ip:192.0.2.8 received 2026-01-10 recorded 2026-01-12";
    check("block 192.0.2.8 at 2026-01-11 for req-7", register, "AUTHORISED by req-7");
    check("block 192.0.2.7 at 2026-01-11 for req-7", register, "OUT_OF_SCOPE_TARGET by req-7");
}
