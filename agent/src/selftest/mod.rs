//! `remit-agent selftest`: one block of the agent's own goes the whole way, and is shown to be in the collector's log.
//!
//! For whoever has just installed an agent, or doubts one at night. In: the configuration that the agent runs with.
//! Out: a [`Report`], stage by stage with its time; a stage that fails says what to do, and no later one is tried.
//!
//! | stage | shown by it |
//! |---|---|
//! | `agent` | the node is enrolled, its sources can be reached, and an agent runs (or is started for the test) |
//! | `rule` | the kernel has taken a rule that logs to each group and drops (`rule`) |
//! | `kernel` | a datagram that this process sends to itself met the rule and was dropped |
//! | `leaf` | the agent read the message and recorded it: a leaf of its tree, in its spool |
//! | `collector` | the collector answers this node, and is who it should be |
//! | `proof` | the head of that tree is an entry of the collector's log: signature of the pinned key, inclusion, consistency with the checkpoint known before; and the tree made up from the leaves, ours among them, has just the root that is logged |
//!
//! **Who records.** The running agent, which knows nothing of the command: it sees the rule's mark in the message
//! (`sources::nftables::self_test`), and this process watches its spool (`spool::look`) and asks the collector itself
//! (`proof`). Where none runs, `remit-agent run` is started with the same configuration for as long as it takes.
//!
//! **A node that reads no NFLOG group**, as a resolver's, has a block already: the canaries of its policy zones, for
//! which the agent asks every ten seconds. Then no rule is put in, and what is looked for is a seal that says that
//! they came back since the test began (`zones`); that takes as long as the next seal.
//!
//! **What it leaves.** One row in one `Seal`, which is in no figure, and which no answer takes for a path. The
//! rule is taken away as soon as its leaf is there or will not come, and looked for afterwards: the report says
//! what was seen. Nothing of the operator's is touched, and no packet of others passes by.
//!
//! **What is not there yet** is no reproach: a leaf that waits in the spool, that the collector holds and has not
//! published, or a head whose batch was released before this process read it. Only what contradicts a signature
//! is called a contradiction.
//!
//! Not done here: what can be seen without a block (`doctor`); sources that have neither (proxies, routes, relays).

mod proof;
mod report;
mod rule;
mod zones;

use std::{
    io,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use proof::{AskError, Asked, Keys};
use report::{Failure, Stages};
pub use report::{Left, Outcome, Report, Stage};
use rule::{Rule, RuleError, TABLE};
use tlog::{Hash, checkpoint::Checkpoint};
use tokio::time::{sleep, timeout_at};

use crate::{
    clock::Clock,
    config::Config,
    doctor::is_running,
    health::Stop,
    keys::{self, Identity, NodeKey},
    logging::chain,
    nft::NftError,
    run::{Signals, runtime},
    sources::nftables::self_test::Mark,
    spool::look::{Look, Recorded},
    uplink::{
        self,
        receipts::{ReceiptError, verified},
    },
};

/// Tests; ends early, with the rule taken away, if a signal says so.
pub fn test(config: &Config, path: &Path) -> Result<Report, Stop> {
    runtime()?.block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            () = signals.wait() => Err(Stop::Interrupted),
            report = all(config, path) => Ok(report),
        }
    })
}

async fn all(config: &Config, path: &Path) -> Report {
    let mut stages = Stages::new();
    // However far it comes: what was put in and started ends with this.
    let ended = the_way(config, path, &mut stages).await;
    stages.report(ended)
}

