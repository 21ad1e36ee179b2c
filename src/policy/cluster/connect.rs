//! A client of the API server, made anew after every failure.
//!
//! So a token, a certificate authority or a kubeconfig that was replaced is read again when the old one no longer
//! works; while it works, kube reads the token's file once a minute by itself.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Uri;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::BoxError;
use tower::limit::RateLimitLayer;
use tower::util::MapErrLayer;

use super::trouble::Trouble;

/// Longer than an API server's load balancer takes, shorter than the first answer is waited for.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);

/// A connection makes at most so many requests in [`REQUESTS_EVERY`]. It needs two at once, then one in minutes; a watch
/// that ends properly as soon as it begins would be begun again at once, and for ever.
pub(super) const REQUESTS: u64 = 5;
pub(super) const REQUESTS_EVERY: Duration = Duration::from_secs(30);

/// Makes a client. `silence` is how long a connection may be silent.
#[derive(Clone)]
pub struct Connect(Arc<dyn Fn(Duration) -> BoxFuture<'static, Result<Client, Trouble>> + Send + Sync>);

impl Connect {
    /// Clients that are made by `connect`.
    pub(super) fn new<F>(connect: impl Fn(Duration) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Client, Trouble>> + Send + 'static,
    {
        Self(Arc::new(move |silence| connect(silence).boxed()))
    }

    pub(super) async fn client(&self, silence: Duration) -> Result<Client, Trouble> {
        (self.0)(silence).await
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").finish_non_exhaustive()
    }
}

/// Asks the cluster that the process finds itself in: `KUBECONFIG` or `~/.kube/config` if there is one, else the
/// pod's service account.
pub fn from_surroundings() -> Connect {
    Connect::new(|silence| async move {
        let config = Config::infer().await.map_err(|error| Trouble::unreachable(&error))?;
        client(config, silence)
    })
}

/// Asks the cluster of a kubeconfig's current context.
pub fn from_kubeconfig(path: PathBuf) -> Connect {
    Connect::new(move |silence| {
        let path = path.clone();
        async move {
            let read = Kubeconfig::read_from(path).map_err(|error| Trouble::unreachable(&error))?;
            let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
            client(config.map_err(|error| Trouble::unreachable(&error))?, silence)
        }
    })
}

fn client(mut config: Config, silence: Duration) -> Result<Client, Trouble> {
    config.connect_timeout = Some(CONNECT_WITHIN);
    config.read_timeout = Some(silence);
    // Its fifteen silent retries, up to three minutes, would hide what the API server says.
    config.default_retry = false;
    // As for the upstream, variables that name a proxy are not followed.
    config.proxy_url = None;
    let server = config.cluster_url.clone();
    let service = ClientBuilder::try_from(config).map_err(|error| Trouble::from(&error))?;
    let named = MapErrLayer::new(move |cause| Unanswered { server: server.clone(), cause });
    Ok(service.with_layer(&named).with_layer(&RateLimitLayer::new(REQUESTS, REQUESTS_EVERY)).build())
}

/// A request that had no answer. "Connection refused" helps nobody who does not know by whom.
#[derive(Debug)]
struct Unanswered {
    server: Uri,
    cause: BoxError,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}

impl Error for Unanswered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn who_refuses_a_connection_is_named() {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "me", "user": {}}],
        });
        std::fs::write(&kubeconfig, text.to_string()).unwrap();
        let client = from_kubeconfig(kubeconfig).client(Duration::from_secs(9)).await.unwrap();
        let trouble = Trouble::from(&client.apiserver_version().await.unwrap_err());
        assert!(trouble.reason.starts_with(&format!("http://{address}/: ")), "{trouble:?}");
        assert!(trouble.reason.contains("refused"), "{trouble:?}");
    }
}
