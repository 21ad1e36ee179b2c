//! Models whose workers were all busy a moment ago.
//!
//! That says nothing about the quota, so neither the pace nor the limiter's gate moves: requests for other models
//! pass as before. But a request sent to the same workers at once would find them busy too, and cost a place in the
//! window. So the next request of that model waits until they may be asked again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A model that is told to be busy for longer is asked again after this: many requests wait for one answer's word.
const LONGEST: Duration = Duration::from_secs(10);

/// No more models are remembered, and none with a longer name: the application chooses both. A model that finds no
/// place is not held back.
const MOST_MODELS: usize = 256;
const LONGEST_NAME: usize = 256;

/// When each busy model may be asked again.
#[derive(Debug, Default)]
pub(super) struct ModelGates {
    open_at: Mutex<HashMap<String, Instant>>,
}

impl ModelGates {
    /// The workers of `model` were busy and are to be left alone for `pause`. A shorter pause than the one that
    /// holds changes nothing.
    pub(super) fn close(&self, model: &str, pause: Duration) {
        let now = Instant::now();
        let until = now + pause.min(LONGEST);
        let mut open_at = self.lock();
        open_at.retain(|_, at| *at > now);
        if let Some(at) = open_at.get_mut(model) {
            *at = until.max(*at);
        } else if open_at.len() < MOST_MODELS && model.len() <= LONGEST_NAME {
            open_at.insert(model.to_owned(), until);
        }
    }

    /// How long the workers of `model` are still to be left alone; `None` when they may be asked.
    pub(super) fn closed_for(&self, model: &str) -> Option<Duration> {
        let left = self.lock().get(model)?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.open_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_busy_model_is_left_alone_for_its_pause_and_no_other_is() {
        let gates = ModelGates::default();
        gates.close("busy", 3 * SECOND);
        assert_eq!((gates.closed_for("busy"), gates.closed_for("other")), (Some(3 * SECOND), None));
        advance(3 * SECOND).await;
        assert_eq!(gates.closed_for("busy"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn of_several_pauses_the_longest_holds_up_to_a_bound() {
        let gates = ModelGates::default();
        gates.close("busy", 3 * SECOND);
        gates.close("busy", SECOND);
        assert_eq!(gates.closed_for("busy"), Some(3 * SECOND));
        gates.close("busy", 3_600 * SECOND);
        assert_eq!(gates.closed_for("busy"), Some(LONGEST));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded_and_forgotten_in_time() {
        let gates = ModelGates::default();
        gates.close(&"x".repeat(LONGEST_NAME + 1), SECOND);
        assert_eq!(gates.lock().len(), 0);
        for model in 0..2 * MOST_MODELS {
            gates.close(&model.to_string(), SECOND);
        }
        assert_eq!(gates.lock().len(), MOST_MODELS);
        advance(SECOND).await;
        gates.close("late", SECOND);
        assert_eq!(gates.lock().len(), 1, "the others have ended");
    }
}
