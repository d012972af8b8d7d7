//! What the agent tells a monitoring system: ids and counts, no target. Every name is in one enum,
//! and `docs/metrics.md` is checked against it.

mod endpoint;

use std::{
    fmt::Write as _,
    io,
    net::SocketAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use tokio::net::TcpListener;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    Hits,
    Lost,
    Batches,
    SpoolBytes,
    SpoolFull,
    Connected,
    SizeAccepted,
    SizeLogged,
    Refused,
    CheckpointRejected,
    Reconnects,
    CertificateUntil,
}

impl Metric {
    pub const ALL: [Self; 12] = [
        Self::Hits,
        Self::Lost,
        Self::Batches,
        Self::SpoolBytes,
        Self::SpoolFull,
        Self::Connected,
        Self::SizeAccepted,
        Self::SizeLogged,
        Self::Refused,
        Self::CheckpointRejected,
        Self::Reconnects,
        Self::CertificateUntil,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Hits => "remit_agent_hits_total",
            Self::Lost => "remit_agent_lost_total",
            Self::Batches => "remit_agent_batches_total",
            Self::SpoolBytes => "remit_agent_spool_bytes",
            Self::SpoolFull => "remit_agent_spool_full_total",
            Self::Connected => "remit_agent_connected",
            Self::SizeAccepted => "remit_agent_size_accepted",
            Self::SizeLogged => "remit_agent_size_logged",
            Self::Refused => "remit_agent_refused_total",
            Self::CheckpointRejected => "remit_agent_checkpoint_rejected_total",
            Self::Reconnects => "remit_agent_reconnects_total",
            Self::CertificateUntil => "remit_agent_certificate_until_seconds",
        }
    }

    /// Counts.
    pub fn add(self, count: u64) {
        metrics::counter!(self.name()).increment(count);
    }

    /// States what is now. Exact up to 2^53, which none of these reaches.
    #[expect(clippy::cast_precision_loss, reason = "see above; the facade knows only f64")]
    pub fn set(self, value: u64) {
        metrics::gauge!(self.name()).set(value as f64);
    }

    fn is_counter(self) -> bool {
        self.name().ends_with("_total")
    }
}

/// One number for each metric: what `metrics` counts into, and what the endpoint shows.
///
/// Own and small: an exporter that knows histograms and labels costs more flash than all sources.
#[derive(Debug, Default)]
struct Table {
    /// In the order of [`Metric::ALL`]; of a gauge the bits of its `f64`.
    values: [Arc<AtomicU64>; Metric::ALL.len()],
}

impl Table {
    fn value(&self, key: &Key) -> Option<Arc<AtomicU64>> {
        let all = Metric::ALL.iter().zip(&self.values);
        let found = all.into_iter().find(|(metric, _)| metric.name() == key.name());
        found.map(|(_, value)| Arc::clone(value))
    }

    /// The text format of Prometheus, version 0.0.4.
    fn text(&self) -> String {
        let mut text = String::new();
        for (metric, value) in Metric::ALL.iter().zip(&self.values) {
            let (name, value) = (metric.name(), value.load(Ordering::Relaxed));
            // Writing to a String cannot fail.
            let _ = if metric.is_counter() {
                write!(text, "# TYPE {name} counter\n{name} {value}\n")
            } else {
                write!(text, "# TYPE {name} gauge\n{name} {}\n", f64::from_bits(value))
            };
        }
        text
    }
}

impl metrics::Recorder for &'static Table {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.value(key).map_or_else(Counter::noop, Counter::from_arc)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.value(key).map_or_else(Gauge::noop, Gauge::from_arc)
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Serves them over HTTP, from inside the runtime.
pub async fn serve(listen: SocketAddr) -> io::Result<()> {
    static TABLE: LazyLock<Table> = LazyLock::new(Table::default);
    let listener = TcpListener::bind(listen).await?;
    // Set once; a second one would mean that they are counted already.
    let _ = metrics::set_global_recorder(&*TABLE);
    tokio::spawn(endpoint::serve(listener, || TABLE.text()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_and_stated_is_shown() {
        static TABLE: LazyLock<Table> = LazyLock::new(Table::default);
        metrics::with_local_recorder(&&*TABLE, || {
            Metric::Hits.add(2);
            Metric::Hits.add(3);
            Metric::SpoolBytes.set(9);
            Metric::SpoolBytes.set(1_234_567_890_123);
            metrics::counter!("remit_agent_unheard_of").increment(1);
        });
        let text = TABLE.text();
        let of = |name: &str| -> Vec<&str> { text.lines().filter(|l| l.contains(name)).collect() };
        let hits = ["# TYPE remit_agent_hits_total counter", "remit_agent_hits_total 5"];
        assert_eq!(of("hits_total"), hits);
        let bytes =
            ["# TYPE remit_agent_spool_bytes gauge", "remit_agent_spool_bytes 1234567890123"];
        assert_eq!(of("spool_bytes"), bytes);
        assert!(of("lost_total").contains(&"remit_agent_lost_total 0"));
        assert!(of("unheard_of").is_empty());
    }

    #[test]
    fn the_manual_lists_exactly_these() {
        let manual = include_str!("../../docs/metrics.md");
        let mut listed: Vec<&str> = manual
            .lines()
            .filter_map(|line| line.strip_prefix("| `remit_agent_"))
            .filter_map(|rest| rest.split('`').next())
            .collect();
        let mut known: Vec<&str> = Metric::ALL
            .iter()
            .filter_map(|metric| metric.name().strip_prefix("remit_agent_"))
            .collect();
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(listed, known);
    }
}
