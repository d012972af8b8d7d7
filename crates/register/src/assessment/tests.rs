//! From a stream of leaves and entries to verdicts; the judge's own cases are in `tests/cases`.

use evidence::{AgentOrigin, Leaf};
use prost::Message;
use remit_proto::v1::{self, Ternary, VerdictCode, leaf::Body, log_entry::Entry, statement};
use tlog::{
    Hash,
    checkpoint::Checkpoint,
    note::{KeyName, SigningKey},
};

use super::{Assessment, Facts, InvalidEntry, Item};
use crate::{Items, Parameters, Target};

const REGISTER: &str = "example.net/register";
const ORIGIN: &str = "example.net/agent/r1/0000000000000001";
const NOON: i64 = 1_768_478_400;

/// A collector's log in short words.
struct Log {
    assessment: Assessment,
    size: u64,
    statements: u64,
    leaves: u64,
}

impl Log {
    fn new() -> Self {
        let assessment = Assessment::new(REGISTER, Parameters::default());
        Self { assessment, size: 0, statements: 0, leaves: 0 }
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), InvalidEntry> {
        let result = self.assessment.entry(self.size, entry);
        self.size += 1;
        result
    }

    fn head(&mut self, origin: &str, size: u64) {
        let key = SigningKey::new(KeyName::new(origin).unwrap(), [5; 32]);
        let note = Checkpoint::new(origin, size, Hash([3; 32])).sign(&key).unwrap().encode();
        let entry = if origin == REGISTER {
            Entry::RegisterHead(v1::StatementHead { note })
        } else {
            Entry::AgentHead(v1::AgentHead { note })
        };
        self.entry(&entry).unwrap();
    }

    /// A request for 192.0.2.7 in DE, and its head.
    fn request(&mut self, id: &str) {
        let request = v1::Request {
            id: id.into(),
            version: 1,
            authorisation: Some(v1::Authorisation {
                instrument: v1::Instrument::CourtOrderFinal.into(),
                basis_class: v1::BasisClass::Law.into(),
                ..Default::default()
            }),
            notification: Some(v1::Notification {
                form: v1::RequestForm::Letter.into(),
                ..Default::default()
            }),
            task: Some(v1::Task {
                targets: vec![v1::RequestTarget { target: Some(target()), ..Default::default() }],
                measure: Some(v1::Measure { outcome_only: true, ..Default::default() }),
                scope: Some(v1::Scope { territories: vec!["DE".into()], ..Default::default() }),
                effective_from_s: NOON - 1000,
                ..Default::default()
            }),
            status: v1::RequestStatus::Accepted.into(),
            basis_proof: v1::BasisProof::DocumentHeld.into(),
            ..Default::default()
        };
        let items = Some(v1::ItemSet { count: 1, ..Default::default() });
        let statement = v1::Statement {
            format: 1,
            origin: REGISTER.into(),
            recorded_at_s: NOON,
            effective_at_s: NOON,
            author: None,
            approver: None,
            body: Some(statement::Body::Import(v1::Import { items, ..Default::default() })),
        };
        let item = v1::RegisterItem { item: Some(v1::register_item::Item::Request(request)) };
        self.assessment.statement(&statement, Some(&Items::read(vec![item]).unwrap())).unwrap();
        self.statements += 1;
        self.head(REGISTER, self.statements);
    }

    fn declare(&mut self, country: &str) {
        let person = v1::PersonRef { person: "p1".into(), role: v1::Role::Operator.into() };
        let facts = v1::NodeFacts {
            format: 1,
            operator: "example.net".into(),
            node: "r1".into(),
            role: v1::NodeRole::Router.into(),
            country: country.into(),
            network_type: v1::NetworkType::Fixed.into(),
            recorded_at_s: NOON,
            author: Some(person),
            ..Default::default()
        };
        let facts = facts.encode_to_vec();
        self.entry(&Entry::NodeFacts(v1::SignedNodeFacts { facts, signatures: Vec::new() }))
            .unwrap();
    }

    /// A checkpoint over everything so far.
    fn publish(&mut self, checkpoint: u8) {
        self.assessment.published(self.size, Hash([checkpoint; 32]));
    }

