//! The HTTP client to the upstream. The only file that knows which client that is.
//!
//! The client has one timer of its own, for the connection; every other limit belongs to
//! the request path, because it must change with the policy and must not run while it is
//! the application that keeps a stream waiting. The connect time-out is fixed when a client is
//! built, so a new one is built when the policy changes it; streams on the old one end there.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method};
use http_body::Body as _;
use reqwest::redirect::Policy;
use tokio::time::{Instant, sleep_until};

use super::body;
use super::stamp::{Outgoing, Progress, Unseen};

pub(super) use reqwest::Url;

/// The body of an answer, as it comes.
pub(super) type Incoming = reqwest::Body;

/// Idle connections are closed before common servers' own 60 s: a request sent on a connection
/// that is just being closed cannot be told from one that was received, and fails.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// Without these a dead HTTP/2 connection would hold every request on it until its idle time-out.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEP_ALIVE_WITHIN: Duration = Duration::from_secs(10);

/// One request to the upstream.
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Outgoing,
}

/// How long an answer may be waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Longest silence of the upstream.
    pub(super) idle: Option<Duration>,
    /// When the whole request must be over.
    pub(super) until: Option<Instant>,
}

/// No answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// No connection was made; nothing was sent.
    #[error("no connection: {0}")]
    Connect(String),
    /// The upstream stayed silent for too long.
    #[error("no answer in time")]
    Timeout,
    /// The client stopped sending its body.
    #[error("the client stopped sending")]
    Stalled,
    /// The connection broke after the request was sent, or what came was no HTTP.
    #[error("broken connection: {0}")]
    Broken(String),
}

impl SendError {
    /// The value of the metric's `status_code` label; nothing where the upstream is not to blame.
    pub(super) fn label(&self) -> Option<&'static str> {
        match self {
            Self::Connect(_) => Some("connect"),
            Self::Timeout => Some("timeout"),
            Self::Stalled => None,
            Self::Broken(_) => Some("broken"),
        }
    }
}

/// The client could not be built.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS for the upstream: {0}")]
pub struct ClientError(#[from] reqwest::Error);

/// The client to the upstream.
#[derive(Debug)]
pub(super) struct Upstream {
    client: ArcSwap<reqwest::Client>,
    roots: Roots,
}

/// Whose certificates are trusted.
#[derive(Clone, Debug)]
pub(super) enum Roots {
    /// The system's, or the compiled-in ones where the system has none.
    System,
    /// Exactly these.
    #[cfg(test)]
    Only(reqwest::Certificate),
}

impl Upstream {
    pub(super) fn new(connect: Duration, roots: Roots) -> Result<Self, ClientError> {
        let client = build(connect, &roots)?;
        Ok(Self { client: ArcSwap::from_pointee(client), roots })
    }

    /// From now on connections must be made within `connect`.
    pub(super) fn set_connect_timeout(&self, connect: Duration) -> Result<(), ClientError> {
        self.client.store(Arc::new(build(connect, &self.roots)?));
        Ok(())
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        &self,
        outbound: Outbound,
        patience: Patience,
    ) -> Result<http::Response<Incoming>, SendError> {
        let Outbound { method, url, headers, body } = outbound;
        let progress = body.progress();
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        let unseen = if body.is_end_stream() {
            if matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
                // Servers may insist on a length where a body is usual.
                request.headers_mut().insert(CONTENT_LENGTH, 0.into());
            }
            Some(Unseen::new(body))
        } else {
            *request.body_mut() = Some(reqwest::Body::wrap(body));
            None
        };
        let client = self.client.load_full();
        let sent = tokio::select! {
            biased;
            answer = client.execute(request) => match answer {
                Ok(answer) => Ok(answer.into()),
                Err(error) => Err(why(error)),
            },
            error = silence(&progress, patience) => Err(error),
        };
        if let (Some(unseen), Err(SendError::Connect(_))) = (unseen, &sent) {
            unseen.never_left();
        }
        sent
    }
}

/// Ends when the upstream or the client has been silent, or the request has lasted, for too long.
async fn silence(progress: &Progress, patience: Patience) -> SendError {
    loop {
        let now = Instant::now();
        let silent = patience.idle.map(|idle| progress.silent_until(idle, now));
        let timeout = silent.into_iter().chain(patience.until).min();
        if timeout.is_some_and(|at| at <= now) {
            return SendError::Timeout;
        }
        let stalled = progress.starved_since().unwrap_or(now) + body::SILENCE;
        if stalled <= now {
            return SendError::Stalled;
        }
        sleep_until(timeout.map_or(stalled, |at| at.min(stalled))).await;
    }
}

/// Tells "nothing was sent" from the rest, and leaves the URL out of the message: its query may hold a secret.
fn why(error: reqwest::Error) -> SendError {
    let connect = error.is_connect();
    let message = chain(&error.without_url());
    if connect { SendError::Connect(message) } else { SendError::Broken(message) }
}

/// The error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

/// The library adds `accept: */*` where the application says nothing, which means the same. It decodes
/// no content-encoding, follows no redirect and reads no proxy from the environment.
fn build(connect: Duration, roots: &Roots) -> Result<reqwest::Client, ClientError> {
    // Only the first installation in a process counts; a second one finds the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        reqwest::Client::builder()
            .connect_timeout(connect)
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .tcp_nodelay(true)
            .pool_idle_timeout(POOL_IDLE)
            .http2_keep_alive_interval(KEEP_ALIVE_EVERY)
            .http2_keep_alive_timeout(KEEP_ALIVE_WITHIN)
            .http2_keep_alive_while_idle(true)
    };
    match roots {
        Roots::System => Ok(builder().build().or_else(|_| {
            let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
            let bundled = bundled.filter_map(|root| reqwest::Certificate::from_der(root).ok());
            builder().tls_certs_only(bundled).build()
        })?),
        #[cfg(test)]
        Roots::Only(root) => Ok(builder().tls_certs_only([root.clone()]).build()?),
    }
}

#[cfg(test)]
mod tests;
