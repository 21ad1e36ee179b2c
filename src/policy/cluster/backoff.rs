//! When to ask again after a failure.

use std::time::Duration;

use tokio::time::Instant;

/// The first window of a sidecar that has had no answer yet: its pod waits for it.
const IMPATIENT: Duration = Duration::from_millis(500);

/// Failures in a row are forgotten when a connection has served for so long.
const FORGIVEN_AFTER: Duration = Duration::from_secs(120);

/// Waits drawn evenly from a window that doubles with every failure in a row ("full jitter": Brooker, "Exponential
/// Backoff And Jitter", AWS Architecture Blog, 2015).
#[derive(Debug)]
pub(super) struct Backoff {
    spread: Duration,
    max: Duration,
    window: Duration,
    served_since: Option<Instant>,
}

impl Backoff {
    /// `spread` is the first window after a connection that served, `max` the longest.
    pub(super) fn new(spread: Duration, max: Duration) -> Self {
        Self { spread, max, window: IMPATIENT.min(spread), served_since: None }
    }

    /// Notes that the API server answers.
    pub(super) fn served(&mut self) {
        self.served_since.get_or_insert_with(Instant::now);
    }

    /// How long to wait after the failure that just came.
    pub(super) fn failed(&mut self) -> Duration {
        if let Some(since) = self.served_since.take() {
            let forgiven = Instant::now().duration_since(since) >= FORGIVEN_AFTER;
            self.window = if forgiven { self.spread } else { self.window.max(self.spread) };
        }
        let window = self.window;
        self.window = (window * 2).min(self.max);
        window.mul_f64(fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPREAD: Duration = Duration::from_secs(12);
    const MAX: Duration = Duration::from_secs(60);

    /// The longest of many waits at the same point: close to the window.
    fn longest(prepare: impl Fn(&mut Backoff)) -> Duration {
        let wait = || {
            let mut backoff = Backoff::new(SPREAD, MAX);
            prepare(&mut backoff);
            backoff.failed()
        };
        (0..2_000).map(|_| wait()).max().unwrap_or_default()
    }

    fn is_about(wait: Duration, window: Duration) -> bool {
        (window.mul_f64(0.95)..=window).contains(&wait)
    }

    #[tokio::test(start_paused = true)]
    async fn windows_double_from_half_a_second_to_the_longest_while_nothing_answers() {
        for (failures, seconds) in [(0, 0.5), (1, 1.0), (4, 8.0), (6, 32.0), (7, 60.0), (100, 60.0)] {
            let wait = longest(|backoff| {
                for _ in 0..failures {
                    backoff.failed();
                }
            });
            assert!(is_about(wait, Duration::from_secs_f64(seconds)), "{failures}: {wait:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_connection_that_served_the_waits_are_spread() {
        assert!(is_about(longest(Backoff::served), SPREAD));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_serves_for_a_moment_again_and_again_is_asked_less_and_less() {
        let wait = longest(|backoff| {
            for _ in 0..5 {
                backoff.served();
                backoff.failed();
            }
            backoff.served();
        });
        assert!(is_about(wait, MAX), "{wait:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_served_for_long_clears_the_record() {
        let mut backoff = Backoff::new(SPREAD, MAX);
        for _ in 0..9 {
            backoff.failed();
        }
        backoff.served();
        tokio::time::advance(FORGIVEN_AFTER).await;
        assert!(backoff.failed() <= SPREAD);
        assert!(is_about(backoff.window, SPREAD * 2));
    }
}
