//! The pace that is in force, and what the upstream says to it.

use prometheus::{Gauge, IntGauge};

use super::family::Families;

/// Gauges of the pace.
#[derive(Debug)]
pub struct RetreatMetrics {
    /// 0 normal, 1 retreat, 2 recover.
    pub state: IntGauge,
    /// Requests a minute the sidecar allows itself now.
    pub effective_rate_rpm: Gauge,
    /// Share of sends that the upstream refused for quota, 0 to 1, over the retreat's window.
    pub upstream_429_rate: Gauge,
}

impl RetreatMetrics {
    pub(super) fn new(families: &Families<'_>) -> Self {
        Self {
            state: families.int_gauge("sidecar_retreat_state", "0 normal, 1 retreat, 2 recover."),
            effective_rate_rpm: families
                .gauge("sidecar_effective_rate_rpm", "Requests a minute the sidecar allows itself now."),
            upstream_429_rate: families.gauge(
                "sidecar_upstream_429_rate",
                "Share of sends that the upstream refused for quota, 0 to 1, over the retreat's window.",
            ),
        }
    }
}
