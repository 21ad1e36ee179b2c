//! The earliest deadline of all who wait.
//!
//! A binary heap from which nothing is removed but at its top: whoever leaves early stays
//! behind as a stale key, and the heap is rebuilt once stale keys are the majority. Every
//! operation is O(1) amortised on arrival order and O(log n) at worst.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::clock::Nanos;
use super::slab::Key;

/// Below this size the heap is not worth rebuilding.
const REBUILD_ABOVE: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Nanos, Key)>>,
}

impl Deadlines {
    pub(super) fn push(&mut self, deadline: Nanos, key: Key) {
        self.heap.push(Reverse((deadline, key)));
    }

    /// The earliest deadline among the keys that are still `alive`.
    pub(super) fn first(&mut self, alive: impl Fn(Key) -> bool) -> Option<(Nanos, Key)> {
        while let Some(&Reverse((deadline, key))) = self.heap.peek() {
            if alive(key) {
                return Some((deadline, key));
            }
            self.heap.pop();
        }
        None
    }

    /// To be called when somebody has left; `waiting` are still there.
    pub(super) fn left(&mut self, waiting: usize, alive: impl Fn(Key) -> bool) {
        if self.heap.len() > 2 * waiting + REBUILD_ABOVE {
            self.heap.retain(|Reverse((_, key))| alive(*key));
            self.heap.shrink_to(2 * waiting + REBUILD_ABOVE);
        }
    }

    /// Keys held, the stale ones included.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.heap.len()
    }
}
