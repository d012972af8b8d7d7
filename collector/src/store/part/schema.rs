//! The tables of a partition. The file explains itself: it has its own dictionaries, so whoever holds it
//! alone can read every event in it.
//!
//! Numbers of rows are small and dense, and an event mostly consists of them. What an event's verdicts
//! have in words of their own is taken out before they become a row (`words`), so that events which come
//! out alike share it.

pub(in crate::store) const TABLES: &str = "
CREATE TABLE part (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    schema INTEGER NOT NULL,
    number INTEGER NOT NULL,
    -- UTC day in which the collector took the events in, as days since 1970-01-01.
    day INTEGER NOT NULL,
    -- Last position of the journal whose events are in here.
    watermark INTEGER,
    sealed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE generation (
    id INTEGER PRIMARY KEY,
    operator TEXT NOT NULL,
    node TEXT NOT NULL,
    generation TEXT NOT NULL
);
-- Neighbours that have all but their own row in common. Their leaves follow each other as they do.
CREATE TABLE run (
    first_id INTEGER PRIMARY KEY,
    last_id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    first_leaf INTEGER NOT NULL,
    -- Log index of the agent head, and size of the newest register head before it.
    covered_by INTEGER NOT NULL,
    register_size INTEGER NOT NULL,
    before_act INTEGER,
    clock_error_s INTEGER NOT NULL,
    -- Of the last hits in it.
    first_s INTEGER NOT NULL,
    last_s INTEGER NOT NULL
);
CREATE INDEX run_time ON run (last_s);
CREATE TABLE target (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    -- register::target::sort_key
    key TEXT NOT NULL,
    -- NULL: it is the name in the key.
    value TEXT
);
-- A rule without its number.
CREATE TABLE form (
    id INTEGER PRIMARY KEY,
    technique INTEGER NOT NULL,
    rule BLOB NOT NULL
);
CREATE TABLE form_claim (
    form INTEGER NOT NULL,
    claim TEXT NOT NULL,
    PRIMARY KEY (claim, form)
) WITHOUT ROWID;
CREATE TABLE rule (
    id INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,
    number INTEGER NOT NULL,
    form INTEGER NOT NULL,
    -- 0: not known.
    target INTEGER NOT NULL
);
CREATE TABLE shape (
    id INTEGER PRIMARY KEY,
    -- `EventKind`.
    kind INTEGER NOT NULL,
    imported INTEGER NOT NULL,
    detail_reduced INTEGER NOT NULL,
    response BLOB,
    -- Rule numbers, 8 bytes big-endian each.
    other_candidates BLOB,
    -- The `ServiceAction` of a deed.
    deed BLOB
);
CREATE TABLE answer (
    id INTEGER PRIMARY KEY,
    code INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    -- The request that speaks, or ''.
    request TEXT NOT NULL,
    -- What is added to it: the bit of each finding's number.
    added INTEGER NOT NULL
);
CREATE TABLE verdict (
    id INTEGER PRIMARY KEY,
    answer INTEGER NOT NULL,
    -- Not AUTHORISED, or something is added to it: it may be a finding.
    notable INTEGER NOT NULL,
    verdict BLOB NOT NULL
);
CREATE TABLE ev (
    -- Its run is the last that begins at or below it.
    id INTEGER PRIMARY KEY,
    rule INTEGER NOT NULL,
    hit INTEGER,
    shape INTEGER NOT NULL,
    hits INTEGER NOT NULL,
    -- From the first hit to the last.
    span_s INTEGER NOT NULL,
    last_s INTEGER NOT NULL,
    -- The verdict as known now is.
    notable INTEGER NOT NULL,
    then_verdict INTEGER NOT NULL,
    -- NULL: the same.
    now_verdict INTEGER
);
-- Notable activities, installations and deeds by rule and answer as known now.
CREATE TABLE rule_sum (
    rule INTEGER NOT NULL,
    answer INTEGER NOT NULL,
    events INTEGER NOT NULL,
    hits INTEGER NOT NULL,
    -- From the first hit to the last.
    span_s INTEGER NOT NULL,
    last_s INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    PRIMARY KEY (rule, answer)
) WITHOUT ROWID;
-- What is to be added to it (`sums`).
CREATE TABLE sum_run (
    rule INTEGER NOT NULL,
    answer INTEGER NOT NULL,
    events INTEGER NOT NULL,
    hits INTEGER NOT NULL,
    span_s INTEGER NOT NULL,
    last_s INTEGER NOT NULL,
    newest INTEGER NOT NULL
);
-- Activities by the hour of their last hit. Without the request that speaks: by it, a day of many lists has
-- nearly as many sums as events.
CREATE TABLE hour_sum (
    hour INTEGER NOT NULL,
    technique INTEGER NOT NULL,
    code INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    events INTEGER NOT NULL,
    hits INTEGER NOT NULL,
    PRIMARY KEY (hour, technique, code, reason)
) WITHOUT ROWID;
-- Verdicts as known now that changed: at a size of the log, from one to another.
CREATE TABLE revision (
    event INTEGER NOT NULL,
    log_size INTEGER NOT NULL,
    register_size INTEGER NOT NULL,
    before INTEGER NOT NULL,
    after INTEGER NOT NULL,
    PRIMARY KEY (event, log_size)
) WITHOUT ROWID;
CREATE INDEX revision_of ON revision (log_size, event);
-- How far each re-assessment has come in here.
CREATE TABLE job (
    log_size INTEGER PRIMARY KEY,
    -- Rules up to this one are done; NULL: all.
    cursor INTEGER,
    examined INTEGER NOT NULL,
    revised INTEGER NOT NULL
);
";

/// The tables that stay at hand when the events go into an archive: all but `ev`.
pub(in crate::store) const KEPT: [&str; 15] = [
    "part",
    "generation",
    "run",
    "target",
    "form",
    "form_claim",
    "rule",
    "shape",
    "answer",
    "verdict",
    "rule_sum",
    "sum_run",
    "hour_sum",
    "revision",
    "job",
];

/// Made once, when nothing more comes. The events of a rule are nearly in the order of their times.
pub(in crate::store) const INDEXES: &str = "
CREATE INDEX IF NOT EXISTS target_key ON target (key);
CREATE INDEX IF NOT EXISTS rule_target ON rule (target);
CREATE INDEX IF NOT EXISTS ev_rule ON ev (rule);
CREATE INDEX IF NOT EXISTS ev_hit ON ev (hit) WHERE hit IS NOT NULL;
CREATE INDEX IF NOT EXISTS ev_notable ON ev (last_s) WHERE notable = 1;
";
