//! The composition root of `pacer run`: builds the parts, connects them, drains them.
//!
//! The parts meet only here, in channels: `policy` feeds settings to the scheduler and the
//! proxy, the proxy acquires from the scheduler, `admin` reads all of them.

mod config;
mod error;
#[cfg(any(test, feature = "fault-injection"))]
mod fault;
mod run;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use config::{ADMIN_PORT, Config, PROXY_PORT};
pub use error::{BindError, StartError};
pub use run::run;

use error::Listener;

use crate::admin::{Admin, PolicyView, Readiness};
use crate::drain::Drain;
use crate::limiter::Settings;
use crate::metrics::Metrics;
use crate::policy::{self, Feed};
use crate::proxy::{self, Proxy};
use crate::scheduler::Scheduler;
use crate::server::{self, Service};
use crate::{admin, descriptors};

/// The end of the grace period that is kept for telling those who still wait to come back later.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How long the application's idle connections are kept: longer than clients keep theirs
/// (Go: 90 s), since a server that closes first races with the next request.
const APPLICATION_IDLE: Duration = Duration::from_secs(120);

/// The port for operators can be reached from other pods: who connects and says nothing is
/// sent away soon. A scraper that comes back later opens a new connection.
const OPERATOR_IDLE: Duration = Duration::from_secs(10);

/// A running sidecar. Dropping it ends every task of it at once.
#[derive(Debug)]
pub struct Sidecar {
    proxy_addr: SocketAddr,
    admin_addr: SocketAddr,
    metrics: Arc<Metrics>,
    scheduler: Scheduler,
    proxy: Proxy,
    readiness: Arc<Readiness>,
    drain: Drain,
    /// Cancelled when the last connection of the application has ended.
    served: CancellationToken,
    _end_on_drop: DropGuard,
}

