//! What a second person must approve before it counts: the operator's policy.
//!
//! Which instruments and transitions need one is configuration; that a statement waits for one is in the
//! statement, so that every verifier sees it.

use evidence::RequestId;
use register::{Entry, Items};
use remit_proto::v1::{self, Instrument, TransitionKind, statement::Body};

/// What counts only once a second person has approved it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecondPersonFor {
    /// Requests of these instruments.
    pub instruments: Vec<Instrument>,
    pub transitions: Vec<TransitionKind>,
}

/// What matters here of a request that the register has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    instrument: Instrument,
    /// Its newest text waits.
    waits: bool,
}

impl Held {
    pub(crate) fn of(entry: &Entry<'_>) -> Self {
        let newest = entry.all_versions().next_back();
        let second = newest.and_then(|version| version.second.as_ref());
        Self {
            instrument: entry.request().instrument,
            waits: second.is_some_and(|second| second.approved.is_none()),
        }
    }
}

impl SecondPersonFor {
    /// What is missing of a statement that one person has signed and that does not say that it waits; the text
    /// names the field and the remedy.
    pub(crate) fn missing(
        &self,
        statement: &v1::Statement,
        items: Option<&Items>,
        held: impl Fn(&RequestId) -> Option<Held>,
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
        held: impl Fn(&RequestId) -> Option<Held>,
    ) -> Option<String> {
        items.requests().find_map(|request| {
            let held = held(&request.id);
            if held.is_some_and(|held| held.waits) {
                return Some(format!(
                    "import.awaits_approval: request {} waits for a second person, and so does its next version; \
                     enter it so that it waits, or have both sign",
                    request.id
                ));
            }
            // Nobody gets around it by calling the next version something else.
            let held = held.map(|held| held.instrument);
            let mut either = [Some(request.instrument), held].into_iter().flatten();
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
    fn the_next_version_of_what_waits_waits_too() {
        let set = v1::ItemSet { count: 1, ..v1::ItemSet::default() };
        let mut items = register::ItemReader::default();
        let request = v1::Request {
            id: "req-7".into(),
            version: 2,
            prev_hash: vec![1; 32],
            ..register_request()
        };
        let item = Some(v1::register_item::Item::Request(request));
        items.push(v1::RegisterItem { item }, Vec::new()).unwrap();
        let items = items.finish().unwrap();
        let import = |awaits_approval| {
            let items = Some(set.clone());
            Body::Import(v1::Import { items, awaits_approval, ..v1::Import::default() })
        };
        let missing = |awaits_approval, waits| {
            let body = Some(import(awaits_approval));
            let statement = v1::Statement { body, ..v1::Statement::default() };
            let held = Held { instrument: Instrument::TosMeasure, waits };
            SecondPersonFor::default().missing(&statement, Some(&items), |_| Some(held))
        };
        let refused = missing(false, true).unwrap();
        assert!(refused.contains("request req-7 waits for a second person"), "{refused}");
        assert_eq!(missing(true, true), None);
        assert_eq!(missing(false, false), None);
    }

    fn register_request() -> v1::Request {
        v1::Request {
            authorisation: Some(v1::Authorisation {
                instrument: Instrument::TosMeasure.into(),
                basis_class: v1::BasisClass::ContractTos.into(),
                ..v1::Authorisation::default()
            }),
            notification: Some(v1::Notification {
                form: v1::RequestForm::Letter.into(),
                received_at_s: 1_700_000_000,
                ..v1::Notification::default()
            }),
            task: Some(v1::Task {
                targets: vec![v1::RequestTarget {
                    target: Some("ip:192.0.2.7".parse::<register::Target>().unwrap().to_wire()),
                    ..v1::RequestTarget::default()
                }],
                measure: Some(v1::Measure { outcome_only: true, ..v1::Measure::default() }),
                effective_from_s: 1_700_000_000,
                ..v1::Task::default()
            }),
            status: v1::RequestStatus::Accepted.into(),
            basis_proof: v1::BasisProof::OperatorsWord.into(),
            ..v1::Request::default()
        }
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
