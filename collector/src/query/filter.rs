//! The one typed filter: from the wire with every field checked, and into the words of the index.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{NodeId, RequestId};
use register::{DutyFinding, Known, Relation, Target, relation, words};
use remit_proto::v1;

use super::{
    Scene,
    error::{QueryError, invalid},
    veil::Veil,
};
use crate::store::EventQuery;

/// Longer lists are no filter.
const LIST_MAX: usize = 1000;
/// No request can be called this.
const NO_REQUEST: &str = "?";
/// A refusal names so many that are known.
const NAMED_MAX: usize = 20;

#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// Half-open; 0: unbounded.
    pub(super) since_s: i64,
    pub(super) until_s: i64,
    pub(super) nodes: Vec<String>,
    pub(super) target: Option<Target>,
    pub(super) techniques: Vec<i32>,
    pub(super) requests: Vec<String>,
    /// The same of rows that show a target.
    beside_targets: Vec<String>,
    pub(super) authorities: Vec<String>,
    /// What the verdict must be: any of these six, if one of them names anything.
    pub(super) verdicts: Vec<i32>,
    undetermined: Vec<i32>,
    added: Vec<i32>,
    duties: Vec<i32>,
    integrity: Vec<i32>,
    entries: Vec<i32>,
    /// By code, the details that are asked for, where not all are.
    details: BTreeMap<String, Vec<String>>,
    /// 0: now.
    pub(super) as_known_at_s: i64,
}

impl Filter {
    pub(super) fn parse(wire: Option<v1::Filter>) -> Result<Self, QueryError> {
        let v1::Filter {
            since_s,
            until_s,
            nodes,
            target,
            techniques,
            requests,
            authorities,
            verdicts,
            undetermined,
            added,
            duties,
            integrity,
            entries,
            as_known_at_s,
            in_full,
        } = wire.unwrap_or_default();
        if as_known_at_s < 0 {
            return Err(invalid("filter.as_known_at_s", "seconds since 1970, or 0 for now"));
        }
        if since_s < 0 || until_s < 0 {
            let field = if since_s < 0 { "filter.since_s" } else { "filter.until_s" };
            return Err(invalid(field, "seconds since 1970, or 0 for no bound"));
        }
        if until_s != 0 && until_s <= since_s {
            let (since, until) = (words::time(since_s), words::time(until_s));
            let problem = format!("{until} is not after filter.since_s, {since}");
            return Err(invalid("filter.until_s", problem));
        }
        for (field, count) in [
            ("filter.nodes", nodes.len()),
            ("filter.techniques", techniques.len()),
            ("filter.requests", requests.len()),
            ("filter.authorities", authorities.len()),
            ("filter.verdicts", verdicts.len()),
            ("filter.undetermined", undetermined.len()),
            ("filter.added", added.len()),
            ("filter.duties", duties.len()),
            ("filter.integrity", integrity.len()),
            ("filter.entries", entries.len()),
            ("filter.in_full", in_full.len()),
        ] {
            if count > LIST_MAX {
                return Err(invalid(field, format!("at most {LIST_MAX} values")));
            }
        }
        for node in &nodes {
            node.parse::<NodeId>().map_err(|e| invalid("filter.nodes", e.to_string()))?;
        }
        for request in &requests {
            request.parse::<RequestId>().map_err(|e| invalid("filter.requests", e.to_string()))?;
        }
        for technique in &techniques {
            known::<v1::Technique>(*technique, "filter.techniques")?;
        }
        for verdict in &verdicts {
            known::<v1::VerdictCode>(*verdict, "filter.verdicts")?;
        }
        for reason in &undetermined {
            known::<v1::UndeterminedReason>(*reason, "filter.undetermined")?;
        }
        for finding in &added {
            known::<v1::AddedFinding>(*finding, "filter.added")?;
        }
        for duty in &duties {
            known::<v1::DutyCode>(*duty, "filter.duties")?;
        }
        for code in &integrity {
            known::<v1::IntegrityCode>(*code, "filter.integrity")?;
        }
        for code in &entries {
            known::<v1::EntryCode>(*code, "filter.entries")?;
        }
        let mut details: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for text in &in_full {
            let parts = text.strip_suffix(')').and_then(|text| text.split_once('('));
            let (code, detail) = parts.filter(|(code, _)| !code.is_empty()).ok_or_else(|| {
                invalid(
                    "filter.in_full",
                    "a code, and its detail in brackets: MISSING_ELEMENT(redress)",
                )
            })?;
            details.entry(code.to_owned()).or_default().push(detail.to_owned());
        }
        let target = match target.as_str() {
            "" => None,
            text => Some(
                Target::guess(text).map_err(|error| invalid("filter.target", error.to_string()))?.0,
            ),
        };
        Ok(Self {
            since_s,
            until_s,
            nodes,
            target,
            techniques,
            beside_targets: requests.clone(),
            requests,
            authorities,
            verdicts,
            undetermined,
            added,
            duties,
            integrity,
            entries,
            details,
            as_known_at_s,
        })
    }

