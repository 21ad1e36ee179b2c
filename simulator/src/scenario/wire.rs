//! Delays of a scenario that runs beside a live upstream.

use std::time::Duration;

use serde::Deserialize;

use super::values::Seconds;

/// Delays that are known, each evenly distributed; where they stand, nothing else takes any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delays {
    /// From the sidecar to the upstream's count.
    pub there: Spread,
    /// From the count to the head of an answer that is no refusal.
    pub head: Spread,
}

/// Times from `least` to `most`, written `[least, most]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "(Seconds, Seconds)")]
pub struct Spread {
    /// The shortest.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl From<(Seconds, Seconds)> for Spread {
    fn from((Seconds(least), Seconds(most)): (Seconds, Seconds)) -> Self {
        Self { least, most }
    }
}
