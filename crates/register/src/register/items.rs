//! What came with a statement: read once, and taken in by every register that follows the same log.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::Arc,
};

use evidence::{RequestId, closed};
use prost::Message;
use remit_proto::v1::{self, register_item::Item};
use sha2::{Digest, Sha256};

use super::InvalidStatement;
use crate::{
    adoption::Attribution,
    request::{Measure, Request, Scope},
};

/// Read, and not yet held against a register. A clone shares it.
#[derive(Debug, Clone, Default)]
pub struct Items(Arc<Content>);

#[derive(Debug, Default)]
struct Content {
    /// Items of the set.
    count: u64,
    /// With all their targets.
    requests: Vec<Entered>,
    attributions: Vec<Attribution>,
    changes: Vec<v1::ListChanges>,
    /// The words of a transition.
    said: Option<v1::StatedTexts>,
    /// Where the first of the changes of lists stands, the first words, and the first that is neither.
    first_change: Option<usize>,
    first_said: Option<usize>,
    first_other: Option<usize>,
}

/// A version, and the digest by which the next one names it.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) request: Arc<Request>,
    pub(super) digest: [u8; 32],
}

impl Items {
    /// All at once. What closed parts open to stands among them, as [`v1::OpenedPart`], and is not counted.
    pub fn read(items: Vec<v1::RegisterItem>) -> Result<Self, InvalidStatement> {
        let mut opened: HashMap<String, Vec<v1::OpenedPart>> = HashMap::new();
        let mut own = Vec::new();
        for item in items {
            match item.item {
                Some(Item::Opened(part)) => {
                    opened.entry(part.request_id.clone()).or_default().push(part);
                }
                _ => own.push(item),
            }
        }
        let mut reader = ItemReader::default();
        for item in own {
            let parts = match &item.item {
                Some(Item::Request(request)) => opened.remove(&request.id).unwrap_or_default(),
                _ => Vec::new(),
            };
            reader.push(item, parts)?;
        }
        reader.finish()
    }

    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.0.requests.iter().map(|entered| &*entered.request)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.count == 0
    }

    /// Those of an import.
    pub(super) fn entered(
        &self,
        announced: u64,
    ) -> Result<(&[Entered], &[Attribution]), InvalidStatement> {
        self.check_count(announced)?;
        match self.0.first_change.or(self.0.first_said) {
            Some(item) => Err(InvalidStatement::StrayItem { item }),
            None => Ok((&self.0.requests, &self.0.attributions)),
        }
    }

    /// Those of a list's version.
    pub(super) fn changes(&self, announced: u64) -> Result<&[v1::ListChanges], InvalidStatement> {
        self.check_count(announced)?;
        match self.0.first_other.or(self.0.first_said) {
            Some(item) => Err(InvalidStatement::StrayItem { item }),
            None => Ok(&self.0.changes),
        }
    }

    /// Those of a transition: its words, if it has some.
    pub(super) fn said(
        &self,
        announced: u64,
    ) -> Result<Option<&v1::StatedTexts>, InvalidStatement> {
        if announced == 0 && self.0.count > 0 {
            return Err(InvalidStatement::UnexpectedItems);
        }
        self.check_count(announced)?;
        match self.0.first_other.or(self.0.first_change) {
            Some(item) => Err(InvalidStatement::StrayItem { item }),
            None => Ok(self.0.said.as_ref()),
        }
    }

    fn check_count(&self, announced: u64) -> Result<(), InvalidStatement> {
        let found = self.0.count;
        (announced == found).then_some(()).ok_or(InvalidStatement::ItemCount { announced, found })
    }
}

/// Reads items one after the other: of a long import, the wire form of one request at a time is held.
#[derive(Debug, Default)]
pub struct ItemReader {
    read: Content,
    seen: HashSet<RequestId>,
    same: Same,
    /// The request whose targets come next, with its opened parts.
    open: Option<(v1::Request, Vec<v1::OpenedPart>)>,
}

