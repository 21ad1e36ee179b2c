//! Every interleaving of enqueue, cancel, wake and reconfigure: no wake-up is lost.
//!
//! Between two awaits everything the scheduler does happens under its one mutex, so the
//! order in which tasks are polled is all that can differ. This test polls them by hand, in
//! every order up to a bounded length: a task may be polled only if it has not been yet or its
//! waker was called, exactly as an executor would. After each prefix the rest is run
//! fairly, and then nobody may be left waiting.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::advance;

use super::tests::{mk_metrics, mk_settings, mk_wanted};
use super::{Scheduler, Wanted};
use crate::limiter::{Outcome, Priority, Settings};
use crate::metrics::Metrics;

/// Longest prefix explored.
const DEPTH: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// Polls one of the tasks: the dispatcher (0) or a client.
    Poll(usize),
    /// Drops the first client.
    Cancel,
    /// Doubles the rate.
    Reconfigure,
    /// Lets half a token's time pass.
    Tick,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Task {
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    runnable: Arc<Flag>,
}

impl Task {
    fn new(future: impl Future<Output = ()> + 'static) -> Self {
        Self { future: Some(Box::pin(future)), runnable: Arc::new(Flag(AtomicBool::new(true))) }
    }

    fn is_runnable(&self) -> bool {
        self.future.is_some() && self.runnable.0.load(Ordering::SeqCst)
    }

    fn poll(&mut self) {
        self.runnable.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.runnable));
        let Some(future) = &mut self.future else { return };
        if let Poll::Ready(()) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            self.future = None;
        }
    }
}

struct World {
    scheduler: Scheduler,
    policy: watch::Sender<Arc<Settings>>,
    /// The dispatcher and three clients.
    tasks: Vec<Task>,
    served: Arc<AtomicUsize>,
    cancelled: bool,
    reconfigured: bool,
    ticks: usize,
}

async fn client(scheduler: Scheduler, wanted: Wanted, served: Arc<AtomicUsize>) {
    let permit = scheduler.acquire(wanted).await.expect("there is an hour to wait");
    permit.departure().mark();
    permit.settle(Outcome::Accepted);
    served.fetch_add(1, Ordering::SeqCst);
}

impl World {
    fn new(metrics: &Arc<Metrics>) -> Self {
        let (policy, receiver) = watch::channel(Arc::new(mk_settings()));
        let (scheduler, dispatcher) = Scheduler::seeded(receiver, Arc::clone(metrics), 1);
        let served = Arc::new(AtomicUsize::new(0));
        let hour = Duration::from_secs(3600);
        let mut tasks = vec![Task::new(dispatcher)];
        for priority in [Priority::Normal, Priority::Normal, Priority::Urgent] {
            let wanted = mk_wanted(priority, hour);
            tasks.push(Task::new(client(scheduler.clone(), wanted, Arc::clone(&served))));
        }
        Self { scheduler, policy, tasks, served, cancelled: false, reconfigured: false, ticks: 0 }
    }

    fn enabled(&self) -> Vec<Action> {
        let polls = (0..self.tasks.len()).filter(|task| self.tasks[*task].is_runnable()).map(Action::Poll);
        let cancel = (!self.cancelled && self.tasks[1].future.is_some()).then_some(Action::Cancel);
        let reconfigure = (!self.reconfigured).then_some(Action::Reconfigure);
        let tick = (self.ticks < 4).then_some(Action::Tick);
        polls.chain(cancel).chain(reconfigure).chain(tick).collect()
    }

    async fn apply(&mut self, action: Action) {
        match action {
            Action::Poll(task) => self.tasks[task].poll(),
            Action::Cancel => {
                self.tasks[1].future = None;
                self.cancelled = true;
            }
            Action::Reconfigure => {
                let mut faster = mk_settings();
                faster.rate.requests_per_minute = 120;
                self.policy.send(Arc::new(faster)).expect("the dispatcher follows");
                self.reconfigured = true;
            }
            Action::Tick => {
                self.ticks += 1;
                advance(Duration::from_millis(500)).await;
            }
        }
    }

    /// Runs the rest fairly; everybody must be served within a few tokens' time.
    async fn finish(mut self, trace: &[Action]) {
        for _ in 0..10 {
            while let Some(task) = self.tasks.iter_mut().find(|task| task.is_runnable()) {
                task.poll();
            }
            advance(Duration::from_millis(500)).await;
        }
        let left = self.tasks.iter().skip(1).filter(|task| task.future.is_some()).count();
        assert_eq!(left, 0, "somebody waits for a wake-up that was lost: {trace:?}");
        let served = self.served.load(Ordering::SeqCst);
        assert!(served == 3 || (self.cancelled && served == 2), "{served} served: {trace:?}");
        let snapshot = self.scheduler.snapshot();
        assert_eq!((snapshot.depth, snapshot.unsettled), ([0; 4], 0), "{trace:?}");
        assert_eq!(snapshot.window_used, served as u64, "what was not sent is not charged: {trace:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_interleaving_of_enqueue_cancel_wake_and_reconfigure_loses_a_wake_up() {
    let metrics = mk_metrics();
    let mut prefixes = vec![Vec::new()];
    let mut explored = 0;
    while let Some(prefix) = prefixes.pop() {
        let mut world = World::new(&metrics);
        for action in &prefix {
            world.apply(*action).await;
        }
        if prefix.len() < DEPTH {
            prefixes
                .extend(world.enabled().into_iter().map(|action| [prefix.as_slice(), &[action]].concat()));
        }
        world.finish(&prefix).await;
        explored += 1;
    }
    assert!(explored > 10_000, "only {explored} interleavings");
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_settings_have_ended_goes_back_to_sleep() {
    let World { policy, mut tasks, .. } = World::new(&mk_metrics());
    drop(policy);
    tasks.truncate(1);
    tasks[0].poll();
    tokio::task::yield_now().await;
    assert!(!tasks[0].is_runnable(), "it would spin for ever");
}
