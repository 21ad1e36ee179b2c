//! What the proxy is told, and what it has seen.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

/// What the proxy does with everything.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing special.
    Pass,
    /// Refuses new connections. Open ones stay: see `FaultProxy::cut`.
    Refuse,
    /// Says nothing any more: takes connections and requests and leaves them alone; watches stand still. What was held
    /// goes on when the fault is over.
    Hang,
    /// Passes, each answer this much later. Watches begin later and then flow.
    Delay(Duration),
    /// Answers these requests by itself and passes the others.
    Answer(Which, Refusal),
    /// Ends each watch properly as soon as it begins, and passes the rest.
    EndWatches,
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// As by a peer that closes it (FIN).
    Close,
    /// As by a peer that has died or forgotten it (RST).
    Reset,
}

/// Which requests are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    /// Those with `watch` among their parameters.
    Watches,
    /// The others.
    Lists,
}

/// An answer that the API server did not give: a Kubernetes `Status`.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) message: String,
    /// The header `Retry-After`.
    pub(crate) retry_after_seconds: Option<u32>,
}

impl Refusal {
    /// The codes an API server uses, each with the reason it gives: 401, 403, 410, 429 (`Retry-After: 1`), 500, 503.
    pub(crate) fn new(code: u16) -> Self {
        let reason = match code {
            401 => "Unauthorized",
            403 => "Forbidden",
            410 => "Expired",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            _ => "InternalError",
        };
        let message = format!("{reason}, said the fault proxy");
        Self { code, reason: reason.to_owned(), message, retry_after_seconds: (code == 429).then_some(1) }
    }

    /// The `Status` object.
    pub(crate) fn status_object(&self) -> Value {
        let details = self.retry_after_seconds.map(|seconds| json!({"retryAfterSeconds": seconds}));
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
            "reason": self.reason, "details": details.unwrap_or(json!({})), "code": self.code,
        })
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The parameters, decoded.
    pub(crate) query: Vec<(String, String)>,
    /// What followed `Bearer` in the header `Authorization`.
    pub(crate) token: Option<String>,
    pub(crate) at: Instant,
}

impl Asked {
    pub(super) fn new(head: &Parts) -> Self {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let url = reqwest::Url::parse(&format!("http://any{target}")).unwrap();
        let token = head.headers.get("authorization").and_then(|value| value.to_str().ok());
        Self {
            method: head.method.to_string(),
            path: url.path().to_owned(),
            query: url.query_pairs().into_owned().collect(),
            token: token.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned),
            at: Instant::now(),
        }
    }

    /// The value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.parameter("watch").is_some_and(|value| ["1", "true"].contains(&value))
    }

    pub(super) fn is(&self, which: Which) -> bool {
        match which {
            Which::All => true,
            Which::Watches => self.is_watch(),
            Which::Lists => !self.is_watch(),
        }
    }
}

/// What goes into a watch next.
#[derive(Clone, Debug)]
pub(super) enum Injection {
    /// The watch goes on.
    Line(Bytes),
    /// The answer ends properly.
    ThenEnd(Bytes),
    /// The connection breaks.
    ThenBreak(Bytes),
}

/// Shared by the test's side and the proxy's tasks.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) server: SocketAddr,
    /// Read for each connection: it changes with the server's authority.
    pub(super) ca_file: PathBuf,
    pub(super) fault: watch::Sender<Fault>,
    pub(super) next: Mutex<Vec<(Which, Refusal)>>,
    pub(super) cuts: broadcast::Sender<Cut>,
    pub(super) injections: broadcast::Sender<Injection>,
    pub(super) asked: Mutex<Vec<Asked>>,
}

impl Control {
    pub(super) fn new(server: SocketAddr, ca_file: PathBuf) -> Self {
        Self {
            server,
            ca_file,
            fault: watch::Sender::new(Fault::Pass),
            next: Mutex::default(),
            cuts: broadcast::Sender::new(16),
            injections: broadcast::Sender::new(256),
            asked: Mutex::default(),
        }
    }

    pub(super) fn inject(&self, injection: Injection) -> usize {
        self.injections.send(injection).unwrap_or(0)
    }

    /// Waits while the proxy hangs.
    pub(super) async fn responsive(&self) {
        // The sender lives as long as this, so the wait ends only when the fault has changed.
        self.fault.subscribe().wait_for(|fault| !matches!(fault, Fault::Hang)).await.ok();
    }

    /// The answer that is to be given in the API server's place.
    pub(super) fn refusal(&self, asked: &Asked) -> Option<Refusal> {
        let mut next = self.next.lock().unwrap();
        if let Some(place) = next.iter().position(|(which, _)| asked.is(*which)) {
            return Some(next.remove(place).1);
        }
        if let Fault::Answer(which, refusal) = &*self.fault.borrow()
            && asked.is(*which)
        {
            return Some(refusal.clone());
        }
        None
    }

    /// Whether this is a watch that is to end at once.
    pub(super) fn ends(&self, asked: &Asked) -> bool {
        asked.is_watch() && matches!(*self.fault.borrow(), Fault::EndWatches)
    }

    pub(super) fn delay(&self) -> Duration {
        if let Fault::Delay(delay) = *self.fault.borrow() { delay } else { Duration::ZERO }
    }
}
