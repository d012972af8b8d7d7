//! The leaves of an agent's tree: encoding by their author, both checks by everybody else.

mod of_rule;

use of_rule::OfRule;
use prost::Message;
use remit_proto::v1::{self, leaf::Body};
use tlog::note::{KeyName, VerifierKey};

use crate::{
    ENTRY_SIZE_MAX, FORMAT,
    canonical::{self, Malformed, digest, digest_or_none, known, require, short_text, time},
    chunk::check_set,
    claim,
    id::{AgentOrigin, Generation, NodeId, Operator},
    log_entry::{check_person, newer_format},
};

/// A leaf that passed both checks: only well-formed leaves exist as this type.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "the small variant is the rare one")]
pub enum Leaf {
    Known(Body),
    /// A `Genesis` of a newer format: the tree is kept and proven, and not understood.
    NotUnderstood {
        format: u32,
    },
}

impl Leaf {
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        match Checked::read(bytes)? {
            Checked::OfRule(_) => {
                let v1::Leaf { body } =
                    v1::Leaf::decode(bytes).map_err(|_| Malformed::NotProtobuf)?;
                body.map(Self::Known).ok_or(Malformed::Missing { field: "body" })
            }
            Checked::Other(leaf) => Ok(*leaf),
        }
    }

    pub fn body(&self) -> Option<&Body> {
        match self {
            Self::Known(body) => Some(body),
            Self::NotUnderstood { .. } => None,
        }
    }
}

/// A leaf that passed both checks, as its batch needs it: those that come in numbers are not made
/// into values for it.
pub(crate) enum Checked<'a> {
    OfRule(OfRule<'a>),
    Other(Box<Leaf>),
}

impl<'a> Checked<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if let Some(read) = OfRule::read(bytes) {
            return read.map(Self::OfRule);
        }
        if let Some(format) = newer_genesis(bytes) {
            return Ok(Self::Other(Box::new(Leaf::NotUnderstood { format })));
        }
        let v1::Leaf { body } = canonical::decode(bytes, ENTRY_SIZE_MAX)?;
        let body = body.ok_or(Malformed::Missing { field: "body" })?;
        check(&body)?;
        Ok(Self::Other(Box::new(Leaf::Known(body))))
    }

    /// The leaf, if it is of a kind that is made into a value.
    pub(crate) fn other(&self) -> Option<&Leaf> {
        match self {
            Self::OfRule(_) => None,
            Self::Other(leaf) => Some(leaf),
        }
    }

    pub(crate) fn into_other(self) -> Option<Leaf> {
        match self {
            Self::OfRule(_) => None,
            Self::Other(leaf) => Some(*leaf),
        }
    }

    pub(crate) fn body(&self) -> Option<&Body> {
        self.other().and_then(Leaf::body)
    }

    pub(crate) fn commits_to(&self, field: u32, commitment: &tlog::Hash) -> bool {
        match self {
            Self::OfRule(leaf) => leaf.commits_to(field, commitment),
            Self::Other(leaf) => {
                leaf.body().is_some_and(|body| commits_to(body, field, commitment))
            }
        }
    }
}

/// Encodes a leaf, once. The caller has made it from valid parts; tests and debug builds check.
pub fn encode(body: Body) -> Vec<u8> {
    let bytes = v1::Leaf { body: Some(body) }.encode_to_vec();
    debug_assert_eq!(Leaf::decode(&bytes).err(), None, "the author made a malformed leaf");
    bytes
}

/// The commitments that a leaf carries, by field number; empty ones left out.
pub fn commitments(body: &Body) -> impl Iterator<Item = (u32, &[u8])> {
    let all: [(u32, &[u8]); 2] = match body {
        Body::Activity(a) => {
            [(ACTIVITY_RULE_TARGET, &a.rule_target), (ACTIVITY_HIT_TARGET, &a.hit_target)]
        }
        Body::RuleChange(c) => {
            [(RULE_CHANGE_TARGET, &c.rule_target), (RULE_CHANGE_NATIVE, &c.native)]
        }
        Body::ServiceAction(s) => [(SERVICE_ACTION_TARGET, &s.target), (0, &[])],
        Body::Probe(p) => [(PROBE_TARGET, &p.target), (0, &[])],
        Body::Genesis(_)
        | Body::Start(_)
        | Body::ConfigChange(_)
        | Body::RuleSnapshot(_)
        | Body::Seal(_)
        | Body::Gap(_)
        | Body::KeyChange(_) => [(0, &[]), (0, &[])],
    };
    all.into_iter().filter(|(_, commitment)| !commitment.is_empty())
}

