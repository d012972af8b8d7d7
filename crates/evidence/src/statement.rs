//! Statements of people: what exactly is signed, and the value check.

use remit_proto::v1::{self, statement::Body};
use sha2::{Digest, Sha256};
use tlog::Hash;

use crate::{
    CHUNK_SIZE_MAX, ENTRY_SIZE_MAX, FORMAT,
    canonical::{self, Malformed, digest, digest_or_none, known, require, short_text, time},
    chunk::{SetError, check_set, open_set},
    claim::{self, Claim},
    id::{Generation, NodeId, RequestId},
    log_entry::{check_person, check_signatures, newer_format},
};

/// A policy that waits longer would hide what rests on nothing.
const LATE_REGISTER_MAX_S: u32 = 7 * 86_400;

/// The note text that a person signs over the bytes of a statement or of node facts. Only
/// signed-note texts are ever signed; the first line separates this use of a key from all others.
pub fn signed_text(origin: &str, bytes: &[u8]) -> String {
    format!("remit/statement/v1\n{origin}\n{}\n", Hash(Sha256::digest(bytes).into()))
}

/// The note text by which the register's key says that somebody was logged in and approved. Its first
/// line keeps it apart from what a person signs.
pub fn attested_text(origin: &str, bytes: &[u8]) -> String {
    format!("remit/attested/v1\n{origin}\n{}\n", Hash(Sha256::digest(bytes).into()))
}

/// Whether the statement is an approval by login: then the collector attests it, and no person signs.
pub fn is_attested(statement: &v1::Statement) -> bool {
    match &statement.body {
        Some(Body::Approval(approval)) => {
            approval.means() == v1::ApprovalMeans::AttestedByCollector
        }
        _ => false,
    }
}

/// The note text by which a new key proves that its holder asked to be enrolled.
pub fn enrolment_text(token: &str) -> String {
    format!("remit/enrol/v1\n{token}\n")
}

/// A decoded entry of the register or the case log.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "the small variant is the rare one")]
pub enum SignedStatement {
    Known {
        statement: v1::Statement,
        bytes: Vec<u8>,
        signatures: Vec<v1::PersonSignature>,
        /// Of an approval by login; else empty.
        attestation: Vec<u8>,
    },
    NotUnderstood {
        format: u32,
    },
}

pub fn decode_signed(bytes: &[u8]) -> Result<SignedStatement, Malformed> {
    let wire: v1::SignedStatement = canonical::decode(bytes, ENTRY_SIZE_MAX)?;
    let v1::SignedStatement { statement: bytes, signatures, attestation } = wire;
    if attestation.is_empty() {
        check_signatures(&signatures)?;
    } else {
        require(signatures.is_empty(), "signatures", "none where the collector attests")?;
        require(attestation.len() == 64, "attestation", "64 bytes")?;
    }
    if let Some(format) = newer_format(&bytes) {
        return Ok(SignedStatement::NotUnderstood { format });
    }
    let statement = decode(&bytes)?;
    require(
        is_attested(&statement) != attestation.is_empty(),
        "attestation",
        "given exactly for an approval by login",
    )?;
    Ok(SignedStatement::Known { statement, bytes, signatures, attestation })
}

