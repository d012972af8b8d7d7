//! What the rows of several answers have in common, and the filter that asks for them.

use crate::{
    cli::Filtered,
    exit::CliError,
    output::{Cell, Field, fields},
    time,
    words::{self, Codes},
};
use register::{ScreenWord, screen_word};
use remit_proto::v1::{self, BasisProof, Ternary};

/// Of rules and events, of which none has a detail.
pub(super) fn filter(args: &Filtered) -> Result<v1::Filter, CliError> {
    let filter = filter_of_findings(args)?;
    for text in &filter.in_full {
        let code = text.split('(').next().unwrap_or_default();
        eprintln!("note: --verdict {text}: taken are all with {code}, whatever stands in brackets");
    }
    Ok(v1::Filter { in_full: Vec::new(), ..filter })
}

pub(super) fn filter_of_findings(args: &Filtered) -> Result<v1::Filter, CliError> {
    let now_s = time::now_s();
    let at = |text: &Option<String>, flag| {
        text.as_deref().map_or(Ok(0), |text| time::parse(text, flag, now_s))
    };
    let techniques = args.technique.iter().map(|word| {
        register::words::technique_from(word).map(i32::from).ok_or_else(|| {
            CliError::Usage(format!(
                "--technique: {word:?} is unknown; want {}",
                register::words::techniques()
                    .map(register::words::technique)
                    .collect::<Vec<_>>()
                    .join(", ")
            ))
        })
    });
    let mut codes = Codes::default();
    for text in &args.verdict {
        codes.take(text)?;
    }
    let in_full = codes.in_full();
    let Codes { verdicts, undetermined, added, duties, integrity, entries, .. } = codes;
    Ok(v1::Filter {
        since_s: at(&args.since, "--since")?,
        until_s: at(&args.until, "--until")?,
        nodes: args.node.clone(),
        target: args.target.clone().unwrap_or_default(),
        techniques: techniques.collect::<Result<_, _>>()?,
        requests: args.request.clone(),
        authorities: args.authority.clone(),
        verdicts,
        undetermined,
        added,
        duties,
        integrity,
        entries,
        as_known_at_s: at(&args.as_known_at, "--as-known-at")?,
        in_full,
    })
}

/// What events, rules and findings have in common: a rule, what it blocks and claims, and a verdict.
pub(super) trait Judged {
    fn node(&self) -> &str;
    /// `None`: the row is not about a rule.
    fn rule(&self) -> Option<u64>;
    fn technique(&self) -> v1::Technique;
    fn target(&self) -> Option<&v1::Target>;
    fn claims(&self) -> &[v1::Claim];
    /// It claims something that this reader does not see.
    fn claims_are_withheld(&self) -> bool {
        false
    }
    fn verdict(&self) -> Option<&v1::Verdict>;
    fn authority(&self) -> &str;

    fn reason(&self) -> Option<String> {
        self.verdict().map(register::explain)
    }

    fn request(&self) -> Option<&str> {
        Some(self.verdict()?.clause.as_ref()?.request_id.as_str())
    }
}

/// Who did what to which target, as members of a row.
pub(super) fn target_fields<R: Judged>() -> Vec<Field<R>> {
    fields![row: R;
        "target_kind" => words::target_kind(row.target()),
        "target" => row.target().map(|target| &target.value),
    ]
}

pub(super) fn verdict_fields<R: Judged>() -> Vec<Field<R>> {
    fields![row: R;
        "verdict" => row.verdict().map(words::verdict_code),
        "verdict_word" => row.verdict().map(words::verdict_word),
        "reason" => row.reason(),
        "request" => row.request(),
        "authority" => row.authority(),
        "basis_proof" =>
            row.verdict().map(|v| words::word(v.basis_proof().as_str_name(), "BASIS_PROOF_")),
        "registered_before_act" =>
            row.verdict().map(|v| words::word(v.registered_before_act().as_str_name(), "TERNARY_")),
    ]
}

/// Members that came later than the others, and stand after them.
pub(super) fn attribution_fields<R: Judged>() -> Vec<Field<R>> {
    fields![row: R;
        "attributed_to" => attributed(row).map(|a| words::claims(&a.claims)).unwrap_or_default(),
        "attributed_by" => attributed(row).map(words::person),
        "attributed_at" => attributed(row).map_or_else(String::new, |a| time::utc(a.recorded_at_s)),
        "baseline_until" =>
            time::utc(row.verdict().map(|v| v.baseline_until_s).unwrap_or_default()),
        "besides" => row.verdict().map(words::besides).unwrap_or_default(),
    ]
}

fn attributed<R: Judged>(row: &R) -> Option<&v1::AttributedLater> {
    row.verdict()?.attributed.as_ref()
}