impl ItemReader {
    /// The next item; `opened`: what its closed parts say, as far as that is held.
    pub fn push(
        &mut self,
        item: v1::RegisterItem,
        opened: Vec<v1::OpenedPart>,
    ) -> Result<(), InvalidStatement> {
        let at = usize::try_from(self.read.count).unwrap_or(usize::MAX);
        self.read.count = self.read.count.saturating_add(1);
        let item = item.item.ok_or(InvalidStatement::EmptyItem { item: at })?;
        let Content { first_change, first_said, first_other, .. } = &mut self.read;
        let first = match item {
            Item::ListChanges(_) => first_change,
            Item::Said(_) => first_said,
            Item::Request(_) | Item::Targets(_) | Item::Attribution(_) | Item::Opened(_) => {
                first_other
            }
        };
        first.get_or_insert(at);
        match item {
            Item::Request(request) => {
                self.close()?;
                self.open = Some((request, opened));
            }
            Item::Targets(v1::TargetBlock { request_id, targets }) => {
                let open = self.open.as_mut().filter(|(request, _)| request.id == request_id);
                let (request, _) =
                    open.ok_or(InvalidStatement::StrayTargets { item: at, id: request_id })?;
                request.task.get_or_insert_default().targets.extend(targets);
            }
            Item::Attribution(wire) => {
                self.close()?;
                self.read.attributions.push(Attribution::read(&wire)?);
            }
            Item::ListChanges(changes) => {
                self.close()?;
                self.read.changes.push(changes);
            }
            Item::Said(texts) => {
                self.close()?;
                evidence::statement::check_texts(&texts)?;
                self.read.said = Some(texts);
            }
            Item::Opened(_) => return Err(InvalidStatement::StrayItem { item: at }),
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<Items, InvalidStatement> {
        self.close()?;
        Ok(Items(Arc::new(self.read)))
    }

    /// Nothing more comes of the request that is open.
    fn close(&mut self) -> Result<(), InvalidStatement> {
        let Some((wire, parts)) = self.open.take() else { return Ok(()) };
        let (mut request, digest) = read_request(wire, &parts)?;
        let id = &request.id;
        if !self.seen.insert(id.clone()) {
            return Err(InvalidStatement::Duplicate { id: id.clone() });
        }
        self.same.share(&mut request);
        self.read.requests.push(Entered { request: Arc::new(request), digest });
        Ok(())
    }
}

/// What many requests of an import have in common: it is kept once, and a verdict that asks for it finds it in
/// the cache.
#[derive(Debug, Default)]
struct Same {
    authorities: HashSet<Arc<v1::Authority>>,
    measures: HashSet<Arc<Measure>>,
    scopes: HashSet<Arc<Scope>>,
}

impl Same {
    fn share(&mut self, request: &mut Request) {
        let Self { authorities, measures, scopes } = self;
        request.authority.iter_mut().for_each(|authority| share(authority, authorities));
        share(&mut request.measure, measures);
        share(&mut request.scope, scopes);
    }
}

fn share<T: Eq + Hash>(value: &mut Arc<T>, seen: &mut HashSet<Arc<T>>) {
    match seen.get(value) {
        Some(same) => *value = Arc::clone(same),
        None => {
            seen.insert(Arc::clone(value));
        }
    }
}

/// What [`v1::Request::prev_hash`] of the next version is.
pub fn version_digest(request: &v1::Request) -> [u8; 32] {
    Sha256::digest(request.encode_to_vec()).into()
}

/// With the digest by which the next version names it.
fn read_request(
    mut wire: v1::Request,
    parts: &[v1::OpenedPart],
) -> Result<(Request, [u8; 32]), InvalidStatement> {
    let id = wire.id.clone();
    // Of the bytes as they were entered: whoever sees less of it counts the same.
    let digest = version_digest(&wire);
    closed::check(&wire)?;
    for fields in parts.iter().filter_map(|part| part.fields.as_ref()) {
        closed::put_back(&mut wire, fields)?;
    }
    let mut request =
        Request::try_from(wire).map_err(|why| InvalidStatement::Request { id, why })?;
    for closed in &mut request.closed {
        closed.is_open = parts.iter().any(|part| part.part() == closed.part);
    }
    let sees_targets = request.withholds(v1::RequestPart::Targets).is_none();
    if sees_targets && request.targets.is_empty() && request.covers_lists.is_empty() {
        return Err(InvalidStatement::NoTarget { id: request.id });
    }
    Ok((request, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: &str, territory: &str) -> v1::Request {
        let target = v1::Target {
            kind: v1::TargetKind::DomainExact.into(),
            value: format!("{id}.example.org"),
        };
        let target = v1::RequestTarget { target: Some(target), ..v1::RequestTarget::default() };
        let scope = v1::Scope { territories: vec![territory.to_owned()], ..v1::Scope::default() };
        let measure = v1::Measure { outcome_only: true, ..v1::Measure::default() };
        let authority = v1::Authority { id: "court".to_owned(), ..v1::Authority::default() };
        v1::Request {
            id: id.to_owned(),
            version: 1,
            authorisation: Some(v1::Authorisation {
                instrument: v1::Instrument::CourtOrderFinal.into(),
                basis_class: v1::BasisClass::Law.into(),
                authority: Some(authority),
                ..v1::Authorisation::default()
            }),
            notification: Some(v1::Notification {
                form: v1::RequestForm::Letter.into(),
                ..v1::Notification::default()
            }),
            task: Some(v1::Task {
                targets: vec![target],
                measure: Some(measure),
                scope: Some(scope),
                effective_from_s: 1_000_000,
                ..v1::Task::default()
            }),
            status: v1::RequestStatus::Accepted.into(),
            basis_proof: v1::BasisProof::DocumentHeld.into(),
            ..v1::Request::default()
        }
    }

    #[test]
    fn what_requests_have_in_common_is_kept_once_and_written_as_it_came() {
        let came = [request("a", "DE"), request("b", "DE"), request("c", "AT")];
        let wire =
            |request: &v1::Request| v1::RegisterItem { item: Some(Item::Request(request.clone())) };
        let items = Items::read(came.iter().map(wire).collect()).unwrap();
        let [a, b, c] = items.requests().collect::<Vec<_>>()[..] else { panic!("three requests") };
        assert!(Arc::ptr_eq(&a.scope, &b.scope) && !Arc::ptr_eq(&a.scope, &c.scope));
        assert!(Arc::ptr_eq(&a.measure, &c.measure));
        let authority = |request: &Request| request.authority.clone().unwrap();
        assert!(Arc::ptr_eq(&authority(a), &authority(c)));
        for (request, came) in items.0.requests.iter().zip(&came) {
            assert_eq!(v1::Request::from(&*request.request), *came);
            assert_eq!(request.digest, version_digest(came));
        }
    }
}
