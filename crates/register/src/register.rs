//! The register as a growing sequence of statements, and what it said at each size.
//!
//! Statements are applied in the order of the register log; the index of a statement is the size
//! before it. Nothing that was applied is changed later, so a view at an old size answers as it
//! answered then.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use evidence::{Claim, NodeId, RequestId, canonical::Malformed};
use prost::Message;
use remit_proto::v1::{self, DecisionKind, TransitionKind, register_item::Item, statement::Body};
use sha2::{Digest, Sha256};

use crate::{
    adoption::{Adoption, Attribution, BASELINE_MAX_S, Said},
    entry::{Entry, History, Version},
    index::TargetIndex,
    list::{Covering, InvalidList, Listed, Lists, Posted, Proposal},
    proceedings::Proceedings,
    relations,
    request::{Decision, InvalidRequest, ListVersion, Request, RequestTarget},
    state::{self, Bounds, NoSuchStep, Transition},
    target::{Relation, Target, relation},
};

/// The format of statements that this version understands.
const FORMAT: u32 = 1;

#[derive(Debug, Clone)]
pub struct Register {
    origin: String,
    size: u64,
    histories: Vec<History>,
    by_id: BTreeMap<RequestId, usize>,
    by_list: BTreeMap<ListVersion, BTreeSet<usize>>,
    index: TargetIndex,
    /// Where the targets of `index` stand, by their number.
    postings: Vec<Posting>,
    /// Statements whose items are withheld or erased.
    withheld: Vec<u64>,
    /// Statements of a newer format.
    not_understood: Vec<u64>,
    adoption: Adoption,
    lists: Lists,
    proceedings: Proceedings,
    /// Statements about lists with versions, each with the position of its list.
    pub(crate) said_of_lists: Vec<(u64, usize)>,
    /// Statements that a proceeding has ended.
    pub(crate) proceedings_ended: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Posting {
    /// In the text of a request.
    Own { history: usize, version: usize, target: usize },
    /// In a list that a request covers.
    Listed { list: usize, member: usize },
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
    #[error("item {item} adds targets to {id:?}, which is not in the same import")]
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
    #[error("item {item} is not of the kind that this statement holds")]
    StrayItem { item: usize },
}

impl Register {
    pub fn new(origin: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            size: 0,
            histories: Vec::new(),
            by_id: BTreeMap::new(),
            by_list: BTreeMap::new(),
            index: TargetIndex::default(),
            postings: Vec::new(),
            withheld: Vec::new(),
            not_understood: Vec::new(),
            adoption: Adoption::default(),
            lists: Lists::default(),
            proceedings: Proceedings::default(),
            said_of_lists: Vec::new(),
            proceedings_ended: Vec::new(),
        }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn view(&self) -> View<'_> {
        self.at(self.size)
    }

