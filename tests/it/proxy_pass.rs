//! What goes through, goes through unchanged.

use http::Method;
use pacer::metrics::{RefusalReason, RequestStatus};
use pacer::proxy::KeySource;

use crate::support::sidecar::{BODY, call, head};
use crate::support::{Answer, CANARY, Sidecar, Upstream};

#[tokio::test]
async fn path_query_body_and_headers_reach_the_upstream() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let request = sidecar
        .request(Method::POST, "/v1/chat%20x/completions?a=1&b=%2F")
        .header("x-custom", "kept")
        .header("x-priority", "High")
        .body(BODY);
    assert_eq!(call(request).await.status, 200);

    let asked = upstream.asked_once();
    assert_eq!(asked.method, Method::POST);
    assert_eq!(asked.uri, "/v1/chat%20x/completions?a=1&b=%2F");
    assert_eq!(asked.body, BODY);
    assert_eq!(asked.headers["x-custom"], "kept");
    assert_eq!(asked.headers["content-length"], BODY.len().to_string().as_str());
    assert_eq!(asked.headers["host"], upstream.base()["http://".len()..].trim_end_matches("/v1"));
    assert!(!asked.headers.contains_key("x-priority"));
    assert!(!asked.headers.contains_key("transfer-encoding"));
}

#[tokio::test]
async fn the_key_replaces_the_clients_authorization() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    call(sidecar.post().header("authorization", "Bearer placeholder")).await;
    assert_eq!(upstream.asked_once().headers["authorization"], format!("Bearer {CANARY}"));
}

#[tokio::test]
async fn without_a_key_the_clients_authorization_is_forwarded() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::builder(&upstream.base()).options(|it| it.key = KeySource::None).start().await;
    call(sidecar.post().header("authorization", "Bearer mine")).await;
    assert_eq!(upstream.asked_once().headers["authorization"], "Bearer mine");
}

