//! Edits under load: nobody is lost, each edit is in force, and the promise holds across all of them.

mod promise;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::support::client::Policies;
use crate::support::load::{Kind, Load};
use crate::support::program::until;
use crate::support::server::Server;
use crate::support::sidecar::{Launch, Sidecar};
use crate::support::upstream::Upstream;
use promise::{MARGIN, Promise, WINDOW};

const STREAMS: u16 = 200;
const WAITING: u16 = 1_000;

const EDITS: usize = 50;
/// Fifty of them in ten seconds.
const BETWEEN_EDITS: Duration = Duration::from_millis(200);

/// Requests a minute while the streams begin, while the others come, and to serve them all in the end.
const RATE_TO_BEGIN: u32 = 100_000;
const RATE_TO_WAIT: u32 = 60;
const RATE_TO_END: u32 = 60_000;

/// Requests a minute during the edits, each for two seconds: up and down, so that every fall meets a fuller window.
const RATES: [u32; 5] = [1_500, 300, 3_000, 240, 1_800];

/// Enough arrivals during the edits for their windows to prove something; the rates allow three times as many.
const JUDGED_AT_LEAST: usize = 50;

/// What an edit sets: the rate every two seconds, and between that what must not disturb it.
fn edit(number: usize) -> Value {
    if number.is_multiple_of(EDITS / RATES.len()) {
        return json!({"rate": {"requestsPerMinute": RATES[number * RATES.len() / EDITS]}});
    }
    match number % 4 {
        0 => json!({"queue": {"maxDepth": number}}),
        1 => json!({"timeouts": {"idleSeconds": 30 + number}}),
        2 => json!({"queue": {"priorities": [{"name": "Normal", "maxWaitSeconds": 3_000 + number}]}}),
        _ => json!({"timeouts": {"connectSeconds": 5 + number, "totalSeconds": 600 + number}}),
    }
}

/// Everything begins at once, and nobody's wait ends before the test does.
fn policy() -> Value {
    json!({
        "apiVersion": "pacer.dev/v1alpha1",
        "kind": "RateLimitPolicy",
        "metadata": {"name": "nvidia"},
        "spec": {
            "rate": {
                "requestsPerMinute": RATE_TO_BEGIN,
                "windowSeconds": WINDOW.as_secs(),
                "windowMarginMilliseconds": MARGIN.as_millis(),
            },
            "queue": {"maxDepth": 2_000, "maxWaitSeconds": 3_600},
        },
    })
}

/// A sidecar whose policy is edited.
struct Edited {
    sidecar: Sidecar,
    policies: Policies,
    promise: Promise,
    edits: u32,
    /// From the API server's answer to each edit until `/status` shows it in force.
    delays: Vec<Duration>,
}

impl Edited {
    /// In a pod, with the shipped Role and nothing more.
    async fn start(upstream: &Upstream) -> Self {
        let server = Server::shared();
        let namespace = server.namespace("load");
        namespace.kubectl().apply(&policy().to_string()).succeeds();
        let account = namespace.account("app");
        account.allow("nvidia");
        let promise = Promise::new(RATE_TO_BEGIN);
        let sidecar = Launch::new(&["--policy=nvidia"])
            .variable("SIDECAR_UPSTREAM", upstream.url())
            .in_pod(&account.mount(server), server.address())
            .start();
        until("the policy is in force", || sidecar.status()["policy"]["state"] == "synced");
        let policies = Policies::of(&namespace).await;
        Self { sidecar, policies, promise, edits: 0, delays: Vec::new() }
    }

    /// Edits the policy, and waits until the sidecar shows that this is in force.
    async fn edit(&mut self, spec: &Value) {
        let asked = Instant::now();
        let generation = self.policies.edit("nvidia", spec).await;
        let answered = Instant::now();
        until("the edit is in force", || {
            let status = self.sidecar.status();
            status["policy"]["generation"] == generation && holds(&status["settings"], spec)
        });
        let in_force = Instant::now();
        self.edits += 1;
        self.delays.push(in_force - answered);
        if let Some(rate) = spec["rate"]["requestsPerMinute"].as_u64() {
            self.promise.changes(u32::try_from(rate).unwrap(), asked, in_force);
        }
        let generation = f64::from(i32::try_from(generation).unwrap());
        self.shows("sidecar_policy_generation", generation);
    }

    async fn set_rate(&mut self, requests_per_minute: u32) {
        self.edit(&json!({"rate": {"requestsPerMinute": requests_per_minute}})).await;
    }

    /// Waits until a metric has this value.
    fn shows(&self, series: &str, value: f64) {
        until(&format!("{series} is {value}"), || self.sidecar.metric(series) == Some(value));
    }
}

/// Whether `settings` have everything that `spec` has; of a list, an entry for each of its entries.
fn holds(settings: &Value, spec: &Value) -> bool {
    if let Value::Object(fields) = spec {
        return fields.iter().all(|(name, value)| holds(&settings[name], value));
    }
    if let (Value::Array(held), Value::Array(entries)) = (settings, spec) {
        return entries.iter().all(|entry| held.iter().any(|held| holds(held, entry)));
    }
    settings == spec
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_edits_under_load_are_each_in_force_and_lose_nobody() {
    let upstream = Upstream::start();
    let mut edited = Edited::start(&upstream).await;
    let proxy = edited.sidecar.proxy;
    let streams = Load::start(proxy, STREAMS.into(), Kind::Stream);
    until("every stream has begun", || streams.begun() == usize::from(STREAMS));
    edited.set_rate(RATE_TO_WAIT).await;
    let waiting = Load::start(proxy, WAITING.into(), Kind::Plain);
    until("everybody has come", || {
        let status = edited.sidecar.status();
        let (waiting, sent) = (status["queue"]["depth"]["normal"].as_u64(), upstream.calls().len());
        waiting == u64::from(STREAMS + WAITING).checked_sub(sent as u64)
    });

    let mut next = Instant::now();
    for number in 0..EDITS {
        sleep_until(next).await;
        next += BETWEEN_EDITS;
        edited.edit(&edit(number)).await;
    }
    let served = waiting.ended();
    assert!(served >= JUDGED_AT_LEAST, "{served} served during the edits");
    edited.set_rate(RATE_TO_END).await;

    let lost = waiting.lost();
    assert!(lost.is_empty(), "{} of {WAITING}: {:?}", lost.len(), lost.first());
    assert_eq!(streams.ended(), 0);
    upstream.finish_streams();
    let lost = streams.lost();
    assert!(lost.is_empty(), "{} of {STREAMS}: {:?}", lost.len(), lost.first());
    edited.shows("sidecar_policy_changes_total", f64::from(edited.edits));
    let arrivals = upstream.calls();
    assert_eq!(arrivals.len(), usize::from(STREAMS + WAITING), "nothing was sent twice");
    edited.promise.judge(&arrivals);
    println!("{served} of {WAITING} served during the edits");
    print_delays(edited.delays);
}

/// For people: a limit here would judge the machine.
fn print_delays(mut delays: Vec<Duration>) {
    delays.sort_unstable();
    let (median, longest) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    println!("{} edits: in /status {median:.1?} after the answer, {longest:.1?} at most", delays.len());
}
