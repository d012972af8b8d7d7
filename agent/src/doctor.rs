//! `remit-agent doctor`: looks at everything that the agent needs, as the agent would, and changes
//! nothing. Each finding says what is so; what is wrong or incomplete says the remedy.
//!
//! In: a configuration that was read without mistakes. Out: [`Finding`]s, in the order of the line.
//!
//! It runs with the privileges that the agent would have: what it can read, the agent can. It binds no
//! NFLOG group and takes no lock, so it may run beside the agent.
//!
//! What logging costs in the datapath is measured only when asked for (`cost`): that takes seconds of a core.
//!
//! Not done here: whether a block is recorded end to end.

use std::{fmt, fs, path::Path, sync::Arc, time::Duration};

use nix::{
    fcntl::{Flock, FlockArg},
    sys::{
        statfs::{TMPFS_MAGIC, statfs},
        statvfs::statvfs,
    },
};
use remit_proto::v1::ClockState;

use crate::{
    clock::Clock,
    config::{Config, Memory},
    confinement::Confinement,
    cost,
    keys::{self, Identity, NodeKey},
    logging,
    privacy::Privacy,
    run,
    sources::registry,
    spool,
    uplink::{self, endpoint::Endpoint},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    Fine,
    /// Works, and something is not seen or not said.
    Incomplete,
    /// Does not work.
    Wrong,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fine => "fine",
            Self::Incomplete => "incomplete",
            Self::Wrong => "WRONG",
        })
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// "clock", "spool", the name of a source.
    pub part: &'static str,
    pub grade: Grade,
    pub says: String,
    /// Empty where there is nothing to do.
    pub remedy: String,
}

impl Finding {
    pub fn fine(part: &'static str, says: impl Into<String>) -> Self {
        Self { part, grade: Grade::Fine, says: says.into(), remedy: String::new() }
    }

    pub fn incomplete(
        part: &'static str,
        says: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { part, grade: Grade::Incomplete, says: says.into(), remedy: remedy.into() }
    }

    pub fn wrong(part: &'static str, says: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { part, grade: Grade::Wrong, says: says.into(), remedy: remedy.into() }
    }
}

/// Looks at everything.
pub fn examine(config: &Config, measure_cost: bool) -> Vec<Finding> {
    // With what rights there are: a namespace of its own is none of the agent's.
    let cost = measure_cost.then(cost::measure);
    let mut findings = Vec::new();
    findings.push(match run::reduce_privileges(config, None) {
        Err(error) => {
            let remedy =
                "start it as root, as the agent is; what follows was seen with other rights";
            Finding::wrong("privileges", logging::chain(&error), remedy)
        }
        Ok(Confinement::InForce { abi }) => {
            let says = format!("confined to the files it needs (Landlock {abi})");
            Finding::fine("privileges", says)
        }
        Ok(Confinement::Unavailable { .. }) => Finding::incomplete(
            "privileges",
            "this kernel cannot confine the agent to the files it needs; Start says so",
            "Linux 5.19 or later with landlock among its lsm= can",
        ),
        Ok(Confinement::Off) => Finding::incomplete(
            "privileges",
            "confine_files = false: a fault in the agent could reach any file of its user",
            "leave confine_files out, and name folders that it lacks in read_also",
        ),
    });
    findings.push(clock());
    let key = NodeKey::load(&config.dir.join(keys::NODE_KEY));
    findings.push(node(config, &key));
    findings.extend(certificate(config));
    findings.extend(spool(config));
    findings.extend(collectors(config));
    // Without a key tokens of customers differ; nothing of them is shown.
    let key = key.unwrap_or_else(|_| NodeKey::from_secret([0; 32]));
    let privacy = Arc::new(Privacy::new(config.customer_prefixes.clone(), &key, !config.reduced()));
    let context =
        |source| registry::silent_context(config, [0; 16], &privacy, source, &Arc::default());
    for source in &config.sources {
        findings.extend(source.examine(&context(source.kind())));
    }
    findings.extend(cost);
    if config.customer_prefixes.is_empty() {
        findings.push(Finding::incomplete(
            "privacy",
            "no customer_prefixes: an address that was hit is named only where it cannot be a \
             subscriber's",
            "list the prefixes of your customers in customer_prefixes",
        ));
    }
    findings
}

fn clock() -> Finding {
    match Clock::system().state() {
        ClockState::Synced => Finding::fine("clock", "synchronised"),
        _ => Finding::incomplete(
            "clock",
            "not synchronised: verdicts within 300 s of a request's bound are undetermined",
            "run chrony (with rtcsync), systemd-timesyncd or another daemon that disciplines it",
        ),
    }
}

fn node(config: &Config, key: &Result<NodeKey, keys::KeyError>) -> Finding {
    let remedy = format!("enrol the node: remit-agent enrol --dir {} …", config.dir.display());
    if let Err(error) = key {
        return Finding::wrong("node", logging::chain(error), remedy);
    }
    match Identity::load(&config.dir) {
        Ok(identity) => {
            Finding::fine("node", format!("{} of {}", identity.node, identity.operator))
        }
        Err(error) => Finding::wrong("node", logging::chain(&error), remedy),
    }
}

