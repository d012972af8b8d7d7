//! The tree of a node that imports probes: one file beside its keys.
//!
//! `probes.tree` holds frames (`evidence::frame`, which is its format), one per batch, each with one record
//! of kind 1: the `Batch` as it is sent. Everything else is read from it: the tree, and which measurements
//! are in it. A torn last frame was never sent, and is cut off; a damaged file is refused.
//!
//! The file is locked while it is open: two imports at once would be two histories of one node.

use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use evidence::{
    AgentOrigin, Generation, NodeId, Operator,
    batch::{self, LEAVES_MAX},
    builder::Builder,
    commitment::{self, Salt},
    frame::{self, Frame, Next},
    leaf::{self, PROBE_TARGET},
};
use prost::Message as _;
use register::ooni::Measured;
use remit_proto::v1::{self, leaf::Body};
use sha2::{Digest as _, Sha256};
use tlog::note::SigningKey;

use crate::{config::Config, exit::CliError, home, time};

const FILE: &str = "probes.tree";
const KIND_BATCH: u8 = 1;
/// Kept free for the seal.
const LEAVES_AT_ONCE: usize = LEAVES_MAX - 1;

pub(super) struct ProbeTree {
    path: PathBuf,
    file: File,
    size_bytes: u64,
    key: SigningKey,
    tree: batch::Tree,
    /// Where each batch begins and ends in the tree, and its bytes.
    batches: Vec<(u64, u64, Vec<u8>)>,
    known: HashSet<Vec<u8>>,
    /// Probes in the tree.
    recorded: u64,
}

