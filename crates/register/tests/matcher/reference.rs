//! The verdict by DOMAIN.md section 3, slowly: every request, every target, every second of the event.

use std::collections::BTreeSet;

use remit_proto::v1::{UndeterminedReason, VerdictCode as Code};

use crate::traffic::{Lies, Set, Sets, Thing};

/// A request in the words of the cases. Times are seconds from 1,000 on.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub id: String,
    /// A measure under the operator's terms of service.
    pub own: bool,
    pub status: Status,
    pub targets: Vec<Part>,
    pub from: i64,
    pub until: Option<i64>,
    pub confirm_by: i64,
    /// So long it may stand after its end.
    pub grace: i64,
    /// DNS answers alone; or whatever the operator chooses.
    pub any_means: bool,
    /// A coarser block is licensed up to this step of granularity.
    pub coarsest: Option<u8>,
    pub territory: Territory,
    /// In the order in which they were stated; all of them before any event.
    pub acts: Vec<(Act, i64)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub thing: usize,
    pub added: Option<i64>,
    pub removed: Option<i64>,
    /// It must stay open.
    pub exception: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Accepted,
    UnderReview,
    Provisional,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Territory {
    NotStated,
    Everywhere,
    Germany,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Suspend,
    Resume,
    Revoke,
    Confirm,
    Annul,
}

/// When the register heard of every request.
pub(crate) const RECORDED_S: i64 = 990;

/// When it heard of an act that takes effect then: at once, or a little late.
pub(crate) fn recorded_s(since: i64) -> i64 {
    since + if since % 2 == 0 { 0 } else { 17 }
}

#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub thing: usize,
    pub first: i64,
    pub last: i64,
    pub clock_error: i64,
    pub claims: Vec<String>,
    /// By a DNS answer, or by dropping packets.
    pub dns: bool,
    /// Where; `None`: not declared.
    pub country: Option<&'static str>,
}

/// The code, and the reason of an UNDETERMINED.
pub(crate) type Answer = (Code, Option<UndeterminedReason>);

/// And in what else the request that speaks fails: of requests that fail alike any may speak.
pub(crate) type Wanted = (Answer, BTreeSet<Vec<Code>>);

pub(crate) fn verdict(sets: &Sets, asks: &[Ask], block: &Block) -> Wanted {
    let considered = considered(sets, asks, block);
    let answer = answer(asks, block, &considered);
    let failing = considered.iter().filter_map(|(_, named, outcome)| match outcome {
        Outcome::Fails(codes) => Some(((!named, codes.len(), codes[0] as i32), codes)),
        _ => None,
    });
    let first = failing.clone().map(|(order, _)| order).min();
    let speaking = failing.filter(|(order, _)| Some(*order) == first);
    // What speaks because it fails: none of the requests covers, might cover, or has just ended.
    let none = BTreeSet::from([Vec::new()]);
    let besides: BTreeSet<_> = speaking.map(|(_, codes)| codes[1..].to_vec()).collect();
    let fails = first.is_some_and(|(_, _, code)| answer == (Code::try_from(code).unwrap(), None));
    (answer, if fails { besides } else { none })
}

fn considered<'a>(sets: &Sets, asks: &'a [Ask], block: &Block) -> Vec<(&'a Ask, bool, Outcome)> {
    let mut considered = Vec::new();
    for ask in asks {
        let named = block.claims.contains(&ask.id);
        let mut found = candidates(sets, ask, block, named);
        if found.is_empty() && named {
            found.push(elsewhere(sets, ask, block));
        }
        considered.extend(found.into_iter().map(|candidate| (ask, named, candidate.outcome())));
    }
    considered
}

fn answer(asks: &[Ask], block: &Block, considered: &[(&Ask, bool, Outcome)]) -> Answer {
    let covers: Vec<_> = considered
        .iter()
        .filter_map(|(ask, named, outcome)| match outcome {
            Outcome::Covers { provisional } => Some((ask.own, *named, *provisional)),
            _ => None,
        })
        .collect();
    let orders = || covers.iter().filter(|(own, _, _)| !own);
    if orders().any(|(_, named, provisional)| *named && !provisional) {
        return (Code::Authorised, None);
    }
    if orders().any(|(_, _, provisional)| !provisional) {
        return (Code::AuthorisedMisreferenced, None);
    }
    if orders().next().is_some() {
        return (Code::AuthorisedProvisional, None);
    }
    let is_own = !covers.is_empty();
    let might = considered.iter().filter_map(|(ask, named, outcome)| match outcome {
        Outcome::Might(reason) if !is_own || !ask.own => Some((!named, *reason as i32, *reason)),
        _ => None,
    });
    if let Some((_, _, reason)) = might.min() {
        return (Code::Undetermined, Some(reason));
    }
    if is_own {
        return (Code::TosMeasure, None);
    }
    if considered.iter().any(|(_, _, outcome)| matches!(outcome, Outcome::Grace)) {
        return (Code::InRemovalGrace, None);
    }
    if block.claims.iter().any(|claim| asks.iter().all(|ask| ask.id != *claim)) {
        return (Code::UnknownBasis, None);
    }
    let fails = considered.iter().filter_map(|(_, named, outcome)| match outcome {
        Outcome::Fails(codes) => Some((!named, codes.len(), codes[0] as i32, codes[0])),
        _ => None,
    });
    fails.min().map_or((Code::NoBasis, None), |(_, _, _, code)| (code, None))
}

