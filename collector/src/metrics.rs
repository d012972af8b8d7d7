//! What the collector tells a monitoring system: counts and codes, no target. Every name is in one
//! enum, and `docs/metrics.md` is checked against it.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    BatchesAccepted,
    Forks,
    /// By code.
    Refusals,
    /// By limit.
    NodeLimited,
    /// Open now, by listener.
    Connections,
    /// By listener.
    ConnectionsRefused,
}

impl Metric {
    pub const ALL: [Self; 6] = [
        Self::BatchesAccepted,
        Self::Forks,
        Self::Refusals,
        Self::NodeLimited,
        Self::Connections,
        Self::ConnectionsRefused,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::BatchesAccepted => "remit_collector_batches_accepted_total",
            Self::Forks => "remit_collector_forks_total",
            Self::Refusals => "remit_collector_refusals_total",
            Self::NodeLimited => "remit_collector_node_limited_total",
            Self::Connections => "remit_collector_connections",
            Self::ConnectionsRefused => "remit_collector_connections_refused_total",
        }
    }

    pub fn count(self) {
        metrics::counter!(self.name()).increment(1);
    }
}

/// Counts a refusal, whoever was refused. `code` is one of our own, so there are only so many.
pub fn refused(code: &str) {
    metrics::counter!(Metric::Refusals.name(), "code" => code.to_owned()).increment(1);
}

/// Counts what a node was refused because of a limit, by the key of that limit.
pub fn limited(limit: &'static str) {
    metrics::counter!(Metric::NodeLimited.name(), "limit" => limit).increment(1);
}

pub fn connections(listener: &'static str, change: f64) {
    metrics::gauge!(Metric::Connections.name(), "listener" => listener).increment(change);
}

pub fn connection_refused(listener: &'static str) {
    metrics::counter!(Metric::ConnectionsRefused.name(), "listener" => listener).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_lists_exactly_these() {
        let manual = include_str!("../../docs/metrics.md");
        let mut listed: Vec<&str> = manual
            .lines()
            .filter_map(|line| line.strip_prefix("| `remit_collector_"))
            .filter_map(|rest| rest.split('`').next())
            .collect();
        let mut known: Vec<&str> = Metric::ALL
            .iter()
            .filter_map(|metric| metric.name().strip_prefix("remit_collector_"))
            .collect();
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(listed, known);
    }
}
