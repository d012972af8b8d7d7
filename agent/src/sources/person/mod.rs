//! Deeds that no packet shows (a shutdown, throttling, a suspended line), as persons record them with
//! `remit-agent record`, and a second person confirms.
//!
//! In: one order at a time over a Unix stream socket ([`wire`]); who gives it, the kernel says (the peer's
//! credentials, unix(7) `SO_PEERCRED`), and the section of the configuration ties a login of this machine
//! to the opaque id under which the person is enrolled. Out: [`Report::Said`], which the recorder answers
//! once the leaf is durable: nobody is told "recorded" before it is.
//!
//! Promised:
//! - Who speaks is never what was typed. Root is no person: it could be anybody.
//! - A line is named by a token that is made here, with a key that stays with the node; what was typed goes
//!   no further. A target that is a customer's address becomes a token as in every source.
//! - An order that is not understood is answered with what is wanted, and changes nothing.
//!
//! What this does not show: whoever rules the node can speak for both persons, and the leaf says so
//! (`ATTESTATION_BY_NODE`; docs/adr/0022). Nothing has a separate counter: what nobody records is not known.

mod listen;
mod order;
mod settings;
#[cfg(test)]
mod tests;
pub mod wire;

use std::{path::PathBuf, sync::Arc};

use evidence::PersonId;
use remit_proto::v1::SourceKind;

pub use self::settings::TECHNOLOGY;
use super::{FileUse, Source, SourceContext, SourceError, raw_log::RawLog};
use crate::doctor::Finding;

/// Where orders come in when nobody says otherwise; the directory is made by the service manager.
pub const SOCKET: &str = "/run/remit-agent/record.sock";

/// Who may record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub socket: PathBuf,
    /// Two or more, each with a login of its own.
    pub persons: Vec<(PersonId, Login)>,
}

/// A login of this machine; never root's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    Name(String),
    Uid(u32),
}

impl Source for Person {
    fn kind(&self) -> SourceKind {
        SourceKind::Person
    }

    fn section(&self) -> toml::Table {
        settings::print(self)
    }

    fn files(&self) -> Vec<FileUse> {
        vec![FileUse::Listen(self.socket.clone())]
    }

    fn raw_log(&self) -> RawLog {
        RawLog::None
    }

    fn run(self: Arc<Self>, context: SourceContext) -> Result<(), SourceError> {
        listen::run(&self, &context)
            .map_err(|error| SourceError::Failed("person".into(), error.into()))
    }

    fn examine(&self, _context: &SourceContext) -> Vec<Finding> {
        let mut findings = vec![match self.socket.parent().is_some_and(|dir| dir.is_dir()) {
            true => Finding::fine(PART, format!("{} persons may record deeds", self.persons.len())),
            false => Finding::wrong(
                PART,
                format!("there is no directory for the socket {}", self.socket.display()),
                "make it, writable for the agent, open to those who may record",
            ),
        }];
        for (person, login) in &self.persons {
            if login.uid().is_none() {
                findings.push(Finding::wrong(
                    PART,
                    format!("{person} has no login on this machine"),
                    "make the login, or correct it in persons",
                ));
            }
        }
        findings
    }
}

const PART: &str = "person";

impl Login {
    /// As the machine knows it now.
    fn uid(&self) -> Option<u32> {
        match self {
            Self::Uid(uid) => Some(*uid),
            Self::Name(name) => {
                let user = nix::unistd::User::from_name(name).ok().flatten()?;
                Some(user.uid.as_raw())
            }
        }
    }
}

impl Person {
    /// The person behind a login. A name that has become root's is nobody's.
    fn of_uid(&self, uid: u32) -> Option<&PersonId> {
        let mut found =
            self.persons.iter().filter(|(_, login)| uid != 0 && login.uid() == Some(uid));
        let (person, _) = found.next()?;
        // Two names of one login would be two persons in one.
        found.next().is_none().then_some(person)
    }
}
