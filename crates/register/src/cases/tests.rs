//! The case log by cases that read without knowing the code.

use super::*;

const ORIGIN: &str = "example.net/cases";

fn subject(code: &str, node: &str, rule: u64) -> v1::FindingSubject {
    v1::FindingSubject {
        code: code.into(),
        node: node.into(),
        generation: "00000000000000aa".into(),
        rule,
        request_id: String::new(),
        detail: String::new(),
    }
}

/// "operator acknowledges (under_investigation)".
fn statement(text: &str) -> v1::Statement {
    let mut words = text.split(' ');
    let role = match words.next().unwrap() {
        "operator" => Role::Operator,
        "officer" => Role::Officer,
        "assessor" => Role::Assessor,
        "public" => Role::Public,
        other => panic!("{other}"),
    };
    let act = match words.next().unwrap() {
        "acknowledges" => Act::Acknowledge,
        "explains" => Act::Explain,
        "remedies" => Act::Remedy,
        "disputes" => Act::Dispute,
        "reopens" => Act::Reopen,
        other => panic!("{other}"),
    };
    let wanted = words.next().unwrap().trim_matches(['(', ')']);
    let reason = words::reason_from(wanted).unwrap();
    let decision = v1::Decision {
        subject: Some(subject("NO_BASIS", "edge-1", 7)),
        act: act.into(),
        reason: reason.into(),
        log_size: 9,
        note: None,
    };
    v1::Statement {
        format: 1,
        origin: ORIGIN.into(),
        recorded_at_s: 1_800_000_000,
        effective_at_s: 1_800_000_000,
        author: Some(v1::PersonRef { person: "p-1".into(), role: role.into() }),
        approver: None,
        body: Some(Body::Decision(decision)),
    }
}

/// Does what the lines say; the last one may be refused, with words that `want` is part of, or else
/// the finding is `want`.
fn check(lines: &[&str], want: &str) {
    let mut cases = Cases::new(ORIGIN);
    let mut refused = String::new();
    for line in lines {
        assert_eq!(refused, "", "only the last line may be refused");
        if let Err(error) = cases.apply(&statement(line), Note::None) {
            refused = error.to_string();
        }
    }
    let id = finding_id(&subject("NO_BASIS", "edge-1", 7));
    let found =
        if refused.is_empty() { words::finding_state(cases.state(&id)).into() } else { refused };
    assert!(found.contains(want), "{lines:?}: {found}");
    assert_eq!(cases.size(), cases.of(&id).len() as u64, "what is refused leaves no trace");
}

#[test]
fn a_finding_goes_from_open_to_remedied() {
    check(&[], "open");
    let seen = "operator acknowledges (under_investigation)";
    check(&[seen], "acknowledged");
    check(&[seen, "operator explains (claim_wrong)"], "explained");
    check(
        &[seen, "operator explains (claim_wrong)", "operator remedies (rule_removed)"],
        "remedied",
    );
    check(&["operator remedies (rule_narrowed)"], "remedied");
}

#[test]
fn an_officer_disputes_and_the_operator_answers() {
    let explained = "operator explains (technical_limit)";
    let disputed = "officer disputes (explanation_insufficient)";
    check(&[explained, disputed], "disputed");
    check(&[explained, disputed, "operator explains (third_party)"], "explained");
    check(&[explained, disputed, "operator remedies (rule_removed)"], "remedied");
}

#[test]
fn an_assessor_reopens_and_nobody_else_does() {
    let remedied = "operator remedies (rule_removed)";
    check(&[remedied, "assessor reopens (remedy_not_effective)"], "open");
    check(&[remedied, "officer reopens (remedy_not_effective)"], "role officer may not reopen");
    check(&[remedied, "operator reopens (new_evidence)"], "assessor may");
    check(&["assessor reopens (new_evidence)"], "is open cannot be made open");
}

#[test]
fn nobody_clears_what_is_held_against_somebody_else() {
    check(
        &["officer explains (claim_wrong)"],
        "role officer may not explain a finding; operator may",
    );
    check(&["assessor remedies (rule_removed)"], "role assessor may not remedy");
    check(&["public disputes (new_evidence)"], "role public may not dispute");
    check(&["operator disputes (new_evidence)"], "officer or assessor may");
}

#[test]
fn steps_that_lead_nowhere_are_refused() {
    let seen = "operator acknowledges (under_investigation)";
    check(&[seen, seen], "is acknowledged cannot be made acknowledged");
    check(&["officer disputes (new_evidence)"], "is open cannot be made disputed");
    let remedied = "operator remedies (rule_removed)";
    check(&[remedied, "operator explains (claim_wrong)"], "is remedied cannot be made explained");
}

#[test]
fn a_reason_goes_with_its_act_and_other_needs_words() {
    check(&["operator explains (rule_removed)"], "rule_removed does not go with explain");
    check(&["operator remedies (other)"], "needs a note");
}

#[test]
fn only_decisions_of_this_log_are_taken() {
    let mut cases = Cases::new(ORIGIN);
    let mut stray = statement("operator remedies (rule_removed)");
    stray.origin = "example.net/register".into();
    assert!(matches!(cases.apply(&stray, Note::None), Err(InvalidDecision::Origin { .. })));
    let mut transition = statement("operator remedies (rule_removed)");
    transition.body = Some(Body::Transition(v1::Transition::default()));
    assert_eq!(cases.apply(&transition, Note::None), Err(InvalidDecision::NotADecision));
    assert_eq!(cases.size(), 0);
}

#[test]
fn ids_differ_by_everything_that_a_finding_is_about() {
    let ids = [
        subject("NO_BASIS", "edge-1", 7),
        subject("EXPIRED", "edge-1", 7),
        subject("NO_BASIS", "edge-2", 7),
        subject("NO_BASIS", "edge-1", 8),
        v1::FindingSubject {
            generation: "00000000000000ab".into(),
            ..subject("NO_BASIS", "edge-1", 7)
        },
        v1::FindingSubject { request_id: "court/1".into(), ..Default::default() },
    ]
    .map(|subject| finding_id(&subject));
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
    assert!(ids.iter().all(|id| id.len() == 16));
}
