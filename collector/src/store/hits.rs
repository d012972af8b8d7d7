//! What rules that stand have done, added up over a run of events and written once for each rule.
//!
//! Hits of a rule that nothing has shown make a row that says so. Hits of the form in which a rule stood
//! before, told late because their window was still open, do not count for the form now. What another
//! rule may have done is counted apart, for each of them.
//!
//! Whether a hit counts depends on the rule's row. It is read when the first hit comes and kept for the
//! next run, so the hits are written, and the rows forgotten, before anything else changes a row. The counts
//! themselves lie apart ([`counts`](super::counts)).

use std::collections::HashMap;

use evidence::AgentOrigin;
use register::assessment::Facts;
use remit_proto::v1;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    NewEvent, StoreError,
    columns::decode,
    counts::{Counts, Runs},
    dictionary::{Dictionary, number, origin_row},
};

pub(super) struct Hits {
    runs: Runs,
    generations: HashMap<AgentOrigin, usize>,
    /// With its row, where it is known to have one.
    origins: Vec<(AgentOrigin, Option<i64>)>,
    /// By row of `rule_fact`, as far as rules were compared with them.
    forms: HashMap<i64, v1::Rule>,
    rules: HashMap<(usize, u64), Sum>,
    /// In the order in which they first changed.
    changed: Vec<(usize, u64)>,
    /// Of the event before.
    last: Option<usize>,
}

/// A rule's row, as far as hits concern it. There may be hundreds of thousands.
struct Sum {
    /// `None`: there is no row yet.
    row: Option<Row>,
    first: Option<Box<FirstHit>>,
    counts: Counts,
    is_changed: bool,
}

#[derive(Clone, Copy)]
struct Row {
    id: i64,
    /// `None`: nothing has shown it.
    shown: Option<Shown>,
}

#[derive(Clone, Copy)]
struct Shown {
    /// Row of `rule_fact`.
    form: i64,
    installed_at_s: i64,
}

/// What a row is made of that nothing but a hit shows.
struct FirstHit {
    rule: v1::Rule,
    target: Option<v1::Target>,
    index: u64,
    first_s: i64,
    clock_error_s: u32,
    before_act: Option<u64>,
    covered_by: u64,
}

impl Hits {
    pub(super) fn load(connection: &Connection, told_max: usize) -> Result<Self, StoreError> {
        Ok(Self {
            runs: Runs::load(connection, told_max)?,
            generations: HashMap::new(),
            origins: Vec::new(),
            forms: HashMap::new(),
            rules: HashMap::new(),
            changed: Vec::new(),
            last: None,
        })
    }

    pub(super) fn count(
        &mut self,
        connection: &Connection,
        event: &NewEvent,
    ) -> Result<(), StoreError> {
        let NewEvent { facts, hits, kind: _, detail_reduced: _, deed: _, then: _, now: _ } = event;
        let generation = self.generation(&facts.origin);
        let hits = number(*hits);
        let alone = facts.other_candidates.is_empty();
        let (sure, shared) = if alone { (hits, 0) } else { (0, hits) };
        let number = facts.rule.number;
        if self.takes(connection, generation, number, facts)? {
            let sum = self.sum(connection, generation, number)?;
            if sum.row.is_none() && sum.first.is_none() {
                sum.first = Some(Box::new(FirstHit::of(facts)));
            }
            let span = facts.span;
            let counts = &mut sum.counts;
            let fresh = counts.hits == 0 && counts.shared_hits == 0;
            counts.first_hit_s =
                if fresh { span.first_s } else { counts.first_hit_s.min(span.first_s) };
            counts.last_hit_s = counts.last_hit_s.max(span.last_s);
            counts.hits = counts.hits.saturating_add(sure);
            counts.shared_hits = counts.shared_hits.saturating_add(shared);
            if !std::mem::replace(&mut sum.is_changed, true) {
                self.changed.push((generation, number));
            }
        }
        for candidate in &facts.other_candidates {
            let sum = self.sum(connection, generation, *candidate)?;
            if sum.row.is_some() || sum.first.is_some() {
                sum.counts.shared_hits = sum.counts.shared_hits.saturating_add(shared);
                if !std::mem::replace(&mut sum.is_changed, true) {
                    self.changed.push((generation, *candidate));
                }
            }
        }
        Ok(())
    }

    /// Nothing was done yet in the form in which the rule stands from now on. Its row was forgotten before.
    pub(super) fn begin_anew(
        &mut self,
        connection: &Connection,
        rule: i64,
    ) -> Result<(), StoreError> {
        if self.runs.counts(connection, rule)? != Counts::default() {
            self.runs.set(rule, Counts::default());
        }
        Ok(())
    }

    /// Counts what was added up, and forgets the rows: they are about to change.
    pub(super) fn forget(
        &mut self,
        connection: &Connection,
        dictionary: &mut Dictionary<'_>,
    ) -> Result<(), StoreError> {
        self.add_up(connection, dictionary)?;
        self.rules.clear();
        Ok(())
    }

    /// Writes what was counted: before the transaction ends.
    pub(super) fn write(
        &mut self,
        connection: &Connection,
        dictionary: &mut Dictionary<'_>,
    ) -> Result<(), StoreError> {
        self.add_up(connection, dictionary)?;
        if self.rules.len() > ROWS_MAX {
            self.rules.clear();
        }
        if self.forms.len() > FORMS_MAX {
            self.forms.clear();
        }
        self.runs.write(connection)
    }

