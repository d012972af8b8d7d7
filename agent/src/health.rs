//! How the agent ends: the exit codes, in one place. A supervisor restarts on all but 0 and 64.
//! Those of an import, of `record` and of `selftest` are for whoever typed it; they are sysexits(3), and 1 for a
//! self-test (or a `doctor`) that found something wrong.

use crate::{
    config::ConfigError,
    enrol::EnrolError,
    keys::KeyError,
    privileges::PrivilegeError,
    recorder::RecorderError,
    sources::{SourceError, import::ImportError, person::wire::AskError},
    spool::OpenError,
};

/// Why the agent ended, other than being told to.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the node's keys cannot be used")]
    Keys(#[from] KeyError),
    #[error("the spool cannot be opened")]
    Spool(#[from] OpenError),
    #[error("privileges could not be dropped")]
    Privileges(#[from] PrivilegeError),
    #[error("the recorder stopped")]
    Recorder(#[from] RecorderError),
    #[error("a source stopped")]
    Source(#[from] SourceError),
    #[error("enrolment failed")]
    Enrol(#[from] EnrolError),
    #[error("nothing more was imported")]
    Import(#[from] ImportError),
    #[error("nothing was recorded")]
    Record(#[from] AskError),
    /// By a signal, before it was done.
    #[error("interrupted; what was put in was taken away")]
    Interrupted,
    #[error("{what}")]
    System {
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// A thread ended without saying why: a defect.
    #[error("{0} ended unexpectedly")]
    Lost(&'static str),
}

impl Stop {
    pub fn exit_code(&self) -> u8 {
        match self {
            // Our own state is in doubt; recovery decides at the next start.
            Self::Recorder(RecorderError::Spool(_)) => 2,
            // Weather: no room to begin, another agent still ends, the network is not there yet.
            Self::Recorder(RecorderError::NoRoom)
            | Self::Spool(_)
            | Self::System { .. }
            | Self::Enrol(_) => 3,
            Self::Recorder(
                RecorderError::Sign(_) | RecorderError::Key(_) | RecorderError::Random,
            )
            | Self::Lost(_) => 1,
            Self::Keys(_) | Self::Privileges(_) | Self::Source(_) => 4,
            Self::Import(error) => match error {
                ImportError::YearMissing { .. }
                | ImportError::Year(_)
                | ImportError::UtcOffset(_)
                | ImportError::Source(_) => USAGE,
                ImportError::TooManyRules | ImportError::OtherOptions => DATA,
                ImportError::Open { .. } | ImportError::NotAFile { .. } | ImportError::Read(_) => {
                    NO_INPUT
                }
                ImportError::Changed | ImportError::Interrupted | ImportError::NoRoom => AGAIN,
            },
            Self::Interrupted => AGAIN,
            Self::Record(error) => match error {
                AskError::NoAgent { .. } | AskError::NoAnswer(_) => AGAIN,
                AskError::Refused(_) => DATA,
            },
            // Nobody but the operator can help; do not restart.
            Self::Config(_) => USAGE,
        }
    }
}

/// EX_USAGE: what was typed is wrong.
pub const USAGE: u8 = 64;
/// EX_DATAERR: the file is not one that can be imported here.
const DATA: u8 = 65;
/// EX_NOINPUT: the file cannot be read.
const NO_INPUT: u8 = 66;
/// EX_TEMPFAIL: the same command can be given again.
const AGAIN: u8 = 75;
