//! Rules that tie several fields together.
//!
//! Each rule is said twice, once as the CEL text an API server evaluates and once as a
//! Rust function, side by side so that neither changes alone. Both read the object
//! with every default filled in. Both are asked about numbers out of range, too, so a
//! rule that such a number alone would break lets it pass: one mistake, one message.

use serde_json::{Value, json};

use super::fault::{Fault, Found};
use super::v1alpha1::{Priority, RateLimitPolicySpec};

/// The most requests one window may hold, so that the log of departures stays small.
const WINDOW_QUOTA_MAX: i64 = 1_000_000;

/// A rule between fields of `spec`.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Where the rule stands, like `spec.rate`: as near to its fields as can be.
    pub at: &'static str,
    /// The field below that a violation is reported at, like `windowSeconds`.
    pub field: &'static str,
    /// The rule as CEL, `self` being what is at `at`.
    pub cel: &'static str,
    /// What is accepted.
    pub message: &'static str,
    /// What was found, where the rule is broken.
    violation: fn(&RateLimitPolicySpec) -> Option<String>,
}

impl Rule {
    /// The path a violation is reported at, like `spec.rate.windowSeconds`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.at, self.field)
    }

    /// The fault of a `spec` that breaks this rule.
    pub fn check(&self, spec: &RateLimitPolicySpec) -> Option<Fault> {
        (self.violation)(spec).map(|found| Fault {
            path: self.path(),
            found: Found::Value(found),
            accepted: self.message.to_owned(),
        })
    }

    /// The rule as the schema at `at` holds it.
    pub(super) fn validation(&self) -> Value {
        validation(self.cel, self.message, self.field)
    }
}

/// An entry of `x-kubernetes-validations`.
pub(super) fn validation(cel: &str, accepted: &str, field: &str) -> Value {
    json!({
        "rule": cel,
        "message": format!("must be {accepted}"),
        "fieldPath": format!(".{field}"),
        "reason": "FieldValueInvalid",
    })
}

/// Every rule between fields.
pub const RULES: [Rule; 7] = [
    Rule {
        at: "spec.rate",
        field: "windowSeconds",
        cel: "self.requestsPerMinute < 1 || self.windowSeconds * self.requestsPerMinute >= 60",
        message: "a window with room for one request (windowSeconds * requestsPerMinute is 60 or more)",
        violation: window_without_room,
    },
    Rule {
        at: "spec.rate",
        field: "windowSeconds",
        cel: "self.requestsPerMinute > 1000000 || self.windowSeconds * self.requestsPerMinute / 60 <= 1000000",
        message: "a window of at most 1000000 requests (requestsPerMinute * windowSeconds / 60)",
        violation: window_too_big,
    },
    Rule {
        at: "spec.rate",
        field: "minimumGapMilliseconds",
        cel: "!has(self.minimumGapMilliseconds) \
              || self.minimumGapMilliseconds * self.requestsPerMinute <= 60000",
        message: "at most 60000 / requestsPerMinute: a longer gap would hold the rate back",
        violation: gap_below_rate,
    },
    Rule {
        at: "spec",
        field: "queue.priorities",
        cel: "self.queue.priorities.map(p, has(p.minimumSharePercent) ? p.minimumSharePercent : \
              p.name == 'High' ? 20 : p.name == 'Normal' ? 10 : p.name == 'Low' ? 5 : 0).sum() \
              + (self.queue.priorities.exists(p, p.name == 'High') ? 0 : 20) \
              + (self.queue.priorities.exists(p, p.name == 'Normal') ? 0 : 10) \
              + (self.queue.priorities.exists(p, p.name == 'Low') ? 0 : 5) <= 100",
        message: "at most 100 for the minimumSharePercent of all four together \
                  (where none is given: Urgent 0, High 20, Normal 10, Low 5)",
        violation: shares_above_whole,
    },
    Rule {
        at: "spec",
        field: "retreat.floorRequestsPerMinute",
        cel: "!has(self.retreat.floorRequestsPerMinute) \
              || self.retreat.floorRequestsPerMinute <= self.rate.requestsPerMinute",
        message: "at most spec.rate.requestsPerMinute",
        violation: floor_above_rate,
    },
    Rule {
        at: "spec",
        field: "retreat.ceilingRequestsPerMinute",
        cel: "!has(self.retreat.ceilingRequestsPerMinute) \
              || self.retreat.ceilingRequestsPerMinute >= self.rate.requestsPerMinute",
        message: "at least spec.rate.requestsPerMinute",
        violation: ceiling_below_rate,
    },
    Rule {
        at: "spec",
        field: "retreat.recovery.probeAfterSeconds",
        cel: "self.retreat.recovery.probeAfterSeconds <= self.retreat.recovery.probeMaxSeconds",
        message: "at most spec.retreat.recovery.probeMaxSeconds",
        violation: first_probe_after_last,
    },
];

fn window_without_room(spec: &RateLimitPolicySpec) -> Option<String> {
    let broken = spec.rate.requests_per_minute >= 1 && request_seconds(spec) < 60;
    broken.then(|| window_text(spec))
}

fn window_too_big(spec: &RateLimitPolicySpec) -> Option<String> {
    let broken = spec.rate.requests_per_minute <= 1_000_000 && request_seconds(spec) / 60 > WINDOW_QUOTA_MAX;
    broken.then(|| window_text(spec))
}

fn gap_below_rate(spec: &RateLimitPolicySpec) -> Option<String> {
    let (gap, rate) = (spec.rate.minimum_gap_milliseconds?, spec.rate.requests_per_minute);
    let broken = i64::from(gap) * i64::from(rate) > 60_000;
    broken.then(|| format!("{gap} with requestsPerMinute {rate}"))
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
    // Numbers out of range are asked about as well: they must not overflow.
    let sum: i64 = shares.iter().map(|(_, share)| i64::from(*share)).sum();
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
    fn broken(spec: Value) -> Vec<String> {
        let spec: RateLimitPolicySpec = serde_json::from_value(spec).unwrap();
        RULES.iter().filter(|rule| rule.check(&spec).is_some()).map(Rule::path).collect()
    }

    fn rate(requests_per_minute: i32, window_seconds: i32) -> Value {
        json!({"rate": {"requestsPerMinute": requests_per_minute, "windowSeconds": window_seconds}})
    }

    fn gap(minimum_gap_milliseconds: i32) -> Value {
        json!({"rate": {"requestsPerMinute": 40, "minimumGapMilliseconds": minimum_gap_milliseconds}})
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
            ("spec.rate.minimumGapMilliseconds", gap(1_500), gap(1_501)),
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
        assert_eq!(edges.each_ref().map(|(path, ..)| (*path).to_owned()), RULES.map(|rule| rule.path()));
        for (path, kept, beyond) in edges {
            assert_eq!(broken(kept), Vec::<String>::new(), "{path}");
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
        assert_eq!(broken(shares(&all(25))), Vec::<String>::new());
        assert_eq!(broken(shares(&all(26))), ["spec.queue.priorities"]);
        // An entry that says nothing about its share keeps the default.
        let low =
            json!([{"name": "Low", "maxWaitSeconds": 9}, {"name": "Urgent", "minimumSharePercent": 66}]);
        assert_eq!(broken(shares(&low)), ["spec.queue.priorities"]);
    }

    #[test]
    fn the_cel_text_has_the_default_shares_and_the_field_it_is_reported_at() {
        let shares = RULES.iter().find(|rule| rule.field == "queue.priorities").unwrap();
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
            assert!(rule.cel.contains(&format!("self.{}", rule.field)), "{}", rule.cel);
        }
    }
}
