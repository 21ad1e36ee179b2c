//! `spec.retreat`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rate, Switch, defaults};

/// How the pace follows the limit the upstream really has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retreat {
    /// Enabled lowers the pace when the upstream answers 429 and raises it again when the upstream
    /// allows it; Disabled keeps requestsPerMinute whatever the upstream says.
    #[serde(default = "defaults::enabled")]
    pub mode: Switch,

    /// The share of 429 answers over the window, in percent, below which nothing is cut without
    /// proof of a lower limit.
    #[serde(default = "defaults::threshold_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub threshold_percent: i32,

    /// The pace left after the deepest cut of one episode, in percent of the pace before it, where
    /// no limit has been located.
    #[serde(default = "defaults::factor_percent")]
    #[schemars(range(min = 1, max = 99))]
    pub factor_percent: i32,

    /// The window the share of 429 answers is measured over, in seconds.
    #[serde(default = "defaults::window_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub window_seconds: i32,

    /// How many requests the window must hold before the share of 429 answers means anything.
    #[serde(default = "defaults::minimum_samples")]
    #[schemars(range(min = 1, max = 100_000))]
    pub minimum_samples: i32,

    /// The pace never falls below this many requests a minute. Defaults to a tenth of
    /// requestsPerMinute, at least 1; may not be above requestsPerMinute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub floor_requests_per_minute: Option<i32>,

    /// The pace may probe up to this many requests a minute. Unset: never above requestsPerMinute;
    /// may not be below requestsPerMinute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub ceiling_requests_per_minute: Option<i32>,

    /// How the way back up is tried.
    #[serde(default)]
    pub recovery: Recovery,
}

impl Default for Retreat {
    fn default() -> Self {
        Self {
            mode: defaults::enabled(),
            threshold_percent: defaults::threshold_percent(),
            factor_percent: defaults::factor_percent(),
            window_seconds: defaults::window_seconds(),
            minimum_samples: defaults::minimum_samples(),
            floor_requests_per_minute: None,
            ceiling_requests_per_minute: None,
            recovery: Recovery::default(),
        }
    }
}

impl Retreat {
    /// The pace never falls below this many requests a minute, said or by default.
    pub fn effective_floor(&self, rate: &Rate) -> i32 {
        self.floor_requests_per_minute.unwrap_or((rate.requests_per_minute / 10).max(1))
    }
}

/// How the way back up is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// The first wait, in seconds, before one more request a minute is tried; may not be above
    /// probeMaxSeconds.
    #[serde(default = "defaults::probe_after_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub probe_after_seconds: i32,

    /// The longest such wait, in seconds.
    #[serde(default = "defaults::probe_max_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub probe_max_seconds: i32,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            probe_after_seconds: defaults::probe_after_seconds(),
            probe_max_seconds: defaults::probe_max_seconds(),
        }
    }
}
