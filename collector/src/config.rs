//! What the operator typed becomes what we run with, in one function that reports every mistake.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use evidence::{AgentOrigin, Operator};
use register::words;
use serde::Deserialize;

use crate::{listen::Patience, registers::SecondPersonFor, store::Hold};

/// A new head is in the log within a second or so; a checkpoint a second is what a log bears.
const PUBLISH_INTERVAL_MS: u64 = 1000;

/// Sixteen times what the spool of an agent holds by default: a node that was cut off for long hands in
/// all at once.
const NODE_BYTES_PER_DAY: u64 = 4 * 1024 * 1024 * 1024;
/// A generation begins when a spool was lost or damaged: seldom more than one a year.
const NODE_GENERATIONS_PER_HOUR: u32 = 60;
/// 1 GiB; a set has 900 at most, and they go ahead of the batch that names them.
const NODE_UNNAMED_CHUNKS: u32 = 4096;

/// An agent has one, a person one while a command runs. Each costs some 100 KiB of memory.
const CONNECTIONS: u32 = 4096;
/// Witnesses, mirrors, assessors.
const TILES_CONNECTIONS: u32 = 256;

/// A quarter of a year is what people ask about again and again.
const ARCHIVE_AFTER_DAYS: u32 = 90;

/// The file, as typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    operator: Option<String>,
    dir: Option<PathBuf>,
    listen: Option<String>,
    /// Plain HTTP for the log's tiles; off when absent.
    tiles_listen: Option<String>,
    /// Prometheus; off when absent.
    metrics_listen: Option<String>,
    publish_interval_ms: Option<u64>,
    #[serde(default)]
    register: RegisterSection,
    #[serde(default)]
    limits: LimitsSection,
    /// Days of events are archived; never when absent.
    archive: Option<ArchiveSection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchiveSection {
    after_days: Option<u32>,
    #[serde(default)]
    hold: Vec<HoldSection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldSection {
    origin: String,
    from_leaf: u64,
    until_leaf: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterSection {
    #[serde(default)]
    second_person_for: Vec<String>,
    #[serde(default)]
    second_person_for_transitions: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsSection {
    connections: Option<u32>,
    tiles_connections: Option<u32>,
    #[serde(default)]
    node: NodeLimitsSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeLimitsSection {
    bytes_per_day: Option<u64>,
    generations_per_hour: Option<u32>,
    unnamed_chunks: Option<u32>,
}

#[derive(Debug, Clone)]
pub struct Config {
    pub operator: Operator,
    pub dir: PathBuf,
    pub listen: SocketAddr,
    pub tiles_listen: Option<SocketAddr>,
    pub metrics_listen: Option<SocketAddr>,
    pub publish_interval: Duration,
    pub second_person_for: SecondPersonFor,
    pub limits: Limits,
    pub archive: Option<ArchiveAfter>,
}

/// When days of events go into files of their own, and what must stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveAfter {
    pub days: u32,
    pub holds: Vec<Hold>,
}

/// How much others may ask of this collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub node: NodeLimits,
    /// Of agents and people together, open at the same time.
    pub connections: u32,
    pub tiles_connections: u32,
    /// Not in the file: nobody should need another one.
    pub patience: Patience,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            node: NodeLimits::default(),
            connections: CONNECTIONS,
            tiles_connections: TILES_CONNECTIONS,
            patience: Patience::default(),
        }
    }
}

/// What one node may add: more is refused until later (`log::budget`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeLimits {
    /// Of batches and chunks, as they are sent.
    pub bytes_per_day: u64,
    pub generations_per_hour: u32,
    /// Chunks that no accepted batch has named yet.
    pub unnamed_chunks: u32,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            bytes_per_day: NODE_BYTES_PER_DAY,
            generations_per_hour: NODE_GENERATIONS_PER_HOUR,
            unnamed_chunks: NODE_UNNAMED_CHUNKS,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path} cannot be read")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path}: {message}")]
    Syntax { path: PathBuf, message: String },
    #[error("{path}:\n{}", .mistakes.join("\n"))]
    Mistakes { path: PathBuf, mistakes: Vec<String> },
}