    fn add_up(
        &mut self,
        connection: &Connection,
        dictionary: &mut Dictionary<'_>,
    ) -> Result<(), StoreError> {
        for (generation, number) in self.changed.drain(..) {
            let Some((origin, _)) = self.origins.get(generation) else { continue };
            let Some(sum) = self.rules.get_mut(&(generation, number)) else { continue };
            if let Some(rule) = sum.row(connection, dictionary, origin, number)? {
                self.runs.set(rule, sum.counts);
            }
            sum.is_changed = false;
        }
        Ok(())
    }

    fn generation(&mut self, origin: &AgentOrigin) -> usize {
        if let Some(at) = self.last
            && self.origins.get(at).is_some_and(|(known, _)| known == origin)
        {
            return at;
        }
        let at = match self.generations.get(origin) {
            Some(at) => *at,
            None => {
                let at = self.origins.len();
                self.origins.push((origin.clone(), None));
                self.generations.insert(origin.clone(), at);
                at
            }
        };
        self.last = Some(at);
        at
    }

    fn sum(
        &mut self,
        connection: &Connection,
        generation: usize,
        rule: u64,
    ) -> Result<&mut Sum, StoreError> {
        let Self { origins, rules, runs, .. } = self;
        match rules.entry((generation, rule)) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                let (origin, row) =
                    origins.get_mut(generation).ok_or(StoreError::Damaged { what: "origin" })?;
                if row.is_none() {
                    *row = origin_row(connection, origin)?;
                }
                Ok(vacant.insert(Sum::read(connection, runs, *row, rule)?))
            }
        }
    }

    /// Whether what the rule did counts for the form in which it stands.
    fn takes(
        &mut self,
        connection: &Connection,
        generation: usize,
        rule: u64,
        facts: &Facts,
    ) -> Result<bool, StoreError> {
        let row = self.sum(connection, generation, rule)?.row;
        let Some(Shown { form, installed_at_s }) = row.and_then(|row| row.shown) else {
            return Ok(true);
        };
        let known = match self.forms.entry(form) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(read_form(connection, form)?)
            }
        };
        Ok(installed_at_s <= facts.span.last_s && are_alike(known, &facts.rule))
    }
}

fn read_form(connection: &Connection, form: i64) -> Result<v1::Rule, StoreError> {
    let mut statement = connection.prepare_cached("SELECT rule FROM rule_fact WHERE id = ?1")?;
    let bytes: Vec<u8> = statement.query_row([form], |row| row.get(0))?;
    decode(&bytes, "rule_fact.rule")
}

/// But for the number, which is not part of a form.
fn are_alike(one: &v1::Rule, other: &v1::Rule) -> bool {
    let v1::Rule {
        number: _,
        source,
        technique,
        trigger,
        direction,
        actor,
        claims,
        claim_origin,
        narrowed,
        counted,
        names_sampled,
        rate_bits_per_s,
    } = one;
    *source == other.source
        && *technique == other.technique
        && *trigger == other.trigger
        && *direction == other.direction
        && *actor == other.actor
        && *claims == other.claims
        && *claim_origin == other.claim_origin
        && *narrowed == other.narrowed
        && *counted == other.counted
        && *names_sampled == other.names_sampled
        && *rate_bits_per_s == other.rate_bits_per_s
}

/// Rows that are kept; more are read again.
const ROWS_MAX: usize = 200_000;
/// The same of forms.
const FORMS_MAX: usize = 50_000;

impl FirstHit {
    fn of(facts: &Facts) -> Self {
        Self {
            rule: facts.rule.clone(),
            target: facts.target.clone(),
            index: facts.index,
            first_s: facts.span.first_s,
            clock_error_s: facts.span.clock_error_s,
            before_act: facts.before_act,
            covered_by: facts.covered_by,
        }
    }
}

impl Sum {
    fn read(
        connection: &Connection,
        runs: &Runs,
        origin: Option<i64>,
        rule: u64,
    ) -> Result<Self, StoreError> {
        let found = connection
            .prepare_cached(
                "SELECT id, shown, fact, installed_at_s FROM rule
                 WHERE origin = ?1 AND number = ?2",
            )?
            .query_row(params![origin, rule.cast_signed()], |row| {
                let shown: bool = row.get(1)?;
                let stands = Shown { form: row.get(2)?, installed_at_s: row.get(3)? };
                Ok(Row { id: row.get(0)?, shown: shown.then_some(stands) })
            })
            .optional()?;
        let counts = match &found {
            Some(row) => runs.counts(connection, row.id)?,
            None => Counts::default(),
        };
        Ok(Self { row: found, first: None, counts, is_changed: false })
    }

    /// The rule's row, which is made if it was not there.
    fn row(
        &mut self,
        connection: &Connection,
        dictionary: &mut Dictionary<'_>,
        origin: &AgentOrigin,
        rule: u64,
    ) -> Result<Option<i64>, StoreError> {
        if let Some(first) = self.first.take() {
            let origin = dictionary.origin(origin)?;
            let fact = dictionary.form(&first.rule)?;
            let target = dictionary.target(first.target.as_ref())?;
            connection
                .prepare_cached(
                    "INSERT INTO rule (origin, number, source, fact, target, shown, shown_by,
                         first_shown_s, shown_at_s, clock_error_s, before_act, covered_by,
                         installed_now)
                     VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?7, ?8, ?9, ?10, 0)",
                )?
                .execute(params![
                    origin,
                    rule.cast_signed(),
                    first.rule.source,
                    fact,
                    target,
                    number(first.index),
                    first.first_s,
                    first.clock_error_s,
                    first.before_act.map(number),
                    number(first.covered_by),
                ])?;
            self.row = Some(Row { id: connection.last_insert_rowid(), shown: None });
        }
        Ok(self.row.as_ref().map(|row| row.id))
    }
}