    /// The question as this reader can ask it: what is hidden answers to no name, as if there were none, and
    /// what hides its targets finds none.
    pub(super) fn seen_through(mut self, veil: &Veil) -> Self {
        for id in self.requests.iter_mut().filter(|id| veil.hides(id)) {
            NO_REQUEST.clone_into(id);
        }
        for id in self.beside_targets.iter_mut().filter(|id| veil.hides_targets(id)) {
            NO_REQUEST.clone_into(id);
        }
        self
    }

    /// What was mistyped has no rows, and "no findings" would be believed.
    pub(super) fn check_names(&self, scene: &Scene) -> Result<(), QueryError> {
        if !self.nodes.is_empty() {
            let declared = scene.inventory.iter().map(|facts| facts.node.as_str());
            let enrolled = scene.generations.iter().map(|generation| generation.node.as_str());
            let known = declared.chain(enrolled).collect();
            all_known("filter.nodes", "node", &self.nodes, &known, "remit nodes list")?;
        }
        check_authorities("filter.authorities", &self.authorities, scene)
    }

    /// The same question to the index.
    pub(super) fn event_query(&self, scene: &Scene) -> EventQuery {
        let speaking = (!self.authorities.is_empty()).then(|| {
            let register = scene.register();
            let of = |entry: &register::Entry<'_>| {
                let authority = register.authority(entry);
                self.authorities.iter().any(|wanted| wanted == authority)
                    && !scene.veil.hides_targets(entry.id().as_str())
            };
            register.requests().filter(of).map(|entry| entry.id().to_string()).collect()
        });
        EventQuery {
            known_at: scene.known_at(),
            since_s: self.since_s,
            until_s: self.until_s,
            nodes: self.nodes.clone(),
            target: self.target.clone(),
            techniques: self.techniques.clone(),
            requests: self.beside_targets.clone(),
            speaking,
            codes: self.codes(),
            with_changes: false,
        }
    }

    /// Codes outside of which [`Self::takes_code`] takes nothing; empty: there is no such bound.
    fn codes(&self) -> Vec<i32> {
        if self.takes_any_code() || !self.added.is_empty() {
            return Vec::new();
        }
        let mut codes = self.verdicts.clone();
        if !self.undetermined.is_empty() {
            codes.push(v1::VerdictCode::Undetermined.into());
        }
        if codes.is_empty() {
            // Duties and findings about nodes alone: no event has this one.
            codes.push(v1::VerdictCode::Unspecified.into());
        }
        codes
    }

    fn takes_any_code(&self) -> bool {
        let Self { verdicts, undetermined, added, duties, integrity, entries, .. } = self;
        let all = [verdicts, undetermined, added, duties, integrity, entries];
        all.iter().all(|codes| codes.is_empty())
    }

    /// Whether the index alone cannot tell what [`Self::takes_code`] takes.
    pub(super) fn looks_into_verdicts(&self) -> bool {
        !self.undetermined.is_empty() || !self.added.is_empty()
    }

    pub(super) fn takes_code(&self, verdict: &v1::Verdict) -> bool {
        let undetermined = verdict.code() == v1::VerdictCode::Undetermined;
        self.takes_any_code()
            || self.verdicts.contains(&verdict.code)
            || verdict.besides.iter().any(|failure| self.verdicts.contains(&failure.code))
            || (undetermined && self.undetermined.contains(&verdict.undetermined))
            || verdict.added.iter().any(|added| self.added.contains(added))
    }

    pub(super) fn takes_duty_code(&self, code: v1::DutyCode) -> bool {
        self.takes_any_code() || self.duties.contains(&code.into())
    }

    pub(super) fn takes_duty(&self, finding: DutyFinding) -> bool {
        self.takes_any_code()
            || match finding {
                DutyFinding::Is(code) => self.duties.contains(&code.into()),
                DutyFinding::Undetermined => {
                    self.verdicts.contains(&v1::VerdictCode::Undetermined.into())
                }
            }
    }

    pub(super) fn takes_entry_code(&self, code: v1::EntryCode) -> bool {
        self.takes_any_code() || self.entries.contains(&code.into())
    }

    /// A finding whose code is taken, as the reader sees it.
    pub(super) fn takes_detail(&self, row: &v1::FindingRow) -> bool {
        let Some(details) = self.details.get(&row.code) else { return true };
        let reason = row.verdict.as_ref().map(|verdict| verdict.undetermined);
        details.iter().any(|detail| detail.eq_ignore_ascii_case(&row.detail))
            || reason.is_some_and(|reason| self.undetermined.contains(&reason))
    }

    /// A finding about a request, whatever its code.
    pub(super) fn takes_request(&self, id: &str, authority: &str) -> bool {
        (self.requests.is_empty() || self.requests.iter().any(|wanted| wanted == id))
            && (self.authorities.is_empty()
                || self.authorities.iter().any(|wanted| wanted == authority))
    }

    /// A finding about a node itself.
    pub(super) fn takes_integrity(&self, node: &str, code: v1::IntegrityCode, at_s: i64) -> bool {
        let asks_for_rules = self.target.is_some()
            || !(self.techniques.is_empty()
                && self.requests.is_empty()
                && self.authorities.is_empty());
        !asks_for_rules
            && self.takes_node(node)
            && self.takes_time(at_s)
            && (self.takes_any_code() || self.integrity.contains(&code.into()))
    }

    /// The same question about verdicts of any kind and of any request.
    pub(super) fn whatever_the_verdict(&self) -> Self {
        Self {
            requests: Vec::new(),
            beside_targets: Vec::new(),
            authorities: Vec::new(),
            verdicts: Vec::new(),
            undetermined: Vec::new(),
            added: Vec::new(),
            duties: Vec::new(),
            integrity: Vec::new(),
            entries: Vec::new(),
            ..self.clone()
        }
    }

    pub(super) fn takes_node(&self, node: &str) -> bool {
        self.nodes.is_empty() || self.nodes.iter().any(|n| n == node)
    }

    /// By an instant; 0 is "never".
    pub(super) fn takes_time(&self, at_s: i64) -> bool {
        let bounded = self.since_s != 0 || self.until_s != 0;
        !bounded
            || (at_s != 0 && at_s >= self.since_s && (self.until_s == 0 || at_s < self.until_s))
    }

    /// By the verdict and what is claimed beside it, as the reader sees both.
    pub(super) fn takes_verdict(
        &self,
        verdict: &v1::Verdict,
        claims: &[v1::Claim],
        authority: &str,
    ) -> bool {
        let speaks = verdict.clause.as_ref().map_or("", |clause| clause.request_id.as_str());
        let later = verdict.attributed.iter().flat_map(|attributed| &attributed.claims);
        let takes_request = |wanted: &String| {
            let mut claims = claims.iter().chain(later.clone());
            wanted == speaks || claims.any(|claim| claims_request(claim, wanted))
        };
        self.takes_code(verdict)
            && (self.beside_targets.is_empty() || self.beside_targets.iter().any(takes_request))
            && (self.authorities.is_empty()
                || self.authorities.iter().any(|wanted| wanted == authority))
    }

    pub(super) fn takes_technique(&self, technique: i32) -> bool {
        self.techniques.is_empty() || self.techniques.contains(&technique)
    }

    pub(super) fn takes_target(&self, target: Option<&v1::Target>) -> bool {
        self.target
            .as_ref()
            .is_none_or(|wanted| target.is_some_and(|target| touches(wanted, target)))
    }
}

