//! The case log in a bundle: who said what, and what a verifier does not believe.

use remit_proto::v1::{DecisionAct as Act, Role};
use verify::Outcome;

use crate::operator::{Operator, check, person, says};

fn explained() -> Operator {
    let mut operator = Operator::honest();
    operator.decides(person(), Act::Explain, "the vendor's list");
    operator
}

#[test]
fn acts_of_people_are_proven() {
    let mut operator = explained();
    let assessor = operator.enrols("p-2", Role::Assessor);
    operator.decides(assessor, Act::Reopen, "");
    let report = check(&operator.bundle(), &[]);
    assert_eq!(report.result, Outcome::Proven, "{report}");
    assert!(says(&report, Outcome::Proven, "2 acts on 1 findings are signed by people who might"));
    assert_eq!(report.coverage.unwrap().decisions, 2);
}

#[test]
fn an_operator_who_reopens_and_an_assessor_who_explains_are_contradicted() {
    let mut operator = explained();
    operator.decides(person(), Act::Reopen, "");
    let report = check(&operator.bundle(), &[]);
    assert!(says(&report, Outcome::Contradicted, "role operator may not reopen"), "{report}");
    let mut operator = Operator::honest();
    let assessor = operator.enrols("p-2", Role::Assessor);
    operator.decides(assessor, Act::Explain, "");
    let report = check(&operator.bundle(), &[]);
    assert!(says(&report, Outcome::Contradicted, "role assessor may not explain"), "{report}");
}

#[test]
fn somebody_who_was_never_enrolled_says_nothing() {
    let mut operator = Operator::honest();
    let stranger =
        remit_proto::v1::PersonRef { person: "p-9".to_owned(), role: Role::Operator.into() };
    operator.decides(stranger, Act::Explain, "");
    let report = check(&operator.bundle(), &[]);
    assert!(says(&report, Outcome::Contradicted, "p-9 had no valid key"), "{report}");
}

#[test]
fn an_act_that_was_cut_off_or_changed_is_contradicted() {
    let mut operator = explained();
    operator.decides(person(), Act::Remedy, "");
    let whole = operator.bundle();
    let mut changed = operator;
    changed.decisions.swap(0, 1);
    let report = check(&changed.bundle(), &[]);
    assert!(says(&report, Outcome::Contradicted, "do not make up the signed root"), "{report}");
    let mut cut = whole;
    cut.retain(|name, _| !name.starts_with("cases/"));
    let report = check(&cut, &[]);
    assert_eq!(report.result, Outcome::Incomplete, "{report}");
}

#[test]
fn a_note_may_be_erased_and_the_act_stands() {
    let operator = explained();
    let mut files = operator.bundle();
    let note = operator.chunks.last().map(|chunk| evidence::chunk::chunk_id(chunk)).unwrap();
    files.remove(&evidence::bundle::chunk_name(&note)).unwrap();
    let report = check(&files, &[]);
    assert_eq!(report.result, Outcome::Proven, "{report}");
    assert!(says(&report, Outcome::Proven, "beside 1 of them is withheld or erased"), "{report}");
}
