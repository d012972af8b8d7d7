//! Log lines on stderr: level, a fixed sentence, fields. Nothing else; a supervisor adds the time.
//!
//! Own and small, because a formatting library costs more flash than the rest of the agent's
//! start-up. Control characters are escaped, whatever they came with.

use std::{
    fmt::{self, Write as _},
    io::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};

/// Sends what is logged from here on to stderr. Later calls change nothing.
pub fn init(level: LevelFilter) {
    // Fails only if a subscriber is set already, which is what we want.
    let _ = tracing::subscriber::set_global_default(Stderr { level, spans: AtomicU64::new(1) });
}

struct Stderr {
    level: LevelFilter,
    spans: AtomicU64,
}

impl Subscriber for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries speak only when they have something to warn about.
        let own = metadata.target().starts_with("remit");
        *metadata.level() <= self.level && (own || *metadata.level() <= Level::WARN)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed).max(1))
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line { sentence: String::new(), fields: String::new() };
        event.record(&mut line);
        let level = event.metadata().level();
        // Nobody can be told that stderr is gone.
        let _ = writeln!(std::io::stderr().lock(), "{level} {}{}", line.sentence, line.fields);
    }
}

struct Line {
    sentence: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        let text: String = text
            .chars()
            .flat_map(|c| {
                let escaped = c.is_control().then(|| c.escape_default());
                escaped.into_iter().flatten().chain((!c.is_control()).then_some(c))
            })
            .collect();
        if field.name() == "message" {
            self.sentence = text;
        } else {
            // Writing to a String cannot fail.
            let _ = write!(self.fields, " {}={text}", field.name());
        }
    }
}

/// An error with everything that caused it, in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
