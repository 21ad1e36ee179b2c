//! Waiting for the workers of a request's model, where they were all busy a moment ago.

use std::time::Duration;

use tokio::time::Instant;

use super::super::error::Failure;
use super::super::exchange::Exchange;
use super::super::forward::Shared;
use super::super::headers::Pause;
use super::Call;
use crate::limiter::settings::{Mode, Settings};
use crate::scheduler::Permit;

/// Waits until the workers of the call's model may be asked, before it stands in anybody's way.
pub(in super::super) async fn await_workers(
    shared: &Shared,
    call: &Call,
    settings: &Settings,
    exchange: &mut Exchange,
) -> Result<(), Failure> {
    while let Some(pause) = call.held_back(shared, settings, false)? {
        exchange.waits_for(shared.scheduler.pause(pause)).await;
        if shared.scheduler.is_closed() {
            break;
        }
    }
    Ok(())
}

/// Gives the permit to others for as long as the workers of the call's model turned out to be busy meanwhile.
pub(super) async fn past_model_gate(
    shared: &Shared,
    call: &Call,
    mut permit: Permit,
    settings: &Settings,
    exchange: &mut Exchange,
) -> Result<Permit, Failure> {
    while !permit.is_passthrough()
        && let Some(pause) = call.held_back(shared, settings, exchange.attempted() > 0)?
    {
        let next = exchange.waits_for(permit.postpone(pause)).await;
        permit = next.map_err(|refused| shared.refusal(refused, settings))?;
    }
    Ok(permit)
}

impl Call {
    /// How long the workers of its model are to be left alone; an error when that is longer than it may wait.
    fn held_back(
        &self,
        shared: &Shared,
        settings: &Settings,
        retried: bool,
    ) -> Result<Option<Duration>, Failure> {
        let enforced = settings.mode == Mode::Enforce;
        let model = self.model.as_deref().filter(|_| enforced);
        match model.and_then(|model| shared.model_gates.closed_for(model)) {
            Some(pause) if Instant::now() + pause >= self.deadline => {
                Err(Failure::Busy { pause: Pause::about(pause), retried })
            }
            pause => Ok(pause),
        }
    }
}
