//! Each fault of the fault proxy is really made, seen by a client that is not the sidecar's.

use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

use reqwest::{Certificate, Response};
use serde_json::Value;
use tokio::time::timeout;

use crate::support::crd::policy;
use crate::support::fault_proxy::{Asked, Cut, Fault, FaultProxy, Refusal, Which};
use crate::support::namespace::Namespace;
use crate::support::program::{PATIENCE, until};
use crate::support::server::Server;

/// Long enough to see that nothing comes, by a client of a server that answers in milliseconds.
const SILENCE: Duration = Duration::from_millis(500);

/// A client with the shipped rights for a policy that is there, behind a proxy.
struct Client {
    proxy: FaultProxy,
    namespace: Namespace<'static>,
    token: String,
    http: reqwest::Client,
}

impl Client {
    fn new() -> Self {
        let server = Server::shared();
        let namespace = server.namespace("faults");
        namespace.kubectl().apply(&policy("nvidia", 40)).succeeds();
        let account = namespace.account("app");
        account.allow("nvidia");
        // An error says that somebody else was first, which is as good.
        rustls::crypto::ring::default_provider().install_default().ok();
        let authority = Certificate::from_pem(server.ca().as_bytes()).unwrap();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
        Self { proxy: FaultProxy::start(server), token: account.token(), namespace, http }
    }

    /// Asks for the list of the policy, with more parameters; gives the head of the answer.
    async fn ask(&self, parameters: &str) -> reqwest::Result<Response> {
        let (address, namespace) = (self.proxy.address(), &self.namespace.name);
        let url = format!(
            "https://{address}/apis/pacer.dev/v1alpha1/namespaces/{namespace}/ratelimitpolicies\
             ?fieldSelector=metadata.name%3Dnvidia{parameters}"
        );
        let answer = self.http.get(url).bearer_auth(&self.token).send();
        timeout(PATIENCE, answer).await.expect("an answer or an error")
    }

    async fn list(&self) -> reqwest::Result<Response> {
        self.ask("").await
    }

    /// A watch whose first event, the policy as it is, has come.
    async fn watch(&self) -> Watch {
        let response = self.ask("&watch=1&allowWatchBookmarks=true&timeoutSeconds=240").await.unwrap();
        let mut watch = Watch { response, text: Vec::new() };
        assert_eq!(watch.event().await.unwrap()["type"], "ADDED");
        watch
    }

    fn edit(&self, requests_per_minute: u32) {
        self.namespace.kubectl().apply(&policy("nvidia", requests_per_minute)).succeeds();
    }
}

/// A watch as a client reads it.
struct Watch {
    response: Response,
    /// What has come of lines that were not given yet.
    text: Vec<u8>,
}

impl Watch {
    /// The next event that is no bookmark.
    async fn event(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.text.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.text.drain(..=end).collect();
                let event: Value = serde_json::from_slice(&line).unwrap();
                if event["type"] != "BOOKMARK" {
                    return Some(event);
                }
            }
            let piece = self.piece().await.unwrap()?;
            self.text.extend(piece);
        }
    }

    /// What comes next, in whatever pieces.
    async fn piece(&mut self) -> reqwest::Result<Option<bytes::Bytes>> {
        timeout(PATIENCE, self.response.chunk()).await.expect("a piece or an end")
    }

    /// Reads to an end that is an error: what came before it, and the error.
    async fn broken_end(mut self) -> (String, reqwest::Error) {
        loop {
            match self.piece().await {
                Ok(piece) => self.text.extend(piece.expect("an end that is an error")),
                Err(error) => return (String::from_utf8(self.text).unwrap(), error),
            }
        }
    }

    async fn is_silent(&mut self) -> bool {
        timeout(SILENCE, self.event()).await.is_err()
    }
}

