//! Rules that are installed now, grouped by cause: verdict, request or claim, authority, and who set
//! them.

use std::{collections::BTreeMap, fmt};

use register::{ScreenWord, screen_word};
use remit_proto::v1::{self, BasisProof, Ternary};

use super::{Places, examples::Examples};
use crate::{
    commands::row::{Judged, REGISTERED_BEFORE, basis_sentence, proof_word},
    words,
};

/// Where on the page a cause stands: the screen word of its verdict, in the order in which an officer
/// has to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    NoCoveringRequest,
    BeyondItsRequest,
    OutOfTime,
    Undetermined,
    NotYetAssessed,
    Covered,
    OwnMeasure,
}

impl Part {
    pub(super) const ALL: [Self; 7] = [
        Self::NoCoveringRequest,
        Self::BeyondItsRequest,
        Self::OutOfTime,
        Self::Undetermined,
        Self::NotYetAssessed,
        Self::Covered,
        Self::OwnMeasure,
    ];

    fn of(verdict: Option<&v1::Verdict>) -> Self {
        let Some(verdict) = verdict else { return Self::NotYetAssessed };
        match screen_word(verdict.code()) {
            ScreenWord::Covered => Self::Covered,
            ScreenWord::OwnMeasure => Self::OwnMeasure,
            ScreenWord::BeyondItsRequest => Self::BeyondItsRequest,
            ScreenWord::OutOfTime => Self::OutOfTime,
            ScreenWord::NoCoveringRequest => Self::NoCoveringRequest,
            ScreenWord::Undetermined => Self::Undetermined,
        }
    }

    /// `None`: no verdict yet.
    pub(super) fn screen_word(self) -> Option<ScreenWord> {
        match self {
            Self::NoCoveringRequest => Some(ScreenWord::NoCoveringRequest),
            Self::BeyondItsRequest => Some(ScreenWord::BeyondItsRequest),
            Self::OutOfTime => Some(ScreenWord::OutOfTime),
            Self::Undetermined => Some(ScreenWord::Undetermined),
            Self::NotYetAssessed => None,
            Self::Covered => Some(ScreenWord::Covered),
            Self::OwnMeasure => Some(ScreenWord::OwnMeasure),
        }
    }

    pub(super) fn word(self) -> &'static str {
        self.screen_word().map_or("not yet assessed", ScreenWord::as_str)
    }
}

/// What makes two rules one line. Sorted by all of it, so that the same answers give the same page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) part: Part,
    /// "EXPIRED", "UNDETERMINED(boundary)"; empty while not assessed.
    pub(super) code: String,
    /// The request that the verdict speaks of; empty: none does.
    pub(super) request: String,
    /// Where no request speaks: what the rules claim.
    pub(super) claims: Vec<String>,
    pub(super) authority: String,
    /// As on the wire: "operator_staff".
    pub(super) actor: String,
}

#[derive(Debug)]
pub(super) struct Cause {
    pub(super) key: Key,
    pub(super) rules: u64,
    /// Each with its place.
    pub(super) nodes: BTreeMap<String, String>,
    pub(super) hits: u64,
    /// At most so many more: one hit may be counted for each rule that could be its cause.
    pub(super) shared_hits: u64,
    /// Some of the rules stood before the agent first looked.
    pub(super) before_agent: bool,
    /// Of the others, the earliest; 0: there is none.
    pub(super) since_s: i64,
    pub(super) last_hit_s: i64,
    pub(super) targets: Examples,
    /// Of one of the rules; the others have the same code and request.
    pub(super) verdict: Option<v1::Verdict>,
    /// Rules whose covering request was registered before the act, after it, and who knows; by how well the request
    /// is proved.
    pub(super) registered: BTreeMap<BasisProof, Registered>,
    /// Rules of which a person said later what they rest on, and the newest such word.
    pub(super) attributed: u64,
    pub(super) newest: Option<v1::AttributedLater>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) before: u64,
    pub(super) after: u64,
    pub(super) unknown: u64,
}

impl Registered {
    pub(super) fn add(&mut self, verdict: Option<&v1::Verdict>) {
        match verdict.map_or(Ternary::Unknown, v1::Verdict::registered_before_act) {
            Ternary::Yes => self.before += 1,
            Ternary::No => self.after += 1,
            Ternary::Unknown | Ternary::Unspecified => self.unknown += 1,
        }
    }
}

impl std::iter::Sum for Registered {
    fn sum<I: Iterator<Item = Self>>(each: I) -> Self {
        each.fold(Self::default(), |sum, one| Self {
            before: sum.before + one.before,
            after: sum.after + one.after,
            unknown: sum.unknown + one.unknown,
        })
    }
}

impl fmt::Display for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { after: 0, unknown: 0, .. } => f.write_str(REGISTERED_BEFORE),
            Self { before: 0, unknown: 0, .. } => f.write_str("NO"),
            Self { before: 0, after: 0, .. } => f.write_str("not known"),
            Self { before, after, unknown } => {
                write!(
                    f,
                    "{REGISTERED_BEFORE}, {before}, NO {after}, not known {unknown} of these rules"
                )
            }
        }
    }
}

