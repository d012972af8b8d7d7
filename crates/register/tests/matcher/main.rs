//! One million random registers and events: what touches a target, and the verdict, are what a slow,
//! obvious reference says.
//!
//! The reference (`reference`, `traffic`) is written from DOMAIN.md section 3 and uses nothing of the
//! crate. The same seed in every run. What fails is made smaller as long as it still fails, and printed.
//! A million is counted in events; each register is asked many of them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "inputs are made here, and numbers are positions in what is made"
)]

mod reference;
mod traffic;

use register::{
    Claim, Event, Known, KnownSizes, Parameters, Register, Relation, Span, Target, judge,
};
use remit_proto::v1::{self, register_item::Item, statement::Body};

use self::{
    reference::{Act, Answer, Ask, Block, Part, RECORDED_S, Status, Territory, recorded_s},
    traffic::{Lies, Sets},
};

const CASES: usize = 1_000_000;
const EVENTS_PER_REGISTER: usize = 100;
const SEED: u64 = 0x5265_6d69_7431;

#[test]
fn the_matcher_agrees_with_a_slow_reference() {
    let world = World::new();
    let mut random = Random(SEED);
    for number in 0..CASES / EVENTS_PER_REGISTER {
        let mut asks = random.asks(&world);
        let register = enter(&world, &mut asks);
        for _ in 0..EVENTS_PER_REGISTER {
            let block = random.block(&world);
            if let Some(difference) = difference(&world, &asks, &register, &block) {
                panic!("register {number}: {}", smallest(&world, asks, block, difference));
            }
        }
    }
}

/// How targets lie to each other is the base of all of it: each to each.
#[test]
fn relations_are_those_of_sets_of_traffic() {
    let world = World::new();
    for (at, one) in world.targets.iter().enumerate() {
        for (to, other) in world.targets.iter().enumerate() {
            let found = register::relation(one, other);
            assert_eq!(
                lies(found),
                world.sets.lies(at, to),
                "{} to {}",
                world.text(at),
                world.text(to)
            );
        }
    }
}

struct World {
    sets: Sets,
    targets: Vec<Target>,
}

impl World {
    fn new() -> Self {
        let sets = Sets::new();
        let targets =
            sets.things.iter().map(|thing| traffic::text(thing).parse().unwrap()).collect();
        Self { sets, targets }
    }

    fn text(&self, thing: usize) -> String {
        traffic::text(&self.sets.things[thing])
    }
}

/// `None`: they agree.
fn difference(world: &World, asks: &[Ask], register: &Register, block: &Block) -> Option<String> {
    let view = register.view();
    let mut touching: Vec<(String, String, Lies)> = view
        .touching(&world.targets[block.thing])
        .iter()
        .map(|t| (t.entry.id().to_string(), t.target.target.to_string(), lies(t.relation)))
        .collect();
    let mut wanted: Vec<(String, String, Lies)> = Vec::new();
    for ask in asks {
        for part in &ask.targets {
            let lies = world.sets.lies(block.thing, part.thing);
            if lies != Lies::Apart {
                wanted.push((ask.id.clone(), world.targets[part.thing].to_string(), lies));
            }
        }
    }
    touching.sort();
    wanted.sort();
    if touching != wanted {
        return Some(format!("touching: {touching:?}, want {wanted:?}"));
    }
    let (found, besides) = verdict(world, register, block);
    let (wanted, any_of) = reference::verdict(&world.sets, asks, block);
    let is_wanted = found == wanted && any_of.contains(&besides);
    (!is_wanted).then(|| {
        format!("verdict: {found:?} besides {besides:?}, want {wanted:?} besides one of {any_of:?}")
    })
}

fn verdict(world: &World, register: &Register, block: &Block) -> (Answer, Vec<v1::VerdictCode>) {
    let claims: Vec<Claim> = block.claims.iter().map(|claim| claim.parse().unwrap()).collect();
    let facts = block.country.map(|country| v1::NodeFacts {
        node: "router-1".into(),
        country: country.into(),
        ..v1::NodeFacts::default()
    });
    let event = Event {
        target: Known::Known(world.targets[block.thing].clone()),
        narrowed: false,
        technique: if block.dns { v1::Technique::DnsNxdomain } else { v1::Technique::IpAclDrop },
        rate_bits_per_s: None,
        trigger: v1::Trigger::Other,
        actor: v1::Actor::OperatorStaff,
        claims: &claims,
        attributed: None,
        baseline_until_s: None,
        response: None,
        span: Span {
            first_s: block.first,
            last_s: block.last,
            clock_error_s: u32::try_from(block.clock_error).unwrap(),
        },
        imported: false,
        place: facts.as_ref(),
        observed: &[],
        ambiguous: 0,
        unseen: &[],
        stands: false,
        deed: None,
    };
    let verdict = judge(&event, &register.view(), &KnownSizes::default(), &Parameters::default());
    let besides = verdict.besides.iter().map(|failure| failure.code).collect();
    ((verdict.code, verdict.undetermined), besides)
}

