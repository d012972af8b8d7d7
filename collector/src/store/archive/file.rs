//! An archived day as a Parquet file: sorted by target and time, so that who asks about a target reads a few
//! pages of it.
//!
//! Written once, in row groups of [`GROUP_ROWS`]. The key of the target has a Bloom filter for each group and
//! a page index; all columns have places of their pages, so what is skipped is not even decompressed. The
//! crate is used without Arrow (ADR 35): columns are read one by one and rows put together here.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    ops::Range,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Arc, OnceLock},
};

use parquet::{
    basic::{Compression, ZstdLevel},
    column::reader::get_typed_column_reader,
    data_type::{ByteArrayType, DataType, Int64Type},
    file::{
        metadata::SortingColumn,
        page_index::column_index::ColumnIndexMetaData,
        properties::{EnabledStatistics, ReaderProperties, WriterProperties},
        reader::{ChunkReader, FileReader as _, Length},
        serialized_reader::{ReadOptionsBuilder, SerializedFileReader},
        writer::SerializedFileWriter,
    },
    schema::{parser::parse_message_type, types::ColumnPath},
};
use prost::bytes::Bytes;
use register::target::{KeyRange, Near};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{
    super::{
        StoreError,
        part::{columns::Read, each},
    },
    columns::{COLUMNS, Column, Kind, Rows, Values, at},
};

/// Some tens of MB while they are written.
const GROUP_ROWS: usize = 65_536;
/// What is read of each column to find one row.
const PAGE_ROWS: usize = 4_096;
const ZSTD_LEVEL: i32 = 3;
/// Events that are put together at once.
const READ_ROWS: usize = 8_192;

/// The schema in Parquet's own words, as the manifest states it.
pub(super) fn schema() -> String {
    let column = |column: &Column| {
        let repetition = if column.is_optional { "OPTIONAL" } else { "REQUIRED" };
        let kind = match column.kind {
            Kind::Int => ("INT64", ""),
            Kind::Text => ("BYTE_ARRAY", " (UTF8)"),
            Kind::Bytes => ("BYTE_ARRAY", ""),
        };
        format!("  {repetition} {} {}{};\n", kind.0, column.name, kind.1)
    };
    let columns: String = COLUMNS.iter().map(column).collect();
    format!("message remit_event {{\n{columns}}}\n")
}

/// Writes all events of a sealed partition, and returns how many.
pub(super) fn write(partition: &Connection, path: &Path) -> Result<u64, StoreError> {
    let order = sorted(partition)?;
    let file = fs::File::create(path)?;
    let schema = Arc::new(parse_message_type(&schema())?);
    let mut writer = SerializedFileWriter::new(&file, schema, Arc::new(properties()?))?;
    for events in order.chunks(GROUP_ROWS) {
        let rows = Rows::of_partition(partition, events.iter().map(|(_, _, event)| *event))?;
        let mut group = writer.next_row_group()?;
        for (place, column) in COLUMNS.iter().enumerate() {
            let mut into =
                group.next_column()?.ok_or(StoreError::Damaged { what: "archive.column" })?;
            match rows.values(place)? {
                Values::Ints(values) => {
                    let (values, levels) = split(values);
                    let levels = column.is_optional.then_some(levels.as_slice());
                    into.typed::<Int64Type>().write_batch(&values, levels, None)?;
                }
                Values::Bytes(values) => {
                    let (values, levels) = split(values);
                    let levels = column.is_optional.then_some(levels.as_slice());
                    into.typed::<ByteArrayType>().write_batch(&values, levels, None)?;
                }
            }
            into.close()?;
        }
        group.close()?;
    }
    writer.close()?;
    file.sync_all()?;
    Ok(order.len() as u64)
}

/// What is there, and for each row whether it is (1) or not (0).
fn split<T: Clone>(values: &[Option<T>]) -> (Vec<T>, Vec<i16>) {
    let levels = values.iter().map(|value| i16::from(value.is_some())).collect();
    (values.iter().flatten().cloned().collect(), levels)
}