    /// A batch: one hit at each time, a seal that names this checkpoint; 0: none.
    fn batch(&mut self, hits_s: &[i64], seal_s: i64, checkpoint: u8, clock: v1::ClockState) {
        let rule = v1::Rule { number: 1, technique: 10, actor: 1, ..Default::default() };
        let mut leaves: Vec<Leaf> = hits_s
            .iter()
            .map(|at_s| {
                let rule = Some(v1::Rule {
                    claims: vec![(&"req-7".parse::<evidence::Claim>().unwrap()).into()],
                    ..rule.clone()
                });
                let (first_s, last_s) = (*at_s, *at_s);
                let activity =
                    v1::Activity { rule, first_s, last_s, hits: 1, ..Default::default() };
                Leaf::Known(Body::Activity(activity))
            })
            .collect();
        leaves.push(Leaf::Known(Body::Seal(v1::Seal {
            at_s: seal_s,
            clock: clock.into(),
            collector_checkpoint: if checkpoint == 0 { Vec::new() } else { vec![checkpoint; 32] },
            seal_interval_s: 30,
            ..Default::default()
        })));
        let openings: Vec<v1::LeafOpening> = (self.leaves..)
            .zip(hits_s)
            .map(|(index, _)| {
                let value = target().encode_to_vec();
                let opening = Some(v1::Opening { field: 3, salt: vec![0; 16], value });
                v1::LeafOpening { index, opening }
            })
            .collect();
        let count = leaves.len() as u64;
        self.assessment.leaves(&origin(), self.leaves, leaves, &openings);
        self.leaves += count;
    }

    fn cover(&mut self) -> Vec<Facts> {
        self.head(ORIGIN, self.leaves);
        let facts = |item| match item {
            Item::Activity { facts, leaf: _ } => Some(*facts),
            _ => None,
        };
        self.assessment.take_assessed().into_iter().filter_map(|a| facts(a.item)).collect()
    }
}

fn origin() -> AgentOrigin {
    ORIGIN.parse().unwrap()
}

fn target() -> v1::Target {
    "ip:192.0.2.7".parse::<Target>().unwrap().to_wire()
}

const SYNCED: v1::ClockState = v1::ClockState::Synced;

#[test]
fn then_is_before_the_covering_head_and_now_is_the_size_asked_for() {
    let mut log = Log::new();
    log.declare("DE");
    log.batch(&[NOON], NOON, 0, SYNCED);
    let facts = log.cover().remove(0);
    log.request("req-7");
    let size = log.size;
    assert_eq!(log.assessment.then(&facts).code, VerdictCode::UnknownBasis);
    let now = log.assessment.now(&facts, size, NOON);
    assert_eq!((now.code, now.register_size), (VerdictCode::Authorised, 1));
    assert_eq!(now.registered_before_act, Ternary::No, "logged after the leaf was");
    // At the size of then, now is then.
    let earlier = log.assessment.now(&facts, size - 1, NOON);
    assert_eq!((earlier.code, earlier.register_size), (VerdictCode::UnknownBasis, 0));
}

#[test]
fn the_last_seal_before_the_hit_says_what_was_registered_before_it() {
    let before_act = |hit_s: i64, seal_s: i64| {
        let mut log = Log::new();
        log.declare("DE");
        log.publish(1);
        log.request("req-7");
        log.publish(2);
        log.batch(&[], NOON, 1, SYNCED);
        log.batch(&[], seal_s, 2, SYNCED);
        log.batch(&[hit_s], hit_s, 2, SYNCED);
        let facts = log.cover().remove(0);
        (facts.before_act, log.assessment.then(&facts).registered_before_act)
    };
    assert_eq!(before_act(NOON + 9, NOON + 5), (Some(1), Ternary::Yes));
    assert_eq!(before_act(NOON + 5, NOON + 5), (Some(0), Ternary::Unknown), "in the same second");
    assert_eq!(before_act(NOON - 5, NOON + 5), (None, Ternary::No), "recorded after the hit");
}

#[test]
fn checkpoints_that_nobody_published_prove_nothing() {
    let mut log = Log::new();
    log.request("req-7");
    log.batch(&[], NOON, 9, SYNCED);
    log.batch(&[NOON + 5], NOON + 5, 9, SYNCED);
    assert_eq!(log.cover().remove(0).before_act, None);
}