/// What is wrong with the files is found with the collectors.
fn certificate(config: &Config) -> Option<Finding> {
    let pem = keys::read(&config.dir.join(keys::TLS_CERTIFICATE)).ok()?;
    let validity = enrolment::validity(&pem)?;
    let now_s = Clock::system().now_s();
    let left = validity.until_s.saturating_sub(now_s) / 86_400;
    Some(if validity.is_over(now_s) {
        Finding::wrong(
            "certificate",
            format!("ended {} day(s) ago: the collector lets nobody in with it", -left),
            "ask the operator for a token (remit-collector enrol node … --renew) and give it to \
             remit-agent renew --token",
        )
    } else if now_s > validity.late_s() {
        Finding::incomplete(
            "certificate",
            format!("ends in {left} day(s), and should have been renewed"),
            "see whether the agent runs and reaches the collector, or give remit-agent renew",
        )
    } else {
        let renewal = validity.late_s().saturating_sub(now_s) / 86_400;
        let says = format!("good for {left} days; the agent renews it within {renewal}");
        Finding::fine("certificate", says)
    })
}

fn spool(config: &Config) -> Vec<Finding> {
    let dir = config.spool_dir();
    let mut findings = Vec::new();
    findings.extend(config.memory.as_ref().map(memory));
    match bytes_below(&dir) {
        Ok(used) => {
            let max = config.spool_bytes_max;
            let says = format!("{used} of at most {max} bytes used, in {}", dir.display());
            let free = free_bytes(&dir);
            findings.push(match free {
                Some(free) if free < max.saturating_sub(used) => Finding::incomplete(
                    "spool",
                    format!("{says}, and the file system has only {free} bytes left"),
                    "make room, or lower spool_bytes_max: what finds no room is counted as lost",
                ),
                _ => Finding::fine("spool", says),
            });
        }
        Err(error) => findings.push(Finding::wrong(
            "spool",
            format!("{}: {error}", dir.display()),
            "enrol makes it; it must belong to the agent's user",
        )),
    }
    findings.push(match is_running(&dir) {
        true => Finding::fine("agent", "one is running"),
        false => Finding::incomplete("agent", "none is running", "start remit-agent"),
    });
    findings
}

/// A spool in memory that lies on flash would wear it like any other.
fn memory(memory: &Memory) -> Finding {
    let Memory { dir, loss_bound_s } = memory;
    let says = format!("in memory: a power cut may cost {loss_bound_s} s of what it recorded");
    match statfs(dir).map(|fs| fs.filesystem_type()) {
        Ok(TMPFS_MAGIC) => Finding::fine("spool", says),
        Ok(_) => Finding::incomplete(
            "spool",
            format!("memory_dir ({}) is on no tmpfs: each batch is written to it", dir.display()),
            "name a folder below /run, or leave memory_dir out",
        ),
        Err(error) => Finding::wrong(
            "spool",
            format!("memory_dir ({}): {error}", dir.display()),
            "the agent's user must be able to write there: RuntimeDirectory= in the unit, or mkdir \
             and chown before the start",
        ),
    }
}

fn free_bytes(dir: &Path) -> Option<u64> {
    let fs = statvfs(dir).ok()?;
    #[allow(clippy::useless_conversion, reason = "32-bit systems count blocks in 32 bits")]
    let (blocks, size) = (u64::from(fs.blocks_available()), u64::from(fs.fragment_size()));
    Some(blocks.saturating_mul(size))
}

/// Who runs holds the lock of its spool.
pub(crate) fn is_running(dir: &Path) -> bool {
    let Ok(lock) = fs::File::open(dir.join(spool::LOCK)) else { return false };
    Flock::lock(lock, FlockArg::LockSharedNonblock).is_err()
}

fn bytes_below(dir: &Path) -> std::io::Result<u64> {
    let mut sum: u64 = 0;
    for entry in fs::read_dir(dir)? {
        let (entry, path) = entry.map(|entry| (entry.metadata(), entry.path()))?;
        // A file may be released while we look.
        let Ok(entry) = entry else { continue };
        let more = if entry.is_dir() { bytes_below(&path)? } else { entry.len() };
        sum = sum.saturating_add(more);
    }
    Ok(sum)
}

fn collectors(config: &Config) -> Vec<Finding> {
    let endpoints = match uplink::endpoints(&config.collectors, &config.dir) {
        Ok(endpoints) => endpoints,
        Err(error) => {
            let remedy = "put the files of the enrolment back, or enrol anew";
            return vec![Finding::wrong("collector", logging::chain(&error), remedy)];
        }
    };
    let runtime = match run::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return vec![Finding::wrong("collector", logging::chain(&error), "")],
    };
    let reach = |endpoint: Endpoint| {
        let url = endpoint.url();
        let connected = runtime
            .block_on(async { tokio::time::timeout(CONNECT_WITHIN, endpoint.connect()).await });
        match connected {
            Ok(Ok(_)) => {
                Finding::fine("collector", format!("{url} answers, and is who it should be"))
            }
            Ok(Err(error)) => Finding::wrong(
                "collector",
                format!("{url}: {}", logging::chain(&error)),
                "check address, firewall and ca.pem; until then leaves wait in the spool",
            ),
            Err(_) => Finding::wrong(
                "collector",
                format!("{url} does not answer within {} s", CONNECT_WITHIN.as_secs()),
                "check address and firewall; until then leaves wait in the spool",
            ),
        }
    };
    endpoints.into_iter().map(reach).collect()
}

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
