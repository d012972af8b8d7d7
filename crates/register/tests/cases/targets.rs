//! DOMAIN.md 3f: what a request's target covers.

use crate::language::{check, check_clause};

#[test]
fn an_exact_name_is_not_its_subdomains() {
    let exact = "req-7 domain_exact:example.org";
    check("block example.org for req-7", exact, "AUTHORISED by req-7");
    check("block www.example.org for req-7", exact, "OUT_OF_SCOPE_TARGET by req-7");
    check("block www.example.org", exact, "NO_BASIS by nobody");
    check("block domain_subtree:example.org for req-7", exact, "OVERBROAD by req-7");
    check("block *.example.org for req-7", exact, "OUT_OF_SCOPE_TARGET by req-7");
    check_clause(
        "block domain_subtree:example.org for req-7",
        exact,
        "target: domain_exact example.org / domain_subtree example.org",
    );
}

#[test]
fn a_subtree_is_the_name_and_everything_below() {
    let subtree = "req-7 domain_subtree:example.org";
    check("block example.org for req-7", subtree, "AUTHORISED");
    check("block a.b.example.org for req-7", subtree, "AUTHORISED");
    check("block badexample.org for req-7", subtree, "OUT_OF_SCOPE_TARGET");
    check("block *.example.org for req-7", subtree, "AUTHORISED");
    check("block domain_subtree:www.example.org for req-7", subtree, "AUTHORISED");
    check("block domain_subtree:org for req-7", subtree, "OVERBROAD");
}

#[test]
fn an_rpz_wildcard_does_not_match_the_name_itself() {
    let below = "req-7 domain_subtree:*.example.org";
    check("block www.example.org for req-7", below, "AUTHORISED");
    check("block example.org for req-7", below, "OUT_OF_SCOPE_TARGET");
    check("block domain_subtree:example.org for req-7", below, "OVERBROAD");
    // Operators install both, and registers list both.
    let both = "req-7 domain_exact:example.org domain_subtree:*.example.org";
    check("block domain_subtree:example.org for req-7", both, "AUTHORISED");
}

#[test]
fn names_are_compared_as_a_labels() {
    let register = "req-7 domain_exact:bücher.example";
    check("block BÜCHER.example. for req-7", register, "AUTHORISED");
    check("block xn--bcher-kva.example for req-7", register, "AUTHORISED");
    check("block bucher.example for req-7", register, "OUT_OF_SCOPE_TARGET");
}

#[test]
fn a_server_name_or_host_header_is_part_of_its_name() {
    let name = "req-7 domain_exact:example.org";
    check("block sni:example.org for req-7", name, "AUTHORISED");
    check("block http_host:example.org for req-7", name, "AUTHORISED");
    check("block url:http://example.org/page for req-7", name, "AUTHORISED");
    let sni = "req-7 sni:example.org";
    check("block example.org for req-7", sni, "OVERBROAD");
    check("block http_host:example.org for req-7", sni, "OUT_OF_SCOPE_TARGET");
}

#[test]
fn a_domain_for_a_page_is_overbroad_unless_the_order_permits_it() {
    let page = "req-7 url:https://example.org/page";
    check("block url:https://example.org/page for req-7", page, "AUTHORISED");
    check("block url:http://example.org/page for req-7", page, "OUT_OF_SCOPE_TARGET");
    check("block sni:example.org for req-7", page, "OVERBROAD");
    check("block example.org for req-7", page, "OVERBROAD");
    let outcome = "req-7 url:https://example.org/page by any";
    check("block sni:example.org for req-7", outcome, "AUTHORISED + COLLATERAL");
    let fallback = "req-7 url:https://example.org/page coarsest domain_exact";
    check("block sni:example.org for req-7", fallback, "AUTHORISED + COLLATERAL");
    check("block domain_subtree:example.org for req-7", fallback, "OVERBROAD");
}

#[test]
fn a_free_choice_of_means_has_the_bound_that_the_order_gives() {
    let bounded = "req-7 ip:192.0.2.7 by any coarsest ip";
    check("block 192.0.2.7 for req-7", bounded, "AUTHORISED");
    check("block 192.0.2.0/24 for req-7", bounded, "WRONG_METHOD by req-7");
    check_clause(
        "block 192.0.2.0/24 for req-7",
        bounded,
        "method: any technique, no coarser than ip / ip_acl_drop on cidr 192.0.2.0/24",
    );
    let free = "req-7 ip:192.0.2.7 by any";
    check("block 192.0.2.0/24 for req-7", free, "AUTHORISED + COLLATERAL");
    // Cutting everybody off is not a choice of means.
    check("block * for req-7", free, "WRONG_METHOD by req-7");
    check("block * for req-7", "req-7 whole_service:*", "AUTHORISED");
    check("block 192.0.2.7 for req-7", "req-7 whole_service:*", "AUTHORISED");
    check("block * for req-7", "req-7 ip:192.0.2.7", "OVERBROAD");
}

#[test]
fn urls_have_one_form() {
    let register = "req-7 url:http://Example.ORG:80/A/%7euser?q=1#top";
    check("block url:http://example.org/A/~user?q=1 for req-7", register, "AUTHORISED");
    check("block url:http://example.org/a/~user?q=1 for req-7", register, "OUT_OF_SCOPE_TARGET");
    check("block url:http://example.org/A/~user for req-7", register, "OUT_OF_SCOPE_TARGET");
    let prefix = "req-7 url_prefix:http://example.org/a";
    check("block url:http://example.org/a/b?c for req-7", prefix, "AUTHORISED");
    check("block url:http://example.org/ab for req-7", prefix, "OUT_OF_SCOPE_TARGET");
}

