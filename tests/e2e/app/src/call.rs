//! One call, as an SDK makes it, and what became of it.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde_json::json;

use crate::clock;

/// The last event of every stream.
const DONE: &[u8] = b"data: [DONE]\n\n";

/// What every call of a load has in common.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    url: Uri,
    kind: Kind,
}

/// Which call it is.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) stream: bool,
    pub(crate) priority: Option<String>,
    pub(crate) timeout: Duration,
    /// Length of the question.
    pub(crate) prompt_bytes: usize,
}

/// What became of a call: one line of JSON.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Call {
    pub(crate) start_ms: u64,
    /// When the first byte of the body came.
    pub(crate) first_byte_ms: Option<u64>,
    pub(crate) end_ms: u64,
    /// 0 where no answer came.
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    /// Why the sidecar has refused it, in the sidecar's word.
    pub(crate) reason: Option<String>,
    /// Why there is no answer, or why it is not whole.
    pub(crate) error: Option<String>,
}

impl Call {
    /// Whether the answer is a success, and came whole.
    pub(crate) fn succeeded(&self) -> bool {
        self.status == 200 && self.error.is_none()
    }
}

impl Caller {
    /// Calls `{base_url}/chat/completions`.
    pub(crate) fn new(base_url: &str, kind: Kind) -> anyhow::Result<Self> {
        let url: Uri = format!("{base_url}/chat/completions")
            .parse()
            .with_context(|| format!("base URL `{base_url}` is none, as http://127.0.0.1:9190/v1 is"))?;
        if url.scheme_str() != Some("http") {
            bail!("base URL `{base_url}`: only http:// is accepted");
        }
        Ok(Self { client: Client::builder(TokioExecutor::new()).build_http(), url, kind })
    }

    /// Makes one call and reads its answer to the end.
    pub(crate) async fn call(self) -> Call {
        let mut call = Call { start_ms: clock::milliseconds(), ..Call::default() };
        let outcome = match tokio::time::timeout(self.kind.timeout, self.exchange(&mut call)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow::anyhow!("no end within {} s", self.kind.timeout.as_secs())),
        };
        call.error = outcome.err().map(|error| format!("{error:#}"));
        call.end_ms = clock::milliseconds();
        call
    }

    async fn exchange(&self, call: &mut Call) -> anyhow::Result<()> {
        let answer = self.client.request(self.request()?).await.context("no answer")?;
        call.status = answer.status().as_u16();
        let reason = answer.headers().get("x-pacer-reason");
        call.reason = reason.map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned());
        let success = answer.status().is_success();
        let tail = read(answer, call).await.context("the answer broke off")?;
        ensure!(!(self.kind.stream && success) || tail == DONE, "the stream ended without [DONE]");
        Ok(())
    }

    fn request(&self) -> anyhow::Result<Request<Full<Bytes>>> {
        let prompt = "?".repeat(self.kind.prompt_bytes);
        let body = json!({
            "model": "e2e", "stream": self.kind.stream, "messages": [{"role": "user", "content": prompt}],
        });
        let mut request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            // How the SDKs tell when they will give up.
            .header("x-stainless-timeout", self.kind.timeout.as_secs());
        if let Some(priority) = &self.kind.priority {
            request = request.header("x-priority", priority);
        }
        Ok(request.body(Full::from(body.to_string()))?)
    }
}

/// Reads to the end and keeps only what a last event has room in: a test has thousands of answers open.
async fn read(answer: Response<Incoming>, call: &mut Call) -> hyper::Result<Vec<u8>> {
    let mut body = answer.into_body();
    let mut tail = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        call.first_byte_ms.get_or_insert_with(clock::milliseconds);
        call.bytes += u64::try_from(data.len()).unwrap_or(u64::MAX);
        tail.extend_from_slice(&data);
        tail.drain(..tail.len().saturating_sub(DONE.len()));
    }
    Ok(tail)
}