/// Whether this field of the leaf is this commitment.
pub fn commits_to(body: &Body, field: u32, commitment: &tlog::Hash) -> bool {
    commitments(body).any(|(f, c)| f == field && c == commitment.0.as_slice())
}

/// Paths of canaries in a `Seal`, and bytes of the name of each.
pub const CANARIES_MAX: usize = 64;
pub const CANARY_PATH_SIZE_MAX: usize = 300;
/// Begins the path of a self-test's blocks: stated in one seal, and no path that anybody waits for.
pub const SELF_TEST_PATH: &str = "selftest/";

/// No node may be quiet for longer between two seals.
pub const SEAL_INTERVAL_S_MAX: u32 = 3600;

/// Field numbers of committed fields, as in `leaf.proto`.
pub const ACTIVITY_RULE_TARGET: u32 = 3;
pub const ACTIVITY_HIT_TARGET: u32 = 4;
pub const RULE_CHANGE_TARGET: u32 = 4;
pub const RULE_CHANGE_NATIVE: u32 = 5;
pub const SERVICE_ACTION_TARGET: u32 = 12;
pub const PROBE_TARGET: u32 = 7;

fn newer_genesis(bytes: &[u8]) -> Option<u32> {
    // Leaf.genesis is field 1, length-delimited.
    let [0x0a, rest @ ..] = bytes else { return None };
    let mut rest = rest;
    prost::decode_length_delimiter(&mut rest).ok()?;
    newer_format(rest)
}

fn check(body: &Body) -> Result<(), Malformed> {
    match body {
        Body::Genesis(genesis) => check_genesis(genesis),
        Body::Start(start) => check_start(start),
        Body::ConfigChange(v1::ConfigChange { at_s, config_digest, basis_map_digest }) => {
            time(*at_s, "at_s")?;
            digest(config_digest, "config_digest")?;
            digest_or_none(basis_map_digest, "basis_map_digest")
        }
        // `Checked::read` has sent them elsewhere.
        Body::Activity(_) | Body::RuleChange(_) => Err(Malformed::NotCanonical),
        Body::RuleSnapshot(v1::RuleSnapshot {
            source,
            at_s,
            source_generation: _,
            rules,
            without_claim,
            unstable,
            control,
        }) => {
            known::<v1::SourceKind>(*source, "source")?;
            time(*at_s, "at_s")?;
            let both = *control && *unstable;
            require(!both, "control", "false where the ruleset did not hold still")?;
            let rules = rules.as_ref().ok_or(Malformed::Missing { field: "rules" })?;
            check_set(rules)?;
            require(*without_claim <= rules.count, "without_claim", "at most the number of rules")
        }
        Body::Seal(seal) => check_seal(seal),
        Body::Gap(v1::Gap {
            source,
            cause,
            rule: _,
            claims,
            count_known,
            count,
            from_s,
            until_s,
        }) => {
            known::<v1::SourceKind>(*source, "source")?;
            known::<v1::LossCause>(*cause, "cause")?;
            claim::check_all(claims)?;
            require(*count_known || *count == 0, "count", "0 where the count is not known")?;
            span(*from_s, *until_s)
        }
        Body::KeyChange(v1::KeyChange { at_s, new_public_key }) => {
            time(*at_s, "at_s")?;
            digest(new_public_key, "new_public_key")?;
            // Whoever takes this leaf checks the next head by this key.
            require(is_usable_key(new_public_key), "new_public_key", "a usable Ed25519 key")
        }
        Body::ServiceAction(action) => check_action(action),
        Body::Probe(v1::Probe {
            at_s,
            result,
            technique,
            measurement_digest,
            asn: _,
            country,
            target,
            page,
        }) => {
            time(*at_s, "at_s")?;
            let reached = *result == i32::from(v1::ProbeResult::Reached);
            require(*page == 0 || reached, "page", "given only where it was reached")?;
            if *page != 0 {
                known::<v1::ProbePage>(*page, "page")?;
            }
            match known::<v1::ProbeResult>(*result, "result")? {
                v1::ProbeResult::Blocked => {
                    known::<v1::Technique>(*technique, "technique")?;
                }
                v1::ProbeResult::Reached
                | v1::ProbeResult::Inconclusive
                | v1::ProbeResult::Gone
                | v1::ProbeResult::Unspecified => {
                    require(*technique == 0, "technique", "given exactly where it was blocked")?;
                }
            }
            digest(measurement_digest, "measurement_digest")?;
            let capitals = country.bytes().all(|byte| byte.is_ascii_uppercase());
            require(
                country.is_empty() || (country.len() == 2 && capitals),
                "country",
                "two capital letters, or empty",
            )?;
            digest(target, "target")
        }
    }
}

