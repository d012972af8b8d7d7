//! Deeds that no packet shows: shutdowns, throttling, lines that were suspended.

use crate::language::{check, check_clause};

#[test]
fn a_shutdown_is_judged_by_the_same_dimensions() {
    let request = "req-7 cell_area:berlin-mitte until 2026-02-01 in DE by disconnection";
    check("block cell_area:berlin-mitte for req-7 confirmed-deed", request, "AUTHORISED");
    check("block cell_area:berlin-mitte confirmed-deed", request, "AUTHORISED_MISREFERENCED");
    check("block cell_area:pankow for req-7 confirmed-deed", request, "OUT_OF_SCOPE_TARGET");
    check("block cell_area:pankow confirmed-deed", request, "NO_BASIS");
    check("block whole_service:* for req-7 confirmed-deed", request, "OVERBROAD by req-7");
    check(
        "block cell_area:berlin-mitte on r (FR) for req-7 confirmed-deed",
        request,
        "WRONG_PLACE by req-7",
    );
    check(
        "block cell_area:berlin-mitte by throttle for req-7 confirmed-deed",
        request,
        "WRONG_METHOD by req-7",
    );
    check(
        "block cell_area:berlin-mitte at 2026-02-03 for req-7 confirmed-deed",
        request,
        "EXPIRED by req-7",
    );
    // Everything holds every part of it.
    let wide = "req-8 whole_service:* by disconnection";
    check("block cell_area:berlin-mitte for req-8 confirmed-deed", wide, "AUTHORISED");
    check("block asn_route:AS64500 for req-8 confirmed-deed", wide, "AUTHORISED");
}

#[test]
fn what_one_person_recorded_is_unconfirmed_whatever_the_verdict() {
    let request = "req-7 cell_area:mitte";
    check("block cell_area:mitte for req-7 deed", request, "AUTHORISED + UNCONFIRMED");
    check("block cell_area:mitte deed", "", "NO_BASIS + UNCONFIRMED");
    check("block erased deed", request, "UNDETERMINED(erased) + UNCONFIRMED");
}

#[test]
fn a_line_is_suspended_by_its_token() {
    let token = "line_account:0123456789abcdef0123456789abcdef";
    let other = "line_account:ffffffffffffffffffffffffffffffff";
    let request = format!("req-7 {token} by line_suspend");
    check(&format!("block {token} for req-7 confirmed-deed"), &request, "AUTHORISED");
    check(&format!("block {other} for req-7 confirmed-deed"), &request, "OUT_OF_SCOPE_TARGET");
}

#[test]
fn what_lasts_is_covered_only_if_each_of_its_seconds_is() {
    let request = "req-7 cell_area:mitte from 2026-01-10 until 2026-01-20";
    let deed = |from: &str, to: &str| {
        format!("block cell_area:mitte at {from} to {to} for req-7 confirmed-deed")
    };
    check(&deed("2026-01-10", "2026-01-19T23:59:59Z"), request, "AUTHORISED");
    check(&deed("2026-01-12", "2026-01-20"), request, "EXPIRED by req-7");
    check(&deed("2026-01-09", "2026-01-12"), request, "TOO_EARLY by req-7");
    check_clause(
        &deed("2026-01-12", "2026-01-25"),
        request,
        "time: until 2026-01-20T00:00:00Z / 2026-01-12T00:00:00Z to 2026-01-25T00:00:00Z",
    );
    // The same window of hits: one of them lay in it, and nobody knows where.
    check(
        "block cell_area:mitte at 2026-01-12 to 2026-01-25 by disconnection for req-7",
        request,
        "UNDETERMINED(boundary) by req-7",
    );
    let stayed = format!("{request}; req-7 suspends effective 2026-01-15 recorded 2026-01-14");
    check(&deed("2026-01-12", "2026-01-18"), &stayed, "SUSPENDED by req-7");
    let graced = format!("{request} grace 48");
    check(&deed("2026-01-12", "2026-01-21"), &graced, "IN_REMOVAL_GRACE by req-7");
    check(&deed("2026-01-12", "2026-01-25"), &graced, "EXPIRED by req-7");
}
