//! Knot Resolver 5: which of its answers say that they are blocks.
//!
//! In: the dnstap stream that its module sends to a Unix socket, and the files of `policy.rpz`. Out: reports,
//! on one thread.
//!
//! An answer is a hit if it carries an extended error that says so: Blocked (15), Censored (16), Filtered (17).
//! `policy.DENY_MSG('remit=de/2026-42')` adds its text as a TXT record, and that is the claim; so every rule or
//! list that is to claim something has its own message. The rule is the record of a file that covers the name
//! asked for, if a policy of that message has one; else the name asked for is all that is known, and it is the
//! target.
//!
//! What dnstap cannot prove is not said here:
//! - A client that sends no EDNS gets no extended error, and what was done to it is not seen.
//! - `policy.DENY` carries no text: a rule without a claim. `REFUSE` and `DROP` are answered with Prohibited
//!   (18), which also says that a client may not ask; `ANSWER` and rules of local data with Forged Answer (4),
//!   which Knot also sends for its own names: these are not counted.
//! - dnstap counts nothing, and Knot drops what it cannot get out without a word: what was offered is unknown.
//! - Whether a file that was changed has been loaded.
//!
//! Every answer to every client comes over this socket, with the client's address: the types here have no field
//! for it (`answer`), and nothing lies on a disk in between.
//!
//! Sources: dnstap.proto; fstrm/control.h; modules/dnstap and modules/policy of Knot Resolver; RFC 8914; measured
//! with 5.6.0.

pub mod answer;
mod examine;
pub mod frames;
mod settings;

use std::{
    fs::{self, Permissions},
    io,
    net::SocketAddr,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use remit_proto::v1::SourceKind;

pub use self::settings::TECHNOLOGY;
use self::{
    answer::{Answer, Read},
    frames::Frames,
};
use super::{
    FileUse, RecorderGone, Source, SourceContext, SourceError,
    raw_log::RawLog,
    rpz::{
        self, Applied, RpzZone,
        canary::ZoneCanaries,
        owner::Owner,
        rules::{Resolver, Rules},
    },
    stamp::Stamp,
    stream::{Connected, Listener, Streams},
    tail::{Gathered, RULES_INTERVAL},
};
use crate::{
    doctor::Finding,
    observation::{Cursor, Hit, NotParsed, Report, Response},
};

/// One resolver on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knot {
    /// `socket_path` of its dnstap module; the agent makes it.
    pub socket: PathBuf,
    pub policies: Vec<Policy>,
    /// Where the resolver is asked for the canaries of its policies; `None`: there are none.
    pub canaries: Option<SocketAddr>,
}

/// `policy.rpz(policy.DENY_MSG(message), file)`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub message: String,
    pub file: PathBuf,
    /// The zone's own name, where names in the file are not relative to it.
    pub origin: Option<String>,
}

impl Policy {
    /// Names in the file are relative to it.
    fn zone_name(&self) -> &str {
        self.origin.as_deref().unwrap_or(&self.message)
    }
}

impl Source for Knot {
    fn kind(&self) -> SourceKind {
        SourceKind::Knot
    }

    fn section(&self) -> toml::Table {
        settings::print(self)
    }

    /// No file: the mark by which a start knows that there was one before.
    fn file(&self) -> Option<&Path> {
        Some(Path::new(MARK))
    }

    fn files(&self) -> Vec<FileUse> {
        let policies = self.policies.iter().map(|policy| FileUse::Read(policy.file.clone()));
        policies.chain([FileUse::Listen(self.socket.clone())]).collect()
    }

    fn canary_paths(&self) -> Vec<Arc<str>> {
        self.canaries.map(|_| rpz::canary::paths(&self.zones())).unwrap_or_default()
    }

    fn raw_log(&self) -> RawLog {
        RawLog::Stream { names_clients: true }
    }

    fn run(self: Arc<Self>, context: SourceContext) -> Result<(), SourceError> {
        let failed = |error: io::Error| {
            let text = format!("{} cannot be listened on: {error}", self.socket.display());
            SourceError::Failed("knot".to_owned(), io::Error::new(error.kind(), text).into())
        };
        let listener = listen(&self.socket).map_err(failed)?;
        let streams = Streams::new(Listener::Unix(listener)).map_err(failed)?;
        // The recorder is gone: the agent is stopping.
        let _stopped = Receiver::new(&self, streams, context).run();
        // Whoever connects now is told at once that nobody listens.
        let _ = fs::remove_file(&self.socket);
        Ok(())
    }

    fn examine(&self, context: &SourceContext) -> Vec<Finding> {
        examine::examine(self, context)
    }
}

/// A socket that a former run left is taken away; one that is in use is not.
fn listen(path: &Path) -> io::Result<UnixListener> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        if UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    // For the resolver, by the group of the folder; nobody else is to tell us anything.
    fs::set_permissions(path, Permissions::from_mode(0o660))?;
    Ok(listener)
}

