//! Signing as a person: a statement for the register or the case log, facts of a node for the log.

use evidence::{Operator, canonical, statement::signed_text};
use remit_proto::v1::{self, statement::Body};

use crate::{config::Config, exit::CliError};

/// Signs a statement that is recorded now.
pub(crate) fn sign(
    config: &Config,
    body: Body,
    recorded_at_s: i64,
    effective_at_s: i64,
) -> Result<Vec<u8>, CliError> {
    let origin = config.register_vkey()?.name().to_string();
    sign_for(config, origin, body, recorded_at_s, effective_at_s)
}

/// Signs a decision for the case log that is recorded now.
pub(crate) fn sign_decision(
    config: &Config,
    decision: v1::Decision,
    now_s: i64,
) -> Result<Vec<u8>, CliError> {
    let operator: Operator = config.file.operator.parse().map_err(|error| {
        CliError::Malformed(format!("config.toml: operator: {error}; enrol again"))
    })?;
    sign_for(config, operator.case_origin(), Body::Decision(decision), now_s, now_s)
}

fn sign_for(
    config: &Config,
    origin: String,
    body: Body,
    recorded_at_s: i64,
    effective_at_s: i64,
) -> Result<Vec<u8>, CliError> {
    let statement = v1::Statement {
        format: evidence::FORMAT,
        origin: origin.clone(),
        recorded_at_s,
        effective_at_s,
        author: Some(config.person()?),
        approver: None,
        body: Some(body),
    };
    let bytes = canonical::encode(&statement);
    evidence::statement::decode(&bytes).map_err(|error| {
        CliError::Malformed(format!("the statement would be malformed: {error}"))
    })?;
    let signatures = vec![signature(config, &origin, &bytes)?];
    Ok(canonical::encode(&v1::SignedStatement {
        statement: bytes,
        signatures,
        attestation: Vec::new(),
    }))
}

/// Signs one row of the inventory.
pub(crate) fn sign_facts(config: &Config, facts: &v1::NodeFacts) -> Result<Vec<u8>, CliError> {
    let origin = config.log_vkey()?.name().to_string();
    let bytes = canonical::encode(facts);
    evidence::log_entry::decode_facts(&bytes)
        .map_err(|error| CliError::Malformed(format!("node {:?}: {error}", facts.node)))?;
    let signatures = vec![signature(config, &origin, &bytes)?];
    Ok(canonical::encode(&v1::SignedNodeFacts { facts: bytes, signatures }))
}

/// 64 bytes of Ed25519 over the UTF-8 bytes of [`signed_text`].
fn signature(config: &Config, origin: &str, bytes: &[u8]) -> Result<v1::PersonSignature, CliError> {
    let text = signed_text(origin, bytes);
    // `sign_text` refuses what is not a note's text; its bytes are the bare 64 of the signature.
    let signature = config
        .statement_key()?
        .sign_text(&text)
        .map_err(|error| CliError::Malformed(format!("the statement cannot be signed: {error}")))?;
    Ok(v1::PersonSignature { person: Some(config.person()?), signature: signature.bytes })
}
