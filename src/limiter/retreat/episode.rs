//! An episode: from the first refusal to the first request served after it.

use super::super::clock::Nanos;
use super::history::Counts;

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
    /// Another refusal, at these counts.
    pub(super) fn refused(&mut self, counts: &Counts) {
        self.refusals += 1;
        self.counts = self.counts.min(counts);
    }
}
