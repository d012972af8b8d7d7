//! The register log: signed statements of people, and the inventory that people sign.
//!
//! **In**: canonical `SignedStatement` and `SignedNodeFacts` bytes, with the person whose TLS
//! certificate the connection carries. **Out**: entries of the register log and of the collector's
//! log, or a refusal that names the field and the remedy.
//!
//! A statement is taken if its author is the caller, holds a valid `PersonKey` with the role
//! operator, signed exactly these bytes for exactly this log, and recorded it now; and if the
//! register can take it in as a whole.

mod service;

pub use service::RegisterEdge;

use evidence::{
    PersonId,
    statement::{SignedStatement, decode_signed, signed_text},
};
use remit_proto::v1::{self, log_entry::Entry};

use crate::log::{
    command::Refusal,
    journal::{EntryRecord, Record},
    publish,
    state::StateError,
    writer::{Fatal, Writer},
};

/// A statement's `recorded_at_s` may differ from the collector's clock by this much.
pub const RECORDED_AT_TOLERANCE_S: i64 = 600;

impl Writer {
    pub(crate) fn statement(
        &mut self,
        bytes: Vec<u8>,
        caller: &PersonId,
    ) -> Result<Result<u64, Refusal>, Fatal> {
        let now_s = self.now();
        if let Err(refused) = self.check_statement(&bytes, caller, now_s) {
            return Ok(Err(refused));
        }
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

    fn check_statement(&self, bytes: &[u8], caller: &PersonId, now_s: i64) -> Result<(), Refusal> {
        let decoded = decode_signed(bytes)
            .map_err(|error| Refusal::because("MALFORMED_STATEMENT", error.to_string()))?;
        let SignedStatement::Known { statement, bytes, signatures } = decoded else {
            let detail = "the statement is of a newer format; update the collector";
            return Err(Refusal::because("NEWER_FORMAT", detail));
        };
        let origin = self.state.operator.register_origin();
        if statement.origin != origin {
            let detail = format!("origin: want {origin}, found {}", statement.origin);
            return Err(Refusal::because("WRONG_ORIGIN", detail));
        }
        if (statement.recorded_at_s - now_s).abs() > RECORDED_AT_TOLERANCE_S {
            let detail = format!(
                "recorded_at_s differs from the collector's clock by more than \
                 {RECORDED_AT_TOLERANCE_S} s; a statement is recorded when it is made: correct the \
                 clock, and put earlier dates into effective_at"
            );
            return Err(Refusal::because("BACKDATED", detail));
        }
        self.check_person(&origin, &bytes, &signatures, statement.author.as_ref(), caller)?;
        let Some(v1::statement::Body::Import(import)) = &statement.body else { return Ok(()) };
        let set = import.items.as_ref();
        let chunks =
            self.chunks.all_of(set.map_or(&[], |s| s.chunks.as_slice())).map_err(|id| {
                Refusal::because("MISSING_CHUNK", format!("chunk {id}: send it first"))
            })?;
        let opened = set.map(|set| evidence::chunk::open_set(set, &chunks)).transpose();
        opened.map_err(|error| Refusal::because("MALFORMED_IMPORT", error.to_string()))?;
        if publish::items_of(&self.chunks, &statement).is_none() {
            let detail = "an item of the import is not a canonical RegisterItem";
            return Err(Refusal::because("MALFORMED_IMPORT", detail));
        }
        Ok(())
    }

    /// The author signed it, is the caller, and may.
    fn check_person(
        &self,
        origin: &str,
        bytes: &[u8],
        signatures: &[v1::PersonSignature],
        author: Option<&v1::PersonRef>,
        caller: &PersonId,
    ) -> Result<(), Refusal> {
        let author = author.map_or("", |a| a.person.as_str());
        if author != caller.as_str() {
            let detail = format!("author: want {caller}, whose certificate this is");
            return Err(Refusal::because("NOT_THE_AUTHOR", detail));
        }
        let person =
            self.state.persons.get(caller).filter(|person| !person.revoked).ok_or_else(|| {
                Refusal::because("UNKNOWN_PERSON", "the author has no valid PersonKey; enrol again")
            })?;
        if person.role != v1::Role::Operator {
            return Err(Refusal::because(
                "NOT_AUTHORISED",
                "only the role operator writes the register",
            ));
        }
        let text = signed_text(origin, bytes);
        let signed = signatures.iter().any(|s| {
            s.person.as_ref().is_some_and(|p| p.person == author)
                && person.key.verify_raw(text.as_bytes(), &s.signature)
        });
        if signed {
            Ok(())
        } else {
            Err(Refusal::because(
                "BAD_SIGNATURE",
                "no signature of the author's statement key fits",
            ))
        }
    }

    pub(crate) fn node_facts(
        &mut self,
        bytes: &[u8],
        caller: &PersonId,
    ) -> Result<Result<u64, Refusal>, Fatal> {
        let checked = self.check_facts(bytes, caller);
        Ok(match checked {
            Err(refused) => Err(refused),
            Ok(signed) => {
                let now_s = self.now();
                Ok(self.append_entry(now_s, Entry::NodeFacts(signed))?)
            }
        })
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
        self.check_person(
            origin,
            &signed.facts,
            &signed.signatures,
            facts.author.as_ref(),
            caller,
        )?;
        Ok(signed)
    }
}
