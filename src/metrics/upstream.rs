//! What the upstream did.

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec};

use super::family::Families;

/// Seconds; fixed by the product's origin.
const LATENCY_BUCKETS: [f64; 11] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

/// Events a second: from a large model under load to what no reader keeps up with.
const GENERATION_BUCKETS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 300.0];

/// Why a request was sent to the upstream again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryReason {
    /// A quota 429.
    RateLimited,
    /// A 502, 503 or 504.
    ServerError,
    /// The model's workers were all busy, or it was degraded.
    Exhausted,
    /// No connection could be made.
    Connect,
}

impl RetryReason {
    const ALL: [Self; 4] = [Self::RateLimited, Self::ServerError, Self::Exhausted, Self::Connect];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::Exhausted => "exhausted",
            Self::Connect => "connect",
        }
    }
}

/// Latencies, errors and retries of calls to the upstream.
#[derive(Debug)]
pub struct UpstreamMetrics {
    provider: String,
    errors: IntCounterVec,
    retries: [IntCounter; 4],
    /// Seconds from sending a request to the head of its answer.
    pub latency: Histogram,
    /// Events a second of streamed answers.
    pub generation: Histogram,
}

impl UpstreamMetrics {
    pub(super) fn new(families: &Families<'_>, provider: &str) -> Self {
        let latency = HistogramOpts::new(
            "sidecar_upstream_latency_seconds",
            "From sending a request to the head of its answer.",
        )
        .buckets(LATENCY_BUCKETS.to_vec());
        let generation = HistogramOpts::new(
            "sidecar_stream_events_per_second",
            "Server-sent events a second of a streamed answer, from its first event to its last; most APIs send one for each token.",
        )
        .buckets(GENERATION_BUCKETS.to_vec());
        let retries = families.int_counter_vec(
            "sidecar_retries_total",
            "Requests sent to the upstream again before a byte was relayed, by reason.",
            &["reason"],
        );
        let [latency] = families.histograms(latency, "provider", [provider]);
        let [generation] = families.histograms(generation, "provider", [provider]);
        let metrics = Self {
            provider: provider.to_owned(),
            errors: families.int_counter_vec(
                "sidecar_upstream_errors_total",
                "Answers of 400 and above, and calls without an answer (connect, timeout, broken).",
                &["status_code", "provider"],
            ),
            retries: RetryReason::ALL.map(|reason| retries.with_label_values(&[reason.as_str()])),
            latency,
            generation,
        };
        for code in ["429", "500", "502", "503", "504", "connect", "timeout", "broken"] {
            metrics.errors.with_label_values(&[code, provider]);
        }
        metrics
    }

    /// Counts an error: a three-digit status, or `connect`, `timeout`, `broken`.
    pub fn error(&self, status_code: &str) -> IntCounter {
        self.errors.with_label_values(&[status_code, &self.provider])
    }

    /// Errors of every kind so far.
    pub fn errors_total(&self) -> u64 {
        let families = self.errors.collect();
        let counters = families.iter().flat_map(prometheus::proto::MetricFamily::get_metric);
        counters.map(|metric| metric.get_counter().get_value()).map(whole).sum()
    }

    /// Counts a request that was sent again.
    #[expect(clippy::indexing_slicing, reason = "the index comes from an enum with one entry a variant")]
    pub fn retried(&self, reason: RetryReason) -> &IntCounter {
        &self.retries[reason as usize]
    }
}

/// The library reports every counter as a float; those of this module only ever grow by one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count is whole and not negative"
)]
const fn whole(count: f64) -> u64 {
    count as u64
}
