//! The program in front of an HTTPS upstream, over HTTP/1.1 and HTTP/2, as it ships: trust
//! comes from the system's certificate file, the protocol from the handshake.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::process::{Call, Sidecar};

/// A certificate for `localhost`, as a file to trust and as a server's configuration.
fn certificate(protocols: &[&[u8]]) -> (tempfile::NamedTempFile, TlsAcceptor) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), cert.pem()).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    (file, TlsAcceptor::from(Arc::new(config)))
}

/// Serves connections whose answers are streamed: the protocol first, then the request's body.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(stream) = acceptor.accept(stream).await else { continue };
        let echo = service_fn(async |request: http::Request<hyper::body::Incoming>| {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let pieces = [Bytes::from(format!("{:?} ", head.version)), body];
            let frames = stream::iter(pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece))));
            Ok::<_, Infallible>(http::Response::new(StreamBody::new(frames)))
        });
        let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), echo).await;
    }
}

/// What a call through the program gets from a server that speaks `protocols`.
async fn call_through(protocols: &[&[u8]], trusted: bool) -> String {
    let (file, acceptor) = certificate(protocols);
    let other = certificate(protocols).0;
    let trust = if trusted { file.path() } else { other.path() }.to_str().unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().map(|address: SocketAddr| address.port()).unwrap();
    let call = tokio::task::spawn_blocking(move || {
        let upstream = format!("--upstream=https://localhost:{port}/v1");
        let sidecar = Sidecar::start(&[&upstream, "--timeout=1"], &[("SSL_CERT_FILE", &trust)]);
        Call::chat(sidecar.proxy).rest()
    });
    tokio::select! {
        answer = call => answer.unwrap(),
        () = serve(listener, acceptor) => unreachable!("it serves for ever"),
    }
}

#[tokio::test]
async fn http_1_is_spoken_where_the_upstream_speaks_nothing_else() {
    let answer = call_through(&[b"http/1.1"], true).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("HTTP/1.1 \r\n") && answer.contains(r#"{"model":"test/model""#), "{answer}");
}

#[tokio::test]
async fn http_2_is_spoken_where_the_upstream_offers_it() {
    let answer = call_through(&[b"h2", b"http/1.1"], true).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("HTTP/2.0 \r\n") && answer.contains(r#"{"model":"test/model""#), "{answer}");
}

#[tokio::test]
async fn an_upstream_that_is_not_trusted_is_not_reached() {
    let answer = call_through(&[b"h2", b"http/1.1"], false).await;
    assert!(answer.contains("upstream_unreachable") && answer.starts_with("HTTP/1.1 502"), "{answer}");
}
