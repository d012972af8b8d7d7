//! Hears of every commit, and of who made it.
//!
//! A reload of a large set sends tens of megabytes to everybody who listens to the nf_tables
//! group, far more than a socket holds. A filter in the kernel passes only the one message that
//! ends each commit (44 bytes), so that a reader that is late by minutes still sees all of them.
//! Only this notification names the writer: the answer to GETGEN names whoever asks.
//!
//! Not here: what has changed. The caller reads the ruleset again and compares.
//!
//! Sources: `linux/netfilter/nfnetlink.h` (NFNLGRP_NFTABLES), kernel `nf_tables_api.c`
//! (nf_tables_gen_notify).

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::model::Generation;
use super::wire::{self, be_u32, header, text};
use crate::kernel::{Malformed, Messages, NetlinkSocket, ReceiveError};

#[derive(Debug)]
pub struct Watch {
    socket: NetlinkSocket,
    buffer: Vec<u8>,
    heard: VecDeque<Generation>,
}

#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Some commits were not heard of. Read the ruleset.
    #[error("notifications of ruleset changes were lost")]
    Lost,
    #[error("a notification could not be read")]
    Malformed(#[from] Malformed),
    #[error("opening or using a netlink socket")]
    Socket(#[source] io::Error),
}

impl Watch {
    /// Needs `CAP_NET_ADMIN`. Commits from here on are heard.
    pub fn open() -> Result<Self, WatchError> {
        const BUFFER_SIZE: usize = 4096;
        let socket = NetlinkSocket::netfilter().map_err(WatchError::Socket)?;
        socket
            .keep_only(wire::message_type(wire::NEW_GENERATION))
            .and_then(|()| socket.join_group(libc::NFNLGRP_NFTABLES))
            .map_err(WatchError::Socket)?;
        Ok(Self { socket, buffer: vec![0; BUFFER_SIZE], heard: VecDeque::new() })
    }

    /// The next commit, or `None` if there was none in time.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Generation>, WatchError> {
        if let Some(generation) = self.heard.pop_front() {
            return Ok(Some(generation));
        }
        let datagram = match self.socket.receive(&mut self.buffer, timeout) {
            Ok(Some(datagram)) => datagram,
            Ok(None) => return Ok(None),
            Err(ReceiveError::NoBufferSpace) => return Err(WatchError::Lost),
            Err(ReceiveError::Io(error)) => return Err(WatchError::Socket(error)),
        };
        if datagram.truncated {
            return Err(WatchError::Lost);
        }
        for message in Messages::new(&self.buffer[..datagram.size]) {
            let message = message?;
            if wire::message_number(message.kind) == Some(wire::NEW_GENERATION) {
                self.heard.push_back(generation(message.payload)?);
            }
        }
        Ok(self.heard.pop_front())
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What the message that ends a commit says.
pub fn generation(payload: &[u8]) -> Result<Generation, Malformed> {
    let (_, _, attributes) = header(payload)?;
    let mut generation = Generation { id: 0, pid: 0, process_name: String::new() };
    let mut id = None;
    for attribute in attributes {
        match attribute? {
            (1, value) => id = Some(be_u32(value)?),
            (2, value) => generation.pid = be_u32(value)?,
            (3, value) => generation.process_name = text(value),
            _ => {}
        }
    }
    generation.id = id.ok_or(Malformed)?;
    Ok(generation)
}
