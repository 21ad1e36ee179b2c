//! What a run is made of: the upstream, who asks, who else asks, and the settings.
//!
//! A scenario is one line of JSON. Times are seconds since the start of the run, rates are
//! requests a minute. Lists of values stand for tuples; whole numbers may be written `40.0`. A key
//! that nobody knows is an error, so that a misspelt one is not silently the default.

mod check;
mod demand;
mod error;
mod read;
mod upstream;
mod values;
mod wire;

use std::time::Duration;

pub use demand::{Demand, Kind, Tenant};
pub use error::ScenarioError;
pub use read::read;
pub use upstream::{Fault, Headers, LimitKind, RetryAfter, ShortLimit, Step, Up};
pub use wire::{Delays, Spread};

use serde::Deserialize;

/// One scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What figures are printed under. With the seed it decides what is drawn at random.
    pub name: String,
    /// `T`: when the run ends; 3600 s.
    #[serde(rename = "T", default = "hour", deserialize_with = "values::seconds")]
    pub end: Duration,
    /// The upstream.
    #[serde(default)]
    pub up: Up,
    /// Who asks.
    pub demand: Vec<Demand>,
    /// Who else uses the key.
    #[serde(default, deserialize_with = "demand::one_or_many")]
    pub other: Vec<Tenant>,
    /// The delays, where they are known; those of the internet and of a large model, by default.
    #[serde(default)]
    pub wire: Option<Delays>,
    /// When the sidecar's process restarts.
    #[serde(default, deserialize_with = "values::many_seconds")]
    pub restart: Vec<Duration>,
    /// Steps of the quota whose settle times are wanted: `[when, quota]`.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// How long a client of each class waits; 120, 120, 120 and 2 s.
    #[serde(default = "patience", deserialize_with = "values::four_seconds")]
    pub timeouts: [Duration; 4],
    /// How many may wait; 500.
    #[serde(default = "five_hundred", deserialize_with = "values::whole")]
    pub qmax: u32,
    /// The share of departures each class is owed while it waits, 0 to 1; 0, .20, .10, .05.
    #[serde(default = "shares")]
    pub minshare: [f64; 4],
    /// How long a client of a closed demand waits after a failure; 2 s.
    #[serde(default = "two_seconds", deserialize_with = "values::seconds")]
    pub fail_think: Duration,
    /// Requests a minute the policy allows; 40.
    #[serde(default = "forty", deserialize_with = "values::whole")]
    pub rpm: u32,
    /// The most that leave at once; 40.
    #[serde(default = "forty", deserialize_with = "values::whole")]
    pub capacity: u32,
    /// The pace never falls below this; 4.
    #[serde(default = "four", deserialize_with = "values::whole")]
    pub floor: u32,
    /// How far above `rpm` the pace may probe; never, by default.
    #[serde(default, deserialize_with = "values::some_whole")]
    pub ceiling: Option<u32>,
    /// Whether the pace follows the limit that is met.
    #[serde(default)]
    pub retreat: Retreat,
    /// The order of the queue, for peers; Pacer has its own.
    #[serde(default)]
    pub sched_policy: Option<Order>,
    /// Seconds of waiting that are worth one class, by class; for peers, with `age` or `aged`.
    #[serde(default = "ages")]
    pub age: [f64; 4],
}

/// Whether the pace follows the limit that is met: `spec.retreat.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Retreat {
    /// It does.
    #[default]
    Enabled,
    /// It stays at `rpm`.
    Disabled,
}

/// The order in which a peer serves its queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The most urgent class first.
    #[default]
    Strict,
    /// First come, first served.
    Fifo,
    /// The class and what waiting has added to it.
    Age,
    /// LOW by its share, URGENT next, the others by age.
    Aged,
    /// The most urgent class first, but a class that has earned its share before it.
    Share,
}

fn hour() -> Duration {
    Duration::from_secs(3600)
}

fn two_seconds() -> Duration {
    Duration::from_secs(2)
}

fn patience() -> [Duration; 4] {
    [120, 120, 120, 2].map(Duration::from_secs)
}

fn shares() -> [f64; 4] {
    [0.0, 0.20, 0.10, 0.05]
}

fn ages() -> [f64; 4] {
    [0.0, 20.0, 20.0, 20.0]
}

fn four() -> u32 {
    4
}

fn forty() -> u32 {
    40
}

fn five_hundred() -> u32 {
    500
}
