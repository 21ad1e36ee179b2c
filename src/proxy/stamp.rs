//! The request body on its way up: it stamps the departure and tells how the upload goes.
//!
//! The limiter counts a request from the moment its head is written to a ready connection
//! (a stamp taken earlier drifts by the time a connection takes, and an exact window needs
//! better). hyper polls a body for its first frame right after it wrote the head, over
//! HTTP/1.1 and HTTP/2 alike, so the first poll is that moment. A body that has ended
//! before it begins is never polled, see [`Unseen`].

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::body::Buffered;

/// Buffered bodies leave in pieces of this size, so that a long upload is seen to move.
const PIECE: usize = 64 * 1024;

/// Called once, when the head of the request was written.
pub(super) type OnDeparture = Box<dyn FnOnce() + Send + Sync>;

/// A request body on its way up.
pub(super) struct Outgoing {
    source: Source,
    on_departure: Option<OnDeparture>,
    progress: Arc<Progress>,
}

enum Source {
    Buffered { rest: Bytes, body: Buffered },
    // The client asks for `Sync`, which axum's body is not. Nothing ever locks: access is by `&mut`.
    Streamed(Mutex<Body>),
}

impl Outgoing {
    /// A body that can be sent again.
    pub(super) fn buffered(body: Buffered, on_departure: OnDeparture) -> Self {
        let rest = body.bytes().clone();
        Self::new(Source::Buffered { rest, body }, Some(on_departure))
    }

    /// A body passed on as it comes.
    pub(super) fn streamed(body: Body) -> Self {
        Self::new(Source::Streamed(Mutex::new(body)), None)
    }

    fn new(source: Source, on_departure: Option<OnDeparture>) -> Self {
        Self { source, on_departure, progress: Arc::new(Progress::new(Instant::now())) }
    }

    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Stamps the departure now, if that has not happened.
    fn depart(&mut self) {
        if let Some(on_departure) = self.on_departure.take() {
            on_departure();
        }
    }
}

/// An empty body, whose departure nobody sees.
///
/// It counts from when the head of the answer came, or the attempt was given up, which is when this
/// is dropped: later than it left, and so on the safe side. Before that it holds its place.
#[derive(Debug)]
pub(super) struct Unseen(Outgoing);

impl Unseen {
    pub(super) fn new(body: Outgoing) -> Self {
        Self(body)
    }

    /// It is certain that nothing was sent.
    pub(super) fn never_left(mut self) {
        self.0.on_departure = None;
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        self.0.depart();
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.depart();
        let polled = match &mut self.source {
            Source::Buffered { rest, .. } => {
                let piece = rest.split_to(rest.len().min(PIECE));
                Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
            }
            Source::Streamed(body) => {
                let body = body.get_mut().unwrap_or_else(PoisonError::into_inner);
                Pin::new(body).poll_frame(cx)
            }
        };
        self.progress.polled(&polled, Instant::now());
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Buffered { rest, .. } => rest.is_empty(),
            Source::Streamed(body) => lock(body).is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Buffered { rest, .. } => SizeHint::with_exact(rest.len() as u64),
            Source::Streamed(body) => lock(body).size_hint(),
        }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.source {
            Source::Buffered { body, .. } => format!("buffered, {} bytes", body.bytes().len()),
            Source::Streamed(_) => "streamed".to_owned(),
        };
        f.debug_struct("Outgoing").field("source", &kind).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the upload of one request goes.
#[derive(Debug)]
pub(super) struct Progress(Mutex<Upload>);

#[derive(Debug)]
struct Upload {
    /// When the connection last took a piece of the body.
    moved: Instant,
    /// Since when the connection waits for the client to send more, if it does.
    starved: Option<Instant>,
    bytes: u64,
}

impl Progress {
    fn new(now: Instant) -> Self {
        Self(Mutex::new(Upload { moved: now, starved: None, bytes: 0 }))
    }

    fn polled<E>(&self, polled: &Poll<Option<Result<Frame<Bytes>, E>>>, now: Instant) {
        let mut upload = lock(&self.0);
        upload.starved = polled.is_pending().then(|| upload.starved.unwrap_or(now));
        if let Poll::Ready(frame) = polled {
            upload.moved = now;
            if let Some(Ok(frame)) = frame {
                upload.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
        }
    }

    /// Until when the upstream may stay silent: `idle` from the last piece it took, and for
    /// as long as it is the client that keeps it waiting.
    pub(super) fn silent_until(&self, idle: Duration, now: Instant) -> Instant {
        let upload = lock(&self.0);
        if upload.starved.is_some() { now + idle } else { upload.moved + idle }
    }

    /// Since when it is the client that is waited for.
    pub(super) fn starved_since(&self) -> Option<Instant> {
        lock(&self.0).starved
    }

    /// Bytes handed to the connection.
    pub(super) fn bytes(&self) -> u64 {
        lock(&self.0).bytes
    }
}
