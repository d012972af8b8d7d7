//! One request and its answers, with every sign that the ruleset changed meanwhile.
//!
//! The receive buffer is 64 KiB: below 32 KiB the kernel walks an interval set from its start for
//! every datagram, which is quadratic. Requests that are no dumps ask for an ACK, because some of
//! them (the end of an open interval) have no other answer.
//!
//! Sources: kernel `net/netfilter/nfnetlink.c`, `net/netlink/af_netlink.c`; `linux/netlink.h`.

use std::io;
use std::time::Duration;

use super::wire::{self, Request, header};
use crate::kernel::{Attributes, Malformed, Messages, NetlinkSocket, ReceiveError};

/// The kernel answers from memory; this long means that it will not.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const BUFFER_SIZE: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("opening or using a netlink socket")]
    Socket(#[source] io::Error),
    #[error("the kernel refused to show its rules")]
    Refused(#[source] io::Error),
    #[error("there is no such set")]
    NoSuchSet,
    #[error("the kernel did not answer in time")]
    Timeout,
    #[error("an answer of the kernel could not be read")]
    Malformed(#[from] Malformed),
    #[error("set elements came in an order that cannot be read")]
    Disordered,
    /// The ruleset changed during each attempt. Nothing was read.
    #[error("the ruleset kept changing while it was read")]
    NotStable,
}

#[derive(Debug)]
pub(super) struct Exchange {
    socket: NetlinkSocket,
    buffer: Vec<u8>,
    sequence: u32,
    /// An exchange ended early; what is left of it may still arrive on this socket.
    dirty: bool,
}

#[derive(Debug)]
pub(super) enum Fault {
    /// Changed meanwhile: try again.
    Unstable,
    /// Either changed meanwhile or of an unknown kind.
    Disordered,
    Fatal(ReadError),
}

impl From<Malformed> for Fault {
    fn from(error: Malformed) -> Self {
        Self::Fatal(ReadError::Malformed(error))
    }
}

/// Takes the family and attributes of one answer.
pub(super) type Each<'a> = &'a mut dyn FnMut(u8, Attributes<'_>) -> Result<(), Malformed>;

impl Exchange {
    pub(super) fn open() -> Result<Self, ReadError> {
        let socket = NetlinkSocket::netfilter().map_err(ReadError::Socket)?;
        Ok(Self { socket, buffer: vec![0; BUFFER_SIZE], sequence: 0, dirty: false })
    }

    pub(super) fn request(&mut self, message: u8, flags: u16, family: u8) -> Request {
        self.sequence = self.sequence.wrapping_add(1);
        Request::new(message, flags, self.sequence, family)
    }

    /// Sends a request with ACK or DUMP and reads answers up to the end of either.
    pub(super) fn exchange(
        &mut self,
        request: Request,
        answer: u8,
        generation: Option<u32>,
        each: Each<'_>,
    ) -> Result<(), Fault> {
        if std::mem::replace(&mut self.dirty, true) {
            self.socket = NetlinkSocket::netfilter().map_err(socket)?;
        }
        self.socket.send(&request.finish()).map_err(socket)?;
        loop {
            let datagram = match self.socket.receive(&mut self.buffer, ANSWER_WITHIN) {
                Ok(Some(datagram)) => datagram,
                Ok(None) => return Err(Fault::Fatal(ReadError::Timeout)),
                Err(ReceiveError::NoBufferSpace) => return Err(Fault::Unstable),
                Err(ReceiveError::Io(error)) => return Err(socket(error)),
            };
            if datagram.truncated {
                return Err(Fault::Unstable);
            }
            let bytes = &self.buffer[..datagram.size];
            if answers(bytes, self.sequence, answer, generation, each)? {
                self.dirty = false;
                return Ok(());
            }
        }
    }
}

/// Reads one datagram. True if the exchange has ended, and well.
fn answers(
    datagram: &[u8],
    sequence: u32,
    answer: u8,
    generation: Option<u32>,
    each: Each<'_>,
) -> Result<bool, Fault> {
    const ERROR: u16 = 2; // with code 0: the ACK
    const DONE: u16 = 3;
    const DUMP_INTERRUPTED: u16 = 0x10;
    for message in Messages::new(datagram) {
        let message = message?;
        if message.sequence != sequence {
            continue;
        }
        if message.flags & DUMP_INTERRUPTED != 0 && message.kind != ERROR {
            return Err(Fault::Unstable);
        }
        if message.kind == ERROR || message.kind == DONE {
            let code = message.payload.first_chunk().ok_or(Malformed)?;
            return match -i32::from_ne_bytes(*code) {
                0 => Ok(true),
                libc::ENOENT => Err(Fault::Fatal(ReadError::NoSuchSet)),
                libc::EINTR | libc::EAGAIN | libc::EBUSY => Err(Fault::Unstable),
                code => {
                    let error = io::Error::from_raw_os_error(code);
                    Err(Fault::Fatal(ReadError::Refused(error)))
                }
            };
        }
        if wire::message_number(message.kind) == Some(answer) {
            let (family, resource, attributes) = header(message.payload)?;
            if generation.is_some_and(|generation| generation as u16 != resource) {
                return Err(Fault::Unstable);
            }
            each(family, attributes)?;
        }
    }
    Ok(false)
}

fn socket(error: io::Error) -> Fault {
    Fault::Fatal(ReadError::Socket(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_datagram_is_safe(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = answers(&bytes, 0, wire::NEW_RULE, None, &mut |family, attributes| {
                crate::rules::nftables::snapshot::rule(family, attributes).map(drop)
            });
        }
    }
}
