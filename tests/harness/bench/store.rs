//! The index: how fast it takes events in, how large they become, how fast they are found again.
//!
//! The store as the collector links it, in this process. What it is compared with runs in turns with it,
//! on the same disk, over the same events: the bytes of their leaves appended to a file and synced a
//! thousand at a time; the obvious schema, one table with indexes that are kept up; and, if asked for,
//! DuckDB (a wheel of PyPI, in a virtual environment below the bench's folder) over a Parquet file of the
//! same rows, sorted by target and time. Wall-clock time, because a disk is waited for.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use remit_collector::store::{Chunk, EventQuery, NewEvent, Op, SqliteStore, Step, Store as _};
use remit_proto::v1;
use rusqlite::{Connection, params};

use super::{
    Row, Settings,
    history::{self, BATCH, BEGIN_S, History},
    median,
};

/// Batches that one chunk holds, as in the collector.
const BATCHES_PER_CHUNK: u64 = 4;
/// The obvious schema becomes slower the more it holds; beyond this it takes too long to wait for.
const OBVIOUS_MAX: u64 = 10_000_000;
/// How often each question is asked.
const ASKED: usize = 15;

pub fn measure(dir: &Path, settings: &Settings) -> Result<Vec<Row>> {
    fs::create_dir_all(dir)?;
    let events = settings.store_events / BATCH * BATCH;
    ensure!(events > 0, "at least {BATCH} events");
    let mut csv = match settings.duckdb {
        true => Some(std::io::BufWriter::new(fs::File::create(dir.join("rows.csv"))?)),
        false => None,
    };
    let mut history = History::new()?;
    let mut store = SqliteStore::open(dir)?;
    let mut raw = fs::File::create(dir.join("raw"))?;
    let mut obvious = Obvious::open(&dir.join("obvious.db"))?;
    let (mut raw_time, mut store_time, mut obvious_time) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut leaf_bytes, mut opening_bytes) = (0_u64, 0_u64);
    let mut after = None;
    let begin = Instant::now();
    for step in history.snapshots() {
        let position = step.position;
        store.apply(&Chunk { after, steps: vec![step] })?;
        after = Some(position);
    }
    let shown = begin.elapsed();
    let mut done = 0;
    while done < events {
        let steps: Vec<Step> =
            (0..BATCHES_PER_CHUNK.min((events - done) / BATCH)).map(|_| history.step()).collect();
        for step in &steps {
            let events: Vec<&NewEvent> = step.ops.iter().filter_map(event_of).collect();
            let mut bytes = Vec::new();
            for event in &events {
                opening_bytes += history::opening_size(event) as u64;
                bytes.extend(history::leaf(event));
                if let Some(csv) = &mut csv {
                    row(csv, event)?;
                }
            }
            leaf_bytes += bytes.len() as u64;
            let begin = Instant::now();
            raw.write_all(&bytes)?;
            raw.sync_data()?;
            raw_time += begin.elapsed();
            if done < OBVIOUS_MAX {
                let begin = Instant::now();
                obvious.add(&events)?;
                obvious_time += begin.elapsed();
            }
            done += events.len() as u64;
        }
        let last = steps.last().map(|step| step.position);
        let chunk = Chunk { after, steps };
        let begin = Instant::now();
        store.apply(&chunk)?;
        store_time += begin.elapsed();
        after = last;
    }
    // The last partition is sealed too.
    let chunk = Chunk { after, steps: vec![history.last_step()] };
    let begin = Instant::now();
    store.apply(&chunk)?;
    store_time += begin.elapsed();
    let parts = dir.join("index/parts");
    let catalog = size(&dir.join("index"))? - size(&parts)?;
    let sealed = sealed_size(&parts)?;
    let rate = |count: u64, time: Duration| count as f64 / time.as_secs_f64();
    let (raw_rate, store_rate) = (rate(done, raw_time), rate(done, store_time));
    let obvious_rate = rate(done.min(OBVIOUS_MAX), obvious_time);
    let each = |bytes: u64| bytes as f64 / done as f64;
    let mut rows = vec![
        Row {
            what: "raw append + fdatasync, over the projection with sealing",
            unit: "×",
            values: vec![raw_rate / store_rate],
            target: Some(12.5),
            detail: format!(
                "{:.0} over {:.0} thousand events/s ({:.3} of it); {done} events",
                raw_rate / 1000.0,
                store_rate / 1000.0,
                store_rate / raw_rate
            ),
        },
        Row {
            what: "the obvious schema with live indexes, over the projection",
            unit: "×",
            values: vec![obvious_rate / store_rate],
            target: Some(0.25),
            detail: format!(
                "{:.0} thousand events/s over {} events; before them the \
                 projection took {:.1} s for {} rules of snapshots",
                obvious_rate / 1000.0,
                done.min(OBVIOUS_MAX),
                shown.as_secs_f64(),
                history::RULES
            ),
        },
        Row {
            what: "bytes of an event in its partition, over its leaf",
            unit: "×",
            values: vec![each(sealed) / each(leaf_bytes)],
            target: Some(0.6),
            detail: format!(
                "{:.1} B over {:.1} B (with its opening {:.1} B); the catalog, which is state and not \
                 history, {:.1} B",
                each(sealed),
                each(leaf_bytes),
                each(leaf_bytes + opening_bytes),
                each(catalog)
            ),
        },
    ];
    if let Some(mut csv) = csv {
        csv.flush()?;
        rows.extend(questions(dir, &store, done)?);
    }
    Ok(rows)
}

