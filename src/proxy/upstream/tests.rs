//! The client against real sockets: TLS, both protocols, and the moment of departure.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt;
use http::Version;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use prometheus::IntGauge;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::proxy::body::{Budget, collect};

const BODY: &str = r#"{"model":"m"}"#;
const FOR_EVER: Patience = Patience { idle: None, until: None };

struct Tls {
    acceptor: TlsAcceptor,
    root: reqwest::Certificate,
}

fn tls(protocol: &[u8]) -> Tls {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    let root = reqwest::Certificate::from_der(cert.der()).unwrap();
    Tls { acceptor: TlsAcceptor::from(Arc::new(config)), root }
}

/// Serves one connection, whose answers tell the protocol, the length and the body of the request.
async fn serve_one(listener: TcpListener, acceptor: TlsAcceptor) {
    let (stream, _) = listener.accept().await.unwrap();
    let stream = acceptor.accept(stream).await.unwrap();
    let echo = service_fn(async |request: http::Request<hyper::body::Incoming>| {
        let (head, body) = request.into_parts();
        let length = head.headers.get("content-length").map(|length| length.to_str().unwrap().to_owned());
        let body = body.collect().await.unwrap().to_bytes();
        let echo = format!("{:?} {length:?} {}", head.version, String::from_utf8_lossy(&body));
        Ok::<_, std::convert::Infallible>(http::Response::new(Full::new(Bytes::from(echo))))
    });
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), echo).await;
}

async fn outbound(addr: SocketAddr, body: &'static str, departed: &Arc<AtomicBool>) -> Outbound {
    let budget = Budget::new(1 << 20, IntGauge::new("held", "held").unwrap());
    let body = collect(&mut Body::from(body), 1 << 20, &budget).await.unwrap();
    let departed = Arc::clone(departed);
    Outbound {
        method: Method::POST,
        url: format!("https://localhost:{}/v1/x", addr.port()).parse().unwrap(),
        headers: HeaderMap::new(),
        body: Outgoing::buffered(body, Box::new(move || departed.store(true, Ordering::SeqCst))),
    }
}

/// Connects through TLS to a server that handles the connection only after a while.
async fn departs_after_the_connection_is_ready(protocol: &[u8], version: Version, body: &'static str) {
    let Tls { acceptor, root } = tls(protocol);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let upstream = Upstream::new(Duration::from_secs(20), Roots::Only(root)).unwrap();
    let departed = Arc::new(AtomicBool::new(false));

    let mut send = Box::pin(upstream.send(outbound(addr, body, &departed).await, FOR_EVER));
    // The kernel has accepted the connection; nobody has answered the handshake yet.
    let early = tokio::time::timeout(Duration::from_millis(100), &mut send).await;
    assert!(early.is_err());
    assert!(!departed.load(Ordering::SeqCst), "it left before there was a connection");

    let serve = serve_one(listener, acceptor);
    let answer = tokio::select! {
        answer = send => answer.unwrap(),
        () = serve => panic!("the server left first"),
    };
    assert!(departed.load(Ordering::SeqCst));
    assert_eq!(answer.version(), version);
}

#[tokio::test]
async fn over_http_1_a_request_departs_when_its_connection_is_ready() {
    departs_after_the_connection_is_ready(b"http/1.1", Version::HTTP_11, BODY).await;
}

#[tokio::test]
async fn over_http_2_a_request_departs_when_its_connection_is_ready() {
    departs_after_the_connection_is_ready(b"h2", Version::HTTP_2, BODY).await;
}

#[tokio::test]
async fn an_empty_request_does_not_depart_before_there_is_a_connection() {
    departs_after_the_connection_is_ready(b"http/1.1", Version::HTTP_11, "").await;
    departs_after_the_connection_is_ready(b"h2", Version::HTTP_2, "").await;
}

