//! When a request holds: bounds, transitions, amendments, as known at each size of the register.

use crate::language::check_clause;

#[test]
fn request_ends_before_its_until_instant() {
    let register = "req-7 ip:192.0.2.7 from 2026-01-01T00:00Z until 2026-02-01T00:00Z";
    check_clause(
        "block 192.0.2.7 at 2026-02-01T00:00:00Z for req-7",
        register,
        "time: until 2026-02-01T00:00:00Z / 2026-02-01T00:00:00Z",
    );
}

#[test]
fn each_end_has_its_word() {
    for (how, said) in [
        ("revokes", "revoked"),
        ("withdraws", "withdrawn"),
        ("moots", "moot since"),
        ("annuls", "annulled"),
    ] {
        let register = format!("req-7 ip:192.0.2.7; req-7 {how} effective 2026-01-15");
        let said = said.trim_end_matches(" since");
        let link = if said == "moot" { "since" } else { "at" };
        check_clause(
            "block 192.0.2.7 at 2026-01-15T00:00:00Z for req-7",
            &register,
            &format!("time: {said} {link} 2026-01-15T00:00:00Z / 2026-01-15T00:00:00Z"),
        );
    }
    check_clause(
        "block 192.0.2.7 at 2026-01-15T00:00:00Z for req-7",
        "req-7 ip:192.0.2.7 depends case-1; proceeding case-1 ends effective 2026-01-10",
        "time: lapsed with its proceeding at 2026-01-10T00:00:00Z / 2026-01-15T00:00:00Z",
    );
}

#[test]
fn the_time_that_nobody_saw_is_named() {
    check_clause(
        "block 192.0.2.7 at 2026-01-15T12:00:00Z to 2026-01-15T12:10:00Z for req-7 \
         unseen 2026-01-15T12:02:00Z..2026-01-15T12:08:00Z",
        "req-7 ip:192.0.2.7 until 2026-01-15T12:05:00Z",
        "time: until 2026-01-15T12:05:00Z / 2026-01-15T12:00:00Z to 2026-01-15T12:10:00Z; nothing was \
         recorded from 2026-01-15T12:02:00Z to 2026-01-15T12:08:00Z (agent_down)",
    );
}

#[test]
fn enforced_before_it_was_accepted() {
    let refused = "req-7 ip:192.0.2.7 status received; req-7 refuses effective 2026-01-02";
    check_clause("block 192.0.2.7 for req-7", refused, "status: refused / 2026-01-15T12:00:00Z");
    let dropped = "req-7 ip:192.0.2.7 status received; req-7 withdraws effective 2026-01-02";
    check_clause(
        "block 192.0.2.7 for req-7",
        dropped,
        "status: withdrawn at 2026-01-02T00:00:00Z before it was accepted / 2026-01-15T12:00:00Z",
    );
}
