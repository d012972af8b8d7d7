//! Proceedings that have ended, and the requests that lapse with them (DOMAIN.md 3f, "Interim order,
//! case ended").

use std::{collections::HashMap, ops::Range};

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

    /// Proceedings of which these statements say when they ended, each with the earliest time that was ever said
    /// of it: what a later statement corrects, it may correct either way.
    pub(crate) fn ended_by(&self, statements: Range<u64>) -> HashMap<&str, i64> {
        let told = |closures: &&Vec<Closure>| {
            closures.iter().any(|closure| statements.contains(&closure.statement))
        };
        let earliest =
            |closures: &Vec<Closure>| closures.iter().map(|closure| closure.effective_at_s).min();
        let ended = self.0.iter().filter(|(_, closures)| told(closures));
        ended.filter_map(|(id, closures)| Some((id.as_str(), earliest(closures)?))).collect()
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
