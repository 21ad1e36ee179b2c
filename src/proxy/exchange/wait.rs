//! How long a request waited for its turns.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

/// How long a request waited for its turns, all together.
#[derive(Debug, Default)]
pub(super) struct Wait {
    /// Nothing unless it waited.
    over: Option<Duration>,
    since: Option<Instant>,
}

impl Wait {
    /// Sees how long `turn` lets it wait, be it to the end or not.
    pub(super) async fn during<T>(&mut self, turn: impl Future<Output = T>) -> T {
        let mut turn = pin!(turn);
        poll_fn(|cx| {
            let polled = turn.as_mut().poll(cx);
            if polled.is_pending() {
                self.since.get_or_insert_with(Instant::now);
            } else {
                self.stop();
            }
            polled
        })
        .await
    }

    /// It waits no longer, if it did.
    pub(super) fn stop(&mut self) {
        if let Some(since) = self.since.take() {
            let before = self.over.unwrap_or_default();
            self.over = Some(before + (Instant::now() - since));
        }
    }

    /// How long it waited until it was last stopped; nothing if every turn came at once.
    pub(super) fn total(&self) -> Option<Duration> {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{sleep, timeout};

    const A_MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn all_waits_count_and_what_lies_between_does_not() {
        let mut wait = Wait::default();
        wait.during(sleep(A_MINUTE)).await;
        sleep(A_MINUTE * 5).await;
        wait.during(sleep(A_MINUTE * 2)).await;
        // Timers are exact to the millisecond.
        assert_eq!(wait.total().unwrap().as_secs(), 180);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_counts_up_to_then() {
        let mut wait = Wait::default();
        assert!(timeout(A_MINUTE, wait.during(std::future::pending::<()>())).await.is_err());
        wait.stop();
        assert_eq!(wait.total().unwrap().as_secs(), 60);
    }

    #[tokio::test]
    async fn a_turn_that_comes_at_once_is_no_wait() {
        let mut wait = Wait::default();
        wait.during(std::future::ready(())).await;
        assert_eq!(wait.total(), None);
    }
}
