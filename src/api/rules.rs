//! Rules that tie several fields together.
//!
//! Each rule is said twice, once as the CEL text an API server evaluates on `spec` and
//! once as a Rust function, side by side so that neither changes alone. They are asked
//! only about an object whose every field is acceptable by itself, as API servers do.

use super::fault::{Fault, Found};
use super::v1alpha1::{Priority, RateLimitPolicySpec};

/// The most requests one window may hold, so that the log of departures stays small.
const WINDOW_QUOTA_MAX: i64 = 1_000_000;

/// A rule between fields of `spec`.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The field a violation is reported at, like `spec.rate.windowSeconds`.
    pub path: &'static str,
    /// The rule as CEL, `self` being `spec`.
    pub cel: &'static str,
    /// What is accepted.
    pub message: &'static str,
    /// What was found, where the rule is broken.
    violation: fn(&RateLimitPolicySpec) -> Option<String>,
}

impl Rule {
    /// The fault of a `spec` that breaks this rule.
    pub fn check(&self, spec: &RateLimitPolicySpec) -> Option<Fault> {
        (self.violation)(spec).map(|found| Fault {
            path: self.path.to_owned(),
            found: Found::Value(found),
            accepted: self.message.to_owned(),
        })
    }
}

/// Every rule between fields.
pub const RULES: [Rule; 6] = [
    Rule {
        path: "spec.rate.windowSeconds",
        cel: "self.rate.windowSeconds * self.rate.requestsPerMinute >= 60",
        message: "a window with room for one request (windowSeconds * requestsPerMinute is 60 or more)",
        violation: window_without_room,
    },
    Rule {
        path: "spec.rate.windowSeconds",
        cel: "self.rate.requestsPerMinute * self.rate.windowSeconds / 60 <= 1000000",
        message: "a window of at most 1000000 requests (requestsPerMinute * windowSeconds / 60)",
        violation: window_too_big,
    },
    Rule {
        path: "spec.queue.priorities",
        cel: "self.queue.priorities.map(p, has(p.minimumSharePercent) ? p.minimumSharePercent : \
              p.name == 'High' ? 20 : p.name == 'Normal' ? 10 : p.name == 'Low' ? 5 : 0).sum() \
              + (self.queue.priorities.exists(p, p.name == 'High') ? 0 : 20) \
              + (self.queue.priorities.exists(p, p.name == 'Normal') ? 0 : 10) \
              + (self.queue.priorities.exists(p, p.name == 'Low') ? 0 : 5) <= 100",
        message: "minimumSharePercent of at most 100 for all four together \
                  (where none is given: Urgent 0, High 20, Normal 10, Low 5)",
        violation: shares_above_whole,
    },
    Rule {
        path: "spec.retreat.floorRequestsPerMinute",
        cel: "!has(self.retreat.floorRequestsPerMinute) || \
              self.retreat.floorRequestsPerMinute <= self.rate.requestsPerMinute",
        message: "at most spec.rate.requestsPerMinute",
        violation: floor_above_rate,
    },
    Rule {
        path: "spec.retreat.ceilingRequestsPerMinute",
        cel: "!has(self.retreat.ceilingRequestsPerMinute) || \
              self.retreat.ceilingRequestsPerMinute >= self.rate.requestsPerMinute",
        message: "at least spec.rate.requestsPerMinute",
        violation: ceiling_below_rate,
    },
    Rule {
        path: "spec.retreat.recovery.probeAfterSeconds",
        cel: "self.retreat.recovery.probeAfterSeconds <= self.retreat.recovery.probeMaxSeconds",
        message: "at most spec.retreat.recovery.probeMaxSeconds",
        violation: first_probe_after_last,
    },
];

fn window_without_room(spec: &RateLimitPolicySpec) -> Option<String> {
    let broken = request_seconds(spec) < 60;
    broken.then(|| window_text(spec))
}

fn window_too_big(spec: &RateLimitPolicySpec) -> Option<String> {
    let broken = request_seconds(spec) / 60 > WINDOW_QUOTA_MAX;
    broken.then(|| window_text(spec))
}

/// Sixty times what the window may hold.
fn request_seconds(spec: &RateLimitPolicySpec) -> i64 {
    i64::from(spec.rate.window_seconds) * i64::from(spec.rate.requests_per_minute)
}

fn window_text(spec: &RateLimitPolicySpec) -> String {
    let rate = &spec.rate;
    format!("{} with requestsPerMinute {}", rate.window_seconds, rate.requests_per_minute)
}

fn shares_above_whole(spec: &RateLimitPolicySpec) -> Option<String> {
    let shares =
        Priority::ALL.map(|priority| (priority, spec.queue.effective_minimum_share_percent(priority)));
    let sum: i32 = shares.iter().map(|(_, share)| share).sum();
    (sum > 100).then(|| {
        let terms = shares.map(|(priority, share)| format!("{priority:?} {share}"));
        format!("{sum} together ({})", terms.join(", "))
    })
}

