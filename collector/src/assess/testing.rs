//! A small operator for tests: says what happened, and gives the stream that the log would commit. What the
//! collector makes of it is a [`World`].

mod world;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use evidence::{
    AgentOrigin, Operator,
    chunk::{SetBuilder, chunk_id},
    commitment::Salt,
    leaf,
};
use prost::Message;
use register::{Items, Target};
use remit_proto::v1::{self, leaf::Body, log_entry::Entry, statement};
use tlog::{
    Hash,
    checkpoint::Checkpoint,
    note::{KeyName, SigningKey},
};

pub(crate) use self::world::{World, code};
use crate::committed::{Accepted, Chunks, Committed, What};

/// 2026-01-15T12:00:00Z
pub(crate) const NOON: i64 = 1_768_478_400;

pub(crate) fn operator() -> Operator {
    "example.net".parse().unwrap()
}

#[derive(Default)]
pub(crate) struct MemoryChunks(Mutex<HashMap<Hash, Vec<u8>>>);

impl Chunks for MemoryChunks {
    fn chunk(&self, id: &Hash) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(id).cloned()
    }
}

/// One rule of a node.
#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) number: u64,
    target: v1::Target,
    technique: v1::Technique,
    claim: String,
    narrowed: bool,
    actor: v1::Actor,
}

/// "ip:192.0.2.7 for req-7"
pub(crate) fn block(number: u64, text: &str) -> Block {
    let (target, claim) = text.split_once(" for ").unwrap_or((text, ""));
    let target: Target = target.parse().unwrap();
    let technique = match target {
        Target::Ip(_) | Target::Cidr(_) => v1::Technique::IpAclDrop,
        _ => v1::Technique::DnsNxdomain,
    };
    let (target, claim, actor) = (target.to_wire(), claim.to_owned(), v1::Actor::OperatorStaff);
    Block { number, target, technique, claim, narrowed: false, actor }
}

impl Block {
    /// By somebody else.
    pub(crate) fn by(self, actor: v1::Actor) -> Self {
        Self { actor, ..self }
    }

    /// With further conditions.
    pub(crate) fn narrowed(self) -> Self {
        Self { narrowed: true, ..self }
    }

    fn rule(&self) -> v1::Rule {
        let claims: Vec<v1::Claim> = self
            .claim
            .split(',')
            .filter(|claim| !claim.is_empty())
            .map(|claim| (&claim.parse::<evidence::Claim>().unwrap()).into())
            .collect();
        let none = claims.is_empty();
        let origin = if none { v1::ClaimOrigin::None } else { v1::ClaimOrigin::Carried };
        v1::Rule {
            number: self.number,
            source: v1::SourceKind::Nftables.into(),
            technique: self.technique.into(),
            trigger: v1::Trigger::Destination.into(),
            direction: v1::Direction::ToTarget.into(),
            actor: self.actor.into(),
            claims,
            claim_origin: origin.into(),
            narrowed: self.narrowed,
            counted: true,
            names_sampled: false,
            rate_bits_per_s: 0,
        }
    }
}

struct Tree {
    origin: AgentOrigin,
    size: u64,
    logged: u64,
    leaves: Vec<Vec<u8>>,
    openings: Vec<v1::LeafOpening>,
    accounts: Vec<v1::SourceAccount>,
}

