//! Where, in which network and for whom a request holds.

use crate::language::check_clause;

#[test]
fn territory() {
    let germany = "req-7 ip:192.0.2.7 in DE,AT";
    check_clause(
        "block 192.0.2.7 on r (FR) for req-7",
        germany,
        "place: DE, AT / node r in FR, fixed",
    );
}

#[test]
fn audiences() {
    let register = "req-7 ip:192.0.2.7 audience residential";
    check_clause("block 192.0.2.7 for req-7", register, "audience: residential / all lines");
}
