//! The one place where what went wrong becomes a response.
//!
//! Every error has the shape clients of this API parse, a code, the reason in a header of ours, and
//! either when to come back or that coming back is pointless.

mod refusal;
mod reply;

use axum::body::Body;
use http::{Response, StatusCode};
use http_body::Body as _;

use super::answer::Answer;
use super::base::NoTarget;
use super::body::BodyError;
use super::exchange::{End, Exchange};
use super::headers::{Pace, Pause};
use super::upstream::SendError;
use crate::metrics::{Metrics, RefusalReason};

pub(super) use refusal::Refusal;
use reply::Reply;

/// Why the application does not get the upstream's answer as it is.
#[derive(Debug)]
pub(super) enum Failure {
    /// The path is not the API's.
    Outside,
    /// The path would not reach the upstream as it was sent.
    OddPath,
    /// The request wants to leave HTTP.
    Upgrade,
    /// `x-priority` holds none of the four words.
    UnknownPriority(String),
    /// There is more than one `x-priority`.
    TwoPriorities,
    /// The body was not read to its end.
    Body(BodyError, BodyLimits),
    /// The scheduler gave no permit.
    Refused(Box<Refusal>),
    /// The upstream gave no answer; `retried` if it was asked more than once.
    Send { error: SendError, retried: bool },
    /// The upstream's quota refused it to the end.
    RateLimited { answer: Box<Answer>, pause: Pause },
    /// The upstream's workers were busy to the end.
    Overloaded { answer: Box<Answer>, pause: Pause, retried: bool },
    /// The workers of the request's model were busy a moment ago, and are asked again only after its deadline.
    Busy { pause: Pause, retried: bool },
    /// A handler panicked.
    Panicked,
}

/// What bodies may measure, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    /// One body, in bytes.
    pub(super) each: usize,
    /// All buffered bodies together, in bytes.
    pub(super) all: usize,
}

impl From<NoTarget> for Failure {
    fn from(reason: NoTarget) -> Self {
        match reason {
            NoTarget::Outside => Self::Outside,
            NoTarget::Odd => Self::OddPath,
        }
    }
}

impl Failure {
    /// The response, counted; settles `exchange` if the failure belongs to one.
    pub(super) fn respond(
        self,
        metrics: &Metrics,
        pace: Option<Pace>,
        exchange: Option<Exchange>,
    ) -> Response<Body> {
        let reply = self.reply();
        if let End::Refused(reason) = reply.end {
            metrics.requests.refused(reason).inc();
        }
        if let Some(mut exchange) = exchange {
            let (trace_id, reason, status) = (exchange.trace_id(), reply.reason(), reply.status.as_u16());
            tracing::debug!(target: "pacer::proxy", trace_id, reason, status, "{}", reply.message);
            exchange.answered(reply.status);
            exchange.ends(reply.end);
            let response = reply.into_response(pace);
            exchange.sent(response.body().size_hint().lower());
            return response;
        }
        reply.into_response(pace)
    }

    fn reply(self) -> Reply {
        match self {
            Self::Outside => Reply::unacceptable(
                StatusCode::NOT_FOUND,
                "not_found",
                "pacer serves the API under /v1/; there is nothing at this path",
            ),
            Self::OddPath => Reply::unacceptable(
                StatusCode::BAD_REQUEST,
                "invalid_path",
                "pacer forwards no path with `.` or `..` segments or a backslash, encoded or not: it could leave the upstream's base path",
            ),
            Self::Upgrade => Reply::unacceptable(
                StatusCode::BAD_REQUEST,
                "upgrade_not_supported",
                "pacer forwards plain HTTP requests only; this one asks to upgrade to another protocol",
            ),
            Self::UnknownPriority(word) => Reply::unacceptable(
                StatusCode::BAD_REQUEST,
                "unknown_priority",
                format!("x-priority is {word:?}; accepted are urgent, high, normal, low in any case"),
            ),
            Self::TwoPriorities => Reply::unacceptable(
                StatusCode::BAD_REQUEST,
                "unknown_priority",
                "x-priority is there more than once; a request has one priority",
            ),
            Self::Body(error, limits) => Reply::body(error, limits),
            Self::Refused(refusal) => Reply::refused(&refusal),
            Self::Send { error, retried } => Reply::send(&error, retried),
            Self::RateLimited { answer, pause } => Reply {
                pause: Some(pause),
                upstream: Some(answer),
                ..Reply::failed(
                    StatusCode::TOO_MANY_REQUESTS,
                    "rate_limit_error",
                    "rate_limit_exceeded",
                    "the upstream refused this request for its rate limit, and it cannot be sent again in time",
                )
            },
            Self::Overloaded { answer, pause, retried } => {
                Reply { upstream: Some(answer), ..Reply::overloaded(pause, retried) }
            }
            Self::Busy { pause, retried } => Reply::busy(pause, retried),
            Self::Panicked => Reply::failed(
                StatusCode::INTERNAL_SERVER_ERROR,
                "server_error",
                "internal_error",
                "pacer failed on this request; its log has the details",
            ),
        }
    }
}

impl Reply {
    fn body(error: BodyError, limits: BodyLimits) -> Self {
        let BodyLimits { each, all } = limits;
        match error {
            BodyError::TooLarge => Self {
                end: End::Refused(RefusalReason::BodyTooLarge),
                ..Self::unacceptable(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "body_too_large",
                    format!("the request's body is larger than the {each} bytes pacer accepts"),
                )
            },
            BodyError::BudgetSpent => Self {
                end: End::Refused(RefusalReason::BufferFull),
                ..Self::failed(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "server_error",
                    "buffer_full",
                    format!(
                        "the bodies of waiting requests fill the {all} bytes pacer may hold; try again in a moment"
                    ),
                )
            },
            BodyError::Stalled => Self::stalled(),
            BodyError::Broken => Self::unacceptable(
                StatusCode::BAD_REQUEST,
                "invalid_body",
                "the request's body broke off or was framed wrongly",
            ),
        }
    }

    fn stalled() -> Self {
        Self {
            end: End::Refused(RefusalReason::BadRequest),
            ..Self::failed(
                StatusCode::REQUEST_TIMEOUT,
                "invalid_request_error",
                "body_timeout",
                "the request's body stopped coming",
            )
        }
    }

    fn send(error: &SendError, retried: bool) -> Self {
        let (status, code, message) = match error {
            SendError::Stalled => return Self::stalled(),
            SendError::Connect(_) => {
                (StatusCode::BAD_GATEWAY, "upstream_unreachable", "pacer cannot connect to the upstream")
            }
            SendError::Broken(_) => (
                StatusCode::BAD_GATEWAY,
                "upstream_broken",
                "the connection to the upstream broke before it answered; it may have processed the request",
            ),
            SendError::Timeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                "the upstream did not answer in time; it may still process the request",
            ),
        };
        Self { should_retry: retried.then_some(false), ..Self::failed(status, "server_error", code, message) }
    }
}
