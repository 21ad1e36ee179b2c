//! An API server that answers from a script.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use kube::Client;
use kube::client::Body;
use kube::client::ClientBuilder;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tower::limit::RateLimitLayer;

use crate::limiter::Settings;
use crate::metrics::{Metrics, PolicySource, PolicyState};
use crate::policy::cluster::connect::{Connect, REQUESTS, REQUESTS_EVERY};
use crate::policy::cluster::{self, Named, Timing};
use crate::policy::{Feed, Report};

/// What the server answers to one request that is no watch, or to a watch where it refuses.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// A list of these; the watch that follows is held open.
    List(Vec<Value>),
    /// A failure.
    Status(u16, &'static str),
    /// 429, and when to come back.
    RetryAfter(u32),
    /// No connection.
    Refused,
    /// Nothing, ever.
    Silence,
}

type Piece = Result<Frame<Bytes>, std::io::Error>;

#[derive(Debug, Default)]
struct Script {
    replies: VecDeque<Reply>,
    watch: Option<mpsc::UnboundedSender<Piece>>,
    asked: Vec<String>,
    end_every_watch: bool,
}

/// A policy that is followed, and the server it is followed on.
pub(super) struct Followed {
    pub(super) feed: Feed,
    pub(super) metrics: Arc<Metrics>,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A policy as the API server shows it.
pub(super) fn policy(spec: &Value, uid: &str, generation: i64) -> Value {
    json!({
        "apiVersion": "pacer.dev/v1alpha1",
        "kind": "RateLimitPolicy",
        "metadata": {
            "name": "nvidia", "namespace": "team-a", "uid": uid, "generation": generation,
            "resourceVersion": "1", "labels": {"a": "b"},
        },
        "spec": spec,
    })
}

impl Followed {
    /// Follows `team-a/nvidia` on a server that answers so.
    pub(super) async fn start(replies: &[Reply]) -> Self {
        Self::with_cache(None, replies).await
    }

    pub(super) async fn with_cache(cache: Option<PathBuf>, replies: &[Reply]) -> Self {
        let script = Arc::new(Mutex::new(Script { replies: replies.to_vec().into(), ..Script::default() }));
        let server = script.clone();
        let connect = Connect::new(move |_| std::future::ready(Ok(client(server.clone()))));
        let metrics = Arc::new(Metrics::new("test"));
        let named = Named { name: "nvidia".into(), namespace: Some("team-a".into()), cache };
        let bootstrap = Settings::default();
        let (feed, follow) = cluster::start(named, connect, Timing::default(), bootstrap, metrics.clone());
        #[expect(clippy::disallowed_methods, reason = "a test has no drain to track its tasks")]
        let task = tokio::spawn(follow());
        // Lets it say what it has to say at once.
        super::sleep(super::MOMENT / 2).await;
        Self { feed, metrics, script, task }
    }

    pub(super) fn report(&self) -> Report {
        self.feed.report.borrow().clone()
    }

    /// Source, state and requests a minute; the metrics must say the same.
    pub(super) fn standing(&self) -> (PolicySource, PolicyState, u32) {
        let Report { source, state, .. } = self.report();
        assert_eq!(self.metrics.policy.source(), Some(source));
        assert_eq!(self.metrics.policy.state(), Some(state));
        (source, state, self.feed.settings.borrow().rate.requests_per_minute)
    }

    pub(super) fn changes(&self) -> u64 {
        self.metrics.policy.changes.get()
    }

    /// What the server was asked, in order.
    pub(super) fn asked(&self) -> Vec<String> {
        self.script.lock().unwrap().asked.clone()
    }

    pub(super) fn requests(&self) -> usize {
        self.script.lock().unwrap().asked.len()
    }

    /// Appends to what the server answers next.
    pub(super) fn script(&self, replies: &[Reply]) {
        self.script.lock().unwrap().replies.extend(replies.iter().cloned());
    }

    /// Every watch ends as it begins, properly.
    pub(super) fn end_every_watch(&self) {
        let mut script = self.script.lock().unwrap();
        script.end_every_watch = true;
        script.watch = None;
    }

