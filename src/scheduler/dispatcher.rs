//! The one task: sleeps until the limiter's next event and puts new settings in force.
//!
//! It wakes now and then with nothing to do, to show that it can: a beat says that the runtime
//! still runs tasks and that the mutex can still be had.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::shared::Shared;
use crate::limiter::Settings;

/// The longest time between two beats: several go into what liveness allows.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// Tells when the task is gone, however it ended and even if it never ran.
struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.died();
    }
}

/// Runs until it is dropped.
pub(super) fn run(
    shared: Arc<Shared>,
    mut settings: watch::Receiver<Arc<Settings>>,
) -> impl Future<Output = ()> + Send + 'static {
    let alive = Alive(shared);
    async move {
        let shared = &alive.0;
        let mut followed = true;
        loop {
            let next = shared.arm();
            shared.beat();
            let beat = Instant::now() + BEAT_EVERY;
            tokio::select! {
                () = sleep_until(next.map_or(beat, |next| next.min(beat))) => {}
                () = shared.woken() => {}
                changed = settings.changed(), if followed => match changed {
                    Ok(()) => {
                        let new = Arc::clone(&settings.borrow_and_update());
                        shared.change(|state, now| state.limiter().reconfigure(&new, now));
                    }
                    Err(_) => followed = false,
                },
            }
        }
    }
}
