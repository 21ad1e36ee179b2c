//! The own departures of the last window, counted on several time scales at once.
//!
//! A limit shows as the *count* of own departures at which refusals begin. On which scale
//! is not known beforehand: an upstream may grant forty a minute and also no more than six
//! in ten seconds. So every departure is stamped with the counts on all scales. A refused
//! departure is taken back from them, since most upstreams count what they grant; the last
//! scale keeps it, for those that count every request.

use std::array;
use std::collections::VecDeque;

use super::super::clock::Nanos;
use super::rules::SHORT_MARGIN;

/// The window's parts that are watched as scales of their own: window / 12, / 6, / 4, / 3 and / 2.
const DIVISORS: [u64; Scale::SHORT] = [12, 6, 4, 3, 2];
/// The scales, and behind them the short ones once more with their margin: what a short limit holds back.
const EDGES: usize = Scale::COUNT + Scale::SHORT;

/// Memory is given back when this many places and three quarters of the rest are unused.
const SLACK: usize = 1024;

/// A time scale on which departures are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Scale(usize);

impl Scale {
    /// How many scales are shorter than the window.
    pub(super) const SHORT: usize = 5;
    /// How many there are.
    pub(super) const COUNT: usize = Self::SHORT + 2;
    /// A sixth of the window: what counts as a burst is measured on it.
    pub(super) const SIXTH: Self = Self(1);
    /// The whole window.
    pub(super) const WINDOW: Self = Self(Self::SHORT);
    /// The whole window, with what was refused.
    pub(super) const EVERY: Self = Self(Self::SHORT + 1);

    /// All of them, from the shortest.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// Those shorter than the window.
    pub(super) fn short() -> impl Iterator<Item = Self> {
        (0..Self::SHORT).map(Self)
    }

    /// Whether it is the length of the window.
    pub(super) fn is_long(self) -> bool {
        self >= Self::WINDOW
    }

    /// Its length where the window is `window` long.
    pub(super) fn length(self, window: Nanos) -> Nanos {
        DIVISORS.get(self.0).map_or(window, |divisor| window / divisor)
    }

    pub(super) fn index(self) -> usize {
        self.0
    }
}

/// One number for every scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Counts([u32; Scale::COUNT]);

impl Counts {
    pub(super) fn get(&self, scale: Scale) -> u32 {
        self.0.get(scale.0).copied().unwrap_or(0)
    }

    /// The lower of the two, scale by scale.
    pub(super) fn min(&self, other: &Self) -> Self {
        Self(array::from_fn(|index| self.get(Scale(index)).min(other.get(Scale(index)))))
    }
}

#[derive(Clone, Copy, Debug)]
struct Departure {
    at: Nanos,
    refused: bool,
}

/// Where a span that ends now begins, and what it holds.
#[derive(Clone, Copy, Debug)]
struct Edge {
    span: Nanos,
    /// Serial of the oldest departure inside.
    oldest: u64,
    count: u32,
    /// Whether refused departures stay counted.
    every: bool,
}

/// The departures of the last window, oldest first.
#[derive(Debug)]
pub(super) struct History {
    departures: VecDeque<Departure>,
    /// Serial of the first one held.
    first: u64,
    edges: [Edge; EDGES],
}

impl History {
    pub(super) fn new(window: Nanos) -> Self {
        let mut history = Self {
            departures: VecDeque::new(),
            first: 0,
            edges: [Edge { span: 0, oldest: 0, count: 0, every: false }; EDGES],
        };
        history.rescale(window);
        history
    }

    /// Changes the length of the window; what is held is counted again.
    pub(super) fn rescale(&mut self, window: Nanos) {
        let every = u32::try_from(self.departures.len()).unwrap_or(u32::MAX);
        let refused = self.departures.iter().filter(|departure| departure.refused).count();
        let granted = every - u32::try_from(refused).unwrap_or(u32::MAX);
        let edge = |span, all| Edge {
            span,
            oldest: self.first,
            count: if all { every } else { granted },
            every: all,
        };
        self.edges = array::from_fn(|index| match index.checked_sub(Scale::COUNT) {
            None => edge(Scale(index).length(window), Scale(index) == Scale::EVERY),
            Some(short) => edge(Scale(short).length(window) + SHORT_MARGIN, false),
        });
    }

