//! Two hundred sidecars on one API server: what reaches them, and what they ask.
//!
//! They are light ones, the policy module alone, in this process. What they ask is read from the API server's own
//! audit log.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pacer::limiter::Settings;
use pacer::metrics::{Metrics, PolicyState};
use pacer::policy::cluster::{Named, Timing, from_kubeconfig, start};
use pacer::policy::{Feed, Report};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::support::audit::Request;
use crate::support::client::Policies;
use crate::support::crd::policy;
use crate::support::namespace::Namespace;
use crate::support::server::Server;

const SIDECARS: usize = 200;

/// Far longer than the windows from which the slowest draw their tries: 12, 24 and 48 s.
const PATIENCE: Duration = Duration::from_secs(240);

const SECOND: i64 = 1_000_000;

/// Sidecars that follow the policy `nvidia` of a namespace; they end when this is dropped.
struct Fleet {
    feeds: Vec<Feed>,
    _following: JoinSet<()>,
}

impl Fleet {
    /// Each starts at a moment of its own within `spread`.
    fn start(kubeconfig: &Path, namespace: &str, timing: &Timing, spread: Duration) -> Self {
        let mut following = JoinSet::new();
        let one = |_| {
            let named = Named { name: "nvidia".into(), namespace: Some(namespace.into()), cache: None };
            let connect = from_kubeconfig(kubeconfig.to_owned());
            let metrics = Arc::new(Metrics::new("fleet"));
            let (feed, follow) = start(named, connect, timing.clone(), Settings::default(), metrics);
            following.spawn(async move {
                sleep(spread.mul_f64(fastrand::f64())).await;
                follow().await;
            });
            feed
        };
        Self { feeds: (0..SIDECARS).map(one).collect(), _following: following }
    }

    /// Waits until every sidecar reports this.
    async fn report(&self, what: &str, holds: impl Fn(&Report) -> bool + Copy) {
        let reports = self.feeds.iter().map(|feed| feed.report.clone());
        let all =
            join_all(reports.map(|mut report| async move { drop(report.wait_for(holds).await.unwrap()) }));
        if timeout(PATIENCE, all).await.is_err() {
            let others = self.feeds.iter().find(|feed| !holds(&feed.report.borrow()));
            panic!("never: {what}; {:?}", others.map(|feed| feed.report.borrow().clone()));
        }
    }

    async fn are(&self, state: PolicyState) {
        self.report(state.as_str(), |report| report.state == state).await;
    }

    /// Waits until every sidecar has this rate in force.
    async fn pace_at(&self, requests_per_minute: u32) {
        let settings = self.feeds.iter().map(|feed| feed.settings.clone());
        let all = join_all(settings.map(|mut settings| async move {
            let is_it = |settings: &Arc<Settings>| settings.rate.requests_per_minute == requests_per_minute;
            drop(settings.wait_for(is_it).await.unwrap());
        }));
        timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("never: {requests_per_minute} a minute"));
    }
}

/// A namespace with the policy `nvidia`, and a kubeconfig with the shipped rights.
fn prepare(server: &Server) -> (Namespace<'_>, std::path::PathBuf) {
    let namespace = server.namespace("fleet");
    namespace.kubectl().apply(&policy("nvidia", 40)).succeeds();
    let account = namespace.account("app");
    account.allow("nvidia");
    let kubeconfig = account.mount(server).kubeconfig(server.address());
    (namespace, kubeconfig)
}

