//! The headers of the contract with the application: how fast it may go, and when to come back.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use super::exchange::millis;
use crate::limiter::{Budget, Priority};

/// Where a request says how urgent it is. Ours: not forwarded.
pub(super) const PRIORITY_WANTED: HeaderName = HeaderName::from_static("x-priority");

/// Why the answer is not simply the upstream's.
pub(super) const REASON: HeaderName = HeaderName::from_static("x-pacer-reason");
const QUEUE_WAIT: HeaderName = HeaderName::from_static("x-pacer-queue-wait-ms");
const PRIORITY: HeaderName = HeaderName::from_static("x-pacer-priority");
const QUEUE_POSITION: HeaderName = HeaderName::from_static("x-pacer-queue-position");
const ESTIMATED_WAIT: HeaderName = HeaderName::from_static("x-pacer-estimated-wait-ms");

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");

/// The longest pause every official SDK obeys; they replace a longer one by a guess of their own.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How the names of our own headers begin, [`PRIORITY_WANTED`] apart.
const OURS: &str = "x-pacer-";

/// Removes what others sent under our names, so that whoever reads them reads us.
pub(super) fn strip_ours(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(OURS)).cloned().collect();
    for name in named {
        headers.remove(name);
    }
}

/// The same in memory of their own: hyper's values are parts of the 8 KiB block that they were read into, and
/// would hold it for as long as a request waits.
pub(super) fn unshared(headers: &HeaderMap) -> HeaderMap {
    let mut own = HeaderMap::with_capacity(headers.keys_len());
    for (name, value) in headers {
        let mut copy = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone());
        copy.set_sensitive(value.is_sensitive());
        own.append(name, copy);
    }
    own
}

/// What every answer to a paced request says about the pace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) priority: Priority,
    pub(super) waited: Duration,
    pub(super) budget: Budget,
}

impl Pace {
    /// Adds the pace. If the upstream counts requests itself, its numbers are left alone, all three.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(PRIORITY, HeaderValue::from_static(self.priority.as_str()));
        headers.insert(QUEUE_WAIT, millis(self.waited).into());
        if [LIMIT, REMAINING, RESET].iter().any(|name| headers.contains_key(name)) {
            return;
        }
        headers.insert(LIMIT, self.budget.limit.into());
        headers.insert(REMAINING, self.budget.remaining.into());
        headers.insert(RESET, text(&go_duration(self.budget.reset)));
    }
}

/// Where a refused request stood.
pub(super) fn write_place(headers: &mut HeaderMap, position: usize, estimated_wait: Duration) {
    headers.insert(QUEUE_POSITION, position.into());
    headers.insert(ESTIMATED_WAIT, millis(estimated_wait).into());
}

/// When to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause(Duration);

impl Pause {
    /// What the upstream asked for, cut to what clients obey.
    pub(super) fn exactly(pause: Duration) -> Self {
        Self(pause.min(LONGEST_PAUSE))
    }

    /// Our own estimate and up to a tenth and 100 ms more, so that those refused together do not
    /// come back together.
    pub(super) fn about(pause: Duration) -> Self {
        Self::spread(pause, RandomState::new().hash_one("pause"))
    }

    fn spread(pause: Duration, random: u64) -> Self {
        let pause = pause.min(LONGEST_PAUSE);
        let room = millis(pause) / 10 + 100;
        Self::exactly(pause + Duration::from_millis(random % room))
    }

    /// The pause in whole seconds, as `retry-after` says it.
    pub(super) fn seconds(self) -> u64 {
        self.millis().div_ceil(1_000)
    }

    fn millis(self) -> u64 {
        millis(self.0).max(1)
    }

    /// Both spellings; neither is ever 0, which some clients read as "not said".
    pub(super) fn write(self, headers: &mut HeaderMap) {
        headers.insert(RETRY_AFTER_MS, self.millis().into());
        headers.insert(RETRY_AFTER, self.seconds().into());
    }

    /// As [`Pause::write`], unless the answer says it already.
    pub(super) fn write_if_unsaid(self, headers: &mut HeaderMap) {
        if !headers.contains_key(RETRY_AFTER) && !headers.contains_key(RETRY_AFTER_MS) {
            self.write(headers);
        }
    }
}

