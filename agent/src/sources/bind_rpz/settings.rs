//! `[[sources.bind_rpz]]`: one BIND.

use std::{net::SocketAddr, path::Path, sync::Arc};

use remit_proto::v1::SourceKind;
use serde::{Deserialize, Serialize};

use super::{BindRpz, line::Apex};
use crate::{
    config::Check,
    sources::{
        Technology,
        rpz::{RpzZone, action::Action, is_same_name},
        tail::POLL_MS,
    },
};

pub const TECHNOLOGY: Technology = Technology {
    kind: SourceKind::BindRpz,
    read: |section, check| Some(Arc::new(read(check.section(section), check)?)),
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    log: Option<String>,
    statistics: Option<String>,
    #[serde(default)]
    zones: Vec<ZoneSection>,
    counters_interval_s: Option<u32>,
    utc_offset_s: Option<i64>,
    canaries: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ZoneSection {
    name: Option<String>,
    file: Option<String>,
    policy: Option<String>,
}

fn read(section: Section, check: &mut Check<'_>) -> Option<BindRpz> {
    let Section { log, statistics, zones, counters_interval_s, utc_offset_s, canaries } = section;
    let canaries = check.resolver(canaries);
    let log = check.absolute(log, "log", "set the file of the channel that has category rpz");
    let statistics: Option<SocketAddr> = statistics.and_then(|text| {
        let remedy = "must be address:port of statistics-channels, such as 127.0.0.1:8053";
        check.given(text.parse().ok(), "statistics", remedy)
    });
    check.that(!zones.is_empty(), "zones", "name the zones of response-policy");
    let counters_interval_s = check.counters_interval(counters_interval_s);
    let utc_offset_s = check.utc_offset(utc_offset_s);
    let mut checked: Vec<RpzZone> = Vec::new();
    for (index, ZoneSection { name, file, policy }) in zones.into_iter().enumerate() {
        let key = |key: &str| format!("zones[{index}].{key}");
        let name = check.given(name, &key("name"), "set the name as in named.conf");
        let file = check.absolute(file, &key("file"), "set the zone's file");
        let policy = policy.filter(|word| word != "given").and_then(|word| {
            let known = POLICIES.iter().find(|(known, _)| *known == word);
            let remedy =
                "must be given, nxdomain, nodata, passthru, drop, tcp-only, cname or disabled";
            check.given(known.map(|(_, action)| *action), &key("policy"), remedy)
        });
        let is_name = name.as_ref().is_none_or(|name| Apex::new(name).is_some());
        check.that(is_name, &key("name"), "is not the name of a zone");
        let again = name
            .as_ref()
            .is_some_and(|name| checked.iter().any(|known| is_same_name(&known.name, name)));
        check.that(!again, &key("name"), "is there already; a zone is named once");
        if let (Some(name), Some(file)) = (name, file) {
            let (file, log_name) = (file.into(), None);
            checked.push(RpzZone { name, file, log_name, action_override: policy });
        }
    }
    Some(BindRpz {
        log: log?.into(),
        statistics,
        zones: checked,
        poll_ms: POLL_MS,
        counters_interval_s,
        utc_offset_s,
        canaries,
    })
}

pub(super) fn print(settings: &BindRpz) -> toml::Table {
    let BindRpz { log, statistics, zones, canaries, poll_ms: _, counters_interval_s, utc_offset_s } =
        settings;
    let path = |path: &Path| path.display().to_string();
    let zone = |RpzZone { name, file, log_name: _, action_override }: &RpzZone| ZoneSection {
        name: Some(name.clone()),
        file: Some(path(file)),
        policy: action_override.and_then(|action| {
            let known = POLICIES.iter().find(|(_, known)| *known == action);
            known.map(|(word, _)| (*word).to_owned())
        }),
    };
    crate::config::table(&Section {
        log: Some(path(log)),
        statistics: statistics.map(|address| address.to_string()),
        zones: zones.iter().map(zone).collect(),
        counters_interval_s: (*counters_interval_s).try_into().ok(),
        utc_offset_s: Some(*utc_offset_s),
        canaries: canaries.map(|address| address.to_string()),
    })
}

/// The words of `policy` in BIND's `response-policy` (`dns_rpz_str2policy` in lib/dns/rpz.c); `given`
/// is the zone's own.
const POLICIES: [(&str, Action); 7] = [
    ("nxdomain", Action::Nxdomain),
    ("nodata", Action::Nodata),
    ("passthru", Action::Passthru),
    ("drop", Action::Drop),
    ("tcp-only", Action::TcpOnly),
    ("cname", Action::Redirect),
    ("disabled", Action::Disabled),
];
