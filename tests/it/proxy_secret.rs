//! The API key shows up nowhere, and the watch over that is awake.

use pacer::proxy::{ApiKey, KeySource};

use crate::support::logs::{Watch, subscriber};
use crate::support::sidecar::call;
use crate::support::{Answer, CANARY, Sidecar, Upstream};

/// Without this the check at the end of every test could be blind.
#[test]
fn the_watch_over_the_log_sees_a_leak_at_trace_level() {
    let watch = Watch::default();
    tracing::subscriber::with_default(subscriber(watch.clone()), || {
        tracing::trace!(target: "pacer::proxy", key = CANARY, "a leak");
        tracing::trace!(target: "pacer::proxy", "no leak");
    });
    assert_eq!(watch.leaks().len(), 1);
}

#[tokio::test]
async fn no_error_on_the_way_shows_the_key() {
    let upstream =
        Upstream::start([Answer::Slam, Answer::json(401, r#"{"error":{"message":"bad key"}}"#)]).await;
    let sidecar = Sidecar::before(&upstream).await;
    assert_eq!(call(sidecar.post()).await.status, 502);
    assert_eq!(call(sidecar.post()).await.status, 401);
    let nobody = Sidecar::builder("http://127.0.0.1:1/v1").start().await;
    assert_eq!(call(nobody.post()).await.status, 502);
}

#[test]
fn no_debug_format_shows_the_key() {
    let key = KeySource::Value(ApiKey::try_from(CANARY.to_owned()).unwrap());
    assert!(!format!("{key:?}").contains(CANARY));
    let bad = ApiKey::try_from(format!("{CANARY}\n{CANARY}")).unwrap_err();
    assert!(!format!("{bad:?} {bad}").contains(CANARY));
}
