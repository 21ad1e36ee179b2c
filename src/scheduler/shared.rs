//! The one mutex, what it guards, and the only way to change it.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as StdInstant};

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep};

use super::permit::Permit;
use super::ticket::{Entry, Ticket};
use super::{LastTransition, Refused, Wanted};
use crate::limiter::{Admission, Decision, Grant, Key, Limiter, Refusal, Settings, Transition};
use crate::metrics::Metrics;

/// A task that has not beaten for so long is stuck: it beats every few seconds.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Where the answer to a waiting request goes.
#[derive(Debug)]
pub(super) struct Answer {
    to: oneshot::Sender<Result<Permit, Refusal>>,
    arrived: Instant,
}

/// An answer that is due once the mutex is free.
#[derive(Debug)]
struct Mail {
    answer: Answer,
    verdict: Result<Grant, Refusal>,
}

/// Who is still let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Only requests that come back, and those that had arrived before.
    Draining {
        since: Instant,
    },
    /// Nobody, and nobody waits.
    Closed,
}

/// What the mutex guards.
#[derive(Debug)]
pub(super) struct State {
    limiter: Limiter<Answer>,
    phase: Phase,
    /// When the task will wake by itself; `None` is never.
    armed: Option<StdInstant>,
    last_transition: Option<LastTransition>,
}

/// What is to be told once the mutex is free.
#[derive(Debug)]
struct Due {
    mail: Vec<Mail>,
    transitions: Vec<Transition>,
}

impl State {
    pub(super) fn admit(&mut self, answer: Answer, wanted: &Wanted, now: StdInstant) -> Admission {
        let is_late = match self.phase {
            Phase::Open => false,
            Phase::Draining { since } => wanted.arrived >= since,
            Phase::Closed => true,
        };
        if is_late {
            return Admission::Refused(Refusal::draining(wanted.priority));
        }
        self.limiter.admit(answer, wanted.priority, wanted.deadline.into_std(), now)
    }

    pub(super) fn readmit(&mut self, answer: Answer, grant: Grant, now: StdInstant) -> Admission {
        if self.phase == Phase::Closed {
            return Admission::Refused(Refusal::draining(grant.priority()));
        }
        self.limiter.readmit(answer, grant, now)
    }

    pub(super) fn cancel(&mut self, key: Key, now: StdInstant) {
        self.limiter.cancel(key, now);
    }

    pub(super) fn limiter(&mut self) -> &mut Limiter<Answer> {
        &mut self.limiter
    }

    pub(super) fn drain(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining { since: Instant::now() };
        }
    }

    pub(super) fn last_transition(&self) -> Option<LastTransition> {
        self.last_transition
    }

    /// Does all that can be done now; returns what is to be told and when there is something to do next.
    fn drive(&mut self, now: StdInstant) -> (Due, Option<StdInstant>) {
        let (mail, next) = self.decide(now);
        (Due { mail, transitions: self.transitions(now) }, next)
    }

    /// What the pace did since it was last asked.
    fn transitions(&mut self, now: StdInstant) -> Vec<Transition> {
        let transitions: Vec<_> = std::iter::from_fn(|| self.limiter.next_transition()).collect();
        if let Some(&transition) = transitions.last() {
            self.last_transition = Some(LastTransition { transition, at: Instant::from_std(now) });
        }
        transitions
    }

    fn decide(&mut self, now: StdInstant) -> (Vec<Mail>, Option<StdInstant>) {
        let mut mail = Vec::new();
        while self.phase == Phase::Closed
            && let Some((answer, priority)) = self.limiter.evict()
        {
            mail.push(Mail { answer, verdict: Err(Refusal::draining(priority)) });
        }
        loop {
            match self.limiter.poll(now) {
                Decision::Grant(answer, grant) => mail.push(Mail { answer, verdict: Ok(grant) }),
                Decision::Refuse(answer, refusal) => mail.push(Mail { answer, verdict: Err(refusal) }),
                Decision::Sleep(next) => return (mail, next),
            }
        }
    }
}

/// What the scheduler's handles, permits and task have in common.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    wake: Notify,
    closing: Notify,
    alive: AtomicBool,
    started: Instant,
    metrics: Arc<Metrics>,
    /// Milliseconds from `started` to the task's last beat.
    last_beat: AtomicU64,
}

impl Shared {
    pub(super) fn new(settings: &Settings, seed: u64, metrics: Arc<Metrics>) -> Self {
        let started = Instant::now();
        let limiter = Limiter::new(settings, seed, started.into_std());
        let state = State { limiter, phase: Phase::Open, armed: None, last_transition: None };
        Self {
            state: Mutex::new(state),
            wake: Notify::new(),
            closing: Notify::new(),
            alive: AtomicBool::new(true),
            started,
            metrics,
            last_beat: AtomicU64::new(0),
        }
    }