    /// Lets go of what has left.
    pub(super) fn prune(&mut self, now: Nanos) {
        let mut needed = self.next_serial();
        for edge in &mut self.edges {
            while let Some(departure) = at(&self.departures, self.first, edge.oldest)
                && departure.at.saturating_add(edge.span) <= now
            {
                edge.count -= u32::from(edge.every || !departure.refused);
                edge.oldest += 1;
            }
            needed = needed.min(edge.oldest);
        }
        while self.first < needed && self.departures.pop_front().is_some() {
            self.first += 1;
        }
        if self.departures.capacity() > 4 * self.departures.len() + SLACK {
            self.departures.shrink_to(2 * self.departures.len());
        }
    }

    /// Notes a departure; returns its serial.
    pub(super) fn record(&mut self, now: Nanos) -> u64 {
        let serial = self.next_serial();
        self.departures.push_back(Departure { at: now, refused: false });
        for edge in &mut self.edges {
            edge.count += 1;
        }
        serial
    }

    /// Notes that the upstream refused it.
    pub(super) fn refuse(&mut self, serial: u64) {
        let held = serial.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some(departure) = held.and_then(|index| self.departures.get_mut(index)) else { return };
        if !std::mem::replace(&mut departure.refused, true) {
            for edge in self.edges.iter_mut().filter(|edge| !edge.every && edge.oldest <= serial) {
                edge.count -= 1;
            }
        }
    }

    /// How many each scale holds now.
    pub(super) fn counts(&self) -> Counts {
        Counts(array::from_fn(|index| self.edges.get(index).map_or(0, |edge| edge.count)))
    }

    /// When a short scale with its margin holds fewer than `limit`, `reserved` about to depart
    /// included; `None` while that hangs on those.
    pub(super) fn below_at(&self, scale: Scale, limit: u32, reserved: u64, now: Nanos) -> Option<Nanos> {
        let edge = self.edges.get(Scale::COUNT + scale.0)?;
        let over = (u64::from(edge.count) + reserved).saturating_sub(u64::from(limit).saturating_sub(1));
        if over == 0 {
            return Some(now);
        }
        let skipped = usize::try_from(edge.oldest - self.first).unwrap_or(usize::MAX);
        let granted = self.departures.iter().skip(skipped).filter(|departure| !departure.refused);
        let last_to_leave = granted.take(usize::try_from(over).unwrap_or(usize::MAX));
        let (count, at) = last_to_leave.fold((0, now), |(count, _), departure| (count + 1, departure.at));
        (count == over).then(|| at.saturating_add(edge.span).max(now))
    }

    /// When a scale counts one less, if nothing else departs.
    pub(super) fn next_release(&self, scale: Scale) -> Option<Nanos> {
        let edge = self.edges.get(scale.0)?;
        let skipped = usize::try_from(edge.oldest - self.first).ok()?;
        let mut counted = self.departures.iter().skip(skipped).filter(|each| edge.every || !each.refused);
        Some(counted.next()?.at.saturating_add(edge.span))
    }

    /// How long a scale is.
    pub(super) fn length(&self, scale: Scale) -> Nanos {
        self.edges.get(scale.0).map_or(0, |edge| edge.span)
    }

    /// How long before the departure `serial` the one `count` places earlier left.
    pub(super) fn spread(&self, serial: u64, count: u64) -> Option<Nanos> {
        let last = at(&self.departures, self.first, serial)?.at;
        Some(last - at(&self.departures, self.first, serial.checked_sub(count)?)?.at)
    }

    /// The serial that the next departure gets.
    pub(super) fn next_serial(&self) -> u64 {
        self.first + self.departures.len() as u64
    }
}

fn at(departures: &VecDeque<Departure>, first: u64, serial: u64) -> Option<&Departure> {
    departures.get(usize::try_from(serial.checked_sub(first)?).ok()?)
}

#[cfg(test)]
mod tests;