/// `None`: a stage failed.
async fn the_way(config: &Config, path: &Path, stages: &mut Stages) -> Option<report::Proof> {
    let node = stages.did("agent", Node::ready(config, path))?;
    let Node { way, identity, key, mut look, mut agent } = node;
    stages.node(&identity);
    let begun = Instant::now();
    let leaf = match &way {
        Way::Groups(groups) => {
            let (rule, mark) = stages.did("rule", put(groups))?;
            let leaf = match stages.did("kernel", met(&rule, groups).await) {
                Some(()) => Some(recorded(config, &rule, mark, groups, &mut look).await),
                None => None,
            };
            // Nothing of what follows needs it.
            stages.rule_left(rule.take_away());
            leaf?
        }
        Way::Zones(paths) => {
            let since_s = Clock::system().now_s();
            stages
                .did("rule", Ok(((), "none is put in: policy zones have canaries".to_owned())))?;
            stages
                .did("kernel", Ok(((), "none: the agent asks the resolver for them".to_owned())))?;
            zones::came_back(config, paths, since_s, &mut look).await
        }
    };
    let leaf = stages.did("leaf", leaf.map_err(|failure| failure.of_agent(agent.as_mut())))?;
    let (mut keys, asked) = stages.did("collector", ask(config, &identity, &key, &leaf).await)?;
    let proof = proven(config, asked, &mut keys, &leaf, &mut look).await;
    let proof = stages.did("proof", proof)?;
    Some(report::Proof { took: begun.elapsed(), ..proof })
}

/// By what its sources are reached.
enum Way {
    Groups(Vec<u16>),
    /// Paths of canaries.
    Zones(Vec<Arc<str>>),
}

/// What a test needs of the node.
struct Node {
    way: Way,
    identity: Identity,
    key: NodeKey,
    /// Behind all that was recorded before.
    look: Look,
    /// Started for the test.
    agent: Option<Agent>,
}

impl Node {
    fn ready(config: &Config, path: &Path) -> Result<(Self, String), Failure> {
        let enrolled = (|| {
            let identity = Identity::load(&config.dir)?;
            Ok((identity, NodeKey::load(&config.dir.join(keys::NODE_KEY))?))
        })();
        let (identity, key) = enrolled.map_err(|error: keys::KeyError| {
            let remedy = format!(
                "enrol the node (remit-agent enrol --dir {} …), and give this command as root or as the agent's \
                 own user",
                config.dir.display()
            );
            Failure::new(chain(&error), remedy)
        })?;
        let spool = config.spool_dir();
        let look = Look::at_end(&spool).map_err(|error| {
            let says = format!("the spool {} cannot be read: {error}", spool.display());
            Failure::new(says, "give this command as root or as the agent's own user")
        })?;
        let groups: Vec<u16> =
            config.sources.iter().flat_map(|source| source.nflog_groups()).copied().collect();
        let paths: Vec<_> =
            config.sources.iter().flat_map(|source| source.canary_paths()).collect();
        let (way, named) = match (groups.is_empty(), paths.is_empty()) {
            (false, _) => {
                let named = names(&groups);
                (Way::Groups(groups), named)
            }
            (true, false) => {
                let named = format!("the policy zones {}", paths.join(", "));
                (Way::Zones(paths), named)
            }
            (true, true) => {
                return Err(Failure::new(
                    "no source of this configuration reads an NFLOG group, by which a block could come to the agent, \
                     and none asks for canaries of policy zones",
                    "name the groups of your rules in `groups` of [sources.nftables], or set `canaries` in the \
                     section of the resolver",
                ));
            }
        };
        let (agent, says) = match is_running(&spool) {
            true => (None, format!("it runs, and reads {named}")),
            false => {
                let agent = Agent::start(config, path)?;
                (Some(agent), format!("none ran: started for this test; reads {named}"))
            }
        };
        Ok((Self { way, identity, key, look, agent }, says))
    }
}

/// `remit-agent run`, for as long as the test takes.
struct Agent(Child);

