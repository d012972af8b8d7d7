//! The socket: one order at a time, by whom the kernel says.

use std::{
    fs, io,
    io::{Read as _, Write as _},
    os::{
        fd::AsFd as _,
        unix::{
            fs::{FileTypeExt as _, PermissionsExt as _},
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
    sync::mpsc::sync_channel,
    time::Duration,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{getsockopt, sockopt::PeerCredentials},
};
use prost::Message as _;

use super::{
    Person,
    order::{self, Wanted},
    wire::{Answer, Order, PATIENCE, SIZE_MAX},
};
use crate::{
    observation::{PersonSaid, Report},
    sources::SourceContext,
    spool::state::DeedState,
};

/// Between two looks at the stop flag.
const TICK_MS: u16 = 200;
/// Whoever connects and says nothing keeps others waiting for so long.
const SAYS_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
#[error("the socket {path} cannot be made: make its directory, writable for the agent")]
pub(super) struct SocketError {
    path: String,
    source: io::Error,
}

pub(super) fn run(persons: &Person, context: &SourceContext) -> Result<(), SocketError> {
    let path = &persons.socket;
    let listener =
        bind(path).map_err(|source| SocketError { path: path.display().to_string(), source })?;
    while !context.stopping() {
        let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        // Interrupted or not: the flag is looked at.
        let _ = poll(&mut ready, PollTimeout::from(TICK_MS));
        if let Ok((stream, _)) = listener.accept()
            && let Err(error) = serve(stream, persons, context)
        {
            tracing::debug!(%error, "somebody who connected to record went away");
        }
    }
    // Nobody is to write to a socket that nobody reads.
    let _gone_already = fs::remove_file(path);
    Ok(())
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
        // Of an agent that did not end well.
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    // Whoever it is, the kernel says it; who may connect at all is decided by the directory.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn serve(mut stream: UnixStream, persons: &Person, context: &SourceContext) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(SAYS_WITHIN))?;
    stream.set_write_timeout(Some(SAYS_WITHIN))?;
    let uid = getsockopt(&stream, PeerCredentials)?.uid();
    let mut bytes = Vec::new();
    (&stream).take(SIZE_MAX).read_to_end(&mut bytes)?;
    let answer = answer(&bytes, uid, persons, context);
    let answer = answer.unwrap_or_else(|refused| Answer { refused, ..Answer::default() });
    stream.write_all(&answer.encode_to_vec())
}

/// `Err`: why nothing was done.
pub(super) fn answer(
    bytes: &[u8],
    uid: u32,
    persons: &Person,
    context: &SourceContext,
) -> Result<Answer, String> {
    let by = persons.of_uid(uid).ok_or_else(|| match uid {
        0 => "root is nobody in particular: use a login of your own, and not sudo".to_owned(),
        uid => format!(
            "the login with number {uid} belongs to nobody in [sources.person] persons of this agent"
        ),
    })?;
    let malformed = |_| "not an order: use the agent's own remit-agent".to_owned();
    let order = Order::decode(bytes).map_err(malformed)?;
    let word = match order::read(order, (context.now_s)(), &context.privacy)? {
        Wanted::Token(token) => return Ok(Answer { token: Some(token), ..Answer::default() }),
        Wanted::Recorder(word) => word,
    };
    let (answer, answered) = sync_channel(1);
    let stopping = |_| "the agent is stopping".to_owned();
    let said = PersonSaid { by: by.clone(), word, answer };
    (context.send)(Report::Said(said)).map_err(stopping)?;
    let slow = |_| "the recorder does not answer; look with `remit-agent record list`".to_owned();
    let deeds = answered.recv_timeout(PATIENCE).map_err(slow)?.map_err(|e| e.to_string())?;
    Ok(Answer { deeds: deeds.iter().map(DeedState::of).collect(), ..Answer::default() })
}
