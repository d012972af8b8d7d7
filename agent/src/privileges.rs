//! Becoming small: own user, one capability, files of its own (and no others: `confinement`), no way back. Before any thread is started, because
//! capabilities belong to threads.
//!
//! What is in force afterwards is read back from the kernel and stated in `Start`, whatever the
//! configuration asked for.

use std::{ffi::CString, fs, io};

use caps::{CapSet, Capability, CapsHashSet};
use nix::{
    sys::{
        prctl,
        stat::{Mode, umask},
    },
    unistd::{User, initgroups, setresgid, setresuid},
};
use remit_proto::v1;

use crate::confinement;

#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    #[error("there is no user {0:?}: make one, or leave `user` out")]
    NoUser(String),
    #[error("only root can become another user; start as root, or leave `user` out")]
    NotRoot,
    #[error("{step}")]
    System {
        step: &'static str,
        #[source]
        source: io::Error,
    },
}

/// Drops to `user` and the groups that it is in (a resolver's log may be readable by a group alone),
/// with `CAP_NET_ADMIN` alone: that is what netlink needs.
pub fn drop_to(user: &str) -> Result<(), PrivilegeError> {
    let entry = User::from_name(user)
        .map_err(step("looking the user up"))?
        .ok_or_else(|| PrivilegeError::NoUser(user.to_owned()))?;
    if entry.uid != nix::unistd::geteuid() {
        if !nix::unistd::geteuid().is_root() {
            return Err(PrivilegeError::NotRoot);
        }
        // Capabilities survive the change of user only if asked to, and only in "permitted".
        prctl::set_keepcaps(true).map_err(step("keeping capabilities"))?;
        let name = CString::new(user).map_err(|_| PrivilegeError::NoUser(user.to_owned()))?;
        initgroups(&name, entry.gid).map_err(step("taking the user's groups"))?;
        setresgid(entry.gid, entry.gid, entry.gid).map_err(step("changing the group"))?;
        setresuid(entry.uid, entry.uid, entry.uid).map_err(step("changing the user"))?;
        prctl::set_keepcaps(false).map_err(step("keeping capabilities"))?;
    }
    keep(&[Capability::CAP_NET_ADMIN])
}

/// Without another user: the same capabilities, and no new ones.
pub fn reduce() -> Result<(), PrivilegeError> {
    if nix::unistd::geteuid().is_root() {
        // What root may read and write whoever owns it, it needs for its logs and sockets.
        return keep(&[
            Capability::CAP_NET_ADMIN,
            Capability::CAP_DAC_OVERRIDE,
            Capability::CAP_DAC_READ_SEARCH,
        ]);
    }
    keep(&[Capability::CAP_NET_ADMIN])
}

/// Files of the node are its own: spool and openings hold what was hit and when.
pub fn close_files_to_others() {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
}

fn keep(capabilities: &[Capability]) -> Result<(), PrivilegeError> {
    let failed = |_| PrivilegeError::System {
        step: "reducing capabilities",
        source: io::ErrorKind::PermissionDenied.into(),
    };
    let permitted = caps::read(None, CapSet::Permitted).map_err(failed)?;
    let wanted: CapsHashSet =
        capabilities.iter().copied().filter(|cap| permitted.contains(cap)).collect();
    // Effective first: it may not exceed permitted.
    caps::set(None, CapSet::Effective, &wanted).map_err(failed)?;
    caps::set(None, CapSet::Permitted, &wanted).map_err(failed)?;
    caps::clear(None, CapSet::Inheritable).map_err(failed)?;
    prctl::set_no_new_privs().map_err(step("giving up new privileges"))
}

/// What confines this process, as the kernel says.
pub fn sandbox() -> v1::Sandbox {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let confined_to_files = confinement::in_force();
    v1::Sandbox { confined_to_files, ..parse_sandbox(&status) }
}

fn parse_sandbox(status: &str) -> v1::Sandbox {
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default()
    };
    let all_not_root = |ids: &str| {
        !ids.is_empty() && ids.split_whitespace().all(|id| id.parse::<u32>().is_ok_and(|id| id > 0))
    };
    v1::Sandbox {
        own_user: all_not_root(field("Uid:")),
        no_new_privs: field("NoNewPrivs:") == "1",
        // Unknown is stated as everything, never as nothing.
        capabilities: u64::from_str_radix(field("CapEff:"), 16).unwrap_or(u64::MAX),
        // The status does not say it: see `confinement`.
        confined_to_files: false,
        // SECCOMP_MODE_FILTER (proc(5)).
        system_calls_filtered: field("Seccomp:") == "2",
    }
}

fn step(step: &'static str) -> impl Fn(nix::Error) -> PrivilegeError {
    move |error| PrivilegeError::System { step, source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_is_what_is_stated() {
        let status = "Name:\tremit\nUid:\t970\t970\t970\t970\nCapEff:\t0000000000001000\n\
                      NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        let own = v1::Sandbox {
            own_user: true,
            no_new_privs: true,
            capabilities: 1 << 12,
            confined_to_files: false,
            system_calls_filtered: true,
        };
        assert_eq!(parse_sandbox(status), own);
        let root = parse_sandbox("Uid:\t970\t0\t970\t970\nNoNewPrivs:\t0\n");
        assert_eq!(
            root,
            v1::Sandbox {
                own_user: false,
                no_new_privs: false,
                capabilities: u64::MAX,
                confined_to_files: false,
                system_calls_filtered: false,
            }
        );
    }
}
