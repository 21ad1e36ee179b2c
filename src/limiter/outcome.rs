//! What one attempt taught, and why a request is turned away.

use std::time::Duration;

/// What the answer to one attempt meant for the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream took the request: any answer that is not one of the below.
    Accepted,
    /// A quota 429.
    RateLimited {
        /// How long the upstream asked to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
    /// A 502, 503 or 504. Says nothing about the quota.
    Unavailable {
        /// How long the upstream asked to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
    /// The workers of one model were all busy or out of order: nobody but this request is concerned.
    Exhausted {
        /// How long this request should pause before it is tried again.
        pause: Duration,
    },
    /// No connection: nothing was sent and nothing is charged, but trying again at once is pointless.
    Unreachable,
    /// Nothing was learned: no answer, or nobody waited for it.
    Unknown,
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedBecause {
    /// As many wait as may.
    QueueFull,
    /// The predicted wait is longer than the request may wait.
    WouldMissDeadline,
    /// Not even a retry after the longest pause clients accept (60 s) would be served in time.
    DeadlineUnreachable,
    /// It waited as long as it may.
    TimedOut,
    /// The upstream has been out of order for a while, and would not be asked again in time.
    UpstreamUnavailable,
    /// The sidecar is shutting down.
    Draining,
}
