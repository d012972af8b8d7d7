//! What the collector logged when it judged old events again.

use remit_proto::v1::{self, log_entry::Entry};
use verify::{Outcome, Step};

use crate::operator::{Operator, check, person, says};

/// A rule is attributed after its hit, which changes one verdict; and what the log says of that.
fn judged_again(changed: u64, root: [u8; 32]) -> Operator {
    let mut operator = Operator::honest();
    operator.attributes(person());
    operator.logs(Entry::Reassessment(v1::Reassessment {
        log_size: operator.entry_count(),
        from_register_size: 1,
        to_register_size: 2,
        examined: 4,
        changed,
        root: root.to_vec(),
    }));
    operator
}

#[test]
fn another_root_is_contradicted() {
    let report = check(&judged_again(1, [9; 32]).bundle(), &[]);
    let words = "states another root over its 1 changed verdicts";
    assert!(says(&report, Outcome::Contradicted, words), "{report}");
    let coverage = report.coverage.unwrap();
    assert_eq!((coverage.reassessments, coverage.reassessments_checked), (1, 0));
}

#[test]
fn another_number_of_changes_is_contradicted() {
    let report = check(&judged_again(3, [9; 32]).bundle(), &[]);
    let words = "states that 3 verdicts changed, and by the evidence 1 did";
    assert!(says(&report, Outcome::Contradicted, words), "{report}");
}

#[test]
fn what_rests_on_what_is_withheld_is_not_checked_and_said_so() {
    let mut files = judged_again(1, [9; 32]).bundle();
    files.retain(|name, _| !name.ends_with(evidence::bundle::OPENINGS));
    let report = check(&files, &[]);
    assert!(says(&report, Outcome::Incomplete, "re-assessments of old events were not checked"));
    assert!(
        report.lines.iter().all(|line| {
            line.step != Step::Reassessments || line.outcome != Outcome::Contradicted
        })
    );
}

#[test]
fn where_there_is_none_nothing_is_said() {
    let report = check(&Operator::honest().bundle(), &[]);
    assert!(report.lines.iter().all(|line| line.step != Step::Reassessments));
}
