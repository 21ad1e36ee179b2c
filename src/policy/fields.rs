//! The settings as their author knows them: field by field, in the policy's words.
//!
//! Every struct is taken apart without `..`, so that a new setting cannot be forgotten here.

use std::fmt::Display;
use std::time::Duration;

use crate::limiter::Priority;
use crate::limiter::settings::{Lane, Matching, Queue, Rate, Retreat, Retry, Settings, Timeouts};

/// A path and the value there.
type Field = (String, String);

/// What differs between two settings, as `spec.rate.requestsPerMinute 40 -> 60`.
pub(super) fn changes(old: &Settings, new: &Settings) -> Vec<String> {
    fields(old)
        .into_iter()
        .zip(fields(new))
        .filter(|(old, new)| old != new)
        .map(|((path, old), (_, new))| format!("{path} {old} -> {new}"))
        .collect()
}

/// Every setting with its path, always the same paths in the same order.
fn fields(settings: &Settings) -> Vec<Field> {
    let Settings { mode, rate, queue, retreat, retry, timeouts, matching, readiness_gates } = settings;
    let Retry { rate_limited, server_errors } = retry;
    let Timeouts { connect, idle, total } = timeouts;
    let Matching { models, methods } = matching;
    let mut fields = vec![field("mode", format_args!("{mode:?}"))];
    fields.extend(rate_fields(rate));
    fields.extend(queue_fields(queue));
    fields.extend(retreat_fields(retreat));
    fields.extend([
        field("retry.rateLimited", switch(*rate_limited)),
        field("retry.serverErrors", server_errors),
        field("timeouts.connectSeconds", connect.as_secs()),
        field("timeouts.idleSeconds", idle.as_ref().map_or(0, Duration::as_secs)),
        field("timeouts.totalSeconds", total.as_ref().map_or(0, Duration::as_secs)),
        field("match.models", format_args!("{models:?}")),
        field("match.methods", format_args!("[{}]", methods.join(", "))),
        field("readiness.gates", format_args!("{readiness_gates:?}")),
    ]);
    fields
}

fn rate_fields(rate: &Rate) -> [Field; 5] {
    let Rate { requests_per_minute, capacity, window, window_margin, minimum_gap } = rate;
    [
        field("rate.requestsPerMinute", requests_per_minute),
        field("rate.capacity", capacity),
        field("rate.windowSeconds", window.as_secs()),
        field("rate.windowMarginMilliseconds", window_margin.as_millis()),
        field("rate.minimumGapMilliseconds", minimum_gap.as_millis()),
    ]
}

fn queue_fields(queue: &Queue) -> Vec<Field> {
    let Queue { max_depth, when_full, default_priority, lanes } = queue;
    let mut fields = vec![
        field("queue.maxDepth", max_depth),
        field("queue.whenFull", format_args!("{when_full:?}")),
        field("queue.defaultPriority", format_args!("{default_priority:?}")),
    ];
    for (priority, lane) in Priority::ALL.iter().zip(lanes) {
        let Lane { max_wait, minimum_share_percent } = lane;
        let path = |name| format!("queue.priorities[{priority:?}].{name}");
        fields.push(field(&path("maxWaitSeconds"), max_wait.as_secs()));
        fields.push(field(&path("minimumSharePercent"), minimum_share_percent));
    }
    fields
}

fn retreat_fields(retreat: &Retreat) -> [Field; 9] {
    let Retreat {
        enabled,
        threshold_percent,
        factor_percent,
        window,
        minimum_samples,
        floor_requests_per_minute,
        ceiling_requests_per_minute,
        probe_after,
        probe_max,
    } = retreat;
    let ceiling = ceiling_requests_per_minute.map_or("unset".to_owned(), |ceiling| ceiling.to_string());
    [
        field("retreat.mode", switch(*enabled)),
        field("retreat.thresholdPercent", threshold_percent),
        field("retreat.factorPercent", factor_percent),
        field("retreat.windowSeconds", window.as_secs()),
        field("retreat.minimumSamples", minimum_samples),
        field("retreat.floorRequestsPerMinute", floor_requests_per_minute),
        field("retreat.ceilingRequestsPerMinute", ceiling),
        field("retreat.recovery.probeAfterSeconds", probe_after.as_secs()),
        field("retreat.recovery.probeMaxSeconds", probe_max.as_secs()),
    ]
}

fn field(path: &str, value: impl Display) -> Field {
    (format!("spec.{path}"), value.to_string())
}

const fn switch(on: bool) -> &'static str {
    if on { "Enabled" } else { "Disabled" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_named_from_what_to_what() {
        let old = Settings::default();
        let mut new = old.clone();
        new.rate.requests_per_minute = 60;
        new.queue.lanes[3].max_wait = Duration::from_secs(5);
        new.retreat.ceiling_requests_per_minute = Some(80);
        new.timeouts.idle = None;
        new.matching.models = vec!["a*".into()];
        assert_eq!(
            changes(&old, &new),
            [
                "spec.rate.requestsPerMinute 40 -> 60",
                "spec.queue.priorities[Low].maxWaitSeconds 2 -> 5",
                "spec.retreat.ceilingRequestsPerMinute unset -> 80",
                "spec.timeouts.idleSeconds 60 -> 0",
                r#"spec.match.models ["*"] -> ["a*"]"#,
            ]
        );
        assert_eq!(changes(&new, &new), Vec::<String>::new());
    }
}
