//! From the policy's words to the settings the limiter works with.

use std::time::Duration;

use crate::api::v1alpha1 as wire;
use crate::limiter::Priority;
use crate::limiter::settings::{
    Lane, Matching, Mode, Queue, Rate, ReadinessGate, Retreat, Retry, Settings, Timeouts, WhenFull,
};

/// The settings a checked `spec` asks for.
pub(super) fn settings(spec: &wire::RateLimitPolicySpec) -> Settings {
    Settings {
        mode: match spec.mode {
            wire::Mode::Enforce => Mode::Enforce,
            wire::Mode::Observe => Mode::Observe,
        },
        rate: rate(&spec.rate),
        queue: queue(&spec.queue),
        retreat: retreat(&spec.retreat, &spec.rate),
        retry: Retry {
            rate_limited: is_enabled(spec.retry.rate_limited),
            server_errors: count(spec.retry.server_errors),
        },
        timeouts: timeouts(&spec.timeouts),
        matching: Matching {
            models: spec.matching.models.clone(),
            methods: spec.matching.methods.iter().map(|method| method.as_str().to_owned()).collect(),
        },
        readiness_gates: spec.readiness.gates.iter().copied().map(gate).collect(),
    }
}

fn rate(rate: &wire::Rate) -> Rate {
    let default_gap = || Rate::default_gap(count(rate.requests_per_minute));
    Rate {
        requests_per_minute: count(rate.requests_per_minute),
        capacity: count(rate.effective_capacity()),
        window: seconds(rate.window_seconds),
        window_margin: milliseconds(rate.window_margin_milliseconds),
        minimum_gap: rate.minimum_gap_milliseconds.map_or_else(default_gap, milliseconds),
    }
}

fn queue(queue: &wire::Queue) -> Queue {
    Queue {
        max_depth: usize::try_from(queue.max_depth).unwrap_or_default(),
        when_full: match queue.when_full {
            wire::WhenFull::Passthrough => WhenFull::Passthrough,
            wire::WhenFull::Reject => WhenFull::Reject,
        },
        default_priority: match queue.default_priority {
            wire::Priority::Urgent => Priority::Urgent,
            wire::Priority::High => Priority::High,
            wire::Priority::Normal => Priority::Normal,
            wire::Priority::Low => Priority::Low,
        },
        lanes: wire::Priority::ALL.map(|priority| Lane {
            max_wait: seconds(queue.effective_max_wait_seconds(priority)),
            minimum_share_percent: percent(queue.effective_minimum_share_percent(priority)),
        }),
    }
}

fn retreat(retreat: &wire::Retreat, rate: &wire::Rate) -> Retreat {
    Retreat {
        enabled: is_enabled(retreat.mode),
        threshold_percent: percent(retreat.threshold_percent),
        factor_percent: percent(retreat.factor_percent),
        window: seconds(retreat.window_seconds),
        minimum_samples: count(retreat.minimum_samples),
        floor_requests_per_minute: count(retreat.effective_floor(rate)),
        ceiling_requests_per_minute: retreat.ceiling_requests_per_minute.map(count),
        probe_after: seconds(retreat.recovery.probe_after_seconds),
        probe_max: seconds(retreat.recovery.probe_max_seconds),
    }
}

fn timeouts(timeouts: &wire::Timeouts) -> Timeouts {
    let unless_zero = |amount| (amount > 0).then(|| seconds(amount));
    Timeouts {
        connect: seconds(timeouts.connect_seconds),
        idle: unless_zero(timeouts.idle_seconds),
        total: unless_zero(timeouts.total_seconds),
    }
}

fn gate(gate: wire::ReadinessGate) -> ReadinessGate {
    match gate {
        wire::ReadinessGate::Upstream => ReadinessGate::Upstream,
        wire::ReadinessGate::Queue => ReadinessGate::Queue,
        wire::ReadinessGate::Tokens => ReadinessGate::Tokens,
    }
}

fn is_enabled(switch: wire::Switch) -> bool {
    match switch {
        wire::Switch::Enabled => true,
        wire::Switch::Disabled => false,
    }
}

/// The schema admits no negative number anywhere, so nothing is lost here and below.
fn count(value: i32) -> u32 {
    u32::try_from(value).unwrap_or_default()
}

fn percent(value: i32) -> u8 {
    u8::try_from(value).unwrap_or_default()
}

fn seconds(value: i32) -> Duration {
    Duration::from_secs(u64::from(count(value)))
}

fn milliseconds(value: i32) -> Duration {
    Duration::from_millis(u64::from(count(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings_of(yaml: &str) -> Settings {
        settings(&serde_saphyr::from_str(yaml).unwrap())
    }

    #[test]
    fn a_policy_that_says_nothing_more_than_the_rate_asks_for_the_default_settings() {
        assert_eq!(settings_of("rate: {requestsPerMinute: 40}"), Settings::default());
        let empty = "{rate: {requestsPerMinute: 40}, queue: {}, retreat: {recovery: {}}, \
                     retry: {}, timeouts: {}, match: {}, readiness: {}}";
        assert_eq!(settings_of(empty), Settings::default());
    }

    #[test]
    fn the_example_in_the_docs_has_every_field_at_its_default() {
        let text = include_str!("../../docs/policy.example.yaml");
        let example: wire::RateLimitPolicy = serde_saphyr::from_str(text).unwrap();
        assert_eq!(settings(&example.spec), Settings::default());
        let missing: Vec<_> = include_str!("../../docs/policy-reference.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .filter(|field| !field.contains('.') && !text.contains(&format!("{field}:")))
            .collect();
        assert_eq!(missing, Vec::<&str>::new(), "fields of the reference that the example lacks");
    }

    #[test]
    fn capacity_and_floor_follow_the_rate_when_they_are_not_given() {
        for (rpm, floor) in [(1, 1), (9, 1), (19, 1), (20, 2), (1_000_000, 100_000)] {
            let settings = settings_of(&format!("rate: {{requestsPerMinute: {rpm}}}"));
            assert_eq!(settings.rate.capacity, rpm);
            assert_eq!(settings.retreat.floor_requests_per_minute, floor);
        }
    }

    #[test]
    fn a_lane_takes_what_its_entry_says_and_the_rest_from_the_queue_and_the_defaults() {
        let yaml = "{rate: {requestsPerMinute: 40}, queue: {maxWaitSeconds: 90, priorities: [\
                    {name: Low, minimumSharePercent: 0}, {name: Urgent, maxWaitSeconds: 5}]}}";
        let lane = |seconds, minimum_share_percent| Lane {
            max_wait: Duration::from_secs(seconds),
            minimum_share_percent,
        };
        assert_eq!(settings_of(yaml).queue.lanes, [lane(5, 0), lane(90, 20), lane(90, 10), lane(2, 0)]);
        let impatient = "{rate: {requestsPerMinute: 40}, queue: {maxWaitSeconds: 1}}";
        assert_eq!(settings_of(impatient).queue.lanes.map(|lane| lane.max_wait.as_secs()), [1; 4]);
    }

    #[test]
    fn a_zero_timeout_is_none() {
        let yaml = "{rate: {requestsPerMinute: 40}, timeouts: {idleSeconds: 0, totalSeconds: 9}}";
        let timeouts = settings_of(yaml).timeouts;
        assert_eq!((timeouts.idle, timeouts.total), (None, Some(Duration::from_secs(9))));
    }
}