impl Agent {
    fn start(config: &Config, path: &Path) -> Result<Self, Failure> {
        // What it writes would belong to root, and the service could not go on with it.
        let owner = std::fs::metadata(config.spool_dir())
            .map(|spool| std::os::unix::fs::MetadataExt::uid(&spool));
        let would_be = nix::unistd::geteuid().as_raw();
        if config.user.is_none() && owner.is_ok_and(|owner| owner != would_be) {
            return Err(Failure::new(
                "no agent runs, and the spool belongs to another user than this command's",
                "start the service (systemctl start remit-agent) and test again: then the running agent is tested",
            ));
        }
        let failed = |error: io::Error| {
            Failure::new(
                format!("no agent runs, and none could be started: {error}"),
                "start the service",
            )
        };
        let program = std::env::current_exe().map_err(failed)?;
        let child = Command::new(program)
            .args(["run", "--until-stdin-ends", "--log", "warn", "--config"])
            .arg(path)
            // Ends with this process, however that ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        Ok(Self(child))
    }
}

impl Drop for Agent {
    /// In order: with a last seal, which its uplink hands in.
    fn drop(&mut self) {
        // Whatever it says from here on nobody reads: it must not wait for that.
        drop(self.0.stderr.take());
        // That closes its input, by which it ends.
        let _ = self.0.wait();
    }
}

fn put(groups: &[u16]) -> Result<((Rule, Mark), String), Failure> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|_| Failure::new("the system gave no random bytes", "try again"))?;
    let mark = Mark::new(random);
    let rule = Rule::put(groups, mark).map_err(|error| {
        let remedy = match &error {
            RuleError::Nft(NftError::Refused(says)) if says.contains("not permitted") => {
                "give this command as root: a rule takes CAP_NET_ADMIN"
            }
            RuleError::Nft(NftError::NotRun(_)) => {
                "install nftables (the program nft), by which the rule is loaded"
            }
            RuleError::Nft(NftError::Refused(_)) => {
                "the kernel needs nf_tables with log and counter (modules nf_tables, nft_log, nfnetlink_log)"
            }
            RuleError::Socket(_) => "ip link set lo up",
            RuleError::Counter(_) => "",
        };
        Failure::new(chain(&error), remedy)
    })?;
    Ok(((rule, mark), format!("table inet {TABLE} logs to {} and drops", names(groups))))
}

/// One datagram to each group's rule.
async fn met(rule: &Rule, groups: &[u16]) -> Result<((), String), Failure> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::new(
            "a rule of this node's own output does not let it send to 127.0.0.1",
            "let the loopback interface out: oif lo accept, before what drops or rejects",
        ),
        _ => {
            Failure::new(format!("nothing can be sent to 127.0.0.1: {error}"), "ip link set lo up")
        }
    };
    rule.send(groups).map_err(refused)?;
    let deadline = Instant::now() + MET_WITHIN;
    let waiting = loop {
        let not_counted = rule.not_counted();
        match not_counted {
            Ok(Some(waiting)) if waiting.is_empty() => {
                let says = "the rule counted the datagram and dropped it";
                return Ok(((), says.to_owned()));
            }
            Ok(None) => {
                return Err(Failure::new(
                    format!("table inet {TABLE} is gone: somebody has loaded the ruleset anew"),
                    "try again",
                ));
            }
            other if Instant::now() > deadline => break other,
            Ok(Some(_)) | Err(_) => sleep(LOOK_EACH).await,
        }
    };
    Err(match (waiting, rule.came_through()) {
        (Err(error), _) => {
            Failure::new(chain(&error), "remit-agent doctor says whether rules can be read")
        }
        (Ok(_), Some(group)) => Failure::new(
            format!("the datagram for group {group} came through: the rule is not in force"),
            "is this command in the network namespace of the kernel's rules? nft list ruleset",
        ),
        (Ok(_), None) => Failure::new(
            "the datagram met no rule of the test: something before the input hook dropped it",
            "look for rules that drop on the loopback interface, in prerouting and output: nft list ruleset",
        ),
    })
}

/// Our block, as the agent recorded it.
#[derive(Debug)]
struct Leaf {
    index: u64,
    batch: Recorded,
}

