//! The one task: sleeps until the limiter's next event and puts new settings in force.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::sleep_until;

use super::shared::Shared;
use crate::limiter::Settings;

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
            let due = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
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
