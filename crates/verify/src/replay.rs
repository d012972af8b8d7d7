//! Verdicts, recomputed from the evidence alone and compared with what the collector says.
//!
//! The log gives the order: what was in the register, declared of a node, or covered by a head at
//! each position. `register::assessment` turns that into verdicts, the same way for everybody.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{AgentOrigin, Leaf, NodeId, bundle::VERDICTS};
use register::{
    DutyFinding, Known as Opened, Parameters, Seen, Target, View,
    adoption::What,
    assessment::{Assessed, Assessment, Facts, Item},
    duties::{Ground, Timeline},
    integrity::Contradiction,
    silence::{Silence, Watch},
    verdict::{ScreenWord, Verdict},
    words,
};
use remit_proto::v1::{self, Ternary, leaf::Body};
use serde::Deserialize;
use tlog::Hash;

use crate::{
    agents::Agents,
    coverage::{Coverage, LateRegister, silences},
    files::Bundle,
    history::Known,
    manifest::Manifest,
    openings::{Items, items},
    reassessments::{self, Given, Judged, Seals},
    report::{Findings, Step, chain},
    statements::Register,
    trust::Trust,
};

/// Everything that the steps before have checked.
pub(crate) struct Past<'a> {
    pub(crate) entries: &'a [Known],
    pub(crate) agents: &'a Agents<'a>,
    pub(crate) register: &'a Register,
    /// The inventory, as the newest entries have it.
    pub(crate) facts: &'a [v1::NodeFacts],
    /// Checkpoints that seals may name, with their sizes.
    pub(crate) named: &'a BTreeMap<Hash, u64>,
    pub(crate) log_size: u64,
}

/// One line of `verdicts.jsonl`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    event: String,
    then: SaidVerdict,
    now: SaidVerdict,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidVerdict {
    code: String,
    /// Empty: none speaks.
    request: String,
    /// The statement by which the rule was attributed later.
    #[serde(default)]
    attributed: Option<u64>,
    /// The leaf by which a second person confirmed a deed.
    #[serde(default)]
    confirmed: Option<u64>,
}

/// What was computed here for one event.
struct Computed {
    then: Verdict,
    now: Verdict,
    /// A commitment that the verdict rests on is not opened.
    closed: bool,
}

impl Computed {
    fn is_secret(&self) -> bool {
        let secret =
            |verdict: &Verdict| verdict.undetermined == Some(v1::UndeterminedReason::Secret);
        secret(&self.then) || secret(&self.now)
    }
}

pub(crate) fn verdicts(
    bundle: &mut Bundle<'_>,
    trust: &Trust,
    manifest: &Manifest,
    past: &Past<'_>,
    coverage: &mut Coverage,
    findings: &mut Findings,
) {
    let (computed, found) = compute(bundle, trust, past, coverage, findings);
    silences(coverage, found, past.facts, &past.agents.sealed());
    for Computed { now, .. } in computed.values() {
        let word = now.screen_word();
        *coverage.verdicts.entry(word.to_string()).or_default() += 1;
        if let ScreenWord::Covered | ScreenWord::OwnMeasure = word {
            let quality = format!(
                "{word}, {}, registered before the act: {}",
                words::basis_proof(now.basis_proof),
                match now.registered_before_act {
                    Ternary::Yes => "yes",
                    Ternary::No => "no",
                    Ternary::Unknown | Ternary::Unspecified => "not known",
                }
            );
            *coverage.proofs.entry(quality).or_default() += 1;
        }
    }
    coverage.events_judged = computed.len() as u64;
    let Some(bytes) = bundle.get(VERDICTS) else {
        findings.incomplete(
            Step::Verdicts,
            format!(
                "{VERDICTS} is not in this bundle; {} verdicts were computed and compared with nothing",
                computed.len()
            ),
        );
        return;
    };
    compare(bytes, &computed, past, manifest, findings);
}

