//! `[sources.routes]`: null routes of the agent's own network namespace.

use std::{sync::Arc, time::Duration};

use remit_proto::v1::SourceKind;
use serde::{Deserialize, Serialize};

use super::Routes;
use crate::{config::Check, sources::Technology};

pub const TECHNOLOGY: Technology = Technology {
    kind: SourceKind::Routes,
    read: |section, check| Some(Arc::new(read(check.section(section), check))),
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    log_group: Option<u16>,
    counter: Option<String>,
    counters_interval_s: Option<u32>,
}

fn read(section: Section, check: &mut Check<'_>) -> Routes {
    let Section { log_group, counter, counters_interval_s } = section;
    let parts =
        counter.as_ref().map_or(3, |name| name.split('/').filter(|p| !p.is_empty()).count());
    check.that(
        parts == 3,
        "counter",
        "must be family/table/name of a counter object, such as inet/remit_routes/no_way",
    );
    let counters_interval = Duration::from_secs(check.counters_interval(counters_interval_s));
    Routes { log_group, counter, counters_interval }
}

pub(super) fn print(settings: &Routes) -> toml::Table {
    let Routes { log_group, counter, counters_interval } = settings;
    crate::config::table(&Section {
        log_group: *log_group,
        counter: counter.clone(),
        counters_interval_s: counters_interval.as_secs().try_into().ok(),
    })
}
