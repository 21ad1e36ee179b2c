//! Claims about the limiter as a whole: invariants over random traces, and the promises in figures.

mod accounts;
mod figures;
mod invariants;
mod law;
mod model;

use std::time::{Duration, Instant};

use super::settings::{Lane, Settings};

/// An instant to count from; the tests never read a clock again.
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time; no test looks at its value")]
fn origin() -> Instant {
    Instant::now()
}

fn seconds(count: f64) -> Duration {
    Duration::from_secs_f64(count)
}

/// Default settings in which everybody may wait for an hour.
fn mk_patient_settings() -> Settings {
    let mut settings = Settings::default();
    settings.queue.lanes =
        settings.queue.lanes.map(|lane| Lane { max_wait: Duration::from_secs(3600), ..lane });
    settings
}
