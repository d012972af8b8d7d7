//! What the operator typed becomes what we run with, in one function that reports every mistake.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use evidence::Operator;
use serde::Deserialize;

/// A new head is in the log within a second or so; a checkpoint a second is what a log bears.
const PUBLISH_INTERVAL_MS: u64 = 1000;

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
}

#[derive(Debug, Clone)]
pub struct Config {
    pub operator: Operator,
    pub dir: PathBuf,
    pub listen: SocketAddr,
    pub tiles_listen: Option<SocketAddr>,
    pub metrics_listen: Option<SocketAddr>,
    pub publish_interval: Duration,
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
        let ConfigFile { operator, dir, listen, tiles_listen, metrics_listen, publish_interval_ms } =
            file;
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
        match (operator, dir, listen) {
            (Some(operator), Some(dir), Some(listen)) if mistakes.is_empty() => Ok(Self {
                operator,
                dir,
                listen,
                tiles_listen,
                metrics_listen,
                publish_interval: Duration::from_millis(publish_interval_ms),
            }),
            _ => Err(ConfigError::Mistakes { path: path.to_owned(), mistakes }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported_at_once_by_its_name() {
        let text = "operator = 'localhost'\nlisten = 'here'\npublish_interval_ms = 1\n";
        let error = Config::parse(text, Path::new("c.toml")).unwrap_err().to_string();
        for key in ["operator:", "dir is missing", "listen:", "publish_interval_ms:"] {
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
        Config::load(&path).unwrap();
    }
}
