//! Until when waiting for a place makes sense.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

/// How long before the client's own timer our answer leaves, so that the client reads a
/// refusal with advice in it and not its own time-out.
const CLIENT_MARGIN: Duration = Duration::from_millis(250);

/// How long Python's SDK waits for a byte of the answer, in seconds: its clock starts when it has sent the body.
const READ_TIMEOUT: &str = "x-stainless-read-timeout";

/// How long Node's SDK waits for the answer, in seconds: its clock starts with the request.
const TIMEOUT: &str = "x-stainless-timeout";

/// A client's time-out longer than a day means nothing here, and keeps additions to an `Instant` safe.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// When a request came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    /// Its head.
    pub(super) arrived: Instant,
    /// The end of its body; it waits in the queue from here on.
    pub(super) whole: Instant,
}

/// The end of the lane's longest wait or of the client's own, whichever comes first.
pub(super) fn deadline(came: Came, max_wait: Duration, headers: &HeaderMap) -> Instant {
    let until = |from, name| Some(from + less_margin(seconds(headers, name)?));
    let client = [until(came.whole, READ_TIMEOUT), until(came.arrived, TIMEOUT)];
    client.into_iter().flatten().fold(came.whole + max_wait, Instant::min)
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

    /// How long a request waits whose body took `upload` to arrive.
    fn wait_after(upload: Duration, headers: &[(&'static str, &str)]) -> Duration {
        let headers =
            headers.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let arrived = Instant::now();
        let whole = arrived + upload;
        deadline(Came { arrived, whole }, MAX_WAIT, &headers) - whole
    }

    fn wait(headers: &[(&'static str, &str)]) -> Duration {
        wait_after(Duration::ZERO, headers)
    }

    #[test]
    fn an_upload_counts_only_where_the_clients_own_clock_counts_it() {
        let upload = Duration::from_secs(30);
        assert_eq!(wait_after(upload, &[]), MAX_WAIT);
        assert_eq!(wait_after(upload, &[("x-stainless-read-timeout", "10")]), Duration::from_millis(9_750));
        assert_eq!(wait_after(upload, &[("x-stainless-timeout", "40")]), Duration::from_millis(9_750));
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