async fn set_rate(namespace: &Namespace<'_>, requests_per_minute: u32) {
    let spec = json!({"rate": {"requestsPerMinute": requests_per_minute}});
    Policies::of(namespace).await.edit("nvidia", &spec).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_hears_of_everything_and_comes_back_one_by_one_after_a_restart() {
    let server = Server::own();
    let (namespace, kubeconfig) = prepare(&server);
    let before = proportional_kib();
    let fleet = Fleet::start(&kubeconfig, &namespace.name, &Timing::default(), Duration::ZERO);
    fleet.pace_at(40).await;
    fleet.are(PolicyState::Synced).await;
    let each = proportional_kib().saturating_sub(before) / SIDECARS;
    println!("{each} KiB for each watch, if no other test ran meanwhile");

    set_rate(&namespace, 50).await;
    fleet.pace_at(50).await;
    namespace.kubectl().delete("rlpol", "nvidia").succeeds();
    fleet.are(PolicyState::Deleted).await;
    fleet.pace_at(50).await;
    namespace.kubectl().apply(&policy("nvidia", 60)).succeeds();
    fleet.pace_at(60).await;
    fleet.are(PolicyState::Synced).await;

    let first_lists = lists(&server, &namespace).len();
    server.kill_api_server();
    fleet.are(PolicyState::Unreachable).await;
    server.restart_api_server();
    let ready = Instant::now();
    set_rate(&namespace, 70).await;
    fleet.pace_at(70).await;
    fleet.are(PolicyState::Synced).await;
    println!("all have the edit {:.1?} after the API server was ready again", Instant::now() - ready);
    assert_come_one_by_one(&lists(&server, &namespace)[first_lists..]);

    set_rate(&namespace, 80).await;
    fleet.pace_at(80).await;
}

fn lists(server: &Server, namespace: &Namespace<'_>) -> Vec<Request> {
    let mut requests = server.requests(&namespace.name);
    requests.retain(|request| request.verb == "list");
    requests
}

/// Spread over ten seconds or more, and no second with half of them.
///
/// Evenly spread over 12 s, a twelfth would come each second. But a server that starts takes connections seconds before
/// it answers the first, and then answers all who have come meanwhile: a quarter of the fleet was seen in one second.
fn assert_come_one_by_one(lists: &[Request]) {
    assert!(lists.len() >= SIDECARS, "{} lists", lists.len());
    let after = |request: &Request| request.at - lists[0].at;
    let all = after(&lists[lists.len() - 1]);
    let in_second = |first: &Request| {
        lists.iter().filter(|other| (0..SECOND).contains(&(after(other) - after(first)))).count()
    };
    let most = lists.iter().map(in_second).max().unwrap();
    println!("{} lists over {} s, at most {most} in a second", lists.len(), all / SECOND);
    assert!(all >= 10 * SECOND, "within {all} us");
    assert!(most * 2 < lists.len(), "{most} of {} in a second", lists.len());
}

/// Time is compressed: a watch lasts a thirtieth of what it does by default. Nothing else makes an idle sidecar ask,
/// since it has no timer but the end of its watch; so a thirtieth of the time has as many requests as all of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_sidecar_asks_at_most_once_in_four_minutes() {
    const FASTER: u32 = 30;
    const MEAN: Duration = Duration::from_secs(9);
    let watch_seconds = Timing::default().watch_seconds;
    let watch_seconds = watch_seconds.start() / FASTER..=watch_seconds.end() / FASTER;
    let timing = Timing { watch_seconds, ..Timing::default() };
    let server = Server::shared();
    let (namespace, kubeconfig) = prepare(server);
    // Begun together, all watches would end together, and the count would hang on when it begins.
    let fleet = Fleet::start(&kubeconfig, &namespace.name, &timing, MEAN);
    fleet.are(PolicyState::Synced).await;

    let (began, before) = (Instant::now(), server.requests(&namespace.name).len());
    sleep(2 * MEAN).await;
    let (lasted, requests) = ((Instant::now() - began) * FASTER, server.requests(&namespace.name));
    let asked = &requests[before..];
    assert!(asked.iter().all(|request| request.verb == "watch"), "{asked:?}");
    assert!(asked.len() >= SIDECARS, "every watch has ended by then: {}", asked.len());
    let sidecars = u32::try_from(SIDECARS).unwrap();
    let each =
        f64::from(u32::try_from(asked.len()).unwrap()) * 240.0 / (lasted.as_secs_f64() * f64::from(sidecars));
    println!("{each:.2} requests per idle sidecar in four minutes, measured {FASTER} times faster");
    assert!(each <= 1.0, "{each:.2} requests per sidecar in four minutes");
    fleet.are(PolicyState::Synced).await;
}

/// This process's share of the machine's memory, in KiB.
fn proportional_kib() -> usize {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap()
}