impl Cause {
    pub(super) fn all_registered(&self) -> Registered {
        self.registered.values().copied().sum()
    }

    /// How well the request is proved that speaks for these rules; several words where its versions differ.
    pub(super) fn proofs(&self) -> Vec<&'static str> {
        self.registered.keys().filter_map(|proof| proof_word(*proof)).collect()
    }

    fn new(key: Key) -> Self {
        Self {
            key,
            rules: 0,
            nodes: BTreeMap::new(),
            hits: 0,
            shared_hits: 0,
            before_agent: false,
            since_s: 0,
            last_hit_s: 0,
            targets: Examples::default(),
            verdict: None,
            registered: BTreeMap::new(),
            attributed: 0,
            newest: None,
        }
    }

    fn add(&mut self, row: &v1::RuleRow, places: &Places) {
        self.rules += 1;
        self.nodes.insert(row.node.clone(), places.shown(&row.node));
        self.hits = self.hits.saturating_add(row.hits);
        self.shared_hits = self.shared_hits.saturating_add(row.shared_hits);
        match row.installed_at_s {
            0 => self.before_agent = true,
            at_s if self.since_s == 0 || at_s < self.since_s => self.since_s = at_s,
            _ => {}
        }
        self.last_hit_s = self.last_hit_s.max(row.last_hit_s);
        self.targets.add(words::target(row.target()));
        let proof = row.verdict.as_ref().map_or(BasisProof::Unspecified, v1::Verdict::basis_proof);
        self.registered.entry(proof).or_default().add(row.verdict.as_ref());
        if let Some(later) = row.verdict.as_ref().and_then(|v| v.attributed.as_ref()) {
            self.attributed += 1;
            if self.newest.as_ref().is_none_or(|known| known.statement < later.statement) {
                self.newest = Some(later.clone());
            }
        }
        if self.verdict.is_none() {
            self.verdict.clone_from(&row.verdict);
        }
    }

    /// Why the rules have their verdict; of several, why one of them has.
    pub(super) fn sentences(&self) -> Vec<String> {
        let Some(verdict) = &self.verdict else { return Vec::new() };
        // That a request covers them is said above all of them.
        let plain = verdict.code() == v1::VerdictCode::Authorised;
        let mut sentences = match (plain, self.rules) {
            (true, _) => Vec::new(),
            (false, rules) => for_example(register::explain(verdict), rules),
        };
        if let Some(newest) = self.newest.as_ref().filter(|_| plain || self.rules > 1) {
            let later = register::attributed_later(newest);
            sentences.push(match (self.attributed, self.rules) {
                (1, 1) => format!("{later}."),
                (some, all) => {
                    format!("Of {all} rules {some} were attributed later. Newest: {later}.")
                }
            });
        }
        if matches!(self.key.part, Part::Covered | Part::OwnMeasure) {
            sentences.extend(self.registered.iter().filter_map(|(proof, registered)| {
                Some(basis_sentence(proof_word(*proof)?, &registered.to_string()))
            }));
        }
        sentences
    }
}

/// What is said of one of several is said to be an example.
pub(super) fn for_example(sentence: String, of: u64) -> Vec<String> {
    vec![if of > 1 { format!("For example: {sentence}") } else { sentence }]
}

pub(super) fn causes(rules: &[v1::RuleRow], places: &Places) -> Vec<Cause> {
    let mut causes: BTreeMap<Key, Cause> = BTreeMap::new();
    for row in rules {
        let key = key(row);
        causes.entry(key.clone()).or_insert_with(|| Cause::new(key)).add(row, places);
    }
    let mut causes: Vec<Cause> = causes.into_values().collect();
    // Stable: what is equally large stays in the order of the keys.
    causes.sort_by_key(|cause| {
        (cause.key.part, std::cmp::Reverse(cause.rules), std::cmp::Reverse(cause.hits))
    });
    causes
}

