//! Which entry of one side is which of the other, and in which class the two are.

use std::collections::{HashMap, HashSet};

use super::{Class, Field, Item, Question, Row};
use crate::target::Target;

/// Each entry once, and how many stood again.
pub(super) fn distinct(items: Vec<Item>) -> (Vec<Item>, usize) {
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

pub(super) fn rows(question: &Question, authority: Vec<Item>, operator: Vec<Item>) -> Vec<Row> {
    let mut of: HashMap<Key, Vec<usize>> = HashMap::new();
    for (at, item) in operator.iter().enumerate() {
        of.entry(Key::of(&item.target)).or_default().push(at);
    }
    let mut free: Vec<Option<Item>> = operator.into_iter().map(Some).collect();
    let mut pairs: Vec<(Item, Option<Item>)> = Vec::with_capacity(authority.len());
    // First what agrees most, so that an entry is not taken from the one that fits it better.
    let mut waiting: Vec<Option<Item>> = authority.into_iter().map(Some).collect();
    for demanded in [Fit::Whole, Fit::Target, Fit::Any] {
        for slot in &mut waiting {
            let Some(item) = slot else { continue };
            let near = of.get(&Key::of(&item.target)).map_or(&[][..], Vec::as_slice);
            let best = near
                .iter()
                .filter_map(|at| Some((*at, fit(item, free.get(*at)?.as_ref()?))))
                .filter(|(_, fit)| *fit >= demanded)
                .max_by_key(|(at, fit)| {
                    let in_force =
                        free.get(*at).and_then(Option::as_ref).is_some_and(|i| i.in_force);
                    (*fit, in_force, std::cmp::Reverse(*at))
                });
            let Some((at, _)) = best else { continue };
            let partner = free.get_mut(at).and_then(Option::take);
            pairs.extend(slot.take().map(|item| (item, partner)));
        }
    }
    pairs.extend(waiting.into_iter().flatten().map(|item| (item, None)));

    let mut rows: Vec<Row> = pairs
        .into_iter()
        .filter_map(|(authority, operator)| {
            let class = class(question, &authority, operator.as_ref())?;
            Some(Row::new(class, Some(authority), operator))
        })
        .collect();
    let alone = free.into_iter().flatten().filter(|item| item.in_force);
    rows.extend(alone.map(|item| {
        // It may have entered the register when the list was made already.
        let entered_since = item.from_s.is_some_and(|from_s| {
            from_s <= question.at_s && question.at_s - from_s <= question.timing_s
        });
        let class = if entered_since && question.timing_s > 0 {
            Class::Timing
        } else {
            Class::OnlyOperator
        };
        Row::new(class, None, Some(item))
    }));
    rows.sort_by_cached_key(|row| {
        (row.class.rank(), row.target(), row.reference().to_owned(), row.id.clone())
    });
    rows
}

/// `None`: neither side has it in force, and there is nothing to compare.
fn class(question: &Question, authority: &Item, operator: Option<&Item>) -> Option<Class> {
    let Some(operator) = operator else {
        return authority.in_force.then_some(Class::OnlyAuthority);
    };
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
    let both_say = !authority.reference.is_empty() && !operator.reference.is_empty();
    if both_say && authority.reference != operator.reference {
        fields.push(Field::Reference);
    }
    let mut times = Vec::new();
    if authority.from_s.zip(operator.from_s).is_some_and(|(a, o)| a != o) {
        times.push((Field::From, apart(authority.from_s, operator.from_s)));
    }
    // A list without bounds says nothing about ends; one with them says that there is none.
    if authority.from_s.is_some() && authority.until_s != operator.until_s {
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
        return Some(if times.is_empty() { Class::Matched } else { Class::Timing });
    }
    fields.extend(gone);
    fields.sort_unstable();
    Some(Class::Differs(fields))
}

/// `None`: one of the two is not bounded.
fn apart(one: Option<i64>, other: Option<i64>) -> Option<u64> {
    Some(one?.abs_diff(other?))
}

/// How well two entries of one thing go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Any,
    Target,
    Whole,
}

fn fit(authority: &Item, operator: &Item) -> Fit {
    let same = authority.target == operator.target && authority.exception == operator.exception;
    match same {
        true if authority.reference == operator.reference && operator.in_force => Fit::Whole,
        true => Fit::Target,
        false => Fit::Any,
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
