//! A small LLM API with a strict quota, on loopback.
//!
//! It speaks enough of the `OpenAI` API for real clients, streams like one, and refuses like
//! NVIDIA's: `{"status":429,"title":"Too Many Requests"}` without a word on when to come back.
//! Its count of the rolling window is its own and exact, so that its verdict on a client is
//! worth something: the demo shows it, and the tests lean on it.
//!
//! The server lives as long as its [`StrictUpstream`]: the accept loop is the one task of a
//! `JoinSet` it owns, each connection a task of a `JoinSet` the loop owns. Dropping the value
//! drops them all, open streams included, and needs no cooperation.

mod admission;
mod answer;
mod schedule;
mod server;
mod window;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::dice::Dice;
pub use schedule::Step;
pub use window::Tenant;

use schedule::Schedule;
use window::{QuotaExceeded, RollingCount, Seen};

/// How a [`StrictUpstream`] behaves.
#[derive(Clone, Debug)]
pub struct UpstreamOptions {
    /// How many requests it accepts in any window, wherever the window starts.
    pub quota: u32,
    /// When it accepts another number.
    pub steps: Vec<Step>,
    /// Requests a minute that a second client makes on the same key, at random times.
    pub tenant_rpm: u32,
    /// The window of the quota; NVIDIA's is a minute.
    pub window: Duration,
    /// The most time that passes between a request's arrival and its count, evenly spread from 0:
    /// what delivery over a real network adds.
    pub accept_jitter: Duration,
    /// The time from the count to the head of the answer, evenly spread.
    pub latency: Range<Duration>,
    /// How many content chunks a streamed answer has; a plain one has as many words.
    pub chunks: u32,
    /// The time between two chunks of a stream.
    pub chunk_gap: Duration,
    /// Whether a 429 says `Retry-After` (in whole seconds, rounded up).
    pub sends_retry_after: bool,
    /// Whether a refused request uses up quota, too.
    pub refusals_count: bool,
    /// Whether a request without `Authorization: Bearer ...` is answered 401, uncounted.
    pub requires_authorization: bool,
    /// Seed of the jitter and the latencies.
    pub seed: u64,
}

impl Default for UpstreamOptions {
    /// 40 in any minute, answers at once, 429s in NVIDIA's form.
    fn default() -> Self {
        Self {
            quota: 40,
            steps: Vec::new(),
            tenant_rpm: 0,
            window: Duration::from_secs(60),
            accept_jitter: Duration::ZERO,
            latency: Duration::ZERO..Duration::ZERO,
            chunks: 8,
            chunk_gap: Duration::ZERO,
            sends_retry_after: false,
            refusals_count: false,
            requires_authorization: false,
            seed: 0,
        }
    }
}

/// What a [`StrictUpstream`] has seen of paced endpoints; `/v1/models` is not counted.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamStats {
    /// Requests within the quota.
    pub accepted: u64,
    /// Requests answered 429.
    pub refused: u64,
    /// Requests answered 401.
    pub unauthorized: u64,
    /// What the second client on the key was told.
    pub tenant: Tenant,
    /// How many requests it accepts in any window now.
    pub quota: u32,
    /// Quota used up in the window that ends now.
    pub used: usize,
    /// The most requests, accepted and refused, of both clients, that arrived within any one window.
    pub max_in_window: usize,
    /// Since the first request; zero before it.
    pub since_first: Duration,
    /// What evenly spaced requests at the full quota would have had accepted since the first, itself included,
    /// less what the second client had.
    pub attainable: u64,
}

impl UpstreamStats {
    /// Share of the quota used since the first request, 0 to 1; 0 before it.
    ///
    /// After a burst more may have been accepted than evenly spaced requests would have had, because the quota
    /// allows a whole window's worth at once; that is a share of 1.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    pub fn quota_used(&self) -> f64 {
        if self.attainable == 0 { 0.0 } else { (self.accepted as f64 / self.attainable as f64).min(1.0) }
    }
}

