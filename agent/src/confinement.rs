//! Which files the agent may open once it runs: Landlock, from the kernel's side and for ever.
//!
//! In: the configuration. Out: nothing can be executed; files can be written below `dir` alone, and
//! sockets be made where a source listens; read can be what the sources name, and what the C library needs
//! to find the collector's address. Whoever takes over the agent finds no more than that, as root too.
//!
//! - Logs are rotated, zones are replaced, and a service that starts anew makes its `/run` folder anew. A
//!   rule holds a folder as it is now, and not its name; so what may be read is the folder *above* the one
//!   that holds the file, unless that is the root. Rights of files hold as before.
//! - `read_also` names what configurations of other programs refer to that is elsewhere and comes later.
//! - A kernel without it (before 5.19, or switched off) is no reason to stop observing: `Start` and
//!   `doctor` say what is in force. In the first version of 5.13 no file can be moved between two folders,
//!   which the spool does, so it is not used.
//!
//! Not done here: what may be connected to. The unit's `IPAddressAllow` can say it, as it knows the addresses.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{fd::AsFd as _, unix::fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{
    config::Config,
    kernel::{Landlock, file_rights as rights},
    sources::FileUse,
};

/// What was confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    InForce {
        abi: u32,
    },
    /// The kernel cannot, or this process may not.
    Unavailable {
        abi: u32,
    },
    /// The configuration says so.
    Off,
}

const READ: u64 = rights::READ_FILE | rights::READ_DIR;
const WRITE: u64 = READ
    | rights::WRITE_FILE
    | rights::REMOVE_DIR
    | rights::REMOVE_FILE
    | rights::MAKE_DIR
    | rights::MAKE_REG
    | rights::REFER
    | rights::TRUNCATE;
const LISTEN: u64 = READ | rights::MAKE_SOCK | rights::REMOVE_FILE;

/// The first version with which files can be moved between folders.
const ABI_MIN: u32 = 2;

/// Configuration, name service and its libraries, time zones, `/proc` for boot id and status.
const SYSTEM: [&str; 6] = ["/etc", "/proc", "/usr", "/lib", "/lib64", "/run/systemd/resolve"];

/// Before any thread is started. `more`: a file that a command reads beside the sources.
pub fn confine(config: &Config, more: Option<&Path>) -> io::Result<Confinement> {
    if !config.confine_files {
        return Ok(Confinement::Off);
    }
    let abi = Landlock::abi();
    if abi < ABI_MIN {
        return Ok(Confinement::Unavailable { abi });
    }
    if let Some(memory) = &config.memory {
        // If it cannot be made, opening the spool says so.
        let _ = fs::create_dir_all(&memory.dir);
    }
    let ruleset = Landlock::new(abi)?;
    for (folder, rights) in allowed(config, more) {
        // What is not there yet, or closed to this user, cannot be named; reading it fails as before.
        if let Ok(folder) = open(&folder) {
            ruleset.allow(folder.as_fd(), rights)?;
        }
    }
    match ruleset.enforce() {
        // A container's own filter may forbid the call.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Ok(Confinement::Unavailable { abi })
        }
        Err(error) => Err(error),
        Ok(()) => Ok(Confinement::InForce { abi }),
    }
}

/// Whether this process is confined, whoever did it: the root is not among what may be listed.
pub fn in_force() -> bool {
    fs::read_dir("/").is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

fn allowed(config: &Config, more: Option<&Path>) -> Vec<(PathBuf, u64)> {
    let mut all: Vec<(PathBuf, u64)> = SYSTEM.map(|path| (path.into(), READ)).into();
    all.push((config.dir.clone(), WRITE));
    all.extend(config.memory.iter().map(|memory| (memory.dir.clone(), WRITE)));
    all.extend(config.read_also.iter().map(|path| (path.clone(), READ)));
    let mut name = |path: &Path, rights| {
        all.extend(around(path).map(|folder| (folder, rights)));
        // A symbolic link leads elsewhere, and what counts is where.
        let real = fs::canonicalize(path).ok();
        all.extend(real.and_then(|real| around(&real)).map(|folder| (folder, rights)));
    };
    name(Path::new("/etc/resolv.conf"), READ);
    for file in config.basis_map.path().into_iter().chain(more) {
        name(file, READ);
    }
    for source in &config.sources {
        for file in source.files() {
            match file {
                FileUse::Read(path) => name(&path, READ),
                FileUse::Listen(path) => name(&path, LISTEN),
            }
        }
    }
    all
}

/// The folder above the one that holds the file; that one, if above it is the root; else what there is.
fn around(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    let above = folder.parent().filter(|above| above.parent().is_some()).unwrap_or(folder);
    above.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned)
}

