//! What the kernel says that a process has used: CPU time of all or some of its threads, and memory; and
//! what an agent says of itself.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::{
    time::{ClockId, clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};

/// CPU time of a process: all its threads, also those that have ended, user and system.
pub fn of_process(pid: i32) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid))?;
    Ok(clock_gettime(clock)?.into())
}

/// CPU time of the calling thread.
pub fn of_this_thread() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// CPU time of the running threads of this name, to a hundredth of a second.
pub fn of_threads(pid: i32, name: &str) -> Result<Duration> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        // A thread may end while its folder is read.
        let Ok(stat) = fs::read_to_string(task.join("stat")) else { continue };
        let (found, ticks) = name_and_ticks(&stat).context("/proc/<pid>/task/<tid>/stat")?;
        if found == name {
            total += Duration::from_millis(ticks * TICK_MS);
        }
    }
    Ok(total)
}

/// proc_pid_stat(5): the name is field 2, in parentheses; utime and stime are fields 14 and 15.
fn name_and_ticks(stat: &str) -> Option<(&str, u64)> {
    let (before, after) = stat.rsplit_once(") ")?;
    let (_, name) = before.split_once('(')?;
    let mut fields = after.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((name, user + system))
}

/// USER_HZ is 100 on every architecture that Linux calls these fields' unit for.
const TICK_MS: u64 = 10;

/// Resident memory, now and at its highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub resident_kib: u64,
    pub peak_kib: u64,
}

pub fn memory(pid: i32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    Ok(Memory {
        resident_kib: field("VmRSS:").context("VmRSS")?,
        peak_kib: field("VmHWM:").context("VmHWM")?,
    })
}

/// What an agent of the calling thread's network namespace serves at its metrics endpoint.
pub fn metrics(address: &str) -> Result<String> {
    let mut text = String::new();
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    stream.read_to_string(&mut text)?;
    ensure!(text.contains("200 OK"), "the metrics endpoint says: {text}");
    Ok(text)
}

/// A counter that was never counted up is not there.
pub fn metric(text: &str, name: &str) -> Result<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.map_or(Ok(0), str::parse)?)
}

/// Millions of bytes, as the targets are given.
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses() {
        let stat = "7 (a) (b c) S 1 7 7 0 -1 0 10 20 30 40 250 5 0 0 20 0 1";
        assert_eq!(name_and_ticks(stat), Some(("a) (b c", 255)));
    }

    #[test]
    fn this_process_has_used_memory_and_time() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let Memory { resident_kib, peak_kib } = memory(pid).unwrap();
        assert!(0 < resident_kib && resident_kib <= peak_kib);
        assert!(of_process(pid).unwrap() >= of_this_thread().unwrap());
    }
}
