//! Canaries of one NFLOG group: packets of the agent's own, once a second, that a rule of the
//! operator's logs to the group and drops.
//!
//! In: where that rule looks for them, and each message of the group with how many were lost before
//! it. Out: which messages are canaries, how many of the lost ones were none, and [`News`] of them.
//!
//! What they are for: sequence numbers show a loss only when a later message arrives (front page of
//! `nflog`). A canary is that later message, within a second of the last hit; and one that comes back
//! shows that rule, kernel and reader are at work while nobody hits anything.
//!
//! Promised:
//! - Sent only to a loopback address, over a socket of this thread's; that takes no capability (ADR
//!   20). The packet never leaves the node.
//! - Known by its sender: the address and port that the socket has bound, which nobody else can send
//!   from. Only of such a packet is more than the headers looked at: its number.
//! - A lost canary is no lost hit. Canaries are numbered, so the next one that comes tells how many
//!   were lost before it; until then as many of the lost messages are held back as canaries are on
//!   their way. If none comes any more, that many lost hits stay untold here; the counters show them.
//!
//! Not done here: finding the rule, counting it (`nftables`).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use super::Packet;

/// Between two canaries. A loss at the end of a burst is known after this and the kernel's tenth of a
/// second; a message a second is no load.
const INTERVAL: Duration = Duration::from_secs(1);
/// So many in a row without an answer are more than a full queue: nobody can say what is not seen.
const LATE: u64 = 5;
/// The canary's number, big-endian, and nothing else: the headers and it fit into a snaplen of 64.
const PAYLOAD: usize = 8;

/// The canaries of one group. Owned by its thread.
#[derive(Debug, Default)]
pub struct Canary {
    /// `None`: there is no rule for them, or they are switched off.
    way: Option<Open>,
    due: Option<Instant>,
    /// Numbers of the newest sent and of the newest that came back; the first is 1.
    sent: u64,
    seen: u64,
    /// Messages that were lost since, canaries among them; and hits that were surely lost.
    held: u64,
    lost: u64,
    news: News,
    /// They cannot be sent, and that was logged.
    told: bool,
}

/// Where they go.
#[derive(Debug)]
struct Open {
    socket: UdpSocket,
    from: SocketAddr,
    to: SocketAddr,
}

/// What became of canaries since it was last asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct News {
    pub sent: u64,
    pub seen: u64,
}

impl Canary {
    /// From now on there is a rule for canaries to this address, or none any more. What is not on
    /// loopback is no place for them.
    pub fn aim(&mut self, to: Option<SocketAddr>) {
        let to = to.filter(|to| to.ip().is_loopback());
        if self.way.as_ref().map(|way| way.to) == to {
            return;
        }
        // What is on its way still comes, from a socket that is no longer known; what was held back may
        // have been canaries.
        self.way = None;
        self.held = self.held.saturating_sub(self.unanswered());
        self.seen = self.sent;
        let Some(to) = to else { return };
        let opened = Open::new(to);
        self.say(opened.as_ref().err());
        (self.way, self.due) = (opened.ok(), None);
    }

    /// Sends one if it is time.
    pub fn send_if_due(&mut self) {
        if self.due.is_none_or(|due| Instant::now() >= due) {
            self.send();
        }
    }

    /// Sends one now: what was lost before it will be known when it comes.
    pub fn send(&mut self) {
        let Some(Open { socket, from: _, to }) = &self.way else { return };
        self.due = Some(Instant::now() + INTERVAL);
        let number = self.sent + 1;
        let sent = match socket.send_to(&number.to_be_bytes(), to) {
            // Dropped on the output hook, where the rule may be.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            sent => sent.map(drop),
        };
        if sent.is_ok() {
            self.sent = number;
            self.news.sent += 1;
        }
        self.say(sent.as_ref().err());
    }

    /// Whether the message is a canary; takes it in if so. What was lost before it is told first.
    pub fn takes(&mut self, packet: &Packet<'_>) -> bool {
        let Some(Open { from, to, .. }) = &self.way else { return false };
        let is_ours = packet.headers.is_some_and(|headers| {
            (headers.src, headers.sport) == (from.ip(), Some(from.port()))
                && (headers.dst, headers.dport) == (to.ip(), Some(to.port()))
        });
        if !is_ours {
            return false;
        }
        let number = packet.behind_udp().and_then(<[u8]>::first_chunk::<PAYLOAD>);
        let number = number.map_or(0, |bytes| u64::from_be_bytes(*bytes));
        // Too little of it was copied: that they come is known, which of them are lost is not.
        let number = if number == 0 { self.seen + 1 } else { number };
        if (self.seen + 1..=self.sent).contains(&number) {
            let canaries = number - self.seen - 1;
            self.lost += self.held.saturating_sub(canaries);
            (self.held, self.seen) = (0, number);
            self.news.seen += 1;
        }
        true
    }

