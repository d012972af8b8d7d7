//! The tables of the catalog: where the index stands, which partitions there are, and what is not
//! history but state: generations, rules that stand, gaps, silences, losses.
//!
//! Times are whole seconds since 1970, sizes and indexes as they are; a rule number, which may be any
//! 64 bits, is kept as the signed number with the same bits. Messages that are only carried lie
//! encoded. Dictionaries (`target`, `rule_fact`, `origin`) hold once what many rules repeat.

/// Number of this schema. A change of any table, or of what it holds, changes it; there are no migrations, only rebuilds.
pub const SCHEMA: i64 = 15;

pub(super) const TABLES: &str = "
CREATE TABLE projection (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    schema INTEGER NOT NULL,
    watermark INTEGER,
    at_s INTEGER NOT NULL DEFAULT 0,
    log_size INTEGER NOT NULL DEFAULT 0,
    register_size INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE generation (
    node TEXT NOT NULL,
    generation TEXT NOT NULL,
    operator TEXT NOT NULL,
    enrolled_by INTEGER,
    enrolled_at_s INTEGER NOT NULL DEFAULT 0,
    received_size INTEGER NOT NULL DEFAULT 0,
    covered_size INTEGER NOT NULL DEFAULT 0,
    last_received_s INTEGER NOT NULL DEFAULT 0,
    last_seal_s INTEGER NOT NULL DEFAULT 0,
    window_s INTEGER NOT NULL DEFAULT 0,
    individual_actions INTEGER NOT NULL DEFAULT 0,
    loss_bound_s INTEGER NOT NULL DEFAULT 0,
    start BLOB,
    seal BLOB,
    PRIMARY KEY (node, generation)
) WITHOUT ROWID;
CREATE TABLE fork (
    node TEXT NOT NULL,
    generation TEXT NOT NULL,
    kind INTEGER NOT NULL,
    count INTEGER NOT NULL,
    first_s INTEGER NOT NULL,
    last_s INTEGER NOT NULL,
    PRIMARY KEY (node, generation, kind)
) WITHOUT ROWID;
-- As in a partition, with an index from the beginning.
CREATE TABLE target (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT
);
CREATE INDEX target_key ON target (key, kind);
CREATE TABLE rule_fact (
    id INTEGER PRIMARY KEY,
    rule BLOB NOT NULL UNIQUE,
    technique INTEGER NOT NULL
);
CREATE TABLE rule_claim (
    fact INTEGER NOT NULL,
    claim TEXT NOT NULL,
    PRIMARY KEY (claim, fact)
) WITHOUT ROWID;
-- Of rules.
CREATE TABLE origin (
    id INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    generation TEXT NOT NULL,
    operator TEXT NOT NULL,
    UNIQUE (node, generation)
);
CREATE TABLE rule (
    id INTEGER PRIMARY KEY,
    origin INTEGER NOT NULL,
    number INTEGER NOT NULL,
    source INTEGER NOT NULL,
    fact INTEGER NOT NULL,
    target INTEGER,
    native TEXT NOT NULL DEFAULT '',
    shown INTEGER NOT NULL,
    shown_by INTEGER NOT NULL,
    first_shown_s INTEGER NOT NULL,
    shown_at_s INTEGER NOT NULL,
    clock_error_s INTEGER NOT NULL,
    before_act INTEGER,
    covered_by INTEGER NOT NULL,
    installed_at_s INTEGER NOT NULL DEFAULT 0,
    removed_at_s INTEGER,
    installed_now INTEGER NOT NULL,
    UNIQUE (origin, number)
);
-- What the form in which a rule stands did, where no run tells of it.
CREATE TABLE rule_hits (
    rule INTEGER PRIMARY KEY,
    hits INTEGER NOT NULL,
    -- Hits that this rule or another one did.
    shared_hits INTEGER NOT NULL,
    first_hit_s INTEGER NOT NULL,
    last_hit_s INTEGER NOT NULL
);
-- The same of rules that were hit since (`counts`); the newest holds.
CREATE TABLE hit_run (
    id INTEGER PRIMARY KEY,
    counts BLOB NOT NULL
);
CREATE INDEX rule_installed ON rule (origin, source) WHERE installed_now = 1;
CREATE INDEX rule_target ON rule (target);
-- Each time that a rule stood, in one form, by what the log had told: from which of its entries on it was
-- known to, and by which it was known not to any more.
CREATE TABLE standing (
    rule INTEGER NOT NULL,
    known_by INTEGER NOT NULL,
    -- That showed it.
    leaf INTEGER NOT NULL,
    fact INTEGER NOT NULL,
    target INTEGER,
    native TEXT NOT NULL,
    at_s INTEGER NOT NULL,
    clock_error_s INTEGER NOT NULL,
    before_act INTEGER,
    installed_at_s INTEGER NOT NULL,
    ended_by INTEGER,
    -- 1 seen to be installed or to take this form, 2 found in a later snapshot, 3 in the first one, 4 in a
    -- control snapshot, though nothing had told of it.
    begun INTEGER NOT NULL,
    -- By the node; of what another generation ended, when that told of it.
    ended_at_s INTEGER,
    -- It ended by a control snapshot that lacks it.
    phantom INTEGER NOT NULL,
    PRIMARY KEY (rule, known_by, leaf)
) WITHOUT ROWID;
CREATE INDEX standing_contradicted ON standing (rule) WHERE begun = 4 OR phantom = 1;
CREATE INDEX standing_target ON standing (target);
CREATE INDEX standing_known ON standing (known_by);
CREATE INDEX standing_ended ON standing (ended_by);
-- How long the log was at a time, by the collector's clock as far as it went forward.
CREATE TABLE log_time (
    at_s INTEGER PRIMARY KEY,
    log_size INTEGER NOT NULL
);
-- Sources of which a generation has listed all rules, and when first: by a snapshot of a ruleset that held still.
CREATE TABLE snapshot (
    node TEXT NOT NULL,
    generation TEXT NOT NULL,
    source INTEGER NOT NULL,
    at_s INTEGER NOT NULL,
    PRIMARY KEY (node, generation, source)
) WITHOUT ROWID;
-- From when to when an agent that began anew had not listed all rules of a source of which its node had told.
CREATE TABLE unread (
    node TEXT NOT NULL,
    source INTEGER NOT NULL,
    from_s INTEGER NOT NULL,
    -- NULL: it has not yet.
    until_s INTEGER,
    PRIMARY KEY (node, source, from_s)
) WITHOUT ROWID;
-- Sources whose last snapshot's rules are not held.
CREATE TABLE snapshot_missed (
    node TEXT NOT NULL,
    generation TEXT NOT NULL,
    source INTEGER NOT NULL,
    PRIMARY KEY (node, generation, source)
) WITHOUT ROWID;
CREATE TABLE part (
    number INTEGER PRIMARY KEY,
    day INTEGER NOT NULL,
    -- Of the partitions of that day.
    nth INTEGER NOT NULL,
    sealed INTEGER NOT NULL,
    events INTEGER NOT NULL,
    -- Of the last hits in it.
    first_s INTEGER NOT NULL,
    last_s INTEGER NOT NULL,
    -- SHA-256 of the manifest of its archive, once that is in the log.
    manifest BLOB,
    -- Its events are read from there.
    archived INTEGER NOT NULL
);
-- Re-assessments, by the size of the log that they judge by.
CREATE TABLE job (
    log_size INTEGER PRIMARY KEY,
    from_register INTEGER NOT NULL,
    to_register INTEGER NOT NULL,
    -- `JobState`.
    state INTEGER NOT NULL,
    -- The last partition that is done.
    part INTEGER NOT NULL,
    examined INTEGER NOT NULL,
    revised INTEGER NOT NULL,
    root BLOB
);
CREATE INDEX job_state ON job (state);
CREATE TABLE gap (
    node TEXT NOT NULL,
    generation TEXT NOT NULL,
    leaf INTEGER NOT NULL,
    from_s INTEGER NOT NULL,
    until_s INTEGER NOT NULL,
    gap BLOB NOT NULL,
    PRIMARY KEY (node, generation, leaf)
) WITHOUT ROWID;
CREATE INDEX gap_time ON gap (until_s);
-- What the newest seal of a node said of the next one.
CREATE TABLE heard (
    node TEXT PRIMARY KEY,
    at_s INTEGER NOT NULL,
    seal_interval_s INTEGER NOT NULL,
    stopping INTEGER NOT NULL,
    clock_synced INTEGER NOT NULL
) WITHOUT ROWID;
-- Silences that have ended, by the seal that ended them.
CREATE TABLE silence (
    node TEXT NOT NULL,
    generation TEXT NOT NULL,
    leaf INTEGER NOT NULL,
    from_s INTEGER NOT NULL,
    until_s INTEGER NOT NULL,
    announced INTEGER NOT NULL,
    PRIMARY KEY (node, generation, leaf)
) WITHOUT ROWID;
CREATE INDEX silence_time ON silence (until_s);
-- What was seen from outside.
CREATE TABLE probe (
    node TEXT NOT NULL,
    generation TEXT NOT NULL,
    leaf INTEGER NOT NULL,
    at_s INTEGER NOT NULL,
    target INTEGER,
    probe BLOB NOT NULL,
    -- Log entry that covers the leaf.
    known_by INTEGER NOT NULL,
    PRIMARY KEY (node, generation, leaf)
) WITHOUT ROWID;
CREATE INDEX probe_target ON probe (target, at_s);
CREATE TABLE loss (
    node TEXT NOT NULL,
    generation TEXT NOT NULL,
    leaf INTEGER NOT NULL,
    source INTEGER NOT NULL,
    from_s INTEGER NOT NULL,
    until_s INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    unexplained INTEGER NOT NULL,
    PRIMARY KEY (node, generation, leaf, source)
) WITHOUT ROWID;
";
