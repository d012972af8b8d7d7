//! `[sources.squid]`: one proxy.

use std::sync::Arc;

use remit_proto::v1::SourceKind;
use serde::{Deserialize, Serialize};

use super::Squid;
use crate::{
    config::Check,
    sources::{Technology, tail::POLL_MS},
};

pub const TECHNOLOGY: Technology = Technology {
    kind: SourceKind::Squid,
    read: |section, check| Some(Arc::new(read(check.section(section), check)?)),
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    log: Option<String>,
    config: Option<String>,
    numbered: Option<bool>,
}

fn read(section: Section, check: &mut Check<'_>) -> Option<Squid> {
    let Section { log, config, numbered } = section;
    let remedy = "set the log that Squid writes in the format of `remit-agent template squid`";
    let log = check.absolute(log, "log", remedy);
    let config = config.and_then(|config| {
        check.absolute(Some(config), "config", "must be the path of squid.conf")
    });
    Some(Squid {
        log: log?.into(),
        config: config.map(Into::into),
        numbered: numbered.unwrap_or(true),
        poll_ms: POLL_MS,
    })
}

pub(super) fn print(settings: &Squid) -> toml::Table {
    let Squid { log, config, numbered, poll_ms: _ } = settings;
    crate::config::table(&Section {
        log: Some(log.display().to_string()),
        config: config.as_ref().map(|config| config.display().to_string()),
        numbered: Some(*numbered),
    })
}
