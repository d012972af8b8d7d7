//! What the agent tells a monitoring system: ids and counts, no target. Every name is in one enum,
//! and `docs/metrics.md` is checked against it.

use std::net::SocketAddr;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder};

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
}

impl Metric {
    pub const ALL: [Self; 11] = [
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
        }
    }

    /// Counts.
    pub fn add(self, count: u64) {
        metrics::counter!(self.name()).increment(count);
    }

    /// States what is now. Exact up to 2^53, which none of these reaches.
    #[expect(clippy::cast_precision_loss, reason = "see above; the exporter knows only f64")]
    pub fn set(self, value: u64) {
        metrics::gauge!(self.name()).set(value as f64);
    }
}

/// Serves them over HTTP, from inside the runtime.
pub fn serve(listen: SocketAddr) -> Result<(), BuildError> {
    let (recorder, exporter) = PrometheusBuilder::new().with_http_listener(listen).build()?;
    // Set once; a second one would mean that they are served already.
    let _ = metrics::set_global_recorder(recorder);
    tokio::spawn(async {
        if exporter.await.is_err() {
            tracing::warn!("the metrics endpoint has ended");
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
