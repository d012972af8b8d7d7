//! What is stated of a request that the register holds: the steps of its way.

use std::collections::HashSet;

use evidence::RequestId;
use remit_proto::v1::{self, DecisionKind, TransitionKind};

use super::{InvalidStatement, Register};
use crate::{
    adoption::Said,
    entry::{History, Second},
    request::Decision,
    state::{Committed, Proposed, Transition},
    target::Target,
};

impl Register {
    /// What was stated of a request. What waits for a second person is checked as if it counted, and has no
    /// effect. `texts`: its words, where they are committed and held.
    pub(super) fn transition(
        &mut self,
        wire: &v1::Transition,
        texts: Option<&v1::StatedTexts>,
        said: &Said,
        effective_at_s: i64,
        second: Option<Second>,
    ) -> Result<(), InvalidStatement> {
        let v1::Transition {
            request_id,
            kind,
            by_request_id,
            decision,
            reason,
            back_covers,
            awaits_approval: _,
            said: set,
        } = wire;
        let unknown = |id: &str| InvalidStatement::UnknownRequest { id: id.to_owned() };
        let id: RequestId = request_id.parse().map_err(|_| unknown(request_id))?;
        let kind = TransitionKind::try_from(*kind)
            .map_err(|_| InvalidStatement::Field { field: "transition.kind" })?;
        let by = match (kind, by_request_id.as_str()) {
            (TransitionKind::Supersede, "") => {
                return Err(InvalidStatement::Field { field: "transition.by_request_id" });
            }
            (TransitionKind::Supersede, by) => {
                let by: RequestId = by.parse().map_err(|_| unknown(by))?;
                if by == id {
                    return Err(InvalidStatement::SupersededByItself { id });
                }
                if self.history(&by).is_none() {
                    return Err(unknown(by.as_str()));
                }
                Some(by)
            }
            (_, "") => None,
            (_, _) => return Err(InvalidStatement::Field { field: "transition.by_request_id" }),
        };
        let mut decision = decision
            .clone()
            .map(Decision::try_from)
            .transpose()
            .map_err(|why| InvalidStatement::Request { id: id.to_string(), why })?;
        let mut reason = reason.clone();
        if let Some(v1::StatedTexts { reason: why, text, escalation }) = texts {
            reason.clone_from(why);
            match &mut decision {
                Some(decision) => {
                    decision.text.clone_from(text);
                    decision.escalation.clone_from(escalation);
                }
                None if text.is_empty() && escalation.is_empty() => {}
                None => return Err(InvalidStatement::Field { field: "transition.decision" }),
            }
        }
        let committed = set.as_ref().map(|set| Committed {
            chunks: set.chunks.clone(),
            is_open: texts.is_some(),
            is_erased: false,
        });
        let position = self.by_id.get(&self.histories, &id).ok_or_else(|| unknown(request_id))?;
        let Said { by: _, statement, recorded_at_s } = *said;
        let waits = second.as_ref().is_some_and(|second| second.approved.is_none());
        let proposed = second.map(|second| Box::new(Proposed { statement, recorded_at_s, second }));
        let stated = Transition {
            kind,
            effective_at_s,
            recorded_at_s,
            statement,
            by,
            decision,
            reason,
            back_covers: *back_covers,
            proposed,
            committed,
        };
        if stated.committed.is_some() {
            self.closed.insert(position);
        }
        let way = self.way_with(position, stated.clone())?;
        self.naming.stated(position, &stated);
        let Some(history) = self.histories.get_mut(position) else { return Ok(()) };
        if waits {
            history.proposed.push(stated);
            self.waiting_steps.insert(statement, position);
        } else {
            history.transitions = way;
        }
        Ok(())
    }

    /// The transitions of a request with one more, if they are a way through the lifecycle and it fits what the
    /// register holds.
    pub(super) fn way_with(
        &self,
        position: usize,
        stated: Transition,
    ) -> Result<Vec<Transition>, InvalidStatement> {
        let Some(history) = self.histories.get(position) else { return Ok(Vec::new()) };
        let id = history.id.clone();
        if let Some(by) = &stated.by
            && self.is_superseded_by(by, &id)
        {
            return Err(InvalidStatement::SupersededInCircle { id, by: by.clone() });
        }
        if let Some(decision) = &stated.decision {
            check_decision(stated.kind, decision, history)?;
        }
        let known = history.transitions.iter().cloned();
        let way = history.way_with(stated, known, &self.proceedings);
        way.map_err(|why| InvalidStatement::Transition { id, why })
    }

    /// Whether another request took the place of this one, at once or by way of others. Withheld and unknown
    /// requests lead nowhere, so whoever sees less refuses no more.
    fn is_superseded_by(&self, id: &RequestId, other: &RequestId) -> bool {
        let mut followed: HashSet<&RequestId> = HashSet::new();
        let mut open = vec![id];
        while let Some(at) = open.pop() {
            let transitions = self.history(at).map(|history| &history.transitions);
            for by in transitions.into_iter().flatten().filter_map(|stated| stated.by.as_ref()) {
                if by == other {
                    return true;
                }
                if followed.insert(by) {
                    open.push(by);
                }
            }
        }
        false
    }
}

/// A decision says the same as the transition that carries it, about targets that the request has.
fn check_decision(
    kind: TransitionKind,
    decision: &Decision,
    history: &History,
) -> Result<(), InvalidStatement> {
    let fits = match decision.kind {
        DecisionKind::Accept | DecisionKind::AcceptNarrowed | DecisionKind::Partial => {
            kind == TransitionKind::Accept
        }
        DecisionKind::Clarify => kind == TransitionKind::Clarify,
        DecisionKind::Challenge => kind == TransitionKind::Challenge,
        DecisionKind::Refuse => kind == TransitionKind::Refuse,
        DecisionKind::Unspecified => false,
    };
    let named = |target: &Target| {
        let mut versions = history.versions.iter();
        versions.any(|v| v.request.targets.iter().any(|held| held.target == *target))
    };
    if !fits {
        return Err(InvalidStatement::Field { field: "transition.decision.kind" });
    }
    if let Some(target) = decision.not_accepted.iter().find(|target| !named(target)) {
        let (id, target) = (history.id.clone(), target.to_string());
        return Err(InvalidStatement::NotATargetOf { id, target });
    }
    Ok(())
}
