//! A small operator: one node, one person, a log and a register, all keys in its hands.
//!
//! [`Operator::tells`] is one fixed story; a [`Lie`] changes one thing in it and everything after is
//! signed anew, as somebody who holds every key would do.

use evidence::{
    AgentOrigin, batch, bundle, canonical,
    chunk::{SetBuilder, chunk_id},
    closed,
    commitment::{self, Salt},
    leaf::{self, ACTIVITY_RULE_TARGET, PROBE_TARGET, RULE_CHANGE_TARGET},
    statement::{attested_text, signed_text},
};
use prost::Message;
use remit_proto::v1::{self, leaf::Body, log_entry::Entry, statement};
use sha2::{Digest, Sha256};
use tlog::{
    Edge, Hash,
    checkpoint::Checkpoint,
    leaf_hash,
    note::{KeyName, SigningKey},
    tile::{TileKind, TilePath, encode_entries},
};
use verify::{Files, Options, Report, Trust};

/// When the story begins.
pub(crate) const T: i64 = 1_750_000_000;
const LOG: &str = "example.net/log/1";
const CASES: &str = "example.net/cases";
const REGISTER: &str = "example.net/register";
pub(crate) const AGENT: &str = "example.net/agent/edge-1/00000000000000aa";
const PERSON: &str = "p-1";
const ASN: u32 = 64_500;

/// What is told differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    /// A request for 192.0.2.9 that nobody had made is entered, as if before the block.
    BackDated,
    /// The block on 192.0.2.9 was never recorded.
    Dropped,
    /// No lie: a part of r-1 is committed and secret.
    Closed(v1::RequestPart),
}

pub(crate) struct Operator {
    log_key: SigningKey,
    register_key: SigningKey,
    node_key: SigningKey,
    person_key: SigningKey,
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) statements: Vec<Vec<u8>>,
    register_edge: Edge,
    register_shown: u64,
    pub(crate) decisions: Vec<Vec<u8>>,
    case_edge: Edge,
    case_shown: u64,
    pub(crate) leaves: Vec<Vec<u8>>,
    agent_edge: Edge,
    agent_note: Vec<u8>,
    agent_shown: u64,
    pub(crate) openings: Vec<v1::LeafOpening>,
    pub(crate) chunks: Vec<Vec<u8>>,
    pub(crate) closes: Option<v1::RequestPart>,
    document: Option<v1::Document>,
    /// What was entered last.
    entered: Option<v1::Request>,
    /// Of `chunks`, what opens closed parts.
    pub(crate) closed: Vec<Vec<u8>>,
    /// Every checkpoint published, oldest first.
    pub(crate) checkpoints: Vec<Vec<u8>>,
    /// Event index, then, now: code and request.
    pub(crate) said: Vec<(u64, &'static str, &'static str)>,
    pub(crate) at_s: i64,
    /// Salts are random elsewhere; here each is another.
    salt: u8,
}

pub(crate) fn key(name: &str, secret: u8) -> SigningKey {
    SigningKey::new(KeyName::new(name).unwrap(), [secret; 32])
}

impl Operator {
    pub(crate) fn honest() -> Self {
        Self::tells(Lie::None)
    }

    /// The story. Checkpoint 2 is the one that the assessor saves.
    pub(crate) fn tells(lie: Lie) -> Self {
        let mut operator = Self::enrolled();
        operator.publishes();
        if let Lie::Closed(part) = lie {
            operator.closes = Some(part);
        }
        operator.enters("r-1", "192.0.2.1", T, T + 1000);
        if lie == Lie::BackDated {
            operator.enters("r-2", "192.0.2.9", T, T + 1000);
        }
        operator.publishes();

        operator.at_s = T + 100;
        let set = operator.snapshot();
        let mut bodies = vec![
            operator.genesis(),
            operator.start(),
            set,
            operator.rule_change(3, "192.0.2.1", Some("r-1")),
            operator.activity(4, "192.0.2.1", Some("r-1")),
        ];
        operator.said = vec![(3, "AUTHORISED r-1", ""), (4, "AUTHORISED r-1", "")];
        match lie {
            Lie::None | Lie::Closed(_) => {
                bodies.push(operator.activity(5, "192.0.2.9", None));
                operator.said.push((5, "NO_BASIS", ""));
            }
            Lie::BackDated => {
                bodies.push(operator.activity(5, "192.0.2.9", None));
                operator.said.push((5, "AUTHORISED_MISREFERENCED r-2", ""));
            }
            Lie::Dropped => {}
        }
        operator.records(bodies);
        operator.publishes();

        operator.at_s = T + 1200;
        let next = operator.leaves.len() as u64;
        let late = operator.activity(next, "192.0.2.1", Some("r-1"));
        operator.said.push((next, "EXPIRED r-1", ""));
        operator.records(vec![late]);
        operator.publishes();
        operator
    }