fn key(row: &v1::RuleRow) -> Key {
    let request = row.request().unwrap_or_default().to_owned();
    let mut claims = if request.is_empty() { words::claims(row.claims()) } else { Vec::new() };
    claims.sort();
    let actor = row.rule.as_ref().map(v1::Rule::actor).unwrap_or_default();
    Key {
        part: Part::of(row.verdict()),
        code: row.verdict().map(words::verdict_code).unwrap_or_default(),
        request,
        claims,
        authority: row.authority.clone(),
        actor: words::word(actor.as_str_name(), "ACTOR_"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use v1::VerdictCode::{Authorised, Expired, NoBasis, TosMeasure};

    use super::*;

    pub(crate) fn rule(
        node: &str,
        target: &str,
        code: v1::VerdictCode,
        request: &str,
    ) -> v1::RuleRow {
        v1::RuleRow {
            node: node.into(),
            rule: Some(v1::Rule { actor: v1::Actor::OperatorStaff.into(), ..Default::default() }),
            target: Some(v1::Target { value: target.into(), ..Default::default() }),
            installed_at_s: 1000,
            installed_now: true,
            hits: 2,
            verdict: Some(v1::Verdict {
                code: code.into(),
                clause: Some(v1::Clause { request_id: request.into(), ..Default::default() }),
                ..Default::default()
            }),
            authority: if request.is_empty() { String::new() } else { "court".into() },
            ..v1::RuleRow::default()
        }
    }

    fn check(rules: &[v1::RuleRow], want: &[(Part, &str, u64)]) {
        let found = causes(rules, &Places::default());
        let found: Vec<(Part, &str, u64)> =
            found.iter().map(|c| (c.key.part, c.key.request.as_str(), c.rules)).collect();
        assert_eq!(found, want);
    }

    #[test]
    fn rules_with_one_cause_are_one_line_wherever_they_stand() {
        check(
            &[
                rule("edge-1", "192.0.2.1", Expired, "a"),
                rule("edge-2", "192.0.2.1", Expired, "a"),
                rule("edge-1", "192.0.2.2", Expired, "b"),
            ],
            &[(Part::OutOfTime, "a", 2), (Part::OutOfTime, "b", 1)],
        );
    }

    #[test]
    fn another_actor_or_authority_is_another_cause() {
        let mut vendor = rule("edge-1", "192.0.2.1", Expired, "a");
        vendor.rule = Some(v1::Rule { actor: v1::Actor::Vendor.into(), ..Default::default() });
        let mut police = rule("edge-1", "192.0.2.1", Expired, "a");
        police.authority = "police".into();
        let court = rule("edge-1", "192.0.2.1", Expired, "a");
        check(&[vendor, police, court], &[(Part::OutOfTime, "a", 1); 3]);
    }

    #[test]
    fn what_is_not_covered_comes_first_and_own_measures_stand_apart() {
        check(
            &[
                rule("edge-1", "a.example", TosMeasure, "tos/1"),
                rule("edge-1", "b.example", Authorised, "court/1"),
                rule("edge-1", "c.example", NoBasis, ""),
                v1::RuleRow::default(),
            ],
            &[
                (Part::NoCoveringRequest, "", 1),
                (Part::NotYetAssessed, "", 1),
                (Part::Covered, "court/1", 1),
                (Part::OwnMeasure, "tos/1", 1),
            ],
        );
    }

    #[test]
    fn without_a_request_rules_are_told_apart_by_what_they_claim() {
        let claims =
            |id: &str| vec![v1::Claim { claim: Some(v1::claim::Claim::RequestId(id.into())) }];
        let mut one = rule("edge-1", "192.0.2.1", NoBasis, "");
        one.rule = Some(v1::Rule { claims: claims("x/1"), ..Default::default() });
        let none = rule("edge-1", "192.0.2.2", NoBasis, "");
        check(&[one, none], &[(Part::NoCoveringRequest, "", 1); 2]);
    }

    #[test]
    fn a_covering_request_says_how_it_is_proved_and_of_how_many_it_came_first() {
        let covered = |before: Ternary| {
            let mut row = rule("edge-1", "192.0.2.1", Authorised, "a");
            let verdict = row.verdict.as_mut().unwrap();
            verdict.basis_proof = v1::BasisProof::Oral.into();
            verdict.registered_before_act = before.into();
            row
        };
        let check = |rules: &[v1::RuleRow], want: &str| {
            let found = causes(rules, &Places::default());
            let sentences: Vec<String> = found.iter().flat_map(Cause::sentences).collect();
            let want = format!("Proof of the request: oral. Registered before the act: {want}.");
            assert_eq!(sentences, [want]);
        };
        let (yes, no) = (covered(Ternary::Yes), covered(Ternary::No));
        check(std::slice::from_ref(&no), "NO");
        check(&[yes.clone(), yes.clone()], "yes, by the operator's word");
        check(
            &[yes.clone(), no, yes],
            "yes, by the operator's word, 2, NO 1, not known 0 of these rules",
        );
    }

    #[test]
    fn a_line_adds_up_its_rules() {
        let mut early = rule("edge-1", "192.0.2.1", Expired, "a");
        early.installed_at_s = 500;
        early.shared_hits = 3;
        early.last_hit_s = 2000;
        let late = rule("edge-2", "192.0.2.1", Expired, "a");
        let found = causes(&[late.clone(), early], &Places::default());
        let [cause] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((cause.hits, cause.shared_hits), (4, 3));
        assert_eq!((cause.since_s, cause.before_agent, cause.last_hit_s), (500, false, 2000));
        assert_eq!(cause.nodes.len(), 2);
        assert_eq!(cause.targets.to_string(), "192.0.2.1", "each once");

        let mut before = rule("edge-1", "192.0.2.1", Expired, "a");
        before.installed_at_s = 0;
        let found = causes(&[late, before], &Places::default());
        assert!(found.iter().all(|cause| cause.before_agent));
    }
}
