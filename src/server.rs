//! The accept loop of both listeners.
//!
//! `axum::serve` sets no header timeout, no `TCP_NODELAY` and no end to a graceful
//! shutdown, so connections are accepted here and handed to hyper one by one. A client
//! that closes its connection, or only its sending half, is gone: hyper drops the
//! handler at once, which is what frees the request's place in the queue.

use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::drain::Drain;

/// How long a connection may take to send the head of its next request.
///
/// hyper counts idle time as well, so this must be longer than clients keep idle
/// connections (Go: 90 s): a server that closes first races with the next request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(120);

/// Pause after a failed accept. Out of file descriptors, an eager loop would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One line is logged for this many failed accepts in a row: ten seconds of pauses.
const LOG_EVERY: u32 = 100;

/// Serves `router` on `listener` until `draining` is cancelled and every connection has ended.
///
/// From then on the port is closed, idle connections are closed, running requests finish.
/// What is left at `drain`'s shutdown is dropped.
pub async fn serve(listener: TcpListener, router: Router, draining: CancellationToken, drain: Drain) {
    let connections = TaskTracker::new();
    while let Some(stream) = accept(&listener, &draining).await {
        let connection = serve_connection(stream, router.clone(), draining.clone());
        drain.spawn(connections.track_future(connection));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The next connection; `None` once `draining` is cancelled.
async fn accept(listener: &TcpListener, draining: &CancellationToken) -> Option<TcpStream> {
    let mut failures: u32 = 0;
    loop {
        match draining.run_until_cancelled(listener.accept()).await? {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY was refused");
                }
                return Some(stream);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                if failures.is_multiple_of(LOG_EVERY) {
                    tracing::error!(%error, failures, "no connection can be accepted; trying on");
                }
                failures = failures.saturating_add(1);
                draining.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await?;
            }
        }
    }
}

/// Whether the peer gave up before its connection was accepted, which says nothing about the next.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// Serves one connection to its end.
async fn serve_connection<S>(stream: S, router: Router, draining: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended early");
    }
}
