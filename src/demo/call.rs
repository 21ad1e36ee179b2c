//! One call of the application, as an `OpenAI` client would make it.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Response, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use super::tally::Answer;
use crate::limiter::Priority;

/// Where the application sends its calls.
#[derive(Clone, Debug)]
pub(super) struct App {
    client: Client,
    url: String,
}

impl App {
    /// An application whose base URL is `base`, of a sidecar that runs: reqwest needs the TLS
    /// provider that its proxy has installed, even where it speaks no TLS.
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub(super) fn new(base: &str) -> reqwest::Result<Self> {
        // Loopback is neither behind a proxy nor behind TLS: no roots are read, so none need exist.
        let client = Client::builder().no_proxy().tls_certs_only([]).build()?;
        Ok(Self { client, url: format!("{base}/chat/completions") })
    }

    /// Makes one call and reads its answer to the end.
    pub(super) async fn call(&self, priority: Priority, streamed: bool) -> Answer {
        let sent = Instant::now();
        let body = json!({
            "model": "demo-small",
            "stream": streamed,
            "messages": [{"role": "user", "content": "Say a few words."}],
        });
        let request = self
            .client
            .post(&self.url)
            .header("x-priority", priority.as_str())
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        match request.send().await {
            Ok(response) if response.status().is_success() => read(response, sent).await,
            Ok(response) => turned_away(response.status(), response.headers()),
            Err(_) => Answer::Failed,
        }
    }
}

async fn read(mut response: Response, sent: Instant) -> Answer {
    let waited = milliseconds(response.headers(), "x-pacer-queue-wait-ms");
    let mut first_byte = None;
    let mut bytes = 0;
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                first_byte.get_or_insert_with(|| Instant::now().duration_since(sent));
                bytes += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            }
            Ok(None) => break,
            Err(_) => return Answer::Failed,
        }
    }
    first_byte.map_or(Answer::Failed, |first_byte| Answer::Served { waited, first_byte, bytes })
}

/// Tells the sidecar's own refusals, which name their reason, from what the upstream said.
fn turned_away(status: StatusCode, headers: &HeaderMap) -> Answer {
    let own = headers.get("x-pacer-reason").is_some_and(|reason| reason != "upstream_rate_limited");
    match status {
        StatusCode::TOO_MANY_REQUESTS if own => {
            Answer::Refused { retry_after: milliseconds(headers, "retry-after-ms") }
        }
        StatusCode::TOO_MANY_REQUESTS => Answer::RateLimited,
        _ => Answer::Failed,
    }
}

fn milliseconds(headers: &HeaderMap, name: &str) -> Option<Duration> {
    headers.get(name)?.to_str().ok()?.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_429_with_a_reason_of_its_own_is_the_sidecars_and_any_other_is_the_upstreams() {
        let refused = mk_headers(&[("x-pacer-reason", "would_miss_deadline"), ("retry-after-ms", "1500")]);
        let retry_after = Some(Duration::from_millis(1500));
        assert_eq!(turned_away(StatusCode::TOO_MANY_REQUESTS, &refused), Answer::Refused { retry_after });
        let passed_on = mk_headers(&[("x-pacer-reason", "upstream_rate_limited")]);
        for upstreams in [passed_on, mk_headers(&[])] {
            assert_eq!(turned_away(StatusCode::TOO_MANY_REQUESTS, &upstreams), Answer::RateLimited);
        }
        assert_eq!(turned_away(StatusCode::BAD_GATEWAY, &refused), Answer::Failed);
    }
}
