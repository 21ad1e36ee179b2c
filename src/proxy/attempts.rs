//! Sending a paced request until it has an answer worth relaying.
//!
//! Every attempt needs a permit and ends it with what was learned. As long as no byte of an
//! answer was relayed, an attempt that the quota, a gateway or a missing connection defeated is
//! followed by another one from the head of the lane, within the same deadline.

mod workers;

use std::time::Duration;

use tokio::time::Instant;

use super::advice;
use super::answer::Answer;
use super::body::Buffered;
use super::classify::{self, Meaning};
use super::error::Failure;
use super::exchange::{Exchange, millis};
use super::forward::{Answered, Shared};
use super::headers::Pause;
use super::stamp::Outgoing;
use super::upstream::{Outbound, Patience, SendError, Url};
use crate::limiter::settings::{Mode, Settings};
use crate::limiter::{Advice, Outcome};
use crate::metrics::RetryReason;
use crate::scheduler::{Departure, Permit, Refused};

pub(super) use workers::await_workers;
use workers::past_model_gate;

/// The pause where neither the upstream nor the scheduler names one: the upstream just refused, so
/// coming back at once would only be refused again.
const UNTOLD: Duration = Duration::from_secs(5);

/// The first pause of a request whose model's workers were busy and that was not told how long to
/// wait. It doubles with every attempt, up to the longest: nobody waits for it but this request.
const BUSY_FIRST: Duration = Duration::from_secs(1);
const BUSY_LONGEST: Duration = Duration::from_secs(10);

/// A request that can be sent more than once.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: http::Method,
    pub(super) url: Url,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Buffered,
    pub(super) model: Option<String>,
    /// When it is pointless to try again.
    pub(super) deadline: Instant,
}

impl Call {
    /// Another attempt, which stamps its departure.
    fn outbound(&self, departure: Departure) -> Outbound {
        Outbound {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Outgoing::buffered(self.body.clone(), Box::new(move || departure.mark())),
        }
    }

    /// Whether there is time left after the pause of its own that `outcome` asks for. The limiter judges
    /// every other pause.
    fn outlasts(&self, outcome: Outcome) -> bool {
        !matches!(outcome, Outcome::Exhausted { pause } if Instant::now() + pause >= self.deadline)
    }
}

/// What came of one attempt.
enum Attempt {
    Answer(Answer, Meaning),
    Failed(SendError),
}

/// How often a request was sent again.
#[derive(Clone, Copy, Default)]
struct Resent {
    rate_limited: u32,
    /// Every other reason; this is what `retry.serverErrors` bounds.
    unavailable: u32,
    /// Those of the latter that found the workers busy.
    exhausted: u32,
}

impl Resent {
    fn any(self) -> bool {
        self.rate_limited + self.unavailable > 0
    }

    fn count(&mut self, reason: RetryReason) {
        match reason {
            RetryReason::RateLimited => self.rate_limited += 1,
            RetryReason::ServerError | RetryReason::Connect => self.unavailable += 1,
            RetryReason::Exhausted => {
                self.unavailable += 1;
                self.exhausted += 1;
            }
        }
    }

    /// How long to leave busy workers alone; a pause of nothing is as good as none asked for.
    fn busy_pause(self, asked: Option<Duration>) -> Duration {
        let doubled = BUSY_FIRST * (1 << self.exhausted.min(4));
        asked.filter(|asked| !asked.is_zero()).unwrap_or(doubled.min(BUSY_LONGEST))
    }

    fn may_again(self, reason: RetryReason, settings: &Settings) -> bool {
        settings.mode == Mode::Enforce
            && match reason {
                RetryReason::RateLimited => settings.retry.rate_limited,
                RetryReason::ServerError | RetryReason::Exhausted | RetryReason::Connect => {
                    self.unavailable < settings.retry.server_errors
                }
            }
    }
}

/// Sends `call` until its answer can be relayed, or cannot be had.
pub(super) async fn run(
    shared: &Shared,
    call: &Call,
    mut permit: Permit,
    exchange: &mut Exchange,
) -> Result<Answered, Failure> {
    let mut resent = Resent::default();
    loop {
        let settings = shared.settings();
        permit = past_model_gate(shared, call, permit, &settings, exchange).await?;
        exchange.attempts();
        let patience = exchange.patience(&settings);
        let outbound = call.outbound(permit.departure());
        let began = Instant::now();
        let attempt = try_once(shared, outbound, patience, settings.rate.window, exchange.trace_id()).await;
        if let Some(advice) = attempt.advice(Instant::now() - began) {
            permit.advise(advice);
        }
        let (outcome, again) = attempt.verdict(resent);
        if let (Outcome::Exhausted { pause }, Some(model)) = (outcome, &call.model) {
            shared.model_gates.close(model, pause);
        }
        let again = again.filter(|&reason| {
            resent.may_again(reason, &settings) && !permit.is_passthrough() && call.outlasts(outcome)
        });
        let Some(reason) = again else {
            permit.settle(outcome);
            return attempt.conclude(&settings, resent, None);
        };
        tell_retry(exchange, reason, outcome);
        match exchange.waits_for(permit.requeue(outcome)).await {
            Ok(next) => permit = next,
            Err(refused) => return attempt.conclude(&settings, resent, Some(refused)),
        }
        shared.metrics.upstream.retried(reason).inc();
        resent.count(reason);
    }
}

