//! Signatures of authorities under documents of requests: what is kept of them, checked under the anchors
//! that the assessor brings.
//!
//! A request that says that a signature holds is contradicted by one that does not. Without an anchor that
//! leads to the signer nothing is said, and that is counted. What is made by an algorithm or in a form that is not
//! looked at here may hold: the check is incomplete.

use std::collections::BTreeMap;

use authority::{Form, Kept, Status};
use evidence::{bundle::chunk_name, statement::open_signature};
use remit_proto::v1::{self, register_item::Item};
use tlog::Hash;

use crate::{
    files::Bundle,
    report::{Findings, Step, chain},
    statements::Register,
    trust::Trust,
};

#[derive(Default)]
struct Counts {
    valid: u64,
    unchecked: u64,
    withheld: u64,
    /// Kept, and not said to hold.
    not_stated: u64,
    /// Called valid, and made by what is not looked at here; with the first reason.
    unsupported: u64,
    why_unsupported: Option<String>,
}

pub(crate) fn check(
    bundle: &mut Bundle<'_>,
    trust: &Trust,
    register: &Register,
    findings: &mut Findings,
) {
    let mut counts = Counts::default();
    // A document is judged for the instant at which it came with the first version that carried it: later versions
    // only repeat it, whenever they were received.
    let mut carried_s: BTreeMap<(String, Vec<u8>), i64> = BTreeMap::new();
    for (index, stated) in register.statements.iter().enumerate() {
        let Some(stated) = stated else { continue };
        let items = stated.items.iter().flatten();
        // A closed part that was opened has documents and no time of receipt: that is its request's.
        let mut received_s = BTreeMap::new();
        for item in items {
            let (id, documents) = match &item.item {
                Some(Item::Request(request)) => {
                    let came = request.notification.as_ref().map_or(0, |came| came.received_at_s);
                    let at_s = if came == 0 { stated.statement.recorded_at_s } else { came };
                    received_s.insert(request.id.as_str(), at_s);
                    (request.id.as_str(), request.documents.as_slice())
                }
                Some(Item::Opened(part)) => {
                    let fields = part.fields.as_ref();
                    let documents = fields.map_or(&[][..], |fields| fields.documents.as_slice());
                    (part.request_id.as_str(), documents)
                }
                Some(Item::Targets(_) | Item::Attribution(_) | Item::ListChanges(_)) | None => {
                    continue;
                }
            };
            let at_s = received_s.get(id).copied().unwrap_or(stated.statement.recorded_at_s);
            for document in documents {
                let carried = (id.to_owned(), document.digest.clone());
                let at_s = *carried_s.entry(carried).or_insert(at_s);
                if let Err(text) = one(bundle, trust, document, at_s, &mut counts) {
                    findings
                        .contradicted(Step::Signatures, format!("statement {index}, {id}: {text}"));
                }
            }
        }
    }
    let Counts { valid, unchecked, withheld, not_stated, unsupported, why_unsupported } = counts;
    if unsupported > 0 {
        let why = why_unsupported.unwrap_or_default();
        let text = format!(
            "{unsupported} signatures that the register calls valid could not be checked, the first for it is {why}"
        );
        findings.incomplete(Step::Signatures, text);
    }
    if withheld > 0 {
        let text = format!("{withheld} signatures of authorities are not in the bundle");
        findings.incomplete(Step::Signatures, text);
    }
    if valid + unchecked + not_stated > 0 && findings.sound(Step::Signatures) {
        let mut text = format!("{valid} signatures of authorities hold under the anchors given");
        if unchecked > 0 {
            text.push_str(&format!(
                "; of {unchecked} that the register calls valid no anchor given leads to the signer"
            ));
        }
        if not_stated > 0 {
            text.push_str(&format!("; {not_stated} are kept, and nobody says that they hold"));
        }
        findings.proven(Step::Signatures, text);
    }
}

fn one(
    bundle: &mut Bundle<'_>,
    trust: &Trust,
    document: &v1::Document,
    at_s: i64,
    counts: &mut Counts,
) -> Result<(), String> {
    let Some(set) = &document.signature else { return Ok(()) };
    let id = set.chunks.first().and_then(|id| Hash::from_slice(id));
    let Some(chunk) = id.and_then(|id| bundle.get(&chunk_name(&id))) else {
        counts.withheld += 1;
        return Ok(());
    };
    let kept = open_signature(set, chunk).map_err(|error| chain(&error))?;
    let v1::DocumentSignature { form: _, cms, content_digest, whole } = kept.clone();
    let detached = kept.form() == v1::SignatureForm::DetachedCms;
    if detached && content_digest.len() == 32 && content_digest != document.digest {
        return Err("the signature is kept as one over another document".to_owned());
    }
    if document.signature_status() != v1::SignatureStatus::Valid {
        counts.not_stated += 1;
        return Ok(());
    }
    let form = if detached { Form::Detached } else { Form::Pdf };
    let kept = Kept { form, cms, content_digest, whole };
    match authority::check(&kept, &trust.anchors, at_s) {
        Status::Valid { .. } => counts.valid += 1,
        Status::Unchecked => counts.unchecked += 1,
        status @ Status::Unsupported(_) => {
            counts.unsupported += 1;
            counts.why_unsupported.get_or_insert_with(|| status.to_string());
        }
        status @ Status::Invalid(_) => {
            return Err(format!("a signature that is called valid is {status}"));
        }
    }
    Ok(())
}