    /// Changes the state, does what can be done then, and delivers the answers once the mutex is free.
    pub(super) fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut State, StdInstant) -> T) -> T {
        let now = Instant::now().into_std();
        let (result, due, sooner) = {
            let mut state = self.lock();
            let result = change(&mut state, now);
            let (due, next) = state.drive(now);
            let sooner = next.filter(|next| state.armed.is_none_or(|armed| *next < armed));
            state.armed = sooner.or(state.armed);
            (result, due, sooner)
        };
        if sooner.is_some() {
            self.wake.notify_one();
        }
        self.deliver(due);
        result
    }

    /// Does what can be done now and returns when to call again, unless [`Shared::woken`] says earlier.
    pub(super) fn arm(self: &Arc<Self>) -> Option<Instant> {
        let now = Instant::now().into_std();
        let (due, next) = {
            let mut state = self.lock();
            let (due, next) = state.drive(now);
            state.armed = next;
            (due, next)
        };
        self.deliver(due);
        next.map(Instant::from_std)
    }

    /// Waits until the time returned by [`Shared::arm`] is too late.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Refuses everybody who waits, pauses or still comes.
    pub(super) fn close(self: &Arc<Self>) {
        self.change(|state, _| state.phase = Phase::Closed);
        self.closing.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().phase == Phase::Closed
    }

    /// Waits for `pause`, or until nobody is served any more.
    pub(super) async fn pause(&self, pause: Duration) {
        let mut closing = pin!(self.closing.notified());
        closing.as_mut().enable();
        if pause.is_zero() || self.is_closed() {
            return;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = closing => {}
        }
    }

    /// Looks without letting anybody leave. Time passes, so the pace may have changed all the same.
    pub(super) fn read<T>(&self, look: impl FnOnce(&mut State, StdInstant) -> T) -> T {
        let now = Instant::now().into_std();
        let (seen, transitions) = {
            let mut state = self.lock();
            let seen = look(&mut state, now);
            (seen, state.transitions(now))
        };
        self.tell(&transitions);
        seen
    }

    /// Lets a request in: with a permit, with a ticket to wait with, or not at all.
    pub(super) fn enter(
        self: &Arc<Self>,
        arrived: Instant,
        admit: impl FnOnce(&mut State, Answer, StdInstant) -> Admission,
    ) -> Result<Entry, Refused> {
        let (to, answered) = oneshot::channel();
        match self.change(|state, now| admit(state, Answer { to, arrived }, now)) {
            Admission::Queued(key) => {
                Ok(Entry::Waiting(Ticket::new(Arc::clone(self), key, answered, arrived)))
            }
            Admission::Granted(grant) => Ok(Entry::Granted(Permit::new(Arc::clone(self), grant, arrived))),
            Admission::Refused(refusal) => Err(Refused::new(&refusal, arrived)),
        }
    }

    /// Whether the task exists and has beaten lately.
    pub(super) fn is_alive(&self) -> bool {
        let last_beat = Duration::from_millis(self.last_beat.load(Ordering::Relaxed));
        self.alive.load(Ordering::Relaxed) && self.uptime().saturating_sub(last_beat) < STUCK_AFTER
    }

    /// The task runs.
    pub(super) fn beat(&self) {
        let now = u64::try_from(self.uptime().as_millis()).unwrap_or(u64::MAX);
        self.last_beat.store(now, Ordering::Relaxed);
    }

    fn uptime(&self) -> Duration {
        Instant::now().saturating_duration_since(self.started)
    }

    pub(super) fn died(&self) {
        self.alive.store(false, Ordering::Relaxed);
    }

    fn deliver(self: &Arc<Self>, Due { mail, transitions }: Due) {
        self.tell(&transitions);
        for Mail { answer: Answer { to, arrived }, verdict } in mail {
            let verdict = verdict.map(|grant| Permit::new(Arc::clone(self), grant, arrived));
            // If nobody listens any more, the permit comes back and puts its place back as it drops.
            drop(to.send(verdict));
        }
    }

    /// Logs and counts what the pace did.
    fn tell(&self, transitions: &[Transition]) {
        for transition in transitions {
            self.metrics.retreat.count(transition);
            tracing::info!(
                target: "pacer::scheduler",
                cause = transition.cause.name(),
                from = transition.from.name(),
                to = transition.to.name(),
                requests_per_minute_before = transition.from_rpm,
                requests_per_minute = transition.to_rpm,
                "the pace changed its state",
            );
        }
    }

    /// A panic elsewhere leaves the limiter as its last whole decision left it, which is fit for use.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
