//! What the page shows, as JSON: one snapshot for all who look.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::time::Instant;

use super::super::State;
use super::super::status::Status;
use super::history::{EVERY, Point, SAMPLES, Totals};
use crate::limiter::Priority;
use crate::metrics::Distribution;

/// How long a snapshot serves whoever asks.
const FRESH: Duration = Duration::from_secs(1);

/// The newest snapshot.
#[derive(Debug, Default)]
pub(in super::super) struct Latest(Mutex<Option<Snapshot>>);

#[derive(Clone, Debug)]
struct Snapshot {
    made: Instant,
    number: u64,
    body: Bytes,
}

impl Latest {
    /// The newest snapshot, made anew when it is a second old. Who asks meanwhile waits for it: nobody makes another.
    pub(super) fn get(&self, state: &State) -> Bytes {
        let now = Instant::now();
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = match &*latest {
            Some(latest) if now.saturating_duration_since(latest.made) < FRESH => return latest.body.clone(),
            Some(old) => old.number + 1,
            None => 1,
        };
        let body = Bytes::from(Data::new(state, number).json());
        *latest = Some(Snapshot { made: now, number, body: body.clone() });
        body
    }
}

#[derive(Debug, Serialize)]
struct Data {
    /// Counts the snapshots that were made.
    number: u64,
    status: Status,
    history: Line,
    /// Seconds in the queue, by priority, over the history.
    waits: BTreeMap<&'static str, Spread>,
    /// Seconds to the head of an answer, over the history.
    first_byte: Spread,
    /// Events a second of streamed answers, over the history.
    generation: Spread,
}

/// The last minutes.
#[derive(Debug, Serialize)]
struct Line {
    every_seconds: u64,
    /// How many points there are at most.
    length: usize,
    /// Pace, answers and upstream 429s of each interval, oldest first.
    points: Vec<Point>,
}

/// How values are spread.
#[derive(Debug, Serialize)]
struct Spread {
    count: u64,
    p50: Option<f64>,
    p95: Option<f64>,
    /// A quantile of this much may be anything above.
    top: f64,
}

impl Data {
    fn new(state: &State, number: u64) -> Self {
        let snapshot = state.parts.scheduler.snapshot();
        let (now, before) = (Totals::of(&state.parts.metrics), state.history.oldest());
        let waits = now.waits.iter().zip(&before.waits).map(|(now, before)| Spread::of(now, before));
        Self {
            number,
            status: Status::of(state, &snapshot),
            history: Line { every_seconds: EVERY.as_secs(), length: SAMPLES, points: state.history.points() },
            waits: Priority::ALL.map(Priority::as_str).into_iter().zip(waits).collect(),
            first_byte: Spread::of(&now.first_byte, &before.first_byte),
            generation: Spread::of(&now.generation, &before.generation),
        }
    }

    fn json(&self) -> Vec<u8> {
        let text = serde_json::to_vec(self);
        debug_assert!(text.is_ok(), "plain values have a JSON form: {text:?}");
        text.unwrap_or_default()
    }
}

impl Spread {
    fn of(now: &Distribution, before: &Distribution) -> Self {
        let seen = now.since(before);
        Self { count: seen.count(), p50: seen.quantile(0.5), p95: seen.quantile(0.95), top: now.top() }
    }
}