#[test]
fn prefixes_nest() {
    let net = "req-7 cidr:192.0.2.0/24";
    check("block 192.0.2.7 for req-7", net, "AUTHORISED");
    check("block 192.0.2.128/25 for req-7", net, "AUTHORISED");
    check("block 192.0.2.7:443/tcp for req-7", net, "AUTHORISED");
    check("block 192.0.0.0/16 for req-7", net, "OVERBROAD by req-7");
    check("block 198.51.100.0/24 for req-7", net, "OUT_OF_SCOPE_TARGET by req-7");
    check("block 192.0.2.0/24 for req-7", "req-7 ip:192.0.2.7", "OVERBROAD by req-7");
    check("block 192.0.2.7 for req-7", "req-7 ip_port:192.0.2.7:443/tcp", "OVERBROAD");
    check("block 192.0.2.0/24", "req-7 ip:192.0.2.7", "OVERBROAD by req-7");
}

#[test]
fn a_mapped_address_is_the_address() {
    check("block ip:::ffff:192.0.2.7 for req-7", "req-7 ip:192.0.2.7", "AUTHORISED");
    check("block 192.0.2.7 for req-7", "req-7 cidr:::ffff:192.0.2.0/120", "AUTHORISED");
    check("block 2001:db8::7 for req-7", "req-7 cidr:2001:db8::/32", "AUTHORISED");
}

#[test]
fn adjacent_prefixes_merge_only_if_exactly_equal() {
    let halves = "req-7 cidr:192.0.2.0/25 cidr:192.0.2.128/25";
    check("block 192.0.2.0/24 for req-7", halves, "AUTHORISED");
    check("block 192.0.2.0/23 for req-7", halves, "OVERBROAD");
    let hole = "req-7 cidr:192.0.2.0/25 cidr:192.0.2.128/26";
    check("block 192.0.2.0/24 for req-7", hole, "OVERBROAD");
    // Halves of two requests are no whole.
    let two = "a cidr:192.0.2.0/25; b cidr:192.0.2.128/25";
    check("block 192.0.2.0/24 for a,b", two, "OVERBROAD by a");
}

#[test]
fn an_order_on_a_name_is_no_order_on_an_address() {
    let name = "req-7 domain_exact:example.org by any";
    check("block 192.0.2.7 for req-7", name, "OUT_OF_SCOPE_TARGET by req-7");
    check("block 192.0.2.7", name, "NO_BASIS by nobody");
    // An order on A; A is an alias of B: blocking B is not covered.
    check("block b.example.net for req-7", name, "OUT_OF_SCOPE_TARGET by req-7");
}

#[test]
fn others_behind_the_same_address_are_charged_to_the_order() {
    let ip = "req-7 ip:192.0.2.7";
    check("block 192.0.2.7 for req-7 seeing a.example,b.example", ip, "AUTHORISED + COLLATERAL");
    let subtree = "req-7 domain_subtree:example.org";
    check(
        "block domain_subtree:example.org for req-7 seeing www.example.org",
        subtree,
        "AUTHORISED",
    );
    check("block example.org for req-7 trigger nsdname", subtree, "AUTHORISED + COLLATERAL");
    check(
        "block 192.0.2.7 for req-7 trigger response_ip by dns_nxdomain",
        ip,
        "AUTHORISED + COLLATERAL",
    );
}

#[test]
fn what_must_stay_open() {
    let register = "req-7 domain_subtree:example.org except domain_exact:shop.example.org";
    check("block www.example.org for req-7", register, "AUTHORISED");
    check("block shop.example.org for req-7", register, "OUT_OF_SCOPE_TARGET by req-7");
    check("block shop.example.org", register, "OUT_OF_SCOPE_TARGET by req-7");
    check_clause(
        "block shop.example.org for req-7",
        register,
        "target: not domain_exact shop.example.org / domain_exact shop.example.org",
    );
    // The subtree rule alone does not show whether the exception is let through; a hit does.
    check("block domain_subtree:example.org for req-7", register, "AUTHORISED");
    check(
        "block domain_subtree:example.org for req-7 seeing shop.example.org",
        register,
        "OUT_OF_SCOPE_TARGET by req-7",
    );
}

#[test]
fn a_target_may_come_and_go_within_its_request() {
    let register = "req-7 ip:192.0.2.7 added 2026-01-10 removed 2026-01-20 ip:192.0.2.8";
    check("block 192.0.2.7 at 2026-01-09T23:59:59Z for req-7", register, "TOO_EARLY");
    check("block 192.0.2.7 at 2026-01-10T00:00:00Z for req-7", register, "AUTHORISED");
    check("block 192.0.2.7 at 2026-01-20T00:00:00Z for req-7", register, "EXPIRED");
    check("block 192.0.2.8 at 2026-01-20T00:00:00Z for req-7", register, "AUTHORISED");
}

#[test]
fn the_closest_target_of_a_request_decides() {
    let register = "req-7 ip:192.0.2.7 cidr:192.0.2.0/24";
    check("block 192.0.2.0/24 for req-7", register, "AUTHORISED");
    check("block 192.0.2.9 for req-7", register, "AUTHORISED");
}
