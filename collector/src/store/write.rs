//! Writing the catalog, inside the transaction of the caller.

use evidence::AgentOrigin;
use prost::Message;
use register::silence::{Heard, Silence};
use remit_proto::v1;
use rusqlite::{Connection, params};

use super::{
    EventKind, Job, NewGap, NewHeard, NewLoss, NewProbe, Op, Step, StoreError,
    dictionary::{Dictionary, number},
    hits::Hits,
    jobs,
    sqlite::parts,
    write_rules::{
        Snapshot, apply_snapshot, begin_unread, begun_of_change, end_deed, remove_rule, show_rule,
    },
};

pub(super) fn watermark(connection: &Connection) -> Result<Option<u64>, StoreError> {
    let found: Option<i64> =
        connection.query_row("SELECT watermark FROM projection", [], |row| row.get(0))?;
    Ok(found.map(i64::cast_unsigned))
}

/// Everything of these steps but the events, which their partition holds; and where they end.
pub(super) fn apply(
    connection: &Connection,
    hits: &mut Hits,
    steps: &[Step],
) -> Result<(), StoreError> {
    let mut dictionary = Dictionary::new(connection);
    for step in steps {
        for op in &step.ops {
            apply_one(connection, &mut dictionary, hits, op)?;
            if let Op::LogSize(size) = op {
                insert_log_time(connection, step.at_s, *size)?;
            }
        }
    }
    hits.write(connection, &mut dictionary)?;
    let Some(last) = steps.last() else { return Ok(()) };
    let at_s = steps.iter().map(|step| step.at_s).max();
    connection
        .prepare_cached("UPDATE projection SET watermark = ?1, at_s = max(at_s, ?2)")?
        .execute(params![last.position.cast_signed(), at_s])?;
    Ok(())
}

fn apply_one(
    connection: &Connection,
    dictionary: &mut Dictionary<'_>,
    hits: &mut Hits,
    op: &Op,
) -> Result<(), StoreError> {
    match op {
        Op::Enrolled { origin, log_index, at_s } => {
            touch(connection, origin)?;
            connection
                .prepare_cached(
                    "UPDATE generation SET enrolled_by = ?3, enrolled_at_s = ?4
                     WHERE node = ?1 AND generation = ?2 AND enrolled_by IS NULL",
                )?
                .execute(params![
                    origin.node.as_str(),
                    origin.generation.to_string(),
                    number(*log_index),
                    at_s
                ])?;
        }
        Op::Received { origin, size, at_s } => {
            touch(connection, origin)?;
            connection
                .prepare_cached(
                    "UPDATE generation SET received_size = max(received_size, ?3),
                         last_received_s = max(last_received_s, ?4)
                     WHERE node = ?1 AND generation = ?2",
                )?
                .execute(params![
                    origin.node.as_str(),
                    origin.generation.to_string(),
                    number(*size),
                    at_s
                ])?;
        }
        Op::Covered { origin, size } => {
            touch(connection, origin)?;
            connection
                .prepare_cached(
                    "UPDATE generation SET covered_size = max(covered_size, ?3)
                     WHERE node = ?1 AND generation = ?2",
                )?
                .execute(params![
                    origin.node.as_str(),
                    origin.generation.to_string(),
                    number(*size)
                ])?;
        }
        Op::Genesis { origin, window_s, individual_actions, loss_bound_s } => {
            touch(connection, origin)?;
            connection
                .prepare_cached(
                    "UPDATE generation SET window_s = ?3, individual_actions = ?4, loss_bound_s = ?5
                     WHERE node = ?1 AND generation = ?2",
                )?
                .execute(params![
                    origin.node.as_str(),
                    origin.generation.to_string(),
                    window_s,
                    individual_actions,
                    loss_bound_s
                ])?;
        }
        Op::Start { origin, start } => {
            touch(connection, origin)?;
            connection
                .prepare_cached(
                    "UPDATE generation SET start = ?3 WHERE node = ?1 AND generation = ?2",
                )?
                .execute(params![
                    origin.node.as_str(),
                    origin.generation.to_string(),
                    start.encode_to_vec()
                ])?;
            begin_unread(connection, origin, start.at_s)?;
        }
        Op::Seal { origin, seal } => {
            touch(connection, origin)?;
            connection
                .prepare_cached(
                    "UPDATE generation SET seal = ?3, last_seal_s = ?4
                     WHERE node = ?1 AND generation = ?2",
                )?
                .execute(params![
                    origin.node.as_str(),
                    origin.generation.to_string(),
                    seal.encode_to_vec(),
                    seal.at_s
                ])?;
        }
        Op::Loss(loss) => insert_loss(connection, loss)?,
        Op::Gap(gap) => insert_gap(connection, gap)?,
        Op::Heard(new) => insert_heard(connection, new)?,
        Op::Fork { origin, kind, at_s } => {
            let (node, generation) = (origin.node.as_str(), origin.generation.to_string());
            connection
                .prepare_cached(
                    "INSERT INTO fork VALUES (?1, ?2, ?3, 1, ?4, ?4)
                     ON CONFLICT (node, generation, kind) DO UPDATE
                     SET count = count + 1, first_s = min(first_s, ?4), last_s = max(last_s, ?4)",
                )?
                .execute(params![node, generation, kind, at_s])?;
        }
        Op::Probe(new) => insert_probe(connection, dictionary, new)?,
        Op::Event(event) => match event.kind {
            EventKind::Activity => hits.count(connection, event)?,
            EventKind::Installed | EventKind::Removed | EventKind::Deed => {}
        },
        Op::RuleShown(rule) => {
            hits.forget(connection, dictionary)?;
            let begun = begun_of_change(connection, rule)?;
            show_rule(connection, dictionary, hits, rule, begun)?;
        }
        Op::DeedEnded { rule, at_s, covered_by } => {
            hits.forget(connection, dictionary)?;
            end_deed(connection, rule, *at_s, *covered_by)?;
        }
        Op::RuleRemoved { rule, at_s, covered_by } => {
            hits.forget(connection, dictionary)?;
            remove_rule(connection, rule, *at_s, *covered_by)?;
        }
        Op::Snapshot { origin, source, at_s, rules, unstable, control, covered_by } => {
            hits.forget(connection, dictionary)?;
            let snapshot = Snapshot {
                origin,
                source: i32::from(*source),
                at_s: *at_s,
                rules,
                unstable: *unstable,
                control: *control,
                covered_by: *covered_by,
            };
            apply_snapshot(connection, dictionary, hits, &snapshot)?;
        }
        Op::SnapshotMissed { origin, source } => {
            connection
                .prepare_cached("INSERT OR IGNORE INTO snapshot_missed VALUES (?1, ?2, ?3)")?
                .execute(params![
                    origin.node.as_str(),
                    origin.generation.to_string(),
                    i32::from(*source)
                ])?;
        }
        Op::LogSize(size) => {
            connection
                .prepare_cached("UPDATE projection SET log_size = max(log_size, ?1)")?
                .execute([number(*size)])?;
        }
        Op::RegisterSize(size) => {
            connection
                .prepare_cached("UPDATE projection SET register_size = max(register_size, ?1)")?
                .execute([number(*size)])?;
        }
        Op::Reassess(Job { log_size, from_register, to_register, selectors: _ }) => {
            jobs::add(connection, *log_size, *from_register, *to_register)?;
        }
        Op::ReassessmentLogged { log_size } => jobs::logged(connection, *log_size)?,
        Op::ArchiveLogged { partition, manifest } => {
            // One of another partition, by an index that was cut in another way, is nobody's.
            for part in parts(connection)?.iter().filter(|part| part.name() == *partition) {
                connection
                    .prepare_cached("UPDATE part SET manifest = ?2 WHERE number = ?1")?
                    .execute(params![part.number, manifest])?;
            }
        }
    }
    Ok(())
}

