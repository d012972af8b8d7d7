//! `remit-agent import`: an old log file becomes leaves of a node of its own.
//!
//! Order: the file is opened (with the privileges of whoever typed the command), privileges are
//! dropped, the file is surveyed; only then the spool is opened and `Start` written. One thread reads
//! and records, without a channel between: an import can wait, so a full spool costs time and no
//! evidence. The uplink meanwhile hands in what is durable. At the end: a `Seal` that says
//! "stopping", and the wait until everything is logged, which `--offline` leaves to
//! `remit-agent run`.
//!
//! However it ends, the same command again continues where it stopped, and hands in what is left.

use std::{
    fs::File,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use remit_proto::v1::LossCause;
use tokio::sync::oneshot;

use crate::{
    config::{Config, ConfigError, Mistake},
    health::Stop,
    observation::Report,
    recorder::{Recorder, RecorderError},
    run::{Opened, Signals, all_logged, reduce_privileges, runtime},
    sources::{
        SourceContext,
        import::{self, ImportError, ImportOptions, ImportSummary, NoMore, Position, Survey},
        registry,
    },
};

/// What was typed.
#[derive(Debug, Clone)]
pub struct ImportOrder {
    pub file: PathBuf,
    pub options: ImportOptions,
    /// Leave it to `remit-agent run` to hand in what was recorded.
    pub offline: bool,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub summary: ImportSummary,
    /// All of it was recorded by an earlier import.
    pub known: bool,
    /// Everything is in the collector's log.
    pub logged: bool,
}

/// Runs until all is recorded and, if not `offline`, logged.
pub fn import(config: &Config, order: &ImportOrder) -> Result<Imported, Stop> {
    check(config)?;
    let file = import::open(&order.file)?;
    reduce_privileges(config, Some(&order.file))?;
    let survey = import::survey(&file, &order.options)?;
    let Opened { recorder, exit, privacy, resumed_at_s: _ } =
        Opened::open(config, vec![order.options.source])?;
    let position = match survey.position(&order.options, &recorder.cursors()) {
        Ok(position) => position,
        Err(error) => {
            recorder.finish()?;
            return Err(error.into());
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    let (secret, source) = (recorder.secret(), order.options.source);
    let feed = Feed {
        context: registry::silent_context(config, secret, &Arc::new(privacy), source, &stop),
        recorder,
        file,
        options: order.options.clone(),
        survey: survey.clone(),
        position,
        wait_for_room: !order.offline,
    };
    let (ended, mut feed_ended) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("import".into())
        .spawn(move || {
            // If the other side is gone, the process is ending.
            let _ = ended.send(feed.run());
        })
        .map_err(|source| Stop::System { what: "starting the import", source })?;

    let logged = runtime()?.block_on(async {
        let mut signals = Signals::listen()?;
        let (view, receipts) = (exit.view.clone(), exit.receipts.clone());
        let uplink = match order.offline {
            true => None,
            false => Some(tokio::spawn(exit.uplink(config)?.run())),
        };
        tokio::select! {
            recorded = &mut feed_ended => recorded.map_err(|_| Stop::Lost("the import"))??,
            () = signals.wait() => {
                stop.store(true, Ordering::Relaxed);
                return feed_ended.await.map_err(|_| Stop::Lost("the import"))?.map(|()| false);
            }
        }
        let logged = match uplink {
            None => false,
            Some(_) => tokio::select! {
                () = all_logged(&view, &receipts) => true,
                () = signals.wait() => false,
            },
        };
        Ok(logged)
    })?;
    if thread.join().is_err() {
        return Err(Stop::Lost("the import"));
    }
    let known = position == Position::Done;
    Ok(Imported { summary: survey.summary, known, logged })
}

/// What only imports ask of the settings.
fn check(config: &Config) -> Result<(), ConfigError> {
    let mut mistakes = Vec::new();
    if !config.individual_actions {
        mistakes.push(Mistake::new(
            "individual_actions",
            "must be true for an import: its node records one leaf for each line, and its Genesis \
             has to say so",
        ));
    }
    if !registry::kinds(config).is_empty() {
        mistakes.push(Mistake::new(
            "sources",
            "must be left out for an import: it is a node of its own, with a directory of its own \
             and no live sources",
        ));
    }
    if mistakes.is_empty() { Ok(()) } else { Err(ConfigError(mistakes)) }
}

/// Reads and records, on its own thread.
struct Feed {
    recorder: Recorder,
    context: SourceContext,
    file: File,
    options: ImportOptions,
    survey: Survey,
    position: Position,
    /// The uplink is at work and makes some.
    wait_for_room: bool,
}

impl Feed {
    fn run(self) -> Result<(), Stop> {
        let Self { mut recorder, context, file, options, survey, position, wait_for_room } = self;
        let Position::Offset(begin_offset) = position else { return finish(recorder) };
        let mut failed: Option<Stop> = None;
        let read = import::read(&file, &options, &survey, begin_offset, &context, &mut |group| {
            record(&mut recorder, group, &context, wait_for_room).map_err(|stop| {
                failed = Some(stop);
                NoMore
            })
        });
        match (failed, read) {
            (None, Ok(())) => finish(recorder),
            (Some(Stop::Import(ImportError::Interrupted)), _) => {
                finish(recorder)?;
                Err(ImportError::Interrupted.into())
            }
            // What waits for room is not durable, and neither is its position: it is read again.
            (Some(stop), _) => Err(stop),
            (None, Err(error)) => {
                // The rest of the file that was surveyed is not to be had any more.
                let (source, cause) = (options.source, LossCause::FileLost);
                let at_s = survey.summary.last_s;
                recorder.report(Report::Unsure { source, cause, from_s: at_s, until_s: at_s })?;
                finish(recorder)?;
                Err(error.into())
            }
        }
    }
}

fn finish(recorder: Recorder) -> Result<(), Stop> {
    match recorder.finish() {
        Err(RecorderError::NoRoom) => Err(ImportError::NoRoom.into()),
        other => Ok(other?),
    }
}

/// Records reports that belong together, once there is room.
fn record(
    recorder: &mut Recorder,
    group: Vec<Report>,
    context: &SourceContext,
    wait_for_room: bool,
) -> Result<(), Stop> {
    while !recorder.has_room()? {
        if context.stopping() || !wait_for_room {
            return Err(ImportError::NoRoom.into());
        }
        thread::sleep(ROOM_LOOK);
        recorder.tick()?;
    }
    if context.stopping() {
        return Err(ImportError::Interrupted.into());
    }
    for report in group {
        recorder.report(report)?;
    }
    // Not in between: a batch must not end among them.
    Ok(recorder.tick()?)
}

/// A full spool is tried again each second.
const ROOM_LOOK: Duration = Duration::from_millis(200);