#[test]
fn the_seal_of_the_batch_tells_of_the_clock() {
    let mut log = Log::new();
    log.batch(&[NOON], NOON, 0, v1::ClockState::Unsynced);
    log.batch(&[NOON], NOON, 0, SYNCED);
    let errors: Vec<u32> = log.cover().iter().map(|f| f.span.clock_error_s).collect();
    assert_eq!(errors, [super::CLOCK_ERROR_UNSYNCED_S, 0]);
}

#[test]
fn a_standing_rule_is_judged_where_its_node_is_now() {
    let mut log = Log::new();
    log.declare("DE");
    log.request("req-7");
    log.batch(&[NOON], NOON, 0, SYNCED);
    let facts = log.cover().remove(0);
    log.declare("FR");
    let size = log.size;
    let standing = log.assessment.standing(&facts, None, NOON + 60, size);
    assert_eq!(standing.code, VerdictCode::WrongPlace);
    assert_eq!(log.assessment.now(&facts, size, NOON).code, VerdictCode::Authorised);
}

#[test]
fn leaves_told_twice_are_assessed_once() {
    let mut log = Log::new();
    log.batch(&[NOON], NOON, 0, SYNCED);
    log.leaves = 0;
    log.batch(&[NOON], NOON, 0, SYNCED);
    assert_eq!(log.cover().len(), 1);
    log.leaves = 0;
    log.batch(&[NOON], NOON, 0, SYNCED);
    assert!(log.cover().is_empty());
}

#[test]
fn everything_before_may_come_first_or_in_between() {
    // The verifier feeds whole trees and then the log; the collector feeds as it goes.
    let mut live = Log::new();
    live.declare("DE");
    live.publish(1);
    live.batch(&[NOON], NOON, 1, SYNCED);
    let mut events = live.cover();
    live.request("req-7");
    live.publish(2);
    live.batch(&[NOON + 1], NOON + 2, 2, SYNCED);
    live.batch(&[NOON + 3], NOON + 3, 2, SYNCED);
    events.extend(live.cover());

    let mut whole = Log::new();
    whole.assessment.published(1, Hash([1; 32]));
    whole.assessment.published(3, Hash([2; 32]));
    whole.batch(&[NOON], NOON, 1, SYNCED);
    let first = whole.leaves;
    whole.batch(&[NOON + 1], NOON + 2, 2, SYNCED);
    whole.batch(&[NOON + 3], NOON + 3, 2, SYNCED);
    let last = std::mem::replace(&mut whole.leaves, first);
    whole.declare("DE");
    let mut again = whole.cover();
    whole.request("req-7");
    whole.leaves = last;
    again.extend(whole.cover());
    assert_eq!(again, events);
    assert_eq!(events[2].before_act, Some(1));
}

#[test]
fn entries_that_are_not_what_they_say_are_refused_and_change_nothing() {
    let mut log = Log::new();
    let nonsense = Entry::AgentHead(v1::AgentHead { note: b"nonsense".to_vec() });
    assert_eq!(log.entry(&nonsense), Err(InvalidEntry::Note { log_index: 0 }));
    let facts = Entry::NodeFacts(v1::SignedNodeFacts { facts: vec![1], signatures: Vec::new() });
    assert_eq!(log.entry(&facts), Err(InvalidEntry::Facts { log_index: 1 }));
    let key = Entry::NodeKey(v1::NodeKey { origin: "x".into(), ..Default::default() });
    assert!(matches!(log.entry(&key), Err(InvalidEntry::Origin { log_index: 2, .. })));
    assert!(log.assessment.take_assessed().is_empty());
    // A refused statement keeps its place, so that later sizes mean what they say.
    let statement = v1::Statement { origin: "other".into(), ..Default::default() };
    assert!(log.assessment.statement(&statement, None).is_err());
    assert_eq!(log.assessment.register().size(), 1);
}

/// A rule that claims nothing, as a snapshot lists it.
fn bare(number: u64) -> v1::SnapshotRule {
    let rule = Some(v1::Rule { number, ..Default::default() });
    v1::SnapshotRule { rule, target: Some(target()), native: String::new() }
}

