//! Which entry of one side is which of the other, and in which class the two are.

use std::collections::{HashMap, HashSet};

use super::{Class, Field, Item, List, Question, Row, Says, Side, Withheld};
use crate::target::{Target, kind_word};

/// Each entry once, and how many stood again. Of several that count once the same one stands for all, in whatever order
/// they come.
pub(super) fn distinct(mut items: Vec<Item>) -> (Vec<Item>, usize) {
    items.sort_by_cached_key(order);
    let all = items.len();
    let mut seen = HashSet::new();
    let mut kept: Vec<Item> = Vec::with_capacity(all);
    for item in items {
        let key = (item.target.clone(), item.exception, item.reference.clone(), item.in_force);
        if seen.insert(key) {
            kept.push(item);
        }
    }
    let twice = all - kept.len();
    (kept, twice)
}

/// The rows, and how many entries of each side are in none: they are not in force there, and the other side has nothing
/// in force that they go with.
pub(super) struct Paired {
    pub rows: Vec<Row>,
    pub authority_left_out: u64,
    pub operator_left_out: u64,
}

pub(super) fn pair(
    question: &Question,
    list: List,
    operator: Vec<Item>,
    withheld: &Withheld,
) -> Paired {
    let List { items: authority, says, refused } = list;
    let unshown = Unshown::of(withheld);
    let partners = partners(&authority, &operator);
    let mut operator: Vec<Option<Item>> = operator.into_iter().map(Some).collect();
    let paired = authority.into_iter().zip(partners).map(|(item, partner)| {
        let partner = partner.and_then(|at| operator.get_mut(at)).and_then(Option::take);
        (item, partner)
    });
    let paired: Vec<(Item, Option<Item>)> = paired.collect();
    let alone: Vec<Item> = operator.into_iter().flatten().collect();
    let twins = Twins::among(&paired, &alone);

    let mut found = Paired { rows: Vec::new(), authority_left_out: 0, operator_left_out: 0 };
    for (authority, operator) in paired {
        match operator {
            Some(operator) => match class(question, says, &authority, &operator) {
                Some(class) => {
                    let is_next_best = is_next_best(&class);
                    let known = |number| if is_next_best { number } else { 0 };
                    let (unread, withheld) = (known(refused), known(unshown.may_name(&authority)));
                    let row = Row::new(class, Some(authority), Some(operator), None);
                    found.rows.push(Row { unread, withheld, ..row });
                }
                None => {
                    found.authority_left_out += 1;
                    found.operator_left_out += 1;
                }
            },
            None if !authority.in_force => found.authority_left_out += 1,
            None => {
                let withheld = unshown.may_name(&authority);
                let row = match twins.of_authority(&authority) {
                    None => Row::new(Class::OnlyAuthority, Some(authority), None, None),
                    Some(twin) => {
                        let class = class_of_surplus(&authority, twin);
                        let twin = Some(twin.clone());
                        Row::new(class, Some(authority), twin, Some(Side::Authority))
                    }
                };
                let withheld = if row.class == Class::Matched { 0 } else { withheld };
                found.rows.push(Row { withheld, ..row });
            }
        }
    }
    for item in alone {
        if !item.in_force {
            found.operator_left_out += 1;
            continue;
        }
        let twin = twins.of_operator(&item);
        let mut class = twin.map_or(Class::OnlyOperator, |twin| class_of_surplus(&item, twin));
        if class != Class::Matched && taken_in_since(question, &item) {
            class = Class::Timing(Vec::new());
        }
        let surplus = twin.map(|_| Side::Operator);
        let unread = if class == Class::Matched { 0 } else { refused };
        let row = Row::new(class, twin.cloned(), Some(item), surplus);
        found.rows.push(Row { unread, ..row });
    }
    found.rows.sort_by_cached_key(|row| {
        (row.class.rank(), row.target(), row.reference().to_owned(), row.id.clone())
    });
    found
}

/// The two go together for want of better ones: one is a name and the other its subtree, or one blocks what the other
/// keeps open.
fn is_next_best(class: &Class) -> bool {
    class.fields().iter().any(|field| matches!(field, Field::Kind | Field::Exception))
}

/// How many requests that are not shown may name something.
struct Unshown {
    /// Whatever it is.
    all: u64,
    by_key: HashMap<Key, u64>,
}

impl Unshown {
    fn of(withheld: &Withheld) -> Self {
        let mut by_key = HashMap::new();
        for named in &withheld.named {
            let keys: HashSet<Key> = named.iter().map(Key::of).collect();
            keys.into_iter().for_each(|key| *by_key.entry(key).or_default() += 1);
        }
        Self { all: withheld.whole, by_key }
    }

    fn may_name(&self, item: &Item) -> u64 {
        let named = self.by_key.get(&Key::of(&item.target)).copied();
        self.all.saturating_add(named.unwrap_or_default())
    }
}