    /// The register as it was; a size above the present one is the present one.
    pub fn at(&self, size: u64) -> View<'_> {
        View { register: self, size: size.min(self.size) }
    }

    /// The next statement of the log, with the opened items of an import. `items` is `None` where
    /// they are withheld or erased: the statement counts, its requests are unknown.
    pub fn apply(
        &mut self,
        statement: &v1::Statement,
        items: Option<Vec<v1::RegisterItem>>,
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
            Body::Import(import) => match items {
                None => self.withheld.push(self.size),
                Some(items) => self.import(import, items, &said, *effective_at_s)?,
            },
            Body::Transition(_)
            | Body::Attribution(_)
            | Body::Decision(_)
            | Body::Baseline(_)
            | Body::BasisMap(_)
            | Body::ListFeed(_)
            | Body::Approval(_)
            | Body::Proceeding(_)
                if items.as_ref().is_some_and(|i| !i.is_empty()) =>
            {
                return Err(InvalidStatement::UnexpectedItems);
            }
            Body::Transition(transition) => {
                self.transition(transition, *recorded_at_s, *effective_at_s)?;
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
            }
            Body::BasisMap(v1::BasisMap { digest, nodes }) => {
                let nodes = node_ids(nodes, "basis_map.nodes")?;
                self.adoption.basis_map(&nodes, digest, &said);
            }
            Body::ListFeed(feed) => {
                let proposal = proposal(statement, &said, approver.as_ref());
                let Self { lists, histories, by_id, .. } = self;
                lists.feed(feed, &proposal, &Held { histories, by_id })?;
            }
            Body::ListVersion(version) => {
                let announced = version.changes.as_ref().map_or(0, |set| set.count);
                let changes = items.map(|items| changes(items, announced)).transpose()?;
                let is_withheld = changes.is_none();
                let proposal = proposal(statement, &said, approver.as_ref());
                let Self { lists, histories, by_id, .. } = self;
                let held = Held { histories, by_id };
                let posted = lists.version(version, changes, &proposal, &held)?;
                self.post(posted);
                self.withheld.extend(is_withheld.then_some(self.size));
            }
            Body::Approval(approval) => {
                let Self { lists, histories, by_id, .. } = self;
                let held = Held { histories, by_id };
                let posted = lists.approve(approval, &said, *effective_at_s, &held)?;
                self.post(posted);
            }
            Body::Proceeding(v1::Proceeding { id, outcome: _ }) => {
                self.proceedings.close(id, self.size, *effective_at_s);
                self.proceedings_ended.push(self.size);
            }
            Body::Decision(_) => return Err(InvalidStatement::NotOfTheRegister),
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
        items: Vec<v1::RegisterItem>,
        said: &Said,
        effective_at_s: i64,
    ) -> Result<(), InvalidStatement> {
        // Everything is checked before anything is changed.
        let announced = import.items.as_ref().map_or(0, |set| set.count);
        let found = items.len() as u64;
        if announced != found {
            return Err(InvalidStatement::ItemCount { announced, found });
        }
        let Collected { requests, attributions } = collect(items)?;
        let entered = requests.iter().map(|new| &new.request.id).collect();
        for attribution in &attributions {
            self.check_claims(attribution, &entered)?;
        }
        for Entered { request, .. } in &requests {
            self.check_version(request, effective_at_s)?;
        }
        let relations = requests.iter().map(|new| (&new.request.id, &new.request.relations));
        relations::check(relations, |id| Some(&self.newest(&id.parse().ok()?)?.request.relations))
            .map_err(|(id, through)| InvalidStatement::Cycle { id, through })?;
        for new in requests {
            self.enter(new, said.recorded_at_s, effective_at_s, &import.reason);
        }
        for attribution in attributions {
            self.adoption.attribute(attribution, said);
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
        let Some(history) = self.by_id.get(&id).and_then(|at| self.histories.get(*at)) else {
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
            Claim::Request(id) => !self.by_id.contains_key(id) && !entered.contains(id),
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

    fn newest(&self, id: &RequestId) -> Option<&Version> {
        self.histories.get(*self.by_id.get(id)?)?.versions.last()
    }

    fn enter(&mut self, new: Entered, recorded_at_s: i64, effective_at_s: i64, reason: &str) {
        let Entered { request, digest } = new;
        let received = self.newest(&request.id).map(|v| v.request.received_at_s);
        let applies_from_s = match received {
            None => i64::MIN,
            // The receipt of the amendment, not that of the request which it repeats.
            Some(first) => {
                request.received_at_s.filter(|r| Some(*r) != first).unwrap_or(effective_at_s)
            }
        };
        let history = match self.by_id.get(&request.id) {
            Some(position) => *position,
            None => {
                self.by_id.insert(request.id.clone(), self.histories.len());
                self.histories.push(History {
                    id: request.id.clone(),
                    versions: Vec::new(),
                    transitions: Vec::new(),
                });
                self.histories.len().saturating_sub(1)
            }
        };
        for list in &request.lists {
            self.by_list.entry(list.clone()).or_default().insert(history);
        }
        let Some(entry) = self.histories.get_mut(history) else { return };
        let version = entry.versions.len();
        for (target, at) in request.targets.iter().zip(0..) {
            self.index.insert(&target.target);
            self.postings.push(Posting::Own { history, version, target: at });
        }
        let statement = self.size;
        let reason = reason.to_owned();
        let version = Version { request, digest, statement, recorded_at_s, reason, applies_from_s };
        entry.versions.push(version);
    }

    fn post(&mut self, posted: Vec<Posted>) {
        for Posted { list, member, target } in posted {
            self.index.insert(&target);
            self.postings.push(Posting::Listed { list, member });
        }
    }

    fn transition(
        &mut self,
        wire: &v1::Transition,
        recorded_at_s: i64,
        effective_at_s: i64,
    ) -> Result<(), InvalidStatement> {
        let v1::Transition { request_id, kind, by_request_id, decision, reason, back_covers } =
            wire;
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
                if by == id || !self.by_id.contains_key(&by) {
                    return Err(unknown(by.as_str()));
                }
                Some(by)
            }
            (_, "") => None,
            (_, _) => return Err(InvalidStatement::Field { field: "transition.by_request_id" }),
        };
        let decision = decision
            .clone()
            .map(Decision::try_from)
            .transpose()
            .map_err(|why| InvalidStatement::Request { id: id.to_string(), why })?;
        let statement = self.size;
        let position = *self.by_id.get(&id).ok_or_else(|| unknown(request_id))?;
        let history = self.histories.get_mut(position).ok_or_else(|| unknown(request_id))?;
        if let Some(decision) = &decision {
            check_decision(kind, decision, history)?;
        }
        let mut path = history.transitions.clone();
        path.push(Transition {
            kind,
            effective_at_s,
            recorded_at_s,
            statement,
            by,
            decision,
            reason: reason.clone(),
            back_covers: *back_covers,
        });
        state::in_order_of_effect(&mut path);
        // An amendment enters the request anew, and the way goes on from there.
        let proceedings = &self.proceedings;
        let legal = history
            .versions
            .iter()
            .map(|v| {
                let closed_s = proceedings.closed_at_s(&v.request, u64::MAX);
                state::check_path(&v.request, closed_s, &path)
            })
            .reduce(Result::or);
        if let Some(Err(why)) = legal {
            return Err(InvalidStatement::Transition { id, why });
        }
        history.transitions = path;
        Ok(())
    }
}

