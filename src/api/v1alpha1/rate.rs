//! `spec.rate`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults;

/// How fast requests may leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// Requests that may leave in a minute.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_minute: i32,

    /// How many requests may leave at once after a quiet time. Defaults to requestsPerMinute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub capacity: Option<i32>,

    /// The window, in seconds: in no window of this length, wherever it starts, do more requests
    /// leave than its share of requestsPerMinute. Together with requestsPerMinute it must have
    /// room for at least one request.
    #[serde(default = "defaults::window_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub window_seconds: i32,

    /// Milliseconds added to the window against jitter between here and the upstream.
    #[serde(default = "defaults::window_margin_milliseconds")]
    #[schemars(range(min = 0, max = 60_000))]
    pub window_margin_milliseconds: i32,

    /// The least time between two departures, in milliseconds, and no more than even spacing
    /// allows: 60000 / requestsPerMinute. Defaults to 25, or to half of that where 25 is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub minimum_gap_milliseconds: Option<i32>,
}

impl Rate {
    /// How many requests may leave at once, said or by default.
    pub fn effective_capacity(&self) -> i32 {
        self.capacity.unwrap_or(self.requests_per_minute)
    }
}