/// Place of the target in the order of keys (0: not known), time, event.
fn sorted(partition: &Connection) -> Result<Vec<(u32, i64, i64)>, StoreError> {
    let mut places = HashMap::new();
    let mut statement = partition.prepare("SELECT id FROM target ORDER BY key, kind, value, id")?;
    let mut rows = statement.query([])?;
    let mut place = 0_u32;
    while let Some(row) = rows.next()? {
        place = place.saturating_add(1);
        places.insert(row.get::<_, i64>(0)?, place);
    }
    let mut statement = partition.prepare(
        "SELECT rule.target, last_s, ev.id FROM ev CROSS JOIN rule ON rule.id = ev.rule",
    )?;
    let mut rows = statement.query([])?;
    let mut order = Vec::new();
    while let Some(row) = rows.next()? {
        let target: i64 = row.get(0)?;
        let place = places.get(&target).copied().unwrap_or(0);
        order.push((place, row.get(1)?, row.get(2)?));
    }
    order.sort_unstable();
    Ok(order)
}

fn properties() -> Result<WriterProperties, StoreError> {
    let key = || ColumnPath::from(COLUMNS[at::TARGET_KEY].name);
    let by = |place: usize| SortingColumn {
        column_idx: place as i32,
        descending: false,
        nulls_first: true,
    };
    Ok(WriterProperties::builder()
        .set_created_by(concat!("remit-collector ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(None)
        .set_write_batch_size(1_024)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(key(), EnabledStatistics::Page)
        .set_column_bloom_filter_enabled(key(), true)
        .set_column_bloom_filter_max_ndv(key(), GROUP_ROWS as u64)
        .set_sorting_columns(Some(vec![by(at::TARGET_KEY), by(at::LAST_S), by(at::EVENT)]))
        .build())
}

/// An archived day, to be asked.
pub(in crate::store) struct ArchiveFile {
    reader: SerializedFileReader<Positioned>,
    row_count: usize,
    /// Row of each event, by its number from 1; read when somebody asks for an event by it.
    places: OnceLock<Vec<u32>>,
}

/// A file that any number of questions read at once: each says where, and none moves the place of another.
struct Positioned {
    file: Arc<fs::File>,
    size: u64,
}

struct ReadFrom {
    file: Arc<fs::File>,
    at: u64,
}

impl Positioned {
    fn open(path: &Path) -> io::Result<Self> {
        let file = fs::File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), size })
    }
}

impl Length for Positioned {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Positioned {
    type T = io::BufReader<ReadFrom>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(io::BufReader::new(ReadFrom { file: Arc::clone(&self.file), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

impl io::Read for ReadFrom {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.at)?;
        self.at = self.at.saturating_add(count as u64);
        Ok(count)
    }
}

/// What a look at an event needs, in the numbers of the sidecar.
pub(in crate::store) struct Glances {
    rows: Rows,
    pub(in crate::store) count: usize,
}

impl Glances {
    pub(in crate::store) fn event(&self, row: usize) -> Result<i64, StoreError> {
        self.rows.int(at::EVENT, row)
    }
    pub(in crate::store) fn rule(&self, row: usize) -> Result<i64, StoreError> {
        self.rows.int(at::RULE_ROW, row)
    }
    pub(in crate::store) fn hit(&self, row: usize) -> Result<Option<i64>, StoreError> {
        self.rows.maybe_int(at::HIT_ROW, row)
    }
    pub(in crate::store) fn shape(&self, row: usize) -> Result<i64, StoreError> {
        self.rows.int(at::SHAPE_ROW, row)
    }
    pub(in crate::store) fn first_s(&self, row: usize) -> Result<i64, StoreError> {
        self.rows.int(at::FIRST_S, row)
    }
    pub(in crate::store) fn last_s(&self, row: usize) -> Result<i64, StoreError> {
        self.rows.int(at::LAST_S, row)
    }
    pub(in crate::store) fn hits(&self, row: usize) -> Result<i64, StoreError> {
        self.rows.int(at::HITS, row)
    }
    pub(in crate::store) fn kind(&self, row: usize) -> Result<i64, StoreError> {
        self.rows.int(at::KIND, row)
    }
    pub(in crate::store) fn verdict(&self, row: usize) -> Result<i64, StoreError> {
        self.rows.int(at::NOW_ROW, row)
    }
}

const GLANCE: [usize; 9] = [
    at::EVENT,
    at::RULE_ROW,
    at::HIT_ROW,
    at::SHAPE_ROW,
    at::FIRST_S,
    at::LAST_S,
    at::HITS,
    at::KIND,
    at::NOW_ROW,
];

/// Numbers of verdicts of a partition, each with the one that it has beside an archive.
pub(in crate::store) type Numbers = Vec<(i64, i64)>;

/// What a partition holds of one event, as far as a file names it by numbers.
struct Held {
    rule: i64,
    hit: Option<i64>,
    shape: i64,
    leaf: i64,
    /// Operator, node, generation.
    tree: [String; 3],
    then: i64,
    now: i64,
    is_revised: bool,
}

/// The columns that [`ArchiveFile::numbers_for`] compares.
const COMPARED: [usize; 12] = [
    at::EVENT,
    at::OPERATOR,
    at::NODE,
    at::GENERATION,
    at::LEAF,
    at::RULE_ROW,
    at::HIT_ROW,
    at::SHAPE_ROW,
    at::THEN_ROW,
    at::NOW_ROW,
    at::THEN_VERDICT,
    at::NOW_VERDICT,
];

impl Held {
    const SELECT: &str =
        "SELECT ev.rule, hit, shape, first_leaf + ev.id - first_id, operator, node,
            generation.generation, then_verdict, coalesce(now_verdict, then_verdict),
            EXISTS (SELECT 1 FROM revision WHERE event = ev.id)
        FROM ev CROSS JOIN run ON run.first_id =
            (SELECT max(first_id) FROM run AS before WHERE before.first_id <= ev.id)
        CROSS JOIN generation ON generation.id = run.generation
        WHERE ev.id = ?1";

    fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            rule: row.get(0)?,
            hit: row.get(1)?,
            shape: row.get(2)?,
            leaf: row.get(3)?,
            tree: [row.get(4)?, row.get(5)?, row.get(6)?],
            then: row.get(7)?,
            now: row.get(8)?,
            is_revised: row.get(9)?,
        })
    }