fn event_of(op: &Op) -> Option<&NewEvent> {
    match op {
        Op::Event(event) => Some(event),
        _ => None,
    }
}

/// What DuckDB is given of an event.
fn row(csv: &mut impl std::io::Write, event: &NewEvent) -> Result<()> {
    let facts = &event.facts;
    let target = facts.target.clone().unwrap_or_default().value;
    let request = event.now.clause.as_ref().map_or("", |clause| clause.request_id.as_str());
    let (node, index, number) = (&facts.origin.node, facts.index, facts.rule.number);
    let (code, last_s, hits) = (event.now.code, facts.span.last_s, event.hits);
    let technique = facts.rule.technique;
    writeln!(csv, "{target},{last_s},{node},{index},{number},{technique},{hits},{code},{request}")?;
    Ok(())
}

/// The same questions to the store and to DuckDB, each asked several times, the median counts.
fn questions(dir: &Path, store: &SqliteStore, events: u64) -> Result<Vec<Row>> {
    let python = virtual_environment(dir)?;
    let index = store.index();
    let days = (events as i64).div_euclid(1_000_000).max(1);
    let (since_s, until_s) = (BEGIN_S, BEGIN_S + days * 86_400 / 2);
    // Some that are hit seldom, as the names that somebody asks about are.
    let ranks: Vec<u64> = (0..ASKED as u64).map(|n| 20_011 + n * 1_009).collect();
    let (mut ours, mut found) = (Vec::new(), 0);
    for rank in &ranks {
        let query = EventQuery {
            since_s,
            until_s,
            target: Some(format!("domain_exact:{}", history::name(*rank)).parse()?),
            ..EventQuery::default()
        };
        let begin = Instant::now();
        found += index.read()?.events(&query, None, 1_000)?.len();
        ours.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    let mut report = Vec::new();
    let mut counted = 0;
    for _ in 0..ASKED {
        let begin = Instant::now();
        let sums = index.read()?.days(BEGIN_S / 86_400 - 1, BEGIN_S / 86_400 + days + 1)?;
        report.push(begin.elapsed().as_secs_f64() * 1000.0);
        counted = sums.iter().map(|sum| sum.events).sum();
    }
    ensure!(counted == events + 1, "the report counts {counted} of {events} events and one");
    let names: Vec<String> = ranks.iter().map(|rank| history::name(*rank)).collect();
    let script = dir.join("questions.py");
    fs::write(&script, SCRIPT)?;
    let told = Command::new(python)
        .arg(&script)
        .arg(dir)
        .arg(since_s.to_string())
        .arg(until_s.to_string())
        .arg(ASKED.to_string())
        .args(&names)
        .output()
        .context("python")?;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    ensure!(told.status.success(), "DuckDB:\n{}", String::from_utf8_lossy(&told.stderr));
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || numbers.next().context("a number of the script")?.context("a number");
    let (their_target, their_report, their_found, parquet) = (next()?, next()?, next()?, next()?);
    ensure!(their_found as usize == found, "DuckDB finds {their_found} events, the store {found}");
    let (our_target, our_report) = (median(&ours), median(&report));
    Ok(vec![
        Row {
            what: "one target over half the time, over DuckDB on Parquet",
            unit: "×",
            values: vec![our_target / their_target],
            target: Some(0.1),
            detail: format!(
                "{our_target:.2} ms over {their_target:.2} ms; {found} events of {} targets; Parquet {:.1} \
                 B an event",
                ranks.len(),
                parquet / events as f64
            ),
        },
        Row {
            what: "verdicts by day from sums, over DuckDB's scan",
            unit: "×",
            values: vec![our_report / their_report],
            target: Some(0.25),
            detail: format!("{our_report:.2} ms over {their_report:.2} ms; {events} events"),
        },
    ])
}

fn virtual_environment(dir: &Path) -> Result<std::path::PathBuf> {
    let venv = dir.join("venv");
    let run = |command: &mut Command| -> Result<()> {
        let told = command.output()?;
        ensure!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        Ok(())
    };
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv)).context("python3 -m venv")?;
    let python = venv.join("bin/python");
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "duckdb"]))
        .context("pip install duckdb")?;
    Ok(python)
}

