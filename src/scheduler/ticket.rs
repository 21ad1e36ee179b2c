//! A place in the queue.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Refused;
use super::permit::Permit;
use super::shared::Shared;
use crate::limiter::{Key, Refusal};

/// What a request was let in with.
#[derive(Debug)]
pub(super) enum Entry {
    Granted(Permit),
    Waiting(Ticket),
}

impl Entry {
    pub(super) async fn permit(self) -> Result<Permit, Refused> {
        match self {
            Self::Granted(permit) => Ok(permit),
            Self::Waiting(ticket) => ticket.permit().await,
        }
    }
}

/// A place in the queue. Dropping it leaves the queue.
#[derive(Debug)]
pub(super) struct Ticket {
    shared: Arc<Shared>,
    key: Key,
    answered: oneshot::Receiver<Result<Permit, Refusal>>,
    arrived: Instant,
}

impl Ticket {
    pub(super) fn new(
        shared: Arc<Shared>,
        key: Key,
        answered: oneshot::Receiver<Result<Permit, Refusal>>,
        arrived: Instant,
    ) -> Self {
        Self { shared, key, answered, arrived }
    }

    async fn permit(mut self) -> Result<Permit, Refused> {
        let verdict = (&mut self.answered).await.expect("the limiter answers whoever it lets go");
        verdict.map_err(|refusal| Refused::new(&refusal, self.arrived))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let answered = self.answered.is_terminated();
        if !answered {
            self.shared.change(|state, now| state.cancel(self.key, now));
        }
    }
}
