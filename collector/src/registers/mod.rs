//! The register log: signed statements of people, and the inventory that people sign.
//!
//! **In**: canonical `SignedStatement` and `SignedNodeFacts` bytes, with the person whose TLS
//! certificate the connection carries. **Out**: entries of the register log and of the collector's
//! log, or a refusal that names the field and the remedy.
//!
//! A statement is taken if its author is the caller; if author, approver and everybody else who is
//! said to have signed it hold a valid `PersonKey` with the role operator and signed exactly these
//! bytes for exactly this log; if it was recorded now; and if the register can take it in as a whole.
//! The one statement that the collector makes itself is an approval by somebody who is logged in: it is
//! signed by the register's key as *attested*, never as that person's.

mod erase;
mod second;
mod service;

pub(crate) use second::Held;
pub use second::SecondPersonFor;
pub use service::RegisterEdge;

use std::collections::BTreeSet;

use evidence::{
    Malformed, PersonId, RequestId, canonical,
    chunk::{SetError, SetReader},
    closed,
    statement::{
        SignedStatement, attested_text, decode_signed, item_set, open_signature, signed_text,
    },
};
use register::{InvalidStatement, ItemReader, Items};
use remit_proto::v1::{self, log_entry::Entry, register_item::Item};
use tlog::Hash;

use crate::{
    committed::Chunks,
    log::{
        command::Refusal,
        journal::{EntryRecord, Record},
        state::StateError,
        writer::{Fatal, Writer},
    },
    serve::chain,
};

/// A statement's `recorded_at_s` may differ from the collector's clock by this much.
pub const RECORDED_AT_TOLERANCE_S: i64 = 600;

