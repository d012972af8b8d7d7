//! What a group may rest on. Proposals are for a person to take up or leave: a likeness of names is no
//! legal basis.

use std::collections::BTreeMap;

use remit_proto::v1::{self, BasisClass};

use super::groups::Group;
use crate::words;

/// More would not be read.
const PROPOSED_MAX: usize = 3;

/// Words that people give to sets and comments of their own measures.
const CLASS_WORDS: [(BasisClass, &[&str]); 3] = [
    (
        BasisClass::Security,
        &["malware", "botnet", "phishing", "ddos", "spamhaus", "threat", "abuse", "scanner", "cnc"],
    ),
    (BasisClass::ContractTos, &["tos", "terms", "aup", "spam"]),
    (BasisClass::UserChoice, &["parental", "family", "kids", "adult"]),
];

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    /// As a plan's `to` has it.
    pub(super) to: String,
    pub(super) why: String,
}

pub(super) fn proposals(group: &Group, requests: &[v1::Request]) -> Vec<Proposal> {
    let mut found = touching(group);
    let text = said(group);
    found.extend(requests.iter().filter_map(|request| alike(&text, request)));
    found.extend(requests.iter().flat_map(|request| lists_alike(&text, request)));
    found.extend(classes(&text));
    let mut kept: Vec<Proposal> = Vec::new();
    for proposal in found {
        if kept.len() < PROPOSED_MAX && kept.iter().all(|known| known.to != proposal.to) {
            kept.push(proposal);
        }
    }
    kept
}

/// The register already speaks of these targets.
fn touching(group: &Group) -> Vec<Proposal> {
    let mut counts: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for rule in group.rules.iter().filter(|rule| !rule.touched_by.is_empty()) {
        counts.entry(&rule.touched_by).or_insert((0, &rule.verdict)).0 += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(id, (count, _))| (std::cmp::Reverse(*count), *id));
    counts
        .into_iter()
        .map(|(id, (count, verdict))| Proposal {
            to: id.to_owned(),
            why: format!("touches {count} of these targets; now {verdict}"),
        })
        .collect()
}

/// Everything that the rules of a group are called, in words.
fn said(group: &Group) -> Vec<String> {
    let Some(rule) = group.rules.first() else { return Vec::new() };
    let m = &group.matcher;
    let named = [&m.claim, &m.set, &m.comment, &m.log, &m.counter];
    let mut texts: Vec<&str> = named.into_iter().flatten().map(String::as_str).collect();
    texts.extend([rule.log.as_str(), rule.counter.as_str()]);
    if group.rules.iter().all(|other| other.comment == rule.comment) {
        texts.push(&rule.comment);
    }
    texts.iter().flat_map(|text| tokens(text)).collect()
}

/// Words and numbers; "004" is 4.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut last = ' ';
    for c in text.chars() {
        let same = last.is_ascii_digit() == c.is_ascii_digit() && last.is_alphanumeric();
        if c.is_alphanumeric() {
            match tokens.last_mut() {
                Some(token) if same => token.extend(c.to_lowercase()),
                _ => tokens.push(c.to_lowercase().collect()),
            }
        }
        last = c;
    }
    let plain = |token: String| match token.trim_start_matches('0') {
        "" => token,
        number if number.bytes().all(|b| b.is_ascii_digit()) => number.to_owned(),
        _ => token,
    };
    tokens.into_iter().map(plain).collect()
}

/// A word and the serial number of an id, or of the authority's own number, stand in the name.
fn alike(text: &[String], request: &v1::Request) -> Option<Proposal> {
    let like = |id: &str| {
        let id = tokens(id);
        let serial = id.last().filter(|last| last.bytes().all(|b| b.is_ascii_digit()));
        let matched = id.iter().filter(|token| text.contains(token)).count();
        serial.is_some_and(|serial| text.contains(serial)) && matched >= 2
    };
    let why = if like(&request.id) {
        "its id is like the name".to_owned()
    } else if let Some(number) =
        request.authorisation.as_ref().map(|a| &a.external_ref).filter(|number| like(number))
    {
        format!("its number {number} is like the name")
    } else {
        return None;
    };
    Some(Proposal { to: request.id.clone(), why })
}

fn lists_alike(text: &[String], request: &v1::Request) -> Vec<Proposal> {
    let lists = request.task.iter().flat_map(|task| &task.lists);
    let alike = lists.filter(|list| {
        let id = tokens(&list.list_id);
        !id.is_empty() && id.iter().all(|token| text.contains(token))
    });
    alike
        .map(|list| Proposal {
            to: format!("list:{}@{}", list.list_id, list.version),
            why: "the list's name is in the name".to_owned(),
        })
        .collect()
}

fn classes(text: &[String]) -> Vec<Proposal> {
    let classes = CLASS_WORDS.iter().filter_map(|(class, words)| {
        let word = words.iter().find(|word| text.iter().any(|token| token == *word))?;
        Some(Proposal {
            to: words::claims(&[v1::Claim {
                claim: Some(v1::claim::Claim::BasisClass((*class).into())),
            }])
            .join(""),
            why: format!("{word:?} is in the name; needs an entry of the register to count"),
        })
    });
    classes.collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{groups::groups, traits::Traits},
        *,
    };

    fn requests() -> Vec<v1::Request> {
        let request = |id: &str, external_ref: &str| v1::Request {
            id: id.into(),
            authorisation: Some(v1::Authorisation {
                external_ref: external_ref.into(),
                ..v1::Authorisation::default()
            }),
            ..v1::Request::default()
        };
        let list = v1::ListClaim { list_id: "hotline".into(), version: "7".into() };
        vec![
            request("court/2026-004", "12 O 345/26"),
            request("court/2026-005", ""),
            v1::Request {
                task: Some(v1::Task { lists: vec![list], ..v1::Task::default() }),
                ..request("hot/1", "")
            },
        ]
    }

    fn check(set: &str, comment: &str, touched_by: &str, want: &[&str]) {
        let rule = Traits {
            set: set.into(),
            comment: comment.into(),
            touched_by: touched_by.into(),
            verdict: "EXPIRED".into(),
            ..Traits::default()
        };
        let groups = groups(vec![rule]);
        let found = proposals(&groups[0], &requests());
        let found: Vec<&str> = found.iter().map(|p| p.to.as_str()).collect();
        assert_eq!(found, want, "{set} {comment} {touched_by}");
    }

    #[test]
    fn a_name_like_that_of_a_request_proposes_it() {
        check("court_004", "", "", &["court/2026-004"]);
        check("x", "Court order 2026-5", "", &["court/2026-005"]);
        check("x", "file 12 O 345/26", "", &["court/2026-004"]);
        check("court", "", "", &[]);
        check("top_004", "", "", &[]);
    }

    #[test]
    fn a_list_and_a_class_are_proposed_by_their_words() {
        check("hotline_v4", "", "", &["list:hotline@7"]);
        check("spamhaus-drop", "", "", &["class:security"]);
        check("parental control", "", "", &["class:user_choice"]);
        check("blocked", "", "", &[]);
    }

    #[test]
    fn the_request_that_touches_the_targets_comes_first() {
        check("court_004", "", "court/2026-005", &["court/2026-005", "court/2026-004"]);
    }
}
