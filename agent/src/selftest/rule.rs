//! The self-test's own rule: put into the kernel beside the operator's, met by a datagram, and taken away.
//!
//! In: the groups that the agent reads, a mark. Out: a table of its own, with a rule and a counter for each group
//! and nothing else. It stands in the input hook, where forwarded packets never come, and looks at the loopback
//! interface alone; no rule of the operator's is read, changed or gone round. `nft` loads it, as it loads theirs.
//!
//! Taken away by [`Rule::take_away`], which looks whether it is gone, or else when the value is dropped, however
//! the test ends; after SIGKILL or a power cut the rule stays until the next self-test or reboot, and drops what
//! is sent to one loopback port.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
};

use super::report::Left;
use crate::{
    logging::chain,
    nft::{self, NftError},
    rules::nftables::{Family, NamedCounter, ReadError, Reader},
    sources::nftables::self_test::Mark,
};

pub(super) const TABLE: &str = "remit_selftest";
/// To add what is there is no error, and then there is something to delete; newer kernels alone know `destroy`.
const TAKE_AWAY: &str = "add table inet remit_selftest\ndelete table inet remit_selftest\n";

#[derive(Debug, thiserror::Error)]
pub(super) enum RuleError {
    #[error("a socket on 127.0.0.1 cannot be made: is the loopback interface up?")]
    Socket(#[source] io::Error),
    #[error(transparent)]
    Nft(#[from] NftError),
    #[error("the rule's counter cannot be read")]
    Counter(#[source] ReadError),
}

/// In force until it is dropped.
#[derive(Debug)]
pub(super) struct Rule {
    ends: Vec<End>,
    taken_away: bool,
}

/// One group's datagrams: sent by this socket to itself, so that the port is nobody else's.
#[derive(Debug)]
struct End {
    group: u16,
    socket: UdpSocket,
    to: SocketAddr,
}

impl Rule {
    pub(super) fn put(groups: &[u16], mark: Mark) -> Result<Self, RuleError> {
        let ends: io::Result<Vec<End>> = groups.iter().map(|group| End::new(*group)).collect();
        let ends = ends.map_err(RuleError::Socket)?;
        // One that a self-test which was killed has left is taken away first.
        nft::load(&format!("{TAKE_AWAY}{}", text(&ends, mark)))?;
        Ok(Self { ends, taken_away: false })
    }

    /// Also where somebody has done so before. What is said of it was looked at afterwards.
    pub(super) fn take_away(mut self) -> Left {
        if let Err(error) = nft::load(TAKE_AWAY) {
            tracing::error!(error = chain(&error), "the self-test's table cannot be deleted");
        }
        let Ok(ours) = our_counters() else { return Left::NotKnown };
        self.taken_away = ours.is_empty();
        if self.taken_away { Left::Gone } else { Left::StillThere }
    }

    /// Sends one to each of these groups. An error of EPERM is a rule's of the node itself.
    pub(super) fn send(&self, groups: &[u16]) -> io::Result<()> {
        let mut ends = self.ends.iter().filter(|end| groups.contains(&end.group));
        ends.try_for_each(|end| end.socket.send_to(b"remit selftest", end.to).map(drop))
    }

    /// The first group whose datagram was not dropped but came through.
    pub(super) fn came_through(&self) -> Option<u16> {
        let came = |end: &&End| end.socket.recv_from(&mut [0; 32]).is_ok();
        self.ends.iter().find(came).map(|end| end.group)
    }

    /// Groups whose rule has counted nothing yet; `None`: the table is gone.
    pub(super) fn not_counted(&self) -> Result<Option<Vec<u16>>, RuleError> {
        let ours = our_counters().map_err(RuleError::Counter)?;
        let mut waiting = Vec::new();
        for End { group, .. } in &self.ends {
            let name = counter_name(*group);
            let Some(counter) = ours.iter().find(|c| c.name == name) else { return Ok(None) };
            waiting.extend((counter.packets == 0).then_some(*group));
        }
        Ok(Some(waiting))
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        if !self.taken_away
            && let Err(error) = nft::load(TAKE_AWAY)
        {
            tracing::error!(error = chain(&error), "the self-test's table cannot be deleted");
        }
    }
}

/// Those of its table, which holds one for each group: none are there if it is gone.
fn our_counters() -> Result<Vec<NamedCounter>, ReadError> {
    let (_, mut counters) = Reader::open()?.read_counters()?;
    counters.retain(|counter| counter.family == Family::Inet && counter.table == TABLE);
    Ok(counters)
}

impl End {
    fn new(group: u16) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let to = socket.local_addr()?;
        Ok(Self { group, socket, to })
    }
}

fn counter_name(group: u16) -> String {
    format!("group_{group}")
}

/// Before all rules of the operator's in that hook, so that none of them is in its way.
fn text(ends: &[End], mark: Mark) -> String {
    let mut text = format!("table inet {TABLE} {{\n");
    for End { group, .. } in ends {
        text += &format!(" counter {} {{ }}\n", counter_name(*group));
    }
    text += " chain selftest { type filter hook input priority -450; policy accept;\n";
    for End { group, socket: _, to } in ends {
        text += &format!(
            "  iif lo ip daddr {} udp dport {} counter name {} log prefix \"{}\" group {group} drop\n",
            to.ip(),
            to.port(),
            counter_name(*group),
            mark.prefix()
        );
    }
    text + " }\n}\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::nftables::testing::{in_namespace, run};

    fn put() -> Rule {
        Rule::put(&[42, 43], Mark::new([7; 8])).unwrap()
    }

    fn tables() -> String {
        run("nft", &["list", "tables"])
    }

    #[test]
    fn it_stands_in_the_input_hook_and_looks_at_the_loopback_interface_alone() {
        let ends = vec![End::new(42).unwrap(), End::new(43).unwrap()];
        let text = text(&ends, Mark::new([7; 8]));
        assert_eq!(text.matches("hook").count(), 1, "{text}");
        assert!(text.contains("type filter hook input priority -450; policy accept;"), "{text}");
        let rules: Vec<_> = text.lines().filter(|line| line.ends_with("drop")).collect();
        assert_eq!(rules.len(), 2, "{text}");
        for (rule, End { group, to, .. }) in rules.iter().zip(&ends) {
            let only = format!("iif lo ip daddr 127.0.0.1 udp dport {} ", to.port());
            assert!(rule.trim().starts_with(&only), "{text}");
            assert!(rule.ends_with(&format!("group {group} drop")), "{text}");
        }
    }

    #[test]
    fn it_is_taken_away_once_or_twice_and_whether_it_is_gone_was_looked_at() {
        in_namespace(|| {
            run("nft", &["add", "table", "inet", "other"]);
            let rule = put();
            rule.send(&[42]).unwrap();
            assert_eq!(rule.not_counted().unwrap(), Some(vec![43]));
            assert_eq!((rule.came_through(), rule.take_away()), (None, Left::Gone));
            // Somebody else was faster.
            let rule = put();
            run("nft", &["delete", "table", "inet", TABLE]);
            assert_eq!(rule.not_counted().unwrap(), None);
            assert_eq!(rule.take_away(), Left::Gone);
            // One that was left by a test that was killed is no obstacle; nor is it one at the end.
            std::mem::forget(put());
            drop(put());
            assert_eq!(tables(), "table inet other\n");
        });
    }

    #[test]
    fn what_is_still_there_or_cannot_be_looked_at_is_not_said_to_be_gone() {
        in_namespace(|| {
            let rule = put();
            let admin = caps::Capability::CAP_NET_ADMIN;
            caps::drop(None, caps::CapSet::Effective, admin).unwrap();
            assert_eq!(rule.take_away(), Left::NotKnown);
            caps::raise(None, caps::CapSet::Effective, admin).unwrap();
        });
    }
}
