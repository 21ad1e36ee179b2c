//! The settings in force until a policy is known, in the origin's words.

use std::time::Duration;

use super::value::{boolean, whole};
use crate::limiter::settings::{Lane, Queue, Rate, Retreat, WhenFull};
use crate::limiter::{Priority, Settings};

/// Flags and variables that make [`Settings`]; the bounds are those of the policy's fields.
#[derive(Debug, clap::Args)]
pub(super) struct Bootstrap {
    /// Requests a minute
    #[arg(long, env = "SIDECAR_RATE_RPM", value_name = "N", value_parser = whole::<u32>(1..=1_000_000))]
    #[arg(default_value_t = 40)]
    rate_rpm: u32,
    /// How many requests may leave at once [default: as --rate-rpm]
    #[arg(long, env = "SIDECAR_BUCKET_CAPACITY", value_name = "N", value_parser = whole::<u32>(1..=1_000_000))]
    bucket_capacity: Option<u32>,
    /// How many requests may wait
    #[arg(long, env = "SIDECAR_QUEUE_MAX", value_name = "N", value_parser = whole::<u32>(0..=100_000))]
    #[arg(default_value_t = 500)]
    queue_max: u32,
    /// Seconds a request may wait
    #[arg(long, env = "SIDECAR_TIMEOUT", value_name = "SECONDS", value_parser = whole::<u64>(1..=3600))]
    #[arg(default_value_t = 60)]
    timeout: u64,
    /// Seconds a low-priority request may wait
    #[arg(long, env = "SIDECAR_LOW_TIMEOUT", value_name = "SECONDS", value_parser = whole::<u64>(1..=3600))]
    #[arg(default_value_t = 2)]
    low_timeout: u64,
    /// Whether the request that finds the queue full goes to the upstream at once, rather than being refused
    #[arg(long, env = "SIDECAR_FALLBACK_PASSTHROUGH", value_name = "BOOL", value_parser = boolean)]
    #[arg(default_value_t = true, action = clap::ArgAction::Set)]
    fallback_passthrough: bool,
}

impl Bootstrap {
    pub(super) fn resolve(&self) -> Settings {
        let defaults = Settings::default();
        let rate = Rate {
            requests_per_minute: self.rate_rpm,
            capacity: self.bucket_capacity.unwrap_or(self.rate_rpm),
            minimum_gap: Rate::default_gap(self.rate_rpm),
            ..defaults.rate
        };
        let queue = Queue {
            max_depth: usize::try_from(self.queue_max).unwrap_or(usize::MAX),
            when_full: if self.fallback_passthrough { WhenFull::Passthrough } else { WhenFull::Reject },
            lanes: Priority::ALL.map(|priority| self.lane(priority, &defaults.queue)),
            ..defaults.queue
        };
        let floor_requests_per_minute = (self.rate_rpm / 10).max(1);
        let retreat = Retreat { floor_requests_per_minute, ..defaults.retreat };
        Settings { rate, queue, retreat, ..defaults }
    }

    fn lane(&self, priority: Priority, defaults: &Queue) -> Lane {
        let seconds = match priority {
            Priority::Urgent | Priority::High | Priority::Normal => self.timeout,
            Priority::Low => self.low_timeout,
        };
        Lane { max_wait: Duration::from_secs(seconds), ..*defaults.lane(priority) }
    }
}
