//! Request bodies in memory: read once, bounded each and all together.
//!
//! A body is kept until its answer's head was relayed, so that it can be sent again. What
//! is kept is reserved in a [`Budget`] first, step by step as bytes come: a client that
//! declares a length and sends nothing takes nothing from others. The reservation travels
//! with the bytes and goes back when the last copy of them is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;
use prometheus::IntGauge;
use tokio::time::timeout;

/// A client silent for this long in the middle of its body is given up: it holds memory others need.
pub(super) const SILENCE: Duration = Duration::from_secs(60);

/// What a body of unknown length reserves with its first byte.
const FIRST_STEP: usize = 16 * 1024;

/// What a body of known length reserves with its first byte, unless it is shorter.
const FIRST_STEP_DECLARED: usize = 256 * 1024;

/// How long the rest of a refused body is read and thrown away: most clients read no answer before
/// they have written everything, and a closed connection would hide the refusal from them.
const LINGER: Duration = Duration::from_secs(2);

/// Bytes that all buffered bodies together may hold.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    held: AtomicUsize,
    gauge: IntGauge,
}

impl Budget {
    pub(super) fn new(limit: usize, gauge: IntGauge) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicUsize::new(0), gauge })
    }

    fn take(&self, bytes: usize) -> bool {
        let within = |held: usize| held.checked_add(bytes).filter(|&sum| sum <= self.limit);
        let taken = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok();
        if taken {
            self.gauge.add(signed(bytes));
        }
        taken
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.held.load(Ordering::Relaxed).saturating_add(bytes) <= self.limit
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.gauge.sub(signed(bytes));
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A part of the budget, given back on drop.
#[derive(Debug)]
struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Reservation {
    fn grow_to(&mut self, bytes: usize) -> Result<(), BodyError> {
        let more = bytes.saturating_sub(self.bytes);
        if !self.budget.take(more) {
            return Err(BodyError::BudgetSpent);
        }
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

/// A whole body and its part of the budget. Cloning copies neither.
#[derive(Clone, Debug)]
pub(super) struct Buffered {
    bytes: Bytes,
    _held: Arc<Reservation>,
}

impl Buffered {
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is longer than one body may be.
    TooLarge,
    /// All bodies together would be larger than they may be.
    BudgetSpent,
    /// The client stopped sending.
    Stalled,
    /// The connection broke, or the framing was wrong.
    Broken,
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn collect(
    body: &mut Body,
    limit: usize,
    budget: &Arc<Budget>,
) -> Result<Buffered, BodyError> {
    let declared = body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if declared.is_some_and(|length| length > limit) {
        return Err(BodyError::TooLarge);
    }
    if declared.is_some_and(|length| !budget.has_room(length)) {
        return Err(BodyError::BudgetSpent);
    }
    let (longest, first) = declared.map_or((limit, FIRST_STEP), |length| (length, FIRST_STEP_DECLARED));
    let mut held = Reservation { budget: Arc::clone(budget), bytes: 0 };
    let mut bytes = Vec::new();
    while let Some(frame) = timeout(SILENCE, body.frame()).await.map_err(|_| BodyError::Stalled)? {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > limit {
            return Err(BodyError::TooLarge);
        }
        if length > held.bytes {
            held.grow_to(first.max(held.bytes * 2).min(longest).max(length))?;
            bytes.reserve_exact(held.bytes - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Buffered { bytes: bytes.into(), _held: Arc::new(held) })
}

/// Reads what is left of a refused body and throws it away, within reason.
pub(super) async fn discard(body: &mut Body) {
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    // Whether the end came or the time was up, nothing more is owed to this client.
    let _ = timeout(LINGER, rest).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_util::{FutureExt, stream};
    use http_body::{Frame, SizeHint};

    fn budget(limit: usize) -> (Arc<Budget>, IntGauge) {
        let gauge = IntGauge::new("held", "held").unwrap();
        (Budget::new(limit, gauge.clone()), gauge)
    }

    fn chunked(chunks: &[usize]) -> Body {
        let chunks: Vec<_> =
            chunks.iter().map(|&length| Ok::<_, std::io::Error>(vec![b'x'; length])).collect();
        Body::from_stream(stream::iter(chunks))
    }

    #[tokio::test]
    async fn a_declared_length_is_reserved_exactly_and_given_back_with_the_last_copy() {
        let (budget, gauge) = budget(100);
        let body = collect(&mut Body::from("x".repeat(100)), 100, &budget).await.unwrap();
        assert_eq!((body.bytes().len(), gauge.get()), (100, 100));
        let copy = body.clone();
        drop(body);
        assert_eq!(gauge.get(), 100);
        drop(copy);
        assert_eq!(gauge.get(), 0);
    }

    #[tokio::test]
    async fn a_declared_length_over_the_limit_is_refused_before_a_byte_is_read() {
        let (budget, gauge) = budget(1_000);
        let mut body = Body::from("x".repeat(101));
        assert_eq!(collect(&mut body, 100, &budget).await.unwrap_err(), BodyError::TooLarge);
        assert_eq!(body.size_hint().exact(), Some(101));
        assert_eq!(gauge.get(), 0);
    }

    #[tokio::test]
    async fn a_chunked_body_is_cut_off_at_the_limit() {
        let (budget, gauge) = budget(1 << 20);
        let got = collect(&mut chunked(&[60, 60]), 100, &budget).await;
        assert_eq!(got.unwrap_err(), BodyError::TooLarge);
        assert_eq!(gauge.get(), 0);
        assert_eq!(collect(&mut chunked(&[60, 40]), 100, &budget).await.unwrap().bytes().len(), 100);
    }

    #[tokio::test]
    async fn a_chunked_body_reserves_at_least_what_it_holds() {
        let (budget, gauge) = budget(1 << 20);
        let body = collect(&mut chunked(&[10_000; 10]), 1 << 20, &budget).await.unwrap();
        assert_eq!(body.bytes().len(), 100_000);
        assert!(gauge.get() >= 100_000, "{}", gauge.get());
        drop(body);
        assert_eq!(gauge.get(), 0);
    }

    /// A body that declares a length and comes piece by piece.
    struct Declared {
        length: u64,
        pieces: VecDeque<Bytes>,
    }

    impl http_body::Body for Declared {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            self.pieces.pop_front().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(Frame::data(piece)))))
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.length)
        }
    }

    #[tokio::test]
    async fn a_declared_length_is_reserved_as_it_comes() {
        const MIB: u64 = 1 << 20;
        for (pieces, reserved) in [(0, 0), (1, 256 << 10), (5, 512 << 10), (17, 2 << 20)] {
            let (budget, gauge) = budget(64 << 20);
            let piece = Bytes::from(vec![b'x'; 64 << 10]);
            let pieces = std::iter::repeat_n(piece, pieces).collect();
            let mut body = Body::new(Declared { length: 32 * MIB, pieces });
            let mut collecting = Box::pin(collect(&mut body, 32 << 20, &budget));
            assert!((&mut collecting).now_or_never().is_none(), "it waits for the rest");
            assert_eq!(gauge.get(), reserved);
        }
    }

    #[tokio::test]
    async fn the_budget_bounds_all_bodies_together() {
        let (budget, gauge) = budget(150);
        let first = collect(&mut Body::from("x".repeat(100)), 100, &budget).await.unwrap();
        let second = collect(&mut Body::from("x".repeat(51)), 100, &budget).await;
        assert_eq!(second.unwrap_err(), BodyError::BudgetSpent);
        assert_eq!(gauge.get(), 100);
        drop(first);
        assert!(collect(&mut Body::from("x".repeat(51)), 100, &budget).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_mid_body_gives_its_memory_back() {
        let (budget, gauge) = budget(1 << 20);
        let mut body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(collect(&mut body, 100, &budget).await.unwrap_err(), BodyError::Stalled);
        discard(&mut body).await;
        assert_eq!(gauge.get(), 0);
    }

    #[tokio::test]
    async fn a_chunked_body_never_reserves_more_than_one_body_may_hold() {
        let (budget, gauge) = budget(100);
        let body = collect(&mut chunked(&[60]), 100, &budget).await.unwrap();
        assert_eq!((body.bytes().len(), gauge.get()), (60, 100));
    }
}
