//! A request the scheduler refused: the response, and the true cause in words.

use std::time::Duration;

use http::StatusCode;

use super::reply::{A_MOMENT, Reply};
use crate::limiter::RefusedBecause;
use crate::limiter::settings::Rate;
use crate::metrics::RefusalReason;
use crate::scheduler::Refused;

use super::super::exchange::{End, millis};
use super::super::headers::Pause;

/// A request the scheduler refused, and what held it back.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Refusal {
    pub(in super::super) refused: Refused,
    /// The pace of the policy.
    pub(in super::super) rate: Rate,
    /// How long the upstream still wants to be left alone; zero if it does not.
    pub(in super::super) gate: Duration,
    /// Requests a minute that are allowed now, where the upstream's refusals made that fewer than the policy allows.
    pub(in super::super) retreated_to: Option<u32>,
}

impl Reply {
    pub(super) fn refused(refusal: &Refusal) -> Self {
        let Refused { because, estimated_wait, position, retry_after, .. } = refusal.refused;
        let (pause, should_retry) = match because {
            RefusedBecause::Draining => (Pause::exactly(A_MOMENT), None),
            RefusedBecause::DeadlineUnreachable => (Pause::about(retry_after), Some(false)),
            RefusedBecause::QueueFull
            | RefusedBecause::WouldMissDeadline
            | RefusedBecause::TimedOut
            | RefusedBecause::UpstreamUnavailable => (Pause::about(retry_after), None),
        };
        let (status, kind, code) = terms(because);
        Self {
            end: End::Refused(reason(because)),
            pause: Some(pause),
            should_retry,
            place: Some((position, estimated_wait)),
            ..Self::failed(status, kind, code, refusal.message(pause))
        }
    }
}

/// Status, type and code.
fn terms(because: RefusedBecause) -> (StatusCode, &'static str, &'static str) {
    match because {
        RefusedBecause::QueueFull | RefusedBecause::WouldMissDeadline | RefusedBecause::TimedOut => {
            (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded")
        }
        RefusedBecause::DeadlineUnreachable => {
            (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "deadline_unreachable")
        }
        RefusedBecause::UpstreamUnavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "server_error", "upstream_unavailable")
        }
        RefusedBecause::Draining => (StatusCode::SERVICE_UNAVAILABLE, "server_error", "shutting_down"),
    }
}

fn reason(because: RefusedBecause) -> RefusalReason {
    match because {
        RefusedBecause::QueueFull => RefusalReason::QueueFull,
        RefusedBecause::WouldMissDeadline => RefusalReason::WouldMissDeadline,
        RefusedBecause::DeadlineUnreachable => RefusalReason::DeadlineUnreachable,
        RefusedBecause::TimedOut => RefusalReason::TimedOut,
        RefusedBecause::UpstreamUnavailable => RefusalReason::UpstreamUnavailable,
        RefusedBecause::Draining => RefusalReason::Draining,
    }
}

impl Refusal {
    /// Who refused, why, how long the request waited, where it stood, and by which policy where that is the
    /// cause; then when to come back, if that can help, as the headers say it.
    fn message(&self, pause: Pause) -> String {
        let Refused { because, priority, waited, estimated_wait, position, .. } = self.refused;
        let place = format!(
            "It waited {} with {position} ahead of it and an estimated wait of {}",
            rounded(waited),
            rounded(estimated_wait)
        );
        let cause = if because == RefusedBecause::Draining {
            format!("pacer is shutting down and does not serve this {priority} request. {place}.")
        } else if because == RefusedBecause::UpstreamUnavailable {
            format!(
                "the upstream is out of order, and pacer will not have asked it again in time for this \
                 {priority} request. {place}."
            )
        } else if !self.gate.is_zero() {
            format!(
                "pacer refused this {priority} request: the upstream asked for a pause, which lasts for \
                 another {}, and {}. {place}.",
                rounded(self.gate),
                why(because)
            )
        } else {
            format!(
                "pacer's rate limiter refused this {priority} request: {}. {place}; {}.",
                why(because),
                self.pace()
            )
        };
        if because == RefusedBecause::DeadlineUnreachable {
            return cause;
        }
        format!("{cause} Try again in {} s.", pause.seconds())
    }

