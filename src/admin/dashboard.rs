//! `/dashboard`: what an operator wants to know of this one sidecar, for people first.
//!
//! The page asks for `/dashboard/data` once a second and closes its connection each time: the port holds few
//! connections, and however many people look, the probes must not wait behind them. Whoever asks gets the same
//! snapshot, made at most once a second, and never while nobody looks.

mod data;
mod history;

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue};

pub(super) use data::Latest;
pub(super) use history::{History, sample};

use super::State;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

/// Nothing from elsewhere, nothing inline, nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Path, type and text of what never changes.
const ASSETS: [(&str, &str, &str); 4] = [
    ("/dashboard", HTML, include_str!("dashboard/assets/page.html")),
    ("/dashboard/page.css", CSS, include_str!("dashboard/assets/page.css")),
    ("/dashboard/page.js", SCRIPT, include_str!("dashboard/assets/page.js")),
    ("/dashboard/chart.js", SCRIPT, include_str!("dashboard/assets/chart.js")),
];

/// `/dashboard` and all that it loads.
pub(super) fn router(state: Arc<State>) -> Router {
    let assets = ASSETS.into_iter().fold(Router::new(), |router, (path, kind, text)| {
        router.route(path, get(async move || answer(kind, Bytes::from_static(text.as_bytes()))))
    });
    assets.merge(Router::new().route("/dashboard/data", get(data)).with_state(state))
}

async fn data(Shared(state): Shared<Arc<State>>) -> Response {
    answer(JSON, state.latest.get(&state))
}

fn answer(kind: &'static str, body: Bytes) -> Response {
    let headers: [(HeaderName, HeaderValue); 6] = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        // A page of another version must not meet this version's data.
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CONNECTION, HeaderValue::from_static("close")),
    ];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests;
