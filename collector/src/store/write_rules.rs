//! Writing which rules stand.

use evidence::AgentOrigin;
use register::{duties::Begun, is_deed};
use remit_proto::v1::SourceKind;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    RuleId, ShownRule, StoreError,
    dictionary::{Dictionary, json, number},
    hits::Hits,
};

pub(super) fn show_rule(
    connection: &Connection,
    dictionary: &mut Dictionary<'_>,
    hits: &mut Hits,
    shown: &ShownRule,
    begun: Begun,
) -> Result<(), StoreError> {
    let ShownRule { facts, native: _, installed_at_s, shown_at_s: _ } = shown;
    let origin = dictionary.origin(&facts.origin)?;
    let fact = dictionary.form(&facts.rule)?;
    let target = dictionary.target(facts.target.as_ref())?;
    let before = Before::read(connection, origin, facts.rule.number)?;
    if is_deed(&facts.rule) {
        end_elsewhere(connection, shown)?;
    }
    let installed_at_s = installed_at_s.unwrap_or(0);
    let Some(before) = before else {
        let row = Row { origin, fact, target, installed_at_s };
        let rule = row.insert(connection, shown)?;
        return begin_standing(connection, rule, row, shown, begun);
    };
    // What was known of its installation stays known, unless the rule had gone and came back, or
    // stands in another form (other claims, another technique, another target): then since when it
    // stands, and what it has done since, begin anew. Its hits before stay in `event`. A target that
    // is withheld this time stays what it was.
    let is_same = before.is_same(fact, target);
    if before.shown && !is_same {
        hits.begin_anew(connection, before.id)?;
    }
    let row = Row {
        origin,
        fact,
        target: if is_same { before.target } else { target },
        installed_at_s: match is_same && before.shown {
            true => before.installed_at_s,
            false => installed_at_s,
        },
    };
    row.update(connection, before.id, shown)?;
    let begun = end_standing(connection, before.id, row, shown, begun)?;
    let stands: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM standing WHERE rule = ?1 AND ended_by IS NULL)",
        )?
        .query_row([before.id], |row| row.get(0))?;
    match stands {
        true => Ok(()),
        false => begin_standing(connection, before.id, row, shown, begun),
    }
}

/// Before all rules of a source were listed once, nobody knows of any since when it stands.
pub(super) fn begun_of_change(
    connection: &Connection,
    shown: &ShownRule,
) -> Result<Begun, StoreError> {
    let ShownRule { facts, .. } = shown;
    let (node, generation) = (facts.origin.node.as_str(), facts.origin.generation.to_string());
    let listed =
        is_deed(&facts.rule) || is_listed(connection, node, &generation, facts.rule.source)?;
    Ok(if listed { Begun::Seen } else { Begun::Before })
}

/// All rules of the source were listed once in this generation.
fn is_listed(
    connection: &Connection,
    node: &str,
    generation: &str,
    source: i32,
) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM snapshot
             WHERE node = ?1 AND generation = ?2 AND source = ?3)",
    )?;
    Ok(statement.query_row(params![node, generation, source], |row| row.get(0))?)
}

/// The row of a rule, before it is shown once more.
struct Before {
    id: i64,
    fact: i64,
    target: Option<i64>,
    shown: bool,
    installed_now: bool,
    installed_at_s: i64,
}

impl Before {
    fn read(connection: &Connection, origin: i64, rule: u64) -> Result<Option<Self>, StoreError> {
        let found = connection
            .prepare_cached(
                "SELECT id, fact, target, shown, installed_now, installed_at_s FROM rule
                 WHERE origin = ?1 AND number = ?2",
            )?
            .query_row(params![origin, rule.cast_signed()], |row| {
                Ok(Self {
                    id: row.get(0)?,
                    fact: row.get(1)?,
                    target: row.get(2)?,
                    shown: row.get(3)?,
                    installed_now: row.get(4)?,
                    installed_at_s: row.get(5)?,
                })
            });
        Ok(found.optional()?)
    }

    /// It stands, in this form; a target that is withheld now is no other one.
    fn is_same(&self, fact: i64, target: Option<i64>) -> bool {
        let same_target = target.is_none() || target == self.target;
        self.installed_now && self.fact == fact && same_target
    }
}

