//! What the limiter answers.

use std::time::{Duration, Instant};

use super::outcome::RefusedBecause;
use super::priority::Priority;
use super::queue::Standing;
use super::slab::Key;

/// What became of a request that asked to be admitted.
#[derive(Debug)]
pub enum Admission {
    /// It waits; [`Decision`]s tell when that ends, and the key cancels it before.
    Queued(Key),
    /// It leaves at once without waiting its turn.
    Granted(Grant),
    /// It does not even wait.
    Refused(Refusal),
}

/// What is to be done now.
#[derive(Debug)]
pub enum Decision<W> {
    /// This one leaves now.
    Grant(W, Grant),
    /// This one has waited in vain.
    Refuse(W, Refusal),
    /// Nothing, until then or until something happens; `None` is only the latter.
    Sleep(Option<Instant>),
}

/// The right of one request to leave once.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    pub(super) attempt: Key,
    pub(super) standing: Standing,
    /// Why it was granted.
    pub kind: GrantKind,
}

impl Grant {
    /// The lane it came from.
    pub fn priority(&self) -> Priority {
        self.standing.priority
    }
}

/// Why a request leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantKind {
    /// It was its turn.
    Paced,
    /// The queue was full.
    Passthrough,
    /// Nothing is held back; enforcing would have made it wait this long.
    Observed(Duration),
}

/// No, and when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub because: RefusedBecause,
    /// The lane it waited in, or would have.
    pub priority: Priority,
    /// How long it would have had to wait from now on.
    pub estimated_wait: Duration,
    /// How many would have been served before it.
    pub position: usize,
    /// When to come back.
    pub retry_after: Duration,
}

impl Refusal {
    /// The refusal of a sidecar that is shutting down: another one may be there in a second.
    pub const fn draining(priority: Priority) -> Self {
        Self {
            because: RefusedBecause::Draining,
            priority,
            estimated_wait: Duration::ZERO,
            position: 0,
            retry_after: Duration::from_secs(1),
        }
    }
}
