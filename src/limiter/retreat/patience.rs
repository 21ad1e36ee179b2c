//! How a refusal is waited out: long enough that the next attempt has a chance.

use super::super::clock::Nanos;
use super::history::Scale;
use super::rules::{BACKOFF, RELEASE_MARGIN, RELEASE_WAIT, RELEASE_WAIT_KNOWN, STUBBORN};
use super::{Retreat, Sent};

/// How a refusal is to be waited out.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Patience {
    /// The first back-off.
    pub(in super::super) pace: Nanos,
    pub(in super::super) backoff_max: Nanos,
    /// The refusal in a row from which a `Retry-After` alone is not believed.
    pub(in super::super) doubts_after: Option<u32>,
    /// Nothing will be granted before this.
    pub(in super::super) not_before: Nanos,
}

impl Retreat {
    /// The patience after a refusal that is the `refusals`-th in a row, and was `expected` on that scale.
    pub(super) fn patience(
        &self,
        refusals: u32,
        expected: Option<Scale>,
        sent: &Sent,
        now: Nanos,
    ) -> Patience {
        let quota = self.quota();
        let pace = self.rules.span / u64::from(quota);
        if !self.rules.enabled {
            return Patience { pace, backoff_max: BACKOFF.0, doubts_after: None, not_before: 0 };
        }
        let first = self.episode.map_or(sent.counts.get(Scale::WINDOW), |episode| episode.first_count);
        let granted = self.rules.span / u64::from(first.clamp(1, quota));
        let (scale, wait) = match expected {
            Some(scale) => (scale, RELEASE_WAIT_KNOWN >> self.doubt.limits()),
            None if refusals >= STUBBORN => (Scale::EVERY, RELEASE_WAIT),
            None => (Scale::EVERY, 0),
        };
        let release = self.history.next_release(scale).filter(|_| wait > 0);
        Patience {
            pace,
            backoff_max: (granted * 2).clamp(BACKOFF.0, BACKOFF.1),
            doubts_after: Some(STUBBORN),
            not_before: release.map_or(0, |at| at.saturating_add(RELEASE_MARGIN).min(now + wait)),
        }
    }
}

#[cfg(test)]
mod tests;
