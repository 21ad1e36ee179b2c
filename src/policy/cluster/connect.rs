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
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
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

    pub(super) fn client(&self, silence: Duration) -> BoxFuture<'static, Result<Client, Trouble>> {
        (self.0)(silence)
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
    Connect::new(|silence| {
        beside(silence, || async {
            let config = Config::infer().await;
            config.map_err(|error| Trouble::unreachable(&error))
        })
    })
}

/// Asks the cluster of a kubeconfig's current context.
pub fn from_kubeconfig(path: PathBuf) -> Connect {
    Connect::new(move |silence| {
        let path = path.clone();
        beside(silence, move || async {
            let read = Kubeconfig::read_from(path).map_err(|error| Trouble::unreachable(&error))?;
            let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
            config.map_err(|error| Trouble::unreachable(&error))
        })
    })
}

/// Makes a client on a thread where blocking hurts nobody: files are read, and a kubeconfig may name a program that
/// must be run, and that may hang.
async fn beside<F>(silence: Duration, config: impl FnOnce() -> F + Send + 'static) -> Result<Client, Trouble>
where
    F: Future<Output = Result<Config, Trouble>>,
{
    let made = spawn_blocking(move || client(Handle::current().block_on(config())?, silence)).await;
    made.unwrap_or_else(|failed| Err(Trouble::unreachable(&failed)))
}

fn client(mut config: Config, silence: Duration) -> Result<Client, Trouble> {
    config.connect_timeout = Some(CONNECT_WITHIN);
    config.read_timeout = Some(silence);
    // Its fifteen silent retries, up to three minutes, would hide what the API server says.
    config.default_retry = false;
    // As for the upstream, variables that name a proxy are not followed.
    config.proxy_url = None;
    let server = place(&config.cluster_url);
    let service = ClientBuilder::try_from(config).map_err(|error| Trouble::from(&error))?;
    let named = MapErrLayer::new(move |cause| Unanswered { server: server.clone(), cause });
    Ok(service.with_layer(&named).with_layer(&RateLimitLayer::new(REQUESTS, REQUESTS_EVERY)).build())
}

/// Where a URL leads, without the password or the query that it may have.
fn place(url: &Uri) -> String {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    format!("{}://{address}{}", url.scheme_str().unwrap_or_default(), url.path())
}

/// A request that had no answer. "Connection refused" helps nobody who does not know by whom.
#[derive(Debug)]
struct Unanswered {
    server: String,
    cause: BoxError,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.server)
    }
}

impl Error for Unanswered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::TcpListener;

    use futures_util::poll;
    use tokio::time::timeout;

    use super::*;

    const SECRET: &str = "s3cr3t-t0k3n";
    const NOBODY: &str = "http://127.0.0.1:9";

    /// A client by a kubeconfig of the server at this URL, whose user is so.
    async fn connected(url: &str, user: &str) -> Result<Client, Trouble> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        fs::write(&path, kubeconfig(user).replace(NOBODY, url)).unwrap();
        from_kubeconfig(path).client(Duration::from_millis(50)).await
    }

    /// Why a request has no answer.
    async fn said_by(client: Client) -> String {
        Trouble::from(&client.apiserver_version().await.unwrap_err()).reason
    }

    fn kubeconfig(user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
             clusters: [{{name: a, cluster: {{server: \"{NOBODY}\"}}}}]\n\
             contexts: [{{name: a, context: {{cluster: a, user: a}}}}]\n\
             users:\n- name: a\n  user:\n{user}\n"
        )
    }

    fn plug_in(script: &str) -> String {
        format!(
            "    exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, \
             args: [-c, '{script}'], env: [{{name: KEY, value: {SECRET}}}]}}"
        )
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_kubeconfig_is_said_without_its_secrets() {
        let cases = [
            (format!("    token: {SECRET}\n    token: {SECRET}"), "line 10"),
            (format!("    token: [{SECRET}]"), "line 9"),
            (format!("    exec: {SECRET}"), "line 9"),
            (plug_in("echo $KEY; echo $KEY >&2; exit 3"), "exit status: 3"),
            (plug_in("echo \"{status: [$KEY]}\""), "ExecCredential"),
            (plug_in("echo $KEY"), "ExecCredential"),
            (plug_in("echo \"{status: {token: a, expirationTimestamp: $KEY}}\""), "ExecCredential"),
            (format!("    tokenFile: /nowhere/token\n    password: {SECRET}"), "/nowhere/token"),
        ];
        for (user, expected) in cases {
            let said = connected(NOBODY, &user).await.err().unwrap().reason;
            assert!(said.contains(expected) && !said.contains(SECRET), "{user}: {said}");
        }
    }

    #[tokio::test]
    async fn who_refuses_a_connection_is_named_without_the_password() {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
        let url = format!("http://me:{SECRET}@{address}/k8s?token={SECRET}");
        let said = said_by(connected(&url, "    token: a").await.unwrap()).await;
        assert!(said.starts_with(&format!("http://{address}/k8s: ")) && said.contains("refused"), "{said}");
        assert!(!said.contains(SECRET), "{said}");
    }

    #[tokio::test]
    async fn what_a_credential_program_prints_when_its_token_is_renewed_is_not_said() {
        let folder = tempfile::tempdir().unwrap();
        let ran = folder.path().join("ran");
        let expired = "{status: {token: a, expirationTimestamp: 2001-01-01T00:00:00Z}}";
        for (then, expected) in [("echo $KEY >&2; exit 3", "exit status: 3"), ("echo $KEY", "ExecCredential")]
        {
            let ran = ran.display();
            let script = format!("if rm {ran}; then {then}; else touch {ran}; echo \"{expired}\"; fi");
            let said = said_by(connected(NOBODY, &plug_in(&script)).await.unwrap()).await;
            assert!(said.contains(expected) && !said.contains(SECRET), "{said}");
        }
    }

    #[tokio::test]
    async fn a_proxy_that_is_named_is_not_followed() {
        let url_and_proxy = format!("{NOBODY}\", proxy-url: \"http://127.0.0.1:10");
        connected(&url_and_proxy, "    token: a").await.unwrap();
    }

    #[tokio::test]
    async fn a_server_that_accepts_and_says_nothing_is_given_up() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let client = connected(&url, "    token: a").await.unwrap();
        let answer = timeout(Duration::from_secs(30), client.apiserver_version()).await;
        answer.expect("it is waited for no longer than that").unwrap_err();
    }

    #[tokio::test]
    async fn a_credential_program_that_hangs_blocks_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let (path, fifo) = (folder.path().join("config"), folder.path().join("fifo"));
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        fs::write(&path, kubeconfig(&plug_in(&format!("cat {}", fifo.display())))).unwrap();
        let connect = from_kubeconfig(path);
        let mut client = Box::pin(connect.client(Duration::from_secs(1)));
        // With the program on this thread, the poll would not come back.
        assert!(poll!(&mut client).is_pending());
        tokio::task::spawn_blocking(move || fs::write(fifo, "")).await.unwrap().unwrap();
        assert!(client.await.is_err());
    }
}
