//! nginx: which hosts it answers with 451, under which claim, and how often.
//!
//! In: a log in the format of `remit-agent template nginx`, and the map file that says which hosts are
//! refused. Out: [`crate::observation::Report`]s, by way of [`Tail`].
//!
//! - **Rules** are the entries of the map file as it stands: what `nginx -s reload` has not yet taken in
//!   is told as if it had. Without `map`, rules are known from lines alone, and the state says that it
//!   may be incomplete.
//! - **Claims** are carried: the map's value, which the log repeats.
//! - **Hits** are the log's lines: what a claim was found for, and other answers with 451, of which the
//!   host alone is kept (`http`).
//! - **Completeness**: there is no counter and no number of lines. What nginx could not write is in its
//!   error log alone; offered is not known.
//! - The client's address is in no field of the format. A line with more fields is not understood.
//!
//! Sources: ngx_http_log_module, ngx_http_map_module; RFC 7725; measured with 1.22.1.

pub mod conf;
mod examine;
pub mod line;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use remit_proto::v1::SourceKind;

pub use self::settings::TECHNOLOGY;
use super::{
    FileUse, Source, SourceContext, SourceError,
    http::{Book, Deed, Read},
    raw_log::RawLog,
    tail::{self, Gathered, Lines, Settings, Stamp, Tail},
};
use crate::{
    doctor::Finding,
    observation::{CounterKey, RuleState},
};

/// One server on this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nginx {
    pub log: PathBuf,
    /// What the template's map includes.
    pub map: Option<PathBuf>,
    /// With which status the hosts of the map are refused.
    pub status: u16,
    pub poll_ms: u64,
}

impl Source for Nginx {
    fn kind(&self) -> SourceKind {
        SourceKind::Nginx
    }

    fn section(&self) -> toml::Table {
        settings::print(self)
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.log)
    }

    fn files(&self) -> Vec<FileUse> {
        self.map.clone().into_iter().chain([self.log.clone()]).map(FileUse::Read).collect()
    }

    /// The format of the template has no client.
    fn raw_log(&self) -> RawLog {
        RawLog::File { path: self.log.clone(), names_clients: false }
    }

    fn run(self: Arc<Self>, context: SourceContext) -> Result<(), SourceError> {
        let settings = Settings {
            source: SourceKind::Nginx,
            log: self.log.clone(),
            is_ours: line::is_ours,
            poll_ms: self.poll_ms,
            counters_interval_s: NO_COUNTERS_S,
        };
        let lines = Refusals {
            map: self.map.clone(),
            status: self.status,
            book: Book::default(),
            read: None,
        };
        // The recorder is gone: the agent stops.
        let _stopped = Tail::new(lines, settings, context).run();
        Ok(())
    }

    fn examine(&self, _context: &SourceContext) -> Vec<Finding> {
        examine::examine(self)
    }
}

/// Nothing is counted.
const NO_COUNTERS_S: u64 = 300;

struct Refusals {
    map: Option<PathBuf>,
    status: u16,
    book: Book,
    /// What the map was when it was read.
    read: Option<Stamp>,
}

impl Lines for Refusals {
    fn line(&mut self, bytes: &[u8], context: &SourceContext, gathered: &mut Gathered) {
        if !line::is_ours(bytes) {
            return;
        }
        let Some(line) = line::parse(bytes) else {
            gathered.not_parsed += 1;
            return;
        };
        if line.status < 300 {
            return;
        }
        let deed = Deed {
            label: "",
            says: &line.says,
            host: &line.host,
            status: line.status,
            blocked_by: line.blocked_by,
            at_s: line.at_s,
        };
        let (hit, new) = self.book.hit(&deed, context);
        gathered.new_rules |= new;
        gathered.add(hit);
    }

    fn refresh(&mut self, context: &SourceContext, _thorough: bool) -> bool {
        let Some(map) = &self.map else {
            return self.book.replace(Default::default(), Read::Incomplete, context);
        };
        let stamp = tail::stamp(map);
        if self.read == Some(stamp) {
            return false;
        }
        let (listed, read) = conf::read(map, self.status);
        // Who may not enter its folder today may tomorrow.
        self.read = (read != Read::Partial || !listed.is_empty()).then_some(stamp);
        self.book.replace(listed, read, context)
    }

    fn rules(&self, at_s: i64) -> RuleState {
        self.book.state(SourceKind::Nginx, at_s)
    }

    fn counters(&mut self) -> Option<Vec<(CounterKey, u64)>> {
        None
    }
}
