//! `remit findings show`, and what people do about a finding: signed entries of the case log.

use evidence::{canonical, chunk::SetBuilder, commitment::Salt};
use register::{cases::subject_of, words as field};
use remit_proto::v1::{self, DecisionAct, SeverityGrade};
use serde_json::{Value, json};

use super::findings;
use crate::{
    cli::{FindingAct, Format},
    client,
    config::Config,
    exit::CliError,
    output::{self, Cell, Layout, fields},
    statement, time, words,
};

pub(crate) async fn show(config: &Config, id: &str, out: Format) -> Result<(), CliError> {
    let mut client = client::query(config).await?;
    let request = v1::GetFindingRequest { id: id.to_owned() };
    let v1::GetFindingResponse { finding, decisions, completeness } =
        client.get_finding(request).await?.into_inner();
    let finding: Vec<v1::FindingRow> = finding.into_iter().collect();
    match out {
        Format::Json => {
            let mut findings = findings::layout().listing(&finding, None).objects();
            let answer = json!({
                "finding": findings.get_mut(0).map(Value::take),
                "decisions": layout().listing(&decisions, None).objects(),
                "completeness": output::completeness_json(completeness.as_ref()),
            });
            output::write(format!("{answer:#}\n").as_bytes())
        }
        // One kind of row only: what people said.
        Format::Jsonl | Format::Csv => layout().listing(&decisions, completeness).print(out),
        Format::Table => {
            findings::layout().listing(&finding, None).print(out)?;
            output::write(b"\n")?;
            layout().listing(&decisions, completeness).print(out)
        }
    }
}

/// Signs what the person says of the finding as it stands now, and enters it.
pub(crate) async fn decide(
    config: &Config,
    args: &FindingAct,
    act: DecisionAct,
) -> Result<(), CliError> {
    let fitting = || {
        let words = register::cases::reasons(act).iter().map(|reason| field::reason(*reason));
        words.collect::<Vec<_>>().join(", ")
    };
    let reason = field::reason_from(&args.reason)
        .filter(|reason| register::cases::reasons(act).contains(reason))
        .ok_or_else(|| {
            CliError::Usage(format!(
                "--reason: {:?} does not go with {}; it takes: {}",
                args.reason,
                field::act(act),
                fitting()
            ))
        })?;
    let (note, note_chunk) = args.note.as_deref().map(note).transpose()?.unzip();
    let mut query = client::query(config).await?;
    let request = v1::GetFindingRequest { id: args.id.clone() };
    let answer = query.get_finding(request).await?.into_inner();
    let finding = answer.finding.unwrap_or_default();
    let note_of_state = beside_the_evidence(&finding, reason)?;
    let decision = v1::Decision {
        subject: Some(subject_of(&finding)),
        act: act.into(),
        reason: reason.into(),
        log_size: answer.completeness.unwrap_or_default().log_size,
        note,
    };
    let signed_statement = statement::sign_decision(config, decision, time::now_s())?;
    let request =
        v1::DecideRequest { signed_statement, note_chunk: note_chunk.unwrap_or_default() };
    let mut client = client::register(config).await?;
    let entered = client
        .decide(request)
        .await
        .map_err(|status| CliError::of_entry(status, &format!("remit findings show {}", args.id)))?
        .into_inner();
    eprintln!(
        "finding {}: {} ({}); entry {} of the case log",
        args.id,
        field::act(act),
        field::reason(reason),
        entered.index
    );
    if let Some(note) = note_of_state {
        eprintln!("{note}");
    }
    Ok(())
}

/// What is said of the finding, and the evidence does not show, or not yet. `Err`: it can never be so.
fn beside_the_evidence(
    finding: &v1::FindingRow,
    reason: v1::DecisionReason,
) -> Result<Option<String>, CliError> {
    use v1::DecisionReason as Reason;
    let (node, rule) = (&finding.node, words::rule(finding.rule));
    match reason {
        Reason::RuleInstalled if finding.kind() != v1::FindingKind::Duty => {
            Err(CliError::Usage(format!(
                "--reason: rule_installed is of what a request demands and was not done; this is a finding of kind {}",
                field::finding_kind(finding.kind())
            )))
        }
        Reason::RuleRemoved if finding.installed_now => Ok(Some(format!(
            "note: by the newest word of {node} rule {rule} still stands; unless it goes, the finding is seen again"
        ))),
        Reason::RuleRemoved
        | Reason::RuleInstalled
        | Reason::Unspecified
        | Reason::UnderInvestigation
        | Reason::RegisterIncomplete
        | Reason::ClaimWrong
        | Reason::MeasurementError
        | Reason::TechnicalLimit
        | Reason::ThirdParty
        | Reason::InformalInstruction
        | Reason::Secrecy
        | Reason::RuleNarrowed
        | Reason::RequestRegistered
        | Reason::AffectedNotified
        | Reason::ExplanationInsufficient
        | Reason::RemedyNotEffective
        | Reason::NewEvidence
        | Reason::Other => Ok(None),
    }
}

