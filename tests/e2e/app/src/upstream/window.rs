//! How many requests a minute are accepted.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(60);

/// The requests accepted in the minute that ends now.
#[derive(Debug, Default)]
pub(super) struct Window {
    accepted: VecDeque<Instant>,
}

impl Window {
    /// Counts a request in, unless that would make more than `quota` in this minute. A refused one costs nothing.
    pub(super) fn admit(&mut self, now: Instant, quota: usize) -> bool {
        while self.accepted.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
            self.accepted.pop_front();
        }
        let room = self.accepted.len() < quota;
        if room {
            self.accepted.push_back(now);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a window of `quota` says to requests at these milliseconds.
    fn admits(quota: usize, at: &[u64]) -> Vec<bool> {
        let (mut window, start) = (Window::default(), Instant::now());
        at.iter().map(|at| window.admit(start + Duration::from_millis(*at), quota)).collect()
    }

    #[test]
    fn a_minute_has_room_for_the_quota_wherever_it_begins() {
        assert_eq!(admits(2, &[0, 30_000, 59_999, 60_000, 60_001]), [true, true, false, true, false]);
    }

    #[test]
    fn a_refused_request_uses_up_nothing() {
        assert_eq!(admits(1, &[0, 59_000, 60_000]), [true, false, true]);
    }

    #[test]
    fn a_quota_of_none_refuses_everything() {
        assert_eq!(admits(0, &[0, 90_000]), [false, false]);
    }
}