/// Decodes a statement by both checks.
pub fn decode(bytes: &[u8]) -> Result<v1::Statement, Malformed> {
    let statement: v1::Statement = canonical::decode(bytes, ENTRY_SIZE_MAX)?;
    let v1::Statement { format, origin, recorded_at_s, effective_at_s, author, approver, body } =
        &statement;
    require(*format == FORMAT, "format", "1")?;
    require(!origin.is_empty(), "origin", "not empty")?;
    short_text(origin, 400, "origin")?;
    time(*recorded_at_s, "recorded_at_s")?;
    time(*effective_at_s, "effective_at_s")?;
    let author = author.as_ref().ok_or(Malformed::Missing { field: "author" })?;
    check_person(author)?;
    if let Some(approver) = approver {
        check_person(approver)?;
        require(approver.person != author.person, "approver", "another person than the author")?;
    }
    match body.as_ref().ok_or(Malformed::Missing { field: "body" })? {
        Body::Import(v1::Import {
            items,
            file_digest,
            mapping_digest,
            rows_read,
            rows_repaired,
            rows_refused,
            reason,
            existence,
            existence_until_s,
            awaits_approval: _,
            refused,
        }) => {
            if *existence != 0 {
                let tier = known::<v1::DisclosureTier>(*existence, "import.existence")?;
                let hides = tier != v1::DisclosureTier::Public;
                require(hides, "import.existence", "restricted or secret, or not stated")?;
            }
            if *existence_until_s != 0 {
                require(*existence != 0, "import.existence_until_s", "0 where nothing is hidden")?;
                time(*existence_until_s, "import.existence_until_s")?;
            }
            short_text(reason, 1000, "import.reason")?;
            check_set(items.as_ref().ok_or(Malformed::Missing { field: "import.items" })?)?;
            digest_or_none(file_digest, "import.file_digest")?;
            digest_or_none(mapping_digest, "import.mapping_digest")?;
            require(
                rows_repaired.saturating_add(*rows_refused) <= *rows_read,
                "import.rows_read",
                "at least the repaired and the refused rows",
            )?;
            check_refused(refused, *rows_refused, *rows_read, items.as_ref())?;
        }
        Body::Transition(transition) => check_transition(transition)?,
        Body::Proceeding(v1::Proceeding { id, outcome, awaits_approval: _ }) => {
            require(!id.is_empty(), "proceeding.id", "not empty")?;
            short_text(id, 200, "proceeding.id")?;
            short_text(outcome, 1000, "proceeding.outcome")?;
        }
        Body::Attribution(attribution) => check_attribution(attribution)?,
        Body::Baseline(v1::Baseline { nodes, until_s }) => {
            check_nodes(nodes, "baseline.nodes")?;
            time(*until_s, "baseline.until_s")?;
        }
        Body::LateRegister(v1::LateRegister { grace_s }) => {
            require(*grace_s <= LATE_REGISTER_MAX_S, "late_register.grace_s", "at most 7 days")?;
        }
        Body::BasisMap(v1::BasisMap { digest: map, nodes }) => {
            digest(map, "basis_map.digest")?;
            check_nodes(nodes, "basis_map.nodes")?;
        }
        Body::Decision(decision) => check_decision(decision)?,
        Body::ListFeed(feed) => check_feed(feed)?,
        Body::ListVersion(version) => check_version(version)?,
        Body::Approval(v1::Approval { statement: _, digest: of, means }) => {
            digest(of, "approval.digest")?;
            known::<v1::ApprovalMeans>(*means, "approval.means")?;
        }
    }
    Ok(statement)
}

fn check_decision(decision: &v1::Decision) -> Result<(), Malformed> {
    let v1::Decision { subject, act, reason, log_size: _, note } = decision;
    let subject = subject.as_ref().ok_or(Malformed::Missing { field: "decision.subject" })?;
    let v1::FindingSubject { code, node, generation, rule, request_id, detail } = subject;
    let code_is_a_word = !code.is_empty()
        && code.len() <= 64
        && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    require(code_is_a_word, "decision.subject.code", "1 to 64 of A-Z0-9_")?;
    let about_a_rule = *rule != 0;
    require(
        generation.is_empty() != about_a_rule,
        "decision.subject.generation",
        "given with a rule",
    )?;
    if about_a_rule {
        let read = generation.parse::<Generation>().is_ok();
        require(read, "decision.subject.generation", "16 hex digits")?;
    }
    short_text(detail, 400, "decision.subject.detail")?;
    require(
        node.is_empty() || request_id.is_empty(),
        "decision.subject.node",
        "a node or a request, not both",
    )?;
    let nothing = node.is_empty() && request_id.is_empty() && detail.is_empty();
    require(!nothing, "decision.subject.node", "a node, a request, or a detail")?;
    if !node.is_empty() {
        check_node(node, "decision.subject.node")?;
    }
    if !request_id.is_empty() {
        request(request_id, "decision.subject.request_id")?;
    }
    require(!about_a_rule || !node.is_empty(), "decision.subject.rule", "0 without a node")?;
    known::<v1::DecisionAct>(*act, "decision.act")?;
    known::<v1::DecisionReason>(*reason, "decision.reason")?;
    let Some(note) = note else { return Ok(()) };
    check_set(note)?;
    require(note.count == 1 && note.chunks.len() == 1, "decision.note", "one item in one chunk")
}

