//! A history of events as a collector assesses them: batches of one node, rules of lists, few causes.
//!
//! A million rules over twenty nodes, which the nodes show first, as agents do when they start; hit as names
//! are (the rank of a hit is spread evenly over the logarithm), a thousand events a batch, a day for each
//! million. Counted up and mixed, not drawn: every
//! run sees the same rows. What a rule claims and what comes of it follow from its rank.

use evidence::{AgentOrigin, Generation, leaf};
use prost::Message as _;
use register::{Span, assessment::Facts};
use remit_collector::store::{EventKind, NewEvent, Op, ShownRule, Step};
use remit_proto::v1::{self, VerdictCode, leaf::Body};

pub const RULES: u64 = 1_000_000;
const NODES: u64 = 20;
pub const BATCH: u64 = 1_000;
const EVENTS_PER_DAY: u64 = 1_000_000;
const REQUESTS: u64 = 5_000;
/// 2026-01-01T00:00:00Z
pub const BEGIN_S: i64 = 1_767_225_600;

pub struct History {
    origins: Vec<AgentOrigin>,
    leaf: Vec<u64>,
    state: u64,
    made: u64,
}

impl History {
    pub fn new() -> anyhow::Result<Self> {
        let origin = |node: u64| {
            Ok(AgentOrigin {
                operator: crate::collector::OPERATOR.parse()?,
                node: format!("dns-{node}").parse()?,
                generation: Generation(node + 1),
            })
        };
        let origins = (0..NODES).map(origin).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { leaf: vec![1; origins.len()], origins, state: 0x9e37_79b9_7f4a_7c15, made: 0 })
    }

    /// What stands on each node, before anything is hit; one log entry for each.
    pub fn snapshots(&self) -> impl Iterator<Item = Step> {
        (0..NODES).zip(&self.origins).map(|(node, origin)| {
            let ranks = (node..RULES).step_by(NODES as usize);
            let rules = ranks.map(|rank| ShownRule {
                facts: Facts {
                    origin: origin.clone(),
                    index: 0,
                    rule: rule(rank),
                    target: Some(target(rank)),
                    hit_target: None,
                    response: None,
                    span: Span { first_s: BEGIN_S, last_s: BEGIN_S, clock_error_s: 0 },
                    imported: false,
                    other_candidates: Vec::new(),
                    before_act: None,
                    covered_by: node,
                },
                native: String::new(),
                installed_at_s: None,
                shown_at_s: BEGIN_S,
            });
            let snapshot = Op::Snapshot {
                origin: origin.clone(),
                source: v1::SourceKind::UnboundRpz,
                at_s: BEGIN_S,
                rules: rules.collect(),
                unstable: false,
                control: false,
                covered_by: node,
            };
            Step { position: node, at_s: BEGIN_S, ops: vec![snapshot, Op::LogSize(node + 1)] }
        })
    }

    /// The next batch, covered by a log entry of its own.
    pub fn step(&mut self) -> Step {
        let batch = NODES + self.made / BATCH;
        let node = (batch % NODES) as usize;
        let (mut ops, mut at_s) = (Vec::new(), 0);
        for _ in 0..BATCH {
            let event = self.event(node, batch);
            at_s = event.facts.span.last_s;
            ops.push(Op::Event(Box::new(event)));
        }
        ops.push(Op::LogSize(batch + 1));
        Step { position: batch, at_s: at_s.max(time_of(self.made - 1)), ops }
    }

    /// One event of the day after, so that the store seals what came before.
    pub fn last_step(&mut self) -> Step {
        let batch = NODES + self.made.div_ceil(BATCH);
        let event = self.event(0, batch);
        let at_s = event.facts.span.last_s + 86_400;
        Step { position: batch, at_s, ops: vec![Op::Event(Box::new(event))] }
    }

    fn event(&mut self, node: usize, batch: u64) -> NewEvent {
        let at_s = time_of(self.made);
        let rank = self.rank() / NODES * NODES + node as u64;
        let late_s = (self.next() % 300) as i64;
        let last_s = at_s - late_s;
        let index = self.leaf[node];
        self.leaf[node] += 1;
        self.made += 1;
        let facts = Facts {
            origin: self.origins[node].clone(),
            index,
            rule: rule(rank),
            target: Some(target(rank)),
            hit_target: None,
            response: Some(response()),
            span: Span { first_s: last_s, last_s, clock_error_s: 0 },
            imported: false,
            other_candidates: Vec::new(),
            before_act: Some(40),
            covered_by: batch,
        };
        let verdict = verdict(rank, last_s);
        NewEvent {
            kind: EventKind::Activity,
            hits: 1 + self.made % 7,
            facts,
            detail_reduced: false,
            deed: None,
            then: verdict.clone(),
            now: verdict,
        }
    }

    /// Evenly over the logarithm: one in ln(n) for each e-fold.
    fn rank(&mut self) -> u64 {
        let even = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        ((RULES as f64).powf(even) as u64).min(RULES - 1)
    }

    /// splitmix64
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }
}

