//! What a second person must approve before it counts: the operator's policy.
//!
//! Which instruments and transitions need one is configuration; that a statement waits for one is in the
//! statement, so that every verifier sees it.

use evidence::RequestId;
use register::Items;
use remit_proto::v1::{self, Instrument, TransitionKind, statement::Body};

/// What counts only once a second person has approved it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecondPersonFor {
    /// Requests of these instruments.
    pub instruments: Vec<Instrument>,
    pub transitions: Vec<TransitionKind>,
}

impl SecondPersonFor {
    /// What is missing of a statement that one person has signed and that does not say that it waits; the text
    /// names the field and the remedy. `held`: the instrument of a request that the register has.
    pub(crate) fn missing(
        &self,
        statement: &v1::Statement,
        items: Option<&Items>,
        held: impl Fn(&RequestId) -> Option<Instrument>,
    ) -> Option<String> {
        if statement.approver.is_some() {
            return None;
        }
        match statement.body.as_ref()? {
            Body::Import(import) if !import.awaits_approval => {
                self.missing_of_requests(items?, held)
            }
            Body::Transition(stated) if !stated.awaits_approval => self.missing_of_step(stated),
            Body::Proceeding(ended) if !ended.awaits_approval => self.missing_of_end(),
            _ => None,
        }
    }

    fn missing_of_requests(
        &self,
        items: &Items,
        held: impl Fn(&RequestId) -> Option<Instrument>,
    ) -> Option<String> {
        items.requests().find_map(|request| {
            // Nobody gets around it by calling the next version something else.
            let mut either = [Some(request.instrument), held(&request.id)].into_iter().flatten();
            let instrument = either.find(|instrument| self.instruments.contains(instrument))?;
            Some(format!(
                "import.awaits_approval: request {} is a {}, which a second person must approve here; enter it \
                 so that it waits, or have both sign",
                request.id,
                register::words::instrument(instrument)
            ))
        })
    }

    /// What depends on a proceeding is moot with it: nobody gets around it by ending that.
    fn missing_of_end(&self) -> Option<String> {
        self.transitions.contains(&TransitionKind::Moot).then(|| {
            "proceeding.awaits_approval: a second person must approve what makes requests \"moot\" here, and so the \
             end of a proceeding; enter it so that it waits, or have both sign"
                .to_owned()
        })
    }

    fn missing_of_step(&self, stated: &v1::Transition) -> Option<String> {
        self.transitions.contains(&stated.kind()).then(|| {
            format!(
                "transition.awaits_approval: a second person must approve {:?} here; enter it so that it waits, \
                 or have both sign",
                register::words::transition(stated.kind())
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(body: Body, approver: Option<&str>, policy: &SecondPersonFor) -> Option<String> {
        let person = |id: &str| v1::PersonRef { person: id.to_owned(), ..v1::PersonRef::default() };
        let approver = approver.map(person);
        let statement = v1::Statement { approver, body: Some(body), ..v1::Statement::default() };
        policy.missing(&statement, None, |_| None)
    }

    #[test]
    fn who_may_not_make_requests_moot_alone_may_not_end_their_proceeding_alone() {
        let ended = |awaits_approval| {
            let id = "12 O 345/26".to_owned();
            Body::Proceeding(v1::Proceeding { id, outcome: String::new(), awaits_approval })
        };
        let policy =
            |kind| SecondPersonFor { transitions: vec![kind], ..SecondPersonFor::default() };
        let moot = policy(TransitionKind::Moot);
        let refused = missing(ended(false), None, &moot).unwrap();
        assert!(refused.starts_with("proceeding.awaits_approval: "), "{refused}");
        assert_eq!(missing(ended(true), None, &moot), None);
        assert_eq!(missing(ended(false), Some("p-2"), &moot), None, "both have signed");
        assert_eq!(missing(ended(false), None, &policy(TransitionKind::Revoke)), None);
        assert_eq!(missing(ended(false), None, &SecondPersonFor::default()), None);
    }
}
