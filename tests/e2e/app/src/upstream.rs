//! An LLM API with a strict quota that tests put faults in, and that remembers what it was asked.

mod chat;
mod window;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::serve::Refusal;
use crate::{clock, serve};
use window::Window;

/// The options of `app upstream`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where it listens
    #[arg(long, default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Requests that it accepts in any 60 seconds
    #[arg(long, default_value_t = 1_000_000)]
    rpm: usize,
}

/// How it behaves now.
#[derive(Clone, Copy, Debug, Serialize)]
struct Rules {
    /// Requests that it accepts in any 60 seconds; the others get a 429.
    rpm: usize,
    /// Whether every request gets a 503.
    down: bool,
    /// Whether answers wait: a stream after its first piece, a plain one before it begins.
    hold: bool,
    /// Time before an answer begins.
    delay_ms: u64,
    /// Pieces of a stream.
    chunks: u32,
    /// Time between two of them.
    chunk_gap_ms: u64,
}

/// What POST /control changes; what is left out stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    rpm: Option<usize>,
    down: Option<bool>,
    hold: Option<bool>,
    delay_ms: Option<u64>,
    chunks: Option<u32>,
    chunk_gap_ms: Option<u64>,
}

impl Change {
    fn apply(self, rules: &mut Rules) {
        *rules = Rules {
            rpm: self.rpm.unwrap_or(rules.rpm),
            down: self.down.unwrap_or(rules.down),
            hold: self.hold.unwrap_or(rules.hold),
            delay_ms: self.delay_ms.unwrap_or(rules.delay_ms),
            chunks: self.chunks.unwrap_or(rules.chunks),
            chunk_gap_ms: self.chunk_gap_ms.unwrap_or(rules.chunk_gap_ms),
        };
    }
}

/// What it has seen: GET /counts.
#[derive(Clone, Debug, Default, Serialize)]
struct Counts {
    /// When each request came, whatever it was answered.
    arrivals_ms: Vec<u64>,
    /// Answered 200.
    accepted: u64,
    /// Of these, how many were answered to the end.
    completed: u64,
    /// Answered 429.
    refused: u64,
    /// Answered 503.
    unavailable: u64,
    /// Streams that have begun and not ended.
    open_streams: u64,
    max_open_streams: u64,
}

/// What it says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    TooMany,
    Unavailable,
}

#[derive(Debug)]
struct Upstream {
    rules: watch::Sender<Rules>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    window: Window,
    counts: Counts,
}

impl Upstream {
    fn new(rpm: usize) -> Self {
        let rules = Rules { rpm, down: false, hold: false, delay_ms: 0, chunks: 8, chunk_gap_ms: 10 };
        Self { rules: watch::Sender::new(rules), seen: Mutex::default() }
    }

    fn rules(&self) -> Rules {
        *self.rules.borrow()
    }

    fn with_seen<T>(&self, work: impl FnOnce(&mut Seen) -> T) -> T {
        work(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a request that comes now.
    fn arrive(&self) -> Verdict {
        let rules = self.rules();
        self.with_seen(|Seen { window, counts }| {
            counts.arrivals_ms.push(clock::milliseconds());
            if rules.down {
                counts.unavailable += 1;
                Verdict::Unavailable
            } else if window.admit(Instant::now(), rules.rpm) {
                counts.accepted += 1;
                Verdict::Accepted
            } else {
                counts.refused += 1;
                Verdict::TooMany
            }
        })
    }

    /// Waits as long as answers are held.
    async fn released(&self) {
        // Fails only where there is no sender any more, and this is one.
        let _ = self.rules.subscribe().wait_for(|rules| !rules.hold).await;
    }
}

fn router(upstream: Arc<Upstream>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat::answer))
        .route("/control", post(control))
        .route("/counts", get(counts).delete(forget))
        .route("/readyz", get(|| async { StatusCode::OK }))
        .with_state(upstream)
}

/// Answers until SIGTERM, and is gone then: a test that ends it wants its calls cut.
pub(crate) async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    let router = router(Arc::new(Upstream::new(args.rpm)));
    tokio::select! {
        served = serve::listen(args.listen, router, CancellationToken::new()) => served,
        () = stop.cancelled() => Ok(()),
    }
}

/// Whatever type the body says it has: `kubectl create --raw` says none.
async fn control(State(upstream): State<Arc<Upstream>>, body: Bytes) -> Result<Json<Rules>, Refusal> {
    let change: Change =
        serde_json::from_slice(&body).map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?;
    upstream.rules.send_modify(|rules| change.apply(rules));
    Ok(Json(upstream.rules()))
}

async fn counts(State(upstream): State<Arc<Upstream>>) -> Json<Counts> {
    Json(upstream.with_seen(|seen| seen.counts.clone()))
}

/// Begins to count anew, the quota's window as well. Streams that are open stay counted.
async fn forget(State(upstream): State<Arc<Upstream>>) -> StatusCode {
    upstream.with_seen(|seen| {
        let open_streams = seen.counts.open_streams;
        let counts = Counts { open_streams, max_open_streams: open_streams, ..Counts::default() };
        *seen = Seen { window: Window::default(), counts };
    });
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests;
