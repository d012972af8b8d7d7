//! Closed parts of requests: with what opens them, without it, with something else, and erased.

use evidence::{bundle::chunk_name, chunk::chunk_id};
use remit_proto::v1::{self, RequestPart, log_entry::Entry};
use verify::{Files, Outcome, Step};

use crate::operator::{Lie, Operator, check, person, says};

/// The bundle for somebody who may not see the part.
fn without(operator: &Operator) -> Files {
    let mut files = operator.bundle();
    for chunk in &operator.closed {
        assert!(files.remove(&chunk_name(&chunk_id(chunk))).is_some());
    }
    files
}

fn erases(operator: &mut Operator) {
    let ids = operator.closed.iter().map(|chunk| chunk_id(chunk).0.to_vec());
    operator.logs(Entry::Erasure(v1::Erasure {
        origin: "example.net/register".into(),
        from_index: 0,
        until_index: 1,
        count: 1,
        by: Some(person()),
        chunks: ids.collect(),
    }));
}

#[test]
fn with_its_opening_a_closed_part_proves_like_any_other() {
    for part in
        [RequestPart::Targets, RequestPart::Measure, RequestPart::Scope, RequestPart::Reasons]
    {
        let report = check(&Operator::tells(Lie::Closed(part)).bundle(), &[]);
        assert_eq!(report.result, Outcome::Proven, "{part:?}: {report}");
    }
}

#[test]
fn without_the_targets_the_verdicts_are_the_collectors_word_and_counted() {
    let operator = Operator::tells(Lie::Closed(RequestPart::Targets));
    let report = check(&without(&operator), &[]);
    assert_eq!(report.result, Outcome::Incomplete, "{report}");
    let words = "1 parts of requests are committed and not in the bundle; 1 of them";
    assert!(says(&report, Outcome::Incomplete, words), "{report}");
    // A rule and its hits; the one that claims nothing is not hidden by it, and the last came after the
    // request's end, whatever its targets are.
    let words = "2 verdicts rest on closed parts of requests and are undetermined (secret) here";
    assert!(says(&report, Outcome::Incomplete, words), "{report}");
}

#[test]
fn without_what_no_verdict_rests_on_every_verdict_is_recomputed() {
    let operator = Operator::tells(Lie::Closed(RequestPart::Reasons));
    let report = check(&without(&operator), &[]);
    assert!(says(&report, Outcome::Incomplete, "not in the bundle; 0 of them"), "{report}");
    assert!(says(&report, Outcome::Proven, "4 verdicts recomputed"), "{report}");
}

#[test]
fn a_forged_opening_is_refused() {
    let operator = Operator::tells(Lie::Closed(RequestPart::Targets));
    let other = Operator::tells(Lie::Closed(RequestPart::Reasons));
    let mut files = operator.bundle();
    for (chunk, forged) in operator.closed.iter().zip(&other.closed) {
        files.insert(chunk_name(&chunk_id(chunk)), forged.clone());
    }
    let report = check(&files, &[]);
    assert_eq!(report.result, Outcome::Contradicted, "{report}");
    let at_statements = |line: &verify::Line| {
        line.step == Step::Statements && line.outcome == Outcome::Contradicted
    };
    assert!(report.lines.iter().any(at_statements), "{report}");
}

#[test]
fn what_was_erased_is_gone_and_says_so() {
    let mut operator = Operator::tells(Lie::Closed(RequestPart::Reasons));
    erases(&mut operator);
    operator.publishes();
    let report = check(&without(&operator), &[]);
    assert_eq!(report.result, Outcome::Proven, "{report}");
    assert!(
        says(&report, Outcome::Proven, "1 parts of requests are erased, as logged"),
        "{report}"
    );
}

#[test]
fn an_erasure_that_is_not_of_these_chunks_excuses_nothing() {
    let mut operator = Operator::tells(Lie::Closed(RequestPart::Reasons));
    let other = Operator::tells(Lie::Closed(RequestPart::Targets));
    let own = std::mem::replace(&mut operator.closed, other.closed);
    erases(&mut operator);
    operator.closed = own;
    operator.publishes();
    let report = check(&without(&operator), &[]);
    assert_eq!(report.result, Outcome::Incomplete, "{report}");
}
