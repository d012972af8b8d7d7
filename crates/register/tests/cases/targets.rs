//! DOMAIN.md 3f: what a request's target covers.

use crate::language::check_clause;

#[test]
fn an_exact_name_is_not_its_subdomains() {
    let exact = "req-7 domain_exact:example.org";
    check_clause(
        "block domain_subtree:example.org for req-7",
        exact,
        "target: domain_exact example.org / domain_subtree example.org",
    );
}

#[test]
fn a_free_choice_of_means_has_the_bound_that_the_order_gives() {
    let bounded = "req-7 ip:192.0.2.7 by any coarsest ip";
    check_clause(
        "block 192.0.2.0/24 for req-7",
        bounded,
        "method: any technique, no coarser than ip / ip_acl_drop on cidr 192.0.2.0/24",
    );
}

#[test]
fn a_block_beyond_the_licence_is_told_how_far_the_licence_goes() {
    check_clause(
        "block 0.0.0.0/0 for req-7",
        "req-7 ip:192.0.2.7 by any",
        "target: ip 192.0.2.7; the operator chooses the means, no wider than a /24 / cidr 0.0.0.0/0",
    );
    check_clause(
        "block domain_subtree:org for req-7",
        "req-7 url:https://www.example.org/page by any",
        "target: url https://www.example.org/page; the operator chooses the means, no wider than \
         domain_subtree example.org / domain_subtree org",
    );
    check_clause(
        "block 0.0.0.0/0 for req-7",
        "req-7 ip:192.0.2.7 coarsest cidr",
        "target: ip 192.0.2.7; no coarser than cidr, and no wider than a /24 / cidr 0.0.0.0/0",
    );
    // The measure is not for everybody, so nothing of it is said beside the target.
    check_clause(
        "block 0.0.0.0/0 for req-7",
        "req-7 ip:192.0.2.7 by any opening measure=secret",
        "target: ip 192.0.2.7 / cidr 0.0.0.0/0",
    );
}

#[test]
fn a_rate_is_held_against_the_rate_that_the_request_leaves() {
    let register = "req-7 ip:192.0.2.7 by throttle throttle-to 64000";
    let says = "throttle, leaving at least 64000 bit/s where it slows down";
    check_clause(
        "block 192.0.2.7 by throttle leaving 32000 for req-7",
        register,
        &format!("method: {says} / throttle to 32000 bit/s"),
    );
    check_clause(
        "block 192.0.2.7 by throttle for req-7",
        register,
        &format!("method: {says} / throttle to a rate that is not known"),
    );
}

#[test]
fn what_must_stay_open() {
    let register = "req-7 domain_subtree:example.org except domain_exact:shop.example.org";
    check_clause(
        "block shop.example.org for req-7",
        register,
        "target: not domain_exact shop.example.org / domain_exact shop.example.org",
    );
}