pub(super) fn node_cell<R: Judged>() -> Cell<R> {
    Cell::new("NODE", |row: &R| or_dash(row.node()))
}

pub(super) fn target_cell<R: Judged>() -> Cell<R> {
    Cell::new("TARGET", |row: &R| match (row.target(), row.rule()) {
        // It is of no rule, and so of no target: nothing is withheld.
        (None, None) => "-".to_owned(),
        (target, _) => words::typed_target(target),
    })
}

/// What can be told below a row: in a list of many rows it is looked up, not compared.
pub(super) fn rule_cells<R: Judged>() -> [Cell<R>; 4] {
    [
        Cell::new("RULE", |row: &R| row.rule().map_or_else(|| "-".to_owned(), words::rule))
            .dispensable(1),
        Cell::new("TECHNIQUE", |row: &R| match row.technique() {
            v1::Technique::Unspecified => "-".to_owned(),
            technique => register::words::technique(technique).to_owned(),
        })
        .dispensable(4),
        Cell::new("CLAIMS", |row: &R| match row.rule() {
            None => "-".to_owned(),
            Some(_) => claims_cell(row),
        })
        .dispensable(3),
        Cell::new("AUTHORITY", |row: &R| or_dash(row.authority())).dispensable(2),
    ]
}

/// What the rule itself claims, and what a person said later.
fn claims_cell<R: Judged>(row: &R) -> String {
    let own = match words::claims(row.claims()).join(" ") {
        own if own.is_empty() && row.claims_are_withheld() => "withheld".to_owned(),
        own => own,
    };
    match attributed(row).map(|a| words::claims(&a.claims).join(" ")) {
        None if own.is_empty() => "none".to_owned(),
        None => own,
        Some(later) if own.is_empty() => format!("later: {later}"),
        Some(later) => format!("{own}, later: {later}"),
    }
}

pub(super) fn verdict_cell_of<R: Judged>() -> Cell<R> {
    Cell::new("VERDICT", |row: &R| verdict_cell(row.verdict())).dispensable(9)
}

/// "out of time (EXPIRED)", "out of time (EXPIRED, also WRONG_PLACE)".
pub(super) fn verdict_cell(verdict: Option<&v1::Verdict>) -> String {
    let Some(verdict) = verdict else { return "not yet assessed".to_owned() };
    let code = words::verdict_code(verdict);
    let codes = match words::besides(verdict).as_slice() {
        [] => code,
        also => format!("{code}, also {}", also.join(", ")),
    };
    format!("{} ({codes})", words::verdict_word(verdict))
}

/// The reason, and what was known then if that was something else.
pub(super) fn sentences(now: Option<&v1::Verdict>, then: Option<&v1::Verdict>) -> Vec<String> {
    let mut sentences: Vec<String> = now.map(register::explain).into_iter().collect();
    sentences.extend(now.and_then(basis));
    if let (Some(now), Some(then)) = (now, then)
        && words::verdict_code(now) != words::verdict_code(then)
    {
        sentences.push(format!(
            "As known then: {}. {}",
            verdict_cell(Some(then)),
            register::explain(then)
        ));
    }
    sentences
}

/// How well it is proved that the covering request exists, and whether it came before the act. Said of
/// what is covered or the operator's own: there it is what a reader would otherwise assume.
fn basis(verdict: &v1::Verdict) -> Option<String> {
    match screen_word(verdict.code()) {
        ScreenWord::Covered | ScreenWord::OwnMeasure => {}
        ScreenWord::BeyondItsRequest
        | ScreenWord::OutOfTime
        | ScreenWord::NoCoveringRequest
        | ScreenWord::Undetermined => return None,
    }
    let before = match verdict.registered_before_act() {
        Ternary::Yes => REGISTERED_BEFORE,
        Ternary::No => "NO",
        Ternary::Unknown | Ternary::Unspecified => "not known",
    };
    Some(basis_sentence(proof(verdict)?, before))
}

/// No answer of a collector holds a cosignature of a witness.
pub(super) const REGISTERED_BEFORE: &str = "yes, by the operator's word";

pub(super) fn proof(verdict: &v1::Verdict) -> Option<&'static str> {
    proof_word(verdict.basis_proof())
}

pub(super) fn proof_word(proof: BasisProof) -> Option<&'static str> {
    match proof {
        BasisProof::Unspecified => None,
        BasisProof::AuthoritySigned => Some("signed by the authority"),
        BasisProof::DocumentHeld => Some("the operator holds the document"),
        BasisProof::OperatorsWord => Some("the operator's word"),
        BasisProof::Oral => Some("oral"),
    }
}

pub(super) fn basis_sentence(proof: &str, before: &str) -> String {
    format!("Proof of the request: {proof}. Registered before the act: {before}.")
}

pub(super) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}
