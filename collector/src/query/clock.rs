//! The clock of the answers: silence is a matter of how long ago "last heard" is.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Whole seconds since 1970-01-01T00:00:00Z.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The real one.
pub fn system() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    })
}