/// Tells the SDK whether to try again, which it obeys before everything else.
pub(super) fn write_should_retry(headers: &mut HeaderMap, should_retry: bool) {
    headers.insert(SHOULD_RETRY, HeaderValue::from_static(if should_retry { "true" } else { "false" }));
}

/// A duration as Go prints it, to the millisecond: `12ms`, `1.5s`, `6m0s`.
fn go_duration(span: Duration) -> String {
    let total = millis(span);
    let (minutes, rest) = (total / 60_000, total % 60_000);
    if minutes == 0 && rest < 1_000 {
        return if rest == 0 { "0s".to_owned() } else { format!("{rest}ms") };
    }
    let mut seconds = format!("{}.{:03}", rest / 1_000, rest % 1_000);
    seconds.truncate(seconds.trim_end_matches('0').trim_end_matches('.').len());
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// Digits and letters of our own making are always a header value; the fallback is never met.
fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("0s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unshared_headers_are_equal_and_hold_nothing_of_the_block_they_came_in() {
        let block = bytes::Bytes::from(b"key one two \xff".to_vec());
        let value = |range| HeaderValue::from_maybe_shared(block.slice(range)).unwrap();
        let mut shared = HeaderMap::new();
        let mut key = value(0..3);
        key.set_sensitive(true);
        shared.append("authorization", key);
        for range in [4..7, 8..11, 12..13] {
            shared.append("x-many", value(range));
        }
        let own = unshared(&shared);
        assert_eq!(own, shared);
        assert!(own["authorization"].is_sensitive());
        drop(shared);
        assert!(block.is_unique());
    }

    #[test]
    fn durations_are_spelled_as_go_does() {
        for (millis, expected) in [
            (0, "0s"),
            (12, "12ms"),
            (1_000, "1s"),
            (1_500, "1.5s"),
            (10_000, "10s"),
            (60_000, "1m0s"),
            (360_250, "6m0.25s"),
            (3_600_000, "1h0m0s"),
        ] {
            assert_eq!(go_duration(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn a_pause_is_within_what_clients_obey_and_never_zero() {
        for (millis, random) in [(0, 0), (0, 99), (59_999, u64::MAX), (7_200_000, 12_345)] {
            let mut headers = HeaderMap::new();
            Pause::spread(Duration::from_millis(millis), random).write(&mut headers);
            let number = |name: &HeaderName| headers[name].to_str().unwrap().parse::<u64>().unwrap();
            assert!((1..=60).contains(&number(&RETRY_AFTER)), "{headers:?}");
            assert!((1..=60_000).contains(&number(&RETRY_AFTER_MS)), "{headers:?}");
            assert_eq!(number(&RETRY_AFTER), number(&RETRY_AFTER_MS).div_ceil(1_000));
        }
    }

    #[test]
    fn a_spread_pause_is_never_shorter_than_the_estimate() {
        let pause = Duration::from_secs(10);
        for random in [0, 1, 1_099, 1_100, u64::MAX] {
            let Pause(spread) = Pause::spread(pause, random);
            assert!(spread >= pause && spread < pause + Duration::from_millis(1_100), "{spread:?}");
        }
    }

    #[test]
    fn an_upstream_that_counts_requests_keeps_its_numbers() {
        let pace = Pace {
            priority: Priority::High,
            waited: Duration::from_millis(1_250),
            budget: Budget { limit: 40, remaining: 7, reset: Duration::from_secs(30) },
        };
        let mut ours = HeaderMap::new();
        pace.write(&mut ours);
        assert_eq!((&ours[LIMIT], &ours[REMAINING], &ours[RESET]), (&text("40"), &text("7"), &text("30s")));
        assert_eq!((&ours[PRIORITY], &ours[QUEUE_WAIT]), (&text("high"), &text("1250")));

        let mut theirs = HeaderMap::from_iter([(REMAINING, text("3"))]);
        pace.write(&mut theirs);
        assert_eq!(theirs[REMAINING], "3");
        assert!(!theirs.contains_key(LIMIT));
    }

    #[test]
    fn what_the_upstream_says_about_coming_back_is_kept_in_either_spelling() {
        for name in [RETRY_AFTER, RETRY_AFTER_MS] {
            let theirs = HeaderMap::from_iter([(name, text("7"))]);
            let mut headers = theirs.clone();
            Pause::exactly(Duration::from_secs(20)).write_if_unsaid(&mut headers);
            assert_eq!(headers, theirs);
        }
    }
}