#[tokio::test]
async fn a_rotated_key_file_is_in_force_without_a_restart() {
    let upstream = Upstream::start([]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{CANARY}-old\n")).unwrap();
    let key = KeySource::File(file.path().into());
    let sidecar = Sidecar::builder(&upstream.base()).options(|it| it.key = key).start().await;
    call(sidecar.post()).await;
    assert_eq!(upstream.asked_once().headers["authorization"], format!("Bearer {CANARY}-old"));

    std::fs::write(file.path(), format!("{CANARY}-new\n")).unwrap();
    let new = format!("Bearer {CANARY}-new");
    for _ in 0..1_000 {
        call(sidecar.post()).await;
        if upstream.asked().last().unwrap().headers["authorization"] == new {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the new key never came into force");
}

#[tokio::test]
async fn headers_of_the_connection_stay_on_it_in_both_directions() {
    let answer = Answer::ok()
        .header("connection", "x-down")
        .header("x-down", "1")
        .header("keep-alive", "timeout=9")
        .header("proxy-authenticate", "Basic")
        .header("x-kept", "1");
    let upstream = Upstream::start([answer]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let mut raw = sidecar.raw().await;
    raw.write(format!(
        "POST /v1/x HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, X-Up\r\nx-up: 1\r\nte: trailers\r\n\
         proxy-authorization: Basic eA==\r\ncontent-length: {}\r\nx-kept: 1\r\n\r\n{BODY}",
        BODY.len()
    ))
    .await;
    let head = raw.read_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("x-kept: 1"), "{head}");
    for gone in ["x-down", "keep-alive", "proxy-authenticate"] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
    let asked = upstream.asked_once();
    assert_eq!(asked.headers["x-kept"], "1");
    for gone in ["x-up", "te", "proxy-authorization", "connection"] {
        assert!(!asked.headers.contains_key(gone), "{gone} in {:?}", asked.headers);
    }
}

#[tokio::test]
async fn headers_under_our_names_are_ours_alone() {
    let answer = Answer::ok().header("x-pacer-reason", "theirs").header("x-pacer-priority", "theirs");
    let upstream = Upstream::start([answer]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let reply = call(sidecar.post().header("x-pacer-queue-wait-ms", "7").header("X-Pacer-Own", "1")).await;
    assert_eq!((reply.header("x-pacer-reason"), reply.header("x-pacer-priority")), ("-", "normal"));
    let asked = upstream.asked_once();
    assert!(asked.headers.keys().all(|name| !name.as_str().starts_with("x-pacer-")), "{:?}", asked.headers);
}

#[tokio::test]
async fn a_connection_is_kept_alive_over_answers_and_refusals() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let mut raw = sidecar.raw().await;
    for (path, status) in [("/v1/models", "200"), ("/nowhere", "404"), ("/v1/models", "200")] {
        raw.write(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        let head = raw.read_until("\r\n\r\n").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        raw.read_until("}").await;
        if status == "404" {
            raw.read_until("}").await;
        }
    }
}

#[tokio::test]
async fn expect_100_continue_is_answered_here_and_not_forwarded() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let mut raw = sidecar.raw().await;
    let length = BODY.len();
    raw.write(format!(
        "POST /v1/x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
    ))
    .await;
    assert_eq!(raw.read_until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    raw.write(BODY).await;
    assert!(raw.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(!upstream.asked_once().headers.contains_key("expect"));
}

#[tokio::test]
async fn a_chunked_upload_arrives_whole() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let mut raw = sidecar.raw().await;
    raw.write("POST /v1/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"a\r\n").await;
    raw.write("4\r\n\":1}\r\n0\r\nx-trailer: 1\r\n\r\n").await;
    assert!(raw.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
    let asked = upstream.asked_once();
    assert_eq!(asked.body, r#"{"a":1}"#);
    assert_eq!(asked.headers["content-length"], "7");
}

#[tokio::test]
async fn a_head_request_gets_the_head_alone() {
    let answer = Answer::Say(200, vec![("content-length", "1234".into())], bytes::Bytes::new());
    let upstream = Upstream::start([answer]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let mut raw = sidecar.raw().await;
    raw.write("HEAD /v1/models HTTP/1.1\r\nhost: a\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let first = raw.read_until("\r\n\r\n").await;
    assert!(first.contains("content-length: 1234"), "{first}");
    assert!(raw.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(upstream.asked()[0].method, Method::HEAD);
    sidecar.is_idle().await;
    assert_eq!(sidecar.metrics.requests.unpaced(RequestStatus::Success).get(), 2);
}

#[tokio::test]
async fn a_compressed_answer_is_not_touched() {
    let squeezed: &[u8] = b"\x1f\x8b\x08\x00 not really gzip";
    let headers = vec![("content-encoding", "gzip".into()), ("etag", "\"1\"".into())];
    let upstream = Upstream::start([Answer::Say(200, headers, squeezed.into())]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let response = head(sidecar.post().header("accept-encoding", "gzip, br")).await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(response.headers()["etag"], "\"1\"");
    assert_eq!(response.bytes().await.unwrap(), squeezed);
    assert_eq!(upstream.asked_once().headers["accept-encoding"], "gzip, br");
}

#[tokio::test]
async fn a_redirect_is_the_applications_to_follow() {
    let answer = Answer::json(307, "{}").header("location", "http://127.0.0.1:1/v1/elsewhere");
    let upstream = Upstream::start([answer]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let mut raw = sidecar.raw().await;
    raw.write(format!("POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len()))
        .await;
    let head = raw.read_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 307"), "{head}");
    assert!(head.contains("location: http://127.0.0.1:1/v1/elsewhere"), "{head}");
}

#[tokio::test]
async fn a_path_outside_the_api_is_an_error_in_the_apis_format() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    for path in ["/", "/v1", "/v2/models", "/metrics"] {
        let reply = call(sidecar.request(Method::GET, path)).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{path}");
        assert_eq!(reply.header("x-should-retry"), "false");
    }
    assert_eq!(sidecar.refused(RefusalReason::BadRequest), 4);
    assert!(upstream.asked().is_empty());
}

#[tokio::test]
async fn a_path_that_could_leave_the_base_is_refused() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    for path in ["/v1/../admin", "/v1/%2e%2e/admin", "/v1/..%2fadmin", "/v1/a\\..\\b"] {
        let mut raw = sidecar.raw().await;
        raw.write(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        let head = raw.read_until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 400"), "{path}: {head}");
    }
    assert!(upstream.asked().is_empty());
}

#[tokio::test]
async fn an_upgrade_is_refused_with_the_reason_and_an_offer_of_h2c_ignored() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let upgrade = |protocol| {
        sidecar
            .request(Method::GET, "/v1/realtime")
            .header("connection", "upgrade")
            .header("upgrade", protocol)
    };
    let reply = call(upgrade("websocket")).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "upgrade_not_supported"));
    assert_eq!(call(upgrade("h2c")).await.status, 200);
    assert!(!upstream.asked_once().headers.contains_key("upgrade"));
}

#[tokio::test]
async fn a_method_that_is_not_matched_is_streamed_through_and_counted_apart() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let mut raw = sidecar.raw().await;
    raw.write("PUT /v1/files/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345").await;
    upstream.is_being_asked().await;
    assert_eq!(sidecar.metrics.requests.buffered_bytes.get(), 0);
    raw.write("67890").await;
    let head = raw.read_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(!head.contains("x-pacer-"), "{head}");
    assert_eq!(upstream.asked_once().body, "1234567890");
    sidecar.is_idle().await;
    assert_eq!(sidecar.metrics.requests.unpaced(RequestStatus::Success).get(), 1);
    assert_eq!(sidecar.finished(pacer::limiter::Priority::Normal, "success"), 0);
}

#[tokio::test]
async fn a_model_that_is_not_matched_passes_and_is_counted_apart() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::builder(&upstream.base())
        .settings(|it| it.matching.models = vec!["nvidia/*".into()])
        .start()
        .await;
    for body in [BODY, "--boundary\r\nmultipart", "", r#"{"model":["nvidia/x"]}"#] {
        let reply = call(sidecar.post().header("x-priority", "whatever").body(body)).await;
        assert_eq!((reply.status, reply.header("x-pacer-priority")), (200, "-"), "{body}");
    }
    assert_eq!(
        call(sidecar.post().body(r#"{"model":"nvidia/x"}"#)).await.header("x-pacer-priority"),
        "normal"
    );
    sidecar.is_idle().await;
    assert_eq!(sidecar.metrics.requests.unpaced(RequestStatus::Success).get(), 4);
}

#[tokio::test]
async fn a_body_without_a_model_is_paced_under_the_star() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    for body in ["--boundary\r\nmultipart", "", "[]", r#"{"model":7}"#] {
        assert_eq!(call(sidecar.post().body(body)).await.header("x-pacer-priority"), "normal", "{body}");
    }
}

#[tokio::test]
async fn a_matching_rule_is_live() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    assert_eq!(call(sidecar.post()).await.header("x-pacer-priority"), "normal");
    sidecar.set(|it| it.matching.methods = vec!["PUT".into()]);
    assert_eq!(call(sidecar.post()).await.header("x-pacer-priority"), "-");
}

#[tokio::test]
async fn the_upstream_check_asks_for_the_models_with_the_key() {
    let upstream = Upstream::start([Answer::json(401, "{}"), Answer::json(500, "{}")]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let check = sidecar.proxy.upstream_check();
    assert!(check().await);
    assert!(!check().await);
    let asked = upstream.asked();
    assert_eq!(asked[0].uri, "/v1/models");
    assert_eq!(asked[0].headers["authorization"], format!("Bearer {CANARY}"));
}

#[tokio::test]
async fn nobody_listening_fails_the_upstream_check() {
    let sidecar = Sidecar::builder("http://127.0.0.1:1/v1").start().await;
    assert!(!sidecar.proxy.upstream_check()().await);
}
