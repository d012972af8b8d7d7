//! One committed thing into the changes of the index that follow from it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use evidence::{AgentOrigin, NodeId};
use register::{
    Selected, Selector, Span,
    assessment::{Assessed, Assessment, Facts, Item, open_snapshot},
};
use remit_proto::v1::{
    self, RuleChangeKind, ServiceAct, ServiceActionKind, leaf::Body, log_entry::Entry,
};
use tlog::{checkpoint::Checkpoint, note::Note};

use super::{Seals, State, accounts};
use crate::{
    committed::{Chunks, Committed, What},
    store::{EventKind, Job, NewEvent, NewGap, NewHeard, NewProbe, Op, RuleId, ShownRule},
};

/// Events whose verdicts are prepared together.
const EXPECTED_MAX: usize = 32;

/// Feeds the assessment. With `wanted` false only memory is filled, and nothing is judged.
pub(super) fn step(
    state: &mut State,
    committed: Committed,
    chunks: &dyn Chunks,
    wanted: bool,
) -> Vec<Op> {
    let Committed { position, at_s, what } = committed;
    let State { assessment, authors, cases, seals, fed: _ } = state;
    let mut ops = Vec::new();
    match what {
        What::Batch { origin, batch } => match batch.read() {
            Ok((old_size, leaves, openings)) => {
                let size = old_size.saturating_add(leaves.len() as u64);
                assessment.leaves(&origin, old_size, leaves, &openings);
                ops.push(Op::Received { origin, size, at_s });
            }
            // The writer checks before it commits.
            Err(error) => tracing::error!(position, %error, "an accepted batch cannot be read"),
        },
        What::Statement { index, statement, items } => {
            Arc::make_mut(authors).push(statement.author.clone().unwrap_or_default().person);
            // The writer checks before it commits; what fails here is kept as not understood.
            if let Err(error) = assessment.statement(&statement, items.as_ref()) {
                tracing::warn!(index, position, %error, "statement of the register is not valid");
            }
        }
        What::Decision { index, statement, note } => {
            if let Err(error) = Arc::make_mut(cases).apply(&statement, note) {
                tracing::warn!(index, position, %error, "statement of the case log is not valid");
            }
        }
        What::Published { log_size, register_size: _, checkpoint } => {
            assessment.published(log_size, checkpoint);
        }
        What::Entry { index, entry } => {
            let job = job_of(assessment, &entry, index);
            if let Err(error) = assessment.entry(index, &entry) {
                tracing::warn!(index, position, %error, "entry of the log is not valid");
            }
            let log_size = index.saturating_add(1);
            ops.push(Op::LogSize(log_size));
            entry_ops(assessment, &entry, index, at_s, &mut ops);
            ops.extend(job.and_then(|change| change.reach(assessment, log_size)).map(Op::Reassess));
            let assessed = assessment.take_assessed();
            let late = Late::of(assessment, &assessed, seals, log_size);
            ops.extend(late.reach(assessment, log_size).map(Op::Reassess));
            let mut assessed = assessed.into_iter().peekable();
            while assessed.peek().is_some() {
                let some: Vec<Assessed> = assessed.by_ref().take(EXPECTED_MAX).collect();
                if wanted {
                    assessment.expect(some.iter().filter_map(facts_of));
                }
                for one in some {
                    let to = (&mut ops, wanted);
                    leaf_ops(assessment, one, log_size, chunks, (seals, &late), to);
                }
            }
            let reached = assessment.take_reached();
            if !reached.is_empty() {
                let to_register = assessment.register_size_at(log_size);
                let (from_register, selectors) = (to_register, reached);
                ops.push(Op::Reassess(Job { log_size, from_register, to_register, selectors }));
            }
            one_job(&mut ops);
        }
    }
    ops
}

/// References that may come late: up to which seals it is judged whether they still may.
struct Late {
    grace_s: i64,
    /// Before the entry and at it, for the nodes of which one was covered by now.
    sealed: BTreeMap<NodeId, (Option<i64>, i64)>,
}

impl Late {
    /// Before the seals among these leaves are followed.
    fn of(assessment: &Assessment, assessed: &[Assessed], seals: &Seals, log_size: u64) -> Self {
        let grace_s = i64::from(assessment.late_register_max_s(log_size));
        let mut late = Self { grace_s, sealed: BTreeMap::new() };
        if grace_s == 0 {
            return late;
        }
        let mut newest: HashMap<&AgentOrigin, (Option<i64>, i64)> = HashMap::new();
        for (origin, seal) in &seals.newest {
            newest.insert(origin, (Some(seal.at_s), seal.at_s));
        }
        for Assessed { origin, item, .. } in assessed {
            if let Item::Other(body) = item
                && let Body::Seal(seal) = body.as_ref()
            {
                newest.entry(origin).or_insert((None, seal.at_s)).1 = seal.at_s;
            }
        }
        // The latest of the newest seals of a node's trees.
        for (origin, (before, now)) in newest {
            let of_node = late.sealed.entry(origin.node.clone()).or_insert((before, now));
            *of_node = (of_node.0.max(before), of_node.1.max(now));
        }
        late
    }