fn statement_of(body: statement::Body) -> v1::Statement {
    v1::Statement {
        format: 1,
        origin: REGISTER.into(),
        recorded_at_s: NOON,
        effective_at_s: NOON,
        body: Some(body),
        ..Default::default()
    }
}

/// Of rules 1 (in the first snapshot, at leaf 2), 2 (in the second) and 3 (in none): what an event at
/// leaf 5 is, in the generation with which the node was enrolled or in a later one.
fn baseline_codes(first_unstable: bool, second_generation: bool) -> [VerdictCode; 3] {
    let mut log = Log::new();
    let key =
        |origin: &str| Entry::NodeKey(v1::NodeKey { origin: origin.into(), ..Default::default() });
    if second_generation {
        log.entry(&key("example.net/agent/r1/0000000000000009")).unwrap();
    }
    log.entry(&key(ORIGIN)).unwrap();
    let until_s = NOON + 1000;
    let baseline = v1::Baseline { nodes: vec!["r1".into()], until_s };
    log.assessment.statement(&statement_of(statement::Body::Baseline(baseline)), None).unwrap();
    log.statements += 1;
    log.head(REGISTER, 1);
    let snapshot = v1::RuleSnapshot { source: 1, unstable: first_unstable, ..Default::default() };
    log.assessment.snapshot(&origin(), 2, &snapshot, &[bare(1)]);
    log.assessment.snapshot(
        &origin(),
        4,
        &v1::RuleSnapshot { unstable: false, ..snapshot },
        &[bare(2)],
    );
    log.batch(&[NOON], NOON, 0, SYNCED);
    let mut facts = log.cover().remove(0);
    facts.rule.claims.clear();
    facts.index = 5;
    let size = log.size;
    [1, 2, 3].map(|number| {
        facts.rule.number = number;
        log.assessment.now(&facts, size, NOON).code
    })
}

#[test]
fn before_the_node_was_enrolled_stood_what_its_first_snapshot_lists() {
    use VerdictCode::{BaselineUnattributed as Baseline, NoBasis};
    assert_eq!(baseline_codes(false, false), [Baseline, NoBasis, NoBasis]);
    // The ruleset did not hold still: the next snapshot counts too.
    assert_eq!(baseline_codes(true, false), [Baseline, Baseline, NoBasis]);
    // Whoever enrols a node anew does not begin anew.
    assert_eq!(baseline_codes(false, true), [NoBasis; 3]);
}

#[test]
fn what_a_later_snapshot_lists_is_not_known_to_an_earlier_leaf() {
    let mut log = Log::new();
    log.entry(&Entry::NodeKey(v1::NodeKey { origin: ORIGIN.into(), ..Default::default() }))
        .unwrap();
    let snapshot = v1::RuleSnapshot { source: 1, ..Default::default() };
    log.assessment.snapshot(&origin(), 7, &snapshot, &[bare(1)]);
    assert!(!log.assessment.stood_before(&origin(), 1, 6));
    assert!(log.assessment.stood_before(&origin(), 1, 7));
    assert!(!log.assessment.wants_snapshot(&origin(), &snapshot));
}

#[test]
fn an_attribution_is_known_now_and_was_not_then() {
    let mut log = Log::new();
    log.declare("DE");
    log.request("req-7");
    log.batch(&[NOON], NOON, 0, SYNCED);
    let mut facts = log.cover().remove(0);
    facts.rule.claims.clear();
    let claims = vec![(&"req-7".parse::<evidence::Claim>().unwrap()).into()];
    let said = v1::Attribution { node: "r1".into(), rules: vec![1], claims, ..Default::default() };
    log.assessment.statement(&statement_of(statement::Body::Attribution(said)), None).unwrap();
    log.statements += 1;
    log.head(REGISTER, 2);
    let then = log.assessment.then(&facts);
    assert_eq!((then.code, then.attributed), (VerdictCode::AuthorisedMisreferenced, None));
    let now = log.assessment.now(&facts, log.size, NOON);
    assert_eq!(now.code, VerdictCode::Authorised);
    assert_eq!(now.attributed.map(|said| said.statement), Some(1));
}

