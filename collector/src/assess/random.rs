//! Random registers and events: judged as far as each change reaches, and judged anew as a whole, they
//! come out the same.

use std::{collections::BTreeSet, sync::Arc};

use evidence::chunk::chunk_id;
use proptest::prelude::*;
use prost::Message as _;
use remit_proto::v1::{self, TransitionKind};

use super::testing::{Block, Stream, World, block};
use crate::store::Limits;

const TARGETS: [&str; 14] = [
    "domain_exact:example.org",
    "domain_exact:www.example.org",
    "domain_subtree:example.org",
    "domain_subtree:*.org",
    "sni:www.example.org",
    "url:https://www.example.org/a",
    "ip:192.0.2.7",
    "ip:192.0.2.8",
    "cidr:192.0.2.0/24",
    "ip_port:192.0.2.7:443/tcp",
    "port:443/tcp",
    "whole_service:*",
    "keyword:x",
    "ip:2001:db8::7",
];
const CLAIMS: [&str; 8] = [
    "",
    "req-0",
    "req-1",
    "req-2,list:feed@1",
    "list:feed@2",
    "class:security",
    "list:black@1",
    "list:black@2,req-0",
];
const NODES: [&str; 2] = ["r1", "r2"];

#[derive(Debug, Clone)]
enum Act {
    Wait(i64),
    Hit {
        node: usize,
        target: usize,
        claim: usize,
        hits: u64,
    },
    Install {
        node: usize,
        target: usize,
        claim: usize,
    },
    Remove {
        node: usize,
        target: usize,
        claim: usize,
    },
    /// Entered, or amended if it is there.
    Request {
        id: usize,
        target: usize,
        list: usize,
        own_measure: bool,
        relation: usize,
    },
    /// What is possible next, counted from here; so long ago.
    Move {
        id: usize,
        step: usize,
        ago_s: i64,
    },
    Attribute {
        node: usize,
        target: usize,
        claim: usize,
        id: usize,
    },
    Baseline {
        node: usize,
    },
    /// How long a reference may come late.
    LateRegister {
        grace_s: u32,
    },
    /// The feed of the list with versions is stated, under a request.
    Feed {
        id: usize,
    },
    /// Its next version: what is on it goes, what is not comes.
    Version {
        targets: [usize; 2],
    },
    Declare {
        node: usize,
        region: usize,
    },
    Revoke {
        node: usize,
        from_size: u64,
    },
    Withhold {
        node: usize,
    },
    Publish,
}

fn act() -> impl Strategy<Value = Act> {
    let node = 0..NODES.len();
    let target = 0..TARGETS.len();
    let claim = 0..CLAIMS.len();
    prop_oneof![
        2 => (0..4000_i64).prop_map(Act::Wait),
        9 => (node.clone(), target.clone(), claim.clone(), 1..9_u64)
            .prop_map(|(node, target, claim, hits)| Act::Hit { node, target, claim, hits }),
        2 => (node.clone(), target.clone(), claim.clone())
            .prop_map(|(node, target, claim)| Act::Install { node, target, claim }),
        1 => (node.clone(), target.clone(), claim.clone())
            .prop_map(|(node, target, claim)| Act::Remove { node, target, claim }),
        4 => (0..3_usize, target.clone(), 0..3_usize, any::<bool>(), 0..3_usize).prop_map(
            |(id, target, list, own_measure, relation)| {
                Act::Request { id, target, list, own_measure, relation }
            }
        ),
        4 => (0..3_usize, 0..9_usize, 0..9000_i64)
            .prop_map(|(id, step, ago_s)| Act::Move { id, step, ago_s }),
        1 => (node.clone(), target, claim, 0..3_usize).prop_map(
            |(node, target, claim, id)| Act::Attribute { node, target, claim, id }
        ),
        1 => (0..3_usize).prop_map(|id| Act::Feed { id }),
        4 => [0..TARGETS.len(), 0..TARGETS.len()].prop_map(|targets| Act::Version { targets }),
        1 => node.clone().prop_map(|node| Act::Baseline { node }),
        1 => prop::sample::select(vec![0, 600, 5000])
            .prop_map(|grace_s| Act::LateRegister { grace_s }),
        1 => (node.clone(), 0..2_usize).prop_map(|(node, region)| Act::Declare { node, region }),
        1 => (node.clone(), 0..20_u64)
            .prop_map(|(node, from_size)| Act::Revoke { node, from_size }),
        1 => node.prop_map(|node| Act::Withhold { node }),
        6 => Just(Act::Publish),
    ]
}

/// What the register holds, as far as the next statement must fit it.
#[derive(Default, Clone)]
struct Entered {
    version: u32,
    /// Of that version.
    digest: Vec<u8>,
    covers_list: bool,
    suspended: bool,
    ended: bool,
    annulled: bool,
}

/// Of the list with versions.
#[derive(Default)]
struct Versions {
    feed: Option<usize>,
    newest: u32,
    held: BTreeSet<usize>,
}

