//! An error in the terms of the contract, and its form on the wire.

use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::exchange::End;
use super::super::headers::{self, Pace, Pause};
use crate::metrics::RefusalReason;

/// What clients are told to wait when a moment is enough.
pub(super) const A_MOMENT: Duration = Duration::from_secs(1);

/// An error in the terms of the contract.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) end: End,
    pub(super) pause: Option<Pause>,
    pub(super) should_retry: Option<bool>,
    /// Position and estimated wait.
    pub(super) place: Option<(usize, Duration)>,
    /// The upstream's answer, if there was one.
    pub(super) upstream: Option<Box<Answer>>,
}

impl Reply {
    /// Something between here and the upstream failed; a moment later it may not.
    pub(super) fn failed(
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
    pub(super) fn unacceptable(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            end: End::Refused(RefusalReason::BadRequest),
            pause: None,
            should_retry: Some(false),
            ..Self::failed(status, "invalid_request_error", code, message)
        }
    }

    /// The workers of one model were all busy.
    pub(super) fn overloaded(pause: Pause, retried: bool) -> Self {
        Self {
            pause: Some(pause),
            should_retry: retried.then_some(false),
            ..Self::failed(
                StatusCode::SERVICE_UNAVAILABLE,
                "server_error",
                "upstream_overloaded",
                "the upstream's workers for this model are all busy; this is not its rate limit",
            )
        }
    }

    /// They were, and are not asked again before it is too late.
    pub(super) fn busy(pause: Pause, retried: bool) -> Self {
        Self {
            end: End::Refused(RefusalReason::UpstreamUnavailable),
            message:
                "the upstream's workers for this model were all busy a moment ago, and pacer will not have \
                      asked them again in time for this request; this is not its rate limit"
                    .into(),
            ..Self::overloaded(pause, retried)
        }
    }

    pub(super) fn into_response(mut self, pace: Option<Pace>) -> Response<Body> {
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
        let original = answer.text().bytes;
        let Answer { status, mut headers, .. } = answer;
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        let parsed = serde_json::from_slice::<Value>(&original).ok();
        if status == self.status && parsed.as_ref().is_some_and(is_api_error) {
            return (headers, original.into());
        }
        let upstream = parsed.unwrap_or_else(|| Value::from(String::from_utf8_lossy(&original)));
        (headers, self.json(Some(upstream)))
    }

    fn json(&self, upstream: Option<Value>) -> Vec<u8> {
        let mut error =
            json!({ "message": self.message, "type": self.kind, "param": null, "code": self.code });
        if let (Some(upstream), Some(fields)) = (upstream, error.as_object_mut()) {
            fields.insert("upstream".to_owned(), upstream);
        }
        json!({ "error": error }).to_string().into_bytes()
    }

    pub(super) fn reason(&self) -> &'static str {
        if let End::Refused(reason) = self.end {
            reason.as_str()
        } else if self.code == "rate_limit_exceeded" {
            "upstream_rate_limited"
        } else {
            self.code
        }
    }
}

/// Whether clients find message, type and code where they look for them.
fn is_api_error(body: &Value) -> bool {
    body.get("error").is_some_and(|error| {
        error.get("message").is_some_and(Value::is_string) && error.get("type").is_some_and(Value::is_string)
    })
}
