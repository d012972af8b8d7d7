//! `[sources.nftables]`: rules, counters and NFLOG groups of the agent's own network namespace.

use std::{sync::Arc, time::Duration};

use remit_proto::v1::SourceKind;
use serde::{Deserialize, Serialize};

use super::Nftables;
use crate::{
    config::Check,
    sources::{Technology, nflog},
};

pub const TECHNOLOGY: Technology = Technology {
    kind: SourceKind::Nftables,
    read: |section, check| Some(Arc::new(read(check.section(section), check))),
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    groups: Option<Vec<u16>>,
    counters_interval_s: Option<u32>,
    canaries: Option<bool>,
    receive_buffer_kib: Option<u32>,
}

fn read(section: Section, check: &mut Check<'_>) -> Nftables {
    let Section { groups, counters_interval_s, canaries, receive_buffer_kib } = section;
    let groups = groups.unwrap_or_default();
    let distinct = crate::order::set(groups.iter().copied());
    check.that(
        !groups.is_empty() && distinct.len() == groups.len() && groups.len() <= 16,
        "groups",
        "name 1 to 16 different NFLOG groups, as in the rules' `log group N`",
    );
    let counters_interval_s = check.counters_interval(counters_interval_s);
    let mut nflog = nflog::Settings::default();
    if let Some(kib) = receive_buffer_kib {
        let range = RECEIVE_BUFFER_KIB.contains(&kib);
        check.that(range, "receive_buffer_kib", "must be 4 to 65536; left out, it is 1024");
        nflog.receive_buffer_bytes = kib.saturating_mul(1024) as usize;
    }
    Nftables {
        groups,
        counters_interval: Duration::from_secs(counters_interval_s),
        // A rule for them is what asks for them.
        canaries: canaries.unwrap_or(true),
        nflog,
    }
}

impl Default for Nftables {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            // Reading all counters costs less than a millisecond; the account of a loss is then
            // settled within ten seconds.
            counters_interval: Duration::from_secs(5),
            canaries: true,
            nflog: nflog::Settings::default(),
        }
    }
}

pub(super) fn print(settings: &Nftables) -> toml::Table {
    let Nftables { groups, counters_interval, canaries, nflog } = settings;
    crate::config::table(&Section {
        groups: Some(groups.clone()),
        counters_interval_s: counters_interval.as_secs().try_into().ok(),
        canaries: Some(*canaries),
        receive_buffer_kib: (nflog.receive_buffer_bytes / 1024).try_into().ok(),
    })
}

/// For each group. The kernel takes twice as much, and no less than a page or two.
const RECEIVE_BUFFER_KIB: std::ops::RangeInclusive<u32> = 4..=65_536;
