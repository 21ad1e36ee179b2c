//! A port for operators without a port: the handlers, over a sidecar's parts and a made-up upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Admin, Parts, PolicyView, Readiness};
use crate::drain::Drain;
use crate::limiter::Settings;
use crate::limiter::settings::ReadinessGate;
use crate::metrics::{Metrics, PolicySource, PolicyState};
use crate::scheduler::Scheduler;

/// A checker in front of an upstream that counts how often it is asked.
pub(super) struct Fixture {
    pub(super) admin: Admin,
    pub(super) settings: watch::Sender<Arc<Settings>>,
    pub(super) checks: Arc<AtomicU32>,
    pub(super) upstream_answers: Arc<AtomicBool>,
    pub(super) readiness: Arc<Readiness>,
    /// Ends the scheduler's task.
    pub(super) dispatcher: CancellationToken,
    pub(super) drain: Drain,
}

impl Fixture {
    pub(super) fn start() -> Self {
        let (settings, in_force) = watch::channel(Arc::new(Settings::default()));
        let metrics = Arc::new(Metrics::new("test"));
        let (scheduler, dispatch) = Scheduler::new(in_force.clone(), metrics.clone());
        let checks = Arc::new(AtomicU32::new(0));
        let upstream_answers = Arc::new(AtomicBool::new(true));
        let readiness = Arc::new(Readiness::default());
        readiness.set_started();
        let (count, answers) = (checks.clone(), upstream_answers.clone());
        let (admin, check) = Admin::new(Parts {
            metrics,
            scheduler,
            settings: in_force,
            readiness: readiness.clone(),
            policy: Box::new(mk_policy),
            upstream: Box::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
                std::future::ready(answers.load(Ordering::Relaxed)).boxed()
            }),
        });
        let drain = Drain::new();
        let dispatcher = CancellationToken::new();
        let stop = dispatcher.clone();
        drain.spawn(async move {
            stop.run_until_cancelled_owned(dispatch).await;
        });
        drain.spawn(check);
        Self { admin, settings, checks, upstream_answers, readiness, dispatcher, drain }
    }

    pub(super) fn checks(&self) -> u32 {
        self.checks.load(Ordering::Relaxed)
    }

    pub(super) fn gate_on(&self, gates: &[ReadinessGate]) {
        let settings = Settings { readiness_gates: gates.to_vec(), ..Settings::default() };
        self.settings.send_replace(Arc::new(settings));
    }
}

fn mk_policy() -> PolicyView {
    PolicyView {
        source: PolicySource::Environment,
        state: PolicyState::Unused,
        since: Instant::now(),
        reason: None,
        name: None,
        namespace: None,
        generation: None,
        rejected: None,
    }
}
