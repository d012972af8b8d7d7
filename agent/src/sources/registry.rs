//! Which technologies there are, one line for each, and which sources run, by the configuration.

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
    thread::{self, JoinHandle},
};

use remit_proto::v1::SourceKind;

use super::{
    RecorderGone, Resume, Source, SourceContext, SourceError, Technology, bind_rpz, dnsmasq,
    iptables_legacy, jsonl, knot, nftables, nginx, pdns, person, routes, squid, unbound_rpz, word,
};
use crate::{
    clock::Clock,
    config::Config,
    observation::Cursor,
    privacy::Privacy,
    recorder::{ReportSender, rule_number},
};

/// In the order in which their sections are checked, printed and examined.
pub const TECHNOLOGIES: [&Technology; 12] = [
    &nftables::TECHNOLOGY,
    &unbound_rpz::TECHNOLOGY,
    &bind_rpz::TECHNOLOGY,
    &dnsmasq::TECHNOLOGY,
    &pdns::TECHNOLOGY,
    &knot::TECHNOLOGY,
    &routes::TECHNOLOGY,
    &squid::TECHNOLOGY,
    &nginx::TECHNOLOGY,
    &jsonl::TECHNOLOGY,
    &iptables_legacy::TECHNOLOGY,
    &person::TECHNOLOGY,
];

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
    config.sources.iter().map(|source| source.kind()).collect()
}

/// Starts them.
pub fn spawn_all(config: &Config, line: &Line) -> io::Result<Vec<SourceThread>> {
    let start = |source: &Arc<dyn Source>| {
        let cursor = source.file().and_then(|file| line.cursors.iter().find(|c| c.path == file));
        spawn(source.clone(), context(config, line, source.kind(), cursor))
    };
    config.sources.iter().map(start).collect()
}

/// A source at work.
#[derive(Debug)]
pub struct SourceThread {
    kind: SourceKind,
    thread: JoinHandle<Result<(), SourceError>>,
}

pub fn spawn(source: Arc<dyn Source>, context: SourceContext) -> io::Result<SourceThread> {
    let kind = source.kind();
    let thread = thread::Builder::new().name(word(kind)).spawn(move || source.run(context))?;
    Ok(SourceThread { kind, thread })
}

impl SourceThread {
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    pub fn join(self) -> Result<(), SourceError> {
        self.thread.join().map_err(|_| SourceError::Defect(word(self.kind)))?
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
