//! What the rows of several answers have in common, and the filter that asks for them.

use register::{ScreenWord, screen_word};
use remit_proto::v1::{self, BasisProof, Ternary};
use serde_json::{Value, json};

use crate::{cli::Filtered, exit::CliError, time, words};

pub(super) fn filter(args: &Filtered) -> Result<v1::Filter, CliError> {
    let now_s = time::now_s();
    let at = |text: &Option<String>, flag| {
        text.as_deref().map_or(Ok(0), |text| time::parse(text, flag, now_s))
    };
    let techniques = args.technique.iter().map(|word| {
        register::words::technique_from(word).map(i32::from).ok_or_else(|| {
            CliError::Usage(format!(
                "--technique: {word:?} is unknown; want {}",
                words::techniques().join(", ")
            ))
        })
    });
    let mut verdicts = Vec::new();
    for text in &args.verdict {
        verdicts.extend(words::verdicts_from(text)?.into_iter().map(i32::from));
    }
    Ok(v1::Filter {
        since_s: at(&args.since, "--since")?,
        until_s: at(&args.until, "--until")?,
        nodes: args.node.clone(),
        target: args.target.clone().unwrap_or_default(),
        techniques: techniques.collect::<Result<_, _>>()?,
        requests: args.request.clone(),
        authorities: args.authority.clone(),
        verdicts,
    })
}

/// verdict, verdict_word, reason, request, authority, basis_proof, registered_before_act
pub(super) fn verdict_values(verdict: Option<&v1::Verdict>, authority: &str) -> [Value; 7] {
    [
        json!(verdict.map(words::verdict_code)),
        json!(verdict.map(words::verdict_word)),
        json!(verdict.map(register::explain)),
        json!(verdict.and_then(|v| v.clause.as_ref()).map(|c| &c.request_id)),
        json!(authority),
        json!(verdict.map(|v| words::word(v.basis_proof().as_str_name(), "BASIS_PROOF_"))),
        json!(verdict.map(|v| words::word(v.registered_before_act().as_str_name(), "TERNARY_"))),
    ]
}

/// "out of time (EXPIRED)".
pub(super) fn verdict_cell(verdict: Option<&v1::Verdict>) -> String {
    verdict.map_or_else(
        || "not yet assessed".to_owned(),
        |v| format!("{} ({})", words::verdict_word(v), words::verdict_code(v)),
    )
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
    let proof = match verdict.basis_proof() {
        BasisProof::Unspecified => return None,
        BasisProof::AuthoritySigned => "signed by the authority",
        BasisProof::DocumentHeld => "the operator holds the document",
        BasisProof::OperatorsWord => "the operator's word",
        BasisProof::Oral => "oral",
    };
    let before = match verdict.registered_before_act() {
        Ternary::Yes => "yes",
        Ternary::No => "NO",
        Ternary::Unknown | Ternary::Unspecified => "not known",
    };
    Some(format!("Proof of the request: {proof}. Registered before the act: {before}."))
}

pub(super) fn technique(rule: &v1::Rule) -> String {
    words::word(rule.technique().as_str_name(), "TECHNIQUE_")
}

pub(super) fn claims_or_none(claims: &[v1::Claim]) -> String {
    if claims.is_empty() { "none".to_owned() } else { words::claims(claims).join(" ") }
}

pub(super) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}