    /// So many messages did not come.
    pub fn lose(&mut self, count: u64) {
        self.held = self.held.saturating_add(count);
    }

    /// Hits that were lost, as far as that is known.
    pub fn take_lost(&mut self) -> u64 {
        let held = self.held.min(self.unanswered());
        let lost = std::mem::take(&mut self.lost) + (self.held - held);
        self.held = held;
        lost
    }

    /// `None`: nothing new.
    pub fn take_news(&mut self) -> Option<News> {
        let news = std::mem::take(&mut self.news);
        (news != News::default()).then_some(news)
    }

    pub fn unanswered(&self) -> u64 {
        self.sent - self.seen
    }

    /// They do not come back.
    pub fn is_late(&self) -> bool {
        self.unanswered() > LATE
    }

    fn say(&mut self, error: Option<&io::Error>) {
        if let Some(error) = error
            && !self.told
        {
            tracing::warn!(%error, "canaries cannot be sent: is the loopback interface up?");
        }
        self.told = error.is_some();
    }
}

impl Open {
    fn new(to: SocketAddr) -> io::Result<Self> {
        let own: IpAddr = match to.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let socket = UdpSocket::bind((own, 0))?;
        socket.set_nonblocking(true)?;
        let from = socket.local_addr()?;
        Ok(Self { socket, from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::nflog::Headers;

    const RULE: &str = "127.0.0.1:4242";

    fn armed() -> Canary {
        let mut canary = Canary::default();
        canary.aim(Some(RULE.parse().unwrap()));
        canary
    }

    /// The message that the rule makes of the canary with this number.
    fn arrives(canary: &mut Canary, number: u64) -> bool {
        let from = canary.way.as_ref().map(|way| way.from).unwrap();
        arrives_from(canary, from, number)
    }

    fn arrives_from(canary: &mut Canary, from: SocketAddr, number: u64) -> bool {
        let mut bytes = vec![0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1];
        bytes.extend(from.port().to_be_bytes());
        bytes.extend(4242_u16.to_be_bytes());
        bytes.extend([0, 16, 0, 0]);
        bytes.extend(number.to_be_bytes());
        let headers =
            super::super::headers(&bytes).map(|headers| Headers { src: from.ip(), ..headers });
        canary.takes(&Packet { headers, ip: &bytes, ..Packet::EMPTY })
    }

    #[test]
    fn a_canary_shows_what_was_lost_at_the_end() {
        let mut canary = armed();
        canary.send();
        assert!(arrives(&mut canary, 1));
        canary.send();
        // The hits before canary 2 did not come; it did.
        canary.lose(7);
        assert!(arrives(&mut canary, 2));
        assert_eq!(canary.take_lost(), 7);
        assert_eq!(canary.take_news(), Some(News { sent: 2, seen: 2 }));
        assert_eq!((canary.take_news(), canary.unanswered()), (None, 0));
    }

    #[test]
    fn a_lost_canary_is_no_lost_hit() {
        let mut canary = armed();
        for _ in 0..3 {
            canary.send();
        }
        // Canaries 1 and 2 and 7 hits did not come: up to three of the nine may be canaries.
        canary.lose(9);
        assert_eq!(canary.take_lost(), 6);
        assert_eq!(canary.take_lost(), 0);
        assert!(arrives(&mut canary, 3));
        assert_eq!(canary.take_lost(), 1);
        canary.lose(4);
        assert_eq!(canary.take_lost(), 4, "none is on its way");
    }

    #[test]
    fn only_the_agent_itself_sends_canaries() {
        let mut canary = armed();
        canary.send();
        let from = canary.way.as_ref().map(|way| way.from).unwrap();
        assert!(!arrives_from(&mut canary, SocketAddr::new(from.ip(), from.port() ^ 1), 1));
        assert!(!arrives_from(&mut canary, SocketAddr::new([127, 0, 0, 2].into(), from.port()), 1));
        assert_eq!(canary.unanswered(), 1);
        // Twice, and one that was never sent: canaries, and no news.
        assert!(arrives(&mut canary, 1) && arrives(&mut canary, 1) && arrives(&mut canary, 9));
        assert_eq!(canary.take_news(), Some(News { sent: 1, seen: 1 }));
    }

    #[test]
    fn those_that_do_not_come_back_are_late_and_a_new_rule_begins_anew() {
        let mut canary = armed();
        (0..LATE).for_each(|_| canary.send());
        assert!(!canary.is_late());
        canary.send();
        assert!(canary.is_late());
        canary.aim(None);
        canary.send();
        assert_eq!((canary.is_late(), canary.unanswered()), (false, 0));
        canary.aim(Some("192.0.2.1:9".parse().unwrap()));
        assert!(canary.way.is_none(), "nothing leaves the node");
    }
}