async fn recorded(
    config: &Config,
    rule: &Rule,
    mark: Mark,
    groups: &[u16],
    look: &mut Look,
) -> Result<(Leaf, String), Failure> {
    let within = RECORDED_WITHIN + Duration::from_secs(config.batch_interval_s.into());
    let (deadline, mut again) = (Instant::now() + within, Instant::now() + SEND_EACH);
    let mut missing = groups.to_vec();
    loop {
        let batch = look.next_batch().map_err(|error| spool_unread(&error))?;
        if let Some(batch) = batch {
            let found = rows(&batch, mark, &mut missing);
            if let (Some(index), true) = (found, missing.is_empty()) {
                let says = format!("recorded: leaf {index} of {}", batch.origin);
                return Ok((Leaf { index, batch }, says));
            }
            continue;
        }
        if Instant::now() > deadline {
            return Err(Failure::new(
                format!("the agent did not record what {} should have brought it", names(&missing)),
                "see the agent's log (journalctl -u remit-agent): it must be of this version, run with this \
                 configuration and in this network namespace; then remit-agent doctor",
            ));
        }
        // An agent that has just been started does not read its groups yet.
        if Instant::now() > again {
            again += SEND_EACH;
            // It was sent before.
            let _ = rule.send(&missing);
        }
        sleep(LOOK_EACH).await;
    }
}

/// The index of the seal in this batch that states rows of ours; their groups are missing no more.
fn rows(batch: &Recorded, mark: Mark, missing: &mut Vec<u16>) -> Option<u64> {
    use prost::Message as _;
    use remit_proto::v1::{self, leaf::Body};
    let mut found = None;
    for (index, leaf) in (batch.first..).zip(&batch.leaves) {
        let Ok(v1::Leaf { body: Some(Body::Seal(seal)) }) = v1::Leaf::decode(leaf.as_slice())
        else {
            continue;
        };
        let seen = |group: &u16| {
            let path = mark.path(*group);
            seal.canaries.iter().any(|account| account.path == path && account.seen > 0)
        };
        if missing.iter().any(seen) {
            found = Some(index);
            missing.retain(|group| !seen(group));
        }
    }
    found
}

impl Keys {
    fn of(
        config: &Config,
        identity: &Identity,
        key: &NodeKey,
        leaf: &Leaf,
    ) -> Result<Self, Failure> {
        let origin = leaf.batch.origin.clone();
        let own = key.signer(&origin).map_err(|error| {
            Failure::new(chain(&error), "enrol the node again: its key cannot sign for its tree")
        })?;
        let known =
            verified(&config.spool_dir(), &identity.log_key).map(|(checkpoint, _)| checkpoint);
        Ok(Self { log: identity.log_key.clone(), own: own.verifier(), origin, known })
    }
}

async fn ask(
    config: &Config,
    identity: &Identity,
    key: &NodeKey,
    leaf: &Leaf,
) -> Result<((Keys, Asked), String), Failure> {
    let keys = Keys::of(config, identity, key, leaf)?;
    let endpoints = uplink::endpoints(&config.collectors, &config.dir).map_err(|error| {
        Failure::new(chain(&error), "put the files of the enrolment back, or enrol anew")
    })?;
    match Asked::of(&endpoints, &keys).await {
        Ok(asked) => {
            let says =
                format!("{} answers; it holds {} leaves of this tree", asked.url, asked.held);
            Ok(((keys, asked), says))
        }
        Err(error) => Err(not_asked(&error)),
    }
}

fn not_asked(error: &AskError) -> Failure {
    let remedy = match error {
        AskError::Connect { .. } | AskError::Silence => {
            "check the address in [collector], firewalls on the way, and ca.pem; the leaf waits in the spool"
        }
        AskError::Stream(_) | AskError::Closed => {
            "see the collector's log; the leaf waits in the spool"
        }
        AskError::Refused { .. } => "see what the collector asks for; the leaf waits in the spool",
    };
    Failure::new(chain(error), remedy)
}