enum Outcome {
    Covers {
        provisional: bool,
    },
    Grace,
    Might(UndeterminedReason),
    /// In order of the codes; at least one.
    Fails(Vec<Code>),
}

/// Yes, no, or not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Yes,
    No(Code),
    Unknown,
}

/// Where a request stands at one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Active,
    Provisional,
    Grace,
    Not(Code),
}

struct Candidate {
    target: Is,
    place: Is,
    method: Is,
    stands: Vec<Stands>,
    /// With others of its request it makes a whole of the event's time.
    joined: bool,
}

fn seconds(block: &Block) -> std::ops::RangeInclusive<i64> {
    block.first - block.clock_error..=block.last + block.clock_error
}

/// All targets of a request that touch the event's, or those that say that it must stay open.
fn candidates(sets: &Sets, ask: &Ask, block: &Block, named: bool) -> Vec<Candidate> {
    // A house rule does not answer for what claims something else.
    if ask.own && !named && !block.claims.is_empty() {
        return Vec::new();
    }
    let lies = |part: &Part| sets.lies(block.thing, part.thing);
    let is_hit = |part: &&Part| {
        part.exception
            && matches!(lies(part), Lies::Equal | Lies::Inside)
            && part.added.is_none_or(|added| added <= block.last)
            && part.removed.is_none_or(|removed| block.first < removed)
    };
    let open: Vec<&Part> = ask.targets.iter().filter(is_hit).collect();
    if !open.is_empty() {
        let out = Is::No(Code::OutOfScopeTarget);
        return open.into_iter().map(|part| candidate(ask, block, Some(part), out, None)).collect();
    }
    let parts: Vec<&Part> =
        ask.targets.iter().filter(|p| !p.exception && lies(p) != Lies::Apart).collect();
    let mut found: Vec<Candidate> = parts
        .iter()
        .map(|part| {
            let (target, method) = match lies(part) {
                Lies::Equal | Lies::Inside => (Is::Yes, None),
                Lies::Partial | Lies::Apart => (Is::No(Code::OutOfScopeTarget), None),
                Lies::Contains if makes_a_whole(sets, block, &parts, part) => (Is::Yes, None),
                Lies::Contains => wider(sets, ask, block),
            };
            candidate(ask, block, Some(part), target, method)
        })
        .collect();
    let fits: Vec<bool> = found.iter().map(Candidate::fits).collect();
    let whole = !found.is_empty()
        && (0..seconds(block).count())
            .all(|at| found.iter().zip(&fits).any(|(c, fits)| *fits && in_force(c.stands[at])));
    for (candidate, fits) in found.iter_mut().zip(fits) {
        let grace = |stands: &Stands| *stands == Stands::Grace;
        let partly = candidate.stands.iter().any(|s| in_force(*s) || grace(s))
            && !candidate.stands.iter().all(grace);
        candidate.joined = whole && fits && partly;
    }
    found
}

/// What is wider than asked may be licensed, and no wider than the means can need.
fn wider(sets: &Sets, ask: &Ask, block: &Block) -> (Is, Option<Is>) {
    let event = &sets.things[block.thing];
    let coarser = ask.coarsest.is_some_and(|step| granularity(event) > step);
    if coarser && ask.any_means {
        return (Is::Yes, Some(Is::No(Code::WrongMethod)));
    }
    let licensed = match ask.coarsest {
        Some(WHOLE_SERVICE) => true,
        Some(_) => !coarser && is_narrow(event),
        None => ask.any_means && is_narrow(event),
    };
    (if licensed { Is::Yes } else { Is::No(Code::Overbroad) }, None)
}

/// Every name of the cases with a dot in it was registered by somebody.
fn is_narrow(event: &Thing) -> bool {
    match event {
        Thing::Subtree(name) | Thing::Below(name) => name.contains('.'),
        Thing::Net(net, length) => *length >= if net.contains(':') { 48 } else { 24 },
        Thing::Port(..) | Thing::Keyword(_) | Thing::Whole => false,
        Thing::Exact(_)
        | Thing::Sni(_)
        | Thing::HttpHost(_)
        | Thing::Url { .. }
        | Thing::Prefix { .. }
        | Thing::Ip(_)
        | Thing::IpPort(..) => true,
    }
}

