//! Port 9191: what it answers, and that it changes nothing.

use std::io::ErrorKind;

use pacer::admin::PATHS;
use serde_json::Value;

use crate::support::process::{Call, Sidecar, Upstream, answer, until};

/// A port that only root can have, and nobody wants.
const NOBODY_LISTENS: &str = "http://127.0.0.1:1/v1";

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head ends").1
}

fn status(sidecar: &Sidecar) -> Value {
    serde_json::from_str(body(&Call::get(sidecar.metrics, "/status").rest())).unwrap()
}

/// A policy file with `spec`, which may be JSON: that is YAML, too.
fn mk_policy(dir: &tempfile::TempDir, spec: &str) -> String {
    let path = dir.path().join("policy.yaml");
    let head =
        "apiVersion: pacer.dev/v1alpha1\nkind: RateLimitPolicy\nmetadata: {name: test, generation: 7}\n";
    std::fs::write(&path, format!("{head}spec: {spec}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn only_get_and_head_are_answered() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&["--upstream", &upstream.url()], &[]);
    for path in PATHS {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let answer = Call::ask(sidecar.metrics, method, path).rest();
            assert!(answer.starts_with("HTTP/1.1 405 "), "{method} {path}: {answer}");
            assert!(answer.contains("\r\nallow: GET,HEAD\r\n"), "{method} {path}: {answer}");
        }
    }
    let answer = Call::ask(sidecar.metrics, "HEAD", "/livez").rest();
    assert!(answer.starts_with("HTTP/1.1 200 ") && body(&answer).is_empty(), "{answer}");
}

#[test]
fn an_unknown_path_is_told_the_known_ones() {
    let sidecar = Sidecar::start(&[], &[]);
    for path in ["/", "/v1/chat/completions", "/admin"] {
        let answer = Call::get(sidecar.metrics, path).rest();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        assert!(PATHS.iter().all(|known| body(&answer).contains(known)), "{path}: {answer}");
    }
}

#[test]
fn metrics_have_the_content_type_of_their_format_and_fresh_gauges() {
    let sidecar = Sidecar::start(&["--queue-max=77", "--rate-rpm=120"], &[]);
    let answer = Call::get(sidecar.metrics, "/metrics").rest();
    assert!(answer.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
    for series in [
        "sidecar_queue_limit 77",
        "sidecar_tokens_rate 120",
        "sidecar_effective_rate_rpm 120",
        "sidecar_policy_rate_rpm 120",
        "sidecar_window_limit 120",
        "sidecar_health_status 1",
        "sidecar_policy_source{source=\"environment\"} 1",
    ] {
        assert!(body(&answer).contains(&format!("\n{series}\n")), "{series}: {answer}");
    }
}

#[test]
fn the_settings_in_the_status_are_a_spec_that_puts_them_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let spec = "{mode: Observe, rate: {requestsPerMinute: 90, capacity: 7, windowSeconds: 30}, \
                queue: {maxDepth: 3, whenFull: Reject, defaultPriority: Low, maxWaitSeconds: 9}, \
                retreat: {mode: Disabled, ceilingRequestsPerMinute: 99}, retry: {serverErrors: 1}, \
                match: {models: [\"a/*\"], methods: [POST, PUT]}, readiness: {gates: [Queue, Tokens]}}";
    let path = mk_policy(&dir, spec);
    let first = status(&Sidecar::start(&["--policy-file", &path], &[]));
    assert_eq!(first["settings"]["rate"]["capacity"], 7);
    assert_eq!(first["settings"]["queue"]["priorities"][0]["maxWaitSeconds"], 9);
    assert_eq!((&first["policy"]["source"], &first["policy"]["name"]), (&"file".into(), &"test".into()));
    assert_eq!(first["policy"]["generation"], 7);

    let path = mk_policy(&dir, &first["settings"].to_string());
    let second = status(&Sidecar::start(&["--policy-file", &path], &[]));
    assert_eq!(second["policy"]["rejected"], Value::Null);
    assert_eq!(second["settings"], first["settings"]);
}

#[test]
fn the_status_counts_what_is_running() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&["--upstream", &upstream.url(), "--rate-rpm=600000"], &[]);
    let call = Call::chat(sidecar.proxy);
    let held = upstream.next();
    let running = status(&sidecar);
    assert_eq!((&running["in_flight"], &running["ready"]), (&1.into(), &true.into()), "{running}");
    answer(held, "{}");
    call.rest();
    until("nothing is held", || {
        let status = status(&sidecar);
        ["in_flight", "streams_open", "buffered_bytes"].iter().all(|held| status[held] == 0)
    });
    let ended = status(&sidecar);
    assert_eq!(ended["requests"]["total"], 1);
    assert_eq!(ended["requests"]["limited"], 1);
    assert_eq!(ended["errors"]["upstream_errors"], 0);
}

#[test]
fn however_many_ask_for_readiness_the_upstream_is_asked_once() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let sidecar = Sidecar::start(&["--upstream", &url, "--rate-rpm=60000", "--bucket-capacity=1"], &[]);
    let calls: Vec<Call> = (0..20)
        .map(|n| Call::get(if n % 2 == 0 { sidecar.proxy } else { sidecar.metrics }, "/health/ready"))
        .collect();
    answer(upstream.next(), r#"{"data":[]}"#);
    for call in calls {
        let answer = call.rest();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let verdict: Value = serde_json::from_str(body(&answer)).unwrap();
        for field in ["ready", "upstream_reachable", "queue_healthy", "token_bucket_healthy"] {
            assert_eq!(verdict[field], true, "{field}: {verdict}");
        }
        assert_eq!(verdict["reason"], Value::Null);
    }
    assert_eq!(upstream.try_next().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn an_upstream_that_is_gone_has_a_reason_and_a_log_line_and_leaves_the_pod_ready() {
    let sidecar = Sidecar::start(&["--upstream", NOBODY_LISTENS], &[]);
    let answer = Call::get(sidecar.metrics, "/health/ready").rest();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let verdict: Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(verdict["reason"], "upstream_unreachable");
    let line = sidecar.line("a dependency is not healthy");
    assert_eq!(line["trace_id"], verdict["trace_id"]);
    assert_eq!(line["hint"], verdict["hint"]);
    assert!(Call::get(sidecar.metrics, "/readyz").rest().starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_gate_makes_the_pod_unready_until_the_policy_takes_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = mk_policy(&dir, "{rate: {requestsPerMinute: 40}, readiness: {gates: [Upstream]}}");
    let sidecar = Sidecar::start(&["--upstream", NOBODY_LISTENS, "--policy-file", &path], &[]);
    let ready = || Call::get(sidecar.metrics, "/readyz").rest();
    until("the gate is shut", || ready().starts_with("HTTP/1.1 503 ") && ready().contains("gated"));
    mk_policy(&dir, "{rate: {requestsPerMinute: 40}}");
    until("the gate is gone", || ready().starts_with("HTTP/1.1 200 "));
}
