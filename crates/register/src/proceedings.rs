//! Proceedings that have ended, and the requests that lapse with them (DOMAIN.md 3f, "Interim order,
//! case ended").

use std::collections::HashMap;

use crate::request::Request;

#[derive(Debug, Clone, Copy)]
struct Closure {
    /// Index of the statement that said so.
    statement: u64,
    effective_at_s: i64,
}

/// By the proceeding's id, in the order of the register.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proceedings(HashMap<String, Vec<Closure>>);

impl Proceedings {
    pub(crate) fn close(&mut self, id: &str, statement: u64, effective_at_s: i64) {
        self.0.entry(id.to_owned()).or_default().push(Closure { statement, effective_at_s });
    }

    /// When the first of the proceedings ended that the request depends on, as a register of this size
    /// knows. Of several statements about one, the newest speaks.
    pub(crate) fn closed_at_s(&self, request: &Request, size: u64) -> Option<i64> {
        if self.0.is_empty() {
            return None;
        }
        let closed = request.proceedings().filter_map(|id| {
            let known = self.0.get(id)?.iter().rfind(|closure| closure.statement < size)?;
            Some(known.effective_at_s)
        });
        closed.min()
    }
}
