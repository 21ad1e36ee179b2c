//! The real binary, as a pod would run it.

use std::cell::RefCell;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::identity::Mount;
use super::kept::Kept;
use super::program::{Call, PATIENCE, follow};

/// Runs the rest of its arguments where the folder `$1` is the pod's ServiceAccount mount. `/var/run` is a link to
/// `/run` on most systems, and always there; nothing outside of this mount namespace sees the change.
const ENTER_POD: &str = r#"
mount -t tmpfs tmpfs /var/run
mkdir -p /var/run/secrets/kubernetes.io/serviceaccount
mount --bind "$1" /var/run/secrets/kubernetes.io/serviceaccount
shift
exec "$@""#;

/// A `pacer run` that has not been started.
#[derive(Debug, Default)]
pub(crate) struct Launch {
    wrapper: Vec<OsString>,
    args: Vec<String>,
    variables: Vec<(String, OsString)>,
}

impl Launch {
    /// Flags of `pacer run`. Its ports are chosen by the system.
    pub(crate) fn new(args: &[&str]) -> Self {
        let fixed = ["run", "--port=0", "--metrics-host=127.0.0.1", "--metrics-port=0"];
        let args = fixed.iter().chain(args).map(|&arg| arg.to_owned()).collect();
        Self { args, ..Self::default() }
    }

    /// An environment variable; there are no others.
    pub(crate) fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Outside of a cluster: the kubeconfig decides.
    pub(crate) fn kubeconfig(self, file: &Path) -> Self {
        self.variable("KUBECONFIG", file)
    }

    /// In a cluster whose API server is at `address`: variables and mount as in a pod.
    ///
    /// Needs root, or user namespaces that anybody may make.
    pub(crate) fn in_pod(mut self, mount: &Mount, address: SocketAddr) -> Self {
        let unshare = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
        self.wrapper = ["unshare", unshare, "sh", "-ec", ENTER_POD, "sh"].map(OsString::from).into();
        self.wrapper.push(mount.folder().into());
        self.variable("KUBERNETES_SERVICE_HOST", address.ip().to_string())
            .variable("KUBERNETES_SERVICE_PORT", address.port().to_string())
    }

    /// Starts it and waits until it says that it has started.
    pub(crate) fn start(self) -> Sidecar {
        let mut command = Kept::command(None);
        command.args(self.wrapper).arg(env!("CARGO_BIN_EXE_pacer")).args(self.args);
        command.envs(self.variables);
        let mut process = Kept::spawn(command, Stdio::piped());
        let log = Log { lines: follow(process.output()), seen: RefCell::default() };
        let line = log.line("started");
        let address = |field: &str| line[field].as_str().unwrap().parse().unwrap();
        Sidecar { proxy: address("proxy"), metrics: address("metrics"), process, log }
    }
}

/// A running `pacer run`. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Sidecar {
    process: Kept,
    pub(crate) log: Log,
    /// Where it takes requests.
    pub(crate) proxy: SocketAddr,
    /// Where its probes, metrics and status are.
    pub(crate) metrics: SocketAddr,
}

impl Sidecar {
    /// The status code and the body of a page of the metrics port.
    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        let answer = Call::get(self.metrics, path).rest();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer:?}"));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.unwrap_or_else(|| panic!("no status: {head:?}")), body.to_owned())
    }

    /// `/status`.
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.page("/status").1).unwrap()
    }

    /// A series of `/metrics`, such as `sidecar_x{label="y"}`; `None` when there is no such series.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text = self.page("/metrics").1;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map(|value| value.parse().unwrap())
    }

    /// The process id, for what `/proc` tells.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for its end; every line it has logged.
    pub(crate) fn wait(mut self) -> (ExitStatus, Vec<Value>) {
        let status = self.process.wait();
        (status, self.log.to_its_end())
    }
}

/// The log lines of a sidecar, each a JSON object.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Receiver<Value>,
    seen: RefCell<Vec<Value>>,
}

impl Log {
    /// The next line with this message, waited for. Asked again, it gives the one after.
    pub(crate) fn line(&self, message: &str) -> Value {
        self.find(message, |line| line["message"] == message)
    }

    /// The next line for which `is` holds, waited for; `what` is said when it does not come.
    pub(crate) fn find(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.next(PATIENCE).unwrap_or_else(|error| panic!("no {what:?}: {error}\n{self}"));
            if is(&line) {
                return line;
            }
        }
    }

    /// Every line so far, those already given included.
    pub(crate) fn all(&self) -> Vec<Value> {
        while self.next(Duration::ZERO).is_ok() {}
        self.seen.borrow().clone()
    }

    fn to_its_end(&self) -> Vec<Value> {
        while self.next(PATIENCE).is_ok() {}
        self.seen.borrow().clone()
    }

    fn next(&self, patience: Duration) -> Result<Value, RecvTimeoutError> {
        let line = self.lines.recv_timeout(patience)?;
        self.seen.borrow_mut().push(line.clone());
        Ok(line)
    }
}

impl std::fmt::Display for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.seen.borrow().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
