//! What enrolment wrote down, merged with what was typed: flag before environment before file.

use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use evidence::{AgentOrigin, PersonId};
use remit_proto::v1;
use serde::{Deserialize, Serialize};
use tlog::note::{KeyName, SigningKey, VerifierKey};

use crate::{
    cli::Global,
    exit::CliError,
    home::{self, Home},
};

/// `config.toml`. Unknown keys are mistakes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConfigFile {
    pub(crate) collector: String,
    pub(crate) operator: String,
    pub(crate) person: String,
    pub(crate) role: String,
    pub(crate) log_vkey: String,
    pub(crate) register_vkey: String,
}

/// What we run with.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) home: Home,
    pub(crate) file: ConfigFile,
    collector: Option<String>,
    ca: Option<PathBuf>,
}

impl Config {
    pub(crate) fn load(global: &Global) -> Result<Self, CliError> {
        let home = Home::find(global.dir.as_deref())?;
        let path = home.path(home::CONFIG);
        let file = if path.exists() {
            toml::from_str(&home::read_text(&path)?).map_err(|error| {
                CliError::Malformed(format!("{}: {}", path.display(), error.message()))
            })?
        } else {
            ConfigFile::default()
        };
        Ok(Self { home, file, collector: global.collector.clone(), ca: global.ca.clone() })
    }

    pub(crate) fn collector(&self) -> Result<&str, CliError> {
        match self.collector.as_deref().or(Some(self.file.collector.as_str())) {
            Some(url) if !url.is_empty() => Ok(url),
            _ => Err(CliError::Usage(
                "no collector is known: give --collector URL, set REMIT_COLLECTOR, or run `remit enrol`"
                    .into(),
            )),
        }
    }

    /// `--ca`, or the one that enrolment kept.
    pub(crate) fn ca(&self) -> PathBuf {
        self.ca.clone().unwrap_or_else(|| self.home.path(home::CA))
    }

    pub(crate) fn log_vkey(&self) -> Result<VerifierKey, CliError> {
        vkey(&self.file.log_vkey, "log_vkey")
    }

    pub(crate) fn register_vkey(&self) -> Result<VerifierKey, CliError> {
        vkey(&self.file.register_vkey, "register_vkey")
    }

    /// The person as statements name them.
    pub(crate) fn person(&self) -> Result<v1::PersonRef, CliError> {
        let person: PersonId = self.file.person.parse().map_err(|_| not_enrolled("person"))?;
        let role = role_from(&self.file.role).ok_or_else(|| not_enrolled("role"))?;
        Ok(v1::PersonRef { person: person.to_string(), role: role.into() })
    }

    /// The key that signs statements.
    pub(crate) fn statement_key(&self) -> Result<SigningKey, CliError> {
        let name = KeyName::new(self.file.person.as_str()).map_err(|_| not_enrolled("person"))?;
        Ok(SigningKey::new(name, self.secret()?))
    }

    /// The key of a directory that was enrolled with a node's token, as the signer of one tree.
    pub(crate) fn node_key(&self, origin: &AgentOrigin) -> Result<SigningKey, CliError> {
        let name = KeyName::new(origin.to_string()).map_err(|_| not_enrolled("person"))?;
        Ok(SigningKey::new(name, self.secret()?))
    }

    fn secret(&self) -> Result<[u8; 32], CliError> {
        let path = self.home.path(home::STATEMENT_KEY);
        let text = home::read_text(&path)?;
        let bad = || CliError::Malformed(format!("{}: not 32 bytes in base64", path.display()));
        let secret: [u8; 32] = BASE64_STANDARD
            .decode(text.trim())
            .ok()
            .and_then(|b| b.try_into().ok())
            .ok_or_else(bad)?;
        Ok(secret)
    }
}

fn vkey(text: &str, field: &'static str) -> Result<VerifierKey, CliError> {
    text.parse().map_err(|_| not_enrolled(field))
}

fn not_enrolled(field: &'static str) -> CliError {
    CliError::Usage(format!(
        "config.toml holds no valid {field}: run `remit enrol`, or say with --dir where your keys are"
    ))
}

pub(crate) fn role_word(role: v1::Role) -> &'static str {
    match role {
        v1::Role::Unspecified => "unspecified",
        v1::Role::Operator => "operator",
        v1::Role::Officer => "officer",
        v1::Role::Assessor => "assessor",
        v1::Role::Public => "public",
        v1::Role::Agent => "agent",
    }
}

fn role_from(word: &str) -> Option<v1::Role> {
    [v1::Role::Operator, v1::Role::Officer, v1::Role::Assessor, v1::Role::Public]
        .into_iter()
        .find(|role| role_word(*role) == word)
}
