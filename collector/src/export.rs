//! The bundle: evidence to take away. Reads what the log has made durable, and nothing else.
//!
//! **In**: which nodes, whether openings are withheld, and the clearance of the reader. **Out**: a tar archive
//! as `evidence::bundle` describes it, of the history up to the newest published checkpoint. The log
//! and the register are always whole; agents' trees that were not asked for are named as left out.
//!
//! Leaves name the requests that their rules claim, and openings put targets beside them. So where the veil of
//! answers hides the targets of any request from this clearance, openings and snapshots are withheld from all
//! leaves, as if that had been asked for; and of the register, what holds those targets in the clear. Not of the
//! leaves of those requests alone: a leaf is a request's by its claim, by that of another leaf of its rule, by an
//! attribution or by a list, and one way forgotten would show what is closed.
//!
//! No byte of it leaves before an `Export` entry, which names who asked and the bundle's manifest, is
//! durable in the log: whoever takes evidence away leaves a trace. The bundle itself ends before it.
//!
//! Not done here: a bundle is held in memory as a whole while it is made.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::mpsc::SyncSender,
};

use evidence::{
    AgentOrigin, Leaf, bundle,
    chunk::chunk_id,
    statement::{SignedStatement, decode_signed, item_set},
};
use prost::Message;
use register::cases::Note;
use remit_proto::v1::{
    self, ExportRequest, ExportResponse, GetCheckpointRequest, GetCheckpointResponse,
    evidence_service_server::EvidenceService, leaf::Body, register_item::Item,
};
use serde::Serialize;
use tlog::{
    Hash,
    tile::{self, TileKind, TilePath},
};
use tokio::sync::watch;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{Code, Request, Response, Status};

use crate::{
    access::{Access, Caller, Operation, clearance, sees},
    cases::note_of,
    committed::Chunks,
    ingest::ask,
    log::{
        chunks::ChunkFiles,
        command::Command,
        journal::{self, JournalError, Record},
        openings,
        publish::{Exposed, journal_dir},
        state::head_of,
    },
    query::{QueryHandle, Veil},
    registers,
    serve::chain,
    status::refuse,
};

/// Bytes of one message of the stream.
const PART_SIZE: usize = 256 * 1024;
/// A publish takes milliseconds, and judging old events again mostly too; this is ten seconds of them.
const ATTEMPTS_MAX: u32 = 200;
const ATTEMPT: std::time::Duration = std::time::Duration::from_millis(50);

pub struct EvidenceEdge {
    pub access: Access,
    pub writer: SyncSender<Command>,
    pub dir: PathBuf,
    pub chunks: ChunkFiles,
    pub query: QueryHandle,
    pub published: watch::Receiver<Exposed>,
    pub vkeys: (String, String),
}