fn is_usable_key(public_key: &[u8]) -> bool {
    let name = KeyName::new("key").ok();
    let bytes = public_key.try_into().ok();
    name.zip(bytes).is_some_and(|(name, bytes)| VerifierKey::new(name, bytes).is_ok())
}

fn check_genesis(genesis: &v1::Genesis) -> Result<(), Malformed> {
    let v1::Genesis {
        format,
        operator,
        node,
        generation: _,
        durability,
        loss_bound_s,
        window_s,
        individual_actions,
        reason,
        previous,
        at_s,
        lines_served: _,
        k,
    } = genesis;
    require(*format == FORMAT, "format", "1")?;
    require(operator.parse::<Operator>().is_ok(), "operator", "a DNS name")?;
    require(node.parse::<NodeId>().is_ok(), "node", "1 to 63 of a-z, 0-9 and '-'")?;
    let durability = known::<v1::Durability>(*durability, "durability")?;
    let memory = durability == v1::Durability::Memory;
    require(memory != (*loss_bound_s == 0), "loss_bound_s", "0 exactly for durability disk")?;
    require(*loss_bound_s <= 60, "loss_bound_s", "at most 60")?;
    require(
        *individual_actions || (60..=86_400).contains(window_s),
        "window_s",
        "60 to 86400 without individual_actions",
    )?;
    require(*window_s <= 86_400, "window_s", "at most 86400")?;
    known::<v1::GenerationReason>(*reason, "reason")?;
    if let Some(v1::TreeHead { origin, size: _, root }) = previous {
        require(origin.parse::<AgentOrigin>().is_ok(), "previous.origin", "an agent origin")?;
        digest(root, "previous.root")?;
    }
    require(*k > 0, "k", "above 0")?;
    time(*at_s, "at_s")
}

/// Whether the leaf opens the tree of this origin. Leaf 0 must; no other leaf may be a `Genesis`.
pub fn opens(body: &Body, origin: &AgentOrigin) -> bool {
    matches!(body, Body::Genesis(g)
        if g.operator == origin.operator.as_str()
            && g.node == origin.node.as_str()
            && Generation(g.generation) == origin.generation)
}

fn check_start(start: &v1::Start) -> Result<(), Malformed> {
    let v1::Start {
        at_s,
        boot_id,
        agent_version,
        kernel_version,
        config_digest,
        basis_map_digest,
        previous_stop_clean: _,
        sandbox,
        sources,
    } = start;
    time(*at_s, "at_s")?;
    require(boot_id.len() == 16, "boot_id", "16 bytes")?;
    short_text(agent_version, 64, "agent_version")?;
    short_text(kernel_version, 128, "kernel_version")?;
    digest(config_digest, "config_digest")?;
    digest_or_none(basis_map_digest, "basis_map_digest")?;
    let v1::Sandbox {
        own_user: _,
        no_new_privs: _,
        capabilities: _,
        confined_to_files: _,
        system_calls_filtered: _,
    } = sandbox.as_ref().ok_or(Malformed::Missing { field: "sandbox" })?;
    require(sources.len() <= 64, "sources", "at most 64")?;
    sources.iter().try_for_each(|s| known::<v1::SourceKind>(*s, "sources").map(drop))
}

