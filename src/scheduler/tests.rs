//! Claims about the scheduler, on virtual time.

mod outcomes;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep};

use super::{Permit, Refused, Scheduler, Wanted};
use crate::limiter::settings::{Mode, WhenFull};
use crate::limiter::{Cause, Outcome, PaceState, Priority, RefusedBecause, Settings};
use crate::metrics::Metrics;

/// One request a second, one at a time, no margin.
pub(super) fn mk_settings() -> Settings {
    let mut settings = Settings::default();
    settings.rate.requests_per_minute = 60;
    settings.rate.capacity = 1;
    settings.rate.window_margin = Duration::ZERO;
    settings.rate.minimum_gap = Duration::ZERO;
    settings
}

#[expect(clippy::disallowed_methods, reason = "a test's own runtime ends its tasks")]
fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(future)
}

pub(super) fn mk_metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new("test"))
}

fn start(settings: Settings) -> (Scheduler, watch::Sender<Arc<Settings>>) {
    let (sender, receiver) = watch::channel(Arc::new(settings));
    let (scheduler, task) = Scheduler::seeded(receiver, mk_metrics(), 1);
    spawn(task);
    (scheduler, sender)
}

pub(super) fn mk_wanted(priority: Priority, wait: Duration) -> Wanted {
    let arrived = Instant::now();
    Wanted { priority, arrived, deadline: arrived + wait }
}

fn mk_patient(priority: Priority) -> Wanted {
    mk_wanted(priority, Duration::from_secs(600))
}

/// Takes a permit, sends at once, is accepted.
async fn send(scheduler: &Scheduler, wanted: Wanted) -> Result<Duration, Refused> {
    let permit = scheduler.acquire(wanted).await?;
    permit.departure().mark();
    let waited = permit.waited();
    permit.settle(Outcome::Accepted);
    Ok(waited)
}

fn waiting(scheduler: &Scheduler) -> usize {
    scheduler.snapshot().depth.iter().sum()
}
