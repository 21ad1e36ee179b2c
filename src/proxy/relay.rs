//! The answer's body on its way down: forwarded as it comes, inside the account of its request.
//!
//! The idle timer runs only while it is the upstream that is waited for. A slow reader does
//! not poll, so a timer that expired meanwhile is looked at only after the upstream was asked
//! again, and an upstream that has something to give resets it.
//!
//! An upstream that dies mid-answer becomes an error of this body, which the server turns into
//! a broken connection: never into a clean end. (An answer that is delimited by the end of its
//! connection, as HTTP/1.0 does it, has no mark to miss; its death looks like its end.)

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Response};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::answer::{Answer, AnswerBody, BrokeOff};
use super::exchange::{End, Exchange};
use super::upstream::Patience;

/// The response that relays `answer` and settles `exchange` at its end.
pub(super) fn relay(
    answer: Answer,
    patience: Patience,
    mut exchange: Exchange,
    head_only: bool,
) -> Response<Body> {
    let Answer { status, headers, body } = answer;
    exchange.answered(status);
    let body = if head_only {
        exchange.ends(End::Relayed);
        // Of no known length: the server would take a known one for that of the answer to a GET.
        Body::from_stream(stream::empty::<Result<Bytes, CutOff>>())
    } else if body.is_end_stream() {
        // The server will not ask such a body for anything, not even for its end.
        exchange.ends(End::Relayed);
        Body::empty()
    } else {
        exchange.streams(is_event_stream(&headers));
        Body::new(Relay::new(body, patience, exchange))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Whether events can be told in its bytes. They pass as the upstream packs them, and are not unpacked to be counted.
fn is_event_stream(headers: &HeaderMap) -> bool {
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return false;
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("text/event-stream")
}

/// Why an answer that had begun was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CutOff {
    /// The upstream's answer broke off.
    #[error(transparent)]
    Upstream(#[from] BrokeOff),
    /// The upstream was silent for too long.
    #[error("the upstream was silent for too long in the middle of its answer")]
    Idle,
    /// The request lasted for longer than it may.
    #[error("the request lasted longer than timeouts.totalSeconds allows")]
    Total,
}

struct Relay {
    body: AnswerBody,
    /// Taken when the end is known, so that the account is settled then and not when the
    /// server gets round to dropping the body.
    exchange: Option<Exchange>,
    idle: Option<Idle>,
    total: Option<Pin<Box<Sleep>>>,
}

/// The idle timer, armed while the upstream is waited for.
struct Idle {
    longest: Duration,
    timer: Pin<Box<Sleep>>,
    armed: bool,
}

impl Relay {
    fn new(body: AnswerBody, patience: Patience, exchange: Exchange) -> Self {
        let timer = |at| Box::pin(sleep_until(at));
        let idle = patience.idle.map(|longest| Idle {
            longest,
            timer: timer(Instant::now() + longest),
            armed: false,
        });
        Self { body, exchange: Some(exchange), idle, total: patience.until.map(timer) }
    }

    fn ends(&mut self, end: End) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.ends(end);
        }
    }

    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        self.total.as_mut().is_some_and(|total| total.as_mut().poll(cx).is_ready())
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<CutOff> {
        let Some(idle) = &mut self.idle else { return Poll::Pending };
        if !idle.armed {
            idle.armed = true;
            idle.timer.as_mut().reset(Instant::now() + idle.longest);
        }
        idle.timer.as_mut().poll(cx).map(|()| CutOff::Idle)
    }
}

impl http_body::Body for Relay {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = &mut *self;
        if this.is_overdue(cx) {
            this.ends(End::TotalTimeout);
            return Poll::Ready(Some(Err(CutOff::Total)));
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(idle) = &mut this.idle {
                    idle.armed = false;
                }
                if let (Some(exchange), Some(piece)) = (&mut this.exchange, frame.data_ref()) {
                    exchange.relays(piece);
                }
                if this.body.is_end_stream() {
                    // With a known length the server asks for nothing after the last byte.
                    this.ends(End::Relayed);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.ends(End::Relayed);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(broke_off))) => {
                this.ends(End::Broken);
                Poll::Ready(Some(Err(broke_off.into())))
            }
            Poll::Pending => this.poll_idle(cx).map(|cut_off| {
                this.ends(End::IdleTimeout);
                Some(Err(cut_off))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_only_where_they_can_be_told() {
        let told = |kind: &str, encoding: Option<&str>| {
            let encoding = encoding.map(|encoding| (CONTENT_ENCODING, encoding.parse().unwrap()));
            is_event_stream(&[(CONTENT_TYPE, kind.parse().unwrap())].into_iter().chain(encoding).collect())
        };
        assert!(told("text/event-stream", None));
        assert!(told("Text/Event-Stream; charset=utf-8", Some("identity")));
        assert!(!told("text/event-stream", Some("gzip")), "of packed bytes no line is a line");
        assert!(!told("application/json", None));
    }
}
