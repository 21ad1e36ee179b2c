//! A proxy between sidecar and API server that makes the faults a test asks for, while both run.
//!
//! It ends TLS on both sides, with a certificate of the server's authority towards the client, and passes every header
//! on, so that a token keeps its meaning. It speaks HTTP/1.1 and takes a new connection to the API server for each
//! request. A fault of the API server's is passed on as what it is: a refused or broken connection breaks the
//! client's, without an answer.

mod connection;
mod control;
mod relay;
mod watch;

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use super::background::Background;
use super::program::until;
use super::server::{Server, free_port};

pub(crate) use control::{Asked, Cut, Fault, Refusal, Which};

use control::{Control, Injection};

/// See the module's text. Passes everything until it is told otherwise; ends when dropped.
#[derive(Debug)]
pub(crate) struct FaultProxy {
    address: SocketAddr,
    control: Arc<Control>,
    _background: Background,
}

impl FaultProxy {
    /// A proxy for this server, on a port of its own.
    pub(crate) fn start(server: &Server) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let control = Arc::new(Control::new(server.address(), server.ca_file()));
        let background = Background::start("fault-proxy");
        let certified = server.sign_serving();
        background.spawn(connection::listen(address, Arc::clone(&control), certified));
        let proxy = Self { address, control, _background: background };
        until("the proxy listens", || TcpStream::connect(address).is_ok());
        proxy
    }

    /// Where it listens: put this in place of the API server's address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, for what comes and for what is open: does this. It replaces what it did before.
    pub(crate) fn set(&self, fault: Fault) {
        let refuses = matches!(fault, Fault::Refuse);
        self.control.fault.send_replace(fault);
        until("the port is as asked", || TcpStream::connect(self.address).is_err() == refuses);
    }

    /// Answers the next request of this kind by itself; asked several times, that many. Comes before [`Fault::Answer`].
    pub(crate) fn answer_next(&self, which: Which, refusal: Refusal) {
        self.control.next.lock().unwrap().push((which, refusal));
    }

    /// Cuts every open connection; how many there were. New ones are taken as before.
    pub(crate) fn cut(&self, how: Cut) -> usize {
        self.control.cuts.send(how).unwrap_or(0)
    }

    /// Sends an `ERROR` event into every open watch and ends it, as the API server does when a version is too old;
    /// how many watches there were.
    pub(crate) fn send_error_event(&self, refusal: &Refusal) -> usize {
        let event = serde_json::json!({"type": "ERROR", "object": refusal.status_object()});
        self.control.inject(Injection::ThenEnd(format!("{event}\n").into()))
    }

    /// Ends every open watch as the API server does when its time is over; how many watches there were.
    pub(crate) fn end_watches(&self) -> usize {
        self.control.inject(Injection::ThenEnd(bytes::Bytes::new()))
    }

    /// Sends half a line into every open watch and cuts its connection; how many watches there were.
    pub(crate) fn send_half_a_line(&self) -> usize {
        self.control.inject(Injection::ThenBreak(r#"{"type":"MODIFIED","object":{"apiVersion":"#.into()))
    }

    /// Sends a line of the test's own into every open watch, which goes on; how many watches there were.
    pub(crate) fn send_line(&self, line: &str) -> usize {
        self.control.inject(Injection::Line(format!("{line}\n").into()))
    }

    /// Every request so far, whatever was answered, in the order of arrival.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.control.asked.lock().unwrap().clone()
    }

    /// How many watches are open and passed on.
    pub(crate) fn watches(&self) -> usize {
        self.control.injections.receiver_count()
    }
}