impl Sidecar {
    /// Starts a sidecar: when this returns, both ports answer and it is ready.
    ///
    /// A cluster's policy is waited for, a few seconds at most; only the probes answer meanwhile.
    ///
    /// # Errors
    /// When the policy is not valid, a port cannot be had, or the key cannot be read.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new(&config.provider));
        let drain = Drain::new();
        let end_on_drop = drain.shutdown().drop_guard();
        let (feed, follow) = policy::start(config.policy.clone(), config.bootstrap.clone(), metrics.clone())
            .map_err(StartError::Policy)?;
        let (scheduler, dispatch) = Scheduler::new(feed.settings.clone(), metrics.clone());
        #[cfg(feature = "fault-injection")]
        let dispatch = fault::stuck_when_told(dispatch);
        let options = config.proxy_options();
        let (proxy, refresh) =
            Proxy::new(options, scheduler.clone(), feed.settings.clone(), metrics.clone())?;
        let readiness = Arc::new(Readiness::default());
        let (admin, check) = Admin::new(admin::Parts {
            metrics: metrics.clone(),
            scheduler: scheduler.clone(),
            settings: feed.settings.clone(),
            readiness: readiness.clone(),
            policy: policy_view(&feed),
            upstream: Box::new(proxy.upstream_check()),
        });
        let proxy_listener = bind(config.proxy_addr, Listener::Proxy).await?;
        let admin_listener = bind(config.admin_addr, Listener::Admin).await?;
        let sidecar = Self {
            proxy_addr: local_addr(&proxy_listener, config.proxy_addr),
            admin_addr: local_addr(&admin_listener, config.admin_addr),
            metrics,
            scheduler,
            proxy,
            readiness,
            drain,
            served: CancellationToken::new(),
            _end_on_drop: end_on_drop,
        };
        sidecar.drain.spawn(follow());
        sidecar.drain.spawn(dispatch);
        sidecar.drain.spawn(refresh);
        sidecar.drain.spawn(check);
        sidecar.serve_operators(admin_listener, &admin);
        // Requests that come meanwhile wait in the listener's backlog: none is paced by settings nobody wanted.
        feed.decided().await;
        sidecar.serve_application(proxy_listener, &admin);
        sidecar.readiness.set_started();
        sidecar.log_start(&config, &feed);
        Ok(sidecar)
    }

    /// Where the application sends its requests.
    pub fn proxy_addr(&self) -> SocketAddr {
        self.proxy_addr
    }

    /// Where probes, metrics and the status are.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// The sidecar's metrics.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The sidecar's scheduler.
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// Takes no new work, lets waiting and running requests finish within `grace`, then ends everything.
    ///
    /// Who still waits shortly before the end is told to come back later.
    /// Dropping the future ends everything at once.
    pub async fn drain(self, grace: Duration) {
        let deadline = Instant::now() + grace;
        let last_word = deadline - LAST_WORD.min(grace / 4);
        tracing::info!(grace_seconds = grace.as_secs_f64(), in_flight = self.in_flight(), "draining");
        self.readiness.set_draining();
        self.scheduler.drain();
        self.drain.draining().cancel();
        if timeout_at(last_word, self.served.cancelled()).await.is_err() {
            tracing::warn!(in_flight = self.in_flight(), "refusing requests that still wait");
            self.scheduler.refuse_waiting();
            if timeout_at(deadline, self.served.cancelled()).await.is_err() {
                tracing::warn!(
                    in_flight = self.in_flight(),
                    "the grace period is over; cutting requests off"
                );
                self.proxy.close();
            }
        }
        self.drain.finish().await;
        tracing::info!("drained");
    }

    /// Serves probes and metrics, to the very end.
    fn serve_operators(&self, listener: TcpListener, admin: &Admin) {
        let drain = &self.drain;
        let for_operators = Service {
            router: admin.router(),
            max_connections: descriptors::RESERVED_CONNECTIONS,
            header_timeout: OPERATOR_IDLE,
        };
        drain.spawn(server::serve(listener, for_operators, drain.shutdown(), drain.clone()));
    }

    /// Serves the application until the drain.
    fn serve_application(&self, listener: TcpListener, admin: &Admin) {
        let drain = &self.drain;
        let for_application = Service {
            router: self.proxy.router().merge(admin.health_router()),
            max_connections: descriptors::raise_limit(),
            header_timeout: APPLICATION_IDLE,
        };
        let application = server::serve(listener, for_application, drain.draining(), drain.clone());
        let served = self.served.clone();
        drain.spawn(async move {
            application.await;
            served.cancel();
        });
    }

    fn in_flight(&self) -> i64 {
        self.metrics.requests.in_flight.get()
    }

    fn log_start(&self, config: &Config, feed: &Feed) {
        let report = feed.report.borrow();
        let settings = feed.settings.borrow();
        let Settings { rate, queue, .. } = &**settings;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            proxy = %self.proxy_addr,
            metrics = %self.admin_addr,
            upstream = %config.upstream,
            policy_source = report.source.as_str(),
            policy_state = report.state.as_str(),
            policy = report.name,
            requests_per_minute = rate.requests_per_minute,
            capacity = rate.capacity,
            window_seconds = rate.window.as_secs(),
            queue_limit = queue.max_depth,
            body_limit_bytes = config.body_limit,
            body_budget_bytes = config.body_budget,
            "started",
        );
    }
}

impl Config {
    fn proxy_options(&self) -> proxy::Options {
        proxy::Options {
            upstream: self.upstream.clone(),
            key: self.key.clone(),
            body_limit: self.body_limit,
            body_budget: self.body_budget,
        }
    }
}

/// What `admin` may know of the policy, which it does not import.
fn policy_view(feed: &Feed) -> Box<dyn Fn() -> PolicyView + Send + Sync> {
    let report = feed.report.clone();
    Box::new(move || {
        let report = report.borrow();
        PolicyView {
            source: report.source,
            state: report.state,
            since: report.since,
            reason: report.reason.clone(),
            name: report.name.clone(),
            namespace: report.namespace.clone(),
            generation: report.generation,
            rejected: report.rejected.clone(),
        }
    })
}

async fn bind(address: SocketAddr, listener: Listener) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError { listener, address, source })
}

/// The address that was bound, with the port the system chose where `asked` has none.
fn local_addr(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}
