//! The harness does what its documentation says.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::crd::policy;
use crate::support::load::{Kind, Load};
use crate::support::program::until;
use crate::support::server::Server;
use crate::support::sidecar::Launch;
use crate::support::upstream::Upstream;

#[test]
fn the_shared_server_is_a_real_one_and_warns_of_nothing() {
    let namespace = Server::shared().namespace("harness");
    let kubectl = namespace.kubectl();
    kubectl.apply_dry_run(&policy("nvidia", 40)).succeeds().without_warnings();
    kubectl.get("rlpol", "nvidia").fails("not found");
    kubectl.apply(&policy("nvidia", 40)).succeeds().without_warnings();
    let patch = r#"{"spec":{"rate":{"requestsPerMinute":50}}}"#;
    kubectl.patch("rlpol", "nvidia", patch).succeeds().without_warnings();
    let stored = kubectl.get("rlpol", "nvidia").succeeds().json();
    assert_eq!(stored["metadata"]["generation"], 2, "{stored}");
    let explained = kubectl.explain("ratelimitpolicies.pacer.dev").succeeds().stdout;
    assert!(explained.contains("RateLimitPolicy"), "{explained}");
}

#[test]
fn a_killed_server_comes_back_with_its_objects() {
    let server = Server::own();
    let kubectl = server.kubectl();
    kubectl.apply(&policy("nvidia", 40)).succeeds();
    server.kill_api_server();
    kubectl.get("rlpol", "nvidia").fails("refused");
    server.restart_api_server();
    kubectl.get("rlpol", "nvidia").succeeds();

    server.kill_etcd();
    kubectl.run(&["get", "rlpol", "nvidia", "--request-timeout=1s"]).fails("");
    server.restart_etcd();
    kubectl.get("rlpol", "nvidia").succeeds();

    let before = server.ca();
    server.rotate_authority();
    assert_ne!(server.ca(), before);
    kubectl.get("rlpol", "nvidia").succeeds();
}

/// Starts this test a second time as a process of its own, which starts a server and waits to be killed.
#[test]
fn everything_ends_with_the_test_process() {
    const HOLD: &str = "PACER_TEST_HOLDS_A_SERVER";
    if std::env::var_os(HOLD).is_some() {
        let server = Server::own();
        let sidecar = Launch::new(&[]).start();
        println!("\nholding {} {} {:?}", server.path("").display(), sidecar.pid(), server.processes());
        loop {
            std::thread::park();
        }
    }
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "harness::everything_ends_with_the_test_process", "--nocapture"]);
    let mut test = test.env(HOLD, "1").stdout(Stdio::piped()).spawn().unwrap();
    let line = BufReader::new(test.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = line.into_iter().find_map(|line| line.strip_prefix("holding ").map(str::to_owned)).unwrap();
    let (folder, pids) = line.split_once(' ').unwrap();
    let pids: Vec<PathBuf> = pids
        .split(|other: char| !other.is_ascii_digit())
        .filter(|pid| !pid.is_empty())
        .map(|pid| Path::new("/proc").join(pid))
        .collect();
    assert!(pids.len() == 3 && pids.iter().all(|pid| pid.exists()), "{line}");
    assert!(Path::new(folder).exists());

    test.kill().unwrap();
    test.wait().unwrap();
    until("nothing stays", || pids.iter().all(|pid| !pid.exists()) && !Path::new(folder).exists());
}

#[test]
fn a_sidecar_sees_what_a_pod_would_see_and_nobody_else_does() {
    // A link in a process's root is followed in ours, so it is followed before.
    let run = std::fs::canonicalize("/var/run").unwrap();
    let mounted = run.join("secrets/kubernetes.io/serviceaccount");
    let server = Server::shared();
    let namespace = server.namespace("harness");
    let mount = namespace.account("app").mount(server);
    let sidecar = Launch::new(&[]).in_pod(&mount, server.address()).start();
    let process = PathBuf::from(format!("/proc/{}", sidecar.pid()));
    let seen = |name| {
        std::fs::read_to_string(process.join("root").join(mounted.strip_prefix("/").unwrap()).join(name))
            .unwrap()
    };
    assert_eq!(seen("namespace"), namespace.name);
    assert_eq!(seen("ca.crt"), server.ca());
    mount.write_token("rotated");
    assert_eq!(seen("token"), "rotated");
    let variables = std::fs::read_to_string(process.join("environ")).unwrap();
    assert!(variables.contains(&format!("KUBERNETES_SERVICE_PORT={}\0", server.address().port())));
    assert_ne!(std::fs::read_to_string(mounted.join("token")).ok(), Some("rotated".into()));
}

#[test]
fn a_sidecar_is_read_and_stopped() {
    let sidecar = Launch::new(&["--rate-rpm=77"]).variable("SIDECAR_LOG_LEVEL", "debug").start();
    assert_eq!(sidecar.page("/startupz").0, 200);
    assert_eq!(sidecar.status()["settings"]["rate"]["requestsPerMinute"], 77, "{}", sidecar.status());
    assert_eq!(sidecar.metric("sidecar_requests_in_flight"), Some(0.0), "{}", sidecar.page("/metrics").1);
    assert_eq!(sidecar.metric("sidecar_no_such_thing"), None);
    assert!(sidecar.log.all().iter().any(|line| line["message"] == "started"));
    sidecar.signal(Signal::TERM);
    sidecar.log.find("draining", |line| line["message"] == "draining");
    let (status, lines) = sidecar.wait();
    assert_eq!(status.code(), Some(0));
    assert_eq!(lines.last().map(|line| &line["message"]), Some(&Value::from("drained")));
}

#[test]
fn streams_last_as_long_as_the_test_wants_and_waiting_calls_wait() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    let set_rate = |rate| {
        let text = policy("nvidia", rate) + "  queue: {maxWaitSeconds: 3600}\n";
        std::fs::write(&file, text).unwrap();
    };
    set_rate(100_000);
    let sidecar = Launch::new(&["--policy-file", file.to_str().unwrap()])
        .variable("SIDECAR_UPSTREAM", upstream.url())
        .start();
    let streams = Load::start(sidecar.proxy, 200, Kind::Stream);
    until("every stream has begun", || streams.begun() == 200);
    // A bucket is nearly empty at the start, so the pace is slow only from here on.
    set_rate(10);
    until("the rate is low", || sidecar.metric("sidecar_tokens_rate") == Some(10.0));
    let waiting = Load::start(sidecar.proxy, 300, Kind::Plain);
    let depth = r#"sidecar_queue_depth{priority="normal"}"#;
    until("the others wait", || sidecar.metric(depth) == Some(300.0));
    assert_eq!((streams.ended(), waiting.ended(), upstream.calls().len()), (0, 0, 200));
    assert!(upstream.calls().is_sorted());
    upstream.finish_streams();
    assert!(streams.lost().is_empty());
    drop(waiting);
    until("the others have left", || sidecar.metric(depth) == Some(0.0));
}

#[test]
fn a_lost_call_is_told_from_a_whole_one() {
    let upstream = Upstream::start();
    let sidecar = Launch::new(&["--rate-rpm=100000"]).variable("SIDECAR_UPSTREAM", upstream.url()).start();
    assert!(Load::start(sidecar.proxy, 20, Kind::Plain).lost().is_empty());
    let streams = Load::start(sidecar.proxy, 20, Kind::Stream);
    until("every stream has begun", || streams.begun() == 20);
    sidecar.signal(Signal::KILL);
    assert_eq!(streams.lost().len(), 20);
}
