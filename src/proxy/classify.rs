//! What an upstream's answer means.
//!
//! Status alone does not say it: a 429 may be the quota, an empty purse or busy workers, and
//! a 400 may be a passing fault of the service. Only these error answers are read; see
//! `client-contract` in the documents for where each wording was seen.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::retry_after::{retry_after, retry_after_quota};

/// What an upstream's answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// An answer for the application, good or bad.
    Answered,
    /// The account's money or allotment is spent; waiting does not help.
    QuotaSpent,
    /// Too many requests in too short a time.
    RateLimited {
        /// How long the upstream asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The model's workers are all busy or out of order. Says nothing about the quota.
    Exhausted {
        /// How long the upstream asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// A 502, 503 or 504 that says nothing more.
    ServerError {
        /// How long the upstream asked to be left alone.
        retry_after: Option<Duration>,
    },
}

/// Whether the meaning of an answer with this status may depend on its body, or be one to try again.
pub(super) fn needs_body(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 429 | 502..=504)
}

/// What an answer means; `body` is what was read of it, `window` that of the policy.
pub(super) fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8], window: Duration) -> Meaning {
    let retry_after = || retry_after(headers);
    let exhausted = || Meaning::Exhausted { retry_after: retry_after() };
    match (status.as_u16(), code(body)) {
        (400, _) if says(body, &["degraded function cannot be invoked"]) => exhausted(),
        (429, Some(Code::Spent)) => Meaning::QuotaSpent,
        (429 | 503, Some(Code::Busy)) => exhausted(),
        (503, _) | (429, None) if says(body, &BUSY) => exhausted(),
        (429, _) => Meaning::RateLimited { retry_after: retry_after_quota(headers, window) },
        (502..=504, _) => Meaning::ServerError { retry_after: retry_after() },
        _ => Meaning::Answered,
    }
}

/// Wordings of busy workers, in lower case. Google's `RESOURCE_EXHAUSTED` is a quota and is not among them.
const BUSY: [&str; 7] = [
    "resourceexhausted",
    "all workers are busy",
    "worker local total request limit",
    "concurrency limit",
    "concurrent request limit",
    "concurrent requests limit",
    "too many concurrent",
];

fn says(body: &[u8], wordings: &[&str]) -> bool {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    wordings.iter().any(|wording| text.contains(wording))
}

/// What the machine-readable fields of an error say. They come before its message: messages of plain
/// rate limits mention billing and concurrency, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Spent,
    Busy,
    RateLimit,
}

fn code(body: &[u8]) -> Option<Code> {
    let body = serde_json::from_slice::<Value>(body).ok()?;
    let error = body.get("error").unwrap_or(&body);
    let words = ["code", "type"].into_iter().filter_map(|field| error.get(field)?.as_str());
    let words: Vec<_> = words.map(str::to_ascii_lowercase).collect();
    let any = |holds: fn(&str) -> bool| words.iter().any(|word| holds(word));
    if any(|word| word == "insufficient_quota" || word.starts_with("billing")) {
        Some(Code::Spent)
    } else if any(|word| word.contains("concurren")) {
        Some(Code::Busy)
    } else if any(|word| word == "rate_limit_exceeded") {
        Some(Code::RateLimit)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn meaning(status: u16, body: &str) -> Meaning {
        classify(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes(), WINDOW)
    }

    const RATE_LIMITED: Meaning = Meaning::RateLimited { retry_after: None };
    const EXHAUSTED: Meaning = Meaning::Exhausted { retry_after: None };
    const SERVER_ERROR: Meaning = Meaning::ServerError { retry_after: None };

    #[test]
    fn a_429_is_the_quota_unless_it_says_otherwise() {
        for body in [
            r#"{"status":429,"title":"Too Many Requests"}"#,
            r#"{"error":{"code":"rate_limit_exceeded","message":"check your plan and billing details"}}"#,
            r#"{"error":{"code":"rate_limit_exceeded","message":"do not send requests concurrently"}}"#,
            r#"{"error":{"code":"rate_limit_exceeded","message":"not your concurrency limit"}}"#,
            r#"{"error":{"message":"do not send requests concurrently"}}"#,
            r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}"#,
            "",
            "<html>slow down</html>",
        ] {
            assert_eq!(meaning(429, body), RATE_LIMITED, "{body}");
        }
    }

    #[test]
    fn a_spent_account_is_told_apart() {
        for body in [
            r#"{"error":{"code":"insufficient_quota","type":"x"}}"#,
            r#"{"error":{"code":null,"type":"insufficient_quota"}}"#,
            r#"{"code":"billing_hard_limit_reached"}"#,
        ] {
            assert_eq!(meaning(429, body), Meaning::QuotaSpent, "{body}");
        }
    }

    #[test]
    fn busy_workers_are_no_quota() {
        for (status, body) in [
            (503, r#"{"message":"ResourceExhausted: All workers are busy, please retry later"}"#),
            (429, r#"{"detail":"Worker local total request limit reached (3228/48)"}"#),
            (429, r#"{"error":{"message":"Concurrency limit reached"}}"#),
            (429, r#"{"error":{"message":"Too many concurrent requests"}}"#),
            (429, r#"{"error":{"code":"concurrency_limit_exceeded","message":"wait"}}"#),
            (400, r#"{"detail":"Function id 'f': DEGRADED function cannot be invoked"}"#),
        ] {
            assert_eq!(meaning(status, body), EXHAUSTED, "{body}");
        }
    }

    #[test]
    fn gateways_errors_are_server_errors_and_the_rest_is_an_answer() {
        for status in [502, 503, 504] {
            assert_eq!(meaning(status, "{}"), SERVER_ERROR);
        }
        for status in [200, 400, 401, 404, 410, 500, 501] {
            assert_eq!(meaning(status, "All workers are busy"), Meaning::Answered, "{status}");
        }
    }

    #[test]
    fn the_pause_asked_for_goes_with_the_meaning() {
        let headers = HeaderMap::from_iter([("retry-after".parse().unwrap(), "3".parse().unwrap())]);
        let retry_after = Some(Duration::from_secs(3));
        let of = |status| classify(status, &headers, b"", WINDOW);
        assert_eq!(of(StatusCode::TOO_MANY_REQUESTS), Meaning::RateLimited { retry_after });
        assert_eq!(of(StatusCode::BAD_GATEWAY), Meaning::ServerError { retry_after });
    }

    #[test]
    fn a_spent_budget_is_the_reason_of_a_429_alone() {
        let headers = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")];
        let headers =
            headers.map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()));
        let headers = HeaderMap::from_iter(headers);
        let of = |status: u16, body: &str| {
            classify(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes(), WINDOW)
        };
        assert_eq!(of(429, ""), Meaning::RateLimited { retry_after: Some(WINDOW) });
        for status in [502, 503, 504] {
            assert_eq!(of(status, ""), SERVER_ERROR);
        }
        assert_eq!(of(503, "All workers are busy"), EXHAUSTED);
        assert_eq!(of(400, "DEGRADED function cannot be invoked"), EXHAUSTED);
    }
}