/// What a rule's row becomes, beside what is in the [`ShownRule`].
#[derive(Clone, Copy)]
struct Row {
    origin: i64,
    fact: i64,
    target: Option<i64>,
    installed_at_s: i64,
}

impl Row {
    fn insert(self, connection: &Connection, shown: &ShownRule) -> Result<i64, StoreError> {
        let Self { origin, fact, target, installed_at_s } = self;
        let ShownRule { facts, native, installed_at_s: _, shown_at_s } = shown;
        connection
            .prepare_cached(
                "INSERT INTO rule (origin, number, source, fact, target, native, shown, shown_by,
                     first_shown_s, shown_at_s, clock_error_s, before_act, covered_by,
                     installed_at_s, installed_now)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?8, ?8, ?9, ?10, ?11, ?12, 1)",
            )?
            .execute(params![
                origin,
                facts.rule.number.cast_signed(),
                facts.rule.source,
                fact,
                target,
                native,
                number(facts.index),
                shown_at_s,
                facts.span.clock_error_s,
                facts.before_act.map(number),
                number(facts.covered_by),
                installed_at_s,
            ])?;
        Ok(connection.last_insert_rowid())
    }

    fn update(
        self,
        connection: &Connection,
        rule: i64,
        shown: &ShownRule,
    ) -> Result<(), StoreError> {
        let Self { origin: _, fact, target, installed_at_s } = self;
        let ShownRule { facts, native, installed_at_s: _, shown_at_s } = shown;
        connection
            .prepare_cached(
                "UPDATE rule SET fact = ?2, target = ?3,
                     native = CASE ?4 WHEN '' THEN native ELSE ?4 END, shown = 1, shown_by = ?5,
                     shown_at_s = ?6, clock_error_s = ?7, before_act = ?8, covered_by = ?9,
                     installed_at_s = ?10, removed_at_s = NULL, installed_now = 1
                 WHERE id = ?1",
            )?
            .execute(params![
                rule,
                fact,
                target,
                native,
                number(facts.index),
                shown_at_s,
                facts.span.clock_error_s,
                facts.before_act.map(number),
                number(facts.covered_by),
                installed_at_s,
            ])?;
        Ok(())
    }
}

/// In another form than this it does not stand any more. Out: how it begins to stand in this one.
fn end_standing(
    connection: &Connection,
    rule: i64,
    row: Row,
    shown: &ShownRule,
    begun: Begun,
) -> Result<Begun, StoreError> {
    let Row { origin: _, fact, target, installed_at_s: _ } = row;
    // A target that was withheld before and is seen now is no other form.
    let opened: bool = begun == Begun::Untold
        && connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM standing
                 WHERE rule = ?1 AND ended_by IS NULL AND fact = ?2 AND target IS NULL)",
            )?
            .query_row([rule, fact], |row| row.get(0))?;
    connection
        .prepare_cached(
            "UPDATE standing SET ended_by = ?2, ended_at_s = max(at_s, ?4)
             WHERE rule = ?1 AND ended_by IS NULL AND (fact <> ?3 OR target IS NOT ?5)",
        )?
        .execute(params![rule, number(shown.facts.covered_by), fact, shown.shown_at_s, target])?;
    Ok(if opened { Begun::Found } else { begun })
}

/// From here on the log tells that the rule stands in this form.
fn begin_standing(
    connection: &Connection,
    rule: i64,
    row: Row,
    shown: &ShownRule,
    begun: Begun,
) -> Result<(), StoreError> {
    let Row { origin: _, fact, target, installed_at_s } = row;
    let ShownRule { facts, native, installed_at_s: _, shown_at_s } = shown;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO standing
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, NULL, ?11, NULL, 0)",
        )?
        .execute(params![
            rule,
            number(facts.covered_by),
            number(facts.index),
            fact,
            target,
            native,
            shown_at_s,
            facts.span.clock_error_s,
            facts.before_act.map(number),
            installed_at_s,
            number_of(begun),
        ])?;
    Ok(())
}

fn number_of(begun: Begun) -> i64 {
    match begun {
        Begun::Seen => 1,
        Begun::Found => 2,
        Begun::Before => 3,
        Begun::Untold => 4,
    }
}

pub(super) fn begun_from(number: i64) -> Option<Begun> {
    let all = [Begun::Seen, Begun::Found, Begun::Before, Begun::Untold];
    all.into_iter().find(|begun| number_of(*begun) == number)
}

