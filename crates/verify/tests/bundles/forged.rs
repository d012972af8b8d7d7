//! Somebody who holds every key changes one thing and signs all of it anew.

use verify::Outcome;

use crate::operator::{Lie, Operator, check, says};

/// What the assessor saved when the block on 192.0.2.9 was already in the log.
fn saved() -> Vec<u8> {
    Operator::honest().checkpoints[2].clone()
}

fn contradicted_by_the_saved_checkpoint(lie: Lie) {
    let saved = saved();
    let report = check(&Operator::tells(lie).bundle(), &[&saved]);
    assert_eq!(report.result, Outcome::Contradicted, "{report}");
    assert!(
        says(&report, Outcome::Contradicted, "differs from the checkpoint you saved"),
        "{report}"
    );
}

#[test]
fn a_back_dated_request_contradicts_the_saved_checkpoint() {
    contradicted_by_the_saved_checkpoint(Lie::BackDated);
}

#[test]
fn a_dropped_leaf_contradicts_the_saved_checkpoint() {
    contradicted_by_the_saved_checkpoint(Lie::Dropped);
}

/// The limit of this evidence, and why a checkpoint must be saved or witnessed.
#[test]
fn without_a_saved_checkpoint_a_lie_signed_anew_passes() {
    for lie in [Lie::BackDated, Lie::Dropped] {
        let report = check(&Operator::tells(lie).bundle(), &[]);
        assert_eq!(report.result, Outcome::Proven, "{lie:?}: {report}");
        assert!(says(&report, Outcome::Proven, "0 independent witnesses"));
        assert!(
            report.limits.iter().any(|limit| limit.contains("may have been written yesterday"))
        );
    }
}

#[test]
fn two_saved_checkpoints_narrow_the_place() {
    let honest = Operator::honest();
    let report = check(
        &Operator::tells(Lie::Dropped).bundle(),
        &[&honest.checkpoints[2], &honest.checkpoints[0]],
    );
    assert!(says(&report, Outcome::Proven, "saved-1"), "{report}");
    assert!(says(&report, Outcome::Contradicted, "saved-0"), "{report}");
}

#[test]
fn history_that_was_cut_contradicts_the_saved_checkpoint() {
    let honest = Operator::honest();
    let newest = honest.log_note();
    let mut cut = Operator::honest();
    cut.entries.pop();
    let report = check(&cut.bundle(), &[&newest]);
    assert!(says(&report, Outcome::Contradicted, "history was cut"), "{report}");
}

#[test]
fn a_saved_checkpoint_of_another_key_is_no_evidence() {
    let mut note = tlog::note::Note::parse(saved()).unwrap();
    note.signatures[0].bytes[0] ^= 1;
    let report = check(&Operator::honest().bundle(), &[&note.encode()]);
    assert_eq!(report.result, Outcome::CouldNotCheck, "{report}");
}
