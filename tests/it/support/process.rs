//! The program as a process: started with flags and variables, read line by line, stopped by signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::Receiver;

use serde_json::Value;

pub(crate) use super::program::{Call, until};
use super::program::{PATIENCE, follow};

/// The program with nothing of this process's environment that could configure it.
pub(crate) fn pacer(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pacer"));
    command.args(args).env_clear().stdin(Stdio::null());
    command
}

/// Runs the program to its end: exit code, standard output, standard error.
pub(crate) fn run(args: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let output = pacer(args).envs(variables.iter().copied()).output().unwrap();
    let Output { status, stdout, stderr } = output;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().expect("no signal ended it"), text(stdout), text(stderr))
}

/// A running `pacer run` on ports of the system's choice. Killed when dropped.
pub(crate) struct Sidecar {
    child: Child,
    log: Receiver<Value>,
    pub(crate) proxy: SocketAddr,
    pub(crate) metrics: SocketAddr,
}

impl Sidecar {
    /// Starts it and waits until it says that it has started.
    pub(crate) fn start(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let fixed = ["run", "--port=0", "--metrics-host=127.0.0.1", "--metrics-port=0"];
        let mut command = pacer(&[&fixed, args].concat());
        command.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = follow(child.stderr.take().unwrap());
        let line = wait_for(&log, "started");
        let address = |field: &str| line[field].as_str().unwrap().parse().unwrap();
        Self { proxy: address("proxy"), metrics: address("metrics"), child, log }
    }

    /// The next log line with this message; those before it are gone.
    pub(crate) fn line(&self, message: &str) -> Value {
        wait_for(&self.log, message)
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for its end; the lines it still logged.
    pub(crate) fn wait(mut self) -> (ExitStatus, Vec<Value>) {
        let mut lines = Vec::new();
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            lines.push(line);
        }
        (self.child.wait().unwrap(), lines)
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // It may have ended by itself; nobody waits for it then.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn wait_for(log: &Receiver<Value>, message: &str) -> Value {
    loop {
        let line = log.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no {message:?}: {error}"));
        if line["message"] == message {
            return line;
        }
    }
}

impl Call {
    /// A chat completion of no stated priority.
    pub(crate) fn chat(address: SocketAddr) -> Self {
        let body = r#"{"model":"test/model","messages":[]}"#;
        let length = body.len();
        Self::send(
            address,
            &format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            ),
        )
    }

    /// Reads until the answer so far holds `text`.
    pub(crate) fn read_until(&mut self, text: &str) -> String {
        let mut answer = Vec::new();
        while !String::from_utf8_lossy(&answer).contains(text) {
            let mut byte = [0];
            assert_eq!(self.0.read(&mut byte).unwrap(), 1, "the answer ended before {text:?}");
            answer.push(byte[0]);
        }
        String::from_utf8(answer).unwrap()
    }
}

/// An upstream that answers what and when the test says.
pub(crate) struct Upstream(TcpListener);

impl Upstream {
    pub(crate) fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.0.local_addr().unwrap())
    }

    /// A connection that has been made already and was not taken yet.
    pub(crate) fn try_next(&self) -> std::io::Result<TcpStream> {
        self.0.set_nonblocking(true)?;
        Ok(self.0.accept()?.0)
    }

    /// The next request, its head read to the end; the test writes the answer.
    pub(crate) fn next(&self) -> TcpStream {
        let (stream, _) = self.0.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        stream
    }
}

/// Answers a request with a body that is complete.
pub(crate) fn answer(mut stream: TcpStream, body: &str) {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
    .unwrap();
}
