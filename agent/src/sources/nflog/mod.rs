//! NFLOG: the packets that blocking rules log, in the kernel's own words.
//!
//! In: one NFLOG group of the network namespace that the calling thread is in. Rules send packets
//! there with `log group n prefix "remit=…"` (nft) or `-j NFLOG` (iptables).
//!
//! Out: one [`Packet`] for each message, borrowed from the receive buffer, and [`ReadStats`] for
//! each read: what came, what is known to be lost, what could not be read.
//!
//! **Client addresses.** Every logged packet carries its sender's address. They exist in
//! [`Packet`] and nowhere else: it borrows, it cannot be kept past the callback, and nothing in
//! here stores or prints one. Only headers are copied by the kernel (96 bytes), of which the bytes
//! behind the ports are never looked at, but in a packet of the agent's own (`canary`); user ids and
//! hardware addresses are not read either.
//!
//! Promised:
//! - No allocation for a message. One receive per call; the kernel packs up to
//!   [`Settings::messages_per_datagram`] messages into one.
//! - Sequence numbers count from 0 at each bind, so a first number n means that n were lost. They
//!   show a loss only when a *later* message arrives: a loss at the end is known by the next canary
//!   (`canary`), and without canaries by counters alone.
//! - A group has one owner in a network namespace. If another has it, bind fails.
//! - While nobody has bound the group, the kernel counts nothing: only nft counters show what
//!   happened then.
//!
//! Not done here: which rule logged the message, what it claims, any summing up.
//!
//! Sources: `linux/netfilter/nfnetlink_log.h`, kernel `net/netfilter/nfnetlink_log.c`
//! (nfulnl_recv_config, nfulnl_log_packet, __nfulnl_send).

mod canary;
pub mod message;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

pub use canary::{Canary, News};
pub use message::{Headers, Packet, headers};

use crate::kernel::{Malformed, Messages, NetlinkSocket, ReceiveError};

/// The reader of one group. One thread owns it: it must not wait for anything but its socket.
#[derive(Debug)]
pub struct NflogReader {
    socket: NetlinkSocket,
    buffer: Vec<u8>,
    sequence: Sequence,
}

/// What the kernel is asked for. The defaults lost nothing at 650 000 messages a second with a
/// reader at a tenth of a core; those of the kernel lost half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Bytes that the kernel collects before it sends. Just under 32 KiB with the header of the
    /// buffer, so that it fills one slab. Beyond 131072 the kernel ignores it, without an error.
    pub kernel_batch_bytes: u32,
    /// Messages that the kernel collects before it sends. A rule's own `queue-threshold` can only
    /// lower this.
    pub messages_per_datagram: u32,
    /// Hundredths of a second after which it sends what it has.
    pub flush_after_cs: u32,
    /// Bytes of each packet: IPv6 and TCP headers with room for extensions, no more.
    pub copy_bytes: u32,
    /// For SO_RCVBUFFORCE; the kernel doubles it. Routers may take 256 KiB.
    pub receive_buffer_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kernel_batch_bytes: 32_256,
            messages_per_datagram: 140,
            flush_after_cs: 10,
            copy_bytes: 96,
            receive_buffer_bytes: 1 << 20,
        }
    }
}

/// What one read brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadStats {
    pub messages: u64,
    /// Messages that the kernel numbered and that never came.
    pub lost_by_sequence: u64,
    /// The kernel had to drop messages, at least once. How many, later numbers tell.
    pub enobufs: u64,
    /// Messages that came and could not be read. Not part of `lost_by_sequence`.
    pub malformed: u64,
    /// Datagrams longer than our buffer. Their last messages show as lost.
    pub truncated: u64,
}

impl ReadStats {
    pub fn add(&mut self, other: Self) {
        let Self { messages, lost_by_sequence, enobufs, malformed, truncated } = other;
        self.messages += messages;
        self.lost_by_sequence += lost_by_sequence;
        self.enobufs += enobufs;
        self.malformed += malformed;
        self.truncated += truncated;
    }
}

#[derive(Debug, thiserror::Error)]
pub enum NflogError {
    #[error("opening or using a netlink socket")]
    Socket(#[source] io::Error),
    /// EPERM: not privileged. EBUSY: another socket has the group.
    #[error("the kernel refused NFLOG group {group}")]
    Refused { group: u16, source: io::Error },
    #[error("the kernel did not confirm NFLOG group {group}")]
    NotConfirmed { group: u16 },
}

/// Longer than any datagram that the kernel sends at the default settings, by a wide margin: an
/// nlbuf of 64 KiB was seen to fill a slab of 128.
const BUFFER_SIZE: usize = 256 * 1024;

impl NflogReader {
    /// Binds a group. Needs `CAP_NET_ADMIN`. Messages are numbered from here on.
    pub fn bind(group: u16, settings: &Settings) -> Result<Self, NflogError> {
        let socket = NetlinkSocket::netfilter().map_err(NflogError::Socket)?;
        socket.set_receive_buffer(settings.receive_buffer_bytes).map_err(NflogError::Socket)?;
        let mut reader =
            Self { socket, buffer: vec![0; BUFFER_SIZE], sequence: Sequence::default() };
        reader.socket.send(&configuration(group, settings)).map_err(NflogError::Socket)?;
        reader.confirm(group)?;
        Ok(reader)
    }

