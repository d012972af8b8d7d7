//! DOMAIN.md section 1, "Lifecycle": every transition of it, and no other.

use register::Register;

use crate::language::{ORIGIN, register_of, replaces, statement_of};

/// How a request comes to each state, and the transitions that lead on from there; all others are
/// refused. Times: entered for 2026-01-01, each step a day later, the last one on 2026-01-20.
const STATES: [(&str, &str, &str); 14] = [
    ("received", "status received", "review clarify challenge refuse accept withdraw revoke annul"),
    (
        "under_review",
        "status received; reviews",
        "clarify challenge refuse accept withdraw revoke annul",
    ),
    (
        "clarification_sought",
        "status received; clarifies",
        "review challenge refuse accept withdraw revoke annul",
    ),
    (
        "challenged",
        "status received; challenges",
        "review clarify refuse accept withdraw revoke annul",
    ),
    ("refused", "status received; refuses", "annul close"),
    ("withdrawn before it was accepted", "status received; withdraws", "annul close"),
    ("active", "status received; accepts", "suspend withdraw revoke supersede moot annul"),
    (
        "provisional",
        "status provisional confirm-by 2026-03-01",
        "confirm suspend withdraw revoke supersede moot annul",
    ),
    ("suspended", "; suspends", "resume withdraw revoke supersede moot annul"),
    ("expired", "until 2026-01-10", "suspend withdraw revoke supersede moot annul close"),
    ("withdrawn", "; withdraws", "annul close"),
    ("moot", "; moots", "annul close"),
    ("annulled", "; annuls", "suspend withdraw revoke supersede moot close"),
    ("closed", "; withdraws; closes", ""),
];

const ALL: [&str; 14] = [
    "review",
    "clarify",
    "challenge",
    "refuse",
    "accept",
    "confirm",
    "suspend",
    "resume",
    "withdraw",
    "revoke",
    "supersede",
    "moot",
    "annul",
    "close",
];

fn in_state(path: &str) -> Register {
    let mut steps = path.split("; ");
    let text = format!("other ip:192.0.2.9; req-7 ip:192.0.2.7 {}", steps.next().unwrap_or(""));
    let mut lines = vec![text];
    for (step, day) in steps.zip(2..) {
        lines.push(format!("req-7 {step} effective 2026-01-{day:02}"));
    }
    register_of(&lines.join("; "))
}

fn takes(register: &Register, line: &str) -> bool {
    let mut register = register.clone();
    let (statement, mut items) = statement_of(line);
    replaces(&register, &mut items);
    register.apply(&statement, items).is_ok()
}

#[test]
fn each_state_leads_where_the_table_says_and_nowhere_else() {
    for (state, path, leads_to) in STATES {
        let register = in_state(path);
        for step in ALL {
            let by = if step == "supersede" { "by other " } else { "" };
            let line = format!("req-7 {step}s {by}effective 2026-01-20");
            let wanted = leads_to.split(' ').any(|word| word == step);
            assert_eq!(takes(&register, &line), wanted, "{state} and then {step}");
        }
    }
}

#[test]
fn what_a_court_or_the_authority_ended_is_not_entered_again() {
    let next = "req-7 version 2 ip:192.0.2.8 effective 2026-01-20 recorded 2026-01-20";
    for (state, path, _) in STATES {
        let over = ["withdrawn", "withdrawn before it was accepted", "moot", "annulled", "closed"]
            .contains(&state);
        assert_eq!(takes(&in_state(path), next), !over, "{state} and then a version");
    }
}

#[test]
fn a_state_has_its_word() {
    let at_s = crate::language::at("2026-01-20");
    for (state, path, _) in STATES {
        let register = in_state(path);
        let entry = register.view().request(&"req-7".parse().unwrap()).unwrap();
        let want = match state {
            "withdrawn before it was accepted" => "withdrawn",
            "annulled" => "annulled_ab_initio",
            "closed" => "closed (withdrawn)",
            other => other,
        };
        assert_eq!(entry.state_at(at_s), want);
    }
}

#[test]
fn states_of_another_order_of_effect() {
    // A stay that is recorded late stands where it took effect.
    let register = register_of("req-7 ip:192.0.2.7; req-7 withdraws effective 2026-01-20");
    assert!(takes(&register, "req-7 suspends effective 2026-01-10"));
    assert!(!takes(&register, "req-7 suspends effective 2026-01-21"));
    assert_eq!(Register::new(ORIGIN).size(), 0);
}
