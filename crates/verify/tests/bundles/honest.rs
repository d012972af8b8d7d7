//! The evidence of an honest operator, whole and in parts.

use evidence::bundle;
use tlog::{
    cosignature,
    note::{KeyName, Note},
};
use verify::{Options, Outcome, Step, WitnessPolicy};

use crate::operator::{Operator, T, check, says, trust};

#[test]
fn what_is_true_and_whole_is_proven() {
    let report = check(&Operator::honest().bundle(), &[]);
    assert_eq!(report.result, Outcome::Proven, "{report}");
    let steps: Vec<Step> = report.lines.iter().map(|line| line.step).collect();
    for step in [
        Step::Files,
        Step::LogSignature,
        Step::LogEntries,
        Step::NamedCheckpoints,
        Step::Keys,
        Step::AgentHeads,
        Step::AgentLeaves,
        Step::Openings,
        Step::Snapshots,
        Step::RegisterSignature,
        Step::RegisterEntries,
        Step::Statements,
        Step::Inventory,
        Step::Verdicts,
    ] {
        assert!(steps.contains(&step), "{step} is missing from the report");
    }
}

#[test]
fn the_report_says_what_is_covered_and_what_is_not() {
    let report = check(&Operator::honest().bundle(), &[]);
    let coverage = report.coverage.as_ref().unwrap();
    assert_eq!((coverage.points_declared, coverage.points_observed), (2, 1));
    assert_eq!(coverage.points_unobserved, ["edge-1/box"]);
    assert_eq!((coverage.seals, coverage.hits, coverage.events_judged), (2, 3, 4));
    // Between the two seals lie more than three seal intervals.
    assert_eq!(coverage.silences.len(), 1);
    assert_eq!(coverage.verdicts.get("no covering request"), Some(&1));
    assert!(!report.limits.is_empty());
    assert!(report.to_string().contains("what this evidence cannot show"));
}

#[test]
fn findings_about_conduct_change_nothing() {
    let report = check(&Operator::honest().bundle(), &[]);
    let coverage = report.coverage.as_ref().unwrap();
    assert_eq!(coverage.verdicts.get("out of time"), Some(&1));
    // The rule stood longer than its request: told apart from what it did.
    assert_eq!(coverage.duties.get("LATE_REMOVAL"), Some(&vec!["r-1".to_owned()]));
    assert_eq!(coverage.duties.len(), 1, "{:?}", coverage.duties);
    assert!(report.to_string().contains("1 LATE_REMOVAL: r-1"), "{report}");
    assert_eq!(report.result, Outcome::Proven);
}

#[test]
fn what_a_probe_reached_although_a_rule_stood_is_told() {
    let ineffective = |ip: &str, at_s: i64| {
        let mut operator = Operator::honest();
        operator.is_probed(ip, at_s);
        let report = check(&operator.bundle(), &[]);
        assert_eq!(report.result, Outcome::Proven, "{report}");
        let coverage = report.coverage.as_ref().unwrap();
        assert_eq!(coverage.probes, 1);
        coverage.duties.get("INEFFECTIVE").cloned().unwrap_or_default()
    };
    assert_eq!(ineffective("192.0.2.1", T + 500), ["r-1"]);
    assert!(ineffective("192.0.2.1", T + 1_100).is_empty(), "the request had ended");
    assert!(ineffective("192.0.2.9", T + 500).is_empty(), "nobody wants it blocked");
}

#[test]
fn every_checkpoint_saved_on_the_way_agrees() {
    let operator = Operator::honest();
    let saved: Vec<&[u8]> = operator.checkpoints.iter().map(Vec::as_slice).collect();
    let report = check(&operator.bundle(), &saved);
    assert_eq!(report.result, Outcome::Proven, "{report}");
    assert!(says(&report, Outcome::Proven, "saved-3"));
}

#[test]
fn without_witnesses_it_is_incomplete_and_says_why() {
    let report = verify::verify(&Operator::honest().bundle(), &trust(&[]), &Options::default());
    assert_eq!(report.result, Outcome::Incomplete);
    assert!(says(
        &report,
        Outcome::Incomplete,
        "0 independent witnesses: history could have been rewritten before this checkpoint"
    ));
}

#[test]
fn a_quorum_of_witnesses_makes_it_whole() {
    let operator = Operator::honest();
    let witness =
        |secret| cosignature::SigningKey::new(KeyName::new("w.example").unwrap(), [secret; 32]);
    let mut note = Note::parse(operator.log_note()).unwrap();
    note.add_signature(witness(40).sign(&note.text, 1_750_000_500).unwrap()).unwrap();
    let mut files = operator.bundle();
    files.insert("log/checkpoint".into(), note.encode());
    for (secret, want) in [(40, Outcome::Proven), (41, Outcome::Incomplete)] {
        let mut trust = trust(&[]);
        let keys = vec![witness(secret).verifier()];
        trust.witnesses = Some(WitnessPolicy { keys, quorum: 1 });
        // The other witness's line is nobody's that the assessor knows.
        let report = verify::verify(&files, &trust, &Options::default());
        assert_eq!(report.result, want, "{report}");
    }
}

#[test]
fn each_missing_file_is_incomplete_and_named_or_counted() {
    let whole = Operator::honest().bundle();
    for name in whole.keys() {
        let mut files = whole.clone();
        files.remove(name);
        let report = check(&files, &[]);
        assert_eq!(report.result, Outcome::Incomplete, "without {name}:\n{report}");
    }
}

#[test]
fn withheld_openings_are_counted() {
    let mut files = Operator::honest().bundle();
    files.retain(|name, _| !name.ends_with(bundle::OPENINGS));
    let report = check(&files, &[]);
    assert_eq!(report.result, Outcome::Incomplete);
    assert_eq!(report.coverage.as_ref().unwrap().openings_withheld, 4);
    // The collector's verdicts rest on them: no contradiction, and nothing proven.
    assert!(says(&report, Outcome::Incomplete, "could not be recomputed"), "{report}");
}

#[test]
fn a_statement_about_a_withheld_request_is_no_mistake_of_the_register() {
    let mut operator = Operator::honest();
    operator.suspends("r-1");
    let mut files = operator.bundle();
    let report = check(&files, &[]);
    assert_eq!(report.result, Outcome::Proven, "{report}");
    files.retain(|name, _| !name.starts_with("chunks/") && !name.ends_with(bundle::OPENINGS));
    let report = check(&files, &[]);
    assert_eq!(report.result, Outcome::Incomplete, "{report}");
    assert!(says(&report, Outcome::Incomplete, "1 statements could not be applied"), "{report}");
}

#[test]
fn a_file_that_nobody_knows_is_not_proven() {
    let mut files = Operator::honest().bundle();
    files.insert("agents/edge-9/secret".into(), b"?".to_vec());
    assert_eq!(check(&files, &[]).result, Outcome::Incomplete);
}
