//! What the rows of several answers have in common, and the filter that asks for them.

use remit_proto::v1;
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
                "--technique: {word:?} is unknown; want a word such as dns_nxdomain"
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

pub(super) fn technique(rule: &v1::Rule) -> String {
    words::word(rule.technique().as_str_name(), "TECHNIQUE_")
}

pub(super) fn claims_or_none(claims: &[v1::Claim]) -> String {
    if claims.is_empty() { "none".to_owned() } else { words::claims(claims).join(" ") }
}

pub(super) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}