    /// Whether a row of a file is of the same leaf, by the same numbers.
    fn is(&self, rows: &Rows, row: usize) -> Result<bool, StoreError> {
        let Self { rule, hit, shape, leaf, tree, then: _, now: _, is_revised: _ } = self;
        let columns = [at::OPERATOR, at::NODE, at::GENERATION];
        for (place, name) in columns.into_iter().zip(tree) {
            if rows.bytes(place, row)? != name.as_bytes() {
                return Ok(false);
            }
        }
        Ok(rows.int(at::LEAF, row)? == *leaf
            && rows.int(at::RULE_ROW, row)? == *rule
            && rows.maybe_int(at::HIT_ROW, row)? == *hit
            && rows.int(at::SHAPE_ROW, row)? == *shape)
    }
}

/// Each of a partition's verdicts, which are `count`, with another number: the file's, by which it is among
/// `named`, or one that is left. Numbers of a partition are dense, and stay so.
fn numbers(named: &BTreeMap<i64, i64>, count: usize) -> Option<Numbers> {
    let all = 1..=i64::try_from(count).ok()?;
    let of: HashMap<i64, i64> = named.iter().map(|(here, there)| (*there, *here)).collect();
    if of.len() != named.len() || !named.keys().all(|here| all.contains(here)) {
        return None;
    }
    let mut left = all.clone().filter(|here| !named.contains_key(here));
    all.map(|there| Some((there, of.get(&there).copied().or_else(|| left.next())?))).collect()
}

impl ArchiveFile {
    pub(in crate::store) fn open(path: &Path) -> Result<Self, StoreError> {
        let properties = ReaderProperties::builder().set_read_bloom_filter(true).build();
        let options =
            ReadOptionsBuilder::new().with_page_index().with_reader_properties(properties).build();
        let reader = SerializedFileReader::new_with_options(Positioned::open(path)?, options)?;
        let metadata = reader.metadata();
        let columns = metadata.file_metadata().schema_descr().num_columns();
        if columns != COLUMNS.len() {
            return Err(StoreError::Damaged { what: "archive.schema" });
        }
        let row_count = usize::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
        Ok(Self { reader, row_count, places: OnceLock::new() })
    }