#[tokio::test]
async fn an_empty_request_that_is_given_up_is_taken_for_departed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let upstream = Upstream::new(Duration::from_secs(20), Roots::System).unwrap();
    let departed = Arc::new(AtomicBool::new(false));
    let send = upstream.send(outbound(addr, "", &departed).await, FOR_EVER);
    assert!(tokio::time::timeout(Duration::from_millis(20), send).await.is_err());
    assert!(departed.load(Ordering::SeqCst));
    drop(listener);
}

#[tokio::test]
async fn bodies_go_whole_and_with_their_length_over_both_protocols() {
    for (protocol, version) in [(b"http/1.1".as_slice(), "HTTP/1.1"), (b"h2", "HTTP/2.0")] {
        for body in ["", BODY] {
            let Tls { acceptor, root } = tls(protocol);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let upstream = Upstream::new(Duration::from_secs(20), Roots::Only(root)).unwrap();
            let departed = Arc::default();
            let ask = async {
                let outbound = outbound(addr, body, &departed).await;
                let answer = upstream.send(outbound, FOR_EVER).await.unwrap();
                answer.into_body().collect().await.unwrap().to_bytes()
            };
            let echo = tokio::select! {
                echo = ask => echo,
                () = serve_one(listener, acceptor) => panic!("the server left first"),
            };
            assert_eq!(echo, format!("{version} Some(\"{}\") {body}", body.len()));
            assert!(departed.load(Ordering::SeqCst));
        }
    }
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_no_connection() {
    let Tls { acceptor, .. } = tls(b"http/1.1");
    let other = tls(b"http/1.1").root;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let upstream = Upstream::new(Duration::from_secs(20), Roots::Only(other)).unwrap();
    let departed = Arc::new(AtomicBool::new(false));
    let handshake = async {
        let (stream, _) = listener.accept().await.unwrap();
        // The client breaks it off.
        let _ = acceptor.accept(stream).await;
        std::future::pending::<()>().await;
    };
    let sent = tokio::select! {
        sent = upstream.send(outbound(addr, BODY, &departed).await, FOR_EVER) => sent,
        () = handshake => unreachable!(),
    };
    assert!(matches!(sent, Err(SendError::Connect(_))), "{sent:?}");
    assert!(!departed.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_connection_is_given_up_after_the_connect_timeout_in_force() {
    // The kernel takes the connection, and nobody ever answers the handshake of TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let upstream = Upstream::new(Duration::from_secs(3_600), Roots::System).unwrap();
    upstream.set_connect_timeout(Duration::from_millis(50)).unwrap();
    let departed = Arc::new(AtomicBool::new(false));
    let sent = upstream.send(outbound(addr, BODY, &departed).await, FOR_EVER).await;
    assert!(matches!(sent, Err(SendError::Connect(_))), "{sent:?}");
    assert!(!departed.load(Ordering::SeqCst));
    drop(listener);
}

#[tokio::test]
async fn an_error_does_not_show_the_query() {
    let upstream = Upstream::new(Duration::from_secs(5), Roots::System).unwrap();
    let departed = Arc::new(AtomicBool::new(false));
    let mut outbound = outbound(SocketAddr::from(([127, 0, 0, 1], 1)), BODY, &departed).await;
    outbound.url = "http://127.0.0.1:1/v1/x?key=secret".parse().unwrap();
    let error = upstream.send(outbound, FOR_EVER).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_sending_is_given_up_after_the_same_time_as_everywhere() {
    let mut body = Outgoing::streamed(Body::from_stream(futures_util::stream::pending::<
        Result<Bytes, std::io::Error>,
    >()));
    let progress = body.progress();
    assert!(body.frame().now_or_never().is_none(), "the client is silent");
    let began = Instant::now();
    let patience = Patience { idle: Some(Duration::from_secs(5)), until: None };
    assert!(matches!(silence(&progress, patience).await, SendError::Stalled));
    assert_eq!((Instant::now() - began).as_secs(), body::SILENCE.as_secs());
}