/// Bytes of a note's text.
pub const NOTE_SIZE_MAX: usize = 2000;

/// The text of a decision's note out of its chunk.
pub fn open_note(set: &v1::ItemSet, chunk: &[u8]) -> Result<String, NoteError> {
    let items = open_set(set, &[chunk])?;
    let [item] = items.as_slice() else { return Err(NoteError::Set(SetError::WrongRoot)) };
    let v1::CaseNote { text } = canonical::decode(item, CHUNK_SIZE_MAX)?;
    require(!text.is_empty(), "note.text", "not empty")?;
    short_text(&text, NOTE_SIZE_MAX, "note.text")?;
    Ok(text)
}

/// What is kept of the signature under a document, out of its chunk.
pub fn open_signature(set: &v1::ItemSet, chunk: &[u8]) -> Result<v1::DocumentSignature, NoteError> {
    let items = open_set(set, &[chunk])?;
    let [item] = items.as_slice() else { return Err(NoteError::Set(SetError::WrongRoot)) };
    let signature: v1::DocumentSignature = canonical::decode(item, CHUNK_SIZE_MAX)?;
    let v1::DocumentSignature { form, cms, content_digest, whole: _ } = &signature;
    known::<v1::SignatureForm>(*form, "signature.form")?;
    require(!cms.is_empty(), "signature.cms", "not empty")?;
    let known_size = matches!(content_digest.len(), 0 | 32 | 48 | 64);
    require(known_size, "signature.content_digest", "0, 32, 48 or 64 bytes")?;
    Ok(signature)
}

