//! `[sources.nginx]`: one server.

use std::sync::Arc;

use remit_proto::v1::SourceKind;
use serde::{Deserialize, Serialize};

use super::Nginx;
use crate::{
    config::Check,
    sources::{Technology, tail::POLL_MS},
};

pub const TECHNOLOGY: Technology = Technology {
    kind: SourceKind::Nginx,
    read: |section, check| Some(Arc::new(read(check.section(section), check)?)),
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    log: Option<String>,
    map: Option<String>,
    status: Option<u16>,
}

/// RFC 7725.
const STATUS_DEFAULT: u16 = 451;

fn read(section: Section, check: &mut Check<'_>) -> Option<Nginx> {
    let Section { log, map, status } = section;
    let remedy = "set the log that nginx writes in the format of `remit-agent template nginx`";
    let log = check.absolute(log, "log", remedy);
    let map = map.and_then(|map| check.absolute(Some(map), "map", "must be the map's file"));
    let status = status.unwrap_or(STATUS_DEFAULT);
    check.that(
        (300..=599).contains(&status),
        "status",
        "must be the status that is returned, 300 to 599",
    );
    Some(Nginx { log: log?.into(), map: map.map(Into::into), status, poll_ms: POLL_MS })
}

pub(super) fn print(settings: &Nginx) -> toml::Table {
    let Nginx { log, map, status, poll_ms: _ } = settings;
    crate::config::table(&Section {
        log: Some(log.display().to_string()),
        map: map.as_ref().map(|map| map.display().to_string()),
        status: Some(*status),
    })
}