/// What persons said of deed 4 ("recorded", "confirmed by p2", ...), one leaf and head each.
fn deed_log(enrolled: &[&str], said: &[(v1::ServiceAct, i64, &str)]) -> (Log, Vec<Facts>) {
    let person = |id: &str| v1::PersonRef { person: id.into(), role: v1::Role::Operator.into() };
    let mut log = Log::new();
    log.declare("DE");
    log.request("req-7");
    for id in enrolled {
        let key = v1::PersonKey {
            person: Some(person(id)),
            public_key: id.as_bytes().to_vec(),
            ..Default::default()
        };
        log.entry(&Entry::PersonKey(key)).unwrap();
    }
    let mut events = Vec::new();
    for (act, until_s, by) in said {
        let confirmed = *act == v1::ServiceAct::Confirmed;
        let action = v1::ServiceAction {
            kind: v1::ServiceActionKind::Shutdown.into(),
            act: (*act).into(),
            number: 4,
            at_s: NOON + 50,
            from_s: NOON,
            until_s: *until_s,
            claims: vec![(&"req-7".parse::<evidence::Claim>().unwrap()).into()],
            recorded_by: Some(person("p1")),
            confirmed_by: confirmed.then(|| person(by)),
            attestation: v1::Attestation::ByNode.into(),
            ..Default::default()
        };
        let value = target().encode_to_vec();
        let opening = Some(v1::Opening { field: 12, salt: vec![0; 16], value });
        let opening = v1::LeafOpening { index: log.leaves, opening };
        let leaf = Leaf::Known(Body::ServiceAction(action));
        log.assessment.leaves(&origin(), log.leaves, [leaf], &[opening]);
        log.leaves += 1;
        log.head(ORIGIN, log.leaves);
        for assessed in log.assessment.take_assessed() {
            let Item::Deed { facts, leaf } = assessed.item else { continue };
            if leaf.act() != v1::ServiceAct::Confirmed {
                events.push(*facts);
            }
        }
    }
    (log, events)
}

#[test]
fn a_deed_is_confirmed_from_the_head_that_covers_the_second_persons_word() {
    use v1::ServiceAct::{Confirmed, Ended, Recorded};
    let said = [(Recorded, 0, ""), (Confirmed, 0, "p2"), (Ended, NOON + 10, "")];
    let (log, events) = deed_log(&["p1", "p2"], &said);
    let [began, ended] = &events[..] else { panic!("{events:?}") };
    let unconfirmed =
        |verdict: &crate::Verdict| verdict.added.contains(&v1::AddedFinding::Unconfirmed);
    let then = log.assessment.then(began);
    assert_eq!((then.code, unconfirmed(&then)), (VerdictCode::Authorised, true));
    let now = log.assessment.now(began, log.size, NOON);
    assert_eq!((unconfirmed(&now), now.confirmed.map(|c| c.leaf)), (false, Some(1)));
    // Before the confirmation was covered, nobody had confirmed.
    assert!(unconfirmed(&log.assessment.now(began, began.covered_by + 1, NOON)));
    // The end is a new word.
    assert!(unconfirmed(&log.assessment.now(ended, log.size, NOON)));
    assert_eq!((ended.span.first_s, ended.span.last_s), (NOON, NOON + 9));
    // Whoever stands still is judged as the rule that it is.
    let standing = log.assessment.standing(began, None, NOON + 5, log.size);
    assert_eq!((standing.code, unconfirmed(&standing)), (VerdictCode::Authorised, false));
}

#[test]
fn a_confirmation_counts_only_of_persons_whom_the_log_knows() {
    use v1::ServiceAct::{Confirmed, Recorded};
    let said = [(Recorded, 0, ""), (Confirmed, 0, "p2")];
    for (enrolled, confirmed) in [(&["p1", "p2"][..], true), (&["p1"], false), (&["p2"], false)] {
        let (log, events) = deed_log(enrolled, &said);
        let now = log.assessment.now(&events[0], log.size, NOON);
        assert_eq!(now.confirmed.is_some(), confirmed, "{enrolled:?}");
    }
}