/// A note as a set of one salted item, and its chunk.
fn note(text: &str) -> Result<(v1::ItemSet, Vec<u8>), CliError> {
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).map_err(|_| CliError::Random)?;
    let mut builder = SetBuilder::new();
    let full = builder.push(Salt(salt), canonical::encode(&v1::CaseNote { text: text.to_owned() }));
    let (set, last) = builder.finish();
    let chunk = full.or(last).unwrap_or_default();
    evidence::statement::open_note(&set, &chunk)
        .map_err(|error| CliError::Usage(format!("--note: {error}")))?;
    if let Some(problem) = register::request::strange_text(text) {
        return Err(CliError::Usage(format!("--note: {problem}; write it without it")));
    }
    Ok((set, chunk))
}

/// The states that a list is asked for.
pub(super) fn states(typed: &[String]) -> Result<Vec<i32>, CliError> {
    let state = |word: &String| {
        let known = || field::finding_states().map(field::finding_state).collect::<Vec<_>>();
        field::finding_state_from(&word.to_ascii_lowercase()).map(i32::from).ok_or_else(|| {
            CliError::Usage(format!("--state: {word:?} is none of {}", known().join(", ")))
        })
    };
    typed.iter().map(state).collect()
}

/// What findings are about that a list is asked for.
pub(super) fn kinds(typed: &[String]) -> Result<Vec<i32>, CliError> {
    let kind = |word: &String| {
        let known = || field::finding_kinds().map(field::finding_kind).collect::<Vec<_>>();
        field::finding_kind_from(&word.to_ascii_lowercase()).map(i32::from).ok_or_else(|| {
            CliError::Usage(format!("--kind: {word:?} is none of {}", known().join(", ")))
        })
    };
    typed.iter().map(kind).collect()
}

/// The grade that one of the three must reach.
pub(super) fn severity_min(typed: Option<&str>) -> Result<SeverityGrade, CliError> {
    let Some(word) = typed else { return Ok(SeverityGrade::Unspecified) };
    field::grade_from(&word.to_ascii_lowercase()).ok_or_else(|| {
        let known: Vec<_> = field::grades().map(field::grade).collect();
        CliError::Usage(format!("--severity: {word:?} is none of {}", known.join(", ")))
    })
}

fn layout() -> Layout<v1::DecisionRow> {
    let fields = fields![row: v1::DecisionRow;
        "entry" => row.index,
        "at" => time::utc(row.recorded_at_s),
        "act" => field::act(row.act()),
        "reason" => field::reason(row.reason()),
        "by" => by(row),
        "role" => field::role(row.by.clone().unwrap_or_default().role()),
        "note" => row.note,
        "note_erased" => row.note_erased,
        "state_after" => field::finding_state(row.state_after()),
    ];
    type DecisionCell = Cell<v1::DecisionRow>;
    let cells = vec![
        DecisionCell::new("AT (UTC)", |row| time::utc_cell(row.recorded_at_s)),
        DecisionCell::new("ACT", |row| field::act(row.act()).to_owned()),
        DecisionCell::new("REASON", |row| field::reason(row.reason()).to_owned()),
        DecisionCell::new("BY", signer),
        DecisionCell::new("ENTRY", |row| row.index.to_string()).dispensable(1),
    ];
    let below = |row: &v1::DecisionRow| match (row.note.as_str(), row.note_erased) {
        ("", true) => vec!["What was said beside it is erased or withheld.".to_owned()],
        ("", false) => Vec::new(),
        (note, _) => vec![note.to_owned()],
    };
    Layout { noun: "decisions", fields, cells, below }
}

fn by(row: &v1::DecisionRow) -> String {
    row.by.clone().unwrap_or_default().person
}

/// "p-2, assessor"
fn signer(row: &v1::DecisionRow) -> String {
    let person = row.by.clone().unwrap_or_default();
    format!("{}, {}", person.person, field::role(person.role()))
}

pub(super) fn json(row: &v1::DecisionRow) -> Value {
    let layout = layout();
    let names = layout.fields.iter().map(|field| field.name.to_owned());
    Value::Object(names.zip(layout.values(row)).collect())
}

pub(super) fn state_cell(row: &v1::FindingRow) -> String {
    let state = field::finding_state(row.state());
    if row.seen_since { format!("{state}, seen again") } else { state.to_owned() }
}

pub(super) fn grade(
    row: &v1::FindingRow,
    of: fn(&v1::Severity) -> SeverityGrade,
) -> Option<&'static str> {
    row.severity.as_ref().map(|severity| grade_word(of(severity)))
}

fn grade_word(grade: SeverityGrade) -> &'static str {
    match grade {
        SeverityGrade::Unspecified => "unknown",
        SeverityGrade::Low | SeverityGrade::Medium | SeverityGrade::High => field::grade(grade),
    }
}