/// The list may have been made already.
fn taken_in_since(question: &Question, item: &Item) -> bool {
    let before_s = item.recorded_s.map(|recorded_s| question.at_s.saturating_sub(recorded_s));
    before_s.is_some_and(|s| 0 <= s && s <= question.timing_s) && question.timing_s > 0
}

/// By what an entry says: a list and a register may come in any order.
type Order = (String, String, bool, Option<i64>, Option<i64>, String, String, String);

fn order(item: &Item) -> Order {
    let Item { reference, id, place, from_s, until_s, in_force, state, .. } = item;
    let (reference, id, place) = (reference.clone(), id.clone(), place.clone());
    (item.says(), reference, !in_force, *from_s, *until_s, id, place, state.clone())
}

/// For each entry of the authority, the place of the one of the register with which it goes together best. Each is
/// taken once.
fn partners(authority: &[Item], operator: &[Item]) -> Vec<Option<usize>> {
    let mut of: HashMap<Key, Vec<usize>> = HashMap::new();
    for (at, item) in operator.iter().enumerate() {
        of.entry(Key::of(&item.target)).or_default().push(at);
    }
    let in_force = |items: &'_ [Item]| -> HashSet<Named> {
        items.iter().filter(|item| item.in_force).map(Named::of).collect()
    };
    let (listed, held) = (in_force(authority), in_force(operator));
    // What is over is not taken for what stands beside it, under whatever number.
    let is_over =
        |item: &Item, stand: &HashSet<Named>| !item.in_force && stand.contains(&Named::of(item));
    let goes = |demanded: Fit, item: &Item, other: &Item| {
        let fits = fit(item, other) >= demanded;
        match demanded {
            Fit::Whole | Fit::InForce | Fit::Number => fits,
            Fit::Target => fits && !is_over(item, &listed) && !is_over(other, &held),
            // A name is not taken for its subtree where the other side has the name itself.
            Fit::Any => {
                let is_named =
                    |named: &HashSet<Named>, item: &Item| named.contains(&Named::of(item));
                !is_named(&held, item)
                    && !is_named(&listed, other)
                    && !is_over(item, &listed)
                    && !is_over(other, &held)
            }
        }
    };
    let mut taken = vec![false; operator.len()];
    let mut partners = vec![None; authority.len()];
    // First what agrees most, so that an entry is not taken from the one that fits it better.
    for demanded in [Fit::Whole, Fit::InForce, Fit::Number, Fit::Target, Fit::Any] {
        for (item, partner) in authority.iter().zip(&mut partners) {
            if partner.is_some() {
                continue;
            }
            let near = of.get(&Key::of(&item.target)).map_or(&[][..], Vec::as_slice);
            let free = near.iter().filter(|at| !taken.get(**at).is_none_or(|taken| *taken));
            let known = free.filter_map(|at| Some((*at, operator.get(*at)?)));
            let fitting = known.filter(|(_, other)| goes(demanded, item, other));
            let best = fitting.min_by_key(|(_, other)| {
                let other: &Item = other;
                let Item { target, exception, reference, id, place, .. } = other;
                let is_of_then = item.from_s.is_some() && item.from_s == other.from_s;
                let fit = std::cmp::Reverse(fit(item, other));
                let named = (kind_word(target.kind()), *exception, reference.as_str());
                (fit, !other.in_force, !is_of_then, named, id.as_str(), place.as_str())
            });
            let Some((at, _)) = best else { continue };
            *partner = Some(at);
            if let Some(taken) = taken.get_mut(at) {
                *taken = true;
            }
        }
    }
    partners
}

/// `None`: neither side has it in force, and there is nothing to compare.
fn class(question: &Question, says: Says, authority: &Item, operator: &Item) -> Option<Class> {
    if !authority.in_force && !operator.in_force {
        return None;
    }
    let mut fields = Vec::new();
    if authority.target != operator.target {
        fields.push(Field::Kind);
    }
    if authority.exception != operator.exception {
        fields.push(Field::Exception);
    }
    if are_of_two_numbers(authority, operator) {
        fields.push(Field::Reference);
    }
    let mut times = Vec::new();
    if says.from && authority.from_s.zip(operator.from_s).is_some_and(|(a, o)| a != o) {
        times.push((Field::From, apart(authority.from_s, operator.from_s)));
    }
    // A list without ends says nothing about them; in one with them, an entry without says that there is none.
    if says.until && authority.until_s != operator.until_s {
        times.push((Field::Until, apart(authority.until_s, operator.until_s)));
    }
    if authority.in_force != operator.in_force {
        let idle = if authority.in_force { operator } else { authority };
        let begins = idle.from_s.filter(|from_s| question.at_s < *from_s);
        let bound = begins.or(idle.until_s.filter(|until_s| *until_s <= question.at_s));
        times.push((Field::State, apart(bound, Some(question.at_s))));
    }
    let allowed_s = question.timing_s.unsigned_abs();
    let late = |gap: &Option<u64>| gap.is_none_or(|gap_s| gap_s > allowed_s);
    let gone: Vec<Field> =
        times.iter().filter(|(_, gap)| late(gap)).map(|(field, _)| *field).collect();
    if fields.is_empty() && gone.is_empty() {
        let times: Vec<Field> = times.into_iter().map(|(field, _)| field).collect();
        return Some(if times.is_empty() { Class::Matched } else { Class::Timing(times) });
    }
    fields.extend(gone);
    fields.sort_unstable();
    Some(Class::Differs(fields))
}