/// For people and for re-creating the request; a verifier trusts none of it.
#[derive(Debug, Serialize)]
struct Manifest {
    format: u32,
    operator: String,
    log_vkey: String,
    register_vkey: String,
    population: String,
    nodes: Vec<String>,
    /// Trees that the log names and this bundle leaves out, because they were not asked for.
    left_out: Vec<String>,
    leaves: u64,
    openings_held: u64,
    openings_withheld: bool,
    /// Hidden from the clearance that was asked for; if there are any, openings are withheld.
    requests_with_hidden_targets: u64,
    chunks_held: u64,
    chunks_not_held: u64,
    /// Above the clearance that was asked for: parts of requests; imports of requests whose existence is
    /// closed, or that name targets which are closed by now; versions of lists that such requests cover.
    closed_parts_withheld: u64,
    imports_withheld: u64,
    list_versions_withheld: u64,
    matcher_version: &'static str,
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the evidence cannot be read")]
    Io(#[from] std::io::Error),
    #[error("no checkpoint of log size {log_size} was published; try again in a few seconds")]
    NotPublished { log_size: u64 },
    #[error("nodes: the log holds no head of {node:?}; remit nodes list shows those that it knows")]
    UnknownNode { node: String },
    #[error("an entry does not fit its bundle")]
    Bundle(#[from] tile::InvalidBundle),
    #[error("the manifest cannot be written")]
    Json(#[from] serde_json::Error),
    #[error("the register does not read back")]
    Register(#[from] register::InvalidStatement),
}

/// One tree of an agent, as far as it is logged.
#[derive(Default)]
struct AgentTree {
    leaves: Vec<Vec<u8>>,
    /// (first index, count, received at) of each batch, to find its openings.
    batches: Vec<(u64, u64, i64)>,
    notes: HashMap<u64, Vec<u8>>,
    logged_size: u64,
}

#[derive(Default)]
struct Gathered {
    entries: Vec<Vec<u8>>,
    statements: Vec<Vec<u8>>,
    decisions: Vec<Vec<u8>>,
    agents: BTreeMap<AgentOrigin, AgentTree>,
    checkpoints: HashMap<Hash, Vec<u8>>,
    newest: Vec<u8>,
    register_size: u64,
    register_note: Vec<u8>,
    case_size: u64,
    case_note: Vec<u8>,
}

/// A bundle, and the SHA-256 of its manifest.
pub struct Made {
    pub bytes: Vec<u8>,
    pub manifest: Hash,
}

/// Makes the bundle of the history up to the checkpoint of this log size, to which the verdicts
/// belong. `now_s` says which secrecy has ended.
pub fn make(
    dir: &Path,
    chunks: &ChunkFiles,
    vkeys: &(String, String),
    request: &ExportRequest,
    (log_size, verdicts, now_s): (u64, &str, i64),
) -> Result<Made, ExportError> {
    let mut gathered = gather(dir, log_size)?;
    if gathered.newest.is_empty() {
        return Err(ExportError::NotPublished { log_size });
    }
    let not_logged = |node: &&String| {
        !gathered
            .agents
            .iter()
            .any(|(origin, tree)| origin.node.as_str() == **node && tree.logged_size > 0)
    };
    if let Some(unknown) = request.nodes.iter().find(not_logged) {
        return Err(ExportError::UnknownNode { node: unknown.chars().take(80).collect() });
    }
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut manifest = Manifest {
        format: evidence::FORMAT,
        operator: String::new(),
        log_vkey: vkeys.0.clone(),
        register_vkey: vkeys.1.clone(),
        population: population(request),
        nodes: Vec::new(),
        left_out: Vec::new(),
        leaves: 0,
        openings_held: 0,
        openings_withheld: false,
        requests_with_hidden_targets: 0,
        chunks_held: 0,
        chunks_not_held: 0,
        closed_parts_withheld: 0,
        imports_withheld: 0,
        list_versions_withheld: 0,
        matcher_version: register::MATCHER_VERSION,
    };
    put_tree(&mut files, bundle::LOG, &gathered.newest, &gathered.entries)?;
    if !gathered.register_note.is_empty() {
        let note = &gathered.register_note;
        put_tree(&mut files, bundle::REGISTER, note, &gathered.statements)?;
    }
    if !gathered.case_note.is_empty() {
        put_tree(&mut files, bundle::CASES, &gathered.case_note, &gathered.decisions)?;
    }
    let statements = gathered.statements.iter().chain(&gathered.decisions);
    let statements: Vec<OfStatement> = statements
        .map(|statement| chunks_of_statement(chunks, statement, request.clearance(), now_s))
        .collect();
    let is_veiled = |found: &OfStatement| found.hides_targets || found.parts_withheld > 0;
    let veil = if statements.iter().any(is_veiled) {
        veil(chunks, &gathered.statements, request.clearance(), now_s)?
    } else {
        Veil::default()
    };
    manifest.requests_with_hidden_targets = veil.targetless_count();
    let withhold_openings = request.withhold_openings || veil.targetless_count() > 0;
    manifest.openings_withheld = withhold_openings;
    // Each with whether it is withheld, which one of those that name it is enough for: chunks name targets, those
    // of snapshots beside what rules claim.
    let mut wanted_chunks: BTreeMap<Hash, bool> = BTreeMap::new();
    let mut want = |id: Hash, withheld: bool| *wanted_chunks.entry(id).or_default() |= withheld;
    for found in statements {
        let OfStatement {
            chunks,
            import_withheld,
            parts_withheld,
            hides_targets: _,
            targets_of,
            changes_of,
            words_of,
            says,
        } = found;
        let named = targets_of.iter().any(|id| veil.hides_targets(id));
        let listed = changes_of.is_some_and(|list| veil.hides_targets_of_list(&list));
        manifest.imports_withheld += u64::from(import_withheld || named);
        manifest.list_versions_withheld += u64::from(listed);
        manifest.closed_parts_withheld += parts_withheld;
        // They go with the remarks of their request, and nothing is said beside a request without targets, nor
        // anything that names one, wherever it was said.
        let unsaid = words_of.is_some_and(|id| {
            veil.hides_part(&id, v1::RequestPart::Remarks) || veil.hides_targets(&id)
        }) || says.iter().any(|text| veil.is_named_in(text));
        manifest.closed_parts_withheld += u64::from(unsaid);
        let withheld = request.withhold_openings || named || listed || unsaid;
        chunks.into_iter().for_each(|id| want(id, withheld));
    }
    let mut named: BTreeSet<Hash> = BTreeSet::new();
    let mut held = openings::Reader::new(dir.join("openings"));
    for (origin, tree) in &mut gathered.agents {
        manifest.operator = origin.operator.to_string();
        if tree.logged_size == 0 {
            // Not in the log yet at this checkpoint.
            continue;
        }
        let asked = request.nodes.is_empty()
            || request.nodes.iter().any(|node| node == origin.node.as_str());
        if !asked {
            manifest.left_out.push(origin.to_string());
            continue;
        }
        tree.leaves.truncate(usize::try_from(tree.logged_size).unwrap_or(usize::MAX));
        let folder = bundle::agent_folder(origin);
        let note = tree.notes.get(&tree.logged_size).cloned().unwrap_or_default();
        put_tree(&mut files, &folder, &note, &tree.leaves)?;
        manifest.nodes.push(origin.to_string());
        manifest.leaves += tree.leaves.len() as u64;
        for leaf in &tree.leaves {
            match Leaf::decode(leaf) {
                Ok(Leaf::Known(Body::RuleSnapshot(snapshot))) => {
                    let set = snapshot.rules.unwrap_or_default();
                    let ids = set.chunks.iter().filter_map(|id| Hash::from_slice(id));
                    ids.for_each(|id| want(id, withhold_openings));
                }
                Ok(Leaf::Known(Body::Seal(seal))) => {
                    named.extend(Hash::from_slice(&seal.collector_checkpoint));
                }
                _ => {}
            }
        }
        if !withhold_openings {
            let bytes = openings_of(&mut held, origin, tree, &mut manifest.openings_held)?;
            files.insert(format!("{folder}/{}", bundle::OPENINGS), bytes);
        }
    }
    for (id, withheld) in wanted_chunks {
        match chunks.chunk(&id).filter(|_| !withheld) {
            Some(bytes) => {
                manifest.chunks_held += 1;
                files.insert(bundle::chunk_name(&id), bytes);
            }
            None => manifest.chunks_not_held += 1,
        }
    }
    let mut checkpoints = Vec::new();
    for note in named.iter().filter_map(|id| gathered.checkpoints.get(id)) {
        let size = u32::try_from(note.len()).unwrap_or(0);
        checkpoints.extend_from_slice(&size.to_be_bytes());
        checkpoints.extend_from_slice(note);
    }
    files.insert(format!("{}/{}", bundle::LOG, bundle::CHECKPOINTS), checkpoints);
    if !withhold_openings {
        files.insert(bundle::VERDICTS.to_owned(), verdicts.as_bytes().to_vec());
    }
    files.insert(bundle::LIMITS.to_owned(), evidence::limits::text().into_bytes());
    let mut json = serde_json::to_vec_pretty(&manifest)?;
    json.push(b'\n');
    let manifest = chunk_id(&json);
    files.insert(bundle::MANIFEST.to_owned(), json);
    Ok(Made { bytes: archive(&files)?, manifest })
}

fn population(request: &ExportRequest) -> String {
    if request.nodes.is_empty() {
        "every leaf of every agent's tree, up to the newest head in the log".to_owned()
    } else {
        format!(
            "every leaf of the nodes {}, up to the newest head in the log",
            request.nodes.join(", ")
        )
    }
}

fn gather(dir: &Path, log_size: u64) -> Result<Gathered, ExportError> {
    let mut all = Gathered::default();
    journal::read::<ExportError>(&journal_dir(dir), |_, record| {
        match record {
            Record::Batch(record) => {
                let Ok(batch) = v1::Batch::decode(record.batch.as_slice()) else { return Ok(()) };
                let Ok(origin) = record.origin.parse() else { return Ok(()) };
                let tree = all.agents.entry(origin).or_default();
                let count = batch.leaves.len() as u64;
                tree.batches.push((batch.old_size, count, record.received_at_s));
                tree.notes.insert(batch.old_size + count, batch.note);
                tree.leaves.extend(batch.leaves);
            }
            Record::LogEntry(record) => all.entries.push(record.entry),
            Record::Statement(record) => all.statements.push(record.entry),
            Record::Decision(record) => all.decisions.push(record.entry),
            Record::Published(record) => {
                all.checkpoints.insert(chunk_id(&record.checkpoint), record.checkpoint.clone());
                if head_of(&record.checkpoint).is_some_and(|head| head.size == log_size) {
                    all.register_size = record.register_size;
                    all.case_size = record.case_size;
                    all.newest = record.checkpoint;
                }
            }
        }
        Ok(())
    })?;
    // What was committed after that checkpoint is not in this bundle.
    all.entries.truncate(usize::try_from(log_size).unwrap_or(usize::MAX));
    all.statements.truncate(usize::try_from(all.register_size).unwrap_or(usize::MAX));
    all.decisions.truncate(usize::try_from(all.case_size).unwrap_or(usize::MAX));
    for entry in &all.entries {
        let Ok(evidence::log_entry::LogEntry::Known { entry, .. }) =
            evidence::log_entry::LogEntry::decode(entry)
        else {
            continue;
        };
        match entry {
            v1::log_entry::Entry::AgentHead(v1::AgentHead { note }) => {
                let Some(head) = head_of(&note) else { continue };
                let Ok(origin) = head.origin.parse() else { continue };
                if let Some(tree) = all.agents.get_mut(&origin) {
                    tree.logged_size = tree.logged_size.max(head.size);
                }
            }
            v1::log_entry::Entry::RegisterHead(v1::StatementHead { note }) => {
                all.register_note = note;
            }
            v1::log_entry::Entry::CaseHead(v1::StatementHead { note }) => all.case_note = note,
            _ => {}
        }
    }
    Ok(all)
}

fn put_tree(
    files: &mut BTreeMap<String, Vec<u8>>,
    folder: &str,
    note: &[u8],
    entries: &[Vec<u8>],
) -> Result<(), ExportError> {
    files.insert(format!("{folder}/{}", bundle::CHECKPOINT), note.to_vec());
    for (index, group) in (0_u64..).zip(entries.chunks(256)) {
        let width = u16::try_from(group.len()).unwrap_or(256);
        let path = TilePath { kind: TileKind::Entries, index, width };
        files.insert(format!("{folder}/{path}"), tile::encode_entries(group)?);
    }
    Ok(())
}

fn openings_of(
    held: &mut openings::Reader,
    origin: &AgentOrigin,
    tree: &AgentTree,
    count: &mut u64,
) -> Result<Vec<u8>, ExportError> {
    let mut bytes = Vec::new();
    for (from, leaves, received_at_s) in &tree.batches {
        if *from >= tree.logged_size {
            break;
        }
        for opening in held.of(&origin.to_string(), *from, *leaves, *received_at_s)? {
            bytes.extend(opening.encode_length_delimited_to_vec());
            *count += 1;
        }
    }
    Ok(bytes)
}

/// What the reader of answers does not see of this register.
fn veil(
    chunks: &ChunkFiles,
    statements: &[Vec<u8>],
    clearance: v1::DisclosureTier,
    now_s: i64,
) -> Result<Veil, ExportError> {
    let known = |bytes: &Vec<u8>| match decode_signed(bytes) {
        Ok(SignedStatement::Known { statement, .. }) => Some(statement),
        Ok(SignedStatement::NotUnderstood { .. }) | Err(_) => None,
    };
    let Some(first) = statements.iter().find_map(known) else { return Ok(Veil::default()) };
    let mut register = register::Register::new(first.origin);
    for bytes in statements {
        match known(bytes) {
            Some(statement) => {
                let items = registers::held_items(chunks, &statement)?;
                register.take_in(&statement, items.as_ref())?;
            }
            None => register.apply_not_understood(),
        }
    }
    Ok(Veil::new(register.view(), clearance, now_s))
}

#[derive(Default)]
struct OfStatement {
    chunks: BTreeSet<Hash>,
    import_withheld: bool,
    parts_withheld: u64,
    /// Above the clearance: those of a request, or that it exists.
    hides_targets: bool,
    /// Requests of which its items name targets in the clear.
    targets_of: BTreeSet<String>,
    /// The list of which they are entries.
    changes_of: Option<String>,
    /// The request of a step, or of the finding of a decision, whose words are its items.
    words_of: Option<String>,
    /// These words.
    says: Vec<String>,
}

/// The items of a statement and the closed parts in them, as far as the clearance reaches.
fn chunks_of_statement(
    chunks: &ChunkFiles,
    bytes: &[u8],
    clearance: v1::DisclosureTier,
    now_s: i64,
) -> OfStatement {
    let mut found = OfStatement::default();
    let Ok(SignedStatement::Known { statement, .. }) = decode_signed(bytes) else {
        return found;
    };
    let shown = |tier, until_s: i64| {
        sees(clearance, tier, Some(until_s).filter(|until_s| *until_s != 0), now_s)
    };
    let ids = |set: &v1::ItemSet| -> Vec<Hash> {
        set.chunks.iter().filter_map(|id| Hash::from_slice(id)).collect()
    };
    match &statement.body {
        Some(v1::statement::Body::Import(import))
            if !shown(import.existence(), import.existence_until_s) =>
        {
            found.import_withheld = true;
            found.hides_targets = true;
            return found;
        }
        Some(v1::statement::Body::ListVersion(version)) => {
            found.changes_of = Some(version.list_id.clone());
        }
        Some(v1::statement::Body::Transition(stated)) => {
            found.words_of = stated.said.is_some().then(|| stated.request_id.clone());
        }
        Some(v1::statement::Body::Decision(decided)) => {
            let about = decided.subject.as_ref().filter(|_| decided.note.is_some());
            let about = about.map(|subject| subject.request_id.clone());
            found.words_of = about.filter(|id| !id.is_empty());
            if let Note::Text(text) = note_of(chunks, &statement) {
                found.says.push(text);
            }
        }
        _ => {}
    }
    found.chunks.extend(item_set(statement.body.as_ref()).into_iter().flat_map(ids));
    // As far as chunks are held, and then no further.
    let _ = registers::each_item(chunks, &statement, |item, opened| {
        match item.item {
            Some(Item::Request(request)) => {
                let mut documents = request.documents.clone();
                if names_targets(&request) {
                    found.targets_of.insert(request.id.clone());
                }
                for part in &request.closed {
                    if shown(part.tier(), part.until_s) {
                        found.chunks.extend(part.opening.iter().flat_map(ids));
                        let fields = opened.iter().filter(|opened| opened.part == part.part);
                        let fields = fields.filter_map(|opened| opened.fields.as_ref());
                        documents.extend(fields.flat_map(|fields| fields.documents.clone()));
                    } else {
                        found.parts_withheld += 1;
                        found.hides_targets |= part.part() == v1::RequestPart::Targets;
                    }
                }
                let signatures = documents.iter().filter_map(|d| d.signature.as_ref());
                found.chunks.extend(signatures.flat_map(ids));
            }
            Some(Item::Targets(block)) => {
                found.targets_of.insert(block.request_id);
            }
            Some(Item::Said(v1::StatedTexts { reason, text, escalation })) => {
                found.says.extend([reason, text, escalation]);
            }
            Some(Item::Opened(_) | Item::Attribution(_) | Item::ListChanges(_)) | None => {}
        }
        Ok(())
    });
    found
}

/// In the clear, also those that the operator did not accept.
fn names_targets(request: &v1::Request) -> bool {
    request.task.as_ref().is_some_and(|task| !task.targets.is_empty())
        || request.decision.as_ref().is_some_and(|decision| !decision.not_accepted.is_empty())
}

/// Sorted names, times zero, one owner: the same evidence makes the same bytes.
fn archive(files: &BTreeMap<String, Vec<u8>>) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        builder.append_data(&mut header, name, bytes.as_slice())?;
    }
    builder.into_inner()
}

fn status(error: ExportError) -> Status {
    let message = error.to_string();
    match error {
        ExportError::UnknownNode { node: _ } => {
            refuse(Code::InvalidArgument, "FIELD_INVALID", message, &[("field", "nodes")])
        }
        ExportError::NotPublished { log_size: _ } => {
            refuse(Code::Unavailable, "NOTHING_PUBLISHED", message, &[])
        }
        ExportError::Journal(_)
        | ExportError::Io(_)
        | ExportError::Bundle(_)
        | ExportError::Register(_)
        | ExportError::Json(_) => {
            tracing::error!(error = chain(&error), "export failed");
            refuse(Code::Internal, "EXPORT_FAILED", message, &[])
        }
    }
}

fn judging_again() -> Status {
    let message = "old events are being judged again after a change of the register or of a node; export again \
                   when remit summary tells of none any more";
    refuse(Code::Unavailable, "JUDGING_AGAIN", message.to_owned(), &[])
}

#[tonic::async_trait]
impl EvidenceService for EvidenceEdge {
    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        self.access.check(&request, Operation::ReadCheckpoint)?;
        let Exposed { log_checkpoint, register_head } = self.published.borrow().clone();
        if log_checkpoint.is_empty() {
            let message = "nothing has been published yet; try again in a few seconds".to_owned();
            return Err(refuse(Code::Unavailable, "NOTHING_PUBLISHED", message, &[]));
        }
        Ok(Response::new(GetCheckpointResponse {
            log_checkpoint,
            register_head,
            log_vkey: self.vkeys.0.clone(),
            register_vkey: self.vkeys.1.clone(),
        }))
    }

    type ExportStream =
        std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<ExportResponse, Status>> + Send>>;

    async fn export(
        &self,
        request: Request<ExportRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        let caller = self.access.check(&request, Operation::Export)?;
        let Caller::Person { id, role, key: _ } = &caller else {
            let message = "only a person exports evidence".to_owned();
            return Err(refuse(Code::PermissionDenied, "NOT_AUTHORISED", message, &[]));
        };
        let by = v1::PersonRef { person: id.to_string(), role: (*role).into() };
        let request = request.into_inner();
        if request.clearance > i32::from(clearance(&caller)) {
            let message = "clearance: your role does not see parts of this tier".to_owned();
            return Err(refuse(Code::PermissionDenied, "NOT_AUTHORISED", message, &[]));
        }
        let (dir, chunks, vkeys) = (self.dir.clone(), self.chunks.clone(), self.vkeys.clone());
        let query = self.query.clone();
        let made = tokio::task::spawn_blocking(move || {
            let mut attempts = 0;
            loop {
                let told = query.seen_by(request.clearance()).verdict_lines()?;
                if told.unfinished > 0 {
                    // A verifier would find verdicts of before.
                    if attempts == ATTEMPTS_MAX {
                        return Err(judging_again());
                    }
                    attempts += 1;
                    std::thread::sleep(ATTEMPT);
                    continue;
                }
                match make(
                    &dir,
                    &chunks,
                    &vkeys,
                    &request,
                    (told.log_size, &told.lines, told.now_s),
                ) {
                    // The index stood between the entries of a publish and its checkpoint.
                    Err(ExportError::NotPublished { .. }) if attempts < ATTEMPTS_MAX => {
                        attempts += 1;
                        std::thread::sleep(ATTEMPT);
                    }
                    made => {
                        return made.map_err(status);
                    }
                }
            }
        })
        .await;
        let Made { bytes, manifest } = made.map_err(|_| {
            let message = "the export was interrupted; try again".to_owned();
            refuse(Code::Internal, "EXPORT_FAILED", message, &[])
        })??;
        ask(&self.writer, |reply| Command::Export { manifest, by, reply })
            .await?
            .map_err(|refusal| refuse(Code::Unavailable, refusal.reason, refusal.detail, &[]))?;
        let (parts, stream) = tokio::sync::mpsc::channel(4);
        tokio::spawn(async move {
            for part in bytes.chunks(PART_SIZE) {
                let response = ExportResponse { part: part.to_vec() };
                // The reader may have gone; then the rest is not wanted.
                if parts.send(Ok(response)).await.is_err() {
                    break;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream).map(|part| part))))
    }
}
