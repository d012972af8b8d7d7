//! What `remit-agent doctor` says of PowerDNS Recursor.

use std::fs::File;

use super::{
    Pdns, Policy,
    metrics::{self, Counted},
};
use crate::{
    doctor::Finding,
    sources::{SourceContext, rpz::rules::says_something},
};

/// Reads what PowerDNS counts and opens the policy files; listens to nothing.
pub(super) fn examine(config: &Pdns, context: &SourceContext) -> Vec<Finding> {
    let mut findings = match config.webserver {
        Some(webserver) => match metrics::ask(webserver, config.listen) {
            Ok(counted) => counters(config, counted),
            Err(error) => vec![Finding::wrong(
                PART,
                format!("PowerDNS's webserver {webserver} does not answer: {error}"),
                "set webserver=yes and webserver-address in recursor.conf, without a password from \
                 this host",
            )],
        },
        None => vec![Finding::incomplete(
            PART,
            "no webserver: nobody knows what was lost on the way",
            "set webserver=yes in recursor.conf, and webserver here",
        )],
    };
    findings.extend(config.policies.iter().map(|policy| self::policy(policy, context)));
    findings
}

fn counters(config: &Pdns, counted: Counted) -> Vec<Finding> {
    let Counted { handed, policy_hits, dropped } = counted;
    let mut findings = Vec::new();
    findings.push(match handed {
        Some(handed) if handed.thrown_away == 0 => Finding::fine(
            PART,
            format!("PowerDNS has handed over {} messages, and lost none", handed.queued),
        ),
        Some(handed) => Finding::incomplete(
            PART,
            format!("PowerDNS threw away {} messages for this agent", handed.thrown_away),
            "raise maxQueuedEntries of protobufServer; look whether the agent runs",
        ),
        None => Finding::wrong(
            PART,
            format!("PowerDNS sends nothing to {}", config.listen),
            "set protobufServer(\"<listen>\", {taggedOnly=true, logQueries=false}) in its Lua \
             configuration",
        ),
    });
    if let Some(hits) = policy_hits {
        findings.push(Finding::fine(
            PART,
            format!("PowerDNS counts {hits} policy hits, answers from its packet cache left out"),
        ));
    }
    if dropped > 0 {
        findings.push(Finding::incomplete(
            PART,
            format!("{dropped} queries were dropped by policies, of which PowerDNS sends nothing"),
            "use CNAME . (NXDOMAIN) instead of rpz-drop",
        ));
    }
    findings
}

fn policy(policy: &Policy, context: &SourceContext) -> Finding {
    let Policy { name, file, origin: _ } = policy;
    if let Err(error) = File::open(file) {
        return Finding::wrong(
            PART,
            format!("the file of policy {name}, {}: {error}", file.display()),
            "name the file of rpzFile, readable for the agent",
        );
    }
    let mapped = !(context.mapped)(&format!("zone:{}", policy.zone_name())).is_empty();
    if says_something(name) || mapped {
        return Finding::fine(PART, format!("the file of policy {name} can be read"));
    }
    Finding::incomplete(
        PART,
        format!("policy {name} carries no claim"),
        "set policyName=\"remit=<claim>\" in rpzFile, or map zone:<policyName> in the basis_map",
    )
}

const PART: &str = "pdns";
