//! `[[sources.unbound_rpz]]`: one resolver.

use std::{path::Path, sync::Arc};

use remit_proto::v1::SourceKind;
use serde::{Deserialize, Serialize};

use super::UnboundRpz;
use crate::{
    config::Check,
    sources::{
        Technology,
        rpz::{RpzZone, action::Action, is_same_name},
        tail::POLL_MS,
    },
};

pub const TECHNOLOGY: Technology = Technology {
    kind: SourceKind::UnboundRpz,
    read: |section, check| Some(Arc::new(read(check.section(section), check)?)),
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    log: Option<String>,
    control: Option<String>,
    #[serde(default)]
    zones: Vec<ZoneSection>,
    local_zones: Option<bool>,
    counters_interval_s: Option<u32>,
    utc_offset_s: Option<i64>,
    canaries: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ZoneSection {
    name: Option<String>,
    file: Option<String>,
    log_name: Option<String>,
    action_override: Option<String>,
}

fn read(section: Section, check: &mut Check<'_>) -> Option<UnboundRpz> {
    let Section { log, control, zones, local_zones, counters_interval_s, utc_offset_s, canaries } =
        section;
    let canaries = check.resolver(canaries);
    let log = check.absolute(log, "log", "set the log file that Unbound writes");
    if let Some(control) = &control {
        let absolute = Path::new(control).is_absolute();
        check.that(absolute, "control", "must be the absolute path of a socket");
    }
    let local_zones = local_zones.unwrap_or(false);
    check.that(
        !zones.is_empty() || local_zones,
        "zones",
        "name at least one response policy zone, or set local_zones = true",
    );
    check.that(
        !local_zones || control.is_some(),
        "local_zones",
        "needs control: which local zones there are, and what their own data answers, Unbound alone \
         says",
    );
    let counters_interval_s = check.counters_interval(counters_interval_s);
    let utc_offset_s = check.utc_offset(utc_offset_s);
    let mut checked: Vec<RpzZone> = Vec::new();
    for (index, ZoneSection { name, file, log_name, action_override }) in
        zones.into_iter().enumerate()
    {
        let key = |key: &str| format!("zones[{index}].{key}");
        let name = check.given(name, &key("name"), "set the name as in unbound.conf");
        let file = check.absolute(file, &key("file"), "set the zone's file");
        let action_override = action_override.and_then(|word| {
            let known = ACTION_OVERRIDES.iter().find(|(known, _)| *known == word);
            let action = known.map(|(_, action)| *action);
            let remedy = "must be nxdomain, nodata, passthru, drop, cname or disabled";
            check.given(action, &key("action_override"), remedy)
        });
        let again = name
            .as_ref()
            .is_some_and(|name| checked.iter().any(|known| is_same_name(&known.name, name)));
        check.that(!again, &key("name"), "is there already; a zone is named once");
        if let (Some(name), Some(file)) = (name, file) {
            checked.push(RpzZone { name, file: file.into(), log_name, action_override });
        }
    }
    Some(UnboundRpz {
        log: log?.into(),
        control: control.map(Into::into),
        zones: checked,
        local_zones,
        poll_ms: POLL_MS,
        counters_interval_s,
        utc_offset_s,
        canaries,
    })
}

pub(super) fn print(settings: &UnboundRpz) -> toml::Table {
    let UnboundRpz {
        log,
        control,
        zones,
        local_zones,
        poll_ms: _,
        counters_interval_s,
        utc_offset_s,
        canaries,
    } = settings;
    let path = |path: &Path| path.display().to_string();
    let zone = |RpzZone { name, file, log_name, action_override }: &RpzZone| ZoneSection {
        name: Some(name.clone()),
        file: Some(path(file)),
        log_name: log_name.clone(),
        action_override: action_override.and_then(override_word),
    };
    crate::config::table(&Section {
        log: Some(path(log)),
        control: control.as_deref().map(path),
        zones: zones.iter().map(zone).collect(),
        local_zones: Some(*local_zones),
        counters_interval_s: (*counters_interval_s).try_into().ok(),
        utc_offset_s: Some(*utc_offset_s),
        canaries: canaries.map(|address| address.to_string()),
    })
}

/// The words of Unbound's `rpz-action-override`.
const ACTION_OVERRIDES: [(&str, Action); 6] = [
    ("nxdomain", Action::Nxdomain),
    ("nodata", Action::Nodata),
    ("passthru", Action::Passthru),
    ("drop", Action::Drop),
    ("cname", Action::Redirect),
    ("disabled", Action::Disabled),
];

fn override_word(action: Action) -> Option<String> {
    let found = ACTION_OVERRIDES.iter().find(|(_, known)| *known == action);
    found.map(|(word, _)| (*word).to_owned())
}
