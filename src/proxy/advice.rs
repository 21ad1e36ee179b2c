//! What an answer's rate-limit headers say of the quota, in the forms seen in the wild.
//!
//! `x-ratelimit-*-requests` (`OpenAI` and those who copy it), then `ratelimit-*` (the IETF's draft), then the plain
//! `x-ratelimit-*`. Only a family that names both what remains and when it comes back is advice; headers about
//! tokens are about another quota. Whatever does not parse is as if it were not there.

use std::time::Duration;

use http::HeaderMap;

use super::retry_after::{reset_of, text};
use crate::limiter::Advice;

/// The limit, what remains of it and when it is whole again, by family.
const FAMILIES: [[&str; 3]; 3] = [
    ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"],
    ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
];

/// What the upstream says is left of its quota of requests, if it says so, to a request that was answered `took` after
/// it departed. The reset is counted from there, for that is when the quota was looked at.
pub(super) fn advice(headers: &HeaderMap, took: Duration) -> Option<Advice> {
    FAMILIES.into_iter().find_map(|[limit, remaining, reset]| {
        Some(Advice {
            limit: text(headers, limit).and_then(count),
            remaining: text(headers, remaining).and_then(count)?,
            reset: reset_of(text(headers, reset)?, headers)?.after_departure(took),
        })
    })
}

/// A whole number; of a list like `100, 100;w=60` the first, which is what is in force.
fn count(value: &str) -> Option<u32> {
    value.split([',', ';']).next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &[(&'static str, &str)]) -> Option<Advice> {
        told_after(Duration::ZERO, headers)
    }

    fn told_after(took: Duration, headers: &[(&'static str, &str)]) -> Option<Advice> {
        let headers = headers.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        advice(&headers.collect(), took)
    }

    fn requests<'a>(limit: &'a str, remaining: &'a str, reset: &'a str) -> [(&'static str, &'a str); 3] {
        let [family, ..] = FAMILIES;
        [(family[0], limit), (family[1], remaining), (family[2], reset)]
    }

    #[expect(clippy::unnecessary_wraps, reason = "reads well in the tables below")]
    fn mk_advice(limit: u32, remaining: u32, reset_millis: u64) -> Option<Advice> {
        Some(Advice { limit: Some(limit), remaining, reset: Duration::from_millis(reset_millis) })
    }

    #[test]
    fn every_family_is_read() {
        for [limit, remaining, reset] in FAMILIES {
            let headers = [(limit, "40"), (remaining, "7"), (reset, "12")];
            assert_eq!(told(&headers), mk_advice(40, 7, 12_000), "{limit}");
        }
    }

    #[test]
    fn a_reset_is_a_duration_a_number_of_seconds_or_a_moment() {
        for (reset, expected) in [
            ("12ms", Some(12)),
            ("1s", Some(1_000)),
            ("6m0s", Some(360_000)),
            ("2m59.56s", Some(179_560)),
            ("0", Some(0)),
            ("0.5", Some(500)),
            ("59", Some(59_000)),
            ("1000000001", Some(0)),
            ("1000000001000", Some(0)),
            ("", None),
            ("soon", None),
            ("-1", None),
            ("NaN", None),
            ("6m0", None),
        ] {
            let expected = expected.and_then(|millis| mk_advice(60, 0, millis));
            assert_eq!(told(&requests("60", "0", reset)), expected, "{reset:?}");
        }
    }

    #[test]
    fn a_duration_counts_from_the_departure_and_a_moment_is_one_however_late_the_answer_tells_it() {
        let answered = ("date", "Sun, 09 Sep 2001 01:46:40 GMT");
        for (reset, expected) in [
            ("1m0s", 60),
            ("60", 60),
            ("1000000010", 40),
            ("1000000010000", 40),
            ("Sun, 09 Sep 2001 01:46:50 GMT", 40),
        ] {
            let [limit, remaining, reset] = requests("60", "0", reset);
            let told = told_after(Duration::from_secs(30), &[answered, limit, remaining, reset]);
            assert_eq!(told, mk_advice(60, 0, expected * 1_000), "{reset:?}");
        }
    }

    #[test]
    fn what_remains_is_a_whole_number() {
        for (remaining, expected) in
            [("0", Some(0)), (" 39 ", Some(39)), ("-1", None), ("1.5", None), ("", None), ("many", None)]
        {
            let expected = expected.and_then(|remaining| mk_advice(60, remaining, 1_000));
            assert_eq!(told(&requests("60", remaining, "1s")), expected, "{remaining:?}");
        }
    }

    #[test]
    fn a_limit_is_welcome_and_not_needed() {
        for limit in ["100", "100, 100;w=60", "100;w=60, 1000;w=3600"] {
            assert_eq!(told(&requests(limit, "9", "1s")), mk_advice(100, 9, 1_000), "{limit}");
        }
        let unlimited = Some(Advice { limit: None, remaining: 9, reset: Duration::from_secs(1) });
        assert_eq!(told(&requests("plenty", "9", "1s")), unlimited);
        assert_eq!(told(&requests("60", "9", "1s")[1..]), unlimited);
    }

    #[test]
    fn half_of_an_advice_is_none_and_the_next_family_is_tried() {
        let half = requests("60", "9", "1s");
        assert_eq!(told(&half[..2]), None);
        assert_eq!(told(&[half[0], half[2]]), None);
        let plain = [("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "5"), ("x-ratelimit-limit", "8")];
        assert_eq!(told(&[half[0], half[1], plain[0], plain[1], plain[2]]), mk_advice(8, 3, 5_000));
    }

    #[test]
    fn what_is_said_of_tokens_is_about_another_quota() {
        assert_eq!(
            told(&[
                ("x-ratelimit-limit-tokens", "150000"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "6m0s"),
            ]),
            None
        );
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(which in 0..3_usize, value in "[ -~]{0,24}") {
            let mut headers = requests("60", "1", "1s");
            headers[which].1 = &value;
            let _ = told(&headers);
        }
    }
}
