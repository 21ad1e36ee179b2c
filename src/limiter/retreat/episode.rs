//! An episode: from the first refusal to the first request served after it.

use super::super::clock::Nanos;
use super::Sent;
use super::history::{Counts, History, Scale};

/// What one episode of refusals showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Episode {
    /// When the first refusal came.
    pub(super) opened: Nanos,
    /// Refusals that were news.
    pub(super) refusals: u32,
    /// The lowest counts at which one was refused.
    pub(super) counts: Counts,
    /// The window's count at the first of them.
    pub(super) first_count: u32,
    /// What had been granted within a sixth of the window.
    pub(super) recent: u32,
    /// Whether that looks like too much at once, rather than too much in all.
    pub(super) burst: bool,
}

impl Episode {
    /// The first refusal, of a departure that is not yet taken back from the history. `pace` is the
    /// time between two departures.
    ///
    /// Too much at once is either half as much again as the pace brings in a sixth of the window,
    /// or the last departures closer than half the pace.
    pub(super) fn new(sent: &Sent, history: &History, pace: Nanos, now: Nanos) -> Self {
        let (recent, sixth) = (history.counts().get(Scale::SIXTH), history.length(Scale::SIXTH));
        let crowded = u64::from(recent) > 2 + sixth * 3 / 2 / pace.max(1);
        let spread = history.spread(sent.serial, 3);
        let tight = recent >= 3 && spread.is_some_and(|spread| spread < pace * 3 / 2);
        Self {
            opened: now,
            refusals: 1,
            counts: sent.counts,
            first_count: sent.counts.get(Scale::WINDOW),
            recent,
            burst: crowded || tight,
        }
    }

    /// Another refusal, at these counts.
    pub(super) fn refused(&mut self, counts: &Counts) {
        self.refusals += 1;
        self.counts = self.counts.min(counts);
    }
}
