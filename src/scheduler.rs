//! The async shell around the limiter: one mutex, one task, permits that settle themselves.
//!
//! All state is behind one mutex that is held for a few hundred nanoseconds and never across
//! an await. Whoever changes the state drives the limiter on the spot ([`shared::Shared::change`]), so a
//! request that may leave at once is granted within its own call. The one task only sleeps
//! until the limiter's next event. It notes under the mutex when it will wake; whoever
//! brings that forward notifies it, and `Notify` keeps the word for a task that is
//! not listening yet: there is no wake-up to lose.
//!
//! A waiting request is a [`ticket::Ticket`], a granted one a [`Permit`]; dropping either puts
//! everything back. Answers travel through a channel whose unread permit is dropped with it,
//! and are sent only after the mutex is released.

mod dispatcher;
mod permit;
mod shared;
mod ticket;

#[cfg(test)]
mod interleaving;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

pub use permit::{Departure, Permit};

use crate::limiter::{Budget, Priority, Refusal, RefusedBecause, Settings, Snapshot, Transition};
use crate::metrics::Metrics;
use shared::Shared;

/// A request for a permit.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Which lane it waits in.
    pub priority: Priority,
    /// When the application's request arrived; the wait is counted from here.
    pub arrived: Instant,
    /// When waiting longer is pointless.
    pub deadline: Instant,
}

/// No permit, and when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{because:?} ({priority}): try again in {retry_after:?}")]
pub struct Refused {
    /// Why.
    pub because: RefusedBecause,
    /// The lane it waited in, or would have.
    pub priority: Priority,
    /// How long it waited.
    pub waited: Duration,
    /// How long it would have had to wait.
    pub estimated_wait: Duration,
    /// How many would have been served before it.
    pub position: usize,
    /// When to come back.
    pub retry_after: Duration,
}

impl Refused {
    fn new(refusal: &Refusal, arrived: Instant) -> Self {
        Self {
            because: refusal.because,
            priority: refusal.priority,
            waited: Instant::now().saturating_duration_since(arrived),
            estimated_wait: refusal.estimated_wait,
            position: refusal.position,
            retry_after: refusal.retry_after,
        }
    }
}

/// The newest change of the pace's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastTransition {
    /// What changed, and why.
    pub transition: Transition,
    /// When it was noticed: no later than the next event after it.
    pub at: Instant,
}

/// Hands out permits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Scheduler {
    shared: Arc<Shared>,
}

impl Scheduler {
    /// A scheduler and the task that wakes its waiters; nothing is granted late unless the task runs.
    /// Changes of the pace's state are counted in `metrics`.
    pub fn new(
        settings: watch::Receiver<Arc<Settings>>,
        metrics: Arc<Metrics>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        Self::seeded(settings, metrics, RandomState::new().hash_one(()))
    }

    /// The same with a chosen seed for the spread of back-offs, which otherwise differs between sidecars.
    pub fn seeded(
        settings: watch::Receiver<Arc<Settings>>,
        metrics: Arc<Metrics>,
        seed: u64,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let shared = Arc::new(Shared::new(&settings.borrow(), seed, metrics));
        (Self { shared: Arc::clone(&shared) }, dispatcher::run(shared, settings))
    }

    /// Waits for a permit. Dropping the future leaves the queue at once.
    ///
    /// With a full queue and `whenFull: Passthrough` the permit comes at once and
    /// [`Permit::is_passthrough`] tells; in `Observe` mode every permit comes at once.
    pub async fn acquire(&self, wanted: Wanted) -> Result<Permit, Refused> {
        let entry =
            self.shared.enter(wanted.arrived, |state, answer, now| state.admit(answer, &wanted, now))?;
        entry.permit().await
    }

    /// From now on [`Scheduler::acquire`] refuses requests that arrive with `Draining`. Who waits keeps waiting, and
    /// who arrived before is let in, though it waited for something else first.
    pub fn drain(&self) {
        self.shared.change(|state, _| state.drain());
    }

    /// Refuses everybody who still waits, and whoever still comes, with `Draining`.
    pub fn refuse_waiting(&self) {
        self.shared.close();
    }

    /// Waits for `pause`, or until nobody is served any more.
    pub async fn pause(&self, pause: Duration) {
        self.shared.pause(pause).await;
    }

    /// Whether everybody who comes is refused with `Draining`, after [`Scheduler::refuse_waiting`].
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// What is left of the window now.
    pub fn budget(&self) -> Budget {
        self.shared.read(|state, now| state.limiter().budget(now))
    }

    /// What the limiter looks like now.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.read(|state, now| state.limiter().snapshot(now))
    }

    /// The newest change of the pace's state; `None` before the first.
    pub fn last_transition(&self) -> Option<LastTransition> {
        self.shared.read(|state, _| state.last_transition())
    }

    /// Whether the task that wakes waiters is running and not stuck. Reads atomics only.
    pub fn is_alive(&self) -> bool {
        self.shared.is_alive()
    }
}
