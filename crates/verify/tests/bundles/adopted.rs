//! Attributions, recomputed from the register alone.

use remit_proto::v1;
use verify::Outcome;

use crate::operator::{Operator, check, person, says};

fn attributed() -> Operator {
    let mut operator = Operator::honest();
    operator.attributes(person());
    operator
}

#[test]
fn what_was_attributed_later_is_recomputed() {
    let report = check(&attributed().bundle(), &[]);
    assert_eq!(report.result, Outcome::Proven, "{report}");
}

#[test]
fn a_verdict_that_names_no_or_another_attribution_is_contradicted() {
    for said in ["OUT_OF_SCOPE_TARGET r-1", "OUT_OF_SCOPE_TARGET r-1 0"] {
        let mut operator = attributed();
        operator.said[2].2 = said;
        let report = check(&operator.bundle(), &[]);
        assert!(says(&report, Outcome::Contradicted, "attributed by statement 1"), "{report}");
    }
    let mut operator = attributed();
    operator.said[2].2 = "NO_BASIS";
    let report = check(&operator.bundle(), &[]);
    assert!(says(&report, Outcome::Contradicted, "the evidence says OUT_OF_SCOPE_TARGET"));
}

#[test]
fn an_attribution_out_of_role_is_contradicted_and_its_field_named() {
    let mut operator = Operator::honest();
    operator.attributes(v1::PersonRef { role: v1::Role::Officer.into(), ..person() });
    let report = check(&operator.bundle(), &[]);
    assert!(says(&report, Outcome::Contradicted, "signatures.person.role"), "{report}");
}

#[test]
fn a_basis_map_that_nobody_stated_is_said() {
    let report = check(&Operator::honest().bundle(), &[]);
    assert!(report.coverage.unwrap().basis_maps_unstated.is_empty(), "no map was used");
    let mut operator = Operator::honest();
    operator.starts_with_basis_map(7);
    let report = check(&operator.bundle(), &[]);
    let unstated = report.coverage.as_ref().unwrap().basis_maps_unstated.clone();
    assert_eq!(unstated, [format!("edge-1 {}", "07".repeat(32))]);
    assert_eq!(report.result, Outcome::Proven, "about conduct, not about evidence: {report}");
    operator.states_basis_map(7);
    let report = check(&operator.bundle(), &[]);
    assert!(report.coverage.unwrap().basis_maps_unstated.is_empty());
}

#[test]
fn what_waits_for_a_late_register_is_recomputed_and_the_time_is_told() {
    let report = check(&Operator::honest().bundle(), &[]);
    assert!(report.to_string().contains("nobody stated a time to wait for it"), "{report}");
    let mut operator = Operator::honest();
    let since_s = operator.at_s;
    operator.waits_for_late_requests(600);
    let report = check(&operator.bundle(), &[]);
    assert_eq!(report.result, Outcome::Proven, "{report}");
    let coverage = report.coverage.as_ref().unwrap();
    let [late] = &coverage.late_registers[..] else { panic!("{coverage:?}") };
    assert_eq!((late.statement, late.grace_s, late.since_s), (1, 600, since_s));
    assert_eq!(late.person, person().person);
    assert_eq!(coverage.verdicts.get("undetermined"), Some(&1), "{:?}", coverage.verdicts);
    let since = register::words::time(since_s);
    let line = format!(
        "waited for 600 s after acts from {since} on, by statement 1, signed by {}",
        person().person
    );
    assert!(report.to_string().contains(&line), "{report}");
    // Nobody else's word: without the statement the same verdict is contradicted.
    let mut operator = Operator::honest();
    operator.waits_for_late_requests(0);
    let report = check(&operator.bundle(), &[]);
    assert!(says(&report, Outcome::Contradicted, "the evidence says UNKNOWN_BASIS"), "{report}");
}
