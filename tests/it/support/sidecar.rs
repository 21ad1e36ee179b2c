//! A sidecar's data plane in this process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pacer::limiter::{Priority, Settings};
use pacer::metrics::{Metrics, RefusalReason};
use pacer::proxy::{ApiKey, KeySource, Options, Proxy};
use pacer::scheduler::Scheduler;
use reqwest::{Method, RequestBuilder};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::client::Raw;
use super::{CANARY, Reply, Task, Upstream, eventually, logs, soon, spawn};

/// A plain request's body.
pub(crate) const BODY: &str = r#"{"model":"meta/llama","messages":[]}"#;

/// A sidecar on a port of its own.
#[derive(Debug)]
pub(crate) struct Sidecar {
    pub(crate) addr: SocketAddr,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) scheduler: Scheduler,
    pub(crate) proxy: Proxy,
    settings: watch::Sender<Arc<Settings>>,
    client: reqwest::Client,
    _tasks: [Task; 3],
}

/// A sidecar before it starts.
#[derive(Debug)]
pub(crate) struct Builder {
    options: Options,
    settings: Settings,
}

impl Builder {
    pub(crate) fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    pub(crate) fn options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    pub(crate) async fn start(self) -> Sidecar {
        logs::watch();
        let metrics = Arc::new(Metrics::new("test"));
        let (sender, settings) = watch::channel(Arc::new(self.settings));
        let (scheduler, dispatch) = Scheduler::new(settings.clone(), Arc::clone(&metrics));
        let (proxy, upkeep) =
            Proxy::new(self.options, scheduler.clone(), settings, Arc::clone(&metrics)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let router = proxy.router();
        let serve = async move { axum::serve(listener, router).await.unwrap() };
        Sidecar {
            addr,
            metrics,
            scheduler,
            proxy,
            settings: sender,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            _tasks: [spawn(dispatch), spawn(upkeep), spawn(serve)],
        }
    }
}

impl Sidecar {
    /// A sidecar that is not in anybody's way: fast, with retries that do not make tests wait.
    pub(crate) async fn before(upstream: &Upstream) -> Self {
        Self::builder(&upstream.base()).start().await
    }

    pub(crate) fn builder(base: &str) -> Builder {
        let mut settings = Settings::default();
        settings.rate.requests_per_minute = 60_000;
        settings.rate.capacity = 60_000;
        settings.rate.minimum_gap = Duration::ZERO;
        let options = Options {
            upstream: base.parse().unwrap(),
            key: KeySource::Value(ApiKey::try_from(CANARY.to_owned()).unwrap()),
            body_limit: Options::BODY_LIMIT,
            body_budget: Options::BODY_BUDGET,
        };
        Builder { options, settings }
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Settings)) {
        self.settings.send_modify(|settings| change(Arc::make_mut(settings)));
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.addr))
    }

    /// A paced request.
    pub(crate) fn post(&self) -> RequestBuilder {
        self.request(Method::POST, "/v1/chat/completions")
            .header("content-type", "application/json")
            .body(BODY)
    }

    pub(crate) async fn raw(&self) -> Raw {
        Raw::connect(self.addr).await
    }

    /// How many requests wait for a permit.
    pub(crate) fn waiting(&self) -> usize {
        self.scheduler.snapshot().depth.iter().sum()
    }

    pub(crate) fn refused(&self, reason: RefusalReason) -> u64 {
        self.metrics.requests.refused(reason).get()
    }

    /// The value of a series as `/metrics` shows it.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = self.metrics.render();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
    }

    pub(crate) fn finished(&self, priority: Priority, status: &str) -> u64 {
        self.metric(&format!("sidecar_requests_total{{priority=\"{priority}\",status=\"{status}\"}}"))
    }

    /// Waits until nothing is held for any request.
    pub(crate) async fn is_idle(&self) {
        let requests = &self.metrics.requests;
        eventually("nothing in flight", || requests.in_flight.get() == 0).await;
        eventually("no bytes buffered", || requests.buffered_bytes.get() == 0).await;
        assert_eq!(requests.streams_open.get(), 0);
    }
}

/// A sidecar that lets one request a minute through, and lets the others wait for an hour.
pub(crate) fn tight(upstream: &Upstream) -> Builder {
    Sidecar::builder(&upstream.base()).settings(|it| {
        it.rate.requests_per_minute = 1;
        it.rate.capacity = 1;
        it.queue.lanes.iter_mut().for_each(|lane| lane.max_wait = Duration::from_secs(3_600));
    })
}

/// Sends a request and reads the whole answer.
pub(crate) async fn call(request: RequestBuilder) -> Reply {
    Reply::read(head(request).await).await
}

/// Sends a request and waits for the head of the answer.
pub(crate) async fn head(request: RequestBuilder) -> reqwest::Response {
    soon("an answer", request.send()).await.unwrap()
}

impl Drop for Sidecar {
    /// Every test ends with the check that the key showed up nowhere.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let leaks = logs::watch().leaks();
        assert!(leaks.is_empty(), "the key was logged: {leaks:?}");
        let shown = format!("{:?} {:?} {}", self.proxy, self.metrics, self.metrics.render());
        assert!(!shown.contains(CANARY), "the key is shown: {shown}");
    }
}