/// Replays the log: verdicts, and when nodes were silent up to the time of its newest entry.
fn compute(
    bundle: &mut Bundle<'_>,
    trust: &Trust,
    past: &Past<'_>,
    coverage: &mut Coverage,
    findings: &mut Findings,
) -> (BTreeMap<String, Computed>, Vec<Silence>) {
    let mut assessment = Assessment::new(trust.register.name().as_str(), Parameters::default());
    let mut without_its_request = 0_u64;
    for (index, stated) in past.register.statements.iter().enumerate() {
        match stated {
            Some(stated) => {
                let items = stated.items.clone().map(register::Items::read).transpose();
                let result = match items {
                    Ok(items) => assessment.statement(&stated.statement, items.as_ref()),
                    Err(error) => {
                        assessment.statement_not_understood();
                        Err(error)
                    }
                };
                match result {
                    Ok(_) => {}
                    // What it changes may be what is not here.
                    Err(_) if past.register.partial => without_its_request += 1,
                    Err(error) => findings.could_not_check(
                        Step::Verdicts,
                        format!(
                            "statement {index} is none that the register takes: {}",
                            chain(&error)
                        ),
                    ),
                }
            }
            None => assessment.statement_not_understood(),
        }
    }
    if without_its_request > 0 {
        findings.incomplete(
            Step::Verdicts,
            format!(
                "{without_its_request} statements could not be applied: parts of the register that \
                 they build on are withheld, erased or unreadable"
            ),
        );
    }
    for (hash, size) in past.named {
        assessment.published(*size, *hash);
    }
    let mut last_seal_s = BTreeMap::new();
    for agent in past.agents.by_origin.values() {
        let openings: Vec<v1::LeafOpening> = agent.openings.all().collect();
        assessment.leaves(&agent.origin, 0, agent.leaves.iter().cloned(), &openings);
        let seal = agent.leaves.iter().rev().find_map(|leaf| match leaf {
            Leaf::Known(Body::Seal(seal)) => Some(seal.at_s),
            Leaf::Known(_) | Leaf::NotUnderstood { .. } => None,
        });
        last_seal_s.insert(agent.origin.clone(), seal.unwrap_or_default());
    }
    for Known { index, entry, .. } in past.entries {
        if let Err(error) = assessment.entry(*index, entry) {
            findings.could_not_check(Step::Verdicts, chain(&error));
        }
    }
    let assessed = assessment.take_assessed();
    let mut watch = Watch::default();
    let mut silences = Vec::new();
    for Assessed { origin, item, .. } in &assessed {
        if let Item::Other(body) = item
            && let Body::Seal(seal) = body.as_ref()
        {
            silences.extend(watch.seal(&origin.node, seal));
        }
    }
    silences.extend(watch.open(coverage.last_entry_at_s));
    let now_s = evidence_now_s(&last_seal_s, coverage.last_entry_at_s);
    let timeline = stood(bundle, &assessed);
    let seen = probes(&assessed);
    let rules = (&timeline, seen.as_slice());
    not_done(coverage, &assessment, rules, (&watch, &silences), now_s, past.log_size);
    let closed = stood_before(bundle, &mut assessment, &assessed);
    basis_maps(coverage, past.agents, &assessment.register().view());
    late_registers(coverage, &assessment.register().view());
    let facts_of = |assessed: Assessed| -> Option<Facts> {
        match assessed.item {
            Item::Activity { facts, .. } | Item::RuleChange { facts, .. } => Some(*facts),
            Item::Deed { facts, leaf } => match leaf.act() {
                v1::ServiceAct::Recorded | v1::ServiceAct::Ended => Some(*facts),
                v1::ServiceAct::Confirmed | v1::ServiceAct::Unspecified => None,
            },
            Item::Probe { .. }
            | Item::Snapshot { .. }
            | Item::Other(_)
            | Item::NotUnderstood { .. } => None,
        }
    };
    let seals = Seals::of(&assessed);
    let event_of = |facts: Facts| {
        let event = format!("{}/{}/{}", facts.origin.node, facts.origin.generation, facts.index);
        Judged { facts, event }
    };
    let events: Vec<Judged> = assessed.into_iter().filter_map(facts_of).map(event_of).collect();
    let computed: BTreeMap<String, Computed> = events
        .iter()
        .map(|Judged { facts, event }| {
            let judged_at_s = seals.newest_s(&facts.origin.node, past.log_size);
            let computed = Computed {
                then: assessment.then(facts),
                now: assessment.now(facts, past.log_size, judged_at_s.unwrap_or_default()),
                closed: is_closed(past.agents, facts) || closed.contains(&facts.origin),
            };
            (event.clone(), computed)
        })
        .collect();
    let why_not = not_whole(past, &computed);
    let given = Given { entries: past.entries, assessment: &assessment, events: &events, seals };
    reassessments::check(&given, why_not, coverage, findings);
    (computed, silences)
}

