//! The case log: what people do about findings.
//!
//! **In**: canonical `SignedStatement` bytes with a `Decision`, and the chunk of its note, with the
//! person whose TLS certificate the connection carries. **Out**: an entry of the case log, or a refusal
//! that names the field and the remedy.
//!
//! A decision is taken if its author is the caller and signed exactly these bytes in the role that the
//! person has; if it was recorded now; if the finding is one that stands in the evidence now, or was
//! decided on before; and if role, act, reason and state go together (`register::cases`).
//!
//! Not done here: which findings there are (`query`); the edge asks before it hands on.

use evidence::{
    PersonId,
    statement::{SignedStatement, decode_signed, open_note},
};
use register::cases::{InvalidDecision, Note};
use remit_proto::v1::{self, Role, statement::Body};
use tlog::Hash;

use crate::{
    committed::Chunks,
    log::{
        command::Refusal,
        journal::{EntryRecord, Record},
        writer::{Fatal, Writer},
    },
};

/// Those who may have signed an entry of the case log.
const ROLES: [Role; 3] = [Role::Operator, Role::Officer, Role::Assessor];

/// What the note of a decision says, as far as its chunk is held.
pub fn note_of(chunks: &dyn Chunks, statement: &v1::Statement) -> Note {
    let Some(Body::Decision(v1::Decision { note: Some(set), .. })) = &statement.body else {
        return Note::None;
    };
    let id = set.chunks.first().and_then(|id| Hash::from_slice(id));
    let chunk = id.and_then(|id| chunks.chunk(&id));
    let text = chunk.and_then(|chunk| open_note(set, &chunk).ok());
    text.map_or(Note::Erased, Note::Text)
}

impl Writer {
    pub(crate) fn decision(
        &mut self,
        bytes: Vec<u8>,
        note_chunk: &[u8],
        caller: &PersonId,
    ) -> Result<Result<u64, Refusal>, Fatal> {
        let now_s = self.now();
        if let Err(refused) = self.check_decision(&bytes, note_chunk, caller) {
            return Ok(Err(refused));
        }
        if !note_chunk.is_empty() {
            // Before the entry that names it: an entry without its chunk would look erased.
            if let Err(refused) = self.chunk(None, note_chunk)? {
                return Ok(Err(refused));
            }
        }
        self.append(Record::Decision(EntryRecord { at_s: now_s, entry: bytes }), now_s)?;
        Ok(Ok(self.state.case_log.tree.size()))
    }

    fn check_decision(
        &self,
        bytes: &[u8],
        note_chunk: &[u8],
        caller: &PersonId,
    ) -> Result<(), Refusal> {
        let decoded = decode_signed(bytes)
            .map_err(|error| Refusal::because("MALFORMED_STATEMENT", error.to_string()))?;
        // Only approvals are attested: the value check has looked.
        let SignedStatement::Known { statement, bytes, signatures, attestation: _ } = decoded
        else {
            let detail = "the statement is of a newer format; update the collector";
            return Err(Refusal::because("NEWER_FORMAT", detail));
        };
        let origin = self.state.operator.case_origin();
        if statement.origin != origin {
            let detail = format!("origin: want {origin}, found {}", statement.origin);
            return Err(Refusal::because("WRONG_ORIGIN", detail));
        }
        self.check_recorded_now(statement.recorded_at_s)?;
        let (author, approver) = (statement.author.as_ref(), statement.approver.as_ref());
        self.check_people(&origin, &bytes, &signatures, (author, approver), caller, &ROLES)?;
        let Some(Body::Decision(decision)) = &statement.body else {
            let detail = "body: only a decision belongs to the case log";
            return Err(Refusal::because("MALFORMED_STATEMENT", detail));
        };
        let admitted = self.state.cases.check(&statement);
        admitted.map_err(|error| {
            let reason = match error {
                InvalidDecision::Role { .. } => "NOT_AUTHORISED",
                _ => "REFUSED_BY_CASES",
            };
            Refusal::because(reason, error.to_string())
        })?;
        match (&decision.note, note_chunk) {
            (None, []) => Ok(()),
            (None, _) => {
                let detail = "note_chunk: the decision names no note; leave the chunk out";
                Err(Refusal::because("MALFORMED_NOTE", detail))
            }
            (Some(set), chunk) => {
                let malformed =
                    |why: String| Refusal::because("MALFORMED_NOTE", format!("note_chunk: {why}"));
                let text = open_note(set, chunk).map_err(|error| malformed(error.to_string()))?;
                register::request::strange_text(&text).map_or(Ok(()), |why| Err(malformed(why)))
            }
        }
    }
}
