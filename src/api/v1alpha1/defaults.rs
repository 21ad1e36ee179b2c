//! The default of every field, in one place.
//!
//! The numbers are the product's; `limiter::Settings::default()` holds the same ones for
//! a sidecar that was told nothing, and a test keeps the two equal.

use super::{Method, Mode, Priority, Switch, WhenFull};

pub(super) const fn mode() -> Mode {
    Mode::Enforce
}

pub(super) const fn window_seconds() -> i32 {
    60
}

pub(super) const fn window_margin_milliseconds() -> i32 {
    500
}

pub(super) const fn max_depth() -> i32 {
    500
}

pub(super) const fn when_full() -> WhenFull {
    WhenFull::Passthrough
}

pub(super) const fn default_priority() -> Priority {
    Priority::Normal
}

pub(super) const fn max_wait_seconds() -> i32 {
    60
}

/// What a priority's entry says about `maxWaitSeconds` when it says nothing.
pub(super) const fn priority_max_wait_seconds(priority: Priority, queue: i32) -> i32 {
    match priority {
        Priority::Urgent | Priority::High | Priority::Normal => queue,
        Priority::Low if queue < 2 => queue,
        Priority::Low => 2,
    }
}

/// What a priority's entry says about `minimumSharePercent` when it says nothing.
pub(super) const fn minimum_share_percent(priority: Priority) -> i32 {
    match priority {
        Priority::Urgent => 0,
        Priority::High => 20,
        Priority::Normal => 10,
        Priority::Low => 5,
    }
}

pub(super) const fn enabled() -> Switch {
    Switch::Enabled
}

pub(super) const fn threshold_percent() -> i32 {
    5
}

pub(super) const fn factor_percent() -> i32 {
    75
}

pub(super) const fn minimum_samples() -> i32 {
    10
}

pub(super) const fn probe_after_seconds() -> i32 {
    10
}

pub(super) const fn probe_max_seconds() -> i32 {
    300
}

pub(super) const fn server_errors() -> i32 {
    4
}

pub(super) const fn connect_seconds() -> i32 {
    5
}

pub(super) const fn idle_seconds() -> i32 {
    60
}

pub(super) const fn total_seconds() -> i32 {
    0
}

pub(super) fn models() -> Vec<String> {
    vec!["*".to_owned()]
}

pub(super) fn methods() -> Vec<Method> {
    vec![Method::Post]
}
