//! Dumps of the routing tables, read until they hold still.

use std::{io, thread, time::Duration};

use super::{
    known::Known,
    wire::{self, Kind},
};
use crate::kernel::{Malformed, Messages, NetlinkSocket, ReceiveError};

/// A table that changes while it is read is read again, so often.
const DUMP_TRIES: u32 = 6;
/// The kernel answers from memory; this long means that it will not.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// What routes are told in: a dump fills 32 KiB at a time.
pub(super) const BUFFER_SIZE: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    #[error("using the rtnetlink socket")]
    Io(#[source] io::Error),
    #[error("the kernel refused to show its routes")]
    Refused(#[source] io::Error),
    #[error("the kernel did not answer in time")]
    Timeout,
    #[error("an answer of the kernel could not be read")]
    Malformed(#[from] Malformed),
    #[error("the routes kept changing while they were read")]
    NotStable,
}

/// Reads the tables. With a full table of the Internet the kernel walks a million routes for it, and
/// hands over the null routes alone.
#[derive(Debug)]
pub(super) struct Tables {
    socket: NetlinkSocket,
    buffer: Vec<u8>,
    sequence: u32,
}

enum Fault {
    Unstable,
    Failed(DumpError),
}

impl Tables {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self { socket: NetlinkSocket::route()?, buffer: vec![0; BUFFER_SIZE], sequence: 0 })
    }

    pub(super) fn dump(&mut self) -> Result<Known, DumpError> {
        for attempt in 0..DUMP_TRIES {
            match self.dump_once() {
                Ok(routes) => return Ok(routes),
                Err(Fault::Unstable) => thread::sleep(Duration::from_millis(10 << attempt)),
                Err(Fault::Failed(error)) => return Err(error),
            }
        }
        Err(DumpError::NotStable)
    }

    fn dump_once(&mut self) -> Result<Known, Fault> {
        let mut routes = Known::default();
        for family in [libc::AF_INET, libc::AF_INET6] {
            for kind in Kind::ALL {
                self.exchange(family, kind, &mut routes)?;
            }
        }
        Ok(routes)
    }

    fn exchange(
        &mut self,
        family: libc::c_int,
        kind: Kind,
        routes: &mut Known,
    ) -> Result<(), Fault> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = wire::dump(family, kind, self.sequence);
        self.socket.send(&request).map_err(|error| Fault::Failed(DumpError::Io(error)))?;
        loop {
            let datagram = match self.socket.receive(&mut self.buffer, ANSWER_WITHIN) {
                Ok(Some(datagram)) if !datagram.truncated => datagram,
                Ok(Some(_)) | Err(ReceiveError::NoBufferSpace) => return Err(Fault::Unstable),
                Ok(None) => return Err(Fault::Failed(DumpError::Timeout)),
                Err(ReceiveError::Io(error)) => return Err(Fault::Failed(DumpError::Io(error))),
            };
            let bytes = self.buffer.get(..datagram.size).unwrap_or_default();
            if answers(bytes, self.sequence, kind, routes)? {
                return Ok(());
            }
        }
    }
}

/// Reads one datagram of a dump. True if it was the last.
fn answers(datagram: &[u8], sequence: u32, kind: Kind, routes: &mut Known) -> Result<bool, Fault> {
    const ERROR: u16 = 2;
    const DONE: u16 = 3;
    const DUMP_INTERRUPTED: u16 = 0x10;
    let malformed = |Malformed| Fault::Failed(DumpError::Malformed(Malformed));
    for message in Messages::new(datagram) {
        let message = message.map_err(malformed)?;
        if message.sequence != sequence {
            // The rest of a dump that was given up.
            continue;
        }
        if message.flags & DUMP_INTERRUPTED != 0 {
            return Err(Fault::Unstable);
        }
        if message.kind == ERROR || message.kind == DONE {
            let code = message.payload.first_chunk().copied().unwrap_or_default();
            return match -i32::from_ne_bytes(code) {
                // Without IPv6 in the kernel there are no routes of it.
                0 | libc::EAFNOSUPPORT | libc::EOPNOTSUPP => Ok(true),
                libc::EINTR | libc::EAGAIN | libc::EBUSY => Err(Fault::Unstable),
                code => Err(Fault::Failed(DumpError::Refused(io::Error::from_raw_os_error(code)))),
            };
        }
        let change = wire::change(&message).map_err(malformed)?;
        // A kernel that does not know what was asked for tells of all routes.
        if let Some(change @ wire::Change::Set { route, .. }) = change
            && route.kind == kind
        {
            routes.apply(change);
        }
    }
    Ok(false)
}