    fn enrolled() -> Self {
        let mut operator = Self {
            log_key: key(LOG, 1),
            register_key: key(REGISTER, 2),
            node_key: key(AGENT, 3),
            person_key: key(PERSON, 4),
            entries: Vec::new(),
            statements: Vec::new(),
            register_edge: Edge::new(),
            register_shown: 0,
            decisions: Vec::new(),
            case_edge: Edge::new(),
            case_shown: 0,
            leaves: Vec::new(),
            agent_edge: Edge::new(),
            agent_note: Vec::new(),
            agent_shown: 0,
            openings: Vec::new(),
            chunks: Vec::new(),
            closes: None,
            document: None,
            entered: None,
            closed: Vec::new(),
            checkpoints: Vec::new(),
            said: Vec::new(),
            at_s: T,
            salt: 0,
        };
        let person = v1::PersonKey {
            person: Some(person()),
            public_key: operator.person_key.verifier().public_bytes().to_vec(),
            revoked: false,
            approver: None,
        };
        operator.logs(Entry::PersonKey(person));
        let node = v1::NodeKey {
            origin: AGENT.to_owned(),
            public_key: operator.node_key.verifier().public_bytes().to_vec(),
            revoked: false,
            revoked_from_size: 0,
            approver: None,
        };
        operator.logs(Entry::NodeKey(node));
        operator.declares();
        operator
    }

    fn declares(&mut self) {
        let point = |id: &str, observation: v1::Observation| v1::EnforcementPoint {
            id: id.to_owned(),
            technology: "nftables".to_owned(),
            observation: observation.into(),
        };
        let facts = v1::NodeFacts {
            format: 1,
            operator: "example.net".to_owned(),
            node: "edge-1".to_owned(),
            role: v1::NodeRole::Router.into(),
            country: "DE".to_owned(),
            region: "DE-BE".to_owned(),
            network_type: v1::NetworkType::Fixed.into(),
            asn: ASN,
            lines_served: 1000,
            points: vec![
                point("nft", v1::Observation::Observed),
                point("box", v1::Observation::Unobserved),
            ],
            recorded_at_s: self.at_s,
            author: Some(person()),
            ..v1::NodeFacts::default()
        };
        let facts = canonical::encode(&facts);
        let signatures = self.signed(LOG, &facts);
        self.logs(Entry::NodeFacts(v1::SignedNodeFacts { facts, signatures }));
    }

    fn signed(&self, origin: &str, bytes: &[u8]) -> Vec<v1::PersonSignature> {
        let signature = self.person_key.sign_raw(signed_text(origin, bytes).as_bytes()).to_vec();
        vec![v1::PersonSignature { person: Some(person()), signature }]
    }