impl ProbeTree {
    /// Reads what is there, and checks it as a collector would.
    pub(super) fn open(config: &Config, node: &NodeId) -> Result<Self, CliError> {
        let path = config.home.path(FILE);
        let failed = |doing, source| CliError::File { path: path.clone(), doing, source };
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed("open it", error))?;
        file.try_lock().map_err(|_| {
            CliError::Usage(format!("{}: another import is at work on it", path.display()))
        })?;
        // That it is there must outlast a power cut before anything in it is sent.
        let folder = File::open(config.home.path("")).and_then(|folder| folder.sync_all());
        folder.map_err(|error| failed("sync its directory", error))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| failed("read", error))?;
        let operator: Operator = config.file.operator.parse().map_err(|_| {
            CliError::Usage("config.toml holds no valid operator: run `remit enrol`".into())
        })?;
        let damaged = || {
            CliError::Malformed(format!(
                "{} is damaged: enrol another node, with a directory of its own, and import anew",
                path.display()
            ))
        };
        let origin =
            |generation| AgentOrigin { operator: operator.clone(), node: node.clone(), generation };
        let mut at = 0;
        let mut found: Option<Self> = None;
        loop {
            let payload = match frame::next(&bytes, at) {
                Next::Frame { payload, end } => {
                    at = end;
                    payload
                }
                Next::End => break,
                Next::Torn => {
                    file.set_len(at as u64)
                        .map_err(|error| failed("cut its torn end off", error))?;
                    break;
                }
                Next::Damaged => return Err(damaged()),
            };
            for record in frame::records(payload) {
                let (_, encoded) =
                    record.filter(|(kind, _)| *kind == KIND_BATCH).ok_or_else(damaged)?;
                let known = match found.take() {
                    Some(known) => known,
                    None => {
                        let generation = generation_of(encoded).ok_or_else(damaged)?;
                        let file = file.try_clone().map_err(|error| failed("open it", error))?;
                        Self::new(path.clone(), file, config, origin(generation))?
                    }
                };
                found = Some(known.with(encoded).ok_or_else(damaged)?);
            }
        }
        let mut tree = match found {
            Some(tree) => tree,
            None => {
                let mut generation = [0; 8];
                getrandom::fill(&mut generation).map_err(|_| CliError::Random)?;
                let origin = origin(Generation(u64::from_be_bytes(generation)));
                Self::new(path.clone(), file, config, origin)?
            }
        };
        tree.size_bytes = at as u64;
        Ok(tree)
    }

    fn new(
        path: PathBuf,
        file: File,
        config: &Config,
        origin: AgentOrigin,
    ) -> Result<Self, CliError> {
        Ok(Self {
            path,
            file,
            size_bytes: 0,
            key: config.node_key(&origin)?,
            tree: batch::Tree::new(origin),
            batches: Vec::new(),
            known: HashSet::new(),
            recorded: 0,
        })
    }

    /// With the next batch of the file.
    fn with(mut self, encoded: &[u8]) -> Option<Self> {
        let begin = self.tree.edge.size();
        let checked = batch::check_bytes(encoded, &self.tree, &self.key.verifier()).ok()?;
        for leaf in &checked.other_leaves {
            if let Some(Body::Probe(probe)) = leaf.body() {
                self.known.insert(probe.measurement_digest.clone());
                self.recorded += 1;
            }
        }
        self.tree = checked.tree;
        self.batches.push((begin, self.tree.edge.size(), encoded.to_vec()));
        Some(self)
    }

    /// Appends what is not in the tree yet; returns how many that were.
    pub(super) fn record(&mut self, measured: Vec<Measured>) -> Result<usize, CliError> {
        let mut new = Vec::new();
        for measured in measured {
            if self.known.insert(measured.digest.to_vec()) {
                new.push(measured);
            }
        }
        let count = new.len();
        let mut rest = new.into_iter().peekable();
        while rest.peek().is_some() {
            let opening =
                if self.tree.edge.size() == 0 { first_leaves(&self.tree.origin)? } else { vec![] };
            let room = LEAVES_AT_ONCE - opening.len();
            let some: Vec<Measured> = rest.by_ref().take(room).collect();
            self.append(opening, &some, rest.peek().is_none())?;
        }
        Ok(count)
    }

    fn append(
        &mut self,
        opening: Vec<Vec<u8>>,
        measured: &[Measured],
        last: bool,
    ) -> Result<(), CliError> {
        let mut builder = Builder::default();
        let mut index = self.tree.edge.size();
        for leaf in opening {
            builder.push(&leaf);
            index += 1;
        }
        for probe in measured {
            let mut salt = Salt([0; 16]);
            getrandom::fill(&mut salt.0).map_err(|_| CliError::Random)?;
            let value = probe.target.to_wire().encode_to_vec();
            let target = commitment::commit(PROBE_TARGET, &salt, &value).0.to_vec();
            builder.open(index, PROBE_TARGET, &salt, &value);
            builder.push(&leaf::encode(Body::Probe(v1::Probe {
                at_s: probe.at_s,
                result: probe.result.into(),
                technique: probe.technique.into(),
                measurement_digest: probe.digest.to_vec(),
                asn: probe.asn,
                country: probe.country.clone(),
                target,
                page: probe.page.into(),
            })));
            index += 1;
        }
        self.recorded += measured.len() as u64;
        builder.push(&leaf::encode(Body::Seal(v1::Seal {
            at_s: time::now_s(),
            // Nobody asked: what is dated here are the measurements, by their own clocks.
            clock: v1::ClockState::Unsynced.into(),
            sources: vec![v1::SourceAccount {
                source: v1::SourceKind::Probe.into(),
                recorded: self.recorded,
                ..v1::SourceAccount::default()
            }],
            stopping: last,
            seal_interval_s: leaf::SEAL_INTERVAL_S_MAX,
            ..v1::Seal::default()
        })));
        let begin = self.tree.edge.size();
        let origin = self.tree.origin.clone();
        let closed = builder
            .close(&mut self.tree.edge, &self.key, &origin)
            .map_err(|error| CliError::Malformed(format!("the head cannot be signed: {error}")))?;
        let encoded = closed.to_vec();
        let mut frame = Frame::default();
        frame.push(KIND_BATCH, &[&encoded]);
        let bytes = frame.finish(self.size_bytes);
        // Durable before anything is sent: a head that is sent and lost here would be a fork.
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        written.map_err(|source| CliError::File {
            path: self.path.clone(),
            doing: "append a batch",
            source,
        })?;
        self.size_bytes += bytes.len() as u64;
        self.batches.push((begin, self.tree.edge.size(), encoded));
        Ok(())
    }

    pub(super) fn origin(&self) -> &AgentOrigin {
        &self.tree.origin
    }

    pub(super) fn public_key(&self) -> Vec<u8> {
        self.key.verifier().public_bytes().to_vec()
    }

    pub(super) fn size(&self) -> u64 {
        self.tree.edge.size()
    }

    /// The batches from this size of the tree on, with the sizes after them; `None`: none begins there.
    pub(super) fn batches_at(&self, size: u64) -> Option<impl Iterator<Item = (u64, &[u8])>> {
        let at = self.batches.partition_point(|(begin, _, _)| *begin < size);
        let begins = self.batches.get(at).map_or(self.size(), |(begin, _, _)| *begin) == size;
        let rest = self.batches.get(at..).unwrap_or_default();
        begins.then(|| rest.iter().map(|(_, end, bytes)| (*end, bytes.as_slice())))
    }
}

