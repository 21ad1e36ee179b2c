//! The accept loop of both listeners.
//!
//! `axum::serve` sets no header timeout, no `TCP_NODELAY` and no end to a graceful
//! shutdown, so connections are accepted here and handed to hyper one by one. A client
//! that closes its connection, or only its sending half, is gone: hyper drops the
//! handler at once, which is what frees the request's place in the queue.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::drain::Drain;

/// Pause after a failed accept. Out of file descriptors, an eager loop would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One line is logged for this many failed accepts in a row: ten seconds of pauses.
const LOG_EVERY: u32 = 100;

/// What one listener serves, and how much of it.
#[derive(Clone, Debug)]
pub struct Service {
    /// The handlers.
    pub router: Router,
    /// How many connections may be open at once; more wait until others end.
    pub max_connections: usize,
    /// How long a connection may take to send the head of its next request, idle time included.
    pub header_timeout: Duration,
}

/// Serves `service` on `listener` until `draining` is cancelled and every connection has ended.
///
/// From then on the port is closed, idle connections are closed, running requests finish.
/// What is left at `drain`'s shutdown is dropped.
pub async fn serve(listener: TcpListener, service: Service, draining: CancellationToken, drain: Drain) {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(service.max_connections.min(Semaphore::MAX_PERMITS)));
    while let Some((stream, place)) = accept(&listener, &places, &draining).await {
        let connection = serve_connection(stream, service.clone(), draining.clone(), place);
        drain.spawn(connections.track_future(connection));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The next connection and its place; `None` once `draining` is cancelled.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    draining: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = draining.run_until_cancelled(places.clone().acquire_owned()).await?.ok()?;
    let mut failures: u32 = 0;
    loop {
        match draining.run_until_cancelled(listener.accept()).await? {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY was refused");
                }
                return Some((stream, place));
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

/// Serves one connection to its end, and holds its place until then.
async fn serve_connection<S>(
    stream: S,
    service: Service,
    draining: CancellationToken,
    _place: OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(service.header_timeout)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.router))
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

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::Notify;
    use tokio::time::Instant;

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";

    /// A handler that says when it has begun and answers when it may.
    #[derive(Clone, Default)]
    struct Held {
        begun: Arc<Notify>,
        go: Arc<Notify>,
    }

    impl Held {
        fn router(&self) -> Router {
            let Self { begun, go } = self.clone();
            Router::new().route(
                "/",
                get(async move || {
                    begun.notify_one();
                    go.notified().await;
                    "done"
                }),
            )
        }
    }

    const HEADER_TIMEOUT: Duration = Duration::from_secs(7);

    fn mk_service(router: Router, max_connections: usize) -> Service {
        Service { router, max_connections, header_timeout: HEADER_TIMEOUT }
    }

    /// The client's end of a connection to `router`.
    fn connect(drain: &Drain, router: Router) -> DuplexStream {
        let (client, stream) = duplex(1024);
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        drain.spawn(serve_connection(stream, mk_service(router, 1), drain.draining(), place));
        client
    }

    async fn rest_of(mut client: DuplexStream) -> String {
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_never_ends_costs_its_connection() {
        let mut client = connect(&Drain::new(), Router::new());
        client.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
        let begin = Instant::now();
        assert_eq!(rest_of(client).await, "");
        assert_eq!(Instant::now().duration_since(begin), HEADER_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn draining_lets_a_running_request_finish_and_then_closes() {
        let (drain, held) = (Drain::new(), Held::default());
        let mut client = connect(&drain, held.router());
        client.write_all(REQUEST).await.unwrap();
        held.begun.notified().await;
        drain.draining().cancel();
        tokio::task::yield_now().await;
        held.go.notify_one();
        let answer = rest_of(client).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("done"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn draining_closes_idle_connections_at_once() {
        let drain = Drain::new();
        let fresh = connect(&drain, Router::new());
        let mut used = connect(&drain, Held::default().router().fallback(|| async {}));
        used.write_all(b"GET /x HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        used.read_exact(&mut first).await.unwrap();
        let begin = Instant::now();
        drain.draining().cancel();
        rest_of(used).await;
        assert_eq!(rest_of(fresh).await, "");
        assert_eq!(Instant::now(), begin);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_closes_its_sending_half_ends_the_handler() {
        struct Told(Arc<Notify>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.notify_one();
            }
        }
        let (begun, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begin, told) = (begun.clone(), dropped.clone());
        let handler = async move || {
            let _told = Told(told);
            begin.notify_one();
            std::future::pending::<()>().await;
        };
        let mut client = connect(&Drain::new(), Router::new().route("/", get(handler)));
        client.write_all(REQUEST).await.unwrap();
        begun.notified().await;
        client.shutdown().await.unwrap();
        dropped.notified().await;
    }

    #[tokio::test]
    async fn the_port_is_closed_while_a_request_still_runs() {
        let (drain, held) = (Drain::new(), Held::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let draining = drain.draining();
        let served = serve(listener, mk_service(held.router(), 8), draining.clone(), drain.clone());
        let asked = async {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(REQUEST).await.unwrap();
            held.begun.notified().await;
            draining.cancel();
            // The loop that closes the port runs in this very task: it has to have its turn.
            while TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
            held.go.notify_one();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let (answer, ()) = tokio::join!(asked, served);
        assert!(answer.ends_with("done"), "{answer}");
    }

    #[tokio::test]
    async fn a_connection_too_many_waits_for_one_to_end() {
        let (drain, held) = (Drain::new(), Held::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drain.spawn(serve(listener, mk_service(held.router(), 1), drain.draining(), drain.clone()));
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(REQUEST).await.unwrap();
        held.begun.notified().await;
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(REQUEST).await.unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(held.begun.notified().now_or_never().is_none(), "the second one has no place yet");
        drop(first);
        held.begun.notified().await;
        drain.finish().await;
    }
}
