//! The rolling window: an exact log of departures, so that no window holds more than the quota.
//!
//! A request counts from the moment it is granted: first as *reserved*, with no time of
//! its own, then, once it has really departed, with that time. A slow connection therefore
//! never makes a departure look older than the upstream sees it.

use std::collections::VecDeque;

use super::clock::Nanos;

/// The log gives memory back when it holds this many places and three quarters of the rest unused.
const SLACK: usize = 1024;
/// As many departures as the settings let one window hold are remembered, however long ago.
const MOST_REMEMBERED: usize = 1_000_000;

/// Departures of the last window, oldest first, and the ones about to happen.
#[derive(Debug)]
pub(super) struct RollingWindow {
    /// Window and margin together.
    span: Nanos,
    quota: u32,
    /// The longest span that was ever in force: an edit back to it must find its departures.
    longest: Nanos,
    departed: VecDeque<Nanos>,
    /// How many of `departed` have left the window and are only remembered.
    left: usize,
    reserved: usize,
}

impl RollingWindow {
    pub(super) fn new(span: Nanos, quota: u32) -> Self {
        Self { span, quota, longest: span, departed: VecDeque::new(), left: 0, reserved: 0 }
    }

    /// Changes length and quota; what has departed stays, as far back as any earlier window reached.
    pub(super) fn reconfigure(&mut self, span: Nanos, quota: u32, now: Nanos) {
        self.quota = quota;
        if span == self.span {
            return;
        }
        self.span = span;
        self.longest = self.longest.max(span);
        self.left = self.departed.partition_point(|departed| departed.saturating_add(span) <= now);
    }

    /// Lets go of what has left the window.
    pub(super) fn prune(&mut self, now: Nanos) {
        let gone =
            |departed: Option<&Nanos>, span: Nanos| departed.is_some_and(|at| at.saturating_add(span) <= now);
        while gone(self.departed.get(self.left), self.span) {
            self.left += 1;
        }
        while self.left > 0
            && (gone(self.departed.front(), self.longest) || self.departed.len() > MOST_REMEMBERED)
        {
            self.departed.pop_front();
            self.left -= 1;
        }
        if self.departed.capacity() > 4 * self.departed.len() + SLACK {
            self.departed.shrink_to(2 * self.departed.len());
        }
    }

    /// Keeps a place for a departure that is about to happen.
    pub(super) fn reserve(&mut self) {
        self.reserved += 1;
    }

    /// Gives a reserved place back.
    pub(super) fn release(&mut self) {
        self.reserved = self.reserved.saturating_sub(1);
    }

    /// Turns a reserved place into a departure. `now` must not be earlier than any before.
    pub(super) fn depart(&mut self, now: Nanos) {
        self.release();
        self.departed.push_back(now);
    }

    /// When the `index`-th next departure (from 0) finds a place, if each happens as soon as
    /// it may; `None` while that hangs on a departure that has only been reserved.
    ///
    /// Departure `index` needs the entry `quota` places before it to have left; for an index
    /// beyond one quota that entry is itself a later departure, a whole span after its own.
    pub(super) fn free_at(&self, index: u64, now: Nanos) -> Option<Nanos> {
        let quota = u64::from(self.quota);
        let laps = self.span.saturating_mul(index / quota);
        let position = (self.used() + index % quota).checked_sub(quota);
        let first = match position {
            None => now,
            Some(position) => {
                let position = self.left.saturating_add(usize::try_from(position).unwrap_or(usize::MAX));
                self.departed.get(position)?.saturating_add(self.span).max(now)
            }
        };
        Some(first.saturating_add(laps))
    }

    /// How many may depart now.
    pub(super) fn free(&self) -> u64 {
        u64::from(self.quota).saturating_sub(self.used())
    }

    /// Departures in the window, the reserved ones included.
    pub(super) fn used(&self) -> u64 {
        (self.departed.len() - self.left + self.reserved) as u64
    }

    /// Departures that are about to happen.
    pub(super) fn reserved(&self) -> u64 {
        self.reserved as u64
    }

    pub(super) fn quota(&self) -> u32 {
        self.quota
    }

    pub(super) fn span(&self) -> Nanos {
        self.span
    }

    /// Time until nothing is left in the window, if nothing else departs.
    pub(super) fn empty_in(&self, now: Nanos) -> Nanos {
        if self.reserved > 0 {
            return self.span;
        }
        self.departed.back().map_or(0, |last| last.saturating_add(self.span).saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_window(departures: &[Nanos]) -> RollingWindow {
        let mut window = RollingWindow::new(100, 3);
        for at in departures {
            window.reserve();
            window.depart(*at);
        }
        window
    }

    #[test]
    fn a_full_window_frees_one_place_as_its_oldest_departure_leaves() {
        let mut window = mk_window(&[0, 10, 20]);
        assert_eq!(window.free_at(0, 30), Some(100));
        assert_eq!(window.free_at(2, 30), Some(120));
        assert_eq!(window.free_at(3, 30), Some(200), "one lap later");
        window.prune(100);
        assert_eq!((window.used(), window.free_at(0, 100)), (2, Some(100)));
    }

    #[test]
    fn an_edit_to_a_shorter_window_and_back_forgets_nothing() {
        let mut window = mk_window(&[0, 10, 20]);
        window.reconfigure(5, 3, 30);
        window.prune(30);
        assert_eq!((window.used(), window.free_at(0, 30)), (0, Some(30)));
        window.reconfigure(100, 3, 40);
        assert_eq!((window.used(), window.free_at(0, 40)), (3, Some(100)));
    }

    #[test]
    fn an_overfull_window_frees_nothing_until_it_is_below_its_quota() {
        let window = mk_window(&[0, 10, 20, 30, 40]);
        assert_eq!(window.free_at(0, 40), Some(120));
    }

    #[test]
    fn a_reserved_place_counts_and_has_no_end() {
        let mut window = mk_window(&[0, 10]);
        window.reserve();
        assert_eq!(window.free_at(0, 20), Some(100));
        assert_eq!(window.free_at(2, 20), None);
        assert_eq!(window.empty_in(20), 100);
        window.release();
        assert_eq!(window.free_at(0, 20), Some(20));
        assert_eq!(window.empty_in(20), 90);
    }

    #[test]
    fn no_more_departures_are_remembered_than_one_window_may_hold() {
        let mut window = RollingWindow::new(Nanos::MAX, 3);
        window.reconfigure(1, 3, 0);
        let more_than_one_window = MOST_REMEMBERED as u64 + 10;
        for at in 0..more_than_one_window {
            window.reserve();
            window.depart(at);
        }
        window.prune(more_than_one_window);
        assert_eq!((window.used(), window.departed.len()), (0, MOST_REMEMBERED));
    }

    #[test]
    fn the_log_of_a_busy_window_gives_its_memory_back() {
        let mut window = mk_window(&vec![0; 100_000]);
        window.prune(100);
        assert!(window.departed.capacity() <= SLACK, "{}", window.departed.capacity());
    }
}