/// What lists may stand under.
struct Held<'r> {
    histories: &'r [History],
    by_id: &'r BTreeMap<RequestId, usize>,
}

impl Covering for Held<'_> {
    fn position(&self, request: &RequestId, list: &RequestId) -> Option<usize> {
        let position = *self.by_id.get(request)?;
        let newest = self.histories.get(position)?.versions.last()?;
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

/// The items of a list's version.
fn changes(
    items: Vec<v1::RegisterItem>,
    announced: u64,
) -> Result<Vec<v1::ListChanges>, InvalidStatement> {
    let found = items.len() as u64;
    if announced != found {
        return Err(InvalidStatement::ItemCount { announced, found });
    }
    let parts = items.into_iter().zip(0..).map(|(item, at)| match item.item {
        Some(Item::ListChanges(changes)) => Ok(changes),
        None => Err(InvalidStatement::EmptyItem { item: at }),
        Some(Item::Request(_) | Item::Targets(_) | Item::Attribution(_)) => {
            Err(InvalidStatement::StrayItem { item: at })
        }
    });
    parts.collect()
}

fn node_ids(nodes: &[String], field: &'static str) -> Result<Vec<NodeId>, InvalidStatement> {
    let ids = nodes.iter().map(|node| node.parse().map_err(|_| InvalidStatement::Field { field }));
    ids.collect()
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
    if !decision.not_accepted.iter().all(named) {
        return Err(InvalidStatement::Field { field: "transition.decision.not_accepted" });
    }
    Ok(())
}

/// What an import holds.
struct Collected {
    /// With all their targets.
    requests: Vec<Entered>,
    attributions: Vec<Attribution>,
}

/// A version, and the digest by which the next one names it.
struct Entered {
    request: Request,
    digest: [u8; 32],
}

/// What [`v1::Request::prev_hash`] of the next version is.
pub fn version_digest(request: &v1::Request) -> [u8; 32] {
    Sha256::digest(request.encode_to_vec()).into()
}

fn collect(items: Vec<v1::RegisterItem>) -> Result<Collected, InvalidStatement> {
    let mut attributions = Vec::new();
    let mut wires: Vec<v1::Request> = Vec::new();
    let mut position_of: HashMap<String, usize> = HashMap::new();
    for (item, at) in items.into_iter().zip(0..) {
        match item.item.ok_or(InvalidStatement::EmptyItem { item: at })? {
            Item::Request(request) => {
                position_of.insert(request.id.clone(), wires.len());
                wires.push(request);
            }
            Item::Targets(v1::TargetBlock { request_id, targets }) => {
                let wire = position_of.get(&request_id).and_then(|p| wires.get_mut(*p));
                let wire =
                    wire.ok_or(InvalidStatement::StrayTargets { item: at, id: request_id })?;
                wire.task.get_or_insert_default().targets.extend(targets);
            }
            Item::Attribution(wire) => attributions.push(Attribution::read(&wire)?),
            Item::ListChanges(_) => return Err(InvalidStatement::StrayItem { item: at }),
        }
    }
    let mut seen = HashSet::new();
    let requests = wires
        .into_iter()
        .map(|wire| {
            let id = wire.id.clone();
            let digest = version_digest(&wire);
            let request =
                Request::try_from(wire).map_err(|why| InvalidStatement::Request { id, why })?;
            if request.targets.is_empty() && request.covers_lists.is_empty() {
                return Err(InvalidStatement::NoTarget { id: request.id });
            }
            if !seen.insert(request.id.clone()) {
                return Err(InvalidStatement::Duplicate { id: request.id });
            }
            Ok(Entered { request, digest })
        })
        .collect::<Result<_, _>>()?;
    Ok(Collected { requests, attributions })
}

/// What the register said at one size.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    register: &'a Register,
    size: u64,
}