impl Log {
    /// A batch of leaves and a seal; what rules did is about the one target.
    fn leaves(&mut self, bodies: Vec<Body>, seal_s: i64, stopping: bool) {
        let mut openings = Vec::new();
        for (index, body) in (self.leaves..).zip(&bodies) {
            if matches!(body, Body::Activity(_)) {
                let value = target().encode_to_vec();
                let opening = Some(v1::Opening { field: 3, salt: vec![0; 16], value });
                openings.push(v1::LeafOpening { index, opening });
            }
        }
        let seal = v1::Seal {
            at_s: seal_s,
            clock: SYNCED.into(),
            seal_interval_s: 30,
            stopping,
            ..Default::default()
        };
        let leaves: Vec<Leaf> =
            bodies.into_iter().chain([Body::Seal(seal)]).map(Leaf::Known).collect();
        let count = leaves.len() as u64;
        self.assessment.leaves(&origin(), self.leaves, leaves, &openings);
        self.leaves += count;
    }

    /// The request ends at an instant.
    fn revoke(&mut self, id: &str, effective_at_s: i64) {
        let transition = v1::Transition {
            request_id: id.into(),
            kind: v1::TransitionKind::Revoke.into(),
            ..Default::default()
        };
        let mut statement = statement_of(statement::Body::Transition(transition));
        (statement.recorded_at_s, statement.effective_at_s) = (effective_at_s, effective_at_s);
        self.assessment.statement(&statement, None).unwrap();
        self.statements += 1;
        self.head(REGISTER, self.statements);
    }
}

/// By rule 1 of a source, under the request.
fn did(first_s: i64, last_s: i64) -> Body {
    let claims = vec![(&"req-7".parse::<evidence::Claim>().unwrap()).into()];
    let rule =
        v1::Rule { number: 1, source: 1, technique: 10, actor: 1, claims, ..Default::default() };
    let rule = Some(rule);
    Body::Activity(v1::Activity { rule, first_s, last_s, hits: 2, ..Default::default() })
}

fn gap(source: i32, rule: u64, cause: v1::LossCause, from_s: i64, until_s: i64) -> Body {
    let cause = cause.into();
    Body::Gap(v1::Gap { source, rule, cause, from_s, until_s, ..Default::default() })
}

/// A request that ended at noon, and what a rule did from a minute before until a minute after it.
fn across_the_end(with: impl FnOnce(&mut Log)) -> (Log, Facts) {
    let mut log = Log::new();
    log.declare("DE");
    log.request("req-7");
    log.revoke("req-7", NOON);
    log.leaves(vec![], NOON - 90, false);
    with(&mut log);
    log.leaves(vec![did(NOON - 60, NOON + 60)], NOON + 65, false);
    let facts = log.cover().remove(0);
    (log, facts)
}

#[test]
fn a_bound_in_a_time_that_the_node_did_not_see_is_a_gap() {
    use v1::{LossCause::*, UndeterminedReason::*};
    let (from_s, until_s) = (NOON - 30, NOON + 30);
    let found = |body: Option<Body>| {
        let (log, facts) = across_the_end(|log| {
            log.leaves(body.into_iter().collect(), NOON - 1, false);
            log.leaves(vec![], NOON + 40, false);
        });
        let (then, now) =
            (log.assessment.then(&facts), log.assessment.now(&facts, log.size, NOON + 65));
        assert_eq!(then.undetermined, now.undetermined);
        now.undetermined.unwrap()
    };
    assert_eq!(found(None), Boundary);
    for cause in [AgentDown, SpoolDamaged, FileLost, CanaryLost, CounterReset] {
        assert_eq!(found(Some(gap(1, 0, cause, from_s, until_s))), Gap, "{cause:?}");
    }
    // Somebody looked, and could not keep up.
    for cause in [KernelQueue, AgentQueue, NotParsed, SpoolFull] {
        assert_eq!(found(Some(gap(1, 0, cause, from_s, until_s))), Boundary, "{cause:?}");
    }
    // Of this rule; of another rule, of another source, at another time.
    assert_eq!(found(Some(gap(1, 1, AgentDown, from_s, until_s))), Gap);
    assert_eq!(found(Some(gap(1, 2, AgentDown, from_s, until_s))), Boundary);
    assert_eq!(found(Some(gap(2, 0, AgentDown, from_s, until_s))), Boundary);
    assert_eq!(found(Some(gap(1, 0, AgentDown, NOON + 1, until_s))), Boundary);
}

