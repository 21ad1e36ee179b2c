//! Faults on purpose, for the tests of what a cluster does about them; not in a release build.

use std::future::pending;
use std::pin::pin;

use tokio::signal::unix::{self, SignalKind};

/// Runs the scheduler's task until the process gets SIGUSR1; from then on the task is there and does nothing,
/// as one that is stuck.
#[cfg_attr(not(feature = "fault-injection"), expect(dead_code, reason = "tests need no signal"))]
pub(super) async fn stuck_when_told(dispatch: impl Future<Output = ()>) {
    stuck_after(dispatch, async {
        match unix::signal(SignalKind::user_defined1()) {
            Ok(mut told) => told.recv().await,
            Err(error) => {
                tracing::error!(%error, "SIGUSR1 cannot be caught: nothing will be stuck");
                pending().await
            }
        };
        tracing::warn!("SIGUSR1: the scheduler is stuck from now on, for a test");
    })
    .await;
}

async fn stuck_after(dispatch: impl Future<Output = ()>, told: impl Future<Output = ()>) {
    // Pinned outside of the select: a task that is stuck is not dropped either.
    let mut dispatch = pin!(dispatch);
    tokio::select! {
        biased;
        () = told => pending().await,
        () = &mut dispatch => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::{oneshot, watch};
    use tokio::time::sleep;

    use super::*;
    use crate::limiter::Settings;
    use crate::metrics::Metrics;
    use crate::scheduler::Scheduler;

    #[tokio::test(start_paused = true)]
    async fn a_stuck_scheduler_is_seen_by_liveness_but_not_at_once() {
        let (_edit, settings) = watch::channel(Arc::new(Settings::default()));
        let (scheduler, dispatch) = Scheduler::new(settings, Arc::new(Metrics::new("test")));
        let (tell, told) = oneshot::channel();
        let drain = crate::drain::Drain::new();
        drain.spawn(stuck_after(dispatch, async { told.await.unwrap_or(()) }));
        sleep(Duration::from_secs(60)).await;
        assert!(scheduler.is_alive());
        tell.send(()).unwrap();
        sleep(Duration::from_secs(1)).await;
        assert!(scheduler.is_alive());
        sleep(Duration::from_secs(60)).await;
        assert!(!scheduler.is_alive());
        drain.finish().await;
    }
}