pub(crate) struct Stream {
    pub(crate) committed: Vec<Committed>,
    pub(crate) chunks: Arc<MemoryChunks>,
    pub(crate) now_s: i64,
    /// What the next seals state.
    pub(crate) seal_interval_s: u32,
    /// By so much the clocks of those that seal are ahead.
    pub(crate) ahead_s: i64,
    pub(crate) stopping: bool,
    pub(crate) canaries: Vec<v1::CanaryAccount>,
    /// Of the nodes that are declared next.
    pub(crate) asn: u32,
    log_size: u64,
    statements: u64,
    decisions: u64,
    register_size: u64,
    published: u64,
    checkpoint: Vec<u8>,
    trees: BTreeMap<String, Tree>,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self {
            committed: Vec::new(),
            chunks: Arc::default(),
            now_s: NOON,
            seal_interval_s: 30,
            ahead_s: 0,
            stopping: false,
            canaries: Vec::new(),
            asn: 0,
            log_size: 0,
            statements: 0,
            decisions: 0,
            register_size: 0,
            published: 0,
            checkpoint: Vec::new(),
            trees: BTreeMap::new(),
        }
    }

    pub(crate) fn wait(&mut self, seconds: i64) {
        self.now_s += seconds;
    }

    /// A node with a first generation and its first snapshot.
    pub(crate) fn enrol(&mut self, node: &str) {
        self.generation(node, 1);
    }

    pub(crate) fn generation(&mut self, node: &str, generation: u64) {
        let origin = format!("example.net/agent/{node}/{generation:016x}");
        self.entry(Entry::NodeKey(v1::NodeKey {
            origin: origin.clone(),
            public_key: vec![1; 32],
            ..v1::NodeKey::default()
        }));
        let tree = Tree {
            origin: origin.parse().unwrap(),
            size: 0,
            logged: 0,
            leaves: Vec::new(),
            openings: Vec::new(),
            accounts: Vec::new(),
        };
        self.trees.insert(node.to_owned(), tree);
        let genesis = v1::Genesis {
            format: 1,
            operator: operator().to_string(),
            node: node.to_owned(),
            generation,
            durability: v1::Durability::Disk.into(),
            individual_actions: true,
            reason: v1::GenerationReason::Enrolled.into(),
            at_s: self.now_s,
            k: 10,
            ..v1::Genesis::default()
        };
        self.leaf(node, Body::Genesis(genesis));
        let sources = vec![v1::SourceKind::Nftables.into()];
        let start = v1::Start { sources, ..self.start() };
        self.leaf(node, Body::Start(start));
    }

    pub(crate) fn revoke(&mut self, node: &str, from_size: u64) {
        let origin = self.trees[node].origin.to_string();
        self.entry(Entry::NodeKey(v1::NodeKey {
            origin,
            public_key: vec![1; 32],
            revoked: true,
            revoked_from_size: from_size,
            approver: None,
        }));
    }

    /// `points`: "<id> <technology> <observed|relayed|unobserved>"
    pub(crate) fn declare(&mut self, node: &str, region: &str, points: &[&str]) {
        let points = points.iter().map(|text| {
            let parts: Vec<&str> = text.split(' ').collect();
            let observation = match parts[2] {
                "observed" => v1::Observation::Observed,
                "relayed" => v1::Observation::Relayed,
                _ => v1::Observation::Unobserved,
            };
            v1::EnforcementPoint {
                id: parts[0].into(),
                technology: parts[1].into(),
                observation: observation.into(),
            }
        });
        let person = v1::PersonRef { person: "p1".into(), role: v1::Role::Operator.into() };
        let facts = v1::NodeFacts {
            format: 1,
            operator: operator().to_string(),
            node: node.into(),
            role: v1::NodeRole::Router.into(),
            country: region[..2].into(),
            region: if region.len() > 2 { region.into() } else { String::new() },
            network_type: v1::NetworkType::Fixed.into(),
            asn: self.asn,
            lines_served: 1000,
            points: points.collect(),
            recorded_at_s: self.now_s,
            author: Some(person),
            ..v1::NodeFacts::default()
        };
        let facts = facts.encode_to_vec();
        self.entry(Entry::NodeFacts(v1::SignedNodeFacts { facts, signatures: Vec::new() }));
    }

    /// A request by authority "court", in force in DE for ever, for any technique; and its head.
    pub(crate) fn request(&mut self, id: &str, target: &str) {
        self.request_with(id, target, |_| {});
    }

    pub(crate) fn request_with(
        &mut self,
        id: &str,
        target: &str,
        change: impl FnOnce(&mut v1::Request),
    ) {
        self.request_in(v1::Import::default(), &[], id, target, change);
    }

    /// A request whose existence is secret, with a list that stands under it.
    pub(crate) fn secret_request(&mut self, id: &str, authority: &str, target: &str, list: &str) {
        let existence = v1::DisclosureTier::Secret.into();
        let import = v1::Import { existence, ..v1::Import::default() };
        self.request_in(import, &[], id, target, |request| {
            by(request, authority);
            request.task.as_mut().unwrap().covers_lists = vec![list.into()];
        });
        self.feed(list, id);
    }

    /// A request of a file, as its import tells of the file.
    pub(crate) fn request_of_file(&mut self, import: v1::Import, id: &str, target: &str) {
        self.request_in(import, &[], id, target, |_| {});
    }

    /// A request of which parts are secret; the collector holds what opens them.
    pub(crate) fn request_closed(
        &mut self,
        id: &str,
        authority: &str,
        target: &str,
        parts: &[v1::RequestPart],
    ) {
        let import = v1::Import::default();
        self.request_in(import, parts, id, target, |request| by(request, authority));
    }

    /// The next version of a request, of which parts are secret.
    pub(crate) fn amended_closed(
        &mut self,
        held: &v1::Request,
        target: &str,
        parts: &[v1::RequestPart],
        change: impl FnOnce(&mut v1::Request),
    ) {
        self.amended_in(v1::Import::default(), held, target, parts, change);
    }

    pub(crate) fn amended_in(
        &mut self,
        import: v1::Import,
        held: &v1::Request,
        target: &str,
        parts: &[v1::RequestPart],
        change: impl FnOnce(&mut v1::Request),
    ) {
        let prev_hash = register::version_digest(held).to_vec();
        self.request_in(import, parts, &held.id, target, |request| {
            (request.version, request.prev_hash) = (held.version + 1, prev_hash);
            change(request);
        });
    }

    fn request_in(
        &mut self,
        import: v1::Import,
        secret: &[v1::RequestPart],
        id: &str,
        target: &str,
        change: impl FnOnce(&mut v1::Request),
    ) {
        let target: Target = target.parse().unwrap();
        let target = Some(target.to_wire());
        let target = v1::RequestTarget { target, ..v1::RequestTarget::default() };
        let mut request = plain(id, vec![target]);
        change(&mut request);
        let mut opened = Vec::new();
        for part in secret {
            let fields = evidence::closed::take(&mut request.clone(), *part);
            let closed = v1::ClosedPart {
                part: (*part).into(),
                tier: v1::DisclosureTier::Secret.into(),
                ..v1::ClosedPart::default()
            };
            let salt = || Ok::<_, std::convert::Infallible>(Salt([7; 16]));
            evidence::closed::close(&mut request, closed, salt).unwrap();
            let part = (*part).into();
            let part = v1::OpenedPart { request_id: id.into(), part, fields };
            opened.push(v1::register_item::Item::Opened(part));
        }
        let items = std::iter::once(v1::register_item::Item::Request(request)).chain(opened);
        let items = items.map(|item| v1::RegisterItem { item: Some(item) }).collect();
        let items_set = Some(v1::ItemSet { count: 1, ..v1::ItemSet::default() });
        let import = v1::Import { items: items_set, ..import };
        self.statement(statement::Body::Import(import), Some(items));
    }

    /// Entries of the list stand under the request; a second person has signed it.
    pub(crate) fn feed(&mut self, list: &str, request: &str) {
        self.approved(
            statement::Body::ListFeed(v1::ListFeed {
                list_id: list.into(),
                request_id: request.into(),
                publication_interval_s: 600,
                fetch_time_s: 60,
                ..v1::ListFeed::default()
            }),
            None,
        );
    }

    /// A version that holds so many entries after these changes: "ip:192.0.2.7", or with how it was received,
    /// "ip:192.0.2.7 as 192.000.002.007".
    pub(crate) fn version(
        &mut self,
        list: &str,
        (version, previous): (&str, &str),
        added: &[&str],
        removed: &[&str],
        entries: u64,
    ) {
        let entry = |text: &&str| {
            let (target, raw) = text.split_once(" as ").unwrap_or((text, ""));
            v1::ListEntry {
                target: Some(target.parse::<Target>().unwrap().to_wire()),
                raw: raw.into(),
                ..v1::ListEntry::default()
            }
        };
        let changes = v1::ListChanges {
            added: added.iter().map(entry).collect(),
            removed: removed.iter().map(entry).collect(),
        };
        let version = v1::ListVersion {
            list_id: list.into(),
            version: version.into(),
            previous: previous.into(),
            changes: Some(v1::ItemSet { count: 1, ..v1::ItemSet::default() }),
            file_digest: vec![7; 32],
            entries,
            added: added.len() as u64,
            removed: removed.len() as u64,
            ..v1::ListVersion::default()
        };
        let item = v1::register_item::Item::ListChanges(changes);
        let items = vec![v1::RegisterItem { item: Some(item) }];
        self.approved(statement::Body::ListVersion(version), Some(items));
    }

    fn approved(&mut self, body: statement::Body, items: Option<Vec<v1::RegisterItem>>) {
        self.statement(body, items);
        let last = self.committed.last_mut().map(|committed| &mut committed.what);
        if let Some(What::Statement { statement, .. }) = last {
            let role = v1::Role::Operator.into();
            statement.approver = Some(v1::PersonRef { person: "p2".into(), role });
        }
    }

    pub(crate) fn attribute(&mut self, node: &str, rules: &[u64], claim: &str) {
        self.statement(statement::Body::Attribution(attribution(node, rules, claim)), None);
    }

    pub(crate) fn late_register(&mut self, grace_s: u32) {
        self.statement(statement::Body::LateRegister(v1::LateRegister { grace_s }), None);
    }

    pub(crate) fn baseline(&mut self, node: &str, until_s: i64) {
        let baseline = v1::Baseline { nodes: vec![node.into()], until_s };
        self.statement(statement::Body::Baseline(baseline), None);
    }

    pub(crate) fn basis_map(&mut self, node: &str, digest: u8) {
        let map = v1::BasisMap { digest: vec![digest; 32], nodes: vec![node.into()] };
        self.statement(statement::Body::BasisMap(map), None);
    }

    /// The agent starts again, with a basis map.
    pub(crate) fn start_with_map(&mut self, node: &str, digest: u8) {
        let start = v1::Start { basis_map_digest: vec![digest; 32], ..self.start() };
        self.leaf(node, Body::Start(start));
    }

    fn start(&self) -> v1::Start {
        v1::Start {
            at_s: self.now_s,
            boot_id: vec![1; 16],
            config_digest: vec![2; 32],
            sandbox: Some(v1::Sandbox::default()),
            ..v1::Start::default()
        }
    }

    pub(crate) fn transition(&mut self, id: &str, kind: v1::TransitionKind, effective_at_s: i64) {
        let transition = v1::Transition {
            request_id: id.into(),
            kind: kind.into(),
            ..v1::Transition::default()
        };
        self.state(transition, effective_at_s);
    }

    /// With all that a transition may say.
    pub(crate) fn state(&mut self, transition: v1::Transition, effective_at_s: i64) {
        self.statement_at(statement::Body::Transition(transition), None, effective_at_s);
    }

    /// The end of a proceeding, which waits for a second person.
    pub(crate) fn proposed_end(&mut self, id: &str, effective_at_s: i64) {
        let ended = v1::Proceeding { id: id.into(), outcome: String::new(), awaits_approval: true };
        self.statement_at(statement::Body::Proceeding(ended), None, effective_at_s);
    }

    /// The end of a proceeding, which counts.
    pub(crate) fn ended(&mut self, id: &str, outcome: &str, effective_at_s: i64) {
        let (id, outcome) = (id.into(), outcome.into());
        let ended = v1::Proceeding { id, outcome, awaits_approval: false };
        self.statement_at(statement::Body::Proceeding(ended), None, effective_at_s);
    }

    fn statement(&mut self, body: statement::Body, items: Option<Vec<v1::RegisterItem>>) {
        self.statement_at(body, items, self.now_s);
    }

    fn statement_at(
        &mut self,
        body: statement::Body,
        items: Option<Vec<v1::RegisterItem>>,
        effective_at_s: i64,
    ) {
        let statement = v1::Statement {
            format: 1,
            origin: operator().register_origin(),
            recorded_at_s: self.now_s,
            effective_at_s,
            author: Some(v1::PersonRef { person: "p1".into(), role: v1::Role::Operator.into() }),
            approver: None,
            body: Some(body),
        };
        let index = self.statements;
        self.statements += 1;
        let items = items.map(|items| Items::read(items).unwrap());
        self.push(What::Statement { index, statement: Box::new(statement), items });
    }

    /// What a person says of a finding, in the case log.
    pub(crate) fn decide(
        &mut self,
        subject: v1::FindingSubject,
        act: v1::DecisionAct,
        reason: v1::DecisionReason,
    ) {
        self.decide_noting(subject, act, reason, register::cases::Note::None);
    }

    /// The same with a note.
    pub(crate) fn decide_noting(
        &mut self,
        subject: v1::FindingSubject,
        act: v1::DecisionAct,
        reason: v1::DecisionReason,
        note: register::cases::Note,
    ) {
        let decision = v1::Decision {
            subject: Some(subject),
            act: act.into(),
            reason: reason.into(),
            ..v1::Decision::default()
        };
        let statement = v1::Statement {
            format: 1,
            origin: operator().case_origin(),
            recorded_at_s: self.now_s,
            author: Some(v1::PersonRef { person: "p1".into(), role: v1::Role::Operator.into() }),
            body: Some(statement::Body::Decision(decision)),
            ..v1::Statement::default()
        };
        let index = self.decisions;
        self.decisions += 1;
        self.push(What::Decision { index, statement: Box::new(statement), note });
    }

    pub(crate) fn hit(&mut self, node: &str, block: &Block, hits: u64) {
        let at_s = self.now_s;
        let activity = v1::Activity {
            rule: Some(block.rule()),
            response: Some(v1::Response { response: Some(v1::response::Response::Silent(true)) }),
            rule_target: vec![0; 32],
            hits,
            window_start_s: at_s,
            first_s: at_s,
            last_s: at_s,
            ..v1::Activity::default()
        };
        self.open(node, evidence::leaf::ACTIVITY_RULE_TARGET, &block.target);
        self.leaf(node, Body::Activity(activity));
    }

    /// A hit of which the node recorded by what name it came.
    pub(crate) fn hit_by_name(&mut self, node: &str, block: &Block, name: &str) {
        let activity = v1::Activity {
            rule: Some(block.rule()),
            response: Some(v1::Response { response: Some(v1::response::Response::Silent(true)) }),
            rule_target: vec![0; 32],
            hit_target: vec![0; 32],
            hits: 1,
            window_start_s: self.now_s,
            first_s: self.now_s,
            last_s: self.now_s,
            ..v1::Activity::default()
        };
        self.open(node, evidence::leaf::ACTIVITY_RULE_TARGET, &block.target);
        let name: Target = format!("domain_exact:{name}").parse().unwrap();
        self.open(node, evidence::leaf::ACTIVITY_HIT_TARGET, &name.to_wire());
        self.leaf(node, Body::Activity(activity));
    }

    /// What a rule did in a window: twice, at its first and at its last second.
    pub(crate) fn hits_between(&mut self, node: &str, block: &Block, first_s: i64, last_s: i64) {
        let activity = v1::Activity {
            rule: Some(block.rule()),
            response: Some(v1::Response { response: Some(v1::response::Response::Silent(true)) }),
            rule_target: vec![0; 32],
            hits: 2,
            window_start_s: first_s,
            window_s: 900,
            first_s,
            last_s,
            ..v1::Activity::default()
        };
        self.open(node, evidence::leaf::ACTIVITY_RULE_TARGET, &block.target);
        self.leaf(node, Body::Activity(activity));
    }

    /// A key for a person, as enrolment logs it.
    pub(crate) fn enrol_person(&mut self, id: &str) {
        let person = Some(v1::PersonRef { person: id.into(), role: v1::Role::Operator.into() });
        let public_key = id.as_bytes().to_vec();
        self.entry(Entry::PersonKey(v1::PersonKey { person, public_key, ..Default::default() }));
    }

    /// A shutdown, from `from_s`, by p1, or confirmed by p2. The block says of what and for what.
    pub(crate) fn deed(
        &mut self,
        node: &str,
        block: &Block,
        act: v1::ServiceAct,
        from_s: i64,
        until_s: i64,
    ) {
        let person =
            |id: &str| v1::PersonRef { person: id.into(), role: v1::Role::Operator.into() };
        let action = v1::ServiceAction {
            kind: v1::ServiceActionKind::Shutdown.into(),
            act: act.into(),
            number: block.number,
            at_s: self.now_s,
            from_s,
            until_s,
            claims: block.rule().claims,
            recorded_by: Some(person("p1")),
            confirmed_by: (act == v1::ServiceAct::Confirmed).then(|| person("p2")),
            attestation: v1::Attestation::ByNode.into(),
            target: vec![0; 32],
            ..v1::ServiceAction::default()
        };
        self.open(node, evidence::leaf::SERVICE_ACTION_TARGET, &block.target);
        self.leaf(node, Body::ServiceAction(action));
    }

    /// What a probe in an AS saw of a URL.
    pub(crate) fn probe(&mut self, node: &str, url: &str, result: v1::ProbeResult, asn: u32) {
        let target: Target = format!("url:{url}").parse().unwrap();
        let blocked = result == v1::ProbeResult::Blocked;
        let probe = v1::Probe {
            at_s: self.now_s,
            result: result.into(),
            technique: if blocked { v1::Technique::DnsNxdomain.into() } else { 0 },
            measurement_digest: vec![6; 32],
            asn,
            country: "DE".into(),
            target: vec![0; 32],
            page: 0,
        };
        self.open(node, evidence::leaf::PROBE_TARGET, &target.to_wire());
        self.leaf(node, Body::Probe(probe));
    }

    pub(crate) fn install(&mut self, node: &str, block: &Block) {
        self.change(node, block, v1::RuleChangeKind::Installed);
    }

    pub(crate) fn modify(&mut self, node: &str, block: &Block) {
        self.change(node, block, v1::RuleChangeKind::Modified);
    }

    pub(crate) fn remove(&mut self, node: &str, block: &Block) {
        self.change(node, block, v1::RuleChangeKind::Removed);
    }

    fn change(&mut self, node: &str, block: &Block, kind: v1::RuleChangeKind) {
        let change = v1::RuleChange {
            kind: kind.into(),
            at_s: self.now_s,
            rule: Some(block.rule()),
            rule_target: vec![0; 32],
            ..v1::RuleChange::default()
        };
        self.open(node, evidence::leaf::RULE_CHANGE_TARGET, &block.target);
        self.leaf(node, Body::RuleChange(change));
    }

    pub(crate) fn snapshot(&mut self, node: &str, blocks: &[&Block]) {
        self.snapshot_as(node, blocks, v1::RuleSnapshot::default());
    }

    pub(crate) fn control(&mut self, node: &str, blocks: &[&Block]) {
        self.snapshot_as(node, blocks, v1::RuleSnapshot { control: true, ..Default::default() });
    }

    /// What of the rules could be read.
    pub(crate) fn unstable(&mut self, node: &str, blocks: &[&Block]) {
        self.snapshot_as(node, blocks, v1::RuleSnapshot { unstable: true, ..Default::default() });
    }

    fn snapshot_as(&mut self, node: &str, blocks: &[&Block], of: v1::RuleSnapshot) {
        let mut set = SetBuilder::new();
        let mut chunks = Vec::new();
        for block in blocks {
            let rule = v1::SnapshotRule {
                rule: Some(block.rule()),
                target: Some(block.target.clone()),
                native: format!("drop {}", block.number),
            };
            chunks.extend(set.push(Salt([7; 16]), rule.encode_to_vec()));
        }
        let (set, last) = set.finish();
        chunks.extend(last);
        for chunk in chunks {
            self.chunks.0.lock().unwrap().insert(chunk_id(&chunk), chunk);
        }
        let snapshot = v1::RuleSnapshot {
            source: v1::SourceKind::Nftables.into(),
            at_s: self.now_s,
            rules: Some(set),
            ..of
        };
        self.leaf(node, Body::RuleSnapshot(snapshot));
    }

    pub(crate) fn gap(&mut self, node: &str, count: u64, from_s: i64, until_s: i64) {
        let gap = v1::Gap {
            source: v1::SourceKind::Nftables.into(),
            cause: v1::LossCause::AgentDown.into(),
            count_known: true,
            count,
            from_s,
            until_s,
            ..v1::Gap::default()
        };
        self.leaf(node, Body::Gap(gap));
        let tree = self.trees.get_mut(node).unwrap();
        let before = tree.accounts.first().map_or(0, |a| a.offered);
        let loss = v1::Loss { cause: v1::LossCause::AgentDown.into(), count: before + count };
        tree.accounts = vec![v1::SourceAccount {
            source: v1::SourceKind::Nftables.into(),
            offered_known: true,
            offered: before + count,
            lost: vec![loss],
            ..v1::SourceAccount::default()
        }];
    }

    fn open(&mut self, node: &str, field: u32, target: &v1::Target) {
        let tree = self.trees.get_mut(node).unwrap();
        let index = tree.size + tree.leaves.len() as u64;
        let opening = v1::Opening { field, salt: vec![9; 16], value: target.encode_to_vec() };
        tree.openings.push(v1::LeafOpening { index, opening: Some(opening) });
    }

    /// Takes back what was opened since the last batch: as if withheld.
    pub(crate) fn withhold(&mut self, node: &str) {
        self.trees.get_mut(node).unwrap().openings.clear();
    }

    fn leaf(&mut self, node: &str, body: Body) {
        self.trees.get_mut(node).unwrap().leaves.push(leaf::encode(body));
    }

    /// Seals and sends what a node has recorded.
    pub(crate) fn send(&mut self, node: &str) {
        let seal = v1::Seal {
            at_s: self.now_s + self.ahead_s,
            clock: v1::ClockState::Synced.into(),
            sources: self.trees[node].accounts.clone(),
            collector_checkpoint: self.checkpoint.clone(),
            seal_interval_s: self.seal_interval_s,
            stopping: std::mem::take(&mut self.stopping),
            canaries: self.canaries.clone(),
            ..v1::Seal::default()
        };
        self.leaf(node, Body::Seal(seal));
        let tree = self.trees.get_mut(node).unwrap();
        let leaves = std::mem::take(&mut tree.leaves);
        let (origin, old_size) = (tree.origin.clone(), tree.size);
        tree.size += leaves.len() as u64;
        let openings = std::mem::take(&mut tree.openings);
        let batch = v1::Batch { old_size, leaves, openings, ..v1::Batch::default() };
        let bytes = batch.encode_to_vec().into();
        let batch = Accepted { bytes, not_understood: false };
        self.push(What::Batch { origin, batch });
    }

    /// Everybody sends, and the collector publishes.
    pub(crate) fn publish(&mut self) {
        let nodes: Vec<String> = self.trees.keys().cloned().collect();
        for node in &nodes {
            if !self.trees[node].leaves.is_empty() {
                self.send(node);
            }
        }
        self.publish_only();
    }

    /// The collector publishes what it has.
    pub(crate) fn publish_only(&mut self) {
        if self.register_size < self.statements {
            self.register_size = self.statements;
            let note = note(&operator().register_origin(), self.register_size);
            self.entry(Entry::RegisterHead(v1::StatementHead { note }));
        }
        let heads: Vec<(String, u64)> = self
            .trees
            .values_mut()
            .filter(|tree| tree.logged < tree.size)
            .map(|tree| {
                tree.logged = tree.size;
                (tree.origin.to_string(), tree.size)
            })
            .collect();
        for (origin, size) in heads {
            let note = note(&origin, size);
            self.entry(Entry::AgentHead(v1::AgentHead { note }));
        }
        self.published += 1;
        let mut checkpoint = [0xcc; 32];
        checkpoint[..8].copy_from_slice(&self.published.to_be_bytes());
        self.checkpoint = checkpoint.to_vec();
        self.push(What::Published {
            log_size: self.log_size,
            register_size: self.register_size,
            checkpoint: Hash(checkpoint),
        });
    }

    pub(crate) fn archived(&mut self, exported: &crate::store::Exported) {
        let crate::store::Exported { partition, manifest, events } = exported.clone();
        let manifest = manifest.0.to_vec();
        self.entry(Entry::Archive(v1::Archive { partition, events, manifest }));
    }

    fn entry(&mut self, entry: Entry) {
        let index = self.log_size;
        self.log_size += 1;
        self.push(What::Entry { index, entry });
    }

    fn push(&mut self, what: What) {
        let position = self.committed.len() as u64;
        self.committed.push(Committed { position, at_s: self.now_s, what });
    }
}

