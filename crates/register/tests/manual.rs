//! What the pages of `docs/` list is what the code has: every verdict, reason, finding and step, by its name.

use register::words;
use remit_proto::v1;

const VERDICTS: &str = include_str!("../../../docs/verdicts.md");
const REQUESTS: &str = include_str!("../../../docs/requests.md");
const FINDINGS: &str = include_str!("../../../docs/findings.md");

/// Names of an enum without its prefix, from 1 on: 0 is "not stated".
fn names<E>(name: impl Fn(E) -> &'static str, prefix: &str) -> Vec<String>
where
    E: TryFrom<i32>,
{
    let all = (1..).map_while(|number| E::try_from(number).ok());
    let names: Vec<String> = all.map(|one| name(one).replacen(prefix, "", 1)).collect();
    assert!(names.len() > 2, "{names:?}");
    names
}

fn lists(page: &str, names: Vec<String>) {
    // With what it is about in brackets, if it is about several things.
    let has =
        |name: &String| ['`', '('].iter().any(|end| page.contains(&format!("| `{name}{end}")));
    let missing: Vec<&String> = names.iter().filter(|name| !has(name)).collect();
    assert!(missing.is_empty(), "no row begins with {missing:?}");
}

#[test]
fn a_page_has_every_verdict_and_what_is_added_to_one() {
    lists(VERDICTS, names(|code: v1::VerdictCode| code.as_str_name(), "VERDICT_CODE_"));
    lists(VERDICTS, names(|added: v1::AddedFinding| added.as_str_name(), "ADDED_FINDING_"));
    let reasons = names(|one: v1::UndeterminedReason| one.as_str_name(), "UNDETERMINED_REASON_");
    lists(VERDICTS, reasons.iter().map(|name| name.to_lowercase()).collect());
}

#[test]
fn a_page_has_every_step_of_a_request() {
    let steps: Vec<&str> = words::transitions().map(words::transition).collect();
    assert!(steps.len() > 10);
    let missing: Vec<&&str> =
        steps.iter().filter(|step| !REQUESTS.contains(&format!("| `{step} ID"))).collect();
    assert!(missing.is_empty(), "no row begins with {missing:?}");
}

#[test]
fn a_page_has_every_finding_about_duties_requests_and_nodes() {
    lists(FINDINGS, names(|code: v1::DutyCode| code.as_str_name(), "DUTY_CODE_"));
    lists(FINDINGS, names(|code: v1::EntryCode| code.as_str_name(), "ENTRY_CODE_"));
    lists(FINDINGS, names(|code: v1::IntegrityCode| code.as_str_name(), "INTEGRITY_CODE_"));
}