fn time_of(made: u64) -> i64 {
    BEGIN_S + (made * 86_400 / EVENTS_PER_DAY) as i64
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub fn name(rank: u64) -> String {
    format!("w{}.site-{rank}.example", rank % 7)
}

pub fn rank_of(name: &str) -> Option<u64> {
    name.split_once(".site-")?.1.split_once('.')?.0.parse().ok()
}

pub fn target(rank: u64) -> v1::Target {
    v1::Target { kind: v1::TargetKind::DomainExact.into(), value: name(rank) }
}

pub fn request(rank: u64) -> String {
    format!("court/2026-{:04}", rank % REQUESTS)
}

fn rule(rank: u64) -> v1::Rule {
    let claim = v1::claim::Claim::RequestId(request(rank));
    v1::Rule {
        number: mix(rank),
        source: v1::SourceKind::UnboundRpz.into(),
        technique: v1::Technique::DnsNxdomain.into(),
        trigger: v1::Trigger::Qname.into(),
        direction: v1::Direction::ToTarget.into(),
        actor: v1::Actor::OperatorAutomation.into(),
        claims: vec![v1::Claim { claim: Some(claim) }],
        claim_origin: v1::ClaimOrigin::Carried.into(),
        narrowed: false,
        counted: true,
        names_sampled: false,
        rate_bits_per_s: 0,
    }
}

fn response() -> v1::Response {
    let dns = v1::DnsResponse { rcode: 3, extended_errors: vec![16] };
    v1::Response { response: Some(v1::response::Response::Dns(dns)) }
}

/// Seven of ten are covered, two are out of time, one has no basis.
pub fn verdict(rank: u64, last_s: i64) -> v1::Verdict {
    let shows = format!("domain_exact {}", name(rank));
    let clause = |dimension: v1::Dimension, request: String, says: String, shows: String| {
        Some(v1::Clause {
            dimension: dimension.into(),
            request_id: request,
            request_says: says,
            event_shows: shows,
            time_zone: String::new(),
        })
    };
    let (code, clause) = match rank % 10 {
        0..7 => {
            let clause = clause(v1::Dimension::Target, request(rank), shows.clone(), shows);
            (VerdictCode::Authorised, clause)
        }
        7 | 8 => {
            let says = "until 2026-01-01T00:00:00Z".to_owned();
            let shows = register::words::time(last_s);
            let clause = clause(v1::Dimension::Time, request(rank), says, shows);
            (VerdictCode::Expired, clause)
        }
        _ => {
            let says = "no entry for the target".to_owned();
            let shows = request(rank);
            (VerdictCode::NoBasis, clause(v1::Dimension::Reference, String::new(), says, shows))
        }
    };
    v1::Verdict { code: code.into(), clause, register_size: 50, ..v1::Verdict::default() }
}

/// The leaf that an agent would have written for the event.
pub fn leaf(event: &NewEvent) -> Vec<u8> {
    // Any bytes: a commitment is as good as random.
    let stirred = mix(event.facts.index ^ event.facts.rule.number).to_be_bytes();
    let commitment = stirred.repeat(4);
    leaf::encode(Body::Activity(v1::Activity {
        rule: Some(event.facts.rule.clone()),
        response: event.facts.response.clone(),
        rule_target: commitment,
        hits: event.hits,
        window_start_s: event.facts.span.first_s / 900 * 900,
        window_s: 900,
        first_s: event.facts.span.first_s,
        last_s: event.facts.span.last_s,
        ..v1::Activity::default()
    }))
}

/// Bytes of the opening that travels beside the leaf.
pub fn opening_size(event: &NewEvent) -> usize {
    let target = event.facts.target.clone().unwrap_or_default();
    let opening = v1::Opening {
        field: leaf::ACTIVITY_RULE_TARGET,
        salt: vec![0; 16],
        value: target.encode_to_vec(),
    };
    v1::LeafOpening { index: event.facts.index, opening: Some(opening) }.encoded_len()
}