    pub(in crate::store) fn row_count(&self) -> usize {
        self.row_count
    }

    /// Rows whose target may lie in these ranges: groups by their Bloom filters, then pages by the index.
    pub(in crate::store) fn rows_near(&self, near: &Near) -> Result<Vec<Range<usize>>, StoreError> {
        let Near::In(ranges) = near else { return Ok(whole(self.row_count)) };
        let mut found = Vec::new();
        let mut start = 0;
        let metadata = self.reader.metadata();
        for (number, group) in metadata.row_groups().iter().enumerate() {
            let count = usize::try_from(group.num_rows()).unwrap_or(0);
            let end = start + count;
            let reader = self.reader.get_row_group(number)?;
            let bloom = reader.get_column_bloom_filter(at::TARGET_KEY);
            let may_hold = |range: &&KeyRange| {
                range.from != range.to
                    || bloom.is_none_or(|bloom| bloom.check(&range.from.as_str()))
            };
            let wanted: Vec<&KeyRange> = ranges.iter().filter(may_hold).collect();
            if !wanted.is_empty() {
                let index = metadata.page_index_for_row_group(number);
                match (index.column_index(at::TARGET_KEY), index.offset_index(at::TARGET_KEY)) {
                    (Some(ColumnIndexMetaData::BYTE_ARRAY(keys)), Some(pages)) => {
                        let pages = pages.page_locations();
                        for (at, page) in pages.iter().enumerate() {
                            let from = usize::try_from(page.first_row_index).unwrap_or(0);
                            let next = pages.get(at + 1).map(|next| next.first_row_index);
                            let until =
                                next.and_then(|row| usize::try_from(row).ok()).unwrap_or(count);
                            let (Some(min), Some(max)) = (keys.min_value(at), keys.max_value(at))
                            else {
                                continue;
                            };
                            let lies = wanted.iter().any(|range| {
                                range.from.as_bytes() <= max && min <= range.to.as_bytes()
                            });
                            if lies {
                                found.push(start + from..start + until);
                            }
                        }
                    }
                    _ => found.push(start..end),
                }
            }
            start = end;
        }
        Ok(joined(found))
    }

    /// Rows whose hit target is one of these, by the sidecar.
    pub(in crate::store) fn rows_hitting(
        &self,
        takes: &dyn Fn(i64) -> bool,
    ) -> Result<Vec<Range<usize>>, StoreError> {
        let hits = self.ints(at::HIT_ROW, &whole(self.row_count))?;
        let rows = hits.iter().enumerate().filter(|(_, hit)| hit.is_some_and(takes));
        Ok(joined(rows.map(|(row, _)| row..row + 1).collect()))
    }

    pub(in crate::store) fn glances(&self, ranges: &[Range<usize>]) -> Result<Glances, StoreError> {
        let mut rows = Rows::default();
        for place in GLANCE {
            rows.insert(place, Values::Ints(self.ints(place, ranges)?));
        }
        Ok(Glances { rows, count: ranges.iter().map(ExactSizeIterator::len).sum() })
    }

    /// The same of events by their numbers.
    pub(in crate::store) fn glances_of(&self, events: &[i64]) -> Result<Glances, StoreError> {
        self.glances(&self.ranges_of(events)?)
    }

    /// Event and rule of every row, in the numbers of the sidecar.
    pub(in crate::store) fn rules(&self) -> Result<Vec<(i64, i64)>, StoreError> {
        let all = whole(self.row_count);
        let (events, rules) = (self.ints(at::EVENT, &all)?, self.ints(at::RULE_ROW, &all)?);
        Ok(events.into_iter().flatten().zip(rules.into_iter().flatten()).collect())
    }