    pub(crate) fn entry_count(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(crate) fn logs(&mut self, entry: Entry) {
        let entry = v1::LogEntry { format: 1, logged_at_s: self.at_s, entry: Some(entry) };
        self.entries.push(canonical::encode(&entry));
    }

    fn enters(&mut self, id: &str, ip: &str, from_s: i64, until_s: i64) {
        let mut request = v1::Request {
            id: id.to_owned(),
            version: 1,
            authorisation: Some(v1::Authorisation {
                instrument: v1::Instrument::CourtOrderFinal.into(),
                basis_class: v1::BasisClass::Law.into(),
                statement_of_reasons: "because".into(),
                ..v1::Authorisation::default()
            }),
            notification: Some(v1::Notification {
                form: v1::RequestForm::Letter.into(),
                // When the certificates of the fixtures are valid.
                received_at_s: self.document.as_ref().map_or(0, |_| 1_830_297_600),
                ..v1::Notification::default()
            }),
            task: Some(v1::Task {
                targets: vec![v1::RequestTarget {
                    target: Some(target(ip)),
                    ..v1::RequestTarget::default()
                }],
                measure: Some(v1::Measure {
                    techniques: vec![v1::Technique::IpAclDrop.into()],
                    ..v1::Measure::default()
                }),
                scope: Some(v1::Scope { territories: vec!["DE".into()], ..v1::Scope::default() }),
                effective_from_s: from_s,
                effective_until_s: until_s,
                ..v1::Task::default()
            }),
            status: v1::RequestStatus::Accepted.into(),
            basis_proof: v1::BasisProof::OperatorsWord.into(),
            documents: self.document.clone().into_iter().collect(),
            ..v1::Request::default()
        };
        if let Some(part) = self.closes {
            let part = v1::ClosedPart {
                part: part.into(),
                tier: v1::DisclosureTier::Secret.into(),
                ..v1::ClosedPart::default()
            };
            let salt = || -> Result<Salt, ()> { Ok(self.salt()) };
            self.closed = closed::close(&mut request, part, salt).unwrap().unwrap();
            self.chunks.extend(self.closed.clone());
        }
        self.imports(request);
    }

    fn imports(&mut self, request: v1::Request) {
        self.entered = Some(request.clone());
        let item = v1::RegisterItem { item: Some(v1::register_item::Item::Request(request)) };
        let items = self.set(vec![canonical::encode(&item)]);
        self.states(statement::Body::Import(v1::Import {
            items: Some(items),
            rows_read: 1,
            ..v1::Import::default()
        }));
    }

    /// The next version of what was entered last, which says that it came at another time.
    pub(crate) fn receives_again(&mut self, received_at_s: i64) {
        let last = self.entered.clone().unwrap();
        let prev_hash = register::version_digest(&last).to_vec();
        let mut next = v1::Request { version: last.version + 1, prev_hash, ..last };
        next.notification.get_or_insert_default().received_at_s = received_at_s;
        self.imports(next);
        self.publishes();
    }

    /// The next version of what was entered last, with its document in the clear.
    pub(crate) fn discloses_documents(&mut self, received_at_s: i64) {
        let last = self.entered.clone().unwrap();
        let (version, prev_hash) = (last.version + 1, register::version_digest(&last).to_vec());
        let (closed, documents) = (Vec::new(), self.document.clone().into_iter().collect());
        let mut next = v1::Request { version, prev_hash, closed, documents, ..last };
        next.notification.get_or_insert_default().received_at_s = received_at_s;
        self.imports(next);
        self.publishes();
    }

    /// After the honest story: a request with a document, and what is kept of the signature under it.
    pub(crate) fn keeps_signature(
        &mut self,
        signed: &authority::Kept,
        status: v1::SignatureStatus,
    ) {
        let authority::Kept { form: _, cms, content_digest, whole } = signed.clone();
        let form = v1::SignatureForm::DetachedCms.into();
        let item = v1::DocumentSignature { form, cms, content_digest, whole };
        let signature = Some(self.set(vec![canonical::encode(&item)]));
        let document = v1::Document {
            digest: Sha256::digest(authority_file("order.txt")).to_vec(),
            signature_status: status.into(),
            anchor_digest: vec![7; 32],
            signature,
            ..v1::Document::default()
        };
        self.document = Some(document);
        self.enters("r-9", "203.0.113.9", T, T + 1000);
        self.publishes();
    }

    pub(crate) fn suspends(&mut self, id: &str) {
        self.states(statement::Body::Transition(v1::Transition {
            request_id: id.to_owned(),
            kind: v1::TransitionKind::Suspend.into(),
            ..v1::Transition::default()
        }));
        self.publishes();
    }

    /// After the honest story: a person says what the rule rests on that claimed nothing.
    pub(crate) fn attributes(&mut self, signer: v1::PersonRef) {
        let claims = vec![v1::Claim { claim: Some(v1::claim::Claim::RequestId("r-1".into())) }];
        let body = statement::Body::Attribution(v1::Attribution {
            node: "edge-1".into(),
            rules: vec![2],
            claims,
            ..v1::Attribution::default()
        });
        self.states_as(signer, body);
        self.publishes();
        self.said[2] = (5, "NO_BASIS", "OUT_OF_SCOPE_TARGET r-1 1");
    }

    pub(crate) fn starts_with_basis_map(&mut self, digest: u8) {
        let Body::Start(mut start) = self.start() else { return };
        start.basis_map_digest = vec![digest; 32];
        self.records(vec![Body::Start(start)]);
        self.publishes();
    }

    /// A probe in the operator's network reached an address.
    pub(crate) fn is_probed(&mut self, ip: &str, at_s: i64) {
        let target = self.opens(self.leaves.len() as u64, PROBE_TARGET, ip);
        let probe = v1::Probe {
            at_s,
            result: v1::ProbeResult::Reached.into(),
            measurement_digest: vec![9; 32],
            asn: ASN,
            target,
            ..v1::Probe::default()
        };
        self.records(vec![Body::Probe(probe)]);
        self.publishes();
    }

    pub(crate) fn states_basis_map(&mut self, digest: u8) {
        let nodes = vec!["edge-1".to_owned()];
        let digest = vec![digest; 32];
        self.states(statement::Body::BasisMap(v1::BasisMap { digest, nodes }));
        self.publishes();
    }

    /// A time to wait for late registers, and in it a block that names what the register does not hold.
    pub(crate) fn waits_for_late_requests(&mut self, grace_s: u32) {
        self.states(statement::Body::LateRegister(v1::LateRegister { grace_s }));
        self.publishes();
        self.at_s += 10;
        let next = self.leaves.len() as u64;
        let early = self.activity(next, "192.0.2.7", Some("r-7"));
        self.said.push((next, "UNDETERMINED(late_register)", ""));
        self.records(vec![early]);
        self.publishes();
    }

    /// An approval by login, attested by the register's key or by that of another secret.
    pub(crate) fn attests(&mut self, person: v1::PersonRef, secret: Option<u8>) {
        let means = v1::ApprovalMeans::AttestedByCollector.into();
        let statement = canonical::encode(&v1::Statement {
            format: 1,
            origin: REGISTER.to_owned(),
            recorded_at_s: self.at_s,
            effective_at_s: self.at_s,
            author: Some(person),
            approver: None,
            body: Some(statement::Body::Approval(v1::Approval {
                statement: 0,
                digest: vec![7; 32],
                means,
            })),
        });
        let other = secret.map(|secret| key(REGISTER, secret));
        let by = other.as_ref().unwrap_or(&self.register_key);
        let attestation = by.sign_raw(attested_text(REGISTER, &statement).as_bytes()).to_vec();
        let signed = v1::SignedStatement { statement, signatures: Vec::new(), attestation };
        let bytes = canonical::encode(&signed);
        self.register_edge.append(leaf_hash(&bytes));
        self.statements.push(bytes);
        self.publishes();
    }

    fn states(&mut self, body: statement::Body) {
        self.states_as(person(), body);
    }

    fn states_as(&mut self, author: v1::PersonRef, body: statement::Body) {
        let bytes = self.statement(REGISTER, author, body);
        self.register_edge.append(leaf_hash(&bytes));
        self.statements.push(bytes);
    }

    fn statement(&self, origin: &str, author: v1::PersonRef, body: statement::Body) -> Vec<u8> {
        let statement = v1::Statement {
            format: 1,
            origin: origin.to_owned(),
            recorded_at_s: self.at_s,
            effective_at_s: self.at_s,
            author: Some(author.clone()),
            approver: None,
            body: Some(body),
        };
        let statement = canonical::encode(&statement);
        let mut signatures = self.signed(origin, &statement);
        for signature in &mut signatures {
            signature.person = Some(author.clone());
        }
        canonical::encode(&v1::SignedStatement { statement, signatures, attestation: Vec::new() })
    }

    fn set(&mut self, items: Vec<Vec<u8>>) -> v1::ItemSet {
        let mut builder = SetBuilder::new();
        for item in items {
            let salt = self.salt();
            self.chunks.extend(builder.push(salt, item));
        }
        let (set, last) = builder.finish();
        self.chunks.extend(last);
        set
    }

    fn salt(&mut self) -> Salt {
        self.salt = self.salt.wrapping_add(1);
        Salt([self.salt; 16])
    }

    fn genesis(&self) -> Body {
        Body::Genesis(v1::Genesis {
            format: 1,
            operator: "example.net".into(),
            node: "edge-1".into(),
            generation: 0xaa,
            durability: v1::Durability::Disk.into(),
            individual_actions: true,
            reason: v1::GenerationReason::Enrolled.into(),
            at_s: self.at_s,
            lines_served: 1000,
            k: 10,
            ..v1::Genesis::default()
        })
    }

    fn start(&self) -> Body {
        Body::Start(v1::Start {
            at_s: self.at_s,
            boot_id: vec![7; 16],
            agent_version: "0.1.0".into(),
            kernel_version: "6.1".into(),
            config_digest: vec![8; 32],
            sandbox: Some(v1::Sandbox::default()),
            sources: vec![v1::SourceKind::Nftables.into()],
            ..v1::Start::default()
        })
    }

    fn snapshot(&mut self) -> Body {
        let rule = v1::SnapshotRule {
            rule: Some(rule(Some("r-1"))),
            target: Some(target("192.0.2.1")),
            native: "ip daddr 192.0.2.1 drop".into(),
        };
        let rules = self.set(vec![rule.encode_to_vec()]);
        Body::RuleSnapshot(v1::RuleSnapshot {
            source: v1::SourceKind::Nftables.into(),
            at_s: self.at_s,
            source_generation: 1,
            rules: Some(rules),
            ..v1::RuleSnapshot::default()
        })
    }

    fn opens(&mut self, index: u64, field: u32, ip: &str) -> Vec<u8> {
        let (hash, opening) = commitment::make(field, self.salt(), target(ip).encode_to_vec());
        self.openings.push(v1::LeafOpening { index, opening: Some(opening) });
        hash
    }

    fn rule_change(&mut self, index: u64, ip: &str, claim: Option<&str>) -> Body {
        Body::RuleChange(v1::RuleChange {
            kind: v1::RuleChangeKind::Installed.into(),
            at_s: self.at_s,
            rule: Some(rule(claim)),
            rule_target: self.opens(index, RULE_CHANGE_TARGET, ip),
            changed_by: "nft".into(),
            source_generation: 2,
            ..v1::RuleChange::default()
        })
    }

    fn activity(&mut self, index: u64, ip: &str, claim: Option<&str>) -> Body {
        Body::Activity(v1::Activity {
            rule: Some(rule(claim)),
            response: Some(v1::Response { response: Some(v1::response::Response::Silent(true)) }),
            rule_target: self.opens(index, ACTIVITY_RULE_TARGET, ip),
            hits: 1,
            window_start_s: self.at_s,
            first_s: self.at_s,
            last_s: self.at_s,
            ..v1::Activity::default()
        })
    }

    /// One batch: the bodies and a seal that names the newest checkpoint.
    fn records(&mut self, bodies: Vec<Body>) {
        let seal = Body::Seal(v1::Seal {
            at_s: self.at_s + 1,
            clock: v1::ClockState::Synced.into(),
            collector_checkpoint: self
                .checkpoints
                .last()
                .map(|note| Sha256::digest(note).to_vec())
                .unwrap_or_default(),
            seal_interval_s: 30,
            ..v1::Seal::default()
        });
        let leaves: Vec<Vec<u8>> = bodies.into_iter().chain([seal]).map(leaf::encode).collect();
        self.leaves.extend(leaves.iter().cloned());
        let origin: AgentOrigin = AGENT.parse().unwrap();
        let closed =
            batch::close(&mut self.agent_edge, &self.node_key, &origin, leaves, vec![]).unwrap();
        self.agent_note = closed.note;
    }

    pub(crate) fn publishes(&mut self) {
        self.at_s += 1;
        if self.register_shown < self.register_edge.size() {
            self.register_shown = self.register_edge.size();
            let note = self.register_note();
            self.logs(Entry::RegisterHead(v1::StatementHead { note }));
        }
        if self.case_shown < self.case_edge.size() {
            self.case_shown = self.case_edge.size();
            let note = self.case_note();
            self.logs(Entry::CaseHead(v1::StatementHead { note }));
        }
        if self.agent_shown < self.agent_edge.size() {
            self.agent_shown = self.agent_edge.size();
            let note = self.agent_note.clone();
            self.logs(Entry::AgentHead(v1::AgentHead { note }));
        }
        let note = self.log_note();
        self.checkpoints.push(note);
    }

    /// By the register's key, under the name of the case log.
    fn case_note(&self) -> Vec<u8> {
        let head = Checkpoint::new(CASES, self.case_edge.size(), self.case_edge.root());
        head.sign(&key(CASES, 2)).unwrap().encode()
    }

    /// A person says something of the finding on rule 2, and it is published.
    pub(crate) fn decides(&mut self, author: v1::PersonRef, act: v1::DecisionAct, note: &str) {
        let reason = match act {
            v1::DecisionAct::Reopen => v1::DecisionReason::NewEvidence,
            _ => v1::DecisionReason::ThirdParty,
        };
        let item = canonical::encode(&v1::CaseNote { text: note.to_owned() });
        let note = (!note.is_empty()).then(|| self.set(vec![item]));
        let subject = v1::FindingSubject {
            code: "NO_BASIS".into(),
            node: "edge-1".into(),
            generation: "00000000000000aa".into(),
            rule: 2,
            ..v1::FindingSubject::default()
        };
        let decision = v1::Decision {
            subject: Some(subject),
            act: act.into(),
            reason: reason.into(),
            log_size: self.entries.len() as u64,
            note,
        };
        let bytes = self.statement(CASES, author, statement::Body::Decision(decision));
        self.case_edge.append(leaf_hash(&bytes));
        self.decisions.push(bytes);
        self.publishes();
    }

    /// Somebody with another role, by the same key.
    pub(crate) fn enrols(&mut self, id: &str, role: v1::Role) -> v1::PersonRef {
        let person = v1::PersonRef { person: id.to_owned(), role: role.into() };
        let public_key = self.person_key.verifier().public_bytes().to_vec();
        let key =
            v1::PersonKey { person: Some(person.clone()), public_key, ..v1::PersonKey::default() };
        self.logs(Entry::PersonKey(key));
        person
    }

    fn register_note(&self) -> Vec<u8> {
        let head = Checkpoint::new(REGISTER, self.register_edge.size(), self.register_edge.root());
        head.sign(&self.register_key).unwrap().encode()
    }

    /// Signs whatever the entries are now.
    pub(crate) fn log_note(&self) -> Vec<u8> {
        let hashes: Vec<Hash> = self.entries.iter().map(|e| leaf_hash(e)).collect();
        let head = Checkpoint::new(LOG, hashes.len() as u64, tlog::root_of(&hashes));
        head.sign(&self.log_key).unwrap().encode()
    }

    pub(crate) fn bundle(&self) -> Files {
        let mut files = Files::new();
        files.insert(bundle::MANIFEST.into(), b"{\"format\":1}\n".to_vec());
        files.insert(bundle::LIMITS.into(), b"much\n".to_vec());
        tree(&mut files, bundle::LOG, &self.log_note(), &self.entries);
        tree(&mut files, bundle::REGISTER, &self.register_note(), &self.statements);
        if self.case_shown > 0 {
            tree(&mut files, bundle::CASES, &self.case_note(), &self.decisions);
        }
        let folder = bundle::agent_folder(&AGENT.parse().unwrap());
        tree(&mut files, &folder, &self.agent_note, &self.leaves);
        let openings: Vec<u8> =
            self.openings.iter().flat_map(Message::encode_length_delimited_to_vec).collect();
        files.insert(format!("{folder}/{}", bundle::OPENINGS), openings);
        for chunk in &self.chunks {
            files.insert(bundle::chunk_name(&chunk_id(chunk)), chunk.clone());
        }
        let mut named = Vec::new();
        // As the collector does: only those that a seal names, so that each of them is needed.
        let is_named = |note: &&Vec<u8>| {
            let digest = Sha256::digest(note);
            self.leaves.iter().any(|leaf| leaf.windows(32).any(|part| part == digest.as_slice()))
        };
        for note in self.checkpoints.iter().filter(is_named) {
            named.extend_from_slice(&(note.len() as u32).to_be_bytes());
            named.extend_from_slice(note);
        }
        files.insert(format!("{}/{}", bundle::LOG, bundle::CHECKPOINTS), named);
        files.insert(bundle::VERDICTS.into(), self.verdict_lines().into_bytes());
        files
    }

    fn verdict_lines(&self) -> String {
        let verdict = |said: &str| {
            let (code, rest) = said.split_once(' ').unwrap_or((said, ""));
            let (request, by) = rest.split_once(' ').unwrap_or((rest, ""));
            let by = if by.is_empty() { String::new() } else { format!(",\"attributed\":{by}") };
            format!("{{\"code\":\"{code}\",\"request\":\"{request}\"{by}}}")
        };
        let line = |(index, then, now): &(u64, &str, &str)| {
            let now = if now.is_empty() { then } else { now };
            format!(
                "{{\"event\":\"edge-1/00000000000000aa/{index}\",\"then\":{},\"now\":{}}}\n",
                verdict(then),
                verdict(now)
            )
        };
        self.said.iter().map(line).collect()
    }
}

fn tree(files: &mut Files, folder: &str, note: &[u8], entries: &[Vec<u8>]) {
    files.insert(format!("{folder}/checkpoint"), note.to_vec());
    for (index, group) in (0..).zip(entries.chunks(256)) {
        let path = TilePath { kind: TileKind::Entries, index, width: group.len() as u16 };
        files.insert(format!("{folder}/{path}"), encode_entries(group).unwrap());
    }
}

/// A fixture of the crate that checks signatures.
pub(crate) fn authority_file(name: &str) -> Vec<u8> {
    let testdata = concat!(env!("CARGO_MANIFEST_DIR"), "/../authority/testdata");
    std::fs::read(format!("{testdata}/{name}")).unwrap()
}

pub(crate) fn person() -> v1::PersonRef {
    v1::PersonRef { person: PERSON.into(), role: v1::Role::Operator.into() }
}

fn target(ip: &str) -> v1::Target {
    v1::Target { kind: v1::TargetKind::Ip.into(), value: ip.into() }
}

fn rule(claim: Option<&str>) -> v1::Rule {
    let claims: Vec<v1::Claim> = claim
        .into_iter()
        .map(|id| v1::Claim { claim: Some(v1::claim::Claim::RequestId(id.into())) })
        .collect();
    let origin = if claims.is_empty() { v1::ClaimOrigin::None } else { v1::ClaimOrigin::Carried };
    v1::Rule {
        number: if claim.is_some() { 1 } else { 2 },
        source: v1::SourceKind::Nftables.into(),
        technique: v1::Technique::IpAclDrop.into(),
        trigger: v1::Trigger::Destination.into(),
        direction: v1::Direction::ToTarget.into(),
        actor: v1::Actor::OperatorStaff.into(),
        claims,
        claim_origin: origin.into(),
        narrowed: false,
        counted: true,
        names_sampled: false,
        rate_bits_per_s: 0,
    }
}

/// What the assessor brings, with the checkpoints that he saved.
pub(crate) fn trust(old_checkpoints: &[&[u8]]) -> Trust {
    Trust {
        log: key(LOG, 1).verifier(),
        register: key(REGISTER, 2).verifier(),
        witnesses: None,
        anchors: Vec::new(),
        old_checkpoints: old_checkpoints
            .iter()
            .enumerate()
            .map(|(number, note)| (format!("saved-{number}"), note.to_vec()))
            .collect(),
    }
}

/// Without witnesses, and content with that.
pub(crate) fn check(files: &Files, old_checkpoints: &[&[u8]]) -> Report {
    let options = Options { quorum_none: true };
    verify::verify(files, &trust(old_checkpoints), &options)
}

/// Whether some line of this outcome holds these words.
pub(crate) fn says(report: &Report, outcome: verify::Outcome, words: &str) -> bool {
    report.lines.iter().any(|line| line.outcome == outcome && line.text.contains(words))
}
