//! The register as a growing sequence of statements, and what it said at each size.
//!
//! Statements are applied in the order of the register log; the index of a statement is the size
//! before it. Nothing that was applied is changed later, so a view at an old size answers as it
//! answered then.

mod erasure;
mod files;
mod ids;
mod intake;
mod items;
mod ledger;
mod linked;
mod postings;
mod second;
mod steps;
mod view;

pub use self::{
    files::{FileRead, Held as HeldFile},
    intake::refused,
    items::{ItemReader, Items, version_digest},
    ledger::Ledger,
    view::{Touch, View},
};
use self::{
    ids::Ids,
    items::Entered,
    linked::Naming,
    postings::{Posting, Run, Stand, place},
};

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use evidence::{Claim, NodeId, RequestId, canonical::Malformed};
use remit_proto::v1::{self, statement::Body};
use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use crate::{
    adoption::{Adoption, Attribution, BASELINE_MAX_S, Said, What},
    entry::{Entry, Existence, History, Second, Version},
    index::{Extent, TargetIndex},
    list::{Covering, InvalidList, Lists, Proposal},
    proceedings::Proceedings,
    relations,
    request::{InvalidRequest, ListVersion, Request},
    state::NoSuchStep,
    target::name_of,
};

/// The format of statements that this version understands.
const FORMAT: u32 = 1;

/// How long a reference may come into the register later than its act.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LateRegister {
    pub statement: u64,
    /// Of acts from this time on.
    pub since_s: i64,
    pub grace_s: u32,
}

#[derive(Debug, Clone)]
pub struct Register {
    origin: String,
    size: u64,
    histories: Vec<History>,
    by_id: Ids,
    by_list: BTreeMap<ListVersion, BTreeSet<usize>>,
    naming: Naming,
    index: TargetIndex,
    /// Else the index is empty, and nobody asks it.
    is_indexed: bool,
    /// Where each target of `index` stands, by its number. A search among the first numbers of requests is a
    /// dozen waits for memory.
    stands: Vec<Stand>,
    /// Entries of lists, of which one stands behind the other.
    listed: Vec<Run>,
    /// What the index held after each statement that added to it.
    extents: Vec<(u64, Extent)>,
    /// Statements whose items are withheld or erased.
    withheld: Vec<u64>,
    /// Of those, the ones whose very existence is restricted or secret.
    secret: Vec<u64>,
    /// Requests that have a closed part in some version, or whose existence is not public, by position.
    closed: BTreeSet<usize>,
    /// Requests that a statement entered which waits for a second person, by its index.
    waiting: BTreeMap<u64, Vec<usize>>,
    /// The request of which a transition was stated that waits for a second person, by its statement.
    waiting_steps: BTreeMap<u64, usize>,
    /// The proceeding whose end was stated and waits for a second person, by its statement.
    waiting_ends: BTreeMap<u64, String>,
    /// Chunks that were removed, with an `Erasure` entry.
    erased: BTreeSet<Vec<u8>>,
    /// Requests of which something was removed, in that order; who looks again counts them.
    pub(crate) erasures: Vec<RequestId>,
    /// Statements of a newer format.
    not_understood: Vec<u64>,
    adoption: Adoption,
    /// How long a reference may come late, with the statement that said so.
    pub(crate) late_register: Vec<LateRegister>,
    lists: Lists,
    pub(crate) proceedings: Proceedings,
    files: Vec<FileRead>,
    /// Statements about lists with versions, each with the position of its list.
    pub(crate) said_of_lists: Vec<(u64, usize)>,
    /// The first statement that keeps something open, or may by a list.
    first_exception: Option<u64>,
}

/// The statement that entered requests.
struct EnteredBy<'s> {
    said: &'s Said,
    effective_at_s: i64,
    second: Option<&'s Second>,
    reason: Arc<str>,
    existence: Option<Existence>,
}

