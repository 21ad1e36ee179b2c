//! Watches that end in time, or go silent: the same module as in the binary, in this process, whose clock can be turned.
//!
//! The API server's clock cannot. So the clock jumps only while nothing but the passing of time is waited for.

use std::sync::Arc;
use std::time::Duration;

use pacer::limiter::Settings;
use pacer::metrics::{Metrics, PolicyState};
use pacer::policy::cluster::{self, Named, Timing};
use pacer::policy::{Feed, Report};
use tokio::time::{advance, pause, resume, sleep};

use crate::support::fault_proxy::{Asked, Fault};
use crate::support::pod::Pod;
use crate::support::program::PATIENCE;

/// A policy that is followed in this process, as a pod's sidecar would.
struct Inside {
    pod: Pod<'static>,
    feed: Feed,
    metrics: Arc<Metrics>,
}

impl Inside {
    /// Follows a policy of 60,000 a minute, and does `then` once it is watched.
    async fn follow(timing: Timing, then: impl AsyncFnOnce(&Self)) {
        // An error says that somebody else was first, which is as good.
        rustls::crypto::ring::default_provider().install_default().ok();
        let pod = Pod::new("inside");
        pod.set_rate(60_000);
        let connect = cluster::from_kubeconfig(pod.mount.kubeconfig(pod.proxy.address()));
        let named = Named { name: "nvidia".into(), namespace: None, cache: None };
        let metrics = Arc::new(Metrics::new("test"));
        let (feed, follow) = cluster::start(named, connect, timing, Settings::default(), metrics.clone());
        let inside = Self { pod, feed, metrics };
        let test = async {
            inside.eventually("it watches", || inside.pod.proxy.watches() == 1).await;
            then(&inside).await;
        };
        tokio::select! {
            () = follow() => panic!("following has an end"),
            () = test => {}
        }
    }

    async fn eventually(&self, what: &str, holds: impl Fn() -> bool) {
        const PAUSE: Duration = Duration::from_millis(5);
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if holds() {
                return;
            }
            sleep(PAUSE).await;
        }
        panic!("never: {what}\n{:?}\n{:#?}", self.report(), self.pod.proxy.asked());
    }

    fn report(&self) -> Report {
        self.feed.report.borrow().clone()
    }

    /// Edits the policy, and waits until that is in force.
    async fn edit(&self, requests_per_minute: u32) {
        self.pod.set_rate(requests_per_minute);
        self.is_in_force(requests_per_minute).await;
    }

    async fn is_in_force(&self, requests_per_minute: u32) {
        let in_force = || self.feed.settings.borrow().rate.requests_per_minute == requests_per_minute;
        self.eventually("the edit is in force", in_force).await;
    }

    fn failures(&self) -> u64 {
        self.metrics.policy.watch_failures.get()
    }

    fn watches(&self) -> Vec<Asked> {
        self.pod.proxy.asked().into_iter().filter(Asked::is_watch).collect()
    }
}

/// Lets this much time pass at once.
async fn jump(time: Duration) {
    pause();
    advance(time).await;
    resume();
}

#[tokio::test]
async fn an_hour_of_watches_is_silent_asks_once_in_four_minutes_and_misses_no_edit() {
    const HOUR: u64 = 3600;
    // A real API server's bookmarks, one a minute, cannot be hurried.
    let timing = Timing { silence: Duration::from_secs(2 * HOUR), ..Timing::default() };
    Inside::follow(timing, async |inside| {
        let synced_since = inside.report().since;
        let mut passed = 0;
        for round in 0.. {
            let watches = inside.watches();
            let seconds: u64 = watches.last().unwrap().parameter("timeoutSeconds").unwrap().parse().unwrap();
            passed += seconds;
            if passed > HOUR {
                break;
            }
            jump(Duration::from_secs(seconds)).await;
            assert_eq!(inside.pod.proxy.end_watches(), 1, "in the API server's place, whose clock stands");
            // Half of the edits are made while there is a watch, half may be made while there is none.
            if round % 2 == 0 {
                let begun = || inside.watches().len() > watches.len() && inside.pod.proxy.watches() == 1;
                inside.eventually("the next watch begins", begun).await;
            }
            inside.edit(60_001 + round).await;
            inside.eventually("it watches", || inside.pod.proxy.watches() == 1).await;
        }
        let (asked, watches) = (inside.pod.proxy.asked().len(), inside.watches().len());
        assert!((12..=16).contains(&watches), "{watches}");
        assert_eq!(asked, watches + 1, "one list, at the start");
        let report = inside.report();
        assert_eq!(
            (report.state, report.since),
            (PolicyState::Synced, synced_since),
            "no other state between"
        );
        assert_eq!(inside.failures(), 0);
    })
    .await;
}

#[tokio::test]
async fn watches_that_the_api_server_itself_ends_are_followed_by_others() {
    let timing = Timing { watch_seconds: 1..=1, ..Timing::default() };
    Inside::follow(timing, async |inside| {
        let synced_since = inside.report().since;
        let (mut edits, mut open_at) = (0, 0);
        while inside.watches().len() < 12 {
            let asked = inside.pod.proxy.asked().len();
            if inside.pod.proxy.watches() == 1 {
                open_at = asked;
                if inside.watches().len() > 3 * edits {
                    edits += 1;
                    inside.edit(60_000 + u32::try_from(edits).unwrap()).await;
                }
            } else if asked.is_multiple_of(5) && open_at == asked {
                // A watch has ended, and a client has five requests in 30 s: nothing else is waited for now.
                open_at = 0;
                jump(Duration::from_secs(30)).await;
            }
            sleep(Duration::from_millis(5)).await;
        }
        assert!(edits >= 3, "{edits}");
        let report = inside.report();
        assert_eq!(
            (report.state, report.since),
            (PolicyState::Synced, synced_since),
            "no other state between"
        );
        assert_eq!(inside.failures(), 0);
        assert_eq!(inside.pod.proxy.asked().len(), inside.watches().len() + 1, "one list, at the start");
    })
    .await;
}

#[tokio::test]
async fn a_watch_that_stands_still_is_given_up_and_another_found() {
    Inside::follow(Timing::default(), async |inside| {
        // Once an event has come, nothing but silence is waited for.
        inside.edit(60_500).await;
        inside.pod.proxy.set(Fault::Hang);
        inside.pod.set_rate(61_000);
        assert_eq!(inside.report().state, PolicyState::Synced, "a watch may be silent for a while");
        jump(Timing::default().silence).await;
        inside.eventually("the silent watch is given up", || inside.failures() > 0).await;
        assert_eq!(inside.report().state, PolicyState::Unreachable);
        assert_eq!(inside.feed.settings.borrow().rate.requests_per_minute, 60_500);
        inside.pod.proxy.set(Fault::Pass);
        inside.is_in_force(61_000).await;
        assert_eq!(inside.report().state, PolicyState::Synced);
        inside.edit(62_000).await;
    })
    .await;
}
