//! Connections that a filter opens to the agent, to tell it what it does as it does it.
//!
//! In: a listening socket on this host. Out: whole messages, and what could not be one. They are read as fast
//! as they bring something: what a filter cannot get out, it throws away.
//!
//! While nobody is connected, nobody knows what is missed: [`Connected`] says it at once, each minute, and when
//! somebody is back.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
    time::Instant,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use remit_proto::v1::{LossCause, SourceKind};

use super::{RecorderGone, SourceContext, tail::BLIND_INTERVAL, word};
use crate::observation::Report;

/// Between two looks at the stop flag.
const POLL_MS: u16 = 50;
/// Threads of a large resolver; further connections are closed at once.
const CONNECTIONS_MAX: usize = 256;
/// Of one connection before the others have their turn.
const TURN_SIZE: usize = 256 * 1024;

/// How bytes become messages.
pub trait Frames: Default {
    fn push(&mut self, bytes: &[u8]);
    /// Hands over what is whole.
    fn drain(&mut self, take: &mut dyn FnMut(&[u8])) -> Turn;
    /// What is there will be no message if nothing more comes.
    fn is_broken(&self) -> bool;
}

/// What to do after a piece was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// To be written back.
    pub answer: Vec<u8>,
    /// The stream is not what it should be, or has ended.
    pub end: bool,
}

pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The connections of one source.
pub struct Streams<F> {
    listener: Listener,
    connections: Vec<(Stream, F)>,
}

/// What one look at all connections brought.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// There may be more right now.
    pub more: bool,
    /// Messages that were cut off, or were none.
    pub broken: u64,
}

impl<F: Frames> Streams<F> {
    pub fn new(listener: Listener) -> io::Result<Self> {
        match &listener {
            Listener::Tcp(tcp) => tcp.set_nonblocking(true)?,
            Listener::Unix(unix) => unix.set_nonblocking(true)?,
        }
        Ok(Self { listener, connections: Vec::new() })
    }

    pub fn is_connected(&self) -> bool {
        !self.connections.is_empty()
    }

    /// Waits a moment for something to read, and takes new connections.
    pub fn wait(&mut self) {
        let readable = PollFlags::POLLIN;
        let listener = match &self.listener {
            Listener::Tcp(tcp) => tcp.as_fd(),
            Listener::Unix(unix) => unix.as_fd(),
        };
        let mut sockets = vec![PollFd::new(listener, readable)];
        sockets.extend(self.connections.iter().map(|(s, _)| PollFd::new(s.as_fd(), readable)));
        // A signal or an error is looked at by those who read.
        let _ = poll(&mut sockets, PollTimeout::from(POLL_MS));
        while let Some(stream) = self.accept() {
            if self.connections.len() < CONNECTIONS_MAX {
                self.connections.push((stream, F::default()));
            }
        }
    }

    fn accept(&self) -> Option<Stream> {
        match &self.listener {
            Listener::Tcp(tcp) => {
                let (stream, _) = tcp.accept().ok()?;
                stream.set_nonblocking(true).ok()?;
                Some(Stream::Tcp(stream))
            }
            Listener::Unix(unix) => {
                let (stream, _) = unix.accept().ok()?;
                stream.set_nonblocking(true).ok()?;
                Some(Stream::Unix(stream))
            }
        }
    }

    /// Reads a turn of every connection.
    pub fn receive(&mut self, take: &mut dyn FnMut(&[u8])) -> Received {
        let mut received = Received::default();
        let mut buffer = vec![0; TURN_SIZE];
        self.connections.retain_mut(|(stream, frames)| {
            let mut ended = false;
            match stream.read(&mut buffer) {
                Ok(0) => ended = true,
                Ok(size) => {
                    received.more = true;
                    frames.push(buffer.get(..size).unwrap_or_default());
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return true,
                    io::ErrorKind::Interrupted => received.more = true,
                    _ => ended = true,
                },
            }
            let Turn { answer, end } = frames.drain(take);
            // A few bytes to somebody who waits for them. Who is gone may have sent more before: it is read
            // all the same, to the end.
            let answered = stream.write_all(&answer);
            ended |= end || answered.is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe);
            received.broken += u64::from(ended && frames.is_broken());
            !ended
        });
        received
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.read(buffer),
            Self::Unix(unix) => unix.read(buffer),
        }
    }
}

impl Stream {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.write_all(bytes),
            Self::Unix(unix) => unix.write_all(bytes),
        }
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(tcp) => tcp.as_fd(),
            Self::Unix(unix) => unix.as_fd(),
        }
    }
}

/// Whether anybody tells the source anything, and since when nothing was missed.
pub struct Connected {
    source: SourceKind,
    blind: Option<Instant>,
    sure_until_s: i64,
}

impl Connected {
    /// `resume`: when a former run last recorded something.
    pub fn new(source: SourceKind, context: &SourceContext) -> Self {
        let resumed = context.resume.as_ref().map(|resume| resume.at_s);
        Self { source, blind: None, sure_until_s: resumed.unwrap_or_else(context.now_s) }
    }

    pub fn look(&mut self, connected: bool, context: &SourceContext) -> Result<(), RecorderGone> {
        if connected {
            if self.blind.take().is_some() {
                tracing::info!(source = word(self.source), "a filter is connected");
                self.unsure(context)?;
            }
            self.sure_until_s = (context.now_s)();
            return Ok(());
        }
        if self.blind.is_some_and(|said| said.elapsed() < BLIND_INTERVAL) {
            return Ok(());
        }
        if self.blind.is_none() {
            tracing::warn!(source = word(self.source), "no filter is connected: hits are not seen");
        }
        self.blind = Some(Instant::now());
        self.unsure(context)
    }

    /// Something may be missing since it was last sure that nothing was.
    pub fn unsure(&mut self, context: &SourceContext) -> Result<(), RecorderGone> {
        let until_s = (context.now_s)();
        let from_s = self.sure_until_s.min(until_s);
        self.sure_until_s = until_s;
        // A stream that was not there, as a file that was not there.
        let (source, cause) = (self.source, LossCause::FileLost);
        (context.send)(Report::Unsure { source, cause, from_s, until_s })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Shutdown;

    use super::*;

    /// A byte is a message, and is answered.
    #[derive(Default)]
    struct Bytes(Vec<u8>);

    impl Frames for Bytes {
        fn push(&mut self, bytes: &[u8]) {
            self.0.extend(bytes);
        }

        fn drain(&mut self, take: &mut dyn FnMut(&[u8])) -> Turn {
            let answer = std::mem::take(&mut self.0);
            answer.iter().for_each(|byte| take(&[*byte]));
            Turn { answer, end: false }
        }

        fn is_broken(&self) -> bool {
            false
        }
    }

    #[test]
    fn what_somebody_sends_who_hears_no_answer_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).expect("bound");
        let mut streams: Streams<Bytes> = Streams::new(Listener::Unix(listener)).expect("streams");
        let mut sender = UnixStream::connect(&path).expect("connected");
        sender.shutdown(Shutdown::Read).expect("deaf from here on");
        let mut messages: Vec<u8> = Vec::new();
        for byte in [1, 2] {
            sender.write_all(&[byte]).expect("sent");
            streams.wait();
            streams.receive(&mut |message| messages.extend(message));
        }
        assert_eq!(messages, [1, 2]);
        assert!(streams.is_connected());
        drop(sender);
        streams.receive(&mut |_| {});
        assert!(!streams.is_connected());
    }
}