fn check_action(action: &v1::ServiceAction) -> Result<(), Malformed> {
    let v1::ServiceAction {
        kind,
        act,
        number,
        at_s,
        from_s,
        until_s,
        rate_bits_per_s,
        claims,
        recorded_by,
        confirmed_by,
        attestation,
        target,
    } = action;
    let kind = known::<v1::ServiceActionKind>(*kind, "kind")?;
    let act = known::<v1::ServiceAct>(*act, "act")?;
    require(*number > 0, "number", "above 0")?;
    time(*at_s, "at_s")?;
    time(*from_s, "from_s")?;
    require(*until_s == 0 || until_s > from_s, "until_s", "0 or after from_s")?;
    if *until_s != 0 {
        time(*until_s, "until_s")?;
    }
    require(act != v1::ServiceAct::Ended || *until_s != 0, "until_s", "given where it ended")?;
    let throttle = kind == v1::ServiceActionKind::Throttle;
    require(throttle || *rate_bits_per_s == 0, "rate_bits_per_s", "0 unless it is a throttle")?;
    claim::check_all(claims)?;
    let recorded_by = recorded_by.as_ref().ok_or(Malformed::Missing { field: "recorded_by" })?;
    check_person(recorded_by)?;
    let confirmed = act == v1::ServiceAct::Confirmed;
    require(confirmed == confirmed_by.is_some(), "confirmed_by", "given exactly where confirmed")?;
    if let Some(second) = confirmed_by {
        check_person(second)?;
        require(
            second.person != recorded_by.person,
            "confirmed_by",
            "another person than recorded_by",
        )?;
    }
    known::<v1::Attestation>(*attestation, "attestation")?;
    digest(target, "target")
}

fn check_seal(seal: &v1::Seal) -> Result<(), Malformed> {
    let v1::Seal {
        at_s,
        clock,
        sources,
        self_protection,
        released_early: _,
        collector_checkpoint,
        stopping: _,
        seal_interval_s,
        canaries,
        raw_logs,
    } = seal;
    time(*at_s, "at_s")?;
    known::<v1::ClockState>(*clock, "clock")?;
    require(sources.len() <= 64, "sources", "at most 64")?;
    for account in sources {
        check_account(account)?;
    }
    require(self_protection.len() <= 256, "self_protection", "at most 256")?;
    for v1::SelfProtection { chain, packets: _, uncounted_rules: _ } in self_protection {
        require(!chain.is_empty(), "self_protection.chain", "not empty")?;
        short_text(chain, 600, "self_protection.chain")?;
    }
    digest_or_none(collector_checkpoint, "collector_checkpoint")?;
    require(raw_logs.len() <= 64, "raw_logs", "at most 64")?;
    let ascending = raw_logs.windows(2).all(|pair| match pair {
        [a, b] => a.source < b.source,
        _ => true,
    });
    require(ascending, "raw_logs", "each source once, ascending")?;
    for v1::RawLog { source, medium, names_clients: _, bytes, oldest_age_s } in raw_logs {
        known::<v1::SourceKind>(*source, "raw_logs.source")?;
        let medium = known::<v1::RawLogMedium>(*medium, "raw_logs.medium")?;
        let nothing = *bytes == 0 && *oldest_age_s == 0;
        let kept = medium != v1::RawLogMedium::Stream;
        require(kept || nothing, "raw_logs.bytes", "0 for a stream")?;
    }
    require((1..=SEAL_INTERVAL_S_MAX).contains(seal_interval_s), "seal_interval_s", "1 to 3600")?;
    check_raw_logs(raw_logs)?;
    require(canaries.len() <= CANARIES_MAX, "canaries", "at most 64")?;
    canaries.iter().try_for_each(check_canary)?;
    let follow = |pair: &[v1::CanaryAccount]| match pair {
        [one, next] => (one.source, &one.path) < (next.source, &next.path),
        _ => true,
    };
    require(canaries.windows(2).all(follow), "canaries", "by source and path, each once")
}

