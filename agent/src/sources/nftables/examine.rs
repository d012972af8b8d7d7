//! What `remit-agent doctor` says of nftables.

use super::{
    Nftables, NftablesError,
    build::{Settings, State},
    canary::{canary, is_meant},
    digest::Digests,
    own::is_own,
};
use crate::{
    doctor::Finding,
    logging,
    observation::KnownRule,
    order,
    rules::nftables::{DropPath, Reader, Ruleset},
    sources::SourceContext,
};

/// Reads the ruleset of the network namespace that the caller is in. Binds nothing.
pub(super) fn examine(config: &Nftables, context: &SourceContext) -> Vec<Finding> {
    let Nftables { groups, canaries, .. } = config;
    let settings = Settings { groups, canaries: *canaries, context };
    let read = || {
        let mut reader = Reader::open().map_err(NftablesError::read)?;
        let state = State::read(&mut reader, &settings, &mut Digests::default());
        let state = state.map_err(NftablesError::read)?;
        Ok((state, reader.read_ruleset().map_err(NftablesError::read)?))
    };
    let (state, ruleset) = match read() {
        Ok(read) => read,
        Err::<_, NftablesError>(error) => {
            let remedy = "put that right and ask again; until then no rule and no hit is seen";
            return vec![Finding::wrong(PART, logging::chain(&error), remedy)];
        }
    };
    let rules: Vec<&KnownRule> = state.rules.iter().map(AsRef::as_ref).collect();
    let judged: Vec<&DropPath> = ruleset.drops.iter().filter(|path| !is_own(path)).collect();
    let mut findings = vec![Finding::fine(
        PART,
        format!("{} rules and elements block what passes through", rules.len()),
    )];
    findings.extend(unclaimed(&rules));
    findings.extend(uncounted(&rules));
    findings.extend(logs(&judged, groups));
    if *canaries {
        findings.extend(without_canaries(&ruleset, &state, groups));
    }
    if ruleset.paths_omitted {
        findings.push(Finding::wrong(
            PART,
            "the ruleset has more ways of jumps than are followed: blocks may be missing",
            "jump to shared chains from fewer places",
        ));
    }
    findings
}

fn without_canaries(ruleset: &Ruleset, state: &State, groups: &[u16]) -> Option<Finding> {
    let without: Vec<u16> =
        groups.iter().copied().filter(|group| !state.canaries.contains_key(group)).collect();
    if without.is_empty() {
        let all = groups.len();
        return Some(Finding::fine(PART, format!("canaries watch over {all} of {all} groups")));
    }
    let meant = ruleset.drops.iter().find(|path| {
        is_meant(path) && canary(path, groups).is_none_or(|(group, _)| without.contains(&group))
    });
    let says = match meant {
        Some(path) => format!(
            "this rule claims to be for canaries and cannot be used for them: {}",
            path.native
        ),
        None => format!("no rule is for the canaries of the groups {without:?}"),
    };
    Some(Finding::incomplete(
        PART,
        says,
        "take the chain `canary` from remit-agent template nftables, with one port for each group; \
         without it a loss at the end of a burst is seen by counters alone, and a dead log looks \
         like a quiet one",
    ))
}

fn unclaimed(rules: &[&KnownRule]) -> Option<Finding> {
    let without = rules.iter().filter(|rule| rule.claims.is_empty());
    some_of(without, rules.len(), "claim nothing").map(|says| {
        Finding::incomplete(
            PART,
            says,
            "say what they rest on, in comment or log prefix (remit-agent template nftables), or in \
             the basis_map; for all of a chain there, such as your port forwards: \
             \"chain:inet/fw4/dstnat_wan\" = \"class:user_choice\"",
        )
    })
}

fn uncounted(rules: &[&KnownRule]) -> Option<Finding> {
    let without = rules.iter().filter(|rule| rule.counter.is_none());
    some_of(without, rules.len(), "have no counter of their own kind").map(|says| {
        Finding::incomplete(
            PART,
            says,
            "give each a named counter behind its conditions; else nobody knows what was missed",
        )
    })
}

fn logs(judged: &[&DropPath], groups: &[u16]) -> Vec<Finding> {
    let logs = || judged.iter().flat_map(|path| path.logs.iter().map(move |log| (path, log)));
    let mut findings = Vec::new();
    let eager = logs().filter(|(_, log)| log.threshold == 1);
    let eager = order::set(eager.map(|(path, _)| path.native.as_str()));
    if let Some(first) = eager.first() {
        findings.push(Finding::wrong(
            PART,
            format!("{} rules say queue-threshold 1, such as: {first}", eager.len()),
            "leave queue-threshold out: with 1 every packet is a message of its own, and a flood \
             loses most of them",
        ));
    }
    let elsewhere = logs().map(|(_, log)| log.group).filter(|group| !groups.contains(group));
    let elsewhere = order::set(elsewhere);
    if !elsewhere.is_empty() {
        findings.push(Finding::incomplete(
            PART,
            format!("rules log to the groups {elsewhere:?}, which are not ours"),
            "their hits are taken from counters; to have them one by one, name a group of ours",
        ));
    }
    for group in groups {
        if !logs().any(|(_, log)| log.group == *group) {
            findings.push(Finding::incomplete(
                PART,
                format!("no blocking rule logs to group {group}"),
                "nothing to do if counters suffice; else log to it",
            ));
        }
    }
    findings
}

/// "3 of 7 rules …, such as: …"
fn some_of<'a>(
    which: impl Iterator<Item = &'a &'a KnownRule>,
    all: usize,
    what: &str,
) -> Option<String> {
    let which: Vec<_> = which.collect();
    let first = which.first()?;
    Some(format!("{} of {all} rules {what}, such as: {}", which.len(), first.native))
}

const PART: &str = "nftables";
