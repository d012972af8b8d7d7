//! What a second person lets count: how an import, a transition or the end of a proceeding says so, and the approval.

use remit_proto::v1;
use sha2::{Digest, Sha256};

use super::{InvalidStatement, Items, Register};
use crate::{
    adoption::Said,
    entry::Second,
    list::{Approved, InvalidList},
    state::Transition,
};

impl Register {
    /// A second person approves what a statement entered, as far as nobody has entered a newer version
    /// since.
    pub(super) fn approve(
        &mut self,
        wire: &v1::Approval,
        said: &Said,
    ) -> Result<(), InvalidStatement> {
        let statement = &wire.statement;
        let Self { histories, waiting, .. } = self;
        let positions = waiting.get(statement).cloned().unwrap_or_default();
        let is_newest = |position: &usize| {
            let newest = histories.get(*position).and_then(|history| history.versions.last());
            newest.is_some_and(|version| version.statement == *statement)
        };
        let positions: Vec<usize> = positions.into_iter().filter(is_newest).collect();
        let first = positions.first().and_then(|at| histories.get(*at)?.versions.last());
        let Some(second) = first.and_then(|version| version.second.as_ref()) else {
            return Err(InvalidStatement::Overtaken { statement: *statement });
        };
        let approved = approved(second, wire, said)?;
        for position in positions {
            let versions = histories.get_mut(position).map(|history| &mut history.versions);
            let newest = versions.and_then(|versions| versions.last_mut());
            if let Some(second) = newest.and_then(|version| version.second.as_mut()) {
                second.approved = Some(approved.clone());
            }
        }
        waiting.remove(statement);
        Ok(())
    }

    /// The register as it would be with a statement. If that would wait for a second person, as if one had approved
    /// it, and the flag says so.
    pub fn with(
        &self,
        statement: &v1::Statement,
        items: Option<&Items>,
    ) -> Result<(Self, bool), InvalidStatement> {
        let (mut with, entered) = (self.clone(), self.size);
        with.take_in(statement, items)?;
        let waits = with.waiting.contains_key(&entered)
            || with.waiting_steps.contains_key(&entered)
            || with.waiting_ends.contains_key(&entered)
            || with.lists.waits(entered);
        if waits {
            let approval = v1::Approval {
                statement: entered,
                digest: digest(statement).to_vec(),
                means: v1::ApprovalMeans::AttestedByCollector.into(),
            };
            let body = Some(v1::statement::Body::Approval(approval));
            // By nobody: whoever has entered it cannot approve it.
            let approved =
                v1::Statement { author: None, approver: None, body, ..statement.clone() };
            with.take_in(&approved, None)?;
        }
        Ok((with, waits))
    }

    /// When a statement would take effect; of an approval, when that which it approves would.
    pub fn effective_at_s(&self, statement: &v1::Statement) -> i64 {
        let own = statement.effective_at_s;
        let Some(v1::statement::Body::Approval(approval)) = &statement.body else { return own };
        let named = approval.statement;
        let history = self.waiting_steps.get(&named).and_then(|at| self.histories.get(*at));
        let mut proposed = history.into_iter().flat_map(|history| &history.proposed);
        let step = proposed.find(|stated| stated.stated_by() == named);
        let version = self.lists.held_from_s(named);
        let end = self.waiting_ends.get(&named).and_then(|id| self.proceedings.proposed(id, named));
        let step = step.map(|stated| stated.effective_at_s).or(end.map(|(_, at_s)| at_s));
        step.into_iter().chain(version).fold(own, i64::max)
    }

    /// A second person approves a transition. It counts from then on, by its own time of effect, and must still
    /// follow where the request stands.
    pub(super) fn approve_step(
        &mut self,
        wire: &v1::Approval,
        said: &Said,
    ) -> Result<(), InvalidStatement> {
        let statement = wire.statement;
        let overtaken = || InvalidStatement::Overtaken { statement };
        let position = *self.waiting_steps.get(&statement).ok_or_else(overtaken)?;
        let history = self.histories.get(position).ok_or_else(overtaken)?;
        let is_it = |stated: &Transition| {
            stated.proposed.as_ref().is_some_and(|proposed| proposed.statement == statement)
        };
        let at = history.proposed.iter().position(is_it).ok_or_else(overtaken)?;
        let mut stated = history.proposed.get(at).cloned().ok_or_else(overtaken)?;
        if let Some(proposed) = &mut stated.proposed {
            proposed.second.approved = Some(approved(&proposed.second, wire, said)?);
        }
        (stated.statement, stated.recorded_at_s) = (said.statement, said.recorded_at_s);
        let way = self.way_with(position, stated.clone())?;
        if let Some(history) = self.histories.get_mut(position) {
            history.transitions = way;
            if let Some(proposed) = history.proposed.get_mut(at) {
                *proposed = stated;
            }
        }
        self.waiting_steps.remove(&statement);
        Ok(())
    }
}

impl Register {
    /// A second person approves the end of a proceeding: it counts from then on, by its own time.
    pub(super) fn approve_end(
        &mut self,
        wire: &v1::Approval,
        said: &Said,
    ) -> Result<(), InvalidStatement> {
        let statement = wire.statement;
        let overtaken = || InvalidStatement::Overtaken { statement };
        let id = self.waiting_ends.get(&statement).ok_or_else(overtaken)?;
        if self.proceedings.is_overtaken(id, statement, self.size) {
            return Err(overtaken());
        }
        let second = self.proceedings.proposed_mut(id, statement).ok_or_else(overtaken)?;
        second.approved = Some(approved(second, wire, said)?);
        self.waiting_ends.remove(&statement);
        Ok(())
    }
}

/// An approval of what was looked at, by somebody else than its author.
fn approved(
    second: &Second,
    wire: &v1::Approval,
    said: &Said,
) -> Result<Approved, InvalidStatement> {
    let v1::Approval { statement, digest, means } = wire;
    if second.digest.as_slice() != digest.as_slice() {
        return Err(InvalidList::OtherStatement { statement: *statement }.into());
    }
    if second.entered_by == said.by.person {
        return Err(InvalidList::OwnProposal { person: said.by.person.clone() }.into());
    }
    Ok(Approved {
        by: said.by.clone(),
        means: v1::ApprovalMeans::try_from(*means).unwrap_or_default(),
        statement: said.statement,
        recorded_at_s: said.recorded_at_s,
    })
}

/// Of an import, a transition or the end of a proceeding that awaits a second person, or that two people have signed at once.
pub(super) fn of(statement: &v1::Statement, awaits_approval: bool, said: &Said) -> Option<Second> {
    let approved = statement.approver.as_ref().map(|by| Approved {
        by: by.clone(),
        means: v1::ApprovalMeans::SignedByPerson,
        statement: said.statement,
        recorded_at_s: said.recorded_at_s,
    });
    (awaits_approval || approved.is_some()).then(|| Second {
        entered_by: said.by.person.clone(),
        // Canonical: these are the bytes that were signed.
        digest: digest(statement),
        approved,
    })
}

fn digest(statement: &v1::Statement) -> [u8; 32] {
    Sha256::digest(evidence::canonical::encode(statement)).into()
}
