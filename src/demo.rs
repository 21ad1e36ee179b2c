//! `pacer demo`: a strict upstream, the real sidecar and a mixed workload in one process.
//!
//! Nothing is staged: the sidecar is the one `pacer run` starts, on real ports, and the
//! workload reaches it over HTTP like any application. The upstream counts for itself, and
//! what the summary says of it is what it counted.
//!
//! The workload runs inside the demo's own future and the upstream owns its tasks, so that
//! the end of the demo, however it comes, is the end of both.

mod call;
pub mod dice;
mod intro;
mod screen;
mod summary;
mod table;
mod tally;
mod text;
pub mod upstream;
mod view;
mod workload;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::drain::Signals;
use crate::limiter::Settings;
use crate::limiter::settings::Rate;
use crate::proxy::{ApiKey, KeySource};
use crate::sidecar::{Config, Sidecar};

use call::App;
use screen::{Screen, Size};
use tally::Tally;
use upstream::{Step, StrictUpstream, UpstreamOptions};
use view::{AppView, View};

/// What the demonstration is to show.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests a minute the sidecar paces to, 1 to 1,000,000.
    pub rpm: u32,
    /// Requests the simulated upstream accepts in any minute.
    pub upstream_rpm: u32,
    /// When it accepts another number.
    pub upstream_steps: Vec<Step>,
    /// Requests a minute that a second client makes on the same key; 0 is no such client.
    pub tenant_rpm: u32,
    /// How long it runs; `None` is until it is interrupted.
    pub duration: Option<Duration>,
    /// Only the upstream and the sidecar, no workload.
    pub no_load: bool,
    /// Of everything that is left to chance; the same seed plays the same demo again.
    pub seed: u64,
    /// Port of the proxy; 0 lets the system choose.
    pub port: u16,
    /// Port of probes and metrics; 0 lets the system choose.
    pub metrics_port: u16,
}

/// How long calls that are still running may take at the end. The workload has left by then;
/// this is for somebody who tried the sidecar by hand.
const GRACE: Duration = Duration::from_secs(2);

/// The key the sidecar attaches: the upstream insists on one, and takes any.
const KEY: &str = "demo-key";

/// Runs the demonstration until its time is over or SIGINT or SIGTERM ends it, and sums up.
///
/// # Errors
/// When a port cannot be had or standard output cannot be written to.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let mut signals = Signals::catch()?;
    let out = io::stdout();
    let terminal = out.is_terminal().then_some(terminal_size as fn() -> Size);
    // A frame of the table is one write: no half of it is ever seen.
    let mut screen = Screen::new(BufWriter::new(out), terminal);
    let demo = Demo::start(options).await?;
    match demo.play(&mut screen, signals.next()).await {
        // Who was shown it has left, as in `pacer demo | head`: an end like any other.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        played => played?,
    }
    tokio::select! {
        () = demo.end() => {}
        // Asked twice: dropping the demo ends everything at once.
        _ = signals.next() => {}
    }
    Ok(())
}

/// How much the terminal on standard output shows now; one that does not say is a usual one.
fn terminal_size() -> Size {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    let told = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    told.map_or(Size::USUAL, |size| Size { columns: size.ws_col.into(), rows: size.ws_row.into() })
}

/// A running demonstration.
#[derive(Debug)]
struct Demo {
    options: Options,
    started: Instant,
    app: App,
    tally: Mutex<Tally>,
    /// Declared before the upstream, so that it is dropped first: its last calls get no errors.
    sidecar: Sidecar,
    upstream: StrictUpstream,
}

impl Demo {
    async fn start(options: Options) -> anyhow::Result<Self> {
        let upstream = StrictUpstream::start(upstream_options(&options)).await?;
        let sidecar = Sidecar::start(config(&options, &upstream)?).await?;
        let app = App::new(&intro::base_url(&sidecar))?;
        Ok(Self { options, started: Instant::now(), app, tally: Mutex::default(), sidecar, upstream })
    }

    /// Introduces itself, shows what happens until the time is over or `stop` says so, and sums up.
    async fn play<W: Write, S>(
        &self,
        screen: &mut Screen<W>,
        stop: impl Future<Output = S>,
    ) -> io::Result<()> {
        screen.print(&intro::introduction(&self.options, &self.sidecar, &self.upstream))?;
        // Outlives the summary: calls that are dropped leave the queue, and would be missing there.
        let mut load = pin!(self.load());
        tokio::select! {
            () = self.time_is_over() => {}
            _ = stop => {}
            () = &mut load => {}
            shown = self.show(screen) => shown?,
        }
        screen.print(&summary::summary(&self.view()))
    }

    async fn time_is_over(&self) {
        match self.options.duration {
            Some(duration) => tokio::time::sleep_until(self.started + duration).await,
            None => std::future::pending().await,
        }
    }

    async fn load(&self) {
        if self.options.no_load {
            return std::future::pending().await;
        }
        workload::run(&self.app, self.options.rpm, self.options.seed, &self.tally).await;
    }

    async fn show<W: Write>(&self, screen: &mut Screen<W>) -> io::Result<()> {
        let mut ticks = tokio::time::interval(screen.period());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            screen.show(&self.view())?;
        }
    }

    async fn end(self) {
        self.sidecar.drain(GRACE).await;
    }

    fn view(&self) -> View {
        let limiter = self.sidecar.scheduler().snapshot();
        let metrics = self.sidecar.metrics();
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let (lanes, app) = if self.options.no_load {
            (view::lanes_of_sidecar(metrics, &limiter), None)
        } else {
            (view::lanes_of_app(&tally, &limiter), Some(AppView::of(&tally)))
        };
        View {
            elapsed: Instant::now().duration_since(self.started),
            duration: self.options.duration,
            upstream: self.upstream.stats(),
            limiter,
            streams_open: metrics.requests.streams_open.get(),
            lanes,
            app,
        }
    }
}

/// About as slow as a small model, and delivered like over a network.
fn upstream_options(options: &Options) -> UpstreamOptions {
    UpstreamOptions {
        quota: options.upstream_rpm,
        steps: options.upstream_steps.clone(),
        tenant_rpm: options.tenant_rpm,
        accept_jitter: Duration::from_millis(50),
        latency: Duration::from_millis(300)..Duration::from_millis(1200),
        chunks: 20,
        chunk_gap: Duration::from_millis(60),
        requires_authorization: true,
        seed: options.seed,
        ..UpstreamOptions::default()
    }
}

/// What `pacer run --rate-rpm` would do.
fn settings(options: &Options) -> Settings {
    let mut settings = Settings::default();
    settings.rate.requests_per_minute = options.rpm;
    settings.rate.capacity = options.rpm;
    settings.rate.minimum_gap = Rate::default_gap(options.rpm);
    settings.retreat.floor_requests_per_minute = (options.rpm / 10).max(1);
    settings
}

fn config(options: &Options, upstream: &StrictUpstream) -> anyhow::Result<Config> {
    Ok(Config {
        proxy_addr: (Ipv4Addr::LOCALHOST, options.port).into(),
        // Nobody outside needs to see a demo.
        admin_addr: (Ipv4Addr::LOCALHOST, options.metrics_port).into(),
        provider: "demo".into(),
        key: KeySource::Value(ApiKey::try_from(KEY.to_owned())?),
        bootstrap: settings(options),
        ..Config::new(upstream.base_url().parse()?)
    })
}

#[cfg(test)]
mod tests;
