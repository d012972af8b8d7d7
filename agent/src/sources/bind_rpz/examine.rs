//! What `remit-agent doctor` says of BIND's policy zones.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use super::{BindRpz, statistics};
use crate::{
    doctor::Finding,
    sources::{
        SourceContext,
        rpz::{
            RpzZone,
            rules::{is_raw, name_carries_claim},
        },
        tail::examine_log,
    },
};

/// Opens the log, reads the beginning of the zone files and asks BIND; changes nothing.
pub(super) fn examine(config: &BindRpz, context: &SourceContext) -> Vec<Finding> {
    let mut findings = vec![examine_log(PART, &config.log, LOG)];
    let names: Vec<&str> = config.zones.iter().map(|zone| zone.name.as_str()).collect();
    let serials = match config.statistics {
        Some(address) => {
            findings.push(match statistics::rewrites(address) {
                Ok(Some(count)) => Finding::fine(PART, format!("BIND has counted {count} rewrites")),
                Ok(None) => Finding::incomplete(
                    PART,
                    format!("the statistics channel {address} does not say RPZRewrites"),
                    "use a BIND that was built with libxml2; until then nobody knows what was missed",
                ),
                Err(error) => Finding::wrong(
                    PART,
                    format!("the statistics channel {address} does not answer: {error}"),
                    "set statistics-channels { inet 127.0.0.1 port … allow { 127.0.0.1; }; } in \
                     named.conf",
                ),
            });
            statistics::serials(address, &names).ok()
        }
        None => {
            findings.push(Finding::incomplete(
                PART,
                "no statistics channel: nobody knows what was missed, or what is loaded",
                "set statistics-channels in named.conf, and statistics here",
            ));
            None
        }
    };
    for (at, zone) in config.zones.iter().enumerate() {
        let serial = serials.as_ref().map(|serials| serials.get(at).copied().flatten());
        findings.push(self::zone(zone, serial, context));
    }
    findings
}

/// `serial`: `None`, nobody could be asked; `Some(None)`, it is not loaded.
fn zone(zone: &RpzZone, serial: Option<Option<u32>>, context: &SourceContext) -> Finding {
    let RpzZone { name, file, log_name: _, action_override: _ } = zone;
    let raw = match beginning(file) {
        Ok(beginning) => is_raw(&beginning),
        Err(error) => {
            return Finding::wrong(
                PART,
                format!("the file of zone {name}, {}: {error}", file.display()),
                "name the file that BIND loads, readable for the agent",
            );
        }
    };
    if raw {
        return Finding::wrong(
            PART,
            format!("the file of zone {name} is in raw format, which is not read"),
            "set masterfile-format text for the zone",
        );
    }
    let mut journal = file.as_os_str().to_owned();
    journal.push(".jnl");
    if Path::new(&journal).exists() {
        return Finding::incomplete(
            PART,
            format!("zone {name} has a journal, which is not read"),
            "rndc sync writes it into the file; between two syncs the rules are said to be unstable",
        );
    }
    let mapped = format!("zone:{}", name.trim_end_matches('.'));
    let claims_something = name_carries_claim(name) || !(context.mapped)(&mapped).is_empty();
    match serial {
        Some(None) => Finding::wrong(
            PART,
            format!("zone {name} is not loaded, or has zone-statistics none"),
            "give it the name and the file that named.conf has, and rndc reload",
        ),
        _ if !claims_something => Finding::incomplete(
            PART,
            format!("the name of zone {name} carries no claim"),
            "begin the zone's name with the label remit=<claim>, or map zone:<name> in the basis_map",
        ),
        Some(Some(serial)) => {
            Finding::fine(PART, format!("zone {name} is loaded, serial {serial}"))
        }
        None => Finding::fine(PART, format!("the file of zone {name} can be read")),
    }
}

fn beginning(path: &Path) -> io::Result<Vec<u8>> {
    let mut found = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut found)?;
    Ok(found)
}

const PART: &str = "bind_rpz";
const LOG: &str = "set a channel with this file and category rpz in named.conf; the agent's user must be able to \
     read it";
