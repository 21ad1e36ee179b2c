//! Who waits, for how long, and what is left when they go.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_first_leaves_at_once_and_the_others_one_token_apart() {
    let (scheduler, _policy) = start(mk_settings());
    let mut waits = Vec::new();
    for _ in 0..4 {
        waits.push(send(&scheduler, mk_patient(Priority::Normal)).await.unwrap().as_secs());
    }
    assert_eq!(waits, [0, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn urgent_overtakes_waiting_low() {
    let (scheduler, _policy) = start(mk_settings());
    send(&scheduler, mk_patient(Priority::Normal)).await.unwrap();
    let (order, mut served) = tokio::sync::mpsc::unbounded_channel();
    for priority in [Priority::Low, Priority::Normal, Priority::Urgent] {
        let (scheduler, order) = (scheduler.clone(), order.clone());
        spawn(async move {
            send(&scheduler, mk_patient(priority)).await.unwrap();
            order.send(priority).unwrap();
        });
        tokio::task::yield_now().await;
    }
    let first_three = [served.recv().await, served.recv().await, served.recv().await].map(Option::unwrap);
    assert_eq!(first_three, [Priority::Urgent, Priority::Normal, Priority::Low]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_future_leaves_no_trace_wherever_it_is() {
    let (scheduler, _policy) = start(mk_settings());
    let permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    let queued = spawn({
        let scheduler = scheduler.clone();
        async move { scheduler.acquire(mk_patient(Priority::High)).await }
    });
    tokio::task::yield_now().await;
    assert_eq!((waiting(&scheduler), scheduler.snapshot().unsettled), (1, 1));
    queued.abort();
    drop(permit);
    tokio::task::yield_now().await;
    let snapshot = scheduler.snapshot();
    assert_eq!((snapshot.depth, snapshot.unsettled, snapshot.window_used), ([0; 4], 0, 0));
    assert!((snapshot.tokens - 1.0).abs() < f64::EPSILON, "the token went back");
}

#[tokio::test(start_paused = true)]
async fn a_place_given_back_goes_to_the_next_at_once() {
    let (scheduler, _policy) = start(mk_settings());
    let permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    let next = spawn({
        let scheduler = scheduler.clone();
        async move { scheduler.acquire(mk_patient(Priority::Normal)).await.map(|permit| permit.waited()) }
    });
    tokio::task::yield_now().await;
    drop(permit);
    assert_eq!(next.await.unwrap(), Ok(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_served_in_time_is_told_at_once_when_to_come_back() {
    let (scheduler, _policy) = start(mk_settings());
    send(&scheduler, mk_patient(Priority::Normal)).await.unwrap();
    for _ in 0..9 {
        let scheduler = scheduler.clone();
        spawn(async move { send(&scheduler, mk_patient(Priority::Normal)).await });
        tokio::task::yield_now().await;
    }
    let before = Instant::now();
    let refused = send(&scheduler, mk_wanted(Priority::Normal, Duration::from_secs(4))).await.unwrap_err();
    assert_eq!(Instant::now(), before, "it did not wait to be told");
    assert_eq!((refused.because, refused.position), (RefusedBecause::WouldMissDeadline, 9));
    assert_eq!((refused.estimated_wait.as_secs(), refused.retry_after.as_secs()), (10, 6));
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_told_at_the_deadline() {
    let (scheduler, policy) = start(mk_settings());
    send(&scheduler, mk_patient(Priority::Normal)).await.unwrap();
    let low = spawn({
        let scheduler = scheduler.clone();
        async move { send(&scheduler, mk_wanted(Priority::Low, Duration::from_secs(2))).await }
    });
    tokio::task::yield_now().await;
    let mut slower = mk_settings();
    slower.rate.requests_per_minute = 1;
    policy.send(Arc::new(slower)).unwrap();
    let refused = low.await.unwrap().unwrap_err();
    assert_eq!((refused.because, refused.waited.as_secs()), (RefusedBecause::TimedOut, 2));
}

#[tokio::test(start_paused = true)]
async fn a_higher_rate_is_in_force_for_who_already_waits() {
    let (scheduler, policy) = start(mk_settings());
    send(&scheduler, mk_patient(Priority::Normal)).await.unwrap();
    let waiter = spawn({
        let scheduler = scheduler.clone();
        async move { send(&scheduler, mk_patient(Priority::Normal)).await.unwrap() }
    });
    tokio::task::yield_now().await;
    let mut faster = mk_settings();
    faster.rate.requests_per_minute = 6_000;
    policy.send(Arc::new(faster)).unwrap();
    assert_eq!(waiter.await.unwrap().as_millis(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_passes_through_or_rejects_as_the_policy_says() {
    let mut settings = mk_settings();
    settings.queue.max_depth = 0;
    let (scheduler, policy) = start(settings.clone());
    send(&scheduler, mk_patient(Priority::Normal)).await.unwrap();
    let passed = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    passed.departure().mark();
    assert!(passed.is_passthrough());
    assert_eq!(scheduler.snapshot().window_used, 2, "the window makes room for it");
    settings.queue.when_full = WhenFull::Reject;
    policy.send(Arc::new(settings)).unwrap();
    tokio::task::yield_now().await;
    let refused = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap_err();
    assert_eq!(refused.because, RefusedBecause::QueueFull);
}

#[tokio::test(start_paused = true)]
async fn observing_delays_nothing_and_says_what_enforcing_would_have_done() {
    let (scheduler, _policy) = start(Settings { mode: Mode::Observe, ..mk_settings() });
    let mut waits = Vec::new();
    for _ in 0..3 {
        let permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
        assert_eq!(permit.waited(), Duration::ZERO);
        waits.push(permit.would_have_waited().as_secs());
        permit.departure().mark();
        permit.settle(Outcome::Accepted);
    }
    assert_eq!(waits, [0, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn draining_serves_who_waits_and_refuses_who_comes_until_waiting_is_over_too() {
    let (scheduler, _policy) = start(mk_settings());
    send(&scheduler, mk_patient(Priority::Normal)).await.unwrap();
    let [first, second] = [(); 2].map(|()| {
        let scheduler = scheduler.clone();
        spawn(async move { send(&scheduler, mk_patient(Priority::Normal)).await })
    });
    tokio::task::yield_now().await;
    scheduler.drain();
    let refused = scheduler.acquire(mk_patient(Priority::Urgent)).await.unwrap_err();
    assert_eq!((refused.because, refused.retry_after.as_secs()), (RefusedBecause::Draining, 1));
    assert!(first.await.unwrap().is_ok());
    scheduler.refuse_waiting();
    assert_eq!(second.await.unwrap().unwrap_err().because, RefusedBecause::Draining);
}

#[tokio::test(start_paused = true)]
async fn a_draining_sidecar_lets_in_who_arrived_before_until_waiting_is_over_too() {
    let (scheduler, _policy) = start(mk_settings());
    let arrived_before = mk_patient(Priority::Normal);
    advance(Duration::from_millis(1)).await;
    scheduler.drain();
    assert!(send(&scheduler, arrived_before).await.is_ok());
    scheduler.refuse_waiting();
    let refused = send(&scheduler, arrived_before).await.unwrap_err();
    assert_eq!(refused.because, RefusedBecause::Draining);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_once_waiting_is_over_not_even_to_be_observed() {
    let (scheduler, _policy) = start(Settings { mode: Mode::Observe, ..mk_settings() });
    scheduler.refuse_waiting();
    let refused = scheduler.acquire(mk_patient(Priority::Urgent)).await.unwrap_err();
    assert_eq!(refused.because, RefusedBecause::Draining);
}

#[tokio::test(start_paused = true)]
async fn the_task_tells_when_it_is_gone() {
    let (_policy, receiver) = watch::channel(Arc::new(mk_settings()));
    let (scheduler, task) = Scheduler::new(receiver, mk_metrics());
    let task = spawn(task);
    assert!(scheduler.is_alive());
    task.abort();
    let _cancelled = task.await;
    assert!(!scheduler.is_alive());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waiting_and_leaving_at_random_times_leave_nothing_behind() {
    let (scheduler, _policy) = start(mk_settings());
    let clients: Vec<_> = (0..1_000_u64)
        .map(|n| {
            let scheduler = scheduler.clone();
            spawn(async move {
                sleep(Duration::from_millis(n * 37 % 5_000)).await;
                let patience = Duration::from_millis(n * 7_919 % 20_000);
                let priority = Priority::ALL[usize::try_from(n % 4).unwrap()];
                let _ = tokio::time::timeout(patience, send(&scheduler, mk_patient(priority))).await;
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    advance(Duration::from_secs(61)).await;
    let snapshot = scheduler.snapshot();
    assert_eq!((snapshot.depth, snapshot.unsettled, snapshot.window_used), ([0; 4], 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_does_nothing_is_alive_and_one_that_is_stuck_is_not() {
    let (_policy, receiver) = watch::channel(Arc::new(mk_settings()));
    let (scheduler, task) = Scheduler::seeded(receiver, mk_metrics(), 1);
    let mut task = Box::pin(task);
    assert!(tokio::time::timeout(Duration::from_secs(3600), &mut task).await.is_err());
    assert!(scheduler.is_alive());

    // Nobody polls the task any more.
    advance(Duration::from_secs(24)).await;
    assert!(scheduler.is_alive());
    advance(Duration::from_secs(6)).await;
    assert!(!scheduler.is_alive());
    assert!(tokio::time::timeout(Duration::from_secs(1), &mut task).await.is_err());
    assert!(scheduler.is_alive(), "it goes on");
    drop(task);
    assert!(!scheduler.is_alive());
}

#[tokio::test(start_paused = true)]
async fn a_draining_sidecar_still_lets_an_absorbed_request_come_back() {
    let (scheduler, _policy) = start(mk_settings());
    let permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    scheduler.drain();
    permit.departure().mark();
    let again = permit.requeue(Outcome::RateLimited { retry_after: None }).await.unwrap();
    scheduler.refuse_waiting();
    scheduler.drain();
    let refused = again.requeue(Outcome::Unknown).await.unwrap_err();
    assert_eq!(refused.because, RefusedBecause::Draining, "what is closed does not open again");
}
