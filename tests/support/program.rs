//! What the test binaries share of the program as a process: its log, its ports, waiting for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::Value;

/// Far longer than anything takes; what is waited for never comes when this has passed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `holds` does.
#[track_caller]
pub(crate) fn until(what: &str, holds: impl FnMut() -> bool) {
    assert!(comes_true(holds), "never: {what}");
}

/// Waits until `holds` does; false when it never did.
pub(crate) fn comes_true(mut holds: impl FnMut() -> bool) -> bool {
    const PAUSE: Duration = Duration::from_millis(5);
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        if holds() {
            return true;
        }
        std::thread::park_timeout(PAUSE);
    }
    false
}

/// Every line of a log, each of which must be one JSON object.
pub(crate) fn follow(log: impl Read + Send + 'static) -> Receiver<Value> {
    let (lines, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines() {
            let line = line.unwrap();
            let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if lines.send(value).is_err() {
                return;
            }
        }
    });
    receiver
}

/// One request on a connection of its own, which is kept to read the answer from.
pub(crate) struct Call(pub(crate) TcpStream);

impl Call {
    pub(crate) fn get(address: SocketAddr, path: &str) -> Self {
        Self::ask(address, "GET", path)
    }

    /// A request without a body.
    pub(crate) fn ask(address: SocketAddr, method: &str, path: &str) -> Self {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        Self::send(address, &request)
    }

    /// Any bytes.
    pub(crate) fn send(address: SocketAddr, request: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        Self(stream)
    }

    /// The rest of the answer, which ends with the connection.
    pub(crate) fn rest(mut self) -> String {
        let mut answer = Vec::new();
        // A connection that is cut off may be reset: what came before is the answer.
        self.0.read_to_end(&mut answer).ok();
        String::from_utf8(answer).unwrap()
    }
}
