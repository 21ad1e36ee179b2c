//! An LLM API that answers every call, streams for as long as the test wants, and knows when each call came.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use super::background::{Background, spawn_here};

/// Between two pieces of a stream.
const BEAT: Duration = Duration::from_millis(200);

/// An upstream on a port of its own. A call whose body holds `"stream":true` is answered by a stream of SSE events that
/// ends with `[DONE]` after [`Upstream::finish_streams`]; any other by a completion, at once.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    _background: Background,
}

#[derive(Debug, Default)]
struct State {
    calls: Mutex<Vec<Instant>>,
    finished: watch::Sender<bool>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let background = Background::start("upstream");
        background.spawn(listen(listener, Arc::clone(&state)));
        Self { address, state, _background: background }
    }

    /// What `SIDECAR_UPSTREAM` takes.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// When each call came, in order.
    pub(crate) fn calls(&self) -> Vec<Instant> {
        self.state.calls.lock().unwrap().clone()
    }

    /// Ends the streams, those to come as well, each with `[DONE]`.
    pub(crate) fn finish_streams(&self) {
        self.state.finished.send_replace(true);
    }
}

async fn listen(listener: std::net::TcpListener, state: Arc<State>) {
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(Arc::clone(&state), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A client that goes away is no fault of this side.
        spawn_here(async move { drop(connection.await) });
    }
}

type Answer = Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error>;

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Answer {
    state.calls.lock().unwrap().push(Instant::now());
    let body = request.into_body().collect().await?.to_bytes();
    let (kind, body) = if String::from_utf8_lossy(&body).contains(r#""stream":true"#) {
        ("text/event-stream", events(state.finished.subscribe()))
    } else {
        ("application/json", Full::from(r#"{"object":"chat.completion"}"#).boxed())
    };
    Ok(Response::builder().header(CONTENT_TYPE, kind).body(body).unwrap())
}

/// An event at once and one every [`BEAT`], then `[DONE]`.
fn events(finished: watch::Receiver<bool>) -> BoxBody<Bytes, Infallible> {
    let events = stream::unfold(Some((0_u64, finished)), |state| async {
        let (number, mut finished) = state?;
        if number > 0 {
            tokio::time::timeout(BEAT, finished.wait_for(|&finished| finished)).await.ok();
        }
        if *finished.borrow() {
            return Some((event("[DONE]"), None));
        }
        Some((event(&format!(r#"{{"n":{number}}}"#)), Some((number + 1, finished))))
    });
    StreamBody::new(events).boxed()
}

#[expect(clippy::unnecessary_wraps, reason = "a body is a stream of results")]
fn event(data: &str) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(format!("data: {data}\n\n").into()))
}