/// The newest seal of all nodes, of each by its newest generation; and no later than the newest entry of the log: one
/// node whose clock is ahead must not make all others silent.
fn evidence_now_s(last_seal_s: &BTreeMap<AgentOrigin, i64>, last_entry_s: i64) -> i64 {
    // Generations of a node stand in their order.
    let newest: BTreeMap<&NodeId, i64> = last_seal_s
        .iter()
        .filter(|(_, at_s)| **at_s != 0)
        .map(|(origin, at_s)| (&origin.node, *at_s))
        .collect();
    newest.into_values().max().unwrap_or_default().min(last_entry_s)
}

/// When rules stood. What a withheld snapshot listed is not known, and is said where snapshots are checked.
fn stood(bundle: &mut Bundle<'_>, assessed: &[Assessed]) -> Timeline {
    let mut timeline = Timeline::default();
    for Assessed { origin, item, .. } in assessed {
        match item {
            Item::RuleChange { facts, leaf, native: _ } => {
                let stands = match leaf.kind() {
                    v1::RuleChangeKind::Installed | v1::RuleChangeKind::Modified => true,
                    v1::RuleChangeKind::Removed | v1::RuleChangeKind::Unspecified => false,
                };
                let target = facts.target.as_ref();
                timeline.change(origin, &facts.rule, target, leaf.at_s, stands);
            }
            Item::Deed { facts, leaf } => {
                timeline.deed(origin, &facts.rule, facts.target.as_ref(), leaf);
            }
            Item::Snapshot { leaf, before_act: _ } => {
                let set = leaf.rules.clone().unwrap_or_default();
                match items::<v1::SnapshotRule>(bundle, &set) {
                    Items::All(rules) => timeline.snapshot(origin, leaf, &rules),
                    _ => timeline.missed(origin, leaf),
                }
            }
            Item::Other(body) => {
                if let Body::Start(start) = body.as_ref() {
                    timeline.start(origin, start.at_s);
                }
            }
            Item::Activity { .. } | Item::Probe { .. } | Item::NotUnderstood { .. } => {}
        }
    }
    timeline
}

/// What was seen from outside.
fn probes(assessed: &[Assessed]) -> Vec<Seen> {
    let seen = assessed.iter().filter_map(|assessed| {
        let Item::Probe { target, leaf } = &assessed.item else { return None };
        let Opened::Known(target) = Opened::<Target>::from_wire(target.as_ref()) else {
            return None;
        };
        let (at_s, result, page, asn) = (leaf.at_s, leaf.result(), leaf.page(), leaf.asn);
        Some(Seen { at_s, result, page, asn, target })
    });
    seen.collect()
}

/// What requests demand and was not done, and what is wrong with requests themselves: apart from verdicts, by
/// the same functions as the collector's, and by the time of the newest seal.
fn not_done(
    coverage: &mut Coverage,
    assessment: &Assessment,
    (timeline, seen): (&Timeline, &[Seen]),
    (watch, ended): (&Watch, &[Silence]),
    at_s: i64,
    log_size: u64,
) {
    let view = assessment.register().at(assessment.register_size_at(log_size));
    let nodes = assessment.grounds().inventory(log_size);
    for (_, _, found) in timeline.contradictions() {
        match found {
            Contradiction::Unreported => coverage.rules_unreported += 1,
            Contradiction::Phantom => coverage.rules_phantom += 1,
        }
    }
    let ended = ended.iter().filter(|silence| !silence.open).cloned();
    let silences: Vec<Silence> = ended.chain(watch.open(at_s)).collect();
    let ground = Ground { view: &view, at_s, nodes: &nodes, silences: &silences };
    for duty in register::duties(&ground, &timeline.rules(&view)) {
        let code = match duty.finding {
            DutyFinding::Is(code) => short(code.as_str_name(), "DUTY_CODE_"),
            DutyFinding::Undetermined => "UNDETERMINED".to_owned(),
        };
        coverage.duties.entry(code).or_default().push(duty.request.to_string());
    }
    let reached = register::ineffective(&view, &timeline.stands(&view), &nodes, seen);
    if !reached.is_empty() {
        let code = short(v1::DutyCode::Ineffective.as_str_name(), "DUTY_CODE_");
        let requests = reached.iter().map(|one| one.request.to_string());
        coverage.duties.entry(code).or_default().extend(requests);
    }
    for (id, found) in register::defects(&view, at_s, &register::gone(seen)) {
        for defect in found.defects {
            let code = short(defect.code.as_str_name(), "ENTRY_CODE_");
            let of_code = coverage.defects.entry(code).or_default();
            let id = id.to_string();
            if of_code.last() != Some(&id) {
                of_code.push(id);
            }
        }
    }
}

fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}

/// What verdicts rest on and is not here, so that whoever counts changes counts others.
fn not_whole(past: &Past<'_>, computed: &BTreeMap<String, Computed>) -> Option<String> {
    let is_short = |(origin, heads): (&String, &Vec<(u64, u64)>)| {
        let held = past.agents.by_origin.get(origin).map_or(0, |agent| agent.leaves.len() as u64);
        heads.iter().any(|(_, size)| *size > held)
    };
    if past.agents.heads.iter().any(is_short) {
        return Some("the bundle is without leaves of some nodes".to_owned());
    }
    if past.register.partial {
        return Some("parts of the register are withheld, erased or unreadable".to_owned());
    }
    let closed = computed.values().filter(|computed| computed.closed).count();
    (closed > 0).then(|| format!("{closed} events rest on what is withheld or erased"))
}

/// Tells what stood before each node was enrolled; returns the trees of which that is withheld.
fn stood_before(
    bundle: &mut Bundle<'_>,
    assessment: &mut Assessment,
    assessed: &[Assessed],
) -> BTreeSet<AgentOrigin> {
    let mut closed = BTreeSet::new();
    for Assessed { origin, index, item, .. } in assessed {
        let Item::Snapshot { leaf, before_act: _ } = item else { continue };
        if !assessment.wants_snapshot(origin, leaf) {
            continue;
        }
        match items::<v1::SnapshotRule>(bundle, &leaf.rules.clone().unwrap_or_default()) {
            Items::All(rules) => assessment.snapshot(origin, *index, leaf, &rules),
            // Said to be withheld or wrong where snapshots are checked.
            Items::Withheld | Items::Wrong(_) => {
                closed.insert(origin.clone());
            }
        }
    }
    closed
}

/// Every basis map that a node has used and that nobody has stated for it.
fn basis_maps(coverage: &mut Coverage, agents: &Agents<'_>, register: &View<'_>) {
    let mut unstated = BTreeSet::new();
    for agent in agents.by_origin.values() {
        let digests = agent.leaves.iter().filter_map(|leaf| match leaf.body() {
            Some(Body::Start(start)) => Some(&start.basis_map_digest),
            Some(Body::ConfigChange(change)) => Some(&change.basis_map_digest),
            _ => None,
        });
        for digest in digests.filter(|digest| !digest.is_empty()) {
            if !register.states_basis_map(&agent.origin.node, digest) {
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                unstated.insert(format!("{} {hex}", agent.origin.node));
            }
        }
    }
    coverage.basis_maps_unstated = unstated.into_iter().collect();
}

/// For how long a register that comes late is waited for, as its statements say: verdicts rest on it.
fn late_registers(coverage: &mut Coverage, register: &View<'_>) {
    let said = register.adopted().filter_map(|one| match &one.what {
        What::LateRegister(late) => Some(LateRegister {
            statement: one.statement,
            grace_s: late.grace_s,
            since_s: one.since_s,
            person: one.by.person.clone(),
        }),
        What::Baseline(_) | What::BasisMap(_) => None,
    });
    coverage.late_registers = said.collect();
}

fn is_closed(agents: &Agents<'_>, facts: &Facts) -> bool {
    let Some(agent) = agents.by_origin.get(&facts.origin.to_string()) else { return true };
    let leaf = usize::try_from(facts.index).ok().and_then(|at| agent.leaves.get(at));
    leaf.and_then(Leaf::body).is_none_or(|body| !agent.openings.complete(facts.index, body))
}