    /// How verdicts of a partition have to be numbered so that this file's rows name them; `None`: the file does
    /// not hold the events of that partition, or holds others.
    ///
    /// Whatever else the file names by a number is numbered in the order of the leaves, and must be equal. A
    /// verdict's number also depends on what was judged again between two of them, and so on how the stream was cut.
    /// Each row is compared by its tree and leaf, from which the rest of it follows, and by both verdicts.
    pub(in crate::store) fn numbers_for(
        &self,
        partition: &Connection,
    ) -> Result<Option<Numbers>, StoreError> {
        let mut there = HashMap::new();
        each(partition, "SELECT verdict, id FROM verdict", |row| {
            there.insert(row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?);
            Ok(())
        })?;
        let count: i64 = partition.query_row("SELECT count(*) FROM ev", [], |row| row.get(0))?;
        if usize::try_from(count).ok() != Some(self.row_count) {
            return Ok(None);
        }
        let mut held = partition.prepare(Held::SELECT)?;
        let mut seen = vec![false; self.row_count];
        // By the file's number.
        let mut named: BTreeMap<i64, i64> = BTreeMap::new();
        let mut from = 0;
        while from < self.row_count {
            let until = self.row_count.min(from + READ_ROWS);
            let rows = self.rows(&COMPARED, std::slice::from_ref(&(from..until)))?;
            for row in 0..until - from {
                let event = rows.int(at::EVENT, row)?;
                let place = usize::try_from(event.saturating_sub(1)).ok();
                let is_new = place.and_then(|at| seen.get_mut(at));
                if is_new.is_none_or(|seen| std::mem::replace(seen, true)) {
                    return Ok(None);
                }
                let Some(found) = held.query_row([event], Held::read).optional()? else {
                    return Ok(None);
                };
                if !found.is(&rows, row)? {
                    return Ok(None);
                }
                let then = there.get(rows.bytes(at::THEN_VERDICT, row)?);
                let now = there.get(rows.bytes(at::NOW_VERDICT, row)?);
                let (Some(then), Some(now)) = (then, now) else { return Ok(None) };
                // Where it changed, what the partition says of that is put over what the file says.
                if *then != found.then || (*now != found.now && !found.is_revised) {
                    return Ok(None);
                }
                for (place, there) in [(at::THEN_ROW, then), (at::NOW_ROW, now)] {
                    if named.entry(rows.int(place, row)?).or_insert(*there) != there {
                        return Ok(None);
                    }
                }
            }
            from = until;
        }
        Ok(numbers(&named, there.len()))
    }

    /// Events by their numbers, in the order of the file.
    pub(in crate::store) fn events(
        &self,
        part: i64,
        events: &[i64],
        tell: &mut dyn FnMut(Read) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.tell(part, &self.ranges_of(events)?, tell)
    }

    /// All of them, in the order of the file.
    pub(in crate::store) fn all(
        &self,
        part: i64,
        tell: &mut dyn FnMut(Read) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut from = 0;
        while from < self.row_count {
            let until = self.row_count.min(from + READ_ROWS);
            self.tell(part, std::slice::from_ref(&(from..until)), tell)?;
            from = until;
        }
        Ok(())
    }

    fn tell(
        &self,
        part: i64,
        ranges: &[Range<usize>],
        tell: &mut dyn FnMut(Read) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let count: usize = ranges.iter().map(ExactSizeIterator::len).sum();
        let all: Vec<usize> = (0..COLUMNS.len()).collect();
        let rows = self.rows(&all, ranges)?;
        (0..count).try_for_each(|row| tell(rows.event(part, row)?))
    }

    /// Some columns of some rows.
    fn rows(&self, places: &[usize], ranges: &[Range<usize>]) -> Result<Rows, StoreError> {
        let mut rows = Rows::default();
        for place in places.iter().copied() {
            let kind = COLUMNS.get(place).map(|column| column.kind);
            let values = match kind.ok_or(StoreError::Damaged { what: "archive.column" })? {
                Kind::Int => Values::Ints(self.ints(place, ranges)?),
                Kind::Text | Kind::Bytes => {
                    Values::Bytes(self.read::<ByteArrayType>(place, ranges)?)
                }
            };
            rows.insert(place, values);
        }
        Ok(rows)
    }

    /// Rows of events, by their numbers.
    fn ranges_of(&self, events: &[i64]) -> Result<Vec<Range<usize>>, StoreError> {
        let places = self.places()?;
        let place = |event: &i64| {
            let place = usize::try_from(event.saturating_sub(1)).ok().and_then(|at| places.get(at));
            place.map(|place| *place as usize).ok_or(StoreError::Damaged { what: "archive.event" })
        };
        let mut rows = events.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        rows.sort_unstable();
        rows.dedup();
        Ok(joined(rows.into_iter().map(|row| row..row + 1).collect()))
    }

