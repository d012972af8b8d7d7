//! When a request holds: bounds, transitions, amendments, as known at each size of the register.

use register::{Selected, Target};

use crate::language::{at, check_clause, register_of};

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
fn the_end_of_a_proceeding_reaches_what_depends_on_it_and_no_more() {
    let register = register_of(
        "a ip:192.0.2.1 depends case-1; b ip:192.0.2.2 depends case-2; c ip:192.0.2.3
         d ip:192.0.2.4 outlives case-1; e ip:192.0.2.5; e version 2 ip:192.0.2.5 depends case-1
         proceeding case-1 ends effective 2026-01-10; proceeding case-1 ends effective 2026-01-20",
    );
    let reached = |from_size: u64| -> Vec<String> {
        let size = register.size();
        let reach = register.reach(from_size, size).into_iter();
        let targets = reach.filter_map(|selector| match selector.selected {
            Selected::Target(target) => {
                assert_eq!(selector.since_s, at("2026-01-10"), "of both words the earlier time");
                Some(target.to_string())
            }
            Selected::Claim(_) => None,
            other => panic!("{other:?}"),
        });
        targets.collect()
    };
    // Of a request that came to depend on it, in each of its versions.
    assert_eq!(reached(6), ["192.0.2.1", "192.0.2.5", "192.0.2.5"]);
    // What corrects the end moves it either way.
    assert_eq!(reached(7), ["192.0.2.1", "192.0.2.5", "192.0.2.5"]);
    assert_eq!(reached(8), Vec::<String>::new());
}

#[test]
fn what_goes_with_an_own_measure_reaches_what_it_reaches() {
    let register = register_of(
        "spam ip:192.0.2.1 as tos_measure relation same_measure_as=asked
         other ip:192.0.2.2 as tos_measure; plain ip:192.0.2.3 as tos_measure
         copy ip:192.0.2.4 as tos_measure relation implements_list_of=bad
         asked ip:198.51.100.1 as police_request relation extends=other
         asked revokes effective 2026-01-10; order covers bad as regulator_order; feed bad under order
         list bad@v1 +ip:198.51.100.2 with p-2",
    );
    let reached = |from_size: u64| -> Vec<String> {
        let reach = register.reach(from_size, from_size + 1).into_iter();
        let own = |target: &Target| target.to_string().starts_with("192.0.2.");
        let always = reach.filter(|selector| selector.since_s == i64::MIN);
        let targets = always.filter_map(|selector| match selector.selected {
            Selected::Target(target) if own(&target) => Some(target.to_string()),
            _ => None,
        });
        targets.collect()
    };
    assert_eq!(reached(4), ["192.0.2.2", "192.0.2.1"], "entered");
    assert_eq!(reached(5), ["192.0.2.2", "192.0.2.1"], "a step of it");
    assert_eq!(reached(6), ["192.0.2.4"], "what covers the list");
    assert_eq!(reached(7), ["192.0.2.4"], "its feed");
    assert_eq!(reached(8), Vec::<String>::new(), "a version of the list moves no label");
}

#[test]
fn how_long_a_reference_may_come_late_reaches_everything() {
    let register = register_of("req-7 ip:192.0.2.7; late-register 60; req-8 ip:192.0.2.8");
    let everything = [register::change::Selector::always(Selected::Everything)];
    assert_eq!(register.reach(1, 2), everything);
    assert_ne!(register.reach(2, 3), everything);
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

/// By its times and by all that was stated of it: what a list of requests shows as its end.
#[test]
fn when_a_request_will_no_longer_be_in_force() {
    let ends = |register: &str, now: &str| {
        let register = register_of(register);
        let view = register.view();
        let entry = view.request(&"req-7".parse().unwrap()).unwrap();
        let end_s = entry.ends_after(at(now))?;
        Some(format!("{} {}", register::words::time(end_s), entry.state_at(end_s)))
    };
    let text = |end: &str| Some(end.to_owned());
    let now = "2026-01-15";
    assert_eq!(ends("req-7 ip:192.0.2.7", now), None);
    let plain = "req-7 ip:192.0.2.7 until 2026-02-01";
    assert_eq!(ends(plain, now), text("2026-02-01T00:00:00Z expired"));
    let later = "req-7 ip:192.0.2.7 from 2026-01-20 until 2026-02-01";
    assert_eq!(ends(later, now), text("2026-02-01T00:00:00Z expired"), "it has not begun");
    assert_eq!(ends(plain, "2026-02-02"), None, "it is over");
    let withdrawn = &format!("{plain}; req-7 withdraws effective 2026-01-25");
    assert_eq!(ends(withdrawn, now), text("2026-01-25T00:00:00Z withdrawn"));
    let call = "req-7 ip:192.0.2.7 status provisional confirm-by 2026-01-17";
    assert_eq!(ends(call, now), text("2026-01-17T00:00:00Z lapsed"));
    let confirmed = &format!("{call}; req-7 confirms effective 2026-01-16");
    assert_eq!(ends(confirmed, now), None);
}
