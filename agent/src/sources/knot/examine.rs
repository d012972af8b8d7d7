//! What `remit-agent doctor` says of Knot Resolver.

use std::{fs::File, os::unix::net::UnixStream};

use super::{Knot, Policy};
use crate::{
    doctor::Finding,
    sources::{SourceContext, rpz::rules::says_something},
};

/// Looks at the socket and opens the policy files.
pub(super) fn examine(config: &Knot, context: &SourceContext) -> Vec<Finding> {
    let socket = config.socket.display();
    let mut findings = vec![match UnixStream::connect(&config.socket) {
        Ok(_) => Finding::fine(PART, format!("an agent listens on {socket}")),
        Err(error) => Finding::incomplete(
            PART,
            format!("nobody listens on {socket}: {error}"),
            "start remit-agent; its folder must belong to the agent's user, with the resolver's group \
             (mode 2750), and socket_path of modules.load('dnstap') must name it",
        ),
    }];
    findings.push(Finding::incomplete(
        PART,
        "dnstap counts nothing: nobody knows what was missed, nor what clients without EDNS were denied",
        "",
    ));
    findings.extend(config.policies.iter().map(|policy| self::policy(policy, context)));
    findings
}

fn policy(policy: &Policy, context: &SourceContext) -> Finding {
    let Policy { message, file, origin: _ } = policy;
    if let Err(error) = File::open(file) {
        return Finding::wrong(
            PART,
            format!("the file of {message}, {}: {error}", file.display()),
            "name the file of policy.rpz, readable for the agent",
        );
    }
    let mapped = !(context.mapped)(&format!("zone:{}", policy.zone_name())).is_empty();
    if says_something(message) || mapped {
        return Finding::fine(PART, format!("the file of {message} can be read"));
    }
    Finding::incomplete(
        PART,
        format!("the message {message} carries no claim"),
        "use policy.DENY_MSG('remit=<claim>'), or map zone:<message> in the basis_map",
    )
}

const PART: &str = "knot";
