//! The settings in force: validated, in the units the code works with.
//!
//! Where the numbers come from is not known here; `policy` makes a [`Settings`]
//! from a `RateLimitPolicy` or from the environment and guarantees the ranges
//! each field names. `Settings::default()` is what holds when nobody says anything.

use std::time::Duration;

use super::Priority;

/// Everything a `RateLimitPolicy` decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether requests are held back, or only measured.
    pub mode: Mode,
    /// How fast requests may leave.
    pub rate: Rate,
    /// Who waits, how long, and in what order.
    pub queue: Queue,
    /// How the pace follows the limit the upstream really has.
    pub retreat: Retreat,
    /// What is tried again on the application's behalf.
    pub retry: Retry,
    /// How long the upstream may be silent.
    pub timeouts: Timeouts,
    /// Which requests are paced.
    pub matching: Matching,
    /// What else, beside being started and not draining, makes the pod ready.
    pub readiness_gates: Vec<ReadinessGate>,
}

/// Whether requests are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Requests wait for their turn.
    Enforce,
    /// Requests leave at once; what enforcing would have done is measured.
    Observe,
}

/// How fast requests may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests per minute, 1 to 1,000,000.
    pub requests_per_minute: u32,
    /// How many may leave at once, 1 to 1,000,000.
    pub capacity: u32,
    /// The window no more than its share of `requests_per_minute` may leave in, 1 s to 1 h.
    pub window: Duration,
    /// Added to the window against jitter between here and the upstream, 0 to 60 s.
    pub window_margin: Duration,
    /// The least time between two departures, 0 to 10 s.
    pub minimum_gap: Duration,
}

impl Rate {
    /// The gap where nobody says one: 25 ms, or less where that would hold the rate back.
    ///
    /// Half of what evenly spaced departures are apart leaves room to catch up after a pause.
    pub fn default_gap(requests_per_minute: u32) -> Duration {
        Duration::from_millis(u64::from((30_000 / requests_per_minute.max(1)).min(25)))
    }

    /// The most requests one `window` may hold: `requests_per_minute` scaled to the window, at least one.
    pub fn window_quota(&self) -> u32 {
        self.in_window(self.requests_per_minute)
    }

    /// Requests of one `window` at so many a minute, at least one.
    pub fn in_window(&self, requests_per_minute: u32) -> u32 {
        let scaled = u64::from(requests_per_minute) * self.window.as_secs() / 60;
        u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
    }
}

/// Who waits, how long, and in what order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// How many requests may wait, all lanes together, 0 to 100,000.
    pub max_depth: usize,
    /// What happens to the request that finds the queue full.
    pub when_full: WhenFull,
    /// The priority of a request that names none.
    pub default_priority: Priority,
    /// One entry a priority, in the order of [`Priority::ALL`].
    pub lanes: [Lane; 4],
}

impl Queue {
    /// The lane of one priority.
    pub fn lane(&self, priority: Priority) -> &Lane {
        let [urgent, high, normal, low] = &self.lanes;
        match priority {
            Priority::Urgent => urgent,
            Priority::High => high,
            Priority::Normal => normal,
            Priority::Low => low,
        }
    }
}

/// The rules of one priority's lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The longest a request may wait here, 1 s to 1 h. A client's own shorter deadline wins.
    pub max_wait: Duration,
    /// Share of departures, in percent, this lane is owed while it waits behind more urgent ones, 0 to 100.
    pub minimum_share_percent: u8,
}

/// What happens to the request that finds the queue full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It goes to the upstream at once, counted against the window.
    Passthrough,
    /// It is refused with the time to come back.
    Reject,
}

/// How the pace follows the limit the upstream really has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retreat {
    /// Whether the pace may fall below `requests_per_minute`.
    pub enabled: bool,
    /// Share of 429s, in percent, below which nothing is cut without proof, 1 to 100.
    pub threshold_percent: u8,
    /// The deepest cut of one episode, in percent of the pace before it, 1 to 99.
    pub factor_percent: u8,
    /// The window the share of 429s is measured over, 1 s to 1 h.
    pub window: Duration,
    /// How many requests the window must hold before the share means anything.
    pub minimum_samples: u32,
    /// The pace never falls below this many requests a minute.
    pub floor_requests_per_minute: u32,
    /// How far above `requests_per_minute` the pace may probe; `None` is never.
    pub ceiling_requests_per_minute: Option<u32>,
    /// The first wait before one more request a minute is tried.
    pub probe_after: Duration,
    /// The longest such wait.
    pub probe_max: Duration,
}

/// What is tried again on the application's behalf, as long as no byte was relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Whether a quota 429 is re-queued.
    pub rate_limited: bool,
    /// How many times a 502, 503 or 504 is sent again, 0 to 10.
    pub server_errors: u32,
}

/// How long the upstream may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection to be made.
    pub connect: Duration,
    /// Between two bytes from the upstream, the first included; `None` is for ever.
    pub idle: Option<Duration>,
    /// From the request's arrival to the last byte; `None` is for ever.
    pub total: Option<Duration>,
}

/// Which requests are paced; the rest pass through, counted apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// Globs (`*` any run, `?` any one character) on the request's model.
    pub models: Vec<String>,
    /// Upper-case HTTP methods.
    pub methods: Vec<String>,
}

/// What else may make the pod unready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadinessGate {
    /// The upstream answers.
    Upstream,
    /// The queue is below 90 % of its size.
    Queue,
    /// More than 5 % of the bucket's capacity is left.
    Tokens,
}

impl Default for Settings {
    /// The origin's numbers: 40 requests a minute, 500 waiting, 60 s, `Low` 2 s.
    fn default() -> Self {
        let lane = |seconds, minimum_share_percent| Lane {
            max_wait: Duration::from_secs(seconds),
            minimum_share_percent,
        };
        Self {
            mode: Mode::Enforce,
            rate: Rate {
                requests_per_minute: 40,
                capacity: 40,
                window: Duration::from_secs(60),
                window_margin: Duration::from_millis(500),
                minimum_gap: Duration::from_millis(25),
            },
            queue: Queue {
                max_depth: 500,
                when_full: WhenFull::Passthrough,
                default_priority: Priority::Normal,
                lanes: [lane(60, 0), lane(60, 20), lane(60, 10), lane(2, 5)],
            },
            retreat: Retreat::default(),
            retry: Retry { rate_limited: true, server_errors: 4 },
            timeouts: Timeouts {
                connect: Duration::from_secs(5),
                idle: Some(Duration::from_secs(60)),
                total: None,
            },
            matching: Matching { models: vec!["*".into()], methods: vec!["POST".into()] },
            readiness_gates: Vec::new(),
        }
    }
}

impl Default for Retreat {
    fn default() -> Self {
        Self {
            enabled: true,
            threshold_percent: 5,
            factor_percent: 75,
            window: Duration::from_secs(60),
            minimum_samples: 10,
            floor_requests_per_minute: 4,
            ceiling_requests_per_minute: None,
            probe_after: Duration::from_secs(10),
            probe_max: Duration::from_secs(300),
        }
    }
}
