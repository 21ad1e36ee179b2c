//! Measures the promise: no 429, and no quota left unused.
//!
//! A strict upstream (40 requests in any minute, up to 300 ms between a request's arrival and
//! its count) stands behind a sidecar with the default policy, but for the longest wait. At
//! once come 41 requests and 60 clients that call again as soon as they are answered; one more
//! client makes an urgent call every few seconds. All of it on loopback; `cargo run --release
//! --example acceptance -- --help` tells the flags. Exit code 1 when a target is missed.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use futures_util::future::{join, join_all};
use pacer::demo::dice::Dice;
use pacer::demo::upstream::{StrictUpstream, UpstreamOptions, UpstreamStats};
use pacer::limiter::{Priority, Settings};
use pacer::sidecar::{Config, Sidecar};
use reqwest::StatusCode;

/// How much of what evenly spaced requests could have had must be used.
const LEAST_QUOTA_USED: f64 = 0.985;

/// How long half of the urgent calls may wait behind a saturated backlog, at 40 a minute.
const LONGEST_URGENT_P50: Duration = Duration::from_secs(1);

/// Nobody asks an upstream that is down in a loop.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Parser)]
#[command(about = "Measures 429s, quota used and urgent waits against a strict upstream")]
struct Flags {
    /// How long to measure
    #[arg(long, default_value_t = 180)]
    seconds: u64,
    /// Clients that call again as soon as they are answered
    #[arg(long, default_value_t = 60)]
    clients: usize,
    /// Requests that come once, all at the start
    #[arg(long, default_value_t = 41)]
    burst: usize,
    /// Requests the upstream accepts in any minute, and the sidecar's pace
    #[arg(long, default_value_t = 40)]
    quota: u32,
    /// The most milliseconds between a request's arrival at the upstream and its count
    #[arg(long, default_value_t = 300)]
    jitter: u64,
}

/// What the clients saw.
#[derive(Debug, Default)]
struct Seen {
    served: u64,
    rate_limited: u64,
    failed: u64,
    urgent_waits: Vec<Duration>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let flags = Flags::parse();
    let upstream = StrictUpstream::start(UpstreamOptions {
        quota: flags.quota,
        accept_jitter: Duration::from_millis(flags.jitter),
        latency: Duration::from_millis(200)..Duration::from_millis(800),
        ..UpstreamOptions::default()
    })
    .await?;
    let sidecar = Sidecar::start(config(flags, &upstream)?).await?;
    let clients = Clients::new(&sidecar)?;
    let measured = Duration::from_secs(flags.seconds);
    let _ = tokio::time::timeout(measured, clients.call(flags)).await;

    let seen = clients.seen.into_inner().context("a client panicked")?;
    let good = report(upstream.stats(), seen)?;
    sidecar.drain(Duration::from_secs(1)).await;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn config(flags: Flags, upstream: &StrictUpstream) -> anyhow::Result<Config> {
    let mut settings = Settings::default();
    settings.rate.requests_per_minute = flags.quota;
    settings.rate.capacity = flags.quota;
    // The default gap alone would keep the pace below 2,400 a minute.
    let evenly_spaced = Duration::from_secs(60) / flags.quota.max(1);
    settings.rate.minimum_gap = settings.rate.minimum_gap.min(evenly_spaced / 2);
    // A backlog of more than a minute is the point here; by default it would be refused early.
    for lane in &mut settings.queue.lanes {
        lane.max_wait = Duration::from_secs(3600);
    }
    let mut config = Config::new(upstream.base_url().parse()?);
    config.proxy_addr.set_port(0);
    config.admin_addr = config.proxy_addr;
    config.bootstrap = settings;
    Ok(config)
}

#[derive(Debug)]
struct Clients {
    http: reqwest::Client,
    url: String,
    seen: Mutex<Seen>,
}

impl Clients {
    fn new(sidecar: &Sidecar) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
        let url = format!("http://{}/v1/chat/completions", sidecar.proxy_addr());
        Ok(Self { http, url, seen: Mutex::default() })
    }

    async fn call(&self, flags: Flags) {
        let burst = join_all((0..flags.burst).map(|_| self.call_once(Priority::Normal)));
        let steady = join_all((0..flags.clients).map(|_| self.call_forever()));
        join(burst, join(steady, self.call_urgently())).await;
    }

    async fn call_forever(&self) {
        loop {
            self.call_once(Priority::Normal).await;
        }
    }

    /// At random times, so that no rhythm of the pace is favoured.
    async fn call_urgently(&self) {
        let mut dice = Dice::new(1);
        let pause = Duration::from_secs(2)..Duration::from_secs(8);
        loop {
            tokio::time::sleep(dice.duration(&pause)).await;
            self.call_once(Priority::Urgent).await;
        }
    }

    async fn call_once(&self, priority: Priority) {
        let answer = self.ask(priority).await;
        if let Ok(mut seen) = self.seen.lock() {
            match answer {
                Ok((StatusCode::OK, waited)) => {
                    seen.served += 1;
                    if priority == Priority::Urgent {
                        seen.urgent_waits.extend(waited);
                    }
                    return;
                }
                Ok((StatusCode::TOO_MANY_REQUESTS, _)) => seen.rate_limited += 1,
                Ok(_) | Err(_) => seen.failed += 1,
            }
        }
        tokio::time::sleep(FAILURE_PAUSE).await;
    }

    /// The answer's status, and how long the sidecar held the call back.
    async fn ask(&self, priority: Priority) -> reqwest::Result<(StatusCode, Option<Duration>)> {
        let request = self
            .http
            .post(&self.url)
            .header("x-priority", priority.as_str())
            .header("content-type", "application/json")
            .body(r#"{"model": "demo-small", "messages": [{"role": "user", "content": "Hello"}]}"#);
        let response = request.send().await?;
        let (status, waited) = (response.status(), waited(&response));
        response.bytes().await?;
        Ok((status, waited))
    }
}

fn waited(response: &reqwest::Response) -> Option<Duration> {
    let milliseconds = response.headers().get("x-pacer-queue-wait-ms")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(milliseconds))
}

/// Prints what was measured; whether every target was met.
fn report(upstream: UpstreamStats, mut seen: Seen) -> io::Result<bool> {
    seen.urgent_waits.sort_unstable();
    let middle = seen.urgent_waits.len().saturating_sub(1) / 2;
    let urgent_p50 = seen.urgent_waits.get(middle).copied();
    let mut out = io::stdout().lock();
    let used = upstream.quota_used();
    writeln!(
        out,
        "measured               {:.1} s from the first request",
        upstream.since_first.as_secs_f64()
    )?;
    writeln!(
        out,
        "upstream accepted      {} (most in any minute: {})",
        upstream.accepted, upstream.max_in_window
    )?;
    writeln!(out, "upstream 429s          {}", upstream.refused)?;
    writeln!(
        out,
        "share of quota used    {:.2} % ({} of {})",
        used * 100.0,
        upstream.accepted,
        upstream.attainable
    )?;
    writeln!(
        out,
        "clients                {} served, {} times 429, {} failures",
        seen.served, seen.rate_limited, seen.failed
    )?;
    writeln!(
        out,
        "urgent p50 wait        {:.3?} of {} calls",
        urgent_p50.unwrap_or_default(),
        seen.urgent_waits.len()
    )?;
    Ok(upstream.refused + seen.rate_limited + seen.failed == 0
        && used >= LEAST_QUOTA_USED
        && urgent_p50.is_some_and(|wait| wait <= LONGEST_URGENT_P50))
}
