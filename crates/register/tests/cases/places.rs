//! Where, in which network and for whom a request holds.

use crate::language::{check, check_clause};

#[test]
fn territory() {
    let germany = "req-7 ip:192.0.2.7 in DE,AT";
    check("block 192.0.2.7 on r (DE) for req-7", germany, "AUTHORISED");
    check("block 192.0.2.7 on r (AT) for req-7", germany, "AUTHORISED");
    check("block 192.0.2.7 on r (DE-BE) for req-7", germany, "AUTHORISED");
    check("block 192.0.2.7 on r (FR) for req-7", germany, "WRONG_PLACE by req-7");
    check_clause(
        "block 192.0.2.7 on r (FR) for req-7",
        germany,
        "place: DE, AT / node r in FR, fixed",
    );
    let berlin = "req-7 ip:192.0.2.7 in DE-BE";
    check("block 192.0.2.7 on r (DE-BE) for req-7", berlin, "AUTHORISED");
    check("block 192.0.2.7 on r (DE-BY) for req-7", berlin, "WRONG_PLACE");
    check("block 192.0.2.7 on r (FR) for req-7", berlin, "WRONG_PLACE");
    check("block 192.0.2.7 on r (DE) for req-7", berlin, "UNDETERMINED(scope) by req-7");
}

#[test]
fn an_empty_territory_is_not_everywhere() {
    let unstated = "req-7 ip:192.0.2.7 in unstated";
    check("block 192.0.2.7 for req-7", unstated, "UNDETERMINED(scope) by req-7");
    check("block 192.0.2.7 on r (FR) for req-7", "req-7 ip:192.0.2.7 in *", "AUTHORISED");
    // It might cover; that is no excuse for what surely fails.
    check("block 192.0.2.0/24 for req-7", unstated, "OVERBROAD by req-7");
}

#[test]
fn facts_that_nobody_declared() {
    check(
        "block 192.0.2.7 on undeclared for req-7",
        "req-7 ip:192.0.2.7 in DE",
        "UNDETERMINED(scope)",
    );
    check("block 192.0.2.7 on r (?) for req-7", "req-7 ip:192.0.2.7 in DE", "UNDETERMINED(scope)");
    check("block 192.0.2.7 on undeclared for req-7", "req-7 ip:192.0.2.7 in *", "AUTHORISED");
    check(
        "block 192.0.2.7 on undeclared for req-7",
        "req-7 ip:192.0.2.7 in * audience residential",
        "UNDETERMINED(scope)",
    );
    check(
        "block 192.0.2.7 network ? for req-7",
        "req-7 ip:192.0.2.7 networks mobile",
        "UNDETERMINED(scope)",
    );
    check("block 192.0.2.7 for req-7", "req-7 ip:192.0.2.7 asns 64500", "UNDETERMINED(scope)");
}

#[test]
fn nodes_and_groups() {
    let nodes = "req-7 ip:192.0.2.7 nodes router-1,group:north";
    check("block 192.0.2.7 on router-1 for req-7", nodes, "AUTHORISED");
    check("block 192.0.2.7 on router-2 group north for req-7", nodes, "AUTHORISED");
    check("block 192.0.2.7 on router-2 group south for req-7", nodes, "WRONG_PLACE");
}

#[test]
fn networks() {
    let mobile = "req-7 ip:192.0.2.7 networks mobile,roaming asns 64500";
    check("block 192.0.2.7 network mobile asn 64500 for req-7", mobile, "AUTHORISED");
    check("block 192.0.2.7 network wholesale asn 64500 for req-7", mobile, "WRONG_PLACE");
    check("block 192.0.2.7 network mobile asn 64501 for req-7", mobile, "WRONG_PLACE");
}

#[test]
fn audiences() {
    let register = "req-7 ip:192.0.2.7 audience residential";
    check("block 192.0.2.7 serving residential for req-7", register, "AUTHORISED");
    check("block 192.0.2.7 serving residential,business for req-7", register, "WRONG_AUDIENCE");
    // A node that declares no classes serves all.
    check("block 192.0.2.7 for req-7", register, "WRONG_AUDIENCE by req-7");
    check_clause("block 192.0.2.7 for req-7", register, "audience: residential / all lines");
}
