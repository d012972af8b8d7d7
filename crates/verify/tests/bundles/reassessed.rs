//! What the collector logged when it judged old events again.

use evidence::{
    Leaf,
    chunk::{chunk_id, open_set},
    log_entry::LogEntry,
    statement::{SignedStatement, decode_signed, item_set},
};
use prost::Message;
use register::{
    Items, MATCHER_NUMBER, Parameters,
    assessment::{Assessment, Facts, Item},
};
use remit_proto::v1::{self, VerdictCode, log_entry::Entry};
use tlog::leaf_hash;
use verify::{Outcome, Step};

use crate::operator::{AGENT, Operator, check, person, says};

/// A rule is attributed after its hit, which changes one verdict; and what the log says of that.
fn judged_again(changed: u64, root: [u8; 32]) -> Operator {
    judged_again_by(MATCHER_NUMBER, changed, root)
}

fn judged_again_by(matcher_version: u32, changed: u64, root: [u8; 32]) -> Operator {
    let mut operator = Operator::honest();
    operator.attributes(person());
    operator.logs(Entry::Reassessment(v1::Reassessment {
        log_size: operator.entry_count(),
        from_register_size: 1,
        to_register_size: 2,
        examined: 4,
        changed,
        root: root.to_vec(),
        matcher_version,
    }));
    operator
}

/// The same once more, in another entry.
fn and_again_by(operator: &mut Operator, matcher_version: u32) {
    operator.logs(Entry::Reassessment(v1::Reassessment {
        log_size: operator.entry_count() - 1,
        from_register_size: 1,
        to_register_size: 2,
        examined: 4,
        changed: 1,
        root: right_root().to_vec(),
        matcher_version,
    }));
}

/// What everybody knows of the story up to its attribution.
fn assessed(operator: &Operator) -> Assessment {
    let mut assessment = Assessment::new("example.net/register", Parameters::default());
    for bytes in &operator.statements {
        let signed = decode_signed(bytes).unwrap();
        let SignedStatement::Known { statement, .. } = signed else { panic!("{signed:?}") };
        let items = item_set(statement.body.as_ref()).map(|set| {
            let held = |id: &Vec<u8>| {
                operator
                    .chunks
                    .iter()
                    .find(|chunk| chunk_id(chunk).0[..] == id[..])
                    .unwrap()
                    .clone()
            };
            let chunks: Vec<Vec<u8>> = set.chunks.iter().map(held).collect();
            let items = open_set(set, &chunks).unwrap();
            let items = items.iter().map(|item| v1::RegisterItem::decode(item.as_slice()).unwrap());
            Items::read(items.collect()).unwrap()
        });
        assessment.statement(&statement, items.as_ref()).unwrap();
    }
    let leaves: Vec<Leaf> =
        operator.leaves.iter().map(|bytes| Leaf::decode(bytes).unwrap()).collect();
    assessment.leaves(&AGENT.parse().unwrap(), 0, leaves, &operator.openings);
    for (index, bytes) in (0..).zip(&operator.entries) {
        let LogEntry::Known { entry, .. } = LogEntry::decode(bytes).unwrap() else { continue };
        assessment.entry(index, &entry).unwrap();
    }
    assessment
}

/// Over the one verdict that the attribution changed: of the hit that claimed nothing, leaf 5.
fn right_root() -> [u8; 32] {
    let operator = judged_again(1, [9; 32]);
    let mut assessment = assessed(&operator);
    let hit = assessment.take_assessed().into_iter().find_map(|leaf| match leaf.item {
        Item::Activity { facts, .. } if leaf.index == 5 => Some(*facts),
        _ => None,
    });
    let hit: Facts = hit.unwrap();
    // The entry before the last is the register's head that brought the attribution.
    let log_size = operator.entry_count() - 1;
    let at = |size: u64, register_size: u64| {
        let verdict = assessment.now(&hit, size, hit.span.last_s).to_wire();
        v1::Verdict { register_size, ..verdict }
    };
    let (before, after) = (at(log_size - 1, 1), at(log_size, 2));
    assert_eq!(before.code(), VerdictCode::NoBasis);
    assert_eq!(after.code(), VerdictCode::OutOfScopeTarget);
    let event = "edge-1/00000000000000aa/5".to_owned();
    let revision = v1::Revision { event, before: Some(before), after: Some(after) };
    // A tree of one leaf has its hash as root.
    leaf_hash(&revision.encode_to_vec()).0
}

#[test]
fn the_right_changes_are_proven_by_whatever_version_they_were_found() {
    for matcher_version in [MATCHER_NUMBER, MATCHER_NUMBER + 1, 0] {
        let report = check(&judged_again_by(matcher_version, 1, right_root()).bundle(), &[]);
        let words = "1 re-assessments computed again, with the same changes";
        assert!(says(&report, Outcome::Proven, words), "{report}");
        let coverage = report.coverage.unwrap();
        assert_eq!((coverage.reassessments, coverage.reassessments_checked), (1, 1));
    }
}

#[test]
fn what_another_version_of_the_matcher_found_is_held_against_nobody() {
    for (matcher_version, by) in [
        (MATCHER_NUMBER - 1, format!("by matcher version {}", MATCHER_NUMBER - 1)),
        (MATCHER_NUMBER + 1, format!("by matcher version {}", MATCHER_NUMBER + 1)),
        (0, "by a matcher version that it does not state".to_owned()),
    ] {
        let report = check(&judged_again_by(matcher_version, 2, [9; 32]).bundle(), &[]);
        assert_eq!(report.result, Outcome::Incomplete, "{report}");
        let words = "could not be checked (other matcher version)";
        assert!(says(&report, Outcome::Incomplete, words), "{report}");
        assert!(says(&report, Outcome::Incomplete, &by), "{report}");
    }
}

#[test]
fn the_stated_version_never_goes_down() {
    let (this, none) = (MATCHER_NUMBER, "no matcher version".to_owned());
    for (versions, what) in [
        ([this, 0], none),
        ([this, this - 1], format!("matcher version {}", this - 1)),
        ([this + 1, this], format!("matcher version {this}")),
    ] {
        let mut operator = judged_again_by(versions[0], 1, right_root());
        and_again_by(&mut operator, versions[1]);
        let (at, before) = (operator.entry_count() - 1, operator.entry_count() - 2);
        let words =
            format!("log entry {at} states {what}, after entry {before} stated {}", versions[0]);
        let report = check(&operator.bundle(), &[]);
        assert!(says(&report, Outcome::Contradicted, &words), "{report}");
        // Whether the changes are right or could be computed or not.
        let mut files = operator.bundle();
        files.retain(|name, _| !name.ends_with(evidence::bundle::OPENINGS));
        let report = check(&files, &[]);
        assert!(says(&report, Outcome::Contradicted, &words), "{report}");
    }
    for versions in [[0, MATCHER_NUMBER], [MATCHER_NUMBER, MATCHER_NUMBER], [0, 0]] {
        let mut operator = judged_again_by(versions[0], 1, right_root());
        and_again_by(&mut operator, versions[1]);
        let report = check(&operator.bundle(), &[]);
        let words = "2 re-assessments computed again, with the same changes";
        assert!(says(&report, Outcome::Proven, words), "{report}");
    }
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