/// Tells whoever debugs that a request is to be sent again, and what pause was asked for.
fn tell_retry(exchange: &Exchange, reason: RetryReason, outcome: Outcome) {
    let asked = match outcome {
        Outcome::RateLimited { retry_after } | Outcome::Unavailable { retry_after } => retry_after,
        Outcome::Exhausted { pause } => Some(pause),
        Outcome::Accepted | Outcome::Unreachable | Outcome::Unknown => None,
    };
    tracing::debug!(
        target: "pacer::proxy",
        trace_id = exchange.trace_id(),
        reason = reason.as_str(),
        attempt = exchange.attempted(),
        pause_ms = asked.map(millis),
        "the attempt failed; waiting to send it again",
    );
}

async fn try_once(
    shared: &Shared,
    outbound: Outbound,
    patience: Patience,
    window: Duration,
    trace_id: &str,
) -> Attempt {
    let mut answer = match shared.send(outbound, patience, trace_id).await {
        Ok(answer) => answer,
        Err(error) => return Attempt::Failed(error),
    };
    if !classify::needs_body(answer.status) {
        return Attempt::Answer(answer, Meaning::Answered);
    }
    answer.peek(patience).await;
    let meaning = classify::classify(answer.status, &answer.headers, &answer.text().bytes, window);
    Attempt::Answer(answer, meaning)
}

impl Attempt {
    /// What the answer's headers say of the quota, whatever the answer means; it came `took` after the departure.
    fn advice(&self, took: Duration) -> Option<Advice> {
        match self {
            Self::Answer(answer, _) => advice::advice(&answer.headers, took),
            Self::Failed(_) => None,
        }
    }

    /// What the limiter learns, and why another attempt makes sense if it does.
    fn verdict(&self, resent: Resent) -> (Outcome, Option<RetryReason>) {
        match *self {
            Self::Answer(_, Meaning::Answered | Meaning::QuotaSpent) => (Outcome::Accepted, None),
            Self::Answer(_, Meaning::RateLimited { retry_after }) => {
                (Outcome::RateLimited { retry_after }, Some(RetryReason::RateLimited))
            }
            Self::Answer(_, Meaning::Exhausted { retry_after }) => {
                let pause = resent.busy_pause(retry_after);
                (Outcome::Exhausted { pause }, Some(RetryReason::Exhausted))
            }
            Self::Answer(_, Meaning::ServerError { retry_after }) => {
                (Outcome::Unavailable { retry_after }, Some(RetryReason::ServerError))
            }
            Self::Failed(SendError::Connect(_)) => (Outcome::Unreachable, Some(RetryReason::Connect)),
            Self::Failed(SendError::Timeout | SendError::Stalled | SendError::Broken(_)) => {
                (Outcome::Unknown, None)
            }
        }
    }

    /// What the application gets after the last attempt. In `Observe` nothing is rewritten, and an error
    /// answer that could not be read whole is relayed as it is.
    fn conclude(
        self,
        settings: &Settings,
        resent: Resent,
        refused: Option<Refused>,
    ) -> Result<Answered, Failure> {
        let retried = resent.any();
        let (answer, meaning) = match self {
            Self::Answer(answer, meaning) => (answer, meaning),
            Self::Failed(error) => return Err(Failure::Send { error, retried }),
        };
        let rewritten = || settings.mode == Mode::Enforce && answer.text().whole;
        let pause = |asked: Option<Duration>| match (asked, &refused) {
            (Some(asked), _) => Pause::exactly(asked),
            (None, Some(refused)) => Pause::about(refused.retry_after),
            (None, None) => Pause::about(UNTOLD),
        };
        match meaning {
            Meaning::RateLimited { retry_after } if rewritten() => {
                Err(Failure::RateLimited { answer: answer.into(), pause: pause(retry_after) })
            }
            Meaning::Exhausted { retry_after } if rewritten() => {
                Err(Failure::Overloaded { answer: answer.into(), pause: pause(retry_after), retried })
            }
            Meaning::RateLimited { retry_after } | Meaning::Exhausted { retry_after } => {
                Ok(Answered { answer, should_retry: None, pause: Some(pause(retry_after)) })
            }
            Meaning::QuotaSpent => Ok(Answered { answer, should_retry: Some(false), pause: None }),
            Meaning::ServerError { .. } => {
                Ok(Answered { answer, should_retry: retried.then_some(false), pause: None })
            }
            Meaning::Answered => Ok(Answered { answer, should_retry: None, pause: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_workers_are_left_alone_for_longer_every_time() {
        let pauses = [0, 1, 2, 3, 4, 5, u32::MAX].map(|exhausted| {
            let resent = Resent { exhausted, ..Resent::default() };
            resent.busy_pause(None).as_secs()
        });
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10, 10]);
        let asked = Duration::from_millis(1_500);
        assert_eq!(Resent::default().busy_pause(Some(asked)), asked);
        assert_eq!(Resent::default().busy_pause(Some(Duration::ZERO)), BUSY_FIRST);
    }
}
