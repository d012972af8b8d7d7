//! What `remit-agent doctor` says of nginx.

use evidence::claim::carried;

use super::{Nginx, conf, line};
use crate::{
    doctor::Finding,
    sources::http::{Read, fields},
};

/// Opens the log and reads the map; changes nothing.
pub(super) fn examine(nginx: &Nginx) -> Vec<Finding> {
    let mut findings = fields::examine_log(PART, &nginx.log, &|tail| {
        tail.is_empty() || tail.iter().any(|line| line::parse(line).is_some())
    });
    let Some(map) = &nginx.map else {
        findings.push(Finding::incomplete(
            PART,
            "no map: which hosts are refused is known only when they are asked for",
            "set map to the file that the template's map includes, readable for the agent",
        ));
        return findings;
    };
    let (listed, read) = conf::read(map, nginx.status);
    findings.push(match read {
        Read::Whole => Finding::fine(PART, format!("{} hosts are refused", listed.len())),
        Read::Incomplete | Read::Partial => Finding::wrong(
            PART,
            format!("the map {} could not be read as a whole", map.display()),
            "one `host claim;` per line, no default and no include in it; readable for the agent",
        ),
    });
    let wrong = |says: &str| carried(format!("remit={says}").as_bytes()).claims.is_empty();
    let unclaimed = listed.iter().filter(|entry| wrong(&entry.says)).count();
    if unclaimed > 0 {
        findings.push(Finding::incomplete(
            PART,
            format!("the values of {unclaimed} hosts are no claims"),
            "a claim is <request id>, list:<id>@<version> or class:<basis>",
        ));
    }
    findings
}

const PART: &str = "nginx";
