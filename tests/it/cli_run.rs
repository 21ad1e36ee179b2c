//! `pacer run` and `pacer healthcheck` as processes.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::thread;

use crate::support::process::{Call, Sidecar, pacer, run};

#[test]
fn both_listeners_answer_once_it_says_that_it_has_started() {
    let sidecar = Sidecar::start(&[], &[]);
    let decided = "ok: settings from environment, policy unused";
    for (path, body) in [("/livez", "ok"), ("/readyz", "ok"), ("/startupz", decided)] {
        let answer = Call::get(sidecar.metrics, path).rest();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{body}\n")), "{answer}");
    }
    for address in [sidecar.proxy, sidecar.metrics] {
        let answer = Call::get(address, "/health").rest();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.contains(r#""status":"ok""#), "{answer}");
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let variables = ["SIDECAR_RATE_RPM", "SIDECAR_POLICY", "SIDECAR_API_KEY", "SIDECAR_LOG_LEVEL"];
    Sidecar::start(&[], &variables.map(|name| (name, "")));
}

#[test]
fn healthcheck_asks_the_probes() {
    let sidecar = Sidecar::start(&[], &[]);
    let port = sidecar.metrics.port().to_string();
    for args in [&["healthcheck"][..], &["healthcheck", "--readiness"]] {
        let everywhere = [("SIDECAR_METRICS_PORT", port.as_str()), ("SIDECAR_METRICS_HOST", "0.0.0.0")];
        assert_eq!(run(args, &everywhere), (0, String::new(), String::new()));
    }
    drop(sidecar);
    let (code, stdout, stderr) = run(&["healthcheck", "--metrics-port", &port], &[]);
    assert_eq!((code, stdout.as_str(), stderr.lines().count()), (1, "", 1), "{stderr}");
    assert!(stderr.contains(&format!("127.0.0.1:{port} does not answer")), "{stderr}");
}

#[test]
fn healthcheck_calls_the_upstream_through_the_proxy() {
    let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("--upstream=http://{}/v1", upstream.local_addr().unwrap());
    let sidecar = Sidecar::start(&[&url], &[]);
    let port = sidecar.proxy.port().to_string();
    let variables = [("SIDECAR_PORT", port.as_str()), ("SIDECAR_HOST", "0.0.0.0")];
    let answering = thread::spawn(move || {
        let (mut call, _) = upstream.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&call).read_line(&mut line).unwrap();
        call.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").unwrap();
        line
    });
    assert_eq!(run(&["healthcheck", "--call"], &variables), (0, String::new(), String::new()));
    assert_eq!(answering.join().unwrap(), "GET /v1/models HTTP/1.1\r\n");

    // The upstream is gone.
    let (code, stdout, stderr) = run(&["healthcheck", "--call"], &variables);
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(
        stderr.contains("/v1/models: 502 Bad Gateway") && stderr.contains("upstream_unreachable"),
        "{stderr}"
    );
}

#[test]
fn text_logs_are_for_people() {
    let ports = ["--port=0", "--metrics-host=127.0.0.1", "--metrics-port=0"];
    let mut command = pacer(&[&["run", "--log-format=text"][..], &ports].concat());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let started = lines.find(|line| line.contains(" started ")).expect("it starts");
    assert!(started.contains(" INFO ") && !started.contains(['{', '\u{1b}']), "{started}");
    for setting in ["requests_per_minute=40", "capacity=40", "window_seconds=60", "queue_limit=500"] {
        assert!(started.contains(setting), "{started}");
    }
    child.kill().unwrap();
    assert!(lines.all(|line| !line.contains(" WARN ")), "a start with the defaults warns of nothing");
    child.wait().unwrap();
}
