//! The self-test's own rule: put into the kernel beside the operator's, met by a datagram, and taken away.
//!
//! In: the groups that the agent reads, a mark. Out: a table of its own, with a rule and a counter for each group
//! and nothing else. It stands in the input hook, where forwarded packets never come, and looks at the loopback
//! interface alone; no rule of the operator's is read, changed or gone round. `nft` loads it, as it loads theirs.
//!
//! Taken away when the value is dropped, however the test ends; after SIGKILL or a power cut the rule stays until
//! the next self-test or reboot, and drops what is sent to one loopback port.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    process::{Command, Stdio},
};

use crate::{
    rules::nftables::{ReadError, Reader},
    sources::nftables::self_test::Mark,
};

pub(super) const TABLE: &str = "remit_selftest";

#[derive(Debug, thiserror::Error)]
pub(super) enum RuleError {
    #[error("a socket on 127.0.0.1 cannot be made: is the loopback interface up?")]
    Socket(#[source] io::Error),
    #[error("nft cannot be run")]
    NoNft(#[source] io::Error),
    #[error("nft does not take the rule: {0}")]
    Refused(String),
    #[error("the rule's counter cannot be read")]
    Counter(#[source] ReadError),
}

/// In force until it is dropped.
#[derive(Debug)]
pub(super) struct Rule {
    ends: Vec<End>,
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
        // One that a self-test which was killed has left is taken away first: to add what is there is no error.
        load(&format!("add table inet {TABLE}\ndelete table inet {TABLE}\n{}", text(&ends, mark)))?;
        Ok(Self { ends })
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
        let counters = Reader::open().and_then(|mut reader| reader.read_counters());
        let (_, counters) = counters.map_err(RuleError::Counter)?;
        let ours: Vec<_> = counters.iter().filter(|counter| counter.table == TABLE).collect();
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
        if let Err(error) = load(&format!("delete table inet {TABLE}\n")) {
            let error = crate::logging::chain(&error);
            tracing::error!(
                error,
                "the self-test's table {TABLE} is still there: delete it with nft"
            );
        }
    }
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

fn load(rules: &str) -> Result<(), RuleError> {
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(RuleError::NoNft)?;
    if let Some(mut input) = nft.stdin.take() {
        input.write_all(rules.as_bytes()).map_err(RuleError::NoNft)?;
    }
    let ended = nft.wait_with_output().map_err(RuleError::NoNft)?;
    match ended.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&ended.stderr);
            Err(RuleError::Refused(said.lines().next().unwrap_or_default().trim().to_owned()))
        }
    }
}