/// Why a chunk is not the note of a decision, or not what is kept of a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error(transparent)]
    Set(#[from] SetError),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

fn check_transition(transition: &v1::Transition) -> Result<(), Malformed> {
    let v1::Transition {
        request_id,
        kind,
        by_request_id,
        decision,
        reason,
        back_covers,
        awaits_approval: _,
        said,
    } = transition;
    request(request_id, "transition.request_id")?;
    let kind = known::<v1::TransitionKind>(*kind, "transition.kind")?;
    let superseded = kind == v1::TransitionKind::Supersede;
    require(
        superseded != by_request_id.is_empty(),
        "transition.by_request_id",
        "given exactly for a supersession",
    )?;
    if superseded {
        request(by_request_id, "transition.by_request_id")?;
    }
    short_text(reason, 1000, "transition.reason")?;
    let confirms = kind == v1::TransitionKind::Confirm;
    require(confirms || !back_covers, "transition.back_covers", "of a confirmation only")?;
    if let Some(said) = said {
        check_set(said)?;
        let is_one = said.count == 1 && said.chunks.len() == 1;
        require(is_one, "transition.said", "one item in one chunk")?;
        let in_the_clear = decision.iter().flat_map(|d| [&d.text, &d.escalation]).chain([reason]);
        let is_empty = in_the_clear.into_iter().all(String::is_empty);
        require(is_empty, "transition.reason", "empty beside what is committed")?;
    }
    let Some(decision) = decision else { return Ok(()) };
    let v1::OperatorDecision {
        kind,
        reason: code,
        text,
        escalation,
        not_accepted: _,
        accepted_scope: _,
    } = decision;
    known::<v1::DecisionKind>(*kind, "transition.decision.kind")?;
    if *code != 0 {
        known::<v1::OperatorReason>(*code, "transition.decision.reason")?;
    }
    short_text(text, 4000, "transition.decision.text")?;
    short_text(escalation, 1000, "transition.decision.escalation")
}

/// The words of a transition, as its set holds them.
pub fn check_texts(texts: &v1::StatedTexts) -> Result<(), Malformed> {
    let v1::StatedTexts { reason, text, escalation } = texts;
    short_text(reason, 1000, "said.reason")?;
    short_text(text, 4000, "said.text")?;
    short_text(escalation, 1000, "said.escalation")
}

/// Nodes that one statement may name: as many as fit an entry.
pub const NODES_MAX: usize = 450;
/// Rules that one attribution may name.
pub const RULES_MAX: usize = 3000;

/// A feed that comes less often than monthly is a file that somebody sends.
pub const FEED_SPAN_MAX_S: u64 = 31 * 86_400;

fn check_feed(feed: &v1::ListFeed) -> Result<(), Malformed> {
    let v1::ListFeed {
        list_id,
        request_id,
        publication_interval_s,
        fetch_time_s,
        change_entries_max: _,
        change_permille_max,
    } = feed;
    request(list_id, "list_feed.list_id")?;
    request(request_id, "list_feed.request_id")?;
    for (span, field) in [
        (publication_interval_s, "list_feed.publication_interval_s"),
        (fetch_time_s, "list_feed.fetch_time_s"),
    ] {
        require(*span <= FEED_SPAN_MAX_S, field, "at most 31 days")?;
    }
    require(*change_permille_max <= 1000, "list_feed.change_permille_max", "at most 1000")
}

fn check_version(version: &v1::ListVersion) -> Result<(), Malformed> {
    let v1::ListVersion {
        list_id,
        version,
        previous,
        changes,
        file_digest,
        mapping_digest,
        rows_read,
        rows_repaired,
        rows_refused,
        entries,
        added,
        removed,
        refused,
    } = version;
    request(list_id, "list_version.list_id")?;
    request(version, "list_version.version")?;
    if !previous.is_empty() {
        request(previous, "list_version.previous")?;
    }
    require(previous != version, "list_version.previous", "another version")?;
    check_set(changes.as_ref().ok_or(Malformed::Missing { field: "list_version.changes" })?)?;
    digest(file_digest, "list_version.file_digest")?;
    digest_or_none(mapping_digest, "list_version.mapping_digest")?;
    require(
        rows_repaired.saturating_add(*rows_refused) <= *rows_read,
        "list_version.rows_read",
        "at least the repaired and the refused rows",
    )?;
    check_refused(refused, *rows_refused, *rows_read, changes.as_ref())?;
    require(added <= entries, "list_version.entries", "at least what was added")?;
    require(!previous.is_empty() || *removed == 0, "list_version.removed", "0 in the first version")
}

/// Refused rows that one statement names at most. Of a file that is wrong throughout, the first ones say what is
/// wrong with it.
pub const REFUSED_ROWS_MAX: usize = 100;
/// And beside the names of more chunks than [`CHUNKS_BESIDE_ROWS_MAX`], for which an entry has hardly room.
pub const REFUSED_ROWS_BESIDE_CHUNKS_MAX: usize = 5;
pub const CHUNKS_BESIDE_ROWS_MAX: usize = 500;
/// Bytes of a refused row's field.
pub const REFUSED_FIELD_SIZE_MAX: usize = 64;

/// How many refused rows a statement names that has so many chunks of items.
pub fn refused_rows_max(chunk_count: usize) -> usize {
    if chunk_count > CHUNKS_BESIDE_ROWS_MAX {
        REFUSED_ROWS_BESIDE_CHUNKS_MAX
    } else {
        REFUSED_ROWS_MAX
    }
}

/// As many rows as were refused, or as a statement names; so what it names and what it counts are held against one
/// another by whoever reads it.
fn check_refused(
    refused: &[v1::RefusedRow],
    rows_refused: u64,
    rows_read: u64,
    items: Option<&v1::ItemSet>,
) -> Result<(), Malformed> {
    let most = refused_rows_max(items.map_or(0, |set| set.chunks.len()));
    let named = usize::try_from(rows_refused).unwrap_or(usize::MAX).min(most);
    let wanted = "as many as rows_refused, at most 100, or 5 beside more than 500 chunks";
    require(refused.len() == named, "refused", wanted)?;
    let mut before = 0;
    for v1::RefusedRow { row, line, field, fault, digest: of } in refused {
        let goes_on = before < *row && *row <= rows_read;
        require(goes_on, "refused.row", "ascending, from 1 to rows_read")?;
        before = *row;
        require(*line > 0, "refused.line", "from 1")?;
        require(is_field(field), "refused.field", "at most 64 of a-z0-9_.")?;
        known::<v1::RowFault>(*fault, "refused.fault")?;
        digest(of, "refused.digest")?;
    }
    Ok(())
}

/// Whether it is written as the fields of files are.
pub fn is_field(text: &str) -> bool {
    let written = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.');
    text.len() <= REFUSED_FIELD_SIZE_MAX && text.bytes().all(written)
}

/// The set of items that travels beside a statement of this kind, if it has one.
pub fn item_set(body: Option<&Body>) -> Option<&v1::ItemSet> {
    match body? {
        Body::Import(import) => import.items.as_ref(),
        Body::ListVersion(version) => version.changes.as_ref(),
        Body::Decision(decision) => decision.note.as_ref(),
        Body::Transition(transition) => transition.said.as_ref(),
        Body::Attribution(_)
        | Body::Proceeding(_)
        | Body::Baseline(_)
        | Body::BasisMap(_)
        | Body::LateRegister(_)
        | Body::ListFeed(_)
        | Body::Approval(_) => None,
    }
}

/// The value check of an attribution, alone or as an item of an import.
pub fn check_attribution(attribution: &v1::Attribution) -> Result<(), Malformed> {
    let v1::Attribution { node, rules, claims, claiming, group, withdrawn } = attribution;
    check_node(node, "attribution.node")?;
    let selects = usize::from(!rules.is_empty()) + usize::from(claiming.is_some());
    require(selects == 1, "attribution.rules", "given exactly where claiming is not")?;
    require(rules.len() <= RULES_MAX, "attribution.rules", "at most 3000")?;
    let mut each = rules.clone();
    each.sort_unstable();
    each.dedup();
    require(each.len() == rules.len(), "attribution.rules", "each once")?;
    if let Some(claiming) = claiming {
        Claim::try_from(claiming)?;
    }
    require(*withdrawn == claims.is_empty(), "attribution.claims", "none exactly if withdrawn")?;
    claim::check_all(claims)?;
    short_text(group, 200, "attribution.group")
}

fn check_nodes(nodes: &[String], field: &'static str) -> Result<(), Malformed> {
    require((1..=NODES_MAX).contains(&nodes.len()), field, "1 to 450")?;
    nodes.iter().try_for_each(|node| check_node(node, field))?;
    let distinct = nodes.iter().collect::<std::collections::BTreeSet<_>>().len();
    require(distinct == nodes.len(), field, "each once")
}

fn check_node(node: &str, field: &'static str) -> Result<(), Malformed> {
    require(node.parse::<NodeId>().is_ok(), field, "1 to 63 of a-z0-9-")
}

fn request(id: &str, field: &'static str) -> Result<(), Malformed> {
    require(id.parse::<RequestId>().is_ok(), field, "1 to 48 of A-Za-z0-9._/-")
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn what_is_refused_of_the_largest_import_fits_an_entry() {
        let size = |chunks: usize| {
            let row = v1::RefusedRow {
                row: u64::from(u32::MAX),
                line: u64::from(u32::MAX),
                field: "f".repeat(REFUSED_FIELD_SIZE_MAX),
                fault: 1,
                digest: vec![1; 32],
            };
            let items = v1::ItemSet {
                count: u64::from(u32::MAX),
                root: vec![1; 32],
                chunks: vec![vec![1; 32]; chunks],
            };
            let import = v1::Import {
                items: Some(items),
                file_digest: vec![1; 32],
                mapping_digest: vec![1; 32],
                reason: "r".repeat(1000),
                refused: vec![row; refused_rows_max(chunks)],
                ..v1::Import::default()
            };
            import.encoded_len()
        };
        // Beside it stand the names of register and persons, times and signatures.
        for chunks in [CHUNKS_BESIDE_ROWS_MAX, CHUNKS_BESIDE_ROWS_MAX + 1, crate::chunk::CHUNKS_MAX]
        {
            assert!(size(chunks) + 400 <= crate::ENTRY_SIZE_MAX, "{chunks}: {}", size(chunks));
        }
    }
}
