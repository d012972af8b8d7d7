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
