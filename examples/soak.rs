//! Measures the probes and the memory of a sidecar with a very long queue and many open streams.
//!
//! The sidecar runs in a process of its own (this program again, with `--sidecar`), so that its
//! memory can be told from that of the clients. Every HTTP request that waits holds a
//! descriptor on both sides, which bounds how many of them one machine allows; the rest of the
//! queue is filled from inside that process, by waiting for permits as the proxy does. All of it
//! on loopback: `cargo run --release --example soak -- --help`.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use futures_util::future::{join_all, try_join_all};
use pacer::demo::upstream::{StrictUpstream, UpstreamOptions};
use pacer::limiter::settings::{Lane, WhenFull};
use pacer::limiter::{Outcome, Priority, Settings};
use pacer::scheduler::Wanted;
use pacer::sidecar::{Config, Sidecar};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Requests a minute: quick enough that a hundred thousand waiting have a chance within the hour.
const RPM: u32 = 6_000;

/// How long anything here may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(120);

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Clone, Debug, Parser)]
#[command(about = "Measures probes and memory with a very long queue and many open streams")]
struct Flags {
    /// Requests that wait, all together
    #[arg(long, default_value_t = 100_000)]
    waiting: usize,
    /// Of those, how many wait as HTTP requests on connections of their own
    #[arg(long, default_value_t = 8_000)]
    connections: usize,
    /// Answers being streamed meanwhile
    #[arg(long, default_value_t = 1_000)]
    streams: usize,
    /// Probes to time, each on a connection of its own as the kubelet's are
    #[arg(long, default_value_t = 2_000)]
    probes: usize,
    /// Be the sidecar in front of this upstream
    #[arg(long, hide = true)]
    sidecar: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    pacer::descriptors::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &flags.sidecar {
        Some(upstream) => runtime.block_on(be_the_sidecar(upstream)),
        None => runtime.block_on(measure(&flags)),
    }
}

/// Runs a sidecar, says where, and fills or empties its queue as told line by line.
async fn be_the_sidecar(upstream: &str) -> anyhow::Result<()> {
    let mut config = Config::new(upstream.parse()?);
    config.proxy_addr = ([127, 0, 0, 1], 0).into();
    config.admin_addr = ([127, 0, 0, 1], 0).into();
    config.bootstrap = settings();
    let sidecar = Sidecar::start(config).await?;
    println_now(&format!("{} {}", sidecar.proxy_addr(), sidecar.admin_addr()))?;
    let mut waiting = JoinSet::new();
    while let Some(line) = tokio::task::spawn_blocking(read_line).await?? {
        let count: usize = line.parse().context("a number of waiting requests")?;
        waiting.abort_all();
        while waiting.join_next().await.is_some() {}
        for n in 0..count {
            let (scheduler, arrived) = (sidecar.scheduler().clone(), Instant::now());
            let priority = Priority::ALL.into_iter().nth(n % 4).unwrap_or(Priority::Normal);
            let deadline = arrived + Duration::from_secs(3600);
            waiting.spawn(async move {
                if let Ok(permit) = scheduler.acquire(Wanted { priority, arrived, deadline }).await {
                    permit.departure().mark();
                    permit.settle(Outcome::Accepted);
                }
            });
        }
        println_now("done")?;
    }
    drop(sidecar);
    Ok(())
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.rate.requests_per_minute = RPM;
    settings.rate.capacity = RPM;
    settings.rate.minimum_gap = Duration::ZERO;
    settings.queue.max_depth = 100_000;
    settings.queue.when_full = WhenFull::Reject;
    settings.queue.lanes =
        settings.queue.lanes.map(|lane| Lane { max_wait: Duration::from_secs(3600), ..lane });
    settings
}

fn read_line() -> io::Result<Option<String>> {
    let mut line = String::new();
    Ok((io::stdin().lock().read_line(&mut line)? > 0).then(|| line.trim().to_owned()))
}

