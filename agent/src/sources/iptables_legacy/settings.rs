//! `[[sources.iptables_legacy]]`: where the dumps lie.

use std::{path::Path, sync::Arc, time::Duration};

use remit_proto::v1::SourceKind;
use serde::{Deserialize, Serialize};

use super::IptablesLegacy;
use crate::{config::Check, sources::Technology};

pub const TECHNOLOGY: Technology = Technology {
    kind: SourceKind::IptablesLegacy,
    read: |section, check| Some(Arc::new(read(check.section(section), check)?)),
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    dump: Option<String>,
    dump6: Option<String>,
    max_age_s: Option<u32>,
}

fn read(section: Section, check: &mut Check<'_>) -> Option<IptablesLegacy> {
    let Section { dump, dump6, max_age_s } = section;
    let dump = check.absolute(dump, "dump", "set the file that iptables-legacy-save -c writes");
    if let Some(dump6) = &dump6 {
        check.that(Path::new(dump6).is_absolute(), "dump6", "must be an absolute path");
    }
    let max_age_s = max_age_s.unwrap_or(MAX_AGE_S_DEFAULT);
    check.that((2..=3600).contains(&max_age_s), "max_age_s", "must be 2 to 3600");
    let max_age = Duration::from_secs(max_age_s.into());
    Some(IptablesLegacy { dump: dump?.into(), dump6: dump6.map(Into::into), max_age })
}

pub(super) fn print(settings: &IptablesLegacy) -> toml::Table {
    let IptablesLegacy { dump, dump6, max_age } = settings;
    crate::config::table(&Section {
        dump: Some(dump.display().to_string()),
        dump6: dump6.as_ref().map(|path| path.display().to_string()),
        max_age_s: max_age.as_secs().try_into().ok(),
    })
}

/// A timer of five seconds may miss a few turns on a busy router.
const MAX_AGE_S_DEFAULT: u32 = 30;
