//! How long an upstream asks to be left alone, in every form seen in the wild.
//!
//! `retry-after-ms`, then `retry-after` in seconds (whole or not) or as an HTTP date; for a quota
//! 429, then the time an exhausted `x-ratelimit-*` budget comes back. No other answer is about the
//! quota, whatever its `x-ratelimit-*` headers say: gateways put them on every answer, and the
//! reset is the time to a *full* budget. Whatever does not parse is as if it were not there.

use std::time::Duration;

use http::HeaderMap;

/// Longer pauses are cut to this: no client waits that long, and a mistaken header must not close the gate for hours.
pub(super) const LONGEST: Duration = Duration::from_secs(300);

/// Numbers above this many seconds are moments since 1970, not spans (it was 2001 then).
const EPOCH_FROM: f64 = 1e9;

/// Numbers above this are such moments in milliseconds.
const EPOCH_MILLIS_FROM: f64 = 1e12;

/// The budgets whose `x-ratelimit-remaining-*` and `x-ratelimit-reset-*` are understood.
const BUDGETS: [(&str, &str); 3] = [
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
];

/// When a budget is whole again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    /// So long after the request that was told so.
    After(Duration),
    /// A moment, so far from now.
    In(Duration),
}

impl Reset {
    /// How long after the departure of the request, which was answered `took` later.
    pub(super) fn after_departure(self, took: Duration) -> Duration {
        match self {
            Self::After(span) => span,
            Self::In(span) => span.saturating_add(took),
        }
    }

    fn span(self) -> Duration {
        match self {
            Self::After(span) | Self::In(span) => span,
        }
    }
}

/// How long the upstream asked to be left alone, at most [`LONGEST`].
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let asked = text(headers, "retry-after-ms").and_then(|millis| span(millis, 1e-3)).or_else(|| {
        let value = text(headers, "retry-after")?;
        span(value, 1.0).or_else(|| until(value, headers))
    });
    asked.map(|asked| asked.min(LONGEST))
}

/// The same for a quota 429, which may name an exhausted budget instead. Its reset is believed
/// for at most `window`: by then the limiter's own window has emptied.
pub(super) fn retry_after_quota(headers: &HeaderMap, window: Duration) -> Option<Duration> {
    let reset = || BUDGETS.into_iter().filter_map(|budget| budget_reset(headers, budget)).max();
    retry_after(headers).or_else(|| reset().map(|reset| reset.min(window).min(LONGEST)))
}

/// The value of a header, if it is text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// When a budget that is used up comes back; one that is not known to be used up says nothing.
fn budget_reset(headers: &HeaderMap, (remaining, reset): (&str, &str)) -> Option<Duration> {
    let left: f64 = text(headers, remaining)?.parse().ok()?;
    Some(reset_of(text(headers, reset).filter(|_| left <= 0.0)?, headers)?.span())
}

/// A reset that is told as a duration, as seconds, as a moment since 1970 or as a date.
pub(super) fn reset_of(reset: &str, headers: &HeaderMap) -> Option<Reset> {
    let at = |seconds| Some(Reset::In(since_epoch(seconds)?.saturating_sub(since_epoch_now(headers))));
    match reset.parse::<f64>() {
        Ok(number) if number >= EPOCH_MILLIS_FROM => at(number / 1e3),
        Ok(number) if number >= EPOCH_FROM => at(number),
        Ok(_) => span(reset, 1.0).map(Reset::After),
        Err(_) => go_duration(reset).map(Reset::After).or_else(|| until(reset, headers).map(Reset::In)),
    }
}

/// A number that is not negative, in units of `unit` seconds.
fn span(number: &str, unit: f64) -> Option<Duration> {
    let number: f64 = number.parse().ok()?;
    let usable = number.is_finite() && number >= 0.0;
    usable.then(|| Duration::try_from_secs_f64(number * unit).unwrap_or(LONGEST))
}

/// Time until an HTTP date, by the upstream's own clock where it sent one; zero if it is past.
fn until(date: &str, headers: &HeaderMap) -> Option<Duration> {
    let at = httpdate::parse_http_date(date).ok()?;
    let now = their_clock(headers).unwrap_or_else(wall_clock);
    Some(at.duration_since(now).unwrap_or_default())
}

/// When the upstream says that it answered.
#[expect(clippy::disallowed_types, reason = "a date header is a moment on the wall clock")]
fn their_clock(headers: &HeaderMap) -> Option<std::time::SystemTime> {
    httpdate::parse_http_date(text(headers, "date")?).ok()
}

#[expect(clippy::disallowed_types, reason = "a date header is a moment on the wall clock")]
fn wall_clock() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

