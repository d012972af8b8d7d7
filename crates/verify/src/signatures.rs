//! Signatures of authorities under documents of requests: what is kept of them, checked under the anchors
//! that the assessor brings.
//!
//! A request that says that a signature holds is contradicted by one that does not. Without an anchor that
//! leads to the signer nothing is said, and that is counted. What is made by an algorithm or in a form that is not
//! looked at here may hold: the check is incomplete. So it is where an earlier version of the request may have
//! brought the document, and is not seen here: its certificate had to be valid then, and nobody knows when that was.

use std::collections::{BTreeMap, BTreeSet};

use authority::{Form, Invalid, Kept, Status};
use evidence::{bundle::chunk_name, statement::open_signature};
use remit_proto::v1::{self, RequestPart, register_item::Item};
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
    /// Called valid, and nobody knows for which time.
    undated: u64,
}

/// For which instant a document is judged: that at which it came with the first version that carried it. Later
/// versions only repeat it, whenever they were received.
#[derive(Debug, Clone, Copy)]
enum Came {
    At(i64),
    /// At this instant or before.
    By(i64),
}

/// Versions of requests whose documents this bundle does not show.
#[derive(Default)]
struct Unseen {
    /// The newest version of each request that it shows.
    shown: BTreeMap<String, u32>,
    requests: BTreeSet<String>,
}

impl Unseen {
    /// The next version of a request, before its documents are looked at: what stood between it and the last one
    /// that is shown is not.
    fn next(&mut self, request: &v1::Request) {
        let before = self.shown.insert(request.id.clone(), request.version);
        let follows = before.is_some_and(|before| before.checked_add(1) == Some(request.version));
        if !request.prev_hash.is_empty() && !follows {
            self.requests.insert(request.id.clone());
        }
    }

    /// After them. `opened`: requests whose documents the statement's openings show.
    fn closes(&mut self, request: &v1::Request, opened: &BTreeSet<&str>) {
        let closes = request.closed.iter().any(|closed| closed.part() == RequestPart::Documents);
        if closes && !opened.contains(request.id.as_str()) {
            self.requests.insert(request.id.clone());
        }
    }
}

pub(crate) fn check(
    bundle: &mut Bundle<'_>,
    trust: &Trust,
    register: &Register,
    findings: &mut Findings,
) {
    let mut counts = Counts::default();
    let mut carried: BTreeMap<(String, Vec<u8>), Came> = BTreeMap::new();
    let mut unseen = Unseen::default();
    for (index, stated) in register.statements.iter().enumerate() {
        let Some(stated) = stated else { continue };
        let items = stated.items.as_deref().unwrap_or_default();
        // A closed part that was opened has documents and no time of receipt: that is its request's.
        let mut received_s = BTreeMap::new();
        for item in items {
            let (id, documents) = match &item.item {
                Some(Item::Request(request)) => {
                    let came = request.notification.as_ref().map_or(0, |came| came.received_at_s);
                    let at_s = if came == 0 { stated.statement.recorded_at_s } else { came };
                    received_s.insert(request.id.as_str(), at_s);
                    unseen.next(request);
                    (request.id.as_str(), request.documents.as_slice())
                }
                Some(Item::Opened(part)) => {
                    let fields = part.fields.as_ref();
                    let documents = fields.map_or(&[][..], |fields| fields.documents.as_slice());
                    (part.request_id.as_str(), documents)
                }
                Some(
                    Item::Targets(_) | Item::Attribution(_) | Item::ListChanges(_) | Item::Said(_),
                )
                | None => {
                    continue;
                }
            };
            let at_s = received_s.get(id).copied().unwrap_or(stated.statement.recorded_at_s);
            let came = if unseen.requests.contains(id) { Came::By(at_s) } else { Came::At(at_s) };
            for document in documents {
                let document_of = (id.to_owned(), document.digest.clone());
                let came = *carried.entry(document_of).or_insert(came);
                if let Err(text) = one(bundle, trust, document, came, &mut counts) {
                    findings
                        .contradicted(Step::Signatures, format!("statement {index}, {id}: {text}"));
                }
            }
        }
        let opened = items.iter().filter_map(|item| match &item.item {
            Some(Item::Opened(part)) if part.part() == RequestPart::Documents => {
                Some(part.request_id.as_str())
            }
            _ => None,
        });
        let opened: BTreeSet<&str> = opened.collect();
        for item in items {
            if let Some(Item::Request(request)) = &item.item {
                unseen.closes(request, &opened);
            }
        }
    }
    let Counts { valid, unchecked, withheld, not_stated, unsupported, why_unsupported, undated } =
        counts;
    if unsupported > 0 {
        let why = why_unsupported.unwrap_or_default();
        let text = format!(
            "{unsupported} signatures that the register calls valid could not be checked, the first for it is {why}"
        );
        findings.incomplete(Step::Signatures, text);
    }
    if undated > 0 {
        let text = format!(
            "{undated} signatures that the register calls valid could not be checked: an earlier version of the \
             request, whose documents are not in this bundle, may have brought them, and when is not known"
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
    came: Came,
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
    let (at_s, is_known) = match came {
        Came::At(at_s) => (at_s, true),
        Came::By(at_s) => (at_s, false),
    };
    match authority::check(&kept, &trust.anchors, at_s) {
        Status::Valid { .. } if is_known => counts.valid += 1,
        Status::Valid { .. } => counts.undated += 1,
        Status::Unchecked => counts.unchecked += 1,
        status @ Status::Unsupported(_) => {
            counts.unsupported += 1;
            counts.why_unsupported.get_or_insert_with(|| status.to_string());
        }
        Status::Invalid(why) if !is_known && may_have_held_before(&why, at_s) => {
            counts.undated += 1;
        }
        status @ Status::Invalid(_) => {
            return Err(format!("a signature that is called valid is {status}"));
        }
    }
    Ok(())
}

/// Whether a signature that does not hold at an instant may have held before it. Which certificates stand between it
/// and an anchor is such a question; one that began later is not.
fn may_have_held_before(why: &Invalid, at_s: i64) -> bool {
    match why {
        Invalid::NotValidThen { until_s, .. } => {
            u64::try_from(at_s).is_ok_and(|at_s| *until_s < at_s)
        }
        Invalid::NotPermitted { .. }
        | Invalid::WeakDigest(_)
        | Invalid::WeakKey { .. }
        | Invalid::Structure(_) => true,
        Invalid::OtherDocument | Invalid::BadSignature | Invalid::NotWhole => false,
    }
}
