//! An application that stays, and calls when a test asks it to.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::{Caller, Kind};
use crate::load::{self, Load, Summary};

/// The options of `app serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where it listens
    #[arg(long, default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// The sidecar, or the upstream itself
    #[arg(long, env = "OPENAI_BASE_URL", default_value = "http://127.0.0.1:9190/v1")]
    base_url: String,
}

/// What `/run` is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    requests: u64,
    concurrency: usize,
    stream: bool,
    priority: Option<String>,
    timeout: u64,
    prompt_bytes: usize,
}

impl Default for Asked {
    fn default() -> Self {
        Self { requests: 1, concurrency: 1, stream: false, priority: None, timeout: 600, prompt_bytes: 16 }
    }
}

#[derive(Clone, Debug)]
struct App {
    base_url: String,
    running: TaskTracker,
    stop: CancellationToken,
}

/// A status, and why.
pub(crate) type Refusal = (StatusCode, String);

impl App {
    async fn run(self, asked: Asked) -> anyhow::Result<Summary> {
        let timeout = Duration::from_secs(asked.timeout);
        let Asked { stream, priority, prompt_bytes, .. } = asked;
        let kind = Kind { stream, priority, timeout, prompt_bytes };
        let caller = Caller::new(&self.base_url, kind)?;
        let load = Load { requests: asked.requests, concurrency: asked.concurrency };
        // In a task of its own: who asked may go away, the calls are finished all the same.
        let run = self.running.spawn(load::run(load, caller, self.stop.clone(), io::stdout()));
        Ok(run.await??)
    }
}

/// Answers until SIGTERM, then finishes the calls that run.
pub(crate) async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    let app = App { base_url: args.base_url, running: TaskTracker::new(), stop: stop.clone() };
    let running = app.running.clone();
    let router = Router::new().route("/readyz", get(readyz)).route("/run", get(answer)).with_state(app);
    listen(args.listen, router, stop).await?;
    running.close();
    running.wait().await;
    Ok(())
}

/// Serves until `stop`, and the requests that run then to their end.
pub(crate) async fn listen(
    address: SocketAddr,
    router: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    // Nagle's algorithm holds back the small pieces of a stream; a connection without the option works as well.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}

async fn readyz(State(app): State<App>) -> StatusCode {
    if app.stop.is_cancelled() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

async fn answer(State(app): State<App>, Query(asked): Query<Asked>) -> Result<Json<Summary>, Refusal> {
    let summary = app.run(asked).await;
    summary.map(Json).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")))
}