fn lies(relation: Relation) -> Lies {
    match relation {
        Relation::Equal => Lies::Equal,
        Relation::Inside => Lies::Inside,
        Relation::Contains => Lies::Contains,
        Relation::Partial => Lies::Partial,
        Relation::Disjoint => Lies::Apart,
    }
}

/// A register of these requests. Acts that it refuses are struck from them: they were never stated.
fn enter(world: &World, asks: &mut [Ask]) -> Register {
    let mut register = Register::new("example.net/register");
    let item = |ask: &Ask| v1::RegisterItem { item: Some(Item::Request(request(world, ask))) };
    let items: Vec<_> = asks.iter().map(item).collect();
    let set = v1::ItemSet { count: items.len() as u64, ..v1::ItemSet::default() };
    let import = v1::Import { items: Some(set), ..v1::Import::default() };
    register.apply(&statement(Body::Import(import), RECORDED_S), Some(items)).unwrap();
    for ask in asks {
        let id = ask.id.clone();
        ask.acts.retain(|(act, effective_at_s)| {
            let kind = match act {
                Act::Suspend => v1::TransitionKind::Suspend,
                Act::Resume => v1::TransitionKind::Resume,
                Act::Revoke => v1::TransitionKind::Revoke,
                Act::Confirm => v1::TransitionKind::Confirm,
                Act::Annul => v1::TransitionKind::Annul,
            };
            let request_id = id.clone();
            let transition =
                v1::Transition { request_id, kind: kind.into(), ..v1::Transition::default() };
            let stated = v1::Statement {
                recorded_at_s: recorded_s(*effective_at_s),
                ..statement(Body::Transition(transition), *effective_at_s)
            };
            register.apply(&stated, None).is_ok()
        });
    }
    register
}

fn statement(body: Body, effective_at_s: i64) -> v1::Statement {
    v1::Statement {
        format: 1,
        origin: "example.net/register".to_owned(),
        recorded_at_s: RECORDED_S,
        effective_at_s,
        author: None,
        approver: None,
        body: Some(body),
    }
}

fn request(world: &World, ask: &Ask) -> v1::Request {
    let (instrument, basis_class) = match ask.own {
        true => (v1::Instrument::TosMeasure, v1::BasisClass::ContractTos),
        false => (v1::Instrument::CourtOrderFinal, v1::BasisClass::Law),
    };
    let status = match ask.status {
        Status::Accepted => v1::RequestStatus::Accepted,
        Status::UnderReview => v1::RequestStatus::UnderReview,
        Status::Provisional => v1::RequestStatus::Provisional,
    };
    let steps = [
        v1::TargetKind::Url,
        v1::TargetKind::DomainExact,
        v1::TargetKind::DomainSubtree,
        v1::TargetKind::IpPort,
        v1::TargetKind::Ip,
        v1::TargetKind::Cidr,
        v1::TargetKind::WholeService,
    ];
    let target = |part: &Part| v1::RequestTarget {
        target: Some(world.targets[part.thing].to_wire()),
        added_at_s: part.added.unwrap_or(0),
        removed_at_s: part.removed.unwrap_or(0),
        exception: part.exception,
        ..v1::RequestTarget::default()
    };
    v1::Request {
        id: ask.id.clone(),
        version: 1,
        authorisation: Some(v1::Authorisation {
            instrument: instrument.into(),
            basis_class: basis_class.into(),
            ..v1::Authorisation::default()
        }),
        notification: Some(v1::Notification { form: 1, ..v1::Notification::default() }),
        task: Some(v1::Task {
            targets: ask.targets.iter().map(target).collect(),
            measure: Some(v1::Measure {
                techniques: match ask.any_means {
                    true => Vec::new(),
                    false => vec![v1::Technique::DnsNxdomain.into()],
                },
                outcome_only: ask.any_means,
                coarsest: ask.coarsest.map_or(0, |step| steps[usize::from(step)].into()),
                ..v1::Measure::default()
            }),
            scope: Some(v1::Scope {
                territories: match ask.territory {
                    Territory::NotStated => vec![],
                    Territory::Everywhere => vec!["*".to_owned()],
                    Territory::Germany => vec!["DE".to_owned()],
                },
                ..v1::Scope::default()
            }),
            effective_from_s: ask.from,
            effective_until_s: ask.until.unwrap_or(0),
            confirm_by_s: ask.confirm_by,
            remove_within_s: u64::try_from(ask.grace).unwrap(),
            ..v1::Task::default()
        }),
        status: status.into(),
        basis_proof: v1::BasisProof::DocumentHeld.into(),
        ..v1::Request::default()
    }
}