fn touch(connection: &Connection, origin: &AgentOrigin) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO generation (node, generation, operator) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![
            origin.node.as_str(),
            origin.generation.to_string(),
            origin.operator.as_str()
        ])?;
    Ok(())
}

/// A clock that was set back does not move what was known before.
fn insert_log_time(connection: &Connection, at_s: i64, log_size: u64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO log_time
             SELECT max(?1, coalesce((SELECT max(at_s) FROM log_time), ?1)), ?2
             WHERE true ON CONFLICT (at_s) DO UPDATE SET log_size = excluded.log_size",
        )?
        .execute(params![at_s, number(log_size)])?;
    Ok(())
}

fn insert_loss(connection: &Connection, loss: &NewLoss) -> Result<(), StoreError> {
    let NewLoss { origin, index, source, from_s, until_s, lost, unexplained } = loss;
    connection
        .prepare_cached("INSERT OR IGNORE INTO loss VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            origin.node.as_str(),
            origin.generation.to_string(),
            number(*index),
            source,
            from_s,
            until_s,
            number(*lost),
            unexplained
        ])?;
    Ok(())
}

fn insert_gap(connection: &Connection, new: &NewGap) -> Result<(), StoreError> {
    let NewGap { origin, index, gap } = new;
    connection
        .prepare_cached("INSERT OR IGNORE INTO gap VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            origin.node.as_str(),
            origin.generation.to_string(),
            number(*index),
            gap.from_s,
            gap.until_s,
            gap.encode_to_vec()
        ])?;
    Ok(())
}

fn insert_probe(
    connection: &Connection,
    dictionary: &mut Dictionary<'_>,
    new: &NewProbe,
) -> Result<(), StoreError> {
    let NewProbe { origin, index, target, probe, covered_by } = new;
    let target = dictionary.target(target.as_ref())?;
    let told = v1::Probe { target: Vec::new(), ..probe.clone() };
    connection
        .prepare_cached("INSERT OR IGNORE INTO probe VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
        origin.node.as_str(),
        origin.generation.to_string(),
        number(*index),
        probe.at_s,
        target,
        told.encode_to_vec(),
        number(*covered_by)
    ])?;
    Ok(())
}

fn insert_heard(connection: &Connection, new: &NewHeard) -> Result<(), StoreError> {
    let NewHeard { origin, index, heard, silence } = new;
    let Heard { at_s, seal_interval_s, stopping, clock_synced } = heard;
    connection
        .prepare_cached("INSERT OR REPLACE INTO heard VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![origin.node.as_str(), at_s, seal_interval_s, stopping, clock_synced])?;
    let Some(Silence { from_s, until_s, node: _, announced, open: _ }) = silence else {
        return Ok(());
    };
    connection
        .prepare_cached("INSERT OR IGNORE INTO silence VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            origin.node.as_str(),
            origin.generation.to_string(),
            number(*index),
            from_s,
            until_s,
            announced
        ])?;
    Ok(())
}
