//! What the tests share: a scripted upstream, a sidecar in this process, clients, and a watch
//! over every line that is logged.

pub(crate) mod client;
pub(crate) mod logs;
#[path = "../support/policies.rs"]
pub(crate) mod policies;
pub(crate) mod process;
#[path = "../support/program.rs"]
pub(crate) mod program;
pub(crate) mod sidecar;
pub(crate) mod upstream;

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) use client::Reply;
pub(crate) use sidecar::Sidecar;
pub(crate) use upstream::{Answer, Upstream};

/// The API key of every sidecar in these tests; it may show up nowhere but at the upstream.
pub(crate) const CANARY: &str = "nvapi-CANARY-7f3a9b";

/// A task that ends with the test.
#[derive(Debug)]
pub(crate) struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no drain to track its tasks")]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Task {
    Task(tokio::spawn(task))
}

/// Waits for something that happens soon. The bound only ends a test that has failed.
pub(crate) async fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(20);
    while !happened() {
        assert!(Instant::now() < give_up, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Ends a test that waits for what never comes.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .unwrap_or_else(|_| panic!("never happened: {what}"))
}
