//! How the recorder begins: from an empty spool, from where it stopped, or anew after damage.

use std::{collections::BTreeMap, path::PathBuf};

use evidence::{AgentOrigin, Generation, leaf};
use prost::Message as _;
use remit_proto::v1::{self, GenerationReason, LossCause, SourceKind, leaf::Body};
use tlog::Edge;
use tokio::sync::watch;

use super::{
    Receipts, Recorder, RecorderError,
    batch::OpenBatch,
    canaries,
    deeds::Deeds,
    gaps,
    gaps::Gaps,
    leaves::{Made, Maker, clean},
    windows::Windows,
};
use crate::{
    clock::Clock,
    config::Config,
    keys::{Identity, NodeKey},
    ledger::{Finding, Ledger},
    observation::Cursor,
    spool::{
        Recovery, Spool, SpoolTree,
        state::{CursorState, State},
    },
};

/// What is stated in `Start`, as found on this node.
#[derive(Debug, Clone)]
pub struct StartFacts {
    pub boot_id: [u8; 16],
    pub kernel_version: String,
    pub sandbox: v1::Sandbox,
    pub sources: Vec<SourceKind>,
}

/// Everything that a recorder is made of.
pub struct Launch {
    pub config: Config,
    pub clock: Clock,
    pub key: NodeKey,
    pub identity: Identity,
    pub facts: StartFacts,
    pub spool: Spool,
    pub recovery: Recovery,
    pub receipts: watch::Receiver<Receipts>,
}

impl Recorder {
    /// Continues what was recovered, or begins a generation, and makes `Start` durable.
    pub fn start(launch: Launch) -> Result<Self, RecorderError> {
        let Launch { config, clock, key, identity, facts, spool, recovery, receipts } = launch;
        let Recovery { tree, state, torn_bytes, damage, memory_lost, is_new } = recovery;
        if torn_bytes > 0 {
            tracing::warn!(bytes = torn_bytes, "a torn append was cut off the spool");
        }
        if let Some(what) = &damage {
            tracing::error!(what, "the spool is damaged: a new generation begins");
        }
        if memory_lost {
            tracing::error!(
                "the memory that the spool lay in is empty, after a power cut or a reset: a new \
                 generation begins"
            );
        }
        // The key signs for one operator and node; a spool of another one is no use to it.
        let ours = |tree: &SpoolTree| {
            tree.origin.operator == identity.operator && tree.origin.node == identity.node
        };
        let continued = tree.clone().filter(|tree| damage.is_none() && !memory_lost && ours(tree));
        let reason = match (&tree, is_new) {
            (None, true) => GenerationReason::Enrolled,
            (Some(tree), _) if damage.is_none() && !ours(tree) => GenerationReason::KeyReplaced,
            _ if damage.is_none() && memory_lost => GenerationReason::MemoryLost,
            _ => GenerationReason::SpoolDamaged,
        };
        let clean = torn_bytes == 0 && state.as_ref().is_some_and(|state| state.small.stopped);
        let last_at_s = state.as_ref().map_or(0, |state| state.small.at_s);
        let rebooted =
            state.as_ref().is_some_and(|state| state.small.boot_id != facts.boot_id.as_slice());
        let State { secret, small, counters, sources, cursors, windows, deeds } =
            state.unwrap_or_default();
        let secret = match <[u8; 16]>::try_from(secret) {
            Ok(secret) if continued.is_some() => secret,
            _ => random()?,
        };
        // A new generation after damage does not know how much the old one lost: its accounts
        // begin with their first reading. Cursors stay, so that files are read on from there; lines
        // behind them may stand in leaves of the old generation that the collector holds, and then
        // stand twice: the gap of the damage covers their time.
        let ledger = match &continued {
            Some(_) => Ledger::restore(counters, sources, rebooted),
            None => Ledger::default(),
        };
        // A window that was open may have become a leaf in a batch that cannot be read any more. It is
        // lost here rather than told twice.
        let lossy = matches!(reason, GenerationReason::SpoolDamaged | GenerationReason::MemoryLost);
        let damaged = continued.is_none() && lossy;
        let (windows, lost) = if damaged { (Vec::new(), windows) } else { (windows, Vec::new()) };
        let windows = Windows::restore(windows);
        // What waits for a leaf belongs to the accounts. Of damaged ones nothing is known, and the gap
        // of the damage covers their time.
        let (gaps, findings, canaries) = match &continued {
            Some(_) => (small.gaps, small.findings, small.canaries),
            None => (Vec::new(), Vec::new(), Vec::new()),
        };
        let previous = tree.as_ref().filter(|_| continued.is_none()).map(head);
        let next_ordinal = tree.as_ref().map_or(1, |tree| tree.ordinal + 1);
        let is_new_generation = continued.is_none();
        let tree = match continued {
            Some(tree) => tree,
            None => new_tree(&identity, next_ordinal)?,
        };
        let signer = key.signer(&tree.origin).map_err(RecorderError::Key)?;
        let now_ms = clock.monotonic_ms();
        let now_s = clock.now_s();
        let mut recorder = Self {
            config,
            clock,
            key,
            identity,
            facts,
            spool,
            tree,
            signer,
            secret,
            ledger,
            rules: BTreeMap::new(),
            windows,
            deeds: Deeds::restore(deeds),
            gaps: Gaps::restore(gaps),
            findings: findings.iter().map(Finding::restore).collect(),
            down_since_s: if last_at_s > 0 { last_at_s.min(now_s) } else { now_s },
            read_at_s: BTreeMap::new(),
            opened_at_s: BTreeMap::new(),
            cursors: restore_cursors(cursors),
            self_protection: BTreeMap::new(),
            canaries: canaries::Accounts::restore(canaries),
            batch: OpenBatch::default(),
            stuck: None,
            maker: Maker::default(),
            receipts,
            raw_logs: Vec::new(),
            raw_logs_ms: now_ms,
            last_seal_ms: now_ms,
            last_tick_ms: now_ms,
        };
        for source in recorder.facts.sources.clone() {
            recorder.ledger.know_source(source);
        }
        recorder.look_at_raw_logs();
        if is_new_generation {
            recorder.begin_generation(reason, previous)?;
            if lossy {
                recorder.gap_of_damage();
                for window in &lost {
                    recorder.lose_window(window, LossCause::SpoolDamaged);
                    let source = v1::Rule::decode(window.rule.as_slice()).unwrap_or_default();
                    let cause = LossCause::SpoolDamaged;
                    recorder.ledger.lose(source.source(), None, cause, window.hits);
                }
            }
        }
        recorder.push_start(clean)?;
        if is_new_generation {
            recorder.tell_deeds_again()?;
        }
        recorder.close_batch(false)?;
        // A copy that looked like the end of a clean stop does so no longer.
        recorder.spool.keep_now(now_ms);
        Ok(recorder)
    }

