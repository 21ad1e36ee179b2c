//! One request: noted, then refused or passed on.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING};
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::background::spawn_here;
use super::control::{Asked, Control, Refusal};
use super::watch;

pub(super) type Body = BoxBody<Bytes, io::Error>;

/// An error ends the client's connection without an answer.
pub(super) async fn relay(control: Arc<Control>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let asked = Asked::new(&head);
    control.asked.lock().unwrap().push(asked.clone());
    control.responsive().await;
    tokio::time::sleep(control.delay()).await;
    if let Some(refusal) = control.refusal(&asked) {
        return Ok(refuse(&refusal));
    }
    if control.ends(&asked) {
        return Ok(Response::new(Full::default().map_err(|never| match never {}).boxed()));
    }
    let response = forward(&control, Request::from_parts(head, body)).await?;
    control.responsive().await;
    let (mut head, body) = response.into_parts();
    let body = if asked.is_watch() && head.status.is_success() {
        head.headers.remove(TRANSFER_ENCODING);
        watch::pass(control, body)
    } else {
        body.map_err(io::Error::other).boxed()
    };
    Ok(Response::from_parts(head, body))
}

fn refuse(refusal: &Refusal) -> Response<Body> {
    let body = Full::from(refusal.status_object().to_string());
    let mut response = Response::builder().status(refusal.code).header(CONTENT_TYPE, "application/json");
    if let Some(seconds) = refusal.retry_after_seconds {
        response = response.header(RETRY_AFTER, seconds);
    }
    response.body(body.map_err(|never| match never {}).boxed()).unwrap()
}

/// Asks the API server, on a connection of its own.
async fn forward(control: &Control, request: Request<Incoming>) -> io::Result<Response<Incoming>> {
    let stream = TcpStream::connect(control.server).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::from(control.server.ip());
    let stream = connector(control)?.connect(name, stream).await?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(io::Error::other)?;
    // It ends when the answer has been read or dropped; an error shows in the answer, too.
    spawn_here(async move { drop(connection.await) });
    sender.send_request(request).await.map_err(io::Error::other)
}

fn connector(control: &Control) -> io::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(&control.ca_file)?;
    roots.add(CertificateDer::from_pem_slice(&pem).map_err(io::Error::other)?).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
