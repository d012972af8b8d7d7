//! Squid: which hosts the proxy refuses, by which list, and how often.
//!
//! In: squid.conf with the lists that it names, and a log in the format of `remit-agent template
//! squid`. Out: [`crate::observation::Report`]s, by way of [`Tail`].
//!
//! - **Rules** are the `http_access deny` lines that are about where a request goes, one for each entry
//!   of their lists (`conf`), as the files stand: what `squid -k reconfigure` has not yet taken in is
//!   told as if it had. Without `config`, rules are known from lines alone, and the state says that it
//!   may be incomplete. Not read: `http_reply_access`, `ssl_bump terminate`, ICAP and redirectors.
//! - **Claims** are carried: the annotation `remit=…` that the deny line sets and the log repeats.
//! - **Hits** are lines with `TCP_DENIED`, except those that ask for a password. A line without an
//!   annotation leaves the host alone (`http`).
//! - Lines whose rule is called `own`, if no deny line of that name is about where a request goes, are
//!   the proxy's own access control: counted as "squid/own" in each `Seal`, not judged.
//! - **Completeness**: Squid numbers the lines of a log (`%sn`). What is missing in between was not
//!   written (a full disk, with `on-error=drop`) and is lost, counted. A number that is not above the
//!   one before it begins anew: Squid was started again or has read its configuration. What is lost at
//!   the end of the log shows with the next line. There is no separate counter: offered is not known.
//!   Several workers that write one log have numbers of their own: `numbered = false`.
//! - The client's address is in no field of the format. A line with more fields is not understood.
//!
//! Sources: squid.conf.documented, src/format/Format.cc, src/log/access_log.cc; measured with 5.7.

pub mod conf;
mod examine;
pub mod line;
mod settings;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use remit_proto::v1::{LossCause, SelfProtection, SourceKind};

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

/// One proxy on this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Squid {
    pub log: PathBuf,
    /// squid.conf
    pub config: Option<PathBuf>,
    /// The numbers of the lines are one sequence.
    pub numbered: bool,
    pub poll_ms: u64,
}

impl Source for Squid {
    fn kind(&self) -> SourceKind {
        SourceKind::Squid
    }

    fn section(&self) -> toml::Table {
        settings::print(self)
    }

    fn file(&self) -> Option<&std::path::Path> {
        Some(&self.log)
    }

    fn files(&self) -> Vec<FileUse> {
        let named = self.config.iter().flat_map(|config| conf::read(config).files);
        named.chain([self.log.clone()]).map(FileUse::Read).collect()
    }

    /// The format of the template has no client.
    fn raw_log(&self) -> RawLog {
        RawLog::File { path: self.log.clone(), names_clients: false }
    }

    fn run(self: Arc<Self>, context: SourceContext) -> Result<(), SourceError> {
        let settings = Settings {
            source: SourceKind::Squid,
            log: self.log.clone(),
            is_ours: line::is_ours,
            poll_ms: self.poll_ms,
            counters_interval_s: OWN_INTERVAL_S,
        };
        let lines = Denials::new(self.config.clone(), self.numbered);
        // The recorder is gone: the agent stops.
        let _stopped = Tail::new(lines, settings, context).run();
        Ok(())
    }

    fn examine(&self, _context: &SourceContext) -> Vec<Finding> {
        examine::examine(self)
    }
}

/// Between two counts of what the proxy refuses for its own sake.
const OWN_INTERVAL_S: u64 = 5;
/// The rule name of the proxy's own access control.
const OWN: &str = "own";

struct Denials {
    config: Option<PathBuf>,
    numbered: bool,
    book: Book,
    read: HashMap<PathBuf, Stamp>,
    /// Of the last line.
    number: Option<u64>,
    own: u64,
}

impl Denials {
    fn new(config: Option<PathBuf>, numbered: bool) -> Self {
        let (book, read) = (Book::default(), HashMap::new());
        Self { config, numbered, book, read, number: None, own: 0 }
    }

    fn has_changed(&self) -> bool {
        self.read.is_empty() || self.read.iter().any(|(path, known)| tail::stamp(path) != *known)
    }

    fn lost_before(&mut self, number: u64) -> u64 {
        let before = self.number.replace(number);
        let Some(before) = before.filter(|_| self.numbered) else { return 0 };
        number.saturating_sub(before).saturating_sub(1)
    }
}

impl Lines for Denials {
    fn line(&mut self, bytes: &[u8], context: &SourceContext, gathered: &mut Gathered) {
        if !line::is_ours(bytes) {
            return;
        }
        let Some(line) = line::parse(bytes) else {
            gathered.not_parsed += 1;
            return self.broken();
        };
        let lost = self.lost_before(line.number);
        gathered.lose(LossCause::FileLost, lost);
        if !line.denied {
            return;
        }
        if line.label == OWN && !self.book.knows(OWN) {
            self.own += 1;
            return;
        }
        let Some(host) = &line.host else {
            gathered.not_parsed += 1;
            return;
        };
        let deed = Deed {
            label: &line.label,
            says: &line.says,
            host,
            status: line.status,
            blocked_by: false,
            at_s: line.at_s,
        };
        let (hit, new) = self.book.hit(&deed, context);
        gathered.new_rules |= new;
        gathered.add(hit);
    }

    /// It had a number, which is not missing.
    fn broken(&mut self) {
        self.number = self.number.map(|number| number.saturating_add(1));
    }

    fn refresh(&mut self, context: &SourceContext, _thorough: bool) -> bool {
        let Some(config) = &self.config else {
            return self.book.replace(Default::default(), Read::Incomplete, context);
        };
        if !self.has_changed() {
            return false;
        }
        let conf = conf::read(config);
        self.read = conf.files.into_iter().map(|path| (path.clone(), tail::stamp(&path))).collect();
        self.book.replace(conf.listed, conf.read, context)
    }

    fn rules(&self, at_s: i64) -> RuleState {
        self.book.state(SourceKind::Squid, at_s)
    }

    fn counters(&mut self) -> Option<Vec<(CounterKey, u64)>> {
        None
    }

    fn self_protection(&self) -> Vec<SelfProtection> {
        let own =
            SelfProtection { chain: "squid/own".into(), packets: self.own, uncounted_rules: 0 };
        (self.own > 0).then_some(own).into_iter().collect()
    }
}