    /// The spool is behind what the collector holds of it: what it recorded since the collector's
    /// copy continues another history and cannot be sent. Sums start anew; rules, open windows and
    /// what is in flight go on.
    pub(super) fn next_generation(&mut self) -> Result<(), RecorderError> {
        self.close_batch(false)?;
        if self.stuck.is_some() {
            return Ok(());
        }
        let previous = head(&self.tree);
        self.tree = new_tree(&self.identity, self.tree.ordinal + 1)?;
        self.signer = self.key.signer(&self.tree.origin).map_err(RecorderError::Key)?;
        // The rule numbers stay: the sources derive them from the same secret.
        self.ledger.begin_generation();
        self.canaries.begin_generation();
        self.begin_generation(GenerationReason::SpoolRolledBack, Some(previous))?;
        self.push_start(false)?;
        self.tell_deeds_again()?;
        let sources: Vec<SourceKind> =
            self.rules.values().map(|rules| rules.newest.source).collect();
        for source in sources {
            self.snapshot(source)?;
        }
        self.close_batch(false)
    }

    fn begin_generation(
        &mut self,
        reason: GenerationReason,
        previous: Option<v1::TreeHead>,
    ) -> Result<(), RecorderError> {
        let state = self.state();
        self.spool.begin_segment(&self.tree, state).map_err(Self::fatal)?;
        let AgentOrigin { operator, node, generation } = &self.tree.origin;
        tracing::info!(origin = %self.tree.origin, reason = reason.as_str_name(), "generation begins");
        let genesis = leaf::encode(Body::Genesis(v1::Genesis {
            format: evidence::FORMAT,
            operator: operator.to_string(),
            node: node.to_string(),
            generation: generation.0,
            durability: match self.config.memory {
                Some(_) => v1::Durability::Memory.into(),
                None => v1::Durability::Disk.into(),
            },
            loss_bound_s: self.config.memory.as_ref().map_or(0, |memory| memory.loss_bound_s),
            window_s: self.config.window(),
            individual_actions: self.config.individual_actions,
            reason: reason.into(),
            previous,
            at_s: self.clock.now_s(),
            lines_served: self.config.lines_served,
            k: self.config.k,
        }));
        self.push(Made::of(genesis)).map(drop)
    }

    fn push_start(&mut self, previous_stop_clean: bool) -> Result<(), RecorderError> {
        let StartFacts { boot_id, kernel_version, sandbox, sources } = &self.facts;
        let start = leaf::encode(Body::Start(v1::Start {
            at_s: self.clock.now_s(),
            boot_id: boot_id.to_vec(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            kernel_version: clean(kernel_version, 128),
            config_digest: self.config.digest.to_vec(),
            basis_map_digest: self
                .config
                .basis_map
                .digest()
                .map(|digest| digest.to_vec())
                .unwrap_or_default(),
            previous_stop_clean,
            sandbox: Some(*sandbox),
            sources: sources.iter().map(|source| (*source).into()).collect(),
        }));
        self.push(Made::of(start)).map(drop)
    }

    fn gap_of_damage(&mut self) {
        let (from_s, now_s) = (self.down_since_s, self.clock.now_s());
        let from_s = from_s.min(now_s);
        for source in self.facts.sources.clone() {
            let key = gaps::Key::of(source, LossCause::SpoolDamaged);
            self.gaps.add(key, Vec::new(), None, (from_s, now_s));
        }
    }
}

fn head(tree: &SpoolTree) -> v1::TreeHead {
    v1::TreeHead {
        origin: tree.origin.to_string(),
        size: tree.edge.size(),
        root: tree.edge.root().0.to_vec(),
    }
}

fn new_tree(identity: &Identity, ordinal: u32) -> Result<SpoolTree, RecorderError> {
    let generation = Generation(u64::from_be_bytes(random()?));
    Ok(SpoolTree { origin: identity.origin(generation), ordinal, edge: Edge::new() })
}

fn random<const N: usize>() -> Result<[u8; N], RecorderError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| RecorderError::Random)?;
    Ok(bytes)
}

fn restore_cursors(states: Vec<CursorState>) -> BTreeMap<PathBuf, (Cursor, bool)> {
    use std::os::unix::ffi::OsStringExt as _;
    crate::order::map(states.into_iter().filter_map(|state| {
        let CursorState { path, inode, offset, head_size, head_digest } = state;
        let path = PathBuf::from(std::ffi::OsString::from_vec(path));
        let head_digest = head_digest.try_into().ok()?;
        let cursor = Cursor { path: path.clone(), inode, offset, head_size, head_digest };
        Some((path, (cursor, false)))
    }))
}
