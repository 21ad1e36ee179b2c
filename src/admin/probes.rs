//! What the kubelet asks: small answers from atomics.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::get;
use http::StatusCode;

use super::State;
use super::readiness::Unready;
use crate::metrics::{PolicySource, PolicyState};

/// A probe's answer; the body is for people.
type Answer = (StatusCode, Cow<'static, str>);

/// `/livez`, `/readyz` and `/startupz`.
pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/startupz", get(started))
        .with_state(state)
}

/// Fails only when waiting requests would never be served: a restart helps then, and only then.
async fn live(Shared(state): Shared<Arc<State>>) -> Answer {
    if state.parts.scheduler.is_alive() {
        (StatusCode::OK, "ok\n".into())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the scheduler has stopped or is stuck\n".into())
    }
}

async fn ready(Shared(state): Shared<Arc<State>>) -> Answer {
    match state.parts.readiness.check() {
        Ok(()) => (StatusCode::OK, "ok\n".into()),
        Err(Unready::Starting) => (StatusCode::SERVICE_UNAVAILABLE, "starting\n".into()),
        Err(Unready::Draining) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n".into()),
        Err(Unready::Gated) => (StatusCode::SERVICE_UNAVAILABLE, "gated: see /health/ready\n".into()),
    }
}

/// Says as well what decided the settings: a pod that started without its policy shows it in its events.
async fn started(Shared(state): Shared<Arc<State>>) -> Answer {
    let policy = &state.parts.metrics.policy;
    let source = policy.source().map_or("unknown", PolicySource::as_str);
    let standing = policy.state().map_or("unknown", PolicyState::as_str);
    if state.parts.readiness.is_started() {
        (StatusCode::OK, format!("ok: settings from {source}, policy {standing}\n").into())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("starting: policy {standing}\n").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::fixture::Fixture;

    async fn statuses(fixture: &Fixture) -> [u16; 3] {
        let state = || Shared(fixture.admin.state.clone());
        let answers = [live(state()).await, ready(state()).await, started(state()).await];
        answers.map(|(status, _)| status.as_u16())
    }

    #[tokio::test(start_paused = true)]
    async fn liveness_fails_only_when_the_scheduler_has_stopped() {
        let fixture = Fixture::start();
        tokio::task::yield_now().await;
        assert_eq!(statuses(&fixture).await, [200, 200, 200]);
        fixture.readiness.set_draining();
        assert_eq!(statuses(&fixture).await, [200, 503, 200]);
        fixture.dispatcher.cancel();
        tokio::task::yield_now().await;
        assert_eq!(statuses(&fixture).await, [503, 503, 200]);
    }
}