impl Knot {
    fn resolver(&self) -> Resolver {
        Resolver {
            source: SourceKind::Knot,
            instance: format!("knot/{}", self.socket.display()),
            lines_name_zones: false,
            // The answer says what was asked, not which record covers it.
            lines_name_what_was_found: true,
            counter: None,
            counts_tcp_only: false,
            loaded: None,
        }
    }

    fn zones(&self) -> Vec<RpzZone> {
        let zone = |policy: &Policy| RpzZone {
            name: policy.zone_name().to_owned(),
            file: policy.file.clone(),
            log_name: Some(policy.message.clone()),
            action_override: None,
        };
        self.policies.iter().map(zone).collect()
    }
}

struct Receiver {
    context: SourceContext,
    streams: Streams<Frames>,
    connected: Connected,
    rules: Rules,
    canaries: ZoneCanaries,
}

impl Receiver {
    fn new(config: &Knot, streams: Streams<Frames>, context: SourceContext) -> Self {
        let zones = config.zones();
        let canaries = ZoneCanaries::new(SourceKind::Knot, config.canaries, &zones);
        let rules = Rules::new(zones, config.resolver());
        let connected = Connected::new(SourceKind::Knot, &context);
        Self { context, streams, connected, rules, canaries }
    }

    fn run(&mut self) -> Result<(), RecorderGone> {
        let mut rules_due = Instant::now();
        self.rules.refresh(&self.context, true);
        self.send_rules()?;
        if self.context.resume.is_some() {
            // While no agent listened.
            self.connected.unsure(&self.context)?;
        }
        self.report(Gathered::default(), true)?;
        while !self.context.stopping() {
            let now = Instant::now();
            if now >= rules_due {
                rules_due = now + RULES_INTERVAL;
                if self.rules.refresh(&self.context, false) {
                    self.send_rules()?;
                }
            }
            self.streams.wait();
            self.receive()?;
            self.connected.look(self.streams.is_connected(), &self.context)?;
            self.send_canaries()?;
        }
        // What was sent until now is recorded now.
        self.receive()
    }

    /// Reads every connection until nothing is left.
    fn receive(&mut self) -> Result<(), RecorderGone> {
        loop {
            let mut gathered = Gathered::default();
            let mut answers = Vec::new();
            let received = self.streams.receive(&mut |frame| match answer::read(frame) {
                Read::NotOurs => {}
                Read::NotUnderstood => gathered.not_parsed += 1,
                // Most answers are not blocks, and nothing of them is kept.
                Read::Answer(answer) if !answer.is_block() => {}
                Read::Answer(answer) => answers.push(answer),
            });
            for answer in answers {
                self.take(answer, &mut gathered);
            }
            gathered.not_parsed += received.broken;
            self.report(gathered, false)?;
            if !received.more {
                return Ok(());
            }
        }
    }

    fn take(&mut self, answer: Answer, gathered: &mut Gathered) {
        let applied = Applied {
            stamp: Stamp::Absolute(answer.at_s),
            label: answer.explanation.as_deref(),
            owner: Owner::QueryName(answer.asked.clone()),
            done: answer.done(),
            asked: &answer.asked,
        };
        if let Some(name) = self.rules.canary_of(&applied) {
            return self.canaries.seen(name);
        }
        let cause = self.rules.cause_or_new(&applied, &self.context, gathered);
        let hit = rpz::hit(&applied, cause, answer.at_s, &self.context);
        let (rcode, extended_errors) = (answer.rcode, answer.extended_errors.clone());
        gathered.add(Hit { response: Response::Dns { rcode, extended_errors }, ..hit });
    }

    fn report(&self, gathered: Gathered, always: bool) -> Result<(), RecorderGone> {
        let Gathered { hits, not_parsed, lost: _, new_rules, refreshed: _, canaries: _ } = gathered;
        if new_rules {
            self.send_rules()?;
        }
        if hits.is_empty() && not_parsed == 0 && !always {
            return Ok(());
        }
        (self.context.send)(Report::Hits {
            source: SourceKind::Knot,
            hits,
            not_parsed: NotParsed { count: not_parsed, at_s: (self.context.now_s)() },
            canaries: None,
            cursor: Some(mark()),
            import: None,
        })
    }

    fn send_canaries(&mut self) -> Result<(), RecorderGone> {
        self.canaries.aim(self.rules.canaries());
        let news = self.canaries.step(&self.context);
        news.into_iter().try_for_each(|report| (self.context.send)(report))
    }

    fn send_rules(&self) -> Result<(), RecorderGone> {
        (self.context.send)(Report::Rules(self.rules.state((self.context.now_s)())))
    }
}

/// No file has such a path: those of the settings are absolute.
const MARK: &str = "knot";

fn mark() -> Cursor {
    Cursor { path: MARK.into(), inode: 0, offset: 0, head_size: 0, head_digest: [0; 32] }
}

#[cfg(test)]
mod tests;
