//! What `remit-agent doctor` says of Unbound's policy zones.

use std::{fs::File, path::Path};

use super::{UnboundRpz, control, local};
use crate::{
    doctor::Finding,
    sources::{rpz::RpzZone, tail::examine_log},
};

/// Opens the log, reads the zone files and asks Unbound; changes nothing.
pub(super) fn examine(config: &UnboundRpz) -> Vec<Finding> {
    let mut findings = vec![examine_log(PART, &config.log, LOG)];
    let answer = match &config.control {
        Some(socket) => match control::ask(socket, "stats_noreset") {
            Ok(stats) => {
                findings.push(counters(&stats));
                if config.local_zones {
                    findings.extend(local_zones(socket));
                }
                control::ask(socket, "list_auth_zones").ok()
            }
            Err(error) => {
                findings.push(Finding::wrong(
                    PART,
                    format!("the control socket {} does not answer: {error}", socket.display()),
                    "set control-enable: yes, control-use-cert: no and control-interface: to this \
                     path; the agent's user must be in the group of the socket",
                ));
                None
            }
        },
        None => {
            findings.push(Finding::incomplete(
                PART,
                "no control socket: nobody knows what was missed, or what is loaded",
                "set control-interface: to a path in unbound.conf, and control here",
            ));
            None
        }
    };
    findings.extend(config.zones.iter().map(|zone| self::zone(zone, answer.as_deref())));
    findings
}

fn counters(stats: &str) -> Finding {
    match control::blocks(stats) {
        Some(blocks) => Finding::fine(PART, format!("Unbound has counted {blocks} blocks")),
        None => Finding::incomplete(
            PART,
            "Unbound does not count blocks: nobody knows what was missed",
            "set extended-statistics: yes in unbound.conf",
        ),
    }
}

/// Whether they are logged, and what is not taken for a block.
fn local_zones(socket: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let logged = control::ask(socket, "get_option log-local-actions").unwrap_or_default();
    if logged.trim() != "yes" {
        findings.push(Finding::wrong(
            PART,
            "local zones are not logged: their hits are not seen",
            "set log-local-actions: yes in unbound.conf",
        ));
    }
    let zones = control::ask(socket, "list_local_zones").unwrap_or_default();
    let kept = local::public_static(&zones);
    findings.push(match kept {
        0 => Finding::fine(PART, "local zones are read; Unbound keeps no counter of them"),
        _ => Finding::incomplete(
            PART,
            format!("{kept} static local zones of public names are not taken for blocks"),
            "give those that are blocks the type always_nxdomain",
        ),
    });
    findings
}

fn zone(zone: &RpzZone, answer: Option<&str>) -> Finding {
    let RpzZone { name, file, log_name, action_override: _ } = zone;
    if let Err(error) = File::open(file) {
        let says = format!("the file of zone {name}, {}: {error}", file.display());
        return Finding::wrong(
            PART,
            says,
            "name the file that Unbound loads, readable for the agent",
        );
    }
    match answer.map(|answer| control::loaded_serial(answer, name)) {
        Some(None) => Finding::wrong(
            PART,
            format!("zone {name} is not loaded"),
            "give it the name and the file that unbound.conf has, and reload Unbound",
        ),
        _ if log_name.is_none() => Finding::incomplete(
            PART,
            format!("zone {name} has no log_name: its lines carry no claim"),
            "set rpz-log-name: \"remit=…\" in unbound.conf and log_name here, or map the zone in the \
             basis_map",
        ),
        Some(Some(serial)) => {
            Finding::fine(PART, format!("zone {name} is loaded, serial {serial}"))
        }
        None => Finding::fine(PART, format!("the file of zone {name} can be read")),
    }
}

const PART: &str = "unbound_rpz";
const LOG: &str =
    "set logfile: and rpz-log: yes in unbound.conf; the agent's user must be able to read it";
