//! Many calls at once, each on a connection of its own, and what became of each.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::background::Background;
use super::program::until;

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A completion in one piece.
    Plain,
    /// A stream, which ends when the upstream says so.
    Stream,
}

/// Calls under way. They are given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Load {
    calls: Arc<Mutex<Vec<Call>>>,
    _background: Background,
}

/// One call, as far as it has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    /// The answer so far, its head included.
    pub(crate) answer: String,
    /// Whether the connection has ended.
    pub(crate) ended: bool,
}

impl Call {
    /// The status code, once the head is there.
    pub(crate) fn status(&self) -> Option<u16> {
        self.answer.split_once("\r\n")?.0.split(' ').nth(1)?.parse().ok()
    }

    /// Answered with 200 and to the end of the body, of either kind.
    pub(crate) fn is_whole(&self) -> bool {
        let end = if self.answer.contains("text/event-stream") { "0\r\n\r\n" } else { "}" };
        self.ended && self.status() == Some(200) && self.answer.ends_with(end)
    }
}

impl Load {
    /// Sends as many calls to a sidecar's proxy port.
    pub(crate) fn start(proxy: SocketAddr, count: usize, kind: Kind) -> Self {
        allow_many_descriptors();
        let calls = Arc::new(Mutex::new(vec![Call::default(); count]));
        let background = Background::start("load");
        for number in 0..count {
            let calls = Arc::clone(&calls);
            background.spawn(async move {
                // A broken connection shows in the answer, which is not whole.
                call(proxy, kind, &calls, number).await.ok();
                calls.lock().unwrap()[number].ended = true;
            });
        }
        Self { calls, _background: background }
    }

    /// Every call as it stands.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// How many calls have got the beginning of an answer.
    pub(crate) fn begun(&self) -> usize {
        self.calls().iter().filter(|call| call.status().is_some()).count()
    }

    /// How many calls have ended, in whatever way.
    pub(crate) fn ended(&self) -> usize {
        self.calls().iter().filter(|call| call.ended).count()
    }

    /// Waits until every call has ended; those that were not answered whole.
    pub(crate) fn lost(self) -> Vec<Call> {
        until("every call ends", || self.calls().iter().all(|call| call.ended));
        self.calls().into_iter().filter(|call| !call.is_whole()).collect()
    }
}

async fn call(proxy: SocketAddr, kind: Kind, calls: &Mutex<Vec<Call>>, number: usize) -> io::Result<()> {
    let body = match kind {
        Kind::Plain => r#"{"model":"test/model","messages":[]}"#,
        Kind::Stream => r#"{"model":"test/model","messages":[],"stream":true}"#,
    };
    let length = body.len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(proxy).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut piece = [0; 4096];
    loop {
        let length = stream.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        calls.lock().unwrap()[number].answer.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
}

/// The usual soft limit of 1,024 is less than a thousand calls and the upstream's side of them.
fn allow_many_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}
