//! What `remit-agent doctor` says of Squid.

use std::fs;

use super::{Squid, conf, line};
use crate::{
    doctor::Finding,
    sources::http::{Read, fields},
};

/// Opens the log and reads squid.conf; changes nothing.
pub(super) fn examine(squid: &Squid) -> Vec<Finding> {
    let mut findings = fields::examine_log(PART, &squid.log, &|tail| {
        tail.is_empty() || tail.iter().any(|line| line::parse(line).is_some())
    });
    let Some(config) = &squid.config else {
        findings.push(Finding::incomplete(
            PART,
            "no config: which hosts are refused is known only when they are asked for",
            "set config to the path of squid.conf, readable for the agent",
        ));
        return findings;
    };
    let conf = conf::read(config);
    findings.push(match conf.read {
        Read::Whole => {
            Finding::fine(PART, format!("{} entries of lists are refused", conf.listed.len()))
        }
        Read::Incomplete | Read::Partial => Finding::wrong(
            PART,
            format!(
                "{} and what it names could not be read as a whole; {} entries were found",
                config.display(),
                conf.listed.len()
            ),
            "make squid.conf, its includes and its lists readable for the agent's user",
        ),
    });
    let unnamed = conf.listed.iter().filter(|entry| entry.label.is_empty()).count();
    if unnamed > 0 {
        findings.push(Finding::incomplete(
            PART,
            format!("{unnamed} entries have no rule name: lines of the log cannot be told apart"),
            "end their http_access deny line with an annotate_transaction ACL (remit_rule=…): see \
             `remit-agent template squid`",
        ));
    }
    let without = conf.listed.iter().filter(|entry| entry.says.is_empty()).count();
    if without > 0 {
        findings.push(Finding::incomplete(
            PART,
            format!("{without} entries claim nothing"),
            "add remit=<claim> to the annotate_transaction ACL of their http_access deny line",
        ));
    }
    let text = fs::read_to_string(config).unwrap_or_default();
    let logs = |line: &&str| {
        let line = line.trim();
        line.starts_with("access_log") && line.contains(&*squid.log.to_string_lossy())
    };
    if let Some(line) = text.lines().find(logs)
        && !line.contains("on-error=drop")
    {
        findings.push(Finding::wrong(
            PART,
            "Squid ends when it cannot write the log: its access_log has no on-error=drop",
            "add on-error=drop; what is not written then shows as missing numbers",
        ));
    }
    findings
}

const PART: &str = "squid";