/// Of an entry whose target the other side has, and has compared with another entry: where one of the two says no
/// number, they are the same.
fn class_of_surplus(item: &Item, twin: &Item) -> Class {
    let mut fields = Vec::new();
    if are_of_two_numbers(item, twin) {
        fields.push(Field::Reference);
    }
    if !twin.in_force {
        fields.push(Field::State);
    }
    if fields.is_empty() { Class::Matched } else { Class::Differs(fields) }
}

fn are_of_two_numbers(one: &Item, other: &Item) -> bool {
    let both_say = !one.reference.is_empty() && !other.reference.is_empty();
    both_say && one.reference != other.reference
}

/// `None`: one of the two is not bounded.
fn apart(one: Option<i64>, other: Option<i64>) -> Option<u64> {
    Some(one?.abs_diff(other?))
}

/// Entries of the other side that name what an entry names that found no partner.
struct Twins {
    authority: HashMap<Named, Item>,
    operator: HashMap<Named, Item>,
}

impl Twins {
    fn among(paired: &[(Item, Option<Item>)], alone: &[Item]) -> Self {
        let in_force = |item: &&Item| item.in_force;
        let of_authority = paired.iter().filter(|(_, other)| other.is_none()).map(|(item, _)| item);
        let held: HashSet<Named> = alone.iter().filter(in_force).map(Named::of).collect();
        let listed: HashSet<Named> = of_authority.filter(in_force).map(Named::of).collect();
        let mut twins = Self { authority: HashMap::new(), operator: HashMap::new() };
        for (authority, operator) in paired {
            Self::offer(&mut twins.authority, &held, authority);
            if let Some(operator) = operator {
                Self::offer(&mut twins.operator, &listed, operator);
            }
        }
        twins
    }

    /// The one in force, or else the first by its number.
    fn offer(twins: &mut HashMap<Named, Item>, wanted: &HashSet<Named>, item: &Item) {
        let named = Named::of(item);
        if !wanted.contains(&named) {
            return;
        }
        let key = |item: &Item| (!item.in_force, order(item));
        if twins.get(&named).is_none_or(|twin| key(item) < key(twin)) {
            twins.insert(named, item.clone());
        }
    }

    fn of_authority(&self, item: &Item) -> Option<&Item> {
        self.operator.get(&Named::of(item))
    }

    fn of_operator(&self, item: &Item) -> Option<&Item> {
        self.authority.get(&Named::of(item))
    }
}

/// What an entry names, whatever it says of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Named {
    target: Target,
    exception: bool,
}

impl Named {
    fn of(item: &Item) -> Self {
        Self { target: item.target.clone(), exception: item.exception }
    }
}

/// How well two entries of one thing go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// One is a name and the other its subtree, or one blocks what the other keeps open.
    Any,
    Target,
    Number,
    InForce,
    /// By one number, and in force on both sides.
    Whole,
}

fn fit(authority: &Item, operator: &Item) -> Fit {
    let same = authority.target == operator.target && authority.exception == operator.exception;
    let (in_force, number) =
        (authority.in_force && operator.in_force, authority.reference == operator.reference);
    match (same, in_force, number) {
        (false, _, _) => Fit::Any,
        (true, true, true) => Fit::Whole,
        (true, true, false) => Fit::InForce,
        (true, false, true) => Fit::Number,
        (true, false, false) => Fit::Target,
    }
}

/// What makes two targets one thing, whatever their kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Name(String),
    Page(String),
    Other(Target),
}

impl Key {
    fn of(target: &Target) -> Self {
        match target {
            Target::DomainExact(name)
            | Target::DomainSubtree { name, apex: _ }
            | Target::Sni(name)
            | Target::HttpHost(name) => Self::Name(name.to_string()),
            Target::Url(page) | Target::UrlPrefix(page) => Self::Page(page.to_string()),
            Target::Ip(_)
            | Target::Cidr(_)
            | Target::IpPort { .. }
            | Target::ProtocolApp(_)
            | Target::Port(_)
            | Target::Keyword(_)
            | Target::Category(_)
            | Target::AsnRoute(_)
            | Target::LineAccount(_)
            | Target::CellArea(_)
            | Target::WholeService
            | Target::CustomerToken(_) => Self::Other(target.clone()),
        }
    }
}