fn println_now(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// The sidecar's process; killed when this is dropped.
struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    proxy: SocketAddr,
    admin: SocketAddr,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(upstream: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--sidecar", upstream])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().context("a pipe")?;
        let mut stdout = BufReader::new(child.stdout.take().context("a pipe")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let (proxy, admin) = line.trim().split_once(' ').context("the sidecar did not start")?;
        let (proxy, admin) = (proxy.parse()?, admin.parse()?);
        Ok(Self { child, stdin, stdout, proxy, admin })
    }

    /// Fills the queue from inside, with `count` requests.
    fn wait_inside(&mut self, count: usize) -> anyhow::Result<()> {
        writeln!(self.stdin, "{count}")?;
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        if line.trim() != "done" {
            bail!("the sidecar ended");
        }
        Ok(())
    }

    /// Its share of the memory, in MiB: pages it shares count in part.
    fn pss(&self) -> anyhow::Result<f64> {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:")).context("no Pss")?;
        let kib: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
        Ok(kib / 1024.0)
    }

    /// A figure of `/status`.
    async fn status(&self, pointer: &str) -> anyhow::Result<u64> {
        let mut stream = TcpStream::connect(self.admin).await?;
        stream.write_all(b"GET /status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
        let status: serde_json::Value = serde_json::from_str(body)?;
        status.pointer(pointer).and_then(serde_json::Value::as_u64).with_context(|| format!("no {pointer}"))
    }

    async fn wait_until(&self, pointer: &str, reached: impl Fn(u64) -> bool) -> anyhow::Result<u64> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.status(pointer).await?;
            if reached(value) {
                return Ok(value);
            }
            if Instant::now() > deadline {
                bail!("{pointer} stays at {value}");
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sorted times of probes on connections of their own.
    async fn probe(&self, count: usize) -> anyhow::Result<Vec<Duration>> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let began = Instant::now();
            let mut stream = TcpStream::connect(self.admin).await?;
            stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            times.push(Instant::now() - began);
            if !answer.starts_with(b"HTTP/1.1 200") {
                bail!("/livez answered {}", String::from_utf8_lossy(&answer));
            }
            sleep(Duration::from_millis(2)).await;
        }
        times.sort();
        Ok(times)
    }
}

/// A request on a connection of its own, left unanswered.
async fn ask(proxy: SocketAddr, stream: bool) -> anyhow::Result<TcpStream> {
    let body = format!(r#"{{"model":"m","stream":{stream},"messages":[]}}"#);
    let mut connection = TcpStream::connect(proxy).await?;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json";
    let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    connection.write_all(request.as_bytes()).await?;
    Ok(connection)
}

fn report(out: &mut impl Write, when: &str, times: &[Duration], pss: f64) -> io::Result<()> {
    let at = |permille: usize| times.get((times.len() * permille / 1000).min(times.len() - 1)).copied();
    let [p50, p99, max] = [500, 990, 1000].map(|permille| at(permille).unwrap_or_default());
    writeln!(out, "{when}: /livez p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?}; PSS {pss:.1} MiB")
}

async fn measure(flags: &Flags) -> anyhow::Result<()> {
    let out = &mut io::stdout();
    let upstream = StrictUpstream::start(UpstreamOptions {
        quota: 1_000_000,
        chunks: 3_600,
        chunk_gap: Duration::from_secs(1),
        ..UpstreamOptions::default()
    })
    .await?;
    let mut sidecar = Process::start(&upstream.base_url())?;
    sleep(Duration::from_secs(1)).await;
    report(out, "idle", &sidecar.probe(flags.probes).await?, sidecar.pss()?)?;

    let streams = Arc::new(try_join_all((0..flags.streams).map(|_| ask(sidecar.proxy, true))).await?);
    let open = sidecar.wait_until("/streams_open", |open| open >= flags.streams as u64).await?;
    report(out, &format!("{open} streams"), &sidecar.probe(flags.probes).await?, sidecar.pss()?)?;

    sidecar.wait_inside(flags.waiting.saturating_sub(flags.connections))?;
    let waiting = join_all((0..flags.connections).map(|_| ask(sidecar.proxy, false))).await;
    let refused = waiting.iter().filter(|connection| connection.is_err()).count();
    let full = (flags.waiting * 95 / 100) as u64;
    sidecar.wait_until("/queue/total", |depth| depth >= full).await?;
    let times = sidecar.probe(flags.probes).await?;
    let depth = sidecar.status("/queue/total").await?;
    let connections = flags.connections - refused;
    let when = format!("{open} streams, {depth} waiting after it ({connections} of them over HTTP)");
    report(out, &when, &times, sidecar.pss()?)?;

    drop((streams, waiting));
    sidecar.wait_inside(0)?;
    sidecar.wait_until("/in_flight", |in_flight| in_flight == 0).await?;
    sleep(Duration::from_secs(2)).await;
    report(out, "all gone", &sidecar.probe(flags.probes).await?, sidecar.pss()?)?;
    Ok(())
}