/// Waits until the log holds our leaf.
async fn proven(
    config: &Config,
    mut asked: Asked,
    keys: &mut Keys,
    leaf: &Leaf,
    look: &mut Look,
) -> Result<(report::Proof, String), Failure> {
    // Heads are signed at the ends of batches: which of them is logged, the receipt says.
    let mut ends = vec![(leaf.batch.size, leaf.batch.root)];
    let mut unseen = None;
    let deadline = tokio::time::Instant::now() + PROVEN_WITHIN;
    let logged = loop {
        let logged = match timeout_at(deadline, asked.receipt(keys)).await {
            Err(_) => {
                return Err(match unseen {
                    Some(size) => batch_unseen(size),
                    None => not_yet(held(config, keys).await, leaf.index),
                });
            }
            Ok(Err(error)) => return Err(not_asked(&error)),
            Ok(Ok(Err(error))) => return Err(no_proof(&error)),
            Ok(Ok(Ok(logged))) => logged,
        };
        let head = &logged.shown.head;
        if head.size <= leaf.index {
            // The last one before our leaf.
            continue;
        }
        while let Some(batch) = look.next_batch().map_err(|error| spool_unread(&error))? {
            // A generation that has begun since is another tree.
            if batch.origin == keys.origin {
                ends.push((batch.size, batch.root));
            }
        }
        match held_against(head, &ends) {
            Spooled::Same => break logged,
            Spooled::Other => return Err(other_tree(head.size)),
            Spooled::Unseen => unseen = Some(head.size),
        }
    };
    let (head, checkpoint) = (&logged.shown.head, &logged.shown.checkpoint);
    let proof = report::Proof {
        origin: keys.origin.to_string(),
        leaf_index: leaf.index,
        tree_size: head.size,
        log_origin: checkpoint.origin.clone(),
        log_index: logged.log_index,
        log_size: checkpoint.size,
        took: Duration::ZERO,
    };
    let says = format!(
        "the tree with it, {} leaves, is entry {} of {} under the checkpoint of size {}: signature, \
         inclusion and root hold",
        proof.tree_size, proof.log_index, proof.log_origin, proof.log_size
    );
    Ok((proof, says))
}

fn no_proof(error: &ReceiptError) -> Failure {
    let remedy = match error {
        ReceiptError::Signature(_) => {
            "compare log_vkey in the node's identity.toml with the log key that `remit-collector init` printed, by \
             another way than this network: this is another collector, or the node was enrolled at another"
        }
        ReceiptError::Inconsistent { .. } | ReceiptError::NotIncluded(_) => {
            "the collector's log contradicts itself or what it has shown before: keep the node's spool, and tell \
             whoever assesses this operator"
        }
        ReceiptError::OtherHead { .. } | ReceiptError::Malformed => {
            "agent and collector must be of one version; see the collector's log"
        }
    };
    Failure::new(chain(error), remedy)
}

/// What the spool, as far as it was seen, says of a head that is logged.
#[derive(Debug, PartialEq, Eq)]
enum Spooled {
    Same,
    /// A batch of the spool ends at this size, and the tree behind it is another one.
    Other,
    /// No batch that was seen ends at this size.
    Unseen,
}

fn held_against(head: &Checkpoint, ends: &[(u64, Hash)]) -> Spooled {
    match ends.iter().find(|(size, _)| *size == head.size) {
        Some((_, root)) if *root == head.root => Spooled::Same,
        Some(_) => Spooled::Other,
        None => Spooled::Unseen,
    }
}

fn other_tree(size: u64) -> Failure {
    Failure::new(
        format!(
            "the head of size {size} that the collector has logged is not the one of the tree in the spool"
        ),
        "two agents may sign with one key (a copy of the node's directory?): stop one, and enrol it as a node of \
         its own",
    )
}