/// Rules of the catalog that the log tells do not stand any more. `which` is a condition on `rule` with
/// parameters from 4 on; 1 is the log entry, 2 the time of removal, where it is known, 3 when it was told of.
fn end(
    connection: &Connection,
    which: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<(), StoreError> {
    connection
        .prepare_cached(&format!(
            "UPDATE standing SET ended_by = ?1, ended_at_s = max(at_s, coalesce(?2, ?3))
             WHERE ended_by IS NULL AND rule IN (SELECT id FROM rule WHERE {which})"
        ))?
        .execute(values)?;
    connection
        .prepare_cached(&format!(
            "UPDATE rule SET installed_now = 0, removed_at_s = coalesce(?2, removed_at_s)
             WHERE {which}"
        ))?
        .execute(values)?;
    Ok(())
}

/// A deed has one number in all generations: the newest tells of it, and of its end.
fn end_elsewhere(connection: &Connection, shown: &ShownRule) -> Result<(), StoreError> {
    let ShownRule { facts, native: _, installed_at_s: _, shown_at_s } = shown;
    let (node, generation) = (facts.origin.node.as_str(), facts.origin.generation.to_string());
    let (covered_by, rule) = (number(facts.covered_by), facts.rule.number.cast_signed());
    end(
        connection,
        "origin IN (SELECT id FROM origin WHERE node = ?4 AND generation <> ?6)
             AND number = ?5 AND installed_now = 1",
        params![covered_by, None::<i64>, shown_at_s, node, rule, generation],
    )
}

pub(super) fn remove_rule(
    connection: &Connection,
    rule: &RuleId,
    at_s: i64,
    covered_by: u64,
) -> Result<(), StoreError> {
    let which =
        "origin = (SELECT id FROM origin WHERE node = ?4 AND generation = ?5) AND number = ?6";
    end_rule(connection, which, rule, at_s, covered_by)
}

/// A deed has one number in all generations: its end may be the first that a new one tells of it.
pub(super) fn end_deed(
    connection: &Connection,
    rule: &RuleId,
    at_s: i64,
    covered_by: u64,
) -> Result<(), StoreError> {
    let which = "origin IN (SELECT id FROM origin
             WHERE node = ?4 AND (generation = ?5 OR rule.installed_now = 1)) AND number = ?6";
    end_rule(connection, which, rule, at_s, covered_by)
}

/// `which` of this name: 4 is its node, 5 its generation, 6 its number.
fn end_rule(
    connection: &Connection,
    which: &str,
    rule: &RuleId,
    at_s: i64,
    covered_by: u64,
) -> Result<(), StoreError> {
    let RuleId { node, generation, number: rule } = rule;
    let (covered_by, rule) = (number(covered_by), rule.cast_signed());
    end(connection, which, params![covered_by, at_s, at_s, node, generation, rule])
}

/// All rules of one source at an instant.
pub(super) struct Snapshot<'s> {
    pub(super) origin: &'s AgentOrigin,
    pub(super) source: i32,
    pub(super) at_s: i64,
    pub(super) rules: &'s [ShownRule],
    pub(super) unstable: bool,
    pub(super) control: bool,
    pub(super) covered_by: u64,
}

/// An agent begins, and has not looked yet: of what the node had shown until then it is not known that it stands.
/// A person lists nothing.
pub(super) fn begin_unread(
    connection: &Connection,
    origin: &AgentOrigin,
    at_s: i64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO unread
             SELECT ?1, told.source, ?2, NULL
             FROM (SELECT source FROM snapshot WHERE node = ?1
                   UNION SELECT source FROM rule
                   WHERE origin IN (SELECT id FROM origin WHERE node = ?1) AND installed_now = 1) told
             WHERE told.source <> ?3 AND NOT EXISTS (
                 SELECT 1 FROM unread
                 WHERE node = ?1 AND source = told.source AND until_s IS NULL)",
        )?
        .execute(params![origin.node.as_str(), at_s, i32::from(SourceKind::Person)])?;
    Ok(())
}

