use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::upstream::{Quota, UpstreamStats};
use super::*;
use crate::limiter::{Outcome, PaceState, Priority, Snapshot};
use crate::metrics::Metrics;
use crate::scheduler::{Refused, Scheduler, Wanted};

/// A quota that serves a hundred calls a second, on ports that are free.
fn mk_options() -> Options {
    Options {
        rpm: 6000,
        upstream_rpm: 6000,
        upstream_steps: Vec::new(),
        tenant_rpm: 0,
        duration: None,
        no_load: false,
        seed: 40,
        port: 0,
        metrics_port: 0,
    }
}

async fn mk_demo(options: Options) -> Demo {
    Demo::start(options).await.unwrap()
}

/// Plays `demo` until `enough` of it is seen; returns what was written, the summary included.
async fn play_until(demo: &Demo, enough: impl Fn(&View) -> bool) -> String {
    let mut out = Vec::new();
    let mut screen = Screen::new(&mut out, None);
    let seen = async {
        while !enough(&demo.view()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    demo.play(&mut screen, seen).await.unwrap();
    drop(screen);
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn the_workload_fills_the_queue_and_is_served_through_the_sidecar() {
    let demo = mk_demo(mk_options()).await;
    let text = play_until(&demo, |view| view.served() >= 50 && view.waiting() > 0).await;
    let view = demo.view();
    let app = view.app.unwrap();
    assert_eq!((view.upstream.unauthorized, app.rate_limited, app.failed), (0, 0, 0), "{text}");
    assert!(view.upstream.accepted >= view.served(), "{text}");
    assert!(view.lanes.iter().any(|lane| lane.wait_p50.is_some_and(|wait| !wait.is_zero())), "{text}");
    assert!(text.contains(&format!("http://{}/metrics", demo.sidecar.admin_addr())), "{text}");
    assert!(text.contains("Summary after"), "{text}");
    demo.end().await;
}

#[tokio::test]
async fn a_lower_limit_of_the_upstream_is_absorbed() {
    let demo = mk_demo(Options { upstream_rpm: 60, ..mk_options() }).await;
    let retreats = |view: &View| view.limiter.learned.state == PaceState::Retreat;
    let text = play_until(&demo, |view| retreats(view) && view.served() > 0).await;
    let tally = demo.tally.lock().unwrap().clone();
    for priority in [Priority::Urgent, Priority::High, Priority::Normal] {
        let lane = tally.lane(priority);
        assert_eq!((lane.rate_limited, lane.failed), (0, 0), "{priority}: {text}");
    }
    assert!(text.contains(" a minute at the end: retreat, "), "{text}");
    demo.end().await;
}

#[tokio::test]
async fn without_a_workload_it_says_what_to_try_and_calls_nothing() {
    let duration = Some(Duration::from_millis(50));
    let demo = mk_demo(Options { no_load: true, duration, ..mk_options() }).await;
    let text = play_until(&demo, |_| false).await;
    assert!(text.contains(&format!("curl -sN http://{}/v1/", demo.sidecar.proxy_addr())), "{text}");
    assert!(text.contains("upstream     was not called"), "{text}");
    demo.end().await;
}

#[tokio::test]
async fn a_port_in_use_is_one_line_that_names_its_flag() {
    let taken = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = taken.local_addr().unwrap().port();
    for (options, flag) in [
        (Options { port, ..mk_options() }, "--port"),
        (Options { metrics_port: port, ..mk_options() }, "--metrics-port"),
    ] {
        let text = Demo::start(options).await.unwrap_err().to_string();
        assert!(text.contains(&format!(" {flag}")) && text.contains(&port.to_string()), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[tokio::test]
async fn the_gap_between_departures_leaves_room_for_the_pace() {
    let upstream = StrictUpstream::start(UpstreamOptions::default()).await.unwrap();
    for rpm in [1, 40, 2_400, 6_000, 1_000_000] {
        let rate = config(&Options { rpm, ..mk_options() }, &upstream).unwrap().bootstrap.rate;
        assert!(rate.minimum_gap * rpm <= Duration::from_secs(60), "{rpm}: {rate:?}");
    }
}

/// One call, sent until the upstream accepts it.
async fn call_virtually(scheduler: &Scheduler, quota: &Quota) -> Result<(), Refused> {
    let arrived = Instant::now();
    let deadline = arrived + Duration::from_secs(60);
    let mut permit = scheduler.acquire(Wanted { priority: Priority::Normal, arrived, deadline }).await?;
    loop {
        permit.departure().mark();
        if let Ok(latency) = quota.arrive().await {
            permit.settle(Outcome::Accepted);
            tokio::time::sleep(latency).await;
            return Ok(());
        }
        permit = permit.requeue(Outcome::RateLimited { retry_after: None }).await?;
    }
}

/// Twelve callers of the demo's upstream behind the demo's limiter, in virtual time and without sockets; returns what
/// the limiter looks like after `minutes`, and how many calls were answered 429 or refused.
async fn play_virtually(options: &Options, minutes: u64) -> (Snapshot, UpstreamStats, u32) {
    let quota = Arc::new(Quota::new(upstream_options(options)));
    let (_policy, in_force) = tokio::sync::watch::channel(Arc::new(settings(options)));
    let (scheduler, dispatch) = Scheduler::seeded(in_force, Arc::new(Metrics::new("test")), options.seed);
    let turned_away = AtomicU32::new(0);
    let callers = (0..12).map(|_| async {
        loop {
            if call_virtually(&scheduler, &quota).await.is_err() {
                turned_away.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    });
    tokio::select! {
        () = dispatch => unreachable!("it runs for ever"),
        () = Arc::clone(&quota).be_called_by_tenant(), if options.tenant_rpm > 0 => unreachable!("so does this"),
        _ = futures_util::future::join_all(callers) => unreachable!("and these"),
        () = tokio::time::sleep(Duration::from_secs(60 * minutes)) => {}
    }
    (scheduler.snapshot(), quota.stats(), turned_away.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn an_upstream_below_the_pace_is_used_in_full_at_one_429_a_minute_and_no_call_is_turned_away() {
    let options = Options { rpm: 40, upstream_rpm: 24, ..mk_options() };
    let (_, upstream, turned_away) = play_virtually(&options, 10).await;
    assert_eq!(turned_away, 0);
    assert!((1..=14).contains(&upstream.refused), "{upstream:?}");
    assert!(upstream.quota_used() > 0.95, "{upstream:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_far_below_the_pace_is_learned_and_shown() {
    let options = Options { rpm: 40, upstream_rpm: 12, ..mk_options() };
    let (limiter, upstream, _) = play_virtually(&options, 10).await;
    let limit = limiter.learned.limit_rpm.expect("a limit is learned");
    assert!((10..=13).contains(&limit) && limiter.effective_rpm <= 14, "{limiter:?}");
    assert!(table::learned(&limiter).contains(&format!("learned limit {limit}")));
    assert!(upstream.quota_used() > 0.8, "{upstream:?}");
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_goes_down_and_comes_back_turns_no_call_away() {
    let step = |minute: u64, quota| Step { at: Duration::from_secs(60 * minute), quota };
    let steps = vec![step(4, 24), step(12, 40)];
    let options = Options { rpm: 40, upstream_rpm: 40, upstream_steps: steps, ..mk_options() };
    let (_, low, _) = play_virtually(&options, 12).await;
    let (high, upstream, turned_away) = play_virtually(&options, 20).await;
    assert_eq!((upstream.quota, turned_away), (40, 0));
    assert!(high.effective_rpm >= 36, "{high:?}");
    assert!(low.quota_used() > 0.9 && upstream.quota_used() > 0.85, "{low:?} {upstream:?}");
}

#[tokio::test(start_paused = true)]
async fn a_second_client_on_the_key_gets_what_it_asks_for_while_no_call_is_turned_away() {
    let options = Options { rpm: 40, upstream_rpm: 40, tenant_rpm: 16, ..mk_options() };
    let (_, upstream, turned_away) = play_virtually(&options, 10).await;
    assert_eq!(turned_away, 0);
    assert!(upstream.tenant.accepted > upstream.tenant.refused, "{upstream:?}");
    assert!(upstream.accepted + upstream.tenant.accepted <= 40 * 11, "{upstream:?}");
}