/// Each must stand behind some request.
pub(super) fn check_authorities(
    field: &'static str,
    named: &[String],
    scene: &Scene,
) -> Result<(), QueryError> {
    if named.is_empty() {
        return Ok(());
    }
    let register = scene.register();
    let ids = register.requests().map(|entry| register.authority(&entry));
    let known = ids.filter(|id| !id.is_empty()).collect();
    all_known(field, "authority", named, &known, "remit requests list")
}

fn all_known(
    field: &'static str,
    what: &str,
    named: &[String],
    known: &BTreeSet<&str>,
    command: &str,
) -> Result<(), QueryError> {
    let Some(unknown) = named.iter().find(|name| !known.contains(name.as_str())) else {
        return Ok(());
    };
    let mut some: Vec<&str> = known.iter().copied().take(NAMED_MAX).collect();
    if known.len() > some.len() {
        some.push("...");
    }
    let some = if some.is_empty() { "none".to_owned() } else { some.join(", ") };
    let problem = format!("no {what} {unknown:?} is known; known: {some} (`{command}` shows all)");
    Err(invalid(field, problem))
}

pub(super) fn claims_request(claim: &v1::Claim, id: &str) -> bool {
    matches!(&claim.claim, Some(v1::claim::Claim::RequestId(claimed)) if claimed == id)
}

