//! An upstream's answer whose body may have been read in part.
//!
//! Error answers are read before it is decided what becomes of them, up to a bound. What
//! was read is put in front of what was not, so that relaying still loses nothing.

mod text;

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

pub(super) use text::Text;

use super::upstream::{Incoming, Patience};
use super::{headers, hop_by_hop};

/// How much of an error answer is read to learn what it means.
const PEEK_LIMIT: usize = 64 * 1024;

/// How long that may take: others wait for the verdict, and a body that comes later changes little.
const VERDICT_WITHIN: Duration = Duration::from_secs(2);

/// An upstream's answer, without the headers of its connection and those that bear our names.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: AnswerBody,
}

impl Answer {
    pub(super) fn new(response: http::Response<Incoming>) -> Self {
        let (mut head, body) = response.into_parts();
        hop_by_hop::strip(&mut head.headers);
        headers::strip_ours(&mut head.headers);
        let body = AnswerBody { read: VecDeque::new(), rest: Rest::Open(body) };
        Self { status: head.status, headers: head.headers, body }
    }

    /// Reads the body up to the bound, for as long as `patience` and the wait for a verdict allow.
    pub(super) async fn peek(&mut self, patience: Patience) {
        let within = patience.idle.map_or(VERDICT_WITHIN, |idle| idle.min(VERDICT_WITHIN));
        let verdict = Instant::now() + within;
        self.body.peek(patience.until.map_or(verdict, |until| until.min(verdict))).await;
    }

    /// What was read of the body, in plain.
    pub(super) fn text(&self) -> Text {
        Text::decode(&self.headers, self.body.peeked(), self.body.is_whole())
    }
}

/// The body of an answer: what was read already, then the rest.
#[derive(Debug)]
pub(super) struct AnswerBody {
    read: VecDeque<Bytes>,
    rest: Rest,
}

#[derive(Debug)]
enum Rest {
    Open(Incoming),
    Ended,
    Broken,
}

/// The upstream died in the middle of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's answer broke off")]
pub(super) struct BrokeOff;

impl AnswerBody {
    async fn peek(&mut self, until: Instant) {
        let mut length = 0;
        while length <= PEEK_LIMIT {
            let Rest::Open(rest) = &mut self.rest else { return };
            match timeout_at(until, rest.frame()).await {
                Err(_) => return,
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        length += data.len();
                        self.read.push_back(data);
                    }
                }
                Ok(Some(Err(_))) => self.rest = Rest::Broken,
                Ok(None) => self.rest = Rest::Ended,
            }
        }
    }

    fn peeked(&self) -> Bytes {
        let mut all = BytesMut::new();
        self.read.iter().for_each(|piece| all.extend_from_slice(piece));
        all.freeze()
    }

    /// Whether what was read is the whole body.
    fn is_whole(&self) -> bool {
        matches!(self.rest, Rest::Ended)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokeOff;

    /// Trailers are left out: no client of these APIs reads them, and over HTTP/1.1 they
    /// would have to be announced.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokeOff>>> {
        if let Some(piece) = self.read.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        loop {
            let polled = match &mut self.rest {
                Rest::Open(rest) => std::task::ready!(Pin::new(rest).poll_frame(cx)),
                Rest::Ended => return Poll::Ready(None),
                Rest::Broken => return Poll::Ready(Some(Err(BrokeOff))),
            };
            match polled {
                Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                Some(Ok(_)) => {}
                Some(Err(_)) => self.rest = Rest::Broken,
                None => self.rest = Rest::Ended,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let rest_ended = match &self.rest {
            Rest::Open(rest) => rest.is_end_stream(),
            Rest::Ended => true,
            Rest::Broken => false,
        };
        self.read.is_empty() && rest_ended
    }

    fn size_hint(&self) -> SizeHint {
        match &self.rest {
            Rest::Open(rest) if self.read.is_empty() => rest.size_hint(),
            Rest::Ended => SizeHint::with_exact(self.read.iter().map(|piece| piece.len() as u64).sum()),
            Rest::Open(_) | Rest::Broken => SizeHint::default(),
        }
    }
}
