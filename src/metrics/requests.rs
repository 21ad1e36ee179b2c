//! What happened to requests.

use prometheus::{IntCounter, IntGauge};

use super::family::Families;
use crate::limiter::Priority;

/// How a paced request ended, as the application saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestStatus {
    /// The upstream's answer was relayed and it was not an error of the upstream's.
    Success,
    /// The application was answered 429, by the sidecar or the upstream.
    RateLimited,
    /// Anything else: 5xx, a broken stream, a client that left.
    Error,
}

impl RequestStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Success, Self::RateLimited, Self::Error];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::RateLimited => "ratelimited",
            Self::Error => "error",
        }
    }
}

/// Why the sidecar itself refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// The queue held as many as it may.
    QueueFull,
    /// The predicted wait was longer than the request may wait.
    WouldMissDeadline,
    /// No retry within a client's reach could be served in time.
    DeadlineUnreachable,
    /// It waited as long as it may.
    TimedOut,
    /// The upstream has been out of order for a while.
    UpstreamUnavailable,
    /// The sidecar is shutting down.
    Draining,
    /// The body is larger than one body may be.
    BodyTooLarge,
    /// All bodies together are larger than the sidecar may hold.
    BufferFull,
    /// The request is not one the sidecar can proxy.
    BadRequest,
}

impl RefusalReason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::QueueFull,
        Self::WouldMissDeadline,
        Self::DeadlineUnreachable,
        Self::TimedOut,
        Self::UpstreamUnavailable,
        Self::Draining,
        Self::BodyTooLarge,
        Self::BufferFull,
        Self::BadRequest,
    ];

    /// The label value, also sent as `x-pacer-reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::WouldMissDeadline => "would_miss_deadline",
            Self::DeadlineUnreachable => "deadline_unreachable",
            Self::TimedOut => "timed_out",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::Draining => "draining",
            Self::BodyTooLarge => "body_too_large",
            Self::BufferFull => "buffer_full",
            Self::BadRequest => "bad_request",
        }
    }
}

/// Counters of requests and gauges of what they hold.
#[derive(Debug)]
pub struct RequestMetrics {
    finished: [[IntCounter; 3]; 4],
    unpaced: [IntCounter; 3],
    refused: [IntCounter; 9],
    /// Sent to the upstream at once because the queue was full.
    pub passthrough: IntCounter,
    /// Requests that were accepted and have not ended yet.
    pub in_flight: IntGauge,
    /// Answers being streamed right now.
    pub streams_open: IntGauge,
    /// Bytes of request bodies held in memory.
    pub buffered_bytes: IntGauge,
}

impl RequestMetrics {
    pub(super) fn new(families: &Families<'_>) -> Self {
        let finished = families.int_counter_vec(
            "sidecar_requests_total",
            "Paced requests that ended, as the application saw them.",
            &["priority", "status"],
        );
        let unpaced = families.int_counter_vec(
            "sidecar_unpaced_requests_total",
            "Requests that the policy does not match, passed through at once.",
            &["status"],
        );
        let refused = families.int_counter_vec(
            "sidecar_refusals_total",
            "Requests that the sidecar itself refused, by reason.",
            &["reason"],
        );
        Self {
            finished: Priority::ALL.map(|priority| {
                RequestStatus::ALL
                    .map(|status| finished.with_label_values(&[priority.as_str(), status.as_str()]))
            }),
            unpaced: RequestStatus::ALL.map(|status| unpaced.with_label_values(&[status.as_str()])),
            refused: RefusalReason::ALL.map(|reason| refused.with_label_values(&[reason.as_str()])),
            passthrough: families.int_counter(
                "sidecar_fallback_passthrough_total",
                "Requests sent to the upstream at once because the queue was full.",
            ),
            in_flight: families.int_gauge(
                "sidecar_requests_in_flight",
                "Requests that were accepted and have not ended yet.",
            ),
            streams_open: families.int_gauge("sidecar_streams_open", "Answers being streamed right now."),
            buffered_bytes: families
                .int_gauge("sidecar_buffered_bytes", "Bytes of request bodies held in memory."),
        }
    }

    /// Counts the end of a paced request.
    #[expect(clippy::indexing_slicing, reason = "both indices come from enums with one entry a variant")]
    pub fn finished(&self, priority: Priority, status: RequestStatus) -> &IntCounter {
        &self.finished[priority.index()][status as usize]
    }

    /// Counts the end of a request the policy does not match.
    #[expect(clippy::indexing_slicing, reason = "the index comes from an enum with one entry a variant")]
    pub fn unpaced(&self, status: RequestStatus) -> &IntCounter {
        &self.unpaced[status as usize]
    }

    /// Counts a request that the sidecar itself refused.
    #[expect(clippy::indexing_slicing, reason = "the index comes from an enum with one entry a variant")]
    pub fn refused(&self, reason: RefusalReason) -> &IntCounter {
        &self.refused[reason as usize]
    }
}
