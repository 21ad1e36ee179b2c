use super::*;
use crate::limiter::Priority;

/// A quota that serves a hundred calls a second, on ports that are free.
fn mk_options() -> Options {
    Options { rpm: 6000, upstream_rpm: 6000, duration: None, no_load: false, port: 0, metrics_port: 0 }
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
    let text = play_until(&demo, |view| view.upstream.refused > 0 && view.served() > 0).await;
    let tally = demo.tally.lock().unwrap().clone();
    for priority in [Priority::Urgent, Priority::High, Priority::Normal] {
        let lane = tally.lane(priority);
        assert_eq!((lane.rate_limited, lane.failed), (0, 0), "{priority}: {text}");
    }
    assert!(text.contains("is more than the quota"), "{text}");
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
