//! `[[sources.knot]]`: one Knot Resolver.

use std::sync::Arc;

use remit_proto::v1::SourceKind;
use serde::{Deserialize, Serialize};

use super::{Knot, Policy};
use crate::{config::Check, sources::Technology};

pub const TECHNOLOGY: Technology = Technology {
    kind: SourceKind::Knot,
    read: |section, check| Some(Arc::new(read(check.section(section), check)?)),
};

/// `sun_path` of a Unix socket's address, with its end.
const SOCKET_PATH_SIZE_MAX: usize = 107;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    socket: Option<String>,
    #[serde(default)]
    policies: Vec<PolicySection>,
    canaries: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicySection {
    message: Option<String>,
    file: Option<String>,
    origin: Option<String>,
}

fn read(section: Section, check: &mut Check<'_>) -> Option<Knot> {
    let Section { socket, policies, canaries } = section;
    let canaries = check.resolver(canaries);
    let socket = check.absolute(socket, "socket", "set socket_path of the dnstap module");
    let short = socket.as_ref().is_none_or(|path| path.len() <= SOCKET_PATH_SIZE_MAX);
    check.that(short, "socket", "must be at most 107 bytes long");
    let mut checked: Vec<Policy> = Vec::new();
    for (index, PolicySection { message, file, origin }) in policies.into_iter().enumerate() {
        let key = |key: &str| format!("policies[{index}].{key}");
        let message = check.given(message, &key("message"), "set the text of policy.DENY_MSG");
        let file = check.absolute(file, &key("file"), "set the file of policy.rpz");
        if let (Some(message), Some(file)) = (message, file) {
            checked.push(Policy { message, file: file.into(), origin });
        }
    }
    Some(Knot { socket: socket?.into(), policies: checked, canaries })
}

pub(super) fn print(settings: &Knot) -> toml::Table {
    let Knot { socket, policies, canaries } = settings;
    let policy = |Policy { message, file, origin }: &Policy| PolicySection {
        message: Some(message.clone()),
        file: Some(file.display().to_string()),
        origin: origin.clone(),
    };
    crate::config::table(&Section {
        socket: Some(socket.display().to_string()),
        policies: policies.iter().map(policy).collect(),
        canaries: canaries.map(|address| address.to_string()),
    })
}
