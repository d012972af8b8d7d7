//! How wide a table may be.

use std::io;

/// Of a file or a pipe: what this project's own pages show, and what fits a mail.
const WIDTH_DEFAULT: usize = 100;
/// On less, nothing that is shown here can be read.
const WIDTH_MIN: usize = 40;

/// The terminal that stdout is, else `COLUMNS`, else 100.
pub(crate) fn width() -> usize {
    let stated = || std::env::var("COLUMNS").ok()?.parse().ok();
    size().or_else(stated).unwrap_or(WIDTH_DEFAULT).max(WIDTH_MIN)
}

/// `None`: stdout is no terminal, or one that does not say.
pub(crate) fn size() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
