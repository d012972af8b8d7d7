//! How the agent ends: the exit codes, in one place. A supervisor restarts on all but 0 and 64.

use crate::{
    config::ConfigError, enrol::EnrolError, keys::KeyError, privileges::PrivilegeError,
    recorder::RecorderError, sources::registry::SourceError, spool::OpenError,
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
            // EX_USAGE: nobody but the operator can help; do not restart.
            Self::Config(_) => 64,
        }
    }
}
