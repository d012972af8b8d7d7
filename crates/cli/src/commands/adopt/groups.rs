//! Rules that belong together, and the words by which a plan selects them again.
//!
//! A group is described by what each of its rules says of itself ([`Matcher`]), and by nothing else, so
//! that a person can read it, narrow it, and know what it will select.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::traits::Traits;

/// Rules of a chain that were installed so far apart were not installed together.
const TOGETHER_S: i64 = 600;
/// More parts than this, and so small, are no groups: nobody reads forty rules one by one.
const PARTS_MAX: usize = 20;
const PART_MIN: usize = 3;

/// All that are given must hold. "" is "none", and absent is "any".
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Matcher {
    pub(super) attributed: Option<String>,
    pub(super) claim: Option<String>,
    pub(super) set: Option<String>,
    pub(super) comment: Option<String>,
    pub(super) log: Option<String>,
    pub(super) counter: Option<String>,
    pub(super) source: Option<String>,
    pub(super) technique: Option<String>,
    pub(super) touched_by: Option<String>,
    /// Seconds since 1970, inclusive; 0 stands for before the agent first looked.
    pub(super) installed_from_s: Option<i64>,
    pub(super) installed_until_s: Option<i64>,
    pub(super) node: Option<String>,
}

impl Matcher {
    pub(super) fn takes(&self, rule: &Traits) -> bool {
        let Self {
            attributed,
            claim,
            set,
            comment,
            log,
            counter,
            source,
            technique,
            touched_by,
            installed_from_s,
            installed_until_s,
            node,
        } = self;
        let texts = [
            (attributed, &rule.attributed),
            (claim, &rule.claim),
            (set, &rule.set),
            (comment, &rule.comment),
            (log, &rule.log),
            (counter, &rule.counter),
            (source, &rule.source),
            (technique, &rule.technique),
            (touched_by, &rule.touched_by),
            (node, &rule.node),
        ];
        texts.into_iter().all(|(wanted, found)| wanted.as_ref().is_none_or(|w| w == found))
            && installed_from_s.is_none_or(|from| from <= rule.installed_at_s)
            && installed_until_s.is_none_or(|until| rule.installed_at_s <= until)
    }