fn rule(target: usize, claim: usize) -> Block {
    let number = (target * CLAIMS.len() + claim + 1) as u64;
    let text = match CLAIMS[claim] {
        "" => TARGETS[target].to_owned(),
        claim => format!("{} for {claim}", TARGETS[target]),
    };
    block(number, &text)
}

fn play(acts: &[Act]) -> Stream {
    let mut stream = Stream::new();
    for node in NODES {
        stream.enrol(node);
    }
    stream.snapshot("r1", &[&rule(0, 0), &rule(6, 0)]);
    stream.declare("r1", "DE", &["acl nftables observed"]);
    stream.publish();
    let mut entered: [Entered; 3] = Default::default();
    let mut versions = Versions::default();
    for act in acts {
        match act {
            Act::Wait(seconds) => stream.wait(*seconds),
            Act::Hit { node, target, claim, hits } => {
                stream.hit(NODES[*node], &rule(*target, *claim), *hits);
            }
            Act::Install { node, target, claim } => {
                stream.install(NODES[*node], &rule(*target, *claim));
            }
            Act::Remove { node, target, claim } => {
                stream.remove(NODES[*node], &rule(*target, *claim));
            }
            Act::Request { id, target, list, own_measure, relation } => {
                let known = &mut entered[*id];
                if known.ended || known.annulled {
                    continue;
                }
                known.version += 1;
                stream.request_with(&format!("req-{id}"), TARGETS[*target], |request| {
                    request.version = known.version;
                    request.prev_hash.clone_from(&known.digest);
                    if *list > 0 {
                        request.task.as_mut().unwrap().lists = vec![v1::ListClaim {
                            list_id: "feed".into(),
                            version: list.to_string(),
                        }];
                    }
                    if *own_measure {
                        let basis = request.authorisation.as_mut().unwrap();
                        basis.instrument = v1::Instrument::SecurityMeasure.into();
                        basis.basis_class = v1::BasisClass::Security.into();
                    }
                    let related = [
                        None,
                        Some((v1::RelationKind::SameMeasureAs, format!("req-{}", (id + 1) % 3))),
                        Some((v1::RelationKind::ImplementsListOf, "black".to_owned())),
                    ];
                    request.relations.extend(
                        related[*relation].clone().map(|(kind, to)| v1::Relation {
                            kind: kind.into(),
                            to,
                            outlives: false,
                        }),
                    );
                    if *list != 1 {
                        request.task.as_mut().unwrap().covers_lists = vec!["black".into()];
                    }
                    known.covers_list = *list != 1;
                    known.digest = chunk_id(&request.encode_to_vec()).0.to_vec();
                });
            }
            Act::Move { id, step, ago_s } => {
                let known = &mut entered[*id];
                // A path through the lifecycle, whatever is put before what: only at the end.
                let kind = match step % 3 {
                    _ if known.version == 0 || known.ended => None,
                    0 if known.suspended => Some(TransitionKind::Resume),
                    0 => Some(TransitionKind::Suspend),
                    1 if !known.suspended => Some(TransitionKind::Revoke),
                    _ if !known.annulled => Some(TransitionKind::Annul),
                    _ => None,
                };
                let Some(kind) = kind else { continue };
                match kind {
                    TransitionKind::Suspend => known.suspended = true,
                    TransitionKind::Resume => known.suspended = false,
                    TransitionKind::Annul => known.annulled = true,
                    _ => known.ended = true,
                }
                // Steps stay in order: each at least as late as the one before.
                let effective_at_s = match kind {
                    TransitionKind::Annul => stream.now_s - ago_s,
                    _ => stream.now_s,
                };
                stream.transition(&format!("req-{id}"), kind, effective_at_s);
            }
            Act::Attribute { node, target, claim, id } => {
                if entered[*id].version > 0 {
                    let number = (target * CLAIMS.len() + claim + 1) as u64;
                    stream.attribute(NODES[*node], &[number], &format!("req-{id}"));
                }
            }
            Act::Feed { id } => {
                if entered[*id].covers_list {
                    stream.feed("black", &format!("req-{id}"));
                    versions.feed = Some(*id);
                }
            }
            Act::Version { targets } => {
                // Entries stand under the request of the feed, which must still cover the list.
                if !versions.feed.is_some_and(|id| entered[id].covers_list) {
                    continue;
                }
                let (mut added, mut removed) = (Vec::new(), Vec::new());
                for target in targets.iter().collect::<BTreeSet<_>>() {
                    match versions.held.remove(target) {
                        true => removed.push(TARGETS[*target]),
                        false => {
                            versions.held.insert(*target);
                            added.push(TARGETS[*target]);
                        }
                    }
                }
                let previous = match versions.newest {
                    0 => String::new(),
                    newest => newest.to_string(),
                };
                versions.newest += 1;
                let (version, entries) = (versions.newest.to_string(), versions.held.len() as u64);
                stream.version("black", (&version, &previous), &added, &removed, entries);
            }
            Act::Baseline { node } => {
                let until_s = stream.now_s + 3000;
                stream.baseline(NODES[*node], until_s);
            }
            Act::LateRegister { grace_s } => stream.late_register(*grace_s),
            Act::Declare { node, region } => {
                stream.declare(NODES[*node], ["DE", "FR"][*region], &["acl nftables observed"]);
            }
            Act::Revoke { node, from_size } => stream.revoke(NODES[*node], *from_size),
            Act::Withhold { node } => stream.withhold(NODES[*node]),
            Act::Publish => stream.publish(),
        }
    }
    stream.publish();
    stream
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn judged_as_far_as_changes_reach_is_judged_as_a_whole(
        acts in prop::collection::vec(act(), 1..60),
        events_max in 3..40_i64,
        run in 1..12_usize,
    ) {
        comes_out_the_same(&acts, events_max, run);
    }
}

