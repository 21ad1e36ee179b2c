//! `pacer healthcheck`: asks a sidecar's probe, or the upstream through it, for images without a shell.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Probes answer from memory; who needs longer is not well.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// An upstream far away, over a connection that is yet to be made.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// More of an answer than its status line and the line that says why is not read.
const ANSWER_LIMIT: u64 = 4096;

/// The `x-pacer-reason`s of an answer that is the upstream's; with any other it was not heard.
const UPSTREAM_ANSWERED: [&str; 3] = ["passthrough", "upstream_rate_limited", "insufficient_quota"];

/// Which question is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Question {
    /// `/livez`: whether a restart would help.
    #[default]
    Live,
    /// `/readyz`: whether requests are taken.
    Ready,
    /// The API's list of models, through the proxy: whether the upstream answers. What it answers is its own matter,
    /// as long as it is no fault of a server. The quota is not touched, unless the policy paces GET as well.
    Call,
}

impl Question {
    const fn path(self) -> &'static str {
        match self {
            Self::Live => "/livez",
            Self::Ready => "/readyz",
            Self::Call => "/v1/models",
        }
    }

    const fn timeout(self) -> Duration {
        match self {
            Self::Live | Self::Ready => PROBE_TIMEOUT,
            Self::Call => CALL_TIMEOUT,
        }
    }

    fn is_content(self, answer: &str) -> bool {
        match self {
            Self::Live | Self::Ready => answer.starts_with("HTTP/1.1 200 "),
            Self::Call => {
                ["2", "3", "4"].iter().any(|class| answer.starts_with(&format!("HTTP/1.1 {class}")))
                    && reason(answer).is_none_or(|reason| UPSTREAM_ANSWERED.contains(&reason))
            }
        }
    }
}

/// The answer was not the wanted one, or there was none.
#[derive(Debug, thiserror::Error)]
pub enum Unhealthy {
    /// The sidecar said no.
    #[error("http://{address}{path}: {answer}")]
    Refused {
        /// Where it was asked.
        address: SocketAddr,
        /// What it was asked.
        path: &'static str,
        /// Status line and reason.
        answer: String,
    },
    /// Nobody answered.
    #[error("http://{address} does not answer")]
    Unreachable {
        /// Where it was asked.
        address: SocketAddr,
        /// Why there was no answer.
        source: std::io::Error,
    },
    /// The answer did not come in time.
    #[error("http://{address}: no answer within {within:?}")]
    TimedOut {
        /// Where it was asked.
        address: SocketAddr,
        /// How long it was waited for.
        within: Duration,
    },
}

/// Asks the sidecar whose probes, or for [`Question::Call`] whose proxy, are at `address`.
///
/// # Errors
/// [`Unhealthy`], whose text says where it was asked and what came back.
pub async fn ask(address: SocketAddr, question: Question) -> Result<(), Unhealthy> {
    let (path, within) = (question.path(), question.timeout());
    let answer = timeout(within, get(address, path))
        .await
        .map_err(|_| Unhealthy::TimedOut { address, within })?
        .map_err(|source| Unhealthy::Unreachable { address, source })?;
    if question.is_content(&answer) {
        return Ok(());
    }
    Err(Unhealthy::Refused { address, path, answer: summary(&answer) })
}

async fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LIMIT).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Why the sidecar has answered in the upstream's place, or changed its answer.
fn reason(answer: &str) -> Option<&str> {
    answer
        .split("\r\n")
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix("x-pacer-reason: "))
}

/// The status and the first line of the body, on one line.
fn summary(answer: &str) -> String {
    let status = answer.lines().next().unwrap_or("an empty answer");
    let status = status.strip_prefix("HTTP/1.1 ").unwrap_or(status);
    match answer.split_once("\r\n\r\n").and_then(|(_, body)| body.lines().next()) {
        Some(reason) => format!("{status}: {reason}"),
        None => status.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_content_with_any_answer_but_a_fault_of_a_server() {
        let content = |status| Question::Call.is_content(&format!("HTTP/1.1 {status} Reason\r\n\r\n"));
        assert!([200, 204, 301, 401, 404].into_iter().all(content));
        assert!(![500, 502, 503].into_iter().any(content));
        assert!(!Question::Call.is_content("SSH-2.0-x"));
    }

    #[test]
    fn a_call_is_not_content_with_what_the_sidecar_says_by_itself() {
        let content = |status, reason| {
            Question::Call.is_content(&format!("HTTP/1.1 {status} X\r\nx-pacer-reason: {reason}\r\n\r\n"))
        };
        assert!(
            !content(429, "queue_full") && !content(429, "would_miss_deadline") && !content(404, "not_found")
        );
        assert!(content(200, "passthrough") && content(429, "upstream_rate_limited"));
        assert!(Question::Call.is_content("HTTP/1.1 200 OK\r\n\r\nx-pacer-reason: of the body"));
    }

    #[test]
    fn the_summary_is_the_status_and_why() {
        let answer = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9\r\n\r\ndraining\n";
        assert_eq!(summary(answer), "503 Service Unavailable: draining");
        assert_eq!(summary("SSH-2.0-x"), "SSH-2.0-x");
        assert_eq!(summary(""), "an empty answer");
    }
}
