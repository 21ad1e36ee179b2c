//! The right to send one request once.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Refused;
use super::shared::Shared;
use crate::limiter::{Advice, Grant, GrantKind, Outcome};

/// The right to send one request once.
///
/// Every permit ends in exactly one outcome. Dropped before [`Departure::mark`], its token
/// and its place in the window go back; dropped after, it counts as [`Outcome::Unknown`].
#[derive(Debug)]
#[must_use = "a permit that is dropped gives its place back"]
pub struct Permit {
    shared: Arc<Shared>,
    grant: Grant,
    arrived: Instant,
    granted: Instant,
    settled: bool,
}

impl Permit {
    pub(super) fn new(shared: Arc<Shared>, grant: Grant, arrived: Instant) -> Self {
        Self { shared, grant, arrived, granted: Instant::now(), settled: false }
    }

    /// A handle to stamp the departure with, for the code that writes the request.
    pub fn departure(&self) -> Departure {
        Departure { shared: Arc::clone(&self.shared), grant: self.grant }
    }

    /// Whether this request bypasses the pace because the queue was full.
    pub fn is_passthrough(&self) -> bool {
        self.grant.kind == GrantKind::Passthrough
    }

    /// Time from the request's arrival to this permit, all its turns in the queue included.
    pub fn waited(&self) -> Duration {
        self.granted.saturating_duration_since(self.arrived)
    }

    /// In `Observe` mode, how long the request would have waited; zero otherwise.
    pub fn would_have_waited(&self) -> Duration {
        match self.grant.kind {
            GrantKind::Observed(wait) => wait,
            GrantKind::Paced | GrantKind::Passthrough => Duration::ZERO,
        }
    }

    /// The answer to the attempt came with this advice.
    pub fn advise(&self, advice: Advice) {
        self.shared.change(|state, now| state.limiter().advise(self.grant, advice, now));
    }

    /// Ends the attempt.
    pub fn settle(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    /// Ends the attempt and waits for another one at the head of the lane, with the same deadline.
    pub async fn requeue(mut self, outcome: Outcome) -> Result<Self, Refused> {
        let pause = self.end(outcome);
        self.come_back(pause).await
    }

    /// Gives a permit that was not used back, and waits for another one after `pause` at the head of the lane,
    /// with the same deadline.
    pub async fn postpone(mut self, pause: Duration) -> Result<Self, Refused> {
        self.end(Outcome::Unknown);
        self.come_back(pause).await
    }

    async fn come_back(self, pause: Duration) -> Result<Self, Refused> {
        self.shared.pause(pause).await;
        let grant = self.grant;
        let entry =
            self.shared.enter(self.arrived, |state, answer, now| state.readmit(answer, grant, now))?;
        entry.permit().await
    }

    fn end(&mut self, outcome: Outcome) -> Duration {
        self.settled = true;
        let grant = self.grant;
        self.shared.change(|state, now| state.limiter().settle(grant, outcome, now))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.settled {
            self.end(Outcome::Unknown);
        }
    }
}

/// Stamps when a request's head was written to a ready connection.
#[derive(Clone, Debug)]
pub struct Departure {
    shared: Arc<Shared>,
    grant: Grant,
}

impl Departure {
    /// The request leaves now. To be called once; only the first call counts while the permit lives, and
    /// one after its end charges the window with a request that left in the moment it was given up.
    pub fn mark(&self) {
        self.shared.change(|state, now| state.limiter().depart(self.grant, now));
    }
}
