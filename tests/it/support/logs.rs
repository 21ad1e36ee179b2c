//! Every log line of the test run, at the most talkative level, watched for the canary.

use std::io;
use std::sync::{Arc, Mutex, Once, OnceLock};

use serde_json::Value;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::{CANARY, eventually};

/// Keeps the lines of requests and remembers whether the canary was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Value>,
    proxy: Vec<Value>,
    leaks: Vec<String>,
}

impl Watch {
    /// The lines that held the canary.
    pub(crate) fn leaks(&self) -> Vec<String> {
        self.0.lock().unwrap().leaks.clone()
    }

    fn line(&self, line: &str) {
        let mut seen = self.0.lock().unwrap();
        if line.contains(CANARY) {
            seen.leaks.push(line.to_owned());
        }
        if line.contains("pacer::request") {
            seen.requests.push(serde_json::from_str(line).unwrap());
        } else if line.contains("\"pacer::proxy\"") {
            seen.proxy.push(serde_json::from_str(line).unwrap());
        }
    }
}

impl io::Write for Watch {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.line(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Watch {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A subscriber that writes everything to `watch`, as the program would in its JSON format.
pub(crate) fn subscriber(watch: Watch) -> impl tracing::Subscriber + Send + Sync {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(LevelFilter::TRACE)
        .with_writer(watch)
        .finish()
}

/// The watch over the whole run, installed by the first sidecar.
pub(crate) fn watch() -> &'static Watch {
    static WATCH: OnceLock<Watch> = OnceLock::new();
    static INSTALL: Once = Once::new();
    let watch = WATCH.get_or_init(Watch::default);
    INSTALL.call_once(|| tracing::subscriber::set_global_default(subscriber(watch.clone())).unwrap());
    watch
}

/// The line of the request with this trace id, which must come and must come once.
pub(crate) async fn request_line(trace_id: &str) -> Value {
    let lines = || {
        let seen = watch().0.lock().unwrap();
        seen.requests.iter().filter(|line| line["trace_id"] == trace_id).cloned().collect::<Vec<_>>()
    };
    eventually("the request's log line", || !lines().is_empty()).await;
    let [line] = lines().try_into().expect("one line a request");
    line
}

/// What else the proxy said of this request so far.
pub(crate) fn proxy_lines(trace_id: &str) -> Vec<Value> {
    let seen = watch().0.lock().unwrap();
    seen.proxy.iter().filter(|line| line["trace_id"] == trace_id).cloned().collect()
}