fn floor_above_rate(spec: &RateLimitPolicySpec) -> Option<String> {
    let floor = spec.retreat.floor_requests_per_minute?;
    let rate = spec.rate.requests_per_minute;
    (floor > rate).then(|| format!("{floor} with requestsPerMinute {rate}"))
}

fn ceiling_below_rate(spec: &RateLimitPolicySpec) -> Option<String> {
    let ceiling = spec.retreat.ceiling_requests_per_minute?;
    let rate = spec.rate.requests_per_minute;
    (ceiling < rate).then(|| format!("{ceiling} with requestsPerMinute {rate}"))
}

fn first_probe_after_last(spec: &RateLimitPolicySpec) -> Option<String> {
    let recovery = &spec.retreat.recovery;
    let broken = recovery.probe_after_seconds > recovery.probe_max_seconds;
    broken.then(|| {
        format!("{} with probeMaxSeconds {}", recovery.probe_after_seconds, recovery.probe_max_seconds)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The paths of the rules a `spec` breaks.
    fn broken(spec: Value) -> Vec<&'static str> {
        let spec: RateLimitPolicySpec = serde_json::from_value(spec).unwrap();
        RULES.iter().filter(|rule| rule.check(&spec).is_some()).map(|rule| rule.path).collect()
    }

    fn rate(requests_per_minute: i32, window_seconds: i32) -> Value {
        json!({"rate": {"requestsPerMinute": requests_per_minute, "windowSeconds": window_seconds}})
    }

    fn retreat(retreat: &Value) -> Value {
        json!({"rate": {"requestsPerMinute": 40}, "retreat": retreat})
    }

    fn shares(priorities: &Value) -> Value {
        json!({"rate": {"requestsPerMinute": 40}, "queue": {"priorities": priorities}})
    }

    #[test]
    fn every_rule_holds_up_to_its_edge_and_breaks_beyond() {
        let edges = [
            ("spec.rate.windowSeconds", rate(30, 2), rate(29, 2)),
            ("spec.rate.windowSeconds", rate(1_000_000, 60), rate(1_000_000, 61)),
            (
                "spec.queue.priorities",
                shares(&json!([{"name": "Urgent", "minimumSharePercent": 65}])),
                shares(&json!([{"name": "Urgent", "minimumSharePercent": 66}])),
            ),
            (
                "spec.retreat.floorRequestsPerMinute",
                retreat(&json!({"floorRequestsPerMinute": 40})),
                retreat(&json!({"floorRequestsPerMinute": 41})),
            ),
            (
                "spec.retreat.ceilingRequestsPerMinute",
                retreat(&json!({"ceilingRequestsPerMinute": 40})),
                retreat(&json!({"ceilingRequestsPerMinute": 39})),
            ),
            (
                "spec.retreat.recovery.probeAfterSeconds",
                retreat(&json!({"recovery": {"probeAfterSeconds": 300}})),
                retreat(&json!({"recovery": {"probeAfterSeconds": 301}})),
            ),
        ];
        assert_eq!(edges.each_ref().map(|(path, ..)| *path), RULES.map(|rule| rule.path));
        for (path, kept, beyond) in edges {
            assert_eq!(broken(kept), Vec::<&str>::new(), "{path}");
            assert_eq!(broken(beyond), [path]);
        }
    }

    #[test]
    fn shares_count_for_every_priority_once_said_or_by_default() {
        let all = |share| {
            Value::from_iter(
                ["Urgent", "High", "Normal", "Low"]
                    .map(|name| json!({"name": name, "minimumSharePercent": share})),
            )
        };
        assert_eq!(broken(shares(&all(25))), Vec::<&str>::new());
        assert_eq!(broken(shares(&all(26))), ["spec.queue.priorities"]);
        // An entry that says nothing about its share keeps the default.
        let low =
            json!([{"name": "Low", "maxWaitSeconds": 9}, {"name": "Urgent", "minimumSharePercent": 66}]);
        assert_eq!(broken(shares(&low)), ["spec.queue.priorities"]);
    }

    #[test]
    fn the_cel_text_has_the_default_shares_and_the_field_it_is_reported_at() {
        let shares = RULES.iter().find(|rule| rule.path == "spec.queue.priorities").unwrap();
        let none: RateLimitPolicySpec = serde_json::from_value(rate(40, 60)).unwrap();
        for priority in Priority::ALL {
            let share = none.queue.effective_minimum_share_percent(priority);
            if share > 0 {
                assert!(shares.cel.contains(&format!("p.name == '{priority:?}' ? {share} :")));
                assert!(shares.cel.contains(&format!("exists(p, p.name == '{priority:?}') ? 0 : {share})")));
            }
            assert!(shares.message.contains(&format!("{priority:?} {share}")));
        }
        for rule in RULES {
            let field = rule.path.strip_prefix("spec.").unwrap();
            assert!(rule.cel.contains(&format!("self.{field}")), "{}", rule.cel);
        }
    }
}
