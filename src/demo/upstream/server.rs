//! The accept loop.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Serves connections until it is dropped, and drops them with it.
///
/// `axum::serve` would leave them running, and leave Nagle's algorithm on, which
/// holds back the small chunks of a stream.
pub(super) async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone()));
                }
                // Out of file descriptors, or the client has left already.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Long enough for a descriptor to come free, too short to be felt.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

async fn connection(stream: TcpStream, router: Router) {
    // Both failures mean that the client is gone, which is its business.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