    /// Without a grace no verdict asks for it.
    fn sealed_s(&self, node: &NodeId) -> Option<i64> {
        self.sealed.get(node).map(|(_, now)| *now)
    }

    /// What may have come in time before a seal, and not by it.
    fn reach(&self, assessment: &Assessment, log_size: u64) -> Option<Job> {
        let moved = self.sealed.iter().filter(|(_, (before, now))| *before != Some(*now));
        let selectors: Vec<Selector> = moved
            .map(|(node, (before, now))| Selector {
                selected: Selected::Node(node.clone()),
                since_s: before
                    .map_or(i64::MIN, |before| before.min(*now).saturating_sub(self.grace_s)),
            })
            .collect();
        let to_register = assessment.register_size_at(log_size);
        let from_register = to_register;
        (!selectors.is_empty()).then_some(Job { log_size, from_register, to_register, selectors })
    }
}

fn entry_ops(assessment: &Assessment, entry: &Entry, log_index: u64, at_s: i64, ops: &mut Vec<Op>) {
    let log_size = log_index.saturating_add(1);
    match entry {
        Entry::AgentHead(v1::AgentHead { note }) => {
            if let Some((origin, size)) = head(note) {
                ops.push(Op::Covered { origin, size });
            }
        }
        Entry::NodeKey(v1::NodeKey { origin, revoked, .. }) => {
            let Ok(origin) = origin.parse::<AgentOrigin>() else { return };
            if !*revoked {
                ops.push(Op::Enrolled { origin, log_index, at_s });
            }
        }
        Entry::RegisterHead(_) => {
            let size = assessment.register_size_at(log_size);
            ops.push(Op::RegisterSize(size));
        }
        Entry::Fork(v1::Fork { kind, accepted_note, conflicting_note: _ }) => {
            if let Some((origin, _)) = head(accepted_note) {
                ops.push(Op::Fork { origin, kind: *kind, at_s });
            }
        }
        Entry::Reassessment(v1::Reassessment { log_size, .. }) => {
            ops.push(Op::ReassessmentLogged { log_size: *log_size });
        }
        Entry::Archive(v1::Archive { partition, events: _, manifest }) => {
            let (partition, manifest) = (partition.clone(), manifest.clone());
            ops.push(Op::ArchiveLogged { partition, manifest });
        }
        Entry::NodeFacts(_)
        | Entry::PersonKey(_)
        | Entry::CaseHead(_)
        | Entry::Export(_)
        | Entry::Erasure(_)
        | Entry::Shard(_) => {}
    }
}

/// An entry makes one job at the most; what its leaves reach is reached by it.
fn one_job(ops: &mut Vec<Op>) {
    let (jobs, rest): (Vec<Op>, Vec<Op>) =
        std::mem::take(ops).into_iter().partition(|op| matches!(op, Op::Reassess(_)));
    *ops = rest;
    let jobs = jobs.into_iter().filter_map(|op| match op {
        Op::Reassess(job) => Some(job),
        _ => None,
    });
    ops.extend(
        jobs.reduce(|mut one, more| {
            one.selectors.extend(more.selectors);
            one
        })
        .map(Op::Reassess),
    );
}

/// An entry that can change old verdicts.
enum Change {
    Register {
        from_size: u64,
    },
    /// Its first facts were declared, or a key of it was revoked.
    Node(NodeId),
}

/// Decided before the entry is taken in.
fn job_of(assessment: &Assessment, entry: &Entry, log_index: u64) -> Option<Change> {
    match entry {
        Entry::RegisterHead(_) => {
            Some(Change::Register { from_size: assessment.register_size_at(log_index) })
        }
        Entry::NodeKey(v1::NodeKey { origin, revoked, .. }) => {
            let origin: AgentOrigin = origin.parse().ok()?;
            revoked.then_some(Change::Node(origin.node))
        }
        // What is declared of a node later does not move what it did before.
        Entry::NodeFacts(v1::SignedNodeFacts { facts, signatures: _ }) => {
            let node: NodeId = evidence::log_entry::decode_facts(facts).ok()?.node.parse().ok()?;
            let first = assessment.facts_at(&node, log_index).is_none();
            first.then_some(Change::Node(node))
        }
        Entry::AgentHead(_)
        | Entry::PersonKey(_)
        | Entry::CaseHead(_)
        | Entry::Export(_)
        | Entry::Erasure(_)
        | Entry::Fork(_)
        | Entry::Shard(_)
        | Entry::Archive(_)
        | Entry::Reassessment(_) => None,
    }
}

