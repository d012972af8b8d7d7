//! Why the source cannot go on, and what an operator does about it.

use std::io;

use crate::{
    rules::nftables::{ReadError, WatchError},
    sources::nflog::NflogError,
};

/// Why the source cannot go on. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum NftablesError {
    #[error(
        "nftables and NFLOG need CAP_NET_ADMIN: start the agent as root or give it this capability"
    )]
    NotPermitted(#[source] io::Error),
    #[error(
        "NFLOG group {group} is bound by another program (see /proc/net/netfilter/nfnetlink_log): \
         stop it, or let the blocking rules log to another group and name that one"
    )]
    GroupTaken { group: u16, source: io::Error },
    #[error("the kernel has no {module}: load that module, or build it into the kernel")]
    NoModule { module: &'static str, source: io::Error },
    #[error("NFLOG group {group} cannot be followed")]
    Nflog { group: u16, source: NflogError },
    #[error("the ruleset cannot be read")]
    Read(#[source] ReadError),
    #[error("changes of the ruleset cannot be followed")]
    Watch(#[source] WatchError),
    #[error("no thread for an NFLOG group")]
    Thread(#[source] io::Error),
}

impl NftablesError {
    pub(super) fn watch(error: WatchError) -> Self {
        match error {
            WatchError::Socket(source) if not_permitted(&source) => Self::NotPermitted(source),
            WatchError::Socket(source) if missing(&source) => {
                Self::NoModule { module: "nf_tables", source }
            }
            error => Self::Watch(error),
        }
    }

    pub(in crate::sources) fn read(error: ReadError) -> Self {
        match error {
            ReadError::Socket(source) | ReadError::Refused(source) if not_permitted(&source) => {
                Self::NotPermitted(source)
            }
            ReadError::Socket(source) | ReadError::Refused(source) if missing(&source) => {
                Self::NoModule { module: "nf_tables", source }
            }
            error => Self::Read(error),
        }
    }

    pub(in crate::sources) fn nflog(group: u16, error: NflogError) -> Self {
        match error {
            // EPERM too: the capability was there when the rules were read, and this is how the
            // kernel refuses the group of another socket (nfulnl_recv_config).
            NflogError::Refused { source, .. }
                if not_permitted(&source) || source.raw_os_error() == Some(libc::EBUSY) =>
            {
                Self::GroupTaken { group, source }
            }
            NflogError::Refused { source, .. } | NflogError::Socket(source) if missing(&source) => {
                Self::NoModule { module: "nfnetlink_log", source }
            }
            source => Self::Nflog { group, source },
        }
    }
}

fn not_permitted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES))
}

/// What nfnetlink answers for a subsystem that nobody registered, and the socket call without
/// netfilter netlink.
fn missing(error: &io::Error) -> bool {
    const ANSWERS: [i32; 4] =
        [libc::EINVAL, libc::EOPNOTSUPP, libc::EPROTONOSUPPORT, libc::EAFNOSUPPORT];
    error.raw_os_error().is_some_and(|code| ANSWERS.contains(&code))
}