impl Config {
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file: ConfigFile = toml::from_str(text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        let ConfigFile {
            operator,
            dir,
            listen,
            tiles_listen,
            metrics_listen,
            publish_interval_ms,
            register,
            limits,
            archive,
        } = file;
        let mut mistakes = Vec::new();
        let operator = operator.map(|text| text.parse::<Operator>());
        let operator = match operator {
            Some(Ok(operator)) => Some(operator),
            Some(Err(error)) => {
                mistakes.push(format!("operator: {error}"));
                None
            }
            None => {
                mistakes.push("operator is missing: your DNS name, such as example.net".to_owned());
                None
            }
        };
        if dir.is_none() {
            mistakes.push("dir is missing: a folder for keys and evidence".to_owned());
        }
        let mut address = |key: &str, text: Option<String>| match text.map(|t| (t.parse(), t)) {
            None => None,
            Some((Ok(address), _)) => Some(address),
            Some((Err(_), text)) => {
                mistakes.push(format!(
                    "{key}: {text:?} is not an address and port, such as 0.0.0.0:8443"
                ));
                None
            }
        };
        let missing_listen = listen.is_none();
        let listen = address("listen", listen);
        let tiles_listen = address("tiles_listen", tiles_listen);
        let metrics_listen = address("metrics_listen", metrics_listen);
        if missing_listen {
            mistakes
                .push("listen is missing: an address and port, such as 0.0.0.0:8443".to_owned());
        }
        let publish_interval_ms = publish_interval_ms.unwrap_or(PUBLISH_INTERVAL_MS);
        if !(100..=60_000).contains(&publish_interval_ms) {
            mistakes.push("publish_interval_ms: want 100 to 60000".to_owned());
        }
        let limits = check_limits(limits, &mut mistakes);
        let archive =
            archive.map(|section| check_archive(section, operator.as_ref(), &mut mistakes));
        let second_person_for = check_register(register, &mut mistakes);
        match (operator, dir, listen) {
            (Some(operator), Some(dir), Some(listen)) if mistakes.is_empty() => Ok(Self {
                operator,
                dir,
                listen,
                tiles_listen,
                metrics_listen,
                publish_interval: Duration::from_millis(publish_interval_ms),
                second_person_for,
                limits,
                archive,
            }),
            _ => Err(ConfigError::Mistakes { path: path.to_owned(), mistakes }),
        }
    }
}

fn check_archive(
    section: ArchiveSection,
    operator: Option<&Operator>,
    mistakes: &mut Vec<String>,
) -> ArchiveAfter {
    let ArchiveSection { after_days, hold } = section;
    let days = after_days.unwrap_or(ARCHIVE_AFTER_DAYS);
    // Today's is never sealed, and yesterday's may still be judged again by what comes late.
    if days < 2 {
        mistakes.push("archive.after_days: want at least 2".to_owned());
    }
    let mut holds = Vec::new();
    for HoldSection { origin, from_leaf, until_leaf } in hold {
        if until_leaf < from_leaf {
            mistakes.push("archive.hold.until_leaf: want no less than from_leaf".to_owned());
        }
        match origin.parse::<AgentOrigin>() {
            // It would pin nothing, and whoever wrote it relies on it.
            Ok(other) if operator.is_some_and(|operator| other.operator != *operator) => {
                let operator = operator.map(ToString::to_string).unwrap_or_default();
                mistakes.push(format!(
                    "archive.hold.origin: {origin:?} is of another operator, of which nothing is here; write \
                     {operator}/agent/{}/{}, or take the hold out",
                    other.node, other.generation
                ));
            }
            Ok(origin) => holds.push(Hold { origin, from_leaf, until_leaf }),
            Err(_) => mistakes.push(format!(
                "archive.hold.origin: {origin:?} is no <operator>/agent/<node>/<generation>"
            )),
        }
    }
    ArchiveAfter { days, holds }
}

fn check_register(section: RegisterSection, mistakes: &mut Vec<String>) -> SecondPersonFor {
    let RegisterSection { second_person_for, second_person_for_transitions } = section;
    let mut known = |field: &str, word: &str, is_known: bool, all: Vec<&str>| {
        if !is_known {
            let all = all.join(", ");
            mistakes.push(format!("register.{field}: {word:?} is none of {all}"));
        }
    };
    let mut instruments = Vec::new();
    for word in &second_person_for {
        let instrument = words::instrument_from(word);
        let all = words::instruments().map(words::instrument).collect();
        known("second_person_for", word, instrument.is_some(), all);
        instruments.extend(instrument);
    }
    let mut transitions = Vec::new();
    for word in &second_person_for_transitions {
        let kind = words::transition_from(word);
        let all = words::transitions().map(words::transition).collect();
        known("second_person_for_transitions", word, kind.is_some(), all);
        transitions.extend(kind);
    }
    SecondPersonFor { instruments, transitions }
}