/// The statement is refused as a whole; the register is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStatement {
    #[error("statement is for {found:?}, this register is {wanted:?}")]
    Origin { found: String, wanted: String },
    #[error("statement has no body")]
    NoBody,
    #[error("a decision belongs to the case log, not to the register")]
    NotOfTheRegister,
    #[error("statement announces {announced} items and {found} came with it")]
    ItemCount { announced: u64, found: u64 },
    #[error("items came with a statement that has none")]
    UnexpectedItems,
    #[error("item {item} is empty")]
    EmptyItem { item: usize },
    #[error("request {id:?}: {why}")]
    Request { id: String, why: InvalidRequest },
    #[error(
        "item {item} adds targets to {id:?}, which is not the request before it; put the targets of a \
         request behind it"
    )]
    StrayTargets { item: usize, id: String },
    #[error("request {id} stands twice in the import")]
    Duplicate { id: RequestId },
    #[error("request {id} has no target and covers no list")]
    NoTarget { id: RequestId },
    #[error("request {id} comes as version {found}; the next one is {wanted}")]
    Version { id: RequestId, found: u32, wanted: u32 },
    #[error(
        "request {id}: prev_hash is not the digest of version {replaced}, which it would replace; \
         make the version anew from the one that the register holds"
    )]
    Replaces { id: RequestId, replaced: u32 },
    #[error("request {id} has ended ({stands}); enter what is asked anew under an id of its own")]
    Over { id: RequestId, stands: &'static str },
    #[error("relations: {id} would come back to itself through {through}; leave one of them out")]
    Cycle { id: RequestId, through: String },
    #[error("the register holds no request {id:?}")]
    UnknownRequest { id: String },
    #[error("request {id}: {why}")]
    Transition { id: RequestId, why: NoSuchStep },
    #[error(
        "transition.by_request_id: request {id} cannot be superseded by {by}, which was itself superseded, in \
         the end by {id}; name the request that stands now, and if none does, enter what is asked anew under an id \
         of its own"
    )]
    SupersededInCircle { id: RequestId, by: RequestId },
    #[error(
        "transition.by_request_id: request {id} cannot take its own place; name the request that stands for it from \
         then on"
    )]
    SupersededByItself { id: RequestId },
    #[error(
        "transition.decision.not_accepted: request {id} names no {target}; name targets as `requests show` writes \
         them"
    )]
    NotATargetOf { id: RequestId, target: String },
    #[error("{field} is missing or not valid")]
    Field { field: &'static str },
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(
        "attribution.claims: the register holds nothing of {claim}; enter the request or list first"
    )]
    UnknownClaim { claim: Claim },
    #[error(
        "baseline.until_s: more than {} days after the first baseline of node {node}",
        BASELINE_MAX_S / 86_400
    )]
    BaselineTooLong { node: NodeId },
    #[error(transparent)]
    List(#[from] InvalidList),
    #[error(
        "approval.statement: newer versions were entered of everything that statement {statement} \
         entered, or a later end of the proceeding counts; approve what is newest"
    )]
    Overtaken { statement: u64 },
    #[error("item {item} is not of the kind that this statement holds")]
    StrayItem { item: usize },
}

