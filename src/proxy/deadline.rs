//! Until when waiting for a place makes sense.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

/// How long before the client's own timer our answer leaves, so that the client reads a
/// refusal with advice in it and not its own time-out.
const CLIENT_MARGIN: Duration = Duration::from_millis(250);

/// Seconds the official SDKs are willing to wait: Python sends the first, Node the second.
const CLIENT_TIMEOUTS: [&str; 2] = ["x-stainless-read-timeout", "x-stainless-timeout"];

/// A client's time-out longer than a day means nothing here, and keeps additions to an `Instant` safe.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Arrival plus the lane's longest wait or the client's own time-out, whichever is shorter.
pub(super) fn deadline(arrived: Instant, max_wait: Duration, headers: &HeaderMap) -> Instant {
    let client = CLIENT_TIMEOUTS.into_iter().filter_map(|name| seconds(headers, name)).min();
    arrived + client.map_or(max_wait, |timeout| max_wait.min(less_margin(timeout)))
}

/// The time-out without the margin, which is never more than a quarter of a short time-out.
fn less_margin(timeout: Duration) -> Duration {
    timeout.saturating_sub(CLIENT_MARGIN.min(timeout / 4))
}

/// A positive number of seconds; anything else is as if the header were not there.
fn seconds(headers: &HeaderMap, name: &str) -> Option<Duration> {
    let seconds: f64 = headers.get(name)?.to_str().ok()?.trim().parse().ok()?;
    let usable = seconds.is_finite() && seconds > 0.0;
    usable.then(|| Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_WAIT: Duration = Duration::from_secs(60);

    fn wait(headers: &[(&'static str, &str)]) -> Duration {
        let headers =
            headers.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let now = Instant::now();
        deadline(now, MAX_WAIT, &headers) - now
    }

    #[test]
    fn a_client_that_says_nothing_waits_as_long_as_the_lane_allows() {
        assert_eq!(wait(&[]), MAX_WAIT);
    }

    #[test]
    fn a_shorter_client_timeout_wins_less_a_margin() {
        assert_eq!(wait(&[("x-stainless-read-timeout", "10")]), Duration::from_millis(9_750));
        assert_eq!(wait(&[("x-stainless-timeout", "2.5")]), Duration::from_millis(2_250));
        assert_eq!(wait(&[("x-stainless-timeout", "0.4")]), Duration::from_millis(300));
        assert_eq!(
            wait(&[("x-stainless-timeout", "20"), ("x-stainless-read-timeout", "10")]),
            Duration::from_millis(9_750)
        );
    }

    #[test]
    fn a_longer_client_timeout_changes_nothing() {
        assert_eq!(wait(&[("x-stainless-read-timeout", "600.0")]), MAX_WAIT);
        assert_eq!(wait(&[("x-stainless-read-timeout", "1e300")]), MAX_WAIT);
    }

    #[test]
    fn garbage_zero_and_negative_timeouts_are_ignored() {
        for value in ["", "soon", "0", "-5", "NaN", "inf", "-inf", "10s"] {
            assert_eq!(wait(&[("x-stainless-read-timeout", value)]), MAX_WAIT, "{value}");
        }
    }
}