fn check_limits(section: LimitsSection, mistakes: &mut Vec<String>) -> Limits {
    let LimitsSection { connections, tiles_connections, node } = section;
    let NodeLimitsSection { bytes_per_day, generations_per_hour, unnamed_chunks } = node;
    let default = NodeLimits::default();
    let node = NodeLimits {
        bytes_per_day: bytes_per_day.unwrap_or(default.bytes_per_day),
        generations_per_hour: generations_per_hour.unwrap_or(default.generations_per_hour),
        unnamed_chunks: unnamed_chunks.unwrap_or(default.unnamed_chunks),
    };
    // A message has up to 1 MiB, and must fit whatever was used before.
    if node.bytes_per_day < 16 * 1024 * 1024 {
        mistakes.push("limits.node.bytes_per_day: want at least 16777216".to_owned());
    }
    if node.generations_per_hour == 0 {
        mistakes.push("limits.node.generations_per_hour: want at least 1".to_owned());
    }
    // One set may name so many (`evidence::chunk`).
    if node.unnamed_chunks < 900 {
        mistakes.push("limits.node.unnamed_chunks: want at least 900".to_owned());
    }
    let default = Limits::default();
    let connections = connections.unwrap_or(default.connections);
    let tiles_connections = tiles_connections.unwrap_or(default.tiles_connections);
    for (key, value) in [("connections", connections), ("tiles_connections", tiles_connections)] {
        // More than a process may have open is no limit.
        if !(8..=1_000_000).contains(&value) {
            mistakes.push(format!("limits.{key}: want 8 to 1000000"));
        }
    }
    Limits { node, connections, tiles_connections, patience: default.patience }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported_at_once_by_its_name() {
        let text = "operator = 'localhost'\nlisten = 'here'\npublish_interval_ms = 1\n\
                    [register]\nsecond_person_for = ['a letter']\nsecond_person_for_transitions = ['expire']\n[limits]\nconnections = 0\n[limits.node]\nbytes_per_day = 1\ngenerations_per_hour = 0\nunnamed_chunks = 1\n";
        let error = Config::parse(text, Path::new("c.toml")).unwrap_err().to_string();
        for key in [
            "operator:",
            "dir is missing",
            "listen:",
            "publish_interval_ms:",
            "register.second_person_for:",
            "register.second_person_for_transitions: \"expire\" is none of accept,",
            "limits.connections:",
            "limits.node.bytes_per_day:",
            "limits.node.generations_per_hour:",
            "limits.node.unnamed_chunks:",
        ] {
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn an_archive_says_after_how_long_and_what_stays() {
        let parse = |archive: &str| {
            let text = format!(
                "operator = 'example.net'\ndir = 'd'\nlisten = '127.0.0.1:1'\n[archive]\n{archive}"
            );
            Config::parse(&text, Path::new("c.toml")).map_err(|error| error.to_string())
        };
        assert_eq!(parse("").unwrap().archive.unwrap().days, ARCHIVE_AFTER_DAYS);
        let held = "[[archive.hold]]\norigin = 'example.net/agent/r1/0000000000000001'\n\
                    from_leaf = 3\nuntil_leaf = 9\n";
        let archive = parse(&format!("after_days = 30\n{held}")).unwrap().archive.unwrap();
        assert_eq!((archive.days, archive.holds[0].from_leaf), (30, 3));
        let other = parse(&held.replace("example.net", "other.example")).unwrap_err();
        let remedy = "archive.hold.origin: \"other.example/agent/r1/0000000000000001\" is of another operator, \
                      of which nothing is here; write example.net/agent/r1/0000000000000001, or";
        assert!(other.contains(remedy), "{other}");
        let text = held.replace("example.net/agent", "nobody").replace("= 9", "= 2");
        let error = parse(&format!("after_days = 1\n{text}")).unwrap_err();
        for key in ["archive.after_days", "archive.hold.origin", "archive.hold.until_leaf"] {
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn an_unknown_key_is_a_mistake() {
        let error = Config::parse("oprator = 'a.b'", Path::new("c.toml")).unwrap_err().to_string();
        assert!(error.contains("oprator"), "{error}");
    }

    #[test]
    fn the_example_file_is_valid() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config/collector.toml");
        let config = Config::load(&path).unwrap();
        assert_eq!(config.limits, Limits::default(), "it shows the defaults");
    }
}