/// Prints: ms for a target, ms for the report, events found, bytes of the Parquet file.
const SCRIPT: &str = r#"
import os, statistics, sys, time
import duckdb

folder, since, until, asked, names = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5:]
parquet = os.path.join(folder, "rows.parquet")
c = duckdb.connect()
c.execute("SET threads = 2")
c.execute(f"""COPY (SELECT * FROM read_csv('{folder}/rows.csv', header = false, columns = {{
    'target': 'VARCHAR', 'last_s': 'BIGINT', 'node': 'VARCHAR', 'leaf': 'BIGINT', 'number': 'UBIGINT',
    'technique': 'INTEGER', 'hits': 'BIGINT', 'code': 'INTEGER', 'request': 'VARCHAR'}})
    ORDER BY target, last_s) TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)""")

def ask(sql, values=[]):
    begin = time.perf_counter()
    rows = c.execute(sql, values).fetchall()
    return (time.perf_counter() - begin) * 1000, rows

by_target = f"SELECT * FROM '{parquet}' WHERE target = ? AND last_s >= ? AND last_s < ? ORDER BY last_s DESC LIMIT 1000"
by_day = f"SELECT last_s // 86400 AS day, technique, code, count(*), sum(hits) FROM '{parquet}' GROUP BY ALL"
ask(by_target, [names[0], int(since), int(until)])
ask(by_day)
told = [ask(by_target, [name, int(since), int(until)]) for name in names]
report = [ask(by_day)[0] for _ in range(asked)]
print(statistics.median(ms for ms, _ in told), statistics.median(report),
      sum(len(rows) for _, rows in told), os.path.getsize(parquet))
"#;

fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

/// Of the days that are over. The newest partition holds the one event by which the others were sealed.
fn sealed_size(parts: &Path) -> Result<u64> {
    let days = fs::read_dir(parts)?.map(|entry| Ok(entry?.path()));
    let mut days = days.collect::<std::io::Result<Vec<_>>>()?;
    days.retain(|path| path.extension().is_some_and(|extension| extension == "db"));
    days.sort_unstable();
    days.pop();
    ensure!(!days.is_empty(), "no day is over: more events");
    let sizes = days.iter().map(|path| Ok(fs::metadata(path)?.len()));
    Ok(sizes.sum::<std::io::Result<u64>>()?)
}

/// One table, every value as it is, three indexes beside the key, a commit for each batch.
struct Obvious(Connection);

impl Obvious {
    fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "cache_size", -32 * 1024)?;
        connection.execute_batch(
            "CREATE TABLE event (
                 node TEXT NOT NULL, generation TEXT NOT NULL, leaf INTEGER NOT NULL,
                 number INTEGER NOT NULL, rule BLOB NOT NULL, technique INTEGER NOT NULL,
                 kind INTEGER NOT NULL, target TEXT NOT NULL, response BLOB, hits INTEGER NOT NULL,
                 first_s INTEGER NOT NULL, last_s INTEGER NOT NULL, covered_by INTEGER NOT NULL,
                 code INTEGER NOT NULL, request TEXT NOT NULL, then_verdict BLOB NOT NULL,
                 now_verdict BLOB NOT NULL,
                 PRIMARY KEY (node, generation, leaf));
             CREATE INDEX event_target ON event (target, last_s);
             CREATE INDEX event_request ON event (request, last_s);
             CREATE INDEX event_time ON event (last_s);",
        )?;
        Ok(Self(connection))
    }

    fn add(&mut self, events: &[&NewEvent]) -> Result<()> {
        use prost::Message as _;
        let transaction = self.0.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO event VALUES
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
            )?;
            for event in events {
                let facts = &event.facts;
                let v1::Target { kind, value } = facts.target.clone().unwrap_or_default();
                let clause = event.now.clause.as_ref();
                insert.execute(params![
                    facts.origin.node.as_str(),
                    facts.origin.generation.to_string(),
                    facts.index.cast_signed(),
                    facts.rule.number.cast_signed(),
                    facts.rule.encode_to_vec(),
                    facts.rule.technique,
                    kind,
                    value,
                    facts.response.as_ref().map(|response| response.encode_to_vec()),
                    event.hits.cast_signed(),
                    facts.span.first_s,
                    facts.span.last_s,
                    facts.covered_by.cast_signed(),
                    event.now.code,
                    clause.map_or("", |clause| clause.request_id.as_str()),
                    event.then.encode_to_vec(),
                    event.now.encode_to_vec(),
                ])?;
            }
        }
        Ok(transaction.commit()?)
    }
}