/// A running server; dropping it closes the port and every connection.
#[derive(Debug)]
pub struct StrictUpstream {
    addr: SocketAddr,
    quota: Arc<Quota>,
    _tasks: JoinSet<()>,
}

impl StrictUpstream {
    /// Starts a server on a free loopback port.
    ///
    /// # Errors
    /// Whatever binding the port says.
    pub async fn start(options: UpstreamOptions) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let quota = Arc::new(Quota::new(options));
        let mut tasks = JoinSet::new();
        tasks.spawn(server::accept(listener, answer::router(Arc::clone(&quota))));
        tasks.spawn(Arc::clone(&quota).be_called_by_tenant());
        Ok(Self { addr, quota, _tasks: tasks })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What a client or the sidecar takes as its base URL: `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// What it has seen so far.
    pub fn stats(&self) -> UpstreamStats {
        self.quota.stats()
    }
}

/// The quota, how it is told, and who was turned away.
#[derive(Debug)]
pub(super) struct Quota {
    options: UpstreamOptions,
    schedule: Schedule,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    count: RollingCount,
    dice: Dice,
    unauthorized: u64,
}

impl Quota {
    pub(super) fn new(options: UpstreamOptions) -> Self {
        let count = RollingCount::new(options.quota, options.window, options.refusals_count);
        let state = State { count, dice: Dice::new(options.seed), unauthorized: 0 };
        let schedule = Schedule::new(options.quota, &options.steps);
        Self { options, schedule, started: Instant::now(), state: Mutex::new(state) }
    }

    /// Counts one request, after the jitter; an accepted one gets how long its answer takes.
    pub(super) async fn arrive(&self) -> Result<Duration, QuotaExceeded> {
        let jitter = Duration::ZERO..self.options.accept_jitter;
        let jitter = self.with_state(|state| state.dice.duration(&jitter));
        if !jitter.is_zero() {
            tokio::time::sleep(jitter).await;
        }
        self.with_state(|state| {
            let now = self.turn_to_now(state);
            state.count.arrive(now)?;
            Ok(state.dice.duration(&self.options.latency))
        })
    }

    /// Makes the second client's requests, for ever.
    pub(super) async fn be_called_by_tenant(self: Arc<Self>) {
        if self.options.tenant_rpm == 0 {
            return;
        }
        let every = Duration::from_secs(60) / self.options.tenant_rpm;
        // A sequence of its own: a second client does not change what the first one meets.
        let mut dice = Dice::new(self.options.seed).split();
        loop {
            tokio::time::sleep(dice.until_next(every)).await;
            self.with_state(|state| {
                let now = self.turn_to_now(state);
                state.count.arrive_from_tenant(now);
            });
        }
    }

    /// Puts the quota of this moment in force.
    fn turn_to_now(&self, state: &mut State) -> Instant {
        let now = Instant::now();
        state.count.set_quota(self.schedule.quota_at(now - self.started));
        now
    }

    fn turn_away(&self) {
        self.with_state(|state| state.unauthorized += 1);
    }

    pub(super) fn stats(&self) -> UpstreamStats {
        self.with_state(|state| {
            let now = self.turn_to_now(state);
            let seen = state.count.seen(now);
            let arrived = seen.accepted + seen.refused;
            UpstreamStats {
                accepted: seen.accepted,
                refused: seen.refused,
                unauthorized: state.unauthorized,
                tenant: seen.tenant,
                quota: self.schedule.quota_at(now - self.started),
                used: seen.used,
                max_in_window: seen.max_in_window,
                since_first: seen.since_first,
                attainable: if arrived == 0 { 0 } else { self.attainable(&seen, now - self.started) },
            }
        })
    }

    fn attainable(&self, seen: &Seen, elapsed: Duration) -> u64 {
        let room = self.schedule.room(elapsed.saturating_sub(seen.since_first), elapsed, self.options.window);
        room.saturating_add(1).saturating_sub(seen.tenant.accepted)
    }

    /// The clock is read under the lock, so that arrivals are counted in the order of their times.
    fn with_state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
