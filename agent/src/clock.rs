//! Time, as a value that is passed. The real clock lives here and nowhere else.

use std::{
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use remit_proto::v1;

use crate::kernel;

/// What tells the time: the system, or a test.
#[derive(Debug, Clone)]
pub struct Clock(Kind);

#[derive(Debug, Clone)]
enum Kind {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// Stands still until it is told otherwise.
    pub fn manual(now_s: i64) -> Self {
        Self(Kind::Manual(Arc::new(AtomicI64::new(now_s * 1000))))
    }

    pub fn advance_ms(&self, ms: i64) {
        if let Kind::Manual(time) = &self.0 {
            time.fetch_add(ms, Ordering::SeqCst);
        }
    }

    /// Seconds since 1970, always a time that a leaf may carry.
    pub fn now_s(&self) -> i64 {
        in_range(self.now_ms() / 1000)
    }

    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Kind::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|since| i64::try_from(since.as_millis()).ok())
                .unwrap_or(0),
            Kind::Manual(time) => time.load(Ordering::SeqCst),
        }
    }

    /// Milliseconds that never jump, for intervals.
    pub fn monotonic_ms(&self) -> i64 {
        match &self.0 {
            Kind::System => {
                let since = START.get_or_init(Instant::now).elapsed();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
            Kind::Manual(time) => time.load(Ordering::SeqCst),
        }
    }

    /// What the kernel says: whoever disciplines the clock (chrony with `rtcsync`, timesyncd, ntpd, PTP)
    /// tells it so, and it forgets that when nobody does any longer. Where a sandbox forbids to ask,
    /// the mark that a time daemon left; else the clock counts as unsynced.
    pub fn state(&self) -> v1::ClockState {
        if let Some(synchronised) = kernel::clock_is_synchronised() {
            return if synchronised { v1::ClockState::Synced } else { v1::ClockState::Unsynced };
        }
        let marked = SYNCED_MARKS.iter().any(|mark| Path::new(mark).exists());
        if marked { v1::ClockState::Synced } else { v1::ClockState::Unsynced }
    }
}

/// Brings a time from outside into the range that leaves allow (1970 to 9999).
pub fn in_range(seconds: i64) -> i64 {
    seconds.clamp(1, TIME_MAX_S)
}

static START: OnceLock<Instant> = OnceLock::new();

/// Touched by systemd-timesyncd and, through its helper units, by chrony on some systems.
const SYNCED_MARKS: [&str; 2] =
    ["/run/systemd/timesync/synchronized", "/run/chrony-helper/synchronized"];

/// 9999-12-31T23:59:59Z, as in the value check of leaves.
const TIME_MAX_S: i64 = 253_402_300_799;