async fn json(answer: Response) -> Value {
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

/// The kinds of all the I/O errors behind this one.
fn causes(error: &(dyn Error + 'static)) -> Vec<ErrorKind> {
    let mut error = Some(error);
    let mut kinds = Vec::new();
    while let Some(cause) = error {
        kinds.extend(cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind));
        error = cause.source();
    }
    kinds
}

#[test]
fn kubectl_works_through_the_proxy_as_without_it() {
    let server = Server::shared();
    let namespace = server.namespace("faults");
    namespace.kubectl().apply(&policy("nvidia", 40)).succeeds();
    let account = namespace.account("app");
    account.allow("nvidia");
    let proxy = FaultProxy::start(server);
    let kubectl = server.kubectl_with(&account.mount(server).kubeconfig(proxy.address()));
    let direct = namespace.kubectl().get("rlpol", "nvidia").succeeds().stdout;
    assert_eq!(kubectl.get("rlpol", "nvidia").succeeds().stdout, direct);
    kubectl.get("rlpol", "other").fails("Forbidden");
    let asked = proxy.asked();
    assert!(
        asked.iter().any(|asked| asked.method == "GET" && asked.path.ends_with("/ratelimitpolicies/nvidia"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_passes_as_it_comes_and_is_recorded() {
    let client = Client::new();
    assert_eq!(json(client.list().await.unwrap()).await["items"][0]["kind"], "RateLimitPolicy");
    let mut watch = client.watch().await;
    client.edit(50);
    let modified = watch.event().await.unwrap();
    assert_eq!(modified["object"]["spec"]["rate"]["requestsPerMinute"], 50, "{modified}");
    assert_eq!(client.proxy.watches(), 1);

    let asked = client.proxy.asked();
    assert_eq!(asked.iter().map(Asked::is_watch).collect::<Vec<_>>(), [false, true]);
    assert_eq!(asked[1].parameter("fieldSelector"), Some("metadata.name=nvidia"));
    assert_eq!(asked[1].parameter("timeoutSeconds"), Some("240"));
    assert_eq!(asked[1].token.as_ref(), Some(&client.token));
    assert!(asked[0].at <= asked[1].at);
    drop(watch);
    until("the proxy sees that the client has gone", || client.proxy.watches() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_connections_are_refused_until_it_passes_again() {
    let client = Client::new();
    let mut watch = client.watch().await;
    client.proxy.set(Fault::Refuse);
    assert!(causes(&client.list().await.unwrap_err()).contains(&ErrorKind::ConnectionRefused));
    client.edit(50);
    assert_eq!(watch.event().await.unwrap()["type"], "MODIFIED", "what is open stays");
    client.proxy.set(Fault::Pass);
    assert_eq!(client.list().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_cut_by_either_means() {
    for (how, kind) in [(Cut::Close, ErrorKind::UnexpectedEof), (Cut::Reset, ErrorKind::ConnectionReset)] {
        let client = Client::new();
        let watch = client.watch().await;
        assert_eq!(client.proxy.cut(how), 1);
        let (_, error) = watch.broken_end().await;
        assert!(causes(&error).contains(&kind), "{how:?}: {error:?}");
        assert_eq!(client.list().await.unwrap().status(), 200, "new connections are taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_hangs_nothing_comes_and_afterwards_everything_does() {
    let client = Client::new();
    let mut watch = client.watch().await;
    client.proxy.set(Fault::Hang);
    client.edit(50);
    assert!(watch.is_silent().await);
    let mut asked = Box::pin(client.list());
    assert!(timeout(SILENCE, &mut asked).await.is_err());
    client.proxy.set(Fault::Pass);
    assert_eq!(watch.event().await.unwrap()["type"], "MODIFIED");
    assert_eq!(asked.await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_as_late_as_asked() {
    let client = Client::new();
    let delay = SILENCE * 2;
    client.proxy.set(Fault::Delay(delay));
    let before = tokio::time::Instant::now();
    assert_eq!(client.list().await.unwrap().status(), 200);
    assert!(tokio::time::Instant::now() - before >= delay);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_its_own_are_those_of_an_api_server() {
    let client = Client::new();
    for code in [401, 403, 410, 429, 500, 503] {
        client.proxy.answer_next(Which::Lists, Refusal::new(code));
        let answer = client.list().await.unwrap();
        let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!((answer.status().as_u16(), retry_after), (code, (code == 429).then(|| "1".to_owned())));
        let status = json(answer).await;
        assert_eq!((&status["kind"], &status["code"]), (&"Status".into(), &code.into()), "{status}");
    }
    assert_eq!(client.list().await.unwrap().status(), 200, "each was for one request");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_watches_are_refused_apart() {
    let client = Client::new();
    client.proxy.set(Fault::Answer(Which::Watches, Refusal::new(410)));
    for _ in 0..2 {
        assert_eq!(client.ask("&watch=1").await.unwrap().status(), 410);
        assert_eq!(client.list().await.unwrap().status(), 200);
    }
    client.proxy.set(Fault::Answer(Which::All, Refusal::new(500)));
    assert_eq!(client.list().await.unwrap().status(), 500);
    client.proxy.set(Fault::Pass);
    client.watch().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_event_ends_the_watch_properly() {
    let client = Client::new();
    let mut watch = client.watch().await;
    assert_eq!(client.proxy.send_error_event(&Refusal::new(410)), 1);
    let error = watch.event().await.unwrap();
    assert_eq!((&error["type"], &error["object"]["code"]), (&"ERROR".into(), &410.into()));
    assert_eq!(watch.event().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_end_properly_when_asked_to_or_as_they_begin() {
    let client = Client::new();
    let mut watch = client.watch().await;
    assert_eq!(client.proxy.end_watches(), 1);
    assert_eq!(watch.event().await, None);
    client.proxy.set(Fault::EndWatches);
    assert_eq!(client.ask("&watch=1").await.unwrap().bytes().await.unwrap(), "");
    assert_eq!(client.list().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_the_tests_own_comes_between_the_servers() {
    let client = Client::new();
    let mut watch = client.watch().await;
    assert_eq!(client.proxy.send_line(r#"{"type":"NOVEL"}"#), 1);
    assert_eq!(watch.event().await.unwrap()["type"], "NOVEL");
    client.edit(50);
    assert_eq!(watch.event().await.unwrap()["type"], "MODIFIED");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_line_comes_and_then_the_end() {
    let client = Client::new();
    let watch = client.watch().await;
    assert_eq!(client.proxy.send_half_a_line(), 1);
    let (text, _) = watch.broken_end().await;
    let half = text.lines().last().unwrap_or_default();
    assert!(half.starts_with(r#"{"type":"MODIFIED""#) && !text.ends_with('\n'), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_is_passed_on_as_a_broken_connection() {
    let server = Server::own();
    let proxy = FaultProxy::start(&server);
    let authority = Certificate::from_pem(server.ca().as_bytes()).unwrap();
    rustls::crypto::ring::default_provider().install_default().ok();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    let ask = || timeout(PATIENCE, http.get(format!("https://{}/readyz", proxy.address())).send());
    assert_eq!(ask().await.unwrap().unwrap().status(), 200);
    server.kill_api_server();
    assert!(ask().await.unwrap().unwrap_err().status().is_none());
}