    /// Receives one datagram and hands on its messages. With none in time, or one that is cut,
    /// the callback may not run at all.
    pub fn read(
        &mut self,
        timeout: Duration,
        each: &mut dyn FnMut(&Packet<'_>),
    ) -> Result<ReadStats, NflogError> {
        let mut stats = ReadStats::default();
        let datagram = match self.socket.receive(&mut self.buffer, timeout) {
            Ok(Some(datagram)) => datagram,
            Ok(None) => return Ok(stats),
            Err(ReceiveError::NoBufferSpace) => {
                stats.enobufs = 1;
                return Ok(stats);
            }
            Err(ReceiveError::Io(error)) => return Err(NflogError::Socket(error)),
        };
        if datagram.truncated {
            stats.truncated = 1;
        }
        let bytes = &self.buffer[..datagram.size];
        self.sequence.take(bytes, datagram.truncated, &mut stats, each);
        Ok(stats)
    }

    /// Waits for the ACK. A packet that was logged in between is passed over; its number shows it
    /// as lost.
    fn confirm(&mut self, group: u16) -> Result<(), NflogError> {
        const ERROR: u16 = 2;
        let until = Instant::now() + Duration::from_secs(2);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let datagram = match self.socket.receive(&mut self.buffer, left) {
                Ok(Some(datagram)) => datagram,
                Ok(None) => return Err(NflogError::NotConfirmed { group }),
                Err(ReceiveError::NoBufferSpace) => continue,
                Err(ReceiveError::Io(error)) => return Err(NflogError::Socket(error)),
            };
            for message in Messages::new(&self.buffer[..datagram.size]).map_while(Result::ok) {
                let Some(code) = message.payload.first_chunk().filter(|_| message.kind == ERROR)
                else {
                    continue;
                };
                return match i32::from_ne_bytes(*code) {
                    0 => Ok(()),
                    code => Err(NflogError::Refused {
                        group,
                        source: io::Error::from_raw_os_error(-code),
                    }),
                };
            }
        }
    }
}

impl AsFd for NflogReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Which number comes next.
#[derive(Debug, Default)]
struct Sequence {
    expected: u32,
    /// Messages without a readable number since the last readable one: they came, so the gap
    /// that they leave is no loss.
    unnumbered: u32,
}

impl Sequence {
    fn take(
        &mut self,
        datagram: &[u8],
        truncated: bool,
        stats: &mut ReadStats,
        each: &mut dyn FnMut(&Packet<'_>),
    ) {
        const PACKET: u16 = (libc::NFNL_SUBSYS_ULOG as u16) << 8;
        for message in Messages::new(datagram) {
            let parsed = match message {
                Ok(message) if message.kind == PACKET => message::parse(message.payload),
                Ok(_) => continue, // the end of a batch
                // The message in which the datagram was cut did not come: it is lost.
                Err(_) if truncated => break,
                Err(Malformed) => Err(Malformed),
            };
            match parsed {
                Ok(mut packet) => {
                    stats.messages += 1;
                    packet.lost_before = self.lost_before(packet.seq);
                    stats.lost_by_sequence += packet.lost_before;
                    each(&packet);
                }
                Err(Malformed) => {
                    stats.malformed += 1;
                    self.unnumbered = self.unnumbered.saturating_add(1);
                }
            }
        }
    }

    fn lost_before(&mut self, seq: Option<u32>) -> u64 {
        // A packet between bind and its flags is not numbered, and takes no number either.
        let Some(seq) = seq else { return 0 };
        let gap = seq.wrapping_sub(self.expected);
        let lost = gap.saturating_sub(self.unnumbered);
        self.expected = seq.wrapping_add(1);
        self.unnumbered = 0;
        lost.into()
    }
}

/// One message for all of it: the group never runs with half of the settings for longer than the
/// kernel needs to read them.
fn configuration(group: u16, settings: &Settings) -> Vec<u8> {
    const REQUEST_ACK: u16 = 1 | 4;
    const CONFIG: u16 = (libc::NFNL_SUBSYS_ULOG as u16) << 8 | libc::NFULNL_MSG_CONFIG as u16;
    const SEQ_AND_SEQ_GLOBAL: u16 = 1 | 2;
    let mut bytes = vec![0; 4];
    bytes.extend(CONFIG.to_ne_bytes());
    bytes.extend(REQUEST_ACK.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([libc::AF_UNSPEC as u8, 0]);
    bytes.extend(group.to_be_bytes());
    let mut add = |kind: libc::c_int, value: &[u8]| {
        bytes.extend((value.len() as u16 + 4).to_ne_bytes());
        bytes.extend((kind as u16).to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    };
    let [a, b, c, d] = settings.copy_bytes.to_be_bytes();
    add(libc::NFULA_CFG_CMD, &[libc::NFULNL_CFG_CMD_BIND as u8]);
    add(libc::NFULA_CFG_FLAGS, &SEQ_AND_SEQ_GLOBAL.to_be_bytes());
    add(libc::NFULA_CFG_MODE, &[a, b, c, d, libc::NFULNL_COPY_PACKET as u8, 0]);
    add(libc::NFULA_CFG_NLBUFSIZ, &settings.kernel_batch_bytes.to_be_bytes());
    add(libc::NFULA_CFG_QTHRESH, &settings.messages_per_datagram.to_be_bytes());
    add(libc::NFULA_CFG_TIMEOUT, &settings.flush_after_cs.to_be_bytes());
    let size = bytes.len() as u32;
    bytes[..4].copy_from_slice(&size.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests;
