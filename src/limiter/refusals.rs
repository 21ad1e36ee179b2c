//! The share of departures that the upstream refused, over a sliding window.

use super::clock::Nanos;
use super::retreat::Share;

/// The window slides in this many steps.
const SLOTS: usize = 60;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Which step of time the counts belong to, plus one; 0 is a slot never used.
    step: u64,
    departed: u32,
    refused: u32,
}

/// Counts departures and refusals in a ring of slots.
#[derive(Debug)]
pub(super) struct RefusalWindow {
    slot_length: Nanos,
    slots: [Slot; SLOTS],
}

impl RefusalWindow {
    pub(super) fn new(window: Nanos) -> Self {
        Self { slot_length: (window / SLOTS as u64).max(1), slots: [Slot::default(); SLOTS] }
    }

    /// Changes the length of the window; a different one starts counting anew.
    pub(super) fn reconfigure(&mut self, window: Nanos) {
        let new = Self::new(window);
        if new.slot_length != self.slot_length {
            *self = new;
        }
    }

    pub(super) fn departed(&mut self, now: Nanos) {
        let slot = self.slot(now);
        slot.departed = slot.departed.saturating_add(1);
    }

    pub(super) fn refused(&mut self, now: Nanos) {
        let slot = self.slot(now);
        slot.refused = slot.refused.saturating_add(1);
    }

    /// Refused over departed, 0 to 1; 0 while nothing has departed.
    pub(super) fn ratio(&self, now: Nanos) -> f64 {
        let Share { refused, departed } = self.share(now);
        let in_thousandths =
            (u64::from(refused) * 1_000).checked_div(u64::from(departed)).unwrap_or(0).min(1_000);
        f64::from(u32::try_from(in_thousandths).unwrap_or(1_000)) / 1_000.0
    }

    /// How many departed, and how many were refused.
    pub(super) fn share(&self, now: Nanos) -> Share {
        let current = now / self.slot_length + 1;
        let inside =
            self.slots.iter().filter(|slot| slot.step + SLOTS as u64 > current && slot.step <= current);
        inside.fold(Share { refused: 0, departed: 0 }, |share, slot| Share {
            refused: share.refused.saturating_add(slot.refused),
            departed: share.departed.saturating_add(slot.departed),
        })
    }

    #[expect(clippy::indexing_slicing, reason = "the index is a remainder of the length")]
    fn slot(&mut self, now: Nanos) -> &mut Slot {
        let step = now / self.slot_length;
        let slot = &mut self.slots[usize::try_from(step).unwrap_or(0) % SLOTS];
        if slot.step != step + 1 {
            *slot = Slot { step: step + 1, ..Slot::default() };
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_counts_what_is_inside_the_window_only() {
        let mut window = RefusalWindow::new(60_000);
        for at in [0, 1_000, 2_000, 3_000] {
            window.departed(at);
        }
        window.refused(3_000);
        assert!((window.ratio(3_000) - 0.25).abs() < f64::EPSILON);
        assert!((window.ratio(62_999) - 1.0).abs() < f64::EPSILON, "one departure and its refusal are left");
        assert!(window.ratio(63_000).abs() < f64::EPSILON);
    }

    #[test]
    fn an_edit_that_keeps_the_length_keeps_the_counts() {
        let mut window = RefusalWindow::new(60_000);
        window.departed(0);
        window.refused(0);
        window.reconfigure(60_000);
        assert!((window.ratio(0) - 1.0).abs() < f64::EPSILON);
        window.reconfigure(120_000);
        assert!(window.ratio(0).abs() < f64::EPSILON, "slots of another length cannot be compared");
    }
}
