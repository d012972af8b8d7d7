//! `[[sources.pdns]]`: one PowerDNS Recursor.

use std::{net::SocketAddr, sync::Arc};

use remit_proto::v1::SourceKind;
use serde::{Deserialize, Serialize};

use super::{Pdns, Policy};
use crate::{config::Check, sources::Technology};

pub const TECHNOLOGY: Technology = Technology {
    kind: SourceKind::Pdns,
    read: |section, check| Some(Arc::new(read(check.section(section), check)?)),
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    listen: Option<String>,
    webserver: Option<String>,
    #[serde(default)]
    policies: Vec<PolicySection>,
    canaries: Option<String>,
    counters_interval_s: Option<u32>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicySection {
    name: Option<String>,
    file: Option<String>,
    origin: Option<String>,
}

fn read(section: Section, check: &mut Check<'_>) -> Option<Pdns> {
    let Section { listen, webserver, policies, canaries, counters_interval_s } = section;
    let canaries = check.resolver(canaries);
    let remedy = "set the address:port of protobufServer, such as 127.0.0.1:4242";
    let listen: Option<SocketAddr> =
        check.given(listen.and_then(|text| text.parse().ok()), "listen", remedy);
    check.that(
        listen.is_none_or(|address| address.ip().is_loopback()),
        "listen",
        "must be a loopback address: the messages name clients, and travel in clear",
    );
    let webserver: Option<SocketAddr> = webserver.and_then(|text| {
        let remedy = "must be address:port of PowerDNS's webserver, such as 127.0.0.1:8082";
        check.given(text.parse().ok(), "webserver", remedy)
    });
    let counters_interval_s = check.counters_interval(counters_interval_s);
    let mut checked: Vec<Policy> = Vec::new();
    for (index, PolicySection { name, file, origin }) in policies.into_iter().enumerate() {
        let key = |key: &str| format!("policies[{index}].{key}");
        let name = check.given(name, &key("name"), "set the policyName of the zone");
        let file = check.absolute(file, &key("file"), "set the file of rpzFile");
        let again = name.as_ref().is_some_and(|name| checked.iter().any(|p| p.name == *name));
        check.that(!again, &key("name"), "is there already; a policy is named once");
        if let (Some(name), Some(file)) = (name, file) {
            checked.push(Policy { name, file: file.into(), origin });
        }
    }
    Some(Pdns { listen: listen?, webserver, policies: checked, canaries, counters_interval_s })
}

pub(super) fn print(settings: &Pdns) -> toml::Table {
    let Pdns { listen, webserver, policies, canaries, counters_interval_s } = settings;
    let policy = |Policy { name, file, origin }: &Policy| PolicySection {
        name: Some(name.clone()),
        file: Some(file.display().to_string()),
        origin: origin.clone(),
    };
    crate::config::table(&Section {
        listen: Some(listen.to_string()),
        webserver: webserver.map(|address| address.to_string()),
        policies: policies.iter().map(policy).collect(),
        canaries: canaries.map(|address| address.to_string()),
        counters_interval_s: (*counters_interval_s).try_into().ok(),
    })
}
