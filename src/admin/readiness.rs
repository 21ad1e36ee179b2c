//! The latch behind the probes.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the sidecar has started, is draining, and is held back by a gate.
///
/// A sidecar's readiness is its pod's. Started once, it stays ready until it drains; only
/// the gates that a policy names can take that back in between.
#[derive(Debug, Default)]
pub struct Readiness {
    started: AtomicBool,
    draining: AtomicBool,
    gated: AtomicBool,
}

/// Why a sidecar is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unready {
    /// It has not started yet.
    Starting,
    /// It takes no new work.
    Draining,
    /// A gate of the policy's is shut.
    Gated,
}

impl Readiness {
    /// The listeners are bound and the policy's source is decided.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// No new work is taken any more.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether a gate that the policy names is shut.
    pub fn set_gated(&self, gated: bool) {
        self.gated.store(gated, Ordering::Release);
    }

    /// Whether the sidecar has started.
    pub fn is_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    /// Whether no new work is taken any more.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether the sidecar is ready.
    ///
    /// # Errors
    /// The first reason why it is not.
    pub fn check(&self) -> Result<(), Unready> {
        if self.is_draining() {
            return Err(Unready::Draining);
        }
        if !self.is_started() {
            return Err(Unready::Starting);
        }
        if self.gated.load(Ordering::Acquire) {
            return Err(Unready::Gated);
        }
        Ok(())
    }
}

impl Unready {
    /// The word for it in bodies and log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Draining => "draining",
            Self::Gated => "gated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_between_start_and_drain_and_with_open_gates() {
        let readiness = Readiness::default();
        assert_eq!(readiness.check(), Err(Unready::Starting));
        readiness.set_started();
        assert_eq!(readiness.check(), Ok(()));
        readiness.set_gated(true);
        assert_eq!(readiness.check(), Err(Unready::Gated));
        readiness.set_gated(false);
        assert_eq!(readiness.check(), Ok(()));
        readiness.set_draining();
        assert_eq!(readiness.check(), Err(Unready::Draining));
    }

    #[test]
    fn a_sidecar_told_to_drain_before_it_started_is_draining() {
        let readiness = Readiness::default();
        readiness.set_draining();
        assert_eq!(readiness.check(), Err(Unready::Draining));
    }
}
