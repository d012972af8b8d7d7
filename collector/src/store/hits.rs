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
    counts::{Counts, Runs},
    dictionary::{Dictionary, form_of, number},
};

pub(super) struct Hits {
    runs: Runs,
    generations: HashMap<AgentOrigin, usize>,
    origins: Vec<AgentOrigin>,
    rules: HashMap<(usize, u64), Sum>,
    /// In the order in which they first changed.
    changed: Vec<(usize, u64)>,
    /// Of the event before.
    last: Option<usize>,
}

/// A rule's row, as far as hits concern it.
struct Sum {
    /// `None`: there is no row yet.
    row: Option<Row>,
    first: Option<FirstHit>,
    counts: Counts,
    is_changed: bool,
}

struct Row {
    id: i64,
    shown: bool,
    form: Vec<u8>,
    installed_at_s: i64,
    /// The rule as the hit before had it, and whether the rule stands in it.
    compared: Option<(v1::Rule, bool)>,
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
        let sum = self.sum(connection, generation, number)?;
        if sum.takes(facts) {
            if sum.row.is_none() && sum.first.is_none() {
                sum.first = Some(FirstHit::of(facts));
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
        self.runs.write(connection)
    }

    fn add_up(
        &mut self,
        connection: &Connection,
        dictionary: &mut Dictionary<'_>,
    ) -> Result<(), StoreError> {
        for (generation, number) in self.changed.drain(..) {
            let Some(origin) = self.origins.get(generation) else { continue };
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
            && self.origins.get(at) == Some(origin)
        {
            return at;
        }
        let at = match self.generations.get(origin) {
            Some(at) => *at,
            None => {
                let at = self.origins.len();
                self.origins.push(origin.clone());
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
                let origin =
                    origins.get(generation).ok_or(StoreError::Damaged { what: "origin" })?;
                Ok(vacant.insert(Sum::read(connection, runs, origin, rule)?))
            }
        }
    }
}

/// Rows that are kept; more are read again.
const ROWS_MAX: usize = 200_000;

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
        origin: &AgentOrigin,
        rule: u64,
    ) -> Result<Self, StoreError> {
        let found = connection
            .prepare_cached(
                "SELECT shown, rule_fact.rule, installed_at_s, rule.id
                 FROM rule JOIN rule_fact ON rule_fact.id = fact
                 WHERE node = ?1 AND generation = ?2 AND number = ?3",
            )?
            .query_row(
                params![origin.node.as_str(), origin.generation.to_string(), rule.cast_signed()],
                |row| {
                    Ok(Row {
                        id: row.get(3)?,
                        shown: row.get(0)?,
                        form: row.get(1)?,
                        installed_at_s: row.get(2)?,
                        compared: None,
                    })
                },
            )
            .optional()?;
        let counts = match &found {
            Some(row) => runs.counts(connection, row.id)?,
            None => Counts::default(),
        };
        Ok(Self { row: found, first: None, counts, is_changed: false })
    }

    fn takes(&mut self, facts: &Facts) -> bool {
        let Some(Row { id: _, shown, form, installed_at_s, compared }) = &mut self.row else {
            return true;
        };
        if !*shown {
            return true;
        }
        let same = match compared {
            Some((before, same)) if *before == facts.rule => *same,
            _ => {
                let same = form_of(&facts.rule) == *form;
                *compared = Some((facts.rule.clone(), same));
                same
            }
        };
        same && *installed_at_s <= facts.span.last_s
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
            let fact = dictionary.form(&first.rule)?;
            let target = dictionary.target(first.target.as_ref())?;
            connection
                .prepare_cached(
                    "INSERT INTO rule (node, generation, number, operator, source, fact, target,
                         shown, shown_by, first_shown_s, shown_at_s, clock_error_s, before_act,
                         covered_by, installed_now)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?9, ?10, ?11, ?12, 0)",
                )?
                .execute(params![
                    origin.node.as_str(),
                    origin.generation.to_string(),
                    rule.cast_signed(),
                    origin.operator.as_str(),
                    first.rule.source,
                    fact,
                    target,
                    number(first.index),
                    first.first_s,
                    first.clock_error_s,
                    first.before_act.map(number),
                    number(first.covered_by),
                ])?;
            self.row = Some(Row {
                id: connection.last_insert_rowid(),
                shown: false,
                form: Vec::new(),
                installed_at_s: 0,
                compared: None,
            });
        }
        Ok(self.row.as_ref().map(|row| row.id))
    }
}