#[test]
fn a_silence_of_the_tree_is_a_gap_too() {
    // Stopped for 40 seconds, and started again.
    let (log, facts) = across_the_end(|log| {
        log.leaves(vec![], NOON - 20, true);
        log.leaves(vec![], NOON + 20, false);
    });
    let now = log.assessment.now(&facts, log.size, NOON + 65);
    assert_eq!(now.undetermined, Some(v1::UndeterminedReason::Gap));
    assert!(
        now.clause.event_shows.ends_with(
            "nothing was recorded from 2026-01-15T11:59:40Z to 2026-01-15T12:00:20Z (stopped)"
        ),
        "{}",
        now.clause.event_shows
    );
    // What stands then is not known to have stood; a moment before the stop it is, and it is judged.
    let standing = |at_s| log.assessment.standing(&facts, None, at_s, log.size);
    assert_eq!(standing(NOON + 10).undetermined, Some(v1::UndeterminedReason::Gap));
    assert_eq!(standing(NOON + 20).code, VerdictCode::Revoked);
    assert_eq!(standing(NOON - 10).code, VerdictCode::Authorised, "if it stood, it was covered");
}

#[test]
fn a_gap_that_is_told_of_later_changes_what_is_known_now() {
    let (mut log, facts) = across_the_end(|log| log.leaves(vec![], NOON - 1, false));
    assert!(log.assessment.take_reached().is_empty());
    let before = log.size;
    log.leaves(vec![gap(1, 0, v1::LossCause::AgentDown, NOON - 9, NOON + 9)], NOON + 80, false);
    log.cover();
    let reached = log.assessment.take_reached();
    assert_eq!(reached.iter().map(|selector| selector.since_s).collect::<Vec<_>>(), [NOON - 9]);
    assert!(log.assessment.take_reached().is_empty(), "once");
    let reason = |verdict: crate::Verdict| verdict.undetermined.unwrap();
    use v1::UndeterminedReason::{Boundary, Gap};
    assert_eq!(reason(log.assessment.then(&facts)), Boundary);
    assert_eq!(reason(log.assessment.now(&facts, before, NOON + 65)), Boundary);
    assert_eq!(reason(log.assessment.now(&facts, log.size, NOON + 80)), Gap);
    // One that lies after everything that was judged reaches nothing.
    log.leaves(vec![gap(1, 0, v1::LossCause::AgentDown, NOON + 61, NOON + 90)], NOON + 99, false);
    log.cover();
    assert!(log.assessment.take_reached().is_empty());
}

#[test]
fn what_lies_after_the_seal_of_its_own_batch_is_not_verifiable() {
    let verdict = |last_s: i64, clock: v1::ClockState| {
        let mut log = Log::new();
        log.declare("DE");
        log.request("req-7");
        log.batch(&[last_s, NOON], NOON, 0, clock);
        let events = log.cover();
        let of = |facts: &Facts| {
            let (then, now) =
                (log.assessment.then(facts), log.assessment.now(facts, log.size, NOON));
            assert_eq!(then.code, now.code);
            now
        };
        // What else the batch holds is not in doubt for it.
        assert_eq!(of(&events[1]).code, VerdictCode::Authorised);
        of(&events[0])
    };
    let unset = v1::ClockState::Unsynced;
    assert_eq!(verdict(NOON + 300, SYNCED).code, VerdictCode::Authorised);
    assert_eq!(verdict(NOON + 600, unset).code, VerdictCode::Authorised);
    assert_eq!(verdict(NOON + 601, unset).code, VerdictCode::Unverifiable);
    let found = verdict(NOON + 301, SYNCED);
    assert_eq!(
        (found.code, found.screen_word().as_str()),
        (VerdictCode::Unverifiable, "undetermined")
    );
    assert_eq!(
        crate::explain(&found.to_wire()),
        "The evidence does not verify (clock: at 2026-01-15T12:05:01Z, in a batch that was sealed at \
         2026-01-15T12:00:00Z), so nothing is said about the block."
    );
}