fn comes_out_the_same(acts: &[Act], events_max: i64, run: usize) {
    let stream = play(acts);
    let world = World::cut(&stream, stream.now_s, run, Limits { events_max, told_max: run });
    world.check();
    let whole =
        World::cut(&stream, stream.now_s, usize::MAX, Limits { events_max, ..Limits::default() });
    assert_eq!(world.assessor.dump().unwrap(), whole.assessor.dump().unwrap());
    // What was known at a time is what an index that got no further says.
    let times: BTreeSet<i64> = stream.committed.iter().map(|c| c.at_s).collect();
    for at_s in times.into_iter().step_by(3) {
        let mut past = play(&[]);
        past.chunks = Arc::clone(&stream.chunks);
        past.committed = stream.committed.clone();
        past.committed.retain(|committed| committed.at_s <= at_s);
        let past = World::cut(&past, at_s, run, Limits { events_max, ..Limits::default() });
        assert_eq!(told(&world, at_s), told(&past, 0), "as known at {at_s}");
    }
}

/// Found by the random ones.
#[test]
fn a_target_that_is_withheld_the_next_time_stays_known() {
    let acts = [
        Act::Wait(1),
        Act::Install { node: 0, target: 6, claim: 0 },
        Act::Request { id: 0, target: 0, list: 0, own_measure: false, relation: 0 },
        Act::Wait(1),
        Act::Withhold { node: 0 },
        Act::Baseline { node: 0 },
        Act::Wait(1),
    ];
    comes_out_the_same(&acts, 3, 1);
}

/// Events with their verdicts, which rules stand in which form, and what is found of them.
fn told(world: &World, as_known_at_s: i64) -> (Vec<v1::EventRow>, Vec<String>, Vec<String>) {
    let filter = Some(v1::Filter { as_known_at_s, ..v1::Filter::default() });
    let request =
        v1::ListEventsRequest { filter: filter.clone(), page_size: 1000, ..Default::default() };
    let events = world.query.list_events(request).unwrap().events;
    let request =
        v1::ListRulesRequest { filter: filter.clone(), page_size: 1000, ..Default::default() };
    let rules = world.query.list_rules(request).unwrap().rules;
    let rule = |row: v1::RuleRow| format!("{} {:?} {:?}", row.node, row.rule, row.target);
    let request = v1::ListFindingsRequest { filter, page_size: 1000, ..Default::default() };
    let found = world.query.list_findings(request).unwrap().findings;
    let of_events = |row: &v1::FindingRow| row.hits > 0;
    let finding = |row: v1::FindingRow| {
        format!("{} {} {} {} {}", row.node, row.rule, row.code, row.request_id, row.hits)
    };
    let found = found.into_iter().filter(of_events).map(finding).collect();
    (events, rules.into_iter().map(rule).collect(), found)
}

/// Most statements of these streams must be valid: of one that is refused, everything is judged again.
#[test]
fn the_streams_reach_what_they_are_about() {
    let acts = [
        Act::Request { id: 0, target: 0, list: 1, own_measure: false, relation: 0 },
        Act::Hit { node: 0, target: 0, claim: 1, hits: 3 },
        Act::Hit { node: 0, target: 6, claim: 0, hits: 1 },
        Act::Publish,
        Act::Wait(60),
        Act::Move { id: 0, step: 0, ago_s: 0 },
        Act::Publish,
        Act::Wait(60),
        Act::Hit { node: 0, target: 0, claim: 1, hits: 2 },
        Act::Publish,
        Act::Move { id: 0, step: 0, ago_s: 0 },
        Act::Move { id: 0, step: 2, ago_s: 0 },
        Act::Publish,
        Act::Request { id: 0, target: 1, list: 1, own_measure: false, relation: 0 },
        Act::Publish,
    ];
    let stream = play(&acts);
    let world = World::in_parts(&stream, 1);
    assert_eq!(world.check(), 3);
    let told = world.events();
    assert_eq!(
        told,
        [
            "3 AUTHORISED ANNULLED_RETROACTIVELY req-0",
            "1 NO_BASIS NO_BASIS",
            "2 SUSPENDED REVOKED req-0"
        ]
    );
}