impl Change {
    /// `None`: it reaches nothing.
    fn reach(self, assessment: &Assessment, log_size: u64) -> Option<Job> {
        let to_register = assessment.register_size_at(log_size);
        let (from_register, selectors) = match self {
            Self::Register { from_size } => {
                (from_size, assessment.register().reach(from_size, to_register))
            }
            Self::Node(node) => (to_register, vec![Selector::always(Selected::Node(node))]),
        };
        (!selectors.is_empty()).then_some(Job { log_size, from_register, to_register, selectors })
    }
}

/// Of what is judged at once.
fn facts_of(assessed: &Assessed) -> Option<&Facts> {
    match &assessed.item {
        Item::Activity { facts, .. }
        | Item::RuleChange { facts, .. }
        | Item::Deed { facts, .. } => Some(facts),
        Item::Probe { .. }
        | Item::Snapshot { .. }
        | Item::Other(_)
        | Item::NotUnderstood { .. } => None,
    }
}

fn leaf_ops(
    assessment: &mut Assessment,
    assessed: Assessed,
    log_size: u64,
    chunks: &dyn Chunks,
    (seals, late): (&mut Seals, &Late),
    (ops, wanted): (&mut Vec<Op>, bool),
) {
    let Assessed { origin, index, covered_by, item } = assessed;
    match item {
        // Accounts grow from the seal before, so seals are followed on a replay too.
        Item::Other(body) => match *body {
            Body::Seal(seal) => {
                let before = seals.newest.get(&origin);
                ops.extend(
                    accounts::losses(&origin, index, before, &seal).into_iter().map(Op::Loss),
                );
                let silence = seals.watch.seal(&origin.node, &seal);
                if let Some(heard) = seals.watch.heard(&origin.node) {
                    let (origin, heard) = (origin.clone(), *heard);
                    ops.push(Op::Heard(Box::new(NewHeard { origin, index, heard, silence })));
                }
                seals.newest.insert(origin.clone(), seal.clone());
                ops.push(Op::Seal { origin, seal: Box::new(seal) });
            }
            Body::Gap(gap) => ops.push(Op::Gap(Box::new(NewGap { origin, index, gap }))),
            Body::Genesis(v1::Genesis { window_s, individual_actions, loss_bound_s, .. }) => {
                ops.push(Op::Genesis { origin, window_s, individual_actions, loss_bound_s });
            }
            Body::Start(start) => ops.push(Op::Start { origin, start: Box::new(start) }),
            Body::ConfigChange(_)
            | Body::Activity(_)
            | Body::RuleChange(_)
            | Body::RuleSnapshot(_)
            | Body::KeyChange(_)
            | Body::ServiceAction(_)
            | Body::Probe(_) => {}
        },
        // What stood before the node was enrolled is known from it, on a replay too.
        Item::Snapshot { leaf, before_act } => {
            if !wanted && !assessment.wants_snapshot(&origin, &leaf) {
                return;
            }
            let set = leaf.rules.clone().unwrap_or_default();
            let Some(rules) = open_snapshot(&set, |id| chunks.chunk(id)) else {
                tracing::warn!(node = %origin.node, index, "rules of a snapshot are not held");
                let source = v1::SourceKind::try_from(leaf.source).unwrap_or_default();
                ops.extend(wanted.then_some(Op::SnapshotMissed { origin, source }));
                return;
            };
            assessment.snapshot(&origin, index, &leaf, &rules);
            if !wanted {
                return;
            }
            let v1::RuleSnapshot { source, at_s, unstable, control, .. } = *leaf;
            let rules = rules
                .into_iter()
                .filter_map(|rule| shown(&origin, index, covered_by, before_act, at_s, rule))
                .collect();
            let source = v1::SourceKind::try_from(source).unwrap_or_default();
            ops.push(Op::Snapshot { origin, source, at_s, rules, unstable, control, covered_by });
        }
        // It is no event, and changes what is known of those before: on a replay too its job may have to go on.
        Item::Deed { facts, leaf }
            if matches!(leaf.act(), ServiceAct::Confirmed | ServiceAct::Unspecified) =>
        {
            let (node, number) = (origin.node, facts.rule.number);
            let to_register = assessment.register_size_at(log_size);
            ops.push(Op::Reassess(Job {
                log_size,
                from_register: to_register,
                to_register,
                selectors: vec![Selector::always(Selected::Rule { node, number })],
            }));
        }
        _ if !wanted => {}
        Item::Activity { facts, leaf } => {
            let mut event = judged(assessment, EventKind::Activity, *facts, log_size, late);
            event.hits = leaf.hits;
            event.detail_reduced = leaf.detail_reduced;
            ops.push(Op::Event(Box::new(event)));
        }
        Item::RuleChange { facts, leaf, native } => {
            let kind = RuleChangeKind::try_from(leaf.kind).unwrap_or_default();
            match kind {
                RuleChangeKind::Installed | RuleChangeKind::Modified => {
                    ops.push(Op::RuleShown(Box::new(ShownRule {
                        facts: (*facts).clone(),
                        native: native.unwrap_or_default(),
                        // Or since when it stands in this form.
                        installed_at_s: Some(leaf.at_s),
                        shown_at_s: leaf.at_s,
                    })));
                    let event = judged(assessment, EventKind::Installed, *facts, log_size, late);
                    ops.push(Op::Event(Box::new(event)));
                }
                RuleChangeKind::Removed | RuleChangeKind::Unspecified => {
                    let rule = RuleId::new(&origin, facts.rule.number);
                    ops.push(Op::RuleRemoved { rule, at_s: leaf.at_s, covered_by });
                    let event = judged(assessment, EventKind::Removed, *facts, log_size, late);
                    ops.push(Op::Event(Box::new(event)));
                }
            }
        }
        Item::Deed { facts, leaf } => deed_ops(assessment, (*facts, *leaf), log_size, late, ops),
        Item::Probe { target, leaf } => {
            ops.push(Op::Probe(Box::new(NewProbe {
                origin,
                index,
                target,
                probe: *leaf,
                covered_by,
            })));
        }
        Item::NotUnderstood { format } => {
            tracing::warn!(node = %origin.node, format, "leaves of a newer format are not judged");
        }
    }
}