/// A target of a request that is not disjoint from the one asked for.
#[derive(Debug, Clone, Copy)]
pub struct Touch<'a> {
    pub entry: Entry<'a>,
    pub version: &'a Version,
    pub target: &'a RequestTarget,
    /// Seen from the target that was asked for.
    pub relation: Relation,
    /// It stands in a list that the request covers, and not in its text.
    pub listed: Option<Listed<'a>>,
}

impl Touch<'_> {
    /// From when to when the target is to be blocked. What a list no longer holds may stand for the
    /// list's grace, if the request itself grants less.
    pub(crate) fn bounds(&self) -> Bounds {
        let bounds = self.entry.bounds(self.version, Some(self.target));
        match self.listed {
            Some(listed) if bounds.until_s == self.target.removed_at_s => {
                Bounds { list_grace_s: listed.list().grace_s(), ..bounds }
            }
            Some(_) | None => bounds,
        }
    }
}

impl<'a> View<'a> {
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn request(&self, id: &RequestId) -> Option<Entry<'a>> {
        self.entry(*self.register.by_id.get(id)?)
    }

    /// All requests, by id.
    pub fn requests(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let view = *self;
        self.register.by_id.values().filter_map(move |position| view.entry(*position))
    }

    pub fn in_force_at(&self, at_s: i64) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        self.requests()
            .filter(move |e| e.standing_at(at_s).is_some_and(crate::state::Standing::is_in_force))
    }

    /// Every target of every version that equals, holds, lies in or overlaps this one, exceptions
    /// included, in the order of the register.
    pub fn touching(&self, target: &Target) -> Vec<Touch<'a>> {
        let mut numbers = self.register.index.near(target);
        numbers.sort_unstable();
        let postings = numbers
            .into_iter()
            .filter_map(|number| self.register.postings.get(usize::try_from(number).ok()?));
        postings.flat_map(|posting| self.touches(posting, target)).collect()
    }

    fn touches(&self, posting: &Posting, target: &Target) -> Vec<Touch<'a>> {
        let touches = match *posting {
            Posting::Own { history, version, target: held } => {
                self.own_touch(history, version, held, target).map(|touch| vec![touch])
            }
            Posting::Listed { list, member } => self.listed_touches(list, member, target),
        };
        touches.unwrap_or_default()
    }

    fn own_touch(
        &self,
        history: usize,
        version: usize,
        held: usize,
        target: &Target,
    ) -> Option<Touch<'a>> {
        let history = self.register.histories.get(history)?;
        let version = history.versions.get(version)?;
        let held = version.request.targets.get(held)?;
        let relation = relation(target, &held.target);
        let known = version.statement < self.size && relation != Relation::Disjoint;
        let proceedings = &self.register.proceedings;
        let entry = Entry::known(history, proceedings, self.size).filter(|_| known)?;
        Some(Touch { entry, version, target: held, relation, listed: None })
    }

    /// An entry of a list stands under every text of its request; each is judged for its own time.
    fn listed_touches(
        &self,
        list: usize,
        member: usize,
        target: &Target,
    ) -> Option<Vec<Touch<'a>>> {
        let listed = self.register.lists.listed(list, member, self.size)?;
        let held = listed.target();
        let relation = relation(target, &held.target);
        if relation == Relation::Disjoint {
            return None;
        }
        let entry = self.entry(listed.history())?;
        let touch =
            |version| Touch { entry, version, target: held, relation, listed: Some(listed) };
        let covers = |version: &&Version| version.request.covers_lists.contains(listed.list().id());
        Some(entry.versions().filter(covers).map(touch).collect())
    }

    /// Targets of a request that others in force name or cover, at most so many: what it lets go stays
    /// blocked as long as one of them holds.
    pub fn held_by(&self, entry: &Entry<'_>, at_s: i64, max: usize) -> Vec<(Target, RequestId)> {
        let mut held = Vec::new();
        for own in entry.request().targets.iter().filter(|t| !t.exception) {
            let mut others: Vec<&RequestId> = Vec::new();
            for touch in self.touching(&own.target) {
                let covers = matches!(touch.relation, Relation::Equal | Relation::Inside);
                let other = touch.entry.id();
                if covers
                    && !touch.target.exception
                    && other != entry.id()
                    && !others.contains(&other)
                    && touch.entry.standing_at(at_s).is_some_and(state::Standing::is_in_force)
                {
                    others.push(other);
                    held.push((own.target.clone(), other.clone()));
                    if held.len() >= max {
                        return held;
                    }
                }
            }
        }
        held
    }

    /// The members of a list version.
    pub fn list(&self, list: &ListVersion) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let view = *self;
        let list = list.clone();
        let members = self.register.by_list.get(&list);
        members.into_iter().flatten().filter_map(move |position| {
            let entry = view.entry(*position)?;
            entry.versions().any(|v| v.request.lists.contains(&list)).then_some(entry)
        })
    }

    /// Statements whose requests are not visible because their items are withheld or erased.
    pub fn withheld_count(&self) -> usize {
        self.register.withheld.iter().filter(|index| **index < self.size).count()
    }

    /// Statements of a newer format than this program knows.
    pub fn not_understood_count(&self) -> usize {
        self.register.not_understood.iter().filter(|index| **index < self.size).count()
    }

    pub(crate) fn register_lists(&self) -> &'a Lists {
        &self.register.lists
    }

    pub(crate) fn adoption(&self) -> &'a Adoption {
        &self.register.adoption
    }

    pub(crate) fn entry(&self, position: usize) -> Option<Entry<'a>> {
        let register = self.register;
        Entry::known(register.histories.get(position)?, &register.proceedings, self.size)
    }
}