    /// "set blocked_de, comment "order 17"": as a statement and a table name the group.
    pub(super) fn name(&self) -> String {
        let words = [
            ("attributed to", &self.attributed),
            ("claims", &self.claim),
            ("set", &self.set),
            ("comment", &self.comment),
            ("log", &self.log),
            ("counter", &self.counter),
            ("source", &self.source),
            ("technique", &self.technique),
            ("touched by", &self.touched_by),
            ("node", &self.node),
        ];
        let words = words.iter().filter_map(|(word, text)| {
            let text = text.as_deref().filter(|text| !text.is_empty())?;
            Some(format!("{word} {text}"))
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) matcher: Matcher,
    pub(super) rules: Vec<Traits>,
}

/// The largest first; what carries a claim or stands in a set before what has nothing to go by, so that
/// the first group that takes a rule is its own.
pub(super) fn groups(rules: Vec<Traits>) -> Vec<Group> {
    let mut groups = by_kind(rules, &[Kind::Comment, Kind::Log, Kind::Counter]);
    groups = groups.into_iter().flat_map(split).collect();
    groups.sort_by(|a, b| {
        (rank(&a.matcher), b.rules.len(), &a.matcher).cmp(&(
            rank(&b.matcher),
            a.rules.len(),
            &b.matcher,
        ))
    });
    groups
}

/// Specific before general.
fn rank(matcher: &Matcher) -> u8 {
    let has = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    match matcher {
        m if has(&m.attributed) => 0,
        m if has(&m.claim) => 1,
        m if has(&m.set) && has(&m.comment) => 2,
        m if has(&m.set) => 3,
        m if has(&m.comment) => 4,
        m if has(&m.log) => 5,
        m if has(&m.counter) => 6,
        _ => 7,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Comment,
    Log,
    Counter,
}

/// By what is said nearest to the rule, as far as these kinds are worth it: forty comments on forty
/// rules are no groups.
fn by_kind(rules: Vec<Traits>, kinds: &[Kind]) -> Vec<Group> {
    let mut found: BTreeMap<Matcher, Vec<Traits>> = BTreeMap::new();
    for rule in rules {
        found.entry(matcher(&rule, kinds)).or_default().push(rule);
    }
    let worthless = kinds.iter().copied().find(|kind| {
        let of: Vec<_> = found.iter().filter(|(matcher, _)| is_of(matcher, *kind)).collect();
        let rules: usize = of.iter().map(|(_, rules)| rules.len()).sum();
        of.len() > PARTS_MAX && rules < PART_MIN * of.len()
    });
    match worthless {
        Some(worthless) => {
            let kinds: Vec<Kind> = kinds.iter().copied().filter(|k| *k != worthless).collect();
            by_kind(found.into_values().flatten().collect(), &kinds)
        }
        None => found.into_iter().map(|(matcher, rules)| Group { matcher, rules }).collect(),
    }
}

fn is_of(matcher: &Matcher, kind: Kind) -> bool {
    rank(matcher)
        == match kind {
            Kind::Comment => 4,
            Kind::Log => 5,
            Kind::Counter => 6,
        }
}

fn matcher(rule: &Traits, kinds: &[Kind]) -> Matcher {
    let exactly = |text: &String| Some(text.clone());
    let base = Matcher {
        attributed: exactly(&rule.attributed),
        claim: exactly(&rule.claim),
        ..Matcher::default()
    };
    if !rule.claim.is_empty() {
        return base;
    }
    let base = Matcher { touched_by: exactly(&rule.touched_by), ..base };
    if !rule.set.is_empty() {
        return Matcher { set: exactly(&rule.set), ..base };
    }
    let base = Matcher { set: Some(String::new()), ..base };
    for kind in kinds {
        match kind {
            Kind::Comment if !rule.comment.is_empty() => {
                return Matcher { comment: exactly(&rule.comment), ..base };
            }
            Kind::Log if !rule.log.is_empty() => {
                return Matcher { log: exactly(&rule.log), ..base };
            }
            Kind::Counter if !rule.counter.is_empty() => {
                return Matcher { counter: exactly(&rule.counter), ..base };
            }
            Kind::Comment | Kind::Log | Kind::Counter => {}
        }
    }
    Matcher { source: exactly(&rule.source), technique: exactly(&rule.technique), ..base }
}

/// A set by the comments of its elements, where these are few; rules with nothing to go by, by when they
/// were installed.
fn split(group: Group) -> Vec<Group> {
    let Group { matcher, rules } = group;
    match rank(&matcher) {
        3 => {
            let comments: BTreeSet<&str> = rules.iter().map(|r| r.comment.as_str()).collect();
            let few = (2..=PARTS_MAX).contains(&comments.len())
                && comments.len() * PART_MIN <= rules.len();
            if !few {
                return vec![Group { matcher, rules }];
            }
            let mut parts: BTreeMap<Matcher, Vec<Traits>> = BTreeMap::new();
            for rule in rules {
                let part = Matcher { comment: Some(rule.comment.clone()), ..matcher.clone() };
                parts.entry(part).or_default().push(rule);
            }
            parts.into_iter().map(|(matcher, rules)| Group { matcher, rules }).collect()
        }
        7 => bursts(&matcher, rules),
        _ => vec![Group { matcher, rules }],
    }
}

fn bursts(matcher: &Matcher, mut rules: Vec<Traits>) -> Vec<Group> {
    rules.sort_by_key(|rule| rule.installed_at_s);
    let mut parts: Vec<Vec<Traits>> = Vec::new();
    for rule in rules {
        let together = |last: &Traits| rule.installed_at_s - last.installed_at_s <= TOGETHER_S;
        match parts.last_mut() {
            Some(part) if part.last().is_some_and(together) => part.push(rule),
            _ => parts.push(vec![rule]),
        }
    }
    if parts.len() > PARTS_MAX {
        let rules = parts.into_iter().flatten().collect();
        return vec![Group { matcher: matcher.clone(), rules }];
    }
    let bounds = |rules: Vec<Traits>| {
        let matcher = Matcher {
            installed_from_s: rules.first().map(|rule| rule.installed_at_s),
            installed_until_s: rules.last().map(|rule| rule.installed_at_s),
            ..matcher.clone()
        };
        Group { matcher, rules }
    };
    parts.into_iter().map(bounds).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(number: u64, change: impl FnOnce(&mut Traits)) -> Traits {
        let mut rule = Traits {
            node: "edge-1".into(),
            number,
            source: "nftables".into(),
            technique: "ip_acl_drop".into(),
            ..Traits::default()
        };
        change(&mut rule);
        rule
    }

    fn check(rules: Vec<Traits>, want: &[(&str, usize)]) {
        let all = rules.clone();
        let found = groups(rules);
        let shown: Vec<(String, usize)> =
            found.iter().map(|g| (g.matcher.name(), g.rules.len())).collect();
        let shown: Vec<(&str, usize)> = shown.iter().map(|(n, c)| (n.as_str(), *c)).collect();
        assert_eq!(shown, want);
        // The words of a group select its rules, and the first that takes a rule is its own.
        for rule in &all {
            let first = found.iter().find(|group| group.matcher.takes(rule)).unwrap();
            assert!(first.rules.contains(rule), "{rule:?}");
        }
    }

    #[test]
    fn a_set_is_one_group_wherever_it_stands() {
        let mut rules: Vec<Traits> =
            (0..10).map(|n| rule(n, |r| r.set = "blocked".into())).collect();
        for rule in rules.iter_mut().take(4) {
            rule.node = "edge-2".into();
        }
        check(rules, &[("set blocked", 10)]);
    }

    #[test]
    fn elements_with_few_comments_are_groups_and_with_many_are_one() {
        let of = |n: u64, comment: &str| {
            rule(n, |r| {
                r.set = "blocked".into();
                r.comment = comment.into();
            })
        };
        let two: Vec<Traits> =
            (0..8).map(|n| of(n, if n < 5 { "order 17" } else { "order 18" })).collect();
        let want = [("set blocked, comment order 17", 5), ("set blocked, comment order 18", 3)];
        check(two, &want);
        let each: Vec<Traits> = (0..8).map(|n| of(n, &format!("host {n}"))).collect();
        check(each, &[("set blocked", 8)]);
    }

    #[test]
    fn what_the_register_already_touches_is_a_group_of_its_own() {
        let rules = (0..6)
            .map(|n| {
                rule(n, |r| {
                    r.set = "blocked".into();
                    r.touched_by = if n < 2 { "court/1".into() } else { String::new() };
                })
            })
            .collect();
        check(rules, &[("set blocked", 4), ("set blocked, touched by court/1", 2)]);
    }

    #[test]
    fn old_words_of_rules_are_groups() {
        let rules = (0..3).map(|n| rule(n, |r| r.claim = "ticket-4711".into())).collect();
        check(rules, &[("claims ticket-4711", 3)]);
    }

    #[test]
    fn rules_with_nothing_to_go_by_are_taken_by_when_they_were_installed() {
        let at = [0, 0, 5000, 5300, 5800, 9000];
        let rules = at.iter().zip(0..).map(|(at, n)| rule(n, |r| r.installed_at_s = *at)).collect();
        let name = "source nftables, technique ip_acl_drop";
        check(rules, &[(name, 3), (name, 2), (name, 1)]);
    }

    #[test]
    fn forty_counters_on_forty_rules_are_no_groups() {
        let rules: Vec<Traits> =
            (0..40).map(|n| rule(n, |r| r.counter = format!("c_{n}"))).collect();
        check(rules, &[("source nftables, technique ip_acl_drop", 40)]);
        let named = (0..40).map(|n| rule(n, |r| r.counter = format!("c_{}", n % 2))).collect();
        check(named, &[("counter c_0", 20), ("counter c_1", 20)]);
    }
}
