//! Approvals that the collector attests: its word, told apart from what a person signed.

use remit_proto::v1;
use verify::Outcome;

use crate::operator::{Operator, check, person, says};

#[test]
fn what_the_collector_attests_is_counted_apart_from_what_people_signed() {
    let mut operator = Operator::honest();
    operator.attests(person(), None);
    let report = check(&operator.bundle(), &[]);
    let words = "1 statements are signed by operator staff whose keys are logged; 1 approvals are the \
                 collector's word";
    assert!(says(&report, Outcome::Proven, words), "{report}");
}

#[test]
fn an_attestation_by_another_key_is_contradicted() {
    let mut operator = Operator::honest();
    operator.attests(person(), Some(77));
    let report = check(&operator.bundle(), &[]);
    let words = "the attestation is not of the register's key";
    assert!(says(&report, Outcome::Contradicted, words), "{report}");
}

#[test]
fn an_attestation_for_somebody_who_may_not_or_whom_nobody_knows_is_contradicted() {
    for person in [
        v1::PersonRef { role: v1::Role::Officer.into(), ..person() },
        v1::PersonRef { person: "p-9".to_owned(), ..person() },
    ] {
        let mut operator = Operator::honest();
        operator.attests(person.clone(), None);
        let report = check(&operator.bundle(), &[]);
        assert!(says(&report, Outcome::Contradicted, "statement 1"), "{person:?}: {report}");
    }
}
