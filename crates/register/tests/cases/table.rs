//! `verdicts.txt`: the cases that a lawyer reads.

use crate::language::{shown, verdict};

const TABLE: &str = include_str!("verdicts.txt");

/// Of DOMAIN.md: what the table must name. UNVERIFIABLE, which no case of the verdict function gives alone, is its
/// caller's (`assessment`).
const RULES: [&str; 56] = [
    "all other findings listed",
    "3f Secret request",
    "UNDETERMINED(secret)",
    "3a AUTHORISED",
    "3a AUTHORISED_MISREFERENCED",
    "3a AUTHORISED_PROVISIONAL",
    "3a NO_BASIS",
    "3a UNKNOWN_BASIS",
    "3a BASIS_NOT_ACCEPTED",
    "3a TOO_EARLY EXPIRED",
    "3a REVOKED",
    "3a SUSPENDED",
    "3a LAPSED",
    "3a IN_REMOVAL_GRACE",
    "3a ANNULLED_RETROACTIVELY",
    "3a COLLATERAL",
    "3a WRONG_PLACE",
    "3a WRONG_AUDIENCE",
    "3a WRONG_METHOD",
    "3a MISLEADING_RESPONSE",
    "3a TOS_MEASURE",
    "SECURITY_MEASURE",
    "USER_CHOICE",
    "TOS_LABEL_DOUBTFUL",
    "THIRD_PARTY_ACTION",
    "UNATTRIBUTED",
    "3a UNDETERMINED",
    "UNDETERMINED(erased",
    "UNDETERMINED(late_register)",
    "UNDETERMINED(scope)",
    "UNDETERMINED(gap)",
    "not_understood",
    "3f Domain vs subdomain",
    "3f URL order, domain-level block",
    "3f URL form",
    "3f IDN",
    "3f Public suffix",
    "3f CIDR",
    "3f Order names a domain, block is by IP",
    "3f CNAME",
    "3f Shared hosting",
    "3f Retroactive annulment",
    "3f Oral then written",
    "3f Window across a bound",
    "3f Imported history",
    "3f Request registered after the act",
    "3f Overlapping orders",
    "3f Interim order, case ended",
    "3f Amendment narrows",
    "3f Global vs node scope",
    "3f Throttling",
    "3f Order against the publisher",
    "3f Whitelisted target blocked",
    "1 Lifecycle",
    "1 recurrence",
    "1 max_duration",
];

struct Case {
    register: String,
    event: String,
    want: String,
}

/// Title, rule, cases.
type Section = (String, String, Vec<Case>);

fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut register = String::new();
    for line in TABLE.lines() {
        if line.is_empty() || line == "#" || line.starts_with("# ") {
            // Why, for whoever reads it.
        } else if let Some(title) = line.strip_prefix("## ") {
            sections.push((title.to_owned(), String::new(), Vec::new()));
        } else if let Some(rule) = line.strip_prefix("rule: ") {
            sections.last_mut().unwrap().1 = rule.to_owned();
        } else if let Some(text) = line.strip_prefix("register: ") {
            register = if text == "nothing" { String::new() } else { text.to_owned() };
        } else if let Some((event, want)) = line.split_once(" => ") {
            let (event, want) = (event.trim().to_owned(), want.trim().to_owned());
            let register = register.clone();
            sections.last_mut().unwrap().2.push(Case { register, event, want });
        } else {
            panic!("{line:?} is no line of a table");
        }
    }
    sections
}

#[test]
fn every_case_of_the_table() {
    let (mut count, mut wrong) = (0, Vec::new());
    for (title, rule, cases) in sections() {
        assert!(!rule.is_empty() && !cases.is_empty(), "{title} names no rule, or has no case");
        for Case { register, event, want } in &cases {
            let (shown, clause) = shown(event, register, want);
            if shown != *want {
                wrong.push(format!(
                    "{title}\n  {register}\n  {event} => {shown}, not {want}\n  {clause}"
                ));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 300, "{count}");
}

#[test]
fn every_rule_has_a_case() {
    let sections = sections();
    for rule in RULES {
        assert!(sections.iter().any(|(_, named, _)| named.contains(rule)), "{rule} has no case");
    }
}

#[test]
fn a_case_that_is_wrong_is_noticed() {
    let Case { register, event, want } = sections().remove(0).2.remove(0);
    assert!(want.starts_with("AUTHORISED"));
    let elsewhere = event.replace("192.0.2.7", "192.0.2.8");
    assert_ne!(verdict(&elsewhere, &register).code, remit_proto::v1::VerdictCode::Authorised);
}
