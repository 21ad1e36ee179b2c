//! The upstream of a scenario: how it counts, what it says, when it fails.

use std::time::Duration;

use serde::Deserialize;

use super::values::{self, Seconds, Whole};

/// The upstream.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Up {
    /// How it counts.
    pub kind: LimitKind,
    /// `q`: requests it accepts in one window, 1 or more; 40.
    #[serde(rename = "q", deserialize_with = "values::whole")]
    pub quota: u32,
    /// Length of its window; 60 s.
    #[serde(deserialize_with = "values::seconds")]
    pub window: Duration,
    /// When its first window of `fixed` or `swc` begins; random, by default.
    #[serde(deserialize_with = "values::some_seconds")]
    pub phase: Option<Duration>,
    /// The most a `bucket` or `gcra` accepts at once; the quota, by default.
    #[serde(deserialize_with = "values::some_whole")]
    pub burst: Option<u32>,
    /// Changes of the quota: `[when, quota]`.
    pub sched: Vec<Step>,
    /// Whether what it refuses counts as well.
    pub count429: bool,
    /// `sub`: a second, short limit, `[requests, seconds]`.
    pub sub: Option<ShortLimit>,
    /// `ra`: the `Retry-After` of its refusals.
    #[serde(rename = "ra")]
    pub retry_after: RetryAfter,
    /// `hdrs`: the `x-ratelimit-*` headers of its answers.
    #[serde(rename = "hdrs")]
    pub headers: Headers,
    /// When it refuses whatever comes: `[from, to, probability]`.
    pub brown: Vec<Fault>,
    /// When it answers 503: `[from, to, probability]`.
    pub err: Vec<Fault>,
}

impl Default for Up {
    fn default() -> Self {
        Self {
            kind: LimitKind::default(),
            quota: 40,
            window: Duration::from_secs(60),
            phase: None,
            burst: None,
            sched: Vec::new(),
            count429: false,
            sub: None,
            retry_after: RetryAfter::default(),
            headers: Headers::default(),
            brown: Vec::new(),
            err: Vec::new(),
        }
    }
}

impl Up {
    /// The quota in force at `now`.
    pub fn quota_at(&self, now: Duration) -> u32 {
        // `sched` is in order of time once it has been read.
        self.sched.iter().rev().find(|step| step.at <= now).map_or(self.quota, |step| step.quota)
    }

    /// Whether nothing at all is served at `now`.
    pub fn is_out(&self, now: Duration) -> bool {
        self.brown.iter().any(|fault| fault.holds(now) && fault.probability >= 1.0)
    }
}

/// How an upstream counts to its quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitKind {
    /// What it accepted in the last window.
    #[default]
    Slog,
    /// Windows that begin at fixed times.
    Fixed,
    /// Two fixed windows, the last one weighted by how much of it a sliding one would still see.
    Swc,
    /// A token bucket.
    Bucket,
    /// The generic cell rate algorithm: a bucket told by times.
    Gcra,
}

/// What a refusal says about when to come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetryAfter {
    /// Nothing.
    #[default]
    None,
    /// When there will be room.
    Exact,
    /// That, in whole seconds, one or more.
    Ceil,
    /// Always one second.
    One,
    /// Always zero.
    Zero,
    /// Always a minute.
    Over,
}

/// The `x-ratelimit-*` headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Headers {
    /// None.
    #[default]
    None,
    /// Limit, remaining and reset, on every answer of the limiter.
    Std,
}

/// A change of the quota, written `[when, quota]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "(Seconds, Whole)")]
pub struct Step {
    /// When.
    pub at: Duration,
    /// The quota from then on.
    pub quota: u32,
}

impl From<(Seconds, Whole)> for Step {
    fn from((Seconds(at), Whole(quota)): (Seconds, Whole)) -> Self {
        Self { at, quota }
    }
}

/// A time of trouble, written `[from, to, probability]`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(from = "(Seconds, Seconds, f64)")]
pub struct Fault {
    /// Its beginning.
    pub from: Duration,
    /// Its end.
    pub to: Duration,
    /// The share of requests it hits, 0 to 1.
    pub probability: f64,
}

impl From<(Seconds, Seconds, f64)> for Fault {
    fn from((Seconds(from), Seconds(to), probability): (Seconds, Seconds, f64)) -> Self {
        Self { from, to, probability }
    }
}

impl Fault {
    /// Whether it has begun and not ended.
    pub fn holds(&self, now: Duration) -> bool {
        self.from <= now && now < self.to
    }
}

/// A second limit over a short window, written `[requests, seconds]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "(Whole, Seconds)")]
pub struct ShortLimit {
    /// Requests it accepts in one window, 1 or more.
    pub quota: u32,
    /// Length of its window.
    pub window: Duration,
}

impl From<(Whole, Seconds)> for ShortLimit {
    fn from((Whole(quota), Seconds(window)): (Whole, Seconds)) -> Self {
        Self { quota, window }
    }
}
