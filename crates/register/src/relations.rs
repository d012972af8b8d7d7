//! What requests say of each other leads forward: an order that confirms one that confirms it is a
//! mistake in the file.

use std::collections::{HashMap, HashSet};

use evidence::RequestId;
use remit_proto::v1::{self, RelationKind};

/// Relations in which one request comes after the other.
pub(crate) fn is_directed(kind: RelationKind) -> bool {
    match kind {
        RelationKind::Confirms
        | RelationKind::Amends
        | RelationKind::Extends
        | RelationKind::Supersedes
        | RelationKind::Suspends
        | RelationKind::Revokes
        | RelationKind::Annuls
        | RelationKind::Appeals => true,
        RelationKind::Unspecified
        | RelationKind::ImplementsListOf
        | RelationKind::SameMeasureAs
        | RelationKind::DependsOnProceeding => false,
    }
}

/// `new` are requests that would be entered; `held` finds the relations of one that is there. `Err`:
/// the request that would come back to itself, and the one that leads back.
///
/// Each request is passed through once, however long the chains between them are.
pub(crate) fn check<'r>(
    new: impl Iterator<Item = (&'r RequestId, &'r Vec<v1::Relation>)> + Clone,
    held: impl Fn(&str) -> Option<&'r Vec<v1::Relation>>,
) -> Result<(), (RequestId, String)> {
    let entered: HashMap<&str, &Vec<v1::Relation>> =
        new.clone().map(|(id, relations)| (id.as_str(), relations)).collect();
    let next = |at: &str| {
        let relations = entered.get(at).copied().or_else(|| held(at));
        let relations = relations.map_or(&[][..], Vec::as_slice).iter();
        relations.filter_map(|v1::Relation { kind, to, outlives: _ }| {
            RelationKind::try_from(*kind).is_ok_and(is_directed).then_some(to.as_str())
        })
    };
    let circles = circles(new.clone().map(|(id, _)| id.as_str()), next);
    let first = new.map(|(id, _)| id).find(|id| circles.contains(id.as_str()));
    match first {
        None => Ok(()),
        Some(id) => Err((id.clone(), leads_back(id.as_str(), next).to_owned())),
    }
}

/// Whatever comes back to itself, among what can be reached (Tarjan 1972: requests that reach each other).
fn circles<'r, N: Iterator<Item = &'r str>>(
    from: impl Iterator<Item = &'r str>,
    next: impl Fn(&str) -> N,
) -> HashSet<&'r str> {
    let mut circles = HashSet::new();
    // In the order in which they are reached; `low`: the first one that each leads back to, while it is open.
    let mut number: HashMap<&str, usize> = HashMap::new();
    let (mut low, mut is_open): (Vec<usize>, Vec<bool>) = Default::default();
    // Reached and not known to be a circle or none; and on the way from `from` to here, with what is left to follow.
    let mut open: Vec<&str> = Vec::new();
    let mut way: Vec<(usize, &str, N)> = Vec::new();
    for from in from {
        if number.contains_key(from) {
            continue;
        }
        let mut reached = Some(from);
        loop {
            if let Some(id) = reached.take() {
                number.insert(id, low.len());
                way.push((low.len(), id, next(id)));
                low.push(low.len());
                is_open.push(true);
                open.push(id);
            }
            let Some((at, id, left)) = way.last_mut() else { break };
            let (at, id) = (*at, *id);
            match left.next().map(|to| (to, number.get(to).copied())) {
                Some((to, None)) => reached = Some(to),
                Some((_, Some(known))) => {
                    if known == at {
                        circles.insert(id);
                    }
                    if is_open[known] {
                        low[at] = low[at].min(known);
                    }
                }
                None => {
                    way.pop();
                    if let Some((before, ..)) = way.last() {
                        low[*before] = low[*before].min(low[at]);
                    }
                    if low[at] < at {
                        continue;
                    }
                    let together = open.iter().rposition(|other| *other == id).unwrap_or_default();
                    let together = open.split_off(together);
                    let several = together.len() > 1;
                    for id in together {
                        is_open[number[id]] = false;
                        if several {
                            circles.insert(id);
                        }
                    }
                }
            }
        }
    }
    circles
}

/// The one that leads back to it; it is known that there is one.
fn leads_back<'r, N: Iterator<Item = &'r str>>(id: &'r str, next: impl Fn(&str) -> N) -> &'r str {
    let mut followed: HashSet<&str> = HashSet::new();
    let mut open = vec![id];
    while let Some(at) = open.pop() {
        for to in next(at) {
            if to == id {
                return at;
            }
            if followed.insert(to) {
                open.push(to);
            }
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    type Requests = Vec<(RequestId, Vec<v1::Relation>)>;

    fn requests(text: &[(String, Vec<String>)]) -> Requests {
        let relation = |to: &String| v1::Relation {
            kind: RelationKind::Extends.into(),
            to: to.clone(),
            outlives: false,
        };
        let request = |(id, to): &(String, Vec<String>)| {
            (id.parse().unwrap(), to.iter().map(relation).collect())
        };
        text.iter().map(request).collect()
    }

    fn checked(new: &Requests, held: &Requests) -> Result<(), (RequestId, String)> {
        let held: HashMap<&str, &Vec<v1::Relation>> =
            held.iter().map(|(id, relations)| (id.as_str(), relations)).collect();
        check(new.iter().map(|(id, to)| (id, to)), |id| held.get(id).copied())
    }

    /// Each request by itself, as long as it takes.
    fn by_hand(new: &Requests, held: &Requests) -> Result<(), (RequestId, String)> {
        let all: HashMap<&str, &Vec<v1::Relation>> =
            held.iter().chain(new).map(|(id, to)| (id.as_str(), to)).collect();
        let next = |at: &str| {
            all.get(at).map_or(&[][..], |to| to.as_slice()).iter().map(|to| to.to.as_str())
        };
        for (id, _) in new {
            let (mut followed, mut open) = (HashSet::new(), vec![id.as_str()]);
            while let Some(at) = open.pop() {
                for to in next(at) {
                    if to == id.as_str() {
                        return Err((id.clone(), at.to_owned()));
                    }
                    if followed.insert(to) {
                        open.push(to);
                    }
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_long_chain_is_passed_through_once() {
        let count = 200_000;
        let row = |n: usize| (format!("r{n}"), vec![format!("r{}", n + 1)]);
        let mut chain: Vec<_> = (0..count).map(row).collect();
        assert_eq!(checked(&requests(&chain), &Vec::new()), Ok(()));
        // At its end it turns in a circle, on which none of the requests before is.
        chain.push((format!("r{count}"), vec![format!("r{}", count - 1)]));
        let (id, through) = checked(&requests(&chain), &Vec::new()).unwrap_err();
        assert_eq!((id.as_str(), through), ("r199999", "r200000".to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn it_finds_what_following_each_request_finds(
            relations in proptest::collection::vec((0..9_u8, 0..12_u8), 0..14),
            of_register in 0..4_u8,
        ) {
            let row = |id: u8| {
                let to = relations.iter().filter(|(from, _)| *from == id);
                (format!("r{id}"), to.map(|(_, to)| format!("r{to}")).collect())
            };
            let new: Vec<_> = (of_register..9).map(row).collect();
            let held: Vec<_> = (0..of_register).map(row).collect();
            let (new, held) = (requests(&new), requests(&held));
            proptest::prop_assert_eq!(checked(&new, &held), by_hand(&new, &held));
        }
    }
}
