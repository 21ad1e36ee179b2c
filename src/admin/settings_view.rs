//! The settings in force, in the words of the `RateLimitPolicy` they may have come from.

use serde_json::{Value, json};

use crate::limiter::settings::{
    Matching, Mode, Queue, Rate, ReadinessGate, Retreat, Retry, Timeouts, WhenFull,
};
use crate::limiter::{Priority, Settings};

/// A `spec` that would put these settings in force.
pub(super) fn spec(settings: &Settings) -> Value {
    json!({
        "mode": match settings.mode { Mode::Enforce => "Enforce", Mode::Observe => "Observe" },
        "rate": rate(&settings.rate),
        "queue": queue(&settings.queue),
        "retreat": retreat(&settings.retreat),
        "retry": retry(settings.retry),
        "timeouts": timeouts(&settings.timeouts),
        "match": matching(&settings.matching),
        "readiness": { "gates": settings.readiness_gates.iter().map(|gate| gate_name(*gate)).collect::<Vec<_>>() },
    })
}

fn rate(rate: &Rate) -> Value {
    json!({
        "requestsPerMinute": rate.requests_per_minute,
        "capacity": rate.capacity,
        "windowSeconds": rate.window.as_secs(),
        "windowMarginMilliseconds": rate.window_margin.as_millis(),
        "minimumGapMilliseconds": rate.minimum_gap.as_millis(),
    })
}

fn queue(queue: &Queue) -> Value {
    let priorities = Priority::ALL.map(|priority| {
        let lane = queue.lane(priority);
        json!({
            "name": priority_name(priority),
            "maxWaitSeconds": lane.max_wait.as_secs(),
            "minimumSharePercent": lane.minimum_share_percent,
        })
    });
    json!({
        "maxDepth": queue.max_depth,
        "whenFull": match queue.when_full {
            WhenFull::Passthrough => "Passthrough",
            WhenFull::Reject => "Reject",
        },
        "defaultPriority": priority_name(queue.default_priority),
        "priorities": priorities,
    })
}

fn retreat(retreat: &Retreat) -> Value {
    json!({
        "mode": enabled(retreat.enabled),
        "thresholdPercent": retreat.threshold_percent,
        "factorPercent": retreat.factor_percent,
        "windowSeconds": retreat.window.as_secs(),
        "minimumSamples": retreat.minimum_samples,
        "floorRequestsPerMinute": retreat.floor_requests_per_minute,
        "ceilingRequestsPerMinute": retreat.ceiling_requests_per_minute,
        "recovery": {
            "probeAfterSeconds": retreat.probe_after.as_secs(),
            "probeMaxSeconds": retreat.probe_max.as_secs(),
        },
    })
}

fn retry(retry: Retry) -> Value {
    json!({ "rateLimited": enabled(retry.rate_limited), "serverErrors": retry.server_errors })
}

fn timeouts(timeouts: &Timeouts) -> Value {
    let seconds = |timeout: Option<std::time::Duration>| timeout.map_or(0, |timeout| timeout.as_secs());
    json!({
        "connectSeconds": timeouts.connect.as_secs(),
        "idleSeconds": seconds(timeouts.idle),
        "totalSeconds": seconds(timeouts.total),
    })
}

fn matching(matching: &Matching) -> Value {
    json!({ "models": matching.models, "methods": matching.methods })
}

const fn enabled(on: bool) -> &'static str {
    if on { "Enabled" } else { "Disabled" }
}

const fn priority_name(priority: Priority) -> &'static str {
    match priority {
        Priority::Urgent => "Urgent",
        Priority::High => "High",
        Priority::Normal => "Normal",
        Priority::Low => "Low",
    }
}

const fn gate_name(gate: ReadinessGate) -> &'static str {
    match gate {
        ReadinessGate::Upstream => "Upstream",
        ReadinessGate::Queue => "Queue",
        ReadinessGate::Tokens => "Tokens",
    }
}
