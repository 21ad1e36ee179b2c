//! Why nothing newer can be had, and how often that is told.

use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::PolicyState;

/// Why nothing newer can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standstill {
    /// The policy that was followed is gone.
    Deleted,
    /// There is no such policy.
    NotFound,
    /// The API server does not let it be read.
    Forbidden,
    /// The API server does not answer, or not with sense.
    Unreachable,
}

impl Standstill {
    /// The state this is shown as.
    pub(super) const fn state(self) -> PolicyState {
        match self {
            Self::Deleted => PolicyState::Deleted,
            Self::NotFound => PolicyState::NotFound,
            Self::Forbidden => PolicyState::Forbidden,
            Self::Unreachable => PolicyState::Unreachable,
        }
    }

    /// The beginning of its log line.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Deleted => "policy deleted",
            Self::NotFound => "no such policy",
            Self::Forbidden => "not allowed to read the policy",
            Self::Unreachable => "the API server cannot be asked for the policy",
        }
    }
}

/// A standstill that lasts, or that comes and goes, is told this often.
const REMIND_AFTER: Duration = Duration::from_secs(600);

/// Which standstills were told when, so that a retry every few seconds does not fill the log.
#[derive(Debug, Default)]
pub(super) struct Told {
    reasons: Vec<(Standstill, Instant)>,
    /// The last one that was told has not been followed by "it works again".
    open: bool,
}

impl Told {
    /// Whether this is worth a line now.
    pub(super) fn is_due(&mut self, why: Standstill) -> bool {
        let now = Instant::now();
        self.reasons.retain(|(_, at)| now.duration_since(*at) < REMIND_AFTER);
        let is_due = self.reasons.iter().all(|(told, _)| *told != why);
        if is_due {
            self.reasons.push((why, now));
            self.open = true;
        }
        is_due
    }

    /// Whether its end is worth a line: where its beginning was.
    pub(super) fn recovered(&mut self) -> bool {
        std::mem::take(&mut self.open)
    }

    /// Forgets everything: a new policy is a new story.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_standstill_that_comes_and_goes_is_told_once_in_ten_minutes() {
        let mut log = Told::default();
        assert!(!log.recovered(), "nothing has been wrong");
        assert!(log.is_due(Standstill::Forbidden) && log.recovered());
        for _ in 0..59 {
            tokio::time::advance(Duration::from_secs(10)).await;
            assert!(!log.is_due(Standstill::Forbidden) && !log.recovered());
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(log.is_due(Standstill::Forbidden) && log.recovered());
    }

    #[tokio::test(start_paused = true)]
    async fn another_reason_and_one_after_a_new_policy_are_told_at_once() {
        let mut log = Told::default();
        assert!(log.is_due(Standstill::Forbidden));
        assert!(log.is_due(Standstill::Unreachable));
        log.clear();
        assert!(log.is_due(Standstill::Forbidden));
    }
}
