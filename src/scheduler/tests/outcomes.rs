//! What an answer to one request does to the others, and to itself.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_permit_dropped_after_departure_stays_charged_to_the_window() {
    let (scheduler, _policy) = start(mk_settings());
    let permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    permit.departure().mark();
    drop(permit);
    let snapshot = scheduler.snapshot();
    assert_eq!((snapshot.unsettled, snapshot.window_used), (0, 1));
    assert!(snapshot.tokens < 1.0);
}

async fn absorb(permit: Permit, outcome: Outcome) -> Permit {
    permit.departure().mark();
    permit.requeue(outcome).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_comes_back_before_its_lane_and_after_retry_after() {
    let (scheduler, _policy) = start(mk_settings());
    let start = Instant::now();
    let refused = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    let behind = spawn({
        let scheduler = scheduler.clone();
        async move {
            send(&scheduler, mk_patient(Priority::Normal)).await.unwrap();
            Instant::now()
        }
    });
    tokio::task::yield_now().await;
    let again = absorb(refused, Outcome::RateLimited { retry_after: Some(Duration::from_secs(7)) }).await;
    let came_back = Instant::now();
    assert!(came_back - start >= Duration::from_secs(7));
    again.departure().mark();
    again.settle(Outcome::Accepted);
    assert!(behind.await.unwrap() > came_back);
}

#[tokio::test(start_paused = true)]
async fn the_first_503_pauses_its_own_request_for_a_second() {
    let (scheduler, _policy) = start(mk_settings());
    let permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    let before = Instant::now();
    let again = absorb(permit, Outcome::Unavailable { retry_after: None }).await;
    assert!(Instant::now() - before >= Duration::from_secs(1));
    again.settle(Outcome::Accepted);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_be_made_charges_nothing() {
    let (scheduler, _policy) = start(mk_settings());
    let permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    let before = Instant::now();
    let again = permit.requeue(Outcome::Unreachable).await.unwrap();
    assert_eq!(Instant::now() - before, Duration::from_secs(1), "it paused");
    assert_eq!(scheduler.snapshot().window_used, 1, "only the new attempt holds a place");
    drop(again);
    assert_eq!(scheduler.snapshot().window_used, 0);
}

#[tokio::test(start_paused = true)]
async fn a_gate_beyond_the_deadline_ends_the_wait_at_once() {
    let (scheduler, _policy) = start(mk_settings());
    let permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    let waiter = spawn({
        let scheduler = scheduler.clone();
        async move { send(&scheduler, mk_wanted(Priority::Normal, Duration::from_secs(60))).await }
    });
    tokio::task::yield_now().await;
    let before = Instant::now();
    permit.departure().mark();
    permit.settle(Outcome::RateLimited { retry_after: Some(Duration::from_secs(250)) });
    let refused = waiter.await.unwrap().unwrap_err();
    assert_eq!((refused.because, Instant::now()), (RefusedBecause::DeadlineUnreachable, before));
}

#[tokio::test(start_paused = true)]
async fn nothing_passes_through_while_the_upstream_wants_to_be_left_alone() {
    let mut settings = mk_settings();
    settings.queue.max_depth = 0;
    let (scheduler, _policy) = start(settings);
    let permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    permit.departure().mark();
    permit.settle(Outcome::RateLimited { retry_after: Some(Duration::from_secs(30)) });
    let refused = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap_err();
    assert_eq!(refused.because, RefusedBecause::QueueFull);
    assert!(refused.retry_after >= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn busy_workers_of_one_model_hold_nobody_else_back() {
    let (scheduler, _policy) = start(mk_settings());
    let busy = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    busy.departure().mark();
    let pause = Duration::from_secs(5);
    let again = spawn(busy.requeue(Outcome::Exhausted { pause }));
    let other = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    assert_eq!(other.waited().as_secs(), 1, "the next token, no more");
    other.departure().mark();
    other.settle(Outcome::Accepted);
    assert_eq!(again.await.unwrap().unwrap().waited(), pause);
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_when_nobody_is_served_any_more() {
    let (scheduler, _policy) = start(mk_settings());
    let busy = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    let before = Instant::now();
    let again = spawn(busy.requeue(Outcome::Exhausted { pause: Duration::from_secs(10) }));
    tokio::task::yield_now().await;
    scheduler.refuse_waiting();
    let refused = again.await.unwrap().unwrap_err();
    assert_eq!((refused.because, Instant::now()), (RefusedBecause::Draining, before));
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_served_in_an_outage_is_told_that_it_is_one() {
    let (scheduler, _policy) = start(mk_settings());
    let mut permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    for _ in 0..5 {
        permit = absorb(permit, Outcome::Unavailable { retry_after: None }).await;
    }
    let wait = Duration::from_secs(5);
    let first = scheduler.acquire(mk_wanted(Priority::Normal, wait));
    let second = async {
        tokio::task::yield_now().await;
        scheduler.acquire(mk_wanted(Priority::Normal, wait)).await.unwrap_err()
    };
    let (first, refused) = tokio::join!(first, second);
    drop((first, permit));
    assert_eq!(refused.because, RefusedBecause::UpstreamUnavailable);
}

#[tokio::test(start_paused = true)]
async fn a_departure_in_the_moment_the_client_leaves_is_charged() {
    let (scheduler, _policy) = start(mk_settings());
    let permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    let departure = permit.departure();
    drop(permit);
    assert_eq!(scheduler.snapshot().window_used, 0);
    departure.mark();
    assert_eq!(scheduler.snapshot().window_used, 1);
}

#[tokio::test(start_paused = true)]
async fn a_postponed_permit_is_charged_once_and_comes_back_after_its_pause() {
    let (scheduler, _policy) = start(mk_settings());
    let before = Instant::now();
    let permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    let again = permit.postpone(Duration::from_secs(9)).await.unwrap();
    assert!(Instant::now() - before >= Duration::from_secs(9));
    again.departure().mark();
    again.settle(Outcome::Accepted);
    let snapshot = scheduler.snapshot();
    assert_eq!((snapshot.unsettled, snapshot.window_used), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn while_a_permit_is_postponed_others_leave_in_its_place() {
    let mut settings = mk_settings();
    settings.rate.requests_per_minute = 1;
    let (scheduler, _policy) = start(settings);
    let permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    let postponed = permit.postpone(Duration::from_secs(9));
    let other = send(&scheduler, mk_patient(Priority::Normal));
    tokio::select! {
        biased;
        _ = postponed => panic!("nine seconds were asked for"),
        waited = other => assert!(waited.unwrap() < Duration::from_secs(2)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_transition_is_counted_and_remembered_with_its_time() {
    let (sender, receiver) = watch::channel(Arc::new(mk_settings()));
    let metrics = mk_metrics();
    let (scheduler, task) = Scheduler::seeded(receiver, Arc::clone(&metrics), 1);
    spawn(task);
    assert_eq!(scheduler.last_transition(), None);
    let mut permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    for _ in 0..3 {
        permit = absorb(permit, Outcome::RateLimited { retry_after: None }).await;
    }
    let last = scheduler.last_transition().unwrap();
    assert!(last.at <= Instant::now());
    let counted = format!(
        "sidecar_retreat_transitions_total{{cause=\"{}\",from=\"{}\",to=\"{}\"}} 1\n",
        last.transition.cause.name(),
        last.transition.from.name(),
        last.transition.to.name()
    );
    assert!(metrics.render().contains(&counted), "{counted}");
    drop((permit, sender));
}

#[tokio::test(start_paused = true)]
async fn retreat_can_be_turned_off_and_on_again_while_the_pace_retreats() {
    let (scheduler, policy) = start(mk_settings());
    let set = |enabled| policy.send_modify(|settings| Arc::make_mut(settings).retreat.enabled = enabled);
    let moved = || scheduler.last_transition().map(|last| (last.transition.to, last.transition.cause));
    let mut permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
    for _ in 0..3 {
        permit = absorb(permit, Outcome::RateLimited { retry_after: None }).await;
    }
    assert_eq!(moved(), Some((PaceState::Retreat, Cause::Refused)));
    set(false);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(moved(), Some((PaceState::Normal, Cause::Settings)));
    for _ in 0..3 {
        permit = absorb(permit, Outcome::RateLimited { retry_after: None }).await;
    }
    assert_eq!(scheduler.snapshot().learned.state, PaceState::Normal);
    set(true);
    for _ in 0..3 {
        permit = absorb(permit, Outcome::RateLimited { retry_after: None }).await;
    }
    assert_eq!(moved(), Some((PaceState::Retreat, Cause::Refused)));
    drop(permit);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_its_permit_is_postponed_leaves_nothing_behind() {
    let (scheduler, _policy) = start(mk_settings());
    for wait in [1, 8] {
        let permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
        let other = send(&scheduler, mk_patient(Priority::Urgent));
        let postponed = permit.postpone(Duration::from_secs(5));
        let left = tokio::time::timeout(Duration::from_secs(wait), postponed);
        let (left, other) = tokio::join!(left, other);
        drop((left, other.unwrap()));
        let snapshot = scheduler.snapshot();
        assert_eq!((snapshot.unsettled, snapshot.depth), (0, [0; 4]), "after {wait} s");
        sleep(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn transitions_that_a_mere_look_brings_about_are_all_told_too() {
    let (_policy, receiver) = watch::channel(Arc::new(mk_settings()));
    let metrics = mk_metrics();
    let (scheduler, task) = Scheduler::seeded(receiver, Arc::clone(&metrics), 1);
    let retreat = async {
        let mut permit = scheduler.acquire(mk_patient(Priority::Normal)).await.unwrap();
        for _ in 0..3 {
            permit = absorb(permit, Outcome::RateLimited { retry_after: None }).await;
        }
        permit.settle(Outcome::Unknown);
    };
    // Afterwards nobody runs the task, which would notice first.
    tokio::select! {
        () = task => unreachable!("it runs for ever"),
        () = retreat => {}
    }
    advance(Duration::from_secs(600)).await;
    assert_eq!(scheduler.snapshot().learned.state, PaceState::Normal);
    let last = scheduler.last_transition().unwrap().transition;
    assert_eq!((last.from, last.to, last.cause), (PaceState::Recover, PaceState::Normal, Cause::Quiet));
    for (from, to) in [("retreat", "recover"), ("recover", "normal")] {
        let labels = format!("cause=\"quiet\",from=\"{from}\",to=\"{to}\"");
        let series = format!("sidecar_retreat_transitions_total{{{labels}}} 1\n");
        assert!(metrics.render().contains(&series), "{series}");
    }
}