    /// Sends an event on the watch.
    pub(super) async fn event(&mut self, kind: &str, object: &Value) {
        self.raw(&format!("{}\n", json!({"type": kind, "object": object}))).await;
    }

    /// Sends text on the watch, once there is one.
    pub(super) async fn raw(&mut self, text: &str) {
        let watch = self.watch().await;
        watch.send(Ok(Frame::data(text.to_owned().into()))).unwrap();
        super::sleep(super::MOMENT).await;
    }

    /// Breaks the watch.
    pub(super) async fn cut(&mut self) {
        let watch = self.watch().await;
        watch.send(Err(std::io::ErrorKind::ConnectionReset.into())).unwrap();
        self.end().await;
    }

    /// Ends the watch properly.
    pub(super) async fn end(&mut self) {
        self.script.lock().unwrap().watch = None;
        super::sleep(super::MOMENT).await;
    }

    async fn watch(&self) -> mpsc::UnboundedSender<Piece> {
        for _ in 0..10_000 {
            if let Some(watch) = self.script.lock().unwrap().watch.clone() {
                return watch;
            }
            super::sleep(super::MOMENT).await;
        }
        panic!("nobody watches");
    }
}

fn client(script: Arc<Mutex<Script>>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| answer(&script, &request));
    ClientBuilder::new(service, "default").with_layer(&RateLimitLayer::new(REQUESTS, REQUESTS_EVERY)).build()
}

fn answer(script: &Mutex<Script>, request: &Request<Body>) -> BoxFuture<'static, std::io::Result<Answer>> {
    let uri = request.uri().to_string();
    let mut script = script.lock().unwrap();
    script.asked.push(uri.clone());
    let is_watch = uri.contains("watch=true");
    if is_watch && matches!(script.replies.front(), None | Some(Reply::List(_))) {
        return std::future::ready(Ok(watch(&mut script, &uri))).boxed();
    }
    match script.replies.pop_front().unwrap_or(Reply::Silence) {
        Reply::List(items) => {
            let list = json!({
                "apiVersion": "pacer.dev/v1alpha1", "kind": "RateLimitPolicyList",
                "metadata": {"resourceVersion": "1"}, "items": items,
            });
            std::future::ready(Ok(whole(200, &list))).boxed()
        }
        Reply::Status(code, message) => {
            std::future::ready(Ok(whole(code, &status(code, message, 0)))).boxed()
        }
        Reply::RetryAfter(seconds) => {
            std::future::ready(Ok(whole(429, &status(429, "too many", seconds)))).boxed()
        }
        Reply::Refused => std::future::ready(Err(std::io::ErrorKind::ConnectionRefused.into())).boxed(),
        Reply::Silence => std::future::pending().boxed(),
    }
}

fn status(code: u16, message: &str, retry_after: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": message,
        "reason": "Test", "details": {"retryAfterSeconds": retry_after},
    })
}

type Answer = Response<http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>>;

fn whole(code: u16, body: &Value) -> Answer {
    let body = http_body_util::Full::new(Bytes::from(body.to_string()));
    let body = http_body_util::BodyExt::map_err(body, |never| match never {});
    Response::builder().status(code).body(http_body_util::combinators::UnsyncBoxBody::new(body)).unwrap()
}

/// A watch that the test feeds, and that ends when its time is over.
fn watch(script: &mut Script, uri: &str) -> Answer {
    let seconds = uri.split(['?', '&']).find_map(|pair| pair.strip_prefix("timeoutSeconds=")).unwrap();
    let over = tokio::time::sleep(std::time::Duration::from_secs(seconds.parse().unwrap()));
    let (feed, mut pieces) = mpsc::unbounded_channel();
    if !script.end_every_watch {
        script.watch = Some(feed);
    }
    let pieces = futures_util::stream::poll_fn(move |cx| pieces.poll_recv(cx));
    let body = StreamBody::new(futures_util::StreamExt::take_until(pieces, over));
    Response::new(http_body_util::combinators::UnsyncBoxBody::new(body))
}
