//! What Unbound says over its control socket (daemon/remote.c, smallapp/unbound-control.c): one
//! connection per question, `UBCT1 <command>`, an answer in text until the end.
//!
//! Only a Unix socket, which needs no certificates (`control-interface: /path`,
//! `control-use-cert: no`). Only questions that change nothing.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use super::line::is_hit;
use crate::sources::rpz::{action::Done, is_same_name};

/// Unbound answers between two queries; longer means that it hangs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// A million local zones; of what is longer nothing is believed.
const ANSWER_SIZE_MAX: u64 = 64 * 1024 * 1024;

pub fn ask(socket: &Path, question: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(format!("UBCT1 {question}\n").as_bytes())?;
    let mut answer = Vec::new();
    if stream.take(ANSWER_SIZE_MAX).read_to_end(&mut answer)? as u64 == ANSWER_SIZE_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    String::from_utf8(answer).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// All blocks since Unbound started, from the answer to `stats_noreset`; the kinds that are no hits
/// are left out, as their log lines are. `None` without `extended-statistics: yes`: kinds that
/// count zero are not in the answer, so their absence alone says nothing.
pub fn blocks(stats: &str) -> Option<u64> {
    let mut extended = false;
    let mut sum = 0u64;
    for line in stats.lines() {
        extended |= line.starts_with("num.query.edns.present=");
        let counter = line.strip_prefix("num.rpz.action.").and_then(|l| l.split_once('='));
        if let Some((word, count)) = counter
            && Done::parse(word).is_some_and(is_hit)
        {
            sum = sum.checked_add(count.trim().parse().ok()?)?;
        }
    }
    extended.then_some(sum)
}

/// The serial that Unbound has loaded for a zone, from the answer to `list_auth_zones`.
pub fn loaded_serial(zones: &str, zone: &str) -> Option<u32> {
    let line = zones.lines().find_map(|line| {
        let (name, rest) = line.split_once('\t')?;
        is_same_name(name, zone).then_some(rest)
    })?;
    let serial = line.trim_start().strip_prefix("serial ")?;
    serial.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_blocks_are_summed() {
        let stats = "total.num.queries=18\nnum.query.edns.present=17\n\
            num.rpz.action.rpz-nxdomain=8\nnum.rpz.action.rpz-nodata=1\n\
            num.rpz.action.rpz-passthru=1\nnum.rpz.action.rpz-drop=1\n\
            num.rpz.action.rpz-tcp-only=3\nnum.rpz.action.rpz-local-data=3\n";
        assert_eq!(blocks(stats), Some(13));
        assert_eq!(blocks("num.query.edns.present=0\n"), Some(0));
        assert_eq!(blocks("total.num.queries=18\n"), None);
        assert_eq!(blocks("error unknown command\n"), None);
    }

    #[test]
    fn serials_as_old_and_new_versions_print_them() {
        let zones =
            "other.\tserial 3\nRPZ.test.\tserial 7\t since 1795459103 2026-11-23T18:38:23\n";
        assert_eq!(loaded_serial(zones, "rpz.test"), Some(7));
        assert_eq!(loaded_serial(zones, "other."), Some(3));
        assert_eq!(loaded_serial("rpz.test.\texpired\n", "rpz.test"), None);
        assert_eq!(loaded_serial("", "rpz.test"), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(text: String) {
            let _ = blocks(&format!("num.query.edns.present=1\nnum.rpz.action.rpz-drop={text}"));
            let _ = loaded_serial(&format!("rpz.test.\t{text}"), "rpz.test");
        }
    }
}