/// A request by authority "court", in force in DE for ever, for what these tests block with.
pub(crate) fn plain(id: &str, targets: Vec<v1::RequestTarget>) -> v1::Request {
    v1::Request {
        id: id.into(),
        version: 1,
        authorisation: Some(v1::Authorisation {
            instrument: v1::Instrument::CourtOrderFinal.into(),
            basis_class: v1::BasisClass::Law.into(),
            authority: Some(v1::Authority { id: "court".into(), ..v1::Authority::default() }),
            ..v1::Authorisation::default()
        }),
        notification: Some(v1::Notification {
            form: v1::RequestForm::Letter.into(),
            ..v1::Notification::default()
        }),
        task: Some(v1::Task {
            targets,
            measure: Some(v1::Measure {
                techniques: vec![
                    v1::Technique::IpAclDrop.into(),
                    v1::Technique::DnsNxdomain.into(),
                ],
                ..v1::Measure::default()
            }),
            scope: Some(v1::Scope { territories: vec!["DE".into()], ..v1::Scope::default() }),
            effective_from_s: NOON - 1_000_000,
            ..v1::Task::default()
        }),
        status: v1::RequestStatus::Accepted.into(),
        basis_proof: v1::BasisProof::DocumentHeld.into(),
        ..v1::Request::default()
    }
}

fn by(request: &mut v1::Request, authority: &str) {
    let authority = v1::Authority { id: authority.into(), ..v1::Authority::default() };
    request.authorisation.as_mut().unwrap().authority = Some(authority);
}

pub(crate) fn attribution(node: &str, rules: &[u64], claim: &str) -> v1::Attribution {
    let claims = vec![v1::Claim::from(&claim.parse::<evidence::Claim>().unwrap())];
    v1::Attribution {
        node: node.into(),
        rules: rules.to_vec(),
        claims,
        ..v1::Attribution::default()
    }
}

fn note(origin: &str, size: u64) -> Vec<u8> {
    let key = SigningKey::new(KeyName::new(origin).unwrap(), [5; 32]);
    Checkpoint::new(origin, size, Hash([3; 32])).sign(&key).unwrap().encode()
}
