//! Rules, counters and hits that another box tells of, because no agent can run on it (DPI, BNG, CGNAT,
//! vendor firewalls): *relayed, by whom*.
//!
//! In: lines in a file or in datagrams of a Unix socket, each one record (`record`, specified by
//! `docs/sources/jsonl.md`) or one line of RFC 5424 through a field map (`syslog`); and, if there is
//! one, a file with all rules. Out: [`crate::observation::Report`]s.
//!
//! - The box is named in the settings (`by`), in each rule's text and in its key. Its enforcement point
//!   is declared as *relayed*, under its own technology's name: what it says is its word.
//! - **Rules**: the file `rules` holds all of them, as it stands. Without it, rules are known from lines
//!   alone, until the agent ends, and the state says that it may be incomplete.
//! - **Claims**: carried by the rule, else mapped: `rule:<by>/<name of the rule>`.
//! - **Hits**: records of type `hit`, or with `hits_from = "counters"` the growth of the counters.
//! - **Counters** are held against hits once they were read a few times: what a box had counted before
//!   it told of it is nobody's loss. What it knows to be lost it says (`lost`).
//! - A line with a field that is not specified is not understood, as a whole: a client's address has no
//!   place. Customers' addresses in targets and texts become tokens.
//! - A file is read exactly once over rotation and restart (`tail`). A socket has no memory: what is
//!   sent while the agent is down is the sender's to keep.

mod examine;
pub mod json;
pub mod record;
mod relay;
mod settings;
mod socket;
pub mod syslog;
pub(in crate::sources) mod target;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use remit_proto::v1::SourceKind;

use self::relay::Relay;
pub use self::{settings::TECHNOLOGY, syslog::FieldMap};
use super::{
    FileUse, Source, SourceContext, SourceError,
    raw_log::RawLog,
    tail::{Settings, Tail},
};
use crate::doctor::Finding;

/// One box that tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jsonl {
    pub by: String,
    pub input: Input,
    /// All rules, as records of type `rule`.
    pub rules: Option<PathBuf>,
    pub format: Format,
    pub counters_alone: bool,
    pub counters_interval_s: u64,
    pub poll_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Log(PathBuf),
    Socket(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    Remit,
    Syslog(Box<FieldMap>),
}

impl Source for Jsonl {
    fn kind(&self) -> SourceKind {
        SourceKind::Jsonl
    }

    fn section(&self) -> toml::Table {
        settings::print(self)
    }

    fn file(&self) -> Option<&Path> {
        match &self.input {
            Input::Log(log) => Some(log),
            Input::Socket(_) => None,
        }
    }

    fn files(&self) -> Vec<FileUse> {
        let input = match &self.input {
            Input::Log(log) => FileUse::Read(log.clone()),
            Input::Socket(socket) => FileUse::Listen(socket.clone()),
        };
        self.rules.clone().map(FileUse::Read).into_iter().chain([input]).collect()
    }

    fn raw_log(&self) -> RawLog {
        // A record has no field for one; what a vendor puts into a line of syslog nobody knows.
        let names_clients = matches!(self.format, Format::Syslog(_));
        match &self.input {
            Input::Log(path) => RawLog::File { path: path.clone(), names_clients },
            Input::Socket(_) => RawLog::Stream { names_clients },
        }
    }

    fn run(self: Arc<Self>, context: SourceContext) -> Result<(), SourceError> {
        let Self { by, input, rules, format, counters_alone, .. } = &*self;
        let relay = Relay::new(by.clone(), format.clone(), rules.clone(), *counters_alone);
        match input {
            Input::Log(log) => {
                let settings = Settings {
                    source: SourceKind::Jsonl,
                    log: log.clone(),
                    is_ours: |line| !line.trim_ascii().is_empty(),
                    poll_ms: self.poll_ms,
                    counters_interval_s: self.counters_interval_s,
                };
                // The recorder is gone: the agent stops.
                let _stopped = Tail::new(relay, settings, context).run();
                Ok(())
            }
            Input::Socket(path) => socket::run(path, relay, &context, self.counters_interval_s)
                .map_err(|error| SourceError::Failed("jsonl".into(), error.into())),
        }
    }

    fn examine(&self, _context: &SourceContext) -> Vec<Finding> {
        examine::examine(self)
    }
}