/// Released between two looks, if nothing else.
fn batch_unseen(size: u64) -> Failure {
    Failure::new(
        format!(
            "not shown yet: the tree of size {size} is in the collector's log, and its last batch was no more in \
             the spool when it was looked for"
        ),
        "test again; if it stays so, see whether another agent runs with a copy of the node's directory",
    )
}

/// What the collector holds now of this tree; `None`: it does not say.
async fn held(config: &Config, keys: &Keys) -> Option<u64> {
    let endpoints = uplink::endpoints(&config.collectors, &config.dir).ok()?;
    Asked::of(&endpoints, keys).await.ok().map(|asked| asked.held)
}

/// Nobody is to blame for that: how far it has come, and where to look.
fn not_yet(held: Option<u64>, index: u64) -> Failure {
    let within = PROVEN_WITHIN.as_secs();
    match held {
        Some(held) if held > index => Failure::new(
            format!(
                "not yet: the collector holds the leaf, and did not publish it within {within} s"
            ),
            "test again; if it stays so, see the collector's log: has its disk room, is its key in place \
             (publish_interval_ms)?",
        ),
        Some(held) => Failure::new(
            format!(
                "not yet: the collector holds {held} leaves of this tree after {within} s, and this one is number \
                 {index}"
            ),
            "the leaf waits in the spool, behind what is handed in before it; if that does not grow less, see the \
             agent's log (journalctl -u remit-agent)",
        ),
        None => Failure::new(
            format!(
                "not yet: the collector did not show the leaf in its log within {within} s, and does not answer now"
            ),
            "the leaf waits in the spool; test again when the collector answers",
        ),
    }
}

fn spool_unread(error: &io::Error) -> Failure {
    Failure::new(format!("the spool cannot be read: {error}"), "remit-agent doctor")
}

fn names(groups: &[u16]) -> String {
    let list: Vec<_> = groups.iter().map(ToString::to_string).collect();
    format!("NFLOG group {}", list.join(", "))
}

/// The kernel has the datagram when `send` returns; reading its counters waits for a ruleset that holds still.
const MET_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EACH: Duration = Duration::from_millis(20);
/// The kernel gives a message out within a tenth of a second; an agent that has just been started needs a few.
const RECORDED_WITHIN: Duration = Duration::from_secs(15);
const SEND_EACH: Duration = Duration::from_secs(2);
/// A collector publishes each second; an uplink that was cut off tries again within half a minute.
const PROVEN_WITHIN: Duration = Duration::from_secs(45);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_root_at_the_same_size_contradicts_the_spool() {
        let head = |size, root| Checkpoint {
            origin: "example.net/agent/edge-1/0000000000000001".to_owned(),
            size,
            root: Hash([root; 32]),
            extensions: Vec::new(),
        };
        let ends = [(8, Hash([8; 32])), (12, Hash([12; 32]))];
        assert_eq!(held_against(&head(12, 12), &ends), Spooled::Same);
        assert_eq!(held_against(&head(12, 13), &ends), Spooled::Other);
        // Of a batch that was released before it was read, or is not there yet.
        for size in [10, 13] {
            assert_eq!(held_against(&head(size, 13), &ends), Spooled::Unseen);
        }
    }

    #[test]
    fn what_is_not_there_yet_is_said_to_be_so_and_nobody_is_accused() {
        let says = |failure: Failure| format!("{failure:?}");
        let published = says(not_yet(Some(8), 7));
        assert!(published.contains("holds the leaf"), "{published}");
        let partly = says(not_yet(Some(7), 7));
        assert!(partly.contains("holds 7 leaves") && partly.contains("number 7"), "{partly}");
        let silent = says(not_yet(None, 7));
        assert!(silent.contains("does not answer now"), "{silent}");
        for text in [published, partly, silent, says(batch_unseen(9))] {
            assert!(text.contains(" yet: "), "{text}");
            assert!(!text.contains("refuse") && !text.contains("contradict"), "{text}");
        }
    }
}
