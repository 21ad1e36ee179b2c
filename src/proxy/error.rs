//! The one place where what went wrong becomes a response.
//!
//! Every error has the shape clients of this API parse, a code, the reason in a header of ours, and
//! either when to come back or that coming back is pointless.

use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::answer::Answer;
use super::body::BodyError;
use super::exchange::{End, Exchange, millis};
use super::headers::{self, Pace, Pause};
use super::upstream::SendError;
use crate::limiter::settings::Rate;
use crate::limiter::{Priority, RefusedBecause};
use crate::metrics::{Metrics, RefusalReason};
use crate::scheduler::Refused;

/// What clients are told to wait when a moment is enough.
const A_MOMENT: Duration = Duration::from_secs(1);

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
    /// The body was not read to its end.
    Body(BodyError, BodyLimits),
    /// The scheduler gave no permit.
    Refused(Refused, Rate),
    /// The upstream gave no answer; `retried` if it was asked more than once.
    Send { error: SendError, retried: bool },
    /// The upstream's quota refused it to the end.
    RateLimited { answer: Box<Answer>, pause: Pause },
    /// The upstream's workers were busy to the end.
    Overloaded { answer: Box<Answer>, pause: Pause, retried: bool },
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

/// An error in the terms of the contract.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    kind: &'static str,
    code: &'static str,
    message: String,
    end: End,
    pause: Option<Pause>,
    should_retry: Option<bool>,
    /// Position and estimated wait.
    place: Option<(usize, Duration)>,
    /// The upstream's answer, if there was one.
    upstream: Option<Box<Answer>>,
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
            exchange.answered(reply.status);
            exchange.ends(reply.end);
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
                "pacer forwards no path with `.` or `..` segments or a backslash: it could leave the upstream's base path",
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
            Self::Body(error, limits) => Reply::body(error, limits),
            Self::Refused(refused, rate) => Reply::refused(refused, rate),
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
            Self::Overloaded { answer, pause, retried } => Reply {
                pause: Some(pause),
                should_retry: retried.then_some(false),
                upstream: Some(answer),
                ..Reply::failed(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "server_error",
                    "upstream_overloaded",
                    "the upstream's workers for this model are all busy; this is not its rate limit",
                )
            },
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
    fn failed(
        status: StatusCode,
        kind: &'static str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            code,
            message: message.into(),
            end: End::Failed(code),
            pause: Some(Pause::exactly(A_MOMENT)),
            should_retry: None,
            place: None,
            upstream: None,
        }
    }

    /// A request that is refused however often it comes.
    fn unacceptable(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            end: End::Refused(RefusalReason::BadRequest),
            pause: None,
            should_retry: Some(false),
            ..Self::failed(status, "invalid_request_error", code, message)
        }
    }

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
            BodyError::Stalled => Self {
                end: End::Refused(RefusalReason::BadRequest),
                ..Self::failed(
                    StatusCode::REQUEST_TIMEOUT,
                    "invalid_request_error",
                    "body_timeout",
                    "the request's body stopped coming",
                )
            },
            BodyError::Broken => Self::unacceptable(
                StatusCode::BAD_REQUEST,
                "invalid_body",
                "the request's body broke off or was framed wrongly",
            ),
        }
    }

    fn refused(refused: Refused, rate: Rate) -> Self {
        let Refused { because, priority, waited, estimated_wait, position, retry_after } = refused;
        let reason = reason(because);
        let base = Self {
            end: End::Refused(reason),
            pause: Some(Pause::about(retry_after)),
            place: Some((position, estimated_wait)),
            ..Self::failed(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_error",
                "rate_limit_exceeded",
                refusal_message(&refused, priority, waited, &rate),
            )
        };
        match because {
            RefusedBecause::QueueFull | RefusedBecause::WouldMissDeadline | RefusedBecause::TimedOut => base,
            RefusedBecause::DeadlineUnreachable => {
                Self { code: "deadline_unreachable", should_retry: Some(false), ..base }
            }
            RefusedBecause::Draining => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                kind: "server_error",
                code: "shutting_down",
                pause: Some(Pause::exactly(A_MOMENT)),
                ..base
            },
        }
    }

    fn send(error: &SendError, retried: bool) -> Self {
        let (status, code, message) = match error {
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

    fn into_response(mut self, pace: Option<Pace>) -> Response<Body> {
        let (mut headers, body) = match self.upstream.take() {
            Some(answer) => self.with_upstream(*answer),
            None => (HeaderMap::new(), self.json(None)),
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(headers::REASON, HeaderValue::from_static(self.reason()));
        if let Some(pace) = pace {
            pace.write(&mut headers);
        }
        if let Some(pause) = self.pause {
            pause.write(&mut headers);
        }
        if let Some(should_retry) = self.should_retry {
            headers::write_should_retry(&mut headers, should_retry);
        }
        if let Some((position, estimated_wait)) = self.place {
            headers::write_place(&mut headers, position, estimated_wait);
        }
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }

    /// The upstream's headers, and its body where that is an error of the API's format and the same
    /// status already, else our own with the original inside.
    fn with_upstream(&self, answer: Answer) -> (HeaderMap, Vec<u8>) {
        let Answer { status, mut headers, body } = answer;
        let compressed = headers.remove(CONTENT_ENCODING).is_some();
        headers.remove(CONTENT_LENGTH);
        let original = body.peeked();
        let parsed = serde_json::from_slice::<Value>(&original).ok();
        if status == self.status && parsed.as_ref().is_some_and(is_api_error) {
            return (headers, original.into());
        }
        let plain = || (!compressed).then(|| Value::from(String::from_utf8_lossy(&original)));
        (headers, self.json(parsed.or_else(plain)))
    }

    fn json(&self, upstream: Option<Value>) -> Vec<u8> {
        let mut error =
            json!({ "message": self.message, "type": self.kind, "param": null, "code": self.code });
        if let (Some(upstream), Some(fields)) = (upstream, error.as_object_mut()) {
            fields.insert("upstream".to_owned(), upstream);
        }
        json!({ "error": error }).to_string().into_bytes()
    }

    fn reason(&self) -> &'static str {
        match self.end {
            End::Refused(reason) => reason.as_str(),
            End::Relayed | End::Failed(_) | End::Broken | End::ClientGone
                if self.code == "rate_limit_exceeded" =>
            {
                "upstream_rate_limited"
            }
            End::Relayed | End::Failed(_) | End::Broken | End::ClientGone => self.code,
        }
    }
}

fn reason(because: RefusedBecause) -> RefusalReason {
    match because {
        RefusedBecause::QueueFull => RefusalReason::QueueFull,
        RefusedBecause::WouldMissDeadline => RefusalReason::WouldMissDeadline,
        RefusedBecause::DeadlineUnreachable => RefusalReason::DeadlineUnreachable,
        RefusedBecause::TimedOut => RefusalReason::TimedOut,
        RefusedBecause::Draining => RefusalReason::Draining,
    }
}

/// Who refused, why, how long it waited, where it stood and by which policy.
fn refusal_message(refused: &Refused, priority: Priority, waited: Duration, rate: &Rate) -> String {
    let why = match refused.because {
        RefusedBecause::QueueFull => "the queue is full",
        RefusedBecause::WouldMissDeadline => "its turn would come after its deadline",
        RefusedBecause::DeadlineUnreachable => {
            "its turn would come after its deadline, now and for the next minute"
        }
        RefusedBecause::TimedOut => "it waited as long as it may",
        RefusedBecause::Draining => "pacer is shutting down",
    };
    format!(
        "pacer's rate limiter refused this {priority} request: {why}. It waited {waited:.1?} with {ahead} ahead \
         of it and an estimated wait of {wait:.1?}; the policy allows {quota} requests per {window} s. \
         Try again in {retry} ms.",
        ahead = refused.position,
        wait = refused.estimated_wait,
        quota = rate.window_quota(),
        window = rate.window.as_secs(),
        retry = millis(refused.retry_after),
    )
}

/// Whether clients find message, type and code where they look for them.
fn is_api_error(body: &Value) -> bool {
    body.get("error").is_some_and(|error| {
        error.get("message").is_some_and(Value::is_string) && error.get("type").is_some_and(Value::is_string)
    })
}
