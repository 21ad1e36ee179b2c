//! G12: what a signal does to a sidecar that idles, waits, runs and streams.
//!
//! Pace and grace are chosen so that what must happen can, and nothing here depends on how long it takes.

use std::io::Write;
use std::net::TcpStream;

use crate::support::process::{Call, Sidecar, Upstream, answer, until};

/// A sidecar in front of `upstream` that lets everything leave at once.
fn mk_sidecar(upstream: &Upstream, args: &[&str]) -> Sidecar {
    let url = upstream.url();
    Sidecar::start(args, &[("SIDECAR_UPSTREAM", &url), ("SIDECAR_RATE_RPM", "1000000")])
}

#[test]
fn an_idle_sidecar_ends_with_code_0() {
    for signal in ["TERM", "INT"] {
        let sidecar = Sidecar::start(&[], &[]);
        sidecar.signal(signal);
        let (status, lines) = sidecar.wait();
        assert_eq!(status.code(), Some(0));
        let messages: Vec<&str> = lines.iter().filter_map(|line| line["message"].as_str()).collect();
        assert_eq!(messages, ["asked to stop", "draining", "drained"]);
    }
}

#[test]
fn a_request_in_flight_is_answered_while_new_ones_are_kept_out() {
    let upstream = Upstream::start();
    let sidecar = mk_sidecar(&upstream, &[]);
    let call = Call::chat(sidecar.proxy);
    let held = upstream.next();
    sidecar.signal("TERM");
    sidecar.line("draining");

    until("the port is closed", || TcpStream::connect(sidecar.proxy).is_err());
    let readiness = Call::get(sidecar.metrics, "/readyz").rest();
    assert!(readiness.starts_with("HTTP/1.1 503 ") && readiness.ends_with("draining\n"), "{readiness}");
    assert!(Call::get(sidecar.metrics, "/livez").rest().starts_with("HTTP/1.1 200 "));

    answer(held, r#"{"answer":"in time"}"#);
    let answer = call.rest();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(r#"{"answer":"in time"}"#), "{answer}");
    assert_eq!(sidecar.wait().0.code(), Some(0));
}

#[test]
fn a_stream_is_relayed_to_its_end() {
    let upstream = Upstream::start();
    let sidecar = mk_sidecar(&upstream, &[]);
    let mut call = Call::chat(sidecar.proxy);
    let mut held = upstream.next();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    write!(held, "{head}f\r\ndata: {{\"n\":1}}\n\n\r\n").unwrap();
    call.read_until("data: {\"n\":1}");
    sidecar.signal("TERM");
    sidecar.line("draining");
    write!(held, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n").unwrap();
    let rest = call.rest();
    assert!(rest.contains("data: [DONE]") && rest.ends_with("0\r\n\r\n"), "{rest:?}");
    assert_eq!(sidecar.wait().0.code(), Some(0));
}

#[test]
fn a_request_that_waits_is_still_served() {
    let upstream = Upstream::start();
    let sidecar = mk_sidecar(&upstream, &["--rate-rpm=120", "--bucket-capacity=1"]);
    let calls: Vec<Call> = (0..3).map(|_| Call::chat(sidecar.proxy)).collect();
    let first = upstream.next();
    sidecar.signal("TERM");
    sidecar.line("draining");
    answer(first, "{}");
    for _ in 1..calls.len() {
        answer(upstream.next(), "{}");
    }
    for call in calls {
        let answer = call.rest();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    assert_eq!(sidecar.wait().0.code(), Some(0));
}

#[test]
fn a_request_that_waits_beyond_the_grace_period_is_told_to_come_back() {
    let upstream = Upstream::start();
    let args = ["--rate-rpm=2", "--bucket-capacity=1", "--drain-seconds=1"];
    let sidecar = mk_sidecar(&upstream, &args);
    let calls = [Call::chat(sidecar.proxy), Call::chat(sidecar.proxy)];
    answer(upstream.next(), "{}");
    sidecar.signal("TERM");
    let answers = calls.map(Call::rest);
    let refused = answers.iter().find(|answer| answer.starts_with("HTTP/1.1 503 ")).unwrap();
    assert!(refused.contains("shutting_down") && refused.contains("retry-after: "), "{refused}");
    assert_eq!(sidecar.wait().0.code(), Some(0));
}

#[test]
fn a_request_that_outlives_the_grace_period_is_cut_off() {
    let upstream = Upstream::start();
    let sidecar = mk_sidecar(&upstream, &["--drain-seconds=1"]);
    let call = Call::chat(sidecar.proxy);
    let _held = upstream.next();
    sidecar.signal("TERM");
    assert_eq!(call.rest(), "");
    let (status, lines) = sidecar.wait();
    assert_eq!(status.code(), Some(0));
    assert!(lines.iter().any(|line| line["message"] == "the grace period is over; cutting requests off"));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let upstream = Upstream::start();
        let sidecar = mk_sidecar(&upstream, &["--drain-seconds=3600"]);
        let call = Call::chat(sidecar.proxy);
        let _held = upstream.next();
        sidecar.signal("TERM");
        sidecar.line("draining");
        sidecar.signal(signal);
        assert_eq!(sidecar.wait().0.code(), Some(code));
        assert_eq!(call.rest(), "");
    }
}
