//! The account of one request: counted once, logged once, however it ends.
//!
//! An [`Exchange`] begins when a request arrives and ends when it is dropped: after the last
//! byte of the answer, or wherever the request was given up on the way. The log line and the
//! counters are written there and nowhere else, so no path can forget or repeat them.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::stamp::Progress;
use super::trace_id::trace_id;
use super::upstream::Patience;
use crate::limiter::Priority;
use crate::limiter::settings::{Settings, Timeouts};
use crate::metrics::{Metrics, RefusalReason, RequestStatus};

/// Longer model names are cut in the log: they are somebody else's text.
const LONGEST_MODEL: usize = 128;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The upstream's answer was relayed to its last byte.
    Relayed,
    /// The sidecar refused it.
    Refused(RefusalReason),
    /// The sidecar answered for the upstream; the word is the error's code.
    Failed(&'static str),
    /// The upstream's answer broke off after it had begun.
    Broken,
    /// The application went away.
    ClientGone,
}

impl End {
    fn as_str(self) -> &'static str {
        match self {
            Self::Relayed => "relayed",
            Self::Refused(reason) => reason.as_str(),
            Self::Failed(code) => code,
            Self::Broken => "broken",
            Self::ClientGone => "client_gone",
        }
    }
}

/// The account of one request, settled on drop.
#[derive(Debug)]
pub(super) struct Exchange {
    metrics: Arc<Metrics>,
    arrived: Instant,
    trace_id: String,
    /// `None` for a request the policy does not match.
    paced: Option<Priority>,
    model: Option<String>,
    end: End,
    status: Option<StatusCode>,
    queue_wait: Duration,
    attempts: u32,
    head_after: Option<Duration>,
    bytes_in: u64,
    upload: Option<Arc<Progress>>,
    bytes_out: u64,
    streaming: bool,
    queued: bool,
    passthrough: bool,
}

impl Exchange {
    /// Begins the account of a request that arrives now.
    pub(super) fn begin(metrics: Arc<Metrics>, headers: &HeaderMap, paced: Option<Priority>) -> Self {
        metrics.requests.in_flight.inc();
        Self {
            metrics,
            arrived: Instant::now(),
            trace_id: trace_id(headers),
            paced,
            model: None,
            end: End::ClientGone,
            status: None,
            queue_wait: Duration::ZERO,
            attempts: 0,
            head_after: None,
            bytes_in: 0,
            upload: None,
            bytes_out: 0,
            streaming: false,
            queued: false,
            passthrough: false,
        }
    }

    pub(super) fn arrived(&self) -> Instant {
        self.arrived
    }

    pub(super) fn names_model(&mut self, model: Option<&str>) {
        self.model = model.map(|model| model.chars().take(LONGEST_MODEL).collect());
    }

    pub(super) fn is_unpaced(&mut self) {
        self.paced = None;
    }

    pub(super) fn received(&mut self, bytes: usize) {
        self.bytes_in = bytes as u64;
    }

    pub(super) fn uploads(&mut self, progress: Arc<Progress>) {
        self.upload = Some(progress);
    }

    /// It asks for a permit in this lane.
    pub(super) fn queues(&mut self, priority: Priority) {
        self.paced = Some(priority);
        self.queued = true;
    }

    pub(super) fn waited(&mut self, queue_wait: Duration) {
        self.queue_wait = queue_wait;
    }

    /// It goes past the full queue.
    pub(super) fn passes_through(&mut self) {
        self.passthrough = true;
        self.metrics.requests.passthrough.inc();
    }

    pub(super) fn is_passthrough(&self) -> bool {
        self.passthrough
    }

    /// Its lane and how long it waited there, once it was ranked.
    pub(super) fn place(&self) -> Option<(Priority, Duration)> {
        self.paced.filter(|_| self.queued).map(|priority| (priority, self.queue_wait))
    }

    /// How long it may be waited for under `settings`.
    pub(super) fn patience(&self, settings: &Settings) -> Patience {
        let Timeouts { idle, total, .. } = settings.timeouts;
        Patience { idle, until: total.map(|total| self.arrived + total) }
    }

    /// Counts an attempt that is about to be sent.
    pub(super) fn attempts(&mut self, queue_wait: Duration) {
        self.attempts += 1;
        self.waited(queue_wait);
    }

    /// Notes the head of the answer the application gets.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
        self.head_after = Some(Instant::now() - self.arrived);
    }

    /// The body of the answer begins.
    pub(super) fn streams(&mut self) {
        if !self.streaming {
            self.streaming = true;
            self.metrics.requests.streams_open.inc();
        }
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes_out += bytes as u64;
    }

    /// Says how it ended; the account is settled on drop.
    pub(super) fn ends(&mut self, end: End) {
        self.end = end;
    }

    fn request_status(&self) -> RequestStatus {
        match (self.end, self.status) {
            (End::Broken | End::ClientGone, _) | (_, None) => RequestStatus::Error,
            (_, Some(StatusCode::TOO_MANY_REQUESTS)) => RequestStatus::RateLimited,
            (End::Relayed, Some(status)) if !status.is_server_error() => RequestStatus::Success,
            _ => RequestStatus::Error,
        }
    }

    fn log(&self) {
        let outcome = if std::thread::panicking() { "panicked" } else { self.end.as_str() };
        tracing::info!(
            target: "pacer::request",
            model = self.model.as_deref(),
            priority = self.paced.map_or("unpaced", Priority::as_str),
            outcome,
            status = self.status.map(|status| status.as_u16()),
            queue_wait_ms = millis(self.queue_wait),
            attempts = self.attempts,
            ttfb_ms = self.head_after.map(millis),
            duration_ms = millis(Instant::now() - self.arrived),
            bytes_in = self.upload.as_ref().map_or(self.bytes_in, |upload| upload.bytes()),
            bytes_out = self.bytes_out,
            trace_id = self.trace_id,
        );
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let requests = &self.metrics.requests;
        requests.in_flight.dec();
        if self.streaming {
            requests.streams_open.dec();
        }
        let status = self.request_status();
        match self.paced {
            Some(priority) => requests.finished(priority, status).inc(),
            None => requests.unpaced(status).inc(),
        }
        self.log();
    }
}

/// Whole milliseconds, for logs and headers.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_total_time_counts_from_the_arrival_whatever_the_request_waited_for() {
        let exchange = Exchange::begin(Arc::new(Metrics::new("test")), &HeaderMap::new(), None);
        let mut settings = Settings::default();
        settings.timeouts.total = Some(Duration::from_secs(30));
        tokio::time::advance(Duration::from_secs(20)).await;
        let until = exchange.patience(&settings).until.unwrap();
        assert_eq!(until - Instant::now(), Duration::from_secs(10));
    }
}