fn generation_of(batch: &[u8]) -> Option<Generation> {
    let first = v1::Batch::decode(batch).ok()?.leaves.into_iter().next()?;
    match evidence::Leaf::decode(&first).ok()?.body() {
        Some(Body::Genesis(genesis)) => Some(Generation(genesis.generation)),
        _ => None,
    }
}

/// Whose tree it is, and with what it was made.
fn first_leaves(origin: &AgentOrigin) -> Result<Vec<Vec<u8>>, CliError> {
    let at_s = time::now_s();
    let genesis = v1::Genesis {
        format: evidence::FORMAT,
        operator: origin.operator.to_string(),
        node: origin.node.to_string(),
        generation: origin.generation.0,
        durability: v1::Durability::Disk.into(),
        loss_bound_s: 0,
        window_s: 0,
        individual_actions: true,
        reason: v1::GenerationReason::Import.into(),
        previous: None,
        at_s,
        // It serves nobody, and records nothing of lines.
        lines_served: 0,
        k: K,
    };
    let read = |path: &str| home::read_text(std::path::Path::new(path));
    let boot_id = read("/proc/sys/kernel/random/boot_id")?;
    let digits: String = boot_id.chars().filter(char::is_ascii_hexdigit).collect();
    let boot_id = u128::from_str_radix(&digits, 16).unwrap_or_default().to_be_bytes();
    let start = v1::Start {
        at_s,
        boot_id: boot_id.to_vec(),
        agent_version: format!("remit {}", env!("CARGO_PKG_VERSION")),
        kernel_version: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        // Nothing is configured.
        config_digest: Sha256::digest(b"").to_vec(),
        basis_map_digest: Vec::new(),
        previous_stop_clean: false,
        // A person's program, confined by nothing.
        sandbox: Some(v1::Sandbox {
            own_user: false,
            no_new_privs: false,
            capabilities: u64::MAX,
            confined_to_files: false,
            system_calls_filtered: false,
        }),
        sources: vec![v1::SourceKind::Probe.into()],
    };
    Ok(vec![leaf::encode(Body::Genesis(genesis)), leaf::encode(Body::Start(start))])
}

/// DOMAIN.md section 5; no count is small here, because nothing is counted.
const K: u64 = 10;

#[cfg(test)]
mod tests {
    use register::Target;
    use remit_proto::v1::{ProbePage, ProbeResult, Technique};

    use super::*;
    use crate::{cli::Global, home::Home};

