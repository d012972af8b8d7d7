//! Which sources run, by the configuration: one line for each technology.

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
    thread::JoinHandle,
    time::Duration,
};

use remit_proto::v1::SourceKind;

use super::{
    RecorderGone, Resume, SourceContext,
    nftables::{self, Nftables, NftablesError},
    unbound_rpz::{self, RpzZone, UnboundRpz},
};
use crate::{
    clock::Clock,
    config::{Config, NftablesConfig, UnboundRpzConfig},
    observation::Cursor,
    privacy::Privacy,
    recorder::{ReportSender, rule_number},
};

/// What all sources of this run share.
#[derive(Clone)]
pub struct Line {
    pub sender: ReportSender,
    pub privacy: Arc<Privacy>,
    /// From which rule numbers derive.
    pub secret: [u8; 16],
    /// Where files were read up to, and when that was recorded.
    pub cursors: Vec<Cursor>,
    pub resumed_at_s: Option<i64>,
    pub stop: Arc<AtomicBool>,
}

/// The sources that the configuration asks for, as `Start` names them.
pub fn kinds(config: &Config) -> Vec<SourceKind> {
    let nftables = config.nftables.iter().map(|_| SourceKind::Nftables);
    let unbound = config.unbound_rpz.iter().map(|_| SourceKind::UnboundRpz);
    nftables.chain(unbound).collect()
}

/// Starts them.
pub fn spawn_all(config: &Config, line: &Line) -> io::Result<Vec<SourceThread>> {
    let mut threads = Vec::new();
    if let Some(settings) = &config.nftables {
        let context = context(config, line, SourceKind::Nftables, None);
        threads.push(SourceThread::Nftables(nftables::spawn(nftables(settings), context)?));
    }
    if let Some(unbound) = &config.unbound_rpz {
        let cursor = line.cursors.iter().find(|cursor| cursor.path == unbound.log);
        let context = context(config, line, SourceKind::UnboundRpz, cursor);
        threads.push(SourceThread::UnboundRpz(unbound_rpz::spawn(unbound_rpz(unbound), context)?));
    }
    Ok(threads)
}

/// A source at work.
#[derive(Debug)]
pub enum SourceThread {
    Nftables(JoinHandle<Result<(), NftablesError>>),
    UnboundRpz(JoinHandle<()>),
}

/// Why a source ended that was not told to. An agent that goes on without it would look healthy
/// and see nothing, so the process stops.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("nftables cannot be observed")]
    Nftables(#[source] NftablesError),
    #[error("the source {0} ended by a defect")]
    Defect(&'static str),
}

impl SourceThread {
    pub fn is_finished(&self) -> bool {
        match self {
            Self::Nftables(thread) => thread.is_finished(),
            Self::UnboundRpz(thread) => thread.is_finished(),
        }
    }

    pub fn join(self) -> Result<(), SourceError> {
        match self {
            Self::Nftables(thread) => thread
                .join()
                .map_err(|_| SourceError::Defect("nftables"))?
                .map_err(SourceError::Nftables),
            Self::UnboundRpz(thread) => {
                thread.join().map_err(|_| SourceError::Defect("unbound_rpz"))
            }
        }
    }
}

fn context(
    config: &Config,
    line: &Line,
    source: SourceKind,
    cursor: Option<&Cursor>,
) -> SourceContext {
    let sender = line.sender.clone();
    let resume = cursor.cloned().zip(line.resumed_at_s);
    SourceContext {
        send: Arc::new(move |report| sender.send(report)),
        resume: resume.map(|(cursor, at_s)| Resume { cursor, at_s }),
        ..silent_context(config, line.secret, &line.privacy, source, &line.stop)
    }
}

/// Of a source that hands its reports to its caller, as an import does.
pub fn silent_context(
    config: &Config,
    secret: [u8; 16],
    privacy: &Arc<Privacy>,
    source: SourceKind,
    stop: &Arc<AtomicBool>,
) -> SourceContext {
    let map = config.basis_map.clone();
    SourceContext {
        send: Arc::new(|_| Err(RecorderGone)),
        now_s: || Clock::system().now_s(),
        rule_number: Arc::new(move |key| rule_number(&secret, source, key)),
        mapped: Arc::new(move |selector| {
            map.claims(selector).map(<[_]>::to_vec).unwrap_or_default()
        }),
        privacy: privacy.clone(),
        default_actor: config.default_actor,
        stop: stop.clone(),
        resume: None,
    }
}

fn nftables(config: &NftablesConfig) -> Nftables {
    Nftables {
        groups: config.groups.clone(),
        counters_interval: Duration::from_secs(config.counters_interval_s.into()),
        ..Nftables::default()
    }
}

pub(crate) fn unbound_rpz(config: &UnboundRpzConfig) -> UnboundRpz {
    UnboundRpz {
        log: config.log.clone(),
        control: config.control.clone(),
        zones: config
            .zones
            .iter()
            .map(|zone| RpzZone {
                name: zone.name.clone(),
                file: zone.file.clone(),
                log_name: zone.log_name.clone(),
                action_override: zone.action_override,
            })
            .collect(),
        poll_ms: UNBOUND_POLL_MS,
        counters_interval_s: u64::from(config.counters_interval_s),
        utc_offset_s: config.utc_offset_s,
    }
}

/// A hit is seen within a batch interval; an idle log costs one stat call.
const UNBOUND_POLL_MS: u64 = 200;
