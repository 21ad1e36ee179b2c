//! Who waits, for how long, and what there is to wait for.

use prometheus::{Gauge, Histogram, HistogramOpts, IntGauge};

use super::family::Families;
use crate::limiter::Priority;

/// Seconds; fixed by the product's origin.
const LATENCY_BUCKETS: [f64; 11] = [0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0];

/// Gauges of the queue, the bucket and the window, and how long requests waited.
#[derive(Debug)]
pub struct QueueMetrics {
    depth: [IntGauge; 4],
    latency: [Histogram; 4],
    /// Tokens in the bucket.
    pub tokens_available: Gauge,
    /// Tokens that come a minute.
    pub tokens_rate: Gauge,
    /// How many may wait, all lanes together.
    pub limit: IntGauge,
    /// Requests the rolling window holds.
    pub window_used: IntGauge,
    /// Requests the rolling window may hold.
    pub window_limit: IntGauge,
    /// Seconds until the upstream may be asked again; 0 when it may.
    pub gate_seconds: Gauge,
}

impl QueueMetrics {
    pub(super) fn new(families: &Families<'_>) -> Self {
        let names = Priority::ALL.map(Priority::as_str);
        let depth =
            families.int_gauge_vec("sidecar_queue_depth", "Requests waiting for their turn.", &["priority"]);
        let latency =
            HistogramOpts::new("sidecar_queue_latency_seconds", "How long requests waited for their turn: 0 for one served at once; one refused at once or passed through is not counted.")
                .buckets(LATENCY_BUCKETS.to_vec());
        Self {
            depth: names.map(|name| depth.with_label_values(&[name])),
            latency: families.histograms(latency, "priority", names),
            tokens_available: families.gauge("sidecar_tokens_available", "Tokens in the bucket."),
            tokens_rate: families.gauge("sidecar_tokens_rate", "Tokens that come a minute."),
            limit: families
                .int_gauge("sidecar_queue_limit", "How many requests may wait, all priorities together."),
            window_used: families.int_gauge("sidecar_window_used", "Requests the rolling window holds."),
            window_limit: families.int_gauge("sidecar_window_limit", "Requests the rolling window may hold."),
            gate_seconds: families.gauge(
                "sidecar_gate_seconds",
                "Seconds until the upstream may be asked again after a refusal, or a header that says that nothing is left; 0 when it may.",
            ),
        }
    }

    /// How many wait in one lane.
    #[expect(clippy::indexing_slicing, reason = "the index comes from an enum with one entry a variant")]
    pub fn depth(&self, priority: Priority) -> &IntGauge {
        &self.depth[priority.index()]
    }

    /// How long requests of one lane waited, in seconds.
    #[expect(clippy::indexing_slicing, reason = "the index comes from an enum with one entry a variant")]
    pub fn latency(&self, priority: Priority) -> &Histogram {
        &self.latency[priority.index()]
    }
}