/// Whatever can be left out without the difference going away is left out.
fn smallest(world: &World, mut asks: Vec<Ask>, mut block: Block, mut difference: String) -> String {
    let mut again = true;
    while again {
        again = false;
        for (less, smaller) in smaller(&asks, &block) {
            let mut less = less;
            let register = enter(world, &mut less);
            if let Some(still) = self::difference(world, &less, &register, &smaller) {
                (asks, block, difference, again) = (less, smaller, still, true);
                break;
            }
        }
    }
    let mut told = format!("{difference}\nblock {} {block:?}\n", world.text(block.thing));
    for ask in &asks {
        let targets: Vec<String> = ask.targets.iter().map(|part| world.text(part.thing)).collect();
        told.push_str(&format!("register: {} {ask:?}\n", targets.join(" ")));
    }
    told
}

fn smaller(asks: &[Ask], block: &Block) -> Vec<(Vec<Ask>, Block)> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Vec<Ask>)| {
        let mut less = asks.to_vec();
        change(&mut less);
        all.push((less, block.clone()));
    };
    for at in 0..asks.len() {
        with(&|asks| drop(asks.remove(at)));
        (0..asks[at].acts.len()).for_each(|act| {
            with(&|asks| {
                asks[at].acts.remove(act);
            });
        });
        if asks[at].targets.len() > 1 {
            let targets = 0..asks[at].targets.len();
            targets.for_each(|part| {
                with(&|asks| {
                    asks[at].targets.remove(part);
                });
            });
        }
    }
    for claim in 0..block.claims.len() {
        let mut less = block.clone();
        less.claims.remove(claim);
        all.push((asks.to_vec(), less));
    }
    if block.first < block.last {
        all.push((asks.to_vec(), Block { last: block.first, ..block.clone() }));
        all.push((asks.to_vec(), Block { first: block.first + 1, ..block.clone() }));
    }
    all
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn second(&mut self, from: i64, end: i64) -> i64 {
        from + self.below((end - from) as usize) as i64
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn asks(&mut self, world: &World) -> Vec<Ask> {
        let count = 1 + self.below(8);
        (0..count).map(|number| self.ask(world, number)).collect()
    }

    fn ask(&mut self, world: &World, number: usize) -> Ask {
        let from = self.second(1_000, 1_040);
        let count = if self.one_in(6) { 12 } else { 1 + self.below(4) };
        let acts = [Act::Suspend, Act::Resume, Act::Revoke, Act::Confirm, Act::Annul];
        let until = 1 + self.below(60) as i64;
        let own = self.one_in(6);
        Ask {
            id: format!("req-{number}"),
            own,
            status: [Status::Accepted, Status::Accepted, Status::Provisional, Status::UnderReview]
                [self.below(4)],
            targets: (0..count).map(|_| self.part(world)).collect(),
            from,
            until: (!self.one_in(3)).then_some(from + until),
            confirm_by: from + self.second(1, 60),
            grace: if self.one_in(2) { self.second(0, 12) } else { 0 },
            any_means: self.one_in(2),
            coarsest: self.one_in(3).then(|| self.below(7) as u8),
            territory: [
                Territory::Everywhere,
                Territory::Everywhere,
                Territory::Germany,
                Territory::NotStated,
            ][self.below(4)],
            acts: match self.below(3) {
                0 => (0..1 + self.below(4))
                    .map(|_| (acts[self.below(5)], self.second(995, 1_100)))
                    .collect(),
                _ => Vec::new(),
            },
        }
    }

    fn part(&mut self, world: &World) -> Part {
        let added = self.one_in(4).then(|| self.second(1_000, 1_060));
        let removed = self.one_in(4).then(|| self.second(1_061, 1_110));
        let exception = self.one_in(10);
        Part { thing: self.thing(world), added, removed, exception }
    }

    /// Names as often as URLs, though there are fewer.
    fn thing(&mut self, world: &World) -> usize {
        let all = world.targets.len();
        let thing = self.below(all);
        let is_page =
            |thing: usize| matches!(world.targets[thing], Target::Url(_) | Target::UrlPrefix(_));
        if is_page(thing) && !self.one_in(3) { self.below(all) } else { thing }
    }

    fn block(&mut self, world: &World) -> Block {
        let first = self.second(985, 1_120);
        let length = if self.one_in(2) { 0 } else { self.second(0, 25) };
        let claims = match self.below(3) {
            0 => Vec::new(),
            1 => vec![format!("req-{}", self.below(8))],
            _ => vec![format!("req-{}", self.below(8)), format!("req-{}", self.below(8))],
        };
        Block {
            thing: self.thing(world),
            first,
            last: first + length,
            clock_error: if self.one_in(4) { self.second(0, 6) } else { 0 },
            claims,
            dns: self.one_in(2),
            country: [Some("DE"), Some("FR"), Some(""), None][self.below(4)],
        }
    }
}