/// Why the items of a statement cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum NoItems {
    #[error("chunk {id} is not held")]
    Missing { id: Hash },
    #[error(transparent)]
    Set(#[from] SetError),
    #[error("an item of the set is not a canonical RegisterItem")]
    Item(#[source] Malformed),
    #[error("a closed part does not open to its own fields")]
    Part(#[source] Malformed),
    #[error(transparent)]
    Invalid(#[from] InvalidStatement),
}

/// What the register asks of documents that everybody sees is asked of closed ones while they can be seen: whoever
/// reads the register later may not see them.
fn check_proof(request: &register::Request) -> Result<(), Refusal> {
    let documents = request.closed.iter().find(|part| part.part == v1::RequestPart::Documents);
    let is_seen = documents.is_some_and(|part| part.is_open);
    let mut held = request.particulars.documents.iter();
    if request.basis_proof != v1::BasisProof::AuthoritySigned
        || !is_seen
        || held.any(|document| document.signature_status() == v1::SignatureStatus::Valid)
    {
        return Ok(());
    }
    let detail = "basis_proof: authority_signed needs a document whose signature was checked and holds: remit \
                  requests document add";
    Err(Refusal::because("MALFORMED_IMPORT", detail))
}

/// The items of a statement's set; a statement without a set has none.
pub fn items_of(chunks: &dyn Chunks, statement: &v1::Statement) -> Result<Items, NoItems> {
    let mut reader = ItemReader::default();
    each_item(chunks, statement, |item, opened| Ok(reader.push(item, opened)?))?;
    Ok(reader.finish()?)
}

/// The same for who goes on without them: `None` where they are withheld, erased or damaged.
pub fn held_items(
    chunks: &dyn Chunks,
    statement: &v1::Statement,
) -> Result<Option<Items>, InvalidStatement> {
    match items_of(chunks, statement) {
        Ok(items) => Ok(Some(items)),
        Err(NoItems::Invalid(error)) => Err(error),
        Err(NoItems::Missing { .. } | NoItems::Set(_) | NoItems::Item(_) | NoItems::Part(_)) => {
            Ok(None)
        }
    }
}

/// One item after the other, each with what closed parts of it say, as far as that is held.
pub fn each_item(
    chunks: &dyn Chunks,
    statement: &v1::Statement,
    mut take: impl FnMut(v1::RegisterItem, Vec<v1::OpenedPart>) -> Result<(), NoItems>,
) -> Result<(), NoItems> {
    let Some(set) = item_set(statement.body.as_ref()) else { return Ok(()) };
    let mut reader = SetReader::new(set);
    for id in &set.chunks {
        let id = Hash::from_slice(id).unwrap_or(Hash([0; 32]));
        let bytes = chunks.chunk(&id).ok_or(NoItems::Missing { id })?;
        for item in reader.chunk(&bytes)? {
            let item: v1::RegisterItem =
                canonical::decode(&item, evidence::CHUNK_SIZE_MAX).map_err(NoItems::Item)?;
            let opened = match &item.item {
                Some(Item::Request(request)) => {
                    closed::opened_parts(request, |part| opening(chunks, part))
                        .map_err(NoItems::Part)?
                }
                _ => Vec::new(),
            };
            take(item, opened)?;
        }
    }
    Ok(reader.finish()?)
}

fn opening(chunks: &dyn Chunks, part: &v1::ClosedPart) -> Option<Vec<Vec<u8>>> {
    let set = part.opening.as_ref()?;
    let ids = set.chunks.iter().map(|id| Hash::from_slice(id));
    let held: Vec<_> = ids.map(|id| chunks.chunk(&id?)).collect::<Option<_>>()?;
    evidence::chunk::open_set(set, &held).ok()
}

impl Writer {
    pub(crate) fn statement(
        &mut self,
        bytes: Vec<u8>,
        caller: &PersonId,
    ) -> Result<Result<u64, Refusal>, Fatal> {
        if let Err(refused) = self.check_statement(&bytes, caller) {
            return Ok(Err(refused));
        }
        self.enter(bytes)
    }

    /// Enters that the caller, who is logged in, approves a statement. The collector's word, and marked so.
    pub(crate) fn attest(
        &mut self,
        statement: u64,
        digest: Vec<u8>,
        caller: &PersonId,
    ) -> Result<Result<u64, Refusal>, Fatal> {
        let known = self.state.persons.get(caller).filter(|known| !known.revoked);
        if known.is_none_or(|known| known.role != v1::Role::Operator) {
            let detail = format!("{caller} has no valid PersonKey as operator; enrol again");
            return Ok(Err(Refusal::because("UNKNOWN_PERSON", detail)));
        }
        let origin = self.state.operator.register_origin();
        let at_s = (self.clock)();
        let role = v1::Role::Operator.into();
        let means = v1::ApprovalMeans::AttestedByCollector.into();
        let approval = v1::Approval { statement, digest, means };
        let said = v1::Statement {
            format: evidence::FORMAT,
            origin: origin.clone(),
            recorded_at_s: at_s,
            effective_at_s: at_s,
            author: Some(v1::PersonRef { person: caller.to_string(), role }),
            approver: None,
            body: Some(v1::statement::Body::Approval(approval)),
        };
        let bytes = evidence::canonical::encode(&said);
        let attestation = self.register_key.sign_raw(attested_text(&origin, &bytes).as_bytes());
        let signed = evidence::canonical::encode(&v1::SignedStatement {
            statement: bytes,
            signatures: Vec::new(),
            attestation: attestation.to_vec(),
        });
        if let Err(error) = decode_signed(&signed) {
            return Ok(Err(Refusal::because("MALFORMED_STATEMENT", error.to_string())));
        }
        self.enter(signed)
    }

    fn enter(&mut self, bytes: Vec<u8>) -> Result<Result<u64, Refusal>, Fatal> {
        let now_s = self.now();
        let record = Record::Statement(EntryRecord { at_s: now_s, entry: bytes });
        match self.append(record, now_s) {
            Ok(_) => Ok(Ok(self.state.register_log.tree.size())),
            // The register changes as a whole or not at all.
            Err(Fatal::State(error @ StateError::Register { .. })) => {
                Ok(Err(Refusal::because("REFUSED_BY_REGISTER", error.to_string())))
            }
            Err(fatal) => Err(fatal),
        }
    }

    fn check_statement(&self, bytes: &[u8], caller: &PersonId) -> Result<(), Refusal> {
        let decoded = decode_signed(bytes)
            .map_err(|error| Refusal::because("MALFORMED_STATEMENT", error.to_string()))?;
        let SignedStatement::Known { statement, bytes, signatures, attestation } = decoded else {
            let detail = "the statement is of a newer format; update the collector";
            return Err(Refusal::because("NEWER_FORMAT", detail));
        };
        let origin = self.state.operator.register_origin();
        if statement.origin != origin {
            let detail = format!("origin: want {origin}, found {}", statement.origin);
            return Err(Refusal::because("WRONG_ORIGIN", detail));
        }
        if !attestation.is_empty() {
            let detail =
                "attestation: only the collector attests; sign the approval, or ask it to attest";
            return Err(Refusal::because("BAD_SIGNATURE", detail));
        }
        self.check_recorded_now(statement.recorded_at_s)?;
        let (author, approver) = (statement.author.as_ref(), statement.approver.as_ref());
        let roles = &[v1::Role::Operator];
        self.check_people(&origin, &bytes, &signatures, (author, approver), caller, roles)?;
        let items = items_of(&self.chunks, &statement).map_err(|error| match error {
            NoItems::Missing { id } => {
                Refusal::because("MISSING_CHUNK", format!("chunk {id}: send it first"))
            }
            NoItems::Set(_) | NoItems::Item(_) | NoItems::Part(_) => {
                Refusal::because("MALFORMED_IMPORT", chain(&error))
            }
            NoItems::Invalid(error) => {
                let (index, reason) = (self.state.register_log.tree.size(), error.to_string());
                let error = StateError::Register { index, reason };
                Refusal::because("REFUSED_BY_REGISTER", error.to_string())
            }
        })?;
        self.check_opened(&items)?;
        if let Some(detail) = register::register::refused(&statement, Some(&items), |id| {
            self.state.register.request(id)
        }) {
            return Err(Refusal::because("REFUSED_BY_REGISTER", detail));
        }
        let held = |id: &RequestId| self.state.register.request(id).as_ref().map(Held::of);
        match self.second_person_for.missing(&statement, Some(&items), held) {
            Some(detail) => Err(Refusal::because("NEEDS_APPROVAL", detail)),
            None => Ok(()),
        }
    }

    /// The operator knows what its own register holds: withholding is for those who ask. What was erased
    /// before may be repeated in a new version, and stays erased.
    fn check_opened(&self, items: &Items) -> Result<(), Refusal> {
        let erased: BTreeSet<&[u8]> = self.state.register.erased().collect();
        let is_missing = |part: &&register::request::Closed| {
            let mut chunks = part.opening.iter().flat_map(|set| &set.chunks);
            !part.is_open && !chunks.any(|id| erased.contains(id.as_slice()))
        };
        let mut missing = 0_usize;
        for request in items.requests() {
            self.check_signatures(&request.particulars.documents, &erased)?;
            check_proof(request)?;
            missing += request.closed.iter().filter(is_missing).count();
        }
        if missing == 0 {
            return Ok(());
        }
        let detail = format!("{missing} closed parts do not open: send their chunks first");
        Err(Refusal::because("MISSING_CHUNK", detail))
    }

    /// What is kept of signatures is there, and can be read. Whether they hold is for whoever has the anchors.
    fn check_signatures(
        &self,
        documents: &[v1::Document],
        erased: &BTreeSet<&[u8]>,
    ) -> Result<(), Refusal> {
        for set in documents.iter().filter_map(|document| document.signature.as_ref()) {
            let id =
                set.chunks.first().and_then(|id| Hash::from_slice(id)).unwrap_or(Hash([0; 32]));
            if erased.contains(id.0.as_slice()) {
                continue;
            }
            let Some(chunk) = self.chunks.chunk(&id) else {
                return Err(Refusal::because(
                    "MISSING_CHUNK",
                    format!("chunk {id}: send it first"),
                ));
            };
            open_signature(set, &chunk).map_err(|error| {
                let detail = format!("documents.signature: {error}");
                Refusal::because("MALFORMED_IMPORT", detail)
            })?;
        }
        Ok(())
    }

    /// By the clock itself: the log's own time stands still after a clock that was ahead.
    pub(crate) fn check_recorded_now(&self, recorded_at_s: i64) -> Result<(), Refusal> {
        if (recorded_at_s - (self.clock)()).abs() <= RECORDED_AT_TOLERANCE_S {
            return Ok(());
        }
        let detail = format!(
            "recorded_at_s differs from the collector's clock by more than \
             {RECORDED_AT_TOLERANCE_S} s; a statement is recorded when it is made: correct the \
             clock, and put earlier dates into effective_at"
        );
        Err(Refusal::because("BACKDATED", detail))
    }

    /// The author is the caller; author and approver have signed; and whoever has signed may. Every
    /// verifier asks all of this again, and one signature that does not hold would contradict the
    /// whole register for ever.
    pub(crate) fn check_people(
        &self,
        origin: &str,
        bytes: &[u8],
        signatures: &[v1::PersonSignature],
        (author, approver): (Option<&v1::PersonRef>, Option<&v1::PersonRef>),
        caller: &PersonId,
        roles: &[v1::Role],
    ) -> Result<(), Refusal> {
        if author.is_none_or(|author| author.person != caller.as_str()) {
            let detail = format!("author: want {caller}, whose certificate this is");
            return Err(Refusal::because("NOT_THE_AUTHOR", detail));
        }
        let text = signed_text(origin, bytes);
        for v1::PersonSignature { person, signature } in signatures {
            let v1::PersonRef { person, role } = person.clone().unwrap_or_default();
            let known = person.parse().ok().and_then(|id: PersonId| self.state.persons.get(&id));
            let Some(known) = known.filter(|known| !known.revoked) else {
                let detail = format!("{person} has no valid PersonKey; enrol again");
                return Err(Refusal::because("UNKNOWN_PERSON", detail));
            };
            if !roles.contains(&known.role) || role != i32::from(known.role) {
                let words: Vec<_> = roles.iter().map(|role| register::words::role(*role)).collect();
                let detail = format!(
                    "signatures.person.role: {origin} is written by the role {}, and each signature \
                     says that it is of the role that its person has; {person} is enrolled as {}",
                    words.join(" or "),
                    register::words::role(known.role)
                );
                return Err(Refusal::because("NOT_AUTHORISED", detail));
            }
            if !known.key.verify_raw(text.as_bytes(), signature) {
                let detail = format!(
                    "signatures.signature: that of {person} is not of its statement key over these \
                     bytes; sign the statement as it is sent"
                );
                return Err(Refusal::because("BAD_SIGNATURE", detail));
            }
        }
        for (word, named) in [("author", author), ("approver", approver)] {
            if named.is_some() && !signatures.iter().any(|s| s.person.as_ref() == named) {
                let detail = format!("the {word} is named and has not signed in that role");
                return Err(Refusal::because("BAD_SIGNATURE", detail));
            }
        }
        Ok(())
    }

    pub(crate) fn node_facts(
        &mut self,
        bytes: &[u8],
        caller: &PersonId,
    ) -> Result<Result<u64, Refusal>, Fatal> {
        let signed = match self.check_facts(bytes, caller) {
            Ok(signed) => signed,
            Err(refused) => return Ok(Err(refused)),
        };
        let now_s = self.now();
        match self.append_entry(now_s, Entry::NodeFacts(signed)) {
            Ok(index) => Ok(Ok(index)),
            // Too long for an entry, or a signature that is none: nothing was changed.
            Err(Fatal::State(StateError::Malformed { source, .. })) => {
                Ok(Err(Refusal::because("MALFORMED_FACTS", source.to_string())))
            }
            Err(fatal) => Err(fatal),
        }
    }

    fn check_facts(&self, bytes: &[u8], caller: &PersonId) -> Result<v1::SignedNodeFacts, Refusal> {
        let signed: v1::SignedNodeFacts =
            evidence::canonical::decode(bytes, evidence::ENTRY_SIZE_MAX)
                .map_err(|error| Refusal::because("MALFORMED_FACTS", error.to_string()))?;
        let facts = evidence::log_entry::decode_facts(&signed.facts)
            .map_err(|error| Refusal::because("MALFORMED_FACTS", error.to_string()))?;
        if facts.operator != self.state.operator.as_str() {
            let detail = format!("operator: want {}", self.state.operator);
            return Err(Refusal::because("WRONG_ORIGIN", detail));
        }
        let origin = self.log_key.name().as_str();
        self.check_recorded_now(facts.recorded_at_s)?;
        let author = facts.author.as_ref();
        let (signatures, roles) = (&signed.signatures, &[v1::Role::Operator]);
        self.check_people(origin, &signed.facts, signatures, (author, None), caller, roles)?;
        Ok(signed)
    }
}

#[cfg(test)]
mod tests {
    use evidence::commitment::Salt;

    use super::*;
    use crate::assess::testing::plain;

    /// Signed by an authority, as is said, with a document whose signature has this status: who refuses it.
    fn request(
        status: v1::SignatureStatus,
        is_closed: bool,
        is_seen: bool,
    ) -> Result<(), &'static str> {
        let target: register::Target = "ip:192.0.2.7".parse().unwrap();
        let target =
            v1::RequestTarget { target: Some(target.to_wire()), ..v1::RequestTarget::default() };
        let document = v1::Document {
            digest: vec![1; 32],
            signature_status: status.into(),
            anchor_digest: vec![2; 32],
            signature: Some(v1::ItemSet { count: 1, root: vec![3; 32], chunks: vec![vec![3; 32]] }),
            ..v1::Document::default()
        };
        let mut request = v1::Request {
            basis_proof: v1::BasisProof::AuthoritySigned.into(),
            documents: vec![document],
            ..plain("req-7", vec![target])
        };
        let part = v1::RequestPart::Documents;
        let fields = closed::take(&mut request.clone(), part);
        let mut opened = Vec::new();
        if is_closed {
            let closed = v1::ClosedPart {
                part: part.into(),
                tier: v1::DisclosureTier::Secret.into(),
                ..v1::ClosedPart::default()
            };
            let salt = || Ok::<_, std::convert::Infallible>(Salt([7; 16]));
            closed::close(&mut request, closed, salt).unwrap();
        }
        if is_closed && is_seen {
            opened.push(v1::OpenedPart { request_id: "req-7".into(), part: part.into(), fields });
        }
        let mut reader = ItemReader::default();
        let item = v1::RegisterItem { item: Some(Item::Request(request)) };
        reader.push(item, opened).unwrap();
        let items = reader.finish().map_err(|_| "by the register")?;
        items.requests().try_for_each(check_proof).map_err(|_| "here")
    }

    #[test]
    fn what_an_authority_signed_is_asked_of_closed_documents_while_they_are_seen() {
        use v1::SignatureStatus::{NotChecked, Valid};
        assert_eq!(request(Valid, false, true), Ok(()));
        assert_eq!(request(NotChecked, false, true), Err("by the register"));
        assert_eq!(request(Valid, true, true), Ok(()));
        assert_eq!(request(NotChecked, true, true), Err("here"));
        // A reader who does not see them takes the register as it is.
        assert_eq!(request(NotChecked, true, false), Ok(()));
    }
}