/// Prefixes that together are the prefix, or a name and everything below it; over the same time.
fn makes_a_whole(sets: &Sets, block: &Block, parts: &[&Part], like: &Part) -> bool {
    let event = &sets.things[block.thing];
    let joins = |thing: &Thing| match event {
        Thing::Net(..) => matches!(thing, Thing::Net(..) | Thing::Ip(_)),
        Thing::Subtree(_) => matches!(thing, Thing::Exact(_) | Thing::Below(_)),
        _ => false,
    };
    let mut union = Set::empty(&sets.sets[block.thing]);
    for part in parts {
        let same_time = (part.added, part.removed) == (like.added, like.removed);
        let inside = sets.lies(block.thing, part.thing) == Lies::Contains;
        if same_time && inside && joins(&sets.things[part.thing]) {
            union.join(&sets.sets[part.thing]);
        }
    }
    union == sets.sets[block.thing]
}

const WHOLE_SERVICE: u8 = 6;

/// Finest first: url, host, subtree, ip_port, ip, cidr, whole_service.
fn granularity(thing: &Thing) -> u8 {
    match thing {
        Thing::Url { .. } | Thing::Prefix { .. } => 0,
        Thing::Exact(_) | Thing::Sni(_) | Thing::HttpHost(_) => 1,
        Thing::Subtree(_) | Thing::Below(_) => 2,
        Thing::IpPort(..) => 3,
        Thing::Ip(_) => 4,
        Thing::Net(..) => 5,
        Thing::Port(..) | Thing::Keyword(_) | Thing::Whole => WHOLE_SERVICE,
    }
}

/// The claimed request, which does not touch the target. For an address it may name names whose addresses
/// may be blocked: here no answer of a resolver is ever held.
fn elsewhere(sets: &Sets, ask: &Ask, block: &Block) -> Candidate {
    let by_address =
        matches!(sets.things[block.thing], Thing::Ip(_) | Thing::Net(..) | Thing::IpPort(..));
    let names_names = ask.targets.iter().any(|part| {
        let host = match &sets.things[part.thing] {
            Thing::Exact(_)
            | Thing::Subtree(_)
            | Thing::Below(_)
            | Thing::Sni(_)
            | Thing::HttpHost(_) => return !part.exception,
            Thing::Url { host, .. } | Thing::Prefix { host, .. } => host,
            _ => return false,
        };
        !part.exception && host.parse::<std::net::IpAddr>().is_err()
    });
    let code = if by_address && ask.any_means && names_names {
        Code::Expired
    } else {
        Code::OutOfScopeTarget
    };
    candidate(ask, block, None, Is::No(code), None)
}

fn candidate(
    ask: &Ask,
    block: &Block,
    part: Option<&Part>,
    target: Is,
    method: Option<Is>,
) -> Candidate {
    let place = match (ask.territory, block.country) {
        (Territory::Everywhere, _) | (Territory::Germany, Some("DE")) => Is::Yes,
        (Territory::NotStated, _) | (Territory::Germany, None | Some("")) => Is::Unknown,
        (Territory::Germany, Some(_)) => Is::No(Code::WrongPlace),
    };
    let technique = if ask.any_means || block.dns { Is::Yes } else { Is::No(Code::WrongMethod) };
    let method = if technique == Is::Yes { method.unwrap_or(Is::Yes) } else { technique };
    let stands = seconds(block).map(|at| stands(ask, part, at)).collect();
    Candidate { target, place, method, stands, joined: false }
}

/// Where the request stands at one second, for one of its targets.
fn stands(ask: &Ask, part: Option<&Part>, at: i64) -> Stands {
    if ask.status == Status::UnderReview {
        return Stands::Not(Code::BasisNotAccepted);
    }
    // They are stated in this order.
    let annulled = ask.acts.iter().position(|(act, _)| *act == Act::Annul);
    // Since when everybody knew; what is stated of it later, or for later, changes nothing.
    let known = annulled.map(|at| recorded_s(ask.acts[at].1));
    let counts = |at: usize, since: i64| {
        annulled.is_none_or(|annulled| at < annulled) && known.is_none_or(|known| since <= known)
    };
    let acts = ask.acts.iter().enumerate().filter(|(at, (_, since))| counts(*at, *since));
    let acts: Vec<_> = acts.map(|(_, act)| *act).collect();
    let without_annulment = |at| not_annulled(ask, acts.clone(), part, at).0;
    let (stands, end) = not_annulled(ask, acts.clone(), part, at);
    match known {
        Some(known) if at < known && in_force(stands) => Stands::Not(Code::AnnulledRetroactively),
        Some(known) if at >= known && in_force(without_annulment(known)) => {
            ended(ask, known, Code::Revoked, at)
        }
        // Nothing begins any more, and nothing ends once more.
        Some(known) if at >= known && (in_force(stands) || end.is_some_and(|end| known < end)) => {
            Stands::Not(Code::Revoked)
        }
        _ => stands,
    }
}