    fn places(&self) -> Result<&[u32], StoreError> {
        if let Some(known) = self.places.get() {
            return Ok(known);
        }
        let events = self.ints(at::EVENT, &whole(self.row_count))?;
        let mut places = vec![0_u32; self.row_count];
        for (row, event) in events.into_iter().enumerate() {
            let at = event.and_then(|event| usize::try_from(event.saturating_sub(1)).ok());
            let place = at.and_then(|at| places.get_mut(at));
            *place.ok_or(StoreError::Damaged { what: "archive.event" })? =
                u32::try_from(row).unwrap_or(u32::MAX);
        }
        Ok(self.places.get_or_init(|| places))
    }

    fn ints(&self, place: usize, ranges: &[Range<usize>]) -> Result<Vec<Option<i64>>, StoreError> {
        self.read::<Int64Type>(place, ranges)
    }

    /// Values of one column in ranges of rows, which are in order and apart.
    fn read<T: DataType>(
        &self,
        place: usize,
        ranges: &[Range<usize>],
    ) -> Result<Vec<Option<T::T>>, StoreError> {
        let damaged = || StoreError::Damaged { what: "archive.rows" };
        let is_optional = COLUMNS.get(place).is_some_and(|column| column.is_optional);
        let mut found = Vec::with_capacity(ranges.iter().map(ExactSizeIterator::len).sum());
        let mut start = 0;
        for (number, group) in self.reader.metadata().row_groups().iter().enumerate() {
            let end = start + usize::try_from(group.num_rows()).unwrap_or(0);
            let inside = ranges
                .iter()
                .map(|range| range.start.max(start)..range.end.min(end))
                .filter(|range| !range.is_empty());
            let mut column = None;
            let mut done = start;
            for range in inside {
                if column.is_none() {
                    let reader = self.reader.get_row_group(number)?.get_column_reader(place)?;
                    column = Some(get_typed_column_reader::<T>(reader));
                }
                let Some(column) = column.as_mut() else { continue };
                if column.skip_records(range.start - done)? != range.start - done {
                    return Err(damaged());
                }
                let (mut values, mut levels) = (Vec::with_capacity(range.len()), Vec::new());
                let into = is_optional.then_some(&mut levels);
                let (count, _, _) = column.read_records(range.len(), into, None, &mut values)?;
                if count != range.len() {
                    return Err(damaged());
                }
                let mut values = values.into_iter();
                match is_optional {
                    true => found.extend(
                        levels.iter().map(|level| (*level > 0).then(|| values.next()).flatten()),
                    ),
                    false => found.extend(values.map(Some)),
                }
                done = range.end;
            }
            start = end;
        }
        Ok(found)
    }
}

/// All rows.
pub(in crate::store) fn whole(row_count: usize) -> Vec<Range<usize>> {
    std::iter::once(0..row_count).collect()
}

/// In order, and neighbours as one.
pub(in crate::store) fn joined(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut found: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match found.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            Some(_) | None => found.push(range),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_rows_are_joined() {
        assert_eq!(joined(vec![4..6, 0..2, 2..3, 5..9]), [0..3, 4..9]);
        assert!(joined(Vec::new()).is_empty());
    }

    #[test]
    fn verdicts_get_the_numbers_by_which_a_file_names_them() {
        // The file calls 1 what the partition calls 2, and 3 what that calls 1. Of the partition's 3 it says nothing.
        let named = BTreeMap::from([(1, 2), (3, 1)]);
        assert_eq!(numbers(&named, 3), Some(vec![(1, 3), (2, 1), (3, 2)]));
        assert_eq!(numbers(&BTreeMap::new(), 2), Some(vec![(1, 1), (2, 2)]), "all are left");
        assert_eq!(numbers(&BTreeMap::from([(4, 1)]), 3), None, "of verdicts that are not there");
        assert_eq!(numbers(&BTreeMap::from([(1, 1), (2, 1)]), 3), None, "one verdict twice");
    }

    #[test]
    fn the_schema_is_one_that_parquet_reads() {
        let schema = parse_message_type(&schema()).unwrap();
        assert_eq!(schema.get_fields().len(), COLUMNS.len());
    }
}