impl Register {
    pub fn new(origin: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            size: 0,
            histories: Vec::new(),
            by_id: Ids::default(),
            by_list: BTreeMap::new(),
            naming: Naming::default(),
            index: TargetIndex::default(),
            is_indexed: true,
            stands: Vec::new(),
            listed: Vec::new(),
            extents: Vec::new(),
            withheld: Vec::new(),
            secret: Vec::new(),
            closed: BTreeSet::new(),
            waiting: BTreeMap::new(),
            waiting_steps: BTreeMap::new(),
            waiting_ends: BTreeMap::new(),
            erased: BTreeSet::new(),
            erasures: Vec::new(),
            not_understood: Vec::new(),
            adoption: Adoption::default(),
            late_register: Vec::new(),
            lists: Lists::default(),
            proceedings: Proceedings::default(),
            files: Vec::new(),
            said_of_lists: Vec::new(),
            first_exception: None,
        }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn view(&self) -> View<'_> {
        self.at(self.size)
    }

    /// The register as it was; a size above the present one is the present one.
    pub fn at(&self, size: u64) -> View<'_> {
        let known = self.extents.partition_point(|(statement, _)| *statement < size);
        let newest = known.checked_sub(1).and_then(|at| self.extents.get(at));
        let extent = newest.map(|(_, extent)| *extent).unwrap_or_default();
        View { register: self, size: size.min(self.size), extent }
    }

    /// As [`take_in`](Self::take_in), of items that were not read yet.
    pub fn apply(
        &mut self,
        statement: &v1::Statement,
        items: Option<Vec<v1::RegisterItem>>,
    ) -> Result<(), InvalidStatement> {
        self.take_in(statement, items.map(Items::read).transpose()?.as_ref())
    }

    /// The next statement of the log, with the items of its set. `items` is `None` where they are
    /// withheld or erased: the statement counts, its requests are unknown.
    pub fn take_in(
        &mut self,
        statement: &v1::Statement,
        items: Option<&Items>,
    ) -> Result<(), InvalidStatement> {
        let v1::Statement { format, origin, recorded_at_s, effective_at_s, author, approver, body } =
            statement;
        if *origin != self.origin {
            return Err(InvalidStatement::Origin {
                found: origin.clone(),
                wanted: self.origin.clone(),
            });
        }
        if *format > FORMAT {
            self.apply_not_understood();
            return Ok(());
        }
        let said = Said {
            by: author.clone().unwrap_or_default(),
            statement: self.size,
            recorded_at_s: *recorded_at_s,
        };
        match body.as_ref().ok_or(InvalidStatement::NoBody)? {
            Body::Import(import) => {
                match items {
                    None => {
                        self.withheld.push(self.size);
                        if import.existence() != v1::DisclosureTier::Unspecified {
                            self.secret.push(self.size);
                        }
                    }
                    Some(items) => {
                        let second = second::of(statement, import.awaits_approval, &said);
                        self.import(import, items, &said, *effective_at_s, second.as_ref())?;
                    }
                }
                self.files.extend(FileRead::of_import(import, items, &said));
            }
            Body::Attribution(_)
            | Body::Decision(_)
            | Body::Baseline(_)
            | Body::BasisMap(_)
            | Body::LateRegister(_)
            | Body::ListFeed(_)
            | Body::Approval(_)
            | Body::Proceeding(_)
                if items.is_some_and(|items| !items.is_empty()) =>
            {
                return Err(InvalidStatement::UnexpectedItems);
            }
            Body::Transition(transition) => {
                let second = second::of(statement, transition.awaits_approval, &said);
                let announced = transition.said.as_ref().map_or(0, |set| set.count);
                let texts = items.map(|items| items.said(announced)).transpose()?.flatten();
                self.transition(transition, texts, &said, *effective_at_s, second)?;
            }
            Body::Attribution(attribution) => {
                let attribution = Attribution::read(attribution)?;
                self.check_claims(&attribution, &HashSet::new())?;
                self.adoption.attribute(attribution, &said);
            }
            Body::Baseline(v1::Baseline { nodes, until_s }) => {
                let nodes = node_ids(nodes, "baseline.nodes")?;
                self.adoption
                    .baseline(&nodes, *until_s, &said)
                    .map_err(|node| InvalidStatement::BaselineTooLong { node })?;
                let what = v1::Baseline { nodes: names(&nodes), until_s: *until_s };
                self.adoption.adopt(What::Baseline(what), *effective_at_s, &said);
            }
            Body::BasisMap(v1::BasisMap { digest, nodes }) => {
                let nodes = node_ids(nodes, "basis_map.nodes")?;
                self.adoption.basis_map(&nodes, digest, &said);
                let what = v1::BasisMap { nodes: names(&nodes), digest: digest.clone() };
                self.adoption.adopt(What::BasisMap(what), *effective_at_s, &said);
            }
            Body::LateRegister(v1::LateRegister { grace_s }) => {
                // Nobody grants it to what was done before.
                let since_s = statement.recorded_at_s.max(statement.effective_at_s);
                let late = LateRegister { statement: self.size, since_s, grace_s: *grace_s };
                self.late_register.push(late);
                let what = What::LateRegister(v1::LateRegister { grace_s: *grace_s });
                self.adoption.adopt(what, *effective_at_s, &said);
            }
            Body::ListFeed(feed) => {
                let proposal = proposal(statement, &said, approver.as_ref());
                let Self { lists, histories, by_id, .. } = self;
                lists.feed(feed, &proposal, &Held { histories, by_id })?;
            }
            Body::ListVersion(version) => {
                let announced = version.changes.as_ref().map_or(0, |set| set.count);
                let changes = items.map(|items| items.changes(announced)).transpose()?;
                let is_withheld = changes.is_none();
                let proposal = proposal(statement, &said, approver.as_ref());
                let Self { lists, histories, by_id, .. } = self;
                let held = Held { histories, by_id };
                let posted = lists.version(version, changes, &proposal, &held)?;
                self.post(posted);
                self.withheld.extend(is_withheld.then_some(self.size));
                self.files.push(FileRead::of_version(version, &said));
            }
            Body::Approval(approval) if self.waiting.contains_key(&approval.statement) => {
                self.approve(approval, &said)?;
            }
            Body::Approval(approval) if self.waiting_steps.contains_key(&approval.statement) => {
                self.approve_step(approval, &said)?;
            }
            Body::Approval(approval) if self.waiting_ends.contains_key(&approval.statement) => {
                self.approve_end(approval, &said)?;
            }
            Body::Approval(approval) => {
                let Self { lists, histories, by_id, .. } = self;
                let held = Held { histories, by_id };
                let posted = lists.approve(approval, &said, *effective_at_s, &held)?;
                self.post(posted);
            }
            Body::Proceeding(ended) => {
                let second = second::of(statement, ended.awaits_approval, &said);
                if second.as_ref().is_some_and(|second| second.approved.is_none()) {
                    self.waiting_ends.insert(self.size, ended.id.clone());
                }
                let stated = (self.size, *recorded_at_s);
                self.proceedings.close(ended, *effective_at_s, stated, second);
            }
            Body::Decision(_) => return Err(InvalidStatement::NotOfTheRegister),
        }
        let extent = self.index.extent();
        if self.extents.last().is_none_or(|(_, before)| *before != extent) {
            self.extents.push((self.size, extent));
        }
        let said_of = body.as_ref().and_then(|body| self.lists.said_of(body));
        self.said_of_lists.extend(said_of.map(|list| (self.size, list)));
        self.size = self.size.saturating_add(1);
        Ok(())
    }

    /// The log holds an entry that this program cannot read: it counts, and claims that are
    /// otherwise unknown are not called unknown.
    pub fn apply_not_understood(&mut self) {
        self.not_understood.push(self.size);
        self.size = self.size.saturating_add(1);
    }

    fn import(
        &mut self,
        import: &v1::Import,
        items: &Items,
        said: &Said,
        effective_at_s: i64,
        second: Option<&Second>,
    ) -> Result<(), InvalidStatement> {
        // Everything is checked before anything is changed.
        let announced = import.items.as_ref().map_or(0, |set| set.count);
        let (requests, attributions) = items.entered(announced)?;
        let entered = requests.iter().map(|new| &new.request.id).collect();
        for attribution in attributions {
            self.check_claims(attribution, &entered)?;
        }
        for Entered { request, .. } in requests {
            self.check_version(request, effective_at_s)?;
        }
        let relations = requests.iter().map(|new| (&new.request.id, &new.request.relations));
        relations::check(relations, |id| Some(&self.newest(&id.parse().ok()?)?.request.relations))
            .map_err(|(id, through)| InvalidStatement::Cycle { id, through })?;
        let (reason, existence) = (import.reason.as_str().into(), Existence::of(import));
        let by = EnteredBy { said, effective_at_s, second, reason, existence };
        for new in requests {
            self.enter(new, &by);
        }
        for attribution in attributions {
            self.adoption.attribute(attribution.clone(), said);
        }
        Ok(())
    }

    /// The next version of what is there, and a version that is not over.
    fn check_version(
        &self,
        request: &Request,
        effective_at_s: i64,
    ) -> Result<(), InvalidStatement> {
        let id = request.id.clone();
        let Some(history) = self.history(&id) else {
            return Ok(());
        };
        let Some(newest) = history.versions.last() else { return Ok(()) };
        let (found, wanted) = (request.version, newest.request.version.saturating_add(1));
        if found != wanted {
            return Err(InvalidStatement::Version { id, found, wanted });
        }
        if request.prev_hash != newest.digest {
            return Err(InvalidStatement::Replaces { id, replaced: newest.request.version });
        }
        let entry = Entry::known(history, &self.proceedings, u64::MAX);
        let over = entry.and_then(|entry| entry.over_at(effective_at_s));
        over.map_or(Ok(()), |stands| Err(InvalidStatement::Over { id, stands }))
    }

    /// What rules are attributed to must be there; `entered` is entered by the same statement.
    fn check_claims(
        &self,
        attribution: &Attribution,
        entered: &HashSet<&RequestId>,
    ) -> Result<(), InvalidStatement> {
        let unknown = attribution.claims().iter().find(|claim| match claim {
            Claim::Request(id) => self.history(id).is_none() && !entered.contains(id),
            Claim::List { id, version } => {
                let list = ListVersion { id: id.clone(), version: version.clone() };
                let versioned = self.lists.list(id, u64::MAX);
                let is_version = versioned.is_some_and(|view| view.position(version).is_some());
                !self.by_list.contains_key(&list) && !is_version
            }
            Claim::Class(_) => false,
        });
        unknown.map_or(Ok(()), |claim| Err(InvalidStatement::UnknownClaim { claim: claim.clone() }))
    }

    fn history(&self, id: &RequestId) -> Option<&History> {
        self.histories.get(self.by_id.get(&self.histories, id)?)
    }

    fn newest(&self, id: &RequestId) -> Option<&Version> {
        self.history(id)?.versions.last()
    }

    fn enter(&mut self, new: &Entered, by: &EnteredBy<'_>) {
        let EnteredBy { said, effective_at_s, second, reason, existence } = by;
        let Entered { request, digest } = new;
        let (mut request, digest) = (Arc::clone(request), *digest);
        erasure::forget(&mut request, &self.erased);
        // What waits and is overtaken was never a text to amend.
        let counted = self.history(&request.id);
        let counted =
            counted.and_then(|history| history.versions.iter().rfind(|v| v.known_by().is_some()));
        let received = counted.map(|v| v.request.received_at_s);
        let applies_from_s = match received {
            None => i64::MIN,
            // The receipt of the amendment, not that of the request which it repeats.
            Some(first) => {
                request.received_at_s.filter(|r| Some(*r) != first).unwrap_or(*effective_at_s)
            }
        };
        let history = match self.by_id.get(&self.histories, &request.id) {
            Some(position) => position,
            None => {
                self.histories.push(History {
                    id: request.id.clone(),
                    versions: SmallVec::new(),
                    transitions: Vec::new(),
                    proposed: Vec::new(),
                });
                self.by_id.push(&self.histories);
                self.histories.len().saturating_sub(1)
            }
        };
        for list in &request.lists {
            self.by_list.entry(list.clone()).or_default().insert(history);
        }
        self.naming.entered(history, &request);
        if !request.closed.is_empty() || existence.is_some() {
            self.closed.insert(history);
        }
        if request.targets.iter().any(|held| held.exception) {
            self.first_exception.get_or_insert(self.size);
        }
        let blocked = || request.targets.iter().filter(|t| !t.exception);
        let blocked_count = blocked().count();
        let has_names = blocked().any(|t| name_of(&t.target).is_some());
        let first_number = self.index.count();
        if self.is_indexed {
            for target in &request.targets {
                self.index.insert(&target.target);
            }
            self.stand_at(Stand::own(history));
        }
        let statement = self.size;
        let version = Version {
            request,
            digest,
            statement,
            recorded_at_s: said.recorded_at_s,
            reason: Arc::clone(reason),
            existence: *existence,
            second: second.cloned().map(Box::new),
            applies_from_s,
            first_number,
            blocked_count,
            has_names,
        };
        if second.is_some_and(|second| second.approved.is_none()) {
            self.waiting.entry(statement).or_default().push(history);
        }
        if let Some(entry) = self.histories.get_mut(history) {
            entry.versions.push(version);
        }
    }
}

/// What lists may stand under.
struct Held<'r> {
    histories: &'r [History],
    by_id: &'r Ids,
}

impl Covering for Held<'_> {
    fn position(&self, request: &RequestId, list: &RequestId) -> Option<usize> {
        let position = self.by_id.get(self.histories, request)?;
        let versions = &self.histories.get(position)?.versions;
        let newest = versions.iter().rfind(|version| version.known_by().is_some())?;
        newest.request.covers_lists.contains(list).then_some(position)
    }
}

fn proposal<'s>(
    statement: &v1::Statement,
    said: &'s Said,
    approver: Option<&'s v1::PersonRef>,
) -> Proposal<'s> {
    // Canonical: these are the bytes that were signed.
    let digest = Sha256::digest(evidence::canonical::encode(statement)).into();
    Proposal { said, effective_at_s: statement.effective_at_s, digest, approver }
}

fn names(nodes: &[NodeId]) -> Vec<String> {
    nodes.iter().map(ToString::to_string).collect()
}

fn node_ids(nodes: &[String], field: &'static str) -> Result<Vec<NodeId>, InvalidStatement> {
    let ids = nodes.iter().map(|node| node.parse().map_err(|_| InvalidStatement::Field { field }));
    ids.collect()
}
