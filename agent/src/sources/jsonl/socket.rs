//! Lines from a Unix datagram socket: one datagram, one line or several whole ones.
//!
//! The kernel makes a sender wait, or tells it, while the socket is full: it cannot be known here what
//! a sender then gave up. A datagram that is longer than [`LINE_SIZE_MAX`] is one line that is not
//! understood.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixDatagram,
    },
    path::Path,
    time::{Duration, Instant},
};

use remit_proto::v1::SourceKind;

use super::relay::Relay;
use crate::{
    observation::{CounterReading, NotParsed, Report},
    sources::{
        RecorderGone, SourceContext,
        follow::LINE_SIZE_MAX,
        tail::{Gathered, Lines},
    },
};

/// Between two looks at the stop flag and at the rules.
const TICK: Duration = Duration::from_millis(200);
/// Datagrams of one report.
const AT_ONCE: usize = 256;

#[derive(Debug, thiserror::Error)]
#[error("the socket {path} cannot be made: make its directory, writable for the agent")]
pub(super) struct SocketError {
    path: String,
    source: io::Error,
}

pub(super) fn run(
    path: &Path,
    mut relay: Relay,
    context: &SourceContext,
    counters_interval_s: u64,
) -> Result<(), SocketError> {
    let socket =
        bind(path).map_err(|source| SocketError { path: path.display().to_string(), source })?;
    // The recorder is gone: the agent stops.
    let _stopped = follow(&socket, &mut relay, context, counters_interval_s);
    // Nobody is to write to a socket that nobody reads.
    let _gone_already = fs::remove_file(path);
    Ok(())
}

fn bind(path: &Path) -> io::Result<UnixDatagram> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
        // Of an agent that did not end well.
        fs::remove_file(path)?;
    }
    let socket = UnixDatagram::bind(path)?;
    // Who may write is decided by the directory.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    socket.set_read_timeout(Some(TICK))?;
    Ok(socket)
}

fn follow(
    socket: &UnixDatagram,
    relay: &mut Relay,
    context: &SourceContext,
    counters_interval_s: u64,
) -> Result<(), RecorderGone> {
    let send = |report| (context.send)(report);
    let rules = |relay: &Relay| send(Report::Rules(relay.rules((context.now_s)())));
    let interval = Duration::from_secs(counters_interval_s.max(1));
    let mut counters_due = Instant::now() + interval;
    let mut buffer = vec![0; LINE_SIZE_MAX + 1];
    relay.refresh(context, true);
    rules(relay)?;
    while !context.stopping() {
        if relay.refresh(context, false) {
            rules(relay)?;
        }
        for report in relay.step(context) {
            send(report)?;
        }
        let mut gathered = Gathered::default();
        for at in 0..AT_ONCE {
            // The rest of what is there, and no waiting for more.
            let _always_may = socket.set_nonblocking(at > 0);
            match socket.recv(&mut buffer) {
                Ok(size) if size > LINE_SIZE_MAX => gathered.not_parsed += 1,
                Ok(size) => {
                    let lines = buffer.get(..size).unwrap_or_default().split(|b| *b == b'\n');
                    for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
                        relay.line(line, context, &mut gathered);
                    }
                }
                Err(_) => break,
            }
        }
        report(gathered, relay, context)?;
        if Instant::now() >= counters_due {
            counters_due = Instant::now() + interval;
            if let Some(counters) = relay.counters() {
                let (source, at_s) = (SourceKind::Jsonl, (context.now_s)());
                let self_protection = Vec::new();
                send(Report::Counters(CounterReading { source, at_s, counters, self_protection }))?;
            }
        }
    }
    Ok(())
}

fn report(gathered: Gathered, relay: &Relay, context: &SourceContext) -> Result<(), RecorderGone> {
    let Gathered { hits, not_parsed, lost, new_rules, refreshed: _, canaries: _ } = gathered;
    let (source, at_s) = (SourceKind::Jsonl, (context.now_s)());
    if new_rules {
        (context.send)(Report::Rules(relay.rules(at_s)))?;
    }
    for (cause, count) in lost {
        (context.send)(Report::Lost { source, cause, count, at_s })?;
    }
    if !hits.is_empty() || not_parsed > 0 {
        let not_parsed = NotParsed { count: not_parsed, at_s };
        (context.send)(Report::Hits {
            source,
            hits,
            not_parsed,
            canaries: None,
            cursor: None,
            import: None,
        })?;
    }
    Ok(())
}
