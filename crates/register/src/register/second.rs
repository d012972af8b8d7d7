//! Requests that a second person lets in: how an import says so, and the approval.

use remit_proto::v1;
use sha2::{Digest, Sha256};

use super::{InvalidStatement, Register};
use crate::{
    adoption::Said,
    entry::Second,
    list::{Approved, InvalidList},
};

impl Register {
    /// A second person approves what a statement entered, as far as nobody has entered a newer version
    /// since.
    pub(super) fn approve(
        &mut self,
        wire: &v1::Approval,
        said: &Said,
    ) -> Result<(), InvalidStatement> {
        let v1::Approval { statement, digest, means } = wire;
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
        if second.digest.as_slice() != digest.as_slice() {
            return Err(InvalidList::OtherStatement { statement: *statement }.into());
        }
        if second.entered_by == said.by.person {
            return Err(InvalidList::OwnProposal { person: said.by.person.clone() }.into());
        }
        let approved = Approved {
            by: said.by.clone(),
            means: v1::ApprovalMeans::try_from(*means).unwrap_or_default(),
            statement: said.statement,
            recorded_at_s: said.recorded_at_s,
        };
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
}

/// Of an import that awaits a second person, or that two people have signed at once.
pub(super) fn of(statement: &v1::Statement, import: &v1::Import, said: &Said) -> Option<Second> {
    let approved = statement.approver.as_ref().map(|by| Approved {
        by: by.clone(),
        means: v1::ApprovalMeans::SignedByPerson,
        statement: said.statement,
        recorded_at_s: said.recorded_at_s,
    });
    (import.awaits_approval || approved.is_some()).then(|| Second {
        entered_by: said.by.person.clone(),
        // Canonical: these are the bytes that were signed.
        digest: Sha256::digest(evidence::canonical::encode(statement)).into(),
        approved,
    })
}
