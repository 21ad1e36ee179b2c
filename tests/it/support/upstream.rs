//! An upstream that answers by a script and remembers what it was asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{Task, eventually, soon, spawn};

type Body = BoxBody<Bytes, std::io::Error>;

/// What the upstream does with one request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Answers.
    Say(u16, Vec<(&'static str, String)>, Bytes),
    /// Answers with a body that a [`Stream`] feeds.
    Stream(u16, Vec<(&'static str, String)>, mpsc::Receiver<Piece>),
    /// Answers later.
    Late(Duration, Box<Self>),
    /// Never answers.
    Hang,
    /// Closes the connection without an answer.
    Slam,
}

impl Answer {
    pub(crate) fn ok() -> Self {
        Self::json(200, r#"{"id":"chatcmpl-1","object":"chat.completion"}"#)
    }

    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::Say(
            status,
            vec![("content-type", "application/json".into())],
            Bytes::copy_from_slice(body.as_bytes()),
        )
    }

    /// NVIDIA's own 429: no headers, no envelope.
    pub(crate) fn too_many() -> Self {
        Self::json(429, r#"{"status":429,"title":"Too Many Requests"}"#)
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self::Late(delay, Box::new(self))
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Say(_, headers, _) | Self::Stream(_, headers, _) = &mut self {
            headers.push((name, value.into()));
        }
        self
    }

    /// A body that the test feeds piece by piece.
    pub(crate) fn stream(status: u16) -> (Stream, Self) {
        let (feed, pieces) = mpsc::channel(1);
        (Stream(feed), Self::Stream(status, vec![("content-type", "text/event-stream".into())], pieces))
    }
}

pub(crate) type Piece = std::io::Result<Frame<Bytes>>;

/// The body of a streamed answer. Dropping it ends the body properly.
#[derive(Debug)]
pub(crate) struct Stream(mpsc::Sender<Piece>);

impl Stream {
    pub(crate) async fn push(&self, piece: impl Into<Bytes>) {
        soon("room for a piece", self.0.send(Ok(Frame::data(piece.into())))).await.unwrap();
    }

    /// Sends unless the other side has gone; waits while it takes nothing.
    pub(crate) async fn offer(&self, piece: Bytes) -> bool {
        self.0.send(Ok(Frame::data(piece))).await.is_ok()
    }

    /// Ends the body as a crash would.
    pub(crate) async fn cut(self) {
        soon("room for the cut", self.0.send(Err(std::io::ErrorKind::ConnectionAborted.into())))
            .await
            .unwrap();
    }

    /// Ends when nobody listens any more.
    pub(crate) async fn abandoned(&self) {
        soon("the stream to be abandoned", self.0.closed()).await;
    }
}

/// The upstream's side of a [`Stream`].
struct Fed(mpsc::Receiver<Piece>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        self.0.poll_recv(cx)
    }
}

/// One request as the upstream got it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Debug, Default)]
struct Script {
    answers: VecDeque<Answer>,
    asked: Vec<Asked>,
    arriving: usize,
}

/// An upstream on a port of its own.
#[derive(Debug)]
pub(crate) struct Upstream {
    addr: SocketAddr,
    script: Arc<Mutex<Script>>,
    _task: Task,
}

impl Upstream {
    /// Gives these answers in turn, then [`Answer::ok`] for ever.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let script = Script { answers: answers.into_iter().collect(), ..Script::default() };
        let script = Arc::new(Mutex::new(script));
        let task = spawn(accept(listener, Arc::clone(&script)));
        Self { addr, script, _task: task }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Every request so far whose body has arrived.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap().asked.clone()
    }

    /// The only request so far.
    pub(crate) fn asked_once(&self) -> Asked {
        let [asked] = self.asked().try_into().expect("one request");
        asked
    }

    pub(crate) async fn is_asked(&self, times: usize) {
        eventually("the upstream to be asked", || self.asked().len() == times).await;
    }

    /// Waits until the head of a request is here, whatever its body does.
    pub(crate) async fn is_being_asked(&self) {
        eventually("the head of a request", || self.script.lock().unwrap().arriving > 0).await;
    }
}

async fn accept(listener: TcpListener, script: Arc<Mutex<Script>>) {
    let mut connections = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let script = Arc::clone(&script);
        let service = service_fn(move |request| answer(Arc::clone(&script), request));
        connections.push(spawn(async move {
            let served =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A client that goes away is part of many scripts.
            let _ = served.await;
        }));
    }
}

async fn answer(script: Arc<Mutex<Script>>, request: Request<Incoming>) -> Result<Response<Body>, Slammed> {
    script.lock().unwrap().arriving += 1;
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Slammed)?.to_bytes();
    let answer = {
        let mut script = script.lock().unwrap();
        script.asked.push(Asked { method: head.method, uri: head.uri, headers: head.headers, body });
        script.answers.pop_front().unwrap_or_else(Answer::ok)
    };
    say(answer).await
}

async fn say(answer: Answer) -> Result<Response<Body>, Slammed> {
    match answer {
        Answer::Say(status, headers, body) => {
            let body = Full::new(body).map_err(|never: Infallible| match never {}).boxed();
            Ok(response(status, headers, body))
        }
        Answer::Stream(status, headers, pieces) => Ok(response(status, headers, Fed(pieces).boxed())),
        Answer::Late(delay, answer) => {
            tokio::time::sleep(delay).await;
            Box::pin(say(*answer)).await
        }
        Answer::Hang => std::future::pending().await,
        Answer::Slam => Err(Slammed),
    }
}

fn response(status: u16, headers: Vec<(&'static str, String)>, body: Body) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(body).unwrap()
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("slammed")]
struct Slammed;