fn check_canary(canary: &v1::CanaryAccount) -> Result<(), Malformed> {
    let v1::CanaryAccount {
        source,
        path,
        sent,
        seen,
        unanswered,
        counted_known,
        counted,
        sent_at_s,
        seen_at_s,
    } = canary;
    known::<v1::SourceKind>(*source, "canaries.source")?;
    require(!path.is_empty(), "canaries.path", "not empty")?;
    short_text(path, CANARY_PATH_SIZE_MAX, "canaries.path")?;
    let lost = sent.checked_sub(*seen);
    let lost = lost.ok_or(Malformed::Range { field: "canaries.seen", rule: "at most sent" })?;
    require(*unanswered <= lost, "canaries.unanswered", "at most sent less seen")?;
    require(*counted_known || *counted == 0, "canaries.counted", "0 where it is not known")?;
    require((*sent > 0) == (*sent_at_s != 0), "canaries.sent_at_s", "0 exactly if none was sent")?;
    require((*seen > 0) == (*seen_at_s != 0), "canaries.seen_at_s", "0 exactly if none was seen")?;
    [*sent_at_s, *seen_at_s]
        .into_iter()
        .filter(|at_s| *at_s != 0)
        .try_for_each(|at_s| time(at_s, "canaries.sent_at_s"))
}

fn check_raw_logs(raw_logs: &[v1::RawLog]) -> Result<(), Malformed> {
    require(raw_logs.len() <= 64, "raw_logs", "at most 64")?;
    let ascending = raw_logs.windows(2).all(|pair| match pair {
        [a, b] => a.source < b.source,
        _ => true,
    });
    require(ascending, "raw_logs", "each source once, ascending")?;
    for v1::RawLog { source, medium, names_clients: _, bytes, oldest_age_s } in raw_logs {
        known::<v1::SourceKind>(*source, "raw_logs.source")?;
        let medium = known::<v1::RawLogMedium>(*medium, "raw_logs.medium")?;
        let nothing = *bytes == 0 && *oldest_age_s == 0;
        let kept = medium != v1::RawLogMedium::Stream;
        require(kept || nothing, "raw_logs.bytes", "0 for a stream")?;
    }
    Ok(())
}

/// The identity of DESIGN.md promise 2, as the agent states it.
fn check_account(account: &v1::SourceAccount) -> Result<(), Malformed> {
    let v1::SourceAccount {
        source,
        offered_known,
        offered,
        recorded,
        lost,
        unexplained_missing,
        unexplained_surplus,
    } = account;
    known::<v1::SourceKind>(*source, "sources.source")?;
    let mut lost_sum = 0_u64;
    for v1::Loss { cause, count } in lost {
        known::<v1::LossCause>(*cause, "sources.lost.cause")?;
        require(*count > 0, "sources.lost.count", "above 0")?;
        lost_sum = lost_sum.saturating_add(*count);
    }
    if !offered_known {
        let silent = *offered == 0 && *unexplained_missing == 0 && *unexplained_surplus == 0;
        return require(silent, "sources.offered", "0 where it is not known");
    }
    let explained = i128::from(*recorded) + i128::from(lost_sum);
    let unexplained = i128::from(*unexplained_missing) - i128::from(*unexplained_surplus);
    require(
        i128::from(*offered) == explained + unexplained,
        "sources.offered",
        "recorded + lost + unexplained_missing - unexplained_surplus",
    )
}

fn span(first_s: i64, last_s: i64) -> Result<(), Malformed> {
    time(first_s, "first_s")?;
    time(last_s, "last_s")?;
    require(first_s <= last_s, "last_s", "not before the first")
}