    /// What the policy allows, and what is left of that.
    fn pace(&self) -> String {
        let (quota, window) = (self.rate.window_quota(), self.rate.window.as_secs());
        let policy = format!("the policy allows {quota} requests per {window} s");
        match self.retreated_to {
            Some(pace) => {
                format!("{policy}, and the upstream's refusals have lowered that to {pace} a minute")
            }
            None => policy,
        }
    }
}

fn why(because: RefusedBecause) -> &'static str {
    match because {
        RefusedBecause::QueueFull => "the queue is full",
        RefusedBecause::WouldMissDeadline => "its turn would come after its deadline",
        RefusedBecause::DeadlineUnreachable => {
            "its turn would come after its deadline, now and for the next minute"
        }
        RefusedBecause::TimedOut => "it waited as long as it may",
        RefusedBecause::UpstreamUnavailable => "the upstream is out of order",
        RefusedBecause::Draining => "pacer is shutting down",
    }
}

/// As people say it: whole milliseconds below a second, else a tenth of a second.
fn rounded(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        format!("{} ms", millis(span))
    } else {
        format!("{:.1} s", span.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limiter::{Priority, Settings};

    fn mk_message(because: RefusedBecause, gate: Duration) -> String {
        let refused = Refused {
            because,
            priority: Priority::Low,
            waited: Duration::from_micros(161),
            estimated_wait: Duration::from_millis(12_345),
            position: 3,
            retry_after: Duration::from_secs(9),
        };
        mk_refusal(refused, gate, None).message(Pause::exactly(refused.retry_after))
    }

    fn mk_refusal(refused: Refused, gate: Duration, retreated_to: Option<u32>) -> Refusal {
        Refusal { refused, rate: Settings::default().rate, gate, retreated_to }
    }

    #[test]
    fn the_rate_is_named_only_where_it_is_the_cause() {
        let message = mk_message(RefusedBecause::QueueFull, Duration::ZERO);
        assert_eq!(
            message,
            "pacer's rate limiter refused this low request: the queue is full. It waited 0 ms with 3 ahead of it \
             and an estimated wait of 12.3 s; the policy allows 40 requests per 60 s. Try again in 9 s."
        );
        let message = mk_message(RefusedBecause::WouldMissDeadline, Duration::from_secs(30));
        assert!(
            message.contains("the upstream asked for a pause, which lasts for another 30.0 s"),
            "{message}"
        );
        assert!(!message.contains("rate limiter") && !message.contains("policy"), "{message}");
        for because in [RefusedBecause::UpstreamUnavailable, RefusedBecause::Draining] {
            let message = mk_message(because, Duration::from_secs(30));
            assert!(!message.contains("rate limiter") && !message.contains("a pause"), "{message}");
        }
    }

    #[test]
    fn a_pace_that_was_lowered_is_named_beside_the_policys() {
        let refused = Refused {
            because: RefusedBecause::QueueFull,
            priority: Priority::Low,
            waited: Duration::ZERO,
            estimated_wait: Duration::ZERO,
            position: 0,
            retry_after: Duration::from_secs(9),
        };
        let message =
            mk_refusal(refused, Duration::ZERO, Some(24)).message(Pause::exactly(refused.retry_after));
        let named = "the policy allows 40 requests per 60 s, and the upstream's refusals have lowered that to 24 a minute. ";
        assert!(message.contains(named), "{message}");
    }

    #[test]
    fn nobody_is_told_to_come_back_where_that_is_pointless() {
        let message = mk_message(RefusedBecause::DeadlineUnreachable, Duration::ZERO);
        assert!(!message.contains("Try again"), "{message}");
    }

    #[test]
    fn the_text_says_the_same_number_as_the_header() {
        for retry_after in [0, 1, 999, 1_001, 59_500] {
            let refused = Refused {
                because: RefusedBecause::QueueFull,
                priority: Priority::Normal,
                waited: Duration::ZERO,
                estimated_wait: Duration::ZERO,
                position: 0,
                retry_after: Duration::from_millis(retry_after),
            };
            let reply = Reply::refused(&mk_refusal(refused, Duration::ZERO, None));
            let said = format!("Try again in {} s.", reply.pause.unwrap().seconds());
            assert!(reply.message.ends_with(&said), "{}", reply.message);
        }
    }
}