/// Equal, containing, contained or overlapping.
pub(super) fn touches(wanted: &Target, held: &v1::Target) -> bool {
    match Known::from_wire(Some(held)) {
        Known::Known(held) => relation(wanted, &held) != Relation::Disjoint,
        Known::Erased | Known::NotUnderstood => false,
    }
}

fn known<E: TryFrom<i32>>(value: i32, field: &'static str) -> Result<E, QueryError> {
    let refused = || invalid(field, format!("{value} is not a value of this version"));
    if value == 0 {
        return Err(refused());
    }
    E::try_from(value).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field_of(filter: v1::Filter) -> &'static str {
        match Filter::parse(Some(filter)) {
            Err(QueryError::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_refused_filter_names_its_field() {
        let d = v1::Filter::default;
        assert_eq!(field_of(v1::Filter { since_s: -1, ..d() }), "filter.since_s");
        assert_eq!(field_of(v1::Filter { since_s: 9, until_s: 9, ..d() }), "filter.until_s");
        let backwards = v1::Filter { since_s: 1_767_225_600, until_s: 1_767_225_599, ..d() };
        let said = Filter::parse(Some(backwards)).unwrap_err().to_string();
        assert_eq!(
            said,
            "filter.until_s: 2025-12-31T23:59:59Z is not after filter.since_s, 2026-01-01T00:00:00Z"
        );
        assert_eq!(field_of(v1::Filter { nodes: vec!["A".into()], ..d() }), "filter.nodes");
        assert_eq!(field_of(v1::Filter { target: "a b".into(), ..d() }), "filter.target");
        assert_eq!(field_of(v1::Filter { techniques: vec![0], ..d() }), "filter.techniques");
        assert_eq!(field_of(v1::Filter { requests: vec!["?".into()], ..d() }), "filter.requests");
        assert_eq!(field_of(v1::Filter { verdicts: vec![99], ..d() }), "filter.verdicts");
    }

    #[test]
    fn an_empty_filter_takes_everything() {
        let filter = Filter::parse(None).unwrap();
        assert!(filter.takes_node("r1") && filter.takes_time(0) && filter.takes_target(None));
        assert!(filter.takes_verdict(&v1::Verdict::default(), &[], ""));
    }
}
