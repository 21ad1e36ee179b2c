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
    /// What had left within a sixth of the window and not been refused before, this one included.
    pub(super) recent: u32,
    /// Whether the upstream named the time to come back with each of them.
    pub(super) named: bool,
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
            named: true,
            burst: crowded || tight,
        }
    }

    /// Another refusal, at these counts.
    pub(super) fn refused(&mut self, counts: &Counts) {
        self.refusals += 1;
        self.counts = self.counts.min(counts);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::SECOND;
    use super::*;

    /// A send refused after `sends` of these gaps, in milliseconds, at a pace of one in 1.5 s.
    fn mk_episode(sends: u64, gap: u64) -> Episode {
        mk_episode_after(0, sends, gap)
    }

    /// The same where the first ones had been refused as well.
    fn mk_episode_after(refused: u64, sends: u64, gap: u64) -> Episode {
        let mut history = History::new(60 * SECOND);
        for send in 0..=sends {
            history.prune(send * gap * SECOND / 1_000);
            history.record(send * gap * SECOND / 1_000);
        }
        (0..refused).for_each(|serial| history.refuse(serial));
        let (serial, now) = (sends, sends * gap * SECOND / 1_000);
        let sent = Sent { serial, at: now, counts: history.counts(), held_back: false, bound_by: None };
        Episode::new(&sent, &history, 3 * SECOND / 2, now)
    }

    #[test]
    fn half_as_much_again_as_the_pace_brings_is_a_burst() {
        // Ten in a sixth of the window, and two that are always free.
        for (gap, recent, burst) in [(834, 12, false), (770, 13, true)] {
            let episode = mk_episode(40, gap);
            assert_eq!((episode.recent, episode.burst), (recent, burst), "every {gap} ms");
        }
    }

    #[test]
    fn the_last_sends_closer_than_half_the_pace_are_a_burst() {
        for (sends, gap, burst) in [(3, 749, true), (3, 750, false), (2, 100, false)] {
            assert_eq!(mk_episode(sends, gap).burst, burst, "{sends} and one, every {gap} ms");
        }
    }

    #[test]
    fn what_had_been_refused_before_makes_no_burst() {
        for (refused, recent, burst) in [(0, 4, true), (1, 3, true), (2, 2, false)] {
            let episode = mk_episode_after(refused, 3, 100);
            assert_eq!((episode.recent, episode.first_count), (recent, recent), "{refused} refused");
            assert_eq!(episode.burst, burst, "{refused} refused");
        }
    }
}