/// A rule that a generation lists in part is the one that those before had shown in the same form: of several the
/// first, so that none stands twice and none is lost.
fn take_over(
    connection: &Connection,
    dictionary: &mut Dictionary<'_>,
    snapshot: &Snapshot<'_>,
) -> Result<(), StoreError> {
    let Snapshot { origin, source, at_s, rules, covered_by, .. } = snapshot;
    let (node, generation) = (origin.node.as_str(), origin.generation.to_string());
    for shown in *rules {
        let fact = dictionary.form(&shown.facts.rule)?;
        let Some(target) = dictionary.target(shown.facts.target.as_ref())? else { continue };
        let own = dictionary.origin(&shown.facts.origin)?;
        let known = Before::read(connection, own, shown.facts.rule.number)?;
        if known.is_some_and(|known| known.is_same(fact, Some(target))) {
            continue;
        }
        end(
            connection,
            "id = (SELECT rule.id FROM rule JOIN origin ON origin.id = rule.origin
                 WHERE target = ?8 AND node = ?4 AND generation <> ?6 AND source = ?5 AND fact = ?7
                     AND installed_now = 1
                 ORDER BY generation, number LIMIT 1)",
            params![number(*covered_by), None::<i64>, at_s, node, source, generation, fact, target],
        )?;
    }
    Ok(())
}

/// With the parameters of [`end`], and from 4 on node, source, generation and the numbers that are listed.
const NOT_LISTED: &str = "origin = (SELECT id FROM origin WHERE node = ?4 AND generation = ?6)
     AND source = ?5 AND installed_now = 1 AND number NOT IN (SELECT value FROM json_each(?7))";

/// A snapshot is the truth about one source: what it lists stands, the rest does not. The first of a generation also
/// ends what the generations before had shown of the source, under other numbers. One of a ruleset that did not
/// hold still is not the first, and what it lacks may be what could not be read: it ends only what it lists itself.
pub(super) fn apply_snapshot(
    connection: &Connection,
    dictionary: &mut Dictionary<'_>,
    hits: &mut Hits,
    snapshot: &Snapshot<'_>,
) -> Result<(), StoreError> {
    let Snapshot { origin, source, at_s, rules, unstable, control, covered_by } = snapshot;
    let (node, generation) = (origin.node.as_str(), origin.generation.to_string());
    let first = !is_listed(connection, node, &generation, *source)?;
    if !unstable {
        connection
            .prepare_cached("INSERT OR IGNORE INTO snapshot VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![node, generation, source, at_s])?;
        connection
            .prepare_cached(
                "UPDATE unread SET until_s = max(from_s, ?3)
                 WHERE node = ?1 AND source = ?2 AND until_s IS NULL",
            )?
            .execute(params![node, source, at_s])?;
    } else if first {
        take_over(connection, dictionary, snapshot)?;
    }
    let missed = connection
        .prepare_cached(
            "DELETE FROM snapshot_missed WHERE node = ?1 AND generation = ?2 AND source = ?3",
        )?
        .execute(params![node, generation, source])?
        == 1;
    let control = *control && !first && !missed;
    if first && !unstable {
        end(
            connection,
            "origin IN (SELECT id FROM origin WHERE node = ?4 AND generation <> ?6)
                 AND source = ?5 AND installed_now = 1",
            params![number(*covered_by), None::<i64>, at_s, node, source, generation],
        )?;
    }
    if !unstable {
        let listed: Vec<i64> = rules.iter().map(|r| r.facts.rule.number.cast_signed()).collect();
        if control {
            connection
                .prepare_cached(&format!(
                    "UPDATE standing SET phantom = 1
                     WHERE ended_by IS NULL AND rule IN (SELECT id FROM rule WHERE {NOT_LISTED})"
                ))?
                .execute(params![
                    None::<i64>,
                    at_s,
                    at_s,
                    node,
                    source,
                    generation,
                    json(&listed)
                ])?;
        }
        end(
            connection,
            NOT_LISTED,
            params![number(*covered_by), at_s, at_s, node, source, generation, json(&listed)],
        )?;
    }
    for rule in *rules {
        let mut rule = rule.clone();
        if !first {
            // Its installation was not seen; it happened before this snapshot and after the last.
            rule.installed_at_s = Some(*at_s);
        }
        let begun = match (first, control) {
            (true, _) => Begun::Before,
            (false, true) => Begun::Untold,
            (false, false) => Begun::Found,
        };
        show_rule(connection, dictionary, hits, &rule, begun)?;
    }
    Ok(())
}