/// To name it, and not to read it.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_CLOEXEC).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_rotated_and_its_folder_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("run/unbound/rpz.log");
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        assert_eq!(around(&log), Some(dir.path().join("run")));
        // What is not there yet is looked for above.
        let later = dir.path().join("a/b/c/d.log");
        assert_eq!(around(&later).as_deref(), Some(dir.path()));
        assert_eq!(around(Path::new("/var/x.log")), Some("/var".into()));
        assert_eq!(around(Path::new("/x.log")), Some("/".into()));
        assert_eq!(around(Path::new("/")), None);
    }

    /// A node's configuration with one source, a log of Unbound's.
    fn config(dir: &Path, log: &Path, more: &str) -> Config {
        let text = format!(
            "dir = {:?}\nlines_served = 1000\n{more}\n[collector]\nurl = \"https://c:1\"\n\
             [sources.unbound_rpz]\nlog = {log:?}\nzones = [{{ name = \"z\", file = \"/etc/z.zone\" }}]\n",
            dir.join("state")
        );
        Config::parse(&text, &|_| Err("none".to_owned())).unwrap()
    }

    fn denied<T>(result: io::Result<T>) -> bool {
        result.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }

    #[test]
    fn beyond_what_it_needs_nothing_is_read_written_or_executed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for folder in ["state/spool/aside", "run/unbound", "elsewhere", "also"] {
            fs::create_dir_all(path(folder)).unwrap();
        }
        let log = path("run/unbound/rpz.log");
        for file in ["run/unbound/rpz.log", "elsewhere/secret", "also/list", "state/spool/1"] {
            fs::write(path(file), "one").unwrap();
        }
        let config = config(dir.path(), &log, &format!("read_also = [{:?}]", path("also")));
        // Landlock confines a thread and those that it starts: this one alone.
        let confined = std::thread::scope(|scope| {
            let confined = scope.spawn(|| {
                nix::sys::prctl::set_no_new_privs().unwrap();
                let confinement = confine(&config, None).unwrap();
                let Confinement::InForce { .. } = confinement else {
                    assert!(!in_force());
                    return confinement;
                };
                assert!(in_force());
                assert!(denied(fs::read(path("elsewhere/secret"))));
                assert!(denied(fs::write(path("elsewhere/new"), "x")));
                assert!(denied(fs::write(&log, "x")), "a log is read and not written");
                assert!(denied(fs::remove_file(&log)));
                assert!(denied(std::process::Command::new("/bin/true").spawn().map(drop)));
                assert!(denied(std::os::unix::net::UnixListener::bind(path("state/s")).map(drop)));
                // What it needs goes on: reading, what it lists beside, its own state.
                assert_eq!(fs::read(&log).unwrap(), b"one");
                assert_eq!(fs::read(path("also/list")).unwrap(), b"one");
                fs::write(path("state/spool/2"), "two").unwrap();
                fs::rename(path("state/spool/1"), path("state/spool/aside/1")).unwrap();
                fs::remove_file(path("state/spool/2")).unwrap();
                fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
                confinement
            });
            confined.join().unwrap()
        });
        if !matches!(confined, Confinement::InForce { .. }) {
            eprintln!(
                "this kernel has no Landlock ({confined:?}): only that it is said was tested"
            );
        }
        assert!(!in_force(), "other threads are as before");
    }

    #[test]
    fn a_rotated_log_and_a_folder_made_anew_are_still_read() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("run/unbound");
        let log = folder.join("rpz.log");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        fs::write(&log, "one").unwrap();
        let config = config(dir.path(), &log, "");
        let (confined, is_confined) = std::sync::mpsc::channel();
        let (changed, is_changed) = std::sync::mpsc::channel::<()>();
        let path = log.clone();
        std::thread::scope(|scope| {
            let reader = scope.spawn(move || {
                nix::sys::prctl::set_no_new_privs().unwrap();
                confined.send(confine(&config, None).unwrap()).unwrap();
                let mut read = Vec::new();
                while is_changed.recv().is_ok() {
                    read.push(fs::read_to_string(&path).unwrap());
                    confined.send(Confinement::Off).unwrap();
                }
                read
            });
            is_confined.recv().unwrap();
            let look = || {
                changed.send(()).unwrap();
                is_confined.recv().unwrap();
            };
            fs::rename(&log, folder.join("rpz.log.1")).unwrap();
            fs::write(&log, "two").unwrap();
            look();
            fs::remove_dir_all(&folder).unwrap();
            fs::create_dir(&folder).unwrap();
            fs::write(&log, "three").unwrap();
            look();
            drop(changed);
            assert_eq!(reader.join().unwrap(), ["two", "three"]);
        });
    }

    #[test]
    fn whoever_does_not_want_it_is_not_confined() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), &dir.path().join("a/b.log"), "confine_files = false");
        assert_eq!(confine(&config, None).unwrap(), Confinement::Off);
        assert!(!in_force());
    }
}