/// And when it ended that by which it stands so, the time to remove counted from there.
fn not_annulled(
    ask: &Ask,
    mut acts: Vec<(Act, i64)>,
    part: Option<&Part>,
    at: i64,
) -> (Stands, Option<i64>) {
    acts.sort_by_key(|(_, since)| *since);
    let confirmed_in_time =
        acts.iter().any(|(act, since)| *act == Act::Confirm && *since <= ask.confirm_by);
    let is_past = |kind: Act| {
        acts.iter().filter(move |(act, since)| *act == kind && *since <= at).map(|(_, at)| *at)
    };
    let begins = ask.from.max(part.and_then(|p| p.added).unwrap_or(0));
    let provisional = ask.status == Status::Provisional;
    // An oral request reaches no further back than to when it was heard.
    if at < if provisional { begins.max(RECORDED_S) } else { begins } {
        return (Stands::Not(Code::TooEarly), None);
    }
    let mut ends = Vec::new();
    ends.extend(ask.until.map(|until| (until, Code::Expired)));
    ends.extend(part.and_then(|p| p.removed).map(|removed| (removed, Code::Expired)));
    let unconfirmed = provisional && !confirmed_in_time && is_past(Act::Confirm).next().is_none();
    ends.extend(unconfirmed.then_some((ask.confirm_by, Code::Lapsed)));
    ends.extend(is_past(Act::Revoke).map(|since| (since, Code::Revoked)));
    ends.retain(|(end, _)| *end <= at);
    let last =
        acts.iter().rfind(|(act, since)| matches!(act, Act::Suspend | Act::Resume) && *since <= at);
    let stay = last.filter(|(act, _)| *act == Act::Suspend).map(|(_, since)| *since);
    // The earliest speaks; of two at once the one that comes first here. The time to remove runs from a
    // stay on, if it came before.
    if let Some((end, code)) = ends.into_iter().min_by_key(|(end, _)| *end) {
        let counted = stay.map_or(end, |since| since.min(end));
        let stands = ended(ask, counted, code, at);
        return (stands, Some(if stands == Stands::Grace { counted } else { end }));
    }
    if let Some(since) = stay {
        return (ended(ask, since, Code::Suspended, at), Some(since));
    }
    (if unconfirmed { Stands::Provisional } else { Stands::Active }, None)
}

/// The time to remove runs after every end and stay, and not for house rules.
fn ended(ask: &Ask, end: i64, code: Code, at: i64) -> Stands {
    if at < end + ask.grace && !ask.own { Stands::Grace } else { Stands::Not(code) }
}

fn in_force(stands: Stands) -> bool {
    matches!(stands, Stands::Active | Stands::Provisional)
}

impl Candidate {
    fn fits(&self) -> bool {
        [self.target, self.place, self.method].iter().all(|is| *is == Is::Yes)
    }

    fn outcome(&self) -> Outcome {
        let mut fails: Vec<Code> = Vec::new();
        for is in [self.target, self.place, self.method] {
            if let Is::No(code) = is {
                fails.push(code);
            }
        }
        let all = |what: fn(Stands) -> bool| self.stands.iter().all(|stands| what(*stands));
        let any = |what: fn(Stands) -> bool| self.stands.iter().any(|stands| what(*stands));
        let is_grace = |stands| matches!(stands, Stands::Grace);
        let covers = self.joined || all(in_force);
        let mixed = any(in_force) || any(is_grace);
        if !covers && !mixed {
            let codes = self.stands.iter().filter_map(|stands| match stands {
                Stands::Not(code) => Some(*code),
                _ => None,
            });
            let void = Code::AnnulledRetroactively;
            let code = codes.clone().find(|code| *code != void).unwrap_or(void);
            // It excuses only what was covered otherwise.
            if code != void || fails.is_empty() {
                fails.push(code);
            }
        }
        fails.sort_by_key(|code| *code as i32);
        if !fails.is_empty() {
            return Outcome::Fails(fails);
        }
        if self.place == Is::Unknown {
            return Outcome::Might(UndeterminedReason::Scope);
        }
        let provisional = any(|stands| stands == Stands::Provisional);
        match (covers, all(is_grace)) {
            (true, _) => Outcome::Covers { provisional },
            (false, true) => Outcome::Grace,
            (false, false) => Outcome::Might(UndeterminedReason::Boundary),
        }
    }
}