#[expect(clippy::disallowed_types, reason = "a date header is a moment on the wall clock")]
fn since_epoch_now(headers: &HeaderMap) -> Duration {
    let now = their_clock(headers).unwrap_or_else(wall_clock);
    now.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn since_epoch(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

/// A duration as Go prints it: `12ms`, `1s`, `6m0s`, `1h2m3.5s`.
fn go_duration(mut text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    if text.is_empty() {
        return None;
    }
    while !text.is_empty() {
        let number = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, rest) = text.split_at(number);
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(unit);
        let unit = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total = total.saturating_add(span(number, unit)?);
        text = rest;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn mk_headers(headers: &[(&'static str, &str)]) -> HeaderMap {
        headers.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn asked(headers: &[(&'static str, &str)]) -> Option<Duration> {
        let headers = mk_headers(headers);
        let asked = retry_after(&headers);
        assert!(asked.is_none() || asked == retry_after_quota(&headers, WINDOW));
        asked
    }

    fn quota(headers: &[(&'static str, &str)]) -> Option<Duration> {
        retry_after_quota(&mk_headers(headers), WINDOW)
    }

    #[expect(clippy::unnecessary_wraps, reason = "reads well in the tables below")]
    fn millis(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    #[test]
    fn milliseconds_come_before_seconds() {
        assert_eq!(asked(&[("retry-after-ms", "1500"), ("retry-after", "9")]), millis(1500));
        assert_eq!(asked(&[("retry-after-ms", "12.5")]), Some(Duration::from_micros(12_500)));
    }

    #[test]
    fn seconds_may_be_whole_or_not() {
        assert_eq!(asked(&[("retry-after", "7")]), millis(7_000));
        assert_eq!(asked(&[("retry-after", " 0.5 ")]), millis(500));
        assert_eq!(asked(&[("retry-after", "0")]), millis(0));
    }

    #[test]
    fn dates_are_read_by_the_upstreams_own_clock() {
        let date = ("date", "Fri, 20 Nov 2026 10:00:00 GMT");
        assert_eq!(asked(&[date, ("retry-after", "Fri, 20 Nov 2026 10:00:30 GMT")]), millis(30_000));
        assert_eq!(asked(&[date, ("retry-after", "Fri, 20 Nov 2026 09:00:00 GMT")]), millis(0));
    }

    #[test]
    fn a_date_without_a_clock_of_theirs_is_read_by_ours() {
        assert_eq!(asked(&[("retry-after", "Fri, 20 Nov 2099 10:00:00 GMT")]), Some(LONGEST));
        assert_eq!(asked(&[("retry-after", "Sat, 20 Nov 1999 10:00:00 GMT")]), millis(0));
    }

    #[test]
    fn garbage_is_ignored_and_the_next_form_is_tried() {
        for garbage in ["", "soon", "-1", "NaN", "inf", "1 2", "5s"] {
            assert_eq!(asked(&[("retry-after", garbage)]), None, "{garbage}");
            assert_eq!(asked(&[("retry-after-ms", garbage), ("retry-after", "3")]), millis(3_000));
            let spent = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "2s")];
            assert_eq!(quota(&[spent[0], spent[1], ("retry-after", garbage)]), millis(2_000));
        }
    }

    #[test]
    fn an_exhausted_budget_says_when_it_is_back() {
        for (reset, expected) in [
            ("12ms", millis(12)),
            ("1s", millis(1_000)),
            ("0m30s", millis(30_000)),
            ("0h0m3.5s", millis(3_500)),
            ("20", millis(20_000)),
            ("6m0s", Some(WINDOW)),
            ("1h", Some(WINDOW)),
            ("soon", None),
            ("m", None),
            ("5", millis(5_000)),
            ("1000000001", millis(0)),
            ("4102444800", Some(WINDOW)),
            ("4102444800000", Some(WINDOW)),
        ] {
            let spent = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", reset)];
            assert_eq!(quota(&spent), expected, "{reset}");
            assert_eq!(asked(&spent), None, "it says nothing but about the quota");
        }
    }

    #[test]
    fn moments_since_1970_are_read_by_the_upstreams_own_clock() {
        let spent = ("x-ratelimit-remaining-requests", "0");
        let date = ("date", "Sun, 09 Sep 2001 01:46:45 GMT");
        for reset in ["1000000010", "1000000010000"] {
            let headers = [spent, date, ("x-ratelimit-reset-requests", reset)];
            assert_eq!(quota(&headers), millis(5_000), "{reset}");
        }
    }

    #[test]
    fn a_budget_with_something_left_is_not_the_reason() {
        let headers = [
            ("x-ratelimit-remaining-requests", "39"),
            ("x-ratelimit-reset-requests", "60s"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "6s"),
        ];
        assert_eq!(quota(&headers), millis(6_000));
        assert_eq!(quota(&headers[..2]), None);
        assert_eq!(quota(&headers[3..]), None, "nobody said that nothing is left");
    }

    #[test]
    fn hours_are_cut() {
        assert_eq!(asked(&[("retry-after", "7200")]), Some(LONGEST));
        assert_eq!(asked(&[("retry-after-ms", "1e300")]), Some(LONGEST));
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_a_pause_longer_than_the_longest(which in 0..3_usize, value in "[ -~]{0,24}") {
            let name = ["retry-after-ms", "retry-after", "x-ratelimit-reset-requests"][which];
            let headers = [(name, value.as_str()), ("x-ratelimit-remaining-requests", "0")];
            proptest::prop_assert!(quota(&headers).is_none_or(|pause| pause <= LONGEST));
        }
    }
}