    /// A directory as enrolment with a node's token leaves it.
    fn enrolled() -> (tempfile::TempDir, Config, NodeId) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::find(Some(dir.path())).unwrap();
        let config = "collector = \"\"\noperator = \"example.net\"\nperson = \"probe-1\"\nrole = \"agent\"\n\
                      log_vkey = \"\"\nregister_vkey = \"\"\n";
        home.write_public(home::CONFIG, config.as_bytes()).unwrap();
        let secret = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n";
        home.write_secret(home::STATEMENT_KEY, secret.as_bytes()).unwrap();
        let global = Global {
            output: crate::cli::Format::Table,
            dir: Some(dir.path().to_owned()),
            collector: None,
            ca: None,
        };
        (dir, Config::load(&global).unwrap(), "probe-1".parse().unwrap())
    }

    fn measured(number: u64) -> Measured {
        Measured {
            at_s: 1_768_478_400,
            result: ProbeResult::Reached,
            technique: Technique::Unspecified,
            page: ProbePage::Unspecified,
            asn: 64_500,
            country: "DE".into(),
            target: "url:https://a.example/".parse::<Target>().unwrap(),
            digest: Sha256::digest(number.to_be_bytes()).into(),
        }
    }

    fn sizes(tree: &ProbeTree) -> Vec<(u64, u64)> {
        tree.batches.iter().map(|(begin, end, _)| (*begin, *end)).collect()
    }

    #[test]
    fn each_measurement_is_recorded_once_and_the_file_is_all_there_is() {
        let (dir, config, node) = enrolled();
        let mut tree = ProbeTree::open(&config, &node).unwrap();
        assert_eq!(tree.record((0..3).map(measured).collect()).unwrap(), 3);
        assert_eq!(sizes(&tree), [(0, 6)], "genesis, start, three probes, seal");
        let origin = tree.origin().clone();
        drop(tree);
        let mut tree = ProbeTree::open(&config, &node).unwrap();
        assert_eq!((tree.origin(), sizes(&tree)), (&origin, vec![(0, 6)]));
        let twice = vec![measured(2), measured(3), measured(3)];
        assert_eq!(tree.record(twice).unwrap(), 1);
        assert_eq!(sizes(&tree), [(0, 6), (6, 8)]);
        // A thousand and more leaves are several batches, and the collector may stand at each.
        assert_eq!(tree.record((10..2_100).map(measured).collect()).unwrap(), 2_090);
        assert_eq!(sizes(&tree).len(), 5);
        for (begin, _) in sizes(&tree) {
            assert!(tree.batches_at(begin).unwrap().count() > 0);
        }
        assert_eq!(tree.batches_at(tree.size()).unwrap().count(), 0);
        assert!(tree.batches_at(7).is_none() && tree.batches_at(tree.size() + 1).is_none());
        drop(dir);
    }

    #[test]
    fn a_torn_end_is_cut_off_and_damage_is_refused() {
        let (dir, config, node) = enrolled();
        let mut tree = ProbeTree::open(&config, &node).unwrap();
        tree.record(vec![measured(1)]).unwrap();
        tree.record(vec![measured(2)]).unwrap();
        drop(tree);
        let path = dir.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let mut tree = ProbeTree::open(&config, &node).unwrap();
        assert_eq!(tree.record(vec![measured(1), measured(2)]).unwrap(), 1, "it was never sent");
        drop(tree);
        assert_eq!(sizes(&ProbeTree::open(&config, &node).unwrap()), [(0, 4), (4, 6)]);
        let mut damaged = std::fs::read(&path).unwrap();
        damaged[40] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        let refused = ProbeTree::open(&config, &node).err().unwrap().to_string();
        assert!(refused.contains("is damaged"), "{refused}");
    }

    #[test]
    fn two_imports_at_once_are_not_two_histories() {
        let (_dir, config, node) = enrolled();
        let _first = ProbeTree::open(&config, &node).unwrap();
        let refused = ProbeTree::open(&config, &node).err().unwrap().to_string();
        assert!(refused.contains("another import"), "{refused}");
    }
}
