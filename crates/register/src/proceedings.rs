//! Proceedings that have ended, and the requests that lapse with them (DOMAIN.md 3f, "Interim order,
//! case ended").

use std::{collections::HashMap, ops::Range};

use remit_proto::v1;

use crate::{entry::Second, request::Request};

/// The end of a proceeding on which a request depends, as it was stated.
#[derive(Debug, Clone)]
pub struct ProceedingEnd {
    pub proceeding: String,
    /// In words; may be empty.
    pub outcome: String,
    pub effective_at_s: i64,
    pub recorded_at_s: i64,
    pub statement: u64,
    /// `None`: it needs no second person.
    pub second: Option<Second>,
    /// A later statement that counts says something else of this proceeding, and speaks.
    pub is_corrected: bool,
}

#[derive(Debug, Clone)]
struct Closure {
    /// Index of the statement that said so.
    statement: u64,
    recorded_at_s: i64,
    effective_at_s: i64,
    outcome: String,
    /// `None`: it needs no second person.
    second: Option<Second>,
}

impl Closure {
    /// The statement since which it counts; `None`: it waits.
    fn known_by(&self) -> Option<u64> {
        match &self.second {
            None => Some(self.statement),
            Some(second) => second.approved.as_ref().map(|by| by.statement),
        }
    }

    fn counts(&self, size: u64) -> bool {
        self.known_by().is_some_and(|statement| statement < size)
    }
}

/// By the proceeding's id, in the order of the register.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proceedings(HashMap<String, Vec<Closure>>);

impl Proceedings {
    /// The instant at which it ended, by a statement that was recorded at another one.
    pub(crate) fn close(
        &mut self,
        ended: &v1::Proceeding,
        effective_at_s: i64,
        (statement, recorded_at_s): (u64, i64),
        second: Option<Second>,
    ) {
        let v1::Proceeding { id, outcome, awaits_approval: _ } = ended;
        let outcome = outcome.clone();
        let closure = Closure { statement, recorded_at_s, effective_at_s, outcome, second };
        self.0.entry(id.clone()).or_default().push(closure);
    }

    /// What a second person is to look at, and when it would take effect.
    pub(crate) fn proposed(&self, id: &str, statement: u64) -> Option<(&Second, i64)> {
        let closure = self.0.get(id)?.iter().find(|closure| closure.statement == statement)?;
        Some((closure.second.as_ref()?, closure.effective_at_s))
    }

    pub(crate) fn proposed_mut(&mut self, id: &str, statement: u64) -> Option<&mut Second> {
        let mut closures = self.0.get_mut(id)?.iter_mut();
        closures.find(|closure| closure.statement == statement)?.second.as_mut()
    }

    /// A later statement that counts has said when it ended: this one corrects nothing any more.
    pub(crate) fn is_overtaken(&self, id: &str, statement: u64, size: u64) -> bool {
        let mut closures = self.0.get(id).into_iter().flatten();
        closures.any(|closure| closure.statement > statement && closure.counts(size))
    }

    /// Ends of proceedings on which the request depends that wait for a second person. In the order of their
    /// statements.
    pub(crate) fn waiting(&self, request: &Request, size: u64) -> Vec<ProceedingEnd> {
        let mut waiting = self.ends(request, |id, closure| {
            let is_known = closure.statement < size && !closure.counts(size);
            is_known && !self.is_overtaken(id, closure.statement, size)
        });
        waiting.sort_by_key(|end| end.statement);
        waiting
    }

    /// Ends of proceedings on which the request depends that count, in order of effect: those too that a later
    /// statement corrected.
    pub(crate) fn ended(&self, request: &Request, size: u64) -> Vec<ProceedingEnd> {
        let mut ended = self.ends(request, |_, closure| closure.counts(size));
        for end in &mut ended {
            let stated = self.0.get(&end.proceeding).into_iter().flatten();
            let known = stated.filter(|one| one.counts(size)).max_by_key(|one| one.known_by());
            end.is_corrected = known.is_some_and(|newest| newest.statement != end.statement);
        }
        ended.sort_by_key(|end| (end.effective_at_s, end.statement));
        ended
    }

    fn ends(
        &self,
        request: &Request,
        wanted: impl Fn(&str, &Closure) -> bool,
    ) -> Vec<ProceedingEnd> {
        let mut ids: Vec<&str> = request.proceedings().collect();
        ids.sort_unstable();
        ids.dedup();
        let stated = ids.into_iter().flat_map(|id| {
            let closures = self.0.get(id).into_iter().flatten();
            closures.map(move |closure| (id, closure))
        });
        let wanted = stated.filter(|(id, closure)| wanted(id, closure));
        let end = |(id, closure): (&str, &Closure)| {
            let Closure { statement, recorded_at_s, effective_at_s, outcome, second } =
                closure.clone();
            ProceedingEnd {
                proceeding: id.to_owned(),
                outcome,
                effective_at_s,
                recorded_at_s,
                statement,
                second,
                is_corrected: false,
            }
        };
        wanted.map(end).collect()
    }

    /// Proceedings of which these statements say when they ended, each with the earliest time that was ever said
    /// of it: what a later statement corrects, it may correct either way.
    pub(crate) fn ended_by(&self, statements: Range<u64>) -> HashMap<&str, i64> {
        let told = |closures: &&Vec<Closure>| {
            let mut known = closures.iter().filter_map(Closure::known_by);
            known.any(|statement| statements.contains(&statement))
        };
        let earliest =
            |closures: &Vec<Closure>| closures.iter().map(|closure| closure.effective_at_s).min();
        let ended = self.0.iter().filter(|(_, closures)| told(closures));
        ended.filter_map(|(id, closures)| Some((id.as_str(), earliest(closures)?))).collect()
    }

    /// When the first of the proceedings ended that the request depends on, as a register of this size
    /// knows. Of several statements about one, the newest speaks; of what needs a second person, by its approval.
    pub(crate) fn closed_at_s(&self, request: &Request, size: u64) -> Option<i64> {
        if self.0.is_empty() {
            return None;
        }
        let closed = request.proceedings().filter_map(|id| {
            let known = self.0.get(id)?.iter().filter(|closure| closure.counts(size));
            known.max_by_key(|closure| closure.known_by()).map(|closure| closure.effective_at_s)
        });
        closed.min()
    }
}
