//! The account of one request: counted once, logged once, however it ends.
//!
//! An [`Exchange`] begins when a request arrives and ends when it is dropped: after the last
//! byte of the answer, or wherever the request was given up on the way. The log line and the
//! counters are written there and nowhere else, so no path can forget or repeat them.
//!
//! A server that is told to end drops a request just as it does when the application hangs up;
//! [`Closing`] tells the two apart.

mod generation;
mod wait;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::stamp::Progress;
use super::trace_id::trace_id;
use super::upstream::Patience;
use crate::limiter::Priority;
use crate::limiter::settings::{Settings, Timeouts};
use crate::metrics::{Metrics, RefusalReason, RequestStatus};
use generation::Generation;
use wait::Wait;

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
    /// The upstream was silent for too long in the middle of its answer.
    IdleTimeout,
    /// The answer took longer than the whole request may.
    TotalTimeout,
    /// The sidecar's shutdown did not wait for it.
    CutOff,
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
            Self::IdleTimeout => "idle_timeout",
            Self::TotalTimeout => "total_timeout",
            Self::CutOff => "cut_off",
            Self::ClientGone => "client_gone",
        }
    }
}

/// Whether requests that are dropped from now on are cut off by us.
#[derive(Clone, Debug, Default)]
pub(super) struct Closing(Arc<AtomicBool>);

impl Closing {
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The account of one request, settled on drop.
#[derive(Debug)]
pub(super) struct Exchange {
    metrics: Arc<Metrics>,
    closing: Closing,
    arrived: Instant,
    trace_id: String,
    /// `None` for a request the policy does not match.
    paced: Option<Priority>,
    /// Where it asked for a permit, once it has.
    lane: Option<Priority>,
    model: Option<String>,
    end: End,
    status: Option<StatusCode>,
    wait: Wait,
    wait_measured: bool,
    /// In `Observe`, how long it would have waited.
    would_have_waited: Option<Duration>,
    attempts: u32,
    head_after: Option<Duration>,
    bytes_in: u64,
    upload: Option<Arc<Progress>>,
    bytes_out: u64,
    streaming: bool,
    /// Of an answer that is a stream of events.
    generation: Option<Generation>,
    passthrough: bool,
}

impl Exchange {
    /// Begins the account of a request that arrives now.
    pub(super) fn begin(
        metrics: Arc<Metrics>,
        closing: Closing,
        headers: &HeaderMap,
        paced: Option<Priority>,
    ) -> Self {
        metrics.requests.in_flight.inc();
        Self {
            metrics,
            closing,
            arrived: Instant::now(),
            trace_id: trace_id(headers),
            paced,
            lane: None,
            model: None,
            end: End::ClientGone,
            status: None,
            wait: Wait::default(),
            wait_measured: false,
            would_have_waited: None,
            attempts: 0,
            head_after: None,
            bytes_in: 0,
            upload: None,
            bytes_out: 0,
            streaming: false,
            generation: None,
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
        self.lane = Some(priority);
    }

    /// Sees how long `turn` lets it wait, be it to the end or not.
    pub(super) async fn waits_for<T>(&mut self, turn: impl Future<Output = T>) -> T {
        self.wait.during(turn).await
    }

    /// In `Observe`, what the permit says of the wait it spared the request.
    pub(super) fn would_have_waited(&mut self, wait: Duration) {
        self.would_have_waited = Some(wait);
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
        self.lane.map(|priority| (priority, self.wait.total().unwrap_or_default()))
    }

    /// How long it may be waited for under `settings`.
    pub(super) fn patience(&self, settings: &Settings) -> Patience {
        let Timeouts { idle, total, .. } = settings.timeouts;
        Patience { idle, until: total.map(|total| self.arrived + total) }
    }

    /// Counts an attempt that is about to be sent.
    pub(super) fn attempts(&mut self) {
        self.attempts += 1;
    }

    /// How many attempts were counted.
    pub(super) fn attempted(&self) -> u32 {
        self.attempts
    }

    pub(super) fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// Notes the head of the answer the application gets.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.measure_wait();
        self.status = Some(status);
        self.head_after = Some(Instant::now() - self.arrived);
    }

    /// The body of the answer begins; it may be one of `events`.
    pub(super) fn streams(&mut self, events: bool) {
        self.generation = events.then(Generation::default);
        if !self.streaming {
            self.streaming = true;
            self.metrics.requests.streams_open.inc();
        }
    }

    pub(super) fn sent(&mut self, bytes: u64) {
        self.bytes_out += bytes;
    }

    /// A piece of the answer's body goes on its way.
    pub(super) fn relays(&mut self, piece: &[u8]) {
        self.sent(piece.len() as u64);
        if let Some(generation) = &mut self.generation {
            generation.passes(piece, Instant::now());
        }
    }

    /// Counts its wait, once there is no other turn to wait for. One that was refused at once, or sent past
    /// the queue, did not wait.
    fn measure_wait(&mut self) {
        self.wait.stop();
        if std::mem::replace(&mut self.wait_measured, true) {
            return;
        }
        let was_granted = self.attempts > 0 && !self.passthrough;
        if let Some((priority, wait)) = self.place()
            && (was_granted || self.wait.total().is_some())
        {
            self.metrics.queue.latency(priority).observe(wait.as_secs_f64());
        }
    }

    /// Says how it ended; the account is settled on drop.
    pub(super) fn ends(&mut self, end: End) {
        self.end = end;
    }

    fn request_status(&self) -> RequestStatus {
        match (self.end, self.status) {
            (End::Relayed | End::Refused(_) | End::Failed(_), Some(StatusCode::TOO_MANY_REQUESTS)) => {
                RequestStatus::RateLimited
            }
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
            queue_wait_ms = millis(self.wait.total().unwrap_or_default()),
            would_have_waited_ms = self.would_have_waited.map(millis),
            passthrough = self.passthrough.then_some(true),
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
        self.measure_wait();
        if self.end == End::ClientGone && self.closing.has_begun() {
            self.end = End::CutOff;
        }
        let requests = &self.metrics.requests;
        requests.in_flight.dec();
        if self.streaming {
            requests.streams_open.dec();
        }
        if let Some(rate) = self.generation.as_ref().and_then(Generation::rate) {
            self.metrics.upstream.generation.observe(rate);
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
        let exchange =
            Exchange::begin(Arc::new(Metrics::new("test")), Closing::default(), &HeaderMap::new(), None);
        let mut settings = Settings::default();
        settings.timeouts.total = Some(Duration::from_secs(30));
        tokio::time::advance(Duration::from_secs(20)).await;
        let until = exchange.patience(&settings).until.unwrap();
        assert_eq!(until - Instant::now(), Duration::from_secs(10));
    }
}
