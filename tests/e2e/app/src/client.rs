//! Calls from a process that ends, as a Job's does.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::call::{Caller, Kind};
use crate::load::{self, Load};

/// The options of `app client`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The sidecar, or the upstream itself
    #[arg(long, env = "OPENAI_BASE_URL", default_value = "http://127.0.0.1:9190/v1")]
    base_url: String,
    /// How many calls; 0 is until SIGTERM
    #[arg(long, default_value_t = 1)]
    requests: u64,
    /// How many at once
    #[arg(long, default_value_t = 1)]
    concurrency: usize,
    /// Ask for streamed answers
    #[arg(long)]
    stream: bool,
    /// What x-priority says; nothing by default
    #[arg(long)]
    priority: Option<String>,
    /// Seconds that a call may take, told to the sidecar as the SDKs do
    #[arg(long, default_value_t = 600)]
    timeout: u64,
    /// Length of the question
    #[arg(long, default_value_t = 16)]
    prompt_bytes: usize,
}

/// Makes the calls. SIGTERM lets the ones that run finish.
pub(crate) async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let timeout = Duration::from_secs(args.timeout);
    let Args { stream, priority, prompt_bytes, .. } = args;
    let caller = Caller::new(&args.base_url, Kind { stream, priority, timeout, prompt_bytes })?;
    let load = Load { requests: args.requests, concurrency: args.concurrency };
    let summary = load::run(load, caller, stop, io::stdout()).await?;
    load::write_line(&mut io::stdout(), &json!({"summary": summary}))?;
    Ok(if summary.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