fn compare(
    bytes: &[u8],
    computed: &BTreeMap<String, Computed>,
    past: &Past<'_>,
    manifest: &Manifest,
    findings: &mut Findings,
) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let (mut equal, mut closed, mut beyond) = (0_u64, 0_u64, 0_u64);
    let mut secret = 0_u64;
    // A last line without its end was cut.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if text.is_empty() || text.ends_with('\n') => text,
        Ok(_) | Err(_) => {
            let text = format!("{VERDICTS} is not whole lines of UTF-8 text");
            return findings.could_not_check(Step::Verdicts, text);
        }
    };
    for (number, line) in (1_u64..).zip(text.split_terminator('\n')) {
        // JSON would take white space around a value; a line that was written here has none.
        let plain = line.trim() == line;
        let Some(said) = serde_json::from_str::<Said>(line).ok().filter(|_| plain) else {
            findings.could_not_check(
                Step::Verdicts,
                format!("line {number} of {VERDICTS} is malformed"),
            );
            continue;
        };
        let Some((event, ours)) = computed.get_key_value(said.event.as_str()) else {
            beyond += 1;
            continue;
        };
        if !seen.insert(event) {
            findings.contradicted(Step::Verdicts, format!("{event} is judged twice in {VERDICTS}"));
        }
        let difference = differs(&said.then, &ours.then, "then")
            .or_else(|| differs(&said.now, &ours.now, "now"));
        match difference {
            None => equal += 1,
            Some(_) if ours.is_secret() => secret += 1,
            Some(_) if ours.closed || past.register.partial => closed += 1,
            Some(difference) => report(event, &difference, manifest, findings),
        }
    }
    let missing = computed.keys().filter(|event| !seen.contains(event.as_str())).count();
    if missing > 0 {
        findings.incomplete(
            Step::Verdicts,
            format!("{missing} events have no verdict of the collector to compare with"),
        );
    }
    if secret > 0 {
        findings.incomplete(
            Step::Verdicts,
            format!(
                "{secret} verdicts rest on closed parts of requests and are undetermined (secret) here; \
                 for them there is the collector's word alone"
            ),
        );
    }
    if closed > 0 {
        findings.incomplete(
            Step::Verdicts,
            format!(
                "{closed} verdicts rest on what is not in this bundle and could not be recomputed"
            ),
        );
    }
    if findings.sound(Step::Verdicts) {
        let mut text = format!("{equal} verdicts recomputed, then and now, and the same");
        if beyond > 0 {
            text.push_str(&format!("; {beyond} are about events that are not in this bundle"));
        }
        findings.proven(Step::Verdicts, text);
    }
}

/// What the collector says and we do not, in words.
fn differs(said: &SaidVerdict, ours: &Verdict, when: &str) -> Option<String> {
    let request = ours.request().map(ToString::to_string).unwrap_or_default();
    let code = code_of(ours);
    let said_request = said.request.as_str();
    let attributed = ours.attributed.as_ref().map(|attributed| attributed.statement);
    if said.code == code && said_request == request && said.attributed == attributed {
        let confirmed = ours.confirmed.as_ref().map(|confirmed| confirmed.leaf);
        return (said.confirmed != confirmed).then(|| {
            let by = |leaf: Option<u64>| match leaf {
                Some(index) => format!("confirmed by leaf {index}"),
                None => "confirmed by nobody".to_owned(),
            };
            format!(
                "as known {when}, the collector says {} and the evidence says {}",
                by(said.confirmed),
                by(confirmed)
            )
        });
    }
    if said.code == code && said_request == request {
        return (said.attributed != attributed).then(|| {
            let by = |statement: Option<u64>| match statement {
                Some(index) => format!("attributed by statement {index}"),
                None => "attributed by nobody".to_owned(),
            };
            format!(
                "as known {when}, the collector says {} and the register says {}",
                by(said.attributed),
                by(attributed)
            )
        });
    }
    let named = |id: &str| if id.is_empty() { String::new() } else { format!(" ({id})") };
    Some(format!(
        "as known {when}, the collector says {}{} and the evidence says {code}{}",
        said.code,
        named(said_request),
        named(&request)
    ))
}

fn report(event: &str, difference: &str, manifest: &Manifest, findings: &mut Findings) {
    match &manifest.matcher_version {
        Some(version) if version != register::MATCHER_VERSION => findings.incomplete(
            Step::Verdicts,
            format!(
                "{event}: {difference}; the collector judged by matcher version {version}, this \
                 program by {}",
                register::MATCHER_VERSION
            ),
        ),
        _ => findings.contradicted(Step::Verdicts, format!("{event}: {difference}")),
    }
}

/// "EXPIRED", "UNDETERMINED(boundary)".
fn code_of(verdict: &Verdict) -> String {
    let code = verdict.code.as_str_name();
    let code = code.strip_prefix("VERDICT_CODE_").unwrap_or(code);
    match verdict.undetermined {
        None => code.to_owned(),
        Some(reason) => {
            let reason = reason.as_str_name();
            let reason = reason.strip_prefix("UNDETERMINED_REASON_").unwrap_or(reason);
            format!("{code}({})", reason.to_lowercase())
        }
    }
}
