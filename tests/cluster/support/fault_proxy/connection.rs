//! The client's side: connections, and how they are cut.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::super::background::spawn_here;
use super::super::certificates::Certified;
use super::control::{Control, Cut, Fault};
use super::relay;

/// Takes connections for ever, except while the fault is to refuse them.
pub(super) async fn listen(address: SocketAddr, control: Arc<Control>, certified: Certified) {
    let acceptor = acceptor(&certified);
    let mut fault = control.fault.subscribe();
    loop {
        fault.wait_for(|fault| !matches!(fault, Fault::Refuse)).await.unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        loop {
            tokio::select! {
                _ = fault.wait_for(|fault| matches!(fault, Fault::Refuse)) => break,
                accepted = listener.accept() => {
                    let (stream, _) = accepted.unwrap();
                    spawn_here(keep(stream, acceptor.clone(), Arc::clone(&control)));
                }
            }
        }
    }
}

/// Serves a connection until it ends or is cut.
async fn keep(stream: TcpStream, acceptor: TlsAcceptor, control: Arc<Control>) {
    let mut cuts = control.cuts.subscribe();
    stream.set_nodelay(true).unwrap();
    // A second handle on the socket: it is closed when both are dropped, so the last one says how.
    let stream = stream.into_std().unwrap();
    let handle = TcpStream::from_std(stream.try_clone().unwrap()).unwrap();
    let stream = TcpStream::from_std(stream).unwrap();
    tokio::select! {
        () = serve(stream, acceptor, control) => {}
        cut = cuts.recv() => if matches!(cut, Ok(Cut::Reset)) {
            handle.set_zero_linger().unwrap();
        },
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, control: Arc<Control>) {
    control.responsive().await;
    let Ok(stream) = acceptor.accept(stream).await else {
        // A client that does not trust the certificate, or only looked whether the port is open.
        return;
    };
    let service = service_fn(move |request| relay::relay(Arc::clone(&control), request));
    let connection = hyper::server::conn::http1::Builder::new();
    // Broken connections are what this is for.
    connection.serve_connection(TokioIo::new(stream), service).await.ok();
}

fn acceptor(certified: &Certified) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(certified.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
