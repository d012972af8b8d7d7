//! `[[sources.dnsmasq]]`: one dnsmasq.

use std::{path::Path, sync::Arc};

use remit_proto::v1::SourceKind;
use serde::{Deserialize, Serialize};

use super::Dnsmasq;
use crate::{config::Check, sources::Technology};

pub const TECHNOLOGY: Technology = Technology {
    kind: SourceKind::Dnsmasq,
    read: |section, check| Some(Arc::new(read(check.section(section), check)?)),
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    conf: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    conf_dirs: Vec<String>,
    loopback_blocks: Option<bool>,
}

fn read(section: Section, check: &mut Check<'_>) -> Option<Dnsmasq> {
    let Section { conf, conf_dirs, loopback_blocks } = section;
    let conf = check.absolute(conf, "conf", "set the file that dnsmasq reads first");
    for (at, folder) in conf_dirs.iter().enumerate() {
        let absolute = Path::new(folder).is_absolute();
        check.that(absolute, &format!("conf_dirs[{at}]"), "must be an absolute path");
    }
    let loopback_blocks = loopback_blocks.unwrap_or(false);
    Some(Dnsmasq { conf: conf?.into(), conf_dirs, loopback_blocks })
}

pub(super) fn print(settings: &Dnsmasq) -> toml::Table {
    let Dnsmasq { conf, conf_dirs, loopback_blocks } = settings;
    crate::config::table(&Section {
        conf: Some(conf.display().to_string()),
        conf_dirs: conf_dirs.clone(),
        loopback_blocks: Some(*loopback_blocks),
    })
}