/// A deed that a person recorded or ended stands like a rule from the leaf that records it to the one that ends it.
fn deed_ops(
    assessment: &Assessment,
    (facts, leaf): (Facts, v1::ServiceAction),
    log_size: u64,
    late: &Late,
    ops: &mut Vec<Op>,
) {
    let origin = facts.origin.clone();
    ops.push(match leaf.until_s {
        0 => Op::RuleShown(Box::new(ShownRule {
            facts: facts.clone(),
            native: native(&leaf),
            installed_at_s: Some(leaf.from_s),
            shown_at_s: leaf.from_s,
        })),
        at_s => Op::DeedEnded {
            rule: RuleId::new(&origin, facts.rule.number),
            at_s,
            covered_by: facts.covered_by,
        },
    });
    let mut event = judged(assessment, EventKind::Deed, facts, log_size, late);
    event.deed = Some(v1::ServiceAction { target: Vec::new(), ..leaf });
    ops.push(Op::Event(Box::new(event)));
}

/// What a technology would say of it.
fn native(deed: &v1::ServiceAction) -> String {
    match (deed.kind(), deed.rate_bits_per_s) {
        (ServiceActionKind::Shutdown, _) => "shutdown".to_owned(),
        (ServiceActionKind::Throttle, 0) => "throttle".to_owned(),
        (ServiceActionKind::Throttle, rate) => format!("throttle to {rate} bit/s"),
        (ServiceActionKind::LineSuspension, _) => "line suspension".to_owned(),
        (ServiceActionKind::Unspecified, _) => String::new(),
    }
}

fn judged(
    assessment: &Assessment,
    kind: EventKind,
    facts: Facts,
    log_size: u64,
    late: &Late,
) -> NewEvent {
    let then = assessment.then(&facts).to_wire();
    let seal_s = late.sealed_s(&facts.origin.node).unwrap_or_default();
    let now = assessment.now(&facts, log_size, seal_s).to_wire();
    NewEvent { kind, facts, hits: 0, detail_reduced: false, deed: None, then, now }
}

fn shown(
    origin: &AgentOrigin,
    index: u64,
    covered_by: u64,
    before_act: Option<u64>,
    at_s: i64,
    rule: v1::SnapshotRule,
) -> Option<ShownRule> {
    let v1::SnapshotRule { rule, target, native } = rule;
    let facts = Facts {
        origin: origin.clone(),
        index,
        rule: rule?,
        target,
        hit_target: None,
        response: None,
        span: Span { first_s: at_s, last_s: at_s, clock_error_s: 0 },
        imported: false,
        other_candidates: Vec::new(),
        before_act,
        covered_by,
    };
    Some(ShownRule { facts, native, installed_at_s: None, shown_at_s: at_s })
}

fn head(note: &[u8]) -> Option<(AgentOrigin, u64)> {
    let head = Checkpoint::parse_text(&Note::parse(note).ok()?.text).ok()?;
    Some((head.origin.parse().ok()?, head.size))
}