/// Whole hours; `None` where nothing is blocked.
pub(super) fn rule_hours(row: &v1::FindingRow) -> Option<u64> {
    row.severity.map(|_| row.duration_s / 3600)
}

/// How severe, and what the newest act says.
pub(super) fn sentences(row: &v1::FindingRow) -> Vec<String> {
    let severity = row.severity.map(|severity| {
        format!(
            "Severity: scale {}, scope {}, irremediability {}; {}.",
            grade_word(severity.scale()),
            grade_word(severity.scope()),
            grade_word(severity.irremediability()),
            words::count(row.duration_s / 3600, "rule-hour", "rule-hours")
        )
    });
    let decided = row.decided.as_ref().map(|decided| {
        let again = if row.seen_since {
            " It was seen again since: what was done has not ended it."
        } else {
            ""
        };
        format!(
            "{}: {} ({}) by {} at {}.{again}",
            capital(field::finding_state(row.state())),
            field::act(decided.act()),
            field::reason(decided.reason()),
            signer(decided),
            time::utc_cell(decided.recorded_at_s)
        )
    });
    severity.into_iter().chain(decided).collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> v1::FindingRow {
        v1::FindingRow {
            id: "00112233445566aa".into(),
            code: "NO_BASIS".into(),
            node: "edge-1".into(),
            rule: 7,
            generation: "00000000000000aa".into(),
            request_id: "court/1".into(),
            state: v1::FindingState::Remedied.into(),
            duration_s: 7200,
            severity: Some(v1::Severity {
                scale: SeverityGrade::High.into(),
                scope: SeverityGrade::Unspecified.into(),
                irremediability: SeverityGrade::Low.into(),
            }),
            decided: Some(v1::DecisionRow {
                act: DecisionAct::Remedy.into(),
                reason: v1::DecisionReason::RuleRemoved.into(),
                by: Some(v1::PersonRef { person: "p-1".into(), role: v1::Role::Operator.into() }),
                recorded_at_s: 1_800_000_000,
                ..v1::DecisionRow::default()
            }),
            seen_since: true,
            ..v1::FindingRow::default()
        }
    }

    #[test]
    fn a_finding_says_how_severe_it_is_and_what_was_done() {
        let text = sentences(&finding()).join("\n");
        assert!(
            text.contains("scale high, scope unknown, irremediability low; 2 rule-hours"),
            "{text}"
        );
        assert!(text.contains("Remedied: remedy (rule_removed) by p-1, operator"), "{text}");
        assert!(text.contains("seen again since"), "{text}");
    }

    #[test]
    fn what_is_said_of_a_finding_and_the_evidence_does_not_show_is_told() {
        use v1::{DecisionReason as Reason, FindingKind as Kind};
        let said = |kind: Kind, installed_now, reason| {
            let (node, rule) = ("edge-1".to_owned(), 7);
            let kind = kind.into();
            let row = v1::FindingRow { kind, node, rule, installed_now, ..Default::default() };
            beside_the_evidence(&row, reason).map_err(|error| error.to_string())
        };
        let note = said(Kind::Rule, true, Reason::RuleRemoved).unwrap().unwrap();
        assert!(note.contains("edge-1 rule 0000000000000007 still stands"), "{note}");
        assert_eq!(said(Kind::Rule, false, Reason::RuleRemoved), Ok(None));
        let never = said(Kind::Rule, true, Reason::RuleInstalled).unwrap_err();
        assert!(never.contains("a finding of kind rule"), "{never}");
        assert_eq!(said(Kind::Duty, false, Reason::RuleInstalled), Ok(None));
    }

    #[test]
    fn a_decision_is_about_the_rule_and_not_about_the_request_that_speaks() {
        let subject = subject_of(&finding());
        assert_eq!((subject.rule, subject.request_id.as_str()), (7, ""));
        let about_a_request = v1::FindingRow { rule: 0, node: String::new(), ..finding() };
        assert_eq!(subject_of(&about_a_request).request_id, "court/1");
    }

    #[test]
    fn a_note_opens_as_it_was_written_and_a_long_one_is_refused() {
        let (set, chunk) = note("the vendor's list was removed").unwrap();
        assert_eq!(
            evidence::statement::open_note(&set, &chunk).unwrap(),
            "the vendor's list was removed"
        );
        let error = note(&"x".repeat(2001)).unwrap_err().to_string();
        assert!(error.contains("--note") && error.contains("note.text"), "{error}");
        assert!(note("").is_err(), "an empty note says nothing");
        let error = note("as \u{202e}agreed").unwrap_err().to_string();
        assert!(error.contains("turns the direction of text"), "{error}");
    }

    #[test]
    fn a_state_that_there_is_not_gets_the_list_of_those_there_are() {
        assert_eq!(states(&["Open".into()]).unwrap(), [i32::from(v1::FindingState::Open)]);
        let error = states(&["closed".into()]).unwrap_err().to_string();
        assert!(error.contains("open, acknowledged, explained, remedied, disputed"), "{error}");
    }
}
