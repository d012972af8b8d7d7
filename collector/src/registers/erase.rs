//! Erasing closed parts of requests.
//!
//! In order: the `Erasure` entry into the log, durable; then the chunks go. A crash between the two leaves
//! an entry that names chunks which are still there, and the next start removes them. Statements,
//! commitments and proofs stay as they are; what was a part says *erased* from then on.

use std::collections::BTreeSet;

use evidence::{PersonId, RequestId};
use register::request::moves_verdicts;
use remit_proto::v1::{self, RequestPart, log_entry::Entry};
use tlog::Hash;

use crate::{
    committed::Chunks,
    log::{
        command::Refusal,
        writer::{Fatal, Writer},
    },
};

/// What is to go.
struct Found {
    chunks: Vec<Vec<u8>>,
    statements: BTreeSet<u64>,
    parts: u64,
}

impl Found {
    /// Those that are held. One that two versions share goes once.
    fn take<'i>(&mut self, held: &dyn Chunks, ids: impl IntoIterator<Item = &'i Vec<u8>>) {
        for id in ids {
            let is_held = Hash::from_slice(id).and_then(|id| held.chunk(&id)).is_some();
            if is_held && !self.chunks.contains(id) {
                self.chunks.push(id.clone());
            }
        }
    }
}

impl Writer {
    pub(crate) fn erase(
        &mut self,
        request_id: &str,
        parts: &[i32],
        caller: &PersonId,
    ) -> Result<Result<(u64, u64), Refusal>, Fatal> {
        let found = match self.to_erase(request_id, parts) {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        let Found { chunks, statements, parts } = found;
        let (first, last) = (statements.first().copied(), statements.last().copied());
        let erasure = v1::Erasure {
            origin: self.state.operator.register_origin(),
            from_index: first.unwrap_or_default(),
            until_index: last.unwrap_or_default().saturating_add(1),
            count: parts,
            by: Some(v1::PersonRef { person: caller.to_string(), role: v1::Role::Operator.into() }),
            chunks: chunks.clone(),
        };
        let now_s = self.now();
        let index = self.append_entry(now_s, Entry::Erasure(erasure))?;
        self.commit()?;
        // Crash from here on: the next start removes what the entry names.
        for id in chunks.iter().filter_map(|id| Hash::from_slice(id)) {
            self.chunks.remove(&id)?;
        }
        Ok(Ok((index, parts)))
    }

    fn to_erase(&self, request_id: &str, parts: &[i32]) -> Result<Found, Refusal> {
        let mut wanted = BTreeSet::new();
        for part in parts {
            let part = RequestPart::try_from(*part).unwrap_or_default();
            if part == RequestPart::Unspecified || !wanted.insert(part as i32) {
                let detail = "parts: each is one that this version knows, and stands once";
                return Err(Refusal::because("FIELD_INVALID", detail));
            }
            if moves_verdicts(part) {
                let detail = format!(
                    "parts: verdicts rest on {}; it can be withheld, and is kept",
                    register::words::part(part)
                );
                return Err(Refusal::because("NOT_ERASABLE", detail));
            }
        }
        let id: Option<RequestId> = request_id.parse().ok();
        let Some(entry) = id.and_then(|id| self.state.register.request(&id)) else {
            let detail = format!("request_id: the register holds no request {request_id:?}");
            return Err(Refusal::because("NO_SUCH_REQUEST", detail));
        };
        let mut found = Found { chunks: Vec::new(), statements: BTreeSet::new(), parts: 0 };
        for version in entry.all_versions() {
            for part in &version.request.closed {
                let documents = match part.part {
                    RequestPart::Documents => version.request.particulars.documents.as_slice(),
                    _ => &[],
                };
                // A signature names who gave it.
                let sets = documents.iter().filter_map(|document| document.signature.as_ref());
                let ids = part.opening.iter().chain(sets).flat_map(|set| &set.chunks);
                if part.is_erased || !wanted.contains(&(part.part as i32)) {
                    continue;
                }
                found.parts += 1;
                found.statements.insert(version.statement);
                found.take(&self.chunks, ids);
            }
        }
        let words = wanted.contains(&(RequestPart::Remarks as i32));
        for stated in entry.stated().into_iter().filter(|_| words) {
            let committed = stated.committed.as_ref().filter(|committed| !committed.is_erased);
            let Some(committed) = committed else { continue };
            found.parts += 1;
            found.statements.insert(stated.stated_by());
            found.take(&self.chunks, &committed.chunks);
        }
        if found.parts == 0 {
            let detail = "parts: the request has no such closed part that is not erased already; what was \
                          entered in the clear is in a signed statement and stays";
            return Err(Refusal::because("NOT_ERASABLE", detail));
        }
        if found.chunks.len() > CHUNKS_MAX {
            let detail = "parts: more than fit one entry; erase fewer of them at a time";
            return Err(Refusal::because("NOT_ERASABLE", detail));
        }
        Ok(found)
    }
}

/// 34 bytes each, with room for the rest of an entry.
const CHUNKS_MAX: usize = 800;
